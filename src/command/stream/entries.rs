//! Entries: XADD, XLEN, XRANGE, XREVRANGE, XDEL, XTRIM, XSETID.
//! Never: groups.

use super::super::number::integer;
use super::super::{CommandError, Context, key_at};
use super::id::{self, ToAdd};
use super::trim::Options;
use super::{is, write_entries, write_id};
use crate::engine::EventClass;
use crate::engine::value::stream::{AppendError, NewId, SetIdError, Stream, StreamId};

/// Arguments of an entry for whose places no memory is allocated.
const FEW_ARGUMENTS: usize = 32;

fn append_error(error: AppendError) -> CommandError {
    CommandError::fixed(match error {
        AppendError::Zero => "ERR The ID specified in XADD must be greater than 0-0",
        AppendError::NotGreater => {
            "ERR The ID specified in XADD is equal or smaller than the target stream top item"
        }
        AppendError::Exhausted => {
            "ERR The stream has exhausted the last possible ID, unable to add more items"
        }
        AppendError::TooLarge => "ERR Elements are too large to be stored",
    })
}

/// `XADD key [NOMKSTREAM] [KEEPREF|DELREF|ACKED] [MAXLEN|MINID [=|~] threshold [LIMIT count]] *|id field value [field value ...]`.
pub fn xadd(context: &mut Context<'_>) -> Result<(), CommandError> {
    let options = Options::parse(context, true)?;
    let args = &context.args;
    let fields_at = options.next + 1;
    if args.len() < fields_at + 2 || (args.len() - fields_at) % 2 == 1 {
        return Err(CommandError::arity("xadd"));
    }
    let now_ms = u64::try_from(context.engine.now_ms()).unwrap_or(0);
    let new_id = match args.get(options.next) {
        b"*" => NewId::Auto { now_ms },
        word => match id::parse_to_add(word)? {
            ToAdd::Given(StreamId::MIN) => return Err(append_error(AppendError::Zero)),
            ToAdd::Given(id) => NewId::Given(id),
            ToAdd::At(ms) => NewId::At { ms },
        },
    };
    let count = args.len() - fields_at;
    let mut few: [&[u8]; FEW_ARGUMENTS] = [b""; FEW_ARGUMENTS];
    let many: Vec<&[u8]>;
    let fields = if count <= FEW_ARGUMENTS {
        for (place, index) in few.iter_mut().zip(fields_at..args.len()) {
            *place = args.get(index);
        }
        &few[..count]
    } else {
        many = (fields_at..args.len())
            .map(|index| args.get(index))
            .collect();
        &many
    };
    let key = key_at!(context, 1);
    let added = context.engine.edit_collection::<Stream, _>(
        &key,
        !options.no_mkstream,
        |stream, editing| {
            let id = stream.append(new_id, fields, &editing.limits.stream)?;
            let trim = options.trim.as_ref();
            let trimmed = trim.map(|trim| stream.trim_with_references(trim, options.references));
            Ok((id, trimmed.unwrap_or(0)))
        },
    )?;
    match added {
        None => context.reply.null(),
        Some(done) => {
            let (id, trimmed) = done.map_err(append_error)?;
            write_id(context.reply, id);
            context.engine.notify(EventClass::Stream, "xadd", &key);
            if trimmed > 0 {
                context.engine.notify(EventClass::Stream, "xtrim", &key);
            }
            context.stats.changes += 1;
        }
    }
    Ok(())
}

/// XLEN key.
pub fn xlen(context: &mut Context<'_>) -> Result<(), CommandError> {
    let len = match context.find_read(1) {
        Some(item) => context.engine.view::<Stream>(item)?.log().len(),
        None => 0,
    };
    context.reply.integer(len as i64);
    Ok(())
}

/// XRANGE key start end [COUNT count].
pub fn xrange(context: &mut Context<'_>) -> Result<(), CommandError> {
    range(context, false)
}

/// XREVRANGE key end start [COUNT count].
pub fn xrevrange(context: &mut Context<'_>) -> Result<(), CommandError> {
    range(context, true)
}

