//! Bytes to requests and replies to bytes. Never: I/O, engine, clock.

pub mod args;
pub mod memcache;
pub mod number;
pub mod resp;
