//! Whole lives of a server's logs on disks that fail: random work, a fault at every operation in turn, a crash, recovery, and again.
//!
//! What is held: each shard finds a beginning of what was appended to it, and nothing else; all that was durable (after a kill: written) is in it, as far as transactions over several
//! shards allow; of each of these all parts are there or none. Where a rewrite has taken the place of earlier segments all its images are there, and what was before it is not asked for.

use super::disk::FileName;
use super::entry;
use super::frame::Position;
use super::log::{Log, Options, State};
use super::random::{Random, seed_from_environment};
use super::recovery::{PartAt, ShardFiles};
use super::rewrite::RewriteEnd;
use super::settle::{ShardParts, cuts, recover};
use super::simulated::{Crash, EIO, ENOSPC, SimulatedDisk};
use crate::config::AppendFsync;
use std::collections::BTreeMap;

const OPTIONS: Options = Options {
    segment_bytes_first: 8 * 1024,
    segment_bytes: 16 * 1024,
    buffer_bytes: 8 * 1024,
    buffers_max: 8,
    writes_in_flight_max: 3,
};

/// What happens to one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// It fails; life goes on.
    Fails(i32),
    /// The system stops before it is complete.
    Crash(Crash),
}

/// A rewrite under way.
#[derive(Debug, Clone, Copy)]
struct Rewrite {
    /// The segment that it began with.
    segment: u64,
    /// The history's length then.
    began: usize,
    /// The next transaction then.
    settled_below: u64,
    /// Images to be appended yet.
    left: usize,
    /// When there were none left any more: the next transaction.
    images_below: Option<u64>,
    is_finished: bool,
}

/// A part of a transaction, by its place in a shard's history.
#[derive(Debug, Clone, Copy)]
struct Part {
    place: usize,
    transaction: u64,
}

struct Shard {
    log: Option<Log>,
    disk: SimulatedDisk,
    /// Everything ever appended that has survived so far.
    history: Vec<Vec<u8>>,
    parts: Vec<Part>,
    /// Records of this life and how long the history was after each.
    sequences: Vec<(u64, usize)>,
    /// Length of the history that must be found next.
    floor: usize,
    /// Length of the history that must survive every loss of power: after a kill more is found, and is not durable before the logs are ready again.
    durable: usize,
    /// Parts of transactions that other shards have appended already.
    delayed: Vec<u64>,
    rewrite: Option<Rewrite>,
    /// For each segment that a rewrite began with: the history's length then, and when all its images were there.
    rewrites: BTreeMap<u64, (usize, usize)>,
    settled_below: u64,
    sync_failed: bool,
}

struct World {
    shards: Vec<Shard>,
    random: Random,
    now_ms: u64,
    transaction_next: u64,
    participants: BTreeMap<u64, u128>,
    operations: usize,
    fault: (usize, Fault),
    rule: AppendFsync,
    stats: Stats,
}

/// What the cases have met, so that a test which never meets it fails.
#[derive(Debug, Default)]
struct Stats {
    cases: usize,
    torn: usize,
    transactions_cut: usize,
    rewrites: usize,
    rewrites_aborted: usize,
    failures: usize,
    unusable: usize,
    recovered: usize,
    clean: usize,
    entries: usize,
    segments_max: usize,
}

impl Stats {
    fn add(&mut self, other: &Stats) {
        self.torn += other.torn;
        self.transactions_cut += other.transactions_cut;
        self.rewrites += other.rewrites;
        self.rewrites_aborted += other.rewrites_aborted;
        self.failures += other.failures;
        self.unusable += other.unusable;
        self.recovered += other.recovered;
        self.clean += other.clean;
        self.entries += other.entries;
        self.segments_max = self.segments_max.max(other.segments_max);
    }
}

enum Stop {
    Crashed(Crash),
}

