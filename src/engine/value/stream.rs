//! Streams: an append-only log of entries (`stream/log.rs`) and the groups of consumers that read it together (`stream/group.rs`).
//! Never: a clock, replies, blocking readers.
//!
//! In reading order: `id`, `listpack` (runs of elements), `node` (a hundred entries in one run), `log`, `group`, `parts` (from and to DUMP payloads).
//! The one decision worth knowing: a stream has no packed form. Its last node lies beside the directory of the others, so that a small stream is one
//! structure and one run of bytes, and an append looks nothing up.

mod frozen;
pub mod group;
pub mod id;
pub mod listpack;
pub mod log;
#[cfg(test)]
mod model_tests;
pub mod node;
pub mod parts;

use super::{Stored, allocated_bytes};
pub use group::{
    AutoClaim, AutoClaimOptions, Claim, ClaimOptions, Consumer, Group, GroupEdit, Pending,
};
pub use id::StreamId;
pub use log::{AppendError, Entries, Log, NewId, SetIdError, Trim, TrimTo};
pub use node::{Entry, FieldsToAdd};
use std::collections::BTreeMap;
use std::collections::btree_map;
use std::ops::Bound;

/// When a node is full: `stream-node-max-bytes` and `stream-node-max-entries`, 0 for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// A new node is begun rather than reach so many bytes.
    pub node_bytes_max: usize,
    /// Entries of a node, deleted ones included.
    pub node_entries_max: u64,
}

impl Default for StreamLimits {
    fn default() -> StreamLimits {
        StreamLimits {
            node_bytes_max: 4096,
            node_entries_max: 100,
        }
    }
}

/// What becomes of groups' references to an entry that is deleted (XDELEX, XACKDEL, XADD, XTRIM).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum References {
    /// KEEPREF: they stay.
    Keep,
    /// DELREF: they go too.
    Delete,
    /// ACKED: the entry is only deleted when every group has read and acknowledged it.
    Acknowledged,
}

/// What became of one id of XDELEX or XACKDEL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deleted {
    /// There is nothing with this id: -1.
    Missing,
    /// It was deleted (XACKDEL: and acknowledged): 1.
    Yes,
    /// Groups still refer to it (XACKDEL: it was acknowledged): 2.
    StillReferenced,
}

/// The body of a stream.
#[derive(Debug, Default)]
pub struct LargeStream {
    log: Log,
    groups: BTreeMap<Box<[u8]>, Group>,
    /// The sum of all groups' [`Group::heap_bytes`] and of their names.
    groups_bytes: usize,
}

/// A stream, to be edited.
#[derive(Debug, Default)]
pub struct Stream {
    body: Box<LargeStream>,
}

/// A stream to be read.
pub type StreamView<'a> = &'a LargeStream;

/// What a group costs in the map of groups, about: entries of ordered maps are half full in the worst case.
const GROUP_BYTES: usize = 2 * (size_of::<Box<[u8]>>() + size_of::<Group>());

impl Clone for LargeStream {
    /// A copy that has allocated no more than it needs.
    fn clone(&self) -> LargeStream {
        let copy = Stream::from_parts(self.to_parts()).expect("the parts of a stream make one");
        *copy.into_body()
    }
}

impl LargeStream {
    pub(in crate::engine) fn heap_bytes(&self) -> usize {
        allocated_bytes(size_of::<LargeStream>()) + self.log.heap_bytes() + self.groups_bytes
    }

