//! Fields of hashes that have expired: removing them in the background, and the hash as soon as none is left.
//!
//! An index has the earliest expiry of a field for each hash that has one, with the item's reference. It is always true to the items: whoever
//! writes, moves or frees an item says so here, and a large hash is out of the index while it is taken out of its item to be changed.
//! It never decides whether a field is visible, which the hash does by the time it is told. A hash all of whose fields have expired is as little there as a key that has expired,
//! for every look-up and at that very moment: when the background comes to it makes no difference, so that a log run again, where no background works, finds the same.
//!
//! The one decision worth knowing: an item's time in the index is not kept anywhere, but read off the hash again. So an entry is 16 bytes, a hash
//! whose fields do not expire has none, and as long as nobody uses expiries of fields every write pays one comparison.

use super::frozen::{In, Out};
use super::item;
use super::store::{Payload, Record};
use super::value::Stored;
use super::value::hash::Hash;
use super::{Engine, EventClass, Item, Key, Kind, Type};
use std::collections::BTreeSet;
use std::io;

/// Bytes of the index per hash: its nodes have room for eleven keys of 16 bytes and are about two thirds full.
const INDEX_BYTES_EACH: u64 = 32;
/// Fields of one hash removed at a time.
const FIELDS_AT_ONCE: usize = 64;
/// Steps of removing one field, and of putting the rest of a hash back.
const FIELD_UNITS: usize = 4;
/// See [`FIELD_UNITS`].
const HASH_UNITS: usize = 8;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct FieldExpiries {
    /// Unix time in milliseconds, and the item's reference.
    index: BTreeSet<(i64, u32)>,
    /// Nothing in the index is earlier than this.
    earliest_ms: i64,
}

impl FieldExpiries {
    /// Bytes allocated, about.
    #[inline]
    pub(super) fn bytes(&self) -> u64 {
        self.index.len() as u64 * INDEX_BYTES_EACH
    }

    /// Whether a field may have expired: not for long after [`FieldExpiries::look`] if none has.
    #[inline]
    pub(super) fn may_be_due(&self, now_ms: i64) -> bool {
        self.earliest_ms <= now_ms
    }

    /// Finds out when a field expires next.
    pub(super) fn look(&mut self) {
        self.earliest_ms = self.index.first().map_or(i64::MAX, |&(time, _)| time);
    }

    fn insert(&mut self, time: i64, item: Item) {
        self.index.insert((time, item.0));
        self.earliest_ms = self.earliest_ms.min(time);
    }

    /// Writes the index.
    pub(super) fn freeze(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.count(self.index.len() as u64)?;
        for &(time, reference) in &self.index {
            out.i64(time)?;
            out.u32(reference)?;
        }
        Ok(())
    }

    /// See [`FieldExpiries::freeze`].
    pub(super) fn thaw(input: &mut In<'_>) -> Result<FieldExpiries, String> {
        let entries = (0..input.count()?).map(|_| Ok((input.i64()?, input.u32()?)));
        let mut expiries = FieldExpiries {
            index: entries.collect::<Result<_, String>>()?,
            earliest_ms: 0,
        };
        expiries.look();
        Ok(expiries)
    }

    #[cfg(test)]
    pub(super) fn entries(&self) -> impl Iterator<Item = (i64, u32)> {
        self.index.iter().copied()
    }
}

impl Engine {
    /// The earliest expiry of a field of an item, past ones included; None for what is no hash.
    pub(super) fn first_field_expiry(&self, item: Item) -> Option<i64> {
        self.view::<Hash>(item).ok()?.next_expiry()
    }

    /// An item was written.
    pub(super) fn note_fields(&mut self, item: Item) {
        if let Some(time) = self.first_field_expiry(item) {
            self.field_expiries.insert(time, item);
        }
    }

    /// An item will be written over, freed, or its collection taken out.
    #[inline]
    pub(super) fn forget_fields(&mut self, item: Item) {
        if !self.field_expiries.index.is_empty() {
            self.forget_indexed(item);
        }
    }

    fn forget_indexed(&mut self, item: Item) {
        if let Some(time) = self.first_field_expiry(item) {
            self.field_expiries.index.remove(&(time, item.0));
        }
    }

    /// A record was copied into another slot, and is there from now on.
    pub(super) fn move_fields(&mut self, from: Item, to: Item) {
        let index = &self.field_expiries.index;
        if !index.is_empty()
            && let Some(time) = self.first_field_expiry(to)
            && self.field_expiries.index.remove(&(time, from.0))
        {
            self.field_expiries.insert(time, to);
        }
    }

