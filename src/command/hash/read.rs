//! Reading hashes: HGET, HMGET, HGETALL, HKEYS, HVALS, HLEN, HSTRLEN, HEXISTS.
//!
//! Never: allocates, or changes the hash. Expired fields are passed over, and whoever changes the hash removes them.

use super::{find, reply_entry};
use crate::command::{CommandError, Context};
use crate::engine::value::hash::Hash;

/// HGET key field.
#[inline]
pub fn hget(context: &mut Context<'_>) -> Result<(), CommandError> {
    let now_ms = context.engine.now_ms();
    let value = match context.find_read(1) {
        Some(item) => {
            let hash = context.engine.view::<Hash>(item)?;
            hash.get(context.args.get(2), now_ms)
        }
        None => None,
    };
    match value {
        Some(value) => reply_entry(context.reply, value),
        None => context.reply.null(),
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
    context.reply.array(context.args.len() - 2);
    for index in 2..context.args.len() {
        match hash.and_then(|hash| hash.get(context.args.get(index), now_ms)) {
            Some(value) => reply_entry(context.reply, value),
            None => context.reply.null(),
        }
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
    let now_ms = context.engine.now_ms();
    let len = find(context)?.map_or(0, |(hash, _)| hash.len_live(now_ms));
    context.reply.integer(len as i64);
    Ok(())
}

/// HSTRLEN key field.
pub fn hstrlen(context: &mut Context<'_>) -> Result<(), CommandError> {
    let now_ms = context.engine.now_ms();
    let len = match context.find_read(1) {
        Some(item) => {
            let hash = context.engine.view::<Hash>(item)?;
            hash.value_len(context.args.get(2), now_ms)
        }
        None => 0,
    };
    context.reply.integer(len as i64);
    Ok(())
}

/// HEXISTS key field.
pub fn hexists(context: &mut Context<'_>) -> Result<(), CommandError> {
    let now_ms = context.engine.now_ms();
    let found = match context.find_read(1) {
        Some(item) => {
            let hash = context.engine.view::<Hash>(item)?;
            hash.contains(context.args.get(2), now_ms)
        }
        None => false,
    };
    context.reply.integer(i64::from(found));
    Ok(())
}
