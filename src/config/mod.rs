//! The configuration: one table of options (`options`), and everything that is made from it: the command line, the file, CONFIG GET, SET
//! and REWRITE, `--help` and the README's table.
//!
//! Never: acts on an option, opens a socket or starts anything; it reads configuration files and nothing else.
//! The decision worth knowing: a `Config` is a plain value. A change (CONFIG SET) makes a new one or none, so nothing is ever half changed.

mod document;
mod events;
mod ignored;
mod load;
pub mod options;
mod request;
mod rewrite;
mod types;
mod value;
pub mod words;

pub use document::markdown_table;
pub use events::{EventClass, EventClasses};
pub use types::{
    AppendFsync, Bind, ClientsLimit, DebugCommand, LogLevel, OutputLimit, PipelineOrder, Policy,
    Thresholds,
};

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

/// Why there is no configuration: one sentence, with the place it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// What the command line asks for.
#[derive(Debug)]
pub enum CommandLine {
    /// To serve.
    Serve(Box<Config>),
    /// To print this and end (`--help`, `--version`).
    Print(String),
}

/// All options, named as in the table of [`options`], which also documents them.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub struct Config {
    pub port: u16,
    pub bind: Vec<Bind>,
    pub unixsocket: Option<String>,
    pub unixsocketperm: Option<u32>,
    pub memcached_port: u16,
    pub memcached_unixsocket: Option<String>,
    pub memcached_unixsocketperm: Option<u32>,
    pub memcached_udp_port: u16,
    pub memcached_auth_file: String,
    pub memcached_allow_shutdown: bool,
    pub item_size_max: usize,
    pub tcp_backlog: u32,
    pub tcp_keepalive: u32,
    pub timeout: u32,
    pub protected_mode: bool,
    pub requirepass: String,
    pub enable_debug_command: DebugCommand,
    pub maxclients: usize,
    pub maxmemory: u64,
    pub maxmemory_policy: Policy,
    pub maxmemory_samples: usize,
    pub lfu_log_factor: u32,
    pub lfu_decay_time: u32,
    pub maxmemory_clients: ClientsLimit,
    pub client_query_buffer_limit: usize,
    pub output_limit_normal: OutputLimit,
    pub output_limit_replica: OutputLimit,
    pub output_limit_pubsub: OutputLimit,
    pub proto_max_bulk_len: usize,
    pub thresholds: Thresholds,
    pub hll_sparse_max_bytes: usize,
    /// `busy-reply-threshold`, milliseconds.
    pub busy_reply_threshold: u64,
    /// `pipeline-order`.
    pub pipeline_order: PipelineOrder,
    pub notify_keyspace_events: EventClasses,
    /// `tracking-table-max-keys`: 0 for no limit.
    pub tracking_table_max_keys: usize,
    pub databases: usize,
    pub shards: usize,
    pub cpu_list: Vec<usize>,
    pub spin_us: u64,
    pub lazyfree_lazy_eviction: bool,
    pub lazyfree_lazy_expire: bool,
    pub lazyfree_lazy_server_del: bool,
    pub lazyfree_lazy_user_del: bool,
    pub lazyfree_lazy_user_flush: bool,
    pub dir: String,
    pub appendonly: bool,
    pub appendfsync: AppendFsync,
    pub appenddirname: String,
    pub appendfilename: String,
    pub dbfilename: String,
    pub warm_restart: bool,
    pub warm_restart_dir: String,
    /// `save`: seconds, and changes in them after which a snapshot is made.
    pub save: Vec<(u32, u32)>,
    pub stop_writes_on_bgsave_error: bool,
    pub rdbcompression: bool,
    pub rdbchecksum: bool,
    pub aof_load_truncated: bool,
    pub no_appendfsync_on_rewrite: bool,
    pub auto_aof_rewrite_percentage: u32,
    pub auto_aof_rewrite_min_size: u64,
    pub loglevel: LogLevel,
    pub logfile: String,
    /// The file it was read from, which CONFIG REWRITE replaces.
    pub file: Option<PathBuf>,
    /// What was accepted and does nothing here, one line each, to be shown at the start.
    pub warnings: Vec<String>,
}

