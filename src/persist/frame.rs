//! Framing: the header block of a file, and records one behind the other.
//!
//! Never: knows what bodies hold, does I/O, allocates. The decision worth knowing: a record's checksum starts from the data set's identity, the
//! file's number and the record's offset, so that a record is valid in its own place only. Stale bytes of a reused file never pass, and a record
//! behind a damaged one can be judged by itself, which a sequence number in the checksum would not allow: behind a gap nobody knows it. `docs/log-format.md` draws the bytes.

use crc32fast::Hasher;
use std::fmt;
use std::io::BufRead;

/// Direct I/O is done in multiples of this, and the header takes one.
pub const BLOCK_BYTES: usize = 4096;
/// Checksum and length.
pub const RECORD_HEADER_BYTES: usize = 8;
/// The longest body: the length has 30 bits. The longest string value and the words around it fit.
pub const BODY_BYTES_MAX: usize = (1 << 30) - 1;
/// The version of the format that is written, and the only one that is read.
pub const FORMAT_VERSION: u32 = 1;

const LENGTH_MASK: u32 = (1 << 30) - 1;
/// Bytes of a header that mean something, without its checksum.
const HEADER_BYTES: usize = 104;
/// The body of every record but an entry: two numbers.
const NOTE_BYTES: usize = 16;

const _: () = assert!(BODY_BYTES_MAX > crate::limits::STRING_BYTES_MAX + (1 << 20));
const _: () = assert!(
    HEADER_BYTES + 4 <= 512,
    "a header fits a sector, so that it is there or not there"
);

/// What tells one server's data from another's: 16 random bytes.
pub type Identity = [u8; 16];

/// A place in a shard's log: everything in earlier segments, and in this one below the offset, is before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// The segment's number.
    pub segment: u64,
    /// Bytes from the segment's beginning.
    pub offset: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "segment {} offset {}", self.segment, self.offset)
    }
}

/// What a file begins with.
const MAGIC: &[u8; 8] = b"torc-log";

/// The first block of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The shard whose file it is.
    pub shard: u32,
    /// The server's shards when it was written.
    pub shards: u32,
    /// The segment's number.
    pub number: u64,
    /// The sequence number of the first record.
    pub sequence_first: u64,
    /// The data set.
    pub identity: Identity,
    /// Unix time in milliseconds when it was made.
    pub made_ms: u64,
    /// Where the log ends before this segment: bytes behind that place, and segments between, are no part of it. This is how a cut lasts.
    pub predecessor: Position,
    /// What was known to be durable when the header was made.
    pub durable: Position,
    /// Bytes that the file was made with. One that is shorter has lost some, even if what is left ends with a whole record.
    pub room_bytes: u64,
}

/// Why a block is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderError {
    /// The file is shorter than a block.
    Short,
    /// It does not begin as a file of a log.
    Magic,
    /// Its checksum does not fit.
    Checksum,
    /// It is intact and of another file, whose place this one has taken.
    Stale,
    /// It is intact and of another version of the format.
    Version(u32),
}

impl fmt::Display for HeaderError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HeaderError::Short => write!(out, "the file is shorter than a header"),
            HeaderError::Magic => write!(out, "the file does not begin with a header"),
            HeaderError::Checksum => write!(out, "the header's checksum is wrong"),
            HeaderError::Stale => write!(out, "the header is that of another file"),
            HeaderError::Version(version) => write!(
                out,
                "the format has version {version}, this program reads version {FORMAT_VERSION}"
            ),
        }
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

