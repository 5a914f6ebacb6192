//! DEBUG RELOAD: all data goes into a snapshot, is thrown away, and is loaded from the snapshot again, while nobody else does anything. DEBUG LOADAOF: the same from the log.
//!
//! Never: journals what it does; a log tells of the same data before and after, and where that would not be so the command is refused. The decision worth knowing: it is SAVE and
//! the import of a start, one after the other, or WAITAOF and the replay of a start, under a claim of every shard; during the second all shards' threads are blocked, as redis-server is.

use super::commands::{Answered, Outcome, lower};
use super::import::{Import, Source};
use super::operations::Work;
use super::replay::Replay;
use super::server_operation::{Call, Finish, ServerOperation};
use super::service::Service;
use super::transactions::Then;
use crate::config::EventClasses;
use crate::engine::{Client, Journaling};
use crate::protocol::args::Args;
use crate::shard::locks::{Claims, Mode};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// How often a log is read that changes while it is read.
const READS_MAX: usize = 10;

/// What is to be done, and what not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The snapshot that is there is loaded, and none is made.
    no_save: bool,
    /// What is there stays.
    no_flush: bool,
    /// Libraries of functions that are there are replaced. (Keys always are.)
    merge: bool,
}

/// Where the data comes from.
#[derive(Clone)]
enum From {
    Snapshot(Arc<Import>),
    Log(Arc<Replay>),
}

/// A shard's part: what is loaded, and whether what is there goes before.
#[derive(Clone)]
pub struct Reload {
    from: From,
    flushes: bool,
}

impl std::fmt::Debug for Reload {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.from {
            From::Snapshot(import) => write!(formatter, "Reload({})", import.name()),
            From::Log(_) => write!(formatter, "Reload(log)"),
        }
    }
}

impl Service {
    /// `DEBUG RELOAD [NOSAVE] [NOFLUSH] [MERGE]`.
    pub(super) fn debug_reload(&mut self, index: u32, args: &Args<'_>) -> Outcome {
        let mut wanted = Wanted::default();
        for at in 2..args.len() {
            match &lower(args.get(at))[..] {
                "nosave" => wanted.no_save = true,
                "noflush" => wanted.no_flush = true,
                "merge" => wanted.merge = true,
                _ => {
                    return Err(
                        "ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options."
                            .into(),
                    );
                }
            }
        }
        if (wanted.no_save || wanted.no_flush) && self.shard.journal.is_on() {
            return Err("ERR with appendonly yes only all data can be reloaded, because the log would not tell of what is loaded".into());
        }
        // While a snapshot is made others may read: it holds its keys for reading, too. What is loaded from it is the same again.
        let mode = match wanted.no_save {
            true => Mode::Write,
            false => Mode::Read,
        };
        self.begin_reload(index, mode, |operation| Then::Reload(operation, wanted))
    }

    /// `DEBUG LOADAOF`.
    pub(super) fn debug_load_log(&mut self, index: u32) -> Outcome {
        if !self.shard.journal.is_on() {
            return Err("ERR there is no log to load: appendonly is no".into());
        }
        // Not for reading: a snapshot that is made meanwhile must not be in the middle of a value.
        self.begin_reload(index, Mode::Write, Then::LoadLog)
    }

    /// Claims every shard, and goes on with `then` of an operation.
    fn begin_reload(&mut self, index: u32, mode: Mode, then: impl FnOnce(u32) -> Then) -> Outcome {
        if self.transactions.is_locked {
            return Err("ERR data cannot be loaded again in a transaction".into());
        }
        let Some(token) = self.connection_at(index).map(|connection| connection.token) else {
            return Ok(Answered::Later);
        };
        let operation = ServerOperation::of_all(self.shards(), Finish::Reloaded);
        let Some(id) = self.begin(index, Work::Server(operation), true, false) else {
            return Ok(Answered::Later);
        };
        let mut claims: BTreeMap<usize, Claims> = BTreeMap::new();
        for shard in 0..self.shards() {
            claims.entry(shard).or_default().add_whole(mode);
        }
        let client = Client {
            shard: self.shard.id as u32,
            token: token.to_bits(),
        };
        let transaction = self.acquire(claims, Vec::new(), then(id), client);
        self.claim_next(transaction);
        Ok(Answered::Later)
    }

