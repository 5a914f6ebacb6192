//! Those sixteen bits of a hash that decide where in a small hash table an entry is: with them a table is filled again without reading what was hashed.
//!
//! It relies on how `hashbrown` uses a hash: the low bits choose the first group of buckets, the seven highest are the tag. A test holds it to that.

/// Low bits of a hash that choose among the buckets of the largest table.
const LOW_BITS: u32 = 9;
/// High bits of a hash that a bucket's tag is made of.
const HIGH_BITS: u32 = 7;
/// Buckets of the largest table for which the bits are enough.
pub const BUCKETS_MAX: usize = 1 << LOW_BITS;
const _: () = assert!(LOW_BITS + HIGH_BITS == u16::BITS);

/// What a table needs of a hash.
#[inline]
pub fn bits_of(hash: u64) -> u16 {
    let low = hash as u16 & (BUCKETS_MAX as u16 - 1);
    low | ((hash >> (u64::BITS - HIGH_BITS)) as u16) << LOW_BITS
}

/// A hash that a table takes for the one that the bits are of.
#[inline]
pub fn hash_of_bits(bits: u16) -> u64 {
    u64::from(bits) & (BUCKETS_MAX as u64 - 1)
        | u64::from(bits >> LOW_BITS) << (u64::BITS - HIGH_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::random::Random;
    use hashbrown::HashTable;

    #[test]
    fn a_table_cannot_tell_the_bits_from_the_hash() {
        let mut random = Random::new(5);
        for len in [1, 3, 7, 14, 100, 448] {
            let hashes: Vec<u64> = (0..len).map(|_| random.draw()).collect();
            let mut table = HashTable::with_capacity(len);
            assert!(table.num_buckets() <= BUCKETS_MAX);
            for (number, &hash) in hashes.iter().enumerate() {
                let known = hash_of_bits(bits_of(hash));
                table.insert_unique(known, number, |_| unreachable!("it has room"));
            }
            for (number, &hash) in hashes.iter().enumerate() {
                assert!(table.find(hash, |&other| other == number).is_some());
                // A tag that is not right is found as seldom as chance has it, which the comparison would not show.
                let mut compared = 0;
                table.find(hash, |_| {
                    compared += 1;
                    false
                });
                assert!(compared <= 1 + len / 16, "{compared} of {len} have the tag");
            }
        }
    }
}
