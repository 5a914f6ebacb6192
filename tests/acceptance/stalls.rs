//! Nothing keeps a shard busy for long in one turn, whatever the sizes: mass expiry, growth, deletion of large values, FLUSHALL.
//!
//! Only a full run judges the lengths. A turn beyond 1 ms is then let pass if it is one of few and below 10 ms, because on a virtual machine the first
//! touch of fresh memory can cost the thread some milliseconds of CPU time that no program can avoid.

use crate::load::all_ok;
use crate::support::client::Client;
use crate::support::server::{Server, skip_unless_torc};
use crate::support::{WAIT_LIMIT, eventually};
use crate::{alone, full};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// In a full run, one turn in so many may be longer than 1 ms.
const TOO_LONG_ONE_IN: u64 = 500;
/// In a full run, no turn may be longer than this.
const TURN_US_MAX: u64 = 10_000;

/// The turns of all shards.
#[derive(Default)]
pub struct Turns {
    counts: Vec<(String, u64)>,
    count: u64,
    too_long: u64,
    us_max: u64,
}

impl Turns {
    fn read(client: &mut Client) -> Turns {
        let text = client.words("INFO shards").text();
        let mut turns = Turns::default();
        for line in text.lines() {
            let Some((name, figures)) = line.split_once(':') else {
                continue;
            };
            let figures = figures.split(',').map(|figure| {
                let (name, number) = figure.split_once('=').expect("name=number");
                (
                    name.to_string(),
                    number.parse::<u64>().expect("name=number"),
                )
            });
            if name.ends_with("_turn_cpu_us") {
                for (bound, count) in figures {
                    turns.count += count;
                    match turns.counts.iter_mut().find(|(name, _)| *name == bound) {
                        Some((_, sum)) => *sum += count,
                        None => turns.counts.push((bound, count)),
                    }
                }
            } else if name.starts_with("shard") {
                for (name, number) in figures {
                    match name.as_str() {
                        "turns_too_long" => turns.too_long += number,
                        "turn_cpu_us_max" => turns.us_max = turns.us_max.max(number),
                        _ => (),
                    }
                }
            }
        }
        turns
    }

    pub fn judge(client: &mut Client, what: &str) {
        let turns = Turns::read(client);
        let counts: Vec<String> = turns
            .counts
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(bound, count)| format!("{bound}: {count}"))
            .collect();
        println!(
            "{what}: {} turns, {} beyond 1 ms, longest {} us ({})",
            turns.count,
            turns.too_long,
            turns.us_max,
            counts.join(", ")
        );
        assert!(turns.count > 0, "turns are counted");
        if full() {
            assert!(turns.us_max <= TURN_US_MAX, "{what}: {} us", turns.us_max);
            assert!(
                turns.too_long <= 1 + turns.count / TOO_LONG_ONE_IN,
                "{what}: {} turns of {} took more than 1 ms",
                turns.too_long,
                turns.count
            );
        }
    }
}

pub fn start() -> (Server, Client) {
    let server = Server::start_with_shards(1, &[]);
    let client = server.client();
    (server, client)
}

pub fn reset(client: &mut Client) {
    assert_eq!(client.words("CONFIG RESETSTAT").text(), "OK");
    let turns = Turns::read(client);
    // The turn that answered, and what others there were since.
    assert!(turns.count < 1000, "RESETSTAT forgets turns");
}

fn keys() -> u64 {
    if full() { 5_000_000 } else { 100_000 }
}

pub const SKIPPED: &str = "turns are torc's";

#[test]
fn many_keys_expire_at_once() {
    if skip_unless_torc(SKIPPED) {
        return;
    }
    let _alone = alone();
    let (server, mut client) = start();
    let now_ms = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("the clock is past 1970")
        .as_millis() as u64;
    let from_ms = now_ms + if full() { 40_000 } else { 4_000 };
    let requests = (0..keys()).map(|number| {
        let key = format!("key:{number:010}");
        let expiry = (from_ms + number % 1000).to_string();
        vec![
            "SET".to_string(),
            key,
            "value".repeat(10),
            "PXAT".to_string(),
            expiry,
        ]
    });
    all_ok(&mut client, requests);
    reset(&mut client);
    let there = client.words("DBSIZE").integer();
    println!("{there} keys await their expiry");
    eventually("all keys expire", 3 * WAIT_LIMIT, || {
        client.words("DBSIZE").integer() == 0
    });
    Turns::judge(&mut client, &format!("{there} keys expire in one second"));
    server.stop();
}

#[test]
fn a_dictionary_grows() {
    if skip_unless_torc(SKIPPED) {
        return;
    }
    let _alone = alone();
    let (server, mut client) = start();
    reset(&mut client);
    let keys = 2 * keys();
    let requests = (0..keys).map(|number| {
        vec![
            "SET".to_string(),
            format!("key:{number:010}"),
            "0123456789".to_string(),
        ]
    });
    all_ok(&mut client, requests);
    assert_eq!(client.words("DBSIZE").integer(), keys as i64);
    Turns::judge(&mut client, &format!("growth to {keys} keys"));
    server.stop();
}

#[test]
fn a_large_value_is_deleted() {
    if skip_unless_torc(SKIPPED) {
        return;
    }
    let _alone = alone();
    let (server, mut client) = start();
    let bytes = if full() { 512 << 20 } else { 64 << 20 };
    let value = vec![b'v'; bytes];
    for command in ["DEL", "UNLINK", "FLUSHDB"] {
        let reply = client.call(&[b"SET".as_slice(), b"large", &value]);
        assert_eq!(reply.text(), "OK");
        reset(&mut client);
        if command == "FLUSHDB" {
            assert_eq!(client.words(command).text(), "OK");
        } else {
            let reply = client.call(&[command, "large"]);
            assert_eq!(reply.integer(), 1);
        }
        assert_eq!(client.words("DBSIZE").integer(), 0);
        // The memory is given back in the background.
        eventually("its memory is free", WAIT_LIMIT, || {
            figure(&mut client, "used_memory") < 16 << 20
        });
        Turns::judge(&mut client, &format!("{command} of {bytes} bytes"));
    }
    server.stop();
}

/// A figure of INFO memory.
pub fn figure(client: &mut Client, name: &str) -> u64 {
    let text = client.words("INFO memory").text();
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or_else(|| panic!("{name} is in INFO"))
}

#[test]
fn everything_is_flushed() {
    if skip_unless_torc(SKIPPED) {
        return;
    }
    let _alone = alone();
    let (server, mut client) = start();
    let empty = figure(&mut client, "used_memory");
    for command in ["FLUSHALL ASYNC", "FLUSHALL"] {
        let requests = (0..keys()).map(|number| {
            vec![
                "SET".to_string(),
                format!("key:{number:010}"),
                "value".repeat(10),
            ]
        });
        all_ok(&mut client, requests);
        reset(&mut client);
        assert_eq!(client.words(command).text(), "OK");
        assert_eq!(client.words("DBSIZE").integer(), 0);
        // Busy meanwhile, as a shard is that is being flushed in the background.
        eventually("the memory is free", Duration::from_secs(60), || {
            assert_eq!(client.words("SET other value").text(), "OK");
            figure(&mut client, "used_memory") < empty + (16 << 20)
        });
        Turns::judge(&mut client, &format!("{command} of {} keys", keys()));
    }
    server.stop();
}
