//! The parser of memcached's binary protocol: a header of 24 bytes, then extras, key and value whose lengths it names. Resumable.
//!
//! The caller's side is that of [`crate::protocol::resp::Parser`]: the bytes from the first byte of the current request on, again and more of them after
//! [`Step::Incomplete`]; values of `LARGE_BYTES_MIN` bytes and more by [`Step::Large`] and [`Parser::fill_large`]; [`Parser::next_request`] behind
//! each request. A request of zero arguments is bytes of an unwanted body, to be dropped.
//! Never: memory for what a client merely announces.
//! The decision worth knowing: all that can be wrong with lengths is found here, and such a request comes out as one more operation ([`opcode::REFUSED_INVALID`]
//! and its kind), so that its reply takes its place among the others and no handler sees a request of the wrong shape.

use super::super::args::{Args, IN_LARGE, Range};
use super::super::resp::{ParseError, Step};
use super::text::{CLIENT_FLAGS_BYTES, ITEM_BYTES_BESIDE};
use crate::large::LargeBuffer;
use crate::limits::{LARGE_BYTES_MIN, MEMCACHE_KEY_BYTES_MAX};
use std::borrow::Cow;

/// Bytes of a request's and of a reply's header.
pub const HEADER_BYTES: usize = 24;
/// The first byte of a request.
pub const MAGIC_REQUEST: u8 = 0x80;
/// The first byte of a reply.
pub const MAGIC_REPLY: u8 = 0x81;
/// The longest body before authentication; a password fits, and nothing else is asked for.
const BODY_BYTES_UNAUTHENTICATED_MAX: usize = 16384;
/// The longest SASL message that is looked at; a longer one comes out cut off, and no user has as long a password.
pub const SASL_BYTES_MAX: usize = 4096;
/// Operations: the codes of the protocol, and from [`opcode::UNKNOWN`] on those that the parser makes of requests it refuses.
#[allow(missing_docs)]
pub mod opcode {
    pub const GET: u8 = 0x00;
    pub const SET: u8 = 0x01;
    pub const ADD: u8 = 0x02;
    pub const REPLACE: u8 = 0x03;
    pub const DELETE: u8 = 0x04;
    pub const INCREMENT: u8 = 0x05;
    pub const DECREMENT: u8 = 0x06;
    pub const QUIT: u8 = 0x07;
    pub const FLUSH: u8 = 0x08;
    pub const GETQ: u8 = 0x09;
    pub const NOOP: u8 = 0x0a;
    pub const VERSION: u8 = 0x0b;
    pub const GETK: u8 = 0x0c;
    pub const GETKQ: u8 = 0x0d;
    pub const APPEND: u8 = 0x0e;
    pub const PREPEND: u8 = 0x0f;
    pub const STAT: u8 = 0x10;
    pub const SETQ: u8 = 0x11;
    pub const ADDQ: u8 = 0x12;
    pub const REPLACEQ: u8 = 0x13;
    pub const DELETEQ: u8 = 0x14;
    pub const INCREMENTQ: u8 = 0x15;
    pub const DECREMENTQ: u8 = 0x16;
    pub const QUITQ: u8 = 0x17;
    pub const FLUSHQ: u8 = 0x18;
    pub const APPENDQ: u8 = 0x19;
    pub const PREPENDQ: u8 = 0x1a;
    pub const TOUCH: u8 = 0x1c;
    pub const GAT: u8 = 0x1d;
    pub const GATQ: u8 = 0x1e;
    pub const SASL_LIST: u8 = 0x20;
    pub const SASL_AUTH: u8 = 0x21;
    pub const SASL_STEP: u8 = 0x22;
    pub const GATK: u8 = 0x23;
    pub const GATKQ: u8 = 0x24;
    /// Whatever memcached does not know (the verbosity command 0x1b among it): status 0x81, and the connection goes on.
    pub const UNKNOWN: u8 = 0xf0;
    /// Extras and key are longer than the body: status 0x81, then the connection is closed.
    pub const REFUSED_LENGTHS: u8 = 0xf1;
    /// Extras, key or value are not what the operation has, or the key is too long: status 0x04, then the connection is closed.
    pub const REFUSED_INVALID: u8 = 0xf2;
    /// Too long a body before authentication: status 0x20, then the connection is closed.
    pub const REFUSED_UNAUTHENTICATED: u8 = 0xf3;
    /// Too long a value, its bytes being skipped: status 0x03, and the key that was to be set is deleted. The arguments have no value.
    pub const TOO_LARGE: u8 = 0xf4;
}

