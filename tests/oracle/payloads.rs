//! DUMP payloads go both ways: random values of every type and encoding are made on redis-server and restored on torc, and back.
//!
//! What is read back must be the same, and so must the payloads, byte for byte, where their bytes have one order: all but those of hash tables, and the
//! compression of long texts. A payload that names a newer version of the format is not asked of redis-server 7.0.

use crate::support::client::Client;
use crate::support::random::{Random, seed};
use crate::support::reply::{Reply, printable};
use crate::support::server::Server;

/// Values of each kind.
const VALUES: u64 = 300;

/// How a value is made, and read back.
struct Kind {
    make: fn(&mut Random) -> Vec<Vec<Vec<u8>>>,
    read: &'static [&'static str],
    /// Whether what is read has an order.
    is_ordered: bool,
    encoding: &'static [&'static str],
    /// Whether its payload has one order of bytes.
    is_exact: bool,
}

fn word(text: &str) -> Vec<u8> {
    text.as_bytes().to_vec()
}

fn request(words: &[&str], more: impl IntoIterator<Item = Vec<u8>>) -> Vec<Vec<u8>> {
    words.iter().map(|text| word(text)).chain(more).collect()
}

/// A short text without patterns, or an integer of any width.
fn element(random: &mut Random) -> Vec<u8> {
    match random.below(5) {
        0 => (random.next() as i64 >> random.below(64))
            .to_string()
            .into_bytes(),
        1 => random.between(-200, 200).to_string().into_bytes(),
        _ => {
            let length = random.below(64) as usize;
            random.bytes(length)
        }
    }
}

fn elements(random: &mut Random, most: u64) -> Vec<Vec<u8>> {
    let bound = if random.chance(30) { most } else { 12 };
    let count = 1 + random.below(bound);
    (0..count).map(|_| element(random)).collect()
}

fn integers(random: &mut Random, most: u64, shift_max: u64) -> Vec<Vec<u8>> {
    let count = 1 + random.below(most);
    let shift = 63 - random.below(shift_max);
    (0..count)
        .map(|_| (random.next() as i64 >> shift).to_string().into_bytes())
        .collect()
}

fn different(mut elements: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let mut seen = std::collections::HashSet::new();
    elements.retain(|element| seen.insert(element.clone()));
    elements
}

/// A score of few binary digits, which 7.0 writes like its successors.
fn score(random: &mut Random) -> Vec<u8> {
    match random.below(5) {
        0 => word(random.pick::<&str>(&["inf", "-inf", "0", "-0", "1e20"])),
        1 => (random.between(-1_000_000, 1_000_000) as f64 / 64.0)
            .to_string()
            .into_bytes(),
        _ => random.between(-100, 100).to_string().into_bytes(),
    }
}

fn text(random: &mut Random) -> Vec<Vec<Vec<u8>>> {
    let text = match random.below(4) {
        0 => element(random),
        1 => word("compressible ").repeat(random.below(300) as usize),
        2 => {
            let length = random.below(20_000) as usize;
            (0..length).map(|_| b'a' + random.below(3) as u8).collect()
        }
        _ => {
            let length = random.below(5000) as usize;
            random.bytes(length)
        }
    };
    vec![request(&["SET", "key"], [text])]
}

fn short_text(random: &mut Random) -> Vec<Vec<Vec<u8>>> {
    // What is longer than 20 bytes is compressed, if that makes it shorter.
    let mut text = element(random);
    if random.chance(70) {
        text.truncate(20);
    }
    vec![request(&["SET", "key"], [text])]
}

fn list(random: &mut Random) -> Vec<Vec<Vec<u8>>> {
    let mut steps = vec![request(&["RPUSH", "key"], elements(random, 1500))];
    if random.chance(20) {
        let long = 8000 + random.below(4000) as usize;
        steps.push(request(&["RPUSH", "key"], [random.bytes(long)]));
    }
    steps
}

fn packed_hash(random: &mut Random) -> Vec<Vec<Vec<u8>>> {
    let names = different(elements(random, 100));
    let fields = names
        .into_iter()
        .flat_map(|name| [name, element(random)])
        .collect::<Vec<_>>();
    vec![request(&["HSET", "key"], fields)]
}

