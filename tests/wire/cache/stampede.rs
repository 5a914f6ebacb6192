//! Many clients want one missing or old value at the same moment: exactly one of them gets the lease, and another when it dies.

use super::{Got, get, with_torc};
use crate::support::client::{Client, request};
use crate::support::memcache::Subject;
use crate::support::server::{Server, tested_is_torc};
use crate::support::{WAIT_LIMIT, eventually};

const CLIENTS: usize = 50;

fn crowd(server: &Server) -> Vec<Client> {
    (0..CLIENTS).map(|_| server.client()).collect()
}

/// Sends a request over all connections before the first reply is read.
fn ask_all(clients: &mut [Client], line: &str) -> Vec<Got> {
    let words: Vec<&str> = line.split(' ').collect();
    for client in clients.iter_mut() {
        client.send(&request(&words)).expect("the server receives");
    }
    let replies = clients
        .iter_mut()
        .map(|client| client.read().expect("answered"));
    replies.map(|reply| Got::of(&reply)).collect()
}

/// One reply is the winner's, all others are this one; the winner's number and token.
fn one_wins(got: &[Got], value: Option<&str>, state: &str) -> (usize, i64) {
    let winners: Vec<usize> = (0..got.len())
        .filter(|&at| got[at].is(value, "won"))
        .collect();
    let others = got.iter().filter(|got| got.is(value, state)).count();
    assert_eq!((winners.len(), others), (1, got.len() - 1), "{got:?}");
    let winner = winners[0];
    (winner, got[winner].token.expect("the winner's"))
}

#[test]
fn one_of_fifty_makes_the_value() {
    with_torc(|server| {
        let mut clients = crowd(server);
        for round in 0..5 {
            let key = format!("key:{round}");
            let ask = format!("CACHE.GET {key} LEASE 30");
            let (winner, token) = one_wins(&ask_all(&mut clients, &ask), None, "wait");
            let fill = format!("CACHE.FILL {key} {token} new EX 100 TAGS 1 t");
            assert_eq!(clients[winner].words(&fill).integer(), 1);
            let got = ask_all(&mut clients, &ask);
            assert!(got.iter().all(|got| got.is(Some("new"), "hit")), "{got:?}");
            // It gets old, and all have the old value until the new one is there.
            assert_eq!(clients[0].words(&format!("CACHE.STALE {key}")).integer(), 1);
            let (winner, token) = one_wins(&ask_all(&mut clients, &ask), Some("new"), "stale");
            let fill = format!("CACHE.FILL {key} {token} newer EX 100");
            assert_eq!(clients[winner].words(&fill).integer(), 1);
            // It expires soon, and all others have it as if it did not.
            let ask = format!("{ask} REFRESH 200");
            let (winner, token) = one_wins(&ask_all(&mut clients, &ask), Some("newer"), "hit");
            let release = format!("CACHE.RELEASE {key} {token}");
            assert_eq!(clients[winner].words(&release).integer(), 1);
            one_wins(&ask_all(&mut clients, &ask), Some("newer"), "hit");
        }
    });
}

#[test]
fn when_the_winner_dies_another_wins() {
    with_torc(|server| {
        let mut clients = crowd(server);
        for setup in ["", "old"] {
            let (value, state) = match setup {
                "" => (None, "wait"),
                old => {
                    clients[0].words(&format!("SET key {old}"));
                    clients[0].words("CACHE.STALE key");
                    (Some(old), "stale")
                }
            };
            let ask = "CACHE.GET key LEASE 1";
            let (winner, first) = one_wins(&ask_all(&mut clients, ask), value, state);
            // The connection goes, and nobody has made the value.
            clients.swap_remove(winner);
            let mut second = None;
            eventually("another wins", WAIT_LIMIT, || {
                let got = ask_all(&mut clients, ask);
                let wins = got.iter().filter(|got| got.is(value, "won")).count();
                assert!(wins <= 1, "{got:?}");
                second = got.iter().find_map(|got| got.token);
                wins == 1
            });
            let second = second.expect("somebody has won");
            let fill = |token: i64| format!("CACHE.FILL key {token} value");
            assert_eq!(clients[0].words(&fill(first)).integer(), 0, "too late");
            assert_eq!(clients[0].words(&fill(second)).integer(), 1);
            assert!(get(&mut clients[0], ask).is(Some("value"), "hit"));
            clients[0].words("DEL key");
        }
    });
}

