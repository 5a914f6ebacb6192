//! The entries of a stream in order of their ids, in nodes, and the counters about them.
//! Never: knows of groups, but for the arithmetic of their lag, which needs these counters.

use super::id::StreamId;
use super::node::{Cursor, Entry, FieldsToAdd, Node};
use super::{Nodes, NodesRange, StreamLimits, map_bytes};
use std::ops::Bound;

/// Longest entry, and longest node whatever the limits say: 1 GiB.
const ENTRY_BYTES_MAX: usize = 1 << 30;

/// The id that an entry to be added asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewId {
    /// This one.
    Given(StreamId),
    /// `ms-*`: the next sequence number of this millisecond.
    At {
        /// Milliseconds.
        ms: u64,
    },
    /// `*`: this millisecond if it is later than the last, or else the next id.
    Auto {
        /// The clock.
        now_ms: u64,
    },
}

/// Why an entry was not added.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendError {
    /// `0-0` was asked for.
    Zero,
    /// The id is not greater than the last one.
    NotGreater,
    /// No id is left.
    Exhausted,
    /// The entry is longer than 1 GiB.
    TooLarge,
}

/// Why XSETID was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetIdError {
    /// The id is smaller than the greatest deleted id that was given with it.
    BelowGivenDeleted,
    /// The id is smaller than the greatest deleted id.
    BelowDeleted,
    /// The id is smaller than that of the last entry.
    BelowTop,
    /// Fewer entries would have been added than there are.
    FewerThanEntries,
}

/// Up to where entries are deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrimTo {
    /// MAXLEN: so many entries are kept.
    Length(u64),
    /// MINID: entries from this id on are kept.
    Id(StreamId),
}

/// A trimming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trim {
    /// What is kept.
    pub to: TrimTo,
    /// `~`: only whole nodes are deleted.
    pub approximate: bool,
    /// LIMIT: a node that would bring the deleted entries above this is not touched; 0 for no limit.
    pub limit: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Log {
    /// All nodes but the last.
    older: Nodes,
    /// The last node with its first id; there is one unless the log is empty.
    tail: Option<(StreamId, Node)>,
    length: u64,
    entries_added: u64,
    first_id: StreamId,
    last_id: StreamId,
    max_deleted_id: StreamId,
    /// Of all nodes.
    node_bytes: usize,
}

/// What a parsed log consists of besides its nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// The greatest id ever.
    pub last_id: StreamId,
    /// The greatest id ever deleted by name (not by trimming).
    pub max_deleted_id: StreamId,
    /// Entries ever added.
    pub entries_added: u64,
}

impl Log {
    /// Number of entries.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// True without entries.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Entries ever added.
    pub fn entries_added(&self) -> u64 {
        self.entries_added
    }

    /// The id of the first entry, `0-0` without entries.
    pub fn first_id(&self) -> StreamId {
        self.first_id
    }

    /// The greatest id ever, which may be that of no entry.
    pub fn last_id(&self) -> StreamId {
        self.last_id
    }

    /// The greatest id deleted by name.
    pub fn max_deleted_id(&self) -> StreamId {
        self.max_deleted_id
    }

    /// Number of nodes, which XINFO STREAM shows as those of Redis' radix tree.
    pub fn nodes_len(&self) -> usize {
        self.older.len() + usize::from(self.tail.is_some())
    }

    /// The nodes from one on, with their first ids.
    pub fn nodes_from(&self, from: StreamId) -> impl Iterator<Item = (StreamId, &Node)> {
        let older = self.older.range(from..).map(|(first, node)| (*first, node));
        let tail = self.tail.iter().map(|(first, node)| (*first, node));
        older.chain(tail.filter(move |(first, _)| *first >= from))
    }

    /// The nodes with their first ids.
    pub fn nodes(&self) -> impl Iterator<Item = (StreamId, &Node)> {
        let older = self.older.iter().map(|(first, node)| (*first, node));
        older.chain(self.tail.as_ref().map(|(first, node)| (*first, node)))
    }

