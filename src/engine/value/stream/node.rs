//! A node: up to about a hundred consecutive entries in one listpack, laid out as Redis does, so that a node goes into a DUMP payload as it is
//! and nodes end where Redis' end (which approximate trimming shows).
//!
//! ```text
//! live | deleted | fields n | field ... | 0                               the master entry: the fields of the node's first entry
//! flags | ms - first ms | seq - first seq | value ... | elements so far      an entry with the same fields
//! flags | ms - first ms | seq - first seq | n | field | value ... | elements    one with others
//! ```
//!
//! Never: an entry moves. Deleting sets a flag; the space comes back with the node.

use super::super::allocated_bytes;
use super::id::StreamId;
use super::listpack::{self, Appender, Element, HEADER_BYTES, element_at, element_before};

const DELETED: i64 = 1;
const SAME_FIELDS: i64 = 2;
/// Flags and the two differences.
const ENTRY_ELEMENTS: i64 = 3;

/// See the module.
#[derive(Debug, Clone)]
pub struct Node {
    bytes: Vec<u8>,
}

/// The master entry, read.
#[derive(Debug, Clone, Copy)]
struct Master {
    live: i64,
    deleted: i64,
    fields: i64,
    deleted_at: usize,
    fields_at: usize,
    /// Where the first entry begins.
    end: usize,
}

/// An entry within a node. Copying it copies no bytes.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its id.
    pub id: StreamId,
    bytes: &'a [u8],
    flags: i64,
    flags_at: usize,
    /// Where the fields and values begin, or the values alone.
    values_at: usize,
    fields: usize,
    /// Where the fields are when they are the master's.
    master_fields_at: usize,
    end: usize,
}

/// The fields and values of an entry.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    left: usize,
    field_at: usize,
    value_at: usize,
    same: bool,
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Element<'a>, Element<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let field;
        if self.same {
            (field, self.field_at) = element_at(self.bytes, self.field_at)?;
        } else {
            (field, self.value_at) = element_at(self.bytes, self.value_at)?;
        }
        let value;
        (value, self.value_at) = element_at(self.bytes, self.value_at)?;
        Some((field, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Fields<'_> {}

impl<'a> Entry<'a> {
    /// Fields and values, in the order they were added.
    pub fn fields(&self) -> Fields<'a> {
        Fields {
            bytes: self.bytes,
            left: self.fields,
            field_at: self.master_fields_at,
            value_at: self.values_at,
            same: self.flags & SAME_FIELDS != 0,
        }
    }

    /// True when only its place is left.
    pub fn is_deleted(&self) -> bool {
        self.flags & DELETED != 0
    }
}

fn integer_at(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    match element_at(bytes, at)? {
        (Element::Integer(value), next) => Some((value, next)),
        (Element::Bytes(_), _) => None,
    }
}

fn skip(bytes: &[u8], mut at: usize, elements: i64) -> Option<usize> {
    for _ in 0..elements {
        at = element_at(bytes, at)?.1;
    }
    Some(at)
}

fn master(bytes: &[u8]) -> Option<Master> {
    let (live, deleted_at) = integer_at(bytes, HEADER_BYTES)?;
    let (deleted, at) = integer_at(bytes, deleted_at)?;
    let (fields, fields_at) = integer_at(bytes, at)?;
    let end = skip(bytes, fields_at, fields)?;
    let (zero, end) = integer_at(bytes, end)?;
    (zero == 0 && live >= 0 && deleted >= 0 && fields >= 0).then_some(Master {
        live,
        deleted,
        fields,
        deleted_at,
        fields_at,
        end,
    })
}

/// The entry whose flags are at `at`.
fn entry_at<'a>(bytes: &'a [u8], first: StreamId, master: &Master, at: usize) -> Option<Entry<'a>> {
    let (flags, place) = integer_at(bytes, at)?;
    let (ms, place) = integer_at(bytes, place)?;
    let (seq, mut values_at) = integer_at(bytes, place)?;
    let mut fields = master.fields;
    let mut values = fields;
    let mut elements = ENTRY_ELEMENTS + fields;
    if flags & SAME_FIELDS == 0 {
        (fields, values_at) = integer_at(bytes, values_at)?;
        values = fields.checked_mul(2)?;
        elements = values.checked_add(ENTRY_ELEMENTS + 1)?;
    }
    let (stated, end) = integer_at(bytes, skip(bytes, values_at, values)?)?;
    (fields >= 0 && stated == elements).then_some(Entry {
        // The sequence number may be smaller than the first's in a later millisecond; differences wrap around.
        id: StreamId::new(
            first.ms.wrapping_add(ms as u64),
            first.seq.wrapping_add(seq as u64),
        ),
        bytes,
        flags,
        flags_at: at,
        values_at,
        fields: fields as usize,
        master_fields_at: master.fields_at,
        end,
    })
}

/// Walks the entries of a node, deleted ones included.
#[derive(Debug, Clone)]
pub struct Cursor<'a> {
    bytes: &'a [u8],
    first: StreamId,
    master: Master,
    /// What is left lies between the two.
    at: usize,
    end: usize,
}

impl<'a> Iterator for Cursor<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        if self.at >= self.end {
            return None;
        }
        let entry = entry_at(self.bytes, self.first, &self.master, self.at)?;
        self.at = entry.end;
        Some(entry)
    }
}

impl<'a> DoubleEndedIterator for Cursor<'a> {
    fn next_back(&mut self) -> Option<Entry<'a>> {
        if self.at >= self.end {
            return None;
        }
        let mut at = element_before(self.bytes, self.end)?;
        let (elements, _) = integer_at(self.bytes, at)?;
        for _ in 0..elements {
            at = element_before(self.bytes, at)?;
        }
        self.end = at;
        entry_at(self.bytes, self.first, &self.master, at)
    }
}

