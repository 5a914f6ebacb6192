//! Sorted sets: members with scores, in the order of scores and, where these are equal, of bytes.
//!
//! Everything that is a range is found as a range of ranks first, in logarithmic time, whether it is given by ranks, scores or bytes; counting is
//! its length, an offset moves its start, and walking, removing and sampling need nothing else. The packed form is in `pairs`, the
//! large form in `large`.
//!
//! Scores are never NaN, which callers see to. -0 is stored as 0.

/// Ends of ranges.
pub mod bounds;
mod large;
mod members;
mod order;
mod pairs;
#[cfg(test)]
mod tests;

pub use super::counted_tree::Direction;
pub use large::LargeSortedSet;

use super::packed::{ENTRIES_MAX, Entry};
use super::{ElementHasher, PACKED_BYTES_MAX, Stored};
use crate::engine::random::Random;
use bounds::{LexRange, ScoreRange};
use large::LargeRange;
use pairs::{Pairs, PairsRange};
use std::collections::HashSet;
use std::ops::Range;

/// Up to when a sorted set is what Redis calls a listpack.
#[derive(Debug, Clone)]
pub struct SortedSetLimits {
    /// `zset-max-listpack-entries`.
    pub packed_entries_max: usize,
    /// `zset-max-listpack-value`, in bytes.
    pub packed_member_bytes_max: usize,
    /// The hash function of sets that become large.
    pub hasher: ElementHasher,
}

/// What became of a member that was to be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// It is new.
    Added,
    /// It had another score.
    Updated,
    /// It had this score.
    Same,
}

/// A sum of scores is not a number (infinity and its opposite).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotANumber;

/// A sorted set to edit.
pub enum SortedSet {
    /// The run of `pairs`.
    Packed(Vec<u8>),
    /// See `large`.
    Large(Box<LargeSortedSet>),
}

