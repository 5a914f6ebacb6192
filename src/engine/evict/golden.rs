//! Hit ratios: every request is a read, a miss inserts, every object weighs one.
//!
//! Always on synthetic traces, against exact LRU and an exact model of S3-FIFO; on recorded traces when `TORC_TRACES` names a directory of
//! `NAME.u32.zst` files, against reference figures.

use super::toy::Toy;
use crate::engine::Policy;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

/// Requests for each millisecond of the toy's time: a busy shard.
const REQUESTS_PER_MS: usize = 300;

/// The hit ratio in percent of a policy in the toy store.
pub fn hit_ratio(policy: Policy, items_max: usize, trace: &[u32]) -> f64 {
    let mut toy = Toy::new(policy, items_max);
    let mut hits = 0;
    for (place, &key) in trace.iter().enumerate() {
        if place % REQUESTS_PER_MS == 0 {
            toy.eviction.set_now((place / REQUESTS_PER_MS) as i64);
        }
        hits += usize::from(toy.request(key));
    }
    assert!(toy.len() <= items_max);
    hits as f64 * 100.0 / trace.len() as f64
}

/// Textbook LRU.
pub fn lru_exact(items_max: usize, trace: &[u32]) -> f64 {
    let (mut order, mut used, mut hits) = (BTreeMap::new(), HashMap::new(), 0);
    for (now, &key) in trace.iter().enumerate() {
        if let Some(before) = used.insert(key, now) {
            order.remove(&before);
            hits += 1;
        } else if used.len() > items_max {
            let (_, oldest) = order.pop_first().expect("a full cache");
            used.remove(&oldest);
        }
        order.insert(now, key);
    }
    hits as f64 * 100.0 / trace.len() as f64
}

/// Textbook S3-FIFO with unlimited work and an exact ghost.
pub fn s3fifo_exact(items_max: usize, trace: &[u32]) -> f64 {
    let small_max = items_max / 10;
    let main_max = items_max - small_max;
    let (mut small, mut main, mut ghost) = (VecDeque::new(), VecDeque::new(), VecDeque::new());
    let mut hits_of: HashMap<u32, u32> = HashMap::new();
    let mut ghosts: HashMap<u32, usize> = HashMap::new();
    let (mut hits, mut ghost_insertions) = (0, 0usize);
    for &key in trace {
        if let Some(count) = hits_of.get_mut(&key) {
            *count = (*count + 1).min(3);
            hits += 1;
            continue;
        }
        while hits_of.len() >= items_max {
            if main.len() > main_max || small.is_empty() {
                let key = main.pop_front().expect("a full cache");
                let count = hits_of.get_mut(&key).expect("a key in the cache");
                if *count > 0 {
                    *count -= 1;
                    main.push_back(key);
                } else {
                    hits_of.remove(&key);
                }
            } else {
                let key = small.pop_front().expect("not empty");
                let count = hits_of.get_mut(&key).expect("a key in the cache");
                if *count >= 2 {
                    *count = 0;
                    main.push_back(key);
                } else {
                    hits_of.remove(&key);
                    ghost_insertions += 1;
                    ghost.push_back((key, ghost_insertions));
                    ghosts.insert(key, ghost_insertions);
                    if ghost.len() > main_max {
                        let (key, number) = ghost.pop_front().expect("not empty");
                        if ghosts.get(&key) == Some(&number) {
                            ghosts.remove(&key);
                        }
                    }
                }
            }
        }
        hits_of.insert(key, 0);
        if ghosts.remove(&key).is_some() {
            main.push_back(key)
        } else {
            small.push_back(key)
        }
    }
    hits as f64 * 100.0 / trace.len() as f64
}

/// Popularity that falls off like 1/rank, with a scan of cold keys every now and then and a drift of what is popular.
pub fn synthetic(requests: usize) -> Vec<u32> {
    let mut state = 7u64;
    let mut cold = 1 << 24;
    (0..requests)
        .map(|place| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let uniform = (state >> 40) as f64 / (1u64 << 24) as f64;
            if place % 10_000 < 1500 && state >> 20 & 1 == 0 {
                cold += 1;
                return cold;
            }
            let rank = (20_000f64).powf(uniform) as u32;
            rank.wrapping_add((place / 50_000) as u32 * 37)
        })
        .collect()
}

