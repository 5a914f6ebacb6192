//! The large form of a sorted set: records of members, a table that finds them by their bytes, and a counted tree that keeps them in order.
//!
//! A member is stored once; table and tree hold its 32-bit reference, the tree its score too. It never decides when a set is large.

mod frozen;

use super::members::{Members, Reference};
use super::order::{LEAF_MEMBERS_MAX, OrderLeaf, Place};
use crate::engine::value::counted_tree::{At, Before, Direction, Grow, Tree};
use crate::engine::value::packed::Entry;
use crate::engine::value::table::Table;
use crate::engine::value::{ElementHasher, allocated_bytes};
use std::ops::Range;

/// Units of release that a chunk of members counts as.
const CHUNK_UNITS: usize = 16;

/// See the module.
pub struct LargeSortedSet {
    members: Members,
    table: Table<Reference>,
    order: Tree<OrderLeaf>,
    hasher: ElementHasher,
    /// Redis would call it a skip list by now.
    pub(super) is_skiplist: bool,
}

impl std::fmt::Debug for LargeSortedSet {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "LargeSortedSet({})", self.len())
    }
}

impl Clone for LargeSortedSet {
    /// A copy that has allocated no more than it needs.
    fn clone(&self) -> LargeSortedSet {
        let mut copy = LargeSortedSet::new(self.hasher.clone());
        copy.is_skiplist = self.is_skiplist;
        for (member, score) in self.range(0..self.len(), Direction::Forward) {
            let mut digits = [0; 20];
            let member = member.as_bytes(&mut digits);
            copy.insert(self.hasher.hash(member), member, score);
        }
        copy
    }
}

impl LargeSortedSet {
    pub(super) fn new(hasher: ElementHasher) -> LargeSortedSet {
        LargeSortedSet {
            members: Members::default(),
            table: Table::new(),
            order: Tree::new(),
            hasher,
            is_skiplist: false,
        }
    }

