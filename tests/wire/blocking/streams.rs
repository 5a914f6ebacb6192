//! XREAD and XREADGROUP with BLOCK.

use super::{NAMES, answer, blocked, flat, raw, send, silent, until_blocked, waiting};
use crate::support::with_each_number_of_shards;

#[test]
fn a_dollar_is_the_last_id_when_the_request_came() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        for name in NAMES {
            let keys: Vec<String> = (0..6)
                .map(|number| name(&format!("stream:{number}")))
                .collect();
            let all = keys.join(" ");
            for (at, key) in keys.iter().enumerate() {
                admin.words("FLUSHALL");
                // Some are there already, with entries or without, and some are not.
                for key in keys.iter().step_by(2) {
                    admin.words(&format!("XADD {key} 5-1 old entry"));
                }
                admin.words(&format!("XDEL {} 5-1", keys[2]));
                for line in [
                    format!("XREAD BLOCK 0 STREAMS {all} $ $ $ $ $ $"),
                    format!("XREAD COUNT 1 BLOCK 0 STREAMS {key} $"),
                ] {
                    let mut client = waiting(server, &mut admin, &line);
                    let id = format!("{}-0", 10 + blocked(&mut admin) + at);
                    admin.words(&format!("XADD {key} {id} new entry"));
                    assert_eq!(answer(&mut client), format!("{key} {id} new entry"));
                    until_blocked(&mut admin, 0);
                    admin.words(&format!("XTRIM {key} MAXLEN 0"));
                    admin.words(&format!("XSETID {key} 9-0"));
                }
            }
            admin.words("FLUSHALL");
        }
    });
}

#[test]
fn every_reader_is_served_and_what_they_had_is_not_read_again() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        admin.words("XADD s 1-1 a b");
        let mut readers: Vec<_> = (0..10)
            .map(|number| {
                let other = format!("other:{number}");
                waiting(
                    server,
                    &mut admin,
                    &format!("XREAD BLOCK 0 STREAMS s {other} $ $"),
                )
            })
            .collect();
        admin.words("XADD s 2-1 c d");
        for reader in &mut readers {
            assert_eq!(answer(reader), "s 2-1 c d");
        }
        until_blocked(&mut admin, 0);
        // With entries behind the ids there is nothing to wait for.
        let mut reader = server.client();
        admin.words("XADD t 3-1 e f");
        let read = reader.words("XREAD BLOCK 0 STREAMS s none t 1-1 0 0");
        assert_eq!(flat(&read), "s 2-1 c d t 3-1 e f");
        reader.words("HELLO 3");
        send(&mut reader, "XREAD BLOCK 0 STREAMS s t $ $");
        until_blocked(&mut admin, 1);
        admin.words("XADD t 4-1 g h");
        assert_eq!(
            raw(&mut reader),
            "%1\\r\\n$1\\r\\nt\\r\\n*1\\r\\n*2\\r\\n$3\\r\\n4-1\\r\\n*2\\r\\n$1\\r\\ng\\r\\n$1\\r\\nh\\r\\n"
        );
    });
}

#[test]
fn a_reader_waits_on_whatever_else_happens_to_its_key() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        admin.words("XADD s 1-1 a b");
        let mut reader = waiting(server, &mut admin, "XREAD BLOCK 0 STREAMS s other $ $");
        for line in [
            "SET s text",
            "DEL s",
            "RPUSH s x",
            "DEL s",
            "XADD s 1-1 a b",
            "XDEL s 1-1",
        ] {
            admin.words(line);
        }
        silent(&mut reader);
        assert_eq!(blocked(&mut admin), 1);
        admin.words("XADD s 1-2 a b");
        assert_eq!(answer(&mut reader), "s 1-2 a b");
    });
}

#[test]
fn consumers_of_a_group_take_turns() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        for name in NAMES {
            let [s, t] = ["s", "t"].map(name);
            for key in [&s, &t] {
                admin.words(&format!("XGROUP CREATE {key} g $ MKSTREAM"));
                admin.words(&format!("XGROUP CREATE {key} h $"));
            }
            let mut consumers: Vec<_> = (0..8)
                .map(|number| {
                    let line =
                        format!("XREADGROUP GROUP g c{number} BLOCK 0 COUNT 1 STREAMS {s} {t} > >");
                    waiting(server, &mut admin, &line)
                })
                .collect();
            let line = format!("XREADGROUP GROUP h other BLOCK 0 NOACK STREAMS {s} >");
            let mut other = waiting(server, &mut admin, &line);
            for (number, consumer) in consumers.iter_mut().enumerate() {
                let key = if number % 2 == 0 { &s } else { &t };
                admin.words(&format!("XADD {key} 1-{} a b", number + 1));
                assert_eq!(answer(consumer), format!("{key} 1-{} a b", number + 1));
                // The other group has what comes first, which is not to be joined by what comes later.
                if number == 0 {
                    assert_eq!(answer(&mut other), format!("{s} 1-1 a b"));
                }
            }
            until_blocked(&mut admin, 0);
            // Each has what it was given, and nobody has what another was given.
            for key in [&s, &t] {
                let pending = flat(&admin.words(&format!("XPENDING {key} g")));
                let first = if key == &s { 1 } else { 2 };
                assert!(
                    pending.starts_with(&format!("4 1-{first} 1-{} ", first + 6)),
                    "{pending}"
                );
                assert_eq!(
                    flat(&admin.words(&format!("XPENDING {key} h"))),
                    "0 null null null"
                );
            }
            // What one has had already is never waited for.
            let mut client = server.client();
            let line = format!("XREADGROUP GROUP g c0 BLOCK 0 STREAMS {t} {s} 0 >");
            assert_eq!(flat(&client.words(&line)), format!("{t} "));
            admin.words("FLUSHALL");
        }
    });
}

