//! What clients did and saw: transactions with the times of one monotonic clock. Never judges them. A transaction is whatever must take effect at one
//! point in time, be it a single command, an EXEC or a script.

use crate::step::{Answer, Step};
use std::time::Instant;

/// The end of a transaction whose client never saw one.
pub const NEVER: u64 = u64::MAX;

/// The clock of all clients of a history.
#[derive(Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    /// Starts at zero.
    pub fn start() -> Clock {
        Clock(Instant::now())
    }

    /// Nanoseconds since it was started.
    pub fn now_ns(&self) -> u64 {
        self.0.elapsed().as_nanos() as u64
    }
}

/// How a transaction's commands are made one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// A single command.
    Plain,
    /// MULTI and EXEC.
    Exec,
    /// WATCH, commands that read, then MULTI, those that write, EXEC.
    Watched,
    /// EVAL with its keys declared.
    Script,
    /// EVAL without: the names are among the arguments.
    ScriptUndeclared,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect and was answered, one answer a step.
    Happened(Vec<Answer>),
    /// The connection died: it may or may not take effect, at any time after its begin.
    Unknown,
    /// It certainly did not take effect: refused, or never sent as a whole.
    Refused,
}

/// Which requests of one connection take effect in the order in which it sent them, though it did not wait for the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// All of them, as in redis-server.
    All,
    /// Those that change something, and what reads one of their keys: what `pipeline-order strict` of torc promises.
    Writes,
}

impl Order {
    /// Whether the later of two transactions of a connection waits for the earlier.
    pub fn keeps(self, earlier: &Transaction, later: &Transaction) -> bool {
        let keys = |transaction: &Transaction| {
            transaction
                .steps
                .iter()
                .flat_map(Step::keys)
                .collect::<Vec<_>>()
        };
        let share = || keys(later).iter().any(|key| keys(earlier).contains(key));
        match (earlier.writes(), later.writes()) {
            _ if self == Order::All => true,
            (true, true) => true,
            (false, false) => false,
            _ => share(),
        }
    }
}

/// One transaction.
#[derive(Clone, Debug)]
pub struct Transaction {
    /// Requests of one connection are in the history in the order in which they were sent.
    pub connection: u32,
    pub invoke_ns: u64,
    /// [`NEVER`] unless it happened.
    pub return_ns: u64,
    pub how: How,
    pub steps: Vec<Step>,
    pub outcome: Outcome,
}

impl Transaction {
    /// Whether it may change something.
    pub fn writes(&self) -> bool {
        !self.steps.iter().all(Step::only_reads)
    }

    /// The answers, where there are any.
    pub fn answers(&self) -> Option<&[Answer]> {
        match &self.outcome {
            Outcome::Happened(answers) => Some(answers),
            _ => None,
        }
    }

    /// On one line, for people: the connection, the times in microseconds, the steps with their answers.
    pub fn describe(&self, names: &[String]) -> String {
        let steps: Vec<String> = self
            .steps
            .iter()
            .enumerate()
            .map(|(number, step)| {
                let words = step.words(names).join(" ");
                match &self.outcome {
                    Outcome::Happened(answers) => format!("{words} -> {}", answers[number]),
                    _ => words,
                }
            })
            .collect();
        let end = match &self.outcome {
            Outcome::Happened(_) => format!("{:.1}", self.return_ns as f64 / 1000.0),
            Outcome::Unknown => "unknown".to_string(),
            Outcome::Refused => "refused".to_string(),
        };
        format!(
            "connection {} [{:.1}, {end}] µs {:?} {{ {} }}",
            self.connection,
            self.invoke_ns as f64 / 1000.0,
            self.how,
            steps.join("; ")
        )
    }
}
