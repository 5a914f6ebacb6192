//! Large values while the log is rewritten: they go into it piece by piece, and whatever clients do to them meanwhile must be there after the server was killed.
//!
//! Never waits for a rewriting to end before it kills. The decision worth knowing: several clients change the same few large keys, by commands on one key and on several, in transactions and scripts, so that
//! keys are held, waited for, let go of and written again; what counts is that a start finds what the last look saw.

use crate::is_skipped;
use crate::running::Place;
use crate::snapshot::{Known, everything};
use crate::support::client::Client;
use crate::support::random::{Random, seed};
use crate::support::{WAIT_LIMIT, eventually};
use std::collections::BTreeMap;

const DATABASES: usize = 16;
const CLIENTS: u64 = 3;
const OPERATIONS: u64 = 30;
/// Keys of each type; the tag brings those of one number together on one shard, and the second of each is of all shards.
const NAMES: [&str; 3] = ["{a}", "{b}", ""];

type Everything = BTreeMap<(usize, Vec<u8>), Known>;

fn name(random: &mut Random, kind: &str) -> String {
    format!("{kind}{}", NAMES[random.below(3) as usize])
}

/// One command that makes or lengthens a large value.
fn lengthen(random: &mut Random) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let from = random.below(20_000);
    let numbers = from..from + 1500;
    match random.below(6) {
        0 => {
            words.extend(["SADD".into(), name(random, "set")]);
            words.extend(numbers.map(|number| format!("member:{number}")));
        }
        1 => {
            words.extend(["HSET".into(), name(random, "hash")]);
            words
                .extend(numbers.flat_map(|number| [format!("field:{number}"), number.to_string()]));
        }
        2 => {
            words.extend(["ZADD".into(), name(random, "zset")]);
            words.extend(
                numbers.flat_map(|number| [(number % 97).to_string(), format!("m:{number}")]),
            );
        }
        3 => {
            words.extend(["RPUSH".into(), name(random, "list")]);
            words.extend(numbers.map(|number| format!("element:{number}")));
        }
        4 => {
            words.extend(["XADD".into(), name(random, "stream"), "*".into()]);
            words.extend(numbers.flat_map(|number| [format!("f:{number}"), number.to_string()]));
        }
        _ => words.extend([
            "APPEND".into(),
            name(random, "text"),
            "x".repeat(100_000 + random.below(100_000) as usize),
        ]),
    }
    words
}

/// One that changes a little, of one key or several.
fn change(random: &mut Random) -> Vec<String> {
    let number = random.below(20_000);
    let of = |kind: &str, random: &mut Random| name(random, kind);
    let line = match random.below(20) {
        0 => format!("SREM {} member:{number}", of("set", random)),
        1 => format!("SPOP {} 3", of("set", random)),
        2 => format!("HDEL {} field:{number}", of("hash", random)),
        3 => format!("HINCRBY {} count 7", of("hash", random)),
        4 => format!(
            "HPEXPIRE {} {} FIELDS 1 field:{number}",
            of("hash", random),
            1 + number % 50
        ),
        5 => format!("ZPOPMIN {} 2", of("zset", random)),
        6 => format!("ZINCRBY {} 3 m:{number}", of("zset", random)),
        7 => format!("LPOP {} 2", of("list", random)),
        8 => format!("LPUSH {} first{number}", of("list", random)),
        9 => format!("XTRIM {} MAXLEN ~ 5", of("stream", random)),
        10 => format!("SETRANGE {} {number} changed", of("text", random)),
        11 => format!(
            "SMOVE {} {} member:{number}",
            of("set", random),
            of("set", random)
        ),
        12 => format!(
            "LMOVE {} {} LEFT RIGHT",
            of("list", random),
            of("list", random)
        ),
        13 => format!(
            "SUNIONSTORE {} {} {}",
            of("set", random),
            of("set", random),
            of("set", random)
        ),
        14 => format!(
            "ZUNIONSTORE {} 2 {} {}",
            of("zset", random),
            of("zset", random),
            of("zset", random)
        ),
        15 => format!("COPY {} {} REPLACE", of("hash", random), of("hash", random)),
        16 => format!("RENAME {} {}", of("list", random), of("list", random)),
        17 => format!(
            "SINTERSTORE small {} {}",
            of("set", random),
            of("set", random)
        ),
        18 => format!("DEL {}", of("text", random)),
        _ => format!("MOVE {} {}", of("zset", random), random.below(3)),
    };
    line.split(' ').map(String::from).collect()
}

