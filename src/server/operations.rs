//! Requests that several shards work on: how they are split, who waits for them, and how the reply finds its place.

use super::connection::Hold;
use super::server_operation::ServerOperation;
use super::service::Service;
use super::transactions::Then;
use crate::command::gather;
use crate::command::lcs::Lcs;
use crate::command::table::{self, Command, flags, resolved_row};
use crate::command::transfer::Transfer;
use crate::command::{self, CommandError, Merge, Split, cursor};
use crate::config::Policy;
use crate::engine::{Engine, EngineOptions};
use crate::large::LargeBytes;
use crate::net::Token;
use crate::protocol::args::Args;
use crate::protocol::resp::{Protocol, Reply};
use crate::shard::Shard;
use crate::shard::journal::Journal;
use crate::shard::message::{Message, Origin, ReplyTo, RequestHeader};
use crate::shard::operation::{
    Envelope, Gather, KeyOutcome, KeyWork, Operation, OwnedKey, Progress, Step,
};
use crate::shard::slots;
use std::any::Any;
use std::collections::{BTreeMap, HashSet};
use std::mem;

/// Address space for the values that one command is lent.
const DESK_RESERVATION_BYTES: usize = 4 << 30;

/// What an operation does: a data command, or something about the whole server.
pub(super) enum Work {
    Data(Operation),
    Server(ServerOperation),
}

/// An operation under way.
pub(super) struct Pending {
    pub token: Token,
    pub place: u32,
    pub protocol: Protocol,
    pub db: usize,
    pub origin: Origin,
    pub no_touch: bool,
    /// Later commands of the connection wait for it.
    pub holds: bool,
    /// The transaction that holds its locks, and ends with it.
    pub transaction: Option<u32>,
    /// The time of the transaction that it is done for, and that has all it needs.
    pub locked_at_ms: Option<i64>,
    /// The command that waits for something and tries again, if it is one: then the reply goes to it.
    pub waiting: Option<u64>,
    pub work: Work,
}

/// The operations of one shard.
#[derive(Default)]
pub(super) struct Operations {
    pending: Vec<Option<Pending>>,
    free: Vec<u32>,
    /// Where commands run whose values other shards lend; none before the first.
    pub(super) desk: Option<Box<Shard>>,
}

impl Operations {
    fn insert(&mut self, pending: Pending) -> u32 {
        match self.free.pop() {
            Some(id) => {
                self.pending[id as usize] = Some(pending);
                id
            }
            None => {
                self.pending.push(Some(pending));
                self.pending.len() as u32 - 1
            }
        }
    }

    pub(super) fn get(&mut self, id: u32) -> &mut Pending {
        self.pending[id as usize]
            .as_mut()
            .expect("an operation ends once")
    }

    fn remove(&mut self, id: u32) -> Pending {
        self.free.push(id);
        self.pending[id as usize]
            .take()
            .expect("an operation ends once")
    }

    /// Whether none is under way.
    pub fn is_empty(&self) -> bool {
        self.free.len() == self.pending.len()
    }
}

impl Service {
    /// Registers an operation of a connection; its reply's place is reserved. None when the connection is gone.
    pub(super) fn begin(
        &mut self,
        index: u32,
        work: Work,
        holds: bool,
        muted: bool,
    ) -> Option<u32> {
        let locked_at_ms = self.transactions.locked_at_ms();
        let connection = self.connection_at(index)?;
        let place = connection.replies.reserve(muted);
        if holds {
            connection.hold_for(Hold::Operation);
        }
        let pending = Pending {
            token: connection.token,
            place,
            protocol: connection.replies.protocol(),
            db: connection.session.db,
            origin: connection.session.origin,
            no_touch: connection.session.no_touch,
            holds,
            transaction: None,
            locked_at_ms,
            waiting: None,
            work,
        };
        Some(self.operations.insert(pending))
    }

    /// Begins an operation for a command that waits; its reply goes there.
    pub(super) fn begin_try(&mut self, pending: Pending) -> u32 {
        self.operations.insert(pending)
    }

