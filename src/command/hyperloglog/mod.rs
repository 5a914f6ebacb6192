//! HyperLogLog: a string that estimates how many different elements were added to it. The bytes and the mathematics are in `registers` and
//! `sparse`, which know neither keyspace nor replies; the commands in `commands`.

pub mod commands;
mod docs;
pub mod registers;
pub mod rows;
mod sparse;
#[cfg(test)]
mod tests;
