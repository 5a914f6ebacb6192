//! The log's behaviour one rule at a time, on a disk whose completions the test chooses.

use super::*;
use crate::persist::recovery::{ShardFiles, read_shard};
use crate::persist::rewrite::RewriteError;
use crate::persist::simulated::{EIO, ENOSPC, SimulatedDisk};
use std::collections::VecDeque;
use std::time::Instant;

const IDENTITY: Identity = *b"an identity, yes";

/// Holds operations until the test completes them, in order.
#[derive(Default)]
struct HeldDisk(VecDeque<(Ticket, Operation)>);

impl Disk for HeldDisk {
    fn submit(&mut self, ticket: Ticket, operation: Operation) {
        self.0.push_back((ticket, operation));
    }
}

impl HeldDisk {
    fn complete(&mut self, log: &mut Log, result: Result<(), DiskError>) {
        let (ticket, operation) = self.0.pop_front().expect("something is under way");
        let buffer = match operation {
            Operation::Write { buffer, .. } => Some(buffer),
            _ => None,
        };
        let completion = Completion {
            ticket,
            result,
            buffer,
        };
        log.completed(completion, self);
    }

    fn drain(&mut self, log: &mut Log) {
        while !self.0.is_empty() {
            self.complete(log, Ok(()));
        }
    }

    fn writes(&self) -> Vec<(u64, usize, bool)> {
        self.0
            .iter()
            .filter_map(|(_, operation)| match operation {
                Operation::Write {
                    offset,
                    bytes,
                    durable,
                    ..
                } => Some((*offset, *bytes, *durable)),
                _ => None,
            })
            .collect()
    }

    fn names(&self) -> Vec<&'static str> {
        self.0
            .iter()
            .map(|(_, operation)| operation.describe().0)
            .collect()
    }
}

fn ready(options: Options, rule: AppendFsync) -> (Log, HeldDisk) {
    let mut disk = HeldDisk::default();
    let start = Start::fresh(IDENTITY, 0, 1);
    let mut log = Log::open(options, rule, start, 0, 0, &mut disk);
    assert_eq!(log.state(), State::Starting);
    disk.drain(&mut log);
    assert_eq!(log.state(), State::Ready);
    (log, disk)
}

fn small() -> Options {
    Options {
        segment_bytes_first: 64 << 10,
        segment_bytes: 64 << 10,
        buffer_bytes: 16 << 10,
        buffers_max: 8,
        writes_in_flight_max: 2,
    }
}

#[test]
fn the_first_start_goes_step_by_step() {
    let mut disk = HeldDisk::default();
    let mut log = Log::open(
        small(),
        AppendFsync::No,
        Start::fresh(IDENTITY, 0, 1),
        0,
        0,
        &mut disk,
    );
    let mut names = Vec::new();
    while !disk.0.is_empty() {
        names.extend(disk.names());
        disk.complete(&mut log, Ok(()));
    }
    let manifest = ["create", "write", "sync", "rename", "sync directory"];
    assert_eq!(
        names,
        [manifest.as_slice(), &["create", "sync directory", "write"]].concat()
    );
    assert_eq!(log.state(), State::Ready);
}

#[test]
fn turns_gather_while_a_write_is_under_way() {
    let (mut log, mut disk) = ready(small(), AppendFsync::Always);
    let first = log.append(&[b"one"]);
    log.commit(1, &mut disk);
    assert_eq!(disk.writes(), [(4096, 4096, true)]);
    let mut last = 0;
    for _ in 0..100 {
        last = log.append(&[b"another ", b"turn"]);
        log.commit(1, &mut disk);
    }
    assert_eq!(
        disk.writes().len(),
        1,
        "the next write begins within the same block"
    );
    assert!(log.durable_sequence() < first);
    disk.complete(&mut log, Ok(()));
    assert_eq!(log.durable_sequence(), first);
    assert_eq!(
        disk.writes(),
        [(4096, 4096, true)],
        "all hundred turns are one write"
    );
    disk.complete(&mut log, Ok(()));
    assert_eq!(log.durable_sequence(), last);
    assert!(disk.0.is_empty());
    log.commit(2, &mut disk);
    assert!(disk.0.is_empty(), "a turn without records costs nothing");
}

