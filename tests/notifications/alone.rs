//! What torc tells without anybody to compare it with: the option, who hears what on which shard, and what happens without a request.

use crate::listener::Listener;
use crate::support::client::Client;
use crate::support::memcache::{Settings, Subject};
use crate::support::reply::Reply;
use crate::support::server::{Server, skip_unless_torc};
use crate::support::{WAIT_LIMIT, eventually};

const OPTION: &str = "notify-keyspace-events";

fn get(client: &mut Client) -> String {
    client.words(&format!("CONFIG GET {OPTION}")).elements()[1].text()
}

/// The strings of a message, with blanks between them.
fn next(client: &mut Client) -> String {
    let message = client.read().expect("something comes");
    let texts: Vec<String> = message.elements().iter().map(Reply::text).collect();
    texts.join(" ")
}

/// Some clients that have subscribed; they are on different shards, since a new one goes to where there are the fewest.
fn subscribers(server: &Server, count: usize, line: &str) -> Vec<Client> {
    let subscriber = |_| {
        let mut client = server.client();
        client.words(line);
        client
    };
    (0..count).map(subscriber).collect()
}

#[test]
fn the_option_is_shown_and_refused_as_redis_server_does() {
    let Some(oracle) = Server::start_redis(&[]) else {
        return;
    };
    let server = Server::start(&[]);
    let (mut client, mut expected) = (server.client(), oracle.client());
    assert_eq!(get(&mut client), "");
    for classes in [
        "KEA",
        "Ex",
        "",
        "g$lshzxetdK",
        "Kg$",
        "AKEm",
        "KA!",
        "kea",
        "Ktdn",
        "K E",
    ] {
        for client in [&mut client, &mut expected] {
            client.call(&["CONFIG", "RESETSTAT"]);
        }
        let set = ["CONFIG", "SET", OPTION, classes];
        assert_eq!(client.call(&set), expected.call(&set), "{classes}");
        assert_eq!(get(&mut client), get(&mut expected), "{classes}");
    }
    server.stop();
}

#[test]
fn the_option_comes_from_a_file_and_goes_back_into_it() {
    if skip_unless_torc("the file is torc's") {
        return;
    }
    let server = Server::start(&[(OPTION, "KEg$")]);
    let mut subscriber = subscribers(&server, 1, "SUBSCRIBE __keyevent@0__:set").remove(0);
    let mut client = server.client();
    assert_eq!(get(&mut client), "g$KE");
    client.words("SET key value");
    assert_eq!(next(&mut subscriber), "message __keyevent@0__:set key");
    server.stop();
}

#[test]
fn every_subscriber_hears_of_every_shard() {
    for shards in [1, 3, 5] {
        let server = Server::start_with_shards(shards, &[(OPTION, "KEA")]);
        let mut of_patterns = subscribers(&server, 2 * shards, "PSUBSCRIBE __keyspace@0__:k*");
        let mut of_channels =
            subscribers(&server, 2 * shards, "SUBSCRIBE __keyevent@0__:rename_to");
        let mut client = server.client();
        // Nothing is told of another database.
        client.words("SELECT 1");
        client.words("SET k1 v");
        client.words("SELECT 0");
        let mut expected = Vec::new();
        for number in 0..20 {
            let (from, to) = (format!("k{number}"), format!("kk{number}"));
            client.words(&format!("SET {from} v"));
            assert_eq!(client.words(&format!("RENAME {from} {to}")).text(), "OK");
            for (key, event) in [(&from, "set"), (&from, "rename_from"), (&to, "rename_to")] {
                expected.push(format!(
                    "pmessage __keyspace@0__:k* __keyspace@0__:{key} {event}"
                ));
            }
        }
        expected.sort();
        for subscriber in &mut of_patterns {
            let mut heard: Vec<String> = expected.iter().map(|_| next(subscriber)).collect();
            let place = |event: &str, number: usize| {
                let text = format!("@0__:k{number} {event}");
                heard.iter().position(|heard| heard.ends_with(&text))
            };
            for number in 0..20 {
                let set = place("set", number).expect("it is told");
                assert!(set < place("rename_from", number).expect("it is told"));
            }
            heard.sort();
            assert_eq!(heard, expected, "{shards} shards");
        }
        for subscriber in &mut of_channels {
            let mut heard: Vec<String> = (0..20).map(|_| next(subscriber)).collect();
            heard.sort();
            let mut expected: Vec<String> = (0..20)
                .map(|number| format!("message __keyevent@0__:rename_to kk{number}"))
                .collect();
            expected.sort();
            assert_eq!(heard, expected, "{shards} shards");
        }
        server.stop();
    }
}

#[test]
fn keys_that_nobody_reads_are_told_of_when_they_expire() {
    let server = Server::start_with_shards(3, &[(OPTION, "Ex")]);
    let mut subscriber = subscribers(&server, 1, "SUBSCRIBE __keyevent@0__:expired").remove(0);
    let mut client = server.client();
    for number in 0..200 {
        client.words(&format!("SET key:{number} v PX {}", 1 + number % 50));
    }
    let mut heard: Vec<String> = (0..200).map(|_| next(&mut subscriber)).collect();
    heard.sort();
    let mut expected: Vec<String> = (0..200)
        .map(|number| format!("message __keyevent@0__:expired key:{number}"))
        .collect();
    expected.sort();
    assert_eq!(heard, expected);
    server.stop();
}