/// A sorted set to read.
#[derive(Clone, Copy)]
pub enum SortedSetView<'a> {
    /// The bytes of the packed form.
    Packed(&'a [u8]),
    /// The large form.
    Large(&'a LargeSortedSet),
}

impl Default for SortedSet {
    fn default() -> Self {
        SortedSet::new()
    }
}

impl Stored for SortedSet {
    fn packed(&self) -> Option<&[u8]> {
        match self {
            SortedSet::Packed(bytes) => Some(bytes),
            SortedSet::Large(_) => None,
        }
    }

    fn from_packed(bytes: Vec<u8>) -> Self {
        SortedSet::Packed(bytes)
    }

    fn heap_bytes(&self) -> usize {
        match self {
            SortedSet::Packed(_) => 0,
            SortedSet::Large(large) => large.heap_bytes(),
        }
    }

    fn len(&self) -> usize {
        self.view().len()
    }

    fn release(&mut self, units: usize) -> usize {
        match self {
            SortedSet::Packed(_) => units,
            SortedSet::Large(large) => large.release(units),
        }
    }
}

/// -0 would be stored as another score than 0 although it is equal.
fn normalised(score: f64) -> f64 {
    assert!(!score.is_nan(), "a score is a number");
    score + 0.0
}

impl SortedSet {
    /// An empty set, packed.
    pub fn new() -> SortedSet {
        SortedSet::Packed(Vec::new())
    }

    /// An empty set that is to hold `len` members of at most `bytes_max` bytes: large from the start if these would make it large.
    pub fn for_members(len: usize, bytes_max: usize, limits: &SortedSetLimits) -> SortedSet {
        let mut set = SortedSet::new();
        if len > limits.packed_entries_max || bytes_max > limits.packed_member_bytes_max {
            set.enlarge(&limits.hasher).is_skiplist = true;
        }
        set
    }

    /// The set to read.
    #[inline]
    pub fn view(&self) -> SortedSetView<'_> {
        match self {
            SortedSet::Packed(bytes) => SortedSetView::Packed(bytes),
            SortedSet::Large(large) => SortedSetView::Large(large),
        }
    }

    /// The large form, made of the packed one if need be.
    fn enlarge(&mut self, hasher: &ElementHasher) -> &mut LargeSortedSet {
        if let SortedSet::Packed(bytes) = self {
            let mut large = Box::new(LargeSortedSet::new(hasher.clone()));
            let pairs = Pairs::new(bytes);
            for (member, score) in pairs.range(0..pairs.len(), Direction::Forward) {
                large.update(member.as_bytes(&mut [0; 20]), |_| Some(score));
            }
            *self = SortedSet::Large(large);
        }
        match self {
            SortedSet::Large(large) => large,
            SortedSet::Packed(_) => unreachable!("it was made large"),
        }
    }

    /// Gives a member the score that `decide` makes of its present one (`None`: it is no member), or leaves all as it is when that makes none.
    /// Returns the score it had and the one that was decided. One look-up: what ZADD's conditions need is seen by `decide`.
    pub fn update(
        &mut self,
        member: &[u8],
        limits: &SortedSetLimits,
        decide: impl FnOnce(Option<f64>) -> Option<f64>,
    ) -> (Option<f64>, Option<f64>) {
        let decide = |old| decide(old).map(normalised);
        match self {
            SortedSet::Large(large) => {
                let change = large.update(member, decide);
                if matches!(change, (None, Some(_))) {
                    large.is_skiplist |= large.len() > limits.packed_entries_max
                        || member.len() > limits.packed_member_bytes_max;
                }
                change
            }
            SortedSet::Packed(bytes) => {
                let pairs = Pairs::new(bytes);
                let found = pairs.find(member);
                let old = found.map(|(_, score)| score);
                let new = decide(old);
                let Some(score) = new.filter(|new| old != Some(*new)) else {
                    return (old, new);
                };
                let is_skiplist = found.is_none()
                    && (pairs.len() + 1 > limits.packed_entries_max
                        || member.len() > limits.packed_member_bytes_max);
                let bytes_after = match found {
                    Some((_, old)) => bytes.len() - pairs::pair_bytes(member, old),
                    None => bytes.len().max(2),
                } + pairs::pair_bytes(member, score);
                if is_skiplist
                    || bytes_after > PACKED_BYTES_MAX
                    || 2 * (pairs.len() + 1) > ENTRIES_MAX
                {
                    let large = self.enlarge(&limits.hasher);
                    large.is_skiplist = is_skiplist;
                    large.update(member, |_| Some(score));
                } else {
                    if let Some((position, _)) = found {
                        pairs::remove(bytes, position, 1);
                    }
                    pairs::insert(bytes, member, score);
                }
                (old, new)
            }
        }
    }

    /// Adds a member or changes its score.
    pub fn add(&mut self, member: &[u8], score: f64, limits: &SortedSetLimits) -> Added {
        match self.update(member, limits, |_| Some(score)) {
            (None, _) => Added::Added,
            (Some(old), _) if old == score => Added::Same,
            (Some(_), _) => Added::Updated,
        }
    }

    /// Adds to a member's score, which is 0 when it is new; returns the sum.
    pub fn increment(
        &mut self,
        member: &[u8],
        increment: f64,
        limits: &SortedSetLimits,
    ) -> Result<f64, NotANumber> {
        let (_, sum) = self.update(member, limits, |old| {
            Some(old.unwrap_or(0.0) + increment).filter(|sum| !sum.is_nan())
        });
        sum.ok_or(NotANumber)
    }

    /// Removes a member; returns the score it had.
    pub fn remove(&mut self, member: &[u8]) -> Option<f64> {
        match self {
            SortedSet::Packed(bytes) => {
                let (position, score) = Pairs::new(bytes).find(member)?;
                pairs::remove(bytes, position, 1);
                Some(score)
            }
            SortedSet::Large(large) => large.remove(member),
        }
    }

    /// Removes the members of these ranks, as far as there are any; returns how many. About a microsecond each: of a huge range remove a slice at
    /// a time, always from the same start.
    pub fn remove_ranks(&mut self, ranks: Range<usize>) -> usize {
        let ranks = self.view().clamped(ranks);
        let count = ranks.len();
        match self {
            _ if count == 0 => {}
            SortedSet::Packed(bytes) => pairs::remove_ranks(bytes, ranks),
            SortedSet::Large(large) => large.remove_ranks(ranks),
        }
        count
    }

    /// Shows the member with the lowest score (forward) or the highest (backward), then removes it; false when there is none.
    pub fn pop(&mut self, from: Direction, show: impl FnOnce(Entry<'_>, f64)) -> bool {
        let view = self.view();
        let rank = match from {
            Direction::Forward => 0,
            Direction::Backward => view.len().saturating_sub(1),
        };
        let Some((member, score)) = view.at(rank) else {
            return false;
        };
        show(member, score);
        self.remove_ranks(rank..rank + 1) == 1
    }
}

impl<'a> SortedSetView<'a> {
    /// Number of members.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            SortedSetView::Packed(bytes) => Pairs::new(bytes).len(),
            SortedSetView::Large(large) => large.len(),
        }
    }

    /// Whether there is no member.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The name that OBJECT ENCODING gives.
    pub fn encoding(self) -> &'static str {
        match self {
            SortedSetView::Large(large) if large.is_skiplist => "skiplist",
            _ => "listpack",
        }
    }

    /// A member's score.
    pub fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            SortedSetView::Packed(bytes) => Pairs::new(bytes).find(member).map(|(_, score)| score),
            SortedSetView::Large(large) => large.score(member),
        }
    }

    /// A member's rank, from 0 for the lowest score on, and its score. The reverse rank is the number of members less one less this.
    pub fn rank(self, member: &[u8]) -> Option<(usize, f64)> {
        match self {
            SortedSetView::Packed(bytes) => {
                let pairs = Pairs::new(bytes);
                let (position, score) = pairs.find(member)?;
                Some((pairs.rank_at(position), score))
            }
            SortedSetView::Large(large) => large.rank(member),
        }
    }

    /// The member of a rank.
    pub fn at(self, rank: usize) -> Option<(Entry<'a>, f64)> {
        self.range(rank..rank + 1, Direction::Forward).next()
    }

    /// The ranks of the members with scores in a range.
    pub fn ranks_by_score(self, range: &ScoreRange) -> Range<usize> {
        let (start, end) = match self {
            SortedSetView::Packed(bytes) => {
                let pairs = Pairs::new(bytes);
                let start = pairs.point(pairs.first(), |score, _| range.is_below(score));
                let end = pairs.point(start, |score, _| range.is_not_above(score));
                (start.1, end.1)
            }
            SortedSetView::Large(large) => (
                large.rank_by_score(|score| range.is_below(score)),
                large.rank_by_score(|score| range.is_not_above(score)),
            ),
        };
        // A range that ends before it begins is empty.
        start..end.max(start)
    }

    /// The ranks of the members in a range of bytes.
    pub fn ranks_by_lex(self, range: &LexRange<'_>) -> Range<usize> {
        let (start, end) = match self {
            SortedSetView::Packed(bytes) => {
                let pairs = Pairs::new(bytes);
                let start = pairs.point(pairs.first(), |_, member| {
                    range.is_below(member.as_bytes(&mut [0; 20]))
                });
                let end = pairs.point(start, |_, member| {
                    range.is_not_above(member.as_bytes(&mut [0; 20]))
                });
                (start.1, end.1)
            }
            SortedSetView::Large(large) => (
                large.rank_by_bytes(|member| range.is_below(member)),
                large.rank_by_bytes(|member| range.is_not_above(member)),
            ),
        };
        start..end.max(start)
    }

    /// What there is of a range of ranks.
    fn clamped(self, ranks: Range<usize>) -> Range<usize> {
        let end = ranks.end.min(self.len());
        ranks.start.min(end)..end
    }

    /// The members of these ranks, as far as there are any, with their scores.
    pub fn range(self, ranks: Range<usize>, direction: Direction) -> SortedSetRange<'a> {
        let ranks = self.clamped(ranks);
        match self {
            SortedSetView::Packed(bytes) => {
                SortedSetRange::Packed(Pairs::new(bytes).range(ranks, direction))
            }
            SortedSetView::Large(large) => SortedSetRange::Large(large.range(ranks, direction)),
        }
    }

    /// Shows `count` members chosen at random, each time among all.
    pub fn random_with_repetition(
        self,
        count: usize,
        random: &mut Random,
        mut visit: impl FnMut(Entry<'a>, f64),
    ) {
        let len = self.len();
        if len == 0 {
            return;
        }
        match self {
            SortedSetView::Packed(_) if count > 1 => {
                // Ranks of a run are found by walking: once is enough.
                let all: Vec<_> = self.range(0..len, Direction::Forward).collect();
                for _ in 0..count {
                    let (member, score) = all[random.below(len)];
                    visit(member, score);
                }
            }
            _ => {
                for _ in 0..count {
                    if let Some((member, score)) = self.at(random.below(len)) {
                        visit(member, score);
                    }
                }
            }
        }
    }

    /// Shows `count` different members chosen at random, or all when there are no more.
    pub fn random_distinct(
        self,
        count: usize,
        random: &mut Random,
        mut visit: impl FnMut(Entry<'a>, f64),
    ) {
        let len = self.len();
        let count = count.min(len);
        if matches!(self, SortedSetView::Packed(_)) || count > len / 8 {
            // Each member is taken with the probability that makes up the number (Knuth, volume 2, algorithm S).
            let mut left = count;
            for (rank, (member, score)) in self.range(0..len, Direction::Forward).enumerate() {
                if left == 0 {
                    break;
                }
                if random.below(len - rank) < left {
                    left -= 1;
                    visit(member, score);
                }
            }
            return;
        }
        let mut chosen = HashSet::with_capacity(count);
        while chosen.len() < count {
            let rank = random.below(len);
            if chosen.insert(rank)
                && let Some((member, score)) = self.at(rank)
            {
                visit(member, score);
            }
        }
    }

    /// Shows about `count` members from `cursor` on, 0 at first; returns the next cursor, 0 at the end. Members present throughout are shown at least
    /// once; a packed set is shown whole.
    pub fn scan(self, cursor: u64, count: usize, mut visit: impl FnMut(Entry<'_>, f64)) -> u64 {
        match self {
            SortedSetView::Packed(_) => {
                for (member, score) in self.range(0..self.len(), Direction::Forward) {
                    visit(member, score);
                }
                0
            }
            SortedSetView::Large(large) => large.scan(cursor, count, visit),
        }
    }
}

/// Members of a range of ranks, with their scores.
pub enum SortedSetRange<'a> {
    #[doc(hidden)]
    Packed(PairsRange<'a>),
    #[doc(hidden)]
    Large(LargeRange<'a>),
}

impl<'a> Iterator for SortedSetRange<'a> {
    type Item = (Entry<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<(Entry<'a>, f64)> {
        match self {
            SortedSetRange::Packed(range) => range.next(),
            SortedSetRange::Large(range) => range.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        match self {
            SortedSetRange::Packed(range) => range.size_hint(),
            SortedSetRange::Large(range) => range.size_hint(),
        }
    }
}
