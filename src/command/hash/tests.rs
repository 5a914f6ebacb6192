//! Commands on hashes: replies as data, RESP3, large hashes and expired fields.

use crate::command::tests::{Shard, check_replies, escape};
use crate::engine::value::hash::Hash;
use crate::protocol::resp::Protocol;

#[test]
fn replies_are_those_of_redis_server() {
    check_replies(include_str!("replies.txt"), 130);
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
    shard.check("hgetall h", "*2\\r\\n$1\\r\\nb\\r\\n$1\\r\\n2\\r\\n");
    shard.check("hdel h a", ":0\\r\\n");
    let item = shard
        .engine
        .find(&key, crate::engine::Touch::No)
        .expect("b is there");
    assert_eq!(shard.engine.view::<Hash>(item).expect("a hash").len(), 1);
}

#[test]
fn few_expired_fields_go_with_one_change() {
    let mut shard = Shard::new();
    for number in 0..100 {
        shard.check(&format!("hsetex h px 5 fields 1 f{number} v"), ":1\\r\\n");
    }
    shard.engine.set_active_expiry(false);
    shard.engine.set_now(shard.engine.now_ms() + 5);
    shard.check("hlen h", ":100\\r\\n");
    shard.check("hset h g v", ":1\\r\\n");
    shard.check(
        "hlen h",
        &format!(":{}\\r\\n", 101 - super::EXPIRED_FIELDS_MAX),
    );
    assert_eq!(
        shard.engine.stats().expired_fields,
        super::EXPIRED_FIELDS_MAX as u64
    );
}

#[test]
fn commands_on_expiries_reply_as_redis_does() {
    check_replies(include_str!("expiry_replies.txt"), 150);
}

#[test]
fn nulls_of_values_with_expiries_follow_the_protocol() {
    let mut shard = Shard::new();
    shard.protocol = Protocol::Resp3;
    shard.check("hsetex h fields 1 a 1", ":1\\r\\n");
    shard.check("hgetex h fields 2 a b", "*2\\r\\n$1\\r\\n1\\r\\n_\\r\\n");
    shard.check("hgetdel h fields 2 a b", "*2\\r\\n$1\\r\\n1\\r\\n_\\r\\n");
    shard.check("hgetdel h fields 1 a", "*1\\r\\n_\\r\\n");
}

/// A packed hash and a large one, three of whose fields expire after 10 ms while `stay` does not.
fn with_expiring_fields(large: bool, stay: bool) -> Shard {
    let mut shard = Shard::new();
    shard.engine.set_active_expiry(false);
    if stay {
        shard.check("hset h s 1", ":1\\r\\n");
    }
    let value = if large { "v".repeat(100) } else { "v".into() };
    for field in ["a", "b", "c"] {
        shard.check(
            &format!("hsetex h px 10 fields 1 {field} {value}"),
            ":1\\r\\n",
        );
    }
    let encoding = if large {
        "$9\\r\\nhashtable\\r\\n"
    } else {
        "$10\\r\\nlistpackex\\r\\n"
    };
    shard.check("object encoding h", encoding);
    shard
}

#[test]
fn a_field_that_is_asked_for_goes_when_it_has_expired() {
    for large in [false, true] {
        let mut shard = with_expiring_fields(large, false);
        let now_ms = shard.engine.now_ms();
        shard.engine.set_now(now_ms + 9);
        shard.check("hpttl h fields 1 a", "*1\\r\\n:1\\r\\n");
        shard.check("httl h fields 1 a", "*1\\r\\n:1\\r\\n");
        shard.engine.set_now(now_ms + 10);
        shard.check("exists h", ":1\\r\\n");
        shard.check("hlen h", ":3\\r\\n");
        for line in ["hkeys h", "hvals h", "hgetall h"] {
            shard.check(line, "*0\\r\\n");
        }
        shard.check("hscan h 0", "*2\\r\\n$1\\r\\n0\\r\\n*0\\r\\n");
        shard.check("hlen h", ":3\\r\\n");
        shard.check("hexists h a", ":0\\r\\n");
        shard.check("hlen h", ":2\\r\\n");
        shard.check("hget h b", "$-1\\r\\n");
        shard.check("hlen h", ":1\\r\\n");
        shard.check("hstrlen h c", ":0\\r\\n");
        shard.check("exists h", ":0\\r\\n");
        assert_eq!(shard.engine.stats().expired_fields, 3);
        assert_eq!(shard.engine.stats().expired_keys, 0);
    }
}

