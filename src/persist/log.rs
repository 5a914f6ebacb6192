//! The log of one shard, as a state machine: records go in, operations come out, completions move the marks.
//!
//! Never: does I/O, waits, looks at a clock. The caller appends during a turn, calls [`Log::commit`] once at its end, hands every completion to
//! [`Log::completed`], and lets replies go when [`Log::durable_sequence`] (or [`Log::written_sequence`]) has reached them. It calls [`Log::retry`] and [`Log::commit`] now and then when
//! nothing happens, too: syncs become due by time.
//!
//! One write at a time ends within a block; while it is under way turns gather. So a slow disk makes commits larger and not more numerous.
//! A record begins in the segment that has room left and ends there, however long it is: the file grows beyond what was preallocated.

use super::buffer::Pool;
use super::disk::{Completion, Disk, DiskError, FileName, Operation, Ticket};
use super::frame::{BLOCK_BYTES, Identity, Position, RecordKind, position_note};
use super::job::{Job, JobKind, Step, publish_steps};
use super::manifest::Manifest;
use super::rewrite::{Rewrite, RewriteEnd};
use super::stream::{Owner, Stream};
use crate::config::AppendFsync;
use std::fmt;

/// Sizes, all bounds.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// As below, of the first segment of a start: little data should not take much of a disk.
    pub segment_bytes_first: u64,
    /// Bytes of a segment at which the next one begins, and which are preallocated. The last record may go beyond.
    pub segment_bytes: u64,
    /// Bytes of a buffer, which is the longest write.
    pub buffer_bytes: usize,
    /// Buffers of a log: those that gather, are under way, or wait for a sync. [`Log::is_full`] says when they are used up.
    pub buffers_max: usize,
    /// Writes under way at once.
    pub writes_in_flight_max: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            segment_bytes_first: 4 << 20,
            segment_bytes: 64 << 20,
            buffer_bytes: 256 << 10,
            // 8 MiB a shard: at a gigabyte a second what a device takes 8 ms to write.
            buffers_max: 32,
            // While one is under way the turns gather: a slow disk makes writes longer and not more numerous.
            writes_in_flight_max: 1,
        }
    }
}

/// Buffers that a turn may still fill after [`Log::is_full`] has begun to say so.
const BUFFERS_RESERVED: usize = 2;
/// How often a failed log is tried again.
const RETRY_MS: u64 = 1000;
/// How far behind `everysec` may be.
const EVERY_SECOND_MS: u64 = 1000;
/// `no` leaves it to the system, which writes back what is 30 s old; the device's own cache is what is left to flush here.
const NO_SYNC_MS: u64 = 30_000;
/// A sync under way for so long is late, as in Redis.
const LATE_MS: u64 = 2000;

/// Where a log continues, which recovery says.
#[derive(Debug, Clone)]
pub struct Start {
    /// The data set.
    pub identity: Identity,
    /// The shard.
    pub shard: u32,
    /// The server's shards.
    pub shards: u32,
    /// The manifest as it is on disk; `None` makes the first one.
    pub manifest: Option<Manifest>,
    /// The number of the new segment: greater than that of any file there is.
    pub number: u64,
    /// Where the log ends so far; the new segment's header makes it so for ever.
    pub predecessor: Position,
    /// The number of the next record.
    pub sequence: u64,
    /// Segments that are part of the log.
    pub segments: Vec<u64>,
    /// Bytes of the log in them.
    pub bytes: u64,
    /// Those of them that may not be durable yet, and will be before the new segment says they are.
    pub sync: Vec<u64>,
    /// Files that mean nothing any more; they are removed when the new segment's header is durable, never before.
    pub remove: Vec<FileName>,
}

impl Start {
    /// An empty log of a data set that begins.
    pub fn fresh(identity: Identity, shard: u32, shards: u32) -> Start {
        Start {
            identity,
            shard,
            shards,
            manifest: None,
            number: 1,
            predecessor: Position::default(),
            sequence: 1,
            segments: Vec::new(),
            bytes: 0,
            sync: Vec::new(),
            remove: Vec::new(),
        }
    }
}

