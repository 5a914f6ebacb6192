//! Files on the disk, by whole programs: what `torc check-log` says of logs, what of redis-server's files torc loads and redis-server of torc's. Where a
//! redis-server is needed, the first of the path is taken.

#[path = "../support/mod.rs"]
mod support;

mod check_log;
#[path = "../rdb/data.rs"]
mod data;
mod import;
#[path = "../rdb/keyspace.rs"]
mod keyspace;
mod large;
mod load;
mod moment;
mod reload;
mod save;

use keyspace::*;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use support::WAIT_LIMIT;
use support::process::TemporaryDirectory;
use support::server::{free_port, tested_command, tested_program};
use torc::command::dump::DumpedValue;

/// One request; every argument as bytes.
macro_rules! call {
    ($client:expr, $($argument:expr),+ $(,)?) => {
        $client.call(&[$(AsRef::<[u8]>::as_ref(&$argument)),+])
    };
}
use call;

/// A directory's path as text.
fn text(path: &Path) -> &str {
    path.to_str().expect("a path in UTF-8")
}

/// A new directory with a copy of a file or of a directory in it, under its own name.
fn copied(path: &Path) -> TemporaryDirectory {
    let home = TemporaryDirectory::new();
    let target = home.path().join(path.file_name().expect("a name"));
    if path.is_dir() {
        std::fs::create_dir(&target).expect("a writable directory");
        for file in std::fs::read_dir(path).expect("a directory") {
            let file = file.expect("a file");
            std::fs::copy(file.path(), target.join(file.file_name())).expect("a copy");
        }
    } else {
        std::fs::copy(path, target).expect("a copy");
    }
    home
}

/// The same without the times at which consumers were seen, which are those of a replay, and without consumers that have nothing to do: where an XCLAIM of a log finds
/// nothing to claim Redis 7.0 makes none, and later versions do.
fn without_times(mut keyspace: Keyspace) -> Keyspace {
    for (value, _) in keyspace.values_mut() {
        if let DumpedValue::Stream(stream) = value {
            for group in &mut stream.groups {
                let consumers = &mut group.consumers;
                consumers.retain(|consumer| !consumer.pending.is_empty());
                for consumer in consumers {
                    consumer.seen_time_ms = 0;
                    consumer.active_time_ms = None;
                }
            }
        }
    }
    keyspace
}

/// Runs torc with these words to its end.
fn torc(words: &[&str]) -> Output {
    let mut command = Command::new(tested_program());
    command.args(words).stdin(Stdio::null());
    command.output().expect("torc starts")
}

/// Asserts that torc finds these arguments of its own unusable, which is 2, and says why.
fn assert_unusable(all: &[&[&str]]) {
    for words in all {
        let output = torc(words);
        let code = output.status.code();
        assert_eq!(code, Some(2), "{words:?}: {}", said(&output));
        assert!(!output.stderr.is_empty(), "{words:?}");
    }
}

/// What torc says when it refuses to start with these directives. It must, and must end with 1.
fn refusal(directives: &[(&str, &str)]) -> String {
    let port = free_port().to_string();
    let all = [&[("port", port.as_str())], directives].concat();
    let mut child = tested_command(&all).spawn().expect("torc starts");
    let mut status = None;
    let began = std::time::Instant::now();
    while status.is_none() && began.elapsed() < WAIT_LIMIT {
        status = child.try_wait().expect("our own child");
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
    let _ = child.kill();
    let output = child.wait_with_output().expect("our own child");
    assert_eq!(
        status.and_then(|status| status.code()),
        Some(1),
        "it must refuse, and said: {}",
        said(&output)
    );
    said(&output)
}

/// Everything a program said.
fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    format!("{out}{err}")
}
