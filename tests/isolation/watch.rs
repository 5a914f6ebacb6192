//! WATCH: EXEC is refused when a watched key changed meanwhile, on whichever shard, and never otherwise. Each change is made by another connection
//! between the replies to WATCH and EXEC, so that what must happen is known; and many clients who change keys that nobody else watches must all
//! succeed.

use crate::support::client::{Client, request};
use crate::support::random::Random;
use crate::support::reply::Reply;
use crate::support::slots::name_in;
use crate::support::{WAIT_LIMIT, eventually};
use std::net::SocketAddr;
use std::sync::Mutex;

/// What is there before, what happens between WATCH of `a` and `b` and EXEC, and whether EXEC is refused. Commands are separated by semicolons; `a`,
/// `b` and `c` are keys of different shards. `self:` is before what the watching connection does itself.
const CASES: &[(&str, &str, bool)] = &[
    ("", "", false),
    (
        "SET a 1",
        "GET a; STRLEN a; EXISTS a b; TYPE a; TTL a; DUMP a",
        false,
    ),
    ("SET a 1", "SET c 1; INCR c; DEL c", false),
    ("", "SET a 1", true),
    ("", "SET b 1", true),
    ("SET a 1", "SET a 1", true),
    ("SET a 1", "SET a 2 NX", false),
    ("", "SET a 2 XX", false),
    ("SET a 1", "INCR a", true),
    ("SET a 1", "APPEND a 1", true),
    ("SET a 1", "SETRANGE a 0 x", true),
    ("SET a 1", "SETBIT a 1 1", true),
    ("SET a 1", "GETSET a 2", true),
    ("SET a 1", "GETDEL a", true),
    ("", "GETDEL a", false),
    ("SET a 1", "DEL a", true),
    ("SET a 1", "DEL a; SET a 1", true),
    ("", "SET a 1; DEL a", true),
    ("", "DEL a", false),
    ("SET a 1", "UNLINK a", true),
    ("SET a 1", "TOUCH a", false),
    ("", "MSET c 1 b 1", true),
    ("SET c 1", "MSETNX c 2 b 1", false),
    ("SET a 1", "RENAME a c", true),
    ("SET c 1", "RENAME c b", true),
    ("SET a 1; SET c 1", "RENAMENX c a", false),
    ("SET c 1", "COPY c a", true),
    ("SET a 1", "COPY a c", false),
    ("SET a 1", "EXPIRE a 1000", true),
    ("SET a 1", "PERSIST a", false),
    ("SET a 1 EX 1000", "PERSIST a", true),
    ("", "EXPIRE a 1000", false),
    ("SET a 1", "GETEX a", false),
    ("SET a 1", "GETEX a EX 1000", true),
    ("SET a 1", "FLUSHALL", true),
    ("", "FLUSHALL", false),
    ("", "RPUSH a 1", true),
    ("RPUSH a 1", "RPUSHX a 1", true),
    ("", "RPUSHX a 1", false),
    ("RPUSH a 1", "LPOP a", true),
    ("", "LPOP a", false),
    ("RPUSH a 1; RPUSH c 1", "LMOVE c b LEFT LEFT", true),
    ("RPUSH b 1", "LMOVE b c LEFT LEFT", true),
    ("RPUSH a 1", "LREM a 0 nosuch", false),
    ("RPUSH a 1", "LRANGE a 0 -1; LLEN a", false),
    ("SADD a 1", "SADD a 1", false),
    ("SADD a 1", "SADD a 2", true),
    ("SADD a 1", "SREM a 2", false),
    ("SADD c 1", "SMOVE c b 1", true),
    ("SADD b 1", "SMOVE b c 1", true),
    ("SADD b 1", "SMOVE b c 2", false),
    ("SADD c 1", "SUNIONSTORE a c b", true),
    ("SADD a 1", "SUNIONSTORE c a b", false),
    ("", "SINTERSTORE a b c", false),
    ("SADD a 1", "SINTERSTORE a b c", true),
    (
        "SADD a 1",
        "SMEMBERS a; SCARD a; SISMEMBER a 1; SUNION a b c",
        false,
    ),
    ("HSET a f 1", "HSET a f 1", true),
    ("HSET a f 1", "HGET a f; HGETALL a; HLEN a", false),
    ("HSET a f 1", "HDEL a g", false),
    ("HSET a f 1", "HDEL a f", true),
    ("HSET a f 1", "HINCRBY a f 1", true),
    ("ZADD a 1 m", "ZADD a 1 m", false),
    ("ZADD a 1 m", "ZADD a 2 m", true),
    ("ZADD a 1 m", "ZRANGE a 0 -1; ZSCORE a m", false),
    ("ZADD c 1 m", "ZUNIONSTORE b 1 c", true),
    ("ZADD a 1 m", "ZREM a n", false),
    ("", "XADD a 1-1 f v", true),
    ("XADD a 1-1 f v", "XRANGE a - +; XLEN a", false),
    ("", "PFADD a 1", true),
    ("PFADD a 1", "PFADD a 1", false),
    ("PFADD a 1", "PFMERGE b a", true),
    ("RPUSH c 2 1", "SORT c STORE a", true),
    ("", "BITOP NOT a c", false),
    ("SET c 1", "BITOP NOT a c", true),
    ("", "SELECT 1; SET a 1; SELECT 0", false),
    ("", "SELECT 1; FLUSHDB; SELECT 0", false),
    ("", "SELECT 1; SET a 1; SELECT 0; SWAPDB 0 1", true),
    ("", "SWAPDB 2 3", false),
    (
        "SELECT 1; SET a 1; SELECT 0",
        "SELECT 1; MOVE a 0; SELECT 0",
        true,
    ),
    ("SET a 1", "MOVE a 1", true),
    ("", "MULTI; SET a 1; EXEC", true),
    ("", "MULTI; SET a 1; DISCARD", false),
    ("", "self: SET a 1", true),
    ("", "self: UNWATCH; SET a 1", false),
    ("", "SET a 1; self: UNWATCH", false),
    ("", "self: UNWATCH; self: WATCH a; SET a 1", true),
    ("", "self: WATCH a; SET b 1", true),
    ("", "self: MULTI; self: DISCARD; SET a 1", false),
    ("SET a 1; SET b 1", "self: GET a; self: MGET a b", false),
];

