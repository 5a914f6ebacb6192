//! volatile-ttl: of the samples, the item that expires first goes.

use super::Candidates;
use super::pool::{Candidate, Pool};
use super::sample::{Scope, sampled_victim};
use crate::engine::Item;

/// See the module.
#[derive(Debug)]
pub struct Ttl {
    pool: Pool,
}

impl Ttl {
    /// With an empty pool.
    pub fn new() -> Ttl {
        Ttl { pool: Pool::new() }
    }

    /// The one of the samples that expires first.
    pub fn victim<C: Candidates>(&mut self, candidates: &mut C, samples: usize) -> Option<Item> {
        sampled_victim(
            &mut self.pool,
            candidates,
            Scope::Volatile,
            samples,
            |candidates, item| {
                let score = score(candidates.expiry(item));
                Candidate {
                    item,
                    score,
                    stamp: score,
                }
            },
        )
    }
}

/// The sooner an item expires the higher: the order of the time, made unsigned and turned round.
pub fn score(expiry: Option<i64>) -> u64 {
    !((expiry.unwrap_or(i64::MAX) as u64) ^ (1 << 63))
}
