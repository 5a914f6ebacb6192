//! Keyspace notifications over the wire: what torc tells subscribers of every request must be what a real redis-server tells, key by key and in order.
//! Events of different keys may come in another order, since they may happen on different shards.
//!
//! `TORC_TEST_OPERATIONS` sizes the random comparison (a twentieth of it), `TORC_TEST_SEED` replays it.

#[path = "../support/mod.rs"]
mod support;

// The oracle's generators of random operations, of which this test uses a part.
#[allow(dead_code)]
#[path = "../oracle/families/mod.rs"]
mod families;
#[allow(dead_code)]
#[path = "../oracle/generate.rs"]
mod generate;

mod alone;
mod listener;

use generate::{Compare, Operation, Territory, plain_operation as operation};
use listener::{Listener, shown};
use support::random::{Random, seed};
use support::server::Server;

/// Requests with the events they lead to, and where those begin that redis-server 7.0 does not know.
const TABLE: &str = include_str!("../../src/command/tests/events.txt");
const NEWER: &str = "# From here on";

/// A torc and a redis-server that tell of the same classes.
fn pair(shards: usize, classes: &str) -> Option<(Server, Listener, Server, Listener)> {
    let oracle = Server::start_redis(&[])?;
    let subject = Server::start_with_shards(shards, &[]);
    let (told, expected) = (
        Listener::new(&subject, classes),
        Listener::new(&oracle, classes),
    );
    Some((subject, told, oracle, expected))
}

fn unescape(word: &str) -> Vec<u8> {
    if word == "\"\"" {
        return Vec::new();
    }
    let mut parts = word.split("\\x");
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).expect("two digits"));
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    bytes
}

fn compare_table(shards: usize, classes: &str) {
    let Some((subject, mut told, _oracle, mut expected)) = pair(shards, classes) else {
        return;
    };
    let mut wrong = String::new();
    let mut events = 0;
    let (table, _) = TABLE.split_once(NEWER).expect("two parts");
    for row in table.lines().filter(|row| !row.starts_with('#')) {
        let (line, _) = row.split_once('|').expect("a request and its events");
        let words: Vec<Vec<u8>> = line.trim().split(' ').map(unescape).collect();
        if words[0] == b"spop" {
            // Which member it is would be told by nothing, and the sets would differ afterwards.
            continue;
        }
        let (_, told) = told.told(&words);
        let (_, expected) = expected.told(&words);
        events += expected.len();
        if told != expected {
            let (told, expected) = (shown(&told), shown(&expected));
            wrong.push_str(&format!("{line}\n torc\n{told} redis-server\n{expected}"));
        }
    }
    assert!(wrong.is_empty(), "{shards} shards, {classes}:\n{wrong}");
    assert!(events > 150, "{events}");
    subject.stop();
}

#[test]
fn every_command_tells_what_redis_server_tells() {
    compare_table(1, "KEA");
    compare_table(1, "KEAmn");
}

#[test]
fn every_command_tells_the_same_over_shards() {
    compare_table(3, "KEA");
    compare_table(5, "KEAn");
}

/// Whether two servers with the same data have the same data after an operation, whatever each chooses.
fn is_certain(operation: &Operation, classes: &str) -> bool {
    let name = operation.arguments[0].to_ascii_uppercase();
    let chooses = matches!(
        operation.compare,
        Compare::Pop
            | Compare::Restore
            | Compare::Dump
            | Compare::Scan
            | Compare::Sample
            | Compare::RandomKey
            | Compare::Encoding
    );
    // An id that XADD makes itself depends on the clock.
    let makes_an_id = name == b"XADD" && operation.arguments.iter().any(|word| word == b"*");
    // Since 7.2, and here, these make a consumer even when they have nothing for it.
    let makes_a_consumer = [&b"XREADGROUP"[..], b"XCLAIM", b"XAUTOCLAIM"].contains(&&name[..]);
    // XREAD of 7.0 looks keys up twice, and SORT fails now and then for what a command before it did.
    let looks_twice = name == b"XREAD" && classes.contains('m');
    let fails = name.starts_with(b"SORT");
    !(chooses || makes_an_id || makes_a_consumer || looks_twice || fails)
}

fn compare_random(shards: usize, classes: &str) {
    let operations = std::env::var("TORC_TEST_OPERATIONS").map_or(100_000, |text| {
        text.parse::<usize>()
            .expect("TORC_TEST_OPERATIONS is a number")
    }) / 20;
    let seed = seed("notifications");
    let mut random = Random::new(seed);
    let territory = Territory {
        prefix: String::new(),
        alone: false,
    };
    let Some((subject, mut told, _oracle, mut expected)) = pair(shards, classes) else {
        return;
    };
    let (mut events, mut history) = (0, Vec::new());
    for number in 0..operations {
        let operation = operation(&mut random, &territory, &[]);
        if !is_certain(&operation, classes) {
            continue;
        }
        let (reply, told) = told.told(&operation.arguments);
        let (oracle, expected) = expected.told(&operation.arguments);
        events += expected.len();
        let words = operation.arguments.iter();
        let words: Vec<String> = words
            .map(|word| format!("{}", word.escape_ascii()))
            .collect();
        history.push(words.join(" ").chars().take(200).collect::<String>());
        let last = history.len().saturating_sub(20);
        assert!(
            told == expected,
            "TORC_TEST_SEED={seed}, {shards} shards, {classes}, operation {number}:\n{}\n torc {reply:?}\n{} redis-server {oracle:?}\n{}",
            history[last..].join("\n"),
            shown(&told),
            shown(&expected),
        );
    }
    assert!(events > operations / 10, "{events} of {operations}");
    subject.stop();
}

#[test]
fn random_commands_tell_what_redis_server_tells() {
    compare_random(1, "KEAmn");
}

#[test]
fn random_commands_tell_the_same_over_shards() {
    compare_random(3, "KEAn");
}
