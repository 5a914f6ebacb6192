//! Every workload against redis-server, and against torc when it was built beside this test: what was counted, what the servers hold afterwards, what the
//! reports say. And against small servers that answer what a test wants.
//!
//! Without the servers the tests that need them say so and pass, unless `TORC_REQUIRE_PEERS=1`.

use clap::Parser;
use loadgen::args::{Args, Plan};
use loadgen::report;
use loadgen::run::{self, Outcome};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const WORKLOADS: [&str; 8] = [
    "cart",
    "leaderboard",
    "queue",
    "queue-blocking",
    "tags",
    "stream",
    "bitmap",
    "rate-limit",
];
/// How long a server may take to start.
const START: Duration = Duration::from_secs(10);
/// Another process may take the port between its choice and its use.
const START_ATTEMPTS: usize = 3;

/// The servers to be had here, with the options that keep them to themselves.
fn servers() -> Vec<(PathBuf, &'static [&'static str])> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let redis = std::env::split_paths(&path)
        .map(|directory| directory.join("redis-server"))
        .find(|program| program.is_file());
    // Tests lie in a directory beside the workspace's programs.
    let test = std::env::current_exe().unwrap();
    let torc = test.parent().unwrap().with_file_name("torc");
    let torc = torc.is_file().then_some(torc);
    let redis_options: &[&str] = &["--save", "", "--appendonly", "no"];
    let torc_options: &[&str] = &["--shards", "2", "--memcached-port", "0"];
    let mut servers = Vec::new();
    for (name, program, options) in [
        ("redis-server", redis, redis_options),
        ("torc", torc, torc_options),
    ] {
        match program {
            Some(program) => servers.push((program, options)),
            None => {
                assert!(
                    std::env::var("TORC_REQUIRE_PEERS").as_deref() != Ok("1"),
                    "there is no {name} and TORC_REQUIRE_PEERS=1 asks for it"
                );
                println!("without {name}, which is not here");
            }
        }
    }
    servers
}

/// A running server.
struct Server {
    child: Child,
    port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing to save; an error means that it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start((program, options): &(PathBuf, &[&str])) -> Self {
        for _ in 0..START_ATTEMPTS {
            let chosen = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let port = chosen.local_addr().unwrap().port();
            drop(chosen);
            let mut command = Command::new(program);
            command.args(["--port", &port.to_string(), "--bind", "127.0.0.1"]);
            command.args(*options);
            command.stdin(Stdio::null()).stdout(Stdio::null());
            let child = command.stderr(Stdio::null()).spawn().unwrap();
            let mut server = Self { child, port };
            let deadline = Instant::now() + START;
            while server.child.try_wait().unwrap().is_none() {
                if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
                    return server;
                }
                assert!(Instant::now() < deadline, "{} listens", program.display());
                std::thread::park_timeout(Duration::from_millis(5));
            }
        }
        panic!("{} ended at once", program.display());
    }

    /// The integer that a command is answered with.
    fn integer(&self, words: &[&str]) -> i64 {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        let words: String = words
            .iter()
            .map(|word| format!("${}\r\n{word}\r\n", word.len()))
            .collect();
        let count = words.matches('$').count();
        stream
            .write_all(format!("*{count}\r\n{words}").as_bytes())
            .unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        let integer = line.trim_end().strip_prefix(':').map(str::parse);
        integer.unwrap_or_else(|| panic!("{words} {line}")).unwrap()
    }

    /// What a command says of every key of a workload.
    fn integers(&self, command: &str, prefix: &str, keys: usize) -> Vec<i64> {
        (0..keys)
            .map(|key| format!("{prefix}{key:0width$}", width = 16 - prefix.len()))
            .map(|key| self.integer(&[command, &key]))
            .collect()
    }
}

fn plan(port: u16, line: &str) -> Plan {
    let port = port.to_string();
    let words = ["loadgen", "--quiet", "--port", &port];
    let words = words.into_iter().chain(line.split_whitespace());
    Plan::new(Args::try_parse_from(words).unwrap()).unwrap()
}

/// A run that must end well.
fn done(port: u16, line: &str) -> (Plan, Outcome) {
    let plan = plan(port, line);
    let outcome = run::run(plan.clone()).unwrap();
    assert_eq!(outcome.failure, None, "{line}");
    assert_eq!(outcome.stats.first_error, None, "{line}");
    (plan, outcome)
}

