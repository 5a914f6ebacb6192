//! A place in a file, and the elements from there on: numbers, strings, plain bytes. Every error names the place and what was expected there.
//! Never: takes memory for what is only announced. A string is copied only where it is not in the file as it is.

use super::error::{RdbError, RdbErrorKind};
use crate::codec::element::{self, Length, LengthError, special};
use crate::codec::lzf;
use crate::limits;
use std::borrow::Cow;

type Read<T> = Result<T, RdbError>;

/// See the module.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    /// At the start of a file.
    pub fn new(file: &'a [u8]) -> Cursor<'a> {
        Cursor { file, at: 0 }
    }

    /// How many bytes of the file are before it.
    pub fn offset(&self) -> usize {
        self.at
    }

    /// The bytes from a place before to this one.
    pub fn since(&self, start: usize) -> &'a [u8] {
        &self.file[start..self.at]
    }

    /// An error at this place.
    pub fn error(&self, kind: RdbErrorKind, message: String) -> RdbError {
        RdbError {
            offset: self.at,
            kind,
            message,
        }
    }

    /// The next bytes, as many as asked for.
    pub fn bytes(&mut self, len: usize, expected: &str) -> Read<&'a [u8]> {
        let rest = &self.file[self.at..];
        let Some(bytes) = rest.get(..len) else {
            let message = format!(
                "expected {expected}, {len} bytes, and found the end of the file after {}",
                rest.len()
            );
            return Err(self.error(RdbErrorKind::CutShort, message));
        };
        self.at += len;
        Ok(bytes)
    }

    /// The same as an array.
    pub fn array<const N: usize>(&mut self, expected: &str) -> Read<[u8; N]> {
        let bytes = self.bytes(N, expected)?;
        Ok(bytes.try_into().expect("so many were asked for"))
    }

    /// One byte.
    pub fn byte(&mut self, expected: &str) -> Read<u8> {
        let [byte] = self.array(expected)?;
        Ok(byte)
    }

    fn length(&mut self, expected: &str) -> Read<Length> {
        match element::length(&self.file[self.at..]) {
            Ok((length, len)) => {
                self.at += len;
                Ok(length)
            }
            Err(LengthError::CutShort) => {
                let message = format!("expected {expected} and found the end of the file");
                Err(self.error(RdbErrorKind::CutShort, message))
            }
            Err(LengthError::Unknown(first)) => {
                let message =
                    format!("expected {expected} and found a byte {first} that begins none");
                Err(self.error(RdbErrorKind::Malformed, message))
            }
        }
    }

    /// A number.
    pub fn number(&mut self, expected: &str) -> Read<u64> {
        let start = self.at;
        match self.length(expected)? {
            Length::Plain(value) => Ok(value),
            Length::Special(form) => {
                self.at = start;
                let message =
                    format!("expected {expected}, a number, and found a string of form {form}");
                Err(self.error(RdbErrorKind::Malformed, message))
            }
        }
    }

    /// A number that counts bytes which follow. More than the file has are found out when they are read.
    fn byte_count(&mut self, expected: &str) -> Read<usize> {
        Ok(usize::try_from(self.number(expected)?).unwrap_or(usize::MAX))
    }

    /// Goes to the end of a string of any form.
    pub fn skip_string(&mut self, expected: &str) -> Read<()> {
        self.raw_string(expected).map(|_| ())
    }

    /// A string of any form.
    pub fn string(&mut self, expected: &str) -> Read<Cow<'a, [u8]>> {
        let start = self.at;
        match self.raw_string(expected)? {
            RawString::Plain(bytes) => Ok(Cow::Borrowed(bytes)),
            RawString::Integer(value) => Ok(Cow::Owned(value.to_string().into_bytes())),
            RawString::Compressed(compressed, len) => {
                let text = match usize::try_from(len) {
                    Ok(len) if len <= limits::STRING_BYTES_MAX => lzf::decompress(compressed, len),
                    _ => None,
                };
                text.map(Cow::Owned).ok_or_else(|| {
                    self.at = start;
                    let message = format!(
                        "expected {expected} and found compressed bytes that do not become {len}"
                    );
                    self.error(RdbErrorKind::Malformed, message)
                })
            }
        }
    }

    fn raw_string(&mut self, expected: &str) -> Read<RawString<'a>> {
        let start = self.at;
        Ok(match self.length(expected)? {
            Length::Plain(len) => {
                let len = usize::try_from(len).unwrap_or(usize::MAX);
                RawString::Plain(self.bytes(len, expected)?)
            }
            Length::Special(special::INTEGER_8) => {
                RawString::Integer(i8::from_le_bytes(self.array(expected)?).into())
            }
            Length::Special(special::INTEGER_16) => {
                RawString::Integer(i16::from_le_bytes(self.array(expected)?).into())
            }
            Length::Special(special::INTEGER_32) => {
                RawString::Integer(i32::from_le_bytes(self.array(expected)?))
            }
            Length::Special(special::COMPRESSED) => {
                let compressed = self.byte_count(expected)?;
                let len = self.number(expected)?;
                RawString::Compressed(self.bytes(compressed, expected)?, len)
            }
            Length::Special(form) => {
                self.at = start;
                let message =
                    format!("expected {expected} and found a string of unknown form {form}");
                return Err(self.error(RdbErrorKind::Malformed, message));
            }
        })
    }
}

enum RawString<'a> {
    Plain(&'a [u8]),
    Integer(i32),
    /// The bytes, and how many they should become.
    Compressed(&'a [u8], u64),
}
