//! The command line: options as clap reads them, then checked against one another into a [`Plan`].
//! Whatever can be wrong is said here, before anything is connected.

use crate::error::{Error, Result};
use crate::keys::{KeyDistribution, KeyFormat};
use crate::protocol::{Login, Operation, memcache};
use crate::trace::Trace;
use crate::values::ValueSizes;
use crate::verify::VerifyMode;
use crate::workload::{PREFILL_CHUNK, Shape, WorkloadName};
use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Protocols by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ProtocolName {
    /// Redis' protocol, RESP2
    Resp,
    /// memcached's text protocol: get, set, delete
    MemcacheText,
    /// memcached's meta protocol: mg, ms, md
    MemcacheMeta,
    /// memcached's binary protocol
    MemcacheBinary,
}

impl ProtocolName {
    /// Whether it is one of memcached's.
    pub fn is_memcache(self) -> bool {
        self != Self::Resp
    }
}

/// Load generator for cache servers.
///
/// Closed loop by default: every connection sends --pipeline requests at once, reads all replies, and sends the next.
/// With --rate it is an open loop: requests are due at even intervals whether the server keeps up or not, and their
/// latency counts from when they were due, so a stall of the server shows in full (no coordinated omission).
#[derive(Debug, Clone, Parser)]
#[command(name = "loadgen", version, after_help = FORMATS, max_term_width = 110)]
pub struct Args {
    /// Protocol to speak
    #[arg(long, value_enum, default_value = "resp", help_heading = "Server")]
    pub protocol: ProtocolName,
    /// Host name or address
    #[arg(long, default_value = "127.0.0.1", help_heading = "Server")]
    pub host: String,
    /// TCP port [default: 6379, or 11211 with memcached's protocols]
    #[arg(short, long, help_heading = "Server")]
    pub port: Option<u16>,
    /// Unix socket to use instead of host and port
    #[arg(short = 's', long, value_name = "PATH", help_heading = "Server")]
    pub unixsocket: Option<PathBuf>,
    /// User name; with memcached's protocols "default" unless given
    #[arg(long, requires = "password", help_heading = "Server")]
    pub user: Option<String>,
    /// Password
    #[arg(short = 'a', long, help_heading = "Server")]
    pub password: Option<String>,
    /// Database number (RESP only)
    #[arg(long, default_value_t = 0, help_heading = "Server")]
    pub db: u32,

