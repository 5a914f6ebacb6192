//! Which keys were evicted lately: a table of hash fingerprints with ages, four bytes each.
//!
//! A bucket of eight entries (half a cache line) is chosen by the hash; an entry is 20 bits of fingerprint and 12 bits of age, counted in
//! insertions. It forgets by age, and early where a bucket overflows. It can be wrong: of a million keys never seen, some eight look
//! remembered, and one in seven that should be remembered at full load is not; the policy that asks only takes a hint from it.
//!
//! The size follows the number of items. There is no rehashing: a new table takes over, and the old one is only read until all it knows
//! is too old, then freed a chunk at a time.

use crate::engine::frozen::{In, Out};
use std::io;

/// Entries of a bucket.
const WAYS: usize = 8;
/// Entries of a chunk: 16 KiB.
const CHUNK: usize = 4096;
const ENTRIES_MIN: usize = 64;
/// More than a table for all items that a shard can have.
const ENTRIES_MAX: usize = 1 << 32;
const AGE_BITS: u32 = 12;
const FINGERPRINT_BITS: u32 = 20;

#[derive(Debug)]
struct Table {
    /// Allocated when first written.
    chunks: Vec<Option<Box<[u32]>>>,
    entries: usize,
    /// Insertions per unit of age, as a power of two: a quarter of the ages covers the whole table.
    age_shift: u32,
    chunk_bytes: usize,
}

impl Table {
    fn new(entries: usize) -> Table {
        debug_assert!(entries.is_power_of_two());
        let mut chunks = Vec::new();
        chunks.resize_with(entries.div_ceil(CHUNK), || None);
        let age_shift = entries.ilog2().saturating_sub(AGE_BITS - 2);
        Table {
            chunks,
            entries,
            age_shift,
            chunk_bytes: entries.min(CHUNK) * size_of::<u32>(),
        }
    }

    /// The chunk, the place of the bucket in it, and the fingerprint.
    fn place(&self, hash: u64) -> (usize, usize, u32) {
        let mixed = hash.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bucket = (mixed >> 32) as usize & (self.entries / WAYS - 1);
        let fingerprint = (mixed as u32 >> (32 - FINGERPRINT_BITS)).max(1);
        (bucket * WAYS / CHUNK, bucket * WAYS % CHUNK, fingerprint)
    }

    fn stamp(&self, insertions: u64) -> u32 {
        (insertions >> self.age_shift) as u32 & ((1 << AGE_BITS) - 1)
    }

    /// How many insertions ago the entry was made.
    fn age(&self, entry: u32, insertions: u64) -> u64 {
        let units = self.stamp(insertions).wrapping_sub(entry) & ((1 << AGE_BITS) - 1);
        u64::from(units) << self.age_shift
    }

    fn insert(&mut self, hash: u64, insertions: u64) {
        let (chunk, at, fingerprint) = self.place(hash);
        let (len, stamp) = (self.entries.min(CHUNK), self.stamp(insertions));
        let chunk = self.chunks[chunk].get_or_insert_with(|| vec![0; len].into_boxed_slice());
        let mut oldest = at;
        let mut age_max = 0;
        for place in at..at + WAYS {
            let entry = chunk[place];
            if entry == 0 || entry >> AGE_BITS == fingerprint {
                oldest = place;
                break;
            }
            let age = stamp.wrapping_sub(entry) & ((1 << AGE_BITS) - 1);
            if age >= age_max {
                age_max = age;
                oldest = place;
            }
        }
        chunk[oldest] = fingerprint << AGE_BITS | stamp;
    }

    fn take(&mut self, hash: u64, insertions: u64, age_max: u64) -> bool {
        let (chunk, at, fingerprint) = self.place(hash);
        let Some(chunk) = &mut self.chunks[chunk] else {
            return false;
        };
        let Some(place) = (at..at + WAYS).find(|&place| chunk[place] >> AGE_BITS == fingerprint)
        else {
            return false;
        };
        let entry = std::mem::take(&mut chunk[place]);
        self.age(entry, insertions) <= age_max
    }

    fn freeze(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.count(self.entries as u64)?;
        for chunk in &self.chunks {
            out.bytes(&[u8::from(chunk.is_some())])?;
            for entry in chunk.iter().flatten() {
                out.u32(*entry)?;
            }
        }
        Ok(())
    }

    fn thaw(input: &mut In<'_>) -> Result<Table, String> {
        let entries = input.count()? as usize;
        if !entries.is_power_of_two() || !(ENTRIES_MIN..=ENTRIES_MAX).contains(&entries) {
            return Err("a table of evicted keys is none".into());
        }
        let mut table = Table::new(entries);
        for chunk in &mut table.chunks {
            if input.byte()? != 0 {
                let len = entries.min(CHUNK);
                let read = (0..len).map(|_| input.u32()).collect::<Result<_, _>>()?;
                *chunk = Some(read);
            }
        }
        Ok(table)
    }

