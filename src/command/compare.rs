//! Conditions on what a string is: IFEQ, IFNE, IFDEQ and IFDNE of SET and DELEX; DIGEST; DELIFEQ.
//!
//! Never: compares numbers. A counter is the digits that GET shows.
//! The one decision worth knowing: a digest is only looked at, and only refused, when there is a value to compare it with, as in Redis 8.4.

use super::keys::del;
use super::string_value::{find_string_read, string_value};
use super::{CommandError, Context, key_at};
use crate::engine::{EventClass, Item, Type};
use twox_hash::XxHash3_64;

/// Hexadecimal digits of a digest.
const DIGEST_DIGITS: usize = 16;

/// What a string's value has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// IFEQ: these bytes.
    Equal,
    /// IFNE: others.
    NotEqual,
    /// IFDEQ: bytes with this digest.
    DigestEqual,
    /// IFDNE: bytes with another digest.
    DigestNotEqual,
}

impl Condition {
    /// The condition of this name, in any case.
    pub fn of_word(word: &[u8]) -> Option<Condition> {
        Some(match word.to_ascii_uppercase().as_slice() {
            b"IFEQ" => Condition::Equal,
            b"IFNE" => Condition::NotEqual,
            b"IFDEQ" => Condition::DigestEqual,
            b"IFDNE" => Condition::DigestNotEqual,
            _ => return None,
        })
    }

    /// Whether it holds of what is not there.
    pub fn holds_of_nothing(self) -> bool {
        matches!(self, Condition::NotEqual | Condition::DigestNotEqual)
    }

    /// Whether it holds of a value, `operand` being what the client compares with.
    pub fn holds(self, operand: &[u8], value: &[u8]) -> Result<bool, CommandError> {
        Ok(match self {
            Condition::Equal => value == operand,
            Condition::NotEqual => value != operand,
            Condition::DigestEqual => digest_is(operand, value)?,
            Condition::DigestNotEqual => !digest_is(operand, value)?,
        })
    }
}

/// The digest of a string: its 64-bit XXH3 with seed 0, as hexadecimal digits.
fn digest_of(value: &[u8]) -> String {
    format!("{:016x}", XxHash3_64::oneshot(value))
}

/// Whether a value has this digest, whose letters may be of either case.
fn digest_is(digest: &[u8], value: &[u8]) -> Result<bool, CommandError> {
    if digest.len() != DIGEST_DIGITS {
        return Err(CommandError::fixed(
            "ERR must be exactly 16 hexadecimal characters",
        ));
    }
    Ok(digest_of(value).as_bytes().eq_ignore_ascii_case(digest))
}

/// DIGEST key.
pub fn digest(context: &mut Context<'_>) -> Result<(), CommandError> {
    match find_string_read(context, 1)? {
        Some(item) => {
            let digest = digest_of(&string_value(context.engine, item));
            context.reply.bulk(digest.as_bytes());
        }
        None => context.reply.null(),
    }
    Ok(())
}

/// `DELEX key [IFEQ value | IFNE value | IFDEQ digest | IFDNE digest]`.
pub fn delex(context: &mut Context<'_>) -> Result<(), CommandError> {
    match context.args.len() {
        2 => return del(context),
        4 => {}
        _ => return Err(CommandError::arity("delex")),
    }
    let Some(item) = context.find_read(1) else {
        context.reply.integer(0);
        return Ok(());
    };
    if context.engine.type_of(item) != Type::String {
        return Err(CommandError::fixed(
            "ERR Key should be of string type if conditions are specified",
        ));
    }
    let condition = Condition::of_word(context.args.get(2)).ok_or(CommandError::fixed(
        "ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE",
    ))?;
    delete_if(context, item, condition, 3)
}

/// DELIFEQ key value, of Valkey.
pub fn delifeq(context: &mut Context<'_>) -> Result<(), CommandError> {
    match find_string_read(context, 1)? {
        Some(item) => delete_if(context, item, Condition::Equal, 2),
        None => {
            context.reply.integer(0);
            Ok(())
        }
    }
}

/// Deletes the key at argument 1 if its value compares with argument `index` as it should; replies with their number.
fn delete_if(
    context: &mut Context<'_>,
    item: Item,
    condition: Condition,
    index: usize,
) -> Result<(), CommandError> {
    let operand = context.args.get(index);
    let holds = condition.holds(operand, &string_value(context.engine, item))?;
    if holds {
        let key = key_at!(context, 1);
        context.engine.remove(&key);
        context.engine.notify(EventClass::Generic, "del", &key);
        context.stats.changes += 1;
    }
    context.reply.integer(i64::from(holds));
    Ok(())
}
