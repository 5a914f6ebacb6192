//! MULTI, EXEC, DISCARD, WATCH, UNWATCH: commands that are carried out as one.
//!
//! What is queued is kept as it came. EXEC claims the keys of all of it where they lie on several shards, or somebody holds one of them; then the commands are dispatched one after the other
//! like any others, and their replies find their places behind the head of the array. When all is on this shard, it runs at once and claims nothing.
//! The decision worth knowing: commands are not waited for unless the next must not overtake them (those that take several rounds between shards), because a shard
//! executes what another sends it in order, and the locks are released behind the last command.

use super::super::connection::{Exec, Hold, Multi, Queued, State};
use super::super::requests::Known;
use super::super::server_operation::{Call, Finish};
use super::super::service::Service;
use super::super::transactions::Then;
use super::{Answered, Outcome};
use crate::command::table::{Command, command_index, flags, resolved_row};
use crate::command::{self, Run, ServerCommand};
use crate::net::Token;
use crate::protocol::args::{Args, Range};
use crate::protocol::resp::Reply;
use crate::shard::locks::{Claims, Mode, Place};
use crate::shard::message::{Message, ReplyTo};
use crate::shard::operation::{Envelope, OwnedKey, WatchedKey};
use crate::shard::slots;
use std::collections::BTreeMap;
use std::mem;

/// So many arguments are carried out in one go at most; a longer transaction claims its keys, so that the shard can do other things in between.
const AT_ONCE_ARGUMENTS_MAX: usize = 4096;

const ABORTED: &str = "EXECABORT Transaction discarded because of previous errors.";

impl Service {
    /// MULTI.
    pub(super) fn multi(&mut self, index: u32, reply: &mut Reply) -> Outcome {
        if let Some(connection) = self.connection_at(index) {
            if connection.session.multi.is_some() {
                return Err("ERR MULTI calls can not be nested".into());
            }
            connection.session.multi = Some(Default::default());
        }
        reply.ok();
        Ok(Answered::Now)
    }

    /// DISCARD.
    pub(super) fn discard(&mut self, index: u32, reply: &mut Reply) -> Outcome {
        let connection = self.connection_at(index);
        if connection.is_some_and(|connection| connection.session.multi.take().is_none()) {
            return Err("ERR DISCARD without MULTI".into());
        }
        self.unwatch_all(index);
        reply.ok();
        Ok(Answered::Now)
    }

    /// Queues a command that comes after MULTI. `false`: it is one that is carried out at once.
    pub(in crate::server) fn queue(
        &mut self,
        index: u32,
        row: &'static Command,
        known: &Known,
        args: &mut Args<'_>,
        muted: bool,
    ) -> bool {
        if let Run::Server(which) = row.run
            && matches!(
                which,
                ServerCommand::Exec
                    | ServerCommand::Discard
                    | ServerCommand::Multi
                    | ServerCommand::Watch
                    | ServerCommand::Quit
                    | ServerCommand::Reset
            )
        {
            return false;
        }
        let refusal = if row.flags & flags::NO_MULTI != 0 {
            Some("ERR Command not allowed inside a transaction")
        } else if row.flags & flags::DENYOOM != 0 && self.shard.engine.make_room().is_err() {
            Some("OOM command not allowed when used memory > 'maxmemory'.")
        } else {
            None
        };
        let Some(connection) = self.connection_at(index) else {
            return true;
        };
        let multi = connection.session.multi.as_mut().expect("it was looked at");
        if let Some(refusal) = refusal {
            multi.is_refused = true;
            self.metrics.count_rejected(usize::from(command_index(row)));
            self.refuse(index, muted, refusal);
            return true;
        }
        multi.queued.add(row, args, known.len);
        if !muted {
            connection.replies.writer().simple("QUEUED");
        }
        self.list(index);
        true
    }

    /// Refuses a request that is none of any command. A transaction that is being put together fails with it, at once if the request was to be EXEC.
    pub(in crate::server) fn refuse_in_multi(
        &mut self,
        index: u32,
        muted: bool,
        name: &[u8],
        error: &[u8],
    ) {
        if name.eq_ignore_ascii_case(b"exec") {
            if let Some(connection) = self.connection_at(index) {
                connection.session.multi = None;
            }
            self.unwatch_all(index);
            let why = error.strip_prefix(b"ERR ").unwrap_or(error);
            let text = [&b"EXECABORT Transaction discarded because of: "[..], why].concat();
            return self.refuse(index, muted, text);
        }
        if let Some(connection) = self.connection_at(index)
            && let Some(multi) = &mut connection.session.multi
        {
            multi.is_refused = true;
        }
        self.refuse(index, muted, error);
    }

