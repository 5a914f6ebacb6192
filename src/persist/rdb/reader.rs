//! A file as a sequence of entries, in one pass from its start to its end.
//! Never: decodes a value, or takes memory for what is only announced; a key's value is the bytes it has in the file.
//! The decision worth knowing: the checksum is summed up on the way and compared at the end, so that a file of any size is read once. Who must not
//! take a key from a damaged file waits for [`Entry::End`].

use super::cursor::Cursor;
use super::error::{RdbError, RdbErrorKind};
use super::extent::{module_name, skip_module_elements, skip_value};
use super::opcode;
use crate::codec::crc64::Crc64;
use crate::codec::kind;
use std::borrow::Cow;

/// The newest version of Redis' files that is known: that of Redis 8.8.
const REDIS_VERSION_MAX: u16 = 14;
/// The version of Valkey's files that is known: that of Valkey 9.0. Older ones write Redis' version 11.
const VALKEY_VERSION: u16 = 80;
/// Files have a checksum since this version.
const CHECKSUM_VERSION_MIN: u16 = 5;
const REDIS_MAGIC: &[u8] = b"REDIS";
const VALKEY_MAGIC: &[u8] = b"VALKEY";
/// The magic word and the version's digits, of either.
const HEADER_BYTES: usize = 9;

/// True when these bytes begin as an RDB file does; an append-only file may, too, when it begins with a snapshot.
pub fn is_rdb(bytes: &[u8]) -> bool {
    bytes.starts_with(REDIS_MAGIC) || bytes.starts_with(VALKEY_MAGIC)
}

/// What a file consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A fact about the server that wrote the file, such as `redis-ver`.
    Auxiliary {
        /// What it is about.
        name: Cow<'a, [u8]>,
        /// What it is.
        value: Cow<'a, [u8]>,
    },
    /// The database of the keys that follow.
    Database(u32),
    /// How much is in this database. Nothing depends on it being true.
    SizeHint {
        /// Keys.
        keys: u64,
        /// Keys that expire.
        expiring: u64,
    },
    /// The code of a library of functions.
    Function(Cow<'a, [u8]>),
    /// A key with its value.
    Key(KeyEntry<'a>),
    /// Something that was passed over because it means nothing without the module that wrote it; the text says what.
    Ignored(String),
    /// The end, which is always the last entry. What follows it is at [`RdbReader::offset`].
    End(Checksum),
}

/// What the checksum at the end said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// It is that of the bytes before.
    Right,
    /// There is none: the server wrote 0 (`rdbchecksum no`), or is older than checksums.
    Absent,
    /// It was not compared.
    Unchecked,
}

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyEntry<'a> {
    /// Its database.
    pub database: u32,
    /// Its name.
    pub key: Cow<'a, [u8]>,
    /// When it expires, milliseconds since 1970; may be past.
    pub expires_at_ms: Option<i64>,
    /// For how many seconds it was not used, when the server evicts by that.
    pub idle_s: Option<u64>,
    /// How often it was used, on the logarithmic scale of Redis, when the server evicts by that.
    pub frequency: Option<u8>,
    /// The form of the value, see [`kind`].
    pub kind: u8,
    /// The value, which begins after its kind and its key.
    pub value: &'a [u8],
    /// The byte of the file at which the value begins.
    pub value_offset: usize,
}

/// What is said of a key before it comes.
#[derive(Debug, Clone, Copy, Default)]
struct Attributes {
    expires_at_ms: Option<i64>,
    idle_s: Option<u64>,
    frequency: Option<u8>,
}

/// See the module. After an error, as after the end, there are no more entries.
#[derive(Debug, Clone)]
pub struct RdbReader<'a> {
    cursor: Cursor<'a>,
    version: u16,
    is_valkey: bool,
    database: u32,
    attributes: Attributes,
    /// None when it is not to be checked.
    sum: Option<Crc64>,
    /// The bytes of the file that the sum covers.
    summed: usize,
    has_ended: bool,
}

