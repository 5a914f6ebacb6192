//! Snapshots of large values, which go into the file in pieces over many turns, while others write to the same keys.

use super::support::client::Client;
use super::support::process::TemporaryDirectory;
use super::support::server::{Server, skip_unless_torc};
use super::support::{WAIT_LIMIT, eventually};
use super::{assert_same, call, keyspace, text};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Makes a large value of each type under names with this beginning.
fn fill(client: &mut Client, prefix: &str) {
    for from in (0..8000).step_by(2000) {
        let numbers = || from..from + 2000;
        let mut lines: Vec<Vec<String>> = vec![
            vec!["SADD".into(), format!("{prefix}set")],
            vec!["SADD".into(), format!("{prefix}integers")],
            vec!["HSET".into(), format!("{prefix}hash")],
            vec!["ZADD".into(), format!("{prefix}zset")],
            vec!["RPUSH".into(), format!("{prefix}list")],
            vec![
                "XADD".into(),
                format!("{prefix}stream"),
                format!("{}-1", from + 1),
            ],
        ];
        lines[0].extend(numbers().map(|number| format!("member:{number}")));
        lines[1]
            .extend(numbers().map(|number| (number * 7_000_003 - 9_000_000_000_i64).to_string()));
        lines[2].extend(
            numbers()
                .flat_map(|number| [format!("f{number}"), "value".repeat(number as usize % 7)]),
        );
        lines[3].extend(
            numbers().flat_map(|number| [format!("{}.5", number % 100), format!("m{number}")]),
        );
        lines[4].extend(numbers().map(|number| format!("element {number}")));
        lines[5].extend(
            numbers()
                .take(400)
                .flat_map(|number| [format!("f{number}"), number.to_string()]),
        );
        for line in lines {
            let reply = client.call(&line);
            assert!(
                !matches!(reply, super::support::reply::Reply::Error(_)),
                "{reply:?}"
            );
        }
    }
    for group in ["one", "two"] {
        call!(
            client,
            "XGROUP",
            "CREATE",
            format!("{prefix}stream"),
            group,
            "0"
        );
        let stream = format!("{prefix}stream");
        for consumer in ["a", "b"] {
            call!(
                client,
                "XREADGROUP",
                "GROUP",
                group,
                consumer,
                "COUNT",
                "4",
                "STREAMS",
                stream,
                ">"
            );
        }
    }
    call!(
        client,
        "SET",
        format!("{prefix}text"),
        "long text ".repeat(60_000)
    );
}

#[test]
fn large_values_are_saved_while_others_write_to_them() {
    if skip_unless_torc("it is about torc's files") {
        return;
    }
    for shards in [1, 2] {
        let home = TemporaryDirectory::new();
        let torc = Server::start_with_shards(shards, &[("dir", text(home.path()))]);
        let mut client = torc.client();
        fill(&mut client, "still:");
        let expected = keyspace(&mut client);
        call!(client, "SELECT", "0");
        fill(&mut client, "busy:");
        let (stops, written) = (AtomicBool::new(false), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..2 {
                let mut client = torc.client();
                let (stops, written) = (&stops, &written);
                scope.spawn(move || {
                    let mut number = 0_u64;
                    while !stops.load(Ordering::Relaxed) {
                        number += 1;
                        let new = format!("new:{thread}:{number}");
                        assert_eq!(call!(client, "SADD", "busy:set", new).integer(), 1);
                        call!(client, "HSET", "busy:hash", new, "value");
                        call!(client, "ZADD", "busy:zset", number.to_string(), new);
                        call!(client, "RPUSH", "busy:list", new);
                        call!(client, "LPOP", "busy:list");
                        call!(client, "SMOVE", "busy:set", "busy:integers", new);
                        call!(client, "SETRANGE", "busy:text", "100", new);
                        if number.is_multiple_of(50) {
                            call!(client, "FLUSHDB", "SYNC");
                            call!(client, "SELECT", "0");
                        } else if number % 50 == 1 {
                            // The only one that is ever empty.
                            call!(client, "SELECT", "5");
                            call!(client, "SADD", "other", "member");
                            call!(client, "SELECT", "0");
                        } else if number % 50 == 49 {
                            call!(client, "SELECT", "5");
                        }
                        written.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            for _ in 0..3 {
                assert_eq!(call!(client, "BGSAVE").text(), "Background saving started");
                eventually("the snapshot is written", WAIT_LIMIT, || {
                    let info = call!(client, "INFO", "persistence").text();
                    info.contains("rdb_bgsave_in_progress:0")
                });
            }
            stops.store(true, Ordering::Relaxed);
        });
        let info = call!(client, "INFO", "persistence").text();
        assert!(info.contains("rdb_last_bgsave_status:ok"), "{info}");
        assert!(written.load(Ordering::Relaxed) > 0);
        torc.stop();
        let Some(redis) = Server::start_redis(&[("dir", text(home.path()))]) else {
            return;
        };
        let mut client = redis.client();
        let busy = ["set", "hash", "zset", "list", "stream", "text", "integers"];
        for name in busy {
            assert_eq!(
                call!(client, "EXISTS", format!("busy:{name}")).integer(),
                1,
                "{name}"
            );
        }
        for name in busy {
            call!(client, "DEL", format!("busy:{name}"));
        }
        call!(client, "SELECT", "5");
        call!(client, "FLUSHDB");
        call!(client, "SELECT", "0");
        assert_same(&keyspace(&mut client), &expected);
        redis.stop();
    }
}