    /// EXEC.
    pub(super) fn exec(&mut self, index: u32, muted: bool) -> Outcome {
        let own = self.shard.id;
        let Some(connection) = self.connection_at(index) else {
            return Ok(Answered::Later);
        };
        let token = connection.token;
        let Some(multi) = connection.session.multi.take() else {
            return Err("ERR EXEC without MULTI".into());
        };
        let Multi {
            mut queued,
            is_refused,
        } = *multi;
        if is_refused {
            self.unwatch_all(index);
            return Err(ABORTED.into());
        }
        let watched = connection.session.watched.clone();
        let client = connection.session.origin.client;
        let mut claims = BTreeMap::new();
        let (arguments, asks_shards) = self.add_claims_of(&mut queued, &mut claims);
        for watched in &watched {
            let place = Place::key(&watched.key.bytes);
            let claims: &mut Claims = claims.entry(watched.shard).or_default();
            claims.add(place, Mode::Read);
        }
        let is_here = claims.keys().all(|&shard| shard == own);
        if !is_here || !self.transactions.is_quiet() {
            // What the client has asked for before may wait there for somebody else's lock, which is none of the keys of this transaction.
            let place = Place::client(own, token.to_bits());
            for claims in claims.values_mut() {
                claims.add(place, Mode::Write);
            }
        }
        let is_free = |claims: &Claims| !self.transactions.exclude(claims);
        let runs_at_once = is_here
            && !asks_shards
            && arguments <= AT_ONCE_ARGUMENTS_MAX
            && claims.get(&own).is_none_or(is_free);
        let exec = Exec {
            queued,
            at: (0, 0),
            under_way: 0,
            is_running: false,
            transaction: None,
            time_ms: 0,
            is_muted: muted,
            pushed: Reply::default(),
        };
        if let Some(connection) = self.connection_at(index) {
            if !runs_at_once {
                connection.hold = Some(Hold::Operation);
            }
            connection.session.exec = Some(Box::new(exec));
        }
        if runs_at_once {
            let changes_at_ms = self.changes_at_ms(&watched);
            self.begin_exec(index, changes_at_ms);
        } else {
            let id = self.acquire(claims, watched, Then::Exec(token), client);
            self.claim_next(id);
        }
        Ok(Answered::Later)
    }

    /// What queued commands claim at each shard; besides how many arguments they have, and whether one of them asks other shards about other things than keys.
    fn add_claims_of(
        &self,
        queued: &mut Queued,
        claims: &mut BTreeMap<usize, Claims>,
    ) -> (usize, bool) {
        let (mut arguments, mut asks_shards) = (0, false);
        let mut ranges = Vec::new();
        let mut at = (0, 0);
        while let Some((row, args, next)) = queued.command(at, &mut ranges) {
            at = next;
            arguments += args.len();
            match row.run {
                Run::Data(_) => self.add_claims(row, &args, claims),
                Run::Server(ServerCommand::Select | ServerCommand::Publish(_)) => {}
                // What it will touch is only known when it runs.
                Run::Server(ServerCommand::Eval) => {
                    asks_shards = true;
                    for shard in 0..self.shards() {
                        claims.entry(shard).or_default().add_whole(Mode::Write);
                    }
                }
                Run::Server(_) => asks_shards = self.shards() > 1,
            }
        }
        (arguments, asks_shards)
    }

    /// The locks of an EXEC are held.
    pub(in crate::server) fn exec_locked(
        &mut self,
        token: Token,
        transaction: u32,
        changes_at_ms: i64,
    ) {
        let connection = self.connection(token);
        let is_there = connection.is_some_and(|connection| {
            let exec = connection.session.exec.as_mut().expect("it is under way");
            exec.transaction = Some(transaction);
            connection.state != State::Closed
        });
        if is_there {
            self.begin_exec(token.index, changes_at_ms);
        } else if self.connection(token).is_some() {
            // The client has gone before anything was done.
            self.end_exec(token.index);
        } else {
            self.release(transaction);
        }
    }

