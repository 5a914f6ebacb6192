//! Memory that is not exactly what was left: it is not served, the reason is said, and the data comes from where it came from before.

use crate::running::{Place, Running};
use crate::support::{WAIT_LIMIT, eventually};
use crate::{files_left, is_skipped, last_load, with_log, without_log};
use std::fs;

/// A stopped server's place with a few keys.
fn stopped(place: Place) -> Place {
    let running = place.start();
    let mut client = running.server.client();
    for number in 0..500 {
        let reply = client.words(&format!("SET key:{number} value:{number}"));
        assert_eq!(reply.text(), "OK");
    }
    running.server.stop();
    place
}

fn size(running: &Running) -> i64 {
    running.server.client().words("DBSIZE").integer()
}

/// Starts on a place, where the memory must be refused for a reason with these words, and removed.
fn refused(place: &Place, words: &str) -> Running {
    let running = place.start();
    let outcome = last_load(&running);
    assert!(
        outcome.starts_with("refused: ") && outcome.contains(words),
        "{outcome}"
    );
    let said = running.server.said();
    assert!(
        said.contains("that the last stop left is not used"),
        "{said}"
    );
    eventually("the files are gone", WAIT_LIMIT, || {
        files_left(place).is_empty()
    });
    running
}

fn change(place: &Place, file: &str, at: usize) {
    let path = place.path().join(file);
    let mut bytes = fs::read(&path).expect("it was left");
    bytes[at] ^= 0x10;
    fs::write(&path, bytes).expect("it can be written");
}

#[test]
fn a_crash_never_meets_memory_that_was_served_from() {
    if is_skipped() {
        return;
    }
    let place = stopped(without_log(2));
    let running = place.start();
    assert_eq!((last_load(&running).as_str(), size(&running)), ("ok", 500));
    running.kill();
    let running = place.start();
    assert_eq!((last_load(&running).as_str(), size(&running)), ("none", 0));
    running.kill();
    assert!(files_left(&place).is_empty());
}

#[test]
fn a_damaged_file_is_not_loaded_and_the_log_is() {
    if is_skipped() {
        return;
    }
    for (file, at, words) in [
        ("warm-0", 4096 * 2 + 100, "checksum"),
        ("warm-1", 20, "checksum"),
        ("warm-manifest", 40, "checksum"),
    ] {
        let place = stopped(with_log(2));
        change(&place, file, at);
        let running = refused(&place, words);
        assert_eq!(size(&running), 500);
        running.server.stop();
        let running = place.start();
        assert_eq!((last_load(&running).as_str(), size(&running)), ("ok", 500));
        running.server.stop();
    }
    // Without a log there is nothing else.
    let place = stopped(without_log(2));
    let path = place.path().join("warm-1");
    let bytes = fs::read(&path).expect("it was left");
    fs::write(&path, &bytes[..bytes.len() - 1]).expect("it can be written");
    let running = refused(&place, "bytes instead of");
    assert_eq!(size(&running), 0);
    running.server.stop();
    let place = stopped(without_log(2));
    fs::remove_file(place.path().join("warm-0")).expect("it was left");
    let running = refused(&place, "warm-0: it cannot be read");
    running.server.stop();
}

#[test]
fn files_of_another_version_are_refused() {
    if is_skipped() {
        return;
    }
    let place = stopped(without_log(1));
    change(&place, "warm-manifest", 8);
    refused(&place, "it is of version 17, not 1").server.stop();
    let place = stopped(without_log(1));
    change(&place, "warm-0", 8);
    refused(&place, "it is of version 17, not 1").server.stop();
}

#[test]
fn another_number_of_shards_or_databases_takes_the_log() {
    if is_skipped() {
        return;
    }
    let mut place = stopped(with_log(2));
    place.shards = 3;
    let running = refused(&place, "it is of 2 shards, and there are 3");
    assert_eq!(size(&running), 500);
    running.server.stop();
    place.set("databases", "20");
    let running = refused(&place, "it is of 16 databases, and there are 20");
    assert_eq!(size(&running), 500);
    running.server.stop();
}

