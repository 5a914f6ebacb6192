//! Running a log again: its files are mapped and verified, and each shard's records are run on the thread of that shard.
//!
//! Never: writes a file, or says where a log goes on. The decision worth knowing: files are read twice. The first
//! pass, of all shards at the same time, verifies every byte and finds where each log ends, because a transaction that is not on all its shards must be on none; the second runs
//! the commands on the thread of the shard that they belong to.

use super::load::{LOCK, failed};
use super::start::StartError;
use crate::command::Run;
use crate::command::dump::image::{self, ImageHead};
use crate::command::table;
use crate::engine::{Touch, prefetch_line};
use crate::persist::disk::FileName;
use crate::persist::entry::{Command, Entry, Value};
use crate::persist::recovery::{ShardFiles, read_shard};
use crate::persist::settle::{Recovered, settle};
use crate::protocol::args::{Args, Range, locate};
use crate::protocol::resp::Reply;
use crate::shard::Shard;
use foldhash::HashSet;
use memmap2::Mmap;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Bytes of records that are brought near before they are looked at, at most.
const AHEAD_BYTES_MAX: usize = 32 << 10;
/// What a processor brings near at once.
const CACHE_LINE_BYTES: usize = 64;
/// Records whose keys are brought near together.
const RUN_AT_ONCE: usize = 64;
/// Files of a log, mapped for as long as anybody reads them.
struct Mapped {
    /// What each shard has, by name; nothing for one that is new.
    shards: Vec<BTreeMap<FileName, Mmap>>,
}

/// How far loading has come.
#[derive(Debug, Default)]
pub struct Progress {
    /// Records run again.
    pub records: AtomicU64,
    /// Of so many.
    pub records_all: AtomicU64,
}

fn map(
    directory: &Path,
    shards_least: usize,
    messages: &mut Vec<String>,
) -> Result<Mapped, StartError> {
    let unreadable = |error: &dyn std::fmt::Display| failed(directory, "cannot be read", error);
    let mut shards: Vec<BTreeMap<FileName, Mmap>> = Vec::new();
    shards.resize_with(shards_least, BTreeMap::new);
    for entry in fs::read_dir(directory).map_err(|error| unreadable(&error))? {
        let entry = entry.map_err(|error| unreadable(&error))?;
        let name = entry.file_name();
        let Some(file) = name.to_str().and_then(FileName::parse) else {
            if name != LOCK {
                messages.push(format!(
                    "{} in {} is no file of a log, and is left alone",
                    name.display(),
                    directory.display()
                ));
            }
            continue;
        };
        let shard = file.shard() as usize;
        if shard >= crate::limits::SHARDS_MAX {
            return Err(StartError(format!(
                "appenddirname {}: {file} is of a shard that cannot be",
                directory.display()
            )));
        }
        if shards.len() <= shard {
            shards.resize_with(shard + 1, BTreeMap::new);
        }
        let opened = File::open(entry.path()).and_then(|file| {
            // SAFETY: nobody changes the files of a directory that is locked, but this process, which only writes behind what it has read (DEBUG LOADAOF); who does all the same
            // may see this process end.
            unsafe { Mmap::map(&file) }
        });
        let mapped =
            opened.map_err(|error| failed(directory, &format!("{file} cannot be read"), &error))?;
        shards[shard].insert(file, mapped);
    }
    Ok(Mapped { shards })
}

fn files_of(shard: u32, mapped: &BTreeMap<FileName, Mmap>) -> ShardFiles<'_> {
    let mut files = ShardFiles {
        shard,
        ..ShardFiles::default()
    };
    for (name, bytes) in mapped {
        match *name {
            FileName::Manifest { .. } => files.manifest = Some(bytes),
            FileName::ManifestNew { .. } => files.manifest_new = true,
            FileName::Segment { number, .. } => files.segments.push((number, bytes)),
        }
    }
    files
}

/// The log of all shards, mapped for as long as this lives.
pub struct Replay {
    directory: PathBuf,
    /// What was found: where each shard's log ends, cut so that transactions are whole.
    pub recovered: Recovered<'static>,
    /// Records that have been run again so far, and how many there are: of all shards.
    pub progress: Arc<Progress>,
    /// The function libraries, as the first shard's log has them.
    pub libraries: Mutex<Option<Vec<u8>>>,
    /// What `recovered` refers to; null if it refers to nothing.
    mapped: *mut Mapped,
}

// SAFETY: the pointer is only followed when the value is dropped; the maps themselves may be read from any thread.
unsafe impl Send for Replay {}
// SAFETY: as above.
unsafe impl Sync for Replay {}