fn large_hash(random: &mut Random) -> Vec<Vec<Vec<u8>>> {
    let mut steps = packed_hash(random);
    let long = 65 + random.below(500) as usize;
    steps.push(request(&["HSET", "key", "long"], [random.bytes(long)]));
    steps
}

fn intset(random: &mut Random) -> Vec<Vec<Vec<u8>>> {
    vec![request(&["SADD", "key"], integers(random, 500, 62))]
}

fn large_set(random: &mut Random) -> Vec<Vec<Vec<u8>>> {
    let mut members = elements(random, 600);
    members.push(word("text"));
    // More than torc packs, so that its payload is of the type that 7.0 knows.
    members.extend((0..150).map(|number| format!("member {number}").into_bytes()));
    vec![request(&["SADD", "key"], members)]
}

fn small_set(random: &mut Random) -> Vec<Vec<Vec<u8>>> {
    let mut members = elements(random, 100);
    members.push(word("text"));
    vec![request(&["SADD", "key"], members)]
}

fn packed_sorted_set(random: &mut Random) -> Vec<Vec<Vec<u8>>> {
    let members = different(elements(random, 100));
    let pairs = members
        .into_iter()
        .flat_map(|member| [score(random), member])
        .collect::<Vec<_>>();
    vec![request(&["ZADD", "key"], pairs)]
}

fn large_sorted_set(random: &mut Random) -> Vec<Vec<Vec<u8>>> {
    let mut steps = packed_sorted_set(random);
    let long = 65 + random.below(500) as usize;
    steps.push(request(&["ZADD", "key", "1.5"], [random.bytes(long)]));
    steps
}

fn stream(random: &mut Random) -> Vec<Vec<Vec<u8>>> {
    let mut steps = Vec::new();
    let bound = if random.chance(20) { 400 } else { 20 };
    let count = 1 + random.below(bound);
    for number in 1..=count {
        let id = format!("{}-{}", number * 3, random.below(5));
        let mut step = request(&["XADD", "key", &id], []);
        let same = random.chance(60);
        for field in 0..=random.below(3) {
            step.push(match same {
                true => format!("field {field}").into_bytes(),
                false => element(random),
            });
            step.push(element(random));
        }
        steps.push(step);
    }
    for _ in 0..random.below(4) {
        let id = format!("{}", 3 * random.below(count));
        steps.push(match random.below(3) {
            0 => request(&["XDEL", "key", &id], []),
            1 => request(&["XTRIM", "key", "MINID", &id], []),
            _ => request(&["XSETID", "key", &format!("{}-9", count * 3 + 7)], []),
        });
    }
    for group in 0..random.below(3) {
        let name = format!("group {group}");
        let id = format!("{}", 3 * random.below(count));
        steps.push(request(&["XGROUP", "CREATE", "key", &name, &id], []));
        for consumer in 0..random.below(3) {
            let consumer = format!("consumer {consumer}");
            let count = (1 + random.below(5)).to_string();
            let words = ["XREADGROUP", "GROUP", &name, &consumer, "COUNT", &count];
            let mut step = request(&words, []);
            step.extend(request(&["STREAMS", "key", ">"], []));
            steps.push(step);
        }
    }
    steps
}

fn hyperloglog(random: &mut Random) -> Vec<Vec<Vec<u8>>> {
    let bound = if random.chance(20) { 3000 } else { 100 };
    let count = 1 + random.below(bound);
    let members = (0..count).map(|_| random.next().to_string().into_bytes());
    vec![request(&["PFADD", "key"], members.collect::<Vec<_>>())]
}