    /// The locks of an EXEC are not to be had.
    pub(in crate::server) fn fail_exec(&mut self, token: Token, text: &str) {
        let Some(connection) = self.connection(token) else {
            return;
        };
        let exec = connection.session.exec.as_ref().expect("it is under way");
        let is_muted = exec.is_muted;
        self.refuse(token.index, is_muted, text);
        self.end_exec(token.index);
    }

    /// The time of the transaction is this moment, on all shards and until its end; the watched keys must be as they were at that time.
    fn begin_exec(&mut self, index: u32, changes_at_ms: i64) {
        self.give_buffer(index);
        let now_ms = self.now_ms;
        let is_unchanged = now_ms < changes_at_ms;
        let Some(connection) = self.connection_at(index) else {
            return;
        };
        let exec = connection.session.exec.as_mut().expect("it is under way");
        exec.time_ms = now_ms;
        let (len, is_muted) = (exec.queued.len, exec.is_muted);
        let reply = connection.replies.writer();
        match is_unchanged {
            _ if is_muted => {}
            true => reply.array(len),
            false => reply.null_array(),
        }
        if is_unchanged {
            self.run_exec(index);
        } else {
            self.end_exec(index);
        }
    }

    /// Carries out the commands of an EXEC from where it is, until one must be waited for.
    pub(in crate::server) fn run_exec(&mut self, index: u32) {
        let Some(connection) = self.connection_at(index) else {
            return;
        };
        let exec = connection.session.exec.as_mut().expect("it is under way");
        let mut queued = mem::take(&mut exec.queued);
        let mut at = exec.at;
        let is_muted = exec.is_muted;
        exec.is_running = true;
        let time_ms = exec.time_ms;
        let client = connection.session.origin.client;
        let before = self.enter_locked(time_ms, client);
        let mut ranges = Vec::new();
        let mut is_over = false;
        loop {
            let under_way = self.exec_of(index).map_or(0, |exec| exec.under_way);
            if under_way > 0 {
                break;
            }
            let Some((row, args, next)) = queued.command(at, &mut ranges) else {
                is_over = true;
                break;
            };
            at = next;
            let known = self.know_again(row, &args);
            self.note_reads(index, row);
            let shown = match self.shared.monitors.any() {
                true => self.words_to_show(index, row, &args),
                false => None,
            };
            self.dispatch(index, row, known, args, is_muted);
            self.tell_changes_by(client);
            if let Some(words) = shown {
                self.show_words(index, &words);
            }
        }
        self.leave_locked(before);
        if let Some(exec) = self.exec_of(index) {
            exec.at = at;
            exec.queued = queued;
            exec.is_running = false;
        }
        if is_over {
            self.show_exec(index);
            self.end_exec(index);
            self.serve_awaited();
        }
    }

    fn exec_of(&mut self, index: u32) -> Option<&mut Exec> {
        let connection = self.connection_at(index)?;
        connection.session.exec.as_deref_mut()
    }

    /// What is known of a queued command before its arguments are looked at.
    pub(in crate::server) fn know_again(&self, row: &'static Command, args: &Args<'_>) -> Known {
        let mut known = Known {
            command: Some(row),
            hash: None,
            owner: self.shard.id,
            len: args.buffer.len(),
        };
        if let Some(first) = command::first_key(row, args) {
            known.owner = slots::owner(args.get(first), self.shards());
        }
        known
    }

    fn end_exec(&mut self, index: u32) {
        self.unwatch_all(index);
        let Some(connection) = self.connection_at(index) else {
            return;
        };
        let exec = connection.session.exec.take().expect("it is under way");
        let reply = connection.replies.writer();
        reply.append_replies(&exec.pushed.bytes, &exec.pushed.large);
        if let Some(tracker) = &mut connection.session.tracking {
            tracker.caching_said = false;
        }
        let (token, client) = (connection.token, connection.session.origin.client);
        connection.go_on_after(Hold::Operation);
        self.list(index);
        match exec.transaction {
            Some(transaction) => {
                let wait = self.release(transaction);
                self.wait_for(token, wait);
            }
            None => self.commit_here(client),
        }
    }

    // ---- watching ----

