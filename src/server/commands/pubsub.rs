//! Publishing and subscribing.
//!
//! A connection's subscriptions are in the table of its own shard. What is published is delivered here, and sent to those other shards that have
//! subscribers;
//! each answers with the number it reached, and the publisher's reply waits for all of them. No message is kept for anybody: it is in the
//! buffers of those who had subscribed when it came to their shard, or nowhere.

use super::super::connection::{Hold, State};
use super::super::operations::Work;
use super::super::server_operation::{Call, Finish};
use super::super::service::Service;
use super::super::subscriptions::{Counts, Subscriptions};
use super::{Answered, Outcome, lower};
use crate::command::Subscription;
use crate::command::introspect::write_help;
use crate::command::table::{Command, lookup};
use crate::command::{Run, ServerCommand};
use crate::large::{LargeBuffer, LargeBytes};
use crate::limits::{
    CHANNEL_BYTES_MAX, LARGE_BYTES_MIN, PATTERN_BYTES_MAX, SUBSCRIPTIONS_RELEASED_MAX,
};
use crate::net::Token;
use crate::protocol::args::Args;
use crate::protocol::resp::{Protocol, Reply};
use crate::shard::message::ReplyTo;
use crate::shard::operation::Operation;
use std::mem;

/// The subscriptions of a shard's connections, and what delivering needs.
#[derive(Default)]
pub struct Pubsub {
    /// Who has subscribed to what.
    pub(in crate::server) table: Subscriptions,
    /// Connections that are gone with more subscriptions than could be ended at once.
    leaving: Vec<Token>,
    /// A message as it is sent, kept for its buffer.
    encoded: Reply,
    /// Messages of this turn have notifications.
    pub(super) notified: bool,
}

impl Pubsub {
    /// Whether subscriptions wait for being ended.
    pub(in crate::server) fn has_leaving(&self) -> bool {
        !self.leaving.is_empty()
    }
}

/// What subscribers receive: some words, then the message, by reference if it is large.
fn encode(reply: &mut Reply, words: &[&[u8]], message: &[u8], large: Option<&LargeBytes>) {
    reply.clear();
    reply.protocol = Protocol::Resp3;
    reply.push(words.len() + 1);
    words.iter().for_each(|word| reply.bulk(word));
    match large {
        Some(large) => reply.bulk_large(large),
        None => reply.bulk(message),
    }
}

/// Whether a subscriber that speaks RESP2 may send a command: replies and messages could not be told apart after any other.
fn is_allowed(row: &Command) -> bool {
    row.name == "ping"
        || matches!(
            row.run,
            Run::Server(
                ServerCommand::Subscribe(_)
                    | ServerCommand::Unsubscribe(_)
                    | ServerCommand::Quit
                    | ServerCommand::Reset
            )
        )
}

fn length_error(kind: Subscription, name: &[u8]) -> Option<String> {
    let (what, bytes_max) = match kind {
        Subscription::Pattern => ("pattern", PATTERN_BYTES_MAX),
        Subscription::Channel | Subscription::ShardChannel => ("channel", CHANNEL_BYTES_MAX),
    };
    (name.len() > bytes_max).then(|| format!("ERR {what} is longer than {bytes_max} bytes"))
}

impl Service {
    // ---- subscribing ----

    /// Carries out what is different for a subscriber that speaks RESP2: refuses most commands, and answers PING in the form of a message. False for
    /// the rest.
    #[cold]
    pub(in crate::server) fn subscriber_command(
        &mut self,
        index: u32,
        row: &'static Command,
        args: &Args<'_>,
        muted: bool,
    ) -> bool {
        if !is_allowed(row) {
            let text = format!(
                "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context",
                row.name
            );
            self.metrics
                .count_rejected(usize::from(crate::command::table::command_index(row)));
            self.refuse(index, muted, text);
            return true;
        }
        if row.name != "ping" || args.len() > 2 {
            return false;
        }
        if let Some(connection) = self.connection_at(index)
            && !muted
        {
            let reply = connection.replies.writer();
            reply.array(2);
            reply.bulk(b"pong");
            reply.bulk(if args.len() == 2 { args.get(1) } else { b"" });
        }
        self.list(index);
        true
    }

