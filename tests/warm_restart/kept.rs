//! What comes back, and how the server goes on with it.

use crate::contents::{contents, fill, memcached, token};
use crate::support::reply::Reply;
use crate::support::{WAIT_LIMIT, eventually};
use crate::{files_left, is_skipped, last_load, with_log, without_log};
use std::fs;

#[test]
fn all_types_come_back_after_a_stop_by_signal_or_command() {
    if is_skipped() {
        return;
    }
    for (shards, by_command) in [(1, false), (2, true), (5, false)] {
        println!("{shards} shards, by command: {by_command}");
        let place = without_log(shards);
        let mut running = place.start();
        assert_eq!(last_load(&running), "none");
        let known = fill(&running);
        eventually("what expires soon has expired", WAIT_LIMIT, || {
            let mut client = running.server.client();
            client.words("EXISTS past").integer() == 0 && client.words("HLEN fields").integer() == 2
        });
        let before = contents(&running);
        let mut client = running.server.client();
        assert_eq!(client.words("SET passing gone PX 100").text(), "OK");
        if by_command {
            drop(client.send(b"SHUTDOWN\r\n"));
            assert_eq!(running.server.wait().code(), Some(0));
        } else {
            running.server.stop();
        }
        assert_eq!(files_left(&place).len(), shards + 1);

        let running = place.start();
        assert_eq!(last_load(&running), "ok");
        eventually("the files are gone", WAIT_LIMIT, || {
            files_left(&place).is_empty()
        });
        let mut client = running.server.client();
        eventually("time has gone on", WAIT_LIMIT, || {
            client.words("EXISTS passing").integer() == 0
        });
        let after = contents(&running);
        for (key, seen) in &before {
            assert!(after.get(key) == Some(seen), "{}", key.1.escape_ascii());
        }
        assert_eq!(after.len(), before.len());
        assert_eq!(client.words("FCALL answer 0").integer(), 42);
        let pending = client.words("XPENDING stream readers");
        assert_eq!(pending.elements()[0].integer(), 2);
        let flagged = memcached(running.memcached, "get flagged\r\n", "END");
        assert_eq!(flagged, "VALUE flagged 77 5\r\nvalue\r\nEND\r\n");
        assert_eq!(token(&running), known);
        let request = format!("cas token 5 0 3 {known}\r\nnew\r\n");
        assert_eq!(memcached(running.memcached, &request, "S"), "STORED\r\n");
        assert!(token(&running) > known, "a token is never made twice");
        assert_eq!(client.words("CACHE.DROP red").integer(), 1);
        assert_eq!(client.words("EXISTS tagged").integer(), 0);
        let added = client.words("XADD stream * name later");
        assert!(matches!(added, Reply::Bulk(_)), "{}", added.text());
        assert_eq!(client.words("SADD long:set element:17 new").integer(), 1);
        assert_eq!(client.words("ZRANK long:sorted element:0").integer(), 0);
        assert_eq!(client.words("LINDEX long:list 1321").text(), "element:1321");

        // And once more, with what has changed.
        let before = contents(&running);
        running.server.stop();
        let running = place.start();
        assert_eq!(last_load(&running), "ok");
        assert!(contents(&running) == before, "the same once more");
        running.server.stop();
    }
}

#[test]
fn the_log_goes_on_behind_the_memory_and_a_crash_loses_nothing() {
    if is_skipped() {
        return;
    }
    for shards in [1, 3] {
        let place = with_log(shards);
        let running = place.start();
        fill(&running);
        running.server.stop();
        for round in 0..3 {
            let running = place.start();
            assert_eq!(last_load(&running), "ok", "round {round}");
            let mut client = running.server.client();
            let set = client.words(&format!("SET after:{round} value"));
            assert_eq!(set.text(), "OK");
            let reply = client.words("MSET one 1 two 2 three 3 four 4 five 5");
            assert_eq!(reply.text(), "OK");
            running.server.stop();
        }
        let running = place.start();
        assert_eq!(last_load(&running), "ok");
        let mut client = running.server.client();
        assert_eq!(client.words("SET last value").text(), "OK");
        eventually("what expires soon has expired", WAIT_LIMIT, || {
            client.words("EXISTS past").integer() == 0 && client.words("HLEN fields").integer() == 2
        });
        let before = contents(&running);
        running.kill();

        // The log has everything, from the beginning on.
        let running = place.start();
        assert_eq!(last_load(&running), "none");
        let after = contents(&running);
        assert_eq!(
            before.keys().collect::<Vec<_>>(),
            after.keys().collect::<Vec<_>>()
        );
        let mut client = running.server.client();
        assert_eq!(client.words("GET last").text(), "value");
        assert_eq!(client.words("GET after:2").text(), "value");
        assert_eq!(client.words("FCALL answer 0").integer(), 42);
        running.server.stop();
    }
}

#[test]
fn memory_may_be_left_in_another_directory() {
    if is_skipped() {
        return;
    }
    let shared = std::path::Path::new("/dev/shm");
    if !shared.is_dir() {
        println!("skipped: there is no /dev/shm");
        return;
    }
    let directory = shared.join(format!("torc-test-{}", std::process::id()));
    let text = directory.to_str().expect("a path in UTF-8");
    let mut place = without_log(2);
    place.set("warm-restart-dir", text);
    let running = place.start();
    fill(&running);
    running.server.stop();
    assert!(files_left(&place).is_empty());
    assert!(directory.join("warm-manifest").is_file());
    let running = place.start();
    let outcome = last_load(&running);
    let value = running.server.client().words("GET key:17").text();
    running.server.stop();
    fs::remove_dir_all(&directory).expect("it was left there");
    assert_eq!((outcome.as_str(), value.as_str()), ("ok", "value:17"));
}

#[test]
fn a_lower_limit_evicts_down_to_it_and_another_policy_takes_over() {
    if is_skipped() {
        return;
    }
    let mut place = without_log(2);
    place.set("maxmemory", "64mb");
    place.set("maxmemory-policy", "allkeys-s3fifo");
    let running = place.start();
    let mut client = running.server.client();
    let value = vec![b'v'; 1000];
    for number in 0..20_000 {
        let key = format!("key:{number}");
        let reply = client.call(&[b"SET", key.as_bytes(), &value]);
        assert_eq!(reply.text(), "OK");
    }
    running.server.stop();
    place.set("maxmemory", "10mb");
    place.set("maxmemory-policy", "allkeys-lru");
    let running = place.start();
    assert_eq!(last_load(&running), "ok");
    let mut client = running.server.client();
    eventually("what does not fit is evicted", WAIT_LIMIT, || {
        let reply = client.call(&[&b"SET"[..], b"key", &value]);
        assert_eq!(reply.text(), "OK");
        client.words("DBSIZE").integer() < 10_500
    });
    assert!(client.words("DBSIZE").integer() > 5000);
    running.server.stop();
}

#[test]
fn it_can_be_asked_for_while_the_server_runs() {
    if is_skipped() {
        return;
    }
    let mut place = without_log(2);
    place.set("warm-restart", "no");
    let running = place.start();
    let mut client = running.server.client();
    assert_eq!(client.words("SET key value").text(), "OK");
    assert_eq!(client.words("CONFIG SET warm-restart yes").text(), "OK");
    running.server.stop();
    place.set("warm-restart", "yes");
    let running = place.start();
    assert_eq!(last_load(&running), "ok");
    assert_eq!(running.server.client().words("GET key").text(), "value");
    running.server.stop();
}
