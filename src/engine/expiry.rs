//! Collecting expired items in the background.
//!
//! A sweep walks the pages that hold items with an expiry, page by page in the arena's order, and looks into a page only when the page's
//! bound says that something in it may have expired. It needs no index of expiries, hence no byte per item, and it reads memory in order:
//! five million items that expire at once cost little more than freeing them. It can stop after any slot and go on there.
//! When the next sweep begins depends on what the last one cost, so that sweeping stays at a small part of the processor's time.

use super::Engine;
use super::item;
use super::size_class::CLASSES;

/// Steps that looking at a page's description costs, in eighths.
const PAGE_EIGHTHS: usize = 2;
/// Slots looked at for one step.
const SLOTS_PER_UNIT: usize = 16;
/// Steps of deleting one item.
const DELETE_UNITS: usize = 3;
/// Sweeps begin at least this far apart.
const INTERVAL_MS_MIN: i64 = 100;
/// Sweeps begin at most this far apart when something has expired.
const INTERVAL_MS_MAX: i64 = 2000;
/// A sweep of so many steps (of 100 ns) puts the next one off by a millisecond: a twentieth of the time.
const UNITS_PER_INTERVAL_MS: i64 = 500;

/// Where the sweep is.
#[derive(Debug)]
pub struct Sweep {
    on: bool,
    running: bool,
    /// The size class whose pages are being visited, and the place in its list of pages with expiries.
    class: u8,
    place: usize,
    /// The page that is being looked into, and the next slot.
    page: Option<(u32, u16)>,
    /// Nothing expires before this.
    next_expiry: i64,
    /// No sweep begins before this.
    start_after: i64,
    started: i64,
    units: i64,
}

impl Default for Sweep {
    fn default() -> Sweep {
        Sweep {
            on: true,
            running: false,
            class: 0,
            place: 0,
            page: None,
            next_expiry: i64::MAX,
            start_after: i64::MIN,
            started: 0,
            units: 0,
        }
    }
}

impl Sweep {
    /// An item was given this expiry.
    #[inline]
    pub fn note(&mut self, expiry: i64) {
        self.next_expiry = self.next_expiry.min(expiry);
    }

    /// The page inside which the sweep has stopped, if it has.
    pub fn page(&self) -> Option<u32> {
        self.page.map(|(number, _)| number)
    }

    /// Whether the sweep stopped inside this page, whose bound is then not yet known.
    #[cfg(test)]
    pub fn is_in(&self, page: u32) -> bool {
        self.page.is_some_and(|(number, _)| number == page)
    }
}

impl Engine {
    /// Turns background expiry off and on (DEBUG SET-ACTIVE-EXPIRE).
    pub fn set_active_expiry(&mut self, on: bool) {
        self.sweep.on = on;
    }

    /// Whether background expiry is on, of keys and of fields.
    pub(super) fn active_expiry(&self) -> bool {
        self.sweep.on
    }

    /// Whether there is something to sweep now.
    pub(super) fn sweep_is_due(&self) -> bool {
        let sweep = &self.sweep;
        // A clock that was set back must not put sweeps off until it has caught up.
        let waited = self.now_ms >= sweep.start_after || self.now_ms < sweep.started;
        sweep.on && (sweep.running || (sweep.next_expiry <= self.now_ms && waited))
    }

    /// Entries moved so far because tables had become too empty: each costs about a step.
    fn dictionary_entries_moved(&self) -> u64 {
        let moved = |database: &super::Database| database.dictionary.entries_moved();
        self.databases.iter().map(moved).sum()
    }

    /// Sweeps for about `units` steps; returns how many it took.
    pub(super) fn sweep(&mut self, units: usize) -> usize {
        if !self.sweep_is_due() {
            return 0;
        }
        if !self.sweep.running {
            self.sweep.running = true;
            self.sweep.started = self.now_ms;
            self.sweep.units = 0;
            self.sweep.class = 0;
            self.sweep.place = 0;
            self.sweep.next_expiry = i64::MAX;
        }
        let mut eighths = 0;
        while eighths < units * 8 {
            if let Some((page, slot)) = self.sweep.page {
                eighths += 8 * self.sweep_page(page, slot, units - eighths / 8);
                continue;
            }
            let Some(&page) = self
                .arena
                .pages_expiring(self.sweep.class)
                .get(self.sweep.place)
            else {
                if usize::from(self.sweep.class) + 1 < CLASSES {
                    self.sweep.class += 1;
                    self.sweep.place = 0;
                    continue;
                }
                self.end_sweep(eighths);
                return eighths / 8 + 1;
            };
            eighths += PAGE_EIGHTHS;
            let bound = self.arena.expiry_min(page);
            if bound <= self.now_ms {
                self.arena.reset_expiry_min(page);
                self.sweep.page = Some((page, 0));
            } else {
                self.sweep.note(bound);
                self.sweep.place += 1;
            }
        }
        self.sweep.units += (eighths / 8) as i64;
        eighths / 8
    }

    fn end_sweep(&mut self, eighths: usize) {
        let sweep = &mut self.sweep;
        sweep.running = false;
        sweep.units += (eighths / 8) as i64;
        let interval =
            (sweep.units / UNITS_PER_INTERVAL_MS).clamp(INTERVAL_MS_MIN, INTERVAL_MS_MAX);
        sweep.start_after = sweep.started + interval;
    }

    /// Looks at slots of one page and deletes what has expired.
    fn sweep_page(&mut self, page: u32, first: u16, units: usize) -> usize {
        let (mut taken, mut slot, mut looked) = (0, first, 0);
        // The page may have been freed and taken by another class since: then this looks at some slots in vain, and the bound, which every
        // new item lowers, stays right.
        while slot < self.arena.slots_used(page) {
            if taken + looked / SLOTS_PER_UNIT >= units.max(1) {
                self.sweep.page = Some((page, slot));
                return taken + looked / SLOTS_PER_UNIT;
            }
            looked += 1;
            if let Some(reference) = self.arena.item_at(page, slot)
                && let Some(expiry) = item::expiry(self.arena.bytes(reference))
            {
                if expiry <= self.now_ms {
                    let before = self.dictionary_entries_moved();
                    self.delete_found(reference, false);
                    taken += DELETE_UNITS + (self.dictionary_entries_moved() - before) as usize;
                } else {
                    self.arena.lower_expiry_min(page, expiry);
                }
            }
            slot += 1;
        }
        self.sweep.page = None;
        // A page left without expiries has left the list, and another one has taken its place.
        if self
            .arena
            .pages_expiring(self.sweep.class)
            .get(self.sweep.place)
            == Some(&page)
        {
            self.sweep.note(self.arena.expiry_min(page));
            self.sweep.place += 1;
        }
        taken + looked / SLOTS_PER_UNIT + 1
    }
}
