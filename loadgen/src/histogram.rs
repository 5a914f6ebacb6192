//! Latency histogram: log-linear buckets of fixed number, so recording is an increment and never allocates.
//! Every power of two is cut in 128 parts: a reported value is at most 0.8 % above the true one.
//! Values are nanoseconds; anything above 2^40 (18 minutes) counts in the last bucket, but `max` stays exact.

const SUB_BITS: u32 = 7;
const SUB: usize = 1 << SUB_BITS;
const VALUE_MAX: u64 = (1 << 40) - 1;
const BUCKETS: usize = (40 - SUB_BITS as usize + 1) * SUB;

/// Counts of values, with exact count, sum, minimum and maximum.
#[derive(Debug, Clone)]
pub struct Histogram {
    buckets: Box<[u64]>,
    count: u64,
    sum: u128,
    min: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: vec![0; BUCKETS].into_boxed_slice(),
            count: 0,
            sum: 0,
            min: u64::MAX,
            max: 0,
        }
    }
}

#[inline]
fn bucket_of(value: u64) -> usize {
    let value = value.min(VALUE_MAX);
    if value < SUB as u64 {
        return value as usize;
    }
    let shift = 63 - value.leading_zeros() - SUB_BITS;
    (shift as usize) * SUB + (value >> shift) as usize
}

/// The largest value that falls in the bucket.
fn bucket_highest(bucket: usize) -> u64 {
    if bucket < 2 * SUB {
        return bucket as u64;
    }
    let shift = bucket / SUB - 1;
    let mantissa = (bucket % SUB + SUB) as u64;
    ((mantissa + 1) << shift) - 1
}

impl Histogram {
    /// Counts one value.
    #[inline]
    pub fn record(&mut self, value: u64) {
        self.buckets[bucket_of(value)] += 1;
        self.count += 1;
        self.sum += u128::from(value);
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Adds all of another histogram's counts.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine += theirs;
        }
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }

    /// How many values were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The smallest value, 0 when empty.
    pub fn min(&self) -> u64 {
        if self.count == 0 { 0 } else { self.min }
    }

    /// The largest value.
    pub fn max(&self) -> u64 {
        self.max
    }

    /// The mean, 0 when empty.
    pub fn mean(&self) -> f64 {
        if self.count == 0 {
            return 0.0;
        }
        self.sum as f64 / self.count as f64
    }

    /// The value that `percentile` percent of the counted values do not exceed; 0 when empty.
    pub fn percentile(&self, percentile: f64) -> u64 {
        let wanted = ((percentile / 100.0 * self.count as f64).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.buckets.iter().enumerate() {
            seen += count;
            if seen >= wanted && *count > 0 {
                return bucket_highest(bucket).clamp(self.min, self.max);
            }
        }
        self.max
    }

    /// The buckets that hold something: (largest value of the bucket, count), ascending.
    pub fn filled(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.buckets
            .iter()
            .enumerate()
            .filter(|(_, count)| **count > 0)
            .map(|(bucket, count)| (bucket_highest(bucket), *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bucket_ends_where_the_next_begins() {
        for bucket in 0..BUCKETS - 1 {
            let highest = bucket_highest(bucket);
            assert_eq!(bucket_of(highest), bucket, "highest of {bucket}");
            assert_eq!(bucket_of(highest + 1), bucket + 1, "beyond {bucket}");
        }
        assert_eq!(bucket_highest(BUCKETS - 1), VALUE_MAX);
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_within_one_percent() {
        let mut histogram = Histogram::default();
        for value in 1..=1_000_000 {
            histogram.record(value);
        }
        for (percentile, exact) in [(50.0, 500_000.0), (99.0, 990_000.0), (99.99, 999_900.0)] {
            let found = histogram.percentile(percentile) as f64;
            assert!(
                (exact..=exact * 1.008).contains(&found),
                "p{percentile}: {found}"
            );
        }
        assert_eq!((histogram.min(), histogram.max()), (1, 1_000_000));
        assert!((histogram.mean() - 500_000.5).abs() < 1e-6);
        assert_eq!(histogram.percentile(100.0), 1_000_000);
    }

    #[test]
    fn merging_equals_recording_in_one() {
        let (mut left, mut right, mut both) = Default::default();
        for value in 0..5_000u64 {
            let target: &mut Histogram = if value % 3 == 0 {
                &mut left
            } else {
                &mut right
            };
            target.record(value * value);
            Histogram::record(&mut both, value * value);
        }
        left.merge(&right);
        assert!(left.filled().eq(both.filled()));
        assert_eq!(left.percentile(75.0), both.percentile(75.0));
    }

    #[test]
    fn an_empty_one_answers_zero() {
        let empty = Histogram::default();
        assert_eq!(
            (empty.min(), empty.max(), empty.percentile(99.0)),
            (0, 0, 0)
        );
        assert_eq!(empty.mean(), 0.0);
    }
}
