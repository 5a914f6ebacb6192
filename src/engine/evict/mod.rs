//! Eviction: which item goes when memory is short, for every `maxmemory-policy`.
//!
//! [`Eviction`] is told of insertions, uses, moves and removals, keeps 24 bits in each item (the access field) and names a victim
//! when asked. It reaches items only through [`Candidates`]; it never deletes one, never allocates in a use, and
//! every call does a bounded amount of work.
//!
//! The one decision worth knowing: policies are variants of an enum, not trait objects, because a use is reported at every read and must cost about a
//! nanosecond. The sampling policies (a file each) share [`pool`] and [`sample`]; S3-FIFO has queues of its own ([`s3fifo`]).
//!
//! Changing the policy at run time changes what the access field means. The items are walked in order of their references, some at every
//! call, and rewritten; those the walk has not reached yet keep the meaning they had. What carries over is the time of the last use.

mod clock;
mod frozen;
mod ghost;
mod lfu;
mod lru;
mod pool;
mod queue;
mod random;
mod s3fifo;
mod sample;
mod ttl;

#[cfg(test)]
pub mod golden;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod toy;

use self::clock::AccessClock;
use self::lfu::Lfu;
use self::lru::Lru;
use self::s3fifo::S3Fifo;
use self::sample::Scope;
use self::ttl::Ttl;
use super::{Item, Policy};

/// What a policy may ask of the store.
pub trait Candidates {
    /// A random item; none when there is none.
    fn random(&mut self) -> Option<Item>;
    /// A random item with an expiry; none when there is none.
    fn random_volatile(&mut self) -> Option<Item>;
    /// Whether a remembered reference is that of some item, not necessarily the one it was.
    fn is_present(&self, item: Item) -> bool;
    /// The item's access field, 24 bits.
    fn access(&self, item: Item) -> u32;
    /// Sets the item's access field.
    fn set_access(&mut self, item: Item, access: u32);
    /// When the item expires.
    fn expiry(&self, item: Item) -> Option<i64>;
    /// The hash of the item's key.
    fn hash(&self, item: Item) -> u64;
    /// The item with the lowest reference at or above this one; or where to go on, if none was found within a bounded time, `u32::MAX` at the end.
    fn at_or_after(&self, reference: u32) -> Result<Item, u32>;
}

/// The walk's place when there is no walk: all items have been reached.
const WALK_DONE: u32 = u32::MAX;
/// Items the walk rewrites at each eviction.
const WALK_ITEMS: usize = 16;

#[derive(Debug)]
enum Kind {
    /// noeviction: uses are noted only for OBJECT IDLETIME.
    None,
    Random(Scope),
    Lru(Scope, Lru),
    Lfu(Scope),
    Ttl(Ttl),
    S3Fifo(S3Fifo),
}

/// What the access field means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// A reading of the access clock.
    Clock,
    /// Minutes and a count.
    Frequency,
    /// The state in S3-FIFO's queues; as a meaning of the past, only the time in it.
    Queues,
    /// Nothing: left over from a policy before the last one.
    Nothing,
}

/// See the module.
#[derive(Debug)]
pub struct Eviction {
    kind: Kind,
    meaning: Meaning,
    clock: AccessClock,
    /// Kept whatever the policy is, for the meaning of fields; a few words.
    lfu: Lfu,
    samples: usize,
    items: usize,
    /// References below have the current meaning, those at or above the previous one.
    walk: u32,
    previous: Meaning,
    /// The queues of a policy no longer used, freed a chunk at a time.
    retired: Vec<S3Fifo>,
}

/// How [`Eviction`] is set up.
#[derive(Debug, Clone, Copy)]
pub struct EvictionOptions {
    /// `maxmemory-policy`.
    pub policy: Policy,
    /// `maxmemory-samples`.
    pub samples: usize,
    /// `lfu-log-factor`.
    pub lfu_log_factor: u32,
    /// `lfu-decay-time`, in minutes.
    pub lfu_decay_minutes: u32,
}

