//! Geography: positions as scores of a sorted set. The arithmetic is in `geohash` and `search`, which know neither keyspace nor replies; the
//! commands on single positions are in `position`, those that search in `find`.

mod docs;
pub mod find;
pub mod geohash;
pub mod position;
pub mod rows;
pub mod search;
#[cfg(test)]
mod tests;
