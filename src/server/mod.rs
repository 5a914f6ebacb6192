//! The server around the shards: connections and sessions, listeners, start and stop.
//!
//! `worker` is the turn of one shard and owns its ring; `service` is everything a shard does for its connections, without I/O.

mod batch;
mod commands;
pub mod connection;
mod datagram;
mod digest;
mod dispatch;
mod durability;
pub mod executor;
mod flow;
mod handover;
mod housekeeping;
pub mod import;
mod interest;
mod listen;
mod load;
pub mod log;
mod log_begin;
mod log_disk;
mod log_home;
mod log_waits;
pub mod memcache_users;
mod messages;
mod operations;
mod progress;
mod reload;
mod replay;
mod requests;
mod rewrite;
mod saving;
mod scripts;
mod server_operation;
pub mod service;
pub mod shared;
mod snapshot;
pub mod start;
mod subscriptions;
pub mod tools;
mod transactions;
mod turn;
mod waiting;
pub mod warm;
mod worker;
