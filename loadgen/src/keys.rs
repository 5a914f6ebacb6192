//! Which key a request takes, and how a key is written.
//!
//! Zipf is drawn by rejection-inversion (Hörmann and Derflinger, 1996): exact for every exponent above 0, including
//! those above 1, with no table. Ranks are then scrambled by a bijection so that the hot keys do not lie side by side.

use crate::random::{Random, mix};

/// How requests spread over the keyspace.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum KeyDistribution {
    /// Every key equally often.
    Uniform,
    /// The key of rank k in proportion to 1/k^θ.
    Zipf(f64),
    /// One key after the other, over and over.
    Sequential,
}

impl std::str::FromStr for KeyDistribution {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "uniform" => Ok(Self::Uniform),
            None if text == "sequential" => Ok(Self::Sequential),
            Some(("zipf", theta)) => match theta.parse::<f64>() {
                Ok(theta) if theta > 0.0 && theta <= 10.0 => Ok(Self::Zipf(theta)),
                _ => Err(format!(
                    "the exponent of zipf must be above 0 and at most 10, not '{theta}'"
                )),
            },
            _ => Err("expected uniform, zipf:THETA or sequential".into()),
        }
    }
}

/// Draws ranks 1..=n in proportion to 1/rank^exponent.
#[derive(Debug, Clone)]
pub struct Zipf {
    count: f64,
    exponent: f64,
    area_first: f64,
    area_last: f64,
    shortcut: f64,
}

impl Zipf {
    /// A distribution over `1..=count`.
    pub fn new(count: u64, exponent: f64) -> Self {
        assert!(count > 0 && exponent > 0.0);
        let mut zipf = Self {
            count: count as f64,
            exponent,
            area_first: 0.0,
            area_last: 0.0,
            shortcut: 0.0,
        };
        zipf.area_first = zipf.area(1.5) - 1.0;
        zipf.area_last = zipf.area(zipf.count + 0.5);
        zipf.shortcut = 2.0 - zipf.area_inverse(zipf.area(2.5) - zipf.height(2.0));
        zipf
    }

    /// The integral of 1/x^exponent, written so that exponents near 1 lose no digits.
    fn area(&self, x: f64) -> f64 {
        let log = x.ln();
        expm1_over((1.0 - self.exponent) * log) * log
    }

    fn area_inverse(&self, area: f64) -> f64 {
        let t = (area * (1.0 - self.exponent)).max(-1.0);
        (ln1p_over(t) * area).exp()
    }

    fn height(&self, x: f64) -> f64 {
        (-self.exponent * x.ln()).exp()
    }

    /// The next rank, from 1.
    #[inline]
    pub fn rank(&self, random: &mut Random) -> u64 {
        loop {
            let area = self.area_last + random.unit() * (self.area_first - self.area_last);
            let x = self.area_inverse(area);
            let rank = (x + 0.5).floor().clamp(1.0, self.count);
            // Most draws end at the first test, which needs no further power.
            if rank - x <= self.shortcut || area >= self.area(rank + 0.5) - self.height(rank) {
                return rank as u64;
            }
        }
    }
}

fn expm1_over(x: f64) -> f64 {
    if x.abs() > 1e-8 {
        x.exp_m1() / x
    } else {
        1.0 + x / 2.0
    }
}

fn ln1p_over(x: f64) -> f64 {
    if x.abs() > 1e-8 {
        x.ln_1p() / x
    } else {
        1.0 - x / 2.0
    }
}

/// A bijection on `0..count`: steps that are bijective on the next power of two, repeated until the result is in range.
#[derive(Debug, Clone)]
pub struct Scramble {
    count: u64,
    mask: u64,
    shift: u32,
    multiplier: u64,
    addend: u64,
}

impl Scramble {
    /// A permutation of `0..count` chosen by `seed`.
    pub fn new(count: u64, seed: u64) -> Self {
        assert!(count > 0);
        let bits = (64 - (count - 1).leading_zeros()).max(1);
        Self {
            count,
            mask: u64::MAX >> (64 - bits),
            shift: bits.div_ceil(2),
            multiplier: mix(seed) | 1,
            addend: mix(seed ^ 1),
        }
    }

    /// Where `position` goes.
    #[inline]
    pub fn apply(&self, position: u64) -> u64 {
        debug_assert!(position < self.count);
        let mut x = position;
        loop {
            for _ in 0..2 {
                x = x.wrapping_add(self.addend).wrapping_mul(self.multiplier) & self.mask;
                x ^= x >> self.shift;
            }
            if x < self.count {
                return x;
            }
        }
    }
}

/// Draws key numbers in `0..keyspace`.
#[derive(Debug, Clone)]
pub struct KeyPicker {
    keyspace: u64,
    form: Form,
}

#[derive(Debug, Clone)]
enum Form {
    Uniform,
    Zipf(Zipf, Scramble),
    Sequential,
}

impl KeyPicker {
    /// A picker; `seed` decides which keys are the hot ones and must be the same in all threads.
    pub fn new(distribution: KeyDistribution, keyspace: u64, seed: u64) -> Self {
        let form = match distribution {
            KeyDistribution::Uniform => Form::Uniform,
            KeyDistribution::Zipf(theta) => {
                Form::Zipf(Zipf::new(keyspace, theta), Scramble::new(keyspace, seed))
            }
            KeyDistribution::Sequential => Form::Sequential,
        };
        Self { keyspace, form }
    }

