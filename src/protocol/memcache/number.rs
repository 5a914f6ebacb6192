//! Numbers as memcached reads them: by way of strtol, so that blanks and a sign may stand before the digits and anything behind a blank or a NUL is
//! not looked at.
//!
//! Never: allocates.

/// What strtoull accepts of `text`: whether there was a minus sign, and the magnitude. None without digits, beyond 64 bits, or with a byte other than
/// a blank or a NUL behind the digits.
fn magnitude(text: &[u8]) -> Option<(bool, u64)> {
    let start = text.iter().position(|byte| !is_blank(*byte))?;
    let (negative, digits) = match text[start] {
        b'-' => (true, &text[start + 1..]),
        b'+' => (false, &text[start + 1..]),
        _ => (false, &text[start..]),
    };
    let mut value: u64 = 0;
    let mut count = 0;
    for &byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            if is_blank(byte) || byte == 0 {
                break;
            }
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
        count += 1;
    }
    (count > 0).then_some((negative, value))
}

/// C's isspace.
fn is_blank(byte: u8) -> bool {
    byte == b' ' || (9..=13).contains(&byte)
}

/// An unsigned 64-bit number (deltas, tokens, stored numbers).
#[inline]
pub fn unsigned64(text: &[u8]) -> Option<u64> {
    if let Some(value) = short(text) {
        return Some(value);
    }
    let (negative, value) = magnitude(text)?;
    let value = if negative {
        value.wrapping_neg()
    } else {
        value
    };
    // A negative number is told from a large one by its sign only when its top bit is set, as in memcached.
    (!negative || (value as i64) >= 0).then_some(value)
}

/// An unsigned number of which 32 bits are kept (client flags): higher bits are cut off, as in memcached.
#[inline]
pub fn unsigned32(text: &[u8]) -> Option<u32> {
    unsigned64(text).map(|value| value as u32)
}

/// A signed number of which 32 bits are kept (expiry times): higher bits are cut off, as in memcached.
#[inline]
pub fn signed32(text: &[u8]) -> Option<i32> {
    signed64(text).map(|value| value as i32)
}

/// A signed 64-bit number (lengths).
#[inline]
pub fn signed64(text: &[u8]) -> Option<i64> {
    if let Some(value) = short(text) {
        return Some(value as i64);
    }
    let (negative, value) = magnitude(text)?;
    match i64::try_from(value) {
        Ok(value) => Some(if negative { -value } else { value }),
        Err(_) => (negative && value == i64::MIN.unsigned_abs()).then_some(i64::MIN),
    }
}

/// The usual number: nothing but digits, and few of them.
#[inline]
fn short(text: &[u8]) -> Option<u64> {
    if let [digit @ b'0'..=b'9'] = text {
        // Flags and expiry times are mostly zero.
        return Some(u64::from(digit - b'0'));
    }
    if text.is_empty() || text.len() > 9 {
        return None;
    }
    let mut value = 0;
    for &byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + u64::from(digit);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_by_strtol() {
        for (text, unsigned, signed) in [
            ("0", Some(0), Some(0)),
            ("7", Some(7), Some(7)),
            ("007", Some(7), Some(7)),
            ("+7", Some(7), Some(7)),
            (" 7", Some(7), Some(7)),
            ("7 8x", Some(7), Some(7)),
            ("7\08x", Some(7), Some(7)),
            ("\x007", None, None),
            ("-0", Some(0), Some(0)),
            ("-7", None, Some(-7)),
            ("7x", None, None),
            ("", None, None),
            ("-", None, None),
            (" ", None, None),
            ("x", None, None),
            ("2147483647", Some(2_147_483_647), Some(2_147_483_647)),
            ("2147483648", Some(2_147_483_648), Some(2_147_483_648)),
            ("-2147483649", None, Some(-2_147_483_649)),
            ("-9223372036854775808", None, Some(i64::MIN)),
            ("18446744073709551615", Some(u64::MAX), None),
            ("18446744073709551616", None, None),
            ("000000000000000000000000000001", Some(1), Some(1)),
            ("-18446744073709551615", Some(1), None),
        ] {
            assert_eq!(unsigned64(text.as_bytes()), unsigned, "{text:?}");
            assert_eq!(signed64(text.as_bytes()), signed, "{text:?}");
        }
        assert_eq!(signed32(b"4000000000"), Some(-294_967_296));
        assert_eq!(unsigned32(b"4294967296"), Some(0));
        assert_eq!(unsigned32(b"4294967295"), Some(u32::MAX));
    }
}
