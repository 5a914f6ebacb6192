//! The record of one key and its value, in the bytes of a slot.
//!
//! ```text
//! meta u8 | access u24 | key length u8 | value length u8 | [wide: key length u16, value length u16] | [expiry i64] | [attributes 5] | key | value
//! ```
//! Six bytes when key and value are short and nothing expires. What a record does not have takes no room. A key or a value that is too long
//! for a slot lives in a large buffer, and the record holds its owner, aligned to 8. It never allocates slots and never compares times.
//! The meta byte is never zero: a zero there marks a free slot. One kind is free.

use super::collection::Collection;
use super::size_class::{SLOT_BYTES_MAX, SLOT_BYTES_MIN};
use crate::large::LargeBytes;
use std::ops::Range;

/// The value is bytes in the slot.
pub const KIND_BYTES: u8 = 1;
/// The value is a canonical integer in 1, 2, 4 or 8 bytes.
pub const KIND_INTEGER: u8 = 2;
/// The value is a [`LargeBytes`].
pub const KIND_LARGE: u8 = 3;
/// The value is bytes in the slot that were modified in place: OBJECT ENCODING raw whatever their length.
pub const KIND_RAW: u8 = 4;
/// The value is a packed collection: a byte that names its type, then its run.
pub const KIND_PACKED: u8 = 5;
/// The value is a [`Collection`].
pub const KIND_COLLECTION: u8 = 6;
const KIND_MASK: u8 = 0b111;
/// The value has been read since it was stored.
const FLAG_READ: u8 = 1 << 3;
const FLAG_EXPIRY: u8 = 1 << 4;
const FLAG_WIDE: u8 = 1 << 5;
const FLAG_KEY_LARGE: u8 = 1 << 6;
const FLAG_ATTRIBUTES: u8 = 1 << 7;

/// Bytes every record has.
pub const HEAD_BYTES: usize = 6;
const WIDE_BYTES: usize = 4;
const EXPIRY_BYTES: usize = 8;
const ATTRIBUTES_BYTES: usize = 5;
const POINTER_BYTES: usize = size_of::<LargeBytes>();
const COLLECTION_BYTES: usize = size_of::<Collection>();
/// The longest key inside a slot.
pub const KEY_BYTES_MAX: usize = SLOT_BYTES_MAX / 2;

const MARK_STALE: u8 = 1;
const MARK_WON: u8 = 1 << 1;
const WIDTH_SHIFT: u32 = 2;
const WIDTH_MAX: u8 = 63;

/// What memcached's protocols know of an item beyond its value and expiry. An item takes room for it only when it is not the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attributes {
    /// The 32 bits a client stored with the value.
    pub client_flags: u32,
    /// Marked as stale (meta commands: invalidated).
    pub stale: bool,
    /// Some client was told to compute the value anew (meta commands: win).
    pub won: bool,
    /// The length memcached clients see, if the value is padded with spaces to it (a number that was decremented in place), else 0; at most 63.
    pub width: u8,
}

/// Where the key begins, by the record's meta byte.
static KEY_AT: [u8; 256] = {
    let mut table = [0; 256];
    let mut meta = 0;
    while meta < table.len() {
        let mut at = HEAD_BYTES;
        if meta as u8 & FLAG_WIDE != 0 {
            at += WIDE_BYTES;
        }
        if meta as u8 & FLAG_EXPIRY != 0 {
            at += EXPIRY_BYTES;
        }
        if meta as u8 & FLAG_ATTRIBUTES != 0 {
            at += ATTRIBUTES_BYTES;
        }
        if meta as u8 & FLAG_KEY_LARGE != 0 {
            at = at.next_multiple_of(POINTER_BYTES);
        }
        table[meta] = at as u8;
        meta += 1;
    }
    table
};

/// Where a record's parts are.
#[derive(Debug, Clone, Copy)]
pub struct Layout {
    meta: u8,
    key_at: usize,
    key_len: usize,
    value_at: usize,
    value_len: usize,
}

