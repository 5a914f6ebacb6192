//! A reader of replies (RESP2 and RESP3): for taking apart the replies of several shards, and for tests.
//!
//! Never: trusts what it reads (lengths are checked before use, nothing is allocated for a length merely announced) or reads requests.
//! The decision worth knowing: finding where a reply ends keeps one count of elements still to come instead of a stack, so no nesting can
//! exhaust anything; only building a [`Value`] recurses, down to [`DEPTH_MAX`].

use super::reply::Reply;
use crate::large::LargeBytes;
use std::ops::Range;

/// The deepest nesting that [`read`] follows.
pub const DEPTH_MAX: usize = 32;

/// A reply in memory.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `+`
    Simple(String),
    /// `-`, without the marker.
    Error(String),
    /// `:`
    Integer(i64),
    /// `$`
    Bulk(Vec<u8>),
    /// `$-1`, `*-1` or `_`.
    Null,
    /// `,`
    Double(f64),
    /// `#`
    Boolean(bool),
    /// `(`, its digits.
    BigNumber(String),
    /// `=`: format and text.
    Verbatim(String, Vec<u8>),
    /// `*`
    Array(Vec<Value>),
    /// `%`
    Map(Vec<(Value, Value)>),
    /// `~`
    Set(Vec<Value>),
    /// `>`
    Push(Vec<Value>),
}

/// Why nothing was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadError {
    /// The reply goes on behind the end of the bytes.
    Incomplete,
    /// This is no reply, or it is nested too deeply.
    Malformed,
}

/// Where one element of an aggregate is: its bytes, and its large values among the reply's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// Places in [`Reply::bytes`].
    pub bytes: Range<usize>,
    /// Places in [`Reply::large`].
    pub large: Range<usize>,
}

/// The header of one frame.
enum Head<'a> {
    /// All of the frame: marker and text.
    Line(u8, &'a [u8]),
    /// A string of this many bytes follows.
    String(u8, usize),
    /// This many frames follow.
    Aggregate(u8, usize),
    /// A null string or array.
    Null,
}

struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Large values that stand outside `bytes`, and how many of them have been passed.
    large: &'a [(usize, LargeBytes)],
    large_at: usize,
}

impl<'a> Scanner<'a> {
    fn new(bytes: &'a [u8], large: &'a [(usize, LargeBytes)]) -> Self {
        Scanner {
            bytes,
            at: 0,
            large,
            large_at: 0,
        }
    }

    fn head(&mut self) -> Result<Head<'a>, ReadError> {
        let rest = &self.bytes[self.at..];
        let marker = *rest.first().ok_or(ReadError::Incomplete)?;
        let end = rest
            .iter()
            .position(|&byte| byte == b'\r')
            .ok_or(ReadError::Incomplete)?;
        match rest.get(end + 1) {
            Some(b'\n') => {}
            Some(_) => return Err(ReadError::Malformed),
            None => return Err(ReadError::Incomplete),
        }
        // A line that begins with its own end has no marker.
        let text = rest.get(1..end).ok_or(ReadError::Malformed)?;
        self.at += end + 2;
        let length = || -> Result<Option<usize>, ReadError> {
            let length: i64 = parse(text)?;
            match length {
                -1 => Ok(None),
                0.. => usize::try_from(length)
                    .map(Some)
                    .map_err(|_| ReadError::Malformed),
                _ => Err(ReadError::Malformed),
            }
        };
        Ok(match marker {
            b'+' | b'-' | b':' | b',' | b'#' | b'(' | b'_' => Head::Line(marker, text),
            b'$' | b'=' | b'!' => {
                length()?.map_or(Head::Null, |length| Head::String(marker, length))
            }
            b'*' | b'~' | b'>' => {
                length()?.map_or(Head::Null, |length| Head::Aggregate(marker, length))
            }
            b'%' | b'|' => {
                let pairs = length()?.ok_or(ReadError::Malformed)?;
                Head::Aggregate(marker, pairs.checked_mul(2).ok_or(ReadError::Malformed)?)
            }
            _ => return Err(ReadError::Malformed),
        })
    }

    /// The string behind a head; empty for one that is a large value.
    fn string(&mut self, length: usize) -> Result<&'a [u8], ReadError> {
        let outside = self
            .large
            .get(self.large_at)
            .is_some_and(|(position, _)| *position == self.at);
        self.large_at += usize::from(outside);
        let inside = if outside { 0 } else { length };
        let rest = &self.bytes[self.at..];
        if rest.len() < inside || rest.len() - inside < 2 {
            return Err(ReadError::Incomplete);
        }
        if &rest[inside..inside + 2] != b"\r\n" {
            return Err(ReadError::Malformed);
        }
        self.at += inside + 2;
        Ok(&rest[..inside])
    }

    /// Passes one whole reply.
    fn skip(&mut self) -> Result<(), ReadError> {
        let mut frames_left: usize = 1;
        while frames_left > 0 {
            frames_left -= 1;
            match self.head()? {
                Head::Line(..) | Head::Null => {}
                Head::String(_, length) => {
                    self.string(length)?;
                }
                Head::Aggregate(marker, count) => {
                    // An attribute stands in front of the frame it belongs to.
                    let count = count
                        .checked_add(usize::from(marker == b'|'))
                        .ok_or(ReadError::Malformed)?;
                    frames_left = frames_left.checked_add(count).ok_or(ReadError::Malformed)?;
                }
            }
        }
        Ok(())
    }

    fn value(&mut self, depth: usize) -> Result<Value, ReadError> {
        if depth == DEPTH_MAX {
            return Err(ReadError::Malformed);
        }
        match self.head()? {
            Head::Null => Ok(Value::Null),
            Head::Line(marker, text) => line_value(marker, text),
            Head::String(marker, length) => {
                let text = self.string(length)?;
                match marker {
                    b'$' => Ok(Value::Bulk(text.to_vec())),
                    b'!' => Ok(Value::Error(String::from_utf8_lossy(text).into_owned())),
                    _ => match text.split_at_checked(4) {
                        Some((format, text)) if format[3] == b':' => Ok(Value::Verbatim(
                            String::from_utf8_lossy(&format[..3]).into_owned(),
                            text.to_vec(),
                        )),
                        _ => Err(ReadError::Malformed),
                    },
                }
            }
            Head::Aggregate(marker, count) => {
                let mut values = Vec::new();
                for _ in 0..count {
                    values.push(self.value(depth + 1)?);
                }
                match marker {
                    b'*' => Ok(Value::Array(values)),
                    b'~' => Ok(Value::Set(values)),
                    b'>' => Ok(Value::Push(values)),
                    b'%' => {
                        let mut pairs = Vec::with_capacity(count / 2);
                        let mut values = values.into_iter();
                        while let (Some(key), Some(value)) = (values.next(), values.next()) {
                            pairs.push((key, value));
                        }
                        Ok(Value::Map(pairs))
                    }
                    // An attribute says something about the value behind it, which is what was asked for.
                    _ => self.value(depth + 1),
                }
            }
        }
    }
}

