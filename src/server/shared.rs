//! What all shards of one server share: inboxes, the configuration, a few counters. Everything here is cold, or an atomic of its own cache line.

use super::commands::Monitors;
use super::durability::LogFailures;
use super::flow::Flow;
use super::interest::Interest;
use super::log::Lines;
use super::log_home::LogHome;
use super::memcache_users::Users;
use super::progress::Progress;
use crate::config::{Config, LogLevel};
use crate::persist::entry::Participants;
use crate::persist::settling::Settling;
use crate::script::store::ScriptStore;
use crate::shard::mesh::Inbox;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// An atomic on a cache line of its own, so that shards do not slow each other down.
#[repr(align(128))]
#[derive(Debug, Default)]
pub struct Padded<T>(pub T);

/// What all shards share.
pub struct Shared {
    /// The inbox of each shard.
    pub inboxes: Vec<Arc<Inbox>>,
    /// Whether writes flow between shards.
    pub(super) flow: Flow,
    /// Connections of each shard.
    pub connections: Vec<Padded<AtomicUsize>>,
    /// Scripts and functions.
    pub scripts: Arc<ScriptStore>,
    /// Snapshots.
    pub saves: super::saving::Saves,
    /// What the last stop left, and what this one leaves.
    pub warm: super::warm::WarmRestart,
    /// Which shards have subscribers.
    pub(super) interest: Interest,
    /// Clients that are shown what all do (MONITOR).
    pub(super) monitors: Monitors,
    /// Clients that track keys (CLIENT TRACKING).
    pub tracking_clients: AtomicUsize,
    /// The number of the last transaction of several shards that their logs have parts of.
    pub transactions: AtomicU64,
    /// Those that a recovery might still cut.
    settling: Mutex<Settling>,
    /// The next CLIENT ID.
    pub next_client_id: AtomicU64,
    /// The configuration; a change is sent round to every shard.
    config: Mutex<Arc<Config>>,
    /// Who may authenticate over memcached's protocols; None when there is no file of users.
    pub memcached_users: Option<Users>,
    /// Where the logs are.
    pub(super) log_home: LogHome,
    /// Keys that the start has imported, and those it left out because they had expired.
    pub(super) imported_keys: OnceLock<(u64, u64)>,
    /// How far the rewriting of the logs is.
    pub(super) rewriting: Progress,
    /// Logs that cannot be written.
    pub(super) log_failures: LogFailures,
    /// Where shards leave lines for the log, once there is somebody who writes them.
    pub(super) log_lines: OnceLock<Lines>,
    /// All shards are ready, and may serve.
    pub serving: AtomicBool,
    /// A stop was asked for.
    pub stopping: AtomicBool,
    /// Shards that have nothing left to do for their clients.
    pub shards_quiet: AtomicUsize,
    /// When the server started, Unix milliseconds.
    pub started_ms: i64,
    /// Resident memory when it did.
    pub bytes_at_start: u64,
    /// The core of each shard, where it is bound to one.
    pub cpus: Vec<Option<usize>>,
    /// INFO's run_id: 40 hexadecimal digits.
    pub run_id: String,
}

impl Shared {
    /// The number of a transaction that these shards write down, never used twice. A shard may want to be told when it has settled.
    pub(super) fn next_transaction(
        &self,
        participants: Participants,
        awaited_by: Option<usize>,
    ) -> u64 {
        let mut settling = self.settling();
        let number = self.transactions.fetch_add(1, Ordering::Relaxed) + 1;
        settling.begin(number, participants, awaited_by);
        number
    }

    /// The number of the last one.
    pub(super) fn last_transaction(&self) -> u64 {
        self.transactions.load(Ordering::Relaxed)
    }

    /// The transactions that a recovery might still cut.
    pub(super) fn settling(&self) -> MutexGuard<'_, Settling> {
        self.settling
            .lock()
            .expect("nobody panics while holding it")
    }

    /// For a server of as many shards as there are inboxes.
    pub fn new(
        inboxes: Vec<Arc<Inbox>>,
        config: Config,
        memcached_users: Option<Users>,
        cpus: Vec<Option<usize>>,
        started_ms: i64,
        run_id: String,
    ) -> Arc<Shared> {
        let shards = inboxes.len();
        Arc::new(Shared {
            connections: inboxes.iter().map(|_| Padded::default()).collect(),
            scripts: Arc::new(ScriptStore::new()),
            saves: super::saving::Saves::new(inboxes.len(), started_ms),
            flow: Flow::new(inboxes.len()),
            warm: super::warm::WarmRestart::new(inboxes.len()),
            interest: Interest::new(inboxes.len()),
            monitors: Monitors::new(inboxes.len()),
            inboxes,
            tracking_clients: AtomicUsize::new(0),
            transactions: AtomicU64::new(0),
            settling: Mutex::new(Settling::new(shards)),
            next_client_id: AtomicU64::new(1),
            config: Mutex::new(Arc::new(config)),
            memcached_users,
            log_home: LogHome::default(),
            imported_keys: OnceLock::new(),
            rewriting: Progress::new("rewriting the log", "rewritten the log with"),
            log_failures: LogFailures::default(),
            log_lines: OnceLock::new(),
            serving: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            shards_quiet: AtomicUsize::new(0),
            started_ms,
            bytes_at_start: super::snapshot::bytes_resident(),
            cpus,
            run_id,
        })
    }

    /// Number of shards.
    pub fn shards(&self) -> usize {
        self.inboxes.len()
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Config>> {
        self.config
            .lock()
            .expect("no shard panicked while it held the configuration")
    }

    /// The configuration as it is now.
    pub fn config(&self) -> Arc<Config> {
        self.lock().clone()
    }

    /// Changes the configuration as a whole: all or nothing.
    pub fn change_config<E>(
        &self,
        change: impl FnOnce(&Config) -> Result<Config, E>,
    ) -> Result<Arc<Config>, E> {
        let mut held = self.lock();
        let changed = Arc::new(change(&held)?);
        *held = changed.clone();
        Ok(changed)
    }

    /// Whether any client tracks keys.
    pub fn anybody_tracks(&self) -> bool {
        self.tracking_clients.load(Ordering::SeqCst) > 0
    }

    /// All connections of the server.
    pub fn connections_total(&self) -> usize {
        self.connections
            .iter()
            .map(|count| count.0.load(Ordering::Relaxed))
            .sum()
    }

    /// The shard with the fewest connections; `own` wins a tie.
    pub fn least_connected(&self, own: usize) -> usize {
        let count = |shard: usize| self.connections[shard].0.load(Ordering::Relaxed);
        let mut best = own;
        for shard in 0..self.shards() {
            if count(shard) < count(best) {
                best = shard;
            }
        }
        best
    }

    /// Leaves a line for the log. When whoever writes it is behind it is dropped.
    pub(super) fn say(&self, level: LogLevel, text: String) {
        if let Some(lines) = self.log_lines.get() {
            let _ = lines.try_send((level, text));
        }
    }

    /// Asks every shard to stop.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        for inbox in &self.inboxes {
            inbox.wake();
        }
    }
}
