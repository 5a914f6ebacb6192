//! Requests as bytes, through the parser, on a real engine; replies as bytes.
//!
//! `binary_replies.txt` holds what memcached answered. What that cannot tell (time, memory, large values) is tested here.

use super::super::super::execute;
use super::*;
use crate::command::{CommandStats, Run, ServerCommand, Settings, table::flags};
use crate::engine::{Engine, EngineOptions, EventClasses, Policy, Touch};
use crate::large::LargeBuffer;
use crate::limits::{LARGE_BYTES_MIN, STRING_BYTES_MAX};
use crate::protocol::memcache::binary::{HEADER_BYTES, Parser};
use crate::protocol::resp::{Protocol, Reply, Step};
use std::collections::HashMap;

/// The time of the tests: some day in 2023.
const NOW_MS: i64 = 1_700_000_000_000;

/// One shard and one client.
struct Shard {
    engine: Engine,
    stats: CommandStats,
    settings: Settings,
}

impl Shard {
    fn new(memory_bytes_max: u64, policy: Policy) -> Shard {
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
        .unwrap();
        engine.set_now(NOW_MS);
        let settings = Settings {
            string_bytes_max: STRING_BYTES_MAX,
            item_bytes_max: 1 << 20,
            hll_sparse_bytes_max: 3000,
        };
        Shard {
            engine,
            stats: CommandStats::default(),
            settings,
        }
    }

    fn unlimited() -> Shard {
        Shard::new(0, Policy::NoEviction)
    }

    /// The replies to one request, large values in their places.
    fn run(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut parser = Parser::new();
        parser.set_limits(self.settings.item_bytes_max, true);
        let mut head = bytes.to_vec();
        let mut step = parser.parse(&head).expect("a request");
        if let Step::Large { head: len } = step {
            assert_eq!(parser.fill_large(&bytes[len..]), bytes.len() - len);
            head.truncate(len);
            step = parser.parse(&head).expect("a request");
        }
        assert!(matches!(step, Step::Request { .. }));
        let row = row(parser.opcode());
        let args = parser.args(&head);
        let known_hash = (row.first_key != 0).then(|| (KEY, self.engine.key(0, &args[KEY]).hash));
        let mut reply = Reply::new(Protocol::Resp2);
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
        execute(row, &mut context);
        let mut flat = Vec::new();
        let mut from = 0;
        for (position, large) in &reply.large {
            flat.extend_from_slice(&reply.bytes[from..*position]);
            flat.extend_from_slice(large.as_slice());
            from = *position;
        }
        flat.extend_from_slice(&reply.bytes[from..]);
        flat
    }

    fn ask(&mut self, line: &str) -> Option<Answer> {
        let request = Asked::parse(line, 0).bytes();
        Answer::parse(&request, &self.run(&request))
    }

    /// Status and value of the reply to a request that has one.
    fn status(&mut self, line: &str) -> (u16, Vec<u8>) {
        let answer = self.ask(line).expect("a reply");
        (answer.status, answer.value)
    }
}

#[test]
fn events_are_those_of_the_nearest_commands_of_redis() {
    let mut shard = Shard::unlimited();
    let classes = EventClasses::parse("KAmn").expect("letters");
    shard.engine.set_events_wanted(classes);
    for (line, expected) in [
        ("get key=a", "keymiss"),
        ("set key=a value=5", "new set"),
        ("set key=a value=5 expiry=100", "set expire"),
        ("append key=a value=1", "append"),
        ("prepend key=a value=1", "set"),
        ("increment key=a delta=1", "incrby"),
        (
            "increment key=b delta=1 initial=7 expiry=100",
            "new set expire",
        ),
        (
            "increment key=c delta=1 initial=7 expiry=1",
            "new set expire",
        ),
        ("gat key=a expiry=0", "persist"),
        ("gat key=a expiry=0", ""),
        ("touch key=a expiry=100", "expire"),
        ("delete key=a", "del"),
        ("delete key=a", ""),
    ] {
        shard.ask(line);
        let events = shard.engine.take_events();
        let names: Vec<&str> = events.iter().map(|event| event.name).collect();
        assert_eq!(names.join(" "), expected, "{line}");
    }
}

