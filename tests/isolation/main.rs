//! Strict serializability: every command, EXEC and script takes effect at one point between its sending and its answer, whatever shards its keys are
//! on, and one connection's requests take effect in their order. Clients contend for few keys and record what they see; checkers judge the histories.
//! The decision worth knowing: the same workloads run against redis-server, with and without clients that cheat, which shows that what the checkers
//! demand is the truth and that they find what they should.
//!
//! `TORC_TEST_OPERATIONS` sets how many transactions all comparisons together make (210,000 unless told), `TORC_TEST_SEED` replays the choices of a
//! run (though not the schedule of its threads), `TORC_TEST_ISOLATION=1` claims isolation across shards for a server that has no EXEC yet.

#[path = "../support/mod.rs"]
mod support;

mod appends;
mod bank;
mod graph;
mod history;
mod lists;
mod model;
mod order;
mod planted;
mod registers;
mod search;
mod session;
mod stairs;
mod step;
mod subject;
mod watch;

use order::Making;
use registers::Variant;
use session::Cheat;
use subject::Subject;
use support::random::seed;
use support::server::tested_is_torc;

/// How many runs share the operations: seven workloads on five servers.
const RUNS: u64 = 35;

fn share() -> u64 {
    let total = std::env::var("TORC_TEST_OPERATIONS").map_or(210_000, |text| {
        text.parse().expect("TORC_TEST_OPERATIONS is a number")
    });
    total / RUNS
}

/// Runs a workload against redis-server and the tested program with one, two, three and five shards. A run says what is wrong, or None.
fn with_each_server(
    name: &str,
    needs_isolation: bool,
    run: impl Fn(&Subject, u64) -> Option<String>,
) {
    let seed = seed(name);
    let judge = |subject: Subject, server: &str| {
        if needs_isolation && !subject.abilities.isolates {
            println!("skipped: {server} does not isolate commands on several shards");
            return;
        }
        println!("{name} on {server}");
        if let Some(violation) = run(&subject, seed) {
            panic!("{name} on {server}, TORC_TEST_SEED={seed}:\n{violation}");
        }
        subject.server.stop();
    };
    if let Some(subject) = Subject::redis() {
        judge(subject, "redis-server");
    }
    let shards: &[usize] = if tested_is_torc() {
        &[1, 2, 3, 5]
    } else {
        &[1]
    };
    for count in shards {
        judge(
            Subject::tested(*count),
            &format!("the tested server with {count} shard(s)"),
        );
    }
}

#[test]
fn appends_to_lists_are_strictly_serializable() {
    with_each_server("lists", false, |subject, seed| {
        appends::run(subject.address(), subject.abilities, seed, share(), None)
    });
}

fn registers(expiry: bool) {
    let name = if expiry {
        "registers that expire"
    } else {
        "registers"
    };
    with_each_server(name, true, |subject, seed| {
        let variant = Variant {
            abilities: subject.abilities,
            expiry,
            cheat: None,
        };
        registers::run(subject.address(), variant, seed, share())
    });
}

#[test]
fn strings_sets_and_lists_are_strictly_serializable() {
    registers(false);
}

#[test]
fn so_are_keys_that_expire() {
    registers(true);
}

#[test]
fn nothing_is_lost_or_seen_twice_while_it_moves() {
    with_each_server("bank", true, |subject, seed| {
        bank::run(subject.address(), subject.abilities, seed, share())
    });
}

#[test]
fn exec_is_refused_exactly_when_a_watched_key_changed() {
    with_each_server("watch", false, |subject, seed| {
        match subject.abilities.exec {
            true => watch::run(subject.address(), seed, share()),
            false => {
                println!("skipped: no EXEC");
                None
            }
        }
    });
}

#[test]
fn what_a_connection_wrote_first_is_seen_first() {
    with_each_server("order", true, |subject, seed| {
        order::run(subject.address(), seed, share() / 2, Making::Mixed)
            .or_else(|| order::run(subject.address(), seed, share() / 2, Making::Plain))
    });
}

#[test]
fn writes_of_a_pipeline_are_seen_in_their_order() {
    with_each_server("stairs", true, |subject, seed| {
        let rounds = share();
        stairs::run(subject.address(), seed, rounds, false)
            .or_else(|| stairs::run(subject.address(), seed, rounds, true))
    });
}

/// Runs a workload with a client that cheats; the checker must find out.
fn is_caught(cheat: Cheat) {
    let seed = seed("cheat");
    let Some(subject) = Subject::redis() else {
        return;
    };
    let found = match cheat {
        Cheat::TornMset | Cheat::TornRename | Cheat::TornMove => {
            let variant = Variant {
                abilities: subject.abilities,
                expiry: false,
                cheat: Some(cheat),
            };
            registers::run(subject.address(), variant, seed, 100_000)
        }
        _ => appends::run(
            subject.address(),
            subject.abilities,
            seed,
            100_000,
            Some(cheat),
        ),
    };
    println!("{cheat:?}: {}", found.expect("it is found out"));
    subject.server.stop();
}

#[test]
fn a_torn_mset_is_caught() {
    is_caught(Cheat::TornMset);
}

#[test]
fn a_torn_rename_is_caught() {
    is_caught(Cheat::TornRename);
}

#[test]
fn a_torn_move_is_caught() {
    is_caught(Cheat::TornMove);
}

#[test]
fn a_torn_exec_is_caught() {
    is_caught(Cheat::TornExec);
}

#[test]
fn a_torn_script_is_caught() {
    is_caught(Cheat::TornScript);
}

#[test]
fn a_missing_watch_is_caught() {
    is_caught(Cheat::BlindExec);
}

#[test]
fn a_stale_read_is_caught() {
    is_caught(Cheat::StaleRead);
}

#[test]
fn reordered_requests_are_caught() {
    is_caught(Cheat::Reordered);
}

#[test]
fn a_torn_pair_a_careless_producer_and_a_wrong_expectation_are_noticed() {
    let seed = seed("notice");
    let Some(subject) = Subject::redis() else {
        return;
    };
    let address = subject.address();
    println!(
        "{}",
        bank::run_torn(address, seed, 100_000).expect("a reader sees half of a pair")
    );
    println!(
        "{}",
        order::run(address, seed, 10_000, Making::Careless).expect("a consumer finds no key")
    );
    assert_eq!(watch::run_wrong(address).len(), 2);
    subject.server.stop();
}
