//! The hash of a key: foldhash's quality variant under the engine's seed, so that clients cannot aim at one table, and a run repeats
//! from its seed. It hashes the key's bytes only: the same key has one hash in every database.

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;
use std::hash::Hasher;

/// Makes the hasher's own state of the seed another number than the seed.
const SEED_MASK: u64 = 0x5851_f42d_4c95_7f2d;

/// See the module.
#[derive(Debug, Clone)]
pub struct KeyHasher {
    shared: SharedSeed,
    seed: u64,
}

impl KeyHasher {
    /// A hash function chosen by the seed.
    pub fn new(seed: u64) -> KeyHasher {
        KeyHasher {
            shared: SharedSeed::from_u64(seed),
            seed: seed.rotate_left(32) ^ SEED_MASK,
        }
    }

    /// The seed it was made from.
    pub fn seed(&self) -> u64 {
        (self.seed ^ SEED_MASK).rotate_right(32)
    }

    /// The hash of a key.
    #[inline]
    pub fn hash(&self, key: &[u8]) -> u64 {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        hasher.write(key);
        hasher.finish()
    }
}
