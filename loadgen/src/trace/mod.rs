//! Recorded request sequences.
//!
//! A trace is read whole before the run: requests are then an array access. Requests are dealt to the connections in
//! order, as they become free, like independent clients would send them; with one connection the order is exact.

mod csv;
mod ids;
pub mod synthetic;

use crate::error::{Error, Result};
use crate::protocol::Operation;
use std::path::Path;

/// The most requests a trace may have.
pub const REQUESTS_MAX: usize = 1 << 30;

/// A trace in memory.
#[derive(Debug)]
pub enum Trace {
    /// Every request reads an object; a miss inserts it.
    Ids(Vec<u32>),
    /// Requests with keys, sizes, operations and times to live of their own.
    Rows(Rows),
}

/// The rows of a CSV trace; the keys lie in one block.
#[derive(Debug, Default)]
pub struct Rows {
    rows: Vec<Row>,
    keys: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    key_start: u64,
    key_size: u32,
    value_size: u32,
    ttl_seconds: u32,
    operation: Operation,
}

/// One request of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// What it does.
    pub operation: Operation,
    /// Its key.
    pub key: Key<'a>,
    /// The size of the value, if the trace knows it.
    pub value_size: Option<usize>,
    /// The time to live, 0 for none.
    pub ttl_seconds: u32,
}

/// A key of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'a> {
    /// An object number, to be written in the run's key format.
    Number(u64),
    /// The key itself.
    Bytes(&'a [u8]),
}

impl Trace {
    /// Loads `synthetic:NAME` or a file, whose format follows from its name: `.u32.zst`, `.u32` or `.csv`. A published trace that is not here, but whose
    /// shape is known, is replaced by a synthetic one, and that is said.
    pub fn load(name: &str, seed: u64) -> Result<Self> {
        if let Some(shape) = name.strip_prefix("synthetic:") {
            return synthetic::make(shape, seed).map(Self::Ids);
        }
        if let Some(shape) = synthetic::stands_in_for(Path::new(name)) {
            eprintln!(
                "loadgen: there is no {name}; a synthetic trace of its shape takes its place"
            );
            return synthetic::make(shape, seed).map(Self::Ids);
        }
        let problem = |what: String| Error::usage(format!("trace {name}: {what}"));
        let open = || std::fs::read(Path::new(name)).map_err(|error| problem(error.to_string()));
        let trace = if name.ends_with(".u32.zst") {
            ids::read_compressed(&open()?).map(Self::Ids)
        } else if name.ends_with(".u32") {
            ids::read(&open()?).map(Self::Ids)
        } else if name.ends_with(".csv") {
            csv::read(&open()?).map(Self::Rows)
        } else {
            Err("the name must end in .u32.zst, .u32 or .csv, or be synthetic:orm-busy".into())
        };
        let trace = trace.map_err(problem)?;
        match trace.len() {
            0 => Err(problem("no requests in it".into())),
            requests if requests > REQUESTS_MAX => Err(problem("more than 2^30 requests".into())),
            _ => Ok(trace),
        }
    }

    /// How many requests there are.
    pub fn len(&self) -> usize {
        match self {
            Self::Ids(ids) => ids.len(),
            Self::Rows(rows) => rows.rows.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One more than the largest object number, 0 if the keys are bytes.
    pub fn keyspace(&self) -> u64 {
        match self {
            Self::Ids(ids) => ids.iter().max().map_or(0, |id| u64::from(*id) + 1),
            Self::Rows(_) => 0,
        }
    }

    /// The largest value size the trace itself asks for.
    pub fn value_size_max(&self) -> usize {
        match self {
            Self::Ids(_) => 0,
            Self::Rows(rows) => rows
                .rows
                .iter()
                .map(|row| row.value_size as usize)
                .max()
                .unwrap_or(0),
        }
    }

    /// Whether all keys that the trace itself spells out are as wanted.
    pub fn keys_all(&self, wanted: impl Fn(&[u8]) -> bool) -> bool {
        match self {
            Self::Ids(_) => true,
            Self::Rows(rows) => rows.rows.iter().all(|row| wanted(rows.key(row))),
        }
    }

    /// The request with this number.
    #[inline]
    pub fn request(&self, number: usize) -> Request<'_> {
        match self {
            Self::Ids(ids) => Request {
                operation: Operation::Get,
                key: Key::Number(u64::from(ids[number])),
                value_size: None,
                ttl_seconds: 0,
            },
            Self::Rows(rows) => {
                let row = &rows.rows[number];
                Request {
                    operation: row.operation,
                    key: Key::Bytes(rows.key(row)),
                    value_size: (row.value_size > 0).then_some(row.value_size as usize),
                    ttl_seconds: row.ttl_seconds,
                }
            }
        }
    }
}

impl Rows {
    #[inline]
    fn key(&self, row: &Row) -> &[u8] {
        let start = row.key_start as usize;
        &self.keys[start..start + row.key_size as usize]
    }

    fn push(&mut self, operation: Operation, key: &[u8], value_size: u32, ttl_seconds: u32) {
        self.rows.push(Row {
            key_start: self.keys.len() as u64,
            key_size: key.len() as u32,
            value_size,
            ttl_seconds,
            operation,
        });
        self.keys.extend_from_slice(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_loaded_is_said() {
        for (name, part) in [
            ("/nonexistent/a.u32", "No such file"),
            ("synthetic:none", "orm-busy"),
            ("trace.bin", ".u32.zst"),
        ] {
            let error = Trace::load(name, 1).unwrap_err();
            assert!(error.to_string().contains(part), "{error}");
            assert_eq!(error.exit_code(), 2);
        }
    }

    #[test]
    fn a_published_trace_that_is_absent_is_replaced_by_its_shape() {
        let trace = Trace::load("nowhere/cache2k-orm-busy.u32.zst", 1).unwrap();
        assert_eq!(trace.len(), 5_000_000);
    }
}
