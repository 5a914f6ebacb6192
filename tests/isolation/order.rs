//! The order of one connection's requests, as other connections see it: a producer sets a job's key and then puts its name in a queue, on other shards
//! and in long pipelines; whoever takes the name must find the key.

use crate::support::client::{Client, request};
use crate::support::random::Random;
use crate::support::reply::Reply;
use crate::support::slots::name_in;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

const QUEUES: u32 = 3;
const PRODUCERS: u64 = 2;
const CONSUMERS: u64 = 4;
/// The longest pipeline, in jobs of two or three requests.
const PIPELINE: u64 = 1000;

fn queue(number: u32) -> String {
    name_in("queue", number, QUEUES)
}

/// A producer's jobs: every name is pushed after its key was set, by whichever command.
fn produce(client: &mut Client, random: &mut Random, producer: u64, jobs: u64) {
    let mut next = 0;
    while next < jobs {
        let longest = *random.pick(&[1, 16, PIPELINE]);
        let count = (1 + random.below(longest)).min(jobs - next);
        let (mut bytes, mut replies) = (Vec::new(), 0);
        for _ in 0..count {
            let name = format!("job:{producer}:{next}");
            let other = format!("other:{producer}:{next}");
            let queue = queue(random.below(u64::from(QUEUES)) as u32);
            match random.below(3) {
                0 => bytes.extend(request(&["MSET", &name, "1", &other, "1"])),
                1 => {
                    bytes.extend(request(&["SET", &other, "1"]));
                    bytes.extend(request(&["RENAME", &other, &name]));
                    replies += 1;
                }
                _ => bytes.extend(request(&["SET", &name, "1"])),
            }
            bytes.extend(request(&["LPUSH", &queue, &name]));
            replies += 2;
            next += 1;
        }
        client.send(&bytes).expect("the server receives");
        for _ in 0..replies {
            let reply = client.read().expect("the server answers");
            assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
        }
    }
}

/// Takes one job and looks for its key: whether there was one, or what is wrong.
fn consume(client: &mut Client, random: &mut Random) -> Result<bool, String> {
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
        return Ok(false);
    };
    match client.call(&[b"GET", name.as_slice()]) {
        Reply::Null => Err(format!(
            "{} was taken from a queue, but there is no such key",
            String::from_utf8_lossy(&name)
        )),
        _ => Ok(true),
    }
}

/// Passes so many jobs from producers to consumers: the first that was not found, or None.
pub fn run(address: SocketAddr, seed: u64, jobs: u64) -> Option<String> {
    let jobs_each = jobs / PRODUCERS;
    let violation = Mutex::new(None);
    let taken = AtomicU64::new(0);
    let random = |number: u64| Random::new(seed ^ (number + 1).wrapping_mul(0x5851_f42d_4c95_7f2d));
    let connect = || Client::connect(address).expect("the server accepts");
    std::thread::scope(|scope| {
        for producer in 0..PRODUCERS {
            scope
                .spawn(move || produce(&mut connect(), &mut random(producer), producer, jobs_each));
        }
        for consumer in 0..CONSUMERS {
            let (violation, taken) = (&violation, &taken);
            scope.spawn(move || {
                let (mut client, mut random) = (connect(), random(PRODUCERS + consumer));
                while taken.load(Ordering::Relaxed) < jobs_each * PRODUCERS {
                    match consume(&mut client, &mut random) {
                        Ok(false) => {}
                        outcome => {
                            taken.fetch_add(1, Ordering::Relaxed);
                            if let Err(what) = outcome {
                                violation
                                    .lock()
                                    .expect("no client panicked")
                                    .get_or_insert(what);
                            }
                        }
                    }
                }
            });
        }
    });
    violation.into_inner().expect("no client panicked")
}
