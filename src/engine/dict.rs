//! One database's index: from a key's hash to the item's reference, in four bytes an entry and a byte of tag.
//!
//! Extendible hashing over small tables. A position, made of hash bits that the tables themselves do not use, selects the table; a table
//! that is full splits in two, so nothing that ever happens here costs more than handling one table of [`ENTRIES_MAX`] entries, at any size.
//! It compares no keys and reads no items: the caller brings the comparison and the hash of an item.
//!
//! The one decision worth knowing: positions are not uniform. Tables whose loads rose together would all be half empty at the same
//! time (and all split at the same time); [`position`] makes the density of entries vary by a factor of two over the positions,
//! so that at any number of keys some tables are nearly full and some have just split, and the bytes per entry stay the same.
//!
//! A full table is rebuilt here and not by hashbrown, which would double a table of many deleted entries beyond the limit.

mod frozen;

use hashbrown::HashTable;

/// Segments of a dictionary; each has a directory of its own, so that doubling one copies a 256th of the handles.
const SEGMENT_BITS: u32 = 8;
/// Bits of a position below the segment.
const LOCAL_BITS: u32 = 32 - SEGMENT_BITS;
/// A table splits rather than hold more.
pub const ENTRIES_MAX: usize = 448;
/// Two halves that hold at most this many together become one table again.
const ENTRIES_MERGE_MAX: usize = 160;
/// A directory has at most 2^this handles; tables beyond grow instead (more than a billion keys, or a broken hash).
const DEPTH_MAX: u8 = 16;
/// Empty tables that one call of [`Dictionary::scan`] passes over at most.
const SCAN_TABLES_MAX: usize = 1024;

#[derive(Debug, Default)]
struct Table {
    entries: HashTable<u32>,
    /// Leading local bits that all its entries share.
    depth: u8,
}

#[derive(Debug)]
struct Segment {
    /// 2^depth handles: which table a position's leading local bits select.
    directory: Vec<u32>,
    depth: u8,
    tables: Vec<Table>,
    /// Places in `tables` of merged tables.
    spare: Vec<u32>,
    /// Bytes of the tables' buckets.
    bucket_bytes: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Dictionary {
    /// None, or all of them.
    segments: Vec<Segment>,
    len: usize,
    bytes: usize,
    /// Entries put into other tables because theirs had become too empty, since the beginning.
    entries_moved: u64,
}

/// A hash's place in the order of [`Dictionary::scan`]: monotone in bits 16 to 48 of the hash, and twice as dense at one end as at the other.
#[inline]
pub fn position(hash: u64) -> u32 {
    let uniform = (hash >> 16) as u32 as u64;
    let bend = (uniform * (u64::from(u32::MAX) - uniform)) >> 32;
    (uniform + bend / 3) as u32
}

/// Whether a table of `buckets` buckets has room for one more when deleted entries are cleared away, and how many entries it holds.
fn capacity_of(buckets: usize) -> usize {
    if buckets < 8 {
        buckets.saturating_sub(1)
    } else {
        buckets / 8 * 7
    }
}

impl Segment {
    fn new() -> Segment {
        Segment {
            directory: vec![0],
            depth: 0,
            tables: vec![Table::default()],
            spare: Vec::new(),
            bucket_bytes: 0,
        }
    }

    fn bytes(&self) -> usize {
        (self.directory.capacity() + self.spare.capacity()) * size_of::<u32>()
            + self.tables.capacity() * size_of::<Table>()
            + self.bucket_bytes
    }

    /// Replaces a table's entries by a table with exactly the room for `len` of them, without deleted ones.
    fn rebuild(&mut self, place: usize, len: usize, hash_of: &impl Fn(u32) -> u64) {
        let mut rebuilt = HashTable::with_capacity(len);
        for &reference in self.tables[place].entries.iter() {
            rebuilt.insert_unique(hash_of(reference), reference, |_| {
                unreachable!("the capacity was counted")
            });
        }
        self.set_entries(place, rebuilt);
    }

    fn set_entries(&mut self, place: usize, entries: HashTable<u32>) {
        let table = &mut self.tables[place].entries;
        self.bucket_bytes = self.bucket_bytes + entries.allocation_size() - table.allocation_size();
        *table = entries;
    }

