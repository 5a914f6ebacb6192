use super::*;
use crate::config::Policy;
use std::fs;

/// A directory of its own for a test, removed at its end.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Directory {
        let path = std::env::temp_dir().join(format!("torc-config-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a directory for the test");
        Directory(path)
    }
    fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).expect("a file for the test");
        path.display().to_string()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn load_with(args: &[&str], mut standard_input: &[u8]) -> Result<Config, String> {
    match command_line(args.iter().map(OsString::from), &mut standard_input) {
        Ok(CommandLine::Serve(config)) => Ok(*config),
        Ok(CommandLine::Print(text)) => panic!("printed: {text}"),
        Err(error) => Err(error.0),
    }
}

fn load(args: &[&str]) -> Result<Config, String> {
    load_with(args, b"")
}

#[test]
fn nothing_gives_the_defaults() {
    assert_eq!(load(&[]), Ok(Config::default()));
}

#[test]
fn directives_of_the_command_line() {
    let config = load(&[
        "--port",
        "7000",
        "--save",
        "",
        "--appendonly",
        "no",
        "--bind",
        "127.0.0.1",
        "-::1",
        "--maxmemory",
        "100mb",
        "--maxmemory-policy",
        "allkeys-s3fifo",
        "--client-output-buffer-limit",
        "normal 1mb 0 0",
        "--client-output-buffer-limit",
        "pubsub",
        "2mb",
        "1mb",
        "5",
        "--unixsocket",
        "/run/torc.sock",
        "--unixsocketperm",
        "700",
        "--cpu-list",
        "1-3",
        "--shards",
        "2",
        "--enable-debug-command",
        "local",
    ])
    .expect("valid");
    assert_eq!(
        (config.port, config.maxmemory, config.maxmemory_policy),
        (7000, 100 << 20, Policy::AllKeysS3Fifo)
    );
    assert_eq!(config.bind.len(), 2);
    assert!(config.bind[1].optional && !config.bind[0].optional);
    assert_eq!(
        (
            config.output_limit_normal.hard_bytes,
            config.output_limit_pubsub.soft_seconds
        ),
        (1 << 20, 5)
    );
    assert_eq!(
        (config.unixsocket.as_deref(), config.unixsocketperm),
        (Some("/run/torc.sock"), Some(0o700))
    );
    assert_eq!((config.cpu_list, config.shards), (vec![1, 2, 3], 2));
    assert!(load(&["--save", "--port", "0", "--unixsocket", "x"]).is_ok());
}

#[test]
fn a_file_its_includes_and_what_comes_after_it() {
    let directory = Directory::new("include");
    directory.write("a.inc", "timeout 1\nmaxclients 5\n");
    directory.write("b.inc", "timeout 2\n");
    let text = format!(
        "# caf\u{e9}\r\nport 7001\r\n\r\nsave \"\"\nsave ''\nrequirepass \"se cret\"\ninclude {}/*.inc\nmaxclients 6\nbind * -::*\nhz 10\n",
        directory.0.display()
    );
    let path = directory.write("torc.conf", &text);
    let config = load_with(
        &[&path, "--port", "7002", "-"],
        b"port 7003\ntcp-keepalive 60",
    )
    .expect("valid");
    assert_eq!(
        (
            config.port,
            config.timeout,
            config.maxclients,
            config.tcp_keepalive
        ),
        (7002, 2, 6, 60)
    );
    assert_eq!(config.requirepass, "se cret");
    assert_eq!(config.bind.len(), 2);
    assert_eq!(config.file, Some(PathBuf::from(&path)));
    assert_eq!(config.warnings.len(), 1);
    assert!(
        config.warnings[0].starts_with(&format!("{path}:10: 'hz' is ignored: ")),
        "{}",
        config.warnings[0]
    );
    assert_eq!(load_with(&["-"], b"port 7003").expect("valid").port, 7003);
}

#[test]
fn comments_may_be_in_any_encoding() {
    assert_eq!(
        load_with(&["-"], b"# caf\xe9\nport 7003\n")
            .expect("valid")
            .port,
        7003
    );
    assert_eq!(
        load_with(&["-"], b"requirepass caf\xe9\n"),
        Err("standard input:1: this line is not UTF-8 text".into())
    );
}

#[test]
fn errors_name_the_place_and_the_remedy() {
    let table: &[(&[&str], &str)] = &[
        (
            &["--prot", "1"],
            "command line: unknown option 'prot'; did you mean 'port'?",
        ),
        (
            &["--max-memory", "1"],
            "command line: unknown option 'max-memory'; did you mean 'maxmemory'?",
        ),
        (
            &["--utterly-wrong", "1"],
            "command line: unknown option 'utterly-wrong'; torc --help lists all options",
        ),
        (
            &["--port"],
            "command line: 'port' takes one value (integer from 0 to 65535) and was given 0",
        ),
        (
            &["--port", "1", "2"],
            "command line: 'port' takes one value (integer from 0 to 65535) and was given 2",
        ),
        (
            &["--port", "70000"],
            "command line: 'port 70000': argument must be between 0 and 65535 inclusive",
        ),
        (
            &["--maxmemory", "lots"],
            "command line: 'maxmemory lots': argument must be a memory value",
        ),
        (
            &["--appendonly", "maybe"],
            "command line: 'appendonly maybe': argument must be 'yes' or 'no'",
        ),
        (
            &["--save", "900", "x"],
            "command line: 'save 900 x': Invalid save parameters",
        ),
        (
            &["--cluster-enabled", "yes"],
            "command line: 'cluster-enabled yes' cannot be had: this version is no cluster",
        ),
        (
            &["--requirepass", "secret", "x"],
            "command line: 'requirepass' takes one value (text) and was given 2",
        ),
        (
            &["-p", "1"],
            "command line: '-p' is no directive; directives look like --port 6379",
        ),
        (
            &["--bind", "localhost"],
            "command line: 'bind localhost': 'localhost' is not an IP address; give addresses, * or ::*",
        ),
        (
            &["--shards", "3", "--cpu-list", "0-1"],
            "shards 3 is more than the 2 cores of cpu-list",
        ),
        (
            &["--port", "0", "--memcached-port", "0"],
            "there is nothing to listen on: give a port and bind, or unixsocket",
        ),
    ];
    for (args, expected) in table {
        assert_eq!(load(args), Err(expected.to_string()), "{args:?}");
    }
    let table: &[(&[u8], &str)] = &[
        (
            b"port 6379\n\nport 1 # one\n",
            "standard input:3: 'port' takes one value (integer from 0 to 65535) and was given 3 (a comment needs a line of its own)",
        ),
        (b"requirepass \"x\n", "standard input:1: unbalanced quotes"),
        (
            b"rename-command FLUSHALL \"\"\n",
            "standard input:1: unknown option 'rename-command'; torc --help lists all options",
        ),
        (
            b"include\n",
            "standard input:1: 'include' takes one path and was given 0",
        ),
    ];
    for (text, expected) in table {
        assert_eq!(load_with(&["-"], text), Err(expected.to_string()));
    }
}

