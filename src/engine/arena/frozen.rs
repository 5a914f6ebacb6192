//! What a warm restart keeps of an arena: each page's description; its memory goes another way, in extents of whole pages.
//!
//! Lists of pages are not kept, but made again from the descriptions.

use super::{Arena, Class, HUGE_PAGE_BYTES, NO_CLASS, NO_SLOT, Page};
use crate::engine::frozen::{In, Out};
use crate::engine::size_class::{CLASSES, PAGE_BYTES, slot_bytes, slots_per_page};
use std::io;
use std::ops::Range;

/// Bytes of an extent at most: pages with items that follow one another, within a stretch of the address space that begins at a multiple of this.
pub const EXTENT_BYTES: usize = 1 << 20;

/// Flags of a frozen description.
const RELEASED: u8 = 1;

impl Arena {
    /// The pages that have items, as ranges of the reservation's bytes, in order.
    pub fn extents(&self) -> Vec<Range<usize>> {
        let mut extents: Vec<Range<usize>> = Vec::new();
        for (number, page) in self.pages.iter().enumerate() {
            if page.class == NO_CLASS {
                continue;
            }
            let start = number * PAGE_BYTES;
            match extents.last_mut() {
                Some(last) if last.end == start && !start.is_multiple_of(EXTENT_BYTES) => {
                    last.end += PAGE_BYTES;
                }
                _ => extents.push(start..start + PAGE_BYTES),
            }
        }
        extents
    }

    /// The memory of [`Arena::extents`], to be filled.
    pub fn extents_mut(&mut self) -> Vec<&mut [u8]> {
        let extents = self.extents();
        let (mut memory, mut at) = (self.memory_mut(), 0);
        let mut parts = Vec::with_capacity(extents.len());
        for extent in extents {
            let (_, rest) = memory.split_at_mut(extent.start - at);
            let (part, rest) = rest.split_at_mut(extent.len());
            (memory, at) = (rest, extent.end);
            parts.push(part);
        }
        parts
    }

    /// The least of all pages' bounds.
    pub fn expiry_min_of_all(&self) -> i64 {
        let pages = self.classes.iter().flat_map(|class| &class.expiring_pages);
        let bounds = pages.map(|&page| self.pages[page as usize].expiry_min);
        bounds.min().unwrap_or(i64::MAX)
    }

    /// Writes the descriptions. No page may be closed.
    pub fn freeze(&self, out: &mut Out<'_>) -> io::Result<()> {
        let mut is_released = vec![false; self.pages.len()];
        for &number in &self.released_pages {
            is_released[number as usize] = true;
        }
        out.u32(self.pages.len() as u32)?;
        for (page, is_released) in self.pages.iter().zip(is_released) {
            assert!(!page.closed || page.class == NO_CLASS, "no page is emptied");
            out.bytes(&[page.class, u8::from(is_released) * RELEASED])?;
            if page.class != NO_CLASS {
                for number in [page.live, page.expiring, page.bump, page.free] {
                    out.bytes(&number.to_le_bytes())?;
                }
                out.i64(page.expiry_min)?;
            }
        }
        Ok(())
    }

    /// Takes the descriptions over, in an arena that has no pages yet.
    pub fn thaw(&mut self, input: &mut In<'_>) -> Result<(), String> {
        let count = input.u32()? as usize;
        if count * PAGE_BYTES > self.reservation.len() {
            return Err(format!(
                "its {count} pages are more than this machine's address space for a shard holds"
            ));
        }
        for number in 0..count {
            let [class, flags] = input.array()?;
            let mut page = Page {
                class,
                ..Page::unused()
            };
            if class == NO_CLASS {
                match flags & RELEASED {
                    0 => self.free_pages.push(number as u32),
                    _ => self.released_pages.push(number as u32),
                }
            } else {
                let numbers: [[u8; 2]; 4] = [
                    input.array()?,
                    input.array()?,
                    input.array()?,
                    input.array()?,
                ];
                let [live, expiring, bump, free] = numbers.map(u16::from_le_bytes);
                page.expiry_min = input.i64()?;
                let slots = if usize::from(class) < CLASSES {
                    slots_per_page(class)
                } else {
                    0
                };
                let is_right = (1..=bump).contains(&live)
                    && expiring <= live
                    && usize::from(bump) <= slots
                    && (free == NO_SLOT || free < bump);
                if !is_right {
                    return Err(format!("the description of page {number} is wrong"));
                }
                (page.live, page.expiring, page.bump, page.free) = (live, expiring, bump, free);
            }
            self.pages.push(page);
        }
        // From the last on, so that the first pages are those that are filled up first.
        for number in (0..count as u32).rev() {
            self.enlist(number);
        }
        let released = self.released_pages.iter();
        let extents = released.map(|&page| page as usize * PAGE_BYTES / HUGE_PAGE_BYTES);
        let mut extents: Vec<usize> = extents.collect();
        extents.sort_unstable();
        extents.dedup();
        for extent in extents {
            let start = extent * HUGE_PAGE_BYTES;
            let len = HUGE_PAGE_BYTES.min(self.reservation.len() - start);
            self.reservation.refuse_huge_pages(start, len);
        }
        Ok(())
    }

    /// Puts a page into its class's lists, and counts what is in it.
    fn enlist(&mut self, number: u32) {
        let page = &mut self.pages[number as usize];
        if page.class == NO_CLASS {
            return;
        }
        let class_of_page = page.class;
        let (live, expiring) = (usize::from(page.live), usize::from(page.expiring));
        let class: &mut Class = &mut self.classes[class_of_page as usize];
        page.class_place = class.pages.len() as u32;
        class.pages.push(number);
        if expiring > 0 {
            page.expiring_place = class.expiring_pages.len() as u32;
            class.expiring_pages.push(number);
        }
        self.bytes_live += live * slot_bytes(class_of_page);
        self.live.by_class[class_of_page as usize] += live as u32;
        self.live.sum += live;
        self.expiring.by_class[class_of_page as usize] += expiring as u32;
        self.expiring.sum += expiring;
        if self.is_open(number) {
            self.link_open(number);
        }
    }
}
