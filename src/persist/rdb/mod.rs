//! RDB files: the snapshots of Redis and Valkey, read and written, so that data can move from and to them.
//!
//! ```text
//! "REDIS" 4 digits | "VALKEY" 3 digits          the version
//! 250 name value                                auxiliary fields
//! 245 code                                      libraries of functions
//! 254 number, 251 keys expiring                 the database of what follows, and its size
//! [252 time] [248 idle | 249 frequency] kind key value     a key, as often as there are
//! 255 checksum                                  the end
//! ```
//!
//! The format is that of redis/redis `src/rdb.c` and `src/rdb.h` (versions up to 14, Redis 8.8) and valkey-io/valkey `src/rdb.h` (version 80).
//!
//! Never: I/O, or knowledge of what a value is made of beyond where it ends. Values go in and out as the bytes that they have in files, and
//! `command::dump` turns those into plain data and back.
//! The decision worth knowing: the reader works on a slice, so that a mapped file costs no copies and its values can be decoded by other
//! threads than the one that finds them.

mod cursor;
mod error;
mod extent;
mod reader;
#[cfg(test)]
mod tests;
mod writer;

pub use error::{RdbError, RdbErrorKind};
pub use reader::{Checksum, Entry, KeyEntry, RdbReader, is_rdb};
pub use writer::{KeyToWrite, KindTooNew, Preface, RdbVersion, RdbWriter};

/// The bytes before what is not a value.
mod opcode {
    /// A command of a primary that went on while the file was written (Valkey 9.2).
    pub const UPDATE: u8 = 242;
    /// Data of modules about a key (Redis), or slots that are being moved (Valkey).
    pub const KEY_METADATA_OR_SLOT_IMPORT: u8 = 243;
    /// The size of a slot.
    pub const SLOT_INFO: u8 = 244;
    /// A library of functions.
    pub const FUNCTION: u8 = 245;
    /// The same as release candidates of Redis 7.0 wrote it.
    pub const FUNCTION_EARLY: u8 = 246;
    /// Data of a module that belongs to no key.
    pub const MODULE_DATA: u8 = 247;
    /// For how many seconds the next key was not used.
    pub const IDLE: u8 = 248;
    /// How often the next key was used, roughly.
    pub const FREQUENCY: u8 = 249;
    /// An auxiliary field.
    pub const AUXILIARY: u8 = 250;
    /// How many keys the database has, and how many of them expire.
    pub const SIZE_HINT: u8 = 251;
    /// When the next key expires, in milliseconds since 1970.
    pub const EXPIRES_MS: u8 = 252;
    /// The same in seconds, until version 2.
    pub const EXPIRES_S: u8 = 253;
    /// The database of the keys that follow.
    pub const DATABASE: u8 = 254;
    /// The end.
    pub const END: u8 = 255;
}
