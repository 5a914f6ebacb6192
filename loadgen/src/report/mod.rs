//! Reports of a run: text for people, JSON for programs, a page with plots. They read an outcome and decide nothing.

pub mod html;
pub mod json;
pub mod text;

use crate::error::{Error, Result};
use std::path::Path;

/// The percentiles every report names.
pub const PERCENTILES: [(&str, f64); 7] = [
    ("p50", 50.0),
    ("p75", 75.0),
    ("p90", 90.0),
    ("p95", 95.0),
    ("p99", 99.0),
    ("p99.9", 99.9),
    ("p99.99", 99.99),
];

/// Nanoseconds as microseconds.
pub fn micros(ns: u64) -> f64 {
    ns as f64 / 1_000.0
}

/// `part` of `whole` per second or per piece; 0 when there is none.
pub fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

/// Writes a report's file.
pub fn save(path: &Path, content: &str) -> Result<()> {
    std::fs::write(path, content)
        .map_err(|error| Error::run(format!("cannot write {}: {error}", path.display())))
}
