//! DEBUG DIGEST and DIGEST-VALUE: a sum of what keys and values are, equal for equal data in whatever order and form it is kept.
//!
//! Never: the same as Redis' sum, or quick; all of a shard is gone through in one turn. The decision worth knowing: what a value is is read from its DUMP payload, so that the sum
//! knows of every type that a snapshot does.

use super::service::Service;
use crate::command::dump::{DumpedValue, VERSION_7_4, decode_value, rdb_value};
use crate::engine::value::stream::listpack::INTEGER_BYTES_MAX;
use crate::engine::value::stream::{Stream, StreamId};
use crate::engine::{Item, Type};
use crate::script::sha1::{hex, sha1};

/// A sum of parts whose order does not matter.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Digest([u8; 20]);

/// Keys looked at between two steps of a walk.
const KEYS_AT_A_TIME: usize = 64;

impl Digest {
    /// Of the words one after the other.
    fn of<'a>(words: impl IntoIterator<Item = &'a [u8]>) -> Digest {
        let mut bytes = Vec::new();
        for word in words {
            bytes.extend_from_slice(&(word.len() as u64).to_le_bytes());
            bytes.extend_from_slice(word);
        }
        Digest(sha1(&bytes))
    }

    /// Adds a part.
    pub fn add(&mut self, part: &Digest) {
        for (byte, other) in self.0.iter_mut().zip(part.0) {
            *byte ^= other;
        }
    }

    /// As text.
    pub fn hex(&self) -> String {
        String::from_utf8_lossy(&hex(&self.0)).into_owned()
    }
}

fn of_time(at_ms: Option<i64>) -> [u8; 8] {
    at_ms.unwrap_or(0).to_le_bytes()
}

impl Service {
    /// Of all databases of this shard.
    pub(super) fn digest(&mut self) -> Digest {
        let mut sum = Digest::default();
        for db in 0..self.shard.engine.databases() {
            let mut cursor = 0;
            loop {
                let mut items = Vec::new();
                let engine = &mut self.shard.engine;
                cursor = engine.scan(db, cursor, KEYS_AT_A_TIME, &mut |_, item| items.push(item));
                for item in items {
                    let value = self.value_digest(item);
                    let engine = &self.shard.engine;
                    let key = engine.key_bytes(item);
                    let expiry = of_time(engine.expiry(item));
                    let db = (db as u32).to_le_bytes();
                    sum.add(&Digest::of([&db, key, &value.0, &expiry]));
                }
                if cursor == 0 {
                    break;
                }
            }
        }
        sum
    }

    /// Of a value.
    pub(super) fn value_digest(&self, item: Item) -> Digest {
        let engine = &self.shard.engine;
        if engine.type_of(item) == Type::Stream {
            let stream = engine.view::<Stream>(item).expect("it is a stream");
            let mut sum = Digest::of([format!("{:?}", stream.log().last_id()).as_bytes()]);
            for entry in stream.log().range(StreamId::MIN, StreamId::MAX) {
                let id = format!("{:?}", entry.id);
                let fields = entry.fields().flat_map(|(name, value)| [name, value]);
                let words: Vec<Vec<u8>> = fields
                    .map(|word| word.text(&mut [0; INTEGER_BYTES_MAX]).to_vec())
                    .collect();
                let words = words.iter().map(|word| &word[..]);
                sum.add(&Digest::of([id.as_bytes()].into_iter().chain(words)));
            }
            for (name, group) in stream.groups() {
                let state = format!("{:?} {}", group.last_id(), group.pending_len());
                sum.add(&Digest::of([name, state.as_bytes()]));
            }
            return sum;
        }
        let value = rdb_value(engine, item, VERSION_7_4).expect("the type is the one it has");
        let (kind, body) = value.plain().split_first().expect("a value has a kind");
        let value = decode_value(*kind, body, usize::MAX).expect("it was just made");
        let mut sum = Digest::default();
        match value {
            DumpedValue::String(text) => sum = Digest::of([&text[..]]),
            DumpedValue::List(elements) => {
                sum = Digest::of(elements.iter().map(|element| &element[..]));
            }
            DumpedValue::Set(members) => {
                for member in &members {
                    sum.add(&Digest::of([&member[..]]));
                }
            }
            DumpedValue::SortedSet(members) => {
                for (member, score) in &members {
                    sum.add(&Digest::of([&member[..], &score.to_le_bytes()]));
                }
            }
            DumpedValue::Hash(fields) => {
                for field in &fields {
                    let expiry = of_time(field.expires_at_ms);
                    sum.add(&Digest::of([&field.name[..], &field.value, &expiry]));
                }
            }
            DumpedValue::Stream(_) => unreachable!("looked at before"),
        }
        sum
    }
}
