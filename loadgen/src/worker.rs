//! One thread's loop: build a batch for every idle connection, hand all of them to the kernel at once, read what came.
//!
//! A connection sends a batch only when all replies to the one before are in. Nothing is allocated per request: batches
//! are written into output buffers that stay, replies are skimmed in the receive buffer. The clock is read twice per
//! pass: right before the sends go out, and right after the wait, before any reply is looked at.

mod collections;
mod key_value;
mod replies;

use crate::args::Plan;
use crate::error::{Error, Result};
use crate::histogram::Histogram;
use crate::keys::KeyPicker;
use crate::protocol::{Asked, Protocol};
use crate::random::{Random, mix};
use crate::stats::Stats;
use crate::transport::{Event, Transport};
use crate::values::ValuePool;
use crate::verify::{Expectation, Ledger, Ttl, VerifyMode};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// The longest wait: how quickly a stop is noticed.
const TICK: Duration = Duration::from_millis(100);

/// What a part of the run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PhaseKind {
    /// Writes every key once.
    Prefill,
    /// The load, not counted.
    Warmup,
    /// The load, counted.
    Measure,
}

/// A part of the run, shared by the threads.
#[derive(Debug)]
pub struct Phase {
    /// What it does.
    pub kind: PhaseKind,
    /// Requests after which it ends.
    pub requests: u64,
    /// Time after which it ends.
    pub duration: Option<Duration>,
    /// The number of the next request.
    pub next: AtomicU64,
}

/// What all threads share.
#[derive(Debug)]
pub struct Shared {
    /// The origin of all times.
    pub epoch: Instant,
    /// Set to end the run at once.
    pub stop: AtomicBool,
    /// Replies so far in this phase, for the progress line.
    pub replies: AtomicU64,
}

/// What a worker tells while it runs.
#[derive(Debug)]
pub struct IntervalReport {
    /// The number of the interval since the start of the measurement.
    pub number: u64,
    /// Latencies of the replies in it.
    pub latency: Histogram,
}

/// A key of a request under way. A request that reads several keys has as many slots, one after the other.
#[derive(Debug, Clone, Copy)]
struct Slot {
    asked: Asked,
    /// Whether the reply has told of this key.
    answered: bool,
    /// A key number, or the request's number in the trace.
    key: u64,
    /// When it was due; 0 in a closed loop, where the time of sending counts.
    due_ns: u64,
    expected: Expectation,
}

struct Connection<R> {
    slots: Vec<Slot>,
    /// Slots of requests whose replies are whole.
    answered: usize,
    /// The key of the first request thereafter that is probably told of next, counted from the request's first.
    place: usize,
    sending: bool,
    sent_ns: u64,
    reader: R,
    /// Trace requests that missed and are to be written next.
    fills: Vec<u64>,
    /// Keys to be looked at after a loss.
    to_read: Vec<u64>,
    prefilled: u64,
    /// Commands of that key that were sent.
    prefill_step: u64,
    ledger: Option<Ledger>,
    /// The value being received, when it is to be checked; it may come in pieces between those of other connections.
    body: Vec<u8>,
}

/// What building a batch came to.
enum Batch {
    Ready,
    NotDue(u64),
    Exhausted,
    /// It has nothing to send until others have sent something.
    Resting,
}

/// What a connection sends next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Requests of the common count.
    Share,
    /// Requests of its own, which follow from what was sent or answered before.
    Own,
    /// Nothing until another connection has sent something.
    Nothing,
}

/// What a worker sends over a protocol: keys and values ([`key_value`]) or commands of a workload ([`collections`]).
pub trait Load: Protocol {
    /// How many commands make a key in the prefill.
    fn prefill_steps(&self) -> u64 {
        1
    }

    /// How many requests come of each that is taken from the common count.
    fn requests_each(&self) -> u64 {
        1
    }

    /// Whether own requests are to be sent also when the time is over, since others wait for them.
    fn must_finish(&self) -> bool {
        false
    }

    /// What a connection sends next.
    fn next(state: &State<Self>, connection: usize) -> Next;

    /// Writes one of the commands that make a key.
    fn write_prefill(
        state: &mut State<Self>,
        connection: usize,
        key: u64,
        step: u64,
        now_ns: u64,
        out: &mut Vec<u8>,
    );

