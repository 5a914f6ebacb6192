//! Whole runs over memcached's three protocols, against a real memcached, and against small servers that answer what a test wants.
//!
//! Without memcached the tests that need it say so and pass, unless `TORC_REQUIRE_PEERS=1`.

use clap::Parser;
use loadgen::args::{Args, Plan};
use loadgen::error::Result;
use loadgen::report;
use loadgen::run::{self, Outcome};
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const PROTOCOLS: [&str; 3] = ["memcache-text", "memcache-meta", "memcache-binary"];
/// How long a server may take to start.
const START: Duration = Duration::from_secs(10);

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|directory| directory.join(name))
        .find(|program| program.is_file())
}

/// A directory that goes with its value.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("loadgen-memcached-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, content).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // A directory that is left behind harms nobody.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running memcached.
struct Memcached {
    child: Child,
    directory: Directory,
    port: u16,
}

impl Drop for Memcached {
    fn drop(&mut self) {
        // It has nothing to save; an error means that it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for what a server does in its own time.
fn eventually<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + START;
    loop {
        if let Some(value) = probe() {
            return value;
        }
        assert!(Instant::now() < deadline, "{what}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

impl Memcached {
    /// Starts one with further options. `None`, with a word, when it is not installed.
    fn start(options: &[&str]) -> Option<Self> {
        Self::start_in(Directory::new(), options, &[])
    }

    fn start_in(
        directory: Directory,
        options: &[&str],
        variables: &[(&str, &Path)],
    ) -> Option<Self> {
        let Some(program) = program("memcached") else {
            assert!(
                std::env::var("TORC_REQUIRE_PEERS").as_deref() != Ok("1"),
                "memcached is not installed and TORC_REQUIRE_PEERS=1 asks for it"
            );
            println!("skipped: memcached is not installed");
            return None;
        };
        let port_file = directory.0.join("port");
        let mut command = Command::new(program);
        // Port -1 is one that the kernel chooses; which, stands in the file.
        command
            .args([
                "-p",
                "-1",
                "-U",
                "0",
                "-l",
                "127.0.0.1",
                "-u",
                "root",
                "-t",
                "1",
            ])
            .args(options)
            .env("MEMCACHED_PORT_FILENAME", &port_file)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        let mut server = Self {
            child: command.spawn().unwrap(),
            directory,
            port: 0,
        };
        if let Some(place) = options.iter().position(|option| *option == "-s") {
            eventually("memcached listens", || {
                UnixStream::connect(options[place + 1]).ok()
            });
            return Some(server);
        }
        server.port = eventually("memcached names its port", || {
            let text = std::fs::read_to_string(&port_file).ok()?;
            text.strip_prefix("TCP INET: ")?
                .lines()
                .next()?
                .parse()
                .ok()
        });
        Some(server)
    }

    fn plan(&self, protocol: &str, line: &str) -> Plan {
        plan(self.port, protocol, line)
    }

    /// A run that must end well.
    fn done(&self, protocol: &str, line: &str) -> Outcome {
        let outcome = run::run(self.plan(protocol, line)).unwrap();
        assert_eq!(outcome.failure, None, "{protocol} {line}");
        outcome
    }
}

fn plan(port: u16, protocol: &str, line: &str) -> Plan {
    let port = port.to_string();
    let words = [
        "loadgen",
        "--quiet",
        "--port",
        &port,
        "--protocol",
        protocol,
    ];
    let words = words.into_iter().chain(line.split_whitespace());
    Plan::new(Args::try_parse_from(words).unwrap()).unwrap()
}

#[test]
fn every_key_is_asked_for_and_checked_once() {
    let Some(server) = Memcached::start(&["-m", "256"]) else {
        return;
    };
    for protocol in PROTOCOLS {
        for line in [
            "",
            "--epoll",
            "--threads 3 --pipeline 7",
            "--multi-get 5",
            "--multi-get 40 --pipeline 9 --epoll",
            "--multi-get 2 --pipeline 30 --threads 2 --key-size 250",
        ] {
            let line = format!(
                "{line} --requests 6001 --connections 6 --ratio 1:2:1 --keyspace 100 --value-size 0-3000 --verify=strict"
            );
            let plan = server.plan(protocol, &line);
            let outcome = run::run(plan.clone()).unwrap();
            let stats = &outcome.stats;
            assert_eq!(outcome.failure, None);
            assert_eq!((stats.replies(), stats.error_count()), (6_001, 0));
            assert_eq!(stats.wrong, 0, "{protocol} {line}: {:?}", stats.wrong_shown);
            let (reads, keys) = (stats.latency[0].count(), u64::from(plan.args.multi_get));
            assert_eq!(stats.hits + stats.misses, reads * keys, "{protocol} {line}");
            assert_eq!(stats.keys, 6_001 + reads * (keys - 1));
            assert_eq!(stats.verified + stats.unverified, stats.hits);
            assert!(stats.verified > reads / 4 && stats.misses > reads / 4);
            assert!(stats.deleted > 0 && stats.deleted < stats.latency[2].count());
            let document = report::json::document(&plan, &outcome);
            assert_eq!(document["load"]["protocol"], protocol);
            assert_eq!(document["keys"], stats.keys);
        }
    }
}

#[test]
fn large_values_go_both_ways() {
    let Some(server) = Memcached::start(&["-m", "512", "-I", "8m"]) else {
        return;
    };
    for protocol in PROTOCOLS {
        for line in ["", "--epoll", "--multi-get 3"] {
            let outcome = server.done(
                protocol,
                &format!(
                    "{line} --verify=strict --prefill --value-size 3000000 --keyspace 6 --connections 2 --pipeline 3 --requests 40 --ratio 1:1"
                ),
            );
            assert_eq!(outcome.stats.wrong, 0, "{:?}", outcome.stats.wrong_shown);
            assert!(outcome.stats.verified > 0);
        }
    }
}

#[test]
fn values_expire_and_long_lives_do_not_end_at_once() {
    let Some(server) = Memcached::start(&[]) else {
        return;
    };
    std::thread::scope(|scope| {
        for protocol in PROTOCOLS {
            let server = &server;
            scope.spawn(move || lives(server, protocol));
        }
    });
}

fn lives(server: &Memcached, protocol: &str) {
    let line = |options: &str| {
        format!(
            "{options} --key-prefix {} --verify=strict --prefill --keyspace 400 --connections 2 --rate 1000",
            protocol.replace("memcache-", "")
        )
    };
    // Above 30 days the time is absolute: a relative one in its place would be long past.
    let outcome = server.done(protocol, &line("--ttl 2592001 --duration 0.3"));
    assert_eq!((outcome.stats.wrong, outcome.stats.misses), (0, 0));
    // 3 seconds when rounded up, of which memcached may cut off one.
    let outcome = server.done(protocol, &line("--ttl 2001ms --duration 1.2"));
    assert_eq!(outcome.stats.wrong, 0, "{:?}", outcome.stats.wrong_shown);
    // A second when rounded up; few keys are written again.
    let options = "--ttl 700ms --ttl-margin 2000 --duration 2.3 --ratio 1:50";
    let outcome = server.done(protocol, &line(options));
    assert_eq!(outcome.stats.wrong, 0, "{:?}", outcome.stats.wrong_shown);
    assert!(outcome.stats.misses > 100 && outcome.stats.verified > 0);
}

#[test]
fn an_open_loop_keeps_its_rate() {
    let Some(server) = Memcached::start(&[]) else {
        return;
    };
    for protocol in PROTOCOLS {
        let line = "--rate 2000 --requests 500 --connections 5 --multi-get 3";
        let outcome = server.done(protocol, line);
        assert_eq!(outcome.stats.replies(), 500);
        assert!(outcome.elapsed >= Duration::from_millis(249));
    }
}

#[test]
fn a_trace_fills_the_cache_on_misses() {
    let directory = Directory::new();
    let csv = directory.file(
        "small.csv",
        "0,a,1,7,1,get,0\n1,a,1,7,1,get,0\n2,a,1,0,1,delete,0\n3,a,1,7,1,get,0\n3,b,1,9,1,set,60\n4,b,1,9,1,get,0\n",
    );
    for protocol in PROTOCOLS {
        let Some(server) = Memcached::start(&[]) else {
            return;
        };
        let line = format!("--trace {} --connections 1", csv.display());
        let stats = server.done(protocol, &line).stats;
        assert_eq!(
            (stats.hits, stats.misses, stats.fills, stats.deleted),
            (2, 2, 2, 1)
        );
        assert_eq!(stats.error_count(), 0);
        // Misses and hits of object numbers, over several connections.
        let line = "--trace synthetic:orm-busy --requests 20000 --connections 7 --pipeline 3 --value-size 10";
        let stats = server.done(protocol, line).stats;
        assert_eq!(stats.hits + stats.misses, 20_000);
        assert!(stats.hits > 0 && stats.fills == stats.misses);
    }
}

#[test]
fn a_unix_socket_does_as_well() {
    let directory = Directory::new();
    let path = directory.0.join("socket");
    let path = path.to_str().unwrap();
    let Some(server) = Memcached::start(&["-s", path]) else {
        return;
    };
    for protocol in PROTOCOLS {
        let line = format!("--unixsocket {path} --requests 1000 --keyspace 100 --prefill");
        let stats = server.done(protocol, &line).stats;
        assert_eq!(stats.hits + stats.latency[1].count(), 1_000);
    }
}

#[test]
fn refusals_are_counted_by_text() {
    let Some(server) = Memcached::start(&[]) else {
        return;
    };
    for (protocol, text) in PROTOCOLS.into_iter().zip([
        "SERVER_ERROR object too large for cache",
        "SERVER_ERROR object too large for cache",
        "Too large. (status 0x03)",
    ]) {
        let line = "--value-size 1100000 --requests 60 --connections 3 --pipeline 4 --ratio 1:1 --verify --keyspace 30";
        let stats = server.done(protocol, line).stats;
        assert_eq!(stats.errors.len(), 1, "{:?}", stats.errors);
        assert_eq!(stats.errors[text], stats.latency[1].count());
        assert_eq!((stats.replies(), stats.wrong, stats.hits), (60, 0, 0));
    }
}

#[test]
fn a_server_with_a_password_file_is_logged_in_to() {
    let directory = Directory::new();
    let file = directory.file("users", "me:secret\n");
    let Some(server) = Memcached::start(&["-Y", file.to_str().unwrap()]) else {
        return;
    };
    for protocol in ["memcache-text", "memcache-meta"] {
        let line = "--requests 500 --keyspace 50 --prefill --user me --password secret";
        assert_eq!(server.done(protocol, line).stats.error_count(), 0);
        for (line, words) in [
            ("", "unauthenticated; give --password"),
            (
                "--user me --password wrong",
                "refused the login: CLIENT_ERROR",
            ),
            ("--password secret", "refused the login: CLIENT_ERROR"),
        ] {
            let error = run::run(server.plan(protocol, line)).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
            assert_eq!(error.exit_code(), 1);
        }
    }
}

#[test]
fn a_server_with_sasl_is_logged_in_to() {
    let Some(saslpasswd) = program("saslpasswd2") else {
        println!("skipped: saslpasswd2, which makes SASL's file of users, is not installed");
        return;
    };
    let directory = Directory::new();
    let database = directory.0.join("users");
    let mut child = Command::new(saslpasswd)
        .args(["-p", "-c", "-a", "memcached", "-u", "here", "-f"])
        .arg(&database)
        .arg("me")
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"secret\n").unwrap();
    assert!(child.wait().unwrap().success());
    directory.file(
        "memcached.conf",
        &format!(
            "mech_list: plain\npwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: {}\n",
            database.display()
        ),
    );
    let settings = directory.0.clone();
    let variables = [("SASL_CONF_PATH", settings.as_path())];
    let Some(server) = Memcached::start_in(directory, &["-S"], &variables) else {
        return;
    };
    let line = "--requests 500 --keyspace 50 --prefill --user me@here --password secret";
    let outcome = server.done("memcache-binary", line);
    assert_eq!(outcome.stats.error_count(), 0);
    for (line, words) in [
        ("", "Auth failure. (status 0x20); give --password"),
        (
            "--user me@here --password wrong",
            "Auth failure. (status 0x20)",
        ),
    ] {
        let error = run::run(server.plan("memcache-binary", line)).unwrap_err();
        assert!(error.to_string().contains(words), "{error}");
    }
    assert!(server.directory.0.is_dir());
}

#[test]
fn another_protocol_is_one_clear_sentence() {
    let Some(server) = Memcached::start(&[]) else {
        return;
    };
    let error = run::run(server.plan("resp", "")).unwrap_err().to_string();
    assert!(error.contains("does not speak this protocol"), "{error}");
}

/// Answers every `get` of the text protocol with what `answer` makes of its keys, and every `set` with STORED; lives as long as the test process.
fn answering(answer: fn(&[&str]) -> String) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            std::thread::spawn(move || converse(stream, answer));
        }
    });
    port
}

