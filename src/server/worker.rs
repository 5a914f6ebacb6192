//! The turn of one shard: the ring's events in, requests executed, messages exchanged, replies out, a slice of upkeep; then sleep if there is nothing to do.
//!
//! The worker owns the ring and moves bytes between it and the [`Service`], which does everything else. It sleeps inside the ring's enter, which costs
//! nothing beyond the system call that submits the replies anyway; other shards wake it through an event descriptor that the ring reads.

use super::batch::Batch;
use super::connection::{Hold, Peer, Socket, State};
use super::handover::Handover;
use super::listen::{Listener, Source};
use super::log_disk::LogDisk;
use super::service::Service;
use super::turn::LOOK_BYTES;
use crate::config::LogLevel;
use crate::engine::Journaling;
use crate::limits::{
    DATAGRAM_BYTES_MAX, DATAGRAMS_MAX, INPUT_STALL_BYTES, RECEIVE_BUFFER_BYTES, RECEIVE_BUFFERS,
    RING_COMPLETIONS, RING_ENTRIES, STOP_SECONDS_MAX,
};
use crate::metrics::TurnClock;
use crate::net::{Event, FileDone, FileMemory, Outgoing, Ring, RingOptions, Token, socket};
use crate::persist::log::{Log, Options, Start, State as LogState};
use crate::protocol::Dialect;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// While clients are active a sleep lasts at most until upkeep is due.
const SLEEP_ACTIVE: Duration = UPKEEP_INTERVAL;
/// After this long without an event the shard sleeps long.
const QUIET_BEFORE_LONG_SLEEP: Duration = Duration::from_millis(20);
/// The longest sleep: housekeeping is due then.
const SLEEP_LONG: Duration = Duration::from_millis(200);
/// Upkeep is looked at this often, and more often while it has work waiting.
const UPKEEP_INTERVAL: Duration = Duration::from_millis(5);
/// Units of upkeep in a turn, of some 100 ns each: beside requests, and with nothing else to do.
const UPKEEP_UNITS_BUSY: usize = 500;
const UPKEEP_UNITS_IDLE: usize = 1000;
/// What one turn may take from the ring, in bytes received: some 500 SETs of a hundred bytes, a quarter of a millisecond. Where requests take longer
/// than that, the service says when the turn has lasted long enough.
const TURN_COST_MAX: usize = 64 * 1024;
/// An event costs as much as this many bytes, a new connection as many more.
const COST_OF_EVENT: usize = 64;
const COST_OF_ACCEPT: usize = 1024;
/// Unless somebody waits for it, the log is written so often: a write of many turns costs hardly more than one of a few, and `everysec` promises a second.
const COMMIT_INTERVAL_MS: u64 = 20;
/// Housekeeping of connections (idle time, soft limits, pauses) is done this often.
const HOUSEKEEPING_INTERVAL: Duration = Duration::from_millis(100);

/// What a client is told when there are too many.
fn too_many_clients(dialect: Dialect) -> &'static [u8] {
    match dialect {
        Dialect::Redis => b"-ERR max number of clients reached\r\n",
        Dialect::Memcached => b"ERROR Too many open connections\r\n",
    }
}

/// The worker of one shard.
pub struct Worker {
    ring: Ring,
    service: Service,
    listeners: Vec<Listener>,
    wake: Arc<OwnedFd>,
    batch: Batch,
    /// Receive buffers of this turn; the batch refers to them.
    received: Vec<u16>,
    listed: Vec<u32>,
    /// Room for the longest datagram, if any listener takes them.
    datagram: Vec<u8>,
    /// Where the shard's log is written, if there is one.
    disk: Option<LogDisk>,
    started: Instant,
    /// When the log is written though nobody waits for it.
    commit_at_ms: u64,
    stops: bool,
    clock: TurnClock,
    spin: Duration,
    upkeep_waiting: bool,
    upkeep_at: Instant,
    housekeeping_at: Instant,
}

