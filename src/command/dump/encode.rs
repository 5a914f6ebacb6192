//! Values into payloads. Each function takes iterators, so that a large collection is not
//! copied first, and the number of its elements, which goes before them; the two must agree.

use super::writer::{Payload, Writer};
use super::{NODE_PACKED, NODE_PLAIN, VERSION_7_0, VERSION_7_2, VERSION_7_4, kind};
use crate::engine::value::list::ListLimits;
use crate::engine::value::stream::LargeStream;
use crate::engine::value::stream::listpack::{self, Appender};
use crate::protocol::number::{DOUBLE_BYTES_MAX, double};

/// How long nodes of lists are, unless Redis is told otherwise.
const LIMITS: ListLimits = ListLimits { listpack_size: -2 };
/// Elements from this length on are nodes of their own, not listpacks.
const PLAIN_BYTES_MIN: usize = 1 << 30;
/// Smaller collections are written as one listpack, as Redis would hold them.
const PACKED_ENTRIES_MAX: usize = 128;
/// Unless an element is longer.
const PACKED_VALUE_BYTES_MAX: usize = 64;

/// A payload of a string.
pub fn string(text: &[u8]) -> Payload {
    let mut out = Writer::new(kind::STRING);
    out.string(text);
    out.end(VERSION_7_0)
}

/// A payload of a list, from its head.
pub fn list(elements: impl Iterator<Item = impl AsRef<[u8]>>) -> Payload {
    let mut nodes: Vec<(u64, Vec<u8>)> = Vec::new();
    for element in elements {
        let element = element.as_ref();
        if element.len() >= PLAIN_BYTES_MIN {
            nodes.push((NODE_PLAIN, element.to_vec()));
            continue;
        }
        let fits = |(form, node): &&mut (u64, Vec<u8>)| {
            *form == NODE_PACKED && LIMITS.allow(node.len(), 1, element)
        };
        match nodes.last_mut().filter(fits) {
            Some((_, node)) => Appender::new(node).push(element),
            None => nodes.push((NODE_PACKED, listpack::of([element]))),
        }
    }
    let mut out = Writer::new(kind::LIST_QUICKLIST_2);
    out.number(nodes.len() as u64);
    for (form, node) in nodes {
        out.number(form);
        out.string(&node);
    }
    out.end(VERSION_7_0)
}

/// A payload of a set.
pub fn set(len: usize, members: impl Iterator<Item = impl AsRef<[u8]>>) -> Payload {
    let mut out = Writer::new(kind::SET);
    out.number(len as u64);
    members.for_each(|member| out.string(member.as_ref()));
    out.end(VERSION_7_0)
}

/// A payload of a set of integers that is held as such, in their order.
pub fn intset(members: impl Iterator<Item = i64> + Clone) -> Payload {
    let is_within =
        |low: i64, high: i64| members.clone().all(|value| (low..=high).contains(&value));
    let width: u32 = if is_within(i16::MIN.into(), i16::MAX.into()) {
        2
    } else if is_within(i32::MIN.into(), i32::MAX.into()) {
        4
    } else {
        8
    };
    let mut packed = width.to_le_bytes().to_vec();
    packed.extend_from_slice(&(members.clone().count() as u32).to_le_bytes());
    for value in members {
        packed.extend_from_slice(&value.to_le_bytes()[..width as usize]);
    }
    let mut out = Writer::new(kind::SET_INTSET);
    out.string(&packed);
    out.end(VERSION_7_0)
}

/// A payload of a small sorted set, in the order of its scores, which are written as Redis 7.2 writes numbers.
pub fn packed_sorted_set(members: impl Iterator<Item = (impl AsRef<[u8]>, f64)>) -> Payload {
    let mut packed = listpack::empty();
    let mut appender = Appender::new(&mut packed);
    for (member, score) in members {
        appender.push(member.as_ref());
        appender.push(double(&mut [0; DOUBLE_BYTES_MAX], score));
    }
    drop(appender);
    let mut out = Writer::new(kind::SORTED_SET_LISTPACK);
    out.string(&packed);
    out.end(VERSION_7_0)
}