fn parse<T: std::str::FromStr>(text: &[u8]) -> Result<T, ReadError> {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .ok_or(ReadError::Malformed)
}

fn line_value(marker: u8, text: &[u8]) -> Result<Value, ReadError> {
    let string = || String::from_utf8_lossy(text).into_owned();
    Ok(match (marker, text) {
        (b'+', _) => Value::Simple(string()),
        (b'-', _) => Value::Error(string()),
        (b':', _) => Value::Integer(parse(text)?),
        (b',', _) => Value::Double(parse(text)?),
        (b'(', _) => Value::BigNumber(string()),
        (b'_', b"") => Value::Null,
        (b'#', b"t") => Value::Boolean(true),
        (b'#', b"f") => Value::Boolean(false),
        _ => return Err(ReadError::Malformed),
    })
}

/// The first reply in the bytes, and its length.
pub fn read(bytes: &[u8]) -> Result<(Value, usize), ReadError> {
    let mut scanner = Scanner::new(bytes, &[]);
    let value = scanner.value(0)?;
    Ok((value, scanner.at))
}

/// The length of the first reply in the bytes; none when it is incomplete or malformed.
pub fn skip_frame(bytes: &[u8]) -> Option<usize> {
    let mut scanner = Scanner::new(bytes, &[]);
    scanner.skip().ok()?;
    Some(scanner.at)
}

/// The elements of the aggregate reply (array, set, push; keys and values of a map) that `reply` holds; none when it holds something else.
pub fn elements(reply: &Reply) -> Option<Vec<Element>> {
    let mut scanner = Scanner::new(&reply.bytes, &reply.large);
    let Ok(Head::Aggregate(_, count)) = scanner.head() else {
        return None;
    };
    let mut elements = Vec::new();
    for _ in 0..count {
        let (bytes, large) = (scanner.at, scanner.large_at);
        scanner.skip().ok()?;
        elements.push(Element {
            bytes: bytes..scanner.at,
            large: large..scanner.large_at,
        });
    }
    Some(elements)
}

/// The whole replies that `reply` holds one behind the other; none when something in it is no reply.
pub fn replies(reply: &Reply) -> Option<Vec<Element>> {
    let mut scanner = Scanner::new(&reply.bytes, &reply.large);
    let mut found = Vec::new();
    while scanner.at < reply.bytes.len() {
        let (bytes, large) = (scanner.at, scanner.large_at);
        scanner.skip().ok()?;
        found.push(Element {
            bytes: bytes..scanner.at,
            large: large..scanner.large_at,
        });
    }
    Some(found)
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
