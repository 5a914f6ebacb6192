//! The packed run: a sequence of entries in one stretch of bytes, each a byte string or an integer.
//!
//! ```text
//! run:   u16 little endian: number of entries (13 bits), tag of the type (3 bits) | entries
//! entry: 0x00..=0x7f  a string of 0 to 127 bytes, which follow
//!        0x80..=0xe3  the integers 0 to 99
//!        0xe4..=0xf3  the integers -2048 to 2047: four high bits here, eight in the next byte
//!        0xf4..=0xfa  an integer of 2 to 8 bytes, little endian
//!        0xfb, 0xfc   a string with its length in 2 or 4 bytes, little endian
//! ```
//!
//! Strings that are canonical signed 64-bit integers are stored as integers and read back as their digits. It knows nothing of what the entries
//! mean, and trusts its bytes: they never come from outside. Positions are offsets into the bytes and hold until the run is edited before them.
//!
//! The one decision worth knowing: a value has exactly one encoding, the shortest, so that looking something up encodes it once and compares
//! bytes, formatting and parsing nothing.

use crate::engine::item::{canonical_integer, format_integer};

/// Bytes before the first entry.
const HEADER_BYTES: usize = 2;
const COUNT_BITS: u32 = 13;
/// The most entries of a run.
pub const ENTRIES_MAX: usize = (1 << COUNT_BITS) - 1;

const SMALL_FIRST: u8 = 0x80;
const SMALL_END: i64 = 100;
const MEDIUM_FIRST: u8 = 0xe4;
const MEDIUM_MIN: i64 = -2048;
const MEDIUM_MAX: i64 = 2047;
const MEDIUM_LAST: u8 = MEDIUM_FIRST + 15;
/// An integer of two bytes; each further one stands for one byte more.
const WIDE_FIRST: u8 = MEDIUM_LAST + 1;
const WIDE_LAST: u8 = WIDE_FIRST + 6;
const STRING_16: u8 = WIDE_LAST + 1;
const STRING_32: u8 = STRING_16 + 1;
/// A string up to this length has one byte before it.
const SHORT_MAX: usize = 0x7f;
/// The longest encoding before a string's bytes, or of an integer.
const PREFIX_BYTES_MAX: usize = 9;

/// An element as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// Bytes. In a run they are never a canonical integer; an entry of a large form may be.
    Bytes(&'a [u8]),
    /// The decimal digits of this integer.
    Integer(i64),
}

impl<'a> Entry<'a> {
    /// How these bytes are stored in a run: as an integer when they are a canonical one.
    #[inline]
    pub fn of(bytes: &'a [u8]) -> Entry<'a> {
        match bytes {
            // Most strings are no integer, which the first byte says.
            [b'-' | b'0'..=b'9', ..] if bytes.len() <= 20 => match canonical_integer(bytes) {
                Some(integer) => Entry::Integer(integer),
                None => Entry::Bytes(bytes),
            },
            _ => Entry::Bytes(bytes),
        }
    }

    /// Appends its bytes.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.as_bytes(&mut [0; 20]));
    }

    /// Its bytes; `buffer` holds an integer's digits.
    pub fn as_bytes<'b>(&self, buffer: &'b mut [u8; 20]) -> &'b [u8]
    where
        'a: 'b,
    {
        match *self {
            Entry::Bytes(bytes) => bytes,
            Entry::Integer(integer) => format_integer(integer, buffer),
        }
    }

    /// The number of its bytes.
    pub fn bytes_len(&self) -> usize {
        match *self {
            Entry::Bytes(bytes) => bytes.len(),
            Entry::Integer(integer) => integer_digits(integer),
        }
    }

    /// The integer whose canonical digits it is.
    pub fn integer(&self) -> Option<i64> {
        match *self {
            Entry::Bytes(bytes) => canonical_integer(bytes),
            Entry::Integer(integer) => Some(integer),
        }
    }

    /// Its bytes in a vector of their own.
    pub fn to_vec(&self) -> Vec<u8> {
        self.as_bytes(&mut [0; 20]).to_vec()
    }

    /// Bytes it takes in a run.
    pub fn encoded_len(&self) -> usize {
        match *self {
            Entry::Bytes(bytes) => {
                bytes.len()
                    + match bytes.len() {
                        0..=SHORT_MAX => 1,
                        0x80..=0xffff => 3,
                        _ => 5,
                    }
            }
            Entry::Integer(integer) => Prefix::of(Entry::Integer(integer)).len,
        }
    }

    /// Writes it as it is in a run, to a place of exactly [`Entry::encoded_len`] bytes.
    pub fn write(&self, place: &mut [u8]) {
        let prefix = Prefix::of(*self);
        let (front, rest) = place.split_at_mut(prefix.len);
        front.copy_from_slice(prefix.as_slice());
        if let Entry::Bytes(bytes) = self {
            rest.copy_from_slice(bytes);
        }
    }
}