/// Unix milliseconds.
pub fn unix_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Worker {
    /// To be made on the shard's own thread, inside its executor.
    pub fn new(
        service: Service,
        listeners: Vec<Listener>,
        wake: Arc<OwnedFd>,
        spin: Duration,
    ) -> io::Result<Worker> {
        let ring = Ring::new(RingOptions {
            entries: RING_ENTRIES,
            completions: RING_COMPLETIONS,
            buffers: RECEIVE_BUFFERS,
            buffer_bytes: RECEIVE_BUFFER_BYTES,
        })?;
        let takes_datagrams = listeners
            .iter()
            .any(|listener| matches!(listener.source, Source::Udp(_)));
        let now = Instant::now();
        Ok(Worker {
            ring,
            service,
            listeners,
            wake,
            batch: Batch::default(),
            received: Vec::new(),
            listed: Vec::new(),
            datagram: vec![
                0;
                if takes_datagrams {
                    DATAGRAM_BYTES_MAX
                } else {
                    0
                }
            ],
            disk: None,
            started: now,
            commit_at_ms: 0,
            stops: false,
            clock: TurnClock::new(),
            spin,
            upkeep_waiting: false,
            upkeep_at: now,
            housekeeping_at: now,
        })
    }

    /// Serves until a stop is asked for.
    pub fn run(mut self) {
        self.ring.wake_on(self.wake.as_raw_fd());
        let shared = self.service.shared.clone();
        while !shared.serving.load(Ordering::Acquire) && !shared.stopping.load(Ordering::Acquire) {
            // The other shards are still reading their logs.
            self.turn(Some(SLEEP_ACTIVE));
        }
        for number in 0..self.listeners.len() {
            self.listen(number as u32);
        }
        let mut active_at = Instant::now();
        let mut wait = None;
        while !self.service.shared.stopping.load(Ordering::Acquire) {
            let active = self.turn(wait);
            let now = Instant::now();
            if active {
                active_at = now;
            }
            let quiet = now - active_at;
            wait = None;
            if self.waits_for_disk() {
                shared.flow.sleep(self.service.shard.id);
                wait = Some(SLEEP_ACTIVE);
                continue;
            }
            if self.has_work() || quiet < self.spin {
                continue;
            }
            if !self.inbox_sleeps() {
                continue;
            }
            let sleep = if quiet < QUIET_BEFORE_LONG_SLEEP {
                SLEEP_ACTIVE
            } else {
                SLEEP_LONG
            };
            wait = Some(self.service.sleep_max().map_or(sleep, |max| max.min(sleep)));
        }
        let is_quiet = self.stop();
        let Worker { service, .. } = self;
        service.leave_memory(is_quiet);
    }

    fn listen(&mut self, number: u32) {
        let listener = &self.listeners[number as usize];
        let fd = listener.source.as_raw_fd();
        match listener.source {
            Source::Udp(_) => self.ring.poll(fd, number),
            Source::Tcp(_) | Source::Unix(..) => self.ring.accept(fd, number),
        }
    }

    fn has_work(&self) -> bool {
        self.upkeep_waiting
            || self.service.rewriting.has_work() && self.service.shard.journal.has_room()
            || !self.service.listed.is_empty()
            || !self.service.put_off.is_empty()
            || self.service.waits.has_ready()
            || self.service.transactions.has_granted()
            || self.service.awaits_turns()
            || self.service.script_runs.has_paused()
            || self.service.pubsub.has_leaving()
            || self.service.saving.has_work()
            || self.ring.has_taken_events()
    }

    fn inbox_sleeps(&self) -> bool {
        let (shared, own) = (&self.service.shared, self.service.shard.id);
        let sleeps = shared.inboxes[own].prepare_to_sleep();
        if sleeps {
            shared.flow.sleep(own);
        }
        sleeps
    }

    /// One turn. Whether anything but upkeep happened.
    fn turn(&mut self, wait: Option<Duration>) -> bool {
        self.ring.enter(wait);
        self.service.shared.inboxes[self.service.shard.id].awake();
        self.clock.begin();
        self.service.set_now(unix_ms());
        self.service.turn.begin();
        self.service.begin_flow();
        self.take_files();
        let mut active = false;
        if !self.waits_for_disk() {
            // Messages come before what was received: a client that has seen what another shard did comes after its messages here.
            active |= self.take_messages();
            self.service.tend_flow();
            self.service.end_waits();
            active |= self.service.resume_put_off();
            active |= self.take_events();
            self.service.run_granted();
            self.service.resume_scripts();
            self.service.serve_awaited();
            self.service.save_slice();
        }
        self.service.release_subscriptions();
        self.service.post_notifications();
        self.service.release_replies();
        self.settle_listed();
        self.service.post_messages();
        self.upkeep(active);
        self.service.post_notifications();
        self.commit_log();
        self.service.metrics.enters = self.ring.enters;
        if let Some(us) = self.clock.end() {
            self.service.metrics.count_turn(us);
        }
        active
    }

    /// Takes what the ring has, as much as one turn may: the rest stays for the next, which does not sleep.
    fn take_events(&mut self) -> bool {
        let (mut cost, mut looked) = (0, 0);
        while cost < TURN_COST_MAX {
            if cost - looked >= LOOK_BYTES {
                looked = cost;
                if self.service.turn.takes_no_more() {
                    break;
                }
            }
            let Some(event) = self.ring.next_event() else {
                break;
            };
            cost += COST_OF_EVENT;
            match event {
                Event::Accepted {
                    listener,
                    result,
                    more,
                } => {
                    cost += COST_OF_ACCEPT;
                    self.accepted(listener, result, more);
                }
                Event::Readable { listener } => {
                    cost += self.take_datagrams(listener);
                }
                Event::Received {
                    token,
                    buffer,
                    len,
                    more,
                } => {
                    cost += len;
                    self.service
                        .receive(&mut self.batch, &self.ring, token, buffer, len);
                    self.received.push(buffer);
                    if !more {
                        self.receive_ended(token);
                    }
                }
                Event::ReceiveEnded { token, result } => self.receive_failed(token, result),
                Event::Sent {
                    token,
                    outgoing,
                    result,
                } => self.sent(token, outgoing, result),
                Event::Woken => self.ring.wake_on(self.wake.as_raw_fd()),
                Event::File { id, result, memory } => self.file_done(id, result, memory),
            }
        }
        self.service.execute_batch(&mut self.batch, &self.ring);
        for buffer in self.received.drain(..) {
            self.ring.release(buffer);
        }
        cost > 0
    }

    fn take_messages(&mut self) -> bool {
        let inbox = self.service.shared.inboxes[self.service.shard.id].clone();
        let mut active = false;
        let mut handovers = Vec::new();
        inbox.drain(|message| {
            active = true;
            for matter in self.service.take_message(message) {
                match matter.downcast::<Handover>() {
                    Ok(handover) => handovers.push(*handover),
                    Err(matter) => self.service.take_server_matter(matter),
                }
            }
        });
        for handover in handovers {
            self.add_connection(handover);
        }
        active
    }

    // ---- connections come ----

    fn accepted(&mut self, number: u32, result: io::Result<OwnedFd>, more: bool) {
        if !more && !self.service.shared.stopping.load(Ordering::Relaxed) {
            self.listen(number);
        }
        let listener = &self.listeners[number as usize];
        let dialect = listener.dialect;
        let Ok(socket) = result else { return };
        let shared = self.service.shared.clone();
        if shared.connections_total() >= self.service.config.maxclients {
            socket::refuse(socket.as_raw_fd(), too_many_clients(dialect));
            self.service.metrics.rejected_connections += 1;
            return;
        }
        let peer = match &listener.source {
            Source::Unix(_, path) => Peer::Unix(path.clone()),
            Source::Tcp(_) | Source::Udp(_) => {
                let fd = socket.as_raw_fd();
                let (Some(remote), Some(local)) =
                    (socket::peer_address(fd), socket::local_address(fd))
                else {
                    return;
                };
                Peer::Tcp { remote, local }
            }
        };
        if let Some(refusal) = self.service.protected_mode_refusal(&peer, dialect) {
            socket::refuse(socket.as_raw_fd(), refusal);
            self.service.metrics.rejected_connections += 1;
            return;
        }
        let own = self.service.shard.id;
        let target = shared.least_connected(own);
        shared.connections[target].0.fetch_add(1, Ordering::Relaxed);
        let handover = Handover {
            socket,
            peer,
            dialect,
        };
        if target == own {
            self.add_connection(handover);
        } else {
            self.service.hand_over(target, handover);
        }
    }

    fn add_connection(&mut self, handover: Handover) {
        let Handover {
            socket,
            peer,
            dialect,
        } = handover;
        if matches!(peer, Peer::Tcp { .. }) {
            socket::prepare_tcp(socket.as_raw_fd(), self.service.config.tcp_keepalive);
        }
        let token = self
            .service
            .add_connection(Socket::Stream(socket), peer, dialect);
        self.service.list(token.index);
    }

    /// Takes the datagrams that have come to a listener, as many as one turn may, and listens on. Returns what they cost.
    fn take_datagrams(&mut self, number: u32) -> usize {
        let mut cost = 0;
        let Source::Udp(socket) = &self.listeners[number as usize].source else {
            unreachable!("only sockets of datagrams are polled")
        };
        for _ in 0..DATAGRAMS_MAX {
            let Ok((len, remote)) = socket.recv_from(&mut self.datagram) else {
                break;
            };
            cost += COST_OF_ACCEPT + len;
            self.service
                .take_datagram(socket, remote, &self.datagram[..len]);
        }
        if !self.service.shared.stopping.load(Ordering::Relaxed) {
            self.listen(number);
        }
        cost
    }

    // ---- bytes come and go ----

    fn receive_ended(&mut self, token: Token) {
        if let Some(connection) = self.service.connection(token) {
            connection.receiving = false;
            connection.receive_cancelled = false;
            self.service.list(token.index);
        }
    }

    fn receive_failed(&mut self, token: Token, result: io::Result<()>) {
        let Some(connection) = self.service.connection(token) else {
            return;
        };
        match result {
            Ok(()) => connection.ended = true,
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOBUFS | libc::ECANCELED)) => {
            }
            Err(_) => connection.state = State::Closed,
        }
        self.receive_ended(token);
    }

    fn sent(&mut self, token: Token, outgoing: Outgoing, result: io::Result<usize>) {
        let expected = outgoing.len();
        if let Some(connection) = self.service.connection(token) {
            connection.sending_bytes = 0;
            if result.as_ref().ok() != Some(&expected) {
                connection.state = State::Closed;
            }
            self.service.list(token.index);
        }
        self.service.metrics.bytes_sent += result.unwrap_or(0) as u64;
        self.service.keep_buffer(outgoing.bytes);
    }

    // ---- the log ----

    /// Opens the shard's log where an earlier one has ended, and waits until it may be written to. An error says what the disk refused.
    pub fn open_log(&mut self, start: Start, disk: LogDisk) -> Result<(), String> {
        let disk = self.disk.insert(disk);
        let rule = self.service.config.appendfsync;
        let now_ms = self.started.elapsed().as_millis() as u64;
        let log = Log::open(
            Options::default(),
            rule,
            start,
            now_ms,
            unix_ms() as u64,
            disk,
        );
        self.service.shard.engine.set_journaling(Journaling::On);
        self.service.shard.journal.log = Some(Box::new(log));
        loop {
            self.commit_log();
            let log = self.service.shard.journal.log.as_ref();
            match log.expect("it was just opened").state() {
                LogState::Starting => {}
                LogState::Failed(failure) | LogState::Unusable(failure) => {
                    return Err(format!(
                        "the log of shard {} cannot be written ({failure}); give it room and permission, or say --appendonly no",
                        self.service.shard.id
                    ));
                }
                LogState::Ready | LogState::Stopped => return Ok(()),
            }
            self.ring.enter(Some(SLEEP_ACTIVE));
            self.take_files();
        }
    }

    /// Begins the log that was asked for at run time. What the disk refuses shows as a log that fails.
    #[cold]
    fn begin_log(&mut self) {
        let is_on = self.service.shard.journal.is_on();
        if !is_on && self.disk.as_ref().is_some_and(|disk| !disk.is_idle()) {
            // The one before has not ended.
            return;
        }
        let beginning = self.service.shared.log_home.beginning();
        if let Some((identity, directory)) = beginning.filter(|_| !is_on) {
            match LogDisk::new(&directory) {
                Ok(disk) => self.begin_log_on(disk, identity),
                Err(error) => {
                    let text = format!("{} is not a log: {error}", directory.display());
                    self.service.shared.say(LogLevel::Warning, text);
                }
            }
        }
        self.service.log_has_begun();
        self.service.post_messages();
    }

    fn begin_log_on(&mut self, disk: LogDisk, identity: [u8; 16]) {
        let disk = self.disk.insert(disk);
        let (id, count) = (self.service.shard.id as u32, self.service.shards() as u32);
        let rule = self.service.config.appendfsync;
        let now_ms = self.started.elapsed().as_millis() as u64;
        let start = Start::fresh(identity, id, count);
        let log = Log::open(
            Options::default(),
            rule,
            start,
            now_ms,
            unix_ms() as u64,
            disk,
        );
        self.service.begin_log(log);
    }

    /// Writes the images of all keys into a log that begins, before anybody is served, and waits until they are durable.
    pub fn write_all_keys(&mut self) -> Result<(), String> {
        let databases = self.service.shard.engine.databases();
        let (mut db, mut cursor) = (0, 0);
        self.service.journal_libraries();
        loop {
            let shard = &mut self.service.shard;
            let (engine, journal) = (&mut shard.engine, &mut shard.journal);
            while journal.has_room() {
                if journal.large.is_open() {
                    journal.write_piece(engine, || true);
                } else if let Some((db, key)) = journal.large.next(true) {
                    journal.open_large(engine, db, &key);
                } else if db < databases {
                    cursor = engine.scan(db, cursor, 64, &mut |engine, item| {
                        journal.walked(engine, db, item);
                    });
                    db += usize::from(cursor == 0);
                } else {
                    break;
                }
            }
            let is_over = db == databases && journal.large.is_empty();
            if let Some(log) = &mut journal.log
                && is_over
            {
                log.require_durable();
                if log.durable_sequence() == log.sequence() {
                    return Ok(());
                }
            }
            self.commit_log();
            let log = self.service.shard.journal.log.as_ref();
            let state = log.map(|log| log.state());
            if let Some(LogState::Failed(failure) | LogState::Unusable(failure)) = state {
                return Err(format!(
                    "the log of shard {} cannot be written anew: {failure}",
                    self.service.shard.id
                ));
            }
            self.ring.enter(Some(SLEEP_ACTIVE));
            self.take_files();
        }
    }

    /// Takes what the disk has done.
    fn take_files(&mut self) {
        if self.disk.is_some() {
            while let Some(event) = self.ring.next_file() {
                if let Event::File { id, result, memory } = event {
                    self.file_done(id, result, memory);
                }
            }
        }
    }

    /// Whether the log's buffers are used up: then nothing is begun before the disk has taken some of it. One that the disk refuses is waited for by
    /// nobody; writes are refused then.
    fn waits_for_disk(&self) -> bool {
        let log = self.service.shard.journal.log.as_ref();
        log.is_some_and(|log| log.is_full() && log.state() == LogState::Ready)
    }

    fn file_done(
        &mut self,
        id: u64,
        result: io::Result<FileDone>,
        memory: Option<Box<dyn FileMemory>>,
    ) {
        let disk = self.disk.as_mut().expect("only the log has files");
        let completion = disk.completed(&mut self.ring, id, result, memory);
        if let (Some(completion), Some(log)) = (completion, &mut self.service.shard.journal.log) {
            log.completed(completion, disk);
        }
    }

    /// Ends the turn of the log: what was written down goes to the disk with the ring's next call.
    fn commit_log(&mut self) {
        if self.service.log_beginnings.is_wanted() {
            self.begin_log();
        }
        self.service.shard.journal_lost();
        let (Some(disk), Some(log)) = (&mut self.disk, &mut self.service.shard.journal.log) else {
            return;
        };
        let now_ms = self.started.elapsed().as_millis() as u64;
        self.service.log_now_ms = now_ms;
        if log.is_urgent() || !log.has_room() || now_ms >= self.commit_at_ms {
            self.commit_at_ms = now_ms + COMMIT_INTERVAL_MS;
            log.commit(now_ms, disk);
            log.retry(now_ms, disk);
        }
        if !self.stops {
            self.service.rewrite_step(disk);
        }
        disk.start(&mut self.ring);
        self.service.note_log_state();
    }

    /// Makes everything durable, and says in the log that nothing is missing.
    fn close_log(&mut self) {
        self.stops = true;
        let deadline = Instant::now() + Duration::from_secs(STOP_SECONDS_MAX);
        while let (Some(disk), Some(log)) = (&mut self.disk, &mut self.service.shard.journal.log) {
            let now_ms = self.started.elapsed().as_millis() as u64;
            log.stop(now_ms, disk);
            log.retry(now_ms, disk);
            disk.start(&mut self.ring);
            if log.state() == LogState::Stopped && log.is_idle() || Instant::now() >= deadline {
                return;
            }
            self.ring.enter(Some(SLEEP_ACTIVE));
            self.take_files();
        }
    }

    // ---- the end of a turn ----

    fn settle_listed(&mut self) {
        // Resuming a connection may list others or itself again; those wait for the next turn, which then does not sleep.
        let mut listed = std::mem::take(&mut self.listed);
        std::mem::swap(&mut listed, &mut self.service.listed);
        listed.iter().for_each(|index| self.go_on(*index));
        // Replies leave when the ring has no more room for them, at the latest with the next turn; what has been done for them must be on its way before.
        self.service.post_messages();
        for index in listed.drain(..) {
            self.settle(index);
        }
        self.listed = listed;
    }

    /// Goes on with the waiting requests of a connection.
    fn go_on(&mut self, index: u32) {
        let Some(connection) = self.service.connection_at(index) else {
            return;
        };
        connection.listed = false;
        if let Socket::Script(script) = connection.socket {
            return self.service.script_answered(script);
        }
        if connection.ended && connection.hold == Some(Hold::Blocked) {
            // Nobody is there any more to be given what it waits for.
            connection.state = State::Closed;
        }
        if connection.may_execute() {
            if connection.stalled || !connection.deferred.is_empty() {
                self.service.resume(index);
            }
            let Some(connection) = self.service.connection_at(index) else {
                return;
            };
            if connection.ended && connection.may_execute() && !connection.is_put_off {
                connection.state = State::Finishing;
            }
        }
    }

    /// Does the rest for one connection that the turn made necessary: sends, receives, ends. No request is executed any more.
    fn settle(&mut self, index: u32) {
        let connection = self.service.connection_at(index);
        if connection.is_none_or(|connection| connection.is_inner()) {
            return;
        }
        self.service.enforce_output_limit(index);
        let holds = self.service.holds_replies(index);
        let Some(connection) = self.service.connection_at(index) else {
            return;
        };
        let fd = connection.socket.as_raw_fd();
        if connection.state != State::Closed
            && connection.sending_bytes == 0
            && connection.replies.is_ready()
            && !connection.has_more_soon()
            && !holds
        {
            if let Socket::Datagram { request, .. } = connection.socket {
                if connection.replies.waiting() == 0 {
                    self.service.send_datagrams(index, request);
                }
            } else {
                let (bytes, large) = connection.replies.take_ready();
                let outgoing = Outgoing { bytes, large };
                connection.sending_bytes = outgoing.len();
                self.ring.send(fd, connection.token, outgoing);
            }
        }
        let Some(connection) = self.service.connection_at(index) else {
            return;
        };
        match connection.state {
            State::Open => {
                let wants =
                    connection.may_execute() || connection.input_bytes() < INPUT_STALL_BYTES;
                if wants && !connection.receiving && !connection.ended {
                    connection.receiving = true;
                    self.ring.receive(fd, connection.token);
                } else if !wants && connection.receiving && !connection.receive_cancelled {
                    connection.receive_cancelled = true;
                    self.ring.cancel_receive(connection.token);
                }
            }
            State::Finishing => {
                if connection.sending_bytes == 0
                    && connection.replies.waiting() == 0
                    && !connection.replies.is_ready()
                {
                    connection.state = State::Closed;
                    self.end(index);
                }
            }
            State::Closed => self.end(index),
        }
    }

    /// Shuts a connection down, and lets it go once the kernel has.
    fn end(&mut self, index: u32) {
        let Some(connection) = self.service.connection_at(index) else {
            return;
        };
        let token = connection.token;
        self.service.unblock(token, None);
        self.service.subscriber_left(token);
        self.service.end_tracking(token);
        self.service.end_monitoring(token);
        let Some(connection) = self.service.connection_at(index) else {
            return;
        };
        if connection.receiving || connection.sending_bytes > 0 {
            socket::shutdown(connection.socket.as_raw_fd());
        } else if connection.session.exec.is_none() {
            // What is being carried out as one is carried out to the end.
            self.service.unwatch_all(index);
            self.service.remove_connection(index);
        }
    }

    fn upkeep(&mut self, active: bool) {
        let now = Instant::now();
        if self.upkeep_waiting || now - self.upkeep_at >= UPKEEP_INTERVAL {
            self.upkeep_at = now;
            let units = if active {
                UPKEEP_UNITS_BUSY
            } else {
                UPKEEP_UNITS_IDLE
            };
            // What a transaction has seen does not expire while it lasts.
            let engine = &mut self.service.shard.engine;
            engine.set_sweeping(self.service.transactions.is_quiet_but_for_walks());
            // Nor does what a walk over all keys has begun to write become shorter.
            engine.keep_fields(self.service.transactions.has_walks());
            self.upkeep_waiting = engine.upkeep(units);
        }
        if now - self.housekeeping_at >= HOUSEKEEPING_INTERVAL {
            self.housekeeping_at = now;
            self.service.housekeeping(self.ring.bytes());
        }
    }

    // ---- the end ----

    /// Finishes what was received: no new connections, what the kernel has received is executed, replies are sent, then everything ends. Whether it was all done in time.
    fn stop(&mut self) -> bool {
        let shared = self.service.shared.clone();
        for number in 0..self.listeners.len() {
            self.ring.cancel_accept(number as u32);
        }
        let deadline = Instant::now() + Duration::from_secs(STOP_SECONDS_MAX);
        let mut reading_until = Some(Instant::now() + Duration::from_millis(100));
        let mut quiet = false;
        while Instant::now() < deadline {
            let active = self.turn(Some(Duration::from_millis(2)));
            if let Some(until) = reading_until {
                if !active || Instant::now() >= until {
                    reading_until = None;
                    self.end_receiving();
                }
                continue;
            }
            let busy = active || self.service.has_unfinished();
            if !busy && !quiet {
                quiet = true;
                shared.shards_quiet.fetch_add(1, Ordering::AcqRel);
            }
            if shared.shards_quiet.load(Ordering::Acquire) == shared.shards() {
                break;
            }
        }
        self.service.save_at_stop();
        self.close_log();
        shared.shards_quiet.load(Ordering::Acquire) == shared.shards()
    }

    /// Reads no more from anybody.
    fn end_receiving(&mut self) {
        self.service.pause = None;
        self.service.end_pauses();
        self.service.end_all_waits();
        for index in self.service.indexes() {
            let Some(connection) = self.service.connection_at(index) else {
                continue;
            };
            connection.ended = true;
            if let Some(Hold::Sleep { place, .. }) = connection.hold {
                connection.replies.fill(place, b"+OK\r\n", &[]);
                connection.hold = None;
            }
            if connection.receiving && !connection.receive_cancelled {
                connection.receive_cancelled = true;
                self.ring.cancel_receive(connection.token);
            }
            self.service.list(index);
        }
    }
}
