//! The service of one shard: its connections, and the way of every request from its bytes to its reply.
//!
//! No I/O happens here: the worker brings bytes and messages, and takes replies and messages away. One request: parsed into a `Batch` (keys hashed and
//! prefetched), executed here if this shard owns its keys, else put into the turn's message to the owner, or made an operation over several
//! shards; its reply goes into its place among the connection's replies.

use super::batch::{Batch, Request};
use super::connection::{
    Connection, Hold, Peer, ReplyMode, Session, Socket, State, WritesUnderWay,
};
use super::durability::Durability;
use super::rewrite::Rewriting;
use super::shared::Shared;
use super::turn::{LOOK_ARGUMENTS, Turn};
use crate::codec::element;
use crate::command::table::{self, Command, command_index, flags};
use crate::command::{self, Route, Run, ServerCommand, Split, memcache};
use crate::config::{AppendFsync, Config, PipelineOrder};
use crate::engine::{Client, Touch};
use crate::large::LargeBytes;
use crate::limits::{
    BATCH_REQUESTS_MAX, KEPT_BUFFER_BYTES_MAX, KEPT_BUFFERS_MAX, MESSAGE_BYTES_MAX,
};
use crate::metrics::ShardMetrics;
use crate::net::{Ring, Token};
use crate::protocol::args::{Args, Range};
use crate::protocol::resp::{ParseError, Protocol, Reply, Step};
use crate::protocol::{Dialect, Limits, Name, RequestParser};
use crate::shard::mesh;
use crate::shard::message::{Message, Origin, ReplyTo, RequestHeader};
use crate::shard::slots;
use crate::shard::{KeysRead, Shard};
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// One command in this many is timed.
const TIMED_EVERY: u64 = 64;

/// A place for a connection; the generation counts its uses.
struct Place {
    generation: u32,
    connection: Option<Box<Connection>>,
}

/// CLIENT PAUSE.
#[derive(Debug, Clone, Copy)]
pub struct Pause {
    /// Until this Unix time in milliseconds.
    pub until_ms: i64,
    /// Only commands that write.
    pub writes_only: bool,
}

/// What is known of a request before its arguments are looked at.
#[derive(Clone, Copy)]
pub struct Known {
    /// Its row.
    pub command: Option<&'static Command>,
    /// The hash of its first key, if this shard owns that.
    pub hash: Option<u64>,
    /// The shard that owns its first key.
    pub owner: usize,
    /// Its length in bytes.
    pub len: usize,
}

/// The service of one shard.
pub struct Service {
    /// The data.
    pub shard: Shard,
    /// What all shards share.
    pub shared: Arc<Shared>,
    /// The configuration this shard acts on.
    pub config: Arc<Config>,
    /// Counters.
    pub metrics: ShardMetrics,
    /// A log is to begin.
    pub(super) log_is_wanted: bool,
    /// The log's clock, which never goes back.
    pub(super) log_now_ms: u64,
    /// The rewriting of the log.
    pub(super) rewriting: Rewriting,
    /// Some shard's log cannot be written, or no snapshot can.
    pub(super) refuses_writes: bool,
    /// What replies wait for.
    pub(super) durability: Durability,
    /// Whether a connection's writes keep their order between shards.
    pub(super) is_order_strict: bool,
    /// They do so by themselves in this turn.
    pub(super) writes_flow: bool,
    /// Whether this shard lets them.
    pub(super) gate: super::flow::Gate,
    /// When database 0 is to be emptied (memcached's flush_all with a delay).
    pub(super) flush_at_ms: Option<i64>,
    /// CLIENT PAUSE, if in force.
    pub pause: Option<Pause>,
    /// Connections to be looked at before the turn ends: replies to send, requests to resume, an end to carry out.
    pub listed: Vec<u32>,
    /// Connections with requests for which the last turn had no time, in the order in which they go on.
    pub put_off: VecDeque<u32>,
    /// Commands that wait.
    pub(super) waits: super::waiting::Waits,
    /// Operations over several shards that this shard coordinates.
    pub(super) operations: super::operations::Operations,
    /// Scripts and functions.
    pub(super) script_runs: super::scripts::ScriptRuns,
    /// Locks, and what holds them.
    pub(super) transactions: super::transactions::Transactions,
    /// Snapshots.
    pub saving: super::saving::Saving,
    /// Who is shown what all clients do.
    pub(super) monitoring: super::commands::Monitoring,
    /// Changed keys that clients are still to be told of.
    pub(super) untold: super::commands::Untold,
    /// Who has subscribed to what.
    pub(super) pubsub: super::commands::Pubsub,
    /// Messages delivered to subscribers, and patterns tried for them, since the turn's length was last looked at.
    pub(super) publishing: usize,
    /// The turn's message to each shard.
    outgoing: Vec<Message>,
    messages_spare: Vec<Message>,
    places: Vec<Place>,
    places_free: Vec<u32>,
    buffers_spare: Vec<Vec<u8>>,
    /// Where the next round of housekeeping begins, and the buffers' bytes seen in this one.
    pub(super) next_round: u32,
    /// See `next_round`.
    pub(super) round_bytes: usize,
    random: u64,
    scratch_reply: Reply,
    scratch_ranges: Vec<Range>,
    scratch_hashes: Vec<Option<u64>>,
    /// Unix milliseconds of this turn.
    pub now_ms: i64,
    /// How long it has lasted.
    pub(super) turn: Turn,
}