/// An operation that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure {
    /// What was to be done.
    pub what: &'static str,
    /// To which file; the directory if none.
    pub file: Option<FileName>,
    /// Why it could not be.
    pub error: DiskError,
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.what)?;
        if let Some(file) = self.file {
            write!(out, " {file}")?;
        }
        write!(out, ": {}", self.error)
    }
}

/// How a log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Its first segment is not durable yet: nothing may be served.
    Starting,
    /// All is well.
    Ready,
    /// An operation failed and what was not durable then is not yet. Nothing is lost; writes are to be refused.
    Failed(Failure),
    /// What was found could not be made durable, and nobody knows what it is now. Nothing helps but recovery from the beginning.
    Unusable(Failure),
    /// Everything is durable, a clean end included.
    Stopped,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stopping {
    No,
    /// Until everything is durable.
    Draining,
    /// Until the clean end is.
    Ending,
}

/// See the module.
#[derive(Debug)]
pub struct Log {
    pub(super) options: Options,
    rule: AppendFsync,
    pub(super) owner: Owner,
    pub(super) stream: Stream,
    pub(super) manifest: Option<Manifest>,
    /// Segments whose files exist and belong to the log, but for those that are begun by this one.
    pub(super) segments_first: Vec<u64>,
    /// Bytes of the log in segments before the present one.
    pub(super) bytes_before: u64,
    leftovers: Vec<FileName>,
    segment_own_first: u64,
    /// Segments up to this one exist.
    segment_ready: u64,
    /// Whether records may be written: what came before is durable.
    running: bool,
    /// A sync of what recovery had read failed: it may be gone, although it was read.
    unusable: bool,
    pub(super) jobs: Vec<Job>,
    pub(super) rewrite: Option<Rewrite>,
    pub(super) rewrite_end: Option<RewriteEnd>,
    stopping: Stopping,
    next_ticket: u64,
    /// Records were appended since the last commit.
    commit_open: bool,
    pub(super) commit_wanted: bool,
    /// What the last record or header that names a position named.
    durable_said: Position,
    /// Up to here everything is to be durable as soon as possible.
    durable_wanted: Position,
    sync_ticket: Option<(Ticket, FileName)>,
    sync_began_ms: u64,
    /// A sync was due and another segment is left to be synced.
    sync_again: bool,
    failure: Option<Failure>,
    /// After a failure: being tried again; all is well when everything up to here is durable.
    recovering: Option<Position>,
    retry_at_ms: u64,
    pub(super) now_ms: u64,
    /// Unix time at the clock's zero.
    unix_offset_ms: u64,
}

