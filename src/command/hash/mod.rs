//! Commands on hashes.
//!
//! Never: removes expired fields in the background; here they are invisible at once, a few go with every change of their hash, and one that is
//! asked for by its name goes then.
//! The one decision worth knowing: a command finds its key once. What reads writes the reply straight from the stored form, and what writes does
//! all it has to in one edit of the collection.

mod docs;
mod expiry;
mod field_list;
mod get_and_set;
mod numbers;
mod read;
mod rows;
mod sample;
#[cfg(test)]
mod tests;
mod write;

pub use rows::ROWS;

use super::{CommandError, Context, key_at};
use crate::engine::value::Stored;
use crate::engine::value::hash::{Hash, HashView};
use crate::engine::value::packed::Entry;
use crate::engine::{Editing, Touch};
use crate::protocol::resp::Reply;
use std::ops::Range;

/// Expired fields that one change of a hash removes beside its own work.
const EXPIRED_FIELDS_MAX: usize = 16;

/// Looks the hash at argument 1 up in order to read it; counts a hit or a miss.
#[inline]
fn find<'c>(
    context: &'c mut Context<'_>,
) -> Result<Option<(HashView<'c>, &'c mut Reply)>, CommandError> {
    let Some(item) = context.find_read(1) else {
        return Ok(None);
    };
    Ok(Some((
        context.engine.view::<Hash>(item)?,
        &mut *context.reply,
    )))
}

/// Replies with a name or a value.
#[inline]
fn reply_entry(reply: &mut Reply, entry: Entry<'_>) {
    match entry {
        Entry::Bytes(bytes) => reply.bulk(bytes),
        Entry::Integer(integer) => reply.bulk_integer(integer),
    }
}

/// Removes some of the fields that have expired, before a change. A hash without any costs a comparison.
#[inline]
fn remove_expired(hash: &mut Hash, editing: &mut Editing<'_>) {
    let now_ms = editing.now_ms;
    if hash.view().next_expiry().is_some_and(|next| next <= now_ms) {
        let removed = hash.expire_due(now_ms, EXPIRED_FIELDS_MAX, |_| {});
        *editing.expired_fields += removed as u64;
        *editing.found_expired = true;
    }
}

/// Removes some of the fields that have expired before a command that chooses among all; one without any costs a look-up.
fn remove_expired_first(context: &mut Context<'_>) -> Result<(), CommandError> {
    let key = key_at!(context, 1);
    let Some(item) = context.engine.find(&key, Touch::No) else {
        return Ok(());
    };
    let next = context.engine.view::<Hash>(item)?.next_expiry();
    if next.is_some_and(|next| next <= context.engine.now_ms()) {
        context
            .engine
            .edit_collection::<Hash, _>(&key, false, |hash, mut editing| {
                remove_expired(hash, &mut editing);
            })?;
        context.engine.notify_if_gone(&key);
    }
    Ok(())
}

/// Removes those of the fields at these arguments that are still there but have expired, and the hash with its last one: for a command that reads and
/// did not find all it was asked for in a hash with expiries.
#[cold]
fn remove_expired_of(context: &mut Context<'_>, names: Range<usize>) -> Result<(), CommandError> {
    let args = &context.args;
    let key = key_at!(context, 1);
    context
        .engine
        .edit_collection::<Hash, _>(&key, false, |hash, editing| {
            for index in names {
                let name = args.get(index);
                if !hash.view().contains(name, editing.now_ms) {
                    let before = hash.len();
                    hash.remove(name, editing.now_ms);
                    let removed = before - hash.len();
                    *editing.expired_fields += removed as u64;
                    *editing.found_expired |= removed > 0;
                }
            }
        })?;
    context.engine.notify_if_gone(&key);
    Ok(())
}
