//! Data of all types, and all that can be seen of it.

use crate::running::Running;
use crate::support::client::Client;
use crate::support::reply::Reply;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};

/// Every key of two databases with what can be seen of it.
pub type Contents = BTreeMap<(u8, Vec<u8>), Vec<String>>;

/// Sends a memcached request whose reply ends with a line of this beginning; the whole reply.
pub fn memcached(address: SocketAddr, request: &str, end: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let limit = Some(crate::support::WAIT_LIMIT);
    stream.set_read_timeout(limit).expect("a limit");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut reply = String::new();
    let mut reader = BufReader::new(stream);
    loop {
        let start = reply.len();
        let read = reader.read_line(&mut reply).expect("a line in time");
        assert!(read > 0, "the connection was closed after {reply:?}");
        if reply[start..].starts_with(end) {
            return reply;
        }
    }
}

fn many(client: &mut Client, command: &str, key: &str, count: usize, scored: bool) {
    for first in (0..count).step_by(500) {
        let mut words = vec![command.to_string(), key.to_string()];
        for number in first..(first + 500).min(count) {
            if scored {
                words.push(format!("{}", number * 7 % 1000));
            }
            words.push(format!("element:{number}"));
        }
        let reply = client.call(&words);
        assert!(!matches!(reply, Reply::Error(_)), "{}", reply.text());
    }
}

/// Writes something of everything; the token of the key `token`.
pub fn fill(running: &Running) -> u64 {
    let mut client = running.server.client();
    let mut done = |line: &str| {
        let reply = client.words(line);
        assert!(
            !matches!(reply, Reply::Error(_)),
            "{line}: {}",
            reply.text()
        );
    };
    for number in 0..300 {
        done(&format!("SET key:{number} value:{number}"));
    }
    for number in 0..50 {
        done(&format!("HSET hash:{number} name value{number} other 2"));
        done(&format!("RPUSH list:{number} a b {number}"));
        done(&format!("SADD set:{number} 1 2 {number}"));
        done(&format!("SADD words:{number} x y z{number}"));
        done(&format!("ZADD sorted:{number} 1 a 2.5 b {number} c"));
    }
    done("SET number 12345");
    done("SET expiring soon PX 100000000");
    done("SET past gone PX 300");
    done("APPEND raw abc");
    done("SETBIT bits 1000 1");
    done("PFADD loglog a b c d e f");
    done("GEOADD places 13.361389 38.115556 Palermo 15.087269 37.502669 Catania");
    done("HSET fields a 1 b 2 c 3");
    done("HPEXPIRE fields 100000000 FIELDS 1 a");
    done("HPEXPIRE fields 300 FIELDS 1 b");
    done("XADD stream 1-1 name value");
    done("XADD stream 1-2 name other");
    done("XADD stream 2-1 more fields");
    done("XGROUP CREATE stream readers 0");
    done("XGROUP CREATE stream others 1-2 ENTRIESREAD 2");
    done("XREADGROUP GROUP readers alice COUNT 2 STREAMS stream >");
    done("XREADGROUP GROUP readers bob COUNT 1 STREAMS stream >");
    done("XACK stream readers 1-1");
    done("XDEL stream 1-2");
    done("CACHE.SET tagged value TAGS 2 red blue");
    many(&mut client, "RPUSH", "long:list", 2000, false);
    many(&mut client, "SADD", "long:set", 2000, false);
    many(&mut client, "ZADD", "long:sorted", 2000, true);
    let mut words = vec!["HSET".to_string(), "long:hash".to_string()];
    words.extend((0..1400).map(|number| format!("field:{number}")));
    assert_eq!(client.call(&words).integer(), 700);
    let reply = client.words("HPEXPIRE long:hash 100000000 FIELDS 2 field:0 field:2");
    assert_eq!(reply.elements().len(), 2);
    for (key, len) in [
        ("large:20k", 20_000),
        ("large:100k", 100_000),
        ("large:2m", 2 << 20),
    ] {
        let value = vec![b'v'; len];
        assert_eq!(client.call(&[b"SET", key.as_bytes(), &value]).text(), "OK");
    }
    let name = vec![b'n'; 20_000];
    assert_eq!(client.call(&[b"SET", &name[..], b"value"]).text(), "OK");
    let code = "#!lua name=library\nredis.register_function('answer', function() return 42 end)";
    assert_eq!(client.call(&["FUNCTION", "LOAD", code]).text(), "library");
    assert_eq!(client.words("SELECT 3").text(), "OK");
    assert_eq!(client.words("SET elsewhere 1").text(), "OK");
    let stored = memcached(
        running.memcached,
        "set flagged 77 0 5\r\nvalue\r\n",
        "STORED",
    );
    assert_eq!(stored, "STORED\r\n");
    memcached(running.memcached, "set token 5 0 5\r\nvalue\r\n", "STORED");
    token(running)
}

/// The token of the key `token`, as `gets` shows it.
pub fn token(running: &Running) -> u64 {
    let reply = memcached(running.memcached, "gets token\r\n", "END");
    let head = reply.lines().next().expect("a line");
    let token = head
        .split(' ')
        .nth(4)
        .expect("VALUE key flags length token");
    token.parse().expect("a number")
}

/// The value of a key; elements without an order of their own are sorted, with what expires of them.
fn value(client: &mut Client, key: &[u8]) -> Vec<String> {
    let command: &[u8] = match &client.call(&[b"TYPE", key]).text()[..] {
        "hash" => b"HGETALL",
        "set" => b"SMEMBERS",
        _ => return vec![format!("{:?}", client.call(&[b"DUMP", key]).bytes())],
    };
    let reply = client.call(&[command, key]);
    let mut seen: Vec<String> = match command {
        b"SMEMBERS" => reply.elements().iter().map(Reply::text).collect(),
        _ => {
            let pairs = reply.elements().chunks_exact(2);
            pairs
                .map(|pair| pair[0].text() + "=" + &pair[1].text())
                .collect()
        }
    };
    if command == b"HGETALL" {
        for pair in reply.elements().chunks_exact(2) {
            let expiry = client.call(&[b"HPEXPIRETIME", key, b"FIELDS", b"1", pair[0].bytes()]);
            seen.push(format!(
                "{} until {}",
                pair[0].text(),
                expiry.elements()[0].integer()
            ));
        }
    }
    seen.sort();
    seen
}

/// All that can be seen of the keys of two databases.
pub fn contents(running: &Running) -> Contents {
    let mut client = running.server.client();
    let mut contents = Contents::new();
    for db in [0, 3] {
        assert_eq!(client.words(&format!("SELECT {db}")).text(), "OK");
        let keys = client.words("KEYS *");
        for key in keys.elements() {
            let key = key.bytes().to_vec();
            let commands: [&[&[u8]]; 3] = [
                &[b"PEXPIRETIME", &key],
                &[b"OBJECT", b"ENCODING", &key],
                &[b"CACHE.TAGS", &key],
            ];
            let mut seen = commands
                .map(|command| format!("{:?}", client.call(command)))
                .to_vec();
            seen.extend(value(&mut client, &key));
            contents.insert((db, key), seen);
        }
        let size = client.words("DBSIZE").integer() as usize;
        assert_eq!(size, contents.keys().filter(|(of, _)| *of == db).count());
    }
    contents
}
