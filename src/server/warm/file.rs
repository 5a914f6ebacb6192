//! One shard's file: a header, checksums of extents, the extents, and blocks.
//!
//! Never decides whether a file may be used; it only tells whether its bytes are those that were written. `docs/warm-format.md` has the bytes. The decisions worth knowing: what
//! is read goes straight to where it belongs, and its checksum is taken while it is in the processor's cache; the header is written last, so a file that was not finished has none.

use super::super::load::{give_back, is_in_memory};
use crate::engine::frozen::{
    BLOCK_BYTES_MAX, In, Rest, Sink, Source, Thawed, Thawing, fingerprint,
};
use crate::engine::{Engine, EngineOptions};
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Mutex;
use std::thread;

/// Raised with every change of the files' bytes.
pub const VERSION: u32 = 1;
/// What tells the files of one stop from those of any other.
pub type Identity = [u8; 16];

const MAGIC: &[u8; 8] = b"torcwarm";
/// Everything but blocks begins at a multiple of this.
const PAGE_BYTES: u64 = 4096;
const HEADER_BYTES: usize = PAGE_BYTES as usize;
/// What is written at once.
const WRITE_BYTES: usize = 4 << 20;
/// What is read at once: it must stay in the cache until its checksum has been taken.
const READ_BYTES: usize = 256 << 10;
/// Extents that a thread takes at once: two that touch the same huge page for the first time would both have the kernel clear one.
const EXTENTS_AT_ONCE: usize = 16;
/// Length and checksum of a block.
const BLOCK_HEAD_BYTES: usize = 8;

fn page_aligned(bytes: u64) -> u64 {
    bytes.next_multiple_of(PAGE_BYTES)
}

/// Where the parts of a file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    identity: Identity,
    shard: u32,
    extents: u32,
    extent_bytes: u64,
    block_bytes: u64,
    table_checksum: u32,
}

impl Header {
    fn extents_at(&self) -> u64 {
        page_aligned(PAGE_BYTES + u64::from(self.extents) * 4)
    }

    fn blocks_at(&self) -> u64 {
        self.extents_at() + self.extent_bytes
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&fingerprint().to_le_bytes());
        bytes.extend_from_slice(&self.identity);
        bytes.extend_from_slice(&self.shard.to_le_bytes());
        bytes.extend_from_slice(&self.extents.to_le_bytes());
        bytes.extend_from_slice(&self.extent_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.block_bytes.to_le_bytes());
        bytes.extend_from_slice(&self.table_checksum.to_le_bytes());
        bytes.resize(HEADER_BYTES - 4, 0);
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<Header, String> {
        let u32_at = |at: usize| {
            u32::from_le_bytes(
                bytes[at..at + 4]
                    .try_into()
                    .expect("four bytes of a header"),
            )
        };
        let u64_at = |at: usize| {
            u64::from_le_bytes(
                bytes[at..at + 8]
                    .try_into()
                    .expect("eight bytes of a header"),
            )
        };
        if &bytes[..8] != MAGIC {
            return Err("it is no memory of torc".into());
        }
        if u32_at(8) != VERSION {
            return Err(format!("it is of version {}, not {VERSION}", u32_at(8)));
        }
        if u32_at(HEADER_BYTES - 4) != crc32fast::hash(&bytes[..HEADER_BYTES - 4]) {
            return Err("the checksum of its header is wrong".into());
        }
        if u32_at(12) != fingerprint() {
            return Err("it was written by a program with another layout of memory".into());
        }
        Ok(Header {
            identity: bytes[16..32].try_into().expect("sixteen bytes"),
            shard: u32_at(32),
            extents: u32_at(36),
            extent_bytes: u64_at(40),
            block_bytes: u64_at(48),
            table_checksum: u32_at(56),
        })
    }
}

