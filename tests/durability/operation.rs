//! Random operations of a client on its own keys: what is sent, and what it changes. Never says whether it happened.

use crate::model::{Change, State, Value};
use crate::support::client::request;
use crate::support::random::Random;
use crate::support::reply::Reply;
use std::time::{SystemTime, UNIX_EPOCH};

/// Bytes at which a value is no longer kept among others.
const LARGE_BYTES: usize = 64 * 1024;

/// How an operation is sent, and what answers it.
#[derive(Clone, Debug)]
pub enum Sent {
    /// Requests in RESP, and the number of their replies.
    Resp(Vec<u8>, usize),
    /// A request of memcached's text protocol, answered by one line.
    Memcached(Vec<u8>),
}

/// What an operation does.
#[derive(Clone, Debug)]
pub enum Effect {
    /// These changes, all of them or none.
    Changes(Vec<Change>),
    /// A member of a set is taken, which one is the server's choice.
    Pop(String),
}

/// An operation.
#[derive(Clone, Debug)]
pub struct Operation {
    /// What to send.
    pub sent: Sent,
    /// What it does.
    pub effect: Effect,
    /// As text, for reports.
    pub shown: String,
}

/// Unix time in milliseconds.
pub fn now_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("the clock is past 1970").as_millis() as u64
}

/// Makes a client's operations.
pub struct Generator {
    /// Begins all keys.
    pub prefix: String,
    random: Random,
    /// Makes values and ids greater than all before.
    version: u64,
}

/// One command and its changes.
type Made = (Vec<Vec<u8>>, Vec<Change>);

fn words(line: &[&str]) -> Vec<Vec<u8>> {
    line.iter().map(|word| word.as_bytes().to_vec()).collect()
}

impl Generator {
    /// For keys with this prefix.
    pub fn new(prefix: &str, seed: u64) -> Generator {
        Generator {
            prefix: prefix.to_string(),
            random: Random::new(seed),
            version: 0,
        }
    }

    fn key(&mut self, kind: &str, count: u64) -> String {
        format!("{}{kind}{}", self.prefix, self.random.below(count))
    }

    fn value(&mut self) -> Vec<u8> {
        self.version += 1;
        let length = match self.random.below(200) {
            0 => LARGE_BYTES + self.random.below(5000) as usize,
            1..20 => self.random.below(5000) as usize,
            _ => self.random.below(40) as usize,
        };
        let mut value = format!("v{}-", self.version).into_bytes();
        value.resize(value.len() + length, b'.');
        value
    }

    fn small(&mut self) -> Vec<u8> {
        self.version += 1;
        format!("v{}", self.version).into_bytes()
    }

    fn any_key(&mut self) -> String {
        let (kind, count) = *self.random.pick(&KINDS);
        self.key(kind, count)
    }

    /// One command about one key.
    fn simple(&mut self) -> Made {
        let text = |key: &str| key.as_bytes().to_vec();
        match self.random.below(14) {
            0..3 => {
                let (key, value) = (self.key("text", 6), self.value());
                let line = vec![text("SET"), text(&key), value.clone()];
                (line, vec![Change::Set(key, value)])
            }
            3 => {
                let key = self.any_key();
                (words(&["DEL", &key]), vec![Change::Delete(key)])
            }
            4 => {
                let key = self.key("counter", 3);
                (words(&["INCR", &key]), vec![Change::Increment(key, 1)])
            }
            5 => {
                let (key, value) = (self.key("list", 4), self.value());
                let line = vec![text("RPUSH"), text(&key), value.clone()];
                (line, vec![Change::PushRight(key, value)])
            }
            6 => {
                let key = self.key("list", 4);
                (words(&["LPOP", &key]), vec![Change::PopLeft(key)])
            }
            7 => {
                let (key, value) = (self.key("hash", 3), self.value());
                let field = format!("f{}", self.random.below(20)).into_bytes();
                let line = vec![text("HSET"), text(&key), field.clone(), value.clone()];
                (line, vec![Change::HashSet(key, field, value)])
            }
            8 => {
                let key = self.key("scores", 3);
                self.version += 1;
                let (member, score) = (format!("m{}", self.random.below(20)), self.version as i64);
                let line = words(&["ZADD", &key, &score.to_string(), &member]);
                (line, vec![Change::Score(key, member.into_bytes(), score)])
            }
            9 => {
                let (key, value) = (self.key("stream", 2), self.value());
                let id = format!("{}-0", self.version);
                let mut line = words(&["XADD", &key, "MAXLEN", "20", &id, "field"]);
                line.push(value.clone());
                let id = id.into_bytes();
                (line, vec![Change::StreamAdd(key, id, value, 20)])
            }
            10 => {
                let (key, member) = (self.key("set", 4), self.small());
                let line = vec![text("SADD"), text(&key), member.clone()];
                (line, vec![Change::SetAdd(key, member)])
            }
            11 => {
                let key = self.any_key();
                let at = 4_000_000_000_000 + self.random.below(1000);
                let line = words(&["PEXPIREAT", &key, &at.to_string()]);
                (line, vec![Change::Expire(key, at, at)])
            }
            12 => {
                let key = self.any_key();
                let after = 10_000 + self.random.below(1000);
                let low = now_ms() + after * 1000 - 1000;
                let line = words(&["EXPIRE", &key, &after.to_string()]);
                (line, vec![Change::Expire(key, low, low + 60_000)])
            }
            _ => {
                let key = self.any_key();
                (words(&["PERSIST", &key]), vec![Change::Persist(key)])
            }
        }
    }

