//! Large buffers: contiguous bytes of [`crate::limits::LARGE_BYTES_MIN`] and more.
//!
//! They live in one process-wide reservation of address space, handed out by a buddy allocator: contiguous, so that every
//! command sees a plain slice; never touched beyond their length, so that the slack costs address space and no memory;
//! and freed in slices, because giving 512 MB back to the kernel in one call would stop a shard for tens of milliseconds.
//! A shared buffer ([`LargeBytes`]) can be in a shard's keyspace and in several send queues at once: nothing is copied.
//! Never: knows nothing of items, keys or sockets.

/// No address space or memory is left for a large buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LargeError;

/// A large buffer with one owner; it can be written and grown. New bytes read as zero.
#[derive(Debug)]
pub struct LargeBuffer {}

impl LargeBuffer {
    /// A zeroed buffer of `len` bytes.
    pub fn zeroed(_len: usize) -> Result<LargeBuffer, LargeError> {
        todo!()
    }
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        todo!()
    }
    /// The bytes, to be written.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        todo!()
    }
    /// Changes the length; new bytes are zero. Moves the bytes only when the reserved run is too short.
    pub fn resize(&mut self, _len: usize) -> Result<(), LargeError> {
        todo!()
    }
    /// Gives up writing in order to share.
    pub fn freeze(self) -> LargeBytes {
        todo!()
    }
}

/// A large buffer that can be shared, also between threads. The last owner's drop puts its memory in line for [`reclaim`].
#[derive(Debug, Clone)]
pub struct LargeBytes {}

impl LargeBytes {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        todo!()
    }
    /// Takes the buffer back for writing when nobody else holds it.
    pub fn into_unique(self) -> Result<LargeBuffer, LargeBytes> {
        todo!()
    }
}

/// Gives at most `bytes_max` of dropped buffers back to the kernel; returns how many bytes are still waiting.
pub fn reclaim(_bytes_max: usize) -> u64 {
    todo!()
}

/// Bytes of large buffers that count as resident: those in use and those waiting for [`reclaim`].
pub fn bytes_resident() -> u64 {
    todo!()
}
