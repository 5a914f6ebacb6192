//! What a warm restart keeps of a large collection: its type and what its own file says.

use super::{Collection, Type};
use crate::engine::frozen::{In, Out};
use crate::engine::value::ElementHasher;
use crate::engine::value::hash::LargeHash;
use crate::engine::value::list::LargeList;
use crate::engine::value::set::LargeSet;
use crate::engine::value::sorted_set::LargeSortedSet;
use crate::engine::value::stream::LargeStream;
use std::io;

impl Collection {
    /// Writes it.
    pub(in crate::engine) fn freeze(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.bytes(&[self.kind() as u8])?;
        match self {
            Collection::Taken => Err(io::Error::other("a collection is being changed")),
            Collection::Hash(hash) => hash.freeze(out),
            Collection::List(list) => list.freeze(out),
            Collection::Set(set) => set.freeze(out),
            Collection::SortedSet(set) => set.freeze(out),
            Collection::Stream(stream) => stream.freeze(out),
        }
    }

    /// Reads one whose elements are hashed by `hasher`.
    pub(in crate::engine) fn thaw(
        input: &mut In<'_>,
        hasher: &ElementHasher,
    ) -> Result<Collection, String> {
        const HASH: u8 = Type::Hash as u8;
        const LIST: u8 = Type::List as u8;
        const SET: u8 = Type::Set as u8;
        const SORTED_SET: u8 = Type::SortedSet as u8;
        const STREAM: u8 = Type::Stream as u8;
        Ok(match input.byte()? {
            HASH => Collection::Hash(Box::new(LargeHash::thaw(input, hasher)?)),
            LIST => Collection::List(Box::new(LargeList::thaw(input)?)),
            SET => Collection::Set(Box::new(LargeSet::thaw(input, hasher)?)),
            SORTED_SET => Collection::SortedSet(Box::new(LargeSortedSet::thaw(input, hasher)?)),
            STREAM => Collection::Stream(Box::new(LargeStream::thaw(input)?)),
            _ => return Err("a collection is of no type".into()),
        })
    }
}
