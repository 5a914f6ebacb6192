//! MONITOR: who is shown what, in which form.

use crate::support::client::Client;
use crate::support::server::{Server, skip_unless_torc};
use crate::support::{WAIT_LIMIT, eventually, with_each_number_of_shards};
use crate::talk::{flat, next, raw, send, silent};

/// A client that is shown what all do.
fn monitor(server: &Server) -> Client {
    let mut client = server.client();
    assert_eq!(flat(&client.words("MONITOR")), "OK");
    client
}

/// The next line without its time, which is a time.
fn line(client: &mut Client) -> String {
    let line = next(client);
    let (time, rest) = line.split_once(' ').expect("a time and more");
    let (seconds, fraction) = time.split_once('.').expect("seconds and their fraction");
    assert!(seconds.parse::<u64>().expect("seconds") > 1_000_000_000);
    assert_eq!(fraction.len(), 6);
    assert!(fraction.parse::<u32>().is_ok());
    rest.to_string()
}

/// Database, address and words of the next line.
fn parts(client: &mut Client) -> (String, String, String) {
    let line = line(client);
    let line = line.strip_prefix('[').expect("a database");
    let (place, words) = line.split_once("] ").expect("words");
    let (db, address) = place.split_once(' ').expect("an address");
    (db.into(), address.into(), words.into())
}

fn words(client: &mut Client) -> String {
    parts(client).2
}

#[test]
fn every_monitor_is_shown_every_command_of_every_client() {
    with_each_number_of_shards(&[], |server| {
        let mut monitors: Vec<Client> = (0..5).map(|_| monitor(server)).collect();
        for number in 0..10 {
            let mut client = server.client();
            let info = flat(&client.words("CLIENT INFO"));
            let address = info
                .split(' ')
                .find_map(|field| field.strip_prefix("addr="));
            let address = address.expect("an address").to_string();
            client.words(&format!("SET key:{number} 1"));
            client.words("SELECT 3");
            client.words(&format!("MGET a b key:{number}"));
            for monitor in &mut monitors {
                let shown = |words: &str, db: &str| (db.into(), address.clone(), words.into());
                assert_eq!(parts(monitor), shown("\"CLIENT\" \"INFO\"", "0"));
                let set = format!("\"SET\" \"key:{number}\" \"1\"");
                assert_eq!(parts(monitor), shown(&set, "0"));
                assert_eq!(parts(monitor), shown("\"SELECT\" \"3\"", "3"));
                let get = format!("\"MGET\" \"a\" \"b\" \"key:{number}\"");
                assert_eq!(parts(monitor), shown(&get, "3"));
            }
        }
        monitors.iter_mut().for_each(silent);
    });
}

#[test]
fn bytes_are_escaped_and_secrets_hidden() {
    with_each_number_of_shards(&[], |server| {
        let mut monitor = monitor(server);
        let mut client = server.client();
        client.call(&[&b"SET"[..], b"a b", b"\"\\\n\r\t\x07\x08\x00\xff~"]);
        let escaped = r#""SET" "a b" "\"\\\n\r\t\a\b\x00\xff~""#;
        assert_eq!(words(&mut monitor), escaped);
        client.words("AUTH secret");
        assert_eq!(words(&mut monitor), "\"AUTH\" \"(redacted)\"");
        client.words("AUTH user secret");
        assert_eq!(
            words(&mut monitor),
            "\"AUTH\" \"(redacted)\" \"(redacted)\""
        );
        client.words("hello 3 auth default secret");
        let hidden = "\"hello\" \"3\" \"auth\" \"(redacted)\" \"(redacted)\"";
        assert_eq!(words(&mut monitor), hidden);
    });
}

#[test]
fn what_administrators_do_and_what_is_refused_is_not_shown() {
    with_each_number_of_shards(&[], |server| {
        let mut monitor = monitor(server);
        let mut client = server.client();
        for line in [
            "CONFIG GET maxmemory",
            "CLIENT LIST",
            "NOSUCH a",
            "GET",
            "MONITOR",
        ] {
            client.words(line);
        }
        assert_eq!(flat(&client.words("PING")), "PONG");
        assert_eq!(words(&mut monitor), "\"PING\"");
        // It is a monitor too: the line comes behind its own reply.
        assert_eq!(words(&mut client), "\"PING\"");
    });
}

