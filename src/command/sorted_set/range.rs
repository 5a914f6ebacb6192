//! ZRANGE and its older forms, ZRANGESTORE, and ZREMRANGEBY*: whatever a range is given by, it becomes a range of ranks.

use super::score::{lex_range, score_range};
use super::{find_read, reply_element, reply_head};
use crate::command::number::integer;
use crate::command::{CommandError, Context, key_at};
use crate::engine::value::Stored;
use crate::engine::value::sorted_set::bounds::{LexRange, ScoreRange};
use crate::engine::value::sorted_set::{Direction, SortedSet, SortedSetView};
use crate::engine::{EventClass, Expiry};
use crate::protocol::args::Args;
use std::ops::Range;

/// What a range is given by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Rank,
    Score,
    Lex,
}

/// A range as a request gives it.
enum Ends<'a> {
    /// Ranks, from the end when negative.
    Rank(i64, i64),
    Score(ScoreRange),
    Lex(LexRange<'a>),
}

impl<'a> Ends<'a> {
    fn parse(by: By, min: &'a [u8], max: &'a [u8]) -> Result<Ends<'a>, CommandError> {
        Ok(match by {
            By::Rank => Ends::Rank(integer(min)?, integer(max)?),
            By::Score => Ends::Score(score_range(min, max)?),
            By::Lex => Ends::Lex(lex_range(min, max)?),
        })
    }

    /// The ranks, counted from the lowest score, of a range that is walked in a direction.
    fn ranks(&self, view: SortedSetView<'_>, direction: Direction) -> Range<usize> {
        match self {
            Ends::Score(range) => view.ranks_by_score(range),
            Ends::Lex(range) => view.ranks_by_lex(range),
            Ends::Rank(start, stop) => {
                let len = view.len();
                let ranks = between(*start, *stop, len);
                match direction {
                    Direction::Forward => ranks,
                    Direction::Backward => len - ranks.end..len - ranks.start,
                }
            }
        }
    }
}

/// The places from `start` to `stop` inclusive of a sequence of `len`; negative ones count from its end.
fn between(start: i64, stop: i64, len: usize) -> Range<usize> {
    let from_end = |place: i64| {
        if place < 0 {
            place.saturating_add(len as i64)
        } else {
            place
        }
    };
    let start = from_end(start).max(0);
    let stop = from_end(stop).min(len as i64 - 1);
    if start > stop {
        return 0..0;
    }
    start as usize..stop as usize + 1
}

/// LIMIT: how many to leave out at first, and how many there are to be at most.
#[derive(Debug, Clone, Copy)]
struct Limit {
    offset: i64,
    /// All when negative.
    count: i64,
}

impl Limit {
    const NONE: Limit = Limit {
        offset: 0,
        count: -1,
    };

    fn of(self, ranks: Range<usize>, direction: Direction) -> Range<usize> {
        let Ok(offset) = usize::try_from(self.offset) else {
            return 0..0;
        };
        let left = ranks.len().saturating_sub(offset);
        let count = usize::try_from(self.count).map_or(left, |count| count.min(left));
        match direction {
            _ if count == 0 => 0..0,
            Direction::Forward => ranks.start + offset..ranks.start + offset + count,
            Direction::Backward => ranks.end - offset - count..ranks.end - offset,
        }
    }
}

/// What a command's name says about its range, and what its options may say.
#[derive(Debug, Clone, Copy)]
struct Form {
    /// The index of the source's key.
    key: usize,
    /// None: BYSCORE and BYLEX may say it.
    by: Option<By>,
    /// None: REV may say it.
    direction: Option<Direction>,
    /// Whether the result is stored under argument 1.
    store: bool,
}

/// A request that has been read.
struct Question<'a> {
    ends: Ends<'a>,
    direction: Direction,
    limit: Limit,
    with_scores: bool,
}

impl<'a> Question<'a> {
    fn parse(args: &'a Args<'_>, form: Form) -> Result<Question<'a>, CommandError> {
        let (mut by, mut direction) = (form.by, form.direction);
        let mut limit = Limit::NONE;
        let mut with_scores = false;
        let mut index = form.key + 3;
        while index < args.len() {
            let word = args.get(index);
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            if !form.store && is("WITHSCORES") {
                with_scores = true;
            } else if is("LIMIT") && index + 2 < args.len() {
                limit = Limit {
                    offset: integer(args.get(index + 1))?,
                    count: integer(args.get(index + 2))?,
                };
                index += 2;
            } else if direction.is_none() && is("REV") {
                direction = Some(Direction::Backward);
            } else if by.is_none() && is("BYLEX") {
                by = Some(By::Lex);
            } else if by.is_none() && is("BYSCORE") {
                by = Some(By::Score);
            } else {
                return Err(CommandError::Syntax);
            }
            index += 1;
        }
        let by = by.unwrap_or(By::Rank);
        let direction = direction.unwrap_or(Direction::Forward);
        if by == By::Rank && limit.count != -1 {
            return Err(CommandError::fixed(
                "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX",
            ));
        }
        if by == By::Lex && with_scores {
            return Err(CommandError::fixed(
                "ERR syntax error, WITHSCORES not supported in combination with BYLEX",
            ));
        }
        let (mut min, mut max) = (args.get(form.key + 1), args.get(form.key + 2));
        if by == By::Rank {
            // An offset with all that follow it is accepted, and means nothing.
            limit = Limit::NONE;
        } else if direction == Direction::Backward {
            (min, max) = (max, min);
        }
        Ok(Question {
            ends: Ends::parse(by, min, max)?,
            direction,
            limit,
            with_scores,
        })
    }

    fn ranks(&self, view: SortedSetView<'_>) -> Range<usize> {
        let ranks = self.ends.ranks(view, self.direction);
        self.limit.of(ranks, self.direction)
    }
}

