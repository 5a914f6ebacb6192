//! Reading hashes: HGET, HMGET, HGETALL, HKEYS, HVALS, HLEN, HSTRLEN, HEXISTS.
//!
//! Never: allocates. Expired fields are passed over; one that is asked for by its name is removed, as in Redis. HLEN counts those that are still
//! there, as in Redis, because it would have to look at them to leave them out.

use super::{find, remove_expired_of, reply_entry};
use crate::command::{CommandError, Context};
use crate::engine::value::hash::Hash;

/// HGET key field.
#[inline]
pub fn hget(context: &mut Context<'_>) -> Result<(), CommandError> {
    let now_ms = context.engine.now_ms();
    let Some(item) = context.find_read(1) else {
        context.reply.null();
        return Ok(());
    };
    let hash = context.engine.view::<Hash>(item)?;
    match hash.get(context.args.get(2), now_ms) {
        Some(value) => reply_entry(context.reply, value),
        None => {
            context.reply.null();
            if hash.may_expire() {
                return remove_expired_of(context, 2..3);
            }
        }
    }
    Ok(())
}

/// HMGET key field [field ...].
pub fn hmget(context: &mut Context<'_>) -> Result<(), CommandError> {
    let now_ms = context.engine.now_ms();
    let hash = match context.find_read(1) {
        Some(item) => Some(context.engine.view::<Hash>(item)?),
        None => None,
    };
    let end = context.args.len();
    let mut all_found = true;
    context.reply.array(end - 2);
    for index in 2..end {
        match hash.and_then(|hash| hash.get(context.args.get(index), now_ms)) {
            Some(value) => reply_entry(context.reply, value),
            None => {
                context.reply.null();
                all_found = false;
            }
        }
    }
    if !all_found && hash.is_some_and(|hash| hash.may_expire()) {
        return remove_expired_of(context, 2..end);
    }
    Ok(())
}

/// HGETALL key.
pub fn hgetall(context: &mut Context<'_>) -> Result<(), CommandError> {
    let now_ms = context.engine.now_ms();
    let Some((hash, reply)) = find(context)? else {
        context.reply.map(0);
        return Ok(());
    };
    reply.map(hash.len_live(now_ms));
    for (name, value) in hash.iter(now_ms) {
        reply_entry(reply, name);
        reply_entry(reply, value);
    }
    Ok(())
}

/// HKEYS key.
pub fn hkeys(context: &mut Context<'_>) -> Result<(), CommandError> {
    let now_ms = context.engine.now_ms();
    let Some((hash, reply)) = find(context)? else {
        context.reply.array(0);
        return Ok(());
    };
    reply.array(hash.len_live(now_ms));
    for name in hash.names(now_ms) {
        reply_entry(reply, name);
    }
    Ok(())
}

/// HVALS key.
pub fn hvals(context: &mut Context<'_>) -> Result<(), CommandError> {
    let now_ms = context.engine.now_ms();
    let Some((hash, reply)) = find(context)? else {
        context.reply.array(0);
        return Ok(());
    };
    reply.array(hash.len_live(now_ms));
    for value in hash.values(now_ms) {
        reply_entry(reply, value);
    }
    Ok(())
}

/// HLEN key.
pub fn hlen(context: &mut Context<'_>) -> Result<(), CommandError> {
    let len = find(context)?.map_or(0, |(hash, _)| hash.len());
    context.reply.integer(len as i64);
    Ok(())
}

/// HSTRLEN key field.
pub fn hstrlen(context: &mut Context<'_>) -> Result<(), CommandError> {
    let now_ms = context.engine.now_ms();
    let Some(item) = context.find_read(1) else {
        context.reply.integer(0);
        return Ok(());
    };
    let hash = context.engine.view::<Hash>(item)?;
    let len = hash.value_len(context.args.get(2), now_ms);
    context.reply.integer(len as i64);
    if len == 0 && hash.may_expire() {
        return remove_expired_of(context, 2..3);
    }
    Ok(())
}

/// HEXISTS key field.
pub fn hexists(context: &mut Context<'_>) -> Result<(), CommandError> {
    let now_ms = context.engine.now_ms();
    let Some(item) = context.find_read(1) else {
        context.reply.integer(0);
        return Ok(());
    };
    let hash = context.engine.view::<Hash>(item)?;
    let found = hash.contains(context.args.get(2), now_ms);
    context.reply.integer(i64::from(found));
    if !found && hash.may_expire() {
        return remove_expired_of(context, 2..3);
    }
    Ok(())
}
