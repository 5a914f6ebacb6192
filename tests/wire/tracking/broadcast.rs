//! Clients that want to be told of keys by the beginnings of their names.

use super::{flat, names, next, silent, tracker, trackers};
use crate::support::client::{Client, request};
use crate::support::with_each_number_of_shards;
use std::collections::BTreeSet;

/// Reads messages until these keys have been named, each once.
fn told(client: &mut Client, keys: &[&str]) {
    let mut left: BTreeSet<String> = keys.iter().map(|key| key.to_string()).collect();
    while !left.is_empty() {
        let message = next(client);
        let words: Vec<&str> = message.split(' ').collect();
        assert_eq!(words[0], "invalidate");
        for key in &words[1..] {
            assert!(
                left.remove(*key),
                "{key} was not to be told of now: {message}"
            );
        }
    }
}

#[test]
fn only_names_that_begin_so_are_told() {
    with_each_number_of_shards(&[], |server| {
        let mut all = trackers(server, "CLIENT TRACKING ON BCAST");
        let mut some = trackers(server, "CLIENT TRACKING ON BCAST PREFIX key:1 PREFIX other");
        let mut writer = server.client();
        for key in names(20) {
            writer.words(&format!("SET {key} 1"));
            all.iter_mut().for_each(|client| told(client, &[&key]));
            if key.starts_with("key:1") {
                some.iter_mut().for_each(|client| told(client, &[&key]));
            }
        }
        writer.words("MSET other:1 a other 2 another 3");
        for client in &mut all {
            told(client, &["other:1", "other", "another"]);
        }
        for client in &mut some {
            told(client, &["other:1", "other"]);
        }
        all.iter_mut().chain(&mut some).for_each(silent);
    });
}

#[test]
fn keys_that_change_together_are_told_together_when_they_are_together() {
    with_each_number_of_shards(&[], |server| {
        let mut client = tracker(server, "CLIENT TRACKING ON BCAST PREFIX {a}");
        let mut writer = server.client();
        let lines = ["MULTI", "SET {a}2 1", "SET {a}1 1", "SET {a}2 2", "SET b 1"];
        for line in lines {
            writer.words(line);
        }
        writer.words("EXEC");
        assert_eq!(next(&mut client), "invalidate {a}1 {a}2");
        writer.words("MSET {a}3 1 {a}0 1");
        assert_eq!(next(&mut client), "invalidate {a}0 {a}3");
        silent(&mut client);
    });
}

#[test]
fn own_changes_are_told_behind_the_reply_or_not_at_all() {
    with_each_number_of_shards(&[], |server| {
        let mut plain = tracker(server, "CLIENT TRACKING ON BCAST");
        let mut quiet = tracker(server, "CLIENT TRACKING ON BCAST NOLOOP");
        for key in names(10) {
            assert_eq!(flat(&plain.words(&format!("SET {key} 1"))), "OK");
            told(&mut plain, &[&key]);
            told(&mut quiet, &[&key]);
            assert_eq!(flat(&quiet.words(&format!("SET {key} 2"))), "OK");
            told(&mut plain, &[&key]);
        }
        silent(&mut quiet);
        quiet.words("MULTI");
        quiet.words("SET key:1 5");
        quiet.words("SET key:2 5");
        assert_eq!(flat(&quiet.words("EXEC")), "OK OK");
        told(&mut plain, &["key:1", "key:2"]);
        silent(&mut quiet);
    });
}

#[test]
fn who_is_told_once_it_has_its_reply_misses_nothing() {
    with_each_number_of_shards(&[], |server| {
        let mut writers: Vec<Client> = (0..4).map(|_| server.client()).collect();
        for round in 0..20 {
            let mut client = tracker(server, "CLIENT TRACKING ON BCAST PREFIX key");
            let keys = names(4);
            for (writer, key) in writers.iter_mut().zip(&keys) {
                let line = request(&["SET", key, &round.to_string()]);
                writer.send(&line).expect("received");
            }
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            told(&mut client, &keys);
            for writer in &mut writers {
                assert_eq!(next(writer), "OK");
            }
        }
    });
}
