//! Tests of the engine as a whole.

mod collections;
mod expire;
mod fields;
mod hit_ratio;
mod limit;
mod model;
mod scan;
mod tags;

use super::{Engine, EngineOptions, Expiry, NewValue, Policy, Touch, Value};

pub(super) fn options() -> EngineOptions {
    EngineOptions {
        databases: 3,
        memory_bytes_max: 0,
        policy: Policy::NoEviction,
        samples: 5,
        lfu_log_factor: 10,
        lfu_decay_minutes: 1,
        thresholds: Default::default(),
        reservation_bytes: 8 << 30,
        seed: 42,
    }
}

pub(super) fn engine() -> Engine {
    let mut engine = Engine::new(options()).unwrap();
    engine.set_now(1_000_000);
    engine
}

/// The value as a client reads it.
pub(super) fn read(engine: &mut Engine, db: usize, key: &[u8]) -> Option<Vec<u8>> {
    let key = engine.key(db, key);
    let item = engine.find(&key, Touch::Yes)?;
    assert_eq!(engine.key_bytes(item), key.bytes);
    Some(match engine.value(item) {
        Value::Bytes(bytes) => bytes.to_vec(),
        Value::Integer(integer) => integer.to_string().into_bytes(),
        Value::Large(large) => large.as_slice().to_vec(),
        other => unreachable!("{other:?} is no string"),
    })
}

pub(super) fn write(engine: &mut Engine, key: &[u8], value: &[u8]) {
    let key = engine.key(0, key);
    engine
        .set(&key, NewValue::Bytes(value), Expiry::None)
        .unwrap();
}

/// Every figure agrees with what a walk over everything finds.
pub(super) fn check(engine: &mut Engine) {
    let mut items = 0;
    let mut expiring = 0;
    let mut live = 0;
    let mut fields = std::collections::BTreeSet::new();
    for page in 0..engine.arena.pages_len() {
        let mut in_page = 0;
        let mut expiring_in_page = 0;
        for slot in 0..engine.arena.slots_used(page) {
            let Some(reference) = engine.arena.item_at(page, slot) else {
                continue;
            };
            assert!(engine.arena.is_live(reference));
            in_page += 1;
            live += super::size_class::slot_bytes(engine.arena.class_of(reference));
            let hash = engine.hash(reference);
            let owners = engine
                .databases
                .iter()
                .map(|database| &database.dictionary)
                .chain(&engine.draining);
            assert_eq!(
                owners
                    .filter(|dictionary| dictionary.contains(hash, reference))
                    .count(),
                1,
                "one dictionary has the item"
            );
            items += 1;
            let item = super::Item(reference);
            let first = engine.first_field_expiry(item);
            fields.extend(first.map(|time| (time, reference)));
            if let Some(expiry) = super::item::expiry(engine.arena.bytes(reference)) {
                expiring_in_page += 1;
                let in_sweep = engine.sweep.is_in(page);
                assert!(
                    in_sweep || engine.arena.expiry_min(page) <= expiry,
                    "the bound is a bound"
                );
            }
        }
        assert_eq!(in_page, engine.arena.live_in_page(page));
        assert_eq!(engine.arena.lists_as_expiring(page), expiring_in_page > 0);
        expiring += expiring_in_page;
    }
    engine.check_tags();
    assert_eq!(live, engine.arena.bytes_live());
    let indexed: std::collections::BTreeSet<_> = engine.field_expiries.entries().collect();
    assert!(indexed.is_subset(&fields), "the index is true to the items");
    if engine.draining.is_empty() {
        assert_eq!(indexed, fields);
    }
    let dictionaries: Vec<_> = engine
        .databases
        .iter()
        .map(|database| &database.dictionary)
        .chain(&engine.draining)
        .collect();
    assert_eq!(
        items,
        dictionaries
            .iter()
            .map(|dictionary| dictionary.len())
            .sum::<usize>()
    );
    assert_eq!(
        engine.bytes_dictionaries,
        dictionaries
            .iter()
            .map(|dictionary| dictionary.bytes() as u64)
            .sum::<u64>()
    );
    for dictionary in dictionaries {
        dictionary.check();
    }
    if engine.draining.is_empty() {
        assert_eq!(expiring as u64, engine.stats().items_with_expiry);
    }
}

#[test]
fn strings_come_back_as_they_were_stored() {
    let mut engine = engine();
    let long_key = vec![b'k'; 200_000];
    for key in [
        &b""[..],
        b"a",
        b"key:000000000001",
        &[b'm'; 255],
        &[b'n'; 8192],
        &[b'o'; 8193],
        &long_key,
    ] {
        for len in [
            0, 1, 10, 100, 255, 256, 1000, 8000, 16_000, 17_000, 65_536, 1_000_000,
        ] {
            let value = vec![b'v'; len];
            write(&mut engine, key, &value);
            assert_eq!(
                read(&mut engine, 0, key).as_deref(),
                Some(&value[..]),
                "key of {}, value of {len}",
                key.len()
            );
        }
    }
    check(&mut engine);
    engine.flush(0, false);
    check(&mut engine);
    assert_eq!(engine.stats().bytes_large, 0);
    assert_eq!(engine.stats().bytes_items, 0);
}
