//! Warm restart: a clean stop leaves each shard's memory in a file, and the next start takes it from there (`warm-restart`).
//!
//! Never serves from memory that is doubtful: whatever is not exactly as it was left is said, the files are removed, and the data comes from the log, a snapshot, or nowhere.
//! The decisions worth knowing. The files are good for one start: their manifest is removed before the first client is served, and also by a start that does not use it, so that no
//! crash ever meets memory that has become stale. All shards take their memory, or none. Everything is checked before a shard's thread is started, so that the other ways
//! to data need not know of this one.
//!
//! `file` has the bytes of a shard's file, `manifest` the file that makes the others valid, `log_end` what the log must look like.

mod file;
mod log_end;
mod manifest;
#[cfg(test)]
mod tests;

use super::import;
use super::load::{self, Found};
use super::service::Service;
use super::shared::Shared;
use super::start::{pin_to, random_identity};
use crate::config::Config;
use crate::engine::{Engine, EngineOptions};
use crate::shard::Shard;
use file::{Identity, Reader, Writer};
use manifest::{Left, LogEnd, Manifest};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Mutex, MutexGuard};
use std::thread;
use std::time::Instant;

const MANIFEST: &str = "warm-manifest";
const PREFIX: &str = "warm-";
/// A file that has not taken its place yet.
const NEW: &str = ".new";
/// Threads that read beside a shard's own.
const HELPERS_MAX: usize = 7;

/// What INFO says of it.
#[derive(Debug, Clone, Default)]
pub struct WarmFigures {
    /// `none`, `ok`, or why the memory that was there was not taken.
    pub outcome: String,
    /// Bytes of all files.
    pub bytes: u64,
    /// Items.
    pub keys: u64,
    /// What loading took.
    pub milliseconds: u64,
}

impl WarmFigures {
    /// Nothing was loaded, for this reason.
    pub fn refused(reason: &str) -> WarmFigures {
        WarmFigures {
            outcome: format!("refused: {reason}"),
            ..WarmFigures::default()
        }
    }

    /// In words.
    pub fn text(&self) -> String {
        format!(
            "warm restart: {} keys from {} bytes of memory in {} ms",
            self.keys, self.bytes, self.milliseconds
        )
    }
}

/// What all shards share of it.
pub struct WarmRestart(Mutex<State>);

#[derive(Default)]
struct State {
    figures: WarmFigures,
    /// The stop leaves nothing, whatever the configuration says.
    is_refused: bool,
    /// That of the stop.
    identity: Option<Identity>,
    left: Vec<Option<Result<Left, String>>>,
    libraries: Vec<u8>,
}

