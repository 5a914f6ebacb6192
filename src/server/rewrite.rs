//! Rewriting a shard's log: images of all keys take the place of the commands that made them.
//!
//! Never: forks, copies the data, or stops anybody. The decision worth knowing: the images go into the log itself, between the commands that run meanwhile, each when the walk over
//! all keys comes to it; so nothing of the past is kept for a picture of one moment, and the memory it takes is that of the log's buffers, which the walk never fills by itself.
//! A large value comes in pieces over many turns. Meanwhile its key is held for reading: others read it, who would write it waits, and the walk hurries.
//! When all have been written and are durable, the segments before the first of them are not needed any more. What a command may then find when it is run again, before
//! the image of its key has come, does not matter, because the image replaces it; `shard::journal` sees to the commands for which that is not enough.

use super::log_disk::LogDisk;
use super::service::Service;
use crate::config::{AppendFsync, LogLevel};
use crate::engine::Journaling;
use crate::metrics::info::LogInfo;
use crate::persist::entry;
use crate::persist::log::{Log, State};
use crate::persist::rewrite::RewriteEnd;
use crate::server::transactions::WalkIsAwaitedBy;
use crate::shard::large_images::DbKey;
use crate::shard::locks::{Mode, Ticket};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A turn walks for so long at most.
const WALK_MAX: Duration = Duration::from_micros(60);
/// So often a rewriting lets go of a value that it has begun to write because somebody waits for the whole shard; then it writes it to its end.
const LETS_GO_MAX: u32 = 10;
/// Keys between two looks at the clock.
const KEYS_AT_ONCE: usize = 16;

