//! XINFO: what is known about a stream, its groups and their consumers.
//! Never: changes anything; asking about a consumer is no sign of life of it.

use super::super::number::integer;
use super::super::{CommandError, Context, introspect};
use super::{
    is, no_group, subcommand_syntax, write_counted, write_entries, write_entry_or_null, write_id,
    write_known,
};
use crate::engine::value::stream::{Consumer, Group, Stream, StreamId, StreamView};
use crate::protocol::resp::Reply;

/// Entries that FULL shows unless COUNT says otherwise.
const COUNT_DEFAULT: usize = 10;

/// The name of a part of the reply.
fn name(reply: &mut Reply, name: &str) {
    reply.bulk(name.as_bytes());
}

/// `XINFO STREAM key [FULL [COUNT count]]`.
pub fn stream(context: &mut Context<'_>) -> Result<(), CommandError> {
    let item = context.find_read(2).ok_or(CommandError::NoSuchKey)?;
    let stream = context.engine.view::<Stream>(item)?;
    let args = &context.args;
    let count = match args.len() {
        3 => None,
        4 if is(args.get(3), "FULL") => Some(COUNT_DEFAULT),
        6 if is(args.get(3), "FULL") && is(args.get(4), "COUNT") => {
            Some(match integer(args.get(5))? {
                0 => usize::MAX,
                count => usize::try_from(count).unwrap_or(COUNT_DEFAULT),
            })
        }
        _ => return Err(subcommand_syntax("XINFO", args.get(1))),
    };
    let reply = &mut *context.reply;
    let log = stream.log();
    reply.map(if count.is_some() { 9 } else { 10 });
    name(reply, "length");
    reply.integer(log.len() as i64);
    name(reply, "radix-tree-keys");
    reply.integer(log.nodes_len() as i64);
    // A tree has its root besides.
    name(reply, "radix-tree-nodes");
    reply.integer(log.nodes_len() as i64 + 1);
    name(reply, "last-generated-id");
    write_id(reply, log.last_id());
    name(reply, "max-deleted-entry-id");
    write_id(reply, log.max_deleted_id());
    name(reply, "entries-added");
    reply.integer(log.entries_added() as i64);
    name(reply, "recorded-first-entry-id");
    write_id(reply, log.first_id());
    match count {
        None => {
            name(reply, "groups");
            reply.integer(stream.groups().len() as i64);
            name(reply, "first-entry");
            write_entry_or_null(reply, log.first());
            name(reply, "last-entry");
            write_entry_or_null(reply, log.last());
        }
        Some(count) => {
            name(reply, "entries");
            write_entries(reply, log.range(StreamId::MIN, StreamId::MAX).take(count));
            name(reply, "groups");
            reply.array(stream.groups().len());
            for (group_name, group) in stream.groups() {
                write_full_group(reply, stream, group_name, group, count);
            }
        }
    }
    Ok(())
}

fn write_full_group(
    reply: &mut Reply,
    stream: StreamView<'_>,
    group_name: &[u8],
    group: &Group,
    count: usize,
) {
    reply.map(7);
    name(reply, "name");
    reply.bulk(group_name);
    name(reply, "last-delivered-id");
    write_id(reply, group.last_id());
    name(reply, "entries-read");
    write_known(reply, group.entries_read());
    name(reply, "lag");
    write_known(reply, stream.lag(group));
    name(reply, "pel-count");
    reply.integer(group.pending_len() as i64);
    name(reply, "pending");
    reply.array(group.pending_len().min(count));
    for (id, pending) in group.pending(StreamId::MIN, StreamId::MAX).take(count) {
        reply.array(4);
        write_id(reply, id);
        reply.bulk(group.owner(pending).name());
        reply.integer(pending.delivery_time_ms);
        reply.integer(pending.delivery_count as i64);
    }
    name(reply, "consumers");
    reply.array(group.consumers().len());
    for consumer in group.consumers() {
        write_full_consumer(reply, group, consumer, count);
    }
}

fn write_full_consumer(reply: &mut Reply, group: &Group, consumer: &Consumer, count: usize) {
    reply.map(5);
    name(reply, "name");
    reply.bulk(consumer.name());
    name(reply, "seen-time");
    reply.integer(consumer.seen_time_ms);
    name(reply, "active-time");
    reply.integer(consumer.active_time_ms.unwrap_or(-1));
    name(reply, "pel-count");
    reply.integer(consumer.pending_len() as i64);
    name(reply, "pending");
    write_counted(reply, |reply| {
        let pending = group.pending_of(consumer, StreamId::MIN, StreamId::MAX);
        pending
            .take(count)
            .map(|(id, pending)| {
                reply.array(3);
                write_id(reply, id);
                reply.integer(pending.delivery_time_ms);
                reply.integer(pending.delivery_count as i64);
            })
            .count()
    });
}

/// XINFO GROUPS key.
pub fn groups(context: &mut Context<'_>) -> Result<(), CommandError> {
    let item = context.find_read(2).ok_or(CommandError::NoSuchKey)?;
    let stream = context.engine.view::<Stream>(item)?;
    let reply = &mut *context.reply;
    reply.array(stream.groups().len());
    for (group_name, group) in stream.groups() {
        reply.map(6);
        name(reply, "name");
        reply.bulk(group_name);
        name(reply, "consumers");
        reply.integer(group.consumers().len() as i64);
        name(reply, "pending");
        reply.integer(group.pending_len() as i64);
        name(reply, "last-delivered-id");
        write_id(reply, group.last_id());
        name(reply, "entries-read");
        write_known(reply, group.entries_read());
        name(reply, "lag");
        write_known(reply, stream.lag(group));
    }
    Ok(())
}

/// XINFO CONSUMERS key group.
pub fn consumers(context: &mut Context<'_>) -> Result<(), CommandError> {
    let item = context.find_read(2).ok_or(CommandError::NoSuchKey)?;
    let args = &context.args;
    let now_ms = context.engine.now_ms();
    let stream = context.engine.view::<Stream>(item)?;
    let group = stream
        .group(args.get(3))
        .ok_or_else(|| no_group(args.get(2), args.get(3)))?;
    let reply = &mut *context.reply;
    reply.array(group.consumers().len());
    for consumer in group.consumers() {
        reply.map(4);
        name(reply, "name");
        reply.bulk(consumer.name());
        name(reply, "pending");
        reply.integer(consumer.pending_len() as i64);
        name(reply, "idle");
        reply.integer(now_ms.saturating_sub(consumer.seen_time_ms).max(0));
        name(reply, "inactive");
        let inactive = consumer
            .active_time_ms
            .map_or(-1, |active| now_ms.saturating_sub(active).max(0));
        reply.integer(inactive);
    }
    Ok(())
}

/// XINFO HELP.
pub fn help(context: &mut Context<'_>) -> Result<(), CommandError> {
    introspect::write_help(context.reply, "XINFO");
    Ok(())
}
