//! Operations of which a server decides something itself: what it scans first, what it takes at random, how it orders a payload. Each is a short
//! conversation with both servers, which have the same data afterwards.

use crate::compare::{Difference, Pair, are_alike, as_number};
use crate::generate::{Compare, Operation};
use crate::support::client::{Client, request};
use crate::support::reply::{Reply, printable};
use std::collections::BTreeSet;
use std::io;

/// Whether an operation is one of these.
pub fn is_choice(compare: Compare) -> bool {
    matches!(
        compare,
        Compare::Scan
            | Compare::RandomKey
            | Compare::Encoding
            | Compare::Sample
            | Compare::Pop
            | Compare::Dump
            | Compare::Restore
    )
}

fn one<A: AsRef<[u8]>>(client: &mut Client, arguments: &[A]) -> io::Result<Reply> {
    client.send(&request(arguments))?;
    client.read()
}

fn ask<A: AsRef<[u8]>>(oracle: &mut Client, arguments: &[A]) -> Reply {
    one(oracle, arguments).expect("the oracle answers")
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

fn wrong(subject: &Reply, oracle: impl Into<String>) -> Result<(), Difference> {
    Err(Difference {
        index: 0,
        subject: format!("{subject:?}"),
        oracle: oracle.into(),
    })
}

impl Pair {
    /// Carries such an operation out.
    pub fn choose(&mut self, operation: &Operation) -> Result<(), Difference> {
        match operation.compare {
            Compare::Scan => {
                let expected = iterate(&mut self.oracle, operation).expect("the oracle answers");
                let actual = iterate(&mut self.subject, operation);
                difference_unless(actual, &expected)
            }
            Compare::RandomKey => self.random_key(operation),
            Compare::Encoding => self.encoding(operation),
            Compare::Sample => self.sample(operation),
            Compare::Pop => self.pop(operation),
            Compare::Dump => self.dump(operation),
            _ => self.restore(operation),
        }
    }

    fn random_key(&mut self, operation: &Operation) -> Result<(), Difference> {
        let expected = ask(&mut self.oracle, &operation.arguments);
        let actual = one(&mut self.subject, &operation.arguments);
        if let (Ok(Reply::Bulk(key)), Reply::Bulk(_)) = (&actual, &expected) {
            let known = ask(&mut self.oracle, &[b"EXISTS", key.as_slice()]);
            if known == Reply::Integer(1) {
                return Ok(());
            }
            return Err(Difference {
                index: 0,
                subject: format!("{:?}, which does not exist", printable(key)),
                oracle: "any key that exists".to_string(),
            });
        }
        difference_unless(actual, &expected)
    }

    /// OBJECT ENCODING: since 7.2 small sets and lists are listpacks; 7.0 has hash tables and quicklists only.
    fn encoding(&mut self, operation: &Operation) -> Result<(), Difference> {
        let expected = ask(&mut self.oracle, &operation.arguments);
        let actual = one(&mut self.subject, &operation.arguments);
        let is = |reply: &Reply, name: &str| *reply == Reply::Bulk(name.as_bytes().to_vec());
        if let Ok(actual) = &actual {
            let kind = ask(
                &mut self.oracle,
                &[b"TYPE", operation.arguments[2].as_slice()],
            );
            let is_alike = match kind.text().as_str() {
                "list" => is(actual, "listpack") && is(&expected, "quicklist"),
                // A set that lost most of its members to SPOP is made anew by Redis, which may find integers only.
                "set" => {
                    is(actual, "listpack") && is(&expected, "hashtable")
                        || !is(actual, "intset") && is(&expected, "intset")
                }
                _ => false,
            };
            if is_alike {
                return Ok(());
            }
        }
        difference_unless(actual, &expected)
    }

    /// Elements at random: as many, all of them there, and different ones where repetitions are not asked for.
    fn sample(&mut self, operation: &Operation) -> Result<(), Difference> {
        let arguments = &operation.arguments;
        let expected = ask(&mut self.oracle, arguments);
        let actual = one(&mut self.subject, arguments);
        let Ok(sampled) = &actual else {
            return difference_unless(actual, &expected);
        };
        let (count, of_oracle) = match (sampled, &expected) {
            (Reply::Bulk(_), Reply::Bulk(_)) => (1, 1),
            (Reply::Array(some), Reply::Array(others)) => (some.len(), others.len()),
            _ => return difference_unless(actual, &expected),
        };
        if count != of_oracle {
            return wrong(sampled, format!("{of_oracle} elements"));
        }
        let everything: &[&[u8]] = match arguments[0].to_ascii_uppercase().as_slice() {
            b"SRANDMEMBER" => &[b"SMEMBERS"],
            b"HRANDFIELD" => &[b"HGETALL"],
            _ => &[b"ZRANGE", b"0", b"-1", b"WITHSCORES"],
        };
        let mut question = everything.to_vec();
        question.insert(1, &arguments[1]);
        let everything = ask(&mut self.oracle, &question);
        let has_pairs = !matches!(everything, Reply::Set(_)) && question[0] != b"SMEMBERS";
        let known = rows(everything.elements(), has_pairs);
        let with = arguments.len() > 3;
        let found = match sampled {
            Reply::Array(elements) => rows(elements, with),
            single => vec![vec![single.bytes().to_vec()]],
        };
        let is_known = |row: &Vec<Vec<u8>>| known.iter().any(|other| other.starts_with(row));
        if !found.iter().all(is_known) {
            return wrong(sampled, format!("some of {everything:?}"));
        }
        let repeats = arguments.len() > 2 && arguments[2].first() == Some(&b'-');
        let different: BTreeSet<_> = found.iter().collect();
        if !repeats && different.len() < found.len() {
            return wrong(sampled, "different elements");
        }
        Ok(())
    }

    /// SPOP: what the subject took comes back to it, and it loses what the oracle took.
    fn pop(&mut self, operation: &Operation) -> Result<(), Difference> {
        let arguments = &operation.arguments;
        let expected = ask(&mut self.oracle, arguments);
        let actual = one(&mut self.subject, arguments);
        let members = |reply: &Reply| match reply {
            Reply::Bulk(member) => Some(vec![member.clone()]),
            Reply::Array(members) | Reply::Set(members) => Some(
                members
                    .iter()
                    .map(|member| member.bytes().to_vec())
                    .collect(),
            ),
            _ => None,
        };
        let Ok(popped) = &actual else {
            return difference_unless(actual, &expected);
        };
        let is_same_kind = std::mem::discriminant(popped) == std::mem::discriminant(&expected);
        let (Some(taken), Some(lost)) = (members(popped), members(&expected)) else {
            return difference_unless(actual, &expected);
        };
        let taken: BTreeSet<Vec<u8>> = taken.into_iter().collect();
        let lost: BTreeSet<Vec<u8>> = lost.into_iter().collect();
        if !is_same_kind || taken.len() != lost.len() {
            return wrong(popped, format!("{} members", lost.len()));
        }
        let key = arguments[1].as_slice();
        for member in taken.difference(&lost) {
            let question = [&b"SISMEMBER"[..], key, member];
            if ask(&mut self.oracle, &question) != Reply::Integer(1) {
                return wrong(popped, "members of the set");
            }
            let back = one(&mut self.subject, &[&b"SADD"[..], key, member]);
            difference_unless(back, &Reply::Integer(1))?;
        }
        for member in lost.difference(&taken) {
            let gone = one(&mut self.subject, &[&b"SREM"[..], key, member]);
            difference_unless(gone, &Reply::Integer(1))?;
        }
        Ok(())
    }

    /// DUMP: there is a payload for both or for none. What it says shows when it is restored.
    fn dump(&mut self, operation: &Operation) -> Result<(), Difference> {
        let expected = ask(&mut self.oracle, &operation.arguments);
        let actual = one(&mut self.subject, &operation.arguments);
        match (&actual, &expected) {
            (Ok(Reply::Bulk(_)), Reply::Bulk(_)) => Ok(()),
            _ => difference_unless(actual, &expected),
        }
    }

    /// RESTORE of what the other server says the source's payload is.
    fn restore(&mut self, operation: &Operation) -> Result<(), Difference> {
        let payload = |client: &mut Client| {
            let source = operation.arguments.get(3)?;
            let reply = one(client, &[&b"DUMP"[..], source]).ok()?;
            match reply {
                Reply::Bulk(payload) => Some(payload),
                _ => None,
            }
        };
        let (subject, oracle) = (payload(&mut self.subject), payload(&mut self.oracle));
        let with = |payload: Option<Vec<u8>>| {
            let mut arguments = operation.arguments.clone();
            if let Some(payload) = payload {
                arguments[3] = payload;
            }
            request(&arguments)
        };
        let of_subject = with(subject);
        self.oracle.send(&of_subject).expect("the oracle receives");
        let expected = self.oracle.read_raw().expect("the oracle answers");
        let actual = self
            .subject
            .send(&with(oracle))
            .and_then(|()| self.subject.read_raw());
        match actual {
            Ok(actual) if are_alike(Compare::Exact, &actual, &expected) => Ok(()),
            actual => Err(Difference {
                index: 0,
                subject: actual.map_or_else(|error| error.to_string(), |raw| printable(&raw)),
                oracle: format!(
                    "{} for {}",
                    printable(&expected),
                    printable(&of_subject[..of_subject.len().min(2000)])
                ),
            }),
        }
    }
}

/// Texts of the elements of a reply in rows: with what belongs to each if there are pairs, flat or nested.
fn rows(elements: &[Reply], pairs: bool) -> Vec<Vec<Vec<u8>>> {
    let texts = |elements: &[Reply]| -> Vec<Vec<u8>> {
        let texts = elements.iter().map(Reply::bytes).enumerate();
        let of_place = |(place, text): (usize, &[u8])| match place {
            0 => text.to_vec(),
            _ => as_number(text),
        };
        texts.map(of_place).collect()
    };
    match elements.first() {
        Some(Reply::Array(_)) => elements.iter().map(|row| texts(row.elements())).collect(),
        _ => elements
            .chunks(if pairs { 2 } else { 1 })
            .map(texts)
            .collect(),
    }
}

/// What a scan found: rows of elements, or the error.
type Scanned = Result<BTreeSet<Vec<Vec<u8>>>, Reply>;

/// Follows a SCAN, HSCAN, SSCAN or ZSCAN to its end.
fn iterate(client: &mut Client, operation: &Operation) -> io::Result<Scanned> {
    let mut arguments = operation.arguments.clone();
    let name = arguments[0].to_ascii_uppercase();
    let cursor_at = if name == b"SCAN" { 1 } else { 2 };
    let pairs = name == b"HSCAN" || name == b"ZSCAN";
    let mut found = BTreeSet::new();
    // A guard against a cursor that never comes home, far above what these small databases need.
    for _ in 0..100_000 {
        let reply = one(client, &arguments)?;
        let Reply::Array(parts) = &reply else {
            return Ok(Err(reply));
        };
        found.extend(rows(parts[1].elements(), pairs));
        let cursor = parts[0].bytes().to_vec();
        if cursor == b"0" {
            return Ok(Ok(found));
        }
        arguments[cursor_at] = cursor;
    }
    Err(io::Error::other("the scan does not end"))
}
