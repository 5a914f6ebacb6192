//! The table of options: ONE ROW PER OPTION.
//!
//! Command line, file, CONFIG GET, SET and REWRITE, `--help` and the README's table are made from it; an option that stands here is known to all.

use super::Config;
use super::events::EventClasses;
use super::types::{AppendFsync, DebugCommand, LogLevel, OutputLimit, PipelineOrder, Policy};
use super::value::{self, yes_no_text};
use super::words;
use crate::limits::{SHARDS_MAX, STRING_BYTES_MAX};

/// One row.
pub struct Row {
    /// The name, as in redis.conf.
    pub name: &'static str,
    /// What values it takes and where they go.
    pub kind: Kind,
    /// The unit of a number; empty when there is none or the value carries it.
    pub unit: &'static str,
    /// Whether CONFIG SET may change it.
    pub at_run_time: bool,
    /// One sentence.
    pub about: &'static str,
}

/// What values an option takes, and where in the configuration they are.
#[allow(missing_docs)]
pub enum Kind {
    /// A number of a range.
    Integer {
        min: i64,
        max: i64,
        get: fn(&Config) -> i64,
        set: fn(&mut Config, i64),
    },
    /// A memory size such as `100mb`.
    Memory {
        min: u64,
        max: u64,
        get: fn(&Config) -> u64,
        set: fn(&mut Config, u64),
    },
    /// `yes` or `no`.
    YesNo {
        get: fn(&Config) -> bool,
        set: fn(&mut Config, bool),
    },
    /// One of some names.
    Choice {
        names: &'static [&'static str],
        get: fn(&Config) -> usize,
        set: fn(&mut Config, usize),
    },
    /// Any text.
    Text {
        get: fn(&Config) -> &str,
        set: fn(&mut Config, String),
    },
    /// Anything else: one or several words. `lines` gives what stands behind the name in a file, line by line.
    Words {
        form: &'static str,
        get: fn(&Config) -> String,
        set: fn(&mut Config, &[String]) -> Result<(), String>,
        lines: fn(&Config) -> Vec<String>,
    },
}

/// What is said when an option has too few or too many words.
pub const WRONG_NUMBER: &str = "wrong number of arguments";

impl Row {
    /// The value as CONFIG GET shows it.
    pub fn text(&self, config: &Config) -> String {
        match self.kind {
            Kind::Integer { get, .. } => get(config).to_string(),
            Kind::Memory { get, .. } => get(config).to_string(),
            Kind::YesNo { get, .. } => yes_no_text(get(config)).to_string(),
            Kind::Choice { names, get, .. } => names[get(config)].to_string(),
            Kind::Text { get, .. } => get(config).to_string(),
            Kind::Words { get, .. } => get(config),
        }
    }

    /// The value as it stands in a file behind the name, line by line.
    pub fn lines(&self, config: &Config) -> Vec<String> {
        match self.kind {
            Kind::Memory { get, .. } => vec![value::memory_text(get(config))],
            Kind::Text { get, .. } => vec![words::quoted(get(config))],
            Kind::Words { lines, .. } => lines(config),
            _ => vec![self.text(config)],
        }
    }

    /// Reads a value; an error is in redis-server's words where it has such an error, and changes nothing.
    pub fn set(&self, config: &mut Config, words: &[String]) -> Result<(), String> {
        if words.is_empty() {
            return Err(WRONG_NUMBER.to_string());
        }
        if let Kind::Words { set, .. } = self.kind {
            return set(config, words);
        }
        let [word] = words else {
            return Err(WRONG_NUMBER.to_string());
        };
        match self.kind {
            Kind::Integer { min, max, set, .. } => set(config, value::integer(word, min, max)?),
            Kind::Memory { min, max, set, .. } => set(config, value::memory(word, min, max)?),
            Kind::YesNo { set, .. } => set(config, value::yes_no(word)?),
            Kind::Choice { names, set, .. } => set(config, value::choice(word, names)?),
            Kind::Text { set, .. } => set(config, word.clone()),
            Kind::Words { .. } => unreachable!("handled above"),
        }
        Ok(())
    }

