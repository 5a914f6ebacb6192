//! The request parser of memcached's text protocol, the meta commands included: resumable, without rescanning what it has seen.
//!
//! The contract is that of [`crate::protocol::resp::Parser`]: the caller gives the bytes from the first byte of the current request on, again with more
//! behind them after [`Step::Incomplete`]; after [`Step::Large`] it keeps the head and passes what follows to [`Parser::fill_large`].
//! A request's arguments are the words of its line, and for a storage command the data block, without its CRLF, as the last one.
//! Never: memory for what a client merely announces, nor for data that will be refused: that is dropped by way of [`Step::Large`] too.
//! The decision worth knowing: one pass over a line finds its words and its end, eight bytes at a time. A key in base64 is decoded here, into `scratch`
//! with the other arguments, because requests are routed by their key's bytes.

use super::super::args::{Args, IN_LARGE, Range};
use super::super::resp::{ParseError, Step};
use super::number::{signed32, signed64, unsigned32, unsigned64};
use super::{Invalid, Verb, base64};
use crate::large::LargeBuffer;
use crate::limits::{
    LARGE_BYTES_MIN, MEMCACHE_AUTHENTICATION_BYTES_MAX, MEMCACHE_FETCH_LINE_BYTES_MAX,
    MEMCACHE_KEY_BYTES_MAX, MEMCACHE_LINE_BYTES_MAX, STRING_BYTES_MAX,
};
use std::borrow::Cow;

/// Ranges and scratch bytes a parser keeps for its next request; what an unusual request needed beyond goes back at once.
const RANGES_KEPT_MAX: usize = 256;
const SCRATCH_BYTES_KEPT_MAX: usize = 1024;
/// The most words of a meta command with its flags, as in memcached.
const META_WORDS_MAX: usize = 19;
/// What memcached adds to key and data when it compares an item with its limit: the head with a token, the key's NUL and the data's CRLF.
pub const ITEM_BYTES_BESIDE: usize = 48 + 8 + 1 + 2;
/// The bytes of client flags that are not zero.
pub const CLIENT_FLAGS_BYTES: usize = 4;
/// The longest data block that memcached reads the length of.
const DATA_BYTES_MAX: i64 = i32::MAX as i64 - 2;

/// Where in a request the parser stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// In its line.
    Line,
    /// In its data block, which lies in the input.
    Data,
    /// Behind data that went the large way, at its CRLF.
    AfterLarge,
    /// At the end; `next_request` has to be called.
    Done,
}

/// A large data block being received, or any that is dropped.
#[derive(Debug)]
struct Filling {
    /// None: the bytes are dropped.
    buffer: Option<LargeBuffer>,
    len: usize,
    filled: usize,
}

/// The state of one connection's parser.
#[derive(Debug)]
pub struct Parser {
    /// The words so far, at the end with the data.
    ranges: Vec<Range>,
    /// Where the word under way begins.
    word: usize,
    /// The line has neither blank nor end between `word` and here.
    scanned: usize,
    /// The first byte behind the line, in the end behind the request.
    position: usize,
    /// Bytes of the data block.
    data_bytes: usize,
    stage: Stage,
    verb: Verb,
    /// The key is base64.
    encoded_key: bool,
    /// The ranges point into `scratch`, not into the input.
    in_scratch: bool,
    authenticated: bool,
    item_bytes_max: usize,
    /// The arguments of a request with a key in base64, one behind the other.
    scratch: Vec<u8>,
    /// The data block if it was large.
    large: Vec<Option<LargeBuffer>>,
    large_bytes: usize,
    filling: Option<Filling>,
}

/// The high bit of every byte of `word` that is zero.
#[inline(always)]
fn zero_bytes(word: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    !(((word & LOW) + LOW) | word | LOW)
}

impl Parser {
    /// A parser of an authenticated client, with no limit of an item but that of a string.
    pub fn new() -> Parser {
        Parser {
            ranges: Vec::new(),
            word: 0,
            scanned: 0,
            position: 0,
            data_bytes: 0,
            stage: Stage::Line,
            verb: Verb::Invalid(Invalid::Error),
            encoded_key: false,
            in_scratch: false,
            authenticated: true,
            item_bytes_max: STRING_BYTES_MAX,
            scratch: Vec::new(),
            large: Vec::new(),
            large_bytes: 0,
            filling: None,
        }
    }

