//! Scripts against a fake server of a few commands: what they reply, what they may not do, and what they cannot break.

use super::store::ScriptStore;
use super::{Answer, Ask, RunId, STATE_MEMORY_BYTES_MAX, Scripts, What};
use crate::protocol::resp::{Protocol, Reply};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A server of GET, SET, INCR and a few commands whose replies have all types.
#[derive(Default)]
struct Fake {
    values: HashMap<Vec<u8>, Vec<u8>>,
    calls: usize,
}

impl Fake {
    fn answer(&mut self, words: &[&[u8]], reply: &mut Reply) {
        self.calls += 1;
        match (words[0].to_ascii_uppercase().as_slice(), &words[1..]) {
            (b"SET", [key, value]) => {
                self.values.insert(key.to_vec(), value.to_vec());
                reply.ok();
            }
            (b"GET", [key]) => match self.values.get(*key) {
                Some(value) => reply.bulk(value),
                None => reply.null(),
            },
            (b"INCR", [key]) => {
                let value = self
                    .values
                    .entry(key.to_vec())
                    .or_insert_with(|| b"0".to_vec());
                let number: i64 = std::str::from_utf8(value)
                    .expect("text")
                    .parse()
                    .expect("a number");
                *value = (number + 1).to_string().into_bytes();
                reply.integer(number + 1);
            }
            (b"ECHO", [text]) => reply.bulk(text),
            (b"ARRAY", []) => {
                reply.array(3);
                reply.bulk(b"a");
                reply.null();
                reply.integer(7);
            }
            (b"MAP", []) => {
                reply.map(1);
                reply.bulk(b"k");
                reply.double(1.5);
            }
            (b"SETOF", []) => {
                reply.set(1);
                reply.bulk(b"m");
            }
            (b"TRUE", []) => reply.boolean(true),
            (b"TEXT", []) => reply.verbatim("txt", b"hello"),
            (b"BAD", []) => reply.error("WRONGTYPE not so"),
            _ => reply.error("ERR Unknown Redis command called from script"),
        }
    }
}

struct World {
    scripts: Scripts,
    fake: Fake,
    pauses: usize,
}

impl World {
    fn new() -> World {
        World::with_memory(STATE_MEMORY_BYTES_MAX)
    }

    fn with_memory(bytes: usize) -> World {
        World {
            scripts: Scripts::new(Arc::new(ScriptStore::new()), bytes),
            fake: Fake::default(),
            pauses: 0,
        }
    }

    fn finish(&mut self, run: RunId, kill_after: Option<usize>) -> String {
        let mut reply = Reply::default();
        let mut answer = Answer::Begin;
        loop {
            match self.scripts.resume(run, answer) {
                Ask::Call {
                    words,
                    ranges,
                    protocol,
                } => {
                    let words: Vec<&[u8]> = ranges
                        .iter()
                        .map(|range| {
                            &words[range.offset as usize..(range.offset + range.length) as usize]
                        })
                        .collect();
                    reply.clear();
                    reply.protocol = protocol;
                    self.fake.answer(&words, &mut reply);
                    answer = Answer::Reply(&reply);
                }
                Ask::AclCheck { .. } => {
                    reply.clear();
                    reply.integer(1);
                    answer = Answer::Reply(&reply);
                }
                Ask::Pause => {
                    self.pauses += 1;
                    answer = match kill_after {
                        Some(pauses) if self.pauses >= pauses => Answer::Kill(b"ERR killed"),
                        _ => Answer::GoOn,
                    };
                }
                Ask::Done { reply, .. } => {
                    return String::from_utf8_lossy(&reply.bytes).replace("\r\n", "|");
                }
            }
        }
    }

    fn try_eval(
        &mut self,
        source: &str,
        protocol: Protocol,
        words: &[&str],
        keys: usize,
    ) -> Result<RunId, Vec<u8>> {
        let hash = self.scripts.load(source.as_bytes(), false)?;
        self.scripts.start(
            What::Script(&hash),
            words.iter().map(|word| word.as_bytes()),
            keys,
            protocol,
        )
    }

