//! What a key costs in memory beyond its own bytes: how much a fresh server grows while it is filled.
//!
//! Buffers that belong to connections are touched by a load of misses before the first reading, so that they do not count as part of the keys.

use crate::process;
use crate::server::Plan;
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

/// Bytes for each key beyond key and value, written over the request's protocol.
pub fn overhead_bytes(plan: &Plan, request: &Request) -> Result<f64, String> {
    let server = plan.start()?;
    slice::load(
        &server,
        &Request {
            ratio: "0:1",
            ..*request
        },
        Until::Seconds(TOUCH_SECONDS),
    )?;
    let unreadable = |error| format!("{}: its memory cannot be read: {error}", server.name);
    let before = settled(server.pid()).map_err(unreadable)?;
    slice::load(&server, request, Until::Filled)?;
    let after = settled(server.pid()).map_err(unreadable)?;
    let grown = after as f64 - before as f64;
    Ok(grown / request.keys as f64 - (KEY_BYTES + request.value_bytes) as f64)
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