    /// Limits that can change: the size of an item as memcached counts it (key, data and about 60 bytes), and whether the client has authenticated.
    pub fn set_limits(&mut self, item_bytes_max: usize, authenticated: bool) {
        self.item_bytes_max = item_bytes_max;
        self.authenticated = authenticated;
    }

    /// The command of the request that [`Parser::parse`] completed.
    #[inline]
    pub fn verb(&self) -> Verb {
        self.verb
    }

    /// Goes on with the current request. Until [`Parser::next_request`] is called, a whole request is given again and again.
    /// An error's text is a whole line without its end, after which the connection is closed.
    #[inline]
    pub fn parse(&mut self, input: &[u8]) -> Result<Step, ParseError> {
        match self.stage {
            Stage::Line => self.line(input),
            Stage::Data => Ok(self.data(input)),
            Stage::AfterLarge => Ok(self.after_large(input)),
            Stage::Done => Ok(Step::Request {
                consumed: self.position,
            }),
        }
    }

    /// Looks for the words and the end of the line, from where the last call stopped.
    #[inline]
    fn line(&mut self, input: &[u8]) -> Result<Step, ParseError> {
        const BLANKS: u64 = u64::from_ne_bytes([b' '; 8]);
        const LINE_ENDS: u64 = u64::from_ne_bytes([b'\n'; 8]);
        let mut at = self.scanned;
        let mut word = self.word;
        while let Some(chunk) = input.get(at..).and_then(<[u8]>::first_chunk::<8>) {
            let bytes = u64::from_le_bytes(*chunk);
            let line_ends = zero_bytes(bytes ^ LINE_ENDS);
            let mut found = zero_bytes(bytes ^ BLANKS) | line_ends;
            while found != 0 {
                let bit = found & found.wrapping_neg();
                let index = at + (found.trailing_zeros() / 8) as usize;
                if line_ends & bit != 0 {
                    return self.end_of_line(input, word, index);
                }
                self.end_of_word(word, index);
                word = index + 1;
                found ^= bit;
            }
            at += 8;
        }
        for index in at..input.len() {
            match input[index] {
                b'\n' => return self.end_of_line(input, word, index),
                b' ' => {
                    self.end_of_word(word, index);
                    word = index + 1;
                }
                _ => {}
            }
        }
        self.word = word;
        self.scanned = input.len().max(at);
        if input.len() > MEMCACHE_LINE_BYTES_MAX {
            self.check_line(input, input.len())?;
        }
        Ok(Step::Incomplete)
    }

    #[inline(always)]
    fn end_of_word(&mut self, word: usize, end: usize) {
        if end > word {
            self.ranges.push(Range {
                offset: word as u32,
                length: (end - word) as u32,
            });
        }
    }

    #[inline(always)]
    fn end_of_line(
        &mut self,
        input: &[u8],
        word: usize,
        line_end: usize,
    ) -> Result<Step, ParseError> {
        if line_end > MEMCACHE_LINE_BYTES_MAX {
            self.check_line(input, line_end)?;
        }
        let carriage_return = line_end > word && input[line_end - 1] == b'\r';
        self.end_of_word(word, line_end - usize::from(carriage_return));
        self.position = line_end + 1;
        if self.ranges.is_empty() {
            // An empty line is answered, and what has no arguments would be skipped.
            self.ranges.push(Range {
                offset: 0,
                length: 0,
            });
        }
        self.dispatch(input)
    }

    /// Refuses a line of more than `bytes` bytes unless it fetches keys.
    #[cold]
    fn check_line(&self, input: &[u8], bytes: usize) -> Result<(), ParseError> {
        let name = self.ranges.first().map_or(&[][..], |range| {
            &input[range.offset as usize..(range.offset + range.length) as usize]
        });
        let fetches = matches!(name, b"get" | b"gets" | b"gat" | b"gats" | b"mg" | b"bget");
        if fetches && self.authenticated && bytes <= MEMCACHE_FETCH_LINE_BYTES_MAX {
            return Ok(());
        }
        Err(ParseError(Cow::Borrowed("CLIENT_ERROR line too long")))
    }