impl WarmRestart {
    /// For so many shards; nothing has been loaded.
    pub fn new(shards: usize) -> WarmRestart {
        let figures = WarmFigures {
            outcome: "none".into(),
            ..WarmFigures::default()
        };
        WarmRestart(Mutex::new(State {
            figures,
            left: (0..shards).map(|_| None).collect(),
            ..State::default()
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics while holding it")
    }

    /// For INFO.
    pub fn figures(&self) -> WarmFigures {
        self.state().figures.clone()
    }

    /// Notes what has become of the start.
    pub fn started(&self, figures: WarmFigures) {
        self.state().figures = figures;
    }

    /// The stop is to leave nothing behind.
    pub fn refuse(&self) {
        self.state().is_refused = true;
    }

    fn is_wanted(&self, config: &Config) -> bool {
        config.warm_restart && !self.state().is_refused
    }

    /// A shard has come to its end, quiet or not, and its log is closed: leaves its memory, if that is wanted. `libraries` are the functions, which the first shard has.
    pub fn leave(&self, config: &Config, shard: Shard, is_quiet: bool, libraries: Option<Vec<u8>>) {
        if !self.is_wanted(config) {
            return;
        }
        let identity = *self.state().identity.get_or_insert_with(random_identity);
        let id = shard.id;
        let outcome = match is_quiet {
            true => leave_shard(config, shard, identity),
            false => Err("its last requests took too long".into()),
        };
        let mut state = self.state();
        state.left[id] = Some(outcome);
        state.libraries.extend(libraries.unwrap_or_default());
    }

    /// When all shards have ended: makes what they left valid. What is to be said about it; an error says why the next start will not find anything.
    pub fn finish(&self, config: &Config, transaction_next: u64) -> Option<Result<String, String>> {
        let state = std::mem::take(&mut *self.state());
        let (Some(identity), true) = (state.identity, config.warm_restart) else {
            return None;
        };
        let directory = directory(config);
        let mut shards = Vec::new();
        for (id, left) in state.left.into_iter().enumerate() {
            match left {
                Some(Ok(left)) => shards.push(left),
                Some(Err(error)) => {
                    return Some(Err(given_up(&directory, &format!("shard {id}: {error}"))));
                }
                None => {
                    let text = format!("shard {id} ended too early");
                    return Some(Err(given_up(&directory, &text)));
                }
            }
        }
        let (bytes, keys) = totals(&shards);
        let manifest = Manifest {
            identity,
            databases: config.databases as u32,
            snapshot: snapshot_of(config),
            transaction_next,
            libraries: state.libraries,
            shards,
        };
        Some(match publish(&directory, &manifest) {
            Ok(()) => Ok(format!(
                "memory left in {} for the next start: {keys} keys in {bytes} bytes",
                directory.display()
            )),
            Err(error) => Err(given_up(&directory, &error.to_string())),
        })
    }
}

fn given_up(directory: &Path, error: &str) -> String {
    remove_all(directory);
    format!(
        "the memory could not be left in {}: {error}; the next start does without it",
        directory.display()
    )
}

fn totals(shards: &[Left]) -> (u64, u64) {
    let bytes = shards.iter().map(|left| left.file.len).sum();
    (bytes, shards.iter().map(|left| left.keys).sum())
}

/// The directory of the files.
fn directory(config: &Config) -> PathBuf {
    match &config.warm_restart_dir[..] {
        "" => PathBuf::from("."),
        path => PathBuf::from(path),
    }
}

fn file_name(shard: usize) -> String {
    format!("{PREFIX}{shard}")
}

/// Length and time of the snapshot that a start without a log would load.
fn snapshot_of(config: &Config) -> Option<(u64, u64)> {
    let about = fs::metadata(&config.dbfilename).ok()?;
    let changed = about.mtime() as u64 * 1_000_000_000 + about.mtime_nsec() as u64;
    Some((about.len(), changed))
}

fn leave_shard(config: &Config, shard: Shard, identity: Identity) -> Result<Left, String> {
    let id = shard.id;
    let log = match &shard.journal.log {
        Some(log) => {
            let directory = Path::new(&config.appenddirname);
            Some(LogEnd::of(log, directory, id as u32)?)
        }
        None if config.appendonly => return Err("it has no log although it should".into()),
        None => None,
    };
    let directory = directory(config);
    let written = || -> io::Result<Left> {
        fs::create_dir_all(&directory)?;
        let path = directory.join(file_name(id) + NEW);
        let mut writer = Writer::create(&path, identity, id as u32)?;
        let figures = shard.engine.freeze(&mut writer)?;
        let file = writer.finish()?;
        fs::rename(&path, directory.join(file_name(id)))?;
        Ok(Left {
            file,
            keys: figures.keys,
            log,
        })
    };
    written().map_err(|error| error.to_string())
}

/// Writes the manifest; everything is durable when this returns.
fn publish(directory: &Path, manifest: &Manifest) -> io::Result<()> {
    let path = directory.join(MANIFEST);
    let new = directory.join(format!("{MANIFEST}{NEW}"));
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(&manifest.encode())?;
    file.sync_all()?;
    fs::rename(&new, &path)?;
    File::open(directory)?.sync_all()
}

/// Removes the manifest for good, and then, in the background, all files that mean nothing without it: giving gigabytes back takes a while.
fn put_away(directory: &Path) -> io::Result<()> {
    match fs::remove_file(directory.join(MANIFEST)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    File::open(directory)?.sync_all()?;
    // Under other names at once, for the stop may come soon and write files of these.
    let files = files(directory).into_iter();
    let old: Vec<PathBuf> = files
        .map(|path| {
            let mut old = path.clone().into_os_string();
            old.push(OLD);
            match path.to_string_lossy().ends_with(OLD) || fs::rename(&path, &old).is_err() {
                true => path,
                false => PathBuf::from(old),
            }
        })
        .collect();
    let thread = thread::Builder::new().name("torc-warm".into());
    // What is left over does no harm, and goes with the next start.
    let remove = move || old.iter().for_each(|path| drop(fs::remove_file(path)));
    let _ = thread.spawn(remove);
    Ok(())
}

/// A file on its way out.
const OLD: &str = ".old";

/// All files of earlier stops.
fn files(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let is_one = |name: &str| {
        let rest = name.strip_prefix(PREFIX)?;
        let rest = rest
            .strip_suffix(NEW)
            .or(rest.strip_suffix(OLD))
            .unwrap_or(rest);
        rest.parse::<u32>().ok()
    };
    let paths = entries.flatten().map(|entry| entry.path());
    let names = paths.filter(|path| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.and_then(is_one).is_some()
    });
    names.collect()
}

fn remove_all(directory: &Path) {
    for path in files(directory) {
        let _ = fs::remove_file(path);
    }
    let _ = fs::remove_file(directory.join(format!("{MANIFEST}{NEW}")));
}

/// What a start has taken from the files of the last stop.
pub struct Warm {
    /// Of each shard.
    pub engines: Vec<Option<Engine>>,
    /// The log that goes on, if there is one.
    pub found: Option<Found>,
    /// The function libraries.
    pub libraries: Vec<u8>,
    /// What INFO says of it.
    pub figures: WarmFigures,
    directory: PathBuf,
}

/// What a start finds.
pub enum Outcome {
    /// Nothing was left.
    Nothing,
    /// Something was left that may not be used, for this reason; it has been removed.
    Refused(String),
    /// All data.
    Loaded(Box<Warm>),
}

/// Looks for what the last stop left, and loads it if it is exactly that. `options` are those of each shard's engine, `cpus` the shards' cores, `cores` how many there are.
/// An error says why the files could not even be removed.
pub fn look(
    config: &Config,
    options: impl Fn(usize) -> EngineOptions,
    cpus: &[Option<usize>],
    cores: usize,
) -> Result<Outcome, String> {
    let directory = directory(config);
    let path = directory.join(MANIFEST);
    let bytes = match fs::read(&path) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Outcome::Nothing),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Ok(Outcome::Nothing),
        Err(error) => Err(error.to_string()),
    };
    let is_ours = |bytes: &Vec<u8>| Manifest::is_one(bytes);
    if !config.warm_restart && !bytes.as_ref().is_ok_and(is_ours) {
        // A file of that name that somebody else keeps there.
        return Ok(Outcome::Nothing);
    }
    let loaded = match config.warm_restart {
        true => bytes.and_then(|bytes| load(config, &directory, &bytes, options, cpus, cores)),
        false => Err("warm-restart is no, and it will be stale soon".into()),
    };
    match loaded {
        Ok(warm) => Ok(Outcome::Loaded(Box::new(warm))),
        Err(reason) => match put_away(&directory) {
            Ok(()) => Ok(Outcome::Refused(reason)),
            Err(error) => Err(format!(
                "{} is not used ({reason}) and cannot be removed ({error}); remove it, so that no later start takes it",
                path.display()
            )),
        },
    }
}

impl Warm {
    /// Removes the files, before anybody is served. An error says why that is not possible.
    pub fn used(directory: &Path) -> Result<(), String> {
        put_away(directory).map_err(|error| {
            format!(
                "{} cannot be removed ({error}), and would be stale soon; correct the permissions of the directory",
                directory.join(MANIFEST).display()
            )
        })
    }

