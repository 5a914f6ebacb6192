//! What each command does. `table` has ONE ROW PER COMMAND: look-up, arity, routing, refusal when memory is short, COMMAND and the
//! documentation come from it. Data commands are plain functions on a `Context`; commands on the connection or the whole server are only named
//! here (`Run::Server`) and carried out by the layers above.
//! Never: I/O, channels, clocks.

pub mod bitfield;
pub mod bits;
pub mod cache;
pub mod compare;
pub mod connection;
pub mod counters;
pub mod cursor;
pub mod databases;
pub mod docs;
pub mod dump;
pub mod error;
pub mod expiry;
pub mod gather;
pub mod geo;
pub mod get;
pub mod hash;
pub mod hyperloglog;
pub mod introspect;
pub mod key_positions;
pub mod keys;
pub mod lcs;
pub mod list;
pub mod long_double;
pub mod lookup;
pub mod memcache;
pub mod multi_key;
pub mod number;
pub mod object;
pub mod pubsub;
pub mod rows;
pub mod sample;
pub mod scan;
pub mod scripting;
pub mod set;
pub mod sets;
pub mod sort;
pub mod sorted_set;
pub mod stream;
pub mod string_value;
pub mod substrings;
pub mod table;
#[cfg(test)]
mod tests;
pub mod timeout;
pub mod transaction;
pub mod transfer;

use crate::engine::{Engine, EventClass, Item, Key, OutOfMemory, Touch};
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;
pub use error::CommandError;
pub use key_positions::{first_key, key_positions, numbered_keys, with_keys};
pub use pubsub::Subscription;
pub use table::{COMMANDS, Command, lookup, resolve};

/// Settings that commands depend on; CONFIG SET may change them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `proto-max-bulk-len`: also the longest string that commands may make.
    pub string_bytes_max: usize,
    /// `item-size-max`: the longest value over memcached's protocols.
    pub item_bytes_max: usize,
    /// `hll-sparse-max-bytes`.
    pub hll_sparse_bytes_max: usize,
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
    /// What memcached's protocols count.
    pub memcache: memcache::MemcacheStats,
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
    /// The hash of one key argument when the caller has it already (the batch's prefetch makes it): the argument's index and [`Key::hash`].
    pub known_hash: Option<(usize, u64)>,
    /// Whether a command that waits for something may wait. Where it may not it replies as if its time were over.
    pub may_block: bool,
    /// Which shard this is, and of how many: SCAN's cursors name the shard.
    pub shard: (usize, usize),
}

/// The key at argument `index` of a context's selected database. A macro, so that it borrows the fields it needs and no others.
macro_rules! key_at {
    ($context:expr, $index:expr) => {
        $crate::command::make_key(
            $context.engine,
            $context.db,
            &$context.args,
            $index,
            $context.known_hash,
        )
    };
}
pub(crate) use key_at;

/// See [`key_at`].
#[inline]
pub(crate) fn make_key<'k>(
    engine: &Engine,
    db: usize,
    args: &'k Args<'_>,
    index: usize,
    known_hash: Option<(usize, u64)>,
) -> Key<'k> {
    let bytes = args.get(index);
    match known_hash {
        Some((known, hash)) if known == index => Key { db, bytes, hash },
        _ => engine.key(db, bytes),
    }
}

impl Context<'_> {
    /// The key at argument `index` of the selected database.
    pub fn key(&self, index: usize) -> Key<'_> {
        key_at!(self, index)
    }
    /// Looks argument `index` up in order to read it; counts a hit or a miss.
    #[inline]
    pub fn find_read(&mut self, index: usize) -> Option<Item> {
        self.find_counted(index, self.touch)
    }
    /// Looks argument `index` up in order to read something about it that is no use of the value (TTL, TYPE, EXISTS, OBJECT).
    pub fn find_untouched(&mut self, index: usize) -> Option<Item> {
        self.find_counted(index, Touch::No)
    }
    /// Looks argument `index` up in order to change it; counts nothing.
    #[inline]
    pub fn find_write(&mut self, index: usize) -> Option<Item> {
        let key = key_at!(self, index);
        self.engine.find(&key, self.touch)
    }
    #[inline]
    fn find_counted(&mut self, index: usize, touch: Touch) -> Option<Item> {
        let key = key_at!(self, index);
        let found = self.engine.find(&key, touch);
        self.stats.count_read(self.engine, &key, found.is_some());
        found
    }
}

