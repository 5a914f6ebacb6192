//! Sends the same requests to the subject and to the oracle over connections of their own, each followed by a marker whose answer ends the reply, and compares;
//! when they disagree, finds a short sequence that shows it. Never decides what is right: the oracle is.

use crate::binary::{HEADER_LENGTH, marker};
use crate::compare::{Ledger, are_alike, binary_marker, binary_pieces, text_pieces};
use crate::operation::{Operation, Part, Territory};
use crate::support::memcache::Connection;
use crate::support::random::Random;
use crate::support::reply::printable;
use crate::support::shrink::shrink;
use crate::support::{WAIT_LIMIT, eventually};
use crate::{binary, meta, text};
use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Asked behind every text request; the key is nobody else's and is never stored.
const TEXT_MARKER: &[u8] = b"mg the-end-of-the-reply Othe-end-of-the-reply\r\n";
/// What is answered to it.
const TEXT_MARKER_REPLY: &[u8] = b"EN Othe-end-of-the-reply\r\n";

/// The two servers.
pub trait Contest: Sync {
    /// Subject and oracle as they are.
    fn addresses(&self) -> (SocketAddr, SocketAddr);
    /// Subject and oracle alive, started anew where need be.
    fn revive(&self) -> (SocketAddr, SocketAddr);
}

/// Where two servers disagreed.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Which operation of the batch.
    pub index: usize,
    pub subject: String,
    pub oracle: String,
    /// The peer is known to be wrong by chance here, and the two no longer hold the same.
    pub excused: bool,
}

/// A disagreement, made short.
pub struct Finding {
    pub sequence: Vec<Operation>,
    pub difference: Difference,
    pub report: String,
}

/// One server as one lane sees it: a connection for each kind of protocol, and the tokens seen.
struct Side {
    address: SocketAddr,
    text: Connection,
    binary: Connection,
    ledger: Ledger,
}

impl Side {
    fn open(address: SocketAddr) -> io::Result<Side> {
        Ok(Side {
            address,
            text: Connection::open(address)?,
            binary: Connection::open(address)?,
            ledger: Ledger::default(),
        })
    }

    fn connection(&mut self, binary: bool) -> &mut Connection {
        if binary {
            &mut self.binary
        } else {
            &mut self.text
        }
    }

    /// Whether the key holds a plain number of 2^63 and more. memcached 1.6.18 refuses to count with such a one when it finds a minus sign behind it, in memory
    /// that is not the item's.
    fn holds_great_number(&self, key: &[u8]) -> bool {
        let mut connection = Connection::open(self.address).expect("the server accepts");
        let request = format!("mg {} b v\r\nmn\r\n", meta::base64(key));
        connection.send(request.as_bytes()).expect("it receives");
        let reply = connection.read_until(b"MN\r\n").expect("it answers");
        let reply = String::from_utf8_lossy(&reply).into_owned();
        let number = reply.lines().nth(1).and_then(|text| text.parse().ok());
        number.is_some_and(|number: u64| number >= 1 << 63)
    }

    fn resolve(&self, operation: &Operation) -> Vec<u8> {
        let mut bytes = Vec::new();
        for part in &operation.parts {
            match part {
                Part::Bytes(part) => bytes.extend_from_slice(part),
                Part::Token {
                    key,
                    back,
                    binary: true,
                } => bytes.extend_from_slice(&self.ledger.token(key, *back).to_be_bytes()),
                Part::Token {
                    key,
                    back,
                    binary: false,
                } => bytes.extend_from_slice(self.ledger.token(key, *back).to_string().as_bytes()),
            }
        }
        bytes
    }

    fn send(&mut self, operations: &[Operation]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for operation in operations {
            bytes.extend_from_slice(&self.resolve(operation));
            if operation.closes {
                continue;
            }
            if operation.binary {
                bytes.extend_from_slice(&marker());
            } else {
                bytes.extend_from_slice(TEXT_MARKER);
            }
        }
        self.connection(operations[0].binary).send(&bytes)
    }

    /// The reply to one operation, without that to the marker; the flag says that a reset may have taken a part of it.
    fn reply(&mut self, operation: &Operation) -> io::Result<(Vec<u8>, bool)> {
        let address = self.address;
        let connection = self.connection(operation.binary);
        if operation.closes {
            let outcome = connection.read_to_end()?;
            *connection = Connection::open(address)?;
            return Ok(outcome);
        }
        loop {
            let pending = connection.pending();
            let (at, length) = if operation.binary {
                (binary_marker(pending), HEADER_LENGTH)
            } else {
                let found = pending
                    .windows(TEXT_MARKER_REPLY.len())
                    .position(|window| window == TEXT_MARKER_REPLY);
                (found, TEXT_MARKER_REPLY.len())
            };
            if let Some(at) = at {
                let reply = connection.take(at);
                connection.take(length);
                return Ok((reply, false));
            }
            match connection.receive() {
                Ok(true) => {}
                Ok(false) => {
                    return Err(io::Error::other(format!(
                        "closed after {}",
                        shown(connection.pending())
                    )));
                }
                Err(error) => {
                    return Err(io::Error::other(format!(
                        "{error} after {}",
                        shown(connection.pending())
                    )));
                }
            }
        }
    }
}

