//! What torc saves is what redis-server loads; when it saves, and what it says of it.

use super::support::client::{Client, request};
use super::support::process::TemporaryDirectory;
use super::support::random::{Random, seed};
use super::support::reply::Reply;
use super::support::server::{Server, skip_unless_torc};
use super::support::{WAIT_LIMIT, eventually};
use super::{assert_same, call, copied, data, functions, keyspace, text};
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// A figure of INFO.
pub fn figure(client: &mut Client, name: &str) -> String {
    let info = call!(client, "INFO", "persistence").text();
    let line = info
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.expect("INFO has it").to_string()
}

/// The text of a simple reply or of an error.
fn shown(reply: Reply) -> String {
    match reply {
        Reply::Simple(text) | Reply::Error(text) => String::from_utf8_lossy(&text).into_owned(),
        other => format!("{other:?}"),
    }
}

/// The names of the files in a directory.
fn names(directory: &Path) -> Vec<String> {
    let files = fs::read_dir(directory).expect("a directory");
    let files = files.map(|file| file.expect("a file").file_name());
    files
        .map(|name| name.to_string_lossy().into_owned())
        .collect()
}

/// BGSAVE, waited for.
pub fn save_in_background(client: &mut Client) {
    let before: u64 = figure(client, "rdb_saves").parse().expect("a number");
    assert_eq!(call!(client, "BGSAVE").text(), "Background saving started");
    eventually("the snapshot is written", WAIT_LIMIT, || {
        figure(client, "rdb_bgsave_in_progress") == "0"
    });
    assert_eq!(figure(client, "rdb_last_bgsave_status"), "ok");
    let saves: u64 = figure(client, "rdb_saves").parse().expect("a number");
    assert_eq!(saves, before + 1);
}

/// BGSAVE where it cannot be written.
fn fail_in_background(client: &mut Client) {
    call!(client, "BGSAVE");
    eventually("the snapshot fails", WAIT_LIMIT, || {
        figure(client, "rdb_bgsave_in_progress") == "0"
    });
    assert_eq!(figure(client, "rdb_last_bgsave_status"), "err");
}

pub fn start(directory: &Path, shards: usize, more: &[(&str, &str)]) -> Server {
    let all = [&[("dir", text(directory))], more].concat();
    Server::start_with_shards(shards, &all)
}

#[test]
fn redis_server_loads_what_torc_saves() {
    if skip_unless_torc("it is about torc's files") {
        return;
    }
    let mut random = Random::new(seed("persistence.save"));
    let Some(server) = Server::start_redis(&[("enable-debug-command", "yes")]) else {
        return;
    };
    let mut client = server.client();
    data::fill(&mut client, &mut random, "keys", 50);
    data::load_functions(&mut client, &["one", "two"]);
    call!(client, "SAVE");
    let expected = keyspace(&mut client);
    let libraries = functions(&mut client);
    for shards in [1, 2, 5] {
        for in_background in [false, true] {
            let home = copied(&server.directory().join("dump.rdb"));
            let torc = start(home.path(), shards, &[]);
            let mut client = torc.client();
            fs::remove_file(home.path().join("dump.rdb")).expect("it was loaded");
            match in_background {
                true => save_in_background(&mut client),
                false => assert_eq!(call!(client, "SAVE").text(), "OK"),
            }
            torc.stop();
            let bytes = fs::read(home.path().join("dump.rdb")).expect("it was saved");
            assert!(bytes.starts_with(b"REDIS0010"));
            let loaded = Server::start_redis(&[("dir", text(home.path()))]).expect("it was there");
            let mut client = loaded.client();
            assert_same(&keyspace(&mut client), &expected);
            assert_eq!(functions(&mut client), libraries);
            loaded.stop();
        }
    }
    server.stop();
}

