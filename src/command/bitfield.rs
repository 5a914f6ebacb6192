//! BITFIELD and BITFIELD_RO: integers of any width at any bit of a string.
//!
//! All operations are read before the first is carried out, so that a mistake in the last one changes nothing. The string grows once, for the furthest write.

use super::bits::checked_bit_offset;
use super::number::{integer, parse_i64};
use super::string_value::{StringValue, find_string_read, find_string_write, string_value};
use super::substrings::{edit_or_create, value_len};
use super::{CommandError, Context, key_at};
use crate::engine::EventClass;
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;

/// What happens to a result that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overflow {
    Wrap,
    Saturate,
    Fail,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    Get,
    Set(i64),
    Add(i64),
}

/// One operation.
#[derive(Debug, Clone, Copy)]
struct Operation {
    field: Field,
    action: Action,
    overflow: Overflow,
}

/// An integer in a bit array.
#[derive(Debug, Clone, Copy)]
struct Field {
    signed: bool,
    bits: u32,
    offset: u64,
}

impl Field {
    fn parse(kind: &[u8], offset: &[u8], string_bytes_max: usize) -> Result<Field, CommandError> {
        const ERROR: CommandError = CommandError::fixed(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        );
        let (signed, digits) = match kind {
            [b'i', digits @ ..] => (true, digits),
            [b'u', digits @ ..] => (false, digits),
            _ => return Err(ERROR),
        };
        let bits = parse_i64(digits)
            .filter(|bits| (1..=if signed { 64 } else { 63 }).contains(bits))
            .ok_or(ERROR)?;
        let offset = match offset {
            [b'#', number @ ..] => parse_i64(number).and_then(|number| number.checked_mul(bits)),
            _ => parse_i64(offset),
        };
        Ok(Field {
            signed,
            bits: bits as u32,
            offset: checked_bit_offset(offset, string_bytes_max)?,
        })
    }

    /// Bytes that a string must have to hold the field.
    fn bytes_needed(&self) -> usize {
        ((self.offset + u64::from(self.bits) - 1) / 8 + 1) as usize
    }

    /// The smallest and the largest value.
    fn range(&self) -> (i128, i128) {
        match self.signed {
            true => (-(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1),
            false => (0, (1 << self.bits) - 1),
        }
    }

    /// The value whose lowest bits these are.
    fn low_bits_value(&self, low: u128) -> i64 {
        let low = low & ((1 << self.bits) - 1);
        if self.signed && low >> (self.bits - 1) & 1 == 1 {
            (low as i128 - (1 << self.bits)) as i64
        } else {
            low as i64
        }
    }

    /// The value in `bytes`; beyond their end there are zeros.
    fn get(&self, bytes: &[u8]) -> i64 {
        let first = (self.offset / 8) as usize;
        // 64 bits at any offset lie in nine bytes.
        let mut window = 0u128;
        for i in 0..9 {
            window = window << 8 | u128::from(bytes.get(first + i).copied().unwrap_or(0));
        }
        self.low_bits_value(window >> (72 - self.bits - (self.offset % 8) as u32))
    }

    /// Writes the lowest bits of `value`.
    fn set(&self, bytes: &mut [u8], value: i64) {
        for i in 0..u64::from(self.bits) {
            let at = self.offset + i;
            let mask = 0x80 >> (at % 8);
            let byte = &mut bytes[(at / 8) as usize];
            if value >> (u64::from(self.bits) - 1 - i) & 1 == 1 {
                *byte |= mask;
            } else {
                *byte &= !mask;
            }
        }
    }

    /// A result made to fit; None when it fails.
    fn fit(&self, value: i128, overflow: Overflow) -> Option<i64> {
        let (low, high) = self.range();
        if (low..=high).contains(&value) {
            return Some(value as i64);
        }
        match overflow {
            Overflow::Wrap => Some(self.low_bits_value(value as u128)),
            Overflow::Saturate => Some(value.clamp(low, high) as i64),
            Overflow::Fail => None,
        }
    }
}

impl Operation {
    /// What it makes of a value, if it writes, and what it answers.
    fn outcome(&self, before: i64) -> (Option<i64>, Option<i64>) {
        match self.action {
            Action::Get => (None, Some(before)),
            Action::Set(value) => {
                // A value for an unsigned field is taken as 64 bits without a sign.
                let value = if self.field.signed {
                    i128::from(value)
                } else {
                    i128::from(value as u64)
                };
                let after = self.field.fit(value, self.overflow);
                (after, after.map(|_| before))
            }
            Action::Add(increment) => {
                let after = self
                    .field
                    .fit(i128::from(before) + i128::from(increment), self.overflow);
                (after, after)
            }
        }
    }

    /// Carries it out and writes its result. Some: it wrote, and whether another value than was there.
    fn run(&self, bytes: &mut [u8], reply: &mut Reply) -> Option<bool> {
        let before = self.field.get(bytes);
        let (after, result) = self.outcome(before);
        if let Some(value) = after {
            self.field.set(bytes, value);
        }
        match result {
            Some(value) => reply.integer(value),
            None => reply.null(),
        }
        after.map(|after| after != before)
    }

