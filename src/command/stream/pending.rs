//! Entries that were delivered and not acknowledged: XACK, XPENDING, XCLAIM, XAUTOCLAIM.
//! Never: delivers new entries.

use super::super::number::integer;
use super::super::{CommandError, Context, key_at};
use super::{
    NEW_CONSUMER, append, c_text, id, integer_or, is, no_key_or_group, write_counted, write_entry,
    write_id,
};
use crate::engine::value::stream::{
    AutoClaimOptions, Claim, ClaimOptions, Pending, Stream, StreamId,
};
use crate::engine::{EventClass, Item};
use crate::protocol::resp::Reply;

/// The item of argument 1, if that is a stream with the group of argument 2.
fn find_with_group(context: &mut Context<'_>) -> Result<Option<Item>, CommandError> {
    let Some(item) = context.find_read(1) else {
        return Ok(None);
    };
    let stream = context.engine.view::<Stream>(item)?;
    Ok(stream.group(context.args.get(2)).map(|_| item))
}

/// The error for one that has not.
fn missing(context: &Context<'_>) -> CommandError {
    no_key_or_group(context.args.get(1), context.args.get(2), "")
}

/// XACK key group id [id ...].
pub fn xack(context: &mut Context<'_>) -> Result<(), CommandError> {
    if find_with_group(context)?.is_none() {
        context.reply.integer(0);
        return Ok(());
    }
    let args = &context.args;
    // One malformed id, and nothing is acknowledged.
    for index in 3..args.len() {
        id::parse_strict(args.get(index), 0)?;
    }
    let key = key_at!(context, 1);
    let acknowledged = context
        .engine
        .edit_collection::<Stream, _>(&key, false, |stream, editing| {
            let mut group = stream.group_mut(args.get(2))?;
            let ids = (3..args.len()).filter_map(|index| id::parse_strict(args.get(index), 0).ok());
            let acknowledged = ids.filter(|id| group.acknowledge(*id)).count();
            *editing.is_unchanged = acknowledged == 0;
            Some(acknowledged)
        })?
        .flatten()
        .unwrap_or(0);
    context.stats.changes += acknowledged as u64;
    context.reply.integer(acknowledged as i64);
    Ok(())
}

/// `XPENDING key group [[IDLE min-idle-time] start end count [consumer]]`.
pub fn xpending(context: &mut Context<'_>) -> Result<(), CommandError> {
    let len = context.args.len();
    if len == 3 {
        return pending_summary(context);
    }
    if !(6..=9).contains(&len) {
        return Err(CommandError::Syntax);
    }
    let args = &context.args;
    let mut start_at = 3;
    let mut idle_ms_min = 0;
    if is(args.get(3), "IDLE") {
        idle_ms_min = integer(args.get(4))?;
        if len < 8 {
            return Err(CommandError::Syntax);
        }
        start_at = 5;
    }
    let count = usize::try_from(integer(args.get(start_at + 2))?).unwrap_or(0);
    let start = id::parse_start(args.get(start_at))?;
    let end = id::parse_end(args.get(start_at + 1))?;
    let consumer_at = (start_at + 3 < len).then_some(start_at + 3);
    let Some(item) = find_with_group(context)? else {
        return Err(missing(context));
    };
    let args = &context.args;
    let now_ms = context.engine.now_ms();
    let Some(group) = context.engine.view::<Stream>(item)?.group(args.get(2)) else {
        return Err(missing(context));
    };
    let is_idle = |(_, pending): &(StreamId, &Pending)| {
        idle_ms_min == 0 || now_ms.saturating_sub(pending.delivery_time_ms) >= idle_ms_min
    };
    let write_one = |reply: &mut Reply, id: StreamId, pending: &Pending| {
        reply.array(4);
        write_id(reply, id);
        reply.bulk(group.owner(pending).name());
        reply.integer(now_ms.saturating_sub(pending.delivery_time_ms).max(0));
        reply.integer(pending.delivery_count as i64);
    };
    write_counted(context.reply, |reply| {
        let mut write = |found: &mut dyn Iterator<Item = (StreamId, &Pending)>| {
            found
                .filter(is_idle)
                .take(count)
                .map(|(id, pending)| write_one(reply, id, pending))
                .count()
        };
        match consumer_at.map(|at| group.consumer(args.get(at))) {
            None => write(&mut group.pending(start, end)),
            Some(Some(consumer)) => write(&mut group.pending_of(consumer, start, end)),
            Some(None) => 0,
        }
    });
    Ok(())
}

