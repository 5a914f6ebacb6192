//! Starts what the tests of the memcached protocols talk to: torc with those protocols on, or a real memcached, as the subject in torc's place
//! (`TORC_TEST_MEMCACHE_SERVER=memcached`) or as the peer to compare with; and a raw connection that sends and receives bytes. Never looks into replies.

use super::process::{TemporaryDirectory, signal};
use super::server::{Server, free_port, tested_is_torc};
use super::{WAIT_LIMIT, eventually};
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// The file of what a memcached says.
const SAID: &str = "said";
/// How often a start is tried again because another process took the port between its choice and its use.
const PORT_ATTEMPTS_MAX: usize = 10;

/// What the tests ask of the subject beyond its defaults; each is translated to torc's options and to memcached's.
#[derive(Clone, Default)]
pub struct Settings {
    /// Listens for datagrams too.
    pub udp: bool,
    /// A file of lines `user:password`.
    pub auth_file: Option<PathBuf>,
    /// The path of a Unix socket, which memcached then has in place of TCP.
    pub unix_socket: Option<PathBuf>,
    /// Whether `shutdown` is obeyed.
    pub allow_shutdown: bool,
    /// Other options of torc's, which memcached has not.
    pub options: Vec<(&'static str, String)>,
}

/// A real memcached.
pub struct Memcached {
    // Those who share the subject ask whether it lives.
    child: Mutex<Child>,
    port: u16,
    udp_port: u16,
    // Has what it says; removed when the process has ended.
    directory: TemporaryDirectory,
}

/// Finds a program in PATH, or says why its test is skipped; without it `TORC_REQUIRE_PEERS=1` fails.
pub fn program_or_skip(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|program| program.is_file());
    if found.is_none() {
        assert!(
            std::env::var("TORC_REQUIRE_PEERS").as_deref() != Ok("1"),
            "{name} is not installed and TORC_REQUIRE_PEERS=1 asks for it"
        );
        println!("skipped: {name} is not installed");
    }
    found
}

impl Memcached {
    /// Starts the peer, or says why not.
    pub fn start() -> Option<Memcached> {
        let program = program_or_skip("memcached")?;
        Some(Memcached::start_program(&program, &Settings::default()))
    }

    fn start_program(program: &Path, settings: &Settings) -> Memcached {
        for _ in 0..PORT_ATTEMPTS_MAX {
            let port = free_port();
            let udp_port = if settings.udp { free_udp_port() } else { 0 };
            let mut command = Command::new(program);
            command.args(["-p", &port.to_string(), "-U", &udp_port.to_string()]);
            // It refuses to run as root without being told whom to become; for others the option means nothing.
            command.args(["-l", "127.0.0.1", "-u", "nobody", "-m", "256"]);
            // Neither a second thread nor one that maintains the LRU refers to items when another request comes: it writes numbers in place only if nobody does.
            command.args(["-t", "1", "-o", "no_modern"]);
            // Some tests open a thousand connections one after the other, faster than it closes them; it hangs up on those beyond its limit.
            command.args(["-c", "8192"]);
            if let Some(file) = &settings.auth_file {
                command.arg("-Y").arg(file);
            }
            if settings.allow_shutdown {
                command.arg("-A");
            }
            let directory = TemporaryDirectory::new();
            let said = File::create(directory.path().join(SAID)).expect("a file for its output");
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(said);
            // A group of its own: an interrupt at the terminal reaches the test, which then drops its servers.
            command.process_group(0);
            let server = Memcached {
                child: Mutex::new(command.spawn().expect("memcached starts")),
                port,
                udp_port,
                directory,
            };
            let mut ended = false;
            eventually("memcached listens", WAIT_LIMIT, || {
                ended = server.has_ended();
                ended || server.listens()
            });
            if !ended {
                return server;
            }
        }
        panic!("no free port in {PORT_ATTEMPTS_MAX} attempts");
    }

    /// Whether it is this process that listens, and not another one that took the port first.
    fn listens(&self) -> bool {
        listening_socket(self.port).is_some_and(|inode| has_socket(self.pid(), &inode))
    }

    fn has_ended(&self) -> bool {
        self.status().is_some()
    }

    /// How it ended, if it has.
    fn status(&self) -> Option<ExitStatus> {
        let mut child = self.child.lock().expect("nobody panics with it");
        child.try_wait().expect("our own child")
    }

    fn pid(&self) -> u32 {
        self.child.lock().expect("nobody panics with it").id()
    }

    /// What it wrote on its error output.
    fn said(&self) -> String {
        let said = std::fs::read(self.directory.path().join(SAID)).unwrap_or_default();
        String::from_utf8_lossy(&said).into_owned()
    }