    /// Sends one part of an operation to a shard, or carries it out if that is this one.
    pub(super) fn send_words(
        &mut self,
        id: u32,
        part: u32,
        shard: usize,
        row: &'static Command,
        words: &[&[u8]],
    ) {
        let pending = self.operations.get(id);
        let reply_to = ReplyTo::Operation { id, part };
        let header = Service::operation_header(
            row,
            reply_to,
            pending.db,
            pending.protocol,
            pending.origin,
            pending.no_touch,
            pending.locked_at_ms,
        );
        if shard != self.shard.id {
            self.message_to(shard)
                .push_words(&header, words.iter().copied());
            self.hopped(shard);
        } else if let Some(reply) = self.run_words(&header, words) {
            self.operation_reply(id, part, &reply.bytes, &reply.large);
        }
    }

    /// Runs a command made of words on this shard. None: it has met a lock, and its reply comes later, as its header says.
    pub(super) fn run_words(&mut self, header: &RequestHeader, words: &[&[u8]]) -> Option<Reply> {
        let mut message = Message::new(self.shard.id);
        message.push_words(header, words.iter().copied());
        let view = message.request(0, 0).expect("it was just put there");
        let mut ranges = Vec::new();
        let mut reply = Reply::new(header.protocol);
        let mut args = message.args(&view, &mut ranges);
        let row = resolved_row(header.command, &args);
        let own = self.shard.id;
        let waits = !header.locked
            && !self.transactions.is_quiet()
            && self.park(own, |_| Some(*header), u64::MAX, row, &mut args);
        if waits {
            return None;
        }
        self.execute_as(header, row, args, None, &mut reply);
        Some(reply)
    }

    pub(super) fn send_steps(&mut self, id: u32, steps: Vec<Step>) {
        for (part, step) in steps.into_iter().enumerate() {
            let part = part as u32;
            match step {
                Step::Command {
                    shard,
                    command,
                    words,
                } => {
                    let words: Vec<&[u8]> = words.iter().map(|word| &**word).collect();
                    self.send_words(id, part, shard, command, &words);
                }
                Step::Key { shard, work } if shard == self.shard.id => {
                    let (origin, time_ms) = self.circumstances(id);
                    let outcome = self.perform(work, origin, time_ms);
                    self.operation_outcome(id, part, outcome);
                }
                Step::Key { shard, work } => {
                    let (origin, time_ms) = self.circumstances(id);
                    let envelope = Envelope::Key {
                        id,
                        part,
                        origin,
                        work,
                        time_ms,
                    };
                    self.message_to(shard).envelopes.push(envelope);
                }
            }
        }
    }

    /// Who an operation is done for, and the time that it sees, all along.
    fn circumstances(&mut self, id: u32) -> (Origin, i64) {
        let now_ms = self.now_ms;
        let pending = self.operations.get(id);
        (pending.origin, pending.locked_at_ms.unwrap_or(now_ms))
    }

    /// Carries a step of an operation on a key of this shard out.
    fn perform(&mut self, work: KeyWork, origin: Origin, time_ms: i64) -> KeyOutcome {
        let key_read = work.key_read().filter(|_| origin.is_tracked).cloned();
        let before = self.enter_locked(time_ms, origin.client);
        let outcome = self.shard.perform(work);
        self.leave_locked(before);
        if let Some(key) = key_read {
            let engine = &mut self.shard.engine;
            engine.track(&engine.key(key.db, &key.bytes), origin.client);
        }
        self.tell_changes_by(origin.client);
        outcome
    }

    /// A part's reply has come.
    pub(super) fn operation_reply(
        &mut self,
        id: u32,
        part: u32,
        bytes: &[u8],
        large: &[(usize, LargeBytes)],
    ) {
        let Work::Data(operation) = &mut self.operations.get(id).work else {
            unreachable!("server operations are answered by envelopes")
        };
        let progress = operation.take_reply(part, bytes, large);
        self.progress(id, progress);
    }

    fn operation_outcome(&mut self, id: u32, part: u32, outcome: KeyOutcome) {
        let Work::Data(operation) = &mut self.operations.get(id).work else {
            unreachable!("server operations do not work on keys")
        };
        let progress = operation.take_outcome(part, outcome);
        self.progress(id, progress);
    }

