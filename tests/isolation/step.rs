//! The commands of these tests as values: how they are written to a server, and what a reply to them says. Never decides what a right reply is; that
//! is `model.rs`. All values are integers, so that a history takes little room and is quick to compare.

use crate::support::reply::Reply;

/// A key: a place in a table of names.
pub type Key = u32;

/// Which end of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Left,
    Right,
}

impl End {
    fn letter(self) -> &'static str {
        match self {
            End::Left => "L",
            End::Right => "R",
        }
    }

    fn word(self) -> &'static str {
        match self {
            End::Left => "LEFT",
            End::Right => "RIGHT",
        }
    }
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Get(Key),
    Set(Key, i64),
    /// SET with NX (true) or XX.
    SetIf(Key, i64, bool),
    /// SET with PX: a lifetime in milliseconds.
    SetFor(Key, i64, u64),
    GetSet(Key, i64),
    GetDelete(Key),
    Increase(Key, i64),
    Delete(Vec<Key>),
    Exists(Vec<Key>),
    GetMany(Vec<Key>),
    SetMany(Vec<(Key, i64)>),
    SetManyIfNone(Vec<(Key, i64)>),
    Rename(Key, Key),
    RenameIfNone(Key, Key),
    /// COPY with REPLACE.
    Copy(Key, Key),
    Push(Key, End, i64),
    Pop(Key, End),
    Range(Key),
    MoveElement(Key, Key, End, End),
    AddMember(Key, i64),
    RemoveMember(Key, i64),
    Members(Key),
    MoveMember(Key, Key, i64),
    Union(Vec<Key>),
    StoreUnion(Key, Vec<Key>),
    StoreIntersection(Key, Vec<Key>),
}

impl Step {
    /// The command's words, with the names of its keys.
    pub fn words(&self, names: &[String]) -> Vec<String> {
        let name = |key: &Key| names[*key as usize].clone();
        let all = |verb: &str, keys: &[Key]| -> Vec<String> {
            let keys = keys.iter().map(name);
            std::iter::once(verb.to_string()).chain(keys).collect()
        };
        let pairs = |verb: &str, pairs: &[(Key, i64)]| -> Vec<String> {
            let pairs = pairs
                .iter()
                .flat_map(|(key, value)| [name(key), value.to_string()]);
            std::iter::once(verb.to_string()).chain(pairs).collect()
        };
        let words = |words: &[&str]| -> Vec<String> {
            words.iter().map(|word| (*word).to_string()).collect()
        };
        match self {
            Step::Get(key) => words(&["GET", &name(key)]),
            Step::Set(key, value) => words(&["SET", &name(key), &value.to_string()]),
            Step::SetIf(key, value, none) => {
                let condition = if *none { "NX" } else { "XX" };
                words(&["SET", &name(key), &value.to_string(), condition])
            }
            Step::SetFor(key, value, lifetime_ms) => {
                let (value, lifetime) = (value.to_string(), lifetime_ms.to_string());
                words(&["SET", &name(key), &value, "PX", &lifetime])
            }
            Step::GetSet(key, value) => words(&["GETSET", &name(key), &value.to_string()]),
            Step::GetDelete(key) => words(&["GETDEL", &name(key)]),
            Step::Increase(key, amount) => words(&["INCRBY", &name(key), &amount.to_string()]),
            Step::Delete(keys) => all("DEL", keys),
            Step::Exists(keys) => all("EXISTS", keys),
            Step::GetMany(keys) => all("MGET", keys),
            Step::SetMany(values) => pairs("MSET", values),
            Step::SetManyIfNone(values) => pairs("MSETNX", values),
            Step::Rename(from, to) => words(&["RENAME", &name(from), &name(to)]),
            Step::RenameIfNone(from, to) => words(&["RENAMENX", &name(from), &name(to)]),
            Step::Copy(from, to) => words(&["COPY", &name(from), &name(to), "REPLACE"]),
            Step::Push(key, end, value) => words(&[
                &format!("{}PUSH", end.letter()),
                &name(key),
                &value.to_string(),
            ]),
            Step::Pop(key, end) => words(&[&format!("{}POP", end.letter()), &name(key)]),
            Step::Range(key) => words(&["LRANGE", &name(key), "0", "-1"]),
            Step::MoveElement(from, to, take, put) => {
                words(&["LMOVE", &name(from), &name(to), take.word(), put.word()])
            }
            Step::AddMember(key, member) => words(&["SADD", &name(key), &member.to_string()]),
            Step::RemoveMember(key, member) => words(&["SREM", &name(key), &member.to_string()]),
            Step::Members(key) => words(&["SMEMBERS", &name(key)]),
            Step::MoveMember(from, to, member) => {
                words(&["SMOVE", &name(from), &name(to), &member.to_string()])
            }
            Step::Union(keys) => all("SUNION", keys),
            Step::StoreUnion(to, keys) => {
                [all("SUNIONSTORE", &[*to]), all("", keys)[1..].to_vec()].concat()
            }
            Step::StoreIntersection(to, keys) => {
                [all("SINTERSTORE", &[*to]), all("", keys)[1..].to_vec()].concat()
            }
        }
    }

