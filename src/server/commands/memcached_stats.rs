//! memcached's `stats`: the names that clients and monitoring tools read, with what stands behind them here.
//!
//! Figures of things that only memcached has (its LRU's segments, its crawler) are left out rather than made up.

use super::super::server_operation::{Answer, Call, Finish};
use super::super::service::Service;
use super::super::snapshot::{self, ShardSnapshot};
use super::Answered;
use super::memcached::MEMCACHED_VERSION;
use crate::command::memcache::MemcacheStats;
use crate::config::Policy;
use crate::engine::ClassStats;
use crate::protocol::memcache::binary::HEADER_BYTES;
use crate::protocol::memcache::binary_reply::{status, write_reply};
use std::collections::BTreeMap;

/// Which statistics are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// `stats`.
    General,
    /// `stats settings`.
    Settings,
    /// `stats items`.
    Items,
    /// `stats slabs`.
    Slabs,
    /// `stats sizes`.
    Sizes,
    /// `stats conns`.
    Connections,
    /// `stats sizes_enable`: they are always kept.
    SizesOn,
    /// `stats sizes_disable`, which cannot be.
    SizesOff,
}

/// How they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Lines and END.
    Text,
    /// A reply each, to the request with this header, and an empty one.
    Binary([u8; HEADER_BYTES]),
}

impl Group {
    /// The group that the words behind `stats` name, whatever else they say, or the line that says why there is none.
    pub fn parse(words: &[&[u8]]) -> Result<Group, &'static [u8]> {
        match words {
            [] => Ok(Group::General),
            [b"settings", ..] => Ok(Group::Settings),
            [b"items", ..] => Ok(Group::Items),
            [b"slabs", ..] => Ok(Group::Slabs),
            [b"sizes", ..] => Ok(Group::Sizes),
            [b"conns", ..] => Ok(Group::Connections),
            [b"sizes_enable", ..] => Ok(Group::SizesOn),
            [b"sizes_disable", ..] => Ok(Group::SizesOff),
            [b"detail", b"on" | b"off" | b"dump", ..] => {
                Err(b"CLIENT_ERROR statistics by prefix are not kept\r\n")
            }
            [b"detail", ..] => Err(b"CLIENT_ERROR usage: stats detail on|off|dump\r\n"),
            [b"cachedump", _, _, ..] => {
                Err(b"CLIENT_ERROR stats cachedump not allowed; SCAN of the Redis protocol lists keys\r\n")
            }
            [b"cachedump", ..] => Err(b"CLIENT_ERROR bad command line\r\n"),
            _ => Err(b"ERROR\r\n"),
        }
    }

    /// What the shards are asked.
    pub fn ask(self, form: Form) -> Answered {
        let call = match self {
            Group::General | Group::Settings => Call::Snapshot,
            Group::Items | Group::Slabs | Group::Sizes | Group::SizesOn | Group::SizesOff => {
                Call::Classes
            }
            Group::Connections => Call::MemcachedConnections,
        };
        Answered::AskAll(call, Finish::MemcachedStats(self, form))
    }
}

/// Names and values.
type Rows = Vec<(String, String)>;

/// Writes rows in the client's protocol.
fn write(rows: &Rows, form: Form, out: &mut Vec<u8>) {
    match form {
        Form::Text => {
            for (name, value) in rows {
                out.extend_from_slice(format!("STAT {name} {value}\r\n").as_bytes());
            }
            out.extend_from_slice(b"END\r\n");
        }
        Form::Binary(header) => {
            let mut row = |name: &str, value: &str| {
                let (name, value) = (name.as_bytes(), value.as_bytes());
                write_reply(out, &header, status::OK, b"", name, value, 0);
            };
            for (name, value) in rows {
                row(name, value);
            }
            row("", "");
        }
    }
}

