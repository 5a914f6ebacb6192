//! Tags: names that items are given, by which any number of them are dropped at once.
//!
//! Dropping a tag takes its name away and marks it, whatever the number of its items; from then on no look-up finds them, and upkeep deletes
//! them in slices, as a look-up does that meets one. Never: tells who wrote what; a key is its hash and database, so that two keys with the same 64 bits
//! of hash share their tags, which costs a cache a miss at worst.
//!
//! The decision worth knowing: one record of 24 bytes joins a key and a tag, and is in a list of each. So an item knows nothing of its tags, tagging and
//! forgetting take the time of the key's tags whatever the tag's size, and while nobody uses tags a deletion pays one comparison, and a look-up one
//! while nothing is being dropped. A key keeps its tags through changes that would keep its time to live.

mod frozen;

use super::dict::Dictionary;
use super::slab::Slab;
use super::store::hash_of;
use super::{Engine, EventClass, Key};

/// Tags of one key.
pub const TAGS_PER_KEY_MAX: usize = 64;
/// Bytes of a tag's name.
pub const TAG_BYTES_MAX: usize = 512;
/// Items of a tag that are looked at to count those that are not being dropped already, with another tag.
const COUNTED_MAX: usize = 16 * 1024;
/// Items deleted in one step of upkeep.
const ITEMS_PER_STEP: usize = 16;
/// Steps of deleting one of them.
const ITEM_UNITS: usize = 5;
/// Tags of a flushed database released in one step, at about a unit each.
const TAGS_PER_STEP: usize = 64;
/// No record.
const NONE: u32 = u32::MAX;

/// A key has as many tags as it may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyTags;

/// That a key has a tag.
#[derive(Debug, Clone, Copy)]
struct Link {
    /// The key's.
    hash: u64,
    tag: u32,
    /// The key's next one.
    next_of_key: u32,
    /// The tag's next one, and its previous one.
    next: u32,
    previous: u32,
}

impl Default for Link {
    fn default() -> Link {
        Link {
            hash: 0,
            tag: NONE,
            next_of_key: NONE,
            next: NONE,
            previous: NONE,
        }
    }
}

#[derive(Debug, Default)]
struct Tag {
    name: Box<[u8]>,
    /// The name's.
    hash: u64,
    /// The link of the key that was tagged last.
    first: u32,
    /// How many keys have it.
    len: usize,
    is_dropped: bool,
}

/// The tags of one database.
#[derive(Debug, Default)]
struct Index {
    /// From a key's hash to its first link.
    keys: Dictionary,
    /// From a name's hash to the tag.
    names: Dictionary,
    /// Keys with a tag that was dropped; never too few, and too many only as [`Tags::live_of`] says.
    doomed: usize,
}