impl Service {
    /// A service without connections.
    pub fn new(shard: Shard, shared: Arc<Shared>) -> Service {
        let config = shared.config();
        element::set_compression(config.rdbcompression);
        let script_runs = super::scripts::ScriptRuns::new(shared.scripts.clone());
        let is_order_strict = config.pipeline_order == PipelineOrder::Strict;
        let outgoing = (0..shared.shards())
            .map(|_| Message::new(shard.id))
            .collect();
        Service {
            shard,
            shared,
            config,
            metrics: ShardMetrics::new(table::rows_len()),
            is_order_strict,
            writes_flow: false,
            gate: Default::default(),
            flush_at_ms: None,
            pause: None,
            listed: Vec::new(),
            put_off: VecDeque::new(),
            waits: Default::default(),
            operations: super::operations::Operations::default(),
            transactions: Default::default(),
            script_runs,
            saving: Default::default(),
            monitoring: Default::default(),
            untold: Default::default(),
            pubsub: Default::default(),
            publishing: 0,
            outgoing,
            messages_spare: Vec::new(),
            places: Vec::new(),
            places_free: Vec::new(),
            log_is_wanted: false,
            log_now_ms: 0,
            rewriting: Rewriting::default(),
            refuses_writes: false,
            durability: Durability::default(),
            buffers_spare: Vec::new(),
            next_round: 0,
            round_bytes: 0,
            random: 0x9e37_79b9_7f4a_7c15,
            scratch_reply: Reply::default(),
            scratch_ranges: Vec::new(),
            scratch_hashes: Vec::new(),
            now_ms: 0,
            turn: Turn::default(),
        }
    }

    /// How long the shard may sleep at most, since somebody's wait ends then.
    pub fn sleep_max(&self) -> Option<Duration> {
        if self.saving.is_blocked() {
            return Some(Duration::from_millis(1));
        }
        let at_ms = self.waits.next_deadline_ms()?;
        Some(Duration::from_millis(
            u64::try_from(at_ms - self.now_ms).unwrap_or(0),
        ))
    }

    /// A connection that is here, only looked at.
    pub(super) fn connection_seen(&self, token: Token) -> Option<&Connection> {
        let place = self.places.get(token.index as usize)?;
        let connection = place.connection.as_deref()?;
        (connection.token == token).then_some(connection)
    }

    /// Number of shards.
    #[inline]
    pub fn shards(&self) -> usize {
        self.outgoing.len()
    }