impl World {
    fn new(seed: u64, shards: usize, fault: (usize, Fault)) -> World {
        let mut random = Random::new(seed);
        let shards = (0..shards)
            .map(|_| {
                let mut disk = SimulatedDisk::new(random.draw());
                disk.recycles = random.one_in(2);
                Shard {
                    log: None,
                    disk,
                    history: Vec::new(),
                    parts: Vec::new(),
                    sequences: Vec::new(),
                    floor: 0,
                    durable: 0,
                    delayed: Vec::new(),
                    rewrite: None,
                    rewrites: BTreeMap::new(),
                    settled_below: 0,
                    sync_failed: false,
                }
            })
            .collect();
        World {
            shards,
            random,
            now_ms: 1000,
            transaction_next: 1,
            participants: BTreeMap::new(),
            operations: 0,
            fault,
            rule: AppendFsync::Always,
            stats: Stats::default(),
        }
    }

    /// Completes an operation of a shard, or lets happen to it what is to happen.
    fn complete(&mut self, shard: usize) -> Result<(), Stop> {
        let Shard {
            log,
            disk,
            sync_failed,
            ..
        } = &mut self.shards[shard];
        if disk.under_way() == 0 {
            return Ok(());
        }
        self.operations += 1;
        let completion = if self.operations == self.fault.0 {
            match self.fault.1 {
                Fault::None => disk.complete(),
                Fault::Fails(error) => {
                    let completion = disk.fail(error);
                    // What a failed sync has lost was written, and is not there after a kill either.
                    *sync_failed |= completion.as_ref().is_some_and(|of| of.buffer.is_none());
                    completion
                }
                Fault::Crash(how) => return Err(Stop::Crashed(how)),
            }
        } else {
            disk.complete()
        };
        let log = log.as_mut().expect("it is open");
        log.completed(completion.expect("something is under way"), disk);
        Ok(())
    }

    fn open(&mut self) -> Result<(), Stop> {
        let found: Vec<BTreeMap<FileName, Vec<u8>>> = self
            .shards
            .iter()
            .map(|shard| {
                let files = shard.disk.files();
                files
                    .into_iter()
                    .map(|(file, bytes)| (file, bytes.to_vec()))
                    .collect()
            })
            .collect();
        let files: Vec<ShardFiles<'_>> = found
            .iter()
            .enumerate()
            .map(|(shard, files)| shard_files(shard as u32, files))
            .collect();
        let recovered = match recover(&files, self.shards.len() as u32) {
            Ok(recovered) => recovered,
            Err(error) => panic!("recovery refuses what a crash has left: {error}"),
        };
        for (shard, log) in self.shards.iter_mut().zip(&recovered.logs) {
            let first = log.manifest.map_or(0, |manifest| manifest.segment_first);
            let (mut count, whole) = shard.rewrites.get(&first).copied().unwrap_or_default();
            for (_, body) in log.entries() {
                assert!(
                    shard.history.get(count).is_some_and(|of| of == body),
                    "entry {count} is what was appended"
                );
                count += 1;
            }
            assert!(
                count >= whole,
                "{count} entries found, all {whole} images were durable"
            );
            assert!(
                count >= shard.floor,
                "{count} entries found, {} were durable; cut: {:?}",
                shard.floor,
                log.cut
            );
            match log.cut.map(|cut| cut.why) {
                Some(super::recovery::CutReason::Transaction(_)) => {
                    self.stats.transactions_cut += 1
                }
                Some(_) => self.stats.torn += 1,
                None => {}
            }
            self.stats.clean += usize::from(log.clean);
            self.stats.entries += count;
            self.stats.segments_max = self.stats.segments_max.max(log.ranges.len());
            shard.history.truncate(count);
            shard.parts.retain(|part| part.place < count);
            shard.sequences.clear();
            shard.delayed.clear();
            shard.rewrite = None;
            shard.sync_failed = false;
            shard.floor = shard.durable;
            shard.settled_below = log.manifest.map_or(0, |manifest| manifest.settled_below);
        }
        assert!(recovered.transaction_next <= self.transaction_next);
        for (transaction, participants) in &self.participants {
            let having = self.shards.iter().enumerate().filter(|(_, shard)| {
                shard
                    .parts
                    .iter()
                    .any(|part| part.transaction == *transaction)
            });
            let having: u128 = having.map(|(shard, _)| 1 << shard).sum();
            assert!(
                having == 0 || having == *participants,
                "transaction {transaction}: {having:b} of {participants:b}"
            );
        }
        let shards = &self.shards;
        self.participants.retain(|transaction, _| {
            shards.iter().any(|shard| {
                shard
                    .parts
                    .iter()
                    .any(|part| part.transaction == *transaction)
            })
        });
        let identity = *b"the identity of ";
        for (shard, start) in self.shards.iter_mut().zip(recovered.starts(identity)) {
            shard.log = Some(Log::open(
                OPTIONS,
                self.rule,
                start,
                self.now_ms,
                self.now_ms,
                &mut shard.disk,
            ));
        }
        let mut rounds = 0;
        while self
            .shards
            .iter()
            .any(|shard| shard.log.as_ref().expect("open").state() != State::Ready)
        {
            let shard = self.random.below(self.shards.len());
            self.complete(shard)?;
            if let State::Unusable(_) = self.shards[shard].log.as_ref().expect("open").state() {
                self.stats.unusable += 1;
                return Err(Stop::Crashed(Crash::Kill));
            }
            self.now_ms += 100;
            self.turn(shard);
            rounds += 1;
            assert!(rounds < 2000, "a log becomes ready");
        }
        for shard in &mut self.shards {
            shard
                .log
                .as_mut()
                .expect("open")
                .remove_leftovers(&mut shard.disk);
            shard.floor = shard.history.len();
            shard.durable = shard.floor;
        }
        Ok(())
    }

