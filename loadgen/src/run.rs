//! A whole run: opens the connections, starts the threads, shows progress, adds up what they counted.

use crate::args::{Plan, ProtocolName};
use crate::connect::{self, Socket};
use crate::epoll::Epoll;
use crate::error::{Error, Result};
use crate::histogram::Histogram;
use crate::protocol::{
    memcache_binary::MemcacheBinary, memcache_meta::MemcacheMeta, memcache_text::MemcacheText,
    resp::Resp,
};
use crate::ring::Ring;
use crate::stats::{Series, Stats};
use crate::subscribers::Subscribers;
use crate::transport::Transport;
use crate::worker::{IntervalReport, Load, Phase, PhaseKind, Shared, Worker};
use crate::workload::{Shape, Workload, WorkloadName};
use std::io::{IsTerminal, Write};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Barrier};
use std::time::{Duration, Instant};

/// How long before a lost connection is tried again.
const RETRY: Duration = Duration::from_millis(10);

/// What a run came to.
#[derive(Debug)]
pub struct Outcome {
    /// Everything counted while measuring.
    pub stats: Stats,
    /// Latencies over time.
    pub series: Series,
    /// Times to connect.
    pub connect: Histogram,
    /// Length of the measurement.
    pub elapsed: Duration,
    /// Processor time of all threads while measuring.
    pub cpu: Duration,
    /// What subscribers have received of a workload that publishes.
    pub pushed_bytes: u64,
    /// Due requests of an open loop that the run ended before sending.
    pub unsent: u64,
    /// `io_uring` or `epoll`.
    pub network: &'static str,
    /// Why the run ended early, if it did.
    pub failure: Option<Error>,
    /// Whether it was interrupted.
    pub interrupted: bool,
}

/// What one thread came to.
struct Part {
    stats: Stats,
    unsent: u64,
    connect: Histogram,
    start: Instant,
    end: Instant,
    cpu: Duration,
    network: &'static str,
    failure: Option<Error>,
}

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

extern "C" fn on_interrupt(_signal: libc::c_int) {
    // A second one ends the process the usual way, should the first get stuck.
    if INTERRUPTED.swap(true, Ordering::Relaxed) {
        // SAFETY: _exit is async-signal-safe.
        unsafe { libc::_exit(130) };
    }
}

/// Makes Ctrl-C end a run with its summary. Only the binary calls this: a library does not take signals.
pub fn catch_interrupts() {
    let handler = on_interrupt as extern "C" fn(libc::c_int);
    for signal in [libc::SIGINT, libc::SIGTERM] {
        // SAFETY: the handler only touches an atomic and calls _exit, both async-signal-safe.
        unsafe { libc::signal(signal, handler as libc::sighandler_t) };
    }
}

fn thread_cpu() -> Duration {
    // SAFETY: a zeroed rusage is valid, and the call fills it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_THREAD, &mut usage);
        usage
    };
    let time =
        |value: libc::timeval| Duration::new(value.tv_sec as u64, value.tv_usec as u32 * 1_000);
    time(usage.ru_utime) + time(usage.ru_stime)
}

