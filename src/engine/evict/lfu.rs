//! Least frequently used, with Redis' counter: 16 bits of minutes and an 8-bit logarithmic count that decays with time.
//!
//! A new item starts at [`INITIAL`], so that it has a chance to be counted before it goes. A use adds one with a probability that falls as the
//! count rises (`lfu-log-factor`); every `lfu-decay-time` minutes without one take one away, when somebody next looks.

use super::Candidates;
use super::pool::{Candidate, Pool};
use super::sample::{Scope, sampled_victim};
use crate::engine::Item;

/// The count of a new item, as in Redis.
pub const INITIAL: u8 = 5;

/// See the module.
#[derive(Debug)]
pub struct Lfu {
    pool: Pool,
    log_factor: u32,
    decay_minutes: u32,
    /// The time, in minutes modulo 2^16.
    minutes: u16,
    /// State of a xorshift generator; never zero.
    random: u64,
}

impl Lfu {
    /// With an empty pool.
    pub fn new(log_factor: u32, decay_minutes: u32, seed: u64) -> Lfu {
        Lfu {
            pool: Pool::new(),
            log_factor,
            decay_minutes,
            minutes: 0,
            random: seed | 1,
        }
    }

    /// Changes `lfu-log-factor` and `lfu-decay-time`.
    pub fn set_options(&mut self, log_factor: u32, decay_minutes: u32) {
        self.log_factor = log_factor;
        self.decay_minutes = decay_minutes;
    }

    /// Sets the time.
    pub fn set_now(&mut self, now_ms: i64) {
        self.minutes = (now_ms / 60_000) as u16;
    }

    /// The access field of an item with this count, last used so many minutes ago.
    pub fn field(&self, count: u8, minutes_idle: u16) -> u32 {
        u32::from(self.minutes.wrapping_sub(minutes_idle)) << 8 | u32::from(count)
    }

    /// Minutes since the field was last written.
    pub fn minutes_idle(&self, access: u32) -> u16 {
        self.minutes.wrapping_sub((access >> 8) as u16)
    }

    /// The count, decayed.
    pub fn count(&self, access: u32) -> u8 {
        let count = access as u8;
        let periods = u32::from(self.minutes_idle(access))
            .checked_div(self.decay_minutes)
            .unwrap_or(0);
        count.saturating_sub(u8::try_from(periods).unwrap_or(u8::MAX))
    }

    /// The access field after one more use.
    #[inline]
    pub fn on_access(&mut self, access: u32) -> u32 {
        let mut count = self.count(access);
        if count < u8::MAX {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            // One in (count above the initial one * factor + 1), without a division.
            let odds = u64::from(count.saturating_sub(INITIAL)) * u64::from(self.log_factor) + 1;
            if u128::from(self.random) * u128::from(odds) < 1 << 64 {
                count += 1;
            }
        }
        self.field(count, 0)
    }

    /// The least frequently used of the samples.
    pub fn victim<C: Candidates>(
        &mut self,
        candidates: &mut C,
        scope: Scope,
        samples: usize,
    ) -> Option<Item> {
        let mut pool = std::mem::replace(&mut self.pool, Pool::new());
        let victim = sampled_victim(&mut pool, candidates, scope, samples, |candidates, item| {
            let access = candidates.access(item);
            Candidate {
                item,
                score: u64::from(u8::MAX - self.count(access)),
                stamp: u64::from(access),
            }
        });
        self.pool = pool;
        victim
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mean over some runs is what Redis' documentation shows for as many hits with this factor.
    #[test]
    fn the_count_rises_as_documented() {
        for (factor, hits, documented) in [
            (0, 100, 105),
            (1, 1000, 49),
            (10, 100, 10),
            (10, 1000, 18),
            (10, 100_000, 142),
            (100, 1000, 11),
            (100, 100_000, 49),
        ] {
            const RUNS: u32 = 32;
            let mut sum = 0;
            for seed in 0..RUNS {
                let mut lfu = Lfu::new(
                    factor,
                    1,
                    u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15),
                );
                let mut access = lfu.field(INITIAL, 0);
                for _ in 0..hits {
                    access = lfu.on_access(access);
                }
                sum += u32::from(lfu.count(access));
            }
            let mean = sum / RUNS;
            assert!(
                mean.abs_diff(documented) <= 2 + documented / 16,
                "factor {factor}, {hits} hits: {mean}, documented {documented}"
            );
        }
    }

    #[test]
    fn the_count_decays_with_time_and_the_minutes_wrap() {
        let mut lfu = Lfu::new(10, 2, 1);
        lfu.set_now(65_530 * 60_000);
        let access = lfu.field(100, 0);
        lfu.set_now(65_531 * 60_000);
        assert_eq!(lfu.count(access), 100);
        lfu.set_now((65_536 + 4) * 60_000);
        assert_eq!(lfu.count(access), 95);
        lfu.set_now((65_530 + 1000) * 60_000);
        assert_eq!(lfu.count(access), 0);
        lfu.set_options(10, 0);
        assert_eq!(lfu.count(access), 100);
    }
}
