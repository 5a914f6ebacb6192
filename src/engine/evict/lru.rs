//! Least recently used: the access field is a reading of the [`AccessClock`]; the oldest of the samples goes.
//!
//! Also what the access field means to the policies that do not look at it (noeviction, random, ttl), for OBJECT IDLETIME.

use super::Candidates;
use super::clock::AccessClock;
use super::pool::{Candidate, Pool};
use super::sample::{Scope, sampled_victim};
use crate::engine::Item;

/// See the module.
#[derive(Debug)]
pub struct Lru {
    pool: Pool,
}

impl Lru {
    /// With an empty pool.
    pub fn new() -> Lru {
        Lru { pool: Pool::new() }
    }

    /// The oldest of the samples.
    pub fn victim<C: Candidates>(
        &mut self,
        candidates: &mut C,
        scope: Scope,
        samples: usize,
        clock: &AccessClock,
    ) -> Option<Item> {
        sampled_victim(
            &mut self.pool,
            candidates,
            scope,
            samples,
            |candidates, item| {
                let access = candidates.access(item);
                Candidate {
                    item,
                    score: clock.age(access),
                    stamp: u64::from(access),
                }
            },
        )
    }
}