    /// One command about two keys.
    fn pair(&mut self, state: &State) -> Made {
        match self.random.below(4) {
            0 => {
                let (from, to) = (self.key("text", 6), self.key("text", 6));
                (
                    words(&["RENAME", &from, &to]),
                    vec![Change::Rename(from, to)],
                )
            }
            1 => {
                let (from, to) = (self.key("text", 6), self.key("text", 6));
                if from == to {
                    return self.simple();
                }
                (
                    words(&["COPY", &from, &to, "REPLACE"]),
                    vec![Change::Copy(from, to)],
                )
            }
            2 => {
                let (from, to) = (self.key("list", 4), self.key("list", 4));
                (
                    words(&["LMOVE", &from, &to, "LEFT", "RIGHT"]),
                    vec![Change::Move(from, to)],
                )
            }
            _ => {
                let (from, to) = (self.key("set", 4), self.key("set", 4));
                let member = match state.get(&from) {
                    Some((Value::Set(set), _)) => set.first().cloned().expect("it is not empty"),
                    _ => b"none".to_vec(),
                };
                let mut line = words(&["SMOVE", &from, &to]);
                line.push(member.clone());
                (line, vec![Change::SetMove(from, to, member)])
            }
        }
    }

    /// One command about several texts.
    fn several(&mut self) -> Made {
        let mut line = words(&["MSET"]);
        let mut changes = Vec::new();
        for number in 0..2 + self.random.below(4) {
            let (key, value) = (format!("{}text{number}", self.prefix), self.small());
            line.push(key.as_bytes().to_vec());
            line.push(value.clone());
            changes.push(Change::Set(key, value));
        }
        (line, changes)
    }

    /// A script about three keys, which it declares or finds while it runs.
    fn script(&mut self, declares: bool) -> Made {
        let (text, list, counter) = (
            self.key("text", 6),
            self.key("list", 4),
            self.key("counter", 3),
        );
        let value = self.small();
        let (source, declared) = match declares {
            false => (
                "redis.call('SET', ARGV[1], ARGV[4]) redis.call('RPUSH', ARGV[2], ARGV[4]) return redis.call('INCRBY', ARGV[3], 3)",
                "0",
            ),
            true => (
                "redis.call('SET', KEYS[1], ARGV[1]) redis.call('RPUSH', KEYS[2], ARGV[1]) return redis.call('INCRBY', KEYS[3], 3)",
                "3",
            ),
        };
        // Some run for so long that others are served in the middle, and end in a later turn than they began.
        let long = "for i = 1, 2000000 do end ";
        let source = match self.random.chance(10) {
            true => source.replace("return", &format!("{long}return")),
            false => source.to_string(),
        };
        let mut line = words(&["EVAL", &source, declared, &text, &list, &counter]);
        line.push(value.clone());
        let changes = vec![
            Change::Set(text, value.clone()),
            Change::PushRight(list, value),
            Change::Increment(counter, 3),
        ];
        (line, changes)
    }

    fn memcached(&mut self, state: &State) -> Operation {
        let (request, change): (Vec<u8>, Vec<Change>) = match self.random.below(4) {
            0 => {
                let (key, value) = (self.key("text", 6), self.value());
                let head = format!("set {key} 0 0 {}\r\n", value.len());
                let request = [head.as_bytes(), &value, b"\r\n"].concat();
                (request, vec![Change::Set(key, value)])
            }
            1 => {
                let key = self.key("counter", 3);
                let change = Change::Increment(key.clone(), 5);
                let changes = Vec::from_iter(state.contains_key(&key).then_some(change));
                (format!("incr {key} 5\r\n").into_bytes(), changes)
            }
            2 => {
                let (key, value) = (self.key("text", 6), self.small());
                let head = format!("append {key} 0 0 {}\r\n", value.len());
                let request = [head.as_bytes(), &value, b"\r\n"].concat();
                let change = Change::Append(key.clone(), value);
                (
                    request,
                    Vec::from_iter(state.contains_key(&key).then_some(change)),
                )
            }
            _ => {
                let key = self.key("text", 6);
                let after = 5000 + self.random.below(1000);
                let low = now_ms() + after * 1000 - 3000;
                let request = format!("touch {key} {after}\r\n").into_bytes();
                (request, vec![Change::Expire(key, low, low + 63_000)])
            }
        };
        Operation {
            shown: format!("memcached: {}", shown(std::slice::from_ref(&request))),
            sent: Sent::Memcached(request),
            effect: Effect::Changes(change),
        }
    }

