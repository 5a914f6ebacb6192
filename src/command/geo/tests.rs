//! `replies.txt` holds what redis-server answered. Counters and nulls of RESP3, which it cannot hold, are tested here.

use crate::command::tests::{Shard, check_replies};
use crate::protocol::resp::Protocol;

#[test]
fn replies_are_those_of_redis_server() {
    check_replies(include_str!("replies.txt"), 150);
}

#[test]
fn numbers_and_nulls_follow_the_protocol() {
    let mut shard = Shard::new();
    shard.protocol = Protocol::Resp3;
    shard.line("geoadd g 13.361389 38.115556 Palermo");
    for (line, reply) in RESP3 {
        shard.check(line, reply);
    }
}

const RESP3: &[(&str, &str)] = &[
    ("geodist g Palermo nobody", "_\\r\\n"),
    ("geodist g Palermo Palermo", "$6\\r\\n0.0000\\r\\n"),
    (
        "geohash g nobody Palermo",
        "*2\\r\\n_\\r\\n$11\\r\\nsqc8b49rny0\\r\\n",
    ),
    (
        "geopos g nobody Palermo",
        "*2\\r\\n_\\r\\n*2\\r\\n,13.36138933897018433\\r\\n,38.11555639549629859\\r\\n",
    ),
    (
        "georadius g 13 38 100 km withcoord withdist withhash",
        "*1\\r\\n*4\\r\\n$7\\r\\nPalermo\\r\\n$7\\r\\n34.1601\\r\\n:3479099956230698\\r\\n*2\\r\\n,13.36138933897018433\\r\\n,38.11555639549629859\\r\\n",
    ),
];

#[test]
fn hits_misses_and_changes_are_counted() {
    let mut shard = Shard::new();
    for (line, hits, misses, changes) in COUNTED {
        shard.check_counts(line, [*hits, *misses, *changes]);
    }
}

/// Requests with the hits, misses and changes that redis-server counts.
const COUNTED: &[(&str, u64, u64, u64)] = &[
    (
        "geoadd g 13.361389 38.115556 Palermo 15.087269 37.502669 Catania",
        0,
        0,
        2,
    ),
    ("geoadd g 13.361389 38.2 Palermo 15 37 new", 0, 0, 2),
    ("geodist g Palermo Catania", 1, 0, 0),
    ("geopos nokey a", 0, 1, 0),
    ("geosearch g frommember Palermo byradius 500 km", 1, 0, 0),
    (
        "geosearch nokey frommember Palermo byradius 500 km",
        0,
        1,
        0,
    ),
    (
        "geosearchstore d g frommember Palermo byradius 500 km",
        1,
        0,
        3,
    ),
    (
        "geosearchstore d g frommember Palermo byradius 500 km count 2",
        1,
        0,
        2,
    ),
    ("georadius g 15 37 1 mm", 1, 0, 0),
    ("georadius g 10 10 1 m store d", 1, 0, 1),
    ("georadius g 10 10 1 m store d", 1, 0, 0),
];
