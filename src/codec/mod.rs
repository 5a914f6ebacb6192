//! Byte codecs that payloads of DUMP and RDB files share: their checksum, the compression of their strings, the numbers of their forms.
//! Never: knows of keys, files, or what a value is made of. A common: usable by all, and uses nothing of the project.
//! The decision worth knowing: these are here and not in the two modules that need them, because those may not use each other.

/// The checksum, of a whole or of a stream.
pub mod crc64;
/// Numbers and strings.
pub mod element;
/// The bytes that say in which form a value is written.
pub mod kind;
/// The compression of strings.
pub mod lzf;
