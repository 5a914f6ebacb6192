//! `CONFIG SET appendonly yes` while clients write: from the moment at which the log is there, a kill loses nothing that was acknowledged, and nobody waits for ever.
//!
//! Never: kills before the log is complete. The decision worth knowing: transactions over several shards are under way all the time, so that a shard which begins its log before another one is found out.

use crate::client::{Writer, addresses};
use crate::running::Place;
use crate::support::client::Client;
use crate::support::random::{Random, seed};
use crate::support::{WAIT_LIMIT, eventually};
use crate::{is_skipped, rounds, snapshot};
use std::time::{Duration, Instant};

const WRITERS: u64 = 5;

/// Waits until no log is being made.
fn is_made(client: &mut Client) {
    eventually("the log is there", WAIT_LIMIT, || {
        let info = client.words("INFO persistence").text();
        info.contains("aof_rewrite_in_progress:0\r\n")
            && info.contains("aof_rewrite_scheduled:0\r\n")
    });
}

fn survive(shards: usize) {
    if is_skipped() {
        return;
    }
    let seed = seed(&format!("the log of {shards} shards begins"));
    let mut random = Random::new(seed);
    let mut answered = 0;
    for round in 0..rounds() {
        let mut place = Place::new(shards, &[("appendonly", "no")]);
        let running = place.start();
        let mut writers: Vec<Writer> = (0..WRITERS)
            .map(|number| Writer::new(&format!("c{number}:"), random.next()))
            .collect();
        let toggles = random.below(3);
        let pauses: Vec<u64> = (0..=toggles).map(|_| random.below(60)).collect();
        let began = Instant::now();
        std::thread::scope(|scope| {
            for writer in &mut writers {
                let addresses = addresses(&running);
                scope.spawn(move || writer.write(addresses));
            }
            let mut client = running.server.client();
            for (number, pause) in pauses.iter().enumerate() {
                if number > 0 {
                    assert_eq!(client.words("CONFIG SET appendonly no").text(), "OK");
                }
                std::thread::sleep(Duration::from_millis(*pause));
                assert_eq!(client.words("CONFIG SET appendonly yes").text(), "OK");
                is_made(&mut client);
            }
            std::thread::sleep(Duration::from_millis(100));
            running.kill();
        });
        let took = began.elapsed();
        assert!(
            took < WAIT_LIMIT,
            "TORC_TEST_SEED={seed}, round {round}: somebody waited in vain, {took:?}"
        );
        place.set("appendonly", "yes");
        let running = place.start();
        let found = snapshot::state(&mut running.server.client());
        for writer in &writers {
            answered += writer.answered.len();
            if let Err(wrong) = writer.check_all(&writer.own(&found)) {
                panic!(
                    "TORC_TEST_SEED={seed}, round {round}, {toggles} toggles, client {}:\n{wrong}",
                    writer.generator.prefix
                );
            }
        }
        running.server.stop();
    }
    println!("{answered} operations were answered");
    assert!(answered > 100, "hardly anything ran");
}

#[test]
fn one_shard_begins_its_log_while_it_serves() {
    survive(1);
}

#[test]
fn three_shards_begin_their_logs_while_they_serve() {
    survive(3);
}
