//! What the log wants done, as values: the log makes operations, a driver carries them out and says what came of each.
//!
//! Never: does I/O. Operations under way at the same time may be carried out in any order; where the order matters the log waits for the earlier
//! one. Whatever the driver is made of (a ring, a simulated disk), it gives each ticket back exactly once.

use super::buffer::AlignedBuffer;
use std::fmt;

/// A file of a shard's log. The directory is the driver's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FileName {
    /// `shard-S.manifest`: says where a shard's data begins.
    Manifest {
        /// The shard.
        shard: u32,
    },
    /// `shard-S.manifest.new`: a manifest that has not taken its place yet.
    ManifestNew {
        /// The shard.
        shard: u32,
    },
    /// `shard-S.segment-N`.
    Segment {
        /// The shard.
        shard: u32,
        /// Its number; later ones are greater.
        number: u64,
    },
}

impl FileName {
    /// The shard it belongs to.
    pub fn shard(self) -> u32 {
        match self {
            FileName::Manifest { shard }
            | FileName::ManifestNew { shard }
            | FileName::Segment { shard, .. } => shard,
        }
    }

    /// The file that has this name, `None` if it is none of ours.
    pub fn parse(name: &str) -> Option<FileName> {
        let (shard, kind) = name.strip_prefix("shard-")?.split_once('.')?;
        let shard = shard.parse().ok()?;
        let file = if kind == "manifest" {
            FileName::Manifest { shard }
        } else if kind == "manifest.new" {
            FileName::ManifestNew { shard }
        } else {
            FileName::Segment {
                shard,
                number: kind.strip_prefix("segment-")?.parse().ok()?,
            }
        };
        // One file has one name: no sign, no other number of zeros.
        (file.to_string() == name).then_some(file)
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileName::Manifest { shard } => write!(out, "shard-{shard}.manifest"),
            FileName::ManifestNew { shard } => write!(out, "shard-{shard}.manifest.new"),
            FileName::Segment { shard, number } => {
                write!(out, "shard-{shard}.segment-{number:010}")
            }
        }
    }
}

/// Something to be done to a file. Offsets and lengths are whole blocks.
#[derive(Debug)]
pub enum Operation {
    /// Makes the file, or empties it if there is one, and asks for room; what the room holds does not matter.
    Create {
        /// The file.
        file: FileName,
        /// Bytes of room.
        preallocate_bytes: u64,
    },
    /// Writes the first `bytes` bytes of the buffer, all of them or it has failed. The buffer comes back with the completion.
    Write {
        /// The file, which was created.
        file: FileName,
        /// Where to.
        offset: u64,
        /// What.
        buffer: AlignedBuffer,
        /// How many bytes of it.
        bytes: usize,
        /// Complete only when these bytes (no others) would be found after a power loss, as with RWF_DSYNC.
        durable: bool,
    },
    /// Complete when all writes to the file that were complete when this was submitted would be found after a power loss, as with fdatasync.
    Sync {
        /// The file.
        file: FileName,
    },
    /// Gives the file another name, in place of a file that has it.
    Rename {
        /// Its name.
        from: FileName,
        /// Its new name.
        to: FileName,
    },
    /// Removes the file. That there is none is no error.
    Remove {
        /// The file.
        file: FileName,
    },
    /// Complete when files made, renamed and removed before would be found so after a power loss.
    SyncDirectory,
}

impl Operation {
    /// The verb and the file, for messages.
    pub fn describe(&self) -> (&'static str, Option<FileName>) {
        match self {
            Operation::Create { file, .. } => ("create", Some(*file)),
            Operation::Write { file, .. } => ("write", Some(*file)),
            Operation::Sync { file } => ("sync", Some(*file)),
            Operation::Rename { from, .. } => ("rename", Some(*from)),
            Operation::Remove { file } => ("remove", Some(*file)),
            Operation::SyncDirectory => ("sync directory", None),
        }
    }
}

/// Names an operation under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Why an operation failed: an error number of the system, such as `ENOSPC`. A write that was cut short is `EIO`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskError(pub i32);

impl fmt::Display for DiskError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        std::io::Error::from_raw_os_error(self.0).fmt(out)
    }
}

/// What came of an operation.
#[derive(Debug)]
pub struct Completion {
    /// The operation.
    pub ticket: Ticket,
    /// How it ended.
    pub result: Result<(), DiskError>,
    /// The buffer of a write, with the bytes that were in it, whether it succeeded or not.
    pub buffer: Option<AlignedBuffer>,
}

/// Takes operations; their completions come back through the log's `completed`, not from within `submit`.
pub trait Disk {
    /// Begins an operation.
    fn submit(&mut self, ticket: Ticket, operation: Operation);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_round_trip_and_others_are_foreign() {
        for file in [
            FileName::Manifest { shard: 0 },
            FileName::ManifestNew { shard: 12 },
            FileName::Segment {
                shard: 3,
                number: 7,
            },
            FileName::Segment {
                shard: 3,
                number: u64::MAX,
            },
            FileName::Segment {
                shard: 127,
                number: 12_345_678_901,
            },
        ] {
            assert_eq!(FileName::parse(&file.to_string()), Some(file));
        }
        for name in [
            "",
            "shard-0",
            "shard-+1.manifest",
            "shard-01.manifest",
            "shard-0.segment-7",
            "shard-0.segment-0000000007.cut-4096",
            "appendonly.aof.manifest",
            "shard-0.segment-",
        ] {
            assert_eq!(FileName::parse(name), None, "{name}");
        }
    }
}
