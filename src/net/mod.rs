//! The network: an io_uring of our own per shard, its provided buffers, and the sockets it serves.
//!
//! Never: knows nothing of requests, shards or items. The one decision worth knowing: the ring owns every buffer the kernel may
//! touch until the completion has been seen, so that no caller needs `unsafe`.

pub mod buffers;
pub mod probe;
pub mod ring;
pub mod socket;

pub use ring::{Event, FileDone, FileMemory, FileRequest, Outgoing, Ring, RingOptions, Token};
