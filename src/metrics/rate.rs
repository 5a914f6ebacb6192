//! What happens per second just now: `instantaneous_ops_per_sec` and its like.
//!
//! As in Redis, the mean of the last sixteen samples of a counter, taken about every 100 ms.

const SAMPLES: usize = 16;

/// The rate of a counter that only grows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rate {
    per_second: [u64; SAMPLES],
    next: usize,
    last: Option<(i64, u64)>,
}

impl Rate {
    /// Takes a sample: the counter's value at a time in milliseconds.
    pub fn sample(&mut self, now_ms: i64, counter: u64) {
        if let Some((then_ms, then)) = self.last {
            let passed_ms = now_ms - then_ms;
            if passed_ms <= 0 {
                return;
            }
            // A counter that was set to zero meanwhile starts again.
            let grown = counter.checked_sub(then).unwrap_or(counter);
            self.per_second[self.next] = grown.saturating_mul(1000) / passed_ms as u64;
            self.next = (self.next + 1) % SAMPLES;
        }
        self.last = Some((now_ms, counter));
    }

    /// The mean of the last samples.
    pub fn per_second(&self) -> u64 {
        self.per_second.iter().sum::<u64>() / SAMPLES as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_counter_has_its_rate_after_sixteen_samples() {
        let mut rate = Rate::default();
        for tick in 0..=16 {
            rate.sample(tick * 100, tick as u64 * 50);
        }
        assert_eq!(rate.per_second(), 500);
        rate.sample(1600, 9999);
        assert_eq!(rate.per_second(), 500, "no time has passed");
        for tick in 17..33 {
            rate.sample(tick * 100, 800);
        }
        assert_eq!(rate.per_second(), 0);
        rate.sample(3300, 16);
        assert_eq!(rate.per_second(), 10, "the counter was set to zero");
    }
}