/// Ends quietly when the client goes.
fn converse(mut stream: TcpStream, answer: fn(&[&str]) -> String) -> Option<()> {
    let mut input = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    loop {
        line.clear();
        input.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let reply = match words[0] {
            "version" => "VERSION 1\r\n".into(),
            "get" => answer(&words[1..]),
            other => panic!("unexpected command {other}"),
        };
        stream.write_all(reply.as_bytes()).ok()?;
    }
}

fn value(key: &str) -> String {
    format!("VALUE {key} 0 1\r\nx\r\n")
}

fn load(answer: fn(&[&str]) -> String, line: &str) -> Result<Outcome> {
    let line = format!("{line} --ratio 0:1 --connections 2 --requests 300");
    run::run(plan(answering(answer), "memcache-text", &line))
}

#[test]
fn values_belong_to_the_keys_they_name_in_whatever_order() {
    // All but the first key, from the last to the first.
    let line = "--multi-get 6 --key-dist sequential --keyspace 6000 --pipeline 3";
    let answer = |keys: &[&str]| {
        let values: String = keys[1..].iter().rev().map(|key| value(key)).collect();
        values + "END\r\n"
    };
    let stats = load(answer, line).unwrap().stats;
    assert_eq!((stats.hits, stats.misses), (1_500, 300));
    // A key asked for twice is answered twice, or once.
    let twice = |keys: &[&str]| value(keys[0]) + &value(keys[0]) + "END\r\n";
    let stats = load(twice, "--multi-get 3 --keyspace 1").unwrap().stats;
    assert_eq!((stats.hits, stats.misses), (600, 300));
}

#[test]
fn a_value_nobody_asked_for_ends_the_run() {
    for (answer, line) in [
        (
            (|_| value("key:other") + "END\r\n") as fn(&[&str]) -> String,
            "",
        ),
        (|keys| value(&keys[0][1..]) + "END\r\n", "--multi-get 2"),
        (|keys| value(keys[0]) + &value(keys[0]) + "END\r\n", ""),
    ] {
        let failure = load(answer, line).unwrap().failure.unwrap().to_string();
        assert!(failure.contains("which was not asked for"), "{failure}");
    }
}

#[test]
fn a_refused_read_of_several_is_one_error_and_no_misses() {
    let answer = |keys: &[&str]| value(keys[0]) + "SERVER_ERROR out of memory\r\n";
    let stats = load(answer, "--multi-get 4 --verify").unwrap().stats;
    assert_eq!(stats.errors["SERVER_ERROR out of memory"], 300);
    assert_eq!((stats.hits, stats.misses, stats.replies()), (300, 0, 300));
}
