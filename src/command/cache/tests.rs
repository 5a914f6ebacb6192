//! `replies.txt` is what the family answers where no token and no time comes in. Leases are tested here, with the clock in the test's hand.

use crate::command::CommandStats;
use crate::command::tests::{Shard, check_replies, escape};
use crate::engine::Attributes;

#[test]
fn replies_are_as_documented() {
    check_replies(include_str!("replies.txt"), 100);
}

/// What CACHE.GET replies, on one line, a token as `token`; and the token.
fn get(shard: &mut Shard, line: &str) -> (String, i64) {
    let reply = escape(&shard.line(line));
    let lines: Vec<&str> = reply.split("\\r\\n").collect();
    assert_eq!(lines[0], "*4", "{line}: {reply}");
    let (mut words, mut token) = (Vec::new(), 0);
    for &part in &lines[1..] {
        match part.as_bytes().first() {
            Some(b'$') if part == "$-1" => words.push("nil"),
            Some(b'$') if part == "$0" => words.push("empty"),
            Some(b'$') | None => {}
            Some(b':') if words.len() == 2 => {
                token = part[1..].parse().unwrap();
                words.push("token");
            }
            Some(b':') => words.push(&part[1..]),
            Some(_) => words.push(part),
        }
    }
    (words.join(" "), token)
}

fn check_get(shard: &mut Shard, line: &str, expected: &str) -> i64 {
    let (reply, token) = get(shard, line);
    assert_eq!(reply, expected, "{line}");
    token
}

fn pass(shard: &mut Shard, ms: i64) {
    let now_ms = shard.engine.now_ms();
    shard.engine.set_now(now_ms + ms);
}

#[test]
fn one_of_those_who_miss_wins_and_another_when_he_dies() {
    let mut shard = Shard::new();
    let first = check_get(&mut shard, "cache.get k lease 2", "nil won token 2000");
    for _ in 0..3 {
        check_get(&mut shard, "cache.get k lease 2", "nil wait nil 2000");
    }
    check_get(&mut shard, "cache.get k", "nil wait nil 2000");
    pass(&mut shard, 1999);
    check_get(&mut shard, "cache.get k lease 2", "nil wait nil 1");
    pass(&mut shard, 1);
    let second = check_get(&mut shard, "cache.get k lease 2", "nil won token 2000");
    assert_ne!(first, second);
    shard.check(&format!("cache.fill k {first} late"), ":0\\r\\n");
    shard.check(&format!("cache.release k {first}"), ":0\\r\\n");
    check_get(&mut shard, "cache.get k lease 2", "nil wait nil 2000");
    shard.check(
        &format!("cache.fill k {second} value ex 10 tags 1 t"),
        ":1\\r\\n",
    );
    check_get(&mut shard, "cache.get k lease 2", "value hit nil 10000");
    shard.check("cache.tags k", "*1\\r\\n$1\\r\\nt\\r\\n");
    shard.check(&format!("cache.fill k {second} again"), ":0\\r\\n");
    // One that gives up lets the next begin at once.
    let third = check_get(&mut shard, "cache.get other lease 2", "nil won token 2000");
    shard.check(&format!("cache.release other {third}"), ":1\\r\\n");
    shard.check("exists other", ":0\\r\\n");
    check_get(&mut shard, "cache.get other lease 2", "nil won token 2000");
}

#[test]
fn whatever_changes_the_key_voids_the_lease() {
    let mut shard = Shard::new();
    for (setup, change) in [
        ("flushall", "set k v"),
        ("flushall", "del k"),
        ("flushall", "flushall"),
        ("flushall", "append k v"),
        ("flushall", "cache.stale k"),
        ("flushall", "cache.drop t"),
        ("cache.set k old ex 1 tags 1 t", "set k v"),
        ("cache.set k old ex 1 tags 1 t", "cache.stale k"),
        ("cache.set k old ex 1 tags 1 t", "cache.drop t"),
        ("cache.set k old ex 1 tags 1 t", "rename k l"),
    ] {
        shard.line("flushall");
        shard.line(setup);
        let (reply, token) = get(&mut shard, "cache.get k lease 5 refresh 2 tags 1 t");
        assert!(reply.contains("won"), "{setup}: {reply}");
        shard.line(change);
        shard.check(&format!("cache.fill k {token} value"), ":0\\r\\n");
        shard.check(&format!("cache.release k {token}"), ":0\\r\\n");
    }
}

