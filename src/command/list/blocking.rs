//! Lists waited for: BLPOP, BRPOP, BLMOVE, BRPOPLPUSH, BLMPOP.

use super::end;
use super::moving::move_element;
use super::pop::{PopMany, pop_first};
use super::timeout::timeout_ms;
use crate::command::{Blocking, CommandError, Context, Null};
use crate::engine::value::list::Direction;
use crate::protocol::args::Args;

/// How a command waits whose timeout is this argument; None when that is not there or no timeout.
fn waits(args: &Args<'_>, timeout_at: usize) -> Option<Blocking> {
    if timeout_at >= args.len() {
        return None;
    }
    // Also commands that reply with one element are answered a null array when their time is over.
    timeout_ms(args.get(timeout_at))
        .ok()
        .map(|timeout_ms| Blocking {
            timeout_ms,
            null: Null::Array,
        })
}

/// The timeout is the first argument.
pub(super) fn first_argument(args: &Args<'_>) -> Option<Blocking> {
    waits(args, 1)
}

/// The timeout is the last argument.
pub(super) fn last_argument(args: &Args<'_>) -> Option<Blocking> {
    waits(args, args.len() - 1)
}

fn pop(context: &mut Context<'_>, from: Direction) -> Result<(), CommandError> {
    let last = context.args.len() - 1;
    timeout_ms(context.args.get(last))?;
    if pop_first(context, 1..last, from, None)? {
        return Ok(());
    }
    context.wait_or(Null::Array)
}

/// BLPOP key [key ...] timeout.
pub fn blpop(context: &mut Context<'_>) -> Result<(), CommandError> {
    pop(context, Direction::Forward)
}

/// BRPOP key [key ...] timeout.
pub fn brpop(context: &mut Context<'_>) -> Result<(), CommandError> {
    pop(context, Direction::Backward)
}

/// BLMOVE source destination LEFT|RIGHT LEFT|RIGHT timeout.
pub fn blmove(context: &mut Context<'_>) -> Result<(), CommandError> {
    let from = end(context.args.get(3))?;
    let to = end(context.args.get(4))?;
    timeout_ms(context.args.get(5))?;
    if move_element(context, from, to)? {
        return Ok(());
    }
    context.wait_or(Null::Bulk)
}

/// BRPOPLPUSH source destination timeout.
pub fn brpoplpush(context: &mut Context<'_>) -> Result<(), CommandError> {
    timeout_ms(context.args.get(3))?;
    if move_element(context, Direction::Backward, Direction::Forward)? {
        return Ok(());
    }
    context.wait_or(Null::Bulk)
}

/// BLMPOP timeout numkeys key [key ...] LEFT|RIGHT [COUNT count].
pub fn blmpop(context: &mut Context<'_>) -> Result<(), CommandError> {
    timeout_ms(context.args.get(1))?;
    let PopMany { keys, from, count } = PopMany::parse(context, 2)?;
    if pop_first(context, keys, from, Some(count))? {
        return Ok(());
    }
    context.wait_or(Null::Array)
}