#[test]
fn fields_that_nobody_reads_are_told_of_when_they_expire() {
    if skip_unless_torc("expiries of fields are newer than redis-server 7.0") {
        return;
    }
    let server = Server::start_with_shards(2, &[]);
    let mut listener = Listener::new(&server, "KEA");
    assert_eq!(listener.client.words("HSET h f 1 g 2").integer(), 2);
    listener.client.words("HPEXPIRE h 20 FIELDS 1 f");
    let mut told = Vec::new();
    eventually("the field is told of", WAIT_LIMIT, || {
        told.extend(listener.until_now().into_values().flatten());
        told.last()
            .is_some_and(|event: &String| event == "E hexpired")
    });
    let events = ["hset", "hexpire", "hexpired"];
    let both = events
        .iter()
        .flat_map(|event| ["K", "E"].map(|letter| format!("{letter} {event}")));
    assert_eq!(told, both.collect::<Vec<_>>());
    server.stop();
}

#[test]
fn evicted_keys_are_told_of() {
    if skip_unless_torc("redis-server needs another amount of memory") {
        return;
    }
    let memory = [
        ("maxmemory", "8mb"),
        ("maxmemory-policy", "allkeys-lru"),
        (OPTION, "Ee"),
    ];
    let server = Server::start_with_shards(2, &memory);
    let mut subscriber = subscribers(&server, 1, "SUBSCRIBE __keyevent@0__:evicted").remove(0);
    let mut client = server.client();
    let value = "v".repeat(1000);
    let keys = 20_000;
    for number in 0..keys {
        assert_eq!(
            client.words(&format!("SET key:{number} {value}")).text(),
            "OK"
        );
    }
    let left = client.words("DBSIZE").integer();
    assert!(left < keys, "memory is limited");
    // Each key that is gone was told of once, and none that is there.
    let mut gone = std::collections::HashSet::new();
    for _ in left..keys {
        let text = next(&mut subscriber);
        let key = text.rsplit(' ').next().expect("a key").to_string();
        assert!(gone.insert(key), "once");
    }
    for number in 0..keys {
        let key = format!("key:{number}");
        let is_there = client.words(&format!("EXISTS {key}")).integer() == 1;
        assert_ne!(is_there, gone.contains(&key), "{key}");
    }
    server.stop();
}

#[test]
fn those_who_waited_are_told_of_too() {
    for shards in [1, 3] {
        let server = Server::start_with_shards(shards, &[]);
        let mut listener = Listener::new(&server, "KA$E");
        let mut waiting = server.client();
        waiting
            .send(b"BLPOP list 0\r\n")
            .expect("the server receives");
        let mut admin = server.client();
        eventually("it waits", WAIT_LIMIT, || {
            admin
                .words("INFO clients")
                .text()
                .contains("blocked_clients:1")
        });
        let (_, mut told) = listener.told(&["RPUSH", "list", "a", "b"]);
        assert_eq!(waiting.read().expect("answered").elements().len(), 2);
        for (key, events) in listener.until_now() {
            told.entry(key).or_default().extend(events);
        }
        let (_, last) = listener.told(&["LPOP", "list"]);
        for (key, events) in last {
            told.entry(key).or_default().extend(events);
        }
        let events: Vec<_> = told.into_values().collect();
        let names = ["rpush", "lpop", "lpop", "del"];
        let both = names
            .iter()
            .flat_map(|event| ["K", "E"].map(|letter| format!("{letter} {event}")));
        assert_eq!(events, [both.collect::<Vec<_>>()], "{shards} shards");
        server.stop();
    }
}

#[test]
fn memcached_commands_are_told_of_as_the_nearest_of_redis() {
    let options = Settings {
        options: vec![
            (OPTION, "KEA".to_string()),
            ("bind", "127.0.0.1".to_string()),
        ],
        ..Settings::default()
    };
    let Some(Subject::Torc {
        server,
        port,
        udp_port,
    }) = Subject::start_with(3, &options)
    else {
        return;
    };
    let mut listener = Listener::new(&server, "KEA");
    let subject = Subject::Torc {
        server,
        port,
        udp_port,
    };
    let mut connection = subject.connect();
    for (request, expected) in [
        ("set key 0 100 1\r\n1", "set, expire"),
        ("incr key 1", "incrby"),
        ("append key 0 0 1\r\n1", "append"),
        ("touch key 200", "expire"),
        ("delete key", "del"),
        ("get key", ""),
    ] {
        connection.line(request);
        let told = listener.until_now();
        let events = told.into_values().flatten();
        let of_keys = events.filter_map(|event| event.strip_prefix("K ").map(String::from));
        assert_eq!(
            of_keys.collect::<Vec<_>>().join(", "),
            expected,
            "{request}"
        );
    }
    subject.stop();
}
