//! Commands that wait: BLPOP and the like, XREAD with BLOCK.
//!
//! A blocking command is first run like any other. When it writes no reply it waits: its words are kept here, the owners of its keys are told
//! ([`crate::shard::awaited`]), and it is run again whenever one of them says so, until it has a reply or its time is over. The connection's later requests
//! wait meanwhile. What a command does when it is run again is what it did at first, on keys of whatever shards.

use super::connection::{Hold, State};
use super::operations::{Pending, Work};
use super::service::{Known, Service};
use crate::command::table::{Command, command_index};
use crate::command::{self, Blocking, Null, stream};
use crate::engine::Type;
use crate::net::Token;
use crate::protocol::args::Args;
use crate::protocol::resp::{Protocol, Reply};
use crate::shard::awaited::{AwaitedKeys, Ready, WaitMessage, Waiter};
use crate::shard::operation::{Envelope, Operation, OwnedKey};
use crate::shard::slots;
use std::collections::{BTreeSet, HashMap, VecDeque};

/// A command that waits, or tries.
struct Waiting {
    token: Token,
    /// The place of its reply.
    place: u32,
    command: &'static Command,
    words: Vec<Box<[u8]>>,
    db: usize,
    protocol: Protocol,
    no_touch: bool,
    null: Null,
    /// Unix milliseconds; None for ever.
    deadline_ms: Option<i64>,
    keys: Vec<(usize, OwnedKey)>,
    /// The owners know.
    is_known: bool,
    /// A try is under way.
    is_trying: bool,
    /// The keys whose owners await the outcome of the try.
    turns: Vec<OwnedKey>,
    /// Another key has something meanwhile.
    again: bool,
    /// What it is answered if the try comes to nothing.
    ends_with: Option<Reply>,
}

/// The waiting commands that this shard coordinates, and those that wait for its keys.
#[derive(Default)]
pub(super) struct Waits {
    waiting: HashMap<u64, Waiting>,
    by_connection: HashMap<Token, u64>,
    deadlines: BTreeSet<(i64, u64)>,
    next_id: u64,
    awaited: AwaitedKeys,
    /// Commands of this shard that may try now, and for which key.
    ready: VecDeque<(u64, OwnedKey)>,
    /// They are being tried: what becomes ready meanwhile waits for its turn, since each try may make another one ready.
    is_serving: bool,
}

impl Waits {
    /// Commands that wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// When the first of them has waited long enough, Unix milliseconds.
    pub(super) fn next_deadline_ms(&self) -> Option<i64> {
        self.deadlines.first().map(|(at_ms, _)| *at_ms)
    }
}

/// The type of value that a command waits for.
fn awaited_type(row: &Command) -> Type {
    match row.group {
        "list" => Type::List,
        "sorted-set" => Type::SortedSet,
        "stream" => Type::Stream,
        group => unreachable!("no command of the group {group} waits"),
    }
}

impl Service {
    /// A request that may wait. False: it does not ask to, and is one like any other.
    pub(super) fn blocking_command(
        &mut self,
        index: u32,
        row: &'static Command,
        known: Known,
        args: &mut Args<'_>,
        muted: bool,
    ) -> bool {
        let Some(Blocking { timeout_ms, null }) = row.blocking.and_then(|find| find(args)) else {
            return false;
        };
        let all_here = self.shards() == 1
            || command::key_positions(row, args)
                .all(|at| slots::owner(args.get(at), self.shards()) == self.shard.id);
        if all_here {
            // The common case: there is something, and nothing is to be remembered.
            let request = Args {
                buffer: args.buffer,
                ranges: args.ranges,
                large: &mut *args.large,
            };
            if self.execute_here(index, row, known.hash, request, muted) {
                return true;
            }
        }
        let now_ms = self.now_ms;
        let Some(connection) = self.connection_at(index) else {
            return true;
        };
        let (token, db) = (connection.token, connection.session.db);
        let place = connection.replies.reserve(muted);
        connection.hold = Some(Hold::Blocked);
        let (protocol, no_touch) = (connection.replies.protocol(), connection.session.no_touch);
        let keys = self.keys_of(row, args, db);
        // What XREAD calls `$` is the last entry now, and not the last one when it is run again. Only this shard's keys can be asked here.
        let pinned = (all_here && row.group == "stream")
            .then(|| stream::read::pin(args, &mut self.shard.engine, db))
            .flatten();
        let words = match pinned {
            Some(words) => words.into_iter().map(Vec::into_boxed_slice).collect(),
            None => (0..args.len()).map(|at| args.get(at).into()).collect(),
        };
        let waits = &mut self.waits;
        waits.next_id += 1;
        let id = waits.next_id;
        // A time beyond the calendar is as good as for ever.
        let deadline_ms = (timeout_ms > 0)
            .then(|| now_ms.checked_add_unsigned(timeout_ms))
            .flatten();
        if let Some(at_ms) = deadline_ms {
            waits.deadlines.insert((at_ms, id));
        }
        waits.by_connection.insert(token, id);
        let waiting = Waiting {
            token,
            place,
            command: row,
            words,
            db,
            protocol,
            no_touch,
            null,
            deadline_ms,
            keys,
            is_known: false,
            is_trying: false,
            turns: Vec::new(),
            again: false,
            ends_with: None,
        };
        waits.waiting.insert(id, waiting);
        if all_here {
            self.tell_owners(id);
        } else {
            self.try_again(id);
        }
        self.serve_awaited();
        true
    }

