//! Tests of the commands on a real engine: requests in words, replies in bytes.
//!
//! `replies.txt` holds what redis-server answered. What Redis cannot tell (phases over two shards, cursors of several shards, large values, counters,
//! the table's own order) is tested here.

mod events;

use super::gather::{self, BitOperation};
use super::table::{flags, key_flags};
use super::transfer::{Portable, Transfer, Unplaced};
use super::*;
use crate::engine::{EngineOptions, Policy};
use crate::large::LargeBuffer;
use crate::limits::{LARGE_BYTES_MIN, STRING_BYTES_MAX};
use crate::protocol::args::{IN_LARGE, Range};
use crate::protocol::resp::Protocol;

/// The time of the tests: some day in 2023.
const NOW_MS: i64 = 1_700_000_000_000;

/// A request on its own: what a connection would have received.
struct Request {
    buffer: Vec<u8>,
    ranges: Vec<Range>,
    large: Vec<Option<LargeBuffer>>,
}

impl Request {
    fn new(words: &[&[u8]]) -> Request {
        let mut request = Request {
            buffer: Vec::new(),
            ranges: Vec::new(),
            large: Vec::new(),
        };
        for word in words {
            if word.len() < LARGE_BYTES_MIN {
                request.ranges.push(Range {
                    offset: request.buffer.len() as u32,
                    length: word.len() as u32,
                });
                request.buffer.extend_from_slice(word);
            } else {
                let mut buffer = LargeBuffer::zeroed(word.len()).unwrap();
                buffer.as_mut_slice().copy_from_slice(word);
                request.ranges.push(Range {
                    offset: IN_LARGE,
                    length: request.large.len() as u32,
                });
                request.large.push(Some(buffer));
            }
        }
        request
    }
    fn args(&mut self) -> Args<'_> {
        Args {
            buffer: &self.buffer,
            ranges: &self.ranges,
            large: &mut self.large,
        }
    }
}

/// One shard and one client.
pub(super) struct Shard {
    pub(super) engine: Engine,
    settings: Settings,
    pub(super) stats: CommandStats,
    shard: (usize, usize),
    pub(super) protocol: Protocol,
}

impl Shard {
    pub(super) fn new() -> Shard {
        let options = EngineOptions {
            databases: 16,
            memory_bytes_max: 0,
            policy: Policy::NoEviction,
            samples: 5,
            lfu_log_factor: 10,
            lfu_decay_minutes: 1,
            thresholds: Default::default(),
            reservation_bytes: 1 << 28,
            seed: 1,
        };
        let mut engine = Engine::new(options).unwrap();
        engine.set_now(NOW_MS);
        let settings = Settings {
            string_bytes_max: STRING_BYTES_MAX,
            item_bytes_max: 1024 * 1024,
            hll_sparse_bytes_max: 3000,
        };
        Shard {
            engine,
            settings,
            stats: CommandStats::default(),
            shard: (0, 1),
            protocol: Protocol::Resp2,
        }
    }

    /// The reply to a request, large values in their places.
    fn run(&mut self, words: &[&[u8]]) -> Vec<u8> {
        let mut request = Request::new(words);
        let mut reply = Reply::new(self.protocol);
        let args = request.args();
        match resolve(&args) {
            Err(error) => reply.error(error.text()),
            Ok(command) => {
                // As the batch's prefetch does: the first key's hash is known already.
                let first = key_positions(command, &args).next();
                let known_hash =
                    first.map(|index| (index, self.engine.key(0, args.get(index)).hash));
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
                    shard: self.shard,
                };
                execute(command, &mut context);
            }
        }
        flat(&reply)
    }

    pub(super) fn line(&mut self, line: &str) -> Vec<u8> {
        let words = words(line);
        self.run(&words.iter().map(Vec::as_slice).collect::<Vec<_>>())
    }

    pub(super) fn check(&mut self, line: &str, expected: &str) {
        let reply = self.line(line);
        assert_eq!(escape(&reply), expected, "{line}");
    }

    /// What a request counts: hits, misses and changes.
    pub(super) fn check_counts(&mut self, line: &str, expected: [u64; 3]) {
        self.stats = CommandStats::default();
        self.line(line);
        let stats = &self.stats;
        let counted = [stats.keyspace_hits, stats.keyspace_misses, stats.changes];
        assert_eq!(counted, expected, "{line}");
    }
}

