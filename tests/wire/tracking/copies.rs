//! Clients that keep copies of what they have read, as CLIENT TRACKING is for: when all is quiet every copy is what the server has.

use super::{flat, names, tracker};
use crate::support::client::{Client, request};
use crate::support::random::{Random, seed};
use crate::support::reply::Reply;
use crate::support::with_each_number_of_shards;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

const KEYS: usize = 12;
const WRITES: usize = 400;

/// A client with its copies.
struct Keeper {
    client: Client,
    copies: HashMap<String, String>,
}

impl Keeper {
    /// Reads up to the next reply, and drops the copies that it is told to drop meanwhile.
    fn reply(&mut self) -> Reply {
        loop {
            match self.client.read().expect("answered") {
                Reply::Push(elements) => {
                    assert_eq!(elements[0].text(), "invalidate");
                    match &elements[1] {
                        Reply::Null => self.copies.clear(),
                        keys => {
                            for key in keys.elements() {
                                self.copies.remove(&key.text());
                            }
                        }
                    }
                }
                reply => return reply,
            }
        }
    }

    fn ask(&mut self, words: &[&str]) -> Reply {
        self.client.send(&request(words)).expect("received");
        self.reply()
    }

    /// Reads keys, one at a time or several, and keeps what comes.
    fn look(&mut self, random: &mut Random, keys: &[String]) {
        if random.chance(50) {
            let key = random.pick(keys);
            let value = flat(&self.ask(&["GET", key]));
            self.copies.insert(key.clone(), value);
            return;
        }
        let some: Vec<&String> = (0..3).map(|_| random.pick(keys)).collect();
        let words = [
            &["MGET"],
            &some.iter().map(|key| key.as_str()).collect::<Vec<_>>()[..],
        ]
        .concat();
        let values = self.ask(&words);
        for (key, value) in some.into_iter().zip(values.elements()) {
            self.copies.insert(key.clone(), flat(value));
        }
    }
}

fn write(random: &mut Random, client: &mut Client, keys: &[String], number: usize) {
    let (a, b) = (random.pick(keys).clone(), random.pick(keys).clone());
    let lines: Vec<String> = match random.below(8) {
        0 => vec![format!("DEL {a} {b}")],
        1 => vec![format!("RENAME {a} {b}")],
        2 => vec![format!("MSET {a} {number} {b} {number}")],
        3 => vec![
            "MULTI".into(),
            format!("SET {a} {number}"),
            format!("SET {b} {number}"),
            "EXEC".into(),
        ],
        4 => vec![format!("SET {a} {number} PX 3")],
        5 => vec![format!("COPY {a} {b} REPLACE")],
        6 if random.chance(10) => vec!["FLUSHALL".into()],
        _ => vec![format!("SET {a} {number}")],
    };
    for line in lines {
        client.words(&line);
    }
}

#[test]
fn no_copy_is_old_when_all_is_quiet() {
    let seed = seed("no_copy_is_old_when_all_is_quiet");
    for mode in ["", " BCAST", " BCAST PREFIX key:", " OPTOUT"] {
        with_each_number_of_shards(&[], |server| {
            let keys = names(KEYS);
            let is_over = AtomicBool::new(false);
            let mut keepers: Vec<Keeper> = std::thread::scope(|scope| {
                let (keys, is_over) = (&keys, &is_over);
                let keepers: Vec<_> = (0..4)
                    .map(|number| {
                        let mut keeper = Keeper {
                            client: tracker(server, &format!("CLIENT TRACKING ON{mode}")),
                            copies: HashMap::new(),
                        };
                        scope.spawn(move || {
                            let mut random = Random::new(seed ^ number);
                            while !is_over.load(Ordering::Relaxed) {
                                keeper.look(&mut random, keys);
                            }
                            keeper
                        })
                    })
                    .collect();
                let writers: Vec<_> = (0..2)
                    .map(|number| {
                        let mut client = server.client();
                        scope.spawn(move || {
                            let mut random = Random::new(seed ^ 77 ^ number);
                            for number in 0..WRITES {
                                write(&mut random, &mut client, keys, number);
                            }
                        })
                    })
                    .collect();
                writers
                    .into_iter()
                    .for_each(|writer| writer.join().expect("it has written"));
                is_over.store(true, Ordering::Relaxed);
                let joined = keepers.into_iter().map(|keeper| keeper.join());
                joined.map(|keeper| keeper.expect("it has read")).collect()
            });
            let mut admin = server.client();
            let now: Vec<String> = keys
                .iter()
                .map(|key| flat(&admin.words(&format!("GET {key}"))))
                .collect();
            for keeper in &mut keepers {
                // What is told leaves before the reply of who has changed something, so that it has come when this is answered.
                crate::support::eventually("no copy is old", crate::support::WAIT_LIMIT, || {
                    keeper.ask(&["PING"]);
                    let mut pairs = keys.iter().zip(&now);
                    pairs
                        .all(|(key, value)| keeper.copies.get(key).is_none_or(|copy| copy == value))
                });
            }
        });
    }
}
