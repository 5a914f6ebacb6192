//! The same random requests to torc and to a real memcached; the replies must be equal, but for what `compare` says.

use crate::contest::{Contest, contest};
use crate::proxy;
use crate::support::memcache::{Memcached, Subject, numbers_of_shards};
use crate::support::random::seed;
use std::net::SocketAddr;
use std::sync::Mutex;

/// The subject against a memcached; the subject is started anew when it died.
struct Servers {
    shards: usize,
    subject: Mutex<Subject>,
    oracle: Memcached,
}

impl Contest for Servers {
    fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (
            self.subject.lock().expect("not poisoned").address(),
            self.oracle.address(),
        )
    }

    fn revive(&self) -> (SocketAddr, SocketAddr) {
        let mut subject = self.subject.lock().expect("not poisoned");
        if subject.has_ended() {
            println!("the subject died and said:\n{}", subject.said());
            *subject = Subject::start(self.shards).expect("it started before");
        }
        (subject.address(), self.oracle.address())
    }
}

/// One comparison's share of the operations: there are fifteen, five kinds by three numbers of shards.
fn share() -> u64 {
    let total = std::env::var("TORC_TEST_OPERATIONS").map_or(150_000, |text| {
        text.parse().expect("TORC_TEST_OPERATIONS is a number")
    });
    total / 15
}

fn compare(name: &str, lanes: u64, protocols: [bool; 3]) {
    let seed = seed(name);
    for &shards in numbers_of_shards() {
        println!("shards: {shards}");
        let (Some(oracle), Some(subject)) = (Memcached::start(), Subject::start(shards)) else {
            return;
        };
        let servers = Servers {
            shards,
            subject: Mutex::new(subject),
            oracle,
        };
        if let Some(finding) = contest(&servers, seed, lanes, share(), protocols) {
            panic!("{}", finding.report);
        }
        servers.subject.into_inner().expect("not poisoned").stop();
    }
}

#[test]
fn the_text_protocol() {
    compare("text", 1, [true, false, false]);
}

#[test]
fn the_meta_protocol() {
    compare("meta", 1, [false, true, false]);
}

#[test]
fn the_binary_protocol() {
    compare("binary", 1, [false, false, true]);
}

#[test]
fn all_protocols_on_the_same_keys() {
    compare("all protocols", 1, [true; 3]);
}

#[test]
fn twenty_lanes_at_once() {
    compare("twenty lanes", 20, [true; 3]);
}

/// A memcached behind a proxy that lies, against another that does not.
struct Planted {
    liar: SocketAddr,
    oracle: Memcached,
}

impl Contest for Planted {
    fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.liar, self.oracle.address())
    }

    fn revive(&self) -> (SocketAddr, SocketAddr) {
        self.addresses()
    }
}

#[test]
fn a_planted_difference_is_found_and_made_short() {
    let seed = seed("planted difference");
    let (Some(behind), Some(oracle)) = (Memcached::start(), Memcached::start()) else {
        return;
    };
    let planted = Planted {
        liar: proxy::start(behind.address()),
        oracle,
    };
    for lanes in [1, 10] {
        let finding = contest(&planted, seed, lanes, 50_000, [true; 3]).expect("the lie is found");
        println!("{}", finding.report);
        assert!(
            finding.difference.subject.contains("touched"),
            "{}",
            finding.report
        );
        assert!(
            finding.difference.oracle.contains("TOUCHED"),
            "{}",
            finding.report
        );
        assert!(finding.sequence.len() <= 3, "not short: {}", finding.report);
    }
}
