//! What replies wait for before they may leave: until what their connections have written would be found after a power loss (`appendfsync always`, or CLIENT
//! DURABILITY).
//!
//! Never: writes a log. The decisions worth knowing: a connection that has written holds its replies back, and reading goes on for all others. The owner of a key holds the reply to a write that came from another shard, so that the shard of the
//! connection has nothing to ask. A transaction over several shards is durable when it is on all of them; until then none of its shards lets a reply go to
//! a later write, because a recovery that has to cut the transaction cuts what came after it as well.

use super::service::Service;
use crate::config::AppendFsync;
use crate::engine::{Client, Journaling};
use crate::net::Token;
use crate::persist::entry::Participants;
use crate::protocol::Dialect;
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;
use crate::shard::journal::{Commit, Journal};
use crate::shard::message::ReplyTo;
use crate::shard::operation::Envelope;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a reply waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// A record of this shard's log.
    Record(u64),
    /// A transaction that this shard coordinates.
    Transaction(u64),
}

/// A reply of this shard that is to go to another one, or to a connection here.
struct Held {
    wait: Wait,
    from: usize,
    reply_to: ReplyTo,
    reply: Reply,
}

/// See the module.
#[derive(Default)]
pub(super) struct Durability {
    /// Connections that hold replies back.
    waiting: Vec<Token>,
    held: VecDeque<Held>,
    /// Transactions that this shard coordinates: how many shards have not made their part durable, and which have one.
    settling: HashMap<u64, (u32, Participants)>,
    /// Numbers of the parts of this shard that are not known to be on all other shards, by their records.
    unsettled: BTreeMap<u64, u64>,
    /// Parts that are not durable here, by their records: who coordinates them.
    owed: VecDeque<(u64, usize, Commit)>,
    /// Its log cannot be written, and all know.
    has_failed: bool,
    /// Up to here replies may leave, as of the last look; None when somebody may have stopped waiting for something else than a record since.
    released: Option<u64>,
}

impl Durability {
    /// Whether somebody waits for the disk.
    pub(super) fn is_awaited(&self) -> bool {
        !self.waiting.is_empty() || !self.held.is_empty() || !self.settling.is_empty()
    }

    /// Whether this shard's parts of transactions are known to be on all their shards.
    pub(super) fn has_all_settled(&self) -> bool {
        self.unsettled.is_empty()
    }
}

/// Logs that cannot be written, as all shards see them.
#[derive(Default)]
pub struct LogFailures {
    count: AtomicUsize,
    texts: Mutex<BTreeMap<usize, String>>,
}

impl LogFailures {
    /// Whether there are any.
    #[inline]
    pub(super) fn any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// A shard's log has begun to fail, or to work again.
    fn note(&self, shard: usize, failure: Option<String>) {
        let mut texts = self.texts.lock().expect("nobody panics while holding it");
        match failure {
            Some(text) => texts.insert(shard, text),
            None => texts.remove(&shard),
        };
        self.count.store(texts.len(), Ordering::Relaxed);
    }

    /// What the first of them says.
    pub(super) fn text(&self) -> String {
        let texts = self.texts.lock().expect("nobody panics while holding it");
        texts.values().next().cloned().unwrap_or_default()
    }
}

/// The reply to a write that is refused because of a snapshot, as Redis has it.
const SNAPSHOT_FAILED: &str = "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that may modify the data set are disabled, because this instance is configured to report errors during writes if RDB snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB error.";

/// The reply to a write that is refused because of the log.
pub(super) fn misconf(failure: &str) -> String {
    format!("MISCONF Errors writing to the AOF file: {failure}")
}

impl Service {
    /// The last record up to which replies may leave.
    fn released_sequence(&self) -> u64 {
        let Some(log) = &self.shard.journal.log else {
            return u64::MAX;
        };
        let durable = log.durable_sequence();
        match self.durability.unsettled.first_key_value() {
            Some((first, _)) => durable.min(first - 1),
            None => durable,
        }
    }

    fn is_over(&self, wait: Wait, released: u64) -> bool {
        match wait {
            Wait::Record(sequence) => sequence <= released,
            Wait::Transaction(number) => !self.durability.settling.contains_key(&number),
        }
    }

