//! Large values a piece at a time: the payload of an image or of an RDB file, from where the last piece ended, so that no value takes more of a turn than its writer allows.
//!
//! Never: copies a value, or remembers references to it; a place in it (a position in the table, a rank, an id) is all that is kept between two pieces. Whoever asks for pieces
//! sees to it that the value is not changed meanwhile ([`crate::shard::locks`]). What the engine may do all the same is take something away: a value that is
//! gone, or has become shorter, is noticed and said. The decision worth knowing: the forms are those whose lengths are known before the first element (a list is
//! one of strings and not of listpacks, whose number nobody knows), so that nothing is looked at twice.

use super::image::{self, ImageHead};
use crate::codec::{element, kind};
use crate::engine::value::hash::LargeHash;
use crate::engine::value::list::{Direction, List};
use crate::engine::value::set::LargeSet;
use crate::engine::value::sorted_set::SortedSet;
use crate::engine::value::stream::{LargeStream, StreamId};
use crate::engine::{Collection, Engine, Item, Touch, Value};

/// Collections of fewer bytes are written at once.
const COLLECTION_BYTES_MIN: usize = 64 << 10;
/// Strings of fewer bytes are.
const STRING_BYTES_MIN: usize = 256 << 10;
/// Elements that one step takes at most: each may cost the processor a wait for memory.
const STEP_ELEMENTS_MAX: usize = 128;
/// Longer elements are not compressed: that takes a hundred times as long as copying.
const COMPRESSED_BYTES_MAX: usize = 16 << 10;

/// What the pieces are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// The payload of an image of the log. Strings in it are not compressed.
    Image,
    /// A kind and a value as in an RDB file of version 10, or of version 12 where fields of a hash expire.
    Rdb,
    /// The same for who is in a hurry: strings in it are not compressed.
    RdbPlain,
}

/// What has come of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// There is more to come.
    More,
    /// The payload is whole.
    End,
    /// The value is not what it was: what has been written is the beginning of nothing.
    Gone,
}

/// Where the next piece begins.
#[derive(Debug)]
enum Place {
    /// At this byte of a string.
    Byte(usize),
    /// At this element of the part of a table that begins at a position.
    Part(u32, usize),
    /// Behind so many elements of a list or a sorted set.
    Rank(usize),
    /// In a stream.
    Stream(Stage),
}

/// Where in a stream. Names are the first to be looked at: of a group, and of one of its consumers.
#[derive(Debug)]
enum Stage {
    Nodes(StreamId),
    Groups(Vec<u8>),
    Pending(Vec<u8>, StreamId),
    Consumers(Vec<u8>, Vec<u8>),
    PendingOf(Vec<u8>, Vec<u8>, StreamId),
}

/// See the module.
#[derive(Debug)]
pub struct Pieces {
    db: usize,
    key: Box<[u8]>,
    form: Form,
    /// Bytes of a string, elements of a collection; while it is not changed less means that something was taken away.
    len: usize,
    /// The time as which fields have expired.
    now_ms: i64,
    /// A hash whose fields expire: the earliest.
    earliest: Option<i64>,
    place: Place,
}

/// Whether a value is so large that it is to be written in pieces.
pub fn is_large(engine: &Engine, item: Item) -> bool {
    match engine.value(item) {
        Value::Large(large) => large.len() >= STRING_BYTES_MIN,
        Value::Collection(collection) => collection.heap_bytes() >= COLLECTION_BYTES_MIN,
        _ => false,
    }
}

fn write_string(out: &mut Vec<u8>, text: &[u8], form: Form) {
    match form {
        Form::Rdb if text.len() <= COMPRESSED_BYTES_MAX => element::write_string(out, text),
        _ => element::write_plain_string(out, text),
    }
}

fn write_id(out: &mut Vec<u8>, id: StreamId) {
    element::write_number(out, id.ms);
    element::write_number(out, id.seq);
}

/// The first name behind one.
fn behind(mut name: Vec<u8>) -> Vec<u8> {
    name.push(0);
    name
}

/// How far one step may go.
struct Budget {
    bytes_end: usize,
    elements: usize,
}

impl Budget {
    /// Whether another element may follow what has been written.
    fn takes(&mut self, out: &[u8]) -> bool {
        let takes = out.len() < self.bytes_end && self.elements > 0;
        self.elements = self.elements.saturating_sub(1);
        takes
    }
}

