//! Keys that clients hold copies of (CLIENT TRACKING): who has read which, and which beginnings of names somebody wants to be told of.
//!
//! It never tells anybody: what has changed is put into a list, for the layers above to take after each command. A change costs one comparison while nobody tracks.
//! The decisions worth knowing: keys are known by their names alone, whatever the database, as clients cache them; a key is forgotten when it changes, since its readers are told once;
//! and there are never more keys than [`Engine::set_tracked_keys_max`] allows, for which others are forgotten as if they had changed.

use super::{Engine, Key};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::mem;

/// The table is cut into so many parts, so that none of them takes long to grow or to be freed.
const PARTS: usize = 1024;
/// A key that so many have read is forgotten, and they are told, before there are more.
const READERS_MAX: usize = 16 * 1024;
/// What freeing one part of the table costs at most, in units of upkeep.
const PART_UNITS: usize = 1000;
/// Keys forgotten for the limit in one step of upkeep, and what that costs.
const FORGOTTEN_AT_ONCE: usize = 16;
/// See [`FORGOTTEN_AT_ONCE`].
const FORGET_UNITS: usize = 100;

/// A client as all shards know it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Client {
    /// The shard that has its connection.
    pub shard: u32,
    /// The connection's token there, as one number.
    pub token: u64,
}

/// What is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A key has changed, or is gone, that these have read.
    Read(Box<[u8]>, BTreeSet<Client>),
    /// A key has changed, or is gone, whose name begins as somebody asked for.
    Named(Box<[u8]>),
    /// All keys of some database have.
    All,
}

type Part = HashMap<u64, Entry>;

#[derive(Debug)]
struct Entry {
    key: Box<[u8]>,
    readers: BTreeSet<Client>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Tracked {
    /// Whether there is anything: all that is looked at when there is not.
    is_in_use: bool,
    /// By the high bits of the keys' hashes; empty until the first key is read.
    parts: Vec<Part>,
    keys: usize,
    readers: usize,
    /// 0 for no limit.
    keys_max: usize,
    prefixes: Prefixes,
    changes: Vec<Change>,
    /// Parts whose keys are forgotten, to be freed.
    retired: Vec<Part>,
}

/// Beginnings of names, with those who want to be told of keys that begin so.
#[derive(Debug, Default)]
pub struct Prefixes {
    by_length: BTreeMap<usize, HashMap<Box<[u8]>, BTreeSet<Client>>>,
    len: usize,
}

fn part_of(hash: u64) -> usize {
    (hash >> 54) as usize % PARTS
}

impl Prefixes {
    /// Number of different ones.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Those that a name begins with, and who asked for each.
    pub fn of<'a>(
        &'a self,
        name: &'a [u8],
    ) -> impl Iterator<Item = (&'a [u8], &'a BTreeSet<Client>)> {
        let lengths = self.by_length.range(..=name.len());
        lengths.filter_map(|(&length, prefixes)| {
            let (prefix, clients) = prefixes.get_key_value(&name[..length])?;
            Some((&**prefix, clients))
        })
    }

    /// Who asked for one.
    pub fn clients(&self, prefix: &[u8]) -> Option<&BTreeSet<Client>> {
        self.by_length.get(&prefix.len())?.get(prefix)
    }

    fn insert(&mut self, prefix: &[u8], client: Client) {
        let prefixes = self.by_length.entry(prefix.len()).or_default();
        let clients = prefixes.entry(prefix.into()).or_default();
        self.len += usize::from(clients.is_empty());
        clients.insert(client);
    }

    fn remove(&mut self, prefix: &[u8], client: Client) {
        let Some(prefixes) = self.by_length.get_mut(&prefix.len()) else {
            return;
        };
        let Some(clients) = prefixes.get_mut(prefix) else {
            return;
        };
        clients.remove(&client);
        if clients.is_empty() {
            prefixes.remove(prefix);
            self.len -= 1;
            if prefixes.is_empty() {
                self.by_length.remove(&prefix.len());
            }
        }
    }
}

impl Engine {
    /// A client has read a key, and is to be told when it changes.
    pub fn track(&mut self, key: &Key<'_>, client: Client) {
        let tracked = &mut self.tracked;
        if tracked.parts.is_empty() {
            tracked.parts.resize_with(PARTS, Part::new);
        }
        let (mut is_other, mut is_full) = (false, false);
        if let Some(entry) = tracked.parts[part_of(key.hash)].get(&key.hash) {
            is_other = *entry.key != *key.bytes;
            is_full = entry.readers.len() >= READERS_MAX && !entry.readers.contains(&client);
        }
        if is_other || is_full {
            tracked.tell(key.hash);
        }
        let part = &mut tracked.parts[part_of(key.hash)];
        let entry = part.entry(key.hash).or_insert_with(|| {
            tracked.keys += 1;
            Entry {
                key: key.bytes.into(),
                readers: BTreeSet::new(),
            }
        });
        tracked.readers += usize::from(entry.readers.insert(client));
        tracked.is_in_use = true;
        // One more than was added, so that a limit that was lowered is reached in time.
        self.forget_tracked(2);
    }

