//! A shard's requests on their way in: parsed from what a connection sent, looked up, and executed in order.
//!
//! Never: executes a command itself ([`super::dispatch`] does). The decision worth knowing: whole plain requests of all connections go into one [`Batch`] in the order in which
//! they came, with their keys hashed and prefetched together; what does not fit into that waits with its connection.

use super::batch::{Batch, Request};
use super::connection::{Hold, State, WritesUnderWay};
use super::service::{Pause, Service};
use super::turn::LOOK_ARGUMENTS;
use crate::command::table::{self, Command, flags};
use crate::command::{self, Route, Run, ServerCommand, Split, memcache};
use crate::net::{Ring, Token};
use crate::protocol::args::Args;
use crate::protocol::resp::{ParseError, Step};
use crate::protocol::{Dialect, Name, RequestParser};
use crate::shard::Shard;
use crate::shard::slots;
use std::mem;

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

impl Service {
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