    /// Number of members.
    #[expect(clippy::len_without_is_empty)]
    #[inline]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub(in crate::engine) fn heap_bytes(&self) -> usize {
        allocated_bytes(size_of::<LargeSortedSet>())
            + self.members.heap_bytes()
            + self.table.heap_bytes()
            + self.order.heap_bytes()
    }

    #[inline]
    fn find(&self, hash: u64, member: &[u8]) -> Option<Reference> {
        self.table
            .find(hash, |reference| self.members.bytes(*reference) == member)
            .copied()
    }

    pub(super) fn score(&self, member: &[u8]) -> Option<f64> {
        let reference = self.find(self.hasher.hash(member), member)?;
        Some(self.members.score(reference))
    }

    pub(super) fn rank(&self, member: &[u8]) -> Option<(usize, f64)> {
        let reference = self.find(self.hasher.hash(member), member)?;
        let score = self.members.score(reference);
        let rank = self.order.rank(
            |place| place.is_not_after(&self.members, score, member),
            |leaf| leaf.offset_of(reference),
        );
        Some((rank, score))
    }

    /// How many members have scores for which the predicate is true, which come first.
    pub(super) fn rank_by_score(&self, is_before: impl Fn(f64) -> bool) -> usize {
        let before = |place: Place| is_before(place.score);
        self.order.rank(before, |leaf| leaf.offset(before))
    }

    /// How many members have bytes for which the predicate is true, which come first.
    pub(super) fn rank_by_bytes(&self, is_before: impl Fn(&[u8]) -> bool) -> usize {
        let before = |place: Place| is_before(self.members.bytes(place.member));
        self.order.rank(before, |leaf| leaf.offset(before))
    }

    /// Sets the score that `update` makes of the present one, if it makes any. Returns the present one and the new one.
    pub(super) fn update(
        &mut self,
        member: &[u8],
        update: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> (Option<f64>, Option<f64>) {
        let hash = self.hasher.hash(member);
        match self.find(hash, member) {
            Some(reference) => {
                let old = self.members.score(reference);
                let new = update(Some(old));
                if let Some(new) = new.filter(|new| *new != old) {
                    self.reposition(reference, member, old, new);
                }
                (Some(old), new)
            }
            None => {
                let new = update(None);
                if let Some(score) = new {
                    self.insert(hash, member, score);
                }
                (None, new)
            }
        }
    }

    fn insert(&mut self, hash: u64, member: &[u8], score: f64) {
        let reference = self.members.insert(score, member);
        let (members, hasher) = (&self.members, &self.hasher);
        self.table.insert(hash, reference, |reference| {
            hasher.hash(members.bytes(*reference))
        });
        self.insert_place(
            Place {
                score,
                member: reference,
            },
            member,
        );
    }

    fn insert_place(&mut self, place: Place, member: &[u8]) {
        if self.order.is_empty() {
            self.order.push_first(OrderLeaf::new(place));
            return;
        }
        let members = &self.members;
        let is_before = |other: Place| other.is_before(members, place.score, member);
        self.order.change(Before(is_before), |leaf, _| {
            ((), leaf.insert_or_split(leaf.offset(is_before), place))
        });
    }

    fn reposition(&mut self, reference: Reference, member: &[u8], old: f64, new: f64) {
        self.members.set_score(reference, new);
        let members = &self.members;
        // Places in the tree still have the old score.
        let steer = Before(|place: Place| place.is_not_after(members, old, member));
        let done = self.order.change(steer, |leaf, _| {
            let offset = leaf.offset_of(reference);
            let done = leaf.reposition(members, offset, new);
            if !done {
                leaf.remove(offset, 1);
            }
            (done, Grow::Nothing)
        });
        if !done {
            let place = Place {
                score: new,
                member: reference,
            };
            self.insert_place(place, member);
        }
    }

    pub(super) fn remove(&mut self, member: &[u8]) -> Option<f64> {
        let hash = self.hasher.hash(member);
        let reference = self.find(hash, member)?;
        let score = self.members.score(reference);
        let members = &self.members;
        let steer = Before(|place: Place| place.is_not_after(members, score, member));
        self.order.change(steer, |leaf, _| {
            leaf.remove(leaf.offset_of(reference), 1);
            ((), Grow::Nothing)
        });
        if let Some(chunk) = self.forget(hash, reference) {
            self.evacuate(chunk);
        }
        Some(score)
    }

    /// Removes the members of these ranks.
    pub(super) fn remove_ranks(&mut self, ranks: Range<usize>) {
        let mut left = ranks.len();
        let mut sparse = Vec::new();
        while left > 0 {
            let mut removed = [0; LEAF_MEMBERS_MAX];
            let count = self.order.change(At(ranks.start), |leaf, At(offset)| {
                let count = left.min(leaf.members().len() - *offset);
                removed[..count].copy_from_slice(&leaf.members()[*offset..][..count]);
                leaf.remove(*offset, count);
                (count, Grow::Nothing)
            });
            for &reference in &removed[..count] {
                let hash = self.hasher.hash(self.members.bytes(reference));
                sparse.extend(self.forget(hash, reference));
            }
            // Only now: what is moved must be in the tree.
            for chunk in sparse.drain(..) {
                if self.members.is_sparse(chunk) {
                    self.evacuate(chunk);
                }
            }
            left -= count;
        }
    }

    /// Takes a member that is not in the tree any more out of table and records. Returns a chunk to evacuate.
    fn forget(&mut self, hash: u64, reference: Reference) -> Option<usize> {
        let (members, hasher) = (&self.members, &self.hasher);
        let found = self.table.remove(
            hash,
            |other| *other == reference,
            |other| hasher.hash(members.bytes(*other)),
        );
        assert!(found.is_some(), "a member in the tree is in the table");
        self.members.remove(reference)
    }

    /// Moves the members of a sparse chunk into others.
    fn evacuate(&mut self, chunk: usize) {
        for old in self.members.evacuate(chunk) {
            let new = self.members.relocate(old);
            let members = &self.members;
            let (bytes, score) = (members.bytes(new), members.score(new));
            let hash = self.hasher.hash(bytes);
            let entry = self.table.find_mut(hash, |other| *other == old);
            *entry.expect("a stored member is in the table") = new;
            let steer = Before(|place: Place| place.is_not_after(members, score, bytes));
            self.order.change(steer, |leaf, _| {
                leaf.set_member(leaf.offset_of(old), new);
                ((), Grow::Nothing)
            });
        }
        self.members.vacate(chunk);
    }

    pub(super) fn scan(
        &self,
        cursor: u64,
        count: usize,
        mut visit: impl FnMut(Entry<'_>, f64),
    ) -> u64 {
        self.table.scan(
            cursor,
            count,
            |reference| self.hasher.hash(self.members.bytes(*reference)),
            |reference| {
                visit(
                    Entry::Bytes(self.members.bytes(*reference)),
                    self.members.score(*reference),
                );
            },
        )
    }

    pub(super) fn range(&self, ranks: Range<usize>, direction: Direction) -> LargeRange<'_> {
        LargeRange {
            set: self,
            leaf: None,
            ranks,
            direction,
        }
    }

    pub(super) fn release(&mut self, units: usize) -> usize {
        let mut left = units;
        while !self.order.is_empty() && left > 0 {
            let last = At(self.order.len() - 1);
            let count = self.order.change(last, |leaf, _| {
                let count = leaf.members().len();
                leaf.remove(0, count);
                (count, Grow::Nothing)
            });
            left = left.saturating_sub(count);
        }
        if left > 0 {
            left = self.table.drain_some(left, |_| ());
        }
        if left > 0 {
            let chunks = left.div_ceil(CHUNK_UNITS);
            let used = chunks - self.members.release(chunks);
            left = left.saturating_sub(used * CHUNK_UNITS);
        }
        left
    }

    /// Counts everything again and checks what must hold; returns the bytes.
    #[cfg(test)]
    pub(super) fn check(&self) -> usize {
        let members = self.members.check(self.len());
        let order = self.order.check();
        assert_eq!(self.table.len(), self.len());
        let mut last: Option<(f64, Vec<u8>)> = None;
        let mut count = 0;
        for (entry, score) in self.range(0..self.len(), Direction::Forward) {
            let bytes = entry.to_vec();
            assert_eq!(self.score(&bytes), Some(score));
            assert_eq!(self.rank(&bytes), Some((count, score)));
            if let Some((last_score, last_bytes)) = &last {
                assert!(*last_score < score || (*last_score == score && *last_bytes < bytes));
            }
            last = Some((score, bytes));
            count += 1;
        }
        assert_eq!(count, self.len());
        members + order + self.table.heap_bytes() + allocated_bytes(size_of::<LargeSortedSet>())
    }
}

/// Members of a range of ranks.
pub struct LargeRange<'a> {
    set: &'a LargeSortedSet,
    /// The leaf the walk is in, and the offset there of the next member.
    leaf: Option<(&'a OrderLeaf, usize)>,
    ranks: Range<usize>,
    direction: Direction,
}

impl<'a> Iterator for LargeRange<'a> {
    type Item = (Entry<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<(Entry<'a>, f64)> {
        if self.ranks.is_empty() {
            return None;
        }
        let (leaf, offset) = match self.leaf {
            Some(found) => found,
            None => self.set.order.leaf_at(match self.direction {
                Direction::Forward => self.ranks.start,
                Direction::Backward => self.ranks.end - 1,
            })?,
        };
        let place = leaf.place(offset);
        self.leaf = match self.direction {
            Direction::Forward => {
                self.ranks.start += 1;
                (offset + 1 < leaf.members().len()).then(|| (leaf, offset + 1))
            }
            Direction::Backward => {
                self.ranks.end -= 1;
                offset.checked_sub(1).map(|offset| (leaf, offset))
            }
        };
        Some((
            Entry::Bytes(self.set.members.bytes(place.member)),
            place.score,
        ))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.ranks.len(), Some(self.ranks.len()))
    }
}
