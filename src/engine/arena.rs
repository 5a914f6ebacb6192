//! Slots for items: one reservation of address space per shard, cut in pages of 64 KiB, each page of one size class.
//!
//! It hands out slots, takes them back, and says which pages and slots are in use. It never evicts, moves or reads an item: it knows only that
//! the first byte of a slot in use is not zero. What it keeps about a page is kept outside the page, so that looking for a page with room,
//! or for one with expired items, touches no item. A page's slots are taken in order the first time (`bump`), so that a young page takes
//! memory only as far as it is used. Vectors over pages grow by `mremap` at the sizes where copying would be felt.

mod frozen;

pub use frozen::EXTENT_BYTES;

use super::size_class::{CLASSES, GRANULE_BYTES, PAGE_BYTES, slot_bytes, slots_per_page};
use crate::large::reservation::Reservation;

/// No page, no slot.
const NONE: u32 = u32::MAX;
const NO_SLOT: u16 = u16::MAX;
/// The class of a page in nobody's use.
const NO_CLASS: u8 = u8::MAX;
/// Where a free slot keeps the number of the next one.
const NEXT_FREE_AT: usize = 2;

/// What is known of a page.
#[derive(Debug, Clone)]
struct Page {
    class: u8,
    /// Being emptied: it gives out no slots.
    closed: bool,
    /// Slots in use.
    live: u16,
    /// Items with an expiry.
    expiring: u16,
    /// Slots from here on were never used.
    bump: u16,
    /// Head of the list of slots that were used and are free.
    free: u16,
    /// Place in the class's `pages`.
    class_place: u32,
    /// Place in the class's `expiring_pages`, or NONE.
    expiring_place: u32,
    /// Neighbours in the class's list of pages with room; only meaningful for a page in it.
    open_next: u32,
    open_previous: u32,
    /// No item of the page expires before this.
    expiry_min: i64,
}

impl Page {
    /// Of a page in nobody's use.
    fn unused() -> Page {
        Page {
            class: NO_CLASS,
            closed: false,
            live: 0,
            expiring: 0,
            bump: 0,
            free: NO_SLOT,
            class_place: 0,
            expiring_place: NONE,
            open_next: NONE,
            open_previous: NONE,
            expiry_min: i64::MAX,
        }
    }
}

/// What is known of a class.
#[derive(Debug, Clone)]
struct Class {
    pages: Vec<u32>,
    /// Head of the list of pages with room that are not closed.
    open: u32,
    /// Pages with items that expire, in no order.
    expiring_pages: Vec<u32>,
}

/// See the module.
#[derive(Debug)]
pub struct Arena {
    reservation: Reservation,
    pages: Vec<Page>,
    classes: Vec<Class>,
    /// Pages of no class that still have memory.
    free_pages: Vec<u32>,
    /// Pages of no class whose memory was given back.
    released_pages: Vec<u32>,
    bytes_live: usize,
    /// Slots in use, by class: apart from the rest of the class because choosing a class by its number of items reads all of them.
    live: Counts,
    /// Items that expire, by class.
    expiring: Counts,
    /// A class that had more than a page's worth of free slots when one was last given back.
    donor: u8,
}

/// A number for every class, and their sum.
#[derive(Debug)]
struct Counts {
    by_class: [u32; CLASSES],
    sum: usize,
}

impl Counts {
    fn add(&mut self, class: u8) {
        self.by_class[class as usize] += 1;
        self.sum += 1;
    }

    fn subtract(&mut self, class: u8) {
        self.by_class[class as usize] -= 1;
        self.sum -= 1;
    }
}

/// Huge pages of the kernel. The arena grows from one end to the other, so that at most one of them is partly unused and uncounted; with them
/// a look-up among a million keys misses the translation cache far less (measured: a sixth of the CPU time of a pipelined GET).
pub const HUGE_PAGE_BYTES: usize = 2 * 1024 * 1024;
/// Huge pages that are backed ahead of the one being filled, by another thread, so that no turn waits for the kernel to clear memory.
const EXTENTS_AHEAD: usize = 2;

/// Asks the processor to bring the cache line of an address near.
#[inline]
pub fn prefetch_line(address: *const u8) {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: a prefetch reads nothing, whatever the address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = address;
}

