//! DEBUG RELOAD keeps everything, and DEBUG DIGEST is the same for the same data. Never compares digests of different programs: each has its own.

use super::support::client::Client;
use super::support::process::TemporaryDirectory;
use super::support::random::{Random, seed};
use super::support::reply::Reply;
use super::support::server::{Server, skip_unless_torc};
use super::{assert_same, call, data, functions, keyspace, text};
use std::sync::atomic::{AtomicBool, Ordering};

const DEBUG: (&str, &str) = ("enable-debug-command", "yes");

fn digest(client: &mut Client) -> String {
    let text = call!(client, "DEBUG", "DIGEST").text();
    assert_eq!(text.len(), 40, "{text}");
    text
}

/// Fills a server, reloads it, and looks at what is there.
fn reload(server: &Server, fields_expire: bool) {
    let mut random = Random::new(seed("persistence.reload"));
    let mut client = server.client();
    assert_eq!(digest(&mut client), "0".repeat(40));
    assert_eq!(call!(client, "DEBUG", "RELOAD").text(), "OK", "nothing");
    data::fill(&mut client, &mut random, "keys", 60);
    data::load_functions(&mut client, &["one", "two"]);
    call!(client, "SELECT", "3");
    call!(client, "SET", "elsewhere", "x", "PX", "1000000");
    if fields_expire {
        call!(client, "HSET", "h", "a", "1", "b", "2");
        let at = "4000000000000";
        call!(client, "HPEXPIREAT", "h", at, "FIELDS", "1", "a");
    }
    call!(client, "SELECT", "0");
    let (expected, libraries) = (keyspace(&mut client), functions(&mut client));
    let sum = digest(&mut client);
    assert_ne!(sum, "0".repeat(40));
    for options in [&[][..], &["NOSAVE"], &["NOSAVE", "NOFLUSH", "MERGE"]] {
        let words = [&["DEBUG", "RELOAD"], options].concat();
        if options == ["NOSAVE"] {
            call!(client, "SET", "not in the file", "x");
        }
        assert_eq!(client.call(&words).text(), "OK", "{words:?}");
        assert_same(&keyspace(&mut client), &expected);
        assert_eq!(functions(&mut client), libraries);
        assert_eq!(digest(&mut client), sum);
    }
    call!(client, "SELECT", "3");
    assert!(call!(client, "PTTL", "elsewhere").integer() > 900_000);
    if fields_expire {
        let at = call!(client, "HPEXPIRETIME", "h", "FIELDS", "2", "a", "b");
        assert_eq!(at.elements()[0], Reply::Integer(4_000_000_000_000));
        assert_eq!(at.elements()[1], Reply::Integer(-1));
    }
    call!(client, "SET", "elsewhere", "y", "KEEPTTL");
    assert_ne!(digest(&mut client), sum);
    let reply = call!(client, "DEBUG", "RELOAD", "SOMEHOW");
    assert!(matches!(reply, Reply::Error(_)), "{reply:?}");
}

/// A value's digest does not depend on the order in which it was made, nor on the key.
fn values(server: &Server) {
    let mut client = server.client();
    for words in [
        "SADD s1 a b 3",
        "SADD s2 3 b a",
        "HSET h1 a 1 b 2",
        "HSET h2 b 2 a 1",
        "ZADD z1 1 a 2 b",
        "ZADD z2 2 b 1 a",
        "RPUSH l1 a b",
        "RPUSH l2 b a",
        "SET t1 a",
        "SET t2 b",
        "XADD x1 1-1 a b",
        "XADD x2 1-2 a b",
    ] {
        let reply = client.words(words);
        assert!(!matches!(reply, Reply::Error(_)), "{words}: {reply:?}");
    }
    let mut of = |key: &str| call!(client, "DEBUG", "DIGEST-VALUE", key).elements()[0].text();
    for name in ["s", "h", "z"] {
        assert_eq!(of(&format!("{name}1")), of(&format!("{name}2")), "{name}");
    }
    for name in ["l", "t", "x"] {
        assert_ne!(of(&format!("{name}1")), of(&format!("{name}2")), "{name}");
    }
    assert_eq!(of("none"), "0".repeat(40));
    for (words, reply) in [
        ("DEBUG CHANGE-REPL-ID", Reply::Simple(b"OK".to_vec())),
        (
            "DEBUG QUICKLIST-PACKED-THRESHOLD 200B",
            Reply::Simple(b"OK".to_vec()),
        ),
        ("DEBUG PROTOCOL integer", Reply::Integer(12345)),
        (
            "DEBUG PROTOCOL string",
            Reply::Bulk(b"Hello World".to_vec()),
        ),
        ("DEBUG PROTOCOL double", Reply::Bulk(b"3.141".to_vec())),
    ] {
        assert_eq!(client.words(words), reply, "{words}");
    }
}

