//! A file in the making. What is written is appended to the caller's buffer, who takes it from there to the disk whenever it likes: between any two
//! calls, and so in slices of a turn.
//! Never: keeps what it has written; only the checksum of it.
//! The decision worth knowing: the version is the caller's choice and is made before the first key, because it stands in the header and decides which
//! forms the values may have.

use super::opcode;
use crate::codec::crc64::Crc64;
use crate::codec::element::{write_number, write_string};
use crate::codec::kind;
use std::fmt;

/// The versions that can be written. `command::dump::rdb_value` makes values in their forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum RdbVersion {
    /// Redis 7.0 and everything later reads it. Lost are the expiries of hashes' fields, which then stay for ever, and the times at which streams'
    /// consumers were last active.
    V10,
    /// Redis 7.2, Valkey and later. Lost are the expiries of hashes' fields.
    V11,
    /// Redis 7.4 and later. Nothing is lost. Valkey does not read it.
    V12,
}

impl RdbVersion {
    /// The number in the header.
    pub fn number(self) -> u16 {
        match self {
            RdbVersion::V10 => 10,
            RdbVersion::V11 => 11,
            RdbVersion::V12 => 12,
        }
    }

    /// True when readers of this version know the form. Values of modules can be written by nobody else than their module.
    pub fn knows(self, kind: u8) -> bool {
        match kind {
            kind::MODULE | kind::MODULE_EARLY | 8 => false,
            0..=kind::STREAM_2 => true,
            kind::SET_LISTPACK | kind::STREAM_3 => self >= RdbVersion::V11,
            kind::HASH_EXPIRING_EARLY..=kind::HASH_LISTPACK_EXPIRING => self >= RdbVersion::V12,
            _ => false,
        }
    }
}

/// What a file says of the server that writes it.
#[derive(Debug, Clone, Copy)]
pub struct Preface<'a> {
    /// The version of Redis that the server takes the place of, such as `7.0.15`.
    pub redis_version: &'a str,
    /// Now, in seconds since 1970.
    pub time_s: u64,
    /// Memory that the server uses.
    pub used_memory_bytes: u64,
    /// True when the file is the base of an append-only directory, false for a snapshot of its own.
    pub is_log_base: bool,
}

/// A key to be written.
#[derive(Debug, Clone, Copy)]
pub struct KeyToWrite<'a> {
    /// Its name.
    pub key: &'a [u8],
    /// When it expires, milliseconds since 1970.
    pub expires_at_ms: Option<i64>,
    /// For how many seconds it was not used. At most one of this and `frequency` is of use to a reader.
    pub idle_s: Option<u64>,
    /// How often it was used, on the logarithmic scale of Redis.
    pub frequency: Option<u8>,
    /// The form of its value, see [`kind`].
    pub kind: u8,
    /// Its value.
    pub value: &'a [u8],
}

/// The form of a value is newer than the file's version. Nothing was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindTooNew {
    /// The form.
    pub kind: u8,
    /// The file's version.
    pub version: RdbVersion,
}

impl fmt::Display for KindTooNew {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "a file of version {} cannot have a {} of kind {}",
            self.version.number(),
            kind::name(self.kind),
            self.kind
        )
    }
}

impl std::error::Error for KindTooNew {}

/// See the module. Functions come before the first database, and each database once.
#[derive(Debug, Clone)]
pub struct RdbWriter {
    version: RdbVersion,
    /// None: readers are told that there is none.
    sum: Option<Crc64>,
    bytes: u64,
}

impl RdbWriter {
    /// Begins a file with its header and the preface.
    pub fn begin(out: &mut Vec<u8>, version: RdbVersion, preface: &Preface<'_>) -> RdbWriter {
        let mut writer = RdbWriter {
            version,
            sum: Some(Crc64::new()),
            bytes: 0,
        };
        writer.write(out, |out| {
            out.extend_from_slice(format!("REDIS{:04}", version.number()).as_bytes());
        });
        let bits = usize::BITS.to_string();
        let time = preface.time_s.to_string();
        let memory = preface.used_memory_bytes.to_string();
        let is_base = u8::from(preface.is_log_base).to_string();
        for (name, value) in [
            ("redis-ver", preface.redis_version),
            ("redis-bits", &bits),
            ("ctime", &time),
            ("used-mem", &memory),
            ("aof-base", &is_base),
        ] {
            writer.auxiliary(out, name.as_bytes(), value.as_bytes());
        }
        writer
    }

    /// The file has 0 in place of a checksum, which saves a pass over the bytes here and wherever it is read.
    pub fn without_checksum(mut self) -> RdbWriter {
        self.sum = None;
        self
    }

    /// From here on values may have the forms of a newer version. The header, and with it the checksum, is that of the older one: who raises the version
    /// has to correct both in the finished file.
    pub fn raise(&mut self, version: RdbVersion) {
        self.version = self.version.max(version);
    }

    /// Bytes of the file so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    fn write(&mut self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        let start = out.len();
        write(out);
        if let Some(sum) = &mut self.sum {
            sum.update(&out[start..]);
        }
        self.bytes += (out.len() - start) as u64;
    }

    /// Writes an auxiliary field. Readers pass over those they do not know.
    pub fn auxiliary(&mut self, out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
        self.write(out, |out| {
            out.push(opcode::AUXILIARY);
            write_string(out, name);
            write_string(out, value);
        });
    }

    /// Writes the code of a library of functions.
    pub fn function(&mut self, out: &mut Vec<u8>, code: &[u8]) {
        self.write(out, |out| {
            out.push(opcode::FUNCTION);
            write_string(out, code);
        });
    }

    /// Begins a database. How many keys it has and how many of them expire are hints, for which an estimate is good enough.
    pub fn database(&mut self, out: &mut Vec<u8>, number: u32, keys: u64, expiring: u64) {
        self.write(out, |out| {
            out.push(opcode::DATABASE);
            write_number(out, number.into());
            out.push(opcode::SIZE_HINT);
            write_number(out, keys);
            write_number(out, expiring);
        });
    }

    /// Writes a key of the database that was begun last.
    pub fn key(&mut self, out: &mut Vec<u8>, key: &KeyToWrite<'_>) -> Result<(), KindTooNew> {
        if !self.version.knows(key.kind) {
            return Err(KindTooNew {
                kind: key.kind,
                version: self.version,
            });
        }
        self.write(out, |out| {
            if let Some(at_ms) = key.expires_at_ms {
                out.push(opcode::EXPIRES_MS);
                out.extend_from_slice(&at_ms.to_le_bytes());
            }
            if let Some(idle_s) = key.idle_s {
                out.push(opcode::IDLE);
                write_number(out, idle_s);
            }
            if let Some(frequency) = key.frequency {
                out.extend_from_slice(&[opcode::FREQUENCY, frequency]);
            }
            out.push(key.kind);
            write_string(out, key.key);
            out.extend_from_slice(key.value);
        });
        Ok(())
    }

    /// Goes on with the value of the key that was written last. A copy of the writer made before that key goes on as if it had never been written, once its bytes are gone.
    pub fn more(&mut self, out: &mut Vec<u8>, value: &[u8]) {
        self.write(out, |out| out.extend_from_slice(value));
    }

    /// Ends the file; the bytes it has.
    pub fn finish(mut self, out: &mut Vec<u8>) -> u64 {
        self.write(out, |out| out.push(opcode::END));
        let sum = self.sum.map_or(0, |sum| sum.value());
        self.write(out, |out| out.extend_from_slice(&sum.to_le_bytes()));
        self.bytes
    }
}
