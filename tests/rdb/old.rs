//! Forms that only older versions write, by hand, after the descriptions in redis/redis `src/rdb.h`, `src/rdb.c`, `src/ziplist.c`, `src/zipmap.c` and
//! `src/intset.c`. redis-server still reads them, and must understand the same.

use crate::support::process::TemporaryDirectory;
use crate::support::server::redis_program;
use crate::{BYTES_MAX, Keyspace, assert_same, in_order, keyspace, start_with};
use torc::codec::crc64::crc64;
use torc::codec::element::{write_number, write_string};
use torc::codec::kind;
use torc::command::dump;
use torc::persist::rdb::{Entry, RdbReader};

/// An element of a ziplist, without the length of the one before.
fn ziplist_content(text: &str) -> Vec<u8> {
    let Ok(value) = text.parse::<i64>() else {
        let len = text.len();
        let header = match len {
            0..64 => vec![len as u8],
            64..16_384 => vec![0x40 | (len >> 8) as u8, len as u8],
            _ => [&[0x80], (len as u32).to_be_bytes().as_slice()].concat(),
        };
        return [header, text.as_bytes().to_vec()].concat();
    };
    let bytes = value.to_le_bytes();
    match value {
        0..=12 => vec![0xf1 + value as u8],
        -128..=127 => vec![0xfe, bytes[0]],
        -32_768..=32_767 => [&[0xc0], &bytes[..2]].concat(),
        -8_388_608..=8_388_607 => [&[0xf0], &bytes[..3]].concat(),
        -2_147_483_648..=2_147_483_647 => [&[0xd0], &bytes[..4]].concat(),
        _ => [&[0xe0], &bytes[..]].concat(),
    }
}

fn ziplist(texts: &[&str]) -> Vec<u8> {
    let mut body = Vec::new();
    let (mut before, mut last) = (0, 10);
    for text in texts {
        last = 10 + body.len();
        let start = body.len();
        match u8::try_from(before) {
            Ok(before) if before < 254 => body.push(before),
            _ => {
                body.push(254);
                body.extend_from_slice(&(before as u32).to_le_bytes());
            }
        }
        body.extend_from_slice(&ziplist_content(text));
        before = body.len() - start;
    }
    [
        (10 + body.len() as u32 + 1).to_le_bytes().as_slice(),
        &(last as u32).to_le_bytes(),
        &(texts.len() as u16).to_le_bytes(),
        &body,
        b"\xff",
    ]
    .concat()
}

fn zipmap(pairs: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = vec![pairs.len() as u8];
    let push_len = |bytes: &mut Vec<u8>, len: usize| match len {
        0..254 => bytes.push(len as u8),
        _ => {
            bytes.push(254);
            bytes.extend_from_slice(&(len as u32).to_le_bytes());
        }
    };
    for (number, (name, value)) in pairs.iter().enumerate() {
        push_len(&mut bytes, name.len());
        bytes.extend_from_slice(name.as_bytes());
        push_len(&mut bytes, value.len());
        // Up to four bytes behind a value may be free.
        let free = number % 3;
        bytes.push(free as u8);
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(&vec![b'?'; free]);
    }
    bytes.push(0xff);
    bytes
}

fn intset(width: u32, values: &[i64]) -> Vec<u8> {
    let mut bytes = [width.to_le_bytes(), (values.len() as u32).to_le_bytes()].concat();
    for value in values {
        bytes.extend_from_slice(&value.to_le_bytes()[..width as usize]);
    }
    bytes
}

fn one(text: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    write_string(&mut body, text);
    body
}

fn several(texts: &[Vec<u8>], count: usize) -> Vec<u8> {
    let mut body = Vec::new();
    write_number(&mut body, count as u64);
    texts.iter().for_each(|text| write_string(&mut body, text));
    body
}

/// A stream of Redis 5: entries 5-0 and 6-0, of which a group has read one.
fn stream(group_last_ms: u64) -> Vec<u8> {
    // Entries, deleted ones, the fields' names, then for each entry: flags (2: these names), what its id is beyond the node's, values, its elements.
    let node = torc::engine::value::stream::listpack::of(
        [
            "2", "0", "1", "f", "0", "2", "0", "0", "v", "4", "2", "1", "0", "w", "4",
        ]
        .map(str::as_bytes),
    );
    let id = |ms: u64| [ms.to_be_bytes(), 0u64.to_be_bytes()].concat();
    let mut body = Vec::new();
    write_number(&mut body, 1);
    write_string(&mut body, &id(5));
    write_string(&mut body, &node);
    for number in [2, 6, 0, 1] {
        write_number(&mut body, number);
    }
    write_string(&mut body, b"group");
    write_number(&mut body, group_last_ms);
    write_number(&mut body, 0);
    write_number(&mut body, 1);
    body.extend_from_slice(&id(5));
    body.extend_from_slice(&1_700_000_000_000u64.to_le_bytes());
    write_number(&mut body, 3);
    write_number(&mut body, 1);
    write_string(&mut body, b"consumer");
    body.extend_from_slice(&1_700_000_000_001u64.to_le_bytes());
    write_number(&mut body, 1);
    body.extend_from_slice(&id(5));
    body
}

