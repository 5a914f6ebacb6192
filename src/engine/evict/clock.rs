//! A clock of 24 bits that orders accesses, and what it was at which time.
//!
//! Seconds, even milliseconds, are too coarse to order the accesses of a busy small cache: at several 100,000 requests a second a cache of a
//! few hundred items turns over within one of them. So while items come and go the clock counts accesses: one tick every 256th of the number of
//! items, which tells the items at the cold end apart at any request rate. Besides it ticks with time, every [`CHECKPOINT_MS`], and notes
//! the time of that tick, so that the idle time of an item can be told in milliseconds. It never decides anything.
//!
//! Wrap-around: 24 bits last for 97 days of a store that only reads and overwrites, and for 65,536 accesses per item (all items together)
//! while new items come. An item that was left alone for longer looks younger than it is. That does not hurt: what is worth keeping was used
//! within the last few accesses per item, a ten-thousandth of the circle, so a forgotten item is taken for a hot one with about that
//! probability, and only until the clock has moved on.

use crate::engine::frozen::{In, Out};
use std::io;

/// Bits of the access field that the clock fills.
const TICK_MASK: u64 = (1 << 24) - 1;
/// One tick for every 256th of the number of items.
const TICKS_PER_TURNOVER: usize = 256;
/// Ticks by accesses after an insertion: four uses of every item.
const TICKS_AFTER_INSERTION: u32 = 1024;
/// At least one tick, and a checkpoint, in so many milliseconds: the idle time of a recent use is right within half of it.
const CHECKPOINT_MS: i64 = 512;
/// Checkpoints kept; when there are more, neighbours become one where their distance is below a 256th of their age, or more if that is not enough.
const CHECKPOINTS_MAX: usize = 4096;
const AGE_DIVISOR: i64 = 256;

/// See the module.
#[derive(Debug)]
pub struct AccessClock {
    tick: u64,
    /// Accesses until the next tick or, when none is due, until the next look.
    countdown: u32,
    /// Ticks by accesses that are still due.
    ticks_due: u32,
    now_ms: i64,
    /// When the last checkpoint's span began.
    begin_ms: i64,
    /// The first ticks of spans of time, and the middle of these (of the last span: its begin), in order.
    checkpoints: Vec<(u64, i64)>,
}

impl AccessClock {
    /// A clock that begins now.
    pub fn new(now_ms: i64) -> AccessClock {
        // A full circle lies behind the first tick, so that ages from before the start can be expressed.
        let tick = TICK_MASK + 1;
        AccessClock {
            tick,
            countdown: 1,
            ticks_due: 0,
            now_ms,
            begin_ms: now_ms,
            checkpoints: vec![(tick, now_ms)],
        }
    }

    /// Sets the time. A time before the last one is taken for it.
    pub fn set_now(&mut self, now_ms: i64) {
        let before = self.now_ms;
        self.now_ms = before.max(now_ms);
        if self.now_ms - self.begin_ms < CHECKPOINT_MS {
            return;
        }
        // All uses of the span that ends here were at or before the time set last, however long ago that is.
        let last = self.checkpoints.len() - 1;
        self.checkpoints[last].1 = self.begin_ms + (before - self.begin_ms) / 2;
        self.tick += 1;
        if self.checkpoints.len() == CHECKPOINTS_MAX {
            self.thin_out();
        }
        self.checkpoints.push((self.tick, self.now_ms));
        self.begin_ms = self.now_ms;
    }

    /// Makes room for a quarter of the checkpoints.
    #[cold]
    fn thin_out(&mut self) {
        let mut divisor = AGE_DIVISOR;
        while self.checkpoints.len() > CHECKPOINTS_MAX / 4 * 3 {
            let mut kept = i64::MIN;
            let now_ms = self.now_ms;
            self.checkpoints.retain(|&(_, at)| {
                let keep = at.saturating_sub(kept) > (now_ms - at) / divisor;
                if keep {
                    kept = at;
                }
                keep
            });
            divisor /= 2;
            assert!(divisor > 0, "a few dozen checkpoints cover any age");
        }
    }

    /// The time.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// The access field of an item that is used now, one of `items`.
    #[inline]
    pub fn access(&mut self, items: usize) -> u32 {
        self.countdown -= 1;
        if self.countdown == 0 {
            self.tick_by_access(items);
        }
        (self.tick & TICK_MASK) as u32
    }

    #[cold]
    fn tick_by_access(&mut self, items: usize) {
        self.countdown = u32::MAX;
        if let Some(due) = self.ticks_due.checked_sub(1) {
            self.ticks_due = due;
            self.tick += 1;
            self.countdown = accesses_per_tick(items);
        }
    }

    /// The access field of an item that has come to be.
    pub fn insertion(&mut self, items: usize) -> u32 {
        self.ticks_due = TICKS_AFTER_INSERTION;
        self.countdown = self.countdown.min(accesses_per_tick(items));
        self.access(items)
    }

