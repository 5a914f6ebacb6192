//! Replies of the commands on sorted sets. `replies.txt` holds what redis-server answered; what it does not have or cannot tell is here.

use crate::command::tests::{Shard, check_replies};
use crate::engine::Expiry;
use crate::engine::value::set::Set;
use crate::protocol::resp::Protocol;

#[test]
fn replies_are_those_of_redis_server() {
    check_replies(include_str!("replies.txt"), 350);
}

#[test]
fn ranks_come_with_scores() {
    let mut shard = Shard::new();
    shard.check("zadd z 1 a 2.5 b 3 c", ":3\\r\\n");
    shard.check("zrank z b withscore", "*2\\r\\n:1\\r\\n$3\\r\\n2.5\\r\\n");
    shard.check("zrevrank z a WithScore", "*2\\r\\n:2\\r\\n$1\\r\\n1\\r\\n");
    shard.check("zrank z nosuch withscore", "*-1\\r\\n");
    shard.check("zrank nosuch a withscore", "*-1\\r\\n");
    shard.check("zrank z a withscores", "-ERR syntax error\\r\\n");
    shard.check(
        "zrevrank z a withscore x",
        "-ERR wrong number of arguments for 'zrevrank' command\\r\\n",
    );
}

#[test]
fn scores_are_doubles_and_pairs_in_the_newer_protocol() {
    let mut shard = Shard::new();
    shard.protocol = Protocol::Resp3;
    shard.check("zadd z 1 a 2.5 b", ":2\\r\\n");
    shard.check("zscore z b", ",2.5\\r\\n");
    shard.check("zscore z c", "_\\r\\n");
    shard.check("zadd z incr inf c", ",inf\\r\\n");
    shard.check("zadd z xx incr 1 d", "_\\r\\n");
    shard.check("zmscore z a d", "*2\\r\\n,1\\r\\n_\\r\\n");
    shard.check(
        "zrange z 0 1 withscores",
        "*2\\r\\n*2\\r\\n$1\\r\\na\\r\\n,1\\r\\n*2\\r\\n$1\\r\\nb\\r\\n,2.5\\r\\n",
    );
    shard.check("zrank z a withscore", "*2\\r\\n:0\\r\\n,1\\r\\n");
    shard.check("zrank z d withscore", "_\\r\\n");
}

#[test]
fn changes_are_counted() {
    let mut shard = Shard::new();
    for (line, changes) in [
        ("zadd z 1 a 2 b 3 c", 3),
        ("zadd z 1 a 4 b 5 d", 5),
        ("zadd z nx 9 a", 5),
        ("zincrby z 1 a", 6),
        ("zincrby z 0 a", 6),
        ("zrem z a nosuch", 7),
        ("zrangestore y z 0 -1", 8),
        ("zrangestore y z 5 9", 9),
        ("zrangestore y z 5 9", 9),
        ("zremrangebyrank z 0 0", 10),
        ("zremrangebyscore z -inf inf", 12),
        ("zremrangebylex z - +", 12),
    ] {
        shard.line(line);
        assert_eq!(shard.stats.changes, changes, "{line}");
    }
    assert_eq!(shard.line("exists z y"), b":0\r\n");
}

#[test]
fn popped_and_sampled_members_are_pairs_in_the_newer_protocol() {
    let mut shard = Shard::new();
    shard.protocol = Protocol::Resp3;
    shard.check("zadd z 1 a 2 b 3 c 4 d", ":4\\r\\n");
    shard.check("zpopmin z", "*2\\r\\n$1\\r\\na\\r\\n,1\\r\\n");
    shard.check("zpopmin z 1", "*1\\r\\n*2\\r\\n$1\\r\\nb\\r\\n,2\\r\\n");
    shard.check(
        "bzpopmax z 0",
        "*3\\r\\n$1\\r\\nz\\r\\n$1\\r\\nd\\r\\n,4\\r\\n",
    );
    shard.check(
        "zrandmember z 1 withscores",
        "*1\\r\\n*2\\r\\n$1\\r\\nc\\r\\n,3\\r\\n",
    );
    shard.check(
        "zunion 1 z weights 2 withscores",
        "*1\\r\\n*2\\r\\n$1\\r\\nc\\r\\n,6\\r\\n",
    );
    shard.check(
        "zscan z 0",
        "*2\\r\\n$1\\r\\n0\\r\\n*2\\r\\n$1\\r\\nc\\r\\n$1\\r\\n3\\r\\n",
    );
    shard.check(
        "zmpop 1 z min",
        "*2\\r\\n$1\\r\\nz\\r\\n*1\\r\\n*2\\r\\n$1\\r\\nc\\r\\n,3\\r\\n",
    );
    shard.check("zmpop 1 z min", "_\\r\\n");
}

