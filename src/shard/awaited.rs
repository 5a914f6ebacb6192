//! Keys of this shard that commands wait for (BLPOP and the like): who waits for which, in the order in which they came, and whose turn it is.
//!
//! Pure: it is told of keys that were written and of tries that ended, and says who may try now. A try is the command itself, run again by the shard that
//! coordinates it; so nothing here knows what a command wants, and keys of several shards need no more than a queue each.
//! The decision worth knowing: of those who take something away (lists, sorted sets) one tries at a time, first come first served, and the next when
//! he is done and there is still something; readers of a stream all try at once.

use super::operation::OwnedKey;
use crate::engine::{Engine, Touch, Type};
use std::collections::HashMap;

/// A waiting command: the shard that coordinates it, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiter {
    /// The shard.
    pub shard: usize,
    /// The number.
    pub id: u64,
}

/// What shards tell each other about waiting.
#[derive(Debug)]
pub enum WaitMessage {
    /// To the owner: this waits for the key to hold a value of the type.
    Await(Waiter, OwnedKey, Type),
    /// To the owner: it waits no longer.
    Leave(Waiter, OwnedKey),
    /// To the owner: it has tried, and waits on.
    Tried(Waiter, OwnedKey),
    /// To the one who waits: the key may have something.
    Ready(u64, OwnedKey),
}

/// Those who wait for one key.
#[derive(Debug)]
struct Queue {
    key: OwnedKey,
    waiting: Vec<(Waiter, Type)>,
    /// Whose turn it is to take something, by his place among `waiting`.
    turn: Option<usize>,
    /// It was written during that turn: then the first has his turn again.
    again: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct AwaitedKeys {
    queues: HashMap<(usize, u64), Vec<Queue>>,
}

/// Who may try now, and for which key.
pub type Ready = Vec<(Waiter, OwnedKey)>;

impl Queue {
    fn holds(&self, engine: &mut Engine) -> Option<Type> {
        let key = engine.key(self.key.db, &self.key.bytes);
        let item = engine.find(&key, Touch::No)?;
        Some(engine.type_of(item))
    }

    /// Gives the turn to the first from `place` on who wants what the key holds.
    fn give_turn(&mut self, engine: &mut Engine, place: usize, ready: &mut Ready) {
        self.turn = None;
        let Some(kind) = self.holds(engine) else {
            return;
        };
        let next = (place..self.waiting.len()).find(|&at| self.waiting[at].1 == kind);
        if let Some(at) = next {
            self.turn = Some(at);
            ready.push((self.waiting[at].0, self.key.clone()));
        }
    }

    /// The key was written.
    fn written(&mut self, engine: &mut Engine, ready: &mut Ready) {
        // A reader of a stream is told of its end as well.
        let readers = self
            .waiting
            .iter()
            .filter(|(_, kind)| *kind == Type::Stream);
        ready.extend(readers.map(|(waiter, _)| (*waiter, self.key.clone())));
        if self.turn.is_some() {
            self.again = true;
        } else if self.waiting.iter().any(|(_, kind)| *kind != Type::Stream)
            && self.holds(engine) != Some(Type::Stream)
        {
            self.give_turn(engine, 0, ready);
        }
    }

    /// The one whose turn it was is done; those from `place` on have not had theirs.
    fn turn_ended(&mut self, engine: &mut Engine, place: usize, ready: &mut Ready) {
        let place = if std::mem::take(&mut self.again) {
            0
        } else {
            place
        };
        self.give_turn(engine, place, ready);
    }
}

impl AwaitedKeys {
    fn place(engine: &Engine, key: &OwnedKey) -> (usize, u64) {
        (key.db, engine.key(key.db, &key.bytes).hash)
    }

    fn queue(&mut self, engine: &Engine, key: &OwnedKey) -> Option<&mut Queue> {
        let queues = self.queues.get_mut(&AwaitedKeys::place(engine, key))?;
        queues.iter_mut().find(|queue| queue.key == *key)
    }