/// The header of a run.
pub fn header(tag: u8, len: usize) -> [u8; HEADER_BYTES] {
    assert!(tag < 8 && len <= ENTRIES_MAX, "they fit a header");
    (u16::from(tag) << COUNT_BITS | len as u16).to_le_bytes()
}

/// Decimal digits of an integer, its sign included.
fn integer_digits(integer: i64) -> usize {
    let magnitude = integer.unsigned_abs();
    usize::from(integer < 0) + magnitude.checked_ilog10().unwrap_or(0) as usize + 1
}

/// The encoding of an integer, or what stands before a string's bytes.
#[derive(Clone, Copy)]
struct Prefix {
    bytes: [u8; PREFIX_BYTES_MAX],
    len: usize,
}

impl Prefix {
    #[inline]
    fn of(entry: Entry<'_>) -> Prefix {
        let mut bytes = [0; PREFIX_BYTES_MAX];
        let len = match entry {
            Entry::Bytes(string) => match string.len() {
                len @ 0..=SHORT_MAX => {
                    bytes[0] = len as u8;
                    1
                }
                len @ 0x80..=0xffff => {
                    bytes[0] = STRING_16;
                    bytes[1..3].copy_from_slice(&(len as u16).to_le_bytes());
                    3
                }
                len => {
                    let len = u32::try_from(len).expect("an element is at most 512 MB");
                    bytes[0] = STRING_32;
                    bytes[1..5].copy_from_slice(&len.to_le_bytes());
                    5
                }
            },
            Entry::Integer(integer @ 0..SMALL_END) => {
                bytes[0] = SMALL_FIRST + integer as u8;
                1
            }
            Entry::Integer(integer @ MEDIUM_MIN..=MEDIUM_MAX) => {
                let shifted = (integer - MEDIUM_MIN) as u16;
                bytes[0] = MEDIUM_FIRST + (shifted >> 8) as u8;
                bytes[1] = shifted as u8;
                2
            }
            Entry::Integer(integer) => {
                // Bits of the magnitude and one for the sign.
                let bits = 65 - (integer ^ (integer >> 63)).leading_zeros();
                let width = bits.div_ceil(8) as usize;
                bytes[0] = WIDE_FIRST + (width - 2) as u8;
                bytes[1..].copy_from_slice(&integer.to_le_bytes());
                bytes[1 + width..].fill(0);
                1 + width
            }
        };
        Prefix { bytes, len }
    }

    #[inline]
    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

/// Bytes that the entry at the start of `bytes` takes.
#[inline]
fn size_at(bytes: &[u8]) -> usize {
    match bytes[0] {
        short @ 0..SMALL_FIRST => 1 + usize::from(short),
        SMALL_FIRST..MEDIUM_FIRST => 1,
        MEDIUM_FIRST..=MEDIUM_LAST => 2,
        wide @ WIDE_FIRST..=WIDE_LAST => 3 + usize::from(wide - WIDE_FIRST),
        STRING_16 => 3 + usize::from(u16::from_le_bytes([bytes[1], bytes[2]])),
        STRING_32 => 5 + u32::from_le_bytes([bytes[1], bytes[2], bytes[3], bytes[4]]) as usize,
        other => unreachable!("no entry begins with {other:#x}"),
    }
}

/// The entry at the start of `bytes`, and the bytes it takes.
#[inline]
fn read_at(bytes: &[u8]) -> (Entry<'_>, usize) {
    let size = size_at(bytes);
    let entry = match bytes[0] {
        0..SMALL_FIRST => Entry::Bytes(&bytes[1..size]),
        small @ SMALL_FIRST..MEDIUM_FIRST => Entry::Integer(i64::from(small - SMALL_FIRST)),
        high @ MEDIUM_FIRST..=MEDIUM_LAST => {
            Entry::Integer((i64::from(high - MEDIUM_FIRST) << 8 | i64::from(bytes[1])) + MEDIUM_MIN)
        }
        WIDE_FIRST..=WIDE_LAST => {
            let mut wide = [0; 8];
            wide[..size - 1].copy_from_slice(&bytes[1..size]);
            // Shifted up and down again for the sign.
            let unused = 8 * (9 - size as u32);
            Entry::Integer((i64::from_le_bytes(wide) << unused) >> unused)
        }
        STRING_16 => Entry::Bytes(&bytes[3..size]),
        _ => Entry::Bytes(&bytes[5..size]),
    };
    (entry, size)
}

/// Something to look up, encoded once.
#[derive(Clone, Copy)]
pub struct Query<'q> {
    prefix: Prefix,
    /// The bytes after the prefix; none for an integer.
    bytes: &'q [u8],
    /// The last of them, if there are so many.
    tail: Option<[u8; 8]>,
}

