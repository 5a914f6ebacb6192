//! A shard's data as bytes that make the same engine again: what a warm restart keeps.
//!
//! Never does I/O, starts no thread, trusts no time. Who freezes an engine gets blocks and then the memory of its pages; who thaws one fills that memory himself, on as many
//! threads as he likes, while this reads the blocks. The decision worth knowing: items are kept as they lie in the arena, and dictionaries as references with the few
//! bits of the hash that a table needs, in the order of the tables. So no item is read again, neither hashed nor inserted, and the work is that of copying memory.
//! Large values and collections are on the heap; they follow one by one, and are put into their items at the end.
//!
//! Expired items are kept like others: they are as gone afterwards as they were before. What clients are connected for (watched and tracked keys, those who wait) is not kept.

mod bits;
mod stream;
#[cfg(test)]
mod tests;

pub use bits::{BUCKETS_MAX, bits_of, hash_of_bits};
pub use stream::{BLOCK_BYTES_MAX, In, Out, Sink, Source};

use super::arena::{EXTENT_BYTES, HUGE_PAGE_BYTES};
use super::collection::Collection;
use super::evict::{Eviction, EvictionOptions};
use super::field_expiry::FieldExpiries;
use super::hash::KeyHasher;
use super::item::{self, KIND_COLLECTION, KIND_LARGE, Layout};
use super::leases::Leases;
use super::random::Random;
use super::size_class::{GRANULE_BYTES, PAGE_BYTES, SLOT_BYTES};
use super::store::hash_of;
use super::tags::Tags;
use super::tokens::Tokens;
use super::value::ElementHasher;
use super::{Database, Engine, EngineOptions, Item, Policy};
use crate::large::{LargeBuffer, LargeBytes, bytes_resident_for};
use std::io;

/// Raised with every change of what a frozen engine's bytes mean that the other numbers of [`fingerprint`] do not tell.
const FORM: u32 = 1;
/// Steps that finishing the eviction policy's own work may take for each item, and at least.
const SETTLE_STEPS_MIN: usize = 1 << 16;
/// What comes before the owner of a large key, of a large value and of a collection; nothing else comes behind the last.
const OWNS_KEY: u8 = 1;
const OWNS_VALUE: u8 = 2;
const OWNS_COLLECTION: u8 = 3;
const OWNS_NO_MORE: u8 = 0;

/// What a program must have in common with the one that froze an engine: sizes of pages and slots, the form of a record, the hash.
pub fn fingerprint() -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    let sizes = [
        FORM as usize,
        PAGE_BYTES,
        GRANULE_BYTES,
        EXTENT_BYTES,
        BLOCK_BYTES_MAX,
        size_of::<LargeBytes>(),
        size_of::<Collection>(),
        Policy::ALL.len(),
    ];
    for size in sizes {
        hasher.update(&(size as u64).to_le_bytes());
    }
    for bytes in SLOT_BYTES {
        hasher.update(&bytes.to_le_bytes());
    }
    let hash = |text: &[u8]| KeyHasher::new(1).hash(text);
    for text in [&b"torc"[..], &[7; 100]] {
        hasher.update(&hash(text).to_le_bytes());
    }
    hasher.finalize()
}

/// What was frozen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FrozenFigures {
    /// Items, expired ones included.
    pub keys: u64,
    /// Bytes of pages.
    pub page_bytes: u64,
}

/// What an item owns beside its slot.
enum Owned {
    Key(LargeBytes),
    Value(LargeBytes),
    Collection(Collection),
}

impl Engine {
    /// Hands everything over, and gives memory back as it goes. An error is the sink's, and what it has is worth nothing.
    pub fn freeze(mut self, sink: &mut dyn Sink) -> io::Result<FrozenFigures> {
        self.settle()?;
        let extents = self.arena.extents();
        let page_bytes = extents.iter().map(|extent| extent.len() as u64).sum();
        sink.begin(extents.len(), page_bytes)?;
        let figures = FrozenFigures {
            keys: self.arena.items(false) as u64,
            page_bytes,
        };
        let mut out = Out::new(sink);
        out.u64(self.hasher.seed())?;
        out.i64(self.now_ms)?;
        out.u32(self.databases.len() as u32)?;
        self.arena.freeze(&mut out)?;
        let (arena, hasher) = (&self.arena, &self.hasher);
        for database in &self.databases {
            out.u64(database.expiring as u64)?;
            out.bytes(&database.expiry_sum.to_le_bytes())?;
            let prefetch = |reference| arena.prefetch(reference);
            let hash_of = |reference| hash_of(arena, hasher, reference);
            database.dictionary.freeze(&mut out, prefetch, hash_of)?;
        }
        self.field_expiries.freeze(&mut out)?;
        self.tokens.freeze(&mut out)?;
        self.leases.freeze(&mut out)?;
        self.tags.freeze(&mut out)?;
        self.eviction.freeze(&mut out)?;
        // From here on nobody finds an item any more, so nobody drops what it owns a second time.
        self.databases.clear();
        self.freeze_owned(&mut out)?;
        out.flush()?;
        let mut forgotten = 0;
        for extent in extents {
            sink.extent(self.arena.memory(&extent))?;
            // Whole huge pages: giving back a half makes the kernel take one apart first.
            let whole = extent.end / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
            if whole > forgotten {
                self.arena.forget(&(forgotten..whole));
                forgotten = whole;
            }
        }
        Ok(figures)
    }

