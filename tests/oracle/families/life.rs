//! Transactions, scripts and functions made of the operations of all families, and scripts about the libraries that scripts have.

use crate::generate::{Builder, Compare, Operation, Territory, plain_operation};
use crate::support::random::Random;

/// A transaction, with what happens between WATCH and MULTI.
#[derive(Clone, Debug, Default)]
pub struct Transaction {
    /// WATCH of these; nothing is watched if there are none.
    pub watched: Vec<Vec<u8>>,
    /// What is done before MULTI, and whether another connection does it.
    pub between: Vec<(bool, Operation)>,
    /// The commands.
    pub inside: Vec<Operation>,
    /// DISCARD instead of EXEC.
    pub is_discarded: bool,
}

impl Transaction {
    /// The command at the end.
    pub fn last(&self) -> &'static [u8] {
        if self.is_discarded {
            b"DISCARD"
        } else {
            b"EXEC"
        }
    }

    /// The requests as a report shows them.
    pub fn lines(&self) -> Vec<Vec<Vec<u8>>> {
        let mut lines = Vec::new();
        if !self.watched.is_empty() {
            lines.push([vec![b"WATCH".to_vec()], self.watched.clone()].concat());
        }
        for (by_another, operation) in &self.between {
            let mut line = operation.arguments.clone();
            if *by_another {
                line.insert(0, b"(another connection)".to_vec());
            }
            lines.push(line);
        }
        lines.push(vec![b"MULTI".to_vec()]);
        lines.extend(self.inside.iter().map(|inner| inner.arguments.clone()));
        lines.push(vec![self.last().to_vec()]);
        lines
    }
}

/// Whether an operation may be part of a transaction or of a script.
fn may_be_inside(operation: &Operation) -> bool {
    let name = operation.arguments[0].to_ascii_uppercase();
    let is_compared_alone = matches!(
        operation.compare,
        Compare::Exact
            | Compare::Unordered
            | Compare::Near(_)
            | Compare::Pairs
            | Compare::Numbers
            | Compare::Stream
    );
    // A number that was out of range earlier changes what 7.0 sorts.
    is_compared_alone && !name.starts_with(b"SORT")
}

/// Whether they are to be most of what is tested.
pub fn is_alone() -> bool {
    static ALONE: std::sync::LazyLock<bool> =
        std::sync::LazyLock::new(|| std::env::var_os("TORC_TEST_TRANSACTIONS").is_some());
    *ALONE
}

/// One of any family that may be part of a transaction or of a script.
fn inner(random: &mut Random, territory: &Territory, without: &[String]) -> Operation {
    loop {
        let operation = plain_operation(random, territory, without);
        if may_be_inside(&operation) {
            return operation;
        }
    }
}

fn of(arguments: Vec<Vec<u8>>, compare: Compare) -> Operation {
    Operation {
        arguments,
        compare,
        parts: Vec::new(),
        transaction: None,
    }
}

fn words(line: &[&str]) -> Vec<Vec<u8>> {
    line.iter().map(|word| word.as_bytes().to_vec()).collect()
}

/// A transaction, a script or a function.
pub fn operation(random: &mut Random, territory: &Territory, without: &[String]) -> Operation {
    match random.below(100) {
        0..40 => transaction(random, territory, without),
        40..60 => one_call(random, territory, without),
        60..75 => several_calls(random, territory, without),
        75..85 if territory.alone => named(random, territory),
        85..90 => shapes(random),
        _ => libraries(random),
    }
}

/// Commands of which both servers say alike whether they have changed a key.
const BETWEEN: [&str; 33] = [
    "SET",
    "GETSET",
    "SETRANGE",
    "APPEND",
    "INCR",
    "DECR",
    "INCRBY",
    "DECRBY",
    "MSET",
    "MSETNX",
    "DEL",
    "UNLINK",
    "GETDEL",
    "GET",
    "MGET",
    "EXISTS",
    "TYPE",
    "TTL",
    "STRLEN",
    "RPUSH",
    "LPUSH",
    "LPOP",
    "RPOP",
    "LRANGE",
    "HSET",
    "HGETALL",
    "SADD",
    "SISMEMBER",
    "ZADD",
    "ZSCORE",
    "FLUSHALL",
    "SWAPDB",
    "RENAME",
];

