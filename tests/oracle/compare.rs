//! Sends the same operations to the subject and to the oracle and compares what comes back. Never decides what is right: the
//! oracle is.

use crate::choices::is_choice;
use crate::generate::{Compare, Operation};
use crate::support::client::{Client, request};
use crate::support::reply::{Reply, parse, printable};
use crate::together::parts_are_alike;
use std::io;
use std::net::SocketAddr;

/// Two connections in the same state.
pub struct Pair {
    pub(crate) subject: Client,
    pub(crate) oracle: Client,
    addresses: (SocketAddr, SocketAddr),
    /// Further connections to both, made when they are needed.
    others: Option<(Client, Client)>,
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
            addresses: (subject, oracle),
            others: None,
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

    /// Another connection to each server, which speaks RESP2 and stays in the first database.
    pub fn another(&mut self) -> (&mut Client, &mut Client) {
        let (subject, oracle) = self.addresses;
        let (subject, oracle) = self.others.get_or_insert_with(|| {
            let connect = |address| Client::connect(address).expect("both servers accept");
            (connect(subject), connect(oracle))
        });
        (subject, oracle)
    }

    /// Runs operations, pipelined where their comparison allows it.
    pub fn run(&mut self, operations: &[Operation]) -> Result<(), Difference> {
        let mut start = 0;
        while start < operations.len() {
            let pipelined = operations[start..]
                .iter()
                .take_while(|operation| {
                    !is_choice(operation.compare)
                        && !is_sort(operation)
                        && operation.transaction.is_none()
                })
                .count();
            let outcome = if let Some(transaction) = &operations[start].transaction {
                self.transact(transaction)
            } else if pipelined > 0 {
                self.pipeline(&operations[start..start + pipelined], b"")
            } else if is_sort(&operations[start]) {
                self.pipeline(&operations[start..start + 1], &request(&FORGET_ERROR))
            } else {
                self.choose(&operations[start])
            };
            outcome.map_err(|difference| Difference {
                index: difference.index + start,
                ..difference
            })?;
            start += pipelined.max(1);
        }
        Ok(())
    }

    /// Sends operations at once; the oracle is told something before, the reply to which is nobody's.
    fn pipeline(&mut self, operations: &[Operation], before: &[u8]) -> Result<(), Difference> {
        let bytes: Vec<u8> = operations
            .iter()
            .flat_map(|operation| request(&operation.arguments))
            .collect();
        let sent = self.subject.send(&bytes);
        let of_oracle = [before, &bytes].concat();
        self.oracle.send(&of_oracle).expect("the oracle receives");
        if !before.is_empty() {
            self.oracle.read_raw().expect("the oracle answers");
        }
        for (index, operation) in operations.iter().enumerate() {
            let expected = self.oracle.read_raw().expect("the oracle answers");
            let actual = match &sent {
                Ok(()) => self.subject.read_raw(),
                Err(error) => Err(error.kind().into()),
            };
            let alike = match &actual {
                Ok(actual) if !operation.parts.is_empty() => {
                    parts_are_alike(&operation.parts, actual, &expected)
                }
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
}

/// 7.0 sorts by `errno`, which whatever number was out of range before may have set; reading a sound one clears it.
const FORGET_ERROR: [&str; 8] = [
    "GEOSEARCH",
    "nosuch",
    "FROMLONLAT",
    "1",
    "1",
    "BYRADIUS",
    "1",
    "m",
];

fn is_sort(operation: &Operation) -> bool {
    let name = operation.arguments[0].to_ascii_uppercase();
    name == b"SORT" || name == b"SORT_RO"
}

/// Compares two raw replies.
pub fn are_alike(compare: Compare, actual: &[u8], expected: &[u8]) -> bool {
    if actual == expected {
        return true;
    }
    let value = |raw: &[u8]| parse(raw).expect("a whole reply").0;
    match compare {
        Compare::Stream => {
            let (mut actual, mut expected) = (value(actual), value(expected));
            without_times(&mut actual);
            without_times(&mut expected);
            actual == expected
        }
        Compare::Unordered => match (value(actual), value(expected)) {
            (Reply::Array(mut actual), Reply::Array(mut expected))
            | (Reply::Set(mut actual), Reply::Set(mut expected)) => {
                actual.sort();
                expected.sort();
                actual == expected
            }
            _ => false,
        },
        Compare::Numbers => {
            let (mut actual, mut expected) = (value(actual), value(expected));
            as_numbers(&mut actual);
            as_numbers(&mut expected);
            actual == expected
        }
        Compare::Pairs => match (value(actual), value(expected)) {
            (Reply::Array(actual), Reply::Array(expected))
            | (Reply::Map(actual), Reply::Map(expected)) => {
                sorted_pairs(actual) == sorted_pairs(expected)
            }
            _ => false,
        },
        Compare::Near(tolerance) => match (value(actual), value(expected)) {
            (Reply::Integer(actual), Reply::Integer(expected)) => {
                actual >= 0 && expected >= 0 && actual.abs_diff(expected) <= tolerance as u64
            }
            _ => false,
        },
        _ => false,
    }
}

fn sorted_pairs(elements: Vec<Reply>) -> Vec<Vec<Reply>> {
    let mut pairs: Vec<Vec<Reply>> = elements.chunks(2).map(<[Reply]>::to_vec).collect();
    pairs.sort();
    pairs
}

/// Takes out of a reply about streams what depends on the clock or on the version of Redis: parts by name, and the times of pending entries by the form
/// of their rows.
pub fn without_times(reply: &mut Reply) {
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

/// Replaces texts that are numbers by one form of them.
pub fn as_numbers(reply: &mut Reply) {
    match reply {
        Reply::Bulk(text) | Reply::Double(text) => *text = as_number(text),
        Reply::Array(elements) => elements.iter_mut().for_each(as_numbers),
        _ => {}
    }
}

/// A text, or one form of the number that it is.
pub fn as_number(text: &[u8]) -> Vec<u8> {
    let number = std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse::<f64>().ok());
    number.map_or_else(|| text.to_vec(), |number| number.to_string().into_bytes())
}
