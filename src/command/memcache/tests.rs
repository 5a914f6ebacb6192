//! Tests of memcached's commands on a real engine: bytes in through the parser, replies out.
//!
//! `replies.txt` holds what memcached answered. Tokens, ages, memory and shards, which it cannot hold, are tested here.

use super::rows::{part_of, row};
use crate::command::{CommandStats, Context, Run, Settings, execute, key_positions};
use crate::engine::{Engine, EngineOptions, EventClasses, Expiry, NewValue, Policy, Touch, Value};
use crate::limits::LARGE_BYTES_MIN;
use crate::protocol::memcache::text::Parser;
use crate::protocol::resp::{Protocol, Reply, Step};

/// The time of the tests: some day in 2023.
const NOW_MS: i64 = 1_700_000_000_000;

/// One shard and one client.
struct Shard {
    engine: Engine,
    settings: Settings,
    stats: CommandStats,
    parser: Parser,
    /// Fetches are carried out key by key, as when their keys lie on several shards.
    in_parts: bool,
}

impl Shard {
    fn new() -> Shard {
        Shard::with(0, Policy::NoEviction)
    }

    fn with(memory_bytes_max: u64, policy: Policy) -> Shard {
        let mut engine = Engine::new(EngineOptions {
            databases: 1,
            memory_bytes_max,
            policy,
            samples: 5,
            lfu_log_factor: 10,
            lfu_decay_minutes: 1,
            thresholds: Default::default(),
            reservation_bytes: 1 << 28,
            seed: 1,
        })
        .expect("address space");
        engine.set_now(NOW_MS);
        let item_bytes_max = 1024 * 1024;
        let mut parser = Parser::new();
        parser.set_limits(item_bytes_max, true);
        Shard {
            engine,
            settings: Settings {
                string_bytes_max: 1 << 29,
                item_bytes_max,
                hll_sparse_bytes_max: 3000,
            },
            stats: CommandStats::default(),
            parser,
            in_parts: false,
        }
    }

    /// The replies to the requests in `stream`, large values in their places.
    fn run(&mut self, stream: &[u8]) -> Vec<u8> {
        let mut replies = Vec::new();
        let mut input = stream.to_vec();
        loop {
            match self.parser.parse(&input).expect("no line is too long") {
                Step::Incomplete => return replies,
                Step::Large { head } => {
                    let taken = self.parser.fill_large(&input[head..]);
                    input.drain(head..head + taken);
                }
                Step::Request { consumed } => {
                    self.request(&input, &mut replies);
                    self.parser.next_request();
                    input.drain(..consumed);
                }
            }
        }
    }

    fn request(&mut self, input: &[u8], replies: &mut Vec<u8>) {
        let command = row(self.parser.verb());
        let args = self.parser.args(input);
        assert!(command.accepts(args.len()), "{}", command.name);
        let mut reply = Reply::new(Protocol::Resp2);
        if self.in_parts
            && let Some(part) = part_of(command)
        {
            for index in key_positions(command, &args).collect::<Vec<_>>() {
                let mut ranges = args.ranges[..command.first_key as usize].to_vec();
                ranges.push(args.ranges[index]);
                let mut context = Context {
                    engine: &mut self.engine,
                    db: 0,
                    args: crate::protocol::args::Args {
                        buffer: args.buffer,
                        ranges: &ranges,
                        large: &mut [],
                    },
                    reply: &mut reply,
                    settings: &self.settings,
                    stats: &mut self.stats,
                    touch: Touch::Yes,
                    known_hash: None,
                    may_block: false,
                    shard: (0, 1),
                };
                execute(part, &mut context);
            }
            reply.bytes.extend_from_slice(b"END\r\n");
        } else {
            assert!(matches!(command.run, Run::Data(_)), "{}", command.name);
            let first = key_positions(command, &args).next();
            let known_hash = first.map(|index| (index, self.engine.key(0, args.get(index)).hash));
            let mut context = Context {
                engine: &mut self.engine,
                db: 0,
                args,
                reply: &mut reply,
                settings: &self.settings,
                stats: &mut self.stats,
                touch: Touch::Yes,
                known_hash,
                may_block: false,
                shard: (0, 1),
            };
            execute(command, &mut context);
        }
        let mut start = 0;
        for (position, large) in &reply.large {
            replies.extend_from_slice(&reply.bytes[start..*position]);
            replies.extend_from_slice(large.as_slice());
            start = *position;
        }
        replies.extend_from_slice(&reply.bytes[start..]);
    }

