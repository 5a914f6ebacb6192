//! Limits hold: connections, buffers, readers that stop reading.

use crate::support::client::{Client, request};
use crate::support::process::{cpu_seconds, resident_bytes};
use crate::support::server::{Server, skip_unless_torc};
use crate::support::{WAIT_LIMIT, eventually};
use std::time::{Duration, Instant};

#[test]
fn one_connection_too_many_is_refused_and_said_why() {
    let server = Server::start(&[("maxclients", "10")]);
    let mut admitted: Vec<Client> = (0..10).map(|_| server.client()).collect();
    for client in &mut admitted {
        assert_eq!(client.words("PING").text(), "PONG");
    }
    let mut refused = server.client();
    assert_eq!(
        refused.read().expect("said").text(),
        "ERR max number of clients reached"
    );
    assert!(refused.is_closed());
    drop(admitted.pop());
    eventually("a place becomes free", WAIT_LIMIT, || {
        let mut next = server.client();
        // Refused connections may be closed before the request is sent.
        next.send(b"PING\r\n").is_ok() && next.read().is_ok_and(|reply| reply.text() == "PONG")
    });
    server.stop();
}

#[test]
fn a_reader_that_stops_reading_is_closed_and_costs_little() {
    let server = Server::start(&[("client-output-buffer-limit", "normal 4mb 0 0")]);
    let mut client = server.client();
    let value = vec![b'v'; 1024 * 1024];
    assert_eq!(
        client.call(&[b"SET".as_slice(), b"big", &value]).text(),
        "OK"
    );
    let before = resident_bytes(server.pid());
    let mut deaf = server.client();
    deaf.set_limit(Duration::from_secs(2));
    let pipeline: Vec<u8> = (0..1000).flat_map(|_| request(&["GET", "big"])).collect();
    // It may be closed while it still sends.
    let _ = deaf.send(&pipeline);
    let mut most = 0;
    let deadline = Instant::now() + Duration::from_secs(1);
    while Instant::now() < deadline {
        assert_eq!(client.words("PING").text(), "PONG");
        most = most.max(resident_bytes(server.pid()));
    }
    assert!(most < before + 100 * 1024 * 1024, "from {before} to {most}");
    drop(deaf);
    eventually("the deaf connection is gone", WAIT_LIMIT, || {
        client.words("CLIENT LIST").text().lines().count() == 1
    });
    server.stop();
}

#[test]
fn a_request_longer_than_the_limit_is_cut_off() {
    let server = Server::start(&[("client-query-buffer-limit", "1mb")]);
    let mut client = server.client();
    let mut greedy = server.client();
    greedy
        .send(b"*3\r\n$3\r\nSET\r\n$3\r\nkey\r\n$104857600\r\n")
        .expect("received");
    let piece = [b'x'; 10_000];
    let mut sent = 0;
    while sent < 100_000_000 && greedy.send(&piece).is_ok() {
        sent += piece.len();
    }
    assert!(sent < 100_000_000, "never cut off");
    assert_eq!(client.words("PING").text(), "PONG");
    let mut endless = server.client();
    // An inline request has a limit of its own.
    let _ = endless.send(&[b'x'; 70 * 1024]);
    assert_eq!(
        endless.read().expect("said").text(),
        "ERR Protocol error: too big inline request"
    );
    assert!(endless.is_closed());
    server.stop();
}

#[test]
fn an_idle_server_sleeps() {
    if skip_unless_torc("redis-server wakes ten times a second by design") {
        return;
    }
    let server = Server::start(&[]);
    let mut client = server.client();
    assert_eq!(client.words("PING").text(), "PONG");
    let before = cpu_seconds(server.pid());
    client.set_limit(Duration::from_secs(3));
    // Nothing is sent for three seconds, so nothing comes.
    assert!(client.read().is_err());
    let used = cpu_seconds(server.pid()) - before;
    assert!(used <= 0.06, "{used} s of CPU in three idle seconds");
    server.stop();
}