    /// SUBSCRIBE, PSUBSCRIBE, SSUBSCRIBE. Confirmations go even to a client that wants no replies, as messages do.
    pub(super) fn subscribe(&mut self, index: u32, kind: Subscription, args: &Args<'_>) -> Outcome {
        let names = (1..args.len()).map(|at| args.get(at));
        if let Some(error) = names.clone().find_map(|name| length_error(kind, name)) {
            return Err(error);
        }
        let Some(token) = self.connection_at(index).map(|connection| connection.token) else {
            return Ok(Answered::Later);
        };
        for name in names {
            if let Some(first) = self.pubsub.table.subscribe(token, kind, name) {
                let moment = self.shared.interest.begin(self.shard.id, kind, &first);
                self.pubsub.table.begun(kind, name, moment);
            }
            self.confirm(index, kind, kind.subscribed(), Some(name));
        }
        Ok(Answered::Later)
    }

    /// UNSUBSCRIBE, PUNSUBSCRIBE, SUNSUBSCRIBE: of the names given, or of all.
    pub(super) fn unsubscribe(
        &mut self,
        index: u32,
        kind: Subscription,
        args: &Args<'_>,
    ) -> Outcome {
        let Some(token) = self.connection_at(index).map(|connection| connection.token) else {
            return Ok(Answered::Later);
        };
        let word = kind.unsubscribed();
        if args.len() > 1 {
            for at in 1..args.len() {
                self.end_subscription(token, kind, args.get(at));
                self.confirm(index, kind, word, Some(args.get(at)));
            }
            return Ok(Answered::Later);
        }
        let names = self.pubsub.table.names_of(token, kind, usize::MAX);
        for name in &names {
            self.end_subscription(token, kind, name);
            self.confirm(index, kind, word, Some(name));
        }
        if names.is_empty() {
            self.confirm(index, kind, word, None);
        }
        Ok(Answered::Later)
    }

    fn end_subscription(&mut self, token: Token, kind: Subscription, name: &[u8]) {
        if self.pubsub.table.unsubscribe(token, kind, name) {
            self.shared.interest.end(self.shard.id, kind, name);
        }
    }

    fn confirm(&mut self, index: u32, kind: Subscription, word: &[u8], name: Option<&[u8]>) {
        let Some(token) = self.connection_at(index).map(|connection| connection.token) else {
            return;
        };
        let counts = self.pubsub.table.counts(token);
        if let Some(connection) = self.connection_at(index) {
            connection.session.subscriptions = counts;
            let reply = connection.replies.writer();
            reply.push(3);
            reply.bulk(word);
            match name {
                Some(name) => reply.bulk(name),
                None => reply.null(),
            }
            reply.integer(i64::from(counts.shown(kind)));
        }
        self.list(index);
    }

    /// Ends all subscriptions of a connection that stays, without a word.
    pub(super) fn unsubscribe_all(&mut self, token: Token) {
        for kind in Subscription::ALL {
            for name in self.pubsub.table.names_of(token, kind, usize::MAX) {
                self.end_subscription(token, kind, &name);
            }
        }
        if let Some(connection) = self.connection(token) {
            connection.session.subscriptions = Counts::default();
        }
    }

    /// Ends all subscriptions of a connection that ends; what is too much for now, in later turns.
    pub(in crate::server) fn subscriber_left(&mut self, token: Token) {
        if let Some(connection) = self.connection(token)
            && connection.session.subscriptions.any()
        {
            connection.session.subscriptions = Counts::default();
            self.pubsub.leaving.push(token);
            self.release_subscriptions();
        }
    }

