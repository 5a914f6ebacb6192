//! The reply writer: appends RESP2 or RESP3 to a buffer. Large values are referred to, not copied.
//!
//! Never: sends, or knows which command it serves. The decision worth knowing: a large value is noted with the position it belongs at, so that the
//! bytes around it stay one buffer and the sender gathers the pieces.

use super::super::number::{self, DOUBLE_BYTES_MAX, INTEGER_BYTES_MAX};
use crate::large::LargeBytes;

/// The version a connection chose with HELLO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// RESP2, the default.
    #[default]
    Resp2,
    /// RESP3.
    Resp3,
}

/// Replies under construction: bytes, and large values that belong between them.
#[derive(Debug, Default)]
pub struct Reply {
    /// The version to write.
    pub protocol: Protocol,
    /// What is written so far, without the large values.
    pub bytes: Vec<u8>,
    /// Large values: each belongs before the byte of `bytes` at its position; positions ascend.
    pub large: Vec<(usize, LargeBytes)>,
}

impl Reply {
    /// An empty one.
    pub fn new(protocol: Protocol) -> Reply {
        Reply {
            protocol,
            ..Reply::default()
        }
    }
    /// `+text`.
    pub fn simple(&mut self, text: &str) {
        debug_assert!(!text.contains(['\r', '\n']), "a simple string is one line");
        self.bytes.reserve(text.len() + 3);
        self.bytes.push(b'+');
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
    }
    /// `+OK`.
    #[inline]
    pub fn ok(&mut self) {
        self.bytes.extend_from_slice(b"+OK\r\n");
    }
    /// `-text`; the text begins with its code (`ERR `, `WRONGTYPE `). Line ends in it become blanks.
    pub fn error(&mut self, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        self.bytes.reserve(text.len() + 3);
        self.bytes.push(b'-');
        let start = self.bytes.len();
        self.bytes.extend_from_slice(text);
        for byte in &mut self.bytes[start..] {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
        self.bytes.extend_from_slice(b"\r\n");
    }
    /// `:n`.
    #[inline]
    pub fn integer(&mut self, value: i64) {
        if (0..10).contains(&value) {
            self.bytes
                .extend_from_slice(&[b':', b'0' + value as u8, b'\r', b'\n']);
        } else {
            self.signed_line(b':', value);
        }
    }
    /// A bulk string.
    #[inline]
    pub fn bulk(&mut self, value: &[u8]) {
        self.bytes.reserve(value.len() + INTEGER_BYTES_MAX + 5);
        self.head(b'$', value.len());
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(b"\r\n");
    }
    /// A bulk string by reference.
    pub fn bulk_large(&mut self, value: &LargeBytes) {
        self.head(b'$', value.as_slice().len());
        self.large.push((self.bytes.len(), value.clone()));
        self.bytes.extend_from_slice(b"\r\n");
    }
    /// An integer as a bulk string.
    #[inline]
    pub fn bulk_integer(&mut self, value: i64) {
        self.bulk(number::integer(&mut [0; INTEGER_BYTES_MAX], value));
    }
    /// `$-1`, in RESP3 `_`.
    #[inline]
    pub fn null(&mut self) {
        self.bytes.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"$-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }
    /// `*-1`, in RESP3 `_`.
    pub fn null_array(&mut self) {
        self.bytes.extend_from_slice(match self.protocol {
            Protocol::Resp2 => b"*-1\r\n",
            Protocol::Resp3 => b"_\r\n",
        });
    }
    /// The head of an array.
    #[inline]
    pub fn array(&mut self, len: usize) {
        self.head(b'*', len);
    }
    /// The head of a map of `len` pairs; in RESP2 an array of twice as many.
    pub fn map(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.head(b'*', len * 2),
            Protocol::Resp3 => self.head(b'%', len),
        }
    }
    /// The head of a set; in RESP2 an array.
    pub fn set(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.head(b'*', len),
            Protocol::Resp3 => self.head(b'~', len),
        }
    }
    /// The head of a push message; in RESP2 an array.
    pub fn push(&mut self, len: usize) {
        match self.protocol {
            Protocol::Resp2 => self.head(b'*', len),
            Protocol::Resp3 => self.head(b'>', len),
        }
    }
    /// A floating-point number as Redis 7.2 writes it: RESP3 `,`, RESP2 a bulk string; in either the shortest form.
    pub fn double(&mut self, value: f64) {
        let mut buffer = [0; DOUBLE_BYTES_MAX];
        let text = number::double(&mut buffer, value);
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                self.bytes.push(b',');
                self.bytes.extend_from_slice(text);
                self.bytes.extend_from_slice(b"\r\n");
            }
        }
    }
    /// RESP3 `#t`/`#f`; RESP2 `:1`/`:0`.
    pub fn boolean(&mut self, value: bool) {
        self.bytes.extend_from_slice(match (self.protocol, value) {
            (Protocol::Resp2, true) => b":1\r\n",
            (Protocol::Resp2, false) => b":0\r\n",
            (Protocol::Resp3, true) => b"#t\r\n",
            (Protocol::Resp3, false) => b"#f\r\n",
        });
    }
    /// RESP3 verbatim string with a three-letter format; RESP2 a bulk string.
    pub fn verbatim(&mut self, format: &str, text: &[u8]) {
        match self.protocol {
            Protocol::Resp2 => self.bulk(text),
            Protocol::Resp3 => {
                debug_assert_eq!(
                    format.len(),
                    3,
                    "a verbatim string's format has three letters"
                );
                self.bytes.reserve(text.len() + INTEGER_BYTES_MAX + 9);
                self.head(b'=', text.len() + 4);
                self.bytes.extend_from_slice(format.as_bytes());
                self.bytes.push(b':');
                self.bytes.extend_from_slice(text);
                self.bytes.extend_from_slice(b"\r\n");
            }
        }
    }
    /// Bytes to be sent, large values included.
    pub fn len(&self) -> usize {
        self.bytes.len()
            + self
                .large
                .iter()
                .map(|(_, value)| value.as_slice().len())
                .sum::<usize>()
    }
    /// Whether nothing is written.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }
    /// Forgets what is written and keeps the buffer.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.large.clear();
    }
    /// Appends what another one holds from byte `bytes.start` to `bytes.end` and from large value `large.start` to `large.end`:
    /// whole replies, or an element that [`super::reader::elements`] found.
    pub fn append(&mut self, other: &Reply, element: &super::reader::Element) {
        let base = self.bytes.len();
        self.bytes
            .extend_from_slice(&other.bytes[element.bytes.clone()]);
        for (position, value) in &other.large[element.large.clone()] {
            self.large
                .push((base + position - element.bytes.start, value.clone()));
        }
    }

    /// Appends whole replies: their bytes, and large values at positions among those.
    pub fn append_replies(&mut self, bytes: &[u8], large: &[(usize, LargeBytes)]) {
        let base = self.bytes.len();
        self.large.extend(
            large
                .iter()
                .map(|(position, value)| (base + position, value.clone())),
        );
        self.bytes.extend_from_slice(bytes);
    }

    /// A marker and a length, the head of everything that has one.
    #[inline]
    fn head(&mut self, marker: u8, len: usize) {
        if len < 10 {
            self.bytes
                .extend_from_slice(&[marker, b'0' + len as u8, b'\r', b'\n']);
        } else if len < 100 {
            self.bytes.extend_from_slice(&[
                marker,
                b'0' + (len / 10) as u8,
                b'0' + (len % 10) as u8,
                b'\r',
                b'\n',
            ]);
        } else if len < 1000 {
            self.bytes.extend_from_slice(&[
                marker,
                b'0' + (len / 100) as u8,
                b'0' + (len / 10 % 10) as u8,
                b'0' + (len % 10) as u8,
                b'\r',
                b'\n',
            ]);
        } else {
            self.signed_line(marker, len as i64);
        }
    }

    fn signed_line(&mut self, marker: u8, value: i64) {
        // Marker, digits and line end are put together on the stack, so that they are copied and checked for room once.
        let mut line = [0; INTEGER_BYTES_MAX + 3];
        let mut digits = [0; INTEGER_BYTES_MAX];
        let digits = number::integer(&mut digits, value);
        let end = digits.len() + 1;
        line[0] = marker;
        line[1..end].copy_from_slice(digits);
        line[end] = b'\r';
        line[end + 1] = b'\n';
        self.bytes.extend_from_slice(&line[..end + 2]);
    }
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