impl Arena {
    /// An arena with at most `bytes` of pages.
    pub fn new(bytes: usize) -> std::io::Result<Arena> {
        let reach = (u32::MAX as usize) * GRANULE_BYTES / PAGE_BYTES * PAGE_BYTES;
        let bytes = bytes.next_multiple_of(PAGE_BYTES).min(reach);
        let reservation = Reservation::new(bytes)?;
        reservation.allow_huge_pages();
        Ok(Arena {
            reservation,
            pages: Vec::new(),
            classes: vec![
                Class {
                    pages: Vec::new(),
                    open: NONE,
                    expiring_pages: Vec::new()
                };
                CLASSES
            ],
            free_pages: Vec::new(),
            released_pages: Vec::new(),
            bytes_live: 0,
            live: Counts {
                by_class: [0; CLASSES],
                sum: 0,
            },
            expiring: Counts {
                by_class: [0; CLASSES],
                sum: 0,
            },
            donor: NO_CLASS,
        })
    }

    /// The memory from a slot's beginning to the end of its page: enough to read an item whose length is in its header, without a
    /// look at the page's description.
    #[inline]
    pub fn bytes(&self, reference: u32) -> &[u8] {
        let offset = reference as usize * GRANULE_BYTES;
        debug_assert!(offset / PAGE_BYTES < self.pages.len());
        // SAFETY: references are made by `take`, so the range lies in one page of the reservation; `&self` excludes writers.
        unsafe {
            std::slice::from_raw_parts(
                self.reservation.base().add(offset),
                PAGE_BYTES - offset % PAGE_BYTES,
            )
        }
    }

    /// The memory of some pages.
    pub fn memory(&self, range: &std::ops::Range<usize>) -> &[u8] {
        assert!(range.start <= range.end && range.end <= self.pages.len() * PAGE_BYTES);
        // SAFETY: the range lies in the reservation, whose bytes are zero or were written; `&self` excludes writers.
        unsafe { std::slice::from_raw_parts(self.reservation.base().add(range.start), range.len()) }
    }

    /// The memory of all pages, to be written.
    fn memory_mut(&mut self) -> &mut [u8] {
        let len = self.pages.len() * PAGE_BYTES;
        // SAFETY: as in `memory`, and `&mut self` excludes everybody else.
        unsafe { std::slice::from_raw_parts_mut(self.reservation.base(), len) }
    }

    /// Gives the memory of some pages back, whatever is in them: nobody may look into them any more.
    pub fn forget(&mut self, range: &std::ops::Range<usize>) {
        // SAFETY: `&mut self` excludes references into it.
        unsafe { self.reservation.discard(range.start, range.len()) };
    }

    /// The slot, to be written.
    #[inline]
    pub fn slot_mut(&mut self, reference: u32) -> &mut [u8] {
        let offset = reference as usize * GRANULE_BYTES;
        let len = slot_bytes(self.class_of(reference));
        // SAFETY: as in `bytes`; slots of a page do not overlap, and `&mut self` excludes everybody else.
        unsafe { std::slice::from_raw_parts_mut(self.reservation.base().add(offset), len) }
    }

    /// The first `N` bytes of the slot, to be written without a look at the page's description.
    #[inline]
    pub fn head_mut<const N: usize>(&mut self, reference: u32) -> &mut [u8; N] {
        const { assert!(N <= super::size_class::SLOT_BYTES_MIN) };
        let offset = reference as usize * GRANULE_BYTES;
        debug_assert!(offset / PAGE_BYTES < self.pages.len());
        // SAFETY: as in `slot_mut`; no slot is shorter than `N`.
        unsafe { &mut *self.reservation.base().add(offset).cast::<[u8; N]>() }
    }

    /// Asks the processor to bring the slot's first two cache lines near: a key, and a value of common size.
    #[inline]
    pub fn prefetch(&self, reference: u32) {
        let offset = reference as usize * GRANULE_BYTES;
        let address = self.reservation.base().wrapping_add(offset);
        prefetch_line(address);
        prefetch_line(address.wrapping_add(64));
    }

    fn reference(page: u32, class: u8, slot: u16) -> u32 {
        ((page as usize * PAGE_BYTES + usize::from(slot) * slot_bytes(class)) / GRANULE_BYTES)
            as u32
    }

    /// The page a reference lies in.
    pub fn page_of(reference: u32) -> u32 {
        (reference as usize * GRANULE_BYTES / PAGE_BYTES) as u32
    }

