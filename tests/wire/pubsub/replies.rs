//! What subscribers and publishers are answered, byte by byte.

use super::{ask, flat, next, raw, send, silent, subscriber, until_subscribed};
use crate::support::client::request;
use crate::support::{eventually, with_each_number_of_shards};
use std::time::Duration;

const ONLY: &str =
    "only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context";

#[test]
fn confirmations_count_channels_with_patterns_and_shard_channels_apart() {
    with_each_number_of_shards(&[], |server| {
        for (version, mark, null) in [(2, '*', "$-1"), (3, '>', "_")] {
            let mut client = server.client();
            if version == 3 {
                client.words("HELLO 3");
            }
            for (line, expected) in [
                (
                    "SUBSCRIBE a b a",
                    &["9 subscribe a 1", "9 subscribe b 2", "9 subscribe a 2"][..],
                ),
                ("PSUBSCRIBE p*", &["10 psubscribe p* 3"]),
                (
                    "SSUBSCRIBE a s",
                    &["10 ssubscribe a 1", "10 ssubscribe s 2"],
                ),
                (
                    "UNSUBSCRIBE a x",
                    &["11 unsubscribe a 2", "11 unsubscribe x 2"],
                ),
                ("UNSUBSCRIBE", &["11 unsubscribe b 1"]),
                ("UNSUBSCRIBE", &["11 unsubscribe - 1"]),
                ("SUNSUBSCRIBE s", &["12 sunsubscribe s 1"]),
                ("SUNSUBSCRIBE", &["12 sunsubscribe a 0"]),
                ("SUNSUBSCRIBE", &["12 sunsubscribe - 0"]),
                ("PUNSUBSCRIBE", &["12 punsubscribe p* 0"]),
                ("PUNSUBSCRIBE", &["12 punsubscribe - 0"]),
                (
                    "PUNSUBSCRIBE q r",
                    &["12 punsubscribe q 0", "12 punsubscribe r 0"],
                ),
            ] {
                send(&mut client, line);
                for parts in expected {
                    let parts: Vec<&str> = parts.split(' ').collect();
                    let name = match parts[2] {
                        "-" => null.to_string(),
                        name => format!("${}\\r\\n{name}", name.len()),
                    };
                    let wanted = format!(
                        "{mark}3\\r\\n${}\\r\\n{}\\r\\n{name}\\r\\n:{}\\r\\n",
                        parts[0], parts[1], parts[3]
                    );
                    assert_eq!(raw(&mut client), wanted, "{line}");
                }
            }
            assert_eq!(
                client.words("GET nothing"),
                crate::support::reply::Reply::Null
            );
        }
    });
}

#[test]
fn messages_have_their_forms() {
    with_each_number_of_shards(&[], |server| {
        let mut publisher = server.client();
        for (version, mark) in [(2, '*'), (3, '>')] {
            let mut client = subscriber(server, version, "SUBSCRIBE chan");
            assert_eq!(publisher.words("PUBLISH chan hello").integer(), 1);
            assert_eq!(
                raw(&mut client),
                format!("{mark}3\\r\\n$7\\r\\nmessage\\r\\n$4\\r\\nchan\\r\\n$5\\r\\nhello\\r\\n")
            );
            ask(&mut client, "PSUBSCRIBE ch?n", 1);
            assert_eq!(
                publisher.words("PUBLISH chan x").integer(),
                2,
                "two messages"
            );
            assert_eq!(next(&mut client), "message chan x");
            assert_eq!(
                raw(&mut client),
                format!(
                    "{mark}4\\r\\n$8\\r\\npmessage\\r\\n$4\\r\\nch?n\\r\\n$4\\r\\nchan\\r\\n$1\\r\\nx\\r\\n"
                )
            );
            ask(&mut client, "SSUBSCRIBE chan", 1);
            assert_eq!(
                publisher.words("SPUBLISH chan y").integer(),
                1,
                "no pattern"
            );
            assert_eq!(
                raw(&mut client),
                format!("{mark}3\\r\\n$8\\r\\nsmessage\\r\\n$4\\r\\nchan\\r\\n$1\\r\\ny\\r\\n")
            );
            // Bytes are bytes, and nothing is published twice.
            let bytes = b"\0\r\n\xff";
            publisher.call(&[b"PUBLISH".as_slice(), b"chan", bytes]);
            for _ in 0..2 {
                let message = client.read().expect("a message");
                assert_eq!(message.elements().last().unwrap().bytes(), bytes);
            }
            assert_eq!(publisher.words("PUBLISH none x").integer(), 0);
            assert_eq!(publisher.words("SPUBLISH none x").integer(), 0);
            silent(&mut client);
            drop(client);
            until_subscribed(&mut publisher, "chan", 0);
        }
    });
}

