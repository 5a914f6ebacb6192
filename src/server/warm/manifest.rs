//! The manifest: the small file that says that the memory of all shards is there, and what must still be as it was when they left it.
//!
//! Without it the other files mean nothing. It is written last, and removed first.

use super::file::{Finished, Identity, VERSION};
use crate::engine::frozen::fingerprint;
use crate::persist::frame::Position;

const MAGIC: &[u8; 8] = b"torcwarm";
/// More than any list in a manifest has.
const LIST_MAX: u32 = 1 << 24;

/// Where a shard's log ended, and which files it had.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogEnd {
    /// The data set.
    pub identity: Identity,
    /// The end.
    pub end: Position,
    /// The number of the next record.
    pub sequence: u64,
    /// Segments that are part of the log.
    pub segments: Vec<u64>,
    /// Names and lengths of all of the shard's files.
    pub files: Vec<(String, u64)>,
    /// The checksum of the log's own manifest.
    pub manifest_checksum: u32,
    /// The checksum of the last bytes of the log.
    pub tail_checksum: u32,
}

/// What one shard left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// Its file.
    pub file: Finished,
    /// Its items.
    pub keys: u64,
    /// Its log, if it has one.
    pub log: Option<LogEnd>,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// That of the stop.
    pub identity: Identity,
    /// Databases of the server.
    pub databases: u32,
    /// Length and time of the last change, in nanoseconds since 1970, of the snapshot beside it, if there was one.
    pub snapshot: Option<(u64, u64)>,
    /// Greater than the number of any transaction.
    pub transaction_next: u64,
    /// The function libraries, as FUNCTION DUMP writes them.
    pub libraries: Vec<u8>,
    /// The shards, in order.
    pub shards: Vec<Left>,
}

impl Manifest {
    /// The file's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_vec();
        put_u32(&mut out, VERSION);
        put_u32(&mut out, fingerprint());
        out.extend_from_slice(&self.identity);
        put_u32(&mut out, self.databases);
        let (len, changed) = self.snapshot.unwrap_or((u64::MAX, 0));
        put_u64(&mut out, len);
        put_u64(&mut out, changed);
        put_u64(&mut out, self.transaction_next);
        put_u32(&mut out, self.libraries.len() as u32);
        out.extend_from_slice(&self.libraries);
        put_u32(&mut out, self.shards.len() as u32);
        for shard in &self.shards {
            put_u64(&mut out, shard.file.len);
            put_u32(&mut out, shard.file.checksum);
            put_u64(&mut out, shard.keys);
            out.push(u8::from(shard.log.is_some()));
            if let Some(log) = &shard.log {
                put_log(&mut out, log);
            }
        }
        let checksum = crc32fast::hash(&out);
        put_u32(&mut out, checksum);
        out
    }

    /// Whether a file is one at all, of whatever version.
    pub fn is_one(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC)
    }

    /// Reads a file's bytes. An error says what is wrong with them.
    pub fn decode(bytes: &[u8]) -> Result<Manifest, String> {
        let mut input = Cursor(bytes);
        if input.take(8)? != MAGIC {
            return Err("it is no manifest of torc".into());
        }
        let version = input.u32()?;
        if version != VERSION {
            return Err(format!("it is of version {version}, not {VERSION}"));
        }
        let (body, checksum) = bytes
            .split_last_chunk::<4>()
            .ok_or("it is too short to be one")?;
        if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
            return Err("its checksum is wrong".into());
        }
        let mut input = Cursor(&body[12..]);
        if input.u32()? != fingerprint() {
            return Err("it was written by a program with another layout of memory".into());
        }
        let identity = input.array()?;
        let databases = input.u32()?;
        let snapshot = match (input.u64()?, input.u64()?) {
            (u64::MAX, _) => None,
            known => Some(known),
        };
        let transaction_next = input.u64()?;
        let libraries = input.u32()? as usize;
        let libraries = input.take(libraries)?.to_vec();
        let mut shards = Vec::new();
        for _ in 0..input.len()? {
            shards.push(Left {
                file: Finished {
                    len: input.u64()?,
                    checksum: input.u32()?,
                },
                keys: input.u64()?,
                log: match input.take(1)? {
                    [0] => None,
                    _ => Some(take_log(&mut input)?),
                },
            });
        }
        match input.0.is_empty() {
            true => Ok(Manifest {
                identity,
                databases,
                snapshot,
                transaction_next,
                libraries,
                shards,
            }),
            false => Err("it goes on behind its end".into()),
        }
    }
}

fn put_u32(out: &mut Vec<u8>, number: u32) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_u64(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

fn put_log(out: &mut Vec<u8>, log: &LogEnd) {
    out.extend_from_slice(&log.identity);
    put_u64(out, log.end.segment);
    put_u64(out, log.end.offset);
    put_u64(out, log.sequence);
    put_u32(out, log.manifest_checksum);
    put_u32(out, log.tail_checksum);
    put_u32(out, log.segments.len() as u32);
    log.segments.iter().for_each(|number| put_u64(out, *number));
    put_u32(out, log.files.len() as u32);
    for (name, len) in &log.files {
        put_u32(out, name.len() as u32);
        out.extend_from_slice(name.as_bytes());
        put_u64(out, *len);
    }
}

fn take_log(input: &mut Cursor<'_>) -> Result<LogEnd, String> {
    let mut log = LogEnd {
        identity: input.array()?,
        end: Position {
            segment: input.u64()?,
            offset: input.u64()?,
        },
        sequence: input.u64()?,
        manifest_checksum: input.u32()?,
        tail_checksum: input.u32()?,
        ..LogEnd::default()
    };
    for _ in 0..input.len()? {
        log.segments.push(input.u64()?);
    }
    for _ in 0..input.len()? {
        let len = input.u32()? as usize;
        let name = String::from_utf8_lossy(input.take(len)?).into_owned();
        log.files.push((name, input.u64()?));
    }
    Ok(log)
}

/// What is left to read.
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let split = self.0.split_at_checked(len);
        let (taken, rest) = split.ok_or("it ends too early")?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        Ok(self.take(N)?.try_into().expect("so many were taken"))
    }

    fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// The length of a list.
    fn len(&mut self) -> Result<u32, String> {
        match self.u32()? {
            len if len <= LIST_MAX => Ok(len),
            len => Err(format!("it has a list of {len}")),
        }
    }
}
