//! The figures of one shard at one moment, and all of them together as INFO shows them.

use super::commands::REDIS_VERSION;
use super::server_operation::Answer;
use super::service::Service;
use crate::command::Subscription;
use crate::command::table::{row_at, rows_len};
use crate::engine::EngineStats;
use crate::metrics::ShardMetrics;
use crate::metrics::info::LogInfo;
use crate::metrics::info::{self, DatabaseInfo, Info, ShardInfo};
use std::fs;
use std::sync::atomic::Ordering;
use std::time::{SystemTime, UNIX_EPOCH};

/// The figures of one shard.
#[derive(Debug, Clone)]
pub struct ShardSnapshot {
    /// Its number.
    pub shard: usize,
    /// What its engine says.
    pub engine: EngineStats,
    /// What it counts.
    pub metrics: ShardMetrics,
    /// What its commands count.
    pub commands: crate::command::CommandStats,
    /// Changes that no file has.
    pub changes_unsaved: u64,
    /// Connections.
    pub clients: u64,
    /// Connections whose command waits.
    pub clients_blocked: u64,
    /// Keys that clients track, and the clients of all of them.
    pub tracked: (usize, usize),
    /// Its log, if there is one.
    pub log: Option<LogInfo>,
    /// The most bytes one client has waiting, in and out.
    pub bytes_input_max: u64,
    /// See `bytes_input_max`.
    pub bytes_output_max: u64,
    /// Keys, keys with an expiry and the mean of their remaining time in ms, by database.
    pub databases: Vec<(u64, u64, u64)>,
}

/// The figures among answers, in the order of the shards.
pub(super) fn of_all(answers: Vec<Answer>) -> Vec<ShardSnapshot> {
    let mut snapshots: Vec<ShardSnapshot> = answers
        .into_iter()
        .filter_map(|answer| {
            if let Answer::Snapshot(snapshot) = answer {
                Some(*snapshot)
            } else {
                None
            }
        })
        .collect();
    snapshots.sort_by_key(|snapshot| snapshot.shard);
    snapshots
}

impl Service {
    /// This shard's figures now.
    pub(super) fn snapshot(&self) -> ShardSnapshot {
        let engine = &self.shard.engine;
        let most = |bytes: &dyn Fn(&super::connection::Connection) -> usize| {
            self.connections().map(bytes).max().unwrap_or(0) as u64
        };
        ShardSnapshot {
            shard: self.shard.id,
            engine: engine.stats(),
            metrics: self.metrics.clone(),
            commands: self.shard.stats,
            changes_unsaved: self.changes_unsaved(),
            clients: self.connections().count() as u64,
            clients_blocked: self.waits.len() as u64,
            tracked: engine.tracked_counts(),
            log: self.log_info(),
            bytes_input_max: most(&|connection| connection.input_bytes()),
            bytes_output_max: most(&|connection| connection.output_bytes()),
            databases: (0..engine.databases())
                .map(|db| {
                    let (expires, ttl_ms) = engine.expires(db);
                    (engine.len(db) as u64, expires as u64, ttl_ms)
                })
                .collect(),
        }
    }

