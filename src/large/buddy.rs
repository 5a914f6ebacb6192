//! A buddy allocator over runs of address space: power-of-two lengths, split on demand, merged when both halves are free.
//!
//! It deals in offsets only and never touches the bytes. The lowest free run is taken first, so that the used part stays dense and a run
//! repeats from the same sequence of calls.

use std::collections::BTreeSet;

/// The shortest run, as a power of two: 16 KiB.
pub const ORDER_MIN: u32 = 14;
/// The longest run, as a power of two: 1 GiB, which holds the longest string with room to grow.
pub const ORDER_MAX: u32 = 30;

/// The free runs of a range of address space.
#[derive(Debug)]
pub struct Buddy {
    /// Free runs by order, as offsets.
    free: [BTreeSet<usize>; (ORDER_MAX - ORDER_MIN + 1) as usize],
    /// Everything from here on has never been handed out.
    fresh: usize,
    /// The end of the range.
    end: usize,
}

/// The order of the shortest run that holds `len` bytes; None beyond the longest.
pub fn order_of(len: usize) -> Option<u32> {
    let order = len
        .max(1)
        .next_power_of_two()
        .trailing_zeros()
        .max(ORDER_MIN);
    (order <= ORDER_MAX).then_some(order)
}

impl Buddy {
    /// All of `len` bytes free.
    pub fn new(len: usize) -> Buddy {
        Buddy {
            free: Default::default(),
            fresh: 0,
            end: len,
        }
    }

    fn runs(&mut self, order: u32) -> &mut BTreeSet<usize> {
        &mut self.free[(order - ORDER_MIN) as usize]
    }

    /// Takes a run out; its offset is a multiple of its length.
    pub fn allocate(&mut self, order: u32) -> Option<usize> {
        assert!((ORDER_MIN..=ORDER_MAX).contains(&order));
        let mut found = order;
        let offset = loop {
            if let Some(offset) = self.runs(found).pop_first() {
                break offset;
            }
            if found == ORDER_MAX {
                let offset = self.fresh;
                if self.end - offset < 1 << ORDER_MAX {
                    return None;
                }
                self.fresh += 1 << ORDER_MAX;
                break offset;
            }
            found += 1;
        };
        while found > order {
            found -= 1;
            self.runs(found).insert(offset + (1 << found));
        }
        Some(offset)
    }

    /// Takes a run back and merges it with its buddy as far up as possible.
    pub fn free(&mut self, mut offset: usize, mut order: u32) {
        while order < ORDER_MAX && self.runs(order).remove(&(offset ^ (1 << order))) {
            offset &= !(1 << order);
            order += 1;
        }
        assert!(self.runs(order).insert(offset), "a run is freed once");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_covers_the_length() {
        assert_eq!(order_of(0), Some(ORDER_MIN));
        assert_eq!(order_of(1 << 14), Some(14));
        assert_eq!(order_of((1 << 14) + 1), Some(15));
        assert_eq!(order_of(1 << 30), Some(30));
        assert_eq!(order_of((1 << 30) + 1), None);
    }

    #[test]
    fn runs_never_overlap_and_merge_again() {
        let mut buddy = Buddy::new(2 << ORDER_MAX);
        let mut random = 1u64;
        let mut live: Vec<(usize, u32)> = Vec::new();
        for _ in 0..if cfg!(miri) { 200 } else { 4000 } {
            random = random
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            if random >> 63 == 0 || live.is_empty() {
                let order = ORDER_MIN + (random >> 33) as u32 % 8;
                let offset = buddy.allocate(order).unwrap();
                assert_eq!(offset % (1 << order), 0);
                for &(other, other_order) in &live {
                    assert!(offset + (1 << order) <= other || other + (1 << other_order) <= offset);
                }
                live.push((offset, order));
            } else {
                let (offset, order) = live.swap_remove((random >> 33) as usize % live.len());
                buddy.free(offset, order);
            }
        }
        for (offset, order) in live.drain(..) {
            buddy.free(offset, order);
        }
        let whole: Vec<usize> = buddy.runs(ORDER_MAX).iter().copied().collect();
        assert_eq!(
            whole.len() << ORDER_MAX,
            buddy.fresh,
            "everything merged again"
        );
    }

    #[test]
    fn a_full_range_refuses() {
        let mut buddy = Buddy::new(1 << ORDER_MAX);
        assert_eq!(buddy.allocate(ORDER_MAX), Some(0));
        assert_eq!(buddy.allocate(ORDER_MIN), None);
        buddy.free(0, ORDER_MAX);
        assert_eq!(buddy.allocate(ORDER_MIN), Some(0));
    }
}
