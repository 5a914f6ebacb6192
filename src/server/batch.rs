//! The requests of one turn, parsed and prefetched before the first of them is executed.
//!
//! A batch holds no bytes: a request is a place in a receive buffer plus the ranges of its arguments. Hashing and prefetching all keys first
//! lets the cache misses of a whole batch overlap.

use crate::command::table::Command;
use crate::limits::{BATCH_ARGUMENTS_MAX, BATCH_REQUESTS_MAX};
use crate::protocol::args::Range;
use std::ops;

/// One parsed request.
#[derive(Clone, Copy)]
pub struct Request {
    /// Index of its connection.
    pub connection: u32,
    /// The receive buffer, and the bytes in it.
    pub buffer: u16,
    /// Bytes in the receive buffer.
    pub buffer_len: u32,
    /// Its first byte in the receive buffer.
    pub start: u32,
    /// Its length in bytes.
    pub len: u32,
    /// Its ranges among the batch's.
    pub ranges_from: u32,
    /// See `ranges_from`.
    pub ranges_until: u32,
    /// The row, None when there is no such command.
    pub command: Option<&'static Command>,
    /// The hash of its first key, if this shard owns that.
    pub hash: Option<u64>,
    /// The shard that owns its first key; this one if it has none.
    pub owner: u32,
}

/// The requests of one turn.
#[derive(Default)]
pub struct Batch {
    /// The requests, in order of arrival.
    pub requests: Vec<Request>,
    /// The ranges of all of them.
    pub ranges: Vec<Range>,
}

impl Batch {
    /// Empties it.
    pub fn clear(&mut self) {
        self.requests.clear();
        self.ranges.clear();
    }

    /// Whether it must be executed before it takes more.
    #[inline]
    pub fn is_full(&self) -> bool {
        self.requests.len() >= BATCH_REQUESTS_MAX || self.ranges.len() >= BATCH_ARGUMENTS_MAX
    }

    /// The ranges of a request.
    pub fn ranges_of(&self, request: &Request) -> &[Range] {
        &self.ranges[ops::Range {
            start: request.ranges_from as usize,
            end: request.ranges_until as usize,
        }]
    }
}