/// A reply's bytes with the large values in their places.
fn flat(reply: &Reply) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut start = 0;
    for (position, large) in &reply.large {
        bytes.extend_from_slice(&reply.bytes[start..*position]);
        bytes.extend_from_slice(large.as_slice());
        start = *position;
    }
    bytes.extend_from_slice(&reply.bytes[start..]);
    bytes
}

fn words(line: &str) -> Vec<Vec<u8>> {
    line.split_whitespace()
        .map(|word| {
            if word == "\"\"" {
                Vec::new()
            } else {
                unescape(word)
            }
        })
        .collect()
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next() {
                Some(b'r') => b'\r',
                Some(b'n') => b'\n',
                Some(b'\\') => b'\\',
                Some(b'x') => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => panic!("escape {other:?} in {text}"),
            },
            byte => byte,
        });
    }
    bytes
}

pub(in crate::command) fn escape(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        match byte {
            b'\r' => text.push_str("\\r"),
            b'\n' => text.push_str("\\n"),
            b'\\' => text.push_str("\\\\"),
            b' '..=b'~' => text.push(byte as char),
            _ => text.push_str(&format!("\\x{byte:02x}")),
        }
    }
    text
}

#[test]
fn replies_are_those_of_redis_server() {
    check_replies(include_str!("replies.txt"), 500);
}

/// Runs a table of requests and replies from an empty keyspace; it has more than `cases_min` lines.
pub(in crate::command) fn check_replies(table: &str, cases_min: usize) {
    let mut shard = Shard::new();
    let mut cases = 0;
    let mut wrong = Vec::new();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let (request, expected) = line.split_once(" => ").unwrap();
        let reply = escape(&shard.line(request));
        if reply != expected {
            wrong.push(format!(
                "{request}\n  expected {expected}\n  got      {reply}"
            ));
        }
        cases += 1;
    }
    assert!(
        wrong.is_empty(),
        "{} of {cases} replies differ:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    assert!(cases > cases_min);
}

#[test]
fn conditions_on_values_are_those_of_redis() {
    check_replies(include_str!("compare_replies.txt"), 90);
}

#[test]
fn conditions_hold_of_large_values() {
    let mut shard = Shard::new();
    let value = vec![b'v'; LARGE_BYTES_MIN + 5];
    let other = vec![b'w'; LARGE_BYTES_MIN + 5];
    assert_eq!(shard.run(&[b"set", b"k", &value]), b"+OK\r\n");
    assert_eq!(
        shard.run(&[b"set", b"k", b"x", b"ifeq", &other]),
        b"$-1\r\n"
    );
    assert_eq!(
        shard.run(&[b"set", b"k", &other, b"ifeq", &value]),
        b"+OK\r\n"
    );
    assert_eq!(shard.run(&[b"delex", b"k", b"ifeq", &value]), b":0\r\n");
    let digest = shard.line("digest k");
    let digest = digest[5..21].to_vec();
    assert_eq!(shard.run(&[b"delex", b"k", b"ifdeq", &digest]), b":1\r\n");
    assert_eq!(shard.stats.changes, 3);
}

