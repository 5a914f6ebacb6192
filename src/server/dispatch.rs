//! A request's way to who executes it: here, at the shard that owns its keys, as an operation over several shards, or by the server itself.
//!
//! Never: parses, or writes to a socket. The decision worth knowing: every request that may run leaves with exactly one reply or one place reserved for it.

use super::connection::ReplyMode;
use super::requests::Known;
use super::service::Service;
use crate::command::table::{self, Command, command_index, flags};
use crate::command::{self, Route, Run, ServerCommand, Split, memcache};
use crate::config::AppendFsync;
use crate::engine::Touch;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::protocol::Dialect;
use crate::protocol::args::Args;
use crate::protocol::resp::Protocol;
use crate::shard::KeysRead;
use crate::shard::message::{ReplyTo, RequestHeader};
use crate::shard::slots;
use std::time::Instant;

/// One command in this many is timed.
const TIMED_EVERY: u64 = 64;

impl Service {
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
        if self.shard.is_pictured_before(row) && !self.transactions.is_locked {
            self.before_change_of(index, row, &args);
        }
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

    #[cold]
    fn before_change_of(&mut self, index: u32, row: &'static Command, args: &Args<'_>) {
        let db = self
            .connection_at(index)
            .map(|connection| connection.session.db);
        if let Some(db) = db {
            self.before_change(row, args, db);
        }
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
}
