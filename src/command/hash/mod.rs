//! Commands on hashes.
//!
//! Never: removes expired fields in the background; here they are invisible at once, and a few go with every change of their hash.
//! The one decision worth knowing: a command finds its key once. What reads writes the reply straight from the stored form, and what writes does
//! all it has to in one edit of the collection.

mod docs;
mod numbers;
mod read;
mod rows;
mod sample;
#[cfg(test)]
mod tests;
mod write;

pub use rows::ROWS;

use super::{CommandError, Context};
use crate::engine::value::hash::{Hash, HashView};
use crate::engine::value::packed::Entry;
use crate::protocol::resp::Reply;

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
fn remove_expired(hash: &mut Hash, now_ms: i64) {
    if hash.view().next_expiry().is_some_and(|next| next <= now_ms) {
        hash.expire_due(now_ms, EXPIRED_FIELDS_MAX, |_| {});
    }
}