impl Layout {
    /// The layout of a record with a value of this kind and length (of the owner, when it is large), with room for an expiry (`expires`) and for
    /// attributes (`attributed`).
    pub fn new(
        key_len: usize,
        kind: u8,
        value_len: usize,
        expires: bool,
        attributed: bool,
    ) -> Layout {
        let mut meta = kind;
        let key_len = if key_len > KEY_BYTES_MAX {
            meta |= FLAG_KEY_LARGE;
            POINTER_BYTES
        } else {
            key_len
        };
        let value_len = match kind {
            KIND_LARGE => POINTER_BYTES,
            KIND_COLLECTION => COLLECTION_BYTES,
            _ => value_len,
        };
        if key_len > usize::from(u8::MAX) || value_len > usize::from(u8::MAX) {
            meta |= FLAG_WIDE;
        }
        if expires {
            meta |= FLAG_EXPIRY;
        }
        if attributed {
            meta |= FLAG_ATTRIBUTES;
        }
        Layout::place(meta, key_len, value_len)
    }

    #[inline(always)]
    fn place(meta: u8, key_len: usize, value_len: usize) -> Layout {
        let key_at = usize::from(KEY_AT[usize::from(meta)]);
        let mut value_at = key_at + key_len;
        if matches!(meta & KIND_MASK, KIND_LARGE | KIND_COLLECTION) {
            value_at = value_at.next_multiple_of(POINTER_BYTES);
        }
        Layout {
            meta,
            key_at,
            key_len,
            value_at,
            value_len,
        }
    }

    /// The layout of a stored record.
    #[inline(always)]
    pub fn of(bytes: &[u8]) -> Layout {
        const HEAD_AND_WIDE: usize = HEAD_BYTES + WIDE_BYTES;
        const { assert!(HEAD_AND_WIDE <= SLOT_BYTES_MIN) };
        let head: &[u8; HEAD_AND_WIDE] = bytes.first_chunk().expect("a slot is longer");
        let meta = head[0];
        debug_assert!(meta != 0, "a live item");
        let (key_len, value_len) = if meta & FLAG_WIDE == 0 {
            (usize::from(head[4]), usize::from(head[5]))
        } else {
            (
                usize::from(u16::from_le_bytes([head[HEAD_BYTES], head[HEAD_BYTES + 1]])),
                usize::from(u16::from_le_bytes([
                    head[HEAD_BYTES + 2],
                    head[HEAD_BYTES + 3],
                ])),
            )
        };
        Layout::place(meta, key_len, value_len)
    }

    /// Bytes of the record.
    pub fn bytes(&self) -> usize {
        self.value_at + self.value_len
    }

    /// The kind of the value.
    pub fn kind(&self) -> u8 {
        self.meta & KIND_MASK
    }

    /// Whether the value is bytes in the slot.
    pub fn is_in_slot(&self) -> bool {
        matches!(self.kind(), KIND_BYTES | KIND_RAW)
    }

    /// Whether there is room for attributes.
    pub fn is_attributed(&self) -> bool {
        self.meta & FLAG_ATTRIBUTES != 0
    }

    /// Whether the key lives in a large buffer.
    pub fn has_large_key(&self) -> bool {
        self.meta & FLAG_KEY_LARGE != 0
    }

    /// Where the value is, in a record whose value is in the slot.
    pub fn value(&self) -> Range<usize> {
        self.value_at..self.value_at + self.value_len
    }

    /// Whether both are of bytes in the slot and have their parts at the same places, but for the value's length.
    pub fn same_places(&self, other: &Layout) -> bool {
        const PARTS: u8 = !(KIND_MASK | FLAG_READ);
        self.key_at == other.key_at
            && self.value_at == other.value_at
            && self.meta & PARTS == other.meta & PARTS
            && self.is_in_slot()
            && other.is_in_slot()
    }