/// What may stand behind the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    /// Nothing.
    Nothing,
    /// The value.
    Value,
    /// The message of a SASL mechanism.
    Sasl,
    /// Bytes that nobody looks at.
    Skipped,
}

/// Whether the lengths fit the operation, and what its tail is; None for operations unknown. memcached's rules.
#[inline]
fn shape(code: u8, extras: usize, key: usize) -> Option<(bool, Tail)> {
    use opcode::*;
    let keyed = key != 0;
    Some(match code {
        GET | GETQ | GETK | GETKQ | DELETE | DELETEQ => (extras == 0 && keyed, Tail::Nothing),
        SET | SETQ | ADD | ADDQ | REPLACE | REPLACEQ => (extras == 8 && keyed, Tail::Value),
        INCREMENT | INCREMENTQ | DECREMENT | DECREMENTQ => (extras == 20 && keyed, Tail::Nothing),
        APPEND | APPENDQ | PREPEND | PREPENDQ => (extras == 0 && keyed, Tail::Value),
        TOUCH | GAT | GATQ | GATK | GATKQ => (extras == 4 && keyed, Tail::Skipped),
        NOOP | VERSION | QUIT | QUITQ | SASL_LIST => (extras == 0 && !keyed, Tail::Nothing),
        FLUSH | FLUSHQ => (matches!(extras, 0 | 4) && !keyed, Tail::Nothing),
        STAT => (extras == 0, Tail::Skipped),
        SASL_AUTH | SASL_STEP => (extras == 0 && keyed, Tail::Sasl),
        _ => return None,
    })
}

/// Where in a request the parser stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before its end.
    Start,
    /// Before the end of a large value, or behind it.
    Large,
    /// At the end; `next_request` has to be called.
    Done,
}

/// A large value being received.
#[derive(Debug)]
struct Filling {
    buffer: LargeBuffer,
    filled: usize,
}

/// The state of one connection's parser.
#[derive(Debug)]
pub struct Parser {
    stage: Stage,
    opcode: u8,
    /// Bytes of the request just parsed, without a large value.
    consumed: usize,
    /// Header, extras, key, value.
    ranges: [Range; 4],
    /// The request is bytes to be dropped: it has no arguments.
    is_skip: bool,
    /// Bytes of an unwanted body that are still to come; they outlive the request.
    skip: u64,
    item_bytes_max: usize,
    authenticated: bool,
    /// The large value received, if the request has one.
    large: [Option<LargeBuffer>; 1],
    has_large: bool,
    filling: Option<Filling>,
}

const EMPTY: Range = Range {
    offset: HEADER_BYTES as u32,
    length: 0,
};

impl Parser {
    /// A parser for an authenticated client, with no limit on items but the protocol's.
    pub fn new() -> Parser {
        Parser {
            stage: Stage::Start,
            opcode: opcode::NOOP,
            consumed: 0,
            ranges: [EMPTY; 4],
            is_skip: false,
            skip: 0,
            item_bytes_max: usize::MAX,
            authenticated: true,
            large: [None],
            has_large: false,
            filling: None,
        }
    }

    /// Limits that can change: bytes of the largest item as memcached counts them (key and about 60 bytes included), and whether the client has authenticated (else bodies have at most 16384 bytes).
    pub fn set_limits(&mut self, item_bytes_max: usize, authenticated: bool) {
        self.item_bytes_max = item_bytes_max;
        self.authenticated = authenticated;
    }