impl Eviction {
    /// For a store without items.
    pub fn new(options: &EvictionOptions, seed: u64, now_ms: i64) -> Eviction {
        let (kind, meaning) = Self::kind(options.policy);
        let mut eviction = Eviction {
            kind,
            meaning,
            clock: AccessClock::new(now_ms),
            lfu: Lfu::new(options.lfu_log_factor, options.lfu_decay_minutes, seed),
            samples: options.samples.max(1),
            items: 0,
            walk: WALK_DONE,
            previous: Meaning::Nothing,
            retired: Vec::new(),
        };
        eviction.set_now(now_ms);
        eviction
    }

    fn kind(policy: Policy) -> (Kind, Meaning) {
        match policy {
            Policy::NoEviction => (Kind::None, Meaning::Clock),
            Policy::AllKeysRandom => (Kind::Random(Scope::AllKeys), Meaning::Clock),
            Policy::VolatileRandom => (Kind::Random(Scope::Volatile), Meaning::Clock),
            Policy::AllKeysLru => (Kind::Lru(Scope::AllKeys, Lru::new()), Meaning::Clock),
            Policy::VolatileLru => (Kind::Lru(Scope::Volatile, Lru::new()), Meaning::Clock),
            Policy::AllKeysLfu => (Kind::Lfu(Scope::AllKeys), Meaning::Frequency),
            Policy::VolatileLfu => (Kind::Lfu(Scope::Volatile), Meaning::Frequency),
            Policy::VolatileTtl => (Kind::Ttl(Ttl::new()), Meaning::Clock),
            Policy::AllKeysS3Fifo => (Kind::S3Fifo(S3Fifo::new(Scope::AllKeys)), Meaning::Queues),
            Policy::VolatileS3Fifo => (Kind::S3Fifo(S3Fifo::new(Scope::Volatile)), Meaning::Queues),
        }
    }

    /// Changes the policy. The items follow in [`Eviction::upkeep`] and at evictions.
    pub fn set_options(&mut self, options: &EvictionOptions) {
        self.samples = options.samples.max(1);
        self.lfu
            .set_options(options.lfu_log_factor, options.lfu_decay_minutes);
        let (kind, meaning) = Self::kind(options.policy);
        let before = std::mem::replace(&mut self.kind, kind);
        let same_scope = match (&before, &self.kind) {
            (Kind::S3Fifo(before), Kind::S3Fifo(after)) => before.scope() == after.scope(),
            _ => true,
        };
        if meaning == self.meaning && same_scope {
            if meaning == Meaning::Queues {
                self.kind = before;
            }
            return;
        }
        if let Kind::S3Fifo(queues) = before {
            self.retired.push(queues);
        }
        // A walk that was under way leaves two meanings behind: none that can be relied on.
        self.previous = if self.walk == WALK_DONE {
            self.meaning
        } else {
            Meaning::Nothing
        };
        self.meaning = meaning;
        self.walk = if self.items == 0 { WALK_DONE } else { 0 };
        self.set_now(self.clock.now_ms());
    }

    /// Sets the time.
    pub fn set_now(&mut self, now_ms: i64) {
        if self.clock.now_ms() == 0 && self.items == 0 {
            // An engine begins without knowing the time; its clock begins now, and not in 1970.
            self.clock = AccessClock::new(now_ms);
        }
        self.clock.set_now(now_ms);
        self.lfu.set_now(now_ms);
        if let Kind::S3Fifo(queues) = &mut self.kind {
            queues.set_now(now_ms);
        }
    }

    /// Whether only items with an expiry may be evicted.
    pub fn only_volatile(&self) -> bool {
        match &self.kind {
            Kind::None => false,
            Kind::Random(scope) | Kind::Lru(scope, _) | Kind::Lfu(scope) => {
                *scope == Scope::Volatile
            }
            Kind::Ttl(_) => true,
            Kind::S3Fifo(queues) => queues.scope() == Scope::Volatile,
        }
    }

    /// Whether the policy ever names a victim.
    pub fn evicts(&self) -> bool {
        !matches!(self.kind, Kind::None)
    }

    /// The access field of an item that has come to be.
    pub fn on_insert(&mut self, item: Item, hash: u64, expires: bool) -> u32 {
        self.items += 1;
        if item.0 >= self.walk {
            return self.write(self.previous, 0);
        }
        match &mut self.kind {
            Kind::S3Fifo(queues) => queues.on_insert(item, hash, expires),
            Kind::Lfu(_) => self.lfu.field(lfu::INITIAL, 0),
            _ => self.clock.insertion(self.items),
        }
    }