    /// Connections in all, over all threads
    #[arg(short, long, default_value_t = 50, help_heading = "Load")]
    pub connections: usize,
    /// Threads
    #[arg(short, long, default_value_t = 1, help_heading = "Load")]
    pub threads: usize,
    /// Requests a connection sends at once
    #[arg(short = 'P', long, default_value_t = 1, help_heading = "Load")]
    pub pipeline: usize,
    /// Requests to send [default: 100000, or the whole trace, or no limit with --duration]
    #[arg(short = 'n', long, help_heading = "Load")]
    pub requests: Option<u64>,
    /// Seconds to send for
    #[arg(long, value_name = "SECONDS", help_heading = "Load")]
    pub duration: Option<f64>,
    /// End after so many seconds whatever else was asked for
    #[arg(long, value_name = "SECONDS", help_heading = "Load")]
    pub max_duration: Option<f64>,
    /// Requests per second in all: an open loop
    #[arg(long, value_name = "R", help_heading = "Load")]
    pub rate: Option<f64>,
    /// Give up when no reply has come for so many seconds
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 30.0,
        help_heading = "Load"
    )]
    pub timeout: f64,
    /// Write every key of the keyspace once before measuring; of a workload, make every collection anew
    #[arg(long, help_heading = "Load")]
    pub prefill: bool,
    /// Seconds of the same load before measuring
    #[arg(long, value_name = "SECONDS", help_heading = "Load")]
    pub warmup: Option<f64>,
    /// CPUs to pin the threads to, in turn, such as 1,3-5
    #[arg(long, value_name = "LIST", help_heading = "Load")]
    pub cpu_list: Option<String>,
    /// Use epoll even where io_uring is to be had
    #[arg(long, help_heading = "Load")]
    pub epoll: bool,

    /// Commands on Redis' data types instead of SET, GET and DELETE (RESP only)
    #[arg(long, value_enum, value_name = "NAME", help_heading = "Requests",
          conflicts_with_all = ["ratio", "multi_get", "trace", "verify"])]
    pub workload: Option<WorkloadName>,
    /// Members of each collection of a workload: fields, elements, entries, bits [default: by workload]
    #[arg(
        long,
        value_name = "COUNT",
        requires = "workload",
        help_heading = "Requests"
    )]
    pub members: Option<u64>,
    /// Parts of writes, reads and, if wanted, deletions
    #[arg(
        long,
        value_name = "SET:GET[:DELETE]",
        default_value = "1:10",
        help_heading = "Requests"
    )]
    pub ratio: String,
    /// Number of keys [default: 1000000, or by workload]
    #[arg(short = 'r', long, help_heading = "Requests")]
    pub keyspace: Option<u64>,
    /// uniform, zipf:THETA (any exponent above 0, hot keys scattered) or sequential
    #[arg(
        long,
        value_name = "DIST",
        default_value = "uniform",
        help_heading = "Requests"
    )]
    pub key_dist: KeyDistribution,
    /// Keys that each read asks for, in one request: MGET; get K1 .. KN; quiet mg and mn; GETKQ and NOOP
    #[arg(
        long,
        value_name = "KEYS",
        default_value_t = 1,
        help_heading = "Requests"
    )]
    pub multi_get: u32,
    /// What keys begin with; digits follow [default: key:, or by workload]
    #[arg(long, help_heading = "Requests")]
    pub key_prefix: Option<String>,
    /// Size of a key in bytes, prefix included
    #[arg(long, default_value_t = 16, help_heading = "Requests")]
    pub key_size: usize,
    /// Size of values: N, A-B (even between both) or dist:FILE
    #[arg(
        short = 'd',
        long,
        value_name = "SIZE",
        default_value = "100",
        help_heading = "Requests"
    )]
    pub value_size: String,
    /// Time to live of what is written: seconds (60, 60s) or milliseconds (500ms); memcached's protocols and --workload
    /// rate-limit take whole seconds, to which it is rounded up
    #[arg(long, value_name = "TIME", help_heading = "Requests")]
    pub ttl: Option<String>,
    /// Send a recorded trace: FILE.u32, FILE.u32.zst, FILE.csv or synthetic:orm-busy; a read that misses is followed by
    /// a write of that key
    #[arg(long, value_name = "FILE", help_heading = "Requests")]
    pub trace: Option<String>,
    /// Seed of everything random
    #[arg(long, default_value_t = 1, help_heading = "Requests")]
    pub seed: u64,

    /// Check every value that comes back; with =strict a miss is an error too, unless the TTL may have passed
    #[arg(long, value_enum, value_name = "MODE", num_args = 0..=1, require_equals = true,
          default_missing_value = "evicting", help_heading = "Verification")]
    pub verify: Option<VerifyMode>,
    /// Open connections again that are lost, for so many seconds at most, and check every key that was written: it holds what was last acknowledged, or something
    /// later that was sent
    #[arg(
        long,
        value_name = "SECONDS",
        requires = "verify",
        help_heading = "Verification"
    )]
    pub reconnect: Option<f64>,
    /// Milliseconds before a loss from which on what was acknowledged may be lost with it
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 0,
        requires = "reconnect",
        help_heading = "Verification"
    )]
    pub lost_max: u64,
    /// Milliseconds after its TTL from which on a served value is an error
    #[arg(
        long,
        value_name = "MS",
        default_value_t = 100,
        help_heading = "Verification"
    )]
    pub ttl_margin: u64,

    /// Write the results as JSON
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub json: Option<PathBuf>,
    /// Write the results as one self-contained page with plots
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    pub html: Option<PathBuf>,
    /// Seconds per point of the time series; points are merged when they become more than 600
    #[arg(
        long,
        value_name = "SECONDS",
        default_value_t = 0.1,
        help_heading = "Output"
    )]
    pub report_interval: f64,
    /// Print requests per second only, and no progress
    #[arg(short, long, help_heading = "Output")]
    pub quiet: bool,
}

