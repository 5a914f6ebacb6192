//! BLMOVE and BRPOPLPUSH, between lists of one shard and of several.

use super::{NAMES, answer, flat, raw, until_blocked, waiting};
use crate::support::with_each_number_of_shards;

#[test]
fn an_element_goes_through_a_chain_of_lists() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        for name in NAMES {
            let lists: Vec<String> = (0..8)
                .map(|number| name(&format!("list:{number}")))
                .collect();
            // The last link waits first, so that the element must wake each in turn.
            let mut links: Vec<_> = (0..7)
                .rev()
                .map(|at| {
                    let (from, to) = (&lists[at], &lists[at + 1]);
                    let line = match at % 2 {
                        0 => format!("BLMOVE {from} {to} LEFT RIGHT 0"),
                        _ => format!("BRPOPLPUSH {from} {to} 0"),
                    };
                    waiting(server, &mut admin, &line)
                })
                .collect();
            admin.words(&format!("RPUSH {} element", lists[0]));
            for link in &mut links {
                assert_eq!(answer(link), "element");
            }
            assert_eq!(
                flat(&admin.words(&format!("LRANGE {} 0 -1", lists[7]))),
                "element"
            );
            for list in &lists[..7] {
                assert_eq!(admin.words(&format!("EXISTS {list}")).integer(), 0);
            }
            admin.words("FLUSHALL");
        }
    });
}

#[test]
fn the_ends_are_those_that_the_request_names() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        for name in NAMES {
            for (from, to, taken, left, result) in [
                ("LEFT", "LEFT", "1", "2 3", "1 0"),
                ("LEFT", "RIGHT", "1", "2 3", "0 1"),
                ("RIGHT", "LEFT", "3", "1 2", "3 0"),
                ("RIGHT", "RIGHT", "3", "1 2", "0 3"),
            ] {
                let [source, target] = ["source", "target"].map(name);
                admin.words("FLUSHALL");
                admin.words(&format!("RPUSH {target} 0"));
                let line = format!("BLMOVE {source} {target} {from} {to} 0");
                let mut client = waiting(server, &mut admin, &line);
                admin.words(&format!("RPUSH {source} 1 2 3"));
                assert_eq!(answer(&mut client), taken);
                assert_eq!(flat(&admin.words(&format!("LRANGE {source} 0 -1"))), left);
                assert_eq!(flat(&admin.words(&format!("LRANGE {target} 0 -1"))), result);
                // And without waiting.
                admin.words("FLUSHALL");
                admin.words(&format!("RPUSH {target} 0"));
                admin.words(&format!("RPUSH {source} 1 2 3"));
                assert_eq!(flat(&admin.words(&line)), taken);
                assert_eq!(flat(&admin.words(&format!("LRANGE {target} 0 -1"))), result);
            }
        }
    });
}

#[test]
fn a_destination_of_another_type_is_an_error_once_there_is_an_element() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        let wrong = "-WRONGTYPE Operation against a key holding the wrong kind of value\\r\\n";
        for name in NAMES {
            let [source, target] = ["source", "target"].map(name);
            admin.words("FLUSHALL");
            admin.words(&format!("SET {target} text"));
            let line = format!("BLMOVE {source} {target} LEFT LEFT 0");
            let mut client = waiting(server, &mut admin, &line);
            let mut next = waiting(server, &mut admin, &format!("BLPOP {source} 0"));
            admin.words(&format!("RPUSH {source} element"));
            assert_eq!(raw(&mut client), wrong);
            // The element is there for the next.
            assert_eq!(answer(&mut next), format!("{source} element"));
            admin.words(&format!("RPUSH {source} element"));
            assert!(admin.words(&line).text().starts_with("WRONGTYPE "));
            assert_eq!(
                flat(&admin.words(&format!("LRANGE {source} 0 -1"))),
                "element"
            );
            admin.words(&format!("SET {source} text"));
            assert!(admin.words(&line).text().starts_with("WRONGTYPE "));
            until_blocked(&mut admin, 0);
            assert_eq!(
                admin
                    .words(&format!("BLMOVE {source} {target} UP LEFT 0"))
                    .text(),
                "ERR syntax error"
            );
        }
    });
}

#[test]
fn a_list_may_be_its_own_destination_and_two_may_swap_for_ever() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        let mut client = waiting(server, &mut admin, "BLMOVE ring ring LEFT RIGHT 0");
        admin.words("RPUSH ring 1 2 3");
        assert_eq!(answer(&mut client), "1");
        assert_eq!(flat(&admin.words("LRANGE ring 0 -1")), "2 3 1");
        for round in 0..20 {
            let mut there = waiting(server, &mut admin, "BLMOVE a b LEFT RIGHT 0");
            let mut back = waiting(server, &mut admin, "BLMOVE b a LEFT RIGHT 0");
            admin.words(&format!("RPUSH a {round}"));
            assert_eq!(answer(&mut there), round.to_string());
            assert_eq!(answer(&mut back), round.to_string());
            assert_eq!(flat(&admin.words("LPOP a")), round.to_string());
            assert_eq!(admin.words("EXISTS b").integer(), 0);
        }
    });
}
