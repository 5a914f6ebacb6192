//! When a connection's writes may be under way at several shards at once, though nobody may see a later one without the earlier.
//!
//! Never: looks at a request, or waits. All messages of a turn are sent at one moment, replies leave after them, and a shard takes its messages before it executes what it has
//! received ([`crate::shard::mesh`], `Worker::turn`): so who has seen a later write comes to every other shard after the earlier ones, and writes may flow. The one exception is a
//! transaction of several shards that already holds a lock which an earlier write meets, and has yet to claim where the later one runs: it would see this one only. Therefore
//! (the decision worth knowing) a shard says that it coordinates transactions before it claims anything, and claims when each other shard has begun a turn since, or sleeps, and it has taken what
//! they sent before. From then on, and until it has had none for a while, a write for another shard than that of the connection's unanswered writes waits for them everywhere, see
//! `WritesUnderWay`.

use super::service::Service;
use super::shared::Padded;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Writes wait for so long after the last transaction, so that a shard with many does not change its mind all the time.
const CLOSED_MS: i64 = 10;
/// The bit of a turn's number that says that the shard sleeps.
const ASLEEP: u64 = 1;

/// What all shards share of it.
pub struct Flow {
    /// Shards that coordinate transactions.
    coordinators: AtomicU32,
    /// The number of each shard's turn, times two; the lowest bit: it sleeps.
    turns: Vec<Padded<AtomicU64>>,
}

impl Flow {
    /// Writes flow between so many shards, none of which has begun.
    pub fn new(shards: usize) -> Flow {
        let turns = (0..shards).map(|_| Padded(AtomicU64::new(ASLEEP)));
        Flow {
            coordinators: AtomicU32::new(0),
            turns: turns.collect(),
        }
    }

    /// A shard begins a turn. Whether writes flow during all of it.
    pub fn begin_turn(&self, shard: usize) -> bool {
        let turn = &self.turns[shard].0;
        let number = turn.load(Ordering::Relaxed);
        // Sequentially consistent, as what is read here and in `close`: either the coordinator sees this turn, or this turn sees the coordinator.
        turn.store((number | ASLEEP) + 1, Ordering::SeqCst);
        self.coordinators.load(Ordering::SeqCst) == 0
    }

    /// A shard whose messages are all posted sleeps.
    pub fn sleep(&self, shard: usize) {
        let turn = &self.turns[shard].0;
        turn.store(turn.load(Ordering::Relaxed) | ASLEEP, Ordering::SeqCst);
    }

    /// A shard coordinates transactions from now on: those shards, with their turns, that may not have seen it.
    fn close(&self, shard: usize) -> Vec<(usize, u64)> {
        self.coordinators.fetch_add(1, Ordering::SeqCst);
        let turns = self.turns.iter().enumerate();
        let turns = turns.map(|(other, turn)| (other, turn.0.load(Ordering::SeqCst)));
        turns
            .filter(|(other, turn)| *other != shard && turn & ASLEEP == 0)
            .collect()
    }

    /// Whether a shard still is in a turn that it was in.
    fn is_in(&self, (shard, turn): (usize, u64)) -> bool {
        self.turns[shard].0.load(Ordering::SeqCst) == turn
    }

    /// A shard coordinates none any more.
    fn open(&self) {
        self.coordinators.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What a shard that coordinates transactions knows of it.
#[derive(Default)]
pub(super) enum Gate {
    /// It has none.
    #[default]
    Open,
    /// These shards are in a turn in which writes may flow, and these transactions wait for its end.
    Closing(Vec<(usize, u64)>, Vec<u32>),
    /// No writes flow. It had a transaction at this time.
    Closed(i64),
}

impl Service {
    /// Begins a turn: whether writes flow during it.
    pub fn begin_flow(&mut self) {
        self.writes_flow = self.shards() > 1 && self.shared.flow.begin_turn(self.shard.id);
    }

    /// Whether a transaction of several shards may claim. If not it goes on when it may.
    pub(super) fn may_claim(&mut self, id: u32) -> bool {
        if let Gate::Open = self.gate {
            self.writes_flow = false;
            self.gate = match self.shared.flow.close(self.shard.id) {
                // What this shard claims of its own does not come behind what is in its inbox.
                others if others.is_empty() && self.shared.inboxes[self.shard.id].is_empty() => {
                    Gate::Closed(self.now_ms)
                }
                others => Gate::Closing(others, Vec::new()),
            };
        }
        match &mut self.gate {
            Gate::Open => unreachable!("it was closed above"),
            Gate::Closed(used_ms) => {
                *used_ms = self.now_ms;
                true
            }
            Gate::Closing(_, waiting) => {
                waiting.push(id);
                false
            }
        }
    }

    /// Whether it waits for the end of others' turns.
    pub(super) fn awaits_turns(&self) -> bool {
        matches!(self.gate, Gate::Closing(..))
    }

    /// The messages of this turn have been taken: lets transactions go on for which the others' turns have ended, and lets writes flow again when there was none for a while.
    pub fn tend_flow(&mut self) {
        match &mut self.gate {
            Gate::Open => {}
            Gate::Closing(others, waiting) => {
                let (flow, inbox) = (&self.shared.flow, &self.shared.inboxes[self.shard.id]);
                // What was sent in turns that had ended before this one has been taken.
                let had_ended = others.is_empty();
                others.retain(|turn| flow.is_in(*turn));
                if had_ended || others.is_empty() && inbox.is_empty() {
                    let waiting = std::mem::take(waiting);
                    self.gate = Gate::Closed(self.now_ms);
                    waiting.into_iter().for_each(|id| self.claim_next(id));
                }
            }
            Gate::Closed(used_ms) => {
                if !self.transactions.has_transactions() {
                    if self.now_ms >= *used_ms + CLOSED_MS {
                        self.gate = Gate::Open;
                        self.shared.flow.open();
                    }
                } else {
                    *used_ms = self.now_ms;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coordinator_waits_for_the_turns_that_have_not_seen_it() {
        let flow = Flow::new(3);
        assert!(flow.begin_turn(0) && flow.begin_turn(1));
        let others = flow.close(0);
        assert_eq!(others.len(), 1, "the third sleeps");
        assert_eq!(others[0].0, 1);
        assert!(flow.is_in(others[0]));
        assert!(!flow.begin_turn(2), "it has woken up since");
        assert!(!flow.begin_turn(1) && !flow.is_in(others[0]));
        flow.open();
        assert!(flow.begin_turn(1));
    }

    #[test]
    fn who_sleeps_is_not_waited_for() {
        let flow = Flow::new(2);
        assert!(flow.begin_turn(1));
        let others = flow.close(0);
        flow.sleep(1);
        assert!(!flow.is_in(others[0]), "its turn is over");
        assert!(flow.close(0).is_empty());
        flow.open();
        assert!(!flow.begin_turn(1), "one of two coordinators is left");
        flow.open();
        assert!(flow.begin_turn(1));
    }
}
