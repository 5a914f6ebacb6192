//! What a warm restart keeps of a stream: its parts, as [`super::parts`] has them.

use super::parts::{ConsumerParts, GroupParts, PendingParts, StreamParts};
use super::{LargeStream, Stream, StreamId};
use crate::engine::frozen::{In, Out};
use std::io;

fn put_id(out: &mut Out<'_>, id: StreamId) -> io::Result<()> {
    out.u64(id.ms)?;
    out.u64(id.seq)
}

fn take_id(input: &mut In<'_>) -> Result<StreamId, String> {
    Ok(StreamId::new(input.u64()?, input.u64()?))
}

impl LargeStream {
    /// Writes it.
    pub(in crate::engine) fn freeze(&self, out: &mut Out<'_>) -> io::Result<()> {
        let log = self.log();
        out.count(log.nodes_len() as u64)?;
        for (first, node) in log.nodes() {
            put_id(out, first)?;
            out.text(node.bytes())?;
        }
        out.u64(log.len())?;
        put_id(out, log.last_id())?;
        put_id(out, log.max_deleted_id())?;
        out.u64(log.entries_added())?;
        out.count(self.groups().len() as u64)?;
        for (name, group) in self.groups() {
            out.text(name)?;
            put_id(out, group.last_id())?;
            out.optional(group.entries_read())?;
            out.count(group.pending_len() as u64)?;
            for (id, pending) in group.pending(StreamId::MIN, StreamId::MAX) {
                put_id(out, id)?;
                out.i64(pending.delivery_time_ms)?;
                out.u64(pending.delivery_count)?;
            }
            out.count(group.consumers().len() as u64)?;
            for consumer in group.consumers() {
                out.text(consumer.name())?;
                out.i64(consumer.seen_time_ms)?;
                out.optional(consumer.active_time_ms)?;
                out.count(consumer.pending_len() as u64)?;
                for id in consumer.pending_from(StreamId::MIN) {
                    put_id(out, id)?;
                }
            }
        }
        Ok(())
    }

    /// See [`LargeStream::freeze`].
    pub(in crate::engine) fn thaw(input: &mut In<'_>) -> Result<LargeStream, String> {
        let mut parts = StreamParts::default();
        for _ in 0..input.count()? {
            parts.nodes.push((take_id(input)?, input.text()?));
        }
        parts.length = input.u64()?;
        parts.counters.last_id = take_id(input)?;
        parts.counters.max_deleted_id = take_id(input)?;
        parts.counters.entries_added = input.u64()?;
        for _ in 0..input.count()? {
            parts.groups.push(take_group(input)?);
        }
        let stream = Stream::from_parts(parts).ok_or("a stream contradicts itself")?;
        Ok(*stream.into_body())
    }
}

fn take_group(input: &mut In<'_>) -> Result<GroupParts, String> {
    let mut group = GroupParts {
        name: input.text()?,
        last_id: take_id(input)?,
        entries_read: input.optional()?,
        ..GroupParts::default()
    };
    for _ in 0..input.count()? {
        group.pending.push(PendingParts {
            id: take_id(input)?,
            delivery_time_ms: input.i64()?,
            delivery_count: input.u64()?,
        });
    }
    for _ in 0..input.count()? {
        let mut consumer = ConsumerParts {
            name: input.text()?,
            seen_time_ms: input.i64()?,
            active_time_ms: input.optional()?,
            pending: Vec::new(),
        };
        for _ in 0..input.count()? {
            consumer.pending.push(take_id(input)?);
        }
        group.consumers.push(consumer);
    }
    Ok(group)
}
