//! Whole runs against a small RESP server inside the test, right or wrong in the way a test wants.

use clap::Parser;
use loadgen::args::{Args, Plan};
use loadgen::error::Result;
use loadgen::report;
use loadgen::run::{self, Outcome};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How the server behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Right,
    /// Changes the last byte of every value it returns.
    WrongBytes,
    /// Keeps the first value ever written to a key.
    StaleValues,
    /// Forgets every write.
    Forgetful,
    /// Answers deletions but keeps the key.
    NoDelete,
    /// Serves values whatever their TTL.
    NoExpiry,
    /// Wants a password.
    Secured,
    /// Closes after so many commands of a connection.
    Closing(u32),
    /// The same, and forgets the last value that it has acknowledged.
    Losing(u32),
    /// Answers in another protocol.
    Http,
    /// Answers every write with an error.
    Full,
    /// Takes this long for one request, the 50th of a connection.
    Stalling(Duration),
}

type Values = HashMap<Vec<u8>, (Vec<u8>, Option<Instant>)>;
type Store = Arc<Mutex<Values>>;

/// Starts a server; it lives as long as the test process.
fn serve(manner: Manner) -> (u16, Store) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let store = Store::default();
    let shared = store.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, store) = (stream.unwrap(), shared.clone());
            std::thread::spawn(move || converse(manner, stream, &store));
        }
    });
    (port, store)
}

fn read_command(input: &mut impl BufRead) -> Option<Vec<Vec<u8>>> {
    let mut line = String::new();
    let mut number = |input: &mut dyn BufRead| -> Option<usize> {
        line.clear();
        input.read_line(&mut line).ok().filter(|read| *read > 0)?;
        line.trim_end().get(1..)?.parse().ok()
    };
    let words = number(input)?;
    (0..words)
        .map(|_| {
            let mut word = vec![0; number(input)? + 2];
            input.read_exact(&mut word).ok()?;
            word.truncate(word.len() - 2);
            Some(word)
        })
        .collect()
}

/// Ends quietly when the client goes.
fn converse(manner: Manner, stream: TcpStream, store: &Store) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut input = BufReader::new(stream.try_clone().ok()?);
    let mut output = BufWriter::new(stream);
    let mut written = None;
    let mut commands = 0;
    loop {
        if input.buffer().is_empty() {
            output.flush().ok()?;
        }
        let words = read_command(&mut input)?;
        commands += 1;
        match manner {
            Manner::Closing(limit) if commands > limit => return output.flush().ok(),
            Manner::Losing(limit) if commands > limit => {
                if let Some(key) = written {
                    store.lock().unwrap().remove(&key);
                }
                return output.flush().ok();
            }
            Manner::Stalling(time) if commands == 50 => {
                let end = Instant::now() + time;
                while let Some(left) = end.checked_duration_since(Instant::now()) {
                    std::thread::park_timeout(left);
                }
            }
            _ => {}
        }
        if words[0] == b"SET" {
            written = Some(words[1].clone());
        }
        let reply = answer(manner, &words, store);
        output.write_all(&reply).ok()?;
    }
}