    /// Writes the fixed part and the lengths.
    pub fn write_head(&self, bytes: &mut [u8], access: u32) {
        bytes[0] = self.meta;
        set_access((&mut bytes[..4]).try_into().expect("four bytes"), access);
        if self.meta & FLAG_WIDE == 0 {
            bytes[4] = self.key_len as u8;
            bytes[5] = self.value_len as u8;
        } else {
            bytes[HEAD_BYTES..HEAD_BYTES + 2].copy_from_slice(&(self.key_len as u16).to_le_bytes());
            bytes[HEAD_BYTES + 2..HEAD_BYTES + 4]
                .copy_from_slice(&(self.value_len as u16).to_le_bytes());
        }
    }

    fn expiry_at(&self) -> usize {
        HEAD_BYTES
            + if self.meta & FLAG_WIDE == 0 {
                0
            } else {
                WIDE_BYTES
            }
    }

    /// Writes the expiry of a record that has one.
    pub fn write_expiry(&self, bytes: &mut [u8], expiry: i64) {
        assert!(
            self.meta & FLAG_EXPIRY != 0,
            "a record with room for an expiry"
        );
        let at = self.expiry_at();
        bytes[at..at + EXPIRY_BYTES].copy_from_slice(&expiry.to_le_bytes());
    }

    fn attributes_at(&self) -> usize {
        assert!(self.is_attributed(), "a record with room for attributes");
        let expiry = if self.meta & FLAG_EXPIRY == 0 {
            0
        } else {
            EXPIRY_BYTES
        };
        self.expiry_at() + expiry
    }

    /// Writes the attributes of a record that has room for them.
    pub fn write_attributes(&self, bytes: &mut [u8], attributes: Attributes) {
        let at = self.attributes_at();
        let mut marks = attributes.width.min(WIDTH_MAX) << WIDTH_SHIFT;
        if attributes.stale {
            marks |= MARK_STALE;
        }
        if attributes.won {
            marks |= MARK_WON;
        }
        bytes[at] = marks;
        bytes[at + 1..at + ATTRIBUTES_BYTES]
            .copy_from_slice(&attributes.client_flags.to_le_bytes());
    }

    /// The attributes; the default ones if there is no room for any.
    pub fn attributes(&self, bytes: &[u8]) -> Attributes {
        if !self.is_attributed() {
            return Attributes::default();
        }
        let at = self.attributes_at();
        let flags = &bytes[at + 1..at + ATTRIBUTES_BYTES];
        Attributes {
            client_flags: u32::from_le_bytes(flags.try_into().expect("four bytes")),
            stale: bytes[at] & MARK_STALE != 0,
            won: bytes[at] & MARK_WON != 0,
            width: bytes[at] >> WIDTH_SHIFT,
        }
    }

    /// Writes a key that is in the slot.
    pub fn write_key(&self, bytes: &mut [u8], key: &[u8]) {
        assert!(!self.has_large_key());
        bytes[self.key_at..self.key_at + self.key_len].copy_from_slice(key);
    }

    /// Writes the owner of a large key.
    pub fn write_large_key(&self, bytes: &mut [u8], key: LargeBytes) {
        assert!(self.has_large_key());
        write_owner(bytes, self.key_at, key);
    }

    /// Writes the owner of a large value.
    pub fn write_large_value(&self, bytes: &mut [u8], value: LargeBytes) {
        assert_eq!(self.kind(), KIND_LARGE);
        write_owner(bytes, self.value_at, value);
    }

