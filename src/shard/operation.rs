//! Commands whose work is done by several shards: what has come back so far, and what to do next.
//!
//! Pure: an operation is told of every part's outcome and says whether it waits, goes on with further steps, or is done. The shard that received the
//! command coordinates, and has claimed the keys at their owners before the first step ([`super::locks`]), so that nobody sees the steps apart.

use super::awaited::WaitMessage;
use super::journal::Commit;
use super::locks::Claims;
use super::message::{Message, Origin, ReplyTo, RequestHeader};
use super::{Shard, slots};
use crate::command::CommandError;
use crate::command::gather::{self, BitOperation, MadeString};
use crate::command::lcs::Lcs;
use crate::command::table::Command;
use crate::command::transfer::{Portable, RENAME_FROM, Transfer, TransferKind, Unplaced};
use crate::engine::{Event, EventClass, OutOfMemory, Touch};
use crate::large::LargeBytes;
use crate::limits::STRING_BYTES_MAX;
use crate::protocol::args::Args;
use crate::protocol::resp::{Protocol, Reply};
use std::any::Any;
use std::collections::HashSet;

/// What travels between shards beside plain requests and responses.
#[derive(Debug)]
pub enum Envelope {
    /// Do something with one key, and answer with [`Envelope::KeyDone`].
    Key {
        /// The operation of the sender.
        id: u32,
        /// Which of its parts.
        part: u32,
        /// Who asked for the operation.
        origin: Origin,
        /// What to do.
        work: KeyWork,
        /// The time of the transaction that it belongs to, Unix milliseconds.
        time_ms: i64,
    },
    /// What came of an [`Envelope::Key`].
    KeyDone {
        /// The operation.
        id: u32,
        /// Which of its parts.
        part: u32,
        /// What came of it.
        outcome: KeyOutcome,
    },
    /// A transaction of the sender wants locks, and to know whether watched keys are as they were; the answer is [`Envelope::Claimed`].
    Claim {
        /// The transaction.
        transaction: u32,
        /// What it claims.
        claims: Claims,
        /// Keys that it watches.
        watched: Vec<WatchedKey>,
        /// It does not wait for what others hold.
        only_now: bool,
    },
    /// The answer to [`Envelope::Claim`].
    Claimed {
        /// The transaction.
        transaction: u32,
        /// The answer.
        reply: ClaimReply,
    },
    /// A script that cannot wait needs what a transaction of the receiver holds: it gives everything back and begins again, unless it has all.
    Yield {
        /// The transaction.
        transaction: u32,
    },
    /// A transaction of the sender lasts long: who needs what it holds here is told so.
    Busy {
        /// The transaction.
        transaction: u32,
    },
    /// A transaction of the sender ends, and its locks with it.
    Release {
        /// The transaction.
        transaction: u32,
        /// What the shard writes down of it, if it has written.
        commit: Option<Commit>,
    },
    /// What a client's transaction has changed is to be written down, though its locks, if it has any, stay.
    Commit(Commit),
    /// The function libraries have changed: the receiver writes them down.
    Libraries,
    /// Transactions have settled of which the receiver has parts; these are those it waits for.
    Settled(Vec<u64>),
    /// The receiver's part of a transaction is to be durable soon, because somebody waits for what comes after it.
    Hurry {
        /// Its number.
        number: u64,
    },
    /// Keys are watched no longer.
    Unwatch(Vec<OwnedKey>),
    /// Between one who waits for a key and its owner.
    Wait(WaitMessage),
    /// A matter of the layer above.
    Server(Box<dyn Any + Send>),
}

/// A key that travels.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OwnedKey {
    /// The database.
    pub db: usize,
    /// The bytes.
    pub bytes: Box<[u8]>,
}

/// What comes of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimReply {
    /// It is held.
    Held {
        /// From when on a key that the transaction watches there is not as it was, by this shard's clock: see [`crate::engine::Engine::changes_at`]. The transaction has
        /// a time of its own, which may be later than this reply.
        changes_at_ms: i64,
    },
    /// Others hold something of it, and it does not wait.
    Refused,
}

/// A key that somebody watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchedKey {
    /// Its owner.
    pub shard: usize,
    /// The key.
    pub key: OwnedKey,
    /// Its version when the watch began.
    pub version: u64,
}