/// The commands of a line, with the names of the keys in place of letters; true for those of the watching connection.
fn commands(line: &str, names: &[String]) -> Vec<(bool, Vec<String>)> {
    let parts = line
        .split(';')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let word = |word: &str| match word {
        "a" => names[0].clone(),
        "b" => names[1].clone(),
        "c" => names[2].clone(),
        other => other.to_string(),
    };
    let command = |part: &str| {
        let own = part.strip_prefix("self:");
        let words = own.unwrap_or(part).split_whitespace().map(word).collect();
        (own.is_some(), words)
    };
    parts.map(command).collect()
}

fn call(client: &mut Client, words: &[String]) -> Reply {
    let reply = client.call(words);
    assert!(!matches!(reply, Reply::Error(_)), "{words:?}: {reply:?}");
    reply
}

/// MULTI, a write to a key that is not watched, EXEC: whether it was refused.
fn is_refused(client: &mut Client, key: &str) -> bool {
    let bytes = [
        request(&["MULTI"]),
        request(&["INCR", key]),
        request(&["EXEC"]),
    ]
    .concat();
    client.send(&bytes).expect("the server receives");
    assert_eq!(client.read().expect("answered").text(), "OK");
    assert_eq!(client.read().expect("answered").text(), "QUEUED");
    match client.read().expect("answered") {
        Reply::Null => true,
        Reply::Array(replies) => {
            assert_eq!(replies, [Reply::Integer(1)]);
            false
        }
        other => panic!("EXEC: {other:?}"),
    }
}

fn run_case(
    address: SocketAddr,
    names: &[String],
    (before, meanwhile, refused): (&str, &str, bool),
) -> Option<String> {
    let connect = || Client::connect(address).expect("the server accepts");
    let (mut watcher, mut other) = (connect(), connect());
    call(&mut other, &["FLUSHALL".to_string()]);
    for (_, words) in commands(before, names) {
        call(&mut other, &words);
    }
    call(
        &mut watcher,
        &["WATCH".to_string(), names[0].clone(), names[1].clone()],
    );
    for (own, words) in commands(meanwhile, names) {
        call(if own { &mut watcher } else { &mut other }, &words);
    }
    let found = is_refused(&mut watcher, "result");
    // What was watched is watched once.
    call(
        &mut other,
        &["SET".to_string(), names[0].clone(), "1".to_string()],
    );
    call(&mut other, &["DEL".to_string(), "result".to_string()]);
    if is_refused(&mut watcher, "result") {
        return Some(format!(
            "after {meanwhile:?} and EXEC a key is still watched"
        ));
    }
    let (is, should) = (
        if found { "is" } else { "is not" },
        if refused { "should" } else { "should not" },
    );
    (found != refused).then(|| {
        format!("after {before:?} and WATCH a b, {meanwhile:?}: EXEC {is} refused and {should} be")
    })
}

