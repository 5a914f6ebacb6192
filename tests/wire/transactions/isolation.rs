//! Many clients at once: every reader sees all of a writer's keys or none.

use super::{names, pipeline, transaction};
use crate::support::client::{Client, request};
use crate::support::random::{Random, seed};
use crate::support::reply::Reply;
use crate::support::server::Server;
use crate::support::with_each_number_of_shards;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

const KEYS: usize = 5;
const ROUNDS: usize = 300;

/// Runs writers for so many rounds each, and readers until they are done.
fn at_once(writers: &[&(dyn Fn(usize) + Sync)], readers: &[&(dyn Fn() + Sync)]) {
    let left = &AtomicUsize::new(writers.len());
    std::thread::scope(|scope| {
        for write in writers {
            scope.spawn(move || {
                (0..ROUNDS).for_each(write);
                left.fetch_sub(1, Ordering::Relaxed);
            });
        }
        for read in readers {
            scope.spawn(move || {
                while left.load(Ordering::Relaxed) > 0 {
                    read();
                }
            });
        }
    });
}

/// A client that several calls of one thread share.
fn shared(server: &Server) -> std::sync::Mutex<Client> {
    std::sync::Mutex::new(server.client())
}

fn all_alike(reply: &Reply) {
    let values: BTreeSet<&Reply> = reply.elements().iter().collect();
    assert!(values.len() == 1, "a part of a write: {reply:?}");
}

#[test]
fn nobody_sees_a_part_of_a_write() {
    with_each_number_of_shards(&[], |server| {
        let keys = names(KEYS);
        let clients: Vec<_> = (0..6).map(|_| shared(server)).collect();
        let all = keys.join(" ");
        let pairs = |value: &str| {
            let pairs: Vec<String> = keys.iter().map(|key| format!("{key} {value}")).collect();
            pairs.join(" ")
        };
        clients[0]
            .lock()
            .unwrap()
            .words(&format!("MSET {}", pairs("0")));
        let mset = |round: usize| {
            let line = format!("MSET {}", pairs(&format!("m{round}")));
            assert_eq!(clients[0].lock().unwrap().words(&line).text(), "OK");
        };
        let multi = |round: usize| {
            let set = |key: &String| format!("SET {key} t{round}");
            let commands: Vec<String> = keys.iter().rev().map(set).collect();
            let reply = transaction(&mut clients[1].lock().unwrap(), &commands);
            assert_eq!(reply.elements().len(), KEYS);
        };
        // One of the commands takes several rounds between shards.
        let renaming = |round: usize| {
            let mut commands = vec![format!("SET other r{round}")];
            let set = |key: &String| format!("SET {key} r{round}");
            commands.extend(keys[1..].iter().map(set));
            commands.push(format!("RENAME other {}", keys[0]));
            let reply = transaction(&mut clients[2].lock().unwrap(), &commands);
            assert_eq!(reply.elements().last().expect("RENAME").text(), "OK");
        };
        let mget = || all_alike(&clients[3].lock().unwrap().words(&format!("MGET {all}")));
        let gets = || {
            let commands: Vec<String> = keys.iter().map(|key| format!("GET {key}")).collect();
            all_alike(&transaction(&mut clients[4].lock().unwrap(), &commands));
        };
        at_once(&[&mset, &multi, &renaming], &[&mget, &gets]);
    });
}

#[test]
fn an_element_that_moves_is_in_one_place() {
    with_each_number_of_shards(&[], |server| {
        let keys = names(3);
        let clients: Vec<_> = (0..4).map(|_| shared(server)).collect();
        clients[0]
            .lock()
            .unwrap()
            .words(&format!("SADD {} m", keys[0]));
        clients[0]
            .lock()
            .unwrap()
            .words(&format!("RPUSH l{} e", keys[0]));
        let moving = |round: usize| {
            let (from, to) = (&keys[round % 3], &keys[(round + 1) % 3]);
            let reply = clients[0]
                .lock()
                .unwrap()
                .words(&format!("SMOVE {from} {to} m"));
            assert_eq!(reply.integer(), 1);
            let line = format!("LMOVE l{from} l{to} LEFT RIGHT");
            assert_eq!(clients[0].lock().unwrap().words(&line).text(), "e");
        };
        // Together they may only ever see one.
        let union = || {
            let line = format!("SUNION {}", keys.join(" "));
            assert_eq!(clients[1].lock().unwrap().words(&line).elements().len(), 1);
        };
        let counting = || {
            let mut commands: Vec<String> = keys.iter().map(|key| format!("SCARD {key}")).collect();
            commands.extend(keys.iter().map(|key| format!("LLEN l{key}")));
            let reply = transaction(&mut clients[2].lock().unwrap(), &commands);
            let counts: Vec<i64> = reply.elements().iter().map(Reply::integer).collect();
            assert_eq!(counts[..3].iter().sum::<i64>(), 1, "{counts:?}");
            assert_eq!(counts[3..].iter().sum::<i64>(), 1, "{counts:?}");
        };
        let everything = || {
            let reply = clients[3].lock().unwrap().words("KEYS *");
            assert_eq!(reply.elements().len(), 2, "{reply:?}");
        };
        at_once(&[&moving], &[&union, &counting, &everything]);
    });
}

/// A worker that is told of a job finds it.
#[test]
fn a_later_write_of_a_pipeline_is_not_seen_without_the_earlier() {
    with_each_number_of_shards(&[], |server| {
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut client = server.client();
                for round in 0..60 {
                    let mut lines = Vec::new();
                    for job in 0..40 {
                        lines.push(format!("SET job:{round}:{job} {job}"));
                        lines.push(format!("LPUSH queue job:{round}:{job}"));
                    }
                    pipeline(&mut client, &lines);
                }
                is_over.store(true, Ordering::Relaxed);
            });
            scope.spawn(|| {
                let mut client = server.client();
                let mut found = 0;
                loop {
                    let was_over = is_over.load(Ordering::Relaxed);
                    let job = client.words("RPOP queue");
                    if job == Reply::Null {
                        if was_over {
                            break;
                        }
                        continue;
                    }
                    let value = client.words(&format!("GET {}", job.text()));
                    assert!(value != Reply::Null, "{job:?} is not there");
                    found += 1;
                }
                assert_eq!(found, 60 * 40);
            });
        });
    });
}

/// Clients that go in the middle leave no lock behind, and what they began is done wholly or not at all.
#[test]
fn clients_that_die_leave_nothing_half_done() {
    let seed = seed("clients_that_die_leave_nothing_half_done");
    with_each_number_of_shards(&[], |server| {
        let keys = names(KEYS);
        let mut random = Random::new(seed);
        let mut reader = server.client();
        let mget = format!("MGET {}", keys.join(" "));
        for round in 0..150 {
            let mut client = server.client();
            let mut bytes = request(&["MULTI"]);
            for key in &keys {
                bytes.extend(request(&["SET", key, &round.to_string()]));
                bytes.extend(request(&["SINTERSTORE", "x", "y", "z"]));
            }
            bytes.extend(request(&["EXEC"]));
            let sent = match random.below(3) {
                0 => random.below(bytes.len() as u64) as usize,
                _ => bytes.len(),
            };
            client.send(&bytes[..sent]).expect("the server receives");
            drop(client);
            all_alike(&reader.words(&mget));
        }
        // Nobody holds anything any more.
        let all: Vec<String> = keys.iter().map(|key| format!("{key} end")).collect();
        assert_eq!(
            reader.words(&format!("MSET {}", all.join(" "))).text(),
            "OK"
        );
        assert_eq!(reader.words("FLUSHALL").text(), "OK");
    });
}
