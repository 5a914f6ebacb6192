//! DUMP payloads of redis-server are read here, and those made here are taken by its RESTORE.

use super::support::client::Client;
use super::support::random::{Random, seed};
use super::support::reply::Reply;
use super::support::server::Server;
use super::{call, send, strings};
use std::collections::{BTreeMap, BTreeSet};
use torc::command::dump::{self, DumpedValue};

const BYTES_MAX: usize = 64 << 20;

fn element(random: &mut Random) -> Vec<u8> {
    match random.below(6) {
        0 => (random.next() as i64 >> random.below(64))
            .to_string()
            .into_bytes(),
        1 => random.between(-200, 200).to_string().into_bytes(),
        2 => b"compressible ".repeat(random.below(30) as usize),
        _ => {
            let bound = if random.chance(5) { 10_000 } else { 30 };
            let length = random.below(bound) as usize;
            random.bytes(length)
        }
    }
}

fn elements(random: &mut Random) -> Vec<Vec<u8>> {
    let bound = if random.chance(30) { 700 } else { 20 };
    let count = 1 + random.below(bound);
    let integers = random.chance(20);
    (0..count)
        .map(|_| {
            if integers {
                (random.next() as i64 >> random.below(64))
                    .to_string()
                    .into_bytes()
            } else {
                element(random)
            }
        })
        .collect()
}

fn read_dump(client: &mut Client) -> DumpedValue {
    let payload = call!(client, "DUMP", "key");
    dump::decode(payload.bytes(), BYTES_MAX).expect("redis-server's payload")
}

fn restore(client: &mut Client, payload: &[u8]) {
    let reply = call!(client, "RESTORE", "key", "0", payload, "REPLACE");
    assert_eq!(reply, Reply::Simple(b"OK".to_vec()));
}

fn pairs(flat: &[Vec<u8>]) -> BTreeMap<Vec<u8>, Vec<u8>> {
    flat.chunks_exact(2)
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect()
}

fn check_string(client: &mut Client, random: &mut Random) {
    let text = element(random);
    call!(client, "SET", "key", text);
    assert_eq!(read_dump(client), DumpedValue::String(text.clone()));
    restore(client, &dump::string(&text).finish());
    assert_eq!(call!(client, "GET", "key").bytes(), text);
}

fn check_list(client: &mut Client, random: &mut Random) {
    let elements = elements(random);
    send(client, &["RPUSH", "key"], &elements);
    assert_eq!(read_dump(client), DumpedValue::List(elements.clone()));
    restore(client, &dump::list(elements.iter()).finish());
    assert_eq!(
        strings(&call!(client, "LRANGE", "key", "0", "-1")),
        elements
    );
}

fn check_set(client: &mut Client, random: &mut Random) {
    let elements = elements(random);
    send(client, &["SADD", "key"], &elements);
    let expected: BTreeSet<_> = elements.into_iter().collect();
    let DumpedValue::Set(members) = read_dump(client) else {
        panic!("a set");
    };
    assert_eq!(members.iter().cloned().collect::<BTreeSet<_>>(), expected);
    restore(client, &dump::set(expected.len(), expected.iter()).finish());
    let members: BTreeSet<_> = strings(&call!(client, "SMEMBERS", "key"))
        .into_iter()
        .collect();
    assert_eq!(members, expected);
}

fn check_sorted_set(client: &mut Client, random: &mut Random) {
    let mut expected = BTreeMap::new();
    for member in elements(random) {
        let score = match random.below(4) {
            0 => random.between(-1000, 1000) as f64,
            1 => f64::from_bits(random.next()),
            2 => *random.pick(&[f64::INFINITY, f64::NEG_INFINITY, 0.0]),
            _ => random.between(-1_000_000, 1_000_000) as f64 / 1000.0,
        };
        if !score.is_nan() {
            expected.insert(member, score);
        }
    }
    expected.insert(b"one".to_vec(), 1.0);
    let flat: Vec<Vec<u8>> = expected
        .iter()
        .flat_map(|(member, score)| [score.to_string().into_bytes(), member.clone()])
        .collect();
    send(client, &["ZADD", "key"], &flat);
    let DumpedValue::SortedSet(members) = read_dump(client) else {
        panic!("a sorted set");
    };
    assert_eq!(members.into_iter().collect::<BTreeMap<_, _>>(), expected);
    restore(
        client,
        &dump::sorted_set(
            expected.len(),
            expected.iter().map(|(member, score)| (member, *score)),
        )
        .finish(),
    );
    let found = pairs(&strings(&call!(
        client,
        "ZRANGE",
        "key",
        "0",
        "-1",
        "WITHSCORES"
    )));
    let found: BTreeMap<Vec<u8>, f64> = found
        .into_iter()
        .map(|(member, score)| {
            (
                member,
                String::from_utf8_lossy(&score).parse().expect("a number"),
            )
        })
        .collect();
    assert_eq!(found, expected);
}

fn check_hash(client: &mut Client, random: &mut Random) {
    let names: BTreeSet<_> = elements(random).into_iter().collect();
    let expected: BTreeMap<_, _> = names
        .into_iter()
        .map(|name| (name, element(random)))
        .collect();
    let flat: Vec<Vec<u8>> = expected
        .iter()
        .flat_map(|(name, value)| [name.clone(), value.clone()])
        .collect();
    send(client, &["HSET", "key"], &flat);
    let DumpedValue::Hash(fields) = read_dump(client) else {
        panic!("a hash");
    };
    let found: BTreeMap<_, _> = fields
        .into_iter()
        .map(|field| (field.name, field.value))
        .collect();
    assert_eq!(found, expected);
    let fields = expected.iter().map(|(name, value)| (name, value, None));
    restore(client, &dump::hash(expected.len(), fields).finish());
    assert_eq!(pairs(&strings(&call!(client, "HGETALL", "key"))), expected);
}

#[test]
fn payloads_go_both_ways() {
    let Some(redis) = Server::start_redis(&[]) else {
        return;
    };
    let mut client = redis.client();
    let mut random = Random::new(seed("dump"));
    for _ in 0..400 {
        for check in [
            check_string,
            check_list,
            check_set,
            check_sorted_set,
            check_hash,
        ] {
            call!(client, "DEL", "key");
            check(&mut client, &mut random);
        }
    }
    redis.stop();
}
