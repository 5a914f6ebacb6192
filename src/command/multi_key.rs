//! MSET and MSETNX: several strings in one command. Across shards MSETNX is [`any_exists`] everywhere, then MSET.

use super::{CommandError, Context, key_at};
use crate::engine::{EventClass, Expiry, NewValue, Touch};
use crate::protocol::args::Args;

fn check_pairs(args: &Args<'_>, name: &str) -> Result<(), CommandError> {
    if args.len().is_multiple_of(2) {
        Err(CommandError::arity(name))
    } else {
        Ok(())
    }
}

fn store_all(context: &mut Context<'_>) -> Result<(), CommandError> {
    for index in (1..context.args.len()).step_by(2) {
        let large = context.args.take_large(index + 1);
        let key = key_at!(context, index);
        let value = large.map_or_else(
            || NewValue::Bytes(context.args.get(index + 1)),
            NewValue::Large,
        );
        context.engine.set(&key, value, Expiry::None)?;
        context.engine.notify(EventClass::String, "set", &key);
        context.stats.changes += 1;
    }
    Ok(())
}

/// Whether one of the keys of MSETNX is there. It counts nothing, as the look-up for a write that it is.
pub fn any_exists(context: &mut Context<'_>) -> bool {
    (1..context.args.len()).step_by(2).any(|index| {
        let key = key_at!(context, index);
        context.engine.find(&key, Touch::No).is_some()
    })
}

/// MSET key value [key value ...].
pub fn mset(context: &mut Context<'_>) -> Result<(), CommandError> {
    check_pairs(&context.args, "mset")?;
    store_all(context)?;
    context.reply.ok();
    Ok(())
}

/// MSETNX key value [key value ...].
pub fn msetnx(context: &mut Context<'_>) -> Result<(), CommandError> {
    check_pairs(&context.args, "msetnx")?;
    let store = !any_exists(context);
    if store {
        store_all(context)?;
    }
    context.reply.integer(i64::from(store));
    Ok(())
}
