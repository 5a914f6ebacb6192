//! The keyspace as a whole: SCAN's promise while keys come and go, keys spread over shards, sixteen databases, huge values.

use crate::support::process::resident_bytes;
use crate::support::random::{Random, seed};
use crate::support::reply::Reply;
use crate::support::server::Server;
use crate::support::with_each_number_of_shards;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[test]
fn scan_finds_every_key_that_stays_while_others_come_and_go() {
    let seed = seed("scan");
    with_each_number_of_shards(&[], |server| {
        let mut client = server.client();
        for key in 0..2000 {
            client.call(&["SET", &format!("staying:{key}"), "value"]);
        }
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut random = Random::new(seed);
                let mut churn = server.client();
                while !done.load(Ordering::Relaxed) {
                    // Waves, so that tables grow and shrink.
                    for command in ["SET", "DEL"] {
                        let batch: Vec<u8> = (0..500)
                            .flat_map(|_| {
                                let key = random.below(20_000);
                                let value = if command == "SET" { " value" } else { "" };
                                format!("{command} passing:{key}{value}\r\n").into_bytes()
                            })
                            .collect();
                        churn.send(&batch).expect("received");
                        for _ in 0..500 {
                            churn.read().expect("answered");
                        }
                    }
                }
            });
            for count in ["1", "10", "1000"] {
                let mut found = BTreeSet::new();
                let mut cursor = "0".to_string();
                loop {
                    let reply =
                        client.call(&["SCAN", &cursor, "COUNT", count, "MATCH", "staying:*"]);
                    let parts = reply.elements();
                    cursor = parts[0].text();
                    found.extend(parts[1].elements().iter().map(Reply::text));
                    if cursor == "0" {
                        break;
                    }
                }
                done.store(count == "1000", Ordering::Relaxed);
                assert_eq!(found.len(), 2000, "COUNT {count}");
            }
        });
    });
}

#[test]
fn scan_filters_by_pattern_and_type() {
    with_each_number_of_shards(&[], |server| {
        let mut client = server.client();
        let mut scan = |filter: &[&str]| {
            let mut found = Vec::new();
            let mut cursor = "0".to_string();
            loop {
                let words = [&["SCAN", &cursor, "COUNT", "1000"], filter].concat();
                let reply = client.call(&words);
                let parts = reply.elements();
                cursor = parts[0].text();
                found.extend(parts[1].elements().iter().map(Reply::text));
                if cursor == "0" {
                    return found;
                }
            }
        };
        assert!(scan(&[]).is_empty());
        assert_eq!(server.client().call(&["SET", "only", "one"]).text(), "OK");
        assert_eq!(scan(&[]), ["only"]);
        assert_eq!(scan(&["MATCH", "o*y"]), ["only"]);
        assert_eq!(scan(&["TYPE", "string"]), ["only"]);
        assert!(scan(&["MATCH", "x*"]).is_empty());
        assert!(scan(&["TYPE", "hash"]).is_empty());
    });
}