    fn slot_of(&self, reference: u32) -> u16 {
        let offset = reference as usize * GRANULE_BYTES % PAGE_BYTES;
        (offset / slot_bytes(self.class_of(reference))) as u16
    }

    /// The class of a reference's page.
    #[inline]
    pub fn class_of(&self, reference: u32) -> u8 {
        self.pages[Self::page_of(reference) as usize].class
    }

    /// Whether a remembered reference is that of a slot in use.
    pub fn is_live(&self, reference: u32) -> bool {
        let Some(page) = self.pages.get(Self::page_of(reference) as usize) else {
            return false;
        };
        if page.class == NO_CLASS {
            return false;
        }
        let (offset, bytes) = (
            reference as usize * GRANULE_BYTES % PAGE_BYTES,
            slot_bytes(page.class),
        );
        offset.is_multiple_of(bytes)
            && offset / bytes < usize::from(page.bump)
            && self.bytes(reference)[0] != 0
    }

    /// The item with the lowest reference from this one on, or, when so many pages have none, where to go on; `u32::MAX` at the end.
    pub fn item_at_or_after(&self, reference: u32, pages_max: u32) -> Result<u32, u32> {
        let first = Self::page_of(reference);
        let end = self.pages_len();
        let until = end.min(first.saturating_add(pages_max));
        for page in first..until {
            let used = self.slots_used(page);
            if used == 0 {
                continue;
            }
            let offset = if page == first {
                reference as usize * GRANULE_BYTES % PAGE_BYTES
            } else {
                0
            };
            let slot = offset.div_ceil(slot_bytes(self.pages[page as usize].class));
            if let Some(found) =
                (slot..usize::from(used)).find_map(|slot| self.item_at(page, slot as u16))
            {
                return Ok(found);
            }
        }
        Err(if until == end {
            u32::MAX
        } else {
            Self::reference(until, 0, 0)
        })
    }

    /// Takes a free slot of an existing page; its bytes are arbitrary. The caller makes the first one other than zero.
    pub fn take(&mut self, class: u8) -> Option<u32> {
        let number = self.classes[class as usize].open;
        if number == NONE {
            return None;
        }
        let page = &self.pages[number as usize];
        let slot = if page.free != NO_SLOT {
            let slot = page.free;
            let bytes = self.bytes(Self::reference(number, class, slot));
            let next = u16::from_le_bytes([bytes[NEXT_FREE_AT], bytes[NEXT_FREE_AT + 1]]);
            self.pages[number as usize].free = next;
            slot
        } else {
            let slot = page.bump;
            self.pages[number as usize].bump += 1;
            slot
        };
        let page = &mut self.pages[number as usize];
        page.live += 1;
        if usize::from(page.live) == slots_per_page(class) {
            self.unlink_open(number);
        }
        self.live.add(class);
        self.bytes_live += slot_bytes(class);
        Some(Self::reference(number, class, slot))
    }

    /// Takes a slot back. The page becomes free with its last one.
    pub fn give_back(&mut self, reference: u32) {
        let (number, slot) = (Self::page_of(reference), self.slot_of(reference));
        let class = self.class_of(reference);
        let next = self.pages[number as usize].free;
        let head = self.head_mut::<{ NEXT_FREE_AT + 2 }>(reference);
        assert!(head[0] != 0, "a slot is given back once");
        head[0] = 0;
        head[NEXT_FREE_AT..].copy_from_slice(&next.to_le_bytes());
        self.live.subtract(class);
        if self.slots_free(class) > slots_per_page(class) {
            self.donor = class;
        }
        self.bytes_live -= slot_bytes(class);
        let page = &mut self.pages[number as usize];
        page.free = slot;
        page.live -= 1;
        if page.live == 0 {
            self.free_page(number);
        } else if usize::from(page.live) + 1 == slots_per_page(class) && !page.closed {
            self.link_open(number);
        }
    }

    fn link_open(&mut self, number: u32) {
        let class = self.pages[number as usize].class as usize;
        let next = std::mem::replace(&mut self.classes[class].open, number);
        if next != NONE {
            self.pages[next as usize].open_previous = number;
        }
        let page = &mut self.pages[number as usize];
        page.open_next = next;
        page.open_previous = NONE;
    }