fn range(context: &mut Context<'_>, form: Form) -> Result<(), CommandError> {
    let question = Question::parse(&context.args, form)?;
    let Some(item) = find_read!(context, form.key) else {
        context.reply.array(0);
        return Ok(());
    };
    let view = context.engine.view::<SortedSet>(item)?;
    let ranks = question.ranks(view);
    reply_head(context.reply, ranks.len(), question.with_scores);
    for (member, score) in view.range(ranks, question.direction) {
        reply_element(context.reply, member, score, question.with_scores);
    }
    Ok(())
}

const fn form(by: Option<By>, direction: Option<Direction>) -> Form {
    Form {
        key: 1,
        by,
        direction,
        store: false,
    }
}

/// `ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]`.
pub fn zrange(context: &mut Context<'_>) -> Result<(), CommandError> {
    range(context, form(None, None))
}

/// `ZREVRANGE key start stop [WITHSCORES]`.
pub fn zrevrange(context: &mut Context<'_>) -> Result<(), CommandError> {
    range(context, form(Some(By::Rank), Some(Direction::Backward)))
}

/// `ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]`.
pub fn zrangebyscore(context: &mut Context<'_>) -> Result<(), CommandError> {
    range(context, form(Some(By::Score), Some(Direction::Forward)))
}

/// `ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]`.
pub fn zrevrangebyscore(context: &mut Context<'_>) -> Result<(), CommandError> {
    range(context, form(Some(By::Score), Some(Direction::Backward)))
}

/// `ZRANGEBYLEX key min max [LIMIT offset count]`.
pub fn zrangebylex(context: &mut Context<'_>) -> Result<(), CommandError> {
    range(context, form(Some(By::Lex), Some(Direction::Forward)))
}

/// `ZREVRANGEBYLEX key max min [LIMIT offset count]`.
pub fn zrevrangebylex(context: &mut Context<'_>) -> Result<(), CommandError> {
    range(context, form(Some(By::Lex), Some(Direction::Backward)))
}

/// `ZRANGESTORE destination source start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count]`.
pub fn zrangestore(context: &mut Context<'_>) -> Result<(), CommandError> {
    let form = Form {
        key: 2,
        by: None,
        direction: None,
        store: true,
    };
    let question = Question::parse(&context.args, form)?;
    let result = match find_read!(context, form.key) {
        None => SortedSet::new(),
        Some(item) => {
            let view = context.engine.view::<SortedSet>(item)?;
            let limits = &context.engine.limits().sorted_set;
            let ranks = question.ranks(view);
            let mut result = SortedSet::for_members(ranks.len(), 0, limits);
            for (member, score) in view.range(ranks, question.direction) {
                result.add(member.as_bytes(&mut [0; 20]), score, limits);
            }
            result
        }
    };
    store(context, 1, result, "zrangestore")
}

/// Puts a result under argument `index`, in place of what was there, and replies with its number of members. `event` tells of a result that has some.
pub(super) fn store(
    context: &mut Context<'_>,
    index: usize,
    result: SortedSet,
    event: &'static str,
) -> Result<(), CommandError> {
    context.stats.changes += u64::from(store_under(context, index, result, event)?);
    Ok(())
}

/// [`store`] without counting a change; whether there was one.
pub(in crate::command) fn store_under(
    context: &mut Context<'_>,
    index: usize,
    result: SortedSet,
    event: &'static str,
) -> Result<bool, CommandError> {
    let key = key_at!(context, index);
    let len = result.len();
    let changed = if len == 0 {
        let removed = context.engine.remove(&key);
        if removed {
            context.engine.notify(EventClass::Generic, "del", &key);
        }
        removed
    } else {
        context.engine.set_collection(&key, result, Expiry::None)?;
        context.engine.notify(EventClass::SortedSet, event, &key);
        true
    };
    context.reply.integer(len as i64);
    Ok(changed)
}

fn remove_range(context: &mut Context<'_>, by: By) -> Result<(), CommandError> {
    let ends = Ends::parse(by, context.args.get(2), context.args.get(3))?;
    let key = key_at!(context, 1);
    let removed = match context.engine.find(&key, context.touch) {
        None => 0,
        Some(item) => {
            let view = context.engine.view::<SortedSet>(item)?;
            let len = view.len();
            let ranks = ends.ranks(view, Direction::Forward);
            let count = ranks.len();
            if count == len {
                // All of a large one is released by upkeep in slices.
                context.engine.remove(&key);
            } else if count > 0 {
                context
                    .engine
                    .edit_collection::<SortedSet, _>(&key, false, |set, _| {
                        set.remove_ranks(ranks)
                    })?;
            }
            count
        }
    };
    if removed > 0 {
        let name = match by {
            By::Rank => "zremrangebyrank",
            By::Score => "zremrangebyscore",
            By::Lex => "zremrangebylex",
        };
        context
            .engine
            .notify_removal(EventClass::SortedSet, name, &key);
    }
    context.stats.changes += removed as u64;
    context.reply.integer(removed as i64);
    Ok(())
}

/// ZREMRANGEBYRANK key start stop.
pub fn zremrangebyrank(context: &mut Context<'_>) -> Result<(), CommandError> {
    remove_range(context, By::Rank)
}

/// ZREMRANGEBYSCORE key min max.
pub fn zremrangebyscore(context: &mut Context<'_>) -> Result<(), CommandError> {
    remove_range(context, By::Score)
}

/// ZREMRANGEBYLEX key min max.
pub fn zremrangebylex(context: &mut Context<'_>) -> Result<(), CommandError> {
    remove_range(context, By::Lex)
}