    fn turn(&mut self, shard: usize) {
        let Shard { log, disk, .. } = &mut self.shards[shard];
        let log = log.as_mut().expect("open");
        log.commit(self.now_ms, disk);
        log.retry(self.now_ms, disk);
    }

    fn may_write(&self, shard: usize) -> bool {
        let log = self.shards[shard].log.as_ref().expect("open");
        log.state() == State::Ready && !log.is_full()
    }

    fn append(&mut self, shard: usize, body: Vec<u8>) {
        let cut = self.random.below(body.len() + 1);
        let shard = &mut self.shards[shard];
        let sequence = shard
            .log
            .as_mut()
            .expect("open")
            .append(&[&body[..cut], &body[cut..]]);
        shard.history.push(body);
        shard.sequences.push((sequence, shard.history.len()));
    }

    fn body(&mut self) -> Vec<u8> {
        let len = match self.random.below(20) {
            0 => 6000 + self.random.below(14_000),
            1 => 4000 + self.random.below(200),
            _ => 1 + self.random.below(300),
        };
        let mut word = vec![0; len];
        word.fill(self.random.draw() as u8);
        let unique = self.random.draw().to_le_bytes();
        let start = len.min(8);
        word[..start].copy_from_slice(&unique[..start]);
        let mut body = Vec::new();
        entry::command(&mut body, 0, self.now_ms, 0, &[b"SET", &word]);
        body
    }

    fn append_part(&mut self, shard: usize, transaction: u64) {
        let participants = self.participants[&transaction];
        let one = self.body();
        let mut body = Vec::new();
        entry::part_head(&mut body, transaction, participants);
        entry::part_entry(&mut body, &one);
        let place = self.shards[shard].history.len();
        self.shards[shard].parts.push(Part { place, transaction });
        self.append(shard, body);
    }

    fn flush_delayed(&mut self, shard: usize) {
        while self.may_write(shard) && !self.shards[shard].delayed.is_empty() {
            let transaction = self.shards[shard].delayed.remove(0);
            self.append_part(shard, transaction);
        }
    }