    /// Finishes what is under way in the background.
    fn settle(&mut self) -> io::Result<()> {
        while self.drain_step().is_some() || self.drop_step().is_some() {}
        self.retired.clear();
        if let Some((page, _)) = self.evacuation.take()
            && self.arena.is_closed(page)
        {
            self.arena.open_page(page);
        }
        if let Some(page) = self.sweep.page() {
            // Its bound is only known when the sweep has been through it.
            self.arena.lower_expiry_min(page, i64::MIN);
        }
        let mut steps = SETTLE_STEPS_MIN + self.arena.items(false);
        while self.eviction.has_work() && steps > 0 {
            self.eviction_step();
            steps -= 1;
        }
        match self.eviction.has_work() {
            true => Err(io::Error::other("the eviction policy's work does not end")),
            false => Ok(()),
        }
    }

    /// Large keys and values and collections, in the order of their items.
    fn freeze_owned(&mut self, out: &mut Out<'_>) -> io::Result<()> {
        let owns_some = self.bytes_large > 0 || self.bytes_collections > 0;
        let pages = if owns_some { self.arena.pages_len() } else { 0 };
        for page in 0..pages {
            for slot in 0..self.arena.slots_used(page) {
                let Some(reference) = self.arena.item_at(page, slot) else {
                    continue;
                };
                let layout = Layout::of(self.arena.bytes(reference));
                let mut large = |owns, bytes: LargeBytes| -> io::Result<()> {
                    out.bytes(&[owns])?;
                    out.u32(reference)?;
                    out.text(bytes.as_slice())
                };
                if layout.has_large_key() {
                    let key = layout.take_large_key(self.arena.slot_mut(reference));
                    large(OWNS_KEY, key)?;
                }
                if layout.kind() == KIND_LARGE {
                    let value = layout.take_large_value(self.arena.slot_mut(reference));
                    large(OWNS_VALUE, value)?;
                }
                if layout.kind() == KIND_COLLECTION {
                    let collection = std::mem::take(self.collection_mut(Item(reference)));
                    out.bytes(&[OWNS_COLLECTION])?;
                    out.u32(reference)?;
                    collection.freeze(out)?;
                }
            }
        }
        out.bytes(&[OWNS_NO_MORE])
    }
}

/// An engine whose pages are to be filled.
pub struct Thawing(Engine);

/// What the blocks behind the descriptions of pages are read with; knows what they must fit.
pub struct Rest {
    names: KeyHasher,
    elements: ElementHasher,
    databases: usize,
    pages: u32,
    items: usize,
    eviction: EvictionOptions,
    seed: u64,
}

/// All but the pages' memory.
pub struct Thawed {
    databases: Vec<Database>,
    field_expiries: FieldExpiries,
    tokens: Tokens,
    leases: Leases,
    tags: Tags,
    eviction: Eviction,
    owned: Vec<(u32, Owned)>,
}

impl Thawing {
    /// Reads the beginning of the blocks. The engine will be as `options` say, but for its hash function, which is that of the frozen one. An error says what is doubtful.
    pub fn begin(options: EngineOptions, input: &mut In<'_>) -> Result<(Thawing, Rest), String> {
        let random = Random::new(options.seed);
        let seed = input.u64()?;
        let now_ms = input.i64()?;
        let databases = input.u32()? as usize;
        if databases != options.databases.max(1) {
            return Err(format!("it has {databases} databases"));
        }
        let eviction = EvictionOptions {
            policy: options.policy,
            samples: options.samples,
            lfu_log_factor: options.lfu_log_factor,
            lfu_decay_minutes: options.lfu_decay_minutes,
        };
        let seed_of_eviction = options.seed;
        let mut engine = Engine::new(EngineOptions { seed, ..options })?;
        engine.random = random;
        engine.now_ms = now_ms;
        engine.arena.thaw(input)?;
        let rest = Rest {
            names: engine.hasher.clone(),
            elements: engine.limits.hash.hasher.clone(),
            databases,
            pages: engine.arena.pages_len(),
            items: engine.arena.items(false),
            eviction,
            seed: seed_of_eviction,
        };
        Ok((Thawing(engine), rest))
    }

