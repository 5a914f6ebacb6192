//! Files with any byte changed, or cut anywhere: refused, or nothing is different.

use super::file::{Finished, Reader, Writer};
use super::manifest::{Left, LogEnd, Manifest};
use crate::config::Policy;
use crate::engine::random::Random;
use crate::engine::{Engine, EngineOptions, Expiry, NewValue, Touch, Value};
use crate::persist::frame::Position;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

const IDENTITY: [u8; 16] = [7; 16];

fn options() -> EngineOptions {
    EngineOptions {
        databases: 1,
        memory_bytes_max: 0,
        policy: Policy::AllKeysS3Fifo,
        samples: 5,
        lfu_log_factor: 10,
        lfu_decay_minutes: 1,
        reservation_bytes: 64 << 20,
        thresholds: Default::default(),
        seed: 3,
    }
}

/// A file of its own, removed at the end.
struct Path(PathBuf);

impl Path {
    fn new(name: &str) -> Path {
        let name = format!("torc-warm-{}-{name}", std::process::id());
        Path(std::env::temp_dir().join(name))
    }
}

impl Drop for Path {
    fn drop(&mut self) {
        // Nothing is lost when it stays behind.
        let _ = fs::remove_file(&self.0);
    }
}

const KEYS: u32 = 300;

fn value_of(number: u32) -> Vec<u8> {
    let len = match number {
        0 => 20_000,
        number => number as usize % 90,
    };
    vec![number as u8; len]
}

fn written(path: &Path) -> Finished {
    let mut engine = Engine::new(options()).expect("room");
    engine.set_now(1_700_000_000_000);
    for number in 0..KEYS {
        let name = format!("key:{number}");
        let key = engine.key(0, name.as_bytes());
        let value = value_of(number);
        let value = NewValue::Text(&value);
        engine.set(&key, value, Expiry::None).expect("room");
    }
    let mut writer = Writer::create(&path.0, IDENTITY, 1).expect("a temporary file");
    let figures = engine.freeze(&mut writer).expect("room on the disk");
    assert_eq!(figures.keys, u64::from(KEYS));
    writer.finish().expect("room on the disk")
}

fn load(path: &Path, expected: &Finished, helpers: usize) -> Result<(), String> {
    let reader = Reader::open(&path.0, &IDENTITY, 1, expected)?;
    let mut engine = reader.load(options(), helpers)?;
    for number in 0..KEYS {
        let name = format!("key:{number}");
        let key = engine.key(0, name.as_bytes());
        let item = engine.find(&key, Touch::No).expect("all keys are there");
        let value = match engine.value(item) {
            Value::Bytes(bytes) => bytes,
            Value::Large(large) => large.as_slice(),
            other => unreachable!("{other:?} was never stored"),
        };
        assert_eq!(value, value_of(number));
    }
    Ok(())
}

#[test]
fn no_changed_byte_and_no_cut_makes_other_data() {
    let seed = 21;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let path = Path::new("changed");
    let finished = written(&path);
    assert_eq!(load(&path, &finished, 0), Ok(()));
    assert_eq!(load(&path, &finished, 3), Ok(()));
    let file = File::options().read(true).write(true).open(&path.0);
    let file = file.expect("it was just written");
    let len = finished.len as usize;
    let header = (0..64).chain(4092..4096);
    let any = (0..1500).map(|_| 4096 + random.below(len - 4096));
    let places: Vec<usize> = header.chain(any).collect();
    let mut refused = 0;
    for at in places {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at as u64).expect("a byte");
        let bit = 1u8 << (at % 8);
        file.write_all_at(&[byte[0] ^ bit], at as u64)
            .expect("a byte");
        let outcome = load(&path, &finished, 0);
        assert!(at >= 64 || outcome.is_err(), "the header at {at}");
        refused += usize::from(outcome.is_err());
        file.write_all_at(&byte, at as u64).expect("a byte");
    }
    assert!(refused > 1300, "{refused}");
    assert_eq!(load(&path, &finished, 0), Ok(()));
    for _ in 0..50 {
        let cut = random.below(len) as u64;
        let copy = Path::new("cut");
        fs::copy(&path.0, &copy.0).expect("room");
        let file = File::options().write(true).open(&copy.0).expect("a copy");
        file.set_len(cut).expect("shorter");
        assert!(load(&copy, &finished, 0).is_err(), "cut at {cut}");
        // A manifest that knew of it would not help either.
        let known = Finished {
            len: cut,
            ..finished
        };
        assert!(load(&copy, &known, 0).is_err(), "cut at {cut}");
    }
}

#[test]
fn a_file_of_another_stop_or_shard_is_refused() {
    let path = Path::new("foreign");
    let finished = written(&path);
    let open = |identity: [u8; 16], shard, finished: &Finished| {
        Reader::open(&path.0, &identity, shard, finished).map(drop)
    };
    assert_eq!(open(IDENTITY, 1, &finished), Ok(()));
    let foreign = Err("it is not of the same stop as the manifest".to_string());
    assert_eq!(open([8; 16], 1, &finished), foreign);
    assert_eq!(open(IDENTITY, 0, &finished), foreign);
    let checksum = finished.checksum ^ 1;
    let other = Finished {
        checksum,
        ..finished
    };
    assert_eq!(open(IDENTITY, 1, &other), foreign);
}

#[test]
fn a_manifest_reads_back_and_no_changed_byte_is_overlooked() {
    let log = LogEnd {
        identity: [9; 16],
        end: Position {
            segment: 3,
            offset: 4096,
        },
        sequence: 77,
        segments: vec![1, 3],
        files: vec![("shard-0.segment-0000000003".into(), 1 << 26)],
        manifest_checksum: 5,
        tail_checksum: 6,
    };
    let left = |log| Left {
        file: Finished {
            len: 1 << 33,
            checksum: 1,
        },
        keys: 2,
        log,
    };
    let manifest = Manifest {
        identity: IDENTITY,
        databases: 16,
        snapshot: Some((10, 1_700_000_000_000_000_000)),
        transaction_next: 4,
        libraries: b"code".to_vec(),
        shards: vec![left(Some(log)), left(None)],
    };
    let bytes = manifest.encode();
    assert_eq!(Manifest::decode(&bytes), Ok(manifest));
    for at in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[at] ^= 1 << bit;
            assert!(Manifest::decode(&changed).is_err(), "byte {at} bit {bit}");
        }
        assert!(Manifest::decode(&bytes[..at]).is_err(), "cut at {at}");
    }
}
