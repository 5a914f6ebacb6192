//! Who is evicted: the calls by which the engine tells a policy what happens to items, and asks it for a victim.
//!
//! A policy keeps 24 bits in each item (the access field) and whatever it needs of its own, which it accounts for. It sees items only
//! through [`Candidates`] and never deletes one. Victims here are random ones, or for `volatile-ttl` the soonest to expire of a
//! sample; the access field is the second of the last use.

use super::{Item, Policy};

/// What a policy may look at when it chooses.
pub trait Candidates {
    /// A random item; all are equally probable, whatever their size.
    fn random(&mut self) -> Option<Item>;
    /// A random item that has an expiry; None only when there is none.
    fn random_volatile(&mut self) -> Option<Item>;
    /// The item's access field.
    fn access(&self, item: Item) -> u32;
    /// Sets the item's access field.
    fn set_access(&mut self, item: Item, access: u32);
    /// When the item expires.
    fn expiry(&self, item: Item) -> Option<i64>;
    /// The hash of the item's key.
    fn hash(&self, item: Item) -> u64;
    /// Whether a remembered reference still is an item whose key's hash has this [`fingerprint`].
    fn is_valid(&self, reference: u32, fingerprint: u16) -> bool;
}

/// What is remembered of a key's hash beside a reference.
pub fn fingerprint(hash: u64) -> u16 {
    (hash >> 48) as u16
}

/// The policy at work.
#[derive(Debug)]
pub struct Evictor {
    policy: Policy,
    samples: usize,
    now_seconds: u32,
}

/// The access field's bits.
const ACCESS_MASK: u32 = (1 << 24) - 1;

impl Evictor {
    /// A policy that has seen nothing yet.
    pub fn new(policy: Policy, samples: usize) -> Evictor {
        Evictor {
            policy,
            samples: samples.max(1),
            now_seconds: 0,
        }
    }

    /// Changes the policy.
    pub fn set_policy(&mut self, policy: Policy, samples: usize) {
        self.policy = policy;
        self.samples = samples.max(1);
    }

    /// Sets the time.
    pub fn set_now(&mut self, now_ms: i64) {
        self.now_seconds = (now_ms / 1000) as u32 & ACCESS_MASK;
    }

    /// Whether anything may be evicted at all.
    pub fn evicts(&self) -> bool {
        self.policy != Policy::NoEviction
    }

    /// Whether only items with an expiry may be evicted.
    pub fn only_volatile(&self) -> bool {
        use Policy::*;
        matches!(
            self.policy,
            VolatileLru | VolatileLfu | VolatileRandom | VolatileTtl | VolatileS3Fifo
        )
    }

    /// An item was stored; returns its access field.
    pub fn on_insert(&mut self, _item: Item, _hash: u64) -> u32 {
        self.now_seconds
    }

    /// An item was used; returns its access field.
    #[inline]
    pub fn on_access(&mut self, _access: u32) -> u32 {
        self.now_seconds
    }

    /// An item is about to go.
    pub fn on_remove(&mut self, _item: Item, _access: u32, _hash: u64, _evicted: bool) {}

    /// An item has another reference from now on.
    pub fn on_move(&mut self, _from: Item, _to: Item, _hash: u64) {}

    /// Milliseconds since the last use.
    pub fn idle_ms(&self, access: u32) -> u64 {
        u64::from(self.now_seconds.wrapping_sub(access) & ACCESS_MASK) * 1000
    }

    /// The access counter, when there is one.
    pub fn frequency(&self, _access: u32) -> Option<u8> {
        None
    }

    /// Bytes of the policy's own structures.
    pub fn bytes(&self) -> u64 {
        0
    }

    /// Chooses the next item to evict.
    pub fn pick(&mut self, candidates: &mut impl Candidates) -> Option<Item> {
        if !self.evicts() {
            return None;
        }
        if !self.only_volatile() {
            return candidates.random();
        }
        let mut victim = candidates.random_volatile()?;
        if self.policy == Policy::VolatileTtl {
            for _ in 1..self.samples {
                let other = candidates.random_volatile()?;
                if candidates.expiry(other) < candidates.expiry(victim) {
                    victim = other;
                }
            }
        }
        Some(victim)
    }
}
