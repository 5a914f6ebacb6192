//! ZADD, ZINCRBY and ZREM.
//!
//! A request's scores are read before anything is changed, on the stack unless there are many. Each member is looked up once: its conditions are
//! asked when its present score is known.

use super::score::score;
use crate::command::{CommandError, Context, key_at};
use crate::engine::EventClass;
use crate::engine::value::Stored;
use crate::engine::value::sorted_set::{SortedSet, SortedSetLimits};
use crate::protocol::args::Args;

/// So many scores are kept on the stack.
const SCORES_ON_STACK: usize = 16;

/// The options of ZADD.
#[derive(Debug, Clone, Copy, Default)]
struct Options {
    only_if_absent: bool,
    only_if_present: bool,
    only_if_greater: bool,
    only_if_less: bool,
    count_changes: bool,
    increment: bool,
}

impl Options {
    /// Reads the options and the index of what follows them.
    fn parse(args: &Args<'_>, increment: bool) -> (Options, usize) {
        let mut options = Options {
            increment,
            ..Options::default()
        };
        let mut index = 2;
        while index < args.len() {
            let word = args.get(index);
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let option = if is("NX") {
                &mut options.only_if_absent
            } else if is("XX") {
                &mut options.only_if_present
            } else if is("GT") {
                &mut options.only_if_greater
            } else if is("LT") {
                &mut options.only_if_less
            } else if is("CH") {
                &mut options.count_changes
            } else if is("INCR") {
                &mut options.increment
            } else {
                break;
            };
            *option = true;
            index += 1;
        }
        (options, index)
    }

    fn check(self, pairs: usize) -> Result<(), CommandError> {
        if self.only_if_absent && self.only_if_present {
            return Err(CommandError::fixed(
                "ERR XX and NX options at the same time are not compatible",
            ));
        }
        let comparing = [self.only_if_absent, self.only_if_greater, self.only_if_less];
        if comparing.into_iter().filter(|option| *option).count() > 1 {
            return Err(CommandError::fixed(
                "ERR GT, LT, and/or NX options at the same time are not compatible",
            ));
        }
        if self.increment && pairs > 1 {
            return Err(CommandError::fixed(
                "ERR INCR option supports a single increment-element pair",
            ));
        }
        Ok(())
    }

    /// The score that a member gets; None when it keeps what it has. Not a number when the sum is none.
    #[inline]
    fn decide(self, old: Option<f64>, given: f64) -> Option<f64> {
        let Some(old) = old else {
            return (!self.only_if_present).then_some(given);
        };
        if self.only_if_absent {
            return None;
        }
        let new = if self.increment { old + given } else { given };
        let refused = (self.only_if_less && new >= old) || (self.only_if_greater && new <= old);
        (!refused).then_some(new)
    }
}

/// What an addition did.
#[derive(Debug, Default)]
struct Done {
    added: i64,
    updated: i64,
    /// The score of the last member, if it was decided.
    score: Option<f64>,
    not_a_number: bool,
}

impl Done {
    #[inline]
    fn add(
        &mut self,
        set: &mut SortedSet,
        limits: &SortedSetLimits,
        options: Options,
        member: &[u8],
        given: f64,
    ) {
        let (old, new) = set.update(member, limits, |old| {
            let new = options.decide(old, given);
            self.not_a_number |= new.is_some_and(f64::is_nan);
            new.filter(|new| !new.is_nan())
        });
        match (old, new) {
            (None, Some(_)) => self.added += 1,
            (Some(old), Some(new)) if old != new => self.updated += 1,
            _ => {}
        }
        self.score = new;
    }
}

/// `ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]`.
pub fn zadd(context: &mut Context<'_>) -> Result<(), CommandError> {
    add(context, false)
}

/// ZINCRBY key increment member.
pub fn zincrby(context: &mut Context<'_>) -> Result<(), CommandError> {
    add(context, true)
}

fn add(context: &mut Context<'_>, increment: bool) -> Result<(), CommandError> {
    let args = &context.args;
    let (options, first) = Options::parse(args, increment);
    let words = args.len() - first;
    if words == 0 || !words.is_multiple_of(2) {
        return Err(CommandError::Syntax);
    }
    let pairs = words / 2;
    options.check(pairs)?;
    let (mut few, mut many) = ([0.0; SCORES_ON_STACK], Vec::new());
    let scores = match few.get_mut(..pairs) {
        Some(few) => few,
        None => {
            many.resize(pairs, 0.0);
            &mut many[..]
        }
    };
    let mut member_bytes_max = 0;
    for (number, given) in scores.iter_mut().enumerate() {
        *given = score(args.get(first + 2 * number))?;
        member_bytes_max = member_bytes_max.max(args.get(first + 2 * number + 1).len());
    }
    let key = key_at!(context, 1);
    let mut done = Done::default();
    context.engine.edit_collection::<SortedSet, _>(
        &key,
        !options.only_if_present,
        |set, editing| {
            let limits = &editing.limits.sorted_set;
            let outgrows = pairs > limits.packed_entries_max
                || member_bytes_max > limits.packed_member_bytes_max;
            if outgrows && set.is_empty() {
                *set = SortedSet::for_members(pairs, member_bytes_max, limits);
            }
            for (number, given) in scores.iter().enumerate() {
                let member = args.get(first + 2 * number + 1);
                done.add(set, limits, options, member, *given);
            }
            *editing.is_unchanged = done.added + done.updated == 0;
        },
    )?;
    if done.added + done.updated > 0 {
        let name = if options.increment { "zincr" } else { "zadd" };
        context.engine.notify(EventClass::SortedSet, name, &key);
    }
    context.stats.changes += (done.added + done.updated) as u64;
    if done.not_a_number {
        return Err(CommandError::fixed(
            "ERR resulting score is not a number (NaN)",
        ));
    }
    match done.score {
        Some(score) if options.increment => context.reply.double(score),
        None if options.increment => context.reply.null(),
        _ if options.count_changes => context.reply.integer(done.added + done.updated),
        _ => context.reply.integer(done.added),
    }
    Ok(())
}

/// ZREM key member [member ...].
pub fn zrem(context: &mut Context<'_>) -> Result<(), CommandError> {
    let key = key_at!(context, 1);
    let args = &context.args;
    let removed = context
        .engine
        .edit_collection::<SortedSet, _>(&key, false, |set, editing| {
            let mut removed = 0;
            for index in 2..args.len() {
                removed += u64::from(set.remove(args.get(index)).is_some());
            }
            *editing.is_unchanged = removed == 0;
            removed
        })?
        .unwrap_or(0);
    if removed > 0 {
        context
            .engine
            .notify_removal(EventClass::SortedSet, "zrem", &key);
    }
    context.stats.changes += removed;
    context.reply.integer(removed as i64);
    Ok(())
}
