//! Packets of the binary protocol and random requests made of them. Left out: unknown opcodes with a body, which memcached 1.6.18 leaves in the stream, and lengths
//! that contradict each other, for which servers may hang up before the answer is read; bad input has those.

use crate::operation::{Operation, Part, Territory, value};
use crate::support::random::Random;

/// The marker behind every request: a no-op with this opaque value, which no other request has.
pub const MARKER_OPAQUE: u32 = 0x6d61_726b;
/// The length of a packet's header, in bytes.
pub const HEADER_LENGTH: usize = 24;

/// A request in the making; what is not set follows from the rest.
#[derive(Clone, Default)]
pub struct Packet {
    pub opcode: u8,
    pub key: Vec<u8>,
    pub extras: Vec<u8>,
    pub value: Vec<u8>,
    pub opaque: u32,
    pub token: u64,
    pub data_type: u8,
    pub vbucket: u16,
}

impl Packet {
    /// A request with an opcode and a key.
    pub fn new(opcode: u8, key: &[u8]) -> Packet {
        Packet {
            opcode,
            key: key.to_vec(),
            ..Packet::default()
        }
    }

    /// The bytes before and after the token.
    fn halves(&self) -> (Vec<u8>, Vec<u8>) {
        let mut head = vec![0x80, self.opcode];
        head.extend_from_slice(&(self.key.len() as u16).to_be_bytes());
        head.extend_from_slice(&[self.extras.len() as u8, self.data_type]);
        head.extend_from_slice(&self.vbucket.to_be_bytes());
        let body = self.extras.len() + self.key.len() + self.value.len();
        head.extend_from_slice(&(body as u32).to_be_bytes());
        head.extend_from_slice(&self.opaque.to_be_bytes());
        (
            head,
            [self.extras.as_slice(), &self.key, &self.value].concat(),
        )
    }

    /// The request as bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let (head, tail) = self.halves();
        [head.as_slice(), &self.token.to_be_bytes(), &tail].concat()
    }

    fn operation(self, token: Part, closes: bool) -> Operation {
        let (head, tail) = self.halves();
        Operation {
            parts: vec![Part::Bytes(head), token, Part::Bytes(tail)],
            key: self.key,
            binary: true,
            closes,
            alone: closes,
        }
    }
}

/// The marker.
pub fn marker() -> Vec<u8> {
    let packet = Packet {
        opaque: MARKER_OPAQUE,
        ..Packet::new(0x0a, b"")
    };
    packet.bytes()
}

/// The length of the packet that the bytes begin with, None when it is not whole yet.
pub fn packet_length(bytes: &[u8]) -> Option<usize> {
    let header = bytes.get(..HEADER_LENGTH)?;
    let body = u32::from_be_bytes(header[8..12].try_into().expect("four bytes")) as usize;
    (bytes.len() >= HEADER_LENGTH + body).then_some(HEADER_LENGTH + body)
}

fn no_token() -> Part {
    Part::Bytes(vec![0; 8])
}

/// Mostly none; else the latest of the key, an older one, or one that never was.
fn token(random: &mut Random, key: &[u8]) -> Part {
    let seen = |back| Part::Token {
        key: key.to_vec(),
        back,
        binary: true,
    };
    match random.below(12) {
        0 => Part::Bytes(vec![0xff; 8]),
        1 => seen(1),
        2..=4 => seen(0),
        _ => no_token(),
    }
}

fn expiry(random: &mut Random) -> u32 {
    *random.pick(&[0, 0, 0, 0, 100, 1000, 2_592_000, 2_000_000_000, 2_592_001])
}

