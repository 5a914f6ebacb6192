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

/// Finds words in the buffer that they are parts of; `ranges` is overwritten. None when one of them ends beyond what ranges can tell, which is nearly 4 GiB.
pub fn locate<'w>(
    buffer: &[u8],
    words: impl Iterator<Item = &'w [u8]>,
    ranges: &mut Vec<Range>,
) -> Option<()> {
    ranges.clear();
    for word in words {
        let offset = (word.as_ptr() as usize).checked_sub(buffer.as_ptr() as usize);
        let offset = offset.expect("a word is a part of the buffer");
        assert!(offset + word.len() <= buffer.len());
        let end = u32::try_from(offset + word.len()).ok()?;
        ranges.push(Range {
            offset: u32::try_from(offset).ok().filter(|at| *at < IN_LARGE)?,
            length: end - offset as u32,
        });
    }
    Some(())
}

/// Words of different places as the arguments of a request: a buffer with one after the other, and where they are in it.
pub fn joined(words: &[&[u8]]) -> (Vec<u8>, Vec<Range>) {
    let buffer = words.concat();
    let mut rest = &buffer[..];
    let parts = words.iter().map(|word| {
        let part;
        (part, rest) = rest.split_at(word.len());
        part
    });
    let mut ranges = Vec::with_capacity(words.len());
    locate(&buffer, parts, &mut ranges).expect("nobody makes arguments of 4 GiB");
    (buffer, ranges)
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_found_where_they_are() {
        let (buffer, ranges) = joined(&[b"SET", b"", b"key", b"value"]);
        let args = Args {
            buffer: &buffer,
            ranges: &ranges,
            large: &mut [],
        };
        let words: Vec<&[u8]> = (0..args.len()).map(|at| args.get(at)).collect();
        assert_eq!(words, [&b"SET"[..], b"", b"key", b"value"]);
        let mut found = ranges.clone();
        let words = [&buffer[3..6], &buffer[..3]];
        locate(&buffer, words.into_iter(), &mut found).expect("a short buffer");
        assert_eq!(found, [ranges[2], ranges[0]]);
    }
}
