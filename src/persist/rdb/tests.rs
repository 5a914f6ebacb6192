//! Files by hand, files of the writer, and damaged ones. What redis-server writes is read in `tests/rdb`.

use super::*;
use crate::codec::crc64::crc64;
use crate::codec::element::{write_number, write_string};
use crate::codec::kind;
use proptest::prelude::*;
use std::sync::LazyLock;

const PREFACE: Preface<'_> = Preface {
    redis_version: "7.0.15",
    time_s: 1_700_000_000,
    used_memory_bytes: 1 << 20,
    is_log_base: false,
};

/// Entries of a file by hand; the end and the checksum are put behind them.
fn file(header: &str, body: &[u8]) -> Vec<u8> {
    let mut file = [header.as_bytes(), body, b"\xff"].concat();
    let sum = crc64(&file);
    file.extend_from_slice(&sum.to_le_bytes());
    file
}

fn read(file: &[u8]) -> Result<Vec<Entry<'_>>, RdbError> {
    RdbReader::new(file)?.collect()
}

fn error(file: &[u8]) -> RdbError {
    read(file).expect_err("an error")
}

fn body(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut body = Vec::new();
    write(&mut body);
    body
}

/// A kind, a key named after it, and a value of two of everything, for each kind that can be read.
fn keys_of_each_kind() -> Vec<(u8, Vec<u8>)> {
    let strings = |count: usize| {
        body(|out| {
            write_number(out, 2);
            (0..2 * count)
                .for_each(|number| write_string(out, format!("text {number}").as_bytes()));
        })
    };
    let one = body(|out| write_string(out, &b"packed ".repeat(10)));
    let stream = |kind: u8| {
        body(|out| {
            write_number(out, 1);
            write_string(out, &[0; 16]);
            write_string(out, b"a listpack");
            (0..if kind >= kind::STREAM_2 { 8 } else { 3 }).for_each(|_| write_number(out, 70_000));
            write_number(out, 1);
            write_string(out, b"group");
            (0..if kind >= kind::STREAM_2 { 3 } else { 2 }).for_each(|_| write_number(out, 5));
            write_number(out, 2);
            for _ in 0..2 {
                out.extend_from_slice(&[7; 24]);
                write_number(out, 1);
            }
            write_number(out, 1);
            write_string(out, b"consumer");
            out.extend_from_slice(&[1; 8]);
            if kind >= kind::STREAM_3 {
                out.extend_from_slice(&[2; 8]);
            }
            write_number(out, 1);
            out.extend_from_slice(&[3; 16]);
            if kind >= kind::STREAM_5 {
                write_number(out, 1);
                out.extend_from_slice(&[4; 16]);
            }
            if kind >= kind::STREAM_4 {
                (0..2).for_each(|_| write_number(out, 100));
                write_number(out, 1);
                write_string(out, b"producer");
                write_number(out, 1);
                write_string(out, b"id");
                (1..=4).for_each(|number| write_number(out, number));
            }
        })
    };
    let each = |element: &dyn Fn(&mut Vec<u8>)| {
        body(|out| {
            write_number(out, 2);
            element(out);
            element(out);
        })
    };
    let expiring_field = |out: &mut Vec<u8>| {
        write_number(out, 1);
        write_string(out, b"name");
        write_string(out, b"-12345");
    };
    let mut keys = vec![
        (kind::STRING, body(|out| write_string(out, b"12"))),
        (kind::LIST, strings(1)),
        (kind::SET, strings(1)),
        (
            kind::SORTED_SET_TEXT,
            each(&|out| out.extend_from_slice(b"\x01m\x031.5")),
        ),
        (kind::HASH, strings(2)),
        (
            kind::SORTED_SET,
            each(&|out| {
                write_string(out, b"member");
                out.extend_from_slice(&1.5f64.to_le_bytes());
            }),
        ),
        (kind::LIST_QUICKLIST, strings(1)),
        (
            kind::LIST_QUICKLIST_2,
            each(&|out| {
                write_number(out, 2);
                write_string(out, b"node");
            }),
        ),
        (kind::HASH_EXPIRING_EARLY, each(&expiring_field)),
        (
            kind::HASH_EXPIRING,
            [[9; 8].as_slice(), &each(&expiring_field)].concat(),
        ),
        (
            kind::HASH_LISTPACK_EXPIRING,
            [[9; 8].as_slice(), &one].concat(),
        ),
    ];
    for kind in [9, 10, 11, 12, 13, 16, 17, 20, 23] {
        keys.push((kind, one.clone()));
    }
    for kind in [15, 19, 21, 26, 27] {
        keys.push((kind, stream(kind)));
    }
    keys
}

