//! Elements put into lists: LPUSH, RPUSH, LPUSHX, RPUSHX, LSET, LINSERT.

use super::{edit, position, push_event};
use crate::command::number::integer;
use crate::command::{CommandError, Context, key_at};
use crate::engine::EventClass;
use crate::engine::value::Stored;
use crate::engine::value::list::{Direction, List};

fn push(context: &mut Context<'_>, at: Direction, create: bool) -> Result<(), CommandError> {
    let pushed = context.args.len() - 2;
    let len = edit(context, 1, create, |list, limits, args, _| {
        let elements = (2..args.len()).map(|index| args.get(index));
        list.push_all(at, elements, limits);
        list.len()
    })?;
    if len.is_some() {
        let key = key_at!(context, 1);
        context
            .engine
            .notify(EventClass::List, push_event(at), &key);
        context.stats.changes += pushed as u64;
    }
    context.reply.integer(len.unwrap_or(0) as i64);
    Ok(())
}

/// LPUSH key element [element ...].
pub fn lpush(context: &mut Context<'_>) -> Result<(), CommandError> {
    push(context, Direction::Forward, true)
}

/// RPUSH key element [element ...].
pub fn rpush(context: &mut Context<'_>) -> Result<(), CommandError> {
    push(context, Direction::Backward, true)
}

/// LPUSHX key element [element ...].
pub fn lpushx(context: &mut Context<'_>) -> Result<(), CommandError> {
    push(context, Direction::Forward, false)
}

/// RPUSHX key element [element ...].
pub fn rpushx(context: &mut Context<'_>) -> Result<(), CommandError> {
    push(context, Direction::Backward, false)
}

/// LSET key index element.
pub fn lset(context: &mut Context<'_>) -> Result<(), CommandError> {
    let key = key_at!(context, 1);
    let args = &context.args;
    let set = context
        .engine
        .edit_collection::<List, _>(&key, false, |list, editing| {
            let limits = editing.limits.list;
            let set = integer(args.get(2)).map(|index| {
                position(index, list.len())
                    .is_some_and(|position| list.set(position, args.get(3), limits))
            });
            *editing.is_unchanged = set != Ok(true);
            set
        })?;
    match set {
        None => Err(CommandError::NoSuchKey),
        Some(Err(error)) => Err(error),
        Some(Ok(false)) => Err(CommandError::fixed("ERR index out of range")),
        Some(Ok(true)) => {
            context.engine.notify(EventClass::List, "lset", &key);
            context.stats.changes += 1;
            context.reply.ok();
            Ok(())
        }
    }
}

/// LINSERT key BEFORE|AFTER pivot element.
pub fn linsert(context: &mut Context<'_>) -> Result<(), CommandError> {
    let side = context.args.get(2);
    let after = side.eq_ignore_ascii_case(b"AFTER");
    if !after && !side.eq_ignore_ascii_case(b"BEFORE") {
        return Err(CommandError::Syntax);
    }
    let len = edit(context, 1, false, |list, limits, args, _| {
        let (pivot, element) = (args.get(3), args.get(4));
        // Redis takes the form for one more element before it looks for the pivot, and OBJECT ENCODING shows it.
        list.anticipate(element.len(), 1, limits);
        let mut found = None;
        list.view()
            .find(pivot, Direction::Forward, usize::MAX, |position| {
                found = Some(position);
                false
            });
        found.map(|position| {
            list.insert(position + usize::from(after), element, limits);
            list.len() as i64
        })
    })?;
    if let Some(Some(_)) = len {
        let key = key_at!(context, 1);
        context.engine.notify(EventClass::List, "linsert", &key);
        context.stats.changes += 1;
    }
    context
        .reply
        .integer(len.map_or(0, |len| len.unwrap_or(-1)));
    Ok(())
}