/// One step on one key.
#[derive(Debug)]
pub enum KeyWork {
    /// Whether it is there.
    Look(OwnedKey),
    /// The first phase of COPY.
    Fetch(OwnedKey, Transfer),
    /// The first phase of RENAME: the value, which is removed.
    Take(OwnedKey),
    /// The second phase, on the destination.
    Put(OwnedKey, Transfer, Portable),
    /// The value, for a command that combines several.
    Read(OwnedKey),
    /// The result of BITOP.
    Store(OwnedKey, MadeString),
    /// The value, of whatever type, for a command that runs elsewhere.
    Lend(OwnedKey),
    /// What such a command made of it: another value, or none.
    Replace(OwnedKey, Option<Portable>),
}

impl KeyWork {
    /// The key that gets another value, or none.
    pub fn key_written(&self) -> Option<&OwnedKey> {
        match self {
            KeyWork::Take(key)
            | KeyWork::Put(key, ..)
            | KeyWork::Store(key, _)
            | KeyWork::Replace(key, _) => Some(key),
            KeyWork::Look(_) | KeyWork::Fetch(..) | KeyWork::Read(_) | KeyWork::Lend(_) => None,
        }
    }

    /// The key whose value goes to who has asked for it, if that is all that is done.
    pub fn key_read(&self) -> Option<&OwnedKey> {
        match self {
            KeyWork::Read(key) | KeyWork::Lend(key) => Some(key),
            _ => None,
        }
    }
}

/// What came of a step.
#[derive(Debug)]
pub enum KeyOutcome {
    /// A value, if the key was there.
    Value(Result<Option<Portable>, CommandError>),
    /// Whether a key is there.
    There(bool),
    /// Whether a value could be put under its destination.
    Put(Result<(), Unplaced>),
    /// Whether something was stored.
    Stored(Result<bool, CommandError>),
    /// The length of what was stored.
    Length(Result<i64, CommandError>),
}

impl Shard {
    /// Carries one step out here and now, and writes down what it changes.
    pub fn perform(&mut self, work: KeyWork) -> KeyOutcome {
        let written = work.key_written().filter(|_| self.journal.is_on()).cloned();
        if let (Some(picture), Some(key)) = (&mut self.picture, work.key_written()) {
            picture.before_key(&mut self.engine, key.db, &key.bytes);
        }
        let outcome = self.carry_out(work);
        if let Some(key) = written {
            self.journal.image(&mut self.engine, key.db, &key.bytes);
            self.journal_lost();
        }
        outcome
    }

    fn carry_out(&mut self, work: KeyWork) -> KeyOutcome {
        match work {
            KeyWork::Fetch(owned, transfer) => {
                let key = self.engine.key(owned.db, &owned.bytes);
                KeyOutcome::Value(transfer.fetch(&mut self.engine, &mut self.stats, &key))
            }
            KeyWork::Put(owned, transfer, portable) => {
                let key = self.engine.key(owned.db, &owned.bytes);
                let put = transfer.put(&mut self.engine, &mut self.stats, &key, portable);
                if put.is_ok() {
                    let generic = EventClass::Generic;
                    self.engine.notify(generic, transfer.arrival(), &key);
                }
                KeyOutcome::Put(put)
            }
            KeyWork::Look(owned) => {
                let key = self.engine.key(owned.db, &owned.bytes);
                KeyOutcome::There(self.engine.find(&key, Touch::No).is_some())
            }
            KeyWork::Take(owned) => {
                let key = self.engine.key(owned.db, &owned.bytes);
                let taken = Portable::take(&mut self.engine, &key);
                if taken.is_some() {
                    // Told here, before anything else that happens to the key, though it may come back for want of memory.
                    let generic = EventClass::Generic;
                    self.engine.notify(generic, RENAME_FROM, &key);
                }
                KeyOutcome::Value(taken.map(Some).ok_or(CommandError::NoSuchKey))
            }
            KeyWork::Read(owned) => {
                let key = self.engine.key(owned.db, &owned.bytes);
                KeyOutcome::Value(gather::fetch(
                    &mut self.engine,
                    &mut self.stats,
                    Touch::Yes,
                    &key,
                ))
            }
            KeyWork::Store(owned, made) => {
                let key = self.engine.key(owned.db, &owned.bytes);
                KeyOutcome::Length(gather::store_bits(
                    &mut self.engine,
                    &mut self.stats,
                    &key,
                    made,
                ))
            }
            KeyWork::Lend(owned) => {
                let key = self.engine.key(owned.db, &owned.bytes);
                KeyOutcome::Value(Ok(Portable::read(&mut self.engine, &key)))
            }
            KeyWork::Replace(owned, value) => {
                let key = self.engine.key(owned.db, &owned.bytes);
                // Whether the key is new was said where the command ran.
                let stored = self
                    .engine
                    .without_event(EventClass::New, |engine| match value {
                        None => Ok(engine.remove(&key)),
                        Some(portable) => portable.write(engine, &key).map(|()| true),
                    });
                KeyOutcome::Stored(stored.map_err(CommandError::from))
            }
        }
    }
}

