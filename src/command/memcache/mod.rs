//! memcached's commands on the engine: `store` does what the text, the meta and the binary commands share, the other files read arguments and write replies.

mod flags;
pub mod meta;
pub mod reply;
pub mod rows;
pub mod stats;
pub mod store;
pub mod text;
pub mod value;

pub use binary_rows::ROWS as BINARY_COMMANDS;
pub use rows::{MEMCACHE_COMMANDS, part_of, row};
pub use stats::MemcacheStats;

#[cfg(test)]
mod tests;
