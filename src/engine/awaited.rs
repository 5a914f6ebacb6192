//! Keys that somebody waits for: which of them were written since he last asked.
//!
//! It never says what a key holds now. A write costs one comparison while nobody waits. Keys are their hash and database; two keys of one hash
//! only make their waiters look once more than needed.

use super::{Engine, Key};
use std::collections::HashMap;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    /// How often each key is waited for.
    keys: HashMap<(usize, u64), usize>,
    /// Those written, in order.
    touched: Vec<(usize, u64)>,
}

impl Engine {
    /// Somebody waits for a key.
    pub fn await_key(&mut self, key: &Key<'_>) {
        *self.awaited.keys.entry((key.db, key.hash)).or_default() += 1;
    }

    /// He waits no longer.
    pub fn forget_awaited(&mut self, key: &Key<'_>) {
        let place = (key.db, key.hash);
        let count = self.awaited.keys.get_mut(&place).expect("it was awaited");
        *count -= 1;
        if *count == 0 {
            self.awaited.keys.remove(&place);
        }
    }

    /// Whether awaited keys were written.
    #[inline]
    pub fn has_touched(&self) -> bool {
        !self.awaited.touched.is_empty()
    }

    /// The databases and hashes of awaited keys that were written, in order, each once.
    pub fn take_touched(&mut self) -> Vec<(usize, u64)> {
        std::mem::take(&mut self.awaited.touched)
    }

    /// Does something to the data of which those who wait are not told, because it brings nothing that they wait for.
    pub fn without_waking<R>(&mut self, change: impl FnOnce(&mut Engine) -> R) -> R {
        let touched = self.awaited.touched.len();
        let result = change(self);
        self.awaited.touched.truncate(touched);
        result
    }

    /// A key has changed, or is gone.
    #[inline]
    pub(super) fn changed(&mut self, key: &Key<'_>) {
        self.tracked_key_changed(key);
        self.note_change(key.db, key.hash);
    }

    /// The key of an item has.
    #[inline]
    pub(super) fn item_changed(&mut self, db: usize, hash: u64, item: u32) {
        self.tracked_item_changed(hash, item);
        self.note_change(db, hash);
    }

    #[inline]
    fn note_change(&mut self, db: usize, hash: u64) {
        self.tokens.forget(db, hash);
        if !self.awaited.keys.is_empty() {
            self.awaited.touch((db, hash));
        }
        if !self.watched.is_empty() {
            self.watched.touch((db, hash));
        }
    }

    /// All keys of some database have.
    pub(super) fn all_changed(&mut self) {
        self.tokens.clear();
        self.all_tracked_changed();
        let keys: Vec<(usize, u64)> = self.awaited.keys.keys().copied().collect();
        keys.into_iter().for_each(|place| self.awaited.touch(place));
    }
}

impl Awaited {
    #[cold]
    fn touch(&mut self, place: (usize, u64)) {
        if self.keys.contains_key(&place) && !self.touched.contains(&place) {
            self.touched.push(place);
        }
    }
}
