//! Keys of this shard that commands wait for (BLPOP and the like): who waits for which, in the order in which they came, and whose turn it is.
//!
//! Pure: it is told of keys that were written and of tries that ended, and says who may try now. A try is the command itself, run again by the shard that
//! coordinates it; so nothing here knows what a command wants, and keys of several shards need no more than a queue each.
//! The decision worth knowing: of those who take something away (lists, sorted sets, the entries of a group) one tries at a time, first come first
//! served, and the next when he is done and there is still something; readers of a stream all try at once.

use super::operation::OwnedKey;
use crate::command::CommandError;
use crate::engine::value::list::Direction;
use crate::engine::value::stream::Stream;
use crate::engine::{Engine, Item, Touch, Type};
use std::collections::HashMap;

/// A waiting command: the shard that coordinates it, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiter {
    /// The shard.
    pub shard: usize,
    /// The number.
    pub id: u64,
}

/// What a waiting command wants of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wants {
    /// To take elements away: a value of this type.
    Take(Type),
    /// To read a stream, which leaves it to others as well.
    Entries,
    /// To take entries for the consumer group of this name, or to hear that it or the stream is gone.
    Group(Box<[u8]>),
}

impl Wants {
    /// Whether one waits for the outcome of another's try.
    pub fn takes_turns(&self) -> bool {
        *self != Wants::Entries
    }
}

/// What shards tell each other about waiting.
#[derive(Debug)]
pub enum WaitMessage {
    /// To the owner: this waits for the key. True: it has looked at the key just now, on the owner's own shard.
    Await(Waiter, OwnedKey, Wants, bool),
    /// To the owner: it waits no longer.
    Leave(Waiter, OwnedKey),
    /// To the owner: it has tried, and waits on.
    Tried(Waiter, OwnedKey),
    /// To the one who waits: the key may have something.
    Ready(u64, ReadyKey),
    /// To the owner: what does the id of this request mean now, which names one stream? The number is that of the key among several.
    Probe(Waiter, usize, Box<Probe>),
    /// To the one who asked: the id, or why the request cannot be carried out.
    Probed(u64, usize, Result<Box<[u8]>, CommandError>),
    /// To the owner: this element was taken for another list, which could not have it; it goes back to the end where it was.
    PutBack(OwnedKey, Direction, Box<[u8]>),
}

/// A request on one stream, before it waits.
#[derive(Debug)]
pub struct Probe {
    /// The selected database.
    pub db: usize,
    /// Name and arguments.
    pub words: Vec<Box<[u8]>>,
}

/// A key that may have something for one who waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadyKey {
    /// The key.
    pub key: OwnedKey,
    /// There is no stream any more, which only those of a group are told.
    pub is_gone: bool,
}

/// Those who wait for one key.
#[derive(Debug)]
struct Queue {
    key: OwnedKey,
    waiting: Vec<(Waiter, Wants)>,
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
pub type Ready = Vec<(Waiter, ReadyKey)>;

impl Queue {
    /// What the key holds.
    fn item(&self, engine: &mut Engine) -> Option<Item> {
        let key = engine.key(self.key.db, &self.key.bytes);
        engine.find(&key, Touch::No)
    }

    fn ready_key(&self, is_gone: bool) -> ReadyKey {
        let key = self.key.clone();
        ReadyKey { key, is_gone }
    }

    /// Gives the turn to the first from `place` on for whom what the key holds is something.
    fn give_turn(&mut self, engine: &mut Engine, place: usize, ready: &mut Ready) {
        let item = self.item(engine);
        let engine = &*engine;
        let kind = item.map(|item| engine.type_of(item));
        let stream = item.and_then(|item| engine.view::<Stream>(item).ok());
        self.turn = (place..self.waiting.len()).find(|&at| match &self.waiting[at].1 {
            Wants::Take(wanted) => kind == Some(*wanted),
            Wants::Group(name) => stream.is_none_or(|stream| {
                let group = stream.group(name);
                group.is_none_or(|group| group.last_id() < stream.log().last_id())
            }),
            Wants::Entries => false,
        });
        if let Some(at) = self.turn {
            let (waiter, wants) = &self.waiting[at];
            let is_gone = matches!(wants, Wants::Group(_)) && stream.is_none();
            ready.push((*waiter, self.ready_key(is_gone)));
        }
    }

