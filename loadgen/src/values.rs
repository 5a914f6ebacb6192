//! Value sizes and value bytes.
//!
//! Ordinary values are slices of one block of random bytes made at the start, so building a SET is a copy.
//! Checked values (`--verify`) follow from key, version and seed alone, so nothing has to be remembered to check one.

use crate::error::{Error, Result};
use crate::random::{Random, mix, scale};
use std::path::Path;

/// The largest value that may be asked for: 512 MB, as over RESP.
pub const VALUE_SIZE_MAX: usize = 512 << 20;

/// The sizes of values.
#[derive(Debug, Clone)]
pub enum ValueSizes {
    /// Always the same.
    Fixed(usize),
    /// Evenly between the two, both included.
    Range(usize, usize),
    /// Sizes with weights.
    Weighted(Weighted),
}

/// Sizes with weights, drawn in constant time (Vose's alias method).
#[derive(Debug, Clone)]
pub struct Weighted {
    sizes: Vec<usize>,
    keep: Vec<f64>,
    alias: Vec<u32>,
}

impl Weighted {
    fn new(sizes: Vec<usize>, weights: Vec<f64>) -> std::result::Result<Self, String> {
        let total: f64 = weights.iter().sum();
        if sizes.len() != weights.len() || sizes.is_empty() {
            return Err("as many weights as sizes are needed, and at least one".into());
        }
        if weights.iter().any(|w| !w.is_finite() || *w < 0.0) || total <= 0.0 {
            return Err("weights must not be negative, nor all of them zero".into());
        }
        if let Some(size) = sizes.iter().find(|size| **size > VALUE_SIZE_MAX) {
            return Err(format!(
                "a value of {size} bytes is above the limit of 512 MB"
            ));
        }
        let count = sizes.len();
        let mut keep: Vec<f64> = weights.iter().map(|w| w / total * count as f64).collect();
        let mut alias: Vec<u32> = (0..count as u32).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..count).partition(|&i| keep[i] < 1.0);
        while let (Some(&light), Some(&heavy)) = (small.last(), large.last()) {
            small.pop();
            alias[light] = heavy as u32;
            keep[heavy] -= 1.0 - keep[light];
            if keep[heavy] < 1.0 {
                large.pop();
                small.push(heavy);
            }
        }
        // What is left differs from one by rounding only.
        for rest in small.into_iter().chain(large) {
            keep[rest] = 1.0;
        }
        Ok(Self { sizes, keep, alias })
    }

    #[inline]
    fn size(&self, bits: u64) -> usize {
        let column = scale(bits, self.sizes.len() as u64) as usize;
        let unit = (mix(bits) >> 11) as f64 / (1u64 << 53) as f64;
        let column = if unit < self.keep[column] {
            column
        } else {
            self.alias[column] as usize
        };
        self.sizes[column]
    }
}

impl ValueSizes {
    /// Reads `N`, `A-B` or `dist:FILE`.
    pub fn parse(text: &str) -> Result<Self> {
        if let Some(path) = text.strip_prefix("dist:") {
            return Self::read(Path::new(path));
        }
        let number = |part: &str| {
            part.parse::<usize>()
                .ok()
                .filter(|size| *size <= VALUE_SIZE_MAX)
                .ok_or_else(|| {
                    Error::usage(format!(
                        "--value-size '{text}': expected N, A-B (bytes, up to 512 MB) or dist:FILE"
                    ))
                })
        };
        match text.split_once('-') {
            None => Ok(Self::Fixed(number(text)?)),
            Some((low, high)) => match (number(low)?, number(high)?) {
                (low, high) if low <= high => Ok(Self::Range(low, high)),
                _ => Err(Error::usage(format!(
                    "--value-size '{text}': the range is empty"
                ))),
            },
        }
    }

    fn read(path: &Path) -> Result<Self> {
        let problem =
            |what: String| Error::usage(format!("value sizes {}: {what}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| problem(error.to_string()))?;
        let parsed = if text.trim_start().starts_with('{') {
            from_json(&text)
        } else {
            from_csv(&text)
        };
        parsed.map(Self::Weighted).map_err(problem)
    }

    /// A size, from 64 uniform bits.
    #[inline]
    pub fn size(&self, bits: u64) -> usize {
        match self {
            Self::Fixed(size) => *size,
            Self::Range(low, high) => low + scale(bits, (high - low + 1) as u64) as usize,
            Self::Weighted(weighted) => weighted.size(bits),
        }
    }

    /// The largest size that can come.
    pub fn largest(&self) -> usize {
        match self {
            Self::Fixed(size) | Self::Range(_, size) => *size,
            Self::Weighted(weighted) => weighted.sizes.iter().copied().max().unwrap_or(0),
        }
    }

    /// The mean size, for choosing buffer sizes.
    pub fn mean(&self) -> usize {
        const SAMPLES: u64 = 4096;
        let total: usize = (0..SAMPLES).map(|sample| self.size(mix(sample))).sum();
        total / SAMPLES as usize
    }
}

/// CacheBench's `sizes.json`: `valSizeRange` holds sizes, `valSizeRangeProbability` their weights.
fn from_json(text: &str) -> std::result::Result<Weighted, String> {
    let document: serde_json::Value =
        serde_json::from_str(text).map_err(|error| error.to_string())?;
    let numbers = |name: &str| {
        document[name]
            .as_array()
            .and_then(|items| {
                items
                    .iter()
                    .map(serde_json::Value::as_f64)
                    .collect::<Option<Vec<f64>>>()
            })
            .ok_or_else(|| format!("no array of numbers named {name}"))
    };
    let sizes = numbers("valSizeRange")?
        .into_iter()
        .map(|size| size as usize)
        .collect();
    Weighted::new(sizes, numbers("valSizeRangeProbability")?)
}

fn from_csv(text: &str) -> std::result::Result<Weighted, String> {
    let (mut sizes, mut weights) = (Vec::new(), Vec::new());
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') || (index == 0 && line.starts_with("size")) {
            continue;
        }
        let parsed = line.split_once(',').and_then(|(size, weight)| {
            Some((size.trim().parse().ok()?, weight.trim().parse().ok()?))
        });
        let (size, weight) =
            parsed.ok_or_else(|| format!("line {}: expected size,weight", index + 1))?;
        sizes.push(size);
        weights.push(weight);
    }
    Weighted::new(sizes, weights)
}