impl Index {
    fn bytes(&self) -> usize {
        self.keys.bytes() + self.names.bytes()
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tags {
    /// By database; empty until the first tag.
    databases: Vec<Index>,
    links: Slab<Link>,
    tags: Slab<Tag>,
    /// Tags that were dropped and still have items, with their databases.
    dropped: Vec<(usize, u32)>,
    /// Of flushed databases: to be released, with their dropped tags.
    flushed: Vec<(Index, Vec<u32>)>,
    /// Of names.
    bytes_names: usize,
    /// Of all indexes.
    bytes_indexes: usize,
}

impl Tags {
    /// Whether no key has any.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.links.len() == 0
    }

    /// Whether some items are being dropped.
    #[inline]
    pub(super) fn has_dropped(&self) -> bool {
        !self.dropped.is_empty()
    }

    /// Bytes allocated, for the memory limit.
    #[inline]
    pub(super) fn bytes(&self) -> u64 {
        (self.links.bytes() + self.tags.bytes() + self.bytes_names + self.bytes_indexes) as u64
    }

    /// Items of a database that are gone for every look-up, and are still to be deleted.
    #[inline]
    pub(super) fn doomed(&self, db: usize) -> usize {
        self.databases.get(db).map_or(0, |index| index.doomed)
    }

    /// Whether upkeep has something to do.
    pub(super) fn has_work(&self) -> bool {
        self.has_dropped() || !self.flushed.is_empty()
    }

    fn first_link(&self, db: usize, hash: u64) -> Option<u32> {
        let links = &self.links;
        let index = self.databases.get(db)?;
        index.keys.find(hash, |link| links.get(link).hash == hash)
    }

    /// The links of a key.
    fn links_of(&self, db: usize, hash: u64) -> impl Iterator<Item = &Link> {
        let mut next = self.first_link(db, hash).unwrap_or(NONE);
        std::iter::from_fn(move || {
            let link = (next != NONE).then(|| self.links.get(next))?;
            next = link.next_of_key;
            Some(link)
        })
    }

    /// Whether a key has a tag that was dropped.
    pub(super) fn is_doomed(&self, db: usize, hash: u64) -> bool {
        self.doomed(db) > 0
            && self
                .links_of(db, hash)
                .any(|link| self.tags.get(link.tag).is_dropped)
    }

    fn find(&self, db: usize, name: &[u8], hash: u64) -> Option<u32> {
        let index = self.databases.get(db)?;
        let is_it = |tag| *self.tags.get(tag).name == *name;
        index.names.find(hash, is_it)
    }

    /// How many of a tag's keys are not doomed. Only so many are looked at that a turn stays short; those beyond count as if they were not.
    fn live_of(&self, db: usize, tag: u32) -> usize {
        let record = self.tags.get(tag);
        let mut live = record.len;
        let (mut next, mut looked) = (record.first, 0);
        while self.doomed(db) > 0 && next != NONE && looked < COUNTED_MAX {
            let link = self.links.get(next);
            live -= usize::from(self.is_doomed(db, link.hash));
            (next, looked) = (link.next, looked + 1);
        }
        live
    }

    /// Does something to an index, and counts what it takes afterwards.
    fn with_index<R>(
        &mut self,
        db: usize,
        act: impl FnOnce(&mut Index, &Slab<Link>, &Slab<Tag>) -> R,
    ) -> R {
        let index = &mut self.databases[db];
        let before = index.bytes();
        let result = act(index, &self.links, &self.tags);
        self.bytes_indexes = self.bytes_indexes + index.bytes() - before;
        result
    }

    fn add(
        &mut self,
        db: usize,
        hash: u64,
        name: &[u8],
        name_hash: u64,
    ) -> Result<bool, TooManyTags> {
        assert!(name.len() <= TAG_BYTES_MAX, "the caller has looked");
        let found = self.find(db, name, name_hash);
        let (mut last, mut count) = (NONE, 0);
        let mut next = self.first_link(db, hash).unwrap_or(NONE);
        while next != NONE {
            let link = self.links.get(next);
            if Some(link.tag) == found {
                return Ok(false);
            }
            (last, next, count) = (next, link.next_of_key, count + 1);
        }
        if count >= TAGS_PER_KEY_MAX {
            return Err(TooManyTags);
        }
        let tag = found.unwrap_or_else(|| self.create(db, name, name_hash));
        let record = self.tags.get_mut(tag);
        let second = record.first;
        let link = self.links.insert(Link {
            hash,
            tag,
            next_of_key: NONE,
            next: second,
            previous: NONE,
        });
        record.first = link;
        record.len += 1;
        if second != NONE {
            self.links.get_mut(second).previous = link;
        }
        if last != NONE {
            self.links.get_mut(last).next_of_key = link;
        } else {
            self.with_index(db, |index, links, _| {
                let hash_of = |other| links.get(other).hash;
                index.keys.insert(hash, link, |_| {}, hash_of);
            });
        }
        Ok(true)
    }

    fn create(&mut self, db: usize, name: &[u8], hash: u64) -> u32 {
        self.bytes_names += name.len();
        let tag = self.tags.insert(Tag {
            name: name.into(),
            hash,
            first: NONE,
            len: 0,
            is_dropped: false,
        });
        self.with_index(db, |index, _, tags| {
            let hash_of = |other| tags.get(other).hash;
            index.names.insert(hash, tag, |_| {}, hash_of);
        });
        tag
    }

    /// Takes a tag's name away, so that nobody finds it.
    fn hide(&mut self, db: usize, tag: u32) {
        let hash = self.tags.get(tag).hash;
        let was_there = self.with_index(db, |index, _, tags| {
            index.names.remove(hash, tag, |other| tags.get(other).hash)
        });
        assert!(was_there, "a tag has a name until it is dropped");
    }

    fn release(&mut self, tag: u32) {
        self.bytes_names -= self.tags.remove(tag).name.len();
    }

    /// A key has no tags any more.
    #[cold]
    fn forget(&mut self, db: usize, hash: u64) {
        let Some(first) = self.first_link(db, hash) else {
            return;
        };
        self.with_index(db, |index, links, _| {
            let hash_of = |other| links.get(other).hash;
            index.keys.remove(hash, first, hash_of);
        });
        let (mut next, mut was_doomed) = (first, false);
        while next != NONE {
            let link = self.links.remove(next);
            next = link.next_of_key;
            if link.previous != NONE {
                self.links.get_mut(link.previous).next = link.next;
            } else {
                self.tags.get_mut(link.tag).first = link.next;
            }
            if link.next != NONE {
                self.links.get_mut(link.next).previous = link.previous;
            }
            let tag = self.tags.get_mut(link.tag);
            tag.len -= 1;
            was_doomed |= tag.is_dropped;
            // A dropped one is released by upkeep, which has it in its list.
            if tag.len == 0 && !tag.is_dropped {
                self.hide(db, link.tag);
                self.release(link.tag);
            }
        }
        let index = &mut self.databases[db];
        index.doomed = index.doomed.saturating_sub(usize::from(was_doomed));
    }

    /// Drops a tag; how many items that are not doomed yet have it.
    fn drop_tag(&mut self, db: usize, tag: u32) -> usize {
        self.hide(db, tag);
        let live = self.live_of(db, tag);
        self.tags.get_mut(tag).is_dropped = true;
        self.databases[db].doomed += live;
        self.dropped.push((db, tag));
        live
    }

    /// The database and the hash of some key with the tag that was dropped last. A tag without keys is released first.
    fn next_doomed(&mut self) -> Option<(usize, u64)> {
        while let Some(&(db, tag)) = self.dropped.last() {
            let first = self.tags.get(tag).first;
            if first != NONE {
                return Some((db, self.links.get(first).hash));
            }
            self.dropped.pop();
            self.release(tag);
            if !self.dropped.iter().any(|&(other, _)| other == db) {
                self.databases[db].doomed = 0;
            }
        }
        None
    }

    /// A database is empty: its tags are released later.
    pub(super) fn flush(&mut self, db: usize) {
        let Some(index) = self.databases.get_mut(db) else {
            return;
        };
        let index = std::mem::take(index);
        let is_its = |&mut (other, tag): &mut (usize, u32)| (other == db).then_some(tag);
        let dropped: Vec<u32> = self.dropped.iter_mut().filter_map(is_its).collect();
        self.dropped.retain(|&(other, _)| other != db);
        if index.bytes() > 0 {
            self.flushed.push((index, dropped));
        }
    }

    /// Two databases are exchanged.
    pub(super) fn swap(&mut self, a: usize, b: usize) {
        if self.databases.is_empty() {
            return;
        }
        self.databases.swap(a, b);
        for (db, _) in &mut self.dropped {
            *db = match *db {
                db if db == a => b,
                db if db == b => a,
                db => db,
            };
        }
    }

    /// Releases some of a flushed database's tags; returns the steps it took, None when nothing is left.
    pub(super) fn release_step(&mut self) -> Option<usize> {
        let (index, dropped) = self.flushed.last_mut()?;
        let (before, mut drained) = (index.bytes(), Vec::new());
        // All keys first: a tag's list is of no use without them.
        let of_keys = index.keys.drain_table(&mut drained);
        let mut names = Vec::new();
        if !of_keys && !index.names.drain_table(&mut names) {
            names = dropped.split_off(dropped.len().saturating_sub(TAGS_PER_STEP));
        }
        self.bytes_indexes = self.bytes_indexes + index.bytes() - before;
        if drained.is_empty() && names.is_empty() {
            self.flushed.pop();
            return Some(1);
        }
        let mut units = 1 + names.len();
        for first in drained {
            let mut next = first;
            while next != NONE {
                next = self.links.remove(next).next_of_key;
                units += 1;
            }
        }
        names.into_iter().for_each(|tag| self.release(tag));
        Some(units)
    }
}

impl Engine {
    /// Gives a key that is there a tag, a name of at most [`TAG_BYTES_MAX`] bytes; false when it has it already.
    pub fn add_tag(&mut self, key: &Key<'_>, name: &[u8]) -> Result<bool, TooManyTags> {
        if self.tags.databases.is_empty() {
            self.tags
                .databases
                .resize_with(self.databases.len(), Index::default);
        }
        let name_hash = self.hasher.hash(name);
        self.tags.add(key.db, key.hash, name, name_hash)
    }