    /// Ticks since the item was used.
    #[inline]
    pub fn age(&self, access: u32) -> u64 {
        self.tick.wrapping_sub(u64::from(access)) & TICK_MASK
    }

    /// Milliseconds since the item was used.
    pub fn idle_ms(&self, access: u32) -> u64 {
        let tick = self.tick - self.age(access);
        let next = self
            .checkpoints
            .partition_point(|&(first, _)| first <= tick);
        let since = if next == self.checkpoints.len() {
            // During the current span: just now, as far as the clock can tell.
            self.now_ms
        } else if let Some(span) = next.checked_sub(1) {
            self.checkpoints[span].1
        } else {
            // Before the clock began, or so long ago that the circle has closed.
            let (first, at) = self.checkpoints[0];
            at.saturating_sub((first - tick) as i64 * CHECKPOINT_MS)
        };
        (self.now_ms - since).max(0) as u64
    }

    /// The access field of an item that was last used so long ago; at most one circle.
    pub fn access_before(&self, idle_ms: u64) -> u32 {
        let since = self.now_ms.saturating_sub_unsigned(idle_ms);
        let tick = if since >= self.begin_ms {
            self.tick
        } else {
            let next = self.checkpoints.partition_point(|&(_, at)| at <= since);
            match next.checked_sub(1) {
                Some(span) => self.checkpoints[span].0,
                None => {
                    let (first, at) = self.checkpoints[0];
                    first.saturating_sub(at.abs_diff(since) / CHECKPOINT_MS as u64)
                }
            }
        };
        (tick.max(self.tick - TICK_MASK) & TICK_MASK) as u32
    }

    /// Writes it.
    pub fn freeze(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.u64(self.tick)?;
        out.u32(self.countdown)?;
        out.u32(self.ticks_due)?;
        out.i64(self.now_ms)?;
        out.i64(self.begin_ms)?;
        out.count(self.checkpoints.len() as u64)?;
        for &(tick, at) in &self.checkpoints {
            out.u64(tick)?;
            out.i64(at)?;
        }
        Ok(())
    }

    /// See [`AccessClock::freeze`].
    pub fn thaw(input: &mut In<'_>) -> Result<AccessClock, String> {
        let mut clock = AccessClock {
            tick: input.u64()?,
            countdown: input.u32()?.max(1),
            ticks_due: input.u32()?,
            now_ms: input.i64()?,
            begin_ms: input.i64()?,
            checkpoints: Vec::new(),
        };
        let count = input.count()? as usize;
        if !(1..=CHECKPOINTS_MAX).contains(&count) || clock.tick <= TICK_MASK {
            return Err("its clock of uses is none".into());
        }
        for _ in 0..count {
            clock.checkpoints.push((input.u64()?, input.i64()?));
        }
        Ok(clock)
    }

    /// Bytes on the heap.
    pub fn bytes(&self) -> usize {
        self.checkpoints.capacity() * size_of::<(u64, i64)>()
    }
}

fn accesses_per_tick(items: usize) -> u32 {
    u32::try_from(items / TICKS_PER_TURNOVER)
        .unwrap_or(u32::MAX)
        .max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accesses_are_told_apart_within_one_millisecond() {
        let mut clock = AccessClock::new(0);
        let accesses: Vec<u32> = {
            clock.insertion(100);
            (0..200).map(|_| clock.access(100)).collect()
        };
        assert!(
            accesses
                .windows(2)
                .all(|pair| clock.age(pair[0]) > clock.age(pair[1]))
        );
    }

    #[test]
    fn idle_time_is_right_within_a_second_whatever_the_rate() {
        for accesses_per_ms in [0, 1, 300] {
            let mut clock = AccessClock::new(1_700_000_000_000);
            let start = clock.now_ms();
            let mut noted = Vec::new();
            for ms in 0..300_000i64 {
                clock.set_now(start + ms);
                for _ in 0..accesses_per_ms {
                    clock.access(1000);
                }
                if ms % 7_777 == 0 {
                    noted.push((start + ms, clock.access(1000)));
                }
            }
            for (at, access) in noted {
                let idle = clock.now_ms() - at;
                assert!(
                    (clock.idle_ms(access) as i64 - idle).abs() <= 1000,
                    "{idle} read as {}",
                    clock.idle_ms(access)
                );
                assert!(
                    (clock.idle_ms(clock.access_before(idle as u64)) as i64 - idle).abs() <= 1000
                );
            }
        }
    }

    #[test]
    fn idle_time_of_a_quiet_month_is_right_within_a_hundredth() {
        let mut clock = AccessClock::new(0);
        let access = clock.access(10);
        let mut now = 0;
        for _ in 0..200_000 {
            now += 13_000;
            clock.set_now(now);
        }
        let idle = clock.idle_ms(access) as i64;
        assert!((idle - now).abs() < now / 100, "{idle} for {now}");
        assert!(clock.bytes() <= CHECKPOINTS_MAX * 16);
    }
}