/// A block of random bytes that ordinary values are cut from.
#[derive(Debug)]
pub struct ValuePool {
    bytes: Vec<u8>,
}

const POOL_SIZE: usize = 256 * 1024;

impl ValuePool {
    /// A pool; the bytes follow from `seed`.
    pub fn new(seed: u64) -> Self {
        let mut random = Random::new(seed ^ 0x7661_6c75);
        let mut bytes = Vec::with_capacity(POOL_SIZE);
        while bytes.len() < POOL_SIZE {
            bytes.extend_from_slice(&random.bits().to_le_bytes());
        }
        Self { bytes }
    }

    /// Appends `size` bytes, beginning at a place of the pool chosen by `bits`.
    #[inline]
    pub fn write(&self, size: usize, bits: u64, out: &mut Vec<u8>) {
        let start = scale(bits, (POOL_SIZE / 2) as u64) as usize;
        if start + size <= POOL_SIZE {
            out.extend_from_slice(&self.bytes[start..start + size]);
            return;
        }
        let end = out.len() + size;
        while out.len() < end {
            let piece = (end - out.len()).min(POOL_SIZE);
            out.extend_from_slice(&self.bytes[..piece]);
        }
    }
}

/// Checked values of at least this size begin with a readable header; shorter ones are generated bytes throughout.
const HEADER_SIZE: usize = 48;

/// Appends the value that belongs to a key's version.
pub fn write_checked(key: u64, version: u32, size: usize, seed: u64, out: &mut Vec<u8>) {
    let end = out.len() + size;
    if size >= HEADER_SIZE {
        use std::io::Write;
        writeln!(out, "key={key:016x} version={version:08x}").expect("a Vec takes every write");
    }
    let mut random = Random::new(seed ^ mix(key ^ (u64::from(version) << 40)));
    while out.len() < end {
        let word = random.bits().to_le_bytes();
        let take = (end - out.len()).min(8);
        out.extend_from_slice(&word[..take]);
    }
}

/// What a value says it is, for the report of a wrong one.
pub fn describe(value: &[u8]) -> String {
    let shown: String = value
        .iter()
        .take(40)
        .flat_map(|byte| std::ascii::escape_default(*byte))
        .map(char::from)
        .collect();
    let dots = if value.len() > 40 { "..." } else { "" };
    format!("{} bytes \"{shown}{dots}\"", value.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_parsed() {
        assert_eq!(ValueSizes::parse("100").unwrap().size(9), 100);
        let range = ValueSizes::parse("10-12").unwrap();
        let mut random = Random::new(3);
        let drawn: std::collections::BTreeSet<_> =
            (0..100).map(|_| range.size(random.bits())).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [10, 11, 12]);
        for wrong in ["", "x", "5-1", "-5", "600000000", "dist:/nonexistent"] {
            assert_eq!(
                ValueSizes::parse(wrong).unwrap_err().exit_code(),
                2,
                "{wrong}"
            );
        }
    }

    #[test]
    fn weights_are_followed() {
        let json = r#"{"valSizeRange":[10,20,30],"valSizeRangeProbability":[1,0,3]}"#;
        let csv = "size,weight\n10,1\n20,0\n# comment\n30, 3\n";
        for weighted in [from_json(json).unwrap(), from_csv(csv).unwrap()] {
            let mut random = Random::new(1);
            let mut counts = std::collections::BTreeMap::new();
            for _ in 0..40_000 {
                *counts.entry(weighted.size(random.bits())).or_insert(0) += 1;
            }
            assert_eq!(counts.keys().copied().collect::<Vec<_>>(), [10, 30]);
            assert!((9_500..10_500).contains(&counts[&10]), "{counts:?}");
        }
        assert!(from_csv("10;1").unwrap_err().contains("line 1"));
        assert!(from_json("{}").is_err());
        assert!(from_csv("10,0\n").is_err());
    }

    #[test]
    fn pool_values_have_their_size() {
        let pool = ValuePool::new(1);
        for size in [0, 1, 100, POOL_SIZE, 3 * POOL_SIZE + 5] {
            let mut out = vec![1];
            pool.write(size, u64::MAX, &mut out);
            assert_eq!(out.len(), size + 1);
        }
    }

    #[test]
    fn checked_values_differ_by_key_version_and_seed() {
        for size in [8, 47, 48, 200] {
            let make = |key, version, seed| {
                let mut out = Vec::new();
                write_checked(key, version, size, seed, &mut out);
                assert_eq!(out.len(), size);
                out
            };
            let value = make(1, 1, 1);
            assert_eq!(value, make(1, 1, 1));
            assert_ne!(value, make(2, 1, 1));
            assert_ne!(value, make(1, 2, 1));
            assert_ne!(value, make(1, 1, 2));
        }
    }
}
