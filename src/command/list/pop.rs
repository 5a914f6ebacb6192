//! Elements taken: LPOP, RPOP, LMPOP, and what BLPOP, BRPOP and BLMPOP try.

use super::{edit, end, pop_event, reply_entry};
use crate::command::number::parse_i64;
use crate::command::{CommandError, Context, key_at};
use crate::engine::EventClass;
use crate::engine::value::Stored;
use crate::engine::value::list::{Direction, List, ListLimits};
use crate::protocol::resp::Reply;

/// Replies with an array of up to `max` elements from an end, and removes them; returns how many.
fn take(
    list: &mut List,
    from: Direction,
    max: usize,
    limits: ListLimits,
    reply: &mut Reply,
) -> usize {
    let len = list.len();
    let count = max.min(len);
    let range = match from {
        Direction::Forward => 0..count,
        Direction::Backward => len - count..len,
    };
    reply.array(count);
    for entry in list.view().range(range.clone(), from) {
        reply_entry(reply, entry);
    }
    list.remove_range(range, limits);
    count
}

/// Replies with one element from an end, and removes it.
fn take_one(list: &mut List, from: Direction, limits: ListLimits, reply: &mut Reply) {
    let popped = list.pop(from, limits, |entry| reply_entry(reply, entry));
    assert!(popped, "a list that is there has an element");
}

/// Counts elements that were taken from the list at key argument `index`, and tells of them.
fn tell_popped(context: &mut Context<'_>, index: usize, from: Direction, popped: usize) {
    context.stats.changes += popped as u64;
    // Not every key's hash is known, and nobody else needs it again.
    if popped > 0 && context.engine.wants_events() {
        let key = key_at!(context, index);
        context
            .engine
            .notify_removal(EventClass::List, pop_event(from), &key);
    }
}

fn pop(context: &mut Context<'_>, name: &str, from: Direction) -> Result<(), CommandError> {
    let count = match context.args.len() {
        2 => None,
        3 => {
            let count =
                parse_i64(context.args.get(2)).and_then(|count| usize::try_from(count).ok());
            Some(count.ok_or(CommandError::fixed(
                "ERR value is out of range, must be positive",
            ))?)
        }
        _ => return Err(CommandError::arity(name)),
    };
    let popped = edit(context, 1, false, |list, limits, _, reply| match count {
        Some(count) => take(list, from, count, limits, reply),
        None => {
            take_one(list, from, limits, reply);
            1
        }
    })?;
    match popped {
        Some(popped) => tell_popped(context, 1, from, popped),
        None if count.is_some() => context.reply.null_array(),
        None => context.reply.null(),
    }
    Ok(())
}

/// LPOP key [count].
pub fn lpop(context: &mut Context<'_>) -> Result<(), CommandError> {
    pop(context, "lpop", Direction::Forward)
}

/// RPOP key [count].
pub fn rpop(context: &mut Context<'_>) -> Result<(), CommandError> {
    pop(context, "rpop", Direction::Backward)
}

/// Replies with the first of the keys (argument indexes) that has a list, and one element of it, or an array of up to `count`. False: none has, and
/// nothing was replied.
pub(super) fn pop_first(
    context: &mut Context<'_>,
    keys: std::ops::Range<usize>,
    from: Direction,
    count: Option<usize>,
) -> Result<bool, CommandError> {
    for index in keys {
        let popped = edit(context, index, false, |list, limits, args, reply| {
            reply.array(2);
            reply.bulk(args.get(index));
            match count {
                Some(count) => take(list, from, count, limits, reply),
                None => {
                    take_one(list, from, limits, reply);
                    1
                }
            }
        })?;
        if let Some(popped) = popped {
            tell_popped(context, index, from, popped);
            return Ok(true);
        }
    }
    Ok(false)
}

/// What LMPOP and BLMPOP say from their number of keys on, which is argument `count_at`: the keys, the end, and how many elements.
pub(super) struct PopMany {
    pub(super) keys: std::ops::Range<usize>,
    pub(super) from: Direction,
    pub(super) count: usize,
}

impl PopMany {
    pub(super) fn parse(context: &Context<'_>, count_at: usize) -> Result<PopMany, CommandError> {
        let args = &context.args;
        let positive = |index: usize, error: &'static str| {
            parse_i64(args.get(index))
                .and_then(|value| usize::try_from(value).ok())
                .filter(|&value| value > 0)
                .ok_or(CommandError::fixed(error))
        };
        let keys = positive(count_at, "ERR numkeys should be greater than 0")?;
        let end_at = count_at + 1 + keys.min(args.len());
        if end_at >= args.len() {
            return Err(CommandError::Syntax);
        }
        let from = end(args.get(end_at))?;
        let mut count = None;
        let mut index = end_at + 1;
        while index < args.len() {
            let is_count = args.get(index).eq_ignore_ascii_case(b"COUNT");
            if !is_count || count.is_some() || index + 1 == args.len() {
                return Err(CommandError::Syntax);
            }
            count = Some(positive(index + 1, "ERR count should be greater than 0")?);
            index += 2;
        }
        Ok(PopMany {
            keys: count_at + 1..end_at,
            from,
            count: count.unwrap_or(1),
        })
    }
}

/// LMPOP numkeys key [key ...] LEFT|RIGHT [COUNT count].
pub fn lmpop(context: &mut Context<'_>) -> Result<(), CommandError> {
    let PopMany { keys, from, count } = PopMany::parse(context, 1)?;
    if !pop_first(context, keys, from, Some(count))? {
        context.reply.null_array();
    }
    Ok(())
}
