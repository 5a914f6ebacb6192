//! `replies.txt` holds what redis-server answered, its payloads among it. Values of every form that go out and come back are tested here.

use super::{
    DumpedField, DumpedValue, VERSION_7_0, VERSION_7_2, VERSION_7_4, decode, decode_value, hash,
    rdb_value,
};
use crate::codec::kind;
use crate::command::tests::{Shard, check_replies, escape};
use crate::engine::value::set::Set;
use crate::engine::{Expiry, Policy, Touch};

const NOW_MS: i64 = 1_700_000_000_000;

#[test]
fn replies_are_those_of_redis_server() {
    check_replies(include_str!("replies.txt"), 60);
}

/// The bytes of a bulk string's reply.
fn bulk(reply: &[u8]) -> &[u8] {
    let start = reply.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    &reply[start..reply.len() - 2]
}

/// Words of a line hold neither spaces nor what is not printed as they are.
fn word(bytes: &[u8]) -> String {
    escape(bytes).replace(' ', "\\x20")
}

fn dump_of(shard: &mut Shard, key: &str) -> Vec<u8> {
    bulk(&shard.line(&format!("dump {key}"))).to_vec()
}

#[test]
fn values_of_every_form_come_back() {
    let mut shard = Shard::new();
    let numbers = |count: usize, width: usize| {
        (0..count).fold(String::new(), |line, number| {
            line + &format!(" {number:0width$}")
        })
    };
    let lines = [
        ("set v 12345".to_string(), vec!["get v"]),
        (format!("set v {}", "text".repeat(10)), vec!["get v"]),
        (format!("set v {}", "large".repeat(60_000)), vec!["get v"]),
        (format!("rpush v{}", numbers(20, 1)), vec!["lrange v 0 -1"]),
        (
            format!("rpush v{}", numbers(3000, 9)),
            vec!["lrange v 0 -1"],
        ),
        (
            "zadd v 1 a -inf b 2.5 c inf d".into(),
            vec!["zrange v 0 -1 withscores"],
        ),
        (
            format!("zadd v 1 {} 2 b", "long".repeat(30)),
            vec!["zrange v 0 -1 withscores"],
        ),
        ("hset v a 1 b 2 c three".into(), vec!["hgetall v"]),
        (format!("hset v a {}", "long".repeat(30)), vec!["hgetall v"]),
        (
            "xadd v 5-1 field value other 1".into(),
            vec!["xrange v - +", "xinfo stream v"],
        ),
    ];
    for (line, reads) in lines {
        shard.line("flushall");
        let made = shard.line(&line);
        assert_ne!(made[0], b'-', "{line}");
        let mut before: Vec<_> = reads.iter().map(|read| shard.line(read)).collect();
        before.push(shard.line("object encoding v"));
        let payload = dump_of(&mut shard, "v");
        shard.check(
            &format!("restore v 0 {}", word(&payload)),
            "-BUSYKEY Target key name already exists.\\r\\n",
        );
        shard.line("del v");
        shard.check(&format!("restore v 0 {}", word(&payload)), "+OK\\r\\n");
        let mut after: Vec<_> = reads.iter().map(|read| shard.line(read)).collect();
        after.push(shard.line("object encoding v"));
        assert!(before == after, "{line}");
        assert_eq!(dump_of(&mut shard, "v"), payload, "{line}");
    }
}

#[test]
fn sets_come_back() {
    let forms = [
        (3, "", "intset"),
        (3, "text", "listpack"),
        (1000, "", "hashtable"),
        (1000, "text", "hashtable"),
    ];
    for (count, prefix, encoding) in forms {
        let mut shard = Shard::new();
        let limits = &shard.engine.limits().set;
        let mut set = Set::new();
        for number in 0..count {
            set.add(format!("{prefix}{number}").as_bytes(), limits);
        }
        let key = shard.engine.key(0, b"v");
        shard
            .engine
            .set_collection(&key, set, Expiry::None)
            .unwrap();
        let payload = dump_of(&mut shard, "v");
        shard.line(&format!("restore w 0 {}", word(&payload)));
        shard.check("type w", "+set\\r\\n");
        shard.check(
            "object encoding w",
            &format!("${}\\r\\n{encoding}\\r\\n", encoding.len()),
        );
        let members = |payload: &[u8]| match decode(payload, 1 << 20) {
            Ok(DumpedValue::Set(mut members)) => {
                members.sort();
                members
            }
            other => panic!("{other:?}"),
        };
        let copy = dump_of(&mut shard, "w");
        assert_eq!(members(&copy), members(&payload));
        assert_eq!(members(&copy).len(), count);
    }
}

#[test]
fn fields_of_hashes_keep_their_expiries_and_expired_ones_stay_away() {
    let mut shard = Shard::new();
    let payload_of = |fields: &[(&str, Option<i64>)]| {
        word(
            &hash(
                fields.len(),
                fields.iter().map(|(name, expiry)| (name, "value", *expiry)),
            )
            .finish(),
        )
    };
    let payload = payload_of(&[
        ("a", None),
        ("b", Some(NOW_MS + 5000)),
        ("c", Some(NOW_MS - 1)),
    ]);
    shard.check(&format!("restore v 0 {payload}"), "+OK\\r\\n");
    let field = |name: &str, expires_at_ms| DumpedField {
        name: name.into(),
        value: b"value".to_vec(),
        expires_at_ms,
    };
    assert_eq!(
        decode(&dump_of(&mut shard, "v"), 1 << 20),
        Ok(DumpedValue::Hash(vec![
            field("a", None),
            field("b", Some(NOW_MS + 5000))
        ]))
    );
    let payload = payload_of(&[("a", Some(NOW_MS - 1))]);
    shard.check(&format!("restore v 0 {payload} replace"), "+OK\\r\\n");
    shard.check("exists v", ":0\\r\\n");
}