    fn unlink_open(&mut self, number: u32) {
        let page = &self.pages[number as usize];
        let (class, next, previous) = (page.class as usize, page.open_next, page.open_previous);
        if next != NONE {
            self.pages[next as usize].open_previous = previous;
        }
        if previous != NONE {
            self.pages[previous as usize].open_next = next;
        } else {
            self.classes[class].open = next;
        }
    }

    fn is_open(&self, number: u32) -> bool {
        let page = &self.pages[number as usize];
        !page.closed && usize::from(page.live) < slots_per_page(page.class)
    }

    fn free_page(&mut self, number: u32) {
        assert_eq!(
            self.pages[number as usize].expiring, 0,
            "an empty page has nothing that expires"
        );
        // The last slot was just given back: a page of one slot would have been full, and no class has so long slots.
        if !self.pages[number as usize].closed {
            self.unlink_open(number);
        }
        let class = self.pages[number as usize].class as usize;
        let place = self.pages[number as usize].class_place;
        self.classes[class].pages.swap_remove(place as usize);
        if let Some(&moved) = self.classes[class].pages.get(place as usize) {
            self.pages[moved as usize].class_place = place;
        }
        self.pages[number as usize].class = NO_CLASS;
        self.free_pages.push(number);
    }

    /// Gives the class one more page: a free one, or (`commit`) one that takes new memory. False when there is none.
    pub fn add_page(&mut self, class: u8, commit: bool) -> bool {
        let number = if let Some(number) = self.free_pages.pop() {
            number
        } else if !commit {
            return false;
        } else if let Some(number) = self.released_pages.pop() {
            number
        } else if (self.pages.len() + 1) * PAGE_BYTES <= self.reservation.len() {
            let offset = self.pages.len() * PAGE_BYTES;
            if offset.is_multiple_of(HUGE_PAGE_BYTES) {
                let ahead = offset + EXTENTS_AHEAD * HUGE_PAGE_BYTES;
                self.reservation.populate_soon(ahead, HUGE_PAGE_BYTES);
            }
            self.pages.push(Page::unused());
            (self.pages.len() - 1) as u32
        } else {
            return false;
        };
        let class_pages = &mut self.classes[class as usize].pages;
        let page = &mut self.pages[number as usize];
        page.class = class;
        page.closed = false;
        page.bump = 0;
        page.free = NO_SLOT;
        page.class_place = class_pages.len() as u32;
        page.expiry_min = i64::MAX;
        class_pages.push(number);
        self.link_open(number);
        true
    }

    /// Has the first memory backed at once, as [`Arena::add_page`] later has it backed ahead of use.
    pub fn warm_up(&self) {
        let len = (EXTENTS_AHEAD * HUGE_PAGE_BYTES).min(self.reservation.len());
        self.reservation.populate(0, len);
    }

    /// Has the memory behind the last page backed soon, as [`Arena::add_page`] would have had it backed on the way there.
    pub fn warm_up_next(&self) {
        let next = (self.pages.len() * PAGE_BYTES).next_multiple_of(HUGE_PAGE_BYTES);
        let len = EXTENTS_AHEAD * HUGE_PAGE_BYTES;
        self.reservation.populate_soon(next, len);
    }

    /// Gives one free page's memory back to the kernel; false when there is no free page. From then on its surroundings are backed by small pages: a huge
    /// one would bring back memory that is not counted.
    pub fn release_page(&mut self) -> bool {
        let Some(number) = self.free_pages.pop() else {
            return false;
        };
        // SAFETY: the page has no slot in use and `&mut self` excludes references into it.
        unsafe {
            self.reservation
                .discard(number as usize * PAGE_BYTES, PAGE_BYTES)
        };
        let extent = number as usize * PAGE_BYTES / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
        let len = HUGE_PAGE_BYTES.min(self.reservation.len() - extent);
        self.reservation.refuse_huge_pages(extent, len);
        self.released_pages.push(number);
        true
    }

    /// Closes a page that is to be emptied: it gives out no slots until [`Arena::open_page`].
    pub fn close_page(&mut self, number: u32) {
        if self.is_open(number) {
            self.unlink_open(number);
        }
        self.pages[number as usize].closed = true;
    }

    /// The contrary of [`Arena::close_page`], for a page that was not emptied.
    pub fn open_page(&mut self, number: u32) {
        self.pages[number as usize].closed = false;
        if self.is_open(number) {
            self.link_open(number);
        }
    }

