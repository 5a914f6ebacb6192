//! The checksum of DUMP payloads and RDB files: CRC-64 with the Jones polynomial, reflected, starting at 0, not inverted.

/// The polynomial 0xad93d23594c935a9 with its bits in reverse.
const POLYNOMIAL: u64 = 0x95ac_9329_ac4b_c9b5;

/// As many bytes are taken at a time: half of the lookups then need not wait for the ones before.
const BYTES_AT_ONCE: usize = 16;

/// Table n is for a byte with n bytes of zeros behind it.
static TABLES: [[u64; 256]; BYTES_AT_ONCE] = tables();

const fn tables() -> [[u64; 256]; BYTES_AT_ONCE] {
    let mut tables = [[0; 256]; BYTES_AT_ONCE];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u64;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 {
                crc >> 1 ^ POLYNOMIAL
            } else {
                crc >> 1
            };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut table = 1;
    while table < BYTES_AT_ONCE {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[table - 1][byte];
            tables[table][byte] = before >> 8 ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        table += 1;
    }
    tables
}

/// The checksum of these bytes.
pub fn crc64(bytes: &[u8]) -> u64 {
    let mut crc = Crc64::new();
    crc.update(bytes);
    crc.value()
}

/// The checksum of bytes that come one piece after the other; how they are cut makes no difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Crc64(u64);

impl Crc64 {
    /// Of nothing yet.
    pub fn new() -> Crc64 {
        Crc64(0)
    }

    /// Takes the next piece.
    pub fn update(&mut self, bytes: &[u8]) {
        let (blocks, rest) = bytes.as_chunks::<BYTES_AT_ONCE>();
        let mut crc = self.0;
        for block in blocks {
            let sum = |bytes: &[u8], tables: &[[u64; 256]]| {
                let lookups = bytes.iter().zip(tables.iter().rev());
                lookups.fold(0, |sum, (byte, table)| sum ^ table[usize::from(*byte)])
            };
            let (first, second) = block.split_first_chunk().expect("a block is longer");
            let mixed = (crc ^ u64::from_le_bytes(*first)).to_le_bytes();
            crc = sum(second, &TABLES[..8]) ^ sum(&mixed, &TABLES[8..]);
        }
        self.0 = rest.iter().fold(crc, |crc, byte| {
            crc >> 8 ^ TABLES[0][usize::from(crc as u8 ^ byte)]
        });
    }

    /// The checksum of what came so far.
    pub fn value(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_published_check_value() {
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
        assert_eq!(crc64(b""), 0);
    }

    proptest! {
        #[test]
        fn many_bytes_at_a_time_are_as_good_as_one(bytes: Vec<u8>) {
            let slow = bytes.iter().fold(0, |crc, byte| crc >> 8 ^ TABLES[0][usize::from(crc as u8 ^ byte)]);
            prop_assert_eq!(crc64(&bytes), slow);
        }

        #[test]
        fn pieces_are_as_good_as_the_whole(pieces: Vec<Vec<u8>>) {
            let mut crc = Crc64::new();
            pieces.iter().for_each(|piece| crc.update(piece));
            prop_assert_eq!(crc.value(), crc64(&pieces.concat()));
        }
    }
}
