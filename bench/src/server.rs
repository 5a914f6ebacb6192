//! The servers under test: how each is started, and that each is stopped.
//!
//! A server ends with this process in every case: killed when its value is dropped, and by the kernel when this process dies without that.

use crate::case::{CONSTANT, MEMCACHED, Protocol, REDIS};
use crate::{affinity, info};
use std::env;
use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// Peers over RESP looked for on the PATH.
const PEERS: [&str; 2] = [REDIS, "valkey-server"];
/// What stands in arguments for a port of RESP, and of memcached's protocol.
const PORTS: [(Protocol, &str); 2] = [
    (Protocol::Resp, "{port}"),
    (Protocol::Text, "{memcached-port}"),
];
/// torc's option for memcached's protocols.
const MEMCACHED_PORT: &str = "--memcached-port";
/// How long a server may take to start.
const START: Duration = Duration::from_secs(10);
/// Another process may take the port between its choice and its use.
const START_ATTEMPTS: usize = 3;

/// How to start a server.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its name in reports.
    pub name: String,
    program: PathBuf,
    /// Arguments; [`PORTS`] stand for the ports.
    arguments: Vec<OsString>,
    /// The cores it may use.
    pub cores: Vec<usize>,
    /// The protocols it speaks.
    pub protocols: Vec<Protocol>,
}

fn words(list: &[&str]) -> Vec<OsString> {
    list.iter().map(OsString::from).collect()
}

impl Plan {
    /// torc with one shard for each of its cores, and if it can, listening for memcached's protocols ([`speaks_memcached`]).
    pub fn torc(name: String, program: PathBuf, memcached: bool, cores: Vec<usize>) -> Plan {
        let shards = cores.len().to_string();
        let mut plan = Plan {
            name,
            program,
            arguments: words(&["--port", "{port}", "--shards", &shards]),
            cores,
            protocols: vec![Protocol::Resp],
        };
        if memcached {
            plan.arguments
                .extend(words(&[MEMCACHED_PORT, "{memcached-port}"]));
            plan.protocols.push(Protocol::Text);
        }
        plan
    }

    /// memcached with room for so many keys of ordinary sizes, and one thread for requests.
    pub fn memcached(program: PathBuf, keys: u64, connections: u32, cores: Vec<usize>) -> Plan {
        // Twice what a key of 16 bytes takes with a value of 100; memory is used only as it fills.
        let mebibytes = (keys * 512 / (1 << 20)) + 64;
        // Beside the load's there are the one that asks for the version and the one that tries a login.
        let connections = connections + 64;
        Plan {
            name: MEMCACHED.into(),
            program,
            arguments: words(&[
                "-p",
                "{memcached-port}",
                "-U",
                "0",
                "-l",
                "127.0.0.1",
                "-u",
                "nobody",
                "-t",
                "1",
                "-m",
                &mebibytes.to_string(),
                "-c",
                &connections.to_string(),
            ]),
            cores,
            protocols: vec![Protocol::Text],
        }
    }

    /// The server that only answers: this very program.
    pub fn constant(cores: Vec<usize>) -> io::Result<Plan> {
        Ok(Plan {
            name: CONSTANT.into(),
            program: env::current_exe()?,
            arguments: words(&["constant", "--port", "{port}"]),
            cores,
            protocols: vec![Protocol::Resp],
        })
    }

    /// A server that takes Redis' options.
    pub fn redis_like(
        name: String,
        program: PathBuf,
        mut arguments: Vec<OsString>,
        cores: Vec<usize>,
    ) -> Plan {
        arguments.extend(words(&[
            "--port",
            "{port}",
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]));
        Plan {
            name,
            program,
            arguments,
            cores,
            protocols: vec![Protocol::Resp],
        }
    }

    /// A peer of the command line, `NAME=COMMAND`.
    pub fn of_option(text: &str, cores: Vec<usize>) -> Result<Plan, String> {
        let wrong = || format!("--peer '{text}': expected NAME=COMMAND");
        let (name, command) = text.split_once('=').ok_or_else(wrong)?;
        let mut parts = command.split_ascii_whitespace().map(OsString::from);
        let program = parts
            .next()
            .filter(|_| !name.is_empty())
            .ok_or_else(wrong)?;
        let arguments: Vec<OsString> = parts.collect();
        let (name, program) = (name.to_string(), PathBuf::from(program));
        if command.contains("{port}") {
            return Ok(Plan {
                name,
                program,
                arguments,
                cores,
                protocols: vec![Protocol::Resp],
            });
        }
        Ok(Plan::redis_like(name, program, arguments, cores))
    }