fn range(context: &mut Context<'_>, backwards: bool) -> Result<(), CommandError> {
    let args = &context.args;
    let (start_at, end_at) = if backwards { (3, 2) } else { (2, 3) };
    let start = id::parse_start(args.get(start_at))?;
    let end = id::parse_end(args.get(end_at))?;
    let mut count = usize::MAX;
    for index in (4..args.len()).step_by(2) {
        if !is(args.get(index), "COUNT") || index + 1 == args.len() {
            return Err(CommandError::Syntax);
        }
        count = usize::try_from(integer(args.get(index + 1))?).unwrap_or(0);
    }
    let Some(item) = context.find_read(1) else {
        context.reply.array(0);
        return Ok(());
    };
    let stream = context.engine.view::<Stream>(item)?;
    if count == 0 {
        context.reply.null_array();
        return Ok(());
    }
    let entries = stream.log().range(start, end);
    if backwards {
        write_entries(context.reply, entries.rev().take(count));
    } else {
        write_entries(context.reply, entries.take(count));
    }
    Ok(())
}

/// XDEL key id [id ...].
pub fn xdel(context: &mut Context<'_>) -> Result<(), CommandError> {
    let Some(item) = context.find_write(1) else {
        context.reply.integer(0);
        return Ok(());
    };
    context.engine.view::<Stream>(item)?;
    let args = &context.args;
    // One malformed id, and nothing is deleted.
    for index in 2..args.len() {
        id::parse_strict(args.get(index), 0)?;
    }
    let key = key_at!(context, 1);
    let deleted = context
        .engine
        .edit_collection::<Stream, _>(&key, false, |stream, editing| {
            let ids = (2..args.len()).filter_map(|index| id::parse_strict(args.get(index), 0).ok());
            let deleted = ids.filter(|id| stream.delete(*id)).count();
            *editing.is_unchanged = deleted == 0;
            deleted
        })?
        .unwrap_or(0);
    if deleted > 0 {
        context.engine.notify(EventClass::Stream, "xdel", &key);
    }
    context.stats.changes += deleted as u64;
    context.reply.integer(deleted as i64);
    Ok(())
}

/// `XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT count] [KEEPREF|DELREF|ACKED]`.
pub fn xtrim(context: &mut Context<'_>) -> Result<(), CommandError> {
    let options = Options::parse(context, false)?;
    let trim = options.trim.expect("XTRIM has no other options");
    let key = key_at!(context, 1);
    let deleted = context
        .engine
        .edit_collection::<Stream, _>(&key, false, |stream, editing| {
            let deleted = stream.trim_with_references(&trim, options.references);
            *editing.is_unchanged = deleted == 0;
            deleted
        })?
        .unwrap_or(0);
    if deleted > 0 {
        context.engine.notify(EventClass::Stream, "xtrim", &key);
    }
    context.stats.changes += deleted;
    context.reply.integer(deleted as i64);
    Ok(())
}

/// XSETID key last-id [ENTRIESADDED count] [MAXDELETEDID id].
pub fn xsetid(context: &mut Context<'_>) -> Result<(), CommandError> {
    let args = &context.args;
    let last_id = id::parse_strict(args.get(2), 0)?;
    let mut entries_added = None;
    let mut max_deleted_id = None;
    for index in (3..args.len()).step_by(2) {
        let word = args.get(index);
        if index + 1 == args.len() {
            return Err(CommandError::Syntax);
        }
        let value = args.get(index + 1);
        if is(word, "ENTRIESADDED") {
            let added = u64::try_from(integer(value)?)
                .map_err(|_| CommandError::fixed("ERR entries_added must be positive"))?;
            entries_added = Some(added);
        } else if is(word, "MAXDELETEDID") {
            let id = id::parse_strict(value, 0)?;
            if last_id < id {
                return Err(set_id_error(SetIdError::BelowGivenDeleted));
            }
            max_deleted_id = Some(id);
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let key = key_at!(context, 1);
    context
        .engine
        .edit_collection::<Stream, _>(&key, false, |stream, _| {
            stream.set_id(last_id, entries_added, max_deleted_id)
        })?
        .ok_or(CommandError::NoSuchKey)?
        .map_err(set_id_error)?;
    context.engine.notify(EventClass::Stream, "xsetid", &key);
    context.stats.changes += 1;
    context.reply.ok();
    Ok(())
}

fn set_id_error(error: SetIdError) -> CommandError {
    CommandError::fixed(match error {
        SetIdError::BelowGivenDeleted => {
            "ERR The ID specified in XSETID is smaller than the provided max_deleted_entry_id"
        }
        SetIdError::BelowDeleted => {
            "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"
        }
        SetIdError::BelowTop => {
            "ERR The ID specified in XSETID is smaller than the target stream top item"
        }
        SetIdError::FewerThanEntries => {
            "ERR The entries_added specified in XSETID is smaller than the target stream length"
        }
    })
}
