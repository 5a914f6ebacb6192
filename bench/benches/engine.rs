//! One shard's data without a network: looking up (the dictionary and, for a use that counts, the policy), writing (the arena), evicting.
//!
//! A million 16-byte keys with 100-byte values, visited in a random order, so that look-ups miss the processor's caches as they do in life.

// The macro makes a function without documentation.
#![allow(missing_docs)]

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::hint::black_box;
use torc::engine::{Engine, EngineOptions, Expiry, NewValue, Policy, Touch};

const KEYS: u64 = 1_000_000;
const POLICIES: [(Policy, &str); 4] = [
    (Policy::AllKeysRandom, "allkeys-random"),
    (Policy::AllKeysLru, "allkeys-lru"),
    (Policy::AllKeysLfu, "allkeys-lfu"),
    (Policy::AllKeysS3Fifo, "allkeys-s3fifo"),
];

fn key_bytes(number: u64) -> [u8; 16] {
    let mut bytes = *b"key:000000000000";
    let mut left = number;
    for digit in bytes[4..].iter_mut().rev() {
        *digit = b'0' + (left % 10) as u8;
        left /= 10;
    }
    bytes
}

fn filled(policy: Policy, memory_bytes_max: u64, keys: u64) -> Engine {
    let mut engine = Engine::new(EngineOptions {
        databases: 1,
        memory_bytes_max,
        policy,
        samples: 5,
        lfu_log_factor: 10,
        lfu_decay_minutes: 1,
        thresholds: Default::default(),
        reservation_bytes: 4 << 30,
        seed: 1,
    })
    .expect("an engine");
    engine.set_now(1_700_000_000_000);
    for number in 0..keys {
        set(&mut engine, number);
    }
    engine
}

fn set(engine: &mut Engine, number: u64) {
    let bytes = key_bytes(number);
    let key = engine.key(0, &bytes);
    engine
        .set(&key, NewValue::Bytes(&[b'v'; 100]), Expiry::None)
        .expect("room or a victim");
}

fn find(engine: &mut Engine, number: u64, touch: Touch) -> bool {
    let bytes = key_bytes(number);
    let key = engine.key(0, &bytes);
    engine.find(&key, touch).is_some()
}

/// A sequence of keys without a pattern that the processor could foresee.
struct Random(u64);

impl Random {
    fn key(&mut self, keys: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % keys
    }
}

fn look_up(criterion: &mut Criterion) {
    for (policy, name) in POLICIES {
        let mut engine = filled(policy, 0, KEYS);
        for (touch, how) in [(Touch::No, "unseen"), (Touch::Yes, "counted")] {
            let mut random = Random(7);
            // A few keys stay in the processor's caches: what is left is the work itself.
            criterion.bench_function(&format!("find 1000 keys/{name}/{how}"), |bencher| {
                bencher.iter(|| black_box(find(&mut engine, random.key(1000), touch)))
            });
            criterion.bench_function(&format!("find 1000000 keys/{name}/{how}"), |bencher| {
                bencher.iter(|| black_box(find(&mut engine, random.key(KEYS), touch)))
            });
        }
    }
}

fn write(criterion: &mut Criterion) {
    let mut engine = filled(Policy::NoEviction, 0, KEYS);
    let mut random = Random(7);
    criterion.bench_function("overwrite/same size", |bencher| {
        bencher.iter(|| set(&mut engine, random.key(KEYS)))
    });
    criterion.bench_function("insert and delete", |bencher| {
        bencher.iter_batched(
            || key_bytes(KEYS + random.key(KEYS)),
            |bytes| {
                let key = engine.key(0, &bytes);
                engine
                    .set(&key, NewValue::Bytes(&[b'v'; 100]), Expiry::None)
                    .expect("no limit");
                engine.remove(&key)
            },
            BatchSize::SmallInput,
        )
    });
}

fn evict(criterion: &mut Criterion) {
    for (policy, name) in POLICIES {
        let mut engine = filled(policy, 128 << 20, 2 * KEYS);
        let mut number = 2 * KEYS;
        criterion.bench_function(&format!("insert evicting/{name}"), |bencher| {
            bencher.iter(|| {
                number += 1;
                set(&mut engine, number);
            })
        });
        assert!(engine.stats().evicted_keys > 0);
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20).measurement_time(std::time::Duration::from_secs(2)).warm_up_time(std::time::Duration::from_millis(500));
    targets = look_up, write, evict
}
criterion_main!(benches);
