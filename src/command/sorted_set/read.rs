//! What is asked about single members and about numbers of members.

use super::find_read;
use super::score::{lex_range, score_range};
use crate::command::{CommandError, Context};
use crate::engine::value::sorted_set::{SortedSet, SortedSetView};

/// ZSCORE key member.
pub fn zscore(context: &mut Context<'_>) -> Result<(), CommandError> {
    let score = match context.find_read(1) {
        None => None,
        Some(item) => context
            .engine
            .view::<SortedSet>(item)?
            .score(context.args.get(2)),
    };
    match score {
        Some(score) => context.reply.double(score),
        None => context.reply.null(),
    }
    Ok(())
}

/// ZMSCORE key member [member ...].
pub fn zmscore(context: &mut Context<'_>) -> Result<(), CommandError> {
    let view = match context.find_read(1) {
        None => None,
        Some(item) => Some(context.engine.view::<SortedSet>(item)?),
    };
    context.reply.array(context.args.len() - 2);
    for index in 2..context.args.len() {
        match view.and_then(|view| view.score(context.args.get(index))) {
            Some(score) => context.reply.double(score),
            None => context.reply.null(),
        }
    }
    Ok(())
}

/// ZCARD key.
pub fn zcard(context: &mut Context<'_>) -> Result<(), CommandError> {
    count(context, |view| view.len())
}

/// ZCOUNT key min max.
pub fn zcount(context: &mut Context<'_>) -> Result<(), CommandError> {
    let range = score_range(context.args.get(2), context.args.get(3))?;
    count(context, |view| view.ranks_by_score(&range).len())
}

/// ZLEXCOUNT key min max.
pub fn zlexcount(context: &mut Context<'_>) -> Result<(), CommandError> {
    let range = lex_range(context.args.get(2), context.args.get(3))?;
    let number = match find_read!(context, 1) {
        None => 0,
        Some(item) => {
            let view = context.engine.view::<SortedSet>(item)?;
            view.ranks_by_lex(&range).len()
        }
    };
    context.reply.integer(number as i64);
    Ok(())
}

/// Replies with a number that a set gives; 0 for one that is not there.
fn count(
    context: &mut Context<'_>,
    ask: impl FnOnce(SortedSetView<'_>) -> usize,
) -> Result<(), CommandError> {
    let number = match context.find_read(1) {
        None => 0,
        Some(item) => ask(context.engine.view::<SortedSet>(item)?),
    };
    context.reply.integer(number as i64);
    Ok(())
}

/// `ZRANK key member [WITHSCORE]`.
pub fn zrank(context: &mut Context<'_>) -> Result<(), CommandError> {
    rank(context, "zrank", |rank, _| rank)
}

/// `ZREVRANK key member [WITHSCORE]`.
pub fn zrevrank(context: &mut Context<'_>) -> Result<(), CommandError> {
    rank(context, "zrevrank", |rank, len| len - 1 - rank)
}

#[inline]
fn rank(
    context: &mut Context<'_>,
    command: &str,
    counted: impl FnOnce(usize, usize) -> usize,
) -> Result<(), CommandError> {
    let with_score = match context.args.len() {
        3 => false,
        4 if context.args.get(3).eq_ignore_ascii_case(b"WITHSCORE") => true,
        4 => return Err(CommandError::Syntax),
        _ => return Err(CommandError::arity(command)),
    };
    let found = match context.find_read(1) {
        None => None,
        Some(item) => {
            let view = context.engine.view::<SortedSet>(item)?;
            view.rank(context.args.get(2))
                .map(|(rank, score)| (counted(rank, view.len()), score))
        }
    };
    match found {
        Some((rank, score)) if with_score => {
            context.reply.array(2);
            context.reply.integer(rank as i64);
            context.reply.double(score);
        }
        Some((rank, _)) => context.reply.integer(rank as i64),
        None if with_score => context.reply.null_array(),
        None => context.reply.null(),
    }
    Ok(())
}
