//! Commands on whole databases: DBSIZE, FLUSHDB, FLUSHALL, SWAPDB. Across shards every shard carries them out.

use super::number::parse_i64;
use super::{CommandError, Context};

/// Reads a database's number.
pub fn database_index(text: &[u8], databases: usize) -> Result<usize, CommandError> {
    let index = parse_i64(text).ok_or(CommandError::NotInteger)?;
    let index = i32::try_from(index).map_err(|_| {
        CommandError::fixed(
            "ERR value is out of range, value must between -2147483648 and 2147483647",
        )
    })?;
    in_range(index, databases)
}

fn in_range(index: i32, databases: usize) -> Result<usize, CommandError> {
    usize::try_from(index)
        .ok()
        .filter(|&index| index < databases)
        .ok_or(CommandError::fixed("ERR DB index is out of range"))
}

/// DBSIZE.
pub fn dbsize(context: &mut Context<'_>) -> Result<(), CommandError> {
    context.reply.integer(context.engine.len(context.db) as i64);
    Ok(())
}

/// Whether the memory may come back later. It does unless SYNC asks for the opposite: no command may hold a shard for as long as freeing takes.
fn lazy(context: &Context<'_>) -> Result<bool, CommandError> {
    match context.args.len() {
        1 => Ok(true),
        2 if context.args.get(1).eq_ignore_ascii_case(b"ASYNC") => Ok(true),
        2 if context.args.get(1).eq_ignore_ascii_case(b"SYNC") => Ok(false),
        _ => Err(CommandError::Syntax),
    }
}

fn flush(context: &mut Context<'_>, db: usize, lazy: bool) {
    context.stats.changes += context.engine.len(db) as u64;
    context.engine.flush(db, lazy);
}

/// FLUSHDB [ASYNC | SYNC].
pub fn flushdb(context: &mut Context<'_>) -> Result<(), CommandError> {
    let lazy = lazy(context)?;
    flush(context, context.db, lazy);
    context.reply.ok();
    Ok(())
}

/// FLUSHALL [ASYNC | SYNC].
pub fn flushall(context: &mut Context<'_>) -> Result<(), CommandError> {
    let lazy = lazy(context)?;
    for db in 0..context.engine.databases() {
        flush(context, db, lazy);
    }
    context.reply.ok();
    Ok(())
}

/// SWAPDB index1 index2.
pub fn swapdb(context: &mut Context<'_>) -> Result<(), CommandError> {
    let read = |index: usize, error: &'static str| {
        parse_i64(context.args.get(index))
            .and_then(|index| i32::try_from(index).ok())
            .ok_or(CommandError::fixed(error))
    };
    let first = read(1, "ERR invalid first DB index")?;
    let second = read(2, "ERR invalid second DB index")?;
    let first = in_range(first, context.engine.databases())?;
    let second = in_range(second, context.engine.databases())?;
    if first != second {
        context.engine.swap(first, second);
    }
    context.stats.changes += 1;
    context.reply.ok();
    Ok(())
}
