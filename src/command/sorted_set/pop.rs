//! ZPOPMIN, ZPOPMAX and ZMPOP, and the forms that wait for something to pop.
//!
//! Never waits itself: a command that may wait and finds nothing says so, and is run again, unchanged, when one of its keys may have something.

use super::reply_member;
use crate::command::number::parse_i64;
use crate::command::timeout::timeout_ms;
use crate::command::{CommandError, Context, Null, key_at};
use crate::engine::EventClass;
use crate::engine::value::sorted_set::{Direction, SortedSet};
use crate::protocol::args::Args;
use crate::protocol::resp::Protocol;
use std::ops::Range;

/// The first of some keys that holds a sorted set; one of another type before it is an error.
fn first_present(
    context: &mut Context<'_>,
    keys: Range<usize>,
) -> Result<Option<usize>, CommandError> {
    for index in keys {
        if let Some(item) = context.find_write(index) {
            context.engine.view::<SortedSet>(item)?;
            return Ok(Some(index));
        }
    }
    Ok(None)
}

/// How popped members are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Members and scores in one list.
    Flat,
    /// Each member with its score in an array of its own.
    Pairs,
    /// The key, a member and its score in one list.
    KeyAndFlat,
    /// The key, and a list of pairs.
    KeyAndPairs,
}

/// Writes at most `count` members from one end of the set at argument `index`, which is there, and removes them.
fn pop(
    context: &mut Context<'_>,
    index: usize,
    from: Direction,
    count: usize,
    form: Form,
) -> Result<(), CommandError> {
    let Some(item) = context.find_write(index) else {
        unreachable!("it was found");
    };
    let view = context.engine.view::<SortedSet>(item)?;
    let len = view.len();
    let count = count.min(len);
    let ranks = match from {
        Direction::Forward => 0..count,
        Direction::Backward => len - count..len,
    };
    let (reply, name) = (&mut *context.reply, context.args.get(index));
    let bytes_written = reply.bytes.len();
    match form {
        Form::Flat => reply.array(2 * count),
        Form::Pairs => reply.array(count),
        Form::KeyAndFlat => {
            reply.array(1 + 2 * count);
            reply.bulk(name);
        }
        Form::KeyAndPairs => {
            reply.array(2);
            reply.bulk(name);
            reply.array(count);
        }
    }
    for (member, score) in view.range(ranks.clone(), from) {
        if matches!(form, Form::Pairs | Form::KeyAndPairs) {
            reply.array(2);
        }
        reply_member(reply, member);
        reply.double(score);
    }
    let key = key_at!(context, index);
    if count == len {
        // A large one is released by upkeep in slices.
        context.engine.remove(&key);
    } else {
        let edited = context
            .engine
            .edit_collection::<SortedSet, _>(&key, false, |set, _| set.remove_ranks(ranks));
        if let Err(error) = edited {
            // A failed command has written nothing.
            context.reply.bytes.truncate(bytes_written);
            return Err(error.into());
        }
    }
    let name = match from {
        Direction::Forward => "zpopmin",
        Direction::Backward => "zpopmax",
    };
    context
        .engine
        .notify_removal(EventClass::SortedSet, name, &key);
    context.stats.changes += count as u64;
    Ok(())
}

/// `ZPOPMIN key [count]`.
pub fn zpopmin(context: &mut Context<'_>) -> Result<(), CommandError> {
    pop_of_one(context, Direction::Forward)
}

/// `ZPOPMAX key [count]`.
pub fn zpopmax(context: &mut Context<'_>) -> Result<(), CommandError> {
    pop_of_one(context, Direction::Backward)
}