    /// The tags of a key that is there, in the order in which it was given them.
    pub fn tags(&self, key: &Key<'_>) -> Vec<&[u8]> {
        let links = self.tags.links_of(key.db, key.hash);
        links
            .map(|link| &*self.tags.tags.get(link.tag).name)
            .collect()
    }

    /// [`Engine::tags`] as copies, which costs nothing while no key has any.
    pub fn tags_copied(&self, key: &Key<'_>) -> Vec<Box<[u8]>> {
        if self.tags.is_empty() {
            return Vec::new();
        }
        self.tags(key).into_iter().map(Box::from).collect()
    }

    /// Gives a key that is there the tags of another, which had no more than it may have.
    pub fn add_tags(&mut self, key: &Key<'_>, names: &[Box<[u8]>]) {
        for name in names {
            let added = self.add_tag(key, name);
            added.expect("another key had as many");
        }
    }

    /// How many items have a tag, those that have expired and were not collected yet included.
    pub fn tagged(&self, db: usize, name: &[u8]) -> usize {
        let tag = self.tags.find(db, name, self.hasher.hash(name));
        tag.map_or(0, |tag| self.tags.live_of(db, tag))
    }

    /// Deletes all items with a tag at once for every look-up, in a time that does not depend on their number; the memory comes back in [`Engine::upkeep`].
    /// Returns how many there were, as [`Engine::tagged`] counts them: while other tags are being dropped, only the first 16384 are looked at for whether they
    /// are gone with these already.
    pub fn drop_tag(&mut self, db: usize, name: &[u8]) -> usize {
        let tag = self.tags.find(db, name, self.hasher.hash(name));
        tag.map_or(0, |tag| self.tags.drop_tag(db, tag))
    }