impl<'a> RdbReader<'a> {
    /// Reads the header of a file, which may be followed by something else.
    pub fn new(file: &'a [u8]) -> Result<RdbReader<'a>, RdbError> {
        let mut cursor = Cursor::new(file);
        let header = cursor.bytes(HEADER_BYTES, "the magic word and the version")?;
        let wrong = |kind, message| RdbError {
            offset: 0,
            kind,
            message,
        };
        let (is_valkey, digits) = if let Some(digits) = header.strip_prefix(VALKEY_MAGIC) {
            (true, digits)
        } else if let Some(digits) = header.strip_prefix(REDIS_MAGIC) {
            (false, digits)
        } else {
            let message = format!(
                "expected REDIS or VALKEY and found \"{}\"",
                header.escape_ascii()
            );
            return Err(wrong(RdbErrorKind::Malformed, message));
        };
        let version = std::str::from_utf8(digits)
            .ok()
            .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(|| {
                let message = format!(
                    "expected a version in digits and found \"{}\"",
                    digits.escape_ascii()
                );
                wrong(RdbErrorKind::Malformed, message)
            })?;
        let (known, range) = if is_valkey {
            (version == VALKEY_VERSION, "Valkey's version 80")
        } else {
            (
                (1..=REDIS_VERSION_MAX).contains(&version),
                "Redis' versions 1 to 14",
            )
        };
        if !known {
            let message = format!("files of {range} can be read, and this is version {version}");
            return Err(wrong(RdbErrorKind::Unsupported, message));
        }
        Ok(RdbReader {
            cursor,
            version,
            is_valkey,
            database: 0,
            attributes: Attributes::default(),
            sum: Some(Crc64::new()),
            summed: 0,
            has_ended: false,
        })
    }

    /// The same without looking at the checksum, which saves a pass over the bytes.
    pub fn without_checksum(mut self) -> RdbReader<'a> {
        self.sum = None;
        self
    }

    /// The version in the header.
    pub fn version(&self) -> u16 {
        self.version
    }

    /// True for a file of Valkey 9 or later.
    pub fn is_valkey(&self) -> bool {
        self.is_valkey
    }

    /// The bytes of the file that were read; after the end, where what follows the snapshot begins.
    pub fn offset(&self) -> usize {
        self.cursor.offset()
    }

    fn sum_up(&mut self) {
        if let Some(sum) = &mut self.sum {
            sum.update(self.cursor.since(self.summed));
            self.summed = self.cursor.offset();
        }
    }