    /// Bytes allocated, without the structure itself.
    pub fn heap_bytes(&self) -> usize {
        self.node_bytes + map_bytes(size_of::<(StreamId, Node)>(), self.older.len())
    }

    /// The id a new entry would get.
    pub fn next_id(&self, id: NewId) -> Result<StreamId, AppendError> {
        if self.last_id == StreamId::MAX {
            return Err(AppendError::Exhausted);
        }
        match id {
            NewId::Given(StreamId::MIN) => Err(AppendError::Zero),
            NewId::Given(id) if id <= self.last_id => Err(AppendError::NotGreater),
            NewId::Given(id) => Ok(id),
            NewId::At { ms } if ms > self.last_id.ms => Ok(StreamId::new(ms, 0)),
            NewId::At { ms } if ms < self.last_id.ms => Err(AppendError::NotGreater),
            NewId::At { ms } => {
                let seq = self
                    .last_id
                    .seq
                    .checked_add(1)
                    .ok_or(AppendError::NotGreater)?;
                Ok(StreamId::new(ms, seq))
            }
            NewId::Auto { now_ms } if now_ms > self.last_id.ms => Ok(StreamId::new(now_ms, 0)),
            NewId::Auto { .. } => self.last_id.next().ok_or(AppendError::Exhausted),
        }
    }

    pub(super) fn append(
        &mut self,
        id: NewId,
        fields: FieldsToAdd<'_>,
        limits: &StreamLimits,
    ) -> Result<StreamId, AppendError> {
        assert!(fields.len().is_multiple_of(2), "every field has a value");
        let id = self.next_id(id)?;
        let bytes = fields.iter().map(|text| text.len()).sum::<usize>();
        // Every element has a few bytes of its own, so their number is bounded too.
        if bytes + 16 * fields.len() > ENTRY_BYTES_MAX {
            return Err(AppendError::TooLarge);
        }
        let node_bytes_max = match limits.node_bytes_max {
            0 => ENTRY_BYTES_MAX,
            limit => limit.min(ENTRY_BYTES_MAX),
        };
        let full = self.tail.as_ref().is_some_and(|(_, tail)| {
            tail.bytes().len() + bytes >= node_bytes_max
                || (limits.node_entries_max > 0 && tail.entries() >= limits.node_entries_max)
        });
        if full && let Some((first, mut node)) = self.tail.take() {
            self.node_bytes -= node.heap_bytes();
            node.shrink();
            self.node_bytes += node.heap_bytes();
            self.older.insert(first, node);
        }
        let (first, tail) = self.tail.get_or_insert_with(|| {
            let node = Node::new(fields);
            self.node_bytes += node.heap_bytes();
            (id, node)
        });
        self.node_bytes -= tail.heap_bytes();
        tail.append(*first, id, fields);
        self.node_bytes += tail.heap_bytes();
        self.length += 1;
        // A client may have set it to any number.
        self.entries_added = self.entries_added.saturating_add(1);
        self.last_id = id;
        if self.length == 1 {
            self.first_id = id;
        }
        Ok(id)
    }

    /// Takes over nodes in order of their ids, checked before; None when they or the counters do not go together.
    pub(super) fn from_nodes(
        nodes: impl IntoIterator<Item = (StreamId, Node)>,
        counters: Counters,
    ) -> Option<Log> {
        let mut log = Log {
            last_id: counters.last_id,
            max_deleted_id: counters.max_deleted_id,
            entries_added: counters.entries_added,
            ..Log::default()
        };
        let mut top: Option<StreamId> = None;
        for (first, node) in nodes {
            let last = node.cursor(first).next_back()?.id;
            if top.is_some_and(|top| {
                node.cursor(first)
                    .next()
                    .is_none_or(|entry| entry.id <= top)
                    || first <= top
            }) {
                return None;
            }
            top = Some(last);
            log.length += node.live();
            log.node_bytes += node.heap_bytes();
            if let Some((first, node)) = log.tail.replace((first, node)) {
                log.older.insert(first, node);
            }
        }
        if top.is_some_and(|top| top > counters.last_id) {
            return None;
        }
        log.first_id = log.first_live();
        Some(log)
    }

