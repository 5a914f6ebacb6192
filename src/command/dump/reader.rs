//! The elements that RDB payloads are made of, read from bytes nobody vouches for.
//! Never: allocates for what is only announced. A budget bounds what is decoded altogether, because compressed strings grow nearly
//! a hundredfold and small elements take more memory than bytes.

use super::DumpError;
use crate::codec::element::{self, Length, special};
use crate::codec::lzf;

/// What an element is charged besides its bytes: about what it takes as a value of its own.
const ELEMENT_BYTES: usize = 40;

/// See the module.
pub struct Reader<'a> {
    rest: &'a [u8],
    budget: usize,
}

impl<'a> Reader<'a> {
    /// Reads these bytes and decodes at most about `bytes_max`.
    pub fn new(rest: &'a [u8], bytes_max: usize) -> Reader<'a> {
        Reader {
            rest,
            budget: bytes_max,
        }
    }

    /// True when all was read.
    pub fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    /// Bytes not read yet. No collection has more elements.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// Takes an element of so many bytes from the budget.
    pub fn charge(&mut self, bytes: usize) -> Result<(), DumpError> {
        let left = self.budget.checked_sub(bytes.saturating_add(ELEMENT_BYTES));
        self.budget = left.ok_or(DumpError::TooLarge)?;
        Ok(())
    }

    /// The next bytes, as many as asked for.
    pub fn bytes(&mut self, len: usize) -> Result<&'a [u8], DumpError> {
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(DumpError::Format)?;
        self.rest = rest;
        Ok(bytes)
    }

    /// The same as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DumpError> {
        let (array, rest) = self.rest.split_first_chunk().ok_or(DumpError::Format)?;
        self.rest = rest;
        Ok(*array)
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, DumpError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    fn any_length(&mut self) -> Result<Length, DumpError> {
        let (length, len) = element::length(self.rest).map_err(|_| DumpError::Format)?;
        self.rest = &self.rest[len..];
        Ok(length)
    }

    /// A number in the form of lengths.
    pub fn number(&mut self) -> Result<u64, DumpError> {
        match self.any_length()? {
            Length::Plain(value) => Ok(value),
            Length::Special(_) => Err(DumpError::Format),
        }
    }

    /// The number of elements of a collection; each takes at least one byte, so more cannot follow.
    pub fn count(&mut self) -> Result<usize, DumpError> {
        let count = usize::try_from(self.number()?).map_err(|_| DumpError::Format)?;
        if count > self.left() {
            return Err(DumpError::Format);
        }
        Ok(count)
    }

    /// A string in any of its forms: plain, integer, compressed.
    pub fn string(&mut self) -> Result<Vec<u8>, DumpError> {
        let integer = |value: i32| value.to_string().into_bytes();
        let string = match self.any_length()? {
            Length::Plain(len) => {
                let len = usize::try_from(len).map_err(|_| DumpError::Format)?;
                self.bytes(len)?.to_vec()
            }
            Length::Special(special::INTEGER_8) => integer(i8::from_le_bytes(self.array()?).into()),
            Length::Special(special::INTEGER_16) => {
                integer(i16::from_le_bytes(self.array()?).into())
            }
            Length::Special(special::INTEGER_32) => integer(i32::from_le_bytes(self.array()?)),
            Length::Special(special::COMPRESSED) => {
                let compressed = self.count()?;
                let len = usize::try_from(self.number()?).map_err(|_| DumpError::Format)?;
                let compressed = self.bytes(compressed)?;
                // Before it is decompressed, so that the budget bounds that too.
                if len > self.budget {
                    return Err(DumpError::TooLarge);
                }
                lzf::decompress(compressed, len).ok_or(DumpError::Format)?
            }
            Length::Special(_) => return Err(DumpError::Format),
        };
        self.charge(string.len())?;
        Ok(string)
    }
}
