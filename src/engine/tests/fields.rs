//! Fields of hashes that expire: removed in the background in bounded pieces, the index always true to the items.

use super::{check, engine, options};
use crate::engine::random::Random;
use crate::engine::value::hash::Hash;
use crate::engine::value::list::{Direction, List};
use crate::engine::{Attributes, Engine, Expiry, NewValue, Policy, Touch, Type, Value};
use std::collections::BTreeMap;

fn set_fields(engine: &mut Engine, key: &[u8], fields: std::ops::Range<u32>, expiry: Expiry) {
    let key = engine.key(0, key);
    engine
        .edit_collection::<Hash, _>(&key, true, |hash, editing| {
            for field in fields {
                let name = format!("field:{field}");
                let limits = &editing.limits.hash;
                hash.set(name.as_bytes(), b"value", expiry, editing.now_ms, limits);
            }
        })
        .expect("there is room");
}

fn len(engine: &mut Engine, key: &[u8]) -> Option<usize> {
    let key = engine.key(0, key);
    let item = engine.find(&key, Touch::No)?;
    Some(engine.view::<Hash>(item).expect("a hash").len())
}

#[test]
fn a_million_fields_go_in_bounded_pieces_and_their_memory_comes_back() {
    let mut engine = engine();
    set_fields(&mut engine, b"warm", 0..10, Expiry::None);
    let before = engine.stats();
    for number in 0..60_000u32 {
        let key = format!("packed:{number}");
        set_fields(&mut engine, key.as_bytes(), 0..8, Expiry::At(2_000_000));
    }
    for part in 0..52 {
        let fields = part * 10_000..(part + 1) * 10_000;
        set_fields(&mut engine, b"large", fields, Expiry::At(2_000_000));
    }
    set_fields(&mut engine, b"large", 0..10, Expiry::None);
    assert!(!engine.upkeep(100_000), "nothing to do before the time");
    let full = engine.stats();
    assert!(full.bytes_collections > 52 * 10_000 * 40);
    engine.set_now(2_000_000);
    assert_eq!(len(&mut engine, b"large"), Some(520_000));
    let mut calls = 0;
    while {
        let expired = engine.stats().expired_fields;
        let more = engine.upkeep(500);
        assert!(
            engine.stats().expired_fields - expired <= 512,
            "a call removes what its units pay for"
        );
        more
    } {
        calls += 1;
        assert!(calls < 1_000_000);
    }
    let after = engine.stats();
    assert_eq!(after.expired_fields, 60_000 * 8 + 520_000 - 10);
    assert_eq!(after.expired_keys, 0);
    assert_eq!(engine.len(0), 2);
    assert_eq!(len(&mut engine, b"large"), Some(10));
    // What is left is the emptied table of the large hash, and the few pages that are kept for the next writes.
    assert!(after.bytes_collections < 100_000, "{after:?}");
    assert!(after.bytes_items < 10_000, "{after:?}");
    assert!(
        after.bytes_used < before.bytes_used + (3 << 20),
        "{} and before {}",
        after.bytes_used,
        before.bytes_used
    );
    check(&mut engine);
}

#[test]
fn turned_off_it_leaves_expired_fields_alone() {
    let mut engine = engine();
    set_fields(&mut engine, b"h", 0..3, Expiry::At(1_000_001));
    engine.set_active_expiry(false);
    engine.set_now(1_000_002);
    assert!(!engine.upkeep(1000));
    assert_eq!(len(&mut engine, b"h"), Some(3));
    engine.set_active_expiry(true);
    engine.upkeep(1000);
    assert_eq!(len(&mut engine, b"h"), None);
    assert_eq!(engine.stats().expired_fields, 3);
    engine.reset_stats();
    assert_eq!(engine.stats().expired_fields, 0);
}

#[test]
fn a_hash_whose_fields_have_all_expired_is_not_there() {
    for fields in [1, 8, 600] {
        let mut engine = engine();
        set_fields(&mut engine, b"spent", 0..fields, Expiry::At(1_000_001));
        set_fields(&mut engine, b"seen", 0..fields, Expiry::At(1_000_001));
        set_fields(&mut engine, b"later", 0..fields, Expiry::At(1_000_001));
        set_fields(&mut engine, b"later", 0..1, Expiry::At(1_000_003));
        engine.set_now(1_000_002);
        assert_eq!(len(&mut engine, b"seen"), None);
        let mut keys = Vec::new();
        let cursor = engine.scan(0, 0, 100, &mut |engine, item| {
            keys.push(engine.key_bytes(item).to_vec());
        });
        assert_eq!((cursor, keys), (0, vec![b"later".to_vec()]));
        let random = engine.random_key(0).expect("there is one");
        assert_eq!(engine.key_bytes(random), b"later");
        // What comes after is a key of its own, of whatever type.
        let key = engine.key(0, b"spent");
        let pushed = engine.edit_collection::<List, _>(&key, true, |list, editing| {
            list.push(Direction::Backward, b"element", editing.limits.list);
        });
        assert_eq!(pushed, Ok(Some(())));
        engine.set_now(1_000_003);
        assert_eq!(len(&mut engine, b"later"), None);
        assert_eq!(engine.stats().expired_fields, 3 * u64::from(fields));
        assert_eq!(engine.len(0), 1);
        while engine.upkeep(1000) {}
        check(&mut engine);
    }
}