fn answer(manner: Manner, words: &[Vec<u8>], store: &Store) -> Vec<u8> {
    let mut store = store.lock().unwrap();
    match (manner, &words[0][..]) {
        (Manner::Http, _) => b"HTTP/1.1 400 Bad Request\r\n".to_vec(),
        (Manner::Secured, _) => b"-NOAUTH Authentication required.\r\n".to_vec(),
        (Manner::Full, b"SET") => b"-OOM command not allowed\r\n".to_vec(),
        (_, b"PING") => b"+PONG\r\n".to_vec(),
        (Manner::Forgetful, b"SET") => b"+OK\r\n".to_vec(),
        (_, b"SET") => {
            let number = |word: &[u8]| std::str::from_utf8(word).unwrap().parse::<u64>().unwrap();
            let ttl = words.get(3).map(|unit| match &unit[..] {
                b"EX" => Duration::from_secs(number(&words[4])),
                b"PX" => Duration::from_millis(number(&words[4])),
                _ => unreachable!("the generator writes EX and PX only"),
            });
            let value = (words[2].clone(), ttl.map(|ttl| Instant::now() + ttl));
            if manner == Manner::StaleValues {
                store.entry(words[1].clone()).or_insert(value);
            } else {
                store.insert(words[1].clone(), value);
            }
            b"+OK\r\n".to_vec()
        }
        (_, b"GET") => value(manner, &words[1], &store),
        (_, b"MGET") => {
            let mut reply = format!("*{}\r\n", words.len() - 1).into_bytes();
            for key in &words[1..] {
                reply.extend(value(manner, key, &store));
            }
            reply
        }
        (Manner::NoDelete, b"DEL") => b":1\r\n".to_vec(),
        (_, b"DEL") => format!(":{}\r\n", u8::from(store.remove(&words[1]).is_some())).into_bytes(),
        (_, other) => panic!("unexpected command {other:?}"),
    }
}

fn value(manner: Manner, key: &[u8], store: &Values) -> Vec<u8> {
    match store.get(key) {
        Some((_, Some(end))) if *end <= Instant::now() && manner != Manner::NoExpiry => {
            b"$-1\r\n".to_vec()
        }
        None => b"$-1\r\n".to_vec(),
        Some((value, _)) => {
            let mut value = value.clone();
            if let (Manner::WrongBytes, Some(last)) = (manner, value.last_mut()) {
                *last ^= 1;
            }
            let mut reply = format!("${}\r\n", value.len()).into_bytes();
            reply.extend_from_slice(&value);
            reply.extend_from_slice(b"\r\n");
            reply
        }
    }
}

fn plan(port: u16, line: &str) -> Plan {
    let words = ["loadgen", "--quiet", "--port"]
        .into_iter()
        .map(str::to_owned);
    let words = words
        .chain([port.to_string()])
        .chain(line.split_whitespace().map(str::to_owned));
    Plan::new(Args::try_parse_from(words).unwrap()).unwrap()
}

fn load(manner: Manner, line: &str) -> Result<Outcome> {
    run::run(plan(serve(manner).0, line))
}

/// A run that must end well.
fn done(manner: Manner, line: &str) -> Outcome {
    let outcome = load(manner, line).unwrap();
    assert_eq!(outcome.failure, None);
    outcome
}

#[test]
fn every_request_is_sent_and_counted_once() {
    for line in [
        "",
        "--epoll",
        "--threads 3",
        "--pipeline 7",
        "--pipeline 100 --epoll",
    ] {
        let outcome = done(
            Manner::Right,
            &format!(
                "{line} --requests 10001 --connections 5 --ratio 1:1 --keyspace 50 --value-size 0-3000"
            ),
        );
        let stats = &outcome.stats;
        assert_eq!(stats.replies(), 10_001, "{line}");
        assert_eq!(stats.latency[0].count(), stats.hits + stats.misses);
        assert!(stats.hits > 0 && stats.misses > 0);
        assert_eq!(stats.error_count(), 0);
        let points: u64 = outcome
            .series
            .points()
            .iter()
            .map(|point| point.count())
            .sum();
        assert_eq!(points, 10_001, "the time series holds every reply");
        assert_eq!(outcome.connect.count(), 5);
    }
}

#[test]
fn prefill_writes_every_key_once_and_is_not_counted() {
    let (port, store) = serve(Manner::Right);
    let plan = plan(
        port,
        "--prefill --keyspace 1003 --connections 7 --threads 2 --pipeline 9 --ratio 0:1 --requests 500 --key-dist zipf:1.2",
    );
    let outcome = run::run(plan).unwrap();
    assert_eq!(store.lock().unwrap().len(), 1_003);
    assert_eq!((outcome.stats.hits, outcome.stats.misses), (500, 0));
    assert_eq!(outcome.stats.replies(), 500);
}

