//! The reply writer: appends RESP2 or RESP3 to a buffer. Large values are referred to, not copied.

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
    pub fn simple(&mut self, _text: &str) {
        todo!()
    }
    /// `+OK`.
    pub fn ok(&mut self) {
        todo!()
    }
    /// `-text`; the text begins with its code (`ERR `, `WRONGTYPE `). Line ends in it become blanks.
    pub fn error(&mut self, _text: &str) {
        todo!()
    }
    /// `:n`.
    pub fn integer(&mut self, _value: i64) {
        todo!()
    }
    /// A bulk string.
    pub fn bulk(&mut self, _value: &[u8]) {
        todo!()
    }
    /// A bulk string by reference.
    pub fn bulk_large(&mut self, _value: &LargeBytes) {
        todo!()
    }
    /// An integer as a bulk string.
    pub fn bulk_integer(&mut self, _value: i64) {
        todo!()
    }
    /// `$-1`, in RESP3 `_`.
    pub fn null(&mut self) {
        todo!()
    }
    /// `*-1`, in RESP3 `_`.
    pub fn null_array(&mut self) {
        todo!()
    }
    /// The head of an array.
    pub fn array(&mut self, _len: usize) {
        todo!()
    }
    /// The head of a map of `len` pairs; in RESP2 an array of twice as many.
    pub fn map(&mut self, _len: usize) {
        todo!()
    }
    /// The head of a set; in RESP2 an array.
    pub fn set(&mut self, _len: usize) {
        todo!()
    }
    /// The head of a push message; in RESP2 an array.
    pub fn push(&mut self, _len: usize) {
        todo!()
    }
    /// A floating-point number as Redis 7.2 writes it: RESP3 `,`, RESP2 a bulk string (`%.17g`, shortest form).
    pub fn double(&mut self, _value: f64) {
        todo!()
    }
    /// RESP3 `#t`/`#f`; RESP2 `:1`/`:0`.
    pub fn boolean(&mut self, _value: bool) {
        todo!()
    }
    /// RESP3 verbatim string with a three-letter format; RESP2 a bulk string.
    pub fn verbatim(&mut self, _format: &str, _text: &[u8]) {
        todo!()
    }
}
