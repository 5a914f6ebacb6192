//! What redis-server has left in a directory is what torc has after its start there, on any number of shards.

use super::support::client::Client;
use super::support::process::TemporaryDirectory;
use super::support::random::{Random, seed};
use super::support::server::{Server, skip_unless_torc};
use super::support::{WAIT_LIMIT, eventually};
use super::{
    Keyspace, assert_same, call, copied, data, functions, keyspace, refusal, text, without_times,
};
use std::fs;
use std::path::{Path, PathBuf};

/// Numbers of shards that are tested.
const SHARDS: [usize; 3] = [1, 2, 5];

fn redis(directives: &[(&str, &str)]) -> Option<Server> {
    if skip_unless_torc("redis-server loads its own files") {
        return None;
    }
    let all = [&[("enable-debug-command", "yes")], directives].concat();
    Server::start_redis(&all)
}

/// A server of torc's in this directory.
fn serve(directory: &Path, shards: usize, appendonly: &str) -> Server {
    let directives = [("dir", text(directory)), ("appendonly", appendonly)];
    Server::start_with_shards(shards, &directives)
}

/// Has redis-server write its snapshot, and says where it is.
fn save(server: &Server, client: &mut Client) -> PathBuf {
    assert_eq!(call!(client, "SAVE").text(), "OK");
    server.directory().join("dump.rdb")
}

/// An append-only directory with a rewrite in the middle; what is in it as redis-server itself loads it.
fn log(preamble: &str, name: &str) -> Option<(TemporaryDirectory, Keyspace, Vec<Vec<u8>>)> {
    let mut random = Random::new(seed(name));
    let server = redis(&[
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("aof-use-rdb-preamble", preamble),
        ("auto-aof-rewrite-percentage", "0"),
    ])?;
    let mut client = server.client();
    data::fill(&mut client, &mut random, "before", 40);
    data::load_functions(&mut client, &["early", "replaced"]);
    call!(client, "BGREWRITEAOF");
    eventually("the log is rewritten", WAIT_LIMIT, || {
        let info = call!(client, "INFO", "persistence").text();
        info.contains("aof_rewrite_in_progress:0") && info.contains("aof_rewrite_scheduled:0")
    });
    data::fill(&mut client, &mut random, "after", 40);
    data::fill(&mut client, &mut random, "before", 20);
    call!(client, "FUNCTION", "DELETE", "replaced");
    for line in [
        "MULTI",
        "INCR counter",
        "RPUSH list a b",
        "EXEC",
        "RENAME list {other}list",
        "SELECT 3",
        "SET moved there PX 100000000",
        "MOVE moved 9",
        "COPY counter again DB 3",
        "SWAPDB 3 7",
    ] {
        client.words(line);
    }
    let home = copied(&server.directory().join("appendonlydir"));
    server.stop();
    let server = Server::start_redis(&[("dir", text(home.path())), ("appendonly", "yes")])
        .expect("it was there before");
    let mut client = server.client();
    let expected = without_times(keyspace(&mut client));
    let libraries = functions(&mut client);
    server.stop();
    assert!(expected.len() > 100, "there is something to load");
    Some((home, expected, libraries))
}

#[test]
fn snapshots() {
    let mut random = Random::new(seed("persistence.snapshots"));
    let Some(server) = redis(&[]) else { return };
    let mut client = server.client();
    data::fill(&mut client, &mut random, "keys", 60);
    data::load_functions(&mut client, &["one", "two"]);
    let expected = keyspace(&mut client);
    let libraries = functions(&mut client);
    let snapshot = save(&server, &mut client);
    for shards in SHARDS {
        let home = copied(&snapshot);
        let loaded = serve(home.path(), shards, "no");
        let mut client = loaded.client();
        assert_same(&keyspace(&mut client), &expected);
        assert_eq!(functions(&mut client), libraries);
        loaded.stop();

        // Where a log begins, what was loaded is in it, and the snapshot is not needed any more.
        let loaded = serve(home.path(), shards, "yes");
        let mut client = loaded.client();
        assert_same(&keyspace(&mut client), &expected);
        call!(client, "SET", "later", "value");
        loaded.stop();
        fs::write(home.path().join("dump.rdb"), "not looked at").expect("a writable file");
        let loaded = serve(home.path(), shards, "yes");
        let mut client = loaded.client();
        assert_eq!(call!(client, "GETDEL", "later").text(), "value");
        assert_same(&keyspace(&mut client), &expected);
        loaded.stop();
    }
    server.stop();
}

