//! Keys that clients have read: each is told once, when the key changes, for whatever reason.

use super::{figure, flat, names, next, send, silent, tracker, trackers, until_figure};
use crate::support::server::{skip_unless_torc, tested_is_torc};
use crate::support::{WAIT_LIMIT, eventually, with_each_number_of_shards};

#[test]
fn who_has_read_a_key_is_told_once_that_it_has_changed() {
    with_each_number_of_shards(&[], |server| {
        let mut clients = trackers(server, "CLIENT TRACKING ON");
        let mut writer = server.client();
        for key in names(20) {
            for client in &mut clients {
                client.words(&format!("GET {key}"));
            }
            writer.words(&format!("SET {key} 1"));
            writer.words(&format!("SET {key} 2"));
            for client in &mut clients {
                assert_eq!(next(client), format!("invalidate {key}"));
            }
        }
        clients.iter_mut().for_each(silent);
    });
}

#[test]
fn it_is_told_before_the_writer_can_ask_for_more() {
    with_each_number_of_shards(&[], |server| {
        let mut clients = trackers(server, "CLIENT TRACKING ON");
        let mut writer = server.client();
        let mut late = 0;
        for key in names(40) {
            for client in &mut clients {
                client.words(&format!("STRLEN {key}"));
            }
            writer.words(&format!("APPEND {key} a"));
            for client in &mut clients {
                send(client, "PING");
                // Over two connections nothing is certain, but what is told leaves first.
                let first = next(client);
                if first == "PONG" {
                    late += 1;
                    assert_eq!(next(client), format!("invalidate {key}"));
                } else {
                    assert_eq!(first, format!("invalidate {key}"));
                    assert_eq!(next(client), "PONG");
                }
            }
        }
        assert!(late < 40, "{late} of 240 came late");
    });
}

#[test]
fn every_way_to_change_a_key_is_told() {
    with_each_number_of_shards(&[], |server| {
        let mut client = tracker(server, "CLIENT TRACKING ON");
        let mut other = server.client();
        let ways = [
            "SET {k} 1",
            "EXPIRE {k} 1000",
            "INCR {k}",
            "SETRANGE {k} 3 x",
            "RENAME {k} other",
            "RENAME other {k}",
            "COPY other2 {k} REPLACE",
            "MOVE {k} 1",
            "MSET {k} 1 more 2",
            "BITOP NOT {k} more",
            "GETDEL {k}",
            "RPUSH {k} a b c",
            "LMOVE {k} other3 LEFT RIGHT",
            "LMPOP 2 nolist {k} RIGHT",
            "DEL {k}",
            "SADD {k} a b",
            "SMOVE {k} other4 a",
            "SUNIONSTORE {k} other4 other5",
            "UNLINK {k}",
            "ZADD {k} 1 m",
            "ZRANGESTORE {k} {k} 0 -1",
            "ZPOPMIN {k}",
            "XADD {k} 1-1 f v",
            "XDEL {k} 1-1",
            "RESTORE {k} 0 payload REPLACE",
        ];
        other.words("SET other2 1");
        let dump = other.call(&["DUMP", "other2"]);
        for way in ways {
            for key in names(3) {
                let line = way.replace("{k}", &key);
                let before = flat(&other.words(&format!("EXISTS {key}")));
                client.words(&format!("EXISTS {key}"));
                let words = line.split(' ');
                let words: Vec<&[u8]> = words
                    .map(|word| {
                        if word == "payload" {
                            dump.bytes()
                        } else {
                            word.as_bytes()
                        }
                    })
                    .collect();
                let reply = flat(&other.call(&words));
                let context = format!("{line}: {reply}, {before}");
                assert!(!reply.starts_with("ERR"), "{context}");
                assert_eq!(next(&mut client), format!("invalidate {key}"), "{context}");
                if way.starts_with("RENAME {k}") || way.starts_with("RENAME other") {
                    other.words(&format!("SET {key} 1"));
                    other.words("SET other 1");
                }
            }
        }
        silent(&mut client);
    });
}