#[test]
fn large_values_go_both_ways() {
    for network in ["", "--epoll"] {
        let outcome = done(
            Manner::Right,
            &format!(
                "{network} --verify=strict --value-size 3000000 --keyspace 4 --connections 2 --pipeline 4 --requests 40 --ratio 1:1"
            ),
        );
        assert_eq!(outcome.stats.wrong, 0);
        assert!(outcome.stats.verified > 0);
    }
}

const VERIFY: &str =
    "--keyspace 40 --connections 4 --pipeline 3 --requests 4000 --ratio 1:2:1 --value-size 1-200";

#[test]
fn a_right_server_passes_verification() {
    let outcome = done(Manner::Right, &format!("--verify=strict {VERIFY}"));
    assert_eq!(outcome.stats.wrong, 0, "{:?}", outcome.stats.wrong_shown);
    assert!(outcome.stats.verified > 500);
    assert_eq!(outcome.stats.unverified, 0);
}

#[test]
fn wrong_servers_are_found_out() {
    for manner in [Manner::WrongBytes, Manner::StaleValues, Manner::NoDelete] {
        let outcome = done(manner, &format!("--verify {VERIFY}"));
        assert!(outcome.stats.wrong > 0, "{manner:?}");
        let shown = &outcome.stats.wrong_shown[0];
        assert!(
            shown.starts_with("key:") && shown.contains("expected") && shown.contains("got"),
            "{shown}"
        );
    }
}

#[test]
fn a_lost_key_is_wrong_only_when_strict() {
    assert_eq!(
        done(Manner::Forgetful, &format!("--verify {VERIFY}"))
            .stats
            .wrong,
        0
    );
    assert!(
        done(Manner::Forgetful, &format!("--verify=strict {VERIFY}"))
            .stats
            .wrong
            > 0
    );
}

#[test]
fn values_served_after_their_ttl_are_wrong() {
    let line = "--verify --ttl 20ms --ttl-margin 20 --duration 0.4 --rate 2000 --keyspace 500 --connections 2 --ratio 1:9";
    assert!(done(Manner::NoExpiry, line).stats.wrong > 0);
    let strict = line
        .replace("--verify", "--verify=strict")
        .replace("--ttl-margin 20", "--ttl-margin 5000");
    let outcome = done(Manner::Right, &strict);
    assert_eq!(outcome.stats.wrong, 0, "{:?}", outcome.stats.wrong_shown);
    assert!(outcome.stats.misses > 0);
}

#[test]
fn refusals_are_counted_by_text() {
    let outcome = done(
        Manner::Full,
        "--requests 1000 --ratio 1:1 --verify --keyspace 100",
    );
    assert_eq!(outcome.stats.errors.len(), 1);
    assert_eq!(
        outcome.stats.errors["OOM command not allowed"],
        outcome.stats.latency[1].count()
    );
    assert_eq!(outcome.stats.wrong, 0);
}

#[test]
fn failures_are_one_clear_sentence() {
    let unused = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let refused = run::run(plan(unused, "")).unwrap_err();
    assert!(
        refused.to_string().contains("connection refused"),
        "{refused}"
    );
    assert_eq!(refused.exit_code(), 1);
    let secured = load(Manner::Secured, "").unwrap_err();
    assert!(secured.to_string().contains("NOAUTH"), "{secured}");
    let http = load(Manner::Http, "").unwrap_err();
    assert!(
        http.to_string().contains("does not speak this protocol"),
        "{http}"
    );
    for network in ["", "--epoll"] {
        let outcome = load(Manner::Closing(20), &format!("{network} --threads 2")).unwrap();
        let failure = outcome.failure.expect("the run failed").to_string();
        assert!(
            failure.contains("in the middle of the run") || failure.contains("reset"),
            "{failure}"
        );
        assert!(
            outcome.stats.replies() > 0,
            "what was done until then is reported"
        );
    }
}