    /// Nobody else does anything.
    pub(super) fn reload_locked(&mut self, operation: u32, wanted: Wanted, transaction: u32) {
        // It goes with the reply.
        self.operations.get(operation).transaction = Some(transaction);
        if wanted.no_save {
            self.reload_saved(operation, wanted);
        } else if let Err(error) = self.begin_save_for_reload(operation, wanted) {
            self.end_reload(operation, error);
        }
    }

    /// The snapshot is there.
    pub(super) fn reload_saved(&mut self, operation: u32, wanted: Wanted) {
        if !wanted.no_flush {
            self.script_runs.scripts.flush_libraries();
        }
        let source = Source::Snapshot(PathBuf::from(&self.config.dbfilename));
        let mut import = Import::new(source, None, self.shards());
        import.replaces_libraries = wanted.merge;
        let import = Arc::new(import);
        if let Err(error) = import.begin(&self.config, &self.shared.scripts) {
            return self.end_reload(operation, format!("ERR {error}"));
        }
        self.reload_all(
            operation,
            Reload {
                from: From::Snapshot(import),
                flushes: !wanted.no_flush,
            },
        );
    }

    /// Nobody does anything any more: once all that was written is durable it can be read.
    pub(super) fn load_log_locked(&mut self, operation: u32, transaction: u32) {
        self.operations.get(operation).transaction = Some(transaction);
        self.when_all_is_durable(operation);
    }

    /// The log on disk has everything.
    pub(super) fn load_log(&mut self, operation: u32) {
        let directory = PathBuf::from(&self.config.appenddirname);
        let read = || Replay::read(&directory, self.shards(), &mut Vec::new());
        // A rewrite that ends meanwhile takes files away between one look and the next.
        let mut tries = (1..READS_MAX).map(|_| read());
        match tries.find(Result::is_ok).unwrap_or_else(read) {
            Err(error) => self.end_reload(operation, format!("ERR {error}")),
            Ok(replay) => self.reload_all(
                operation,
                Reload {
                    from: From::Log(Arc::new(replay)),
                    flushes: true,
                },
            ),
        }
    }

    fn reload_all(&mut self, operation: u32, reload: Reload) {
        let own = self.shard.id;
        for shard in (0..self.shards()).filter(|shard| *shard != own) {
            self.send_question(shard, operation, Call::Reload(reload.clone()));
        }
        // Now, because this thread waits for the others before its turn ends.
        self.post_messages();
        let answer = self.answer(Call::Reload(reload));
        self.take_answer(operation, answer);
    }

    /// Loads what is this shard's own.
    pub(super) fn reload_here(&mut self, reload: &Reload) -> Result<(), String> {
        self.rewrite_again();
        self.void_save();
        let journal = std::mem::take(&mut self.shard.journal);
        let engine = &mut self.shard.engine;
        engine.set_journaling(Journaling::Off);
        engine.set_memory_bytes_max(0);
        if reload.flushes {
            for db in 0..engine.databases() {
                engine.flush(db, false);
            }
        }
        // Nobody is told of keys that were there all along.
        engine.set_events_wanted(EventClasses::default());
        let (stats, may_block) = (self.shard.stats, self.shard.may_block);
        self.shard.may_block = false;
        let outcome = match &reload.from {
            From::Snapshot(import) => import.load(&mut self.shard),
            From::Log(replay) => replay.load(&mut self.shard),
        };
        (self.shard.stats, self.shard.may_block) = (stats, may_block);
        let journaling = match (journal.is_on(), journal.is_rewriting) {
            (false, _) => Journaling::Off,
            (true, false) => Journaling::On,
            (true, true) => Journaling::Rewriting,
        };
        self.shard.journal = journal;
        let memory_bytes_max = self.config.maxmemory / self.shards() as u64;
        let engine = &mut self.shard.engine;
        engine.set_journaling(journaling);
        engine.set_memory_bytes_max(memory_bytes_max);
        engine.set_events_wanted(self.config.notify_keyspace_events);
        // What a command would write down of itself.
        engine.take_effect();
        engine.set_now(self.now_ms);
        outcome.map_err(|error| format!("ERR {error}"))
    }
}