#[test]
fn a_subscriber_in_resp2_may_send_little_else() {
    with_each_number_of_shards(&[], |server| {
        let mut client = subscriber(server, 2, "SUBSCRIBE a");
        for (line, name) in [
            ("GET k", "get"),
            ("CONFIG GET port", "config|get"),
            ("PUBLISH a b", "publish"),
            ("PUBSUB NUMPAT", "pubsub|numpat"),
            ("HELLO 3", "hello"),
        ] {
            let refused = client.words(line).text();
            assert_eq!(refused, format!("ERR Can't execute '{name}': {ONLY}"));
        }
        let refused = client.words("GET").text();
        assert_eq!(refused, "ERR wrong number of arguments for 'get' command");
        assert!(
            client
                .words("NOSUCH")
                .text()
                .starts_with("ERR unknown command")
        );
        send(&mut client, "PING");
        assert_eq!(raw(&mut client), "*2\\r\\n$4\\r\\npong\\r\\n$0\\r\\n\\r\\n");
        send(&mut client, "PING word");
        assert_eq!(
            raw(&mut client),
            "*2\\r\\n$4\\r\\npong\\r\\n$4\\r\\nword\\r\\n"
        );
        let refused = client.words("PING a b").text();
        assert_eq!(refused, "ERR wrong number of arguments for 'ping' command");
        ask(&mut client, "SSUBSCRIBE s", 1);
        ask(&mut client, "UNSUBSCRIBE", 1);
        assert!(client.words("GET k").text().contains(ONLY), "one is left");
        ask(&mut client, "SUNSUBSCRIBE", 1);
        assert_eq!(client.words("PING").text(), "PONG");
        // In RESP3 everything goes.
        let mut client = subscriber(server, 3, "SUBSCRIBE a");
        assert_eq!(client.words("SET k v").text(), "OK");
        assert_eq!(client.words("PING").text(), "PONG");
        assert_eq!(client.words("PUBSUB NUMPAT").integer(), 0);
        let before = client.words("HELLO 2");
        assert_eq!(before.elements().len(), 14);
        assert!(client.words("GET k").text().contains(ONLY), "in RESP2 now");
        assert_eq!(client.words("QUIT").text(), "OK");
        assert!(client.is_closed());
    });
}

#[test]
fn reset_leaves_everything_without_a_word() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        for version in [2, 3] {
            let mut client = subscriber(server, version, "SUBSCRIBE a");
            ask(&mut client, "PSUBSCRIBE b* c*", 2);
            ask(&mut client, "SSUBSCRIBE s", 1);
            send(&mut client, "RESET");
            assert_eq!(raw(&mut client), "+RESET\\r\\n");
            assert_eq!(admin.words("PUBLISH a x").integer(), 0);
            assert_eq!(admin.words("PUBLISH bb x").integer(), 0);
            assert_eq!(admin.words("SPUBLISH s x").integer(), 0);
            assert_eq!(admin.words("PUBSUB NUMPAT").integer(), 0);
            assert_eq!(client.words("PING").text(), "PONG");
        }
    });
}

#[test]
fn a_client_without_replies_gets_confirmations_and_messages() {
    with_each_number_of_shards(&[], |server| {
        let mut publisher = server.client();
        let mut client = server.client();
        client.words("HELLO 3");
        send(&mut client, "CLIENT REPLY OFF");
        assert_eq!(ask(&mut client, "SUBSCRIBE a", 1), ["subscribe a 1"]);
        assert_eq!(publisher.words("PUBLISH a one").integer(), 1);
        assert_eq!(next(&mut client), "message a one");
        assert_eq!(ask(&mut client, "PUBLISH a own", 1), ["message a own"]);
        send(&mut client, "GET nothing");
        assert_eq!(ask(&mut client, "UNSUBSCRIBE", 1), ["unsubscribe a 0"]);
        assert_eq!(client.words("CLIENT REPLY ON").text(), "OK");
        send(&mut client, "CLIENT REPLY SKIP");
        assert_eq!(ask(&mut client, "SUBSCRIBE c", 1), ["subscribe c 1"]);
        assert_eq!(client.words("PING").text(), "PONG");
    });
}

