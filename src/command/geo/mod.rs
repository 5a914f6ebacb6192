//! Geography: positions as scores of a sorted set. This module is the arithmetic.
//! Never: the keyspace, replies.

pub mod geohash;
pub mod search;
