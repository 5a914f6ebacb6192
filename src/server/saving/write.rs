//! The thread that writes a snapshot: to a file of another name, synced, then renamed, so that the last good one is there until the next is.
//!
//! Never: leaves its file behind when anything goes wrong, or takes a snapshot for whole that not all shards have finished.

use super::Save;
use super::channel::Receiver;
use crate::codec::crc64::Crc64;
use crate::command::dump::Payload;
use crate::config::Config;
use crate::persist::rdb::{KeyToWrite, Preface, RdbVersion, RdbWriter};
use crate::server::commands::REDIS_VERSION;
use crate::server::shared::Shared;
use crate::server::snapshot::bytes_resident;
use crate::server::worker::unix_ms;
use crate::shard::picture::Written;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

/// Shards and whoever else has work go before this thread where there are too few cores.
const NICENESS: i32 = 10;
/// After so many values that have hardly become shorter, so many are not compressed at all before the next.
const IN_VAIN_MAX: u32 = 64;
/// See [`IN_VAIN_MAX`].
const UNTRIED_MAX: u32 = 31;
/// Less than this part of a value is hardly anything.
const GAIN_DIVISOR: usize = 16;
/// Bytes written at a time.
const BUFFER_BYTES: usize = 256 << 10;
/// So often the disk is given what was written, so that the last sync is short.
const GIVEN_BYTES: u64 = 4 << 20;
/// So much may be on its way to the disk: for more the thread waits.
const UNDER_WAY_BYTES_MAX: u64 = 32 << 20;

/// What goes on with a large value.
pub enum Piece {
    /// This.
    Bytes(Vec<u8>),
    /// Nothing: it is whole.
    End,
}

/// What a shard hands over.
pub enum Chunk {
    /// Keys of a database.
    Keys {
        /// The database.
        db: u32,
        /// The keys.
        keys: Vec<Written>,
    },
    /// A key with a large value.
    Large {
        /// The database.
        db: u32,
        /// The key, with the beginning of its value.
        key: Written,
        /// The rest of the value. Without the last piece there is no such key.
        pieces: Receiver<Piece>,
    },
    /// The shard has no more.
    End,
}

/// Starts the thread.
pub fn begin(shared: Arc<Shared>, save: Arc<Save>, chunks: Receiver<Chunk>) -> io::Result<()> {
    let functions = shared.scripts.functions();
    let codes: Vec<Vec<u8>> = functions.codes().map(Vec::from).collect();
    drop(functions);
    let write = move || {
        // SAFETY: the call is about this thread alone, and touches no memory.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, NICENESS) };
        let config = shared.config();
        let temporary = PathBuf::from(format!("temp-{}.rdb", std::process::id()));
        let outcome = write_file(&shared, &save, &config, &codes, &chunks, &temporary);
        drop(chunks);
        if outcome.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        let outcome =
            outcome.map_err(|error| format!("{} could not be written: {error}", config.dbfilename));
        shared.saves.end(&shared, &save, outcome);
    };
    let thread = thread::Builder::new().name("torc-save".into());
    thread.spawn(write).map(drop)
}

struct Output {
    file: File,
    buffer: Vec<u8>,
    /// Bytes of the file, without those of the buffer.
    written: u64,
    /// How much of it the disk has been given.
    given: u64,
}

impl Output {
    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        if self.written >= self.given + GIVEN_BYTES {
            self.give();
        }
        Ok(())
    }

    /// Has the disk begin with what it has not been given, and waits for what it was given long ago. What goes wrong here goes wrong in the sync at the end.
    fn give(&mut self) {
        let range = |from: u64, to: u64, flags| {
            // SAFETY: the file is open, and the call is about its pages alone.
            unsafe {
                libc::sync_file_range(
                    self.file.as_raw_fd(),
                    from as i64,
                    (to - from) as i64,
                    flags,
                )
            };
        };
        range(self.given, self.written, libc::SYNC_FILE_RANGE_WRITE);
        self.given = self.written;
        let end = self.written.saturating_sub(UNDER_WAY_BYTES_MAX);
        let start = end.saturating_sub(GIVEN_BYTES);
        if start < end {
            range(start, end, libc::SYNC_FILE_RANGE_WAIT_BEFORE);
        }
    }

    /// Bytes of what there is so far.
    fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    /// Takes everything back that came behind a position.
    fn go_back(&mut self, position: u64) -> io::Result<()> {
        match position.checked_sub(self.written) {
            Some(left) => self.buffer.truncate(left as usize),
            None => {
                self.buffer.clear();
                self.file.set_len(position)?;
                self.file.seek(SeekFrom::Start(position))?;
                self.written = position;
                self.given = self.given.min(position);
            }
        }
        Ok(())
    }
}

/// Whether it is worth the time to compress: of values that do not become shorter only a few are tried. What is read is the same.
#[derive(Default)]
struct Worth {
    /// Values in a row that have not become shorter, and then those that were not tried.
    in_vain: u32,
    untried: u32,
}

