//! Commands on hashes: replies as data, RESP3, large hashes and expired fields.

use super::remove_expired;
use crate::command::tests::{Shard, escape};
use crate::engine::value::hash::Hash;
use crate::protocol::resp::Protocol;

#[test]
fn replies_are_those_of_redis_server() {
    let mut shard = Shard::new();
    let mut wrong = Vec::new();
    let lines = include_str!("replies.txt").lines();
    for line in lines.filter(|line| !line.starts_with('#')) {
        let (request, expected) = line.split_once(" => ").expect("a request and a reply");
        let reply = escape(&shard.line(request));
        if reply != expected {
            wrong.push(format!(
                "{request}\n  expected {expected}\n  got      {reply}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn maps_pairs_and_nulls_follow_the_protocol() {
    let mut shard = Shard::new();
    shard.protocol = Protocol::Resp3;
    shard.check("hset h f v", ":1\\r\\n");
    shard.check("hgetall h", "%1\\r\\n$1\\r\\nf\\r\\n$1\\r\\nv\\r\\n");
    shard.check("hgetall nokey", "%0\\r\\n");
    shard.check("hget h g", "_\\r\\n");
    shard.check("hrandfield nokey", "_\\r\\n");
    shard.check("hrandfield h 1", "*1\\r\\n$1\\r\\nf\\r\\n");
    shard.check(
        "hrandfield h -2 withvalues",
        "*2\\r\\n*2\\r\\n$1\\r\\nf\\r\\n$1\\r\\nv\\r\\n*2\\r\\n$1\\r\\nf\\r\\n$1\\r\\nv\\r\\n",
    );
    shard.check(
        "hscan h 0 novalues",
        "*2\\r\\n$1\\r\\n0\\r\\n*1\\r\\n$1\\r\\nf\\r\\n",
    );
}

#[test]
fn a_large_hash_is_read_scanned_and_emptied() {
    let mut shard = Shard::new();
    for number in 0..1000 {
        shard.check(&format!("hset h f{number} {number}"), ":1\\r\\n");
    }
    shard.check("hlen h", ":1000\\r\\n");
    shard.check("object encoding h", "$9\\r\\nhashtable\\r\\n");
    shard.check("hincrby h f7 1", ":8\\r\\n");
    shard.check("hget h f7", "$1\\r\\n8\\r\\n");
    let mut seen = std::collections::BTreeSet::new();
    let mut cursor = "0".to_string();
    loop {
        let reply = escape(&shard.line(&format!("hscan h {cursor} count 20 novalues")));
        let words: Vec<&str> = reply.split("\\r\\n").collect();
        cursor = words[2].to_string();
        seen.extend(
            words
                .iter()
                .filter(|word| word.starts_with('f'))
                .map(|word| word.to_string()),
        );
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 1000);
    let reply = escape(&shard.line("hrandfield h 1000"));
    let fields: std::collections::BTreeSet<&str> = reply
        .split("\\r\\n")
        .filter(|word| word.starts_with('f'))
        .collect();
    assert_eq!(fields.len(), 1000);
    for number in 0..1000 {
        shard.check(&format!("hdel h f{number}"), ":1\\r\\n");
    }
    shard.check("exists h", ":0\\r\\n");
}

#[test]
fn expired_fields_are_invisible_and_go_with_the_next_change() {
    let mut shard = Shard::new();
    shard.check("hset h a 1 b 2", ":2\\r\\n");
    let now_ms = shard.engine.now_ms();
    let key = shard.engine.key(0, b"h");
    shard
        .engine
        .edit_collection::<Hash, _>(&key, false, |hash, editing| {
            hash.set_expiry(b"a", Some(now_ms + 10), now_ms, &editing.limits.hash)
        })
        .expect("there is room")
        .expect("the key is there");
    shard.check("hincrby h a 1", ":2\\r\\n");
    shard.engine.set_now(now_ms + 10);
    shard.check("hget h a", "$-1\\r\\n");
    shard.check("hlen h", ":1\\r\\n");
    shard.check("hgetall h", "*2\\r\\n$1\\r\\nb\\r\\n$1\\r\\n2\\r\\n");
    shard.check("hdel h a", ":0\\r\\n");
    let item = shard
        .engine
        .find(&key, crate::engine::Touch::No)
        .expect("b is there");
    assert_eq!(shard.engine.view::<Hash>(item).expect("a hash").len(), 1);
}

#[test]
fn few_expired_fields_go_at_a_time() {
    let shard = Shard::new();
    let limits = &shard.engine.limits().hash;
    let mut hash = Hash::new();
    for number in 0..100 {
        let name = format!("f{number}");
        hash.set(
            name.as_bytes(),
            b"v",
            crate::engine::Expiry::At(5),
            1,
            limits,
        );
    }
    remove_expired(&mut hash, 4);
    assert_eq!(hash.view().len(), 100);
    remove_expired(&mut hash, 5);
    assert_eq!(hash.view().len(), 100 - super::EXPIRED_FIELDS_MAX);
}
