//! What had to come before what, as a graph of transactions, and the shortest cycle in it: a history is strictly serializable only if there is none.
//! Kinds of edges and names of anomalies are Adya's ("Weak consistency", 1999), as Elle uses them (Kingsbury & Alvaro, 2020). Knows nothing of
//! commands or values.

use crate::history::{NEVER, Order, Outcome, Transaction};
use std::collections::{BTreeMap, VecDeque};

/// Why one transaction came before another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// Its element stands before the other's in a list.
    WriteWrite { key: u32, first: i64, second: i64 },
    /// The other read its element.
    WriteRead { key: u32, element: i64 },
    /// It read a list that has not yet the other's element.
    ReadWrite { key: u32, element: i64 },
    /// The same connection sent it before.
    Connection,
    /// It had ended when the other began.
    Time,
}

impl Why {
    fn rank(&self) -> usize {
        match self {
            Why::WriteWrite { .. } => 0,
            Why::WriteRead { .. } => 1,
            Why::ReadWrite { .. } => 2,
            Why::Connection => 3,
            Why::Time => 4,
        }
    }

    fn describe(&self, names: &[String]) -> String {
        match self {
            Why::WriteWrite { key, first, second } => {
                format!(
                    "its {first} stands before {second} in {} (write-write)",
                    names[*key as usize]
                )
            }
            Why::WriteRead { key, element } => {
                format!(
                    "its {element} was read in {} (write-read)",
                    names[*key as usize]
                )
            }
            Why::ReadWrite { key, element } => {
                format!(
                    "it read {} without {element} (read-write)",
                    names[*key as usize]
                )
            }
            Why::Connection => "it was sent before on this connection".to_string(),
            Why::Time => "it had ended before this began (real time)".to_string(),
        }
    }
}

/// The graph.
pub struct Graph {
    edges: Vec<Vec<(usize, Why)>>,
}

impl Graph {
    /// One with so many transactions and no edge.
    pub fn new(transactions: usize) -> Graph {
        Graph {
            edges: vec![Vec::new(); transactions],
        }
    }

    /// Says that one came before another. A transaction comes neither before nor after itself.
    pub fn add(&mut self, before: usize, after: usize, why: Why) {
        if before != after {
            self.edges[before].push((after, why));
        }
    }

    /// Adds the order in which each connection sent its requests, as far as it counts. A batch is short, and what was sent when the last had been answered
    /// has its place in time.
    pub fn add_connections(&mut self, history: &[Transaction], order: Order) {
        let mut earlier: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (number, transaction) in history.iter().enumerate() {
            if transaction.outcome == Outcome::Refused {
                continue;
            }
            let batch = earlier.entry(transaction.connection).or_default();
            batch.retain(|before| history[*before].return_ns >= transaction.invoke_ns);
            for before in batch.iter() {
                if order.keeps(&history[*before], transaction) {
                    self.add(*before, number, Why::Connection);
                }
            }
            batch.push(number);
        }
    }

    /// Adds the order of time. Of those that had ended when one begins only the frontier gets an edge to it: what itself ended before another of them
    /// began is before it anyway. So there are at most as many edges a transaction as there are clients.
    pub fn add_time(&mut self, history: &[Transaction]) {
        let mut events: Vec<(u64, bool, usize)> = Vec::new();
        for (number, transaction) in history.iter().enumerate() {
            if transaction.outcome == Outcome::Refused {
                continue;
            }
            events.push((transaction.invoke_ns, false, number));
            if transaction.return_ns != NEVER {
                events.push((transaction.return_ns, true, number));
            }
        }
        // At equal times the begin comes first, so that these two are concurrent.
        events.sort_unstable();
        let mut frontier: Vec<usize> = Vec::new();
        for (_, is_end, number) in events {
            if is_end {
                let began = history[number].invoke_ns;
                frontier.retain(|before| history[*before].return_ns >= began);
                frontier.push(number);
            } else {
                for before in &frontier {
                    self.add(*before, number, Why::Time);
                }
            }
        }
    }

