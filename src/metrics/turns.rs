//! How long turns take: a histogram of their CPU time, and the clock that measures it.
//!
//! The decision worth knowing: asking for a thread's CPU time is a system call, so the clock does it about once a millisecond only. A turn that was
//! short by the cheap clock on the wall counts with that; only for one that seems long is the CPU time worked out, which tells a stall of the shard's own
//! making from one where another process had the core.

use crate::limits::TURN_US_MAX;

/// Upper bounds of the histogram's buckets, in microseconds; a last bucket has none.
pub const TURN_BOUNDS_US: [u64; 16] = [
    1,
    2,
    5,
    10,
    20,
    50,
    100,
    200,
    500,
    TURN_US_MAX,
    2000,
    5000,
    10_000,
    20_000,
    50_000,
    100_000,
];

/// Counts of turns by CPU time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TurnHistogram {
    /// By bucket: turns of at most [`TURN_BOUNDS_US`] microseconds and more than the bound before.
    pub counts: [u64; TURN_BOUNDS_US.len() + 1],
    /// Their CPU time together.
    pub us_total: u64,
    /// The longest.
    pub us_max: u64,
}

impl TurnHistogram {
    /// Counts a turn.
    #[inline]
    pub fn record(&mut self, us: u64) {
        let bucket = TURN_BOUNDS_US
            .iter()
            .position(|&bound| us <= bound)
            .unwrap_or(TURN_BOUNDS_US.len());
        self.counts[bucket] += 1;
        self.us_total += us;
        self.us_max = self.us_max.max(us);
    }

    /// Number of turns.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Number of turns longer than [`TURN_US_MAX`].
    pub fn count_too_long(&self) -> u64 {
        TURN_BOUNDS_US
            .iter()
            .zip(&self.counts[1..])
            .filter(|(bound, _)| **bound >= TURN_US_MAX)
            .map(|(_, count)| count)
            .sum()
    }

    /// Adds what another one has counted.
    pub fn merge(&mut self, other: &TurnHistogram) {
        for (count, more) in self.counts.iter_mut().zip(other.counts) {
            *count += more;
        }
        self.us_total += other.us_total;
        self.us_max = self.us_max.max(other.us_max);
    }
}

/// How often the CPU time is read, in nanoseconds on the wall.
const CHECKPOINT_NS: u64 = 1_000_000;
/// A turn that took less on the wall is short whatever it did.
const SHORT_NS: u64 = 200_000;

/// Measures the CPU time of turns; belongs to one thread.
#[derive(Debug, Default)]
pub struct TurnClock {
    began_ns: Option<u64>,
    /// The time on the wall and the CPU time at some moment between turns.
    checkpoint_ns: Option<(u64, u64)>,
    /// The sum of the short turns since then.
    short_ns: u64,
}

impl TurnClock {
    /// A clock for this thread.
    pub fn new() -> TurnClock {
        TurnClock::default()
    }

    /// A turn begins.
    #[inline]
    pub fn begin(&mut self) {
        self.begin_at(clock_ns(libc::CLOCK_MONOTONIC), || {
            clock_ns(libc::CLOCK_THREAD_CPUTIME_ID)
        });
    }

    /// The turn ends; its CPU time in microseconds, if one had begun.
    #[inline]
    pub fn end(&mut self) -> Option<u64> {
        self.end_at(clock_ns(libc::CLOCK_MONOTONIC), || {
            clock_ns(libc::CLOCK_THREAD_CPUTIME_ID)
        })
    }

    fn begin_at(&mut self, wall_ns: u64, cpu_ns: impl FnOnce() -> u64) {
        self.began_ns = Some(wall_ns);
        if self
            .checkpoint_ns
            .is_none_or(|(then_ns, _)| wall_ns.saturating_sub(then_ns) >= CHECKPOINT_NS)
        {
            self.checkpoint_ns = Some((wall_ns, cpu_ns()));
            self.short_ns = 0;
        }
    }

    fn end_at(&mut self, wall_ns: u64, cpu_ns: impl FnOnce() -> u64) -> Option<u64> {
        let wall_taken_ns = wall_ns.saturating_sub(self.began_ns.take()?);
        if wall_taken_ns < SHORT_NS {
            self.short_ns += wall_taken_ns;
            return Some(wall_taken_ns / 1000);
        }
        let now_ns = cpu_ns();
        let (_, then_ns) = self.checkpoint_ns.replace((wall_ns, now_ns))?;
        // What lay between turns since the checkpoint counts too, so this errs on the long side.
        let taken_ns = now_ns.saturating_sub(then_ns).saturating_sub(self.short_ns);
        self.short_ns = 0;
        Some(taken_ns.min(wall_taken_ns) / 1000)
    }
}

fn clock_ns(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the call writes one timespec, to a place that lives; both clocks exist on every Linux.
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    assert_eq!(result, 0, "this clock exists");
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_are_counted_by_length() {
        let mut turns = TurnHistogram::default();
        for us in [0, 1, 2, 3, 999, 1000, 1001, 100_000, 100_001] {
            turns.record(us);
        }
        assert_eq!(
            turns.counts,
            [2, 1, 1, 0, 0, 0, 0, 0, 0, 2, 1, 0, 0, 0, 0, 1, 1]
        );
        assert_eq!(
            (turns.count(), turns.count_too_long(), turns.us_max),
            (9, 3, 100_001)
        );
        let mut both = turns.clone();
        both.merge(&turns);
        assert_eq!(
            (both.count(), both.count_too_long(), both.us_total),
            (18, 6, 2 * turns.us_total)
        );
    }

    #[test]
    fn short_turns_need_no_system_call() {
        let mut clock = TurnClock::new();
        clock.begin_at(5_000_000, || 77);
        assert_eq!(
            clock.end_at(5_100_000, || panic!("it was short")),
            Some(100)
        );
        clock.begin_at(5_200_000, || panic!("the checkpoint is fresh"));
        assert_eq!(clock.end_at(5_250_999, || panic!("it was short")), Some(50));
        assert_eq!(clock.end_at(5_300_000, || panic!("none had begun")), None);
    }

    #[test]
    fn a_long_turn_counts_with_its_cpu_time() {
        let mut clock = TurnClock::new();
        clock.begin_at(0, || 0);
        assert_eq!(clock.end_at(150_000, || panic!("it was short")), Some(150));
        // 3 ms on the wall, of which this thread had 0.5 ms.
        clock.begin_at(200_000, || panic!("the checkpoint is fresh"));
        assert_eq!(clock.end_at(3_200_000, || 650_000), Some(500));
        // One that had the core throughout.
        clock.begin_at(3_300_000, || panic!("the checkpoint is fresh"));
        assert_eq!(clock.end_at(5_300_000, || 2_750_000), Some(2000));
        // After a pause the checkpoint is made anew, so that what lay in the pause does not count.
        clock.begin_at(9_000_000, || 4_000_000);
        assert_eq!(clock.end_at(9_400_000, || 4_300_000), Some(300));
    }

    #[test]
    fn the_real_clocks_run() {
        let cpu_ns = || clock_ns(libc::CLOCK_THREAD_CPUTIME_ID);
        let mut clock = TurnClock::new();
        let from = std::time::Instant::now();
        clock.begin();
        let from_cpu_ns = cpu_ns();
        while cpu_ns() - from_cpu_ns < 500_000 {
            std::hint::spin_loop();
        }
        let us = clock.end().expect("it had begun");
        assert!(us >= 500 && us <= from.elapsed().as_micros() as u64, "{us}");
    }
}