impl Log {
    /// Opens the log: what was found becomes durable, then the new segment's header. `now_ms` is of a clock that never goes back.
    pub fn open(
        options: Options,
        rule: AppendFsync,
        start: Start,
        now_ms: u64,
        unix_ms: u64,
        disk: &mut impl Disk,
    ) -> Log {
        assert!(options.buffers_max > BUFFERS_RESERVED && options.buffer_bytes >= 2 * BLOCK_BYTES);
        assert!(options.writes_in_flight_max > 0);
        let owner = Owner {
            identity: start.identity,
            shard: start.shard,
            shards: start.shards,
            segment_bytes_first: options.segment_bytes_first,
            segment_bytes: options.segment_bytes,
        };
        let stream = Stream::new(
            owner,
            Pool::new(options.buffer_bytes, options.buffers_max),
            start.number,
            start.predecessor,
            start.sequence,
            unix_ms,
        );
        let shard = start.shard;
        let mut steps: Vec<Step> = start
            .sync
            .iter()
            .map(|&number| Step::Sync(FileName::Segment { shard, number }))
            .collect();
        let manifest = start.manifest.unwrap_or(Manifest {
            identity: start.identity,
            shard,
            shards: start.shards,
            segment_first: start.number,
            settled_below: 0,
        });
        if start.manifest.is_none() {
            steps.extend(publish_steps(&manifest));
        }
        steps.extend(segment_steps(
            shard,
            start.number,
            options.segment_bytes_first,
        ));
        let end = stream.end();
        let mut log = Log {
            options,
            rule,
            owner,
            stream,
            manifest: Some(manifest),
            segments_first: start.segments,
            bytes_before: start.bytes,
            leftovers: start.remove,
            segment_own_first: start.number,
            segment_ready: 0,
            running: false,
            unusable: false,
            jobs: Vec::new(),
            rewrite: None,
            rewrite_end: None,
            stopping: Stopping::No,
            next_ticket: 0,
            commit_open: false,
            commit_wanted: true,
            durable_said: start.predecessor,
            durable_wanted: end,
            sync_ticket: None,
            sync_began_ms: now_ms,
            sync_again: false,
            failure: None,
            recovering: None,
            retry_at_ms: 0,
            now_ms,
            unix_offset_ms: unix_ms.saturating_sub(now_ms),
        };
        log.begin_job(JobKind::Boot, steps, disk);
        log
    }

    /// Appends a record whose body is these parts, one behind the other; together they are not empty. Its number. What comes while the log is full is taken all the same.
    pub fn append(&mut self, parts: &[&[u8]]) -> u64 {
        debug_assert!(parts.iter().any(|part| !part.is_empty()));
        debug_assert_eq!(self.stopping, Stopping::No, "the log is being closed");
        if !self.commit_open {
            self.begin_commit();
        }
        if self.stream.end().offset >= self.stream.room_bytes() {
            self.next_segment();
        }
        self.stream.append(RecordKind::Entry, parts)
    }

    fn begin_commit(&mut self) {
        self.commit_open = true;
        let durable = self.stream.durable();
        if durable != self.durable_said {
            self.durable_said = durable;
            self.stream
                .append(RecordKind::Synced, &[&position_note(durable)]);
        }
    }

    pub(super) fn next_segment(&mut self) {
        self.durable_said = self.stream.durable();
        self.bytes_before += self.stream.end().offset;
        self.stream.next_segment(self.unix_offset_ms + self.now_ms);
    }

    /// Ends a turn: everything appended so far is written as soon as the disk takes it. Syncs that are due are begun.
    pub fn commit(&mut self, now_ms: u64, disk: &mut impl Disk) {
        self.now_ms = now_ms;
        self.commit_open = false;
        self.commit_wanted = true;
        self.pump(disk);
    }

    /// Whether somebody waits for what was appended: then every turn commits. Otherwise a commit now and then does, and a write is of many turns.
    pub fn is_urgent(&self) -> bool {
        self.rule == AppendFsync::Always || self.stream.durable() < self.durable_wanted
    }

    /// Asks for everything appended so far to be made durable with the next commit, whatever the rule.
    pub fn require_durable(&mut self) {
        self.durable_wanted = self.stream.end();
    }

    /// Changes the rule. `Always` holds from the next commit on; earlier records are synced, too, for marks never jump over anything.
    pub fn set_rule(&mut self, rule: AppendFsync) {
        self.rule = rule;
        if rule == AppendFsync::Always {
            self.require_durable();
        }
    }

    /// Whether the buffers are used up, and whoever writes must wait.
    pub fn is_full(&self) -> bool {
        self.stream.buffers_left() <= BUFFERS_RESERVED
    }

    /// Whether less than half of the buffers are in use.
    pub fn has_room(&self) -> bool {
        self.stream.buffers_taken() * 2 < self.options.buffers_max
    }

    /// Whether a sync has been under way for two seconds under `everysec`.
    pub fn is_late(&self, now_ms: u64) -> bool {
        self.rule == AppendFsync::EverySecond
            && self.sync_ticket.is_some()
            && now_ms.saturating_sub(self.sync_began_ms) > LATE_MS
    }

