//! Tests of what all policies share, and of changing between them.

use super::Candidates;
use super::toy::{Toy, options};
use crate::engine::Policy;

const EVICTING: [Policy; 9] = [
    Policy::AllKeysLru,
    Policy::AllKeysLfu,
    Policy::AllKeysRandom,
    Policy::AllKeysS3Fifo,
    Policy::VolatileLru,
    Policy::VolatileLfu,
    Policy::VolatileRandom,
    Policy::VolatileTtl,
    Policy::VolatileS3Fifo,
];

fn is_volatile(policy: Policy) -> bool {
    EVICTING[4..].contains(&policy)
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32 % bound
    }
}

#[test]
fn noeviction_names_nobody() {
    let mut toy = Toy::new(Policy::NoEviction, 3);
    assert!((0..3).all(|key| toy.insert(key, Some(1))));
    assert!(!toy.insert(3, None));
    assert!(!toy.eviction.evicts());
}

#[test]
fn volatile_policies_take_only_what_expires() {
    for policy in EVICTING.into_iter().filter(|&policy| is_volatile(policy)) {
        let mut toy = Toy::new(policy, 100);
        for key in 0..100 {
            assert!(toy.insert(key, (key % 2 == 0).then_some(1_000_000 + i64::from(key))));
        }
        // Ten lose their expiry, ten others get one.
        (0..20).step_by(2).for_each(|key| toy.set_expiry(key, None));
        (1..20)
            .step_by(2)
            .for_each(|key| toy.set_expiry(key, Some(5)));
        for key in 100..150 {
            assert!(toy.insert(key, None), "{policy:?}");
        }
        assert!(
            !toy.insert(1000, None),
            "{policy:?}: nothing that expires is left"
        );
        let left = (0..100)
            .filter(|&key| toy.find(key).is_some())
            .collect::<Vec<_>>();
        assert!(
            left.iter()
                .all(|&key| if key < 20 { key % 2 == 0 } else { key % 2 == 1 }),
            "{policy:?}: {left:?}"
        );
    }
}

#[test]
fn ttl_takes_the_soonest_of_a_small_set_first() {
    let mut toy = Toy::new(Policy::VolatileTtl, 8);
    toy.eviction.set_options(&super::EvictionOptions {
        samples: 64,
        ..options(Policy::VolatileTtl)
    });
    for key in 0..8 {
        assert!(toy.insert(key, Some(i64::from(key ^ 5) - 3)));
    }
    let mut order = Vec::new();
    for _ in 0..8 {
        let before: Vec<u32> = (0..8).filter(|&key| toy.find(key).is_some()).collect();
        assert!(toy.evict());
        order.extend(
            before
                .into_iter()
                .filter(|&key| toy.find(key).is_none())
                .map(|key| key ^ 5),
        );
    }
    assert_eq!(order, [0, 1, 2, 3, 4, 5, 6, 7]);
}

#[test]
fn the_hot_outlive_the_cold() {
    for policy in [
        Policy::AllKeysLru,
        Policy::AllKeysLfu,
        Policy::AllKeysS3Fifo,
    ] {
        let mut toy = Toy::new(policy, 1000);
        let mut now = 0;
        for cold in 0..50_000u32 {
            for hot in 0..5 {
                toy.request(hot * 20 + cold % 20);
            }
            toy.request(1000 + cold);
            now += 1;
            toy.eviction.set_now(now / 10);
        }
        let hot = (0..100).filter(|&key| toy.find(key).is_some()).count();
        assert!(hot >= 99, "{policy:?}: {hot} of 100 hot keys left");
    }
}

