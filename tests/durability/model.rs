//! What a client's keys hold, and what each operation makes of that. Written apart from torc's engine on purpose, and plainly. Never talks to a server.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A value of some type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Text(Vec<u8>),
    List(VecDeque<Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
    Scores(BTreeMap<Vec<u8>, i64>),
    /// Entries: ids, and the values of their one field.
    Stream(Vec<(Vec<u8>, Vec<u8>)>),
}

/// When a key expires: no earlier and no later than this, in Unix milliseconds.
pub type Expiry = Option<(u64, u64)>;

/// All keys of a client.
pub type State = BTreeMap<String, (Value, Expiry)>;

/// One change; keys' names say their types, so that no operation meets a wrong one.
#[derive(Clone, Debug)]
pub enum Change {
    Set(String, Vec<u8>),
    Delete(String),
    Increment(String, i64),
    Append(String, Vec<u8>),
    PushRight(String, Vec<u8>),
    PopLeft(String),
    HashSet(String, Vec<u8>, Vec<u8>),
    Score(String, Vec<u8>, i64),
    StreamAdd(String, Vec<u8>, Vec<u8>, usize),
    SetAdd(String, Vec<u8>),
    SetRemove(String, Vec<u8>),
    /// The key expires between these times; what they bound is the server's clock.
    Expire(String, u64, u64),
    Persist(String),
    Rename(String, String),
    Copy(String, String),
    /// LMOVE LEFT RIGHT.
    Move(String, String),
    SetMove(String, String, Vec<u8>),
}

fn number(text: &[u8]) -> i64 {
    let text = std::str::from_utf8(text).expect("text");
    text.parse().expect("counters hold numbers")
}

impl Change {
    /// Carries it out.
    pub fn apply(&self, state: &mut State) {
        match self {
            Change::Set(key, value) => {
                state.insert(key.clone(), (Value::Text(value.clone()), None));
            }
            Change::Delete(key) => drop(state.remove(key)),
            Change::Increment(key, by) => {
                let text = || (Value::Text(b"0".to_vec()), None);
                if let (Value::Text(text), _) = state.entry(key.clone()).or_insert_with(text) {
                    *text = (number(text) + by).to_string().into_bytes();
                }
            }
            Change::Append(key, more) => {
                let empty = || (Value::Text(Vec::new()), None);
                if let (Value::Text(text), _) = state.entry(key.clone()).or_insert_with(empty) {
                    text.extend_from_slice(more);
                }
            }
            Change::PushRight(key, value) => list(state, key).push_back(value.clone()),
            Change::PopLeft(key) => {
                list(state, key).pop_front();
                tidy(state, key);
            }
            Change::HashSet(key, field, value) => {
                let empty = || (Value::Hash(BTreeMap::new()), None);
                if let (Value::Hash(hash), _) = state.entry(key.clone()).or_insert_with(empty) {
                    hash.insert(field.clone(), value.clone());
                }
            }
            Change::Score(key, member, score) => {
                let empty = || (Value::Scores(BTreeMap::new()), None);
                if let (Value::Scores(scores), _) = state.entry(key.clone()).or_insert_with(empty) {
                    scores.insert(member.clone(), *score);
                }
            }
            Change::StreamAdd(key, id, value, most) => {
                let empty = || (Value::Stream(Vec::new()), None);
                if let (Value::Stream(entries), _) = state.entry(key.clone()).or_insert_with(empty)
                {
                    entries.push((id.clone(), value.clone()));
                    entries.drain(..entries.len().saturating_sub(*most));
                }
            }
            Change::SetAdd(key, member) => {
                let empty = || (Value::Set(BTreeSet::new()), None);
                if let (Value::Set(set), _) = state.entry(key.clone()).or_insert_with(empty) {
                    set.insert(member.clone());
                }
            }
            Change::SetRemove(key, member) => {
                if let Some((Value::Set(set), _)) = state.get_mut(key) {
                    set.remove(member);
                }
                tidy(state, key);
            }
            Change::Expire(key, low, high) => {
                if let Some((_, expiry)) = state.get_mut(key) {
                    *expiry = Some((*low, *high));
                }
            }
            Change::Persist(key) => {
                if let Some((_, expiry)) = state.get_mut(key) {
                    *expiry = None;
                }
            }
            Change::Rename(from, to) => {
                if let Some(value) = state.remove(from) {
                    state.insert(to.clone(), value);
                }
            }
            Change::Copy(from, to) => {
                if let Some(value) = state.get(from).cloned() {
                    state.insert(to.clone(), value);
                }
            }
            Change::Move(from, to) => {
                if let Some(element) = list(state, from).pop_front() {
                    list(state, to).push_back(element);
                }
                tidy(state, from);
                tidy(state, to);
            }
            Change::SetMove(from, to, member) => {
                let found = match state.get_mut(from) {
                    Some((Value::Set(set), _)) => set.remove(member),
                    _ => false,
                };
                if found {
                    Change::SetAdd(to.clone(), member.clone()).apply(state);
                }
                tidy(state, from);
            }
        }
    }
}