/// The checksum of a block: also of its place and file, so that blocks cannot be exchanged.
fn block_checksum(identity: &Identity, shard: u32, number: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(identity);
    hasher.update(&shard.to_le_bytes());
    hasher.update(&number.to_le_bytes());
    hasher.update(&(bytes.len() as u32).to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

/// What a manifest says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Finished {
    /// Its length.
    pub len: u64,
    /// The checksum of its header, which has those of all else.
    pub checksum: u32,
}

/// A file in the making.
pub struct Writer {
    file: File,
    header: Header,
    table: Vec<u8>,
    /// Blocks that are not written yet, and where they belong.
    buffer: Vec<u8>,
    buffer_at: u64,
    extent_at: u64,
    blocks: u32,
}

impl Writer {
    /// Makes the file, or begins again with one that is there.
    pub fn create(path: &Path, identity: Identity, shard: u32) -> io::Result<Writer> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(path)?;
        Ok(Writer {
            file,
            header: Header {
                identity,
                shard,
                extents: 0,
                extent_bytes: 0,
                block_bytes: 0,
                table_checksum: 0,
            },
            table: Vec::new(),
            buffer: Vec::with_capacity(WRITE_BYTES + BLOCK_BYTES_MAX + BLOCK_HEAD_BYTES),
            buffer_at: 0,
            extent_at: 0,
            blocks: 0,
        })
    }

    /// Writes what is left, and the header. The file is durable, as far as its medium is, when this returns.
    pub fn finish(mut self) -> io::Result<Finished> {
        self.file.write_all_at(&self.buffer, self.buffer_at)?;
        self.file.write_all_at(&self.table, PAGE_BYTES)?;
        self.header.table_checksum = crc32fast::hash(&self.table);
        let header = self.header.encode();
        let len = self.header.blocks_at() + self.header.block_bytes;
        self.file.set_len(len)?;
        self.file.write_all_at(&header, 0)?;
        self.file.sync_all()?;
        Ok(Finished {
            len,
            checksum: crc32fast::hash(&header),
        })
    }
}

impl Sink for Writer {
    fn begin(&mut self, extents: usize, bytes: u64) -> io::Result<()> {
        self.header.extents = u32::try_from(extents).map_err(io::Error::other)?;
        self.header.extent_bytes = bytes;
        self.extent_at = self.header.extents_at();
        self.buffer_at = self.header.blocks_at();
        Ok(())
    }

    fn block(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Header {
            identity, shard, ..
        } = &self.header;
        let checksum = block_checksum(identity, *shard, self.blocks, bytes);
        self.blocks += 1;
        self.buffer
            .extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.buffer.extend_from_slice(&checksum.to_le_bytes());
        self.buffer.extend_from_slice(bytes);
        self.header.block_bytes += (BLOCK_HEAD_BYTES + bytes.len()) as u64;
        if self.buffer.len() >= WRITE_BYTES {
            self.file
                .write_all_at(&self.buffer[..WRITE_BYTES], self.buffer_at)?;
            self.buffer.drain(..WRITE_BYTES);
            self.buffer_at += WRITE_BYTES as u64;
        }
        Ok(())
    }

    fn extent(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.extent_at)?;
        let checksum = crc32fast::hash(bytes);
        self.table.extend_from_slice(&checksum.to_le_bytes());
        self.extent_at += bytes.len() as u64;
        Ok(())
    }
}

/// A file to be loaded.
pub struct Reader {
    file: File,
    header: Header,
    checksums: Vec<u32>,
    /// What was read is not needed any more and gives its memory back, because the file lies in memory.
    gives_back: bool,
}

impl Reader {
    /// Opens the file of which a manifest says this. An error says what is wrong with it.
    pub fn open(
        path: &Path,
        identity: &Identity,
        shard: u32,
        expected: &Finished,
    ) -> Result<Reader, String> {
        let unreadable = |error: io::Error| format!("it cannot be read: {error}");
        let file = File::options().read(true).write(true).open(path);
        let file = file.map_err(unreadable)?;
        let len = file.metadata().map_err(unreadable)?.len();
        if len != expected.len {
            return Err(format!("it has {len} bytes instead of {}", expected.len));
        }
        let mut bytes = [0; HEADER_BYTES];
        file.read_exact_at(&mut bytes, 0).map_err(unreadable)?;
        let header = Header::decode(&bytes)?;
        if crc32fast::hash(&bytes) != expected.checksum
            || header.identity != *identity
            || header.shard != shard
        {
            return Err("it is not of the same stop as the manifest".into());
        }
        let ends_at = header.blocks_at().checked_add(header.block_bytes);
        if ends_at != Some(len) {
            return Err("its parts are longer than it".into());
        }
        let mut table = vec![0; header.extents as usize * 4];
        file.read_exact_at(&mut table, PAGE_BYTES)
            .map_err(unreadable)?;
        if crc32fast::hash(&table) != header.table_checksum {
            return Err("the checksum of its table is wrong".into());
        }
        let checksums = table.chunks_exact(4);
        let checksums = checksums.map(|bytes| u32::from_le_bytes(bytes.try_into().expect("four")));
        Ok(Reader {
            gives_back: is_in_memory(&file),
            checksums: checksums.collect(),
            file,
            header,
        })
    }

