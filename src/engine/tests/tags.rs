//! Tags against a map, under random operations; what a drop of very many items costs at once and in slices; the memory limit.

use super::{check, engine, options, read};
use crate::engine::random::Random;
use crate::engine::value::list::{Direction, List};
use crate::engine::{
    Engine, EventClass, Expiry, NewValue, Policy, TAGS_PER_KEY_MAX, TooManyTags, Touch,
};
use std::collections::BTreeMap;
use std::time::Instant;

const DATABASES: usize = 3;

#[derive(Debug, Clone, Default)]
struct Entry {
    expiry: Option<i64>,
    tags: Vec<Vec<u8>>,
}

type Model = Vec<BTreeMap<Vec<u8>, Entry>>;

/// The model and the engine forget what has expired, so that both count the same.
fn expire(engine: &mut Engine, model: &mut Model) {
    let now_ms = engine.now_ms();
    for (db, database) in model.iter_mut().enumerate() {
        database.retain(|key, entry| {
            let is_alive = entry.expiry.is_none_or(|expiry| expiry > now_ms);
            let handle = engine.key(db, key);
            let found = is_alive || engine.find(&handle, Touch::No).is_some();
            assert_eq!(found, is_alive);
            is_alive
        });
    }
}

fn compare(engine: &mut Engine, model: &Model) {
    for (db, database) in model.iter().enumerate() {
        assert_eq!(engine.len(db), database.len());
        let (mut seen, mut cursor) = (Vec::new(), 0);
        loop {
            let visit = &mut |engine: &Engine, item| seen.push(engine.key_bytes(item).to_vec());
            cursor = engine.scan(db, cursor, 50, visit);
            if cursor == 0 {
                break;
            }
        }
        seen.sort();
        assert!(seen.iter().eq(database.keys()), "nothing doomed is seen");
        for (key, entry) in database {
            let handle = engine.key(db, key);
            assert!(engine.has(&handle));
            assert_eq!(engine.tags(&handle), entry.tags);
        }
    }
}

fn write(engine: &mut Engine, db: usize, key: &[u8], expiry: Expiry, is_list: bool) {
    let key = engine.key(db, key);
    if is_list {
        // Two long elements make it a large one, which is moved and not copied.
        let (mut list, limits) = (List::new(), engine.limits().list);
        for _ in 0..2 {
            list.push(Direction::Backward, &[b'x'; 6000], limits);
        }
        engine.set_collection(&key, list, expiry).unwrap();
    } else {
        let value = NewValue::Bytes(b"some bytes of a value");
        engine.set(&key, value, expiry).unwrap();
    }
}

fn step(engine: &mut Engine, model: &mut Model, random: &mut Random) {
    let db = random.below(DATABASES);
    let key = format!("key:{}", random.below(150)).into_bytes();
    let tag = format!("tag:{}", random.below(8)).into_bytes();
    let handle = engine.key(db, &key);
    match random.below(100) {
        0..30 => {
            let expiry = match random.below(3) {
                0 => Expiry::None,
                1 => Expiry::Keep,
                _ => Expiry::At(engine.now_ms() + 1 + random.below(500) as i64),
            };
            write(engine, db, &key, expiry, random.below(4) == 0);
            let entry = model[db].entry(key).or_default();
            match expiry {
                Expiry::Keep => {}
                Expiry::None => *entry = Entry::default(),
                Expiry::At(at) => {
                    *entry = Entry {
                        expiry: Some(at),
                        ..Entry::default()
                    }
                }
            }
        }
        30..65 => {
            assert_eq!(engine.has(&handle), model[db].contains_key(&key));
            if let Some(entry) = model[db].get_mut(&key) {
                let is_new = !entry.tags.contains(&tag);
                assert_eq!(engine.add_tag(&handle, &tag), Ok(is_new));
                if is_new {
                    entry.tags.push(tag);
                }
            }
        }
        65..72 => assert_eq!(engine.remove(&handle), model[db].remove(&key).is_some()),
        72..76 => {
            let other = format!("key:{}", random.below(150)).into_bytes();
            let to = engine.key(random.below(DATABASES), &other);
            let is_same = (db, &key) == (to.db, &other);
            let value = engine.find(&handle, Touch::No);
            if !is_same && value.is_some_and(|item| engine.is_large_collection(item)) {
                assert_eq!(engine.rename_collection(&handle, &to), Ok(true));
                let entry = model[db].remove(&key).expect("it was there");
                model[to.db].insert(other, entry);
            }
        }
        76..82 => {
            let expected = model[db].values().filter(|entry| entry.tags.contains(&tag));
            let expected = expected.count();
            assert_eq!(engine.tagged(db, &tag), expected);
            assert_eq!(engine.drop_tag(db, &tag), expected);
            model[db].retain(|_, entry| !entry.tags.contains(&tag));
            assert_eq!(engine.tagged(db, &tag), 0);
        }
        82..85 => {
            engine.flush(db, random.below(2) == 0);
            model[db].clear();
        }
        85..87 => {
            let other = random.below(DATABASES);
            engine.swap(db, other);
            model.swap(db, other);
        }
        87..92 => {
            engine.upkeep(1 + random.below(300));
        }
        92..95 => engine.set_now(engine.now_ms() + random.below(100) as i64),
        95..97 => match engine.random_key(db) {
            Some(item) => assert!(model[db].contains_key(engine.key_bytes(item))),
            None => assert!(model[db].is_empty()),
        },
        _ => compare(engine, model),
    }
}