    /// What OBJECT ENCODING says.
    pub fn encoding(&self) -> &'static str {
        "stream"
    }

    /// The entries.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The groups by name, from one on.
    pub fn groups_from(&self, name: &[u8]) -> impl Iterator<Item = (&[u8], &Group)> {
        let bounds = (Bound::Included(name), Bound::Unbounded);
        let groups = self.groups.range::<[u8], _>(bounds);
        groups.map(|(name, group)| (&**name, group))
    }

    /// A group.
    pub fn group(&self, name: &[u8]) -> Option<&Group> {
        self.groups.get(name)
    }

    /// All groups, by name.
    pub fn groups(&self) -> impl ExactSizeIterator<Item = (&[u8], &Group)> {
        self.groups.iter().map(|(name, group)| (&**name, group))
    }

    /// Entries not yet delivered to a group, None when deleted entries make it unknown. Negative when a client said so (ENTRIESREAD).
    pub fn lag(&self, group: &Group) -> Option<i64> {
        self.log.lag(group.last_id(), group.entries_read())
    }

    /// True when a group has not read an entry with this id yet, or has not acknowledged it.
    pub fn is_referenced(&self, id: StreamId) -> bool {
        self.groups
            .values()
            .any(|group| group.last_id() < id || group.pending_entry(id).is_some())
    }
}

impl Stream {
    /// An empty one.
    pub fn new() -> Stream {
        Stream::default()
    }

    /// From the body, which is what the engine keeps.
    pub fn from_body(body: Box<LargeStream>) -> Stream {
        Stream { body }
    }

    /// The body, for the engine to keep.
    pub fn into_body(self) -> Box<LargeStream> {
        self.body
    }

    /// To be read.
    pub fn view(&self) -> StreamView<'_> {
        &self.body
    }

    /// Adds an entry: XADD. `fields` are names and values in turn.
    pub fn append(
        &mut self,
        id: NewId,
        fields: FieldsToAdd<'_>,
        limits: &StreamLimits,
    ) -> Result<StreamId, AppendError> {
        self.body.log.append(id, fields, limits)
    }

    /// Deletes an entry: XDEL. False when there is none.
    pub fn delete(&mut self, id: StreamId) -> bool {
        self.body.log.delete(id)
    }

    /// Deletes the oldest entries: XTRIM. Their number.
    pub fn trim(&mut self, trim: &Trim) -> u64 {
        self.body.log.trim(trim)
    }

    /// Deletes the oldest entries with regard to groups: XTRIM with KEEPREF, DELREF or ACKED. Their number.
    pub fn trim_with_references(&mut self, trim: &Trim, references: References) -> u64 {
        if references == References::Keep || self.body.groups.is_empty() {
            return self.trim(trim);
        }
        let mut pending = Vec::new();
        let LargeStream { log, groups, .. } = &mut *self.body;
        let is_pending = |id| {
            groups
                .values()
                .any(|group| group.pending_entry(id).is_some())
        };
        // What some group has not read yet is referred to, and so is all behind it.
        let read_by_all = groups.values().map(Group::last_id).min();
        let deleted = log.trim_chosen(trim, |id| match references {
            References::Acknowledged if read_by_all < Some(id) => None,
            References::Acknowledged => Some(!is_pending(id)),
            _ => {
                if is_pending(id) {
                    pending.push(id);
                }
                Some(true)
            }
        });
        for id in pending {
            self.forget_references(id);
        }
        deleted
    }

    /// Sets the last id and, where given, the counters: XSETID.
    pub fn set_id(
        &mut self,
        last_id: StreamId,
        entries_added: Option<u64>,
        max_deleted_id: Option<StreamId>,
    ) -> Result<(), SetIdError> {
        self.body.log.set_id(last_id, entries_added, max_deleted_id)
    }

    /// Makes a group: XGROUP CREATE. False when there is one of this name.
    pub fn create_group(
        &mut self,
        name: &[u8],
        last_id: StreamId,
        entries_read: Option<i64>,
    ) -> bool {
        if self.body.groups.contains_key(name) {
            return false;
        }
        self.insert_group(name.into(), Group::new(last_id, entries_read));
        true
    }

    fn insert_group(&mut self, name: Box<[u8]>, group: Group) {
        self.body.groups_bytes += GROUP_BYTES + allocated_bytes(name.len()) + group.heap_bytes();
        let before = self.body.groups.insert(name, group);
        debug_assert!(before.is_none());
    }

    /// Takes a group out: XGROUP DESTROY. Who drops it may do so in slices.
    pub fn destroy_group(&mut self, name: &[u8]) -> Option<Group> {
        let (name, group) = self.body.groups.remove_entry(name)?;
        self.body.groups_bytes -= GROUP_BYTES + allocated_bytes(name.len()) + group.heap_bytes();
        Some(group)
    }

    /// A group to be edited.
    pub fn group_mut(&mut self, name: &[u8]) -> Option<GroupEdit<'_>> {
        let body = &mut *self.body;
        let group = body.groups.get_mut(name)?;
        Some(GroupEdit::new(&body.log, group, &mut body.groups_bytes))
    }

    /// Removes an id from the pending entries of all groups; true when one had it.
    fn forget_references(&mut self, id: StreamId) -> bool {
        let body = &mut *self.body;
        let mut found = false;
        for group in body.groups.values_mut() {
            found |= GroupEdit::new(&body.log, group, &mut body.groups_bytes).acknowledge(id);
        }
        found
    }

    /// Deletes an entry with regard to groups: XDELEX.
    pub fn delete_with_references(&mut self, id: StreamId, references: References) -> Deleted {
        match references {
            References::Acknowledged
                if self.body.log.contains(id) && self.body.is_referenced(id) =>
            {
                return Deleted::StillReferenced;
            }
            References::Delete => {
                self.forget_references(id);
            }
            _ => {}
        }
        if self.delete(id) {
            Deleted::Yes
        } else {
            Deleted::Missing
        }
    }

    /// Acknowledges an entry in a group and deletes it: XACKDEL. Missing when the group has no such pending entry; one whose
    /// entry is gone already counts as deleted.
    pub fn acknowledge_and_delete(
        &mut self,
        group: &[u8],
        id: StreamId,
        references: References,
    ) -> Deleted {
        let acknowledged = self
            .group_mut(group)
            .is_some_and(|mut group| group.acknowledge(id));
        if !acknowledged {
            return Deleted::Missing;
        }
        match references {
            References::Acknowledged if self.body.is_referenced(id) => {
                return Deleted::StillReferenced;
            }
            References::Delete => {
                self.forget_references(id);
            }
            _ => {}
        }
        self.delete(id);
        Deleted::Yes
    }
}

