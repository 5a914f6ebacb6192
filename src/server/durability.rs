//! What replies wait for before they may leave: until what their connections have written would be found after a power loss (`appendfsync always`, or CLIENT
//! DURABILITY).
//!
//! Never: writes a log. The decisions worth knowing: a connection that has written holds its replies back, and reading goes on for all others. The owner of a key holds the reply to a write that came from another shard, so that the shard of the
//! connection has nothing to ask. A transaction over several shards may be told when it has settled ([`crate::persist::settling`]); until then none of its shards lets a reply go to
//! a later write, because a recovery that has to cut the transaction cuts what came after it as well.

use super::service::Service;
use crate::config::AppendFsync;
use crate::engine::{Client, Journaling};
use crate::net::Token;
use crate::persist::entry::Participants;
use crate::persist::settling::Settled;
use crate::protocol::Dialect;
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;
use crate::shard::journal::{Commit, Journal};
use crate::shard::message::ReplyTo;
use crate::shard::operation::Envelope;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Of so many parts a turn says that they are durable, for with `everysec` those of a whole second become so at one moment.
const PARTS_AT_ONCE: usize = 1024;

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

/// A part of a transaction in this shard's log.
struct Part {
    record: u64,
    commit: Commit,
}

/// See the module.
#[derive(Default)]
pub(super) struct Durability {
    /// Connections that hold replies back.
    waiting: Vec<Token>,
    held: VecDeque<Held>,
    /// Transactions that this shard coordinates, and that have not settled.
    unacknowledged: HashSet<u64>,
    /// Parts of this shard whose transactions are not known to have settled, in the order of the log.
    parts: VecDeque<Part>,
    /// So many of them, the first ones, are durable, and all shards know.
    parts_durable: usize,
    /// Some may have settled.
    looks_again: bool,
    /// For parts up to this record the other shards have been asked to hurry.
    hurried: u64,
    /// Parts that are to be durable soon when they come.
    urgent: HashSet<u64>,
    /// Its log cannot be written, and all know.
    has_failed: bool,
    /// Up to here replies may leave, as of the last look; None when somebody may have stopped waiting for something else than a record since.
    released: Option<u64>,
}

