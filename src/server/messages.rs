//! What a shard sends to others in a turn, and what it does with what they have sent.
//!
//! Never: waits for an answer. The decision worth knowing: all that goes to one shard in a turn is one message, and all messages of a turn are posted at one moment, which the order
//! of a connection's writes relies on.

use super::connection::{Hold, State};
use super::service::Service;
use crate::command::table::{self, Command, command_index};
use crate::command::{Run, ServerCommand};
use crate::large::LargeBytes;
use crate::limits::{BATCH_REQUESTS_MAX, KEPT_BUFFER_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::net::Token;
use crate::protocol::args::Args;
use crate::protocol::resp::{Protocol, Reply};
use crate::shard::KeysRead;
use crate::shard::mesh;
use crate::shard::message::{Message, Origin, ReplyTo, RequestHeader};
use std::mem;

impl Service {
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
            if self.shard.is_pictured_before(row) && !header.locked {
                self.before_change(row, &args, header.db as usize);
            }
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
