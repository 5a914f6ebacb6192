//! Many clients at once, some of which die: every element is had exactly once.

use super::{blocked, flat, send, until_blocked};
use crate::support::client::Client;
use crate::support::reply::Reply;
use crate::support::server::Server;
use crate::support::{WAIT_LIMIT, eventually, with_each_number_of_shards};
use std::collections::BTreeMap;
use std::sync::Mutex;

const PRODUCERS: usize = 100;
const CONSUMERS: usize = 100;
const ITEMS_PER_PRODUCER: usize = 15;
const QUEUES: usize = 7;

/// How often each item was had.
type Counts = Mutex<BTreeMap<String, usize>>;

fn count(counts: &Counts, item: &str) {
    *counts
        .lock()
        .expect("no one panicked")
        .entry(item.to_string())
        .or_default() += 1;
}

/// Each item of all producers once.
fn check(counts: &Counts) {
    let counts = counts.lock().expect("no one panicked");
    let items = 0..PRODUCERS * ITEMS_PER_PRODUCER;
    let wrong: Vec<_> = items
        .clone()
        .filter(|item| counts.get(&item.to_string()) != Some(&1))
        .collect();
    assert!(wrong.is_empty(), "not had exactly once: {wrong:?}");
    assert_eq!(counts.len(), items.len());
    let sum: usize = counts
        .keys()
        .map(|item| item.parse::<usize>().expect("a number"))
        .sum();
    assert_eq!(sum, items.sum());
}

fn produce(server: &Server, number: usize, push: &str) {
    let mut client = server.client();
    for item in 0..ITEMS_PER_PRODUCER {
        let item = number * ITEMS_PER_PRODUCER + item;
        client.words(&format!("{push}:{} {item}", item % QUEUES));
    }
}

#[test]
fn every_item_is_popped_once() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        let counts = Counts::default();
        let queues: Vec<String> = (0..QUEUES).map(|queue| format!("queue:{queue}")).collect();
        std::thread::scope(|scope| {
            for number in 0..CONSUMERS {
                let (counts, queues) = (&counts, &queues);
                scope.spawn(move || {
                    let mut client = server.client();
                    // Each asks in an order of its own, and some for one element, some for several.
                    let mut own = queues.clone();
                    own.rotate_left(number % QUEUES);
                    let line = match number % 3 {
                        0 => format!("BLPOP {} stop 0", own.join(" ")),
                        1 => format!("BRPOP {} stop 0", own.join(" ")),
                        _ => format!(
                            "BLMPOP 0 {} {} stop LEFT COUNT 3",
                            QUEUES + 1,
                            own.join(" ")
                        ),
                    };
                    loop {
                        let reply = flat(&client.words(&line));
                        let mut words = reply.split(' ');
                        if words.next() == Some("stop") {
                            return;
                        }
                        words.for_each(|item| count(counts, item));
                        // Some go when they have got something, and come again.
                        if number % 5 == 0 {
                            client = server.client();
                        }
                    }
                });
            }
            until_blocked(&mut admin, CONSUMERS);
            // Others die where they wait.
            let dying: Vec<Client> = (0..20)
                .map(|_| {
                    let mut client = server.client();
                    send(&mut client, &format!("BLPOP {} stop 0", queues.join(" ")));
                    client
                })
                .collect();
            until_blocked(&mut admin, CONSUMERS + dying.len());
            drop(dying);
            until_blocked(&mut admin, CONSUMERS);
            let producers: Vec<_> = (0..PRODUCERS)
                .map(|number| scope.spawn(move || produce(server, number, "RPUSH queue")))
                .collect();
            for producer in producers {
                producer.join().expect("it has pushed");
            }
            eventually("all queues are empty", WAIT_LIMIT, || {
                admin
                    .words(&format!("EXISTS {}", queues.join(" ")))
                    .integer()
                    == 0
            });
            until_blocked(&mut admin, CONSUMERS);
            for left in (0..CONSUMERS).rev() {
                admin.words("RPUSH stop now");
                until_blocked(&mut admin, left);
            }
        });
        check(&counts);
        assert_eq!(admin.words("DBSIZE").integer(), 0);
    });
}

