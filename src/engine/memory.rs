//! The memory limit: what is taken counts in whole pages, so making room means emptying pages.
//!
//! A write at the limit takes a slot of its class if there is one. If not, items are evicted in the policy's order until as many bytes are free
//! as are needed; when those are slots of other classes, a page of a class with a page's worth of free slots is emptied by moving its
//! items to the other pages of the class, and changes class. So memory follows the sizes in demand, and no size starves.
//! The work of a write that needs a slot is that of about one page at most under an allkeys policy, and of [`ROUNDS_VOLATILE_MAX`] evictions
//! under a volatile one. A large value evicts at once what it would exceed the limit by beyond the allowed overshoot.
//! Never: decides who is evicted; that is the policy's business.

use super::arena::Arena;
use super::evict::Candidates;
use super::hash::KeyHasher;
use super::item;
use super::random::Random;
use super::size_class::{PAGE_BYTES, slot_bytes};
use super::store::hash_of;
use super::{Engine, Item, OutOfMemory};

/// Evictions and moves of one write that only needs a slot, before it takes one of its own class.
const ROUNDS_MAX: usize = 24;
/// A long item takes the place of many short ones, which are assumed to be no shorter than this on average.
const ITEM_BYTES_LOW: usize = 48;
/// Evictions and moves when only items with an expiry may go, and no page may be cleared.
const ROUNDS_VOLATILE_MAX: usize = 4096;
/// Items that the eviction policy looks at in one step.
const EVICTION_ITEMS_PER_STEP: usize = 32;
/// Items moved in one step.
const MOVES_PER_STEP: usize = 64;
/// Steps of one write that finds the limit exceeded: the background does the rest.
const STEPS_MAX: usize = 16;
/// A large value may exceed the limit by this part of it, and the background evicts down to the limit.
const OVERSHOOT_DIVISOR: u64 = 16;
/// Pages among which one to empty is chosen.
const PAGE_SAMPLES: usize = 8;
/// Slices of items dropped with a tag that are deleted in one round of a write, so that all rounds free a page of short ones.
const DROP_STEPS_PER_ROUND: usize = 8;
/// Pages without an item that one search passes over.
const PAGES_PER_SEARCH: u32 = 256;
/// Tries to find an item in a random slot.
const SLOT_TRIES_MAX: usize = 64;

/// What a policy sees of the engine; with a class, only that class's items.
struct View<'a> {
    arena: &'a mut Arena,
    hasher: &'a KeyHasher,
    random: &'a mut Random,
    class: Option<u8>,
}

impl View<'_> {
    /// The first item from a random slot of the page on that is accepted.
    fn item_in(&mut self, page: u32, accept: impl Fn(&[u8]) -> bool) -> Option<Item> {
        let slots = self.arena.slots_used(page);
        if slots == 0 {
            return None;
        }
        let start = self.random.below(usize::from(slots)) as u16;
        (start..slots)
            .chain(0..start)
            .find_map(|slot| {
                self.arena
                    .item_at(page, slot)
                    .filter(|&reference| accept(self.arena.bytes(reference)))
            })
            .map(Item)
    }

    /// An item every one of which is equally probable: a class by its number of items, any of its pages, any slot until one is in use. Choosing
    /// a page first would evict a long item as often as a page of short ones, and long values would starve.
    fn pick(&mut self, only_expiring: bool) -> Option<Item> {
        let class = match self.class {
            Some(class) => class,
            None => {
                let items = self.arena.items(only_expiring);
                if items == 0 {
                    return None;
                }
                self.arena
                    .class_of_nth(self.random.below(items), only_expiring)?
            }
        };
        let accept = |bytes: &[u8]| !only_expiring || item::expiry(bytes).is_some();
        let mut last = None;
        for _ in 0..SLOT_TRIES_MAX {
            let pages = if only_expiring {
                self.arena.pages_expiring(class)
            } else {
                self.arena.pages_of_class(class)
            };
            if pages.is_empty() {
                return None;
            }
            let page = pages[self.random.below(pages.len())];
            let slots = self.arena.slots_used(page);
            if slots == 0 {
                continue;
            }
            last = Some(page);
            let slot = self.random.below(usize::from(slots)) as u16;
            if let Some(reference) = self.arena.item_at(page, slot)
                && accept(self.arena.bytes(reference))
            {
                return Some(Item(reference));
            }
        }
        // Few slots are in use, or few items expire: any one of the page will do.
        last.and_then(|page| self.item_in(page, accept))
    }
}

impl Candidates for View<'_> {
    fn random(&mut self) -> Option<Item> {
        self.pick(false)
    }

    fn random_volatile(&mut self) -> Option<Item> {
        self.pick(true)
    }

    fn access(&self, item: Item) -> u32 {
        item::access(self.arena.bytes(item.0))
    }

    fn set_access(&mut self, item: Item, access: u32) {
        item::set_access(self.arena.head_mut(item.0), access);
    }

    fn expiry(&self, item: Item) -> Option<i64> {
        item::expiry(self.arena.bytes(item.0))
    }

    fn hash(&self, item: Item) -> u64 {
        hash_of(self.arena, self.hasher, item.0)
    }

    fn is_present(&self, item: Item) -> bool {
        self.arena.is_live(item.0)
    }

    fn at_or_after(&self, reference: u32) -> Result<Item, u32> {
        self.arena
            .item_at_or_after(reference, PAGES_PER_SEARCH)
            .map(Item)
    }
}