    /// Writes the requests of its own that a connection has, as many as a batch may hold.
    fn write_own(state: &mut State<Self>, connection: usize, out: &mut Vec<u8>);

    /// Writes the request with this number.
    fn write_next(
        state: &mut State<Self>,
        connection: usize,
        request: u64,
        due_ns: u64,
        now_ns: u64,
        out: &mut Vec<u8>,
    );
}

/// Even arrivals for one thread: request k is due at `start + k * interval`.
struct Schedule {
    start_ns: f64,
    interval_ns: f64,
    issued: u64,
}

impl Schedule {
    fn due_ns(&self, number: u64) -> u64 {
        (self.start_ns + number as f64 * self.interval_ns) as u64
    }

    /// How many requests are due by `now`, counted from the start.
    fn due_by(&self, now_ns: u64) -> u64 {
        let passed = now_ns as f64 - self.start_ns;
        if passed < 0.0 {
            0
        } else {
            (passed / self.interval_ns) as u64 + 1
        }
    }
}

/// A thread's part of the load.
pub struct Worker<P: Load, T: Transport> {
    transport: T,
    state: State<P>,
}

/// A worker without its network: what is under way, what was counted.
pub struct State<P: Load> {
    protocol: P,
    plan: Arc<Plan>,
    shared: Arc<Shared>,
    thread: usize,
    connections: Vec<Connection<P::Reader>>,
    idle: VecDeque<u32>,
    /// Connections that have nothing to send until others have sent something.
    resting: Vec<u32>,
    picker: KeyPicker,
    pool: ValuePool,
    random: Random,
    /// The keys of a read of several that is being written.
    many: Vec<u64>,
    ratio_total: u64,
    stats: Stats,
    interval: Histogram,
    interval_number: u64,
    reports: Sender<IntervalReport>,
    last_reply_ns: u64,
    failure: Option<Error>,
    /// A connection was lost, and is to be opened again.
    is_lost: bool,
    /// Requests of an open loop that were due but not sent when the run ended.
    unsent: u64,
    measuring: bool,
    start_ns: u64,
    schedule: Option<Schedule>,
}

impl<P: Load, T: Transport> Worker<P, T> {
    /// A worker for connections that are open and numbered `numbers` in the whole run.
    pub fn new(
        protocol: P,
        transport: T,
        plan: Arc<Plan>,
        shared: Arc<Shared>,
        thread: usize,
        numbers: &[usize],
        reports: Sender<IntervalReport>,
    ) -> Self {
        let args = &plan.args;
        let total = args.connections as u64;
        let connections = numbers
            .iter()
            .map(|number| Connection {
                slots: Vec::with_capacity(args.pipeline),
                answered: 0,
                place: 0,
                sending: false,
                sent_ns: 0,
                reader: P::Reader::default(),
                fills: Vec::with_capacity(args.pipeline),
                to_read: Vec::new(),
                prefilled: *number as u64,
                prefill_step: 0,
                body: Vec::new(),
                ledger: args.verify.map(|mode| {
                    let strict = mode == VerifyMode::Strict;
                    let first = *number as u64;
                    let mut ledger = Ledger::new(
                        first,
                        total,
                        plan.keyspace,
                        args.seed,
                        strict,
                        Ttl {
                            ttl_ms: plan.ttl_ms,
                            early_ms: plan.ttl_early_ms,
                            margin_ms: args.ttl_margin,
                        },
                    );
                    if args.reconnect.is_some() {
                        ledger.survive(args.lost_max);
                    }
                    ledger
                }),
            })
            .collect();
        let state = State {
            picker: KeyPicker::new(args.key_dist, plan.keyspace, args.seed),
            pool: ValuePool::new(args.seed),
            random: Random::new(args.seed ^ mix(thread as u64 + 1)),
            many: Vec::with_capacity(args.multi_get as usize),
            ratio_total: plan.ratio.iter().map(|part| u64::from(*part)).sum(),
            idle: (0..numbers.len() as u32).collect(),
            resting: Vec::new(),
            connections,
            stats: Stats::new(plan.operations().len()),
            interval: Histogram::default(),
            interval_number: 0,
            reports,
            last_reply_ns: 0,
            failure: None,
            is_lost: false,
            unsent: 0,
            measuring: false,
            start_ns: 0,
            schedule: None,
            protocol,
            plan,
            shared,
            thread,
        };
        Self { transport, state }
    }

