//! What each command does. [`table`] has ONE ROW PER COMMAND: look-up, arity, routing, refusal when memory is short, COMMAND and the
//! documentation come from it. Data commands are plain functions on a [`Context`]; commands on the connection or the whole server are only named
//! here ([`Run::Server`]) and carried out by the layers above.
//! Never: I/O, channels, clocks.

pub mod error;
pub mod table;

use crate::engine::{Engine, Item, Key, OutOfMemory, Touch};
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;
pub use error::CommandError;

/// Settings that commands depend on; CONFIG SET may change them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `proto-max-bulk-len`: also the longest string that commands may make.
    pub string_bytes_max: usize,
}

/// Counters that commands keep per shard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CommandStats {
    /// Look-ups for reading that found the key.
    pub keyspace_hits: u64,
    /// Look-ups for reading that did not.
    pub keyspace_misses: u64,
    /// Changes to the data (`rdb_changes_since_last_save`).
    pub changes: u64,
}

/// All that a data command sees.
pub struct Context<'a> {
    /// This shard's data.
    pub engine: &'a mut Engine,
    /// The selected database.
    pub db: usize,
    /// The request; argument 0 is the name.
    pub args: Args<'a>,
    /// Where the reply goes. A command writes exactly one reply, or returns an error and has written nothing.
    pub reply: &'a mut Reply,
    /// Settings.
    pub settings: &'a Settings,
    /// Counters.
    pub stats: &'a mut CommandStats,
    /// Touch::No under CLIENT NO-TOUCH.
    pub touch: Touch,
}

impl<'a> Context<'a> {
    /// The key at argument `index` of the selected database.
    pub fn key(&self, index: usize) -> Key<'_> {
        self.engine.key(self.db, self.args.get(index))
    }
    /// Looks argument `index` up in order to read it; counts a hit or a miss.
    pub fn find_read(&mut self, index: usize) -> Option<Item> {
        let key = self.engine.key(self.db, self.args.get(index));
        let found = self.engine.find(&key, self.touch);
        match found {
            Some(_) => self.stats.keyspace_hits += 1,
            None => self.stats.keyspace_misses += 1,
        }
        found
    }
    /// Looks argument `index` up in order to change it; counts nothing.
    pub fn find_write(&mut self, index: usize) -> Option<Item> {
        let key = self.engine.key(self.db, self.args.get(index));
        self.engine.find(&key, self.touch)
    }
}

impl From<OutOfMemory> for CommandError {
    fn from(_: OutOfMemory) -> CommandError {
        CommandError::OutOfMemory
    }
}

/// A data command.
pub type Handler = fn(&mut Context<'_>) -> Result<(), CommandError>;

/// Who carries a command out.
#[derive(Clone, Copy)]
pub enum Run {
    /// A function on one shard's data.
    Data(Handler),
    /// The connection, or the server around the shards.
    Server(ServerCommand),
}

/// Commands that the server layer carries out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ServerCommand {
    Auth,
    Client,
    Command,
    Config,
    Debug,
    Hello,
    Info,
    Memory,
    Quit,
    Reset,
    Select,
    Shutdown,
}

/// Where a command goes, and how the replies of several shards become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// No key: any shard will do.
    Anywhere,
    /// To the owner of its keys; when they lie on different shards, as the split says.
    Keys(Split),
    /// To every shard.
    AllShards(Merge),
    /// SCAN: to the shard its cursor names.
    Cursor,
    /// One shard chosen at random in proportion to its keys (RANDOMKEY).
    RandomShard,
}

/// What happens to a command whose keys lie on different shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    /// It has one key only.
    Never,
    /// Every shard gets the command with its own keys; integer replies are added up (DEL, EXISTS, TOUCH, UNLINK).
    Sum,
    /// Every shard gets the command with its own keys; array elements go back to the places of their keys (MGET).
    Elements,
    /// Every shard gets the command with its own keys and the arguments behind them; one OK (MSET).
    AllOk,
    /// First EXISTS everywhere, then MSET unless one key was there (MSETNX).
    AllOrNothing,
    /// The value of the first key is fetched from its shard and put under the second on its own (RENAME, RENAMENX, COPY).
    Transfer,
    /// The values of the source keys are fetched; the command's own function combines them; the result is written where the destination lives (BITOP) or only replied (LCS).
    Gather,
}

/// How replies of all shards become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// All say OK.
    Ok,
    /// Integers added up.
    Sum,
    /// Arrays joined.
    Concatenate,
}
