//! `kill -9` at random moments while clients write with `appendfsync always`: what was acknowledged is there after the next start, what was in flight is there as a whole or not at
//! all, and nothing else is.

use crate::client::{Writer, addresses};
use crate::queue::Queue;
use crate::running::Place;
use crate::snapshot;
use crate::support::random::{Random, seed};
use crate::support::reply::Reply;
use crate::{is_skipped, rounds};
use std::time::Duration;

const WRITERS: u64 = 5;

fn survive(shards: usize, options: &[(&'static str, &str)]) {
    if is_skipped() {
        return;
    }
    let seed = seed(&format!("crash of {shards} shards"));
    let mut random = Random::new(seed);
    let place = Place::new(shards, options);
    let mut writers: Vec<Writer> = (0..WRITERS)
        .map(|number| Writer::new(&format!("c{number}:"), random.next()))
        .collect();
    let mut queue = Queue::new();
    let mut answered = 0;
    for round in 0..=rounds() {
        let running = place.start();
        let found = snapshot::state(&mut running.server.client());
        let mut known = 0;
        for writer in &mut writers {
            let own = writer.own(&found);
            answered += writer.answered.len();
            if let Err(wrong) = writer.check_all(&own) {
                panic!(
                    "TORC_TEST_SEED={seed}, round {round}, client {}:\n{wrong}",
                    writer.generator.prefix
                );
            }
            known += own.len();
            writer.go_on(own);
        }
        if let Err(wrong) = queue.check(&found) {
            panic!("TORC_TEST_SEED={seed}, round {round}: {wrong}");
        }
        known += queue
            .names()
            .filter(|name| found.contains_key(*name))
            .count();
        let names: Vec<&String> = found.keys().collect();
        assert_eq!(
            known,
            found.len(),
            "TORC_TEST_SEED={seed}, round {round}: nobody wrote some of {names:?}"
        );
        if round == rounds() {
            break;
        }
        std::thread::scope(|scope| {
            for writer in &mut writers {
                let addresses = addresses(&running);
                scope.spawn(move || writer.write(addresses));
            }
            queue.spawn(scope, running.address);
            // Whatever the rewrite has reached when the end comes, nothing may be missing.
            if random.chance(50) {
                let reply = running.server.client().words("BGREWRITEAOF");
                assert!(matches!(reply, Reply::Simple(_)), "{reply:?}");
            }
            // This is the moment that is random, and not a wait for something to happen.
            std::thread::sleep(Duration::from_millis(50 + random.below(600)));
            running.kill();
        });
    }
    println!(
        "{answered} operations were answered, and {} elements went through the queue",
        queue.taken()
    );
    assert!(answered > 100 && queue.taken() > 10, "hardly anything ran");
}

#[test]
fn one_shard_survives_kills() {
    survive(1, &[]);
}

#[test]
fn two_shards_survive_kills() {
    survive(2, &[]);
}

#[test]
fn three_shards_survive_kills() {
    survive(3, &[]);
}