impl Engine {
    /// Bytes that count against the limit.
    #[inline]
    pub(super) fn bytes_used(&self) -> u64 {
        self.arena.bytes_committed()
            + self.bytes_dictionaries
            + self.bytes_large
            + self.bytes_collections
            + self.field_expiries.bytes()
            + self.eviction.bytes()
            + self.tokens.bytes() as u64
            + self.tags.bytes()
            + self.leases.bytes()
            + self.bytes_outside
    }

    fn fits(&self, bytes: u64) -> bool {
        self.memory_bytes_max == 0 || self.bytes_used() + bytes <= self.memory_bytes_max
    }

    /// Whether the limit is exceeded.
    pub(super) fn is_over_limit(&self) -> bool {
        !self.fits(0)
    }

    /// Room for a write that grows memory, evicting if need be (the check of commands flagged DENYOOM).
    pub fn make_room(&mut self) -> Result<(), OutOfMemory> {
        for _ in 0..STEPS_MAX {
            if self.fits(0) {
                return Ok(());
            }
            if self.shrink_step().is_none() {
                return Err(OutOfMemory);
            }
        }
        // Something was evicted or moved, and the rest is the background's; nothing ever is without a policy.
        if self.fits(0) || self.eviction.evicts() {
            Ok(())
        } else {
            Err(OutOfMemory)
        }
    }

    /// Room for `bytes` of large values, evicting if need be; 0 checks the limit as it stands.
    pub(super) fn make_room_for_large(&mut self, bytes: u64) -> Result<(), OutOfMemory> {
        if self.fits(bytes) {
            return Ok(());
        }
        if bytes == 0 {
            // An allocation of a slot decides for itself; here only what is owed is paid.
            return if self.make_room().is_ok() || self.eviction.evicts() {
                Ok(())
            } else {
                Err(OutOfMemory)
            };
        }
        let limit = self.memory_bytes_max;
        // What is not there to be evicted cannot make room: dictionaries apart, items are all there is.
        if bytes + self.bytes_outside + PAGE_BYTES as u64 > limit {
            return Err(OutOfMemory);
        }
        let allowed = (limit
            + if self.eviction.evicts() {
                limit / OVERSHOOT_DIVISOR
            } else {
                0
            })
        .max(self.bytes_used());
        let mut steps = 0;
        while !self.fits(bytes) {
            if steps >= STEPS_MAX && self.bytes_used() + bytes <= allowed {
                break;
            }
            if self.shrink_step().is_none() {
                return Err(OutOfMemory);
            }
            steps += 1;
        }
        Ok(())
    }

    /// A slot of the class: its bytes are arbitrary, and the caller writes them before anything else happens.
    pub(super) fn allocate_slot(&mut self, class: u8) -> Result<u32, OutOfMemory> {
        if let Some(slot) = self.take_slot(class) {
            return Ok(slot);
        }
        let rounds_max = if self.eviction.only_volatile() {
            ROUNDS_VOLATILE_MAX
        } else {
            ROUNDS_MAX + slot_bytes(class) / ITEM_BYTES_LOW
        };
        let (needed, mut evicted) = (slot_bytes(class), 0);
        let has_pages = !self.arena.pages_of_class(class).is_empty();
        for _ in 0..rounds_max {
            if self.drain_step().is_some() {
                // What was flushed goes before anything that is still there.
            } else if !self.evacuate(MOVES_PER_STEP) && !self.drop_some() {
                if evicted >= needed && has_pages && self.evict(Some(class)).is_some() {
                    // Enough is free in other classes, but not a page's worth: one of this class makes room at once.
                } else if let Some(bytes) = self.evict(None) {
                    evicted += bytes;
                } else {
                    break;
                }
            }
            if let Some(slot) = self.take_slot(class) {
                return Ok(slot);
            }
        }
        if self.eviction.evicts() && !self.eviction.only_volatile() && self.evict_page() {
            return self.take_slot(class).ok_or(OutOfMemory);
        }
        Err(OutOfMemory)
    }

    /// Deletes some of what was dropped with a tag; false when there is nothing.
    fn drop_some(&mut self) -> bool {
        let steps = (0..DROP_STEPS_PER_ROUND).take_while(|_| self.drop_step().is_some());
        steps.count() > 0
    }

    /// A slot that costs nothing: of a page of the class, a free page, or a page within the limit.
    fn take_slot(&mut self, class: u8) -> Option<u32> {
        if let Some(slot) = self.arena.take(class) {
            return Some(slot);
        }
        let commit = self.fits(PAGE_BYTES as u64);
        if self.arena.add_page(class, commit) {
            self.arena.take(class)
        } else {
            None
        }
    }

