//! Redis' files at the start: a snapshot, an append-only file, or a directory of them with a manifest becomes the data of a server that has none yet.
//!
//! Never: serves before everything is read and found sound, or leaves half of an import behind as if it were a whole. The decisions worth knowing: one
//! thread ([`read`]) finds the keys in the mapped file and hands them to the shards' own threads, which decode and store them ([`take`]). While shards write what they have
//! got into logs of their own a marker, [`MARKER`], lies in the directory; a start that finds it throws the begun logs away and imports again.

mod engine;
mod read;
mod source;
mod take;

pub use source::Source;

use super::load::Found;
use super::start::StartError;
use super::worker::unix_ms;
use crate::config::Config;
use crate::engine::Type;
use crate::persist::disk::FileName;
use crate::script::store::ScriptStore;
use crate::shard::Shard;
use read::{Batch, Reader};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Instant;

/// Lies in the directory of the logs while an import writes them; it holds the path of what is imported.
const MARKER: &str = "importing";
/// Batches that may wait for a shard.
const BATCHES_MAX: usize = 16;
/// The types in the order in which they are counted.
pub const TYPES: [Type; 6] = [
    Type::String,
    Type::List,
    Type::Set,
    Type::SortedSet,
    Type::Hash,
    Type::Stream,
];

/// What has been done so far.
#[derive(Debug, Default)]
pub struct Figures {
    /// Bytes of the files that have been read, and how many there are.
    pub bytes: AtomicU64,
    /// See `bytes`.
    pub bytes_all: AtomicU64,
    /// Keys stored, in the order of [`TYPES`].
    pub keys: [AtomicU64; TYPES.len()],
    /// Keys left out because their time is over.
    pub expired: AtomicU64,
    /// Libraries of functions.
    pub libraries: AtomicU64,
}

impl Figures {
    /// Keys stored, of all types.
    pub fn keys_total(&self) -> u64 {
        let keys = self.keys.iter();
        keys.map(|count| count.load(Ordering::Relaxed)).sum()
    }
}

/// How far all have come.
#[derive(Default)]
struct Progress {
    /// The reader has come to the end, and found everything sound.
    is_read: bool,
    /// Shards that have stored all that is theirs.
    shards: usize,
    /// The first thing that went wrong.
    error: Option<String>,
}

/// An import that a start carries out.
pub struct Import {
    source: Source,
    /// The directory of the logs that are to be written, if any.
    directory: Option<PathBuf>,
    began: Instant,
    receivers: Vec<Mutex<Option<Receiver<Batch>>>>,
    senders: Mutex<Vec<SyncSender<Batch>>>,
    /// Libraries of functions take the place of those of the same name; otherwise that is an error.
    pub replaces_libraries: bool,
    progress: Mutex<Progress>,
    changed: Condvar,
    /// For those who wait.
    pub figures: Figures,
    messages: Mutex<Vec<String>>,
}

/// Tells the others if whoever holds it ends without having said that all is well.
struct Alarm<'a>(Option<&'a Import>);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if let Some(import) = self.0 {
            import.fail("a thread ended in the middle of the import".into());
        }
    }
}

impl Import {
    /// What a server without data of its own finds to import: beside a log that begins what Redis' log left, otherwise a snapshot.
    pub fn look_for(
        config: &Config,
        found: Option<&Found>,
        shards: usize,
    ) -> Result<Option<Import>, StartError> {
        let source = match found {
            Some(found) => match &found.interrupted {
                Some(path) => Some(source::interrupted(path)?),
                None if found.is_new => {
                    source::of_log(config)?.or_else(|| source::snapshot(config))
                }
                None => None,
            },
            None => source::snapshot(config),
        };
        let directory = found.map(|found| found.directory.clone());
        Ok(source.map(|source| Import::new(source, directory, shards)))
    }

    /// The import of a source by so many shards, whose logs are in the directory if they have any.
    pub fn new(source: Source, directory: Option<PathBuf>, shards: usize) -> Import {
        let channels = (0..shards).map(|_| mpsc::sync_channel(BATCHES_MAX));
        let (senders, receivers): (Vec<_>, Vec<_>) = channels.unzip();
        let receivers = receivers.into_iter();
        Import {
            source,
            directory,
            began: Instant::now(),
            receivers: receivers
                .map(|receiver| Mutex::new(Some(receiver)))
                .collect(),
            senders: Mutex::new(senders),
            replaces_libraries: false,
            progress: Mutex::default(),
            changed: Condvar::new(),
            figures: Figures::default(),
            messages: Mutex::default(),
        }
    }

    /// What is imported, in words.
    pub fn name(&self) -> String {
        self.source.path().display().to_string()
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress
            .lock()
            .expect("nobody panics while holding it")
    }

    fn fail(&self, error: String) {
        let mut progress = self.progress();
        progress.error.get_or_insert(error);
        self.changed.notify_all();
    }

    /// Begins to read on a thread of its own.
    pub fn begin(
        self: &Arc<Import>,
        config: &Arc<Config>,
        scripts: &Arc<ScriptStore>,
    ) -> Result<(), StartError> {
        let senders = std::mem::take(&mut *self.senders.lock().expect("nobody panics with it"));
        let (import, config, scripts) = (self.clone(), config.clone(), scripts.clone());
        let read = move || {
            let mut alarm = Alarm(Some(&import));
            let mut reader = Reader::new(&import, &config, scripts, senders);
            let outcome = reader.read(&import.source);
            let mut progress = import.progress();
            match outcome {
                Ok(()) => progress.is_read = true,
                Err(error) => {
                    progress.error.get_or_insert(error);
                }
            }
            alarm.0 = None;
            import.changed.notify_all();
            // Before the senders are gone: who sees that nothing comes any more finds here why.
            drop(progress);
        };
        let thread = thread::Builder::new().name("torc-import".into());
        // Nobody waits for its end: the shards learn from their channels that it has come.
        thread
            .spawn(read)
            .map(drop)
            .map_err(|error| StartError(format!("no thread could be started: {error}")))
    }