    /// The key was written.
    fn written(&mut self, engine: &mut Engine, ready: &mut Ready) {
        let item = self.item(engine);
        if item.is_some_and(|item| engine.type_of(item) == Type::Stream) {
            let readers = self.waiting.iter();
            let readers = readers.filter(|(_, wants)| *wants == Wants::Entries);
            ready.extend(readers.map(|(waiter, _)| (*waiter, self.ready_key(false))));
        }
        if self.turn.is_some() {
            self.again = true;
        } else {
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

    /// Somebody waits. He is told at once if there is something already, which may have come since he looked, unless he `has_looked` just now.
    pub fn wait(
        &mut self,
        engine: &mut Engine,
        waiter: Waiter,
        key: OwnedKey,
        wants: Wants,
        has_looked: bool,
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
        let takes_turns = wants.takes_turns();
        queue.waiting.push((waiter, wants));
        let mut ready = Ready::new();
        if has_looked {
            return ready;
        }
        if takes_turns {
            if queue.turn.is_none() {
                queue.give_turn(engine, 0, &mut ready);
            }
        } else if let Some(item) = queue.item(engine)
            && engine.type_of(item) == Type::Stream
        {
            ready.push((waiter, queue.ready_key(false)));
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
    use crate::engine::value::list::List;
    use crate::engine::value::stream::StreamId;
    use crate::engine::{EngineOptions, Expiry, NewValue, Policy};

    const LISTS: Wants = Wants::Take(Type::List);

    fn group() -> Wants {
        Wants::Group(b"g".as_slice().into())
    }

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
            let ready = awaited.wait(&mut engine, waiter(id), key("l"), LISTS, false);
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
                .wait(&mut engine, waiter(5), key("l"), LISTS, false)
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
        awaited.wait(
            &mut engine,
            waiter(1),
            key("k"),
            Wants::Take(Type::SortedSet),
            false,
        );
        awaited.wait(&mut engine, waiter(2), key("k"), LISTS, false);
        awaited.wait(&mut engine, waiter(3), key("k"), Wants::Entries, false);
        assert!(
            awaited
                .wait(&mut engine, waiter(4), key("k"), group(), true)
                .is_empty()
        );
        let handle = engine.key(0, b"k");
        engine
            .set(&handle, NewValue::Bytes(b"text"), Expiry::None)
            .expect("memory");
        let touched = engine.take_touched();
        let ready = awaited.written(&mut engine, &touched);
        assert_eq!(
            ids(&ready),
            [4],
            "who reads for a group hears of the end of the stream"
        );
        assert!(ready[0].1.is_gone);
        assert!(awaited.leave(&mut engine, waiter(4), &key("k")).is_empty());
        engine.remove(&handle);
        push(&mut engine, "k", 1);
        assert_eq!(written(&mut awaited, &mut engine), [2]);
        awaited.leave(&mut engine, waiter(2), &key("k"));
        engine.remove(&handle);
        let grown = engine.edit_collection::<Stream, _>(&handle, true, |_, _| ());
        grown.expect("a stream");
        assert_eq!(written(&mut awaited, &mut engine), [3]);
    }

    #[test]
    fn one_who_comes_when_there_is_something_is_told_at_once() {
        let (mut engine, mut awaited) = (engine(), AwaitedKeys::default());
        push(&mut engine, "l", 1);
        let ready = awaited.wait(&mut engine, waiter(1), key("l"), LISTS, false);
        assert_eq!(ids(&ready), [1]);
        assert!(
            awaited
                .wait(&mut engine, waiter(2), key("l"), LISTS, false)
                .is_empty()
        );
        assert_eq!(ids(&awaited.leave(&mut engine, waiter(1), &key("l"))), [2]);
    }

    #[test]
    fn of_a_group_one_tries_at_a_time_as_long_as_there_is_something() {
        let (mut engine, mut awaited) = (engine(), AwaitedKeys::default());
        let handle = engine.key(0, b"s");
        let changed = |engine: &mut Engine, entries: u64, delivered: u64| {
            let changed = engine.edit_collection::<Stream, _>(&handle, true, |stream, _| {
                stream.create_group(b"g", StreamId::MIN, None);
                let id = |seq| StreamId { ms: 1, seq };
                if entries > 0 {
                    let set = stream.set_id(id(entries), None, None);
                    set.expect("no entry is behind it");
                }
                let mut group = stream.group_mut(b"g").expect("it was made");
                group.set_id(id(delivered), None);
            });
            changed.expect("a stream");
        };
        changed(&mut engine, 1, 1);
        for id in 1..=3 {
            let ready = awaited.wait(&mut engine, waiter(id), key("s"), group(), true);
            assert!(ready.is_empty(), "he has looked");
        }
        changed(&mut engine, 1, 1);
        assert!(
            written(&mut awaited, &mut engine).is_empty(),
            "the group has had it"
        );
        changed(&mut engine, 3, 1);
        assert_eq!(written(&mut awaited, &mut engine), [1]);
        let late = awaited.wait(&mut engine, waiter(4), key("s"), group(), false);
        assert!(late.is_empty(), "his turn will come");
        engine.without_waking(|engine| changed(engine, 3, 2));
        assert_eq!(ids(&awaited.leave(&mut engine, waiter(1), &key("s"))), [2]);
        engine.without_waking(|engine| changed(engine, 3, 3));
        assert!(awaited.leave(&mut engine, waiter(2), &key("s")).is_empty());
        engine.without_waking(|engine| changed(engine, 3, 2));
        let later = awaited.wait(&mut engine, waiter(5), key("s"), group(), false);
        assert_eq!(ids(&later), [3], "something may have come since he looked");
    }
}
