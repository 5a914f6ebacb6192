//! The service of one shard: all that it has, its table of connections, and the way of every request from its bytes to its reply.
//!
//! No I/O happens here: the worker brings bytes and messages, and takes replies and messages away. One request: parsed into a `Batch` (keys hashed and
//! prefetched, [`super::requests`]), executed here if this shard owns its keys, else put into the turn's message to the owner, or made an operation over several
//! shards ([`super::dispatch`]); its reply goes into its place among the connection's replies, from here or with a message ([`super::messages`]).

use super::connection::{Connection, Peer, ReplyMode, Session, Socket, State};
use super::durability::Durability;
use super::log_begin::LogBeginnings;
use super::rewrite::Rewriting;
use super::shared::Shared;
use super::turn::Turn;
use crate::codec::element;
use crate::command::table;
use crate::config::{Config, PipelineOrder};
use crate::engine::Client;
use crate::limits::{KEPT_BUFFER_BYTES_MAX, KEPT_BUFFERS_MAX};
use crate::metrics::ShardMetrics;
use crate::net::Token;
use crate::protocol::args::Range;
use crate::protocol::resp::Reply;
use crate::protocol::{Dialect, Limits, RequestParser};
use crate::shard::Shard;
use crate::shard::message::{Message, Origin};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A place for a connection; the generation counts its uses.
pub(super) struct Place {
    generation: u32,
    pub(super) connection: Option<Box<Connection>>,
}

/// CLIENT PAUSE.
#[derive(Debug, Clone, Copy)]
pub struct Pause {
    /// Until this Unix time in milliseconds.
    pub until_ms: i64,
    /// Only commands that write.
    pub writes_only: bool,
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
    /// Logs that are to begin.
    pub(super) log_beginnings: LogBeginnings,
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
    pub(super) outgoing: Vec<Message>,
    pub(super) messages_spare: Vec<Message>,
    pub(super) places: Vec<Place>,
    places_free: Vec<u32>,
    pub(super) buffers_spare: Vec<Vec<u8>>,
    /// Where the next round of housekeeping begins, and the buffers' bytes seen in this one.
    pub(super) next_round: u32,
    /// See `next_round`.
    pub(super) round_bytes: usize,
    random: u64,
    pub(super) scratch_reply: Reply,
    pub(super) scratch_ranges: Vec<Range>,
    pub(super) scratch_hashes: Vec<Option<u64>>,
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
            log_beginnings: LogBeginnings::default(),
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
}