    /// The next operation of a client whose keys are in this state.
    pub fn next(&mut self, state: &State) -> Operation {
        let one = |(line, changes): Made| Operation {
            shown: shown(&line),
            sent: Sent::Resp(request(&line), 1),
            effect: Effect::Changes(changes),
        };
        match self.random.below(100) {
            0..40 => one(self.simple()),
            40..52 => one(self.pair(state)),
            52..62 => one(self.several()),
            62..70 => {
                let declares = self.random.chance(70);
                one(self.script(declares))
            }
            70..82 => self.transaction(state),
            82..87 => {
                let key = self.key("set", 4);
                Operation {
                    shown: format!("SPOP {key}"),
                    sent: Sent::Resp(request(&["SPOP", &key]), 1),
                    effect: Effect::Pop(key),
                }
            }
            _ => self.memcached(state),
        }
    }

    fn transaction(&mut self, state: &State) -> Operation {
        let mut bytes = request(&["MULTI"]);
        let mut lines = Vec::new();
        let mut changes = Vec::new();
        let count = 1 + self.random.below(5) as usize;
        for _ in 0..count {
            let (line, more) = match self.random.below(8) {
                0 => self.several(),
                // A member is chosen as of before the transaction: it may have been moved by then, which changes nothing.
                1 => self.pair(state),
                2 => self.script(true),
                _ => self.simple(),
            };
            bytes.extend_from_slice(&request(&line));
            lines.push(shown(&line));
            changes.extend(more);
        }
        bytes.extend_from_slice(&request(&["EXEC"]));
        Operation {
            shown: format!("MULTI; {}; EXEC", lines.join("; ")),
            sent: Sent::Resp(bytes, count + 2),
            effect: Effect::Changes(changes),
        }
    }
}

/// Kinds of keys, and how many there are of each.
const KINDS: [(&str, u64); 7] = [
    ("text", 6),
    ("counter", 3),
    ("list", 4),
    ("hash", 3),
    ("scores", 3),
    ("stream", 2),
    ("set", 4),
];

fn shown(line: &[Vec<u8>]) -> String {
    let of_word = |word: &Vec<u8>| word[..word.len().min(60)].escape_ascii().to_string();
    line.iter().map(of_word).collect::<Vec<_>>().join(" ")
}

fn apply_all(changes: &[Change], state: &State) -> State {
    let mut state = state.clone();
    for change in changes {
        change.apply(&mut state);
    }
    state
}

impl Operation {
    /// The states that it may have led to, if it was carried out and nobody knows the reply.
    pub fn outcomes(&self, before: &State) -> Vec<State> {
        match &self.effect {
            Effect::Changes(changes) => vec![apply_all(changes, before)],
            Effect::Pop(key) => {
                let Some((Value::Set(members), _)) = before.get(key) else {
                    return vec![before.clone()];
                };
                let removed = |member: &Vec<u8>| {
                    apply_all(&[Change::SetRemove(key.clone(), member.clone())], before)
                };
                members.iter().map(removed).collect()
            }
        }
    }

    /// What it has changed, now that its last reply is known. Panics if that says that it went wrong.
    pub fn changes(&self, reply: &Reply) -> Vec<Change> {
        let is_wrong = |reply: &Reply| match reply {
            Reply::Error(text) => text != b"ERR no such key",
            _ => false,
        };
        let inner = match reply {
            Reply::Array(elements) => elements.iter().any(is_wrong),
            _ => false,
        };
        let is_memcached_error = matches!(self.sent, Sent::Memcached(_))
            && matches!(reply, Reply::Simple(text) if text.windows(5).any(|part| part == b"ERROR"));
        assert!(
            !is_wrong(reply) && !inner && !is_memcached_error,
            "{} was answered {reply:?}",
            self.shown
        );
        match (&self.effect, reply) {
            (Effect::Changes(changes), _) => changes.clone(),
            (Effect::Pop(key), Reply::Bulk(member)) => {
                vec![Change::SetRemove(key.clone(), member.clone())]
            }
            (Effect::Pop(_), Reply::Null) => Vec::new(),
            (Effect::Pop(_), other) => panic!("SPOP was answered {other:?}"),
        }
    }
}
