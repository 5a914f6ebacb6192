//! From keys to slots to shards. A slot is the CRC16 (XMODEM) of the key, or of its `{hash tag}` when there is one, modulo 16384, as
//! the Redis Cluster specification has it. Slots are assigned to shards in contiguous ranges.

use crate::limits::SLOTS;

const POLYNOMIAL: u16 = 0x1021;

/// `TABLES[k][b]`: the checksum of byte `b` followed by `k` zero bytes, so that eight bytes are folded in at once.
const TABLES: [[u16; 256]; 8] = {
    let mut tables = [[0u16; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 {
                crc << 1 ^ POLYNOMIAL
            } else {
                crc << 1
            };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut level = 1;
    while level < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[level - 1][byte];
            tables[level][byte] = before << 8 ^ tables[0][(before >> 8) as usize];
            byte += 1;
        }
        level += 1;
    }
    tables
};

/// CRC16 (XMODEM).
pub fn crc16(bytes: &[u8]) -> u16 {
    let mut crc = 0u16;
    let (chunks, rest) = bytes.as_chunks::<8>();
    for chunk in chunks {
        let first = usize::from(chunk[0] ^ (crc >> 8) as u8);
        let second = usize::from(chunk[1] ^ crc as u8);
        crc = TABLES[7][first] ^ TABLES[6][second];
        let mut index = 2;
        while index < 8 {
            crc ^= TABLES[7 - index][usize::from(chunk[index])];
            index += 1;
        }
    }
    for byte in rest {
        crc = crc << 8 ^ TABLES[0][usize::from((crc >> 8) as u8 ^ byte)];
    }
    crc
}

/// The slot of a key, below 16384.
pub fn slot(key: &[u8]) -> u16 {
    let hashed = match key.iter().position(|&byte| byte == b'{') {
        None => key,
        Some(open) => match key[open + 1..].iter().position(|&byte| byte == b'}') {
            None | Some(0) => key,
            Some(len) => &key[open + 1..open + 1 + len],
        },
    };
    crc16(hashed) & (SLOTS as u16 - 1)
}

/// The shard among `shards` that owns a key.
#[inline]
pub fn owner(key: &[u8], shards: usize) -> usize {
    if shards == 1 {
        0
    } else {
        usize::from(slot(key)) * shards / SLOTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        assert_eq!(crc16(b""), 0);
    }

    #[test]
    fn eight_bytes_at_once_equal_one_at_a_time() {
        let bytes: Vec<u8> = (0..100u32).map(|n| (n * 37 % 251) as u8).collect();
        for len in 0..bytes.len() {
            let slow = bytes[..len].iter().fold(0u16, |crc, byte| {
                crc << 8 ^ TABLES[0][usize::from((crc >> 8) as u8 ^ byte)]
            });
            assert_eq!(crc16(&bytes[..len]), slow, "length {len}");
        }
    }

    #[test]
    fn hash_tags_as_redis_cluster_reads_them() {
        assert_eq!(slot(b"foo"), 12182);
        assert_eq!(slot(b"{user1000}.following"), slot(b"{user1000}.followers"));
        assert_eq!(slot(b"foo{}{bar}"), crc16(b"foo{}{bar}") & 16383);
        assert_eq!(slot(b"foo{{bar}}zap"), slot(b"{bar"));
        assert_eq!(slot(b"foo{bar}{zap}"), slot(b"bar"));
    }

    #[test]
    fn every_shard_owns_a_contiguous_range() {
        for shards in [1, 2, 3, 5, 128] {
            let owners: Vec<usize> = (0..SLOTS).map(|slot| slot * shards / SLOTS).collect();
            assert!(owners.is_sorted());
            assert_eq!(owners[0], 0);
            assert_eq!(owners[SLOTS - 1], shards - 1);
        }
    }
}
