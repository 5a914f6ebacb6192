//! One shard's data: arena, dictionaries, items, expiry, eviction.
//!
//! Synchronous, single-threaded, no I/O. Time comes in with `Engine::set_now` once per turn, randomness with a seed at the start, work
//! in the background with `Engine::upkeep` in units, so that a run can be repeated from its seed.
//! Layers: engine and protocol never import each other.
//!
//! In reading order: `size_class`, `arena` (slots in pages), `item` (the record in a slot), `dict` (from a hash to a record), `store` (looking up
//! and writing), `tokens` (memcached's CAS), `tracked` (keys that clients hold copies of), `leases`, `tags` (with `slab`), `events` (what happens to keys), `scan`, `expiry`, `field_expiry` (fields of hashes), `evict` (who is evicted, a file per policy), `memory` (the limit: evicting and moving), `upkeep` (the background), `frozen` (all of it as bytes).
//! The one decision worth knowing: an item does not know its database. Whoever comes to it through the arena (expiry, eviction, moves)
//! hashes its key and asks each dictionary for exactly this reference, so that SWAPDB and FLUSHDB touch no item.

mod arena;
mod awaited;
mod collection;
mod dict;
mod events;
mod evict;
mod expiry;
mod field_expiry;
/// Engines as bytes, for a warm restart.
pub mod frozen;
mod hash;
mod item;
mod journaled;
mod leases;
mod memory;
/// The source of randomness.
pub mod random;
mod scan;
mod size_class;
mod slab;
mod store;
mod tags;
#[cfg(test)]
mod tests;
mod tokens;
mod tracked;
mod upkeep;
/// The types of values beside strings.
pub mod value;
mod watched;

use crate::large::{LargeBuffer, LargeBytes};
use arena::Arena;
use awaited::Awaited;
pub use collection::{
    Collection, CollectionLimits, EditError, Editing, Kind, Thresholds, Type, WrongType,
};
use dict::Dictionary;
use events::Events;
pub use events::{Event, EventClass, EventClasses};
use evict::Eviction;
use expiry::Sweep;
use field_expiry::FieldExpiries;
use hash::KeyHasher;
pub use item::Attributes;
use journaled::Journaled;
pub use journaled::{Journaling, Lost};
use leases::Leases;
use random::Random;
use tags::Tags;
pub use tags::{TAG_BYTES_MAX, TAGS_PER_KEY_MAX, TooManyTags};
use tokens::Tokens;
use tracked::Tracked;
pub use tracked::{Change, Client, Prefixes};
use watched::Watched;

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
    /// A packed collection: its type and its run.
    Packed(Type, &'a [u8]),
    /// A large collection.
    Collection(&'a Collection),
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
    /// A string that is not stored as an integer even when it reads like one (INCRBYFLOAT).
    Text(&'a [u8]),
    /// A string as SETRANGE, APPEND and SETBIT leave it: never stored as an integer, encoding raw.
    RawBytes(&'a [u8]),
    /// An integer.
    Integer(i64),
    /// A large buffer, adopted without a copy.
    Large(LargeBuffer),
    /// A shared large buffer (COPY, RENAME), adopted without a copy.
    Shared(LargeBytes),
    /// A packed collection: its type and its run (COPY, RENAME).
    Packed(Type, &'a [u8]),
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

pub use crate::config::Policy;
pub use arena::prefetch_line;
pub use size_class::SLOT_BYTES_MIN;

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
    /// When collections become large.
    pub thresholds: Thresholds,
    /// Seed of the hash and of all random choices.
    pub seed: u64,
}

/// Figures for INFO and MEMORY.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct EngineStats {
    pub expired_keys: u64,
    /// Fields of hashes.
    pub expired_fields: u64,
    pub evicted_keys: u64,
    /// Bytes that count against the limit: arena pages, dictionaries, large values, eviction's own structures.
    pub bytes_used: u64,
    pub bytes_used_max: u64,
    pub bytes_arena: u64,
    pub bytes_dictionaries: u64,
    pub bytes_large: u64,
    pub bytes_collections: u64,
    pub bytes_eviction: u64,
    /// Bytes of items, without free slots and page slack.
    pub bytes_items: u64,
    pub pages: u64,
    pub pages_free: u64,
    pub pages_moved: u64,
    pub items: u64,
    pub items_with_expiry: u64,
    /// Deleted values whose memory is still to be released: items of flushed databases and of dropped tags, and large collections.
    pub release_waiting: u64,
}

/// Figures of one size class of slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct ClassStats {
    pub class: u8,
    pub slot_bytes: u64,
    pub page_bytes: u64,
    pub pages: u64,
    pub slots_used: u64,
    pub slots_free: u64,
}

impl ClassStats {
    /// Adds the same class's figures of another shard.
    pub fn add(&mut self, other: &ClassStats) {
        self.pages += other.pages;
        self.slots_used += other.slots_used;
        self.slots_free += other.slots_free;
    }
}

/// One shard's data.
pub struct Engine {
    arena: Arena,
    hasher: KeyHasher,
    databases: Vec<Database>,
    /// Dictionaries of flushed databases whose items are still to be freed.
    draining: Vec<Dictionary>,
    eviction: Eviction,
    random: Random,
    now_ms: i64,
    /// 0 for none.
    memory_bytes_max: u64,
    bytes_outside: u64,
    /// Of large keys and values.
    bytes_large: u64,
    /// Of large collections, those being released not counted.
    bytes_collections: u64,
    /// Deleted collections that are to be released.
    retired: Vec<Collection>,
    limits: CollectionLimits,
    /// Of all dictionaries, those being drained included.
    bytes_dictionaries: u64,
    /// An item that must survive what an allocation evicts and moves; its reference follows it.
    pinned: Option<u32>,
    /// A page that is being emptied, and the next slot to look at.
    evacuation: Option<(u32, u16)>,
    sweep: Sweep,
    field_expiries: FieldExpiries,
    expired_keys: u64,
    expired_fields: u64,
    evicted_keys: u64,
    pages_moved: u64,
    bytes_used_max: u64,
    /// A value on its way from one slot to another.
    scratch: Vec<u8>,
    found: Vec<u32>,
    tokens: Tokens,
    tags: Tags,
    leases: Leases,
    awaited: Awaited,
    watched: Watched,
    /// Upkeep removes what has expired.
    is_sweeping: bool,
    /// Fields that have expired stay for now.
    keeps_fields: bool,
    tracked: Tracked,
    events: Events,
    journaled: Journaled,
}

/// One database: its index, and what INFO keyspace says about expiry.
#[derive(Debug, Default)]
struct Database {
    dictionary: Dictionary,
    expiring: usize,
    /// Sum of the expiries, for their mean.
    expiry_sum: i128,
}
