//! INFO: the collected figures as text, in Redis' sections, with Redis' names where they mean the same.
//!
//! Never: collects anything. The decision worth knowing: figures of things this version does not have (replication, scripts, disks) are there with the
//! value that says so where monitoring looks for them, and absent otherwise.

mod sections;

use super::ShardMetrics;

/// Everything INFO shows.
#[derive(Debug, Clone, Default)]
pub struct Info {
    /// The version of torc.
    pub version: String,
    /// The version of Redis whose behaviour clients may expect.
    pub redis_version: String,
    /// `Linux 6.1.0 x86_64`.
    pub os: String,
    /// Process id.
    pub process_id: u32,
    /// Forty hexadecimal digits that change with each start.
    pub run_id: String,
    /// TCP port.
    pub tcp_port: u16,
    /// Unix time now, in microseconds.
    pub now_us: u64,
    /// Unix time of the start, in milliseconds.
    pub started_ms: u64,
    /// Path of the program.
    pub executable: String,
    /// Path of the configuration file; empty when there is none.
    pub config_file: String,

    /// Connections now.
    pub connected_clients: u64,
    /// `maxclients`.
    pub maxclients: u64,
    /// The most bytes of received input that one client holds.
    pub bytes_input_max: u64,
    /// The most bytes of unsent replies that one client holds.
    pub bytes_output_max: u64,
    /// Clients that wait in a blocking command.
    pub blocked_clients: u64,
    /// Channels that have subscribers.
    pub pubsub_channels: u64,
    /// Patterns that have subscribers.
    pub pubsub_patterns: u64,
    /// Clients that track keys.
    pub tracking_clients: u64,
    /// Keys that they track.
    pub tracking_keys: u64,
    /// The same, each key once for each client.
    pub tracking_items: u64,
    /// Beginnings of names of which some want to be told.
    pub tracking_prefixes: u64,
    /// Shard channels that have subscribers.
    pub pubsub_shard_channels: u64,

    /// Resident memory of the process, as the system counts it.
    pub bytes_resident: u64,
    /// Memory in use right after the start.
    pub bytes_at_start: u64,
    /// Memory of the machine.
    pub bytes_system: u64,
    /// `maxmemory`.
    pub maxmemory: u64,
    /// `maxmemory-policy`.
    pub maxmemory_policy: String,

    /// The warm restart: what became of it, bytes of its files, keys, and how many milliseconds it took.
    pub warm: (String, u64, u64, u64),
    /// When the last good snapshot was made, Unix seconds; the start before there is any.
    pub save_last_s: u64,
    /// Whether the last snapshot went well.
    pub save_is_good: bool,
    /// How long it took, in seconds; none before there is any.
    pub save_last_took_s: Option<u64>,
    /// How long the one under way has taken so far, in seconds.
    pub save_takes_s: Option<u64>,
    /// Good snapshots since the start.
    pub saves: u64,
    /// Bytes that the snapshot under way takes because keys change meanwhile, and the most it has taken.
    pub save_bytes: (u64, u64),
    /// The most that the last one has taken.
    pub save_last_bytes_max: u64,
    /// Keys that a snapshot or the rewriting of the logs under way has done, and all of them.
    pub saving_keys: (u64, u64),
    /// Keys that the last import had, and those it left out because they had expired.
    pub imported_keys: (u64, u64),

    /// CPU time of the process in the kernel, in microseconds.
    pub cpu_system_us: u64,
    /// CPU time of the process outside the kernel, in microseconds.
    pub cpu_user_us: u64,

    /// The commands' names, by their place in the table.
    pub commands: Vec<&'static str>,
    /// One for each shard, by number.
    pub shards: Vec<ShardInfo>,
    /// One for each database that has keys.
    pub databases: Vec<DatabaseInfo>,
}

/// The figures of a shard's log.
#[derive(Debug, Clone, Copy, Default)]
pub struct LogInfo {
    /// Bytes of its files, as far as they are used.
    pub bytes: u64,
    /// The same after the last rewriting, or at the start.
    pub bytes_base: u64,
    /// Whether it is being rewritten, and whether it is to be.
    pub is_rewriting: bool,
    /// See `is_rewriting`.
    pub is_scheduled: bool,
    /// Seconds that the rewriting under way has taken.
    pub rewriting_s: Option<u64>,
    /// Seconds that the last one took.
    pub last_rewriting_s: Option<u64>,
    /// Whether the last one failed.
    pub rewrite_failed: bool,
    /// Rewritings so far.
    pub rewrites: u64,
    /// Those that have failed since one ended well.
    pub failures: u64,
    /// Whether it cannot be written.
    pub write_failed: bool,
    /// Whether a sync takes longer than two seconds.
    pub is_late: bool,
    /// Records that are not durable yet.
    pub records_waiting: u64,
}

