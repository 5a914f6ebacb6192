//! The large form of a list: chunks in a counted tree, so that any position is found in logarithmic time and nothing grows by copying a
//! directory.
//!
//! Chunks are filled as Redis fills the nodes of a quicklist, because whether there is one decides the encoding.

mod frozen;

use super::chunk::Chunk;
use super::limits::{LISTPACK_BYTES, ListLimits};
use crate::engine::value::allocated_bytes;
use crate::engine::value::counted_tree::{At, Direction, Gap, Grow, Tree};
use crate::engine::value::packed::{Entry, Run};
use std::ops::Range;

/// Bytes of a chunk that count as one unit of release.
const UNIT_BYTES: usize = 1024;

/// See the module.
pub struct LargeList {
    chunks: Tree<Chunk>,
    /// What Redis would call it.
    pub(super) is_quicklist: bool,
}

/// How an insertion ended.
enum Inserted {
    Done,
    /// The chunk was split before the place.
    Again,
    /// The place is the end of a chunk that takes no more.
    Full,
}

impl std::fmt::Debug for LargeList {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "LargeList({})", self.len())
    }
}

impl Clone for LargeList {
    /// A copy that has allocated no more than it needs.
    fn clone(&self) -> LargeList {
        let mut copy = LargeList::new(Vec::new());
        copy.is_quicklist = self.is_quicklist;
        let mut at = 0;
        while let Some((chunk, _)) = self.chunks.leaf_at(at) {
            let new = chunk.copy();
            let count = new.run().len();
            if at == 0 {
                copy.chunks.push_first(new);
            } else {
                copy.chunks
                    .change(At(at - 1), |_, _| ((), Grow::After(new)));
            }
            at += count;
        }
        copy
    }
}

impl LargeList {
    pub(super) fn new(run: Vec<u8>) -> LargeList {
        let mut chunks = Tree::new();
        if !Run::new(&run).is_empty() {
            chunks.push_first(Chunk::from_run(run));
        }
        LargeList {
            chunks,
            is_quicklist: false,
        }
    }

    /// Number of elements.
    #[expect(clippy::len_without_is_empty)]
    #[inline]
    pub fn len(&self) -> usize {
        self.chunks.len()
    }

    pub(in crate::engine) fn heap_bytes(&self) -> usize {
        allocated_bytes(size_of::<LargeList>()) + self.chunks.heap_bytes()
    }

    /// What a change at an end reads, by level: the only chunk, and then its ends.
    pub(in crate::engine) fn ends(&self, level: usize) -> [*const u8; 2] {
        match (self.only_chunk(), level) {
            (None, _) => [std::ptr::null(); 2],
            (Some(chunk), 0) => [(&raw const *chunk).cast(); 2],
            (Some(chunk), _) => chunk.ends(),
        }
    }

    /// The only chunk.
    fn only_chunk(&self) -> Option<&Chunk> {
        if !self.chunks.is_one_leaf() {
            return None;
        }
        self.chunks.leaf_at(0).map(|(chunk, _)| chunk)
    }

    /// Bytes of the only chunk's run, and what they would be in Redis' listpack.
    pub(super) fn only_chunk_bytes(&self) -> Option<(usize, usize)> {
        self.only_chunk()
            .map(|chunk| (chunk.bytes_len(), chunk.listpack_bytes()))
    }

    /// The bytes of the only chunk, which is taken out.
    pub(super) fn take_only_chunk(&mut self) -> Vec<u8> {
        assert!(self.chunks.is_one_leaf());
        let taken = self.chunks.change(At(0), |chunk, _| {
            let empty = Chunk::from_run(Vec::new());
            (std::mem::replace(chunk, *empty), Grow::Nothing)
        });
        taken.into_bytes()
    }

    /// What Redis' listpack of all would take, as long as the list is one for Redis: few chunks.
    pub(super) fn listpack_bytes(&self) -> usize {
        let (mut position, mut bytes) = (0, LISTPACK_BYTES);
        while let Some((chunk, _)) = self.chunks.leaf_at(position) {
            bytes += chunk.listpack_bytes() - LISTPACK_BYTES;
            position += chunk.run().len();
        }
        bytes
    }

    pub(super) fn push(&mut self, at: Direction, element: &[u8], limits: ListLimits) {
        let Some(last) = self.len().checked_sub(1) else {
            self.chunks.push_first(Chunk::from_element(element));
            return;
        };
        let steer = match at {
            Direction::Forward => At(0),
            Direction::Backward => At(last),
        };
        self.chunks.change(steer, |chunk, _| {
            let len = chunk.run().len();
            if limits.allow(chunk.listpack_bytes(), len, element) {
                let index = match at {
                    Direction::Forward => 0,
                    Direction::Backward => len,
                };
                chunk.insert(index, element);
                return ((), Grow::Nothing);
            }
            chunk.close();
            let new = Chunk::from_element(element);
            match at {
                Direction::Forward => ((), Grow::Before(new)),
                Direction::Backward => ((), Grow::After(new)),
            }
        });
    }

    pub(super) fn pop(&mut self, from: Direction, show: impl FnOnce(Entry<'_>)) {
        let steer = match from {
            Direction::Forward => At(0),
            Direction::Backward => At(self.len() - 1),
        };
        self.chunks.change(steer, |chunk, _| {
            chunk.pop(from, show);
            ((), Grow::Nothing)
        });
    }

    pub(super) fn get(&self, position: usize) -> Option<Entry<'_>> {
        let (chunk, index) = self.chunks.leaf_at(position)?;
        let (entry, _) = chunk.run().at(chunk.position(index))?;
        Some(entry)
    }