    fn eval_with(
        &mut self,
        source: &str,
        protocol: Protocol,
        words: &[&str],
        keys: usize,
    ) -> String {
        match self.try_eval(source, protocol, words, keys) {
            Ok(run) => self.finish(run, None),
            Err(text) => format!("-{}|", String::from_utf8_lossy(&text)),
        }
    }

    fn eval(&mut self, source: &str) -> String {
        self.eval_with(source, Protocol::Resp2, &[], 0)
    }
}

#[test]
fn replies_of_scripts() {
    let mut world = World::new();
    for (source, expected) in [
        ("return 1", ":1|"),
        ("return 'x'", "$1|x|"),
        ("return {1,2,nil,3}", "*2|:1|:2|"),
        ("return redis.call('set','k','v')", "+OK|"),
        ("return redis.call('get','k')", "$1|v|"),
        ("return redis.call('get','none')", "$-1|"),
        ("return redis.call('get','none') == false", ":1|"),
        ("return redis.call('array')", "*3|$1|a|$-1|:7|"),
        ("return redis.pcall('bad')", "-WRONGTYPE not so|"),
        ("return redis.pcall('bad').err", "$16|WRONGTYPE not so|"),
        ("return {err='A b'}", "-A b|"),
        ("return redis.error_reply('x')", "-ERR x|"),
        ("return redis.status_reply('x')", "+x|"),
        (
            "return {true,false,1.9,-1.9,1e30,0/0}",
            "*6|:1|$-1|:1|:-1|:-9223372036854775808|:-9223372036854775808|",
        ),
        (
            "return redis.sha1hex('')",
            "$40|da39a3ee5e6b4b0d3255bfef95601890afd80709|",
        ),
        ("return redis.call('echo', 1.5)", "$3|1.5|"),
        ("return redis.call('echo', 10)", "$2|10|"),
        ("return redis.acl_check_cmd('get', 'x')", ":1|"),
        (
            "math.randomseed(5) return {math.random(1000), math.random(1000), tostring(math.random())}",
            "*3|:525|:273|$15|0.7885994686692|",
        ),
        (
            "return coroutine.wrap(function() return redis.call('get','k') end)()",
            "$1|v|",
        ),
        (
            "local t = {} for i, v in ipairs({1,2}) do t[i] = v * 2 end return t",
            "*2|:2|:4|",
        ),
        (
            "redis.setresp(3) return redis.call('map').map.k.double",
            ":1|",
        ),
        ("redis.setresp(3) return redis.call('setof').set.m", ":1|"),
        (
            "redis.setresp(3) return redis.call('text').verbatim_string.string",
            "$5|hello|",
        ),
        (
            "redis.setresp(3) return redis.call('get', 'none') == nil",
            ":1|",
        ),
        ("return {map={a=1}}", "*2|$1|a|:1|"),
        ("return #KEYS + #ARGV", ":0|"),
        ("return _VERSION", "$7|Lua 5.1|"),
    ] {
        assert_eq!(world.eval(source), expected, "{source}");
    }
    assert_eq!(
        world.eval_with(
            "return {KEYS[1], KEYS[2], ARGV[1]}",
            Protocol::Resp2,
            &["a", "b", "c"],
            2
        ),
        "*3|$1|a|$1|b|$1|c|"
    );
    assert_eq!(
        world.eval_with(
            "redis.setresp(3) return {{map={a=1}},{set={a=true}},{big_number='12'},{double=1.5},true,false,{verbatim_string={format='txt',string='hi'}}}",
            Protocol::Resp3,
            &[],
            0
        ),
        "*7|%1|$1|a|:1|~1|$1|a|(12|,1.5|#t|#f|=6|txt:hi|"
    );
    assert_eq!(
        world.eval_with("return false", Protocol::Resp3, &[], 0),
        "_|"
    );
    assert_eq!(world.scripts.running(), 0);
}