const FORMATS: &str = "\
Files:
  --value-size dist:FILE   JSON as CacheBench's sizes.json, {\"valSizeRange\": [sizes], \"valSizeRangeProbability\":
                           [weights]}, or CSV with lines size,weight (# begins a comment).
  --trace FILE.u32[.zst]   little-endian 32-bit object numbers in request order, plain or compressed with zstd; all reads.
  --trace FILE.csv         Twitter's cache traces (timestamp,key,key size,value size,client,operation,TTL; no header) or
                           Meta's (a header naming at least key,op,size,ttl). Sizes of 0 take --value-size.

Verification: a value follows from its key, its version and the seed. Every connection has keys of its own, so what
comes back must be what it last wrote there, or a miss. memcached counts whole seconds, so that with its protocols
a value may also expire up to 1.5 seconds early.

--multi-get: --requests, --rate, --pipeline and latencies are of requests; hits and misses are of keys.

Workloads, with their keys and members unless --keyspace and --members say otherwise:
  cart           100000 hashes of 10 fields, the last a number    tags    100000 sets of about 20 of 40 possible tags
  leaderboard    10000 sorted sets of 100 players                 stream  1000 streams of about 200 entries, with a group each
  queue          10000 lists of 50 elements                       bitmap  10000 strings of 10000 bits
  queue-blocking 1000 lists, empty but for what is handed over    rate-limit  100000 counters that expire (--ttl, 60 s)
  transaction, transaction-spread, script, script-spread          100000 times three or two strings
  publish        1 channel with 100 subscribers
  The first two rows, stream and bitmap read what --prefill made; a server keeps it for further runs. Keys begin with a
  word of each workload's own.

Exit code: 0 done, 1 the run failed or a value was wrong, 2 wrong arguments.

Examples:
  loadgen -p 6379 -c 50 -P 16 --duration 10 --prefill -r 100000
  loadgen --rate 20000 --duration 30 --html result.html
  loadgen --trace synthetic:orm-busy -c 1 -P 1 --value-size 100-400
  loadgen --verify=strict --ratio 1:4:1 -r 10000
  loadgen --protocol memcache-meta --multi-get 32 -P 4 --prefill -r 100000
  loadgen --workload leaderboard -P 16 --duration 10 --prefill --members 1000";

/// Limits of what may be asked for.
const KEYSPACE: u64 = 1_000_000;
const KEY_PREFIX: &str = "key:";
const CONNECTIONS_MAX: usize = 30_000;
const THREADS_MAX: usize = 1_024;
const PIPELINE_MAX: usize = 100_000;
const MULTI_GET_MAX: u64 = 10_000;
/// How long a counter of rate-limit lives unless --ttl says otherwise.
const RATE_LIMIT_TTL_SECONDS: u64 = 60;
const VERIFY_KEYSPACE_MAX: u64 = 100_000_000;
/// All output buffers together, when every one holds a full batch of the largest writes.
const OUTPUT_MAX: u128 = 16 << 30;

/// Everything a run needs to know, checked.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Ends the run when it becomes true, as if its time were over: for those who run it from a program.
    pub end: Arc<AtomicBool>,
    /// The options as given.
    pub args: Args,
    /// The server's TCP port.
    pub port: u16,
    /// What connections say first.
    pub login: Login,
    /// How keys are written.
    pub key_format: KeyFormat,
    /// How large values are.
    pub value_sizes: ValueSizes,
    /// Time to live in milliseconds, 0 for none; whole seconds with memcached's protocols.
    pub ttl_ms: u64,
    /// By how much less a value may live.
    pub ttl_early_ms: u64,
    /// The trace to send.
    pub trace: Option<Arc<Trace>>,
    /// The workload, if it is none of keys and values.
    pub workload: Option<Shape>,
    /// Number of keys.
    pub keyspace: u64,
    /// Parts of SET, GET, DELETE.
    pub ratio: [u32; 3],
    /// Numbers of requests after which to stop.
    pub requests: u64,
    /// Time after which to stop.
    pub duration: Option<Duration>,
    /// CPUs for the threads.
    pub cpus: Vec<usize>,
    /// Length of one interval of the time series.
    pub interval: Duration,
}

