//! What the sampling policies share: draw a few random items, remember the best in the pool, take the best that still is what it was.

use super::Candidates;
use super::pool::{Candidate, Pool};
use crate::engine::Item;

/// Rounds of sampling before any item will do; more than one is needed only when all candidates were used since they were sampled.
const ROUNDS_MAX: usize = 8;

/// Which items a policy may evict.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    AllKeys,
    /// Those with an expiry.
    Volatile,
}

impl Scope {
    /// A random item that may be evicted.
    pub fn random<C: Candidates>(self, candidates: &mut C) -> Option<Item> {
        match self {
            Scope::AllKeys => candidates.random(),
            Scope::Volatile => candidates.random_volatile(),
        }
    }

    /// Whether an item may be evicted.
    pub fn holds(self, expires: bool) -> bool {
        self == Scope::AllKeys || expires
    }
}

/// The best candidate by `score`; none only when there is nothing to draw from.
pub fn sampled_victim<C: Candidates>(
    pool: &mut Pool,
    candidates: &mut C,
    scope: Scope,
    samples: usize,
    score: impl Fn(&C, Item) -> Candidate,
) -> Option<Item> {
    let mut any = None;
    for _ in 0..ROUNDS_MAX {
        for _ in 0..samples {
            let item = scope.random(candidates)?;
            pool.offer(score(candidates, item));
            any = Some(item);
        }
        while let Some(best) = pool.take_best() {
            if candidates.is_present(best.item)
                && scope.holds(candidates.expiry(best.item).is_some())
                && score(candidates, best.item).stamp == best.stamp
            {
                return Some(best.item);
            }
        }
    }
    any
}