    /// Whether a connection must not send yet what it has; it is listed again when it may.
    #[inline]
    pub(super) fn holds_replies(&mut self, index: u32) -> bool {
        let Some(log) = &self.shard.journal.log else {
            return false;
        };
        let sequence = log.sequence();
        let rule = self.config.appendfsync;
        let Some(connection) = self.connection_at(index) else {
            return false;
        };
        if connection.has_written {
            connection.has_written = false;
            let durability = connection.session.durability;
            if durability.unwrap_or(rule) == AppendFsync::Always {
                connection.waits.push(Wait::Record(sequence));
                if rule != AppendFsync::Always {
                    self.require_durable();
                }
            }
        }
        let connection = self.connection_at(index);
        let waits = connection.is_some_and(|connection| !connection.waits.is_empty());
        waits && self.still_waits(index)
    }

    /// Everything written down so far becomes durable with the end of this turn, whatever the rule.
    #[cold]
    fn require_durable(&mut self) {
        if let Some(log) = &mut self.shard.journal.log {
            log.require_durable();
        }
    }

    /// Whether the replies to a client's writes wait until they are durable. Of a client of another shard, the rule is known here.
    pub(super) fn awaits_durability(&self, client: Client) -> bool {
        if !self.shard.journal.is_on() {
            return false;
        }
        let rule = self.config.appendfsync;
        let connection = match client.shard as usize == self.shard.id {
            true => self.connection_seen(Token::from_bits(client.token)),
            false => None,
        };
        let durability = connection.and_then(|connection| connection.session.durability);
        durability.unwrap_or(rule) == AppendFsync::Always
    }

    /// What the reply to a request of these circumstances waits for that has just run, and before which the log ended at `before`.
    pub(super) fn wait_after(&mut self, is_awaited: bool, before: u64) -> Option<Wait> {
        let sequence = self.shard.journal.sequence();
        if !is_awaited || sequence == before {
            return None;
        }
        self.require_durable();
        Some(Wait::Record(sequence))
    }

    #[cold]
    fn still_waits(&mut self, index: u32) -> bool {
        let released = self.released_sequence();
        let Some(connection) = self.connection_at(index) else {
            return false;
        };
        let token = connection.token;
        let mut waits = std::mem::take(&mut connection.waits);
        waits.retain(|wait| !self.is_over(*wait, released));
        let is_waiting = !waits.is_empty();
        if is_waiting && !self.durability.waiting.contains(&token) {
            self.durability.waiting.push(token);
        }
        if let Some(connection) = self.connection_at(index) {
            connection.waits = waits;
        }
        is_waiting
    }

    /// A connection's next replies wait for something.
    pub(super) fn wait_for(&mut self, token: Token, wait: Option<Wait>) {
        if let Some(wait) = wait
            && let Some(connection) = self.connection(token)
        {
            connection.waits.push(wait);
            self.list(token.index);
        }
    }

    /// Gives a reply to who waits for it once it may leave.
    pub(super) fn respond_when(
        &mut self,
        wait: Option<Wait>,
        from: usize,
        reply_to: ReplyTo,
        reply: &Reply,
    ) {
        match wait.filter(|wait| !self.is_over(*wait, self.released_sequence())) {
            None => self.respond(from, reply_to, reply),
            Some(wait) => self.durability.held.push_back(Held {
                wait,
                from,
                reply_to,
                reply: Reply {
                    bytes: reply.bytes.clone(),
                    large: reply.large.clone(),
                    ..Reply::new(reply.protocol)
                },
            }),
        }
    }

    /// A transaction that is awaited ends, and its shards are told to write it down.
    pub(super) fn begin_settling(&mut self, commit: &Commit) -> Option<Wait> {
        if !commit.is_awaited {
            return None;
        }
        let parts = (commit.participants.count_ones(), commit.participants);
        self.durability.settling.insert(commit.number, parts);
        Some(Wait::Transaction(commit.number))
    }

    /// This shard's part of a transaction is written down.
    pub(super) fn committed(&mut self, coordinator: usize, commit: &Commit) {
        let Some(log) = self.shard.journal.log.as_mut() else {
            return;
        };
        if commit.number == 0 {
            return;
        }
        let sequence = log.sequence();
        let durability = &mut self.durability;
        durability.owed.push_back((sequence, coordinator, *commit));
        if commit.is_awaited {
            log.require_durable();
            durability.unsettled.insert(sequence, commit.number);
        }
    }