#[test]
fn every_workload_does_what_it_says() {
    for program in servers() {
        let server = Server::start(&program);
        for name in WORKLOADS {
            for line in [
                "",
                "--epoll",
                "--pipeline 7 --threads 2",
                "--pipeline 40 --epoll",
            ] {
                let line = format!(
                    "--workload {name} {line} --connections 5 --requests 4000 --keyspace 30 --prefill --value-size 0-40"
                );
                let (plan, outcome) = done(server.port, &line);
                let stats = &outcome.stats;
                assert_eq!(stats.replies(), 4_000, "{line}");
                assert_eq!(stats.misses, 0, "{line}");
                let names = plan.operations().iter().zip(&stats.latency);
                for (name, latency) in names {
                    assert!(latency.count() > 0, "{line}: {name}");
                }
                let counts: Vec<u64> = stats.latency.iter().map(|all| all.count()).collect();
                holds(&server, name, &counts);
            }
        }
    }
}

/// Whether a server holds what a workload leaves of 30 keys; `counts` is how often each of its commands was sent.
fn holds(server: &Server, name: &str, counts: &[u64]) {
    let all = |command, prefix: &str, expected: i64| {
        let found = server.integers(command, prefix, 30);
        assert_eq!(found, [expected; 30], "{name}: {command}");
    };
    match name {
        "cart" => all("HLEN", "cart:", 10),
        "leaderboard" => all("ZCARD", "board:", 100),
        "queue" => {
            // Each of five connections may have ended with a push.
            let left = counts[0] as i64 - counts[1] as i64;
            assert!((0..=5).contains(&left), "{left}");
            let lengths = server.integers("LLEN", "queue:", 30);
            assert_eq!(lengths.iter().sum::<i64>(), 30 * 50 + left, "{lengths:?}");
        }
        "queue-blocking" => {
            assert_eq!(counts, [2_000, 2_000]);
            all("EXISTS", "wait:", 0);
        }
        "tags" => {
            let sizes = server.integers("SCARD", "tags:", 30);
            assert!(sizes.iter().all(|size| (1..40).contains(size)), "{sizes:?}");
        }
        "stream" => {
            // Trimmed about where it was asked for: servers remove whole nodes of entries.
            let lengths = server.integers("XLEN", "stream:", 30);
            let kept = |length: &i64| (200..=400).contains(length);
            assert!(lengths.iter().all(kept), "{lengths:?}");
        }
        "bitmap" => all("STRLEN", "bits:", 10_000 / 8),
        "rate-limit" => {
            let lives = server.integers("TTL", "rate:", 30);
            let lasts = |ttl: &i64| (1..=60).contains(ttl);
            assert!(lives.iter().all(lasts), "{lives:?}");
        }
        other => panic!("what does {other} leave?"),
    }
}

#[test]
fn a_prefill_begins_anew() {
    for program in servers() {
        let server = Server::start(&program);
        for _ in 0..2 {
            let line = "--workload queue --members 70 --keyspace 20 --requests 2 --prefill";
            let (_, outcome) = done(server.port, &format!("{line} --connections 3"));
            let lengths = server.integers("LLEN", "queue:", 20);
            let left = outcome.stats.latency[0].count() - outcome.stats.latency[1].count();
            assert_eq!(lengths.iter().sum::<i64>(), 20 * 70 + left as i64);
        }
    }
}

#[test]
fn blocked_connections_are_served_to_the_last_when_the_time_is_over() {
    for program in servers() {
        let server = Server::start(&program);
        for line in ["", "--pipeline 16", "--threads 3 --epoll --warmup 0.1"] {
            let line = format!("--workload queue-blocking {line} --duration 0.3 --connections 12");
            let start = Instant::now();
            let (_, outcome) = done(server.port, &line);
            assert!(start.elapsed() < Duration::from_secs(10), "{line}");
            let [pushes, waits] = &outcome.stats.latency[..] else {
                panic!("a push and a wait");
            };
            assert_eq!(pushes.count(), waits.count());
            assert_eq!(outcome.stats.hits, waits.count());
            assert_eq!(server.integer(&["DBSIZE"]), 0);
        }
    }
}