#[test]
fn consumers_hear_of_the_end_of_their_stream_or_group() {
    let gone = "UNBLOCKED the stream key no longer exists";
    let destroyed = "NOGROUP the consumer group this client was blocked on no longer exists";
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        for name in NAMES {
            let [s, t, u] = ["s", "t", "u"].map(name);
            for (line, expected) in [
                (format!("DEL {s}"), gone),
                (format!("UNLINK {s}"), gone),
                (format!("SET {s} text"), gone),
                (format!("RENAME {s} {u}"), gone),
                (format!("PEXPIRE {s} 0"), gone),
                (format!("PEXPIRE {s} 20"), gone),
                (format!("SORT nothing STORE {s}"), gone),
                ("FLUSHALL".to_string(), gone),
                ("FLUSHDB".to_string(), gone),
                (format!("XGROUP DESTROY {s} g"), destroyed),
                (format!("RENAME {u} {s}"), destroyed),
            ] {
                admin.words("FLUSHALL");
                for key in [&s, &t] {
                    admin.words(&format!("XGROUP CREATE {key} g $ MKSTREAM"));
                }
                if expected == destroyed {
                    admin.words(&format!("XADD {u} 1-1 a b"));
                }
                let mut consumers: Vec<_> = [format!("{t} {s} > >"), format!("{s} >")]
                    .iter()
                    .map(|streams| {
                        let line = format!("XREADGROUP GROUP g c BLOCK 0 STREAMS {streams}");
                        waiting(server, &mut admin, &line)
                    })
                    .collect();
                admin.words(&line);
                for consumer in &mut consumers {
                    assert_eq!(answer(consumer), expected, "{line}");
                }
                until_blocked(&mut admin, 0);
            }
            // A stream that takes its place serves them, if it has the group.
            admin.words("FLUSHALL");
            admin.words(&format!("XGROUP CREATE {s} g $ MKSTREAM"));
            let line = format!("XREADGROUP GROUP g c BLOCK 0 STREAMS {s} >");
            let mut consumer = waiting(server, &mut admin, &line);
            admin.words(&format!("XADD {u} 1-1 a b"));
            admin.words(&format!("XGROUP CREATE {u} g 0"));
            admin.words(&format!("COPY {u} {s} REPLACE"));
            assert_eq!(answer(&mut consumer), format!("{s} 1-1 a b"));
        }
    });
}

#[test]
fn a_group_moved_back_wakes_nobody_until_the_next_entry() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        admin.words("XADD s 1-1 a b");
        admin.words("XGROUP CREATE s g $");
        let mut consumer = waiting(
            server,
            &mut admin,
            "XREADGROUP GROUP g c BLOCK 0 STREAMS s >",
        );
        assert_eq!(admin.words("XGROUP SETID s g 0").text(), "OK");
        silent(&mut consumer);
        admin.words("XADD s 2-1 c d");
        assert_eq!(answer(&mut consumer), "s 1-1 a b 2-1 c d");
    });
}

#[test]
fn requests_that_cannot_be_carried_out_do_not_wait() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        admin.words("XGROUP CREATE s g $ MKSTREAM");
        admin.words("XADD s 1-1 a b");
        admin.words("SET text x");
        for (line, expected) in [
            (
                "XREADGROUP GROUP g c BLOCK 0 STREAMS s none > >",
                "NOGROUP No such key 'none' or consumer group 'g' in XREADGROUP with GROUP option",
            ),
            (
                "XREADGROUP GROUP g c BLOCK 0 STREAMS s text > >",
                "WRONGTYPE Operation against a key holding the wrong kind of value",
            ),
            (
                "XREAD BLOCK 0 STREAMS s text $ $",
                "WRONGTYPE Operation against a key holding the wrong kind of value",
            ),
            (
                "XREAD BLOCK 0 STREAMS s other $ x",
                "ERR Invalid stream ID specified as stream command argument",
            ),
        ] {
            assert_eq!(admin.words(line).text(), expected, "{line}");
        }
        // Nothing was taken from one stream where another was not there.
        assert_eq!(flat(&admin.words("XPENDING s g")), "0 null null null");
    });
}