    /// A client is to be told of all changes to keys whose names begin so.
    pub fn track_prefix(&mut self, prefix: &[u8], client: Client) {
        self.tracked.prefixes.insert(prefix, client);
        self.tracked.is_in_use = true;
    }

    /// It is no longer.
    pub fn untrack_prefix(&mut self, prefix: &[u8], client: Client) {
        self.tracked.prefixes.remove(prefix, client);
        self.tracked.note_use();
    }

    /// The beginnings of names that are asked for.
    pub fn tracked_prefixes(&self) -> &Prefixes {
        &self.tracked.prefixes
    }

    /// Keys that are tracked, and the readers of all of them.
    pub fn tracked_counts(&self) -> (usize, usize) {
        (self.tracked.keys, self.tracked.readers)
    }

    /// How many keys may be tracked here; 0 for any number.
    pub fn set_tracked_keys_max(&mut self, keys_max: usize) {
        self.tracked.keys_max = keys_max;
    }

    /// Whether there is something to be told.
    #[inline]
    pub fn has_changes(&self) -> bool {
        !self.tracked.changes.is_empty()
    }

    /// What is to be told, in its order.
    pub fn take_changes(&mut self) -> Vec<Change> {
        mem::take(&mut self.tracked.changes)
    }

    /// A key has changed, or is gone.
    #[inline]
    pub(super) fn tracked_key_changed(&mut self, key: &Key<'_>) {
        if self.tracked.is_in_use {
            self.tracked.changed(key.hash, key.bytes);
        }
    }

    /// The same for the key of an item.
    #[inline]
    pub(super) fn tracked_item_changed(&mut self, hash: u64, item: u32) {
        if self.tracked.is_in_use {
            let key: Box<[u8]> = self.key_bytes(super::Item(item)).into();
            self.tracked.changed(hash, &key);
        }
    }

    /// All keys of some database have changed: all are forgotten, since nobody knows of which database those are that were read.
    pub(super) fn all_tracked_changed(&mut self) {
        let tracked = &mut self.tracked;
        // FLUSHALL empties one database after the other.
        if tracked.changes.last() != Some(&Change::All) {
            tracked.changes.push(Change::All);
        }
        let parts = mem::take(&mut tracked.parts);
        let filled = parts.into_iter().filter(|part| part.capacity() > 0);
        tracked.retired.extend(filled);
        (tracked.keys, tracked.readers) = (0, 0);
        tracked.note_use();
    }

    /// Forgets keys above the limit, so many at most, as if they had changed. Whether there were any.
    fn forget_tracked(&mut self, count_max: usize) -> bool {
        let mut any = false;
        for _ in 0..count_max {
            if !self.tracked.is_above_limit() {
                break;
            }
            any = true;
            let first = self.random.below(PARTS);
            let mut parts = (0..PARTS).map(|step| &self.tracked.parts[(first + step) % PARTS]);
            let hash = parts.find_map(|part| part.keys().next().copied());
            self.tracked.tell(hash.expect("some part has keys"));
        }
        any
    }

    /// A slice of what is to be done in the background, and its units.
    pub(super) fn tracked_step(&mut self) -> Option<usize> {
        if self.tracked.retired.pop().is_some() {
            return Some(PART_UNITS);
        }
        self.forget_tracked(FORGOTTEN_AT_ONCE)
            .then_some(FORGET_UNITS)
    }

    /// Whether there is something to be done in the background.
    pub(super) fn has_tracked_work(&self) -> bool {
        !self.tracked.retired.is_empty() || self.tracked.is_above_limit()
    }
}

impl Tracked {
    fn is_above_limit(&self) -> bool {
        self.keys_max > 0 && self.keys > self.keys_max
    }

    fn note_use(&mut self) {
        self.is_in_use = self.keys > 0 || !self.prefixes.is_empty();
    }

    #[cold]
    fn changed(&mut self, hash: u64, key: &[u8]) {
        if self.prefixes.of(key).next().is_some() {
            self.changes.push(Change::Named(key.into()));
        }
        self.tell(hash);
    }

