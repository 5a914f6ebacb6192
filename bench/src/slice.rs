//! One slice: a short load on one server, and what it cost the server.

use crate::case::{Protocol, Workload};
use crate::process;
use crate::server::Server;
use clap::Parser;
use loadgen::args::{Args, Plan};
use loadgen::run::{self, Outcome};
use serde_json::{Value, json};

/// A load as loadgen takes it.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The protocol, which the server must speak.
    pub protocol: Protocol,
    /// Connections.
    pub connections: u32,
    /// Requests a connection sends at once.
    pub pipeline: usize,
    /// Collections, or none where the requests are SET and GET.
    pub workload: Option<Workload>,
    /// Keys that each read asks for.
    pub multi_get: u32,
    /// Number of keys that are no collections.
    pub keys: u64,
    /// Size of values.
    pub value_bytes: usize,
    /// Parts of SET and GET.
    pub ratio: &'a str,
    /// Core of the client.
    pub core: usize,
    /// Seed of keys and values.
    pub seed: u64,
}

/// When a load ends.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// After so many seconds.
    Seconds(f64),
    /// When every key was written once.
    Filled,
}

/// What one slice came to.
#[derive(Debug, Clone)]
pub struct Sample {
    /// Number of the round.
    pub round: u32,
    /// Replies.
    pub requests: u64,
    /// Keys they were about: more than replies when reads ask for several.
    pub keys: u64,
    /// Length.
    pub seconds: f64,
    /// Processor time of the server in nanoseconds.
    pub cpu_ns: u64,
    /// The part of it in the kernel, 0 to 1.
    pub kernel_part: f64,
    /// Processor time of the client in nanoseconds.
    pub client_cpu_ns: u64,
    /// Latencies in nanoseconds.
    pub p50_ns: u64,
    /// See `p50_ns`.
    pub p99_ns: u64,
    /// See `p50_ns`.
    pub p999_ns: u64,
}

impl Sample {
    /// Keys per second: requests per second unless reads ask for several.
    pub fn rate(&self) -> f64 {
        self.keys as f64 / self.seconds
    }
    /// Processor time of the server for a key, in microseconds: for a request unless reads ask for several.
    pub fn cpu_us(&self) -> f64 {
        self.cpu_ns as f64 / 1e3 / self.keys as f64
    }
    /// The part of the time in which the server was running, in per cent; above 100 with several shards.
    pub fn busy_percent(&self) -> f64 {
        self.cpu_ns as f64 / 1e7 / self.seconds
    }
    /// For the record.
    pub fn to_json(&self) -> Value {
        json!({
            "round": self.round,
            "requests": self.requests,
            "keys": self.keys,
            "seconds": self.seconds,
            "server_cpu_ns": self.cpu_ns,
            "server_kernel_part": self.kernel_part,
            "client_cpu_ns": self.client_cpu_ns,
            "latency_p50_ns": self.p50_ns,
            "latency_p99_ns": self.p99_ns,
            "latency_p999_ns": self.p999_ns,
        })
    }
}

/// Puts a load on a server until it ends, with all requests done.
pub fn load(server: &Server, request: &Request, until: Until) -> Result<Outcome, String> {
    let outcome = send(server, request, until)?;
    match &outcome.stats.first_error {
        None => Ok(outcome),
        Some(first) => Err(format!(
            "{}: {} requests were refused, the first: {first}",
            server.name,
            outcome.stats.error_count()
        )),
    }
}

/// Puts a load on a server until it ends, whether it does what is asked or refuses.
pub fn send(server: &Server, request: &Request, until: Until) -> Result<Outcome, String> {
    let port = server
        .port(request.protocol)
        .ok_or_else(|| format!("{} does not speak {}", server.name, request.protocol.name()))?;
    let mut words = vec!["loadgen".to_string(), "--quiet".into()];
    let mut option = |name: &str, value: String| words.extend([name.to_string(), value]);
    option("--protocol", request.protocol.name().into());
    option("--port", port.to_string());
    option("--connections", request.connections.to_string());
    option("--pipeline", request.pipeline.to_string());
    option("--value-size", request.value_bytes.to_string());
    match request.workload {
        None => {
            option("--multi-get", request.multi_get.to_string());
            option("--keyspace", request.keys.to_string());
            option("--ratio", request.ratio.into());
        }
        Some(workload) => {
            option("--workload", workload.name.into());
            if let Some(keys) = workload.keys {
                option("--keyspace", keys.to_string());
            }
            if let Some(members) = workload.members {
                option("--members", members.to_string());
            }
        }
    }
    option("--cpu-list", request.core.to_string());
    option("--seed", request.seed.to_string());
    match until {
        Until::Seconds(seconds) => option("--duration", seconds.to_string()),
        Until::Filled => {
            option("--requests", "2".into());
            words.push("--prefill".into());
        }
    }
    let args = Args::try_parse_from(words).map_err(|error| error.to_string())?;
    let plan = Plan::new(args).map_err(|error| error.to_string())?;
    let outcome = run::run(plan).map_err(|error| format!("{}: {error}", server.name))?;
    if outcome.interrupted {
        return Err("interrupted".into());
    }
    if let Some(failure) = &outcome.failure {
        return Err(format!("{}: {failure}", server.name));
    }
    Ok(outcome)
}

/// Measures one slice.
pub fn measure(
    server: &Server,
    request: &Request,
    seconds: f64,
    round: u32,
) -> Result<Sample, String> {
    let unreadable = |error| format!("{}: its process cannot be read: {error}", server.name);
    let pid = server.pid();
    let ticks_before = process::ticks(pid).map_err(unreadable)?;
    let cpu_before = process::cpu_ns(pid).map_err(unreadable)?;
    let outcome = load(server, request, Until::Seconds(seconds))?;
    let cpu_ns = process::cpu_ns(pid).map_err(unreadable)? - cpu_before;
    let ticks = process::ticks(pid).map_err(unreadable)?;
    let (user, kernel) = (ticks.0 - ticks_before.0, ticks.1 - ticks_before.1);
    let latency = outcome.stats.total();
    let requests = outcome.stats.replies();
    if requests == 0 {
        return Err(format!("{}: no reply in {seconds} s", server.name));
    }
    // Misses cost less than hits: a server that lost keys must not look better for it.
    let misses = outcome.stats.misses;
    if misses > 0 {
        return Err(format!(
            "{}: {misses} of the keys it was filled with are gone",
            server.name
        ));
    }
    Ok(Sample {
        round,
        requests,
        keys: outcome.stats.keys,
        seconds: outcome.elapsed.as_secs_f64(),
        cpu_ns,
        kernel_part: kernel as f64 / (user + kernel).max(1) as f64,
        client_cpu_ns: outcome.cpu.as_nanos() as u64,
        p50_ns: latency.percentile(50.0),
        p99_ns: latency.percentile(99.0),
        p999_ns: latency.percentile(99.9),
    })
}
