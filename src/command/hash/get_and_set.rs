//! Values and expiries of fields at once: HGETEX, HGETDEL, HSETEX, of Redis 8.0.
//!
//! Never: leaves something half done. What a command asks for is checked before the first field changes.

use super::field_list::{self, COUNT_ERROR, Unit, check_type, edit_each};
use super::{remove_expired, reply_entry};
use crate::command::number::parse_i64;
use crate::command::{CommandError, Context, key_at};
use crate::engine::value::hash::Hash;
use crate::engine::{EventClass, Expiry};
use std::ops::Range;

/// HGETDEL key FIELDS numfields field [field ...].
pub fn hgetdel(context: &mut Context<'_>) -> Result<(), CommandError> {
    check_type(context)?;
    let fields = field_list::parse(&context.args, 2, COUNT_ERROR)?;
    let changes = edit_each(
        context,
        fields,
        "hdel",
        |reply| reply.null(),
        |hash, editing, name, reply| {
            let Some(value) = hash.view().get(name, editing.now_ms) else {
                reply.null();
                return 0;
            };
            reply_entry(reply, value);
            hash.remove(name, editing.now_ms);
            1
        },
    )?;
    context.stats.changes += changes;
    Ok(())
}

/// What HGETEX does to an expiry.
#[derive(Clone, Copy)]
enum NewExpiry {
    Keep,
    Persist,
    At(i64),
}

/// `HGETEX key [EX seconds | PX milliseconds | EXAT time | PXAT time | PERSIST] FIELDS numfields field [field ...]`.
pub fn hgetex(context: &mut Context<'_>) -> Result<(), CommandError> {
    check_type(context)?;
    let args = &context.args;
    let (expiry, at) = if let Some(unit) = Unit::of_word(args.get(2)) {
        let time = unit.time("hgetex", args.get(3), context.engine.now_ms())?;
        (NewExpiry::At(time), 4)
    } else if args.get(2).eq_ignore_ascii_case(b"PERSIST") {
        (NewExpiry::Persist, 3)
    } else {
        (NewExpiry::Keep, 2)
    };
    let fields = field_list::parse(args, at, COUNT_ERROR)?;
    let event = match expiry {
        NewExpiry::At(time) if time <= context.engine.now_ms() => "hdel",
        NewExpiry::At(_) => "hexpire",
        NewExpiry::Persist | NewExpiry::Keep => "hpersist",
    };
    let changes = edit_each(
        context,
        fields,
        event,
        |reply| reply.null(),
        |hash, editing, name, reply| {
            let (now_ms, limits) = (editing.now_ms, &editing.limits.hash);
            let Some((value, current)) = hash.view().get_with_expiry(name, now_ms) else {
                reply.null();
                return 0;
            };
            reply_entry(reply, value);
            match expiry {
                NewExpiry::Keep => return 0,
                NewExpiry::Persist if current.is_none() => return 0,
                NewExpiry::Persist => hash.set_expiry(name, None, now_ms, limits),
                NewExpiry::At(time) if time <= now_ms => {
                    *editing.expired_fields += 1;
                    hash.remove(name, now_ms)
                }
                NewExpiry::At(time) => hash.set_expiry(name, Some(time), now_ms, limits),
            };
            1
        },
    )?;
    context.stats.changes += changes;
    Ok(())
}

/// Which fields have to be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    None,
    AllPresent,
    AllAbsent,
}

/// The options of HSETEX.
struct Options {
    condition: Condition,
    /// `Expiry::None` unless one was given.
    expiry: Expiry,
    /// Names and values in turn.
    pairs: Range<usize>,
}