impl<'q> Query<'q> {
    /// Looks for an element of these bytes.
    #[inline]
    pub fn new(bytes: &'q [u8]) -> Query<'q> {
        Query::entry(Entry::of(bytes))
    }

    /// Looks for this entry, which is an integer if its bytes are a canonical one.
    #[inline]
    pub fn entry(entry: Entry<'q>) -> Query<'q> {
        let bytes = match entry {
            Entry::Bytes(bytes) => bytes,
            Entry::Integer(_) => &[],
        };
        Query {
            prefix: Prefix::of(entry),
            bytes,
            tail: bytes.last_chunk().copied(),
        }
    }

    /// Whether the entry at the start of `bytes` is this. The first byte settles it mostly, so it is compared apart; then the end, because elements of one
    /// length often begin alike, and comparing all of their bytes is a call.
    #[inline]
    fn is_at(&self, bytes: &[u8]) -> bool {
        let end = self.prefix.len + self.bytes.len();
        bytes[0] == self.prefix.bytes[0]
            && self
                .tail
                .is_none_or(|tail| bytes.get(end - 8..end) == Some(&tail[..]))
            && (self.prefix.len == 1 || bytes.starts_with(self.prefix.as_slice()))
            && bytes[self.prefix.len..].starts_with(self.bytes)
    }
}

/// A run to read, borrowed from its bytes; no bytes at all are an empty run with tag 0.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    bytes: &'a [u8],
}

impl<'a> Run<'a> {
    /// The run in these bytes.
    #[inline]
    pub fn new(bytes: &'a [u8]) -> Run<'a> {
        Run { bytes }
    }

    #[inline]
    fn header(self) -> u16 {
        match *self.bytes {
            [low, high, ..] => u16::from_le_bytes([low, high]),
            _ => 0,
        }
    }

    /// Number of entries.
    #[inline]
    pub fn len(self) -> usize {
        usize::from(self.header() & ENTRIES_MAX as u16)
    }

    /// Whether there is no entry.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Three bits that belong to the type, 0 at first.
    #[inline]
    pub fn tag(self) -> u8 {
        (self.header() >> COUNT_BITS) as u8
    }

    /// What follows the header, for types that lay it out by themselves.
    pub fn body(self) -> &'a [u8] {
        self.bytes.get(HEADER_BYTES..).unwrap_or(&[])
    }

    /// The position of the first entry, or the end when there is none.
    #[inline]
    pub fn start(self) -> usize {
        HEADER_BYTES
    }

    /// The position after the last entry.
    #[inline]
    pub fn end(self) -> usize {
        self.bytes.len().max(HEADER_BYTES)
    }

    /// The entry at a position and the position of the next; `None` at the end.
    #[inline]
    pub fn at(self, position: usize) -> Option<(Entry<'a>, usize)> {
        if position >= self.bytes.len() {
            return None;
        }
        let (entry, size) = read_at(&self.bytes[position..]);
        Some((entry, position + size))
    }

    /// The position `count` entries after `position`, or the end when there are fewer.
    #[inline]
    pub fn skip(self, mut position: usize, count: usize) -> usize {
        for _ in 0..count {
            if position >= self.bytes.len() {
                return self.end();
            }
            position += size_at(&self.bytes[position..]);
        }
        position
    }

    /// The position of the entry with this index, or the end when there is none.
    pub fn seek(self, index: usize) -> usize {
        self.skip(HEADER_BYTES, index)
    }

    /// The entries in order.
    pub fn iter(self) -> Iter<'a> {
        self.iter_from(HEADER_BYTES)
    }

