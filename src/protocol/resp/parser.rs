//! The request parser: multibulk and inline requests, resumable, without rescanning what it has seen.
//!
//! The caller gives the bytes from the first byte of the current request on. After [`Step::Incomplete`] it calls again with the
//! same bytes and more behind them. An argument of `LARGE_BYTES_MIN` bytes and more is diverted: after [`Step::Large`]
//! the caller keeps only the first `head` bytes of its input, passes what follows to [`Parser::fill_large`] until that is satisfied, and then
//! calls `parse` with the head and what comes after the argument (its CRLF first) as if the argument had never been in the stream.
//!
//! After [`Step::Request`] the caller reads [`Parser::args`] and then calls [`Parser::next_request`]; after an error the parser is of no further use.
//! Never: memory for what a client merely announces. The one exception is the large buffer, whose pages cost nothing until they are filled.
//! The decision worth knowing: as in redis-server a line ends at its CR and the byte behind it is skipped unseen, as are the two bytes behind an argument.

use super::super::args::{Args, IN_LARGE, Range};
use super::inline::{self, Split};
use crate::large::LargeBuffer;
use crate::limits::{ARGUMENTS_MAX, INLINE_BYTES_MAX, LARGE_BYTES_MIN, STRING_BYTES_MAX};
use std::borrow::Cow;