#[test]
fn whatever_asks_for_expired_fields_does_not_find_them() {
    let asked = [
        ("hmget h a s", "*2\\r\\n$-1\\r\\n$1\\r\\n1\\r\\n"),
        ("httl h fields 2 a s", "*2\\r\\n:-2\\r\\n:-1\\r\\n"),
        ("hpexpiretime h fields 1 a", "*1\\r\\n:-2\\r\\n"),
        ("hpersist h fields 2 a s", "*2\\r\\n:-2\\r\\n:-1\\r\\n"),
        ("hexpire h 5 fields 2 a s", "*2\\r\\n:-2\\r\\n:1\\r\\n"),
        ("hgetex h persist fields 1 a", "*1\\r\\n$-1\\r\\n"),
        ("hgetdel h fields 1 a", "*1\\r\\n$-1\\r\\n"),
        ("hsetex h fxx fields 1 a x", ":0\\r\\n"),
        ("hsetex h fnx fields 1 a x", ":1\\r\\n"),
        ("hset h a x", ":1\\r\\n"),
        ("hsetnx h a x", ":1\\r\\n"),
        ("hincrby h a 3", ":3\\r\\n"),
        ("hincrbyfloat h a 1.5", "$3\\r\\n1.5\\r\\n"),
        ("hdel h a", ":0\\r\\n"),
        ("hrandfield h 9", "*1\\r\\n$1\\r\\ns\\r\\n"),
        ("hrandfield h", "$1\\r\\ns\\r\\n"),
        ("hgetall h", "*2\\r\\n$1\\r\\ns\\r\\n$1\\r\\n1\\r\\n"),
    ];
    for (line, expected) in asked {
        for large in [false, true] {
            let mut shard = with_expiring_fields(large, true);
            shard.engine.set_now(shard.engine.now_ms() + 10);
            shard.check(line, expected);
        }
    }
}

#[test]
fn expiries_of_fields_go_where_the_value_goes() {
    for large in [false, true] {
        let mut shard = with_expiring_fields(large, true);
        let time = shard.engine.now_ms() + 10;
        let times = format!("*2\\r\\n:{time}\\r\\n:-1\\r\\n");
        shard.check("copy h i", ":1\\r\\n");
        shard.check("hpexpiretime i fields 2 a s", &times);
        shard.check("rename i j", "+OK\\r\\n");
        shard.check("hpexpiretime j fields 2 b s", &times);
        shard.check("move j 3", ":1\\r\\n");
        shard.check("swapdb 0 3", "+OK\\r\\n");
        shard.check("hpexpiretime j fields 2 c s", &times);
        shard.check("pexpire j 1000", ":1\\r\\n");
        shard.check("hpexpiretime j fields 2 c s", &times);
        shard.engine.set_now(time);
        shard.check("hgetall j", "*2\\r\\n$1\\r\\ns\\r\\n$1\\r\\n1\\r\\n");
        shard.engine.set_active_expiry(true);
        while shard.engine.upkeep(100) {}
        // Both databases' hashes lost theirs.
        assert_eq!(shard.engine.stats().expired_fields, 6);
        shard.check("hlen j", ":1\\r\\n");
    }
}

#[test]
fn what_changed_is_counted() {
    let mut shard = Shard::new();
    let mut changes = |line: &str, expected: u64| {
        let before = shard.stats.changes;
        shard.line(line);
        assert_eq!(shard.stats.changes - before, expected, "{line}");
    };
    changes("hsetex h fields 3 a 1 b 2 c 3", 3);
    changes("hsetex h fnx fields 2 a 1 z 2", 0);
    changes("hexpire h 100 fields 3 a b z", 2);
    changes("hexpire h 100 nx fields 2 a c", 1);
    changes("hpersist h fields 3 a b c", 1);
    changes("hpersist h fields 3 a b c", 0);
    changes("hgetex h fields 2 a b", 0);
    changes("hgetex h ex 5 fields 3 a b z", 2);
    changes("hgetex h persist fields 3 a b c", 2);
    changes("hgetex h px 0 fields 1 a", 1);
    changes("hpexpireat h 1 fields 1 b", 1);
    changes("hgetdel h fields 2 a c", 1);
    changes("hgetdel h fields 1 c", 0);
    changes("hsetex h px 0 fields 2 a 1 b 2", 2);
    // Fields whose time had passed when it was set: a, b, and two more.
    assert_eq!(shard.engine.stats().expired_fields, 4);
}
