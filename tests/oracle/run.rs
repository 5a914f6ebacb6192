//! Runs the comparison: fifty connections at once, each in a key namespace of its own, or one that has the servers to itself;
//! and, when they disagree, finds a short sequence that shows it.

use crate::compare::{Difference, Pair};
use crate::generate::{Operation, Territory, operation};
use crate::support::client::{Client, request};
use crate::support::random::Random;
use crate::support::reply::printable;
use crate::support::shrink::shrink;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// The two servers of a comparison.
pub trait Contest: Sync {
    /// Subject and oracle as they are.
    fn addresses(&self) -> (SocketAddr, SocketAddr);
    /// Subject and oracle alive, started anew where need be.
    fn revive(&self) -> (SocketAddr, SocketAddr);
}

/// A disagreement, made short.
pub struct Finding {
    pub sequence: Vec<Operation>,
    pub difference: Difference,
    pub report: String,
}

/// What one connection saw: its territory, whether it spoke RESP3, all it had sent, and where it ended.
type Failure = (Territory, bool, Vec<Operation>, Difference);

/// Names of commands that `TORC_TEST_WITHOUT` leaves out, separated by commas: to look past a known difference.
fn left_out() -> Vec<String> {
    std::env::var("TORC_TEST_WITHOUT")
        .unwrap_or_default()
        .split(',')
        .map(|name| name.trim().to_uppercase())
        .filter(|name| !name.is_empty())
        .collect()
}

/// Compares over `connections` connections; None when the servers agreed throughout.
pub fn contest(
    contest: &dyn Contest,
    seed: u64,
    connections: u64,
    operations: u64,
) -> Option<Finding> {
    let (subject, oracle) = contest.addresses();
    flush(subject);
    flush(oracle);
    let without = left_out();
    let stop = AtomicBool::new(false);
    let failure: Mutex<Option<Failure>> = Mutex::new(None);
    std::thread::scope(|scope| {
        for number in 0..connections {
            let (stop, failure, without) = (&stop, &failure, &without);
            scope.spawn(move || {
                let alone = connections == 1;
                let territory = Territory {
                    prefix: if alone {
                        String::new()
                    } else {
                        format!("c{number}:")
                    },
                    alone,
                };
                // Each connection has a sequence of its own, whatever the others do.
                let mut random = Random::new(seed ^ number.wrapping_mul(0x5851_f42d_4c95_7f2d));
                let resp3 = random.chance(50);
                let mut pair = Pair::connect(subject, oracle, resp3).expect("both servers accept");
                let mut history = Vec::new();
                while (history.len() as u64) < operations / connections
                    && !stop.load(Ordering::Relaxed)
                {
                    let batch = next_batch(&mut random, &territory, without);
                    let before = history.len();
                    history.extend(batch);
                    if let Err(difference) = pair.run(&history[before..]) {
                        stop.store(true, Ordering::Relaxed);
                        history.truncate(before + difference.index + 1);
                        let mut slot = failure.lock().expect("no other panicked");
                        slot.get_or_insert((territory, resp3, history, difference));
                        return;
                    }
                }
            });
        }
    });
    let (territory, resp3, history, difference) =
        failure.into_inner().expect("no thread panicked")?;
    Some(explain(
        contest, seed, &territory, resp3, history, difference,
    ))
}

fn next_batch(random: &mut Random, territory: &Territory, without: &[String]) -> Vec<Operation> {
    // So many bytes fit in the socket buffers, so that nobody waits for a reader who is still writing.
    const BATCH_BYTES_MAX: usize = 64 * 1024;
    let size = match random.below(4) {
        0 => 1,
        1 => 1 + random.below(4),
        _ => 1 + random.below(50),
    };
    let mut batch = Vec::new();
    let mut bytes = 0;
    while (batch.len() as u64) < size && bytes < BATCH_BYTES_MAX {
        let next = operation(random, territory, without);
        bytes += next
            .arguments
            .iter()
            .map(|argument| argument.len() + 16)
            .sum::<usize>();
        batch.push(next);
    }
    batch
}

fn flush(address: SocketAddr) {
    let mut client = Client::connect(address).expect("the server accepts");
    assert_eq!(client.call(&["FLUSHALL"]).text(), "OK");
}

/// Replays a sequence on fresh databases, one operation at a time: the first difference with its place.
fn replay(
    contest: &dyn Contest,
    resp3: bool,
    sequence: &[Operation],
    batch: usize,
) -> Option<Difference> {
    let (subject, oracle) = contest.revive();
    flush(subject);
    flush(oracle);
    let mut pair = Pair::connect(subject, oracle, resp3).expect("both servers accept");
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

fn explain(
    contest: &dyn Contest,
    seed: u64,
    territory: &Territory,
    resp3: bool,
    history: Vec<Operation>,
    seen: Difference,
) -> Finding {
    let mut sequence = history;
    let mut difference = seen;
    let mut verdict =
        "it does not recur when replayed alone; the last operations of the connection were";
    // One at a time is easiest to read; some differences need a pipeline.
    for batch in [1, 50] {
        if replay(contest, resp3, &sequence, batch).is_some() {
            sequence = shrink(&sequence, |candidate| {
                replay(contest, resp3, candidate, batch).is_some()
            });
            if let Some(found) = replay(contest, resp3, &sequence, batch) {
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
    let mut report = format!(
        "the servers disagree; TORC_TEST_SEED={seed}, RESP{}, prefix {:?}\n{verdict}:\n",
        if resp3 { 3 } else { 2 },
        territory.prefix
    );
    for operation in &sequence[shown..] {
        let lines = match &operation.transaction {
            Some(transaction) => transaction.lines(),
            None => vec![operation.arguments.clone()],
        };
        for line in lines {
            let words: Vec<String> = line
                .iter()
                .map(|argument| format!("\"{}\"", argument.escape_ascii()))
                .collect();
            report.push_str(&format!("  {}\n", words.join(" ")));
        }
    }
    let last = request(&sequence[sequence.len() - 1].arguments);
    report.push_str(&format!("as bytes, the last is {}\n", printable(&last)));
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