pub(crate) fn pin(cpu: usize) -> Result<()> {
    // SAFETY: the set is a plain bit array, valid when zeroed, and `cpu` is below CPU_SETSIZE (checked when parsed).
    let result = unsafe {
        let mut set: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    if result == 0 {
        Ok(())
    } else {
        Err(Error::usage(format!(
            "cannot pin a thread to CPU {cpu}: {}",
            std::io::Error::last_os_error()
        )))
    }
}

/// Lets timers of this thread fire when they are due: an open loop needs better than the default 50 microseconds.
fn sharpen_timers() {
    // SAFETY: takes plain numbers and touches no memory; failing changes nothing but sharpness.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
}

/// Each connection needs a descriptor; the usual soft limit is 1024.
fn raise_descriptor_limit(wanted: usize) {
    let wanted = wanted as u64 + 100;
    // SAFETY: both calls get a valid rlimit structure.
    unsafe {
        let mut limit: libc::rlimit = std::mem::zeroed();
        if libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 && limit.rlim_cur < wanted {
            limit.rlim_cur = wanted.min(limit.rlim_max);
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
        }
    }
}

/// Runs the plan with the workload or the protocol it names.
pub fn run(plan: Plan) -> Result<Outcome> {
    if let Some(shape) = plan.workload {
        return run_workload(shape, plan);
    }
    match plan.args.protocol {
        ProtocolName::Resp => run_with(Resp, plan),
        ProtocolName::MemcacheText => run_with(MemcacheText, plan),
        ProtocolName::MemcacheMeta => run_with(MemcacheMeta, plan),
        ProtocolName::MemcacheBinary => run_with(MemcacheBinary, plan),
    }
}

fn run_workload(shape: Shape, plan: Plan) -> Result<Outcome> {
    if shape.name != WorkloadName::Publish {
        return run_with(Workload::new(shape), plan);
    }
    raise_descriptor_limit(plan.args.connections + (plan.keyspace * shape.members) as usize);
    let subscribers = Subscribers::start(&plan, shape.members)?;
    let outcome = run_with(Workload::new(shape), plan);
    let pushed_bytes = subscribers.finish();
    Ok(Outcome {
        pushed_bytes,
        ..outcome?
    })
}

fn phases(plan: &Plan) -> Vec<Phase> {
    let phase = |kind, requests, duration| Phase {
        kind,
        requests,
        duration,
        next: AtomicU64::new(0),
    };
    let mut phases = Vec::new();
    if plan.args.prefill {
        phases.push(phase(PhaseKind::Prefill, u64::MAX, None));
    }
    if let Some(warmup) = plan.args.warmup {
        // A trace warms up with its own beginning, and is then sent whole.
        let requests = plan
            .trace
            .as_ref()
            .map_or(u64::MAX, |trace| trace.len() as u64);
        phases.push(phase(
            PhaseKind::Warmup,
            requests,
            Some(Duration::from_secs_f64(warmup)),
        ));
    }
    phases.push(phase(PhaseKind::Measure, plan.requests, plan.duration));
    phases
}

fn run_with<P: Load>(protocol: P, plan: Plan) -> Result<Outcome> {
    raise_descriptor_limit(plan.args.connections);
    // One connection before any thread: what is wrong with the server is said once.
    drop(connect::open(&plan, &protocol)?);
    let plan = Arc::new(plan);
    let threads = plan.args.threads;
    let phases = Arc::new(phases(&plan));
    let shared = Arc::new(Shared {
        epoch: Instant::now(),
        stop: AtomicBool::new(false),
        replies: AtomicU64::new(0),
    });
    let barrier = Arc::new(Barrier::new(threads));
    let (reports, receiver) = mpsc::channel();
    let handles: Vec<_> = (0..threads)
        .map(|thread| {
            let (protocol, plan, phases) = (protocol.clone(), plan.clone(), phases.clone());
            let (shared, barrier, reports) = (shared.clone(), barrier.clone(), reports.clone());
            std::thread::Builder::new()
                .name(format!("load-{thread}"))
                .spawn(move || {
                    run_thread(protocol, plan, phases, shared, &barrier, thread, reports)
                })
                .map_err(|error| Error::run(format!("cannot start a thread: {error}")))
        })
        .collect();
    // The threads' senders alone keep the channel open: it closes when the last of them ends.
    drop(reports);
    if handles.iter().any(|handle| handle.is_err()) {
        // Threads that wait for one that never started would wait for ever.
        handles.into_iter().collect::<Result<Vec<_>>>()?;
        unreachable!("one of the handles is an error");
    }
    let series = watch(&plan, &phases, &shared, &receiver);
    let parts = handles
        .into_iter()
        .flatten()
        .map(|handle| handle.join().expect("a worker does not panic"));
    Ok(sum_up(parts.collect(), series, plan.operations().len()))
}

fn sum_up(parts: Vec<Part>, series: Series, operations: usize) -> Outcome {
    let start = parts
        .iter()
        .map(|part| part.start)
        .min()
        .expect("at least one thread");
    let end = parts
        .iter()
        .map(|part| part.end)
        .max()
        .expect("at least one thread");
    let mut outcome = Outcome {
        stats: Stats::new(operations),
        series,
        connect: Histogram::default(),
        elapsed: end.duration_since(start),
        cpu: parts.iter().map(|part| part.cpu).sum(),
        pushed_bytes: 0,
        unsent: parts.iter().map(|part| part.unsent).sum(),
        network: parts[0].network,
        failure: None,
        interrupted: INTERRUPTED.load(Ordering::Relaxed),
    };
    for part in parts {
        outcome.stats.merge(&part.stats);
        outcome.connect.merge(&part.connect);
        outcome.failure = outcome.failure.or(part.failure);
    }
    outcome
}

fn run_thread<P: Load>(
    protocol: P,
    plan: Arc<Plan>,
    phases: Arc<Vec<Phase>>,
    shared: Arc<Shared>,
    barrier: &Barrier,
    thread: usize,
    reports: Sender<IntervalReport>,
) -> Part {
    let now = Instant::now();
    let mut part = Part {
        stats: Stats::new(plan.operations().len()),
        unsent: 0,
        connect: Histogram::default(),
        start: now,
        end: now,
        cpu: Duration::ZERO,
        network: "none",
        failure: None,
    };
    let numbers: Vec<usize> = (thread..plan.args.connections)
        .step_by(plan.args.threads)
        .collect();
    let opened = prepare(&protocol, &plan, thread, numbers.len());
    // Every thread passes every barrier, also after a failure, so that none is waited for in vain.
    match opened {
        Err(failure) => {
            shared.stop.store(true, Ordering::Relaxed);
            part.failure = Some(failure);
            for _ in phases.iter() {
                barrier.wait();
            }
        }
        Ok(sockets) => {
            for socket in &sockets {
                part.connect.record(socket.connect_ns);
            }
            let descriptors: Vec<_> = sockets.iter().map(AsRawFd::as_raw_fd).collect();
            let reply_size = plan.reply_size().saturating_mul(plan.args.pipeline);
            let ring = if plan.args.epoll {
                None
            } else {
                Ring::new(&descriptors, reply_size).ok()
            };
            // Those of before as well: what the kernel still does with them ends with their ring.
            let mut opened = vec![sockets];
            let (again, count) = ((protocol.clone(), plan.clone()), numbers.len());
            let mut reopen = || {
                let sockets = open_again(&again.0, &again.1, count, &shared)?;
                let descriptors: Vec<_> = sockets.iter().map(AsRawFd::as_raw_fd).collect();
                opened.push(sockets);
                Ok(descriptors)
            };
            let failed = |error: std::io::Error| Error::run(format!("cannot open again: {error}"));
            match ring {
                Some(ring) => {
                    part.network = "io_uring";
                    let worker = Worker::new(
                        protocol,
                        ring,
                        plan,
                        shared.clone(),
                        thread,
                        &numbers,
                        reports,
                    );
                    let reopen = || Ring::new(&reopen()?, reply_size).map_err(failed);
                    drive(worker, &phases, &shared, barrier, &mut part, reopen);
                }
                None => {
                    part.network = "epoll";
                    if thread == 0 && !plan.args.epoll && !plan.args.quiet {
                        eprintln!("loadgen: no io_uring to be had here, using epoll");
                    }
                    let epoll = Epoll::new(&descriptors).expect("epoll exists on every Linux");
                    let worker = Worker::new(
                        protocol,
                        epoll,
                        plan,
                        shared.clone(),
                        thread,
                        &numbers,
                        reports,
                    );
                    let reopen = || Epoll::new(&reopen()?).map_err(failed);
                    drive(worker, &phases, &shared, barrier, &mut part, reopen);
                }
            }
        }
    }
    part
}

fn prepare<P: Load>(protocol: &P, plan: &Plan, thread: usize, count: usize) -> Result<Vec<Socket>> {
    if !plan.cpus.is_empty() {
        pin(plan.cpus[thread % plan.cpus.len()])?;
    }
    sharpen_timers();
    (0..count).map(|_| connect::open(plan, protocol)).collect()
}

/// Opens a thread's connections again, as soon as the server is back.
fn open_again<P: Load>(
    protocol: &P,
    plan: &Plan,
    count: usize,
    shared: &Shared,
) -> Result<Vec<Socket>> {
    let patience = Duration::from_secs_f64(plan.args.reconnect.unwrap_or(0.0));
    let deadline = Instant::now() + patience;
    let mut sockets = Vec::with_capacity(count);
    while sockets.len() < count {
        match connect::open(plan, protocol) {
            Ok(socket) => sockets.push(socket),
            Err(error) => {
                if Instant::now() >= deadline || shared.stop.load(Ordering::Relaxed) {
                    return Err(error);
                }
                std::thread::sleep(RETRY);
            }
        }
    }
    Ok(sockets)
}

fn drive<P: Load, T: Transport>(
    mut worker: Worker<P, T>,
    phases: &[Phase],
    shared: &Shared,
    barrier: &Barrier,
    part: &mut Part,
    mut reopen: impl FnMut() -> Result<T>,
) {
    for phase in phases {
        if barrier.wait().is_leader() {
            shared.replies.store(0, Ordering::Relaxed);
        }
        let cpu = thread_cpu();
        part.start = Instant::now();
        if !shared.stop.load(Ordering::Relaxed)
            && let Err(failure) = worker.run(phase, &mut reopen)
        {
            part.failure = Some(failure);
            shared.stop.store(true, Ordering::Relaxed);
        }
        part.end = Instant::now();
        part.cpu = thread_cpu() - cpu;
    }
    (part.stats, part.unsent) = worker.into_counts();
}

/// Collects the intervals and shows progress until all threads are done.
fn watch(
    plan: &Plan,
    phases: &[Phase],
    shared: &Shared,
    receiver: &Receiver<IntervalReport>,
) -> Series {
    let mut series = Series::new(plan.interval.as_nanos() as u64);
    let progress = !plan.args.quiet && std::io::stderr().is_terminal();
    let start = Instant::now();
    let (mut shown, mut shown_replies) = (start, 0);
    loop {
        match receiver.recv_timeout(Duration::from_millis(50)) {
            Ok(report) => series.add(report.number, &report.latency),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if INTERRUPTED.load(Ordering::Relaxed) {
            shared.stop.store(true, Ordering::Relaxed);
        }
        let passed = shown.elapsed();
        if progress && passed >= Duration::from_millis(250) {
            let replies = shared.replies.load(Ordering::Relaxed);
            let rate = replies.saturating_sub(shown_replies) as f64 / passed.as_secs_f64();
            let kind = match phases
                .iter()
                .rev()
                .find(|phase| phase.next.load(Ordering::Relaxed) > 0)
            {
                Some(phase) if phase.kind == PhaseKind::Measure => "measuring",
                Some(_) => "warming up",
                None => "filling",
            };
            let seconds = start.elapsed().as_secs_f64();
            eprint!("\r{kind}: {seconds:6.1} s  {replies:>12} replies  {rate:>10.0}/s \x1b[K");
            let _ = std::io::stderr().flush();
            (shown, shown_replies) = (Instant::now(), replies);
        }
    }
    if progress {
        eprint!("\r\x1b[K");
    }
    series
}