/// A step of an operation, to be sent to a shard.
pub enum Step {
    /// A command made of these words.
    Command {
        /// The shard.
        shard: usize,
        /// The row.
        command: &'static Command,
        /// Name and arguments.
        words: Vec<Box<[u8]>>,
    },
    /// Work on one key.
    Key {
        /// The shard.
        shard: usize,
        /// The work.
        work: KeyWork,
    },
}

/// What an operation wants after it was told of an outcome.
pub enum Progress {
    /// More outcomes.
    Waiting,
    /// These steps; the n-th is part n of the new round.
    Next(Vec<Step>),
    /// To run its command on the values it has been lent; see [`Operation::run`].
    Run,
    /// Nothing: the reply can be written.
    Done,
}

/// A data command over several shards.
pub struct Operation {
    /// Parts of this round that have not come back.
    left: usize,
    /// The first error, as it came.
    error: Option<Vec<u8>>,
    kind: Kind,
}

enum Kind {
    /// Integers are added up.
    Sum(i64),
    /// All say OK.
    AllOk,
    /// Part n is the array of one element that goes to place n.
    Elements(Vec<Reply>),
    /// Arrays are joined: their elements, and how many.
    Concatenate(Vec<u8>, usize),
    /// The first part, in order, that is not nil.
    FirstOf(Vec<Reply>),
    /// MSETNX: unless one of the keys was there, these steps follow.
    AllOrNothing {
        found: bool,
        then: Option<Vec<Step>>,
    },
    /// RENAME, RENAMENX, COPY.
    Transfer(Box<TransferState>),
    /// BITOP, LCS.
    Gather(Box<GatherState>),
    /// A command that runs on values lent by several shards.
    Whole(Box<WholeState>),
    /// A command of one shard, whose reply is the operation's.
    One(Reply),
}

/// A command that runs where its values are not.
struct WholeState {
    command: &'static Command,
    words: Vec<Box<[u8]>>,
    db: usize,
    protocol: Protocol,
    /// Its keys, each once, with their shards.
    keys: Vec<(usize, OwnedKey)>,
    values: Vec<Option<Portable>>,
    /// The place of the first value that this round of steps brings.
    first_value: usize,
    /// Rounds of further keys that have been asked for.
    rounds: usize,
    has_run: bool,
    reply: Reply,
    /// What happened to its keys.
    events: Vec<Event>,
}

struct TransferState {
    transfer: Transfer,
    source: OwnedKey,
    destination: OwnedKey,
    source_shard: usize,
    destination_shard: usize,
    /// What RENAMENX has heard of its destination.
    is_in_the_way: Option<bool>,
    stored: bool,
}

impl TransferState {
    fn at_source(&self, work: KeyWork) -> Step {
        Step::Key {
            shard: self.source_shard,
            work,
        }
    }
}

/// A command that combines values.
#[derive(Debug)]
pub enum Gather {
    /// BITOP, and where its result goes.
    Bitop(BitOperation, usize, OwnedKey),
    /// LCS.
    Lcs(Lcs),
}

struct GatherState {
    gather: Gather,
    values: Vec<Option<Portable>>,
    combined: bool,
    reply: Reply,
}

/// An error as it stands in a reply.
fn error_line(error: &CommandError) -> Vec<u8> {
    let mut reply = Reply::default();
    reply.error(error.text());
    reply.bytes
}

