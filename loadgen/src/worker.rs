//! One thread's loop: build a batch for every idle connection, hand all of them to the kernel at once, read what came.
//!
//! A connection sends a batch only when all replies to the one before are in. Nothing is allocated per request: batches
//! are written into output buffers that stay, replies are skimmed in the receive buffer. The clock is read twice per
//! pass: right before the sends go out, and right after the wait, before any reply is looked at.

mod replies;

use crate::args::Plan;
use crate::error::{Error, Result};
use crate::histogram::Histogram;
use crate::keys::KeyPicker;
use crate::protocol::{Asked, Operation, Protocol};
use crate::random::{Random, mix};
use crate::stats::Stats;
use crate::trace::Key;
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
    prefilled: u64,
    ledger: Option<Ledger>,
    /// The value being received, when it is to be checked; it may come in pieces between those of other connections.
    body: Vec<u8>,
}

/// What building a batch came to.
enum Batch {
    Ready,
    NotDue(u64),
    Exhausted,
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
pub struct Worker<P: Protocol, T: Transport> {
    transport: T,
    state: State<P>,
}

struct State<P: Protocol> {
    protocol: P,
    plan: Arc<Plan>,
    shared: Arc<Shared>,
    thread: usize,
    connections: Vec<Connection<P::Reader>>,
    idle: VecDeque<u32>,
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
    /// Requests of an open loop that were due but not sent when the run ended.
    unsent: u64,
    measuring: bool,
    start_ns: u64,
    schedule: Option<Schedule>,
}

impl<P: Protocol, T: Transport> Worker<P, T> {
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
                prefilled: *number as u64,
                body: Vec::new(),
                ledger: args.verify.map(|mode| {
                    let strict = mode == VerifyMode::Strict;
                    let first = *number as u64;
                    Ledger::new(
                        first,
                        total,
                        args.keyspace,
                        args.seed,
                        strict,
                        Ttl {
                            ttl_ms: plan.ttl_ms,
                            early_ms: plan.ttl_early_ms,
                            margin_ms: args.ttl_margin,
                        },
                    )
                }),
            })
            .collect();
        let state = State {
            picker: KeyPicker::new(args.key_dist, args.keyspace, args.seed),
            pool: ValuePool::new(args.seed),
            random: Random::new(args.seed ^ mix(thread as u64 + 1)),
            many: Vec::with_capacity(args.multi_get as usize),
            ratio_total: plan.ratio.iter().map(|part| u64::from(*part)).sum(),
            idle: (0..numbers.len() as u32).collect(),
            connections,
            stats: Stats::default(),
            interval: Histogram::default(),
            interval_number: 0,
            reports,
            last_reply_ns: 0,
            failure: None,
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

    /// Runs one phase to its end. After an error the worker is of no more use but for its counts.
    pub fn run(&mut self, phase: &Phase) -> Result<()> {
        let outcome = self.state.begin(phase).and_then(|()| self.run_loop(phase));
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
            let mut exhausted = now_ns >= end_ns;
            while !exhausted && let Some(connection) = state.idle.pop_front() {
                match state.build(
                    connection as usize,
                    phase,
                    transport.output(connection as usize),
                    now_ns,
                ) {
                    Batch::Ready => started.push(connection),
                    Batch::NotDue(at_ns) => {
                        state.idle.push_front(connection);
                        wait = wait.min(Duration::from_nanos(at_ns.saturating_sub(now_ns)));
                        break;
                    }
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
            if exhausted && started.is_empty() && state.idle.len() == state.connections.len() {
                return Ok(());
            }
            if !started.is_empty() {
                let sent_ns = state.now_ns();
                for connection in started.drain(..) {
                    state.connections[connection as usize].sent_ns = sent_ns;
                    transport.send(connection as usize);
                }
            }
            if !exhausted {
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
            let waiting = state.idle.len() < state.connections.len();
            if !waiting {
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

impl<P: Protocol> State<P> {
    fn now_ns(&self) -> u64 {
        self.shared.epoch.elapsed().as_nanos() as u64
    }

    fn begin(&mut self, phase: &Phase) -> Result<()> {
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
            let old = std::mem::take(&mut self.stats);
            self.stats.errors = old.errors;
            self.stats.wrong = old.wrong;
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
        let connection = &self.connections[connection as usize];
        match phase.kind {
            PhaseKind::Prefill => connection.prefilled < self.plan.args.keyspace,
            PhaseKind::Warmup | PhaseKind::Measure => !connection.fills.is_empty(),
        }
    }

    /// Writes the next batch of a connection.
    fn build(&mut self, connection: usize, phase: &Phase, out: &mut Vec<u8>, now_ns: u64) -> Batch {
        {
            let connection = &mut self.connections[connection];
            debug_assert_eq!(connection.answered, connection.slots.len());
            connection.slots.clear();
            connection.answered = 0;
        }
        let pipeline = self.plan.args.pipeline as u64;
        if phase.kind == PhaseKind::Prefill {
            for _ in 0..pipeline {
                let key = self.connections[connection].prefilled;
                if key >= self.plan.args.keyspace {
                    break;
                }
                self.connections[connection].prefilled += self.plan.args.connections as u64;
                self.write(connection, Operation::Set, key, 0, now_ns, out);
            }
        } else if !self.connections[connection].fills.is_empty() {
            let mut fills = std::mem::take(&mut self.connections[connection].fills);
            for request in fills.drain(..) {
                self.stats.fills += 1;
                self.write_traced(connection, Operation::Set, request, 0, out);
            }
            self.connections[connection].fills = fills;
        } else {
            let mut count = pipeline;
            if let Some(schedule) = &self.schedule {
                count = schedule
                    .due_by(now_ns)
                    .saturating_sub(schedule.issued)
                    .min(pipeline);
                if count == 0 {
                    return Batch::NotDue(schedule.due_ns(schedule.issued));
                }
            }
            let first = phase.next.fetch_add(count, Ordering::Relaxed);
            if first >= phase.requests {
                return Batch::Exhausted;
            }
            for request in first..(first + count).min(phase.requests) {
                let due_ns = self.schedule.as_mut().map_or(0, |schedule| {
                    schedule.issued += 1;
                    schedule.due_ns(schedule.issued - 1)
                });
                self.write_next(connection, request, due_ns, now_ns, out);
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

    #[inline]
    fn write_next(
        &mut self,
        connection: usize,
        request: u64,
        due_ns: u64,
        now_ns: u64,
        out: &mut Vec<u8>,
    ) {
        if let Some(trace) = &self.plan.trace {
            let operation = trace.request(request as usize).operation;
            return self.write_traced(connection, operation, request, due_ns, out);
        }
        let [set, get, _] = self.plan.ratio.map(u64::from);
        let part = self.random.below(self.ratio_total);
        let operation = if part < set {
            Operation::Set
        } else if part < set + get {
            Operation::Get
        } else {
            Operation::Delete
        };
        if operation == Operation::Get && self.plan.args.multi_get > 1 {
            return self.write_many(connection, request, due_ns, out);
        }
        let key = self.pick(connection, request);
        self.write(connection, operation, key, due_ns, now_ns, out);
    }

    /// The key that belongs to a number, for a connection.
    #[inline]
    fn pick(&mut self, connection: usize, number: u64) -> u64 {
        let key = self.picker.pick(&mut self.random, number);
        match &self.connections[connection].ledger {
            Some(ledger) => ledger.own(key),
            None => key,
        }
    }

    /// Writes a read of several keys.
    fn write_many(&mut self, connection: usize, request: u64, due_ns: u64, out: &mut Vec<u8>) {
        let keys = self.plan.args.multi_get;
        self.many.clear();
        for place in 0..u64::from(keys) {
            let number = request.wrapping_mul(u64::from(keys)).wrapping_add(place);
            let key = self.pick(connection, number);
            self.many.push(key);
        }
        let format = &self.plan.key_format;
        self.protocol.write_get_many(&self.many, format, out);
        let asked = Asked {
            operation: Operation::Get,
            keys,
        };
        let Connection { slots, ledger, .. } = &mut self.connections[connection];
        slots.extend(self.many.iter().map(|key| Slot {
            asked,
            answered: false,
            key: *key,
            due_ns,
            expected: expected(ledger, *key),
        }));
    }

    /// Writes a request for a key of the keyspace.
    #[inline]
    fn write(
        &mut self,
        connection: usize,
        operation: Operation,
        key: u64,
        due_ns: u64,
        now_ns: u64,
        out: &mut Vec<u8>,
    ) {
        let format = &self.plan.key_format;
        let key_size = format.size();
        let write_key = |out: &mut Vec<u8>| format.write(key, out);
        let connection = &mut self.connections[connection];
        match operation {
            Operation::Get => self.protocol.write_get(write_key, key_size, out),
            Operation::Delete => {
                self.protocol.write_delete(write_key, key_size, out);
                if let Some(ledger) = &mut connection.ledger {
                    ledger.delete(key);
                }
            }
            Operation::Set => {
                let bits = self.random.bits();
                let size = self.plan.value_sizes.size(bits);
                let (pool, ledger) = (&self.pool, &mut connection.ledger);
                let value = |out: &mut Vec<u8>| match ledger {
                    Some(ledger) => ledger.write(key, size, now_ns, out),
                    None => pool.write(size, mix(bits), out),
                };
                self.protocol
                    .write_set(write_key, key_size, value, size, self.plan.ttl_ms, out);
            }
            Operation::Login => unreachable!("connections are logged in before the run"),
        }
        let slot = Slot {
            asked: Asked { operation, keys: 1 },
            answered: false,
            key,
            due_ns,
            expected: expected(&connection.ledger, key),
        };
        connection.slots.push(slot);
    }

    /// Writes a request of the trace, or the write that follows its miss.
    #[inline]
    fn write_traced(
        &mut self,
        connection: usize,
        operation: Operation,
        number: u64,
        due_ns: u64,
        out: &mut Vec<u8>,
    ) {
        let trace = self.plan.trace.as_ref().expect("only called with a trace");
        let request = trace.request(number as usize);
        let format = &self.plan.key_format;
        let (key_size, bits) = match request.key {
            Key::Number(key) => (format.size(), key),
            Key::Bytes(key) => (key.len(), hash(key)),
        };
        let write_key = |out: &mut Vec<u8>| match request.key {
            Key::Number(key) => format.write(key, out),
            Key::Bytes(key) => out.extend_from_slice(key),
        };
        match operation {
            Operation::Get => self.protocol.write_get(write_key, key_size, out),
            Operation::Delete => self.protocol.write_delete(write_key, key_size, out),
            Operation::Set => {
                // An object has the same size whenever it is written.
                let bits = mix(bits ^ self.plan.args.seed);
                let size = request
                    .value_size
                    .unwrap_or_else(|| self.plan.value_sizes.size(bits));
                let ttl_ms = match request.ttl_seconds {
                    0 => self.plan.ttl_ms,
                    seconds => u64::from(seconds) * 1_000,
                };
                let pool = &self.pool;
                let value = |out: &mut Vec<u8>| pool.write(size, mix(bits), out);
                self.protocol
                    .write_set(write_key, key_size, value, size, ttl_ms, out);
            }
            Operation::Login => unreachable!("a trace has no logins"),
        }
        let slot = Slot {
            asked: Asked { operation, keys: 1 },
            answered: false,
            key: number,
            due_ns,
            expected: Expectation::Anything,
        };
        self.connections[connection].slots.push(slot);
    }

    fn on_event(&mut self, event: Event<'_>, now_ns: u64) {
        let server = || self.plan.server();
        match event {
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

/// What a read sent now must find.
#[inline]
fn expected(ledger: &Option<Ledger>, key: u64) -> Expectation {
    ledger
        .as_ref()
        .map_or(Expectation::Anything, |ledger| ledger.expected(key))
}

fn hash(key: &[u8]) -> u64 {
    key.chunks(8).fold(key.len() as u64, |hash, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        mix(hash ^ u64::from_le_bytes(word))
    })
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
