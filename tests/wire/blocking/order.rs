//! Who waits longest is served first.

use super::{NAMES, answer, blocked, flat, send, silent, until_blocked, waiting};
use crate::support::with_each_number_of_shards;

#[test]
fn those_who_wait_for_one_key_are_served_in_the_order_in_which_they_came() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        for (command, push) in [
            ("BLPOP queue 0", "RPUSH queue"),
            ("BZPOPMIN scores 0", "ZADD scores 1"),
        ] {
            let key = command.split(' ').nth(1).expect("a key");
            let mut clients: Vec<_> = (0..50)
                .map(|_| waiting(server, &mut admin, command))
                .collect();
            for (number, client) in clients.iter_mut().enumerate() {
                assert_eq!(admin.words(&format!("{push} {number}")).integer(), 1);
                let expected = format!("{key} {number}");
                assert_eq!(
                    answer(client)
                        .split(' ')
                        .take(2)
                        .collect::<Vec<_>>()
                        .join(" "),
                    expected
                );
            }
            until_blocked(&mut admin, 0);
            assert_eq!(admin.words(&format!("EXISTS {key}")).integer(), 0);
        }
    });
}

#[test]
fn the_order_holds_among_clients_that_wait_for_different_sets_of_keys() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        for name in NAMES {
            let [a, b, c] = ["a", "b", "c"].map(name);
            let mut first = waiting(server, &mut admin, &format!("BLPOP {a} {b} 0"));
            let mut second = waiting(server, &mut admin, &format!("BRPOP {b} {c} {a} 0"));
            let mut third = waiting(
                server,
                &mut admin,
                &format!("BLMPOP 0 3 {c} {b} {a} LEFT COUNT 5"),
            );
            admin.words(&format!("RPUSH {b} 1"));
            assert_eq!(answer(&mut first), format!("{b} 1"));
            admin.words(&format!("RPUSH {b} 2"));
            assert_eq!(answer(&mut second), format!("{b} 2"));
            admin.words(&format!("RPUSH {a} 3 4"));
            assert_eq!(answer(&mut third), format!("{a} 3 4"));
            until_blocked(&mut admin, 0);
        }
    });
}

#[test]
fn several_elements_at_once_serve_several_and_the_rest_stays() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        let mut clients: Vec<_> = (0..5)
            .map(|_| waiting(server, &mut admin, "BLPOP list 0"))
            .collect();
        let mut last = waiting(server, &mut admin, "BLPOP list 0");
        assert_eq!(admin.words("RPUSH list 0 1 2").integer(), 3);
        for (number, client) in clients[..3].iter_mut().enumerate() {
            assert_eq!(answer(client), format!("list {number}"));
        }
        until_blocked(&mut admin, 3);
        silent(&mut last);
        assert_eq!(admin.words("LPUSH list 4 3 2 1").integer(), 4);
        // All have been put there before anybody is served.
        assert_eq!(answer(&mut clients[3]), "list 1");
        assert_eq!(answer(&mut clients[4]), "list 2");
        assert_eq!(answer(&mut last), "list 3");
        until_blocked(&mut admin, 0);
        assert_eq!(flat(&admin.words("LRANGE list 0 -1")), "4");
    });
}

#[test]
fn one_client_waits_for_keys_of_all_shards() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        let keys: Vec<String> = (0..12).map(|number| format!("key:{number}")).collect();
        let all = keys.join(" ");
        let mut client = server.client();
        for key in &keys {
            send(&mut client, &format!("BLPOP {all} 0"));
            until_blocked(&mut admin, 1);
            admin.words(&format!("RPUSH {key} x"));
            assert_eq!(answer(&mut client), format!("{key} x"));
            until_blocked(&mut admin, 0);
        }
        // Where several have something already, the first of them in the request's order serves it.
        for key in keys.iter().rev() {
            admin.words(&format!("ZADD {key} 1 member"));
        }
        for key in &keys {
            let reply = client.words(&format!("BZMPOP 0 12 {all} MIN"));
            assert_eq!(flat(&reply), format!("{key} member 1"));
        }
        assert_eq!(blocked(&mut admin), 0);
    });
}

#[test]
fn requests_behind_one_that_waits_are_answered_after_it() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        for keys in ["a", "a b c d e f"] {
            let mut client = server.client();
            send(&mut client, &format!("BLPOP {keys} 0"));
            for line in ["SET other 1", "INCR other", "BLPOP g 0", "GET other"] {
                send(&mut client, line);
            }
            until_blocked(&mut admin, 1);
            silent(&mut client);
            assert_eq!(admin.words("EXISTS other").integer(), 0, "it has not run");
            admin.words("RPUSH a x");
            assert_eq!(answer(&mut client), "a x");
            assert_eq!(answer(&mut client), "OK");
            assert_eq!(answer(&mut client), "2");
            until_blocked(&mut admin, 1);
            admin.words("RPUSH g y");
            assert_eq!(answer(&mut client), "g y");
            assert_eq!(answer(&mut client), "2");
            admin.words("DEL other");
        }
    });
}
