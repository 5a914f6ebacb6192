//! Rewriting a shard's log: images of all keys take the place of the commands that made them.
//!
//! Never: forks, copies the data, or stops anybody. The decision worth knowing: the images go into the log itself, between the commands that run meanwhile, each when the walk over
//! all keys comes to it; so nothing of the past is kept for a picture of one moment, and the memory it takes is that of the log's buffers, which the walk never fills by itself.
//! When all have been written and are durable, the segments before the first of them are not needed any more. What a command may then find when it is run again, before
//! the image of its key has come, does not matter, because the image replaces it; `shard::journal` sees to the commands for which that is not enough.

use super::log_disk::LogDisk;
use super::service::Service;
use crate::config::AppendFsync;
use crate::engine::Journaling;
use crate::metrics::info::LogInfo;
use crate::persist::entry;
use crate::persist::log::{Log, State};
use crate::persist::rewrite::RewriteEnd;
use std::time::{Duration, Instant};

/// A turn walks for so long at most.
const WALK_MAX: Duration = Duration::from_micros(60);
/// Keys between two looks at the clock.
const KEYS_AT_ONCE: usize = 16;

/// How far it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Idle,
    /// At this cursor of this database.
    Walking { db: usize, cursor: u64 },
    /// The walk is over; keys that it passed over come with the ends of transactions.
    Passed,
    /// All images are written. They stay when this record is durable and transactions up to this number are: a start that has to cut one of those cuts what is behind it, too.
    Settling { sequence: u64, transactions: u64 },
    /// The log puts the new state in place.
    Finishing,
}

/// The rewriting of one shard's log.
#[derive(Debug, Default)]
pub(super) struct Rewriting {
    phase: Phase,
    /// It is to begin as soon as it can.
    pub(super) is_asked: bool,
    /// It makes a log that begins, for a server that had none.
    is_first: bool,
    /// Transactions up to this number began before it did.
    transactions_before: u64,
    began: Option<Instant>,
    /// What the last one took.
    pub(super) last_took: Option<Duration>,
    /// Whether the last one has failed.
    pub(super) has_failed: bool,
    /// Bytes of the log after the last one, or at the start.
    pub(super) base_bytes: Option<u64>,
    /// How many have ended well.
    pub(super) count: u64,
}

impl Rewriting {
    /// Whether one is under way.
    pub(super) fn is_under_way(&self) -> bool {
        self.phase != Phase::Idle
    }

    /// Whether it can go on without waiting for the disk.
    pub(super) fn has_work(&self) -> bool {
        matches!(self.phase, Phase::Walking { .. })
    }

    /// For how long the one under way has been.
    pub(super) fn takes(&self) -> Option<Duration> {
        let began = self.began.filter(|_| self.is_under_way());
        began.map(|began| began.elapsed())
    }
}

impl Service {
    /// Goes on with the rewriting for a slice of a turn, or begins it if it is due.
    pub(super) fn rewrite_step(&mut self, disk: &mut LogDisk) {
        match self.rewriting.phase {
            Phase::Idle => {
                if self.rewriting.is_asked || self.rewrite_is_due() {
                    self.begin_rewrite();
                }
            }
            Phase::Walking { db, cursor } => {
                let log = self.shard.journal.log.as_ref();
                if log.is_some_and(|log| log.state() == State::Ready) {
                    self.walk(db, cursor);
                }
            }
            Phase::Passed => self.await_images(),
            Phase::Settling {
                sequence,
                transactions,
            } => self.settle_rewrite(sequence, transactions, disk),
            Phase::Finishing => self.end_rewrite(),
        }
    }

    /// Whether the log has grown as far as the settings allow.
    fn rewrite_is_due(&mut self) -> bool {
        let Some(log) = &self.shard.journal.log else {
            return false;
        };
        let bytes = log.bytes();
        let base = *self.rewriting.base_bytes.get_or_insert(bytes);
        let percent = u64::from(self.config.auto_aof_rewrite_percentage);
        let least = self.config.auto_aof_rewrite_min_size / self.shards() as u64;
        percent > 0 && bytes >= least && bytes > base + base / 100 * percent
    }

    fn begin_rewrite(&mut self) {
        let Some(log) = &mut self.shard.journal.log else {
            return;
        };
        if log.state() != State::Ready || log.begin_rewrite().is_err() {
            return;
        }
        self.rewriting.is_asked = false;
        self.rewriting.transactions_before = self.shared.last_transaction();
        self.rewriting.began = Some(Instant::now());
        self.rewriting.phase = Phase::Walking { db: 0, cursor: 0 };
        self.shard.journal.begin_rewriting();
        self.shard.engine.set_journaling(Journaling::Rewriting);
        if self.config.no_appendfsync_on_rewrite {
            self.set_sync_rule();
        }
    }

