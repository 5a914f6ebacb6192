use super::entry::Participants;
use super::frame::Position;
use super::random::Random;
use super::recovery::PartAt;
use super::settle::{ShardParts, cuts};
use super::settling::{Settled, Settling};
use std::collections::BTreeSet;

#[test]
fn what_depends_on_another_waits_for_it() {
    let mut settling = Settling::new(3);
    settling.begin(1, 0b011, None);
    settling.begin(2, 0b110, Some(0));
    settling.durable(1, 5, 1);
    settling.durable(1, 9, 2);
    settling.durable(2, 7, 2);
    // Shard 0 may still lose its part of 1; then shard 1 is cut there, and 2 with it.
    assert_eq!(settling.settle(), Settled::default());
    assert_eq!(settling.first_unsettled(2), Some(7));
    assert!(settling.has_all(0) && !settling.has_all(1));
    assert!(settling.lacks_part(0, 1) && !settling.lacks_part(1, 1));
    settling.durable(0, 3, 1);
    let settled = settling.settle();
    assert_eq!((settled.shards, settled.awaited), (0b111, vec![(0, 2)]));
    assert_eq!(settling.first_unsettled(2), None);
    assert!(settling.has_all(2));
}

#[test]
fn orders_that_cross_do_not_wait_for_each_other() {
    let mut settling = Settling::new(2);
    settling.begin(1, 0b11, Some(0));
    settling.begin(2, 0b11, Some(1));
    settling.durable(0, 1, 1);
    settling.durable(0, 2, 2);
    settling.durable(1, 1, 2);
    assert_eq!(settling.settle(), Settled::default());
    settling.durable(1, 2, 1);
    assert_eq!(settling.settle().awaited, [(0, 1), (1, 2)]);
}

#[test]
fn a_log_that_has_ended_holds_nobody_up() {
    let mut settling = Settling::new(2);
    for number in 1..=3 {
        settling.begin(number, 0b11, Some(0));
    }
    settling.durable(0, 1, 1);
    settling.durable(0, 2, 2);
    settling.needs_no_part(1, 2);
    assert_eq!(settling.settle(), Settled::default());
    settling.end_log(0);
    assert_eq!(settling.settle().awaited, [(0, 2)]);
    settling.needs_no_part(1, 1);
    assert_eq!(settling.settle().awaited, [(0, 1)]);
    // Another log, which counts from the beginning.
    settling.durable(0, 1, 3);
    settling.durable(1, 1, 3);
    assert_eq!(settling.settle().awaited, [(0, 3)]);
    assert!(settling.has_all(9));
}

/// Transactions are written by shards in orders of their own, which become durable piece by piece. Whenever the power goes, whatever else happens to be durable by then: what has settled is not
/// cut; and when everything is durable everything has settled.
#[test]
fn nothing_that_has_settled_is_ever_cut() {
    let mut random = Random::from_environment();
    for _ in 0..3000 {
        let shards = 1 + random.below(4);
        let count = 1 + random.below(10) as u64;
        let mut settling = Settling::new(shards);
        let mut logs: Vec<Vec<PartAt>> = vec![Vec::new(); shards];
        for transaction in 1..=count {
            let participants = 1 + random.below((1 << shards) - 1) as Participants;
            settling.begin(transaction, participants, Some(0));
            for (shard, log) in logs.iter_mut().enumerate() {
                if participants >> shard & 1 == 1 {
                    let place = log.len() - random.below(log.len().min(3) + 1);
                    log.insert(
                        place,
                        PartAt {
                            position: Position::default(),
                            sequence: 0,
                            transaction,
                            participants,
                        },
                    );
                }
            }
        }
        let mut durable = vec![0; shards];
        let mut settled = BTreeSet::new();
        while let Some(shard) = {
            let left: Vec<usize> = (0..shards)
                .filter(|shard| durable[*shard] < logs[*shard].len())
                .collect();
            (!left.is_empty()).then(|| left[random.below(left.len())])
        } {
            for _ in 0..=random.below(logs[shard].len() - durable[shard]) {
                let transaction = logs[shard][durable[shard]].transaction;
                durable[shard] += 1;
                settling.durable(shard, durable[shard] as u64, transaction);
            }
            let numbers = settling.settle().awaited;
            settled.extend(numbers.into_iter().map(|(_, number)| number));
            for (shard, log) in logs.iter().enumerate() {
                let unsettled = log[..durable[shard]]
                    .iter()
                    .position(|part| !settled.contains(&part.transaction));
                let first = unsettled.map(|place| place as u64 + 1);
                assert_eq!(settling.first_unsettled(shard), first);
            }
            // More may have reached the disk than anybody was told.
            let known: Vec<ShardParts<'_>> = logs
                .iter()
                .zip(&durable)
                .map(|(log, durable)| ShardParts {
                    settled_below: 0,
                    parts: &log[..*durable + random.below(log.len() - durable + 1)],
                })
                .collect();
            for (end, known) in cuts(&known).iter().zip(&known) {
                let cut = &known.parts[end.unwrap_or(known.parts.len())..];
                let lost = cut.iter().find(|part| settled.contains(&part.transaction));
                assert_eq!(lost, None, "{logs:?}, durable {durable:?}");
            }
        }
        assert_eq!(settled.len() as u64, count, "{logs:?}");
    }
}
