//! Payloads and the elements that they are made of, written. Who makes one need not be who compresses its strings, which takes a hundred times as long as copying them: a [`Payload`]
//! has them as they are, and knows where.

use crate::codec::crc64::crc64;
use crate::codec::element;

/// A string in a payload: where its form begins, and its text, to where it reaches.
#[derive(Debug, Clone, Copy)]
struct Long {
    at: usize,
    text_at: usize,
    end: usize,
}

/// A value as in an RDB file: its kind, then its body.
#[derive(Debug, Clone, Default)]
pub struct Payload {
    /// With all strings as they are.
    plain: Vec<u8>,
    /// Strings that may be compressed, in order.
    long: Vec<Long>,
    version: u16,
}

impl Payload {
    /// One that has been written to its end: nothing in it is to be compressed.
    pub fn of(bytes: Vec<u8>) -> Payload {
        Payload {
            plain: bytes,
            long: Vec::new(),
            version: 0,
        }
    }

    /// With no string compressed.
    pub fn plain(&self) -> &[u8] {
        &self.plain
    }

    /// Whether there is something in it that may be compressed.
    pub fn may_compress(&self) -> bool {
        !self.long.is_empty()
    }

    /// See [`Payload::plain`].
    pub fn into_plain(self) -> Vec<u8> {
        self.plain
    }

    /// With its strings compressed where that is shorter, unless the setting says otherwise.
    pub fn compressed(self) -> Vec<u8> {
        if self.long.is_empty() {
            return self.plain;
        }
        let mut out = Vec::with_capacity(self.plain.len());
        let mut copied = 0;
        for Long { at, text_at, end } in self.long {
            out.extend_from_slice(&self.plain[copied..at]);
            element::write_string(&mut out, &self.plain[text_at..end]);
            copied = end;
        }
        out.extend_from_slice(&self.plain[copied..]);
        out
    }

    /// As DUMP replies it: compressed, with its version and checksum behind it.
    pub fn finish(self) -> Vec<u8> {
        let version = self.version;
        let mut bytes = self.compressed();
        bytes.extend_from_slice(&version.to_le_bytes());
        let checksum = crc64(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }
}

/// A payload in the making.
pub struct Writer {
    payload: Payload,
}

impl Writer {
    /// A payload of this type of value.
    pub fn new(kind: u8) -> Writer {
        Writer {
            payload: Payload::of(vec![kind]),
        }
    }

    /// Bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.payload.plain.extend_from_slice(bytes);
    }

    /// A number in the form of lengths.
    pub fn number(&mut self, value: u64) {
        element::write_number(&mut self.payload.plain, value);
    }

    /// A string, as an integer where it is one.
    pub fn string(&mut self, text: &[u8]) {
        let plain = &mut self.payload.plain;
        let at = plain.len();
        element::write_plain_string(plain, text);
        if element::may_compress(text.len()) {
            let end = plain.len();
            self.payload.long.push(Long {
                at,
                text_at: end - text.len(),
                end,
            });
        }
    }

    /// The whole payload, of this version.
    pub fn end(mut self, version: u16) -> Payload {
        self.payload.version = version;
        self.payload
    }

    /// The whole payload as DUMP replies it.
    #[cfg(test)]
    pub fn finish(self, version: u16) -> Vec<u8> {
        self.end(version).finish()
    }
}