/// A file with one of everything.
static FILE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut out = b"\xfa\x09redis-ver\x058.8.0\xf5".to_vec();
    write_string(&mut out, b"#!lua name=library\n");
    out.extend_from_slice(b"\xfe\x03\xfb\x1e\x02\xf4\x05\x01\x00");
    out.extend_from_slice(MODULE_DATA);
    for (kind, value) in keys_of_each_kind() {
        match kind % 4 {
            0 => out.extend_from_slice(b"\xfc\x00\x10\x20\x30\x40\x00\x00\x00"),
            1 => out.extend_from_slice(b"\xf8\x41\x00"),
            2 => out.extend_from_slice(b"\xfd\x01\x00\x00\x00\xf9\x07"),
            _ => out.extend_from_slice(b"\xf3\x01spec\x02\x05\x00"),
        }
        out.push(kind);
        write_string(&mut out, format!("key of kind {kind}").as_bytes());
        out.extend_from_slice(&value);
    }
    file("REDIS0014", &out)
});

/// Auxiliary data of the module type "AAAAAAAAA": one element of each form.
const MODULE_DATA: &[u8] = b"\xf7\x00\x02\x02\x01\x41\x00\x03ffff\x04dddddddd\x05\x03abc\x00";

#[test]
fn one_of_everything() {
    let entries = read(&FILE).expect("a sound file");
    let keys: Vec<&KeyEntry<'_>> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Key(key) => Some(key),
            _ => None,
        })
        .collect();
    let expected = keys_of_each_kind();
    assert_eq!(keys.len(), expected.len());
    for (found, (kind, value)) in keys.iter().zip(&expected) {
        assert_eq!(found.kind, *kind);
        assert_eq!(found.key, format!("key of kind {kind}").as_bytes());
        assert_eq!(found.value, value, "kind {kind}");
        assert_eq!(&FILE[found.value_offset..][..value.len()], value);
        assert_eq!(found.database, 3);
        let (expires_at_ms, idle_s, frequency) = match kind % 4 {
            0 => (Some(0x40_3020_1000), None, None),
            1 => (None, Some(0x100), None),
            2 => (Some(1000), None, Some(7)),
            _ => (None, None, None),
        };
        assert_eq!(found.expires_at_ms, expires_at_ms, "kind {kind}");
        assert_eq!((found.idle_s, found.frequency), (idle_s, frequency));
    }
    assert_eq!(
        entries[..5],
        [
            Entry::Auxiliary {
                name: b"redis-ver"[..].into(),
                value: b"8.8.0"[..].into()
            },
            Entry::Function(b"#!lua name=library\n"[..].into()),
            Entry::Database(3),
            Entry::SizeHint {
                keys: 30,
                expiring: 2
            },
            Entry::Ignored("auxiliary data of the module type AAAAAAAAA".into()),
        ]
    );
    assert_eq!(entries.last(), Some(&Entry::End(Checksum::Right)));
}

#[test]
fn every_truncation_is_noticed() {
    for len in 0..FILE.len() {
        let found = error(&FILE[..len]);
        assert_eq!(found.kind, RdbErrorKind::CutShort, "{len}: {found}");
        assert!(found.offset <= len, "{len}: {found}");
    }
}

