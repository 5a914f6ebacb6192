//! Time to live of fields: HEXPIRE and its family, HTTL and its family, HPERSIST.
//!
//! Never: reads or sets a value. A time that has passed removes the field.

use super::field_list::{self, COUNT_ERROR, Unit, check_type, edit_each};
use crate::command::{CommandError, Context};
use crate::engine::value::hash::Hash;

/// The field is not there.
const NO_FIELD: i64 = -2;
/// It does not expire.
const NO_EXPIRY: i64 = -1;
/// The condition does not hold.
const REFUSED: i64 = 0;
/// Done.
const DONE: i64 = 1;
/// The time has passed, and the field is gone.
const REMOVED: i64 = 2;

/// When an expiry may be set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    Absent,
    Present,
    Greater,
    Less,
}

impl Condition {
    fn of_word(word: &[u8]) -> Condition {
        match word.to_ascii_uppercase().as_slice() {
            b"NX" => Condition::Absent,
            b"XX" => Condition::Present,
            b"GT" => Condition::Greater,
            b"LT" => Condition::Less,
            _ => Condition::Always,
        }
    }

    /// Whether `time` may replace `current`; none counts as infinitely late.
    fn allows(self, time: i64, current: Option<i64>) -> bool {
        match self {
            Condition::Always => true,
            Condition::Absent => current.is_none(),
            Condition::Present => current.is_some(),
            Condition::Greater => current.is_some_and(|current| time > current),
            Condition::Less => current.is_none_or(|current| time < current),
        }
    }
}

fn expire(context: &mut Context<'_>, command: &str, unit: Unit) -> Result<(), CommandError> {
    check_type(context)?;
    let time = unit.time(command, context.args.get(2), context.engine.now_ms())?;
    let condition = Condition::of_word(context.args.get(3));
    let at = if condition == Condition::Always { 3 } else { 4 };
    let fields = field_list::parse(
        &context.args,
        at,
        "ERR Parameter `numFields` should be greater than 0",
    )?;
    let has_passed = time <= context.engine.now_ms();
    let changes = edit_each(
        context,
        fields,
        if has_passed { "hdel" } else { "hexpire" },
        |reply| reply.integer(NO_FIELD),
        |hash, editing, name, reply| {
            let now_ms = editing.now_ms;
            let outcome = match hash.view().get_with_expiry(name, now_ms) {
                None => NO_FIELD,
                Some((_, current)) if !condition.allows(time, current) => REFUSED,
                Some(_) if has_passed => {
                    hash.remove(name, now_ms);
                    *editing.expired_fields += 1;
                    REMOVED
                }
                Some(_) => {
                    hash.set_expiry(name, Some(time), now_ms, &editing.limits.hash);
                    DONE
                }
            };
            reply.integer(outcome);
            u64::from(outcome > REFUSED)
        },
    )?;
    context.stats.changes += changes;
    Ok(())
}

/// `HEXPIRE key seconds [NX | XX | GT | LT] FIELDS numfields field [field ...]`.
pub fn hexpire(context: &mut Context<'_>) -> Result<(), CommandError> {
    let unit = Unit {
        seconds: true,
        absolute: false,
    };
    expire(context, "hexpire", unit)
}

/// `HPEXPIRE key milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]`.
pub fn hpexpire(context: &mut Context<'_>) -> Result<(), CommandError> {
    let unit = Unit {
        seconds: false,
        absolute: false,
    };
    expire(context, "hpexpire", unit)
}

/// `HEXPIREAT key time [NX | XX | GT | LT] FIELDS numfields field [field ...]`.
pub fn hexpireat(context: &mut Context<'_>) -> Result<(), CommandError> {
    let unit = Unit {
        seconds: true,
        absolute: true,
    };
    expire(context, "hexpireat", unit)
}

/// `HPEXPIREAT key time-in-milliseconds [NX | XX | GT | LT] FIELDS numfields field [field ...]`.
pub fn hpexpireat(context: &mut Context<'_>) -> Result<(), CommandError> {
    let unit = Unit {
        seconds: false,
        absolute: true,
    };
    expire(context, "hpexpireat", unit)
}

fn ttl(context: &mut Context<'_>, unit: Unit) -> Result<(), CommandError> {
    let now_ms = context.engine.now_ms();
    let hash = match context.find_read(1) {
        Some(item) => Some(context.engine.view::<Hash>(item)?),
        None => None,
    };
    let fields = field_list::parse(&context.args, 2, COUNT_ERROR)?;
    context.reply.array(fields.len());
    let base = if unit.absolute { 0 } else { now_ms };
    for index in fields {
        let name = context.args.get(index);
        let time = match hash.and_then(|hash| hash.get_with_expiry(name, now_ms)) {
            None => NO_FIELD,
            Some((_, None)) => NO_EXPIRY,
            // A second that has begun counts.
            Some((_, Some(time))) if unit.seconds => time.saturating_add(999 - base) / 1000,
            Some((_, Some(time))) => time - base,
        };
        context.reply.integer(time);
    }
    Ok(())
}

/// HTTL key FIELDS numfields field [field ...].
pub fn httl(context: &mut Context<'_>) -> Result<(), CommandError> {
    let unit = Unit {
        seconds: true,
        absolute: false,
    };
    ttl(context, unit)
}

/// HPTTL key FIELDS numfields field [field ...].
pub fn hpttl(context: &mut Context<'_>) -> Result<(), CommandError> {
    let unit = Unit {
        seconds: false,
        absolute: false,
    };
    ttl(context, unit)
}

/// HEXPIRETIME key FIELDS numfields field [field ...].
pub fn hexpiretime(context: &mut Context<'_>) -> Result<(), CommandError> {
    let unit = Unit {
        seconds: true,
        absolute: true,
    };
    ttl(context, unit)
}

/// HPEXPIRETIME key FIELDS numfields field [field ...].
pub fn hpexpiretime(context: &mut Context<'_>) -> Result<(), CommandError> {
    let unit = Unit {
        seconds: false,
        absolute: true,
    };
    ttl(context, unit)
}

/// HPERSIST key FIELDS numfields field [field ...].
pub fn hpersist(context: &mut Context<'_>) -> Result<(), CommandError> {
    check_type(context)?;
    let fields = field_list::parse(&context.args, 2, COUNT_ERROR)?;
    let changes = edit_each(
        context,
        fields,
        "hpersist",
        |reply| reply.integer(NO_FIELD),
        |hash, editing, name, reply| {
            let now_ms = editing.now_ms;
            let outcome = match hash.view().get_with_expiry(name, now_ms) {
                None => NO_FIELD,
                Some((_, None)) => NO_EXPIRY,
                Some((_, Some(_))) => {
                    hash.set_expiry(name, None, now_ms, &editing.limits.hash);
                    DONE
                }
            };
            reply.integer(outcome);
            u64::from(outcome == DONE)
        },
    )?;
    // Redis counts one change, however many fields.
    context.stats.changes += changes.min(1);
    Ok(())
}