const KINDS: &[Kind] = &[
    Kind {
        make: text,
        read: &["GET", "key"],
        is_ordered: true,
        encoding: &["int", "embstr", "raw"],
        is_exact: true,
    },
    Kind {
        make: short_text,
        read: &["GET", "key"],
        is_ordered: true,
        encoding: &["int", "embstr", "raw"],
        is_exact: true,
    },
    Kind {
        make: hyperloglog,
        read: &["GET", "key"],
        is_ordered: true,
        encoding: &["raw"],
        is_exact: true,
    },
    Kind {
        make: list,
        read: &["LRANGE", "key", "0", "-1"],
        is_ordered: true,
        encoding: &["quicklist"],
        is_exact: true,
    },
    Kind {
        make: packed_hash,
        read: &["HGETALL", "key"],
        is_ordered: true,
        encoding: &["listpack"],
        is_exact: true,
    },
    Kind {
        make: large_hash,
        read: &["HGETALL", "key"],
        is_ordered: false,
        encoding: &["hashtable"],
        is_exact: false,
    },
    Kind {
        make: intset,
        read: &["SMEMBERS", "key"],
        is_ordered: true,
        encoding: &["intset"],
        is_exact: true,
    },
    Kind {
        make: small_set,
        read: &["SMEMBERS", "key"],
        is_ordered: false,
        encoding: &["hashtable"],
        is_exact: false,
    },
    Kind {
        make: large_set,
        read: &["SMEMBERS", "key"],
        is_ordered: false,
        encoding: &["hashtable"],
        is_exact: false,
    },
    Kind {
        make: packed_sorted_set,
        read: &["ZRANGE", "key", "0", "-1", "WITHSCORES"],
        is_ordered: true,
        encoding: &["listpack"],
        is_exact: true,
    },
    Kind {
        make: large_sorted_set,
        read: &["ZRANGE", "key", "0", "-1", "WITHSCORES"],
        is_ordered: true,
        encoding: &["skiplist"],
        is_exact: true,
    },
    Kind {
        make: stream,
        read: &["XINFO", "STREAM", "key", "FULL", "COUNT", "0"],
        is_ordered: true,
        encoding: &["stream"],
        is_exact: true,
    },
];

fn payload(client: &mut Client) -> Vec<u8> {
    match client.words("DUMP key") {
        Reply::Bulk(payload) => payload,
        other => panic!("no payload: {other:?}"),
    }
}

fn restore(client: &mut Client, payload: &[u8]) {
    let reply = client.call(&[b"RESTORE", &b"key"[..], b"0", payload, b"REPLACE"]);
    let accepted = Reply::Simple(b"OK".to_vec());
    assert_eq!(reply, accepted, "of the payload {}", printable(payload));
}

/// What a value holds; of a stream without what only 7.0 counts otherwise.
fn content(client: &mut Client, kind: &Kind) -> Vec<Reply> {
    let mut reply = client.call(kind.read);
    if kind.read[0] == "XINFO" {
        crate::compare::without_times(&mut reply);
    }
    match reply {
        Reply::Array(elements) | Reply::Map(elements) if !kind.is_ordered => {
            let pairs = kind.read[0] == "HGETALL";
            let rows = elements.chunks(if pairs { 2 } else { 1 });
            let mut rows: Vec<Vec<Reply>> = rows.map(<[Reply]>::to_vec).collect();
            rows.sort();
            rows.concat()
        }
        other => vec![other],
    }
}

#[test]
fn payloads_of_every_encoding_go_both_ways() {
    let Some(redis) = crate::start_oracle() else {
        return;
    };
    let torc = Server::start(&[]);
    let (mut of_redis, mut of_torc) = (redis.client(), torc.client());
    let mut random = Random::new(seed("payloads"));
    for (number, kind) in KINDS.iter().enumerate() {
        for _ in 0..VALUES {
            of_redis.words("DEL key");
            for step in (kind.make)(&mut random) {
                of_redis.call(&step);
            }
            let encoding = of_redis.words("OBJECT ENCODING key").text();
            assert!(
                kind.encoding.contains(&encoding.as_str()),
                "kind {number} is {encoding}"
            );
            let original = payload(&mut of_redis);
            let expected = content(&mut of_redis, kind);
            restore(&mut of_torc, &original);
            assert_eq!(content(&mut of_torc, kind), expected, "kind {number}");
            let made = payload(&mut of_torc);
            if kind.is_exact {
                assert!(
                    made == original,
                    "kind {number}: torc's payload\n{}\nredis-server's\n{}",
                    printable(&made),
                    printable(&original)
                );
            }
            restore(&mut of_redis, &made);
            assert_eq!(content(&mut of_redis, kind), expected, "kind {number}");
        }
    }
    torc.stop();
    redis.stop();
}