/// The form without a range: how many, from which to which, and with whom.
fn pending_summary(context: &mut Context<'_>) -> Result<(), CommandError> {
    let Some(item) = find_with_group(context)? else {
        return Err(missing(context));
    };
    let Some(group) = context
        .engine
        .view::<Stream>(item)?
        .group(context.args.get(2))
    else {
        return Err(missing(context));
    };
    let reply = &mut *context.reply;
    reply.array(4);
    reply.integer(group.pending_len() as i64);
    match group.pending_bounds() {
        None => {
            reply.null();
            reply.null();
            reply.null_array();
        }
        Some((first, last)) => {
            write_id(reply, first);
            write_id(reply, last);
            write_counted(reply, |reply| {
                let waiting = group
                    .consumers()
                    .filter(|consumer| consumer.pending_len() > 0);
                waiting
                    .map(|consumer| {
                        reply.array(2);
                        reply.bulk(consumer.name());
                        reply.bulk_integer(consumer.pending_len() as i64);
                    })
                    .count()
            });
        }
    }
    Ok(())
}

/// The options of XCLAIM behind its ids, which end before argument `at`, and the LASTID.
fn claim_options(
    context: &Context<'_>,
    idle_ms_min: i64,
    at: usize,
) -> Result<(ClaimOptions, StreamId), CommandError> {
    let args = &context.args;
    let mut options = ClaimOptions {
        idle_ms_min,
        ..ClaimOptions::default()
    };
    let mut last_id = StreamId::MIN;
    let mut index = at;
    while index < args.len() {
        let word = args.get(index);
        let value = (index + 1 < args.len()).then(|| args.get(index + 1));
        index += 1;
        match value {
            _ if is(word, "FORCE") => options.force = true,
            _ if is(word, "JUSTID") => options.just_id = true,
            Some(value) => {
                index += 1;
                if is(word, "IDLE") {
                    let idle_ms = integer_or(value, "ERR Invalid IDLE option argument for XCLAIM")?;
                    options.delivery_time_ms = Some(context.engine.now_ms().wrapping_sub(idle_ms));
                } else if is(word, "TIME") {
                    let time_ms = integer_or(value, "ERR Invalid TIME option argument for XCLAIM")?;
                    options.delivery_time_ms = Some(time_ms);
                } else if is(word, "RETRYCOUNT") {
                    let count =
                        integer_or(value, "ERR Invalid RETRYCOUNT option argument for XCLAIM")?;
                    options.delivery_count = u64::try_from(count).ok();
                } else if is(word, "LASTID") {
                    last_id = id::parse_strict(value, 0)?;
                } else {
                    return Err(unknown_claim_option(word));
                }
            }
            None => return Err(unknown_claim_option(word)),
        }
    }
    Ok((options, last_id))
}

fn unknown_claim_option(word: &[u8]) -> CommandError {
    CommandError::repeating([b"ERR Unrecognized XCLAIM option '", c_text(word), b"'"].concat())
}