#[test]
fn every_changed_byte_is_noticed() {
    // A digit of the version may change into that of a version without checksums.
    for at in (0..5).chain(9..FILE.len()) {
        for change in [0x01, 0x80, 0xff] {
            let mut file = FILE.clone();
            file[at] ^= change;
            assert!(read(&file).is_err(), "byte {at} by {change}");
        }
    }
}

#[test]
fn nothing_comes_after_an_error() {
    let mut reader = RdbReader::new(&FILE[..FILE.len() - 1]).unwrap();
    assert!(reader.by_ref().any(|entry| entry.is_err()));
    assert_eq!(reader.next(), None);
}

#[test]
fn headers() {
    for (header, kind) in [
        ("REDIS0000", RdbErrorKind::Unsupported),
        ("REDIS0015", RdbErrorKind::Unsupported),
        ("REDIS0080", RdbErrorKind::Unsupported),
        ("REDIS+001", RdbErrorKind::Malformed),
        ("VALKEY011", RdbErrorKind::Unsupported),
        ("VALKEY081", RdbErrorKind::Unsupported),
        ("MEMCACHED", RdbErrorKind::Malformed),
    ] {
        assert_eq!(error(&file(header, b"")).kind, kind, "{header}");
    }
    assert_eq!(
        RdbReader::new(b"*3\r\n$3\r\nSET").unwrap_err().to_string(),
        "at byte 0: expected REDIS or VALKEY and found \"*3\\r\\n$3\\r\\nS\""
    );
    for header in ["REDIS0001", "REDIS0004"] {
        let file = [header.as_bytes(), b"\xff"].concat();
        assert_eq!(read(&file), Ok(vec![Entry::End(Checksum::Absent)]));
    }
    assert!(is_rdb(b"REDIS0011") && is_rdb(b"VALKEY080") && !is_rdb(b"*1\r\n"));
}

#[test]
fn checksums() {
    let good = file("REDIS0010", b"\xfe\x01");
    let mut without = good.clone();
    without[12..].fill(0);
    fn end(file: &[u8]) -> Result<Option<Entry<'_>>, RdbError> {
        read(file).map(|entries| entries.last().cloned())
    }
    assert_eq!(end(&good), Ok(Some(Entry::End(Checksum::Right))));
    assert_eq!(end(&without), Ok(Some(Entry::End(Checksum::Absent))));
    let mut wrong = good.clone();
    wrong[10] = 2;
    let found = error(&wrong);
    assert_eq!((found.kind, found.offset), (RdbErrorKind::Checksum, 12));
    let unchecked = RdbReader::new(&wrong).unwrap().without_checksum();
    assert_eq!(unchecked.last(), Some(Ok(Entry::End(Checksum::Unchecked))));
}

#[test]
fn what_follows_the_end_is_left_alone() {
    let snapshot = file("REDIS0010", b"\xfe\x00");
    let whole = [snapshot.as_slice(), b"*1\r\n$4\r\nPING\r\n"].concat();
    let mut reader = RdbReader::new(&whole).unwrap();
    assert!(reader.by_ref().all(|entry| entry.is_ok()));
    assert_eq!(reader.offset(), snapshot.len());
}

