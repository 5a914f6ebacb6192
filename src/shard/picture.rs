//! The keys of a shard as they were at one moment, given out bit by bit while commands go on changing them.
//!
//! Never: does I/O, looks at a clock, or copies what nobody changes. The decision worth knowing: a walk gives out all keys in the order of their places. A command that is about to change
//! one whose turn has not come gives that out first, as it still is, and leaves a mark, so that the walk passes over what is there then, which may be a key that is new. What it takes is
//! a mark of some 10 to 20 bytes for each key changed before its turn, and what was given out and has not been taken. A key that goes without a command about it, because memory is short, its time is
//! over or a tag is dropped, is not given out any more.

use super::journal::for_keys_here;
use super::locks::Ticket;
use crate::command::dump::pieces::{Form, Pieces, Progress, is_large};
use crate::command::dump::{Payload, VERSION_7_0, VERSION_7_4, rdb_value};
use crate::command::table::Command;
use crate::engine::{Engine, Item, Key, Policy, Touch, Type, Value};
use crate::protocol::args::Args;
use foldhash::HashSet;
use std::collections::VecDeque;

/// Keys looked for at a time: the fewest, and the most where values are short.
const KEYS_AT_A_TIME: (usize, usize) = (2, 16);
/// So many bytes at a time are few.
const FEW_BYTES: usize = 4 << 10;
/// A batch is full when it has so many keys, or so many bytes.
const BATCH_KEYS: usize = 128;
/// See [`BATCH_KEYS`].
const BATCH_BYTES: usize = 256 << 10;
/// Bytes of a large value that is given out at once: between two steps.
const STEP_BYTES: usize = 1 << 20;
/// To give out a value of so many bytes at once takes the better part of a millisecond.
const SLOW_BYTES_MIN: usize = 512 << 10;
/// Bytes of a mark: a hash, a tag, and the room that a table keeps free, about.
const MARK_BYTES: usize = 10;
/// Parts of the marks of a database: when one needs more room, only its own are put into another place.
const PARTS: usize = 1 << PARTS_BITS;
/// See [`PARTS`].
const PARTS_BITS: u32 = 8;

/// A key as it goes into a file of Redis' format.
pub struct Written {
    /// Its name.
    pub key: Box<[u8]>,
    /// When it expires, Unix milliseconds.
    pub expires_at_ms: Option<i64>,
    /// For how many seconds it was not used, if keys are evicted by that.
    pub idle_s: Option<u64>,
    /// How often it was used, if keys are evicted by that.
    pub frequency: Option<u8>,
    /// Its value.
    pub value: Payload,
}

/// Keys of one database.
pub struct Batch {
    /// The database.
    pub db: usize,
    /// The keys.
    pub keys: Vec<Written>,
    bytes: usize,
}

impl Batch {
    fn is_full(&self) -> bool {
        self.keys.len() >= BATCH_KEYS || self.bytes >= BATCH_BYTES
    }
}

/// A key whose value is so large that it is to be given out in pieces.
pub struct LargeKey {
    /// The database.
    pub db: usize,
    /// The key.
    pub key: Box<[u8]>,
    /// What is held of it already, for somebody who waits to change it.
    pub hold: Option<Ticket>,
}

/// Hashes of keys of one database that the walk is to pass over.
#[derive(Default, Clone)]
struct Marks {
    /// None, or all of them; by the hash's highest bits.
    parts: Vec<HashSet<u64>>,
}

impl Marks {
    fn part(hash: u64) -> usize {
        (hash >> (u64::BITS - PARTS_BITS)) as usize
    }

    fn has(&self, hash: u64) -> bool {
        let part = self.parts.get(Marks::part(hash));
        part.is_some_and(|part| part.contains(&hash))
    }

    fn insert(&mut self, hash: u64) {
        if self.parts.is_empty() {
            self.parts.resize_with(PARTS, HashSet::default);
        }
        self.parts[Marks::part(hash)].insert(hash);
    }

    /// Whether it was there.
    fn remove(&mut self, hash: u64) -> bool {
        let part = self.parts.get_mut(Marks::part(hash));
        part.is_some_and(|part| part.remove(&hash))
    }

    fn bytes(&self) -> usize {
        let capacities = self.parts.iter().map(HashSet::capacity);
        capacities.sum::<usize>() * MARK_BYTES + size_of_val(&*self.parts)
    }
}