    /// Somebody waits. He is told at once if there is something already, which may have come since he looked.
    pub fn wait(
        &mut self,
        engine: &mut Engine,
        waiter: Waiter,
        key: OwnedKey,
        kind: Type,
    ) -> Ready {
        let place = AwaitedKeys::place(engine, &key);
        engine.await_key(&engine.key(key.db, &key.bytes));
        let queues = self.queues.entry(place).or_default();
        let at = match queues.iter().position(|queue| queue.key == key) {
            Some(at) => at,
            None => {
                queues.push(Queue {
                    key,
                    waiting: Vec::new(),
                    turn: None,
                    again: false,
                });
                queues.len() - 1
            }
        };
        let queue = &mut queues[at];
        queue.waiting.push((waiter, kind));
        let mut ready = Ready::new();
        if queue.holds(engine) == Some(kind) {
            if kind == Type::Stream {
                ready.push((waiter, queue.key.clone()));
            } else if queue.turn.is_none() {
                queue.give_turn(engine, 0, &mut ready);
            }
        }
        ready
    }

    /// He waits no longer.
    pub fn leave(&mut self, engine: &mut Engine, waiter: Waiter, key: &OwnedKey) -> Ready {
        let place = AwaitedKeys::place(engine, key);
        let mut ready = Ready::new();
        let Some(queue) = self.queue(engine, key) else {
            return ready;
        };
        let Some(at) = queue.waiting.iter().position(|(one, _)| *one == waiter) else {
            return ready;
        };
        queue.waiting.remove(at);
        match queue.turn {
            Some(turn) if turn == at => queue.turn_ended(engine, at, &mut ready),
            Some(turn) if turn > at => queue.turn = Some(turn - 1),
            _ => {}
        }
        let is_empty = queue.waiting.is_empty();
        engine.forget_awaited(&engine.key(key.db, &key.bytes));
        if is_empty && let Some(queues) = self.queues.get_mut(&place) {
            queues.retain(|queue| !queue.waiting.is_empty());
            if queues.is_empty() {
                self.queues.remove(&place);
            }
        }
        ready
    }

    /// He has tried in his turn, and waits on.
    pub fn tried(&mut self, engine: &mut Engine, waiter: Waiter, key: &OwnedKey) -> Ready {
        let mut ready = Ready::new();
        if let Some(queue) = self.queue(engine, key)
            && let Some(turn) = queue.turn
            && queue
                .waiting
                .get(turn)
                .is_some_and(|(one, _)| *one == waiter)
        {
            queue.turn_ended(engine, turn + 1, &mut ready);
        }
        ready
    }

