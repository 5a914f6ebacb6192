//! Judges histories of unique elements appended to lists (RPUSH) and of whole lists read (LRANGE), of any length: the method of Elle (Kingsbury &
//! Alvaro, 2020). A list read shows the order of all appends before it, so that what came before what is known without any search. A history ends
//! with a read of every key, by which no append stays unseen.

use crate::graph::{Graph, Why, describe};
use crate::history::{Order, Outcome, Transaction};
use crate::step::{Answer, Key, Step};
use std::collections::HashMap;

/// What is known of one key: its elements in their order, as the longest read shows them.
#[derive(Default)]
struct Versions {
    elements: Vec<i64>,
    longest_read: usize,
}

struct Judge<'a> {
    history: &'a [Transaction],
    names: &'a [String],
    order: Order,
    versions: HashMap<Key, Versions>,
    /// Who appended an element, and to which key.
    writers: HashMap<i64, (usize, Key)>,
}

/// Says why a history is not strictly serializable, with the transactions that show it; None when it is.
pub fn violation(history: &[Transaction], names: &[String], order: Order) -> Option<String> {
    let mut judge = Judge {
        history,
        names,
        order,
        versions: HashMap::new(),
        writers: HashMap::new(),
    };
    let outcome = judge
        .learn()
        .and_then(|()| judge.look_at_each())
        .and_then(|()| judge.graph());
    outcome.err()
}