impl Operation {
    fn new(parts: usize, kind: Kind) -> Operation {
        assert!(parts > 0, "an operation has parts");
        Operation {
            left: parts,
            error: None,
            kind,
        }
    }
    /// Integers are added up.
    pub fn sum(parts: usize) -> Operation {
        Operation::new(parts, Kind::Sum(0))
    }
    /// All say OK.
    pub fn all_ok(parts: usize) -> Operation {
        Operation::new(parts, Kind::AllOk)
    }
    /// Part n is an array of one element, which goes to place n.
    pub fn elements(parts: usize) -> Operation {
        Operation::new(
            parts,
            Kind::Elements((0..parts).map(|_| Reply::default()).collect()),
        )
    }
    /// Of all parts the first, in order, that is not nil.
    pub fn first_of(parts: usize) -> Operation {
        Operation::new(
            parts,
            Kind::FirstOf((0..parts).map(|_| Reply::default()).collect()),
        )
    }
    /// Arrays are joined.
    pub fn concatenate(parts: usize) -> Operation {
        Operation::new(parts, Kind::Concatenate(Vec::new(), 0))
    }
    /// The parts count existing keys; if there is none, the steps follow.
    pub fn all_or_nothing(parts: usize, then: Vec<Step>) -> Operation {
        Operation::new(
            parts,
            Kind::AllOrNothing {
                found: false,
                then: Some(then),
            },
        )
    }
    /// A value goes from one shard to another; the first step is to fetch it.
    pub fn transfer(
        transfer: Transfer,
        source: (usize, OwnedKey),
        destination: (usize, OwnedKey),
    ) -> (Operation, Vec<Step>) {
        let from = source.1.clone();
        let (shard, work) = match transfer.kind {
            TransferKind::Copy => (source.0, KeyWork::Fetch(from, transfer)),
            TransferKind::Rename => (source.0, KeyWork::Take(from)),
            // The source stays where it is while another key is in the way.
            TransferKind::RenameNx => (destination.0, KeyWork::Look(destination.1.clone())),
        };
        let first = Step::Key { shard, work };
        let state = TransferState {
            transfer,
            source: source.1,
            destination: destination.1,
            source_shard: source.0,
            destination_shard: destination.0,
            is_in_the_way: None,
            stored: false,
        };
        (
            Operation::new(1, Kind::Transfer(Box::new(state))),
            vec![first],
        )
    }
    /// Values of several shards are combined; the first steps are to read them. `reply` is where the reply will be written.
    pub fn gather(
        gather: Gather,
        sources: Vec<(usize, OwnedKey)>,
        reply: Reply,
    ) -> (Operation, Vec<Step>) {
        let values = sources.iter().map(|_| None).collect();
        let state = GatherState {
            gather,
            values,
            combined: false,
            reply,
        };
        let steps: Vec<Step> = sources
            .into_iter()
            .map(|(shard, key)| Step::Key {
                shard,
                work: KeyWork::Read(key),
            })
            .collect();
        (
            Operation::new(steps.len(), Kind::Gather(Box::new(state))),
            steps,
        )
    }

    /// One shard does it all.
    pub fn one() -> Operation {
        Operation::new(1, Kind::One(Reply::default()))
    }
    /// A command runs on values that several shards lend; the first steps are to fetch them. `keys` has each key once.
    pub fn whole(
        command: &'static Command,
        words: Vec<Box<[u8]>>,
        db: usize,
        protocol: Protocol,
        keys: Vec<(usize, OwnedKey)>,
    ) -> (Operation, Vec<Step>) {
        let steps = lend(&keys);
        let state = WholeState {
            command,
            words,
            db,
            protocol,
            values: keys.iter().map(|_| None).collect(),
            keys,
            first_value: 0,
            rounds: 0,
            has_run: false,
            reply: Reply::new(protocol),
            events: Vec::new(),
        };
        (
            Operation::new(steps.len(), Kind::Whole(Box::new(state))),
            steps,
        )
    }

    /// Runs the command of [`Progress::Run`] on a shard without data, and leaves it so; unless it names further keys, whose values come first.
    pub fn run(&mut self, desk: &mut Shard) -> Progress {
        let Kind::Whole(state) = &mut self.kind else {
            unreachable!("it was asked to run")
        };
        let mut steps = state.further_keys(desk);
        if steps.is_empty() {
            steps = state.run(desk);
        }
        if steps.is_empty() {
            return Progress::Done;
        }
        self.left = steps.len();
        Progress::Next(steps)
    }

    /// It is not carried out, and this is why.
    pub fn fail(&mut self, text: &str) {
        let mut reply = Reply::default();
        reply.error(text);
        self.error = Some(reply.bytes);
        self.left = 0;
    }