fn transaction(random: &mut Random, territory: &Territory, without: &[String]) -> Operation {
    let mut made = Transaction::default();
    let inside = random.below(7);
    for _ in 0..inside {
        let next = match random.below(60) {
            0 => of(words(&["MULTI"]), Compare::Exact),
            1 => of(words(&["WATCH", "x"]), Compare::Exact),
            2 => of(words(&["EXEC", "x"]), Compare::Exact),
            3 => of(words(&["NOSUCH"]), Compare::Exact),
            4..=8 => one_call(random, territory, without),
            _ => inner(random, territory, without),
        };
        made.inside.push(next);
    }
    if random.chance(40) {
        // The other connection has chosen no database.
        let chooses = of(words(&["SELECT", "0"]), Compare::Exact);
        made.between.push((false, chooses));
        for _ in 0..=random.below(2) {
            let operation = inner(random, territory, without);
            if let Some(key) = operation.arguments.get(1) {
                made.watched.push(key.clone());
            }
            if random.chance(50) {
                let by_another = random.chance(70);
                made.between.push((by_another, operation));
            }
        }
        for _ in 0..random.below(2) {
            let by_another = random.chance(70);
            made.between
                .push((by_another, inner(random, territory, without)));
        }
        // Some writes that change nothing are changes here and none in Redis; the other connection stays in its database.
        made.between.retain(|(by_another, operation)| {
            let name = operation.arguments[0].to_ascii_uppercase();
            let name = String::from_utf8_lossy(&name);
            BETWEEN.contains(&&*name) || !by_another && name == "SELECT"
        });
    }
    made.is_discarded = random.chance(5);
    Operation {
        transaction: Some(Box::new(made)),
        ..of(words(&["EXEC"]), Compare::Exact)
    }
}

const CALL: &str = "return redis.call(unpack(ARGV))";
const PCALL: &str = "local r = redis.pcall(unpack(ARGV)) if type(r) == 'table' and r.err then return {'caught', r.err} end return r";
const CAUGHT: &str = "local ok, r = pcall(redis.call, unpack(ARGV)) if ok then return r end return {'raised', r.err}";

/// A script that calls one command, with some of its words declared as keys.
fn one_call(random: &mut Random, territory: &Territory, without: &[String]) -> Operation {
    let called = inner(random, territory, without);
    let text = *random.pick(&[CALL, CALL, PCALL, CAUGHT]);
    // PFCOUNT may be called by a script that only reads, as it changes nothing that a client could see.
    let is_counted = called.arguments[0].eq_ignore_ascii_case(b"PFCOUNT");
    let only_reads = random.chance(15) && !is_counted;
    let verb = if only_reads { "EVAL_RO" } else { "EVAL" };
    let declared = match random.below(4) {
        0 => 0,
        1 | 2 => called.arguments.len().min(2) - 1,
        _ => called.arguments.len() - 1,
    };
    let mut arguments = words(&[verb, text, &declared.to_string()]);
    arguments.extend_from_slice(&called.arguments[1..=declared]);
    arguments.extend_from_slice(&called.arguments);
    of(arguments, called.compare)
}

/// The arguments are commands, each behind the number of its words.
const CALLS: &str = "local out, at = {}, 1 while at <= #ARGV do local n = tonumber(ARGV[at]) local r = redis.pcall(unpack(ARGV, at + 1, at + n)) if r == nil then r = false end \
    out[#out + 1] = r at = at + n + 1 end return out";

