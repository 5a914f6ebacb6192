//! One shard's data: arena, dictionaries, items, expiry, eviction.
//!
//! Synchronous, single-threaded, no I/O. Time comes in with [`Engine::set_now`] once per turn, randomness with a seed at the start, work
//! in the background with [`Engine::upkeep`] in units, so that a run can be repeated from its seed.
//! Layers: engine and protocol never import each other.

use crate::large::{LargeBuffer, LargeBytes};

/// A key with its database and hash; made by [`Engine::key`].
#[derive(Debug, Clone, Copy)]
pub struct Key<'a> {
    /// The database.
    pub db: usize,
    /// The bytes.
    pub bytes: &'a [u8],
    /// The hash of the bytes under this engine's seed.
    pub hash: u64,
}

/// A reference to a live item; any change to the engine may invalidate it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item(pub u32);

/// What an item's value is.
#[derive(Debug)]
pub enum Value<'a> {
    /// Bytes in the item.
    Bytes(&'a [u8]),
    /// A string that is a canonical signed 64-bit integer.
    Integer(i64),
    /// Bytes in a large buffer.
    Large(&'a LargeBytes),
}

/// OBJECT ENCODING of strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// A canonical integer.
    Int,
    /// At most 44 bytes and never modified in place.
    Embstr,
    /// Everything else.
    Raw,
}

/// A value to store.
#[derive(Debug)]
pub enum NewValue<'a> {
    /// A string; stored as an integer when it is a canonical one.
    Bytes(&'a [u8]),
    /// A string as SETRANGE, APPEND and SETBIT leave it: never stored as an integer, encoding raw.
    RawBytes(&'a [u8]),
    /// An integer.
    Integer(i64),
    /// A large buffer, adopted without a copy.
    Large(LargeBuffer),
    /// A shared large buffer (COPY, RENAME), adopted without a copy.
    Shared(LargeBytes),
}

/// What becomes of the expiry of a key that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// None from now on.
    None,
    /// As it was.
    Keep,
    /// At this Unix time in milliseconds.
    At(i64),
}

/// Whether a look-up counts as a use of the item for eviction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touch {
    /// It does.
    Yes,
    /// It does not (OBJECT, TTL, TYPE, CLIENT NO-TOUCH).
    No,
}

/// The memory limit is reached and the policy allows no eviction that would make room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfMemory;

/// `maxmemory-policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Policy {
    NoEviction,
    AllKeysLru,
    AllKeysLfu,
    AllKeysRandom,
    AllKeysS3Fifo,
    VolatileLru,
    VolatileLfu,
    VolatileRandom,
    VolatileTtl,
    VolatileS3Fifo,
}

/// How an engine is set up; the fields with a setter can change later.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Number of databases.
    pub databases: usize,
    /// Bytes this shard may have resident (its share of `maxmemory`); 0 for no limit.
    pub memory_bytes_max: u64,
    /// The eviction policy.
    pub policy: Policy,
    /// `maxmemory-samples`.
    pub samples: usize,
    /// `lfu-log-factor`.
    pub lfu_log_factor: u32,
    /// `lfu-decay-time`, in minutes.
    pub lfu_decay_minutes: u32,
    /// Bytes of address space to reserve for the arena.
    pub reservation_bytes: usize,
    /// Seed of the hash and of all random choices.
    pub seed: u64,
}

/// Figures for INFO and MEMORY.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct EngineStats {
    pub expired_keys: u64,
    pub evicted_keys: u64,
    /// Bytes that count against the limit: arena pages, dictionaries, large values, eviction's own structures.
    pub bytes_used: u64,
    pub bytes_used_max: u64,
    pub bytes_arena: u64,
    pub bytes_dictionaries: u64,
    pub bytes_large: u64,
    pub bytes_eviction: u64,
    /// Bytes of items, without free slots and page slack.
    pub bytes_items: u64,
    pub pages: u64,
    pub pages_free: u64,
    pub pages_moved: u64,
    pub items: u64,
    pub items_with_expiry: u64,
}

/// One shard's data.
pub struct Engine {}

