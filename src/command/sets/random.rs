//! Members chosen at random: SPOP, SRANDMEMBER.
//! Never: more members popped than there are, nor room made beforehand for a count that a client only claims.

use crate::command::number::integer;
use crate::command::sample::{self, Sample};
use crate::command::{CommandError, Context, key_at};
use crate::engine::EventClass;
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
    let is_journaled = context.engine.is_journaled();
    let mut members: Vec<Box<[u8]>> = Vec::new();
    let reply = &mut *context.reply;
    let popped = context
        .engine
        .edit_collection::<Set, _>(&key, false, |set, editing| {
            let popped = count.unwrap_or(1).min(set.len());
            *editing.is_unchanged = popped == 0;
            if count.is_some() {
                reply.set(popped);
            }
            for _ in 0..popped {
                let found = set.pop_random(editing.random, |entry| {
                    let mut digits = [0; 20];
                    let member = entry.as_bytes(&mut digits);
                    reply.bulk(member);
                    if is_journaled {
                        members.push(member.into());
                    }
                });
                assert!(found, "no more are popped than there are");
            }
            popped
        });
    // A smaller set is put back in no more memory than it had, so what fails here is the type, and nothing is written.
    match popped? {
        Some(0) => {}
        Some(popped) => {
            context.engine.notify_removal(EventClass::Set, "spop", &key);
            context.stats.changes += popped as u64;
            if is_journaled {
                // Run again, chance would take others.
                let head: [Box<[u8]>; 2] = [(*b"SREM").into(), key.bytes.into()];
                members.splice(0..0, head);
                context.engine.note_effect(members);
            }
        }
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
        _ => Some(sample::count(context.args.get(2))?),
    };
    let Some(item) = context.find_read(1) else {
        match count {
            Some(_) => context.reply.array(0),
            None => context.reply.null(),
        }
        return Ok(());
    };
    let (set, random) = context.engine.view_with_random::<Set>(item)?;
    let reply = &mut *context.reply;
    match count.map(Sample::of).transpose()? {
        None => {
            let entry = set.random(random).expect("no key holds an empty set");
            reply.bulk(entry.as_bytes(&mut [0; 20]));
        }
        Some(Sample::Distinct(count)) => {
            let shown = set.len().min(count);
            reply.array(shown);
            set.random_distinct(shown, random, |entry| {
                reply.bulk(entry.as_bytes(&mut [0; 20]));
            });
        }
        Some(Sample::Repeated(shown)) => {
            reply.array(shown);
            set.random_repeated(shown, random, |entry| {
                reply.bulk(entry.as_bytes(&mut [0; 20]));
            });
        }
    }
    Ok(())
}
