//! Whatever commands have made of the data, a start makes the same of the log: random commands of all families run on a server with a log, and what DUMP and PEXPIRETIME say of
//! every key must be the same after it was stopped or killed and started again.
//!
//! The decision worth knowing: the order within a table of many elements is a process' own, and so is how a trimmed stream is packed. Payloads that differ are therefore compared element
//! by element; all others must be equal byte for byte.

use crate::generate::{Compare, Operation, Territory, operation};
use crate::is_skipped;
use crate::operation::now_ms;
use crate::running::{Place, Running};
use crate::snapshot::{Known, everything};
use crate::support::client::{Client, request};
use crate::support::memcache::Connection;
use crate::support::random::{Random, seed};
use crate::support::reply::Reply;
use std::collections::{BTreeMap, VecDeque};

const DATABASES: usize = 16;
/// What expires sooner than this after a look may be gone at the next.
const MARGIN_MS: u64 = 60_000;
/// How many of the last requests a report shows.
const SHOWN: usize = 200;

type Everything = BTreeMap<(usize, Vec<u8>), Known>;

/// A server, and what it was told last.
struct Subject {
    running: Running,
    client: Client,
    /// Stays in the first database.
    other: Client,
    memcached: Connection,
    told: VecDeque<String>,
}

impl Subject {
    fn new(running: Running) -> Subject {
        Subject {
            client: running.server.client(),
            other: running.server.client(),
            memcached: Connection::open(running.memcached).expect("it accepts"),
            running,
            told: VecDeque::new(),
        }
    }

    fn note(&mut self, line: String) {
        self.told.push_back(line);
        if self.told.len() > SHOWN {
            self.told.pop_front();
        }
    }

    fn call<A: AsRef<[u8]>>(&mut self, arguments: &[A]) -> Reply {
        let words = arguments.iter().map(|word| {
            let word = word.as_ref();
            word[..word.len().min(60)].escape_ascii().to_string()
        });
        let line = words.collect::<Vec<_>>().join(" ");
        self.note(line);
        let outcome = self.client.send(&request(arguments));
        outcome
            .and_then(|()| self.client.read())
            .unwrap_or_else(|error| {
                panic!("{error}; the last requests were:\n{}", self.last_requests())
            })
    }

    fn last_requests(&self) -> String {
        Vec::from(self.told.clone()).join("\n")
    }

    fn words(&mut self, line: &str) -> Reply {
        self.call(&line.split_whitespace().collect::<Vec<_>>())
    }

    /// One request of memcached's text protocol; its answer's first line.
    fn memcached(&mut self, line: &str) -> String {
        self.note(format!("memcached: {}", line.escape_debug()));
        self.memcached.line(line)
    }

    /// Runs an operation of the generator, whatever its reply.
    fn run(&mut self, operation: &Operation) {
        if let Some(transaction) = &operation.transaction {
            if !transaction.watched.is_empty() {
                self.call(&[vec![b"WATCH".to_vec()], transaction.watched.clone()].concat());
            }
            for (by_another, between) in &transaction.between {
                if *by_another {
                    self.note("(another connection)".into());
                    self.other
                        .send(&request(&between.arguments))
                        .and_then(|()| self.other.read())
                        .expect("the server answers");
                } else {
                    self.call(&between.arguments);
                }
            }
            self.words("MULTI");
            for inside in &transaction.inside {
                self.call(&inside.arguments);
            }
            self.call(&[transaction.last()]);
            return;
        }
        let mut arguments = operation.arguments.clone();
        if operation.compare == Compare::Restore
            && let Some(source) = arguments.get(3).cloned()
            && let Reply::Bulk(payload) = self.call(&[&b"DUMP"[..], &source])
        {
            arguments[3] = payload;
        }
        self.call(&arguments);
    }