impl Drop for Replay {
    fn drop(&mut self) {
        self.recovered.logs.clear();
        if !self.mapped.is_null() {
            // SAFETY: `read` made it, the logs were all that referred to it, and a value is dropped once.
            drop(unsafe { Box::from_raw(self.mapped) });
        }
    }
}

impl Replay {
    /// Nothing to be run again.
    pub fn nothing(directory: &Path) -> Replay {
        Replay {
            directory: directory.to_path_buf(),
            recovered: Recovered {
                identity: None,
                shards: 0,
                logs: Vec::new(),
                transaction_next: 0,
            },
            progress: Arc::default(),
            libraries: Mutex::default(),
            mapped: std::ptr::null_mut(),
        }
    }

    /// Reads the files of a directory whose data `shards` shards would have if there were none. What is odd and does no harm is told in `messages`.
    pub fn read(
        directory: &Path,
        shards: usize,
        messages: &mut Vec<String>,
    ) -> Result<Replay, StartError> {
        let mapped = Box::into_raw(Box::new(map(directory, shards, messages)?));
        let mut replay = Replay::nothing(directory);
        replay.mapped = mapped;
        // SAFETY: it was just made, and is freed with `replay` alone, which everything that refers to it is a part of.
        let mapped: &'static Mapped = unsafe { &*mapped };
        let read = |shard: usize| read_shard(&files_of(shard as u32, &mapped.shards[shard]));
        let logs = std::thread::scope(|scope| {
            let readers: Vec<_> = (0..mapped.shards.len())
                .map(|shard| scope.spawn(move || read(shard)))
                .collect();
            let outcomes = readers.into_iter();
            let outcomes = outcomes.map(|reader| reader.join().expect("reading does not panic"));
            outcomes.collect::<Result<Vec<_>, _>>()
        });
        let logs = logs.map_err(|error| replay.refused(&error))?;
        replay.recovered = settle(logs, shards as u32).map_err(|error| replay.refused(&error))?;
        let records = replay.recovered.logs.iter().map(|log| log.records).sum();
        replay
            .progress
            .records_all
            .store(records, Ordering::Relaxed);
        Ok(replay)
    }

    /// What is to be said when the log is not to be loaded.
    pub(super) fn refused(&self, error: &dyn std::fmt::Display) -> StartError {
        let directory = self.directory.display();
        StartError(format!(
            "appenddirname {directory}: {error}; nothing was loaded. `torc check-log {directory}` tells more and can repair"
        ))
    }

    /// Runs a shard's log again. An error names the record and what is wrong with it.
    pub fn load(&self, shard: &mut Shard) -> Result<(), String> {
        let mut loader = Loader {
            reply: Reply::default(),
            ranges: Vec::new(),
            time_ms: 0,
            unfinished: None,
            won: HashSet::default(),
        };
        let log = &self.recovered.logs[shard.id];
        let mut entries = log.entries();
        let mut batch = Vec::with_capacity(RUN_AT_ONCE);
        let mut hashes = Vec::with_capacity(RUN_AT_ONCE);
        loop {
            batch.clear();
            hashes.clear();
            let next = entries.by_ref().take(RUN_AT_ONCE);
            batch.extend(next.map(|(position, body)| (position, body, Entry::decode(body))));
            if batch.is_empty() {
                // Who had a lease has gone, and what follows must find the same as when the log was written: so not before the end.
                shard.engine.void_leases(loader.won);
                return Ok(());
            }
            // The processor waits for memory most of the time here: for many keys at once, and for the next records, which are behind these and about as long.
            if let (Some((_, first, _)), Some((_, last, _))) = (batch.first(), batch.last()) {
                let end = last.as_ptr().wrapping_add(last.len());
                let len = (end as usize).wrapping_sub(first.as_ptr() as usize);
                let ahead = (0..len.min(AHEAD_BYTES_MAX)).step_by(CACHE_LINE_BYTES);
                ahead.for_each(|at| prefetch_line(end.wrapping_add(at)));
            }
            let entries = batch.iter().filter_map(|(_, _, entry)| entry.ok());
            let keys = entries.filter_map(first_key);
            hashes.extend(keys.map(|key| shard.engine.key(0, key).hash));
            shard.engine.prefetch(hashes.iter().copied());
            for (position, body, entry) in &batch {
                let outcome = entry.map_err(|error| error.to_string());
                let outcome =
                    outcome.and_then(|entry| loader.run(shard, body, entry, &self.libraries));
                outcome.map_err(|what| {
                    format!(
                        "appenddirname {}: the record at {position} cannot be loaded: {what}",
                        self.directory.display()
                    )
                })?;
            }
            let records = batch.len() as u64;
            self.progress.records.fetch_add(records, Ordering::Relaxed);
        }
    }
}

