//! The oracle: the same random commands go to torc and to a real redis-server, and the replies must be equal byte for byte,
//! but for what depends on the clock or on a server's own order. A difference is reported as a short sequence.
//!
//! `TORC_TEST_OPERATIONS` sets how many operations all comparisons together make (100,000 unless told), `TORC_TEST_SEED`
//! replays a run, `TORC_TEST_WITHOUT=LCS,OBJECT` leaves commands out; `TORC_TEST_FAMILY=1` tests the
//! commands of `families` nearly alone, `TORC_TEST_TRANSACTIONS=1` transactions and scripts made of all commands.

#[path = "../support/mod.rs"]
mod support;

mod choices;
mod compare;
mod families;
mod generate;
mod payloads;
mod proxy;
mod run;
mod together;

use run::{Contest, contest};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Mutex;
use support::random::seed;
use support::server::{Server, tested_is_torc};
use support::shrink::shrink;
use support::{WAIT_LIMIT, eventually};

/// The tested program against redis-server; the tested one is started anew when it died.
struct Servers {
    shards: usize,
    subject: Mutex<Server>,
    oracle: Server,
}

impl Servers {
    fn start(shards: usize) -> Option<Servers> {
        let oracle = start_oracle()?;
        let subject = Mutex::new(Server::start_with_shards(shards, &[]));
        Some(Servers {
            shards,
            subject,
            oracle,
        })
    }
}

fn start_oracle() -> Option<Server> {
    Server::start_redis(&[])
}

fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

impl Contest for Servers {
    fn addresses(&self) -> (SocketAddr, SocketAddr) {
        let subject = self.subject.lock().expect("not poisoned");
        (local(subject.port), local(self.oracle.port))
    }

    fn revive(&self) -> (SocketAddr, SocketAddr) {
        let mut subject = self.subject.lock().expect("not poisoned");
        if subject.has_ended() {
            println!("the subject died and said:\n{}", subject.said());
            *subject = Server::start_with_shards(self.shards, &[]);
        }
        (local(subject.port), local(self.oracle.port))
    }
}

/// One comparison's share of the operations: there are eight, four numbers of shards by two ways.
fn share() -> u64 {
    let total = std::env::var("TORC_TEST_OPERATIONS").map_or(100_000, |text| {
        text.parse().expect("TORC_TEST_OPERATIONS is a number")
    });
    total / 8
}

fn compare_with(shards: usize, connections: u64) {
    let seed = seed("oracle");
    let Some(servers) = Servers::start(shards) else {
        return;
    };
    if let Some(finding) = contest(&servers, seed, connections, share()) {
        panic!("{}", finding.report);
    }
    servers.subject.into_inner().expect("not poisoned").stop();
}

#[test]
fn fifty_connections_and_one_shard() {
    compare_with(1, 50);
}

#[test]
fn fifty_connections_and_two_shards() {
    compare_with(2, 50);
}

#[test]
fn fifty_connections_and_three_shards() {
    compare_with(3, 50);
}

#[test]
fn fifty_connections_and_five_shards() {
    compare_with(5, 50);
}

#[test]
fn whole_databases_and_one_shard() {
    compare_with(1, 1);
}

#[test]
fn whole_databases_and_two_shards() {
    compare_with(2, 1);
}

#[test]
fn whole_databases_and_three_shards() {
    compare_with(3, 1);
}

#[test]
fn whole_databases_and_five_shards() {
    compare_with(5, 1);
}

#[test]
fn a_sequence_shrinks_to_the_two_that_matter() {
    let sequence: Vec<u32> = (0..1000).collect();
    let shrunk = shrink(&sequence, |candidate| {
        candidate.contains(&137) && candidate.contains(&860)
    });
    assert_eq!(shrunk, [137, 860]);
}

/// A redis-server behind a proxy that lies, against another that does not.
struct Planted {
    liar: SocketAddr,
    oracle: Server,
}

impl Contest for Planted {
    fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.liar, local(self.oracle.port))
    }

    fn revive(&self) -> (SocketAddr, SocketAddr) {
        self.addresses()
    }
}

#[test]
fn a_planted_difference_is_found_and_made_short() {
    let seed = seed("planted difference");
    let (Some(behind), Some(oracle)) = (Server::start_redis(&[]), Server::start_redis(&[])) else {
        return;
    };
    let planted = Planted {
        liar: proxy::start(local(behind.port)),
        oracle,
    };
    for connections in [1, 10] {
        let finding = contest(&planted, seed, connections, 50_000).expect("the lie is found");
        println!("{}", finding.report);
        let last = &finding.sequence[finding.sequence.len() - 1];
        // HSTRLEN is lied about too. It may be what happens between WATCH and EXEC, or inside.
        let mut parts = vec![last];
        if let Some(transaction) = &last.transaction {
            parts.extend(transaction.between.iter().map(|(_, between)| between));
            parts.extend(&transaction.inside);
        }
        let is_lied_about = |part: &&generate::Operation| {
            let name = part.arguments.first().map(|name| name.to_ascii_uppercase());
            name.is_some_and(|name| name.ends_with(b"STRLEN"))
        };
        assert!(
            parts.iter().any(is_lied_about),
            "another difference: {}",
            finding.report
        );
        // Setting a long value may take a few steps (SELECT, SETRANGE, SWAPDB): none of those left can be left out.
        assert!(
            finding.sequence.len() <= 10,
            "not short: {}",
            finding.report
        );
        assert_ne!(finding.difference.subject, finding.difference.oracle);
    }
}

#[test]
fn keys_expire_in_time_and_leave_nothing_behind() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for key in 0..1000 {
        client
            .send(format!("SET expiring:{key} value PX {}\r\n", 1 + key % 300).as_bytes())
            .expect("sent");
    }
    for _ in 0..1000 {
        assert_eq!(client.read().expect("answered").text(), "OK");
    }
    assert_eq!(client.words("SET staying value").text(), "OK");
    assert_eq!(client.words("SET brief value PX 40").text(), "OK");
    eventually("an expired key cannot be read", WAIT_LIMIT, || {
        client.words("EXISTS brief").integer() == 0
    });
    assert_eq!(client.words("TTL brief").integer(), -2);
    // Nobody reads the others: it is upkeep that removes them.
    eventually("all expired keys are gone", WAIT_LIMIT, || {
        client.words("DBSIZE").integer() == 1
    });
    assert_eq!(client.words("GET staying").text(), "value");
    println!("tested torc: {}", tested_is_torc());
    server.stop();
}