    /// The options without the program's path, for the record.
    pub fn options(&self) -> Vec<String> {
        self.arguments
            .iter()
            .map(|word| word.to_string_lossy().into_owned())
            .filter(|word| !word.contains('/'))
            .collect()
    }

    /// Starts it and waits until it serves.
    pub fn start(&self) -> Result<Server, String> {
        let mut attempt = 1;
        loop {
            match self.try_start() {
                Err(_) if attempt < START_ATTEMPTS => attempt += 1,
                result => return result,
            }
        }
    }

    fn try_start(&self) -> Result<Server, String> {
        let failed = |what: String| format!("{} could not be started: {what}", self.name);
        let ports = free_ports(&self.protocols).map_err(|error| failed(error.to_string()))?;
        let mut command = Command::new(&self.program);
        for argument in &self.arguments {
            match argument.to_str() {
                Some(text) => command.arg(with_ports(text, &ports)),
                None => command.arg(argument),
            };
        }
        // A group of its own: Ctrl-C is for this process, which then stops its servers.
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .process_group(0);
        let cores = self.cores.clone();
        // SAFETY: between fork and exec only system calls that allocate nothing and take no lock.
        unsafe {
            command.pre_exec(move || {
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                    return Err(io::Error::last_os_error());
                }
                affinity::confine(&cores)
            });
        }
        let child = command.spawn().map_err(|error| failed(error.to_string()))?;
        let mut server = Server {
            name: self.name.clone(),
            ports,
            child,
        };
        let deadline = Instant::now() + START;
        for place in 0..server.ports.len() {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, server.ports[place].1));
            while TcpStream::connect(address).is_err() {
                if let Ok(Some(status)) = server.child.try_wait() {
                    return Err(failed(format!("it ended at once ({status})")));
                }
                if Instant::now() > deadline {
                    return Err(failed(format!(
                        "it did not listen on {address} within {} s",
                        START.as_secs()
                    )));
                }
                thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(server)
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// Its name in reports.
    pub name: String,
    /// Its ports on 127.0.0.1.
    ports: Vec<(Protocol, u16)>,
    child: Child,
}

impl Server {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The protocol it is filled over.
    pub fn first_protocol(&self) -> Protocol {
        self.ports[0].0
    }

    /// Its port on 127.0.0.1 for a protocol, if it speaks that.
    pub fn port(&self, protocol: Protocol) -> Option<u16> {
        let port = self.ports.iter().find(|(spoken, _)| *spoken == protocol);
        port.map(|(_, port)| *port)
    }