impl Service {
    /// Writes the reply once every shard has answered.
    pub(in super::super) fn write_memcached_stats(
        &self,
        group: Group,
        form: Form,
        answers: Vec<Answer>,
        out: &mut Vec<u8>,
    ) {
        let rows = match group {
            Group::General => self.general(&snapshot::of_all(answers)),
            Group::Settings => self.settings(),
            Group::Items => items(&classes(answers)),
            Group::Slabs => slabs(&classes(answers)),
            Group::Sizes => sizes(&classes(answers)),
            Group::Connections => connections(answers),
            Group::SizesOn => rows(&[("sizes_status", "enabled")]),
            Group::SizesOff => rows(&[
                ("sizes_status", "error"),
                ("sizes_error", "sizes are always kept"),
            ]),
        };
        write(&rows, form, out);
    }

    fn general(&self, shards: &[ShardSnapshot]) -> Rows {
        let mut counted = MemcacheStats::default();
        shards
            .iter()
            .for_each(|shard| counted.add(&shard.commands.memcache));
        let sum = |of: &dyn Fn(&ShardSnapshot) -> u64| shards.iter().map(of).sum::<u64>();
        let clients = sum(&|shard| shard.clients);
        let (user_us, system_us) = snapshot::cpu_us();
        let seconds = |us: u64| format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
        let now_seconds = self.now_ms / 1000;
        let mut rows: Rows = Vec::new();
        let mut row = |name: &str, value: &dyn std::fmt::Display| {
            rows.push((name.to_string(), value.to_string()));
        };
        row("pid", &std::process::id());
        row("uptime", &(now_seconds - self.shared.started_ms / 1000));
        row("time", &now_seconds);
        row("version", &MEMCACHED_VERSION);
        row("torc_version", &env!("CARGO_PKG_VERSION"));
        row("pointer_size", &usize::BITS);
        row("rusage_user", &seconds(user_us));
        row("rusage_system", &seconds(system_us));
        row("max_connections", &self.config.maxclients);
        row("curr_connections", &clients);
        row(
            "total_connections",
            &sum(&|shard| shard.metrics.connections_received),
        );
        row(
            "rejected_connections",
            &sum(&|shard| shard.metrics.rejected_connections),
        );
        row("connection_structures", &clients);
        for (name, count) in counted.named() {
            row(name, &count);
        }
        row("bytes_read", &sum(&|shard| shard.metrics.bytes_received));
        row("bytes_written", &sum(&|shard| shard.metrics.bytes_sent));
        row("limit_maxbytes", &self.config.maxmemory);
        row("accepting_conns", &1);
        row("listen_disabled_num", &0);
        row("threads", &shards.len());
        row(
            "bytes",
            &sum(&|shard| shard.engine.bytes_items + shard.engine.bytes_large),
        );
        row("curr_items", &sum(&|shard| shard.databases[0].0));
        row("hash_bytes", &sum(&|shard| shard.engine.bytes_dictionaries));
        row("slab_reassign_running", &0);
        row("slabs_moved", &sum(&|shard| shard.engine.pages_moved));
        row(
            "slab_global_page_pool",
            &sum(&|shard| shard.engine.pages_free),
        );
        row("evictions", &sum(&|shard| shard.engine.evicted_keys));
        row("reclaimed", &sum(&|shard| shard.engine.expired_keys));
        rows
    }