    /// Ends some subscriptions of connections that are gone.
    pub(in crate::server) fn release_subscriptions(&mut self) {
        let mut left = SUBSCRIPTIONS_RELEASED_MAX;
        while left > 0
            && let Some(&token) = self.pubsub.leaving.last()
        {
            for kind in Subscription::ALL {
                let names = self.pubsub.table.names_of(token, kind, left);
                left -= names.len();
                for name in names {
                    self.end_subscription(token, kind, &name);
                }
            }
            if !self.pubsub.table.counts(token).any() {
                self.pubsub.leaving.pop();
            }
        }
    }

    // ---- publishing ----

    /// PUBLISH, SPUBLISH.
    pub(super) fn publish(
        &mut self,
        index: u32,
        kind: Subscription,
        mut args: Args<'_>,
        muted: bool,
        reply: &mut Reply,
    ) -> Outcome {
        if let Some(error) = length_error(kind, args.get(1)) {
            return Err(error);
        }
        let large = args.take_large(2).map(LargeBuffer::freeze);
        let message = match &large {
            Some(large) => large.as_slice(),
            None => args.get(2),
        };
        let channel = args.get(1);
        // A publisher that has subscribed sees its message before its reply, as in Redis.
        let here = self.publish_here(kind, channel, message, large.as_ref(), u64::MAX);
        reply.integer(here as i64);
        let moment = self.shared.interest.moment();
        let shards = self.shards_with_interest(kind, channel);
        if shards == 0 {
            return Ok(Answered::Now);
        }
        let parts = shards.count_ones() as usize + 1;
        let work = Work::Data(Operation::sum(parts));
        if let Some(id) = self.begin(index, work, false, muted) {
            self.publish_elsewhere(kind, channel, message, moment, shards, id);
            self.operation_reply(id, parts as u32 - 1, &reply.bytes, &[]);
        }
        Ok(Answered::Later)
    }

    /// Delivers a message to the subscribers on this shard, and says how many times. `large` is the message again, if it is at hand in this form;
    /// `moment` is that of its publication (`Interest::moment`), or the greatest if it comes from here.
    ///
    /// It is written once; each subscriber gets a copy of the bytes, or a reference to a large message, in the buffer that its replies go to.
    pub(in crate::server) fn publish_here(
        &mut self,
        kind: Subscription,
        channel: &[u8],
        message: &[u8],
        large: Option<&LargeBytes>,
        moment: u64,
    ) -> usize {
        if self.pubsub.table.is_empty() {
            return 0;
        }
        let pubsub = mem::take(&mut self.pubsub);
        let mut encoded = pubsub.encoded;
        let made;
        let large = if large.is_none() && message.len() >= LARGE_BYTES_MIN {
            // It came from another shard. Without room for a large buffer it is copied for each, within what its output limit allows.
            made = LargeBuffer::copy_of(message).ok().map(LargeBuffer::freeze);
            made.as_ref()
        } else {
            large
        };
        let mut receivers = 0;
        if let Some(tokens) = pubsub.table.of_name(kind, channel, moment) {
            let word: &[u8] = match kind {
                Subscription::ShardChannel => b"smessage",
                Subscription::Channel | Subscription::Pattern => b"message",
            };
            encode(&mut encoded, &[word, channel], message, large);
            for &token in tokens {
                receivers += usize::from(self.deliver(token, &encoded));
            }
        }
        if kind == Subscription::Channel {
            self.publishing += pubsub.table.patterns_tried(channel);
            for (pattern, tokens) in pubsub.table.matching(channel, moment) {
                encode(
                    &mut encoded,
                    &[b"pmessage", pattern, channel],
                    message,
                    large,
                );
                for &token in tokens {
                    receivers += usize::from(self.deliver(token, &encoded));
                }
            }
        }
        encoded.clear();
        if encoded.bytes.capacity() > LARGE_BYTES_MIN {
            encoded = Reply::default();
        }
        self.publishing += receivers;
        self.pubsub = Pubsub { encoded, ..pubsub };
        receivers
    }

    /// Appends a message to what a subscriber is owed, unless it is on its way out.
    fn deliver(&mut self, token: Token, encoded: &Reply) -> bool {
        let Some(reply) = self.pushed_to(token, false) else {
            return false;
        };
        let protocol = reply.protocol;
        let start = reply.bytes.len();
        reply.append_replies(&encoded.bytes, &encoded.large);
        if protocol == Protocol::Resp2 {
            // All that differs.
            reply.bytes[start] = b'*';
        }
        true
    }

