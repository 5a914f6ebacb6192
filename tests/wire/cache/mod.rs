//! CACHE.* over sockets, with one, two and five shards: tags whose items are on all shards, stampedes, and both protocols on one lease. Only for
//! torc: no other server has these commands.

mod stampede;
mod tags;

use crate::support::client::{Client, request};
use crate::support::reply::{Reply, printable};
use crate::support::server::{Server, tested_is_torc};
use crate::support::with_each_number_of_shards;

fn with_torc(test: impl Fn(&Server)) {
    if !tested_is_torc() {
        println!("skipped: no other server has these commands");
        return;
    }
    with_each_number_of_shards(&[], test);
}

/// What CACHE.GET replied.
#[derive(Debug, PartialEq)]
struct Got {
    value: Option<String>,
    state: String,
    token: Option<i64>,
    left_ms: i64,
}

impl Got {
    fn of(reply: &Reply) -> Got {
        let [value, state, token, left_ms] = reply.elements() else {
            panic!("four elements: {reply:?}");
        };
        let is_there = |part: &&Reply| **part != Reply::Null;
        Got {
            value: Some(value).filter(is_there).map(Reply::text),
            state: state.text(),
            token: Some(token).filter(is_there).map(Reply::integer),
            left_ms: left_ms.integer(),
        }
    }

    fn is(&self, value: Option<&str>, state: &str) -> bool {
        let is_won = state == "won";
        self.value.as_deref() == value && self.state == state && self.token.is_some() == is_won
    }
}

fn get(client: &mut Client, line: &str) -> Got {
    Got::of(&client.words(line))
}

/// Names whose slots are spread over all shards.
fn names(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("key:{number}")).collect()
}

#[test]
fn replies_are_the_same_with_any_number_of_shards() {
    let table = include_str!("../../../src/command/cache/replies.txt");
    let (table, _) = table.split_once("# What depends on the clock").unwrap();
    with_torc(|server| {
        let mut client = server.client();
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let (words, expected) = line.split_once(" => ").expect("a request and its reply");
            let words: Vec<&str> = words
                .split(' ')
                .map(|word| word.trim_matches('"'))
                .collect();
            client.send(&request(&words)).expect("the server receives");
            let reply = client.read_raw().expect("answered");
            assert_eq!(printable(&reply), expected, "{line}");
        }
    });
}