#[test]
fn what_has_expired_is_left_out() {
    let Some(server) = redis(&[]) else { return };
    let mut client = server.client();
    call!(client, "SET", "short", "x", "PX", "300");
    call!(client, "SET", "long", "x", "PX", "100000000");
    let home = copied(&save(&server, &mut client));
    eventually("its time is over", WAIT_LIMIT, || {
        call!(client, "EXISTS", "short").integer() == 0
    });
    for appendonly in ["no", "yes"] {
        let loaded = serve(home.path(), 2, appendonly);
        let mut client = loaded.client();
        assert_eq!(call!(client, "DBSIZE").integer(), 1);
        assert!(call!(client, "PTTL", "long").integer() > 1_000_000);
        assert!(
            loaded.said().contains("1 expired and left out"),
            "{}",
            loaded.said()
        );
        loaded.stop();
    }
    server.stop();
}

#[test]
fn how_often_keys_were_used_is_kept() {
    let Some(server) = redis(&[("maxmemory", "100mb"), ("maxmemory-policy", "allkeys-lfu")]) else {
        return;
    };
    let mut client = server.client();
    call!(client, "SET", "often", "x");
    for _ in 0..2000 {
        call!(client, "GET", "often");
    }
    call!(client, "SET", "once", "x");
    let home = copied(&save(&server, &mut client));
    let loaded = Server::start_with_shards(
        2,
        &[
            ("dir", text(home.path())),
            ("maxmemory-policy", "allkeys-lfu"),
        ],
    );
    let mut found = loaded.client();
    for key in ["often", "once"] {
        let counts =
            [&mut client, &mut found].map(|client| call!(client, "OBJECT", "FREQ", key).integer());
        assert_eq!(counts[0], counts[1], "{key}");
    }
    loaded.stop();
    server.stop();
}

fn load_log(home: &TemporaryDirectory, expected: &Keyspace, libraries: &[Vec<u8>]) {
    let directory = home.path().join("appendonlydir");
    for shards in SHARDS {
        let home = copied(&directory);
        let loaded = serve(home.path(), shards, "yes");
        let mut client = loaded.client();
        assert_same(&without_times(keyspace(&mut client)), expected);
        assert_eq!(functions(&mut client), libraries);
        loaded.stop();
        // The second start reads a log of torc's own.
        let loaded = serve(home.path(), shards, "yes");
        let mut client = loaded.client();
        assert_same(&without_times(keyspace(&mut client)), expected);
        assert!(!loaded.said().contains("importing"), "{}", loaded.said());
        loaded.stop();
    }
}

#[test]
fn logs_with_a_snapshot_as_their_base() {
    let Some((home, expected, libraries)) = log("yes", "persistence.log.rdb") else {
        return;
    };
    load_log(&home, &expected, &libraries);
}

#[test]
fn logs_with_commands_as_their_base() {
    let Some((home, expected, libraries)) = log("no", "persistence.log.aof") else {
        return;
    };
    load_log(&home, &expected, &libraries);
}

/// The last file of an append-only directory.
fn last_file(directory: &Path) -> PathBuf {
    let mut files: Vec<PathBuf> = fs::read_dir(directory)
        .expect("a directory")
        .map(|file| file.expect("a file").path())
        .filter(|path| path.to_string_lossy().ends_with(".incr.aof"))
        .collect();
    files.sort();
    files.pop().expect("a file")
}

#[test]
fn logs_that_end_too_early() {
    let Some((home, ..)) = log("yes", "persistence.log.cut") else {
        return;
    };
    let directory = home.path().join("appendonlydir");
    let path = last_file(&directory);
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .expect("a file");
    let begun =
        b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$6\r\nbroken\r\n$1\r\nx\r\n*3\r\n$3\r\nSE";
    std::io::Write::write_all(&mut file, begun).expect("room");
    drop(file);

    let home = copied(&directory);
    let refused = refusal(&[
        ("dir", text(home.path())),
        ("appendonly", "yes"),
        ("aof-load-truncated", "no"),
    ]);
    let name = path.file_name().expect("a name").to_string_lossy();
    assert!(refused.contains(&format!("{name} at byte ")), "{refused}");
    assert!(refused.contains("nothing was loaded"), "{refused}");
    let loaded = serve(home.path(), 2, "yes");
    let mut client = loaded.client();
    assert_eq!(call!(client, "EXISTS", "broken").integer(), 0);
    assert_eq!(call!(client, "GET", "counter").text(), "1");
    assert!(
        loaded.said().contains("what is before was loaded"),
        "{}",
        loaded.said()
    );
    loaded.stop();
}

