//! Reads back what a server has, as the model's state or as all that can be said of each key. Never changes anything.

use crate::model::{State, Value};
use crate::support::client::{Client, request};
use crate::support::reply::Reply;
use std::collections::BTreeMap;

fn texts(reply: &Reply) -> Vec<Vec<u8>> {
    let elements = reply.elements().iter();
    elements.map(|element| element.bytes().to_vec()).collect()
}

fn pairs(reply: &Reply) -> Vec<(Vec<u8>, Vec<u8>)> {
    let texts = texts(reply);
    let pairs = texts.chunks(2);
    pairs
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect()
}

/// The first database, as a model's state; keys' types are what TYPE says.
pub fn state(client: &mut Client) -> State {
    let names = texts(&client.words("KEYS *"));
    let mut state = State::new();
    for name in names {
        let name = String::from_utf8(name).expect("keys of these tests are text");
        let kind = client.call(&["TYPE", &name]).text();
        let value = match kind.as_str() {
            "string" => Value::Text(client.call(&["GET", &name]).bytes().to_vec()),
            "list" => {
                let elements = client.call(&["LRANGE", &name, "0", "-1"]);
                Value::List(texts(&elements).into())
            }
            "set" => {
                let members = client.call(&["SMEMBERS", &name]);
                Value::Set(texts(&members).into_iter().collect())
            }
            "hash" => {
                let fields = client.call(&["HGETALL", &name]);
                Value::Hash(pairs(&fields).into_iter().collect())
            }
            "zset" => {
                let members = client.call(&["ZRANGE", &name, "0", "-1", "WITHSCORES"]);
                let score = |(member, score): (Vec<u8>, Vec<u8>)| {
                    let score = String::from_utf8(score).expect("text");
                    (member, score.parse().expect("scores are whole numbers"))
                };
                Value::Scores(pairs(&members).into_iter().map(score).collect())
            }
            "stream" => {
                let entries = client.call(&["XRANGE", &name, "-", "+"]);
                let of_entry = |entry: &Reply| {
                    let parts = entry.elements();
                    let value = parts[1].elements()[1].bytes().to_vec();
                    (parts[0].bytes().to_vec(), value)
                };
                Value::Stream(entries.elements().iter().map(of_entry).collect())
            }
            other => panic!("{name} is of type {other:?}, though nothing expires here"),
        };
        let at = client.call(&["PEXPIRETIME", &name]).integer();
        let expiry = u64::try_from(at).ok().map(|at| (at, at));
        state.insert(name, (value, expiry));
    }
    state
}

/// All that is known of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// What DUMP says.
    pub payload: Vec<u8>,
    /// Unix time in milliseconds, or -1.
    pub expires_at_ms: i64,
    /// Its tags, sorted.
    pub tags: Vec<Vec<u8>>,
    /// Its elements in an order that does not depend on that of a table; empty where the payload's is the only one.
    pub elements: Vec<Vec<u8>>,
}

/// What every key of every database is, by database and name.
pub fn everything(client: &mut Client, databases: usize) -> BTreeMap<(usize, Vec<u8>), Known> {
    let mut known = BTreeMap::new();
    for database in 0..databases {
        let chosen = client.call(&["SELECT", &database.to_string()]);
        assert_eq!(chosen.text(), "OK");
        for name in texts(&client.words("KEYS *")) {
            // What PFCOUNT remembers in a value is in no log, so it is to remember it at every look.
            let asked = [
                &b"PFCOUNT"[..],
                b"DUMP",
                b"PEXPIRETIME",
                b"CACHE.TAGS",
                b"TYPE",
            ];
            for command in asked {
                let bytes = request(&[command, &name]);
                client.send(&bytes).expect("the server receives");
            }
            let mut replies = asked.map(|_| client.read().expect("the server answers"));
            let kind = replies[4].text();
            let payload = match std::mem::replace(&mut replies[1], Reply::Null) {
                Reply::Bulk(payload) => payload,
                // It has expired in between.
                _ => continue,
            };
            let mut tags = texts(&replies[3]);
            tags.sort();
            let mut elements = in_order(client, &kind, &name);
            elements.sort();
            let key = Known {
                payload,
                expires_at_ms: replies[2].integer(),
                tags,
                elements,
            };
            known.insert((database, name), key);
        }
    }
    known
}

/// What a value consists of, for those whose DUMP depends on more than that.
fn in_order(client: &mut Client, kind: &str, name: &[u8]) -> Vec<Vec<u8>> {
    match kind {
        "set" => texts(&client.call(&[b"SMEMBERS", name])),
        "zset" => {
            let members = client.call(&[&b"ZRANGE"[..], name, b"0", b"-1", b"WITHSCORES"]);
            let pairs = pairs(&members);
            let joined = pairs.into_iter();
            joined
                .map(|(member, score)| [member, score].concat())
                .collect()
        }
        "hash" => {
            let pairs = pairs(&client.call(&[b"HGETALL", name]));
            let mut elements = Vec::new();
            for (field, value) in pairs {
                let asked = [&b"HPEXPIRETIME"[..], name, b"FIELDS", b"1", &field];
                let at = client.call(&asked).elements()[0].integer();
                let time = format!("@{at}").into_bytes();
                elements.push([field, b"=".to_vec(), value, time].concat());
            }
            elements
        }
        "stream" => {
            let all = client.call(&[&b"XINFO"[..], b"STREAM", name, b"FULL", b"COUNT", b"0"]);
            // How its entries are packed is nobody's business.
            let fields = all.elements().chunks(2);
            let fields = fields.filter(|field| !field[0].text().starts_with("radix-tree"));
            fields
                .map(|field| format!("{field:?}").into_bytes())
                .collect()
        }
        _ => Vec::new(),
    }
}
