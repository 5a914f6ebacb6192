//! Commands that wait: BLPOP and the like, XREAD with BLOCK. And those of the same kind that do not wait but have keys on several shards, such as LMOVE.
//!
//! A blocking command is first run like any other ([`crate::shard::attempt`]). When it writes no reply it waits: its words are kept here, the owners of its
//! keys are told ([`crate::shard::awaited`]), and it is run again for a key whose owner says so, until it has a reply or its time is over. The connection's
//! later requests wait meanwhile.

use super::connection::{Hold, State};
use super::log_waits::LogWaits;
use super::operations::{Pending, Work};
use super::requests::Known;
use super::service::Service;
use super::transactions::{Then, Transactions};
use crate::command::table::{Command, command_index, flags};
use crate::command::{self, Blocking, CommandError, Null, stream};
use crate::engine::Type;
use crate::engine::value::list::List;
use crate::net::Token;
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;
use crate::shard::attempt::{Attempt, Next, Request, STREAM_GONE, Words};
use crate::shard::awaited::{AwaitedKeys, Probe, Ready, ReadyKey, WaitMessage, Waiter, Wants};
use crate::shard::locks::{Claims, Place};
use crate::shard::message::{Message, Origin, ReplyTo};
use crate::shard::operation::{Envelope, Operation, OwnedKey};
use crate::shard::slots;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// A command that waits, or tries.
struct Waiting {
    token: Token,
    /// The place of its reply.
    place: u32,
    request: Request,
    db: usize,
    origin: Origin,
    no_touch: bool,
    /// The transaction that holds its locks while it tries.
    transaction: Option<u32>,
    /// The time of a transaction that it belongs to and that holds them all along.
    locked_at_ms: Option<i64>,
    null: Null,
    /// Unix milliseconds; None for ever.
    deadline_ms: Option<i64>,
    wants: Wants,
    /// What it waits for, each key once.
    keys: Vec<OwnedKey>,
    /// The owners know.
    is_known: bool,
    /// Ids that owners have not told yet.
    probes_left: usize,
    /// The first of the keys that cannot be read, and why.
    refused: Option<(usize, CommandError)>,
    /// It is being carried out.
    attempt: Option<Attempt>,
    /// The key it is tried for: its owner awaits the outcome.
    turn: Option<OwnedKey>,
    /// Other keys that have something meanwhile.
    ready: VecDeque<ReadyKey>,
    /// What it is answered if the try comes to nothing.
    ends_with: Option<Reply>,
}

impl Waiting {
    /// Whether it cannot end now, since a shard may be taking something for it.
    fn is_busy(&self) -> bool {
        self.attempt.is_some() || self.probes_left > 0
    }
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
    ready: VecDeque<(u64, ReadyKey)>,
    /// They are being tried: what becomes ready meanwhile waits for its turn, since each try may make another one ready.
    is_serving: bool,
    /// Those who wait for the log and not for keys.
    pub(super) log: LogWaits,
}

impl Waits {
    /// Commands that wait, as far as the owners of their keys have been told.
    pub(super) fn len(&self) -> usize {
        let waiting = self.waiting.values();
        waiting.filter(|waiting| waiting.is_known).count() + self.log.len()
    }

    /// Whether this connection's command is among them.
    pub(super) fn has(&self, token: Token) -> bool {
        let id = self.by_connection.get(&token);
        id.is_some_and(|id| self.waiting[id].is_known) || self.log.has(token)
    }

    /// Whether some of them may try at once.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// When the first of them has waited long enough, Unix milliseconds.
    pub(super) fn next_deadline_ms(&self) -> Option<i64> {
        let first = self.deadlines.first().map(|(at_ms, _)| *at_ms);
        first.into_iter().chain(self.log.next_deadline_ms()).min()
    }
}