    /// WATCH.
    pub(super) fn watch(&mut self, index: u32, args: &Args<'_>, reply: &mut Reply) -> Outcome {
        let shards = self.shards();
        let Some(connection) = self.connection_at(index) else {
            return Ok(Answered::Later);
        };
        if connection.session.multi.is_some() {
            return Err("ERR WATCH inside MULTI is not allowed".into());
        }
        let db = connection.session.db;
        let is_watched = |bytes: &[u8]| {
            let mut watched = connection.session.watched.iter();
            watched.any(|watched| watched.key.db == db && *watched.key.bytes == *bytes)
        };
        let mut keys: Vec<(usize, OwnedKey)> = Vec::new();
        for bytes in (1..args.len()).map(|at| args.get(at)) {
            let is_named = keys.iter().any(|(_, key)| *key.bytes == *bytes);
            if !is_named && !is_watched(bytes) {
                let bytes = Box::from(bytes);
                keys.push((slots::owner(&bytes, shards), OwnedKey { db, bytes }));
            }
        }
        let own = self.shard.id;
        let Some(&(first, _)) = keys.first() else {
            reply.ok();
            return Ok(Answered::Now);
        };
        if keys.iter().all(|(shard, _)| *shard == own) {
            let watched = self.watch_here(&keys);
            self.note_watched(index, watched);
            reply.ok();
            return Ok(Answered::Now);
        }
        let call = Call::Watch(keys.clone());
        if keys.iter().all(|(shard, _)| *shard == first) {
            return Ok(Answered::Ask(first, call, Finish::Watched));
        }
        Ok(Answered::AskAll(call, Finish::Watched))
    }

    /// Watches those of these keys that are this shard's.
    pub(in crate::server) fn watch_here(&mut self, keys: &[(usize, OwnedKey)]) -> Vec<WatchedKey> {
        let own = self.shard.id;
        let is_quiet = self.transactions.is_quiet();
        let engine = &mut self.shard.engine;
        let mine = keys.iter().filter(|(shard, _)| *shard == own);
        mine.map(|(shard, key)| WatchedKey {
            shard: *shard,
            key: key.clone(),
            version: engine.watch(&engine.key(key.db, &key.bytes), is_quiet),
        })
        .collect()
    }

    /// Remembers what a connection watches.
    pub(in crate::server) fn note_watched(&mut self, index: u32, watched: Vec<WatchedKey>) {
        if let Some(connection) = self.connection_at(index) {
            connection.session.watched.extend(watched);
        }
    }

    /// UNWATCH.
    pub(super) fn unwatch(&mut self, index: u32, reply: &mut Reply) -> Outcome {
        self.unwatch_all(index);
        reply.ok();
        Ok(Answered::Now)
    }

    /// A connection watches nothing any more.
    pub(in crate::server) fn unwatch_all(&mut self, index: u32) {
        if let Some(connection) = self.connection_at(index) {
            let watched = mem::take(&mut connection.session.watched);
            self.unwatch_keys(watched);
        }
    }

    /// Keys that a connection has watched are watched no longer.
    pub(in crate::server) fn unwatch_keys(&mut self, watched: Vec<WatchedKey>) {
        let mut keys: BTreeMap<usize, Vec<OwnedKey>> = BTreeMap::new();
        for WatchedKey { shard, key, .. } in watched {
            keys.entry(shard).or_default().push(key);
        }
        for (shard, keys) in keys {
            if shard == self.shard.id {
                self.unwatch_here(&keys);
            } else {
                let envelope = Envelope::Unwatch(keys);
                self.message_to(shard).envelopes.push(envelope);
            }
        }
    }
}

impl Queued {
    /// Adds a command, of which so many bytes were received.
    fn add(&mut self, row: &'static Command, args: &mut Args<'_>, bytes: usize) {
        let header = Service::operation_header(
            row,
            ReplyTo::Operation { id: 0, part: 0 },
            0,
            Default::default(),
            Default::default(),
            false,
            None,
        );
        let bytes = bytes.min(args.buffer.len());
        let args = Args {
            buffer: args.buffer,
            ranges: args.ranges,
            large: &mut *args.large,
        };
        let message = self
            .commands
            .get_or_insert_with(|| Box::new(Message::new(0)));
        message.push_request(&header, args, bytes);
        self.len += 1;
    }

    /// The command at this place, and where the next one is.
    fn command<'a>(
        &'a mut self,
        at: (usize, usize),
        ranges: &'a mut Vec<Range>,
    ) -> Option<(&'static Command, Args<'a>, (usize, usize))> {
        let message = self.commands.as_mut()?;
        let view = message.request(at.0, at.1)?;
        let args = message.args(&view, ranges);
        let row = resolved_row(view.header.command, &args);
        Some((row, args, view.next()))
    }
}