#[test]
fn what_was_dumped_comes_back_with_its_expiries() {
    for value in ["v".to_string(), "v".repeat(100)] {
        let mut shard = Shard::new();
        shard.check(&format!("hset v a {value} b {value} c {value}"), ":3\\r\\n");
        shard.check("hexpireat v 2524600800 fields 1 a", "*1\\r\\n:1\\r\\n");
        shard.check("hexpireat v 2524600801 fields 1 b", "*1\\r\\n:1\\r\\n");
        let payload = word(&dump_of(&mut shard, "v"));
        shard.check(&format!("restore w 0 {payload}"), "+OK\\r\\n");
        shard.check(
            "hexpiretime w fields 3 a b c",
            "*3\\r\\n:2524600800\\r\\n:2524600801\\r\\n:-1\\r\\n",
        );
        shard.check("hget w a", &format!("${}\\r\\n{value}\\r\\n", value.len()));
    }
}

#[test]
fn expiries_are_told_from_now_or_absolutely() {
    let mut shard = Shard::new();
    shard.line("set v text");
    let payload = word(&dump_of(&mut shard, "v"));
    shard.check(&format!("restore a 5000 {payload}"), "+OK\\r\\n");
    shard.check("pttl a", ":5000\\r\\n");
    let at = NOW_MS + 7000;
    shard.check(
        &format!("restore a {at} {payload} absttl replace"),
        "+OK\\r\\n",
    );
    shard.check("pttl a", ":7000\\r\\n");
    shard.check(&format!("restore a 0 {payload} replace"), "+OK\\r\\n");
    shard.check("pttl a", ":-1\\r\\n");
}

#[test]
fn hits_misses_and_changes_are_counted() {
    let mut shard = Shard::new();
    shard.line("set v text");
    let payload = word(&dump_of(&mut shard, "v"));
    for (line, hits, misses, changes) in [
        ("dump v".to_string(), 1, 0, 0),
        ("dump nokey".into(), 0, 1, 0),
        (format!("restore v 0 {payload}"), 0, 0, 0),
        (format!("restore v 0 {payload} replace"), 0, 0, 1),
        (format!("restore v 1 {payload} replace absttl"), 0, 0, 1),
        (format!("restore v 1 {payload} replace absttl"), 0, 0, 0),
    ] {
        shard.check_counts(&line, [hits, misses, changes]);
    }
}

#[test]
fn the_policy_is_told_of_uses_elsewhere() {
    let mut shard = Shard::new();
    shard.line("set v text");
    let payload = word(&dump_of(&mut shard, "v"));
    // The clock of uses knows the times that it was told.
    for second in 1..=1000 {
        shard.engine.set_now(NOW_MS + second * 1000);
    }
    shard.check(&format!("restore a 0 {payload} idletime 600"), "+OK\\r\\n");
    shard.check("object idletime a", ":600\\r\\n");
    // A change of the policy reaches items one by one, so there is none.
    shard.line("del v a");
    shard.engine.set_policy(Policy::AllKeysLfu, 5, 10, 1);
    shard.check(&format!("restore b 0 {payload} freq 77"), "+OK\\r\\n");
    shard.check("object freq b", ":77\\r\\n");
}

#[test]
fn values_for_files_have_what_their_version_knows() {
    let mut shard = Shard::new();
    shard.line("hset h a 1 b 2");
    shard.line("hexpireat h 2524600800 fields 1 a");
    shard.line("xadd s 5-1 field value");
    shard.line("xgroup create s group 0");
    shard.line("xreadgroup group group consumer streams s >");
    let field = |name: &str, value: &str, expires_at_ms| DumpedField {
        name: name.into(),
        value: value.into(),
        expires_at_ms,
    };
    for (version, hash_kind, stream_kind) in [
        (VERSION_7_0, kind::HASH_LISTPACK, kind::STREAM_2),
        (VERSION_7_2, kind::HASH_LISTPACK, kind::STREAM_3),
        (VERSION_7_4, kind::HASH_EXPIRING, kind::STREAM_3),
    ] {
        let mut value_of = |name: &[u8]| {
            let key = shard.engine.key(0, name);
            let item = shard.engine.find(&key, Touch::No).unwrap();
            rdb_value(&shard.engine, item, version)
                .unwrap()
                .compressed()
        };
        let hash = value_of(b"h");
        assert_eq!(hash[0], hash_kind, "version {version}");
        let expiry = (version >= VERSION_7_4).then_some(2_524_600_800_000);
        assert_eq!(
            decode_value(hash[0], &hash[1..], 1 << 20),
            Ok(DumpedValue::Hash(vec![
                field("a", "1", expiry),
                field("b", "2", None)
            ]))
        );
        let stream = value_of(b"s");
        assert_eq!(stream[0], stream_kind, "version {version}");
        assert!(matches!(
            decode_value(stream[0], &stream[1..], 1 << 20),
            Ok(DumpedValue::Stream(_))
        ));
    }
}