#[test]
fn nulls_maps_and_sets_follow_the_protocol() {
    let mut shard = Shard::new();
    shard.protocol = Protocol::Resp3;
    shard.check("get nokey", "_\\r\\n");
    shard.check("mget nokey", "*1\\r\\n_\\r\\n");
    shard.check("bitfield f overflow fail incrby u1 0 2", "*1\\r\\n_\\r\\n");
    shard.check(
        "lcs a b idx",
        "%2\\r\\n$7\\r\\nmatches\\r\\n*0\\r\\n$3\\r\\nlen\\r\\n:0\\r\\n",
    );
    shard.check(
        "command list filterby pattern getex",
        "~1\\r\\n$5\\r\\ngetex\\r\\n",
    );
    shard.check("command docs nope", "%0\\r\\n");
    assert!(
        shard
            .line("command docs get")
            .starts_with(b"%1\r\n$3\r\nget\r\n%5\r\n$7\r\nsummary\r\n")
    );
    assert!(
        shard
            .line("command info get")
            .starts_with(b"*1\r\n*10\r\n$3\r\nget\r\n:2\r\n~2\r\n+readonly\r\n+fast\r\n")
    );
}

#[test]
fn expiry_follows_the_clock() {
    let mut shard = Shard::new();
    shard.check("set k v px 1500", "+OK\\r\\n");
    shard.check("pttl k", ":1500\\r\\n");
    shard.check("ttl k", ":2\\r\\n");
    shard.check("pexpiretime k", ":1700000001500\\r\\n");
    shard.engine.set_now(NOW_MS + 1499);
    shard.check("pttl k", ":1\\r\\n");
    shard.engine.set_now(NOW_MS + 1500);
    shard.check("get k", "$-1\\r\\n");
    shard.check(
        "time",
        "*2\\r\\n$10\\r\\n1700000001\\r\\n$6\\r\\n500000\\r\\n",
    );
}

#[test]
fn hits_misses_and_changes_are_counted() {
    let mut shard = Shard::new();
    for (line, hits, misses, changes) in [
        ("get a", 0, 1, 0),
        ("set a 1", 0, 0, 1),
        ("get a", 1, 0, 0),
        ("mget a b", 1, 1, 0),
        ("exists a b", 1, 1, 0),
        ("ttl a", 1, 0, 0),
        ("incr a", 0, 0, 1),
        ("set a 1 nx", 0, 0, 0),
        ("set a 1 get", 1, 0, 1),
        ("mset b 1 c 1", 0, 0, 2),
        ("bitop or d a nokey", 1, 1, 1),
        ("lcs a nokey len", 1, 1, 0),
        ("rename d e", 0, 0, 1),
        ("copy e f", 1, 0, 1),
        ("expire f 0", 0, 0, 1),
        ("persist e", 0, 0, 0),
        ("getdel e", 1, 0, 1),
        ("del a b nokey", 0, 0, 2),
        ("memory usage c", 0, 0, 0),
        ("flushall", 0, 0, 1),
    ] {
        shard.check_counts(line, [hits, misses, changes]);
    }
}