#[test]
fn fields_that_expire_make_a_newer_file() {
    if skip_unless_torc("it is about torc's files") {
        return;
    }
    let home = TemporaryDirectory::new();
    let torc = start(home.path(), 2, &[]);
    let mut client = torc.client();
    for number in 0..300 {
        call!(client, "HSET", format!("h{number}"), "a", "1", "b", "2");
    }
    call!(
        client,
        "HPEXPIREAT",
        "h7",
        "4000000000000",
        "FIELDS",
        "1",
        "a"
    );
    let expected = keyspace(&mut client);
    call!(client, "SAVE");
    torc.stop();
    let bytes = fs::read(home.path().join("dump.rdb")).expect("it was saved");
    assert!(bytes.starts_with(b"REDIS0012"));
    let torc = start(home.path(), 5, &[]);
    let mut client = torc.client();
    assert_same(&keyspace(&mut client), &expected);
    let at = call!(client, "HPEXPIRETIME", "h7", "FIELDS", "1", "a");
    assert_eq!(at.elements()[0].integer(), 4_000_000_000_000);
    torc.stop();
}

/// So many keys with values of 2000 bytes.
fn fill(client: &mut Client, keys: usize) {
    let mut pipeline = Vec::new();
    let value = "x".repeat(2000);
    for number in 0..keys {
        pipeline.extend_from_slice(&request(&["SET", &format!("key:{number}"), &value]));
    }
    client.send(&pipeline).expect("the server receives");
    for _ in 0..keys {
        client.read().expect("an answer");
    }
}

#[test]
fn it_is_said_how_far_it_is() {
    if skip_unless_torc("redis-server's log has other words") {
        return;
    }
    let home = TemporaryDirectory::new();
    let options = [("appendonly", "yes"), ("logfile", "log.txt")];
    let torc = start(home.path(), 2, &options);
    let mut client = torc.client();
    fill(&mut client, 20_000);
    for (command, last) in [
        ("BGSAVE", "saved 20000 keys in "),
        ("BGREWRITEAOF", "rewritten the log with "),
    ] {
        // Both in one send, so that the figures come while it is under way.
        let requests = [request(&[command]), request(&["INFO", "persistence"])];
        client
            .send(&requests.concat())
            .expect("the server receives");
        client.read().expect("an answer");
        let figures = client.read().expect("an answer").text();
        let keys = |name: &str| -> u64 {
            let line = figures.lines().find_map(|line| line.strip_prefix(name));
            line.expect("INFO tells it").parse().expect("a number")
        };
        if command == "BGSAVE" {
            // The rewrite begins with a later turn.
            let all = keys("current_save_keys_total:");
            assert!((1..=20_000).contains(&all), "{command}: {figures}");
            assert!(keys("current_save_keys_processed:") <= all);
        }
        let log = home.path().join("log.txt");
        eventually("its end is in the log", WAIT_LIMIT, || {
            fs::read_to_string(&log).is_ok_and(|text| text.contains(last))
        });
        assert_eq!(figure(&mut client, "current_save_keys_total"), "0");
    }
    torc.stop();
}

