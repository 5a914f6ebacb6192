//! Rewriting: a snapshot takes the place of all segments before the one that began with it.
//!
//! Never: walks over keys or decides when to rewrite. The caller gives entries while [`Log::rewrite_wants_more`]; they are what the keys were when [`Log::begin_rewrite`] was
//! called. The decision worth knowing: until the new manifest is durable the old state is complete, and from then on the new one is. A failure before the manifest is
//! begun gives the rewrite up; after that nobody knows which manifest a crash would leave, so both states stay until trying again has put the new one in place.

use super::buffer::{AlignedBuffer, Pool};
use super::disk::{Disk, DiskError, FileName, Operation, Ticket};
use super::frame::{BLOCK_BYTES, FileKind, Header, Position, RecordKind, Seed, two_numbers};
use super::job::{JobKind, Step, publish_steps};
use super::log::{Failure, Log};
use super::manifest::{Manifest, SnapshotRef};
use crc32fast::Hasher;
use std::collections::VecDeque;

/// How the last rewrite ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RewriteEnd {
    /// The snapshot is what the data begins with; its bytes.
    Done {
        /// Bytes of the snapshot.
        bytes: u64,
    },
    /// An operation failed; everything is as it was.
    Failed(Failure),
    /// It was given up by the caller.
    Aborted,
}

/// Why a rewrite cannot begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RewriteError {
    /// One is under way.
    UnderWay,
    /// The log is starting, stopping or has failed.
    NotReady,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Writing,
    /// Complete but for what waits or is under way, and not before the log is durable up to where the snapshot was begun.
    Finishing {
        settled_below: u64,
        bytes: u64,
    },
    Publishing {
        manifest: Manifest,
    },
    Aborting(RewriteEnd),
}

/// A rewrite under way.
#[derive(Debug)]
pub(super) struct Rewrite {
    file: FileName,
    number: u64,
    seed: Seed,
    pool: Pool,
    buffer: AlignedBuffer,
    base: u64,
    len: usize,
    waiting: VecDeque<(u64, AlignedBuffer, usize)>,
    in_flight: Vec<Ticket>,
    entries: u64,
    checksum: Hasher,
    /// The file is being made; nothing is written before it is.
    creating: Option<Ticket>,
    phase: Phase,
}

impl Rewrite {
    /// Whether nothing is under way.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty() && self.creating.is_none()
    }

    fn append(&mut self, kind: RecordKind, parts: &[&[u8]]) {
        let word = kind
            .length_word(parts.iter().map(|part| part.len()).sum())
            .to_le_bytes();
        let mut hasher = self.seed.at(self.base + self.len as u64);
        hasher.update(&word);
        parts.iter().for_each(|part| hasher.update(part));
        let checksum = hasher.finalize().to_le_bytes();
        self.checksum.update(&checksum);
        self.copy(&checksum);
        self.copy(&word);
        parts.iter().for_each(|part| self.copy(part));
    }

    fn copy(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.buffer.capacity() - self.len;
            if room == 0 {
                self.close();
                continue;
            }
            let (now, rest) = bytes.split_at(room.min(bytes.len()));
            self.buffer.bytes_mut()[self.len..self.len + now.len()].copy_from_slice(now);
            self.len += now.len();
            bytes = rest;
        }
    }

    /// Puts the buffer in the queue and takes another.
    fn close(&mut self) {
        let bytes = self.len.next_multiple_of(BLOCK_BYTES);
        self.buffer.bytes_mut()[self.len..bytes].fill(0);
        let buffer = std::mem::replace(&mut self.buffer, self.pool.take());
        self.waiting.push_back((self.base, buffer, bytes));
        self.base += bytes as u64;
        self.len = 0;
    }
}