    /// Stores what is a shard's own, and waits until all shards have done so. An error is the same for all of them.
    pub fn load(&self, shard: &mut Shard) -> Result<(), String> {
        let mut alarm = Alarm(Some(self));
        let receiver = self.receivers[shard.id].lock();
        let receiver = receiver.expect("nobody panics with it").take();
        let receiver = receiver.expect("a shard loads once");
        shard.engine.set_now(unix_ms());
        if let Err(error) = take::all(self, shard, &receiver) {
            // Said before the channel closes, which the reader would only wonder about.
            self.fail(error);
        }
        drop(receiver);
        alarm.0 = None;
        let mut progress = self.progress();
        progress.shards += 1;
        if progress.shards == self.receivers.len() && progress.is_read && progress.error.is_none() {
            progress.error = self.mark().err();
        }
        self.changed.notify_all();
        loop {
            if let Some(error) = &progress.error {
                return Err(format!("{}: {error}; nothing was loaded", self.name()));
            }
            if progress.is_read && progress.shards == self.receivers.len() {
                return Ok(());
            }
            progress = self.changed.wait(progress).expect("nobody panics with it");
        }
    }

    /// From here on an interrupted import is begun again: leaves the marker, and removes what logs there were.
    fn mark(&self) -> Result<(), String> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        let path = directory.join(MARKER);
        let text = self.source.path().as_os_str().as_encoded_bytes();
        let written = File::create(&path)
            .and_then(|mut file| {
                file.write_all(text)?;
                file.sync_all()
            })
            .and_then(|()| sync(directory));
        written
            .and_then(|()| remove_logs(directory))
            .map_err(|error| format!("{} cannot be written: {error}", path.display()))
    }

    /// What is to be said besides, once.
    pub fn messages(&self) -> Vec<String> {
        let messages = self.messages.lock();
        let mut messages = std::mem::take(&mut *messages.expect("nobody panics with it"));
        if self.directory.is_some() && self.figures.libraries.load(Ordering::Relaxed) > 0 {
            let text =
                "the log keeps no libraries of functions: load them again after the next start";
            messages.push(text.into());
        }
        messages
    }

    /// How far it has come.
    pub fn progress_text(&self) -> String {
        let all = self.figures.bytes_all.load(Ordering::Relaxed).max(1);
        let bytes = self.figures.bytes.load(Ordering::Relaxed);
        format!(
            "importing {}: {} keys, {} of {} MiB read, {} %",
            self.name(),
            self.figures.keys_total(),
            bytes >> 20,
            all >> 20,
            bytes * 100 / all
        )
    }

    /// Keys that have been stored.
    pub fn keys_total(&self) -> u64 {
        self.figures.keys_total()
    }

    /// Keys that were left out because they had expired.
    pub fn keys_expired(&self) -> u64 {
        self.figures.expired.load(Ordering::Relaxed)
    }

    /// What has been imported.
    pub fn summary(&self) -> String {
        let figures = &self.figures;
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let names = [
            "strings",
            "lists",
            "sets",
            "sorted sets",
            "hashes",
            "streams",
        ];
        let by_type = names.iter().zip(&figures.keys);
        let by_type: Vec<String> = by_type
            .map(|(name, keys)| format!("{} {name}", count(keys)))
            .collect();
        format!(
            "imported {}: {} keys ({}), {} expired and left out, {} libraries of functions, in {:.1} s",
            self.name(),
            figures.keys_total(),
            by_type.join(", "),
            count(&figures.expired),
            count(&figures.libraries),
            self.began.elapsed().as_secs_f64()
        )
    }

    /// All shards have what they imported in their logs, for good.
    pub fn finish(&self) -> Result<(), StartError> {
        let Some(directory) = &self.directory else {
            return Ok(());
        };
        let removed = fs::remove_file(directory.join(MARKER)).and_then(|()| sync(directory));
        removed.map_err(|error| {
            let directory = directory.display();
            StartError(format!("{directory}: {MARKER} cannot be removed: {error}"))
        })
    }
}

fn sync(directory: &Path) -> std::io::Result<()> {
    File::open(directory)?.sync_all()
}

fn remove_logs(directory: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry
            .file_name()
            .to_str()
            .and_then(FileName::parse)
            .is_some()
        {
            fs::remove_file(entry.path())?;
        }
    }
    sync(directory)
}

/// Looks for the marker in a directory of logs that is locked: what was being imported when a start ended early. The logs that it had begun are removed.
pub(super) fn interrupted(directory: &Path) -> Result<Option<PathBuf>, StartError> {
    use std::os::unix::ffi::OsStringExt;
    let path = directory.join(MARKER);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StartError(format!("{}: {error}", path.display()))),
    };
    remove_logs(directory).map_err(|error| {
        let directory = directory.display();
        StartError(format!(
            "{directory}: what an import has begun cannot be removed: {error}"
        ))
    })?;
    let source = std::ffi::OsString::from_vec(text);
    Ok(Some(PathBuf::from(source)))
}
