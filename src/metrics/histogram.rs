//! A latency histogram of fixed size: exact to a sixty-fourth of the value over the whole range, mergeable.
//!
//! Never: allocates after it was made. The decision worth knowing: buckets grow with the value's power of two and divide each power into 64 equal
//! parts, so that the bucket is found with a shift and a percentile is off by at most 1.6 %.

/// Each power of two has `1 << PART_BITS` buckets.
const PART_BITS: u32 = 6;
const PARTS: u64 = 1 << PART_BITS;
/// Values of `1 << VALUE_BITS` and more count as the highest value: in nanoseconds 18 minutes.
const VALUE_BITS: u32 = 40;
const BUCKETS: usize = ((VALUE_BITS - PART_BITS + 1) * (PARTS as u32)) as usize;

/// Counts of values.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: Box<[u64; BUCKETS]>,
    count: u64,
    sum: u64,
    max: u64,
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "Histogram({} values, max {})",
            self.count, self.max
        )
    }
}

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram::new()
    }
}

#[inline]
fn bucket_of(value: u64) -> usize {
    if value < PARTS {
        return value as usize;
    }
    let value = value.min((1 << VALUE_BITS) - 1);
    let power = value.ilog2() - PART_BITS;
    // The upper bits of the value: its place among the parts of its power of two, plus PARTS.
    let part = value >> power;
    (u64::from(power) * PARTS + part) as usize
}

/// The highest value that falls into a bucket.
fn highest_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < PARTS * 2 {
        return bucket;
    }
    let power = bucket / PARTS - 1;
    let part = bucket % PARTS + PARTS;
    ((part + 1) << power) - 1
}

impl Histogram {
    /// An empty one.
    pub fn new() -> Histogram {
        let counts = vec![0; BUCKETS]
            .into_boxed_slice()
            .try_into()
            .expect("the length is the constant");
        Histogram {
            counts,
            count: 0,
            sum: 0,
            max: 0,
        }
    }

    /// Counts a value.
    #[inline]
    pub fn record(&mut self, value: u64) {
        self.counts[bucket_of(value)] += 1;
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
        self.max = self.max.max(value);
    }

    /// Adds what another one has counted.
    pub fn merge(&mut self, other: &Histogram) {
        for (count, more) in self.counts.iter_mut().zip(other.counts.iter()) {
            *count += more;
        }
        self.count += other.count;
        self.sum = self.sum.saturating_add(other.sum);
        self.max = self.max.max(other.max);
    }

    /// The value that `percent` of all values do not exceed (the highest that its bucket may hold, but never above the maximum); 0 when empty.
    pub fn percentile(&self, percent: f64) -> u64 {
        let rank = (self.count as f64 * percent / 100.0)
            .ceil()
            .clamp(1.0, self.count.max(1) as f64) as u64;
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                // The last bucket also holds everything above its range.
                return if bucket + 1 == BUCKETS {
                    self.max
                } else {
                    highest_of(bucket).min(self.max)
                };
            }
        }
        0
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Their sum.
    pub fn sum(&self) -> u64 {
        self.sum
    }

    /// The highest.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The highest value of each bucket that is not empty, and its count, ascending.
    pub fn buckets(&self) -> impl Iterator<Item = (u64, u64)> {
        let filled = self
            .counts
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0);
        filled.map(|(bucket, count)| (highest_of(bucket), *count))
    }

    /// Forgets everything.
    pub fn reset(&mut self) {
        self.counts.fill(0);
        (self.count, self.sum, self.max) = (0, 0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_follow_each_other() {
        for bucket in 1..BUCKETS {
            let lowest = highest_of(bucket - 1) + 1;
            assert_eq!(bucket_of(lowest), bucket);
            assert_eq!(bucket_of(highest_of(bucket)), bucket);
        }
        assert_eq!(highest_of(BUCKETS - 1), (1 << VALUE_BITS) - 1);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn an_empty_one_has_no_percentiles() {
        assert_eq!(Histogram::new().percentile(50.0), 0);
        assert_eq!(Histogram::new().percentile(100.0), 0);
    }

    #[test]
    fn small_values_are_exact() {
        let mut histogram = Histogram::new();
        for value in 1..=100 {
            histogram.record(value);
        }
        for percent in [1, 50, 99, 100] {
            assert_eq!(histogram.percentile(f64::from(percent)), percent as u64);
        }
        histogram.record(u64::MAX);
        assert_eq!(
            (histogram.percentile(100.0), histogram.max()),
            (u64::MAX, u64::MAX)
        );
        histogram.reset();
        assert_eq!(histogram, Histogram::new());
    }

    proptest! {
        #[test]
        fn percentiles_are_near_the_truth(mut values in proptest::collection::vec((any::<u64>(), 24u32..64).prop_map(|(value, shift)| value >> shift), 1..200), percent in 0.0f64..100.0) {
            let (mut all, mut other) = (Histogram::new(), Histogram::new());
            for (index, &value) in values.iter().enumerate() {
                if index % 2 == 0 { all.record(value) } else { other.record(value) }
            }
            all.merge(&other);
            values.sort_unstable();
            let rank = ((values.len() as f64 * percent / 100.0).ceil() as usize).max(1);
            let (truth, found) = (values[rank - 1], all.percentile(percent));
            prop_assert!(found >= truth && found - truth <= truth / PARTS, "{found} for {truth}");
            prop_assert_eq!(all.count(), values.len() as u64);
            prop_assert_eq!(all.sum(), values.iter().sum::<u64>());
            prop_assert_eq!(all.buckets().map(|(_, count)| count).sum::<u64>(), values.len() as u64);
        }
    }
}