impl Stored for Stream {
    fn packed(&self) -> Option<&[u8]> {
        None
    }

    fn from_packed(bytes: Vec<u8>) -> Stream {
        assert!(bytes.is_empty(), "a stream has no packed form");
        Stream::new()
    }

    fn heap_bytes(&self) -> usize {
        self.body.heap_bytes()
    }

    fn len(&self) -> usize {
        self.body.log.len() as usize
    }

    fn release(&mut self, units: usize) -> usize {
        let mut units = self.body.log.release(units);
        while units > 0 {
            let body = &mut *self.body;
            let Some(mut last) = body.groups.last_entry() else {
                break;
            };
            let before = last.get().heap_bytes();
            units = last.get_mut().release(units);
            body.groups_bytes -= before - last.get().heap_bytes();
            if units > 0 {
                body.groups_bytes -=
                    GROUP_BYTES + allocated_bytes(last.key().len()) + last.get().heap_bytes();
                last.remove();
                units -= 1;
            }
        }
        units
    }
}

/// What an entry of an ordered map takes, about, for accounting: nodes of eleven, six of them used after appending.
const fn map_bytes(entry: usize, len: usize) -> usize {
    if len == 0 {
        0
    } else {
        11 * entry + 32 + (len - 1) * (2 * entry + 8)
    }
}

/// Nodes by their first id.
type Nodes = BTreeMap<StreamId, node::Node>;
/// Some of them in order.
type NodesRange<'a> = btree_map::Range<'a, StreamId, node::Node>;