#[test]
fn connections_are_opened_again_and_everything_is_looked_at() {
    for network in ["", "--epoll"] {
        let line = format!(
            "{network} --verify=strict --reconnect 10 -c 1 --pipeline 4 --requests 2000 --ratio 2:2:1 --keyspace 50 --value-size 1-200"
        );
        let outcome = load(Manner::Closing(101), &line).unwrap();
        let stats = &outcome.stats;
        assert_eq!((outcome.failure, stats.wrong), (None, 0), "{stats:?}");
        assert!(stats.reconnected > 10, "{}", stats.reconnected);
        let outcome = load(Manner::Losing(101), &line).unwrap();
        assert_eq!(outcome.failure, None);
        let shown = outcome.stats.wrong_shown.join("\n");
        assert!(shown.contains("got a miss"), "{shown}");
    }
    // A server that does not come back.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let refused = run::run(plan(port, "--verify --reconnect 1")).unwrap_err();
    assert!(refused.to_string().contains("refused"), "{refused}");
}

#[test]
fn reads_of_several_keys_count_keys_apart_from_requests() {
    for line in ["", "--epoll", "--pipeline 5 --threads 2"] {
        let line = format!(
            "{line} --multi-get 7 --verify=strict --connections 4 --requests 3000 --ratio 1:2:1 --keyspace 60 --value-size 1-200"
        );
        let plan = plan(serve(Manner::Right).0, &line);
        let outcome = run::run(plan.clone()).unwrap();
        let stats = &outcome.stats;
        assert_eq!((outcome.failure, stats.replies()), (None, 3_000));
        let reads = stats.latency[0].count();
        assert_eq!(stats.hits + stats.misses, 7 * reads);
        assert_eq!(stats.keys, 3_000 + 6 * reads);
        assert_eq!(stats.wrong, 0, "{:?}", stats.wrong_shown);
        assert!(stats.verified > reads && stats.misses > 0);
        let outcome = run::run(plan.clone()).unwrap();
        let document = report::json::document(&plan, &outcome);
        assert_eq!(document["requests"], 3_000);
        assert_eq!(document["keys"], outcome.stats.keys);
        assert_eq!(document["load"]["multi_get"], 7);
        let text = report::text::summary(&plan, &outcome);
        assert!(text.contains("(7 in each read)"), "{text}");
        assert!(report::html::page(&plan, &outcome).contains("7 in each read"));
    }
    for manner in [Manner::WrongBytes, Manner::StaleValues, Manner::NoDelete] {
        let outcome = done(manner, &format!("--verify --multi-get 3 {VERIFY}"));
        assert!(outcome.stats.wrong > 0, "{manner:?}");
    }
}

#[test]
fn an_open_loop_keeps_its_rate() {
    let outcome = done(
        Manner::Right,
        "--rate 2000 --requests 1000 --connections 10 --threads 2",
    );
    assert_eq!(outcome.stats.replies(), 1_000);
    // The last request is due after 499.5 ms; slower is the machine's business, faster is a fault.
    assert!(
        outcome.elapsed >= Duration::from_millis(499),
        "{:?}",
        outcome.elapsed
    );
    let outcome = done(Manner::Right, "--rate 1000 --duration 0.5 --connections 10");
    assert!(outcome.stats.replies() + outcome.unsent <= 501);
    assert!(
        outcome.stats.replies() + outcome.unsent >= 490,
        "{}",
        outcome.stats.replies()
    );
}

#[test]
fn a_stall_shows_in_every_request_that_was_due() {
    // Of 1000 requests per second on one connection, 300 ms of silence delay some 300 requests by 150 ms on average.
    let stall = Manner::Stalling(Duration::from_millis(300));
    let open = done(stall, "--rate 1000 --requests 600 --connections 1");
    let delayed = |outcome: &Outcome| -> u64 {
        outcome
            .stats
            .total()
            .filled()
            .filter(|(ns, _)| *ns > 100_000_000)
            .map(|(_, count)| count)
            .sum()
    };
    assert!(delayed(&open) >= 190, "{} delayed", delayed(&open));
    // A closed loop sees just one slow request.
    assert_eq!(delayed(&done(stall, "--requests 600 --connections 1")), 1);
}

