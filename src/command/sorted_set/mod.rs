//! Commands on sorted sets.
//!
//! Every range of a request becomes a range of ranks (`range`), whatever it was given by. Sources that may be plain sets as well are in
//! `combine`. Never: keeps members of a reply anywhere but in the reply.

pub mod add;
pub mod combine;
pub mod docs;
pub mod pop;
pub mod range;
pub mod read;
pub mod rows;
pub mod sample;
pub mod score;
#[cfg(test)]
mod tests;

use crate::engine::value::packed::Entry;
use crate::protocol::resp::{Protocol, Reply};

/// Looks an argument up in order to read it, as [`crate::command::Context::find_read`] does, while arguments are borrowed.
macro_rules! find_read {
    ($context:expr, $index:expr) => {{
        let key = $crate::command::key_at!($context, $index);
        let found = $context.engine.find(&key, $context.touch);
        $context
            .stats
            .count_read($context.engine, &key, found.is_some());
        found
    }};
}
use find_read;

/// Writes a member.
#[inline]
fn reply_member(reply: &mut Reply, member: Entry<'_>) {
    match member {
        Entry::Bytes(bytes) => reply.bulk(bytes),
        Entry::Integer(integer) => reply.bulk_integer(integer),
    }
}

/// Writes the head of a list of members, with their scores or without: in RESP3 a member and its score are an array of their own.
#[inline]
fn reply_head(reply: &mut Reply, len: usize, with_scores: bool) {
    match reply.protocol {
        Protocol::Resp2 if with_scores => reply.array(len * 2),
        _ => reply.array(len),
    }
}

/// Writes an element of such a list.
#[inline]
fn reply_element(reply: &mut Reply, member: Entry<'_>, score: f64, with_scores: bool) {
    if !with_scores {
        reply_member(reply, member);
        return;
    }
    if reply.protocol == Protocol::Resp3 {
        reply.array(2);
    }
    reply_member(reply, member);
    reply.double(score);
}
