//! Sends the same operations to the subject and to the oracle and compares what comes back. Never decides what is right: the
//! oracle is.

use crate::generate::{Compare, Operation};
use crate::support::client::{Client, request};
use crate::support::reply::{Reply, parse, printable};
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;

/// Two connections in the same state.
pub struct Pair {
    subject: Client,
    oracle: Client,
}

/// Where two servers disagreed.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Which operation of the batch.
    pub index: usize,
    pub subject: String,
    pub oracle: String,
}

impl Pair {
    /// Connects to both, speaking RESP2 or RESP3.
    pub fn connect(subject: SocketAddr, oracle: SocketAddr, resp3: bool) -> io::Result<Pair> {
        let mut pair = Pair {
            subject: Client::connect(subject)?,
            oracle: Client::connect(oracle)?,
        };
        if resp3 {
            for side in [&mut pair.subject, &mut pair.oracle] {
                // What HELLO says of the server is its own; that it agrees is what counts.
                side.send(b"HELLO 3\r\n")?;
                let greeting = side.read()?;
                assert!(matches!(greeting, Reply::Map(_)), "HELLO 3: {greeting:?}");
            }
        }
        Ok(pair)
    }

    /// Runs operations, pipelined where their comparison allows it.
    pub fn run(&mut self, operations: &[Operation]) -> Result<(), Difference> {
        let mut start = 0;
        while start < operations.len() {
            let pipelined = operations[start..]
                .iter()
                .take_while(|operation| {
                    !matches!(operation.compare, Compare::Scan | Compare::RandomKey)
                })
                .count();
            let outcome = if pipelined > 0 {
                self.pipeline(&operations[start..start + pipelined])
            } else if operations[start].compare == Compare::Scan {
                self.scan(&operations[start])
            } else {
                self.random_key(&operations[start])
            };
            outcome.map_err(|difference| Difference {
                index: difference.index + start,
                ..difference
            })?;
            start += pipelined.max(1);
        }
        Ok(())
    }

    fn pipeline(&mut self, operations: &[Operation]) -> Result<(), Difference> {
        let bytes: Vec<u8> = operations
            .iter()
            .flat_map(|operation| request(&operation.arguments))
            .collect();
        let sent = self.subject.send(&bytes);
        self.oracle.send(&bytes).expect("the oracle receives");
        for (index, operation) in operations.iter().enumerate() {
            let expected = self.oracle.read_raw().expect("the oracle answers");
            let actual = match &sent {
                Ok(()) => self.subject.read_raw(),
                Err(error) => Err(error.kind().into()),
            };
            let alike = match &actual {
                Ok(actual) => are_alike(operation.compare, actual, &expected),
                Err(_) => false,
            };
            if !alike {
                return Err(Difference {
                    index,
                    subject: actual.map_or_else(|error| error.to_string(), |raw| printable(&raw)),
                    oracle: printable(&expected),
                });
            }
        }
        Ok(())
    }

    fn scan(&mut self, operation: &Operation) -> Result<(), Difference> {
        let expected = iterate(&mut self.oracle, operation).expect("the oracle answers");
        let actual = iterate(&mut self.subject, operation);
        difference_unless(actual, &expected)
    }

    fn random_key(&mut self, operation: &Operation) -> Result<(), Difference> {
        let expected = one(&mut self.oracle, &operation.arguments).expect("the oracle answers");
        let actual = one(&mut self.subject, &operation.arguments);
        if let (Ok(Reply::Bulk(key)), Reply::Bulk(_)) = (&actual, &expected) {
            let question = [b"EXISTS".to_vec(), key.clone()];
            let known = one(&mut self.oracle, &question).expect("the oracle answers");
            return if known == Reply::Integer(1) {
                Ok(())
            } else {
                Err(Difference {
                    index: 0,
                    subject: format!("{:?}, which does not exist", printable(key)),
                    oracle: "any key that exists".to_string(),
                })
            };
        }
        difference_unless(actual, &expected)
    }
}

