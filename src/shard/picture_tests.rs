//! A picture against what there was when it began, under random commands on all types.

use super::Shard;
use super::picture::{Picture, Written};
use crate::command::table;
use crate::engine::random::Random;
use crate::engine::{Engine, EngineOptions, Policy, Touch};
use crate::limits::STRING_BYTES_MAX;
use crate::protocol::args::{Args, joined};
use crate::protocol::resp::Reply;
use std::collections::BTreeMap;

const DATABASES: usize = 3;
const NAMES: usize = 300;

/// Database and name, with when it expires and the value.
type Keys = BTreeMap<(usize, Vec<u8>), (Option<i64>, Vec<u8>)>;

fn shard() -> Shard {
    let engine = Engine::new(EngineOptions {
        databases: DATABASES,
        memory_bytes_max: 0,
        policy: Policy::NoEviction,
        samples: 5,
        lfu_log_factor: 10,
        lfu_decay_minutes: 1,
        thresholds: Default::default(),
        reservation_bytes: 1 << 30,
        seed: 1,
    });
    let mut engine = engine.expect("memory");
    engine.set_now(1_000_000);
    Shard {
        id: 0,
        count: 1,
        engine,
        journal: Default::default(),
        picture: None,
        stats: Default::default(),
        settings: crate::command::Settings {
            string_bytes_max: STRING_BYTES_MAX,
            item_bytes_max: 1 << 20,
            hll_sparse_bytes_max: 3000,
        },
        may_block: false,
    }
}

fn run(shard: &mut Shard, db: usize, line: &str) {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let (buffer, ranges) = joined(&words);
    let args = Args {
        buffer: &buffer,
        ranges: &ranges,
        large: &mut [],
    };
    let row = table::resolve(&args).expect("a command");
    shard.execute(row, args, db, Touch::Yes, None, &mut Reply::default());
}

/// A command on random keys of the same name or of any.
fn change(shard: &mut Shard, random: &mut Random) {
    let mut name = || format!("key:{}", random.below(NAMES));
    let (key, other) = (name(), name());
    let db = random.below(DATABASES);
    let number = random.below(1000);
    let line = match random.below(24) {
        0 | 1 => format!("SET {key} {number}"),
        2 => format!("SET {key} v{number} EX {}", 1 + number),
        3 => format!("APPEND {key} {}", "x".repeat(number)),
        4 => format!("SETRANGE {key} {} z", number * 500),
        5 | 6 => format!("DEL {key}"),
        7 => format!("RENAME {key} {other}"),
        8 => format!("COPY {key} {other} DB {} REPLACE", random.below(DATABASES)),
        9 => format!("MOVE {key} {}", random.below(DATABASES)),
        10 => format!("EXPIRE {key} {number}"),
        11 => format!("PERSIST {key}"),
        12 => format!("RPUSH {key} {}", "e ".repeat(number) + "e"),
        13 => format!("LPOP {key} 3"),
        14 => format!("SADD {key} {number} {key}"),
        15 => format!("SUNIONSTORE {key} {other} {key}"),
        16 => format!("HSET {key} f{number} {}", "v".repeat(number)),
        17 => format!("HPEXPIRE {key} 100000 FIELDS 1 f{number}"),
        18 => format!("ZADD {key} {number} m{number} 1 {other}"),
        19 => format!("XADD {key} * f {number}"),
        20 => format!("SORT {other} ALPHA STORE {key}"),
        21 => format!("BITOP NOT {key} {other}"),
        22 => format!("LMOVE {key} {other} LEFT RIGHT"),
        _ => format!("PFADD {key} {number}"),
    };
    run(shard, db, &line);
}

/// A value that is written in pieces.
fn grow(shard: &mut Shard, random: &mut Random) {
    let db = random.below(DATABASES);
    let key = format!("key:{}", random.below(NAMES));
    run(shard, db, &format!("DEL {key}"));
    let words = |prefix: &str| -> String {
        let words = (0..2000).map(|number| format!(" {prefix}{number}"));
        words.collect()
    };
    for part in 0..5 {
        let line = match random.below(4) {
            0 => format!("SADD {key}{}", words(&format!("member:{part}:"))),
            1 => format!("RPUSH {key}{}", words(&format!("element:{part}:"))),
            2 => format!("SETRANGE {key} {} z", 300_000),
            _ => format!("HSET {key}{}", words(&format!("field:{part}:"))),
        };
        run(shard, db, &line);
    }
}

fn note(all: &mut Keys, db: usize, written: Written) {
    let Written {
        key,
        expires_at_ms,
        value,
        ..
    } = written;
    let before = all.insert((db, key.to_vec()), (expires_at_ms, value.compressed()));
    assert!(
        before.is_none(),
        "{} is given out twice",
        key.escape_ascii()
    );
}