fn list<'a>(state: &'a mut State, key: &str) -> &'a mut VecDeque<Vec<u8>> {
    let empty = || (Value::List(VecDeque::new()), None);
    match state.entry(key.to_string()).or_insert_with(empty) {
        (Value::List(list), _) => list,
        other => panic!("{key} holds no list: {other:?}"),
    }
}

/// A collection without elements is no key.
fn tidy(state: &mut State, key: &str) {
    let is_empty = match state.get(key) {
        Some((Value::List(list), _)) => list.is_empty(),
        Some((Value::Set(set), _)) => set.is_empty(),
        _ => false,
    };
    if is_empty {
        state.remove(key);
    }
}

/// Whether an observed key is the expected one; observed times of expiry are exact.
pub fn agrees(expected: &(Value, Expiry), observed: &(Value, Expiry)) -> bool {
    let in_time = match (expected.1, observed.1) {
        (None, None) => true,
        (Some((low, high)), Some((at, _))) => low <= at && at <= high,
        _ => false,
    };
    in_time && expected.0 == observed.0
}

/// The first key at which an observed state is not the expected one.
pub fn difference(expected: &State, observed: &State) -> Option<String> {
    let names: BTreeSet<&String> = expected.keys().chain(observed.keys()).collect();
    for name in names {
        let (wanted, found) = (expected.get(name), observed.get(name));
        let agree = match (wanted, found) {
            (Some(wanted), Some(found)) => agrees(wanted, found),
            _ => false,
        };
        if !agree {
            return Some(format!(
                "{name}: expected {}, found {}",
                shown(wanted),
                shown(found)
            ));
        }
    }
    None
}

fn shown(value: Option<&(Value, Expiry)>) -> String {
    let Some((value, expiry)) = value else {
        return "nothing".into();
    };
    let text = |bytes: &Vec<u8>| {
        let short = &bytes[..bytes.len().min(40)];
        format!("{}({})", short.escape_ascii(), bytes.len())
    };
    let shown = match value {
        Value::Text(bytes) => text(bytes),
        Value::List(elements) => format!("{:?}", elements.iter().map(text).collect::<Vec<_>>()),
        Value::Set(members) => format!("{:?}", members.iter().map(text).collect::<Vec<_>>()),
        Value::Hash(fields) => {
            let pairs = fields.iter();
            let pairs = pairs.map(|(field, value)| text(field) + "=" + &text(value));
            format!("{:?}", pairs.collect::<Vec<_>>())
        }
        Value::Scores(members) => {
            let pairs = members.iter();
            let pairs = pairs.map(|(member, score)| format!("{}={score}", text(member)));
            format!("{:?}", pairs.collect::<Vec<_>>())
        }
        Value::Stream(entries) => {
            let pairs = entries.iter();
            let pairs = pairs.map(|(id, value)| text(id) + "=" + &text(value));
            format!("{:?}", pairs.collect::<Vec<_>>())
        }
    };
    format!("{shown} expiring {expiry:?}")
}
