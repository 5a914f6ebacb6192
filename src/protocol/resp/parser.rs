//! The request parser: multibulk and inline requests, resumable, without rescanning what it has seen.
//!
//! The caller gives the bytes from the first byte of the current request on. After [`Step::Incomplete`] it calls again with the
//! same bytes and more behind them. An argument of `LARGE_BYTES_MIN` bytes and more is diverted: after [`Step::Large`]
//! the caller keeps only the first `head` bytes of its input, passes what follows to [`Parser::fill_large`] until that is satisfied, and then
//! calls `parse` with the head and what comes after the argument (its CRLF first) as if the argument had never been in the stream.

use super::super::args::{Args, Range};
use crate::large::LargeBuffer;

/// What `parse` came to.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// A whole request of this many bytes; its arguments are in [`Parser::args`]. Zero arguments: an empty line, to be skipped.
    Request {
        /// Bytes to drop from the input.
        consumed: usize,
    },
    /// More bytes are needed.
    Incomplete,
    /// An argument is to be received into its own buffer; see the module's text.
    Large {
        /// Bytes of the input to keep.
        head: usize,
    },
}

/// What is wrong with the request; its text is the error reply of redis-server (without `-ERR `), after which the connection is closed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError(pub std::borrow::Cow<'static, str>);

/// The state of one connection's parser.
pub struct Parser {}

impl Parser {
    /// A parser with Redis' limits.
    pub fn new() -> Parser {
        todo!()
    }
    /// Limits that can change: `proto-max-bulk-len`, and whether the client has authenticated (else 10 arguments of 16384 bytes, as in Redis).
    pub fn set_limits(&mut self, _bulk_bytes_max: usize, _authenticated: bool) {
        todo!()
    }
    /// Goes on with the current request.
    pub fn parse(&mut self, _input: &[u8]) -> Result<Step, ParseError> {
        todo!()
    }
    /// Whether [`Parser::fill_large`] wants bytes.
    pub fn wants_large(&self) -> bool {
        todo!()
    }
    /// Copies bytes into the large argument under way; returns how many it took.
    pub fn fill_large(&mut self, _input: &[u8]) -> usize {
        todo!()
    }
    /// The arguments of the request just parsed, `input` being what `parse` was given.
    pub fn args<'a>(&'a mut self, _input: &'a [u8]) -> Args<'a> {
        todo!()
    }
    /// Copies of the ranges of the request just parsed.
    pub fn ranges(&self) -> &[Range] {
        todo!()
    }
    /// Drops the request's arguments and makes ready for the next one.
    pub fn next_request(&mut self) {
        todo!()
    }
    /// Bytes of memory the parser holds (large arguments under way included).
    pub fn bytes_held(&self) -> usize {
        todo!()
    }
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}

#[allow(dead_code)]
type Unused = Option<LargeBuffer>;
