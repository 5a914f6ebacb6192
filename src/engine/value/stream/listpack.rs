//! Redis' listpack: a run of elements, each a string or an integer of 1 to 9 bytes, readable from both ends. The nodes of streams are listpacks, and
//! so are small collections in DUMP payloads.
//! Never: trusts the bytes. Every reader answers None where an element is cut short or of no known kind.
//!
//! ```text
//! total bytes: 4 | elements: 2, 65535 says "count them" | element ... | 0xff
//! element: kind and length or number | content | length of the two, written to be read backwards
//! ```

/// Bytes before the first element.
pub const HEADER_BYTES: usize = 6;
/// Longest decimal text of an integer, with its sign.
pub const INTEGER_BYTES_MAX: usize = 20;
const END: u8 = 0xff;
const COUNT_UNKNOWN: u16 = u16::MAX;

/// One element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Element<'a> {
    /// A string that is not a canonical integer.
    Bytes(&'a [u8]),
    /// A string that is one.
    Integer(i64),
}

impl<'a> Element<'a> {
    /// The string; an integer is written into the buffer.
    pub fn text<'b>(self, buffer: &'b mut [u8; INTEGER_BYTES_MAX]) -> &'b [u8]
    where
        'a: 'b,
    {
        match self {
            Element::Bytes(bytes) => bytes,
            Element::Integer(value) => {
                let mut at = buffer.len();
                let mut rest = value.unsigned_abs();
                loop {
                    at -= 1;
                    buffer[at] = b'0' + (rest % 10) as u8;
                    rest /= 10;
                    if rest == 0 {
                        break;
                    }
                }
                if value < 0 {
                    at -= 1;
                    buffer[at] = b'-';
                }
                &buffer[at..]
            }
        }
    }

    /// The string as a vector of its own.
    pub fn to_vec(self) -> Vec<u8> {
        self.text(&mut [0; INTEGER_BYTES_MAX]).to_vec()
    }

    /// The number, None for other strings.
    pub fn integer(self) -> Option<i64> {
        match self {
            Element::Integer(value) => Some(value),
            Element::Bytes(bytes) => canonical_integer(bytes),
        }
    }

    /// True when the element is this string.
    pub fn is(self, bytes: &[u8]) -> bool {
        self.text(&mut [0; INTEGER_BYTES_MAX]) == bytes
    }
}

/// The number that a string is the only decimal form of.
pub fn canonical_integer(bytes: &[u8]) -> Option<i64> {
    let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
    if digits.is_empty() || bytes.len() > INTEGER_BYTES_MAX {
        return None;
    }
    if digits[0] == b'0' {
        return (bytes == b"0").then_some(0);
    }
    let negative = digits.len() < bytes.len();
    digits.iter().try_fold(0i64, |value, digit| {
        let digit = i64::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?);
        let value = value.checked_mul(10)?;
        if negative {
            value.checked_sub(digit)
        } else {
            value.checked_add(digit)
        }
    })
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// The element at `at` and the place after it; None at the end and where the bytes make no element.
pub fn element_at(bytes: &[u8], at: usize) -> Option<(Element<'_>, usize)> {
    let first = *bytes.get(at)?;
    let string = |header: usize, len: usize| {
        let start = at + header;
        let content = bytes.get(start..start.checked_add(len)?)?;
        Some((Element::Bytes(content), header + len))
    };
    let integer = |value: i64, len: usize| Some((Element::Integer(value), len));
    let (element, len) = match first {
        0..=0x7f => integer(i64::from(first), 1),
        0x80..=0xbf => string(1, usize::from(first & 0x3f)),
        0xc0..=0xdf => {
            let bits = u16::from(first & 0x1f) << 8 | u16::from(*bytes.get(at + 1)?);
            // Thirteen bits in two's complement: the sign is moved up and back.
            integer(i64::from((bits << 3) as i16 >> 3), 2)
        }
        0xe0..=0xef => {
            let len = usize::from(first & 0x0f) << 8 | usize::from(*bytes.get(at + 1)?);
            string(2, len)
        }
        0xf0 => string(5, u32::from_le_bytes(array(bytes, at + 1)?) as usize),
        0xf1 => integer(i64::from(i16::from_le_bytes(array(bytes, at + 1)?)), 3),
        0xf2 => {
            let [low, middle, high] = array(bytes, at + 1)?;
            integer(
                i64::from(i32::from_le_bytes([0, low, middle, high]) >> 8),
                4,
            )
        }
        0xf3 => integer(i64::from(i32::from_le_bytes(array(bytes, at + 1)?)), 5),
        0xf4 => integer(i64::from_le_bytes(array(bytes, at + 1)?), 9),
        _ => None,
    }?;
    let next = at + len + back_length_bytes(len);
    (next < bytes.len()).then_some((element, next))
}

