//! The engine against a map, under random operations with a controlled clock.

use super::{check, engine, read};
use crate::engine::{Attributes, Engine, Expiry, NewValue, Policy, Touch};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
enum Step {
    Set {
        db: usize,
        key: u16,
        len: usize,
        expiry: Expiry,
        kind: u8,
        attributes: Attributes,
    },
    SetAttributes {
        db: usize,
        key: u16,
        attributes: Attributes,
    },
    Token {
        db: usize,
        key: u16,
    },
    Integer {
        db: usize,
        key: u16,
        integer: i64,
    },
    Edit {
        db: usize,
        key: u16,
        len: usize,
    },
    SetExpiry {
        db: usize,
        key: u16,
        expiry: Option<i64>,
    },
    Remove {
        db: usize,
        key: u16,
    },
    Find {
        db: usize,
        key: u16,
    },
    Scan {
        db: usize,
    },
    RandomKey {
        db: usize,
    },
    Flush {
        db: usize,
        lazy: bool,
    },
    Swap {
        a: usize,
        b: usize,
    },
    Upkeep {
        units: usize,
    },
    Advance {
        ms: i64,
    },
}

fn key_bytes(key: u16) -> Vec<u8> {
    match key % 11 {
        0 => vec![b'x'; 300 + usize::from(key)],
        1 if key < 40 => vec![b'y'; 9000 + usize::from(key)],
        _ => format!("key:{key}").into_bytes(),
    }
}

fn len() -> impl Strategy<Value = usize> {
    prop_oneof![6 => 0..300usize, 2 => 0..17_000usize, 1 => 16_000..140_000usize]
}

fn time() -> impl Strategy<Value = i64> {
    1_000_000..1_010_000i64
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let some = (any::<u32>(), any::<bool>(), any::<bool>(), 0..64u8).prop_map(
        |(client_flags, stale, won, width)| Attributes {
            client_flags,
            stale,
            won,
            width,
        },
    );
    prop_oneof![2 => Just(Attributes::default()), 1 => some]
}

fn step() -> impl Strategy<Value = Step> {
    let (db, key) = (0..3usize, 0..400u16);
    let expiry = prop_oneof![2 => Just(Expiry::None), 1 => Just(Expiry::Keep), 2 => time().prop_map(Expiry::At)];
    prop_oneof![
        12 => (db.clone(), key.clone(), len(), expiry, 0..4u8, attributes()).prop_map(|(db, key, len, expiry, kind, attributes)| Step::Set { db, key, len, expiry, kind, attributes }),
        3 => (db.clone(), key.clone(), attributes()).prop_map(|(db, key, attributes)| Step::SetAttributes { db, key, attributes }),
        4 => (db.clone(), key.clone()).prop_map(|(db, key)| Step::Token { db, key }),
        3 => (db.clone(), key.clone(), prop_oneof![any::<i64>(), -200..200i64]).prop_map(|(db, key, integer)| Step::Integer { db, key, integer }),
        4 => (db.clone(), key.clone(), len()).prop_map(|(db, key, len)| Step::Edit { db, key, len }),
        3 => (db.clone(), key.clone(), prop::option::of(time())).prop_map(|(db, key, expiry)| Step::SetExpiry { db, key, expiry }),
        4 => (db.clone(), key.clone()).prop_map(|(db, key)| Step::Remove { db, key }),
        4 => (db.clone(), key).prop_map(|(db, key)| Step::Find { db, key }),
        1 => db.clone().prop_map(|db| Step::Scan { db }),
        1 => db.clone().prop_map(|db| Step::RandomKey { db }),
        1 => (db.clone(), any::<bool>()).prop_map(|(db, lazy)| Step::Flush { db, lazy }),
        1 => (db.clone(), db).prop_map(|(a, b)| Step::Swap { a, b }),
        2 => (1..500usize).prop_map(|units| Step::Upkeep { units }),
        2 => (0..1500i64).prop_map(|ms| Step::Advance { ms }),
    ]
}

#[derive(Debug, Clone, Default)]
struct Entry {
    value: Vec<u8>,
    expiry: Option<i64>,
    attributes: Attributes,
    /// The token that was handed out for this value.
    token: Option<u64>,
}

impl Entry {
    fn is_alive(&self, now: i64) -> bool {
        self.expiry.is_none_or(|expiry| expiry > now)
    }
}

type Model = Vec<BTreeMap<Vec<u8>, Entry>>;

fn is_integer(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    text.parse::<i64>()
        .is_ok_and(|integer| integer.to_string() == text)
}