#[test]
fn files_that_cannot_be_read() {
    let directory = Directory::new("missing");
    let missing = directory.0.join("missing.conf").display().to_string();
    let error = load(&[&missing]).expect_err("no such file");
    assert!(
        error.starts_with(&format!(
            "cannot read the configuration file {missing}: No such file"
        )),
        "{error}"
    );
    let text = format!("include {missing}");
    let error = load_with(&["-"], text.as_bytes()).expect_err("no such file");
    assert!(
        error.starts_with("standard input:1: cannot read"),
        "{error}"
    );
    let own = directory.0.join("own.conf").display().to_string();
    directory.write("own.conf", &format!("include {own}"));
    assert!(
        load(&[&own])
            .expect_err("it includes itself")
            .contains("include each other more than 16 deep")
    );
}

#[test]
fn help_and_version() {
    for (flag, expected) in [
        ("--help", "Usage: torc"),
        ("-h", "--maxmemory"),
        ("--version", "torc "),
        ("-v", env!("CARGO_PKG_VERSION")),
    ] {
        match command_line([OsString::from(flag)].into_iter(), &mut &b""[..]) {
            Ok(CommandLine::Print(text)) => assert!(text.contains(expected), "{flag}: {text}"),
            other => panic!("{flag}: {other:?}"),
        }
    }
}

/// The directives of Debian's redis.conf, as it is installed.
const DEBIANS: &str = r#"bind 127.0.0.1 -::1
protected-mode yes
port 6379
tcp-backlog 511
timeout 0
tcp-keepalive 300
daemonize no
pidfile /run/redis/redis-server.pid
loglevel notice
logfile /var/log/redis/redis-server.log
databases 16
always-show-logo no
set-proc-title yes
proc-title-template "{title} {listen-addr} {server-mode}"
stop-writes-on-bgsave-error yes
rdbcompression yes
rdbchecksum yes
dbfilename dump.rdb
rdb-del-sync-files no
dir /var/lib/redis
replica-serve-stale-data yes
replica-read-only yes
repl-diskless-sync yes
repl-diskless-sync-delay 5
repl-diskless-sync-max-replicas 0
repl-diskless-load disabled
repl-disable-tcp-nodelay no
replica-priority 100
acllog-max-len 128
lazyfree-lazy-eviction no
lazyfree-lazy-expire no
lazyfree-lazy-server-del no
replica-lazy-flush no
lazyfree-lazy-user-del no
lazyfree-lazy-user-flush no
oom-score-adj no
oom-score-adj-values 0 200 800
disable-thp yes
appendonly no
appendfilename "appendonly.aof"
appenddirname "appendonlydir"
appendfsync everysec
no-appendfsync-on-rewrite no
auto-aof-rewrite-percentage 100
auto-aof-rewrite-min-size 64mb
aof-load-truncated yes
aof-use-rdb-preamble yes
aof-timestamp-enabled no
slowlog-log-slower-than 10000
slowlog-max-len 128
latency-monitor-threshold 0
notify-keyspace-events ""
hash-max-listpack-entries 512
hash-max-listpack-value 64
list-max-listpack-size -2
list-compress-depth 0
set-max-intset-entries 512
zset-max-listpack-entries 128
zset-max-listpack-value 64
hll-sparse-max-bytes 3000
stream-node-max-bytes 4096
stream-node-max-entries 100
activerehashing yes
client-output-buffer-limit normal 0 0 0
client-output-buffer-limit replica 256mb 64mb 60
client-output-buffer-limit pubsub 32mb 8mb 60
hz 10
dynamic-hz yes
aof-rewrite-incremental-fsync yes
rdb-save-incremental-fsync yes
jemalloc-bg-thread yes
"#;

#[test]
fn debians_file_is_understood_but_for_daemonize() {
    let config = load_with(&["-"], DEBIANS.as_bytes()).expect("all of it is known");
    assert_eq!(config.dir, "/var/lib/redis");
    let with_daemonize = DEBIANS.replace("daemonize no", "daemonize yes");
    let error = load_with(&["-"], with_daemonize.as_bytes()).expect_err("this cannot be had");
    assert!(
        error.starts_with("standard input:7: 'daemonize yes': torc stays in the foreground"),
        "{error}"
    );
}