    /// The key.
    #[inline]
    pub fn key<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        if self.has_large_key() {
            self.large_key(bytes).as_slice()
        } else {
            &bytes[self.key_at..self.key_at + self.key_len]
        }
    }

    /// The owner of a large key.
    pub fn large_key<'a>(&self, bytes: &'a [u8]) -> &'a LargeBytes {
        assert!(self.has_large_key());
        owner(bytes, self.key_at)
    }

    /// The owner of a large value.
    pub fn large_value<'a>(&self, bytes: &'a [u8]) -> &'a LargeBytes {
        assert_eq!(self.kind(), KIND_LARGE);
        owner(bytes, self.value_at)
    }

    /// The owner of a large value, to be changed in place.
    pub fn large_value_mut<'a>(&self, bytes: &'a mut [u8]) -> &'a mut LargeBytes {
        assert_eq!(self.kind(), KIND_LARGE);
        let at = self.value_at;
        let place = bytes[at..at + POINTER_BYTES]
            .as_mut_ptr()
            .cast::<LargeBytes>();
        assert!(
            place.is_aligned(),
            "slots begin at multiples of 8, and layouts align owners"
        );
        // SAFETY: `write_large_value` put an owner there, and `bytes` is borrowed exclusively.
        unsafe { &mut *place }
    }

    fn collection_place(&self, bytes: &[u8]) -> *const Collection {
        assert_eq!(self.kind(), KIND_COLLECTION);
        let place = bytes[self.value()].as_ptr().cast::<Collection>();
        assert!(
            place.is_aligned() && self.value_len == COLLECTION_BYTES,
            "slots begin at multiples of 8, and layouts align owners"
        );
        place
    }

    /// Writes a collection.
    pub fn write_collection(&self, bytes: &mut [u8], collection: Collection) {
        let place = self.collection_place(bytes).cast_mut();
        // SAFETY: the place is long enough, aligned and exclusively borrowed; what it held before was moved out or was no owner.
        unsafe { place.write(collection) };
    }

    /// The collection.
    pub fn collection<'a>(&self, bytes: &'a [u8]) -> &'a Collection {
        // SAFETY: the record's meta byte says that a collection was written there, and it stays as long as the record is borrowed.
        unsafe { &*self.collection_place(bytes) }
    }

    /// The collection, to be changed or taken.
    pub fn collection_mut<'a>(&self, bytes: &'a mut [u8]) -> &'a mut Collection {
        // SAFETY: as in `collection`, and `bytes` is borrowed exclusively.
        unsafe { &mut *self.collection_place(bytes).cast_mut() }
    }

    /// Takes the owner of a large key out; the record is dead from here on.
    pub fn take_large_key(&self, bytes: &mut [u8]) -> LargeBytes {
        assert!(self.has_large_key());
        take_owner(bytes, self.key_at)
    }

    /// Takes the owner of a large value out; the record is dead from here on.
    pub fn take_large_value(&self, bytes: &mut [u8]) -> LargeBytes {
        assert_eq!(self.kind(), KIND_LARGE);
        take_owner(bytes, self.value_at)
    }

    /// The integer of a record that holds one.
    pub fn integer(&self, bytes: &[u8]) -> i64 {
        let value = &bytes[self.value()];
        match *value {
            [a] => i64::from(a as i8),
            [a, b] => i64::from(i16::from_le_bytes([a, b])),
            [a, b, c, d] => i64::from(i32::from_le_bytes([a, b, c, d])),
            _ => i64::from_le_bytes(value.try_into().expect("an integer has 1, 2, 4 or 8 bytes")),
        }
    }

    /// Writes the integer of a record that holds one.
    pub fn write_integer(&self, bytes: &mut [u8], integer: i64) {
        bytes[self.value()].copy_from_slice(&integer.to_le_bytes()[..self.value_len]);
    }
}

/// Whether this is the record of a key.
#[inline]
pub fn has_key(bytes: &[u8], key: &[u8]) -> bool {
    let meta = bytes[0];
    if meta & (FLAG_WIDE | FLAG_KEY_LARGE) != 0 {
        return Layout::of(bytes).key(bytes) == key;
    }
    let at = usize::from(KEY_AT[usize::from(meta)]);
    usize::from(bytes[4]) == key.len() && bytes[at..at + key.len()] == *key
}

/// Whether the value is a collection, of either form.
#[inline]
pub fn is_collection(bytes: &[u8]) -> bool {
    matches!(bytes[0] & KIND_MASK, KIND_PACKED | KIND_COLLECTION)
}