/// What one client does; replies may be errors, where a key is not there.
fn run(client: &mut Client, random: &mut Random) {
    for _ in 0..OPERATIONS {
        match random.below(30) {
            0 => drop(client.words("BGREWRITEAOF")),
            1 => {
                client.words("MULTI");
                for _ in 0..1 + random.below(4) {
                    client.call(&change(random));
                }
                client.words("EXEC");
            }
            2 => {
                let script =
                    "redis.call('SADD', KEYS[1], ARGV[1]) return redis.call('SCARD', KEYS[1])";
                let member = random.below(1000).to_string();
                client.call(&["EVAL", script, "1", &name(random, "set"), &member]);
            }
            3 => drop(client.words("SWAPDB 0 1")),
            4 if random.below(6) == 0 => drop(client.words("FLUSHALL")),
            5..10 => drop(client.call(&lengthen(random))),
            _ => drop(client.call(&change(random))),
        }
    }
}

fn rewrites(client: &mut Client) -> u64 {
    let info = client.words("INFO persistence").text();
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix("aof_rewrites:"));
    line.expect("INFO has it").trim().parse().expect("a number")
}

/// Whether this is a field of a hash that expires.
fn expires(element: &[u8]) -> bool {
    let text = String::from_utf8_lossy(element);
    let time = text
        .rsplit_once('@')
        .and_then(|(_, time)| time.parse::<i64>().ok());
    time.is_some_and(|time| time >= 0)
}

fn differences(before: &Everything, after: &Everything) -> Vec<String> {
    let places = before.keys().chain(after.keys());
    let differs = |place: &&(usize, Vec<u8>)| match (before.get(*place), after.get(*place)) {
        (Some(old), Some(new)) => {
            let alike = old.payload == new.payload
                || !old.elements.is_empty() && old.elements == new.elements;
            !alike || old.expires_at_ms != new.expires_at_ms
        }
        _ => true,
    };
    let shown =
        |known: Option<&Known>| known.map(|known| (known.payload.len(), known.elements.len()));
    places
        .filter(differs)
        .map(|place| {
            let name = place.1.escape_ascii();
            format!(
                "{name} of database {}: {:?} became {:?}",
                place.0,
                shown(before.get(place)),
                shown(after.get(place))
            )
        })
        .collect()
}

fn change_while_rewriting(shards: usize) {
    if is_skipped() {
        return;
    }
    let seed = seed(&format!("pieces with {shards} shards"));
    let mut random = Random::new(seed);
    let place = Place::new(shards, &[]);
    let mut running = place.start();
    let mut ended = 0;
    for round in 0..crate::rounds() / 2 {
        let mut client = running.server.client();
        for _ in 0..12 {
            client.call(&lengthen(&mut random));
        }
        client.words("BGREWRITEAOF");
        std::thread::scope(|scope| {
            for number in 0..CLIENTS {
                let mut client = running.server.client();
                let mut random = Random::new(seed ^ (round << 8) ^ number);
                scope.spawn(move || run(&mut client, &mut random));
            }
        });
        // Fields that are about to expire would be gone after the start.
        let mut before = Everything::new();
        eventually("all fields have expired that do", WAIT_LIMIT, || {
            before = everything(&mut client, DATABASES);
            !before
                .values()
                .any(|known| known.elements.iter().any(|element| expires(element)))
        });
        ended += rewrites(&mut client);
        running.kill();
        running = place.start();
        let after = everything(&mut running.server.client(), DATABASES);
        let wrong = differences(&before, &after);
        assert!(
            wrong.is_empty(),
            "TORC_TEST_SEED={seed}, round {round}: {wrong:#?}"
        );
    }
    println!("{ended} rewritings have ended");
    assert!(
        ended > 0,
        "some come to their end before the server is killed"
    );
    running.server.stop();
}

#[test]
fn one_shard_finds_what_was_changed_while_it_was_written_in_pieces() {
    change_while_rewriting(1);
}

#[test]
fn two_shards_find_what_was_changed_while_it_was_written_in_pieces() {
    change_while_rewriting(2);
}
