//! What is known about a key beside its value: OBJECT, MEMORY USAGE.

use super::number::integer;
use super::{CommandError, Context, key_at};
use crate::engine::{Item, Touch, Value};

/// Integers below this are shared objects in Redis, and their reference count is said to be the largest integer.
const SHARED_INTEGERS: i64 = 10_000;

/// Looks the key of an OBJECT subcommand up; one that is not there is a null.
fn find(context: &mut Context<'_>) -> Option<Item> {
    let key = key_at!(context, 2);
    let found = context.engine.find(&key, Touch::No);
    // A miss counts, but is no event, as in Redis.
    context.stats.keyspace_hits += u64::from(found.is_some());
    context.stats.keyspace_misses += u64::from(found.is_none());
    if found.is_none() {
        context.reply.null();
    }
    found
}

/// OBJECT ENCODING key.
pub fn encoding(context: &mut Context<'_>) -> Result<(), CommandError> {
    if let Some(item) = find(context) {
        let name = context.engine.encoding_name(item);
        context.reply.bulk(name.as_bytes());
    }
    Ok(())
}

/// OBJECT REFCOUNT key: nothing is shared here, but small integers look as they do in Redis.
pub fn refcount(context: &mut Context<'_>) -> Result<(), CommandError> {
    if let Some(item) = find(context) {
        let shared = matches!(context.engine.value(item), Value::Integer(value) if (0..SHARED_INTEGERS).contains(&value));
        context
            .reply
            .integer(if shared { i64::from(i32::MAX) } else { 1 });
    }
    Ok(())
}

/// OBJECT FREQ key.
pub fn freq(context: &mut Context<'_>) -> Result<(), CommandError> {
    if let Some(item) = find(context) {
        let frequency = context.engine.frequency(item).ok_or(CommandError::fixed(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when switching between policies at \
             runtime LRU and LFU data will take some time to adjust.",
        ))?;
        context.reply.integer(i64::from(frequency));
    }
    Ok(())
}

/// OBJECT IDLETIME key.
pub fn idletime(context: &mut Context<'_>) -> Result<(), CommandError> {
    if let Some(item) = find(context) {
        if context.engine.frequency(item).is_some() {
            return Err(CommandError::fixed(
                "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching between policies at \
                 runtime LRU and LFU data will take some time to adjust.",
            ));
        }
        context
            .reply
            .integer((context.engine.idle_ms(item) / 1000) as i64);
    }
    Ok(())
}

/// OBJECT HELP.
pub fn help(context: &mut Context<'_>) -> Result<(), CommandError> {
    super::introspect::write_help(context.reply, "OBJECT");
    Ok(())
}

/// MEMORY USAGE key [SAMPLES count]; a string needs no samples.
pub fn memory_usage(context: &mut Context<'_>) -> Result<(), CommandError> {
    let mut index = 3;
    while index < context.args.len() {
        if !context.args.get(index).eq_ignore_ascii_case(b"SAMPLES")
            || index + 1 == context.args.len()
        {
            return Err(CommandError::Syntax);
        }
        if integer(context.args.get(index + 1))? < 0 {
            return Err(CommandError::Syntax);
        }
        index += 2;
    }
    let key = key_at!(context, 2);
    match context.engine.find(&key, Touch::No) {
        Some(item) => context.reply.integer(context.engine.bytes(item) as i64),
        None => context.reply.null(),
    }
    Ok(())
}