    fn progress(&mut self, id: u32, progress: Progress) {
        match progress {
            Progress::Waiting => {}
            Progress::Next(steps) => self.send_steps(id, steps),
            Progress::Run => {
                let mut desk = self
                    .operations
                    .desk
                    .take()
                    .unwrap_or_else(|| self.new_desk());
                desk.engine.set_now(self.circumstances(id).1);
                let events = self.shard.engine.events_wanted();
                desk.engine.set_events_wanted(events);
                let Work::Data(operation) = &mut self.operations.get(id).work else {
                    unreachable!("only commands run")
                };
                let progress = operation.run(&mut desk);
                self.shard.stats.add(&std::mem::take(&mut desk.stats));
                self.operations.desk = Some(desk);
                self.progress(id, progress);
            }
            Progress::Done => self.finish(id),
        }
    }

    /// Writes the reply of a finished operation to its place and lets the connection go on.
    pub(super) fn finish(&mut self, id: u32) {
        let pending = self.operations.remove(id);
        let mut reply = Reply::new(pending.protocol);
        match pending.work {
            Work::Data(mut operation) => {
                self.shard.engine.add_events(operation.take_events());
                operation.write_reply(&mut reply)
            }
            Work::Server(operation) => {
                self.finish_server_operation(operation, pending.token, &mut reply)
            }
        }
        if let Some(waiting) = pending.waiting {
            return self.tried(waiting, reply);
        }
        if let Some(transaction) = pending.transaction {
            let wait = self.release(transaction);
            self.wait_for(pending.token, wait);
        }
        let Some(connection) = self.connection(pending.token) else {
            return;
        };
        connection
            .replies
            .fill(pending.place, &reply.bytes, &reply.large);
        if pending.holds {
            self.go_on(pending.token.index);
        }
        self.list(pending.token.index);
    }

    /// Ends an operation of which nothing has been done.
    pub(super) fn fail_operation(&mut self, id: u32, text: &str) {
        if let Work::Data(operation) = &mut self.operations.get(id).work {
            operation.fail(text);
        }
        self.finish(id);
    }

    /// What has held a connection is over: it goes on with its requests, or with the transaction that they belong to.
    pub(super) fn go_on(&mut self, index: u32) {
        let Some(connection) = self.connection_at(index) else {
            return;
        };
        let Some(exec) = &mut connection.session.exec else {
            connection.hold = None;
            connection.stalled = true;
            return self.list(index);
        };
        exec.under_way -= 1;
        if exec.under_way == 0 && !exec.is_running {
            self.run_exec(index);
        }
    }

    /// Begins a command over several shards. It claims its keys before the first of the steps, unless the transaction it belongs to has; if the steps are all
    /// there is to do, the locks go with them.
    fn begin_locked(
        &mut self,
        index: u32,
        (row, args): (&'static Command, &Args<'_>),
        operation: Operation,
        steps: Vec<Step>,
        are_all: bool,
        muted: bool,
    ) {
        let holds = !(are_all && self.transactions.is_locked);
        let Some(id) = self.begin(index, Work::Data(operation), holds, muted) else {
            return;
        };
        if self.operations.get(id).locked_at_ms.is_some() {
            return self.send_steps(id, steps);
        }
        self.operations.get(id).locked_at_ms = Some(self.now_ms);
        let mut claims = BTreeMap::new();
        self.add_claims(row, args, &mut claims);
        let client = self.operations.get(id).origin.client;
        let then = Then::Steps(id, steps, are_all);
        let transaction = self.acquire(claims, Vec::new(), then, client);
        self.claim_next(transaction);
    }