fn seconds(name: &str, value: f64) -> Result<Duration> {
    if value > 0.0 && value <= 1e8 {
        Ok(Duration::from_secs_f64(value))
    } else {
        Err(Error::usage(format!(
            "{name} must be above 0 and at most 100000000 seconds, not {value}"
        )))
    }
}

fn within(name: &str, value: u64, low: u64, high: u64) -> Result<()> {
    if (low..=high).contains(&value) {
        Ok(())
    } else {
        Err(Error::usage(format!(
            "{name} must be from {low} to {high}, not {value}"
        )))
    }
}

/// What memcached's protocols cannot carry.
fn check_memcache(args: &Args, key_prefix: &str, trace: Option<&Trace>) -> Result<()> {
    if args.workload.is_some() {
        return Err(Error::usage(
            "--workload: memcached's protocols have no data types; workloads need --protocol resp",
        ));
    }
    if args.db != 0 {
        return Err(Error::usage(
            "--db: there are no databases in memcached's protocols",
        ));
    }
    within(
        "--key-size with memcached's protocols",
        args.key_size as u64,
        1,
        memcache::KEY_SIZE_MAX as u64,
    )?;
    let plain = |key: &[u8]| key.iter().all(|byte| *byte > b' ' && *byte != 0x7f);
    if !plain(key_prefix.as_bytes()) {
        return Err(Error::usage(
            "--key-prefix: no blanks or control characters in memcached's protocols",
        ));
    }
    let fits = |key: &[u8]| key.len() <= memcache::KEY_SIZE_MAX && !key.is_empty() && plain(key);
    if trace.is_some_and(|trace| !trace.keys_all(fits)) {
        return Err(Error::usage(format!(
            "--trace: a key of memcached's protocols has 1 to {} bytes, no blanks and no control characters",
            memcache::KEY_SIZE_MAX
        )));
    }
    Ok(())
}

/// Each is a connection.
const SUBSCRIBERS_MAX: u64 = 50_000;

/// The workload that the options ask for, with what they leave open.
fn shape(args: &Args, name: WorkloadName, ttl_ms: u64) -> Result<Shape> {
    let [default, low, high] = name.defaults().members;
    if high == 0 && args.members.is_some() {
        return Err(Error::usage(
            "--members: the keys of this workload have no members to choose the number of",
        ));
    }
    let members = args.members.unwrap_or(default);
    within("--members with this workload", members, low, high)?;
    if ttl_ms > 0 && name != WorkloadName::RateLimit {
        return Err(Error::usage(
            "--ttl: of the workloads only rate-limit has keys that expire",
        ));
    }
    if name == WorkloadName::QueueBlocking {
        if args.connections < 2 * args.threads {
            return Err(Error::usage(format!(
                "--workload queue-blocking: {} connections on {} threads: each thread needs one that waits and one that pushes",
                args.connections, args.threads
            )));
        }
        if args.rate.is_some() {
            return Err(Error::usage(
                "--rate: a push of queue-blocking follows its wait and is due at no time of its own",
            ));
        }
        if args.requests.is_some_and(|count| count % 2 == 1) {
            return Err(Error::usage(
                "--requests with queue-blocking must be even: to each wait belongs a push",
            ));
        }
    }
    let keyspace = args.keyspace.unwrap_or(name.defaults().keyspace);
    if name == WorkloadName::Publish && keyspace.saturating_mul(members) > SUBSCRIBERS_MAX {
        return Err(Error::usage(format!(
            "--workload publish: {members} subscribers to each of {keyspace} channels are more than {SUBSCRIBERS_MAX}"
        )));
    }
    Ok(Shape {
        name,
        members,
        ttl_seconds: match ttl_ms {
            0 => RATE_LIMIT_TTL_SECONDS,
            ttl_ms => ttl_ms.div_ceil(1_000),
        },
        // A wait whose push was refused must end before this program gives up.
        wait_seconds: (args.timeout / 2.0).max(1.0) as u64,
        is_pipelined: args.pipeline > 1,
    })
}