#[test]
fn workers_that_die_lose_no_job() {
    const WORKERS: usize = 60;
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        let counts = Counts::default();
        std::thread::scope(|scope| {
            for number in 0..WORKERS {
                let counts = &counts;
                scope.spawn(move || {
                    let queue = number % QUEUES;
                    let line = format!("BLMOVE jobs:{queue} processing:{number} RIGHT LEFT 0");
                    let mut client = server.client();
                    for round in 1.. {
                        // Some requests' clients die at once: what is moved for them stays in the list of what they work on.
                        if number % 4 == 1 && round % 5 == 0 {
                            send(&mut client, &line);
                            client = server.client();
                        }
                        let job = client.words(&line).text();
                        if job == "stop" {
                            client.words(&format!("LREM processing:{number} 1 stop"));
                            return;
                        }
                        count(counts, &job);
                        let removed = client.words(&format!("LREM processing:{number} 1 {job}"));
                        assert_eq!(removed.integer(), 1, "{job} is among those worked on");
                    }
                });
            }
            let producers: Vec<_> = (0..PRODUCERS)
                .map(|number| scope.spawn(move || produce(server, number, "LPUSH jobs")))
                .collect();
            for producer in producers {
                producer.join().expect("it has pushed");
            }
            // The dead are gone, the others have done all jobs and wait.
            eventually("the living wait", WAIT_LIMIT, || {
                blocked(&mut admin) == WORKERS
                    && admin.words("CLIENT LIST").text().lines().count() == WORKERS + 1
            });
            for queue in (0..WORKERS).map(|number| number % QUEUES) {
                admin.words(&format!("LPUSH jobs:{queue} stop"));
            }
        });
        for number in 0..WORKERS {
            let left = admin.words(&format!("LRANGE processing:{number} 0 -1"));
            left.elements()
                .iter()
                .for_each(|job| count(&counts, &job.text()));
        }
        check(&counts);
    });
}

/// Clients that move elements between lists and between sets, pop from several lists and read for a group, beside others that add: none is lost, none is had twice.
#[test]
fn nothing_is_lost_beside_commands_that_move() {
    const ADDED: usize = 600;
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        for stream in 0..4 {
            admin.words(&format!("XGROUP CREATE stream:{stream} group 0 MKSTREAM"));
        }
        let taken = Counts::default();
        std::thread::scope(|scope| {
            for adder in 0..4 {
                scope.spawn(move || {
                    let mut client = server.client();
                    for number in 0..ADDED {
                        let item = adder * ADDED + number;
                        client.words(&format!("RPUSH list:{} {item}", item % 4));
                        client.words(&format!("SADD set:{} {item}", item % 4));
                        client.words(&format!("XADD stream:{} * item {item}", item % 4));
                    }
                });
            }
            for mover in 0..4 {
                let taken = &taken;
                scope.spawn(move || {
                    let mut client = server.client();
                    let streams = "STREAMS stream:0 stream:1 stream:2 stream:3 > > > >";
                    let read = format!("XREADGROUP GROUP group {mover} COUNT 3 {streams}");
                    for number in 0..ADDED {
                        let (from, to) = (number % 4, (number + 1 + mover) % 4);
                        client.words(&format!("LMOVE list:{from} list:{to} LEFT RIGHT"));
                        client.words(&format!("RPOPLPUSH list:{to} list:{from}"));
                        let item = client.words(&format!("SRANDMEMBER set:{from}"));
                        if item != Reply::Null {
                            client.words(&format!("SMOVE set:{from} set:{to} {}", item.text()));
                        }
                        let popped = client.words("LMPOP 4 list:3 list:1 list:0 list:2 LEFT");
                        if let Reply::Array(parts) = popped {
                            count(taken, &flat(&parts[1]));
                        }
                        client.words(&read);
                    }
                });
            }
        });
        for list in 0..4 {
            for item in admin.words(&format!("LRANGE list:{list} 0 -1")).elements() {
                count(&taken, &item.text());
            }
        }
        let taken = taken.into_inner().expect("no one panicked");
        assert_eq!(taken.len(), 4 * ADDED, "elements of lists");
        assert!(taken.values().all(|count| *count == 1));
        let members: Vec<usize> = (0..4)
            .map(|set| {
                let members = admin.words(&format!("SMEMBERS set:{set}"));
                members.elements().len()
            })
            .collect();
        assert_eq!(members.iter().sum::<usize>(), 4 * ADDED, "members of sets");
        for stream in 0..4 {
            let length = admin.words(&format!("XLEN stream:{stream}"));
            assert_eq!(length.integer() as usize, ADDED, "entries of a stream");
        }
    });
}
