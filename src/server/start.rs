//! Start and stop: what must be right before the first client is served, the shards' threads, signals.
//!
//! Every refusal to start is one sentence that says what is wrong and what to do.

use super::executor::{self, Executor};
use super::import::{Import, Source};
use super::listen::{Listener, Listeners};
use super::load::{Found, Moved};
use super::log::Log;
use super::log_disk::LogDisk;
use super::memcache_users::Users;
use super::service::Service;
use super::shared::Shared;
use super::warm::{self, Outcome, Warm, WarmFigures};
use super::worker::{Worker, unix_ms};
use crate::command::Settings;
use crate::config::Config;
use crate::config::LogLevel;
use crate::engine::{Engine, EngineOptions};
use crate::limits::SHARDS_MAX;
use crate::net::{probe, socket};
use crate::shard::Shard;
use crate::shard::journal::Journal;
use crate::shard::mesh::Inbox;
use std::collections::hash_map::RandomState;
use std::fmt;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// Why the server did not start: one sentence with the remedy.
#[derive(Debug)]
pub struct StartError(pub String);

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A running server.
pub struct Server {
    shared: Arc<Shared>,
    shards: Vec<Executor<()>>,
    /// What it listens on, in words.
    pub addresses: Vec<String>,
    /// What it has imported, in words.
    pub imported: Option<String>,
    /// Number of shards.
    pub shard_count: usize,
    unix_paths: Vec<String>,
}

/// Address space of one shard's arena: what its references can name, or what the machine has, whichever is less.
const RESERVATION_BYTES_MAX: u64 = 32 << 30;

/// Address space of one engine's arena.
pub(super) fn reservation_bytes() -> usize {
    let total = memory_total_bytes().unwrap_or(RESERVATION_BYTES_MAX);
    total.clamp(1 << 30, RESERVATION_BYTES_MAX) as usize
}

/// The cores this process may use.
fn allowed_cores() -> Vec<usize> {
    // SAFETY: all-zero is a valid empty set, and the call writes no more than its size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        if libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) != 0 {
            return vec![0];
        }
        (0..libc::CPU_SETSIZE as usize)
            .filter(|&cpu| libc::CPU_ISSET(cpu, &set))
            .collect()
    }
}

pub(super) fn memory_total_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    line.split_whitespace()
        .nth(1)?
        .parse::<u64>()
        .ok()
        .map(|kib| kib * 1024)
}

pub(super) fn check_memory(config: &Config) -> Result<(), StartError> {
    let Some(total) = memory_total_bytes() else {
        return Ok(());
    };
    if config.maxmemory > total {
        return Err(StartError(format!(
            "maxmemory is {} MiB but this machine has {} MiB; give torc less than the machine has",
            config.maxmemory >> 20,
            total >> 20
        )));
    }
    Ok(())
}

/// Raises the limit of descriptors to what `maxclients` needs, as far as it may.
fn check_descriptors(config: &Config, shards: usize) -> Result<(), StartError> {
    let needed = config.maxclients as u64 + 64 + 32 * shards as u64;
    // SAFETY: the structure is written and read by the calls alone.
    let limit = unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) != 0 {
            return Ok(());
        }
        if limit.rlim_cur < needed {
            let wanted = libc::rlimit {
                rlim_cur: needed.min(limit.rlim_max),
                rlim_max: limit.rlim_max,
            };
            libc::setrlimit(libc::RLIMIT_NOFILE, &raw const wanted);
            libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit);
        }
        limit.rlim_cur
    };
    if limit < needed {
        return Err(StartError(format!(
            "maxclients {} needs {needed} file descriptors but the limit is {limit}; raise it with: ulimit -n {needed}, or lower maxclients",
            config.maxclients
        )));
    }
    Ok(())
}

fn cores(config: &Config) -> Vec<usize> {
    if config.cpu_list.is_empty() {
        allowed_cores()
    } else {
        config.cpu_list.clone()
    }
}

/// Shards of a server with this configuration.
pub fn shard_count(config: &Config) -> usize {
    if config.shards == 0 {
        cores(config).len().min(SHARDS_MAX)
    } else {
        config.shards
    }
}

/// What tells the files of one data set from those of another.
pub(super) fn random_identity() -> [u8; 16] {
    let mut identity = [0; 16];
    identity[..8].copy_from_slice(&random_seed().to_le_bytes());
    identity[8..].copy_from_slice(&random_seed().to_le_bytes());
    identity
}

