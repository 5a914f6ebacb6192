//! The background work in units of about 100 ns, in the order of urgency: what was flushed or dropped, the memory limit, expiry, the eviction policy's own, giving memory back.
//!
//! No step takes more than one dictionary table's or one page's worth of work, so a caller with a clock decides how long it goes on.

use super::Engine;
use super::size_class::{CLASSES, PAGE_BYTES, slot_bytes};
use crate::large;

/// Steps of freeing one flushed item.
const FREE_UNITS: usize = 2;
/// Steps of giving a page back to the kernel.
const RELEASE_UNITS: usize = 100;
/// Bytes of large buffers given back at a time, and the steps it takes.
const RECLAIM_BYTES: usize = 256 * 1024;
/// See [`RECLAIM_BYTES`].
const RECLAIM_UNITS: usize = 200;
/// Free pages kept for the next writes: at least this many, and this part of all.
const PAGES_FREE_MIN: usize = 16;
/// See [`PAGES_FREE_MIN`].
const PAGES_FREE_DIVISOR: usize = 64;
/// Pages are emptied when more than this part of the arena's slots (by bytes) is free.
const SLACK_DIVISOR: u64 = 4;

impl Engine {
    /// One piece of background work of about `units` steps (a step is some 100 ns): deleting what was dropped, expiry, page moves, eviction down to the limit, freeing what was
    /// flushed, giving memory back. Returns whether more is waiting.
    pub fn upkeep(&mut self, units: usize) -> bool {
        let mut left = units.max(1) as isize;
        let mut stuck = false;
        while left > 0 {
            let taken = if let Some(taken) = self.drain_step() {
                taken
            } else if let Some(taken) = self.drop_step() {
                taken
            } else if let Some(taken) = self.release_step() {
                taken
            } else if self.is_over_limit() && !stuck {
                self.shrink_step().unwrap_or_else(|| {
                    stuck = true;
                    1
                })
            } else if self.is_sweeping && self.sweep_is_due() {
                self.sweep(left as usize)
            } else if self.is_sweeping && self.fields_are_due() {
                self.expire_fields(left as usize)
            } else if self.eviction.has_work() {
                self.eviction_step()
            } else if let Some(taken) = self.tracked_step() {
                taken
            } else if large::bytes_waiting() > 0 {
                large::reclaim(RECLAIM_BYTES);
                RECLAIM_UNITS
            } else if self.has_surplus_pages() {
                self.arena.release_page();
                RELEASE_UNITS
            } else if self.is_fragmented() && self.evacuate(32) {
                100
            } else {
                return false;
            };
            left -= taken.max(1) as isize;
        }
        !self.draining.is_empty()
            || self.tags.has_work()
            || !self.retired.is_empty()
            || (self.is_over_limit() && !stuck)
            || self.is_sweeping && self.sweep_is_due()
            || self.is_sweeping && self.fields_are_due()
            || self.eviction.has_work()
            || self.has_tracked_work()
            || large::bytes_waiting() > 0
            || self.has_surplus_pages()
            || self.is_fragmented()
    }

    /// Deleted values whose memory is still to be released.
    pub(super) fn release_waiting(&self) -> u64 {
        let draining = self.draining.iter();
        let items: usize = draining.map(|dictionary| dictionary.len()).sum();
        let doomed: usize = (0..self.databases.len())
            .map(|db| self.tags.doomed(db))
            .sum();
        (items + doomed + self.retired.len()) as u64
    }

    fn has_surplus_pages(&self) -> bool {
        self.arena.pages_free()
            > PAGES_FREE_MIN.max(self.arena.pages_committed() / PAGES_FREE_DIVISOR)
    }

    /// Whether so much of the pages in use is free slots that emptying some is worth it.
    fn is_fragmented(&self) -> bool {
        let in_pages = self.arena.bytes_committed() - (self.arena.pages_free() * PAGE_BYTES) as u64;
        let free = in_pages - self.arena.bytes_live() as u64;
        // Cheap test first: the classes' own count leaves out the unusable ends of pages, and a class's last page.
        free > in_pages / SLACK_DIVISOR && free > (64 * PAGE_BYTES) as u64 && {
            let slots: usize = (0..CLASSES as u8)
                .map(|class| self.arena.slots_free(class) * slot_bytes(class))
                .sum();
            slots as u64 > in_pages / SLACK_DIVISOR
        }
    }

    /// Frees the items of one table of a flushed dictionary; returns the steps it took, None when nothing is left.
    pub(super) fn drain_step(&mut self) -> Option<usize> {
        let dictionary = self.draining.last_mut()?;
        let mut drained = std::mem::take(&mut self.found);
        drained.clear();
        let before = dictionary.bytes() as u64;
        let more = dictionary.drain_table(&mut drained);
        self.bytes_dictionaries = self.bytes_dictionaries + dictionary.bytes() as u64 - before;
        if !more {
            self.draining.pop();
        }
        for &reference in &drained {
            self.arena.prefetch(reference);
        }
        for &reference in &drained {
            self.free(reference);
        }
        let units = 1 + drained.len() * FREE_UNITS;
        self.found = drained;
        Some(units)
    }
}