impl Log {
    /// Begins a rewrite: what is appended from now on is in a new segment, and the snapshot is to hold what the keys are now.
    pub fn begin_rewrite(&mut self, disk: &mut impl Disk) -> Result<(), RewriteError> {
        if self.rewrite.is_some() {
            return Err(RewriteError::UnderWay);
        }
        if !self.may_rewrite() {
            return Err(RewriteError::NotReady);
        }
        self.next_segment();
        let number = self.stream.end().segment;
        let file = FileName::Snapshot {
            shard: self.owner.shard,
            number,
        };
        let mut pool = Pool::new(self.options.buffer_bytes, self.options.snapshot_buffers_max);
        let mut buffer = pool.take();
        Header {
            kind: FileKind::Snapshot,
            shard: self.owner.shard,
            shards: self.owner.shards,
            number,
            sequence_first: self.stream.sequence() + 1,
            identity: self.owner.identity,
            made_ms: self.unix_ms(),
            predecessor: Position::default(),
            durable: Position::default(),
            room_bytes: 0,
        }
        .encode(buffer.bytes_mut());
        let ticket = self.ticket();
        self.rewrite = Some(Rewrite {
            file,
            number,
            seed: Seed::new(FileKind::Snapshot, &self.owner.identity, number),
            pool,
            buffer,
            base: 0,
            len: BLOCK_BYTES,
            waiting: VecDeque::new(),
            in_flight: Vec::new(),
            entries: 0,
            checksum: Hasher::new(),
            creating: Some(ticket),
            phase: Phase::Writing,
        });
        self.rewrite_end = None;
        disk.submit(
            ticket,
            Operation::Create {
                file,
                preallocate_bytes: 0,
            },
        );
        self.pump(disk);
        Ok(())
    }

    /// Whether a rewrite is under way.
    pub fn is_rewriting(&self) -> bool {
        self.rewrite.is_some()
    }

    /// How the last rewrite ended; `None` while one is under way, or if there was none.
    pub fn rewrite_end(&self) -> Option<RewriteEnd> {
        self.rewrite_end
    }

    /// Whether the snapshot's buffers have room: the caller gives entries while they have.
    pub fn rewrite_wants_more(&self) -> bool {
        self.rewrite
            .as_ref()
            .is_some_and(|rewrite| rewrite.phase == Phase::Writing && rewrite.pool.left() > 0)
    }

    /// Appends an entry to the snapshot. It is dropped if the rewrite has failed, which [`Log::rewrite_end`] says.
    pub fn rewrite_append(&mut self, parts: &[&[u8]], disk: &mut impl Disk) {
        if let Some(rewrite) = &mut self.rewrite
            && rewrite.phase == Phase::Writing
        {
            rewrite.entries += 1;
            rewrite.append(RecordKind::Entry, parts);
            self.pump_rewrite(disk);
        }
    }

    /// Ends the snapshot, which holds `keys` keys, and puts it in place. Transactions below `settled_below` are durable on every shard they concern. All that this shard took part in
    /// before the rewrite began must be below it: the snapshot holds what they did, and nothing could take it back.
    pub fn finish_rewrite(&mut self, keys: u64, settled_below: u64, disk: &mut impl Disk) {
        let Some(rewrite) = &mut self.rewrite else {
            return;
        };
        if matches!(rewrite.phase, Phase::Aborting(_)) {
            return;
        }
        assert_eq!(rewrite.phase, Phase::Writing, "a rewrite is finished once");
        let entries = rewrite.entries;
        rewrite.append(RecordKind::Footer, &[&two_numbers(entries, keys)]);
        let bytes = rewrite.base + rewrite.len as u64;
        rewrite.close();
        rewrite.phase = Phase::Finishing {
            settled_below,
            bytes,
        };
        // The log is durable up to the snapshot's beginning before anything older goes.
        self.require_durable();
        self.commit_wanted = true;
        self.pump(disk);
    }

    /// Gives the rewrite up, unless its manifest is being put in place.
    pub fn abort_rewrite(&mut self, disk: &mut impl Disk) {
        self.give_up(RewriteEnd::Aborted);
        self.pump_rewrite(disk);
    }

    fn give_up(&mut self, end: RewriteEnd) {
        if let Some(rewrite) = &mut self.rewrite
            && !matches!(rewrite.phase, Phase::Publishing { .. } | Phase::Aborting(_))
        {
            rewrite.phase = Phase::Aborting(end);
        }
    }