/// The most arguments of a request before authentication, as in Redis.
const ARGUMENTS_UNAUTHENTICATED_MAX: usize = 10;
/// The longest argument before authentication, as in Redis.
const BULK_BYTES_UNAUTHENTICATED_MAX: usize = 16384;
/// Ranges and scratch bytes a parser keeps for its next request; what an unusual request needed beyond goes back at once.
const RANGES_KEPT_MAX: usize = 256;
const SCRATCH_BYTES_KEPT_MAX: usize = 1024;
/// Digits of a length that the short way reads; all longer ones are beyond every limit or malformed.
const SHORT_DIGITS_MAX: usize = 9;

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
pub struct ParseError(pub Cow<'static, str>);

impl ParseError {
    const fn new(text: &'static str) -> ParseError {
        ParseError(Cow::Borrowed(text))
    }
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for ParseError {}

/// Where in a request the parser stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Before its first byte, or in its first line.
    Start,
    /// At the header of an argument, whose body may not be there yet.
    Bulk,
    /// Behind a large argument, at its CRLF.
    AfterLarge,
    /// At the end; `next_request` has to be called.
    Done,
}

/// A large argument being received.
#[derive(Debug)]
struct Filling {
    buffer: LargeBuffer,
    len: usize,
    filled: usize,
}

/// The state of one connection's parser.
#[derive(Debug)]
pub struct Parser {
    /// The arguments so far.
    ranges: Vec<Range>,
    /// How many are still to come.
    arguments_left: usize,
    /// The first byte that is not yet part of a finished header or argument.
    position: usize,
    /// No line end lies before this byte in the line that starts at `position`.
    scanned: usize,
    stage: Stage,
    /// The ranges point into `scratch`, not into the input.
    in_scratch: bool,
    authenticated: bool,
    bulk_bytes_max: usize,
    /// Arguments of an inline request with quotes, one behind the other.
    scratch: Vec<u8>,
    /// Large arguments received so far.
    large: Vec<Option<LargeBuffer>>,
    /// The sum of their bytes.
    large_bytes: usize,
    filling: Option<Filling>,
}

/// Reads a short canonical length and its CR; `at` is the place of its first digit. Gives the length and the place behind the line's last byte.
/// Nothing when anything is unusual or missing: then [`Parser::long_line`] looks at it again and says what is the matter.
#[inline(always)]
fn short_line(input: &[u8], at: usize) -> Option<(usize, usize)> {
    let first = input.get(at)?.wrapping_sub(b'0');
    if first > 9 {
        return None;
    }
    let mut value = first as usize;
    let mut digits = 1;
    loop {
        let byte = *input.get(at + digits)?;
        let digit = byte.wrapping_sub(b'0');
        if digit <= 9 {
            if digits == SHORT_DIGITS_MAX {
                return None;
            }
            value = value * 10 + digit as usize;
            digits += 1;
            continue;
        }
        let next = at + digits + 2;
        let canonical = digits == 1 || first != 0;
        return (byte == b'\r' && canonical && next <= input.len()).then_some((value, next));
    }
}

/// A canonical signed integer: no sign `+`, no leading zeros, nothing around it.
fn canonical_integer(text: &[u8]) -> Option<i64> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let first = *digits.first()?;
    if !digits.iter().all(u8::is_ascii_digit) || (first == b'0' && text.len() > 1) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

impl Parser {
    /// A parser with Redis' limits.
    pub fn new() -> Parser {
        Parser {
            ranges: Vec::new(),
            arguments_left: 0,
            position: 0,
            scanned: 0,
            stage: Stage::Start,
            in_scratch: false,
            authenticated: true,
            bulk_bytes_max: STRING_BYTES_MAX,
            scratch: Vec::new(),
            large: Vec::new(),
            large_bytes: 0,
            filling: None,
        }
    }

    /// Limits that can change: `proto-max-bulk-len`, and whether the client has authenticated (else 10 arguments of 16384 bytes, as in Redis).
    pub fn set_limits(&mut self, bulk_bytes_max: usize, authenticated: bool) {
        self.bulk_bytes_max = bulk_bytes_max;
        self.authenticated = authenticated;
    }

    /// Goes on with the current request. Until [`Parser::next_request`] is called, a whole request is given again and again: the caller may find that
    /// it cannot be executed yet.
    #[inline]
    pub fn parse(&mut self, input: &[u8]) -> Result<Step, ParseError> {
        if self.stage == Stage::Start {
            match input.first() {
                Some(b'*') => {
                    let (count, next) = match short_line(input, 1) {
                        Some((count, next)) if count <= ARGUMENTS_UNAUTHENTICATED_MAX => {
                            (count, next)
                        }
                        _ => match self.long_count(input)? {
                            Some(found) => found,
                            None => return Ok(Step::Incomplete),
                        },
                    };
                    self.arguments_left = count;
                    self.position = next;
                    self.scanned = next;
                    self.stage = Stage::Bulk;
                }
                Some(_) => return self.inline(input),
                None => return Ok(Step::Incomplete),
            }
        }
        self.bulks(input)
    }

    /// The arguments of a multibulk request.
    #[inline]
    fn bulks(&mut self, input: &[u8]) -> Result<Step, ParseError> {
        if self.stage != Stage::Bulk {
            if self.stage == Stage::Done {
                return Ok(Step::Request {
                    consumed: self.position,
                });
            }
            assert!(
                self.stage == Stage::AfterLarge && self.filling.is_none(),
                "the parser was called out of turn"
            );
            if input.len() < self.position + 2 {
                return Ok(Step::Incomplete);
            }
            self.position += 2;
            self.scanned = self.position;
            self.arguments_left -= 1;
            self.stage = Stage::Bulk;
        }
        // The ranges have 32 bits; a longer request has long passed every sensible client-query-buffer-limit.
        if input.len() >= IN_LARGE as usize {
            return Err(ParseError::new("Protocol error: too big request"));
        }
        // One comparison stands for all limits: they all lie above it.
        let most = BULK_BYTES_UNAUTHENTICATED_MAX
            .min(LARGE_BYTES_MIN)
            .min(self.bulk_bytes_max);
        let mut at = self.position;
        while self.arguments_left > 0 {
            let header = match input.get(at) {
                Some(b'$') => short_line(input, at + 1),
                _ => None,
            };
            let (length, body) = match header {
                Some(found) => found,
                None => match self.long_length(input)? {
                    Some(found) => found,
                    None => return Ok(Step::Incomplete),
                },
            };
            if length >= most {
                self.check_length(length)?;
                if length >= LARGE_BYTES_MIN {
                    return self.begin_large(length, body);
                }
            }
            let next = body + length + 2;
            if next > input.len() {
                // The header is read again next time, which is cheaper than keeping it.
                return Ok(Step::Incomplete);
            }
            self.ranges.push(Range {
                offset: body as u32,
                length: length as u32,
            });
            self.position = next;
            self.arguments_left -= 1;
            at = next;
        }
        self.stage = Stage::Done;
        Ok(Step::Request {
            consumed: self.position,
        })
    }

    /// The line at `position` without its marker, and the place behind its last byte; nothing while its end is not there.
    fn long_line<'a>(
        &mut self,
        input: &'a [u8],
        too_long: &'static str,
    ) -> Result<Option<(&'a [u8], usize)>, ParseError> {
        let from = self.scanned.max(self.position);
        let end = match input[from.min(input.len())..]
            .iter()
            .position(|&byte| byte == b'\r')
        {
            Some(found) => from + found,
            None if input.len() > self.position + INLINE_BYTES_MAX => {
                return Err(ParseError::new(too_long));
            }
            None => {
                self.scanned = from.max(input.len());
                return Ok(None);
            }
        };
        if end + 1 >= input.len() {
            self.scanned = end;
            return Ok(None);
        }
        Ok(Some((&input[self.position..end], end + 2)))
    }

    /// The number of arguments, whatever is unusual about it; a negative one is zero.
    #[cold]
    fn long_count(&mut self, input: &[u8]) -> Result<Option<(usize, usize)>, ParseError> {
        let Some((line, next)) =
            self.long_line(input, "Protocol error: too big mbulk count string")?
        else {
            return Ok(None);
        };
        let count = match canonical_integer(&line[1..]) {
            Some(count) if count <= ARGUMENTS_MAX as i64 => count.max(0) as usize,
            _ => return Err(ParseError::new("Protocol error: invalid multibulk length")),
        };
        if count > ARGUMENTS_UNAUTHENTICATED_MAX && !self.authenticated {
            return Err(ParseError::new(
                "Protocol error: unauthenticated multibulk length",
            ));
        }
        Ok(Some((count, next)))
    }

    /// The length of an argument, whatever is unusual about it.
    #[cold]
    fn long_length(&mut self, input: &[u8]) -> Result<Option<(usize, usize)>, ParseError> {
        let Some((line, next)) =
            self.long_line(input, "Protocol error: too big bulk count string")?
        else {
            return Ok(None);
        };
        // An empty line has its CR where the marker should be.
        let marker = input[self.position];
        if marker != b'$' {
            let shown = if marker.is_ascii() {
                char::from(marker)
            } else {
                '?'
            };
            return Err(ParseError(Cow::Owned(format!(
                "Protocol error: expected '$', got '{shown}'"
            ))));
        }
        match canonical_integer(&line[1..]) {
            Some(length) if length >= 0 => Ok(Some((length as usize, next))),
            _ => Err(ParseError::new("Protocol error: invalid bulk length")),
        }
    }

    #[cold]
    fn check_length(&self, length: usize) -> Result<(), ParseError> {
        if length > self.bulk_bytes_max {
            return Err(ParseError::new("Protocol error: invalid bulk length"));
        }
        if length > BULK_BYTES_UNAUTHENTICATED_MAX && !self.authenticated {
            return Err(ParseError::new(
                "Protocol error: unauthenticated bulk length",
            ));
        }
        Ok(())
    }

    #[cold]
    fn begin_large(&mut self, length: usize, head: usize) -> Result<Step, ParseError> {
        let Ok(buffer) = LargeBuffer::zeroed(length) else {
            return Err(ParseError(Cow::Owned(format!(
                "Protocol error: no memory for an argument of {length} bytes"
            ))));
        };
        self.filling = Some(Filling {
            buffer,
            len: length,
            filled: 0,
        });
        self.position = head;
        self.scanned = head;
        self.stage = Stage::AfterLarge;
        Ok(Step::Large { head })
    }

    #[cold]
    fn inline(&mut self, input: &[u8]) -> Result<Step, ParseError> {
        let too_big = ParseError::new("Protocol error: too big inline request");
        let from = self.scanned.min(input.len());
        let Some(end) = input[from..]
            .iter()
            .position(|&byte| byte == b'\n')
            .map(|found| from + found)
        else {
            if input.len() > INLINE_BYTES_MAX {
                return Err(too_big);
            }
            self.scanned = input.len();
            return Ok(Step::Incomplete);
        };
        let line = &input[..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // redis-server takes a longer line when all of it happens to arrive in one piece; here the limit always holds.
        if line.len() > INLINE_BYTES_MAX {
            return Err(too_big);
        }
        match inline::split(line, &mut self.ranges, &mut self.scratch) {
            Split::InLine => {}
            Split::InScratch => self.in_scratch = true,
            Split::Unbalanced => {
                return Err(ParseError::new(
                    "Protocol error: unbalanced quotes in request",
                ));
            }
        }
        self.stage = Stage::Done;
        self.position = end + 1;
        Ok(Step::Request { consumed: end + 1 })
    }

    /// Whether [`Parser::fill_large`] wants bytes.
    #[inline]
    pub fn wants_large(&self) -> bool {
        self.filling.is_some()
    }

    /// Copies bytes into the large argument under way; returns how many it took.
    pub fn fill_large(&mut self, input: &[u8]) -> usize {
        let Some(filling) = &mut self.filling else {
            return 0;
        };
        let count = input.len().min(filling.len - filling.filled);
        filling.buffer.as_mut_slice()[filling.filled..filling.filled + count]
            .copy_from_slice(&input[..count]);
        filling.filled += count;
        if filling.filled == filling.len
            && let Some(filling) = self.filling.take()
        {
            self.ranges.push(Range {
                offset: IN_LARGE,
                length: self.large.len() as u32,
            });
            self.large.push(Some(filling.buffer));
            self.large_bytes += filling.len;
        }
        count
    }

    /// The arguments of the request just parsed, `input` being what `parse` was given.
    #[inline]
    pub fn args<'a>(&'a mut self, input: &'a [u8]) -> Args<'a> {
        let buffer = if self.in_scratch {
            &self.scratch
        } else {
            input
        };
        Args {
            buffer,
            ranges: &self.ranges,
            large: &mut self.large,
        }
    }

    /// The ranges of the request just parsed: places in [`Args::buffer`].
    #[inline]
    pub fn ranges(&self) -> &[Range] {
        &self.ranges
    }

    /// Drops the request's arguments and makes ready for the next one.
    #[inline]
    pub fn next_request(&mut self) {
        self.ranges.clear();
        self.arguments_left = 0;
        self.position = 0;
        self.scanned = 0;
        self.stage = Stage::Start;
        if self.in_scratch
            || !self.large.is_empty()
            || self.filling.is_some()
            || self.ranges.capacity() > RANGES_KEPT_MAX
        {
            self.release();
        }
    }

    #[cold]
    fn release(&mut self) {
        self.in_scratch = false;
        self.scratch.clear();
        self.scratch.shrink_to(SCRATCH_BYTES_KEPT_MAX);
        self.ranges.shrink_to(RANGES_KEPT_MAX);
        self.large = Vec::new();
        self.large_bytes = 0;
        self.filling = None;
    }

    /// Bytes of memory the parser holds (large arguments included, the one under way as far as it is filled).
    pub fn bytes_held(&self) -> usize {
        self.ranges.capacity() * size_of::<Range>()
            + self.scratch.capacity()
            + self.large.capacity() * size_of::<Option<LargeBuffer>>()
            + self.large_bytes
            + self.filling.as_ref().map_or(0, |filling| filling.filled)
    }
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[path = "parser_tests.rs"]
mod tests;
