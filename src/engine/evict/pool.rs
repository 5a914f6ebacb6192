//! The best candidates of the last samples.
//!
//! Evicting the best of five random items alone is a rough approximation; remembering the sixteen best candidates seen so far makes it a good one,
//! as Redis has shown. Departure from Redis: a candidate is remembered with a stamp (what its score was computed from) and dropped when
//! that has changed, so that an item used since it was sampled is not evicted on old evidence, and one that has taken the
//! place of a deleted item is not mistaken for it. It never looks at an item.

use crate::engine::Item;

/// Candidates remembered, as in Redis.
const POOL_ENTRIES_MAX: usize = 16;

/// A remembered candidate.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// The item, if it still is what it was.
    pub item: Item,
    /// The higher, the sooner it goes.
    pub score: u64,
    /// What the score was computed from.
    pub stamp: u64,
}

/// See the module.
#[derive(Debug)]
pub struct Pool {
    /// In ascending order of score; the first `len` count.
    entries: [Candidate; POOL_ENTRIES_MAX],
    len: usize,
}

impl Pool {
    /// An empty pool.
    pub fn new() -> Pool {
        Pool {
            entries: [Candidate {
                item: Item(0),
                score: 0,
                stamp: 0,
            }; POOL_ENTRIES_MAX],
            len: 0,
        }
    }

    /// Remembers a candidate if it is among the best; a new score replaces the one it had.
    pub fn offer(&mut self, candidate: Candidate) {
        let known = self.entries[..self.len]
            .iter()
            .position(|entry| entry.item == candidate.item);
        if let Some(known) = known {
            self.entries.copy_within(known + 1..self.len, known);
            self.len -= 1;
        }
        let mut place =
            self.entries[..self.len].partition_point(|entry| entry.score <= candidate.score);
        if self.len == POOL_ENTRIES_MAX {
            if place == 0 {
                return;
            }
            // The worst makes room.
            self.entries.copy_within(1..place, 0);
            place -= 1;
        } else {
            self.entries.copy_within(place..self.len, place + 1);
            self.len += 1;
        }
        self.entries[place] = candidate;
    }

    /// Takes the best candidate out.
    pub fn take_best(&mut self) -> Option<Candidate> {
        self.len = self.len.checked_sub(1)?;
        Some(self.entries[self.len])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sixteen_best_come_back_in_order() {
        let mut pool = Pool::new();
        for number in 0..1000u32 {
            let score = u64::from(number.wrapping_mul(2_654_435_761) % 1009);
            pool.offer(Candidate {
                item: Item(number),
                score,
                stamp: 0,
            });
            pool.offer(Candidate {
                item: Item(number),
                score,
                stamp: 0,
            });
        }
        let mut expected: Vec<u64> = (0..1000u32)
            .map(|number| u64::from(number.wrapping_mul(2_654_435_761) % 1009))
            .collect();
        expected.sort_unstable();
        for score in expected.into_iter().rev().take(POOL_ENTRIES_MAX) {
            assert_eq!(pool.take_best().map(|best| best.score), Some(score));
        }
        assert!(pool.take_best().is_none());
    }
}