#[test]
fn everysec_syncs_once_a_second_and_a_record_may_ask_for_more() {
    let (mut log, mut disk) = ready(small(), AppendFsync::EverySecond);
    let first = log.append(&[b"one"]);
    log.commit(1000, &mut disk);
    assert_eq!(disk.writes(), [(4096, 4096, false)]);
    disk.complete(&mut log, Ok(()));
    assert_eq!(
        (log.written_sequence(), disk.names()),
        (first, vec!["sync"])
    );
    assert!(!log.is_late(3000) && log.is_late(3001));
    disk.complete(&mut log, Ok(()));
    assert_eq!(log.durable_sequence(), first);
    for now_ms in [1001, 1500, 1999] {
        log.append(&[b"more"]);
        log.commit(now_ms, &mut disk);
        disk.complete(&mut log, Ok(()));
        assert!(disk.0.is_empty(), "no sync is due at {now_ms}");
    }
    log.commit(2000, &mut disk);
    assert_eq!(disk.names(), ["sync"]);
    disk.drain(&mut log);
    assert_eq!(
        log.durable_sequence(),
        log.sequence(),
        "one sync is for all turns"
    );
    let urgent = log.append(&[b"urgent"]);
    log.require_durable();
    log.commit(2001, &mut disk);
    assert_eq!(disk.writes(), [(4096, 4096, true)]);
    disk.drain(&mut log);
    assert_eq!(log.durable_sequence(), urgent);
}

#[test]
fn always_covers_what_was_written_before_it_was_chosen() {
    let (mut log, mut disk) = ready(small(), AppendFsync::No);
    let first = log.append(&[b"one"]);
    log.commit(1, &mut disk);
    disk.complete(&mut log, Ok(()));
    assert!(disk.0.is_empty() && log.durable_sequence() < first);
    log.set_rule(AppendFsync::Always);
    let second = log.append(&[b"two"]);
    log.commit(2, &mut disk);
    assert_eq!(disk.names(), ["write", "sync"]);
    disk.complete(&mut log, Ok(()));
    assert!(
        log.durable_sequence() < first,
        "the second is durable and the first is not yet"
    );
    disk.complete(&mut log, Ok(()));
    assert_eq!(log.durable_sequence(), second);
}

#[test]
fn a_failed_write_is_written_again_with_all_that_came_since() {
    for error in [ENOSPC, EIO] {
        let (mut log, mut disk) = ready(small(), AppendFsync::Always);
        log.append(&[b"one"]);
        log.commit(1, &mut disk);
        disk.complete(&mut log, Err(DiskError(error)));
        let file = Some(FileName::Segment {
            shard: 0,
            number: 1,
        });
        let failure = Failure {
            what: "write",
            file,
            error: DiskError(error),
        };
        assert_eq!(log.state(), State::Failed(failure));
        assert_eq!(log.written_sequence(), 0);
        let last = log.append(&[b"accepted before the failure was known"]);
        log.commit(2, &mut disk);
        assert!(disk.0.is_empty(), "nothing is tried before its time");
        log.retry(2, &mut disk);
        assert_eq!(disk.writes(), [(4096, 4096, true)]);
        disk.complete(&mut log, Err(DiskError(error)));
        log.retry(1001, &mut disk);
        assert!(disk.0.is_empty(), "once a second");
        log.retry(1002, &mut disk);
        assert!(matches!(log.state(), State::Failed(_)), "not yet");
        disk.drain(&mut log);
        assert_eq!((log.state(), log.durable_sequence()), (State::Ready, last));
    }
}

