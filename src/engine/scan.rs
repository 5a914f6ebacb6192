//! Walking a database: SCAN's cursor and random keys.
//!
//! A cursor is a place in the order of the dictionary's positions, which belong to the keys and not to the tables: that is why what is
//! present throughout is visited once, whatever the tables do meanwhile.

use super::dict::position;
use super::store::hash_of;
use super::{Engine, EventClass, Item, Key};

/// Expired and dropped items that one search for a random key deletes at most.
const EXPIRED_MAX: usize = 1000;

impl Engine {
    /// Visits about `count` live items from `cursor` on and returns the next cursor, 0 at the end. Every item present throughout is visited,
    /// however the tables grow and shrink. Cursors are below 2^32.
    pub fn scan(
        &mut self,
        db: usize,
        cursor: u64,
        count: usize,
        visit: &mut dyn FnMut(&Engine, Item),
    ) -> u64 {
        let Ok(cursor) = u32::try_from(cursor) else {
            return 0;
        };
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        let (arena, hasher) = (&self.arena, &self.hasher);
        let next = self.databases[db].dictionary.scan(
            cursor,
            count,
            |reference| hash_of(arena, hasher, reference),
            &mut found,
        );
        for &reference in &found {
            let item = Item(reference);
            let is_there = self.expiry(item).is_none_or(|expiry| expiry > self.now_ms);
            if is_there && !self.is_doomed(db, reference) && !self.is_spent(item) {
                visit(self, item);
            }
        }
        self.found = found;
        u64::from(next)
    }

    /// Whether a scan that goes on at this cursor has passed the place of a key.
    pub fn is_before_cursor(&self, key: &Key<'_>, cursor: u64) -> bool {
        u64::from(position(key.hash)) < cursor
    }

    /// A random live key of a database.
    pub fn random_key(&mut self, db: usize) -> Option<Item> {
        for _ in 0..EXPIRED_MAX {
            let reference = self.databases[db].dictionary.random(self.random.draw())?;
            let item = Item(reference);
            let hash = self.hash(reference);
            if self.is_doomed(db, reference) {
                self.delete_doomed(db, hash, reference);
                continue;
            }
            if self.is_spent(item) {
                self.delete_spent(db, hash, item);
                continue;
            }
            if self.expiry(item).is_none_or(|expiry| expiry > self.now_ms) {
                return Some(item);
            }
            self.expired_keys += 1;
            self.notify_item(EventClass::Expired, "expired", db, reference);
            self.delete(db, hash, reference);
        }
        None
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Engine")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
