//! Strings as bit arrays: SETBIT, GETBIT, BITCOUNT, BITPOS. Bit 0 is the highest bit of byte 0.

use super::number::{integer, parse_i64};
use super::string_value::{find_string_read, find_string_write, string_value};
use super::substrings::{clamp_range, edit_or_create, value_len};
use super::{CommandError, Context, key_at};
use crate::engine::EventClass;

/// Reads a bit offset: not negative, and its byte within the longest string.
pub fn bit_offset(text: &[u8], string_bytes_max: usize) -> Result<u64, CommandError> {
    checked_bit_offset(parse_i64(text), string_bytes_max)
}

/// See [`bit_offset`]; None is no number.
pub fn checked_bit_offset(
    offset: Option<i64>,
    string_bytes_max: usize,
) -> Result<u64, CommandError> {
    offset
        .and_then(|offset| u64::try_from(offset).ok())
        .filter(|offset| offset >> 3 < string_bytes_max as u64)
        .ok_or(CommandError::fixed(
            "ERR bit offset is not an integer or out of range",
        ))
}

/// SETBIT key offset value.
pub fn setbit(context: &mut Context<'_>) -> Result<(), CommandError> {
    let offset = bit_offset(context.args.get(2), context.settings.string_bytes_max)?;
    let on = match context.args.get(3) {
        b"0" => false,
        b"1" => true,
        _ => {
            return Err(CommandError::fixed(
                "ERR bit is not an integer or out of range",
            ));
        }
    };
    let found = find_string_write(context, 1)?;
    let before = found.map(|item| value_len(context.engine, item));
    let byte = (offset >> 3) as usize;
    let mask = 0x80 >> (offset & 7);
    let grows = before.is_none_or(|len| len <= byte);
    let key = key_at!(context, 1);
    if let (Some(item), Some(len), false) = (found, before, grows) {
        let is_on = string_value(context.engine, item)[byte] & mask != 0;
        if is_on == on {
            context.engine.edit_unchanged(&key, len)?;
            context.reply.integer(i64::from(on));
            return Ok(());
        }
    }
    let value = edit_or_create(
        context.engine,
        &key,
        before.is_some(),
        before.unwrap_or(0).max(byte + 1),
    )?;
    let was_on = value[byte] & mask != 0;
    if on {
        value[byte] |= mask;
    } else {
        value[byte] &= !mask;
    }
    context.engine.notify(EventClass::String, "setbit", &key);
    context.stats.changes += 1;
    context.reply.integer(i64::from(was_on));
    Ok(())
}

/// GETBIT key offset.
pub fn getbit(context: &mut Context<'_>) -> Result<(), CommandError> {
    let offset = bit_offset(context.args.get(2), context.settings.string_bytes_max)?;
    let on = match find_string_read(context, 1)? {
        None => false,
        Some(item) => {
            let value = string_value(context.engine, item);
            value
                .get((offset >> 3) as usize)
                .is_some_and(|byte| byte & (0x80 >> (offset & 7)) != 0)
        }
    };
    context.reply.integer(i64::from(on));
    Ok(())
}

/// Reads BYTE or BIT; true for bits.
fn unit(text: &[u8]) -> Result<bool, CommandError> {
    if text.eq_ignore_ascii_case(b"BIT") {
        Ok(true)
    } else if text.eq_ignore_ascii_case(b"BYTE") {
        Ok(false)
    } else {
        Err(CommandError::Syntax)
    }
}

/// Bits that are set in `bytes`.
fn count_bits(bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let words: u64 = words
        .iter()
        .map(|word| u64::from(u64::from_ne_bytes(*word).count_ones()))
        .sum();
    words
        + rest
            .iter()
            .map(|byte| u64::from(byte.count_ones()))
            .sum::<u64>()
}

/// The bits of `byte` from number `first` to number `last`, the others cleared.
fn bits_between(byte: u8, first: u32, last: u32) -> u8 {
    byte & (0xff >> first) & (0xffu8 << (7 - last))
}

/// BITCOUNT key [start end [BYTE | BIT]].
pub fn bitcount(context: &mut Context<'_>) -> Result<(), CommandError> {
    // As in Redis, the range of a key that is not there is not looked at.
    let Some(item) = find_string_read(context, 1)? else {
        context.reply.integer(0);
        return Ok(());
    };
    let value = string_value(context.engine, item);
    let count = match context.args.len() {
        2 => count_bits(&value),
        4 | 5 => {
            let start = integer(context.args.get(2))?;
            let end = integer(context.args.get(3))?;
            // As in redis-server 7.0, the unit of a range that is empty by its signs alone is not looked at.
            let empty = start < 0 && end < 0 && start > end;
            let bits = context.args.len() == 5 && !empty && unit(context.args.get(4))?;
            let len = if bits { value.len() * 8 } else { value.len() };
            match clamp_range(start, end, len) {
                None => 0,
                Some((start, end)) if !bits => count_bits(&value[start..=end]),
                Some((start, end)) => {
                    let edge = |byte: usize, first, last| {
                        u64::from(bits_between(value[byte], first, last).count_ones())
                    };
                    let (first_byte, last_byte) = (start / 8, end / 8);
                    let (first, last) = (start as u32 % 8, end as u32 % 8);
                    if first_byte == last_byte {
                        edge(first_byte, first, last)
                    } else {
                        edge(first_byte, first, 7)
                            + count_bits(&value[first_byte + 1..last_byte])
                            + edge(last_byte, 0, last)
                    }
                }
            }
        }
        _ => return Err(CommandError::Syntax),
    };
    context.reply.integer(count as i64);
    Ok(())
}