#[test]
fn after_a_failed_sync_everything_since_the_last_good_one_is_written_again() {
    let (mut log, mut disk) = ready(small(), AppendFsync::EverySecond);
    let mut last = 0;
    for turn in 0..10 {
        last = log.append(&[&[turn; 1000]]);
        log.commit(u64::from(turn), &mut disk);
        disk.drain(&mut log);
    }
    log.commit(1000, &mut disk);
    assert_eq!(disk.names(), ["sync"]);
    disk.complete(&mut log, Err(DiskError(EIO)));
    log.retry(1000, &mut disk);
    let mut written = 0;
    while !disk.0.is_empty() {
        written += disk.writes().first().map_or(0, |(_, bytes, _)| *bytes);
        disk.complete(&mut log, Ok(()));
    }
    assert!(written >= 10 * 1000, "{written} bytes");
    assert_eq!((log.state(), log.durable_sequence()), (State::Ready, last));
}

#[test]
fn writing_again_takes_nothing_back_that_was_written() {
    let (mut log, mut disk) = ready(small(), AppendFsync::EverySecond);
    // The second record begins in the block in which the first ends, and does not fit into its buffer.
    log.append(&[&[1; 14_000]]);
    log.commit(1, &mut disk);
    disk.drain(&mut log);
    let last = log.append(&[&[2; 3000]]);
    log.commit(2, &mut disk);
    disk.drain(&mut log);
    assert_eq!(log.written_sequence(), last);
    log.commit(1002, &mut disk);
    disk.complete(&mut log, Err(DiskError(EIO)));
    log.retry(1002, &mut disk);
    let Some((_, Operation::Write { buffer, bytes, .. })) = disk.0.front() else {
        panic!("the first chunk is written again");
    };
    let seconds = buffer.bytes()[..*bytes].iter().filter(|byte| **byte == 2);
    assert!(
        seconds.count() > 2000,
        "its last block has the second record's bytes"
    );
    disk.drain(&mut log);
    assert_eq!((log.state(), log.durable_sequence()), (State::Ready, last));
}

#[test]
fn the_first_segment_of_a_start_is_smaller_and_bytes_are_counted_as_they_are() {
    let options = Options {
        segment_bytes_first: 16 << 10,
        ..small()
    };
    let (mut log, mut disk) = ready(options, AppendFsync::No);
    let mut rooms = Vec::new();
    let mut most = 0;
    for _ in 0..100 {
        log.append(&[&[7; 1000]]);
        log.commit(1, &mut disk);
        while let Some((_, operation)) = disk.0.front() {
            if let Operation::Create {
                preallocate_bytes, ..
            } = operation
            {
                rooms.push(*preallocate_bytes);
            }
            disk.complete(&mut log, Ok(()));
        }
        // A record of a thousand bytes, and what else there may be.
        let bytes = log.bytes();
        assert!(bytes >= most + 1008 && bytes <= most + 2 * 4096, "{bytes}");
        most = bytes;
    }
    assert_eq!(rooms, [64 << 10, 64 << 10]);
    log.begin_rewrite().expect("all is well");
    log.finish_rewrite(0, &mut disk);
    disk.drain(&mut log);
    log.commit(2, &mut disk);
    disk.drain(&mut log);
    assert_eq!(log.rewrite_end(), Some(RewriteEnd::Done));
    assert!(log.bytes() < 2 * 4096, "{} bytes", log.bytes());
}

#[test]
fn buffers_are_bounded_by_syncing_early() {
    let (mut log, mut disk) = ready(small(), AppendFsync::EverySecond);
    let mut syncs = 0;
    for _ in 0..2000 {
        log.append(&[&[7; 700]]);
        log.commit(1, &mut disk);
        syncs += usize::from(disk.names().contains(&"sync"));
        disk.drain(&mut log);
        assert!(!log.is_full());
        assert!(log.stream.buffers_taken() <= small().buffers_max);
    }
    assert!(syncs > 10 && syncs < 100, "{syncs} syncs for 1.4 MB");
    let mut appended = 0;
    while !log.is_full() {
        log.append(&[&[7; 700]]);
        log.commit(1, &mut disk);
        appended += 700;
        assert!(
            appended < 8 * (16 << 10),
            "a disk that does nothing is noticed"
        );
    }
    log.append(&[&[8; 100_000]]);
    log.commit(2, &mut disk);
    disk.drain(&mut log);
    assert!(!log.is_full());
    assert_eq!(
        log.written_sequence(),
        log.sequence(),
        "what came all the same was taken"
    );
}