#[test]
fn a_trace_fills_the_cache_on_misses_in_order() {
    let directory = std::env::temp_dir().join(format!("loadgen-trace-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("small.u32");
    let ids = [0u32, 1, 0, 2, 1, 0, 3, 3, 3];
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    std::fs::write(&path, bytes).unwrap();
    let outcome = done(
        Manner::Right,
        &format!("--trace {} --connections 1", path.display()),
    );
    assert_eq!(
        (
            outcome.stats.hits,
            outcome.stats.misses,
            outcome.stats.fills
        ),
        (5, 4, 4)
    );
    let outcome = done(
        Manner::Right,
        &format!("--trace {} --connections 3 --pipeline 2", path.display()),
    );
    assert_eq!(outcome.stats.hits + outcome.stats.misses, ids.len() as u64);
    assert_eq!(
        outcome.stats.fills, outcome.stats.misses,
        "the last misses are answered too"
    );
    let csv = directory.join("small.csv");
    std::fs::write(
        &csv,
        "0,a,1,7,1,get,0\n1,a,1,7,1,get,0\n2,a,1,0,1,delete,0\n3,a,1,7,1,get,0\n3,b,1,9,1,set,60\n",
    )
    .unwrap();
    let (port, store) = serve(Manner::Right);
    let outcome = run::run(plan(
        port,
        &format!("--trace {} --connections 1", csv.display()),
    ))
    .unwrap();
    assert_eq!(
        (
            outcome.stats.hits,
            outcome.stats.misses,
            outcome.stats.fills
        ),
        (1, 2, 2)
    );
    assert_eq!(outcome.stats.deleted, 1);
    let store = store.lock().unwrap();
    assert_eq!(store[&b"a"[..]].0.len(), 7);
    assert_eq!(store[&b"b"[..]].0.len(), 9);
    assert!(
        store[&b"b"[..]].1.is_some(),
        "the TTL of the trace was sent"
    );
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn reports_agree_with_the_counts() {
    let plan = plan(
        serve(Manner::Right).0,
        "--requests 2000 --keyspace 100 --ratio 1:1",
    );
    let outcome = run::run(plan.clone()).unwrap();
    let document = report::json::document(&plan, &outcome);
    assert_eq!(document["requests"], 2_000);
    let buckets = document["latency_us"]["total"]["histogram"]
        .as_array()
        .unwrap();
    let counted: u64 = buckets
        .iter()
        .map(|bucket| bucket[1].as_u64().unwrap())
        .sum();
    assert_eq!(counted, 2_000);
    let points = document["intervals"]["points"].as_array().unwrap();
    assert_eq!(
        points
            .iter()
            .map(|point| point["requests"].as_u64().unwrap())
            .sum::<u64>(),
        2_000
    );
    let text = report::text::summary(&plan, &outcome);
    assert!(
        text.contains("Requests per second:") && text.contains("p99.99"),
        "{text}"
    );
    let page = report::html::page(&plan, &outcome);
    assert_eq!(page.matches("<svg").count(), 3);
    assert!(
        !page.contains("NaN") && !page.contains("http"),
        "self-contained and drawn"
    );
}

#[test]
fn the_exit_code_tells_the_outcome() {
    let code = |port: u16, options: &[&str]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_loadgen"))
            .args([
                "--port",
                &port.to_string(),
                "--requests",
                "500",
                "--keyspace",
                "60",
            ])
            .args(options)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    assert_eq!(
        code(serve(Manner::Right).0, &["--verify"]),
        (Some(0), String::new())
    );
    assert_eq!(
        code(serve(Manner::WrongBytes).0, &["--verify", "--ratio", "1:1"]).0,
        Some(1)
    );
    let (refused, text) = code(serve(Manner::Secured).0, &[]);
    assert_eq!(refused, Some(1));
    assert!(
        text.starts_with("loadgen: ") && text.lines().count() == 1,
        "{text}"
    );
    assert_eq!(code(1, &["--pipeline", "0"]).0, Some(2));
    assert_eq!(code(1, &["--nonsense"]).0, Some(2));
}