#[test]
fn tagged_items_are_a_map_whatever_is_dropped() {
    for seed in 0..60 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let mut engine = engine();
        let mut model: Model = vec![BTreeMap::new(); DATABASES];
        for _ in 0..1500 {
            expire(&mut engine, &mut model);
            step(&mut engine, &mut model, &mut random);
        }
        expire(&mut engine, &mut model);
        check(&mut engine);
        compare(&mut engine, &model);
        while engine.upkeep(1000) {}
        check(&mut engine);
        compare(&mut engine, &model);
        for db in 0..DATABASES {
            engine.flush(db, true);
        }
        while engine.upkeep(1000) {}
        check(&mut engine);
        assert_eq!((engine.stats().bytes_items, engine.stats().items), (0, 0));
        assert_eq!(engine.tags.bytes(), 0, "nothing is left of any tag");
    }
}

#[test]
fn a_key_keeps_its_tags_as_long_as_it_would_keep_its_expiry() {
    let mut engine = engine();
    let key = engine.key(0, b"key");
    let tagged = |engine: &mut Engine| {
        engine.remove(&key);
        write(engine, 0, b"key", Expiry::None, false);
        assert_eq!(engine.add_tag(&key, b"a"), Ok(true));
    };
    tagged(&mut engine);
    engine.edit(&key, 5).unwrap();
    engine.set_expiry(&key, Some(5_000_000)).unwrap();
    write(&mut engine, 0, b"key", Expiry::Keep, false);
    assert_eq!(engine.tags(&key), [b"a"]);
    write(&mut engine, 0, b"key", Expiry::None, false);
    assert!(engine.tags(&key).is_empty());
    tagged(&mut engine);
    write(&mut engine, 0, b"key", Expiry::At(1_000_001), true);
    assert!(engine.tags(&key).is_empty());
    tagged(&mut engine);
    engine.set_expiry(&key, Some(1_000_001)).unwrap();
    engine.set_now(1_000_001);
    assert!(!engine.has(&key));
    write(&mut engine, 0, b"key", Expiry::None, false);
    assert!(engine.tags(&key).is_empty(), "they went with the old one");
    for tag in 0..TAGS_PER_KEY_MAX {
        assert_eq!(engine.add_tag(&key, &[tag as u8]), Ok(true));
    }
    assert_eq!(engine.add_tag(&key, b"more"), Err(TooManyTags));
    assert_eq!(engine.add_tag(&key, &[0]), Ok(false));
    assert_eq!(engine.tagged(0, b"more"), 0);
    check(&mut engine);
}

#[test]
fn dropped_items_are_told_of_as_deleted_once_each() {
    let mut engine = engine();
    let classes = crate::config::EventClasses::parse("EA").unwrap();
    engine.set_events_wanted(classes);
    assert!(engine.wants_event(EventClass::Generic));
    for number in 0..40 {
        let bytes = format!("key:{number}").into_bytes();
        let expiry = match number % 2 {
            0 => Expiry::None,
            _ => Expiry::At(2_000_000),
        };
        write(&mut engine, 0, &bytes, expiry, false);
        let key = engine.key(0, &bytes);
        engine.add_tag(&key, b"a").unwrap();
        engine.add_tag(&key, b"b").unwrap();
    }
    engine.take_events();
    let key = engine.key(0, b"key:7");
    let version = engine.watch(&key, true);
    assert_eq!(engine.drop_tag(0, b"a"), 40);
    assert_eq!(engine.drop_tag(0, b"b"), 0, "they are all gone already");
    let changes_at = engine.changes_at(&key, version);
    assert_eq!(changes_at, i64::MIN, "its watchers see it go");
    assert_eq!(engine.expires(0).0, 0);
    while engine.upkeep(100) {}
    let mut told: Vec<_> = engine.take_events();
    told.sort_by(|a, b| a.key.cmp(&b.key));
    assert!(told.iter().all(|event| event.name == "del"), "{told:?}");
    told.dedup();
    assert_eq!(told.len(), 40);
    assert_eq!(engine.stats().expired_keys, 0);
    check(&mut engine);
}