    /// The last record appended.
    pub fn sequence(&self) -> u64 {
        self.stream.sequence()
    }

    /// The last record that the disk has, with all before it: a killed process loses nothing of them.
    pub fn written_sequence(&self) -> u64 {
        self.stream.written_sequence()
    }

    /// The last record that would be found after a power loss, with all before it.
    pub fn durable_sequence(&self) -> u64 {
        self.stream.durable_sequence()
    }

    /// Bytes of the log since the last rewrite, for deciding on the next.
    pub fn bytes(&self) -> u64 {
        self.bytes_before + self.stream.end().offset
    }

    /// The manifest as it is on disk.
    pub fn manifest(&self) -> Option<&Manifest> {
        self.manifest.as_ref()
    }

    /// The operation that failed, while the log cannot be written.
    pub fn failure(&self) -> Option<Failure> {
        self.failure
    }

    /// How the log is.
    pub fn state(&self) -> State {
        if let Some(failure) = self.failure {
            if self.unusable {
                State::Unusable(failure)
            } else {
                State::Failed(failure)
            }
        } else if self.stopping == Stopping::Ending && self.stream.durable() == self.stream.end() {
            State::Stopped
        } else if !self.is_ready() {
            State::Starting
        } else {
            State::Ready
        }
    }

    /// Where and how a start goes on that has all data from elsewhere. None before the log has been ended in good order.
    pub fn continuation(&self) -> Option<Start> {
        let end = self.stream.end();
        if self.state() != State::Stopped || !self.is_idle() {
            return None;
        }
        let own = self.segment_own_first..=end.segment;
        Some(Start {
            identity: self.owner.identity,
            shard: self.owner.shard,
            shards: self.owner.shards,
            manifest: self.manifest,
            number: self.segment_ready.max(end.segment) + 1,
            predecessor: end,
            sequence: self.stream.sequence() + 1,
            segments: self.segments_first.iter().copied().chain(own).collect(),
            bytes: self.bytes(),
            sync: Vec::new(),
            remove: self.leftovers.clone(),
        })
    }

    /// Whether the first segment's header is durable.
    fn is_ready(&self) -> bool {
        self.stream.durable().segment >= self.segment_own_first
    }

    /// Whether anything is under way. A log may be dropped only when nothing is.
    pub fn is_idle(&self) -> bool {
        self.stream.in_flight() == 0
            && self.sync_ticket.is_none()
            && self.jobs.iter().all(|job| job.ticket.is_none())
    }

    /// Begins to end the log: everything becomes durable, then a record that says so. A rewrite is given up.
    pub fn stop(&mut self, now_ms: u64, disk: &mut impl Disk) {
        if self.stopping == Stopping::No {
            self.stopping = Stopping::Draining;
            self.abort_rewrite();
        }
        self.require_durable();
        self.commit(now_ms, disk);
    }

    /// Tries again what failed, at most once a second.
    pub fn retry(&mut self, now_ms: u64, disk: &mut impl Disk) {
        self.now_ms = now_ms;
        if now_ms < self.retry_at_ms || self.unusable {
            return;
        }
        let mut tried = false;
        for place in 0..self.jobs.len() {
            if self.jobs[place].failed {
                self.jobs[place].begin_again();
                self.submit_job(place, disk);
                tried = true;
            }
        }
        if self.failure.is_some()
            && self.recovering.is_none()
            && self.stream.in_flight() == 0
            && self.sync_ticket.is_none()
        {
            tried = true;
            self.stream.begin_again();
            self.durable_wanted = self.stream.end();
            self.recovering = Some(self.durable_wanted);
            self.commit_wanted = true;
            self.pump(disk);
            self.settle_failure();
        }
        if tried {
            self.retry_at_ms = now_ms + RETRY_MS;
        }
    }