#[test]
fn large_values_go_through_every_command_that_meets_them() {
    let mut shard = Shard::new();
    let large = b"0123456789abcdef".repeat(LARGE_BYTES_MIN / 16);
    let bulk = |value: &[u8]| [format!("${}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat();
    assert_eq!(shard.run(&[b"set", b"k", &large]), b"+OK\r\n");
    assert_eq!(shard.line("get k"), bulk(&large));
    assert_eq!(
        shard.line("mget k k"),
        [b"*2\r\n".to_vec(), bulk(&large), bulk(&large)].concat()
    );
    assert_eq!(shard.run(&[b"set", b"k", &large, b"get"]), bulk(&large));
    assert_eq!(shard.run(&[b"getset", b"k", &large]), bulk(&large));
    shard.check("copy k k2", ":1\\r\\n");
    shard.check("append k2 x", &format!(":{}\\r\\n", large.len() + 1));
    shard.check("setrange k2 0 ABC", &format!(":{}\\r\\n", large.len() + 1));
    shard.check("getrange k2 0 4", "$5\\r\\nABC34\\r\\n");
    // The copy was changed, what it was copied from was not.
    assert_eq!(shard.line("get k"), bulk(&large));
    shard.check("bitop not n k", &format!(":{}\\r\\n", large.len()));
    shard.check("bitop not n n", &format!(":{}\\r\\n", large.len()));
    assert_eq!(shard.line("get n"), bulk(&large));
    shard.check("rename n m", "+OK\\r\\n");
    shard.check("move m 1", ":1\\r\\n");
    shard.check(
        "incr k",
        "-ERR value is not an integer or out of range\\r\\n",
    );
    shard.check("object encoding k", "$3\\r\\nraw\\r\\n");
    assert_eq!(
        shard.run(&[b"mset", b"a", &large, b"b", &large]),
        b"+OK\r\n"
    );
    assert_eq!(shard.line("getdel a"), bulk(&large));
    assert_eq!(
        shard.run(&[b"append", b"new", &large]),
        format!(":{}\r\n", large.len()).into_bytes()
    );
    assert_eq!(
        shard.run(&[b"append", b"new", &large]),
        format!(":{}\r\n", 2 * large.len()).into_bytes()
    );
    assert_eq!(shard.run(&[b"set", &large, b"v"]), b"+OK\r\n");
    assert_eq!(shard.run(&[b"get", &large]), b"$1\r\nv\r\n");
    shard.check("setbit new 0 1", ":0\\r\\n");
    shard.check("setbit grown 800000 1", ":0\\r\\n");
    shard.check("bitcount grown", ":1\\r\\n");
    shard.check("bitpos grown 1", ":800000\\r\\n");
    shard.check(
        "lcs k new",
        "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len\\r\\n",
    );
}

#[test]
fn strings_longer_than_the_limit_are_refused() {
    let mut shard = Shard::new();
    shard.settings.string_bytes_max = 16;
    let too_long = "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\\r\\n";
    shard.check("set k 0123456789abcdef", "+OK\\r\\n");
    shard.check("append k x", too_long);
    shard.check("setrange k 16 x", too_long);
    shard.check("setrange k 15 x", ":16\\r\\n");
    shard.check(
        "setbit k 128 1",
        "-ERR bit offset is not an integer or out of range\\r\\n",
    );
}

#[test]
fn scan_visits_all_shards_and_all_keys() {
    let mut shards: Vec<Shard> = (0..3).map(|_| Shard::new()).collect();
    for i in 0..600 {
        shards[i % 3].line(&format!("set key:{i} {i}"));
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut cursor = 0;
    loop {
        let number = cursor::shard(cursor);
        let shard = &mut shards[number];
        shard.shard = (number, 3);
        let reply = String::from_utf8(shard.line(&format!("scan {cursor} count 50"))).unwrap();
        let mut lines = reply.split("\r\n");
        assert_eq!(lines.next(), Some("*2"));
        cursor = lines.nth(1).unwrap().parse().unwrap();
        seen.extend(
            lines
                .filter(|line| line.starts_with("key:"))
                .map(str::to_owned),
        );
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen.len(), 600);
    // A cursor of a shard that does not exist ends the scan.
    shards[0].shard = (0, 3);
    let made_up = (7u64 << 32).to_string();
    shards[0].check(
        &format!("scan {made_up}"),
        "*2\\r\\n$1\\r\\n0\\r\\n*0\\r\\n",
    );
    assert_eq!(
        shards[0]
            .line("keys key:1*")
            .iter()
            .filter(|&&byte| byte == b'$')
            .count(),
        36
    );
}

/// RENAME, RENAMENX and COPY with the keys on two shards.
fn transfer_between(line: &str, source: &mut Shard, destination: &mut Shard) -> Vec<u8> {
    let words = words(line);
    let mut request = Request::new(&words.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let args = request.args();
    let mut reply = Reply::new(Protocol::Resp2);
    let outcome = (|| {
        let command = resolve(&args)?;
        let transfer = Transfer::parse(command.name, &args, 0, 16)?;
        let from = source.engine.key(0, args.get(1));
        let to = destination.engine.key(transfer.destination_db, args.get(2));
        let fetched = match transfer.removes_source() {
            true => Some(Portable::take(&mut source.engine, &from).ok_or(CommandError::NoSuchKey)?),
            false => transfer.fetch(&mut source.engine, &mut source.stats, &from)?,
        };
        let stored = match fetched {
            Some(portable) => {
                let (engine, stats) = (&mut destination.engine, &mut destination.stats);
                match transfer.put(engine, stats, &to, portable) {
                    Ok(()) => true,
                    Err(Unplaced::IsInTheWay(portable)) => {
                        if transfer.removes_source() {
                            portable.write(&mut source.engine, &from)?;
                        }
                        false
                    }
                    Err(Unplaced::OutOfMemory(_)) => panic!("there is no limit"),
                }
            }
            None => false,
        };
        transfer.reply(&mut reply, stored);
        Ok::<(), CommandError>(())
    })();
    if let Err(error) = outcome {
        reply.error(error.text());
    }
    flat(&reply)
}

#[test]
fn transfers_between_shards_reply_as_within_one() {
    let mut one = Shard::new();
    let (mut left, mut right) = (Shard::new(), Shard::new());
    for setup in ["set a 12", "expire a 100", "set c x", "append c y"] {
        one.line(setup);
        left.line(setup);
    }
    for line in [
        "rename nokey b",
        "renamenx nokey b",
        "copy nokey b",
        "copy a b",
        "copy a b",
        "copy c b replace",
        "copy a b db 3",
        "copy a b db 3",
        "copy a b db 99",
        "copy a b what",
        "renamenx a b",
        "rename a b",
        "renamenx c d",
    ] {
        let expected = one.line(line);
        assert_eq!(
            escape(&transfer_between(line, &mut left, &mut right)),
            escape(&expected),
            "{line}"
        );
        for question in [
            "get b",
            "ttl b",
            "object encoding b",
            "get d",
            "object encoding d",
        ] {
            assert_eq!(
                escape(&right.line(question)),
                escape(&one.line(question)),
                "{question} after {line}"
            );
        }
        for question in ["exists a", "exists c"] {
            assert_eq!(
                escape(&left.line(question)),
                escape(&one.line(question)),
                "{question} after {line}"
            );
        }
    }
}

#[test]
fn values_of_several_shards_are_combined_as_those_of_one() {
    let mut one = Shard::new();
    let mut shards = [Shard::new(), Shard::new()];
    for (shard, setup) in [(0, "set a 12345"), (1, "set b abcdefgh"), (0, "set c 7")] {
        one.line(setup);
        shards[shard].line(setup);
    }
    let mut sources = Vec::new();
    for (shard, name) in [(0, "a"), (1, "b"), (0, "c"), (1, "nokey")] {
        let Shard { engine, stats, .. } = &mut shards[shard];
        let key = engine.key(0, name.as_bytes());
        sources.push(gather::fetch(engine, stats, Touch::Yes, &key).unwrap());
    }
    let strings: Vec<_> = sources
        .iter()
        .map(|source| source.as_ref().map(|source| source.string()))
        .collect();
    let slices: Vec<&[u8]> = strings
        .iter()
        .map(|string| string.as_deref().unwrap_or(&[]))
        .collect();
    for (name, operation) in [
        ("and", BitOperation::And),
        ("or", BitOperation::Or),
        ("xor", BitOperation::Xor),
    ] {
        one.line(&format!("bitop {name} dest a b c nokey"));
        let made = gather::bitop(operation, &slices).unwrap();
        let Shard { engine, stats, .. } = &mut shards[1];
        let destination = engine.key(0, b"dest");
        assert_eq!(gather::store_bits(engine, stats, &destination, made), Ok(8));
        assert_eq!(
            escape(&shards[1].line("get dest")),
            escape(&one.line("get dest")),
            "{name}"
        );
    }
}

/// Every row, subcommands included.
fn all_rows() -> impl Iterator<Item = &'static Command> {
    COMMANDS
        .iter()
        .flat_map(|command| std::iter::once(command).chain(command.subcommands))
}

#[test]
fn the_rows_are_sane() {
    assert!(
        COMMANDS
            .iter()
            .enumerate()
            .all(|(at, row)| COMMANDS[..at].iter().all(|other| other.name != row.name)),
        "sorted, and no name twice"
    );
    for command in all_rows() {
        let name = command.name;
        assert!(
            name.bytes()
                .all(|byte| byte.is_ascii_lowercase() || b"_|-.".contains(&byte)),
            "{name}"
        );
        assert_ne!(command.arity, 0, "{name}");
        assert!(
            !command.summary.is_empty() && !command.since.is_empty() && !command.group.is_empty(),
            "{name}"
        );
        assert!(
            command.flags & (flags::WRITE | flags::READONLY) != flags::WRITE | flags::READONLY,
            "{name}"
        );
        assert!(
            command.flags & flags::DENYOOM == 0 || command.flags & flags::WRITE != 0,
            "{name}"
        );
        let has_keys = command.first_key != 0 || command.find_keys.is_some();
        assert_eq!(has_keys, !command.key_specs.is_empty(), "{name}");
        let names_keys = command.names_keys();
        if command.subcommands.is_empty() {
            let by_key = matches!(command.route, Route::Keys(_))
                && matches!(command.run, Run::Data(_))
                || matches!(
                    command.run,
                    Run::Server(ServerCommand::Eval | ServerCommand::Watch)
                );
            assert_eq!(
                names_keys, by_key,
                "{name}: a command with keys goes where they are"
            );
        }
        if command.first_key != 0 && names_keys {
            let least = command.arity.unsigned_abs() as usize;
            assert!(
                (command.first_key as usize) < least,
                "{name}: its first key is always there"
            );
            assert!(
                command.key_step > 0
                    && (command.last_key < 0 || (command.last_key as usize) < least),
                "{name}"
            );
            let one_key = command.first_key == command.last_key;
            assert_eq!(
                one_key && command.find_keys.is_none() && command.further_keys.is_none(),
                command.route == Route::Keys(Split::Never),
                "{name}"
            );
            assert!(command.key_specs.iter().all(|spec| spec.flags
                & (key_flags::RO | key_flags::RW | key_flags::OW | key_flags::RM)
                != 0));
        }
        for subcommand in command.subcommands {
            let (container, _) = subcommand.name.split_once('|').unwrap();
            assert_eq!(container, name);
            assert!(subcommand.subcommands.is_empty());
        }
    }
}

#[test]
fn key_positions_agree_with_command_getkeys() {
    let mut shard = Shard::new();
    for command in all_rows().filter(|command| command.first_key != 0 && command.names_keys()) {
        let mut request: Vec<String> = command.name.split('|').map(str::to_owned).collect();
        // A number of arguments that every arity here allows: MSET wants pairs.
        let len = if command.arity > 0 {
            command.arity as usize
        } else {
            usize::from(command.arity.unsigned_abs()).max(7)
        };
        while request.len() < len {
            request.push(format!("argument{}", request.len()));
        }
        if command.find_keys.is_some() {
            continue;
        }
        let words: Vec<&[u8]> = request.iter().map(|word| word.as_bytes()).collect();
        let mut parsed = Request::new(&words);
        let expected: Vec<&str> = key_positions(command, &parsed.args())
            .map(|position| request[position].as_str())
            .collect();
        assert!(!expected.is_empty(), "{}", command.name);
        let reply =
            String::from_utf8(shard.line(&format!("command getkeys {}", request.join(" "))))
                .unwrap();
        let keys: Vec<&str> = reply
            .split("\r\n")
            .filter(|line| line.starts_with("argument"))
            .collect();
        assert_eq!(keys, expected, "{}", command.name);
    }
}

#[test]
fn every_name_is_found_in_any_case_and_no_other() {
    for command in COMMANDS {
        for name in [
            command.name.to_owned(),
            command.name.to_ascii_uppercase(),
            command.name.replace('e', "E"),
        ] {
            assert_eq!(
                lookup(name.as_bytes()).map(|found| found.name),
                Some(command.name)
            );
        }
        assert!(lookup(format!("{}~", command.name).as_bytes()).is_none());
        assert!(
            lookup(&command.name.as_bytes()[1..]).is_none_or(|found| found.name != command.name)
        );
    }
    for name in [
        &b""[..],
        b"a",
        b"gett",
        b"g\x05t",
        b"object|encoding",
        &[0xff; 300],
    ] {
        assert!(lookup(name).is_none());
    }
}

#[test]
fn help_and_documentation_can_be_written_for_every_row() {
    let mut shard = Shard::new();
    let docs = String::from_utf8(shard.line("command docs")).unwrap();
    for command in all_rows() {
        assert!(
            docs.contains(&format!("\r\n{}\r\n", command.name)),
            "{}",
            command.name
        );
    }
    assert!(
        shard
            .line("command")
            .starts_with(format!("*{}\r\n*10\r\n", COMMANDS.len()).as_bytes())
    );
    shard.check("command count", &format!(":{}\\r\\n", COMMANDS.len()));
    for container in COMMANDS
        .iter()
        .filter(|command| !command.subcommands.is_empty())
    {
        let mut reply = Reply::new(Protocol::Resp2);
        introspect::write_help(&mut reply, &container.name.to_ascii_uppercase());
        assert!(
            reply
                .bytes
                .starts_with(format!("*{}\r\n", 1 + 2 * container.subcommands.len()).as_bytes())
        );
    }
}

#[test]
fn writes_that_grow_are_refused_when_memory_is_short() {
    let mut shard = Shard::new();
    shard.line("set k v");
    shard.engine.set_memory_bytes_max(1);
    let refused = "-OOM command not allowed when used memory > 'maxmemory'.\\r\\n";
    for line in [
        "set k w",
        "set k w get",
        "append k x",
        "incr n",
        "mset a 1",
        "setbit b 1 1",
        "copy k l",
        "bitop or d k",
    ] {
        shard.check(line, refused);
    }
    shard.check("get k", "$1\\r\\nv\\r\\n");
    shard.check("del k", ":1\\r\\n");
}

#[test]
fn a_command_that_changes_nothing_leaves_the_token_as_it_is() {
    let long = "x".repeat(100);
    for (make, nothing, something) in [
        ("sadd k a", "sadd k a", "sadd k b"),
        ("sadd k a", "srem k b", "srem k a"),
        ("sadd k a", "spop k 0", "spop k"),
        ("zadd k 1 a", "zadd k 1 a", "zadd k 2 a"),
        ("zadd k 1 a", "zadd k nx 5 a", "zadd k incr 1 a"),
        ("zadd k 1 a 1 c", "zrem k b", "zrem k a"),
        ("geoadd k 1 1 a", "geoadd k 1 1 a", "geoadd k 2 2 a"),
        ("rpush k a b", "lrem k 0 c", "lrem k 0 a"),
        ("rpush k a b", "ltrim k 0 -1", "ltrim k 0 0"),
        (
            "rpush k a b",
            "linsert k before c d",
            "linsert k before a d",
        ),
        ("rpush k a b", "lset k 5 c", "lset k 1 c"),
        ("xadd k 1-0 a 1", "xdel k 2-0", "xdel k 1-0"),
        ("xadd k 1-0 a 1", "xtrim k maxlen 5", "xtrim k maxlen 0"),
    ] {
        // Packed, and large for an element that is long.
        for extra in ["", "sadd k LONG", "zadd k 1 LONG", "rpush k LONG"] {
            let mut shard = Shard::new();
            shard.line(make);
            if !extra.is_empty() {
                shard.line(&extra.replace("LONG", &long));
            }
            let key = shard.engine.key(0, b"k");
            let token = shard.engine.token(&key);
            shard.line(nothing);
            assert!(shard.engine.token_matches(&key, token), "{nothing}");
            shard.line(something);
            assert!(!shard.engine.token_matches(&key, token), "{something}");
        }
    }
}