fn parse_ttl(text: &str) -> Result<u64> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => (text.strip_suffix('s').unwrap_or(text), 1_000),
    };
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(unit))
        .filter(|ms| (1..=10_000_000_000_000).contains(ms))
        .ok_or_else(|| {
            Error::usage(format!(
                "--ttl '{text}': expected a time such as 60, 60s or 500ms"
            ))
        })
}

fn parse_ratio(text: &str) -> Result<[u32; 3]> {
    let wrong = || {
        Error::usage(format!(
            "--ratio '{text}': expected SET:GET or SET:GET:DELETE, such as 1:10"
        ))
    };
    let parts: Vec<u32> = text
        .split(':')
        .map(|part| part.parse().ok().filter(|part| *part <= 1_000_000))
        .collect::<Option<_>>()
        .ok_or_else(wrong)?;
    match parts[..] {
        [set, get] if set + get > 0 => Ok([set, get, 0]),
        [set, get, delete] if set + get + delete > 0 => Ok([set, get, delete]),
        _ => Err(wrong()),
    }
}

/// Reads a list such as `0,2-4`.
pub fn parse_cpu_list(text: &str) -> Result<Vec<usize>> {
    let mut cpus = Vec::new();
    for part in text.split(',') {
        let (low, high) = part.split_once('-').unwrap_or((part, part));
        match (low.parse::<usize>(), high.parse::<usize>()) {
            (Ok(low), Ok(high)) if low <= high && high < libc::CPU_SETSIZE as usize => {
                cpus.extend(low..=high)
            }
            _ => {
                return Err(Error::usage(format!(
                    "--cpu-list '{text}': expected CPU numbers such as 1,3-5"
                )));
            }
        }
    }
    Ok(cpus)
}

impl Plan {
    /// The run that a command line describes, whose words have no blanks in them.
    pub fn of_line(line: &str) -> Result<Self> {
        let words = std::iter::once("loadgen").chain(line.split_whitespace());
        let args = Args::try_parse_from(words).map_err(|error| Error::usage(error.to_string()))?;
        Plan::new(args)
    }

