//! The same scripts evaluated by redis-server and by the engine in this process, whose calls are forwarded to the same redis-server as plain commands.

#[path = "../support/mod.rs"]
mod support;

use std::sync::Arc;
use support::client::{Client, request};
use support::server::Server;
use torc::protocol::resp::{Protocol, Reply};
use torc::script::store::ScriptStore;
use torc::script::{Answer, Ask, STATE_MEMORY_BYTES_MAX, Scripts, What};

/// What redis-server says to a client's request and what it says to a script's call, where they differ.
fn as_called(reply: Vec<u8>) -> Vec<u8> {
    if reply.starts_with(b"-ERR unknown command") {
        return b"-ERR Unknown Redis command called from script\r\n".to_vec();
    }
    if reply.starts_with(b"-ERR wrong number of arguments") {
        return b"-ERR Wrong number of args calling Redis command from script\r\n".to_vec();
    }
    reply
}

/// Evaluates a script in this process.
fn evaluated(scripts: &mut Scripts, source: &str, clients: &mut [Client; 2]) -> Vec<u8> {
    let started = scripts.load(source.as_bytes(), false).and_then(|hash| {
        scripts.start(What::Script(&hash), std::iter::empty(), 0, Protocol::Resp2)
    });
    let run = match started {
        Ok(run) => run,
        Err(text) => return [b"-", &text[..], b"\r\n"].concat(),
    };
    let mut reply = Reply::default();
    let mut answer = Answer::Begin;
    loop {
        match scripts.resume(run, answer) {
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
                let client = &mut clients[usize::from(protocol == Protocol::Resp3)];
                client.send(&request(&words)).expect("the server receives");
                reply.clear();
                reply.bytes = as_called(client.read_raw().expect("the server answers"));
                answer = Answer::Reply(&reply);
            }
            Ask::AclCheck { .. } => {
                reply.clear();
                reply.integer(1);
                answer = Answer::Reply(&reply);
            }
            Ask::Pause => answer = Answer::GoOn,
            Ask::Done { reply, .. } => return reply.bytes.clone(),
        }
    }
}

#[test]
fn scripts_reply_what_redis_server_replies() {
    let Some(server) = Server::start_redis(&[]) else {
        return;
    };
    let mut peer = server.client();
    let mut clients = [server.client(), server.client()];
    clients[1].call(&["HELLO", "3"]);
    let mut scripts = Scripts::new(Arc::new(ScriptStore::new()), STATE_MEMORY_BYTES_MAX);
    let mut different = Vec::new();
    for source in include_str!("scripts.txt")
        .lines()
        .filter(|line| !line.is_empty())
    {
        peer.send(&request(&["EVAL", source, "0"]))
            .expect("the server receives");
        let expected = peer.read_raw().expect("the server answers");
        let actual = evaluated(&mut scripts, source, &mut clients);
        if actual != expected {
            let shown = |bytes: &[u8]| bytes[..bytes.len().min(400)].escape_ascii().to_string();
            different.push(format!(
                "{source}\n  redis-server: {}\n  here:         {}",
                shown(&expected),
                shown(&actual)
            ));
        }
    }
    assert!(
        different.is_empty(),
        "{} scripts differ:\n{}",
        different.len(),
        different.join("\n")
    );
}