#[test]
fn an_old_value_is_served_while_one_makes_a_new_one() {
    let mut shard = Shard::new();
    shard.line("cache.set k old ex 100");
    shard.check("cache.stale k 60", ":1\\r\\n");
    check_get(&mut shard, "cache.get k", "old stale nil 60000");
    let first = check_get(&mut shard, "cache.get k lease 2", "old won token 60000");
    check_get(&mut shard, "cache.get k lease 2", "old stale nil 60000");
    shard.check("get k", "$3\\r\\nold\\r\\n");
    // The first one dies.
    pass(&mut shard, 2000);
    let second = check_get(&mut shard, "cache.get k lease 2", "old won token 58000");
    check_get(&mut shard, "cache.get k lease 2", "old stale nil 58000");
    shard.check(&format!("cache.fill k {first} late"), ":0\\r\\n");
    // The second one gives up.
    shard.check(&format!("cache.release k {second}"), ":1\\r\\n");
    shard.check(&format!("cache.fill k {second} late"), ":0\\r\\n");
    let third = check_get(&mut shard, "cache.get k lease 2", "old won token 58000");
    shard.check(&format!("cache.fill k {third} new"), ":1\\r\\n");
    check_get(&mut shard, "cache.get k lease 2", "new hit nil -1");
}

#[test]
fn a_value_that_expires_soon_is_made_anew_by_one() {
    let mut shard = Shard::new();
    shard.line("cache.set k old ex 10");
    check_get(
        &mut shard,
        "cache.get k lease 2 refresh 3",
        "old hit nil 10000",
    );
    pass(&mut shard, 7001);
    check_get(&mut shard, "cache.get k", "old hit nil 2999");
    let first = check_get(
        &mut shard,
        "cache.get k lease 1 refresh 3",
        "old won token 2999",
    );
    check_get(
        &mut shard,
        "cache.get k lease 1 refresh 3",
        "old hit nil 2999",
    );
    pass(&mut shard, 1000);
    let second = check_get(
        &mut shard,
        "cache.get k lease 1 refresh 3",
        "old won token 1999",
    );
    shard.check(&format!("cache.fill k {first} late"), ":0\\r\\n");
    shard.check(&format!("cache.fill k {second} new ex 10"), ":1\\r\\n");
    check_get(
        &mut shard,
        "cache.get k lease 1 refresh 3",
        "new hit nil 10000",
    );
    // An empty value is one like any other.
    shard.check("cache.set k \"\" ex 1", "+OK\\r\\n");
    let (reply, _) = get(&mut shard, "cache.get k lease 1 refresh 3");
    assert_eq!(reply, "empty won token 1000");
    assert_eq!(
        get(&mut shard, "cache.get k lease 1 refresh 3").0,
        "empty hit nil 1000"
    );
}