#[test]
fn writes_that_touch_no_common_block_are_under_way_together() {
    let (mut log, mut disk) = ready(small(), AppendFsync::Always);
    log.append(&[&[1; 50_000]]);
    log.commit(1, &mut disk);
    let writes = disk.writes();
    assert_eq!(writes.len(), 2, "as many as the bound allows: {writes:?}");
    assert_eq!(writes[0].0 + writes[0].1 as u64, writes[1].0);
    disk.drain(&mut log);
    assert_eq!(log.durable_sequence(), log.sequence());
}

#[test]
fn a_segment_of_its_own_size_is_left_for_a_value_of_any() {
    let mut disk = SimulatedDisk::new(1);
    let mut log = Log::open(
        small(),
        AppendFsync::No,
        Start::fresh(IDENTITY, 0, 1),
        0,
        0,
        &mut disk,
    );
    let drain = |log: &mut Log, disk: &mut SimulatedDisk| {
        while let Some(completion) = disk.complete() {
            log.completed(completion, disk);
        }
    };
    drain(&mut log, &mut disk);
    let bodies = [
        vec![1; 60_000],
        vec![2; 300_000],
        vec![3; 10],
        vec![4; 70_000],
        vec![5; 1],
    ];
    for body in &bodies {
        log.append(&[&body[..1], &body[1..]]);
        log.commit(1, &mut disk);
        drain(&mut log, &mut disk);
    }
    log.stop(2, &mut disk);
    drain(&mut log, &mut disk);
    assert_eq!(log.state(), State::Stopped);
    let files = disk.files();
    let mut found = ShardFiles {
        manifest: files.get(&FileName::Manifest { shard: 0 }).copied(),
        ..ShardFiles::default()
    };
    for (file, bytes) in &files {
        if let FileName::Segment { number, .. } = file {
            found.segments.push((*number, bytes));
        }
    }
    let read = read_shard(&found).expect("sound");
    assert!(read.entries().map(|(_, body)| body.to_vec()).eq(bodies));
    assert!(read.clean && read.ranges.len() >= 3);
}

#[test]
fn what_was_read_and_cannot_be_synced_is_not_served() {
    let mut disk = HeldDisk::default();
    let manifest = Manifest {
        identity: IDENTITY,
        shard: 0,
        shards: 1,
        segment_first: 1,
        settled_below: 0,
    };
    let start = Start {
        manifest: Some(manifest),
        number: 2,
        sync: vec![1],
        segments: vec![1],
        ..Start::fresh(IDENTITY, 0, 1)
    };
    let mut log = Log::open(small(), AppendFsync::Always, start, 0, 0, &mut disk);
    assert_eq!(disk.names(), ["sync"]);
    disk.complete(&mut log, Err(DiskError(EIO)));
    assert!(matches!(log.state(), State::Unusable(_)));
    log.retry(10_000, &mut disk);
    assert!(disk.0.is_empty());
}

#[test]
fn a_rewrite_that_is_given_up_leaves_everything_as_it_was() {
    let (mut log, mut disk) = ready(small(), AppendFsync::Always);
    log.append(&[b"one"]);
    log.commit(1, &mut disk);
    disk.drain(&mut log);
    let before = log.manifest().copied();
    log.begin_rewrite().expect("ready");
    assert_eq!(log.begin_rewrite(), Err(RewriteError::UnderWay));
    log.append(&[b"an image"]);
    log.commit(2, &mut disk);
    log.abort_rewrite();
    assert_eq!(log.rewrite_end(), Some(RewriteEnd::Aborted));
    while !disk.0.is_empty() {
        assert!(!disk.names().contains(&"remove"), "nothing goes");
        disk.complete(&mut log, Ok(()));
    }
    assert_eq!(
        (log.state(), log.manifest().copied()),
        (State::Ready, before)
    );
}

