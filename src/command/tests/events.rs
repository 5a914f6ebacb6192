//! The events of commands: `events.txt` holds what redis-server publishes. What depends on time or on memory, and what Redis cannot tell, is here.

use super::{NOW_MS, Shard};
use crate::engine::{EventClass, EventClasses, Policy};

/// Everything, the most talkative classes too.
fn all() -> EventClasses {
    EventClasses::parse("EAmn").expect("letters")
}

fn listening() -> Shard {
    let mut shard = Shard::new();
    shard.engine.set_events_wanted(all());
    shard
}

/// What was recorded, as the table writes it.
fn recorded(shard: &mut Shard) -> String {
    let events = shard.engine.take_events().into_iter();
    let texts = events.map(|event| {
        let key = String::from_utf8_lossy(&event.key);
        match event.db {
            0 => format!("{} {key}", event.name),
            db => format!("{} {key}@{db}", event.name),
        }
    });
    texts.collect::<Vec<_>>().join(", ")
}

#[track_caller]
fn check(shard: &mut Shard, line: &str, expected: &str) {
    shard.line(line);
    assert_eq!(recorded(shard), expected, "{line}");
}

#[test]
fn events_are_those_of_redis_server() {
    let mut shard = listening();
    let (mut lines, mut events) = (0, 0);
    for row in include_str!("events.txt").lines() {
        if row.starts_with('#') {
            continue;
        }
        let (line, expected) = row.split_once('|').expect("a request and its events");
        lines += 1;
        events += expected
            .split(',')
            .filter(|event| !event.trim().is_empty())
            .count();
        shard.line(line);
        let mut recorded: Vec<_> = recorded(&mut shard).split(", ").map(String::from).collect();
        let mut expected: Vec<_> = expected.trim().split(", ").map(String::from).collect();
        if line.starts_with("smove") {
            // The member is added before it is removed, so that an error leaves it where it was; each key's events keep their order.
            recorded.sort();
            expected.sort();
        }
        assert_eq!(recorded, expected, "{line}");
    }
    assert!(lines > 300 && events > 300, "{lines} {events}");
}

#[test]
fn nothing_is_recorded_unless_it_is_wanted() {
    for (letters, expected) in [
        ("", ""),
        ("A$lsn", ""),
        ("K$", "set a, append a, set c"),
        ("El", "lpush b, lpop b"),
        ("KEg", "del b, rename_from a, rename_to c"),
        ("KEn", "new a, new b, new c, new c"),
        ("Km", "keymiss d"),
    ] {
        let mut shard = Shard::new();
        let classes = EventClasses::parse(letters).expect(letters);
        shard.engine.set_events_wanted(classes);
        for line in [
            "set a 1",
            "append a 2",
            "lpush b 1",
            "lpop b",
            "set c 1",
            "rename a c",
            "get d",
        ] {
            shard.line(line);
        }
        assert_eq!(recorded(&mut shard), expected, "{letters}");
        assert!(!shard.engine.has_events());
    }
}

#[test]
fn keys_expire_when_they_are_looked_up_or_swept() {
    let mut shard = listening();
    check(&mut shard, "set a 1 px 10", "new a, set a, expire a");
    check(&mut shard, "set b 1 px 10", "new b, set b, expire b");
    check(&mut shard, "set c 1 px 10", "new c, set c, expire c");
    shard.engine.set_now(NOW_MS + 10);
    check(&mut shard, "get a", "expired a, keymiss a");
    check(&mut shard, "set b 2", "expired b, new b, set b");
    check(&mut shard, "ping", "");
    while shard.engine.upkeep(1000) {}
    assert_eq!(recorded(&mut shard), "expired c");
    // One that has expired already is there for its events alone.
    check(
        &mut shard,
        "set c 1 pxat 1",
        "new c, set c, expire c, expired c",
    );
    check(&mut shard, "set b 1 pxat 1", "set b, expire b, expired b");
    check(&mut shard, "exists b c", "keymiss b, keymiss c");
}

#[test]
fn fields_expire_in_the_background_or_with_the_next_change() {
    let mut shard = listening();
    let both = "hsetex h px 10 fields 1 f v";
    check(&mut shard, both, "new h, hset h, hexpire h");
    check(&mut shard, "hset h g v", "hset h");
    shard.engine.set_now(NOW_MS + 10);
    check(&mut shard, "hset h k v", "hexpired h, hset h");
    check(&mut shard, both, "hset h, hexpire h");
    shard.engine.set_now(NOW_MS + 20);
    check(&mut shard, "hget h f", "hexpired h");
    check(&mut shard, both, "hset h, hexpire h");
    check(&mut shard, "hdel h g k", "hdel h");
    shard.engine.set_now(NOW_MS + 30);
    check(&mut shard, "hdel h f", "hexpired h, del h");
    check(&mut shard, both, "new h, hset h, hexpire h");
    shard.engine.set_now(NOW_MS + 40);
    while shard.engine.upkeep(1000) {}
    assert_eq!(recorded(&mut shard), "hexpired h, del h");
}

#[test]
fn what_is_evicted_is_told() {
    let mut shard = listening();
    shard
        .engine
        .set_events_wanted(EventClasses::parse("Ee").expect("letters"));
    shard.engine.set_policy(Policy::AllKeysRandom, 5, 10, 1);
    shard.engine.set_memory_bytes_max(1 << 20);
    let value = "v".repeat(1000);
    let mut evicted = 0;
    for number in 0..3000 {
        shard.line(&format!("set key:{number} {value}"));
        for event in shard.engine.take_events() {
            assert_eq!((event.name, event.db), ("evicted", 0));
            let key = shard.engine.key(0, &event.key);
            assert!(!shard.engine.has(&key), "what is gone is gone");
            evicted += 1;
        }
    }
    assert!(evicted > 1000, "{evicted}");
    assert_eq!(shard.engine.stats().evicted_keys, evicted);
}

#[test]
fn what_is_no_news_is_left_out() {
    let mut shard = listening();
    shard
        .engine
        .without_event(EventClass::New, |engine| {
            let key = engine.key(0, b"a");
            let value = crate::engine::NewValue::Bytes(b"1");
            engine.set(&key, value, crate::engine::Expiry::None)
        })
        .expect("there is room");
    check(&mut shard, "set b 1", "new b, set b");
    check(&mut shard, "get a", "");
}