    /// Where what is pushed to a client goes, unless it is on its way out. `is_own`: it is about a command of its own, whose reply it follows.
    pub(super) fn pushed_to(&mut self, token: Token, is_own: bool) -> Option<&mut Reply> {
        self.give_buffer(token.index);
        if self.connection(token)?.state != State::Open {
            return None;
        }
        self.list(token.index);
        let connection = self.connection(token)?;
        let is_blocked = connection.hold == Some(Hold::Blocked);
        let replies = &mut connection.replies;
        if let Some(exec) = &mut connection.session.exec {
            // The replies to its commands are one array, which nothing may come between.
            exec.pushed.protocol = replies.protocol();
            Some(&mut exec.pushed)
        } else if is_blocked && !is_own {
            Some(replies.writer_ahead())
        } else {
            Some(replies.writer())
        }
    }

    /// The other shards that may have subscribers for what is published to a channel, as bits.
    pub(in crate::server) fn shards_with_interest(
        &self,
        kind: Subscription,
        channel: &[u8],
    ) -> u128 {
        let others = (0..self.shards()).filter(|shard| *shard != self.shard.id);
        others
            .filter(|shard| self.shared.interest.has(*shard, kind, channel))
            .fold(0, |bits, shard| bits | 1 << shard)
    }

    /// Sends a message to other shards, each of which answers to a part of an operation with the number of its receivers.
    pub(in crate::server) fn publish_elsewhere(
        &mut self,
        kind: Subscription,
        channel: &[u8],
        message: &[u8],
        moment: u64,
        shards: u128,
        operation: u32,
    ) {
        let name: &[u8] = match kind {
            Subscription::ShardChannel => b"spublish",
            Subscription::Channel | Subscription::Pattern => b"publish",
        };
        let row = lookup(name).expect("publishing is in the table");
        let shards = (0..self.shards()).filter(|shard| shards >> shard & 1 != 0);
        for (part, shard) in shards.enumerate() {
            let reply_to = ReplyTo::Operation {
                id: operation,
                part: part as u32,
            };
            let header = Service::operation_header(
                row,
                reply_to,
                0,
                Protocol::Resp2,
                Default::default(),
                false,
                None,
            );
            self.message_to(shard).push_words(
                &header,
                [name, channel, message, &moment.to_le_bytes()].into_iter(),
            );
            self.hopped(shard);
        }
    }

    // ---- questions ----

    /// PUBSUB.
    pub(super) fn pubsub_command(&mut self, args: &Args<'_>, reply: &mut Reply) -> Outcome {
        let subcommand = lower(args.get(1));
        let kind = if subcommand.starts_with("shard") {
            Subscription::ShardChannel
        } else {
            Subscription::Channel
        };
        match (&subcommand[..], args.len()) {
            ("channels" | "shardchannels", 2 | 3) => {
                let pattern = (args.len() == 3).then(|| args.get(2).into());
                Ok(Answered::AskAll(
                    Call::Channels(kind, pattern),
                    Finish::Channels,
                ))
            }
            ("numsub" | "shardnumsub", _) => {
                let names: Vec<Vec<u8>> = (2..args.len()).map(|at| args.get(at).to_vec()).collect();
                Ok(Answered::AskAll(
                    Call::Subscribers(kind, names.clone()),
                    Finish::Subscribers(names),
                ))
            }
            ("numpat", _) => {
                let count = self.shared.interest.count(Subscription::Pattern);
                reply.integer(count as i64);
                Ok(Answered::Now)
            }
            ("help", _) => {
                write_help(reply, "PUBSUB");
                Ok(Answered::Now)
            }
            _ => Err(format!(
                "ERR unknown subcommand or wrong number of arguments for '{}'. Try PUBSUB HELP.",
                String::from_utf8_lossy(args.get(1))
            )),
        }
    }
}
