//! What torc promises as a whole, measured on a running server: bounded memory, short turns, cheap idle connections, bad input that harms nobody.
//!
//! Sizes are small unless `TORC_TEST_FULL=1`, which is meant for a release build of the server:
//! `TORC_TEST_FULL=1 TORC_TEST_SERVER=target/release/torc cargo test --test acceptance -- --nocapture`.
//! Never: judges time on a debug build. The decision worth knowing: the tests of this target run one after the other, because each measures a process and
//! most of them would disturb the others' figures.

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod collections;
mod connections;
mod load;
mod memory;
mod stalls;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// True when full sizes are asked for.
fn full() -> bool {
    std::env::var("TORC_TEST_FULL").as_deref() == Ok("1")
}

/// Held by each test while it runs.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    // A test that failed has nothing that the next one would need.
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Bytes as MiB, for people.
fn mib(bytes: u64) -> f64 {
    bytes as f64 / (1 << 20) as f64
}
