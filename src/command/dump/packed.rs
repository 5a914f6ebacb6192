//! The packed forms of older Redis versions, which are only ever read: ziplist, zipmap and intset.
//! Never: trusts the bytes; a form that is not right in every part is None.

use crate::engine::value::stream::listpack::Element;

const END: u8 = 0xff;
/// A length of a ziplist or zipmap that does not fit in one byte.
const LONG: u8 = 0xfe;

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Reads a ziplist: two lengths and a count, then elements that each begin with the length of the one before.
pub fn ziplist(bytes: &[u8]) -> Option<Vec<Element<'_>>> {
    const HEADER_BYTES: usize = 10;
    let total = u32::from_le_bytes(array(bytes, 0)?) as usize;
    let tail = u32::from_le_bytes(array(bytes, 4)?) as usize;
    let stated = u16::from_le_bytes(array(bytes, 8)?);
    if total != bytes.len() || total <= HEADER_BYTES {
        return None;
    }
    let (mut at, mut before, mut last) = (HEADER_BYTES, 0, HEADER_BYTES);
    let mut elements = Vec::new();
    while *bytes.get(at)? != END {
        let start = at;
        let previous = if bytes[at] == LONG {
            at += 5;
            u32::from_le_bytes(array(bytes, at - 4)?) as usize
        } else {
            at += 1;
            usize::from(bytes[at - 1])
        };
        if previous != before {
            return None;
        }
        let element;
        (element, at) = ziplist_content(bytes, at)?;
        elements.push(element);
        (before, last) = (at - start, start);
    }
    let counted = stated == u16::MAX || usize::from(stated) == elements.len();
    (at + 1 == total && tail == last && counted).then_some(elements)
}

fn ziplist_content(bytes: &[u8], at: usize) -> Option<(Element<'_>, usize)> {
    let first = *bytes.get(at)?;
    let string = |header: usize, len: usize| {
        let start = at + header;
        let end = start.checked_add(len)?;
        Some((Element::Bytes(bytes.get(start..end)?), end))
    };
    let integer = |value: i64, len: usize| Some((Element::Integer(value), at + 1 + len));
    match first {
        0..=0x3f => string(1, usize::from(first)),
        0x40..=0x7f => string(
            2,
            usize::from(first & 0x3f) << 8 | usize::from(*bytes.get(at + 1)?),
        ),
        0x80 => string(5, u32::from_be_bytes(array(bytes, at + 1)?) as usize),
        0xc0 => integer(i64::from(i16::from_le_bytes(array(bytes, at + 1)?)), 2),
        0xd0 => integer(i64::from(i32::from_le_bytes(array(bytes, at + 1)?)), 4),
        0xe0 => integer(i64::from_le_bytes(array(bytes, at + 1)?), 8),
        0xf0 => {
            let [low, middle, high] = array(bytes, at + 1)?;
            integer(
                i64::from(i32::from_le_bytes([0, low, middle, high]) >> 8),
                3,
            )
        }
        0xfe => integer(i64::from(i8::from_le_bytes(array(bytes, at + 1)?)), 1),
        0xf1..=0xfd => integer(i64::from(first & 0x0f) - 1, 0),
        _ => None,
    }
}

/// Reads a zipmap: a count, then keys and values in turn, each with its length; a value may have unused bytes behind it.
pub fn zipmap(bytes: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let stated = *bytes.first()?;
    let mut at = 1;
    let length = |at: &mut usize| -> Option<usize> {
        let first = *bytes.get(*at)?;
        *at += 1;
        match first {
            END => None,
            LONG => {
                *at += 4;
                Some(u32::from_le_bytes(array(bytes, *at - 4)?) as usize)
            }
            _ => Some(usize::from(first)),
        }
    };
    let mut pairs = Vec::new();
    while *bytes.get(at)? != END {
        let key_len = length(&mut at)?;
        let key = bytes.get(at..at.checked_add(key_len)?)?;
        at += key_len;
        let value_len = length(&mut at)?;
        let unused = usize::from(*bytes.get(at)?);
        at += 1;
        let value = bytes.get(at..at.checked_add(value_len)?)?;
        at += value_len + unused;
        pairs.push((key, value));
    }
    (at + 1 == bytes.len() && (stated >= LONG || usize::from(stated) == pairs.len()))
        .then_some(pairs)
}

