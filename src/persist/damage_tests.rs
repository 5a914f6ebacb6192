//! Damage to files that were whole: every truncation and every flipped bit is an error, a stated cut of what was not promised, or harmless.

use super::disk::FileName;
use super::entry;
use super::log::{Log, Options, Start, State};
use super::random::Random;
use super::recovery::{RecoveryError, ShardFiles, ShardLog, read_shard};
use super::simulated::SimulatedDisk;
use crate::config::AppendFsync;
use std::collections::BTreeMap;

pub(super) const IDENTITY: [u8; 16] = *b"an identity, yes";

/// The files of a shard with so many bytes of entries, committed a few at a time under `always`; and how many of them the last commit had.
pub(super) fn written(
    segment_bytes: u64,
    total: usize,
    clean: bool,
    seed: u64,
) -> (BTreeMap<FileName, Vec<u8>>, usize) {
    let mut random = Random::new(seed);
    let mut disk = SimulatedDisk::new(random.draw());
    let options = Options {
        segment_bytes_first: segment_bytes,
        segment_bytes,
        ..Options::default()
    };
    let start = Start::fresh(IDENTITY, 0, 1);
    let mut log = Log::open(options, AppendFsync::Always, start, 0, 0, &mut disk);
    while let Some(completion) = disk.complete() {
        log.completed(completion, &mut disk);
    }
    assert_eq!(log.state(), State::Ready);
    let mut bytes = 0;
    let mut in_commit = 0;
    while bytes < total {
        in_commit = 1 + random.below(3);
        for _ in 0..in_commit {
            let word: Vec<u8> = (0..1 + random.below(1500))
                .map(|_| random.draw() as u8)
                .collect();
            let mut body = Vec::new();
            entry::command(&mut body, 0, 1, 0, &[b"SET", &word]);
            bytes += body.len();
            log.append(&[&body]);
        }
        // The disk is idle, so that the commit is a write of its own.
        log.commit(1, &mut disk);
        while let Some(completion) = disk.complete() {
            log.completed(completion, &mut disk);
        }
    }
    if clean {
        log.stop(2, &mut disk);
        while let Some(completion) = disk.complete() {
            log.completed(completion, &mut disk);
        }
        assert_eq!(log.state(), State::Stopped);
    }
    let files = disk.files();
    (
        files
            .into_iter()
            .map(|(file, bytes)| (file, bytes.to_vec()))
            .collect(),
        in_commit,
    )
}