    fn first_live(&self) -> StreamId {
        self.range(StreamId::MIN, StreamId::MAX)
            .next()
            .map_or(StreamId::MIN, |entry| entry.id)
    }

    /// The entry with this id.
    pub fn get(&self, id: StreamId) -> Option<Entry<'_>> {
        self.range(id, id).next()
    }

    /// True when there is an entry with this id.
    pub fn contains(&self, id: StreamId) -> bool {
        self.get(id).is_some()
    }

    /// The first entry.
    pub fn first(&self) -> Option<Entry<'_>> {
        self.range(StreamId::MIN, StreamId::MAX).next()
    }

    /// The last entry.
    pub fn last(&self) -> Option<Entry<'_>> {
        self.range(StreamId::MIN, StreamId::MAX).next_back()
    }

    /// The entries from one id to another, both included, to be walked from either end.
    pub fn range(&self, from: StreamId, to: StreamId) -> Entries<'_> {
        let tail = self.tail.as_ref().map(|(first, node)| (*first, node));
        let in_tail = tail.filter(|(first, _)| *first <= to);
        let nodes = if from > to || tail.is_some_and(|(first, _)| first <= from) {
            self.older.range(StreamId::MAX..StreamId::MAX)
        } else {
            // The node in which `from` would be begins before it.
            let start = self
                .older
                .range(..=from)
                .next_back()
                .map_or(from, |(first, _)| *first);
            self.older.range(start..=to)
        };
        Entries {
            nodes,
            tail: in_tail,
            front: None,
            back: None,
            from,
            to,
            done: from > to,
        }
    }

    pub(super) fn delete(&mut self, id: StreamId) -> bool {
        let first = match &self.tail {
            Some((first, _)) if *first <= id => *first,
            _ => match self.older.range(..=id).next_back() {
                Some((first, _)) => *first,
                None => return false,
            },
        };
        let deleted = self.edit_node(first, |node| u64::from(node.delete(first, id))) > 0;
        if deleted {
            self.max_deleted_id = self.max_deleted_id.max(id);
            if id == self.first_id {
                self.first_id = self.first_live();
            }
        }
        deleted
    }

    /// Lets a node lose entries, whose number the edit returns; a node without live entries goes.
    fn edit_node(&mut self, first: StreamId, edit: impl FnOnce(&mut Node) -> u64) -> u64 {
        let in_tail = self.tail.as_ref().is_some_and(|(tail, _)| *tail == first);
        let node = match &mut self.tail {
            Some((_, node)) if in_tail => node,
            _ => self.older.get_mut(&first).expect("the first id of a node"),
        };
        self.node_bytes -= node.heap_bytes();
        let deleted = edit(node);
        self.node_bytes += node.heap_bytes();
        self.length -= deleted;
        if node.live() == 0 {
            self.node_bytes -= node.heap_bytes();
            if in_tail {
                self.tail = self.older.pop_last();
            } else {
                self.older.remove(&first);
            }
        }
        deleted
    }

    pub(super) fn trim(&mut self, trim: &Trim) -> u64 {
        let mut deleted = 0;
        loop {
            let Some((first, node)) = self.nodes().next() else {
                break;
            };
            let live = node.live();
            let excess = match trim.to {
                TrimTo::Length(length) => self.length.saturating_sub(length),
                TrimTo::Id(_) => u64::MAX,
            };
            if excess == 0 || (trim.limit > 0 && deleted + live > trim.limit) {
                break;
            }
            let whole = match trim.to {
                TrimTo::Length(_) => excess >= live,
                TrimTo::Id(id) => node
                    .cursor(first)
                    .next_back()
                    .is_none_or(|last| last.id < id),
            };
            if whole {
                let bytes = node.heap_bytes();
                deleted += live;
                self.length -= live;
                self.node_bytes -= bytes;
                if self.older.pop_first().is_none() {
                    self.tail = None;
                }
                continue;
            }
            if !trim.approximate {
                let mut left = excess;
                deleted += self.edit_node(first, |node| {
                    node.delete_chosen(first, |id| {
                        let goes = match trim.to {
                            TrimTo::Length(_) => left > 0,
                            TrimTo::Id(min) => id < min,
                        };
                        left = left.saturating_sub(1);
                        goes.then_some(true)
                    })
                });
            }
            break;
        }
        if deleted > 0 {
            self.first_id = self.first_live();
        }
        deleted
    }

    /// [`Log::trim`] that asks of each entry whether it may go: true, or false for one that stays, or None when no later one may go. The limit
    /// counts the entries that were asked about, so that it bounds the time however many stay.
    pub(super) fn trim_chosen(
        &mut self,
        trim: &Trim,
        mut choose: impl FnMut(StreamId) -> Option<bool>,
    ) -> u64 {
        let (mut deleted, mut asked) = (0, 0);
        let mut ended = false;
        let mut next = self.nodes().next().map(|(first, _)| first);
        while let Some(first) = next
            && !ended
        {
            let node = self.node(first).expect("the first id of a node");
            let live = node.live();
            let mut excess = match trim.to {
                TrimTo::Length(length) => self.length.saturating_sub(length),
                TrimTo::Id(_) => u64::MAX,
            };
            let whole = match trim.to {
                TrimTo::Length(_) => excess >= live,
                TrimTo::Id(id) => node
                    .cursor(first)
                    .next_back()
                    .is_none_or(|last| last.id < id),
            };
            let beyond_limit = trim.limit > 0 && asked + live > trim.limit;
            if excess == 0 || beyond_limit || (trim.approximate && !whole) {
                break;
            }
            asked += live;
            deleted += self.edit_node(first, |node| {
                node.delete_chosen(first, |id| {
                    let wanted = match trim.to {
                        TrimTo::Length(_) => excess > 0,
                        TrimTo::Id(min) => id < min,
                    };
                    let chosen = wanted.then(|| choose(id)).flatten();
                    ended |= chosen.is_none();
                    excess -= u64::from(chosen == Some(true));
                    chosen
                })
            });
            next = self.first_after(first);
        }
        if deleted > 0 {
            self.first_id = self.first_live();
        }
        deleted
    }

    /// The node with this first id.
    fn node(&self, first: StreamId) -> Option<&Node> {
        match &self.tail {
            Some((tail, node)) if *tail == first => Some(node),
            _ => self.older.get(&first),
        }
    }

    /// The first id of the node behind the one that has, or had, this first id.
    fn first_after(&self, first: StreamId) -> Option<StreamId> {
        let behind = (Bound::Excluded(first), Bound::Unbounded);
        let older = self.older.range(behind).next().map(|(id, _)| *id);
        older.or(self
            .tail
            .as_ref()
            .map(|(id, _)| *id)
            .filter(|id| *id > first))
    }

    pub(super) fn set_id(
        &mut self,
        last_id: StreamId,
        entries_added: Option<u64>,
        max_deleted_id: Option<StreamId>,
    ) -> Result<(), SetIdError> {
        if max_deleted_id.is_some_and(|deleted| last_id < deleted) {
            return Err(SetIdError::BelowGivenDeleted);
        }
        if max_deleted_id.is_none() && last_id < self.max_deleted_id {
            return Err(SetIdError::BelowDeleted);
        }
        if let Some(top) = self.last() {
            if last_id < top.id {
                return Err(SetIdError::BelowTop);
            }
            if entries_added.is_some_and(|added| added < self.length) {
                return Err(SetIdError::FewerThanEntries);
            }
        }
        self.last_id = last_id;
        self.entries_added = entries_added.unwrap_or(self.entries_added);
        if let Some(deleted) = max_deleted_id.filter(|deleted| *deleted != StreamId::MIN) {
            self.max_deleted_id = deleted;
        }
        Ok(())
    }

    /// True when an entry may have been deleted from `from` on.
    pub(super) fn has_deleted_from(&self, from: StreamId) -> bool {
        self.length > 0 && self.max_deleted_id != StreamId::MIN && from <= self.max_deleted_id
    }

    /// How many entries were ever added up to an id, where that is known without counting.
    pub(super) fn entries_added_up_to(&self, id: StreamId) -> Option<i64> {
        let added = self.entries_added as i64;
        if added == 0 || (self.length == 0 && id <= self.last_id) {
            return Some(added);
        }
        if id != StreamId::MIN && id < self.max_deleted_id {
            return None;
        }
        match id.cmp(&self.last_id) {
            std::cmp::Ordering::Equal => return Some(added),
            std::cmp::Ordering::Greater => return None,
            std::cmp::Ordering::Less => {}
        }
        let before_first = added.wrapping_sub(self.length as i64);
        let whole = self.max_deleted_id == StreamId::MIN || self.max_deleted_id < self.first_id;
        match id.cmp(&self.first_id) {
            std::cmp::Ordering::Less if whole => Some(before_first),
            std::cmp::Ordering::Equal if whole => Some(before_first.wrapping_add(1)),
            _ => None,
        }
    }

    /// Entries after `last_id` for a group that counted `entries_read` up to there.
    pub(super) fn lag(&self, last_id: StreamId, entries_read: Option<i64>) -> Option<i64> {
        if self.length == 0 {
            return Some(0);
        }
        if last_id < self.first_id && self.max_deleted_id < self.first_id {
            return Some(self.length as i64);
        }
        let read = match entries_read {
            Some(read) if !self.has_deleted_from(last_id) => Some(read),
            _ => self.entries_added_up_to(last_id),
        };
        read.map(|read| (self.entries_added as i64).wrapping_sub(read))
    }

    /// Frees about so many entries, from the newest on; what is left of `units`.
    pub(super) fn release(&mut self, mut units: usize) -> usize {
        while units > 0
            && let Some((_, node)) = self.tail.take()
        {
            let live = node.live();
            self.length -= live;
            self.node_bytes -= node.heap_bytes();
            self.tail = self.older.pop_last();
            units = units.saturating_sub(live.max(1) as usize);
        }
        units
    }
}

