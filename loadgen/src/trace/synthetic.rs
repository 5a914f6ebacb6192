//! Traces made from a seed, for machines without recorded ones.
//!
//! `orm-busy` has the shape of cache2k's published trace of that name (objects an e-commerce ORM layer reads on a busy
//! day): 5,000,000 requests, 76,349 objects, and an LRU hit ratio near 50, 77 and 88 % with room for 0.1, 1 and 10 % of
//! the objects. New objects appear evenly over the trace; every other request repeats an earlier one, mostly a recent
//! one, else an object drawn by Zipf.

use crate::error::{Error, Result};
use crate::keys::{Scramble, Zipf};
use crate::random::Random;
use std::path::Path;

/// Requests of `orm-busy`.
pub const ORM_BUSY_REQUESTS: usize = 5_000_000;
/// Objects of `orm-busy`.
pub const ORM_BUSY_OBJECTS: usize = 76_349;

/// The synthetic trace for a published one that is not there, by its file's name.
pub fn stands_in_for(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_str()?;
    (name.starts_with("cache2k-orm-busy.") && !path.exists()).then_some("orm-busy")
}

/// Makes the trace with this name.
pub fn make(name: &str, seed: u64) -> Result<Vec<u32>> {
    match name {
        "orm-busy" => Ok(orm_busy(seed)),
        _ => Err(Error::usage(format!(
            "no synthetic trace '{name}': there is orm-busy"
        ))),
    }
}

/// Share of repeats that take one of the last requests, rather than any object.
const RECENT_SHARE: f64 = 0.82;
/// The farthest request back that counts as recent.
const RECENT_MAX: f64 = 8_000.0;
/// The exponent of the popularity of the objects.
const THETA: f64 = 0.55;

fn orm_busy(seed: u64) -> Vec<u32> {
    let mut random = Random::new(seed);
    let zipf = Zipf::new(ORM_BUSY_OBJECTS as u64, THETA);
    let scramble = Scramble::new(ORM_BUSY_OBJECTS as u64, seed);
    let mut trace: Vec<u32> = Vec::with_capacity(ORM_BUSY_REQUESTS);
    let mut objects = 0u32;
    for number in 0..ORM_BUSY_REQUESTS {
        let due = (number + 1) * ORM_BUSY_OBJECTS;
        if objects as usize * ORM_BUSY_REQUESTS < due {
            trace.push(objects);
            objects += 1;
            continue;
        }
        let object = if random.unit() < RECENT_SHARE {
            // Distances back are log-uniform: as many repeats within 10 as between 10 and 100 requests.
            let back = RECENT_MAX.powf(random.unit()) as usize;
            trace[number - back.min(number)]
        } else {
            loop {
                let object = scramble.apply(zipf.rank(&mut random) - 1) as u32;
                if object < objects {
                    break object;
                }
                // Objects that have not appeared yet cannot be repeated; early on any other will do.
                if random.unit() < 0.5 {
                    break (random.below(u64::from(objects))) as u32;
                }
            }
        };
        trace.push(object);
    }
    trace
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hit ratio of an exact LRU cache, in percent: a doubly linked list over object numbers.
    fn lru_hit_ratio(trace: &[u32], objects: usize, capacity: usize) -> f64 {
        const NONE: usize = usize::MAX;
        // The list's two ends meet in a sentinel: `objects`.
        let mut next = vec![NONE; objects + 1];
        let mut previous = vec![NONE; objects + 1];
        next[objects] = objects;
        previous[objects] = objects;
        let (mut held, mut hits) = (0, 0u64);
        for object in trace.iter().map(|object| *object as usize) {
            if next[object] != NONE {
                hits += 1;
                let (before, after) = (previous[object], next[object]);
                next[before] = after;
                previous[after] = before;
            } else if held == capacity {
                let oldest = previous[objects];
                let before = previous[oldest];
                next[before] = objects;
                previous[objects] = before;
                next[oldest] = NONE;
            } else {
                held += 1;
            }
            let first = next[objects];
            next[object] = first;
            previous[object] = objects;
            previous[first] = object;
            next[objects] = object;
        }
        hits as f64 * 100.0 / trace.len() as f64
    }

    #[test]
    fn the_lru_simulation_is_right_on_a_small_case() {
        // With room for two: miss 0, miss 1, hit 0, miss 2 (drops 1), hit 0, miss 1 (drops 2), miss 2.
        assert!((lru_hit_ratio(&[0, 1, 0, 2, 0, 1, 2], 3, 2) - 200.0 / 7.0).abs() < 1e-9);
    }

    #[test]
    fn orm_busy_has_its_shape() {
        let trace = orm_busy(1);
        assert_eq!(trace.len(), ORM_BUSY_REQUESTS);
        let mut seen = 0;
        for object in &trace {
            assert!(*object <= seen, "objects are numbered by first appearance");
            seen = seen.max(*object + 1);
        }
        assert_eq!(seen as usize, ORM_BUSY_OBJECTS);
        for (capacity, wanted, tolerance) in [(76, 50.0, 2.0), (763, 77.0, 2.0), (7_635, 88.0, 1.0)]
        {
            let ratio = lru_hit_ratio(&trace, ORM_BUSY_OBJECTS, capacity);
            assert!(
                (ratio - wanted).abs() <= tolerance,
                "room for {capacity}: {ratio:.2} %"
            );
        }
    }
}