#[test]
fn questions_are_answered_for_all_shards_together() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        let mut clients: Vec<_> = (0..10)
            .map(|_| subscriber(server, 2, "SUBSCRIBE all"))
            .collect();
        for (number, client) in clients.iter_mut().enumerate() {
            ask(client, &format!("SUBSCRIBE own:{number}"), 1);
            ask(client, &format!("PSUBSCRIBE a* p:{}", number % 3), 2);
            ask(client, &format!("SSUBSCRIBE all s:{}", number % 2), 2);
        }
        let sorted = |reply: &crate::support::reply::Reply| {
            let mut names: Vec<String> = reply.elements().iter().map(flat).collect();
            names.sort();
            names.join(" ")
        };
        assert_eq!(admin.words("PUBSUB CHANNELS").elements().len(), 11);
        assert_eq!(
            sorted(&admin.words("PUBSUB CHANNELS own:[12]")),
            "own:1 own:2"
        );
        assert_eq!(sorted(&admin.words("PUBSUB CHANNELS none*")), "");
        assert_eq!(
            flat(&admin.words("PUBSUB NUMSUB all own:3 none all")),
            "all 10 own:3 1 none 0 all 10"
        );
        assert_eq!(flat(&admin.words("PUBSUB NUMSUB")), "");
        assert_eq!(admin.words("PUBSUB NUMPAT").integer(), 4, "each once");
        assert_eq!(sorted(&admin.words("PUBSUB SHARDCHANNELS")), "all s:0 s:1");
        assert_eq!(sorted(&admin.words("PUBSUB SHARDCHANNELS s*")), "s:0 s:1");
        assert_eq!(
            flat(&admin.words("PUBSUB SHARDNUMSUB all s:0 own:1")),
            "all 10 s:0 5 own:1 0"
        );
        let info = admin.words("INFO stats").text();
        for line in [
            "pubsub_channels:11",
            "pubsub_patterns:4",
            "pubsubshard_channels:3",
        ] {
            assert!(info.lines().any(|other| other.trim() == line), "{line}");
        }
        let list = admin.words("CLIENT LIST TYPE pubsub").text();
        assert_eq!(list.lines().count(), 10);
        for line in list.lines() {
            assert!(line.contains(" flags=P "), "{line}");
            assert!(line.contains(" sub=2 psub=2 ssub=2 "), "{line}");
        }
        let list = admin.words("CLIENT LIST TYPE normal").text();
        assert_eq!(list.lines().count(), 1, "{list}");
        for (line, error) in [
            (
                "PUBSUB FOO",
                "ERR unknown subcommand 'FOO'. Try PUBSUB HELP.",
            ),
            (
                "PUBSUB CHANNELS a b",
                "ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP.",
            ),
            (
                "PUBSUB NUMPAT x",
                "ERR wrong number of arguments for 'pubsub|numpat' command",
            ),
            (
                "SUBSCRIBE",
                "ERR wrong number of arguments for 'subscribe' command",
            ),
            (
                "PUBLISH a",
                "ERR wrong number of arguments for 'publish' command",
            ),
        ] {
            assert_eq!(admin.words(line).text(), error);
        }
        assert!(admin.words("PUBSUB HELP").elements().len() > 6);
        assert_eq!(admin.words("CLIENT KILL TYPE pubsub").integer(), 10);
        for client in &mut clients {
            assert!(client.is_closed());
        }
        eventually("all have left", Duration::from_secs(10), || {
            admin.words("PUBSUB NUMPAT").integer() == 0
                && flat(&admin.words("PUBSUB CHANNELS")).is_empty()
                && flat(&admin.words("PUBSUB SHARDCHANNELS")).is_empty()
        });
    });
}

#[test]
fn a_publisher_that_has_subscribed_sees_its_message_before_its_reply() {
    with_each_number_of_shards(&[], |server| {
        let mut others: Vec<_> = (0..4)
            .map(|_| subscriber(server, 3, "SUBSCRIBE a"))
            .collect();
        let mut client = subscriber(server, 3, "SUBSCRIBE a");
        // With keys of other shards before and behind, whose replies come later.
        let mut pipeline = Vec::new();
        for number in 0..50 {
            let key = format!("key:{number}");
            pipeline.extend(request(&["SET", &key, "v"]));
            pipeline.extend(request(&["PUBLISH", "a", &number.to_string()]));
            pipeline.extend(request(&["STRLEN", &key]));
        }
        client.send(&pipeline).expect("received");
        for number in 0..50 {
            assert_eq!(next(&mut client), "OK");
            assert_eq!(next(&mut client), format!("message a {number}"));
            assert_eq!(next(&mut client), "5");
            assert_eq!(next(&mut client), "1");
        }
        for other in &mut others {
            for number in 0..50 {
                assert_eq!(next(other), format!("message a {number}"));
            }
        }
    });
}
