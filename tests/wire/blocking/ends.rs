//! What ends a wait without an element: its time, CLIENT UNBLOCK, the client's own end.

use super::{answer, blocked, raw, send, silent, until_blocked, waiting};
use crate::support::{WAIT_LIMIT, eventually, with_each_number_of_shards};
use std::time::{Duration, Instant};

const COMMANDS: [&str; 7] = [
    "BLPOP a b c ?",
    "BRPOP a ?",
    "BLMOVE a b LEFT LEFT ?",
    "BRPOPLPUSH a b ?",
    "BLMPOP ? 2 a b LEFT",
    "BZPOPMIN a b ?",
    "BZMPOP ? 3 a b c MAX",
];

#[test]
fn time_ends_a_wait() {
    with_each_number_of_shards(&[], |server| {
        for (protocol, null) in [(2, "*-1\\r\\n"), (3, "_\\r\\n")] {
            let mut client = server.client();
            client.words(&format!("HELLO {protocol}"));
            for line in COMMANDS {
                let begun = Instant::now();
                send(&mut client, &line.replace('?', "0.05"));
                assert_eq!(raw(&mut client), null, "{line}");
                assert!(
                    begun.elapsed() >= Duration::from_millis(49),
                    "{:?}",
                    begun.elapsed()
                );
            }
            for line in [
                "XREAD BLOCK 20 STREAMS a b $ 0",
                "XREAD BLOCK 20 COUNT 1 STREAMS a $",
            ] {
                send(&mut client, line);
                assert_eq!(raw(&mut client), null, "{line}");
            }
            client.words("XGROUP CREATE a g $ MKSTREAM");
            client.words("XGROUP CREATE b g $ MKSTREAM");
            send(&mut client, "XREADGROUP GROUP g c BLOCK 20 STREAMS a b > >");
            assert_eq!(raw(&mut client), null);
            client.words("FLUSHALL");
        }
        let mut admin = server.client();
        assert_eq!(blocked(&mut admin), 0);
        for (timeout, error) in [
            ("-1", "ERR timeout is negative"),
            ("x", "ERR timeout is not a float or out of range"),
        ] {
            let reply = admin.words(&format!("BLPOP a b c {timeout}"));
            assert_eq!(reply.text(), error);
        }
        // Elements that come later stay.
        admin.words("RPUSH a x");
        assert_eq!(admin.words("LLEN a").integer(), 1);
    });
}

#[test]
fn clients_are_unblocked_by_name() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        for line in COMMANDS {
            let mut client = server.client();
            let id = client.words("CLIENT ID").integer();
            for (reason, expected) in [
                ("", "*-1\\r\\n"),
                ("TIMEOUT", "*-1\\r\\n"),
                (
                    "ERROR",
                    "-UNBLOCKED client unblocked via CLIENT UNBLOCK\\r\\n",
                ),
            ] {
                let unblock = format!("CLIENT UNBLOCK {id} {reason}");
                assert_eq!(admin.words(&unblock).integer(), 0, "it does not wait");
                send(&mut client, &line.replace('?', "0"));
                send(&mut client, "PING");
                until_blocked(&mut admin, 1);
                let list = admin.words("CLIENT LIST").text();
                let own = list
                    .lines()
                    .find(|line| line.starts_with(&format!("id={id} ")));
                assert!(own.expect("listed").contains(" flags=b "), "{list}");
                assert_eq!(admin.words(&unblock).integer(), 1);
                assert_eq!(raw(&mut client), expected, "{line}");
                assert_eq!(answer(&mut client), "PONG");
                until_blocked(&mut admin, 0);
            }
        }
        assert_eq!(admin.words("CLIENT UNBLOCK 999999").integer(), 0);
        admin.words("RPUSH a x");
        assert_eq!(admin.words("LLEN a").integer(), 1, "nobody waits any more");
    });
}

#[test]
fn what_a_client_would_have_had_that_has_gone_is_the_next_ones() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        for keys in ["a", "a b c d"] {
            let gone = waiting(server, &mut admin, &format!("BLPOP {keys} 0"));
            let mut killed = waiting(server, &mut admin, &format!("BRPOP {keys} 0"));
            let mut next = waiting(server, &mut admin, &format!("BLPOP {keys} 0"));
            drop(gone);
            until_blocked(&mut admin, 2);
            let list = admin.words("CLIENT LIST").text();
            let line = list.lines().find(|line| line.contains("cmd=brpop "));
            let id = line
                .and_then(|line| line.split(' ').next())
                .expect("listed");
            let kill = format!("CLIENT KILL ID {}", id.trim_start_matches("id="));
            assert_eq!(admin.words(&kill).integer(), 1);
            assert!(killed.is_closed());
            until_blocked(&mut admin, 1);
            admin.words("RPUSH a x");
            assert_eq!(answer(&mut next), "a x");
            until_blocked(&mut admin, 0);
            assert_eq!(admin.words("EXISTS a").integer(), 0);
            eventually(
                "the clients that are gone are forgotten",
                WAIT_LIMIT,
                || admin.words("CLIENT LIST").text().lines().count() == 2,
            );
        }
    });
}

#[test]
fn a_wait_without_an_end_goes_on() {
    with_each_number_of_shards(&[("timeout", "1")], |server| {
        let mut admin = server.client();
        let mut idle = server.client();
        idle.words("PING");
        let mut client = waiting(server, &mut admin, "BLPOP a b 0");
        // The server closes what is idle for a second, but not who waits.
        eventually("the idle client is closed", WAIT_LIMIT, || {
            admin.words("CLIENT LIST").text().lines().count() == 2
        });
        assert!(idle.is_closed());
        silent(&mut client);
        admin.words("RPUSH b x");
        assert_eq!(answer(&mut client), "b x");
    });
}