/// The next request.
pub fn operation(random: &mut Random, territory: &Territory) -> Operation {
    let mut packet = Packet::new(0, &territory.key(random));
    packet.opaque = random.next() as u32 & 0xffff;
    if random.chance(5) {
        // Both are said to be ignored.
        packet.data_type = random.below(3) as u8;
        packet.vbucket = random.below(5) as u16;
    }
    let mut token_of_request = token(random, &packet.key);
    match random.below(100) {
        0..=19 => {
            packet.opcode = *random.pick(&[0x00, 0x09, 0x0c, 0x0d]);
            token_of_request = no_token();
        }
        20..=45 => {
            packet.opcode = *random.pick(&[0x01, 0x01, 0x02, 0x03, 0x11, 0x11, 0x12, 0x13]);
            let flags: u32 = *random.pick(&[0, 1, 65535, 0xdead_beef, u32::MAX]);
            packet.extras = [flags.to_be_bytes(), expiry(random).to_be_bytes()].concat();
            packet.value = if random.below(2000) == 0 {
                vec![b'L'; 1_200_000]
            } else {
                value(random)
            };
        }
        46..=55 => {
            packet.opcode = *random.pick(&[0x0e, 0x0f, 0x19, 0x1a]);
            packet.value = value(random);
        }
        56..=70 => {
            packet.opcode = *random.pick(&[0x05, 0x05, 0x06, 0x15, 0x16]);
            let numbers = [0, 1, 1, 5, 100, u64::MAX, u64::MAX - 1, 1 << 63];
            let (delta, initial) = (*random.pick(&numbers), *random.pick(&numbers));
            let expiry = if random.chance(40) {
                u32::MAX
            } else {
                expiry(random)
            };
            packet.extras = [
                delta.to_be_bytes().as_slice(),
                &initial.to_be_bytes(),
                &expiry.to_be_bytes(),
            ]
            .concat();
        }
        71..=77 => packet.opcode = *random.pick(&[0x04, 0x04, 0x14]),
        78..=87 => {
            packet.opcode = *random.pick(&[0x1c, 0x1d, 0x1e, 0x23, 0x24]);
            packet.extras = expiry(random).to_be_bytes().to_vec();
            token_of_request = no_token();
        }
        88 => {
            packet.opcode = *random.pick(&[0x0a, 0x0b, 0x1b, 0x1f, 0x25, 0x40, 0xff]);
            packet.key.clear();
        }
        89 => {
            packet.opcode = 0x10;
            packet.key = random
                .pick(&[b"nosuch".to_vec(), b"reset".to_vec()])
                .clone();
            token_of_request = no_token();
        }
        90 if territory.alone => {
            packet.opcode = *random.pick(&[0x08, 0x18]);
            packet.key.clear();
            packet.extras = random.pick(&[Vec::new(), vec![0; 4]]).clone();
            token_of_request = no_token();
        }
        91..=92 => return malformed(random, packet),
        _ => {
            // Keys of any bytes.
            packet.key.truncate(100);
            packet.key.extend_from_slice(b" \r\n\0");
            packet.opcode = *random.pick(&[0x01, 0x0c, 0x0d, 0x04]);
            if packet.opcode == 0x01 {
                packet.extras = vec![0; 8];
                packet.value = value(random);
            }
            token_of_request = no_token();
        }
    }
    let arithmetic = matches!(packet.opcode, 0x05 | 0x06 | 0x15 | 0x16);
    let operation = packet.operation(token_of_request, false);
    if arithmetic {
        operation.alone()
    } else {
        operation
    }
}

/// Lengths that the opcode does not allow: the server says so and closes the connection.
fn malformed(random: &mut Random, mut packet: Packet) -> Operation {
    match random.below(8) {
        0 => {
            packet.opcode = *random.pick(&[0x00, 0x09, 0x0c, 0x0d, 0x04, 0x14]);
            packet.key.clear();
        }
        1 => {
            packet.opcode = *random.pick(&[0x00, 0x04, 0x0e, 0x10]);
            packet.extras = vec![0; 4];
        }
        2 => {
            packet.opcode =
                *random.pick(&[0x01, 0x02, 0x03, 0x05, 0x06, 0x1c, 0x1d, 0x1e, 0x23, 0x24])
        }
        3 => {
            packet.opcode = *random.pick(&[0x01, 0x12, 0x1c, 0x1d]);
            packet.extras = vec![0; if packet.opcode < 0x1c { 4 } else { 8 }];
        }
        4 => {
            packet.opcode = *random.pick(&[0x00, 0x09]);
            packet.key.resize(251, b'k');
        }
        5 => packet.opcode = *random.pick(&[0x07, 0x08, 0x0a, 0x0b]),
        6 => {
            packet.opcode = 0x05;
            packet.extras = vec![0; 20];
            packet.value = b"v".to_vec();
        }
        _ => {
            packet.opcode = *random.pick(&[0x07, 0x17]);
            packet.key.clear();
        }
    }
    packet.operation(no_token(), true)
}
