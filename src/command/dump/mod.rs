//! The payload of DUMP and RESTORE: one value as in an RDB file, then 2 bytes of version and 8 of checksum. This module turns payloads into plain
//! data and plain data into payloads that redis-server of the stated version reads. Without version and checksum it is a value as in an RDB file, which
//! `rdb_value` and `decode_value` write and read. Only `commands` knows the keyspace.
//! Never: trusts a payload: no panic, and no memory for what is only announced.
//! The one decision worth knowing: values go through plain data (`DumpedValue`) and not straight from one form to another, so that this
//! module and the types know nothing of each other; only streams keep their nodes, which are the same in both.

#[cfg(test)]
mod command_tests;
mod commands;
mod decode;
mod decode_stream;
mod encode;
pub mod image;
mod packed;
pub mod pieces;
mod reader;
pub mod rows;
#[cfg(test)]
mod tests;
mod writer;

use crate::codec::kind;
use crate::engine::value::stream::parts::StreamParts;
pub use commands::{rdb_value, store};
pub use decode::{decode, decode_value};
pub use encode::{hash, intset, list, packed_sorted_set, set, sorted_set, stream, string};
pub use writer::Payload;

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
    /// A collection without elements. RESTORE answers as for a bad format; files of versions that had left such keys behind hold them, and
    /// who reads those leaves the keys out, as Redis does.
    Empty,
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

/// A node of a quicklist that is one element.
const NODE_PLAIN: u64 = 1;
/// A node of a quicklist that is a listpack.
const NODE_PACKED: u64 = 2;
