//! One shard: which keys are its own, how commands run on them, and the messages between shards.
//!
//! Everything here but the mesh's wake-up is synchronous and without I/O: requests and messages in, replies and messages out, so that several shards
//! can be run in one thread from one seed. Nothing in a shard is ever touched by another thread.

pub mod attempt;
pub mod awaited;
pub mod journal;
pub mod large_images;
pub mod locks;
pub mod mesh;
pub mod message;
pub mod operation;
pub mod picture;
#[cfg(test)]
mod picture_tests;
pub mod slots;

use crate::command::table::{Command, flags};
use crate::command::{self, CommandStats, Context, Settings};
use crate::engine::{Client, Engine, Touch};
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;
use journal::Journal;
use message::Origin;
use picture::Picture;

/// The keys that a request reads, for a client that is to be told when they change.
pub struct KeysRead {
    client: Client,
    keys: Vec<Box<[u8]>>,
}

impl KeysRead {
    /// Those of this shard; none, and no cost, when nobody is to be told.
    #[inline]
    pub fn of(shard: &Shard, row: &'static Command, args: &Args<'_>, origin: Origin) -> KeysRead {
        let keys = match origin.is_tracked {
            false => Vec::new(),
            true => KeysRead::find(shard, row, args),
        };
        let client = origin.client;
        KeysRead { client, keys }
    }

    #[cold]
    fn find(shard: &Shard, row: &'static Command, args: &Args<'_>) -> Vec<Box<[u8]>> {
        let keys = command::key_positions(row, args).map(|at| args.get(at));
        let own = keys.filter(|key| slots::owner(key, shard.count) == shard.id);
        own.map(Box::from).collect()
    }

    /// The request has been carried out: they are remembered.
    #[inline]
    pub fn remember(&self, shard: &mut Shard) {
        for bytes in &self.keys {
            let key = shard.engine.key(0, bytes);
            shard.engine.track(&key, self.client);
        }
    }
}

/// One shard's data and what its commands count.
pub struct Shard {
    /// Its number.
    pub id: usize,
    /// Of how many.
    pub count: usize,
    /// Its data.
    pub engine: Engine,
    /// What its log is told.
    pub journal: Journal,
    /// A picture of its keys that is being taken.
    pub picture: Option<Box<Picture>>,
    /// What commands count.
    pub stats: CommandStats,
    /// Settings of commands.
    pub settings: Settings,
    /// Whether blocking commands may wait.
    pub may_block: bool,
}

impl Shard {
    /// Runs a data command here and now; exactly one reply is written.
    #[inline]
    pub fn execute(
        &mut self,
        command: &'static Command,
        args: Args<'_>,
        db: usize,
        touch: Touch,
        first_key_hash: Option<u64>,
        reply: &mut Reply,
    ) {
        if self.is_pictured_before(command)
            && let Some(picture) = &mut self.picture
        {
            let shard = (self.id, self.count);
            picture.before(command, &args, db, shard, &mut self.engine);
        }
        let (mut context, journal) = self.context(command, args, db, touch, first_key_hash, reply);
        if journal.is_on() {
            journal.execute(command, &mut context);
        } else {
            command::execute(command, &mut context);
        }
    }

    /// Whether a picture is being taken that has to know what a command changes.
    #[inline]
    pub fn is_pictured_before(&self, command: &Command) -> bool {
        self.picture.is_some() && command.flags & flags::WRITE != 0
    }

    /// Names of the keys that a command learns from the values that are here; see [`command::FurtherKeys`]. Nothing is counted.
    pub fn further_keys(
        &mut self,
        command: &'static Command,
        args: Args<'_>,
        db: usize,
        round: usize,
    ) -> Option<Vec<Vec<u8>>> {
        let keys = command.further_keys?;
        let stats = self.stats;
        let mut unwritten = Reply::default();
        let (mut context, _) = self.context(command, args, db, Touch::No, None, &mut unwritten);
        let names = (keys.find)(&mut context, round);
        self.stats = stats;
        names
    }

    #[inline]
    fn context<'a>(
        &'a mut self,
        command: &Command,
        args: Args<'a>,
        db: usize,
        touch: Touch,
        first_key_hash: Option<u64>,
        reply: &'a mut Reply,
    ) -> (Context<'a>, &'a mut Journal) {
        let context = Context {
            engine: &mut self.engine,
            db,
            args,
            reply,
            settings: &self.settings,
            stats: &mut self.stats,
            touch,
            known_hash: first_key_hash.map(|hash| (command.first_key as usize, hash)),
            may_block: self.may_block,
            shard: (self.id, self.count),
        };
        (context, &mut self.journal)
    }
}