/// The start of the element that ends before `end`; None at the first.
pub fn element_before(bytes: &[u8], end: usize) -> Option<usize> {
    let (mut len, mut size) = (0usize, 0);
    loop {
        if end <= HEADER_BYTES + size || size == 5 {
            return None;
        }
        let byte = *bytes.get(end - 1 - size)?;
        len |= usize::from(byte & 0x7f) << (7 * size);
        size += 1;
        if byte & 0x80 == 0 {
            break;
        }
    }
    end.checked_sub(size + len)
        .filter(|start| *start >= HEADER_BYTES)
}

/// Bytes of the length behind an element of `len` bytes.
fn back_length_bytes(len: usize) -> usize {
    match len {
        0..=127 => 1,
        128..16_383 => 2,
        16_383..2_097_151 => 3,
        2_097_151..268_435_455 => 4,
        _ => 5,
    }
}

fn push_back_length(out: &mut Vec<u8>, len: usize) {
    let size = back_length_bytes(len);
    for place in (0..size).rev() {
        // All but the first byte, which is the last to be read, say that another follows.
        let more = if place + 1 < size { 0x80 } else { 0 };
        out.push((len >> (7 * place)) as u8 & 0x7f | more);
    }
}

/// The elements, forwards, until the end or the first unreadable one.
pub fn elements(bytes: &[u8]) -> impl Iterator<Item = Element<'_>> {
    let mut at = HEADER_BYTES;
    std::iter::from_fn(move || {
        let (element, next) = element_at(bytes, at)?;
        at = next;
        Some(element)
    })
}

/// Checks a whole listpack from elsewhere, the lengths behind the elements included; the number of its elements.
pub fn check(bytes: &[u8]) -> Option<usize> {
    let total = u32::from_le_bytes(array(bytes, 0)?) as usize;
    let stated = u16::from_le_bytes(array(bytes, 4)?);
    if total != bytes.len() || total <= HEADER_BYTES || *bytes.last()? != END {
        return None;
    }
    let (mut at, mut count) = (HEADER_BYTES, 0usize);
    while at < total - 1 {
        let (_, next) = element_at(bytes, at)?;
        if element_before(bytes, next) != Some(at) {
            return None;
        }
        at = next;
        count += 1;
    }
    (at == total - 1 && (stated == COUNT_UNKNOWN || usize::from(stated) == count)).then_some(count)
}

/// An empty listpack.
pub fn empty() -> Vec<u8> {
    vec![HEADER_BYTES as u8 + 1, 0, 0, 0, 0, 0, END]
}

/// Appends elements to a listpack; its header is right again when this is dropped.
pub struct Appender<'a> {
    bytes: &'a mut Vec<u8>,
    count: usize,
}

impl<'a> Appender<'a> {
    /// To the end of a whole listpack.
    pub fn new(bytes: &'a mut Vec<u8>) -> Appender<'a> {
        let end = bytes.pop();
        debug_assert_eq!(end, Some(END));
        Appender { bytes, count: 0 }
    }

    /// Appends a string; a canonical integer is kept as one.
    pub fn push(&mut self, text: &[u8]) {
        match canonical_integer(text) {
            Some(value) => self.push_integer(value),
            None => self.push_bytes(text),
        }
    }

    fn push_bytes(&mut self, text: &[u8]) {
        let len = text.len();
        let start = self.bytes.len();
        match len {
            0..64 => self.bytes.push(0x80 | len as u8),
            64..4096 => self
                .bytes
                .extend_from_slice(&[0xe0 | (len >> 8) as u8, len as u8]),
            _ => {
                let len = u32::try_from(len).expect("elements are shorter than 4 GiB");
                self.bytes.push(0xf0);
                self.bytes.extend_from_slice(&len.to_le_bytes());
            }
        }
        self.bytes.extend_from_slice(text);
        self.finish(start);
    }

    /// Appends an integer.
    pub fn push_integer(&mut self, value: i64) {
        let start = self.bytes.len();
        let (content, len) = integer_content(value);
        self.bytes.extend_from_slice(&content[..len]);
        self.finish(start);
    }

    fn finish(&mut self, start: usize) {
        let len = self.bytes.len() - start;
        push_back_length(self.bytes, len);
        self.count += 1;
    }
}

impl Drop for Appender<'_> {
    fn drop(&mut self) {
        self.bytes.push(END);
        write_total(self.bytes);
        let stated = u16::from_le_bytes([self.bytes[4], self.bytes[5]]);
        if stated != COUNT_UNKNOWN {
            let count = u16::try_from(usize::from(stated) + self.count).unwrap_or(COUNT_UNKNOWN);
            self.bytes[4..6].copy_from_slice(&count.to_le_bytes());
        }
    }
}

/// An integer without the length behind it: the bytes, and how many of them count.
fn integer_content(value: i64) -> ([u8; 9], usize) {
    let mut content = [0; 9];
    content[1..].copy_from_slice(&value.to_le_bytes());
    let len = match value {
        0..=127 => {
            content[0] = value as u8;
            1
        }
        -4096..=4095 => {
            content[0] = 0xc0 | (value >> 8) as u8 & 0x1f;
            content[1] = value as u8;
            2
        }
        -32_768..=32_767 => {
            content[0] = 0xf1;
            3
        }
        -8_388_608..=8_388_607 => {
            content[0] = 0xf2;
            4
        }
        -2_147_483_648..=2_147_483_647 => {
            content[0] = 0xf3;
            5
        }
        _ => {
            content[0] = 0xf4;
            9
        }
    };
    (content, len)
}

