//! A file of redis-server, entry by entry, and files made of it, which redis-server loads.

use crate::support::client::Client;
use crate::support::process::TemporaryDirectory;
use crate::support::random::{Random, seed};
use crate::support::server::Server;
use crate::{
    BYTES_MAX, Keyspace, assert_same, call, data, digest, functions, in_order, keyspace, start_with,
};
use std::collections::BTreeSet;
use torc::command::dump::{self, DumpedValue};
use torc::engine::value::stream::Stream;
use torc::persist::rdb::{
    Checksum, Entry, KeyEntry, KeyToWrite, Preface, RdbReader, RdbVersion, RdbWriter,
};

pub const PREFACE: Preface<'static> = Preface {
    redis_version: "7.0.15",
    time_s: 1_700_000_000,
    used_memory_bytes: 1 << 20,
    is_log_base: false,
};

#[test]
fn what_redis_server_saves_is_read_and_written_again() {
    let seed = seed("snapshot");
    for (round, directives) in [
        vec![("maxmemory-policy", "allkeys-lru")],
        vec![
            ("maxmemory-policy", "allkeys-lfu"),
            ("rdbcompression", "no"),
            ("rdbchecksum", "no"),
        ],
    ]
    .iter()
    .enumerate()
    {
        let all = [&[("enable-debug-command", "yes")], directives.as_slice()].concat();
        let Some(server) = Server::start_redis(&all) else {
            return;
        };
        let mut client = server.client();
        let mut random = Random::new(seed + round as u64);
        data::fill(&mut client, &mut random, "key", 120);
        data::load_functions(&mut client, &["first", "second"]);
        let expected = keyspace(&mut client);
        assert_eq!(call!(client, "SAVE").text(), "OK");
        let file = std::fs::read(server.directory().join("dump.rdb")).expect("it was saved");
        let entries = check(&file, &expected, &mut client, round == 0);
        let kinds: BTreeSet<u8> = keys(&entries).map(|key| key.kind).collect();
        for kind in [0, 2, 4, 5, 11, 16, 17, 18, 19] {
            assert!(
                kinds.contains(&kind),
                "no value of kind {kind} in {kinds:?}"
            );
        }
        let original = digest(&mut client);
        let libraries = functions(&mut client);
        for again in [
            rewritten(&entries, as_it_is),
            rewritten(&entries, encoded_anew),
        ] {
            let directory = TemporaryDirectory::new();
            std::fs::write(directory.path().join("dump.rdb"), again).expect("a writable directory");
            let copy = start_with(directory.path(), directives);
            let mut client = copy.client();
            assert_eq!(digest(&mut client), original);
            assert_same(&keyspace(&mut client), &expected);
            assert_eq!(functions(&mut client), libraries);
            copy.stop();
        }
        server.stop();
    }
}

fn keys<'a>(entries: &'a [Entry<'a>]) -> impl Iterator<Item = &'a KeyEntry<'a>> {
    entries.iter().filter_map(|entry| match entry {
        Entry::Key(key) => Some(key),
        _ => None,
    })
}

/// Reads a file, which must say what the server says.
fn check<'a>(
    file: &'a [u8],
    expected: &Keyspace,
    client: &mut Client,
    is_lru: bool,
) -> Vec<Entry<'a>> {
    let reader = RdbReader::new(file).expect("a header");
    assert_eq!((reader.version(), reader.is_valkey()), (10, false));
    let entries: Vec<Entry<'_>> = reader
        .map(|entry| entry.unwrap_or_else(|error| panic!("{error}")))
        .collect();
    let mut found = Keyspace::new();
    for key in keys(&entries) {
        let value = dump::decode_value(key.kind, key.value, BYTES_MAX).expect("a sound value");
        let expires_at_ms = key.expires_at_ms.unwrap_or(-1);
        let name = (key.database, key.key.to_vec());
        found.insert(name, (in_order(value), expires_at_ms));
        assert_eq!(
            (key.idle_s.is_some(), key.frequency.is_some()),
            (is_lru, !is_lru)
        );
    }
    assert_same(&found, expected);
    let mut codes: Vec<Vec<u8>> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Function(code) => Some(code.to_vec()),
            _ => None,
        })
        .collect();
    codes.sort();
    assert_eq!(codes, functions(client));
    assert!(entries.contains(&Entry::Auxiliary {
        name: b"redis-ver"[..].into(),
        value: b"7.0.15"[..].into(),
    }));
    let checksum = if is_lru {
        Checksum::Right
    } else {
        Checksum::Absent
    };
    assert_eq!(entries.last(), Some(&Entry::End(checksum)));
    let sizes: Vec<u64> = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::SizeHint { keys, .. } => Some(*keys),
            _ => None,
        })
        .collect();
    assert_eq!(sizes.iter().sum::<u64>(), expected.len() as u64);
    entries
}

/// A value as it stands in the file.
fn as_it_is(key: &KeyEntry<'_>) -> Vec<u8> {
    [&[key.kind], key.value].concat()
}

/// A value decoded and encoded, as torc's own are; without the footer of a payload.
fn encoded_anew(key: &KeyEntry<'_>) -> Vec<u8> {
    let value = dump::decode_value(key.kind, key.value, BYTES_MAX).expect("it was decoded before");
    let mut payload = match value {
        DumpedValue::String(text) => dump::string(&text),
        DumpedValue::List(elements) => dump::list(elements.iter()),
        DumpedValue::Set(members) => dump::set(members.len(), members.iter()),
        DumpedValue::SortedSet(members) => {
            let pairs = members.iter().map(|(member, score)| (member, *score));
            dump::sorted_set(members.len(), pairs)
        }
        DumpedValue::Hash(fields) => {
            let triples = fields
                .iter()
                .map(|field| (&field.name, &field.value, field.expires_at_ms));
            dump::hash(fields.len(), triples)
        }
        DumpedValue::Stream(parts) => {
            let stream = Stream::from_parts(parts).expect("a sound stream");
            dump::stream(stream.view(), dump::VERSION_7_0)
        }
    };
    payload.truncate(payload.len() - 10);
    payload
}

/// A file of the same entries, taken from the buffer in pieces.
pub fn rewritten(entries: &[Entry<'_>], value_of: impl Fn(&KeyEntry<'_>) -> Vec<u8>) -> Vec<u8> {
    let mut file = Vec::new();
    let mut out = Vec::new();
    let mut writer = RdbWriter::begin(&mut out, RdbVersion::V10, &PREFACE);
    let mut database = 0;
    for entry in entries {
        match entry {
            Entry::Function(code) => writer.function(&mut out, code),
            Entry::Database(number) => database = *number,
            Entry::SizeHint { keys, expiring } => {
                writer.database(&mut out, database, *keys, *expiring)
            }
            Entry::Key(key) => {
                let value = value_of(key);
                let to_write = KeyToWrite {
                    key: &key.key,
                    expires_at_ms: key.expires_at_ms,
                    idle_s: key.idle_s,
                    frequency: key.frequency,
                    kind: value[0],
                    value: &value[1..],
                };
                writer
                    .key(&mut out, &to_write)
                    .expect("version 10 knows it");
            }
            Entry::Auxiliary { .. } | Entry::Ignored(_) | Entry::End(_) => {}
        }
        if out.len() > 1000 {
            file.append(&mut out);
        }
    }
    writer.finish(&mut out);
    file.append(&mut out);
    file
}
