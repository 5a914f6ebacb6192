//! Streams out of payloads and files, of every version up to 14.
//! Never: checks what only a stream can: that ids grow, that pending entries have one consumer each. `Stream::from_parts` does.
//! The decision worth knowing: what torc has no place for is read and left out: which entries the producers of Redis 8.6 have added lately. Entries
//! that consumers of Redis 8.8 gave back have no consumer there; here they get one without a name, whom XAUTOCLAIM and XCLAIM take them from.

use super::decode::Decoded;
use super::reader::Reader;
use super::{DumpError, kind};
use crate::engine::value::stream::StreamId;
use crate::engine::value::stream::listpack;
use crate::engine::value::stream::log::Counters;
use crate::engine::value::stream::node::Node;
use crate::engine::value::stream::parts::{ConsumerParts, GroupParts, PendingParts, StreamParts};
use std::cmp::Ordering;

pub(super) fn stream(reader: &mut Reader<'_>, kind: u8) -> Decoded<StreamParts> {
    let mut nodes = Vec::new();
    for _ in 0..reader.count()? {
        let first = reader.string()?.try_into().map_err(|_| DumpError::Format)?;
        let listpack = reader.string()?;
        listpack::check(&listpack).ok_or(DumpError::Format)?;
        nodes.push((StreamId::from_bytes(first), listpack));
    }
    let length = reader.number()?;
    let mut counters = Counters {
        last_id: stream_id(reader)?,
        entries_added: length,
        max_deleted_id: StreamId::MIN,
    };
    if kind >= kind::STREAM_2 {
        // The first id follows from the entries.
        stream_id(reader)?;
        counters.max_deleted_id = stream_id(reader)?;
        counters.entries_added = reader.number()?;
    }
    let mut groups = Vec::new();
    for _ in 0..reader.count()? {
        groups.push(group(reader, kind)?);
    }
    if kind < kind::STREAM_2 && !groups.is_empty() {
        let first = first_live(&nodes);
        for group in &mut groups {
            group.entries_read = entries_read(group.last_id, length, counters.last_id, first);
        }
    }
    if kind >= kind::STREAM_4 {
        skip_producers(reader)?;
    }
    Ok(StreamParts {
        nodes,
        length,
        counters,
        groups,
    })
}

fn stream_id(reader: &mut Reader<'_>) -> Decoded<StreamId> {
    Ok(StreamId::new(reader.number()?, reader.number()?))
}

/// The first entry that was not deleted. A node that is none is found out when the stream is made.
fn first_live(nodes: &[(StreamId, Vec<u8>)]) -> Option<StreamId> {
    nodes.iter().find_map(|(first, listpack)| {
        let node = Node::from_listpack(*first, listpack.clone())?;
        let mut entries = node.cursor(*first);
        entries
            .find(|entry| !entry.is_deleted())
            .map(|entry| entry.id)
    })
}

/// How many entries a group has read whose stream did not count them yet, where that is certain; as Redis has it, entries before the first are not counted.
fn entries_read(
    last_id: StreamId,
    length: u64,
    stream_last_id: StreamId,
    first: Option<StreamId>,
) -> Option<i64> {
    let Some(first) = first else {
        return Some(0);
    };
    if last_id == stream_last_id {
        return i64::try_from(length).ok();
    }
    match last_id.cmp(&first) {
        Ordering::Less => Some(0),
        Ordering::Equal => Some(1),
        Ordering::Greater => None,
    }
}

fn group(reader: &mut Reader<'_>, kind: u8) -> Decoded<GroupParts> {
    let name = reader.string()?;
    let last_id = stream_id(reader)?;
    let mut entries_read = None;
    if kind >= kind::STREAM_2 {
        // -1 says that it is unknown.
        entries_read = Some(reader.number()? as i64).filter(|read| *read >= 0);
    }
    let mut pending = Vec::new();
    for _ in 0..reader.count()? {
        reader.charge(0)?;
        pending.push(PendingParts {
            id: StreamId::from_bytes(reader.array()?),
            delivery_time_ms: i64::from_le_bytes(reader.array()?),
            delivery_count: reader.number()?,
        });
    }
    let mut consumers = Vec::new();
    for _ in 0..reader.count()? {
        consumers.push(consumer(reader, kind)?);
    }
    if kind >= kind::STREAM_5 {
        give_back(&mut consumers, ids(reader)?);
    }
    Ok(GroupParts {
        name,
        last_id,
        entries_read,
        pending,
        consumers,
    })
}

/// Gives these pending entries to the consumer without a name.
fn give_back(consumers: &mut Vec<ConsumerParts>, ids: Vec<StreamId>) {
    if ids.is_empty() {
        return;
    }
    let nobody = consumers
        .iter()
        .position(|consumer| consumer.name.is_empty())
        .unwrap_or_else(|| {
            consumers.push(ConsumerParts::default());
            consumers.len() - 1
        });
    consumers[nobody].pending.extend(ids);
}

fn consumer(reader: &mut Reader<'_>, kind: u8) -> Decoded<ConsumerParts> {
    let name = reader.string()?;
    let seen_time_ms = i64::from_le_bytes(reader.array()?);
    // Before it was kept, it is taken to be the same.
    let mut active_time_ms = Some(seen_time_ms);
    if kind >= kind::STREAM_3 {
        active_time_ms = Some(i64::from_le_bytes(reader.array()?)).filter(|time| *time != -1);
    }
    Ok(ConsumerParts {
        name,
        seen_time_ms,
        active_time_ms,
        pending: ids(reader)?,
    })
}

fn ids(reader: &mut Reader<'_>) -> Decoded<Vec<StreamId>> {
    let mut ids = Vec::new();
    for _ in 0..reader.count()? {
        reader.charge(0)?;
        ids.push(StreamId::from_bytes(reader.array()?));
    }
    Ok(ids)
}

/// How long and how many of the producers' own ids are kept, then for each producer its ids and those of the entries they became, then two counters.
fn skip_producers(reader: &mut Reader<'_>) -> Decoded<()> {
    reader.number()?;
    reader.number()?;
    for _ in 0..reader.count()? {
        reader.string()?;
        for _ in 0..reader.count()? {
            reader.string()?;
            stream_id(reader)?;
        }
    }
    reader.number()?;
    reader.number()?;
    Ok(())
}