    /// Goes on with the current request. Until [`Parser::next_request`] is called, a whole request is given again and again.
    #[inline]
    pub fn parse(&mut self, input: &[u8]) -> Result<Step, ParseError> {
        match self.stage {
            Stage::Start => {}
            Stage::Done => return Ok(self.done(self.consumed)),
            Stage::Large => {
                assert!(self.filling.is_none(), "the parser was called out of turn");
                return Ok(self.done(self.consumed));
            }
        }
        if self.skip > 0 {
            return Ok(self.skip_some(input));
        }
        let Some(header) = input.first_chunk::<HEADER_BYTES>() else {
            return match input.first() {
                Some(&magic) if magic != MAGIC_REQUEST => Err(bad_magic(magic)),
                _ => Ok(Step::Incomplete),
            };
        };
        if header[0] != MAGIC_REQUEST {
            return Err(bad_magic(header[0]));
        }
        let key = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let extras = usize::from(header[4]);
        let body = u32::from_be_bytes([header[8], header[9], header[10], header[11]]) as usize;
        let Some(tail_bytes) = body.checked_sub(key + extras) else {
            return Ok(self.refuse(opcode::REFUSED_LENGTHS, 0));
        };
        if !self.authenticated && body > BODY_BYTES_UNAUTHENTICATED_MAX {
            return Ok(self.refuse(opcode::REFUSED_UNAUTHENTICATED, 0));
        }
        if key > MEMCACHE_KEY_BYTES_MAX {
            return Ok(self.refuse(opcode::REFUSED_INVALID, 0));
        }
        let Some((fits, tail)) = shape(header[1], extras, key) else {
            return Ok(self.refuse(opcode::UNKNOWN, body));
        };
        if !fits || (tail == Tail::Nothing && tail_bytes != 0) {
            return Ok(self.refuse(opcode::REFUSED_INVALID, 0));
        }

        let key_at = HEADER_BYTES + extras;
        let tail_at = key_at + key;
        if input.len() < tail_at {
            return Ok(Step::Incomplete);
        }
        let mut code = header[1];
        let (value_bytes, skip) = match tail {
            Tail::Value
                if item_bytes(&input[HEADER_BYTES..tail_at], tail_bytes, extras)
                    > self.item_bytes_max =>
            {
                code = opcode::TOO_LARGE;
                (0, tail_bytes)
            }
            Tail::Value => (tail_bytes, 0),
            Tail::Sasl => {
                let kept = tail_bytes.min(SASL_BYTES_MAX);
                (kept, tail_bytes - kept)
            }
            Tail::Nothing | Tail::Skipped => (0, tail_bytes),
        };
        let is_large = value_bytes >= LARGE_BYTES_MIN;
        if !is_large && input.len() < tail_at + value_bytes {
            // The header is read again next time, which is cheaper than keeping it.
            return Ok(Step::Incomplete);
        }
        self.opcode = code;
        self.skip = skip as u64;
        let ends = [0, HEADER_BYTES, key_at, tail_at, tail_at + value_bytes];
        for (range, ends) in self.ranges.iter_mut().zip(ends.windows(2)) {
            *range = Range {
                offset: ends[0] as u32,
                length: (ends[1] - ends[0]) as u32,
            };
        }
        if is_large {
            return self.begin_large(value_bytes, tail_at);
        }
        Ok(self.done(tail_at + value_bytes))
    }

    #[inline]
    fn done(&mut self, consumed: usize) -> Step {
        self.stage = Stage::Done;
        self.consumed = consumed;
        Step::Request { consumed }
    }

    /// A request of which only the header is looked at; `skip` bytes behind it are dropped.
    #[cold]
    fn refuse(&mut self, code: u8, skip: usize) -> Step {
        self.opcode = code;
        self.skip = skip as u64;
        self.ranges = [EMPTY; 4];
        self.ranges[0] = Range {
            offset: 0,
            length: HEADER_BYTES as u32,
        };
        self.done(HEADER_BYTES)
    }

