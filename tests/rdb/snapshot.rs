//! A file of redis-server, entry by entry, and files made of it, which redis-server loads.

use crate::support::client::Client;
use crate::support::process::TemporaryDirectory;
use crate::support::random::{Random, seed};
use crate::support::server::Server;
use crate::{
    BYTES_MAX, Keyspace, VALKEY, assert_same, call, data, digest, functions, in_order, keyspace,
    rdb_version, start_with,
};
use std::collections::BTreeSet;
use torc::codec::kind;
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
        let mut expected = keyspace(&mut client);
        assert_eq!(call!(client, "SAVE").text(), "OK");
        let file = std::fs::read(server.directory().join("dump.rdb")).expect("it was saved");
        let entries = check(&file, &expected, &mut client, round == 0);
        let version = rdb_version(&mut client);
        let kinds: BTreeSet<u8> = keys(&entries).map(|key| key.kind).collect();
        for kind in kinds_of(version) {
            assert!(kinds.contains(kind), "no value of kind {kind} in {kinds:?}");
        }
        let original = digest(&mut client);
        let libraries = functions(&mut client);
        let mut again = vec![rewritten(&entries, version, encoded_anew)];
        if version == VALKEY {
            // Valkey reads version 11 at most of Redis' files, in which fields do not expire.
            expected
                .values_mut()
                .for_each(|(value, _)| keep_fields(value));
        } else {
            again.push(rewritten(&entries, version, |key, _| as_it_is(key)));
        }
        for again in again {
            let directory = TemporaryDirectory::new();
            std::fs::write(directory.path().join("dump.rdb"), again).expect("a writable directory");
            let copy = start_with(directory.path(), directives);
            let mut client = copy.client();
            assert_same(&keyspace(&mut client), &expected);
            assert_eq!(digest(&mut client), original);
            assert_eq!(functions(&mut client), libraries);
            copy.stop();
        }
        server.stop();
    }
}

/// The forms that a file of this version has some of.
fn kinds_of(version: u16) -> &'static [u8] {
    match version {
        10 => &[0, 2, 4, 5, 11, 16, 17, 18, 19],
        11 => &[0, 2, 4, 5, 11, 16, 17, 18, 20, 21],
        VALKEY => &[
            0,
            2,
            4,
            5,
            11,
            16,
            17,
            18,
            20,
            21,
            kind::HASH_EXPIRING_VALKEY,
        ],
        _ => &[0, 2, 4, 5, 11, 16, 17, 18, 20, 24, 25],
    }
}

/// Takes the expiries of a hash's fields away.
pub fn keep_fields(value: &mut DumpedValue) {
    if let DumpedValue::Hash(fields) = value {
        fields
            .iter_mut()
            .for_each(|field| field.expires_at_ms = None);
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
    let version = rdb_version(client);
    assert_eq!(
        (reader.version(), reader.is_valkey()),
        (version, version == VALKEY)
    );
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
    let info = call!(client, "INFO", "server").text();
    let is_version = |entry: &Entry<'_>| match entry {
        Entry::Auxiliary { name, value } => {
            let line = format!("_version:{}\r\n", String::from_utf8_lossy(value));
            name.ends_with(b"-ver") && info.contains(&line)
        }
        _ => false,
    };
    assert!(entries.iter().any(is_version));
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
pub fn encoded_anew(key: &KeyEntry<'_>, version: RdbVersion) -> Vec<u8> {
    let mut value =
        dump::decode_value(key.kind, key.value, BYTES_MAX).expect("it was decoded before");
    if version < RdbVersion::V12 {
        keep_fields(&mut value);
    }
    let mut payload = match value {
        DumpedValue::String(text) => dump::string(&text).finish(),
        DumpedValue::List(elements) => dump::list(elements.iter()).finish(),
        DumpedValue::Set(members) => dump::set(members.len(), members.iter()).finish(),
        DumpedValue::SortedSet(members) => {
            let pairs = members.iter().map(|(member, score)| (member, *score));
            dump::sorted_set(members.len(), pairs).finish()
        }
        DumpedValue::Hash(fields) => {
            let triples = fields
                .iter()
                .map(|field| (&field.name, &field.value, field.expires_at_ms));
            dump::hash(fields.len(), triples).finish()
        }
        DumpedValue::Stream(parts) => {
            let stream = Stream::from_parts(parts).expect("a sound stream");
            dump::stream(stream.view(), version.number()).finish()
        }
    };
    payload.truncate(payload.len() - 10);
    payload
}

/// A file of the same entries for a server of this version, taken from the buffer in pieces.
pub fn rewritten(
    entries: &[Entry<'_>],
    version: u16,
    value_of: impl Fn(&KeyEntry<'_>, RdbVersion) -> Vec<u8>,
) -> Vec<u8> {
    let version = match version {
        10 => RdbVersion::V10,
        11 | VALKEY => RdbVersion::V11,
        _ => RdbVersion::V12,
    };
    let mut file = Vec::new();
    let mut out = Vec::new();
    let mut writer = RdbWriter::begin(&mut out, version, &PREFACE);
    let mut database = 0;
    for entry in entries {
        match entry {
            Entry::Function(code) => writer.function(&mut out, code),
            Entry::Database(number) => database = *number,
            Entry::SizeHint { keys, expiring } => {
                writer.database(&mut out, database, *keys, *expiring)
            }
            Entry::Key(key) => {
                let value = value_of(key, version);
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
                    .expect("the version knows it");
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
