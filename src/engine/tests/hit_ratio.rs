//! Hit ratios of the whole engine under a memory limit, against exact policies, and against the same policies in a toy store, with as many
//! objects as the engine held. A sampled LRU may beat the exact one: on a loop a little longer than the cache the exact one keeps nothing.

use super::{check, options};
use crate::engine::evict::golden::{
    self, REFERENCES, lru_exact, recorded, s3fifo_exact, synthetic,
};
use crate::engine::{Engine, EngineOptions, Expiry, NewValue, Policy, Touch};
use std::collections::HashSet;

const LIMIT: u64 = 8 << 20;
/// Requests for each millisecond: a busy shard.
const REQUESTS_PER_MS: usize = 300;

/// The hit ratio in percent, and the mean number of objects once the engine was full.
fn hit_ratio(policy: Policy, value_len: usize, trace: &[u32]) -> (f64, usize) {
    let mut engine = Engine::new(EngineOptions {
        memory_bytes_max: LIMIT,
        policy,
        ..options()
    })
    .unwrap();
    let value = vec![b'v'; value_len];
    let (mut hits, mut items, mut samples) = (0, 0, 0);
    for (place, id) in trace.iter().enumerate() {
        if place % REQUESTS_PER_MS == 0 {
            engine.set_now(1_000_000 + (place / REQUESTS_PER_MS) as i64);
            engine.upkeep(1000);
            assert!(engine.stats().bytes_used <= LIMIT + LIMIT / 16);
            if engine.stats().evicted_keys > 0 {
                items += engine.len(0);
                samples += 1;
            }
        }
        let id = id.to_le_bytes();
        let key = engine.key(0, &id);
        if engine.find(&key, Touch::Yes).is_some() {
            hits += 1;
        } else {
            engine
                .set(&key, NewValue::RawBytes(&value), Expiry::None)
                .expect("a write is never refused");
        }
    }
    check(&mut engine);
    assert!(samples > 0, "the engine was never full");
    (hits as f64 * 100.0 / trace.len() as f64, items / samples)
}

/// The hit ratio of an exact policy with so many objects.
type Model = fn(usize, &[u32]) -> f64;

/// A line of figures for each policy that is more than a point below its exact model, or away from the same policy in the toy store.
fn compare(name: &str, value_len: usize, trace: &[u32]) -> Vec<String> {
    let exact: [(Policy, Model); 2] = [
        (Policy::AllKeysLru, lru_exact),
        (Policy::AllKeysS3Fifo, s3fifo_exact),
    ];
    exact
        .into_iter()
        .filter_map(|(policy, exact)| {
            let (ratio, items) = hit_ratio(policy, value_len, trace);
            let exact = exact(items, trace);
            let toy = golden::hit_ratio(policy, items, trace);
            let line =
                format!("| {name} | {items} | {policy:?} | {exact:.2} | {toy:.2} | {ratio:.2} |");
            println!("{line}");
            (ratio < exact - 1.0 || (ratio - toy).abs() > 1.0).then_some(line)
        })
        .collect()
}

#[test]
fn the_engine_keeps_what_the_exact_policies_would_keep() {
    let trace = synthetic(300_000);
    for value_len in [1000, 8000] {
        let failures = compare("synthetic", value_len, &trace);
        assert!(failures.is_empty(), "{failures:#?}");
    }
}

/// The recorded traces at about a hundredth and a tenth of their objects, where `TORC_TRACES` names their directory.
#[test]
fn the_engine_keeps_what_the_exact_policies_would_keep_on_recorded_traces() {
    let Ok(directory) = std::env::var("TORC_TRACES") else {
        return;
    };
    let mut failures = Vec::new();
    for (name, ..) in REFERENCES {
        let Some(trace) = recorded(&directory, name) else {
            continue;
        };
        let unique = trace.iter().collect::<HashSet<_>>().len();
        for share in [100, 10] {
            let value_len = (LIMIT as usize / (unique / share)).clamp(64, 30_000);
            failures.extend(compare(name, value_len, &trace));
        }
    }
    assert!(failures.is_empty(), "{failures:#?}");
}