/// Names and values to add, in turn: field, value, field, value.
pub type FieldsToAdd<'a> = &'a [&'a [u8]];

impl Node {
    /// A node whose master entry has the fields of its first entry; the entry itself is added next.
    pub fn new(fields: FieldsToAdd<'_>) -> Node {
        let mut bytes = listpack::empty();
        let mut out = Appender::new(&mut bytes);
        out.push_integer(0);
        out.push_integer(0);
        out.push_integer((fields.len() / 2) as i64);
        for pair in fields.chunks_exact(2) {
            out.push(pair[0]);
        }
        out.push_integer(0);
        drop(out);
        Node { bytes }
    }

    /// Takes over a node from elsewhere when everything in it is as it should be: ids grow from `first` on, and counts are right. It may have no live
    /// entry: XTRIM of Redis 7.0 with MINID leaves such nodes.
    pub fn from_listpack(first: StreamId, bytes: Vec<u8>) -> Option<Node> {
        listpack::check(&bytes)?;
        let master = master(&bytes)?;
        let (mut live, mut deleted) = (0, 0);
        let (mut at, mut last) = (master.end, None);
        while at < bytes.len() - 1 {
            let entry = entry_at(&bytes, first, &master, at)?;
            if entry.id < first
                || last.is_some_and(|last| last >= entry.id)
                || entry.id == StreamId::MIN
            {
                return None;
            }
            // Flags are changed in place, which takes their shortest form.
            if bytes[entry.flags_at] > 0x7f {
                return None;
            }
            last = Some(entry.id);
            at = entry.end;
            if entry.is_deleted() {
                deleted += 1;
            } else {
                live += 1;
            }
        }
        (live == master.live && deleted == master.deleted).then_some(Node { bytes })
    }

    /// The listpack.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Bytes allocated.
    pub fn heap_bytes(&self) -> usize {
        allocated_bytes(self.bytes.capacity())
    }

    /// Gives back what was allocated for growth.
    pub fn shrink(&mut self) {
        self.bytes.shrink_to_fit();
    }

    fn master(&self) -> Master {
        master(&self.bytes).expect("a node is well formed")
    }

    /// Entries that are not deleted.
    pub fn live(&self) -> u64 {
        self.master().live as u64
    }

    /// Entries, deleted ones included.
    pub fn entries(&self) -> u64 {
        let master = self.master();
        (master.live + master.deleted) as u64
    }

    /// All entries of the node whose first id is `first`.
    pub fn cursor(&self, first: StreamId) -> Cursor<'_> {
        let master = self.master();
        Cursor {
            bytes: &self.bytes,
            first,
            at: master.end,
            master,
            end: self.bytes.len() - 1,
        }
    }

    /// Adds an entry with an id greater than all in the node.
    pub fn append(&mut self, first: StreamId, id: StreamId, fields: FieldsToAdd<'_>) {
        let master = self.master();
        let count = (fields.len() / 2) as i64;
        let mut same = count == master.fields;
        let mut at = master.fields_at;
        for pair in fields.chunks_exact(2) {
            if !same {
                break;
            }
            let (field, next) = element_at(&self.bytes, at).expect("a node is well formed");
            same = field.is(pair[0]);
            at = next;
        }
        listpack::replace_by_integer(&mut self.bytes, HEADER_BYTES, master.live + 1);
        let mut out = Appender::new(&mut self.bytes);
        out.push_integer(if same { SAME_FIELDS } else { 0 });
        out.push_integer(id.ms.wrapping_sub(first.ms) as i64);
        out.push_integer(id.seq.wrapping_sub(first.seq) as i64);
        if !same {
            out.push_integer(count);
        }
        for pair in fields.chunks_exact(2) {
            if !same {
                out.push(pair[0]);
            }
            out.push(pair[1]);
        }
        out.push_integer(ENTRY_ELEMENTS + if same { count } else { 2 * count + 1 });
    }

    /// Marks an entry as deleted; false when it is not there or is deleted already.
    pub fn delete(&mut self, first: StreamId, id: StreamId) -> bool {
        let found = self
            .cursor(first)
            .take_while(|entry| entry.id <= id)
            .find(|entry| entry.id == id && !entry.is_deleted());
        let Some(found) = found else {
            return false;
        };
        let (at, flags) = (found.flags_at, found.flags);
        self.mark([(at, flags)].into_iter(), 1);
        true
    }

    /// Goes through entries from the oldest on, until `choose` says None, and marks those as deleted of which it says true; their number.
    pub fn delete_chosen(
        &mut self,
        first: StreamId,
        mut choose: impl FnMut(StreamId) -> Option<bool>,
    ) -> u64 {
        let marked: Vec<(usize, i64)> = self
            .cursor(first)
            .filter(|entry| !entry.is_deleted())
            .map_while(|entry| Some((choose(entry.id)?, entry)))
            .filter(|(chosen, _)| *chosen)
            .map(|(_, entry)| (entry.flags_at, entry.flags))
            .collect();
        let count = marked.len();
        self.mark(marked.into_iter(), count as i64);
        count as u64
    }

    fn mark(&mut self, entries: impl Iterator<Item = (usize, i64)>, count: i64) {
        for (at, flags) in entries {
            // The flags take one byte before and after, so that no place changes.
            listpack::replace_by_integer(&mut self.bytes, at, flags | DELETED);
        }
        let master = self.master();
        // The second number first: the first may change its length.
        listpack::replace_by_integer(&mut self.bytes, master.deleted_at, master.deleted + count);
        listpack::replace_by_integer(&mut self.bytes, HEADER_BYTES, master.live - count);
    }
}