    /// Operations that only torc has, or that the generator leaves out because two servers would differ.
    fn run_own(&mut self, random: &mut Random) {
        let key = format!("key:{}", 1 + random.below(10));
        let other = format!("key:{}", 1 + random.below(10));
        let tag = format!("tag:{}", random.below(4));
        let number = random.below(1000);
        match random.below(26) {
            // It may be under way already.
            24 | 25 => drop(self.words("BGREWRITEAOF")),
            0 => drop(self.words(&format!("CACHE.SET {key} v{number} TAGS 2 {tag} tag:0"))),
            1 => drop(self.words(&format!("CACHE.TAG {key} {tag}"))),
            2 => drop(self.words(&format!("CACHE.DROP {tag}"))),
            3 => drop(self.words(&format!("CACHE.STALE {key} 5000"))),
            4 | 5 => {
                let reply = self.words(&format!("CACHE.GET {key} LEASE 1000"));
                if let Reply::Array(parts) = &reply
                    && let Some(Reply::Integer(token)) = parts.get(2)
                {
                    let token = *token;
                    match random.below(3) {
                        0 => drop(
                            self.words(&format!("CACHE.FILL {key} {token} f{number} TAGS 1 {tag}")),
                        ),
                        1 => drop(self.words(&format!("CACHE.RELEASE {key} {token}"))),
                        _ => {}
                    }
                }
            }
            6 => {
                self.memcached(&format!("set {key} {number} 0 3\r\nabc"));
            }
            7 => {
                self.memcached(&format!("touch {key} {}", 100_000 + number));
            }
            8 => {
                self.memcached(&format!("incr {key} {number}"));
            }
            9 => {
                self.memcached(&format!("append {key} 0 0 2\r\nxy"));
            }
            10 => {
                self.memcached(&format!("ms {key} 2 T0 F{number}\r\nhi"));
            }
            11 => {
                self.memcached(&format!("ma {key} D{number} N0 J7"));
            }
            12 => {
                self.memcached(&format!("md {key} I T5000"));
            }
            13 => {
                self.memcached(&format!("mg {key} T{}", 200_000 + number));
            }
            14 => {
                self.memcached(&format!("mg {key} N1000"));
            }
            15 => {
                self.memcached(&format!("gat {} {key}", 300_000 + number));
                // What follows a line with a value is read until its end.
                if !self.memcached.pending().is_empty() || number.is_multiple_of(2) {
                    self.memcached = Connection::open(self.running.memcached).expect("it accepts");
                }
            }
            16 => drop(self.words(&format!("GETEX {key} EX {}", 500_000 + number))),
            17 => drop(self.words(&format!("SPOP {key} {}", number % 4))),
            18 => drop(self.words(&format!(
                "XADD {key} MAXLEN ~ {} * f v{number}",
                number % 150
            ))),
            19 => drop(self.words(&format!("SORT {key} ALPHA STORE {other}"))),
            20 => drop(self.words(&format!("COPY {key} {other} DB {} REPLACE", number % 4))),
            21 => drop(self.words(&format!("MOVE {key} {}", number % 4))),
            22 => drop(self.words(&format!("HPEXPIRE {key} {} FIELDS 1 f1", 1 + number))),
            _ => {
                let length = 65_536 + random.below(100_000) as usize;
                let value = vec![b'0' + random.below(10) as u8; length];
                let line = match random.below(4) {
                    0 => vec![b"SET".to_vec(), key.into_bytes(), value],
                    1 => vec![b"RPUSH".to_vec(), key.into_bytes(), value],
                    2 => vec![b"APPEND".to_vec(), key.into_bytes(), value],
                    _ => vec![b"HSET".to_vec(), key.into_bytes(), b"f".to_vec(), value],
                };
                self.call(&line);
            }
        }
    }

    fn everything(&self) -> Everything {
        everything(&mut self.running.server.client(), DATABASES)
    }
}

/// Whether two looks at a key say the same.
fn same(before: &Known, after: &Known) -> bool {
    let alike = before.payload == after.payload
        || !before.elements.is_empty() && before.elements == after.elements;
    alike && before.expires_at_ms == after.expires_at_ms && before.tags == after.tags
}

/// Compares what was there with what is; what may have expired between is left out.
fn compare(before: &Everything, after: &Everything) -> Result<usize, String> {
    let stays = |known: &Known| {
        known.expires_at_ms < 0 || known.expires_at_ms as u64 > now_ms() + MARGIN_MS
    };
    let shown = |known: Option<&Known>| match known {
        None => "nothing".to_string(),
        Some(known) => format!(
            "a payload of {} bytes {}, expiring {}, tags {}",
            known.payload.len(),
            known.payload[..known.payload.len().min(300)].escape_ascii(),
            known.expires_at_ms,
            known.tags.len()
        ),
    };
    // A key without a value that is promised to a client looks like an empty string, and goes with the server.
    let is_promise = |known: &Known| known.payload.starts_with(&[0, 0]);
    for place in before.keys().chain(after.keys()) {
        let (old, new) = (before.get(place), after.get(place));
        let equal = match (old, new) {
            (Some(old), None) if is_promise(old) => true,
            (Some(old), Some(new)) => same(old, new),
            (Some(only), None) | (None, Some(only)) => !stays(only),
            (None, None) => true,
        };
        if !equal {
            return Err(format!(
                "database {}, key {}:\nbefore: {}\nafter:  {}",
                place.0,
                place.1.escape_ascii(),
                shown(old),
                shown(new)
            ));
        }
    }
    Ok(before.len())
}