    /// What values it takes, for people.
    pub fn values(&self) -> String {
        match self.kind {
            Kind::Integer { min, max, .. } if max >= i64::from(i32::MAX) => {
                format!("integer from {min}")
            }
            Kind::Integer { min, max, .. } => format!("integer from {min} to {max}"),
            Kind::Memory { .. } => "memory size".to_string(),
            Kind::YesNo { .. } => "yes, no".to_string(),
            Kind::Choice { names, .. } => names.join(", "),
            Kind::Text { .. } => "text".to_string(),
            Kind::Words { form, .. } => form.to_string(),
        }
    }
}

/// Finds a row by name, in any case.
pub fn find(name: &str) -> Option<&'static Row> {
    // Redis 6 said ziplist for listpack, and its names go on.
    let newer = name.to_ascii_lowercase().replace("-ziplist-", "-listpack-");
    let name = newer.as_str();
    ROWS.iter().find(|row| row.name.eq_ignore_ascii_case(name))
}

macro_rules! integer {
    ($field:ident: $type:ty, $min:expr, $max:expr) => {
        Kind::Integer {
            min: $min,
            max: $max,
            get: |config| config.$field as i64,
            set: |config, value| config.$field = value as $type,
        }
    };
}

/// A number of [`Config::thresholds`].
macro_rules! threshold {
    ($field:ident: $type:ty, $min:expr, $max:expr) => {
        Kind::Integer {
            min: $min,
            max: $max,
            get: |config| config.thresholds.$field as i64,
            set: |config, value| config.thresholds.$field = value as $type,
        }
    };
}

macro_rules! memory {
    ($field:ident: $type:ty, $min:expr, $max:expr) => {
        Kind::Memory {
            min: $min,
            max: $max,
            get: |config| config.$field as u64,
            set: |config, value| config.$field = value as $type,
        }
    };
}

macro_rules! yes_no {
    ($field:ident) => {
        Kind::YesNo {
            get: |config| config.$field,
            set: |config, value| config.$field = value,
        }
    };
}

macro_rules! choice {
    ($field:ident: $type:ident) => {
        Kind::Choice {
            names: $type::NAMES,
            get: |config| config.$field as usize,
            set: |config, index| config.$field = $type::ALL[index],
        }
    };
}

macro_rules! text {
    ($field:ident) => {
        Kind::Text {
            get: |config| &config.$field,
            set: |config, value| config.$field = value,
        }
    };
}

/// The words of an option that takes several, which may have come as one (CONFIG SET, a quoted argument).
fn several(words: &[String]) -> Vec<&str> {
    match words {
        [one] => one.split_ascii_whitespace().collect(),
        _ => words.iter().map(String::as_str).collect(),
    }
}

fn one(words: &[String]) -> Result<&str, String> {
    match words {
        [word] => Ok(word),
        _ => Err(WRONG_NUMBER.to_string()),
    }
}

fn bind_text(config: &Config) -> String {
    config
        .bind
        .iter()
        .map(value::bind_text)
        .collect::<Vec<_>>()
        .join(" ")
}

const BIND: Kind = Kind::Words {
    form: "addresses",
    get: bind_text,
    set: |config, words| {
        config.bind = several(words)
            .into_iter()
            .map(value::bind)
            .collect::<Result<_, _>>()?;
        Ok(())
    },
    lines: |config| {
        vec![if config.bind.is_empty() {
            "\"\"".to_string()
        } else {
            bind_text(config)
        }]
    },
};

/// A path; an empty one is none.
macro_rules! path {
    ($field:ident) => {
        Kind::Text {
            get: |config| config.$field.as_deref().unwrap_or(""),
            set: |config, value| config.$field = (!value.is_empty()).then_some(value),
        }
    };
}

/// The mode of a file; 0 leaves it to the umask.
macro_rules! mode {
    ($field:ident) => {
        Kind::Words {
            form: "octal mode",
            get: |config| format!("{:o}", config.$field.unwrap_or(0)),
            set: |config, words| {
                config.$field = value::octal(one(words)?)?;
                Ok(())
            },
            lines: |config| vec![format!("{:o}", config.$field.unwrap_or(0))],
        }
    };
}

