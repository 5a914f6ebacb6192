//! The durable log of a shard: what to write, what has been written, and what is found after a crash.
//!
//! Never does I/O, knows no clock, no thread and no other layer: [`log::Log`] makes [`disk::Operation`]s, somebody carries them out and says what came
//! of them; recovery reads bytes it is given. So a test can fail, tear or forget any single write, and lose the power at any moment. The decision worth
//! knowing: nothing is ever appended to a file of an earlier start. Each start opens a new segment, whose header says where the log before it ends,
//! so that one sector written is what makes a cut lasting. `docs/log-format.md` has the bytes and the rules of recovery.
//!
//! In reading order: [`frame`] (the bytes of a file), [`entry`] (what bodies hold), [`disk`] (operations), [`log`] with [`rewrite`] (the way to the disk),
//! [`settling`] (which transactions of several shards are safe there), [`recovery`] and [`settle`] (the way back), [`check`] (the same, for people), `simulated` (a disk for tests). Beside them, for moving from and to Redis:
//! [`rdb`] (its snapshots), [`redis_log`] (its append-only directories).

pub mod buffer;
pub mod check;
#[cfg(test)]
mod damage_tests;
pub mod disk;
pub mod entry;
pub mod frame;
mod job;
pub mod log;
pub mod manifest;
#[cfg(test)]
mod random;
pub mod rdb;
pub mod recovery;
pub mod redis_log;
pub mod rewrite;
pub mod settle;
pub mod settling;
#[cfg(test)]
mod settling_tests;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod simulation_tests;
mod stream;