#[test]
fn expiry_and_scripts_and_transactions_are_told() {
    with_each_number_of_shards(&[], |server| {
        let mut client = tracker(server, "CLIENT TRACKING ON");
        let mut other = server.client();
        for key in names(5) {
            other.words(&format!("SET {key} 1 PX 30"));
            assert_eq!(flat(&client.words(&format!("GET {key}"))), "1");
            assert_eq!(next(&mut client), format!("invalidate {key}"));
            client.words(&format!("GET {key}"));
            let script = "return redis.call('SET', KEYS[1], 1)";
            other.call(&["EVAL", script, "1", &key]);
            assert_eq!(next(&mut client), format!("invalidate {key}"));
            client.words(&format!("GET {key}"));
            other.words("MULTI");
            other.words(&format!("INCR {key}"));
            other.words("INCR somewhere");
            other.words("EXEC");
            assert_eq!(next(&mut client), format!("invalidate {key}"));
        }
        silent(&mut client);
    });
}

#[test]
fn what_a_script_reads_is_tracked_for_its_caller() {
    if skip_unless_torc("redis-server 7.0 forgets what scripts read, later ones do not") {
        return;
    }
    with_each_number_of_shards(&[], |server| {
        let mut client = tracker(server, "CLIENT TRACKING ON");
        let mut other = server.client();
        let script = "redis.call('GET', KEYS[1]); return redis.call('GET', KEYS[2])";
        for pair in names(12).chunks(2) {
            client.call(&["EVAL", script, "2", &pair[0], &pair[1]]);
            other.words(&format!("SET {} 1", pair[0]));
            assert_eq!(next(&mut client), format!("invalidate {}", pair[0]));
            other.words(&format!("SET {} 1", pair[1]));
            assert_eq!(next(&mut client), format!("invalidate {}", pair[1]));
        }
        silent(&mut client);
    });
}

#[test]
fn a_command_of_several_shards_is_tracked_with_all_its_keys() {
    with_each_number_of_shards(&[], |server| {
        let mut clients = trackers(server, "CLIENT TRACKING ON");
        let mut other = server.client();
        let keys = names(8);
        for command in ["MGET", "EXISTS", "SUNION", "SINTER", "PFCOUNT", "TOUCH"] {
            other.words("FLUSHALL");
            for client in &mut clients {
                assert_eq!(next(client), "invalidate null");
                client.words(&format!("{command} {}", keys.join(" ")));
            }
            for key in &keys {
                other.words(&format!("SET {key} 1"));
                for client in &mut clients {
                    assert_eq!(next(client), format!("invalidate {key}"), "{command}");
                }
            }
        }
    });
}

#[test]
fn emptying_is_told_once_to_all_who_track() {
    with_each_number_of_shards(&[], |server| {
        let mut clients = trackers(server, "CLIENT TRACKING ON");
        let mut broad = tracker(server, "CLIENT TRACKING ON BCAST PREFIX nothing");
        let mut other = server.client();
        for command in ["FLUSHALL", "FLUSHDB", "FLUSHALL ASYNC"] {
            clients[0].words("GET a");
            other.words(command);
            for client in clients.iter_mut().chain([&mut broad]) {
                assert_eq!(next(client), "invalidate null");
            }
        }
        clients.iter_mut().for_each(silent);
    });
}