#[test]
fn libraries_go_both_ways() {
    let Some(server) = Server::start_redis(&[]) else {
        return;
    };
    let mut peer = server.client();
    let code = "#!lua name=mylib\nlocal function twice(keys, args) return {keys[1], args[1] * 2} end\n\
        redis.register_function('twice', twice)\nredis.register_function{function_name='ro', callback=function() return 'r' end, flags={'no-writes'}, description='reads'}\n";
    let mut scripts = Scripts::new(Arc::new(ScriptStore::new()), STATE_MEMORY_BYTES_MAX);
    assert_eq!(
        scripts.load_library(code.as_bytes(), false),
        Ok(b"mylib".to_vec())
    );
    assert_eq!(
        scripts.load_library(code.as_bytes(), false),
        Err(b"ERR Library 'mylib' already exists".to_vec())
    );
    let payload = scripts.dump_libraries();
    peer.send(&request(&[&b"FUNCTION"[..], b"RESTORE", &payload]))
        .expect("the server receives");
    assert_eq!(peer.read_raw().expect("a reply"), b"+OK\r\n");
    peer.send(&request(&["FCALL", "twice", "1", "k", "21"]))
        .expect("the server receives");
    let expected = peer.read_raw().expect("a reply");
    let run = scripts
        .start(
            What::Function(b"twice"),
            [&b"k"[..], b"21"].into_iter(),
            1,
            Protocol::Resp2,
        )
        .expect("the function is there");
    match scripts.resume(run, Answer::Begin) {
        Ask::Done { reply, .. } => assert_eq!(reply.bytes, expected),
        other => panic!("{other:?}"),
    }
    peer.send(&request(&["FUNCTION", "DUMP"]))
        .expect("the server receives");
    let dumped = peer.read_raw().expect("a reply");
    let start = dumped
        .iter()
        .position(|byte| *byte == b'\n')
        .expect("a head")
        + 1;
    let payload = &dumped[start..dumped.len() - 2];
    let mut other = Scripts::new(Arc::new(ScriptStore::new()), STATE_MEMORY_BYTES_MAX);
    other
        .restore_libraries(payload, torc::script::RestorePolicy::Append)
        .expect("it is read");
    assert!(
        other
            .restore_libraries(payload, torc::script::RestorePolicy::Append)
            .is_err()
    );
    other
        .restore_libraries(payload, torc::script::RestorePolicy::Replace)
        .expect("it is read");
    assert_eq!(other.libraries().functions_len(), 2);
    // A library of one function lists as redis-server lists it, whose order of several is that of its table.
    for code in [
        "#!lua name=mylib\nredis.register_function{function_name='ro', callback=function() return 'r' end, flags={'no-writes'}, description='reads'}\n",
    ] {
        other.load_library(code.as_bytes(), true).expect("it loads");
        peer.call(&["FUNCTION", "LOAD", "REPLACE", code]);
        for (protocol, hello) in [(Protocol::Resp2, "2"), (Protocol::Resp3, "3")] {
            peer.call(&["HELLO", hello]);
            let mut reply = Reply::new(protocol);
            other.libraries().list(&mut reply, Some(b"my*"), true);
            peer.send(&request(&[
                "FUNCTION",
                "LIST",
                "LIBRARYNAME",
                "my*",
                "WITHCODE",
            ]))
            .expect("the server receives");
            assert_eq!(
                reply.bytes.escape_ascii().to_string(),
                peer.read_raw().expect("a reply").escape_ascii().to_string()
            );
        }
    }
    other.delete_library(b"mylib").expect("it is there");
    assert_eq!(
        other.delete_library(b"mylib"),
        Err(b"ERR Library not found".to_vec())
    );
    assert!(
        other
            .start(
                What::Function(b"ro"),
                std::iter::empty(),
                0,
                Protocol::Resp2
            )
            .is_err()
    );
}

/// Codes of libraries that redis-server refuses, and that are refused here with the same words; then what running functions replies.
#[test]
fn libraries_are_refused_as_redis_server_refuses_them() {
    let Some(server) = Server::start_redis(&[]) else {
        return;
    };
    let mut peer = server.client();
    let mut scripts = Scripts::new(Arc::new(ScriptStore::new()), STATE_MEMORY_BYTES_MAX);
    for body in [
        "return 1",
        "redis.call('get','x')",
        "redis.register_function('f')",
        "redis.register_function()",
        "redis.register_function{function_name='f'}",
        "redis.register_function{callback=function() end}",
        "redis.register_function{function_name='f',callback=function() end,x=1}",
        "redis.register_function{function_name='f',callback=function() end,flags=1}",
        "redis.register_function{function_name='f',callback=function() end,flags={'x'}}",
        "redis.register_function{function_name='f',callback=1}",
        "redis.register_function('a b',function() end)",
        "redis.register_function('f',1)",
        "redis.register_function({},function() end)",
        "redis.register_function('f',function() end) redis.register_function('f',function() end)",
        "retur",
        "x=1",
        "return y",
        "local x = math",
        "redis.nope=1",
        "while true do end",
    ] {
        let code = format!("#!lua name=l\n{body}");
        peer.send(&request(&["FUNCTION", "LOAD", &code]))
            .expect("the server receives");
        let expected = peer.read_raw().expect("a reply");
        let actual = match scripts.load_library(code.as_bytes(), false) {
            Ok(name) => name,
            Err(text) => [b"-", &text[..], b"\r\n"].concat(),
        };
        assert_eq!(
            actual.escape_ascii().to_string(),
            expected.escape_ascii().to_string(),
            "{body}"
        );
    }
    for body in [
        "return redis.sha1hex()",
        "local x = 1 x.y.z = 1",
        "return redis.register_function('x', function() end)",
        "x = 1",
        "return y",
        "return KEYS",
        "error('x')",
    ] {
        let code =
            format!("#!lua name=l\nredis.register_function('f', function(keys, args) {body} end)");
        peer.call(&["FUNCTION", "LOAD", "REPLACE", &code]);
        scripts
            .load_library(code.as_bytes(), true)
            .expect("it loads");
        peer.send(&request(&["FCALL", "f", "0"]))
            .expect("the server receives");
        let expected = peer.read_raw().expect("a reply");
        let run = scripts
            .start(What::Function(b"f"), std::iter::empty(), 0, Protocol::Resp2)
            .expect("it starts");
        match scripts.resume(run, Answer::Begin) {
            Ask::Done { reply, .. } => assert_eq!(
                reply.bytes.escape_ascii().to_string(),
                expected.escape_ascii().to_string(),
                "{body}"
            ),
            other => panic!("{other:?}"),
        }
    }
}