    /// Carries out the envelopes of a message; those of the layer above are handed back.
    pub(super) fn take_envelopes(
        &mut self,
        from: usize,
        message: &mut Message,
    ) -> Vec<Box<dyn Any + Send>> {
        let mut matters = Vec::new();
        for envelope in mem::take(&mut message.envelopes) {
            match envelope {
                Envelope::Key {
                    id,
                    part,
                    origin,
                    work,
                    time_ms,
                } => {
                    let outcome = self.perform(work, origin, time_ms);
                    self.message_to(from)
                        .envelopes
                        .push(Envelope::KeyDone { id, part, outcome });
                }
                Envelope::KeyDone { id, part, outcome } => {
                    self.operation_outcome(id, part, outcome)
                }
                Envelope::Claim {
                    transaction,
                    claims,
                    watched,
                    only_now,
                } => self.take_claim(from, transaction, &claims, watched, only_now),
                Envelope::Claimed { transaction, reply } => self.claimed(transaction, reply),
                Envelope::Yield { transaction } => self.yield_locks(transaction),
                Envelope::Busy { transaction } => self.take_busy(from, transaction),
                Envelope::Release {
                    transaction,
                    commit,
                } => self.release_here(from, transaction, commit),
                Envelope::Commit(commit) => self.take_commit(commit),
                Envelope::Libraries => self.journal_libraries(),
                Envelope::Settled(numbers) => self.have_settled(&numbers),
                Envelope::Hurry { number } => self.hurry(number),
                Envelope::Unwatch(keys) => self.unwatch_here(&keys),
                Envelope::Wait(message) => self.take_wait_message(message),
                Envelope::Server(matter) => matters.push(matter),
            }
        }
        matters
    }

    /// A command whose keys lie on different shards.
    pub(super) fn split(
        &mut self,
        index: u32,
        row: &'static Command,
        split: Split,
        args: Args<'_>,
        muted: bool,
    ) {
        let shards = self.shards();
        let owner = |position: usize| slots::owner(args.get(position), shards);
        match split {
            Split::Never => unreachable!("one key has one owner"),
            Split::Each => unreachable!("each key went its own way"),
            // One that always waits came here because its arguments are wrong, which it finds before it looks at a key.
            Split::Steps(_)
                if row.flags & flags::BLOCKING != 0
                    && row.group != "stream"
                    && row.blocking.and_then(|find| find(&args)).is_none() =>
            {
                self.execute_here(index, row, None, args, muted);
            }
            Split::Steps(null) => self.steps_command(index, row, &args, null, muted),
            Split::Whole => {
                let (operation, steps) = self.whole(index, row, &args);
                self.begin_locked(index, (row, &args), operation, steps, false, muted);
            }
            Split::Elements => {
                let step = |position| Step::Command {
                    shard: owner(position),
                    command: row,
                    words: vec![args.get(0).into(), args.get(position).into()],
                };
                let steps: Vec<Step> = command::key_positions(row, &args).map(step).collect();
                let operation = Operation::elements(steps.len());
                self.begin_locked(index, (row, &args), operation, steps, true, muted);
            }
            // Keys come with their values: a key without one is found before any shard has done its part.
            Split::AllOk if args.len().is_multiple_of(2) => {
                self.refuse_error(index, muted, &CommandError::arity(row.name));
            }
            Split::Sum | Split::AllOk => {
                let parts = parts_by_owner(row, &args, owner);
                let operation = if split == Split::Sum {
                    Operation::sum(parts.len())
                } else {
                    Operation::all_ok(parts.len())
                };
                let step = |(shard, words): (usize, Vec<&[u8]>)| Step::Command {
                    shard,
                    command: row,
                    words: words.into_iter().map(Box::from).collect(),
                };
                let steps = parts.into_iter().map(step).collect();
                self.begin_locked(index, (row, &args), operation, steps, true, muted);
            }
            Split::AllOrNothing => self.split_all_or_nothing(index, row, &args, muted),
            Split::Transfer => {
                let db = self
                    .connection_at(index)
                    .map_or(0, |connection| connection.session.db);
                let databases = self.shard.engine.databases();
                match Transfer::parse(row.name, &args, db, databases) {
                    Err(error) => self.refuse_error(index, muted, &error),
                    Ok(transfer) => {
                        let key = |position: usize, db: usize| {
                            (
                                owner(position),
                                OwnedKey {
                                    db,
                                    bytes: args.get(position).into(),
                                },
                            )
                        };
                        let source = key(1, db);
                        let destination = key(2, transfer.destination_db);
                        let (operation, steps) = Operation::transfer(transfer, source, destination);
                        self.begin_locked(index, (row, &args), operation, steps, false, muted);
                    }
                }
            }
            Split::Gather => {
                let Some(connection) = self.connection_at(index) else {
                    return;
                };
                let db = connection.session.db;
                let reply = Reply::new(connection.replies.protocol());
                let key = |position: usize| {
                    (
                        owner(position),
                        OwnedKey {
                            db,
                            bytes: args.get(position).into(),
                        },
                    )
                };
                // BITOP operation destination source ...; LCS source source.
                let (gather, sources) = if row.name == "bitop" {
                    let gather = gather::parse_bitop(&args).map(|operation| {
                        let (shard, destination) = key(2);
                        Gather::Bitop(operation, shard, destination)
                    });
                    (gather, 3..args.len())
                } else {
                    (Lcs::parse(&args).map(Gather::Lcs), 1..3)
                };
                match gather {
                    Err(error) => self.refuse_error(index, muted, &error),
                    Ok(gather) => {
                        let (operation, steps) =
                            Operation::gather(gather, sources.map(key).collect(), reply);
                        self.begin_locked(index, (row, &args), operation, steps, false, muted);
                    }
                }
            }
        }
    }