    /// A part's reply has come.
    pub fn take_reply(
        &mut self,
        part: u32,
        bytes: &[u8],
        large: &[(usize, LargeBytes)],
    ) -> Progress {
        self.left -= 1;
        if bytes.first() == Some(&b'-') {
            self.error.get_or_insert_with(|| bytes.to_vec());
        } else {
            match &mut self.kind {
                Kind::Sum(total) => *total += integer(bytes),
                Kind::AllOk => {}
                Kind::Elements(elements) => {
                    let head = b"*1\r\n".len();
                    let reply = &mut elements[part as usize];
                    reply.bytes.extend_from_slice(&bytes[head..]);
                    reply
                        .large
                        .extend(large.iter().map(|(at, value)| (at - head, value.clone())));
                }
                Kind::FirstOf(replies) => {
                    let reply = &mut replies[part as usize];
                    reply.bytes.extend_from_slice(bytes);
                    reply.large.extend_from_slice(large);
                }
                Kind::Concatenate(bodies, count) => {
                    let line = bytes
                        .iter()
                        .position(|&byte| byte == b'\n')
                        .map_or(bytes.len(), |at| at + 1);
                    *count += integer(&bytes[..line]) as usize;
                    bodies.extend_from_slice(&bytes[line..]);
                }
                Kind::AllOrNothing { found, then } => {
                    if then.is_some() {
                        *found |= integer(bytes) > 0;
                    }
                }
                Kind::One(reply) => reply.append_replies(bytes, large),
                Kind::Transfer(_) | Kind::Gather(_) | Kind::Whole(_) => {
                    unreachable!("these work on keys")
                }
            }
        }
        if self.left > 0 {
            return Progress::Waiting;
        }
        if let Kind::AllOrNothing { found: false, then } = &mut self.kind
            && let Some(steps) = then.take().filter(|_| self.error.is_none())
        {
            self.left = steps.len();
            return Progress::Next(steps);
        }
        Progress::Done
    }

    /// What came of a step on a key.
    pub fn take_outcome(&mut self, part: u32, outcome: KeyOutcome) -> Progress {
        self.left -= 1;
        let next = match (&mut self.kind, outcome) {
            (
                _,
                KeyOutcome::Value(Err(error))
                | KeyOutcome::Stored(Err(error))
                | KeyOutcome::Length(Err(error)),
            ) => {
                self.error.get_or_insert_with(|| error_line(&error));
                None
            }
            (Kind::Transfer(state), KeyOutcome::Value(Ok(value))) => {
                value.map(|portable| Step::Key {
                    shard: state.destination_shard,
                    work: KeyWork::Put(state.destination.clone(), state.transfer, portable),
                })
            }
            (Kind::Transfer(state), KeyOutcome::There(is_there)) => match state.is_in_the_way {
                None => {
                    state.is_in_the_way = Some(is_there);
                    let from = state.source.clone();
                    let work = match is_there {
                        true => KeyWork::Look(from),
                        false => KeyWork::Take(from),
                    };
                    Some(state.at_source(work))
                }
                Some(_) => {
                    if !is_there {
                        self.error = Some(error_line(&CommandError::NoSuchKey));
                    }
                    None
                }
            },
            (Kind::Transfer(state), KeyOutcome::Put(put)) => {
                state.stored = put.is_ok();
                let back = match put {
                    Ok(()) => None,
                    Err(Unplaced::IsInTheWay(portable)) => Some(portable),
                    Err(Unplaced::OutOfMemory(portable)) => {
                        self.error = Some(error_line(&OutOfMemory.into()));
                        Some(portable)
                    }
                };
                let back = back.filter(|_| state.transfer.removes_source());
                back.map(|portable| {
                    state.at_source(KeyWork::Replace(state.source.clone(), Some(portable)))
                })
            }
            (Kind::Transfer(_), KeyOutcome::Stored(Ok(_))) => None,
            (Kind::Gather(state), KeyOutcome::Value(Ok(value))) => {
                state.values[part as usize] = value;
                None
            }
            (Kind::Whole(state), KeyOutcome::Value(Ok(value))) => {
                let at = state.first_value + part as usize;
                state.values[at] = value;
                None
            }
            (Kind::Whole(_), KeyOutcome::Stored(Ok(_))) => None,
            (Kind::Gather(state), KeyOutcome::Length(Ok(length))) => {
                state.reply.integer(length);
                None
            }
            _ => unreachable!("only transfers and gatherings work on keys"),
        };
        if let Some(step) = next {
            self.left = 1;
            return Progress::Next(vec![step]);
        }
        if self.left > 0 {
            return Progress::Waiting;
        }
        if self.error.is_some() {
            return Progress::Done;
        }
        if let Kind::Whole(state) = &self.kind
            && !state.has_run
        {
            return Progress::Run;
        }
        if let Kind::Gather(state) = &mut self.kind
            && !state.combined
        {
            state.combined = true;
            match state.combine() {
                Err(error) => self.error = Some(error_line(&error)),
                Ok(None) => {}
                Ok(Some(step)) => {
                    self.left = 1;
                    return Progress::Next(vec![step]);
                }
            }
        }
        Progress::Done
    }

    /// What a command that ran on values lent by others has done to their keys, now that they have it back.
    pub fn take_events(&mut self) -> Vec<Event> {
        match &mut self.kind {
            Kind::Whole(state) if self.error.is_none() => std::mem::take(&mut state.events),
            _ => Vec::new(),
        }
    }