    /// Forgets a key, if it is here, and puts it into the list.
    fn tell(&mut self, hash: u64) {
        let part = self.parts.get_mut(part_of(hash));
        if let Some(Entry { key, readers }) = part.and_then(|part| part.remove(&hash)) {
            self.keys -= 1;
            self.readers -= readers.len();
            self.changes.push(Change::Read(key, readers));
            self.note_use();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{engine, read, write};
    use super::*;

    fn client(token: u64) -> Client {
        Client { shard: 1, token }
    }

    fn track(engine: &mut Engine, key: &str, token: u64) {
        engine.track(&engine.key(0, key.as_bytes()), client(token));
    }

    fn told(engine: &mut Engine) -> Vec<String> {
        let text = |key: &[u8]| String::from_utf8(key.to_vec()).unwrap();
        let changes = engine.take_changes().into_iter();
        let line = |change| match change {
            Change::Read(key, readers) => {
                let tokens: Vec<u64> = readers.iter().map(|reader| reader.token).collect();
                format!("{} to {tokens:?}", text(&key))
            }
            Change::Named(key) => format!("{} by name", text(&key)),
            Change::All => "all".into(),
        };
        changes.map(line).collect()
    }

    #[test]
    fn readers_are_told_once() {
        let mut engine = engine();
        write(&mut engine, b"a", b"1");
        assert!(!engine.has_changes());
        for (key, token) in [("a", 3), ("a", 2), ("b", 2), ("a", 3)] {
            track(&mut engine, key, token);
        }
        assert_eq!(engine.tracked_counts(), (2, 3));
        write(&mut engine, b"a", b"2");
        write(&mut engine, b"a", b"3");
        write(&mut engine, b"c", b"1");
        assert_eq!(told(&mut engine), ["a to [2, 3]"]);
        assert_eq!(engine.tracked_counts(), (1, 1));
        let key = engine.key(2, b"b");
        engine.remove(&key);
        assert!(!engine.has_changes(), "it is not there");
        write(&mut engine, b"b", b"1");
        assert_eq!(told(&mut engine), ["b to [2]"]);
    }

    #[test]
    fn expiry_and_eviction_are_changes() {
        let mut engine = engine();
        let key = engine.key(0, b"a");
        write(&mut engine, b"a", b"1");
        track(&mut engine, "a", 1);
        engine.set_expiry(&key, Some(2_000_000)).unwrap();
        assert_eq!(told(&mut engine), ["a to [1]"]);
        track(&mut engine, "a", 1);
        engine.set_expiry(&key, Some(2_000_000)).unwrap();
        assert!(!engine.has_changes(), "it was so before");
        engine.set_now(2_000_000);
        assert_eq!(read(&mut engine, 0, b"a"), None);
        assert_eq!(told(&mut engine), ["a to [1]"]);
    }

    #[test]
    fn names_are_told_by_their_beginnings() {
        let mut engine = engine();
        engine.track_prefix(b"user:", client(1));
        engine.track_prefix(b"user:", client(2));
        engine.track_prefix(b"u", client(1));
        assert_eq!(engine.tracked_prefixes().len(), 2);
        for key in ["user:1", "use", "x"] {
            write(&mut engine, key.as_bytes(), b"1");
        }
        assert_eq!(told(&mut engine), ["user:1 by name", "use by name"]);
        let of = engine.tracked_prefixes().of(b"user:1");
        let of: Vec<usize> = of.map(|(_, clients)| clients.len()).collect();
        assert_eq!(of, [1, 2]);
        engine.untrack_prefix(b"u", client(1));
        engine.untrack_prefix(b"user:", client(1));
        engine.untrack_prefix(b"user:", client(2));
        assert!(engine.tracked_prefixes().is_empty());
        write(&mut engine, b"user:1", b"2");
        assert!(!engine.has_changes());
    }

    #[test]
    fn emptying_forgets_all_at_once_and_is_told_once() {
        let mut engine = engine();
        for number in 0..100 {
            track(&mut engine, &format!("key:{number}"), 1);
        }
        engine.flush(0, true);
        engine.flush(1, true);
        assert_eq!(told(&mut engine), ["all"]);
        assert_eq!(engine.tracked_counts(), (0, 0));
        assert!(engine.has_tracked_work());
        while engine.upkeep(1000) {}
        assert!(!engine.has_tracked_work());
        track(&mut engine, "a", 1);
        assert_eq!(engine.tracked_counts(), (1, 1));
    }

    #[test]
    fn beyond_the_limit_others_are_told() {
        let mut engine = engine();
        engine.set_tracked_keys_max(10);
        for number in 0..1000 {
            track(&mut engine, &format!("key:{number}"), 1);
        }
        assert_eq!(engine.tracked_counts(), (10, 10));
        assert_eq!(told(&mut engine).len(), 990);
        engine.set_tracked_keys_max(3);
        while engine.upkeep(10) {}
        assert_eq!(engine.tracked_counts(), (3, 3));
        assert_eq!(told(&mut engine).len(), 7);
        engine.set_tracked_keys_max(0);
        for number in 0..100 {
            track(&mut engine, &format!("key:{number}"), 1);
        }
        assert!(engine.tracked_counts().0 >= 100);
    }

    #[test]
    fn a_key_has_so_many_readers_at_most() {
        let mut engine = engine();
        for token in 0..=READERS_MAX as u64 {
            track(&mut engine, "a", token);
        }
        assert_eq!(engine.tracked_counts(), (1, 1));
        let [Change::Read(_, readers)] = &engine.take_changes()[..] else {
            panic!("one key was to be told");
        };
        assert_eq!(readers.len(), READERS_MAX);
    }
}