    /// Whether the page is being emptied and still has something in it.
    pub fn is_closed(&self, number: u32) -> bool {
        let page = &self.pages[number as usize];
        page.class != NO_CLASS && page.closed
    }

    /// Copies a slot's bytes to another slot of the same class.
    pub fn copy_slot(&mut self, from: u32, to: u32) {
        assert!(from != to && self.class_of(from) == self.class_of(to));
        let len = slot_bytes(self.class_of(from));
        let base = self.reservation.base();
        // SAFETY: two different slots of one class do not overlap, and both lie in the reservation. The bytes may hold owners of large
        // buffers: copied as raw memory, of which the caller gives back the source without dropping them.
        unsafe {
            std::ptr::copy_nonoverlapping(
                base.add(from as usize * GRANULE_BYTES),
                base.add(to as usize * GRANULE_BYTES),
                len,
            );
        }
    }

    /// Notes a change of an item's expiry.
    #[inline]
    pub fn note_expiry(&mut self, reference: u32, before: Option<i64>, after: Option<i64>) {
        if before.is_none() && after.is_none() {
            return;
        }
        let number = Self::page_of(reference);
        let page = &mut self.pages[number as usize];
        let class = &mut self.classes[page.class as usize];
        if let Some(after) = after {
            page.expiry_min = page.expiry_min.min(after);
        }
        match (before, after) {
            (None, Some(_)) => {
                self.expiring.add(page.class);
                page.expiring += 1;
                if page.expiring == 1 {
                    page.expiring_place = class.expiring_pages.len() as u32;
                    class.expiring_pages.push(number);
                }
            }
            (Some(_), None) => {
                self.expiring.subtract(page.class);
                page.expiring -= 1;
                if page.expiring == 0 {
                    let place = std::mem::replace(&mut page.expiring_place, NONE);
                    class.expiring_pages.swap_remove(place as usize);
                    if let Some(&moved) = class.expiring_pages.get(place as usize) {
                        self.pages[moved as usize].expiring_place = place;
                    }
                }
            }
            _ => {}
        }
    }

    /// Pages of a class with items that expire, in no order.
    pub fn pages_expiring(&self, class: u8) -> &[u32] {
        &self.classes[class as usize].expiring_pages
    }

    /// The class in which the `nth` of all items, ordered by class, is.
    pub fn class_of_nth(&self, nth: usize, only_expiring: bool) -> Option<u8> {
        let counts = if only_expiring {
            &self.expiring
        } else {
            &self.live
        };
        let mut left = nth;
        for (number, &items) in counts.by_class.iter().enumerate() {
            if left < items as usize {
                return Some(number as u8);
            }
            left -= items as usize;
        }
        None
    }

    /// Number of items, or of those that expire.
    pub fn items(&self, only_expiring: bool) -> usize {
        if only_expiring {
            self.expiring.sum
        } else {
            self.live.sum
        }
    }

    /// A class that could do with a page less: more than a page's worth of its slots is free.
    pub fn donor(&self) -> Option<u8> {
        let class = self.donor;
        (class != NO_CLASS && self.slots_free(class) > slots_per_page(class)).then_some(class)
    }

    /// The bound below which nothing in the page expires.
    pub fn expiry_min(&self, page: u32) -> i64 {
        self.pages[page as usize].expiry_min
    }

    /// Sets the bound before a walk over the whole page that lowers it again with [`Arena::lower_expiry_min`].
    pub fn reset_expiry_min(&mut self, page: u32) {
        self.pages[page as usize].expiry_min = i64::MAX;
    }

    /// Lowers the bound to `expiry` if that is earlier.
    pub fn lower_expiry_min(&mut self, page: u32, expiry: i64) {
        let bound = &mut self.pages[page as usize].expiry_min;
        *bound = expiry.min(*bound);
    }

    /// Slots of the page that were ever used; those from there on hold nothing.
    pub fn slots_used(&self, page: u32) -> u16 {
        let page = &self.pages[page as usize];
        if page.class == NO_CLASS { 0 } else { page.bump }
    }

    /// The item in the page's slot, if it is in use.
    #[inline]
    pub fn item_at(&self, page: u32, slot: u16) -> Option<u32> {
        let class = self.pages[page as usize].class;
        let reference = Self::reference(page, class, slot);
        (self.bytes(reference)[0] != 0).then_some(reference)
    }