#[test]
fn transactions_and_scripts_are_shown_in_the_order_of_what_happens() {
    with_each_number_of_shards(&[], |server| {
        let mut monitor = monitor(server);
        let mut client = server.client();
        for line in ["MULTI", "SET {a}1 1", "GET {a}2", "EXEC"] {
            client.words(line);
        }
        let expected = [
            "\"MULTI\"",
            "\"SET\" \"{a}1\" \"1\"",
            "\"GET\" \"{a}2\"",
            "\"EXEC\"",
        ];
        for line in expected {
            assert_eq!(words(&mut monitor), line);
        }
        client.call(&[
            "EVAL",
            "redis.call('set', KEYS[1], 2) return redis.call('get', KEYS[1])",
            "1",
            "k",
        ]);
        assert!(words(&mut monitor).starts_with("\"EVAL\" \"redis.call('set'"));
        let lua = |words: &str| ("0".to_string(), "lua".to_string(), words.to_string());
        assert_eq!(parts(&mut monitor), lua("\"set\" \"k\" \"2\""));
        assert_eq!(parts(&mut monitor), lua("\"get\" \"k\""));
        silent(&mut monitor);
    });
}

#[test]
fn a_transaction_over_several_shards_is_shown_before_its_end() {
    with_each_number_of_shards(&[], |server| {
        let mut monitor = monitor(server);
        let mut client = server.client();
        client.words("MULTI");
        for number in 0..6 {
            client.words(&format!("SET key:{number} 1"));
        }
        client.words("EXEC");
        assert_eq!(words(&mut monitor), "\"MULTI\"");
        for number in 0..6 {
            let set = format!("\"SET\" \"key:{number}\" \"1\"");
            assert_eq!(words(&mut monitor), set);
        }
        assert_eq!(words(&mut monitor), "\"EXEC\"");
    });
}

#[test]
fn a_monitor_may_not_touch_keys_and_ends_with_reset_or_quit() {
    with_each_number_of_shards(&[], |server| {
        let mut client = monitor(server);
        let refusal = "-ERR Replica can't interact with the keyspace\\r\\n";
        for line in ["GET a", "SET a 1", "PUBLISH a b", "MGET a b c"] {
            send(&mut client, line);
            assert_eq!(raw(&mut client), refusal, "{line}");
        }
        assert_eq!(flat(&client.words("PING")), "PONG");
        assert_eq!(words(&mut client), "\"PING\"");
        let info = flat(&client.words("CLIENT INFO"));
        assert!(info.contains(" flags=O "), "{info}");
        words(&mut client);
        assert_eq!(flat(&client.words("RESET")), "RESET");
        server.client().words("PING");
        silent(&mut client);
        send(&mut client, "GET a");
        assert_eq!(raw(&mut client), "$-1\\r\\n");
        for line in ["MULTI", "MONITOR"] {
            client.words(line);
        }
        send(&mut client, "EXEC");
        let refused = "*1\\r\\n-ERR MONITOR isn't allowed for DENY BLOCKING client\\r\\n";
        assert_eq!(raw(&mut client), refused);
        let mut quitter = monitor(server);
        assert_eq!(flat(&quitter.words("QUIT")), "OK");
        drop(quitter);
        assert_eq!(flat(&server.client().words("PING")), "PONG");
    });
}

#[test]
fn a_monitor_that_does_not_read_is_closed() {
    if skip_unless_torc("redis-server bounds monitors as it does clients that ask") {
        return;
    }
    with_each_number_of_shards(
        &[("client-output-buffer-limit", "pubsub 1mb 0 0")],
        |server| {
            let mut admin = server.client();
            let _lazy = monitor(server);
            let value = "x".repeat(100_000);
            let clients = |admin: &mut Client| {
                let text = flat(&admin.words("INFO clients"));
                text.contains("connected_clients:1\r")
            };
            eventually("it is closed", WAIT_LIMIT, || {
                admin.call(&["SET", "a", &value]);
                clients(&mut admin)
            });
        },
    );
}
