//! ZUNION, ZINTER, ZDIFF, the forms that store, and ZINTERCARD. A source may be a plain set: its members have score 1.
//!
//! The decision worth knowing: sources are combined from the smallest to the largest, as Redis does, since sums of doubles depend on their order.

use super::range::store;
use super::score::parse_score;
use super::{find_read, reply_element, reply_head};
use crate::command::number::{integer, parse_i64};
use crate::command::{CommandError, Context};
use crate::engine::value::Stored;
use crate::engine::value::set::{Set, SetView};
use crate::engine::value::sorted_set::{Direction, SortedSet, SortedSetLimits, SortedSetView};
use crate::engine::{Engine, Item, Type};
use crate::protocol::args::Args;
use std::ops::ControlFlow;

/// What is made of the sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Union,
    Intersection,
    Difference,
}

/// What becomes of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Reply,
    Store,
    Count,
}

/// How the scores of a member become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aggregate {
    Sum,
    Min,
    Max,
}

impl Aggregate {
    fn of(self, one: f64, other: f64) -> f64 {
        match self {
            // Infinity and its opposite make nothing.
            Aggregate::Sum => number_or_zero(one + other),
            Aggregate::Min => one.min(other),
            Aggregate::Max => one.max(other),
        }
    }
}

fn number_or_zero(score: f64) -> f64 {
    if score.is_nan() { 0.0 } else { score }
}

