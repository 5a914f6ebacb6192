//! The append log as its users see it: a server is killed at a random moment or stopped, started again on the same directory, and must have what it has acknowledged.
//!
//! Never looks into the files, but to damage them. The decision worth knowing: clients know what they have been answered and the one request that was not, so whatever is found
//! after a start is the state before that request or after it, as a whole, and nothing else.
//!
//! `TORC_TEST_FULL=1` makes a hundred rounds of ten.

#[path = "../oracle/families/mod.rs"]
#[allow(dead_code)]
mod families;
#[path = "../oracle/generate.rs"]
#[allow(dead_code)]
mod generate;
#[path = "../support/mod.rs"]
mod support;

mod begins;
mod client;
mod crash;
mod empty_logs;
mod every_second;
mod failures;
mod leases;
mod load;
mod model;
mod operation;
mod pieces;
mod queue;
mod replay;
mod running;
mod slow_scripts;
mod snapshot;
mod wait;

use support::server::{skip_unless_torc, tested_knows};

/// Whether the tested program has a log of this form; says so if not.
fn is_skipped() -> bool {
    if skip_unless_torc("the log is torc's own") {
        return true;
    }
    let has_log = tested_knows("appenddirname");
    if !has_log {
        println!("skipped: the tested server has no log");
    }
    !has_log
}

/// How many rounds a test makes.
fn rounds() -> u64 {
    match std::env::var("TORC_TEST_FULL").as_deref() {
        Ok("1") => 100,
        _ => 10,
    }
}
