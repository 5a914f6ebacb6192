//! Median and spread of a few samples: slices vary much more than they err, so nothing here speaks of means or deviations.

/// The middle of some samples and the quarters around it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// Half of the samples are below.
    pub median: f64,
    /// A quarter of the samples is below.
    pub quartile_low: f64,
    /// A quarter of the samples is above.
    pub quartile_high: f64,
}

impl Summary {
    /// The summary of all samples; None when there are none.
    pub fn of(samples: impl IntoIterator<Item = f64>) -> Option<Summary> {
        let mut sorted: Vec<f64> = samples.into_iter().collect();
        assert!(
            sorted.iter().all(|sample| sample.is_finite()),
            "a sample is a number"
        );
        sorted.sort_by(f64::total_cmp);
        Some(Summary {
            median: quantile(&sorted, 0.5)?,
            quartile_low: quantile(&sorted, 0.25)?,
            quartile_high: quantile(&sorted, 0.75)?,
        })
    }

    /// The distance between the quartiles in per cent of the median; 0 when the median is.
    pub fn spread_percent(&self) -> f64 {
        if self.median == 0.0 {
            return 0.0;
        }
        (self.quartile_high - self.quartile_low) / self.median.abs() * 100.0
    }
}

/// The value below which `part` of the samples lie, linear between neighbours.
fn quantile(sorted: &[f64], part: f64) -> Option<f64> {
    let last = sorted.len().checked_sub(1)?;
    let place = part * last as f64;
    let below = sorted[place.floor() as usize];
    let above = sorted[place.ceil() as usize];
    Some(below + (above - below) * place.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_and_even_numbers_of_samples() {
        let odd = Summary::of([5.0, 1.0, 4.0, 2.0, 3.0]).unwrap();
        assert_eq!(
            (odd.quartile_low, odd.median, odd.quartile_high),
            (2.0, 3.0, 4.0)
        );
        let even = Summary::of([4.0, 1.0, 3.0, 2.0]).unwrap();
        assert_eq!(
            (even.quartile_low, even.median, even.quartile_high),
            (1.75, 2.5, 3.25)
        );
    }

    #[test]
    fn one_sample_is_its_own_median_and_none_has_none() {
        let one = Summary::of([7.5]).unwrap();
        assert_eq!(
            (one.quartile_low, one.median, one.quartile_high),
            (7.5, 7.5, 7.5)
        );
        assert_eq!(one.spread_percent(), 0.0);
        assert_eq!(Summary::of([]), None);
    }

    #[test]
    fn one_outlier_moves_neither_median_nor_spread_much() {
        let calm = Summary::of([10.0, 11.0, 9.0, 10.0, 10.0, 11.0, 9.0, 10.0]).unwrap();
        let disturbed = Summary::of([10.0, 11.0, 9.0, 10.0, 10.0, 11.0, 9.0, 1000.0]).unwrap();
        assert_eq!(calm.median, disturbed.median);
        assert!(disturbed.spread_percent() < 15.0);
    }

    #[test]
    fn spread_is_relative_to_the_median() {
        let summary = Summary::of([90.0, 100.0, 110.0]).unwrap();
        assert!((summary.spread_percent() - 10.0).abs() < 1e-9);
        assert_eq!(Summary::of([0.0, 0.0]).unwrap().spread_percent(), 0.0);
    }
}