/// Keeps this thread on one core; a refusal costs some speed.
pub(super) fn pin_to(cpu: usize) {
    // SAFETY: all-zero is a valid empty set, a number beyond it is ignored, and the call reads no more than its size.
    unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}

fn random_seed() -> u64 {
    RandomState::new().build_hasher().finish()
}

impl Server {
    /// Starts the shards and waits until all of them serve.
    pub fn start(config: Config, log: &Log) -> Result<Server, StartError> {
        Server::start_with(config, log, None)
    }

    /// The same with what is imported in place of what the log has.
    pub fn start_with(
        mut config: Config,
        log: &Log,
        replacement: Option<Source>,
    ) -> Result<Server, StartError> {
        // What is imported takes the place of all that was left, also in memory.
        config.warm_restart &= replacement.is_none();
        probe::check().map_err(StartError)?;
        check_memory(&config)?;
        let cores = cores(&config);
        let shards = shard_count(&config);
        check_descriptors(&config, shards)?;
        let users = match &config.memcached_auth_file[..] {
            "" => None,
            path => Some(Users::read(Path::new(path)).map_err(|error| {
                StartError(format!("{error}; give a readable file of `user:password` lines with --memcached-auth-file"))
            })?),
        };
        let seed = random_seed();
        // More shards than cores cannot each have one; then the scheduler places them.
        let cpus: Vec<Option<usize>> = (0..shards)
            .map(|id| (shards <= cores.len()).then(|| cores[id]))
            .collect();
        let listeners = Listeners::open(&config, shards)?;
        let mut warm_figures = None;
        let mut warm = None;
        let options = |id| engine_options(&config, shards, seed.wrapping_add(id as u64));
        match warm::look(&config, options, &cpus, cores.len()).map_err(StartError)? {
            Outcome::Nothing => {}
            Outcome::Refused(reason) => {
                let text = format!("the memory that the last stop left is not used: {reason}");
                log.line(&config, LogLevel::Warning, &text);
                warm_figures = Some(WarmFigures::refused(&reason));
            }
            Outcome::Loaded(loaded) => {
                log.line(&config, LogLevel::Notice, &loaded.figures.text());
                warm_figures = Some(loaded.figures.clone());
                warm = Some(loaded);
            }
        }
        let found = match config.appendonly {
            true if let Some(warm) = &mut warm => warm.found.take(),
            true if replacement.is_some() => {
                Some(Found::replaced(&config, shards, random_identity())?)
            }
            true => Some(Found::open(&config, shards, random_identity())?),
            false => None,
        };
        let import = match replacement {
            Some(source) => {
                let directory = found.as_ref().map(|found| found.directory.clone());
                Some(Import::new(source, directory, shards))
            }
            None if warm.is_some() => None,
            None => Import::look_for(&config, found.as_ref(), shards)?,
        };
        let (found, import) = (found.map(Arc::new), import.map(Arc::new));
        for message in found.iter().flat_map(|found| &found.messages) {
            log.line(&config, LogLevel::Warning, message);
        }
        let unix_paths = [&config.unixsocket, &config.memcached_unixsocket]
            .into_iter()
            .flatten()
            .cloned()
            .collect();
        let wakes = (0..shards)
            .map(|_| socket::eventfd().map(Arc::new))
            .collect::<io::Result<Vec<Arc<OwnedFd>>>>()
            .map_err(|error| StartError(format!("no event descriptor could be made: {error}")))?;
        let inboxes = wakes
            .iter()
            .map(|wake| {
                let wake = wake.clone();
                Inbox::new(Box::new(move || socket::signal(wake.as_raw_fd())))
            })
            .collect();
        let run_id = (0..3)
            .map(|_| format!("{:016x}", random_seed()))
            .collect::<String>()[..40]
            .to_string();
        let shared = Shared::new(inboxes, config, users, cpus.clone(), unix_ms(), run_id);
        if let Some(figures) = warm_figures {
            shared.warm.started(figures);
        }
        log.begin_lines(&shared)
            .map_err(|error| StartError(format!("no thread could be started: {error}")))?;
        if let Some(import) = &import {
            let text = format!("importing {}", import.name());
            log.line(&shared.config(), LogLevel::Notice, &text);
            import.begin(&shared.config(), &shared.scripts)?;
        }
        let (ready, all_ready) = mpsc::channel::<Result<(), String>>();
        let mut threads = Vec::new();
        let mut moved = match &found {
            Some(found) => share_out(found, &shared.config(), shards, seed, &ready),
            None => (0..shards).map(|_| None).collect(),
        };
        for (id, (listeners, wake)) in listeners.of_shards.into_iter().zip(wakes).enumerate() {
            let cpu = cpus[id];
            let (shared, ready) = (shared.clone(), ready.clone());
            let (found, import) = (found.clone(), import.clone());
            let moved = moved[id].take();
            let warm = warm.as_mut().map(|warm| WarmShard {
                engine: warm.engines[id].take().expect("every shard has one"),
                libraries: std::mem::take(&mut warm.libraries),
            });
            let thread = executor::spawn(&format!("torc-{id}"), cpu, move || async move {
                let (given, imported) = (found.as_deref(), import.as_deref());
                let sources = Sources {
                    found: given,
                    import: imported,
                    moved,
                    warm,
                };
                let made = make_worker(id, seed, &shared, listeners, wake, sources);
                drop((found, import));
                match made {
                    Ok(worker) => {
                        let _ = ready.send(Ok(()));
                        // When nobody can report any more, one that has not is known to have ended.
                        drop(ready);
                        worker.run();
                    }
                    Err(error) => {
                        let _ = ready.send(Err(error));
                    }
                }
            })
            .map_err(|error| StartError(format!("shard {id} could not be started: {error}")))?;
            threads.push(thread);
        }
        drop(ready);
        if let Some(found) = &found {
            shared
                .transactions
                .store(found.transaction_next, Ordering::Relaxed);
        }
        for _ in 0..shards {
            let (found, import) = (found.as_deref(), import.as_deref());
            let outcome = match found.is_some() || import.is_some() {
                false => all_ready.recv().map_err(|_| ()),
                true => wait_and_tell(&all_ready, found, import, &shared, log),
            };
            match outcome {
                Ok(Ok(())) => {}
                Ok(Err(error)) => {
                    shared.stop();
                    return Err(StartError(error));
                }
                Err(()) => {
                    shared.stop();
                    return Err(ended_early(threads));
                }
            }
        }
        if let Some(import) = &import {
            import.finish()?;
            for message in import.messages() {
                log.line(&shared.config(), LogLevel::Warning, &message);
            }
            log.line(&shared.config(), LogLevel::Notice, &import.summary());
            let keys = (import.keys_total(), import.keys_expired());
            // A start imports once.
            let _ = shared.imported_keys.set(keys);
        }
        if let Some(warm) = warm {
            // Nobody has been served yet, so the files are not stale; from here on they would be.
            Warm::used(&warm.directory()).map_err(StartError)?;
        }
        if let Some(found) = found {
            let found = Arc::into_inner(found).expect("every shard has loaded");
            shared.log_home.keep(found.done()?);
        }
        shared.serving.store(true, Ordering::Release);
        Ok(Server {
            shared,
            shards: threads,
            addresses: listeners.names,
            imported: import.map(|import| import.summary()),
            shard_count: shards,
            unix_paths,
        })
    }