    /// Checks the options and loads what files they name.
    pub fn new(args: Args) -> Result<Self> {
        within(
            "--connections",
            args.connections as u64,
            1,
            CONNECTIONS_MAX as u64,
        )?;
        within("--threads", args.threads as u64, 1, THREADS_MAX as u64)?;
        within("--pipeline", args.pipeline as u64, 1, PIPELINE_MAX as u64)?;
        within("--requests", args.requests.unwrap_or(1), 1, u64::MAX >> 1)?;
        within("--multi-get", u64::from(args.multi_get), 1, MULTI_GET_MAX)?;
        let defaults = args.workload.map(WorkloadName::defaults);
        let keyspace = args
            .keyspace
            .unwrap_or(defaults.map_or(KEYSPACE, |defaults| defaults.keyspace));
        within("--keyspace", keyspace, 1, 1 << 40)?;
        let key_prefix = args
            .key_prefix
            .as_deref()
            .unwrap_or(defaults.map_or(KEY_PREFIX, |defaults| defaults.key_prefix));
        within("--key-size", args.key_size as u64, 1, 65_536)?;
        if args.threads > args.connections {
            return Err(Error::usage(format!(
                "{} threads cannot share {} connections: each needs at least one",
                args.threads, args.connections
            )));
        }
        if let Some(rate) = args.rate
            && !(rate > 0.0 && rate <= 1e9)
        {
            return Err(Error::usage(format!(
                "--rate must be above 0 and at most 1e9, not {rate}"
            )));
        }
        seconds("--timeout", args.timeout)?;
        if let Some(warmup) = args.warmup {
            seconds("--warmup", warmup)?;
        }
        let interval =
            seconds("--report-interval", args.report_interval)?.max(Duration::from_millis(10));
        let mut duration = None;
        for (name, value) in [
            ("--duration", args.duration),
            ("--max-duration", args.max_duration),
        ] {
            if let Some(value) = value {
                let value = seconds(name, value)?;
                duration = Some(duration.map_or(value, |other: Duration| other.min(value)));
            }
        }
        if let Some(value) = args.reconnect {
            seconds("--reconnect", value)?;
        }
        if args.verify.is_some() {
            if args.trace.is_some() {
                return Err(Error::usage(
                    "--verify and --trace exclude each other: a trace's connections share keys",
                ));
            }
            within(
                "--keyspace with --verify",
                keyspace,
                args.connections as u64,
                VERIFY_KEYSPACE_MAX,
            )?;
        }
        if args.prefill && args.trace.is_some() {
            return Err(Error::usage(
                "--prefill and --trace exclude each other: a trace fills the cache itself",
            ));
        }
        if args.multi_get > 1 && args.trace.is_some() {
            return Err(Error::usage(
                "--multi-get and --trace exclude each other: a trace's requests have one key each",
            ));
        }
        let value_sizes = ValueSizes::parse(&args.value_size)?;
        let memcache = args.protocol.is_memcache();
        let asked_ttl_ms = args.ttl.as_deref().map_or(Ok(0), parse_ttl)?;
        let (ttl_ms, ttl_early_ms) = match memcache {
            true => (asked_ttl_ms.next_multiple_of(1_000), memcache::TTL_EARLY_MS),
            // A server's millisecond may begin before ours.
            false => (asked_ttl_ms, 1),
        };
        let ratio = parse_ratio(&args.ratio)?;
        let cpus = args
            .cpu_list
            .as_deref()
            .map_or(Ok(Vec::new()), parse_cpu_list)?;
        let trace = args
            .trace
            .as_deref()
            .map(|name| Trace::load(name, args.seed))
            .transpose()?
            .map(Arc::new);
        if memcache {
            check_memcache(&args, key_prefix, trace.as_deref())?;
        }
        let workload = args
            .workload
            .map(|name| shape(&args, name, asked_ttl_ms))
            .transpose()?;
        let key_numbers = trace.as_ref().map_or(keyspace, |trace| trace.keyspace());
        let key_format =
            KeyFormat::new(key_prefix, args.key_size, key_numbers).map_err(Error::usage)?;
        let largest = value_sizes
            .largest()
            .max(trace.as_ref().map_or(0, |trace| trace.value_size_max()));
        let write = match workload {
            // A command of the prefill writes several members.
            Some(_) => PREFILL_CHUNK as usize * (largest + 64) + args.key_size,
            None => largest + args.key_size + 64,
        };
        let read = args.multi_get as usize * (args.key_size + 64);
        let output = args.connections as u128 * args.pipeline as u128 * write.max(read) as u128;
        if output > OUTPUT_MAX {
            return Err(Error::usage(format!(
                "values of up to {largest} bytes and reads of {} keys on {} connections with {} at once may need \
                 {} GB of buffers: at most 16 are allowed",
                args.multi_get,
                args.connections,
                args.pipeline,
                output >> 30
            )));
        }
        let requests = match (&trace, args.requests, args.duration) {
            (Some(trace), asked, _) => asked.unwrap_or(u64::MAX).min(trace.len() as u64),
            (None, Some(asked), _) => asked,
            (None, None, Some(_)) => u64::MAX,
            (None, None, None) => 100_000,
        };
        let login = Login {
            user: args.user.clone(),
            password: args.password.clone(),
            database: args.db,
        };
        let port = args.port.unwrap_or(if memcache { 11211 } else { 6379 });
        Ok(Self {
            end: Arc::default(),
            port,
            login,
            key_format,
            value_sizes,
            ttl_ms,
            ttl_early_ms,
            trace,
            workload,
            keyspace,
            ratio,
            requests,
            duration,
            cpus,
            interval,
            args,
        })
    }