    /// Every key it names.
    pub fn keys(&self) -> Vec<Key> {
        match self {
            Step::Get(key)
            | Step::Set(key, _)
            | Step::SetIf(key, ..)
            | Step::SetFor(key, ..)
            | Step::GetSet(key, _)
            | Step::GetDelete(key)
            | Step::Increase(key, _)
            | Step::Push(key, ..)
            | Step::Pop(key, _)
            | Step::Range(key)
            | Step::AddMember(key, _)
            | Step::RemoveMember(key, _)
            | Step::Members(key) => vec![*key],
            Step::Rename(from, to)
            | Step::RenameIfNone(from, to)
            | Step::Copy(from, to)
            | Step::MoveElement(from, to, ..)
            | Step::MoveMember(from, to, _) => vec![*from, *to],
            Step::Delete(keys) | Step::Exists(keys) | Step::GetMany(keys) | Step::Union(keys) => {
                keys.clone()
            }
            Step::SetMany(pairs) | Step::SetManyIfNone(pairs) => {
                pairs.iter().map(|(key, _)| *key).collect()
            }
            Step::StoreUnion(to, keys) | Step::StoreIntersection(to, keys) => {
                [&[*to], keys.as_slice()].concat()
            }
        }
    }

    /// Whether it changes nothing.
    pub fn only_reads(&self) -> bool {
        matches!(
            self,
            Step::Get(_)
                | Step::GetMany(_)
                | Step::Exists(_)
                | Step::Range(_)
                | Step::Members(_)
                | Step::Union(_)
        )
    }

    /// What a reply says. Panics on an error that none of these commands may get.
    pub fn answer(&self, reply: &Reply) -> Answer {
        let mut answer = Answer::of(reply);
        if let (Step::Members(_) | Step::Union(_), Answer::Many(members)) = (self, &mut answer) {
            members.sort();
        }
        answer
    }
}

/// What a reply says, in RESP2 and RESP3 alike. Members of a set are in ascending order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    Null,
    Ok,
    /// An integer, or a text that is one.
    Number(i64),
    Many(Vec<Answer>),
    /// RENAME of a key that does not exist.
    NoSuchKey,
}

impl Answer {
    fn of(reply: &Reply) -> Answer {
        match reply {
            Reply::Null => Answer::Null,
            Reply::Simple(text) if text == b"OK" => Answer::Ok,
            Reply::Integer(number) => Answer::Number(*number),
            Reply::Bulk(text) => {
                let number = std::str::from_utf8(text).ok();
                let number = number.and_then(|text| text.parse().ok());
                Answer::Number(number.unwrap_or_else(|| panic!("not a number: {reply:?}")))
            }
            Reply::Array(elements) | Reply::Set(elements) => {
                Answer::Many(elements.iter().map(Answer::of).collect())
            }
            Reply::Error(text) if text.starts_with(b"ERR no such key") => Answer::NoSuchKey,
            other => panic!("not an answer to any of these commands: {other:?}"),
        }
    }

    /// Numbers of an aggregate.
    pub fn numbers(&self) -> Vec<i64> {
        match self {
            Answer::Many(elements) => elements
                .iter()
                .map(|element| match element {
                    Answer::Number(number) => *number,
                    other => panic!("not a number: {other:?}"),
                })
                .collect(),
            other => panic!("not an aggregate: {other:?}"),
        }
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Answer::Null => write!(formatter, "null"),
            Answer::Ok => write!(formatter, "OK"),
            Answer::Number(number) => write!(formatter, "{number}"),
            Answer::NoSuchKey => write!(formatter, "no such key"),
            Answer::Many(elements) => {
                // Of long lists the end tells most.
                const SHOWN: usize = 8;
                let hidden = elements.len().saturating_sub(SHOWN);
                let shown: Vec<String> = elements[hidden..].iter().map(Answer::to_string).collect();
                match hidden {
                    0 => write!(formatter, "[{}]", shown.join(" ")),
                    _ => write!(formatter, "[{hidden} more, {}]", shown.join(" ")),
                }
            }
        }
    }
}