/// See the module.
pub struct Picture {
    /// Keys are evicted by how long they have not been used.
    is_by_age: bool,
    /// Where the walk is: at this cursor of this database.
    db: usize,
    cursor: u64,
    keys_at_a_time: usize,
    /// The marks, of each database: hashes of keys that the walk has not come to.
    changed: Vec<Marks>,
    /// Large values, in the order in which they are to be given out. Those that have been are not in `owed` any more.
    large: VecDeque<LargeKey>,
    /// Databases and hashes of large values that are still to be given out though the walk has passed them, or has to.
    owed: HashSet<(usize, u64)>,
    ready: VecDeque<Batch>,
    ready_bytes: usize,
    /// All keys of a database have gone elsewhere: there is no such moment any more.
    is_void: bool,
}

impl Picture {
    /// Of all keys as they are now; what is said of how they were used goes by the policy.
    pub fn begin(engine: &Engine, policy: Policy) -> Picture {
        Picture {
            is_by_age: matches!(policy, Policy::AllKeysLru | Policy::VolatileLru),
            db: 0,
            cursor: 0,
            keys_at_a_time: KEYS_AT_A_TIME.0,
            changed: vec![Marks::default(); engine.databases()],
            large: VecDeque::new(),
            owed: HashSet::default(),
            ready: VecDeque::new(),
            ready_bytes: 0,
            is_void: false,
        }
    }

    /// A command is about to run here.
    #[cold]
    pub fn before(
        &mut self,
        row: &Command,
        args: &Args<'_>,
        db: usize,
        shard: (usize, usize),
        engine: &mut Engine,
    ) {
        match row.name {
            "flushall" | "flushdb" | "swapdb" => self.void(),
            // They may change the key of this name in another database.
            "move" | "copy" => for_keys_here(row, args, false, shard, &mut |bytes| {
                (0..engine.databases()).for_each(|db| self.before_key(engine, db, bytes));
            }),
            _ => for_keys_here(row, args, false, shard, &mut |bytes| {
                self.before_key(engine, db, bytes);
            }),
        }
    }

    /// A key is about to be changed.
    pub fn before_key(&mut self, engine: &mut Engine, db: usize, bytes: &[u8]) {
        let key = engine.key(db, bytes);
        if !self.is_void && self.is_owed(engine, &key) {
            self.mark(engine, &key);
            self.owed.remove(&(db, key.hash));
            if let Some(item) = engine.find(&key, Touch::No) {
                self.give(engine, db, item);
            }
        }
    }

    /// What there was cannot be given out any more.
    pub fn void(&mut self) {
        self.is_void = true;
    }

    /// Whether that is so.
    pub fn is_void(&self) -> bool {
        self.is_void
    }

    /// Whether a key, if there is one, is still to be given out.
    fn is_owed(&self, engine: &Engine, key: &Key<'_>) -> bool {
        let is_ahead = !self.has_passed(engine, key) && !self.changed[key.db].has(key.hash);
        is_ahead || !self.owed.is_empty() && self.owed.contains(&(key.db, key.hash))
    }

    fn has_passed(&self, engine: &Engine, key: &Key<'_>) -> bool {
        key.db < self.db || key.db == self.db && engine.is_before_cursor(key, self.cursor)
    }

    /// The walk is to pass over what there is under this name.
    fn mark(&mut self, engine: &Engine, key: &Key<'_>) {
        if !self.has_passed(engine, key) {
            self.changed[key.db].insert(key.hash);
        }
    }

    /// Goes a few keys on.
    pub fn walk(&mut self, engine: &mut Engine) {
        let (db, before) = (self.db, self.ready_bytes);
        let next = engine.scan(db, self.cursor, self.keys_at_a_time, &mut |engine, item| {
            let key = engine.key(db, engine.key_bytes(item));
            if self.changed[db].remove(key.hash) {
                // It is another one than it was, or was given out before it changed.
            } else if is_large(engine, item) {
                self.set_aside(&key);
            } else {
                let written = self.written(engine, item);
                self.put(db, written);
            }
        });
        // A call of the scan costs as much as some keys.
        let (fewest, most) = KEYS_AT_A_TIME;
        self.keys_at_a_time = match self.ready_bytes - before <= FEW_BYTES {
            true => most.min(2 * self.keys_at_a_time),
            false => fewest,
        };
        self.cursor = next;
        if next == 0 {
            self.changed[db] = Marks::default();
            self.db += 1;
        }
    }

    /// Whether the walk has come to its end.
    pub fn is_walked(&self) -> bool {
        self.db == self.changed.len()
    }

    /// A key without its value.
    pub fn head(&self, engine: &Engine, item: Item) -> Written {
        Written {
            key: engine.key_bytes(item).into(),
            expires_at_ms: engine.expiry(item),
            idle_s: self.is_by_age.then(|| engine.idle_ms(item) / 1000),
            frequency: engine.frequency(item),
            value: Payload::default(),
        }
    }