impl Header {
    /// Writes the header into a block, all of it.
    pub fn encode(&self, block: &mut [u8]) {
        let block = &mut block[..BLOCK_BYTES];
        block.fill(0);
        block[..8].copy_from_slice(MAGIC);
        block[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        block[12..16].copy_from_slice(&self.shard.to_le_bytes());
        block[16..20].copy_from_slice(&self.shards.to_le_bytes());
        block[24..32].copy_from_slice(&self.number.to_le_bytes());
        block[32..40].copy_from_slice(&self.sequence_first.to_le_bytes());
        block[40..56].copy_from_slice(&self.identity);
        block[56..64].copy_from_slice(&self.made_ms.to_le_bytes());
        block[64..72].copy_from_slice(&self.predecessor.segment.to_le_bytes());
        block[72..80].copy_from_slice(&self.predecessor.offset.to_le_bytes());
        block[80..88].copy_from_slice(&self.durable.segment.to_le_bytes());
        block[88..96].copy_from_slice(&self.durable.offset.to_le_bytes());
        block[96..104].copy_from_slice(&self.room_bytes.to_le_bytes());
        let checksum = crc32fast::hash(&block[..HEADER_BYTES]);
        block[HEADER_BYTES..HEADER_BYTES + 4].copy_from_slice(&checksum.to_le_bytes());
    }

    /// Reads a header from a file's beginning.
    pub fn decode(file: &[u8]) -> Result<Header, HeaderError> {
        if file.len() < BLOCK_BYTES {
            return Err(HeaderError::Short);
        }
        if file[..8] != *MAGIC {
            return Err(HeaderError::Magic);
        }
        if crc32fast::hash(&file[..HEADER_BYTES]) != u32_at(file, HEADER_BYTES) {
            return Err(HeaderError::Checksum);
        }
        let version = u32_at(file, 8);
        if version != FORMAT_VERSION {
            return Err(HeaderError::Version(version));
        }
        Ok(Header {
            shard: u32_at(file, 12),
            shards: u32_at(file, 16),
            number: u64_at(file, 24),
            sequence_first: u64_at(file, 32),
            identity: file[40..56].try_into().expect("sixteen bytes"),
            made_ms: u64_at(file, 56),
            predecessor: Position {
                segment: u64_at(file, 64),
                offset: u64_at(file, 72),
            },
            durable: Position {
                segment: u64_at(file, 80),
                offset: u64_at(file, 88),
            },
            room_bytes: u64_at(file, 96),
        })
    }
}

/// What a record is, in the two upper bits of its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordKind {
    /// A body for whoever reads the log. It is never empty: eight zero bytes are no record.
    Entry,
    /// Up to which position the log was known to be durable when this was written.
    Synced,
    /// The server stopped in good order: everything before is durable, and nothing comes behind. The body is as that of `Synced`.
    CleanEnd,
}

impl RecordKind {
    fn bits(self) -> u32 {
        (match self {
            RecordKind::Entry => 0,
            RecordKind::Synced => 1,
            RecordKind::CleanEnd => 2,
        }) << 30
    }

    /// The length with the kind in it, as it is stored.
    pub(super) fn length_word(self, body: usize) -> u32 {
        assert!(
            body <= BODY_BYTES_MAX,
            "a body of {body} bytes fits no record"
        );
        body as u32 | self.bits()
    }
}

/// Where the checksums of one file's records start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(u32);

impl Seed {
    /// That of a file of a data set.
    pub fn new(identity: &Identity, number: u64) -> Seed {
        let mut hasher = Hasher::new();
        hasher.update(MAGIC);
        hasher.update(identity);
        hasher.update(&number.to_le_bytes());
        Seed(hasher.finalize())
    }

    /// A hasher for the record at this offset. Equal bytes at two offsets have different checksums, always: a CRC maps starting values one to one.
    pub(super) fn at(self, offset: u64) -> Hasher {
        Hasher::new_with_initial(self.0 ^ offset as u32 ^ ((offset >> 32) as u32).rotate_left(16))
    }
}

/// Writes a record of one part or several that together are `body` bytes long. `out` is exactly the record.
pub(super) fn encode_record(
    out: &mut [u8],
    kind: RecordKind,
    parts: &[&[u8]],
    seed: Seed,
    offset: u64,
) {
    let word = kind.length_word(out.len() - RECORD_HEADER_BYTES);
    out[4..8].copy_from_slice(&word.to_le_bytes());
    let mut at = RECORD_HEADER_BYTES;
    for part in parts {
        out[at..at + part.len()].copy_from_slice(part);
        at += part.len();
    }
    debug_assert_eq!(at, out.len());
    let mut hasher = seed.at(offset);
    hasher.update(&out[4..]);
    out[..4].copy_from_slice(&hasher.finalize().to_le_bytes());
}

/// The body of a record that names a position.
pub(super) fn position_note(position: Position) -> [u8; NOTE_BYTES] {
    let mut body = [0; NOTE_BYTES];
    body[..8].copy_from_slice(&position.segment.to_le_bytes());
    body[8..].copy_from_slice(&position.offset.to_le_bytes());
    body
}

/// A valid record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// What it is.
    pub kind: RecordKind,
    /// What it holds.
    pub body: &'a [u8],
    /// Where it begins in the file.
    pub offset: u64,
}