#[test]
fn memory_from_before_the_end_of_the_log_is_refused() {
    if is_skipped() {
        return;
    }
    let place = stopped(with_log(2));
    let kept: Vec<(String, Vec<u8>)> = files_left(&place)
        .into_iter()
        .map(|name| {
            let bytes = fs::read(place.path().join(&name)).expect("it was left");
            (name, bytes)
        })
        .collect();
    let put_back = || {
        for (name, bytes) in &kept {
            fs::write(place.path().join(name), bytes).expect("it can be written");
        }
    };
    let running = place.start();
    assert_eq!(last_load(&running), "ok");
    let mut client = running.server.client();
    assert_eq!(client.words("SET later value").text(), "OK");
    running.kill();
    put_back();
    let running = refused(&place, "is not as it was then");
    assert_eq!(size(&running), 501);
    running.server.stop();

    // Nor is memory that was left without a log taken by who is to keep one, though the log is older.
    let mut place = stopped(without_log(2));
    place.set("appendonly", "yes");
    fs::create_dir(place.log()).expect("it is not there");
    let running = refused(&place, "left without a log");
    assert_eq!(size(&running), 0);
    running.server.stop();
}

#[test]
fn a_start_that_does_not_use_it_removes_it() {
    if is_skipped() {
        return;
    }
    let mut place = stopped(without_log(2));
    place.set("warm-restart", "no");
    let running = refused(&place, "warm-restart is no");
    assert_eq!(size(&running), 0);
    running.server.stop();
    assert!(files_left(&place).is_empty());
    // But not what is somebody else's.
    let path = place.path().join("warm-manifest");
    fs::write(&path, "a song").expect("room");
    let running = place.start();
    assert_eq!(last_load(&running), "none");
    running.server.stop();
    assert_eq!(fs::read(&path).expect("it is still there"), b"a song");
}

#[test]
fn a_start_that_fails_leaves_it_for_the_next() {
    if is_skipped() {
        return;
    }
    let mut place = stopped(without_log(2));
    place.set("unixsocket", "/nowhere/at/all");
    place.refused();
    place.set("unixsocket", "");
    let running = place.start();
    assert_eq!((last_load(&running).as_str(), size(&running)), ("ok", 500));
    running.server.stop();
}

#[test]
fn shutdown_nosave_leaves_nothing() {
    if is_skipped() {
        return;
    }
    let place = without_log(2);
    let mut running = place.start();
    let mut client = running.server.client();
    assert_eq!(client.words("SET key value").text(), "OK");
    drop(client.send(b"SHUTDOWN NOSAVE\r\n"));
    assert_eq!(running.server.wait().code(), Some(0));
    assert!(files_left(&place).is_empty());
}

#[test]
fn a_snapshot_that_was_exchanged_is_what_is_loaded() {
    if is_skipped() {
        return;
    }
    let other = without_log(1);
    let running = other.start();
    let mut client = running.server.client();
    assert_eq!(client.words("SET other value").text(), "OK");
    assert_eq!(client.words("SAVE").text(), "OK");
    running.server.stop();

    let mut place = without_log(2);
    place.set("save", "3600 1");
    let place = stopped(place);
    let running = place.start();
    assert_eq!((last_load(&running).as_str(), size(&running)), ("ok", 500));
    running.server.stop();
    fs::copy(other.path().join("dump.rdb"), place.path().join("dump.rdb")).expect("room");
    let running = refused(&place, "dump.rdb is not the one that was there");
    assert_eq!(running.server.client().words("GET other").text(), "value");
    assert_eq!(size(&running), 1);
    running.server.stop();
}

#[test]
fn what_a_stop_did_not_finish_counts_for_nothing() {
    if is_skipped() {
        return;
    }
    let place = stopped(without_log(2));
    // As if it had been ended before its last step.
    fs::remove_file(place.path().join("warm-manifest")).expect("it was left");
    let running = place.start();
    assert_eq!((last_load(&running).as_str(), size(&running)), ("none", 0));
    running.server.stop();
    let running = place.start();
    assert_eq!((last_load(&running).as_str(), size(&running)), ("ok", 0));
    running.server.stop();
}
