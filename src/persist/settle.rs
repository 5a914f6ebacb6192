//! Transactions over several shards are whole or absent: where each shard's log has to end so that they are.
//!
//! Never: looks at bytes. Pure over lists of parts. A part is complete if every participant has one, or says that it is settled. A log ends at its first part that is not
//! complete, for what comes later may depend on it; that takes parts away from other shards, and so on until nothing changes.

use super::entry::Participants;
use super::frame::Identity;
use super::log::Start;
use super::recovery::{PartAt, RecoveryError, ShardFiles, ShardLog, read_shard};
use std::collections::HashMap;

/// What one shard knows of transactions.
#[derive(Debug, Clone, Copy)]
pub struct ShardParts<'a> {
    /// All transactions with lower numbers are in its data.
    pub settled_below: u64,
    /// Parts in its log, in order.
    pub parts: &'a [PartAt],
}

/// For each shard the place in `parts` at which its log has to end, if it has to.
pub fn cuts(shards: &[ShardParts<'_>]) -> Vec<Option<usize>> {
    let mut places: HashMap<(usize, u64), usize> = HashMap::new();
    for (shard, known) in shards.iter().enumerate() {
        for (place, part) in known.parts.iter().enumerate() {
            // Of two parts of one transaction, which nobody writes, the first counts: it is the first that needs the others.
            places.entry((shard, part.transaction)).or_insert(place);
        }
    }
    let mut ends: Vec<usize> = shards.iter().map(|known| known.parts.len()).collect();
    let participants =
        |of: Participants| (0..Participants::BITS as usize).filter(move |bit| of >> bit & 1 == 1);
    let has = |ends: &[usize], shard: usize, transaction: u64| {
        shards.get(shard).is_some_and(|known| {
            known.settled_below > transaction
                || places
                    .get(&(shard, transaction))
                    .is_some_and(|place| *place < ends[shard])
        })
    };
    // Shards whose parts from a place on were taken away.
    let mut changed: Vec<(usize, usize)> = Vec::new();
    for (shard, known) in shards.iter().enumerate() {
        let incomplete = known.parts.iter().position(|part| {
            participants(part.participants).any(|other| !has(&ends, other, part.transaction))
        });
        if let Some(place) = incomplete {
            changed.push((shard, place));
        }
    }
    while let Some((shard, place)) = changed.pop() {
        let before = ends[shard];
        if place >= before {
            continue;
        }
        ends[shard] = place;
        for part in &shards[shard].parts[place..before] {
            if has(&ends, shard, part.transaction) {
                continue;
            }
            for other in participants(part.participants) {
                if let Some(place) = places.get(&(other, part.transaction)) {
                    changed.push((other, *place));
                }
            }
        }
    }
    ends.iter()
        .zip(shards)
        .map(|(end, known)| (*end < known.parts.len()).then_some(*end))
        .collect()
}

/// What all shards of a server have.
#[derive(Debug, Clone)]
pub struct Recovered<'a> {
    /// The data set; `None` if there is none yet.
    pub identity: Option<Identity>,
    /// The number of shards that wrote it.
    pub shards: u32,
    /// Each shard's log, cut so that transactions are whole.
    pub logs: Vec<ShardLog<'a>>,
    /// Greater than the number of any transaction that was ever written, also where it was cut.
    pub transaction_next: u64,
}

impl Recovered<'_> {
    /// Where each shard continues, `identity` being that of a data set which begins. No shard may serve before all logs are ready: until then a crash must find the same cuts again.
    pub fn starts(&self, identity: Identity) -> Vec<Start> {
        let identity = self.identity.unwrap_or(identity);
        let start = |log: &ShardLog<'_>| log.start(identity, self.shards);
        self.logs.iter().map(start).collect()
    }
}

/// Reads all shards' files, one element for each shard from 0 on. `shards` is what a new data set has.
pub fn recover<'a>(files: &[ShardFiles<'a>], shards: u32) -> Result<Recovered<'a>, RecoveryError> {
    let logs = files
        .iter()
        .map(read_shard)
        .collect::<Result<Vec<_>, _>>()?;
    settle(logs, shards)
}

