//! The byte before a value says in which form the value is written. The numbers are those of `RDB_TYPE_…` in redis/redis `src/rdb.h` and
//! valkey-io/valkey `src/rdb.h`; the versions are those of the files in which a form first appears.
//! The decision worth knowing: Redis and Valkey both gave out the number 22, so Valkey's form has a number of its own here
//! (`HASH_EXPIRING_VALKEY`), which no file contains: a kind and the bytes behind it then say everything, wherever they came from.

/// A string.
pub const STRING: u8 = 0;
/// A list of strings, until version 6.
pub const LIST: u8 = 1;
/// A set of strings.
pub const SET: u8 = 2;
/// A sorted set with its scores as text, until version 7.
pub const SORTED_SET_TEXT: u8 = 3;
/// A hash of strings.
pub const HASH: u8 = 4;
/// A sorted set with its scores in binary (version 8).
pub const SORTED_SET: u8 = 5;
/// A value of a module, as release candidates of Redis 4.0 wrote it.
pub const MODULE_EARLY: u8 = 6;
/// A value of a module.
pub const MODULE: u8 = 7;
/// A hash as a zipmap, until version 3.
pub const HASH_ZIPMAP: u8 = 9;
/// A list as one ziplist, until version 6.
pub const LIST_ZIPLIST: u8 = 10;
/// A set of integers.
pub const SET_INTSET: u8 = 11;
/// A sorted set as a ziplist, until version 9.
pub const SORTED_SET_ZIPLIST: u8 = 12;
/// A hash as a ziplist, until version 9.
pub const HASH_ZIPLIST: u8 = 13;
/// A list of ziplists, until version 9.
pub const LIST_QUICKLIST: u8 = 14;
/// A stream, until version 9.
pub const STREAM_1: u8 = 15;
/// A hash as a listpack (version 10).
pub const HASH_LISTPACK: u8 = 16;
/// A sorted set as a listpack (version 10).
pub const SORTED_SET_LISTPACK: u8 = 17;
/// A list of listpacks and single elements (version 10).
pub const LIST_QUICKLIST_2: u8 = 18;
/// A stream that knows how many entries were ever added and read (version 10).
pub const STREAM_2: u8 = 19;
/// A set as a listpack (version 11).
pub const SET_LISTPACK: u8 = 20;
/// A stream that knows when a consumer was last active (version 11).
pub const STREAM_3: u8 = 21;
/// A hash whose fields expire, as release candidates of Redis 7.4 wrote it.
pub const HASH_EXPIRING_EARLY: u8 = 22;
/// The same as a listpack.
pub const HASH_LISTPACK_EXPIRING_EARLY: u8 = 23;
/// A hash whose fields expire (version 12).
pub const HASH_EXPIRING: u8 = 24;
/// The same as a listpack.
pub const HASH_LISTPACK_EXPIRING: u8 = 25;
/// A stream that knows which entries its producers have added (version 13).
pub const STREAM_4: u8 = 26;
/// A stream with pending entries that consumers gave back (version 14).
pub const STREAM_5: u8 = 27;
/// An array (version 14).
pub const ARRAY: u8 = 28;

/// A hash whose fields expire, as Valkey writes it (version 80); there it has the number [`HASH_EXPIRING_VALKEY_IN_FILES`].
pub const HASH_EXPIRING_VALKEY: u8 = 0x80 | HASH_EXPIRING_VALKEY_IN_FILES;
/// See [`HASH_EXPIRING_VALKEY`].
pub const HASH_EXPIRING_VALKEY_IN_FILES: u8 = 22;

/// What a kind is called in messages.
pub fn name(kind: u8) -> &'static str {
    match kind {
        STRING => "string",
        LIST | LIST_ZIPLIST | LIST_QUICKLIST | LIST_QUICKLIST_2 => "list",
        SET | SET_INTSET | SET_LISTPACK => "set",
        SORTED_SET_TEXT | SORTED_SET | SORTED_SET_ZIPLIST | SORTED_SET_LISTPACK => "sorted set",
        HASH | HASH_ZIPMAP | HASH_ZIPLIST | HASH_LISTPACK => "hash",
        HASH_EXPIRING_EARLY | HASH_LISTPACK_EXPIRING_EARLY => "hash with expiring fields",
        HASH_EXPIRING | HASH_LISTPACK_EXPIRING => "hash with expiring fields",
        HASH_EXPIRING_VALKEY => "hash with expiring fields",
        STREAM_1 | STREAM_2 | STREAM_3 | STREAM_4 | STREAM_5 => "stream",
        MODULE | MODULE_EARLY => "value of a module",
        ARRAY => "array",
        _ => "value of an unknown kind",
    }
}
