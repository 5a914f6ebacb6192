//! One request of the oracle, and the generators' common choices: few keys, so that commands meet, and values and numbers at the edges. Generation depends
//! on the random source alone. The decision worth knowing: a CAS token is different on each server, so that a request that names one holds a place
//! for it, which is filled for each server with that server's own token of the same rank.

use crate::support::random::Random;

/// A piece of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// These bytes.
    Bytes(Vec<u8>),
    /// The token that was seen `back` tokens before the latest one of this key; in decimal digits, or as 8 bytes.
    Token {
        key: Vec<u8>,
        back: usize,
        binary: bool,
    },
}

/// A request.
#[derive(Clone, Debug)]
pub struct Operation {
    /// What is sent.
    pub parts: Vec<Part>,
    /// The key whose tokens the reply shows, where the reply itself does not name it.
    pub key: Vec<u8>,
    /// Goes over the connection that speaks the binary protocol.
    pub binary: bool,
    /// The server closes the connection.
    pub closes: bool,
    /// Sent when everything before it is answered, and answered before anything else is sent.
    pub alone: bool,
}

impl Operation {
    /// A request of the text protocols.
    pub fn text(key: &[u8], bytes: impl Into<Vec<u8>>) -> Operation {
        Operation {
            parts: vec![Part::Bytes(bytes.into())],
            key: key.to_vec(),
            binary: false,
            closes: false,
            alone: false,
        }
    }

    /// The same, sent when everything before it is answered. So goes all arithmetic: memcached writes a number in place, padded with blanks, unless replies that
    /// are not sent yet refer to the item.
    pub fn alone(self) -> Operation {
        Operation {
            alone: true,
            ..self
        }
    }

    /// How many bytes it has, about.
    pub fn length(&self) -> usize {
        let length = |part: &Part| match part {
            Part::Bytes(bytes) => bytes.len(),
            Part::Token { .. } => 20,
        };
        self.parts.iter().map(length).sum()
    }

    /// The request as people read it.
    pub fn readable(&self) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Bytes(bytes) if bytes.len() > 300 => {
                    let (head, tail) = (&bytes[..100], &bytes[bytes.len() - 20..]);
                    text.push_str(&format!(
                        "{}...{} bytes...{}",
                        head.escape_ascii(),
                        bytes.len(),
                        tail.escape_ascii()
                    ));
                }
                Part::Bytes(bytes) => text.push_str(&bytes.escape_ascii().to_string()),
                Part::Token { key, back, .. } => {
                    text.push_str(&format!(
                        "<token of {}, {back} before the latest>",
                        key.escape_ascii()
                    ));
                }
            }
        }
        let lane = if self.binary { "binary" } else { "text  " };
        format!("{lane} {text}")
    }
}

/// What one connection may touch.
#[derive(Clone)]
pub struct Territory {
    /// Begins every key; empty for a connection that has the server to itself.
    pub prefix: String,
    /// Commands over everything (`flush_all`) are for one who is alone.
    pub alone: bool,
    /// Protocols that are used: text, meta, binary.
    pub protocols: [bool; 3],
}

impl Territory {
    /// A key: nearly always one of nine.
    pub fn key(&self, random: &mut Random) -> Vec<u8> {
        let mut key = self.prefix.clone().into_bytes();
        match random.below(40) {
            0 => key.resize(250, b'k'),
            1 => key.extend_from_slice(b"{tag}control\x01\x7f"),
            _ => key.extend_from_slice(format!("k{}", random.below(8)).as_bytes()),
        }
        key
    }
}

/// A value, with what is near a limit more often than not.
pub fn value(random: &mut Random) -> Vec<u8> {
    match random.below(24) {
        0 | 1 => Vec::new(),
        2..=7 => random.below(2000).to_string().into_bytes(),
        8..=11 => random
            .pick(&[
                "18446744073709551615",
                "18446744073709551614",
                "18446744073709551616",
                "9223372036854775807",
                "9223372036854775808",
                "10",
                "100",
                "0",
                "99",
            ])
            .as_bytes()
            .to_vec(),
        12 => random
            .pick(&["-1", "007", "+5", "5 ", " 5", "1e3", "12x", "0x10", "5 5"])
            .as_bytes()
            .to_vec(),
        13..=15 => vec![b'a' + random.below(26) as u8],
        16 | 17 => undashed(random, 100),
        18 => undashed(random, 5 * 1024),
        19 if random.chance(30) => undashed(random, 70 * 1024),
        _ => {
            let length = 1 + random.below(30) as usize;
            (0..length).map(|_| b'a' + random.below(4) as u8).collect()
        }
    }
}

/// Random bytes without a minus sign: memcached 1.6.18 looks for one behind the end of a number of 2^63 and more, in memory that other items left.
fn undashed(random: &mut Random, length: usize) -> Vec<u8> {
    let mut bytes = random.bytes(length);
    for byte in &mut bytes {
        if *byte == b'-' {
            *byte = b'.';
        }
    }
    bytes
}

/// One of these words.
fn word(random: &mut Random, words: &[&'static str]) -> &'static str {
    words[random.below(words.len() as u64) as usize]
}

/// Client flags, as text; mostly good ones. 2^32 and a little more are left out: memcached 1.6.18 cuts them to 32 bits, later ones refuse them.
pub fn flags(random: &mut Random) -> &'static str {
    if random.chance(4) {
        let bad: [&str; 4] = ["-1", "abc", "1x", "99999999999999999999999"];
        return word(random, &bad);
    }
    const CHOICES: &[&str] = &[
        "0",
        "0",
        "0",
        "1",
        "5",
        "65535",
        "65536",
        "2147483648",
        "4294967295",
        "007",
        "+3",
    ];
    word(random, CHOICES)
}

/// An expiry time in seconds, as text: none, far, past or absolute, never so near that two servers' clocks matter.
pub fn expiry(random: &mut Random) -> &'static str {
    const CHOICES: &[&str] = &[
        "0",
        "0",
        "0",
        "0",
        "0",
        "0",
        "0",
        "100",
        "100",
        "1000",
        "2592000",
        "2000000000",
        "-1",
        "2592001",
        "1000000000",
    ];
    word(random, CHOICES)
}