/// What a command waits for.
fn wants(row: &Command, args: &Args<'_>) -> Wants {
    match (row.group, row.name) {
        ("list", _) => Wants::Take(Type::List),
        ("sorted-set", _) => Wants::Take(Type::SortedSet),
        ("set", _) => Wants::Take(Type::Set),
        ("stream", "xreadgroup") => {
            // The first attempt refuses a request that names none.
            Wants::Group(stream::read::group_name(args).unwrap_or_default().into())
        }
        ("stream", _) => Wants::Entries,
        (group, _) => unreachable!("no command of the group {group} waits"),
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
        let Some(blocking) = row.blocking.and_then(|find| find(args)) else {
            return false;
        };
        if self.transactions.is_locked {
            // Nothing waits in a transaction.
            return false;
        }
        let all_here = command::key_positions(row, args)
            .all(|at| slots::owner(args.get(at), self.shards()) == self.shard.id);
        let may_run = all_here && !self.meets_lock(row, args);
        if may_run {
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
        let Some(id) = self.begin_waiting(index, row, args, blocking, muted) else {
            return true;
        };
        if may_run {
            self.pin_here(id);
            self.tell_owners(id, true);
        } else {
            self.probe(id);
        }
        self.serve_awaited();
        true
    }

    /// A request of [`command::Split::Steps`] with keys on several shards that does not wait: one attempt, and then `null`.
    pub(super) fn steps_command(
        &mut self,
        index: u32,
        row: &'static Command,
        args: &Args<'_>,
        null: Null,
        muted: bool,
    ) {
        let at_once = Blocking {
            timeout_ms: 0,
            null,
        };
        let Some(id) = self.begin_waiting(index, row, args, at_once, muted) else {
            return;
        };
        if let Some(waiting) = self.waits.waiting.get_mut(&id) {
            let mut reply = Reply::new(waiting.request.protocol);
            null.write(&mut reply);
            waiting.ends_with = Some(reply);
        }
        self.probe(id);
        self.serve_awaited();
    }

    /// Holds the connection and keeps the request; None when the connection has gone.
    fn begin_waiting(
        &mut self,
        index: u32,
        row: &'static Command,
        args: &Args<'_>,
        Blocking { timeout_ms, null }: Blocking,
        muted: bool,
    ) -> Option<u64> {
        let keys: Vec<usize> = command::key_positions(row, args).collect();
        let owners = keys
            .iter()
            .map(|at| slots::owner(args.get(*at), self.shards()));
        let owners: Vec<usize> = owners.collect();
        let now_ms = self.now_ms;
        let locked_at_ms = self.transactions.locked_at_ms();
        assert!(!keys.is_empty(), "a request without keys has been refused");
        let connection = self.connection_at(index)?;
        let (token, db) = (connection.token, connection.session.db);
        let place = connection.replies.reserve(muted);
        connection.hold_for(Hold::Blocked);
        let (origin, no_touch) = (connection.session.origin, connection.session.no_touch);
        let request = Request {
            command: row,
            words: (0..args.len()).map(|at| args.get(at).into()).collect(),
            keys,
            owners,
            protocol: connection.replies.protocol(),
        };
        let mut awaited = self.keys_of(row, args, db);
        if request.moves() {
            awaited.truncate(1);
        }
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
            request,
            db,
            origin,
            no_touch,
            transaction: None,
            locked_at_ms,
            null,
            deadline_ms,
            wants: wants(row, args),
            keys: awaited.into_iter().map(|(_, key)| key).collect(),
            is_known: false,
            probes_left: 0,
            refused: None,
            attempt: None,
            turn: None,
            ready: VecDeque::new(),
            ends_with: None,
        };
        waits.waiting.insert(id, waiting);
        Some(id)
    }

    /// What XREAD calls `$` is the last entry when it comes, and not when it is run again: such ids are replaced. This is for keys of this shard.
    fn pin_here(&mut self, id: u64) {
        let Some(waiting) = self.waits.waiting.get(&id) else {
            return;
        };
        let (words, db) = (waiting.request.words.clone(), waiting.db);
        for key_index in moving_ids(&waiting.request) {
            let pinned = self.pin(&words, key_index, db);
            self.set_id(id, key_index, pinned.expect("it has just been read"));
        }
    }

    /// The same where other shards are asked, which also say whether there are the groups, since nothing may be taken from one when another is not there.
    fn probe(&mut self, id: u64) {
        let waiter = self.waiter(id);
        let Some(waiting) = self.waits.waiting.get_mut(&id) else {
            return;
        };
        let (request, db) = (&waiting.request, waiting.db);
        let is_spread = request
            .owners
            .iter()
            .any(|owner| *owner != request.owners[0]);
        let asked = match waiting.wants {
            Wants::Group(_) if is_spread => (0..request.keys.len()).collect(),
            // Those before them too: what is wrong with the first is the answer.
            Wants::Entries => {
                let last = moving_ids(request).last().copied();
                last.map_or_else(Vec::new, |last| (0..=last).collect())
            }
            Wants::Group(_) | Wants::Take(_) => Vec::new(),
        };
        let questions: Vec<(usize, usize, Words)> = asked
            .into_iter()
            .map(|place| (place, request.owners[place], request.words_for(place, 1)))
            .collect();
        waiting.probes_left = questions.len();
        if questions.is_empty() {
            return self.begin_attempt(id);
        }
        for (key_index, owner, words) in questions {
            let probe = Box::new(Probe { db, words });
            self.send_wait(owner, WaitMessage::Probe(waiter, key_index, probe));
        }
    }

    /// What the id of a key in these words means now.
    fn pin(
        &mut self,
        words: &[Box<[u8]>],
        key_index: usize,
        db: usize,
    ) -> Result<Box<[u8]>, CommandError> {
        let row = command::lookup(&words[0]).expect("a command of the table");
        let header = Service::operation_header(
            row,
            ReplyTo::Operation { id: 0, part: 0 },
            db,
            Default::default(),
            Default::default(),
            false,
            None,
        );
        let mut message = Message::new(self.shard.id);
        message.push_words(&header, words.iter().map(|word| &**word));
        let view = message.request(0, 0).expect("it was just put there");
        let mut ranges = Vec::new();
        let args = message.args(&view, &mut ranges);
        stream::read::pin(&args, key_index, &mut self.shard.engine, db)
    }

    fn set_id(&mut self, id: u64, key_index: usize, text: Box<[u8]>) {
        let Some(waiting) = self.waits.waiting.get_mut(&id) else {
            return;
        };
        let at = waiting.request.id_at(key_index);
        waiting.request.words[at] = text;
    }

    /// An owner tells what the id of a key means.
    fn probed(&mut self, id: u64, key_index: usize, outcome: Result<Box<[u8]>, CommandError>) {
        let Some(waiting) = self.waits.waiting.get_mut(&id) else {
            return;
        };
        waiting.probes_left -= 1;
        match outcome {
            Ok(text) => self.set_id(id, key_index, text),
            Err(error) => {
                let is_first = waiting
                    .refused
                    .as_ref()
                    .is_none_or(|(at, _)| key_index < *at);
                if is_first {
                    waiting.refused = Some((key_index, error));
                }
            }
        }
        let Some(waiting) = self.waits.waiting.get_mut(&id) else {
            return;
        };
        if waiting.probes_left > 0 {
            return;
        }
        match waiting.refused.take() {
            Some((_, error)) => {
                let mut reply = Reply::new(waiting.request.protocol);
                reply.error(error.text());
                self.end_wait(id, reply);
            }
            None => self.begin_attempt(id),
        }
    }

    fn begin_attempt(&mut self, id: u64) {
        if let Some(waiting) = self.waits.waiting.get_mut(&id) {
            waiting.attempt = Some(waiting.request.first());
            self.carry_out(id);
        }
    }

    /// Begins the attempt: one at keys of several shards claims them all first.
    fn carry_out(&mut self, id: u64) {
        let Some(waiting) = self.waits.waiting.get(&id) else {
            return;
        };
        let is_spread = waiting.attempt.as_ref().is_some_and(Attempt::is_spread);
        if waiting.locked_at_ms.is_some() || !is_spread {
            return self.advance(id, None);
        }
        let mut claims: BTreeMap<usize, Claims> = BTreeMap::new();
        let request = &waiting.request;
        for (&at, &owner) in request.keys.iter().zip(&request.owners) {
            let place = Place::key(&request.words[at]);
            let claims = claims.entry(owner).or_default();
            claims.add(place, Transactions::mode(request.command));
        }
        let client = waiting.origin.client;
        let transaction = self.acquire(claims, Vec::new(), Then::Attempt(id), client);
        self.claim_next(transaction);
    }

    /// The keys of an attempt are held.
    pub(super) fn attempt_locked(&mut self, id: u64, transaction: u32) {
        let waiting = self.waits.waiting.get_mut(&id);
        let waiting = waiting.expect("it does not end while it tries");
        waiting.transaction = Some(transaction);
        self.advance(id, None);
    }

    /// The keys of an attempt are not to be had.
    pub(super) fn fail_wait(&mut self, id: u64, text: &str) {
        if let Some(waiting) = self.waits.waiting.get(&id) {
            let mut reply = Reply::new(waiting.request.protocol);
            reply.error(text);
            self.end_wait(id, reply);
        }
    }

    /// An attempt is over.
    fn release_attempt(&mut self, id: u64) {
        let Some(waiting) = self.waits.waiting.get_mut(&id) else {
            return;
        };
        let token = waiting.token;
        if let Some(transaction) = waiting.transaction.take() {
            let wait = self.release(transaction);
            self.wait_for(token, wait);
        }
    }

    /// Goes on with the attempt under way: its next step, or what has come of it.
    fn advance(&mut self, id: u64, mut reply: Option<Reply>) {
        while let Some(waiting) = self.waits.waiting.get_mut(&id)
            && let Some(attempt) = &mut waiting.attempt
        {
            let now_ms = self.now_ms;
            match attempt.next(&waiting.request, reply.take()) {
                Next::Run(shard, command, words) => {
                    let pending = Pending {
                        token: waiting.token,
                        place: waiting.place,
                        protocol: waiting.request.protocol,
                        db: waiting.db,
                        origin: waiting.origin,
                        no_touch: waiting.no_touch,
                        holds: false,
                        transaction: None,
                        locked_at_ms: waiting.locked_at_ms.or(waiting.transaction.map(|_| now_ms)),
                        waiting: Some(id),
                        work: Work::Data(Operation::one()),
                    };
                    let words: Vec<&[u8]> = words.iter().map(|word| &**word).collect();
                    let is_quiet = pending.locked_at_ms.is_some() || self.transactions.is_quiet();
                    if shard != self.shard.id || !is_quiet {
                        let operation = self.begin_try(pending);
                        return self.send_words(operation, 0, shard, command, &words);
                    }
                    let header = Service::operation_header(
                        command,
                        ReplyTo::Operation { id: 0, part: 0 },
                        pending.db,
                        pending.protocol,
                        pending.origin,
                        pending.no_touch,
                        pending.locked_at_ms,
                    );
                    reply = self.run_words(&header, &words);
                }
                Next::Nothing => {
                    self.release_attempt(id);
                    return self.try_next(id);
                }
                Next::Answer(answer) => {
                    self.release_attempt(id);
                    self.end_wait(id, answer);
                }
                Next::PutBack(answer, to, element) => {
                    let key = waiting.keys[0].clone();
                    let owner = slots::owner(&key.bytes, self.shards());
                    self.send_wait(owner, WaitMessage::PutBack(key, to, element));
                    self.release_attempt(id);
                    self.end_wait(id, answer);
                }
            }
        }
    }

    /// A shard has run a step of an attempt; an empty reply means that it came to nothing.
    pub(super) fn tried(&mut self, id: u64, reply: Reply) {
        self.advance(id, Some(reply));
    }

    /// An attempt has come to nothing: the wait ends if it was to, or goes on with another key that has something meanwhile.
    fn try_next(&mut self, id: u64) {
        let waiter = self.waiter(id);
        let Some(waiting) = self.waits.waiting.get_mut(&id) else {
            return;
        };
        waiting.attempt = None;
        if let Some(reply) = waiting.ends_with.take() {
            return self.end_wait(id, reply);
        }
        let takes_turns = waiting.wants.takes_turns();
        let turn = waiting.turn.take().filter(|_| takes_turns);
        let (is_known, next) = (waiting.is_known, waiting.ready.pop_front());
        if let Some(key) = turn {
            let owner = slots::owner(&key.bytes, self.shards());
            self.send_wait(owner, WaitMessage::Tried(waiter, key));
        }
        if !is_known {
            self.tell_owners(id, false);
        } else if let Some(key) = next {
            self.prepare_try(id, key);
            self.carry_out(id);
        }
    }

    /// Takes a key that has something as the one to try next.
    fn prepare_try(&mut self, id: u64, ReadyKey { key, is_gone }: ReadyKey) {
        let Some(waiting) = self.waits.waiting.get_mut(&id) else {
            return;
        };
        if is_gone {
            let mut reply = Reply::new(waiting.request.protocol);
            reply.error(STREAM_GONE);
            return self.end_wait(id, reply);
        }
        waiting.attempt = Some(waiting.request.again(&key.bytes));
        waiting.turn = Some(key);
    }

    fn waiter(&self, id: u64) -> Waiter {
        Waiter {
            shard: self.shard.id,
            id,
        }
    }

    /// Tells the owners of its keys that a command waits.
    fn tell_owners(&mut self, id: u64, has_looked: bool) {
        let waiter = self.waiter(id);
        let Some(waiting) = self.waits.waiting.get_mut(&id) else {
            return;
        };
        waiting.is_known = true;
        let wants = waiting.wants.clone();
        for key in waiting.keys.clone() {
            let owner = slots::owner(&key.bytes, self.shards());
            self.send_wait(
                owner,
                WaitMessage::Await(waiter, key, wants.clone(), has_looked),
            );
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
            for key in waiting.keys {
                let owner = slots::owner(&key.bytes, self.shards());
                self.send_wait(owner, WaitMessage::Leave(waiter, key));
            }
        }
        let Some(connection) = self.connection(waiting.token) else {
            return;
        };
        if connection.state != State::Closed {
            // What the attempt took here was written down after the turn in which the command came.
            connection.has_written |= waiting.request.command.flags & flags::READONLY == 0;
            connection
                .replies
                .fill(waiting.place, &reply.bytes, &reply.large);
        }
        if reply.bytes.first() == Some(&b'-') {
            let command = usize::from(command_index(waiting.request.command));
            self.metrics.count_error_reply(command, &reply.bytes[1..]);
        }
        self.go_on(waiting.token.index);
        self.list(waiting.token.index);
    }

    /// Ends a wait without what it waited for, once no try is under way.
    fn give_up(&mut self, id: u64, reply: Reply) {
        match self.waits.waiting.get_mut(&id) {
            Some(waiting) if waiting.is_busy() => waiting.ends_with = Some(reply),
            Some(_) => self.end_wait(id, reply),
            None => {}
        }
    }

    /// Ends the waits whose time is over.
    pub(super) fn end_waits(&mut self) {
        self.end_log_waits();
        while let Some(&(at_ms, id)) = self.waits.deadlines.first()
            && at_ms <= self.now_ms
        {
            self.waits.deadlines.remove(&(at_ms, id));
            if let Some(waiting) = self.waits.waiting.get(&id) {
                let mut reply = Reply::new(waiting.request.protocol);
                waiting.null.write(&mut reply);
                self.give_up(id, reply);
            }
        }
    }

    /// Ends the wait of a connection whose client has gone, or that CLIENT UNBLOCK names: with an error or as if its time were over. Whether it waited.
    pub(super) fn unblock(&mut self, token: Token, error: Option<&str>) -> bool {
        let Some(&id) = self.waits.by_connection.get(&token) else {
            return self.end_log_wait(token, error);
        };
        let waiting = &self.waits.waiting[&id];
        let mut reply = Reply::new(waiting.request.protocol);
        match error {
            Some(text) => reply.error(text),
            None => waiting.null.write(&mut reply),
        }
        self.give_up(id, reply);
        true
    }

    /// Ends all waits, since the server stops.
    pub(super) fn end_all_waits(&mut self) {
        let text = "UNBLOCKED the server stops";
        let tokens: Vec<Token> = self.waits.by_connection.keys().copied().collect();
        for token in tokens {
            self.unblock(token, Some(text));
        }
        self.end_all_log_waits(text);
    }

    /// Publishes what happened to keys, and lets those try who wait for keys that were written.
    #[inline]
    pub(super) fn serve_awaited(&mut self) {
        if self.shard.engine.has_events() {
            self.publish_events();
        }
        let is_idle = !self.shard.engine.has_touched() && self.waits.ready.is_empty();
        // In the middle of a transaction nobody is served.
        if !is_idle && !self.waits.is_serving && !self.transactions.is_locked {
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
    fn may_try(&mut self, id: u64, key: ReadyKey) {
        let Some(waiting) = self.waits.waiting.get_mut(&id) else {
            // It has left meanwhile, and its leaving is on the way to the owner.
            return;
        };
        if !waiting.is_busy() {
            self.prepare_try(id, key);
            self.carry_out(id);
        } else if !waiting.ready.contains(&key) {
            waiting.ready.push_back(key);
        }
    }

    /// Sends a message to a shard, which may be this one.
    fn send_wait(&mut self, shard: usize, message: WaitMessage) {
        if shard == self.shard.id {
            self.take_wait_message(message);
        } else {
            let envelope = Envelope::Wait(message);
            self.message_to(shard).envelopes.push(envelope);
        }
    }

    /// Takes what another shard, or this one, says about waiting.
    pub(super) fn take_wait_message(&mut self, message: WaitMessage) {
        let engine = &mut self.shard.engine;
        let awaited = &mut self.waits.awaited;
        let ready = match message {
            WaitMessage::Await(waiter, key, wants, has_looked) => {
                awaited.wait(engine, waiter, key, wants, has_looked)
            }
            WaitMessage::Leave(waiter, key) => awaited.leave(engine, waiter, &key),
            WaitMessage::Tried(waiter, key) => awaited.tried(engine, waiter, &key),
            WaitMessage::Ready(id, key) => {
                self.waits.ready.push_back((id, key));
                return;
            }
            WaitMessage::Probe(waiter, key_index, probe) => {
                let outcome = self.pin(&probe.words, 0, probe.db);
                let message = WaitMessage::Probed(waiter.id, key_index, outcome);
                return self.send_wait(waiter.shard, message);
            }
            WaitMessage::Probed(id, key_index, outcome) => {
                return self.probed(id, key_index, outcome);
            }
            WaitMessage::PutBack(key, to, element) => {
                let key = engine.key(key.db, &key.bytes);
                let put = engine.edit_collection::<List, _>(&key, true, |list, editing| {
                    list.push(to, &element, editing.limits.list);
                });
                // Nothing more can be done where another type has taken its place, or what it left.
                if put.is_ok() {
                    self.shard.stats.changes += 1;
                }
                return;
            }
        };
        self.send_ready(ready);
    }
}

/// The places of the keys whose ids mean something else whenever they are asked for.
fn moving_ids(request: &Request) -> Vec<usize> {
    let places = 0..request.keys.len();
    let moves = |place: &usize| stream::read::moves(&request.words[request.id_at(*place)]);
    match request.command.name {
        "xread" => places.filter(moves).collect(),
        _ => Vec::new(),
    }
}
