//! The packed form of a sorted set: a run of member and score in turn, in order.
//!
//! A score that is an integer is stored as one. Any other is stored as the bytes of the double from the highest on, without zeros at the end:
//! one that a few binary digits make up takes 2 or 3 bytes.

use crate::engine::value::counted_tree::Direction;
use crate::engine::value::packed::{Editor, Entry, Query, Run};
use std::ops::Range;

/// Integers beyond this do not come back from a double as what they were.
const INTEGER_MAX: f64 = 9_007_199_254_740_992.0;
/// Bytes of a stored score at most: eight and one more that keeps them from reading like an integer.
const SCORE_BYTES_MAX: usize = 9;

/// A score as it is stored.
struct Score {
    integer: Option<i64>,
    bytes: [u8; SCORE_BYTES_MAX],
    len: usize,
}

impl Score {
    fn new(score: f64) -> Score {
        let mut bytes = [0; SCORE_BYTES_MAX];
        if score.fract() == 0.0 && score.abs() <= INTEGER_MAX {
            return Score {
                integer: Some(score as i64),
                bytes,
                len: 0,
            };
        }
        bytes[..8].copy_from_slice(&score.to_be_bytes());
        let mut len = bytes
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        if matches!(Entry::of(&bytes[..len]), Entry::Integer(_)) {
            len += 1;
        }
        Score {
            integer: None,
            bytes,
            len,
        }
    }

    fn entry(&self) -> Entry<'_> {
        match self.integer {
            Some(integer) => Entry::Integer(integer),
            None => Entry::Bytes(&self.bytes[..self.len]),
        }
    }
}

fn read_score(entry: Entry<'_>) -> f64 {
    match entry {
        Entry::Integer(integer) => integer as f64,
        Entry::Bytes(stored) => {
            let mut bytes = [0; SCORE_BYTES_MAX];
            bytes[..stored.len()].copy_from_slice(stored);
            f64::from_be_bytes(bytes[..8].try_into().expect("eight bytes"))
        }
    }
}

/// Bytes that a pair takes.
pub fn pair_bytes(member: &[u8], score: f64) -> usize {
    Entry::of(member).encoded_len() + Score::new(score).entry().encoded_len()
}

/// A packed sorted set to read.
#[derive(Debug, Clone, Copy)]
pub struct Pairs<'a> {
    run: Run<'a>,
}

impl<'a> Pairs<'a> {
    /// The set in these bytes.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Pairs<'a> {
        Pairs {
            run: Run::new(bytes),
        }
    }

    /// Number of members.
    #[inline]
    pub fn len(self) -> usize {
        self.run.len() / 2
    }

    /// The pair at a position, and the position of the next.
    #[inline]
    fn at(self, position: usize) -> Option<(Entry<'a>, f64, usize)> {
        let (member, position) = self.run.at(position)?;
        let (score, next) = self.run.at(position)?;
        Some((member, read_score(score), next))
    }

    /// The position of a member and its score.
    pub fn find(self, member: &[u8]) -> Option<(usize, f64)> {
        let position = self.run.find(self.run.start(), &Query::new(member), 2)?;
        let (_, score, _) = self.at(position)?;
        Some((position, score))
    }

    /// The rank of what is at a position.
    pub fn rank_at(self, position: usize) -> usize {
        let (mut at, mut rank) = (self.run.start(), 0);
        while at < position {
            at = self.run.skip(at, 2);
            rank += 1;
        }
        rank
    }

    /// The position and number of the first pair.
    pub fn first(self) -> (usize, usize) {
        (self.run.start(), 0)
    }

    /// The position and number of the first pair from `from` on for which the predicate is false.
    #[inline]
    pub fn point(
        self,
        from: (usize, usize),
        is_before: impl Fn(f64, Entry<'_>) -> bool,
    ) -> (usize, usize) {
        let (mut position, mut rank) = from;
        while let Some((member, score, next)) = self.at(position) {
            if !is_before(score, member) {
                break;
            }
            position = next;
            rank += 1;
        }
        (position, rank)
    }

    /// The pairs of these ranks.
    pub fn range(self, ranks: Range<usize>, direction: Direction) -> PairsRange<'a> {
        let mut position = self.run.seek(2 * ranks.start);
        let mut positions = Vec::new();
        if direction == Direction::Backward {
            positions.reserve_exact(ranks.len());
            for _ in ranks.clone() {
                positions.push(position as u32);
                position = self.run.skip(position, 2);
            }
        }
        PairsRange {
            pairs: self,
            left: ranks.len(),
            position,
            positions,
            direction,
        }
    }
}

/// Pairs of a range of ranks.
pub struct PairsRange<'a> {
    pairs: Pairs<'a>,
    left: usize,
    /// Forward: the next pair's.
    position: usize,
    /// Backward: of those still to come. A run can be read forward only.
    positions: Vec<u32>,
    direction: Direction,
}

impl<'a> Iterator for PairsRange<'a> {
    type Item = (Entry<'a>, f64);

    #[inline]
    fn next(&mut self) -> Option<(Entry<'a>, f64)> {
        self.left = self.left.checked_sub(1)?;
        if self.direction == Direction::Backward {
            self.position = self.positions.pop()? as usize;
        }
        let (member, score, next) = self.pairs.at(self.position)?;
        self.position = next;
        Some((member, score))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

/// Whether a pair comes before a score and a member's bytes.
pub fn is_before(score: f64, member: Entry<'_>, than_score: f64, than_member: &[u8]) -> bool {
    score < than_score || (score == than_score && member.as_bytes(&mut [0; 20]) < than_member)
}

/// Adds a member that is not there.
pub fn insert(bytes: &mut Vec<u8>, member: &[u8], score: f64) {
    let pairs = Pairs::new(bytes);
    let (position, _) = pairs.point(pairs.first(), |other, entry| {
        is_before(other, entry, score, member)
    });
    let stored = Score::new(score);
    Editor::new(bytes).insert(position, &[Entry::of(member), stored.entry()]);
}

/// Removes the pairs from a position on.
pub fn remove(bytes: &mut Vec<u8>, position: usize, count: usize) {
    Editor::new(bytes).remove(position, 2 * count);
}

/// Removes the pairs of these ranks.
pub fn remove_ranks(bytes: &mut Vec<u8>, ranks: Range<usize>) {
    let position = Run::new(bytes).seek(2 * ranks.start);
    remove(bytes, position, ranks.len());
}