    /// The names of all operations of this load, in the order of [`crate::protocol::Operation::index`].
    pub fn operations(&self) -> &'static [&'static str] {
        match self.workload {
            Some(shape) => shape.name.defaults().commands,
            None => &Operation::NAMES,
        }
    }

    /// About how many bytes a request is answered with.
    pub fn reply_size(&self) -> usize {
        let value_size = self.value_sizes.mean();
        match self.workload {
            Some(shape) => shape.name.reply_size(shape.members, value_size),
            None => (value_size + 16).saturating_mul(self.args.multi_get as usize),
        }
    }

    /// The protocol's name on the command line.
    pub fn protocol_name(&self) -> String {
        let value = self.args.protocol.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Whether somebody wants the run to end.
    pub fn is_ended(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }

    /// The workload's name on the command line.
    pub fn workload_name(&self) -> Option<String> {
        let value = self.args.workload?.to_possible_value()?;
        Some(value.get_name().to_owned())
    }

    /// The workload's name, or without one the protocol's.
    pub fn load_name(&self) -> String {
        self.workload_name().unwrap_or_else(|| self.protocol_name())
    }

    /// The server, for messages.
    pub fn server(&self) -> String {
        match &self.args.unixsocket {
            Some(path) => path.display().to_string(),
            None if self.args.host.contains(':') => {
                format!("[{}]:{}", self.args.host, self.port)
            }
            None => format!("{}:{}", self.args.host, self.port),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(line: &str) -> Result<Plan> {
        Plan::of_line(line)
    }

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn defaults_and_limits() {
        let plan_default = plan("").unwrap();
        assert_eq!(plan_default.requests, 100_000);
        assert_eq!(plan_default.key_format.size(), 16);
        assert_eq!(plan("--duration 5").unwrap().requests, u64::MAX);
        assert_eq!(
            plan("--duration 5 --max-duration 2").unwrap().duration,
            Some(Duration::from_secs(2))
        );
        assert_eq!(
            plan("--trace synthetic:orm-busy -n 10").unwrap().requests,
            10
        );
    }

    #[test]
    fn forms_of_options() {
        assert_eq!(
            plan("--verify").unwrap().args.verify,
            Some(VerifyMode::Evicting)
        );
        assert_eq!(
            plan("--verify=strict").unwrap().args.verify,
            Some(VerifyMode::Strict)
        );
        assert_eq!(plan("--ttl 10").unwrap().ttl_ms, 10_000);
        assert_eq!(plan("--ttl 250ms").unwrap().ttl_ms, 250);
        assert_eq!(plan("--ratio 1:2:3").unwrap().ratio, [1, 2, 3]);
        assert_eq!(parse_cpu_list("1,3-5").unwrap(), [1, 3, 4, 5]);
    }

    #[test]
    fn memcached_has_its_own_port_and_whole_seconds() {
        assert_eq!(plan("").unwrap().port, 6379);
        assert_eq!(plan("--ttl 250ms").unwrap().ttl_early_ms, 1);
        for name in ["memcache-text", "memcache-meta", "memcache-binary"] {
            let plan = |line: &str| plan(&format!("--protocol {name} {line}"));
            assert_eq!(plan("").unwrap().port, 11211);
            assert_eq!(plan("--port 5").unwrap().port, 5);
            assert_eq!(plan("--ttl 1001ms").unwrap().ttl_ms, 2_000);
            let error = plan("--db 3").unwrap_err();
            assert!(error.to_string().contains("no databases"), "{error}");
        }
    }

    #[test]
    fn keys_that_memcached_cannot_have_are_refused() {
        let path = std::env::temp_dir().join(format!("loadgen-keys-{}.csv", std::process::id()));
        let long = "k".repeat(251);
        for (key, right) in [
            ("k", true),
            (&long[1..], true),
            (&long, false),
            ("a b", false),
        ] {
            std::fs::write(&path, format!("0,{key},1,7,1,get,0\n")).unwrap();
            let line = format!("--protocol memcache-text --trace {}", path.display());
            let error = plan(&line).err().map(|error| error.exit_code());
            assert_eq!(error, (!right).then_some(2), "{key}");
        }
        std::fs::remove_file(&path).unwrap();
        let words = [
            "loadgen",
            "--protocol",
            "memcache-text",
            "--key-prefix",
            "a b",
        ];
        let error = Plan::new(Args::try_parse_from(words).unwrap()).unwrap_err();
        assert!(error.to_string().contains("--key-prefix"), "{error}");
    }

    #[test]
    fn workloads_have_sizes_of_their_own() {
        let cart = plan("--workload cart").unwrap();
        let shape = cart.workload.unwrap();
        assert_eq!((cart.keyspace, shape.members), (100_000, 10));
        assert_eq!(cart.operations()[3], "HGETALL");
        assert_eq!(
            (cart.load_name(), cart.protocol_name()),
            ("cart".into(), "resp".into())
        );
        let mut key = Vec::new();
        cart.key_format.write(7, &mut key);
        assert_eq!(key, b"cart:00000000007");
        let tags = plan("--workload tags --members 3 -r 9 --key-prefix t -P 2").unwrap();
        assert_eq!((tags.keyspace, tags.workload.unwrap().members), (9, 3));
        assert!(tags.workload.unwrap().is_pipelined && !shape.is_pipelined);
        let limit = plan("--workload rate-limit --ttl 1500ms --timeout 7").unwrap();
        let shape = limit.workload.unwrap();
        assert_eq!((shape.ttl_seconds, shape.wait_seconds), (2, 3));
        assert_eq!(plan("").unwrap().operations(), ["GET", "SET", "DELETE"]);
        let error = plan("--workload tags --protocol memcache-meta").unwrap_err();
        assert!(error.to_string().contains("no data types"), "{error}");
    }

    #[test]
    fn wrong_arguments_have_exit_code_two() {
        for line in [
            "--connections 0",
            "--pipeline 0",
            "--requests 0",
            "--ratio 0:0",
            "--ratio 1",
            "--ttl 0",
            "--ttl x",
            "--duration 0",
            "--duration nan",
            "--rate -1",
            "--threads 51",
            "--protocol memcache",
            "--protocol memcache-text --db 1",
            "--protocol memcache-meta --key-size 251",
            "--multi-get 0",
            "--multi-get 10001",
            "--multi-get 2 --trace synthetic:orm-busy",
            "--multi-get 10000 --connections 10000 --pipeline 1000",
            "--key-size 5",
            "--cpu-list 3-1",
            "--verify=hard",
            "--user u",
            "--verify --trace synthetic:orm-busy",
            "--verify --keyspace 10",
            "--value-size 500000000",
            "--trace /nonexistent.u32",
            "--members 5",
            "--workload basket",
            "--workload cart --ratio 1:1",
            "--workload cart --multi-get 2",
            "--workload cart --verify",
            "--workload cart --trace synthetic:orm-busy",
            "--workload cart --ttl 5",
            "--workload cart --members 1",
            "--workload cart --protocol memcache-text",
            "--workload queue --value-size 100000000",
            "--workload rate-limit --members 5",
            "--workload bitmap --members 4294967297",
            "--workload queue-blocking --connections 1",
            "--workload queue-blocking --connections 5 --threads 3",
            "--workload queue-blocking --requests 5",
            "--workload queue-blocking --rate 1000",
        ] {
            assert_eq!(plan(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
