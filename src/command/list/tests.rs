//! `replies.txt` holds what redis-server answered. Counters, forms and long lists, which it cannot hold, are tested here.

use crate::command::tests::{Shard, check_replies};
use crate::protocol::resp::Protocol;

#[test]
fn replies_are_those_of_redis_server() {
    check_replies(include_str!("replies.txt"), 150);
}

#[test]
fn nulls_follow_the_protocol() {
    let mut shard = Shard::new();
    shard.protocol = Protocol::Resp3;
    for line in [
        "lpop nokey",
        "lpop nokey 1",
        "lindex nokey 0",
        "lmove nokey b left left",
        "lmpop 1 nokey left",
        "lpos nokey x",
        "blpop nokey 0",
        "blmove nokey b left left 0",
    ] {
        shard.check(line, "_\\r\\n");
    }
}

#[test]
fn hits_misses_and_changes_are_counted() {
    let mut shard = Shard::new();
    for (line, hits, misses, changes) in [
        ("rpush a 1 2 3 4 5 6 7 8", 0, 0, 8),
        ("lpushx nokey 1", 0, 0, 0),
        ("llen a", 1, 0, 0),
        ("lrange nokey 0 1", 0, 1, 0),
        ("lpop a", 0, 0, 1),
        ("rpop a 2", 0, 0, 2),
        ("lmove a b left left", 0, 0, 1),
        ("linsert a before 3 x", 0, 0, 1),
        ("linsert a before nope x", 0, 0, 0),
        ("lset a 0 y", 0, 0, 1),
        ("lrem a 0 y", 0, 0, 1),
        ("ltrim a 1 -1", 0, 0, 1),
        ("lpos a 5", 1, 0, 0),
        ("lmpop 2 nokey a left count 9", 0, 0, 3),
    ] {
        shard.check_counts(line, [hits, misses, changes]);
    }
}

#[test]
fn a_long_list_is_trimmed_in_steps_and_popped_at_once() {
    let mut shard = Shard::new();
    for chunk in 0..100 {
        let mut line = String::from("rpush long");
        for number in chunk * 300..(chunk + 1) * 300 {
            line.push_str(&format!(" {number}"));
        }
        shard.line(&line);
    }
    shard.check("llen long", ":30000\\r\\n");
    shard.check("object encoding long", "$9\\r\\nquicklist\\r\\n");
    shard.check("ltrim long 10000 19999", "+OK\\r\\n");
    shard.check("llen long", ":10000\\r\\n");
    shard.check("lindex long 0", "$5\\r\\n10000\\r\\n");
    shard.check("lindex long -1", "$5\\r\\n19999\\r\\n");
    assert!(
        shard
            .line("rpop long 9998")
            .starts_with(b"*9998\r\n$5\r\n19999\r\n$5\r\n19998\r\n")
    );
    shard.check(
        "lrange long 0 -1",
        "*2\\r\\n$5\\r\\n10000\\r\\n$5\\r\\n10001\\r\\n",
    );
    shard.check("object encoding long", "$8\\r\\nlistpack\\r\\n");
}