    /// Runs one phase to its end. After an error the worker is of no more use but for its counts. `reopen` gives new connections in place of all, when one was lost and the plan
    /// says that this is not the end.
    pub fn run(&mut self, phase: &Phase, mut reopen: impl FnMut() -> Result<T>) -> Result<()> {
        let mut outcome = self.state.begin(phase).and_then(|()| self.run_loop(phase));
        while outcome.is_ok() && self.state.is_lost {
            outcome = reopen().and_then(|transport| {
                self.transport = transport;
                self.state.begin_again();
                self.run_loop(phase)
            });
        }
        self.state.finish(phase);
        outcome
    }

    fn run_loop(&mut self, phase: &Phase) -> Result<()> {
        let Self { transport, state } = self;
        let end_ns = phase.duration.map_or(u64::MAX, |duration| {
            state.start_ns + duration.as_nanos() as u64
        });
        let timeout_ns = (state.plan.args.timeout * 1e9) as u64;
        let lost = |error| {
            Error::run(format!(
                "the network interface of the kernel failed: {error}"
            ))
        };
        let mut started: Vec<u32> = Vec::with_capacity(state.connections.len());
        let mut now_ns = state.now_ns();
        loop {
            if state.shared.stop.load(Ordering::Relaxed) {
                return Ok(());
            }
            let mut wait = TICK;
            let is_over = now_ns >= end_ns || state.plan.is_ended();
            let mut exhausted =
                is_over && !state.protocol.must_finish() && !state.has_keys_to_read();
            while !exhausted && let Some(connection) = state.idle.pop_front() {
                match state.build(
                    connection as usize,
                    phase,
                    transport.output(connection as usize),
                    now_ns,
                    is_over,
                ) {
                    Batch::Ready => started.push(connection),
                    Batch::NotDue(at_ns) => {
                        state.idle.push_front(connection);
                        wait = wait.min(Duration::from_nanos(at_ns.saturating_sub(now_ns)));
                        break;
                    }
                    Batch::Resting => state.resting.push(connection),
                    Batch::Exhausted => {
                        // Others may have keys of their own to fill, or misses of a trace to answer.
                        state.idle.push_back(connection);
                        exhausted = !state
                            .idle
                            .iter()
                            .any(|other| state.has_own_work(*other, phase));
                    }
                }
            }
            if exhausted && started.is_empty() && state.is_quiet() {
                return Ok(());
            }
            if !started.is_empty() {
                let sent_ns = state.now_ns();
                for connection in started.drain(..) {
                    state.connections[connection as usize].sent_ns = sent_ns;
                    transport.send(connection as usize);
                }
            }
            if !is_over {
                wait = wait.min(Duration::from_nanos(end_ns.saturating_sub(now_ns)));
            }
            transport.wait(wait).map_err(lost)?;
            now_ns = state.now_ns();
            state.turn_interval(now_ns);
            transport
                .drain(|event| state.on_event(event, now_ns))
                .map_err(lost)?;
            if let Some(failure) = state.failure.take() {
                return Err(failure);
            }
            if state.is_lost {
                return Ok(());
            }
            if state.is_quiet() {
                state.last_reply_ns = now_ns;
            } else if now_ns.saturating_sub(state.last_reply_ns) > timeout_ns {
                return Err(Error::run(format!(
                    "{} sent no reply for {} s",
                    state.plan.server(),
                    state.plan.args.timeout
                )));
            }
        }
    }

    /// The counts, and how many due requests were never sent.
    pub fn into_counts(self) -> (Stats, u64) {
        (self.state.stats, self.state.unsent)
    }
}

impl<P: Load> State<P> {
    fn now_ns(&self) -> u64 {
        self.shared.epoch.elapsed().as_nanos() as u64
    }

    /// Whether no connection has anything under way.
    fn is_quiet(&self) -> bool {
        self.idle.len() + self.resting.len() == self.connections.len()
    }

    /// Whether a loss has left keys that nobody has looked at yet.
    fn has_keys_to_read(&self) -> bool {
        let mut connections = self.connections.iter();
        connections.any(|connection| !connection.to_read.is_empty())
    }