#[test]
fn errors_of_scripts_say_where() {
    let mut world = World::new();
    for (source, expected) in [
        (
            "return x",
            "-ERR user_script:1: Script attempted to access nonexistent global variable 'x'",
        ),
        (
            "x=1",
            "-ERR user_script:1: Attempt to modify a readonly table",
        ),
        (
            "return redis.call('nope')",
            "-ERR Unknown Redis command called from script",
        ),
        (
            "return redis.call()",
            "-ERR Please specify at least one argument for this redis lib call",
        ),
        (
            "return redis.call({})",
            "-ERR Lua redis lib command arguments must be strings or integers",
        ),
        ("error('boom')", "-ERR user_script:1: boom"),
        ("error({err='MY boom'})", "-MY boom"),
        ("error(nil)", "-ERR nil"),
        ("return redis.sha1hex()", "-ERR wrong number of arguments"),
        (
            "return redis.setresp(4)",
            "-ERR RESP version must be 2 or 3.",
        ),
        (
            "return math.random(0)",
            "-ERR user_script:1: bad argument #1 to 'random' (interval is empty)",
        ),
        (
            "return bit.band()",
            "-ERR user_script:1: bad argument #1 to 'band' (number expected, got no value)",
        ),
        (
            "getmetatable('').__index=nil",
            "-ERR user_script:1: Attempt to modify a readonly table",
        ),
        (
            "string.format = nil",
            "-ERR user_script:1: Attempt to modify a readonly table",
        ),
    ] {
        let hash =
            String::from_utf8_lossy(&super::sha1::hex(&super::sha1::sha1(source.as_bytes())))
                .into_owned();
        assert_eq!(
            world.eval(source),
            format!("{expected} script: {hash}, on @user_script:1.|"),
            "{source}"
        );
    }
    assert_eq!(
        world.eval("retur"),
        "-ERR Error compiling script (new function): user_script:1: '=' expected near '<eof>'|"
    );
    assert_eq!(
        world.eval("return {pcall(rawset,_G,'a',1)}"),
        "*2|$-1|$34|Attempt to modify a readonly table|"
    );
    assert_eq!(
        world.eval("return {pcall(table.insert,redis,1)}"),
        "*2|$-1|$34|Attempt to modify a readonly table|"
    );
    let unknown = world.scripts.start(
        What::Script(&[b'0'; 40]),
        std::iter::empty(),
        0,
        Protocol::Resp2,
    );
    assert_eq!(
        unknown,
        Err(b"NOSCRIPT No matching script. Please use EVAL.".to_vec())
    );
}

/// What would be the end of a process with one stack overrun or one allocation too many.
#[test]
fn scripts_cannot_break_the_host() {
    let mut world = World::with_memory(32 << 20);
    for (source, expected) in [
        (
            "local function f() return f() + 1 end return f()",
            "stack overflow",
        ),
        ("local function f() return pcall(f) end return {f()}", ""),
        (
            "local function f() return (string.gsub('x', 'x', f)) end return f()",
            "C stack overflow",
        ),
        (
            "local function f() table.sort({1,2,3}, f) end return f()",
            "C stack overflow",
        ),
        (
            "local function f() return coroutine.wrap(f)() end return f()",
            "C stack overflow",
        ),
        (
            "local function f() return (string.gsub('x', 'x', function() return coroutine.wrap(f)() end)) end return f()",
            "C stack overflow",
        ),
        (
            "local function f(...) return setmetatable({}, {__index = function(t, k) return t[k .. 'x'] end}).a end return f()",
            "overflow",
        ),
        (
            "return string.find(string.rep('a', 400000), string.rep('a?', 200000))",
            "pattern too complex",
        ),
        (
            "return (string.find(string.rep('a', 4000), string.rep('a?', 4000)))",
            ":1|",
        ),
        ("return #string.rep('x', 10000000000)", "not enough memory"),
        (
            "local t = {} for i = 1, 1e9 do t[i] = {} end",
            "not enough memory",
        ),
        ("return string.rep('', 1e15)", "$0||"),
        ("return {unpack({}, 1, 1e7)}", "too many results to unpack"),
        ("table.insert({}, -1e9, 1)", "position out of bounds"),
        ("local t = {} t[1] = t return t", "reached lua stack limit"),
        (
            "return loadstring('return ' .. string.rep('(', 5000) .. '1' .. string.rep(')', 5000)) == nil",
            ":1|",
        ),
        (
            "local t = {} for i = 1, 100 do t[i] = string.rep('x', 100000) end local u = {} for i = 1, 100 do u[i] = t end return {u, u}",
            "too long",
        ),
        (
            "return loadstring(string.dump(function() end)) == nil",
            ":1|",
        ),
        (
            "collectgarbage('stop') local s = 0 for i = 1, 1e6 do s = s + #{i} end return s",
            ":1000000|",
        ),
        ("return newproxy", "nonexistent"),
        (
            "return redis.call(unpack({1,2,3}, 1, 7000))",
            "must be strings",
        ),
    ] {
        let reply = world.eval(source);
        let shown: String = reply.chars().take(300).collect();
        assert!(reply.contains(expected), "{source}: {shown}");
        assert_eq!(world.eval("return 1"), ":1|", "after {source}");
    }
    assert_eq!(world.scripts.running(), 0);
}