    /// Writes the reply of a finished operation.
    pub fn write_reply(self, reply: &mut Reply) {
        assert!(self.left == 0, "all parts have come back");
        if let Some(error) = self.error {
            return reply.bytes.extend_from_slice(&error);
        }
        match self.kind {
            Kind::Sum(total) => reply.integer(total),
            Kind::AllOk => reply.ok(),
            Kind::Elements(elements) => {
                reply.array(elements.len());
                for element in elements {
                    reply.append_replies(&element.bytes, &element.large);
                }
            }
            Kind::FirstOf(replies) => {
                let nil = |part: &&Reply| matches!(&part.bytes[..], b"$-1\r\n" | b"_\r\n");
                match replies.iter().find(|part| !nil(part)) {
                    Some(part) => reply.append_replies(&part.bytes, &part.large),
                    None => reply.null(),
                }
            }
            Kind::Concatenate(bodies, count) => {
                reply.array(count);
                reply.bytes.extend_from_slice(&bodies);
            }
            Kind::AllOrNothing { found, .. } => reply.integer(i64::from(!found)),
            Kind::Transfer(state) => state.transfer.reply(reply, state.stored),
            Kind::Gather(state) => reply.append_replies(&state.reply.bytes, &state.reply.large),
            Kind::Whole(state) => reply.append_replies(&state.reply.bytes, &state.reply.large),
            Kind::One(one) => reply.append_replies(&one.bytes, &one.large),
        }
    }
}

/// The steps that bring the values of keys.
fn lend(keys: &[(usize, OwnedKey)]) -> Vec<Step> {
    keys.iter()
        .map(|(shard, key)| Step::Key {
            shard: *shard,
            work: KeyWork::Lend(key.clone()),
        })
        .collect()
}

impl WholeState {
    /// The steps that bring the values of keys whose names depend on those that are there; none when there are no such keys.
    fn further_keys(&mut self, desk: &mut Shard) -> Vec<Step> {
        if self.command.further_keys.is_none() {
            return Vec::new();
        }
        loop {
            self.lay_out(desk, self.values.clone());
            let (command, db, round) = (self.command, self.db, self.rounds);
            let names = self.with_args(|args, _| desk.further_keys(command, args, db, round));
            clear(desk, db);
            let Some(names) = names else {
                return Vec::new();
            };
            self.rounds += 1;
            self.first_value = self.keys.len();
            let mut seen: HashSet<_> = self.keys.iter().map(|(_, key)| key.clone()).collect();
            for name in names {
                let shard = slots::owner(&name, desk.count);
                let bytes = name.into();
                let key = OwnedKey { db, bytes };
                if seen.insert(key.clone()) {
                    self.keys.push((shard, key));
                }
            }
            self.values.resize(self.keys.len(), None);
            if self.keys.len() > self.first_value {
                return lend(&self.keys[self.first_value..]);
            }
        }
    }

    /// Lays the values out on the desk, runs the command, clears the desk; the steps bring home what has changed.
    fn run(&mut self, desk: &mut Shard) -> Vec<Step> {
        self.has_run = true;
        let values = std::mem::take(&mut self.values);
        let tokens = self.lay_out(desk, values);
        let (command, db) = (self.command, self.db);
        // What has been laid out is not new.
        desk.engine.take_events();
        self.with_args(|args, reply| desk.execute(command, args, db, Touch::Yes, None, reply));
        self.events = desk.engine.take_events();
        let mut steps = Vec::new();
        for ((shard, owned), token) in self.keys.iter().zip(tokens) {
            let key = desk.engine.key(owned.db, &owned.bytes);
            let now = Portable::read(&mut desk.engine, &key);
            let is_same = match (token, &now) {
                (None, None) => true,
                (Some(token), Some(_)) => desk.engine.token_matches(&key, token),
                _ => false,
            };
            if !is_same {
                steps.push(Step::Key {
                    shard: *shard,
                    work: KeyWork::Replace(owned.clone(), now),
                });
            }
        }
        clear(desk, db);
        steps
    }

    /// Puts the values under their keys on the desk: the token of each that is there, by which a change is seen.
    fn lay_out(&self, desk: &mut Shard, values: Vec<Option<Portable>>) -> Vec<Option<u64>> {
        let lay = |((_, owned), value): (&(usize, OwnedKey), Option<Portable>)| {
            let key = desk.engine.key(owned.db, &owned.bytes);
            value.map(|portable| {
                let placed = portable.write(&mut desk.engine, &key);
                placed.expect("the desk has no limit");
                desk.engine.token(&key)
            })
        };
        self.keys.iter().zip(values).map(lay).collect()
    }