impl Default for Config {
    /// The defaults; documentation and CONFIG REWRITE take them from here.
    fn default() -> Config {
        Config {
            port: 6379,
            bind: vec![Bind {
                address: IpAddr::V4(Ipv4Addr::LOCALHOST),
                optional: false,
            }],
            unixsocket: None,
            unixsocketperm: None,
            memcached_port: 11211,
            memcached_unixsocket: None,
            memcached_unixsocketperm: None,
            memcached_udp_port: 0,
            memcached_auth_file: String::new(),
            memcached_allow_shutdown: false,
            item_size_max: 1 << 20,
            tcp_backlog: 511,
            tcp_keepalive: 300,
            timeout: 0,
            protected_mode: true,
            requirepass: String::new(),
            enable_debug_command: DebugCommand::No,
            maxclients: 10_000,
            maxmemory: 0,
            maxmemory_policy: Policy::NoEviction,
            maxmemory_samples: 5,
            lfu_log_factor: 10,
            lfu_decay_time: 1,
            maxmemory_clients: ClientsLimit::Bytes(0),
            client_query_buffer_limit: 1 << 30,
            output_limit_normal: OutputLimit {
                hard_bytes: 0,
                soft_bytes: 0,
                soft_seconds: 0,
            },
            output_limit_replica: OutputLimit {
                hard_bytes: 256 << 20,
                soft_bytes: 64 << 20,
                soft_seconds: 60,
            },
            output_limit_pubsub: OutputLimit {
                hard_bytes: 32 << 20,
                soft_bytes: 8 << 20,
                soft_seconds: 60,
            },
            proto_max_bulk_len: crate::limits::STRING_BYTES_MAX,
            thresholds: Thresholds::default(),
            hll_sparse_max_bytes: 3000,
            busy_reply_threshold: 5000,
            pipeline_order: PipelineOrder::Strict,
            notify_keyspace_events: EventClasses::default(),
            tracking_table_max_keys: 1_000_000,
            databases: 16,
            shards: 0,
            cpu_list: Vec::new(),
            spin_us: 0,
            lazyfree_lazy_eviction: false,
            lazyfree_lazy_expire: false,
            lazyfree_lazy_server_del: false,
            lazyfree_lazy_user_del: false,
            lazyfree_lazy_user_flush: false,
            dir: ".".to_string(),
            appendonly: false,
            appendfsync: AppendFsync::EverySecond,
            appenddirname: "appendonlydir".to_string(),
            appendfilename: "appendonly.aof".to_string(),
            dbfilename: "dump.rdb".to_string(),
            warm_restart: false,
            warm_restart_dir: String::new(),
            save: Vec::new(),
            stop_writes_on_bgsave_error: true,
            rdbcompression: true,
            rdbchecksum: true,
            aof_load_truncated: true,
            no_appendfsync_on_rewrite: false,
            auto_aof_rewrite_percentage: 100,
            auto_aof_rewrite_min_size: 64 << 20,
            loglevel: LogLevel::Notice,
            logfile: String::new(),
            file: None,
            warnings: Vec::new(),
        }
    }
}

impl Config {
    /// The configuration that a command line (without the program's name) asks for, its files and standard input included.
    pub fn from_command_line(
        args: impl Iterator<Item = OsString>,
    ) -> Result<CommandLine, ConfigError> {
        load::command_line(args, &mut std::io::stdin().lock())
    }

    /// Whether anything is listened on, as far as the configuration can tell.
    pub fn listens(&self) -> bool {
        let ports = [self.port, self.memcached_port, self.memcached_udp_port];
        (ports.iter().any(|&port| port != 0) && !self.bind.is_empty())
            || self.unixsocket.is_some()
            || self.memcached_unixsocket.is_some()
    }

    /// Bytes that all clients' buffers together may take; 0 for no limit.
    pub fn maxmemory_clients_bytes(&self) -> u64 {
        match self.maxmemory_clients {
            ClientsLimit::Bytes(0) if self.maxmemory > 0 => (self.maxmemory / 8).max(64 << 20),
            ClientsLimit::Bytes(bytes) => bytes,
            ClientsLimit::Percent(percent) => self.maxmemory / 100 * u64::from(percent),
        }
    }

    /// Keys that each of so many shards may track; 0 for any number.
    pub fn tracked_keys_max(&self, shards: usize) -> usize {
        self.tracking_table_max_keys.div_ceil(shards)
    }

    /// The name and value of every option that matches one of the patterns, each once (CONFIG GET).
    pub fn get(&self, patterns: &[&[u8]]) -> Vec<(&'static str, String)> {
        request::get(self, patterns)
    }

    /// The configuration with these options changed, all or none (CONFIG SET); an error is the text of the error reply.
    pub fn with(&self, pairs: &[(&[u8], &[u8])]) -> Result<Config, String> {
        request::with(self, pairs)
    }

    /// The text of the configuration file with the present values in it, comments and order kept (CONFIG REWRITE).
    pub fn rewritten(&self, file: &str) -> String {
        rewrite::rewritten(self, file)
    }
}