    fn split_all_or_nothing(
        &mut self,
        index: u32,
        row: &'static Command,
        args: &Args<'_>,
        muted: bool,
    ) {
        if args.len().is_multiple_of(2) {
            return self.refuse_error(index, muted, &CommandError::arity(row.name));
        }
        let shards = self.shards();
        let exists = table::lookup(b"exists").expect("EXISTS is in the table");
        let mset = table::lookup(b"mset").expect("MSET is in the table");
        let parts = parts_by_owner(row, args, |position| {
            slots::owner(args.get(position), shards)
        });
        let boxed =
            |words: Vec<&[u8]>| words.into_iter().map(Box::from).collect::<Vec<Box<[u8]>>>();
        let then = parts
            .iter()
            .map(|(&shard, words)| {
                let words = boxed([&[&b"mset"[..]], &words[1..]].concat());
                Step::Command {
                    shard,
                    command: mset,
                    words,
                }
            })
            .collect();
        let first = parts
            .iter()
            .map(|(&shard, words)| {
                let keys = words[1..].iter().step_by(2).copied();
                let words = boxed([&b"exists"[..]].into_iter().chain(keys).collect());
                Step::Command {
                    shard,
                    command: exists,
                    words,
                }
            })
            .collect();
        let operation = Operation::all_or_nothing(parts.len(), then);
        self.begin_locked(index, (row, args), operation, first, false, muted);
    }

    fn refuse_error(&mut self, index: u32, muted: bool, error: &CommandError) {
        self.refuse(index, muted, error.text());
    }

    /// A command whose values are brought to this shard.
    pub(super) fn whole(
        &mut self,
        index: u32,
        row: &'static Command,
        args: &Args<'_>,
    ) -> (Operation, Vec<Step>) {
        let (db, protocol) = self
            .connection_at(index)
            .map_or((0, Protocol::Resp2), |connection| {
                (connection.session.db, connection.replies.protocol())
            });
        let words = (0..args.len()).map(|at| Box::from(args.get(at))).collect();
        let keys = self.keys_of(row, args, db);
        Operation::whole(row, words, db, protocol, keys)
    }

    /// The keys of a request, each once, with the shards that own them.
    pub(super) fn keys_of(
        &self,
        row: &'static Command,
        args: &Args<'_>,
        db: usize,
    ) -> Vec<(usize, OwnedKey)> {
        let mut keys: Vec<(usize, OwnedKey)> = Vec::new();
        let mut seen = HashSet::new();
        for position in command::key_positions(row, args) {
            let bytes = args.get(position);
            if seen.insert(bytes) {
                let key = OwnedKey {
                    db,
                    bytes: bytes.into(),
                };
                keys.push((slots::owner(bytes, self.shards()), key));
            }
        }
        keys
    }

    /// A shard without data, on which commands run whose values are lent; it is kept for the next.
    fn new_desk(&self) -> Box<Shard> {
        let config = &self.config;
        let engine = Engine::new(EngineOptions {
            databases: config.databases,
            memory_bytes_max: 0,
            policy: Policy::NoEviction,
            samples: config.maxmemory_samples,
            lfu_log_factor: config.lfu_log_factor,
            lfu_decay_minutes: config.lfu_decay_time,
            thresholds: config.thresholds,
            reservation_bytes: DESK_RESERVATION_BYTES,
            seed: self.now_ms as u64,
        });
        Box::new(Shard {
            id: self.shard.id,
            count: self.shards(),
            engine: engine.expect("address space for what one command needs"),
            journal: Journal::default(),
            picture: None,
            stats: Default::default(),
            settings: self.shard.settings.clone(),
            may_block: true,
        })
    }

