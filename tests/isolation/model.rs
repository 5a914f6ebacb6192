//! What the commands of `step.rs` do when they run one after the other: a keyspace small enough to be copied at each step of a search. Written from
//! the commands' documentation, never from torc's code. Expiry is not decided here: a value only knows between which times it vanishes.

use crate::step::{Answer, End, Key, Step};
use std::collections::{BTreeSet, VecDeque};

/// A value. Lists and sets that are empty do not exist.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Value {
    Number(i64),
    List(VecDeque<i64>),
    Set(BTreeSet<i64>),
}

/// From when a value may be gone, and from when it must be, in nanoseconds of the history's clock.
pub type Vanishes = (u64, u64);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Entry {
    value: Value,
    vanishes: Option<Vanishes>,
}

/// All keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Keyspace(Vec<Option<Entry>>);

/// How far the server's clock, which it reads once in a while, may lag behind.
const CLOCK_LAG_NS: u64 = 50_000_000;

impl Keyspace {
    /// So many keys, none of which exists.
    pub fn new(keys: usize) -> Keyspace {
        Keyspace(vec![None; keys])
    }

    /// The keys that vanish some time, with when.
    pub fn vanishing(&self) -> impl Iterator<Item = (Key, Vanishes)> + '_ {
        let with_keys = self.0.iter().enumerate();
        with_keys.filter_map(|(key, entry)| Some((key as Key, entry.as_ref()?.vanishes?)))
    }

    /// Takes a key away.
    pub fn remove(&mut self, key: Key) {
        self.0[key as usize] = None;
    }

    fn exists(&self, key: Key) -> bool {
        self.0[key as usize].is_some()
    }

    fn number(&self, key: Key) -> Option<i64> {
        match &self.0[key as usize].as_ref()?.value {
            Value::Number(number) => Some(*number),
            other => panic!("a workload keeps types apart, but here is {other:?}"),
        }
    }

    fn text(&self, key: Key) -> Answer {
        self.number(key).map_or(Answer::Null, Answer::Number)
    }

    fn put(&mut self, key: Key, value: Value) {
        let is_empty = match &value {
            Value::Number(_) => false,
            Value::List(list) => list.is_empty(),
            Value::Set(set) => set.is_empty(),
        };
        self.0[key as usize] = (!is_empty).then_some(Entry {
            value,
            vanishes: None,
        });
    }

    fn set(&mut self, key: Key, number: i64) {
        self.put(key, Value::Number(number));
    }

    fn list(&self, key: Key) -> VecDeque<i64> {
        match self.0[key as usize].as_ref().map(|entry| &entry.value) {
            None => VecDeque::new(),
            Some(Value::List(list)) => list.clone(),
            Some(other) => panic!("a workload keeps types apart, but here is {other:?}"),
        }
    }

    fn members(&self, key: Key) -> BTreeSet<i64> {
        match self.0[key as usize].as_ref().map(|entry| &entry.value) {
            None => BTreeSet::new(),
            Some(Value::Set(set)) => set.clone(),
            Some(other) => panic!("a workload keeps types apart, but here is {other:?}"),
        }
    }

    fn union(&self, keys: &[Key]) -> BTreeSet<i64> {
        keys.iter().flat_map(|key| self.members(*key)).collect()
    }

    fn take_element(&mut self, key: Key, end: End) -> Option<i64> {
        let mut list = self.list(key);
        let element = match end {
            End::Left => list.pop_front(),
            End::Right => list.pop_back(),
        }?;
        self.put(key, Value::List(list));
        Some(element)
    }

    fn add_element(&mut self, key: Key, end: End, element: i64) -> i64 {
        let mut list = self.list(key);
        match end {
            End::Left => list.push_front(element),
            End::Right => list.push_back(element),
        }
        let length = list.len() as i64;
        self.put(key, Value::List(list));
        length
    }

    /// Does what a command does and says what it answers. The transaction's times say when a lifetime may have begun.
    pub fn apply(&mut self, step: &Step, invoke_ns: u64, return_ns: u64) -> Answer {
        let truth = |is_true: bool| Answer::Number(i64::from(is_true));
        let numbers =
            |numbers: Vec<i64>| Answer::Many(numbers.into_iter().map(Answer::Number).collect());
        match step {
            Step::Get(key) => self.text(*key),
            Step::Set(key, value) => {
                self.set(*key, *value);
                Answer::Ok
            }
            Step::SetIf(key, value, none) => {
                if self.exists(*key) == *none {
                    return Answer::Null;
                }
                self.set(*key, *value);
                Answer::Ok
            }
            Step::SetFor(key, value, lifetime_ms) => {
                let lifetime_ns = lifetime_ms * 1_000_000;
                let earliest = invoke_ns
                    .saturating_add(lifetime_ns)
                    .saturating_sub(CLOCK_LAG_NS);
                let latest = return_ns
                    .saturating_add(lifetime_ns)
                    .saturating_add(CLOCK_LAG_NS);
                self.0[*key as usize] = Some(Entry {
                    value: Value::Number(*value),
                    vanishes: Some((earliest, latest)),
                });
                Answer::Ok
            }
            Step::GetSet(key, value) => {
                let old = self.text(*key);
                self.set(*key, *value);
                old
            }
            Step::GetDelete(key) => {
                let old = self.text(*key);
                self.remove(*key);
                old
            }
            Step::Increase(key, amount) => {
                let sum = self.number(*key).unwrap_or(0) + amount;
                let vanishes = self.0[*key as usize]
                    .as_ref()
                    .and_then(|entry| entry.vanishes);
                let value = Value::Number(sum);
                self.0[*key as usize] = Some(Entry { value, vanishes });
                Answer::Number(sum)
            }
            Step::Delete(keys) => {
                let before = self.0.iter().flatten().count();
                keys.iter().for_each(|key| self.remove(*key));
                Answer::Number((before - self.0.iter().flatten().count()) as i64)
            }
            Step::Exists(keys) => {
                Answer::Number(keys.iter().filter(|key| self.exists(**key)).count() as i64)
            }
            Step::GetMany(keys) => Answer::Many(keys.iter().map(|key| self.text(*key)).collect()),
            Step::SetMany(pairs) => {
                pairs.iter().for_each(|(key, value)| self.set(*key, *value));
                Answer::Ok
            }
            Step::SetManyIfNone(pairs) => {
                let free = !pairs.iter().any(|(key, _)| self.exists(*key));
                if free {
                    pairs.iter().for_each(|(key, value)| self.set(*key, *value));
                }
                truth(free)
            }
            Step::Rename(from, to) => {
                let Some(entry) = self.0[*from as usize].take() else {
                    return Answer::NoSuchKey;
                };
                self.0[*to as usize] = Some(entry);
                Answer::Ok
            }
            Step::RenameIfNone(from, to) => {
                if !self.exists(*from) {
                    return Answer::NoSuchKey;
                }
                let free = !self.exists(*to);
                if free {
                    self.0[*to as usize] = self.0[*from as usize].take();
                }
                truth(free)
            }
            Step::Copy(from, to) => {
                let entry = self.0[*from as usize].clone();
                let there = entry.is_some();
                if there {
                    self.0[*to as usize] = entry;
                }
                truth(there)
            }
            Step::Push(key, end, element) => Answer::Number(self.add_element(*key, *end, *element)),
            Step::Pop(key, end) => self
                .take_element(*key, *end)
                .map_or(Answer::Null, Answer::Number),
            Step::Range(key) => numbers(self.list(*key).into()),
            Step::MoveElement(from, to, take, put) => {
                let Some(element) = self.take_element(*from, *take) else {
                    return Answer::Null;
                };
                self.add_element(*to, *put, element);
                Answer::Number(element)
            }
            Step::AddMember(key, member) => {
                let mut set = self.members(*key);
                let is_new = set.insert(*member);
                self.put(*key, Value::Set(set));
                truth(is_new)
            }
            Step::RemoveMember(key, member) => {
                let mut set = self.members(*key);
                let was_there = set.remove(member);
                self.put(*key, Value::Set(set));
                truth(was_there)
            }
            Step::Members(key) => numbers(self.members(*key).into_iter().collect()),
            Step::MoveMember(from, to, member) => {
                let mut source = self.members(*from);
                let was_there = source.remove(member);
                if was_there && from != to {
                    self.put(*from, Value::Set(source));
                    let mut destination = self.members(*to);
                    destination.insert(*member);
                    self.put(*to, Value::Set(destination));
                }
                truth(was_there)
            }
            Step::Union(keys) => numbers(self.union(keys).into_iter().collect()),
            Step::StoreUnion(to, keys) => {
                let union = self.union(keys);
                let count = union.len() as i64;
                self.put(*to, Value::Set(union));
                Answer::Number(count)
            }
            Step::StoreIntersection(to, keys) => {
                let mut common = self.members(keys[0]);
                for key in &keys[1..] {
                    let members = self.members(*key);
                    common.retain(|member| members.contains(member));
                }
                let count = common.len() as i64;
                self.put(*to, Value::Set(common));
                Answer::Number(count)
            }
        }
    }

    /// What exists, on one line, for people.
    pub fn describe(&self, names: &[String]) -> String {
        let entries = self.0.iter().enumerate();
        let entries: Vec<String> = entries
            .filter_map(|(key, entry)| {
                let entry = entry.as_ref()?;
                let may_vanish = if entry.vanishes.is_some() {
                    " (expires)"
                } else {
                    ""
                };
                Some(format!("{}={:?}{may_vanish}", names[key], entry.value))
            })
            .collect();
        entries.join(" ")
    }
}
