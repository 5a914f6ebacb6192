//! The order of a large sorted set: leaves of scores and members for the counted tree. Scores stand in the leaf, so that a search reads members'
//! bytes only where scores are equal.

use super::members::{Members, Reference};
use crate::engine::frozen::{In, Out};
use crate::engine::value::counted_tree::{Grow, Leaf};
use std::io;

/// Members of a leaf at most.
pub const LEAF_MEMBERS_MAX: usize = 64;
const LEAF_MEMBERS_SMALL: usize = LEAF_MEMBERS_MAX / 4;
const LEAF_MEMBERS_JOINED: usize = LEAF_MEMBERS_MAX * 3 / 4;

/// A member with its score.
#[derive(Debug, Clone, Copy, Default)]
pub struct Place {
    /// The score.
    pub score: f64,
    /// The member.
    pub member: Reference,
}

impl Place {
    /// Whether it comes before a score and a member's bytes.
    #[inline]
    pub fn is_before(self, members: &Members, score: f64, bytes: &[u8]) -> bool {
        self.score < score || (self.score == score && members.bytes(self.member) < bytes)
    }

    /// Whether it is this member with this score or comes before it.
    #[inline]
    pub fn is_not_after(self, members: &Members, score: f64, bytes: &[u8]) -> bool {
        self.score < score || (self.score == score && members.bytes(self.member) <= bytes)
    }
}

/// Members that follow one another.
pub struct OrderLeaf {
    len: usize,
    scores: [f64; LEAF_MEMBERS_MAX],
    members: [Reference; LEAF_MEMBERS_MAX],
}

impl OrderLeaf {
    /// A leaf with one member.
    pub fn new(place: Place) -> Box<OrderLeaf> {
        let mut leaf = OrderLeaf::empty();
        leaf.insert(0, place);
        leaf
    }

    fn empty() -> Box<OrderLeaf> {
        Box::new(OrderLeaf {
            len: 0,
            scores: [0.0; LEAF_MEMBERS_MAX],
            members: [0; LEAF_MEMBERS_MAX],
        })
    }

    /// Writes it: the number of its members, which is not zero, their scores and the members.
    pub fn freeze(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.count(self.len as u64)?;
        for score in &self.scores[..self.len] {
            out.u64(score.to_bits())?;
        }
        self.members()
            .iter()
            .try_for_each(|member| out.u32(*member))
    }

    /// See [`OrderLeaf::freeze`]; None where the number is zero.
    pub fn thaw(input: &mut In<'_>, members: &Members) -> Result<Option<Box<OrderLeaf>>, String> {
        let mut leaf = OrderLeaf::empty();
        leaf.len = input.count()? as usize;
        if leaf.len == 0 {
            return Ok(None);
        }
        if leaf.len > LEAF_MEMBERS_MAX {
            return Err("a piece of a sorted set is too long".into());
        }
        for score in &mut leaf.scores[..leaf.len] {
            *score = f64::from_bits(input.u64()?);
        }
        for member in &mut leaf.members[..leaf.len] {
            *member = input.u32()?;
            if !members.has(*member) {
                return Err("a member of a sorted set is nowhere".into());
            }
        }
        Ok(Some(leaf))
    }

    /// The member at an offset below the count.
    #[inline]
    pub fn place(&self, offset: usize) -> Place {
        Place {
            score: self.scores[..self.len][offset],
            member: self.members[offset],
        }
    }

    /// All members.
    pub fn members(&self) -> &[Reference] {
        &self.members[..self.len]
    }

    /// How many of its members are before a point.
    #[inline]
    pub fn offset(&self, mut is_before: impl FnMut(Place) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len);
        while low < high {
            let middle = usize::midpoint(low, high);
            if is_before(self.place(middle)) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// Where a member is that is in this leaf.
    pub fn offset_of(&self, member: Reference) -> usize {
        self.members()
            .iter()
            .position(|other| *other == member)
            .expect("the member is in the leaf of its score and bytes")
    }

    fn insert(&mut self, offset: usize, place: Place) {
        let len = self.len;
        assert!(len < LEAF_MEMBERS_MAX);
        self.scores.copy_within(offset..len, offset + 1);
        self.members.copy_within(offset..len, offset + 1);
        self.scores[offset] = place.score;
        self.members[offset] = place.member;
        self.len += 1;
    }

    /// Inserts and splits when it is full: in the middle, or at an end so that what grows at an end is full.
    pub fn insert_or_split(&mut self, offset: usize, place: Place) -> Grow<OrderLeaf> {
        if self.len < LEAF_MEMBERS_MAX {
            self.insert(offset, place);
            return Grow::Nothing;
        }
        if offset == 0 {
            return Grow::Before(OrderLeaf::new(place));
        }
        if offset == LEAF_MEMBERS_MAX {
            return Grow::After(OrderLeaf::new(place));
        }
        let mut next = OrderLeaf::empty();
        let half = LEAF_MEMBERS_MAX / 2;
        next.append(self, half);
        self.len = half;
        match offset.checked_sub(half) {
            Some(offset) if offset > 0 => next.insert(offset, place),
            _ => self.insert(offset, place),
        }
        Grow::After(next)
    }

    /// Removes `count` members from an offset on.
    pub fn remove(&mut self, offset: usize, count: usize) {
        self.scores.copy_within(offset + count..self.len, offset);
        self.members.copy_within(offset + count..self.len, offset);
        self.len -= count;
    }

    /// Puts another reference to the same member.
    pub fn set_member(&mut self, offset: usize, member: Reference) {
        self.members[..self.len][offset] = member;
    }

    /// Moves the member at `from` to where it belongs with its new score, and says true, if that is within this leaf for sure.
    pub fn reposition(&mut self, members: &Members, from: usize, score: f64) -> bool {
        let place = self.place(from);
        let bytes = members.bytes(place.member);
        let before = |other: Place| other.is_before(members, score, bytes);
        if score > place.score {
            if before(self.place(self.len - 1)) {
                return false;
            }
            let to = self.offset(before) - 1;
            self.scores[from..=to].rotate_left(1);
            self.members[from..=to].rotate_left(1);
            self.scores[to] = score;
        } else {
            let to = self.offset(before);
            if to == 0 {
                return false;
            }
            self.scores[to..=from].rotate_right(1);
            self.members[to..=from].rotate_right(1);
            self.scores[to] = score;
        }
        true
    }

    fn append(&mut self, other: &OrderLeaf, from: usize) {
        let count = other.len - from;
        let end = self.len + count;
        self.scores[self.len..end].copy_from_slice(&other.scores[from..other.len]);
        self.members[self.len..end].copy_from_slice(&other.members[from..other.len]);
        self.len = end;
    }
}

impl Leaf for OrderLeaf {
    type Key = Place;

    #[inline]
    fn count(&self) -> usize {
        self.len
    }

    #[inline]
    fn key(&self) -> Place {
        self.place(0)
    }

    fn heap_bytes(&self) -> usize {
        0
    }

    #[inline]
    fn is_small(&self) -> bool {
        self.len < LEAF_MEMBERS_SMALL
    }

    fn absorb(&mut self, next: &mut OrderLeaf) -> bool {
        if self.len + next.len > LEAF_MEMBERS_JOINED {
            return false;
        }
        self.append(next, 0);
        next.len = 0;
        true
    }
}
