//! The memory limit, and the bytes an item costs.

use super::{check, engine, options, read};
use crate::engine::{Engine, Expiry, NewValue, OutOfMemory, Policy};

fn limited(bytes: u64, policy: Policy) -> Engine {
    let mut engine = Engine::new(crate::engine::EngineOptions {
        memory_bytes_max: bytes,
        policy,
        ..options()
    })
    .unwrap();
    engine.set_now(1_000_000);
    engine
}

/// Fills an engine with 16-byte keys and says what an item takes beyond key and value at the worst of `checks` points.
fn worst_overhead(keys: usize, value_len: usize, from: usize) -> f64 {
    let mut engine = engine();
    let value = vec![b'v'; value_len];
    let mut worst = 0f64;
    for number in 0..keys {
        let key = format!("key:{number:012}").into_bytes();
        let key = engine.key(0, &key);
        engine
            .set(&key, NewValue::Bytes(&value), Expiry::None)
            .unwrap();
        if number + 1 >= from && (number + 1) % (from / 20) == 0 {
            let used =
                engine.stats().bytes_used as f64 / (number + 1) as f64 - (16 + value_len) as f64;
            worst = worst.max(used);
        }
    }
    worst
}

#[test]
fn an_item_costs_few_bytes_beyond_key_and_value() {
    let keys = if std::env::var_os("TORC_TEST_MANY_KEYS").is_some() {
        10_000_000
    } else {
        1_000_000
    };
    for (value_len, budget) in [(100, 24.0), (10, 20.0)] {
        let worst = worst_overhead(keys, value_len, keys / 2);
        assert!(
            worst <= budget,
            "{worst} bytes beyond key and value of {value_len}"
        );
    }
}

#[test]
fn without_eviction_a_full_engine_refuses_and_changes_nothing() {
    let mut engine = limited(2 << 20, Policy::NoEviction);
    let mut number = 0;
    let refused = loop {
        let key = format!("key:{number}").into_bytes();
        let key = engine.key(0, &key);
        if engine
            .set(&key, NewValue::Bytes(&[b'v'; 100]), Expiry::None)
            .is_err()
        {
            break number;
        }
        number += 1;
        assert!(number < 100_000);
    };
    assert!(refused > 8000, "{refused} items of 100 bytes in 2 MiB");
    assert_eq!(engine.len(0), refused);
    assert_eq!(engine.stats().evicted_keys, 0);
    let key = engine.key(0, b"key:0");
    assert_eq!(
        engine.set(&key, NewValue::Bytes(&[b'w'; 1000]), Expiry::None),
        Err(OutOfMemory)
    );
    assert_eq!(read(&mut engine, 0, b"key:0").unwrap(), vec![b'v'; 100]);
    check(&mut engine);
}

#[test]
fn a_value_beyond_the_limit_is_refused_and_evicts_nothing() {
    let mut engine = limited(4 << 20, Policy::AllKeysRandom);
    for number in 0..10_000 {
        let key = format!("key:{number}").into_bytes();
        let key = engine.key(0, &key);
        engine
            .set(&key, NewValue::Bytes(&[b'v'; 100]), Expiry::None)
            .unwrap();
    }
    let before = engine.len(0);
    let key = engine.key(0, b"large");
    assert_eq!(
        engine.set(&key, NewValue::Bytes(&vec![b'v'; 5 << 20]), Expiry::None),
        Err(OutOfMemory)
    );
    assert_eq!(engine.len(0), before);
    engine
        .set(&key, NewValue::Bytes(&vec![b'v'; 1 << 20]), Expiry::None)
        .unwrap();
    while engine.upkeep(1000) {}
    assert!(engine.stats().bytes_used <= 4 << 20);
    check(&mut engine);
}

