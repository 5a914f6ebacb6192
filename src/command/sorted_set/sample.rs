//! ZRANDMEMBER and ZSCAN.

use super::{find_read, reply_element, reply_head, reply_member};
use crate::command::sample::{self, Sample};
use crate::command::scan::{ScanOptions, parse_cursor, write_page};
use crate::command::{CommandError, Context};
use crate::engine::value::sorted_set::SortedSet;
use crate::protocol::number::{DOUBLE_BYTES_MAX, double};
use crate::protocol::resp::Reply;

/// `ZRANDMEMBER key [count [WITHSCORES]]`.
pub fn zrandmember(context: &mut Context<'_>) -> Result<(), CommandError> {
    if context.args.len() == 2 {
        return one_at_random(context);
    }
    let count = sample::count(context.args.get(2))?;
    let with_scores = match context.args.len() {
        3 => false,
        4 if context.args.get(3).eq_ignore_ascii_case(b"WITHSCORES") => true,
        _ => return Err(CommandError::Syntax),
    };
    if with_scores && count.unsigned_abs() > i64::MAX as u64 / 2 {
        return Err(CommandError::fixed("ERR value is out of range"));
    }
    let found = context.find_read(1);
    let Some(item) = found else {
        context.reply.array(0);
        return Ok(());
    };
    let (view, random) = context.engine.view_with_random::<SortedSet>(item)?;
    let reply = &mut *context.reply;
    match Sample::of(count)? {
        Sample::Repeated(number) => {
            reply_head(reply, number, with_scores);
            view.random_with_repetition(number, random, |member, score| {
                reply_element(reply, member, score, with_scores);
            });
        }
        Sample::Distinct(number) => {
            let number = view.len().min(number);
            reply_head(reply, number, with_scores);
            view.random_distinct(number, random, |member, score| {
                reply_element(reply, member, score, with_scores);
            });
        }
    }
    Ok(())
}

fn one_at_random(context: &mut Context<'_>) -> Result<(), CommandError> {
    let Some(item) = context.find_read(1) else {
        context.reply.null();
        return Ok(());
    };
    let (view, random) = context.engine.view_with_random::<SortedSet>(item)?;
    let reply = &mut *context.reply;
    view.random_with_repetition(1, random, |member, _| reply_member(reply, member));
    Ok(())
}

/// `ZSCAN key cursor [MATCH pattern] [COUNT count]`.
pub fn zscan(context: &mut Context<'_>) -> Result<(), CommandError> {
    let position = parse_cursor(context.args.get(2))?;
    let mut elements = Reply::new(context.reply.protocol);
    let Some(item) = find_read!(context, 1) else {
        write_page(context.reply, 0, 0, &elements);
        return Ok(());
    };
    let view = context.engine.view::<SortedSet>(item)?;
    let options = ScanOptions::parse(&context.args, 3, |_, _| 0)?;
    let mut found = 0;
    let next = view.scan(position, options.count, |member, score| {
        let mut digits = [0; 20];
        let bytes = member.as_bytes(&mut digits);
        if options.wants(bytes) {
            elements.bulk(bytes);
            // A string in either protocol.
            elements.bulk(double(&mut [0; DOUBLE_BYTES_MAX], score));
            found += 2;
        }
    });
    write_page(context.reply, next, found, &elements);
    Ok(())
}
