//! The commands: PFADD, PFCOUNT, PFMERGE. The values are plain strings, so GET, COPY and DUMP work on them.
//! Never: changes a string that is not readable. Redis may have added the elements before the damage; here an error has changed nothing.
//! The one decision worth knowing: dense strings are looked at first and then changed where they lie; sparse ones, which are short, as a copy.

use super::registers::{self, Encoding, Invalid, Union};
use crate::command::string_value::{find_string_read, find_string_write, string_value};
use crate::command::substrings::edit_or_create;
use crate::command::{CommandError, Context, key_at};
use crate::engine::EventClass;

impl From<Invalid> for CommandError {
    fn from(invalid: Invalid) -> CommandError {
        CommandError::fixed(match invalid {
            Invalid::Type => "WRONGTYPE Key is not a valid HyperLogLog string value.",
            Invalid::Corrupted => "INVALIDOBJ Corrupted HLL object detected",
        })
    }
}

/// PFADD key [element ...].
pub fn pfadd(context: &mut Context<'_>) -> Result<(), CommandError> {
    let found = find_string_write(context, 1)?;
    let key = key_at!(context, 1);
    let args = &context.args;
    let elements = || (2..args.len()).map(|index| args.get(index));
    let mut changes = u64::from(found.is_none());
    let mut sparse = None;
    match found {
        None => sparse = Some(registers::empty()),
        Some(item) => {
            let bytes = string_value(context.engine, item);
            match registers::encoding(&bytes)? {
                Encoding::Sparse => sparse = Some(bytes.to_vec()),
                Encoding::Dense => {
                    let len = bytes.len();
                    if elements().any(|element| registers::dense_lacks(&bytes, element)) {
                        let bytes = context.engine.edit(&key, len)?;
                        for element in elements() {
                            changes += u64::from(registers::add_dense(bytes, element));
                        }
                    }
                }
            }
        }
    }
    if let Some(mut bytes) = sparse {
        for element in elements() {
            let sparse_bytes_max = context.settings.hll_sparse_bytes_max;
            changes += u64::from(registers::add(&mut bytes, element, sparse_bytes_max)?);
        }
        if changes > 0 {
            registers::invalidate(&mut bytes);
            edit_or_create(context.engine, &key, found.is_some(), bytes.len())?
                .copy_from_slice(&bytes);
        }
    }
    if changes > 0 {
        context.engine.notify(EventClass::String, "pfadd", &key);
    }
    context.stats.changes += changes;
    context.reply.integer(i64::from(changes > 0));
    Ok(())
}

/// PFCOUNT key [key ...].
pub fn pfcount(context: &mut Context<'_>) -> Result<(), CommandError> {
    let count = match context.args.len() {
        2 => count_one(context)?,
        _ => union(context)?.0.count(),
    };
    context.reply.integer(count as i64);
    Ok(())
}

/// The cardinality of the only key, out of its header or put there.
fn count_one(context: &mut Context<'_>) -> Result<u64, CommandError> {
    let Some(item) = find_string_read(context, 1)? else {
        return Ok(0);
    };
    let bytes = string_value(context.engine, item);
    registers::encoding(&bytes)?;
    if let Some(count) = registers::cached(&bytes) {
        return Ok(count);
    }
    let count = registers::count(&bytes)?;
    let len = bytes.len();
    let key = key_at!(context, 1);
    // The header is a convenience: for want of memory the next request counts again.
    if let Ok(bytes) = context.engine.edit(&key, len) {
        registers::set_cached(bytes, count);
        context.stats.changes += 1;
    }
    Ok(count)
}

/// The union of all keys of the request, and whether one of them is dense.
fn union(context: &mut Context<'_>) -> Result<(Union, bool), CommandError> {
    let mut union = Union::new();
    let mut dense = false;
    for index in 1..context.args.len() {
        if let Some(item) = find_string_read(context, index)? {
            let bytes = string_value(context.engine, item);
            dense |= registers::encoding(&bytes)? == Encoding::Dense;
            union.take(&bytes)?;
        }
    }
    Ok((union, dense))
}

/// PFMERGE destination [source ...]. The destination is a source as well.
pub fn pfmerge(context: &mut Context<'_>) -> Result<(), CommandError> {
    let (union, dense) = union(context)?;
    let found = find_string_write(context, 1)?;
    let mut bytes = match found {
        None => registers::empty(),
        Some(item) => string_value(context.engine, item).to_vec(),
    };
    union.merge_into(&mut bytes, dense, context.settings.hll_sparse_bytes_max)?;
    let key = key_at!(context, 1);
    edit_or_create(context.engine, &key, found.is_some(), bytes.len())?.copy_from_slice(&bytes);
    context.engine.notify(EventClass::String, "pfadd", &key);
    context.stats.changes += 1;
    context.reply.ok();
    Ok(())
}