/// The value, when it is bytes in the slot and the lengths are short; the common case, without the rest of a layout.
#[inline]
pub fn short_bytes(bytes: &[u8]) -> Option<&[u8]> {
    let meta = bytes[0];
    let is_bytes = matches!(meta & KIND_MASK, KIND_BYTES | KIND_RAW);
    if !is_bytes || meta & (FLAG_WIDE | FLAG_KEY_LARGE) != 0 {
        return None;
    }
    let at = usize::from(KEY_AT[usize::from(meta)]) + usize::from(bytes[4]);
    Some(&bytes[at..at + usize::from(bytes[5])])
}

/// When the record expires.
#[inline]
pub fn expiry(bytes: &[u8]) -> Option<i64> {
    let meta = bytes[0];
    if meta & FLAG_EXPIRY == 0 {
        return None;
    }
    let at = if meta & FLAG_WIDE == 0 {
        HEAD_BYTES
    } else {
        HEAD_BYTES + WIDE_BYTES
    };
    Some(i64::from_le_bytes(
        bytes[at..at + EXPIRY_BYTES]
            .try_into()
            .expect("eight bytes"),
    ))
}

/// The eviction policy's field.
#[inline]
pub fn access(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[1], bytes[2], bytes[3], 0])
}

/// Sets the eviction policy's field, 24 bits.
#[inline]
pub fn set_access(head: &mut [u8; 4], access: u32) {
    debug_assert!(access < 1 << 24);
    head[1..4].copy_from_slice(&access.to_le_bytes()[..3]);
}

/// Whether the value has been read since it was stored.
#[inline]
pub fn was_read(bytes: &[u8]) -> bool {
    bytes[0] & FLAG_READ != 0
}

/// Notes that the value has been read.
#[inline]
pub fn set_read(head: &mut [u8; 4]) {
    head[0] |= FLAG_READ;
}

/// Notes that the value is another one, which has not been read.
#[inline]
pub fn clear_read(head: &mut [u8; 4]) {
    head[0] &= !FLAG_READ;
}

/// Bytes in which an integer is stored.
pub fn integer_len(integer: i64) -> usize {
    if i8::try_from(integer).is_ok() {
        1
    } else if i16::try_from(integer).is_ok() {
        2
    } else if i32::try_from(integer).is_ok() {
        4
    } else {
        8
    }
}

/// The integer whose decimal digits, without sign, zero or blank too many, these bytes are.
pub fn canonical_integer(bytes: &[u8]) -> Option<i64> {
    let (negative, digits) = match bytes {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    match digits {
        [b'0'] if !negative => return Some(0),
        [b'1'..=b'9', ..] if digits.len() <= 19 => {}
        _ => return None,
    }
    let mut magnitude = 0u64;
    for &digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        // Nineteen digits are below 10^19 and fit.
        magnitude = magnitude * 10 + u64::from(digit - b'0');
    }
    if negative {
        0i64.checked_sub_unsigned(magnitude)
    } else {
        i64::try_from(magnitude).ok()
    }
}

/// The decimal digits of an integer; returns the used part of `buffer`.
pub fn format_integer(integer: i64, buffer: &mut [u8; 20]) -> &[u8] {
    let mut at = buffer.len();
    let mut magnitude = integer.unsigned_abs();
    loop {
        at -= 1;
        buffer[at] = b'0' + (magnitude % 10) as u8;
        magnitude /= 10;
        if magnitude == 0 {
            break;
        }
    }
    if integer < 0 {
        at -= 1;
        buffer[at] = b'-';
    }
    &buffer[at..]
}

fn owner_place(bytes: &[u8], at: usize) -> *const LargeBytes {
    let place = bytes[at..at + POINTER_BYTES].as_ptr().cast::<LargeBytes>();
    assert!(
        place.is_aligned(),
        "slots begin at multiples of 8, and layouts align owners"
    );
    place
}