    /// Runs a waiting command again.
    fn try_again(&mut self, id: u64) {
        let Some(waiting) = self.waits.waiting.get_mut(&id) else {
            return;
        };
        waiting.is_trying = true;
        waiting.again = false;
        let (command, db, protocol) = (waiting.command, waiting.db, waiting.protocol);
        let (words, keys) = (waiting.words.clone(), waiting.keys.clone());
        let mut pending = Pending {
            token: waiting.token,
            place: waiting.place,
            protocol,
            db,
            no_touch: waiting.no_touch,
            holds: false,
            waiting: Some(id),
            work: Work::Data(Operation::one()),
        };
        let owner = keys.first().map_or(self.shard.id, |(shard, _)| *shard);
        if keys.iter().all(|(shard, _)| *shard == owner) {
            let operation = self.begin_try(pending);
            let words: Vec<&[u8]> = words.iter().map(|word| &**word).collect();
            self.send_words(operation, 0, owner, command, &words);
        } else {
            let (whole, steps) = Operation::whole(command, words, db, protocol, keys);
            pending.work = Work::Data(whole);
            let operation = self.begin_try(pending);
            self.send_steps(operation, steps);
        }
    }

    /// A try has ended; an empty reply means that it came to nothing.
    pub(super) fn tried(&mut self, id: u64, reply: Reply) {
        let Some(waiting) = self.waits.waiting.get_mut(&id) else {
            return;
        };
        waiting.is_trying = false;
        if !reply.bytes.is_empty() {
            return self.end_wait(id, reply);
        }
        if let Some(reply) = waiting.ends_with.take() {
            return self.end_wait(id, reply);
        }
        let turns = std::mem::take(&mut waiting.turns);
        let (again, is_known) = (waiting.again, waiting.is_known);
        let waiter = self.waiter(id);
        for key in turns {
            self.tell_owner(WaitMessage::Tried(waiter, key));
        }
        if !is_known {
            self.tell_owners(id);
        } else if again {
            self.try_again(id);
        }
    }

    fn waiter(&self, id: u64) -> Waiter {
        Waiter {
            shard: self.shard.id,
            id,
        }
    }

    /// Tells the owners of its keys that a command waits.
    fn tell_owners(&mut self, id: u64) {
        let waiter = self.waiter(id);
        let Some(waiting) = self.waits.waiting.get_mut(&id) else {
            return;
        };
        waiting.is_known = true;
        let kind = awaited_type(waiting.command);
        for (_, key) in waiting.keys.clone() {
            self.tell_owner(WaitMessage::Await(waiter, key, kind));
        }
    }

    /// Ends a wait with a reply.
    fn end_wait(&mut self, id: u64, reply: Reply) {
        let waiter = self.waiter(id);
        let Some(waiting) = self.waits.waiting.remove(&id) else {
            return;
        };
        self.waits.by_connection.remove(&waiting.token);
        if let Some(at_ms) = waiting.deadline_ms {
            self.waits.deadlines.remove(&(at_ms, id));
        }
        if waiting.is_known {
            for (_, key) in waiting.keys {
                self.tell_owner(WaitMessage::Leave(waiter, key));
            }
        }
        let Some(connection) = self.connection(waiting.token) else {
            return;
        };
        if connection.state != State::Closed {
            connection
                .replies
                .fill(waiting.place, &reply.bytes, &reply.large);
        }
        connection.hold = None;
        connection.stalled = true;
        if reply.bytes.first() == Some(&b'-') {
            let command = usize::from(command_index(waiting.command));
            self.metrics.count_error_reply(command, &reply.bytes[1..]);
        }
        self.list(waiting.token.index);
    }

