//! Deletion with regard to the groups that refer to an entry: XDELEX and XACKDEL, of Redis 8.2.
//! Never: trims.

use super::super::{CommandError, Context, key_at};
use super::trim::references_of;
use super::{id, integer_or, is};
use crate::engine::EventClass;
use crate::engine::value::stream::{Deleted, References, Stream, StreamId};
use crate::protocol::resp::Reply;
use std::ops::Range;

/// Reads `[KEEPREF|DELREF|ACKED] IDS numids id [id ...]` from argument `at` on; the ids' positions.
fn parse(context: &Context<'_>, at: usize) -> Result<(References, Range<usize>), CommandError> {
    let args = &context.args;
    let mut references = None;
    let mut ids = None;
    let mut index = at;
    while index < args.len() {
        let word = args.get(index);
        let wanted = references_of(word);
        if wanted.is_some() {
            if references.is_some() {
                return Err(CommandError::Syntax);
            }
            references = wanted;
            index += 1;
        } else if is(word, "IDS") && index + 1 < args.len() && ids.is_none() {
            let error = "ERR Number of IDs must be a positive integer";
            let count = integer_or(args.get(index + 1), error)?;
            let count = usize::try_from(count)
                .ok()
                .filter(|count| *count > 0)
                .ok_or(CommandError::fixed(error))?;
            index += 2;
            if count > args.len() - index {
                return Err(CommandError::fixed(
                    "ERR The `numids` parameter must match the number of arguments",
                ));
            }
            ids = Some(index..index + count);
            index += count;
        } else {
            return Err(CommandError::Syntax);
        }
    }
    let ids = ids.ok_or(CommandError::Syntax)?;
    // One malformed id, and nothing is deleted.
    for index in ids.clone() {
        id::parse_strict(args.get(index), 0)?;
    }
    Ok((references.unwrap_or(References::Keep), ids))
}

fn write(reply: &mut Reply, deleted: Deleted) {
    reply.integer(match deleted {
        Deleted::Missing => -1,
        Deleted::Yes => 1,
        Deleted::StillReferenced => 2,
    });
}

/// `XDELEX key [KEEPREF|DELREF|ACKED] IDS numids id [id ...]`.
pub fn xdelex(context: &mut Context<'_>) -> Result<(), CommandError> {
    let (references, ids) = parse(context, 2)?;
    change(context, ids, |stream, _, id| {
        let deleted = stream.delete_with_references(id, references);
        (deleted, deleted == Deleted::Yes)
    })
}

/// `XACKDEL key group [KEEPREF|DELREF|ACKED] IDS numids id [id ...]`.
pub fn xackdel(context: &mut Context<'_>) -> Result<(), CommandError> {
    let (references, ids) = parse(context, 3)?;
    change(context, ids, |stream, group, id| {
        let deleted = stream.acknowledge_and_delete(group, id, references);
        (deleted, deleted != Deleted::Missing)
    })
}

/// Does something to the entry of each id, given argument 2 as well: what became of it, and whether that is a change.
fn change(
    context: &mut Context<'_>,
    ids: Range<usize>,
    mut one: impl FnMut(&mut Stream, &[u8], StreamId) -> (Deleted, bool),
) -> Result<(), CommandError> {
    let args = &context.args;
    let key = key_at!(context, 1);
    let reply = &mut *context.reply;
    let count = ids.len();
    let done = context
        .engine
        .edit_collection::<Stream, _>(&key, false, |stream, _| {
            let (mut changes, mut is_deleted) = (0, false);
            reply.array(count);
            for index in ids {
                if let Ok(id) = id::parse_strict(args.get(index), 0) {
                    let (deleted, changed) = one(stream, args.get(2), id);
                    write(reply, deleted);
                    changes += u64::from(changed);
                    is_deleted |= deleted == Deleted::Yes;
                }
            }
            (changes, is_deleted)
        })?;
    let (changes, is_deleted) = done.unwrap_or_default();
    if is_deleted {
        context.engine.notify(EventClass::Stream, "xdel", &key);
    }
    if done.is_none() {
        reply.array(count);
        for _ in 0..count {
            write(reply, Deleted::Missing);
        }
    }
    context.stats.changes += changes;
    Ok(())
}