    pub(super) fn set(&mut self, position: usize, element: &[u8], limits: ListLimits) {
        let done = self.chunks.change(At(position), |chunk, At(index)| {
            let len = chunk.run().len();
            let fits = len == 1 || limits.allow(chunk.listpack_bytes(), len - 1, element);
            if fits {
                chunk.replace(*index, element);
            } else {
                chunk.remove(*index..*index + 1);
            }
            (fits, Grow::Nothing)
        });
        if !done {
            self.insert(position, element, limits);
        }
    }

    /// Inserts before a position, at most the length.
    pub(super) fn insert(&mut self, position: usize, element: &[u8], limits: ListLimits) {
        if self.len() == 0 {
            self.chunks.push_first(Chunk::from_element(element));
            return;
        }
        loop {
            let inserted = self.chunks.change(Gap(position), |chunk, Gap(index)| {
                let len = chunk.run().len();
                if limits.allow(chunk.listpack_bytes(), len, element) {
                    chunk.insert(*index, element);
                    (Inserted::Done, Grow::Nothing)
                } else if *index == 0 {
                    (Inserted::Done, Grow::Before(Chunk::from_element(element)))
                } else if *index < len {
                    (Inserted::Again, Grow::After(chunk.split_off(*index)))
                } else {
                    (Inserted::Full, Grow::Nothing)
                }
            });
            match inserted {
                Inserted::Done => return,
                // The place is the end of the first half now.
                Inserted::Again => {}
                Inserted::Full => break,
            }
        }
        if position == self.len() {
            self.push(Direction::Backward, element, limits);
            return;
        }
        // The next chunk's beginning is the same place.
        self.chunks.change(At(position), |chunk, _| {
            if limits.allow(chunk.listpack_bytes(), chunk.run().len(), element) {
                chunk.insert(0, element);
                ((), Grow::Nothing)
            } else {
                ((), Grow::Before(Chunk::from_element(element)))
            }
        });
    }

    pub(super) fn remove_range(&mut self, range: Range<usize>) {
        let mut left = range.len();
        while left > 0 {
            left -= self.chunks.change(At(range.start), |chunk, At(index)| {
                let count = left.min(chunk.run().len() - *index);
                chunk.remove(*index..*index + count);
                (count, Grow::Nothing)
            });
        }
    }

    pub(super) fn remove_equal(
        &mut self,
        element: Entry<'_>,
        max: usize,
        from: Direction,
    ) -> usize {
        let mut removed = 0;
        // Elements passed, from the side it began at.
        let mut passed = 0;
        while removed < max && passed < self.len() {
            let at = match from {
                Direction::Forward => passed,
                Direction::Backward => self.len() - 1 - passed,
            };
            let (count, len) = self.chunks.change(At(at), |chunk, _| {
                let count = chunk.remove_equal(element, max - removed, from);
                ((count, chunk.run().len()), Grow::Nothing)
            });
            removed += count;
            passed += len;
        }
        removed
    }

    pub(super) fn range(&self, range: Range<usize>, direction: Direction) -> LargeListRange<'_> {
        LargeListRange {
            list: self,
            run: Run::new(&[]),
            at: 0,
            positions: Vec::new(),
            range,
            direction,
        }
    }

    pub(super) fn release(&mut self, units: usize) -> usize {
        let mut left = units;
        while left > 0 && self.len() > 0 {
            let freed = self.chunks.change(At(self.len() - 1), |chunk, _| {
                let bytes = chunk.bytes_len();
                chunk.remove(0..chunk.run().len());
                (bytes, Grow::Nothing)
            });
            left = left.saturating_sub(1 + freed / UNIT_BYTES);
        }
        left
    }

    /// Counts everything again and checks what must hold; returns the bytes.
    #[cfg(test)]
    pub(super) fn check(&self) -> usize {
        let (mut position, mut count) = (0, 0);
        while let Some((chunk, index)) = self.chunks.leaf_at(position) {
            assert_eq!(index, 0);
            count += chunk.check();
            position += chunk.run().len();
        }
        assert_eq!(count, self.len());
        self.chunks.check() + allocated_bytes(size_of::<LargeList>())
    }
}

/// Elements of a range of positions.
pub struct LargeListRange<'a> {
    list: &'a LargeList,
    /// The chunk the walk is in.
    run: Run<'a>,
    /// Forward: where the next element begins in it; its end or 0 when a chunk is to be entered.
    at: usize,
    /// Backward: where those still to come in it begin.
    positions: Vec<u32>,
    range: Range<usize>,
    direction: Direction,
}

impl<'a> Iterator for LargeListRange<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        if self.range.is_empty() {
            return None;
        }
        match self.direction {
            Direction::Forward => {
                if self.at == 0 || self.at >= self.run.end() {
                    let (chunk, index) = self.list.chunks.leaf_at(self.range.start)?;
                    self.run = chunk.run();
                    self.at = chunk.position(index);
                }
                self.range.start += 1;
                let (entry, next) = self.run.at(self.at)?;
                self.at = next;
                Some(entry)
            }
            Direction::Backward => {
                if self.positions.is_empty() {
                    let (chunk, index) = self.list.chunks.leaf_at(self.range.end - 1)?;
                    self.run = chunk.run();
                    let first = (index + 1).saturating_sub(self.range.len());
                    let mut position = chunk.position(first);
                    for _ in first..=index {
                        self.positions.push(position as u32);
                        position = self.run.skip(position, 1);
                    }
                }
                self.range.end -= 1;
                let (entry, _) = self.run.at(self.positions.pop()? as usize)?;
                Some(entry)
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.range.len(), Some(self.range.len()))
    }
}