/// Entries within a range of ids; made by [`Log::range`].
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    /// Nodes not begun yet.
    nodes: NodesRange<'a>,
    tail: Option<(StreamId, &'a Node)>,
    /// The nodes being read at either end.
    front: Option<Cursor<'a>>,
    back: Option<Cursor<'a>>,
    from: StreamId,
    to: StreamId,
    /// The end of the range was seen.
    done: bool,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        while !self.done {
            if self.front.is_none() {
                let next = self.nodes.next().map(|(first, node)| (*first, node));
                self.front = match next.or_else(|| self.tail.take()) {
                    Some((first, node)) => Some(node.cursor(first)),
                    // The last node may be one that the other end has begun.
                    None => Some(self.back.take()?),
                };
            }
            match self.front.as_mut().and_then(Iterator::next) {
                Some(entry) if entry.id > self.to => {
                    self.done = true;
                    return None;
                }
                Some(entry) if entry.id < self.from || entry.is_deleted() => {}
                Some(entry) => return Some(entry),
                None => self.front = None,
            }
        }
        None
    }
}

impl<'a> DoubleEndedIterator for Entries<'a> {
    fn next_back(&mut self) -> Option<Entry<'a>> {
        while !self.done {
            if self.back.is_none() {
                let tail = self.tail.take();
                let next =
                    tail.or_else(|| self.nodes.next_back().map(|(first, node)| (*first, node)));
                self.back = match next {
                    Some((first, node)) => Some(node.cursor(first)),
                    None => Some(self.front.take()?),
                };
            }
            match self.back.as_mut().and_then(DoubleEndedIterator::next_back) {
                Some(entry) if entry.id < self.from => {
                    self.done = true;
                    return None;
                }
                Some(entry) if entry.id > self.to || entry.is_deleted() => {}
                Some(entry) => return Some(entry),
                None => self.back = None,
            }
        }
        None
    }
}