#[test]
fn the_same_numbers_mean_other_things_to_valkey() {
    let fields = b"\x01\x01f\x01v\xff\xff\xff\xff\xff\xff\xff\xff";
    let mut body = b"\xf3\x03job\x01\x05\x0a\x16\x03key".to_vec();
    body.extend_from_slice(fields);
    let bytes = file("VALKEY080", &body);
    let entries = read(&bytes).expect("a sound file");
    let [Entry::Key(key), Entry::End(_)] = &entries[..] else {
        panic!("{entries:?}");
    };
    assert_eq!(key.kind, kind::HASH_EXPIRING_VALKEY);
    assert_eq!(key.value, fields);
    // The same bytes are read otherwise in a file of Redis.
    assert!(read(&file("REDIS0012", &body)).is_err());
    let ours = [&[kind::HASH_EXPIRING_VALKEY], &body[11..]].concat();
    assert_eq!(
        error(&file("VALKEY080", &ours)).kind,
        RdbErrorKind::Malformed
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    // The name of the module type is nine characters of six bits, then ten bits of version: "tree-type" in version 3.
    const CHARACTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let id = b"tree-type".iter().fold(0u64, |id, character| {
        id << 6
            | CHARACTERS
                .iter()
                .position(|other| other == character)
                .unwrap() as u64
    }) << 10
        | 3;
    let module = body(|out| {
        out.push(kind::MODULE);
        write_string(out, b"leaf");
        write_number(out, id);
        out.extend_from_slice(b"\x02\x01\x00");
    });
    let found = error(&file("REDIS0010", &module));
    assert_eq!(found.kind, RdbErrorKind::Unsupported);
    assert_eq!(
        found.to_string(),
        "at byte 24: in the value of a module of key \"leaf\" in database 0: \
         the value belongs to the module type tree-type, which only that module understands"
    );
    for (entries, part) in [
        (&b"\xf6\x01x"[..], "release candidates of Redis 7.0"),
        (b"\xf2\x01x", "Valkey 9.2"),
        (
            b"\x06\x01k\x01v",
            "kind 6 cannot be read: value of a module",
        ),
        (b"\x1c\x01k\x01v", "kind 28 cannot be read: array"),
        (b"\x63\x01k\x01v", "kind 99 cannot be read"),
    ] {
        let found = error(&file("REDIS0014", entries));
        assert_eq!(found.kind, RdbErrorKind::Unsupported);
        assert!(found.message.contains(part), "{found}");
    }
    let long = body(|out| {
        out.push(kind::STRING);
        write_string(out, &[b'k'; 1000]);
        out.push(0x82);
    });
    let found = error(&file("REDIS0010", &long));
    assert_eq!(found.kind, RdbErrorKind::Malformed);
    assert!(
        found
            .message
            .contains("kkk...\" in database 0: expected string")
    );
    assert!(found.message.len() < 300);
}

#[test]
fn announcements_take_no_memory() {
    let huge = body(|out| write_number(out, u64::MAX));
    for kind in (0..=40).chain([247, 250]) {
        let entries = [&[kind, 1, b'k'], huge.as_slice()].concat();
        assert!(read(&file("REDIS0014", &entries)).is_err(), "{kind}");
        let entries = [&[kind], huge.as_slice()].concat();
        assert!(read(&file("REDIS0014", &entries)).is_err(), "{kind}");
    }
    let compressed = b"\xfa\xc3\x05\x81\x00\x00\x00\x10\x00\x00\x00\x00\x00a\xe0\xff\x00\x01v";
    let found = error(&file("REDIS0014", compressed));
    assert!(
        found.message.contains("do not become 68719476736"),
        "{found}"
    );
}

fn to_write<'a>(entry: &'a KeyEntry<'_>) -> KeyToWrite<'a> {
    KeyToWrite {
        key: &entry.key,
        expires_at_ms: entry.expires_at_ms,
        idle_s: entry.idle_s,
        frequency: entry.frequency,
        kind: entry.kind,
        value: entry.value,
    }
}

#[test]
fn values_in_pieces_and_keys_taken_back() {
    let source = read(&FILE).unwrap();
    let (mut whole, mut pieces) = (Vec::new(), Vec::new());
    let mut at_once = RdbWriter::begin(&mut whole, RdbVersion::V12, &PREFACE);
    let mut writer = RdbWriter::begin(&mut pieces, RdbVersion::V12, &PREFACE);
    for entry in &source {
        let Entry::Key(key) = entry else {
            continue;
        };
        let key = to_write(key);
        if at_once.key(&mut whole, &key).is_err() {
            continue;
        }
        let (without, length) = (writer.clone(), pieces.len());
        writer
            .key(
                &mut pieces,
                &KeyToWrite {
                    value: b"half of it",
                    ..key
                },
            )
            .unwrap();
        writer.more(&mut pieces, b"and no end");
        writer = without;
        pieces.truncate(length);
        let (start, rest) = key.value.split_at(key.value.len() / 3);
        writer
            .key(
                &mut pieces,
                &KeyToWrite {
                    value: start,
                    ..key
                },
            )
            .unwrap();
        rest.chunks(5)
            .for_each(|piece| writer.more(&mut pieces, piece));
    }
    at_once.finish(&mut whole);
    writer.finish(&mut pieces);
    assert_eq!(whole, pieces);
}

#[test]
fn what_is_written_is_read() {
    let source = read(&FILE).unwrap();
    for version in [RdbVersion::V10, RdbVersion::V11, RdbVersion::V12] {
        let mut file = Vec::new();
        let mut out = Vec::new();
        let mut expected = Vec::new();
        let mut writer = RdbWriter::begin(&mut out, version, &PREFACE);
        for entry in &source {
            match entry {
                Entry::Auxiliary { name, value } => writer.auxiliary(&mut out, name, value),
                Entry::Function(code) => writer.function(&mut out, code),
                Entry::SizeHint { keys, expiring } => {
                    writer.database(&mut out, 3, *keys, *expiring)
                }
                Entry::Key(key) if !version.knows(key.kind) => {
                    let length = out.len();
                    let outcome = writer.key(&mut out, &to_write(key));
                    assert_eq!(outcome.unwrap_err().kind, key.kind);
                    assert_eq!(out.len(), length);
                }
                Entry::Key(key) => {
                    writer.key(&mut out, &to_write(key)).unwrap();
                    expected.push(key);
                }
                Entry::Database(_) | Entry::Ignored(_) | Entry::End(_) => {}
            }
            // The buffer leaves in pieces.
            file.append(&mut out);
            assert_eq!(writer.bytes(), file.len() as u64);
        }
        let bytes = writer.finish(&mut out);
        file.append(&mut out);
        assert_eq!(bytes, file.len() as u64);
        let reader = RdbReader::new(&file).unwrap();
        assert_eq!(reader.version(), version.number());
        let entries: Vec<_> = reader.map(Result::unwrap).collect();
        assert_eq!(entries.last(), Some(&Entry::End(Checksum::Right)));
        let keys: Vec<_> = entries
            .iter()
            .filter_map(|entry| match entry {
                Entry::Key(key) => Some(KeyEntry {
                    value_offset: 0,
                    ..key.clone()
                }),
                _ => None,
            })
            .collect();
        let expected: Vec<_> = expected
            .into_iter()
            .map(|key| KeyEntry {
                value_offset: 0,
                ..key.clone()
            })
            .collect();
        assert_eq!(keys, expected);
        assert_eq!(
            entries[0],
            Entry::Auxiliary {
                name: b"redis-ver"[..].into(),
                value: b"7.0.15"[..].into()
            }
        );
    }
    assert!(!RdbVersion::V10.knows(kind::SET_LISTPACK));
    assert!(RdbVersion::V11.knows(kind::SET_LISTPACK));
    assert!(RdbVersion::V12.knows(kind::HASH_EXPIRING));
    assert!(!RdbVersion::V12.knows(kind::STREAM_4));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn mutations_are_safe(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8), cut in any::<prop::sample::Index>()) {
        let mut file = FILE.clone();
        file.truncate(1 + cut.index(FILE.len()));
        for (at, byte) in changes {
            let at = at.index(file.len());
            file[at] = byte;
        }
        if let Ok(reader) = RdbReader::new(&file) {
            let entries: Vec<_> = reader.without_checksum().collect();
            // Each entry but the last takes at least two bytes.
            prop_assert!(entries.len() <= file.len() / 2 + 1);
        }
    }

    #[test]
    fn any_bytes_are_safe(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(&bytes);
        let _ = read(&[b"REDIS0014", bytes.as_slice()].concat());
        let _ = read(&[b"VALKEY080", bytes.as_slice()].concat());
    }
}
