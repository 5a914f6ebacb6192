//! `replies.txt` holds what redis-server answered. Counters, sets and nulls of RESP3 are tested here.

use crate::command::tests::{Shard, check_replies};
use crate::engine::Expiry;
use crate::engine::value::set::Set;
use crate::protocol::resp::Protocol;

#[test]
fn replies_are_those_of_redis_server() {
    check_replies(include_str!("replies.txt"), 110);
}

#[test]
fn a_set_is_sorted_by_its_texts_before_it_is_stored() {
    let mut shard = Shard::new();
    let mut set = Set::new();
    for member in ["20", "3", "-1"] {
        set.add(member.as_bytes(), &shard.engine.limits().set);
    }
    let key = shard.engine.key(0, b"set");
    shard
        .engine
        .set_collection(&key, set, Expiry::None)
        .unwrap();
    let numbers = "*3\\r\\n$2\\r\\n-1\\r\\n$1\\r\\n3\\r\\n$2\\r\\n20\\r\\n";
    shard.check("sort set", numbers);
    shard.check("sort set limit 1 1", "*1\\r\\n$1\\r\\n3\\r\\n");
    shard.check("sort set by nosort store to", ":3\\r\\n");
    shard.check(
        "lrange to 0 -1",
        "*3\\r\\n$2\\r\\n-1\\r\\n$2\\r\\n20\\r\\n$1\\r\\n3\\r\\n",
    );
    assert!(
        shard
            .line("sort set by nosort limit 1 2")
            .starts_with(b"*2\r\n")
    );
}

#[test]
fn hits_misses_and_changes_are_counted() {
    let mut shard = Shard::new();
    shard.protocol = Protocol::Resp3;
    shard.line("rpush l 1 2");
    shard.line("set w_1 5");
    for (line, hits, misses, changes) in [
        ("sort l", 1, 0, 0),
        ("sort nokey", 0, 1, 0),
        ("sort l by w_* get # get w_*", 3, 2, 0),
        ("sort l store to", 1, 0, 2),
        ("sort nokey store to", 0, 1, 1),
        ("sort nokey store to", 0, 1, 0),
    ] {
        shard.check_counts(line, [hits, misses, changes]);
    }
    shard.check("sort_ro l get w_*", "*2\\r\\n$1\\r\\n5\\r\\n_\\r\\n");
}

#[test]
fn keys_are_the_source_and_the_last_destination() {
    let mut shard = Shard::new();
    for (line, reply) in [
        ("sort a", "*1\\r\\n$1\\r\\na\\r\\n"),
        (
            "sort a get store by store store b store c limit 0 1",
            "*2\\r\\n$1\\r\\na\\r\\n$1\\r\\nc\\r\\n",
        ),
        ("sort_ro a by b", "*1\\r\\n$1\\r\\na\\r\\n"),
    ] {
        shard.check(&format!("command getkeys {line}"), reply);
    }
    shard.check(
        "command getkeysandflags sort a store b",
        "*2\\r\\n*2\\r\\n$1\\r\\na\\r\\n*2\\r\\n+RO\\r\\n+access\\r\\n*2\\r\\n$1\\r\\nb\\r\\n*2\\r\\n+OW\\r\\n+update\\r\\n",
    );
}