/// The two servers as one lane sees them.
pub struct Pair {
    subject: Side,
    oracle: Side,
}

impl Pair {
    /// Connects to both.
    pub fn open(subject: SocketAddr, oracle: SocketAddr) -> io::Result<Pair> {
        Ok(Pair {
            subject: Side::open(subject)?,
            oracle: Side::open(oracle)?,
        })
    }

    /// Runs operations, pipelined as far as they go over one connection.
    pub fn run(&mut self, operations: &[Operation]) -> Result<(), Difference> {
        let mut start = 0;
        while start < operations.len() {
            let rest = &operations[start..];
            let same = rest
                .iter()
                .take_while(|operation| operation.binary == rest[0].binary && !operation.alone)
                .count();
            // What closes a connection is among what goes alone, so that nothing is lost behind it.
            let count = same.max(1);
            self.pipeline(&rest[..count])
                .map_err(|difference| Difference {
                    index: difference.index + start,
                    ..difference
                })?;
            start += count;
        }
        Ok(())
    }

    fn pipeline(&mut self, operations: &[Operation]) -> Result<(), Difference> {
        self.oracle.send(operations).expect("the oracle receives");
        let sent = self.subject.send(operations);
        for (index, operation) in operations.iter().enumerate() {
            let (expected, expected_reset) = self.oracle.reply(operation).unwrap_or_else(|error| {
                panic!("the oracle answers: {error}: {}", operation.readable())
            });
            let actual = match &sent {
                // A request that closes the connection may do so before it is sent in whole.
                Err(error) if !operation.closes => Err(io::Error::from(error.kind())),
                _ => self.subject.reply(operation),
            };
            let difference = |subject: String| Difference {
                index,
                subject,
                oracle: shown(&expected),
                excused: false,
            };
            let (actual, actual_reset) = actual.map_err(|error| difference(error.to_string()))?;
            let pieces = if operation.binary {
                binary_pieces
            } else {
                text_pieces
            };
            let left = pieces(&actual, &operation.key, &mut self.subject.ledger);
            let right = pieces(&expected, &operation.key, &mut self.oracle.ledger);
            if !(expected_reset || actual_reset || are_alike(&left, &right)) {
                let refused = |reply: &[u8]| String::from_utf8_lossy(reply).contains("on-numeric");
                return Err(Difference {
                    excused: refused(&expected)
                        && !refused(&actual)
                        && self.oracle.holds_great_number(&operation.key),
                    ..difference(shown(&actual))
                });
            }
        }
        Ok(())
    }
}

fn shown(bytes: &[u8]) -> String {
    if bytes.len() <= 600 {
        return printable(bytes);
    }
    format!(
        "{}...{} bytes...{}",
        printable(&bytes[..300]),
        bytes.len(),
        printable(&bytes[bytes.len() - 100..])
    )
}

fn next_operation(random: &mut Random, territory: &Territory) -> Operation {
    loop {
        let protocol = random.below(3) as usize;
        if territory.protocols[protocol] {
            return [text::operation, meta::operation, binary::operation][protocol](
                random, territory,
            );
        }
    }
}

fn next_batch(random: &mut Random, territory: &Territory) -> Vec<Operation> {
    // So many bytes fit in the socket buffers, so that nobody waits for a reader who is still writing.
    const BATCH_BYTES_MAX: usize = 64 * 1024;
    let size = match random.below(4) {
        0 => 1,
        1 => 1 + random.below(4),
        _ => 1 + random.below(50),
    };
    // Protocols take turns, so that there is something to pipeline.
    let mut territory = territory.clone();
    if random.chance(60) {
        let binary = territory.protocols[2] && random.chance(40);
        let keep = if binary {
            [false, false, true]
        } else {
            [true, true, false]
        };
        for (have, keep) in territory.protocols.iter_mut().zip(keep) {
            *have &= keep;
        }
        if territory.protocols == [false; 3] {
            territory.protocols[2] = true;
        }
    }
    let mut batch: Vec<Operation> = Vec::new();
    let mut bytes = 0;
    while (batch.len() as u64) < size && bytes < BATCH_BYTES_MAX {
        let next = next_operation(random, &territory);
        bytes += next.length() + 64;
        batch.push(next);
    }
    batch
}

