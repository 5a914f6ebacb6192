//! Starts and stops servers: torc, or the program named by `TORC_TEST_SERVER` in its place, and redis-server as a peer. Each
//! gets a port the kernel chose and a directory of its own, is waited for with a limit, and is ended by its process id,
//! at the latest when the value is dropped.

use super::client::Client;
use super::process::{TemporaryDirectory, signal};
use super::{WAIT_LIMIT, eventually};
use std::io::{BufRead, BufReader, Read};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, OnceLock};

/// How often a start is tried again because another process took the port between its choice and its use.
const PORT_ATTEMPTS_MAX: usize = 10;

/// True unless a program other than torc is tested in its place; another build of torc is torc.
pub fn tested_is_torc() -> bool {
    tested_program().file_name() == Some("torc".as_ref())
}

/// The program that the tests test.
pub fn tested_program() -> PathBuf {
    std::env::var_os("TORC_TEST_SERVER")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_torc")), PathBuf::from)
}

/// The redis-server to compare with, or None with a word on why the test is skipped.
pub fn redis_program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|directory| directory.join("redis-server"))
        .find(|program| program.is_file());
    if found.is_none() {
        assert!(
            std::env::var("TORC_REQUIRE_PEERS").as_deref() != Ok("1"),
            "redis-server is not installed and TORC_REQUIRE_PEERS=1 asks for it"
        );
        println!("skipped: redis-server is not installed");
    }
    found
}

/// Prints why and returns true when a test is about something only torc has and another program is tested.
pub fn skip_unless_torc(why: &str) -> bool {
    if tested_is_torc() {
        return false;
    }
    println!("skipped: {why}");
    true
}

/// A port that nobody listened on a moment ago.
pub fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("the kernel has a free port")
        .port()
}

/// The arguments that keep torc's other listeners off, so that two tests never want the same port; only those this
/// build of torc knows.
fn quiet_arguments() -> &'static [String] {
    static ARGUMENTS: OnceLock<Vec<String>> = OnceLock::new();
    ARGUMENTS.get_or_init(|| {
        ["memcached-port", "admin-port"]
            .iter()
            .filter(|name| tested_knows(name))
            .flat_map(|name| [format!("--{name}"), "0".to_string()])
            .collect()
    })
}

/// True when the help of the tested program names this option.
pub fn tested_knows(option: &str) -> bool {
    static HELP: OnceLock<String> = OnceLock::new();
    let help = HELP.get_or_init(|| {
        Command::new(tested_program())
            .arg("--help")
            .stdin(Stdio::null())
            .output()
            .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
            .unwrap_or_default()
    });
    help.contains(option)
}

fn directive_arguments(directives: &[(&str, &str)]) -> Vec<String> {
    let mut arguments = Vec::new();
    for (name, value) in directives {
        arguments.push(format!("--{name}"));
        if value.is_empty() {
            arguments.push(String::new());
        }
        arguments.extend(value.split_whitespace().map(str::to_string));
    }
    arguments
}

