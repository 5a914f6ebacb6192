//! Durable bytes.

pub mod rdb;
pub mod redis_log;