#[test]
fn volatile_policies_evict_only_what_expires() {
    for policy in [
        Policy::VolatileRandom,
        Policy::VolatileTtl,
        Policy::VolatileLru,
        Policy::VolatileLfu,
        Policy::VolatileS3Fifo,
    ] {
        let mut engine = limited(4 << 20, policy);
        for number in 0..10_000 {
            let key = format!("stays:{number}").into_bytes();
            let key = engine.key(0, &key);
            engine
                .set(&key, NewValue::Bytes(&[b'v'; 100]), Expiry::None)
                .unwrap();
        }
        for number in 0..100_000 {
            let key = format!("goes:{number}").into_bytes();
            let key = engine.key(0, &key);
            engine
                .set(&key, NewValue::Bytes(&[b'v'; 100]), Expiry::At(2_000_000))
                .unwrap();
        }
        for number in 0..10_000 {
            assert!(read(&mut engine, 0, format!("stays:{number}").as_bytes()).is_some());
        }
        check(&mut engine);
        let mut number = 0;
        loop {
            let key = format!("more:{number}").into_bytes();
            let key = engine.key(0, &key);
            if engine
                .set(&key, NewValue::Bytes(&[b'v'; 100]), Expiry::None)
                .is_err()
            {
                break;
            }
            number += 1;
            assert!(number < 100_000);
        }
        assert!(
            engine.expires(0).0 < 600,
            "only then is a write refused: {} left",
            engine.expires(0).0
        );
    }
}

#[test]
fn memory_follows_the_sizes_in_demand() {
    for policy in [
        Policy::AllKeysRandom,
        Policy::AllKeysLru,
        Policy::AllKeysLfu,
        Policy::AllKeysS3Fifo,
    ] {
        memory_follows_the_sizes_in_demand_under(policy);
    }
}

fn memory_follows_the_sizes_in_demand_under(policy: Policy) {
    const LIMIT: u64 = 16 << 20;
    let mut engine = limited(LIMIT, policy);
    let mut random = crate::engine::random::Random::new(7);
    let mut number = 0;
    let phases: [&[usize]; 6] = [
        &[100],
        &[150],
        &[4096],
        &[64],
        &[64, 100, 150, 4096, 30_000],
        &[100],
    ];
    for (phase, sizes) in phases.into_iter().enumerate() {
        let mut moved_before = engine.stats().evicted_keys;
        let bytes: usize = (3 * LIMIT) as usize;
        let (mut written, mut worst) = (0, 0);
        let mut keys: Vec<(usize, u64)> = Vec::new();
        while written < bytes {
            // In the mix every size gets the same part of the bytes.
            let size = sizes[random.below(sizes.len())];
            let times = sizes.iter().max().unwrap() / size;
            for _ in 0..times {
                let key = format!("key:{number}").into_bytes();
                keys.push((size, number));
                number += 1;
                let key = engine.key(0, &key);
                engine
                    .set(&key, NewValue::RawBytes(&vec![b'v'; size]), Expiry::None)
                    .expect("a write is never refused");
                written += size + 40;
                let evicted = engine.stats().evicted_keys;
                worst = worst.max(evicted - moved_before);
                moved_before = evicted;
            }
            engine.upkeep(20);
            assert!(
                engine.stats().bytes_used <= LIMIT + LIMIT / 16,
                "{} used",
                engine.stats().bytes_used
            );
        }
        // What was written last is there in good part, of every size.
        for &size in sizes {
            let mut recent_bytes = 0;
            let (mut there, mut all) = (0, 0);
            for &(_, number) in keys.iter().rev().filter(|(of, _)| *of == size) {
                recent_bytes += size + 30;
                if recent_bytes * sizes.len() > (LIMIT / 4) as usize {
                    break;
                }
                all += 1;
                there +=
                    usize::from(read(&mut engine, 0, format!("key:{number}").as_bytes()).is_some());
            }
            assert!(
                there * 2 > all,
                "{policy:?}, phase {phase}: {there} of the last {all} items of {size} bytes are left"
            );
        }
        check(&mut engine);
        assert!(
            worst <= 4200,
            "{policy:?}, phase {phase}: one write evicted {worst}"
        );
        let live = engine.stats().bytes_items + engine.stats().bytes_large;
        assert!(
            live * 10 > LIMIT * 7,
            "{policy:?}, phase {phase}: only {live} bytes of {LIMIT} hold items"
        );
    }
}

#[test]
fn a_lower_limit_is_reached_in_the_background() {
    let mut engine = limited(0, Policy::AllKeysRandom);
    for number in 0..50_000 {
        let key = format!("key:{number}").into_bytes();
        let key = engine.key(0, &key);
        engine
            .set(&key, NewValue::Bytes(&[b'v'; 100]), Expiry::None)
            .unwrap();
    }
    engine.set_memory_bytes_max(4 << 20);
    let mut calls = 0;
    while engine.upkeep(500) {
        calls += 1;
        assert!(calls < 100_000);
    }
    assert!(engine.stats().bytes_used <= 4 << 20);
    assert!(engine.len(0) > 15_000, "{} left", engine.len(0));
    check(&mut engine);
}
