//! What bounds subscribers: their unread messages, the memory of their subscriptions, and not the time they are idle.

use super::{ask, flat, next, send, subscriber, until_subscribed};
use crate::support::client::request;
use crate::support::process::resident_bytes;
use crate::support::server::skip_unless_torc;
use crate::support::{WAIT_LIMIT, eventually, with_each_number_of_shards};

const MIB: u64 = 1024 * 1024;

#[test]
fn a_subscriber_that_does_not_read_is_closed_and_costs_little() {
    let limits = [("client-output-buffer-limit", "pubsub 1mb 0 0")];
    with_each_number_of_shards(&limits, |server| {
        let mut admin = server.client();
        let mut deaf: Vec<_> = (0..4)
            .map(|number| subscriber(server, 2 + number % 2, "SUBSCRIBE a"))
            .collect();
        let mut reader = subscriber(server, 2, "SUBSCRIBE a");
        let before = resident_bytes(server.pid());
        let mut most = 0;
        for len in [10_000, 100_000] {
            let message = vec![b'm'; len];
            // What the kernel takes for those who do not read is a part of it, hence so much.
            for _ in 0..40_000_000 / len {
                let publish = [b"PUBLISH".as_slice(), b"a", &message];
                assert!(admin.call(&publish).integer() >= 1);
                let message = reader.read().expect("a message");
                assert_eq!(message.elements()[2].bytes().len(), len);
                most = most.max(resident_bytes(server.pid()));
            }
        }
        until_subscribed(&mut admin, "a", 1);
        assert!(most < before + 48 * MIB, "from {before} to {most}");
        for client in &mut deaf {
            while client.read().is_ok() {}
        }
        assert_eq!(
            admin
                .words("CLIENT LIST TYPE pubsub")
                .text()
                .lines()
                .count(),
            1
        );
        assert_eq!(admin.words("PUBLISH a end").integer(), 1);
        assert_eq!(next(&mut reader), "message a end");
    });
}

#[test]
fn the_limit_of_subscribers_is_not_that_of_others() {
    let limits = [("client-output-buffer-limit", "normal 0 0 0 pubsub 64kb 0 0")];
    with_each_number_of_shards(&limits, |server| {
        let mut admin = server.client();
        let value = vec![b'v'; 3_000_000];
        admin.call(&[b"SET".as_slice(), b"big", &value]);
        assert_eq!(admin.words("GET big").bytes().len(), value.len());
        let mut client = subscriber(server, 3, "SUBSCRIBE a");
        let message = vec![b'm'; 500_000];
        admin.call(&[b"PUBLISH".as_slice(), b"a", &message]);
        while client.read().is_ok() {}
        until_subscribed(&mut admin, "a", 0);
    });
}

#[test]
fn above_the_soft_limit_for_too_long_is_too_much() {
    let limits = [("client-output-buffer-limit", "pubsub 0 100kb 1")];
    with_each_number_of_shards(&limits, |server| {
        let mut admin = server.client();
        let client = subscriber(server, 2, "SUBSCRIBE a");
        let message = vec![b'm'; 100_000];
        for _ in 0..200 {
            admin.call(&[b"PUBLISH".as_slice(), b"a", &message]);
        }
        // Without another message; redis-server only looks when there is one.
        eventually("the subscriber is closed", WAIT_LIMIT, || {
            admin.words("PUBLISH a m").integer() == 0
        });
        drop(client);
    });
}

#[test]
fn an_idle_subscriber_stays() {
    with_each_number_of_shards(&[("timeout", "1")], |server| {
        let mut waiting = subscriber(server, 2, "SUBSCRIBE a");
        let mut idle = server.client();
        assert_eq!(idle.words("PING").text(), "PONG");
        // It connected later, and is closed for being idle.
        assert!(idle.is_closed());
        let mut admin = server.client();
        assert_eq!(admin.words("PUBLISH a m").integer(), 1);
        assert_eq!(next(&mut waiting), "message a m");
    });
}

#[test]
fn subscriptions_count_as_memory_of_their_client() {
    with_each_number_of_shards(&[("maxmemory-clients", "5mb")], |server| {
        let mut admin = server.client();
        let mut greedy = server.client();
        let name = "n".repeat(1000);
        let mut number = 0;
        eventually("the client with too much is closed", WAIT_LIMIT, || {
            let names: Vec<String> = (0..100).map(|at| format!("{name}{number}:{at}")).collect();
            let mut words = vec!["SUBSCRIBE"];
            words.extend(names.iter().map(String::as_str));
            number += 1;
            greedy.send(&request(&words)).is_err() || (0..100).any(|_| greedy.read().is_err())
        });
        eventually("its subscriptions are gone", WAIT_LIMIT, || {
            flat(&admin.words("PUBSUB CHANNELS")).is_empty()
        });
    });
}

#[test]
fn a_client_with_thousands_of_subscriptions_leaves_them_all() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        let mut client = server.client();
        for (word, count) in [
            ("SUBSCRIBE", 5000),
            ("PSUBSCRIBE", 3000),
            ("SSUBSCRIBE", 100),
        ] {
            let names: Vec<String> = (0..count).map(|at| format!("name:{at}")).collect();
            let mut words = vec![word];
            words.extend(names.iter().map(String::as_str));
            client.send(&request(&words)).expect("received");
            for _ in 0..count {
                next(&mut client);
            }
        }
        assert_eq!(admin.words("PUBLISH name:4 m").integer(), 2);
        drop(client);
        eventually("nobody receives", WAIT_LIMIT, || {
            admin.words("PUBLISH name:4 m").integer() == 0
        });
        eventually("nothing is left", WAIT_LIMIT, || {
            let info = admin.words("INFO stats").text();
            [
                "pubsub_channels:0",
                "pubsub_patterns:0",
                "pubsubshard_channels:0",
            ]
            .iter()
            .all(|line| info.lines().any(|other| other.trim() == *line))
        });
        // The next one to have its place begins with nothing.
        let mut other = server.client();
        assert_eq!(
            ask(&mut other, "SUBSCRIBE name:4", 1),
            ["subscribe name:4 1"]
        );
        send(&mut admin, "PUBLISH name:4 m");
        assert_eq!(next(&mut other), "message name:4 m");
    });
}

#[test]
fn names_have_a_greatest_length() {
    if skip_unless_torc("redis-server takes names of any length") {
        return;
    }
    with_each_number_of_shards(&[], |server| {
        let mut client = server.client();
        let (pattern, channel) = ("p".repeat(4097), "c".repeat(65_536));
        let error = client.call(&["PSUBSCRIBE", "a", &pattern]).text();
        assert_eq!(error, "ERR pattern is longer than 4096 bytes");
        for command in ["SUBSCRIBE", "SSUBSCRIBE"] {
            let error = client.call(&[command, &channel]).text();
            assert_eq!(error, "ERR channel is longer than 65535 bytes");
        }
        let error = client.call(&["PUBLISH", &channel, "m"]).text();
        assert_eq!(error, "ERR channel is longer than 65535 bytes");
        assert_eq!(client.words("PUBSUB NUMPAT").integer(), 0, "all or nothing");
        let refused = client.call(&["SUBSCRIBE", &channel[1..]]);
        assert_eq!(refused.elements()[2].integer(), 1);
    });
}