/// A script that calls several.
fn several_calls(random: &mut Random, territory: &Territory, without: &[String]) -> Operation {
    let mut called: Vec<Operation> = (0..1 + random.below(6))
        .map(|_| inner(random, territory, without))
        .collect();
    // Beside others a script that has written gets keys that it has not declared only if nobody holds them, and never all of them.
    called.retain(|operation| {
        let name = operation.arguments[0].to_ascii_uppercase();
        !matches!(
            &name[..],
            b"KEYS" | b"DBSIZE" | b"FLUSHDB" | b"FLUSHALL" | b"SWAPDB"
        )
    });
    let mut keys = Vec::new();
    for operation in &called {
        if !territory.alone {
            keys.extend_from_slice(&operation.arguments[1..]);
        } else if random.chance(60) {
            keys.extend(operation.arguments.get(1).cloned());
        }
    }
    let mut arguments = words(&["EVAL", CALLS, &keys.len().to_string()]);
    arguments.extend(keys);
    for operation in &called {
        arguments.push(operation.arguments.len().to_string().into_bytes());
        arguments.extend_from_slice(&operation.arguments);
    }
    if called.is_empty() {
        return of(words(&["EVAL", CALLS, "0"]), Compare::Exact);
    }
    Operation {
        parts: called.iter().map(|operation| operation.compare).collect(),
        ..of(arguments, Compare::Exact)
    }
}

/// Scripts and what their hashes are.
const HASHED: [(&str, &str); 3] = [
    (
        "return redis.call('INCR', KEYS[1])",
        "61636018f4e6b5817b89791bbed242f93fa089e3",
    ),
    (
        "return {KEYS, ARGV}",
        "25798f6e367278f6dedc9713a90c526c253106f3",
    ),
    (
        "return redis.call('GET', KEYS[1]) or ARGV[1]",
        "81c9b53f67a23f9134d8c07698924b8d206de26c",
    ),
];

const LIBRARIES: [&str; 3] = [
    "#!lua name=one\nredis.register_function('raise', function(keys, args) return redis.call('INCRBY', keys[1], args[1] or 1) end)\n\
     redis.register_function{function_name='look', callback=function(keys) return redis.call('GET', keys[1]) end, flags={'no-writes'}}",
    "#!lua name=two\nlocal function all(keys) local out = {} for i, key in ipairs(keys) do out[i] = redis.call('TYPE', key) end return out end\n\
     redis.register_function{function_name='types', callback=all, flags={'no-writes', 'allow-stale'}, description='of all keys'}",
    "#!lua name=three\nredis.register_function('look', function() return 'another' end)",
];

/// What is known by name: scripts by their hashes, functions. Servers' own, so this is for one who is alone.
fn named(random: &mut Random, territory: &Territory) -> Operation {
    let (text, hash) = *random.pick(&HASHED);
    let library = *random.pick(&LIBRARIES);
    let name = *random.pick(&["one", "two", "three", "four"]);
    let mut builder = Builder::new(random, territory);
    match builder.random.below(22) {
        0 | 1 => builder.words("SCRIPT LOAD").word(text),
        2 => {
            let how = *builder.random.pick(&["SYNC", "ASYNC", "async"]);
            builder.words("SCRIPT FLUSH").word(how)
        }
        3 => builder.words("SCRIPT EXISTS").word(hash).word("x"),
        4 => builder.word("EVAL").word(text).word("1").key().value(),
        5..=8 => {
            let hash = match builder.random.chance(20) {
                true => hash.to_uppercase(),
                false => hash.to_string(),
            };
            let verb = *builder.random.pick(&["EVALSHA", "EVALSHA", "EVALSHA_RO"]);
            builder.word(verb).word(hash).word("1").key().value()
        }
        9..=11 => {
            builder.words("FUNCTION LOAD");
            if builder.random.chance(60) {
                builder.word("REPLACE");
            }
            builder.word(library)
        }
        12 => builder.words("FUNCTION DELETE").word(name),
        13 => builder.words("FUNCTION FLUSH"),
        // Of a library with several functions a server chooses the order.
        14 => builder.words("FUNCTION LIST LIBRARYNAME t[w]*"),
        15 => builder.words("FUNCTION STATS"),
        _ => {
            let verb = *builder.random.pick(&["FCALL", "FCALL", "FCALL_RO"]);
            let name = *builder.random.pick(&["raise", "look", "types", "LOOK"]);
            let keys = 1 + builder.random.below(3);
            builder.word(verb).word(name).word(keys.to_string());
            for _ in 0..keys {
                builder.key();
            }
            builder.value()
        }
    };
    builder.finished()
}

