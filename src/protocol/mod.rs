//! Bytes to requests and replies to bytes. Never: I/O, engine, clock.

pub mod args;
pub mod memcache;
pub mod number;
pub mod request;
pub mod resp;

pub use request::{Dialect, Limits, Name, RequestParser};