    fn bytes(&self) -> usize {
        self.chunks.iter().flatten().count() * self.chunk_bytes
            + self.chunks.capacity() * size_of::<Option<Box<[u32]>>>()
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Ghost {
    table: Option<Table>,
    /// The table before the last change of size, and the insertions from which on it knows nothing of interest.
    previous: Option<(Table, u64)>,
    insertions: u64,
    bytes: usize,
}

impl Ghost {
    /// Remembers a key among the last `capacity`.
    pub fn insert(&mut self, hash: u64, capacity: usize) {
        self.insertions += 1;
        let fits = self.table.as_ref().is_some_and(|table| {
            capacity <= table.entries / 8 * 7
                && (table.entries == ENTRIES_MIN || capacity >= table.entries / 8)
        });
        if !fits && self.previous.is_none() {
            let table = Table::new(
                (capacity + capacity / 3)
                    .next_power_of_two()
                    .max(ENTRIES_MIN),
            );
            if let Some(before) = self.table.replace(table) {
                self.previous = Some((before, self.insertions + capacity as u64));
            }
        }
        if let Some((before, until)) = &mut self.previous
            && *until <= self.insertions
        {
            before.chunks.pop();
            if before.chunks.is_empty() {
                self.previous = None;
            }
        }
        let insertions = self.insertions;
        self.table
            .as_mut()
            .expect("made above")
            .insert(hash, insertions);
        if insertions % 64 == 1 || !fits {
            self.bytes = self
                .table
                .iter()
                .chain(self.previous.iter().map(|(table, _)| table))
                .map(Table::bytes)
                .sum();
        }
    }

    /// Whether the key is among the last `capacity` remembered; it is forgotten then.
    pub fn take(&mut self, hash: u64, capacity: usize) -> bool {
        let (insertions, age_max) = (self.insertions, capacity as u64);
        if self
            .table
            .as_mut()
            .is_some_and(|table| table.take(hash, insertions, age_max))
        {
            return true;
        }
        match &mut self.previous {
            Some((before, until)) if *until > insertions => before.take(hash, insertions, age_max),
            _ => false,
        }
    }

    /// Writes it, but for what only a change of size keeps for a while.
    pub fn freeze(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.u64(self.insertions)?;
        out.bytes(&[u8::from(self.table.is_some())])?;
        self.table
            .as_ref()
            .map_or(Ok(()), |table| table.freeze(out))
    }

    /// See [`Ghost::freeze`].
    pub fn thaw(input: &mut In<'_>) -> Result<Ghost, String> {
        let insertions = input.u64()?;
        let table = match input.byte()? {
            0 => None,
            _ => Some(Table::thaw(input)?),
        };
        Ok(Ghost {
            bytes: table.as_ref().map_or(0, Table::bytes),
            table,
            previous: None,
            insertions,
        })
    }

    /// Bytes on the heap, as of the last few insertions.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Drops one chunk of a table that is no longer used; false when there is none left.
    pub fn free_chunk(&mut self) -> bool {
        let table = self.table.as_mut().and_then(|table| table.chunks.pop());
        table.is_some()
            || self
                .previous
                .as_mut()
                .is_some_and(|(table, _)| table.chunks.pop().is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(number: u64) -> u64 {
        number
            .wrapping_mul(0xff51_afd7_ed55_8ccd)
            .rotate_left(31)
            .wrapping_mul(0xc4ce_b9fe_1a85_ec53)
    }

    #[test]
    fn it_remembers_the_last_and_forgets_the_rest() {
        for capacity in [18, 100, 1000, 50_000] {
            let mut ghost = Ghost::default();
            let total = capacity as u64 * 10;
            for number in 0..total {
                ghost.insert(hash(number), capacity);
            }
            let recent = (total - capacity as u64 * 3 / 4..total)
                .filter(|&number| ghost.take(hash(number), capacity))
                .count();
            assert!(
                recent * 100 >= capacity * 3 / 4 * 90,
                "{recent} of {capacity}"
            );
            let old = (0..total / 2)
                .filter(|&number| ghost.take(hash(number), capacity))
                .count();
            assert!(old <= capacity / 100 + 1, "{old} old ones of {total}");
            let strange = (total..total + 100_000)
                .filter(|&number| ghost.take(hash(number), capacity))
                .count();
            assert!(strange <= 5, "{strange} false ones");
            assert!(ghost.bytes() <= capacity * 12 + 1024);
        }
    }

    #[test]
    fn growth_keeps_what_is_remembered_and_shrinking_gives_memory_back() {
        let mut ghost = Ghost::default();
        for number in 0..1000 {
            ghost.insert(hash(number), 1000);
        }
        for number in 1000..2000 {
            ghost.insert(hash(number), 10_000);
        }
        let kept = (0..2000)
            .filter(|&number| ghost.take(hash(number), 10_000))
            .count();
        assert!(kept > 1850, "{kept}");
        for number in 0..100_000 {
            ghost.insert(hash(number), 100_000);
        }
        let large = ghost.bytes();
        for number in 0..200_000 {
            ghost.insert(hash(number), 100);
        }
        assert!(
            ghost.bytes() < large / 50,
            "{} after {large}",
            ghost.bytes()
        );
    }
}