#[test]
fn a_drop_in_between_voids_the_lease() {
    with_torc(|server| {
        let (mut reader, mut writer) = (server.client(), server.client());
        let got = get(&mut reader, "CACHE.GET page LEASE 30 TAGS 2 user:1 page");
        let token = got.token.expect("it was missing");
        // What the reader makes of the database is old from here on.
        assert_eq!(writer.words("CACHE.DROP user:1").integer(), 1);
        let fill = format!("CACHE.FILL page {token} old TAGS 1 user:1");
        assert_eq!(reader.words(&fill).integer(), 0);
        let got = get(&mut reader, "CACHE.GET page LEASE 30 TAGS 2 user:1 page");
        assert!(got.is(None, "won"), "{got:?}");
    });
}

#[test]
fn both_protocols_share_one_lease() {
    if !tested_is_torc() {
        println!("skipped: no other server speaks both protocols");
        return;
    }
    for shards in [1, 2, 5] {
        println!("shards: {shards}");
        let Some(subject) = Subject::start(shards) else {
            return;
        };
        let Subject::Torc { server, .. } = &subject else {
            return;
        };
        let (mut resp, mut memcache) = (server.client(), subject.connect());
        let got = get(&mut resp, "CACHE.GET a LEASE 30");
        assert!(got.is(None, "won"), "{got:?}");
        assert_eq!(memcache.line("mg a s N30"), "HD s0 Z");
        let fill = format!(
            "CACHE.FILL a {} value EX 100",
            got.token.expect("the winner's")
        );
        assert_eq!(resp.words(&fill).integer(), 1);
        assert_eq!(memcache.line("mg a s N30"), "HD s5");
        // The other way round, with the token as CAS.
        let won = memcache.line("mg b c N30");
        let token = won
            .split(' ')
            .nth(1)
            .expect("a token")
            .trim_start_matches('c');
        assert_eq!(won, format!("HD c{token} W"));
        assert!(get(&mut resp, "CACHE.GET b LEASE 30").is(None, "wait"));
        assert_eq!(memcache.line(&format!("ms b 5 C{token}\r\nvalue")), "HD");
        assert!(get(&mut resp, "CACHE.GET b LEASE 30").is(Some("value"), "hit"));
        // Marked by one, made by the other; the item keeps its tags meanwhile.
        assert_eq!(resp.words("CACHE.TAG b t").integer(), 1);
        assert_eq!(memcache.line("md b I T60"), "HD");
        assert_eq!(resp.words("CACHE.COUNT t").integer(), 1);
        let got = get(&mut resp, "CACHE.GET b LEASE 30");
        assert!(got.is(Some("value"), "won"), "{got:?}");
        assert!((50_000..=60_000).contains(&got.left_ms), "{got:?}");
        assert_eq!(memcache.line("mg b s"), "HD s5 Z X");
        assert_eq!(memcache.line("ms b 3 T0\r\nnew"), "HD");
        let late = format!("CACHE.FILL b {} late", got.token.expect("the winner's"));
        assert_eq!(resp.words(&late).integer(), 0);
        assert_eq!(resp.words("CACHE.STALE b").integer(), 1);
        assert_eq!(memcache.line("mg b s"), "HD s3 X W");
        assert!(get(&mut resp, "CACHE.GET b LEASE 30").is(Some("new"), "stale"));
        assert_eq!(memcache.line("md b"), "HD");
        assert_eq!(get(&mut resp, "CACHE.GET b").left_ms, -2);
        subject.stop();
    }
}
