//! Lists waited for: BLPOP, BRPOP, BLMOVE, BRPOPLPUSH, BLMPOP.

use super::end;
use super::moving::move_element;
use super::pop::{PopMany, pop_first};
use crate::command::timeout::timeout_ms;
use crate::command::{CommandError, Context, Null};
use crate::engine::value::list::Direction;

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
    let PopMany { keys, from, count } = PopMany::parse(context, 2)?;
    timeout_ms(context.args.get(1))?;
    if pop_first(context, keys, from, Some(count))? {
        return Ok(());
    }
    context.wait_or(Null::Array)
}