    /// Calls a function with the words of the command, and where its reply goes.
    fn with_args<T>(&mut self, call: impl FnOnce(Args<'_>, &mut Reply) -> T) -> T {
        let mut message = Message::new(0);
        let header = RequestHeader {
            reply_to: ReplyTo::Operation { id: 0, part: 0 },
            command: 0,
            db: self.db as u32,
            protocol: self.protocol,
            origin: Origin::default(),
            no_touch: false,
            locked: true,
            awaits: false,
            time_ms: 0,
        };
        message.push_words(&header, self.words.iter().map(|word| &**word));
        let view = message.request(0, 0).expect("it was just put there");
        let mut ranges = Vec::new();
        let args = message.args(&view, &mut ranges);
        call(args, &mut self.reply)
    }
}

/// Takes the values away from the desk.
fn clear(desk: &mut Shard, db: usize) {
    desk.engine.flush(db, false);
    while desk.engine.upkeep(100_000) {}
}

impl GatherState {
    /// Combines the values; a result that is stored elsewhere is a step, any other is in the reply.
    fn combine(&mut self) -> Result<Option<Step>, CommandError> {
        let values: Vec<_> = self
            .values
            .iter()
            .map(|value| value.as_ref().map(Portable::string))
            .collect();
        let sources: Vec<&[u8]> = values
            .iter()
            .map(|value| value.as_deref().unwrap_or(&[]))
            .collect();
        match &self.gather {
            Gather::Bitop(operation, shard, destination) => {
                let made = gather::bitop(*operation, &sources)?;
                Ok(Some(Step::Key {
                    shard: *shard,
                    work: KeyWork::Store(destination.clone(), made),
                }))
            }
            Gather::Lcs(lcs) => {
                lcs.run(sources[0], sources[1], STRING_BYTES_MAX, &mut self.reply)?;
                Ok(None)
            }
        }
    }
}

/// The number in `:n\r\n` or in the head `*n\r\n` of an array.
fn integer(bytes: &[u8]) -> i64 {
    let digits = bytes
        .get(1..bytes.len().saturating_sub(2))
        .and_then(|digits| std::str::from_utf8(digits).ok());
    digits
        .and_then(|digits| digits.parse().ok())
        .expect("shards of one server understand each other")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Settings;
    use crate::engine::value::set::Set;
    use crate::engine::{Engine, EngineOptions, Expiry, NewValue, Policy};

    fn reply_of(operation: Operation) -> String {
        let mut reply = Reply::new(Protocol::Resp2);
        operation.write_reply(&mut reply);
        String::from_utf8(reply.bytes).unwrap()
    }

    #[test]
    fn sums_add_up_and_the_first_error_wins() {
        let mut sum = Operation::sum(3);
        for (part, text) in [":2\r\n", ":0\r\n", ":5\r\n"].iter().enumerate() {
            let progress = sum.take_reply(part as u32, text.as_bytes(), &[]);
            assert_eq!(matches!(progress, Progress::Done), part == 2);
        }
        assert_eq!(reply_of(sum), ":7\r\n");
        let mut failed = Operation::sum(2);
        failed.take_reply(0, b"-OOM first\r\n", &[]);
        failed.take_reply(1, b"-OOM second\r\n", &[]);
        assert_eq!(reply_of(failed), "-OOM first\r\n");
    }

    #[test]
    fn elements_go_to_their_places_and_arrays_are_joined() {
        let mut elements = Operation::elements(2);
        elements.take_reply(1, b"*1\r\n$1\r\nb\r\n", &[]);
        elements.take_reply(0, b"*1\r\n$-1\r\n", &[]);
        assert_eq!(reply_of(elements), "*2\r\n$-1\r\n$1\r\nb\r\n");
        let mut joined = Operation::concatenate(2);
        joined.take_reply(0, b"*0\r\n", &[]);
        joined.take_reply(1, b"*2\r\n$1\r\na\r\n$1\r\nb\r\n", &[]);
        assert_eq!(reply_of(joined), "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
    }

    #[test]
    fn all_or_nothing_writes_only_when_no_key_was_there() {
        let mut refused = Operation::all_or_nothing(2, Vec::new());
        refused.take_reply(0, b":0\r\n", &[]);
        assert!(matches!(
            refused.take_reply(1, b":1\r\n", &[]),
            Progress::Done
        ));
        assert_eq!(reply_of(refused), ":0\r\n");
    }

    /// Shard 0 has what goes to shard 1, which has so much memory.
    fn two_shards(memory_bytes_max: u64) -> [Shard; 2] {
        [(0, 0), (1, memory_bytes_max)].map(|(id, memory_bytes_max)| {
            let mut engine = Engine::new(EngineOptions {
                databases: 1,
                memory_bytes_max,
                policy: Policy::NoEviction,
                samples: 5,
                lfu_log_factor: 10,
                lfu_decay_minutes: 1,
                thresholds: Default::default(),
                reservation_bytes: 1 << 30,
                seed: 1,
            })
            .unwrap();
            engine.set_now(1_000_000);
            Shard {
                id,
                count: 2,
                engine,
                journal: Default::default(),
                picture: None,
                stats: Default::default(),
                settings: Settings {
                    string_bytes_max: STRING_BYTES_MAX,
                    item_bytes_max: 1 << 20,
                    hll_sparse_bytes_max: 3000,
                },
                may_block: false,
            }
        })
    }

    fn put(shard: &mut Shard, name: &[u8], members: usize) {
        let key = shard.engine.key(0, name);
        let put = shard
            .engine
            .edit_collection::<Set, _>(&key, true, |set, editing| {
                for number in 0..members {
                    set.add(format!("member:{number}").as_bytes(), &editing.limits.set);
                }
            });
        assert_eq!(put, Ok(Some(())));
    }

    fn members(shard: &mut Shard, name: &[u8]) -> usize {
        let key = shard.engine.key(0, name);
        match shard.engine.find(&key, Touch::No) {
            Some(item) => shard.engine.view::<Set>(item).unwrap().len(),
            None => 0,
        }
    }

    fn transfer(shards: &mut [Shard; 2], kind: TransferKind) -> String {
        let transfer = Transfer {
            kind,
            destination_db: 0,
            replace: kind == TransferKind::Rename,
        };
        let key = |name: &[u8]| OwnedKey {
            db: 0,
            bytes: name.into(),
        };
        let (mut operation, mut steps) =
            Operation::transfer(transfer, (0, key(b"from")), (1, key(b"to")));
        while let Some(Step::Key { shard, work }) = steps.pop() {
            let outcome = shards[shard].perform(work);
            if let Progress::Next(next) = operation.take_outcome(0, outcome) {
                steps = next;
            }
        }
        reply_of(operation)
    }

    #[test]
    fn a_large_value_goes_to_another_shard_or_stays() {
        use TransferKind::{Copy, Rename, RenameNx};
        let mut shards = two_shards(0);
        for kind in [Rename, RenameNx] {
            assert_eq!(transfer(&mut shards, kind), "-ERR no such key\r\n");
        }
        put(&mut shards[0], b"from", 5000);
        assert_eq!(transfer(&mut shards, Copy), ":1\r\n");
        assert_eq!(transfer(&mut shards, Copy), ":0\r\n");
        assert_eq!(transfer(&mut shards, RenameNx), ":0\r\n");
        assert_eq!(members(&mut shards[0], b"from"), 5000);
        put(&mut shards[0], b"from", 6000);
        assert_eq!(transfer(&mut shards, Rename), "+OK\r\n");
        assert_eq!(members(&mut shards[0], b"from"), 0);
        assert_eq!(members(&mut shards[1], b"to"), 6000);
        assert_eq!(shards[0].engine.stats().bytes_collections, 0);
        assert_eq!(transfer(&mut shards, RenameNx), "-ERR no such key\r\n");
        put(&mut shards[0], b"from", 10);
        assert_eq!(transfer(&mut shards, RenameNx), ":0\r\n");
        assert_eq!(members(&mut shards[0], b"from"), 10);
    }

    #[test]
    fn a_value_for_which_there_is_no_memory_stays_where_it_was() {
        let mut shards = two_shards(1 << 20);
        for number in 0.. {
            let name = format!("filler:{number}");
            let key = shards[1].engine.key(0, name.as_bytes());
            let value = NewValue::RawBytes(&[7; 1000]);
            if shards[1].engine.set(&key, value, Expiry::None).is_err() {
                break;
            }
        }
        put(&mut shards[0], b"from", 5000);
        let before = shards[0].engine.stats();
        let reply = transfer(&mut shards, TransferKind::Rename);
        assert!(reply.starts_with("-OOM"), "{reply}");
        assert_eq!(members(&mut shards[0], b"from"), 5000);
        let after = shards[0].engine.stats();
        assert_eq!(before.bytes_collections, after.bytes_collections);
        assert_eq!(members(&mut shards[1], b"to"), 0);
    }
}
