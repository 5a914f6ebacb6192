//! Every way in which an awaited key may come to have something.

use super::{NAMES, answer, flat, silent, until_blocked, waiting};
use crate::support::client::request;
use crate::support::with_each_number_of_shards;

#[test]
fn whatever_puts_a_list_there_wakes() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        for name in NAMES {
            let [key, other] = ["key", "other"].map(name);
            for line in [
                format!("LPUSH {key} x"),
                format!("RENAME {other} {key}"),
                format!("RENAMENX {other} {key}"),
                format!("COPY {other} {key}"),
                format!("LMOVE {other} {key} LEFT LEFT"),
                format!("RPOPLPUSH {other} {key}"),
                format!("SORT {other} ALPHA STORE {key}"),
            ] {
                admin.words("FLUSHALL");
                admin.words(&format!("RPUSH {other} x"));
                let mut client = waiting(server, &mut admin, &format!("BLPOP none {key} 0"));
                admin.words(&line);
                assert_eq!(answer(&mut client), format!("{key} x"), "{line}");
                until_blocked(&mut admin, 0);
                assert_eq!(admin.words(&format!("EXISTS {key}")).integer(), 0, "{line}");
            }
            let dump = {
                admin.words("FLUSHALL");
                admin.words(&format!("RPUSH {other} x"));
                admin.words(&format!("DUMP {other}")).bytes().to_vec()
            };
            let mut client = waiting(server, &mut admin, &format!("BLPOP none {key} 0"));
            let restore = [b"RESTORE".as_slice(), key.as_bytes(), b"0", &dump];
            admin.send(&request(&restore)).expect("received");
            assert_eq!(answer(&mut admin), "OK");
            assert_eq!(answer(&mut client), format!("{key} x"));
            until_blocked(&mut admin, 0);
        }
    });
}

#[test]
fn whatever_puts_a_sorted_set_there_wakes() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        for name in NAMES {
            let [key, other, empty] = ["key", "other", "empty"].map(name);
            for line in [
                format!("ZADD {key} 1 x"),
                format!("ZINCRBY {key} 1 x"),
                format!("RENAME {other} {key}"),
                format!("COPY {other} {key}"),
                format!("ZUNIONSTORE {key} 2 {other} {empty}"),
                format!("ZINTERSTORE {key} 2 {other} {other}"),
                format!("ZDIFFSTORE {key} 2 {other} {empty}"),
                format!("ZRANGESTORE {key} {other} 0 -1"),
            ] {
                admin.words("FLUSHALL");
                admin.words(&format!("ZADD {other} 1 x"));
                let mut client = waiting(server, &mut admin, &format!("BZPOPMAX none {key} 0"));
                admin.words(&line);
                assert!(
                    answer(&mut client).starts_with(&format!("{key} x ")),
                    "{line}"
                );
                until_blocked(&mut admin, 0);
                assert_eq!(admin.words(&format!("EXISTS {key}")).integer(), 0, "{line}");
            }
        }
    });
}

#[test]
fn values_of_other_types_wake_nobody() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        for name in NAMES {
            let [a, b] = ["a", "b"].map(name);
            let mut list = waiting(server, &mut admin, &format!("BLPOP {a} {b} 0"));
            let mut scores = waiting(server, &mut admin, &format!("BZPOPMIN {b} {a} 0"));
            for line in ["SET", "SADD", "APPEND"] {
                admin.words(&format!("{line} {a} x"));
                silent(&mut list);
                admin.words(&format!("DEL {a}"));
            }
            // A key of another type before the one that has something is passed over.
            admin.words(&format!("SET {a} text"));
            admin.words(&format!("RPUSH {b} x"));
            assert_eq!(answer(&mut list), format!("{b} x"));
            silent(&mut scores);
            admin.words(&format!("DEL {a}"));
            admin.words(&format!("ZADD {a} 1 x"));
            assert!(answer(&mut scores).starts_with(&format!("{a} x ")));
            // At the beginning it is an error instead, unless a key before it has something.
            admin.words(&format!("SET {a} text"));
            admin.words(&format!("RPUSH {b} x"));
            assert!(
                admin
                    .words(&format!("BLPOP {a} {b} 0"))
                    .text()
                    .starts_with("WRONGTYPE ")
            );
            assert_eq!(
                flat(&admin.words(&format!("BLPOP {b} {a} 0"))),
                format!("{b} x")
            );
            admin.words("FLUSHALL");
        }
    });
}