    /// The key of the request with this number.
    #[inline]
    pub fn pick(&self, random: &mut Random, request: u64) -> u64 {
        match &self.form {
            Form::Uniform => random.below(self.keyspace),
            Form::Zipf(zipf, scramble) => scramble.apply(zipf.rank(random) - 1),
            Form::Sequential => request % self.keyspace,
        }
    }
}

/// How a key number becomes bytes: a prefix and decimal digits, zero-padded to a fixed size.
#[derive(Debug, Clone)]
pub struct KeyFormat {
    prefix: Vec<u8>,
    digits: usize,
}

impl KeyFormat {
    /// Keys of `size` bytes in all. An error when `keyspace` numbers do not fit behind the prefix.
    pub fn new(prefix: &str, size: usize, keyspace: u64) -> Result<Self, String> {
        let needed = (keyspace.max(1) - 1).to_string().len();
        let digits = size.saturating_sub(prefix.len());
        if digits < needed {
            return Err(format!(
                "a key of {size} bytes with the prefix '{prefix}' has room for {digits} digits, \
                 but {keyspace} keys need {needed}: raise --key-size or shorten --key-prefix"
            ));
        }
        Ok(Self {
            prefix: prefix.as_bytes().to_vec(),
            digits,
        })
    }

    /// The size of every key in bytes.
    pub fn size(&self) -> usize {
        self.prefix.len() + self.digits
    }

    /// The number of a key, `None` when it is not one of these.
    #[inline]
    pub fn number(&self, key: &[u8]) -> Option<u64> {
        let digits = key.strip_prefix(&self.prefix[..])?;
        if digits.len() != self.digits {
            return None;
        }
        digits.iter().try_fold(0u64, |number, digit| {
            let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
            number.checked_mul(10)?.checked_add(digit)
        })
    }

    /// Appends the key with this number.
    #[inline]
    pub fn write(&self, number: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.prefix);
        let start = out.len();
        out.resize(start + self.digits, b'0');
        let mut rest = number;
        for digit in out[start..].iter_mut().rev() {
            if rest == 0 {
                break;
            }
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        debug_assert_eq!(rest, 0, "the key number fits its digits");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Draws from the distribution and compares with the exact probabilities.
    fn zipf_is_close(count: u64, theta: f64) {
        const DRAWS: u64 = 200_000;
        let zipf = Zipf::new(count, theta);
        let mut random = Random::new(42);
        let mut counts = vec![0u64; count as usize + 1];
        for _ in 0..DRAWS {
            counts[zipf.rank(&mut random) as usize] += 1;
        }
        let total: f64 = (1..=count).map(|rank| (rank as f64).powf(-theta)).sum();
        for rank in [1, 2, 3, 10, count / 2]
            .into_iter()
            .filter(|rank| *rank >= 1)
        {
            let expected = (rank as f64).powf(-theta) / total * DRAWS as f64;
            let found = counts[rank as usize] as f64;
            // Five standard deviations of the binomial count.
            assert!(
                (found - expected).abs() <= 5.0 * expected.sqrt() + 1.0,
                "theta {theta}, rank {rank}: expected {expected:.0}, found {found}"
            );
        }
    }

    #[test]
    fn zipf_follows_its_law_below_at_and_above_one() {
        for theta in [0.3, 0.99, 1.0, 1.0000001, 1.3, 2.5] {
            zipf_is_close(1_000, theta);
        }
        zipf_is_close(20, 1.3);
    }

    #[test]
    fn zipf_over_one_key_is_that_key() {
        let zipf = Zipf::new(1, 0.99);
        let mut random = Random::new(1);
        assert!((0..100).all(|_| zipf.rank(&mut random) == 1));
    }

    #[test]
    fn scramble_is_a_permutation() {
        for count in [1u64, 2, 3, 100, 1_000, 4_096, 76_349] {
            let scramble = Scramble::new(count, 7);
            let mut seen = vec![false; count as usize];
            for position in 0..count {
                let target = scramble.apply(position) as usize;
                assert!(!std::mem::replace(&mut seen[target], true));
            }
        }
    }

    #[test]
    fn scramble_spreads_neighbours() {
        let scramble = Scramble::new(1_000_000, 3);
        let near = (0..1_000)
            .filter(|&p| scramble.apply(p).abs_diff(scramble.apply(p + 1)) < 1_000)
            .count();
        assert!(near < 20, "{near} of 1000 neighbours stay near");
    }

    #[test]
    fn keys_have_fixed_width() {
        let format = KeyFormat::new("key:", 16, 1_000_000).unwrap();
        let mut out = Vec::new();
        format.write(1_234, &mut out);
        assert_eq!(out, b"key:000000001234");
        assert_eq!(format.number(&out), Some(1_234));
        for other in ["key:00000000123", "kez:000000001234", "key:00000000123x"] {
            assert_eq!(format.number(other.as_bytes()), None, "{other}");
        }
        out.clear();
        format.write(0, &mut out);
        assert_eq!(out, b"key:000000000000");
        assert!(KeyFormat::new("a-long-prefix", 16, 1_001).is_err());
        assert!(KeyFormat::new("a-long-prefix", 16, 1_000).is_ok());
    }

    #[test]
    fn distributions_are_parsed() {
        assert_eq!("zipf:1.2".parse(), Ok(KeyDistribution::Zipf(1.2)));
        assert_eq!("uniform".parse(), Ok(KeyDistribution::Uniform));
        for wrong in ["zipf", "zipf:", "zipf:-1", "zipf:nan", "gauss"] {
            assert!(wrong.parse::<KeyDistribution>().is_err(), "{wrong}");
        }
    }
}