#[test]
fn tracking_ends_with_off_with_reset_and_with_the_connection() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        let mut clients = trackers(server, "CLIENT TRACKING ON");
        let mut broad = tracker(server, "CLIENT TRACKING ON BCAST PREFIX a PREFIX b");
        let mut broader = tracker(server, "CLIENT TRACKING ON BCAST PREFIX b");
        assert_eq!(figure(&mut admin, "tracking_clients"), 8);
        assert_eq!(figure(&mut admin, "tracking_total_prefixes"), 2);
        for (number, client) in clients.iter_mut().enumerate() {
            client.words("MGET a b c");
            assert_eq!(figure(&mut admin, "tracking_total_keys"), 3);
            assert_eq!(figure(&mut admin, "tracking_total_items"), 3 * (number + 1));
        }
        clients[0].words("CLIENT TRACKING OFF");
        clients[1].words("RESET");
        drop(clients.remove(2));
        broad.words("CLIENT TRACKING OFF");
        until_figure(&mut admin, "tracking_clients", 4);
        until_figure(&mut admin, "tracking_total_prefixes", 1);
        drop(broader);
        until_figure(&mut admin, "tracking_total_prefixes", 0);
        broader = tracker(server, "CLIENT TRACKING ON BCAST PREFIX b");
        admin.words("MSET a 1 b 1");
        assert_eq!(figure(&mut admin, "tracking_total_keys"), 1);
        assert_eq!(next(&mut broader), "invalidate b");
        silent(&mut clients[0]);
        silent(&mut clients[1]);
        let mut told = [next(&mut clients[2]), next(&mut clients[2])];
        told.sort();
        assert_eq!(told, ["invalidate a", "invalidate b"]);
    });
}

#[test]
fn beyond_the_limit_keys_are_forgotten_and_told() {
    with_each_number_of_shards(&[("tracking-table-max-keys", "40")], |server| {
        let mut client = tracker(server, "CLIENT TRACKING ON");
        let mut admin = server.client();
        let keys = names(400);
        let mut told = 0;
        for key in &keys {
            send(&mut client, &format!("GET {key}"));
            while next(&mut client) != "null" {
                told += 1;
            }
        }
        while figure(&mut admin, "tracking_total_keys") + told < keys.len() {
            assert!(next(&mut client).starts_with("invalidate key:"));
            told += 1;
        }
        let kept = figure(&mut admin, "tracking_total_keys");
        assert!((10..=40).contains(&kept), "{kept}");
        assert_eq!(kept + told, keys.len());
        admin.words("CONFIG SET tracking-table-max-keys 5");
        // Each shard keeps its part, which is rounded up.
        eventually("keys are forgotten", WAIT_LIMIT, || {
            figure(&mut admin, "tracking_total_keys") < 10
        });
        let left = figure(&mut admin, "tracking_total_keys");
        assert!(left <= 5 || tested_is_torc(), "{left}");
        for _ in 0..kept - left {
            assert!(next(&mut client).starts_with("invalidate key:"));
        }
        silent(&mut client);
    });
}

#[test]
fn marks_of_who_tracks_are_in_client_list() {
    with_each_number_of_shards(&[], |server| {
        let mut plain = tracker(server, "CLIENT TRACKING ON");
        let mut broad = tracker(server, "CLIENT TRACKING ON BCAST");
        let info = |client: &mut crate::support::client::Client| flat(&client.words("CLIENT INFO"));
        assert!(info(&mut plain).contains(" flags=t "));
        assert!(info(&mut plain).contains(" redir=0 "));
        assert!(info(&mut broad).contains(" flags=tB "));
        assert!(info(&mut server.client()).contains(" redir=-1 "));
        if tested_is_torc() {
            assert!(info(&mut server.client()).contains(" flags=N "));
        }
    });
}

#[test]
fn what_others_add_is_told_to_who_waits_for_it() {
    with_each_number_of_shards(&[], |server| {
        let mut other = tracker(server, "CLIENT TRACKING ON NOLOOP");
        for key in names(6) {
            let mut client = tracker(server, "CLIENT TRACKING ON NOLOOP");
            client.words(&format!("LLEN {key}"));
            other.words(&format!("LLEN {key}"));
            send(&mut client, &format!("BLPOP {key} 0"));
            until_figure(&mut server.client(), "blocked_clients", 1);
            assert_eq!(flat(&other.words(&format!("RPUSH {key} a b"))), "2");
            let mut came = [next(&mut client), next(&mut client)];
            came.sort();
            let expected = [format!("invalidate {key}"), format!("{key} a")];
            assert_eq!(came, expected);
        }
        silent(&mut other);
    });
}
