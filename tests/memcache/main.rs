//! torc as a memcached: random commands against a real memcached, tables of requests and replies, data shared with RESP, bad input, stampedes, datagrams,
//! and the protocol tester of libmemcached. Never looks inside torc.
//!
//! `TORC_TEST_MEMCACHE_SERVER=memcached` tests a real memcached in torc's place, which must pass all but what is said to be torc's alone;
//! `TORC_TEST_OPERATIONS` sizes the oracle, `TORC_TEST_SEED` replays a random test.

#[path = "../support/mod.rs"]
mod support;

mod bad_input;
mod binary;
mod capable;
mod compare;
mod contest;
mod datagrams;
mod meta;
mod operation;
mod oracle;
mod proxy;
mod settings;
mod shared;
mod sizes;
mod stampede;
mod statistics;
mod tables;
mod text;