    /// The shortest cycle of the gravest kind, with the kind's name; None when there is no cycle at all.
    pub fn cycle(&self) -> Option<(&'static str, Vec<(usize, Why)>)> {
        const NAMES: [&str; 5] = [
            "G0 (write cycle)",
            "G1c (circular flow of information)",
            "G-single or G2 (read skew, write skew)",
            "the order of a connection's requests is not kept",
            "what has ended is not seen (real time)",
        ];
        (0..NAMES.len()).find_map(|rank| {
            let component = self.components(rank).into_iter().min_by_key(Vec::len)?;
            let cycle = self.shortest_in(&component, rank);
            let read_writes = cycle.iter().filter(|(_, why)| why.rank() == 2).count();
            let name = match (rank, read_writes) {
                (2, 1) => "G-single (read skew)",
                (2, _) => "G2 (write skew)",
                _ => NAMES[rank],
            };
            Some((name, cycle))
        })
    }

    fn after(&self, node: usize, rank: usize) -> impl Iterator<Item = (usize, &Why)> + '_ {
        let edges = self.edges[node].iter();
        let edges = edges.filter(move |(_, why)| why.rank() <= rank);
        edges.map(|(after, why)| (*after, why))
    }

    /// Strongly connected components of more than one transaction, by edges up to a rank (Tarjan 1972, without recursion).
    fn components(&self, rank: usize) -> Vec<Vec<usize>> {
        const NEW: usize = usize::MAX;
        let count = self.edges.len();
        let (mut index, mut low) = (vec![NEW; count], vec![0; count]);
        let mut is_open = vec![false; count];
        let (mut open, mut found, mut next_index) = (Vec::new(), Vec::new(), 0);
        for root in 0..count {
            if index[root] != NEW {
                continue;
            }
            // A transaction, and how many of its edges were followed.
            let mut path = vec![(root, 0)];
            while let Some((node, followed)) = path.last_mut() {
                let node = *node;
                if *followed == 0 {
                    (index[node], low[node]) = (next_index, next_index);
                    next_index += 1;
                    open.push(node);
                    is_open[node] = true;
                }
                let edge = self.edges[node].get(*followed);
                *followed += 1;
                match edge {
                    Some((_, why)) if why.rank() > rank => {}
                    Some((after, _)) if index[*after] == NEW => path.push((*after, 0)),
                    Some((after, _)) if is_open[*after] => low[node] = low[node].min(index[*after]),
                    Some(_) => {}
                    None => {
                        path.pop();
                        if let Some((parent, _)) = path.last() {
                            low[*parent] = low[*parent].min(low[node]);
                        }
                        if low[node] == index[node] {
                            let start = open
                                .iter()
                                .rposition(|other| *other == node)
                                .expect("it is open");
                            let component = open.split_off(start);
                            component.iter().for_each(|member| is_open[*member] = false);
                            if component.len() > 1 {
                                found.push(component);
                            }
                        }
                    }
                }
            }
        }
        found
    }

    /// The shortest cycle within a component; of large ones, among those through the first of its transactions.
    fn shortest_in(&self, component: &[usize], rank: usize) -> Vec<(usize, Why)> {
        const STARTS_MAX: usize = 500;
        let mut is_member = vec![false; self.edges.len()];
        component
            .iter()
            .for_each(|member| is_member[*member] = true);
        let cycles = component.iter().take(STARTS_MAX).filter_map(|start| {
            let mut from: BTreeMap<usize, (usize, Why)> = BTreeMap::new();
            let mut queue = VecDeque::from([*start]);
            while let Some(node) = queue.pop_front() {
                for (after, why) in self
                    .after(node, rank)
                    .filter(|(after, _)| is_member[*after])
                {
                    if from.contains_key(&after) {
                        continue;
                    }
                    from.insert(after, (node, why.clone()));
                    if after != *start {
                        queue.push_back(after);
                        continue;
                    }
                    let mut cycle = vec![from[start].clone()];
                    while cycle[cycle.len() - 1].0 != *start {
                        let last = cycle[cycle.len() - 1].0;
                        cycle.push(from[&last].clone());
                    }
                    cycle.reverse();
                    return Some(cycle);
                }
            }
            None
        });
        cycles
            .min_by_key(Vec::len)
            .expect("a component has a cycle")
    }
}

/// A cycle in words: every transaction, and why it came before the next.
pub fn describe(
    name: &str,
    cycle: &[(usize, Why)],
    history: &[Transaction],
    names: &[String],
) -> String {
    let mut report =
        format!("{name}: each of these came before the next, and the last before the first\n");
    for (number, why) in cycle {
        report.push_str(&format!(
            "  T{number}: {}\n",
            history[*number].describe(names)
        ));
        report.push_str(&format!("      {}\n", why.describe(names)));
    }
    report
}
