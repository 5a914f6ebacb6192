//! Requests of all workloads, read back as RESP: that they are whole, that they are the commands they are counted as, and that what a reply decides follows.

use super::*;
use crate::keys::{KeyDistribution, KeyFormat, KeyPicker};
use crate::random::Random;
use crate::values::{ValuePool, ValueSizes};
use clap::ValueEnum;
use std::collections::BTreeMap;

const KEYS: u64 = 5;

/// What a pen needs, for requests that a test wants to see.
struct Desk {
    random: Random,
    picker: KeyPicker,
    format: KeyFormat,
    sizes: ValueSizes,
    pool: ValuePool,
    request: u64,
}

impl Desk {
    fn new() -> Self {
        Self {
            random: Random::new(3),
            picker: KeyPicker::new(KeyDistribution::Uniform, KEYS, 3),
            format: KeyFormat::new("k:", 4, KEYS).unwrap(),
            sizes: ValueSizes::Range(0, 20),
            pool: ValuePool::new(3),
            request: 0,
        }
    }

    /// The words of the one request that is written.
    fn write<T>(&mut self, write: impl FnOnce(&mut Pen<'_>) -> T) -> (Vec<String>, T) {
        let mut out = Vec::new();
        let written = write(&mut Pen {
            out: &mut out,
            random: &mut self.random,
            picker: &self.picker,
            format: &self.format,
            sizes: &self.sizes,
            pool: &self.pool,
            request: self.request,
        });
        self.request += 1;
        (words(&out), written)
    }
}

/// Reads one request, strictly.
fn words(mut bytes: &[u8]) -> Vec<String> {
    let number = |bytes: &mut &[u8], kind: u8| -> usize {
        let end = bytes.iter().position(|byte| *byte == b'\n').unwrap();
        let line = std::str::from_utf8(&bytes[..end - 1]).unwrap();
        assert_eq!((line.as_bytes()[0], bytes[end - 1]), (kind, b'\r'));
        *bytes = &bytes[end + 1..];
        line[1..].parse().unwrap()
    };
    let count = number(&mut bytes, b'*');
    let words = (0..count).map(|_| {
        let size = number(&mut bytes, b'$');
        let (word, rest) = bytes.split_at(size);
        bytes = rest
            .strip_prefix(b"\r\n")
            .expect("a word ends where its size says");
        word.escape_ascii().to_string()
    });
    let words = words.collect();
    assert!(bytes.is_empty(), "one request and nothing behind it");
    words
}

fn shape(name: WorkloadName, members: u64) -> Shape {
    Shape {
        name,
        members,
        ttl_seconds: 60,
        wait_seconds: 15,
        is_pipelined: false,
    }
}

/// Commands by name with the counts of their words.
fn commands(name: WorkloadName) -> &'static [(&'static str, usize)] {
    match name {
        WorkloadName::Cart => &[("HGET", 3), ("HSET", 4), ("HINCRBY", 4), ("HGETALL", 2)],
        WorkloadName::Leaderboard => &[("ZREVRANK", 3), ("ZADD", 4), ("ZINCRBY", 4), ("ZRANGE", 6)],
        WorkloadName::Queue => &[("LPUSH", 3), ("RPOP", 2)],
        WorkloadName::QueueBlocking => &[("LPUSH", 3), ("BRPOP", 3)],
        WorkloadName::Tags => &[("SISMEMBER", 3), ("SADD", 3), ("SREM", 3), ("SINTER", 3)],
        WorkloadName::Stream => &[("XADD", 8), ("XREADGROUP", 9), ("XACK", 4)],
        WorkloadName::Bitmap => &[("GETBIT", 3), ("SETBIT", 4), ("BITCOUNT", 2)],
        WorkloadName::RateLimit => &[("INCR", 2), ("EXPIRE", 3)],
        WorkloadName::Transaction | WorkloadName::TransactionSpread => &[
            ("MULTI", 1),
            ("SET", 3),
            ("INCR", 2),
            ("GET", 2),
            ("EXEC", 1),
        ],
        WorkloadName::Script | WorkloadName::ScriptSpread => &[("EVALSHA", 6)],
        WorkloadName::Publish => &[("PUBLISH", 3)],
    }
}