#[test]
fn what_is_said_of_it() {
    if skip_unless_torc("redis-server's times are its own") {
        return;
    }
    let home = TemporaryDirectory::new();
    let torc = start(home.path(), 2, &[]);
    let mut client = torc.client();
    assert_eq!(figure(&mut client, "rdb_last_bgsave_time_sec"), "-1");
    let began = call!(client, "LASTSAVE").integer();
    assert_eq!(figure(&mut client, "rdb_last_save_time"), began.to_string());
    fill(&mut client, 20_000);
    assert_eq!(figure(&mut client, "rdb_changes_since_last_save"), "20000");
    // All in one send, so that the others come while the first is under way.
    let requests = ["BGSAVE", "BGSAVE", "SAVE"].map(|word| request(&[word]));
    client
        .send(&requests.concat())
        .expect("the server receives");
    let replies: Vec<String> = (0..3)
        .map(|_| shown(client.read().expect("an answer")))
        .collect();
    assert!(
        replies[0].contains("Background saving started"),
        "{replies:?}"
    );
    call!(client, "SET", "later", "x");
    for reply in &replies[1..3] {
        assert!(
            reply.contains("ERR Background save already in progress"),
            "{replies:?}"
        );
    }
    eventually("the snapshot is written", WAIT_LIMIT, || {
        figure(&mut client, "rdb_bgsave_in_progress") == "0"
    });
    assert_eq!(figure(&mut client, "rdb_last_bgsave_status"), "ok");
    // What came after the beginning is not counted as saved, though it may have been.
    assert_eq!(figure(&mut client, "rdb_changes_since_last_save"), "1");
    assert!(call!(client, "LASTSAVE").integer() >= began);
    assert_eq!(shown(call!(client, "BGSAVE", "SOON")), "ERR syntax error");
    // One that the stop interrupts comes to nothing, and leaves nothing.
    call!(client, "BGSAVE");
    torc.stop();
    assert_eq!(names(home.path()), ["dump.rdb"]);

    // A snapshot that cannot be written is an error, and the next one is tried all the same.
    fs::remove_file(home.path().join("dump.rdb")).expect("it was saved");
    let torc = start(home.path(), 2, &[]);
    let mut client = torc.client();
    fs::create_dir(home.path().join("dump.rdb")).expect("a directory in its place");
    let reply = shown(call!(client, "SAVE"));
    assert!(
        reply.contains("ERR dump.rdb could not be written"),
        "{reply}"
    );
    assert_eq!(figure(&mut client, "rdb_last_bgsave_status"), "ok");
    fail_in_background(&mut client);
    call!(client, "SET", "key", "value");
    fs::remove_dir(home.path().join("dump.rdb")).expect("an empty directory");
    assert_eq!(call!(client, "SAVE").text(), "OK");
    assert_eq!(figure(&mut client, "rdb_last_bgsave_status"), "ok");
    assert_eq!(names(home.path()), ["dump.rdb"], "nothing else is left");
    torc.stop();
}

#[test]
fn the_rules_save_and_so_does_the_stop() {
    if skip_unless_torc("it is about torc's rules") {
        return;
    }
    let home = TemporaryDirectory::new();
    let snapshot = home.path().join("dump.rdb");
    let keys = |more: &[(&str, &str)]| {
        let mut torc = start(home.path(), 2, more);
        let mut client = torc.client();
        let keys = call!(client, "DBSIZE").integer();
        client
            .send(&request(&["SHUTDOWN", "NOSAVE"]))
            .expect("the server receives");
        assert_eq!(torc.wait().code(), Some(0));
        keys
    };
    // Without rules nothing is saved.
    let torc = start(home.path(), 2, &[]);
    let mut client = torc.client();
    call!(client, "SET", "a", "1");
    call!(client, "SET", "b", "1");
    torc.stop();
    assert!(!snapshot.exists());

    let torc = start(home.path(), 2, &[]);
    let mut client = torc.client();
    for key in ["a", "b", "c"] {
        call!(client, "SET", key, "1");
    }
    assert_eq!(call!(client, "CONFIG", "SET", "save", "1 4").text(), "OK");
    assert_eq!(
        call!(client, "CONFIG", "GET", "save").elements()[1].text(),
        "1 4"
    );
    call!(client, "SET", "d", "1");
    eventually("the rule is met", WAIT_LIMIT, || snapshot.exists());
    eventually("it is counted", WAIT_LIMIT, || {
        figure(&mut client, "rdb_saves") == "1"
    });
    assert_eq!(figure(&mut client, "rdb_changes_since_last_save"), "0");
    call!(client, "SET", "not enough", "1");
    // The stop saves what the rules would not yet.
    torc.stop();
    assert_eq!(keys(&[]), 5);

    // SHUTDOWN as it says.
    let shutdown = |words: &[&str], rules: &str| {
        let mut torc = start(home.path(), 2, &[("save", rules)]);
        let mut client = torc.client();
        call!(client, "FLUSHALL");
        call!(client, "SET", "only", "1");
        let words = [&["SHUTDOWN"], words].concat();
        client.send(&request(&words)).expect("the server receives");
        assert_eq!(torc.wait().code(), Some(0));
    };
    shutdown(&["NOSAVE"], "3600 1");
    assert_eq!(keys(&[]), 5);
    shutdown(&[], "");
    assert_eq!(keys(&[]), 5);
    shutdown(&[], "3600 1");
    assert_eq!(keys(&[]), 1);
    fs::remove_file(&snapshot).expect("it was saved");
    shutdown(&["SAVE"], "");
    assert_eq!(keys(&[]), 1);

    // One that cannot save stays.
    fs::remove_file(&snapshot).expect("it was saved");
    let mut torc = start(home.path(), 2, &[]);
    fs::create_dir(&snapshot).expect("a directory in its place");
    let mut client = torc.client();
    let reply = shown(call!(client, "SHUTDOWN", "SAVE"));
    assert!(
        reply.contains("ERR Errors trying to SHUTDOWN. Check logs."),
        "{reply}"
    );
    assert_eq!(call!(client, "PING").text(), "PONG");
    client
        .send(&request(&["SHUTDOWN", "SAVE", "FORCE"]))
        .expect("the server receives");
    assert_eq!(torc.wait().code(), Some(0));
}