impl Pieces {
    /// Begins with a value that [`is_large`]: what is before its first element is appended to `out`. The head is that of an image.
    pub fn begin(
        engine: &Engine,
        db: usize,
        item: Item,
        form: Form,
        out: &mut Vec<u8>,
    ) -> (Pieces, ImageHead) {
        let key: Box<[u8]> = engine.key_bytes(item).into();
        let head = match form {
            Form::Image => image::write_head(engine, &engine.key(db, &key), item, out),
            Form::Rdb | Form::RdbPlain => ImageHead {
                kind: 0,
                expires_at_ms: engine.expiry(item),
            },
        };
        let now_ms = engine.now_ms();
        let mut earliest = None;
        let (kind, len, place) = match engine.value(item) {
            Value::Large(text) => {
                if form != Form::Image {
                    out.push(kind::STRING);
                    element::write_number(out, text.len() as u64);
                }
                (None, text.len(), Place::Byte(0))
            }
            Value::Collection(Collection::Set(set)) => {
                (Some(kind::SET), set.len(), Place::Part(0, 0))
            }
            Value::Collection(Collection::Hash(hash)) => {
                earliest = hash.earliest_expiry(now_ms);
                let kind = match earliest {
                    Some(_) => kind::HASH_EXPIRING,
                    None => kind::HASH,
                };
                (Some(kind), hash.len_live(now_ms), Place::Part(0, 0))
            }
            Value::Collection(Collection::SortedSet(set)) => {
                (Some(kind::SORTED_SET), set.len(), Place::Rank(0))
            }
            Value::Collection(Collection::List(list)) => {
                (Some(kind::LIST), list.len(), Place::Rank(0))
            }
            Value::Collection(Collection::Stream(stream)) => {
                let kind = match form {
                    Form::Image => kind::STREAM_3,
                    Form::Rdb | Form::RdbPlain => kind::STREAM_2,
                };
                let len = stream.log().nodes_len();
                (Some(kind), len, Place::Stream(Stage::Nodes(StreamId::MIN)))
            }
            _ => unreachable!("it is large"),
        };
        if let Some(kind) = kind {
            out.push(kind);
            if let Some(earliest) = earliest {
                out.extend_from_slice(&earliest.to_le_bytes());
            }
            element::write_number(out, len as u64);
        }
        let mut pieces = Pieces {
            db,
            key,
            form,
            len: 0,
            now_ms,
            earliest,
            place,
        };
        pieces.len = pieces.len_of(engine.value(item)).expect("it is large");
        (pieces, head)
    }

    /// The database.
    pub fn db(&self) -> usize {
        self.db
    }

    /// The key.
    pub fn key(&self) -> &[u8] {
        &self.key
    }

    /// What must stay as it is; None when it cannot be what was begun with.
    fn len_of(&self, value: Value<'_>) -> Option<usize> {
        match (value, &self.place) {
            (Value::Large(text), Place::Byte(_)) => Some(text.len()),
            (Value::Collection(Collection::Set(set)), Place::Part(..)) => Some(set.len()),
            (Value::Collection(Collection::Hash(hash)), Place::Part(..)) => Some(hash.len()),
            (Value::Collection(Collection::SortedSet(set)), Place::Rank(_)) => Some(set.len()),
            (Value::Collection(Collection::List(list)), Place::Rank(_)) => Some(list.len()),
            (Value::Collection(Collection::Stream(stream)), Place::Stream(_)) => {
                Some(stream.log().len() as usize)
            }
            _ => None,
        }
    }

