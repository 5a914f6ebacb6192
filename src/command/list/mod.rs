//! The commands on lists.
//!
//! Never: waiting. A blocking command tries, and says when there was nothing; who waits runs it again.
//! The decision worth knowing: what an edit replies is taken back when the changed list then finds no memory, so that an error is the only reply.

mod blocking;
mod docs;
mod moving;
mod pop;
mod push;
mod read;
mod remove;
pub mod rows;
#[cfg(test)]
mod tests;

use super::{CommandError, Context, key_at};
use crate::engine::value::Stored;
use crate::engine::value::list::{Direction, List, ListLimits};
use crate::engine::value::packed::Entry;
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;

/// Makes the list at key argument `index` longer or shorter in a closure that may write to the reply; what [`crate::engine::Engine::edit_collection`]
/// returns. A list of the same length counts as unchanged.
fn edit<R>(
    context: &mut Context<'_>,
    index: usize,
    create: bool,
    change: impl FnOnce(&mut List, ListLimits, &Args<'_>, &mut Reply) -> R,
) -> Result<Option<R>, CommandError> {
    let key = key_at!(context, index);
    let (args, reply) = (&context.args, &mut *context.reply);
    let before = reply.bytes.len();
    let edited = context
        .engine
        .edit_collection::<List, _>(&key, create, |list, editing| {
            let len = list.len();
            let result = change(list, editing.limits.list, args, reply);
            *editing.is_unchanged = list.len() == len;
            result
        });
    if edited.is_err() {
        context.reply.bytes.truncate(before);
    }
    Ok(edited?)
}

/// The event of elements put to an end.
fn push_event(at: Direction) -> &'static str {
    match at {
        Direction::Forward => "lpush",
        Direction::Backward => "rpush",
    }
}

/// The event of elements taken from an end.
fn pop_event(from: Direction) -> &'static str {
    match from {
        Direction::Forward => "lpop",
        Direction::Backward => "rpop",
    }
}

/// Replies with an element.
#[inline]
fn reply_entry(reply: &mut Reply, entry: Entry<'_>) {
    match entry {
        Entry::Bytes(bytes) => reply.bulk(bytes),
        Entry::Integer(integer) => reply.bulk_integer(integer),
    }
}

/// The end that LEFT (the head, from which lists run forward) or RIGHT names.
fn end(word: &[u8]) -> Result<Direction, CommandError> {
    if word.eq_ignore_ascii_case(b"LEFT") {
        Ok(Direction::Forward)
    } else if word.eq_ignore_ascii_case(b"RIGHT") {
        Ok(Direction::Backward)
    } else {
        Err(CommandError::Syntax)
    }
}

/// The positions from `first` to `last`, both of which count from the end when negative, as far as a list of `len` elements has them.
fn positions(first: i64, last: i64, len: usize) -> std::ops::Range<usize> {
    let len = len as i64;
    let from_end = |position: i64| {
        if position < 0 {
            position.saturating_add(len).max(-1)
        } else {
            position
        }
    };
    let first = from_end(first).max(0);
    let end = from_end(last).min(len - 1) + 1;
    if first >= end {
        return 0..0;
    }
    first as usize..end as usize
}

/// The position that an index means, which counts from the end when negative.
fn position(index: i64, len: usize) -> Option<usize> {
    let index = if index < 0 { index + len as i64 } else { index };
    usize::try_from(index).ok().filter(|&index| index < len)
}
