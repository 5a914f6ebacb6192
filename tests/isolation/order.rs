//! The order of one connection's requests, as other connections see it: a producer sets a job's key and then puts its name in a queue, on other
//! shards and in long pipelines; whoever takes the name must find the key, and every name is taken once.

use crate::support::WAIT_LIMIT;
use crate::support::client::{Client, request};
use crate::support::random::Random;
use crate::support::reply::Reply;
use crate::support::slots::name_in;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Instant;

const QUEUES: u32 = 3;
const PRODUCERS: u64 = 2;
const CONSUMERS: u64 = 4;
/// The longest pipeline, in jobs of two or three requests.
const PIPELINE: u64 = 1000;

fn queue(number: u32) -> String {
    name_in("queue", number, QUEUES)
}

/// How jobs are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Making {
    /// By commands on one key, so that no transaction stands between them.
    Plain,
    /// By commands on several keys, too.
    Mixed,
    /// In the wrong order.
    Careless,
}

/// A producer's jobs: every name is pushed after its key was set, by whichever command; before it, by a careless one.
fn produce(client: &mut Client, random: &mut Random, producer: u64, jobs: u64, making: Making) {
    let mut next = 0;
    while next < jobs {
        let longest = *random.pick(&[1, 16, PIPELINE]);
        let count = (1 + random.below(longest)).min(jobs - next);
        let mut requests = Vec::new();
        for _ in 0..count {
            let name = format!("{making:?}:job:{producer}:{next}");
            let other = format!("{making:?}:other:{producer}:{next}");
            let queue = queue(random.below(u64::from(QUEUES)) as u32);
            let way = match making {
                Making::Plain => 2,
                _ => random.below(3),
            };
            match way {
                0 => requests.push(request(&["MSET", &name, "1", &other, "1"])),
                1 => {
                    requests.push(request(&["SET", &other, "1"]));
                    requests.push(request(&["RENAME", &other, &name]));
                }
                _ => requests.push(request(&["SET", &name, "1"])),
            }
            let push = request(&["LPUSH", &queue, &name]);
            if making == Making::Careless {
                call(client, &push);
            } else {
                requests.push(push);
            }
            next += 1;
        }
        client
            .send(&requests.concat())
            .expect("the server receives");
        requests.iter().for_each(|_| read(client));
    }
}

fn call(client: &mut Client, request: &[u8]) {
    client.send(request).expect("the server receives");
    read(client);
}

fn read(client: &mut Client) {
    let reply = client.read().expect("the server answers");
    assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
}

/// Takes one job and looks for its key: the name, if there was one, or what is wrong.
fn consume(
    client: &mut Client,
    random: &mut Random,
    making: Making,
) -> Result<Option<String>, String> {
    let queues: Vec<String> = (0..QUEUES).map(queue).collect();
    let popped = match random.chance(50) {
        true => client.call(&["RPOP", random.pick(&queues).as_str()]),
        false => {
            let head = ["BRPOP".to_string()];
            let reply = client.call(&[head.as_slice(), &queues, &["0.01".to_string()]].concat());
            match reply {
                Reply::Array(mut pair) => pair.swap_remove(1),
                other => other,
            }
        }
    };
    let Reply::Bulk(name) = popped else {
        assert_eq!(popped, Reply::Null, "a queue has names only");
        return Ok(None);
    };
    let name = String::from_utf8(name).expect("a name is text");
    // Readers of several keys at once see it, too.
    let reply = match (random.chance(10), making) {
        (true, Making::Mixed) => match client.call(&["MGET", &queues[0], &name]) {
            Reply::Array(mut values) => values.swap_remove(1),
            other => other,
        },
        _ => client.call(&["GET", &name]),
    };
    match reply {
        Reply::Null => Err(format!(
            "{name} was taken from a queue, but there is no such key"
        )),
        _ => Ok(Some(name)),
    }
}

/// What producers and consumers share.
#[derive(Default)]
struct Shop {
    taken: Mutex<BTreeSet<String>>,
    violation: Mutex<Option<String>>,
}

impl Shop {
    fn report(&self, what: String) {
        self.violation
            .lock()
            .expect("no client panicked")
            .get_or_insert(what);
    }

    /// Takes jobs until all are taken, something is wrong, or nothing has come for long.
    fn consume_all(&self, client: &mut Client, random: &mut Random, jobs: u64, making: Making) {
        let mut last = Instant::now();
        let mut before = 0;
        loop {
            match consume(client, random, making) {
                Ok(None) => {}
                Ok(Some(name)) => {
                    if !self
                        .taken
                        .lock()
                        .expect("no client panicked")
                        .insert(name.clone())
                    {
                        self.report(format!("{name} was taken twice"));
                    }
                }
                Err(what) => self.report(what),
            }
            let taken = self.taken.lock().expect("no client panicked").len() as u64;
            if taken >= jobs || self.violation.lock().expect("no client panicked").is_some() {
                return;
            }
            if taken > before {
                (before, last) = (taken, Instant::now());
            } else if last.elapsed() > WAIT_LIMIT {
                return self.report(format!(
                    "only {taken} of {jobs} jobs came out of the queues"
                ));
            }
        }
    }
}

/// Passes so many jobs from producers to consumers: what is wrong with one, or None.
pub fn run(address: SocketAddr, seed: u64, jobs: u64, making: Making) -> Option<String> {
    let jobs_each = jobs / PRODUCERS;
    let shop = Shop::default();
    let random = |number: u64| Random::new(seed ^ (number + 1).wrapping_mul(0x5851_f42d_4c95_7f2d));
    let connect = || Client::connect(address).expect("the server accepts");
    std::thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            scope.spawn(move || {
                produce(
                    &mut connect(),
                    &mut random(producer),
                    producer,
                    jobs_each,
                    making,
                )
            });
        }
        for consumer in 0..CONSUMERS {
            let shop = &shop;
            scope.spawn(move || {
                shop.consume_all(
                    &mut connect(),
                    &mut random(PRODUCERS + consumer),
                    jobs_each * PRODUCERS,
                    making,
                );
            });
        }
    });
    shop.violation.into_inner().expect("no client panicked")
}