/// Reads an intset: the width of its integers, their number, and the integers in ascending order.
pub fn intset(bytes: &[u8]) -> Option<impl Iterator<Item = i64>> {
    let width = u32::from_le_bytes(array(bytes, 0)?) as usize;
    let stated = u32::from_le_bytes(array(bytes, 4)?) as usize;
    let content = &bytes[8..];
    if !matches!(width, 2 | 4 | 8) || stated.checked_mul(width)? != content.len() {
        return None;
    }
    let integers = content.chunks_exact(width).map(move |integer| {
        // The sign is in the highest byte of the integer, wherever that is in eight bytes.
        let mut wide = [0; 8];
        wide[8 - width..].copy_from_slice(integer);
        i64::from_le_bytes(wide) >> (64 - 8 * width)
    });
    integers
        .clone()
        .is_sorted_by(|left, right| left < right)
        .then_some(integers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A ziplist of these elements, each given as the bytes after the length of the one before.
    fn ziplist_of(contents: &[&[u8]]) -> Vec<u8> {
        let mut bytes = vec![0; 10];
        let (mut before, mut last) = (0usize, 10);
        for content in contents {
            let start = bytes.len();
            if before < usize::from(LONG) {
                bytes.push(before as u8);
            } else {
                bytes.push(LONG);
                bytes.extend_from_slice(&(before as u32).to_le_bytes());
            }
            bytes.extend_from_slice(content);
            (before, last) = (bytes.len() - start, start);
        }
        bytes.push(END);
        let total = bytes.len() as u32;
        bytes[..4].copy_from_slice(&total.to_le_bytes());
        bytes[4..8].copy_from_slice(&(last as u32).to_le_bytes());
        bytes[8..10].copy_from_slice(&(contents.len() as u16).to_le_bytes());
        bytes
    }

    fn long_string(len: usize) -> Vec<u8> {
        let header = [0x40 | (len >> 8) as u8, len as u8];
        [header.as_slice(), &vec![b'x'; len]].concat()
    }

    #[test]
    fn ziplists_of_every_kind_of_element() {
        let long = long_string(300);
        let contents: Vec<&[u8]> = vec![
            b"\x02hi",
            &long,
            b"\x80\0\0\0\x03abc",
            b"\xc0\x00\x80",
            b"\xd0\xff\xff\xff\xff",
            b"\xe0\x01\0\0\0\0\0\0\0",
            b"\xf0\x00\x00\x80",
            b"\xfe\x9c",
            b"\xf1",
            b"\xfd",
        ];
        let text = vec![b'x'; 300];
        let expected = [
            Element::Bytes(b"hi"),
            Element::Bytes(&text),
            Element::Bytes(b"abc"),
            Element::Integer(-32_768),
            Element::Integer(-1),
            Element::Integer(1),
            Element::Integer(-8_388_608),
            Element::Integer(-100),
            Element::Integer(0),
            Element::Integer(12),
        ];
        assert_eq!(ziplist(&ziplist_of(&contents)), Some(expected.to_vec()));
        assert_eq!(ziplist(&ziplist_of(&[])), Some(Vec::new()));
    }

    #[test]
    fn damaged_ziplists_are_refused() {
        let good = ziplist_of(&[b"\x02hi", b"\xf5"]);
        assert!(ziplist(&good).is_some());
        for at in [0, 4, 8, 10, 14] {
            let mut bad = good.clone();
            bad[at] += 1;
            assert_eq!(ziplist(&bad), None, "byte {at}");
        }
        assert_eq!(ziplist(&good[..good.len() - 1]), None);
    }

    #[test]
    fn zipmaps() {
        let bytes = b"\x02\x03foo\x03\x00bar\x05hello\x05\x02world..\xff";
        let expected: Vec<(&[u8], &[u8])> = vec![(b"foo", b"bar"), (b"hello", b"world")];
        assert_eq!(zipmap(bytes), Some(expected));
        assert_eq!(zipmap(b"\x01\x03foo\xff"), None);
        assert_eq!(zipmap(b"\x00"), None);
    }

    #[test]
    fn intsets() {
        let read = |bytes: &[u8]| intset(bytes).map(Iterator::collect::<Vec<_>>);
        assert_eq!(
            read(b"\x02\0\0\0\x02\0\0\0\xff\xff\x05\0"),
            Some(vec![-1, 5])
        );
        assert_eq!(
            read(b"\x04\0\0\0\x01\0\0\0\0\0\0\x80"),
            Some(vec![-2_147_483_648])
        );
        assert_eq!(
            read(b"\x02\0\0\0\x02\0\0\0\x05\0\x05\0"),
            None,
            "twice the same"
        );
        assert_eq!(read(b"\x03\0\0\0\x00\0\0\0"), None, "no such width");
        assert_eq!(read(b"\x02\0\0\0\x03\0\0\0\x05\0"), None, "cut short");
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>) {
            let _ = (ziplist(&bytes), zipmap(&bytes), intset(&bytes).map(Iterator::count));
        }
    }
}