/// Puts together what was read of each shard (at the same time, perhaps), and cuts transactions that are not whole.
pub fn settle<'a>(
    mut logs: Vec<ShardLog<'a>>,
    shards: u32,
) -> Result<Recovered<'a>, RecoveryError> {
    let first = logs.iter().find_map(|log| log.manifest);
    let shards = first.map_or(shards, |manifest| manifest.shards);
    let has_data = logs.iter().any(|log| log.records > 0);
    for log in &logs {
        let file = super::disk::FileName::Manifest { shard: log.shard };
        match (log.manifest, first) {
            (None, _) if has_data && log.shard < shards => {
                return Err(RecoveryError::ShardMissing(log.shard));
            }
            (Some(manifest), Some(first)) if manifest.identity != first.identity => {
                return Err(RecoveryError::Foreign {
                    file,
                    what: "identity",
                });
            }
            (Some(manifest), Some(first))
                if manifest.shards != first.shards || log.shard >= shards =>
            {
                return Err(RecoveryError::Foreign {
                    file,
                    what: "number of shards",
                });
            }
            _ => {}
        }
    }
    if has_data && (logs.len() as u64) < u64::from(shards) {
        return Err(RecoveryError::ShardMissing(logs.len() as u32));
    }
    let transaction_next = logs
        .iter()
        .flat_map(|log| {
            let settled = log.manifest.map_or(0, |manifest| manifest.settled_below);
            log.parts
                .iter()
                .map(|part| part.transaction + 1)
                .chain([settled])
        })
        .max()
        .unwrap_or(0);
    let known: Vec<ShardParts<'_>> = logs
        .iter()
        .map(|log| ShardParts {
            settled_below: log.manifest.map_or(0, |manifest| manifest.settled_below),
            parts: &log.parts,
        })
        .collect();
    let ends = cuts(&known);
    for (log, end) in logs.iter_mut().zip(ends) {
        if let Some(place) = end {
            log.cut_at(place);
        }
    }
    Ok(Recovered {
        identity: first.map(|manifest| manifest.identity),
        shards,
        logs,
        transaction_next,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::persist::frame::Position;
    use crate::persist::random::Random;

    fn part(transaction: u64, participants: Participants) -> PartAt {
        PartAt {
            position: Position::default(),
            sequence: transaction,
            transaction,
            participants,
        }
    }

    fn ends(shards: &[(u64, Vec<PartAt>)]) -> Vec<Option<usize>> {
        let known: Vec<ShardParts<'_>> = shards
            .iter()
            .map(|(settled_below, parts)| ShardParts {
                settled_below: *settled_below,
                parts,
            })
            .collect();
        cuts(&known)
    }

    #[test]
    fn a_missing_part_takes_what_is_behind_it_and_that_takes_more() {
        // Shard 2 lacks its part of 3; shard 1 ends there and loses 4, so shard 0 ends at 4 and loses 5.
        let shards = [
            (0, vec![part(1, 0b11), part(4, 0b11), part(5, 0b1)]),
            (0, vec![part(1, 0b11), part(3, 0b110), part(4, 0b11)]),
            (0, vec![]),
        ];
        assert_eq!(ends(&shards), [Some(1), Some(1), None]);
    }

    #[test]
    fn what_is_settled_needs_no_part() {
        let shards = [(0, vec![part(1, 0b11), part(2, 0b11)]), (2, vec![])];
        assert_eq!(ends(&shards), [Some(1), None]);
        let shards = [(0, vec![part(1, 0b11), part(2, 0b11)]), (3, vec![])];
        assert_eq!(ends(&shards), [None, None]);
        assert_eq!(
            ends(&[(0, vec![part(1, 0b101)])]),
            [Some(0)],
            "a shard that is not there has nothing"
        );
    }

    #[test]
    fn it_is_the_greatest_closed_choice() {
        let mut random = Random::from_environment();
        for _ in 0..2000 {
            let shards = 1 + random.below(4);
            let mut all: Vec<(u64, Vec<PartAt>)> = vec![(0, Vec::new()); shards];
            for transaction in 1..=random.below(12) as u64 {
                let participants = 1 + random.below((1 << shards) - 1) as Participants;
                for (shard, (_, parts)) in all.iter_mut().enumerate() {
                    if participants >> shard & 1 == 1 && !random.one_in(6) {
                        parts.push(part(transaction, participants));
                    }
                }
            }
            for (settled_below, parts) in &mut all {
                if random.one_in(3) {
                    *settled_below = random.below(6) as u64;
                }
                // Shards execute in orders of their own.
                if parts.len() > 1 && random.one_in(2) {
                    let place = random.below(parts.len() - 1);
                    parts.swap(place, place + 1);
                }
            }
            // The plain way: cut by one until nothing changes.
            let mut lens: Vec<usize> = all.iter().map(|(_, parts)| parts.len()).collect();
            loop {
                let bad = (0..shards).find_map(|shard| {
                    all[shard].1[..lens[shard]]
                        .iter()
                        .position(|part| {
                            (0..shards).any(|other| {
                                part.participants >> other & 1 == 1
                                    && all[other].0 <= part.transaction
                                    && !all[other].1[..lens[other]]
                                        .iter()
                                        .any(|of| of.transaction == part.transaction)
                            })
                        })
                        .map(|place| (shard, place))
                });
                match bad {
                    Some((shard, place)) => lens[shard] = place,
                    None => break,
                }
            }
            let expected: Vec<Option<usize>> = lens
                .iter()
                .zip(&all)
                .map(|(len, (_, parts))| (*len < parts.len()).then_some(*len))
                .collect();
            assert_eq!(ends(&all), expected, "{all:?}");
        }
    }
}
