//! Keys that somebody watches (WATCH): a version each, which grows whenever the key changes, for whatever reason.
//!
//! It never says who watches. A write costs one comparison while nobody does. Keys are their hash and database; of two keys with one hash either changes both, which makes
//! a transaction fail that could have succeeded, and never the other way round.

use super::{Engine, Key, Touch};
use std::collections::HashMap;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Watched {
    keys: HashMap<(usize, u64), Entry>,
    last: u64,
}

#[derive(Debug)]
struct Entry {
    watchers: usize,
    version: u64,
    key: Box<[u8]>,
}

impl Engine {
    /// Somebody watches a key from now on: its version. A key that has expired goes before, unless somebody holds it in a transaction in which it has not.
    pub fn watch(&mut self, key: &Key<'_>, may_remove: bool) -> u64 {
        if may_remove {
            self.find(key, Touch::No);
        }
        let watched = &mut self.watched;
        let entry = watched.keys.entry((key.db, key.hash)).or_insert_with(|| {
            watched.last += 1;
            Entry {
                watchers: 0,
                version: watched.last,
                key: key.bytes.into(),
            }
        });
        entry.watchers += 1;
        entry.version
    }

    /// One who watches a key does so no longer.
    pub fn unwatch(&mut self, key: &Key<'_>) {
        let place = (key.db, key.hash);
        let entry = self.watched.keys.get_mut(&place).expect("it was watched");
        entry.watchers -= 1;
        if entry.watchers == 0 {
            self.watched.keys.remove(&place);
        }
    }

    /// From when on a watched key is another than it was in this version, in Unix milliseconds, if nobody writes to it any more: it may expire. `i64::MIN` if it is already,
    /// and `i64::MAX` if it stays.
    pub fn changes_at(&mut self, key: &Key<'_>, version: u64) -> i64 {
        let found = self.find(key, Touch::No);
        let entry = self.watched.keys.get(&(key.db, key.hash));
        if entry.is_none_or(|entry| entry.version != version) {
            return i64::MIN;
        }
        found
            .and_then(|item| self.vanishes_at(item))
            .unwrap_or(i64::MAX)
    }

    /// Watched keys of which these databases will all change what they hold: those that are in any of them change.
    pub(super) fn watched_keys_change(&mut self, databases: &[usize]) {
        if self.watched.keys.is_empty() {
            return;
        }
        let is_meant = |(place, entry): (&(usize, u64), &Entry)| {
            (databases.contains(&place.0)).then(|| (*place, entry.key.clone()))
        };
        let keys: Vec<_> = self.watched.keys.iter().filter_map(is_meant).collect();
        for (place, bytes) in keys {
            let is_there = |db: &usize| {
                let key = self.key(*db, &bytes);
                self.find(&key, Touch::No).is_some()
            };
            if databases.iter().any(is_there) {
                self.watched.touch(place);
            }
        }
    }
}

impl Watched {
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// A key has changed, or is gone.
    #[cold]
    pub(super) fn touch(&mut self, place: (usize, u64)) {
        if let Some(entry) = self.keys.get_mut(&place) {
            self.last += 1;
            entry.version = self.last;
        }
    }
}
