//! WATCH: a transaction fails exactly when a key that its client watches has changed.

use super::{names, pipeline, transaction};
use crate::support::reply::Reply;
use crate::support::{WAIT_LIMIT, eventually, with_each_number_of_shards};

#[test]
fn many_clients_count_without_losing_any() {
    with_each_number_of_shards(&[], |server| {
        let keys = names(3);
        const CLIENTS: usize = 5;
        const COUNTS: i64 = 40;
        std::thread::scope(|scope| {
            for number in 0..CLIENTS {
                let keys = &keys;
                scope.spawn(move || {
                    let mut client = server.client();
                    let key = &keys[number % keys.len()];
                    let mut done = 0;
                    while done < COUNTS {
                        client.words(&format!("WATCH {key} total"));
                        let read = |reply: Reply| match reply {
                            Reply::Null => 0,
                            number => number.text().parse().expect("a number"),
                        };
                        let own: i64 = read(client.words(&format!("GET {key}")));
                        let total: i64 = read(client.words("GET total"));
                        let commands = [
                            format!("SET {key} {}", own + 1),
                            format!("SET total {}", total + 1),
                        ];
                        let reply = transaction(&mut client, &commands);
                        done += i64::from(reply != Reply::Null);
                    }
                });
            }
        });
        let mut client = server.client();
        let total = client.words("GET total").text();
        assert_eq!(total, (CLIENTS as i64 * COUNTS).to_string());
        let sum: i64 = keys
            .iter()
            .map(|key| client.words(&format!("GET {key}")).text().parse::<i64>())
            .map(|count| count.expect("a number"))
            .sum();
        assert_eq!(sum, CLIENTS as i64 * COUNTS);
    });
}

#[test]
fn a_key_that_expires_has_changed() {
    with_each_number_of_shards(&[], |server| {
        let mut client = server.client();
        let mut other = server.client();
        for key in names(4) {
            client.words(&format!("SET {key} 1 PX 300"));
            client.words(&format!("WATCH {key}"));
            eventually("the key expires", WAIT_LIMIT, || {
                other.words(&format!("EXISTS {key}")).integer() == 0
            });
            assert_eq!(transaction(&mut client, &["PING".into()]), Reply::Null);
            // It has gone before anybody watches it.
            client.words(&format!("WATCH {key}"));
            let reply = transaction(&mut client, &["PING".into()]);
            assert_eq!(reply.elements().len(), 1);
        }
    });
}

#[test]
fn a_thousand_clients_watch_one_key() {
    with_each_number_of_shards(&[], |server| {
        let mut clients: Vec<_> = (0..1000).map(|_| server.client()).collect();
        for client in &mut clients {
            pipeline(
                client,
                &[
                    "WATCH key:1 key:2".into(),
                    "MULTI".into(),
                    "GET key:1".into(),
                ],
            );
        }
        let mut writer = server.client();
        writer.words("SET key:1 x");
        let mut others = clients.split_off(500);
        clients.clear();
        for client in &mut others {
            assert_eq!(client.words("EXEC"), Reply::Null);
            let reply = transaction(client, &["GET key:1".into()]);
            assert_eq!(reply.elements()[0].text(), "x");
        }
    });
}

#[test]
fn what_changes_nothing_fails_nobody() {
    with_each_number_of_shards(&[], |server| {
        let mut client = server.client();
        let mut other = server.client();
        for (first, then, is_changed) in [
            ("SET k abc", "BITFIELD k SET u8 0 97", false),
            ("SET k abc", "BITFIELD k SET u8 0 98", true),
            ("SET k abc", "BITFIELD k SET u8 0 98 SET u8 0 97", true),
            ("SET k abc", "BITFIELD k INCRBY u8 8 0 GET u8 0", false),
            (
                "SET k abc",
                "BITFIELD k OVERFLOW FAIL INCRBY u8 0 250",
                false,
            ),
            ("SET k abc", "BITFIELD k SET u8 100 0", true),
            ("SET k 123", "BITFIELD k SET u8 0 49", false),
            ("SET k abc", "SETBIT k 1 1", false),
            ("SET k abc", "SETBIT k 0 1", true),
            ("SET k abc", "SETBIT k 100 0", true),
            ("SET k abc", "PEXPIREAT k 1000 XX", false),
            ("SET k abc", "PEXPIREAT k 1000 GT", false),
            ("SET k abc EX 1000", "PEXPIREAT k 9999999999999 LT", false),
            ("SET k abc EX 1000", "PEXPIREAT k 1000 NX", false),
            ("SET k abc EX 1000", "PEXPIREAT k 1000 LT", true),
            ("DEL k", "PEXPIREAT k 1000 XX", false),
        ] {
            client.words(first);
            client.words("WATCH k");
            let reply = other.words(then);
            assert!(!matches!(reply, Reply::Error(_)), "{then}: {reply:?}");
            let reply = transaction(&mut client, &["PING".into()]);
            assert_eq!(
                reply == Reply::Null,
                is_changed,
                "{first}, {then}: {reply:?}"
            );
        }
        assert_eq!(other.words("BITFIELD n SET u8 0 0").elements().len(), 1);
        assert_eq!(other.words("STRLEN n").integer(), 1);
    });
}