fn number(random: &mut Random) -> String {
    match random.below(8) {
        0 => random
            .pick(&[
                "0",
                "-0",
                "1e15",
                "1e16",
                "123456789012",
                "0x10",
                "1e300",
                "-1e300",
                "inf",
                "nan",
                "x",
                "",
                "4294967296",
                "2147483648",
                "0.1",
                "1e-7",
            ])
            .to_string(),
        1..=3 => random.between(-300, 70_000).to_string(),
        4 => random.between(-(1 << 33), 1 << 33).to_string(),
        5 => random.between(-(1 << 52), 1 << 52).to_string(),
        _ => format!("{}.{}", random.between(-99, 99), random.below(1000)),
    }
}

/// Values of every kind as replies.
fn shapes(random: &mut Random) -> Operation {
    const KINDS: [&str; 12] = [
        "n",
        "s",
        "{ok=s}",
        "{err=s}",
        "{double=n}",
        "{map={[s]=n}}",
        "{set={[s]=true}}",
        "{big_number=s}",
        "{verbatim_string={format='txt',string=s}}",
        "true",
        "false",
        "{n,{s}}",
    ];
    let kinds: Vec<&str> = (0..1 + random.below(4))
        .map(|_| *random.pick(&KINDS))
        .collect();
    let speaks = *random.pick(&["", "redis.setresp(3) ", "redis.setresp(2) "]);
    let text = format!(
        "{speaks}local n, s = tonumber(ARGV[1]) or 0, ARGV[2] return {{{}}}",
        kinds.join(", ")
    );
    let length = random.below(12) as usize;
    // Of some of these redis-server takes what is in front of a NUL, and makes blanks of the ends of lines.
    let mut string = random.bytes(length);
    string.retain(|byte| !b"\0\r\n".contains(byte));
    let mut arguments = words(&[
        "EVAL",
        &text,
        "0",
        &random.between(-99_999, 99_999).to_string(),
    ]);
    arguments.push(string);
    of(arguments, Compare::Numbers)
}

/// Text that is JSON, or nearly.
fn json(random: &mut Random, depth: u64) -> String {
    match random.below(if depth == 0 { 6 } else { 9 }) {
        0 | 1 => number(random),
        2 => random.pick(&["true", "false", "null"]).to_string(),
        3 => random
            .pick(&[
                "\"\"",
                "\"\\u00e9\\n\"",
                "\"a b\"",
                "\"\\ud83d\\ude00\"",
                "\"\\\\\"",
                "\"\\q\"",
            ])
            .to_string(),
        4 => format!("\"{}\"", random.below(100)),
        5 => random.pick(&["[]", "{}", "[", "tru", "[1,]"]).to_string(),
        6 | 7 => {
            let parts: Vec<String> = (0..random.below(5))
                .map(|_| json(random, depth - 1))
                .collect();
            format!("[{}]", parts.join(","))
        }
        _ => {
            let parts: Vec<String> = (0..random.below(4))
                .map(|_| format!("\"k{}\":{}", random.below(9), json(random, depth - 1)))
                .collect();
            format!("{{{}}}", parts.join(" , "))
        }
    }
}

/// Writes any value in one way, whatever order its table has.
const SHOW: &str = "local function show(v) if v == cjson.null then return 'null' end local t = type(v) if t ~= 'table' then return t .. ':' .. tostring(v) end \
    local all = {} for k, x in pairs(v) do all[#all + 1] = show(k) .. '=' .. show(x) end table.sort(all) return '{' .. table.concat(all, ',') .. '}' end ";

