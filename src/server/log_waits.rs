//! WAITAOF: connections that wait until everything all shards have written down is durable, until replicas have it too, or until their time is over; and DEBUG LOADAOF, which
//! waits for the same before it reads the log.
//!
//! Never: makes anything durable; it asks for a transaction without changes of all shards (`durability.rs`), and is told when all of them have it. The decision worth
//! knowing: a wait that ends early leaves that transaction to end by itself, because shards count on its parts.

use super::connection::{Hold, State};
use super::service::Service;
use crate::command::connection::LogWish;
use crate::engine::Client;
use crate::net::Token;
use crate::protocol::resp::Reply;
use crate::shard::journal::Commit;
use crate::shard::operation::Envelope;
use std::collections::{BTreeSet, HashMap};

/// What those are told who need a log that there is not.
pub(super) const NO_LOG: &str =
    "ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.";

/// One connection's WAITAOF.
struct LogWait {
    /// The place of its reply.
    place: u32,
    /// What is asked for.
    wish: LogWish,
    /// Unix milliseconds; None for ever.
    deadline_ms: Option<i64>,
    /// The transaction of all shards that makes everything so far durable, while it is not on all of them.
    number: Option<u64>,
    /// Everything is durable here.
    is_durable: bool,
}

/// Everybody who waits so on this shard.
#[derive(Default)]
pub(super) struct LogWaits {
    waiting: HashMap<Token, LogWait>,
    by_number: HashMap<u64, Token>,
    /// Operations that go on when a transaction is on all shards.
    operations: HashMap<u64, u32>,
    deadlines: BTreeSet<(i64, u64)>,
}

impl LogWaits {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether this connection does.
    pub(super) fn has(&self, token: Token) -> bool {
        self.waiting.contains_key(&token)
    }

    /// When the first of them has waited long enough, Unix milliseconds.
    pub(super) fn next_deadline_ms(&self) -> Option<i64> {
        self.deadlines.first().map(|(at_ms, _)| *at_ms)
    }
}

/// Writes what WAITAOF answers: how many logs of this machine, and of others, have everything.
pub(super) fn write_counts(reply: &mut Reply, is_durable: bool) {
    reply.array(2);
    reply.integer(i64::from(is_durable));
    reply.integer(0);
}

impl Service {
    /// Lets a connection wait.
    pub(super) fn begin_log_wait(&mut self, index: u32, wish: LogWish, muted: bool) {
        let now_ms = self.now_ms;
        let Some(connection) = self.connection_at(index) else {
            return;
        };
        let (token, client) = (connection.token, connection.session.origin.client);
        let place = connection.replies.reserve(muted);
        connection.hold_for(Hold::Blocked);
        // A time beyond the calendar is as good as for ever.
        let deadline_ms = (wish.timeout_ms > 0)
            .then(|| now_ms.checked_add_unsigned(wish.timeout_ms))
            .flatten();
        let number = self
            .shard
            .journal
            .is_on()
            .then(|| self.settle_everything(client));
        let waits = &mut self.waits.log;
        if let Some(at_ms) = deadline_ms {
            waits.deadlines.insert((at_ms, token.to_bits()));
        }
        waits.waiting.insert(
            token,
            LogWait {
                place,
                wish,
                deadline_ms,
                number,
                is_durable: false,
            },
        );
        if let Some(number) = number {
            waits.by_number.insert(number, token);
        }
    }

    /// Lets an operation go on when all that was written down on any shard is durable.
    pub(super) fn when_all_is_durable(&mut self, operation: u32) {
        let client = self.operations.get(operation).origin.client;
        let number = self.settle_everything(client);
        self.waits.log.operations.insert(number, operation);
    }

    /// Begins a transaction of all shards that changes nothing; its number. [`Service::log_settled`] is told when it is durable, and so everything before it.
    fn settle_everything(&mut self, client: Client) -> u64 {
        let shards = self.shards();
        let participants = u128::MAX >> (128 - shards);
        let awaited_by = Some(self.shard.id);
        let number = self.shared.next_transaction(participants, awaited_by);
        let commit = Commit {
            client,
            number,
            participants,
            is_awaited: true,
        };
        // Who waits is told by the number.
        let _ = self.begin_settling(&commit);
        for shard in 0..shards {
            if shard == self.shard.id {
                self.take_commit(commit);
            } else {
                let envelopes = &mut self.message_to(shard).envelopes;
                envelopes.push(Envelope::Commit(commit));
            }
        }
        number
    }

    /// A transaction of this shard is on all its shards: it may be one that somebody waits for.
    pub(super) fn log_settled(&mut self, number: u64) {
        if let Some(operation) = self.waits.log.operations.remove(&number) {
            self.load_log(operation);
        }
        let Some(token) = self.waits.log.by_number.remove(&number) else {
            return;
        };
        let waiting = self.waits.log.waiting.get_mut(&token);
        let waiting = waiting.expect("a number is forgotten with its wait");
        waiting.number = None;
        waiting.is_durable = true;
        if !waiting.wish.needs_replicas {
            self.end_log_wait(token, None);
        }
    }

    /// Ends a connection's wait with what is true now, or with an error; whether it waited.
    pub(super) fn end_log_wait(&mut self, token: Token, error: Option<&str>) -> bool {
        let Some(waiting) = self.waits.log.waiting.remove(&token) else {
            return false;
        };
        if let Some(number) = waiting.number {
            self.waits.log.by_number.remove(&number);
        }
        if let Some(at_ms) = waiting.deadline_ms {
            self.waits.log.deadlines.remove(&(at_ms, token.to_bits()));
        }
        let Some(connection) = self.connection(token) else {
            return true;
        };
        let mut reply = Reply::new(connection.replies.protocol());
        match error {
            Some(text) => reply.error(text),
            None => write_counts(&mut reply, waiting.is_durable),
        }
        if connection.state != State::Closed {
            connection.replies.fill(waiting.place, &reply.bytes, &[]);
        }
        self.go_on(token.index);
        self.list(token.index);
        true
    }

    /// Ends the waits whose time is over.
    pub(super) fn end_log_waits(&mut self) {
        while let Some(&(at_ms, token)) = self.waits.log.deadlines.first()
            && at_ms <= self.now_ms
        {
            self.end_log_wait(Token::from_bits(token), None);
        }
    }

    /// There is no log any more: those who need it are told, others wait on for replicas.
    pub(super) fn refuse_log_waits(&mut self) {
        let waits = &mut self.waits.log;
        waits.by_number.clear();
        for waiting in waits.waiting.values_mut() {
            waiting.number = None;
        }
        let is_refused = |(_, waiting): &(&Token, &LogWait)| waiting.wish.needs_log;
        let refused: Vec<Token> = waits
            .waiting
            .iter()
            .filter(is_refused)
            .map(|(token, _)| *token)
            .collect();
        for token in refused {
            self.end_log_wait(token, Some(NO_LOG));
        }
        for (_, operation) in std::mem::take(&mut self.waits.log.operations) {
            self.end_reload(operation, NO_LOG.to_string());
        }
    }

    /// Ends all these waits, since the server stops.
    pub(super) fn end_all_log_waits(&mut self, error: &str) {
        let tokens: Vec<Token> = self.waits.log.waiting.keys().copied().collect();
        for token in tokens {
            self.end_log_wait(token, Some(error));
        }
    }

    /// Whether all that this shard has written down is durable, and what depends on other shards is on them.
    pub(super) fn is_log_durable(&self) -> bool {
        let log = self.shard.journal.log.as_ref();
        log.is_some_and(|log| log.durable_sequence() >= log.sequence()) && self.have_parts_settled()
    }
}