    #[inline]
    fn place(&self, position: u32) -> usize {
        self.directory[self.handle_at(position)] as usize
    }

    #[inline]
    fn handle_at(&self, position: u32) -> usize {
        ((position & ((1 << LOCAL_BITS) - 1)) >> (LOCAL_BITS - u32::from(self.depth))) as usize
    }

    #[inline]
    fn table(&self, position: u32) -> &Table {
        &self.tables[self.place(position)]
    }

    #[inline]
    fn table_mut(&mut self, position: u32) -> &mut Table {
        let place = self.place(position);
        &mut self.tables[place]
    }

    /// The handles that select the same table as `position`.
    fn handles(&self, position: u32) -> std::ops::Range<usize> {
        let span = 1 << (self.depth - self.table(position).depth);
        let first = self.handle_at(position) & !(span - 1);
        first..first + span
    }

    /// Makes room for one more entry in the table of `position`: more buckets, fewer deleted entries, or two tables.
    fn make_room(&mut self, position: u32, hash_of: &impl Fn(u32) -> u64) {
        loop {
            let place = self.place(position);
            let entries = &self.tables[place].entries;
            let (len, capacity) = (entries.len(), capacity_of(entries.num_buckets()));
            if len < entries.capacity() {
                return;
            }
            let keeps_size = len + len / 8 < capacity;
            if capacity >= ENTRIES_MAX && !keeps_size && self.split(position, hash_of) {
                continue;
            }
            self.rebuild(
                place,
                if keeps_size { capacity } else { capacity + 1 },
                hash_of,
            );
        }
    }

    /// Splits the table of `position` by its next bit. False when the directory may not grow further.
    fn split(&mut self, position: u32, hash_of: &impl Fn(u32) -> u64) -> bool {
        let depth = self.table(position).depth;
        if depth == self.depth {
            if self.depth == DEPTH_MAX {
                return false;
            }
            self.directory = self
                .directory
                .iter()
                .flat_map(|&place| [place, place])
                .collect();
            self.depth += 1;
        }
        let handles = self.handles(position);
        let lower = self.directory[handles.start] as usize;
        let upper = match self.spare.pop() {
            Some(place) => place,
            None => {
                self.tables.push(Table::default());
                (self.tables.len() - 1) as u32
            }
        };
        let middle = handles.start + handles.len() / 2;
        self.directory[middle..handles.end].fill(upper);
        let bit = 1 << (LOCAL_BITS - 1 - u32::from(depth));
        let hashed: Vec<(u64, u32)> = self.tables[lower]
            .entries
            .iter()
            .map(|&reference| (hash_of(reference), reference))
            .collect();
        let goes_up = |hash: u64| self::position(hash) & bit != 0;
        let up = hashed.iter().filter(|(hash, _)| goes_up(*hash)).count();
        let mut halves = [
            HashTable::with_capacity(hashed.len() - up),
            HashTable::with_capacity(up),
        ];
        for &(hash, reference) in &hashed {
            halves[usize::from(goes_up(hash))].insert_unique(hash, reference, |_| {
                unreachable!("the capacity was counted")
            });
        }
        for (place, half) in [lower, upper as usize].into_iter().zip(halves) {
            self.set_entries(place, half);
            self.tables[place].depth = depth + 1;
        }
        true
    }

    /// Makes one table again of the table of `position` and its other half, when both are small.
    fn merge(&mut self, position: u32, hash_of: &impl Fn(u32) -> u64) {
        let depth = self.table(position).depth;
        if depth == 0 {
            return;
        }
        let handles = self.handles(position);
        let other_start = handles.start ^ handles.len();
        let (kept, gone) = (
            self.directory[handles.start.min(other_start)] as usize,
            self.directory[handles.start.max(other_start)] as usize,
        );
        if self.tables[kept].depth != self.tables[gone].depth {
            return;
        }
        let len = self.tables[kept].entries.len() + self.tables[gone].entries.len();
        if len > ENTRIES_MERGE_MAX {
            return;
        }
        self.rebuild(kept, len, hash_of);
        let gone_entries = std::mem::take(&mut self.tables[gone].entries);
        self.bucket_bytes -= gone_entries.allocation_size();
        for &reference in gone_entries.iter() {
            self.tables[kept]
                .entries
                .insert_unique(hash_of(reference), reference, |_| {
                    unreachable!("the capacity was counted")
                });
        }
        self.tables[kept].depth = depth - 1;
        self.spare.push(gone as u32);
        let start = handles.start.min(other_start);
        self.directory[start..start + 2 * handles.len()].fill(kept as u32);
        // The directory is halved when its neighbours are alike everywhere; looking costs as much as halving, so only every so often.
        if self.depth > 0 && self.spare.len() >= self.tables.len() / 2 {
            self.compact();
        }
    }

