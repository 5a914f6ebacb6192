//! `torc check-log`: its exit codes, and that a server loads what it has repaired.

use super::support::process::TemporaryDirectory;
use super::support::server::{Server, skip_unless_torc};
use super::{assert_unusable, said, torc};
use std::fs;
use std::path::Path;

/// A server with a log in this directory.
fn serve(directory: &str) -> Server {
    Server::start_with_shards(1, &[("dir", directory), ("appendonly", "yes")])
}

/// The exit code of a look at the log of a directory, and what was said.
fn look(directory: &str, repair: bool) -> (Option<i32>, String) {
    let log = Path::new(directory).join("appendonlydir");
    let log = log.to_str().expect("a path in UTF-8");
    let words = match repair {
        true => vec!["check-log", "--repair", log],
        false => vec!["check-log", log],
    };
    let output = torc(&words);
    (output.status.code(), said(&output))
}

#[test]
fn it_tells_sound_from_damaged_and_repairs() {
    if skip_unless_torc("only torc has such logs") {
        return;
    }
    let directory = TemporaryDirectory::new();
    let path = directory.path().to_str().expect("a path in UTF-8");
    let server = serve(path);
    let mut client = server.client();
    let long = "x".repeat(100);
    for number in 0..1000 {
        client.call(&["SET", &format!("key:{number}"), &long]);
    }
    let (code, text) = look(path, false);
    assert_eq!(code, Some(2), "a server uses it: {text}");
    assert!(text.contains("a server uses it"), "{text}");
    server.stop();

    let (code, text) = look(path, false);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("stopped in good order"), "{text}");

    let segment = directory
        .path()
        .join("appendonlydir/shard-0.segment-0000000001");
    let mut bytes = fs::read(&segment).expect("the segment is there");
    bytes[40_000] ^= 1;
    fs::write(&segment, bytes).expect("the segment can be written");
    let (code, text) = look(path, false);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("checksum") && text.contains("offset"),
        "{text}"
    );
    let (code, text) = look(path, true);
    assert_eq!(code, Some(0), "{text}");
    let (code, text) = look(path, false);
    assert_eq!(code, Some(0), "{text}");

    let server = serve(path);
    let mut client = server.client();
    let keys = client.call(&["DBSIZE"]).integer();
    assert!((1..1000).contains(&keys), "a part is left: {keys}");
    assert_eq!(client.call(&["GET", "key:0"]).bytes(), long.as_bytes());
    server.stop();
}

#[test]
fn unusable_arguments_are_told_from_damage() {
    if skip_unless_torc("only torc has such logs") {
        return;
    }
    assert_unusable(&[
        &["check-log"][..],
        &["check-log", "a", "b"],
        &["check-log", "--mend", "a"],
        &["check-log", "/nowhere/at/all"],
    ]);
    let output = torc(&["check-log", "--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(said(&torc(&["--help"])).contains("check-log"));
}