    /// Loads the engine, with so many threads beside this one.
    pub fn load(&self, options: EngineOptions, helpers: usize) -> Result<Engine, String> {
        let mut blocks = Blocks {
            reader: self,
            at: self.header.blocks_at(),
            end: self.header.blocks_at() + self.header.block_bytes,
            number: 0,
        };
        let mut input = In::new(&mut blocks);
        let (mut thawing, rest) = Thawing::begin(options, &mut input)?;
        let thawed = self.fill(&mut thawing, rest, &mut input, helpers)?;
        if blocks.at != blocks.end {
            return Err("it has blocks behind its end".into());
        }
        thawing.finish(thawed)
    }

    fn fill(
        &self,
        thawing: &mut Thawing,
        rest: Rest,
        input: &mut In<'_>,
        helpers: usize,
    ) -> Result<Thawed, String> {
        let memory = thawing.extents();
        let bytes: u64 = memory.iter().map(|extent| extent.len() as u64).sum();
        if memory.len() != self.checksums.len() || bytes != self.header.extent_bytes {
            return Err("it has other pages than it describes".into());
        }
        let mut at = self.header.extents_at();
        let extents = memory.into_iter().zip(&self.checksums);
        let extents = extents.map(|(memory, checksum)| {
            let offset = at;
            at += memory.len() as u64;
            (offset, memory, *checksum)
        });
        let extents: Vec<(u64, &mut [u8], u32)> = extents.collect();
        let extents = Mutex::new(extents.into_iter());
        let work = || {
            loop {
                let mut left = extents.lock().expect("nobody panics with it");
                let next: Vec<_> = left.by_ref().take(EXTENTS_AT_ONCE).collect();
                drop(left);
                if next.is_empty() {
                    return Ok(());
                }
                for (offset, memory, checksum) in next {
                    self.extent(offset, memory, checksum)?;
                }
            }
        };
        thread::scope(|scope| {
            let threads: Vec<_> = (0..helpers).map(|_| scope.spawn(work)).collect();
            let thawed = rest.read(input);
            let own = work();
            let outcomes = threads.into_iter().map(|thread| thread.join());
            let outcomes = outcomes.map(|outcome| outcome.expect("a reader does not panic"));
            let outcomes: Vec<Result<(), String>> = outcomes.collect();
            outcomes
                .into_iter()
                .chain([own])
                .collect::<Result<(), _>>()?;
            thawed
        })
    }

    fn extent(&self, mut offset: u64, memory: &mut [u8], checksum: u32) -> Result<(), String> {
        let start = offset;
        let mut hasher = crc32fast::Hasher::new();
        for part in memory.chunks_mut(READ_BYTES) {
            self.read(part, offset)?;
            hasher.update(part);
            offset += part.len() as u64;
        }
        if hasher.finalize() != checksum {
            return Err(format!("the checksum of the pages at {start} is wrong"));
        }
        self.done(start, offset);
        Ok(())
    }

    fn read(&self, bytes: &mut [u8], offset: u64) -> Result<(), String> {
        let outcome = self.file.read_exact_at(bytes, offset);
        outcome.map_err(|error| format!("it cannot be read at {offset}: {error}"))
    }

    fn done(&self, start: u64, end: u64) {
        if self.gives_back {
            give_back(&self.file, start, end);
        }
    }
}

/// The blocks of a file, one after the other.
struct Blocks<'a> {
    reader: &'a Reader,
    at: u64,
    end: u64,
    number: u32,
}

impl Source for Blocks<'_> {
    fn block(&mut self, buffer: &mut Vec<u8>) -> Result<(), String> {
        let left = self.end - self.at;
        let mut head = [0; BLOCK_HEAD_BYTES];
        if left < head.len() as u64 {
            return Err("it ends too early".into());
        }
        self.reader.read(&mut head, self.at)?;
        let [a, b, c, d, checksum @ ..] = head;
        let len = u32::from_le_bytes([a, b, c, d]) as usize;
        if len > BLOCK_BYTES_MAX || (BLOCK_HEAD_BYTES + len) as u64 > left {
            return Err(format!("the block at {} is too long", self.at));
        }
        buffer.resize(len, 0);
        self.reader
            .read(buffer, self.at + BLOCK_HEAD_BYTES as u64)?;
        let Header {
            identity, shard, ..
        } = &self.reader.header;
        let expected = block_checksum(identity, *shard, self.number, buffer);
        if expected != u32::from_le_bytes(checksum) {
            return Err(format!("the checksum of the block at {} is wrong", self.at));
        }
        let start = self.at;
        self.at += (BLOCK_HEAD_BYTES + len) as u64;
        self.number += 1;
        self.reader.done(start, self.at);
        Ok(())
    }
}
