//! What bodies hold: commands, images of keys, parts of transactions, function libraries.
//!
//! Never: interprets a command or a value, copies when it reads. Encoders append to a buffer the caller keeps, decoders borrow from the file. Numbers are
//! varints: seven bits a byte, the lowest first. The decision worth knowing: a large argument need not pass through the buffer. Whoever has one encodes
//! what is before it, and gives the log the parts one behind the other.

use std::fmt;

const TAG_COMMAND: u8 = 1;
const TAG_VALUE: u8 = 2;
const TAG_PART: u8 = 3;
const TAG_LIBRARY: u8 = 4;

const VALUE_EXPIRES: u8 = 1;
const VALUE_FIRST: u8 = 2;
const VALUE_LAST: u8 = 4;

/// Bytes that are no entry, although their checksum was right: the program that wrote them knew more than this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryError;

impl fmt::Display for EntryError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            out,
            "the record is intact and holds nothing this program knows"
        )
    }
}

/// A set of shards, one bit each.
pub type Participants = u128;

const _: () = assert!(crate::limits::SHARDS_MAX <= Participants::BITS as usize);

/// What a record holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A command to be run again.
    Command(Command<'a>),
    /// An image of a key, or a part of one.
    Value(Value<'a>),
    /// This shard's part of a transaction.
    Part(Part<'a>),
    /// A function library.
    Library(&'a [u8]),
}

/// A command with all choices made: times are absolute, nothing is random.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// The database.
    pub db: u32,
    /// Unix time in milliseconds at which it ran.
    pub time_ms: u64,
    /// Bits whose meaning is the caller's.
    pub flags: u8,
    /// Name and arguments.
    pub words: Words<'a>,
}

/// The words of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Words<'a> {
    count: usize,
    bytes: &'a [u8],
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.count = self.count.checked_sub(1)?;
        take_bytes(&mut self.bytes).ok()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl ExactSizeIterator for Words<'_> {}

/// An image of a key. One whose payload is too long for a record has several, one behind the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'a> {
    /// The database.
    pub db: u32,
    /// The key.
    pub key: &'a [u8],
    /// Unix time in milliseconds.
    pub expires_at_ms: Option<u64>,
    /// The type, whose meaning is the caller's.
    pub kind: u8,
    /// The payload begins here.
    pub first: bool,
    /// The payload ends here.
    pub last: bool,
    /// The payload.
    pub payload: &'a [u8],
}

/// One shard's part of a transaction over several shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part<'a> {
    /// Its number, never used twice.
    pub transaction: u64,
    /// All shards that have a part of it, this one included.
    pub participants: Participants,
    /// What this shard does.
    pub entries: Entries<'a>,
}

/// The entries within a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entries<'a>(&'a [u8]);

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>, EntryError>;

    fn next(&mut self) -> Option<Result<Entry<'a>, EntryError>> {
        if self.0.is_empty() {
            return None;
        }
        let entry = take_bytes(&mut self.0).and_then(|bytes| match Entry::decode(bytes)? {
            // A part within a part would be read by recursion, as deep as the file says.
            Entry::Part(_) => Err(EntryError),
            entry => Ok(entry),
        });
        if entry.is_err() {
            self.0 = &[];
        }
        Some(entry)
    }
}

fn put_number(out: &mut Vec<u8>, mut number: u128) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take_wide(bytes: &mut &[u8]) -> Result<u128, EntryError> {
    let mut number = 0_u128;
    for place in 0..19 {
        let (first, rest) = bytes.split_first().ok_or(EntryError)?;
        *bytes = rest;
        let bits = u128::from(first & 0x7f);
        if place == 18 && bits > 3 {
            return Err(EntryError);
        }
        number |= bits << (7 * place);
        if first & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(EntryError)
}

fn take_number(bytes: &mut &[u8]) -> Result<u64, EntryError> {
    // Nearly all end within 64 bits, and most with their first byte: a start decodes tens of millions.
    let mut number = 0;
    for (place, byte) in bytes.iter().take(9).enumerate() {
        number |= u64::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            *bytes = &bytes[place + 1..];
            return Ok(number);
        }
    }
    u64::try_from(take_wide(bytes)?).map_err(|_| EntryError)
}