/// How a blocking command waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocking {
    /// For so long; 0 for ever.
    pub timeout_ms: u64,
    /// What it is answered when the time is over.
    pub null: Null,
}

/// A reply that says that there is nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Null {
    /// In place of a string.
    Bulk,
    /// In place of an array.
    Array,
}

impl Null {
    /// Writes it.
    pub fn write(self, reply: &mut Reply) {
        match self {
            Null::Bulk => reply.null(),
            Null::Array => reply.null_array(),
        }
    }
}

impl Context<'_> {
    /// Ends a blocking command that found nothing: writes no reply at all when it may wait, which tells the caller that it does, else the reply
    /// that says so.
    pub fn wait_or(&mut self, null: Null) -> Result<(), CommandError> {
        if !self.may_block {
            null.write(self.reply);
        }
        Ok(())
    }
}

impl CommandStats {
    /// Adds what was counted elsewhere.
    pub fn add(&mut self, other: &CommandStats) {
        self.keyspace_hits += other.keyspace_hits;
        self.keyspace_misses += other.keyspace_misses;
        self.changes += other.changes;
        self.memcache.add(&other.memcache);
    }
    /// Counts a look-up for reading, and tells of one that found nothing.
    #[inline]
    pub fn count_read(&mut self, engine: &mut Engine, key: &Key<'_>, found: bool) {
        self.keyspace_hits += u64::from(found);
        if !found {
            self.keyspace_misses += 1;
            engine.notify(EventClass::KeyMiss, "keymiss", key);
        }
    }
}

/// Carries a data command out, its arity having been checked by [`resolve`]: refuses it when it may grow memory and there is none, and writes exactly one reply.
///
/// Panics for a command that the server layer has to carry out.
#[inline]
pub fn execute(command: &'static Command, context: &mut Context<'_>) {
    let Run::Data(handler) = command.run else {
        panic!("{} is not a data command", command.name);
    };
    let outcome =
        if command.flags & table::flags::DENYOOM != 0 && context.engine.make_room().is_err() {
            Err(CommandError::OutOfMemory)
        } else {
            handler(context)
        };
    if let Err(error) = outcome {
        context.reply.error(error.text());
    }
}

impl From<OutOfMemory> for CommandError {
    fn from(_: OutOfMemory) -> CommandError {
        CommandError::OutOfMemory
    }
}

/// A data command.
pub type Handler = fn(&mut Context<'_>) -> Result<(), CommandError>;

/// Reads how a blocking command waits; None when the request does not ask to (XREAD without BLOCK). Errors are the handler's to report.
pub type FindBlocking = fn(&Args<'_>) -> Option<Blocking>;

/// Keys whose names a command learns from the values of others (SORT with BY and GET). A request that has some is always one of [`Split::Whole`] when there
/// are several shards, and their values are fetched in rounds, before the command runs.
#[derive(Clone, Copy)]
pub struct FurtherKeys {
    /// Whether a request has any.
    pub asked: fn(&Args<'_>) -> bool,
    /// Names of the keys of a round, which is counted from 0, once the values of the rounds before are there; some may be known already. None: there are no
    /// more rounds. Errors are the handler's to report.
    pub find: fn(&mut Context<'_>, usize) -> Option<Vec<Vec<u8>>>,
}

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
    BgSave,
    Client,
    Config,
    Debug,
    Discard,
    /// BGREWRITEAOF.
    RewriteLog,
    /// WAITAOF.
    WaitForLog,
    /// EVAL and all others that run a script or a function.
    Eval,
    Exec,
    Function,
    Hello,
    Info,
    LastSave,
    Memory,
    Monitor,
    Multi,
    Publish(Subscription),
    Pubsub,
    Quit,
    Reset,
    Save,
    Script,
    Select,
    Shutdown,
    Subscribe(Subscription),
    Unsubscribe(Subscription),
    Unwatch,
    Watch,
    /// A command of memcached's protocols; the request's verb says which.
    Memcache,
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
    /// The values of all keys are brought to one shard, the command runs there as if it were the only one, and what it changed goes back (SINTERSTORE,
    /// SORT STORE and the like). Nothing about the command needs to know.
    Whole,
    /// Each step runs where its key is (`shard/attempt.rs`), so that nothing is lost that others do meanwhile: commands that take elements from keys or
    /// move them (LMOVE, LMPOP, XREADGROUP, and those that block), and XREAD. When there is nothing they reply so.
    Steps(Null),
    /// Every key is a request of its own, in the order of the keys (memcached's requests for several values).
    Each,
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
