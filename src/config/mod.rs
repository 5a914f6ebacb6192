//! (temporary)
use crate::engine::Policy;
use std::ffi::OsString;
use std::net::IpAddr;
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DebugCommand { No, Local, Yes }
#[derive(Debug, Clone, Copy)]
pub struct OutputLimit { pub hard_bytes: u64, pub soft_bytes: u64, pub soft_seconds: u64 }
#[derive(Debug, Clone)]
pub struct Bind { pub address: IpAddr, pub optional: bool }
#[derive(Debug, Clone)]
pub struct Config {
    pub port: u16, pub bind: Vec<Bind>, pub unixsocket: Option<String>, pub unixsocketperm: Option<u32>,
    pub maxmemory: u64, pub maxmemory_policy: Policy, pub maxmemory_samples: usize, pub lfu_log_factor: u32, pub lfu_decay_time: u32,
    pub maxclients: usize, pub timeout: u32, pub tcp_keepalive: u32, pub tcp_backlog: u32, pub output_limit_normal: OutputLimit,
    pub client_query_buffer_limit: usize, pub maxmemory_clients: u64, pub proto_max_bulk_len: usize, pub databases: usize,
    pub requirepass: String, pub protected_mode: bool, pub shards: usize, pub cpu_list: Vec<usize>, pub spin_us: u64,
    pub enable_debug_command: DebugCommand, pub warnings: Vec<String>,
}
pub enum CommandLine { Serve(Box<Config>), Print(String) }
impl Config {
    pub fn maxmemory_clients_bytes(&self) -> u64 { self.maxmemory_clients }
    pub fn from_command_line(args: impl Iterator<Item = OsString>) -> Result<CommandLine, String> {
        let mut c = Config { port: 6379, bind: vec![Bind { address: "127.0.0.1".parse().unwrap(), optional: false }], unixsocket: None, unixsocketperm: None,
            maxmemory: 0, maxmemory_policy: Policy::NoEviction, maxmemory_samples: 5, lfu_log_factor: 10, lfu_decay_time: 1, maxclients: 10000, timeout: 0,
            tcp_keepalive: 300, tcp_backlog: 511, output_limit_normal: OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 }, client_query_buffer_limit: 1 << 30,
            maxmemory_clients: 0, proto_max_bulk_len: 512 << 20, databases: 16, requirepass: String::new(), protected_mode: true, shards: 0, cpu_list: vec![], spin_us: 0,
            enable_debug_command: DebugCommand::Yes, warnings: vec![] };
        let args: Vec<String> = args.map(|a| a.into_string().unwrap()).collect();
        for pair in args.chunks(2) {
            match &pair[0][..] { "--port" => c.port = pair[1].parse().unwrap(), "--shards" => c.shards = pair[1].parse().unwrap(),
                "--maxmemory" => c.maxmemory = pair[1].parse().unwrap(), "--spin-us" => c.spin_us = pair[1].parse().unwrap(), other => eprintln!("ignored {other}") }
        }
        Ok(CommandLine::Serve(Box::new(c)))
    }
}
