//! Files on the disk, by whole programs: what `torc check-log` says of logs, what of redis-server's files torc loads and redis-server of torc's. Where a
//! redis-server is needed, the first of the path is taken.

#[path = "../support/mod.rs"]
mod support;

mod check_log;

use std::process::{Command, Output, Stdio};
use support::server::tested_program;

/// Runs torc with these words to its end.
fn torc(words: &[&str]) -> Output {
    let mut command = Command::new(tested_program());
    command.args(words).stdin(Stdio::null());
    command.output().expect("torc starts")
}

/// Everything a program said.
fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}
