//! Changing fields of hashes: HSET, HMSET, HSETNX, HDEL.
//!
//! Never: looks a key up twice. A value that is set anew loses its field's expiry, as in Redis.

use super::remove_expired;
use crate::command::{CommandError, Context, key_at};
use crate::engine::value::Stored;
use crate::engine::value::hash::Hash;
use crate::engine::{EventClass, Expiry};

/// Sets the fields from argument 2 on; the number of those that were not there.
#[inline]
fn set_fields(context: &mut Context<'_>, command: &str) -> Result<i64, CommandError> {
    let args = &context.args;
    if !args.len().is_multiple_of(2) {
        return Err(CommandError::arity(command));
    }
    let fields = (args.len() - 2) / 2;
    let key = key_at!(context, 1);
    let created = context
        .engine
        .edit_collection::<Hash, _>(&key, true, |hash, mut editing| {
            remove_expired(hash, &mut editing);
            let limits = &editing.limits.hash;
            if fields > 1 {
                hash.expect(fields, limits);
            }
            let mut created = 0;
            for index in (2..args.len()).step_by(2) {
                let (name, value) = (args.get(index), args.get(index + 1));
                created += i64::from(hash.set(name, value, Expiry::None, editing.now_ms, limits));
            }
            created
        })?
        .unwrap_or(0);
    context.engine.notify(EventClass::Hash, "hset", &key);
    context.stats.changes += fields as u64;
    Ok(created)
}

/// HSET key field value [field value ...].
#[inline]
pub fn hset(context: &mut Context<'_>) -> Result<(), CommandError> {
    let created = set_fields(context, "hset")?;
    context.reply.integer(created);
    Ok(())
}

/// HMSET key field value [field value ...].
pub fn hmset(context: &mut Context<'_>) -> Result<(), CommandError> {
    set_fields(context, "hmset")?;
    context.reply.ok();
    Ok(())
}

/// HSETNX key field value.
pub fn hsetnx(context: &mut Context<'_>) -> Result<(), CommandError> {
    let args = &context.args;
    let key = key_at!(context, 1);
    let created = context
        .engine
        .edit_collection::<Hash, _>(&key, true, |hash, mut editing| {
            let before = hash.len();
            remove_expired(hash, &mut editing);
            let limits = &editing.limits.hash;
            let created = hash.set_if_absent(args.get(2), args.get(3), editing.now_ms, limits);
            *editing.is_unchanged = !created && hash.len() == before;
            created
        })?
        .unwrap_or(false);
    if created {
        context.engine.notify(EventClass::Hash, "hset", &key);
    }
    context.stats.changes += u64::from(created);
    context.reply.integer(i64::from(created));
    Ok(())
}

/// HDEL key field [field ...].
pub fn hdel(context: &mut Context<'_>) -> Result<(), CommandError> {
    let args = &context.args;
    let key = key_at!(context, 1);
    let removed = context
        .engine
        .edit_collection::<Hash, _>(&key, false, |hash, mut editing| {
            let before = hash.len();
            remove_expired(hash, &mut editing);
            let removed = (2..args.len())
                .filter(|&index| hash.remove(args.get(index), editing.now_ms))
                .count();
            *editing.is_unchanged = hash.len() == before;
            removed
        })?;
    if let Some(removed) = removed {
        if removed > 0 {
            context.engine.notify(EventClass::Hash, "hdel", &key);
        }
        context.engine.notify_if_gone(&key);
    }
    let removed = removed.unwrap_or(0);
    context.stats.changes += removed as u64;
    context.reply.integer(removed as i64);
    Ok(())
}