    /// The access field of an item after a use.
    #[inline]
    pub fn on_access(&mut self, item: Item, access: u32) -> u32 {
        if item.0 >= self.walk {
            return access;
        }
        match &mut self.kind {
            Kind::S3Fifo(queues) => queues.on_access(access),
            Kind::Lfu(_) => self.lfu.on_access(access),
            _ => self.clock.access(self.items),
        }
    }

    /// The item is gone.
    pub fn on_remove(&mut self, item: Item, access: u32) {
        self.items = self.items.checked_sub(1).expect("an item is removed once");
        if item.0 < self.walk
            && let Kind::S3Fifo(queues) = &mut self.kind
        {
            queues.on_remove(access);
        }
    }

    /// The item has another reference from now on; its access field from now on.
    pub fn on_move(&mut self, from: Item, to: Item, access: u32, expires: bool) -> u32 {
        match (from.0 < self.walk, to.0 < self.walk) {
            (true, true) => match &mut self.kind {
                Kind::S3Fifo(queues) => queues.on_move(to, access),
                _ => access,
            },
            (false, false) => access,
            // The walk will not come by again.
            (false, true) => self.convert(to, access, expires),
            // The walk will come by.
            (true, false) => {
                let idle_ms = self.read(self.meaning, access);
                if let Kind::S3Fifo(queues) = &mut self.kind {
                    queues.on_remove(access);
                }
                self.write(self.previous, idle_ms)
            }
        }
    }

    /// The item got or lost its expiry; its access field from now on.
    pub fn on_expiry(&mut self, item: Item, access: u32, hash: u64, expires: bool) -> u32 {
        match &mut self.kind {
            Kind::S3Fifo(queues) if item.0 < self.walk => {
                queues.on_expiry(item, access, hash, expires)
            }
            _ => access,
        }
    }

    /// The item to evict; none when the policy allows none of those there are.
    pub fn victim<C: Candidates>(&mut self, candidates: &mut C) -> Option<Item> {
        if self.walk != WALK_DONE {
            self.walk(candidates, WALK_ITEMS);
        }
        match &mut self.kind {
            Kind::None => None,
            Kind::Random(scope) => random::victim(candidates, *scope),
            Kind::Lru(scope, lru) => lru.victim(candidates, *scope, self.samples, &self.clock),
            Kind::Lfu(scope) => self.lfu.victim(candidates, *scope, self.samples),
            Kind::Ttl(ttl) => ttl.victim(candidates, self.samples),
            Kind::S3Fifo(queues) => queues.victim(candidates, self.walk),
        }
    }

    /// A victim from a sample alone, for candidates that are only a part of the store. Without memory of earlier samples.
    pub fn victim_of_sample<C: Candidates>(&mut self, candidates: &mut C) -> Option<Item> {
        let scope = match &self.kind {
            Kind::None => return None,
            _ if self.only_volatile() => Scope::Volatile,
            _ => Scope::AllKeys,
        };
        let mut best: Option<(u64, Item)> = None;
        for _ in 0..self.samples {
            let item = scope.random(candidates)?;
            let access = candidates.access(item);
            let score = if item.0 >= self.walk {
                self.read(self.previous, access)
            } else {
                match &self.kind {
                    Kind::S3Fifo(queues) => queues.score(access),
                    Kind::Lfu(_) => u64::from(u8::MAX - self.lfu.count(access)),
                    Kind::Ttl(_) => ttl::score(candidates.expiry(item)),
                    Kind::Lru(..) => self.clock.age(access),
                    Kind::None | Kind::Random(_) => 0,
                }
            };
            if best.is_none_or(|(highest, _)| score > highest) {
                best = Some((score, item));
            }
        }
        let (_, item) = best?;
        if item.0 < self.walk
            && let Kind::S3Fifo(queues) = &mut self.kind
        {
            queues.note_victim(candidates.access(item), candidates.hash(item));
        }
        Some(item)
    }

    /// A victim that cannot be evicted now.
    pub fn spare<C: Candidates>(&mut self, candidates: &mut C, item: Item) {
        if item.0 < self.walk
            && let Kind::S3Fifo(queues) = &mut self.kind
        {
            queues.adopt_stray(candidates, item);
        }
    }

