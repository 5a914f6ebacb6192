//! Commands that combine the values of several keys: BITOP and LCS.
//!
//! Two phases, so that sources on other shards are combined by the same code as those of one: [`fetch`] on each source's shard, then
//! [`bitop`] and [`store_bits`] on the destination's shard, or [`Lcs::run`] anywhere.

use super::key_at;
use super::lcs::Lcs;
use super::string_value::{find_string_read, string_value};
use super::transfer::Portable;
use super::{CommandError, CommandStats, Context};
use crate::engine::{Engine, EventClass, Expiry, Key, NewValue, Touch, Type};
use crate::large::LargeBuffer;
use crate::limits::LARGE_BYTES_MIN;
use crate::protocol::args::Args;

/// BITOP's operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BitOperation {
    /// All sources.
    And,
    /// Any source.
    Or,
    /// An odd number of sources.
    Xor,
    /// Not the only source.
    Not,
}

/// A string that a command made: large ones go into the buffer they will stay in.
#[derive(Debug)]
pub enum MadeString {
    /// Below the large limit.
    Small(Vec<u8>),
    /// Above it.
    Large(LargeBuffer),
}

impl MadeString {
    fn zeroed(len: usize) -> Result<MadeString, CommandError> {
        if len < LARGE_BYTES_MIN {
            return Ok(MadeString::Small(vec![0; len]));
        }
        LargeBuffer::zeroed(len)
            .map(MadeString::Large)
            .map_err(|_| CommandError::OutOfMemory)
    }
    fn as_mut_slice(&mut self) -> &mut [u8] {
        match self {
            MadeString::Small(bytes) => bytes,
            MadeString::Large(buffer) => buffer.as_mut_slice(),
        }
    }
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match self {
            MadeString::Small(bytes) => bytes,
            MadeString::Large(buffer) => buffer.as_slice(),
        }
    }
}

/// The value of one source; None when it is not there. Counts a hit or a miss. A value that is no string is an error for the whole command.
pub fn fetch(
    engine: &mut Engine,
    stats: &mut CommandStats,
    touch: Touch,
    key: &Key<'_>,
) -> Result<Option<Portable>, CommandError> {
    let found = engine.find(key, touch);
    stats.count_read(engine, key, found.is_some());
    if found.is_some_and(|item| engine.type_of(item) != Type::String) {
        return Err(CommandError::WrongType);
    }
    Ok(found.map(|item| Portable::from_item(engine, item)))
}

/// Reads BITOP's operation and checks the number of sources.
pub fn parse_bitop(args: &Args<'_>) -> Result<BitOperation, CommandError> {
    let operation = match args.get(1).to_ascii_lowercase().as_slice() {
        b"and" => BitOperation::And,
        b"or" => BitOperation::Or,
        b"xor" => BitOperation::Xor,
        b"not" => BitOperation::Not,
        _ => return Err(CommandError::Syntax),
    };
    if operation == BitOperation::Not && args.len() != 4 {
        return Err(CommandError::fixed(
            "ERR BITOP NOT must be called with a single source key.",
        ));
    }
    Ok(operation)
}

/// Combines the sources, shorter ones being followed by zeros up to the longest. A source that is not there is an empty one.
pub fn bitop(operation: BitOperation, sources: &[&[u8]]) -> Result<MadeString, CommandError> {
    let mut made =
        MadeString::zeroed(sources.iter().map(|source| source.len()).max().unwrap_or(0))?;
    let result = made.as_mut_slice();
    let Some((first, others)) = sources.split_first() else {
        return Ok(made);
    };
    result[..first.len()].copy_from_slice(first);
    if operation == BitOperation::Not {
        result.iter_mut().for_each(|byte| *byte = !*byte);
    }
    for source in others {
        let (covered, beyond) = result.split_at_mut(source.len());
        let pairs = covered.iter_mut().zip(*source);
        match operation {
            BitOperation::And => {
                pairs.for_each(|(byte, other)| *byte &= other);
                beyond.fill(0);
            }
            BitOperation::Or => pairs.for_each(|(byte, other)| *byte |= other),
            BitOperation::Xor => pairs.for_each(|(byte, other)| *byte ^= other),
            BitOperation::Not => unreachable!("it has one source"),
        }
    }
    Ok(made)
}

/// Stores BITOP's result under its destination, which is deleted when the result is empty; returns the reply's number.
pub fn store_bits(
    engine: &mut Engine,
    stats: &mut CommandStats,
    destination: &Key<'_>,
    made: MadeString,
) -> Result<i64, CommandError> {
    let len = made.as_slice().len();
    if len == 0 {
        if engine.remove(destination) {
            stats.changes += 1;
            engine.notify(EventClass::Generic, "del", destination);
        }
        return Ok(0);
    }
    match made {
        MadeString::Small(bytes) => {
            engine.set(destination, NewValue::RawBytes(&bytes), Expiry::None)?
        }
        MadeString::Large(buffer) => {
            engine.set(destination, NewValue::Large(buffer), Expiry::None)?
        }
    }
    stats.changes += 1;
    engine.notify(EventClass::String, "set", destination);
    Ok(len as i64)
}

/// BITOP AND | OR | XOR | NOT destination key [key ...].
pub fn bitop_command(context: &mut Context<'_>) -> Result<(), CommandError> {
    let operation = parse_bitop(&context.args)?;
    // A look-up may delete an expired item and move others: first every look-up that counts, then the items themselves.
    for index in 3..context.args.len() {
        find_string_read(context, index)?;
    }
    let mut items = Vec::with_capacity(context.args.len() - 3);
    for index in 3..context.args.len() {
        let key = key_at!(context, index);
        items.push(context.engine.find(&key, Touch::No));
    }
    let values: Vec<_> = items
        .iter()
        .map(|item| item.map(|item| string_value(context.engine, item)))
        .collect();
    let sources: Vec<&[u8]> = values
        .iter()
        .map(|value| value.as_deref().unwrap_or(&[]))
        .collect();
    let made = bitop(operation, &sources)?;
    let destination = key_at!(context, 2);
    let len = store_bits(context.engine, context.stats, &destination, made)?;
    context.reply.integer(len);
    Ok(())
}

/// `LCS key1 key2 [LEN] [IDX] [MINMATCHLEN length] [WITHMATCHLEN]`.
pub fn lcs_command(context: &mut Context<'_>) -> Result<(), CommandError> {
    find_string_read(context, 1)?;
    find_string_read(context, 2)?;
    let lcs = Lcs::parse(&context.args)?;
    let (first, second) = (key_at!(context, 1), key_at!(context, 2));
    let (first, second) = (
        context.engine.find(&first, Touch::No),
        context.engine.find(&second, Touch::No),
    );
    let value = |item: Option<_>| item.map(|item| string_value(context.engine, item));
    let (a, b) = (value(first), value(second));
    lcs.run(
        a.as_deref().unwrap_or(&[]),
        b.as_deref().unwrap_or(&[]),
        context.settings.string_bytes_max,
        context.reply,
    )
}
