//! memcached's commands on the engine: `store` does what the text, the meta and the binary commands share, the other files read arguments and write replies.

pub mod binary;
mod binary_rows;
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

/// What ends the values of a request for several.
pub const END_OF_VALUES: &[u8] = b"END\r\n";

#[cfg(test)]
mod tests;