impl Record<'_> {
    /// Where the next one begins.
    pub fn end(&self) -> u64 {
        self.offset + (RECORD_HEADER_BYTES + self.body.len()) as u64
    }

    /// What it says to be durable, if it is of a kind that says so.
    pub fn durable(&self) -> Option<Position> {
        match self.kind {
            RecordKind::Synced | RecordKind::CleanEnd => Some(Position {
                segment: u64_at(self.body, 0),
                offset: u64_at(self.body, 8),
            }),
            RecordKind::Entry => None,
        }
    }
}

/// Why there is no valid record at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// The file ends, or only zeros are there: nothing was written.
    Nothing,
    /// A length that no record has here, or a kind that none has.
    Length,
    /// The checksum does not fit.
    Checksum,
}

impl fmt::Display for Defect {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Defect::Nothing => "nothing was written there",
            Defect::Length => "its length is impossible",
            Defect::Checksum => "its checksum is wrong",
        })
    }
}

/// The record at an offset of a file. Without `verify` the checksum is not compared, for bytes that were read before.
pub fn read_record(
    file: &[u8],
    offset: u64,
    seed: Seed,
    verify: bool,
) -> Result<Record<'_>, Defect> {
    let rest = usize::try_from(offset)
        .ok()
        .and_then(|offset| file.get(offset..))
        .unwrap_or_default();
    if rest.len() < RECORD_HEADER_BYTES {
        return Err(if rest.iter().all(|byte| *byte == 0) {
            Defect::Nothing
        } else {
            Defect::Length
        });
    }
    let checksum = u32_at(rest, 0);
    let word = u32_at(rest, 4);
    let len = (word & LENGTH_MASK) as usize;
    let kind = match word >> 30 {
        0 => RecordKind::Entry,
        1 => RecordKind::Synced,
        2 => RecordKind::CleanEnd,
        _ => return Err(Defect::Length),
    };
    if word == 0 && checksum == 0 {
        return Err(Defect::Nothing);
    }
    let plausible = match kind {
        RecordKind::Entry => len > 0,
        _ => len == NOTE_BYTES,
    };
    if !plausible || len > rest.len() - RECORD_HEADER_BYTES {
        return Err(Defect::Length);
    }
    let end = RECORD_HEADER_BYTES + len;
    if verify {
        let mut hasher = seed.at(offset);
        hasher.update(&rest[4..end]);
        if hasher.finalize() != checksum {
            return Err(Defect::Checksum);
        }
    }
    Ok(Record {
        kind,
        body: &rest[RECORD_HEADER_BYTES..end],
        offset,
    })
}

static ZEROS: [u8; BLOCK_BYTES] = [0; BLOCK_BYTES];

/// The furthest position that a valid record at `from` or anywhere behind says to be durable.
///
/// The work is linear however the bytes are: only records that say so are looked for, and these have one length, so a checksum is over 20 bytes and
/// is computed only where that length stands.
pub fn durable_behind(file: &[u8], from: u64, seed: Seed) -> Option<Position> {
    let mut furthest = None;
    // Where a record could begin; its length word is four bytes on.
    let mut at = from as usize;
    while at + RECORD_HEADER_BYTES + NOTE_BYTES <= file.len() {
        let mut rest = &file[at + 4..];
        let before = rest.len();
        // The standard library's search for a byte is the fastest there is without a dependency. Reading from a slice cannot fail.
        let skipped = rest.skip_until(NOTE_BYTES as u8).unwrap_or(before);
        let place = at + skipped - 1;
        let word = file.get(place + 5..place + 8).unwrap_or_default();
        if (word == [0, 0, 0x40] || word == [0, 0, 0x80])
            && let Ok(record) = read_record(file, place as u64, seed, true)
        {
            furthest = furthest.max(record.durable());
        }
        at = place + 1;
    }
    furthest
}

/// Where the last byte that is not zero ends, `from` if there is none.
pub fn written_end(file: &[u8], from: u64) -> u64 {
    let mut end = file.len();
    let from = (from as usize).min(end);
    while end - from >= BLOCK_BYTES && file[end - BLOCK_BYTES..end] == ZEROS {
        end -= BLOCK_BYTES;
    }
    while end - from >= 64 && file[end - 64..end] == ZEROS[..64] {
        end -= 64;
    }
    while end > from && file[end - 1] == 0 {
        end -= 1;
    }
    end as u64
}

#[cfg(test)]
#[path = "frame_tests.rs"]
mod tests;
