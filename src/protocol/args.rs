//! The arguments of one request, borrowed from the receive buffer wherever they fit.

use crate::large::LargeBuffer;
use std::ops::Index;

/// Where one argument is: in the receive buffer, or (offset [`IN_LARGE`]) the `length`-th of the request's large buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    /// First byte in the receive buffer.
    pub offset: u32,
    /// Number of bytes, or the index among the large buffers.
    pub length: u32,
}
/// The offset that says "in a large buffer".
pub const IN_LARGE: u32 = u32::MAX;

/// The arguments of one request; the command's name is argument 0.
pub struct Args<'a> {
    /// The receive buffer the ranges point into.
    pub buffer: &'a [u8],
    /// One per argument.
    pub ranges: &'a [Range],
    /// Arguments of [`crate::limits::LARGE_BYTES_MIN`] bytes and more. Taken by a command that stores one as it is.
    pub large: &'a mut [Option<LargeBuffer>],
}

impl Args<'_> {
    /// Number of arguments, the command's name included.
    pub fn len(&self) -> usize {
        self.ranges.len()
    }
    /// Whether there is none, which no parser produces.
    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
    /// Argument `index`; panics beyond the end, and for a large one that was taken.
    pub fn get(&self, index: usize) -> &[u8] {
        let range = self.ranges[index];
        if range.offset == IN_LARGE {
            return self.large[range.length as usize]
                .as_ref()
                .expect("the argument was taken")
                .as_slice();
        }
        &self.buffer[range.offset as usize..(range.offset + range.length) as usize]
    }
    /// Takes argument `index` as a large buffer if it is one; it cannot be read again.
    pub fn take_large(&mut self, index: usize) -> Option<LargeBuffer> {
        let range = self.ranges[index];
        if range.offset == IN_LARGE {
            self.large[range.length as usize].take()
        } else {
            None
        }
    }
}

impl Index<usize> for Args<'_> {
    type Output = [u8];
    fn index(&self, index: usize) -> &[u8] {
        self.get(index)
    }
}