#[test]
fn long_scripts_pause_and_can_be_killed() {
    let mut world = World::new();
    world.scripts.set_slice(Some(Instant::now()));
    assert_eq!(
        world.eval("local n = 0 for i = 1, 1000000 do n = n + 1 end return n"),
        ":1000000|"
    );
    assert!(world.pauses >= 10, "{}", world.pauses);
    for source in [
        "while true do end",
        "while true do pcall(function() while true do end end) end",
        "local function f() while true do end end while true do pcall(f) xpcall(f, f) end",
        "while true do local co = coroutine.wrap(function() while true do end end) pcall(co) end",
        "while true do coroutine.resume(coroutine.create(function() while true do pcall(coroutine.wrap(function() while true do end end)) end end)) end",
        "string.gsub(string.rep('x', 100000), 'x', function() pcall(function() while true do end end) end) while true do end",
    ] {
        world.pauses = 0;
        let run = world
            .try_eval(source, Protocol::Resp2, &[], 0)
            .expect("it compiles");
        let reply = world.finish(run, Some(3));
        assert!(reply.starts_with("-ERR killed"), "{source}: {reply}");
        assert_eq!(world.pauses, 3, "{source}");
        assert_eq!(world.eval("return 1"), ":1|", "after {source}");
    }
}

#[test]
fn several_scripts_are_suspended_at_once() {
    let mut world = World::new();
    let source = "local a = redis.call('echo', ARGV[1]) local b = redis.call('echo', ARGV[2]) return a .. b .. ARGV[3]";
    let runs: Vec<RunId> = (0..20)
        .map(|number| {
            let words = [format!("a{number}"), format!("b{number}"), "c".to_string()];
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            world
                .try_eval(source, Protocol::Resp2, &words, 0)
                .expect("it starts")
        })
        .collect();
    for run in &runs {
        assert!(matches!(
            world.scripts.resume(*run, Answer::Begin),
            Ask::Call { .. }
        ));
    }
    assert_eq!(world.scripts.running(), 20);
    let mut reply = Reply::default();
    for step in 0..2 {
        for (number, run) in runs.iter().enumerate().rev() {
            reply.clear();
            reply.bulk(format!("{step}.{number},").as_bytes());
            match world.scripts.resume(*run, Answer::Reply(&reply)) {
                Ask::Call { .. } => assert_eq!(step, 0),
                Ask::Done { reply, failed } => {
                    assert!(step == 1 && !failed);
                    let text = format!("0.{number},1.{number},c");
                    assert_eq!(
                        reply.bytes,
                        format!("${}\r\n{text}\r\n", text.len()).into_bytes()
                    );
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(world.scripts.running(), 0);
    // Dropped in the middle of scripts that would catch any error.
    for source in [
        "while true do pcall(redis.call, 'echo', 'x') end",
        "redis.call('echo', 'x')",
    ] {
        let run = world
            .try_eval(source, Protocol::Resp2, &[], 0)
            .expect("it starts");
        assert!(matches!(
            world.scripts.resume(run, Answer::Begin),
            Ask::Call { .. }
        ));
    }
    drop(world);
}

#[test]
fn a_killed_call_ends_the_script() {
    let mut world = World::new();
    let run = world
        .try_eval(
            "while true do pcall(redis.call, 'echo', 'x') end",
            Protocol::Resp2,
            &[],
            0,
        )
        .expect("it starts");
    assert!(matches!(
        world.scripts.resume(run, Answer::Begin),
        Ask::Call { .. }
    ));
    match world.scripts.resume(run, Answer::Kill(b"ERR ended")) {
        Ask::Done { reply, failed } => assert!(
            failed && reply.bytes.starts_with(b"-ERR ended script: "),
            "{reply:?}"
        ),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.eval("return 1"), ":1|");
}

#[test]
fn flushed_scripts_are_gone_and_figures_count() {
    let mut world = World::new();
    let hash = world.scripts.load(b"return 5", true).expect("it compiles");
    assert!(world.scripts.exists(&hash) && world.scripts.exists(&hash.to_ascii_uppercase()));
    let figures = world.scripts.figures();
    assert_eq!((figures.scripts, figures.libraries), (1, 0));
    assert!(figures.scripts_bytes > 8 && figures.states_bytes > 1000);
    let mut other = Scripts::new(world.scripts.store.clone(), STATE_MEMORY_BYTES_MAX);
    assert!(other.exists(&hash));
    world.scripts.store.flush_scripts();
    assert!(!other.exists(&hash) && !world.scripts.exists(&hash));
    // Scripts that came by EVAL are forgotten when there are many; those that were loaded stay.
    let kept = world.scripts.load(b"return 6", true).expect("it compiles");
    for number in 0..600 {
        world
            .scripts
            .load(format!("return {number} + 0").as_bytes(), false)
            .expect("it compiles");
    }
    assert_eq!(world.scripts.figures().scripts, 501);
    assert!(other.exists(&kept));
}

/// Prints what a script costs; measured with `cargo test --release`.
#[test]
fn time_of_a_script_of_three_calls() {
    let mut world = World::new();
    let source = "redis.call('set', KEYS[1], ARGV[1]) local v = redis.call('get', KEYS[1]) return redis.call('incr', KEYS[2])";
    let hash = world
        .scripts
        .load(source.as_bytes(), true)
        .expect("it compiles");
    let mut replies = [Reply::default(), Reply::default(), Reply::default()];
    replies[0].ok();
    replies[1].bulk(b"value");
    replies[2].integer(12);
    let rounds = if cfg!(debug_assertions) {
        2_000
    } else {
        200_000
    };
    let begin = Instant::now();
    let mut bytes = 0;
    for _ in 0..rounds {
        let arguments = [&b"key:1"[..], b"counter", b"value"];
        let run = world
            .scripts
            .start(
                What::Script(&hash),
                arguments.into_iter(),
                2,
                Protocol::Resp2,
            )
            .expect("it starts");
        let mut answer = Answer::Begin;
        let mut calls = 0;
        loop {
            match world.scripts.resume(run, answer) {
                Ask::Done { reply, .. } => {
                    bytes += reply.bytes.len();
                    break;
                }
                _ => {
                    answer = Answer::Reply(&replies[calls]);
                    calls += 1;
                }
            }
        }
        assert_eq!(calls, 3);
    }
    let each: Duration = begin.elapsed() / rounds;
    println!(
        "a script of three calls: {} ns, {bytes} bytes",
        each.as_nanos()
    );
    assert_eq!(bytes, rounds as usize * 5);
}
