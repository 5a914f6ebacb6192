//! What a start finds in the directory of the log: it is locked and read, and each shard's log is told where to go on.
//!
//! Never: writes a log, or runs one again ([`super::replay`] does). The decision worth knowing: where the number of shards is another one the log is written anew in a directory
//! of its own, and the names of the two are exchanged.

use super::import;
use super::replay::Replay;
use super::start::StartError;
use crate::command::dump::image::{self, ImageHead};
use crate::config::Config;
use crate::persist::disk::FileName;
use crate::persist::log::Start;
use crate::shard::{Shard, slots};
use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;

/// The file that whoever uses the directory holds locked.
pub(super) const LOCK: &str = "lock";
/// Keys that go from one thread to another at once.
const MOVED_AT_ONCE: usize = 256;

/// What a start has found.
pub struct Found {
    /// The directory.
    pub directory: PathBuf,
    /// Locked for as long as the server runs.
    pub lock: File,
    /// The directory of the new log, if the number of shards is another one.
    pub renewal: Option<Renewal>,
    /// The number of shards that wrote what is there.
    pub shards_before: usize,
    /// Where each shard's log goes on.
    pub starts: Vec<Start>,
    /// Greater than the number of any transaction.
    pub transaction_next: u64,
    /// Nothing has ever been written there.
    pub is_new: bool,
    /// What was being imported when a start before this one ended early.
    pub interrupted: Option<PathBuf>,
    /// What is to be said about it.
    pub messages: Vec<String>,
    /// What is to be run again.
    pub replay: Replay,
}

pub(super) fn failed(directory: &Path, what: &str, error: &dyn std::fmt::Display) -> StartError {
    StartError(format!(
        "appenddirname {}: {what}: {error}",
        directory.display()
    ))
}

/// Makes the directory if need be, and locks it.
pub fn lock(directory: &Path) -> Result<File, StartError> {
    fs::create_dir_all(directory).map_err(|error| {
        failed(
            directory,
            "cannot be made; create it, or correct --dir or --appenddirname",
            &error,
        )
    })?;
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(directory.join(LOCK))
        .map_err(|error| {
            failed(
                directory,
                "cannot be written to; correct its permissions",
                &error,
            )
        })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(StartError(format!(
            "appenddirname {}: another server uses it; stop that one, or give this one another --dir or --appenddirname",
            directory.display()
        ))),
        Err(fs::TryLockError::Error(error)) => Err(failed(directory, "cannot be locked", &error)),
    }
}

impl Found {
    /// Reads the directory of a configuration for a server of so many shards; `identity` is that of a data set that begins.
    pub fn open(config: &Config, shards: usize, identity: [u8; 16]) -> Result<Found, StartError> {
        let directory = PathBuf::from(&config.appenddirname);
        let lock = lock(&directory)?;
        let interrupted = import::interrupted(&directory)?;
        let mut messages = Vec::new();
        let replay = Replay::read(&directory, shards, &mut messages)?;
        let recovered = &replay.recovered;
        let moves = recovered.identity.is_some() && recovered.shards as usize != shards;
        for cut in recovered.logs.iter().filter_map(|log| log.cut) {
            if !config.aof_load_truncated {
                return Err(replay.refused(&format!(
                    "{cut}; say aof-load-truncated yes to load what is before"
                )));
            }
            messages.push(format!("appenddirname {}: {cut}", directory.display()));
        }
        let mut starts = recovered.starts(identity);
        let mut renewal = None;
        if moves {
            messages.push(format!(
                "appenddirname {}: it was written by {} shards, and is written anew by {shards}",
                directory.display(),
                recovered.shards
            ));
            starts = (0..shards)
                .map(|shard| Start::fresh(identity, shard as u32, shards as u32))
                .collect();
            renewal = Some(Renewal::begin(&directory)?);
        }
        Ok(Found {
            directory,
            lock,
            renewal,
            shards_before: recovered.shards as usize,
            starts: starts.into_iter().take(shards).collect(),
            is_new: recovered.identity.is_none(),
            interrupted,
            transaction_next: recovered.transaction_next,
            messages,
            replay,
        })
    }