#[test]
fn an_open_loop_keeps_its_rate() {
    for program in servers() {
        let server = Server::start(&program);
        let line = "--workload stream --keyspace 10 --prefill --rate 2000 --requests 800";
        let (_, outcome) = done(server.port, line);
        assert_eq!(outcome.stats.replies(), 800);
        assert!(outcome.elapsed >= Duration::from_millis(399));
    }
}

#[test]
fn reports_name_every_command() {
    let Some(program) = servers().into_iter().next() else {
        return;
    };
    let server = Server::start(&program);
    let line = "--workload stream --keyspace 10 --members 500 --prefill --requests 3000";
    let (plan, outcome) = done(server.port, line);
    let text = report::text::summary(&plan, &outcome);
    let page = report::html::page(&plan, &outcome);
    let document = report::json::document(&plan, &outcome);
    assert_eq!(document["load"]["workload"], "stream");
    assert_eq!(document["load"]["members"], 500);
    assert_eq!(document["load"]["keyspace"], 10);
    assert!(document["load"]["ratio"].is_null());
    assert_eq!(document["first_error"], serde_json::Value::Null);
    let counts = ["XADD", "XREADGROUP", "XACK"].map(|name| {
        let row = text.lines().find(|line| line.starts_with(name));
        assert!(row.is_some(), "{text}");
        assert!(
            page.contains(&format!("<td>{name}</td>")) && page.contains(&format!(">{name}</text>"))
        );
        let count = document["latency_us"][name.to_ascii_lowercase()]["count"].as_u64();
        count.unwrap()
    });
    assert_eq!(counts.iter().sum::<u64>(), 3_000);
    assert!(document["latency_us"]["get"].is_null());
    assert!(text.contains("stream") && page.contains("stream"));
}

/// A server that answers every command but PING with one text; it lives as long as the test process.
fn answering(answer: &'static str) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || -> Option<()> {
                let mut buffer = [0; 65536];
                loop {
                    // Without a pipeline a request is small enough to come in one piece.
                    let received = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
                    let is_ping = buffer[..received].ends_with(b"PING\r\n");
                    let answer = if is_ping { "+PONG\r\n" } else { answer };
                    stream.write_all(answer.as_bytes()).ok()?;
                }
            });
        }
    });
    port
}

#[test]
fn refusals_are_counted_and_the_first_is_named() {
    for name in WORKLOADS {
        let port = answering("-OOM no memory\r\n");
        let plan = plan(port, &format!("--workload {name} --requests 300"));
        let outcome = run::run(plan.clone()).unwrap();
        assert_eq!(outcome.failure, None);
        assert_eq!(outcome.stats.errors["OOM no memory"], 300, "{name}");
        let first = outcome.stats.first_error.clone().unwrap();
        let (command, text) = first.split_once(": ").unwrap();
        assert!(plan.operations().contains(&command), "{first}");
        assert_eq!(text, "OOM no memory");
        let summary = report::text::summary(&plan, &outcome);
        let line = format!("300, the first: {first}");
        assert!(summary.contains(&line), "{summary}");
    }
    for program in servers() {
        let server = Server::start(&program);
        let plan = plan(server.port, "--workload stream --requests 1000");
        let stats = run::run(plan).unwrap().stats;
        let first = stats.first_error.clone().unwrap();
        assert!(first.starts_with("XREADGROUP: NOGROUP "), "{first}");
        assert_eq!(stats.error_count(), stats.latency[1].count());
    }
}

#[test]
fn the_binary_names_the_first_refusal() {
    let port = answering("-OOM no memory\r\n");
    let output = Command::new(env!("CARGO_BIN_EXE_loadgen"))
        .args(["--port", &port.to_string(), "--quiet", "--requests", "50"])
        .args(["--workload", "rate-limit"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(text, "loadgen: 50 errors, the first: INCR: OOM no memory\n");
}

#[test]
fn a_reply_that_is_none_ends_the_run() {
    for (answer, expected) in [
        ("hello\r\n", "is no reply"),
        (":1x\r\n", "in a reply"),
        ("+OK\r\n+OK\r\n", "nobody asked for"),
    ] {
        let port = answering(answer);
        let outcome = run::run(plan(port, "--workload rate-limit --requests 50")).unwrap();
        let failure = outcome.failure.expect("the run failed").to_string();
        assert!(failure.contains(expected), "{failure}");
    }
}