    /// One step towards less memory: a free page given back, items moved out of a page, or an item evicted. Its cost in upkeep's units,
    /// or None when nothing can be done.
    pub(super) fn shrink_step(&mut self) -> Option<usize> {
        if self.arena.release_page() {
            return Some(40);
        }
        if let Some(units) = self.drain_step() {
            return Some(units);
        }
        if let Some(units) = self.drop_step() {
            return Some(units);
        }
        if self.evacuate(MOVES_PER_STEP) {
            return Some(3 * MOVES_PER_STEP);
        }
        self.evict(None).map(|_| 10)
    }

    /// Evicts the policy's choice, among all items or those of one class; returns the bytes that became free.
    fn evict(&mut self, class: Option<u8>) -> Option<usize> {
        for _ in 0..SLOT_TRIES_MAX {
            let mut view = View {
                arena: &mut self.arena,
                hasher: &self.hasher,
                random: &mut self.random,
                class,
            };
            let victim = match class {
                None => self.eviction.victim(&mut view)?,
                // The policy's order is one over all items; within a class the best of a sample goes.
                Some(_) => self.eviction.victim_of_sample(&mut view)?,
            };
            if self.pinned == Some(victim.0) {
                self.eviction.spare(&mut view, victim);
            } else {
                let bytes = slot_bytes(self.arena.class_of(victim.0));
                self.delete_found(victim.0, true);
                return Some(bytes);
            }
        }
        None
    }

    /// A piece of the eviction policy's own work; its cost in upkeep's units.
    pub(super) fn eviction_step(&mut self) -> usize {
        let mut view = View {
            arena: &mut self.arena,
            hasher: &self.hasher,
            random: &mut self.random,
            class: None,
        };
        self.eviction.upkeep(&mut view, EVICTION_ITEMS_PER_STEP);
        2 * EVICTION_ITEMS_PER_STEP
    }

    /// Clears a whole page, the one of a sample with the least in it. False when there is none.
    fn evict_page(&mut self) -> bool {
        let pinned = self.pinned.map(Arena::page_of);
        let candidates = (0..PAGE_SAMPLES)
            .map(|_| self.random.below(self.arena.pages_len().max(1) as usize) as u32)
            .collect::<Vec<_>>();
        let usable = |page: &u32| Some(*page) != pinned && self.arena.bytes_in_page(*page) > 0;
        let page = candidates
            .into_iter()
            .filter(usable)
            .min_by_key(|&page| self.arena.bytes_in_page(page));
        let Some(page) = page.or_else(|| (0..self.arena.pages_len()).find(usable)) else {
            return false;
        };
        let mut slot = 0;
        // The page has no slots any more once its last item is gone.
        while slot < self.arena.slots_used(page) {
            if let Some(reference) = self.arena.item_at(page, slot) {
                self.delete_found(reference, true);
            }
            slot += 1;
        }
        true
    }

    /// Moves up to `moves` items out of a page that is being emptied, beginning with one if there is a class that can spare it.
    /// False when there is nothing to do.
    pub(super) fn evacuate(&mut self, moves: usize) -> bool {
        let (page, first) = match self.evacuation.take() {
            Some(begun) if self.arena.is_closed(begun.0) => begun,
            _ => {
                let Some(class) = self.arena.donor() else {
                    return false;
                };
                let pages = self.arena.pages_of_class(class);
                let page = (0..PAGE_SAMPLES)
                    .map(|_| pages[self.random.below(pages.len())])
                    .min_by_key(|&page| self.arena.live_in_page(page))
                    .expect("a sample of at least one");
                self.arena.close_page(page);
                (page, 0)
            }
        };
        let (mut slot, mut moved) = (first, 0);
        // A slot that is given back in a closed page stays free, so one pass over the slots empties it.
        while slot < self.arena.slots_used(page) {
            if moved == moves {
                self.evacuation = Some((page, slot));
                return true;
            }
            if let Some(reference) = self.arena.item_at(page, slot) {
                let Some(to) = self.arena.take(self.arena.class_of(reference)) else {
                    // The free slots were taken by others meanwhile.
                    self.arena.open_page(page);
                    return moved > 0;
                };
                self.move_item(reference, to);
                moved += 1;
            }
            slot += 1;
        }
        self.pages_moved += 1;
        true
    }

    fn move_item(&mut self, from: u32, to: u32) {
        let hash = self.hash(from);
        let expiry = item::expiry(self.arena.bytes(from));
        self.arena.copy_slot(from, to);
        self.move_fields(Item(from), Item(to));
        self.arena.note_expiry(to, None, expiry);
        let replaced = self
            .databases
            .iter_mut()
            .map(|database| &mut database.dictionary)
            .chain(&mut self.draining)
            .any(|dictionary| dictionary.replace(hash, from, to));
        assert!(
            replaced,
            "an item in the arena has an entry in some dictionary"
        );
        let access = self.eviction.on_move(
            Item(from),
            Item(to),
            item::access(self.arena.bytes(from)),
            expiry.is_some(),
        );
        item::set_access(self.arena.head_mut(to), access);
        if self.pinned == Some(from) {
            self.pinned = Some(to);
        }
        self.arena.note_expiry(from, expiry, None);
        self.arena.give_back(from);
    }
}
