//! The elements that RDB payloads are made of, written.

use super::crc64::crc64;
use super::lzf;
use crate::engine::value::stream::listpack::canonical_integer;

/// Strings up to this length are not compressed.
const UNCOMPRESSED_BYTES_MAX: usize = 20;
/// Longer strings are never integers of 32 bits.
const INTEGER_BYTES_MAX: usize = 11;

/// A payload in the making.
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// A payload of this type of value.
    pub fn new(kind: u8) -> Writer {
        Writer { bytes: vec![kind] }
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// A number in the form of lengths.
    pub fn number(&mut self, value: u64) {
        match value {
            0..0x40 => self.bytes.push(value as u8),
            0x40..0x4000 => self.bytes(&[0x40 | (value >> 8) as u8, value as u8]),
            _ => match u32::try_from(value) {
                Ok(value) => {
                    self.bytes.push(0x80);
                    self.bytes(&value.to_be_bytes());
                }
                Err(_) => {
                    self.bytes.push(0x81);
                    self.bytes(&value.to_be_bytes());
                }
            },
        }
    }

    /// A string, as an integer or compressed where that is shorter.
    pub fn string(&mut self, text: &[u8]) {
        if text.len() <= INTEGER_BYTES_MAX
            && let Some(value) = canonical_integer(text)
            && self.integer(value)
        {
            return;
        }
        if text.len() > UNCOMPRESSED_BYTES_MAX
            && let Some(compressed) = lzf::compress(text)
        {
            self.bytes.push(0xc3);
            self.number(compressed.len() as u64);
            self.number(text.len() as u64);
            self.bytes(&compressed);
            return;
        }
        self.number(text.len() as u64);
        self.bytes(text);
    }

    fn integer(&mut self, value: i64) -> bool {
        if let Ok(value) = i8::try_from(value) {
            self.bytes(&[0xc0, value as u8]);
        } else if let Ok(value) = i16::try_from(value) {
            self.bytes.push(0xc1);
            self.bytes(&value.to_le_bytes());
        } else if let Ok(value) = i32::try_from(value) {
            self.bytes.push(0xc2);
            self.bytes(&value.to_le_bytes());
        } else {
            return false;
        }
        true
    }

    /// The whole payload: with its version and checksum behind it.
    pub fn finish(mut self, version: u16) -> Vec<u8> {
        self.bytes(&version.to_le_bytes());
        let checksum = crc64(&self.bytes);
        self.bytes(&checksum.to_le_bytes());
        self.bytes
    }
}
