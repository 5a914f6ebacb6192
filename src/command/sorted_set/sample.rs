//! ZRANDMEMBER and ZSCAN.

use super::{find_read, reply_element, reply_head, reply_member};
use crate::command::number::integer;
use crate::command::scan::{COUNT_MAX, ScanOptions, parse_cursor, write_page};
use crate::command::{CommandError, Context};
use crate::engine::value::sorted_set::SortedSet;
use crate::protocol::number::{DOUBLE_BYTES_MAX, double};
use crate::protocol::resp::Reply;

/// The longest reply with repetitions, in members: beside the request it is all that bounds it.
const REPEATED_MAX: u64 = 10_000_000;

/// `ZRANDMEMBER key [count [WITHSCORES]]`.
pub fn zrandmember(context: &mut Context<'_>) -> Result<(), CommandError> {
    if context.args.len() == 2 {
        return one_at_random(context);
    }
    let out_of_range = CommandError::fixed("ERR value is out of range");
    let count = integer(context.args.get(2))?;
    if count == i64::MIN {
        return Err(CommandError::fixed(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ));
    }
    let with_scores = match context.args.len() {
        3 => false,
        4 if context.args.get(3).eq_ignore_ascii_case(b"WITHSCORES") => true,
        _ => return Err(CommandError::Syntax),
    };
    let number = count.unsigned_abs();
    if with_scores && number > i64::MAX as u64 / 2 {
        return Err(out_of_range);
    }
    let found = context.find_read(1);
    let Some(item) = found else {
        context.reply.array(0);
        return Ok(());
    };
    let (view, random) = context.engine.view_with_random::<SortedSet>(item)?;
    let reply = &mut *context.reply;
    if count < 0 {
        if number > REPEATED_MAX {
            return Err(out_of_range);
        }
        reply_head(reply, number as usize, with_scores);
        view.random_with_repetition(number as usize, random, |member, score| {
            reply_element(reply, member, score, with_scores);
        });
    } else {
        let number = view
            .len()
            .min(usize::try_from(number).unwrap_or(usize::MAX));
        reply_head(reply, number, with_scores);
        view.random_distinct(number, random, |member, score| {
            reply_element(reply, member, score, with_scores);
        });
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
    let count = options.count.min(COUNT_MAX) as usize;
    let next = view.scan(position, count, |member, score| {
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
