//! The sizes of slots. Exact steps of 8 bytes up to 256, then about 1/16 apart, each stretched to the longest slot of which equally many
//! fit a page, so that neither rounding up nor the page's end wastes much. It knows nothing of pages' contents.

/// Bytes of an arena page.
pub const PAGE_BYTES: usize = 64 * 1024;
/// Slots begin and end at multiples of this; references count in it, so 32 bits reach 32 GiB.
pub const GRANULE_BYTES: usize = 8;
/// The shortest slot.
pub const SLOT_BYTES_MIN: usize = 16;
/// The longest slot; longer values live outside the arena.
pub const SLOT_BYTES_MAX: usize = PAGE_BYTES / 4;

const fn class_after(bytes: usize) -> usize {
    let step = bytes / 16 / GRANULE_BYTES * GRANULE_BYTES;
    let next = bytes
        + if step < GRANULE_BYTES {
            GRANULE_BYTES
        } else {
            step
        };
    if next <= 256 {
        return next;
    }
    let slots = PAGE_BYTES / next;
    PAGE_BYTES / slots / GRANULE_BYTES * GRANULE_BYTES
}

const fn count_classes() -> usize {
    let mut count = 1;
    let mut bytes = SLOT_BYTES_MIN;
    while bytes < SLOT_BYTES_MAX {
        bytes = class_after(bytes);
        count += 1;
    }
    count
}

/// Number of size classes.
pub const CLASSES: usize = count_classes();

/// Bytes of a slot by class.
pub const SLOT_BYTES: [u16; CLASSES] = {
    let mut sizes = [0; CLASSES];
    let mut bytes = SLOT_BYTES_MIN;
    let mut class = 0;
    while class < CLASSES {
        sizes[class] = bytes as u16;
        bytes = class_after(bytes);
        class += 1;
    }
    sizes
};

/// Slots of a page by class.
static SLOTS_PER_PAGE: [u16; CLASSES] = {
    let mut slots = [0; CLASSES];
    let mut class = 0;
    while class < CLASSES {
        slots[class] = (PAGE_BYTES / SLOT_BYTES[class] as usize) as u16;
        class += 1;
    }
    slots
};

/// Classes by length in granules, rounded up.
static CLASS_OF_GRANULES: [u8; SLOT_BYTES_MAX / GRANULE_BYTES + 1] = {
    let mut classes = [0; SLOT_BYTES_MAX / GRANULE_BYTES + 1];
    let mut granules = 0;
    let mut class = 0;
    while granules < classes.len() {
        while (SLOT_BYTES[class] as usize) < granules * GRANULE_BYTES {
            class += 1;
        }
        classes[granules] = class as u8;
        granules += 1;
    }
    classes
};

const _: () = assert!(CLASSES <= u8::MAX as usize, "a class fits a byte");
const _: () = assert!(
    SLOT_BYTES[CLASSES - 1] as usize == SLOT_BYTES_MAX,
    "the last class is the longest slot"
);

/// The class of the shortest slot that holds `bytes`.
#[inline]
pub fn class_of(bytes: usize) -> u8 {
    CLASS_OF_GRANULES[bytes.div_ceil(GRANULE_BYTES)]
}

/// Bytes of a slot of this class.
#[inline]
pub fn slot_bytes(class: u8) -> usize {
    SLOT_BYTES[class as usize] as usize
}

/// Slots of a page of this class.
#[inline]
pub fn slots_per_page(class: u8) -> usize {
    SLOTS_PER_PAGE[class as usize] as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_has_the_shortest_slot_that_holds_it() {
        for bytes in 1..=SLOT_BYTES_MAX {
            let class = class_of(bytes);
            assert!(slot_bytes(class) >= bytes);
            assert!(
                class == 0 || slot_bytes(class - 1) < bytes,
                "{bytes} would fit a shorter slot"
            );
        }
    }

    #[test]
    fn slots_are_close_together_and_fill_their_pages() {
        for class in 1..CLASSES {
            let (before, bytes) = (SLOT_BYTES[class - 1] as usize, SLOT_BYTES[class] as usize);
            assert_eq!(bytes % GRANULE_BYTES, 0);
            assert!(
                bytes <= 256 && bytes == before + 8
                    || bytes * 100 <= before * 112
                    || PAGE_BYTES / bytes + 1 == PAGE_BYTES / before
            );
            let slack = PAGE_BYTES % bytes;
            assert!(
                slack * 100 < PAGE_BYTES,
                "slots of {bytes} leave {slack} bytes of a page"
            );
        }
    }
}