fn read<'a>(manifest: &'a [u8], segments: &[&'a [u8]]) -> Result<ShardLog<'a>, RecoveryError> {
    read_shard(&ShardFiles {
        shard: 0,
        manifest: Some(manifest),
        manifest_new: false,
        segments: (1..).zip(segments.iter().copied()).collect(),
    })
}

struct Whole {
    files: BTreeMap<FileName, Vec<u8>>,
    entries: Vec<Vec<u8>>,
    in_last_commit: usize,
    clean: bool,
}

impl Whole {
    fn new(segment_bytes: u64, total: usize, clean: bool, seed: u64) -> Whole {
        let (files, in_last_commit) = written(segment_bytes, total, clean, seed);
        let mut whole = Whole {
            files,
            entries: Vec::new(),
            in_last_commit,
            clean,
        };
        let log = read(whole.manifest(), &whole.segments()).expect("whole");
        assert_eq!((log.cut, log.clean), (None, clean));
        whole.entries = log.entries().map(|(_, body)| body.to_vec()).collect();
        assert!(whole.entries.iter().map(Vec::len).sum::<usize>() >= total);
        whole
    }

    fn manifest(&self) -> &[u8] {
        &self.files[&FileName::Manifest { shard: 0 }]
    }

    fn segments(&self) -> Vec<&[u8]> {
        self.files
            .iter()
            .filter(|(file, _)| matches!(file, FileName::Segment { .. }))
            .map(|(_, bytes)| bytes.as_slice())
            .collect()
    }

    /// How many entries are found with these bytes in place of a segment; all of them are right. `None` for an error.
    fn found(&self, place: usize, bytes: &[u8]) -> Option<(usize, bool)> {
        let mut segments = self.segments();
        segments[place] = bytes;
        let log = read(self.manifest(), &segments).ok()?;
        let mut count = 0;
        for (_, body) in log.entries() {
            assert_eq!(body, self.entries[count], "entry {count}");
            count += 1;
        }
        assert!(
            count == self.entries.len() || log.cut.is_some(),
            "a cut is stated: {count} entries"
        );
        Some((count, log.cut.is_some()))
    }

    fn flip(&self, place: usize, bits: impl Iterator<Item = usize>) -> (usize, usize, usize) {
        let mut bytes = self.segments()[place].to_vec();
        let (mut errors, mut cuts, mut harmless) = (0, 0, 0);
        let all = self.entries.len();
        for bit in bits {
            bytes[bit / 8] ^= 1 << (bit % 8);
            match self.found(place, &bytes) {
                None => errors += 1,
                Some((found, _)) if found == all => harmless += 1,
                Some((found, _)) => {
                    assert!(
                        !self.clean,
                        "bit {bit}: what a clean end covers is never cut"
                    );
                    assert!(
                        found + self.in_last_commit >= all,
                        "bit {bit}: {found} of {all} found, and only the last commit may be cut"
                    );
                    cuts += 1;
                }
            }
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
        (errors, cuts, harmless)
    }
}

fn full() -> bool {
    std::env::var_os("TORC_TEST_FULL").is_some()
}

#[test]
fn every_flipped_bit_is_found_or_harmless() {
    let seed = super::random::seed_from_environment();
    for clean in [false, true] {
        // A small segment in all its bits; one of 64 KiB in all of them, or every so many.
        let small = Whole::new(16 << 10, 4000, clean, seed);
        let (errors, cuts, harmless) = small.flip(0, 0..small.segments()[0].len() * 8);
        println!("small, clean {clean}: {errors} errors, {cuts} cuts, {harmless} harmless");
        // How long the last commit is, the seed says.
        assert!(errors > 0 && harmless > 1000 && (cuts > 0) != clean);
        let large = Whole::new(64 << 10, 56_000, clean, seed);
        assert_eq!(
            large
                .segments()
                .iter()
                .filter(|bytes| bytes[0] != 0)
                .count(),
            1
        );
        let step = if full() { 1 } else { 61 };
        let (errors, cuts, harmless) =
            large.flip(0, (seed as usize % step..64 * 1024 * 8).step_by(step));
        println!("64 KiB, clean {clean}: {errors} errors, {cuts} cuts, {harmless} harmless");
        assert!(errors > 1000 && harmless > 0);
    }
}

#[test]
fn every_truncation_is_found_or_harmless() {
    let seed = super::random::seed_from_environment();
    for clean in [false, true] {
        for (total, step) in [(4000, 1), (56_000, if full() { 1 } else { 17 })] {
            let whole = Whole::new(
                if total > 8000 { 64 << 10 } else { 16 << 10 },
                total,
                clean,
                seed,
            );
            let bytes = whole.segments()[0].to_vec();
            let (mut errors, mut cuts) = (0, 0);
            for len in (0..bytes.len()).step_by(step) {
                match whole.found(0, &bytes[..len]) {
                    None => errors += 1,
                    Some((_, cut)) => cuts += usize::from(cut),
                }
            }
            println!(
                "{total} bytes, clean {clean}: {errors} errors, {cuts} cuts of {}",
                bytes.len()
            );
            assert!(cuts > 0);
        }
    }
}

#[test]
fn damage_in_an_earlier_segment_is_an_error() {
    let seed = super::random::seed_from_environment();
    let whole = Whole::new(16 << 10, 60_000, false, seed);
    assert!(whole.segments().len() >= 4);
    let mut random = Random::new(seed);
    for _ in 0..300 {
        let bit = random.below(16 * 1024 * 8);
        let (errors, cuts, harmless) = whole.flip(1, std::iter::once(bit));
        assert_eq!(cuts, 0, "bit {bit}");
        // Only the rest of the header's block means nothing.
        assert!(
            errors == 1 || (harmless == 1 && bit < 4096 * 8),
            "bit {bit}"
        );
    }
    for len in [0, 100, 4096, 9000] {
        let bytes = whole.segments()[1][..len].to_vec();
        assert_eq!(whole.found(1, &bytes), None, "cut to {len} bytes");
    }
    let mut segments = whole.segments();
    segments.swap(1, 2);
    assert!(
        read(whole.manifest(), &segments).is_err(),
        "files that changed places"
    );
}

#[test]
fn files_of_others_are_refused() {
    let ours = Whole::new(16 << 10, 4000, true, 1);
    let segment = ours.segments()[0];
    let mut other = ours.manifest().to_vec();
    let decoded = super::manifest::Manifest::decode(&other).expect("whole");
    let changed = |change: fn(&mut super::manifest::Manifest)| {
        let mut manifest = decoded;
        change(&mut manifest);
        manifest.encode()
    };
    other.clone_from(&changed(|manifest| {
        manifest.identity = *b"another identity"
    }));
    let what = |manifest: &[u8]| match read(manifest, &[segment]) {
        Err(RecoveryError::Foreign { what, .. }) => what.to_string(),
        Err(error) => format!("{error:?}"),
        Ok(_) => "nothing".to_string(),
    };
    assert_eq!(what(&other), "identity");
    assert_eq!(
        what(&changed(|manifest| manifest.shards = 2)),
        "number of shards"
    );
    assert_eq!(what(&changed(|manifest| manifest.shard = 1)), "shard");
    assert_eq!(
        what(&changed(|manifest| manifest.segment_first = 2)),
        "nothing",
        "segments before the first mean nothing"
    );
    assert_eq!(
        read_shard(&ShardFiles {
            segments: vec![(1, segment)],
            ..ShardFiles::default()
        })
        .map(|_| ()),
        Err(RecoveryError::ManifestMissing(0))
    );
}