    #[inline(always)]
    fn word<'a>(&self, input: &'a [u8], index: usize) -> &'a [u8] {
        let range = self.ranges[index];
        &input[range.offset as usize..(range.offset + range.length) as usize]
    }

    /// Decides what the line asks for.
    #[inline]
    fn dispatch(&mut self, input: &[u8]) -> Result<Step, ParseError> {
        if !self.authenticated {
            return self.authenticate(input);
        }
        // The commonest first; comparing names with all others would cost as much as finding the words.
        match self.word(input, 0) {
            b"get" => Ok(self.fetch(Verb::Get)),
            b"set" => Ok(self.storage(input, Verb::Set, 5)),
            b"mg" => Ok(self.meta(input, Verb::MetaGet)),
            _ => self.dispatch_others(input),
        }
    }

    fn dispatch_others(&mut self, input: &[u8]) -> Result<Step, ParseError> {
        let words = self.ranges.len();
        match self.word(input, 0) {
            b"bget" => Ok(self.fetch(Verb::Get)),
            b"gets" => Ok(self.fetch(Verb::Gets)),
            b"ms" => Ok(self.meta_set(input)),
            b"incr" => Ok(self.single_key(input, Verb::Incr, 3, 4)),
            b"decr" => Ok(self.single_key(input, Verb::Decr, 3, 4)),
            b"delete" => Ok(self.delete(input)),
            b"touch" => Ok(self.single_key(input, Verb::Touch, 3, 4)),
            b"gat" => Ok(self.fetch_and_touch(input, Verb::Gat)),
            b"gats" => Ok(self.fetch_and_touch(input, Verb::Gats)),
            b"add" => Ok(self.storage(input, Verb::Add, 5)),
            b"replace" => Ok(self.storage(input, Verb::Replace, 5)),
            b"append" => Ok(self.storage(input, Verb::Append, 5)),
            b"prepend" => Ok(self.storage(input, Verb::Prepend, 5)),
            b"cas" => Ok(self.storage(input, Verb::Cas, 6)),
            b"md" => Ok(self.meta(input, Verb::MetaDelete)),
            b"ma" => Ok(self.meta(input, Verb::MetaArithmetic)),
            b"me" => Ok(self.meta(input, Verb::MetaDebug)),
            b"mn" => Ok(self.done(Verb::MetaNoop)),
            b"version" => Ok(self.done(Verb::Version)),
            b"stats" => Ok(self.done(Verb::Stats)),
            b"quit" => Ok(self.done(Verb::Quit)),
            b"shutdown" => Ok(self.done(Verb::Shutdown)),
            b"watch" => Ok(self.done(Verb::Watch)),
            b"slabs" => Ok(self.done(Verb::Slabs)),
            b"lru_crawler" => Ok(self.done(Verb::LruCrawler)),
            b"refresh_certs" => Ok(self.done(Verb::RefreshCerts)),
            b"flush_all" if words <= 3 => Ok(self.done(Verb::FlushAll)),
            b"verbosity" if words == 2 || words == 3 => Ok(self.done(Verb::Verbosity)),
            b"cache_memlimit" if words == 2 || words == 3 => Ok(self.done(Verb::CacheMemlimit)),
            b"lru" if words >= 2 => Ok(self.done(Verb::Lru)),
            _ => Ok(self.refuse(Invalid::Error)),
        }
    }

    #[inline(always)]
    fn done(&mut self, verb: Verb) -> Step {
        self.verb = verb;
        self.stage = Stage::Done;
        Step::Request {
            consumed: self.position,
        }
    }

    #[cold]
    fn refuse(&mut self, invalid: Invalid) -> Step {
        self.done(Verb::Invalid(invalid))
    }

    /// Whether the last word asks for silence. Like memcached it is looked at wherever it stands.
    fn is_noreply(&self, input: &[u8]) -> bool {
        self.ranges.len() > 1 && self.word(input, self.ranges.len() - 1) == b"noreply"
    }

    /// [`Parser::refuse`] of a command that knows `noreply`.
    #[cold]
    fn refuse_unless_silent(&mut self, input: &[u8], invalid: Invalid) -> Step {
        let silent = self.is_noreply(input);
        self.refuse(if silent { Invalid::Silent } else { invalid })
    }

    #[inline]
    fn fetch(&mut self, verb: Verb) -> Step {
        if self.ranges.len() < 2 {
            return self.refuse(Invalid::Error);
        }
        let long = |range: &Range| range.length as usize > MEMCACHE_KEY_BYTES_MAX;
        if self.ranges[1..].iter().any(long) {
            return self.refuse(Invalid::BadFormat);
        }
        self.done(verb)
    }

    fn fetch_and_touch(&mut self, input: &[u8], verb: Verb) -> Step {
        if self.ranges.len() < 2 {
            return self.refuse(Invalid::Error);
        }
        if signed32(self.word(input, 1)).is_none() {
            return self.refuse(Invalid::Exptime);
        }
        let long = |range: &Range| range.length as usize > MEMCACHE_KEY_BYTES_MAX;
        if self.ranges[2..].iter().any(long) {
            return self.refuse(Invalid::BadFormat);
        }
        if self.ranges.len() == 2 {
            return self.refuse(Invalid::NoKeys);
        }
        self.done(verb)
    }

    /// A command with one key and no data.
    fn single_key(&mut self, input: &[u8], verb: Verb, words_min: usize, words_max: usize) -> Step {
        if self.ranges.len() < words_min || self.ranges.len() > words_max {
            return self.refuse(Invalid::Error);
        }
        if self.is_long(1) {
            return self.refuse_unless_silent(input, Invalid::BadFormat);
        }
        self.done(verb)
    }

    fn is_long(&self, index: usize) -> bool {
        self.ranges[index].length as usize > MEMCACHE_KEY_BYTES_MAX
    }

    fn delete(&mut self, input: &[u8]) -> Step {
        let words = self.ranges.len();
        if words == 3 || words == 4 {
            let zero = self.word(input, 2) == b"0";
            let noreply = self.is_noreply(input);
            let valid = if words == 3 {
                zero || noreply
            } else {
                zero && noreply
            };
            if !valid {
                return self.refuse_unless_silent(input, Invalid::DeleteUsage);
            }
        }
        self.single_key(input, Verb::Delete, 2, 4)
    }

    /// A classic storage command; without `noreply` it has `words` words.
    #[inline]
    fn storage(&mut self, input: &[u8], verb: Verb, words: usize) -> Step {
        if self.ranges.len() != words && self.ranges.len() != words + 1 {
            return self.refuse(Invalid::Error);
        }
        let (Some(flags), Some(_), Some(data_bytes)) = (
            unsigned32(self.word(input, 2)),
            signed32(self.word(input, 3)),
            signed64(self.word(input, 4)),
        ) else {
            return self.refuse_unless_silent(input, Invalid::BadFormat);
        };
        let token = verb != Verb::Cas || unsigned64(self.word(input, 5)).is_some();
        if self.is_long(1) || !token || !(0..=DATA_BYTES_MAX).contains(&data_bytes) {
            return self.refuse_unless_silent(input, Invalid::BadFormat);
        }
        self.verb = verb;
        self.data_bytes = data_bytes as usize;
        let flags_bytes = if flags == 0 { 0 } else { CLIENT_FLAGS_BYTES };
        if self.ranges[1].length as usize + self.data_bytes + ITEM_BYTES_BESIDE + flags_bytes
            > self.item_bytes_max
        {
            return self.drop_data(if verb == Verb::Set {
                Invalid::TooLargeRemove
            } else {
                Invalid::TooLarge
            });
        }
        self.data(input)
    }

    fn meta(&mut self, input: &[u8], verb: Verb) -> Step {
        let words = self.ranges.len();
        let debug = verb == Verb::MetaDebug;
        if words < 2 {
            return self.refuse(if debug {
                Invalid::BadFormat
            } else {
                Invalid::Error
            });
        }
        if self.is_long(1) {
            return self.refuse(Invalid::BadFormat);
        }
        if words > META_WORDS_MAX && !debug {
            return self.refuse(if verb == Verb::MetaGet {
                Invalid::FlagsAreTooLong
            } else {
                Invalid::FlagsTooLong
            });
        }
        self.encoded_key = if debug {
            words > 2 && self.word(input, 2) == b"b"
        } else {
            self.has_flag_b(input, 2)
        };
        self.verb = verb;
        self.finish(input)
    }

    #[inline]
    fn has_flag_b(&self, input: &[u8], start: usize) -> bool {
        (start..self.ranges.len()).any(|index| self.word(input, index)[0] == b'b')
    }

    fn meta_set(&mut self, input: &[u8]) -> Step {
        let words = self.ranges.len();
        if words < 2 {
            return self.refuse(Invalid::Error);
        }
        if words == 2 || self.is_long(1) {
            return self.refuse(Invalid::BadFormat);
        }
        if words > META_WORDS_MAX {
            return self.refuse(Invalid::FlagsTooLong);
        }
        let data_bytes = match signed64(self.word(input, 2)) {
            Some(data_bytes) if (0..=DATA_BYTES_MAX).contains(&data_bytes) => data_bytes as usize,
            _ => return self.refuse(Invalid::BadFormat),
        };
        self.verb = Verb::MetaSet;
        self.data_bytes = data_bytes;
        self.encoded_key = self.has_flag_b(input, 3);
        if self.ranges[1].length as usize + data_bytes + ITEM_BYTES_BESIDE > self.item_bytes_max {
            return self.drop_data(Invalid::TooLargeRemove);
        }
        self.data(input)
    }

    /// Before authentication: only `set` is looked at, for a user name and a password as its data.
    #[cold]
    fn authenticate(&mut self, input: &[u8]) -> Result<Step, ParseError> {
        if self.ranges.len() < 5 || self.word(input, 0) != b"set" {
            return Ok(self.refuse(Invalid::Unauthenticated));
        }
        let Some(data_bytes) = unsigned32(self.word(input, 4)) else {
            return Ok(self.refuse(Invalid::Unauthenticated));
        };
        if data_bytes as usize > MEMCACHE_AUTHENTICATION_BYTES_MAX {
            return Err(ParseError(Cow::Borrowed(
                Invalid::Unauthenticated.line().trim_end(),
            )));
        }
        self.verb = Verb::Authenticate;
        self.data_bytes = data_bytes as usize;
        Ok(self.data(input))
    }

    /// The data block.
    #[inline]
    fn data(&mut self, input: &[u8]) -> Step {
        if self.data_bytes >= LARGE_BYTES_MIN {
            return self.begin_large();
        }
        let end = self.position + self.data_bytes;
        let Some(behind) = input.get(end..end + 2) else {
            self.stage = Stage::Data;
            return Step::Incomplete;
        };
        if behind == b"\r\n" {
            self.ranges.push(Range {
                offset: self.position as u32,
                length: self.data_bytes as u32,
            });
        } else {
            self.spoil(input);
        }
        self.position = end + 2;
        self.finish(input)
    }

    /// Notes that no CRLF follows the data.
    #[cold]
    fn spoil(&mut self, input: &[u8]) {
        let silent = self.verb != Verb::MetaSet && self.is_noreply(input);
        self.encoded_key = false;
        self.verb = Verb::Invalid(match self.verb {
            Verb::Authenticate => Invalid::BadTermination,
            _ if silent => Invalid::Silent,
            _ => Invalid::BadChunk,
        });
    }

    #[cold]
    fn begin_large(&mut self) -> Step {
        match LargeBuffer::zeroed(self.data_bytes) {
            Ok(buffer) => self.fill(Some(buffer)),
            Err(_) => self.drop_data(Invalid::OutOfMemory),
        }
    }

    /// Drops the data block, and answers then.
    #[cold]
    fn drop_data(&mut self, invalid: Invalid) -> Step {
        self.verb = Verb::Invalid(invalid);
        self.fill(None)
    }

    fn fill(&mut self, buffer: Option<LargeBuffer>) -> Step {
        self.stage = Stage::AfterLarge;
        self.filling = (self.data_bytes > 0).then_some(Filling {
            buffer,
            len: self.data_bytes,
            filled: 0,
        });
        Step::Large {
            head: self.position,
        }
    }

    #[cold]
    fn after_large(&mut self, input: &[u8]) -> Step {
        assert!(self.filling.is_none(), "the parser was called out of turn");
        let Some(behind) = input.get(self.position..self.position + 2) else {
            return Step::Incomplete;
        };
        let stored = !self.large.is_empty();
        if stored && behind == b"\r\n" {
            self.ranges.push(Range {
                offset: IN_LARGE,
                length: 0,
            });
        } else if stored {
            self.large.clear();
            self.large_bytes = 0;
            self.spoil(input);
        }
        self.position += 2;
        self.finish(input)
    }

    /// The request is whole.
    #[inline(always)]
    fn finish(&mut self, input: &[u8]) -> Step {
        if self.encoded_key {
            self.decode_key(input);
        }
        self.done(self.verb)
    }

    /// Puts the arguments into `scratch`, the key decoded.
    #[cold]
    fn decode_key(&mut self, input: &[u8]) {
        self.scratch.clear();
        if base64::decode(self.word(input, 1), &mut self.scratch).is_none() {
            self.verb = Verb::Invalid(match self.verb {
                Verb::MetaGet | Verb::MetaSet => Invalid::BadKey,
                Verb::MetaDebug => Invalid::BadFormat,
                Verb::Invalid(Invalid::TooLargeRemove) => Invalid::BadKey,
                Verb::Invalid(invalid) => invalid,
                _ => Invalid::BadFlag,
            });
            self.scratch.clear();
            return;
        }
        self.ranges[1] = Range {
            offset: 0,
            length: self.scratch.len() as u32,
        };
        for (index, range) in self.ranges.iter_mut().enumerate() {
            if index == 1 || range.offset == IN_LARGE {
                continue;
            }
            let bytes = &input[range.offset as usize..(range.offset + range.length) as usize];
            range.offset = self.scratch.len() as u32;
            self.scratch.extend_from_slice(bytes);
        }
        self.in_scratch = true;
    }

    /// Whether [`Parser::fill_large`] wants bytes.
    #[inline]
    pub fn wants_large(&self) -> bool {
        self.filling.is_some()
    }

    /// Copies bytes into the large data block under way, or drops them; returns how many it took.
    pub fn fill_large(&mut self, input: &[u8]) -> usize {
        let Some(filling) = &mut self.filling else {
            return 0;
        };
        let count = input.len().min(filling.len - filling.filled);
        if let Some(buffer) = &mut filling.buffer {
            buffer.as_mut_slice()[filling.filled..filling.filled + count]
                .copy_from_slice(&input[..count]);
        }
        filling.filled += count;
        if filling.filled == filling.len
            && let Some(filling) = self.filling.take()
            && filling.buffer.is_some()
        {
            self.large.push(filling.buffer);
            self.large_bytes = filling.len;
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
        self.word = 0;
        self.scanned = 0;
        self.position = 0;
        self.stage = Stage::Line;
        self.encoded_key = false;
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

    /// Bytes of memory the parser holds (a large data block included, one under way as far as it is filled).
    pub fn bytes_held(&self) -> usize {
        let filled = self.filling.as_ref().map_or(0, |filling| {
            usize::from(filling.buffer.is_some()) * filling.filled
        });
        self.ranges.capacity() * size_of::<Range>()
            + self.scratch.capacity()
            + self.large.capacity() * size_of::<Option<LargeBuffer>>()
            + self.large_bytes
            + filled
    }
}

impl Default for Parser {
    fn default() -> Self {
        Self::new()
    }
}
