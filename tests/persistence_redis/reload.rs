//! DEBUG RELOAD keeps everything, and DEBUG DIGEST is the same for the same data. Never compares digests of different programs: each has its own.

use super::support::client::Client;
use super::support::process::TemporaryDirectory;
use super::support::random::{Random, seed};
use super::support::reply::Reply;
use super::support::server::{Server, skip_unless_torc};
use super::support::{WAIT_LIMIT, eventually};
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

fn info(client: &mut Client, name: &str) -> String {
    let text = call!(client, "INFO", "persistence").text();
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.expect("INFO tells it").trim_start_matches(':').into()
}

/// Data of all kinds, some of it changed by transactions over several shards.
fn change(client: &mut Client, random: &mut Random, round: usize) {
    data::fill(client, random, &format!("round:{round}"), 30);
    for words in [
        "MULTI",
        "SET one x",
        "RPUSH two a b c",
        "INCR three",
        "EXEC",
        "SET gone x PX 1",
        "DEL two",
        "APPEND one y",
        "HSET four a 1 b 2",
    ] {
        let reply = client.words(words);
        assert!(!matches!(reply, Reply::Error(_)), "{words}: {reply:?}");
    }
    eventually("it expires", WAIT_LIMIT, || {
        call!(client, "EXISTS", "gone").integer() == 0
    });
}

#[test]
fn the_log_gives_the_same_data() {
    let log = [DEBUG, ("appendonly", "yes"), ("save", "")];
    if let Some(redis) = Server::start_redis(&log) {
        let mut client = redis.client();
        change(&mut client, &mut Random::new(seed("persistence.log")), 0);
        let sum = digest(&mut client);
        assert_eq!(call!(client, "DEBUG", "LOADAOF").text(), "OK");
        assert_eq!(digest(&mut client), sum);
        redis.stop();
    }
    if skip_unless_torc("redis-server has had its turn") {
        return;
    }
    for (shards, rule) in [(1, "everysec"), (2, "always"), (5, "no")] {
        let home = TemporaryDirectory::new();
        let place = [("dir", text(home.path())), ("appendfsync", rule)];
        let options = [&log[..], &place].concat();
        let torc = Server::start_with_shards(shards, &options);
        let mut client = torc.client();
        let mut random = Random::new(seed("persistence.log"));
        data::load_functions(&mut client, &["one", "two"]);
        let libraries = functions(&mut client);
        for round in 0..4 {
            change(&mut client, &mut random, round);
            if round == 2 {
                // The walk over all keys of a rewrite that is under way begins again, or it would miss some.
                call!(client, "BGREWRITEAOF");
            }
            // Not byte by byte: when a consumer was last seen without having read anything is in no log.
            let sum = digest(&mut client);
            assert_eq!(call!(client, "DEBUG", "LOADAOF").text(), "OK");
            assert_eq!(digest(&mut client), sum, "{shards} shards, round {round}");
            assert_eq!(functions(&mut client), libraries);
        }
        eventually("the rewrite ends", WAIT_LIMIT, || {
            info(&mut client, "aof_rewrite_in_progress") == "0"
        });
        let sum = digest(&mut client);
        torc.stop();
        let torc = Server::start_with_shards(shards, &options);
        let mut client = torc.client();
        assert_eq!(digest(&mut client), sum);
        client.words("MULTI");
        client.words("DEBUG LOADAOF");
        let reply = client.words("EXEC");
        assert!(matches!(&reply.elements()[0], Reply::Error(_)), "{reply:?}");
        client.words("CONFIG SET appendonly no");
        eventually("there is no log any more", WAIT_LIMIT, || {
            matches!(call!(client, "DEBUG", "LOADAOF"), Reply::Error(_))
        });
        assert_eq!(digest(&mut client), sum);
        torc.stop();
    }
}

/// What is written while the log is loaded again and again is kept, in memory and on disk.
#[test]
fn writers_wait_while_the_log_is_loaded() {
    if skip_unless_torc("redis-server serves nobody else meanwhile") {
        return;
    }
    let home = TemporaryDirectory::new();
    let options = [DEBUG, ("dir", text(home.path())), ("appendonly", "yes")];
    let torc = Server::start_with_shards(2, &options);
    // Large values are written in pieces, which a reload comes in between of.
    let mut client = torc.client();
    for large in 0..4 {
        for part in 0..20 {
            let key = format!("large:{large}");
            let mut words = vec!["HSET".to_string(), key];
            words.extend((0..2000).map(|field| format!("{part}:{}", field / 2)));
            assert_eq!(client.call(&words).integer(), 1000);
        }
    }
    let counts = count_during(&torc, |client| {
        for reload in 0..30 {
            // Refused while one is under way.
            client.words("BGREWRITEAOF");
            let what = match reload % 3 {
                0 => "RELOAD",
                _ => {
                    client.words("BGSAVE");
                    "LOADAOF"
                }
            };
            eventually("it is loaded", WAIT_LIMIT, || {
                // RELOAD is refused while there is a BGSAVE.
                matches!(call!(client, "DEBUG", what), Reply::Simple(_))
            });
        }
        eventually("the snapshot is written", WAIT_LIMIT, || {
            info(client, "rdb_bgsave_in_progress") == "0"
        });
    });
    let check_large = |torc: &Server| {
        let mut client = torc.client();
        for large in 0..4 {
            let key = format!("large:{large}");
            assert_eq!(call!(client, "HLEN", &key).integer(), 20_000);
            let reply = client.call(&["HGETALL", &key]);
            let fields = reply.elements();
            let same = |pair: &[Reply]| pair[0].text() == pair[1].text();
            assert!(fields.chunks_exact(2).all(same));
        }
    };
    let check = |torc: &Server| {
        check_large(torc);
        let mut client = torc.client();
        for (number, count) in counts.iter().enumerate() {
            let found = call!(client, "GET", format!("k{number}")).text();
            assert_eq!(found, count.to_string());
        }
    };
    check(&torc);
    torc.stop();
    let torc = Server::start_with_shards(3, &options);
    check(&torc);
    torc.stop();
    // What the last snapshot has.
    let torc = Server::start_with_shards(2, &options[..2]);
    check_large(&torc);
    torc.stop();
}

/// Four clients count while something is done; how far each has come.
fn count_during(torc: &Server, work: impl FnOnce(&mut Client)) -> Vec<i64> {
    let has_ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|number| {
                let has_ended = &has_ended;
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
        let work = std::panic::AssertUnwindSafe(|| work(&mut torc.client()));
        let outcome = std::panic::catch_unwind(work);
        // Also when it has failed: nobody waits for those who count for ever.
        has_ended.store(true, Ordering::Relaxed);
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
        let counts = writers.into_iter().map(|writer| writer.join());
        counts.map(|count| count.expect("it counts")).collect()
    })
}

/// Others wait, and nothing they have done is lost.
#[test]
fn others_wait() {
    if skip_unless_torc("redis-server serves nobody else meanwhile") {
        return;
    }
    let home = TemporaryDirectory::new();
    let torc = Server::start_with_shards(2, &[DEBUG, ("dir", text(home.path()))]);
    let counts = count_during(&torc, |client| {
        for _ in 0..10 {
            assert_eq!(call!(client, "DEBUG", "RELOAD").text(), "OK");
        }
        let reply = client.words("MULTI");
        assert_eq!(reply.text(), "OK");
        client.words("DEBUG RELOAD");
        let reply = client.words("EXEC");
        assert!(matches!(&reply.elements()[0], Reply::Error(_)), "{reply:?}");
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