/// The key that an entry is about, as far as that is seen at once: nothing depends on it but speed.
fn first_key(entry: Entry<'_>) -> Option<&[u8]> {
    match entry {
        Entry::Command(mut command) => command.words.nth(1),
        Entry::Value(value) => Some(value.key),
        Entry::Part(_) | Entry::Library(_) => None,
    }
}

/// Runs entries again.
struct Loader {
    reply: Reply,
    ranges: Vec<Range>,
    time_ms: i64,
    /// A value whose last piece has not come yet. One that never does was being written when the server stopped: what the log says without it is complete.
    unfinished: Option<Unfinished>,
    /// Keys that were promised to a client at some time.
    won: HashSet<(usize, Box<[u8]>)>,
}

/// The pieces of a value so far.
struct Unfinished {
    db: u32,
    key: Box<[u8]>,
    payload: Vec<u8>,
}

impl Loader {
    fn run(
        &mut self,
        shard: &mut Shard,
        body: &[u8],
        entry: Entry<'_>,
        libraries: &Mutex<Option<Vec<u8>>>,
    ) -> Result<(), String> {
        match entry {
            Entry::Part(part) => {
                for entry in part.entries {
                    let entry = entry.map_err(|error| error.to_string())?;
                    self.entry(shard, body, entry)?;
                }
                Ok(())
            }
            Entry::Library(bytes) => {
                let mut last = libraries.lock().expect("nobody panics while holding it");
                *last = Some(bytes.to_vec());
                Ok(())
            }
            entry => self.entry(shard, body, entry),
        }
    }

    fn entry(&mut self, shard: &mut Shard, body: &[u8], entry: Entry<'_>) -> Result<(), String> {
        match entry {
            Entry::Command(command) => self.command(shard, body, command),
            Entry::Value(value) => self.value(shard, value),
            Entry::Library(_) | Entry::Part(_) => Err("it cannot be in a transaction".into()),
        }
    }

    fn command(
        &mut self,
        shard: &mut Shard,
        body: &[u8],
        command: Command<'_>,
    ) -> Result<(), String> {
        locate(body, command.words, &mut self.ranges).ok_or("it is longer than 4 GiB")?;
        let args = Args {
            buffer: body,
            ranges: &self.ranges,
            large: &mut [],
        };
        let row = table::resolve(&args).map_err(|error| error.to_string())?;
        if !matches!(row.run, Run::Data(_)) {
            return Err(format!("{} is no command on data", row.name));
        }
        let db = command.db as usize;
        if db >= shard.engine.databases() {
            return Err(format!("database {db} is beyond --databases"));
        }
        if command.time_ms as i64 != self.time_ms {
            self.time_ms = command.time_ms as i64;
            shard.engine.set_now(self.time_ms);
        }
        self.reply.clear();
        shard.execute(row, args, db, Touch::Yes, None, &mut self.reply);
        Ok(())
    }

    /// Puts a piece of a value to those before it; with the last the payload is whole. None: there is more to come, or it is a value of one piece.
    fn gather(&mut self, value: &Value<'_>) -> Result<Option<Vec<u8>>, String> {
        if value.first && value.last {
            return Ok(None);
        }
        if value.first {
            self.unfinished = Some(Unfinished {
                db: value.db,
                key: value.key.into(),
                payload: Vec::new(),
            });
        }
        let is_its = |unfinished: &&mut Unfinished| {
            unfinished.db == value.db && *unfinished.key == *value.key
        };
        let Some(unfinished) = self.unfinished.as_mut().filter(is_its) else {
            return Err("it goes on with a value that has no beginning".into());
        };
        unfinished.payload.extend_from_slice(value.payload);
        let whole = self.unfinished.take_if(|_| value.last);
        Ok(whole.map(|whole| whole.payload))
    }

    fn value(&mut self, shard: &mut Shard, value: Value<'_>) -> Result<(), String> {
        let db = value.db as usize;
        if db >= shard.engine.databases() {
            return Err(format!("database {db} is beyond --databases"));
        }
        let whole;
        let payload = match self.gather(&value)? {
            None if !value.last => return Ok(()),
            None => value.payload,
            Some(gathered) => {
                whole = gathered;
                &whole[..]
            }
        };
        if image::is_won(value.kind, payload) {
            self.won.insert((db, value.key.into()));
        }
        let key = shard.engine.key(db, value.key);
        let head = ImageHead {
            kind: value.kind,
            expires_at_ms: value.expires_at_ms.map(|at_ms| at_ms as i64),
        };
        image::read(&mut shard.engine, &key, head, payload).map_err(|error| error.to_string())
    }
}