    /// Writes what waits, and goes on to the next phase when this one is done.
    pub(super) fn pump_rewrite(&mut self, disk: &mut impl Disk) {
        let in_flight_max = self.options.writes_in_flight_max;
        while let Some(rewrite) = &mut self.rewrite
            && rewrite.creating.is_none()
            && rewrite.in_flight.len() < in_flight_max
            && matches!(rewrite.phase, Phase::Writing | Phase::Finishing { .. })
            && let Some((offset, buffer, bytes)) = rewrite.waiting.pop_front()
        {
            let file = rewrite.file;
            let ticket = self.submit_write(file, offset, buffer, bytes, disk);
            self.rewrite
                .as_mut()
                .expect("just seen")
                .in_flight
                .push(ticket);
        }
        let Some(rewrite) = &mut self.rewrite else {
            return;
        };
        if !rewrite.is_idle() {
            return;
        }
        match rewrite.phase {
            Phase::Aborting(end) => {
                let file = rewrite.file;
                self.rewrite = None;
                self.rewrite_end = Some(end);
                self.begin_cleanup(vec![file], disk);
            }
            Phase::Finishing {
                settled_below,
                bytes,
            } if rewrite.waiting.is_empty() && self.stream.durable().segment >= rewrite.number => {
                let manifest = Manifest {
                    identity: self.owner.identity,
                    shard: self.owner.shard,
                    shards: self.owner.shards,
                    snapshot: Some(SnapshotRef {
                        number: rewrite.number,
                        bytes,
                        checksum: rewrite.checksum.clone().finalize(),
                    }),
                    segment_first: rewrite.number,
                    settled_below,
                };
                rewrite.phase = Phase::Publishing { manifest };
                let mut steps = vec![Step::Sync(rewrite.file), Step::SyncDirectory];
                steps.extend(publish_steps(&manifest));
                self.begin_job(JobKind::Publish, steps, disk);
            }
            _ => {}
        }
    }

    /// Takes the end of an operation that is nobody else's.
    pub(super) fn rewrite_completed(
        &mut self,
        ticket: Ticket,
        result: Result<(), DiskError>,
        buffer: Option<AlignedBuffer>,
    ) {
        let Some(rewrite) = &mut self.rewrite else {
            return;
        };
        let file = Some(rewrite.file);
        let what = if rewrite.creating == Some(ticket) {
            rewrite.creating = None;
            "create"
        } else {
            rewrite.in_flight.retain(|of| *of != ticket);
            "write"
        };
        if let Some(buffer) = buffer {
            rewrite.pool.give(buffer);
        }
        if let Err(error) = result {
            self.give_up(RewriteEnd::Failed(Failure { what, file, error }));
        }
    }

    /// The new manifest is durable: what was before it goes.
    pub(super) fn published(&mut self, disk: &mut impl Disk) {
        let rewrite = self.rewrite.take().expect("it is being published");
        let Phase::Publishing { manifest } = rewrite.phase else {
            unreachable!("it is being published");
        };
        let shard = self.owner.shard;
        let mut files: Vec<FileName> = self
            .take_segments_before(rewrite.number)
            .into_iter()
            .map(|number| FileName::Segment { shard, number })
            .collect();
        if let Some(SnapshotRef { number, .. }) = self.manifest.and_then(|old| old.snapshot) {
            files.push(FileName::Snapshot { shard, number });
        }
        self.manifest = Some(manifest);
        let bytes = manifest.snapshot.map_or(0, |snapshot| snapshot.bytes);
        self.rewrite_end = Some(RewriteEnd::Done { bytes });
        self.begin_cleanup(files, disk);
    }

    /// A step of publishing failed. Whether that ends the rewrite: only a sync of the snapshot itself does.
    pub(super) fn publish_failed(&mut self, place: usize, failure: Failure) -> bool {
        if !self.jobs[place].at_snapshot() {
            return false;
        }
        self.jobs.remove(place);
        let rewrite = self.rewrite.as_mut().expect("it is being published");
        rewrite.phase = Phase::Aborting(RewriteEnd::Failed(failure));
        true
    }
}
