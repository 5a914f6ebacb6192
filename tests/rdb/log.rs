//! Append-only directories of redis-server with a rewrite in the middle, replayed into another one.

use crate::call;
use crate::snapshot::{encoded_anew, keep_fields, rewritten};
use crate::support::client::{Client, request};
use crate::support::process::TemporaryDirectory;
use crate::support::random::{Random, seed};
use crate::support::reply::Reply;
use crate::support::server::Server;
use crate::support::{WAIT_LIMIT, eventually};
use crate::{
    Keyspace, VALKEY, assert_same, data, digest, functions, keyspace, rdb_version, start_with,
};
use std::path::Path;
use torc::command::dump::DumpedValue;
use torc::persist::rdb::Entry;
use torc::persist::redis_log::{CommandReader, LogErrorKind, Manifest, Start, open};

#[test]
fn directories_with_a_snapshot_as_their_base() {
    check("yes", "log.rdb");
}

#[test]
fn directories_with_commands_as_their_base() {
    check("no", "log.aof");
}

fn check(preamble: &str, name: &str) {
    let mut random = Random::new(seed(name));
    let Some(server) = Server::start_redis(&[
        ("enable-debug-command", "yes"),
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("aof-timestamp-enabled", "yes"),
        ("aof-use-rdb-preamble", preamble),
        ("auto-aof-rewrite-percentage", "0"),
    ]) else {
        return;
    };
    let mut client = server.client();
    data::fill(&mut client, &mut random, "before", 40);
    data::load_functions(&mut client, &["early", "replaced"]);
    let directory = server.directory().join("appendonlydir");
    rewrite(&mut client, &directory);
    // An annotation is written when the second is another one than that of the last.
    let second = |client: &mut Client| call!(client, "TIME").elements()[0].text();
    let before = second(&mut client);
    eventually("the next second comes", WAIT_LIMIT, || {
        second(&mut client) != before
    });
    data::fill(&mut client, &mut random, "after", 40);
    data::fill(&mut client, &mut random, "before", 20);
    call!(client, "FUNCTION", "DELETE", "replaced");
    data::load_functions(&mut client, &["late"]);
    for line in [
        "MULTI",
        "INCR counter",
        "RPUSH list a b",
        "EXEC",
        "FCALL late 0",
    ] {
        let reply = client.words(line);
        assert!(!matches!(reply, Reply::Error(_)), "{line}: {reply:?}");
    }
    let libraries = functions(&mut client);

    let by_redis = replay_by_redis(&directory);
    let mut expected = by_redis.client();
    let version = rdb_version(&mut client);
    let replayed = replay(&directory, preamble == "yes", version);
    let mut found = replayed.client();
    let mut keyspaces = [&mut found, &mut expected].map(|client| without_times(keyspace(client)));
    if version == VALKEY {
        // A snapshot that it reads cannot say when fields expire.
        let values = keyspaces
            .iter_mut()
            .flat_map(|keyspace| keyspace.values_mut());
        values.for_each(|(value, _)| keep_fields(value));
    }
    assert_same(&keyspaces[0], &keyspaces[1]);
    assert_eq!(digest(&mut found), digest(&mut expected));
    assert_eq!(functions(&mut found), libraries);
    by_redis.stop();
    replayed.stop();
    server.stop();
}

/// The same without the times at which consumers were seen, which are those of the replay.
fn without_times(mut keyspace: Keyspace) -> Keyspace {
    for (value, _) in keyspace.values_mut() {
        if let DumpedValue::Stream(stream) = value {
            let groups = stream.groups.iter_mut();
            for consumer in groups.flat_map(|group| &mut group.consumers) {
                consumer.seen_time_ms = 0;
                consumer.active_time_ms = None;
            }
        }
    }
    keyspace
}

/// A redis-server on a copy of a directory. Its own replay is what to compare with, because Redis does not log everything: how many entries groups
/// have read, say, or pending entries that were deleted from their stream.
fn replay_by_redis(directory: &Path) -> Server {
    let home = TemporaryDirectory::new();
    let copy = home.path().join("appendonlydir");
    std::fs::create_dir(&copy).expect("a writable directory");
    for file in std::fs::read_dir(directory).expect("a directory") {
        let file = file.expect("a file");
        std::fs::copy(file.path(), copy.join(file.file_name())).expect("a copy");
    }
    start_with(home.path(), &[("appendonly", "yes")])
}

/// Has the log rewritten, and waits until the manifest has another base.
fn rewrite(client: &mut Client, directory: &Path) {
    call!(client, "BGREWRITEAOF");
    eventually("the log is rewritten", WAIT_LIMIT, || {
        let info = call!(client, "INFO", "persistence").text();
        let base = manifest(directory).base.expect("a base");
        base.sequence == 2
            && info.contains("aof_rewrite_in_progress:0")
            && info.contains("aof_last_bgrewrite_status:ok")
    });
}

