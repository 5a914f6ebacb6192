//! Questions to every shard about connections, figures and settings, and how their answers become one reply.

use super::commands::{
    Form, Group, Invalidations, MonitorLines, Notifications, PrefixesEnded, Wish,
};
use super::connection::{Connection, Hold, Peer, State};
use super::digest::Digest;
use super::log_waits::write_counts;
use super::operations::Work;
use super::reload::Reload;
use super::scripts::RunningFunction;
use super::service::{Pause, Service};
use super::snapshot::{self, ShardSnapshot};
use super::subscriptions::Name;
use super::transactions::BUSY;
use crate::command::Subscription;
use crate::config::Config;
use crate::engine::{ClassStats, Client, Touch};
use crate::net::Token;
use crate::protocol::resp::{Protocol, Reply};
use crate::shard::operation::{Envelope, OwnedKey, WatchedKey};
use std::any::Any;
use std::collections::{BTreeSet, HashSet};
use std::os::fd::AsRawFd;
use std::sync::Arc;

const UNBLOCKED: &str = "UNBLOCKED client unblocked via CLIENT UNBLOCK";

const UNKILLABLE: &str = "UNKILLABLE Sorry the script already executed write commands against the dataset. You can either wait the script termination or kill the server in a hard way using the SHUTDOWN NOSAVE command.";

/// CLIENT LIST's and KILL's types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientKind {
    /// A client that runs commands.
    Normal,
    /// One that has subscribed to something.
    Pubsub,
    /// Replicas, masters.
    Other,
}

/// Which connections are meant.
#[derive(Debug, Clone, Default)]
pub struct ClientFilter {
    /// Only these.
    pub ids: Option<Vec<u64>>,
    /// Only of this type.
    pub kind: Option<ClientKind>,
    /// Only with this remote address.
    pub address: Option<String>,
    /// Only with this local address.
    pub local_address: Option<String>,
    /// Only those that are at least this old.
    pub age_seconds_min: Option<i64>,
}

/// CLIENT KILL.
#[derive(Debug, Clone)]
pub struct Kill {
    /// Which.
    pub filter: ClientFilter,
    /// The client that asks.
    pub own: u64,
    /// Whether it is spared.
    pub skip_own: bool,
}

/// What is asked about one key.
#[derive(Debug, Clone, Copy)]
pub enum KeyQuestion {
    /// DEBUG OBJECT.
    Object,
    /// DEBUG DIGEST-VALUE.
    Digest,
}

/// What a shard is to do or to tell.
#[derive(Debug, Clone)]
pub enum Call {
    /// Figures for INFO and MEMORY.
    Snapshot,
    /// CLIENT LIST.
    Clients(ClientFilter),
    /// CLIENT KILL.
    Kill(Kill),
    /// CONFIG SET.
    Configure(Arc<Config>),
    /// CONFIG RESETSTAT.
    ResetStats,
    /// CLIENT PAUSE and UNPAUSE.
    Pause(Option<Pause>),
    /// DEBUG SET-ACTIVE-EXPIRE.
    ActiveExpiry(bool),
    /// CLIENT UNBLOCK.
    Unblock {
        /// The client.
        id: i64,
        /// With an error, not as if the time were over.
        error: bool,
    },
    /// BGREWRITEAOF.
    RewriteLog,
    /// WAITAOF in a transaction: whether all that is written down is durable.
    IsLogDurable,
    /// MEMORY PURGE.
    Purge,
    /// memcached's flush_all: database 0 is emptied now, or at this Unix time in milliseconds.
    Flush {
        /// When; None for now.
        at_ms: Option<i64>,
    },
    /// Figures of the size classes.
    Classes,
    /// memcached's `stats conns`.
    MemcachedConnections,
    /// PUBSUB CHANNELS and SHARDCHANNELS: the channels that match a pattern, or all.
    Channels(Subscription, Option<Vec<u8>>),
    /// PUBSUB NUMSUB and SHARDNUMSUB: the subscribers of these channels.
    Subscribers(Subscription, Vec<Vec<u8>>),
    /// FUNCTION STATS: the function that runs.
    RunningFunction,
    /// SCRIPT KILL, or FUNCTION KILL.
    KillScripts(bool),
    /// CLIENT TRACKING: a client wants to be told of names that begin so, and another one, of this number, to be told in its place.
    Track(Client, Vec<Box<[u8]>>, Option<i64>),
    /// WATCH: those of these keys that are the shard's.
    Watch(Vec<(usize, OwnedKey)>),
    /// DEBUG RELOAD.
    Reload(Reload),
    /// DEBUG DIGEST.
    Digest,
    /// Something about one key.
    Key {
        /// The database.
        db: usize,
        /// The key.
        key: Vec<u8>,
        /// What.
        question: KeyQuestion,
    },
}