fn write_owner(bytes: &mut [u8], at: usize, owner: LargeBytes) {
    let place = bytes[at..at + POINTER_BYTES]
        .as_mut_ptr()
        .cast::<LargeBytes>();
    assert!(
        place.is_aligned(),
        "slots begin at multiples of 8, and layouts align owners"
    );
    // SAFETY: the place is long enough, aligned and exclusively borrowed; what it held before was moved out or was no owner.
    unsafe { place.write(owner) };
}

fn owner(bytes: &[u8], at: usize) -> &LargeBytes {
    // SAFETY: the record's meta byte says that an owner was written there, and it stays as long as the record is borrowed.
    unsafe { &*owner_place(bytes, at) }
}

fn take_owner(bytes: &mut [u8], at: usize) -> LargeBytes {
    // SAFETY: as in `owner`; the caller ends the record, so that the owner is taken once.
    unsafe { owner_place(bytes, at).read() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_integers_are_exactly_those_that_format_to_themselves() {
        let cases = [
            "0",
            "-0",
            "1",
            "-1",
            "01",
            "+1",
            "",
            "-",
            "9223372036854775807",
            "9223372036854775808",
            "-9223372036854775808",
            "-9223372036854775809",
            "12a",
            " 1",
            "99999999999999999999",
            "18446744073709551616",
        ];
        for case in cases {
            let expected = case
                .parse::<i64>()
                .ok()
                .filter(|integer| integer.to_string() == case);
            assert_eq!(canonical_integer(case.as_bytes()), expected, "{case}");
        }
        for integer in [
            0,
            7,
            -7,
            127,
            -128,
            128,
            32767,
            -32769,
            1 << 31,
            i64::MAX,
            i64::MIN,
        ] {
            assert_eq!(
                format_integer(integer, &mut [0; 20]),
                integer.to_string().as_bytes()
            );
            let layout = Layout::new(1, KIND_INTEGER, integer_len(integer), false, false);
            let mut slot = [0u8; 32];
            layout.write_head(&mut slot, 5);
            layout.write_integer(&mut slot, integer);
            assert_eq!(Layout::of(&slot).integer(&slot), integer);
            assert_eq!(access(&slot), 5);
        }
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        for key_len in [0, 1, 16, 254, 255, 256, 5000] {
            for value_len in [0, 1, 100, 255, 256, 9000] {
                for (when, attributed) in [None, Some(0), Some(i64::MAX)]
                    .into_iter()
                    .zip([false, true, true])
                {
                    let layout =
                        Layout::new(key_len, KIND_RAW, value_len, when.is_some(), attributed);
                    let attributes = Attributes {
                        client_flags: 0xdead_beef,
                        stale: true,
                        won: false,
                        width: 20,
                    };
                    // As in the arena: a slot may be longer than its record, and none is shorter than this.
                    let mut slot = vec![0xff; layout.bytes().max(SLOT_BYTES_MIN)];
                    layout.write_head(&mut slot, 0xab_cdef);
                    layout.write_key(&mut slot, &vec![b'k'; key_len]);
                    slot[layout.value()].fill(b'v');
                    if let Some(when) = when {
                        layout.write_expiry(&mut slot, when);
                    }
                    if attributed {
                        layout.write_attributes(&mut slot, attributes);
                    }
                    let read = Layout::of(&slot);
                    assert_eq!(read.key(&slot), vec![b'k'; key_len]);
                    assert_eq!(&slot[read.value()], vec![b'v'; value_len]);
                    assert_eq!(read.bytes(), layout.bytes());
                    assert_eq!(expiry(&slot), when);
                    assert_eq!(access(&slot), 0xab_cdef);
                    assert_eq!(read.kind(), KIND_RAW);
                    let expected = if attributed {
                        attributes
                    } else {
                        Attributes::default()
                    };
                    assert_eq!(read.attributes(&slot), expected);
                    assert!(!was_read(&slot));
                    set_read(slot.first_chunk_mut().expect("a head"));
                    assert!(was_read(&slot));
                    assert_eq!(Layout::of(&slot).key(&slot), vec![b'k'; key_len]);
                }
            }
        }
    }
}