/// How far it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Idle,
    /// At this cursor of this database.
    Walking { db: usize, cursor: u64 },
    /// The walk is over. Keys that it passed over come with the ends of transactions, and large values that were changed in ways that need another image. These are written one by one at
    /// first; if some are owed again then, so many, all of them are held at once.
    Owed { one_by_one: usize },
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
    /// What it holds while it writes a large value.
    hold: Option<Ticket>,
    /// Large values beside that one that it holds, too.
    held: VecDeque<DbKey>,
    /// How often it has let go of a value before its end.
    lets_go: u32,
    /// Nothing could be done the last time, because others hold what it needs.
    is_stuck: bool,
    /// Transactions up to this number began before it did.
    transactions_before: u64,
    began: Option<Instant>,
    /// What the last one took.
    pub(super) last_took: Option<Duration>,
    /// How many have failed since one ended well.
    failures: u64,
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
        match self.phase {
            Phase::Walking { .. } => true,
            Phase::Owed { .. } => !self.is_stuck,
            _ => false,
        }
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
            Phase::Walking { .. } | Phase::Owed { .. } => {
                let log = self.shard.journal.log.as_ref();
                if log.is_some_and(|log| log.state() == State::Ready) {
                    self.walk();
                } else if self.rewriting.hold.is_some() {
                    // Nobody knows for how long.
                    self.shard.journal.large.give_up();
                    self.end_hold();
                }
            }
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
        self.rewriting.lets_go = 0;
        self.note_begin();
        self.shard.journal.begin_rewriting();
        self.shard.engine.set_journaling(Journaling::Rewriting);
        if self.config.no_appendfsync_on_rewrite {
            self.set_sync_rule();
        }
    }

    fn note_begin(&mut self) {
        let (shared, keys) = (&self.shared, self.keys());
        if let Some(text) = shared.rewriting.begin() {
            shared.say(LogLevel::Notice, text);
        }
        shared.rewriting.expect(keys);
    }

    fn note_end(&mut self, is_good: bool) {
        if let Some((is_good, text)) = self.shared.rewriting.end(is_good) {
            let level = match is_good {
                true => LogLevel::Notice,
                false => LogLevel::Warning,
            };
            self.shared.say(level, text);
        }
    }

    /// A slice of a turn.
    fn walk(&mut self) {
        let began = Instant::now();
        let slice = match self
            .rewriting
            .hold
            .map(|hold| self.transactions.waits_for_walk(hold))
        {
            None | Some(WalkIsAwaitedBy::Nobody) => WALK_MAX,
            Some(WalkIsAwaitedBy::Writers) => WALK_MAX.max(self.turn.left_for_walks()),
            Some(WalkIsAwaitedBy::Everybody) => {
                self.let_go();
                WALK_MAX.max(self.turn.left_for_walks())
            }
        };
        self.rewriting.is_stuck = false;
        while self.shard.journal.has_room() && began.elapsed() < slice {
            if self.shard.journal.large.is_open() {
                self.write_piece(&mut || began.elapsed() < slice);
            } else if self.open_next() {
                // It is written in the next round.
            } else if let Phase::Walking { db, cursor } = self.rewriting.phase {
                self.walk_on(db, cursor);
            } else {
                return self.await_images();
            }
        }
    }

    fn walk_on(&mut self, mut db: usize, mut cursor: u64) {
        let shard = &mut self.shard;
        let (engine, journal) = (&mut shard.engine, &mut shard.journal);
        if std::mem::take(&mut journal.walks_again) {
            (db, cursor) = (0, 0);
        }
        let mut keys = 0;
        cursor = engine.scan(db, cursor, KEYS_AT_ONCE, &mut |engine, item| {
            journal.walked(engine, db, item);
            keys += 1;
        });
        self.shared.rewriting.add(keys);
        if cursor == 0 {
            db += 1;
        }
        self.rewriting.phase = Phase::Walking { db, cursor };
        if db == engine.databases() {
            journal.end_walk();
            let one_by_one = journal.large.len();
            self.rewriting.phase = Phase::Owed { one_by_one };
            self.journal_libraries();
        }
    }

    fn write_piece(&mut self, goes_on: &mut dyn FnMut() -> bool) {
        let shard = &mut self.shard;
        let journal = &mut shard.journal;
        journal.write_piece(&mut shard.engine, goes_on);
        if !journal.large.is_open() && self.rewriting.held.is_empty() {
            self.end_hold();
        }
    }

    /// Lets go of a value that is not written to its end, for somebody who waits for all others; not too often.
    fn let_go(&mut self) {
        if self.rewriting.lets_go < LETS_GO_MAX {
            self.rewriting.lets_go += 1;
            self.shard.journal.large.give_up();
            self.end_hold();
        }
    }

    /// Lets go of what is held. What was not written is owed.
    fn end_hold(&mut self) {
        for key in self.rewriting.held.drain(..) {
            self.shard.journal.large.put_back(key);
        }
        if let Some(hold) = self.rewriting.hold.take() {
            self.end_walk_hold(hold);
        }
    }

    /// All data is about to be loaded again, and places in it will be others: a value that is being written begins anew, and so does the walk over all keys.
    pub(super) fn rewrite_again(&mut self) {
        let journal = &mut self.shard.journal;
        if journal.is_rewriting {
            journal.walks_again = true;
            journal.large.give_up();
            self.end_hold();
        }
    }

    /// Begins to write the next large value whose image is owed, if it can be held.
    fn open_next(&mut self) -> bool {
        let next = match self.rewriting.held.pop_front() {
            None => self.hold_next(),
            next => next,
        };
        let Some((db, key)) = next else {
            return false;
        };
        let shard = &mut self.shard;
        shard.journal.open_large(&mut shard.engine, db, &key);
        if !shard.journal.large.is_open() && self.rewriting.held.is_empty() {
            self.end_hold();
        }
        true
    }

    /// Holds the next large value whose image is owed; once the walk is over and they do not become fewer one by one, all of them.
    fn hold_next(&mut self) -> Option<DbKey> {
        let is_over = match &mut self.rewriting.phase {
            Phase::Owed { one_by_one: 0 } => return self.hold_all(),
            Phase::Owed { one_by_one } => {
                *one_by_one -= 1;
                true
            }
            _ => false,
        };
        let (db, key) = self.shard.journal.large.next(is_over)?;
        let is_changing = self.shard.journal.is_changing(db, &key);
        if !is_changing {
            self.rewriting.hold = self.hold_for_walk([&*key].into_iter(), Mode::Read);
        }
        if self.rewriting.hold.is_some() {
            return Some((db, key));
        }
        self.shard.journal.large.put_back((db, key));
        self.rewriting.is_stuck = true;
        None
    }

    /// Holds all large values whose images are owed, for writing, so that no command can make another image of them necessary before they are written.
    fn hold_all(&mut self) -> Option<DbKey> {
        let mut keys = self.shard.journal.large.take_all();
        let journal = &self.shard.journal;
        let is_changing = keys.iter().any(|(db, key)| journal.is_changing(*db, key));
        if !is_changing && !keys.is_empty() {
            let names = keys.iter().map(|(_, key)| &**key);
            self.rewriting.hold = self.hold_for_walk(names, Mode::Write);
        }
        if self.rewriting.hold.is_some() {
            let first = keys.pop_front();
            self.rewriting.held = keys;
            return first;
        }
        self.rewriting.is_stuck = true;
        for key in keys {
            self.shard.journal.large.put_back(key);
        }
        None
    }

    /// Goes on when there is an image of every key.
    fn await_images(&mut self) {
        let journal = &mut self.shard.journal;
        if journal.awaits_images() || !journal.large.is_empty() {
            self.rewriting.is_stuck = true;
            return;
        }
        self.end_hold();
        self.shard.journal.end_rewriting();
        self.shard.engine.set_journaling(Journaling::On);
        if let Some(log) = &mut self.shard.journal.log {
            log.require_durable();
            self.rewriting.phase = Phase::Settling {
                sequence: log.sequence(),
                transactions: self.shared.last_transaction(),
            };
        }
    }

    /// The log is given up, and its rewriting with it.
    pub(super) fn end_rewriting(&mut self) {
        self.end_hold();
        if self.rewriting.is_under_way() {
            self.note_end(false);
        }
        self.rewriting = Rewriting::default();
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
        if log.durable_sequence() >= sequence && self.shared.settling().has_all(transactions) {
            if self.rewriting.is_first {
                return self.begun();
            }
            log.finish_rewrite(before + 1, disk);
            self.rewriting.phase = Phase::Finishing;
        }
    }

    /// Makes a log that begins the shard's: every key is written to it.
    pub(super) fn begin_log(&mut self, log: Log) {
        self.note_begin();
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
        let has_failed = self.shared.log_home.shard_begun().is_err();
        self.note_end(!has_failed);
        self.rewriting = Rewriting {
            last_took: took,
            base_bytes: self.shard.journal.log.as_ref().map(|log| log.bytes()),
            failures: u64::from(has_failed),
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
        let is_good = end == RewriteEnd::Done;
        rewriting.failures = if is_good { 0 } else { rewriting.failures + 1 };
        // After a failure it is not tried again before the log has grown as much again.
        rewriting.base_bytes = Some(bytes);
        rewriting.count += u64::from(is_good);
        self.note_end(is_good);
        self.set_sync_rule();
    }

    /// Figures of the log.
    pub(super) fn log_info(&self) -> Option<LogInfo> {
        let Some(log) = self.shard.journal.log.as_ref() else {
            // It will begin soon.
            return self.config.appendonly.then(|| LogInfo {
                is_scheduled: true,
                ..LogInfo::default()
            });
        };
        let rewriting = &self.rewriting;
        let whole_seconds = |time: Option<Duration>| time.map(|time| time.as_secs());
        Some(LogInfo {
            bytes: log.bytes(),
            bytes_base: rewriting.base_bytes.unwrap_or(0),
            is_rewriting: rewriting.is_under_way(),
            is_scheduled: rewriting.is_asked,
            rewriting_s: whole_seconds(rewriting.takes()),
            last_rewriting_s: whole_seconds(rewriting.last_took),
            rewrite_failed: rewriting.failures > 0 || log.rewrite_failure().is_some(),
            rewrites: rewriting.count,
            failures: rewriting.failures,
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