    /// Halves the directory as long as no table needs its last bit, and drops spare tables.
    fn compact(&mut self) {
        while self.depth > 0
            && self
                .directory
                .chunks_exact(2)
                .all(|pair| pair[0] == pair[1])
        {
            self.directory = self.directory.iter().copied().step_by(2).collect();
            self.depth -= 1;
        }
        let mut places = vec![u32::MAX; self.tables.len()];
        let mut kept = Vec::new();
        for handle in &mut self.directory {
            let place = &mut places[*handle as usize];
            if *place == u32::MAX {
                *place = kept.len() as u32;
                kept.push(std::mem::take(&mut self.tables[*handle as usize]));
            }
            *handle = *place;
        }
        self.tables = kept;
        self.spare = Vec::new();
    }
}

impl Dictionary {
    /// Entries put into other tables because theirs had become too empty, since the beginning: what removals cost beside themselves.
    pub fn entries_moved(&self) -> u64 {
        self.entries_moved
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Bytes of its allocations.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    #[inline]
    fn segment(&self, position: u32) -> Option<&Segment> {
        self.segments.get((position >> LOCAL_BITS) as usize)
    }

    /// The entry with this hash that `is_it` accepts.
    #[inline]
    pub fn find(&self, hash: u64, mut is_it: impl FnMut(u32) -> bool) -> Option<u32> {
        let position = position(hash);
        self.segment(position)?
            .table(position)
            .entries
            .find(hash, |&reference| is_it(reference))
            .copied()
    }

    /// Adds an entry that is not there yet.
    pub fn insert(
        &mut self,
        hash: u64,
        reference: u32,
        prefetch: impl Fn(u32),
        hash_of: impl Fn(u32) -> u64,
    ) {
        if self.segments.is_empty() {
            self.segments = (0..1 << SEGMENT_BITS).map(|_| Segment::new()).collect();
            self.bytes = self.segments.capacity() * size_of::<Segment>()
                + self.segments.iter().map(Segment::bytes).sum::<usize>();
        }
        let position = position(hash);
        let segment = &mut self.segments[(position >> LOCAL_BITS) as usize];
        let table = segment.table_mut(position);
        if table.entries.len() == table.entries.capacity() {
            // Hashing reads every item of the table: side by side when asked for ahead, one after the other otherwise.
            table.entries.iter().for_each(|&other| prefetch(other));
            let before = segment.bytes();
            segment.make_room(position, &hash_of);
            self.bytes = self.bytes + segment.bytes() - before;
        }
        self.len += 1;
        let entries = &mut segment.table_mut(position).entries;
        entries.insert_unique(hash, reference, |_| unreachable!("there is room"));
    }

    /// Removes the entry with this hash and this very reference.
    pub fn remove(&mut self, hash: u64, reference: u32, hash_of: impl Fn(u32) -> u64) -> bool {
        let position = position(hash);
        let Some(segment) = self.segments.get_mut((position >> LOCAL_BITS) as usize) else {
            return false;
        };
        let entries = &mut segment.table_mut(position).entries;
        let Ok(entry) = entries.find_entry(hash, |&other| other == reference) else {
            return false;
        };
        entry.remove();
        self.len -= 1;
        let (len, buckets) = (entries.len(), entries.num_buckets());
        if (len * 8 < buckets && buckets > 8) || (len <= ENTRIES_MERGE_MAX / 2 && segment.depth > 0)
        {
            let before = segment.bytes();
            if len * 8 < buckets && buckets > 8 {
                segment.rebuild(segment.place(position), len * 2, &hash_of);
            }
            segment.merge(position, &hash_of);
            let after = segment.bytes();
            if after != before {
                self.entries_moved += segment.table(position).entries.len() as u64;
            }
            self.bytes = self.bytes + after - before;
        }
        true
    }

    /// Puts another reference into the entry with this hash and this very reference.
    pub fn replace(&mut self, hash: u64, reference: u32, new: u32) -> bool {
        let position = position(hash);
        let Some(segment) = self.segments.get_mut((position >> LOCAL_BITS) as usize) else {
            return false;
        };
        match segment
            .table_mut(position)
            .entries
            .find_mut(hash, |&other| other == reference)
        {
            Some(entry) => {
                *entry = new;
                true
            }
            None => false,
        }
    }

    /// Whether there is an entry with this hash and this very reference.
    pub fn contains(&self, hash: u64, reference: u32) -> bool {
        self.find(hash, |other| other == reference).is_some()
    }

    /// Appends about `count` entries in the order of their positions from `cursor` on; returns the next cursor, 0 at the end. What is there
    /// from the first call to the last is given exactly once, however the tables split and merge: positions do not change.
    pub fn scan(
        &self,
        cursor: u32,
        count: usize,
        hash_of: impl Fn(u32) -> u64,
        found: &mut Vec<u32>,
    ) -> u32 {
        if self.segments.is_empty() {
            return 0;
        }
        let enough = found.len() + count.max(1);
        let mut at = cursor;
        let mut placed: Vec<(u32, u32)> = Vec::new();
        for _ in 0..SCAN_TABLES_MAX {
            let segment = &self.segments[(at >> LOCAL_BITS) as usize];
            let table = segment.table(at);
            placed.clear();
            placed.extend(
                table
                    .entries
                    .iter()
                    .map(|&reference| (position(hash_of(reference)), reference))
                    .filter(|&(place, _)| place >= at),
            );
            placed.sort_unstable();
            let room = enough - found.len();
            // Entries of equal position cannot be told apart by a cursor and stay together.
            let cut = match placed.get(room) {
                Some(&(next, _)) => {
                    let start = placed.partition_point(|&(place, _)| place < next);
                    if start > 0 {
                        start
                    } else {
                        placed.partition_point(|&(place, _)| place <= next)
                    }
                }
                None => placed.len(),
            };
            found.extend(placed[..cut].iter().map(|&(_, reference)| reference));
            if let Some(&(next, _)) = placed.get(cut) {
                return next;
            }
            let width = 1u64 << (LOCAL_BITS - u32::from(table.depth));
            let next = (u64::from(at) & !(width - 1)) + width;
            if next >> 32 != 0 {
                return 0;
            }
            at = next as u32;
            if found.len() >= enough {
                break;
            }
        }
        at
    }

    /// An entry chosen by a random number: a table in proportion to its share of the positions' density, then any of its entries.
    pub fn random(&self, random: u64) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        let mut at = position(random);
        // Empty tables are passed over; the next ones in order stand in for them.
        loop {
            let table = self.segments[(at >> LOCAL_BITS) as usize].table(at);
            if !table.entries.is_empty() {
                let nth = ((random >> 48) as usize * table.entries.len()) >> 16;
                return table.entries.iter().nth(nth).copied();
            }
            let width = 1u64 << (LOCAL_BITS - u32::from(table.depth));
            at = ((u64::from(at) & !(width - 1)) + width) as u32;
        }
    }

