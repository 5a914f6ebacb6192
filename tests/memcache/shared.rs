//! One keyspace, two protocols: what is written over RESP is read over memcached's protocols, and the other way round.

use crate::support::client::Client;
use crate::support::memcache::{
    Connection, Subject, numbers_of_shards, skip_unless_subject_is_torc,
};
use crate::support::reply::Reply;
use crate::support::{WAIT_LIMIT, eventually};

/// Runs a test with a connection of each kind to servers with one, two and five shards.
fn with_both(test: impl Fn(&mut Client, &mut Connection)) {
    if skip_unless_subject_is_torc("memcached does not speak RESP") {
        return;
    }
    for &shards in numbers_of_shards() {
        let Some(subject) = Subject::start(shards) else {
            return;
        };
        let Subject::Torc { server, .. } = &subject else {
            panic!("the subject is torc");
        };
        test(&mut server.client(), &mut subject.connect());
        subject.stop();
    }
}

/// The token that `gets` shows of a key.
fn token(connection: &mut Connection, key: &str) -> String {
    let reply = connection.lines_until(&format!("gets {key}"), "END");
    let line = reply.lines().next().expect("a line");
    line.split(' ')
        .nth(4)
        .unwrap_or_else(|| panic!("no token: {reply}"))
        .to_string()
}

#[test]
fn values_flags_and_times() {
    with_both(|resp, memcache| {
        assert_eq!(resp.words("SET a value").text(), "OK");
        assert_eq!(
            memcache.lines_until("get a", "END"),
            "VALUE a 0 5\r\nvalue\r\nEND\r\n"
        );
        assert_eq!(memcache.line("set b 5 100 5\r\nhello"), "STORED");
        assert_eq!(resp.words("GET b").text(), "hello");
        let seconds = resp.words("TTL b").integer();
        assert!((98..=100).contains(&seconds), "{seconds}");
        assert_eq!(
            memcache.lines_until("get b", "END"),
            "VALUE b 5 5\r\nhello\r\nEND\r\n"
        );
        assert_eq!(memcache.line("touch b 0"), "TOUCHED");
        assert_eq!(resp.words("TTL b").integer(), -1);
        assert_eq!(resp.words("SET c value PX 100000").text(), "OK");
        let reply = memcache.line("mg c t");
        assert!(
            ["HD t98", "HD t99", "HD t100"].contains(&reply.as_str()),
            "{reply}"
        );
        assert_eq!(resp.words("SET brief value PX 50").text(), "OK");
        eventually("a time in milliseconds passes", WAIT_LIMIT, || {
            memcache.line("mg brief") == "EN"
        });
        // Several shards' keys at once, over either protocol.
        for number in 0..20 {
            assert_eq!(
                resp.words(&format!("SET many:{number} {number}")).text(),
                "OK"
            );
        }
        let keys: Vec<String> = (0..20).map(|number| format!("many:{number}")).collect();
        let reply = memcache.lines_until(&format!("get {}", keys.join(" ")), "END");
        let expected: String = keys
            .iter()
            .map(|key| format!("VALUE {key} 0 {}\r\n{}\r\n", key.len() - 5, &key[5..]))
            .collect();
        assert_eq!(reply, expected + "END\r\n");
    });
}

#[test]
fn numbers() {
    with_both(|resp, memcache| {
        assert_eq!(memcache.line("set n 7 0 2\r\n10"), "STORED");
        assert_eq!(resp.words("INCR n").integer(), 11);
        assert_eq!(memcache.line("incr n 5"), "16");
        assert_eq!(resp.words("INCRBY n 100").integer(), 116);
        // The flags by which memcached's clients read a value stay when RESP changes it in place, and go when it stores another.
        assert_eq!(resp.words("INCRBYFLOAT n 0").text(), "116");
        assert_eq!(memcache.line("mg n f s"), "HD f7 s3");
        assert_eq!(resp.words("APPEND n 0").integer(), 4);
        assert_eq!(memcache.line("mg n f s"), "HD f7 s4");
        assert_eq!(resp.words("SET n 116").text(), "OK");
        assert_eq!(memcache.line("mg n f s"), "HD f0 s3");
        assert_eq!(memcache.line("decr n 200"), "0");
        assert_eq!(resp.words("SET n 9223372036854775807").text(), "OK");
        assert_eq!(memcache.line("incr n 1"), "9223372036854775808");
        assert_eq!(resp.words("GET n").text(), "9223372036854775808");
        let refused = resp.words("INCR n").text();
        assert_eq!(refused, "ERR value is not an integer or out of range");
        assert_eq!(
            memcache.line("incr n 9223372036854775807"),
            "18446744073709551615"
        );
        assert_eq!(memcache.line("incr n 1"), "0");
        assert_eq!(resp.words("SET n -5").text(), "OK");
        assert_eq!(
            memcache.line("incr n 1"),
            "CLIENT_ERROR cannot increment or decrement non-numeric value"
        );
    });
}

#[test]
fn tokens_change_with_every_write_of_either_side() {
    with_both(|resp, memcache| {
        assert_eq!(memcache.line("set a 0 0 1\r\nx"), "STORED");
        let mut seen = vec![token(memcache, "a")];
        assert_eq!(token(memcache, "a"), seen[0], "reading changes nothing");
        for line in [
            "APPEND a y",
            "SET a 5",
            "INCR a",
            "SETRANGE a 0 z",
            "GETSET a w",
        ] {
            resp.words(line);
            let token = token(memcache, "a");
            assert!(!seen.contains(&token), "{line} leaves token {token}");
            seen.push(token);
        }
        assert_eq!(memcache.line("append a 0 0 1\r\nv"), "STORED");
        let last = token(memcache, "a");
        assert!(!seen.contains(&last));
        for old in &seen {
            assert_eq!(memcache.line(&format!("cas a 0 0 1 {old}\r\nq")), "EXISTS");
        }
        assert_eq!(resp.words("GET a").text(), "wv");
        assert_eq!(memcache.line(&format!("cas a 0 0 1 {last}\r\nq")), "STORED");
        assert_eq!(resp.words("GET a").text(), "q");
        let last = token(memcache, "a");
        assert_eq!(resp.words("DEL a").integer(), 1);
        assert_eq!(memcache.line("get a"), "END");
        assert_eq!(
            memcache.line(&format!("cas a 0 0 1 {last}\r\nq")),
            "NOT_FOUND"
        );
        // The key that comes anew is another one.
        assert_eq!(resp.words("SET a again").text(), "OK");
        assert_eq!(memcache.line(&format!("cas a 0 0 1 {last}\r\nq")), "EXISTS");
    });
}

#[test]
fn who_tracks_keys_is_told_of_what_memcached_clients_write() {
    with_both(|resp, memcache| {
        resp.words("HELLO 3");
        resp.words("CLIENT TRACKING ON");
        let writes = [
            "set a 0 0 1\r\nx",
            "append a 0 0 1\r\ny",
            "ms a 1\r\n1",
            "incr a 1",
            "touch a 1000",
            "delete a",
            "flush_all",
        ];
        for write in writes {
            resp.words("GET a");
            memcache.line(write);
            let told = resp.read().expect("it is told");
            let keys = &told.elements()[1];
            if write == "flush_all" {
                assert_eq!(*keys, Reply::Null);
            } else {
                assert_eq!(keys.elements()[0].text(), "a", "{write}");
            }
        }
        assert_eq!(resp.words("PING").text(), "PONG");
    });
}