impl Judge<'_> {
    fn report(&self, what: &str, transactions: &[usize]) -> Result<(), String> {
        let shown = transactions.iter().map(|number| {
            format!(
                "  T{number}: {}\n",
                self.history[*number].describe(self.names)
            )
        });
        Err(format!("{what}\n{}", shown.collect::<String>()))
    }

    fn name(&self, key: Key) -> &str {
        &self.names[key as usize]
    }

    /// Finds every element's writer and every key's longest list.
    fn learn(&mut self) -> Result<(), String> {
        for (number, transaction) in self.history.iter().enumerate() {
            for (place, step) in transaction.steps.iter().enumerate() {
                match (step, transaction.answers()) {
                    (Step::Push(key, _, element), _) => {
                        let other = self.writers.insert(*element, (number, *key));
                        assert!(other.is_none(), "the workload appends {element} once");
                    }
                    (Step::Range(key), Some(answers)) => {
                        let elements = answers[place].numbers();
                        let versions = self.versions.entry(*key).or_default();
                        if elements.len() > versions.elements.len() {
                            *versions = Versions {
                                elements,
                                longest_read: number,
                            };
                        }
                    }
                    (Step::Range(_), None) => {}
                    (other, _) => panic!("not a step of this workload: {other:?}"),
                }
            }
        }
        Ok(())
    }

    /// What can be said of single elements, reads and appends.
    fn look_at_each(&self) -> Result<(), String> {
        let mut places: HashMap<i64, usize> = HashMap::new();
        for (key, versions) in &self.versions {
            for (place, element) in versions.elements.iter().enumerate() {
                let name = self.name(*key);
                let Some((writer, _)) = self.writers.get(element).filter(|(_, to)| to == key)
                else {
                    let what = format!("{element} was read in {name}, to which nobody appended it");
                    return self.report(&what, &[versions.longest_read]);
                };
                if self.history[*writer].outcome == Outcome::Refused {
                    let what = format!(
                        "G1a (aborted read): {element} was read in {name}, but its transaction was refused"
                    );
                    return self.report(&what, &[*writer, versions.longest_read]);
                }
                if places.insert(*element, place).is_some() {
                    let what = format!("{element} is twice in {name}");
                    return self.report(&what, &[*writer, versions.longest_read]);
                }
            }
        }
        for (number, transaction) in self.history.iter().enumerate() {
            self.look_at_appends(number, transaction, &places)?;
            self.look_at_reads(number, transaction)?;
        }
        Ok(())
    }

    fn look_at_appends(
        &self,
        number: usize,
        transaction: &Transaction,
        places: &HashMap<i64, usize>,
    ) -> Result<(), String> {
        if transaction.outcome == Outcome::Refused {
            return Ok(());
        }
        let appends = transaction
            .steps
            .iter()
            .enumerate()
            .filter_map(|(at, step)| match step {
                Step::Push(key, _, element) => Some((at, *key, *element)),
                _ => None,
            });
        let appends: Vec<_> = appends.collect();
        let unseen = appends
            .iter()
            .find(|(_, _, element)| !places.contains_key(element));
        if let Some((_, key, element)) = unseen.filter(|_| transaction.answers().is_some()) {
            let what = format!("lost: {element} is not in {} at the end", self.name(*key));
            let shown = self.versions.get(key).map(|versions| versions.longest_read);
            return self.report(&what, &[&[number], shown.as_slice()].concat());
        }
        for (at, key, element) in appends {
            let Some(answers) = transaction.answers() else {
                continue;
            };
            let place = places[&element] as i64;
            if answers[at] != Answer::Number(place + 1) {
                let what = format!(
                    "RPUSH of {element} answered {}, but {place} elements are before it in {}",
                    answers[at],
                    self.name(key)
                );
                return self.report(&what, &[number, self.versions[&key].longest_read]);
            }
        }
        Ok(())
    }

    fn look_at_reads(&self, number: usize, transaction: &Transaction) -> Result<(), String> {
        let Some(answers) = transaction.answers() else {
            return Ok(());
        };
        // Of each key: what the transaction itself read and appended so far.
        let mut known: HashMap<Key, (Option<Vec<i64>>, Vec<i64>)> = HashMap::new();
        for (step, answer) in transaction.steps.iter().zip(answers) {
            match step {
                Step::Push(key, _, element) => known.entry(*key).or_default().1.push(*element),
                Step::Range(key) => {
                    let elements = answer.numbers();
                    let versions = &self
                        .versions
                        .get(key)
                        .map_or(&[][..], |versions| &versions.elements);
                    if !versions.starts_with(&elements) {
                        let what = format!(
                            "two reads of {} disagree on the order of appends",
                            self.name(*key)
                        );
                        return self.report(&what, &[number, self.versions[key].longest_read]);
                    }
                    let (read, own) = known.entry(*key).or_default();
                    let is_consistent = match read {
                        Some(read) => elements == [read.as_slice(), own].concat(),
                        None => elements.ends_with(own),
                    };
                    if !is_consistent {
                        let what = format!(
                            "internal: a transaction's read of {} is not what it read and appended before",
                            self.name(*key)
                        );
                        return self.report(&what, &[number]);
                    }
                    (*read, *own) = (Some(elements), Vec::new());
                }
                other => panic!("not a step of this workload: {other:?}"),
            }
        }
        Ok(())
    }

    fn graph(&self) -> Result<(), String> {
        let mut graph = Graph::new(self.history.len());
        // Appends of unknown outcome: of a transaction of which something else was seen they happened, in an order that is not known.
        let mut unseen: HashMap<Key, Vec<i64>> = HashMap::new();
        for (element, (writer, key)) in &self.writers {
            let is_seen = self
                .versions
                .get(key)
                .is_some_and(|versions| versions.elements.contains(element));
            if !is_seen && self.history[*writer].outcome == Outcome::Unknown {
                unseen.entry(*key).or_default().push(*element);
            }
        }
        for (key, versions) in &self.versions {
            for pair in versions.elements.windows(2) {
                let (before, after) = (self.writers[&pair[0]].0, self.writers[&pair[1]].0);
                let (key, first, second) = (*key, pair[0], pair[1]);
                graph.add(before, after, Why::WriteWrite { key, first, second });
            }
        }
        for (number, transaction) in self.history.iter().enumerate() {
            let answers = transaction.answers().unwrap_or_default();
            for (step, answer) in transaction.steps.iter().zip(answers) {
                let Step::Range(key) = step else { continue };
                let Answer::Many(elements) = answer else {
                    continue;
                };
                let Some(versions) = self.versions.get(key) else {
                    continue;
                };
                let key = *key;
                // The last element that another appended; its own come after that.
                let writers = versions.elements[..elements.len()].iter().rev();
                let other = writers
                    .map(|element| (*element, self.writers[element].0))
                    .find(|(_, writer)| *writer != number);
                if let Some((element, writer)) = other {
                    graph.add(writer, number, Why::WriteRead { key, element });
                }
                // What was appended and never seen comes after all that was.
                let next = versions.elements.get(elements.len()).into_iter();
                let next = next.chain(
                    unseen
                        .get(&key)
                        .filter(|_| elements.len() == versions.elements.len())
                        .into_iter()
                        .flatten(),
                );
                for element in next {
                    graph.add(
                        number,
                        self.writers[element].0,
                        Why::ReadWrite {
                            key,
                            element: *element,
                        },
                    );
                }
            }
        }
        graph.add_connections(self.history, self.order);
        graph.add_time(self.history);
        match graph.cycle() {
            None => Ok(()),
            Some((name, cycle)) => Err(describe(name, &cycle, self.history, self.names)),
        }
    }
}