fn apply(engine: &mut Engine, model: &mut Model, now: &mut i64, step: Step) {
    // What has expired is gone from the model at once.
    for database in model.iter_mut() {
        database.retain(|_, entry| entry.is_alive(*now));
    }
    match step {
        Step::Set {
            db,
            key,
            len,
            expiry,
            kind,
            attributes,
        } => {
            let bytes = key_bytes(key);
            let value: Vec<u8> = (0..len)
                .map(|at| (at as u8).wrapping_add(key as u8))
                .collect();
            let new = match kind {
                0 => NewValue::RawBytes(&value),
                1 => NewValue::Large(crate::large::LargeBuffer::copy_of(&value).unwrap()),
                2 => NewValue::Shared(crate::large::LargeBuffer::copy_of(&value).unwrap().freeze()),
                _ => NewValue::Bytes(&value),
            };
            let handle = engine.key(db, &bytes);
            engine.set_with(&handle, new, expiry, attributes).unwrap();
            let before = model[db].get(&bytes).and_then(|entry| entry.expiry);
            let after = match expiry {
                Expiry::None => None,
                Expiry::Keep => before,
                Expiry::At(at) => Some(at),
            };
            let entry = Entry {
                value,
                expiry: after,
                attributes,
                token: None,
            };
            model[db].insert(bytes, entry);
        }
        Step::SetAttributes {
            db,
            key,
            attributes,
        } => {
            let bytes = key_bytes(key);
            let handle = engine.key(db, &bytes);
            let there = engine.set_attributes(&handle, attributes).unwrap();
            assert_eq!(there, model[db].contains_key(&bytes));
            if let Some(entry) = model[db].get_mut(&bytes) {
                entry.attributes = attributes;
            }
        }
        Step::Token { db, key } => {
            let bytes = key_bytes(key);
            let handle = engine.key(db, &bytes);
            let Some(entry) = model[db].get_mut(&bytes) else {
                return;
            };
            if let Some(token) = entry.token {
                assert!(engine.token_matches(&handle, token));
                assert_eq!(engine.token(&handle), token);
            }
            let token = engine.token(&handle);
            assert!(
                engine.token_matches(&handle, token) && !engine.token_matches(&handle, token + 1)
            );
            entry.token = Some(token);
        }
        Step::Integer { db, key, integer } => {
            let bytes = key_bytes(key);
            let handle = engine.key(db, &bytes);
            if key % 2 == 0 {
                engine
                    .set(&handle, NewValue::Integer(integer), Expiry::None)
                    .unwrap();
            } else {
                engine
                    .set(
                        &handle,
                        NewValue::Bytes(integer.to_string().as_bytes()),
                        Expiry::None,
                    )
                    .unwrap();
            }
            let entry = Entry {
                value: integer.to_string().into_bytes(),
                ..Entry::default()
            };
            model[db].insert(bytes, entry);
        }
        Step::Edit { db, key, len } => {
            let bytes = key_bytes(key);
            let Some(entry) = model[db].get_mut(&bytes) else {
                return;
            };
            entry.attributes.width = 0;
            let (value, token) = (&mut entry.value, entry.token.take());
            value.resize(len, 0);
            let handle = engine.key(db, &bytes);
            let edited = engine.edit(&handle, len).unwrap();
            assert_eq!(edited, &value[..]);
            if let (Some(first), Some(edited)) = (value.first_mut(), edited.first_mut()) {
                *first = b'!';
                *edited = b'!';
            }
            let item = engine.find(&handle, Touch::No).unwrap();
            assert_eq!(engine.encoding(item), crate::engine::Encoding::Raw);
            assert!(token.is_none_or(|token| !engine.token_matches(&handle, token)));
        }
        Step::SetExpiry { db, key, expiry } => {
            let bytes = key_bytes(key);
            let handle = engine.key(db, &bytes);
            let there = engine.set_expiry(&handle, expiry).unwrap();
            assert_eq!(there, model[db].contains_key(&bytes));
            if let Some(entry) = model[db].get_mut(&bytes) {
                entry.expiry = expiry;
            }
        }
        Step::Remove { db, key } => {
            let bytes = key_bytes(key);
            let handle = engine.key(db, &bytes);
            assert_eq!(engine.remove(&handle), model[db].remove(&bytes).is_some());
        }
        Step::Find { db, key } => {
            let bytes = key_bytes(key);
            assert_eq!(
                read(engine, db, &bytes),
                model[db].get(&bytes).map(|entry| entry.value.clone())
            );
        }
        Step::Scan { db } => {
            let mut seen = Vec::new();
            let mut cursor = 0;
            loop {
                cursor = engine.scan(db, cursor, 10, &mut |engine, item| {
                    seen.push(engine.key_bytes(item).to_vec())
                });
                if cursor == 0 {
                    break;
                }
            }
            seen.sort();
            assert!(seen.iter().eq(model[db].keys()), "each once");
        }
        Step::RandomKey { db } => match engine.random_key(db) {
            Some(item) => assert!(model[db].contains_key(engine.key_bytes(item))),
            None => assert!(model[db].is_empty()),
        },
        Step::Flush { db, lazy } => {
            engine.flush(db, lazy);
            model[db].clear();
            let entries = model.iter_mut().flat_map(|database| database.values_mut());
            entries.for_each(|entry| entry.token = None);
        }
        Step::Swap { a, b } => {
            engine.swap(a, b);
            model.swap(a, b);
            // Tokens are forgotten by both databases, and by all others, which is allowed.
            let entries = model.iter_mut().flat_map(|database| database.values_mut());
            entries.for_each(|entry| entry.token = None);
        }
        Step::Upkeep { units } => {
            engine.upkeep(units);
        }
        Step::Advance { ms } => {
            *now += ms;
            engine.set_now(*now);
        }
    }
}

