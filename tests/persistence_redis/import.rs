//! `torc import`: the log that it writes is what a server loads, and a log with something in it is left alone.

use super::support::process::TemporaryDirectory;
use super::support::random::{Random, seed};
use super::support::server::{Server, skip_unless_torc};
use super::{assert_same, assert_unusable, call, data, keyspace, said, text, torc};
use std::fs;

#[test]
fn a_log_is_made_of_a_snapshot() {
    if skip_unless_torc("only torc has such logs") {
        return;
    }
    let mut random = Random::new(seed("persistence.import"));
    let Some(server) = Server::start_redis(&[("enable-debug-command", "yes")]) else {
        return;
    };
    let mut client = server.client();
    data::fill(&mut client, &mut random, "keys", 40);
    call!(client, "SAVE");
    let expected = keyspace(&mut client);
    let snapshot = server.directory().join("dump.rdb");
    let home = TemporaryDirectory::new();
    let dir = text(home.path());
    let import = |more: &[&str]| {
        let words = [&["import", text(&snapshot), "--dir", dir], more].concat();
        let output = torc(&words);
        (output.status.code(), said(&output))
    };
    let (code, text) = import(&["--shards", "5"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(&format!("{} keys", expected.len())), "{text}");

    // Once there is something, it is not lost by mistake; shards may be others when it is meant.
    let (code, text) = import(&["--shards", "5"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("--replace"), "{text}");
    let (code, text) = import(&["--shards", "2", "--replace"]);
    assert_eq!(code, Some(0), "{text}");

    let loaded = Server::start_with_shards(2, &[("dir", dir), ("appendonly", "yes")]);
    assert_same(&keyspace(&mut loaded.client()), &expected);
    let (code, text) = import(&["--shards", "2", "--replace"]);
    assert_eq!(code, Some(1), "a server uses it: {text}");
    assert!(text.contains("another server uses it"), "{text}");
    loaded.stop();

    // What cannot be imported replaces nothing.
    let bytes = fs::read(&snapshot).expect("a file");
    fs::write(&snapshot, &bytes[..bytes.len() - 20]).expect("a writable file");
    let (code, text) = import(&["--shards", "2", "--replace"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("dump.rdb at byte"), "{text}");
    let loaded = Server::start_with_shards(2, &[("dir", dir), ("appendonly", "yes")]);
    assert_same(&keyspace(&mut loaded.client()), &expected);
    loaded.stop();
    server.stop();
}

#[test]
fn unusable_arguments_are_said_so() {
    if skip_unless_torc("only torc has it") {
        return;
    }
    assert_unusable(&[
        &["import"][..],
        &["import", "--shards", "2"],
        &["import", "/nowhere/at/all"],
        &["import", "/tmp", "--no-such-option", "1"],
    ]);
}