    /// Runs a log again that shards of another number wrote, and hands every key to the shard that owns it now; `senders` are theirs.
    pub fn share_out(
        &self,
        mut shard: Shard,
        senders: &[SyncSender<Vec<Moved>>],
    ) -> Result<(), String> {
        self.replay.load(&mut shard)?;
        let engine = &mut shard.engine;
        let mut batches: Vec<Vec<Moved>> = senders.iter().map(|_| Vec::new()).collect();
        for db in 0..engine.databases() {
            let mut cursor = 0;
            loop {
                cursor = engine.scan(db, cursor, MOVED_AT_ONCE, &mut |engine, item| {
                    let bytes = engine.key_bytes(item);
                    let mut payload = Vec::new();
                    let head =
                        image::write_item(engine, &engine.key(db, bytes), item, &mut payload);
                    batches[slots::owner(bytes, senders.len())].push(Moved {
                        db,
                        key: bytes.into(),
                        head,
                        payload,
                    });
                });
                for (batch, sender) in batches.iter_mut().zip(senders) {
                    if batch.len() >= MOVED_AT_ONCE || cursor == 0 {
                        // A shard that takes no more has failed, and says so itself.
                        let _ = sender.send(std::mem::take(batch));
                    }
                }
                if cursor == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The directory that the shards' logs are written to.
    pub fn directory_of_logs(&self) -> &Path {
        match &self.renewal {
            Some(renewal) => &renewal.directory,
            None => &self.directory,
        }
    }

    /// The directory of a configuration for data that replaces what is there, which is not looked at.
    pub fn replaced(
        config: &Config,
        shards: usize,
        identity: [u8; 16],
    ) -> Result<Found, StartError> {
        let directory = PathBuf::from(&config.appenddirname);
        let lock = lock(&directory)?;
        let replay = Replay::nothing(&directory);
        let start = |shard| Start::fresh(identity, shard as u32, shards as u32);
        Ok(Found {
            directory,
            lock,
            starts: (0..shards).map(start).collect(),
            renewal: None,
            shards_before: shards,
            is_new: true,
            interrupted: None,
            transaction_next: 0,
            messages: Vec::new(),
            replay,
        })
    }

    /// A log that goes on where `starts` say, with data that is there already; `lock` is the directory's.
    pub fn going_on(
        directory: PathBuf,
        lock: File,
        starts: Vec<Start>,
        transaction_next: u64,
    ) -> Found {
        let replay = Replay::nothing(&directory);
        Found {
            directory,
            lock,
            renewal: None,
            shards_before: starts.len(),
            starts,
            transaction_next,
            is_new: false,
            interrupted: None,
            messages: Vec::new(),
            replay,
        }
    }

    /// Frees the mappings when all is loaded, and gives the lock back, which must be kept. A new log takes the place of the old one, whose files are removed.
    pub fn done(self) -> Result<File, StartError> {
        let Found {
            directory,
            lock,
            renewal,
            replay,
            ..
        } = self;
        drop(replay);
        match renewal {
            Some(renewal) => renewal.finish(&directory),
            None => Ok(lock),
        }
    }
}

/// A key on its way from a shard that was to one that is.
pub struct Moved {
    db: usize,
    key: Box<[u8]>,
    head: ImageHead,
    payload: Vec<u8>,
}

impl Moved {
    /// Puts it into its new shard.
    pub fn store(self, shard: &mut Shard) -> Result<(), String> {
        let key = shard.engine.key(self.db, &self.key);
        image::read(&mut shard.engine, &key, self.head, &self.payload)
            .map_err(|error| error.to_string())
    }
}

/// A log that takes the place of another one as a whole: it is written into a directory of its own, and the names of the two are exchanged, which is one step for
/// whoever looks, also after a crash.
pub struct Renewal {
    /// Where it is written.
    pub directory: PathBuf,
    lock: File,
}

impl Renewal {
    /// Makes the directory for the log that will take the place of that in `old`; what an earlier start has left there goes.
    pub fn begin(old: &Path) -> Result<Renewal, StartError> {
        let mut name = old.as_os_str().to_owned();
        name.push(".new");
        let directory = PathBuf::from(name);
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(failed(
                    &directory,
                    "is left over and cannot be removed",
                    &error,
                ));
            }
            _ => {}
        }
        let lock = lock(&directory)?;
        Ok(Renewal { directory, lock })
    }

    /// Exchanges the names, and removes the old log. The lock of the new one.
    pub fn finish(self, old: &Path) -> Result<File, StartError> {
        exchange(&self.directory, old)
            .map_err(|error| failed(old, "the new log cannot take its place", &error))?;
        fs::remove_dir_all(&self.directory)
            .map_err(|error| failed(&self.directory, "the old log cannot be removed", &error))?;
        Ok(self.lock)
    }
}

/// How many shards the files of a log in this directory are of.
pub(super) fn shards_with_files(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let files = entries.filter_map(|entry| entry.file_name().to_str().and_then(FileName::parse));
    files
        .map(|file| file.shard() as usize + 1)
        .max()
        .unwrap_or(0)
}

/// Whether a file lies in memory, so that what is read from it takes memory twice.
pub(super) fn is_in_memory(file: &File) -> bool {
    // SAFETY: all zero is a valid structure, and the call writes no more than its size.
    unsafe {
        let mut about: libc::statfs = std::mem::zeroed();
        libc::fstatfs(file.as_raw_fd(), &raw mut about) == 0 && about.f_type == libc::TMPFS_MAGIC
    }
}

/// Gives the memory of a part of a file back that nobody will read again; its bytes are zero from then on. A refusal costs memory and nothing else.
pub(super) fn give_back(file: &File, start: u64, end: u64) {
    let mode = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    let len = end.saturating_sub(start) as libc::off_t;
    // SAFETY: the call takes plain numbers, and no memory of this process is of the file.
    unsafe { libc::fallocate(file.as_raw_fd(), mode, start as libc::off_t, len) };
}

/// Exchanges the names of two directories beside each other, for good.
fn exchange(one: &Path, other: &Path) -> std::io::Result<()> {
    let name = |path: &Path| {
        CString::new(path.as_os_str().as_bytes()).expect("a path of the system has no zero byte")
    };
    let (from, to) = (name(one), name(other));
    // SAFETY: both are strings that end with a zero byte, and the call keeps neither.
    let result = unsafe {
        libc::renameat2(
            libc::AT_FDCWD,
            from.as_ptr(),
            libc::AT_FDCWD,
            to.as_ptr(),
            libc::RENAME_EXCHANGE,
        )
    };
    if result != 0 {
        return Err(std::io::Error::last_os_error());
    }
    let parent = match other.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent)?.sync_all()
}
