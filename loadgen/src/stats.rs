//! What a run counts. Every thread has a set of its own; they are added up at the end.

use crate::histogram::Histogram;
use std::collections::BTreeMap;

/// Different error texts kept; further ones count as "other errors".
const TEXTS_MAX: usize = 20;
/// Wrong values described; further ones are only counted.
pub const WRONG_SHOWN_MAX: usize = 10;

/// The counts.
#[derive(Debug, Clone)]
pub struct Stats {
    /// Latencies in nanoseconds, by [`crate::protocol::Operation::index`].
    pub latency: Vec<Histogram>,
    /// Keys of all answered requests: more than requests when reads ask for several.
    pub keys: u64,
    /// Keys that reads found.
    pub hits: u64,
    /// Keys that reads did not find.
    pub misses: u64,
    /// Writes that answered a miss of a trace.
    pub fills: u64,
    /// Deletions that found their key.
    pub deleted: u64,
    /// Bytes received.
    pub bytes_in: u64,
    /// Bytes sent.
    pub bytes_out: u64,
    /// Refusals by text.
    pub errors: BTreeMap<String, u64>,
    /// The first refusal, with the operation that was refused.
    pub first_error: Option<String>,
    /// Values checked and found right.
    pub verified: u64,
    /// Values there was nothing to compare with.
    pub unverified: u64,
    /// Wrong answers.
    pub wrong: u64,
    /// Connections opened again after a loss.
    pub reconnected: u64,
    /// The first wrong answers.
    pub wrong_shown: Vec<String>,
}

impl Stats {
    /// Nothing counted yet, of so many operations.
    pub fn new(operations: usize) -> Self {
        Self {
            latency: vec![Histogram::default(); operations],
            keys: 0,
            hits: 0,
            misses: 0,
            fills: 0,
            deleted: 0,
            bytes_in: 0,
            bytes_out: 0,
            errors: BTreeMap::new(),
            first_error: None,
            verified: 0,
            unverified: 0,
            wrong: 0,
            reconnected: 0,
            wrong_shown: Vec::new(),
        }
    }

    /// Counts a refusal of an operation.
    pub fn refuse(&mut self, operation: &str, text: &str) {
        if self.first_error.is_none() {
            self.first_error = Some(format!("{operation}: {text}"));
        }
        self.add_error(text, 1);
    }

    fn add_error(&mut self, text: &str, count: u64) {
        if let Some(known) = self.errors.get_mut(text) {
            *known += count;
        } else if self.errors.len() < TEXTS_MAX {
            self.errors.insert(text.to_owned(), count);
        } else {
            *self.errors.entry("other errors".into()).or_default() += count;
        }
    }

    /// Counts a wrong answer.
    pub fn wrong(&mut self, what: impl FnOnce() -> String) {
        self.wrong += 1;
        if self.wrong_shown.len() < WRONG_SHOWN_MAX {
            self.wrong_shown.push(what());
        }
    }

    /// All refusals.
    pub fn error_count(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Replies of all operations.
    pub fn replies(&self) -> u64 {
        self.latency.iter().map(Histogram::count).sum()
    }

    /// Latencies of all operations.
    pub fn total(&self) -> Histogram {
        let mut total = Histogram::default();
        for latency in &self.latency {
            total.merge(latency);
        }
        total
    }

    /// Adds another thread's counts.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.latency.len(), other.latency.len());
        for (mine, theirs) in self.latency.iter_mut().zip(&other.latency) {
            mine.merge(theirs);
        }
        self.keys += other.keys;
        self.hits += other.hits;
        self.misses += other.misses;
        self.fills += other.fills;
        self.deleted += other.deleted;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.verified += other.verified;
        self.unverified += other.unverified;
        self.wrong += other.wrong;
        self.reconnected += other.reconnected;
        let room = WRONG_SHOWN_MAX.saturating_sub(self.wrong_shown.len());
        self.wrong_shown
            .extend(other.wrong_shown.iter().take(room).cloned());
        for (text, count) in &other.errors {
            self.add_error(text, *count);
        }
        self.first_error = self.first_error.take().or(other.first_error.clone());
    }
}

/// The most points of a time series; beyond, neighbours are merged.
const POINTS_MAX: usize = 600;

/// Latencies over time: a histogram per interval, the number of intervals bounded.
#[derive(Debug, Clone)]
pub struct Series {
    interval_ns: u64,
    scale: u64,
    points: Vec<Histogram>,
}

impl Series {
    /// An empty series of intervals this long.
    pub fn new(interval_ns: u64) -> Self {
        Self {
            interval_ns,
            scale: 1,
            points: Vec::new(),
        }
    }

    /// Adds what a thread counted in the interval with this number.
    pub fn add(&mut self, interval: u64, histogram: &Histogram) {
        while interval / self.scale >= POINTS_MAX as u64 {
            self.points = self
                .points
                .chunks(2)
                .map(|pair| {
                    let mut merged = pair[0].clone();
                    pair[1..].iter().for_each(|other| merged.merge(other));
                    merged
                })
                .collect();
            self.scale *= 2;
        }
        let index = (interval / self.scale) as usize;
        if index >= self.points.len() {
            self.points.resize_with(index + 1, Histogram::default);
        }
        self.points[index].merge(histogram);
    }

    /// Length of a point in seconds.
    pub fn point_seconds(&self) -> f64 {
        (self.interval_ns * self.scale) as f64 / 1e9
    }

    /// The points, oldest first.
    pub fn points(&self) -> &[Histogram] {
        &self.points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_merge_neighbours_and_lose_nothing() {
        let mut series = Series::new(1_000_000_000);
        for interval in 0..2_000u64 {
            let mut one = Histogram::default();
            (0..=interval % 3).for_each(|value| one.record(value));
            series.add(interval, &one);
        }
        assert!(series.points().len() <= POINTS_MAX);
        assert_eq!(series.point_seconds(), 4.0);
        let counted: u64 = series.points().iter().map(Histogram::count).sum();
        assert_eq!(
            counted,
            (0..2_000u64).map(|interval| interval % 3 + 1).sum::<u64>()
        );
    }

    #[test]
    fn error_texts_are_bounded_and_all_counted() {
        let mut stats = Stats::new(2);
        for number in 0..1_000 {
            stats.refuse("SET", &format!("ERR {number}"));
        }
        let mut sum = Stats::new(2);
        sum.merge(&stats);
        sum.merge(&stats);
        assert!(sum.errors.len() <= TEXTS_MAX + 1);
        assert_eq!(sum.error_count(), 2_000);
        assert_eq!(sum.first_error.as_deref(), Some("SET: ERR 0"));
    }
}