#[test]
fn requests_are_the_commands_they_are_counted_as() {
    for name in WorkloadName::value_variants() {
        let (mut desk, mut notes) = (Desk::new(), Notes::default());
        let mut workload = Workload::new(shape(*name, 8));
        let mut counts = BTreeMap::new();
        for turn in 0..2_000 {
            let connection = turn % 2;
            if workload.ready(connection) == Ready::Nothing {
                continue;
            }
            let (words, command) = desk.write(|pen| workload.write(connection, &mut notes, pen));
            // As if every entry were read, and every counter new.
            if command.kept != Kept::Nothing {
                notes.keep_for_test([1, 0]);
            }
            let expected = commands(*name)[usize::from(command.index)];
            assert_eq!((&words[0][..], words.len()), expected, "{words:?}");
            assert_eq!(
                name.defaults().commands[usize::from(command.index)],
                words[0]
            );
            let is_key = |word: &&String| word.trim_start_matches('{').starts_with("k:0");
            let keys = words.iter().filter(is_key);
            let expected = match &words[0][..] {
                "MULTI" | "EXEC" => 0,
                "SINTER" | "EVALSHA" => 2,
                _ => 1,
            };
            assert_eq!(keys.count(), expected);
            *counts.entry(command.index).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), name.defaults().commands.len(), "{name:?}");
    }
}

#[test]
fn a_prefill_begins_anew_and_makes_every_member() {
    for (name, members, made) in [
        (WorkloadName::Cart, 70, 70),
        (WorkloadName::Leaderboard, 64, 64),
        (WorkloadName::Queue, 33, 33),
        (WorkloadName::Tags, 1, 1),
        (WorkloadName::Stream, 50, 0),
        (WorkloadName::Bitmap, 50, 0),
        (WorkloadName::RateLimit, 0, 0),
        (WorkloadName::QueueBlocking, 0, 0),
    ] {
        let (mut desk, workload) = (Desk::new(), Workload::new(shape(name, members)));
        let requests: Vec<Vec<String>> = (0..workload.prefill_steps())
            .map(|step| desk.write(|pen| workload.write_prefill(3, step, pen)).0)
            .collect();
        assert_eq!(requests[0], ["DEL", "k:03"], "{name:?}");
        let each = match name {
            WorkloadName::Cart | WorkloadName::Leaderboard => 2,
            _ => 1,
        };
        let fills = &requests[1..];
        if name == WorkloadName::Stream {
            let (group, entries) = fills.split_last().unwrap();
            assert_eq!(group[..2], ["XGROUP", "CREATE"]);
            assert_eq!(entries.len(), members as usize);
            assert!(entries.iter().all(|words| words[0] == "XADD"));
        } else if made > 0 {
            let words: usize = fills.iter().map(|words| (words.len() - 2) / each).sum();
            assert_eq!(words, made, "{name:?}");
        } else {
            assert_eq!(fills.len(), usize::from(members > 0), "{name:?}");
        }
        assert!(
            fills
                .iter()
                .flatten()
                .filter(|word| *word == "k:03")
                .count()
                == fills.len()
        );
    }
}

#[test]
fn what_was_read_is_acknowledged_before_anything_else() {
    let (mut desk, mut notes) = (Desk::new(), Notes::default());
    let mut workload = Workload::new(shape(WorkloadName::Stream, 100));
    let mut next = |notes: &mut Notes| desk.write(|pen| workload.write(0, notes, pen)).0;
    let (added, read) = (next(&mut notes), next(&mut notes));
    assert_eq!(added[2..6], ["MAXLEN", "~", "100", "*"]);
    assert_eq!(read[4..], ["COUNT", "1", "STREAMS", &added[1], ">"]);
    notes.keep_for_test([1_700_000_000_000, 7]);
    assert_eq!(
        next(&mut notes),
        ["XACK", &added[1], "workers", "1700000000000-7"]
    );
    assert_eq!(next(&mut notes)[0], "XADD");
}

