//! What a start finds in the directory of the log: it is locked, read, and run again into the shards' engines.
//!
//! Never: writes a log; what it finds tells each shard's log where to go on. The decision worth knowing: files are mapped, and read twice. The first
//! pass, of all shards at the same time, verifies every byte and finds where each log ends, because a transaction that is not on all its shards must be on none; the second runs
//! the commands on the thread of the shard that they belong to.

use super::import;
use super::start::StartError;
use crate::command::Run;
use crate::command::dump::image::{self, ImageHead};
use crate::command::table;
use crate::config::Config;
use crate::engine::Touch;
use crate::persist::disk::FileName;
use crate::persist::entry::{Command, Entry, Value};
use crate::persist::log::Start;
use crate::persist::recovery::{ShardFiles, ShardLog, read_shard};
use crate::persist::settle::settle;
use crate::protocol::args::{Args, Range, locate};
use crate::protocol::resp::Reply;
use crate::shard::{Shard, slots};
use foldhash::HashSet;
use memmap2::Mmap;
use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex};

/// The file that whoever uses the directory holds locked.
pub(super) const LOCK: &str = "lock";
/// Records whose keys are brought near together.
const RUN_AT_ONCE: usize = 64;
/// Keys that go from one thread to another at once.
const MOVED_AT_ONCE: usize = 256;

/// Files of a log, mapped for as long as anybody reads them.
struct Mapped {
    /// What each shard has, by name; nothing for one that is new.
    shards: Vec<BTreeMap<FileName, Mmap>>,
}

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
    /// Bytes that have been run again so far, and how many there are: of all shards.
    pub progress: Arc<Progress>,
    /// The function libraries, as the first shard's log has them.
    pub libraries: Mutex<Option<Vec<u8>>>,
    logs: Vec<ShardLog<'static>>,
    /// Frees the mappings; see [`Found::done`].
    mapped: *mut Mapped,
}

// SAFETY: the pointer is only followed by `done`, which consumes the value; the maps themselves may be read from any thread.
unsafe impl Send for Found {}
// SAFETY: as above.
unsafe impl Sync for Found {}

/// How far loading has come.
#[derive(Debug, Default)]
pub struct Progress {
    /// Records run again.
    pub records: AtomicU64,
    /// Of so many.
    pub records_all: AtomicU64,
}

fn failed(directory: &Path, what: &str, error: &dyn std::fmt::Display) -> StartError {
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
            // SAFETY: nobody changes the files of a directory that is locked; who does all the same may see this process end.
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

impl Found {
    /// Reads the directory of a configuration for a server of so many shards; `identity` is that of a data set that begins.
    pub fn open(config: &Config, shards: usize, identity: [u8; 16]) -> Result<Found, StartError> {
        let directory = PathBuf::from(&config.appenddirname);
        let lock = lock(&directory)?;
        let interrupted = import::interrupted(&directory)?;
        let mut messages = Vec::new();
        let mapped = Box::new(map(&directory, shards, &mut messages)?);
        let pointer = Box::into_raw(mapped);
        // SAFETY: it was just made, and is freed by `done` alone, when nobody refers to it any more.
        let mapped: &'static Mapped = unsafe { &*pointer };
        let refused = |error: &dyn std::fmt::Display| {
            StartError(format!(
                "appenddirname {}: {error}; nothing was loaded. `torc check-log {}` tells more and can repair",
                directory.display(),
                directory.display()
            ))
        };
        let read = |shard: usize| read_shard(&files_of(shard as u32, &mapped.shards[shard]));
        let logs = std::thread::scope(|scope| {
            let readers: Vec<_> = (0..mapped.shards.len())
                .map(|shard| scope.spawn(move || read(shard)))
                .collect();
            let outcomes = readers.into_iter();
            let outcomes = outcomes.map(|reader| reader.join().expect("reading does not panic"));
            outcomes.collect::<Result<Vec<_>, _>>()
        });
        let logs = logs.map_err(|error| refused(&error))?;
        let recovered = settle(logs, shards as u32).map_err(|error| refused(&error))?;
        let moves = recovered.identity.is_some() && recovered.shards as usize != shards;
        for cut in recovered.logs.iter().filter_map(|log| log.cut) {
            if !config.aof_load_truncated {
                return Err(refused(&format!(
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
        let progress = Arc::new(Progress::default());
        let records = recovered.logs.iter().map(|log| log.records).sum();
        progress.records_all.store(records, Ordering::Relaxed);
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
            progress,
            libraries: Mutex::default(),
            logs: recovered.logs,
            mapped: pointer,
        })
    }

    /// Runs a log again that shards of another number wrote, and hands every key to the shard that owns it now; `senders` are theirs.
    pub fn share_out(
        &self,
        mut shard: Shard,
        senders: &[SyncSender<Vec<Moved>>],
    ) -> Result<(), String> {
        self.load(&mut shard)?;
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
        let start = |shard| Start::fresh(identity, shard as u32, shards as u32);
        Ok(Found {
            directory,
            lock,
            starts: (0..shards).map(start).collect(),
            renewal: None,
            shards_before: shards,
            libraries: Mutex::default(),
            is_new: true,
            interrupted: None,
            transaction_next: 0,
            messages: Vec::new(),
            progress: Arc::default(),
            logs: Vec::new(),
            mapped: Box::into_raw(Box::new(Mapped { shards: Vec::new() })),
        })
    }

    /// A log that goes on where `starts` say, with data that is there already; `lock` is the directory's.
    pub fn going_on(
        directory: PathBuf,
        lock: File,
        starts: Vec<Start>,
        transaction_next: u64,
    ) -> Found {
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
            progress: Arc::default(),
            libraries: Mutex::default(),
            logs: Vec::new(),
            mapped: Box::into_raw(Box::new(Mapped { shards: Vec::new() })),
        }
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
        let log = &self.logs[shard.id];
        let mut entries = log.entries();
        let mut batch = Vec::with_capacity(RUN_AT_ONCE);
        let mut hashes = Vec::with_capacity(RUN_AT_ONCE);
        loop {
            batch.clear();
            hashes.clear();
            batch.extend(entries.by_ref().take(RUN_AT_ONCE));
            if batch.is_empty() {
                // Who had a lease has gone, and what follows must find the same as when the log was written: so not before the end.
                shard.engine.void_leases(loader.won);
                return Ok(());
            }
            // The processor waits for memory most of the time here: for many keys at once.
            let keys = batch.iter().filter_map(|(_, body)| first_key(body));
            hashes.extend(keys.map(|key| shard.engine.key(0, key).hash));
            shard.engine.prefetch(hashes.iter().copied());
            for (position, body) in &batch {
                loader.run(shard, body, &self.libraries).map_err(|what| {
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

    /// Frees the mappings when all is loaded, and gives the lock back, which must be kept. A new log takes the place of the old one, whose files are removed.
    pub fn done(self) -> Result<File, StartError> {
        let Found {
            directory,
            lock,
            renewal,
            logs,
            mapped,
            ..
        } = self;
        drop(logs);
        // SAFETY: `open` made it, the logs were all that referred to it, and `done` runs once.
        drop(unsafe { Box::from_raw(mapped) });
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

/// The key that an entry is about, as far as that is seen at once: nothing depends on it but speed.
fn first_key(body: &[u8]) -> Option<&[u8]> {
    match Entry::decode(body).ok()? {
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
        libraries: &Mutex<Option<Vec<u8>>>,
    ) -> Result<(), String> {
        match Entry::decode(body).map_err(|error| error.to_string())? {
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