fn difference_unless<T: PartialEq + std::fmt::Debug>(
    actual: io::Result<T>,
    expected: &T,
) -> Result<(), Difference> {
    match actual {
        Ok(actual) if actual == *expected => Ok(()),
        actual => Err(Difference {
            index: 0,
            subject: format!("{actual:?}"),
            oracle: format!("{expected:?}"),
        }),
    }
}

fn one(client: &mut Client, arguments: &[Vec<u8>]) -> io::Result<Reply> {
    client.send(&request(arguments))?;
    client.read()
}

/// Follows a SCAN to its end: the keys found, or the error.
fn iterate(
    client: &mut Client,
    operation: &Operation,
) -> io::Result<Result<BTreeSet<Vec<u8>>, Reply>> {
    let mut arguments = operation.arguments.clone();
    let mut found = BTreeSet::new();
    // A guard against a cursor that never comes home, far above what these small databases need.
    for _ in 0..100_000 {
        let reply = one(client, &arguments)?;
        let Reply::Array(parts) = &reply else {
            return Ok(Err(reply));
        };
        found.extend(parts[1].elements().iter().map(|key| key.bytes().to_vec()));
        let cursor = parts[0].bytes().to_vec();
        if cursor == b"0" {
            return Ok(Ok(found));
        }
        arguments[1] = cursor;
    }
    Err(io::Error::other("SCAN does not end"))
}

/// Compares two raw replies.
pub fn are_alike(compare: Compare, actual: &[u8], expected: &[u8]) -> bool {
    if actual == expected {
        return true;
    }
    let value = |raw: &[u8]| parse(raw).expect("a whole reply").0;
    // Since 7.2 a short list is a listpack; 7.0 has quicklists only.
    if actual == b"$8\r\nlistpack\r\n" && expected == b"$9\r\nquicklist\r\n" {
        return true;
    }
    match compare {
        Compare::Exact | Compare::Scan | Compare::RandomKey => false,
        Compare::Stream => {
            let (mut actual, mut expected) = (value(actual), value(expected));
            without_times(&mut actual);
            without_times(&mut expected);
            actual == expected
        }
        Compare::Unordered => match (value(actual), value(expected)) {
            (Reply::Array(mut actual), Reply::Array(mut expected)) => {
                actual.sort();
                expected.sort();
                actual == expected
            }
            _ => false,
        },
        Compare::Near(tolerance) => match (value(actual), value(expected)) {
            (Reply::Integer(actual), Reply::Integer(expected)) => {
                actual >= 0 && expected >= 0 && actual.abs_diff(expected) <= tolerance as u64
            }
            _ => false,
        },
    }
}

/// Takes out of a reply about streams what depends on the clock or on the version of Redis: parts by name, and the times of pending entries by the form
/// of their rows.
fn without_times(reply: &mut Reply) {
    const NAMES: [&[u8]; 8] = [
        b"radix-tree-keys",
        b"idle",
        b"inactive",
        b"seen-time",
        b"active-time",
        b"lag",
        b"entries-read",
        b"radix-tree-nodes",
    ];
    let (Reply::Array(elements) | Reply::Map(elements)) = reply else {
        return;
    };
    while let Some(at) = elements.iter().position(
        |element| matches!(element, Reply::Bulk(name) if NAMES.contains(&name.as_slice())),
    ) {
        elements.drain(at..(at + 2).min(elements.len()));
    }
    match elements.as_mut_slice() {
        [
            Reply::Bulk(_),
            Reply::Bulk(_),
            time @ Reply::Integer(_),
            Reply::Integer(_),
        ]
        | [Reply::Bulk(_), time @ Reply::Integer(_), Reply::Integer(_)] => *time = Reply::Null,
        _ => elements.iter_mut().for_each(without_times),
    }
}
