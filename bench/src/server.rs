//! The servers under test: how each is started, and that each is stopped.
//!
//! A server ends with this process in every case: killed when its value is dropped, and by the kernel when this process dies without that.

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

/// The name of torc in reports, and of the server that only answers.
pub const TORC: &str = "torc";
/// See [`TORC`].
pub const CONSTANT: &str = "constant";
/// Peers looked for on the PATH.
const PEERS: [&str; 2] = ["redis-server", "valkey-server"];
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
    /// Arguments; `{port}` stands for the port.
    arguments: Vec<OsString>,
    /// The cores it may use.
    pub cores: Vec<usize>,
}

fn words(list: &[&str]) -> Vec<OsString> {
    list.iter().map(OsString::from).collect()
}

impl Plan {
    /// torc with one shard for each of its cores.
    pub fn torc(name: String, program: PathBuf, cores: Vec<usize>) -> Plan {
        let shards = cores.len().to_string();
        Plan {
            name,
            program,
            arguments: words(&["--port", "{port}", "--shards", &shards]),
            cores,
        }
    }

    /// The server that only answers: this very program.
    pub fn constant(cores: Vec<usize>) -> io::Result<Plan> {
        Ok(Plan {
            name: CONSTANT.into(),
            program: env::current_exe()?,
            arguments: words(&["constant", "--port", "{port}"]),
            cores,
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
        let port = free_port().map_err(|error| failed(error.to_string()))?;
        let mut command = Command::new(&self.program);
        for argument in &self.arguments {
            match argument.to_str() {
                Some(text) => command.arg(text.replace("{port}", &port.to_string())),
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
            port,
            child,
        };
        let deadline = Instant::now() + START;
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
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
        Ok(server)
    }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    /// Its name in reports.
    pub name: String,
    /// Its port on 127.0.0.1.
    pub port: u16,
    child: Child,
}

impl Server {
    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its version and its allocator, as it says itself.
    pub fn version(&self) -> String {
        if self.name == CONSTANT {
            return env!("CARGO_PKG_VERSION").into();
        }
        let answer = info::fetch(self.port).unwrap_or_default();
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

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
        .local_addr()?
        .port())
}

/// The peers on the PATH, with their programs.
pub fn peers_found() -> Vec<(&'static str, PathBuf)> {
    let path = env::var_os("PATH").unwrap_or_default();
    let find = |name: &str| {
        env::split_paths(&path)
            .map(|directory| directory.join(name))
            .find(|file| is_program(file))
    };
    PEERS
        .into_iter()
        .filter_map(|name| Some((name, find(name)?)))
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
