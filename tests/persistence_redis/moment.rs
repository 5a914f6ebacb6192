//! A snapshot in the background is of one moment, whatever clients do meanwhile: what each of them keeps true at every moment is true in the file.

use super::save::{figure, save_in_background, start};
use super::support::WAIT_LIMIT;
use super::support::client::{Client, request};
use super::support::eventually;
use super::support::process::TemporaryDirectory;
use super::support::random::{Random, seed};
use super::support::reply::Reply;
use super::support::server::{Server, skip_unless_torc};
use super::{call, copied};
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

/// Keys that are only there so that a walk over all takes a while.
const FILLERS: usize = 60_000;
const ACCOUNTS: u64 = 500;
const FIELDS: u64 = 40_000;
const ELEMENTS: u64 = 50_000;

fn fill(client: &mut Client) {
    let mut pipeline = Vec::new();
    let value = "x".repeat(300);
    for number in 0..FILLERS {
        pipeline.extend_from_slice(&request(&["SET", &format!("filler:{number}"), &value]));
    }
    client.send(&pipeline).expect("the server receives");
    for _ in 0..FILLERS {
        client.read().expect("an answer");
    }
    for number in 0..ACCOUNTS {
        call!(client, "SET", format!("account:{number}"), "100");
    }
    // A hash and a list that are written in pieces, and that somebody waits for.
    for part in 0..FIELDS / 1000 {
        let mut words = vec!["HSET".to_string(), "large".to_string()];
        for field in part * 1000..(part + 1) * 1000 {
            words.extend([format!("field:{field}"), "0".repeat(20)]);
        }
        client.call(&words);
        let mut words = vec!["RPUSH".to_string(), "left".to_string()];
        let elements = (0..ELEMENTS / (FIELDS / 1000)).map(|number| format!("{part}:{number:08}"));
        words.extend(elements);
        client.call(&words);
    }
    call!(client, "SET", "wanderer:0", "w");
    call!(client, "HSET", "large", "a", "0", "b", "0");
}

/// What the clients do, each one thing until it is over.
fn worker(kind: usize, client: &mut Client, random: &mut Random, round: u64) {
    let account = |random: &mut Random| format!("account:{}", random.below(ACCOUNTS as _));
    match kind {
        // Money goes from one account to another.
        0 => {
            let (from, to) = (account(random), account(random));
            call!(client, "MULTI");
            call!(client, "DECRBY", from, "7");
            call!(client, "INCRBY", to, "7");
            assert_eq!(call!(client, "EXEC").elements().len(), 2);
        }
        // One key after the other.
        1 => {
            call!(client, "SET", "first", format!("{round}"));
            call!(client, "SET", "second", format!("{round}"));
            call!(client, "INCR", "made");
            call!(client, "SET", format!("new:{round}"), "n");
            if round >= 50 {
                call!(client, "DEL", format!("new:{}", round - 50));
            }
        }
        // There is one of that name.
        2 => {
            let [from, to] = [round, round + 1].map(|number| format!("wanderer:{number}"));
            assert_eq!(call!(client, "RENAME", from, to).text(), "OK");
        }
        // Large values: two fields are equal, and elements go from one list to another.
        3 => {
            let script = "redis.call('HINCRBY', KEYS[1], 'a', 1) return redis.call('HINCRBY', KEYS[1], 'b', 1)";
            call!(client, "EVAL", script, "1", "large");
            call!(client, "HSET", "large", "a", "7", "b", "7");
            call!(client, "HMSET", "large", "a", "8", "b", "8");
        }
        _ => {
            call!(client, "LMOVE", "left", "right", "LEFT", "RIGHT");
            call!(client, "LMOVE", "right", "left", "RIGHT", "LEFT");
        }
    }
}

