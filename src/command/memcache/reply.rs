//! The pieces of memcached's replies: lines, numbers, values.
//!
//! The decision worth knowing: a large value is referred to at its position in the reply, as in RESP, and never copied.

use super::value::Visible;
use crate::command::string_value::StringValue;
use crate::protocol::number::{INTEGER_BYTES_MAX, unsigned_at_end};
use crate::protocol::resp::Reply;

/// The reply to a command on a key that holds no string.
pub const WRONG_TYPE: &[u8] =
    b"CLIENT_ERROR WRONGTYPE the key holds a value that is not a string\r\n";
/// The reply when a store finds no memory.
pub const NO_MEMORY_TO_STORE: &[u8] = b"SERVER_ERROR out of memory storing object\r\n";
/// The reply when a number finds no memory.
pub const NO_MEMORY: &[u8] = b"SERVER_ERROR out of memory\r\n";
/// The reply to counting with what is no number.
pub const NON_NUMERIC: &[u8] = b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n";

/// Appends a number in decimal.
#[inline]
pub fn put_number(bytes: &mut Vec<u8>, value: u64) {
    if value < 10 {
        bytes.push(b'0' + value as u8);
    } else {
        let mut digits = [0; INTEGER_BYTES_MAX];
        let start = unsigned_at_end(&mut digits, value);
        bytes.extend_from_slice(&digits[start..]);
    }
}

/// Appends a value and a line end; a large one by reference.
#[inline]
pub fn put_value(reply: &mut Reply, value: &Visible<'_>) {
    match &value.bytes {
        StringValue::Bytes(bytes) => reply.bytes.extend_from_slice(bytes),
        StringValue::Digits(digits) => reply.bytes.extend_from_slice(digits),
        StringValue::Large(large) => reply.large.push((reply.bytes.len(), (*large).clone())),
    }
    if value.blanks > 0 {
        let len = reply.bytes.len() + value.blanks;
        reply.bytes.resize(len, b' ');
    }
    reply.bytes.extend_from_slice(b"\r\n");
}
