//! Buffers whose memory begins at a multiple of a block, as direct I/O demands, and a pool that bounds how many there are.
//!
//! Never: knows what the bytes mean. A buffer asks the allocator for one block more than it needs and begins where the alignment is right, which
//! costs a block of address space and needs no `unsafe`.

use super::frame::BLOCK_BYTES;

/// Bytes at an address that is a multiple of [`BLOCK_BYTES`]; their number is one, too.
#[derive(Debug)]
pub struct AlignedBuffer {
    memory: Box<[u8]>,
    start: usize,
    len: usize,
}

impl AlignedBuffer {
    /// Zeroed bytes, `len` of them, rounded up to whole blocks.
    pub fn new(len: usize) -> AlignedBuffer {
        let len = len.max(1).next_multiple_of(BLOCK_BYTES);
        let memory = vec![0_u8; len + BLOCK_BYTES - 1].into_boxed_slice();
        let start = memory.as_ptr().align_offset(BLOCK_BYTES);
        assert!(start < BLOCK_BYTES, "bytes can be aligned");
        AlignedBuffer { memory, start, len }
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.memory[self.start..self.start + self.len]
    }

    /// All bytes, to be changed.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.memory[self.start..self.start + self.len]
    }

    /// Bytes it holds.
    pub fn capacity(&self) -> usize {
        self.len
    }
}

/// Hands out buffers of one size and takes them back for reuse.
#[derive(Debug)]
pub(super) struct Pool {
    free: Vec<AlignedBuffer>,
    buffer_bytes: usize,
    buffers_max: usize,
    taken: usize,
}

impl Pool {
    pub(super) fn new(buffer_bytes: usize, buffers_max: usize) -> Pool {
        Pool {
            free: Vec::new(),
            buffer_bytes: buffer_bytes.next_multiple_of(BLOCK_BYTES),
            buffers_max,
            taken: 0,
        }
    }

    /// A buffer with whatever bytes are in it. Never refuses: who asks has looked at [`Pool::left`].
    pub(super) fn take(&mut self) -> AlignedBuffer {
        self.taken += 1;
        self.free
            .pop()
            .unwrap_or_else(|| AlignedBuffer::new(self.buffer_bytes))
    }

    /// Takes a buffer back. What was handed out beyond the bound is given back to the allocator.
    pub(super) fn give(&mut self, buffer: AlignedBuffer) {
        self.taken -= 1;
        if self.taken + self.free.len() < self.buffers_max {
            self.free.push(buffer);
        }
    }

    /// Buffers that may still be taken within the bound.
    pub(super) fn left(&self) -> usize {
        self.buffers_max.saturating_sub(self.taken)
    }

    /// Buffers in use.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_lengths_are_whole_blocks() {
        for len in [0, 1, 4096, 4097, 256 * 1024] {
            let mut buffer = AlignedBuffer::new(len);
            assert_eq!(buffer.bytes().as_ptr().align_offset(BLOCK_BYTES), 0);
            assert!(buffer.capacity() >= len && buffer.capacity().is_multiple_of(BLOCK_BYTES));
            buffer.bytes_mut().fill(7);
            let moved = buffer;
            assert_eq!(
                moved.bytes().as_ptr().align_offset(BLOCK_BYTES),
                0,
                "moving the owner leaves the bytes where they are"
            );
        }
    }

    #[test]
    fn a_pool_keeps_no_more_than_its_bound() {
        let mut pool = Pool::new(4096, 2);
        let taken: Vec<AlignedBuffer> = (0..3).map(|_| pool.take()).collect();
        assert_eq!((pool.left(), pool.taken()), (0, 3));
        taken.into_iter().for_each(|buffer| pool.give(buffer));
        assert_eq!((pool.left(), pool.free.len()), (2, 2));
    }
}
