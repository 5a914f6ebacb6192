//! Items of one tag on all shards are dropped as one, and those who watch, wait or listen learn of it.

use super::{names, with_torc};
use crate::support::client::{Client, request};
use crate::support::reply::Reply;
use crate::support::server::Server;
use crate::support::{WAIT_LIMIT, eventually};
use std::sync::atomic::{AtomicBool, Ordering};

const KEYS: usize = 12;

fn tag_all(client: &mut Client, keys: &[String], tag: &str) {
    let mut bytes = request(&["MULTI"]);
    for key in keys {
        bytes.extend(request(&[
            "CACHE.SET",
            key,
            "value",
            "TAGS",
            "2",
            tag,
            "other",
        ]));
    }
    bytes.extend(request(&["EXEC"]));
    client.send(&bytes).expect("the server receives");
    let replies: Vec<Reply> = (0..keys.len() + 2)
        .map(|_| client.read().expect("answered"))
        .collect();
    let stored = replies.last().expect("EXEC's").elements();
    assert!(
        stored.iter().all(|reply| reply.text() == "OK"),
        "{stored:?}"
    );
}

#[test]
fn readers_see_all_items_of_a_tag_or_none() {
    with_torc(|server| {
        let (keys, is_over) = (names(KEYS), AtomicBool::new(false));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let mut client = server.client();
                    let line = format!("MGET {}", keys.join(" "));
                    while !is_over.load(Ordering::Relaxed) {
                        let reply = client.words(&line);
                        let values = reply.elements();
                        assert!(values.iter().all(|value| *value == values[0]), "{values:?}");
                    }
                });
            }
            let mut client = server.client();
            for round in 0..100 {
                tag_all(&mut client, &keys, "tag");
                let line = ["CACHE.DROP tag", "CACHE.DROP other tag"][round % 2];
                assert_eq!(client.words(line).integer(), KEYS as i64);
                assert_eq!(client.words("DBSIZE").integer(), 0);
            }
            is_over.store(true, Ordering::Relaxed);
        });
    });
}

/// Fills the server with items of the tag `many`, and one that has none.
fn fill(server: &Server, client: &mut Client, items: usize) {
    assert_eq!(client.words("SET stays value").text(), "OK");
    let numbers: Vec<usize> = (0..items).collect();
    for part in numbers.chunks(1000) {
        let mut bytes = Vec::new();
        for number in part {
            let key = format!("many:{number}");
            bytes.extend(request(&["CACHE.SET", &key, "value", "TAGS", "1", "many"]));
        }
        client.send(&bytes).expect("the server receives");
        for _ in part {
            assert_eq!(
                client.read().expect("answered").text(),
                "OK",
                "{}",
                server.said()
            );
        }
    }
}

fn figure(client: &mut Client, name: &str) -> i64 {
    let text = client.words("INFO everything").text();
    let mut figures = text
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let figure = figures.next().unwrap_or_else(|| panic!("INFO has {name}"));
    figure.parse().expect("a number")
}

#[test]
fn very_many_items_are_gone_at_once_and_their_memory_later() {
    const ITEMS: usize = 30_000;
    with_torc(|server| {
        let mut client = server.client();
        fill(server, &mut client, ITEMS);
        let full = figure(&mut client, "used_memory_dataset");
        assert_eq!(client.words("CACHE.COUNT many").integer(), ITEMS as i64);
        assert_eq!(client.words("CACHE.DROP many").integer(), ITEMS as i64);
        assert_eq!(client.words("DBSIZE").integer(), 1);
        assert_eq!(client.words("KEYS *").elements().len(), 1);
        // It looks at so many at most.
        let random = client.words("RANDOMKEY");
        assert!(
            random == Reply::Null || random.text() == "stays",
            "{random:?}"
        );
        assert!(client.words("INFO keyspace").text().contains("db0:keys=1,"));
        assert_eq!(
            client.words("EXISTS many:0 many:1 many:2 stays").integer(),
            1
        );
        eventually("the memory comes back", WAIT_LIMIT, || {
            figure(&mut client, "lazyfree_pending_objects") == 0
                && figure(&mut client, "used_memory_dataset") < full / 2
        });
        assert_eq!(client.words("DBSIZE").integer(), 1);
        assert_eq!(
            figure(&mut client, "expired_keys") + figure(&mut client, "evicted_keys"),
            0
        );
    });
}

#[test]
fn a_drop_may_be_part_of_a_transaction_and_of_a_script() {
    with_torc(|server| {
        let keys = names(KEYS);
        let mut client = server.client();
        tag_all(&mut client, &keys, "tag");
        client.words("MULTI");
        client.words("CACHE.DROP tag");
        client.words(&format!("EXISTS {}", keys.join(" ")));
        let reply = client.words("EXEC");
        let expected = [Reply::Integer(KEYS as i64), Reply::Integer(0)];
        assert_eq!(reply.elements(), expected);
        tag_all(&mut client, &keys, "tag");
        let script = "return {redis.call('CACHE.DROP', 'tag'), redis.call('DBSIZE')}";
        assert_eq!(client.call(&["EVAL", script, "0"]).elements(), expected);
        // A transaction whose watched key is dropped does not run.
        tag_all(&mut client, &keys, "tag");
        let mut other = server.client();
        other.words(&format!("WATCH {}", keys[3]));
        client.words("CACHE.DROP tag");
        other.words("MULTI");
        other.words("SET a b");
        assert_eq!(other.words("EXEC"), Reply::Null);
    });
}

#[test]
fn listeners_are_told_of_each_item_once() {
    with_torc(|server| {
        let keys = names(KEYS);
        let (mut client, mut listener) = (server.client(), server.client());
        client.words("CONFIG SET notify-keyspace-events Eg");
        listener.words("SUBSCRIBE __keyevent@0__:del");
        tag_all(&mut client, &keys, "tag");
        client.words("CACHE.DROP tag");
        let mut told: Vec<String> = (0..KEYS)
            .map(|_| listener.read().expect("a message").elements()[2].text())
            .collect();
        told.sort();
        let mut keys = keys;
        keys.sort();
        assert_eq!(told, keys);
        client.words("SET last value");
        client.words("DEL last");
        let message = listener.read().expect("a message");
        assert_eq!(message.elements()[2].text(), "last", "nothing in between");
    });
}
