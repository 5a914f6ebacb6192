//! The numbers and strings that payloads and files are made of. Numbers are variable-length; a string is a number and so many bytes, an integer in
//! binary, or compressed.
//!
//! ```text
//! 00nnnnnn                        n
//! 01nnnnnn nnnnnnnn               n, the high bits first
//! 10000000 and 4 bytes            n, the high bytes first
//! 10000001 and 8 bytes            n, the high bytes first
//! 11000000 and 1 byte             a string: this integer (little-endian; 11000001: 2 bytes, 11000010: 4 bytes)
//! 11000011 number number bytes    a string: compressed to so many bytes, from so many
//! ```
//!
//! Never: copies what it reads.

use super::lzf;
use std::sync::atomic::{AtomicBool, Ordering};

/// Strings up to this length are not compressed, as in Redis.
const UNCOMPRESSED_BYTES_MAX: usize = 20;
/// Longer strings are never integers of 32 bits.
const INTEGER_BYTES_MAX: usize = 11;

/// What a number can be where a string may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// A number.
    Plain(u64),
    /// Another form of a string, see [`special`].
    Special(u8),
}

/// The other forms of strings.
pub mod special {
    /// An integer of one byte.
    pub const INTEGER_8: u8 = 0;
    /// An integer of two bytes.
    pub const INTEGER_16: u8 = 1;
    /// An integer of four bytes.
    pub const INTEGER_32: u8 = 2;
    /// Compressed.
    pub const COMPRESSED: u8 = 3;
}

/// Why there is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LengthError {
    /// The bytes end before it does.
    CutShort,
    /// No number begins with such a byte.
    Unknown(u8),
}

/// The number at the start of these bytes, and how many bytes it takes.
pub fn length(bytes: &[u8]) -> Result<(Length, usize), LengthError> {
    fn array<const N: usize>(bytes: &[u8]) -> Result<[u8; N], LengthError> {
        bytes
            .get(1..)
            .and_then(<[u8]>::first_chunk)
            .copied()
            .ok_or(LengthError::CutShort)
    }
    let first = *bytes.first().ok_or(LengthError::CutShort)?;
    Ok(match first {
        0..=0x3f => (Length::Plain(u64::from(first)), 1),
        0x40..=0x7f => {
            let [second] = array(bytes)?;
            let value = u64::from(first & 0x3f) << 8 | u64::from(second);
            (Length::Plain(value), 2)
        }
        0x80 => (Length::Plain(u32::from_be_bytes(array(bytes)?).into()), 5),
        0x81 => (Length::Plain(u64::from_be_bytes(array(bytes)?)), 9),
        0xc0..=0xff => (Length::Special(first & 0x3f), 1),
        _ => return Err(LengthError::Unknown(first)),
    })
}

/// Writes a number.
pub fn write_number(out: &mut Vec<u8>, value: u64) {
    match value {
        0..0x40 => out.push(value as u8),
        0x40..0x4000 => out.extend_from_slice(&[0x40 | (value >> 8) as u8, value as u8]),
        _ => match u32::try_from(value) {
            Ok(value) => {
                out.push(0x80);
                out.extend_from_slice(&value.to_be_bytes());
            }
            Err(_) => {
                out.push(0x81);
                out.extend_from_slice(&value.to_be_bytes());
            }
        },
    }
}

/// Whether long strings are compressed (`rdbcompression`). One setting of the process: what is written with it or without is read alike, and twenty forms of
/// values would otherwise hand it on to their strings.
static COMPRESSES: AtomicBool = AtomicBool::new(true);

/// Sets whether strings are compressed from now on.
pub fn set_compression(compresses: bool) {
    COMPRESSES.store(compresses, Ordering::Relaxed);
}

/// Whether a string of this length may be compressed.
#[inline]
pub fn may_compress(len: usize) -> bool {
    len > UNCOMPRESSED_BYTES_MAX && COMPRESSES.load(Ordering::Relaxed)
}

/// Writes a string, as an integer or compressed where that is shorter.
pub fn write_string(out: &mut Vec<u8>, text: &[u8]) {
    if let Some(value) = small_integer(text) {
        return write_integer(out, value);
    }
    if may_compress(text.len())
        && let Some(compressed) = lzf::compress(text)
    {
        out.push(0xc0 | special::COMPRESSED);
        write_number(out, compressed.len() as u64);
        write_number(out, text.len() as u64);
        out.extend_from_slice(&compressed);
        return;
    }
    write_number(out, text.len() as u64);
    out.extend_from_slice(text);
}

/// Writes a string, as an integer where it is one, and never compressed.
pub fn write_plain_string(out: &mut Vec<u8>, text: &[u8]) {
    match small_integer(text) {
        Some(value) => write_integer(out, value),
        None => {
            write_number(out, text.len() as u64);
            out.extend_from_slice(text);
        }
    }
}

/// The integer of 32 bits that a string is the only decimal form of.
fn small_integer(text: &[u8]) -> Option<i32> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let canonical = match digits {
        [b'0'] => text.len() == 1,
        [first, ..] => first.is_ascii_digit() && *first != b'0',
        [] => false,
    };
    if !canonical || text.len() > INTEGER_BYTES_MAX {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn write_integer(out: &mut Vec<u8>, value: i32) {
    if let Ok(value) = i8::try_from(value) {
        out.extend_from_slice(&[0xc0 | special::INTEGER_8, value as u8]);
    } else if let Ok(value) = i16::try_from(value) {
        out.push(0xc0 | special::INTEGER_16);
        out.extend_from_slice(&value.to_le_bytes());
    } else {
        out.push(0xc0 | special::INTEGER_32);
        out.extend_from_slice(&value.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_at_the_edges_of_their_forms() {
        for (value, len) in [
            (0, 1),
            (0x3f, 1),
            (0x40, 2),
            (0x3fff, 2),
            (0x4000, 5),
            (u64::from(u32::MAX), 5),
            (u64::from(u32::MAX) + 1, 9),
            (u64::MAX, 9),
        ] {
            let mut bytes = Vec::new();
            write_number(&mut bytes, value);
            assert_eq!(bytes.len(), len, "{value}");
            assert_eq!(length(&bytes), Ok((Length::Plain(value), len)));
            for cut in 0..len {
                assert_eq!(length(&bytes[..cut]), Err(LengthError::CutShort));
            }
        }
        assert_eq!(length(b"\x82"), Err(LengthError::Unknown(0x82)));
        assert_eq!(length(b"\xc3"), Ok((Length::Special(3), 1)));
    }

    #[test]
    fn only_canonical_integers_are_integers() {
        for text in ["0", "-1", "127", "-32768", "2147483647", "-2147483648"] {
            assert_eq!(small_integer(text.as_bytes()), text.parse().ok(), "{text}");
        }
        for text in [
            "",
            "-",
            "-0",
            "00",
            "01",
            "+1",
            " 1",
            "1a",
            "2147483648",
            "99999999999",
        ] {
            assert_eq!(small_integer(text.as_bytes()), None, "{text}");
        }
    }
}