fn keys() -> Vec<(u8, &'static str, Vec<u8>)> {
    let long: &'static str = Box::leak("long ".repeat(80).into_boxed_str());
    let longer: &'static str = Box::leak("longer ".repeat(3000).into_boxed_str());
    let integers = [
        "0",
        "12",
        "13",
        "-1",
        "127",
        "-128",
        "128",
        "-32768",
        "32768",
        "-8388608",
        "8388608",
        "-2147483648",
        "2147483648",
        "-9223372036854775808",
    ];
    let everything: Vec<&str> = [long, "text", "", longer, "x"]
        .into_iter()
        .chain(integers)
        .collect();
    let texts = |texts: &[&str]| -> Vec<Vec<u8>> {
        texts.iter().map(|text| text.as_bytes().to_vec()).collect()
    };
    let mut scores = Vec::new();
    write_number(&mut scores, 5);
    for (member, score) in [
        ("a", &b"\x041.25"[..]),
        ("b", b"\xff"),
        ("c", b"\xfe"),
        ("d", b"\x0217"),
        ("e", b"\x15-1.0000000000000001e-9"),
    ] {
        write_string(&mut scores, member.as_bytes());
        let len = score.len() - 1;
        scores.push(if len == 0 { score[0] } else { len as u8 });
        scores.extend_from_slice(&score[1..]);
    }
    vec![
        (kind::STRING, "string", one(b"as ever")),
        (
            kind::LIST,
            "list",
            several(&texts(&everything), everything.len()),
        ),
        (
            kind::LIST_ZIPLIST,
            "list ziplist",
            one(&ziplist(&everything)),
        ),
        (
            kind::LIST_QUICKLIST,
            "list quicklist",
            several(
                &[ziplist(&everything), ziplist(&["1", "b"]), ziplist(&["c"])],
                3,
            ),
        ),
        (kind::SET, "set", several(&texts(&["a", "7", "c"]), 3)),
        (
            kind::SET_INTSET,
            "intset 2",
            one(&intset(2, &[-32_768, -1, 0, 32_767])),
        ),
        (
            kind::SET_INTSET,
            "intset 4",
            one(&intset(4, &[-2_147_483_648, 0, 70_000])),
        ),
        (
            kind::SET_INTSET,
            "intset 8",
            one(&intset(8, &[i64::MIN, -1, i64::MAX])),
        ),
        (kind::SORTED_SET_TEXT, "sorted set", scores),
        (
            kind::SORTED_SET_ZIPLIST,
            "sorted set ziplist",
            one(&ziplist(&["7", "-1.5", "b", "3", "c", "inf"])),
        ),
        (
            kind::HASH,
            "hash",
            several(&texts(&["a", "1", "b", "2"]), 2),
        ),
        (
            kind::HASH_ZIPMAP,
            "hash zipmap",
            one(&zipmap(&[
                ("a", "1"),
                ("name", long),
                (long, ""),
                ("b", "12"),
            ])),
        ),
        (
            kind::HASH_ZIPLIST,
            "hash ziplist",
            one(&ziplist(&["a", "1", "b", long, "12", "c"])),
        ),
        (kind::STREAM_1, "stream that was read to its end", stream(6)),
        (
            kind::STREAM_1,
            "stream whose first entry was read",
            stream(5),
        ),
        (kind::STREAM_1, "stream that nobody has read", stream(4)),
    ]
}

#[test]
fn forms_of_older_versions_are_understood_as_by_redis_server() {
    if redis_program().is_none() {
        return;
    }
    let mut file = b"REDIS0009\xfe\x00".to_vec();
    for (number, (kind, name, body)) in keys().into_iter().enumerate() {
        match number % 3 {
            0 => file.extend_from_slice(&[0xfd, 0, 0, 0, 0x7f]),
            1 => file.extend_from_slice(&[0xfc, 0, 0, 0, 0, 0, 4, 0, 0]),
            _ => {}
        }
        file.push(kind);
        write_string(&mut file, name.as_bytes());
        file.extend_from_slice(&body);
    }
    file.push(0xff);
    let sum = crc64(&file);
    file.extend_from_slice(&sum.to_le_bytes());

    assert_eq!(compare(&file), keys().len());
}

/// Has a file read here and by redis-server, which must find the same; how many keys there are.
fn compare(file: &[u8]) -> usize {
    let mut found = Keyspace::new();
    for entry in RdbReader::new(file).expect("a header") {
        if let Entry::Key(key) = entry.unwrap_or_else(|error| panic!("{error}")) {
            let value = dump::decode_value(key.kind, key.value, BYTES_MAX)
                .unwrap_or_else(|error| panic!("{}: {error:?}", key.key.escape_ascii()));
            let expires_at_ms = key.expires_at_ms.unwrap_or(-1);
            let name = (key.database, key.key.to_vec());
            found.insert(name, (in_order(value), expires_at_ms));
        }
    }

    let directory = TemporaryDirectory::new();
    std::fs::write(directory.path().join("dump.rdb"), file).expect("a writable directory");
    let server = start_with(directory.path(), &[]);
    let theirs = keyspace(&mut server.client());
    assert_same(&found, &theirs);
    server.stop();
    found.len()
}