    /// A shard has made its part of a transaction durable that this one coordinates; once all have, they are told.
    pub(super) fn part_durable(&mut self, number: u64) {
        let settling = &mut self.durability.settling;
        let Some((left, participants)) = settling.get_mut(&number) else {
            // The log has ended meanwhile.
            return;
        };
        *left -= 1;
        if *left > 0 {
            return;
        }
        let participants = *participants;
        settling.remove(&number);
        for shard in (0..self.shards()).filter(|shard| participants >> shard & 1 != 0) {
            if shard == self.shard.id {
                self.settled(number);
            } else {
                let envelopes = &mut self.message_to(shard).envelopes;
                envelopes.push(Envelope::Settled { number });
            }
        }
        self.durability.released = None;
        self.log_settled(number);
    }

    /// A transaction that this shard has a part of is on all its shards.
    pub(super) fn settled(&mut self, number: u64) {
        self.durability
            .unsettled
            .retain(|_, other| *other != number);
        self.durability.released = None;
    }

    /// Nothing is written down any more (`CONFIG SET appendonly no`), and nobody waits for it.
    pub(super) fn end_log(&mut self) {
        self.shard.journal = Journal::default();
        self.shard.engine.set_journaling(Journaling::Off);
        self.end_rewriting();
        let ended = std::mem::take(&mut self.durability);
        if ended.has_failed {
            self.shared.log_failures.note(self.shard.id, None);
        }
        self.note_refusals();
        for (_, _, commit) in ended.owed {
            self.shared.part_settled(commit.number);
        }
        for token in ended.waiting {
            if self.connection(token).is_some() {
                self.list(token.index);
            }
        }
        for held in ended.held {
            self.respond(held.from, held.reply_to, &held.reply);
        }
        self.refuse_log_waits();
    }

    /// Tells all shards when this one's log begins to fail, and when it is well again.
    pub(super) fn note_log_state(&mut self) {
        let Some(log) = &self.shard.journal.log else {
            return;
        };
        let failure = log.failure();
        if failure.is_some() != self.durability.has_failed {
            self.durability.has_failed = failure.is_some();
            self.shared
                .log_failures
                .note(self.shard.id, failure.map(|failure| failure.to_string()));
        }
    }

    /// Takes notice of whether writes are to be refused, for the requests of the next turn.
    #[inline]
    pub(super) fn note_refusals(&mut self) {
        let shared = &self.shared;
        self.refuses_writes = shared.log_failures.any() || shared.saves.refuse_writes(&self.config);
    }

    /// Why writes are refused: the reply's text.
    pub(super) fn refusal(&self) -> String {
        match self.shared.saves.refuse_writes(&self.config) {
            true => SNAPSHOT_FAILED.to_string(),
            false => misconf(&self.shared.log_failures.text()),
        }
    }

    /// Refuses a write because a log or a snapshot cannot be written.
    #[cold]
    pub(super) fn refuse_write(&mut self, index: u32, args: &Args<'_>, muted: bool) {
        let dialect = self
            .connection_at(index)
            .map(|connection| connection.session.dialect);
        match dialect {
            Some(Dialect::Memcached) => {
                self.refuse_memcached_write(index, args, "errors writing to disk");
            }
            _ => {
                let text = self.refusal();
                self.refuse_in_multi(index, muted, args.get(0), text.as_bytes());
            }
        }
    }

    /// Lets replies go whose writes are durable by now, and tells coordinators of parts that are.
    pub(super) fn release_replies(&mut self) {
        let Some(log) = &self.shard.journal.log else {
            return;
        };
        let durable = log.durable_sequence();
        while let Some(&(sequence, coordinator, commit)) = self.durability.owed.front()
            && sequence <= durable
        {
            self.durability.owed.pop_front();
            let number = commit.number;
            self.shared.part_settled(number);
            if !commit.is_awaited {
                continue;
            }
            if coordinator == self.shard.id {
                self.part_durable(number);
            } else {
                let envelopes = &mut self.message_to(coordinator).envelopes;
                envelopes.push(Envelope::Durable { number });
            }
        }
        let released = Some(self.released_sequence());
        if released == self.durability.released {
            return;
        }
        self.durability.released = released;
        for token in std::mem::take(&mut self.durability.waiting) {
            if self.connection(token).is_some() {
                self.list(token.index);
            }
        }
        for held in std::mem::take(&mut self.durability.held) {
            let wait = Some(held.wait);
            self.respond_when(wait, held.from, held.reply_to, &held.reply);
        }
    }
}