    /// A command that every shard carries out.
    pub(super) fn on_all_shards(
        &mut self,
        index: u32,
        row: &'static Command,
        merge: Merge,
        args: Args<'_>,
        muted: bool,
    ) {
        let shards = self.shards();
        let operation = match merge {
            Merge::Ok => Operation::all_ok(shards),
            Merge::Sum => Operation::sum(shards),
            Merge::Concatenate => Operation::concatenate(shards),
        };
        let words: Vec<Box<[u8]>> = (0..args.len()).map(|at| args.get(at).into()).collect();
        let step = |shard| Step::Command {
            shard,
            command: row,
            words: words.clone(),
        };
        let steps = (0..shards).map(step).collect();
        self.begin_locked(index, (row, &args), operation, steps, true, muted);
    }

    /// SCAN goes to the shard that its cursor names; a cursor that names none, or nothing that is a cursor, may go anywhere.
    pub(super) fn scan(&mut self, index: u32, row: &'static Command, args: Args<'_>, muted: bool) {
        let named = cursor::parse(args.get(1)).map(cursor::shard);
        let shard = named
            .filter(|&shard| shard < self.shards())
            .unwrap_or(self.shard.id);
        self.whole_request_to(index, row, shard, &args, muted);
    }

    /// A command for one shard, whichever its keys.
    fn whole_request_to(
        &mut self,
        index: u32,
        row: &'static Command,
        shard: usize,
        args: &Args<'_>,
        muted: bool,
    ) {
        let words: Vec<&[u8]> = (0..args.len()).map(|position| args.get(position)).collect();
        let locked = self.transactions.locked_at_ms();
        let Some(connection) = self.connection_at(index) else {
            return;
        };
        let place = connection.replies.reserve(muted);
        let reply_to = ReplyTo::Connection {
            token: connection.token.to_bits(),
            place,
        };
        let session = &connection.session;
        let header = Service::operation_header(
            row,
            reply_to,
            session.db,
            connection.replies.protocol(),
            session.origin,
            session.no_touch,
            locked,
        );
        if shard != self.shard.id {
            self.message_to(shard)
                .push_words(&header, words.iter().copied());
            self.hopped(shard);
        } else if let Some(reply) = self.run_words(&header, &words)
            && let Some(connection) = self.connection_at(index)
        {
            connection.replies.fill(place, &reply.bytes, &reply.large);
            self.list(index);
        }
    }

    /// RANDOMKEY asks the shards one after the other, beginning with a random one, until one has a key: that is a random key only when shards hold
    /// about as many keys, which the slots see to.
    pub(super) fn on_random_shard(
        &mut self,
        index: u32,
        row: &'static Command,
        args: Args<'_>,
        muted: bool,
    ) {
        let first = self.random_below(self.shards());
        let words: Vec<Box<[u8]>> = (0..args.len())
            .map(|position| args.get(position).into())
            .collect();
        let order: Vec<usize> = (0..self.shards())
            .map(|step| (first + step) % self.shards())
            .collect();
        let steps = order
            .iter()
            .map(|&shard| Step::Command {
                shard,
                command: row,
                words: words.clone(),
            })
            .collect();
        let operation = Operation::first_of(order.len());
        if let Some(id) = self.begin(index, Work::Data(operation), true, muted) {
            self.send_steps(id, steps);
        }
    }
}

/// The words of a request for each owner of some of its keys: its name, then its keys with what belongs to each.
fn parts_by_owner<'a>(
    row: &'static Command,
    args: &'a Args<'_>,
    owner: impl Fn(usize) -> usize,
) -> BTreeMap<usize, Vec<&'a [u8]>> {
    let step = usize::try_from(row.key_step)
        .expect("keys come in order")
        .max(1);
    let mut parts: BTreeMap<usize, Vec<&[u8]>> = BTreeMap::new();
    for position in command::key_positions(row, args) {
        let words = parts
            .entry(owner(position))
            .or_insert_with(|| vec![args.get(0)]);
        words.extend(
            (position..(position + step).min(args.len())).map(|position| args.get(position)),
        );
    }
    parts
}
