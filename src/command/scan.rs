//! Looking through the keyspace: KEYS and SCAN.

use super::number::integer;
use super::{CommandError, Context, cursor, key_at};
use crate::engine::Touch;
use crate::glob;
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;

/// What one call of SCAN or its like asks for at most, whatever its COUNT says (a hint only): some hundred microseconds of work.
const COUNT_MAX: i64 = 10_000;
/// COUNT unless it is said.
const COUNT_DEFAULT: usize = 10;
/// Keys that KEYS asks the engine for at a time.
const KEYS_STEP: usize = 1024;

/// What SCAN and its like are asked for.
pub struct ScanOptions<'a> {
    /// COUNT, from 1 to what one call may take.
    pub count: usize,
    /// MATCH; None for all.
    pattern: Option<&'a [u8]>,
}

impl<'a> ScanOptions<'a> {
    /// Reads COUNT and MATCH from argument `first` on. `other` is given every other word, and what follows it; it says how many words it has taken,
    /// 0 when it knows no such option.
    pub fn parse(
        args: &'a Args<'_>,
        first: usize,
        mut other: impl FnMut(&'a [u8], Option<&'a [u8]>) -> usize,
    ) -> Result<ScanOptions<'a>, CommandError> {
        let mut options = ScanOptions {
            count: COUNT_DEFAULT,
            pattern: None,
        };
        let mut index = first;
        while index < args.len() {
            let word = args.get(index);
            let value = (index + 1 < args.len()).then(|| args.get(index + 1));
            index += match value {
                Some(value) if word.eq_ignore_ascii_case(b"count") => {
                    let count = integer(value)?;
                    if count < 1 {
                        return Err(CommandError::Syntax);
                    }
                    options.count = count.min(COUNT_MAX) as usize;
                    2
                }
                Some(value) if word.eq_ignore_ascii_case(b"match") => {
                    options.pattern = (value != b"*").then_some(value);
                    2
                }
                value => match other(word, value) {
                    0 => return Err(CommandError::Syntax),
                    taken => taken,
                },
            };
        }
        Ok(options)
    }

    /// Whether what is scanned is asked for.
    pub fn wants(&self, bytes: &[u8]) -> bool {
        self.pattern
            .is_none_or(|pattern| glob::matches(pattern, bytes))
    }
}

/// The cursor that an argument is.
pub fn parse_cursor(text: &[u8]) -> Result<u64, CommandError> {
    cursor::parse(text).ok_or(CommandError::fixed("ERR invalid cursor"))
}

/// Writes what a call of SCAN or its like found: where to go on, and so many elements.
pub fn write_page(reply: &mut Reply, next: u64, found: usize, elements: &Reply) {
    reply.array(2);
    reply.bulk(next.to_string().as_bytes());
    reply.array(found);
    reply.append_replies(&elements.bytes, &elements.large);
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
    context
        .reply
        .append_replies(&elements.bytes, &elements.large);
    Ok(())
}

/// SCAN cursor [MATCH pattern] [COUNT count] [TYPE type].
pub fn scan(context: &mut Context<'_>) -> Result<(), CommandError> {
    let cursor = parse_cursor(context.args.get(1))?;
    let mut kind: Option<&[u8]> = None;
    let options = ScanOptions::parse(&context.args, 2, |word, value| match value {
        Some(value) if word.eq_ignore_ascii_case(b"type") => {
            kind = Some(value);
            2
        }
        _ => 0,
    })?;
    let (shard, shards) = context.shard;
    let mut elements = Reply::new(context.reply.protocol);
    let mut found = 0;
    let mut next = 0;
    // A cursor of another shard than this one was made up: there is nothing there.
    if cursor::shard(cursor) == shard {
        let position = context.engine.scan(
            context.db,
            cursor::in_engine(cursor),
            options.count,
            &mut |engine, item| {
                let key = engine.key_bytes(item);
                let is_kind = kind.is_none_or(|kind| {
                    let name = engine.type_of(item).name();
                    kind.eq_ignore_ascii_case(name.as_bytes())
                });
                if is_kind && options.wants(key) {
                    elements.bulk(key);
                    found += 1;
                }
            },
        );
        next = cursor::next(shard, shards, position);
    }
    write_page(context.reply, next, found, &elements);
    Ok(())
}
