//! A server with a log in a directory that outlives it: started, killed, started again. Never decides what must be there.

use crate::support::process::{TemporaryDirectory, signal};
use crate::support::server::{Server, free_port, tested_command};
use crate::support::{WAIT_LIMIT, eventually};
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// A directory, and how servers on it are started.
pub struct Place {
    directory: TemporaryDirectory,
    /// The number of shards.
    pub shards: usize,
    options: Vec<(&'static str, String)>,
}

/// A running server on a place.
pub struct Running {
    /// The server.
    pub server: Server,
    /// Where it speaks RESP.
    pub address: SocketAddr,
    /// Where it speaks memcached's protocols.
    pub memcached: SocketAddr,
}

impl Place {
    /// A new, empty one; `options` are added to every start, and win.
    pub fn new(shards: usize, options: &[(&'static str, &str)]) -> Place {
        let of_option = |(name, value): &(&'static str, &str)| (*name, value.to_string());
        Place {
            directory: TemporaryDirectory::new(),
            shards,
            options: options.iter().map(of_option).collect(),
        }
    }

    /// Gives an option another value from the next start on.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.options.retain(|(other, _)| *other != name);
        self.options.push((name, value.to_string()));
    }

    /// The directory in which the log's directory is.
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The directory of the log.
    pub fn log(&self) -> PathBuf {
        self.path().join("appendonlydir")
    }

    fn directives(&self, memcached_port: u16) -> Vec<(&'static str, String)> {
        let directory = self.path().to_str().expect("a path in UTF-8");
        let mut all = vec![
            ("dir", directory.to_string()),
            ("appendonly", "yes".to_string()),
            ("appendfsync", "always".to_string()),
            ("memcached-port", memcached_port.to_string()),
        ];
        all.extend(self.options.iter().cloned());
        all
    }

    /// Starts a server, and waits until it has loaded what is there.
    pub fn start(&self) -> Running {
        let memcached_port = free_port();
        let directives = self.directives(memcached_port);
        let directives: Vec<(&str, &str)> = directives
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let server = Server::start_with_shards(self.shards, &directives);
        Running {
            address: (Ipv4Addr::LOCALHOST, server.port).into(),
            memcached: (Ipv4Addr::LOCALHOST, memcached_port).into(),
            server,
        }
    }

    /// Starts a server that must refuse to run; what it said.
    pub fn refused(&self) -> String {
        let mut directives = self.directives(0);
        directives.push(("port", free_port().to_string()));
        directives.push(("shards", self.shards.to_string()));
        let directives: Vec<(&str, &str)> = directives
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let mut child = tested_command(&directives).spawn().expect("it starts");
        let mut status = None;
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            eventually("a server that must not run ends", WAIT_LIMIT, || {
                status = child.try_wait().expect("our own child");
                status.is_some()
            });
        }));
        if ended.is_err() {
            // It runs, though it should not.
            let _ = child.kill();
            let _ = child.wait();
            panic!("the server runs on a directory that it should refuse");
        }
        let mut said = String::new();
        let mut error = child.stderr.take().expect("stderr is piped");
        error.read_to_string(&mut said).expect("text");
        let mut output = child.stdout.take().expect("stdout is piped");
        output.read_to_string(&mut said).expect("text");
        let code = status.expect("it has ended").code();
        assert!(code.is_some_and(|code| code != 0), "{code:?}: {said}");
        println!("refused, as it should: {}", said.trim());
        said
    }

    /// Files of the log whose names end so, with their lengths in bytes.
    pub fn files(&self, end: &str) -> Vec<(PathBuf, u64)> {
        let entries = std::fs::read_dir(self.log()).expect("the log's directory");
        let mut files: Vec<(PathBuf, u64)> = entries
            .map(|entry| entry.expect("an entry"))
            .filter(|entry| entry.file_name().to_string_lossy().ends_with(end))
            .map(|entry| (entry.path(), entry.metadata().expect("a file").len()))
            .collect();
        files.sort();
        files
    }
}

impl Running {
    /// Ends it without a word, as `kill -9` does.
    pub fn kill(mut self) {
        assert!(
            !self.server.has_ended(),
            "the server ended by itself and said:\n{}",
            self.server.said()
        );
        signal(self.server.pid(), libc::SIGKILL);
        self.server.wait();
    }
}