/// What scripts' libraries make of random values.
fn libraries(random: &mut Random) -> Operation {
    let (mut arguments, script): (Vec<Vec<u8>>, String) = match random.below(9) {
        0 => (
            vec![json(random, 3).into_bytes()],
            format!("{SHOW} return show(cjson.decode(ARGV[1]))"),
        ),
        1 => {
            let length = random.below(20) as usize;
            (
                vec![number(random).into_bytes(), random.bytes(length)],
                "return cjson.encode({tonumber(ARGV[1]), ARGV[2], {ARGV[2]}, {a = ARGV[1]}})"
                    .into(),
            )
        }
        2 => {
            let length = random.below(40) as usize;
            (
                vec![number(random).into_bytes(), random.bytes(length)],
                "return cmsgpack.pack(tonumber(ARGV[1]), ARGV[2], {ARGV[2], tonumber(ARGV[1])}, {a = true})".into(),
            )
        }
        3 => {
            let length = random.below(20) as usize;
            (
                vec![random.bytes(length)],
                format!(
                    "{SHOW} return show(select(1, pcall(cmsgpack.unpack, ARGV[1])) and {{cmsgpack.unpack(ARGV[1])}} or 'refused')"
                ),
            )
        }
        4 => {
            // What is announced is small, so that what is missing shows soon.
            let mut bytes = Vec::new();
            for _ in 0..1 + random.below(6) {
                bytes.push(*random.pick(&[
                    0x01, 0x7f, 0x81, 0x82, 0x91, 0x93, 0xa1, 0xc0, 0xc2, 0xc3, 0xcc, 0xcd, 0xd0,
                    0xd1, 0xe0, 0xff, b'a',
                ]));
            }
            (
                vec![bytes],
                format!(
                    "{SHOW} return show(select(1, pcall(cmsgpack.unpack, ARGV[1])) and {{cmsgpack.unpack(ARGV[1])}} or 'refused')"
                ),
            )
        }
        5 => {
            let formats = [
                "b", "B", ">h", "<H", ">l", "<L", ">I3", "<i5", "d", ">f", "!8 b d", "s", "c3",
                "Bc0", "x", "q", "",
            ];
            let format = *random.pick(&formats);
            let length = random.below(24) as usize;
            (
                vec![format.into(), random.bytes(length)],
                format!("{SHOW} return show({{struct.unpack(ARGV[1], ARGV[2])}})"),
            )
        }
        6 => {
            let format = *random.pick(&[
                "b", "B", ">h", "<H", ">I2", "<i3", ">I8", "d", ">f", "s", "c2", "bb", "Bc0",
            ]);
            (
                vec![
                    format.into(),
                    random.between(-70_000, 70_000).to_string().into_bytes(),
                ],
                "return struct.pack(ARGV[1], ARGV[2])".into(),
            )
        }
        7 => {
            let names = [
                "band", "bor", "bxor", "bnot", "lshift", "rshift", "arshift", "rol", "ror",
                "tobit", "tohex", "bswap",
            ];
            let name = *random.pick(&names);
            let left = random.between(-(1 << 33), 1 << 33).to_string();
            let right = random.between(-9, 40).to_string();
            (
                vec![name.into(), left.into_bytes(), right.into_bytes()],
                "return bit[ARGV[1]](tonumber(ARGV[2]), tonumber(ARGV[3]))".into(),
            )
        }
        _ => {
            let format = *random.pick(&[
                "%d", "%5.2f", "%g", "%.17g", "%s", "%x", "%e", "%q", "%i", "%c", "%z", "%",
            ]);
            (
                vec![format.into(), number(random).into_bytes()],
                "local n = tonumber(ARGV[2]) or ARGV[2] return {tostring(n), string.format(ARGV[1], n)}".into(),
            )
        }
    };
    let mut all = words(&["EVAL", &script, "0"]);
    all.append(&mut arguments);
    of(all, Compare::Exact)
}