    /// Keys were written, as [`Engine::take_touched`] says.
    pub fn written(&mut self, engine: &mut Engine, touched: &[(usize, u64)]) -> Ready {
        let mut ready = Ready::new();
        for place in touched {
            for queue in self.queues.get_mut(place).into_iter().flatten() {
                queue.written(engine, &mut ready);
            }
        }
        ready
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.queues.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::value::list::{Direction, List};
    use crate::engine::{EngineOptions, Expiry, NewValue, Policy};

    fn engine() -> Engine {
        let options = EngineOptions {
            databases: 2,
            memory_bytes_max: 0,
            policy: Policy::NoEviction,
            samples: 5,
            lfu_log_factor: 10,
            lfu_decay_minutes: 1,
            thresholds: Default::default(),
            reservation_bytes: 1 << 30,
            seed: 1,
        };
        Engine::new(options).expect("address space")
    }

    fn key(name: &str) -> OwnedKey {
        OwnedKey {
            db: 0,
            bytes: name.as_bytes().into(),
        }
    }

    fn waiter(id: u64) -> Waiter {
        Waiter { shard: 0, id }
    }

    fn push(engine: &mut Engine, name: &str, count: usize) {
        let handle = engine.key(0, name.as_bytes());
        let pushed = engine.edit_collection::<List, _>(&handle, true, |list, editing| {
            for _ in 0..count {
                list.push(Direction::Backward, b"x", editing.limits.list);
            }
        });
        pushed.expect("a list");
    }

    fn pop(engine: &mut Engine, name: &str) {
        let handle = engine.key(0, name.as_bytes());
        let popped = engine.edit_collection::<List, _>(&handle, false, |list, editing| {
            list.pop(Direction::Forward, editing.limits.list, |_| {})
        });
        assert_eq!(popped, Ok(Some(true)));
    }

    fn ids(ready: &Ready) -> Vec<u64> {
        ready.iter().map(|(waiter, _)| waiter.id).collect()
    }

    fn written(awaited: &mut AwaitedKeys, engine: &mut Engine) -> Vec<u64> {
        let touched = engine.take_touched();
        ids(&awaited.written(engine, &touched))
    }

    #[test]
    fn those_who_take_have_their_turns_in_the_order_in_which_they_came() {
        let (mut engine, mut awaited) = (engine(), AwaitedKeys::default());
        for id in 1..=4 {
            let ready = awaited.wait(&mut engine, waiter(id), key("l"), Type::List);
            assert!(ready.is_empty());
        }
        push(&mut engine, "other", 1);
        assert!(!engine.has_touched(), "nobody waits for that one");
        push(&mut engine, "l", 2);
        assert_eq!(written(&mut awaited, &mut engine), [1]);
        // The first takes one and leaves; the second has his turn, tries and finds that it is nothing for him; so does the third, who takes the other.
        pop(&mut engine, "l");
        assert_eq!(
            written(&mut awaited, &mut engine),
            [0; 0],
            "a turn is under way"
        );
        // It was written during the turn: the order begins anew.
        assert_eq!(ids(&awaited.leave(&mut engine, waiter(1), &key("l"))), [2]);
        assert_eq!(ids(&awaited.tried(&mut engine, waiter(2), &key("l"))), [3]);
        pop(&mut engine, "l");
        assert_eq!(written(&mut awaited, &mut engine), [0; 0]);
        assert!(
            awaited.leave(&mut engine, waiter(3), &key("l")).is_empty(),
            "nothing is left"
        );
        push(&mut engine, "l", 1);
        assert_eq!(written(&mut awaited, &mut engine), [2]);
        // One who was not there at the beginning does not overtake.
        assert!(
            awaited
                .wait(&mut engine, waiter(5), key("l"), Type::List)
                .is_empty()
        );
        assert_eq!(ids(&awaited.tried(&mut engine, waiter(2), &key("l"))), [4]);
        for id in [2, 4, 5] {
            awaited.leave(&mut engine, waiter(id), &key("l"));
        }
        assert!(awaited.is_empty());
        push(&mut engine, "l", 1);
        assert!(!engine.has_touched());
    }

    #[test]
    fn only_a_value_of_the_right_type_is_worth_a_try() {
        let (mut engine, mut awaited) = (engine(), AwaitedKeys::default());
        awaited.wait(&mut engine, waiter(1), key("k"), Type::SortedSet);
        awaited.wait(&mut engine, waiter(2), key("k"), Type::List);
        awaited.wait(&mut engine, waiter(3), key("k"), Type::Stream);
        let handle = engine.key(0, b"k");
        engine
            .set(&handle, NewValue::Bytes(b"text"), Expiry::None)
            .expect("memory");
        assert_eq!(
            written(&mut awaited, &mut engine),
            [3],
            "readers of a stream hear of everything"
        );
        engine.remove(&handle);
        push(&mut engine, "k", 1);
        assert_eq!(written(&mut awaited, &mut engine), [3, 2]);
    }

    #[test]
    fn one_who_comes_when_there_is_something_is_told_at_once() {
        let (mut engine, mut awaited) = (engine(), AwaitedKeys::default());
        push(&mut engine, "l", 1);
        let ready = awaited.wait(&mut engine, waiter(1), key("l"), Type::List);
        assert_eq!(ids(&ready), [1]);
        assert!(
            awaited
                .wait(&mut engine, waiter(2), key("l"), Type::List)
                .is_empty()
        );
        assert_eq!(ids(&awaited.leave(&mut engine, waiter(1), &key("l"))), [2]);
    }
}