/// Empties a server; again and again, because in the first second of its life memcached 1.6.18 says OK and does nothing.
fn flush(address: SocketAddr) {
    let mut connection = Connection::open(address).expect("the server accepts");
    eventually("everything is flushed", WAIT_LIMIT, || {
        assert_eq!(connection.line("set the_flush_worked 0 0 0\r\n"), "STORED");
        assert_eq!(connection.line("flush_all"), "OK");
        connection.line("get the_flush_worked") == "END" || {
            // The rest of the value that was found.
            let rest = connection.read_exactly(b"\r\nEND\r\n".len());
            assert_eq!(rest.expect("the server answers"), b"\r\nEND\r\n");
            false
        }
    });
}

/// What one lane saw: all it had sent, and where it ended.
type Failure = (Vec<Operation>, Difference);

/// Compares over `lanes` lanes with keys of their own, or one with flushes too; None when the servers agreed throughout.
pub fn contest(
    contest: &dyn Contest,
    seed: u64,
    lanes: u64,
    operations: u64,
    protocols: [bool; 3],
) -> Option<Finding> {
    let (subject, oracle) = contest.addresses();
    flush(subject);
    flush(oracle);
    let stop = AtomicBool::new(false);
    let failure: Mutex<Option<Failure>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for number in 0..lanes {
            let (stop, failure) = (&stop, &failure);
            scope.spawn(move || {
                let alone = lanes == 1;
                let territory = Territory {
                    prefix: if alone {
                        String::new()
                    } else {
                        format!("c{number}:")
                    },
                    alone,
                    protocols,
                };
                // Each lane has a sequence of its own, whatever the others do.
                let mut random = Random::new(seed ^ number.wrapping_mul(0x5851_f42d_4c95_7f2d));
                let mut pair = Pair::open(subject, oracle).expect("both servers accept");
                let mut history = Vec::new();
                while (history.len() as u64) < operations / lanes && !stop.load(Ordering::Relaxed) {
                    let before = history.len();
                    history.extend(next_batch(&mut random, &territory));
                    if let Err(difference) = pair.run(&history[before..]) {
                        if difference.excused {
                            println!("lane {number} ends early: the peer refuses a great number");
                            return;
                        }
                        stop.store(true, Ordering::Relaxed);
                        history.truncate(before + difference.index + 1);
                        failure
                            .lock()
                            .expect("no other panicked")
                            .get_or_insert((history, difference));
                        return;
                    }
                }
            });
        }
    });
    let (history, difference) = failure.into_inner().expect("no thread panicked")?;
    Some(explain(contest, seed, history, difference))
}

/// Replays a sequence on emptied servers: the first difference with its place.
fn replay(contest: &dyn Contest, sequence: &[Operation], batch: usize) -> Option<Difference> {
    let (subject, oracle) = contest.revive();
    flush(subject);
    flush(oracle);
    let mut pair = Pair::open(subject, oracle).expect("both servers accept");
    for (number, operations) in sequence.chunks(batch).enumerate() {
        if let Err(difference) = pair.run(operations) {
            return Some(Difference {
                index: number * batch + difference.index,
                ..difference
            });
        }
    }
    None
}

fn explain(contest: &dyn Contest, seed: u64, history: Vec<Operation>, seen: Difference) -> Finding {
    let mut sequence = history;
    let mut difference = seen;
    let mut verdict = "it does not recur when replayed alone; the last requests were";
    // One at a time is easiest to read; some differences need a pipeline.
    for batch in [1, 50] {
        if replay(contest, &sequence, batch).is_some() {
            sequence = shrink(&sequence, |candidate| {
                replay(contest, candidate, batch).is_some()
            });
            if let Some(found) = replay(contest, &sequence, batch) {
                sequence.truncate(found.index + 1);
                difference = found;
                verdict = if batch == 1 {
                    "the shortest sequence found that shows it, one request at a time"
                } else {
                    "the shortest sequence found that shows it, pipelined"
                };
            }
            break;
        }
    }
    let shown = sequence.len().saturating_sub(60);
    let mut report = format!("the servers disagree; TORC_TEST_SEED={seed}\n{verdict}:\n");
    for operation in &sequence[shown..] {
        report.push_str(&format!("  {}\n", operation.readable()));
    }
    report.push_str(&format!(
        "subject: {}\noracle:  {}\n",
        difference.subject, difference.oracle
    ));
    Finding {
        sequence,
        difference,
        report,
    }
}