    fn entry(&mut self) -> Result<Entry<'a>, RdbError> {
        loop {
            let start = self.cursor.offset();
            let cursor = &mut self.cursor;
            match cursor.byte("an entry or the end")? {
                opcode::END => return self.end().map(Entry::End),
                opcode::DATABASE => {
                    let number = cursor.number("the number of a database")?;
                    self.database = u32::try_from(number).map_err(|_| {
                        let message = format!("there is no database {number}");
                        cursor.error(RdbErrorKind::Malformed, message)
                    })?;
                    return Ok(Entry::Database(self.database));
                }
                opcode::SIZE_HINT => {
                    return Ok(Entry::SizeHint {
                        keys: cursor.number("the number of keys")?,
                        expiring: cursor.number("the number of keys that expire")?,
                    });
                }
                opcode::AUXILIARY => {
                    return Ok(Entry::Auxiliary {
                        name: cursor.string("the name of an auxiliary field")?,
                        value: cursor.string("the value of an auxiliary field")?,
                    });
                }
                opcode::FUNCTION => {
                    let code = cursor.string("the code of a library of functions")?;
                    return Ok(Entry::Function(code));
                }
                opcode::FUNCTION_EARLY => {
                    let message = "functions as release candidates of Redis 7.0 wrote them cannot be read; \
                         Redis 7.0 itself can neither";
                    return Err(RdbError {
                        offset: start,
                        kind: RdbErrorKind::Unsupported,
                        message: message.into(),
                    });
                }
                opcode::EXPIRES_MS => {
                    let at_ms = i64::from_le_bytes(cursor.array("the time a key expires")?);
                    // Redis' own mark for a key that does not.
                    self.attributes.expires_at_ms = Some(at_ms).filter(|at_ms| *at_ms != -1);
                }
                opcode::EXPIRES_S => {
                    let at_s = i32::from_le_bytes(cursor.array("the time a key expires")?);
                    self.attributes.expires_at_ms = Some(i64::from(at_s) * 1000);
                }
                opcode::IDLE => {
                    self.attributes.idle_s = Some(cursor.number("the idle time of a key")?);
                }
                opcode::FREQUENCY => {
                    self.attributes.frequency = Some(cursor.byte("the frequency of a key")?);
                }
                opcode::SLOT_INFO => {
                    for _ in 0..3 {
                        cursor.number("the size of a slot")?;
                    }
                }
                opcode::KEY_METADATA_OR_SLOT_IMPORT if self.is_valkey => {
                    cursor.skip_string("the name of a move of slots")?;
                    for _ in 0..cursor.number("the ranges of slots that are moved")? {
                        cursor.number("the first slot of a range")?;
                        cursor.number("the last slot of a range")?;
                    }
                }
                opcode::KEY_METADATA_OR_SLOT_IMPORT => {
                    for _ in 0..cursor.number("the modules that know something of a key")? {
                        cursor.array::<4>("the module that knows something of a key")?;
                        skip_module_elements(cursor)?;
                    }
                    let what = "what modules have noted about a key".to_string();
                    return Ok(Entry::Ignored(what));
                }
                opcode::MODULE_DATA => {
                    let module = module_name(cursor.number("the module of auxiliary data")?);
                    skip_module_elements(cursor)?;
                    let what = format!("auxiliary data of the module type {module}");
                    return Ok(Entry::Ignored(what));
                }
                opcode::UPDATE => {
                    let message =
                        "commands among the keys, as Valkey 9.2 may write them, cannot be read";
                    return Err(RdbError {
                        offset: start,
                        kind: RdbErrorKind::Unsupported,
                        message: message.into(),
                    });
                }
                kind => return self.key(kind).map(Entry::Key),
            }
        }
    }

    fn key(&mut self, kind: u8) -> Result<KeyEntry<'a>, RdbError> {
        let kind = match kind {
            kind::HASH_EXPIRING_VALKEY_IN_FILES if self.is_valkey => kind::HASH_EXPIRING_VALKEY,
            kind::HASH_EXPIRING_VALKEY => {
                // A number of ours, which no file has.
                let message = format!("expected an entry and found kind {kind}, which is none");
                return Err(self.cursor.error(RdbErrorKind::Malformed, message));
            }
            _ => kind,
        };
        let key = self.cursor.string("the name of a key")?;
        let value_offset = self.cursor.offset();
        skip_value(&mut self.cursor, kind).map_err(|error| RdbError {
            message: format!(
                "in the {} of key \"{}\" in database {}: {}",
                kind::name(kind),
                shortened(&key),
                self.database,
                error.message
            ),
            ..error
        })?;
        let attributes = std::mem::take(&mut self.attributes);
        Ok(KeyEntry {
            database: self.database,
            key,
            expires_at_ms: attributes.expires_at_ms,
            idle_s: attributes.idle_s,
            frequency: attributes.frequency,
            kind,
            value: self.cursor.since(value_offset),
            value_offset,
        })
    }

    fn end(&mut self) -> Result<Checksum, RdbError> {
        if self.version < CHECKSUM_VERSION_MIN {
            return Ok(Checksum::Absent);
        }
        self.sum_up();
        let offset = self.cursor.offset();
        let stated = u64::from_le_bytes(self.cursor.array("the checksum")?);
        match self.sum {
            _ if stated == 0 => Ok(Checksum::Absent),
            None => Ok(Checksum::Unchecked),
            Some(sum) if sum.value() == stated => Ok(Checksum::Right),
            Some(sum) => Err(RdbError {
                offset,
                kind: RdbErrorKind::Checksum,
                message: format!(
                    "expected the checksum {:016x} of the {offset} bytes before and found {stated:016x}; some of them have changed",
                    sum.value()
                ),
            }),
        }
    }
}

impl<'a> Iterator for RdbReader<'a> {
    type Item = Result<Entry<'a>, RdbError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let entry = self.entry();
        self.has_ended = matches!(entry, Err(_) | Ok(Entry::End(_)));
        if !self.has_ended {
            self.sum_up();
        }
        Some(entry)
    }
}

/// A key's name for a message.
fn shortened(key: &[u8]) -> String {
    const BYTES_MAX: usize = 100;
    let more = if key.len() > BYTES_MAX { "..." } else { "" };
    format!("{}{more}", key[..key.len().min(BYTES_MAX)].escape_ascii())
}
