//! A group of consumers: how far it has read, and which entries were delivered to whom without being acknowledged yet (pending).
//! Never: holds entries; an entry may be deleted while it is pending.
//! The one decision worth knowing: a pending entry has one record, in the group's map by id, which names its consumer by number; each consumer has the
//! ids of its own in order besides. The two always agree.

mod edit;

use super::super::allocated_bytes;
use super::id::StreamId;
use super::map_bytes;
pub use edit::{AutoClaim, AutoClaimOptions, Claim, ClaimOptions, GroupEdit};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

/// The record of a pending entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    consumer: u32,
    /// When it was last delivered.
    pub delivery_time_ms: i64,
    /// How often it was delivered.
    pub delivery_count: u64,
}

/// Who reads for a group.
#[derive(Debug)]
pub struct Consumer {
    name: Box<[u8]>,
    /// When it last asked for anything.
    pub seen_time_ms: i64,
    /// When it last got anything, if ever.
    pub active_time_ms: Option<i64>,
    pending: BTreeSet<StreamId>,
}

impl Consumer {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.name
    }

    /// Number of entries pending with it.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The ids of its pending entries from one on.
    pub fn pending_from(&self, from: StreamId) -> impl Iterator<Item = StreamId> {
        self.pending.range(from..).copied()
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Group {
    last_id: StreamId,
    entries_read: Option<i64>,
    pending: BTreeMap<StreamId, Pending>,
    /// By number; None where one was deleted.
    consumers: Vec<Option<Consumer>>,
    /// Numbers by name, which is the order of replies.
    numbers: BTreeMap<Box<[u8]>, u32>,
    /// Of all consumers, twice each.
    name_bytes: usize,
    /// Numbers that can be used again.
    free: Vec<u32>,
}

impl Group {
    pub(super) fn new(last_id: StreamId, entries_read: Option<i64>) -> Group {
        Group {
            last_id,
            entries_read,
            ..Group::default()
        }
    }

    /// The last id delivered.
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// How many entries it has read, None when that is unknown.
    pub fn entries_read(&self) -> Option<i64> {
        self.entries_read
    }

    /// Number of pending entries.
    pub fn pending_len(&self) -> usize {
        self.pending.len()
    }

    /// The smallest and the greatest id of the pending entries.
    pub fn pending_bounds(&self) -> Option<(StreamId, StreamId)> {
        let (first, _) = self.pending.first_key_value()?;
        let (last, _) = self.pending.last_key_value()?;
        Some((*first, *last))
    }

    /// The record of one pending entry.
    pub fn pending_entry(&self, id: StreamId) -> Option<&Pending> {
        self.pending.get(&id)
    }

    /// The pending entries with ids from one to another, both included, of all consumers.
    pub fn pending(
        &self,
        from: StreamId,
        to: StreamId,
    ) -> impl Iterator<Item = (StreamId, &Pending)> {
        let bounds = (from <= to).then_some(from..=to);
        let range = bounds.map(|bounds| self.pending.range(bounds));
        range
            .into_iter()
            .flatten()
            .map(|(id, pending)| (*id, pending))
    }

    /// The same of one consumer.
    pub fn pending_of<'a>(
        &'a self,
        consumer: &'a Consumer,
        from: StreamId,
        to: StreamId,
    ) -> impl Iterator<Item = (StreamId, &'a Pending)> {
        let ids = consumer.pending_from(from).take_while(move |id| *id <= to);
        ids.map(|id| (id, &self.pending[&id]))
    }

    /// The consumer a record belongs to.
    pub fn owner(&self, pending: &Pending) -> &Consumer {
        self.consumers[pending.consumer as usize]
            .as_ref()
            .expect("a pending entry has a consumer")
    }

    /// A consumer.
    pub fn consumer(&self, name: &[u8]) -> Option<&Consumer> {
        let number = *self.numbers.get(name)?;
        self.consumers[number as usize].as_ref()
    }

    /// The consumers by name, from one on.
    pub fn consumers_from(&self, name: &[u8]) -> impl Iterator<Item = &Consumer> {
        let bounds = (Bound::Included(name), Bound::Unbounded);
        let numbers = self.numbers.range::<[u8], _>(bounds);
        numbers.map(|(_, number)| {
            let consumer = self.consumers[*number as usize].as_ref();
            consumer.expect("a number in use")
        })
    }

    /// All consumers, by name.
    pub fn consumers(&self) -> impl ExactSizeIterator<Item = &Consumer> {
        self.numbers.values().map(|number| {
            self.consumers[*number as usize]
                .as_ref()
                .expect("a number in use")
        })
    }

    /// Bytes allocated, without the structure itself; about, since the maps are accounted by their lengths.
    pub fn heap_bytes(&self) -> usize {
        let pending = self.pending.len();
        map_bytes(size_of::<(StreamId, Pending)>(), pending)
            + if pending == 0 {
                0
            } else {
                pending * 2 * size_of::<StreamId>()
            }
            + map_bytes(size_of::<(Box<[u8]>, u32)>(), self.numbers.len())
            + allocated_bytes(self.consumers.capacity() * size_of::<Option<Consumer>>())
            + allocated_bytes(self.free.capacity() * size_of::<u32>())
            + self.name_bytes
    }

    /// Frees at most about so many pending entries and consumers; what is left of `units`: more than 0, and nothing remains.
    pub fn release(&mut self, mut units: usize) -> usize {
        while units > 0 && self.pending.pop_last().is_some() {
            units -= 1;
        }
        while units > 0
            && let Some(consumer) = self.consumers.last_mut()
        {
            if let Some(consumer) = consumer {
                while units > 0 && consumer.pending.pop_last().is_some() {
                    units -= 1;
                }
                if units == 0 {
                    break;
                }
                self.numbers.remove(&consumer.name);
                self.name_bytes -= 2 * allocated_bytes(consumer.name.len());
            }
            self.consumers.pop();
            units -= 1;
        }
        units
    }

    fn consumer_mut(&mut self, number: u32) -> &mut Consumer {
        self.consumers[number as usize]
            .as_mut()
            .expect("a number in use")
    }

    fn add_consumer(&mut self, name: &[u8], seen_time_ms: i64, active_time_ms: Option<i64>) -> u32 {
        let consumer = Some(Consumer {
            name: name.into(),
            seen_time_ms,
            active_time_ms,
            pending: BTreeSet::new(),
        });
        let number = match self.free.pop() {
            Some(number) => {
                self.consumers[number as usize] = consumer;
                number
            }
            None => {
                let number = u32::try_from(self.consumers.len()).expect("consumers fit in memory");
                self.consumers.push(consumer);
                number
            }
        };
        self.numbers.insert(name.into(), number);
        self.name_bytes += 2 * allocated_bytes(name.len());
        number
    }

    fn remove_pending(&mut self, id: StreamId) -> bool {
        let Some(pending) = self.pending.remove(&id) else {
            return false;
        };
        self.consumer_mut(pending.consumer).pending.remove(&id);
        true
    }

    /// Makes an entry pending with a consumer, whoever had it before.
    fn assign(&mut self, id: StreamId, pending: Pending) {
        let before = self.pending.insert(id, pending);
        if let Some(before) = before.filter(|before| before.consumer != pending.consumer) {
            self.consumer_mut(before.consumer).pending.remove(&id);
        }
        self.consumer_mut(pending.consumer).pending.insert(id);
    }

    pub(super) fn insert_parts_consumer(
        &mut self,
        name: &[u8],
        seen_time_ms: i64,
        active_time_ms: Option<i64>,
    ) -> Option<u32> {
        (!self.numbers.contains_key(name))
            .then(|| self.add_consumer(name, seen_time_ms, active_time_ms))
    }

    /// False when the entry is pending already.
    pub(super) fn insert_parts_pending(
        &mut self,
        id: StreamId,
        consumer: u32,
        delivery_time_ms: i64,
        delivery_count: u64,
    ) -> bool {
        let new = !self.pending.contains_key(&id);
        if new {
            self.assign(
                id,
                Pending {
                    consumer,
                    delivery_time_ms,
                    delivery_count,
                },
            );
        }
        new
    }
}