fn compare(engine: &mut Engine, model: &Model, now: i64) {
    for (db, database) in model.iter().enumerate() {
        for (key, entry) in database {
            let alive = entry.is_alive(now);
            let value = &entry.value;
            assert_eq!(read(engine, db, key).as_ref(), alive.then_some(value));
            if alive {
                let handle = engine.key(db, key);
                let item = engine.find(&handle, Touch::No).unwrap();
                assert_eq!(engine.expiry(item), entry.expiry);
                assert_eq!(engine.attributes(item), entry.attributes);
                assert!(engine.was_read(item));
                if is_integer(value) && engine.encoding(item) != crate::engine::Encoding::Raw {
                    assert_eq!(engine.encoding(item), crate::engine::Encoding::Int);
                }
            }
        }
        assert_eq!(
            engine.len(db),
            database
                .values()
                .filter(|entry| entry.is_alive(now))
                .count()
        );
    }
}

/// Any policy that evicts.
fn policy() -> impl Strategy<Value = Policy> {
    use Policy::*;
    prop::sample::select(vec![
        AllKeysLru,
        AllKeysLfu,
        AllKeysRandom,
        AllKeysS3Fifo,
        VolatileLru,
        VolatileLfu,
        VolatileRandom,
        VolatileTtl,
        VolatileS3Fifo,
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn engine_is_a_map(steps in prop::collection::vec(step(), 1..600)) {
        let mut engine = engine();
        let mut model: Model = vec![BTreeMap::new(); 3];
        let mut now = 1_000_000;
        for step in steps {
            apply(&mut engine, &mut model, &mut now, step);
        }
        check(&mut engine);
        // A sweep from here on leaves exactly what is alive.
        now += 5000;
        engine.set_now(now);
        engine.set_now(now);
        for _ in 0..100_000 {
            if engine.draining.is_empty() && !engine.sweep_is_due() { break; }
            engine.upkeep(1000);
        }
        compare(&mut engine, &model, now);
        check(&mut engine);
        for db in 0..3 { engine.flush(db, false); }
        check(&mut engine);
        prop_assert_eq!(engine.stats().bytes_items, 0);
        prop_assert_eq!(engine.stats().bytes_large, 0);
    }

    /// Under a limit with eviction nothing is refused, what is there is right, and the figures stay exact.
    #[test]
    fn engine_under_a_limit_is_a_map_that_forgets(steps in prop::collection::vec((0..3000u32, len(), any::<bool>()), 1..1500), policies in prop::collection::vec(policy(), 1..4)) {
        let mut options = super::options();
        options.memory_bytes_max = 4 << 20;
        options.policy = policies[0];
        let policy_steps = steps.len() / policies.len() + 1;
        let mut engine = Engine::new(options).unwrap();
        engine.set_now(1);
        let mut model = BTreeMap::new();
        for (step, (key, len, edit)) in steps.into_iter().enumerate() {
            engine.set_policy(policies[step / policy_steps], 5, 10, 1);
            let key = format!("key:{key}").into_bytes();
            let handle = engine.key(0, &key);
            let value = vec![len as u8; len];
            if edit && engine.find(&handle, Touch::No).is_some() {
                let value: &mut Vec<u8> = model.get_mut(&key).unwrap();
                value.resize(len, 0);
                prop_assert_eq!(engine.edit(&handle, len).unwrap(), &value[..]);
            } else {
                engine.set(&handle, NewValue::Bytes(&value), Expiry::At(1_000_000_000)).unwrap();
                model.insert(key.clone(), value);
            }
            prop_assert_eq!(&read(&mut engine, 0, &key).unwrap(), &model[&key]);
            engine.upkeep(200);
        }
        for (key, value) in &model {
            if let Some(found) = read(&mut engine, 0, key) {
                prop_assert_eq!(&found, value);
            }
        }
        check(&mut engine);
    }
}
