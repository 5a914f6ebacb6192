//! Redis' append-only files: a log of commands as text, alone or with a snapshot in front of it, or several files that a manifest names in their order.
//!
//! ```text
//! until Redis 6   appendonly.aof                                   a log, which may begin with a snapshot
//! since Redis 7   appendonlydir/appendonly.aof.manifest            the files and their order
//!                 appendonlydir/appendonly.aof.2.base.rdb          a snapshot, or a log (.aof) that begins with nothing
//!                 appendonlydir/appendonly.aof.5.incr.aof ...      logs of what came after it
//! ```
//!
//! The format is that of redis/redis `src/aof.c`.
//!
//! Never: I/O, or knowledge of what a command does.
//! The decision worth knowing: what is wrong is told with the bytes before that are whole, and the caller decides. A file whose end is missing is what a
//! crash leaves behind, and Redis cuts it there when `aof-load-truncated` allows it, but only the last file; anything else that is wrong is damage.

mod commands;
mod manifest;

pub use commands::{Command, CommandReader};
pub use manifest::{FileToLoad, LogFile, Manifest, ManifestError};

use super::rdb::{self, RdbError, RdbErrorKind, RdbReader};
use std::fmt;

/// What kind of trouble it is; the message says the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogErrorKind {
    /// The file ends in the middle of a command or of a transaction.
    CutShort {
        /// How many bytes from the start of the file are whole, transactions included.
        whole_bytes: usize,
    },
    /// Bytes that cannot stand there.
    Malformed,
    /// The snapshot at the start of the file cannot be read.
    Snapshot(RdbErrorKind),
}

/// Why a file could not be read, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogError {
    /// The file.
    pub file: String,
    /// The byte of the file, counted from 0, at which it was noticed.
    pub offset: usize,
    /// What kind of trouble it is.
    pub kind: LogErrorKind,
    /// What was expected and what was found.
    pub message: String,
}

impl LogError {
    /// An error of the snapshot at the start of this file.
    pub fn of_snapshot(file: &str, error: RdbError) -> LogError {
        LogError {
            file: file.to_string(),
            offset: error.offset,
            kind: LogErrorKind::Snapshot(error.kind),
            message: error.message,
        }
    }
}

impl fmt::Display for LogError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{} at byte {}: {}",
            self.file, self.offset, self.message
        )
    }
}

impl std::error::Error for LogError {}

/// What a file begins with.
#[derive(Debug)]
pub enum Start<'a> {
    /// A snapshot. Commands may follow: a [`CommandReader`] from its [`RdbReader::offset`] on, once it has been read to its end, finds them.
    Snapshot(RdbReader<'a>),
    /// Commands.
    Commands(CommandReader<'a>),
}

/// Looks at the start of a file, which is named in errors. An empty file is one without commands.
pub fn open<'a>(file: &'a str, bytes: &'a [u8]) -> Result<Start<'a>, LogError> {
    if !rdb::is_rdb(bytes) {
        return Ok(Start::Commands(CommandReader::new(file, bytes, 0)));
    }
    RdbReader::new(bytes)
        .map(Start::Snapshot)
        .map_err(|error| LogError::of_snapshot(file, error))
}