    /// Takes what came of an operation, and begins what can be begun now.
    pub fn completed(&mut self, completion: Completion, disk: &mut impl Disk) {
        let Completion {
            ticket,
            result,
            mut buffer,
        } = completion;
        if let Some(file) = self.stream.completed(ticket, result.is_ok(), &mut buffer) {
            if let Err(error) = result {
                self.fail("write", Some(file), error);
            }
        } else if let Some((_, file)) = self.sync_ticket.filter(|(of, _)| *of == ticket) {
            self.sync_ticket = None;
            self.stream.synced(result.is_ok());
            if let Err(error) = result {
                self.fail("sync", Some(file), error);
            }
        } else if let Some(place) = self.jobs.iter().position(|job| job.ticket == Some(ticket)) {
            self.job_completed(place, result, disk);
        } else {
            unreachable!("an operation is of the log, a sync of it, or a job");
        }
        self.settle_failure();
        self.pump(disk);
    }

    pub(super) fn fail(&mut self, what: &'static str, file: Option<FileName>, error: DiskError) {
        self.failure = Some(Failure { what, file, error });
        self.recovering = None;
    }

    fn settle_failure(&mut self) {
        let job_failed = self
            .jobs
            .iter()
            .any(|job| job.failed && job.kind != JobKind::Publish);
        if let Some(target) = self.recovering
            && self.stream.durable() >= target
            && !job_failed
        {
            self.failure = None;
            self.recovering = None;
        }
    }

    pub(super) fn ticket(&mut self) -> Ticket {
        self.next_ticket += 1;
        Ticket(self.next_ticket)
    }

    /// Gives the disk everything it may have now.
    pub(super) fn pump(&mut self, disk: &mut impl Disk) {
        if self.running && (self.failure.is_none() || self.recovering.is_some()) {
            if self.stopping == Stopping::Draining && self.stream.durable() == self.stream.end() {
                let end = self.stream.end();
                self.stream
                    .append(RecordKind::CleanEnd, &[&position_note(end)]);
                self.stopping = Stopping::Ending;
                self.require_durable();
                self.commit_wanted = true;
            }
            self.prepare_segment(disk);
            self.submit_writes(disk);
            self.submit_sync(disk);
        }
        self.pump_rewrite(disk);
    }

    fn submit_writes(&mut self, disk: &mut impl Disk) {
        while self.stream.in_flight() < self.options.writes_in_flight_max {
            if self.commit_wanted && self.stream.may_close() {
                self.stream.close();
                self.commit_wanted = false;
            }
            let ticket = Ticket(self.next_ticket + 1);
            let durable =
                self.rule == AppendFsync::Always || self.stream.durable() < self.durable_wanted;
            let Some(operation) = self.stream.next_write(ticket, self.segment_ready, durable)
            else {
                break;
            };
            self.next_ticket += 1;
            disk.submit(ticket, operation);
        }
    }

    fn submit_sync(&mut self, disk: &mut impl Disk) {
        if self.sync_ticket.is_some() || !self.stream.wants_sync() {
            return;
        }
        let period = match self.rule {
            AppendFsync::No => NO_SYNC_MS,
            _ => EVERY_SECOND_MS,
        };
        let due = self.sync_again
            || self.stream.durable() < self.durable_wanted
            || self.now_ms.saturating_sub(self.sync_began_ms) >= period
            // Buffers of what is not synced are kept: half of them may be.
            || self.stream.buffers_taken() * 2 >= self.options.buffers_max;
        if !due {
            return;
        }
        let file = self.stream.cover().expect("something waits for a sync");
        self.sync_again = self.stream.wants_sync();
        self.sync_began_ms = self.now_ms;
        let ticket = self.ticket();
        self.sync_ticket = Some((ticket, file));
        disk.submit(ticket, Operation::Sync { file });
    }