    #[track_caller]
    fn check(&mut self, stream: &str, expected: &str) {
        let reply = self.run(stream.as_bytes());
        let stream = &stream[..stream.len().min(200)];
        assert_eq!(
            reply.escape_ascii().to_string(),
            expected.as_bytes().escape_ascii().to_string(),
            "{stream:?}"
        );
    }

    /// The token of a key.
    fn token(&mut self, key: &str) -> u64 {
        let reply = self.run(format!("mg {key} c\r\n").as_bytes());
        let text = String::from_utf8(reply).expect("text");
        let digits = text.strip_prefix("HD c").expect("a token");
        digits
            .split([' ', '\r'])
            .next()
            .expect("digits")
            .parse()
            .expect("a number")
    }

    fn advance(&mut self, milliseconds: i64) {
        let now_ms = self.engine.now_ms();
        self.engine.set_now(now_ms + milliseconds);
    }
}

#[test]
fn events_are_those_of_the_nearest_commands_of_redis() {
    let mut shard = Shard::new();
    let classes = EventClasses::parse("KAmn").expect("letters");
    shard.engine.set_events_wanted(classes);
    for (request, expected) in [
        ("set a 0 0 1|1", "new set"),
        ("set a 0 100 1|1", "set expire"),
        ("set a 0 -1 1|1", "set expire expired"),
        ("set a 0 -1 1|1", "new set expire expired"),
        ("add a 0 0 1|1", "new set"),
        ("add a 0 0 1|1", ""),
        ("replace a 0 0 1|2", "set"),
        ("append a 0 0 1|3", "append"),
        ("prepend a 0 0 1|3", "set"),
        ("append b 0 0 1|3", ""),
        ("incr a 1", "incrby"),
        ("decr a 1", "incrby"),
        ("incr b 1", ""),
        ("touch a 100", "expire"),
        ("touch a 0", "persist"),
        ("touch a 0", ""),
        ("gat 100 a", "expire"),
        ("gat 100 b", "keymiss"),
        ("get a", ""),
        ("get b", "keymiss"),
        ("touch a -1", "del"),
        ("delete a", ""),
        ("set a 0 0 1|1", "new set"),
        ("gat -1 a", "del"),
        ("set a 0 0 1|1", "new set"),
        ("delete a", "del"),
        ("mg a v", "keymiss"),
        ("mg a N100 v", "keymiss new set expire"),
        ("mg a v", ""),
        ("mg a T0 v", "persist"),
        ("mg a T100 v", "expire"),
        ("ms a 1|7", "set"),
        ("ms a 1 T100|7", "set expire"),
        ("ma a", "incrby"),
        ("ma b N0", "new set"),
        ("ma b T100", "incrby expire"),
        ("md a I T30", "set expire"),
        ("md a", "del"),
    ] {
        let line = request.replace('|', "\r\n") + "\r\n";
        shard.run(line.as_bytes());
        let events = shard.engine.take_events();
        let names: Vec<&str> = events.iter().map(|event| event.name).collect();
        assert_eq!(names.join(" "), expected, "{request}");
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match (byte, byte == b'\\') {
            (byte, false) => byte,
            _ => match rest.next().expect("an escape") {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'x' => {
                    let digits =
                        [rest.next(), rest.next()].map(|digit| digit.expect("two digits") as char);
                    u8::from_str_radix(&String::from_iter(digits), 16).expect("hexadecimal")
                }
                other => other,
            },
        });
    }
    bytes
}