#[test]
fn a_save_is_of_one_moment() {
    if skip_unless_torc("it is about torc's shards") {
        return;
    }
    let home = TemporaryDirectory::new();
    let torc = start(home.path(), 2, &[]);
    let mut client = torc.client();
    let account = |number: usize| format!("account:{number}");
    for number in 0..200 {
        call!(client, "SET", account(number), "100");
    }
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for worker in 0..2u64 {
            let (is_over, torc) = (&is_over, &torc);
            scope.spawn(move || {
                let mut client = torc.client();
                let mut random = Random::new(worker + 1);
                while !is_over.load(Ordering::Relaxed) {
                    let [from, to] = [0; 2].map(|_| account(random.below(200) as usize));
                    call!(client, "MULTI");
                    call!(client, "DECRBY", from, "7");
                    call!(client, "INCRBY", to, "7");
                    assert_eq!(call!(client, "EXEC").elements().len(), 2);
                }
            });
        }
        for _ in 0..5 {
            assert_eq!(call!(client, "SAVE").text(), "OK");
            let copy = copied(&home.path().join("dump.rdb"));
            let loaded = start(copy.path(), 5, &[]);
            let mut client = loaded.client();
            let sum: i64 = (0..200)
                .map(|number| {
                    let balance = call!(client, "GET", account(number)).text();
                    balance.parse::<i64>().expect("a number")
                })
                .sum();
            assert_eq!(sum, 20_000);
            loaded.stop();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    torc.stop();
}

/// What `stop-writes-on-bgsave-error` refuses, and until when.
fn refuses(server: &Server, directory: &Path) {
    let mut client = server.client();
    let set = |client: &mut Client| shown(call!(client, "SET", "key", "value"));
    let snapshot = directory.join("dump.rdb");
    fs::create_dir(&snapshot).expect("a directory in its place");
    call!(client, "SAVE");
    assert_eq!(set(&mut client), "OK", "who saved knows that it failed");
    fail_in_background(&mut client);
    assert_eq!(set(&mut client), "OK", "there are no rules");
    call!(client, "CONFIG", "SET", "save", "100000 1000000");
    let mut other = server.client();
    for client in [&mut client, &mut other] {
        let text = set(client);
        assert!(
            text.starts_with("MISCONF Redis is configured to save"),
            "{text}"
        );
        let text = shown(call!(client, "PING"));
        assert!(text.starts_with("MISCONF "), "{text}");
        let script = "return redis.call('set', KEYS[1], 'x')";
        let text = shown(call!(client, "EVAL", script, "1", "key"));
        assert!(text.contains("MISCONF "), "{text}");
        assert_eq!(call!(client, "GET", "key").text(), "value");
    }
    call!(client, "CONFIG", "SET", "stop-writes-on-bgsave-error", "no");
    assert_eq!(set(&mut other), "OK");
    call!(
        client,
        "CONFIG",
        "SET",
        "stop-writes-on-bgsave-error",
        "yes"
    );
    assert!(set(&mut other).starts_with("MISCONF "));
    fs::remove_dir(&snapshot).expect("an empty directory");
    save_in_background(&mut client);
    for client in [&mut client, &mut other] {
        assert_eq!(set(client), "OK");
        assert_eq!(shown(call!(client, "PING")), "PONG");
    }
    // The one that a waiting client makes is as good.
    fs::remove_file(&snapshot).expect("it was written");
    fs::create_dir(&snapshot).expect("a directory in its place");
    fail_in_background(&mut client);
    assert!(set(&mut other).starts_with("MISCONF "));
    fs::remove_dir(&snapshot).expect("an empty directory");
    assert_eq!(call!(client, "SAVE").text(), "OK");
    assert_eq!(set(&mut other), "OK");
}

#[test]
fn writes_stop_when_no_snapshot_can_be_written() {
    if let Some(redis) = Server::start_redis(&[]) {
        refuses(&redis, redis.directory());
        redis.stop();
    }
    if skip_unless_torc("redis-server has had its turn") {
        return;
    }
    for shards in [1, 2] {
        let home = TemporaryDirectory::new();
        let torc = start(home.path(), shards, &[]);
        refuses(&torc, home.path());
        torc.stop();
    }
}

#[test]
fn checksums_and_compression_are_left_out() {
    if skip_unless_torc("it is about torc's files") {
        return;
    }
    let options = [("rdbchecksum", "no"), ("rdbcompression", "no")];
    let home = TemporaryDirectory::new();
    let torc = start(home.path(), 2, &options);
    let mut client = torc.client();
    let value = "compressible ".repeat(1000);
    call!(client, "SET", "key", &value);
    call!(client, "HSET", "hash", "field", "x");
    for field_expires in [false, true] {
        if field_expires {
            // The file is of another version, which its header says in the end.
            call!(client, "HEXPIRE", "hash", "1000", "FIELDS", "1", "field");
        }
        assert_eq!(call!(client, "SAVE").text(), "OK");
        let path = home.path().join("dump.rdb");
        let file = fs::read(&path).expect("it was saved");
        assert_eq!(file[file.len() - 8..], [0; 8], "no checksum");
        assert!(
            file.windows(value.len())
                .any(|part| part == value.as_bytes())
        );
        if !field_expires && let Some(redis) = Server::start_redis(&[("dir", text(home.path()))]) {
            assert_eq!(call!(redis.client(), "GET", "key").text(), value);
        }
    }
    call!(client, "CONFIG", "SET", "rdbcompression", "yes");
    call!(client, "CONFIG", "SET", "rdbchecksum", "yes");
    assert_eq!(call!(client, "SAVE").text(), "OK");
    torc.stop();
    let path = home.path().join("dump.rdb");
    let mut file = fs::read(&path).expect("it was saved");
    assert!(file.len() < 2000, "{} bytes", file.len());
    let sum = file.len() - 8;
    assert!(file[sum..] != [0; 8], "a checksum");
    // One that is wrong is refused only by who looks at it.
    file[sum] ^= 1;
    fs::write(&path, &file).expect("written");
    let torc = start(home.path(), 2, &options);
    assert_eq!(call!(torc.client(), "GET", "key").text(), value);
    torc.stop();
}