    /// The memory that the extents belong in, in their order.
    pub fn extents(&mut self) -> Vec<&mut [u8]> {
        self.0.arena.extents_mut()
    }

    /// Puts the rest into an engine whose memory has been filled.
    pub fn finish(self, thawed: Thawed) -> Result<Engine, String> {
        let mut engine = self.0;
        for (reference, owned) in thawed.owned {
            let wrong = || format!("the item at {reference} owns something it cannot own");
            if !engine.arena.is_live(reference) {
                return Err(wrong());
            }
            let layout = Layout::of(engine.arena.bytes(reference));
            let slot = engine.arena.slot_mut(reference);
            match owned {
                Owned::Key(key) if layout.has_large_key() => {
                    engine.bytes_large += bytes_resident_for(key.len()) as u64;
                    layout.write_large_key(slot, key);
                }
                Owned::Value(value) if layout.kind() == KIND_LARGE => {
                    engine.bytes_large += bytes_resident_for(value.len()) as u64;
                    layout.write_large_value(slot, value);
                }
                Owned::Collection(collection) if layout.kind() == KIND_COLLECTION => {
                    engine.bytes_collections += collection.heap_bytes() as u64;
                    layout.write_collection(slot, collection);
                }
                _ => return Err(wrong()),
            }
        }
        engine.field_expiries = thawed.field_expiries;
        engine.tokens = thawed.tokens;
        engine.leases = thawed.leases;
        engine.tags = thawed.tags;
        engine.eviction = thawed.eviction;
        let dictionaries = thawed.databases.iter();
        let bytes = dictionaries.map(|database| database.dictionary.bytes() as u64);
        engine.bytes_dictionaries = bytes.sum();
        engine.sweep.note(engine.arena.expiry_min_of_all());
        engine.databases = thawed.databases;
        engine.arena.warm_up_next();
        Ok(engine)
    }
}

impl Rest {
    /// Reads all blocks that are left. Nothing of it looks at the pages' memory.
    pub fn read(self, input: &mut In<'_>) -> Result<Thawed, String> {
        let mut databases = Vec::new();
        for _ in 0..self.databases {
            let expiring = input.u64()? as usize;
            let expiry_sum = i128::from_le_bytes(input.array()?);
            let dictionary = super::Dictionary::thaw(input, self.pages)?;
            databases.push(Database {
                dictionary,
                expiring,
                expiry_sum,
            });
        }
        let entries = databases.iter().map(|database| database.dictionary.len());
        if entries.sum::<usize>() != self.items {
            return Err("its dictionaries and pages have different numbers of items".into());
        }
        let field_expiries = FieldExpiries::thaw(input)?;
        let tokens = Tokens::thaw(input)?;
        let leases = Leases::thaw(input)?;
        let tags = Tags::thaw(input, self.databases, &self.names)?;
        let eviction = Eviction::thaw(input, &self.eviction, self.seed, self.items)?;
        let mut owned = Vec::new();
        loop {
            let owns = input.byte()?;
            if owns == OWNS_NO_MORE {
                break;
            }
            let reference = input.u32()?;
            let what = match owns {
                OWNS_KEY => Owned::Key(large(input)?),
                OWNS_VALUE => Owned::Value(large(input)?),
                OWNS_COLLECTION => Owned::Collection(Collection::thaw(input, &self.elements)?),
                _ => return Err("an item owns something unknown".into()),
            };
            owned.push((reference, what));
        }
        match input.is_at_end() {
            true => Ok(Thawed {
                databases,
                field_expiries,
                tokens,
                leases,
                tags,
                eviction,
                owned,
            }),
            false => Err("it goes on behind its end".into()),
        }
    }
}

fn large(input: &mut In<'_>) -> Result<LargeBytes, String> {
    let len = input.count()? as usize;
    let mut buffer = LargeBuffer::zeroed(len).map_err(|_| "no memory for a large value")?;
    input.fill(buffer.as_mut_slice())?;
    Ok(buffer.freeze())
}

const _: () = assert!(item::HEAD_BYTES == 6, "a changed record needs another FORM");
