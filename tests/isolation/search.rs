//! Decides whether a short history is strictly serializable: whether its transactions can be put in one order, in which each takes effect at a point
//! between its begin and its end, that explains all answers. The search of Wing & Gong ("Testing and verifying concurrent objects", 1993), with
//! Lowe's memory of what was tried ("Testing for linearizability", 2017), over all keys at once, so that commands on several keys count as one step.
//! A search that becomes too long ends undecided; it never guesses.

use crate::history::{NEVER, Order, Outcome, Transaction};
use crate::model::Keyspace;
use crate::step::{Key, Step};
use crate::support::shrink::shrink;
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The most states that a search visits.
const STATES_MAX: usize = 300_000;

/// What a search found.
pub enum Verdict {
    Serializable,
    /// There is no order; what shows it, for people.
    Violated(String),
    /// Given up.
    Undecided,
}

/// Judges a history that begins with none of the keys.
pub fn judge(history: &[Transaction], names: &[String], order: Order) -> Verdict {
    match Search::new(history, names.len(), order).run() {
        Some(true) => Verdict::Serializable,
        None => Verdict::Undecided,
        Some(false) => Verdict::Violated(explain(history, names, order)),
    }
}

/// Where a search stands: which transactions of each connection took effect, as bits, and what the keys are now.
type Position = (Vec<u64>, Keyspace);

struct Search<'a> {
    /// Of each connection, without what was refused: the transaction, and which of the connection must come before it.
    connections: Vec<Vec<(&'a Transaction, u64)>>,
    tried: HashSet<Position>,
    position: Position,
    order: Vec<&'a Transaction>,
    longest: Vec<&'a Transaction>,
    after_longest: Keyspace,
}

