//! The elements that RDB payloads are made of, written.

use crate::codec::crc64::crc64;
use crate::codec::element;

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
        element::write_number(&mut self.bytes, value);
    }

    /// A string, as an integer or compressed where that is shorter.
    pub fn string(&mut self, text: &[u8]) {
        element::write_string(&mut self.bytes, text);
    }

    /// The whole payload: with its version and checksum behind it.
    pub fn finish(mut self, version: u16) -> Vec<u8> {
        self.bytes(&version.to_le_bytes());
        let checksum = crc64(&self.bytes);
        self.bytes(&checksum.to_le_bytes());
        self.bytes
    }
}