    /// Appends the next step: until there are `bytes` more in `out`, or so many elements as may take a few microseconds. An element is never divided.
    pub fn step(&mut self, engine: &mut Engine, out: &mut Vec<u8>, bytes: usize) -> Progress {
        let key = engine.key(self.db, &self.key);
        let Some(item) = engine.find(&key, Touch::No) else {
            return Progress::Gone;
        };
        if self.len_of(engine.value(item)) != Some(self.len) {
            return Progress::Gone;
        }
        let mut budget = Budget {
            bytes_end: out.len() + bytes.max(1),
            elements: STEP_ELEMENTS_MAX,
        };
        let is_over = match engine.value(item) {
            Value::Large(text) => self.text(text.as_slice(), out, bytes),
            Value::Collection(Collection::Set(set)) => self.set(set, out, &mut budget),
            Value::Collection(Collection::Hash(hash)) => self.hash(hash, out, &mut budget),
            Value::Collection(Collection::SortedSet(_)) => {
                self.sorted_set(engine, item, out, &mut budget)
            }
            Value::Collection(Collection::List(_)) => self.list(engine, item, out, &mut budget),
            Value::Collection(Collection::Stream(stream)) => self.stream(stream, out, &mut budget),
            _ => unreachable!("it has just been compared"),
        };
        match is_over {
            true => Progress::End,
            false => Progress::More,
        }
    }

    fn text(&mut self, text: &[u8], out: &mut Vec<u8>, bytes: usize) -> bool {
        let Place::Byte(from) = &mut self.place else {
            unreachable!("a string has bytes");
        };
        let to = text.len().min(*from + bytes.max(1));
        out.extend_from_slice(&text[*from..to]);
        *from = to;
        to == text.len()
    }

    fn set(&mut self, set: &LargeSet, out: &mut Vec<u8>, budget: &mut Budget) -> bool {
        let Place::Part(position, offset) = &mut self.place else {
            unreachable!("a set is a table");
        };
        loop {
            let (members, next) = set.part(*position);
            for member in members.skip(*offset) {
                if !budget.takes(out) {
                    return false;
                }
                write_string(out, member.as_bytes(&mut [0; 20]), self.form);
                *offset += 1;
            }
            let Some(next) = next else {
                return true;
            };
            (*position, *offset) = (next, 0);
        }
    }

    fn hash(&mut self, hash: &LargeHash, out: &mut Vec<u8>, budget: &mut Budget) -> bool {
        let Place::Part(position, offset) = &mut self.place else {
            unreachable!("a hash is a table");
        };
        loop {
            let (fields, next) = hash.part(*position);
            for (name, value, expiry) in fields.skip(*offset) {
                if !budget.takes(out) {
                    return false;
                }
                *offset += 1;
                if expiry.is_some_and(|at_ms| at_ms <= self.now_ms) {
                    continue;
                }
                if let Some(earliest) = self.earliest {
                    let later = expiry.map_or(0, |at_ms| at_ms.abs_diff(earliest) + 1);
                    element::write_number(out, later);
                }
                write_string(out, name, self.form);
                write_string(out, value, self.form);
            }
            let Some(next) = next else {
                return true;
            };
            (*position, *offset) = (next, 0);
        }
    }

    fn sorted_set(
        &mut self,
        engine: &Engine,
        item: Item,
        out: &mut Vec<u8>,
        budget: &mut Budget,
    ) -> bool {
        let Place::Rank(rank) = &mut self.place else {
            unreachable!("a sorted set has ranks");
        };
        let set = engine.view::<SortedSet>(item).expect("it is one");
        let len = set.len();
        // The greatest scores first, as Redis writes them.
        for (member, score) in set.range(0..len - *rank, Direction::Backward) {
            if !budget.takes(out) {
                break;
            }
            write_string(out, member.as_bytes(&mut [0; 20]), self.form);
            out.extend_from_slice(&score.to_le_bytes());
            *rank += 1;
        }
        *rank == len
    }

    fn list(
        &mut self,
        engine: &Engine,
        item: Item,
        out: &mut Vec<u8>,
        budget: &mut Budget,
    ) -> bool {
        let Place::Rank(rank) = &mut self.place else {
            unreachable!("a list has positions");
        };
        let list = engine.view::<List>(item).expect("it is one");
        let len = list.len();
        for element in list.range(*rank..len, Direction::Forward) {
            if !budget.takes(out) {
                break;
            }
            write_string(out, element.as_bytes(&mut [0; 20]), self.form);
            *rank += 1;
        }
        *rank == len
    }