#[test]
fn every_wait_has_its_push() {
    let (mut desk, mut notes) = (Desk::new(), Notes::default());
    let mut workload = Workload::new(shape(WorkloadName::QueueBlocking, 0));
    assert_eq!(
        (workload.ready(0), workload.ready(1)),
        (Ready::Share, Ready::Nothing)
    );
    let mut next = |workload: &mut Workload, connection| {
        desk.write(|pen| workload.write(connection, &mut notes, pen))
            .0
    };
    let waits: Vec<_> = (0..9).map(|_| next(&mut workload, 2)).collect();
    assert_eq!(waits[0][2], "15");
    for wait in waits {
        assert_eq!(workload.ready(3), Ready::Owed);
        let push = next(&mut workload, 3);
        assert_eq!((&push[0][..], &push[1]), ("LPUSH", &wait[1]));
    }
    assert!(!workload.owes() && workload.ready(3) == Ready::Nothing);
}

#[test]
fn counters_expire_from_their_first_use() {
    let mut desk = Desk::new();
    let mut next = |workload: &mut Workload, notes: &mut Notes| {
        desk.write(|pen| workload.write(0, notes, pen)).0
    };
    let (mut single, mut notes) = (
        Workload::new(shape(WorkloadName::RateLimit, 0)),
        Notes::default(),
    );
    let first = next(&mut single, &mut notes);
    notes.keep_for_test([1, 0]);
    assert_eq!(next(&mut single, &mut notes), ["EXPIRE", &first[1], "60"]);
    assert_eq!(next(&mut single, &mut notes)[0], "INCR");
    notes.keep_for_test([2, 0]);
    assert_eq!(next(&mut single, &mut notes)[0], "INCR");
    let mut pipelined = Workload::new(Shape {
        is_pipelined: true,
        ..shape(WorkloadName::RateLimit, 0)
    });
    let mut notes = Notes::default();
    for _ in 0..3 {
        let counted = next(&mut pipelined, &mut notes);
        let limited = next(&mut pipelined, &mut notes);
        assert_eq!(counted[0], "INCR");
        assert_eq!(limited, ["EXPIRE", &counted[1], "60", "NX"]);
    }
}

#[test]
fn a_transaction_is_seven_requests_about_keys_that_belong_together_or_not() {
    for (name, expected) in [
        (WorkloadName::Transaction, ["{k:0", "}a"]),
        (WorkloadName::TransactionSpread, ["k:0", "a"]),
    ] {
        let (mut desk, mut notes) = (Desk::new(), Notes::default());
        let mut workload = Workload::new(shape(name, 0));
        for _ in 0..3 {
            let requests: Vec<_> = (0..7)
                .map(|_| desk.write(|pen| workload.write(0, &mut notes, pen)).0)
                .collect();
            let names: Vec<&str> = requests.iter().map(|words| &words[0][..]).collect();
            let all = ["MULTI", "SET", "SET", "INCR", "GET", "GET", "EXEC"];
            assert_eq!(names, all);
            assert!(
                requests[1][1].starts_with(expected[0]) && requests[1][1].ends_with(expected[1])
            );
            assert_eq!(
                (&requests[1][1], &requests[2][1]),
                (&requests[4][1], &requests[5][1]),
                "what was set is read"
            );
        }
    }
}

#[test]
fn a_script_is_loaded_with_the_login() {
    for name in [WorkloadName::Script, WorkloadName::Cart] {
        let mut out = Vec::new();
        let workload = Workload::new(shape(name, 8));
        let replies = workload.write_login(&Login::default(), &mut out);
        let loads = out.windows(11).any(|part| part == b"SCRIPT\r\n$4\r");
        assert_eq!(loads, name == WorkloadName::Script);
        let without = Resp.write_login(&Login::default(), &mut Vec::new());
        assert_eq!(replies, without + usize::from(loads));
    }
}