#[test]
fn marks_of_memcached_s_clients_are_the_same_marks() {
    let mut shard = Shard::new();
    // What CACHE.GET promised is an item without a value that somebody has won.
    check_get(&mut shard, "cache.get k lease 5", "nil won token 5000");
    let attributes = |shard: &mut Shard| {
        let key = shard.engine.key(0, b"k");
        let item = shard.engine.find(&key, crate::engine::Touch::No).unwrap();
        shard.engine.attributes(item)
    };
    let won = Attributes {
        won: true,
        ..Attributes::default()
    };
    assert_eq!(attributes(&mut shard), won);
    // And the other way round: what they won is waited for, for a lease at most.
    let key = shard.engine.key(0, b"k");
    shard.line("set k old");
    let stale = Attributes {
        client_flags: 7,
        stale: true,
        ..won
    };
    shard.engine.set_attributes(&key, stale).unwrap();
    check_get(&mut shard, "cache.get k lease 2", "old stale nil -1");
    pass(&mut shard, 1999);
    check_get(&mut shard, "cache.get k lease 2", "old stale nil -1");
    pass(&mut shard, 1);
    check_get(&mut shard, "cache.get k lease 2", "old won token -1");
    assert_eq!(attributes(&mut shard), stale);
    // An item without a value that was made to last for ever.
    shard.line("set k \"\"");
    shard.engine.set_attributes(&key, won).unwrap();
    check_get(&mut shard, "cache.get k", "nil wait nil -1");
    check_get(&mut shard, "cache.get k lease 2", "nil wait nil 2000");
    pass(&mut shard, 2000);
    check_get(&mut shard, "cache.get k lease 2", "nil won token 2000");
}

#[test]
fn hits_misses_and_changes_are_counted() {
    let mut shard = Shard::new();
    shard.stats = CommandStats::default();
    for (line, hits, misses, changes) in [
        ("cache.get k", 0, 1, 0),
        ("cache.get k lease 1", 0, 1, 1),
        ("cache.get k lease 1", 0, 1, 0),
        ("cache.set k v tags 1 a", 0, 0, 1),
        ("cache.get k", 1, 0, 0),
        ("cache.stale k", 0, 0, 1),
        ("cache.get k lease 1", 1, 0, 1),
        ("cache.get k lease 1", 1, 0, 0),
        ("cache.tag k a b", 0, 0, 1),
        ("cache.tag k a b", 0, 0, 0),
        ("cache.tags k", 1, 0, 0),
        ("cache.tags l", 0, 1, 0),
        ("cache.set l v tags 1 a", 0, 0, 1),
        ("cache.drop a b", 0, 0, 2),
    ] {
        shard.check_counts(line, [hits, misses, changes]);
    }
}

#[test]
fn tags_are_bounded() {
    let mut shard = Shard::new();
    let names: Vec<String> = (0..64).map(|number| format!("t{number}")).collect();
    let names = names.join(" ");
    shard.check(&format!("cache.set k v tags 64 {names}"), "+OK\\r\\n");
    shard.check(
        "cache.tag k t1 more",
        "-ERR a key has at most 64 tags\\r\\n",
    );
    shard.check("cache.count more t1", ":1\\r\\n");
    let (longest, longer) = ("n".repeat(512), "n".repeat(513));
    shard.check(&format!("cache.set k v tags 1 {longest}"), "+OK\\r\\n");
    for request in [
        format!("cache.set k v tags 1 {longer}"),
        format!("cache.tag k {longer}"),
    ] {
        shard.check(&request, "-ERR a tag has at most 512 bytes\\r\\n");
    }
    shard.check(&format!("cache.drop {longer} {longest}"), ":1\\r\\n");
}

#[test]
fn without_memory_values_are_read_and_nobody_waits() {
    let mut shard = Shard::new();
    shard.line("cache.set k old ex 1 tags 1 a");
    shard.engine.set_memory_bytes_max(1);
    check_get(&mut shard, "cache.get k lease 2", "old hit nil 1000");
    check_get(&mut shard, "cache.get nokey lease 2", "nil miss nil -2");
    let oom = "-OOM command not allowed when used memory > 'maxmemory'.\\r\\n";
    for request in [
        "cache.set k v",
        "cache.fill k 1 v",
        "cache.tag k a",
        "cache.stale k",
    ] {
        shard.check(request, oom);
    }
    check_get(
        &mut shard,
        "cache.get k lease 2 refresh 9",
        "old hit nil 1000",
    );
    shard.check("cache.drop a", ":1\\r\\n");
    shard.engine.set_memory_bytes_max(0);
    check_get(&mut shard, "cache.get nokey lease 2", "nil won token 2000");
}