    /// Slots in use in the page.
    pub fn live_in_page(&self, page: u32) -> usize {
        usize::from(self.pages[page as usize].live)
    }

    /// Bytes in use in the page; 0 for a free one.
    pub fn bytes_in_page(&self, page: u32) -> usize {
        let page = &self.pages[page as usize];
        if page.class == NO_CLASS {
            0
        } else {
            usize::from(page.live) * slot_bytes(page.class)
        }
    }

    /// Pages ever touched, in use or not.
    pub fn pages_len(&self) -> u32 {
        self.pages.len() as u32
    }

    /// Pages of a class.
    pub fn pages_of_class(&self, class: u8) -> &[u32] {
        &self.classes[class as usize].pages
    }

    /// Free slots of a class's pages.
    #[inline]
    pub fn slots_free(&self, class: u8) -> usize {
        self.classes[class as usize].pages.len() * slots_per_page(class)
            - self.live.by_class[class as usize] as usize
    }

    /// Number of pages that have memory and belong to no class.
    pub fn pages_free(&self) -> usize {
        self.free_pages.len()
    }

    /// Number of pages that count as resident.
    pub fn pages_committed(&self) -> usize {
        self.pages.len() - self.released_pages.len()
    }

    /// Bytes that count against the memory limit.
    #[inline]
    pub fn bytes_committed(&self) -> u64 {
        (self.pages_committed() * PAGE_BYTES) as u64
    }

    /// Bytes of slots in use.
    pub fn bytes_live(&self) -> usize {
        self.bytes_live
    }

    /// Whether the page is in its class's list of pages with items that expire.
    #[cfg(test)]
    pub fn lists_as_expiring(&self, page: u32) -> bool {
        self.classes
            .iter()
            .any(|class| class.expiring_pages.contains(&page))
    }
}

#[cfg(test)]
mod tests {
    use super::super::size_class::class_of;
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]
        /// Slots never overlap, keep what was written, and every figure is the sum of what was handed out.
        #[test]
        fn slots_keep_what_was_written(steps in prop::collection::vec((1..16_384usize, any::<prop::sample::Index>(), 0..8u8), 1..800)) {
            let mut arena = Arena::new(32 << 20).unwrap();
            let mut model: BTreeMap<u32, (usize, u8)> = BTreeMap::new();
            let mut mark = 0u8;
            for (len, which, action) in steps {
                if action < 5 || model.is_empty() {
                    let len = if action % 2 == 0 { len } else { len % 200 + 1 };
                    let class = class_of(len);
                    if arena.slots_free(class) == 0 {
                        prop_assert!(arena.add_page(class, true));
                    }
                    let reference = arena.take(class).unwrap();
                    mark = mark.checked_add(1).unwrap_or(1);
                    arena.slot_mut(reference).fill(mark);
                    prop_assert!(model.insert(reference, (slot_bytes(class), mark)).is_none(), "a slot is handed out once");
                } else if action < 7 {
                    let reference = *which.get(&model.keys().copied().collect::<Vec<_>>());
                    model.remove(&reference);
                    arena.give_back(reference);
                    prop_assert!(!arena.is_live(reference));
                } else {
                    arena.release_page();
                }
            }
            let mut end = 0;
            for (&reference, &(len, mark)) in &model {
                let start = reference as usize * GRANULE_BYTES;
                prop_assert!(start >= end, "slots do not overlap");
                end = start + len;
                prop_assert!(arena.bytes(reference)[..len].iter().all(|&byte| byte == mark));
                prop_assert!(arena.is_live(reference));
            }
            prop_assert_eq!(arena.bytes_live(), model.values().map(|(len, _)| len).sum::<usize>());
            prop_assert_eq!(arena.items(false), model.len());
            let walked: Vec<u32> = (0..arena.pages_len()).flat_map(|page| (0..arena.slots_used(page)).map(move |slot| (page, slot))).filter_map(|(page, slot)| arena.item_at(page, slot)).collect();
            prop_assert!(walked.iter().eq(model.keys()));
        }
    }

    #[test]
    fn a_full_reservation_gives_no_page() {
        let mut arena = Arena::new(PAGE_BYTES).unwrap();
        assert!(
            !arena.add_page(3, false),
            "no free page without committing one"
        );
        assert!(arena.add_page(3, true));
        assert!(!arena.add_page(3, true));
        assert_eq!(arena.bytes_committed(), PAGE_BYTES as u64);
    }
}