    /// How much of each history must survive, given how much of each log does.
    fn closed(&self, written: bool) -> Vec<usize> {
        let survives: Vec<usize> = self
            .shards
            .iter()
            .map(|shard| {
                let log = shard.log.as_ref().expect("open");
                let sequence = if written && !shard.sync_failed {
                    log.written_sequence()
                } else {
                    log.durable_sequence()
                };
                let known = shard.sequences.iter().rev().find(|(of, _)| *of <= sequence);
                known
                    .map_or(shard.floor, |(_, count)| *count)
                    .max(shard.floor)
            })
            .collect();
        let parts: Vec<Vec<PartAt>> = self
            .shards
            .iter()
            .zip(&survives)
            .map(|(shard, survives)| {
                let surviving = shard.parts.iter().filter(|part| part.place < *survives);
                let at = |part: &Part| PartAt {
                    position: Position {
                        segment: 0,
                        offset: part.place as u64,
                    },
                    sequence: 0,
                    transaction: part.transaction,
                    participants: self.participants[&part.transaction],
                };
                surviving.map(at).collect()
            })
            .collect();
        let known: Vec<ShardParts<'_>> = parts
            .iter()
            .map(|parts| ShardParts {
                settled_below: 0,
                parts,
            })
            .collect();
        cuts(&known)
            .into_iter()
            .zip(survives)
            .zip(&parts)
            .map(|((end, survives), parts)| {
                end.map_or(survives, |place| parts[place].position.offset as usize)
            })
            .collect()
    }

    fn step(&mut self) -> Result<(), Stop> {
        let shard = self.random.below(self.shards.len());
        match self.random.below(100) {
            0..25 => {
                self.flush_delayed(shard);
                for _ in 0..1 + self.random.below(4) {
                    if self.may_write(shard) {
                        let body = self.body();
                        self.append(shard, body);
                    }
                }
            }
            25..33 => {
                let all: Vec<usize> = (0..self.shards.len())
                    .filter(|_| self.random.below(3) > 0)
                    .collect();
                if all.len() > 1 && all.iter().all(|shard| self.may_write(*shard)) {
                    let transaction = self.transaction_next;
                    self.transaction_next += 1;
                    self.participants
                        .insert(transaction, all.iter().map(|shard| 1 << shard).sum());
                    for shard in all {
                        if self.random.one_in(3) {
                            self.shards[shard].delayed.push(transaction);
                        } else {
                            self.append_part(shard, transaction);
                        }
                    }
                }
            }
            33..58 => {
                self.turn(shard);
                if self.shards[shard].rewrite.is_some() {
                    self.rewrite(shard);
                }
            }
            58..85 => self.complete(shard)?,
            85..89 => {
                self.now_ms += self.random.below(1500) as u64;
                self.turn(shard);
            }
            89..91 => {
                self.rule = [
                    AppendFsync::Always,
                    AppendFsync::EverySecond,
                    AppendFsync::No,
                ][self.random.below(3)];
                let rule = self.rule;
                self.shards
                    .iter_mut()
                    .for_each(|shard| shard.log.as_mut().expect("open").set_rule(rule));
            }
            91..93 => self.shards[shard]
                .log
                .as_mut()
                .expect("open")
                .require_durable(),
            93..97 => self.rewrite(shard),
            _ => self.settle()?,
        }
        Ok(())
    }

    /// Lets all shards come to rest, as they do when nobody writes for a while.
    fn settle(&mut self) -> Result<(), Stop> {
        for _ in 0..3 {
            for shard in 0..self.shards.len() {
                self.flush_delayed(shard);
                self.shards[shard]
                    .log
                    .as_mut()
                    .expect("open")
                    .require_durable();
                self.turn(shard);
                for _ in 0..10 {
                    self.complete(shard)?;
                }
                if self.shards[shard].rewrite.is_some() {
                    self.rewrite(shard);
                }
            }
        }
        Ok(())
    }