    /// Where the files are.
    pub fn directory(&self) -> PathBuf {
        self.directory.clone()
    }
}

fn load(
    config: &Config,
    directory: &Path,
    bytes: &[u8],
    options: impl Fn(usize) -> EngineOptions,
    cpus: &[Option<usize>],
    cores: usize,
) -> Result<Warm, String> {
    let began = Instant::now();
    let manifest = Manifest::decode(bytes).map_err(|error| format!("the manifest: {error}"))?;
    let shards = cpus.len();
    if manifest.shards.len() != shards {
        let before = manifest.shards.len();
        return Err(format!("it is of {before} shards, and there are {shards}"));
    }
    if manifest.databases as usize != config.databases {
        let before = manifest.databases;
        let now = config.databases;
        return Err(format!("it is of {before} databases, and there are {now}"));
    }
    let found = match config.appendonly {
        true => Some(log_of(config, &manifest)?),
        false if manifest.snapshot != snapshot_of(config) => {
            let name = &config.dbfilename;
            return Err(format!("{name} is not the one that was there then"));
        }
        false => None,
    };
    let mut readers = Vec::new();
    for (id, left) in manifest.shards.iter().enumerate() {
        let name = file_name(id);
        let path = directory.join(&name);
        let reader = Reader::open(&path, &manifest.identity, id as u32, &left.file);
        readers.push(reader.map_err(|error| format!("{name}: {error}"))?);
    }
    let helpers = (cores / shards).saturating_sub(1).clamp(1, HELPERS_MAX);
    let engines = thread::scope(|scope| {
        let threads: Vec<_> = readers
            .iter()
            .zip(cpus)
            .enumerate()
            .map(|(id, (reader, cpu))| {
                let options = options(id);
                scope.spawn(move || {
                    if let (Some(cpu), 1) = (*cpu, helpers) {
                        // Memory is the processor's that touches it first.
                        pin_to(cpu);
                    }
                    let engine = reader.load(options, helpers);
                    engine.map_err(|error| format!("{}: {error}", file_name(id)))
                })
            })
            .collect();
        let outcomes = threads.into_iter().map(|thread| match thread.join() {
            Ok(outcome) => outcome,
            Err(_) => Err("a thread that loaded it ended early".into()),
        });
        outcomes.collect::<Vec<Result<Engine, String>>>()
    });
    let engines: Vec<Engine> = engines.into_iter().collect::<Result<_, _>>()?;
    let (bytes, keys) = totals(&manifest.shards);
    Ok(Warm {
        engines: engines.into_iter().map(Some).collect(),
        found,
        libraries: manifest.libraries,
        figures: WarmFigures {
            outcome: "ok".into(),
            bytes,
            keys,
            milliseconds: began.elapsed().as_millis() as u64,
        },
        directory: directory.to_path_buf(),
    })
}

/// The log that goes on behind the memory.
fn log_of(config: &Config, manifest: &Manifest) -> Result<Found, String> {
    let directory = PathBuf::from(&config.appenddirname);
    if !directory.is_dir() {
        return Err(format!("{} is not there", directory.display()));
    }
    let lock = load::lock(&directory).map_err(|error| error.to_string())?;
    match import::interrupted(&directory) {
        Ok(None) => {}
        Ok(Some(path)) => return Err(format!("{} is half imported", path.display())),
        Err(error) => return Err(error.to_string()),
    }
    let shards = manifest.shards.len();
    if load::shards_with_files(&directory) > shards {
        return Err("the log is of more shards".into());
    }
    let mut starts = Vec::new();
    for (id, left) in manifest.shards.iter().enumerate() {
        let log = left.log.as_ref();
        let log = log.ok_or("it was left without a log, and there is one to be kept")?;
        starts.push(log.check(&directory, id as u32, shards as u32)?);
    }
    Ok(Found::going_on(
        directory,
        lock,
        starts,
        manifest.transaction_next,
    ))
}

impl Service {
    /// The last thing that a shard does: leaves its memory for the next start, if that is wanted.
    pub fn leave_memory(mut self, is_quiet: bool) {
        if !self.shared.serving.load(Ordering::Acquire) {
            // A start that failed: what the last stop left is as good as it was.
            return;
        }
        let libraries = (self.shard.id == 0).then(|| self.script_runs.scripts.dump_libraries());
        let (shared, config) = (self.shared.clone(), self.shared.config());
        shared.warm.leave(&config, self.shard, is_quiet, libraries);
    }
}

impl Shared {
    /// What is to be said of the memory that was left at the stop, once all shards have ended.
    pub(super) fn finish_warm(&self) -> Option<Result<String, String>> {
        // The snapshot of the stop has its time when it has taken its place.
        let _ = self.saves.at_stop();
        self.warm
            .finish(&self.config(), self.last_transaction() + 1)
    }
}