/// Ends a server, by one way or the other, and starts the next; both looks must agree.
fn restart(place: &Place, subject: Subject, kill: bool, what: &str) -> Subject {
    let before = subject.everything();
    let told = subject.last_requests();
    let running = subject.running;
    match kill {
        true => running.kill(),
        false => running.server.stop(),
    }
    let (next, outcome) = start_and_compare(place, &before);
    match outcome {
        Ok(keys) => println!("{what}: {keys} keys are as they were"),
        Err(wrong) => panic!("{what} (killed: {kill}): {wrong}\nthe last requests were:\n{told}"),
    }
    next
}

fn start_and_compare(place: &Place, before: &Everything) -> (Subject, Result<usize, String>) {
    let next = Subject::new(place.start());
    let outcome = compare(before, &next.everything());
    (next, outcome)
}

/// Starts a server that must have all that was there before.
fn restart_is(place: &Place, before: &Everything, what: &str) -> Subject {
    let (next, outcome) = start_and_compare(place, before);
    if let Err(wrong) = outcome {
        panic!("{what}: {wrong}");
    }
    next
}

fn replay_random_commands(shards: usize) {
    if is_skipped() {
        return;
    }
    let seed = seed(&format!("replay with {shards} shards"));
    let mut random = Random::new(seed);
    let territory = Territory {
        prefix: String::new(),
        alone: true,
    };
    let place = Place::new(shards, &[]);
    let mut subject = Subject::new(place.start());
    let emptying = ["FLUSHALL", "FLUSHDB"].map(String::from);
    for round in 0..crate::rounds() {
        let kill = random.chance(50);
        // A clean stop writes everything down whatever the rule; nothing else does.
        let rule = if kill { "always" } else { "everysec" };
        let set = subject.words(&format!("CONFIG SET appendfsync {rule}"));
        assert_eq!(set.text(), "OK");
        let without = if random.chance(80) {
            &emptying[..]
        } else {
            &[]
        };
        for _ in 0..150 {
            if random.chance(25) {
                subject.run_own(&mut random);
            } else {
                let operation = operation(&mut random, &territory, without);
                subject.run(&operation);
            }
        }
        match random.below(12) {
            0 => drop(subject.words("FLUSHDB")),
            1 => drop(subject.words("SWAPDB 0 1")),
            2 => drop(subject.memcached("flush_all")),
            3 => drop(subject.words("FLUSHALL")),
            _ => {}
        }
        let what = format!("TORC_TEST_SEED={seed}, round {round}");
        subject = restart(&place, subject, kill, &what);
    }
    subject.running.server.stop();
}

#[test]
fn one_shard_replays_what_it_did() {
    replay_random_commands(1);
}

#[test]
fn three_shards_replay_what_they_did() {
    replay_random_commands(3);
}

#[test]
fn a_value_of_twenty_mebibytes_is_there_again() {
    if is_skipped() {
        return;
    }
    for shards in [1, 2] {
        let place = Place::new(shards, &[]);
        let mut subject = Subject::new(place.start());
        let mut random = Random::new(20);
        let value = random.bytes(20 << 20);
        assert_eq!(
            subject.call(&[b"SET", b"large".as_slice(), &value]).text(),
            "OK"
        );
        assert_eq!(subject.words("COPY large another").integer(), 1);
        assert_eq!(
            subject
                .call(&[b"HSET", b"hash".as_slice(), b"field", &value])
                .integer(),
            1
        );
        subject = restart(&place, subject, true, "large values");
        assert_eq!(subject.words("GET large").bytes(), value);
        assert_eq!(subject.words("GET another").bytes(), value);
        assert_eq!(subject.words("HGET hash field").bytes(), value);
        subject.running.server.stop();
    }
}

