//! `replies.txt` holds what redis-server answered. Counters, which it cannot hold, are tested here.

use crate::command::tests::{Shard, check_replies};

#[test]
fn replies_are_those_of_redis_server() {
    check_replies(include_str!("replies.txt"), 150);
}

#[test]
fn hits_misses_and_changes_are_counted() {
    let mut shard = Shard::new();
    for (line, hits, misses, changes) in [
        ("pfadd a", 0, 0, 1),
        ("pfadd a 1 2 3", 0, 0, 3),
        ("pfadd a 1 2 3", 0, 0, 0),
        ("pfadd b 1 2 3", 0, 0, 4),
        ("pfcount a", 1, 0, 1),
        ("pfcount a", 1, 0, 0),
        ("pfcount nokey", 0, 1, 0),
        ("pfcount a nokey b", 2, 1, 0),
        ("pfmerge c a b nokey", 2, 2, 1),
        ("pfmerge c", 1, 0, 1),
    ] {
        shard.check_counts(line, [hits, misses, changes]);
    }
}
