//! `FIELDS numfields field [field ...]`, and the times before it: what the commands on expiries of fields have in common.
//!
//! The texts of errors are those of Redis 8.0, which differ a little from one command to the next.

use crate::command::number::{integer, parse_i64};
use crate::command::{CommandError, Context, key_at};
use crate::engine::value::hash::Hash;
use crate::engine::{Editing, EventClass};
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;
use std::ops::Range;

/// The latest expiry of a field in Unix milliseconds, Redis' bound: 46 bits, far enough from overflows.
pub const EXPIRY_MS_MAX: i64 = (1 << 46) - 1;

/// What most commands say of a number of fields that is none.
pub const COUNT_ERROR: &str = "ERR Number of fields must be a positive integer";

/// Whether a number is a duration or a time, and its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Seconds, not milliseconds.
    pub seconds: bool,
    /// A time, not a duration.
    pub absolute: bool,
}

impl Unit {
    /// The unit that EX, PX, EXAT and PXAT name.
    pub fn of_word(word: &[u8]) -> Option<Unit> {
        let (seconds, absolute) = match word.to_ascii_uppercase().as_slice() {
            b"EX" => (true, false),
            b"PX" => (false, false),
            b"EXAT" => (true, true),
            b"PXAT" => (false, true),
            _ => return None,
        };
        Some(Unit { seconds, absolute })
    }

    /// The Unix time in milliseconds that an argument names; 0 and the past are fine.
    pub fn time(self, command: &str, text: &[u8], now_ms: i64) -> Result<i64, CommandError> {
        let number = integer(text)?;
        if number < 0 {
            return Err(CommandError::fixed("ERR invalid expire time, must be >= 0"));
        }
        let factor = if self.seconds { 1000 } else { 1 };
        let base = if self.absolute { 0 } else { now_ms };
        number
            .checked_mul(factor)
            .and_then(|time| time.checked_add(base))
            .filter(|&time| time <= EXPIRY_MS_MAX)
            .ok_or_else(|| CommandError::expire_time(command))
    }
}

/// Reads `FIELDS numfields field [field ...]` from argument `at` to the end: where the fields are.
pub fn parse(
    args: &Args<'_>,
    at: usize,
    count_error: &'static str,
) -> Result<Range<usize>, CommandError> {
    if at >= args.len() || !args.get(at).eq_ignore_ascii_case(b"FIELDS") {
        return Err(CommandError::fixed(
            "ERR Mandatory argument FIELDS is missing or not at the right position",
        ));
    }
    let first = at + 2;
    let count = match args.len() {
        len if len < first => None,
        _ => parse_i64(args.get(at + 1)).filter(|&count| count > 0),
    };
    let count = count.ok_or(CommandError::fixed(count_error))?;
    if usize::try_from(count) != Ok(args.len() - first) {
        return Err(CommandError::fixed(
            "ERR The `numfields` parameter must match the number of arguments",
        ));
    }
    Ok(first..args.len())
}

/// Fails when the key at argument 1 holds something else than a hash: what these commands look at first.
pub fn check_type(context: &mut Context<'_>) -> Result<(), CommandError> {
    if let Some(item) = context.find_write(1) {
        context.engine.view::<Hash>(item)?;
    }
    Ok(())
}

/// Writes an array with one element for each of the fields, while the hash is edited: `one` is given each name and writes its element. `missing` writes
/// the elements when there is no such key. Returns the sum of what `one` returned. `event` is told when that is not 0.
pub fn edit_each(
    context: &mut Context<'_>,
    fields: Range<usize>,
    event: &'static str,
    missing: impl Fn(&mut Reply),
    mut one: impl FnMut(&mut Hash, &mut Editing<'_>, &[u8], &mut Reply) -> u64,
) -> Result<u64, CommandError> {
    let args = &context.args;
    let key = key_at!(context, 1);
    let reply = &mut *context.reply;
    let written = (reply.bytes.len(), reply.large.len());
    let count = fields.len();
    reply.array(count);
    let edited = context
        .engine
        .edit_collection::<Hash, _>(&key, false, |hash, mut editing| {
            super::remove_expired(hash, &mut editing);
            fields
                .map(|index| one(hash, &mut editing, args.get(index), reply))
                .sum()
        });
    match edited {
        Ok(Some(changes)) => {
            if changes > 0 {
                context.engine.notify(EventClass::Hash, event, &key);
            }
            context.engine.notify_if_gone(&key);
            Ok(changes)
        }
        Ok(None) => {
            (0..count).for_each(|_| missing(context.reply));
            Ok(0)
        }
        Err(error) => {
            context.reply.bytes.truncate(written.0);
            context.reply.large.truncate(written.1);
            Err(error.into())
        }
    }
}
