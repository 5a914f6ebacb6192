//! Transactions on their way to the disks of several shards: which of them no recovery would cut any more, so that their clients may be told.
//!
//! Never: reads or writes anything, or knows a clock. The decision worth knowing: that all parts of a transaction are durable is not enough. Recovery ([`super::settle`]) ends a log at the
//! first part whose transaction is not whole, and takes everything behind it away, also parts of transactions that were whole until then. So a transaction has settled when its parts are durable
//! and so are all those of every transaction that has a part before one of its own, and of those before these. What has settled is therefore always the beginning of each log.

use super::entry::Participants;
use std::collections::{BTreeMap, VecDeque};
use std::mem;

/// A transaction that has not settled.
#[derive(Debug)]
struct Transaction {
    /// Shards whose part is not durable.
    missing: Participants,
    /// The durable parts that are in a log: shard and record.
    parts: Vec<(usize, u64)>,
    /// Who waits for it.
    awaited_by: Option<usize>,
}

/// All that have not settled.
#[derive(Debug)]
pub struct Settling {
    transactions: BTreeMap<u64, Transaction>,
    /// Of each shard the durable parts, records and transactions, in the order of the log.
    logs: Vec<VecDeque<(u64, u64)>>,
    /// Complete ones that have no part in any log, because those have ended.
    without_parts: Vec<u64>,
    /// Some have become complete since the last look.
    looks: bool,
}

/// What has come of it.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Settled {
    /// Shards that have other first unsettled parts than before.
    pub shards: Participants,
    /// Transactions that somebody waits for: the shards that do, and their numbers.
    pub awaited: Vec<(usize, u64)>,
}

impl Settling {
    /// None, of so many shards.
    pub fn new(shards: usize) -> Settling {
        Settling {
            transactions: BTreeMap::new(),
            logs: vec![VecDeque::new(); shards],
            without_parts: Vec::new(),
            looks: false,
        }
    }

    /// A transaction begins that these shards will write down.
    pub fn begin(&mut self, number: u64, participants: Participants, awaited_by: Option<usize>) {
        let transaction = Transaction {
            missing: participants,
            parts: Vec::with_capacity(participants.count_ones() as usize),
            awaited_by,
        };
        let before = self.transactions.insert(number, transaction);
        assert!(before.is_none(), "a number is used once");
    }

    /// A shard's part is durable, as this record of its log. Those of one shard come in their order.
    pub fn durable(&mut self, shard: usize, record: u64, number: u64) {
        let last = self.logs[shard].back();
        assert!(
            last.is_none_or(|(last, _)| *last < record),
            "parts become durable in their order"
        );
        let Some(transaction) = self.arrived(shard, number) else {
            return;
        };
        transaction.parts.push((shard, record));
        self.logs[shard].push_back((record, number));
    }

    /// A shard that should have a part has no log any more.
    pub fn needs_no_part(&mut self, shard: usize, number: u64) {
        if let Some(transaction) = self.arrived(shard, number)
            && transaction.missing == 0
            && transaction.parts.is_empty()
        {
            self.without_parts.push(number);
        }
    }

    fn arrived(&mut self, shard: usize, number: u64) -> Option<&mut Transaction> {
        let transaction = self.transactions.get_mut(&number)?;
        transaction.missing &= !(1 << shard);
        self.looks |= transaction.missing == 0;
        Some(transaction)
    }

    /// A shard's log has ended: it cuts nothing any more.
    pub fn end_log(&mut self, shard: usize) {
        for (_, number) in mem::take(&mut self.logs[shard]) {
            let Some(transaction) = self.transactions.get_mut(&number) else {
                continue;
            };
            transaction.parts.retain(|part| part.0 != shard);
            if transaction.missing == 0 && transaction.parts.is_empty() {
                self.without_parts.push(number);
            }
        }
        self.looks = true;
    }

    /// Finds those that have settled, and forgets them. It takes as long as there are parts that could settle.
    pub fn settle(&mut self) -> Settled {
        let mut settled = Settled::default();
        if !mem::take(&mut self.looks) {
            return settled;
        }
        for number in mem::take(&mut self.without_parts) {
            self.forget(number, &mut settled);
        }
        let is_complete = |number: &u64| self.transactions[number].missing == 0;
        let whole = |log: &VecDeque<(u64, u64)>| {
            let incomplete = log.iter().position(|(_, number)| !is_complete(number));
            incomplete.unwrap_or(log.len())
        };
        // Where each log would be cut, at the latest; every cut may bring others.
        let mut ends: Vec<usize> = self.logs.iter().map(whole).collect();
        while {
            let mut is_another = false;
            for shard in 0..ends.len() {
                let stays = |(other, record): &(usize, u64)| {
                    let first_cut = self.logs[*other].get(ends[*other]);
                    first_cut.is_none_or(|(first, _)| record < first)
                };
                let log = self.logs[shard].iter().take(ends[shard]);
                let mut log = log.map(|(_, number)| &self.transactions[number].parts);
                if let Some(end) = log.position(|parts| !parts.iter().all(stays)) {
                    ends[shard] = end;
                    is_another = true;
                }
            }
            is_another
        } {}
        for (shard, end) in ends.into_iter().enumerate() {
            if end > 0 {
                settled.shards |= 1 << shard;
            }
            for _ in 0..end {
                let (_, number) = self.logs[shard].pop_front().expect("it was counted");
                self.forget(number, &mut settled);
            }
        }
        settled
    }

    fn forget(&mut self, number: u64, settled: &mut Settled) {
        if let Some(transaction) = self.transactions.remove(&number)
            && let Some(shard) = transaction.awaited_by
        {
            settled.awaited.push((shard, number));
        }
    }

    /// The first durable record of a shard's log that is a part of a transaction which has not settled.
    pub fn first_unsettled(&self, shard: usize) -> Option<u64> {
        self.logs[shard].front().map(|(record, _)| *record)
    }

    /// Whether a shard's part of a transaction is not durable yet.
    pub fn lacks_part(&self, shard: usize, number: u64) -> bool {
        let transaction = self.transactions.get(&number);
        transaction.is_some_and(|transaction| transaction.missing >> shard & 1 == 1)
    }

    /// Whether all transactions up to a number have settled.
    pub fn has_all(&self, number: u64) -> bool {
        let first = self.transactions.first_key_value();
        first.is_none_or(|(first, _)| *first > number)
    }
}