impl Worth {
    fn compress(&mut self, value: Payload, has_time: bool) -> Vec<u8> {
        if !value.may_compress() || !has_time {
            return value.into_plain();
        }
        if self.in_vain >= IN_VAIN_MAX && self.untried < UNTRIED_MAX {
            self.untried += 1;
            return value.into_plain();
        }
        self.untried = 0;
        let len = value.plain().len();
        let bytes = value.compressed();
        self.in_vain = match bytes.len() < len - len / GAIN_DIVISOR {
            true => 0,
            false => self.in_vain.saturating_add(1),
        };
        bytes
    }
}

/// Writes a value until its last piece. False: that never comes.
fn write_pieces(
    output: &mut Output,
    writer: &mut RdbWriter,
    pieces: &Receiver<Piece>,
) -> io::Result<bool> {
    loop {
        match pieces.recv() {
            Ok(Piece::Bytes(bytes)) => {
                writer.more(&mut output.buffer, &bytes);
                if output.buffer.len() >= BUFFER_BYTES {
                    output.flush()?;
                }
            }
            Ok(Piece::End) => return Ok(true),
            Err(_) => return Ok(false),
        }
    }
}

fn write_file(
    shared: &Shared,
    save: &Save,
    config: &Config,
    codes: &[Vec<u8>],
    chunks: &Receiver<Chunk>,
    temporary: &Path,
) -> io::Result<()> {
    let open = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(temporary);
    let mut output = Output {
        file: open?,
        buffer: Vec::with_capacity(2 * BUFFER_BYTES),
        written: 0,
        given: 0,
    };
    let preface = Preface {
        redis_version: REDIS_VERSION,
        time_s: (unix_ms() / 1000) as u64,
        used_memory_bytes: bytes_resident(),
        is_log_base: false,
    };
    // Kinds are checked against the newest version; which one the file has is known at its end.
    let mut writer = RdbWriter::begin(&mut output.buffer, RdbVersion::V10, &preface);
    if !config.rdbchecksum {
        writer = writer.without_checksum();
    }
    let mut is_raised = false;
    for code in codes {
        writer.function(&mut output.buffer, code);
    }
    let mut worth = Worth::default();
    let (mut ended, mut current) = (0, None);
    while ended < shared.shards() {
        let Ok(chunk) = chunks.recv() else {
            return Err(io::Error::other("a shard has given it up"));
        };
        let (db, keys, pieces) = match chunk {
            Chunk::End => {
                ended += 1;
                continue;
            }
            Chunk::Keys { db, keys } => (db, keys, None),
            Chunk::Large { db, key, pieces } => (db, vec![key], Some(pieces)),
        };
        if current != Some(db) {
            current = Some(db);
            writer.database(&mut output.buffer, db, 0, 0);
        }
        shared.saves.progress.add(keys.len() as u64);
        let before = pieces.map(|pieces| (pieces, writer.clone(), output.position()));
        for written in keys {
            let value = worth.compress(written.value, save.may_compress());
            let (kind, value) = value.split_first().expect("a value has a kind");
            if !is_raised && !RdbVersion::V10.knows(*kind) {
                is_raised = true;
                writer.raise(RdbVersion::V12);
            }
            let key = KeyToWrite {
                key: &written.key,
                expires_at_ms: written.expires_at_ms,
                idle_s: written.idle_s,
                frequency: written.frequency,
                kind: *kind,
                value,
            };
            let out = &mut output.buffer;
            writer.key(out, &key).map_err(io::Error::other)?;
            if output.buffer.len() >= BUFFER_BYTES {
                output.flush()?;
            }
        }
        if let Some((pieces, without, position)) = before {
            let is_whole = write_pieces(&mut output, &mut writer, &pieces)?;
            if !is_whole {
                output.go_back(position)?;
                writer = without;
            }
        }
    }
    writer.finish(&mut output.buffer);
    output.flush()?;
    if is_raised {
        raise_header(&mut output.file, RdbVersion::V12, config.rdbchecksum)?;
    }
    output.file.sync_all()?;
    fs::rename(temporary, &config.dbfilename)?;
    File::open(".")?.sync_all()
}

/// Gives a finished file another version: its header, and the checksum of it all if it has one.
fn raise_header(file: &mut File, version: RdbVersion, has_checksum: bool) -> io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    write!(file, "REDIS{:04}", version.number())?;
    if !has_checksum {
        return Ok(());
    }
    let end = file.seek(SeekFrom::End(-8))?;
    file.seek(SeekFrom::Start(0))?;
    let mut sum = Crc64::new();
    let mut left = end;
    let mut buffer = vec![0; BUFFER_BYTES];
    while left > 0 {
        let len = left.min(BUFFER_BYTES as u64) as usize;
        file.read_exact(&mut buffer[..len])?;
        sum.update(&buffer[..len]);
        left -= len as u64;
    }
    file.seek(SeekFrom::Start(end))?;
    file.write_all(&sum.value().to_le_bytes())
}
