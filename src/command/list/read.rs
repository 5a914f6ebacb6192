//! Lists read: LLEN, LRANGE, LINDEX, LPOS.

use super::{position, positions, reply_entry};
use crate::command::number::{integer, parse_i64};
use crate::command::{CommandError, Context};
use crate::engine::value::list::{Direction, List};
use crate::protocol::resp::Reply;

/// LLEN key.
pub fn llen(context: &mut Context<'_>) -> Result<(), CommandError> {
    let len = match context.find_read(1) {
        Some(item) => context.engine.view::<List>(item)?.len(),
        None => 0,
    };
    context.reply.integer(len as i64);
    Ok(())
}

/// LRANGE key start stop.
pub fn lrange(context: &mut Context<'_>) -> Result<(), CommandError> {
    let first = integer(context.args.get(2))?;
    let last = integer(context.args.get(3))?;
    let Some(item) = context.find_read(1) else {
        context.reply.array(0);
        return Ok(());
    };
    let list = context.engine.view::<List>(item)?;
    let range = positions(first, last, list.len());
    context.reply.array(range.len());
    for entry in list.range(range, Direction::Forward) {
        reply_entry(context.reply, entry);
    }
    Ok(())
}

/// LINDEX key index.
pub fn lindex(context: &mut Context<'_>) -> Result<(), CommandError> {
    let Some(item) = context.find_read(1) else {
        context.reply.null();
        return Ok(());
    };
    let list = context.engine.view::<List>(item)?;
    let index = integer(context.args.get(2))?;
    match position(index, list.len()).and_then(|position| list.get(position)) {
        Some(entry) => reply_entry(context.reply, entry),
        None => context.reply.null(),
    }
    Ok(())
}

/// What LPOS is asked.
struct PositionQuery {
    /// The match to begin with, from 1.
    rank: u64,
    from: Direction,
    /// None: one position and no array. 0: all.
    count: Option<u64>,
    compared_max: usize,
}

impl PositionQuery {
    fn parse(context: &Context<'_>) -> Result<PositionQuery, CommandError> {
        let mut query = PositionQuery {
            rank: 1,
            from: Direction::Forward,
            count: None,
            compared_max: usize::MAX,
        };
        let unsigned = |text: &[u8], error: &'static str| {
            parse_i64(text)
                .and_then(|value| u64::try_from(value).ok())
                .ok_or(CommandError::fixed(error))
        };
        for index in (3..context.args.len()).step_by(2) {
            if index + 1 == context.args.len() {
                return Err(CommandError::Syntax);
            }
            let value = context.args.get(index + 1);
            match context.args.get(index).to_ascii_lowercase().as_slice() {
                b"rank" => {
                    let rank = integer(value)?;
                    if rank == 0 {
                        return Err(CommandError::fixed(
                            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... \
                             or use negative to start from the end of the list",
                        ));
                    }
                    query.from = if rank < 0 {
                        Direction::Backward
                    } else {
                        Direction::Forward
                    };
                    query.rank = rank.unsigned_abs();
                }
                b"count" => query.count = Some(unsigned(value, "ERR COUNT can't be negative")?),
                b"maxlen" => {
                    let max = unsigned(value, "ERR MAXLEN can't be negative")?;
                    query.compared_max = if max == 0 { usize::MAX } else { max as usize };
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        Ok(query)
    }
}

/// LPOS key element [RANK rank] [COUNT count] [MAXLEN len].
pub fn lpos(context: &mut Context<'_>) -> Result<(), CommandError> {
    let query = PositionQuery::parse(context)?;
    let mut positions = Reply::new(context.reply.protocol);
    let mut found = 0;
    if let Some(item) = context.find_read(1) {
        let wanted = match query.count {
            None => 1,
            Some(0) => u64::MAX,
            Some(count) => count,
        };
        let mut passed = 0;
        let list = context.engine.view::<List>(item)?;
        list.find(
            context.args.get(2),
            query.from,
            query.compared_max,
            |position| {
                passed += 1;
                if passed >= query.rank {
                    positions.integer(position as i64);
                    found += 1;
                }
                found < wanted
            },
        );
    }
    match query.count {
        Some(_) => context.reply.array(found as usize),
        None if found == 0 => context.reply.null(),
        None => {}
    }
    context.reply.bytes.extend_from_slice(&positions.bytes);
    Ok(())
}
