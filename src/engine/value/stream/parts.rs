//! A stream as plain data: what a DUMP payload of one holds.
//! Never: trusts what it is given. Whatever does not go together makes no stream.

use super::group::Group;
use super::id::StreamId;
use super::log::{Counters, Log};
use super::node::Node;
use super::{LargeStream, Stream};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StreamParts {
    /// The nodes' first ids and listpacks, in order.
    pub nodes: Vec<(StreamId, Vec<u8>)>,
    /// Entries in the nodes that are not deleted.
    pub length: u64,
    /// The counters.
    pub counters: Counters,
    /// The groups.
    pub groups: Vec<GroupParts>,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupParts {
    /// Its name.
    pub name: Vec<u8>,
    /// The last id delivered.
    pub last_id: StreamId,
    /// Entries read, None when unknown.
    pub entries_read: Option<i64>,
    /// The pending entries by id.
    pub pending: Vec<PendingParts>,
    /// The consumers.
    pub consumers: Vec<ConsumerParts>,
}

/// A pending entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PendingParts {
    /// The entry.
    pub id: StreamId,
    /// When it was last delivered.
    pub delivery_time_ms: i64,
    /// How often.
    pub delivery_count: u64,
}

/// A consumer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConsumerParts {
    /// Its name.
    pub name: Vec<u8>,
    /// When it last asked for anything.
    pub seen_time_ms: i64,
    /// When it last got anything.
    pub active_time_ms: Option<i64>,
    /// The ids of its pending entries, which are all among the group's.
    pub pending: Vec<StreamId>,
}

impl Stream {
    /// A stream of these parts; None when they contradict each other.
    pub fn from_parts(parts: StreamParts) -> Option<Stream> {
        let mut nodes = Vec::with_capacity(parts.nodes.len());
        for (first, listpack) in parts.nodes {
            let node = Node::from_listpack(first, listpack)?;
            // Nodes of a log have something to show.
            if node.live() > 0 {
                nodes.push((first, node));
            }
        }
        let log = Log::from_nodes(nodes, parts.counters)?;
        if log.len() != parts.length {
            return None;
        }
        let mut stream = Stream {
            body: Box::new(LargeStream {
                log,
                ..LargeStream::default()
            }),
        };
        for parts in parts.groups {
            if stream.view().group(&parts.name).is_some() {
                return None;
            }
            let group = group(&parts)?;
            stream.insert_group(parts.name.into(), group);
        }
        Some(stream)
    }
}

fn group(parts: &GroupParts) -> Option<Group> {
    let mut pending: Vec<PendingParts> = parts.pending.clone();
    pending.sort_by_key(|pending| pending.id);
    let mut group = Group::new(parts.last_id, parts.entries_read);
    for consumer in &parts.consumers {
        let number = group.insert_parts_consumer(
            &consumer.name,
            consumer.seen_time_ms,
            consumer.active_time_ms,
        )?;
        for id in &consumer.pending {
            let at = pending
                .binary_search_by_key(id, |pending| pending.id)
                .ok()?;
            let found = pending[at];
            if !group.insert_parts_pending(
                *id,
                number,
                found.delivery_time_ms,
                found.delivery_count,
            ) {
                return None;
            }
        }
    }
    // Every pending entry has exactly one consumer: none is left over and none was there twice.
    (group.pending_len() == pending.len()).then_some(group)
}

impl LargeStream {
    /// The parts of this stream, copied.
    pub fn to_parts(&self) -> StreamParts {
        StreamParts {
            nodes: self
                .log
                .nodes()
                .map(|(first, node)| (first, node.bytes().to_vec()))
                .collect(),
            length: self.log.len(),
            counters: Counters {
                last_id: self.log.last_id(),
                max_deleted_id: self.log.max_deleted_id(),
                entries_added: self.log.entries_added(),
            },
            groups: self
                .groups()
                .map(|(name, group)| group_parts(name, group))
                .collect(),
        }
    }
}

fn group_parts(name: &[u8], group: &Group) -> GroupParts {
    let pending = group.pending(StreamId::MIN, StreamId::MAX);
    GroupParts {
        name: name.to_vec(),
        last_id: group.last_id(),
        entries_read: group.entries_read(),
        pending: pending
            .map(|(id, pending)| PendingParts {
                id,
                delivery_time_ms: pending.delivery_time_ms,
                delivery_count: pending.delivery_count,
            })
            .collect(),
        consumers: group
            .consumers()
            .map(|consumer| ConsumerParts {
                name: consumer.name().to_vec(),
                seen_time_ms: consumer.seen_time_ms,
                active_time_ms: consumer.active_time_ms,
                pending: consumer.pending_from(StreamId::MIN).collect(),
            })
            .collect(),
    }
}
