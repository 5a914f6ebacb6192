//! What every whole-server test needs: servers on ports of their own, a raw RESP client, a seeded random source, limits
//! on every wait. It never interprets what a server answers; that is the tests' business. The decision worth knowing: the
//! same tests run against a real redis-server when `TORC_TEST_SERVER=redis-server` says so, which shows that what they
//! demand of torc is the truth. Things only torc has are then skipped with a word.
//!
//! Environment: `TORC_TEST_SERVER` (the program tested in torc's place, or another build of torc), `TORC_REQUIRE_PEERS=1` (a missing redis-server is
//! a failure rather than a skip), `TORC_TEST_SEED` (replays a randomised test), `TORC_TEST_OPERATIONS` (size of the oracle), `TORC_TEST_FULL=1` (the
//! acceptance tests at full size), `TORC_TEST_MEMCACHE_SERVER` (the program tested by the memcached protocols' tests), `TORC_TEST_ISOLATION=1`
//! (commands on keys of several shards are held to take effect at once, whatever the server says).
// Every test binary compiles this module and uses a part of it.
#![allow(dead_code)]

pub mod client;
pub mod memcache;
pub mod process;
pub mod random;
pub mod reply;
pub mod server;
pub mod shrink;
pub mod slots;

use std::time::{Duration, Instant};

/// The longest any single wait of a test may take; a debug build on a busy two-core machine needs a small part of it.
pub const WAIT_LIMIT: Duration = Duration::from_secs(30);

/// Waits for a condition, asking it again and again until the limit; panics with `what` when the limit passes.
pub fn eventually(what: &str, limit: Duration, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !condition() {
        assert!(Instant::now() < deadline, "not within {limit:?}: {what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Runs a closure for torc with one, two and five shards. A redis-server has no shards, so it gets one turn.
pub fn with_each_number_of_shards(directives: &[(&str, &str)], test: impl Fn(&server::Server)) {
    let counts: &[usize] = if server::tested_is_torc() {
        &[1, 2, 5]
    } else {
        &[1]
    };
    for &shards in counts {
        println!("shards: {shards}");
        let server = server::Server::start_with_shards(shards, directives);
        test(&server);
        server.stop();
    }
}