/// `XCLAIM key group consumer min-idle-time id [id ...] [IDLE ms] [TIME ms] [RETRYCOUNT count] [FORCE] [JUSTID] [LASTID id]`.
pub fn xclaim(context: &mut Context<'_>) -> Result<(), CommandError> {
    if find_with_group(context)?.is_none() {
        return Err(missing(context));
    }
    let args = &context.args;
    let error = "ERR Invalid min-idle-time argument for XCLAIM";
    let idle_ms_min = integer_or(args.get(4), error)?.max(0);
    let options_at = (5..args.len())
        .find(|index| id::parse_strict(args.get(*index), 0).is_err())
        .unwrap_or(args.len());
    let (options, last_id) = claim_options(context, idle_ms_min, options_at)?;
    let args = &context.args;
    let key = key_at!(context, 1);
    let mut elements = Reply::new(context.reply.protocol);
    let (mut claimed, mut changes, mut is_new) = (0, 0, false);
    context
        .engine
        .edit_collection::<Stream, _>(&key, false, |stream, editing| {
            let Some(mut group) = stream.group_mut(args.get(2)) else {
                return;
            };
            let (consumer, now_ms) = (args.get(3), editing.now_ms);
            if last_id > group.view().last_id() {
                group.raise_last_id(last_id);
                changes += 1;
            }
            is_new = group.see_consumer(consumer, now_ms);
            changes += u64::from(is_new);
            for index in 5..options_at {
                let Ok(id) = id::parse_strict(args.get(index), 0) else {
                    continue;
                };
                match group.claim(consumer, id, &options, now_ms) {
                    Claim::Claimed(entry) => {
                        claimed += 1;
                        changes += 1;
                        if options.just_id {
                            write_id(&mut elements, id);
                        } else {
                            write_entry(&mut elements, entry);
                        }
                    }
                    Claim::Deleted => changes += 1,
                    Claim::Skipped => {}
                }
            }
        })?;
    if is_new {
        context
            .engine
            .notify(EventClass::Stream, NEW_CONSUMER, &key);
    }
    context.stats.changes += changes;
    context.reply.array(claimed);
    append(context.reply, &elements);
    Ok(())
}

/// Entries that XAUTOCLAIM claims unless COUNT says otherwise.
const AUTO_CLAIM_COUNT: usize = 100;
/// The greatest COUNT of XAUTOCLAIM, as in redis-server.
const AUTO_CLAIM_COUNT_MAX: i64 = i64::MAX / 16;

/// `XAUTOCLAIM key group consumer min-idle-time start [COUNT count] [JUSTID]`.
pub fn xautoclaim(context: &mut Context<'_>) -> Result<(), CommandError> {
    let args = &context.args;
    let error = "ERR Invalid min-idle-time argument for XAUTOCLAIM";
    let mut how = AutoClaimOptions {
        idle_ms_min: integer_or(args.get(4), error)?.max(0),
        start: id::parse_start(args.get(5))?,
        count: AUTO_CLAIM_COUNT,
        just_id: false,
    };
    let mut index = 6;
    while index < args.len() {
        let word = args.get(index);
        if is(word, "COUNT") && index + 1 < args.len() {
            index += 1;
            let error = "ERR COUNT must be > 0";
            let count = integer_or(args.get(index), error)?;
            if !(1..=AUTO_CLAIM_COUNT_MAX).contains(&count) {
                return Err(CommandError::fixed(error));
            }
            how.count = count as usize;
        } else if is(word, "JUSTID") {
            how.just_id = true;
        } else {
            return Err(CommandError::Syntax);
        }
        index += 1;
    }
    if find_with_group(context)?.is_none() {
        return Err(missing(context));
    }
    let args = &context.args;
    let key = key_at!(context, 1);
    let mut elements = Reply::new(context.reply.protocol);
    let (mut claimed, mut changes, mut is_new) = (0, 0, false);
    let result = context
        .engine
        .edit_collection::<Stream, _>(&key, false, |stream, editing| {
            let mut group = stream.group_mut(args.get(2))?;
            let (consumer, now_ms) = (args.get(3), editing.now_ms);
            is_new = group.see_consumer(consumer, now_ms);
            changes += u64::from(is_new);
            Some(group.auto_claim(consumer, &how, now_ms, |entry| {
                claimed += 1;
                if how.just_id {
                    write_id(&mut elements, entry.id);
                } else {
                    write_entry(&mut elements, entry);
                }
            }))
        })?
        .flatten()
        .ok_or_else(|| missing(context))?;
    if is_new {
        context
            .engine
            .notify(EventClass::Stream, NEW_CONSUMER, &key);
    }
    context.stats.changes += changes + claimed as u64 + result.deleted.len() as u64;
    let reply = &mut *context.reply;
    reply.array(3);
    write_id(reply, result.next);
    reply.array(claimed);
    append(reply, &elements);
    reply.array(result.deleted.len());
    for id in result.deleted {
        write_id(reply, id);
    }
    Ok(())
}
