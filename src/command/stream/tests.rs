//! Tests of the commands on streams: what redis-server answered (`replies.txt`), and what it cannot tell: times, later versions, waiting.

use super::super::tests::{Shard, check_replies};
use super::super::{Blocking, Null, key_positions, resolve};
use super::read;
use crate::protocol::args::{Args, Range};
use crate::protocol::resp::Protocol;

#[test]
fn replies_are_those_of_redis_server() {
    check_replies(include_str!("replies.txt"), 200);
}

/// Gives the words of a line as arguments.
fn with_args<R>(line: &str, run: impl FnOnce(&Args<'_>) -> R) -> R {
    let mut ranges = Vec::new();
    let mut buffer = Vec::new();
    for word in line.split(' ') {
        ranges.push(Range {
            offset: buffer.len() as u32,
            length: word.len() as u32,
        });
        buffer.extend_from_slice(word.as_bytes());
    }
    run(&Args {
        buffer: &buffer,
        ranges: &ranges,
        large: &mut [],
    })
}

/// What the id of a key means now, and the error where the request cannot be carried out.
fn pinned(shard: &mut Shard, line: &str, key: usize) -> Result<String, String> {
    with_args(line, |args| {
        let id = read::pin(args, key, &mut shard.engine, 0);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        id.map(|id| text(&id)).map_err(|error| text(error.text()))
    })
}

#[test]
fn ids_that_move_are_pinned() {
    let mut shard = Shard::new();
    shard.check("xadd s 5-3 a b", "$3\\r\\n5-3\\r\\n");
    let line = "xread block 0 streams s none t s $ $ 1-1 +";
    for (key, id) in ["5-3", "0-0", "1-1", "5-2"].iter().enumerate() {
        assert_eq!(pinned(&mut shard, line, key).unwrap(), *id);
    }
    assert!(["$", "+"].iter().all(|id| read::moves(id.as_bytes())));
    assert!(
        [">", "0", "$1"]
            .iter()
            .all(|id| !read::moves(id.as_bytes()))
    );
    assert_eq!(
        pinned(&mut shard, "xread block 0 streams s x", 0).unwrap_err(),
        "ERR Invalid stream ID specified as stream command argument"
    );
    let grouped = "xreadgroup group g c block 0 streams s >";
    assert_eq!(
        pinned(&mut shard, grouped, 0).unwrap_err(),
        "NOGROUP No such key 's' or consumer group 'g' in XREADGROUP with GROUP option"
    );
    shard.check("xgroup create s g $", "+OK\\r\\n");
    assert_eq!(pinned(&mut shard, grouped, 0).unwrap(), ">");
    // What it was pinned to finds what is added later.
    shard.check("xread streams s $", "*-1\\r\\n");
    shard.check("xadd s 5-4 a b", "$3\\r\\n5-4\\r\\n");
    let later = "*1\\r\\n*2\\r\\n$1\\r\\ns\\r\\n*1\\r\\n*2\\r\\n$3\\r\\n5-4\\r\\n*2\\r\\n$1\\r\\na\\r\\n$1\\r\\nb\\r\\n";
    shard.check("xread streams s 5-3", later);
    shard.check("xread streams s +", later);
}

#[test]
fn keys_and_waiting_are_found_in_the_words() {
    let find = |line: &str| {
        with_args(line, |args| {
            (read::find_keys(args), read::find_blocking(args))
        })
    };
    let waits = |timeout_ms| {
        Some(Blocking {
            timeout_ms,
            null: Null::Array,
        })
    };
    assert_eq!(find("xread streams a b 0 0"), (vec![2, 3], None));
    assert_eq!(
        find("xread BLOCK 5 COUNT 1 STREAMS a 0"),
        (vec![6], waits(5))
    );
    // Names of groups and streams may look like options.
    assert_eq!(
        find("xreadgroup GROUP streams block BLOCK 0 streams block 0"),
        (vec![7], waits(0))
    );
    assert_eq!(find("xread streams a b 0"), (vec![], None));
    assert_eq!(find("xread block x streams a 0"), (vec![4], None));
    with_args("xread count 2 streams a b 0 0", |args| {
        let command = resolve(args).unwrap();
        assert_eq!(key_positions(command, args).collect::<Vec<_>>(), [4, 5]);
    });
}

#[test]
fn maps_and_nulls_follow_the_protocol() {
    let mut shard = Shard::new();
    shard.protocol = Protocol::Resp3;
    shard.check("xadd s 1-0 a b", "$3\\r\\n1-0\\r\\n");
    let entry = "*2\\r\\n$3\\r\\n1-0\\r\\n*2\\r\\n$1\\r\\na\\r\\n$1\\r\\nb\\r\\n";
    let read = format!("%1\\r\\n$1\\r\\ns\\r\\n*1\\r\\n{entry}");
    shard.check("xread streams s 0", &read);
    shard.check("xread streams s 1", "_\\r\\n");
    shard.check("xrange s - + count 0", "_\\r\\n");
    shard.check("xgroup create s g 0", "+OK\\r\\n");
    shard.check("xpending s g", "*4\\r\\n:0\\r\\n_\\r\\n_\\r\\n_\\r\\n");
    shard.check("xreadgroup group g c streams s >", &read);
    assert!(shard.line("xinfo stream s").starts_with(b"%10\r\n"));
    assert!(shard.line("xinfo stream s full").starts_with(b"%9\r\n"));
    assert!(shard.line("xinfo groups s").starts_with(b"*1\r\n%6\r\n"));
}

#[test]
fn idle_times_follow_the_clock() {
    let mut shard = Shard::new();
    shard.line("xadd s 1-0 a b");
    shard.line("xadd s 2-0 a b");
    shard.line("xgroup create s g 0");
    shard.line("xgroup createconsumer s g idler");
    shard.line("xreadgroup group g c count 1 streams s >");
    let start = shard.engine.now_ms();
    shard.engine.set_now(start + 500);
    shard.line("xreadgroup group g c count 1 streams s >");
    shard.engine.set_now(start + 700);
    let row = |id: &str, idle: u64| {
        format!("*4\\r\\n$3\\r\\n{id}\\r\\n$1\\r\\nc\\r\\n:{idle}\\r\\n:1\\r\\n")
    };
    let both = format!("*2\\r\\n{}{}", row("1-0", 700), row("2-0", 200));
    shard.check("xpending s g - + 9", &both);
    shard.check(
        "xpending s g idle 300 - + 9 c",
        &format!("*1\\r\\n{}", row("1-0", 700)),
    );
    let consumer = |name: &str, pending: u64, idle: u64, inactive: i64| {
        let len = name.len();
        format!(
            "*8\\r\\n$4\\r\\nname\\r\\n${len}\\r\\n{name}\\r\\n$7\\r\\npending\\r\\n:{pending}\\r\\n$4\\r\\nidle\\r\\n:{idle}\\r\\n$8\\r\\ninactive\\r\\n:{inactive}\\r\\n"
        )
    };
    let expected = format!(
        "*2\\r\\n{}{}",
        consumer("c", 2, 200, 200),
        consumer("idler", 0, 700, -1)
    );
    shard.check("xinfo consumers s g", &expected);
    // Only what is idle for long enough is claimed.
    shard.check(
        "xclaim s g d 300 1-0 2-0 justid",
        "*1\\r\\n$3\\r\\n1-0\\r\\n",
    );
    shard.check(
        "xautoclaim s g d 100 - justid",
        "*3\\r\\n$3\\r\\n0-0\\r\\n*1\\r\\n$3\\r\\n2-0\\r\\n*0\\r\\n",
    );
    shard.check("xadd s * a b", "$15\\r\\n1700000000700-0\\r\\n");
    shard.check("xadd s * a b", "$15\\r\\n1700000000700-1\\r\\n");
}

#[test]
fn the_lag_of_groups() {
    let mut shard = Shard::new();
    for ms in 1..=5 {
        shard.line(&format!("xadd s {ms}-0 a b"));
    }
    shard.line("xgroup create s g 0");
    let groups = |read: &str, lag: &str, last: &str, pending: u64| {
        format!(
            "*1\\r\\n*12\\r\\n$4\\r\\nname\\r\\n$1\\r\\ng\\r\\n$9\\r\\nconsumers\\r\\n:1\\r\\n$7\\r\\npending\\r\\n:{pending}\\r\\n\
             $17\\r\\nlast-delivered-id\\r\\n$3\\r\\n{last}\\r\\n$12\\r\\nentries-read\\r\\n{read}\\r\\n$3\\r\\nlag\\r\\n{lag}\\r\\n"
        )
    };
    shard.line("xreadgroup group g c count 2 streams s >");
    shard.check("xinfo groups s", &groups(":2", ":3", "2-0", 2));
    // A deletion among what is not read makes the lag unknown, until all is read.
    shard.line("xdel s 4-0");
    shard.check("xinfo groups s", &groups(":2", "$-1", "2-0", 2));
    shard.line("xreadgroup group g c streams s >");
    shard.check("xinfo groups s", &groups(":5", ":0", "5-0", 4));
}

#[test]
fn deletion_with_regard_to_groups() {
    let mut shard = Shard::new();
    for ms in 1..=4 {
        shard.line(&format!("xadd s {ms}-0 a b"));
    }
    shard.line("xgroup create s g 0");
    shard.line("xgroup create s h 0");
    shard.line("xreadgroup group g c streams s >");
    shard.line("xreadgroup group h c streams s >");
    shard.check("xdelex s acked ids 1 1-0", "*1\\r\\n:2\\r\\n");
    shard.check(
        "xackdel s g acked ids 2 1-0 9-0",
        "*2\\r\\n:2\\r\\n:-1\\r\\n",
    );
    shard.check("xackdel s h acked ids 1 1-0", "*1\\r\\n:1\\r\\n");
    shard.check("xlen s", ":3\\r\\n");
    shard.check("xdelex s delref ids 1 2-0", "*1\\r\\n:1\\r\\n");
    shard.check("xdelex s ids 2 3-0 3-0", "*2\\r\\n:1\\r\\n:-1\\r\\n");
    // 3-0 is gone and still pending in both groups.
    assert!(
        shard
            .line("xpending s g")
            .starts_with(b"*4\r\n:2\r\n$3\r\n3-0\r\n")
    );
    shard.check("xackdel s g keepref ids 1 3-0", "*1\\r\\n:1\\r\\n");
    shard.check("xackdel s g delref ids 1 4-0", "*1\\r\\n:1\\r\\n");
    shard.check("xlen s", ":0\\r\\n");
    shard.check("xackdel s nope ids 1 4-0", "*1\\r\\n:-1\\r\\n");
    shard.check("xackdel none g ids 2 4-0 5-0", "*2\\r\\n:-1\\r\\n:-1\\r\\n");
    shard.check("xdelex none ids 1 1-0", "*1\\r\\n:-1\\r\\n");
    shard.line("set str x");
    let wrong_type = "-WRONGTYPE Operation against a key holding the wrong kind of value\\r\\n";
    shard.check("xdelex str ids 1 1-0", wrong_type);
    shard.check("xackdel str g ids 1 1-0", wrong_type);
    for (line, error) in [
        (
            "xdelex s ids 0 1-0",
            "Number of IDs must be a positive integer",
        ),
        (
            "xdelex s ids x 1-0",
            "Number of IDs must be a positive integer",
        ),
        (
            "xdelex s ids 2 1-0",
            "The `numids` parameter must match the number of arguments",
        ),
        ("xdelex s ids 1 1-0 2-0", "syntax error"),
        ("xdelex s keepref acked ids 1 1-0", "syntax error"),
        ("xdelex s keepref 1-0 2-0", "syntax error"),
        (
            "xdelex s ids 1 x",
            "Invalid stream ID specified as stream command argument",
        ),
    ] {
        shard.check(line, &format!("-ERR {error}\\r\\n"));
    }
}

/// A stream of six entries: 1-0 to 4-0 are pending in `g`, of which 2-0 and 3-0 in `h` too, and 1-0 acknowledged there; 5-0 and 6-0 nobody has read.
fn stream_with_references() -> Shard {
    let mut shard = Shard::new();
    for ms in 1..=6 {
        shard.line(&format!("xadd s {ms}-0 a b"));
    }
    shard.line("xgroup create s g 0");
    shard.line("xgroup create s h 0");
    shard.line("xreadgroup group g c count 4 streams s >");
    shard.line("xreadgroup group h c count 4 streams s >");
    shard.line("xack s h 1-0 4-0");
    shard
}

/// The ids of the entries, and how many are pending in both groups.
fn left(shard: &mut Shard) -> (String, String) {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("ASCII");
    let range = text(shard.line("xrange s - +"));
    let ids: Vec<&str> = range.lines().filter(|line| line.contains("-0")).collect();
    let pending = ["g", "h"].map(|group| {
        let reply = text(shard.line(&format!("xpending s {group}")));
        reply.lines().nth(1).expect("a count").to_string()
    });
    (ids.join(" "), pending.concat())
}

#[test]
fn trimming_with_regard_to_groups() {
    let check = |line: &str, reply: &str, ids: &str, pending: &str| {
        let mut shard = stream_with_references();
        shard.check(line, reply);
        let (ids_left, pending_left) = left(&mut shard);
        assert_eq!(
            (ids_left.as_str(), pending_left.as_str()),
            (ids, pending),
            "{line}"
        );
    };
    check("xtrim s maxlen 3", ":3\\r\\n", "4-0 5-0 6-0", ":4:2");
    check(
        "xtrim s maxlen 3 keepref",
        ":3\\r\\n",
        "4-0 5-0 6-0",
        ":4:2",
    );
    check("xtrim s maxlen 3 DelRef", ":3\\r\\n", "4-0 5-0 6-0", ":1:0");
    check(
        "xtrim s delref minid 3",
        ":2\\r\\n",
        "3-0 4-0 5-0 6-0",
        ":2:1",
    );
    check(
        "xtrim s maxlen 0 acked",
        ":0\\r\\n",
        "1-0 2-0 3-0 4-0 5-0 6-0",
        ":4:2",
    );
    check(
        "xadd s keepref maxlen 4 7 a b",
        "$3\\r\\n7-0\\r\\n",
        "4-0 5-0 6-0 7-0",
        ":4:2",
    );
    check(
        "xadd s maxlen 4 delref 7 a b",
        "$3\\r\\n7-0\\r\\n",
        "4-0 5-0 6-0 7-0",
        ":1:0",
    );
    check(
        "xadd s acked maxlen = 4 7 a b",
        "$3\\r\\n7-0\\r\\n",
        "1-0 2-0 3-0 4-0 5-0 6-0 7-0",
        ":4:2",
    );
    check(
        "xadd s nomkstream acked 7 a b",
        "$3\\r\\n7-0\\r\\n",
        "1-0 2-0 3-0 4-0 5-0 6-0 7-0",
        ":4:2",
    );
    check("xtrim s maxlen ~ 0 delref", ":6\\r\\n", "", ":0:0");
    check(
        "xtrim s maxlen ~ 3 delref",
        ":0\\r\\n",
        "1-0 2-0 3-0 4-0 5-0 6-0",
        ":4:2",
    );

    let mut shard = stream_with_references();
    shard.line("xack s g 1-0 3-0 4-0");
    // 1-0 and 4-0 nobody needs any more; 3-0 is still pending in h.
    shard.check("xtrim s maxlen 5 acked", ":1\\r\\n");
    assert_eq!(left(&mut shard).0, "2-0 3-0 4-0 5-0 6-0");
    shard.check("xtrim s minid 4 acked", ":0\\r\\n");
    shard.check("xtrim s maxlen 1 acked", ":1\\r\\n");
    assert_eq!(left(&mut shard).0, "2-0 3-0 5-0 6-0");
    shard.check("xtrim s maxlen ~ 0 acked limit 3", ":0\\r\\n");
    for line in [
        "xtrim s maxlen 1 acked delref",
        "xtrim s acked maxlen 1 acked",
        "xadd s keepref delref 9 a b",
        "xtrim s maxlen 1 keep",
    ] {
        shard.check(line, "-ERR syntax error\\r\\n");
    }
    shard.check(
        "xtrim s acked",
        "-ERR wrong number of arguments for 'xtrim' command\\r\\n",
    );
    shard.check("xtrim none maxlen 0 acked", ":0\\r\\n");
    // Without groups nothing is referred to.
    shard.line("xadd t 1-0 a b");
    shard.check("xtrim t maxlen 0 acked", ":1\\r\\n");
}

#[test]
fn the_nodes_trimmed_by_one_request_are_bounded() {
    let mut shard = Shard::new();
    for number in 1..=20_050 {
        shard.line(&format!("xadd s {number} a b"));
    }
    shard.check("xtrim s maxlen ~ 0", ":10000\\r\\n");
    shard.check("xtrim s maxlen ~ 0 limit 250", ":200\\r\\n");
    shard.check("xtrim s maxlen ~ 0 limit 0", ":9850\\r\\n");
    shard.check("exists s", ":1\\r\\n");
    shard.check("xinfo stream none", "-ERR no such key\\r\\n");
}

#[test]
fn changes_are_counted_as_by_redis() {
    let mut shard = Shard::new();
    for (line, changes) in [
        ("xadd s 1-0 a b", 1),
        ("xadd s 2-0 a b", 1),
        ("xadd s maxlen 1 3-0 a b", 1),
        ("xadd s 4-0 a b", 1),
        ("xtrim s maxlen 1", 1),
        ("xgroup create s g 0", 1),
        ("xgroup createconsumer s g c", 1),
        ("xreadgroup group g c streams s >", 1),
        ("xreadgroup group g c streams s >", 0),
        ("xreadgroup group g d streams s >", 1),
        ("xclaim s g d 0 4-0 9-0", 1),
        ("xack s g 4-0 4-0", 1),
        ("xdel s 4-0 4-0", 1),
        ("xrange s - +", 0),
        ("xgroup destroy s g", 1),
        ("xgroup destroy s g", 0),
    ] {
        let before = shard.stats.changes;
        shard.line(line);
        assert_eq!(shard.stats.changes - before, changes, "{line}");
    }
}