/// What a shard says.
#[derive(Debug)]
pub enum Answer {
    /// It is done.
    Done,
    /// WAITAOF.
    LogDurable(bool),
    /// SAVE: an error is the reply's text.
    Saved(Result<(), String>),
    /// Figures.
    Snapshot(Box<ShardSnapshot>),
    /// Lines of CLIENT LIST with their ids.
    Clients(Vec<(u64, String)>),
    /// How many were killed, or unblocked.
    Killed(usize),
    /// DEBUG DIGEST and DIGEST-VALUE.
    Digest(Digest),
    /// DEBUG OBJECT.
    Object(Option<String>),
    /// PUBSUB CHANNELS.
    Channels(Vec<Name>),
    /// PUBSUB NUMSUB: a number for each channel.
    Subscribers(Vec<usize>),
    /// SCRIPT KILL: how many were ended, and how many could not be.
    KilledScripts(usize, usize),
    /// FUNCTION STATS.
    RunningFunction(Option<RunningFunction>),
    /// CLIENT TRACKING: the client of that number.
    Tracked(Option<Client>),
    /// WATCH: the versions of the keys.
    Watched(Vec<WatchedKey>),
    /// Figures of the size classes.
    Classes(Vec<ClassStats>),
    /// memcached's `stats conns`: names and values of each connection.
    MemcachedConnections(Vec<(u64, [(&'static str, String); 4])>),
}

/// What becomes of the answers.
#[derive(Debug, Clone)]
pub enum Finish {
    /// OK.
    Ok,
    /// This reply.
    Said(Vec<u8>),
    /// WAITAOF.
    LogDurable,
    /// SAVE.
    Saved,
    /// BGSAVE.
    SaveBegun,
    /// DEBUG RELOAD.
    Reloaded,
    /// DEBUG DIGEST.
    Digest,
    /// DEBUG DIGEST-VALUE.
    DigestValue,
    /// SHUTDOWN that saves first.
    SavedAtStop,
    /// The same with FORCE.
    SavedOrNotAtStop,
    /// CLIENT LIST.
    ClientLines,
    /// CLIENT UNBLOCK.
    Unblocked,
    /// CLIENT KILL with an address.
    KilledOne,
    /// CLIENT KILL with filters.
    KilledMany,
    /// INFO with these sections.
    Info(Vec<String>),
    /// PUBSUB CHANNELS and SHARDCHANNELS.
    Channels,
    /// PUBSUB NUMSUB and SHARDNUMSUB of these channels.
    Subscribers(Vec<Vec<u8>>),
    /// CLIENT TRACKING ON.
    Track(Wish),
    /// CLIENT TRACKING OFF.
    Untrack,
    /// WATCH.
    Watched,
    /// FUNCTION STATS.
    FunctionStats,
    /// SCRIPT KILL and FUNCTION KILL.
    KilledScripts,
    /// MEMORY STATS.
    MemoryStats,
    /// MEMORY DOCTOR.
    MemoryDoctor,
    /// DEBUG OBJECT.
    DebugObject,
    /// These bytes.
    Bytes(Vec<u8>),
    /// memcached's `stats`.
    MemcachedStats(Group, Form),
}

/// A question under way.
pub struct ServerOperation {
    left: usize,
    answers: Vec<Answer>,
    finish: Finish,
}

impl ServerOperation {
    /// One that ends with one answer.
    pub(super) fn of_one(finish: Finish) -> ServerOperation {
        ServerOperation::of_all(1, finish)
    }

    /// One that ends with so many answers.
    pub(super) fn of_all(left: usize, finish: Finish) -> ServerOperation {
        ServerOperation {
            left,
            answers: Vec::new(),
            finish,
        }
    }
}

/// A question on its way to a shard.
struct Question {
    id: u32,
    from: usize,
    call: Call,
}

/// An answer on its way back.
struct Answering {
    id: u32,
    answer: Answer,
}

fn address(peer: &Peer) -> (String, String) {
    match peer {
        Peer::Tcp { remote, local } | Peer::Udp { remote, local } => {
            (remote.to_string(), local.to_string())
        }
        Peer::Unix(path) => (format!("{path}:0"), format!("{path}:0")),
    }
}

fn kind_of(connection: &Connection) -> ClientKind {
    if connection.session.subscriptions.any() {
        ClientKind::Pubsub
    } else {
        ClientKind::Normal
    }
}

impl ClientFilter {
    fn fits(&self, connection: &Connection, now_ms: i64) -> bool {
        let session = &connection.session;
        let (remote, local) = address(&session.peer);
        connection.state != State::Closed
            && self
                .ids
                .as_ref()
                .is_none_or(|ids| ids.contains(&session.id))
            && self.kind.is_none_or(|kind| kind == kind_of(connection))
            && self.address.as_ref().is_none_or(|wanted| *wanted == remote)
            && self
                .local_address
                .as_ref()
                .is_none_or(|wanted| *wanted == local)
            && self
                .age_seconds_min
                .is_none_or(|age| (now_ms - session.created_ms) / 1000 >= age)
    }
}

impl Service {
    /// Asks every shard for a connection, whose later commands wait.
    pub(super) fn ask_all(&mut self, index: u32, call: Call, finish: Finish, muted: bool) {
        let operation = ServerOperation {
            left: self.shards(),
            answers: Vec::new(),
            finish,
        };
        let Some(id) = self.begin(index, Work::Server(operation), true, muted) else {
            return;
        };
        let own = self.shard.id;
        for shard in (0..self.shards()).filter(|&shard| shard != own) {
            self.send_question(shard, id, call.clone());
        }
        let answer = self.answer(call);
        self.take_answer(id, answer);
    }

    /// Asks one shard for a connection, whose later commands wait.
    pub(super) fn ask(
        &mut self,
        index: u32,
        shard: usize,
        call: Call,
        finish: Finish,
        muted: bool,
    ) {
        let operation = ServerOperation {
            left: 1,
            answers: Vec::new(),
            finish,
        };
        let Some(id) = self.begin(index, Work::Server(operation), true, muted) else {
            return;
        };
        if shard == self.shard.id {
            let answer = self.answer(call);
            self.take_answer(id, answer);
        } else {
            self.send_question(shard, id, call);
        }
    }

    /// Asks a shard something for an operation.
    pub(super) fn send_question(&mut self, shard: usize, id: u32, call: Call) {
        let question = Question {
            id,
            from: self.shard.id,
            call,
        };
        self.message_to(shard)
            .envelopes
            .push(Envelope::Server(Box::new(question)));
    }

    /// Takes a matter of the server layer that another shard sent.
    pub fn take_server_matter(&mut self, matter: Box<dyn Any + Send>) {
        let matter = match matter.downcast::<Question>() {
            Ok(question) => {
                let answer = self.answer(question.call);
                let answering = Answering {
                    id: question.id,
                    answer,
                };
                self.message_to(question.from)
                    .envelopes
                    .push(Envelope::Server(Box::new(answering)));
                return;
            }
            Err(matter) => matter,
        };
        let matter = match self.take_save(matter) {
            Ok(()) => return,
            Err(matter) => matter,
        };
        let matter = match self.take_log_beginning(matter) {
            Ok(()) => return,
            Err(matter) => matter,
        };
        let matter = match matter.downcast::<Notifications>() {
            Ok(notifications) => return self.take_notifications(*notifications),
            Err(matter) => matter,
        };
        let matter = match matter.downcast::<Invalidations>() {
            Ok(invalidations) => return self.take_invalidations(*invalidations),
            Err(matter) => matter,
        };
        let matter = match matter.downcast::<MonitorLines>() {
            Ok(lines) => return self.take_monitor_lines(*lines),
            Err(matter) => matter,
        };
        let matter = match matter.downcast::<PrefixesEnded>() {
            Ok(ended) => return self.take_prefixes_ended(*ended),
            Err(matter) => matter,
        };
        let answering = matter
            .downcast::<Answering>()
            .expect("all others have been looked for");
        self.take_answer(answering.id, answering.answer);
    }

    /// Ends a reload of which nothing has been loaded.
    pub(super) fn end_reload(&mut self, id: u32, error: String) {
        if let Work::Server(operation) = &mut self.operations.get(id).work {
            operation.answers.push(Answer::Saved(Err(error)));
        }
        self.finish(id);
    }

    pub(super) fn take_answer(&mut self, id: u32, answer: Answer) {
        let Work::Server(operation) = &mut self.operations.get(id).work else {
            unreachable!("a data operation asks no questions")
        };
        operation.answers.push(answer);
        operation.left -= 1;
        if operation.left == 0 {
            self.finish(id);
        }
    }

    /// Does on this shard what was asked.
    pub(super) fn answer(&mut self, call: Call) -> Answer {
        match call {
            Call::KillScripts(functions) => {
                let (killed, kept) = self.kill_scripts(functions);
                Answer::KilledScripts(killed, kept)
            }
            Call::Track(client, prefixes, redirect) => {
                Answer::Tracked(self.note_tracking(client, &prefixes, redirect))
            }
            Call::Watch(keys) => Answer::Watched(self.watch_here(&keys)),
            Call::Snapshot => Answer::Snapshot(Box::new(self.snapshot())),
            Call::Clients(filter) => {
                let now_ms = self.now_ms;
                let fitting = self
                    .connections()
                    .filter(|connection| filter.fits(connection, now_ms));
                Answer::Clients(
                    fitting
                        .map(|connection| (connection.session.id, self.line_of(connection)))
                        .collect(),
                )
            }
            Call::Kill(kill) => Answer::Killed(self.kill(&kill)),
            Call::Configure(config) => {
                self.configure(config);
                Answer::Done
            }
            Call::ResetStats => {
                self.metrics.reset();
                self.saving.changes_reset(self.shard.stats.changes);
                self.shard.engine.reset_stats();
                self.shard.stats = Default::default();
                Answer::Done
            }
            Call::Pause(pause) => {
                self.pause = pause;
                if pause.is_none() {
                    self.end_pauses();
                }
                Answer::Done
            }
            Call::ActiveExpiry(on) => {
                self.shard.engine.set_active_expiry(on);
                Answer::Done
            }
            Call::Unblock { id, error } => {
                let token = self
                    .connections()
                    .find(|connection| i64::try_from(connection.session.id) == Ok(id))
                    .map(|connection| connection.token);
                let error = error.then_some(UNBLOCKED);
                let done = token.is_some_and(|token| self.unblock(token, error));
                Answer::Killed(usize::from(done))
            }
            Call::RewriteLog => {
                self.rewriting.is_asked = true;
                Answer::Done
            }
            Call::Reload(reload) => Answer::Saved(self.reload_here(&reload)),
            Call::Digest => Answer::Digest(self.digest()),
            Call::RunningFunction => Answer::RunningFunction(self.running_function()),
            Call::IsLogDurable => Answer::LogDurable(self.is_log_durable()),
            Call::Purge => {
                // As much as a turn may; the rest is done in the background, as it would be without being asked.
                self.shard.engine.upkeep(2000);
                Answer::Done
            }
            Call::Flush { at_ms } => {
                self.flush_at_ms = at_ms.filter(|&at_ms| at_ms > self.now_ms);
                if self.flush_at_ms.is_none() {
                    self.shard.flush(0);
                }
                Answer::Done
            }
            Call::Classes => Answer::Classes(self.shard.engine.classes()),
            Call::MemcachedConnections => {
                Answer::MemcachedConnections(self.memcached_connections())
            }
            Call::Channels(kind, pattern) => {
                Answer::Channels(self.pubsub.table.names(kind, pattern.as_deref()))
            }
            Call::Subscribers(kind, names) => {
                let table = &self.pubsub.table;
                let count =
                    |name: &Vec<u8>| table.of_name(kind, name, u64::MAX).map_or(0, HashSet::len);
                Answer::Subscribers(names.iter().map(count).collect())
            }
            Call::Key { db, key, question } => {
                let key = self.shard.engine.key(db, &key);
                let item = self.shard.engine.find(&key, Touch::No);
                match question {
                    KeyQuestion::Digest => Answer::Digest(
                        item.map_or(Digest::default(), |item| self.value_digest(item)),
                    ),
                    KeyQuestion::Object => Answer::Object(item.map(|item| self.object_text(item))),
                }
            }
        }
    }

    fn kill(&mut self, kill: &Kill) -> usize {
        let mut killed = 0;
        for index in self.indexes() {
            let now_ms = self.now_ms;
            let Some(connection) = self.connection_at(index) else {
                continue;
            };
            let own = connection.session.id == kill.own;
            if !kill.filter.fits(connection, now_ms) || (own && kill.skip_own) {
                continue;
            }
            killed += 1;
            if own {
                // The client that kills itself still reads the reply.
                connection.state = State::Finishing;
                self.list(index);
            } else {
                self.close(index);
            }
        }
        killed
    }

    /// Lets connections go on that CLIENT PAUSE held.
    pub(super) fn end_pauses(&mut self) {
        for index in self.indexes() {
            let Some(connection) = self.connection_at(index) else {
                continue;
            };
            if matches!(connection.hold, Some(Hold::Pause)) {
                connection.hold = None;
                connection.stalled = true;
                self.list(index);
            }
        }
    }

    /// One line of CLIENT LIST.
    pub(super) fn client_line(&mut self, index: u32) -> Option<String> {
        let now_ms = self.now_ms;
        // Who asks does not wait.
        self.connection_at(index)
            .map(|connection| line(connection, false, now_ms))
    }

    /// A line of CLIENT LIST about any connection.
    fn line_of(&self, connection: &Connection) -> String {
        line(connection, self.waits.has(connection.token), self.now_ms)
    }

    /// Writes the reply of a question that all have answered.
    pub(super) fn finish_server_operation(
        &mut self,
        operation: ServerOperation,
        token: Token,
        reply: &mut Reply,
    ) {
        let mut answers = operation.answers;
        match operation.finish {
            Finish::Ok => reply.ok(),
            Finish::Said(said) => reply.bytes.extend_from_slice(&said),
            Finish::Saved | Finish::SaveBegun | Finish::SavedAtStop | Finish::SavedOrNotAtStop => {
                self.finish_save(&operation.finish, answers.pop(), reply);
            }
            Finish::FunctionStats => {
                let running = answers.iter().filter_map(|answer| match answer {
                    Answer::RunningFunction(running) => running.as_ref(),
                    _ => None,
                });
                let running = running.max_by_key(|running| running.duration_ms);
                let running = running.map(|running| {
                    let words = running.words.iter().map(|word| &word[..]);
                    let name = running.words.get(1).map_or(&b""[..], |name| name);
                    (name, words, running.duration_ms)
                });
                let scripts = &mut self.script_runs.scripts;
                scripts.libraries().stats(reply, running);
            }
            Finish::KilledScripts => {
                let add = |sums: (usize, usize), answer: &Answer| match answer {
                    Answer::KilledScripts(killed, kept) => (sums.0 + killed, sums.1 + kept),
                    _ => sums,
                };
                match answers.iter().fold((0, 0), add) {
                    (0, 0) => reply.error("NOTBUSY No scripts in execution right now."),
                    (0, _) => reply.error(UNKILLABLE),
                    _ => reply.ok(),
                }
            }
            Finish::Track(_) | Finish::Untrack => {
                let found = answers.into_iter().find_map(|answer| match answer {
                    Answer::Tracked(found) => found,
                    _ => None,
                });
                match operation.finish {
                    Finish::Track(wish) => self.finish_tracking(token, wish, found, reply),
                    _ => self.finish_untracking(token, found, reply),
                }
            }
            Finish::Watched => {
                let watched = answers.into_iter().flat_map(|answer| match answer {
                    Answer::Watched(keys) => keys,
                    _ => Vec::new(),
                });
                let watched = watched.collect();
                match self.connection(token) {
                    Some(connection) => connection.session.watched.append(&mut { watched }),
                    None => self.unwatch_keys(watched),
                }
                reply.ok();
            }
            Finish::Bytes(bytes) => reply.bytes.extend_from_slice(&bytes),
            Finish::MemcachedStats(group, form) => {
                self.write_memcached_stats(group, form, answers, &mut reply.bytes)
            }
            Finish::ClientLines => {
                let mut lines: Vec<(u64, String)> = Vec::new();
                for answer in answers {
                    if let Answer::Clients(some) = answer {
                        lines.extend(some);
                    }
                }
                lines.sort();
                let text: String = lines.into_iter().map(|(_, line)| line + "\n").collect();
                reply.verbatim("txt", text.as_bytes());
            }
            Finish::Reloaded => {
                let failed = answers.into_iter().find_map(|answer| match answer {
                    Answer::Saved(outcome) => Some(outcome),
                    _ => None,
                });
                match failed.unwrap_or_else(|| Err(BUSY.to_string())) {
                    Ok(()) => reply.ok(),
                    Err(error) => reply.error(&error),
                }
            }
            Finish::Digest | Finish::DigestValue => {
                let mut sum = Digest::default();
                for answer in &answers {
                    if let Answer::Digest(digest) = answer {
                        sum.add(digest);
                    }
                }
                if matches!(operation.finish, Finish::DigestValue) {
                    reply.array(1);
                }
                reply.simple(&sum.hex());
            }
            Finish::LogDurable => {
                let is_durable = |answer: &Answer| matches!(answer, Answer::LogDurable(true));
                write_counts(reply, answers.iter().all(is_durable));
            }
            Finish::KilledOne | Finish::KilledMany | Finish::Unblocked => {
                let count: usize = answers
                    .iter()
                    .map(|answer| {
                        if let Answer::Killed(count) = answer {
                            *count
                        } else {
                            0
                        }
                    })
                    .sum();
                match operation.finish {
                    Finish::KilledMany | Finish::Unblocked => reply.integer(count as i64),
                    _ if count == 0 => reply.error("ERR No such client"),
                    _ => reply.ok(),
                }
            }
            Finish::Info(sections) => {
                let text = self.info_text(&snapshot::of_all(answers), &sections);
                reply.verbatim("txt", text.as_bytes());
            }
            Finish::Channels => {
                let names = answers.into_iter().filter_map(|answer| match answer {
                    Answer::Channels(names) => Some(names),
                    _ => None,
                });
                let names: BTreeSet<Name> = names.flatten().collect();
                reply.array(names.len());
                names.iter().for_each(|name| reply.bulk(name));
            }
            Finish::Subscribers(names) => {
                let mut totals = vec![0; names.len()];
                for answer in &answers {
                    if let Answer::Subscribers(counts) = answer {
                        totals
                            .iter_mut()
                            .zip(counts)
                            .for_each(|(total, count)| *total += count);
                    }
                }
                reply.array(2 * names.len());
                for (name, total) in names.iter().zip(totals) {
                    reply.bulk(name);
                    reply.integer(total as i64);
                }
            }
            Finish::MemoryStats => self.write_memory_stats(&snapshot::of_all(answers), reply),
            Finish::MemoryDoctor => {
                let text = self.memory_advice(&snapshot::of_all(answers));
                reply.verbatim("txt", text.as_bytes());
            }
            Finish::DebugObject => match answers.pop() {
                Some(Answer::Object(Some(text))) => reply.simple(&text),
                _ => reply.error("ERR no such key"),
            },
        }
    }
}

/// One line of CLIENT LIST, with the fields of Redis 7.2.
fn line(connection: &Connection, is_waiting: bool, now_ms: i64) -> String {
    let session = &connection.session;
    let (remote, local) = address(&session.peer);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut marks = String::new();
    let tracker = session.tracking.as_deref();
    for (mark, set) in [
        ('O', session.is_monitor),
        ('P', session.subscriptions.any()),
        ('b', is_waiting),
        ('t', tracker.is_some()),
        ('R', tracker.is_some_and(|tracker| tracker.is_broken)),
        ('B', tracker.is_some_and(|tracker| tracker.is_broadcast)),
        ('c', connection.state == State::Finishing),
        ('U', matches!(session.peer, Peer::Unix(_))),
        ('e', session.no_evict),
        ('T', session.no_touch),
    ] {
        if set {
            marks.push(mark);
        }
    }
    if marks.is_empty() {
        marks.push('N');
    }
    let input = connection.input_bytes();
    let output = connection.output_bytes();
    format!(
        "id={} addr={remote} laddr={local} fd={} name={} age={} idle={} flags={marks} db={} sub={} psub={} ssub={} multi=-1 \
         qbuf={input} qbuf-free=0 argv-mem=0 multi-mem=0 rbs={} rbp={} obl={} oll={} omem={output} tot-mem={} events=r cmd={} \
         user=default redir={} resp={} lib-name={} lib-ver={}",
        session.id,
        connection.socket.as_raw_fd(),
        text(&session.name),
        (now_ms - session.created_ms) / 1000,
        (now_ms - session.last_command_ms) / 1000,
        session.db,
        session.subscriptions.channels,
        session.subscriptions.patterns,
        session.subscriptions.shard_channels,
        connection.replies.ready_bytes(),
        connection.replies.ready_bytes(),
        connection.replies.ready_bytes(),
        usize::from(connection.sending_bytes > 0),
        size_of::<Connection>() + connection.bytes_held(),
        session.last_command.map_or("NULL", |row| row.name),
        tracker.map_or(-1, |tracker| tracker
            .redirect
            .map_or(0, |(id, _)| id as i64)),
        if connection.replies.protocol() == Protocol::Resp3 {
            3
        } else {
            2
        },
        text(&session.library[0]),
        text(&session.library[1]),
    )
}