    fn stream(&mut self, stream: &LargeStream, out: &mut Vec<u8>, budget: &mut Budget) -> bool {
        let form = self.form;
        let Place::Stream(stage) = &mut self.place else {
            unreachable!("it is a stream");
        };
        loop {
            let next = match stage {
                Stage::Nodes(from) => nodes(stream, from, out, budget, form),
                Stage::Groups(from) => {
                    if !budget.takes(out) {
                        return false;
                    }
                    match group(stream, from, out, form) {
                        None => return true,
                        next => next,
                    }
                }
                Stage::Pending(name, from) => pending(stream, name, from, out, budget),
                Stage::Consumers(name, from) => {
                    if !budget.takes(out) {
                        return false;
                    }
                    Some(consumer(stream, name, from, out, form))
                }
                Stage::PendingOf(name, owner, from) => {
                    pending_of(stream, name, owner, from, out, budget)
                }
            };
            match next {
                Some(next) => *stage = next,
                None => return false,
            }
        }
    }
}

/// Nodes; what follows when there are no more.
fn nodes(
    stream: &LargeStream,
    from: &mut StreamId,
    out: &mut Vec<u8>,
    budget: &mut Budget,
    form: Form,
) -> Option<Stage> {
    for (first, node) in stream.log().nodes_from(*from) {
        if !budget.takes(out) {
            *from = first;
            return None;
        }
        write_string(out, &first.to_bytes(), form);
        write_string(out, node.bytes(), form);
    }
    let log = stream.log();
    element::write_number(out, log.len());
    write_id(out, log.last_id());
    write_id(out, log.first_id());
    write_id(out, log.max_deleted_id());
    element::write_number(out, log.entries_added());
    element::write_number(out, stream.groups().len() as u64);
    Some(Stage::Groups(Vec::new()))
}

/// The head of the next group; None when there is none.
fn group(stream: &LargeStream, from: &[u8], out: &mut Vec<u8>, form: Form) -> Option<Stage> {
    let (name, group) = stream.groups_from(from).next()?;
    write_string(out, name, form);
    write_id(out, group.last_id());
    element::write_number(out, group.entries_read().unwrap_or(-1) as u64);
    element::write_number(out, group.pending_len() as u64);
    Some(Stage::Pending(name.to_vec(), StreamId::MIN))
}

/// Pending entries of a group; what follows when there are no more.
fn pending(
    stream: &LargeStream,
    name: &mut Vec<u8>,
    from: &mut StreamId,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> Option<Stage> {
    let group = stream.group(name).expect("nobody changes the stream");
    for (id, pending) in group.pending(*from, StreamId::MAX) {
        if !budget.takes(out) {
            *from = id;
            return None;
        }
        out.extend_from_slice(&id.to_bytes());
        out.extend_from_slice(&pending.delivery_time_ms.to_le_bytes());
        element::write_number(out, pending.delivery_count);
    }
    element::write_number(out, group.consumers().len() as u64);
    Some(Stage::Consumers(std::mem::take(name), Vec::new()))
}

/// The head of the next consumer of a group, or the next group.
fn consumer(
    stream: &LargeStream,
    name: &mut Vec<u8>,
    from: &[u8],
    out: &mut Vec<u8>,
    form: Form,
) -> Stage {
    let group = stream.group(name).expect("nobody changes the stream");
    let name = std::mem::take(name);
    let Some(consumer) = group.consumers_from(from).next() else {
        return Stage::Groups(behind(name));
    };
    write_string(out, consumer.name(), form);
    out.extend_from_slice(&consumer.seen_time_ms.to_le_bytes());
    if form == Form::Image {
        out.extend_from_slice(&consumer.active_time_ms.unwrap_or(-1).to_le_bytes());
    }
    element::write_number(out, consumer.pending_len() as u64);
    Stage::PendingOf(name, consumer.name().to_vec(), StreamId::MIN)
}

/// Pending entries of a consumer; what follows when there are no more.
fn pending_of(
    stream: &LargeStream,
    name: &mut Vec<u8>,
    owner: &mut Vec<u8>,
    from: &mut StreamId,
    out: &mut Vec<u8>,
    budget: &mut Budget,
) -> Option<Stage> {
    let group = stream.group(name).expect("nobody changes the stream");
    let consumer = group.consumer(owner).expect("nobody changes the stream");
    for id in consumer.pending_from(*from) {
        if !budget.takes(out) {
            *from = id;
            return None;
        }
        out.extend_from_slice(&id.to_bytes());
    }
    let behind = behind(std::mem::take(owner));
    Some(Stage::Consumers(std::mem::take(name), behind))
}

#[cfg(test)]
#[path = "pieces_tests.rs"]
mod tests;