    /// A new connection. While the process lives, one that is refused or reset before anything was sent on it is tried again: this is about what memcached answers, and not
    /// about how it accepts when its threads do not get to run.
    fn connect(&self) -> Connection {
        let deadline = Instant::now() + WAIT_LIMIT;
        loop {
            let error = match Connection::open(self.address()) {
                Ok(connection) => return connection,
                Err(error) => error,
            };
            if let Some(status) = self.status() {
                panic!(
                    "memcached ended by itself, {status}, and said:\n{}",
                    self.said()
                );
            }
            let is_passing = matches!(
                error.kind(),
                io::ErrorKind::ConnectionReset
                    | io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::ConnectionAborted
            );
            assert!(
                is_passing && Instant::now() < deadline,
                "memcached does not accept: {error}; it said:\n{}",
                self.said()
            );
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    /// Where it listens for TCP.
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        if let Ok(child) = self.child.get_mut() {
            // Already ended is as good as killed.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The inode of the socket that listens on a port of 127.0.0.1, as /proc has it.
fn listening_socket(port: u16) -> Option<String> {
    let table = std::fs::read_to_string("/proc/net/tcp").ok()?;
    let address = format!("0100007F:{port:04X}");
    let lines = table.lines().map(|line| line.split_whitespace());
    // Of a line the second word is the address, the fourth the state (0A: listens), the tenth the inode.
    let mut found = lines.filter_map(|words| {
        let words: Vec<&str> = words.collect();
        (words.len() > 9 && words[1] == address && words[3] == "0A").then(|| words[9].to_string())
    });
    found.next()
}

/// Whether a process has this socket open.
fn has_socket(pid: u32, inode: &str) -> bool {
    let target = format!("socket:[{inode}]");
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fd")) else {
        return false;
    };
    let targets = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
    targets.into_iter().any(|found| found == Path::new(&target))
}

/// A port of UDP that nobody had a moment ago.
fn free_udp_port() -> u16 {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|socket| socket.local_addr())
        .expect("the kernel has a free port")
        .port()
}

/// The program under test.
pub enum Subject {
    /// torc and its ports: memcached's protocols over TCP and UDP.
    Torc {
        server: Server,
        port: u16,
        udp_port: u16,
    },
    /// memcached in its place.
    Memcached(Memcached),
}

/// True when the subject is torc rather than a memcached.
pub fn subject_is_torc() -> bool {
    std::env::var_os("TORC_TEST_MEMCACHE_SERVER").is_none()
}

/// Prints why and returns true when a test is about something only torc has and a memcached is the subject.
pub fn skip_unless_subject_is_torc(why: &str) -> bool {
    if !subject_is_torc() {
        println!("skipped: {why}");
    }
    !subject_is_torc()
}

/// The numbers of shards to test with; a memcached has no shards, so it gets one turn.
pub fn numbers_of_shards() -> &'static [usize] {
    if subject_is_torc() { &[1, 2, 5] } else { &[1] }
}

impl Subject {
    /// Starts the subject with so many shards and TCP alone; None, with a word, when this build cannot be the subject.
    pub fn start(shards: usize) -> Option<Subject> {
        Subject::start_with(shards, &Settings::default())
    }

    /// Starts the subject with settings.
    pub fn start_with(shards: usize, settings: &Settings) -> Option<Subject> {
        if let Some(program) = std::env::var_os("TORC_TEST_MEMCACHE_SERVER") {
            return Some(Subject::Memcached(Memcached::start_program(
                Path::new(&program),
                settings,
            )));
        }
        if !tested_is_torc() {
            println!("skipped: the tested server does not speak memcached's protocols");
            return None;
        }
        let port = free_port();
        let udp_port = if settings.udp { free_udp_port() } else { 0 };
        let mut directives = vec![("memcached-port", port.to_string())];
        if settings.udp {
            directives.push(("memcached-udp-port", udp_port.to_string()));
        }
        let text = |path: &PathBuf| path.to_str().expect("a path in UTF-8").to_string();
        if let Some(file) = &settings.auth_file {
            directives.push(("memcached-auth-file", text(file)));
        }
        if let Some(path) = &settings.unix_socket {
            directives.push(("memcached-unixsocket", text(path)));
        }
        if settings.allow_shutdown {
            directives.push(("memcached-allow-shutdown", "yes".to_string()));
        }
        directives.extend(settings.options.iter().cloned());
        let directives: Vec<(&str, &str)> = directives
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let server = Server::start_with_shards(shards, &directives);
        Some(Subject::Torc {
            server,
            port,
            udp_port,
        })
    }

    /// Where it speaks memcached's protocols over TCP.
    pub fn address(&self) -> SocketAddr {
        match self {
            Subject::Torc { port, .. } => (Ipv4Addr::LOCALHOST, *port).into(),
            Subject::Memcached(server) => server.address(),
        }
    }

    /// Where it takes datagrams.
    pub fn udp_address(&self) -> SocketAddr {
        match self {
            Subject::Torc { udp_port, .. } => (Ipv4Addr::LOCALHOST, *udp_port).into(),
            Subject::Memcached(server) => (Ipv4Addr::LOCALHOST, server.udp_port).into(),
        }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        match self {
            Subject::Torc { server, .. } => server.pid(),
            Subject::Memcached(server) => server.pid(),
        }
    }

