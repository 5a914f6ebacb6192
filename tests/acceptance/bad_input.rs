//! Bad input: the server neither ends nor grows, and a client that behaves is served all the while.

use crate::support::client::{Client, request};
use crate::support::eventually;
use crate::support::process::{resident_bytes, resident_bytes_max};
use crate::support::random::{Random, seed};
use crate::support::server::{Server, skip_unless_torc};
use crate::{alone, full, mib};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const LIMIT: u64 = 64 << 20;

/// Serves itself until told to stop; returns the number of requests and the longest wait.
fn behave(server: &Server, stop: &AtomicBool) -> (u64, Duration) {
    let mut client = server.client();
    let (mut requests, mut wait_max) = (0, Duration::ZERO);
    while !stop.load(Ordering::Relaxed) {
        let from = Instant::now();
        let value = format!("value {requests}");
        let reply = client.call(&["SET", "the well-behaved client's key", &value]);
        assert_eq!(reply.text(), "OK");
        let reply = client.call(&["GET", "the well-behaved client's key"]);
        assert_eq!(reply.text(), value);
        requests += 2;
        wait_max = wait_max.max(from.elapsed());
    }
    (requests, wait_max)
}

/// Runs `abuse` on a server beside a client that behaves, and judges what is left afterwards.
fn beside_a_good_client(name: &str, abuse: impl FnOnce(&Server)) {
    let _alone = alone();
    let limit_text = LIMIT.to_string();
    let server = Server::start(&[
        ("maxmemory", limit_text.as_str()),
        ("maxmemory-policy", "allkeys-lru"),
    ]);
    let stop = AtomicBool::new(false);
    let (requests, wait_max) = std::thread::scope(|scope| {
        let good = scope.spawn(|| behave(&server, &stop));
        // The other thread is told to stop even when the abuse finds something.
        let found = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| abuse(&server)));
        stop.store(true, Ordering::Relaxed);
        let served = good.join().expect("the good client is served");
        if let Err(panic) = found {
            std::panic::resume_unwind(panic);
        }
        served
    });
    let most = resident_bytes_max(server.pid());
    println!(
        "{name}: the good client had {requests} replies and waited {wait_max:?} at most; resident {:.1} MiB at most",
        mib(most)
    );
    assert!(requests > 0);
    if skip_unless_torc("the bound of resident memory is torc's") {
        return;
    }
    assert!(most <= LIMIT + (64 << 20) + 2 * (16 << 20), "{most} bytes");
    eventually("all connections are gone", Duration::from_secs(30), || {
        server.client().words("CLIENT LIST").text().lines().count() == 1
    });
    server.stop();
}

/// Sends what can be sent, then either hears the server out or hangs up at once.
fn send_and_leave(server: &Server, bytes: &[u8], hear_out: bool) {
    let mut client = server.client();
    // It may be cut off at any byte.
    if client.send(bytes).is_ok() && hear_out {
        client.finish_sending_if_connected();
        while client.read_raw().is_ok() {}
    }
}

fn rounds(default: u64) -> u64 {
    if full() { 50 * default } else { default }
}

#[test]
fn random_bytes() {
    let mut random = Random::new(seed("random bytes"));
    beside_a_good_client("random bytes", |server| {
        for round in 0..rounds(200) {
            let length = 1 + random.below(20_000) as usize;
            let mut bytes = random.bytes(length);
            if random.chance(50) {
                // Half of them begin like a request.
                bytes[0] = *random.pick(b"*$+-:\r\n");
            }
            send_and_leave(server, &bytes, round % 2 == 0);
        }
    });
}

fn valid_pipeline() -> Vec<u8> {
    let lines = [
        "SET key value",
        "GET key",
        "MSET a 1 b 2 c 3",
        "MGET a b c",
        "APPEND key more",
        "SETRANGE key 5 x",
        "GETRANGE key 0 -1",
        "INCRBY n 5",
        "SET e 1 PX 100000",
        "EXPIRE key 100",
        "DEL a b",
        "SCAN 0 COUNT 10 MATCH k*",
        "HELLO 3",
        "INFO",
        "OBJECT ENCODING n",
    ];
    let mut bytes = Vec::new();
    for line in lines {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        bytes.extend_from_slice(&request(&arguments));
    }
    bytes.extend_from_slice(b"PING\r\nGET key\r\n");
    bytes
}

#[test]
fn mutated_requests() {
    let mut random = Random::new(seed("mutated requests"));
    let valid = valid_pipeline();
    beside_a_good_client("mutated requests", |server| {
        for round in 0..rounds(400) {
            let mut bytes = valid.clone();
            for _ in 0..1 + random.below(6) {
                let at = random.below(bytes.len() as u64) as usize;
                match random.below(5) {
                    0 => bytes[at] = random.next() as u8,
                    1 => bytes[at] ^= 1 << random.below(8),
                    2 => drop(bytes.remove(at)),
                    3 => bytes.insert(at, *random.pick(b"0123456789-\r\n*$ \0\xff")),
                    _ => {
                        let length = random.below(40).min((bytes.len() - at) as u64) as usize;
                        let piece = bytes[at..at + length].to_vec();
                        let to = random.below(bytes.len() as u64) as usize;
                        bytes.splice(to..to, piece);
                    }
                }
            }
            send_and_leave(server, &bytes, round % 2 == 0);
        }
    });
}

#[test]
fn a_pipeline_cut_at_every_byte() {
    let valid = valid_pipeline();
    beside_a_good_client("a pipeline cut at every byte", |server| {
        for length in 0..=valid.len() {
            for hear_out in [true, false] {
                send_and_leave(server, &valid[..length], hear_out);
            }
        }
    });
}

#[test]
fn lengths_that_promise_much() {
    const CONNECTIONS: usize = 100;
    let openings: [&[u8]; 6] = [
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\n",
        b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870912\r\na few bytes",
        b"*3\r\n$3\r\nSET\r\n$536870912\r\n",
        b"*1\r\n$536870912\r\n",
        b"*1048576\r\n",
        b"*1048576\r\n$4\r\nMGET\r\n$1\r\na\r\n",
    ];
    beside_a_good_client("lengths that promise much", |server| {
        for opening in openings {
            let before = resident_bytes(server.pid());
            let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| server.client()).collect();
            for client in &mut clients {
                client.send(opening).expect("received");
            }
            // Whoever connects later is answered later by the same shards: what was sent above has been looked at by then.
            for _ in 0..20 {
                assert_eq!(server.client().words("PING").text(), "PONG");
            }
            let grown = resident_bytes(server.pid()).saturating_sub(before);
            println!(
                "{CONNECTIONS} × {:?}: resident memory grew by {:.2} MiB",
                String::from_utf8_lossy(opening),
                mib(grown)
            );
            assert!(grown < 16 << 20, "grown by {grown} bytes");
        }
        // One more than the limit of either is an error at once.
        for (opening, error) in [
            (
                b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870913\r\n".as_slice(),
                "ERR Protocol error: invalid bulk length",
            ),
            (
                b"*1048577\r\n",
                "ERR Protocol error: invalid multibulk length",
            ),
        ] {
            let mut client = server.client();
            client.send(opening).expect("received");
            if !skip_unless_torc("limits of torc") {
                assert_eq!(client.read().expect("said").text(), error);
                assert!(client.is_closed());
            }
        }
    });
}
