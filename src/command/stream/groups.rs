//! XGROUP: making, moving and deleting groups and their consumers.
//! Never: reads entries.

use super::super::number::integer;
use super::super::{CommandError, Context, introspect, key_at};
use super::{NEW_CONSUMER, c_text, id, is, no_group, subcommand_syntax};
use crate::engine::EventClass;
use crate::engine::value::stream::{Stream, StreamId};

/// Without MKSTREAM there must be a stream.
const NO_KEY: CommandError = CommandError::fixed(
    "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want to use the MKSTREAM option to create an empty stream automatically.",
);

/// The options of CREATE and SETID: MKSTREAM, and ENTRIESREAD, where -1 means unknown.
fn options(context: &Context<'_>, creates: bool) -> Result<(bool, Option<i64>), CommandError> {
    let args = &context.args;
    let mut make_stream = false;
    let mut entries_read = None;
    let mut index = 5;
    while index < args.len() {
        let word = args.get(index);
        if creates && is(word, "MKSTREAM") {
            make_stream = true;
        } else if is(word, "ENTRIESREAD") && index + 1 < args.len() {
            index += 1;
            let read = integer(args.get(index))?;
            if read < -1 {
                return Err(CommandError::fixed(
                    "ERR value for ENTRIESREAD must be positive or -1",
                ));
            }
            entries_read = (read >= 0).then_some(read);
        } else {
            return Err(subcommand_syntax("XGROUP", args.get(1)));
        }
        index += 1;
    }
    Ok((make_stream, entries_read))
}

/// What is checked first everywhere: that the stream is there, and where `needs_group` the group; the stream's last id. None: there is no stream.
fn check(context: &mut Context<'_>, needs_group: bool) -> Result<Option<StreamId>, CommandError> {
    let Some(item) = context.find_write(2) else {
        return Ok(None);
    };
    let stream = context.engine.view::<Stream>(item)?;
    let (key, group) = (context.args.get(2), context.args.get(3));
    if needs_group && stream.group(group).is_none() {
        return Err(no_group(key, group));
    }
    Ok(Some(stream.log().last_id()))
}

/// `XGROUP CREATE key group id|$ [MKSTREAM] [ENTRIESREAD entries-read]`.
pub fn create(context: &mut Context<'_>) -> Result<(), CommandError> {
    let (make_stream, entries_read) = options(context, true)?;
    let last_id = check(context, false)?;
    if last_id.is_none() && !make_stream {
        return Err(NO_KEY);
    }
    let args = &context.args;
    if args.len() > 8 {
        return Err(subcommand_syntax("XGROUP", args.get(1)));
    }
    let from = match c_text(args.get(4)) {
        b"$" => last_id.unwrap_or(StreamId::MIN),
        _ => id::parse_strict(args.get(4), 0)?,
    };
    let key = key_at!(context, 2);
    let created = context
        .engine
        .edit_collection::<Stream, _>(&key, make_stream, |stream, _| {
            stream.create_group(args.get(3), from, entries_read)
        })?;
    if created != Some(true) {
        return Err(CommandError::fixed(
            "BUSYGROUP Consumer Group name already exists",
        ));
    }
    let stream = EventClass::Stream;
    context.engine.notify(stream, "xgroup-create", &key);
    context.stats.changes += 1;
    context.reply.ok();
    Ok(())
}

/// `XGROUP SETID key group id|$ [ENTRIESREAD entries-read]`.
pub fn setid(context: &mut Context<'_>) -> Result<(), CommandError> {
    let (_, entries_read) = options(context, false)?;
    let last_id = check(context, true)?.ok_or(NO_KEY)?;
    let args = &context.args;
    if args.len() > 7 {
        return Err(subcommand_syntax("XGROUP", args.get(1)));
    }
    let to = match c_text(args.get(4)) {
        b"$" => last_id,
        _ => id::parse(args.get(4), 0)?,
    };
    let key = key_at!(context, 2);
    // A consumer that waits reads what the group has not had yet when the next entry comes, as with redis-server.
    context.engine.without_waking(|engine| {
        engine.edit_collection::<Stream, _>(&key, false, |stream, _| {
            if let Some(mut group) = stream.group_mut(args.get(3)) {
                group.set_id(to, entries_read);
            }
        })
    })?;
    let stream = EventClass::Stream;
    context.engine.notify(stream, "xgroup-setid", &key);
    context.stats.changes += 1;
    context.reply.ok();
    Ok(())
}

/// XGROUP DESTROY key group.
pub fn destroy(context: &mut Context<'_>) -> Result<(), CommandError> {
    check(context, false)?.ok_or(NO_KEY)?;
    let args = &context.args;
    let key = key_at!(context, 2);
    let destroyed = context
        .engine
        .edit_collection::<Stream, _>(&key, false, |stream, _| stream.destroy_group(args.get(3)))?
        .flatten()
        .is_some();
    if destroyed {
        let stream = EventClass::Stream;
        context.engine.notify(stream, "xgroup-destroy", &key);
    }
    context.stats.changes += u64::from(destroyed);
    context.reply.integer(i64::from(destroyed));
    Ok(())
}

/// XGROUP CREATECONSUMER key group consumer.
pub fn createconsumer(context: &mut Context<'_>) -> Result<(), CommandError> {
    check(context, true)?.ok_or(NO_KEY)?;
    let args = &context.args;
    let key = key_at!(context, 2);
    let created = context
        .engine
        .edit_collection::<Stream, _>(&key, false, |stream, editing| {
            let group = stream.group_mut(args.get(3));
            group.is_some_and(|mut group| group.create_consumer(args.get(4), editing.now_ms))
        })?
        .unwrap_or(false);
    if created {
        context
            .engine
            .notify(EventClass::Stream, NEW_CONSUMER, &key);
    }
    context.stats.changes += u64::from(created);
    context.reply.integer(i64::from(created));
    Ok(())
}

/// XGROUP DELCONSUMER key group consumer.
pub fn delconsumer(context: &mut Context<'_>) -> Result<(), CommandError> {
    check(context, true)?.ok_or(NO_KEY)?;
    let args = &context.args;
    let key = key_at!(context, 2);
    let deleted = context
        .engine
        .edit_collection::<Stream, _>(&key, false, |stream, _| {
            let mut group = stream.group_mut(args.get(3))?;
            group.delete_consumer(args.get(4))
        })?
        .flatten();
    if deleted.is_some() {
        let stream = EventClass::Stream;
        context.engine.notify(stream, "xgroup-delconsumer", &key);
    }
    context.stats.changes += u64::from(deleted.is_some());
    context.reply.integer(deleted.unwrap_or(0) as i64);
    Ok(())
}

/// XGROUP HELP.
pub fn help(context: &mut Context<'_>) -> Result<(), CommandError> {
    introspect::write_help(context.reply, "XGROUP");
    Ok(())
}
