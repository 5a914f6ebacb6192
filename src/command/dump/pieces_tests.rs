use super::super::{DumpedValue, decode_value, image};
use super::*;
use crate::command::CommandError;
use crate::command::tests::Shard;
use crate::engine::random::Random;
use std::time::{SystemTime, UNIX_EPOCH};

/// From `TORC_TEST_SEED`, or from the clock; the seed is printed.
fn random() -> Random {
    let given = std::env::var("TORC_TEST_SEED").ok();
    let seed = given.map_or_else(
        || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH);
            since.expect("it is later").as_nanos() as u64
        },
        |seed| seed.parse().expect("TORC_TEST_SEED is a number"),
    );
    println!("TORC_TEST_SEED={seed}");
    Random::new(seed)
}

/// Fills a key with a large value of each kind, of a size that chance decides.
fn fill(shard: &mut Shard, random: &mut Random, kind: usize) {
    let count = 3000 + random.below(3000);
    let text = |random: &mut Random, number: usize| match random.below(4) {
        0 => number.to_string(),
        1 => format!("-{}", random.draw() % 100_000),
        2 => format!("member:{number}"),
        _ => format!("{number}{}", "long".repeat(random.below(30))),
    };
    if kind == 5 {
        let bytes = STRING_BYTES_MIN + random.below(100_000);
        shard.line(&format!("set key {}", "x".repeat(bytes)));
        return;
    }
    for number in 0..count {
        let (name, other) = (text(random, number), text(random, number));
        let line = match kind {
            0 => format!("sadd key {name}"),
            1 | 6 => format!("hset key {name} {other}"),
            2 => format!("zadd key {} {name}", random.below(500)),
            3 => format!("rpush key {name}"),
            4 => format!(
                "xadd key {}-{} field {name} other {other}",
                number + 1,
                random.below(9)
            ),
            _ => unreachable!("there are seven kinds"),
        };
        assert_ne!(shard.line(&line)[0], b'-', "{line}");
        if kind == 6 && random.below(3) == 0 {
            let ms = shard.engine.now_ms() + 100 + random.below(5000) as i64;
            shard.line(&format!("hpexpireat key {ms} fields 1 {name}"));
        }
    }
    if kind == 4 {
        for group in ["g", "group", "h"] {
            shard.line(&format!("xgroup create key {group} 0"));
        }
        for consumer in ["a", "b", "consumer", "idle"] {
            shard.line(&format!("xgroup createconsumer key group {consumer}"));
        }
        for _ in 0..12 {
            let (count, consumer) = (
                random.below(300) + 1,
                ["a", "b", "consumer"][random.below(3)],
            );
            shard.line(&format!(
                "xreadgroup group group {consumer} count {count} streams key >"
            ));
        }
        for number in 0..200 {
            shard.line(&format!("xdel key {number}-0 {number}-1"));
        }
    }
    if kind == 6 {
        // Some have expired, and are still there.
        let now_ms = shard.engine.now_ms();
        shard.engine.set_now(now_ms + 2000);
    }
}

/// All pieces with steps of these bytes; in how many steps.
fn whole(
    engine: &mut Engine,
    form: Form,
    mut bytes: impl FnMut() -> usize,
) -> (Vec<u8>, ImageHead, usize) {
    let key = engine.key(0, b"key");
    let item = engine.find(&key, Touch::No).expect("it is there");
    assert!(is_large(engine, item));
    let mut out = Vec::new();
    let (mut pieces, head) = Pieces::begin(engine, 0, item, form, &mut out);
    let mut steps = 1;
    loop {
        match pieces.step(engine, &mut out, bytes()) {
            Progress::More => steps += 1,
            Progress::End => return (out, head, steps),
            Progress::Gone => panic!("nobody has changed it"),
        }
    }
}

/// The value as plain data, in an order that does not depend on tables.
fn sorted(value: DumpedValue) -> DumpedValue {
    match value {
        DumpedValue::Set(mut members) => {
            members.sort();
            DumpedValue::Set(members)
        }
        DumpedValue::Hash(mut fields) => {
            fields.sort_by(|a, b| a.name.cmp(&b.name));
            DumpedValue::Hash(fields)
        }
        other => other,
    }
}

fn decoded(payload: &[u8]) -> DumpedValue {
    let (kind, body) = payload.split_first().expect("a value has a kind");
    sorted(decode_value(*kind, body, usize::MAX).expect("it was just written"))
}

#[test]
fn pieces_of_every_size_are_the_whole() {
    let mut random = random();
    for kind in 0..7 {
        let mut shard = Shard::new();
        fill(&mut shard, &mut random, kind);
        let engine = &mut shard.engine;
        for form in [Form::Image, Form::Rdb] {
            let (one, head, _) = whole(engine, form, || 1 << 40);
            for bytes in [1, 7, 100, 1000, 16 << 10] {
                if kind == 5 && bytes < 100 {
                    continue;
                }
                let (same, same_head, steps) = whole(engine, form, || bytes);
                assert!(one == same, "kind {kind} in pieces of {bytes}");
                assert_eq!(head, same_head);
                assert!(
                    steps >= one.len() / (bytes + 5000),
                    "{steps} steps of {bytes} bytes"
                );
            }
            let (same, ..) = whole(engine, form, || 100 + random.below(5000));
            assert!(one == same, "kind {kind} in pieces of all sizes");
        }
        let item = engine
            .find(&engine.key(0, b"key"), Touch::No)
            .expect("it is there");
        // What is written at once is the same value.
        let version = if kind == 6 { 12 } else { 10 };
        let (pieces, ..) = whole(engine, Form::Rdb, || 1000);
        let at_once = super::super::rdb_value(engine, item, version).expect("it has a type");
        assert_eq!(decoded(&pieces), decoded(at_once.plain()), "kind {kind}");
        // And an image of it makes the same key again.
        let (payload, head, _) = whole(engine, Form::Image, || 1000);
        let other = engine.key(0, b"other");
        image::read(engine, &other, head, &payload)
            .map_err(|error: CommandError| error.text().to_vec())
            .expect("an image");
        let item = engine.find(&other, Touch::No).expect("it was just made");
        let again = super::super::rdb_value(engine, item, version).expect("it has a type");
        assert_eq!(
            decoded(at_once.plain()),
            decoded(again.plain()),
            "kind {kind}"
        );
        assert_eq!(
            decoded(&at_once.compressed()),
            decoded(again.plain()),
            "kind {kind}"
        );
    }
}

#[test]
fn what_was_taken_away_is_noticed() {
    let mut random = random();
    for (kind, line) in [
        (0, "spop key"),
        (1, "del key"),
        (2, "zpopmin key"),
        (3, "lpop key"),
        (4, "xtrim key maxlen 100"),
        (5, "set key short"),
        (6, "set key short"),
    ] {
        let mut shard = Shard::new();
        fill(&mut shard, &mut random, kind);
        let engine = &mut shard.engine;
        let item = engine
            .find(&engine.key(0, b"key"), Touch::No)
            .expect("it is there");
        let mut out = Vec::new();
        let (mut pieces, _) = Pieces::begin(engine, 0, item, Form::Image, &mut out);
        assert_eq!(pieces.step(engine, &mut out, 100), Progress::More);
        assert_ne!(shard.line(line)[0], b'-');
        assert_eq!(
            pieces.step(&mut shard.engine, &mut out, 100),
            Progress::Gone,
            "{line}"
        );
    }
}