/// The figures of one shard.
#[derive(Debug, Clone, Default)]
pub struct ShardInfo {
    /// What it counts.
    pub metrics: ShardMetrics,
    /// Its connections now.
    pub connected_clients: u64,
    /// The core it runs on, if it is bound to one.
    pub cpu: Option<usize>,
    /// Keys.
    pub keys: u64,
    /// Keys with an expiry.
    pub keys_with_expiry: u64,
    /// Bytes that count against its share of `maxmemory`, buffers of clients left out.
    pub bytes_used: u64,
    /// The most that was.
    pub bytes_used_max: u64,
    /// Bytes of keys and values.
    pub bytes_items: u64,
    /// Bytes of arena pages.
    pub bytes_arena: u64,
    /// Bytes of dictionaries.
    pub bytes_dictionaries: u64,
    /// Bytes of large collections.
    pub bytes_collections: u64,
    /// Deleted values whose memory is still to be released.
    pub release_waiting: u64,
    /// Bytes of large values.
    pub bytes_large: u64,
    /// Its log, if there is one.
    pub log: Option<LogInfo>,
    /// Keys that expired.
    pub expired_keys: u64,
    /// Fields of hashes that expired.
    pub expired_fields: u64,
    /// Keys that were evicted.
    pub evicted_keys: u64,
    /// Look-ups that found the key.
    pub keyspace_hits: u64,
    /// Look-ups that did not.
    pub keyspace_misses: u64,
    /// Changes to the data.
    pub changes: u64,
}

/// The figures of one database, over all shards.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DatabaseInfo {
    /// Its number.
    pub number: usize,
    /// Keys.
    pub keys: u64,
    /// Keys with an expiry.
    pub expires: u64,
    /// Their mean remaining time, in milliseconds.
    pub ttl_ms_mean: u64,
}

/// A section: its name in a request, whether `INFO` without arguments shows it, and what writes it.
struct Section {
    name: &'static str,
    by_default: bool,
    write: fn(&Info, &ShardMetrics, &mut String),
}

/// In the order of Redis, which holds whatever the order of the arguments.
const SECTIONS: &[Section] = &[
    Section {
        name: "server",
        by_default: true,
        write: sections::server,
    },
    Section {
        name: "clients",
        by_default: true,
        write: sections::clients,
    },
    Section {
        name: "memory",
        by_default: true,
        write: sections::memory,
    },
    Section {
        name: "persistence",
        by_default: true,
        write: sections::persistence,
    },
    Section {
        name: "stats",
        by_default: true,
        write: sections::stats,
    },
    Section {
        name: "replication",
        by_default: true,
        write: sections::replication,
    },
    Section {
        name: "cpu",
        by_default: true,
        write: sections::cpu,
    },
    Section {
        name: "commandstats",
        by_default: false,
        write: sections::command_stats,
    },
    Section {
        name: "errorstats",
        by_default: true,
        write: sections::error_stats,
    },
    Section {
        name: "latencystats",
        by_default: false,
        write: sections::latency_stats,
    },
    Section {
        name: "cluster",
        by_default: true,
        write: sections::cluster,
    },
    Section {
        name: "keyspace",
        by_default: true,
        write: sections::keyspace,
    },
    Section {
        name: "shards",
        by_default: false,
        write: sections::shards,
    },
];

/// The reply to INFO with these arguments: none or `default`, `all`, `everything`, names of sections in any case. Unknown names show nothing.
pub fn render(info: &Info, arguments: &[String]) -> String {
    let mut total = ShardMetrics::default();
    for shard in &info.shards {
        total.merge(&shard.metrics);
    }
    let asked = |name: &str| {
        arguments
            .iter()
            .any(|argument| argument.eq_ignore_ascii_case(name))
    };
    let all = asked("all") || asked("everything");
    let default = arguments.is_empty() || asked("default");
    let mut text = String::new();
    for section in SECTIONS {
        if all || (default && section.by_default) || asked(section.name) {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            (section.write)(info, &total, &mut text);
        }
    }
    text
}

#[cfg(test)]
#[path = "info_tests.rs"]
mod tests;