#[test]
fn a_manifest_that_cannot_be_put_in_place_is_tried_again() {
    let (mut log, mut disk) = ready(small(), AppendFsync::Always);
    log.begin_rewrite().expect("ready");
    log.append(&[b"an image"]);
    log.finish_rewrite(1, &mut disk);
    assert!(
        !disk.names().contains(&"rename") && log.is_rewriting(),
        "the image is not durable yet"
    );
    let is_manifest = |operation: &Operation| {
        let (_, file) = operation.describe();
        matches!(file, Some(FileName::ManifestNew { .. }))
    };
    let mut failed = 0;
    let mut now_ms = 0;
    while log.is_rewriting() {
        let fails = failed < 3 && is_manifest(&disk.0[0].1);
        failed += usize::from(fails);
        let result = if fails { Err(DiskError(EIO)) } else { Ok(()) };
        disk.complete(&mut log, result);
        if disk.0.is_empty() && log.is_rewriting() {
            let failure = log.rewrite_failure().expect("it is said");
            assert_eq!(failure.error, DiskError(EIO));
            now_ms += 1000;
            log.retry(now_ms, &mut disk);
        }
    }
    assert_eq!((failed, log.rewrite_end()), (3, Some(RewriteEnd::Done)));
    assert_eq!(log.rewrite_failure(), None);
    assert_eq!(log.manifest().map(|of| of.segment_first), Some(2));
    assert!(
        disk.names().contains(&"remove"),
        "what was before the images goes"
    );
    disk.drain(&mut log);
    assert_eq!(log.state(), State::Ready);
}

/// Completes at once, as a disk that costs nothing: what is left is the log's own work.
#[derive(Default)]
struct FreeDisk(Vec<Completion>);

impl Disk for FreeDisk {
    fn submit(&mut self, ticket: Ticket, operation: Operation) {
        let buffer = match operation {
            Operation::Write { buffer, .. } => Some(buffer),
            _ => None,
        };
        self.0.push(Completion {
            ticket,
            result: Ok(()),
            buffer,
        });
    }
}

#[test]
fn the_cost_of_a_record_is_printed() {
    let records = if cfg!(debug_assertions) {
        20_000
    } else {
        4_000_000
    };
    for (rule, in_turn) in [
        (AppendFsync::Always, 16),
        (AppendFsync::EverySecond, 16),
        (AppendFsync::Always, 128),
        (AppendFsync::EverySecond, 128),
    ] {
        let mut disk = FreeDisk::default();
        let start = Start::fresh(IDENTITY, 0, 1);
        let mut log = Log::open(Options::default(), rule, start, 0, 0, &mut disk);
        let settle = |log: &mut Log, disk: &mut FreeDisk| {
            while let Some(completion) = disk.0.pop() {
                log.completed(completion, disk);
            }
        };
        settle(&mut log, &mut disk);
        let body = [7_u8; 130];
        let began = Instant::now();
        let mut append_ns = 0;
        for turn in 0..records / in_turn {
            let turn_began = Instant::now();
            for _ in 0..in_turn {
                log.append(&[&body[..30], &body[30..]]);
            }
            append_ns += turn_began.elapsed().as_nanos();
            log.commit(turn as u64 / 20, &mut disk);
            settle(&mut log, &mut disk);
            assert!(!log.is_full());
        }
        let ns = |total: u128| total as f64 / records as f64;
        println!(
            "{rule:?}, {in_turn} a turn: {:.1} ns a record of 130 bytes, of it {:.1} append",
            ns(began.elapsed().as_nanos()),
            ns(append_ns)
        );
        assert_eq!(log.written_sequence(), log.sequence());
    }
}
