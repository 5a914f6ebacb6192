//! Fields of hashes that expire, over sockets: gone in time on every shard, on the way from one shard to another, with background expiry off and on.
//! Only for torc: Debian's redis-server does not know them.

use crate::support::client::Client;
use crate::support::reply::Reply;
use crate::support::server::{Server, tested_is_torc};
use crate::support::{WAIT_LIMIT, eventually, with_each_number_of_shards};

fn with_torc(test: impl Fn(&Server)) {
    if !tested_is_torc() {
        println!("skipped: redis-server 7.0 does not know fields that expire");
        return;
    }
    with_each_number_of_shards(&[("enable-debug-command", "local")], test);
}

fn set_active_expiry(server: &Server, on: &str) {
    let reply = server.client().call(&["DEBUG", "SET-ACTIVE-EXPIRE", on]);
    assert_eq!(reply, Reply::Simple(b"OK".to_vec()));
}

/// A number of INFO, asked for by a client that is there anyway: another one would take memory itself.
fn info(client: &mut Client, name: &str) -> i64 {
    let text = client.call(&["INFO", "everything"]).text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.expect("INFO has the field").parse().expect("a number")
}

/// Bytes of all shards' data, without buffers.
fn data_bytes(client: &mut Client) -> i64 {
    let text = client.call(&["INFO", "everything"]).text();
    let figures = text
        .lines()
        .filter(|line| line.starts_with("shard"))
        .flat_map(|line| line.split(','))
        .filter_map(|figure| figure.strip_prefix("used_memory="));
    figures
        .map(|bytes| bytes.parse::<i64>().expect("a number"))
        .sum()
}

#[test]
fn expired_fields_and_the_last_one_s_hash_go_by_themselves() {
    with_torc(|server| {
        let mut client = server.client();
        assert_eq!(info(&mut client, "expired_subkeys"), 0);
        for number in 0..300 {
            let key = format!("h:{number}");
            client.call(&[
                "HSETEX", &key, "PX", "20", "FIELDS", "2", "a", "1", "b", "2",
            ]);
            if number % 3 == 0 {
                client.call(&["HSET", &key, "stays", "x"]);
            }
        }
        eventually("fields expire", WAIT_LIMIT, || {
            info(&mut client, "expired_subkeys") == 600
        });
        assert_eq!(client.call(&["DBSIZE"]), Reply::Integer(100));
        assert_eq!(client.call(&["HLEN", "h:3"]), Reply::Integer(1));
        assert_eq!(info(&mut client, "expired_keys"), 0);
        client.call(&["CONFIG", "RESETSTAT"]);
        assert_eq!(info(&mut client, "expired_subkeys"), 0);
    });
}

#[test]
fn without_active_expiry_they_are_only_invisible() {
    with_torc(|server| {
        let mut client = server.client();
        set_active_expiry(server, "0");
        for number in 0..20 {
            let key = format!("h:{number}");
            client.call(&["HSET", &key, "a", "1", "b", "2"]);
            let reply = client.call(&["HPEXPIRE", &key, "1", "FIELDS", "2", "a", "b"]);
            assert_eq!(reply, Reply::Array(vec![Reply::Integer(1); 2]));
        }
        eventually("the last field has expired", WAIT_LIMIT, || {
            client.call(&["HGETALL", "h:19"]).elements().is_empty()
        });
        for number in 0..20 {
            let key = format!("h:{number}");
            assert_eq!(client.call(&["HLEN", &key]), Reply::Integer(2));
            assert_eq!(client.call(&["HGET", &key, "a"]), Reply::Null);
            assert_eq!(client.call(&["HLEN", &key]), Reply::Integer(1));
        }
        assert_eq!(client.call(&["DBSIZE"]), Reply::Integer(20));
        assert_eq!(info(&mut client, "expired_subkeys"), 20);
        set_active_expiry(server, "1");
        eventually("the hashes go", WAIT_LIMIT, || {
            client.call(&["DBSIZE"]) == Reply::Integer(0)
        });
        assert_eq!(info(&mut client, "expired_subkeys"), 40);
    });
}

#[test]
fn expiries_go_from_shard_to_shard() {
    with_torc(|server| {
        let mut client = server.client();
        let times = Reply::Array(vec![Reply::Integer(2_524_600_800_000), Reply::Integer(-1)]);
        for value in ["v".to_string(), "v".repeat(200)] {
            client.call(&["FLUSHALL"]);
            client.call(&["HSET", "h", "a", &value, "b", &value]);
            client.call(&["HEXPIREAT", "h", "2524600800", "FIELDS", "1", "a"]);
            let mut last = "h".to_string();
            for number in 0..12 {
                let next = format!("to:{number}");
                let moved = match number % 3 {
                    0 => client.call(&["COPY", &last, &next]),
                    1 => client.call(&["RENAMENX", &last, &next]),
                    _ => {
                        let Reply::Bulk(payload) = client.call(&["DUMP", &last]) else {
                            panic!("{last} is there");
                        };
                        let arguments = [b"RESTORE", next.as_bytes(), b"0", &payload];
                        assert_eq!(client.call(&arguments), Reply::Simple(b"OK".to_vec()));
                        Reply::Integer(1)
                    }
                };
                assert_eq!(moved, Reply::Integer(1));
                let found = client.call(&["HPEXPIRETIME", &next, "FIELDS", "2", "a", "b"]);
                assert_eq!(found, times, "{next}");
                last = next;
            }
            client.call(&["HGETEX", &last, "PX", "1", "FIELDS", "2", "a", "b"]);
            eventually("the copy goes", WAIT_LIMIT, || {
                client.call(&["EXISTS", &last]) == Reply::Integer(0)
            });
        }
    });
}

#[test]
fn the_memory_of_expired_fields_comes_back() {
    const HASHES: usize = 200;
    const FIELDS: usize = 500;
    with_torc(|server| {
        let mut client = server.client();
        let before = data_bytes(&mut client);
        let fields: Vec<String> = (0..FIELDS)
            .flat_map(|field| [format!("field:{field}"), "v".repeat(50)])
            .collect();
        set_active_expiry(server, "0");
        let count = FIELDS.to_string();
        for number in 0..HASHES {
            let key = format!("h:{number}");
            let mut arguments = vec!["HSETEX", &key, "PX", "1", "FIELDS", &count];
            arguments.extend(fields.iter().map(String::as_str));
            assert_eq!(client.call(&arguments), Reply::Integer(1));
        }
        let full = data_bytes(&mut client);
        assert!(full > before + (HASHES * FIELDS * 60) as i64);
        set_active_expiry(server, "1");
        eventually("all fields expire", WAIT_LIMIT, || {
            info(&mut client, "expired_subkeys") == (HASHES * FIELDS) as i64
        });
        assert_eq!(client.call(&["DBSIZE"]), Reply::Integer(0));
        eventually("their memory is free", WAIT_LIMIT, || {
            data_bytes(&mut client) - before < (full - before) / 10
        });
    });
}