/// All that a picture gives out, to its end.
fn finish(shard: &mut Shard, picture: &mut Picture, all: &mut Keys) {
    while !step(shard, picture, all) {}
}

/// A bit of it. Whether that was the end.
fn step(shard: &mut Shard, picture: &mut Picture, all: &mut Keys) -> bool {
    let engine = &mut shard.engine;
    if let Some(batch) = picture.take(picture.is_walked()) {
        let db = batch.db;
        let keys = batch.keys.into_iter();
        keys.for_each(|written| note(all, db, written));
    } else if let Some((large, is_owed)) = picture.take_large(engine) {
        let key = engine.key(large.db, &large.key);
        if is_owed && let Some(item) = engine.find(&key, Touch::No) {
            picture.give(engine, large.db, item);
        }
    } else if picture.is_walked() {
        return true;
    } else {
        picture.walk(engine);
    }
    false
}

#[test]
fn what_is_given_out_is_what_there_was() {
    for seed in 0..if cfg!(miri) { 1 } else { 40 } {
        let mut random = Random::new(seed);
        let mut shard = shard();
        for number in 0..2000 {
            change(&mut shard, &mut random);
            if number % 100 == 0 {
                grow(&mut shard, &mut random);
            }
        }
        let mut expected = Keys::new();
        let mut picture = Picture::begin(&shard.engine, Policy::NoEviction);
        finish(&mut shard, &mut picture, &mut expected);
        assert!(expected.len() > NAMES);
        let mut given = Keys::new();
        shard.picture = Some(Box::new(Picture::begin(&shard.engine, Policy::NoEviction)));
        let mut changes = 0;
        loop {
            let mut picture = shard.picture.take().expect("it is put back");
            let is_over = step(&mut shard, &mut picture, &mut given);
            if is_over {
                break;
            }
            shard.picture = Some(picture);
            for _ in 0..random.below(1 + 2 * seed as usize % 7) {
                change(&mut shard, &mut random);
                changes += 1;
            }
            if random.below(200) == 0 {
                grow(&mut shard, &mut random);
            }
        }
        assert!(
            given == expected,
            "seed {seed}, {changes} changes: {:?}",
            expected
                .keys()
                .chain(given.keys())
                .filter(|place| given.get(*place) != expected.get(*place))
                .map(|(db, key)| format!("{db} {}", key.escape_ascii()))
                .collect::<Vec<_>>()
        );
    }
}

#[test]
fn what_is_put_first_is_given_out_once() {
    let mut shard = shard();
    let line: String = (0..5000).map(|number| format!(" {number}x")).collect();
    for name in ["a", "b", "c"] {
        run(&mut shard, 0, &format!("SADD {name}{line}"));
    }
    let mut locks = super::locks::Locks::default();
    let mut picture = Picture::begin(&shard.engine, Policy::NoEviction);
    let mut claims = super::locks::Claims::default();
    claims.add(super::locks::Place::key(b"b"), super::locks::Mode::Read);
    let super::locks::Outcome::Held(hold) = locks.claim(&claims, ()) else {
        unreachable!("nobody else is there");
    };
    assert!(!picture.is_slow(&mut shard.engine, 0, b"none"));
    picture.put_first(&shard.engine, 0, b"b", hold);
    assert_eq!(picture.holds().collect::<Vec<_>>(), [hold]);
    let (large, is_owed) = picture.take_large(&shard.engine).expect("it is first");
    assert!(&*large.key == b"b" && large.hold == Some(hold) && is_owed);
    // It was not written to its end.
    picture.put_back_large(&shard.engine, 0, b"b");
    shard.picture = Some(Box::new(picture));
    run(&mut shard, 0, "SADD b more");
    run(&mut shard, 0, "DEL c");
    let mut picture = shard.picture.take().expect("it was put there");
    let mut given = Keys::new();
    finish(&mut shard, &mut picture, &mut given);
    let names: Vec<&[u8]> = given.keys().map(|(_, name)| &name[..]).collect();
    assert_eq!(names, [b"a", b"b", b"c"]);
}

#[test]
fn a_database_that_goes_makes_it_void() {
    for line in ["FLUSHDB", "FLUSHALL", "SWAPDB 0 1"] {
        let mut shard = shard();
        run(&mut shard, 0, "SET a 1");
        shard.picture = Some(Box::new(Picture::begin(&shard.engine, Policy::NoEviction)));
        run(&mut shard, 0, "SET a 2");
        assert!(!shard.picture.as_ref().expect("it is there").is_void());
        run(&mut shard, 0, line);
        assert!(
            shard.picture.as_ref().expect("it is there").is_void(),
            "{line}"
        );
    }
}