#[test]
fn very_many_items_vanish_at_once_and_their_memory_comes_back_in_slices() {
    let mut engine = engine();
    const ITEMS: usize = 300_000;
    for number in 0..ITEMS {
        let key = (number as u64).to_le_bytes();
        let key = engine.key(0, &key);
        engine
            .set(&key, NewValue::Integer(1), Expiry::None)
            .unwrap();
        engine.add_tag(&key, b"all").unwrap();
    }
    write(&mut engine, 0, b"stays", Expiry::None, false);
    let full = engine.stats();
    assert!(
        full.bytes_used > (ITEMS * (24 + 16)) as u64,
        "links are counted"
    );
    let began = Instant::now();
    assert_eq!(engine.drop_tag(0, b"all"), ITEMS);
    let at_once = began.elapsed();
    assert_eq!((engine.len(0), engine.stats().items), (1, 1));
    assert_eq!(engine.stats().release_waiting, ITEMS as u64);
    assert_eq!(
        engine.stats().bytes_used,
        full.bytes_used,
        "nothing was freed"
    );
    assert_eq!(read(&mut engine, 0, &5u64.to_le_bytes()), None);
    assert_eq!(
        read(&mut engine, 0, b"stays").as_deref(),
        Some(&b"some bytes of a value"[..])
    );
    // The tag may be used again at once.
    let key = engine.key(0, b"new");
    write(&mut engine, 0, b"new", Expiry::None, false);
    engine.add_tag(&key, b"all").unwrap();
    assert_eq!(engine.tagged(0, b"all"), 1);
    let (mut slices, mut left) = (0, engine.stats().release_waiting);
    while engine.upkeep(500) && left > 0 {
        let now = engine.stats().release_waiting;
        assert!(
            left - now <= 120,
            "a slice of 500 units deletes {}",
            left - now
        );
        assert!(left == 0 || now < left, "and deletes some");
        (slices, left) = (slices + 1, now);
    }
    assert!(slices >= ITEMS / 120);
    while engine.upkeep(1000) {}
    println!("{ITEMS} items dropped in {at_once:?}, released in {slices} slices");
    assert_eq!((engine.len(0), engine.stats().bytes_items > 0), (2, true));
    let left = engine.tags.bytes();
    assert!(left < 300_000, "only one link is left, in {left} bytes");
    check(&mut engine);
}

#[test]
fn under_the_limit_tags_count_and_what_is_dropped_makes_room() {
    for seed in 0..4 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let limit = 8 << 20;
        let mut engine = Engine::new(crate::engine::EngineOptions {
            memory_bytes_max: limit,
            policy: [Policy::AllKeysLru, Policy::AllKeysS3Fifo][seed as usize % 2],
            ..options()
        })
        .unwrap();
        engine.set_now(1_000_000);
        for number in 0..200_000u64 {
            let bytes = format!("key:{number}").into_bytes();
            engine.make_room().unwrap();
            write(&mut engine, 0, &bytes, Expiry::None, false);
            let key = engine.key(0, &bytes);
            for _ in 0..random.below(4) {
                let tag = format!("tag:{}", random.below(5000)).into_bytes();
                engine.add_tag(&key, &tag).unwrap();
            }
            if number % 100 == 0 {
                engine.upkeep(1000);
                let used = engine.stats().bytes_used;
                assert!(used < limit + limit / 8, "{used} bytes used");
            }
        }
        assert!(engine.stats().evicted_keys > 1000 && engine.len(0) > 1000);
        check(&mut engine);
        // What is dropped goes before anything is evicted, but for a page that a write clears which needs one at once.
        for tag in 0..5000 {
            engine.drop_tag(0, format!("tag:{tag}").as_bytes());
        }
        let (evicted, there) = (engine.stats().evicted_keys, engine.len(0));
        for number in 0..5000 {
            engine.make_room().unwrap();
            write(
                &mut engine,
                0,
                format!("new:{number}").as_bytes(),
                Expiry::None,
                false,
            );
        }
        let more = engine.stats().evicted_keys - evicted;
        assert!(more < 1000, "{more} evicted");
        assert_eq!(engine.len(0), there + 5000 - more as usize);
        while engine.upkeep(1000) {}
        check(&mut engine);
    }
}
