//! Looking through the keyspace: KEYS and SCAN.

use super::number::integer;
use super::{CommandError, Context, cursor, key_at};
use crate::engine::Touch;
use crate::glob;
use crate::protocol::resp::Reply;

/// Keys that one SCAN asks for at most, whatever its COUNT says (a hint only): some hundred microseconds of work.
const COUNT_MAX: i64 = 10_000;
/// COUNT unless it is said.
const COUNT_DEFAULT: i64 = 10;
/// Keys that KEYS asks the engine for at a time.
const KEYS_STEP: usize = 1024;

/// Appends what another reply holds.
fn append(reply: &mut Reply, elements: Reply) {
    assert!(elements.large.is_empty(), "keys are copied");
    reply.bytes.extend_from_slice(&elements.bytes);
}

/// KEYS pattern.
pub fn keys(context: &mut Context<'_>) -> Result<(), CommandError> {
    let pattern = context.args.get(1);
    if let Some(bytes) = glob::literal(pattern) {
        let key = key_at!(context, 1);
        let found = context.engine.find(&key, Touch::No).is_some();
        context.reply.array(usize::from(found));
        if found {
            context.reply.bulk(bytes);
        }
        return Ok(());
    }
    let all = pattern == b"*";
    let mut elements = Reply::new(context.reply.protocol);
    let mut count = 0;
    let mut position = 0;
    loop {
        position = context
            .engine
            .scan(context.db, position, KEYS_STEP, &mut |engine, item| {
                let key = engine.key_bytes(item);
                if all || glob::matches(pattern, key) {
                    elements.bulk(key);
                    count += 1;
                }
            });
        if position == 0 {
            break;
        }
    }
    context.reply.array(count);
    append(context.reply, elements);
    Ok(())
}

/// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type].
pub fn scan(context: &mut Context<'_>) -> Result<(), CommandError> {
    let cursor =
        cursor::parse(context.args.get(1)).ok_or(CommandError::fixed("ERR invalid cursor"))?;
    let mut count = COUNT_DEFAULT;
    let mut pattern: Option<&[u8]> = None;
    let mut kind: Option<&[u8]> = None;
    for index in (2..context.args.len()).step_by(2) {
        if index + 1 == context.args.len() {
            return Err(CommandError::Syntax);
        }
        let value = context.args.get(index + 1);
        match context.args.get(index).to_ascii_lowercase().as_slice() {
            b"count" => {
                count = integer(value)?;
                if count < 1 {
                    return Err(CommandError::Syntax);
                }
            }
            b"match" => pattern = (value != b"*").then_some(value),
            b"type" => kind = Some(value),
            _ => return Err(CommandError::Syntax),
        }
    }
    let (shard, shards) = context.shard;
    let mut elements = Reply::new(context.reply.protocol);
    let mut found = 0;
    let mut next = 0;
    // A cursor of another shard than this one was made up: there is nothing there.
    if cursor::shard(cursor) == shard {
        let position = context.engine.scan(
            context.db,
            cursor::in_engine(cursor),
            count.min(COUNT_MAX) as usize,
            &mut |engine, item| {
                let key = engine.key_bytes(item);
                let is_kind = kind.is_none_or(|kind| {
                    let name = engine.type_of(item).name();
                    kind.eq_ignore_ascii_case(name.as_bytes())
                });
                if is_kind && pattern.is_none_or(|pattern| glob::matches(pattern, key)) {
                    elements.bulk(key);
                    found += 1;
                }
            },
        );
        next = cursor::next(shard, shards, position);
    }
    context.reply.array(2);
    context.reply.bulk(next.to_string().as_bytes());
    context.reply.array(found);
    append(context.reply, elements);
    Ok(())
}