#[test]
fn what_was_evicted_stays_away() {
    if is_skipped() {
        return;
    }
    for shards in [1, 2] {
        let options = [("maxmemory", "20mb"), ("maxmemory-policy", "allkeys-lru")];
        let mut place = Place::new(shards, &options);
        let mut subject = Subject::new(place.start());
        let value = vec![b'e'; 10_000];
        for number in 0..5000 {
            let key = format!("evicted:{number}");
            let line = [&b"SET"[..], key.as_bytes(), &value];
            subject.client.send(&request(&line)).expect("sent");
            if number % 100 == 99 {
                for _ in 0..100 {
                    assert_eq!(subject.client.read().expect("answered").text(), "OK");
                }
            }
        }
        let left = subject.words("DBSIZE").integer();
        assert!(left > 0 && left < 5000, "{left} keys are left of 5000");
        // Without a limit all that was not evicted is there; with it a few more may have to go, because nothing lies where it did.
        let before = subject.everything();
        subject.running.kill();
        place.set("maxmemory", "0");
        let subject = restart_is(&place, &before, "evictions");
        subject.running.kill();
        place.set("maxmemory", "20mb");
        let mut subject = Subject::new(place.start());
        let after = subject.everything();
        for (name, known) in &after {
            let old = before.get(name).expect("what was evicted stays away");
            assert!(same(old, known), "{} has changed", name.1.escape_ascii());
        }
        assert!(
            after.len() * 10 > before.len() * 9,
            "{} of {} keys are left",
            after.len(),
            before.len()
        );
        // What had to go at the start stays away, too.
        let left = subject.words("DBSIZE").integer();
        subject.running.kill();
        place.set("maxmemory", "0");
        let mut subject = Subject::new(place.start());
        assert_eq!(subject.words("DBSIZE").integer(), left);
        subject.running.server.stop();
    }
}

#[test]
fn what_has_expired_stays_away() {
    if is_skipped() {
        return;
    }
    for shards in [1, 2] {
        let place = Place::new(shards, &[]);
        let mut subject = Subject::new(place.start());
        for number in 0..100_u64 {
            subject.words(&format!("SET brief:{number} v PX {}", 1 + number));
            subject.words(&format!("HSET hash:{number} a 1 b 2"));
            let field = if number.is_multiple_of(2) {
                "1 a"
            } else {
                "2 a b"
            };
            subject.words(&format!(
                "HPEXPIRE hash:{number} {} FIELDS {field}",
                1 + number
            ));
        }
        crate::support::eventually("all has expired", crate::support::WAIT_LIMIT, || {
            subject.words("DBSIZE").integer() == 50
                && (0..100).step_by(2).all(|number| {
                    let fields = subject.words(&format!("HGETALL hash:{number}"));
                    fields.elements().len() == 2
                })
        });
        // A name that was used before must not take the old one's time.
        subject.words("SET brief:1 again");
        subject.words("HSET hash:1 a again");
        subject = restart(&place, subject, true, "expiry");
        let fields = subject.words("HGETALL hash:0");
        assert_eq!(fields.elements().len(), 2, "{fields:?}");
        subject = restart(&place, subject, false, "expiry");
        assert_eq!(subject.words("DBSIZE").integer(), 52);
        subject.running.server.stop();
    }
}

#[test]
fn a_key_after_a_hash_whose_fields_have_expired_is_there() {
    if is_skipped() {
        return;
    }
    for shards in [1, 2] {
        let place = Place::new(shards, &[("appendfsync", "always")]);
        let mut subject = Subject::new(place.start());
        for number in 0..40 {
            // Neither the time of the hash nor its type is that of what comes after it.
            subject.words(&format!("HSET key:{number} a 1 b 2"));
            subject.words(&format!("EXPIRE key:{number} 10000"));
            subject.words(&format!("HPEXPIRE key:{number} 1 FIELDS 2 a b"));
        }
        for number in 0..40 {
            crate::support::eventually("it has expired", crate::support::WAIT_LIMIT, || {
                subject.words(&format!("EXISTS key:{number}")).integer() == 0
            });
            let line = match number % 3 {
                0 => format!("HSET key:{number} c 3"),
                1 => format!("RPUSH key:{number} element"),
                _ => format!("INCR key:{number}"),
            };
            assert_eq!(subject.words(&line).integer(), 1, "{line}");
        }
        subject = restart(&place, subject, true, "after fields");
        assert_eq!(subject.words("DBSIZE").integer(), 40);
        assert_eq!(subject.words("TTL key:0").integer(), -1);
        subject.running.server.stop();
    }
}