#[test]
fn who_watches_a_key_knows_when_it_goes() {
    for fields in [8, 600] {
        let mut engine = engine();
        set_fields(&mut engine, b"stays", 0..fields, Expiry::At(1_000_001));
        set_fields(&mut engine, b"stays", 0..1, Expiry::None);
        set_fields(&mut engine, b"goes", 0..fields, Expiry::At(1_000_001));
        set_fields(&mut engine, b"goes", 1..2, Expiry::At(1_000_003));
        set_fields(&mut engine, b"written", 0..fields, Expiry::None);
        let expires = engine.key(0, b"expires");
        engine
            .set(&expires, NewValue::RawBytes(b"v"), Expiry::At(1_000_002))
            .unwrap();
        let names: [&[u8]; 5] = [b"stays", b"goes", b"written", b"missing", b"expires"];
        let versions = names.map(|name| {
            let key = engine.key(0, name);
            engine.watch(&key, true)
        });
        set_fields(&mut engine, b"written", 0..1, Expiry::None);
        let changes = |engine: &mut Engine| {
            let watched = names.into_iter().zip(versions);
            let times = watched.map(|(name, version)| {
                let key = engine.key(0, name);
                engine.changes_at(&key, version)
            });
            times.collect::<Vec<i64>>()
        };
        let before = changes(&mut engine);
        let never = i64::MAX;
        assert_eq!(before, [never, 1_000_003, i64::MIN, never, 1_000_002]);
        let key = engine.key(0, b"goes");
        let version = versions[1];
        engine.set_now(1_000_002);
        assert_eq!(engine.changes_at(&key, version), 1_000_003);
        engine.set_now(1_000_003);
        assert_eq!(engine.changes_at(&key, version), i64::MIN);
    }
}

#[test]
fn without_memory_and_eviction_fields_still_go() {
    let mut options = options();
    options.memory_bytes_max = 4 << 20;
    let mut engine = Engine::new(options).unwrap();
    engine.set_now(1_000_000);
    // Every hash has one field that stays.
    let fill = |engine: &mut Engine, number: u64| {
        let key = format!("h:{number}");
        let key = engine.key(0, key.as_bytes());
        engine.edit_collection::<Hash, _>(&key, true, |hash, editing| {
            for field in 0..20 {
                let expiry = match field {
                    0 => Expiry::None,
                    _ => Expiry::At(2_000_000),
                };
                let name = format!("field:{field}");
                let limits = &editing.limits.hash;
                hash.set(name.as_bytes(), b"value", expiry, editing.now_ms, limits);
            }
        })
    };
    let mut hashes = 0;
    while fill(&mut engine, hashes).is_ok() {
        hashes += 1;
    }
    assert!(hashes > 1000);
    // Below what there is: not one more page can be had.
    engine.set_memory_bytes_max(2 << 20);
    let key = engine.key(0, b"h:0");
    let removed = engine.edit_collection::<Hash, _>(&key, false, |hash, _| {
        hash.remove(b"field:0", 0) && hash.remove(b"field:7", 0)
    });
    assert_eq!(removed, Ok(Some(true)), "taking away needs no memory");
    engine.set_now(2_000_000);
    while engine.upkeep(1000) {}
    assert_eq!(engine.stats().expired_fields, hashes * 19 - 1);
    assert_eq!(engine.len(0) as u64, hashes - 1);
    check(&mut engine);
}

/// Fields with their expiries.
type Model = BTreeMap<Vec<u8>, Option<i64>>;

fn live(model: &Model, now_ms: i64) -> Model {
    let is_live = |expiry: &Option<i64>| expiry.is_none_or(|at| at > now_ms);
    let fields = model.iter().filter(|(_, expiry)| is_live(expiry));
    fields.map(|(name, at)| (name.clone(), *at)).collect()
}

fn change(engine: &mut Engine, random: &mut Random, key: &[u8], model: &mut Model) {
    let now_ms = engine.now_ms();
    let handle = engine.key(0, key);
    let times: Vec<(Vec<u8>, usize, i64)> = (0..1 + random.below(30))
        .map(|_| {
            let name = random.below(200).to_string().into_bytes();
            (name, random.below(8), now_ms + 1 + random.below(400) as i64)
        })
        .collect();
    engine
        .edit_collection::<Hash, _>(&handle, true, |hash, editing| {
            let limits = &editing.limits.hash;
            for (name, what, time) in &times {
                let there = live(model, now_ms).contains_key(name);
                match what {
                    0 => {
                        assert_eq!(hash.remove(name, now_ms), there);
                        model.remove(name);
                    }
                    1 | 2 => {
                        let expiry = (*what == 1).then_some(*time);
                        assert_eq!(hash.set_expiry(name, expiry, now_ms, limits), there);
                        if there {
                            model.insert(name.clone(), expiry);
                        }
                    }
                    3 | 4 => {
                        hash.set(name, b"value", Expiry::None, now_ms, limits);
                        model.insert(name.clone(), None);
                    }
                    _ => {
                        hash.set(name, b"value", Expiry::At(*time), now_ms, limits);
                        model.insert(name.clone(), Some(*time));
                    }
                }
            }
        })
        .expect("there is room");
}

