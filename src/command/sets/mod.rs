//! Commands on sets. Those on one set are in `members`, those that choose at random in `random`, SMOVE and SSCAN in files of their own, those that
//! combine sets in `algebra`.
//! Never: how a set is stored, which [`crate::engine::value::set`] knows.

mod algebra;
mod docs;
mod members;
mod move_member;
mod random;
mod rows;
mod scan;
#[cfg(test)]
mod tests;

pub use rows::ROWS;