fn take_byte(bytes: &mut &[u8]) -> Result<u8, EntryError> {
    let (first, rest) = bytes.split_first().ok_or(EntryError)?;
    *bytes = rest;
    Ok(*first)
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], EntryError> {
    let len = usize::try_from(take_number(bytes)?).map_err(|_| EntryError)?;
    let (taken, rest) = bytes.split_at_checked(len).ok_or(EntryError)?;
    *bytes = rest;
    Ok(taken)
}

fn take_db(bytes: &mut &[u8]) -> Result<u32, EntryError> {
    u32::try_from(take_number(bytes)?).map_err(|_| EntryError)
}

/// Appends what is before the words of a command of `count` words; each is to follow behind its [`word_length`].
pub fn command_head(out: &mut Vec<u8>, db: u32, time_ms: u64, flags: u8, count: usize) {
    out.extend([TAG_COMMAND, flags]);
    put_number(out, db.into());
    put_number(out, time_ms.into());
    put_number(out, count as u128);
}

/// Appends what is before a word of this many bytes.
pub fn word_length(out: &mut Vec<u8>, len: usize) {
    put_number(out, len as u128);
}

/// Appends a command.
pub fn command(out: &mut Vec<u8>, db: u32, time_ms: u64, flags: u8, words: &[&[u8]]) {
    command_head(out, db, time_ms, flags, words.len());
    for word in words {
        word_length(out, word.len());
        out.extend_from_slice(word);
    }
}

/// Appends the image of a key but for its payload, which is what follows until the record's end; `value.payload` is not looked at.
pub fn value_head(out: &mut Vec<u8>, value: &Value<'_>) {
    let mut flags = 0;
    flags |= if value.expires_at_ms.is_some() {
        VALUE_EXPIRES
    } else {
        0
    };
    flags |= if value.first { VALUE_FIRST } else { 0 };
    flags |= if value.last { VALUE_LAST } else { 0 };
    out.extend([TAG_VALUE, flags, value.kind]);
    put_number(out, value.db.into());
    if let Some(expires_at_ms) = value.expires_at_ms {
        put_number(out, expires_at_ms.into());
    }
    word_length(out, value.key.len());
    out.extend_from_slice(value.key);
}

/// Appends what is before the entries of a part; each is to follow by [`part_entry`].
pub fn part_head(out: &mut Vec<u8>, transaction: u64, participants: Participants) {
    out.push(TAG_PART);
    put_number(out, transaction.into());
    put_number(out, participants);
}

/// Appends an entry, which is encoded, to a part.
pub fn part_entry(out: &mut Vec<u8>, entry: &[u8]) {
    word_length(out, entry.len());
    out.extend_from_slice(entry);
}

/// Appends what is before a function library's code.
pub fn library_head(out: &mut Vec<u8>) {
    out.push(TAG_LIBRARY);
}

/// The entries that [`part_entry`] has appended to nothing.
pub fn entries(bytes: &[u8]) -> Entries<'_> {
    Entries(bytes)
}

/// The transaction and the participants, if the entry is a part of one.
pub fn part_of(mut body: &[u8]) -> Option<(u64, Participants)> {
    if take_byte(&mut body) != Ok(TAG_PART) {
        return None;
    }
    Some((take_number(&mut body).ok()?, take_wide(&mut body).ok()?))
}