    /// A handle with which another thread can ask for a stop.
    pub fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// Waits until every shard has ended.
    pub fn join(self, log: &Log) -> Result<(), StartError> {
        for shard in self.shards {
            shard.join().map_err(StartError)?;
        }
        match self.shared.finish_warm() {
            Some(Ok(text)) => log.line(&self.shared.config(), LogLevel::Notice, &text),
            Some(Err(text)) => log.line(&self.shared.config(), LogLevel::Warning, &text),
            None => {}
        }
        for path in self.unix_paths {
            // A client that made a new socket of that name meanwhile would be strange; a missing file is fine.
            let _ = fs::remove_file(path);
        }
        Ok(())
    }
}

/// Why a shard ended before it could say anything: what its executor says.
fn ended_early(threads: Vec<Executor<()>>) -> StartError {
    let reason = threads
        .into_iter()
        .filter_map(|thread| thread.join().err())
        .next()
        .unwrap_or_else(|| "it gave no reason".into());
    let out_of_memory = io::Error::from_raw_os_error(libc::ENOMEM).to_string();
    StartError(
        if reason.contains("MemLockLimit") || reason.contains(&out_of_memory) {
            MEMLOCK.into()
        } else {
            format!("a shard ended while it was starting: {reason}")
        },
    )
}

/// What helps when the limit of locked memory is too low.
const MEMLOCK: &str = "a shard could not lock the memory that io_uring needs; raise the limit with: ulimit -l unlimited (or LimitMEMLOCK=infinity in the service file), or use fewer --shards";