impl Options {
    fn parse(context: &Context<'_>) -> Result<Options, CommandError> {
        let args = &context.args;
        let mut condition = None;
        let mut expiry = None;
        let mut index = 2;
        while index < args.len() {
            let word = args.get(index);
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let unit = Unit::of_word(word);
            if is("FIELDS") {
                return Ok(Options {
                    condition: condition.unwrap_or(Condition::None),
                    expiry: expiry.unwrap_or(Expiry::None),
                    pairs: pairs(context, index)?,
                });
            } else if unit.is_some() || is("KEEPTTL") {
                if expiry.is_some() {
                    return Err(CommandError::fixed(
                        "ERR Only one of EX, PX, EXAT, PXAT or KEEPTTL arguments can be specified",
                    ));
                }
                expiry = Some(match unit {
                    None => Expiry::Keep,
                    Some(unit) => {
                        index += 1;
                        if index == args.len() {
                            return Err(CommandError::fixed("ERR missing expire time"));
                        }
                        let now_ms = context.engine.now_ms();
                        Expiry::At(unit.time("hsetex", args.get(index), now_ms)?)
                    }
                });
            } else if is("FXX") || is("FNX") {
                if condition.is_some() {
                    return Err(CommandError::fixed(
                        "ERR Only one of FXX or FNX arguments can be specified",
                    ));
                }
                condition = Some(if is("FXX") {
                    Condition::AllPresent
                } else {
                    Condition::AllAbsent
                });
            } else {
                return Err(CommandError::repeating(
                    [b"ERR unknown argument: ", word].concat(),
                ));
            }
            index += 1;
        }
        Err(CommandError::arity("hsetex"))
    }
}

/// The names and values behind FIELDS, which is argument `at`.
fn pairs(context: &Context<'_>, at: usize) -> Result<Range<usize>, CommandError> {
    let args = &context.args;
    if at + 3 >= args.len() {
        return Err(CommandError::arity("hsetex"));
    }
    let count = parse_i64(args.get(at + 1))
        .and_then(|count| u32::try_from(count).ok())
        .filter(|&count| (1..=i32::MAX as u32).contains(&count))
        .ok_or(CommandError::fixed("ERR invalid number of fields"))?;
    let first = at + 2;
    let words = args.len() - first;
    if !words.is_multiple_of(2) || count as usize != words / 2 {
        return Err(CommandError::arity("hsetex"));
    }
    Ok(first..args.len())
}

/// `HSETEX key [FNX | FXX] [EX seconds | PX milliseconds | EXAT time | PXAT time | KEEPTTL] FIELDS numfields field value [field value ...]`.
pub fn hsetex(context: &mut Context<'_>) -> Result<(), CommandError> {
    let options = Options::parse(context)?;
    let args = &context.args;
    let pairs = options.pairs.clone().step_by(2);
    let create = options.condition != Condition::AllPresent;
    let key = key_at!(context, 1);
    let set = context
        .engine
        .edit_collection::<Hash, _>(&key, create, |hash, mut editing| {
            remove_expired(hash, &mut editing);
            let (now_ms, limits) = (editing.now_ms, &editing.limits.hash);
            let allowed = match options.condition {
                Condition::None => true,
                condition => pairs.clone().all(|index| {
                    let there = hash.view().contains(args.get(index), now_ms);
                    there == (condition == Condition::AllPresent)
                }),
            };
            if !allowed {
                return false;
            }
            if pairs.len() > 1 {
                hash.expect(pairs.len(), limits);
            }
            for index in pairs.clone() {
                let (name, value) = (args.get(index), args.get(index + 1));
                match options.expiry {
                    Expiry::At(time) if time <= now_ms => {
                        // Redis sets such a field and lets it expire at once.
                        hash.remove(name, now_ms);
                        *editing.expired_fields += 1;
                    }
                    expiry => {
                        hash.set(name, value, expiry, now_ms, limits);
                    }
                }
            }
            true
        })?;
    if set == Some(true) {
        context.engine.notify(EventClass::Hash, "hset", &key);
        match options.expiry {
            Expiry::At(time) => {
                let has_passed = time <= context.engine.now_ms();
                let name = if has_passed { "hdel" } else { "hexpire" };
                context.engine.notify(EventClass::Hash, name, &key);
            }
            Expiry::None | Expiry::Keep => {}
        }
        context.stats.changes += options.pairs.len() as u64 / 2;
    }
    if set.is_some() {
        context.engine.notify_if_gone(&key);
    }
    let set = set.unwrap_or(false);
    context.reply.integer(i64::from(set));
    Ok(())
}