#[test]
fn synthetic_hit_ratios_are_those_of_the_exact_policies() {
    let trace = synthetic(400_000);
    for items_max in [50, 500, 5000] {
        let (lru, exact) = (
            hit_ratio(Policy::AllKeysLru, items_max, &trace),
            lru_exact(items_max, &trace),
        );
        assert!(
            (lru - exact).abs() < 1.0,
            "lru, {items_max} items: {lru:.2}, exact {exact:.2}"
        );
        let (s3fifo, model) = (
            hit_ratio(Policy::AllKeysS3Fifo, items_max, &trace),
            s3fifo_exact(items_max, &trace),
        );
        assert!(
            (s3fifo - model).abs() < 1.0,
            "s3fifo, {items_max} items: {s3fifo:.2}, exact {model:.2}"
        );
        let random = hit_ratio(Policy::AllKeysRandom, items_max, &trace);
        let lfu = hit_ratio(Policy::AllKeysLfu, items_max, &trace);
        assert!(
            lru > random && lfu > random,
            "{items_max} items: random {random:.2}, lru {lru:.2}, lfu {lfu:.2}"
        );
    }
}

/// Half of the objects are read once more some thirty requests after their first time, and never again: policies whose queue of
/// newcomers gets shorter than that collapse.
#[test]
fn objects_read_exactly_twice_do_not_fill_the_cache_with_the_dead() {
    let mut trace = Vec::new();
    for key in 0..200_000u32 {
        trace.push(key);
        if key % 2 == 1 && key > 40 {
            trace.push(key - 30);
        }
    }
    let unique = trace.iter().collect::<HashSet<_>>().len();
    let possible = (trace.len() - unique) as f64 * 100.0 / trace.len() as f64;
    for policy in [Policy::AllKeysLru, Policy::AllKeysS3Fifo] {
        let ratio = hit_ratio(policy, 90, &trace);
        assert!(
            ratio > possible - 1.0,
            "{policy:?}: {ratio:.2} of {possible:.2}"
        );
    }
}

/// Name; exact LRU and S3-FIFO at 0.1 %, 1 % and 10 % of the unique objects.
pub const REFERENCES: [(&str, [f64; 3], [f64; 3]); 7] = [
    (
        "cache2k-orm-busy",
        [50.19, 77.03, 88.01],
        [40.25, 75.64, 88.89],
    ),
    (
        "cache2k-orm-night",
        [44.69, 66.25, 93.48],
        [31.29, 64.62, 94.05],
    ),
    (
        "cache2k-web07",
        [21.32, 39.17, 55.66],
        [22.40, 43.80, 58.12],
    ),
    (
        "cache2k-web12",
        [16.91, 39.79, 68.49],
        [13.36, 41.06, 72.26],
    ),
    ("scarab-recs", [18.26, 34.71, 60.60], [22.81, 42.75, 62.82]),
    ("corda-vault", [33.33, 33.33, 33.33], [33.33, 33.33, 33.33]),
    ("arc-oltp", [13.77, 41.64, 66.52], [17.75, 46.46, 67.78]),
];

/// The ids of a recorded trace.
pub fn recorded(directory: &str, name: &str) -> Option<Vec<u32>> {
    let file = std::fs::File::open(std::path::Path::new(directory).join(format!("{name}.u32.zst")))
        .ok()?;
    let mut decoder = ruzstd::decoding::StreamingDecoder::new(file).expect("a zstd file");
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut decoder, &mut bytes).expect("a whole zstd file");
    Some(
        bytes
            .chunks_exact(4)
            .map(|id| u32::from_le_bytes(id.try_into().expect("four bytes")))
            .collect(),
    )
}

#[test]
fn recorded_hit_ratios_are_within_a_point_of_the_references() {
    let Ok(directory) = std::env::var("TORC_TRACES") else {
        return;
    };
    let mut failures = Vec::new();
    let mut traces = 0;
    for (name, lru, s3fifo) in REFERENCES {
        let Some(trace) = recorded(&directory, name) else {
            continue;
        };
        traces += 1;
        let unique = trace.iter().collect::<HashSet<_>>().len();
        for (place, share) in [0.001, 0.01, 0.1].into_iter().enumerate() {
            let items_max = (unique as f64 * share).round() as usize;
            for (policy, reference) in [
                (Policy::AllKeysLru, lru[place]),
                (Policy::AllKeysS3Fifo, s3fifo[place]),
            ] {
                let ratio = hit_ratio(policy, items_max, &trace);
                println!(
                    "| {name} | {items_max} | {policy:?} | {reference:.2} | {ratio:.2} | {:+.2} |",
                    ratio - reference
                );
                if (ratio - reference).abs() > 1.0 {
                    failures.push(format!(
                        "{name} {items_max} {policy:?}: {ratio:.2}, reference {reference:.2}"
                    ));
                }
            }
        }
    }
    assert!(traces > 0, "no trace in {directory}");
    assert!(failures.is_empty(), "{failures:#?}");
}