#[test]
fn commands_over_many_keys_reach_every_shard() {
    with_each_number_of_shards(&[], |server| {
        let mut client = server.client();
        let keys: Vec<String> = (0..1000).map(|number| format!("spread:{number}")).collect();
        let with = |command: &str| -> Vec<String> {
            std::iter::once(command.to_string())
                .chain(keys.iter().cloned())
                .collect()
        };
        let pairs: Vec<String> = std::iter::once("MSET".to_string())
            .chain(
                keys.iter()
                    .flat_map(|key| [key.clone(), format!("value of {key}")]),
            )
            .collect();
        assert_eq!(client.call(&pairs).text(), "OK");
        assert_eq!(client.call(&["DBSIZE"]), Reply::Integer(1000));
        let values: Vec<Reply> = keys
            .iter()
            .map(|key| Reply::Bulk(format!("value of {key}").into_bytes()))
            .collect();
        assert_eq!(client.call(&with("MGET")), Reply::Array(values));
        assert_eq!(client.call(&with("EXISTS")), Reply::Integer(1000));
        assert_eq!(client.call(&with("TOUCH")), Reply::Integer(1000));
        let all = client.call(&["KEYS", "spread:*"]);
        assert_eq!(all.elements().len(), 1000);
        // One that exists is enough to stop all of them.
        let refused: Vec<&str> = vec![
            "MSETNX", "new:1", "1", "new:2", "2", "spread:7", "3", "new:3", "4",
        ];
        assert_eq!(client.call(&refused), Reply::Integer(0));
        assert_eq!(
            client.call(&["EXISTS", "new:1", "new:2", "new:3"]),
            Reply::Integer(0)
        );
        for number in 0..100 {
            let (from, to) = (format!("spread:{number}"), format!("renamed:{number}"));
            assert_eq!(client.call(&["RENAME", &from, &to]).text(), "OK");
            assert_eq!(
                client.call(&["GET", &to]).text(),
                format!("value of {from}")
            );
            assert_eq!(client.call(&["COPY", &to, &from]), Reply::Integer(1));
        }
        assert_eq!(
            client
                .call(&["BITOP", "OR", "dest", "spread:1", "spread:2", "spread:3"])
                .integer(),
            17
        );
        assert_eq!(client.call(&with("UNLINK")), Reply::Integer(1000));
        assert_eq!(client.call(&["DBSIZE"]), Reply::Integer(101));
    });
}

#[test]
fn sixteen_databases_are_apart() {
    with_each_number_of_shards(&[], |server| {
        let mut client = server.client();
        for database in 0..16 {
            client.words(&format!("SELECT {database}"));
            for key in 0..=database {
                client.words(&format!("SET key:{key} {database}"));
            }
        }
        for database in 0..16 {
            client.words(&format!("SELECT {database}"));
            assert_eq!(client.words("DBSIZE").integer(), database + 1);
            assert_eq!(client.words("GET key:0").text(), database.to_string());
        }
        // Connections that selected a database see the other one's keys after the exchange.
        client.words("SWAPDB 15 3");
        assert_eq!(client.words("DBSIZE").integer(), 4);
        client.words("FLUSHDB");
        assert_eq!(client.words("DBSIZE").integer(), 0);
        client.words("SELECT 3");
        assert_eq!(client.words("DBSIZE").integer(), 16);
        client.words("FLUSHALL");
        for database in 0..16 {
            client.words(&format!("SELECT {database}"));
            assert_eq!(client.words("DBSIZE").integer(), 0);
        }
    });
}

/// Half a gigabyte takes a debug build and a small machine seconds, so a tenth unless `TORC_TEST_LARGE=1`.
#[test]
fn a_huge_value_is_set_read_and_freed() {
    let length = if std::env::var("TORC_TEST_LARGE").as_deref() == Ok("1") {
        512 * 1024 * 1024
    } else {
        48 * 1024 * 1024
    };
    let server = Server::start(&[]);
    let before = resident_bytes(server.pid());
    let mut client = server.client();
    client.set_limit(Duration::from_secs(120));
    client
        .send(format!("*3\r\n$3\r\nSET\r\n$4\r\nhuge\r\n${length}\r\n").as_bytes())
        .expect("received");
    let piece: Vec<u8> = (0..1024 * 1024).map(|at| (at % 251) as u8).collect();
    for _ in 0..length / piece.len() {
        client.send(&piece).expect("received");
    }
    client.send(b"\r\n").expect("received");
    assert_eq!(client.read().expect("answered").text(), "OK");
    assert_eq!(client.words("STRLEN huge").integer(), length as i64);
    let last = client.words(&format!("GETRANGE huge {} -1", length - 1000));
    assert_eq!(last.bytes(), &piece[piece.len() - 1000..]);
    let middle = client.words(&format!(
        "GETRANGE huge {} {}",
        piece.len() - 10,
        piece.len() + 9
    ));
    assert_eq!(
        middle.bytes(),
        [&piece[piece.len() - 10..], &piece[..10]].concat()
    );
    let held = resident_bytes(server.pid());
    assert!(held > before + length as u64 / 2, "{before} {held}");
    assert_eq!(client.words("DEL huge").integer(), 1);
    crate::support::eventually("the memory is given back", Duration::from_secs(30), || {
        resident_bytes(server.pid()) < before + length as u64 / 2
    });
    server.stop();
}