/// Waits for a shard to be ready, and says every second how far loading has come.
fn wait_and_tell(
    ready: &mpsc::Receiver<Result<(), String>>,
    found: Option<&Found>,
    import: Option<&Import>,
    shared: &Shared,
    log: &Log,
) -> Result<Result<(), String>, ()> {
    loop {
        match ready.recv_timeout(Duration::from_secs(1)) {
            Ok(outcome) => return Ok(outcome),
            Err(mpsc::RecvTimeoutError::Disconnected) => return Err(()),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let text = match (import, found) {
                    (Some(import), _) => import.progress_text(),
                    (None, Some(found)) => {
                        let progress = &found.replay.progress;
                        let records = progress.records.load(Ordering::Relaxed);
                        let all = progress.records_all.load(Ordering::Relaxed).max(1);
                        let percent = records * 100 / all;
                        format!("loading: {records} of {all} records, {percent} %")
                    }
                    (None, None) => continue,
                };
                log.line(&shared.config(), LogLevel::Notice, &text);
            }
        }
    }
}

fn engine_options(config: &Config, shards: usize, seed: u64) -> EngineOptions {
    EngineOptions {
        databases: config.databases,
        memory_bytes_max: config.maxmemory / shards as u64,
        policy: config.maxmemory_policy,
        samples: config.maxmemory_samples,
        lfu_log_factor: config.lfu_log_factor,
        lfu_decay_minutes: config.lfu_decay_time,
        reservation_bytes: reservation_bytes(),
        thresholds: config.thresholds,
        seed,
    }
}

fn new_engine(config: &Config, shards: usize, seed: u64) -> Result<Engine, String> {
    Engine::new(engine_options(config, shards, seed))
}

fn new_shard(engine: Engine, config: &Config, id: usize, count: usize) -> Shard {
    Shard {
        id,
        count,
        engine,
        journal: Journal::default(),
        picture: None,
        stats: Default::default(),
        may_block: true,
        settings: Settings {
            string_bytes_max: config.proto_max_bulk_len,
            item_bytes_max: config.item_size_max,
            hll_sparse_bytes_max: config.hll_sparse_max_bytes,
        },
    }
}

/// Runs the logs again that shards of another number wrote, each on a thread of its own, and gives for each shard of now the end from which its keys come.
fn share_out(
    found: &Arc<Found>,
    config: &Arc<Config>,
    shards: usize,
    seed: u64,
    failures: &mpsc::Sender<Result<(), String>>,
) -> Vec<Option<mpsc::Receiver<Vec<Moved>>>> {
    if found.renewal.is_none() {
        return (0..shards).map(|_| None).collect();
    }
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..shards).map(|_| mpsc::sync_channel(4)).unzip();
    for id in 0..found.shards_before {
        let (found, config, senders) = (found.clone(), config.clone(), senders.clone());
        let failures = failures.clone();
        thread::spawn(move || {
            let engine = new_engine(&config, shards, seed.wrapping_add(1000 + id as u64));
            let outcome = engine.and_then(|mut engine| {
                engine.set_memory_bytes_max(0);
                let mut shard = new_shard(engine, &config, id, found.shards_before);
                shard.may_block = false;
                found.share_out(shard, &senders)
            });
            if let Err(error) = outcome {
                let _ = failures.send(Err(error));
            }
            // The shards are ready when the last sender is gone, and nobody must need the files then.
            drop(found);
            drop(senders);
        });
    }
    receivers.into_iter().map(Some).collect()
}

/// Where a shard's data comes from.
struct Sources<'a> {
    /// What the directory of the log has.
    found: Option<&'a Found>,
    /// Redis' files.
    import: Option<&'a Import>,
    /// Keys of the logs of another number of shards.
    moved: Option<mpsc::Receiver<Vec<Moved>>>,
    /// The memory that the last stop left: all data.
    warm: Option<WarmShard>,
}

/// What a shard has from the files of a warm restart.
struct WarmShard {
    engine: Engine,
    /// The function libraries; the first shard has them.
    libraries: Vec<u8>,
}

