//! SCAN's cursors: the shard's number above 32 bits, the engine's cursor below. The shards are visited one after the other.

/// Bits of the engine's cursor.
const ENGINE_BITS: u32 = 32;

/// Reads a cursor as `strtoul` does; None is an error.
pub fn parse(text: &[u8]) -> Option<u64> {
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value: u64 = 0;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
    }
    Some(if negative {
        value.wrapping_neg()
    } else {
        value
    })
}

/// The shard that a cursor names: where SCAN is to be sent. It may be beyond the last one, when a client made the cursor up.
pub fn shard(cursor: u64) -> usize {
    (cursor >> ENGINE_BITS) as usize
}

/// The engine's part of a cursor.
pub fn in_engine(cursor: u64) -> u64 {
    cursor & ((1 << ENGINE_BITS) - 1)
}

/// The cursor to reply with after `shard` of `shards` came to `engine_cursor`.
pub fn next(shard: usize, shards: usize, engine_cursor: u64) -> u64 {
    assert!(
        engine_cursor >> ENGINE_BITS == 0,
        "the engine's cursors have 32 bits"
    );
    match engine_cursor {
        0 if shard + 1 >= shards => 0,
        0 => (shard as u64 + 1) << ENGINE_BITS,
        _ => ((shard as u64) << ENGINE_BITS) | engine_cursor,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_lead_through_all_shards() {
        assert_eq!(next(0, 1, 0), 0);
        assert_eq!(next(0, 1, 7), 7);
        assert_eq!(shard(next(0, 2, 0)), 1);
        assert_eq!(in_engine(next(0, 2, 0)), 0);
        let cursor = next(1, 2, 9);
        assert_eq!((shard(cursor), in_engine(cursor)), (1, 9));
        assert_eq!(next(1, 2, 0), 0);
    }

    #[test]
    fn cursors_are_read_as_redis_does() {
        assert_eq!(parse(b"0"), Some(0));
        assert_eq!(parse(b"+7"), Some(7));
        assert_eq!(parse(b"-1"), Some(u64::MAX));
        assert_eq!(parse(b"18446744073709551615"), Some(u64::MAX));
        for text in [&b""[..], b"a", b"1 ", b"18446744073709551616", b"-"] {
            assert_eq!(parse(text), None);
        }
    }
}