fn check_replies(in_parts: bool) {
    let mut shard = Shard::new();
    shard.in_parts = in_parts;
    let mut checked = 0;
    let mut wrong = String::new();
    for line in include_str!("replies.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
    {
        let (stream, expected) = line.split_once(" => ").expect("a request and a reply");
        let reply = shard.run(&unescape(stream)).escape_ascii().to_string();
        let expected = unescape(expected).escape_ascii().to_string();
        if reply != expected {
            wrong += &format!("{stream}\n  is       {reply}\n  expected {expected}\n");
        }
        checked += 1;
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(checked > 200);
}

#[test]
fn replies_are_those_of_memcached() {
    check_replies(false);
}

#[test]
fn fetches_in_parts_say_the_same() {
    check_replies(true);
}

#[test]
fn tokens_change_with_the_value() {
    let mut shard = Shard::new();
    shard.check("set k 7 0 1\r\na\r\n", "STORED\r\n");
    let token = shard.token("k");
    assert_eq!(shard.token("k"), token);
    shard.check(
        "gets k none k\r\n",
        &format!("VALUE k 7 1 {token}\r\na\r\nVALUE k 7 1 {token}\r\na\r\nEND\r\n"),
    );
    shard.check(
        "gats 0 k\r\n",
        &format!("VALUE k 7 1 {token}\r\na\r\nEND\r\n"),
    );
    shard.check(
        &format!("touch k 50\r\ncas k 7 0 1 {}\r\nb\r\n", token + 1),
        "TOUCHED\r\nEXISTS\r\n",
    );
    shard.check(&format!("cas k 7 0 1 {token}\r\nb\r\n"), "STORED\r\n");
    shard.check(&format!("cas k 7 0 1 {token}\r\nc\r\n"), "EXISTS\r\n");
    let after = shard.token("k");
    assert!(after > token);
    shard.check(&format!("ms k 1 C{token} c\r\nd\r\n"), "EX c0\r\n");
    let reply = shard.run(format!("ms k 1 C{after} c k O1\r\nd\r\n").as_bytes());
    let token = shard.token("k");
    assert_eq!(
        String::from_utf8_lossy(&reply),
        format!("HD c{token} kk O1\r\n")
    );
    shard.check(&format!("ms k 1 MA C{}\r\ne\r\n", token + 1), "EX\r\n");
    shard.check(
        &format!("ms k 1 MA C{token}\r\ne\r\nget k\r\n"),
        "HD\r\nVALUE k 0 2\r\nde\r\nEND\r\n",
    );
    assert_ne!(shard.token("k"), token, "an append is a change");
    // The client's own token.
    shard.check("ms k 1 E1000\r\n5\r\nmg k c\r\n", "HD\r\nHD c1000\r\n");
    shard.check(
        "ma k C999\r\nma k C1000 E2000 c v\r\nmg k c\r\n",
        "EX\r\nVA 1 c2000\r\n6\r\nHD c2000\r\n",
    );
    shard.check("ma k E3000 q\r\nmg k c\r\n", "HD c3000\r\n");
    shard.check("mg new N30 E5 c v\r\n", "VA 0 c5 W\r\n\r\n");
    shard.check(
        "md k C1\r\nmd k C3000\r\nmd k C3000\r\n",
        "EX\r\nHD\r\nNF\r\n",
    );
    // What expires at once gets a token that fits nothing, each time another one.
    let expired = shard.run(b"ms k 1 T-1 c\r\n5\r\n");
    assert!(expired.starts_with(b"HD c") && expired != b"HD c0\r\n");
    assert_ne!(shard.run(b"ms k 1 T-1 c\r\n5\r\n"), expired);
    shard.check("mg k\r\n", "EN\r\n");
    let stats = shard.stats.memcache;
    assert_eq!(
        (stats.cas_hits, stats.cas_badval, stats.cas_misses),
        (2, 3, 0)
    );
}

#[test]
fn one_client_renews_what_is_stale() {
    let mut shard = Shard::new();
    shard.run(b"ms k 1 T90 F3\r\na\r\n");
    let token = shard.token("k");
    shard.check("md k I T30\r\n", "HD\r\n");
    let stale = shard.token("k");
    assert!(stale > token, "whoever read before has no say");
    // The token's reader is the one who won.
    shard.check("mg k v t f\r\n", "VA 1 t30 f3 Z X\r\na\r\n");
    shard.check(
        &format!("md k I E{}\r\nmg k c\r\n", stale + 10),
        &format!("HD\r\nHD c{} X W\r\n", stale + 10),
    );
    // Somebody with an older token brings a value that is stale from the start; the expiry and the marks stay.
    shard.check(
        &format!("ms k 2 I T500 C{token}\r\nbb\r\nmg k v t\r\n"),
        "HD\r\nVA 2 t30 Z X\r\nbb\r\n",
    );
    shard.check(&format!("ms k 2 C{token}\r\ncc\r\n"), "EX\r\n");
    let token = shard.token("k");
    shard.check(&format!("ms k 2 I C{}\r\ncc\r\n", token + 1), "EX\r\n");
    shard.check(
        &format!("ms k 2 C{token}\r\ndd\r\nmg k v t\r\n"),
        "HD\r\nVA 2 t-1\r\ndd\r\n",
    );
    // The value goes, the item stays.
    shard.check(
        "ms k 2 F5 T60\r\nxx\r\nmd k x\r\nmg k v f t\r\n",
        "HD\r\nHD\r\nVA 0 f0 t60\r\n\r\n",
    );
    shard.check(
        "ms k 2 F5\r\nxx\r\nmd k x I T10 q\r\nmg k v f t\r\n",
        "HD\r\nVA 0 f0 t10 X W\r\n\r\n",
    );
    shard.check("mg k x\r\nms k 1 x\r\na\r\nma k x\r\n", "CLIENT_ERROR invalid flag\r\nCLIENT_ERROR invalid flag\r\nCLIENT_ERROR invalid or duplicate flag\r\n");
    shard.check("mg k E\r\nmd k Ex\r\n", "CLIENT_ERROR bad token in command line format\r\nCLIENT_ERROR invalid or duplicate flag\r\n");
}

#[test]
fn one_client_recaches_what_expires_soon() {
    let mut shard = Shard::new();
    shard.check(
        "ms k 1 T60\r\na\r\nmg k R30 t\r\nmg k R60\r\n",
        "HD\r\nHD t60\r\nHD\r\n",
    );
    shard.advance(29_500);
    shard.check(
        "mg k R30 t\r\nmg k R32 t\r\nmg k R32 t\r\n",
        "HD t31\r\nHD t31 W\r\nHD t31 Z\r\n",
    );
    shard.advance(1_000);
    shard.check(
        "ms j 1 T60\r\na\r\nmg j R61 t v\r\nmg j R61\r\nmg j T90 t\r\n",
        "HD\r\nVA 1 t60 W\r\na\r\nHD Z\r\nHD t90 Z\r\n",
    );
    shard.advance(29_500);
    shard.check(
        "mg k\r\nmg k N5 v t\r\nmg k N5 v t\r\n",
        "EN\r\nVA 0 t5 W\r\n\r\nVA 0 t5 Z\r\n\r\n",
    );
    shard.advance(5_000);
    shard.check("mg k N5 q\r\nmg none q k\r\n", "HD W\r\n");
}

#[test]
fn ages_and_uses_are_told() {
    let mut shard = Shard::with(64 << 20, Policy::AllKeysLru);
    shard.check("ms k 1\r\na\r\n", "HD\r\n");
    shard.advance(10_000);
    shard.check(
        "mg k l h u\r\nmg k h l\r\nmg k h l\r\n",
        "HD l10 h0\r\nHD h0 l10\r\nHD h1 l0\r\n",
    );
    let token = shard.token("k");
    shard.check(
        "me k\r\nme none\r\n",
        &format!("ME k exp=-1 la=0 cas={token} fetch=yes cls=1 size=61\r\nEN\r\n"),
    );
    shard.check("ms Zm9v 1 b T30 F1 E9\r\na\r\nme Zm9v b\r\nme foo\r\n", "HD\r\nME Zm9v exp=-30 la=0 cas=9 fetch=no cls=1 size=67\r\nME foo exp=-30 la=0 cas=9 fetch=no cls=1 size=67\r\n");
    shard.check("mg Zm9v b k v s\r\nmd Zm9v b k O1\r\nma Zm9v b k N0 J5\r\nget foo\r\nmg bm9uZQ== b O2 k\r\n", "VA 1 kZm9v b s1\r\na\r\nHD kZm9v b O1\r\nHD kZm9v b\r\nVALUE foo 0 1\r\n5\r\nEND\r\nEN O2 kbm9uZQ== b\r\n");
}

#[test]
fn large_values_are_stored_and_fetched() {
    let mut shard = Shard::new();
    let value: String = (0..LARGE_BYTES_MIN + 9)
        .map(|index| (b'a' + (index % 23) as u8) as char)
        .collect();
    let len = value.len();
    shard.check(&format!("set k 5 0 {len}\r\n{value}\r\n"), "STORED\r\n");
    shard.check(
        "get k none k\r\n",
        &format!("VALUE k 5 {len}\r\n{value}\r\nVALUE k 5 {len}\r\n{value}\r\nEND\r\n"),
    );
    shard.check(
        "mg k v s f\r\n",
        &format!("VA {len} s{len} f5\r\n{value}\r\n"),
    );
    shard.check(
        "incr k 1\r\n",
        "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n",
    );
    shard.check(
        "append k 0 0 1\r\n!\r\nprepend k 0 0 1\r\n?\r\nget k\r\n",
        &format!(
            "STORED\r\nSTORED\r\nVALUE k 5 {}\r\n?{value}!\r\nEND\r\n",
            len + 2
        ),
    );
    shard.check(
        &format!("set s 0 0 1\r\n<\r\nappend s 0 0 {len}\r\n{value}\r\nget s\r\n"),
        &format!(
            "STORED\r\nSTORED\r\nVALUE s 0 {}\r\n<{value}\r\nEND\r\n",
            len + 1
        ),
    );
    shard.check(
        "md k I\r\nmg k s\r\n",
        &format!("HD\r\nHD s{} X W\r\n", len + 2),
    );
    shard.check(
        &format!("cas k 0 0 {len} 1\r\n{value}\r\nadd k 0 0 {len}\r\n{value}\r\n"),
        "EXISTS\r\nNOT_STORED\r\n",
    );
    // Beyond the limit: refused, and only a set takes the old value away.
    let big = "x".repeat(1 << 20);
    let refused = "SERVER_ERROR object too large for cache\r\n";
    shard.check(
        &format!("add s 0 0 {}\r\n{big}\r\nmg s\r\n", big.len()),
        &format!("{refused}HD\r\n"),
    );
    shard.check(
        &format!("set s 0 0 {} noreply\r\n{big}\r\nmg s\r\n", big.len()),
        "EN\r\n",
    );
    shard.check(
        &format!("ms k {} q\r\n{big}\r\nmg k\r\n", big.len()),
        &format!("{refused}EN\r\n"),
    );
    let half = "x".repeat(600_000);
    shard.check(&format!("set h 0 0 600000\r\n{half}\r\nappend h 0 0 600000\r\n{half}\r\nms h 600000 MP\r\n{half}\r\nmg h s\r\n"), "STORED\r\nNOT_STORED\r\nNS\r\nHD s600000\r\n");
    assert_eq!(shard.stats.memcache.store_too_large, 3);
}

#[test]
fn many_keys_come_in_their_order() {
    let mut shard = Shard::new();
    let mut line = String::from("get");
    let mut expected = String::new();
    for index in 0..100 {
        line += &format!(" key{index}");
        if index % 3 > 0 {
            shard.run(format!("set key{index} {index} 0 3\r\n{:03}\r\n", index * 7).as_bytes());
            expected += &format!("VALUE key{index} {index} 3\r\n{:03}\r\n", index * 7);
        }
    }
    expected += "END\r\n";
    shard.check(&format!("{line}\r\n"), &expected);
    shard.in_parts = true;
    shard.check(&format!("{line}\r\n"), &expected);
    let stats = shard.stats.memcache;
    assert_eq!(
        (
            stats.cmd_get,
            stats.get_hits,
            stats.get_misses,
            stats.cmd_set
        ),
        (200, 132, 68, 66)
    );
    assert_eq!(
        (shard.stats.keyspace_hits, shard.stats.keyspace_misses),
        (132, 68)
    );
}

#[test]
fn items_expire_when_they_should() {
    let mut shard = Shard::new();
    let absolute = NOW_MS / 1000 + 3_000;
    shard.check(&format!("set a 0 10 1\r\na\r\nset b 0 {absolute} 1\r\nb\r\nset c 0 2592001 1\r\nc\r\nset d 0 -1 1\r\nd\r\n"), &"STORED\r\n".repeat(4));
    shard.check(
        "mg a t\r\nmg b t\r\nget c d\r\n",
        "HD t10\r\nHD t3000\r\nEND\r\n",
    );
    shard.advance(9_999);
    shard.check(
        "mg a t\r\nadd a 0 -1 1\r\nx\r\nadd e 0 -1 1\r\nx\r\nget e\r\n",
        "HD t1\r\nNOT_STORED\r\nSTORED\r\nEND\r\n",
    );
    shard.advance(1);
    shard.check(
        "mg a\r\ntouch b -1\r\nget b\r\ntouch b 0\r\n",
        "EN\r\nTOUCHED\r\nEND\r\nNOT_FOUND\r\n",
    );
    // A number keeps its expiry, and a replaced item does not.
    shard.check(
        "set n 0 20 1\r\n9\r\nincr n 1\r\nmg n t\r\nset n 0 0 1\r\n9\r\nmg n t\r\n",
        "STORED\r\n10\r\nHD t20\r\nSTORED\r\nHD t-1\r\n",
    );
}

#[test]
fn without_memory_stores_are_refused() {
    let mut shard = Shard::with(3 << 20, Policy::NoEviction);
    let value = "x".repeat(60_000);
    let mut refused = false;
    for index in 0..100 {
        let reply = shard.run(format!("set k{index} 0 0 60000 noreply\r\n{value}\r\n").as_bytes());
        if !reply.is_empty() {
            assert_eq!(reply, b"SERVER_ERROR out of memory storing object\r\n");
            refused = true;
            break;
        }
    }
    assert!(refused);
    let refusal = "SERVER_ERROR out of memory storing object\r\n";
    let larger = "x".repeat(600_000);
    shard.check("mg k0 s\r\nmg k1 s\r\n", "HD s60000\r\nHD s60000\r\n");
    shard.check(
        &format!("replace k1 0 0 600000\r\n{larger}\r\nms k0 600000 q\r\n{larger}\r\n"),
        &refusal.repeat(2),
    );
    // Only a set leaves nothing stale behind.
    shard.check("mg k1 s\r\nmg k0\r\n", "HD s60000\r\nEN\r\n");
    assert!(shard.stats.memcache.store_no_memory >= 3);
}

#[test]
fn the_counters_are_those_of_stats() {
    let mut shard = Shard::new();
    shard.run(b"set a 0 0 1\r\n1\r\nget a a b\r\ngat 0 a b\r\ntouch a 0\r\ntouch b 0\r\nmg a v\r\nmg b v\r\nmg a T30\r\nmg v N30\r\n");
    shard.run(b"md b\r\nmd a C5\r\nma a\r\nma b\r\nma b N0\r\ndecr a 1\r\ndecr none 1\r\nincr none 1\r\ndelete a\r\nme v\r\ncas none 0 0 1 5\r\na\r\n");
    let stats = shard.stats.memcache;
    let expected = [
        ("cmd_get", 6),
        ("cmd_set", 2),
        ("cmd_flush", 0),
        ("cmd_touch", 5),
        ("cmd_meta", 1),
        ("get_hits", 4),
        ("get_misses", 2),
        ("delete_misses", 2),
        ("delete_hits", 1),
        ("incr_misses", 2),
        ("incr_hits", 1),
        ("decr_misses", 1),
        ("decr_hits", 1),
        ("cas_misses", 1),
        ("cas_hits", 0),
        ("cas_badval", 0),
        ("touch_hits", 3),
        ("touch_misses", 2),
        ("store_too_large", 0),
        ("store_no_memory", 0),
        ("auth_cmds", 0),
        ("auth_errors", 0),
        ("total_items", 3),
    ];
    assert_eq!(stats.named(), expected);
    let mut sum = stats;
    sum.add(&stats);
    for ((_, once), (name, twice)) in stats.named().into_iter().zip(sum.named()) {
        assert_eq!(once * 2, twice, "{name}");
    }
}

#[test]
fn redis_clients_see_the_same_values() {
    let mut shard = Shard::new();
    shard.check(
        "set n 3 0 2\r\n10\r\ndecr n 1\r\nget n\r\n",
        "STORED\r\n9\r\nVALUE n 3 2\r\n9 \r\nEND\r\n",
    );
    let key = shard.engine.key(0, b"n");
    let item = shard.engine.find(&key, Touch::No).expect("there");
    assert!(matches!(shard.engine.value(item), Value::Integer(9)));
    shard
        .engine
        .set(&key, NewValue::Integer(-5), Expiry::None)
        .expect("memory");
    shard.check("get n\r\nincr n 1\r\n", "VALUE n 0 2\r\n-5\r\nEND\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n");
}
