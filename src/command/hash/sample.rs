//! Fields by chance and in parts: HRANDFIELD, HSCAN.
//!
//! How many elements there will be is known only afterwards, so they are written to a reply of their own first.

use super::{remove_expired_first, reply_entry};
use crate::command::sample::{self, Sample};
use crate::command::scan::{ScanOptions, parse_cursor, write_page};
use crate::command::{CommandError, Context};
use crate::engine::value::hash::Hash;
use crate::protocol::resp::{Protocol, Reply};

/// HRANDFIELD key [count [WITHVALUES]].
pub fn hrandfield(context: &mut Context<'_>) -> Result<(), CommandError> {
    let now_ms = context.engine.now_ms();
    if context.args.len() == 2 {
        remove_expired_first(context)?;
        let Some(item) = context.find_read(1) else {
            context.reply.null();
            return Ok(());
        };
        let (hash, random) = context.engine.view_with_random::<Hash>(item)?;
        match hash.random(now_ms, random) {
            Some((name, _)) => reply_entry(context.reply, name),
            None => context.reply.null(),
        }
        return Ok(());
    }
    let count = sample::count(context.args.get(2))?;
    let with_values = context.args.len() == 4;
    if context.args.len() > 4
        || (with_values && !context.args.get(3).eq_ignore_ascii_case(b"withvalues"))
    {
        return Err(CommandError::Syntax);
    }
    if with_values && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(CommandError::fixed("ERR value is out of range"));
    }
    remove_expired_first(context)?;
    let Some(item) = context.find_read(1) else {
        context.reply.array(0);
        return Ok(());
    };
    let (hash, random) = context.engine.view_with_random::<Hash>(item)?;
    let pairs = with_values && context.reply.protocol == Protocol::Resp3;
    let mut elements = Reply::new(context.reply.protocol);
    let mut found = 0;
    let visit = |name, value| {
        found += if with_values && !pairs { 2 } else { 1 };
        if pairs {
            elements.array(2);
        }
        reply_entry(&mut elements, name);
        if with_values {
            reply_entry(&mut elements, value);
        }
    };
    match Sample::of(count)? {
        Sample::Distinct(0) => {}
        Sample::Distinct(wanted) => hash.random_distinct(wanted, now_ms, random, visit),
        Sample::Repeated(wanted) => hash.random_repeated(wanted, now_ms, random, visit),
    }
    context.reply.array(found);
    context
        .reply
        .append_replies(&elements.bytes, &elements.large);
    Ok(())
}

/// HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES].
pub fn hscan(context: &mut Context<'_>) -> Result<(), CommandError> {
    let now_ms = context.engine.now_ms();
    let position = parse_cursor(context.args.get(2))?;
    let mut elements = Reply::new(context.reply.protocol);
    // As in Redis, a key that is not there is not asked for options.
    let Some(item) = context.find_read(1) else {
        write_page(context.reply, 0, 0, &elements);
        return Ok(());
    };
    let hash = context.engine.view::<Hash>(item)?;
    let mut values = true;
    let options = ScanOptions::parse(&context.args, 3, |word, _| {
        let is_known = word.eq_ignore_ascii_case(b"novalues");
        values &= !is_known;
        usize::from(is_known)
    })?;
    let mut found = 0;
    let next = hash.scan(position, options.count, now_ms, |name, value| {
        if options.wants(name.as_bytes(&mut [0; 20])) {
            found += if values { 2 } else { 1 };
            reply_entry(&mut elements, name);
            if values {
                reply_entry(&mut elements, value);
            }
        }
    });
    write_page(context.reply, next, found, &elements);
    Ok(())
}