/// A watched key that expires, whether anybody looks at it or not; the sooner of the two servers' choices: refused once it can no longer be read.
fn expiry(address: SocketAddr, names: &[String]) -> Option<String> {
    let mut watcher = Client::connect(address).expect("the server accepts");
    let mut other = Client::connect(address).expect("the server accepts");
    call(&mut other, &["FLUSHALL".to_string()]);
    call(
        &mut other,
        &["SET", &names[1], "1", "PX", "30"].map(str::to_string),
    );
    call(&mut watcher, &["WATCH".to_string(), names[1].clone()]);
    eventually("the key expires", WAIT_LIMIT, || {
        call(&mut other, &["EXISTS".to_string(), names[1].clone()]) == Reply::Integer(0)
    });
    (!is_refused(&mut watcher, "result"))
        .then(|| "a watched key expired, and EXEC is not refused".to_string())
}

/// Clients who watch and change what is theirs alone, at once: none may be refused.
fn no_false_alarm(address: SocketAddr, seed: u64, turns: u64) -> Option<String> {
    const CLIENTS: u64 = 6;
    const KEYS: u32 = 8;
    let violation = Mutex::new(None);
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let violation = &violation;
            scope.spawn(move || {
                let mut random =
                    Random::new(seed ^ (number + 1).wrapping_mul(0x5851_f42d_4c95_7f2d));
                let mut client = Client::connect(address).expect("the server accepts");
                let names: Vec<String> = (0..KEYS)
                    .map(|part| name_in(&format!("own.{number}.{part}"), part, KEYS))
                    .collect();
                for turn in 0..turns / CLIENTS {
                    let (first, second) =
                        (random.pick(&names).as_str(), random.pick(&names).as_str());
                    call(&mut client, &["WATCH", first, second].map(str::to_string));
                    call(&mut client, &["GET".to_string(), first.to_string()]);
                    let result = format!("own.{number}.{turn}");
                    let bytes = [
                        request(&["MULTI"]),
                        request(&["MSET", first, "1", second, "2"]),
                        request(&["INCR", &result]),
                        request(&["DEL", &result]),
                        request(&["EXEC"]),
                    ];
                    client.send(&bytes.concat()).expect("the server receives");
                    (0..4).for_each(|_| drop(client.read().expect("answered")));
                    let reply = client.read().expect("answered");
                    if !matches!(reply, Reply::Array(_)) {
                        let what = format!(
                            "nobody else changes {first} and {second}, but EXEC says {reply:?}"
                        );
                        violation
                            .lock()
                            .expect("no client panicked")
                            .get_or_insert(what);
                        return;
                    }
                }
            });
        }
    });
    violation.into_inner().expect("no client panicked")
}

/// What is said of cases whose expectations are wrong.
pub fn run_wrong(address: SocketAddr) -> Vec<String> {
    let wrong = [("", "SET b 1", false), ("SET a 1", "GET a", true)];
    wrong
        .iter()
        .filter_map(|case| run_case(address, &names(), *case))
        .collect()
}

/// Three keys of different shards.
fn names() -> Vec<String> {
    (0..3)
        .map(|part| name_in(&format!("watched.{part}"), part, 3))
        .collect()
}

/// All of it: what is wrong, or None.
pub fn run(address: SocketAddr, seed: u64, turns: u64) -> Option<String> {
    let names = names();
    let cases = CASES
        .iter()
        .filter_map(|case| run_case(address, &names, *case));
    let wrong: Vec<String> = cases
        .chain(expiry(address, &names))
        .chain(no_false_alarm(address, seed, turns))
        .collect();
    (!wrong.is_empty()).then(|| wrong.join("\n"))
}
