//! DEBUG RELOAD: all data goes into a snapshot, is thrown away, and is loaded from the snapshot again, while nobody else does anything.
//!
//! Never: journals what it does; a log tells of the same data before and after, and where that would not be so the command is refused. The decision worth knowing: it is SAVE and
//! the import of a start, one after the other, under a claim of every shard; during the second all shards' threads are blocked, as redis-server is.

use super::commands::{Answered, Outcome, lower};
use super::import::{Import, Source};
use super::operations::Work;
use super::server_operation::{Call, Finish, ServerOperation};
use super::service::Service;
use super::transactions::Then;
use crate::config::EventClasses;
use crate::engine::Client;
use crate::protocol::args::Args;
use crate::shard::locks::{Claims, Mode};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

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

/// A shard's part: what is loaded, and whether what is there goes before.
#[derive(Clone)]
pub struct Reload {
    import: Arc<Import>,
    flushes: bool,
}

impl std::fmt::Debug for Reload {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Reload({})", self.import.name())
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
        if self.transactions.is_locked {
            return Err("ERR DEBUG RELOAD cannot be part of a transaction".into());
        }
        let Some(token) = self.connection_at(index).map(|connection| connection.token) else {
            return Ok(Answered::Later);
        };
        let operation = ServerOperation::of_all(self.shards(), Finish::Reloaded);
        let Some(id) = self.begin(index, Work::Server(operation), true, false) else {
            return Ok(Answered::Later);
        };
        // While a snapshot is made others may read: it holds its keys for reading, too. What is loaded from it is the same again.
        let mode = match wanted.no_save {
            true => Mode::Write,
            false => Mode::Read,
        };
        let mut claims: BTreeMap<usize, Claims> = BTreeMap::new();
        for shard in 0..self.shards() {
            claims.entry(shard).or_default().add_whole(mode);
        }
        let client = Client {
            shard: self.shard.id as u32,
            token: token.to_bits(),
        };
        let transaction = self.acquire(claims, Vec::new(), Then::Reload(id, wanted), client);
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
        let reload = Reload {
            import,
            flushes: !wanted.no_flush,
        };
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
        let engine = &mut self.shard.engine;
        if reload.flushes {
            for db in 0..engine.databases() {
                engine.flush(db, false);
            }
        }
        // Nobody is told of keys that were there all along.
        engine.set_events_wanted(EventClasses::default());
        let outcome = reload.import.load(&mut self.shard);
        let engine = &mut self.shard.engine;
        engine.set_events_wanted(self.config.notify_keyspace_events);
        // What a command would write down of itself.
        engine.take_effect();
        engine.set_now(self.now_ms);
        outcome.map_err(|error| format!("ERR {error}"))
    }
}
