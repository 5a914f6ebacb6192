//! Numbers and bytes in a stream of blocks, which somebody else keeps and verifies.
//!
//! Never does I/O itself. The decision worth knowing: a block reaches its reader only as a whole and verified, so that whoever takes a value apart never sees a
//! byte of which it is doubtful whether it was written like this. Numbers are little endian; lengths and counts take seven bits a byte, the lowest first.

use std::io;

/// Bytes of a block at most.
pub const BLOCK_BYTES_MAX: usize = 1 << 20;
/// Memory set aside at most for something whose length is only announced.
const AHEAD_BYTES_MAX: usize = 1 << 20;

/// Keeps a frozen engine: first its blocks, then the memory of its pages.
pub trait Sink {
    /// Says, before anything else, how many extents of how many bytes together will come behind the blocks.
    fn begin(&mut self, extents: usize, bytes: u64) -> io::Result<()>;
    /// The next block, of at most [`BLOCK_BYTES_MAX`].
    fn block(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// The next extent of memory.
    fn extent(&mut self, bytes: &[u8]) -> io::Result<()>;
}

/// Has the blocks of a frozen engine.
pub trait Source {
    /// Replaces what is in the buffer by the next block. An error says in words why it is not to be had, or not to be trusted.
    fn block(&mut self, buffer: &mut Vec<u8>) -> Result<(), String>;
}

/// The way into blocks.
pub struct Out<'a> {
    sink: &'a mut dyn Sink,
    buffer: Vec<u8>,
}

impl<'a> Out<'a> {
    /// With nothing written yet.
    pub fn new(sink: &'a mut dyn Sink) -> Out<'a> {
        Out {
            sink,
            buffer: Vec::with_capacity(BLOCK_BYTES_MAX),
        }
    }

    /// Bytes as they are.
    #[inline]
    pub fn bytes(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while self.buffer.len() + bytes.len() > BLOCK_BYTES_MAX {
            let (first, rest) = bytes.split_at(BLOCK_BYTES_MAX - self.buffer.len());
            self.buffer.extend_from_slice(first);
            self.flush()?;
            bytes = rest;
        }
        self.buffer.extend_from_slice(bytes);
        Ok(())
    }

    /// A length or a count.
    #[inline]
    pub fn count(&mut self, mut count: u64) -> io::Result<()> {
        while count >= 0x80 {
            self.bytes(&[count as u8 | 0x80])?;
            count >>= 7;
        }
        self.bytes(&[count as u8])
    }

    /// Bytes with their length before them.
    #[inline]
    pub fn text(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.count(bytes.len() as u64)?;
        self.bytes(bytes)
    }

    /// A number of four bytes.
    #[inline]
    pub fn u32(&mut self, number: u32) -> io::Result<()> {
        self.bytes(&number.to_le_bytes())
    }

    /// A number of eight bytes.
    #[inline]
    pub fn u64(&mut self, number: u64) -> io::Result<()> {
        self.bytes(&number.to_le_bytes())
    }

    /// A signed number of eight bytes.
    #[inline]
    pub fn i64(&mut self, number: i64) -> io::Result<()> {
        self.bytes(&number.to_le_bytes())
    }

    /// One byte that says whether there is a number, and the number.
    pub fn optional(&mut self, number: Option<i64>) -> io::Result<()> {
        self.bytes(&[u8::from(number.is_some())])?;
        number.map_or(Ok(()), |number| self.i64(number))
    }

    /// Hands the last block over.
    pub fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            self.sink.block(&self.buffer)?;
            self.buffer.clear();
        }
        Ok(())
    }
}

/// The way out of blocks.
pub struct In<'a> {
    source: &'a mut dyn Source,
    buffer: Vec<u8>,
    at: usize,
}

impl<'a> In<'a> {
    /// From the first block on.
    pub fn new(source: &'a mut dyn Source) -> In<'a> {
        In {
            source,
            buffer: Vec::new(),
            at: 0,
        }
    }

    #[cold]
    fn next_block(&mut self) -> Result<(), String> {
        self.source.block(&mut self.buffer)?;
        self.at = 0;
        match self.buffer.is_empty() {
            true => Err("it has an empty block".into()),
            false => Ok(()),
        }
    }

    /// Fills a slice.
    #[inline]
    pub fn fill(&mut self, mut bytes: &mut [u8]) -> Result<(), String> {
        loop {
            let left = &self.buffer[self.at..];
            if bytes.len() <= left.len() {
                bytes.copy_from_slice(&left[..bytes.len()]);
                self.at += bytes.len();
                return Ok(());
            }
            let (first, rest) = bytes.split_at_mut(left.len());
            first.copy_from_slice(left);
            bytes = rest;
            self.next_block()?;
        }
    }

    /// So many bytes, as they are.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// One byte.
    #[inline]
    pub fn byte(&mut self) -> Result<u8, String> {
        Ok(self.array::<1>()?[0])
    }

    /// See [`Out::count`].
    #[inline]
    pub fn count(&mut self) -> Result<u64, String> {
        let mut count = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            count |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(count);
            }
        }
        Err("it has a count that never ends".into())
    }

    /// So many bytes in memory of their own, which is taken as they come.
    pub fn bytes(&mut self, len: usize) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::with_capacity(len.min(AHEAD_BYTES_MAX));
        while bytes.len() < len {
            if self.at == self.buffer.len() {
                self.next_block()?;
            }
            let left = &self.buffer[self.at..];
            let taken = left.len().min(len - bytes.len());
            bytes.extend_from_slice(&left[..taken]);
            self.at += taken;
        }
        Ok(bytes)
    }

    /// See [`Out::text`].
    pub fn text(&mut self) -> Result<Vec<u8>, String> {
        let len = self.count()?;
        self.bytes(len as usize)
    }

    /// A number of four bytes.
    #[inline]
    pub fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    /// A number of eight bytes.
    #[inline]
    pub fn u64(&mut self) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A signed number of eight bytes.
    #[inline]
    pub fn i64(&mut self) -> Result<i64, String> {
        Ok(i64::from_le_bytes(self.array()?))
    }

    /// See [`Out::optional`].
    pub fn optional(&mut self) -> Result<Option<i64>, String> {
        match self.byte()? {
            0 => Ok(None),
            _ => self.i64().map(Some),
        }
    }

    /// Whether everything has been read.
    pub fn is_at_end(&self) -> bool {
        self.at == self.buffer.len()
    }
}
