//! `kill -9` under the load of loadgen, which writes, reads and deletes on many connections at full speed, opens them again when the server is back, and knows for each key which
//! changes were acknowledged and which were only sent.
//!
//! Never looks at what is there itself. The decision worth knowing: the server has the same Unix socket at every start, so that loadgen finds it without being told.

use crate::running::Place;
use crate::support::random::{Random, seed};
use crate::{is_skipped, rounds};
use loadgen::args::Plan;
use loadgen::run;
use std::sync::atomic::Ordering;
use std::time::Duration;

const CONNECTIONS: u64 = 8;
/// Kills a server of two shards again and again; `lives_for` is how long it is served each time at least, `lost_max` how much of the past may be missing.
fn survive(rule: &str, rounds: u64, lives_for: Duration, lost_max: Duration) {
    if is_skipped() {
        return;
    }
    let seed = seed(&format!("load, {rule}"));
    let mut random = Random::new(seed);
    let mut place = Place::new(2, &[("appendfsync", rule)]);
    let socket = place.path().join("socket");
    let socket = socket.to_str().expect("a path in UTF-8").to_string();
    place.set("unixsocket", &socket);
    let mut running = Some(place.start());
    let line = format!(
        "--unixsocket {socket} --verify=strict --reconnect 60 --lost-max {} --ratio 4:5:1 --keyspace 2000 --prefill --value-size 60-300 -c {CONNECTIONS} -t 2 -P 8 \
         --duration 3600 --seed {} --quiet",
        lost_max.as_millis(),
        seed % 1_000_000
    );
    let plan = Plan::of_line(&line).expect("a good command line");
    let end = plan.end.clone();
    let outcome = std::thread::scope(|scope| {
        let load = scope.spawn(|| run::run(plan).expect("the server is there"));
        for _ in 0..rounds {
            // This is the moment that is random, and not a wait for something to happen.
            std::thread::sleep(lives_for + Duration::from_millis(random.below(400)));
            if let Some(running) = running.take() {
                running.kill();
            }
            running = Some(place.start());
        }
        // It still looks at all that the last one has left.
        end.store(true, Ordering::Relaxed);
        load.join().expect("it does not panic")
    });
    running.expect("it was started again").server.stop();
    let stats = &outcome.stats;
    println!(
        "{rule}: {rounds} kills, {} connections opened again, {} replies, {} values right, {} not known",
        stats.reconnected,
        stats.replies(),
        stats.verified,
        stats.unverified
    );
    assert_eq!(
        stats.wrong_shown,
        Vec::<String>::new(),
        "TORC_TEST_SEED={seed}"
    );
    assert_eq!(
        (stats.wrong, outcome.failure),
        (0, None),
        "TORC_TEST_SEED={seed}"
    );
    // A thread that waited for the others at the end of the prefill has not seen a loss of that moment.
    assert!(stats.reconnected > (rounds - 1) * CONNECTIONS);
    assert!(
        stats.verified > rounds * 1000,
        "hardly anything was looked at"
    );
}

#[test]
fn what_was_acknowledged_is_there() {
    survive(
        "always",
        rounds(),
        Duration::from_millis(300),
        Duration::ZERO,
    );
}

#[test]
fn what_was_acknowledged_a_moment_before_is_there() {
    // A second, and as long again for a disk that is late with a sync while other tests use it, as Redis allows.
    let lost_max = Duration::from_millis(2000);
    survive(
        "everysec",
        rounds() / 3,
        lost_max + Duration::from_millis(300),
        lost_max,
    );
}
