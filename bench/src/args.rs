//! The command line.

use crate::case;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Measures torc beside its peers, in one run and in turns.
#[derive(Debug, Parser)]
#[command(name = "bench", version, max_term_width = 110)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub task: Task,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Task {
    /// Measure torc, a server that only answers, and every peer found
    Compare(CompareOptions),
    /// Be the server that only answers: the practical limit
    Constant(ConstantOptions),
}

/// Options of `bench constant`.
///
/// Every GET is answered with the same value, everything else with +OK, over the same ring, buffers and parser as torc's. Ends with its process.
#[derive(Debug, Args)]
pub struct ConstantOptions {
    /// TCP port on 127.0.0.1
    #[arg(short, long)]
    pub port: u16,
    /// Size of the value it answers with
    #[arg(long, value_name = "BYTES", default_value_t = 100, value_parser = clap::value_parser!(u32).range(0..=65536))]
    pub reply_bytes: u32,
}

/// Options of `bench compare`.
#[derive(Debug, Clone, Args)]
#[command(after_help = NOTES)]
pub struct CompareOptions {
    /// The torc to measure [default: beside this executable]
    #[arg(long, value_name = "PATH", help_heading = "Servers")]
    pub torc: Option<PathBuf>,
    /// A further peer that speaks RESP; {port} in the command stands for the port, without it Redis' options are added
    #[arg(long, value_name = "NAME=COMMAND", help_heading = "Servers")]
    pub peer: Vec<String>,
    /// Measure only servers of these names (torc, constant, redis-server, valkey-server, memcached, those of --peer)
    #[arg(
        long,
        value_name = "NAME",
        value_delimiter = ',',
        help_heading = "Servers"
    )]
    pub server: Vec<String>,
    /// Measure torc with so many shards as well: what it costs that a key may belong to another shard
    #[arg(long, value_name = "COUNT", help_heading = "Servers", value_parser = clap::value_parser!(u32).range(2..=128))]
    pub shards: Option<u32>,
    /// Core of the servers [default: the first one allowed]
    #[arg(long, value_name = "CPU", help_heading = "Servers")]
    pub server_core: Option<usize>,
    /// Core of the client [default: the last one allowed]
    #[arg(long, value_name = "CPU", help_heading = "Servers")]
    pub client_core: Option<usize>,

    /// Measure only these cases
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = case::names(), help_heading = "Load")]
    pub case: Vec<String>,
    /// Slices for each server and load
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = "Load")]
    pub rounds: u32,
    /// Seconds of a slice
    #[arg(
        long,
        default_value_t = 1.5,
        value_name = "SECONDS",
        help_heading = "Load"
    )]
    pub seconds: f64,
    /// Fresh servers filled for each server and size of values
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100), help_heading = "Load")]
    pub memory_rounds: u32,
    /// Keys of SET and GET, all of which exist
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000), help_heading = "Load")]
    pub keys: u64,
    /// Collections that fresh servers are filled with where their memory is measured
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1_000..=100_000_000), help_heading = "Load")]
    pub collections: u64,
    /// Connections
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000), help_heading = "Load")]
    pub connections: u32,
    /// Seed of the order of slices, and of keys and values
    #[arg(long, default_value_t = 1, help_heading = "Load")]
    pub seed: u64,

    /// Directory for the raw numbers, as JSON
    #[arg(
        long,
        value_name = "DIRECTORY",
        default_value = "bench/runs",
        help_heading = "Output"
    )]
    pub output: PathBuf,
}

const NOTES: &str = "\
All servers stay up and are measured in turns, in short slices whose order is shuffled anew in every round. Each server has one
core and the client another. Values of 100 bytes, keys of 16.

Cases: pipeline-1, pipeline-16, pipeline-64 (1:10 SET:GET), set-pipeline-16, memory-100, memory-10 (bytes a key beyond key and
value), system-calls (by perf or strace, whichever is installed); memcache-1, memcache-16 (1:10, memcached and torc over
memcached's text protocol beside torc and its peers over RESP), memcache-multiget-32 (reads of 32 keys, per key).
Data types, at pipeline 1 and 16, each on collections that loadgen's workloads make: hash-1, hash-16, sorted-set-1, ...; so too list,
list-blocking, set, stream, bitmap, counter. memory-hash, memory-sorted-set, memory-list: bytes a collection. A server that does not
have the commands of a case is left out, with a word.

The figure to compare is processor time a request: requests per second tell of the server only while it is busy all the time.
Differences below 10 % are ties.

Examples:
  bench compare
  bench compare --case pipeline-1,pipeline-16 --rounds 20
  bench compare --peer redis-8='./redis-server' --server torc,redis-server,redis-8
  bench compare --case hash-1,hash-16,memory-hash --collections 1000000
  bench compare --shards 2 --case pipeline-16";
