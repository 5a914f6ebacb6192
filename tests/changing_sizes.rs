//! Memory under changing value sizes, as the system sees it: nothing is refused, and the process grows by no more than the limit and a little.
//! In a process of its own, because the resident memory of a process is measured.

use torc::engine::{Engine, EngineOptions, Expiry, NewValue, Policy, Touch};

const LIMIT: u64 = 32 << 20;
/// What the process may need beyond the limit.
const BEYOND: u64 = 16 << 20;
/// What values and keys cost beyond their bytes, about.
const OVERHEAD_BYTES: usize = 32;

fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("a Linux system");
    let pages: u64 = statm
        .split(' ')
        .nth(1)
        .expect("two figures")
        .parse()
        .expect("a number");
    pages * 4096
}

/// `before` is what the process had before the first engine: what an engine leaves behind counts too.
fn changing_sizes(policy: Policy, before: u64) {
    let mut engine = Engine::new(EngineOptions {
        databases: 1,
        memory_bytes_max: LIMIT,
        policy,
        samples: 5,
        lfu_log_factor: 10,
        lfu_decay_minutes: 1,
        thresholds: Default::default(),
        reservation_bytes: 4 << 30,
        seed: 1,
    })
    .expect("an engine");
    let phases: [&[usize]; 5] = [
        &[100],
        &[150],
        &[4096],
        &[64],
        &[64, 100, 150, 4096, 30_000],
    ];
    let (mut number, mut now) = (0u64, 1_000_000);
    for sizes in phases {
        // Every size gets the same part of the bytes, twice the limit in all.
        let size_max = *sizes.iter().max().expect("a size");
        let first = number;
        let mut written = 0;
        while written < 2 * LIMIT as usize {
            for &size in sizes {
                for _ in 0..(size_max / size) {
                    let bytes = format!("{size}:{number}").into_bytes();
                    let key = engine.key(0, &bytes);
                    engine
                        .set(&key, NewValue::RawBytes(&vec![b'v'; size]), Expiry::None)
                        .unwrap_or_else(|error| panic!("{policy:?}, {size} bytes: {error:?}"));
                    number += 1;
                    written += size + OVERHEAD_BYTES;
                }
            }
            now += 1;
            engine.set_now(now);
            engine.upkeep(2000);
            let used = engine.stats().bytes_used;
            assert!(used <= LIMIT + LIMIT / 16, "{policy:?}: {used} bytes used");
        }
        while engine.upkeep(2000) {}
        let used = engine.stats().bytes_used;
        assert!(used <= LIMIT, "{policy:?}: {used} bytes used");
        let grown = resident_bytes().saturating_sub(before);
        assert!(
            grown <= LIMIT + BEYOND,
            "{policy:?}, sizes {sizes:?}: the process grew by {grown} bytes"
        );
        // The new sizes have their share.
        let there: Vec<u64> = sizes
            .iter()
            .map(|size| {
                (first..number)
                    .filter(|number| {
                        let bytes = format!("{size}:{number}").into_bytes();
                        let key = engine.key(0, &bytes);
                        engine.find(&key, Touch::No).is_some()
                    })
                    .count() as u64
                    * *size as u64
            })
            .collect();
        println!(
            "{policy:?}: sizes {sizes:?}: used {used}, grown {grown}, bytes of values there {there:?}"
        );
        for (size, bytes) in sizes.iter().zip(&there) {
            let share = LIMIT / sizes.len() as u64;
            assert!(
                *bytes > share / 4,
                "{policy:?}: {bytes} bytes of values of {size}"
            );
        }
        assert!(
            there.iter().sum::<u64>() > LIMIT / 3,
            "{policy:?}: {there:?} of the sizes {sizes:?}"
        );
    }
}

#[test]
fn memory_stays_within_the_limit_whatever_the_sizes() {
    let before = resident_bytes();
    for policy in [
        Policy::AllKeysLru,
        Policy::AllKeysLfu,
        Policy::AllKeysRandom,
        Policy::AllKeysS3Fifo,
    ] {
        changing_sizes(policy, before);
    }
}