#[test]
fn plain_sets_are_sources_with_scores_of_one() {
    let mut shard = Shard::new();
    let mut plain = Set::new();
    for member in [&b"a"[..], b"7", b"x"] {
        plain.add(member, &shard.engine.limits().set);
    }
    let key = shard.engine.key(0, b"plain");
    shard
        .engine
        .set_collection(&key, plain, Expiry::None)
        .unwrap();
    shard.check("zadd z 5 a 6 7 7 c", ":3\\r\\n");
    shard.check(
        "zinter 2 z plain withscores",
        "*4\\r\\n$1\\r\\na\\r\\n$1\\r\\n6\\r\\n$1\\r\\n7\\r\\n$1\\r\\n7\\r\\n",
    );
    shard.check("zintercard 2 plain z", ":2\\r\\n");
    shard.check("zunionstore to 2 plain z weights 10 1", ":4\\r\\n");
    shard.check(
        "zmscore to x a c",
        "*3\\r\\n$2\\r\\n10\\r\\n$2\\r\\n15\\r\\n$1\\r\\n7\\r\\n",
    );
    shard.check("zdiff 2 z plain", "*1\\r\\n$1\\r\\nc\\r\\n");
    shard.check("zdiff 2 plain z", "*1\\r\\n$1\\r\\nx\\r\\n");
    let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value\\r\\n";
    shard.check("zscore plain a", wrong);
    shard.check("zadd plain 1 a", wrong);
    shard.check("zpopmin plain", wrong);
}

#[test]
fn nothing_to_pop_is_nothing_when_one_may_not_wait() {
    let mut shard = Shard::new();
    shard.check("bzpopmin a b 0", "*-1\\r\\n");
    shard.check("bzpopmax a 1.5", "*-1\\r\\n");
    shard.check("bzmpop 1 2 a b max", "*-1\\r\\n");
}

#[test]
fn a_large_set_does_what_a_small_one_does() {
    let mut shard = Shard::new();
    for member in 0..1000 {
        shard.check(&format!("zadd z {} m{member}", member / 2), ":1\\r\\n");
    }
    shard.check("object encoding z", "$8\\r\\nskiplist\\r\\n");
    shard.check("zrank z m500", ":500\\r\\n");
    shard.check("zcount z 100 (200", ":200\\r\\n");
    shard.check(
        "zrange z 100 50 byscore rev limit 1 2",
        "*2\\r\\n$4\\r\\nm200\\r\\n$4\\r\\nm199\\r\\n",
    );
    shard.check("zrangestore y z 10 900", ":891\\r\\n");
    shard.check("zunionstore x 2 y z weights 1 2", ":1000\\r\\n");
    shard.check("zscore x m100", "$3\\r\\n150\\r\\n");
    shard.check("zscore x m998", "$3\\r\\n998\\r\\n");
    shard.check("zinterstore x 2 y z aggregate max", ":891\\r\\n");
    shard.check("zdiffstore x 2 z y", ":109\\r\\n");
    shard.check("zintercard 2 y z limit 100", ":100\\r\\n");
    shard.check("zremrangebyrank y 1 -2", ":889\\r\\n");
    shard.check(
        "zrange y 0 -1",
        "*2\\r\\n$3\\r\\nm10\\r\\n$4\\r\\nm900\\r\\n",
    );
    shard.check(
        "zpopmax z 2",
        "*4\\r\\n$4\\r\\nm999\\r\\n$3\\r\\n499\\r\\n$4\\r\\nm998\\r\\n$3\\r\\n499\\r\\n",
    );
    let (mut cursor, mut seen) = (String::from("0"), std::collections::BTreeSet::new());
    loop {
        let reply = String::from_utf8(shard.line(&format!("zscan z {cursor} count 50"))).unwrap();
        let mut lines = reply.split("\r\n").skip(2);
        cursor = lines.next().unwrap().to_owned();
        seen.extend(
            lines
                .filter(|line| line.starts_with('m'))
                .map(str::to_owned),
        );
        if cursor == "0" {
            break;
        }
    }
    assert_eq!(seen.len(), 998);
    shard.check("zpopmin z 1000", &all_popped());
    shard.check("exists z", ":0\\r\\n");
}

/// What popping all of the set of 998 members replies.
fn all_popped() -> String {
    let mut members: Vec<(usize, String)> = (0..998).map(|m| (m / 2, format!("m{m}"))).collect();
    members.sort();
    let mut text = String::from("*1996\\r\\n");
    for (score, member) in members {
        let score = score.to_string();
        for word in [member.as_str(), score.as_str()] {
            text.push_str(&format!("${}\\r\\n{word}\\r\\n", word.len()));
        }
    }
    text
}