    /// Whether [`Eviction::upkeep`] has something to do.
    #[inline]
    pub fn has_work(&self) -> bool {
        !self.retired.is_empty()
            || self.walk != WALK_DONE
            || matches!(&self.kind, Kind::S3Fifo(queues) if queues.wants_compaction())
    }

    /// Background work of about `items` items.
    pub fn upkeep<C: Candidates>(&mut self, candidates: &mut C, items: usize) {
        if let Some(queues) = self.retired.last_mut()
            && !queues.free_chunk()
        {
            self.retired.pop();
        }
        if self.walk != WALK_DONE {
            self.walk(candidates, items);
        } else if let Kind::S3Fifo(queues) = &mut self.kind {
            queues.compact(candidates, items);
        }
    }

    /// Rewrites the fields of some items in the current meaning.
    fn walk<C: Candidates>(&mut self, candidates: &mut C, items: usize) {
        for _ in 0..items {
            let item = match candidates.at_or_after(self.walk) {
                Ok(item) => item,
                Err(next) => {
                    self.walk = next;
                    if next == WALK_DONE {
                        return;
                    }
                    continue;
                }
            };
            let access = self.convert(
                item,
                candidates.access(item),
                candidates.expiry(item).is_some(),
            );
            candidates.set_access(item, access);
            self.walk = item.0 + 1;
        }
    }

    fn convert(&mut self, item: Item, access: u32, expires: bool) -> u32 {
        let access = self.write(self.meaning, self.read(self.previous, access));
        match &mut self.kind {
            Kind::S3Fifo(queues) => queues.adopt(item, access, expires),
            _ => access,
        }
    }

    /// How long ago the item was used, by the field's meaning.
    fn read(&self, meaning: Meaning, access: u32) -> u64 {
        match meaning {
            Meaning::Clock => self.clock.idle_ms(access),
            Meaning::Frequency => u64::from(self.lfu.minutes_idle(access)) * 60_000,
            Meaning::Queues => s3fifo::idle_ms(self.clock.now_ms(), access),
            Meaning::Nothing => 0,
        }
    }

    /// The field of an item in no queue that was used so long ago.
    fn write(&self, meaning: Meaning, idle_ms: u64) -> u32 {
        match meaning {
            Meaning::Clock => self.clock.access_before(idle_ms),
            Meaning::Frequency => self.lfu.field(
                lfu::INITIAL,
                u16::try_from(idle_ms / 60_000).unwrap_or(u16::MAX),
            ),
            Meaning::Queues => s3fifo::field(self.clock.now_ms(), idle_ms),
            Meaning::Nothing => 0,
        }
    }

    /// Milliseconds since the item was last used (OBJECT IDLETIME); coarser under LFU (minutes) and S3-FIFO (64 s).
    pub fn idle_ms(&self, item: Item, access: u32) -> u64 {
        self.read(
            if item.0 < self.walk {
                self.meaning
            } else {
                self.previous
            },
            access,
        )
    }

    /// The logarithmic access counter (OBJECT FREQ); none unless the policy is an LFU.
    pub fn frequency(&self, item: Item, access: u32) -> Option<u8> {
        match (self.meaning, item.0 < self.walk) {
            (Meaning::Frequency, true) => Some(self.lfu.count(access)),
            (Meaning::Frequency, false) => Some(lfu::INITIAL),
            _ => None,
        }
    }

    /// The field of an item that was last used so long ago; none where the field says something else.
    pub fn access_of_idle(&self, item: Item, idle_ms: u64) -> Option<u32> {
        (self.meaning == Meaning::Clock && item.0 < self.walk)
            .then(|| self.clock.access_before(idle_ms))
    }

    /// The field of an item just used with this counter; none unless the policy is an LFU.
    pub fn access_of_frequency(&self, item: Item, frequency: u8) -> Option<u32> {
        (self.meaning == Meaning::Frequency && item.0 < self.walk)
            .then(|| self.lfu.field(frequency, 0))
    }

    /// Bytes on the heap that count against the memory limit.
    #[inline]
    pub fn bytes(&self) -> u64 {
        let queues = match &self.kind {
            Kind::S3Fifo(queues) => queues.bytes(),
            _ => 0,
        };
        let retired: usize = self.retired.iter().map(S3Fifo::bytes).sum();
        (self.clock.bytes() + queues + retired) as u64
    }
}