    /// Makes the next segment's file when half of this one is used, so that it is there when it is needed.
    fn prepare_segment(&mut self, disk: &mut impl Disk) {
        let end = self.stream.end();
        let needed = end.segment > self.segment_ready
            || (end.segment == self.segment_ready && end.offset >= self.stream.room_bytes() / 2);
        let preparing = |job: &Job| matches!(job.kind, JobKind::Prepare(_));
        if needed && !self.jobs.iter().any(preparing) {
            let (shard, number) = (self.owner.shard, self.segment_ready + 1);
            let steps = segment_steps(shard, number, self.options.segment_bytes);
            self.begin_job(JobKind::Prepare(number), steps, disk);
        }
    }

    pub(super) fn begin_job(&mut self, kind: JobKind, steps: Vec<Step>, disk: &mut impl Disk) {
        self.jobs.push(Job::new(kind, steps));
        self.submit_job(self.jobs.len() - 1, disk);
    }

    /// Submits a job's next step, or ends the job if there is none.
    fn submit_job(&mut self, place: usize, disk: &mut impl Disk) {
        let ticket = self.ticket();
        match self.jobs[place].submit(ticket) {
            Some(operation) => disk.submit(ticket, operation),
            None => {
                let job = self.jobs.remove(place);
                self.job_done(job.kind, disk);
            }
        }
    }

    fn job_completed(&mut self, place: usize, result: Result<(), DiskError>, disk: &mut impl Disk) {
        let job = &mut self.jobs[place];
        let kind = job.kind;
        let (what, file) = job.describe();
        job.ticket = None;
        let Err(error) = result else {
            job.at += 1;
            return self.submit_job(place, disk);
        };
        match kind {
            // What could not be removed is a leftover of the next start.
            JobKind::Cleanup => {
                job.at += 1;
                self.submit_job(place, disk);
            }
            JobKind::Publish => self.jobs[place].fail(error),
            JobKind::Boot | JobKind::Prepare(_) => {
                self.unusable |= what == "sync" && matches!(file, Some(FileName::Segment { .. }));
                self.jobs[place].fail(error);
                self.fail(what, file, error);
            }
        }
    }

    fn job_done(&mut self, kind: JobKind, disk: &mut impl Disk) {
        match kind {
            JobKind::Boot => {
                self.running = true;
                self.segment_ready = self.segment_own_first;
            }
            JobKind::Prepare(number) => self.segment_ready = number,
            JobKind::Publish => self.published(disk),
            JobKind::Cleanup => {}
        }
    }

    /// Removes what recovery has found to mean nothing; to be called when all shards' logs are ready, for until then another start may need it.
    pub fn remove_leftovers(&mut self, disk: &mut impl Disk) {
        assert!(self.is_ready());
        let files = std::mem::take(&mut self.leftovers);
        self.begin_cleanup(files, disk);
    }

    pub(super) fn begin_cleanup(&mut self, files: Vec<FileName>, disk: &mut impl Disk) {
        if !files.is_empty() {
            let mut steps: Vec<Step> = files.into_iter().map(Step::Remove).collect();
            steps.push(Step::SyncDirectory);
            self.begin_job(JobKind::Cleanup, steps, disk);
        }
    }

    /// The numbers of all segments before this one, which may be removed once a manifest says so.
    pub(super) fn take_segments_before(&mut self, number: u64) -> Vec<u64> {
        let mut segments = std::mem::take(&mut self.segments_first);
        segments.extend(self.segment_own_first..number);
        self.segment_own_first = self.segment_own_first.max(number);
        segments
    }

    /// Whether the first segment has begun and nothing has failed, so that a rewrite may begin.
    pub(super) fn may_rewrite(&self) -> bool {
        self.is_ready() && self.failure.is_none() && self.stopping == Stopping::No
    }
}

fn segment_steps(shard: u32, number: u64, preallocate_bytes: u64) -> Vec<Step> {
    let file = FileName::Segment { shard, number };
    vec![Step::Create(file, preallocate_bytes), Step::SyncDirectory]
}

#[cfg(test)]
#[path = "log_tests.rs"]
mod tests;