    /// Sets the time of this turn.
    pub fn set_now(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
        self.note_refusals();
        self.shard.engine.set_now(now_ms);
        if self.flush_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            self.flush_at_ms = None;
            self.shard.flush(0);
        }
    }

    // ---- connections ----

    /// Takes a connection in.
    pub fn add_connection(&mut self, socket: Socket, peer: Peer, dialect: Dialect) -> Token {
        let index = self.places_free.pop().unwrap_or_else(|| {
            self.places.push(Place {
                generation: 0,
                connection: None,
            });
            u32::try_from(self.places.len() - 1).expect("connections are bounded by maxclients")
        });
        let authenticated = match dialect {
            Dialect::Redis => self.config.requirepass.is_empty(),
            Dialect::Memcached => !self.memcached_users_needed(),
        };
        let parser = RequestParser::new(dialect, self.limits(authenticated));
        let place = &mut self.places[index as usize];
        place.generation = place.generation.wrapping_add(1);
        let token = Token {
            index,
            generation: place.generation,
        };
        place.connection = Some(Box::new(Connection {
            token,
            socket,
            session: Session {
                id: self.shared.next_client_id.fetch_add(1, Ordering::Relaxed),
                peer,
                dialect,
                sasl: Default::default(),
                name: Vec::new(),
                library: [Vec::new(), Vec::new()],
                db: 0,
                authenticated,
                reply_mode: ReplyMode::On,
                durability: None,
                no_touch: false,
                no_evict: false,
                created_ms: self.now_ms,
                last_command_ms: self.now_ms,
                last_command: None,
                commands: 0,
                subscriptions: Default::default(),
                multi: None,
                origin: Origin {
                    client: Client {
                        shard: self.shard.id as u32,
                        token: token.to_bits(),
                    },
                    is_tracked: false,
                },
                tracking: None,
                is_monitor: false,
                watched: Vec::new(),
                exec: None,
            },
            parser,
            deferred: Vec::new(),
            tail: Vec::new(),
            replies: Default::default(),
            hold: None,
            writes_under_way: Default::default(),
            has_written: false,
            waits: Vec::new(),
            state: State::Open,
            sending_bytes: 0,
            receiving: false,
            receive_cancelled: false,
            stalled: false,
            is_put_off: false,
            ended: false,
            listed: false,
            soft_limit_since_ms: None,
        }));
        self.metrics.connections_received += 1;
        token
    }

    /// What a client may send.
    pub(super) fn limits(&self, authenticated: bool) -> Limits {
        Limits {
            bulk_bytes_max: self.config.proto_max_bulk_len,
            item_bytes_max: self.config.item_size_max,
            authenticated,
        }
    }

    /// The connection of a token, unless it is gone.
    pub fn connection(&mut self, token: Token) -> Option<&mut Connection> {
        let place = self.places.get_mut(token.index as usize)?;
        if place.generation != token.generation {
            return None;
        }
        place.connection.as_deref_mut()
    }

    /// The connection at a place.
    #[inline]
    pub fn connection_at(&mut self, index: u32) -> Option<&mut Connection> {
        self.places
            .get_mut(index as usize)?
            .connection
            .as_deref_mut()
    }

    /// All connections of clients.
    pub fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.places
            .iter()
            .filter_map(|place| place.connection.as_deref())
            .filter(|connection| !connection.is_inner())
    }

    /// A connection through which a script calls what is not simply here.
    pub(super) fn add_inner_connection(&mut self, script: u32) -> Token {
        let peer = Peer::Unix(String::new());
        let token = self.add_connection(Socket::Script(script), peer, Dialect::Redis);
        self.metrics.connections_received -= 1;
        if let Some(connection) = self.connection(token) {
            connection.session.authenticated = true;
        }
        token
    }

    /// The places of all connections.
    pub fn indexes(&self) -> impl Iterator<Item = u32> + use<> {
        0..self.places.len() as u32
    }

    /// Places for connections, in use or not.
    pub(super) fn places_count(&self) -> u32 {
        self.places.len() as u32
    }

    /// A random number below `limit` (xorshift64*).
    pub(super) fn random_below(&mut self, limit: usize) -> usize {
        self.random ^= self.random >> 12;
        self.random ^= self.random << 25;
        self.random ^= self.random >> 27;
        (self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    /// Lets a connection go whose buffers the kernel no longer holds.
    pub fn remove_connection(&mut self, index: u32) {
        let mut connection = self.places[index as usize]
            .connection
            .take()
            .expect("it was there");
        self.places_free.push(index);
        if !connection.is_inner() {
            self.shared.connections[self.shard.id]
                .0
                .fetch_sub(1, Ordering::Relaxed);
        }
        if !connection.replies.is_ready() {
            let buffer = connection.replies.take_buffer();
            self.keep_buffer(buffer);
        }
    }

    /// Puts a connection on the list of those to be looked at before the turn ends.
    #[inline]
    pub fn list(&mut self, index: u32) {
        if let Some(connection) = self.places[index as usize].connection.as_deref_mut()
            && !connection.listed
        {
            connection.listed = true;
            self.listed.push(index);
        }
    }

    /// Gives a connection a buffer for its replies, if it has none.
    #[inline]
    pub(super) fn give_buffer(&mut self, index: u32) {
        let spare = &mut self.buffers_spare;
        if let Some(place) = self.places.get_mut(index as usize)
            && let Some(connection) = place.connection.as_deref_mut()
        {
            let replies = &mut connection.replies;
            replies.give_buffer(|| spare.pop().unwrap_or_default());
        }
    }

    /// Keeps a buffer for reuse.
    pub fn keep_buffer(&mut self, mut buffer: Vec<u8>) {
        buffer.clear();
        if buffer.capacity() > 0
            && buffer.capacity() <= KEPT_BUFFER_BYTES_MAX
            && self.buffers_spare.len() < KEPT_BUFFERS_MAX
        {
            self.buffers_spare.push(buffer);
        }
    }

    // ---- requests in ----

    /// Takes in what a connection sent: whole plain requests go into the batch, the rest is kept with the connection.
    pub fn receive(
        &mut self,
        batch: &mut Batch,
        ring: &Ring,
        token: Token,
        buffer: u16,
        len: usize,
    ) {
        let data = ring.data(buffer, len);
        self.metrics.bytes_received += data.len() as u64;
        let index = token.index;
        let Some(connection) = self.connection(token) else {
            return;
        };
        if connection.state != State::Open {
            return;
        }
        // Before authentication the limits of requests are narrower, and change in the middle of a pipeline: one request at a time then.
        let plain = connection.tail.is_empty()
            && connection.deferred.is_empty()
            && !connection.parser.wants_large()
            && connection.session.authenticated
            && connection.may_execute();
        if !plain {
            self.execute_batch(batch, ring);
            self.feed(index, data);
            return;
        }
        let mut at = 0;
        while at < data.len() {
            let Some(connection) = self.places[index as usize].connection.as_deref_mut() else {
                return;
            };
            match connection.parser.parse(&data[at..]) {
                Ok(Step::Request { consumed }) => {
                    let name = connection.parser.name();
                    if !connection.parser.is_self_contained() {
                        // The parser is in a state that its bytes do not tell, and keeps the request.
                        self.execute_batch(batch, ring);
                        self.feed(index, &data[at..]);
                        return;
                    }
                    let args = connection.parser.args(&data[at..]);
                    if args.is_empty() && !matches!(name, Name::Verb(_)) {
                        connection.parser.next_request();
                        at += consumed;
                        continue;
                    }
                    if !std::ptr::eq(args.buffer.as_ptr(), data[at..].as_ptr())
                        || !args.large.is_empty()
                    {
                        // Its arguments do not lie in the receive buffer (quotes of an inline request): it goes the slow way, after those before it.
                        connection.parser.next_request();
                        self.execute_batch(batch, ring);
                        self.feed(index, &data[at..]);
                        return;
                    }
                    let known = know(&self.shard, self.outgoing.len(), name, &args, consumed);
                    let ranges_from = batch.ranges.len() as u32;
                    batch.ranges.extend_from_slice(args.ranges);
                    batch.requests.push(Request {
                        connection: index,
                        buffer,
                        buffer_len: len as u32,
                        start: at as u32,
                        len: consumed as u32,
                        ranges_from,
                        ranges_until: batch.ranges.len() as u32,
                        command: known.command,
                        hash: known.hash,
                        owner: known.owner as u32,
                    });
                    connection.parser.next_request();
                    at += consumed;
                    if batch.is_full() {
                        self.execute_batch(batch, ring);
                        let is_over = at < data.len() && self.turn.is_over();
                        let Some(connection) = self.connection(token) else {
                            return;
                        };
                        if is_over || !connection.may_execute() || !connection.deferred.is_empty() {
                            self.feed(index, &data[at..]);
                            return;
                        }
                    }
                }
                Ok(Step::Incomplete) => {
                    connection.tail.extend_from_slice(&data[at..]);
                    return;
                }
                Ok(Step::Large { head }) => {
                    connection.tail.extend_from_slice(&data[at..at + head]);
                    self.execute_batch(batch, ring);
                    self.feed(index, &data[at + head..]);
                    return;
                }
                Err(error) => {
                    let is_text = !connection.parser.is_binary();
                    self.execute_batch(batch, ring);
                    self.protocol_error(index, is_text, &error);
                    return;
                }
            }
        }
    }

    /// Executes the batch, or as much of it as the turn has time for; the rest waits with its connections. The prefetches come first, in a loop of their
    /// own that is short enough for the processor to work on the misses of several keys at once, which it cannot while parsing stands between them.
    pub fn execute_batch(&mut self, batch: &mut Batch, ring: &Ring) {
        let hashes = batch.requests.iter().filter_map(|request| request.hash);
        self.shard.engine.prefetch(hashes);
        let (mut is_over, mut look_at) = (false, LOOK_ARGUMENTS);
        for request in &batch.requests {
            if request.ranges_from as usize >= look_at || self.publishing >= LOOK_ARGUMENTS {
                self.publishing = 0;
                look_at = request.ranges_from as usize + LOOK_ARGUMENTS;
                is_over = is_over || self.turn.is_over();
            }
            let data = ring.data(request.buffer, request.buffer_len as usize);
            let start = request.start as usize;
            let args = Args {
                buffer: &data[start..start + request.len as usize],
                ranges: batch.ranges_of(request),
                large: &mut [],
            };
            let known = Known {
                command: request.command,
                hash: request.hash,
                owner: request.owner as usize,
                len: request.len as usize,
            };
            let index = request.connection;
            let Some(connection) = self.places[index as usize].connection.as_deref_mut() else {
                continue;
            };
            if connection.may_execute() {
                connection.hold = hold_before(self.pause, &connection.writes_under_way, &known);
            }
            if is_over || !connection.may_execute() || !connection.deferred.is_empty() {
                if connection.state == State::Open {
                    connection.deferred.extend_from_slice(args.buffer);
                    self.list(index);
                }
                continue;
            }
            self.execute(index, known, args);
        }
        batch.clear();
    }

    /// Lets a connection go on in the next turn.
    fn put_off(&mut self, index: u32) {
        if let Some(connection) = self.connection_at(index)
            && !connection.is_put_off
        {
            connection.is_put_off = true;
            connection.stalled = true;
            self.put_off.push_back(index);
        }
    }

    /// Goes on with the connections that were put off, as far as the turn has time. Whether there were any.
    pub fn resume_put_off(&mut self) -> bool {
        let mut any = false;
        while !self.turn.takes_no_more()
            && let Some(index) = self.put_off.pop_front()
        {
            any = true;
            if let Some(connection) = self.connection_at(index)
                && mem::take(&mut connection.is_put_off)
            {
                if connection.may_execute() {
                    self.resume(index);
                }
                self.list(index);
            }
        }
        any
    }

    /// The slow way in: bytes behind others that wait, or of a large argument.
    pub fn feed(&mut self, index: u32, data: &[u8]) {
        let limit = self.config.client_query_buffer_limit;
        let Some(connection) = self.connection_at(index) else {
            return;
        };
        let taken = if connection.parser.wants_large() {
            connection.parser.fill_large(data)
        } else {
            0
        };
        connection.tail.extend_from_slice(&data[taken..]);
        if connection.input_bytes() > limit {
            self.metrics.query_buffer_limit_disconnections += 1;
            self.close(index);
            return;
        }
        self.resume(index);
    }

    /// Executes what a connection has waiting, as far as it may.
    pub fn resume(&mut self, index: u32) {
        let Some(connection) = self.connection_at(index) else {
            return;
        };
        if connection.is_put_off {
            return;
        }
        connection.stalled = false;
        if !connection.deferred.is_empty() {
            let mut deferred = mem::take(&mut connection.deferred);
            let mut parser = connection.parser.fresh();
            let done = self.run_requests(index, &mut parser, &mut deferred);
            assert!(
                done == deferred.len() || !parser.wants_large(),
                "only whole requests are deferred"
            );
            deferred.drain(..done);
            let Some(connection) = self.connection_at(index) else {
                return;
            };
            assert!(
                connection.deferred.is_empty(),
                "nothing is deferred behind what is being resumed"
            );
            connection.deferred = deferred;
            if !connection.deferred.is_empty() {
                return;
            }
        }
        let Some(connection) = self.connection_at(index) else {
            return;
        };
        if connection.tail.is_empty() || connection.parser.wants_large() {
            return;
        }
        let mut parser = mem::take(&mut connection.parser);
        let mut tail = mem::take(&mut connection.tail);
        let done = self.run_requests(index, &mut parser, &mut tail);
        let Some(connection) = self.connection_at(index) else {
            return;
        };
        if done == tail.len() {
            tail = Vec::new();
        } else {
            tail.drain(..done);
        }
        connection.tail = tail;
        connection.parser = parser;
    }

    /// Parses and executes from `bytes`; returns how many were executed. May cut `bytes` short and fill a large argument from what it cut.
    fn run_requests(
        &mut self,
        index: u32,
        parser: &mut RequestParser,
        bytes: &mut Vec<u8>,
    ) -> usize {
        let (mut at, mut arguments) = (0, LOOK_ARGUMENTS);
        while at < bytes.len() || parser.bytes_held() > 0 {
            let Some(connection) = self.connection_at(index) else {
                return bytes.len();
            };
            if connection.state != State::Open {
                return bytes.len();
            }
            if !connection.may_execute() {
                connection.stalled = true;
                return at;
            }
            if arguments >= LOOK_ARGUMENTS {
                arguments = 0;
                if self.turn.is_over() {
                    self.put_off(index);
                    return at;
                }
            }
            match parser.parse(&bytes[at..]) {
                Ok(Step::Request { consumed }) => {
                    let name = parser.name();
                    let args = parser.args(&bytes[at..]);
                    arguments += args.len();
                    if !args.is_empty() || matches!(name, Name::Verb(_)) {
                        let known = know(&self.shard, self.shards(), name, &args, consumed);
                        let pause = self.pause;
                        if let Some(connection) = self.connection_at(index)
                            && let Some(hold) =
                                hold_before(pause, &connection.writes_under_way, &known)
                        {
                            // The parser keeps the request, with its large arguments, and gives it again.
                            connection.hold = Some(hold);
                            connection.stalled = true;
                            return at;
                        }
                        self.execute(index, known, args);
                        arguments += mem::take(&mut self.publishing);
                    }
                    parser.next_request();
                    if let Some(connection) = self.connection_at(index) {
                        let authenticated = connection.session.authenticated;
                        parser.set_limits(self.limits(authenticated));
                    }
                    at += consumed;
                }
                Ok(Step::Incomplete) => return at,
                Ok(Step::Large { head }) => {
                    let rest = bytes.split_off(at + head);
                    let taken = parser.fill_large(&rest);
                    bytes.extend_from_slice(&rest[taken..]);
                    if parser.wants_large() {
                        return at;
                    }
                }
                Err(error) => {
                    self.protocol_error(index, !parser.is_binary(), &error);
                    return bytes.len();
                }
            }
        }
        at
    }

    fn protocol_error(&mut self, index: u32, is_text: bool, error: &ParseError) {
        self.metrics.count_error("ERR");
        let Some(connection) = self.connection_at(index) else {
            return;
        };
        let reply = connection.replies.writer();
        match connection.session.dialect {
            Dialect::Redis => reply.error(format!("ERR {}", error.0)),
            // In binary the connection is closed without a word.
            Dialect::Memcached if !is_text => {}
            Dialect::Memcached => {
                reply.bytes.extend_from_slice(error.0.as_bytes());
                reply.bytes.extend_from_slice(b"\r\n");
            }
        }
        connection.state = State::Finishing;
        self.list(index);
    }

    /// Ends a connection at once.
    pub fn close(&mut self, index: u32) {
        let Some(connection) = self.connection_at(index) else {
            return;
        };
        connection.state = State::Closed;
        connection.tail = Vec::new();
        connection.deferred = Vec::new();
        self.list(index);
    }

    // ---- execution ----

    /// Executes one request of a connection that may execute.
    pub fn execute(&mut self, index: u32, known: Known, mut args: Args<'_>) {
        self.metrics.commands += 1;
        let now_ms = self.now_ms;
        let Some(connection) = self.places[index as usize].connection.as_deref_mut() else {
            return;
        };
        let session = &mut connection.session;
        session.last_command_ms = now_ms;
        session.commands += 1;
        if session.reply_mode == ReplyMode::SkipNext {
            session.reply_mode = ReplyMode::Skip;
        }
        let muted = session.reply_mode != ReplyMode::On;
        let Some(row) = known.command else {
            let error = table::resolve(&args)
                .err()
                .expect("it was not resolved a moment ago");
            if let Some(row) = table::lookup(args.get(0)) {
                self.metrics.count_rejected(usize::from(command_index(row)));
            }
            return self.refuse_in_multi(index, muted, args.get(0), error.text());
        };
        session.last_command = Some(row);
        if !session.authenticated && row.flags & flags::NO_AUTH == 0 {
            return match session.dialect {
                Dialect::Redis => self.refuse(index, muted, "NOAUTH Authentication required."),
                Dialect::Memcached => self.refuse_memcached(index, &args),
            };
        }
        let is_queueing = session.multi.is_some();
        let is_tracking = session.tracking.is_some();
        let client = session.origin.client;
        if let Some(tracker) = &session.tracking {
            session.origin.is_tracked = tracker.wants(row);
        }
        if session.subscriptions.any()
            && connection.replies.protocol() == Protocol::Resp2
            && self.subscriber_command(index, row, &args, muted)
        {
            return;
        }
        let is_monitored = self.shared.monitors.any();
        if is_monitored && self.refuse_monitor(index, row, muted) {
            return;
        }
        // PING is refused too: it is how others ask whether all is well.
        if self.refuses_writes && (row.flags & flags::WRITE != 0 || row.name == "ping") {
            return self.refuse_write(index, &args, muted);
        }
        if is_queueing && self.queue(index, row, &known, &mut args, muted) {
            return;
        }
        let shown = match is_monitored {
            true => self.words_to_show(index, row, &args),
            false => None,
        };
        self.dispatch(index, row, known, args, muted);
        self.tell_changes_by(client);
        if let Some(words) = shown {
            self.show_words(index, &words);
        }
        if is_tracking {
            self.end_caching(index, row);
        }
        if muted
            && let Some(connection) = self.connection_at(index)
            && connection.session.reply_mode == ReplyMode::Skip
        {
            connection.session.reply_mode = ReplyMode::On;
        }
    }

    /// Carries out a request that may be carried out: here, at the owner of its keys, or with the help of several shards.
    pub(super) fn dispatch(
        &mut self,
        index: u32,
        row: &'static Command,
        known: Known,
        mut args: Args<'_>,
        muted: bool,
    ) {
        let command = command_index(row);
        self.metrics.count_call(usize::from(command));
        if self.shard.journal.is_on()
            && row.flags & flags::READONLY == 0
            && let Some(connection) = self.connection_at(index)
        {
            connection.has_written = true;
        }
        // Reading the clock twice for each command would cost as much as a look-up; a sample stands for all.
        let timed = self
            .metrics
            .commands
            .is_multiple_of(TIMED_EVERY)
            .then(Instant::now);
        match row.run {
            Run::Data(_)
                if row.blocking.is_some()
                    && self.blocking_command(index, row, known, &mut args, muted) => {}
            Run::Data(_) => self.dispatch_data(index, row, known, args, muted),
            Run::Server(ServerCommand::Eval) => {
                self.script_command(index, row, known, args, muted);
            }
            Run::Server(ServerCommand::Memcache) => self.memcached_command(index, row, args),
            Run::Server(which) => self.server_command(index, which, args, muted),
        }
        if let Some(from) = timed {
            let ns = from.elapsed().as_nanos() as u64;
            self.metrics.count_call_time(usize::from(command), ns);
        }
    }

    /// Runs a data command here, or brings it to those who own its keys.
    #[inline]
    fn dispatch_data(
        &mut self,
        index: u32,
        row: &'static Command,
        known: Known,
        args: Args<'_>,
        muted: bool,
    ) {
        if self.outgoing.len() == 1 {
            self.execute_here(index, row, known.hash, args, muted);
            return;
        }
        match row.route {
            Route::Anywhere => {
                self.execute_here(index, row, known.hash, args, muted);
            }
            Route::Keys(split) => {
                let is_local = split == Split::Never
                    || (self.one_owner(row, &args, known.owner) && !row.asks_further_keys(&args));
                if is_local {
                    if known.owner == self.shard.id {
                        self.execute_here(index, row, known.hash, args, muted);
                    } else {
                        self.hop(index, row, known.owner, args, known.len, muted);
                    }
                } else if split == Split::Each {
                    self.fetch_each(index, row, &args);
                } else {
                    self.split(index, row, split, args, muted);
                }
            }
            Route::AllShards(merge) => self.on_all_shards(index, row, merge, args, muted),
            Route::Cursor => self.scan(index, row, args, muted),
            Route::RandomShard => self.on_random_shard(index, row, args, muted),
        }
    }

    /// Runs a data command on this shard, for a connection of this shard; whether it wrote a reply, or will when the lock is gone that it has met.
    #[inline]
    pub(super) fn execute_here(
        &mut self,
        index: u32,
        row: &'static Command,
        hash: Option<u64>,
        mut args: Args<'_>,
        muted: bool,
    ) -> bool {
        if !self.transactions.is_quiet()
            && !self.transactions.is_locked
            && self.park_here(index, row, &mut args, muted)
        {
            return true;
        }
        let Some(connection) = self.places[index as usize].connection.as_deref_mut() else {
            return true;
        };
        let touch = if connection.session.no_touch {
            Touch::No
        } else {
            Touch::Yes
        };
        let db = connection.session.db;
        let spare = &mut self.buffers_spare;
        connection
            .replies
            .give_buffer(|| spare.pop().unwrap_or_default());
        let origin = connection.session.origin;
        let keys_read = KeysRead::of(&self.shard, row, &args, origin);
        let reply = connection.replies.writer();
        let before = (reply.bytes.len(), reply.large.len());
        self.shard.execute(row, args, db, touch, hash, reply);
        keys_read.remember(&mut self.shard);
        if reply.bytes.get(before.0) == Some(&b'-') {
            self.metrics.count_error_reply(
                usize::from(command_index(row)),
                &reply.bytes[before.0 + 1..],
            );
        }
        let has_replied = reply.bytes.len() > before.0;
        if muted {
            reply.bytes.truncate(before.0);
            reply.large.truncate(before.1);
        }
        if !connection.listed {
            connection.listed = true;
            self.listed.push(index);
        }
        // Before those who wait change the key again: who has done what is told apart.
        self.tell_changes_by(origin.client);
        self.serve_awaited();
        has_replied
    }

    fn park_here(
        &mut self,
        index: u32,
        row: &'static Command,
        args: &mut Args<'_>,
        muted: bool,
    ) -> bool {
        let own = self.shard.id;
        let Some(connection) = self.connection_at(index) else {
            return true;
        };
        let client = connection.token.to_bits();
        let header = |service: &mut Service| service.hop_header(index, row, own, muted);
        self.park(own, header, client, row, args)
    }

    /// Sends a request to the shard that owns its key.
    pub(super) fn hop(
        &mut self,
        index: u32,
        row: &'static Command,
        owner: usize,
        args: Args<'_>,
        len: usize,
        muted: bool,
    ) {
        let Some(header) = self.hop_header(index, row, owner, muted) else {
            return;
        };
        // What the parser set aside (an inline request's unquoted words) is the buffer then, and its ranges point into it.
        let bytes = if args.buffer.len() < len {
            args.buffer.len()
        } else {
            len
        };
        self.outgoing[owner].push_request(&header, args, bytes);
        self.hopped(owner);
    }

    /// The circumstances of a request for another shard, the place of its reply being reserved.
    pub(super) fn hop_header(
        &mut self,
        index: u32,
        row: &'static Command,
        owner: usize,
        muted: bool,
    ) -> Option<RequestHeader> {
        let locked = self.transactions.is_locked;
        let rule = self.config.appendfsync;
        let is_kept = self.shard.journal.is_on();
        let connection = self.places[index as usize].connection.as_deref_mut()?;
        let durability = connection.session.durability.unwrap_or(rule);
        let awaits = is_kept && durability == AppendFsync::Always;
        // One that only reads may have to wait for its locks too, and what follows must not overtake it.
        let is_script = matches!(row.run, Run::Server(ServerCommand::Eval));
        let is_write = is_script || row.flags & (flags::WRITE | flags::MAY_REPLICATE) != 0;
        // A memcached request that reads several values and gives them a new time is so many requests, for several shards at once: nobody waits for them.
        let writes = &connection.writes_under_way;
        let is_alone = writes.are_none() || writes.are_at(owner);
        // A script may have to wait at its shard, and what waits here is not in a message. Writes that are to be durable are so one after the other.
        let flows = self.writes_flow && !is_script && !awaits && owner != self.shard.id;
        let place = if is_write && self.is_order_strict && !flows && !locked && is_alone {
            connection.writes_under_way.add(owner);
            if is_script {
                connection.writes_under_way.note_script();
            }
            connection.replies.reserve_write(muted)
        } else {
            connection.replies.reserve(muted)
        };
        Some(RequestHeader {
            reply_to: ReplyTo::Connection {
                token: connection.token.to_bits(),
                place,
            },
            command: command_index(row),
            db: connection.session.db as u32,
            protocol: connection.replies.protocol(),
            origin: connection.session.origin,
            no_touch: connection.session.no_touch,
            locked,
            awaits,
            time_ms: self.transactions.locked_at_ms().unwrap_or(0),
        })
    }

    /// A request was put into the turn's message to a shard.
    pub(super) fn hopped(&mut self, owner: usize) {
        self.metrics.hops_sent += 1;
        if self.outgoing[owner].requests.len() > MESSAGE_BYTES_MAX {
            self.post_messages();
        }
    }

    /// A request for several values in memcached's text protocol, whose keys lie on different shards: each key becomes a request of its own, and
    /// the replies' order is that of the keys.
    fn fetch_each(&mut self, index: u32, row: &'static Command, args: &Args<'_>) {
        let part = memcache::part_of(row).expect("a row that fetches several values");
        let head = &args.ranges[..row.first_key as usize];
        let mut ranges = head.to_vec();
        for at in row.first_key as usize..args.len() {
            let key = args.get(at);
            let owner = slots::owner(key, self.shards());
            if owner == self.shard.id {
                ranges.truncate(head.len());
                ranges.push(args.ranges[at]);
                let one = Args {
                    buffer: args.buffer,
                    ranges: &ranges,
                    large: &mut [],
                };
                self.execute_here(index, part, None, one, false);
            } else if let Some(header) = self.hop_header(index, part, owner, false) {
                let words = (0..head.len()).chain([at]).map(|word| args.get(word));
                self.outgoing[owner].push_words(&header, words);
                self.hopped(owner);
            }
        }
        if let Some(connection) = self.connection_at(index) {
            let writer = connection.replies.writer();
            writer.bytes.extend_from_slice(memcache::END_OF_VALUES);
        }
        self.list(index);
    }

    /// Whether all keys of a request belong to the shard that owns the first.
    pub(super) fn one_owner(&self, row: &'static Command, args: &Args<'_>, first: usize) -> bool {
        let shards = self.shards();
        command::key_positions(row, args)
            .all(|position| slots::owner(args.get(position), shards) == first)
    }

    /// Writes an error of the service itself.
    pub(super) fn refuse(&mut self, index: u32, muted: bool, text: impl AsRef<[u8]>) {
        let text = text.as_ref();
        let code = text.split(|&byte| byte == b' ').next().unwrap_or_default();
        self.metrics
            .count_error(std::str::from_utf8(code).unwrap_or("ERR"));
        let Some(connection) = self.connection_at(index) else {
            return;
        };
        if !muted {
            connection.replies.writer().error(text);
        }
        if connection.session.reply_mode == ReplyMode::Skip {
            connection.session.reply_mode = ReplyMode::On;
        }
        self.list(index);
    }

    // ---- messages ----

    /// The turn's message to a shard.
    pub(super) fn message_to(&mut self, shard: usize) -> &mut Message {
        &mut self.outgoing[shard]
    }

    /// Posts the turn's messages as they are, all at one moment.
    pub(super) fn post_outgoing(&mut self) {
        let (own, spare) = (self.shard.id, &mut self.messages_spare);
        assert!(
            self.outgoing[own].is_empty(),
            "a shard sends itself nothing"
        );
        let outgoing = self.outgoing.iter_mut().enumerate();
        let full = outgoing.filter(|(_, message)| !message.is_empty());
        let mut posted = 0;
        let messages = full.map(|(shard, message)| {
            posted += 1;
            let next = spare.pop().unwrap_or_else(|| Message::new(own));
            (shard, mem::replace(message, next))
        });
        mesh::post(&self.shared.inboxes, own, messages);
        self.metrics.messages_sent += posted;
    }

    /// Posts the turn's messages.
    pub fn post_messages(&mut self) {
        self.post_notifications();
        self.post_outgoing();
    }

    /// Carries out what another shard sent. Server envelopes are handed back.
    pub fn take_message(&mut self, mut message: Message) -> Vec<Box<dyn std::any::Any + Send>> {
        mesh::await_sent(&self.shared.inboxes, &message);
        let from = message.from;
        self.run_hops(&mut message, from);
        let mut service = self;
        {
            let service = &mut service;
            message.for_each_response(|reply_to, bytes, large| {
                service.take_response(reply_to, bytes, large)
            });
        }
        let envelopes = service.take_envelopes(from, &mut message);
        message.clear(service.shard.id, MESSAGE_BYTES_MAX);
        if service.messages_spare.len() < 2 * service.outgoing.len() {
            service.messages_spare.push(message);
        }
        envelopes
    }

    /// Executes the requests of another shard: first all keys are hashed and prefetched, then the commands run in order.
    fn run_hops(&mut self, message: &mut Message, from: usize) {
        let mut hashes = mem::take(&mut self.scratch_hashes);
        hashes.clear();
        let mut at = (0, 0);
        while let Some(view) = message.request(at.0, at.1) {
            let row = table::row_at(view.header.command);
            let key = usize::try_from(row.first_key)
                .ok()
                .filter(|&first| first > 0 && row.find_keys.is_none());
            let bytes = key.and_then(|first| message.argument(&view, first));
            hashes.push(bytes.map(|bytes| self.shard.engine.key(0, bytes).hash));
            at = view.next();
        }
        let first = hashes.iter().copied().flatten().take(BATCH_REQUESTS_MAX);
        self.shard.engine.prefetch(first);
        let mut reply = self.take_scratch_reply();
        let mut ranges = mem::take(&mut self.scratch_ranges);
        let mut at = (0, 0);
        let mut number = 0;
        while let Some(view) = message.request(at.0, at.1) {
            let header = view.header;
            let mut args = message.args(&view, &mut ranges);
            self.metrics.hops_received += 1;
            let row = table::resolved_row(header.command, &args);
            let waits = !self.transactions.is_quiet() && !header.locked && {
                let client = match header.reply_to {
                    ReplyTo::Connection { token, .. } => token,
                    ReplyTo::Operation { .. } => u64::MAX,
                };
                self.park(from, |_| Some(header), client, row, &mut args)
            };
            if matches!(row.run, Run::Server(ServerCommand::Eval)) {
                self.run_script(from, &header, row, &args, None);
            } else if !waits {
                let before = self.shard.journal.sequence();
                self.run_request(&header, args, hashes[number], &mut reply);
                match self.wait_after(header.awaits, before) {
                    None => self.outgoing[from].push_response(header.reply_to, &reply),
                    wait => self.respond_when(wait, from, header.reply_to, &reply),
                }
                reply.clear();
                if self.outgoing[from].responses.len() > MESSAGE_BYTES_MAX {
                    self.post_messages();
                }
            }
            number += 1;
            at = view.next();
        }
        self.keep_scratch_reply(reply);
        self.scratch_ranges = ranges;
        self.scratch_hashes = hashes;
    }

    /// Runs a request that was sent here, on this shard's keys.
    pub(super) fn run_request(
        &mut self,
        header: &RequestHeader,
        args: Args<'_>,
        hash: Option<u64>,
        reply: &mut Reply,
    ) {
        reply.protocol = header.protocol;
        let row = table::resolved_row(header.command, &args);
        if let Run::Server(ServerCommand::Publish(kind)) = row.run {
            let moment = args.get(3).try_into().expect("a message has its moment");
            let moment = u64::from_le_bytes(moment);
            let receivers = self.publish_here(kind, args.get(1), args.get(2), None, moment);
            reply.integer(receivers as i64);
            self.tell_changes_by(header.origin.client);
        } else {
            self.execute_as(header, row, args, hash, reply);
        }
        self.serve_awaited();
    }

    /// Runs a data command on this shard in the circumstances that its header tells.
    pub(super) fn execute_as(
        &mut self,
        header: &RequestHeader,
        row: &'static Command,
        args: Args<'_>,
        hash: Option<u64>,
        reply: &mut Reply,
    ) {
        let touch = Service::touch_of(header);
        let db = header.db as usize;
        let keys_read = KeysRead::of(&self.shard, row, &args, header.origin);
        let before = header
            .locked
            .then(|| self.enter_locked(header.time_ms, header.origin.client));
        self.shard.execute(row, args, db, touch, hash, reply);
        if let Some(before) = before {
            self.leave_locked(before);
        }
        keys_read.remember(&mut self.shard);
        self.tell_changes_by(header.origin.client);
    }

    pub(super) fn take_scratch_reply(&mut self) -> Reply {
        mem::take(&mut self.scratch_reply)
    }

    pub(super) fn keep_scratch_reply(&mut self, mut reply: Reply) {
        reply.clear();
        if reply.bytes.capacity() > KEPT_BUFFER_BYTES_MAX {
            reply.bytes = Vec::new();
        }
        self.scratch_reply = reply;
    }

    /// The reply to a request that another shard has executed, or this one when it had waited.
    pub(super) fn take_response(
        &mut self,
        reply_to: ReplyTo,
        bytes: &[u8],
        large: &[(usize, LargeBytes)],
    ) {
        match reply_to {
            ReplyTo::Connection { token, place } => {
                let token = Token::from_bits(token);
                let Some(connection) = self.connection(token) else {
                    return;
                };
                if connection.state == State::Closed {
                    return;
                }
                let is_write = connection.replies.fill(place, bytes, large);
                if is_write && connection.writes_under_way.end_one() {
                    connection.go_on_after(Hold::Order);
                }
                if !connection.listed {
                    connection.listed = true;
                    self.listed.push(token.index);
                }
            }
            ReplyTo::Operation { id, part } => self.operation_reply(id, part, bytes, large),
        }
    }

    /// The circumstances of a request that an operation sends for a connection.
    pub(super) fn operation_header(
        row: &'static Command,
        reply_to: ReplyTo,
        db: usize,
        protocol: Protocol,
        origin: Origin,
        no_touch: bool,
        locked_at_ms: Option<i64>,
    ) -> RequestHeader {
        RequestHeader {
            reply_to,
            command: command_index(row),
            db: db as u32,
            protocol,
            origin,
            no_touch,
            locked: locked_at_ms.is_some(),
            awaits: false,
            time_ms: locked_at_ms.unwrap_or(0),
        }
    }
}

/// Why a request must not be executed yet: CLIENT PAUSE, from which CLIENT itself is spared, so that a pause can be ended; or an earlier write of the connection that
/// another shard has not answered, since nobody may see a later write without it.
#[inline]
fn hold_before(pause: Option<Pause>, writes: &WritesUnderWay, known: &Known) -> Option<Hold> {
    let row = known.command?;
    if let Some(pause) = pause
        && (!pause.writes_only || row.flags & flags::WRITE != 0)
        && !matches!(row.run, Run::Server(ServerCommand::Client))
    {
        return Some(Hold::Pause);
    }
    let is_write = row.flags & (flags::WRITE | flags::MAY_REPLICATE) != 0
        || matches!(
            row.run,
            Run::Server(ServerCommand::Exec | ServerCommand::Eval)
        );
    if writes.are_none() || !is_write && !writes.have_script() {
        return None;
    }
    // On the shard of the earlier ones it comes after them anyway.
    let follows = row.route == Route::Keys(Split::Never)
        && writes.are_at(known.owner)
        && !writes.have_script();
    (!follows).then_some(Hold::Order)
}

/// Looks a request's command up, finds the owner of its first key, and hashes that if the shard is this one.
#[inline]
fn know(shard: &Shard, shards: usize, name: Name, args: &Args<'_>, len: usize) -> Known {
    let command = match name {
        Name::Word => table::resolve(args).ok(),
        Name::Verb(verb) => Some(memcache::row(verb)),
        Name::Opcode(opcode) => Some(memcache::binary::row(opcode)),
    };
    let mut known = Known {
        command,
        hash: None,
        owner: shard.id,
        len,
    };
    if let Some(command) = command
        && let Some(first) = command::first_key(command, args)
    {
        let bytes = args.get(first);
        known.owner = slots::owner(bytes, shards);
        // Where the keys depend on the arguments, nobody asks for the hash by the row's first key.
        if known.owner == shard.id && command.find_keys.is_none() {
            known.hash = Some(shard.engine.key(0, bytes).hash);
        }
    }
    known
}