impl<'a> Search<'a> {
    fn new(history: &'a [Transaction], keys: usize, order: Order) -> Search<'a> {
        let mut connections: BTreeMap<u32, Vec<(&Transaction, u64)>> = BTreeMap::new();
        for transaction in history
            .iter()
            .filter(|transaction| transaction.outcome != Outcome::Refused)
        {
            let list = connections.entry(transaction.connection).or_default();
            assert!(list.len() < 64, "a history is short");
            let before = list
                .iter()
                .enumerate()
                .filter(|(_, (earlier, _))| order.keeps(earlier, transaction));
            let before = before.fold(0, |mask, (place, _)| mask | 1 << place);
            list.push((transaction, before));
        }
        Search {
            position: (vec![0; connections.len()], Keyspace::new(keys)),
            connections: connections.into_values().collect(),
            tried: HashSet::new(),
            order: Vec::new(),
            longest: Vec::new(),
            after_longest: Keyspace::new(keys),
        }
    }

    fn is_done(&self, connection: usize, place: usize) -> bool {
        self.position.0[connection] & 1 << place != 0
    }

    /// When the first of those ends that have not taken effect.
    fn first_end(&self) -> u64 {
        let lists = self.connections.iter().enumerate();
        let pending = lists.flat_map(|(connection, list)| {
            let with_places = list.iter().enumerate();
            with_places.filter(move |(place, _)| !self.is_done(connection, *place))
        });
        pending
            .map(|(_, (transaction, _))| transaction.return_ns)
            .min()
            .unwrap_or(NEVER)
    }

    /// Whether there is an order; None when it cannot be said.
    fn run(&mut self) -> Option<bool> {
        let first_end = self.first_end();
        if first_end == NEVER {
            return Some(true);
        }
        if !self.tried.insert(self.position.clone()) {
            return Some(false);
        }
        if self.tried.len() > STATES_MAX {
            return None;
        }
        let places = self.connections.iter().enumerate();
        let places: Vec<(usize, usize)> = places
            .flat_map(|(connection, list)| (0..list.len()).map(move |place| (connection, place)))
            .collect();
        for (connection, place) in places {
            let (next, needed) = self.connections[connection][place];
            let done = self.position.0[connection];
            if self.is_done(connection, place)
                || done & needed != needed
                || next.invoke_ns > first_end
            {
                continue;
            }
            let before = self.position.1.clone();
            if self.takes_effect(next) {
                self.position.0[connection] |= 1 << place;
                self.order.push(next);
                if self.order.len() > self.longest.len() {
                    self.longest.clone_from(&self.order);
                    self.after_longest.clone_from(&self.position.1);
                }
                let found = self.run();
                self.order.pop();
                self.position.0[connection] = done;
                if found != Some(false) {
                    return found;
                }
            }
            self.position.1 = before;
        }
        let vanishing: Vec<_> = self.position.1.vanishing().collect();
        for (key, (earliest, _)) in vanishing {
            if earliest > first_end {
                continue;
            }
            let before = self.position.1.clone();
            self.position.1.remove(key);
            let found = self.run();
            self.position.1 = before;
            if found != Some(false) {
                return found;
            }
        }
        Some(false)
    }

    /// Applies a transaction; false when it would have answered otherwise, or when something should have expired before.
    fn takes_effect(&mut self, transaction: &Transaction) -> bool {
        let is_late = |latest: u64| transaction.invoke_ns > latest;
        if self
            .position
            .1
            .vanishing()
            .any(|(_, (_, latest))| is_late(latest))
        {
            return false;
        }
        let (invoke_ns, return_ns) = (transaction.invoke_ns, transaction.return_ns);
        let answers = transaction.answers();
        transaction.steps.iter().enumerate().all(|(number, step)| {
            let answer = self.position.1.apply(step, invoke_ns, return_ns);
            answers.is_none_or(|answers| answers[number] == answer)
        })
    }
}

/// The history as it was known at a time: what had not ended is of unknown outcome.
fn until(history: &[Transaction], time_ns: u64) -> Vec<Transaction> {
    let begun = history
        .iter()
        .filter(|transaction| transaction.invoke_ns <= time_ns);
    let known = begun.cloned().map(|mut transaction| {
        if transaction.return_ns > time_ns && transaction.outcome != Outcome::Refused {
            transaction.return_ns = NEVER;
            transaction.outcome = Outcome::Unknown;
        }
        transaction
    });
    known.collect()
}

/// Whether what is left of a history when some of it is left out can be judged alone: what is left out only read, or touched no key that is left.
fn is_closed(history: &[Transaction], left: &[Transaction]) -> bool {
    let is_left = |transaction: &Transaction| left.iter().any(|other| is_same(other, transaction));
    let keys: BTreeSet<Key> = left
        .iter()
        .flat_map(|transaction| transaction.steps.iter().flat_map(Step::keys))
        .collect();
    let mut gone = history
        .iter()
        .filter(|transaction| !is_left(transaction) && transaction.outcome != Outcome::Refused);
    gone.all(|transaction| {
        let mut of_it = transaction.steps.iter().flat_map(Step::keys);
        transaction.steps.iter().all(Step::only_reads) || !of_it.any(|key| keys.contains(&key))
    })
}

fn is_same(one: &Transaction, other: &Transaction) -> bool {
    (one.connection, one.invoke_ns, &one.steps) == (other.connection, other.invoke_ns, &other.steps)
}

/// Finds the first answer that made it impossible, leaves out what has nothing to do with it, and shows the rest.
fn explain(history: &[Transaction], names: &[String], order: Order) -> String {
    let is_impossible =
        |history: &[Transaction]| Search::new(history, names.len(), order).run() == Some(false);
    let ends = history.iter().map(|transaction| transaction.return_ns);
    let mut ends: Vec<u64> = ends.filter(|end| *end != NEVER).collect();
    ends.sort_unstable();
    // What is impossible stays so, whatever comes later.
    let culprit = ends.partition_point(|end| !is_impossible(&until(history, *end)));
    let Some(end) = ends.get(culprit) else {
        return "no order was found, and then one: this is a mistake of the search".to_string();
    };
    let whole = until(history, *end);
    let short = shrink(&whole, |left| {
        is_closed(&whole, left) && is_impossible(left)
    });
    let mut search = Search::new(&short, names.len(), order);
    search.run();
    let line = |transaction: &Transaction| {
        let mark = if transaction.return_ns == *end {
            "->"
        } else {
            "  "
        };
        format!("{mark}{}\n", transaction.describe(names))
    };
    let mut report = "no order explains these answers; that of -> made it impossible. The longest order that explains some:\n".to_string();
    search
        .longest
        .iter()
        .for_each(|transaction| report.push_str(&line(transaction)));
    report.push_str(&format!(
        "after which there is {}, and these fit nowhere:\n",
        search.after_longest.describe(names)
    ));
    for transaction in &short {
        let is_placed = search
            .longest
            .iter()
            .any(|placed| std::ptr::eq(*placed, transaction));
        if !is_placed && transaction.outcome != Outcome::Refused {
            report.push_str(&line(transaction));
        }
    }
    report
}
