//! Fields as numbers: HINCRBY, HINCRBYFLOAT.
//!
//! A field keeps its expiry when it is added to. Floating-point sums have 80 bits, as in Redis.

use super::remove_expired;
use crate::command::long_double::{self, LongDouble, Parsed};
use crate::command::number::{Digits, integer};
use crate::command::{CommandError, Context, key_at};
use crate::engine::value::hash::Hash;
use crate::engine::{EventClass, Expiry};

/// HINCRBY key field increment.
pub fn hincrby(context: &mut Context<'_>) -> Result<(), CommandError> {
    let args = &context.args;
    let increment = integer(args.get(3))?;
    let key = key_at!(context, 1);
    let sum = context
        .engine
        .edit_collection::<Hash, _>(&key, true, |hash, mut editing| {
            remove_expired(hash, &mut editing);
            let value = match hash.view().get(args.get(2), editing.now_ms) {
                None => 0,
                Some(value) => value
                    .integer()
                    .ok_or(CommandError::fixed("ERR hash value is not an integer"))?,
            };
            let sum = value.checked_add(increment).ok_or(CommandError::fixed(
                "ERR increment or decrement would overflow",
            ))?;
            let limits = &editing.limits.hash;
            hash.set(
                args.get(2),
                &Digits::new(sum),
                Expiry::Keep,
                editing.now_ms,
                limits,
            );
            Ok::<i64, CommandError>(sum)
        })?
        .expect("the hash is made when there is none")?;
    context.engine.notify(EventClass::Hash, "hincrby", &key);
    context.stats.changes += 1;
    context.reply.integer(sum);
    Ok(())
}

/// HINCRBYFLOAT key field increment.
pub fn hincrbyfloat(context: &mut Context<'_>) -> Result<(), CommandError> {
    let args = &context.args;
    let increment = long_double::parse(args.get(3)).ok_or(CommandError::NotFloat)?;
    if !matches!(increment, Parsed::Finite(_)) {
        return Err(CommandError::fixed("ERR value is NaN or Infinity"));
    }
    let key = key_at!(context, 1);
    let text = context
        .engine
        .edit_collection::<Hash, _>(&key, true, |hash, mut editing| {
            remove_expired(hash, &mut editing);
            let value = match hash.view().get(args.get(2), editing.now_ms) {
                None => long_double::parse(b"0"),
                Some(value) => long_double::parse(value.as_bytes(&mut [0; 20])),
            };
            let value = value.ok_or(CommandError::fixed("ERR hash value is not a float"))?;
            let sum = match (value, increment) {
                (Parsed::Finite(value), Parsed::Finite(increment)) => {
                    LongDouble::plus(value, increment)
                }
                _ => None,
            };
            let text = sum
                .ok_or(CommandError::fixed(
                    "ERR increment would produce NaN or Infinity",
                ))?
                .to_text();
            let limits = &editing.limits.hash;
            hash.set(
                args.get(2),
                text.as_bytes(),
                Expiry::Keep,
                editing.now_ms,
                limits,
            );
            Ok::<String, CommandError>(text)
        })?
        .expect("the hash is made when there is none")?;
    context
        .engine
        .notify(EventClass::Hash, "hincrbyfloat", &key);
    context.stats.changes += 1;
    context.reply.bulk(text.as_bytes());
    Ok(())
}