#[allow(unused_variables)]
impl Engine {
    /// An empty engine; an error says in one sentence what the system refused and the remedy.
    pub fn new(options: EngineOptions) -> Result<Engine, String> {
        todo!()
    }
    /// Sets the time of this turn, Unix milliseconds. Items whose expiry is at or before it are gone for every look-up.
    pub fn set_now(&mut self, now_ms: i64) {
        todo!()
    }
    /// The time of this turn.
    pub fn now_ms(&self) -> i64 {
        todo!()
    }
    /// Hashes a key.
    pub fn key<'a>(&self, db: usize, bytes: &'a [u8]) -> Key<'a> {
        todo!()
    }
    /// Brings the dictionary's and the item's cache lines near, for a batch that will be executed soon.
    pub fn prefetch(&self, key: &Key<'_>) {
        todo!()
    }
    /// Looks a key up; an expired one is deleted and not found.
    pub fn find(&mut self, key: &Key<'_>, touch: Touch) -> Option<Item> {
        todo!()
    }
    /// The item's key.
    pub fn key_bytes(&self, item: Item) -> &[u8] {
        todo!()
    }
    /// The item's value.
    pub fn value(&self, item: Item) -> Value<'_> {
        todo!()
    }
    /// The item's string encoding as Redis names it.
    pub fn encoding(&self, item: Item) -> Encoding {
        todo!()
    }
    /// When the item expires, Unix milliseconds.
    pub fn expiry(&self, item: Item) -> Option<i64> {
        todo!()
    }
    /// Milliseconds since the item was last used (OBJECT IDLETIME).
    pub fn idle_ms(&self, item: Item) -> u64 {
        todo!()
    }
    /// The logarithmic access counter (OBJECT FREQ); None unless an LFU policy is active.
    pub fn frequency(&self, item: Item) -> Option<u8> {
        todo!()
    }
    /// Bytes of memory the item takes (MEMORY USAGE).
    pub fn bytes(&self, item: Item) -> usize {
        todo!()
    }
    /// Stores a value under a key, whether it was there or not. Evicts when it must. On an error nothing has changed.
    pub fn set(&mut self, key: &Key<'_>, value: NewValue<'_>, expiry: Expiry) -> Result<(), OutOfMemory> {
        todo!()
    }
    /// The value of an existing key as bytes to be changed in place, made `len` bytes long (zero-filled at the end, cut when shorter);
    /// integers become their digits, a shared large value is copied first. The encoding becomes raw. Keeps the expiry.
    pub fn edit(&mut self, key: &Key<'_>, len: usize) -> Result<&mut [u8], OutOfMemory> {
        todo!()
    }
    /// Sets or clears (None) the expiry of a key; false when the key is not there. A time in the past is stored as it is: deleting is the command's business.
    pub fn set_expiry(&mut self, key: &Key<'_>, expiry: Option<i64>) -> Result<bool, OutOfMemory> {
        todo!()
    }
    /// Deletes a key; false when it is not there (or has expired).
    pub fn remove(&mut self, key: &Key<'_>) -> bool {
        todo!()
    }
    /// Number of keys in a database, expired ones that were not yet collected included.
    pub fn len(&self, db: usize) -> usize {
        todo!()
    }
    /// Number of keys with an expiry in a database, and the mean of their remaining time in ms (an estimate) as INFO keyspace shows it.
    pub fn expires(&self, db: usize) -> (usize, u64) {
        todo!()
    }
    /// Number of databases.
    pub fn databases(&self) -> usize {
        todo!()
    }
    /// Visits about `count` live items from `cursor` on and returns the next cursor, 0 at the end. Every item present throughout is visited,
    /// however the tables grow and shrink. Cursors are below 2^32.
    pub fn scan(&mut self, db: usize, cursor: u64, count: usize, visit: &mut dyn FnMut(&Engine, Item)) -> u64 {
        todo!()
    }
    /// A random live key of a database.
    pub fn random_key(&mut self, db: usize) -> Option<Item> {
        todo!()
    }
    /// Empties a database at once for every look-up; the memory comes back in [`Engine::upkeep`] (`lazy`) or before this returns.
    pub fn flush(&mut self, db: usize, lazy: bool) {
        todo!()
    }
    /// Exchanges two databases.
    pub fn swap(&mut self, a: usize, b: usize) {
        todo!()
    }
    /// One piece of background work of about `units` steps (a step is some 100 ns): expiry, page moves, eviction down to the limit, freeing what was
    /// flushed, giving memory back. Returns whether more is waiting.
    pub fn upkeep(&mut self, units: usize) -> bool {
        todo!()
    }
    /// Whether an unexpired key may be evicted or written: room for a write that grows memory, evicting if need be (the denyoom check).
    pub fn make_room(&mut self) -> Result<(), OutOfMemory> {
        todo!()
    }
    /// Bytes of buffers outside the engine that count against this shard's limit.
    pub fn set_bytes_outside(&mut self, bytes: u64) {
        todo!()
    }
    /// Changes the limit; eviction down to it happens in [`Engine::upkeep`] and on writes.
    pub fn set_memory_bytes_max(&mut self, bytes: u64) {
        todo!()
    }
    /// Changes the policy; what is known of the items' use is carried over as far as it means anything.
    pub fn set_policy(&mut self, policy: Policy, samples: usize, lfu_log_factor: u32, lfu_decay_minutes: u32) {
        todo!()
    }
    /// Turns background expiry off and on (DEBUG SET-ACTIVE-EXPIRE).
    pub fn set_active_expiry(&mut self, on: bool) {
        todo!()
    }
    /// Figures.
    pub fn stats(&self) -> EngineStats {
        todo!()
    }
    /// Sets the counters of events (expired, evicted, moved) and the peak to zero (CONFIG RESETSTAT).
    pub fn reset_stats(&mut self) {
        todo!()
    }
}
