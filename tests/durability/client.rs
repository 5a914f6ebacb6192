//! A client that writes to its own keys, one operation after the other, and remembers what it was answered and the one that it was not. Never judges what it finds; it says whether
//! that could be.

use crate::model::{Change, State, difference};
use crate::operation::{Generator, Operation, Sent};
use crate::running::Running;
use crate::support::client::Client;
use crate::support::memcache::Connection;
use crate::support::reply::Reply;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

/// An operation that was answered.
pub struct Answered {
    /// When the reply came.
    pub at: Instant,
    /// What was done.
    pub operation: Operation,
    /// What it changed.
    pub changes: Vec<Change>,
}

/// A client's memory over all rounds.
pub struct Writer {
    /// Makes operations.
    pub generator: Generator,
    /// Its keys when the round began.
    pub at_start: State,
    /// Its keys after the last operation that was answered.
    pub state: State,
    /// What was answered in this round, in order.
    pub answered: Vec<Answered>,
    /// What was not.
    pub in_flight: Option<Operation>,
}

/// Connections of both protocols.
struct Connections {
    resp: Client,
    memcached: Connection,
}

impl Connections {
    fn open(addresses: (SocketAddr, SocketAddr)) -> io::Result<Connections> {
        Ok(Connections {
            resp: Client::connect(addresses.0)?,
            memcached: Connection::open(addresses.1)?,
        })
    }

    /// Sends an operation and returns its last reply.
    fn run(&mut self, operation: &Operation) -> io::Result<Reply> {
        match &operation.sent {
            Sent::Resp(bytes, replies) => {
                self.resp.send(bytes)?;
                for _ in 1..*replies {
                    let reply = self.resp.read()?;
                    assert!(
                        matches!(reply, Reply::Simple(_)),
                        "{} was answered {reply:?}",
                        operation.shown
                    );
                }
                self.resp.read()
            }
            Sent::Memcached(bytes) => {
                self.memcached.send(bytes)?;
                self.memcached.read_line().map(Reply::Simple)
            }
        }
    }
}

impl Writer {
    /// One without keys.
    pub fn new(prefix: &str, seed: u64) -> Writer {
        Writer {
            generator: Generator::new(prefix, seed),
            at_start: State::new(),
            state: State::new(),
            answered: Vec::new(),
            in_flight: None,
        }
    }

    /// Writes until the server is gone.
    pub fn write(&mut self, addresses: (SocketAddr, SocketAddr)) {
        let mut connections = match Connections::open(addresses) {
            Ok(connections) => connections,
            // It was killed before anybody could connect.
            Err(_) => return,
        };
        loop {
            let operation = self.generator.next(&self.state);
            let Ok(reply) = connections.run(&operation) else {
                self.in_flight = Some(operation);
                return;
            };
            let changes = operation.changes(&reply);
            for change in &changes {
                change.apply(&mut self.state);
            }
            let at = Instant::now();
            self.answered.push(Answered {
                at,
                operation,
                changes,
            });
        }
    }

    /// The part of a database that is this client's.
    pub fn own(&self, all: &State) -> State {
        let prefix = &self.generator.prefix;
        let own = all.iter().filter(|(name, _)| name.starts_with(prefix));
        own.map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }

    /// Whether what is there is what was acknowledged, or that and what was in flight; says what is wrong otherwise.
    pub fn check_all(&self, observed: &State) -> Result<(), String> {
        let Some(wrong) = difference(&self.state, observed) else {
            return Ok(());
        };
        let mut report = format!("without what was in flight: {wrong}\n");
        if let Some(operation) = &self.in_flight {
            for outcome in operation.outcomes(&self.state) {
                match difference(&outcome, observed) {
                    None => return Ok(()),
                    Some(wrong) => report.push_str(&format!("with it: {wrong}\n")),
                }
            }
        }
        report.push_str(&self.told());
        Err(report)
    }

    /// The end of its story.
    pub fn told(&self) -> String {
        let last = self.answered.len().saturating_sub(12);
        let mut lines = Vec::new();
        for answered in &self.answered[last..] {
            lines.push(format!("answered:  {}", answered.operation.shown));
        }
        if let Some(operation) = &self.in_flight {
            lines.push(format!("in flight: {}", operation.shown));
        }
        format!(
            "{} operations were answered, the last of them:\n{}",
            self.answered.len(),
            lines.join("\n")
        )
    }

    /// Goes on from what is there.
    pub fn go_on(&mut self, observed: State) {
        self.at_start = observed.clone();
        self.state = observed;
        self.answered.clear();
        self.in_flight = None;
    }
}

/// Both addresses of a server.
pub fn addresses(running: &Running) -> (SocketAddr, SocketAddr) {
    (running.address, running.memcached)
}
