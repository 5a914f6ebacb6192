//! Loads on Redis' data types: which commands, in which proportions, on which data. A file for each, of two functions: `prefill` writes what its data
//! is made of, `write` the next request. They write RESP and never look at a socket, a clock or a reply.
//!
//! What a reply decides is taken from [`Notes`], which the reader fills: the entry to acknowledge, the counter that is new. Which workload it is is one
//! branch a request and no parameter of the worker's type, since eight more workers of each kind would be compiled for a nanosecond.
//!
//! Every workload keeps its data at the size it was filled to, so that a run's length does not change what it measures.

mod bitmap;
mod cart;
mod leaderboard;
mod notes;
mod pen;
mod publish;
mod queue;
mod rate_limit;
mod script;
mod stream;
mod tags;
mod transaction;

pub use notes::{Notes, WorkloadReader};
pub use pen::Pen;

use crate::protocol::resp::{Resp, write_bulk_head};
use crate::protocol::{Command, Kept, Login, Protocol};
use std::collections::VecDeque;

/// Members that a command of the prefill writes at most.
pub const PREFILL_CHUNK: u64 = 32;

/// Workloads by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum WorkloadName {
    /// Hashes of --members fields: 4 HGET, 2 HSET, 2 HINCRBY, 2 HGETALL
    Cart,
    /// Sorted sets: 4 ZREVRANK, 2 ZADD, 2 ZINCRBY, 2 ZRANGE of the ten highest
    Leaderboard,
    /// Lists: LPUSH to one and RPOP from it, by turns
    Queue,
    /// Lists: half of the connections wait with BRPOP, the others LPUSH once for each wait
    QueueBlocking,
    /// Sets: 5 SISMEMBER, 2 SADD, 2 SREM, 1 SINTER of two sets
    Tags,
    /// Streams: XADD MAXLEN ~, XREADGROUP and XACK of the entry that was read, by turns
    Stream,
    /// Strings of --members bits: 5 GETBIT, 4 SETBIT, 1 BITCOUNT
    Bitmap,
    /// Counters: INCR, and EXPIRE of those that are new; with --pipeline above 1 INCR and EXPIRE NX by turns
    RateLimit,
    /// Transactions of 5 commands: MULTI, 2 SET, 1 INCR, 2 GET, EXEC by turns, on keys of one hash tag; with --pipeline 7 each is sent at once
    Transaction,
    /// As transaction, on keys of several slots
    TransactionSpread,
    /// EVALSHA of a script that calls SET, INCR and GET on keys of one hash tag
    Script,
    /// As script, on keys of several slots
    ScriptSpread,
    /// PUBLISH to channels with --members subscribers each, which are further connections
    Publish,
}

/// What a workload is unless options say otherwise.
#[derive(Debug, Clone, Copy)]
pub struct Defaults {
    /// What keys begin with: each workload has keys of its own, so that one server can be loaded with all of them.
    pub key_prefix: &'static str,
    /// Number of keys.
    pub keyspace: u64,
    /// Members of each collection: the default, the fewest and the most; 0 where there are none.
    pub members: [u64; 3],
    /// The names of the commands, by [`Command::index`].
    pub commands: &'static [&'static str],
}

impl WorkloadName {
    /// What it is unless options say otherwise.
    pub fn defaults(self) -> Defaults {
        let (key_prefix, keyspace, members, commands) = match self {
            Self::Cart => ("cart:", 100_000, [10, 2, 1_000_000], cart::COMMANDS),
            Self::Leaderboard => (
                "board:",
                10_000,
                [100, 1, 10_000_000],
                leaderboard::COMMANDS,
            ),
            Self::Queue => ("queue:", 10_000, [50, 1, 10_000_000], queue::COMMANDS),
            Self::QueueBlocking => ("wait:", 1_000, [0; 3], queue::BLOCKING_COMMANDS),
            Self::Tags => ("tags:", 100_000, [20, 1, 10_000_000], tags::COMMANDS),
            Self::Stream => ("stream:", 1_000, [200, 10, 1_000_000_000], stream::COMMANDS),
            Self::Bitmap => (
                "bits:",
                10_000,
                [10_000, 1, bitmap::BITS_MAX],
                bitmap::COMMANDS,
            ),
            Self::RateLimit => ("rate:", 100_000, [0; 3], rate_limit::COMMANDS),
            Self::Transaction | Self::TransactionSpread => {
                ("multi:", 100_000, [0; 3], transaction::COMMANDS)
            }
            Self::Script | Self::ScriptSpread => ("script:", 100_000, [0; 3], script::COMMANDS),
            Self::Publish => ("channel:", 1, [100, 1, 10_000], publish::COMMANDS),
        };
        Defaults {
            key_prefix,
            keyspace,
            members,
            commands,
        }
    }

    /// Whether its requests make what they need.
    fn fills_nothing(self) -> bool {
        !matches!(
            self,
            Self::Cart | Self::Leaderboard | Self::Queue | Self::Tags | Self::Stream | Self::Bitmap
        )
    }

    /// About how many bytes its largest replies have, if values have `value_size`.
    pub fn reply_size(self, members: u64, value_size: usize) -> usize {
        let members = members as usize;
        match self {
            Self::Cart => members.saturating_mul(value_size + 32),
            Self::Tags => members.saturating_mul(24),
            Self::Leaderboard => 10 * 40,
            Self::Transaction | Self::TransactionSpread => 2 * value_size + 64,
            _ => value_size + 64,
        }
    }
}

/// A workload with its sizes.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Which it is.
    pub name: WorkloadName,
    /// Members of each collection.
    pub members: u64,
    /// Seconds until a counter expires.
    pub ttl_seconds: u64,
    /// Seconds after which a server ends a wait.
    pub wait_seconds: u64,
    /// Whether replies come before the next request is written.
    pub is_pipelined: bool,
}