impl Durability {
    /// Whether somebody waits for the disk.
    pub(super) fn is_awaited(&self) -> bool {
        !self.waiting.is_empty() || !self.held.is_empty() || !self.unacknowledged.is_empty()
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

fn shards_in(participants: Participants) -> impl Iterator<Item = usize> {
    (0..Participants::BITS as usize).filter(move |shard| participants >> shard & 1 == 1)
}

impl Service {
    /// Whether the transactions of this shard's parts have settled.
    pub(super) fn have_parts_settled(&self) -> bool {
        self.durability.parts.len() == self.durability.parts_durable
            && self
                .shared
                .settling()
                .first_unsettled(self.shard.id)
                .is_none()
    }

    /// The last record up to which replies may leave.
    fn released_sequence(&self) -> u64 {
        let Some(log) = &self.shard.journal.log else {
            return u64::MAX;
        };
        let durable = log.durable_sequence();
        match self.durability.parts.front() {
            Some(first) => durable.min(first.record - 1),
            None => durable,
        }
    }

    fn is_over(&self, wait: Wait, released: u64) -> bool {
        match wait {
            Wait::Record(sequence) => sequence <= released,
            Wait::Transaction(number) => !self.durability.unacknowledged.contains(&number),
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

    /// Everything written down so far becomes durable with the end of this turn, whatever the rule; and what it depends on, on other shards.
    fn require_durable(&mut self) {
        let Some(log) = &mut self.shard.journal.log else {
            return;
        };
        log.require_durable();
        let last = self.durability.parts.back();
        if last.is_some_and(|part| part.record > self.durability.hurried) {
            self.hurry_others();
        }
    }

    /// Whoever has the other parts of transactions that nobody waits for is in no hurry.
    #[cold]
    fn hurry_others(&mut self) {
        let hurried = self.durability.hurried;
        let parts = self.durability.parts.iter().rev();
        let parts: Vec<Commit> = parts
            .take_while(|part| part.record > hurried)
            .map(|part| part.commit)
            .collect();
        self.durability.hurried = self.durability.parts.back().map_or(0, |part| part.record);
        let own = self.shard.id;
        for commit in parts.iter().filter(|commit| !commit.is_awaited) {
            for shard in shards_in(commit.participants).filter(|shard| *shard != own) {
                let number = commit.number;
                let envelopes = &mut self.message_to(shard).envelopes;
                envelopes.push(Envelope::Hurry { number });
            }
        }
    }

    /// Another shard waits for this one's part of a transaction.
    pub(super) fn hurry(&mut self, number: u64) {
        let is_coming = self.shared.settling().lacks_part(self.shard.id, number);
        let mut parts = self.durability.parts.iter();
        if parts.any(|part| part.commit.number == number) {
            self.require_durable();
        } else if is_coming {
            self.durability.urgent.insert(number);
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
        self.durability.unacknowledged.insert(commit.number);
        Some(Wait::Transaction(commit.number))
    }

    /// This shard's part of a transaction is written down.
    pub(super) fn committed(&mut self, commit: &Commit) {
        let number = commit.number;
        if number == 0 {
            return;
        }
        let urgent = &mut self.durability.urgent;
        let is_urgent = !urgent.is_empty() && urgent.remove(&number);
        let Some(log) = &self.shard.journal.log else {
            // The log has ended since the transaction began.
            let mut settling = self.shared.settling();
            settling.needs_no_part(self.shard.id, number);
            let settled = settling.settle();
            drop(settling);
            return self.tell(settled);
        };
        self.durability.parts.push_back(Part {
            record: log.sequence(),
            commit: *commit,
        });
        if commit.is_awaited || is_urgent {
            self.require_durable();
        }
    }

    /// Says which parts have become durable, and who is to know what comes of it.
    fn note_durable_parts(&mut self, durable: u64) {
        let Durability {
            parts,
            parts_durable,
            ..
        } = &mut self.durability;
        let is_new = |part: &Part| part.record <= durable;
        if !parts.get(*parts_durable).is_some_and(is_new) {
            return;
        }
        let mut settling = self.shared.settling();
        for _ in 0..PARTS_AT_ONCE {
            let Some(part) = parts.get(*parts_durable).filter(|part| is_new(part)) else {
                break;
            };
            settling.durable(self.shard.id, part.record, part.commit.number);
            *parts_durable += 1;
        }
        let settled = settling.settle();
        drop(settling);
        self.tell(settled);
    }

    /// Tells shards what has settled.
    fn tell(&mut self, settled: Settled) {
        let awaiting = settled.awaited.iter();
        let awaiting = awaiting.fold(0, |shards: Participants, (shard, _)| shards | 1 << shard);
        for shard in shards_in(settled.shards | awaiting) {
            let awaited = settled.awaited.iter().filter(|(who, _)| *who == shard);
            let numbers: Vec<u64> = awaited.map(|(_, number)| *number).collect();
            if shard == self.shard.id {
                self.have_settled(&numbers);
            } else {
                let envelopes = &mut self.message_to(shard).envelopes;
                envelopes.push(Envelope::Settled(numbers));
            }
        }
    }

    /// Transactions have settled of which this shard has parts; these are those that it waits for.
    pub(super) fn have_settled(&mut self, numbers: &[u64]) {
        self.durability.looks_again = true;
        for number in numbers {
            self.durability.unacknowledged.remove(number);
            self.durability.released = None;
            self.log_settled(*number);
        }
    }

    /// Forgets parts whose transactions have settled.
    fn forget_settled(&mut self) {
        let first = self.shared.settling().first_unsettled(self.shard.id);
        let durability = &mut self.durability;
        while durability.parts_durable > 0
            && let Some(part) = durability.parts.front()
            && first.is_none_or(|first| part.record < first)
        {
            durability.parts.pop_front();
            durability.parts_durable -= 1;
        }
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
        let mut settling = self.shared.settling();
        for part in ended.parts.iter().skip(ended.parts_durable) {
            settling.needs_no_part(self.shard.id, part.commit.number);
        }
        settling.end_log(self.shard.id);
        let settled = settling.settle();
        drop(settling);
        self.tell(settled);
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

    /// Lets replies go whose writes are durable by now, and tells others of parts that are.
    pub(super) fn release_replies(&mut self) {
        let Some(log) = &self.shard.journal.log else {
            return;
        };
        let durable = log.durable_sequence();
        self.note_durable_parts(durable);
        if std::mem::take(&mut self.durability.looks_again) {
            self.forget_settled();
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