    /// Begins a rewrite, or goes on with it.
    fn rewrite(&mut self, shard: usize) {
        let closed = self.closed(false);
        let abort = self.random.one_in(100);
        let transaction_next = self.transaction_next;
        // Every shard has appended its parts, and all of them are there for good.
        let settled = |below: u64, shards: &[Shard]| {
            shards.iter().zip(&closed).all(|(shard, closed)| {
                shard
                    .delayed
                    .iter()
                    .all(|transaction| *transaction >= below)
                    && shard
                        .parts
                        .iter()
                        .all(|part| part.transaction >= below || part.place < *closed)
            })
        };
        let Some(mut rewrite) = self.shards[shard].rewrite else {
            let left = self.random.below(40);
            let shard = &mut self.shards[shard];
            let log = shard.log.as_mut().expect("open");
            if log.begin_rewrite().is_ok() {
                shard.rewrite = Some(Rewrite {
                    segment: log.stream.end().segment,
                    began: shard.history.len(),
                    settled_below: transaction_next,
                    left,
                    images_below: None,
                    is_finished: false,
                });
            }
            return;
        };
        while rewrite.left > 0 && self.may_write(shard) {
            let image = self.body();
            self.append(shard, image);
            rewrite.left -= 1;
        }
        if rewrite.left == 0 && rewrite.images_below.is_none() {
            // What transactions did before the last image may be in an image.
            rewrite.images_below = Some(transaction_next);
            let known = &mut self.shards[shard];
            let whole = (rewrite.began, known.history.len());
            known.rewrites.insert(rewrite.segment, whole);
        }
        let below = rewrite.images_below.unwrap_or(u64::MAX);
        let may_finish = rewrite.left == 0 && settled(below, &self.shards);
        let shard = &mut self.shards[shard];
        let log = shard.log.as_mut().expect("open");
        match log.rewrite_end() {
            Some(RewriteEnd::Done) => {
                self.stats.rewrites += 1;
                shard.settled_below = rewrite.settled_below;
                shard.rewrite = None;
                return;
            }
            Some(RewriteEnd::Aborted) => {
                self.stats.rewrites_aborted += 1;
                shard.rewrite = None;
                return;
            }
            None if abort => log.abort_rewrite(),
            None if may_finish && !rewrite.is_finished => {
                log.finish_rewrite(rewrite.settled_below, &mut shard.disk);
                rewrite.is_finished = true;
            }
            None => {}
        }
        shard.rewrite = Some(rewrite);
    }

    fn stop(&mut self) -> Result<(), Stop> {
        for shard in 0..self.shards.len() {
            for _ in 0..2000 {
                self.flush_delayed(shard);
                if self.shards[shard].delayed.is_empty() {
                    break;
                }
                self.complete(shard)?;
                self.now_ms += 100;
                self.turn(shard);
            }
            assert!(self.shards[shard].delayed.is_empty(), "buffers drain");
        }
        for shard in 0..self.shards.len() {
            let mut rounds = 0;
            loop {
                let Shard { log, disk, .. } = &mut self.shards[shard];
                let log = log.as_mut().expect("open");
                if log.state() == State::Stopped && log.is_idle() && disk.under_way() == 0 {
                    break;
                }
                log.stop(self.now_ms, disk);
                log.retry(self.now_ms, disk);
                self.complete(shard)?;
                self.now_ms += 100;
                rounds += 1;
                assert!(rounds < 2000, "a log stops");
            }
        }
        Ok(())
    }

    fn life(&mut self, steps: usize) -> Result<bool, Stop> {
        self.open()?;
        for _ in 0..steps {
            self.step()?;
        }
        let clean = self.random.one_in(4);
        if clean {
            self.stop()?;
        }
        Ok(clean)
    }

