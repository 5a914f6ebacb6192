//! The payload of DUMP and RESTORE: one value as in an RDB file, then 2 bytes of version and 8 of checksum. This module turns payloads into plain
//! data and plain data into payloads that redis-server of the stated version reads. Only `commands` knows the keyspace.
//! Never: trusts a payload: no panic, and no memory for what is only announced.
//! The one decision worth knowing: values go through plain data (`DumpedValue`) and not straight from one form to another, so that this
//! module and the types know nothing of each other; only streams keep their nodes, which are the same in both.

#[cfg(test)]
mod command_tests;
mod commands;
pub mod crc64;
mod decode;
mod encode;
pub mod image;
pub mod lzf;
mod packed;
mod reader;
pub mod rows;
#[cfg(test)]
mod tests;
mod writer;

use crate::engine::value::stream::parts::StreamParts;
pub use decode::decode;
pub use encode::{hash, intset, list, packed_sorted_set, set, sorted_set, stream, string};

/// The version of Redis 7.0, the oldest that is written.
pub const VERSION_7_0: u16 = 10;
/// The version of Redis 7.2: streams know when a consumer was last active.
pub const VERSION_7_2: u16 = 11;
/// The version of Redis 7.4: fields of hashes expire.
pub const VERSION_7_4: u16 = 12;

/// Version and checksum.
const FOOTER_BYTES: usize = 10;

/// Why a payload was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DumpError {
    /// "DUMP payload version or checksum are wrong".
    Footer,
    /// "Bad data format".
    Format,
    /// More than the caller allows to decode.
    TooLarge,
}

/// A value as plain data.
#[derive(Debug, Clone, PartialEq)]
pub enum DumpedValue {
    /// A string.
    String(Vec<u8>),
    /// A list, from its head.
    List(Vec<Vec<u8>>),
    /// A set, without duplicates.
    Set(Vec<Vec<u8>>),
    /// Members, without duplicates, and scores, which are numbers.
    SortedSet(Vec<(Vec<u8>, f64)>),
    /// Fields, without duplicates.
    Hash(Vec<DumpedField>),
    /// A stream. What its parts contain is checked by `Stream::from_parts`.
    Stream(StreamParts),
}

/// A field of a hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DumpedField {
    /// Its name.
    pub name: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
    /// When it expires, milliseconds since 1970; may be past.
    pub expires_at_ms: Option<i64>,
}

/// The types of values in payloads.
mod kind {
    pub const STRING: u8 = 0;
    pub const LIST: u8 = 1;
    pub const SET: u8 = 2;
    pub const SORTED_SET_TEXT: u8 = 3;
    pub const HASH: u8 = 4;
    pub const SORTED_SET: u8 = 5;
    pub const HASH_ZIPMAP: u8 = 9;
    pub const LIST_ZIPLIST: u8 = 10;
    pub const SET_INTSET: u8 = 11;
    pub const SORTED_SET_ZIPLIST: u8 = 12;
    pub const HASH_ZIPLIST: u8 = 13;
    pub const LIST_QUICKLIST: u8 = 14;
    pub const STREAM_1: u8 = 15;
    pub const HASH_LISTPACK: u8 = 16;
    pub const SORTED_SET_LISTPACK: u8 = 17;
    pub const LIST_QUICKLIST_2: u8 = 18;
    pub const STREAM_2: u8 = 19;
    pub const SET_LISTPACK: u8 = 20;
    pub const STREAM_3: u8 = 21;
    pub const HASH_EXPIRING_EARLY: u8 = 22;
    pub const HASH_LISTPACK_EXPIRING_EARLY: u8 = 23;
    pub const HASH_EXPIRING: u8 = 24;
    pub const HASH_LISTPACK_EXPIRING: u8 = 25;
}

/// A node of a quicklist that is one element.
const NODE_PLAIN: u64 = 1;
/// A node of a quicklist that is a listpack.
const NODE_PACKED: u64 = 2;