    /// The entries from a position on.
    pub fn iter_from(self, position: usize) -> Iter<'a> {
        Iter {
            bytes: self.bytes.get(position..).unwrap_or(&[]),
        }
    }

    /// The position of the first entry equal to the query, looking at the one at `from` and then at every `stride`-th: 2 for
    /// the keys of pairs.
    #[inline]
    pub fn find(self, from: usize, query: &Query<'_>, stride: usize) -> Option<usize> {
        debug_assert!(stride > 0);
        let mut position = from;
        while position < self.bytes.len() {
            if query.is_at(&self.bytes[position..]) {
                return Some(position);
            }
            position = self.skip(position, stride);
        }
        None
    }
}

/// The entries of a run.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    bytes: &'a [u8],
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        if self.bytes.is_empty() {
            return None;
        }
        let (entry, size) = read_at(self.bytes);
        self.bytes = &self.bytes[size..];
        Some(entry)
    }
}

/// A run to edit. Its owner sees to it that entries and bytes stay within their limits: see [`ENTRIES_MAX`] and [`Entry::encoded_len`].
#[derive(Debug)]
pub struct Editor<'a> {
    bytes: &'a mut Vec<u8>,
}

impl<'a> Editor<'a> {
    /// Edits the run in these bytes; no bytes at all are an empty run.
    pub fn new(bytes: &'a mut Vec<u8>) -> Editor<'a> {
        if bytes.is_empty() {
            bytes.extend_from_slice(&[0; HEADER_BYTES]);
        }
        Editor { bytes }
    }

    /// The run as it is now.
    pub fn run(&self) -> Run<'_> {
        Run::new(self.bytes)
    }

    /// Sets the type's three bits.
    pub fn set_tag(&mut self, tag: u8) {
        let header = header(tag, self.run().len());
        self.bytes[..HEADER_BYTES].copy_from_slice(&header);
    }

    /// Sets the number of entries, for types that lay out the body by themselves.
    pub fn set_len(&mut self, len: usize) {
        let header = header(self.run().tag(), len);
        self.bytes[..HEADER_BYTES].copy_from_slice(&header);
    }

    /// Appends an entry.
    pub fn push(&mut self, entry: Entry<'_>) {
        self.set_len(self.run().len() + 1);
        self.bytes.extend_from_slice(Prefix::of(entry).as_slice());
        if let Entry::Bytes(bytes) = entry {
            debug_assert_eq!(
                canonical_integer(bytes),
                None,
                "integers are stored as such"
            );
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Puts entries before the one at a position.
    pub fn insert(&mut self, position: usize, entries: &[Entry<'_>]) {
        self.splice(position, 0, entries);
    }

    /// Puts an entry in the place of the one at a position.
    pub fn replace(&mut self, position: usize, entry: Entry<'_>) {
        self.splice(position, 1, &[entry]);
    }

    /// Removes `count` entries from a position on.
    pub fn remove(&mut self, position: usize, count: usize) {
        self.splice(position, count, &[]);
    }

    /// Puts entries in the place of the `removed` entries from a position on, which are there. Returns the position after what was put.
    pub fn splice(&mut self, position: usize, removed: usize, entries: &[Entry<'_>]) -> usize {
        let run = self.run();
        let old_end = run.skip(position, removed);
        let len = run.len();
        assert!(removed <= len, "what is removed is there");
        let new_bytes: usize = entries.iter().map(Entry::encoded_len).sum();
        let (old_end_of_run, new_end) = (self.bytes.len(), position + new_bytes);
        self.set_len(len - removed + entries.len());
        if new_end > old_end {
            self.bytes.resize(old_end_of_run + (new_end - old_end), 0);
        }
        self.bytes.copy_within(old_end..old_end_of_run, new_end);
        if new_end < old_end {
            self.bytes.truncate(old_end_of_run - (old_end - new_end));
        }
        let mut at = position;
        for &entry in entries {
            let prefix = Prefix::of(entry);
            self.bytes[at..at + prefix.len].copy_from_slice(prefix.as_slice());
            at += prefix.len;
            if let Entry::Bytes(bytes) = entry {
                debug_assert_eq!(
                    canonical_integer(bytes),
                    None,
                    "integers are stored as such"
                );
                self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
                at += bytes.len();
            }
        }
        debug_assert_eq!(at, new_end);
        at
    }

    /// Removes all entries; the tag stays.
    pub fn clear(&mut self) {
        self.bytes.truncate(HEADER_BYTES);
        self.set_len(0);
    }
}