    /// Whether an item is a hash that all fields have left. With background expiry turned off (DEBUG SET-ACTIVE-EXPIRE) nobody is told so, as in Redis: fields go when they are asked for.
    #[inline]
    pub(super) fn is_spent(&self, item: Item) -> bool {
        self.field_expiries.may_be_due(self.now_ms) && self.all_fields_expired(item)
    }

    #[cold]
    fn all_fields_expired(&self, item: Item) -> bool {
        self.spent_at(item).is_some_and(|time| time <= self.now_ms)
    }

    /// When an item will be spent; None if it is no hash, or not all of its fields expire.
    fn spent_at(&self, item: Item) -> Option<i64> {
        let hash = self.view::<Hash>(item).ok()?;
        hash.last_expiry().filter(|_| self.active_expiry())
    }

    /// When an item ceases to be there if nothing is done to it; None if it stays.
    pub(super) fn vanishes_at(&self, item: Item) -> Option<i64> {
        let times = [self.expiry(item), self.spent_at(item)];
        times.into_iter().flatten().min()
    }

    /// Deletes such a hash.
    #[cold]
    pub(super) fn delete_spent(&mut self, db: usize, hash: u64, item: Item) {
        let fields = self
            .view::<Hash>(item)
            .expect("only a hash has fields")
            .len();
        self.expired_fields += fields as u64;
        self.notify_item(EventClass::Hash, "hexpired", db, item.0);
        self.notify_item(EventClass::Generic, "del", db, item.0);
        self.delete(db, hash, item.0);
    }

    /// Whether there are fields to remove now.
    #[inline]
    pub(super) fn fields_are_due(&self) -> bool {
        !self.keeps_fields && self.active_expiry() && self.due_fields().is_some()
    }

    fn due_fields(&self) -> Option<Item> {
        let &(time, reference) = self.field_expiries.index.first()?;
        (time <= self.now_ms).then_some(Item(reference))
    }

    /// Removes expired fields for about `units` steps; returns how many it took.
    pub(super) fn expire_fields(&mut self, units: usize) -> usize {
        let mut taken = 0;
        while taken < units
            && let Some(item) = self.due_fields()
        {
            taken += self.expire_fields_of(item);
        }
        taken
    }

    /// Removes some expired fields of one hash, or the hash if all have; the steps it took.
    fn expire_fields_of(&mut self, item: Item) -> usize {
        let hash = self.hash(item.0);
        let found = self
            .databases
            .iter()
            .position(|database| database.dictionary.contains(hash, item.0));
        let Some(db) = found else {
            // It was flushed, and will be freed as a whole.
            self.forget_fields(item);
            return 1;
        };
        let has_expired = |expiry| expiry <= self.now_ms;
        if self.expiry(item).is_some_and(has_expired) || self.is_doomed(db, item.0) {
            self.delete_found(item.0, false);
            return HASH_UNITS;
        }
        if self.is_spent(item) {
            self.delete_spent(db, hash, item);
            return HASH_UNITS;
        }
        let mut value = self
            .take_out::<Hash>(item)
            .expect("only hashes are indexed");
        let before = value.heap_bytes() as u64;
        let removed = value.expire_due(self.now_ms, FIELDS_AT_ONCE, |_| {});
        assert!(removed > 0, "the index is true to the items");
        self.expired_fields += removed as u64;
        self.notify_item(EventClass::Hash, "hexpired", db, item.0);
        let after = value.heap_bytes() as u64;
        self.bytes_collections = self.bytes_collections + after - before;
        self.item_changed(db, hash, item.0);
        self.put_rest_back(db, hash, item, value);
        HASH_UNITS + removed * FIELD_UNITS
    }

    /// Puts a hash that has lost fields back into its item, which does not count as a use.
    fn put_rest_back(&mut self, db: usize, hash: u64, item: Item, value: Hash) {
        let run = match value.into_large() {
            Ok(collection) => {
                *self.collection_mut(item) = collection;
                self.note_fields(item);
                return;
            }
            Err(run) => run,
        };
        let (layout, bytes) = self.layout(item);
        let (expiry, attributes) = (item::expiry(bytes), layout.attributes(bytes));
        let (short, long);
        let key_bytes: &[u8] = if layout.has_large_key() {
            long = layout.large_key(bytes).clone();
            long.as_slice()
        } else {
            short = layout.key(bytes).to_vec();
            &short
        };
        let key = Key {
            db,
            bytes: key_bytes,
            hash,
        };
        let record = Record {
            payload: Payload::Packed(Type::Hash, &run),
            expiry,
            attributes,
            used: false,
        };
        let placed = self.place(&key, Some(item), record);
        self.scratch = run;
        placed.expect("what gets shorter has room where it is");
    }
}
