//! Transactions: a short conversation over one or two connections to each server, whose replies are compared one by one, those inside EXEC's array too.
//! What a reply depends on besides the data (a server's own choice, an earlier error) stays outside.

use crate::compare::{Difference, Pair, are_alike};
use crate::families::life::Transaction;
use crate::generate::Compare;
use crate::support::client::{Client, request};
use crate::support::reply::{Reply, parse, printable};
use std::cell::RefCell;
use std::io;

/// The elements of a raw array; None for any other reply.
fn elements(raw: &[u8]) -> Option<Vec<&[u8]>> {
    let Some((Reply::Array(known), _)) = parse(raw) else {
        return None;
    };
    let mut at = raw.windows(2).position(|pair| pair == b"\r\n")? + 2;
    let mut elements = Vec::new();
    for _ in known {
        let (_, len) = parse(&raw[at..])?;
        elements.push(&raw[at..at + len]);
        at += len;
    }
    Some(elements)
}

/// Compares arrays element by element, each in its way; anything else must be equal.
pub fn parts_are_alike(parts: &[Compare], actual: &[u8], expected: &[u8]) -> bool {
    if actual == expected {
        return true;
    }
    match (elements(actual), elements(expected)) {
        (Some(actual), Some(expected)) if actual.len() == expected.len() => {
            let both = actual.iter().zip(&expected);
            both.enumerate().all(|(place, (actual, expected))| {
                let compare = parts.get(place).copied().unwrap_or(Compare::Exact);
                are_alike(compare, actual, expected)
            })
        }
        _ => false,
    }
}

fn ask(client: &mut Client, bytes: &[u8], replies: usize) -> io::Result<Vec<Vec<u8>>> {
    client.send(bytes)?;
    (0..replies).map(|_| client.read_raw()).collect()
}

/// Asks both, and compares the replies.
fn both(
    subject: &mut Client,
    oracle: &mut Client,
    requests: &[&[Vec<u8>]],
    alike: impl Fn(usize, &[u8], &[u8]) -> bool,
) -> Result<(), Difference> {
    let bytes: Vec<u8> = requests.iter().flat_map(|words| request(words)).collect();
    let expected = ask(oracle, &bytes, requests.len()).expect("the oracle answers");
    let wrong = |subject: String, oracle: &[u8]| Difference {
        index: 0,
        subject,
        oracle: printable(oracle),
    };
    let actual = ask(subject, &bytes, requests.len())
        .map_err(|error| wrong(error.to_string(), &expected.concat()))?;
    for (place, (actual, expected)) in actual.iter().zip(&expected).enumerate() {
        if !alike(place, actual, expected) {
            return Err(wrong(printable(actual), expected));
        }
    }
    Ok(())
}

impl Pair {
    /// Carries a transaction out.
    pub fn transact(&mut self, transaction: &Transaction) -> Result<(), Difference> {
        if !transaction.watched.is_empty() {
            let watch = [vec![b"WATCH".to_vec()], transaction.watched.clone()].concat();
            both(
                &mut self.subject,
                &mut self.oracle,
                &[&watch],
                |_, actual, expected| actual == expected,
            )?;
        }
        for (by_another, operation) in &transaction.between {
            let (subject, oracle) = if *by_another {
                self.another()
            } else {
                (&mut self.subject, &mut self.oracle)
            };
            both(
                subject,
                oracle,
                &[&operation.arguments],
                |_, actual, expected| are_alike(operation.compare, actual, expected),
            )?;
        }
        let (first, last) = (vec![b"MULTI".to_vec()], vec![transaction.last().to_vec()]);
        let mut requests: Vec<&[Vec<u8>]> = vec![&first];
        let inside = transaction.inside.iter();
        requests.extend(inside.map(|inner| &inner.arguments[..]));
        requests.push(&last);
        let parts: Vec<Compare> = transaction
            .inside
            .iter()
            .map(|inner| inner.compare)
            .collect();
        let end = requests.len() - 1;
        // What is refused without ending the transaction has no place in the array.
        let queued = RefCell::new(Vec::new());
        both(
            &mut self.subject,
            &mut self.oracle,
            &requests,
            |place, actual, expected| match place {
                0 => actual == expected,
                _ if place == end => parts_are_alike(&queued.borrow(), actual, expected),
                _ => {
                    if expected == b"+QUEUED\r\n" {
                        queued.borrow_mut().push(parts[place - 1]);
                    } else if expected.starts_with(b"-EXECABORT") {
                        queued.borrow_mut().clear();
                    }
                    are_alike(parts[place - 1], actual, expected)
                }
            },
        )
    }
}