/// The command that starts the tested program, with nothing of it started yet.
pub fn tested_command(directives: &[(&str, &str)]) -> Command {
    let mut command = Command::new(tested_program());
    if tested_is_torc() {
        command.args(quiet_arguments());
    } else {
        command.args(["--save", "", "--appendonly", "no"]);
    }
    command.args(directive_arguments(directives));
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A running server.
pub struct Server {
    child: Child,
    /// Its TCP port on 127.0.0.1.
    pub port: u16,
    directory: TemporaryDirectory,
    output: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts the tested program with the default number of shards of these tests, two.
    pub fn start(directives: &[(&str, &str)]) -> Server {
        Server::start_with_shards(2, directives)
    }

    /// Starts the tested program; a directive given here wins over the defaults of these tests.
    pub fn start_with_shards(shards: usize, directives: &[(&str, &str)]) -> Server {
        let shards = shards.to_string();
        let mut all = Vec::new();
        if tested_is_torc() {
            all.push(("shards", shards.as_str()));
        }
        Server::launch(tested_command, &all, directives)
    }

    /// Starts a real redis-server to compare with, or None (with a word) when there is none.
    pub fn start_redis(directives: &[(&str, &str)]) -> Option<Server> {
        let program = redis_program()?;
        let build = move |directives: &[(&str, &str)]| {
            let mut command = Command::new(&program);
            command.args(["--save", "", "--appendonly", "no"]);
            command.args(directive_arguments(directives));
            command
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            command
        };
        Some(Server::launch(build, &[], directives))
    }

    fn launch(
        build: impl Fn(&[(&str, &str)]) -> Command,
        defaults: &[(&str, &str)],
        directives: &[(&str, &str)],
    ) -> Server {
        for _ in 0..PORT_ATTEMPTS_MAX {
            let port = free_port();
            let port_text = port.to_string();
            let directory = TemporaryDirectory::new();
            let directory_text = directory
                .path()
                .to_str()
                .expect("a path in UTF-8")
                .to_string();
            let mut all = vec![
                ("port", port_text.as_str()),
                ("dir", directory_text.as_str()),
            ];
            if !directives.iter().any(|(name, _)| *name == "bind") {
                all.push(("bind", "127.0.0.1"));
            }
            all.extend_from_slice(defaults);
            all.extend_from_slice(directives);
            let mut command = build(&all);
            // A group of its own: an interrupt at the terminal reaches the test, which then drops its servers.
            command.process_group(0);
            let mut child = command.spawn().expect("the server program starts");
            let output = Arc::new(Mutex::new(Vec::new()));
            drain(child.stdout.take().expect("stdout is piped"), &output);
            drain(child.stderr.take().expect("stderr is piped"), &output);
            let mut server = Server {
                child,
                port,
                directory,
                output,
            };
            let mut ended = false;
            eventually("the server says that it is ready", WAIT_LIMIT, || {
                ended = server.has_ended();
                ended || server.is_ready()
            });
            if !ended {
                return server;
            }
            let said = server.said().to_lowercase();
            assert!(
                said.contains("in use"),
                "the server ended instead of starting, and said: {said}"
            );
        }
        panic!("no free port in {PORT_ATTEMPTS_MAX} attempts");
    }

    fn is_ready(&self) -> bool {
        self.output
            .lock()
            .expect("no reader panicked")
            .iter()
            .any(|line| line.starts_with("ready") || line.contains("Ready to accept connections"))
    }

    /// Everything it wrote so far.
    pub fn said(&self) -> String {
        self.output.lock().expect("no reader panicked").join("\n")
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its working directory.
    pub fn directory(&self) -> &std::path::Path {
        self.directory.path()
    }

    /// True when the process has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("our own child").is_some()
    }

    /// A new connection over TCP.
    pub fn client(&self) -> Client {
        Client::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap_or_else(|error| {
            panic!("cannot connect: {error}; the server said:\n{}", self.said())
        })
    }

    /// Asks it to stop.
    pub fn signal_stop(&self) {
        signal(self.pid(), libc::SIGTERM);
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("the server ends", WAIT_LIMIT, || {
            status = self.child.try_wait().expect("our own child");
            status.is_some()
        });
        status.expect("it ended")
    }

    /// Stops it by SIGTERM; it must exit with 0, in time.
    pub fn stop(mut self) {
        assert!(
            !self.has_ended(),
            "the server ended by itself and said:\n{}",
            self.said()
        );
        self.signal_stop();
        let status = self.wait();
        assert_eq!(status.code(), Some(0), "the server said:\n{}", self.said());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already ended is as good as killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("the server on port {} said:\n{}", self.port, self.said());
        }
    }
}

fn drain(pipe: impl Read + Send + 'static, output: &Arc<Mutex<Vec<String>>>) {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        let mut reader = BufReader::new(pipe);
        let mut line = Vec::new();
        while matches!(reader.read_until(b'\n', &mut line), Ok(length) if length > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_string();
            line.clear();
            output.lock().expect("no reader panicked").push(text);
        }
    });
}