/// The first bit of that value among bits `start` to `end` (inclusive).
fn find_bit(bytes: &[u8], bit: bool, start: usize, end: usize) -> Option<usize> {
    // Looking for ones only: what is sought is turned into ones.
    let flip = if bit { 0 } else { 0xff };
    let at = |byte: usize, ones: u8| byte * 8 + ones.leading_zeros() as usize;
    let (first_byte, last_byte) = (start / 8, end / 8);
    let mut ones = (bytes[first_byte] ^ flip) & (0xff >> (start % 8));
    if first_byte < last_byte {
        if ones != 0 {
            return Some(at(first_byte, ones));
        }
        let middle = &bytes[first_byte + 1..last_byte];
        let (words, _) = middle.as_chunks::<8>();
        let skip = words.iter().take_while(|word| **word == [flip; 8]).count() * 8;
        if let Some(i) = middle[skip..].iter().position(|&byte| byte != flip) {
            let byte = first_byte + 1 + skip + i;
            return Some(at(byte, bytes[byte] ^ flip));
        }
        ones = bytes[last_byte] ^ flip;
    }
    ones = bits_between(ones, 0, (end % 8) as u32);
    (ones != 0).then(|| at(last_byte, ones))
}

/// BITPOS key bit [start [end [BYTE | BIT]]].
pub fn bitpos(context: &mut Context<'_>) -> Result<(), CommandError> {
    let bit = match integer(context.args.get(2))? {
        0 => false,
        1 => true,
        _ => return Err(CommandError::fixed("ERR The bit argument must be 1 or 0.")),
    };
    // A key that is not there is zeros without end, whatever the range.
    let Some(item) = find_string_read(context, 1)? else {
        context.reply.integer(if bit { -1 } else { 0 });
        return Ok(());
    };
    let value = string_value(context.engine, item);
    let args = &context.args;
    if args.len() > 6 {
        return Err(CommandError::Syntax);
    }
    let start = if args.len() > 3 {
        integer(args.get(3))?
    } else {
        0
    };
    let bits = args.len() > 5 && unit(args.get(5))?;
    let end = if args.len() > 4 {
        Some(integer(args.get(4))?)
    } else {
        None
    };
    let len = if bits { value.len() * 8 } else { value.len() };
    // Unlike other ranges this one is not empty because both ends lie before the beginning.
    let from_end = |index: i64| {
        if index < 0 {
            index.saturating_add(len as i64).max(0)
        } else {
            index
        }
    };
    let (first, last) = (
        from_end(start),
        end.map_or(len as i64 - 1, from_end).min(len as i64 - 1),
    );
    let position = if first > last {
        -1
    } else {
        let (first, last) = (first as usize, last as usize);
        let (first_bit, last_bit) = if bits {
            (first, last)
        } else {
            (first * 8, last * 8 + 7)
        };
        match find_bit(&value, bit, first_bit, last_bit) {
            Some(position) => position as i64,
            // To the right of a string whose end was not given there are zeros.
            None if !bit && end.is_none() => value.len() as i64 * 8,
            None => -1,
        }
    };
    context.reply.integer(position);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counting_and_finding_agree_with_one_bit_at_a_time() {
        let bytes: Vec<u8> = (0..64u32)
            .map(|i| {
                if i % 5 == 0 {
                    (i * 37) as u8
                } else if i % 2 == 0 {
                    0xff
                } else {
                    0
                }
            })
            .collect();
        let is_set = |i: usize| bytes[i / 8] & (0x80 >> (i % 8)) != 0;
        for len in [0, 1, 7, 8, 9, 33, 64] {
            assert_eq!(
                count_bits(&bytes[..len]),
                (0..len * 8).filter(|&i| is_set(i)).count() as u64
            );
        }
        for start in (0..512).step_by(3) {
            for end in (start..512).step_by(7) {
                for bit in [false, true] {
                    assert_eq!(
                        find_bit(&bytes, bit, start, end),
                        (start..=end).find(|&i| is_set(i) == bit),
                        "{start} {end} {bit}"
                    );
                }
            }
        }
    }
}