    /// Whether the value would be another one.
    fn changes(&self, bytes: &[u8]) -> bool {
        let before = self.field.get(bytes);
        let (after, _) = self.outcome(before);
        after.is_some_and(|after| after != before)
    }
}

fn parse(args: &Args<'_>, string_bytes_max: usize) -> Result<Vec<Operation>, CommandError> {
    let mut operations = Vec::new();
    let mut overflow = Overflow::Wrap;
    let mut index = 2;
    while index < args.len() {
        let left = args.len() - index - 1;
        let word = args.get(index);
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("OVERFLOW") && left >= 1 {
            overflow = match args.get(index + 1).to_ascii_lowercase().as_slice() {
                b"wrap" => Overflow::Wrap,
                b"sat" => Overflow::Saturate,
                b"fail" => Overflow::Fail,
                _ => return Err(CommandError::fixed("ERR Invalid OVERFLOW type specified")),
            };
            index += 2;
            continue;
        }
        let words = if is("GET") && left >= 2 {
            3
        } else if (is("SET") || is("INCRBY")) && left >= 3 {
            4
        } else {
            return Err(CommandError::Syntax);
        };
        let field = Field::parse(args.get(index + 1), args.get(index + 2), string_bytes_max)?;
        let action = match words {
            3 => Action::Get,
            _ if is("SET") => Action::Set(integer(args.get(index + 3))?),
            _ => Action::Add(integer(args.get(index + 3))?),
        };
        operations.push(Operation {
            field,
            action,
            overflow,
        });
        index += words;
    }
    Ok(operations)
}

fn read_only(context: &mut Context<'_>, operations: &[Operation]) -> Result<(), CommandError> {
    let value = find_string_read(context, 1)?.map_or(StringValue::Bytes(&[]), |item| {
        string_value(context.engine, item)
    });
    context.reply.array(operations.len());
    for operation in operations {
        context.reply.integer(operation.field.get(&value));
    }
    Ok(())
}

/// BITFIELD key [GET type offset | [OVERFLOW WRAP | SAT | FAIL] SET type offset value | INCRBY type offset increment ...].
pub fn bitfield(context: &mut Context<'_>) -> Result<(), CommandError> {
    let operations = parse(&context.args, context.settings.string_bytes_max)?;
    let needed = operations
        .iter()
        .filter(|operation| operation.action != Action::Get)
        .map(|operation| operation.field.bytes_needed())
        .max();
    let Some(needed) = needed else {
        return read_only(context, &operations);
    };
    let found = find_string_write(context, 1)?;
    let before = found.map(|item| value_len(context.engine, item));
    let grows = before.is_none_or(|len| len < needed);
    let differs = grows
        || found.is_some_and(|item| {
            let value = string_value(context.engine, item);
            // Up to the first that changes anything all see the value as it is.
            operations.iter().any(|operation| operation.changes(&value))
        });
    let key = key_at!(context, 1);
    let len = needed.max(before.unwrap_or(0));
    let engine = &mut *context.engine;
    let bytes = match differs {
        true => edit_or_create(engine, &key, before.is_some(), len)?,
        false => engine.edit_unchanged(&key, len)?,
    };
    context.reply.array(operations.len());
    let mut changes = 0;
    for operation in operations {
        let written = operation.run(bytes, context.reply);
        changes += u64::from(written.is_some_and(|is_other| grows || is_other));
    }
    // A value that has only become longer, because every operation failed, is another one all the same, and the log must say so.
    context.stats.changes += changes.max(u64::from(grows));
    if changes > 0 {
        context.engine.notify(EventClass::String, "setbit", &key);
    }
    Ok(())
}

/// BITFIELD_RO key [GET type offset ...].
pub fn bitfield_ro(context: &mut Context<'_>) -> Result<(), CommandError> {
    let operations = parse(&context.args, context.settings.string_bytes_max)?;
    if operations
        .iter()
        .any(|operation| operation.action != Action::Get)
    {
        return Err(CommandError::fixed(
            "ERR BITFIELD_RO only supports the GET subcommand",
        ));
    }
    read_only(context, &operations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_got() {
        for signed in [false, true] {
            for bits in 1..=if signed { 64 } else { 63 } {
                for offset in [0, 1, 7, 8, 13] {
                    let field = Field {
                        signed,
                        bits,
                        offset,
                    };
                    let (low, high) = field.range();
                    for value in [low, high, 0, low / 2, high / 3] {
                        let mut bytes = [0xa5; 12];
                        field.set(&mut bytes, value as i64);
                        assert_eq!(i128::from(field.get(&bytes)), value, "{field:?}");
                        assert_eq!(field.fit(value, Overflow::Fail), Some(value as i64));
                    }
                    assert_eq!(field.fit(high + 1, Overflow::Fail), None);
                    assert_eq!(field.fit(high + 1, Overflow::Wrap), Some(low as i64));
                    assert_eq!(field.fit(low - 5, Overflow::Saturate), Some(low as i64));
                }
            }
        }
    }
}