#[test]
fn a_single_file_with_a_transaction_and_several_databases() {
    if skip_unless_torc("it is about torc's start") {
        return;
    }
    let home = TemporaryDirectory::new();
    let request = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        super::support::client::request(&words)
    };
    let past = "1000000000000";
    let lines = [
        "SELECT 2",
        "SET a 1",
        "MULTI",
        "INCR a",
        "SET b x",
        "EXEC",
        "SELECT 0",
        &format!("SET gone x PXAT {past}"),
        &format!("SET kept x PXAT {past}"),
        "PERSIST kept",
        "XADD stream 5-1 f v",
        "XGROUP CREATE stream g 0",
        &format!("PEXPIREAT stream {past}"),
        "XADD stream 6-1 f v",
    ];
    let bytes: Vec<u8> = lines.iter().flat_map(|line| request(line)).collect();
    fs::write(home.path().join("appendonly.aof"), bytes).expect("a file");
    let loaded = serve(home.path(), 5, "yes");
    let mut client = loaded.client();
    assert_eq!(
        client.words("KEYS *").elements().len(),
        1,
        "what has expired is gone"
    );
    assert_eq!(client.words("TTL kept").integer(), -1);
    client.words("SELECT 2");
    assert_eq!(client.words("GET a").text(), "2");
    assert_eq!(client.words("DBSIZE").integer(), 2);
    loaded.stop();
}

#[test]
fn damage_is_refused_and_named() {
    let mut random = Random::new(seed("persistence.damage"));
    let Some(server) = redis(&[]) else { return };
    let mut client = server.client();
    data::fill(&mut client, &mut random, "keys", 20);
    let snapshot = save(&server, &mut client);
    let whole = fs::read(&snapshot).expect("a file");
    let home = copied(&snapshot);
    let path = home.path().join("dump.rdb");
    let damaged = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = whole.clone();
        change(&mut bytes);
        fs::write(&path, bytes).expect("a writable file");
        for appendonly in ["no", "yes"] {
            let refused = refusal(&[("dir", text(home.path())), ("appendonly", appendonly)]);
            assert!(refused.contains("dump.rdb at byte "), "{refused}");
            assert!(refused.contains("nothing was loaded"), "{refused}");
            assert!(!refused.contains("ready"), "{refused}");
        }
    };
    damaged(&|bytes| bytes.truncate(bytes.len() / 2));
    damaged(&|bytes| bytes.clear());
    damaged(&|bytes| bytes[..9].copy_from_slice(b"REDIS0099"));
    damaged(&|bytes| bytes.push(b'x'));
    // Anywhere in the middle: whether it is seen there or by the checksum at the end.
    for _ in 0..6 {
        let at = 9 + random.below(whole.len() as u64 - 9) as usize;
        println!("byte {at}");
        damaged(&|bytes| bytes[at] ^= 1 << 3);
    }
    fs::write(&path, &whole).expect("a writable file");
    let loaded = serve(home.path(), 2, "yes");
    let mut found = loaded.client();
    assert_same(&keyspace(&mut found), &keyspace(&mut client));
    loaded.stop();
    server.stop();
}

#[test]
fn an_interrupted_import_is_begun_again() {
    let Some(server) = redis(&[]) else { return };
    let mut client = server.client();
    for number in 0..500 {
        call!(client, "SET", format!("key:{number}"), "x");
    }
    let home = copied(&save(&server, &mut client));
    let loaded = serve(home.path(), 2, "yes");
    call!(loaded.client(), "SET", "only in the log", "x");
    loaded.stop();
    // As if that log had only been begun.
    let directory = home.path().join("appendonlydir");
    let snapshot = home.path().join("dump.rdb");
    fs::write(directory.join("importing"), text(&snapshot)).expect("a file");
    for _ in 0..2 {
        let loaded = serve(home.path(), 2, "yes");
        let mut client = loaded.client();
        assert_eq!(call!(client, "DBSIZE").integer(), 500);
        loaded.stop();
        assert!(!directory.join("importing").exists());
    }
    fs::write(directory.join("importing"), "/nowhere/at/all").expect("a file");
    let refused = refusal(&[("dir", text(home.path())), ("appendonly", "yes")]);
    assert!(refused.contains("/nowhere/at/all"), "{refused}");
    server.stop();
}
