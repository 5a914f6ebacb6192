//! INCR and its family: strings as numbers.

use super::long_double::{self, LongDouble, Parsed};
use super::number::{integer, parse_i64};
use super::string_value::{find_string_write, string_value};
use super::{CommandError, Context, key_at};
use crate::engine::{Attributes, Engine, EventClass, Expiry, Item, NewValue, Value};

/// What stays with a number that is changed: the flags of memcached's clients, by which they read it.
fn kept(engine: &Engine, item: Item) -> Attributes {
    Attributes {
        client_flags: engine.attributes(item).client_flags,
        ..Attributes::default()
    }
}

fn add(context: &mut Context<'_>, increment: i64) -> Result<(), CommandError> {
    let found = find_string_write(context, 1)?;
    let attributes = found.map_or(Attributes::default(), |item| kept(context.engine, item));
    let value = match found {
        None => 0,
        Some(item) => match context.engine.value(item) {
            Value::Integer(value) => value,
            // A value that was built in place (APPEND) may be an integer that is not stored as one.
            Value::Bytes(bytes) => parse_i64(bytes).ok_or(CommandError::NotInteger)?,
            Value::Large(_) => return Err(CommandError::NotInteger),
            Value::Packed(..) | Value::Collection(_) => return Err(CommandError::WrongType),
        },
    };
    let sum = value.checked_add(increment).ok_or(CommandError::fixed(
        "ERR increment or decrement would overflow",
    ))?;
    let key = key_at!(context, 1);
    context
        .engine
        .set_with(&key, NewValue::Integer(sum), Expiry::Keep, attributes)?;
    context.engine.notify(EventClass::String, "incrby", &key);
    context.stats.changes += 1;
    context.reply.integer(sum);
    Ok(())
}

/// INCR key.
pub fn incr(context: &mut Context<'_>) -> Result<(), CommandError> {
    add(context, 1)
}

/// DECR key.
pub fn decr(context: &mut Context<'_>) -> Result<(), CommandError> {
    add(context, -1)
}

/// INCRBY key increment.
pub fn incrby(context: &mut Context<'_>) -> Result<(), CommandError> {
    let increment = integer(context.args.get(2))?;
    add(context, increment)
}

/// DECRBY key decrement.
pub fn decrby(context: &mut Context<'_>) -> Result<(), CommandError> {
    let decrement = integer(context.args.get(2))?;
    add(
        context,
        decrement
            .checked_neg()
            .ok_or(CommandError::fixed("ERR decrement would overflow"))?,
    )
}

/// INCRBYFLOAT key increment.
pub fn incrbyfloat(context: &mut Context<'_>) -> Result<(), CommandError> {
    let found = find_string_write(context, 1)?;
    let attributes = found.map_or(Attributes::default(), |item| kept(context.engine, item));
    let value = match found {
        None => long_double::parse(b"0"),
        Some(item) => long_double::parse(&string_value(context.engine, item)),
    };
    let value = value.ok_or(CommandError::NotFloat)?;
    let increment = long_double::parse(context.args.get(2)).ok_or(CommandError::NotFloat)?;
    let sum = match (value, increment) {
        (Parsed::Finite(value), Parsed::Finite(increment)) => LongDouble::plus(value, increment),
        _ => None,
    };
    let text = sum
        .ok_or(CommandError::fixed(
            "ERR increment would produce NaN or Infinity",
        ))?
        .to_text();
    let key = key_at!(context, 1);
    let value = NewValue::Text(text.as_bytes());
    context
        .engine
        .set_with(&key, value, Expiry::Keep, attributes)?;
    context
        .engine
        .notify(EventClass::String, "incrbyfloat", &key);
    context.stats.changes += 1;
    context.reply.bulk(text.as_bytes());
    Ok(())
}