fn pop_of_one(context: &mut Context<'_>, from: Direction) -> Result<(), CommandError> {
    let count = match context.args.len() {
        2 => None,
        3 => Some(
            parse_i64(context.args.get(2))
                .and_then(|count| usize::try_from(count).ok())
                .ok_or(CommandError::fixed(
                    "ERR value is out of range, must be positive",
                ))?,
        ),
        _ => return Err(CommandError::Syntax),
    };
    let found = first_present(context, 1..2)?;
    let Some(index) = found.filter(|_| count != Some(0)) else {
        context.reply.array(0);
        return Ok(());
    };
    // The older protocol has one list, and so has the newer when no number was asked for.
    let form = match (context.reply.protocol, count) {
        (Protocol::Resp3, Some(_)) => Form::Pairs,
        _ => Form::Flat,
    };
    pop(context, index, from, count.unwrap_or(1), form)
}

/// What ZMPOP asks for.
struct Several {
    keys: Range<usize>,
    from: Direction,
    count: usize,
}

/// A number that must be positive, or an error of this text.
fn positive(text: &[u8], error: &'static str) -> Result<usize, CommandError> {
    parse_i64(text)
        .and_then(|number| usize::try_from(number).ok())
        .filter(|number| *number > 0)
        .ok_or(CommandError::fixed(error))
}

impl Several {
    /// Reads `numkeys key [key ...] <MIN | MAX> [COUNT count]` from argument `at` on.
    fn parse(args: &Args<'_>, at: usize) -> Result<Several, CommandError> {
        let keys = positive(args.get(at), "ERR numkeys should be greater than 0")?;
        let end = keys.saturating_add(at + 1);
        if end >= args.len() {
            return Err(CommandError::Syntax);
        }
        let is = |index: usize, name: &str| args.get(index).eq_ignore_ascii_case(name.as_bytes());
        let from = if is(end, "MIN") {
            Direction::Forward
        } else if is(end, "MAX") {
            Direction::Backward
        } else {
            return Err(CommandError::Syntax);
        };
        let mut count = None;
        let mut index = end + 1;
        while index < args.len() {
            if count.is_some() || !is(index, "COUNT") || index + 1 == args.len() {
                return Err(CommandError::Syntax);
            }
            count = Some(positive(
                args.get(index + 1),
                "ERR count should be greater than 0",
            )?);
            index += 2;
        }
        Ok(Several {
            keys: at + 1..end,
            from,
            count: count.unwrap_or(1),
        })
    }

    /// Pops of the first set that is there; false when there is none.
    fn pop(self, context: &mut Context<'_>) -> Result<bool, CommandError> {
        let Some(index) = first_present(context, self.keys)? else {
            return Ok(false);
        };
        pop(context, index, self.from, self.count, Form::KeyAndPairs)?;
        Ok(true)
    }
}

/// `ZMPOP numkeys key [key ...] <MIN | MAX> [COUNT count]`.
pub fn zmpop(context: &mut Context<'_>) -> Result<(), CommandError> {
    let several = Several::parse(&context.args, 1)?;
    if !several.pop(context)? {
        context.reply.null_array();
    }
    Ok(())
}

/// `BZMPOP timeout numkeys key [key ...] <MIN | MAX> [COUNT count]`.
pub fn bzmpop(context: &mut Context<'_>) -> Result<(), CommandError> {
    let several = Several::parse(&context.args, 2)?;
    timeout_ms(context.args.get(1))?;
    if several.pop(context)? {
        return Ok(());
    }
    context.wait_or(Null::Array)
}

/// BZPOPMIN key [key ...] timeout.
pub fn bzpopmin(context: &mut Context<'_>) -> Result<(), CommandError> {
    pop_of_first(context, Direction::Forward)
}

/// BZPOPMAX key [key ...] timeout.
pub fn bzpopmax(context: &mut Context<'_>) -> Result<(), CommandError> {
    pop_of_first(context, Direction::Backward)
}

fn pop_of_first(context: &mut Context<'_>, from: Direction) -> Result<(), CommandError> {
    let last = context.args.len() - 1;
    timeout_ms(context.args.get(last))?;
    let Some(index) = first_present(context, 1..last)? else {
        return context.wait_or(Null::Array);
    };
    pop(context, index, from, 1, Form::KeyAndFlat)
}