    fn settings(&self) -> Rows {
        let config = &self.config;
        let on = |on: bool| if on { "yes" } else { "no" };
        let inter: Vec<String> = config
            .bind
            .iter()
            .map(|bind| bind.address.to_string())
            .collect();
        let auth = on(self.memcached_users_needed());
        let evictions = match config.maxmemory_policy {
            Policy::NoEviction => "off",
            _ => "on",
        };
        let path = config.memcached_unixsocket.as_deref().unwrap_or("NULL");
        let mode = config.memcached_unixsocketperm.unwrap_or(0);
        [
            ("maxbytes", config.maxmemory.to_string()),
            ("maxconns", config.maxclients.to_string()),
            ("tcpport", config.memcached_port.to_string()),
            ("udpport", config.memcached_udp_port.to_string()),
            ("inter", inter.join(",")),
            ("verbosity", "0".to_string()),
            ("oldest", "0".to_string()),
            ("evictions", evictions.to_string()),
            ("domain_socket", path.to_string()),
            ("umask", format!("{mode:o}")),
            (
                "shutdown_command",
                on(config.memcached_allow_shutdown).to_string(),
            ),
            ("growth_factor", "1.06".to_string()),
            ("chunk_size", crate::engine::SLOT_BYTES_MIN.to_string()),
            ("num_threads", self.shards().to_string()),
            ("num_threads_per_udp", self.shards().to_string()),
            ("stat_key_prefix", ":".to_string()),
            ("detail_enabled", "no".to_string()),
            ("cas_enabled", "yes".to_string()),
            ("tcp_backlog", config.tcp_backlog.to_string()),
            ("binding_protocol", "auto-negotiate".to_string()),
            ("auth_enabled_sasl", auth.to_string()),
            ("auth_enabled_ascii", auth.to_string()),
            ("item_size_max", config.item_size_max.to_string()),
            ("maxconns_fast", "yes".to_string()),
            ("slab_reassign", "yes".to_string()),
            ("slab_automove", "1".to_string()),
            ("flush_enabled", "yes".to_string()),
            ("dump_enabled", "no".to_string()),
            ("idle_timeout", config.timeout.to_string()),
            ("track_sizes", "yes".to_string()),
            ("ssl_enabled", "no".to_string()),
        ]
        .map(|(name, value)| (name.to_string(), value))
        .into()
    }
}

fn rows(rows: &[(&str, &str)]) -> Rows {
    rows.iter()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect()
}

/// The size classes of all shards, by number.
fn classes(answers: Vec<Answer>) -> BTreeMap<u8, ClassStats> {
    let mut classes: BTreeMap<u8, ClassStats> = BTreeMap::new();
    for answer in answers {
        let Answer::Classes(some) = answer else {
            continue;
        };
        for one in some {
            classes
                .entry(one.class)
                .and_modify(|all| all.add(&one))
                .or_insert(one);
        }
    }
    classes
}

/// memcached's classes begin at 1.
fn number(class: u8) -> u16 {
    u16::from(class) + 1
}

fn items(classes: &BTreeMap<u8, ClassStats>) -> Rows {
    let mut rows = Vec::new();
    for class in classes.values().filter(|class| class.slots_used > 0) {
        let number = number(class.class);
        for (name, value) in [
            ("number", class.slots_used),
            ("mem_requested", class.slots_used * class.slot_bytes),
        ] {
            rows.push((format!("items:{number}:{name}"), value.to_string()));
        }
    }
    rows
}

fn slabs(classes: &BTreeMap<u8, ClassStats>) -> Rows {
    let mut rows = Vec::new();
    let (mut active, mut total) = (0, 0);
    for class in classes.values() {
        let number = number(class.class);
        active += 1;
        total += class.pages * class.page_bytes;
        for (name, value) in [
            ("chunk_size", class.slot_bytes),
            ("chunks_per_page", class.page_bytes / class.slot_bytes),
            ("total_pages", class.pages),
            ("total_chunks", class.slots_used + class.slots_free),
            ("used_chunks", class.slots_used),
            ("free_chunks", class.slots_free),
            ("free_chunks_end", 0),
        ] {
            rows.push((format!("{number}:{name}"), value.to_string()));
        }
    }
    rows.push(("active_slabs".to_string(), active.to_string()));
    rows.push(("total_malloced".to_string(), total.to_string()));
    rows
}

/// Items by their size, rounded up to 32 bytes.
fn sizes(classes: &BTreeMap<u8, ClassStats>) -> Rows {
    let mut sizes: BTreeMap<u64, u64> = BTreeMap::new();
    for class in classes.values().filter(|class| class.slots_used > 0) {
        *sizes
            .entry(class.slot_bytes.next_multiple_of(32))
            .or_default() += class.slots_used;
    }
    sizes
        .into_iter()
        .map(|(bytes, items)| (bytes.to_string(), items.to_string()))
        .collect()
}

fn connections(answers: Vec<Answer>) -> Rows {
    let mut all = Vec::new();
    for answer in answers {
        if let Answer::MemcachedConnections(some) = answer {
            all.extend(some);
        }
    }
    all.sort();
    all.into_iter()
        .flat_map(|(id, rows)| rows.map(|(name, value)| (format!("{id}:{name}"), value)))
        .collect()
}