    /// The text of INFO.
    pub(super) fn info_text(&self, shards: &[ShardSnapshot], sections: &[String]) -> String {
        let config = &self.config;
        let (cpu_user_us, cpu_system_us) = cpu_us();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let saves = self.shared.saves.figures();
        let warm = self.shared.warm.figures();
        let info = Info {
            warm: (warm.outcome, warm.bytes, warm.keys, warm.milliseconds),
            save_last_s: saves.last_s,
            save_is_good: saves.is_good,
            save_last_took_s: saves.last_took_s,
            save_takes_s: saves.takes_s,
            saves: saves.count,
            save_bytes: saves.bytes,
            save_last_bytes_max: saves.last_bytes_max,
            saving_keys: {
                let (saving, rewriting) = (
                    self.shared.saves.progress.keys(),
                    self.shared.rewriting.keys(),
                );
                (saving.0 + rewriting.0, saving.1 + rewriting.1)
            },
            imported_keys: self.shared.imported_keys.get().copied().unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_string(),
            redis_version: REDIS_VERSION.to_string(),
            os: system(),
            process_id: std::process::id(),
            run_id: self.shared.run_id.clone(),
            tcp_port: config.port,
            now_us: now.as_micros() as u64,
            started_ms: self.shared.started_ms as u64,
            executable: std::env::current_exe()
                .map(|path| path.display().to_string())
                .unwrap_or_default(),
            config_file: config
                .file
                .as_ref()
                .map(|path| path.display().to_string())
                .unwrap_or_default(),
            connected_clients: shards.iter().map(|shard| shard.clients).sum(),
            maxclients: config.maxclients as u64,
            bytes_input_max: shards
                .iter()
                .map(|shard| shard.bytes_input_max)
                .max()
                .unwrap_or(0),
            bytes_output_max: shards
                .iter()
                .map(|shard| shard.bytes_output_max)
                .max()
                .unwrap_or(0),
            blocked_clients: shards.iter().map(|shard| shard.clients_blocked).sum(),
            pubsub_channels: self.shared.interest.count(Subscription::Channel) as u64,
            pubsub_patterns: self.shared.interest.count(Subscription::Pattern) as u64,
            tracking_clients: self.shared.tracking_clients.load(Ordering::SeqCst) as u64,
            tracking_keys: shards.iter().map(|shard| shard.tracked.0 as u64).sum(),
            tracking_items: shards.iter().map(|shard| shard.tracked.1 as u64).sum(),
            tracking_prefixes: self.shard.engine.tracked_prefixes().len() as u64,
            pubsub_shard_channels: self.shared.interest.count(Subscription::ShardChannel) as u64,
            bytes_resident: bytes_resident(),
            bytes_at_start: self.shared.bytes_at_start,
            bytes_system: super::start::memory_total_bytes().unwrap_or(0),
            maxmemory: config.maxmemory,
            maxmemory_policy: config.maxmemory_policy.name().to_string(),
            cpu_system_us,
            cpu_user_us,
            commands: (0..rows_len() as u16)
                .map(|number| row_at(number).name)
                .collect(),
            shards: shards.iter().map(|shard| self.shard_info(shard)).collect(),
            databases: databases(shards),
        };
        info::render(&info, sections)
    }

    fn shard_info(&self, shard: &ShardSnapshot) -> ShardInfo {
        let engine = &shard.engine;
        ShardInfo {
            metrics: shard.metrics.clone(),
            connected_clients: shard.clients,
            cpu: self.shared.cpus.get(shard.shard).copied().flatten(),
            keys: engine.items,
            keys_with_expiry: engine.items_with_expiry,
            bytes_used: engine.bytes_used,
            bytes_used_max: engine.bytes_used_max,
            bytes_items: engine.bytes_items,
            bytes_arena: engine.bytes_arena,
            bytes_dictionaries: engine.bytes_dictionaries,
            bytes_collections: engine.bytes_collections,
            release_waiting: engine.release_waiting,
            bytes_large: engine.bytes_large,
            log: shard.log,
            expired_keys: engine.expired_keys,
            expired_fields: engine.expired_fields,
            evicted_keys: engine.evicted_keys,
            keyspace_hits: shard.commands.keyspace_hits,
            keyspace_misses: shard.commands.keyspace_misses,
            changes: shard.changes_unsaved,
        }
    }
}

fn databases(shards: &[ShardSnapshot]) -> Vec<DatabaseInfo> {
    let count = shards.first().map_or(0, |shard| shard.databases.len());
    let of = |number: usize| {
        let all = shards.iter().map(|shard| shard.databases[number]);
        let (keys, expires, weighted) =
            all.fold((0, 0, 0u128), |(keys, expires, weighted), one| {
                (
                    keys + one.0,
                    expires + one.1,
                    weighted + u128::from(one.1) * u128::from(one.2),
                )
            });
        DatabaseInfo {
            number,
            keys,
            expires,
            ttl_ms_mean: if expires > 0 {
                (weighted / u128::from(expires)) as u64
            } else {
                0
            },
        }
    };
    (0..count)
        .map(of)
        .filter(|database| database.keys > 0)
        .collect()
}

/// CPU time of the process in user and kernel, in microseconds.
pub(super) fn cpu_us() -> (u64, u64) {
    // SAFETY: the structure is written by the call alone.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &raw mut usage);
        usage
    };
    let us = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    (us(usage.ru_utime), us(usage.ru_stime))
}

/// Resident memory of the process.
pub(super) fn bytes_resident() -> u64 {
    let text = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0);
    // SAFETY: plain question to the system.
    pages * unsafe { libc::sysconf(libc::_SC_PAGESIZE) } as u64
}

fn system() -> String {
    let read = |name: &str| {
        fs::read_to_string(format!("/proc/sys/kernel/{name}"))
            .map_or_else(|_| "?".to_string(), |text| text.trim().to_string())
    };
    format!(
        "{} {} {}",
        read("ostype"),
        read("osrelease"),
        std::env::consts::ARCH
    )
}