    /// Takes all entries of one table out; false when nothing is left. The rest stays findable.
    pub fn drain_table(&mut self, drained: &mut Vec<u32>) -> bool {
        while let Some(segment) = self.segments.last_mut() {
            if let Some(place) = segment
                .tables
                .iter()
                .rposition(|table| !table.entries.is_empty())
            {
                drained.extend(segment.tables[place].entries.iter());
                self.len -= segment.tables[place].entries.len();
                let before = segment.bytes();
                segment.set_entries(place, HashTable::new());
                self.bytes = self.bytes + segment.bytes() - before;
                return true;
            }
            self.bytes -= segment.bytes();
            self.segments.pop();
        }
        self.bytes = 0;
        false
    }

    /// Every table is where its handles say, within its limits, and the figures are exact.
    #[cfg(test)]
    pub fn check(&self) {
        let mut len = 0;
        let mut bytes = self.segments.capacity() * size_of::<Segment>();
        for segment in &self.segments {
            assert_eq!(segment.directory.len(), 1 << segment.depth);
            let buckets: usize = segment
                .tables
                .iter()
                .map(|table| table.entries.allocation_size())
                .sum();
            assert_eq!(buckets, segment.bucket_bytes);
            bytes += segment.bytes();
            for (place, table) in segment.tables.iter().enumerate() {
                let handles = segment
                    .directory
                    .iter()
                    .filter(|&&handle| handle as usize == place)
                    .count();
                if segment.spare.contains(&(place as u32)) {
                    assert_eq!((handles, table.entries.len()), (0, 0));
                } else {
                    assert_eq!(handles, 1 << (segment.depth - table.depth));
                }
                assert!(table.entries.len() <= ENTRIES_MAX && table.entries.num_buckets() <= 512);
                len += table.entries.len();
            }
        }
        assert_eq!(len, self.len);
        assert_eq!(bytes, self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::random::Random;
    use std::collections::BTreeMap;

    /// The hash of a reference in these tests.
    fn hash(reference: u32) -> u64 {
        Random::new(u64::from(reference)).draw()
    }

    #[test]
    fn positions_keep_the_order_and_bend_the_density() {
        let mut before = 0;
        for step in 0..100_000u64 {
            let uniform = step * 42_949;
            let at = position(uniform << 16);
            assert!(at >= before);
            before = at;
        }
        assert_eq!(position(0), 0);
        assert_eq!(position(u64::MAX), u32::MAX);
    }

    #[test]
    fn it_is_a_map_through_growth_and_shrinking() {
        let mut dictionary = Dictionary::default();
        let mut model = BTreeMap::new();
        let mut random = Random::new(3);
        for phase in 0..6 {
            let growing = phase % 2 == 0;
            for _ in 0..if cfg!(miri) { 300 } else { 150_000 } {
                let reference = random.below(200_000) as u32;
                let there = model.contains_key(&reference);
                assert_eq!(
                    dictionary
                        .find(hash(reference), |other| other == reference)
                        .is_some(),
                    there
                );
                if growing && !there {
                    dictionary.insert(hash(reference), reference, |_| (), hash);
                    model.insert(reference, ());
                } else if !growing {
                    assert_eq!(dictionary.remove(hash(reference), reference, hash), there);
                    model.remove(&reference);
                }
            }
            dictionary.check();
            assert_eq!(dictionary.len(), model.len());
            let mut found = Vec::new();
            let mut cursor = 0;
            loop {
                cursor = dictionary.scan(cursor, 100, hash, &mut found);
                if cursor == 0 {
                    break;
                }
            }
            found.sort_unstable();
            assert!(found.iter().eq(model.keys()));
        }
        let mut drained = Vec::new();
        while dictionary.drain_table(&mut drained) {}
        drained.sort_unstable();
        assert!(drained.iter().eq(model.keys()));
        assert_eq!((dictionary.len(), dictionary.bytes()), (0, 0));
    }

    #[test]
    fn replacing_and_deleting_for_long_keeps_tables_small() {
        let mut dictionary = Dictionary::default();
        let keys = if cfg!(miri) { 500 } else { 100_000 };
        for reference in 0..keys {
            dictionary.insert(hash(reference), reference, |_| (), hash);
        }
        let bytes = dictionary.bytes();
        for reference in keys..10 * keys {
            assert!(dictionary.remove(hash(reference - keys), reference - keys, hash));
            dictionary.insert(hash(reference), reference, |_| (), hash);
        }
        dictionary.check();
        assert!(
            dictionary.bytes() < bytes + bytes / 4,
            "{} bytes became {}",
            bytes,
            dictionary.bytes()
        );
    }

    #[test]
    fn random_entries_are_spread_evenly() {
        let mut dictionary = Dictionary::default();
        for reference in 0..1000 {
            dictionary.insert(hash(reference), reference, |_| (), hash);
        }
        let mut counts = vec![0; 1000];
        let mut random = Random::new(1);
        for _ in 0..100_000 {
            counts[dictionary.random(random.draw()).unwrap() as usize] += 1;
        }
        assert!(
            counts.iter().all(|&count| count > 0),
            "every entry is found"
        );
    }
}
