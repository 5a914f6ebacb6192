//! What a key costs in memory beyond its own bytes, or a collection with all it holds: how much a fresh server grows while it is filled.
//!
//! Buffers that belong to connections are touched by a load of misses before the first reading, so that they do not count as part of the keys.

use crate::case::Protocol;
use crate::info;
use crate::process;
use crate::server::{Plan, Server};
use crate::slice::{self, Request, Until};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of a key, as loadgen writes them unless told otherwise.
const KEY_BYTES: usize = 16;
/// Length of the load before the first reading.
const TOUCH_SECONDS: f64 = 0.3;
/// A server that resizes its table in the background is waited for, but not for ever.
const SETTLE: Duration = Duration::from_secs(5);
const SETTLE_STEP: Duration = Duration::from_millis(200);

/// Connections send few requests at once while collections are written, so that their buffers stay small beside the collections.
const COLLECTIONS_PIPELINE: usize = 4;

/// What a collection takes, in bytes: key, members and everything else.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CollectionBytes {
    /// By the process's resident memory.
    pub resident: f64,
    /// By the server's own count, if it has one.
    pub counted: Option<f64>,
}

/// Bytes for each key beyond key and value, written over the request's protocol.
pub fn overhead_bytes(plan: &Plan, request: &Request) -> Result<f64, String> {
    let server = plan.start()?;
    touch(&server, request)?;
    let before = resident(&server)?;
    slice::load(&server, request, Until::Filled)?;
    let grown = resident(&server)? - before;
    Ok(grown / request.keys as f64 - (KEY_BYTES + request.value_bytes) as f64)
}

/// Bytes for each of `count` collections, or why the server refuses them.
pub fn collection_bytes(
    plan: &Plan,
    request: &Request,
    count: u64,
) -> Result<Result<CollectionBytes, String>, String> {
    let server = plan.start()?;
    let plain = Request {
        workload: None,
        ..*request
    };
    touch(&server, &plain)?;
    let before = (resident(&server)?, counted(&server));
    let request = Request {
        pipeline: COLLECTIONS_PIPELINE,
        ..*request
    };
    let outcome = slice::send(&server, &request, Until::Filled)?;
    if let Some(refusal) = outcome.stats.first_error {
        return Ok(Err(refusal));
    }
    let count = count as f64;
    let counted = counted(&server).zip(before.1);
    Ok(Ok(CollectionBytes {
        resident: (resident(&server)? - before.0) / count,
        counted: counted.map(|(after, before)| (after - before) / count),
    }))
}

/// Reads keys that are not there, so that connections and their buffers exist.
fn touch(server: &Server, request: &Request) -> Result<(), String> {
    let reads = Request {
        ratio: "0:1",
        ..*request
    };
    slice::load(server, &reads, Until::Seconds(TOUCH_SECONDS)).map(|_| ())
}

/// What a server says of its memory.
fn counted(server: &Server) -> Option<f64> {
    let answer = info::fetch(server.port(Protocol::Resp)?).ok()?;
    info::field(&answer, "used_memory")?.parse().ok()
}

fn resident(server: &Server) -> Result<f64, String> {
    let bytes = settled(server.pid());
    bytes
        .map(|bytes| bytes as f64)
        .map_err(|error| format!("{}: its memory cannot be read: {error}", server.name))
}

fn settled(pid: u32) -> std::io::Result<u64> {
    let deadline = Instant::now() + SETTLE;
    let mut last = process::resident_bytes(pid)?;
    loop {
        thread::sleep(SETTLE_STEP);
        let now = process::resident_bytes(pid)?;
        if now == last || Instant::now() > deadline {
            return Ok(now);
        }
        last = now;
    }
}
