//! The order of one connection's writes, as dense as it gets: a writer sets keys of all shards to one number after the other, each round in one pipeline. Whoever reads a later
//! key and then an earlier one, over any connection or both at once, finds the earlier one at least as high; and no two keys of one moment are more than a round apart.

use crate::support::client::{Client, request};
use crate::support::random::Random;
use crate::support::reply::Reply;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Keys of a writer; few of them have one owner.
const KEYS: usize = 8;
const WRITERS: usize = 2;
const READERS: usize = 3;
/// Connections of a reader, which the server distributes.
const CONNECTIONS: usize = 6;
/// Rounds of the longest pipeline.
const ROUNDS: u64 = 20;

fn key(stairs: &str, writer: usize, step: usize) -> String {
    format!("{stairs}:{writer}:{step}")
}

fn write(client: &mut Client, random: &mut Random, stairs: &str, writer: usize, rounds: u64) {
    let mut round = 0;
    while round < rounds {
        let count = (1 + random.below(ROUNDS)).min(rounds - round);
        let mut requests = Vec::new();
        for number in round + 1..=round + count {
            for step in 0..KEYS {
                let (key, number) = (key(stairs, writer, step), number.to_string());
                requests.extend(request(&["SET", &key, &number]));
            }
        }
        client.send(&requests).expect("the server receives");
        for _ in 0..count * KEYS as u64 {
            let reply = client.read().expect("the server answers");
            assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
        }
        round += count;
    }
}

fn number(reply: &Reply) -> u64 {
    match reply {
        Reply::Null => 0,
        Reply::Bulk(bytes) => String::from_utf8_lossy(bytes).parse().expect("a number"),
        other => panic!("{other:?}"),
    }
}

/// Reads two keys of a writer, the later one first or both at once: what is wrong, or None.
fn look(
    clients: &mut [Client],
    random: &mut Random,
    stairs: &str,
    at_once: bool,
) -> Option<String> {
    let writer = random.below(WRITERS as u64) as usize;
    let later = 1 + random.below(KEYS as u64 - 1) as usize;
    let earlier = random.below(later as u64) as usize;
    let (first, second) = (key(stairs, writer, later), key(stairs, writer, earlier));
    let mut any = || random.below(CONNECTIONS as u64) as usize;
    let (after, before) = if at_once {
        match clients[any()].call(&["MGET", &first, &second]) {
            Reply::Array(values) => (number(&values[0]), number(&values[1])),
            other => panic!("{other:?}"),
        }
    } else {
        let after = number(&clients[any()].call(&["GET", &first]));
        (after, number(&clients[any()].call(&["GET", &second])))
    };
    if before < after || at_once && before > after + 1 {
        return Some(format!(
            "{first} was {after} and {second}, which is written before it, {before}; at once: {at_once}"
        ));
    }
    None
}

/// Climbs so many rounds while others look: what is wrong, or None. `transactions`: some of those who look read both keys at once.
pub fn run(address: SocketAddr, seed: u64, rounds: u64, transactions: bool) -> Option<String> {
    let random =
        |number: usize| Random::new(seed ^ (number as u64 + 1).wrapping_mul(0x5851_f42d_4c95_7f2d));
    let connect = || Client::connect(address).expect("the server accepts");
    let stairs = if transactions { "both" } else { "one" };
    let is_over = AtomicBool::new(false);
    let violation = Mutex::new(None);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn(move || {
                    write(&mut connect(), &mut random(writer), stairs, writer, rounds)
                })
            })
            .collect();
        for reader in 0..READERS {
            let (is_over, violation) = (&is_over, &violation);
            scope.spawn(move || {
                let mut clients: Vec<Client> = (0..CONNECTIONS).map(|_| connect()).collect();
                let mut random = random(WRITERS + reader);
                while !is_over.load(Ordering::Relaxed) {
                    let at_once = transactions && random.chance(30);
                    if let Some(what) = look(&mut clients, &mut random, stairs, at_once) {
                        violation
                            .lock()
                            .expect("no client panicked")
                            .get_or_insert(what);
                        return;
                    }
                }
            });
        }
        for writer in writers {
            writer.join().expect("the writer ends");
        }
        is_over.store(true, Ordering::Relaxed);
    });
    violation.into_inner().expect("no client panicked")
}