    /// Goes on with new connections. What was sent and not answered may have been carried out or not; when the others were lost is only known to be after the last reply.
    fn begin_again(&mut self) {
        let lost_ns = self.last_reply_ns;
        for connection in &mut self.connections {
            if let Some(ledger) = &mut connection.ledger {
                connection.to_read = ledger.lost(lost_ns);
            }
            connection.slots.clear();
            connection.answered = 0;
            connection.place = 0;
            connection.sending = false;
            connection.reader = P::Reader::default();
            connection.body.clear();
        }
        self.resting.clear();
        self.idle = (0..self.connections.len() as u32).collect();
        self.stats.reconnected += self.connections.len() as u64;
        self.is_lost = false;
        self.last_reply_ns = self.now_ns();
    }

    fn begin(&mut self, phase: &Phase) -> Result<()> {
        self.idle.extend(self.resting.drain(..));
        self.start_ns = self.now_ns();
        self.last_reply_ns = self.start_ns;
        self.measuring = phase.kind == PhaseKind::Measure;
        self.interval_number = 0;
        self.interval = Histogram::default();
        self.schedule = match self.plan.args.rate {
            Some(rate) if phase.kind != PhaseKind::Prefill => {
                let threads = self.plan.args.threads as f64;
                Some(Schedule {
                    start_ns: self.start_ns as f64 + self.thread as f64 * 1e9 / rate,
                    interval_ns: threads * 1e9 / rate,
                    issued: 0,
                })
            }
            _ => None,
        };
        Ok(())
    }

    fn finish(&mut self, phase: &Phase) {
        if self.measuring {
            self.send_interval();
            if let Some(schedule) = &self.schedule {
                let end = phase
                    .duration
                    .map_or(u64::MAX, |d| self.start_ns + d.as_nanos() as u64);
                let due = schedule
                    .due_by(self.now_ns().min(end))
                    .saturating_sub(schedule.issued);
                // A run that ended with its last request owes nothing.
                self.unsent = if phase.next.load(Ordering::Relaxed) >= phase.requests {
                    0
                } else {
                    due
                };
            }
        } else {
            // What was wrong stays wrong; everything else of an unmeasured phase is forgotten.
            let new = Stats::new(self.plan.operations().len());
            let old = std::mem::replace(&mut self.stats, new);
            self.stats.errors = old.errors;
            self.stats.first_error = old.first_error;
            self.stats.wrong = old.wrong;
            self.stats.reconnected = old.reconnected;
            self.stats.wrong_shown = old.wrong_shown;
            self.stats.verified = old.verified;
            self.stats.unverified = old.unverified;
        }
    }

    fn send_interval(&mut self) {
        let latency = std::mem::take(&mut self.interval);
        // The receiver is gone only when the run is being given up.
        let _ = self.reports.send(IntervalReport {
            number: self.interval_number,
            latency,
        });
    }

    fn turn_interval(&mut self, now_ns: u64) {
        if !self.measuring {
            return;
        }
        let number = (now_ns - self.start_ns) / self.plan.interval.as_nanos() as u64;
        if number != self.interval_number {
            self.send_interval();
            self.interval_number = number;
        }
    }

    /// Whether a connection has something to send that does not come from the common count of requests.
    fn has_own_work(&self, connection: u32, phase: &Phase) -> bool {
        match phase.kind {
            PhaseKind::Prefill => {
                self.connections[connection as usize].prefilled < self.plan.keyspace
            }
            PhaseKind::Warmup | PhaseKind::Measure => {
                P::next(self, connection as usize) == Next::Own
            }
        }
    }

    /// Writes the next batch of a connection.
    fn build(
        &mut self,
        connection: usize,
        phase: &Phase,
        out: &mut Vec<u8>,
        now_ns: u64,
        is_over: bool,
    ) -> Batch {
        {
            let connection = &mut self.connections[connection];
            debug_assert_eq!(connection.answered, connection.slots.len());
            connection.slots.clear();
            connection.answered = 0;
        }
        if phase.kind == PhaseKind::Prefill {
            self.write_prefill(connection, now_ns, out);
        } else {
            match P::next(self, connection) {
                Next::Nothing => return Batch::Resting,
                Next::Own => P::write_own(self, connection, out),
                Next::Share if is_over => return Batch::Exhausted,
                Next::Share => {
                    if let Some(batch) = self.write_share(connection, phase, out, now_ns) {
                        return batch;
                    }
                }
            }
        }
        let connection = &mut self.connections[connection];
        if connection.slots.is_empty() {
            return Batch::Exhausted;
        }
        connection.sending = true;
        self.stats.bytes_out += out.len() as u64;
        Batch::Ready
    }