/// A source to read.
#[derive(Clone, Copy)]
enum Source<'a> {
    Absent,
    Set(SetView<'a>),
    SortedSet(SortedSetView<'a>),
}

impl<'a> Source<'a> {
    fn of(engine: &'a Engine, item: Option<Item>) -> Result<Source<'a>, CommandError> {
        Ok(match item {
            None => Source::Absent,
            Some(item) if engine.type_of(item) == Type::Set => {
                Source::Set(engine.view::<Set>(item)?)
            }
            Some(item) => Source::SortedSet(engine.view::<SortedSet>(item)?),
        })
    }

    fn len(self) -> usize {
        match self {
            Source::Absent => 0,
            Source::Set(set) => set.len(),
            Source::SortedSet(set) => set.len(),
        }
    }

    fn score(self, member: &[u8]) -> Option<f64> {
        match self {
            Source::Absent => None,
            Source::Set(set) => set.contains(member).then_some(1.0),
            Source::SortedSet(set) => set.score(member),
        }
    }

    /// Shows members with their scores until the visitor has enough.
    fn visit(self, mut visit: impl FnMut(&[u8], f64) -> ControlFlow<()>) {
        let mut digits = [0; 20];
        match self {
            Source::Absent => {}
            Source::Set(set) => {
                let _ = set
                    .iter()
                    .try_for_each(|member| visit(member.as_bytes(&mut digits), 1.0));
            }
            Source::SortedSet(set) => {
                let _ = set
                    .range(0..set.len(), Direction::Forward)
                    .try_for_each(|(member, score)| visit(member.as_bytes(&mut digits), score));
            }
        }
    }
}

/// The options behind the keys.
struct Options {
    /// One per source.
    weights: Vec<f64>,
    aggregate: Aggregate,
    with_scores: bool,
    /// 0: none.
    limit: u64,
}

impl Options {
    fn parse(
        args: &Args<'_>,
        mut index: usize,
        sources: usize,
        operation: Operation,
        purpose: Purpose,
    ) -> Result<Options, CommandError> {
        let mut options = Options {
            weights: vec![1.0; sources],
            aggregate: Aggregate::Sum,
            with_scores: false,
            limit: 0,
        };
        let has_scores = operation != Operation::Difference && purpose != Purpose::Count;
        while index < args.len() {
            let left = args.len() - index - 1;
            let is = |name: &str| args.get(index).eq_ignore_ascii_case(name.as_bytes());
            if has_scores && left >= sources && is("WEIGHTS") {
                for weight in &mut options.weights {
                    index += 1;
                    *weight = parse_score(args.get(index))
                        .ok_or(CommandError::fixed("ERR weight value is not a float"))?;
                }
            } else if has_scores && left >= 1 && is("AGGREGATE") {
                index += 1;
                options.aggregate = match args.get(index).to_ascii_lowercase().as_slice() {
                    b"sum" => Aggregate::Sum,
                    b"min" => Aggregate::Min,
                    b"max" => Aggregate::Max,
                    _ => return Err(CommandError::Syntax),
                };
            } else if purpose == Purpose::Reply && is("WITHSCORES") {
                options.with_scores = true;
            } else if purpose == Purpose::Count && left >= 1 && is("LIMIT") {
                index += 1;
                options.limit = parse_i64(args.get(index))
                    .and_then(|limit| u64::try_from(limit).ok())
                    .ok_or(CommandError::fixed("ERR LIMIT can't be negative"))?;
            } else {
                return Err(CommandError::Syntax);
            }
            index += 1;
        }
        Ok(options)
    }
}

/// The weighted sources of a request, and how their scores are combined.
struct Sources<'a> {
    sources: Vec<(Source<'a>, f64)>,
    aggregate: Aggregate,
}

impl Sources<'_> {
    fn union(&self, limits: &SortedSetLimits) -> SortedSet {
        let mut result = SortedSet::new();
        for (source, weight) in &self.sources {
            source.visit(|member, score| {
                let score = number_or_zero(score * weight);
                result.update(member, limits, |old| {
                    Some(old.map_or(score, |old| self.aggregate.of(old, score)))
                });
                ControlFlow::Continue(())
            });
        }
        result
    }

    /// Shows what is in all sources.
    fn intersect(&self, mut visit: impl FnMut(&[u8], f64) -> ControlFlow<()>) {
        let Some(((first, weight), others)) = self.sources.split_first() else {
            return;
        };
        first.visit(|member, score| {
            let mut sum = number_or_zero(score * weight);
            for (other, weight) in others {
                match other.score(member) {
                    Some(score) => sum = self.aggregate.of(sum, score * weight),
                    None => return ControlFlow::Continue(()),
                }
            }
            visit(member, sum)
        });
    }

    fn intersection(&self, limits: &SortedSetLimits) -> SortedSet {
        let mut result = SortedSet::new();
        self.intersect(|member, score| {
            result.add(member, number_or_zero(score), limits);
            ControlFlow::Continue(())
        });
        result
    }

    /// Number of members of all sources, counted up to a limit.
    fn intersection_len(&self, limit: u64) -> u64 {
        let mut len = 0;
        self.intersect(|_, _| {
            len += 1;
            if len == limit {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        });
        len
    }

    fn difference(&self, limits: &SortedSetLimits) -> SortedSet {
        let mut result = SortedSet::new();
        let Some(((first, _), others)) = self.sources.split_first() else {
            return result;
        };
        first.visit(|member, score| {
            if others
                .iter()
                .all(|(other, _)| other.score(member).is_none())
            {
                result.add(member, score, limits);
            }
            ControlFlow::Continue(())
        });
        result
    }
}

fn combine(
    context: &mut Context<'_>,
    name: &str,
    operation: Operation,
    purpose: Purpose,
) -> Result<(), CommandError> {
    let count_at = if purpose == Purpose::Store { 2 } else { 1 };
    let count = integer(context.args.get(count_at))?;
    if count < 1 {
        return Err(CommandError::made(format!(
            "ERR at least 1 input key is needed for '{name}' command"
        )));
    }
    let first = count_at + 1;
    let count = usize::try_from(count)
        .ok()
        .filter(|count| *count <= context.args.len() - first)
        .ok_or(CommandError::Syntax)?;
    let mut items = Vec::with_capacity(count);
    for index in first..first + count {
        let found = find_read!(context, index);
        Source::of(context.engine, found)?;
        items.push(found);
    }
    let options = Options::parse(&context.args, first + count, count, operation, purpose)?;
    let engine = &*context.engine;
    let mut sources = items
        .into_iter()
        .zip(options.weights)
        .map(|(item, weight)| Ok((Source::of(engine, item)?, weight)))
        .collect::<Result<Vec<_>, CommandError>>()?;
    if operation != Operation::Difference {
        sources.sort_by_key(|(source, _)| source.len());
    }
    let sources = Sources {
        sources,
        aggregate: options.aggregate,
    };
    if purpose == Purpose::Count {
        let len = sources.intersection_len(options.limit);
        context.reply.integer(len as i64);
        return Ok(());
    }
    let limits = &engine.limits().sorted_set;
    let result = match operation {
        Operation::Union => sources.union(limits),
        Operation::Intersection => sources.intersection(limits),
        Operation::Difference => sources.difference(limits),
    };
    if purpose == Purpose::Store {
        let event = match operation {
            Operation::Union => "zunionstore",
            Operation::Intersection => "zinterstore",
            Operation::Difference => "zdiffstore",
        };
        return store(context, 1, result, event);
    }
    reply_head(context.reply, result.len(), options.with_scores);
    for (member, score) in result.view().range(0..result.len(), Direction::Forward) {
        reply_element(context.reply, member, score, options.with_scores);
    }
    Ok(())
}

/// `ZUNION numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]`.
pub fn zunion(context: &mut Context<'_>) -> Result<(), CommandError> {
    combine(context, "zunion", Operation::Union, Purpose::Reply)
}

/// `ZINTER numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE <SUM | MIN | MAX>] [WITHSCORES]`.
pub fn zinter(context: &mut Context<'_>) -> Result<(), CommandError> {
    combine(context, "zinter", Operation::Intersection, Purpose::Reply)
}

/// `ZDIFF numkeys key [key ...] [WITHSCORES]`.
pub fn zdiff(context: &mut Context<'_>) -> Result<(), CommandError> {
    combine(context, "zdiff", Operation::Difference, Purpose::Reply)
}

/// `ZUNIONSTORE destination numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE <SUM | MIN | MAX>]`.
pub fn zunionstore(context: &mut Context<'_>) -> Result<(), CommandError> {
    combine(context, "zunionstore", Operation::Union, Purpose::Store)
}

/// `ZINTERSTORE destination numkeys key [key ...] [WEIGHTS weight ...] [AGGREGATE <SUM | MIN | MAX>]`.
pub fn zinterstore(context: &mut Context<'_>) -> Result<(), CommandError> {
    combine(
        context,
        "zinterstore",
        Operation::Intersection,
        Purpose::Store,
    )
}

/// ZDIFFSTORE destination numkeys key [key ...].
pub fn zdiffstore(context: &mut Context<'_>) -> Result<(), CommandError> {
    combine(context, "zdiffstore", Operation::Difference, Purpose::Store)
}

/// `ZINTERCARD numkeys key [key ...] [LIMIT limit]`.
pub fn zintercard(context: &mut Context<'_>) -> Result<(), CommandError> {
    combine(
        context,
        "zintercard",
        Operation::Intersection,
        Purpose::Count,
    )
}