/// What must be so in every file.
fn check(client: &mut Client) {
    let accounts = (0..ACCOUNTS).map(|number| {
        let balance = call!(client, "GET", format!("account:{number}")).text();
        balance.parse::<i64>().expect("a number")
    });
    assert_eq!(accounts.sum::<i64>(), 100 * ACCOUNTS as i64);
    let mut number = |key: &str| -> u64 {
        match call!(client, "GET", key) {
            Reply::Null => 0,
            reply => reply.text().parse().expect("a number"),
        }
    };
    let (first, second, made) = (number("first"), number("second"), number("made"));
    assert!(first == second || first == second + 1, "{first} {second}");
    // Rounds begin with 0.
    assert!(made == first || made == first + 1, "{made} {first}");
    let new: Vec<u64> = (first.saturating_sub(60)..first + 2)
        .filter(|round| call!(client, "EXISTS", format!("new:{round}")).integer() == 1)
        .collect();
    assert!(new.len() <= 52, "{new:?}");
    assert!(new.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{new:?}");
    if made > 60 {
        assert!(new.len() >= 49, "{new:?} at {made}");
        let last = *new.last().expect("there are some");
        assert!(last + 1 == made || last + 2 == made, "{last} {made}");
    }
    let equal = call!(client, "HMGET", "large", "a", "b");
    assert_eq!(equal.elements()[0], equal.elements()[1]);
    assert_eq!(call!(client, "HLEN", "large").integer(), FIELDS as i64 + 2);
    let elements = ["left", "right"].map(|list| call!(client, "LLEN", list).integer());
    assert_eq!(elements.iter().sum::<i64>(), ELEMENTS as i64);
    let wanderers = call!(client, "KEYS", "wanderer:*").elements().len();
    assert_eq!(wanderers, 1);
    let fillers = call!(client, "KEYS", "filler:*").elements().len();
    assert_eq!(fillers, FILLERS);
}

fn a_background_save_is_of_one_moment(shards: usize, more: &[(&str, &str)]) {
    if skip_unless_torc("it is about torc's shards") {
        return;
    }
    let seed = seed("moment");
    let home = TemporaryDirectory::new();
    let torc = start(home.path(), shards, more);
    let mut client = torc.client();
    fill(&mut client);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for kind in 0..5 {
            let (is_over, torc) = (&is_over, &torc);
            scope.spawn(move || {
                let mut client = torc.client();
                let mut random = Random::new(seed + kind as u64);
                let mut round = 0;
                while !is_over.load(Ordering::Relaxed) {
                    worker(kind, &mut client, &mut random, round);
                    round += 1;
                }
            });
        }
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for round in 0..4 {
                save_in_background(&mut client);
                let copy = copied(&home.path().join("dump.rdb"));
                let loaded = match round {
                    3 => Server::start_redis(&[("dir", super::text(copy.path()))]),
                    _ => Some(start(copy.path(), 1 + round, &[])),
                };
                let Some(loaded) = loaded else { continue };
                check(&mut loaded.client());
                loaded.stop();
            }
        }));
        is_over.store(true, Ordering::Relaxed);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
    let most: u64 = figure(&mut client, "rdb_last_cow_size")
        .parse()
        .expect("a number");
    assert!(most > 0, "keys have changed meanwhile");
    torc.stop();
}

#[test]
fn a_background_save_of_one_shard_is_of_one_moment() {
    a_background_save_is_of_one_moment(1, &[]);
}

#[test]
fn a_background_save_of_three_shards_is_of_one_moment() {
    a_background_save_is_of_one_moment(3, &[]);
}

#[test]
fn a_background_save_while_a_log_is_kept_is_of_one_moment() {
    let log = [("appendonly", "yes"), ("auto-aof-rewrite-min-size", "1mb")];
    a_background_save_is_of_one_moment(2, &log);
}

#[test]
fn who_empties_a_database_makes_it_begin_again() {
    if skip_unless_torc("redis-server has forked, or gives the snapshot up") {
        return;
    }
    for shards in [1, 3] {
        for command in ["FLUSHDB", "FLUSHALL", "SWAPDB 0 1"] {
            let home = TemporaryDirectory::new();
            let torc = start(home.path(), shards, &[("logfile", "log.txt")]);
            let mut client = torc.client();
            fill(&mut client);
            call!(client, "SELECT", "1");
            call!(client, "SET", "other", "1");
            call!(client, "SELECT", "0");
            let words: Vec<&str> = command.split(' ').collect();
            // In one send, so that it comes while the snapshot is under way.
            let both = [request(&["BGSAVE"]), request(&words)].concat();
            client.send(&both).expect("the server receives");
            let text = client.read().expect("an answer").text();
            assert_eq!(text, "Background saving started");
            assert_eq!(client.read().expect("an answer").text(), "OK");
            let sizes = |client: &mut Client| {
                ["0", "1"].map(|db| {
                    call!(client, "SELECT", db);
                    call!(client, "DBSIZE").integer()
                })
            };
            let expected = sizes(&mut client);
            eventually("the snapshot is written", WAIT_LIMIT, || {
                figure(&mut client, "rdb_bgsave_in_progress") == "0"
            });
            assert_eq!(figure(&mut client, "rdb_last_bgsave_status"), "ok");
            assert_eq!(figure(&mut client, "rdb_saves"), "1");
            let said = fs::read_to_string(home.path().join("log.txt")).expect("a log");
            assert!(said.contains("begins again"), "{said}");
            let copy = copied(&home.path().join("dump.rdb"));
            let loaded = start(copy.path(), 2, &[]);
            assert_eq!(sizes(&mut loaded.client()), expected, "{command}");
            loaded.stop();
            torc.stop();
        }
    }
}

#[test]
fn in_a_transaction_it_is_put_off() {
    if skip_unless_torc("redis-server forks at once") {
        return;
    }
    let home = TemporaryDirectory::new();
    let torc = start(home.path(), 2, &[]);
    let mut client = torc.client();
    call!(client, "SET", "a", "1");
    call!(client, "MULTI");
    call!(client, "SET", "a", "2");
    call!(client, "BGSAVE");
    call!(client, "SET", "b", "2");
    let replies = call!(client, "EXEC");
    assert_eq!(replies.elements()[1].text(), "Background saving scheduled");
    eventually("the snapshot is written", WAIT_LIMIT, || {
        figure(&mut client, "rdb_saves") == "1"
    });
    let copy = copied(&home.path().join("dump.rdb"));
    let loaded = start(copy.path(), 2, &[]);
    let both = call!(loaded.client(), "MGET", "a", "b");
    let both = both.elements().iter().map(|value| value.text());
    assert_eq!(both.collect::<Vec<_>>(), ["2", "2"]);
    loaded.stop();
    torc.stop();
}