#[test]
fn random_hashes_lose_their_fields_in_time() {
    for seed in 0..20 {
        let mut random = Random::new(seed);
        let mut engine = engine();
        if seed % 2 == 0 {
            // Every hash is large.
            engine.set_thresholds(&crate::engine::Thresholds {
                hash_entries_max: 3,
                ..Default::default()
            });
        }
        let mut models: BTreeMap<Vec<u8>, Model> = BTreeMap::new();
        for step in 0..1500 {
            let key = format!("key:{}", random.below(12)).into_bytes();
            let handle = engine.key(0, &key);
            match random.below(24) {
                0 => {
                    engine.remove(&handle);
                    models.remove(&key);
                }
                1 => {
                    engine
                        .set(&handle, NewValue::Bytes(b"text"), Expiry::None)
                        .unwrap();
                    engine.remove(&handle);
                    models.remove(&key);
                }
                2 => {
                    // The record is written anew beside its value.
                    engine.set_expiry(&handle, Some(1_000_000_000)).unwrap();
                    engine.set_expiry(&handle, None).unwrap();
                }
                3 => {
                    let other = format!("key:{}", random.below(12)).into_bytes();
                    if let Some(item) = engine.find(&handle, Touch::No) {
                        let to = engine.key(0, &other);
                        match engine.value(item) {
                            Value::Packed(kind, run) => {
                                let run = run.to_vec();
                                let value = NewValue::Packed(kind, &run);
                                engine.set(&to, value, Expiry::None).unwrap();
                            }
                            Value::Collection(whole) => {
                                let whole = whole.clone();
                                engine
                                    .put_collection(&to, whole, None, Attributes::default())
                                    .unwrap();
                            }
                            other => panic!("{other:?} is no hash"),
                        }
                        let model = models.get(&key).cloned().unwrap_or_default();
                        models.insert(other, model);
                    }
                }
                4 if step % 10 == 0 => {
                    engine.flush(0, random.below(2) == 0);
                    models.clear();
                }
                5 => {
                    engine.swap(0, 1);
                    engine.upkeep(random.below(300));
                    engine.swap(0, 1);
                }
                6 => {
                    engine.evacuate(16);
                }
                7 | 8 => engine.set_now(engine.now_ms() + random.below(60) as i64),
                9 => {
                    engine.upkeep(1 + random.below(400));
                }
                10 => {
                    while engine.upkeep(1000) {}
                    let now_ms = engine.now_ms();
                    models.retain(|_, model| {
                        *model = live(model, now_ms);
                        !model.is_empty()
                    });
                    assert_eq!(engine.len(0), models.len(), "seed {seed}, step {step}");
                }
                _ => {
                    let model = models.entry(key.clone()).or_default();
                    change(&mut engine, &mut random, &key, model);
                }
            }
            let now_ms = engine.now_ms();
            let model = models
                .get(&key)
                .map_or_else(Model::new, |model| live(model, now_ms));
            let found = match engine.find(&handle, Touch::No) {
                None => Model::new(),
                Some(item) => {
                    assert_eq!(engine.type_of(item), Type::Hash);
                    let view = engine.view::<Hash>(item).expect("a hash");
                    view.iter_with_expiry(now_ms)
                        .map(|(name, _, expiry)| (name.to_vec(), expiry))
                        .collect()
                }
            };
            assert_eq!(found, model, "seed {seed}, step {step}");
            if step % 50 == 0 {
                check(&mut engine);
            }
        }
        check(&mut engine);
        engine.flush(0, true);
        while engine.upkeep(1000) {}
        assert_eq!(engine.stats().bytes_collections, 0);
        check(&mut engine);
    }
}

#[test]
fn evicted_hashes_leave_the_index() {
    let mut options = options();
    options.memory_bytes_max = 4 << 20;
    options.policy = Policy::AllKeysLru;
    let mut engine = Engine::new(options).unwrap();
    engine.set_now(1_000_000);
    let mut random = Random::new(3);
    for number in 0..30_000u32 {
        engine.make_room().unwrap();
        let key = format!("h:{}", random.below(20_000));
        let until = 1 + random.below(40) as u32;
        let expiry = Expiry::At(i64::from(1_004_000 + number / 4));
        set_fields(&mut engine, key.as_bytes(), 0..until, expiry);
        if number % 16 == 0 {
            engine.set_now(1_000_000 + i64::from(number / 4));
            engine.upkeep(200);
        }
    }
    assert!(engine.stats().evicted_keys > 0);
    assert!(engine.stats().expired_fields > 0);
    check(&mut engine);
}