    fn write_prefill(&mut self, connection: usize, now_ns: u64, out: &mut Vec<u8>) {
        let steps = self.protocol.prefill_steps();
        let stride = self.plan.args.connections as u64;
        for _ in 0..self.plan.args.pipeline {
            let filling = &mut self.connections[connection];
            let (key, step) = (filling.prefilled, filling.prefill_step);
            if key >= self.plan.keyspace {
                break;
            }
            filling.prefill_step += 1;
            if filling.prefill_step == steps {
                filling.prefill_step = 0;
                filling.prefilled += stride;
            }
            P::write_prefill(self, connection, key, step, now_ns, out);
        }
    }

    /// Writes requests of the common count, or says why there are none.
    #[inline]
    fn write_share(
        &mut self,
        connection: usize,
        phase: &Phase,
        out: &mut Vec<u8>,
        now_ns: u64,
    ) -> Option<Batch> {
        let mut count = self.plan.args.pipeline as u64;
        if let Some(schedule) = &self.schedule {
            count = schedule
                .due_by(now_ns)
                .saturating_sub(schedule.issued)
                .min(count);
            if count == 0 {
                return Some(Batch::NotDue(schedule.due_ns(schedule.issued)));
            }
        }
        let each = self.protocol.requests_each();
        let first = phase.next.fetch_add(count * each, Ordering::Relaxed);
        if first >= phase.requests {
            return Some(Batch::Exhausted);
        }
        let end = (first + count * each).min(phase.requests);
        let mut request = first;
        while request < end {
            let due_ns = self.schedule.as_mut().map_or(0, |schedule| {
                schedule.issued += 1;
                schedule.due_ns(schedule.issued - 1)
            });
            P::write_next(self, connection, request, due_ns, now_ns, out);
            request += each;
        }
        None
    }

    fn on_event(&mut self, event: Event<'_>, now_ns: u64) {
        let server = || self.plan.server();
        if self.is_lost {
            // What comes now is as good as not answered.
            return;
        }
        match event {
            Event::Closed(_) | Event::Failed(..) if self.plan.args.reconnect.is_some() => {
                self.is_lost = true;
            }
            Event::Received(connection, bytes) => {
                if let Err(what) = self.on_bytes(connection, bytes, now_ns) {
                    let server = self.plan.server();
                    self.failure.get_or_insert_with(|| {
                        Error::run(format!("protocol error from {server}: {what}"))
                    });
                }
            }
            Event::Sent(number) => {
                self.connections[number].sending = false;
                self.settle(number);
            }
            Event::Closed(_) => {
                let failure = Error::run(format!(
                    "{} closed a connection in the middle of the run",
                    server()
                ));
                self.failure.get_or_insert(failure);
            }
            Event::Failed(_, error) => {
                let failure = Error::run(format!("a connection to {} failed: {error}", server()));
                self.failure.get_or_insert(failure);
            }
        }
    }

    /// Makes a connection idle when its batch is sent and answered.
    #[inline]
    fn settle(&mut self, number: usize) {
        let connection = &self.connections[number];
        if !connection.sending && connection.answered == connection.slots.len() {
            self.idle.push_back(number as u32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_due_at_even_times() {
        let schedule = Schedule {
            start_ns: 1_000.0,
            interval_ns: 500.0,
            issued: 0,
        };
        assert_eq!(schedule.due_by(999), 0);
        assert_eq!(schedule.due_by(1_000), 1);
        assert_eq!(schedule.due_by(1_499), 1);
        assert_eq!(schedule.due_by(1_500), 2);
        assert_eq!(schedule.due_ns(1), 1_500);
        for number in 0..10_000 {
            assert!(schedule.due_by(schedule.due_ns(number)) > number);
        }
    }
}
