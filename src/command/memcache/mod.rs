//! memcached's commands on the engine: `store` does what the text, the meta and the binary commands share, the other files read arguments and write replies.

pub mod binary;
mod binary_rows;
pub mod stats;
pub mod store;
pub mod value;

pub use stats::MemcacheStats;