const MAXMEMORY_CLIENTS: Kind = Kind::Words {
    form: "memory size, or a percentage of maxmemory",
    get: |config| value::clients_limit_text(config.maxmemory_clients),
    set: |config, words| {
        config.maxmemory_clients = value::clients_limit(one(words)?)?;
        Ok(())
    },
    lines: |config| {
        vec![match config.maxmemory_clients {
            super::ClientsLimit::Bytes(bytes) => value::memory_text(bytes),
            limit => value::clients_limit_text(limit),
        }]
    },
};

const CPU_LIST: Kind = Kind::Words {
    form: "cores such as 0-3,6",
    get: |config| value::cpu_list_text(&config.cpu_list),
    set: |config, words| {
        config.cpu_list = value::cpu_list(one(words)?)?;
        Ok(())
    },
    lines: |config| vec![words::quoted(&value::cpu_list_text(&config.cpu_list))],
};

fn output_limits(config: &Config) -> [(&'static str, OutputLimit); 3] {
    [
        ("normal", config.output_limit_normal),
        ("slave", config.output_limit_replica),
        ("pubsub", config.output_limit_pubsub),
    ]
}

const CLIENT_OUTPUT_BUFFER_LIMIT: Kind = Kind::Words {
    form: "class, hard limit, soft limit, seconds; repeated",
    get: |config| {
        let classes = output_limits(config).map(|(class, limit)| {
            format!(
                "{class} {} {} {}",
                limit.hard_bytes, limit.soft_bytes, limit.soft_seconds
            )
        });
        classes.join(" ")
    },
    set: |config, words| {
        let words = several(words);
        if words.is_empty() || !words.len().is_multiple_of(4) {
            return Err("Wrong number of arguments in buffer limit configuration.".to_string());
        }
        let mut changed = config.clone();
        for class in words.chunks(4) {
            let field = match class[0].to_ascii_lowercase().as_str() {
                "normal" => &mut changed.output_limit_normal,
                "slave" | "replica" => &mut changed.output_limit_replica,
                "pubsub" => &mut changed.output_limit_pubsub,
                _ => {
                    return Err(
                        "Invalid client class specified in buffer limit configuration.".to_string(),
                    );
                }
            };
            *field = value::output_limit(class[1], class[2], class[3])?;
        }
        *config = changed;
        Ok(())
    },
    lines: |config| {
        let lines = output_limits(config).map(|(class, limit)| {
            let class = if class == "slave" { "replica" } else { class };
            let (hard, soft) = (
                value::memory_text(limit.hard_bytes),
                value::memory_text(limit.soft_bytes),
            );
            format!("{class} {hard} {soft} {}", limit.soft_seconds)
        });
        lines.to_vec()
    },
};

const NOTIFY_KEYSPACE_EVENTS: Kind = Kind::Words {
    form: "letters of g$lshzxetdnKEmA",
    get: |config| config.notify_keyspace_events.text(),
    set: |config, words| {
        config.notify_keyspace_events = EventClasses::parse(one(words)?)?;
        Ok(())
    },
    lines: |config| vec![words::quoted(&config.notify_keyspace_events.text())],
};

const DAEMONIZE: Kind = Kind::Words {
    form: "no",
    get: |_| "no".to_string(),
    set: |_, words| {
        match value::yes_no(one(words)?)? {
        false => Ok(()),
        true => Err("torc stays in the foreground; leave it to systemd or to the shell to put it in the background".to_string()),
    }
    },
    lines: |_| vec!["no".to_string()],
};

fn save_rule_text(&(seconds, changes): &(u32, u32)) -> String {
    format!("{seconds} {changes}")
}

/// As in redis.conf: each line adds rules, an empty one takes all away, and one word with all of them (CONFIG SET) replaces them.
const SAVE: Kind = Kind::Words {
    form: "seconds and changes; repeated",
    get: |config| {
        let rules: Vec<String> = config.save.iter().map(save_rule_text).collect();
        rules.join(" ")
    },
    set: |config, words| {
        let numbers = several(words);
        let numbers: Vec<&str> = numbers
            .into_iter()
            .filter(|word| !word.is_empty())
            .collect();
        let number = |word: &str, min: u32| {
            let number = word.parse::<u32>().ok();
            let number = number.filter(|number| *number >= min && *number <= i32::MAX as u32);
            number.ok_or("Invalid save parameters".to_string())
        };
        let (pairs, rest) = numbers.as_chunks::<2>();
        if !rest.is_empty() {
            return Err("Invalid save parameters".to_string());
        }
        let mut rules = match words.len() {
            1 => Vec::new(),
            _ => config.save.clone(),
        };
        for [seconds, changes] in pairs {
            rules.push((number(seconds, 1)?, number(changes, 0)?));
        }
        config.save = rules;
        Ok(())
    },
    lines: |config| match config.save.is_empty() {
        true => vec!["\"\"".to_string()],
        false => config.save.iter().map(save_rule_text).collect(),
    },
};

/// The name of a file without a path; Redis' words for an error.
macro_rules! file_name {
    ($name:literal, $field:ident) => {
        Kind::Words {
            form: "file name",
            get: |config| config.$field.clone(),
            set: |config, words| {
                let word = one(words)?;
                if word.is_empty() {
                    return Err(concat!($name, " can't be empty").to_string());
                }
                if word.contains('/') {
                    return Err(concat!($name, " can't be a path, just a filename").to_string());
                }
                config.$field = word.to_string();
                Ok(())
            },
            lines: |config| vec![words::quoted(&config.$field)],
        }
    };
}

const FILE_NAME_OF_LOG: Kind = file_name!("appendfilename", appendfilename);
const FILE_NAME_OF_SNAPSHOT: Kind = file_name!("dbfilename", dbfilename);

const INT_MAX: i64 = i32::MAX as i64;

macro_rules! rows {
    ($($name:literal, $kind:expr, $unit:literal, $at_run_time:ident, $about:literal;)*) => {
        /// The rows, in the order in which they are documented.
        pub static ROWS: &[Row] = &[
            $(Row { name: $name, kind: $kind, unit: $unit, at_run_time: rows!(@ $at_run_time), about: $about },)*
        ];
    };
    (@ changes) => { true };
    (@ fixed) => { false };
}

rows! {
    "port", integer!(port: u16, 0, 65535), "", fixed,
        "TCP port of the Redis protocol; 0 turns TCP off.";
    "bind", BIND, "", fixed,
        "Addresses to listen on; `*` and `::*` are all of IPv4 and IPv6, a `-` in front makes an address optional.";
    "unixsocket", path!(unixsocket), "", fixed,
        "Path of a Unix socket to listen on.";
    "unixsocketperm", mode!(unixsocketperm), "", fixed,
        "Mode of the Unix socket; 0 leaves it to the umask.";
    "memcached-port", integer!(memcached_port: u16, 0, 65535), "", fixed,
        "TCP port of memcached's protocols (text, meta, binary), which read and write database 0; 0 turns it off.";
    "memcached-unixsocket", path!(memcached_unixsocket), "", fixed,
        "Path of a Unix socket for memcached's protocols.";
    "memcached-unixsocketperm", mode!(memcached_unixsocketperm), "", fixed,
        "Mode of the Unix socket for memcached's protocols; 0 leaves it to the umask.";
    "memcached-udp-port", integer!(memcached_udp_port: u16, 0, 65535), "", fixed,
        "UDP port of memcached's protocols; 0 turns it off.";
    "memcached-auth-file", text!(memcached_auth_file), "", fixed,
        "File of `user:password` lines; memcached's clients must then authenticate, as they must with `requirepass` as user `default`.";
    "memcached-allow-shutdown", yes_no!(memcached_allow_shutdown), "", changes,
        "Whether memcached's `shutdown` command stops the server.";
    "item-size-max", memory!(item_size_max: usize, 1 << 10, STRING_BYTES_MAX as u64), "bytes", changes,
        "Longest value over memcached's protocols; a longer one is refused with an error.";
    "tcp-backlog", integer!(tcp_backlog: u32, 0, INT_MAX), "connections", fixed,
        "Connections that may wait to be accepted; the system's net.core.somaxconn bounds it.";
    "tcp-keepalive", integer!(tcp_keepalive: u32, 0, INT_MAX), "seconds", changes,
        "Silence after which the system asks whether a client is still there; 0 never asks.";
    "timeout", integer!(timeout: u32, 0, INT_MAX), "seconds", changes,
        "Idle time after which a client is closed; 0 is never.";
    "protected-mode", yes_no!(protected_mode), "", changes,
        "Refuses clients from elsewhere while there is no password.";
    "requirepass", text!(requirepass), "", changes,
        "Password that clients must give with AUTH or HELLO; empty asks for none.";
    "enable-debug-command", choice!(enable_debug_command: DebugCommand), "", fixed,
        "Who may use DEBUG; `local` is connections from this machine.";
    "maxclients", integer!(maxclients: usize, 1, u32::MAX as i64), "connections", changes,
        "Connections at a time, over all shards.";
    "maxmemory", memory!(maxmemory: u64, 0, i64::MAX as u64), "bytes", changes,
        "Memory that the data may take, page slack, tables and bookkeeping included; 0 sets no limit.";
    "maxmemory-policy", choice!(maxmemory_policy: Policy), "", changes,
        "Which keys are evicted when `maxmemory` is reached; `noeviction` refuses writes.";
    "maxmemory-samples", integer!(maxmemory_samples: usize, 1, 64), "keys", changes,
        "Keys compared for an eviction under a sampling policy.";
    "lfu-log-factor", integer!(lfu_log_factor: u32, 0, INT_MAX), "", changes,
        "How slowly the access counter of the LFU policies grows.";
    "lfu-decay-time", integer!(lfu_decay_time: u32, 0, INT_MAX), "minutes", changes,
        "Time in which the access counter of the LFU policies loses one; 0 never.";
    "maxmemory-clients", MAXMEMORY_CLIENTS, "bytes", changes,
        "Memory that the buffers of all clients together may take before the biggest are closed; 0 is an eighth of maxmemory and at least 64mb, or no limit without maxmemory.";
    "client-query-buffer-limit", memory!(client_query_buffer_limit: usize, 1 << 20, i64::MAX as u64), "bytes", changes,
        "Memory that one client's unfinished request may take.";
    "client-output-buffer-limit", CLIENT_OUTPUT_BUFFER_LIMIT, "", changes,
        "Unread replies at which a client is closed: at once above the hard limit, after some seconds above the soft one.";
    "proto-max-bulk-len", memory!(proto_max_bulk_len: usize, 1 << 20, STRING_BYTES_MAX as u64), "bytes", changes,
        "Longest argument of a request, and longest string.";
    "notify-keyspace-events", NOTIFY_KEYSPACE_EVENTS, "", changes,
        "Events of keys that are published to subscribers: K and E choose the channels, the other letters the events, A is g$lshzxetd.";
    "tracking-table-max-keys", integer!(tracking_table_max_keys: usize, 0, i64::MAX), "", changes,
        "Keys of which it is remembered who has read them (CLIENT TRACKING); beyond that some are forgotten, and who has read them is told; 0 for no limit.";
    "databases", integer!(databases: usize, 1, 1024), "", fixed,
        "Number of databases that SELECT may choose from.";
    "shards", integer!(shards: usize, 0, SHARDS_MAX as i64), "", fixed,
        "Number of shards; 0 is one for each core this process may use.";
    "cpu-list", CPU_LIST, "", fixed,
        "Cores for the shards, in order; empty is all that this process may use.";
    "spin-us", integer!(spin_us: u64, 0, 1_000_000), "microseconds", fixed,
        "Time for which a shard without work looks for more before it sleeps.";
    "lazyfree-lazy-eviction", yes_no!(lazyfree_lazy_eviction), "", changes,
        "Accepted as in Redis; values of 64 KiB and more are freed in slices either way, smaller ones at once.";
    "lazyfree-lazy-expire", yes_no!(lazyfree_lazy_expire), "", changes,
        "Accepted as in Redis; values of 64 KiB and more are freed in slices either way, smaller ones at once.";
    "lazyfree-lazy-server-del", yes_no!(lazyfree_lazy_server_del), "", changes,
        "Accepted as in Redis; values of 64 KiB and more are freed in slices either way, smaller ones at once.";
    "lazyfree-lazy-user-del", yes_no!(lazyfree_lazy_user_del), "", changes,
        "Accepted as in Redis; values of 64 KiB and more are freed in slices either way, smaller ones at once.";
    "lazyfree-lazy-user-flush", yes_no!(lazyfree_lazy_user_flush), "", changes,
        "Accepted as in Redis; FLUSHALL and FLUSHDB without SYNC free in slices either way, so that no other client waits.";
    "hash-max-listpack-entries", threshold!(hash_entries_max: usize, 0, INT_MAX), "fields", changes,
        "Fields up to which a hash is kept in one run of bytes.";
    "hash-max-listpack-value", threshold!(hash_value_bytes_max: usize, 0, INT_MAX), "bytes", changes,
        "Longest field or value in a hash that is kept in one run of bytes.";
    "list-max-listpack-size", threshold!(list_size: i32, i32::MIN as i64, INT_MAX), "", changes,
        "Elements of a list's chunk, or with -1 to -5 its bytes: 4, 8, 16, 32 or 64 KB.";
    "set-max-intset-entries", threshold!(set_integers_max: usize, 0, INT_MAX), "members", changes,
        "Members up to which a set of integers is kept as a sorted array.";
    "set-max-listpack-entries", threshold!(set_entries_max: usize, 0, INT_MAX), "members", changes,
        "Members up to which a set is kept in one run of bytes.";
    "set-max-listpack-value", threshold!(set_value_bytes_max: usize, 0, INT_MAX), "bytes", changes,
        "Longest member of a set that is kept in one run of bytes.";
    "zset-max-listpack-entries", threshold!(sorted_set_entries_max: usize, 0, INT_MAX), "members", changes,
        "Members up to which a sorted set is kept in one run of bytes.";
    "zset-max-listpack-value", threshold!(sorted_set_member_bytes_max: usize, 0, INT_MAX), "bytes", changes,
        "Longest member of a sorted set that is kept in one run of bytes.";
    "hll-sparse-max-bytes", integer!(hll_sparse_max_bytes: usize, 0, INT_MAX), "bytes", changes,
        "Length up to which a HyperLogLog is kept in its sparse form.";
    "stream-node-max-bytes", threshold!(stream_node_bytes_max: usize, 0, INT_MAX), "bytes", changes,
        "Bytes of a stream's node; 0 sets no limit.";
    "stream-node-max-entries", threshold!(stream_node_entries_max: usize, 0, INT_MAX), "entries", changes,
        "Entries of a stream's node; 0 sets no limit.";
    "busy-reply-threshold", integer!(busy_reply_threshold: u64, 0, INT_MAX), "milliseconds", changes,
        "How long a script may hold keys before others that need them are answered BUSY; until then they wait.";
    "pipeline-order", choice!(pipeline_order: PipelineOrder), "", changes,
        "Order of a connection's writes to keys of different shards: strict lets nobody see a later one without the earlier; relaxed is faster and promises nothing.";
    "dir", text!(dir), "", fixed,
        "Directory that the process changes to at the start; relative paths begin there.";
    "loglevel", choice!(loglevel: LogLevel), "", changes,
        "How much is logged.";
    "logfile", text!(logfile), "", fixed,
        "File the log is appended to; empty is standard error.";
    "daemonize", DAEMONIZE, "", fixed,
        "Accepted as `no`: torc stays in the foreground.";
    "appendonly", yes_no!(appendonly), "", changes,
        "Whether every change is kept in a log in appenddirname, from which a start reads all data back.";
    "appendfsync", choice!(appendfsync: AppendFsync), "", changes,
        "When a write is durable: always before it is answered, everysec a second later at most, no when the system thinks so.";
    "appenddirname", text!(appenddirname), "", fixed,
        "Name of the directory of the log, in dir.";
    "appendfilename", FILE_NAME_OF_LOG, "", fixed,
        "Name of Redis' append-only file, or of those in appenddirname, that a start with no log of its own imports.";
    "dbfilename", FILE_NAME_OF_SNAPSHOT, "", fixed,
        "Name of the RDB file in dir that SAVE writes, and that a start without any log loads.";
    "aof-load-truncated", yes_no!(aof_load_truncated), "", changes,
        "Whether a log whose last writes were not finished is cut there and loaded, or refused.";
    "no-appendfsync-on-rewrite", yes_no!(no_appendfsync_on_rewrite), "", changes,
        "Whether appendfsync is taken as `no` while the log is rewritten.";
    "auto-aof-rewrite-percentage", integer!(auto_aof_rewrite_percentage: u32, 0, INT_MAX), "per cent", changes,
        "Growth since the last rewrite at which a shard rewrites its log; 0 leaves it to BGREWRITEAOF.";
    "auto-aof-rewrite-min-size", memory!(auto_aof_rewrite_min_size: u64, 0, u64::MAX), "bytes", changes,
        "Size below which the logs of all shards together are not rewritten by themselves.";
    "warm-restart", yes_no!(warm_restart), "", changes,
        "Whether a clean stop leaves the memory in files, which the next start takes it from instead of reading the log.";
    "warm-restart-dir", text!(warm_restart_dir), "", fixed,
        "Directory of the files of warm-restart, on /dev/shm perhaps; empty is dir.";
    "save", SAVE, "", changes,
        "When a snapshot is written by itself: after so many seconds if there were so many changes; empty for never. With rules one is written at the stop, too.";
    "stop-writes-on-bgsave-error", yes_no!(stop_writes_on_bgsave_error), "", changes,
        "Whether writes are refused after a snapshot in the background has failed, until one is written; only with rules of save.";
    "rdbcompression", yes_no!(rdbcompression), "", changes,
        "Whether long strings are compressed in snapshots and by DUMP.";
    "rdbchecksum", yes_no!(rdbchecksum), "", changes,
        "Whether snapshots end with a checksum of all their bytes, and those with one are verified when they are loaded.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_reads_back_and_is_in_range() {
        let defaults = Config::default();
        for row in ROWS {
            let mut config = Config {
                port: 1,
                ..Config::default()
            };
            config.bind.clear();
            for line in row.lines(&defaults) {
                let words = words::split(&line).expect("balanced quotes");
                assert_eq!(row.set(&mut config, &words), Ok(()), "{} {line}", row.name);
            }
            assert_eq!(row.text(&config), row.text(&defaults), "{}", row.name);
            assert_eq!(
                row.set(&mut config, &[row.text(&defaults)]),
                Ok(()),
                "{}",
                row.name
            );
            assert_eq!(row.text(&config), row.text(&defaults), "{}", row.name);
        }
    }

    #[test]
    fn rows_are_well_formed() {
        for (index, row) in ROWS.iter().enumerate() {
            assert!(
                row.about.ends_with('.') && row.about.len() > 10,
                "{}",
                row.name
            );
            assert!(
                !row.about.contains('|') && !row.values().contains('|'),
                "{}: would break the table",
                row.name
            );
            assert!(
                row.name
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
                "{}",
                row.name
            );
            assert!(
                ROWS[..index].iter().all(|other| other.name != row.name),
                "{} stands here twice",
                row.name
            );
            assert!(
                super::super::ignored::find(row.name).is_none(),
                "{} is both known and ignored",
                row.name
            );
        }
    }

    #[test]
    fn rules_of_save_are_added_and_replaced() {
        let mut config = Config::default();
        let row = find("save").expect("a row");
        let mut set = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
            row.set(&mut config, &words)
                .map(|()| (row.text(&config), row.lines(&config)))
        };
        assert_eq!(set(&["900", "1"]).expect("rules").0, "900 1");
        let (text, lines) = set(&["300", "10", "60", "10000"]).expect("rules");
        assert_eq!(text, "900 1 300 10 60 10000");
        assert_eq!(lines, ["900 1", "300 10", "60 10000"]);
        assert_eq!(set(&["5 6"]).expect("rules").0, "5 6");
        for wrong in [&["1", "2", "3"][..], &["0 1"], &["x 1"], &["1 -1"]] {
            assert_eq!(set(wrong), Err("Invalid save parameters".to_string()));
        }
        assert_eq!(set(&[""]).expect("none").1, ["\"\""]);
    }

    #[test]
    fn the_background_is_refused() {
        let mut config = Config::default();
        let words = ["yes".to_string()];
        let row = find("daemonize").expect("a row");
        assert!(row.set(&mut config, &words).is_err());
        assert_eq!(config, Config::default());
    }
}