fn write_total(bytes: &mut [u8]) {
    let total = u32::try_from(bytes.len()).expect("a listpack is shorter than 4 GiB");
    bytes[..4].copy_from_slice(&total.to_le_bytes());
}

/// Replaces the element at `at` by an integer.
pub fn replace_by_integer(bytes: &mut Vec<u8>, at: usize, value: i64) {
    let (_, next) = element_at(bytes, at).expect("the place of an element");
    let (content, len) = integer_content(value);
    // The length behind so short an element takes one byte.
    let element = content[..len].iter().copied().chain([len as u8]);
    if len + 1 == next - at {
        bytes[at..next]
            .iter_mut()
            .zip(element)
            .for_each(|(byte, new)| *byte = new);
        return;
    }
    bytes.splice(at..next, element);
    write_total(bytes);
}

/// A listpack of these strings.
pub fn of<'a>(texts: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut bytes = empty();
    let mut appender = Appender::new(&mut bytes);
    for text in texts {
        appender.push(text);
    }
    drop(appender);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_at_the_edges_of_their_kinds() {
        let edges = [
            0,
            127,
            128,
            4095,
            4096,
            32_767,
            32_768,
            8_388_607,
            8_388_608,
            2_147_483_647,
            2_147_483_648,
            i64::MAX,
        ];
        for value in edges
            .into_iter()
            .flat_map(|value| [value, -value, -value - 1])
        {
            let text = value.to_string();
            let bytes = of([text.as_bytes()]);
            assert_eq!(check(&bytes), Some(1), "{value}");
            assert_eq!(
                elements(&bytes).collect::<Vec<_>>(),
                [Element::Integer(value)]
            );
            assert!(Element::Integer(value).is(text.as_bytes()));
        }
    }

    #[test]
    fn strings_that_are_no_canonical_integers_stay_strings() {
        for text in [
            "",
            "-",
            "-0",
            "00",
            "01",
            "+1",
            "1 ",
            "9223372036854775808",
            "-9223372036854775809",
            "1.0",
            "99999999999999999999",
        ] {
            assert_eq!(canonical_integer(text.as_bytes()), None, "{text}");
        }
        assert_eq!(canonical_integer(b"-9223372036854775808"), Some(i64::MIN));
    }

    #[test]
    fn the_bytes_that_redis_makes() {
        // DUMP of a list of "a", "1", "-1", "1000" and "100000" in redis-server holds this listpack.
        let texts: [&[u8]; 5] = [b"a", b"1", b"-1", b"1000", b"100000"];
        let expected =
            b"\x17\0\0\0\x05\0\x81a\x02\x01\x01\xdf\xff\x02\xc3\xe8\x02\xf2\xa0\x86\x01\x04\xff";
        assert_eq!(of(texts), expected);
    }

    #[test]
    fn a_replacement_may_change_its_length() {
        let mut bytes = of([b"5".as_slice(), b"tail"]);
        for value in [6, 300, 1 << 40, 0] {
            replace_by_integer(&mut bytes, HEADER_BYTES, value);
            assert_eq!(check(&bytes), Some(2));
            let found: Vec<_> = elements(&bytes).collect();
            assert_eq!(found, [Element::Integer(value), Element::Bytes(b"tail")]);
        }
    }

    #[test]
    fn more_elements_than_the_header_can_say() {
        let many = vec![b"x".as_slice(); 70_000];
        assert_eq!(check(&of(many)), Some(70_000));
    }

    proptest! {
        #[test]
        fn what_is_appended_is_read_in_both_directions(texts in prop::collection::vec(prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            prop::collection::vec(any::<u8>(), 4000..4200),
            prop::collection::vec(any::<u8>(), 16_300..16_400),
            any::<i64>().prop_map(|value| value.to_string().into_bytes()),
        ], 0..20)) {
            let bytes = of(texts.iter().map(Vec::as_slice));
            prop_assert_eq!(check(&bytes), Some(texts.len()));
            let forwards: Vec<_> = elements(&bytes).map(Element::to_vec).collect();
            prop_assert_eq!(&forwards, &texts);
            let mut backwards = Vec::new();
            let mut end = bytes.len() - 1;
            while let Some(start) = element_before(&bytes, end) {
                backwards.push(element_at(&bytes, start).expect("an element").0.to_vec());
                end = start;
            }
            backwards.reverse();
            prop_assert_eq!(backwards, texts);
        }

        #[test]
        fn any_bytes_are_safe(bytes: Vec<u8>, at in 0usize..100) {
            let _ = element_at(&bytes, at);
            let _ = element_before(&bytes, at);
            if let Some(count) = check(&bytes) {
                prop_assert_eq!(elements(&bytes).count(), count);
            }
        }
    }
}
