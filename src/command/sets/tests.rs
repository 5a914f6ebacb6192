//! Replies of the commands on sets: `replies.txt` holds what redis-server answered.

use crate::command::tests::{Shard, check_replies, escape};

#[test]
fn replies_are_those_of_redis() {
    check_replies(include_str!("replies.txt"), 200);
}

#[test]
fn encodings_are_those_of_redis_7_2() {
    let mut shard = Shard::new();
    for (request, encoding) in [
        ("sadd i 1 2 3", "intset"),
        ("sadd i a", "listpack"),
        ("sadd l a", "listpack"),
    ] {
        shard.line(request);
        let reply = escape(&shard.line(&format!("object encoding {}", &request[5..6])));
        assert!(
            reply.ends_with(&format!("{encoding}\\r\\n")),
            "{request}: {reply}"
        );
    }
    shard.line(&format!("sadd h {}", "m".repeat(65)));
    assert!(escape(&shard.line("object encoding h")).contains("hashtable"));
}

#[test]
fn every_member_is_popped_once_and_scanned() {
    let mut shard = Shard::new();
    for member in 0..1000 {
        shard.line(&format!("sadd k m{member}"));
    }
    let reply = escape(&shard.line("sscan k 0 count 2000"));
    assert!(
        reply.starts_with("*2\\r\\n$1\\r\\n0\\r\\n*1000\\r\\n"),
        "{reply}"
    );
    let reply = escape(&shard.line("spop k 9223372036854775807"));
    assert!(reply.starts_with("*1000\\r\\n"), "{reply}");
    for member in 0..1000 {
        assert!(reply.contains(&format!("\\nm{member}\\r")), "{member}");
    }
    assert_eq!(escape(&shard.line("exists k")), ":0\\r\\n");
}
