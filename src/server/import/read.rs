//! The reader of an import: maps the files, finds the keys, and hands each to the shard that owns it.
//!
//! Never: decodes a value of a snapshot, which is the shards' work, or has more under way than the channels hold. The decision worth knowing: a snapshot alone
//! goes from the mapped file to the shards as it is; where commands follow one, they may be about keys of several shards, so all is run on an engine without shards
//! first ([`super::engine`]), and its keys are handed over after that.

use super::engine::Replay;
use super::take::Place;
use super::{Import, Source};
use crate::config::Config;
use crate::persist::rdb::{Entry, KeyEntry, RdbReader};
use crate::persist::redis_log::{self, LogError, Manifest, Start};
use crate::script::store::ScriptStore;
use crate::script::{STATE_MEMORY_BYTES_MAX, Scripts};
use crate::server::worker::unix_ms;
use crate::shard::slots;
use memmap2::Mmap;
use std::fs::{self, File};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::SyncSender;

/// A batch goes when it has so many keys, or so many bytes of its own.
const BATCH_KEYS: usize = 256;
/// See [`BATCH_KEYS`].
const BATCH_BYTES: usize = 256 << 10;

/// A file in memory.
pub struct Mapped {
    /// Its name, for errors.
    pub name: String,
    /// What is in it.
    pub bytes: Mmap,
}

/// A key on its way to its shard.
pub struct Piece {
    db: u32,
    key: Box<[u8]>,
    expires_at_ms: Option<i64>,
    idle_ms: Option<u64>,
    frequency: Option<u8>,
    /// Its value.
    pub payload: Payload,
}

/// The value of a key.
pub enum Payload {
    /// As it stands in a snapshot.
    InFile {
        /// The file.
        file: Arc<Mapped>,
        /// The form of the value.
        kind: u8,
        /// Where it is.
        bytes: Range<usize>,
    },
    /// An image, see `command::dump::image`.
    Image {
        /// How the bytes are to be read.
        kind: u8,
        /// The bytes.
        bytes: Vec<u8>,
    },
}

/// Keys that go together.
pub type Batch = Vec<Piece>;

impl Piece {
    /// A key with the image of its value.
    pub fn of_image(place: &Place<'_>, kind: u8, bytes: Vec<u8>) -> Piece {
        Piece::new(place, Payload::Image { kind, bytes })
    }

    fn new(place: &Place<'_>, payload: Payload) -> Piece {
        Piece {
            db: place.db,
            key: place.key.into(),
            expires_at_ms: place.expires_at_ms,
            idle_ms: place.idle_ms,
            frequency: place.frequency,
            payload,
        }
    }

    /// Where it is to be put.
    pub fn place(&self) -> Place<'_> {
        Place {
            db: self.db,
            key: &self.key,
            expires_at_ms: self.expires_at_ms,
            idle_ms: self.idle_ms,
            frequency: self.frequency,
        }
    }

    fn bytes(&self) -> usize {
        let value = match &self.payload {
            Payload::InFile { .. } => 0,
            Payload::Image { bytes, .. } => bytes.len(),
        };
        self.key.len() + value
    }
}

/// The place that an entry of a snapshot says.
pub fn place_of<'a>(entry: &'a KeyEntry<'_>) -> Place<'a> {
    Place {
        db: entry.database,
        key: &entry.key,
        expires_at_ms: entry.expires_at_ms,
        idle_ms: entry.idle_s.map(|idle_s| idle_s.saturating_mul(1000)),
        frequency: entry.frequency,
    }
}

/// A file that is to be read, and what may be wrong with it.
struct Part {
    file: Arc<Mapped>,
    may_be_cut_short: bool,
}

/// See the module.
pub struct Reader<'a> {
    /// What is carried out.
    pub import: &'a Import,
    /// The server's configuration.
    pub config: &'a Config,
    scripts: Scripts,
    senders: Vec<SyncSender<Batch>>,
    /// For each shard what is to go next, and the bytes of it.
    pending: Vec<(Batch, usize)>,
    /// The time at which it began; what has expired by then is left out.
    pub now_ms: i64,
}

