//! Elements removed and not replied: LREM, LTRIM.

use super::{edit, positions};
use crate::command::number::integer;
use crate::command::{CommandError, Context, key_at};
use crate::engine::EventClass;
use crate::engine::value::Stored;
use crate::engine::value::list::Direction;

/// Elements that LTRIM removes at a time.
const TRIM_STEP: usize = 4096;

/// LREM key count element.
pub fn lrem(context: &mut Context<'_>) -> Result<(), CommandError> {
    let count = integer(context.args.get(2))?;
    let from = if count < 0 {
        Direction::Backward
    } else {
        Direction::Forward
    };
    let max = match count {
        0 => usize::MAX,
        _ => count.unsigned_abs() as usize,
    };
    let removed = edit(context, 1, false, |list, limits, args, _| {
        list.remove_equal(args.get(3), max, from, limits)
    })?
    .unwrap_or(0);
    if removed > 0 {
        let key = key_at!(context, 1);
        context
            .engine
            .notify_removal(EventClass::List, "lrem", &key);
    }
    context.stats.changes += removed as u64;
    context.reply.integer(removed as i64);
    Ok(())
}

/// LTRIM key start stop.
pub fn ltrim(context: &mut Context<'_>) -> Result<(), CommandError> {
    let first = integer(context.args.get(2))?;
    let last = integer(context.args.get(3))?;
    let removed = edit(context, 1, false, |list, limits, _, _| {
        let kept = positions(first, last, list.len());
        let mut removed = 0;
        for (start, mut left) in [(kept.end, list.len() - kept.end), (0, kept.start)] {
            while left > 0 {
                let step = left.min(TRIM_STEP);
                list.remove_range(start..start + step, limits);
                left -= step;
                removed += step;
            }
        }
        removed
    })?;
    if let Some(removed) = removed {
        // An event even when nothing was cut off, as in Redis.
        let key = key_at!(context, 1);
        context
            .engine
            .notify_removal(EventClass::List, "ltrim", &key);
        context.stats.changes += removed as u64;
    }
    context.reply.ok();
    Ok(())
}
