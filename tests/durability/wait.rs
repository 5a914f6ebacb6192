//! WAITAOF: how long it waits, what it answers, and what ends it early.
//!
//! Never kills a server; that what was waited for is durable is shown elsewhere. The decision worth knowing: there are no replicas, so a wait for one lasts for as long as it may.

use crate::is_skipped;
use crate::running::Place;
use crate::support::client::{Client, request};
use crate::support::reply::Reply;
use crate::support::{WAIT_LIMIT, eventually};
use std::time::{Duration, Instant};

fn counts(log: i64, replicas: i64) -> Reply {
    Reply::Array(vec![Reply::Integer(log), Reply::Integer(replicas)])
}

/// A connection on which a wait has begun that only others can end, and its id.
fn waiting(client: &mut Client, mut other: Client, words: &[&str]) -> (Client, i64) {
    let id = other.words("CLIENT ID").integer();
    other.send(&request(words)).expect("sent");
    eventually("the wait has begun", WAIT_LIMIT, || {
        client
            .words("INFO clients")
            .text()
            .contains("blocked_clients:1")
    });
    (other, id)
}

#[test]
fn it_waits_for_the_log_and_for_its_time() {
    if is_skipped() {
        return;
    }
    for (shards, rule) in [(1, "everysec"), (2, "everysec"), (2, "always"), (3, "no")] {
        let place = Place::new(shards, &[("appendfsync", rule)]);
        let running = place.start();
        let mut client = running.server.client();
        for number in 0..20 {
            assert_eq!(client.words(&format!("SET {number} x")).text(), "OK");
        }
        assert_eq!(client.words("WAITAOF 1 0 0"), counts(1, 0));
        // Nobody has written since.
        assert_eq!(client.words("WAITAOF 0 0 0"), counts(1, 0));
        let begun = Instant::now();
        assert_eq!(client.words("WAITAOF 1 1 600"), counts(1, 0));
        assert!(begun.elapsed() >= Duration::from_millis(590), "{begun:?}");
        let begun = Instant::now();
        assert_eq!(client.words("WAITAOF 0 2 600"), counts(1, 0));
        assert!(begun.elapsed() >= Duration::from_millis(590), "{begun:?}");
        // What follows waits as well.
        client.send(b"WAITAOF 1 1 600\r\nPING\r\n").expect("sent");
        assert_eq!(client.read().expect("a reply"), counts(1, 0));
        assert_eq!(client.read().expect("a reply").text(), "PONG");
        running.server.stop();
    }
}

#[test]
fn a_transaction_and_a_script_do_not_wait() {
    if is_skipped() {
        return;
    }
    let place = Place::new(2, &[("appendfsync", "everysec")]);
    let running = place.start();
    let mut client = running.server.client();
    assert_eq!(client.words("SET a x").text(), "OK");
    assert_eq!(client.words("WAITAOF 1 0 0"), counts(1, 0));
    for line in ["MULTI", "WAITAOF 1 1 0", "WAITAOF 0 0 0", "PING"] {
        client.words(line);
    }
    let replies = client.words("EXEC");
    let wanted = [counts(1, 0), counts(1, 0), Reply::Simple(b"PONG".to_vec())];
    assert_eq!(replies.elements(), wanted);
    let script = "return redis.call('waitaof', 1, 1, 0)";
    assert_eq!(client.call(&["EVAL", script, "0"]), counts(1, 0));
    running.server.stop();
}

#[test]
fn others_end_it() {
    if is_skipped() {
        return;
    }
    let place = Place::new(2, &[]);
    let running = place.start();
    let mut client = running.server.client();
    let connect = || running.server.client();
    let wait = ["WAITAOF", "1", "1", "0"];
    let (mut other, id) = waiting(&mut client, connect(), &wait);
    assert_eq!(
        client.words(&format!("CLIENT UNBLOCK {id}")),
        Reply::Integer(1)
    );
    assert_eq!(other.read().expect("a reply"), counts(1, 0));
    let (mut other, id) = waiting(&mut client, connect(), &wait);
    let unblock = format!("CLIENT UNBLOCK {id} ERROR");
    assert_eq!(client.words(&unblock), Reply::Integer(1));
    let text = other.read().expect("a reply").text();
    assert!(text.starts_with("UNBLOCKED"), "{text}");
    // Its connection goes.
    let (other, _) = waiting(&mut client, connect(), &wait);
    drop(other);
    eventually("nobody waits", WAIT_LIMIT, || {
        client
            .words("INFO clients")
            .text()
            .contains("blocked_clients:0")
    });
    // The log goes; who waits for replicas alone does not mind.
    let (mut other, _) = waiting(&mut client, connect(), &wait);
    assert_eq!(client.words("CONFIG SET appendonly no").text(), "OK");
    let text = other.read().expect("a reply").text();
    assert!(text.contains("appendonly is disabled"), "{text}");
    let (mut other, id) = waiting(&mut client, connect(), &["WAITAOF", "0", "1", "0"]);
    assert_eq!(
        client.words(&format!("CLIENT UNBLOCK {id}")),
        Reply::Integer(1)
    );
    assert_eq!(other.read().expect("a reply"), counts(0, 0));
    running.server.stop();
}