fn manifest(directory: &Path) -> Manifest {
    let path = directory.join("appendonly.aof.manifest");
    let text = std::fs::read(path).expect("a manifest");
    Manifest::parse(&text).expect("redis-server's manifest")
}

/// A redis-server with what the files of a directory say.
fn replay(directory: &Path, expect_snapshot: bool, version: u16) -> Server {
    let manifest = manifest(directory);
    let files = manifest.files_to_load();
    assert!(files.len() >= 2 && files[0].is_base && files.last().unwrap().may_be_cut_short);
    let contents: Vec<(&str, Vec<u8>)> = files
        .iter()
        .map(|found| {
            let name = found.file.name.as_str();
            (
                name,
                std::fs::read(directory.join(name)).expect("the manifest's file"),
            )
        })
        .collect();
    let (base_name, base) = &contents[0];
    let home = TemporaryDirectory::new();
    let start = open(base_name, base).expect("a base");
    let end_of_snapshot = match start {
        Start::Snapshot(mut reader) => {
            assert!(expect_snapshot, "a snapshot");
            let entries: Vec<Entry<'_>> = reader
                .by_ref()
                .map(|entry| entry.unwrap_or_else(|error| panic!("{error}")))
                .collect();
            assert!(entries.contains(&Entry::Auxiliary {
                name: b"aof-base"[..].into(),
                value: b"1"[..].into(),
            }));
            let file = rewritten(&entries, version, encoded_anew);
            std::fs::write(home.path().join("dump.rdb"), file).expect("a writable directory");
            reader.offset()
        }
        Start::Commands(_) => {
            assert!(!expect_snapshot, "commands");
            0
        }
    };
    let server = start_with(home.path(), &[]);
    let mut client = server.client();
    let mut commands = 0;
    for (index, (name, bytes)) in contents.iter().enumerate() {
        let start = if index == 0 { end_of_snapshot } else { 0 };
        commands += run(&mut client, CommandReader::new(name, bytes, start));
    }
    if expect_snapshot {
        check_one_file(base, &contents[1].1, commands);
    }
    check_cut(&contents.last().unwrap().1);
    server
}

/// Runs the commands of a file; how many there were.
fn run(client: &mut Client, mut reader: CommandReader<'_>) -> usize {
    let mut words = Vec::new();
    let mut pipeline = request(&["SELECT", "0"]);
    let mut commands = 0;
    let mut time_s = None;
    loop {
        let command = reader
            .next(&mut words)
            .unwrap_or_else(|error| panic!("{error}"));
        let Some(command) = command else {
            break;
        };
        assert!(command.time_s >= time_s, "time goes forwards");
        time_s = command.time_s;
        pipeline.extend_from_slice(&request(&words));
        commands += 1;
    }
    client.send(&pipeline).expect("the server receives");
    for _ in 0..=commands {
        let reply = client.read().expect("the server answers");
        assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
    }
    if commands > 0 {
        let now_s = std::time::SystemTime::UNIX_EPOCH
            .elapsed()
            .unwrap()
            .as_secs() as i64;
        let time_s = time_s.expect("there are annotations");
        assert!((now_s - 3600..=now_s).contains(&time_s), "{time_s}");
    }
    commands
}

/// A snapshot with commands behind it is what Redis wrote before it had directories.
fn check_one_file(snapshot: &[u8], commands: &[u8], expected: usize) {
    let whole = [snapshot, commands].concat();
    let Ok(Start::Snapshot(mut reader)) = open("appendonly.aof", &whole) else {
        panic!("a snapshot");
    };
    assert!(reader.by_ref().all(|entry| entry.is_ok()));
    assert_eq!(reader.offset(), snapshot.len());
    let mut reader = CommandReader::new("appendonly.aof", &whole, reader.offset());
    let mut words = Vec::new();
    let mut found = 0;
    while reader.next(&mut words).expect("a whole file").is_some() {
        found += 1;
    }
    assert_eq!(found, expected);
}

/// A log without its last byte is whole up to its last command.
fn check_cut(log: &[u8]) {
    let cut = &log[..log.len() - 1];
    let mut reader = CommandReader::new("cut.aof", cut, 0);
    let mut words = Vec::new();
    let error = loop {
        match reader.next(&mut words) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("a byte is missing"),
            Err(error) => break error,
        }
    };
    let LogErrorKind::CutShort { whole_bytes } = error.kind else {
        panic!("{error}");
    };
    let mut reader = CommandReader::new("cut.aof", &cut[..whole_bytes], 0);
    while reader.next(&mut words).expect("it is whole").is_some() {}
}
