//! Randomness for tests and for the simulated disk: SplitMix64, which repeats from its seed. Never used for an identity.

/// A sequence of numbers.
#[derive(Debug, Clone)]
pub struct Random {
    state: u64,
}

impl Random {
    /// A sequence of its own for every seed.
    pub fn new(seed: u64) -> Random {
        Random { state: seed }
    }

    /// From `TORC_TEST_SEED`, or from the clock; says the seed, so that a failure can be repeated.
    pub(super) fn from_environment() -> Random {
        Random::new(seed_from_environment())
    }

    /// 64 random bits.
    pub fn draw(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`, which is not zero.
    pub fn below(&mut self, end: usize) -> usize {
        assert!(end > 0);
        ((u128::from(self.draw()) * end as u128) >> 64) as usize
    }

    /// True in one of `times` cases.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

/// `TORC_TEST_SEED`, or the clock; printed.
pub(super) fn seed_from_environment() -> u64 {
    let seed = std::env::var("TORC_TEST_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or_else(|| {
            std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .expect("the clock is past 1970")
                .as_nanos() as u64
        });
    println!("TORC_TEST_SEED={seed}");
    seed
}