#[test]
fn everything_is_kept() {
    if let Some(redis) = Server::start_redis(&[DEBUG]) {
        reload(&redis, false);
        values(&redis);
        redis.stop();
    }
    if skip_unless_torc("redis-server has had its turn") {
        return;
    }
    for shards in [1, 2, 5] {
        let home = TemporaryDirectory::new();
        let torc = Server::start_with_shards(shards, &[DEBUG, ("dir", text(home.path()))]);
        reload(&torc, true);
        values(&torc);
        // Not in every version of Redis.
        let reply = torc.client().words("DEBUG STRINGMATCH-LEN 100000 *a*b");
        assert_eq!(reply.text(), "OK");
        torc.stop();
    }
}

#[test]
fn a_log_tells_of_the_same_data() {
    if skip_unless_torc("the log is torc's own") {
        return;
    }
    let home = TemporaryDirectory::new();
    let options = [DEBUG, ("dir", text(home.path())), ("appendonly", "yes")];
    let torc = Server::start_with_shards(2, &options);
    let mut client = torc.client();
    let mut random = Random::new(seed("persistence.reload.log"));
    data::fill(&mut client, &mut random, "keys", 30);
    let sum = digest(&mut client);
    assert_eq!(call!(client, "DEBUG", "RELOAD").text(), "OK");
    assert_eq!(digest(&mut client), sum);
    for option in ["NOSAVE", "NOFLUSH"] {
        let text = format!("{:?}", call!(client, "DEBUG", "RELOAD", option));
        assert!(
            matches!(call!(client, "DEBUG", "RELOAD", option), Reply::Error(_)),
            "{text}"
        );
    }
    call!(client, "SET", "later", "x");
    let sum = digest(&mut client);
    torc.stop();
    let torc = Server::start_with_shards(5, &options);
    assert_eq!(digest(&mut torc.client()), sum);
    torc.stop();
}

/// Others wait, and nothing they have done is lost.
#[test]
fn others_wait() {
    if skip_unless_torc("redis-server serves nobody else meanwhile") {
        return;
    }
    let home = TemporaryDirectory::new();
    let torc = Server::start_with_shards(2, &[DEBUG, ("dir", text(home.path()))]);
    let has_ended = AtomicBool::new(false);
    let counts: Vec<i64> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|number| {
                let (torc, has_ended) = (&torc, &has_ended);
                scope.spawn(move || {
                    let mut client = torc.client();
                    let mut count = 0;
                    while !has_ended.load(Ordering::Relaxed) {
                        count += 1;
                        let reply = call!(client, "INCR", format!("k{number}"));
                        assert_eq!(reply, Reply::Integer(count));
                    }
                    count
                })
            })
            .collect();
        let mut client = torc.client();
        let mut reloads = 0;
        while reloads < 10 {
            match call!(client, "DEBUG", "RELOAD") {
                Reply::Simple(_) => reloads += 1,
                other => panic!("{other:?}"),
            }
        }
        let reply = client.words("MULTI");
        assert_eq!(reply.text(), "OK");
        client.words("DEBUG RELOAD");
        let reply = client.words("EXEC");
        assert!(matches!(&reply.elements()[0], Reply::Error(_)), "{reply:?}");
        has_ended.store(true, Ordering::Relaxed);
        writers
            .into_iter()
            .map(|writer| writer.join().expect("it counts"))
            .collect()
    });
    let mut client = torc.client();
    for (number, count) in counts.iter().enumerate() {
        assert_eq!(
            call!(client, "GET", format!("k{number}")).text(),
            count.to_string()
        );
    }
    // A file that cannot be written or read is said to be so.
    std::fs::remove_file(home.path().join("dump.rdb")).expect("it was saved");
    std::fs::create_dir(home.path().join("dump.rdb")).expect("a directory in its place");
    let before = digest(&mut client);
    let reply = call!(client, "DEBUG", "RELOAD");
    assert!(matches!(reply, Reply::Error(_)), "{reply:?}");
    assert_eq!(digest(&mut client), before);
    torc.stop();
}