impl<'a> Reader<'a> {
    /// One that sends to these shards.
    pub fn new(
        import: &'a Import,
        config: &'a Config,
        scripts: Arc<ScriptStore>,
        senders: Vec<SyncSender<Batch>>,
    ) -> Reader<'a> {
        Reader {
            import,
            config,
            scripts: Scripts::new(scripts, STATE_MEMORY_BYTES_MAX),
            pending: senders.iter().map(|_| (Vec::new(), 0)).collect(),
            senders,
            now_ms: unix_ms(),
        }
    }

    /// Reads everything. An error names the file and the byte.
    pub fn read(&mut self, source: &Source) -> Result<(), String> {
        let parts = parts_of(source)?;
        let bytes = parts.iter().map(|part| part.file.bytes.len() as u64).sum();
        let figures = &self.import.figures;
        figures.bytes_all.store(bytes, Ordering::Relaxed);
        let must_be_snapshot = matches!(source, Source::Snapshot(_));
        if let [part] = &parts[..]
            && (must_be_snapshot || is_snapshot_alone(&part.file)?)
        {
            self.snapshot(&part.file)?;
        } else {
            let mut replay = Replay::new(self)?;
            for part in &parts {
                self.replayed(&mut replay, part)?;
            }
            replay.hand_over(self)?;
        }
        for shard in 0..self.senders.len() {
            self.flush(shard)?;
        }
        Ok(())
    }

    fn replayed(&mut self, replay: &mut Replay, part: &Part) -> Result<(), String> {
        let file = &part.file;
        let bytes = &file.bytes[..];
        let in_file = |what| format!("{}: {what}", file.name);
        let outcome = match redis_log::open(&file.name, bytes).map_err(|error| error.to_string())? {
            Start::Commands(reader) => replay.commands(self, bytes, reader).map_err(in_file)?,
            Start::Snapshot(mut reader) => {
                for entry in &mut reader {
                    let entry = entry.map_err(|error| format!("{} {error}", file.name))?;
                    match entry {
                        Entry::Key(entry) => replay.key(&file.name, &entry)?,
                        entry => self.other(&file.name, entry)?,
                    }
                }
                let start = reader.offset();
                let reader = redis_log::CommandReader::new(&file.name, bytes, start);
                replay.commands(self, bytes, reader).map_err(in_file)?
            }
        };
        if let Err(error) = outcome {
            self.cut_short(&error, part)?;
        }
        let read = &self.import.figures.bytes;
        read.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// A file ends in the middle of a command: as after a crash, if it is the last one and the configuration allows it.
    fn cut_short(&self, error: &LogError, part: &Part) -> Result<(), String> {
        if !part.may_be_cut_short || !self.config.aof_load_truncated {
            return Err(error.to_string());
        }
        self.say(format!("{error}; what is before was loaded"));
        Ok(())
    }

    fn say(&self, text: String) {
        let messages = self.import.messages.lock();
        messages.expect("nobody panics with it").push(text);
    }

    fn snapshot(&mut self, file: &Arc<Mapped>) -> Result<(), String> {
        let wrong = |error| format!("{} {error}", file.name);
        let mut reader = RdbReader::new(&file.bytes).map_err(wrong)?;
        if !self.config.rdbchecksum {
            reader = reader.without_checksum();
        }
        while let Some(entry) = reader.next() {
            match entry.map_err(wrong)? {
                Entry::Key(entry) => {
                    let bytes = entry.value_offset..entry.value_offset + entry.value.len();
                    let file = file.clone();
                    let kind = entry.kind;
                    let place = place_of(&entry);
                    self.send(Piece::new(&place, Payload::InFile { file, kind, bytes }))?;
                    let read = &self.import.figures.bytes;
                    read.store(reader.offset() as u64, Ordering::Relaxed);
                }
                entry => self.other(&file.name, entry)?,
            }
        }
        match file.bytes.len() - reader.offset() {
            0 => Ok(()),
            more => Err(format!(
                "{} at byte {}: expected the end of the file and found {more} bytes more",
                file.name,
                reader.offset()
            )),
        }
    }

    /// What in a snapshot is no key.
    fn other(&mut self, file: &str, entry: Entry<'_>) -> Result<(), String> {
        match entry {
            Entry::Function(code) => self
                .library(&code, self.import.replaces_libraries)
                .map_err(|error| format!("{file}: a library of functions: {error}")),
            Entry::Ignored(what) => {
                self.say(format!("{file}: {what} was left out"));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// FUNCTION LOAD.
    fn library(&mut self, code: &[u8], replace: bool) -> Result<(), String> {
        let loaded = self.scripts.load_library(code, replace);
        loaded.map_err(|error| String::from_utf8_lossy(&error).into_owned())?;
        let libraries = &self.import.figures.libraries;
        libraries.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// FUNCTION in a log of commands.
    pub fn function(&mut self, words: &[&[u8]]) -> Result<(), String> {
        let is = |name: &str| words[1].eq_ignore_ascii_case(name.as_bytes());
        let text = |error: Vec<u8>| String::from_utf8_lossy(&error).into_owned();
        match words {
            [_, _, options @ .., code] if is("load") => self.library(code, !options.is_empty()),
            [_, _, name] if is("delete") => self.scripts.delete_library(name).map_err(text),
            [_, _, ..] if is("flush") => {
                self.scripts.flush_libraries();
                Ok(())
            }
            [_, _, payload, policy @ ..] if is("restore") => {
                use crate::script::RestorePolicy::{Append, Flush, Replace};
                let policy = match policy.first().map(|word| word.to_ascii_lowercase()) {
                    Some(word) if word == b"flush" => Flush,
                    Some(word) if word == b"replace" => Replace,
                    _ => Append,
                };
                let restored = self.scripts.restore_libraries(payload, policy);
                restored.map_err(text)
            }
            _ => Err("this form of FUNCTION is not known".into()),
        }
    }

    /// Hands a key to its shard, unless its time is over.
    pub fn send(&mut self, piece: Piece) -> Result<(), String> {
        if piece
            .expires_at_ms
            .is_some_and(|at_ms| at_ms <= self.now_ms)
        {
            let expired = &self.import.figures.expired;
            expired.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let shard = slots::owner(&piece.key, self.senders.len());
        let (batch, bytes) = &mut self.pending[shard];
        *bytes += piece.bytes();
        batch.push(piece);
        if batch.len() >= BATCH_KEYS || *bytes >= BATCH_BYTES {
            self.flush(shard)?;
        }
        Ok(())
    }

    fn flush(&mut self, shard: usize) -> Result<(), String> {
        let (batch, _) = std::mem::take(&mut self.pending[shard]);
        let sent = self.senders[shard].send(batch);
        sent.map_err(|_| format!("shard {shard} takes no more keys"))
    }
}

fn map(path: &Path, name: String) -> Result<Arc<Mapped>, String> {
    let mapped = File::open(path).and_then(|file| {
        // SAFETY: the file is the user's own; who changes it meanwhile may see this process end or find the change in his data, as with any other reader.
        unsafe { Mmap::map(&file) }
    });
    match mapped {
        Ok(bytes) => Ok(Arc::new(Mapped { name, bytes })),
        Err(error) => Err(format!("{name} cannot be read: {error}")),
    }
}

fn parts_of(source: &Source) -> Result<Vec<Part>, String> {
    let path = source.path();
    let directory = path.parent().unwrap_or(Path::new("/"));
    let name = |path: &Path| path.file_name().unwrap_or_default().display().to_string();
    match source {
        Source::Snapshot(path) | Source::File(path) => Ok(vec![Part {
            file: map(path, name(path))?,
            may_be_cut_short: true,
        }]),
        Source::Manifest(path) => {
            let text = fs::read(path)
                .map_err(|error| format!("{} cannot be read: {error}", name(path)))?;
            let manifest =
                Manifest::parse(&text).map_err(|error| format!("{} {error}", name(path)))?;
            let mut parts = Vec::new();
            for found in manifest.files_to_load() {
                let file = map(&directory.join(&found.file.name), found.file.name.clone())?;
                parts.push(Part {
                    file,
                    may_be_cut_short: found.may_be_cut_short,
                });
            }
            // What has nothing in it changes nothing, and the snapshot before it can go straight to the shards.
            parts.retain(|part| !part.file.bytes.is_empty());
            Ok(parts)
        }
    }
}

/// Whether a file is a snapshot and nothing else: its entries are passed over, which is fast.
fn is_snapshot_alone(file: &Mapped) -> Result<bool, String> {
    let wrong = |error| format!("{} {error}", file.name);
    if !crate::persist::rdb::is_rdb(&file.bytes) {
        return Ok(false);
    }
    let reader = RdbReader::new(&file.bytes).map_err(wrong)?;
    let mut reader = reader.without_checksum();
    for entry in &mut reader {
        entry.map_err(wrong)?;
    }
    Ok(reader.offset() == file.bytes.len())
}