    /// A key is gone, or holds something that has nothing to do with what it held.
    #[inline]
    pub(super) fn forget_tags(&mut self, db: usize, hash: u64) {
        if !self.tags.is_empty() {
            self.tags.forget(db, hash);
        }
    }

    /// Whether an item of a database was dropped with a tag.
    #[inline]
    pub(super) fn is_doomed(&self, db: usize, reference: u32) -> bool {
        self.tags.has_dropped() && self.tags.is_doomed(db, self.hash(reference))
    }

    /// Deletes an item that was dropped with a tag.
    #[cold]
    pub(super) fn delete_doomed(&mut self, db: usize, hash: u64, reference: u32) {
        self.notify_item(EventClass::Generic, "del", db, reference);
        if self.journaled.wants(EventClass::Expired) {
            let key: Box<[u8]> = self.key_bytes(super::Item(reference)).into();
            self.journaled
                .note(EventClass::Expired, "expired", db, &key);
        }
        self.delete(db, hash, reference);
    }

    /// Deletes some items that were dropped with their tags, or releases some tags of a flushed database; returns the steps it took, None when there are
    /// none.
    pub(super) fn drop_step(&mut self) -> Option<usize> {
        if !self.tags.has_work() {
            return None;
        }
        let mut deleted = 0;
        while deleted < ITEMS_PER_STEP
            && let Some((db, hash)) = self.tags.next_doomed()
        {
            let (arena, hasher) = (&self.arena, &self.hasher);
            let is_it = |reference| hash_of(arena, hasher, reference) == hash;
            let found = self.databases[db].dictionary.find(hash, is_it);
            self.delete_doomed(db, hash, found.expect("a key with tags is there"));
            deleted += 1;
        }
        match deleted {
            0 => Some(self.tags.release_step().unwrap_or(1)),
            _ => Some(deleted * ITEM_UNITS),
        }
    }
}

#[cfg(test)]
impl Engine {
    /// Every link is in both lists, every count is what a walk finds, and whatever has tags is there.
    pub(super) fn check_tags(&self) {
        let tags = &self.tags;
        let (mut links, mut names, mut bytes) = (0, 0, 0);
        for (db, index) in tags.databases.iter().enumerate() {
            let (mut firsts, mut of_db) = (Vec::new(), Vec::new());
            bytes += index.bytes();
            let mut cursor = 0;
            loop {
                let hash_of = |link| tags.links.get(link).hash;
                cursor = index.keys.scan(cursor, 1000, hash_of, &mut firsts);
                if cursor == 0 {
                    break;
                }
            }
            let hash_of = |tag| tags.tags.get(tag).hash;
            index.names.scan(0, usize::MAX / 2, hash_of, &mut of_db);
            assert_eq!(
                (firsts.len(), of_db.len()),
                (index.keys.len(), index.names.len())
            );
            let dropped = tags.dropped.iter().filter(|&&(other, _)| other == db);
            of_db.extend(dropped.map(|&(_, tag)| tag));
            let mut by_tag = std::collections::BTreeMap::<u32, usize>::new();
            let mut doomed = 0;
            for first in firsts {
                let hash = tags.links.get(first).hash;
                let is_it = |reference| self.hash(reference) == hash;
                let there = self.databases[db].dictionary.find(hash, is_it);
                assert!(there.is_some(), "a key with tags is there");
                let mut count = 0;
                for link in tags.links_of(db, hash) {
                    *by_tag.entry(link.tag).or_default() += 1;
                    (count, links) = (count + 1, links + 1);
                    assert_eq!(link.hash, hash);
                }
                assert!((1..=TAGS_PER_KEY_MAX).contains(&count));
                doomed += usize::from(tags.is_doomed(db, hash));
            }
            assert_eq!(doomed, index.doomed);
            for tag in of_db {
                let record = tags.tags.get(tag);
                bytes += record.name.len();
                names += 1;
                let (mut next, mut previous, mut len) = (record.first, NONE, 0);
                while next != NONE {
                    let link = tags.links.get(next);
                    assert_eq!((link.tag, link.previous), (tag, previous));
                    (previous, next, len) = (next, link.next, len + 1);
                }
                assert_eq!(len, record.len);
                assert_eq!(by_tag.get(&tag).copied().unwrap_or(0), len);
                assert!(record.is_dropped || len > 0, "a tag nobody has is gone");
            }
        }
        if tags.flushed.is_empty() {
            assert_eq!((links, names), (tags.links.len(), tags.tags.len()));
            assert_eq!(bytes, tags.bytes_names + tags.bytes_indexes);
        }
    }
}
