//! Whole-server tests over real sockets, with one, two and five shards. `TORC_TEST_SERVER=redis-server` runs them against a
//! real redis-server, which must pass all but those about torc alone.

#[path = "../support/mod.rs"]
mod support;

mod blocking;
mod cache;
mod clients;
mod fields;
mod keyspace;
mod limits;
mod monitor;
mod pubsub;
mod running;
mod start;
mod streams;
mod tables;
mod talk;
mod tracking;
mod transactions;
