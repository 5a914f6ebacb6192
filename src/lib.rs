//! torc: Thread-per-core On io_uRing Cache.
//!
//! The modules in reading order; imports go down this list's arrows only (a test holds them to it):
//! `main > server > shard > command > {engine, protocol}`, `server > script > command`, `server > net`,
//! and `config`, `codec`, `glob`, `limits`, `large`, `metrics` usable by all.

/// Byte codecs that payloads and files share. Knows nothing of keys, files or values.
pub mod codec;
/// What each command does. Synchronous; no I/O, no channels.
pub mod command;
/// One table of options. Never acts on them.
pub mod config;
/// One shard's data. Synchronous, single-threaded, no I/O; time and randomness are arguments.
pub mod engine;
/// Glob patterns. Knows nothing of keys or options.
pub mod glob;
/// Large buffers: contiguous bytes of 64 KiB and more, shared by reference, freed in slices. Knows nothing of items.
pub mod large;
/// Every bound in one place, each with its reason.
pub mod limits;
/// Counters and histograms and their rendering. Never decides anything.
pub mod metrics;
/// The ring: accept, receive, send. Knows nothing of commands.
pub mod net;
/// Durable bytes: the log of a shard, and the files of Redis. No I/O, no clock.
pub mod persist;
/// Bytes to requests and replies to bytes. No I/O, no engine, no clock.
pub mod protocol;
/// Scripts and functions in Lua: compiled, run and suspended. No I/O, no keys.
pub mod script;
/// Connections, sessions, listeners, start and stop.
pub mod server;
/// One shard: routing, messages, the mesh, multi-shard commands, upkeep. Its core does no I/O.
pub mod shard;