    /// True when the process has ended.
    pub fn has_ended(&mut self) -> bool {
        match self {
            Subject::Torc { server, .. } => server.has_ended(),
            Subject::Memcached(server) => server.has_ended(),
        }
    }

    /// What it wrote on its output, if that is kept.
    pub fn said(&self) -> String {
        match self {
            Subject::Torc { server, .. } => server.said(),
            Subject::Memcached(server) => server.said(),
        }
    }

    /// A new connection.
    pub fn connect(&self) -> Connection {
        match self {
            Subject::Torc { .. } => Connection::open(self.address()).expect("the subject accepts"),
            Subject::Memcached(server) => server.connect(),
        }
    }

    /// Stops it; it must have lived until now, and torc must end with 0.
    pub fn stop(mut self) {
        assert!(
            !self.has_ended(),
            "the subject ended by itself and said:\n{}",
            self.said()
        );
        match self {
            Subject::Torc { server, .. } => server.stop(),
            Subject::Memcached(server) => {
                signal(server.pid(), libc::SIGTERM);
                eventually("memcached ends", WAIT_LIMIT, || server.has_ended());
            }
        }
    }
}

/// A raw connection with a time limit on everything.
pub struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub fn open(address: SocketAddr) -> io::Result<Connection> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(WAIT_LIMIT))?;
        stream.set_write_timeout(Some(WAIT_LIMIT))?;
        Ok(Connection {
            stream,
            received: Vec::new(),
        })
    }

    /// Connects to a Unix socket.
    pub fn open_unix(path: &Path) -> io::Result<Connection> {
        // What is called here is the same for every stream socket.
        let stream = TcpStream::from(OwnedFd::from(UnixStream::connect(path)?));
        stream.set_read_timeout(Some(WAIT_LIMIT))?;
        stream.set_write_timeout(Some(WAIT_LIMIT))?;
        Ok(Connection {
            stream,
            received: Vec::new(),
        })
    }

    /// Changes the time limit of reads.
    pub fn set_limit(&mut self, limit: Duration) {
        self.stream
            .set_read_timeout(Some(limit))
            .expect("a time limit");
    }

    /// Sends bytes as they are.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Says that nothing more will be sent; the server may have closed the connection before.
    pub fn finish_sending(&mut self) {
        // An error says that there is no connection left to finish.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// What has been received and not taken.
    pub fn pending(&self) -> &[u8] {
        &self.received
    }

    /// Takes the first bytes of what has been received.
    pub fn take(&mut self, length: usize) -> Vec<u8> {
        let rest = self.received.split_off(length);
        std::mem::replace(&mut self.received, rest)
    }

    /// Receives some more bytes; false at the end of the stream.
    pub fn receive(&mut self) -> io::Result<bool> {
        let before = self.received.len();
        self.received.resize(before + 64 * 1024, 0);
        let outcome = self.stream.read(&mut self.received[before..]);
        self.received
            .truncate(before + *outcome.as_ref().unwrap_or(&0));
        Ok(outcome? > 0)
    }

    /// Reads until what was received ends with `end`, and takes all of it.
    pub fn read_until(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        while !self.received.ends_with(end) {
            if !self.receive()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(std::mem::take(&mut self.received))
    }

    /// Reads so many bytes.
    pub fn read_exactly(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.received.len() < length {
            if !self.receive()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.take(length))
    }

    /// Reads a line with its end.
    pub fn read_line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                return Ok(self.take(end + 1));
            }
            if !self.receive()? {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// Reads to the end of the stream; the flag says whether it ended by a reset, which may have taken bytes with it.
    pub fn read_to_end(&mut self) -> io::Result<(Vec<u8>, bool)> {
        let reset = loop {
            match self.receive() {
                Ok(true) => {}
                Ok(false) => break false,
                Err(error) if error.kind() == io::ErrorKind::ConnectionReset => break true,
                Err(error) => return Err(error),
            }
        };
        Ok((std::mem::take(&mut self.received), reset))
    }

    /// Sends one text request and reads its answer of one line.
    pub fn line(&mut self, request: &str) -> String {
        self.send(request.as_bytes()).expect("the server receives");
        self.send(b"\r\n").expect("the server receives");
        String::from_utf8_lossy(&self.read_line().expect("the server answers"))
            .trim_end()
            .to_string()
    }

    /// Sends one text request and reads what comes until a line that says `last`; returns all of it as text.
    pub fn lines_until(&mut self, request: &str, last: &str) -> String {
        self.send(request.as_bytes()).expect("the server receives");
        self.send(b"\r\n").expect("the server receives");
        let mut text = String::new();
        loop {
            let line = self.read_line().expect("the server answers");
            text.push_str(&String::from_utf8_lossy(&line));
            if line == format!("{last}\r\n").as_bytes() {
                return text;
            }
        }
    }
}
