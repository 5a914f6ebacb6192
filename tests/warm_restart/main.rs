//! Warm restart as its users see it: a server is stopped and started again, and has what it had, at once and of all types; and whatever may have become stale is never served.
//!
//! Never looks into the files, but to damage them. The decision worth knowing: what a server has is compared by value, expiry and encoding of every key, and INFO says whether it
//! came from memory.

#[path = "../durability/running.rs"]
#[allow(dead_code)]
mod running;
#[path = "../support/mod.rs"]
mod support;

mod contents;
mod doubtful;
mod kept;

use running::{Place, Running};
use support::server::{skip_unless_torc, tested_knows};

/// Whether the tested program knows how; says so if not.
fn is_skipped() -> bool {
    if skip_unless_torc("warm restarts are torc's own") {
        return true;
    }
    let knows = tested_knows("warm-restart");
    if !knows {
        println!("skipped: the tested server leaves no memory");
    }
    !knows
}

/// A place with memory only.
fn without_log(shards: usize) -> Place {
    Place::new(shards, &[("appendonly", "no"), ("warm-restart", "yes")])
}

/// A place with a log beside it, of which nothing that was answered is lost.
fn with_log(shards: usize) -> Place {
    Place::new(shards, &[("warm-restart", "yes")])
}

/// What INFO says became of the memory that was there.
fn last_load(running: &Running) -> String {
    let info = running.server.client().words("INFO persistence").text();
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("warm_restart_last_load:"));
    line.expect("INFO tells of it").trim().to_string()
}

/// Files of a stop in the place's own directory.
fn files_left(place: &Place) -> Vec<String> {
    let entries = std::fs::read_dir(place.path()).expect("the directory");
    let names = entries.map(|entry| entry.expect("an entry").file_name());
    let names = names.map(|name| name.to_string_lossy().into_owned());
    let mut names: Vec<String> = names.filter(|name| name.starts_with("warm-")).collect();
    names.sort();
    names
}
