//! Collections: how values beside strings are stored, a file per type, without commands, clocks or I/O.
//!
//! A collection has two forms. Packed: one run of bytes of at most [`PACKED_BYTES_MAX`], which the engine keeps in the item itself. Large: a
//! structure behind a box, which the engine moves out and back. It begins packed and becomes large by Redis' thresholds or when its run
//! would be too long, and stays so.
//! In reading order: `packed` (the run), `table` (the hash table of large forms), `counted_tree` (what is found by its place), then the types.
//!
//! The one decision worth knowing: OBJECT ENCODING follows Redis' rules and not our forms, so each large form remembers what Redis would call it.

/// The counted tree of ordered and of long large forms.
pub mod counted_tree;
/// Hashes.
pub mod hash;
/// Lists.
pub mod list;
/// The packed run.
pub mod packed;
#[cfg(test)]
mod packed_tests;
/// Sets.
pub mod set;
/// Sorted sets.
pub mod sorted_set;
/// Streams.
pub mod stream;
/// The hash table of large forms.
pub mod table;
#[cfg(test)]
mod table_tests;

use super::hash::KeyHasher;
use std::sync::Arc;

/// The longest packed form in bytes. It must fit a slot of the arena together with its key, and every change to it costs a copy.
pub const PACKED_BYTES_MAX: usize = 8 * 1024;

/// What the engine needs to keep a collection.
pub trait Stored: Sized {
    /// The bytes of the packed form, `None` when it is large.
    fn packed(&self) -> Option<&[u8]>;
    /// From the bytes of the packed form.
    fn from_packed(bytes: Vec<u8>) -> Self;
    /// Bytes allocated by the large form, the struct itself included; 0 when packed. O(1).
    fn heap_bytes(&self) -> usize;
    /// Number of elements.
    fn len(&self) -> usize;
    /// Whether there is no element.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Frees at most about `units` elements of the large form, for deletion in slices; returns the units left over (more than 0: nothing
    /// remains). What is half released is only ever released further.
    fn release(&mut self, units: usize) -> usize;
}

/// The hash function of large forms, chosen by a seed so that clients cannot aim at one table. Cloning shares it: an engine has one.
#[derive(Debug, Clone)]
pub struct ElementHasher(Arc<KeyHasher>);

impl ElementHasher {
    /// A hash function chosen by the seed.
    pub fn new(seed: u64) -> ElementHasher {
        ElementHasher(Arc::new(KeyHasher::new(seed)))
    }

    /// The hash of an element's bytes.
    #[inline]
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        self.0.hash(bytes)
    }
}

/// What an allocation of `bytes` really takes: the size classes of jemalloc are 16 bytes apart up to 128, and then four to a doubling.
#[inline]
pub const fn allocated_bytes(bytes: usize) -> usize {
    let step = match bytes {
        0 => return 0,
        1..=8 => 8,
        9..=128 => 16,
        _ => 1 << ((bytes - 1).ilog2() - 2),
    };
    (bytes + step - 1) & !(step - 1)
}

#[cfg(test)]
mod tests {
    use super::allocated_bytes;

    #[test]
    fn size_classes() {
        let classes = [
            0, 1, 8, 9, 17, 48, 49, 128, 129, 160, 161, 256, 257, 4096, 4097, 70_000,
        ];
        let taken = [
            0, 8, 8, 16, 32, 48, 64, 128, 160, 160, 192, 256, 320, 4096, 5120, 81_920,
        ];
        assert_eq!(classes.map(allocated_bytes), taken);
    }
}