    #[cold]
    fn skip_some(&mut self, input: &[u8]) -> Step {
        let count = input
            .len()
            .min(usize::try_from(self.skip).unwrap_or(usize::MAX));
        if count == 0 {
            return Step::Incomplete;
        }
        self.skip -= count as u64;
        self.is_skip = true;
        self.done(count)
    }

    #[cold]
    fn begin_large(&mut self, length: usize, head: usize) -> Result<Step, ParseError> {
        let Ok(buffer) = LargeBuffer::zeroed(length) else {
            return Err(ParseError(Cow::Owned(format!(
                "no memory for a value of {length} bytes"
            ))));
        };
        self.filling = Some(Filling { buffer, filled: 0 });
        self.stage = Stage::Large;
        self.consumed = head;
        Ok(Step::Large { head })
    }

    /// The operation of the request that `parse` completed, of [`opcode`].
    #[inline]
    pub fn opcode(&self) -> u8 {
        self.opcode
    }

    /// Whether [`Parser::fill_large`] wants bytes.
    #[inline]
    pub fn wants_large(&self) -> bool {
        self.filling.is_some()
    }

    /// Copies bytes into the large value under way; returns how many it took.
    pub fn fill_large(&mut self, input: &[u8]) -> usize {
        let Some(filling) = &mut self.filling else {
            return 0;
        };
        let room = &mut filling.buffer.as_mut_slice()[filling.filled..];
        let count = input.len().min(room.len());
        let is_full = count == room.len();
        room[..count].copy_from_slice(&input[..count]);
        filling.filled += count;
        if is_full && let Some(filling) = self.filling.take() {
            self.ranges[3] = Range {
                offset: IN_LARGE,
                length: 0,
            };
            self.large = [Some(filling.buffer)];
            self.has_large = true;
        }
        count
    }

    /// The arguments of the request just parsed, `input` being what `parse` was given: header, extras, key and value, or none for bytes to be dropped.
    #[inline]
    pub fn args<'a>(&'a mut self, input: &'a [u8]) -> Args<'a> {
        let count = if self.is_skip { 0 } else { self.ranges.len() };
        Args {
            buffer: input,
            ranges: &self.ranges[..count],
            large: &mut self.large[..usize::from(self.has_large)],
        }
    }

    /// The ranges of the request just parsed: places in [`Args::buffer`].
    #[inline]
    pub fn ranges(&self) -> &[Range] {
        let count = if self.is_skip { 0 } else { self.ranges.len() };
        &self.ranges[..count]
    }

    /// Drops the request's arguments and makes ready for the next one.
    #[inline]
    pub fn next_request(&mut self) {
        self.stage = Stage::Start;
        self.is_skip = false;
        if self.has_large || self.filling.is_some() {
            self.large = [None];
            self.has_large = false;
            self.filling = None;
        }
    }

    /// Whether bytes of an unwanted body follow the request just parsed. They are not among its bytes, so it cannot be parsed again from those alone.
    #[inline]
    pub fn skips(&self) -> bool {
        self.skip > 0
    }

    /// Bytes of memory the parser holds beside itself: the large value, the one under way as far as it is filled.
    pub fn bytes_held(&self) -> usize {
        let whole = self.large[0].as_ref().map_or(0, LargeBuffer::len);
        whole + self.filling.as_ref().map_or(0, |filling| filling.filled)
    }
}

/// The size that memcached gives an item; `head` is extras and key.
#[inline]
fn item_bytes(head: &[u8], value: usize, extras: usize) -> usize {
    let has_flags = head[..extras.min(4)].iter().any(|&byte| byte != 0);
    head.len() - extras + value + ITEM_BYTES_BESIDE + if has_flags { CLIENT_FLAGS_BYTES } else { 0 }
}

#[cold]
fn bad_magic(magic: u8) -> ParseError {
    ParseError(Cow::Owned(format!(
        "invalid magic 0x{magic:02x} of a binary request"
    )))
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[path = "binary_tests.rs"]
mod tests;