/// A payload of a sorted set; Redis writes the greatest scores first.
pub fn sorted_set(len: usize, members: impl Iterator<Item = (impl AsRef<[u8]>, f64)>) -> Payload {
    let mut out = Writer::new(kind::SORTED_SET);
    out.number(len as u64);
    for (member, score) in members {
        out.string(member.as_ref());
        out.bytes(&score.to_le_bytes());
    }
    out.end(VERSION_7_0)
}

/// A payload of a hash: names, values and expiries in milliseconds since 1970.
pub fn hash<N: AsRef<[u8]>, V: AsRef<[u8]>>(
    len: usize,
    fields: impl Iterator<Item = (N, V, Option<i64>)> + Clone,
) -> Payload {
    if let Some(earliest) = fields.clone().filter_map(|(.., expires)| expires).min() {
        return expiring_hash(len, fields, earliest);
    }
    let short = |text: &[u8]| text.len() <= PACKED_VALUE_BYTES_MAX;
    if len <= PACKED_ENTRIES_MAX
        && fields
            .clone()
            .all(|(name, value, _)| short(name.as_ref()) && short(value.as_ref()))
    {
        let mut packed = listpack::empty();
        let mut appender = Appender::new(&mut packed);
        for (name, value, _) in fields {
            appender.push(name.as_ref());
            appender.push(value.as_ref());
        }
        drop(appender);
        let mut out = Writer::new(kind::HASH_LISTPACK);
        out.string(&packed);
        return out.end(VERSION_7_0);
    }
    let mut out = Writer::new(kind::HASH);
    out.number(len as u64);
    for (name, value, _) in fields {
        out.string(name.as_ref());
        out.string(value.as_ref());
    }
    out.end(VERSION_7_0)
}

fn expiring_hash<N: AsRef<[u8]>, V: AsRef<[u8]>>(
    len: usize,
    fields: impl Iterator<Item = (N, V, Option<i64>)>,
    earliest: i64,
) -> Payload {
    let mut out = Writer::new(kind::HASH_EXPIRING);
    out.bytes(&earliest.to_le_bytes());
    out.number(len as u64);
    for (name, value, expires) in fields {
        out.number(expires.map_or(0, |at| at.abs_diff(earliest) + 1));
        out.string(name.as_ref());
        out.string(value.as_ref());
    }
    out.end(VERSION_7_4)
}

/// A payload of a stream, for servers of this version: from [`VERSION_7_2`] on it says when consumers were active.
pub fn stream(stream: &LargeStream, version: u16) -> Payload {
    let parts = stream.to_parts();
    let active = version >= VERSION_7_2;
    let mut out = Writer::new(if active {
        kind::STREAM_3
    } else {
        kind::STREAM_2
    });
    out.number(parts.nodes.len() as u64);
    for (first, listpack) in &parts.nodes {
        out.string(&first.to_bytes());
        out.string(listpack);
    }
    let counters = &parts.counters;
    out.number(parts.length);
    for id in [
        counters.last_id,
        stream.log().first_id(),
        counters.max_deleted_id,
    ] {
        out.number(id.ms);
        out.number(id.seq);
    }
    out.number(counters.entries_added);
    out.number(parts.groups.len() as u64);
    for group in &parts.groups {
        out.string(&group.name);
        out.number(group.last_id.ms);
        out.number(group.last_id.seq);
        out.number(group.entries_read.unwrap_or(-1) as u64);
        out.number(group.pending.len() as u64);
        for pending in &group.pending {
            out.bytes(&pending.id.to_bytes());
            out.bytes(&pending.delivery_time_ms.to_le_bytes());
            out.number(pending.delivery_count);
        }
        out.number(group.consumers.len() as u64);
        for consumer in &group.consumers {
            out.string(&consumer.name);
            out.bytes(&consumer.seen_time_ms.to_le_bytes());
            if active {
                out.bytes(&consumer.active_time_ms.unwrap_or(-1).to_le_bytes());
            }
            out.number(consumer.pending.len() as u64);
            for id in &consumer.pending {
                out.bytes(&id.to_bytes());
            }
        }
    }
    out.end(if active { VERSION_7_2 } else { VERSION_7_0 })
}