    /// Ends a wait without what it waited for, once no try is under way.
    fn give_up(&mut self, id: u64, reply: Reply) {
        match self.waits.waiting.get_mut(&id) {
            Some(waiting) if waiting.is_trying => waiting.ends_with = Some(reply),
            Some(_) => self.end_wait(id, reply),
            None => {}
        }
    }

    /// Ends the waits whose time is over.
    pub(super) fn end_waits(&mut self) {
        while let Some(&(at_ms, id)) = self.waits.deadlines.first()
            && at_ms <= self.now_ms
        {
            self.waits.deadlines.remove(&(at_ms, id));
            if let Some(waiting) = self.waits.waiting.get(&id) {
                let mut reply = Reply::new(waiting.protocol);
                waiting.null.write(&mut reply);
                self.give_up(id, reply);
            }
        }
    }

    /// Ends the wait of a connection whose client has gone, or that CLIENT UNBLOCK names: with an error or as if its time were over. Whether it waited.
    pub(super) fn unblock(&mut self, token: Token, error: Option<&str>) -> bool {
        let Some(&id) = self.waits.by_connection.get(&token) else {
            return false;
        };
        let waiting = &self.waits.waiting[&id];
        let mut reply = Reply::new(waiting.protocol);
        match error {
            Some(text) => reply.error(text),
            None => waiting.null.write(&mut reply),
        }
        self.give_up(id, reply);
        true
    }

    /// Ends all waits, since the server stops.
    pub(super) fn end_all_waits(&mut self) {
        let tokens: Vec<Token> = self.waits.by_connection.keys().copied().collect();
        for token in tokens {
            self.unblock(token, Some("UNBLOCKED the server stops"));
        }
    }

    /// Lets those try who wait for keys that were written.
    #[inline]
    pub(super) fn serve_awaited(&mut self) {
        let is_idle = !self.shard.engine.has_touched() && self.waits.ready.is_empty();
        if !is_idle && !self.waits.is_serving {
            self.serve_ready();
        }
    }

    #[cold]
    fn serve_ready(&mut self) {
        self.waits.is_serving = true;
        loop {
            if self.shard.engine.has_touched() {
                let touched = self.shard.engine.take_touched();
                let ready = self.waits.awaited.written(&mut self.shard.engine, &touched);
                self.send_ready(ready);
            }
            let Some((id, key)) = self.waits.ready.pop_front() else {
                break;
            };
            self.may_try(id, key);
        }
        self.waits.is_serving = false;
    }

    fn send_ready(&mut self, ready: Ready) {
        for (waiter, key) in ready {
            if waiter.shard == self.shard.id {
                self.waits.ready.push_back((waiter.id, key));
            } else {
                let message = WaitMessage::Ready(waiter.id, key);
                self.message_to(waiter.shard)
                    .envelopes
                    .push(Envelope::Wait(message));
            }
        }
    }

    /// An owner says that a key may have something.
    fn may_try(&mut self, id: u64, key: OwnedKey) {
        let Some(waiting) = self.waits.waiting.get_mut(&id) else {
            // It has left meanwhile, and its leaving is on the way to the owner.
            return;
        };
        waiting.turns.push(key);
        if waiting.is_trying {
            waiting.again = true;
        } else {
            self.try_again(id);
        }
    }

    /// Sends a message to the owner of the key it is about.
    fn tell_owner(&mut self, message: WaitMessage) {
        let (WaitMessage::Await(_, key, _)
        | WaitMessage::Leave(_, key)
        | WaitMessage::Tried(_, key)
        | WaitMessage::Ready(_, key)) = &message;
        let owner = slots::owner(&key.bytes, self.shards());
        if owner == self.shard.id {
            self.take_wait_message(message);
        } else {
            self.message_to(owner)
                .envelopes
                .push(Envelope::Wait(message));
        }
    }

    /// Takes what another shard, or this one, says about waiting.
    pub(super) fn take_wait_message(&mut self, message: WaitMessage) {
        let engine = &mut self.shard.engine;
        let awaited = &mut self.waits.awaited;
        let ready = match message {
            WaitMessage::Await(waiter, key, kind) => awaited.wait(engine, waiter, key, kind),
            WaitMessage::Leave(waiter, key) => awaited.leave(engine, waiter, &key),
            WaitMessage::Tried(waiter, key) => awaited.tried(engine, waiter, &key),
            WaitMessage::Ready(id, key) => {
                self.waits.ready.push_back((id, key));
                return;
            }
        };
        self.send_ready(ready);
    }
}