impl<'a> Entry<'a> {
    /// Reads a record's body.
    pub fn decode(mut body: &'a [u8]) -> Result<Entry<'a>, EntryError> {
        match take_byte(&mut body)? {
            TAG_COMMAND => {
                let flags = take_byte(&mut body)?;
                let db = take_db(&mut body)?;
                let time_ms = take_number(&mut body)?;
                let count = usize::try_from(take_number(&mut body)?).map_err(|_| EntryError)?;
                // Each word takes a byte, so the loop is bounded by the body.
                let mut rest = body;
                for _ in 0..count {
                    take_bytes(&mut rest)?;
                }
                if !rest.is_empty() {
                    return Err(EntryError);
                }
                let words = Words { count, bytes: body };
                Ok(Entry::Command(Command {
                    db,
                    time_ms,
                    flags,
                    words,
                }))
            }
            TAG_VALUE => {
                let flags = take_byte(&mut body)?;
                let kind = take_byte(&mut body)?;
                let db = take_db(&mut body)?;
                let expires_at_ms = if flags & VALUE_EXPIRES == 0 {
                    None
                } else {
                    Some(take_number(&mut body)?)
                };
                let key = take_bytes(&mut body)?;
                Ok(Entry::Value(Value {
                    db,
                    key,
                    expires_at_ms,
                    kind,
                    first: flags & VALUE_FIRST != 0,
                    last: flags & VALUE_LAST != 0,
                    payload: body,
                }))
            }
            TAG_PART => Ok(Entry::Part(Part {
                transaction: take_number(&mut body)?,
                participants: take_wide(&mut body)?,
                entries: Entries(body),
            })),
            TAG_LIBRARY => Ok(Entry::Library(body)),
            _ => Err(EntryError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::random::Random;

    #[test]
    fn every_kind_round_trips() {
        let mut set = Vec::new();
        command(
            &mut set,
            15,
            1_700_000_000_000,
            3,
            &[b"SET", b"", &[0; 300]],
        );
        let Ok(Entry::Command(read)) = Entry::decode(&set) else {
            panic!("a command");
        };
        assert_eq!(
            (read.db, read.time_ms, read.flags),
            (15, 1_700_000_000_000, 3)
        );
        assert_eq!(read.words.len(), 3);
        assert_eq!(
            read.words.collect::<Vec<_>>(),
            [b"SET".as_slice(), b"", &[0; 300]]
        );

        for expires_at_ms in [None, Some(u64::MAX)] {
            let value = Value {
                db: u32::MAX,
                key: b"key",
                expires_at_ms,
                kind: 9,
                first: true,
                last: false,
                payload: b"payload",
            };
            let mut image = Vec::new();
            value_head(&mut image, &value);
            image.extend_from_slice(value.payload);
            assert_eq!(Entry::decode(&image), Ok(Entry::Value(value)));
            assert_eq!(part_of(&image), None);
        }

        let mut part = Vec::new();
        part_head(&mut part, u64::MAX, u128::MAX);
        part_entry(&mut part, &set);
        part_entry(&mut part, &set);
        assert_eq!(part_of(&part), Some((u64::MAX, u128::MAX)));
        let Ok(Entry::Part(read)) = Entry::decode(&part) else {
            panic!("a part");
        };
        assert_eq!(
            read.entries.collect::<Vec<_>>(),
            vec![Entry::decode(&set); 2]
        );

        let mut library = Vec::new();
        library_head(&mut library);
        library.extend_from_slice(b"#!lua name=l");
        assert_eq!(Entry::decode(&library), Ok(Entry::Library(b"#!lua name=l")));
    }

    #[test]
    fn a_part_within_a_part_is_refused() {
        let (mut inner, mut outer) = (Vec::new(), Vec::new());
        part_head(&mut inner, 1, 3);
        part_head(&mut outer, 2, 3);
        part_entry(&mut outer, &inner);
        let Ok(Entry::Part(part)) = Entry::decode(&outer) else {
            panic!("a part");
        };
        assert_eq!(part.entries.collect::<Vec<_>>(), [Err(EntryError)]);
    }

    #[test]
    fn garbage_is_an_error_and_never_a_panic() {
        let mut random = Random::from_environment();
        let mut whole = Vec::new();
        command(&mut whole, 1, 2, 0, &[b"MSET", b"a", b"1", b"b", b"2"]);
        for len in 0..whole.len() {
            assert_eq!(
                Entry::decode(&whole[..len]),
                Err(EntryError),
                "cut to {len} bytes"
            );
        }
        for _ in 0..20_000 {
            let mut body: Vec<u8> = (0..random.below(40)).map(|_| random.draw() as u8).collect();
            if let Some(tag) = body.first_mut() {
                *tag %= 6;
            }
            match Entry::decode(&body) {
                Ok(Entry::Command(read)) => assert!(read.words.count() <= body.len()),
                Ok(Entry::Part(read)) => assert!(read.entries.count() <= body.len()),
                _ => {}
            }
        }
    }
}
