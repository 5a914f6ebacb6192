//! Time to live: EXPIRE and its family, TTL and its family, PERSIST.

use super::number::integer;
use super::{CommandError, Context, key_at};
use crate::engine::EventClass;

/// Whether the number is a duration or a time, and its unit.
#[derive(Clone, Copy)]
struct Unit {
    seconds: bool,
    absolute: bool,
}

/// NX, XX, GT, LT.
#[derive(Default)]
struct Conditions {
    absent: bool,
    present: bool,
    greater: bool,
    less: bool,
}

impl Conditions {
    fn parse(context: &Context<'_>) -> Result<Conditions, CommandError> {
        let mut conditions = Conditions::default();
        for index in 3..context.args.len() {
            let word = context.args.get(index);
            match word.to_ascii_lowercase().as_slice() {
                b"nx" => conditions.absent = true,
                b"xx" => conditions.present = true,
                b"gt" => conditions.greater = true,
                b"lt" => conditions.less = true,
                _ => {
                    return Err(CommandError::made(format!(
                        "ERR Unsupported option {}",
                        String::from_utf8_lossy(word)
                    )));
                }
            }
        }
        if conditions.absent && (conditions.present || conditions.greater || conditions.less) {
            return Err(CommandError::fixed(
                "ERR NX and XX, GT or LT options at the same time are not compatible",
            ));
        }
        if conditions.greater && conditions.less {
            return Err(CommandError::fixed(
                "ERR GT and LT options at the same time are not compatible",
            ));
        }
        Ok(conditions)
    }

    /// Whether `time` may replace the `current` expiry; none counts as infinitely late.
    fn allow(&self, time: i64, current: Option<i64>) -> bool {
        !(self.absent && current.is_some()
            || self.present && current.is_none()
            || self.greater && current.is_none_or(|current| time <= current)
            || self.less && current.is_some_and(|current| time >= current))
    }
}

fn expire_generic(
    context: &mut Context<'_>,
    command: &str,
    unit: Unit,
) -> Result<(), CommandError> {
    let conditions = Conditions::parse(context)?;
    let number = integer(context.args.get(2))?;
    let now_ms = context.engine.now_ms();
    let base = if unit.absolute { 0 } else { now_ms };
    // Negative times are fine, they have passed; only what cannot be told is an error.
    let time = if unit.seconds {
        number.checked_mul(1000)
    } else {
        Some(number)
    };
    let time = time
        .and_then(|time| time.checked_add(base))
        .ok_or_else(|| CommandError::expire_time(command))?;
    let Some(item) = context.find_write(1) else {
        context.reply.integer(0);
        return Ok(());
    };
    if !conditions.allow(time, context.engine.expiry(item)) {
        context.reply.integer(0);
        return Ok(());
    }
    let key = key_at!(context, 1);
    let name = if time <= now_ms {
        context.engine.remove(&key);
        "del"
    } else {
        context.engine.set_expiry(&key, Some(time))?;
        "expire"
    };
    context.engine.notify(EventClass::Generic, name, &key);
    context.stats.changes += 1;
    context.reply.integer(1);
    Ok(())
}

/// EXPIRE key seconds [NX | XX | GT | LT].
pub fn expire(context: &mut Context<'_>) -> Result<(), CommandError> {
    expire_generic(
        context,
        "expire",
        Unit {
            seconds: true,
            absolute: false,
        },
    )
}

/// PEXPIRE key milliseconds [NX | XX | GT | LT].
pub fn pexpire(context: &mut Context<'_>) -> Result<(), CommandError> {
    expire_generic(
        context,
        "pexpire",
        Unit {
            seconds: false,
            absolute: false,
        },
    )
}

/// EXPIREAT key time [NX | XX | GT | LT].
pub fn expireat(context: &mut Context<'_>) -> Result<(), CommandError> {
    expire_generic(
        context,
        "expireat",
        Unit {
            seconds: true,
            absolute: true,
        },
    )
}

/// PEXPIREAT key time in milliseconds [NX | XX | GT | LT].
pub fn pexpireat(context: &mut Context<'_>) -> Result<(), CommandError> {
    expire_generic(
        context,
        "pexpireat",
        Unit {
            seconds: false,
            absolute: true,
        },
    )
}

fn ttl_generic(context: &mut Context<'_>, unit: Unit) -> Result<(), CommandError> {
    let value = match context.find_untouched(1) {
        None => -2,
        Some(item) => match context.engine.expiry(item) {
            None => -1,
            Some(time) => {
                let milliseconds = if unit.absolute {
                    time
                } else {
                    time.saturating_sub(context.engine.now_ms()).max(0)
                };
                // Durations and times alike are rounded to the nearest second.
                if unit.seconds {
                    milliseconds.saturating_add(500) / 1000
                } else {
                    milliseconds
                }
            }
        },
    };
    context.reply.integer(value);
    Ok(())
}

/// TTL key.
pub fn ttl(context: &mut Context<'_>) -> Result<(), CommandError> {
    ttl_generic(
        context,
        Unit {
            seconds: true,
            absolute: false,
        },
    )
}

/// PTTL key.
pub fn pttl(context: &mut Context<'_>) -> Result<(), CommandError> {
    ttl_generic(
        context,
        Unit {
            seconds: false,
            absolute: false,
        },
    )
}

/// EXPIRETIME key.
pub fn expiretime(context: &mut Context<'_>) -> Result<(), CommandError> {
    ttl_generic(
        context,
        Unit {
            seconds: true,
            absolute: true,
        },
    )
}

/// PEXPIRETIME key.
pub fn pexpiretime(context: &mut Context<'_>) -> Result<(), CommandError> {
    ttl_generic(
        context,
        Unit {
            seconds: false,
            absolute: true,
        },
    )
}

/// PERSIST key.
pub fn persist(context: &mut Context<'_>) -> Result<(), CommandError> {
    let had_expiry = context
        .find_write(1)
        .is_some_and(|item| context.engine.expiry(item).is_some());
    if had_expiry {
        let key = key_at!(context, 1);
        context.engine.set_expiry(&key, None)?;
        context.engine.notify(EventClass::Generic, "persist", &key);
        context.stats.changes += 1;
    }
    context.reply.integer(i64::from(had_expiry));
    Ok(())
}