    /// Its version and its allocator, as it says itself.
    pub fn version(&self) -> String {
        if self.name == CONSTANT {
            return env!("CARGO_PKG_VERSION").into();
        }
        let Some(port) = self.port(Protocol::Resp) else {
            let port = self.port(Protocol::Text).unwrap_or_default();
            return info::memcached_version(port).unwrap_or_else(|_| "of unknown version".into());
        };
        let answer = info::fetch(port).unwrap_or_default();
        let version = info::version(&answer).unwrap_or("of unknown version");
        match info::field(&answer, "mem_allocator") {
            Some(allocator) => format!("{version} ({allocator})"),
            None => version.into(),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has nothing to save; an error means that it has already ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port for each protocol, all different.
fn free_ports(protocols: &[Protocol]) -> io::Result<Vec<(Protocol, u16)>> {
    let mut open = Vec::new();
    for protocol in protocols {
        open.push((*protocol, TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?));
    }
    open.iter()
        .map(|(protocol, listener)| Ok((*protocol, listener.local_addr()?.port())))
        .collect()
}

fn with_ports(argument: &str, ports: &[(Protocol, u16)]) -> String {
    let mut argument = argument.to_string();
    for (protocol, place) in PORTS {
        if let Some((_, port)) = ports.iter().find(|(spoken, _)| *spoken == protocol) {
            argument = argument.replace(place, &port.to_string());
        }
    }
    argument
}

/// Whether this torc listens for memcached's protocols: an older one has no option for that.
pub fn speaks_memcached(torc: &Path) -> bool {
    help_names(torc, MEMCACHED_PORT)
}

/// Whether a program's help names an option. One that has no help does not.
fn help_names(program: &Path, option: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--help").stdin(Stdio::null());
    command.output().is_ok_and(|output| {
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.contains(option.trim_start_matches('-'))
    })
}

/// A program on the PATH.
pub fn found(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|file| is_program(file))
}

/// The peers over RESP on the PATH, with their programs.
pub fn peers_found() -> Vec<(&'static str, PathBuf)> {
    PEERS
        .into_iter()
        .filter_map(|name| Some((name, found(name)?)))
        .collect()
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata()
        .is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(plan: &Plan) -> Vec<&str> {
        plan.arguments
            .iter()
            .map(|word| word.to_str().unwrap())
            .collect()
    }

    #[test]
    fn a_peer_of_the_command_line() {
        let plan = Plan::of_option("redis-8=./redis-server --io-threads 1", vec![0]).unwrap();
        assert_eq!(
            (plan.name.as_str(), plan.program.to_str()),
            ("redis-8", Some("./redis-server"))
        );
        assert_eq!(text(&plan)[..4], ["--io-threads", "1", "--port", "{port}"]);
        assert!(text(&plan).ends_with(&["--save", "", "--appendonly", "no"]));
        let own = Plan::of_option("other=serve -p {port}", vec![0]).unwrap();
        assert_eq!(text(&own), ["-p", "{port}"]);
        for wrong in ["redis-server", "=redis-server", "name=", "name= "] {
            assert!(Plan::of_option(wrong, vec![0]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_protocol_has_a_port_of_its_own() {
        let ports = free_ports(&[Protocol::Resp, Protocol::Text]).unwrap();
        assert_ne!(ports[0].1, ports[1].1);
        let ports = [(Protocol::Resp, 7), (Protocol::Text, 8)];
        assert_eq!(with_ports("a{port}b{memcached-port}", &ports), "a7b8");
        assert_eq!(with_ports("--port", &ports), "--port");
        let plan = Plan::memcached("memcached".into(), 1_000_000, 50, vec![0]);
        assert_eq!(text(&plan)[..2], ["-p", "{memcached-port}"]);
        assert_eq!(text(&plan)[10..], ["-m", "552", "-c", "114"]);
    }

    #[test]
    fn torc_listens_for_memcached_if_it_can() {
        for memcached in [false, true] {
            let plan = Plan::torc("torc".into(), "torc".into(), memcached, vec![0, 1]);
            assert_eq!(text(&plan)[..4], ["--port", "{port}", "--shards", "2"]);
            assert_eq!(plan.protocols.contains(&Protocol::Text), memcached);
            let rest = if memcached {
                vec!["--memcached-port", "{memcached-port}"]
            } else {
                Vec::new()
            };
            assert_eq!(text(&plan)[4..], rest);
        }
        // This program's own help, which is that of Rust's tests.
        let program = env::current_exe().unwrap();
        assert!(help_names(&program, "--test-threads"));
        assert!(!speaks_memcached(&program));
        assert!(!speaks_memcached(Path::new("no-such-program-here")));
    }

    #[test]
    fn the_record_holds_no_paths() {
        let plan = Plan::of_option(
            "other=serve --config /etc/serve.conf --port {port}",
            vec![0],
        )
        .unwrap();
        assert_eq!(plan.options(), ["--config", "--port", "{port}"]);
    }

    #[test]
    fn a_server_that_ends_at_once_is_an_error() {
        let plan = Plan::of_option("nothing=true {port}", affinity::allowed().unwrap()).unwrap();
        let error = plan.start().unwrap_err();
        assert!(
            error.starts_with("nothing could not be started: it ended at once"),
            "{error}"
        );
        let plan = Plan::of_option("nothing=no-such-program-here {port}", vec![0]).unwrap();
        assert!(plan.start().is_err());
    }
}