/// What a connection can send now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// A share of the load.
    Share,
    /// What others wait for, whatever is left of the load.
    Owed,
    /// Nothing until others wait again.
    Nothing,
}

/// A thread's part of a workload: writes its requests.
#[derive(Debug, Clone)]
pub struct Workload {
    shape: Shape,
    /// Keys of waits that were sent and whose push was not: as many as waiting connections have requests under way.
    awaited: VecDeque<u64>,
}

impl Workload {
    /// A workload.
    pub fn new(shape: Shape) -> Self {
        Self {
            shape,
            awaited: VecDeque::new(),
        }
    }

    fn is_blocking(&self) -> bool {
        self.shape.name == WorkloadName::QueueBlocking
    }

    /// Whether a connection of this thread pushes what others wait for.
    fn pushes(&self, connection: usize) -> bool {
        self.is_blocking() && connection % 2 == 1
    }

    /// What a connection of this thread can send now.
    ///
    /// A push is written for each wait and for its very key, so none waits in vain and lists do not grow, however fast either half is.
    #[inline]
    pub fn ready(&self, connection: usize) -> Ready {
        match (self.pushes(connection), self.awaited.is_empty()) {
            (false, _) => Ready::Share,
            (true, false) => Ready::Owed,
            (true, true) => Ready::Nothing,
        }
    }

    /// Whether pushes are owed.
    pub fn owes(&self) -> bool {
        !self.awaited.is_empty()
    }

    /// How many requests come of each that is written as a share of the load.
    pub fn requests_each(&self) -> u64 {
        if self.is_blocking() { 2 } else { 1 }
    }

    /// How many commands make a key.
    pub fn prefill_steps(&self) -> u64 {
        let fills = match self.shape.name {
            name if name.fills_nothing() => 0,
            WorkloadName::Bitmap => 1,
            WorkloadName::Stream => self.shape.members + 1,
            _ => self.shape.members.div_ceil(PREFILL_CHUNK),
        };
        1 + fills
    }

    /// Writes one of the commands that make a key; the first removes what was there.
    pub fn write_prefill(&self, key: u64, step: u64, pen: &mut Pen<'_>) {
        let Some(step) = step.checked_sub(1) else {
            pen.head(b"*2\r\n$3\r\nDEL\r\n");
            return pen.key(key);
        };
        let members = self.shape.members;
        let first = step * PREFILL_CHUNK;
        let chunk = first..(first + PREFILL_CHUNK).min(members);
        match self.shape.name {
            WorkloadName::Cart => cart::prefill(key, chunk, members, pen),
            WorkloadName::Leaderboard => leaderboard::prefill(key, chunk, pen),
            WorkloadName::Queue => queue::prefill(key, chunk, pen),
            WorkloadName::Tags => tags::prefill(key, chunk, pen),
            WorkloadName::Stream => stream::prefill(key, step, members, pen),
            WorkloadName::Bitmap => bitmap::prefill(key, members, pen),
            _ => {
                unreachable!("there is nothing to fill")
            }
        }
    }

    /// Writes the next request of a connection that is ready.
    #[inline]
    pub fn write(&mut self, connection: usize, notes: &mut Notes, pen: &mut Pen<'_>) -> Command {
        let shape = &self.shape;
        match shape.name {
            WorkloadName::Cart => cart::write(shape.members, pen),
            WorkloadName::Leaderboard => leaderboard::write(shape.members, pen),
            WorkloadName::Queue => queue::write(notes, pen),
            WorkloadName::QueueBlocking if connection % 2 == 1 => {
                let key = self.awaited.pop_front();
                queue::write_push(key.expect("a push is owed"), pen)
            }
            WorkloadName::QueueBlocking => {
                let key = pen.pick();
                self.awaited.push_back(key);
                queue::write_wait(key, shape.wait_seconds, pen)
            }
            WorkloadName::Tags => tags::write(shape.members, pen),
            WorkloadName::Stream => stream::write(shape.members, notes, pen),
            WorkloadName::Bitmap => bitmap::write(shape.members, pen),
            WorkloadName::RateLimit => rate_limit::write(shape, notes, pen),
            WorkloadName::Transaction => transaction::write(true, notes, pen),
            WorkloadName::TransactionSpread => transaction::write(false, notes, pen),
            WorkloadName::Script => script::write(true, pen),
            WorkloadName::ScriptSpread => script::write(false, pen),
            WorkloadName::Publish => publish::write(pen),
        }
    }
}

impl Protocol for Workload {
    type Reader = WorkloadReader;

    fn write_login(&self, login: &Login, out: &mut Vec<u8>) -> usize {
        let replies = Resp.write_login(login, out);
        if !matches!(
            self.shape.name,
            WorkloadName::Script | WorkloadName::ScriptSpread
        ) {
            return replies;
        }
        out.extend_from_slice(b"*3\r\n$6\r\nSCRIPT\r\n$4\r\nLOAD\r\n");
        write_bulk_head(script::SCRIPT.len(), out);
        out.extend_from_slice(script::SCRIPT.as_bytes());
        out.extend_from_slice(b"\r\n");
        replies + 1
    }
}

/// A command whose reply only has to be none of the errors.
const fn command(index: u8) -> Command {
    Command {
        index,
        finds: false,
        kept: Kept::Nothing,
    }
}

/// A command that looks for something.
const fn finding(index: u8) -> Command {
    Command {
        index,
        finds: true,
        kept: Kept::Nothing,
    }
}

#[cfg(test)]
mod tests;
