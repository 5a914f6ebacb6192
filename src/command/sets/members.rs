//! Members of one set: SADD, SREM, SISMEMBER, SMISMEMBER, SMEMBERS, SCARD.
//! Never: several sets.

use crate::command::{CommandError, Context, key_at};
use crate::engine::EventClass;
use crate::engine::value::Stored;
use crate::engine::value::set::Set;

/// SADD key member [member ...].
pub fn sadd(context: &mut Context<'_>) -> Result<(), CommandError> {
    let key = key_at!(context, 1);
    let args = &context.args;
    let added = context
        .engine
        .edit_collection::<Set, _>(&key, true, |set, editing| {
            let limits = &editing.limits.set;
            let count = args.len() - 2;
            if set.is_empty() {
                *set = Set::for_members(args.get(2), count, limits);
            } else {
                set.expect(count, limits);
            }
            let added = (2..args.len())
                .filter(|&index| set.add(args.get(index), limits))
                .count();
            *editing.is_unchanged = added == 0;
            added
        })?
        .unwrap_or(0);
    if added > 0 {
        context.engine.notify(EventClass::Set, "sadd", &key);
    }
    context.stats.changes += added as u64;
    context.reply.integer(added as i64);
    Ok(())
}

/// SREM key member [member ...].
pub fn srem(context: &mut Context<'_>) -> Result<(), CommandError> {
    let key = key_at!(context, 1);
    let args = &context.args;
    let removed = context
        .engine
        .edit_collection::<Set, _>(&key, false, |set, editing| {
            let removed = (2..args.len())
                .filter(|&index| set.remove(args.get(index)))
                .count();
            *editing.is_unchanged = removed == 0;
            removed
        })?
        .unwrap_or(0);
    if removed > 0 {
        context.engine.notify_removal(EventClass::Set, "srem", &key);
    }
    context.stats.changes += removed as u64;
    context.reply.integer(removed as i64);
    Ok(())
}

/// SISMEMBER key member.
pub fn sismember(context: &mut Context<'_>) -> Result<(), CommandError> {
    let is_member = match context.find_read(1) {
        Some(item) => context
            .engine
            .view::<Set>(item)?
            .contains(context.args.get(2)),
        None => false,
    };
    context.reply.integer(i64::from(is_member));
    Ok(())
}

/// SMISMEMBER key member [member ...].
pub fn smismember(context: &mut Context<'_>) -> Result<(), CommandError> {
    let set = match context.find_read(1) {
        Some(item) => Some(context.engine.view::<Set>(item)?),
        None => None,
    };
    context.reply.array(context.args.len() - 2);
    for index in 2..context.args.len() {
        let is_member = set.is_some_and(|set| set.contains(context.args.get(index)));
        context.reply.integer(i64::from(is_member));
    }
    Ok(())
}

/// SMEMBERS key.
pub fn smembers(context: &mut Context<'_>) -> Result<(), CommandError> {
    let Some(item) = context.find_read(1) else {
        context.reply.set(0);
        return Ok(());
    };
    let set = context.engine.view::<Set>(item)?;
    context.reply.set(set.len());
    for entry in set.iter() {
        context.reply.bulk(entry.as_bytes(&mut [0; 20]));
    }
    Ok(())
}

/// SCARD key.
pub fn scard(context: &mut Context<'_>) -> Result<(), CommandError> {
    let len = match context.find_read(1) {
        Some(item) => context.engine.view::<Set>(item)?.len(),
        None => 0,
    };
    context.reply.integer(len as i64);
    Ok(())
}