    fn written(&self, engine: &Engine, item: Item) -> Written {
        // A stream says to Redis 7.0 what it knows; a hash says when its fields expire, if any do.
        let version = match engine.type_of(item) {
            Type::Hash => VERSION_7_4,
            _ => VERSION_7_0,
        };
        let value =
            rdb_value(engine, item, version).expect("the type is the one that it was asked for");
        Written {
            value,
            ..self.head(engine, item)
        }
    }

    /// Gives a key out as it is, however large.
    pub fn give(&mut self, engine: &mut Engine, db: usize, item: Item) {
        if !is_large(engine, item) {
            let written = self.written(engine, item);
            return self.put(db, written);
        }
        let head = self.head(engine, item);
        let mut value = Vec::new();
        let (mut pieces, _) = Pieces::begin(engine, db, item, Form::RdbPlain, &mut value);
        let mut progress = Progress::More;
        while progress == Progress::More {
            progress = pieces.step(engine, &mut value, STEP_BYTES);
        }
        if progress == Progress::End {
            let value = Payload::of(value);
            self.put(db, Written { value, ..head });
        }
    }

    fn put(&mut self, db: usize, written: Written) {
        let bytes = written.key.len() + written.value.plain().len();
        self.ready_bytes += bytes;
        match self.ready.back_mut() {
            Some(batch) if batch.db == db && !batch.is_full() => {
                batch.bytes += bytes;
                batch.keys.push(written);
            }
            _ => self.ready.push_back(Batch {
                db,
                keys: vec![written],
                bytes,
            }),
        }
    }

    /// Takes keys that were given out: a full batch, or with `all` any.
    pub fn take(&mut self, all: bool) -> Option<Batch> {
        if !all && !self.ready.front()?.is_full() {
            return None;
        }
        let batch = self.ready.pop_front()?;
        self.ready_bytes -= batch.bytes;
        Some(batch)
    }

    /// Bytes of keys that were given out and have not been taken.
    pub fn ready_bytes(&self) -> usize {
        self.ready_bytes
    }

    /// Bytes that it takes, about.
    pub fn bytes(&self) -> usize {
        let marks = self.changed.iter().map(Marks::bytes);
        self.ready_bytes + marks.sum::<usize>()
    }

    /// Whether it would take long to give out a key that is about to be changed.
    pub fn is_slow(&self, engine: &mut Engine, db: usize, bytes: &[u8]) -> bool {
        let key = engine.key(db, bytes);
        if self.is_void || !self.is_owed(engine, &key) {
            return false;
        }
        let item = engine.find(&key, Touch::No);
        item.is_some_and(|item| match engine.value(item) {
            Value::Large(text) => text.len() >= SLOW_BYTES_MIN,
            Value::Collection(collection) => collection.heap_bytes() >= SLOW_BYTES_MIN,
            _ => false,
        })
    }

    /// A key is to be given out before the others, because somebody waits to change it.
    pub fn put_first(&mut self, engine: &Engine, db: usize, bytes: &[u8], hold: Ticket) {
        let key = engine.key(db, bytes);
        self.mark(engine, &key);
        self.owed.insert((db, key.hash));
        self.large.push_front(LargeKey {
            db,
            key: bytes.into(),
            hold: Some(hold),
        });
    }

    /// The next large value to be given out.
    pub fn next_large(&self) -> Option<&LargeKey> {
        self.large.front()
    }

    /// Takes it, and says whether it has not been given out yet.
    pub fn take_large(&mut self, engine: &Engine) -> Option<(LargeKey, bool)> {
        let next = self.large.pop_front()?;
        let hash = engine.key(next.db, &next.key).hash;
        let is_owed = self.owed.remove(&(next.db, hash));
        Some((next, is_owed))
    }

    /// It has not been given out, and comes later.
    pub fn put_back_large(&mut self, engine: &Engine, db: usize, bytes: &[u8]) {
        self.set_aside(&engine.key(db, bytes));
    }

    fn set_aside(&mut self, key: &Key<'_>) {
        self.owed.insert((key.db, key.hash));
        self.large.push_back(LargeKey {
            db: key.db,
            key: key.bytes.into(),
            hold: None,
        });
    }

    /// The next large value comes later: its key cannot be held.
    pub fn put_off_large(&mut self) {
        if let Some(next) = self.large.pop_front() {
            self.large.push_back(next);
        }
    }

    /// What is held of values whose turn has not come.
    pub fn holds(&self) -> impl Iterator<Item = Ticket> {
        self.large.iter().filter_map(|large| large.hold)
    }

    /// Takes one of those.
    pub fn take_hold(&mut self) -> Option<Ticket> {
        self.large.iter_mut().find_map(|large| large.hold.take())
    }
}