const NAMES: &[(&str, u8)] = &[
    ("get", 0x00),
    ("set", 0x01),
    ("add", 0x02),
    ("replace", 0x03),
    ("delete", 0x04),
    ("increment", 0x05),
    ("decrement", 0x06),
    ("getq", 0x09),
    ("noop", 0x0a),
    ("getk", 0x0c),
    ("getkq", 0x0d),
    ("append", 0x0e),
    ("prepend", 0x0f),
    ("setq", 0x11),
    ("addq", 0x12),
    ("replaceq", 0x13),
    ("deleteq", 0x14),
    ("incrementq", 0x15),
    ("decrementq", 0x16),
    ("appendq", 0x19),
    ("prependq", 0x1a),
    ("verbosity", 0x1b),
    ("touch", 0x1c),
    ("gat", 0x1d),
    ("gatq", 0x1e),
    ("gatk", 0x23),
    ("gatkq", 0x24),
    ("multiply", 0x25),
    ("unknown", 0x77),
];

/// A request in words.
struct Asked {
    code: u8,
    cas: u64,
    extras: Vec<u8>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Asked {
    /// `cas` takes the place of a token written `#number`.
    fn parse(line: &str, cas: u64) -> Asked {
        let mut words = line.split(' ');
        let name = words.next().unwrap();
        let &(_, code) = NAMES.iter().find(|(known, _)| *known == name).unwrap();
        let fields: HashMap<&str, &str> = words.map(|word| word.split_once('=').unwrap()).collect();
        let number = |name: &str| -> u64 {
            match fields.get(name) {
                None => 0,
                Some(text) if text.starts_with('#') => cas,
                Some(text) => text.parse().unwrap(),
            }
        };
        let bytes = |name: &str| unescape(fields.get(name).unwrap_or(&""));
        let expiry = (number("expiry") as u32).to_be_bytes();
        let extras = match name.strip_suffix('q').unwrap_or(name) {
            "set" | "add" | "replace" => {
                [&(number("flags") as u32).to_be_bytes()[..], &expiry].concat()
            }
            "increment" | "decrement" => [
                &number("delta").to_be_bytes()[..],
                &number("initial").to_be_bytes(),
                &expiry,
            ]
            .concat(),
            "touch" | "gat" | "gatk" => expiry.to_vec(),
            _ => Vec::new(),
        };
        Asked {
            code,
            cas: number("cas"),
            extras,
            key: bytes("key"),
            value: bytes("value"),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        let body = self.extras.len() + self.key.len() + self.value.len();
        let mut bytes = vec![0x80, self.code];
        bytes.extend_from_slice(&(self.key.len() as u16).to_be_bytes());
        bytes.extend_from_slice(&[self.extras.len() as u8, 0, 0, 0]);
        bytes.extend_from_slice(&(body as u32).to_be_bytes());
        bytes.extend_from_slice(&[0xde, 0xad, 0xbe, self.code]);
        bytes.extend_from_slice(&self.cas.to_be_bytes());
        for part in [&self.extras, &self.key, &self.value] {
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

/// One reply.
#[derive(Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    cas: u64,
    extras: Vec<u8>,
    key: Vec<u8>,
    value: Vec<u8>,
}

impl Answer {
    /// The reply to `request`, if there is one.
    fn parse(request: &[u8], reply: &[u8]) -> Option<Answer> {
        if reply.is_empty() {
            return None;
        }
        let (header, body) = reply.split_at(HEADER_BYTES);
        assert_eq!((header[0], header[1], header[5]), (0x81, request[1], 0));
        assert_eq!(header[12..16], request[12..16], "the opaque");
        let key = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let extras = usize::from(header[4]);
        let len = u32::from_be_bytes(header[8..12].try_into().unwrap()) as usize;
        assert_eq!(len, body.len());
        Some(Answer {
            status: u16::from_be_bytes([header[6], header[7]]),
            cas: u64::from_be_bytes(header[16..24].try_into().unwrap()),
            extras: body[..extras].to_vec(),
            key: body[extras..extras + key].to_vec(),
            value: body[extras + key..].to_vec(),
        })
    }

    fn line(&self, tokens: &mut Vec<u64>) -> String {
        let mut line = format!("{:02x}", self.status);
        if self.cas != 0 {
            let place = tokens.iter().position(|&token| token == self.cas);
            let place = place.unwrap_or_else(|| {
                tokens.push(self.cas);
                tokens.len() - 1
            });
            line.push_str(&format!(" cas=#{}", place + 1));
        }
        for (name, bytes) in [
            ("extras", &self.extras),
            ("key", &self.key),
            ("value", &self.value),
        ] {
            if !bytes.is_empty() {
                line.push_str(&format!(" {name}={}", escape(bytes)));
            }
        }
        line
    }
}

fn unescape(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut bytes = parts.next().unwrap().as_bytes().to_vec();
    for part in parts {
        bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
        bytes.extend_from_slice(&part.as_bytes()[2..]);
    }
    bytes
}

fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        if byte.is_ascii_graphic() && byte != b'\\' {
            text.push(byte as char);
        } else {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

#[test]
fn replies_are_those_of_memcached() {
    let mut shard = Shard::unlimited();
    let mut tokens = Vec::new();
    let mut wrong = Vec::new();
    let mut cases = 0;
    let mut lines = include_str!("binary_replies.txt").lines().peekable();
    while let Some(line) = lines.next() {
        let Some(asked) = line.strip_prefix("> ") else {
            assert!(line.is_empty() || line.starts_with('#'), "{line}");
            continue;
        };
        let expected = lines
            .next_if(|next| next.starts_with("< "))
            .map(|next| &next[2..]);
        let cas = asked.split_once("cas=#").map_or(0, |(_, number)| {
            tokens[number.parse::<usize>().unwrap() - 1]
        });
        let request = Asked::parse(asked, cas).bytes();
        let answer = Answer::parse(&request, &shard.run(&request));
        let answer = answer.map(|answer| answer.line(&mut tokens));
        cases += 1;
        if answer.as_deref() != expected {
            wrong.push(format!(
                "{asked}\n  memcached {expected:?}\n  torc      {answer:?}"
            ));
        }
    }
    assert!(cases > 200, "{cases} cases");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn items_expire() {
    let mut shard = Shard::unlimited();
    let absolute = NOW_MS / 1000 + 5;
    let far = NOW_MS / 1000 + 1_000_000_000;
    shard.ask("set key=relative expiry=5 value=1");
    shard.ask(&format!("set key=absolute expiry={absolute} value=1"));
    shard.ask(&format!("set key=far expiry={far} value=1"));
    shard.ask("increment key=number initial=7 expiry=5");
    shard.ask("set key=touched value=1");
    shard.ask("touch key=touched expiry=5");
    shard.ask("set key=kept expiry=5 value=1");
    shard.ask("gatq key=kept");
    shard.ask("set key=counted expiry=5 value=1");
    shard.ask("increment key=counted delta=1");
    shard.ask("append key=counted value=1");
    let keys = ["relative", "absolute", "number", "touched", "counted"];
    for (after_ms, expected) in [(4999, 0), (5000, 1)] {
        shard.engine.set_now(NOW_MS + after_ms);
        for key in keys {
            let (status, _) = shard.status(&format!("get key={key}"));
            assert_eq!(status, expected, "{key} after {after_ms} ms");
        }
        assert_eq!(shard.status("get key=kept").0, 0);
    }
    shard.engine.set_now(far * 1000);
    assert_eq!(shard.status("get key=far").0, 1);
    // What has expired can be added, and not replaced.
    assert_eq!(shard.status("replace key=relative value=2").0, 1);
    assert_eq!(shard.status("append key=relative value=2").0, 5);
    assert_eq!(shard.status("add key=relative value=2").0, 0);
}

fn patterned(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index % 251) as u8).collect()
}

#[test]
fn large_values_are_stored_and_replied() {
    let mut shard = Shard::unlimited();
    for len in [LARGE_BYTES_MIN - 1, LARGE_BYTES_MIN, 500_000] {
        let mut request = Asked::parse("set key=large flags=9", 0);
        request.value = patterned(len);
        let stored = Answer::parse(&request.bytes(), &shard.run(&request.bytes())).unwrap();
        assert_eq!((stored.status, stored.value.len()), (0, 0));
        let got = shard.ask("getk key=large").unwrap();
        assert_eq!(got.extras, [0, 0, 0, 9]);
        assert_eq!(got.key, b"large");
        assert!(got.value == patterned(len));
        assert!(got.cas != 0 && got.cas == stored.cas);
        let touched = shard.ask("gat key=large expiry=10").unwrap();
        assert!(touched.value == patterned(len) && touched.cas == got.cas);
        let touched = shard.ask("touch key=large expiry=10").unwrap();
        assert_eq!(
            (touched.value.len(), &touched.extras[..]),
            (0, &[0, 0, 0, 9][..])
        );
        assert_eq!(shard.status("append key=large value=!").0, 0);
        let got = shard.ask("getq key=large").unwrap();
        assert!(got.value.len() == len + 1 && got.value.ends_with(b"!"));
        assert!(got.value[..len] == patterned(len));
        assert_eq!(shard.status("increment key=large delta=1").0, 6);
        let mut request = Asked::parse("appendq key=small", 0);
        request.value = patterned(len);
        shard.ask("set key=small value=x");
        assert!(shard.run(&request.bytes()).is_empty());
        let (_, value) = shard.status("get key=small");
        assert!(value[0] == b'x' && value[1..] == patterned(len));
    }
}

#[test]
fn too_large_items_are_refused() {
    let mut shard = Shard::unlimited();
    for (name, gone) in [
        ("set", true),
        ("setq", true),
        ("add", false),
        ("addq", false),
        ("replace", false),
        ("replaceq", false),
        ("append", false),
        ("prependq", false),
    ] {
        shard.ask("set key=k value=old");
        let mut request = Asked::parse(&format!("{name} key=k"), 0);
        request.value = patterned((1 << 20) - 59);
        let answer = Answer::parse(&request.bytes(), &shard.run(&request.bytes())).unwrap();
        assert_eq!(
            (answer.status, &answer.value[..]),
            (3, &b"Too large."[..]),
            "{name}"
        );
        assert_eq!(shard.status("get key=k").0, u16::from(gone), "{name}");
    }
    assert_eq!(shard.stats.memcache.store_too_large, 8);
    // An item that would become too large stays as it is.
    let mut request = Asked::parse("set key=k", 0);
    request.value = patterned((1 << 20) - 60);
    assert_eq!(
        Answer::parse(&request.bytes(), &shard.run(&request.bytes()))
            .unwrap()
            .status,
        0
    );
    assert_eq!(
        shard.status("append key=k value=x"),
        (5, b"Not stored.".to_vec())
    );
    assert_eq!(shard.status("prependq key=k value=x").0, 5);
    assert!(shard.status("get key=k").1 == request.value);
}

#[test]
fn no_memory_is_said() {
    let mut shard = Shard::new(1 << 20, Policy::NoEviction);
    shard.ask("set key=old value=1");
    shard.ask("set key=number value=9");
    let refused = (0..100_000).find_map(|index| {
        let answer = shard.ask(&format!("set key=key{index} value={}", "x".repeat(100)));
        answer.filter(|answer| answer.status != 0)
    });
    let refused = refused.expect("memory ends");
    assert_eq!(
        (refused.status, &refused.value[..], refused.cas),
        (0x82, &b"Out of memory allocating item"[..], 0)
    );
    // Small items still find room; now nothing does.
    shard.engine.set_memory_bytes_max(1);
    let item = (0x82, b"Out of memory allocating item".to_vec());
    assert_eq!(shard.status("add key=new value=x"), item);
    assert_eq!(shard.status("addq key=new value=x"), item);
    assert_eq!(shard.status("replaceq key=old value=x"), item);
    assert_eq!(shard.status("append key=old value=x"), item);
    assert_eq!(
        shard.status("increment key=new initial=1"),
        (0x82, b"Out of memory allocating new item".to_vec())
    );
    assert_eq!(
        shard.status("incrementq key=number delta=1"),
        (0x82, b"Out of memory incrementing value".to_vec())
    );
    assert_eq!(shard.status("get key=old"), (0, b"1".to_vec()));
    // No stale value is served behind a Set.
    assert_eq!(shard.status("setq key=old value=2"), item);
    assert_eq!(shard.status("get key=old").0, 1);
    assert_eq!(shard.status("get key=new").0, 1);
    assert_eq!(shard.status("get key=number"), (0, b"9".to_vec()));
}

#[test]
fn quiet_stores_ask_for_no_tokens() {
    let mut shard = Shard::unlimited();
    let before = shard.engine.stats().bytes_used;
    shard.ask("setq key=a value=12345");
    shard.ask("addq key=b value=12345");
    shard.ask("incrementq key=a delta=1");
    shard.ask("appendq key=a value=1");
    shard.ask("deleteq key=b");
    shard.ask("getq key=missing");
    let quiet = shard.engine.stats().bytes_used - before;
    let token = shard.ask("get key=a").expect("a hit").cas;
    assert!(token != 0);
    let asked = shard.engine.stats().bytes_used - before;
    assert!(asked > quiet, "{asked} bytes with a token, {quiet} without");
    // The token stays while the value does, touched or not.
    assert_eq!(shard.ask("touch key=a expiry=9").unwrap().cas, token);
    assert_eq!(shard.ask("gat key=a").unwrap().cas, token);
    shard.ask("setq key=a value=12345");
    assert_ne!(shard.ask("get key=a").unwrap().cas, token);
}

#[test]
fn commands_are_counted() {
    let mut shard = Shard::unlimited();
    for line in [
        "get key=a",
        "set key=a value=1",
        "getkq key=a",
        "gat key=a",
        "touch key=no",
        "increment key=a delta=1",
        "decrement key=a delta=1",
        "delete key=a",
        "delete key=a",
        "increment key=n initial=1",
        "increment key=no expiry=4294967295",
        "setq key=n value=2 cas=5",
    ] {
        shard.ask(line);
    }
    let stats = shard.stats.memcache;
    assert_eq!((stats.cmd_get, stats.get_hits, stats.get_misses), (2, 1, 1));
    assert_eq!(
        (stats.cmd_touch, stats.touch_hits, stats.touch_misses),
        (2, 1, 1)
    );
    assert_eq!((stats.cmd_set, stats.total_items), (2, 2));
    assert_eq!(
        (stats.incr_hits, stats.incr_misses, stats.decr_hits),
        (1, 1, 1)
    );
    assert_eq!((stats.delete_hits, stats.delete_misses), (1, 1));
    assert_eq!(stats.cas_badval, 1);
    // A set, two counts, a touch, a deletion and a number made.
    assert_eq!(shard.stats.changes, 6);
    assert_eq!(
        (shard.stats.keyspace_hits, shard.stats.keyspace_misses),
        (2, 1)
    );
}

#[test]
fn every_operation_has_a_row() {
    let name = |code: u8| row(code).name.strip_prefix("memcache|binary-").unwrap();
    let named = [
        "get",
        "set",
        "add",
        "replace",
        "delete",
        "increment",
        "decrement",
        "quit",
        "flush",
        "get",
        "noop",
        "version",
        "get",
        "get",
        "append",
        "prepend",
        "stat",
        "set",
        "add",
        "replace",
        "delete",
        "increment",
        "decrement",
        "quit",
        "flush",
        "append",
        "prepend",
        "unknown",
        "touch",
        "gat",
        "gat",
        "unknown",
        "sasl-list",
        "sasl-auth",
        "sasl-step",
        "gat",
        "gat",
    ];
    for code in 0..=u8::MAX {
        let expected = match code {
            0xf1 => "refused-lengths",
            0xf2 => "refused-invalid",
            0xf3 => "refused-unauthenticated",
            0xf4 => "too-large",
            _ => named.get(usize::from(code)).unwrap_or(&"unknown"),
        };
        assert_eq!(name(code), expected, "0x{code:02x}");
    }
    let strangers: Vec<&str> = ROWS
        .iter()
        .filter(|row| row.flags & flags::NO_AUTH != 0)
        .map(|row| &row.name["memcache|binary-".len()..])
        .collect();
    assert_eq!(
        strangers,
        [
            "version",
            "sasl-list",
            "sasl-auth",
            "sasl-step",
            "refused-lengths",
            "refused-unauthenticated"
        ]
    );
    for code in 0..=u8::MAX {
        let expected = match code {
            opcode::REFUSED_LENGTHS => Some(0x81),
            opcode::REFUSED_INVALID => Some(0x04),
            opcode::REFUSED_UNAUTHENTICATED => Some(0x20),
            _ => None,
        };
        assert_eq!(refusal(row(code)), expected, "0x{code:02x}");
    }
    for row in ROWS {
        assert_eq!(row.arity, 4);
        assert_eq!(row.flags & flags::DENYOOM, 0);
        match row.run {
            Run::Server(which) => assert_eq!(which, ServerCommand::Memcache),
            Run::Data(_) if row.first_key == 0 => {
                assert_eq!(row.route, crate::command::Route::Anywhere)
            }
            Run::Data(_) => {
                assert_eq!((row.first_key, row.last_key, row.key_step), (2, 2, 1));
                let mask = row.flags & (flags::WRITE | flags::READONLY);
                assert_eq!(mask.count_ones(), 1, "{}", row.name);
            }
        }
    }
}

#[test]
fn a_value_that_hopped_is_adopted() {
    // A large value arrives at another shard in its buffer.
    let mut shard = Shard::unlimited();
    let buffer = LargeBuffer::copy_of(&patterned(LARGE_BYTES_MIN)).unwrap();
    let address = buffer.as_slice().as_ptr();
    let mut head = Asked::parse("setq key=k", 0).bytes();
    head[8..12].copy_from_slice(&(9 + LARGE_BYTES_MIN as u32).to_be_bytes());
    let mut parser = Parser::new();
    assert_eq!(parser.parse(&head), Ok(Step::Large { head: head.len() }));
    let ranges = {
        parser.fill_large(buffer.as_slice());
        parser.parse(&head).unwrap();
        parser.ranges().to_vec()
    };
    let mut large = [Some(buffer)];
    let mut reply = Reply::new(Protocol::Resp2);
    let mut context = Context {
        engine: &mut shard.engine,
        db: 0,
        args: Args {
            buffer: &head,
            ranges: &ranges,
            large: &mut large,
        },
        reply: &mut reply,
        settings: &shard.settings,
        stats: &mut shard.stats,
        touch: Touch::Yes,
        known_hash: None,
        may_block: false,
        shard: (0, 1),
    };
    execute(row(opcode::SETQ), &mut context);
    assert!(reply.is_empty());
    let key = shard.engine.key(0, b"k");
    let item = shard.engine.find(&key, Touch::No).unwrap();
    let crate::engine::Value::Large(stored) = shard.engine.value(item) else {
        panic!("a large value")
    };
    assert_eq!(stored.as_slice().as_ptr(), address);
}
