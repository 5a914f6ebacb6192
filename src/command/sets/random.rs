//! Members chosen at random: SPOP, SRANDMEMBER.
//! Never: more members popped than there are, nor room made beforehand for a count that a client only claims.

use crate::command::number::integer;
use crate::command::{CommandError, Context, key_at};
use crate::engine::value::Stored;
use crate::engine::value::set::Set;

/// SPOP key [count].
pub fn spop(context: &mut Context<'_>) -> Result<(), CommandError> {
    if context.args.len() > 3 {
        return Err(CommandError::Syntax);
    }
    let count = match context.args.len() {
        2 => None,
        _ => Some(
            integer(context.args.get(2))
                .ok()
                .and_then(|count| usize::try_from(count).ok())
                .ok_or(CommandError::fixed(
                    "ERR value is out of range, must be positive",
                ))?,
        ),
    };
    let key = key_at!(context, 1);
    let reply = &mut *context.reply;
    let popped = context
        .engine
        .edit_collection::<Set, _>(&key, false, |set, editing| {
            let popped = count.unwrap_or(1).min(set.len());
            if count.is_some() {
                reply.set(popped);
            }
            for _ in 0..popped {
                let found = set.pop_random(editing.random, |entry| {
                    reply.bulk(entry.as_bytes(&mut [0; 20]));
                });
                assert!(found, "no more are popped than there are");
            }
            popped
        });
    // A smaller set is put back in no more memory than it had, so what fails here is the type, and nothing is written.
    match popped? {
        Some(popped) => context.stats.changes += popped as u64,
        None if count.is_some() => context.reply.set(0),
        None => context.reply.null(),
    }
    Ok(())
}

/// SRANDMEMBER key [count].
pub fn srandmember(context: &mut Context<'_>) -> Result<(), CommandError> {
    if context.args.len() > 3 {
        return Err(CommandError::Syntax);
    }
    let count = match context.args.len() {
        2 => None,
        _ => Some(integer(context.args.get(2))?),
    };
    if count.is_some_and(|count| count == i64::MIN) {
        return Err(CommandError::fixed(
            "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807",
        ));
    }
    let Some(item) = context.find_read(1) else {
        match count {
            Some(_) => context.reply.array(0),
            None => context.reply.null(),
        }
        return Ok(());
    };
    let (set, random) = context.engine.view_with_random::<Set>(item)?;
    let reply = &mut *context.reply;
    match count {
        None => {
            let entry = set.random(random).expect("no key holds an empty set");
            reply.bulk(entry.as_bytes(&mut [0; 20]));
        }
        Some(count) if count >= 0 => {
            let shown = set.len().min(count as usize);
            reply.array(shown);
            set.random_distinct(shown, random, |entry| {
                reply.bulk(entry.as_bytes(&mut [0; 20]));
            });
        }
        Some(count) => {
            let shown = count.unsigned_abs() as usize;
            reply.array(shown);
            set.random_repeated(shown, random, |entry| {
                reply.bulk(entry.as_bytes(&mut [0; 20]));
            });
        }
    }
    Ok(())
}