    fn walk(&mut self, mut db: usize, mut cursor: u64) {
        let until = Instant::now() + WALK_MAX;
        let shard = &mut self.shard;
        let (engine, journal) = (&mut shard.engine, &mut shard.journal);
        if std::mem::take(&mut journal.walks_again) {
            (db, cursor) = (0, 0);
        }
        while journal.has_room() && Instant::now() < until {
            cursor = engine.scan(db, cursor, KEYS_AT_ONCE, &mut |engine, item| {
                journal.walked(engine, db, item);
            });
            if cursor == 0 {
                db += 1;
            }
            if db == engine.databases() {
                return self.end_walk();
            }
        }
        self.rewriting.phase = Phase::Walking { db, cursor };
    }

    fn end_walk(&mut self) {
        self.journal_libraries();
        self.shard.journal.is_rewriting = false;
        self.shard.engine.set_journaling(Journaling::On);
        self.rewriting.phase = Phase::Passed;
        self.await_images();
    }

    /// Goes on when there is an image of every key.
    fn await_images(&mut self) {
        if self.shard.journal.awaits_images() {
            return;
        }
        if let Some(log) = &mut self.shard.journal.log {
            log.require_durable();
            self.rewriting.phase = Phase::Settling {
                sequence: log.sequence(),
                transactions: self.shared.last_transaction(),
            };
        }
    }

    /// Writes the function libraries down, which the first shard's log has.
    pub(super) fn journal_libraries(&mut self) {
        if self.shard.id != 0 || !self.shard.journal.is_on() {
            return;
        }
        let libraries = self.script_runs.scripts.dump_libraries();
        let mut head = Vec::new();
        entry::library_head(&mut head);
        if let Some(log) = &mut self.shard.journal.log {
            log.append(&[&head, &libraries]);
        }
    }

    fn settle_rewrite(&mut self, sequence: u64, transactions: u64, disk: &mut LogDisk) {
        let before = self.rewriting.transactions_before;
        let Some(log) = &mut self.shard.journal.log else {
            return;
        };
        if log.durable_sequence() >= sequence && self.shared.all_settled(transactions) {
            if self.rewriting.is_first {
                return self.begun();
            }
            log.finish_rewrite(before + 1, disk);
            self.rewriting.phase = Phase::Finishing;
        }
    }

    /// Makes a log that begins the shard's: every key is written to it.
    pub(super) fn begin_log(&mut self, log: Log) {
        self.log_is_wanted = false;
        self.shard.journal.log = Some(Box::new(log));
        self.shard.journal.begin_rewriting();
        self.shard.engine.set_journaling(Journaling::Rewriting);
        self.rewriting = Rewriting {
            phase: Phase::Walking { db: 0, cursor: 0 },
            is_first: true,
            transactions_before: self.shared.last_transaction(),
            began: Some(Instant::now()),
            ..Rewriting::default()
        };
    }

    /// All keys are in a log that begins.
    fn begun(&mut self) {
        let took = self.rewriting.began.map(|began| began.elapsed());
        self.rewriting = Rewriting {
            last_took: took,
            base_bytes: self.shard.journal.log.as_ref().map(|log| log.bytes()),
            has_failed: self.shared.log_home.shard_begun().is_err(),
            count: 1,
            ..Rewriting::default()
        };
    }

    fn end_rewrite(&mut self) {
        let Some(log) = &self.shard.journal.log else {
            return;
        };
        let Some(end) = log.rewrite_end() else {
            return;
        };
        let bytes = log.bytes();
        let rewriting = &mut self.rewriting;
        rewriting.phase = Phase::Idle;
        rewriting.last_took = rewriting.began.map(|began| began.elapsed());
        rewriting.has_failed = end != RewriteEnd::Done;
        // After a failure it is not tried again before the log has grown as much again.
        rewriting.base_bytes = Some(bytes);
        rewriting.count += u64::from(!rewriting.has_failed);
        self.set_sync_rule();
    }

    /// Figures of the log.
    pub(super) fn log_info(&self) -> Option<LogInfo> {
        let log = self.shard.journal.log.as_ref()?;
        let rewriting = &self.rewriting;
        let whole_seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
        Some(LogInfo {
            bytes: log.bytes(),
            bytes_base: rewriting.base_bytes.unwrap_or(0),
            is_rewriting: rewriting.is_under_way(),
            is_scheduled: rewriting.is_asked,
            rewriting_s: whole_seconds(rewriting.takes()),
            last_rewriting_s: whole_seconds(rewriting.last_took),
            rewrite_failed: rewriting.has_failed || log.rewrite_failure().is_some(),
            rewrites: rewriting.count,
            write_failed: log.failure().is_some(),
            is_late: log.is_late(self.log_now_ms),
            records_waiting: log.sequence() - log.durable_sequence(),
        })
    }

    /// Tells the log its rule.
    pub(super) fn set_sync_rule(&mut self) {
        let is_eased = self.config.no_appendfsync_on_rewrite && self.rewriting.is_under_way();
        let rule = match is_eased {
            true => AppendFsync::No,
            false => self.config.appendfsync,
        };
        if let Some(log) = &mut self.shard.journal.log {
            log.set_rule(rule);
        }
    }
}
