//! Parts of strings: APPEND, STRLEN, GETRANGE, SETRANGE.

use super::number::{Digits, integer};
use super::string_value::{find_string_read, find_string_write, string_value};
use super::{CommandError, Context, key_at};
use crate::engine::{Engine, EventClass, Expiry, Item, Key, NewValue, OutOfMemory, Value};

/// The length of an item's value in bytes.
pub fn value_len(engine: &Engine, item: Item) -> usize {
    match engine.value(item) {
        Value::Bytes(bytes) => bytes.len(),
        Value::Integer(value) => Digits::new(value).len(),
        Value::Large(large) => large.as_slice().len(),
        Value::Packed(..) | Value::Collection(_) => unreachable!("its type was compared"),
    }
}

/// The value of a key as bytes of length `len` to be changed in place; a key that is not there is made. On an error nothing has changed.
pub fn edit_or_create<'e>(
    engine: &'e mut Engine,
    key: &Key<'_>,
    exists: bool,
    len: usize,
) -> Result<&'e mut [u8], OutOfMemory> {
    if !exists {
        engine.set(key, NewValue::RawBytes(&[]), Expiry::None)?;
        // Asked once for whether it works and once for its result: a borrow that is returned would last too long for the removal.
        if let Err(error) = engine.edit(key, len).map(|_| ()) {
            engine.remove(key);
            return Err(error);
        }
    }
    engine.edit(key, len)
}

/// APPEND key value.
pub fn append(context: &mut Context<'_>) -> Result<(), CommandError> {
    let len = match find_string_write(context, 1)? {
        None => {
            let len = context.args.get(2).len();
            let large = context.args.take_large(2);
            let key = key_at!(context, 1);
            let value = large.map_or_else(|| NewValue::Bytes(context.args.get(2)), NewValue::Large);
            context.engine.set(&key, value, Expiry::None)?;
            len
        }
        Some(item) => {
            let before = value_len(context.engine, item);
            let added = context.args.get(2);
            let len = before + added.len();
            if len > context.settings.string_bytes_max {
                return Err(CommandError::too_long());
            }
            let key = key_at!(context, 1);
            context.engine.edit(&key, len)?[before..].copy_from_slice(added);
            len
        }
    };
    let key = key_at!(context, 1);
    context.engine.notify(EventClass::String, "append", &key);
    context.stats.changes += 1;
    context.reply.integer(len as i64);
    Ok(())
}

/// STRLEN key.
pub fn strlen(context: &mut Context<'_>) -> Result<(), CommandError> {
    let len = find_string_read(context, 1)?.map_or(0, |item| value_len(context.engine, item));
    context.reply.integer(len as i64);
    Ok(())
}

/// Start and end (inclusive) of a range given as Redis does, negative from the end, as indexes into `len` units; None when it is empty.
pub fn clamp_range(start: i64, end: i64, len: usize) -> Option<(usize, usize)> {
    let len = len as i64;
    if start < 0 && end < 0 && start > end {
        return None;
    }
    let from_end = |index: i64| {
        if index < 0 {
            index.saturating_add(len).max(0)
        } else {
            index
        }
    };
    let (start, end) = (from_end(start), from_end(end).min(len - 1));
    (start <= end && len != 0).then_some((start as usize, end as usize))
}

/// GETRANGE key start end, also as SUBSTR.
pub fn getrange(context: &mut Context<'_>) -> Result<(), CommandError> {
    let start = integer(context.args.get(2))?;
    let end = integer(context.args.get(3))?;
    let Some(item) = find_string_read(context, 1)? else {
        context.reply.bulk(b"");
        return Ok(());
    };
    let value = string_value(context.engine, item);
    match clamp_range(start, end, value.len()) {
        Some((start, end)) => context.reply.bulk(&value[start..=end]),
        None => context.reply.bulk(b""),
    }
    Ok(())
}

/// SETRANGE key offset value.
pub fn setrange(context: &mut Context<'_>) -> Result<(), CommandError> {
    let offset = integer(context.args.get(2))?;
    let offset =
        usize::try_from(offset).map_err(|_| CommandError::fixed("ERR offset is out of range"))?;
    let item = find_string_write(context, 1)?;
    let before = item.map(|item| value_len(context.engine, item));
    let patch = context.args.get(3);
    if patch.is_empty() {
        context.reply.integer(before.unwrap_or(0) as i64);
        return Ok(());
    }
    let end = offset.saturating_add(patch.len());
    if end > context.settings.string_bytes_max {
        return Err(CommandError::too_long());
    }
    let len = end.max(before.unwrap_or(0));
    let key = key_at!(context, 1);
    let value = edit_or_create(context.engine, &key, before.is_some(), len)?;
    value[offset..end].copy_from_slice(patch);
    context.engine.notify(EventClass::String, "setrange", &key);
    context.stats.changes += 1;
    context.reply.integer(len as i64);
    Ok(())
}
