//! What a cache needs beyond Redis' commands: items that are dropped by their tags, and leases against a stampede on a value that has to be made.
//!
//! Never: keeps anything of its own. Tags are the engine's (`engine/tags.rs`); what a lease marks on an item are the marks of memcached's meta
//! commands, so that clients of both protocols see each other's.

mod docs;
pub mod leases;
mod options;
pub mod rows;
pub mod tags;
#[cfg(test)]
mod tests;