/// Random deletions, moves, expiry changes and policy changes: victims are always items of the store (the toy asserts that), memory follows
/// the number of items, and every item can be evicted in the end.
#[test]
fn nothing_is_lost_or_leaked_whatever_happens() {
    for first in EVICTING.into_iter().chain([Policy::NoEviction]) {
        let mut toy = Toy::new(first, 2000);
        let mut random = Random(first as u64 + 1);
        let mut now = 0;
        for step in 0..60_000u32 {
            let key = random.below(4000);
            match random.below(20) {
                0..4 => {
                    toy.remove(key);
                }
                4 if toy.find(key).is_some() => toy.relocate(key),
                5 if toy.find(key).is_some() => {
                    toy.set_expiry(key, (!key.is_multiple_of(3)).then_some(i64::from(step)))
                }
                6 => {
                    toy.eviction.upkeep(&mut toy.slots, 8);
                }
                7 => {
                    now += i64::from(random.below(1000));
                    toy.eviction.set_now(now);
                }
                _ => {
                    if !toy.get(key) {
                        toy.insert(key, key.is_multiple_of(2).then_some(i64::from(step)));
                    }
                }
            }
            if random.below(1500) == 0 {
                let policy = EVICTING[random.below(9) as usize];
                toy.eviction.set_options(&options(policy));
            }
            if let Some(item) = toy.find(key) {
                let idle = toy.eviction.idle_ms(item, toy.slots.access(item));
                assert!(idle <= now as u64 + 130_000, "idle {idle} at {now}");
            }
        }
        for policy in [Policy::AllKeysS3Fifo, first] {
            toy.eviction.set_options(&options(policy));
            toy.upkeep();
            assert!(
                toy.eviction.bytes() < 100 * 1024,
                "{} bytes",
                toy.eviction.bytes()
            );
        }
        toy.eviction.set_options(&options(Policy::AllKeysS3Fifo));
        while toy.len() > 0 {
            assert!(toy.evict());
        }
        assert!(!toy.evict());
    }
}

#[test]
fn deletions_leave_no_queue_behind() {
    let mut toy = Toy::new(Policy::AllKeysS3Fifo, 1 << 20);
    for key in 0..300_000 {
        toy.insert(key, None);
        if key >= 1000 {
            toy.remove(key - 1000);
        }
        if key % 8 == 0 {
            toy.eviction.upkeep(&mut toy.slots, 32);
        }
    }
    assert!(
        toy.eviction.bytes() < 64 * 1024,
        "{} bytes for a thousand items",
        toy.eviction.bytes()
    );
}

#[test]
fn idle_time_survives_a_change_of_policy() {
    let mut toy = Toy::new(Policy::AllKeysLru, 100);
    toy.insert(1, None);
    toy.eviction.set_now(3_600_000);
    toy.insert(2, None);
    for policy in [
        Policy::AllKeysS3Fifo,
        Policy::AllKeysLfu,
        Policy::AllKeysRandom,
    ] {
        toy.eviction.set_options(&options(policy));
        for done in [false, true] {
            let idle = |key| {
                let item = toy.find(key).expect("it stays");
                toy.eviction.idle_ms(item, toy.slots.access(item))
            };
            assert!(
                idle(1).abs_diff(3_600_000) < 130_000,
                "{policy:?}: {}",
                idle(1)
            );
            assert!(idle(2) < 130_000, "{policy:?}: {}", idle(2));
            let item = toy.find(1).expect("it stays");
            assert_eq!(
                toy.eviction
                    .frequency(item, toy.slots.access(item))
                    .is_some(),
                policy == Policy::AllKeysLfu
            );
            if !done {
                toy.upkeep();
            }
        }
    }
}

#[test]
fn an_idle_time_that_is_set_is_told_again_by_a_store_that_has_just_begun() {
    let mut toy = Toy::new(Policy::AllKeysLru, 100);
    toy.eviction.set_now(1_700_000_000_000);
    toy.insert(1, None);
    let item = toy.find(1).expect("it stays");
    for idle_ms in [50_000, 729_000] {
        let access = toy.eviction.access_of_idle(item, idle_ms);
        let access = access.expect("the policy knows idle times");
        let told = toy.eviction.idle_ms(item, access);
        assert!(told.abs_diff(idle_ms) < 1000, "{told} for {idle_ms}");
    }
}