fn make_worker(
    id: usize,
    seed: u64,
    shared: &Arc<Shared>,
    listeners: Vec<Listener>,
    wake: Arc<OwnedFd>,
    Sources {
        found,
        import,
        moved,
        warm,
    }: Sources<'_>,
) -> Result<Worker, String> {
    let config = shared.config();
    let shards = shared.shards();
    let is_warm = warm.is_some();
    let (mut engine, libraries) = match warm {
        Some(warm) => (warm.engine, warm.libraries),
        None => {
            let engine = new_engine(&config, shards, seed.wrapping_add(id as u64))?;
            engine.warm_up();
            (engine, Vec::new())
        }
    };
    engine.set_events_wanted(config.notify_keyspace_events);
    engine.set_tracked_keys_max(config.tracked_keys_max(shards));
    let mut shard = new_shard(engine, &config, id, shards);
    let memory_bytes_max = config.maxmemory / shards as u64;
    if is_warm {
        load(&mut shard, memory_bytes_max, |_| Ok(()))?;
    } else if let Some(import) = import {
        load(&mut shard, memory_bytes_max, |shard| import.load(shard))?;
    } else if let Some(moved) = moved {
        load(&mut shard, memory_bytes_max, |shard| {
            shard.engine.set_now(unix_ms());
            let mut keys = moved.into_iter().flatten();
            keys.try_for_each(|key| key.store(shard))
        })?;
    } else if let Some(found) = found {
        load(&mut shard, memory_bytes_max, |shard| {
            found.replay.load(shard)
        })?;
    }
    let log = match found {
        None => None,
        Some(found) => {
            let start = found.starts[id].clone();
            let disk = LogDisk::new(found.directory_of_logs());
            let disk = disk.map_err(|error| format!("the log of shard {id}: {error}"))?;
            Some((start, disk))
        }
    };
    let spin = Duration::from_micros(config.spin_us);
    let mut service = Service::new(shard, shared.clone());
    if let Some(found) = found {
        let libraries = found
            .replay
            .libraries
            .lock()
            .expect("nobody panics while holding it");
        if let Some(bytes) = libraries.as_ref().filter(|_| id == 0) {
            service.restore_libraries(bytes)?;
        }
    }
    if !libraries.is_empty() {
        service.restore_libraries(&libraries)?;
    }
    let worker = Worker::new(service, listeners, wake, spin);
    let mut worker = worker.map_err(|error| match error.raw_os_error() {
        Some(libc::ENOMEM) => MEMLOCK.to_string(),
        _ => format!("the ring of shard {id} could not be set up: {error}"),
    })?;
    if let Some((start, disk)) = log {
        worker.open_log(start, disk)?;
        if import.is_some() || found.is_some_and(|found| found.renewal.is_some()) {
            worker.write_all_keys()?;
        }
    }
    Ok(worker)
}

/// Loads a shard's data without any limit of memory: what does not fit any more is evicted afterwards.
fn load(
    shard: &mut Shard,
    memory_bytes_max: u64,
    load: impl FnOnce(&mut Shard) -> Result<(), String>,
) -> Result<(), String> {
    shard.engine.set_memory_bytes_max(0);
    shard.may_block = false;
    load(shard)?;
    shard.may_block = true;
    shard.engine.set_memory_bytes_max(memory_bytes_max);
    shard.engine.set_now(unix_ms());
    shard.engine.reset_stats();
    shard.stats = Default::default();
    Ok(())
}

/// Blocks the stop signals in this thread and all that it starts; [`wait_for_stop_signal`] takes them.
pub fn block_stop_signals() {
    // SAFETY: the set is initialised by sigemptyset before use.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        stop_signals(&mut set);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
        libc::signal(libc::SIGPIPE, libc::SIG_IGN);
    }
}

fn stop_signals(set: &mut libc::sigset_t) {
    // SAFETY: a live set.
    unsafe {
        libc::sigemptyset(set);
        libc::sigaddset(set, libc::SIGTERM);
        libc::sigaddset(set, libc::SIGINT);
    }
}

/// Waits for SIGTERM or SIGINT.
pub fn wait_for_stop_signal() {
    // SAFETY: the set is initialised; sigwait writes one integer.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        stop_signals(&mut set);
        let mut signal = 0;
        while libc::sigwait(&raw const set, &raw mut signal) != 0 {}
    }
}

/// How long the start took, for the `ready` line.
pub fn ready_line(server: &Server, started: Instant) -> String {
    format!(
        "ready on {} with {} shard{} after {:.1} ms",
        server.addresses.join(", "),
        server.shard_count,
        if server.shard_count == 1 { "" } else { "s" },
        started.elapsed().as_secs_f64() * 1000.0
    )
}