    /// Several lives, the last of them only opened.
    fn run(&mut self, lives: usize, steps: usize) {
        for life in 0..=lives {
            let steps = if life == lives { 0 } else { steps };
            let how = match self.life(steps) {
                Ok(true) => {
                    for shard in &mut self.shards {
                        shard.floor = shard.history.len();
                        shard.durable = shard.floor;
                    }
                    Crash::PowerLoss
                }
                Ok(false) if self.random.one_in(2) => Crash::PowerLoss,
                Ok(false) => Crash::Kill,
                Err(Stop::Crashed(how)) => how,
            };
            let durable = self.closed(false);
            let found = self.closed(how == Crash::Kill);
            for ((shard, durable), found) in self.shards.iter_mut().zip(durable).zip(found) {
                shard.durable = shard.durable.max(durable);
                shard.floor = shard.durable.max(found);
                let log = shard.log.take().expect("open");
                self.stats.failures += usize::from(matches!(log.state(), State::Failed(_)));
                self.stats.recovered +=
                    usize::from(shard.sync_failed && log.state() == State::Ready);
                shard.disk.crash(how, self.random.draw());
            }
        }
    }
}

fn shard_files(shard: u32, files: &BTreeMap<FileName, Vec<u8>>) -> ShardFiles<'_> {
    let mut found = ShardFiles {
        shard,
        ..ShardFiles::default()
    };
    for (file, bytes) in files {
        match file {
            FileName::Manifest { .. } => found.manifest = Some(bytes),
            FileName::ManifestNew { .. } => found.manifest_new = true,
            FileName::Segment { number, .. } => found.segments.push((*number, bytes)),
        }
    }
    found
}

const LIVES: usize = 2;
const STEPS: usize = 50;

/// Cases of workloads that begin at a seed, until there are so many.
fn run_cases(seed: u64, cases: usize) -> Stats {
    let mut total = Stats::default();
    let mut workload = 0;
    while total.cases < cases {
        let seed = seed.wrapping_add(workload);
        let shards = 1 + (workload % 3) as usize;
        workload += 1;
        let mut plain = World::new(seed, shards, (0, Fault::None));
        plain.run(LIVES, STEPS);
        for at in 1..=plain.operations {
            for fault in [
                Fault::Fails(ENOSPC),
                Fault::Fails(EIO),
                Fault::Crash(Crash::PowerLoss),
                Fault::Crash(Crash::Kill),
            ] {
                let outcome = std::panic::catch_unwind(|| {
                    let mut world = World::new(seed, shards, (at, fault));
                    world.run(LIVES, STEPS);
                    world.stats
                });
                let Ok(stats) = outcome else {
                    panic!("workload seed {seed}, {shards} shards, operation {at}, {fault:?}");
                };
                total.cases += 1;
                total.add(&stats);
            }
        }
    }
    total
}

#[test]
fn whatever_fails_wherever_the_power_goes_what_was_promised_is_found() {
    let cases = if std::env::var_os("TORC_TEST_FULL").is_some() {
        400_000
    } else {
        20_000
    };
    let seed = seed_from_environment();
    let mut total = Stats::default();
    std::thread::scope(|scope| {
        let workers = [0, 1 << 32]
            .map(|from| scope.spawn(move || run_cases(seed.wrapping_add(from), cases / 2)));
        for worker in workers {
            let stats = worker.join().expect("every case keeps its promises");
            total.cases += stats.cases;
            total.add(&stats);
        }
    });
    println!("{total:?}");
    assert!(total.cases >= cases);
    for met in [
        total.torn,
        total.transactions_cut,
        total.rewrites,
        total.rewrites_aborted,
        total.failures,
        total.unusable,
        total.recovered,
        total.clean,
        total.entries,
        total.segments_max - 1,
    ] {
        assert!(met > 0, "the cases meet everything: {total:?}");
    }
}
