//! Collections of ten million elements: growth, ranks, random elements, scans and deletion, none of which may make a turn long.
//!
//! Never: asks for a large reply; a command that returns much takes as long as its reply.

use crate::load::pipelined;
use crate::stalls::{SKIPPED, Turns, figure, reset, start};
use crate::support::client::Client;
use crate::support::random::Random;
use crate::support::reply::Reply;
use crate::support::server::skip_unless_torc;
use crate::support::{WAIT_LIMIT, eventually};
use crate::{alone, full};

/// Elements added by one command.
const AT_ONCE: u64 = 8;
/// Requests of each kind that only look at the collection.
const LOOKS: u64 = 20_000;

fn members() -> u64 {
    if full() { 10_000_000 } else { 100_000 }
}

/// A collection type, and how it is grown and looked at.
struct Subject {
    name: &'static str,
    add: &'static str,
    /// The arguments of one element.
    element: fn(u64) -> Vec<String>,
    length: &'static str,
    /// Requests on the key, `#` being a random number below the length.
    looks: &'static [&'static str],
    /// The command that scans it, `#` being the cursor.
    scan: Option<&'static str>,
}

fn member(number: u64) -> String {
    format!("member:{number:08}")
}

const SUBJECTS: [Subject; 5] = [
    Subject {
        name: "hash",
        add: "HSET",
        element: |number| vec![member(number), number.to_string()],
        length: "HLEN",
        looks: &["HRANDFIELD large 10", "HGET large member:00000042"],
        scan: Some("HSCAN large # COUNT 100"),
    },
    Subject {
        name: "set",
        add: "SADD",
        element: |number| vec![member(number)],
        length: "SCARD",
        looks: &["SRANDMEMBER large 10", "SISMEMBER large member:00000042"],
        scan: Some("SSCAN large # COUNT 100"),
    },
    Subject {
        name: "sorted set",
        add: "ZADD",
        element: |number| {
            let score = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40;
            vec![score.to_string(), member(number)]
        },
        length: "ZCARD",
        looks: &[
            "ZRANGE large # # WITHSCORES",
            "ZREVRANGE large # #",
            "ZRANDMEMBER large 10",
            "ZRANK large member:00000042",
            "ZCOUNT large 1000 900000",
            "ZRANGE large 1000 900000 BYSCORE LIMIT # 5",
        ],
        scan: Some("ZSCAN large # COUNT 100"),
    },
    Subject {
        name: "list",
        add: "RPUSH",
        element: |number| vec![member(number)],
        length: "LLEN",
        looks: &["LRANGE large # #", "LINDEX large #"],
        scan: None,
    },
    Subject {
        name: "stream",
        add: "XADD",
        element: |number| vec![format!("field{number}"), number.to_string()],
        length: "XLEN",
        looks: &["XRANGE large - + COUNT 2", "XREVRANGE large + - COUNT 2"],
        scan: None,
    },
];

impl Subject {
    /// Fills the collection; every reply must be `expected` elements or an ID.
    fn grow(&self, client: &mut Client, members: u64) {
        let requests = (0..members / AT_ONCE).map(|number| {
            let mut arguments = vec![self.add.to_string(), "large".to_string()];
            if self.add == "XADD" {
                arguments.push("*".to_string());
                arguments.extend((self.element)(number));
            } else {
                let numbers = number * AT_ONCE..(number + 1) * AT_ONCE;
                arguments.extend(numbers.flat_map(self.element));
            }
            arguments
        });
        pipelined(client, requests, |number, reply| {
            assert!(
                matches!(reply, Reply::Integer(_) | Reply::Bulk(_)),
                "the reply to request {number}: {reply:?}"
            );
        });
    }

    fn look(&self, client: &mut Client, length: u64, random: &mut Random) {
        for look in self.looks {
            reset(client);
            let requests = (0..LOOKS).map(|_| {
                let number = random.below(length).to_string();
                let words = look.split(' ');
                words
                    .map(|word| {
                        if word == "#" {
                            number.clone()
                        } else {
                            word.to_string()
                        }
                    })
                    .collect()
            });
            pipelined(client, requests, |number, reply| {
                assert!(
                    !matches!(reply, Reply::Error(_) | Reply::Null),
                    "the reply to request {number}: {reply:?}"
                );
            });
            Turns::judge(client, &format!("{look} of {length}"));
        }
    }

    /// Scans it whole; the number of elements must be that of the collection.
    fn scan(&self, client: &mut Client, scan: &str, length: u64) {
        reset(client);
        let (mut cursor, mut elements) = ("0".to_string(), 0);
        let each = if self.name == "set" { 1 } else { 2 };
        loop {
            let reply = client.words(&scan.replace('#', &cursor));
            let [next, page] = reply.elements() else {
                panic!("not a page: {reply:?}");
            };
            elements += page.elements().len() / each;
            cursor = next.text();
            if cursor == "0" {
                break;
            }
        }
        assert!(elements as u64 >= length, "{elements} of {length} elements");
        Turns::judge(client, &format!("{scan} of {length}"));
    }
}

#[test]
fn large_collections() {
    if skip_unless_torc(SKIPPED) {
        return;
    }
    let _alone = alone();
    let seed = 20;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    for subject in &SUBJECTS {
        let (server, mut client) = start();
        let empty = figure(&mut client, "used_memory");
        reset(&mut client);
        subject.grow(&mut client, members());
        let length = client.words(&format!("{} large", subject.length)).integer() as u64;
        assert!(length >= members() / AT_ONCE, "{length}");
        Turns::judge(
            &mut client,
            &format!("growth of a {} to {length}", subject.name),
        );
        subject.look(&mut client, length, &mut random);
        if let Some(scan) = subject.scan {
            subject.scan(&mut client, scan, length);
        }
        reset(&mut client);
        assert_eq!(client.words("RENAME large other").text(), "OK");
        Turns::judge(
            &mut client,
            &format!("RENAME of a {} of {length}", subject.name),
        );
        reset(&mut client);
        assert_eq!(client.words("DEL other").integer(), 1);
        // Busy meanwhile, as a shard is that releases in the background.
        eventually("the memory is free", 6 * WAIT_LIMIT, || {
            assert_eq!(client.words("SET other value").text(), "OK");
            let waiting = figure(&mut client, "lazyfree_pending_objects");
            waiting == 0 && figure(&mut client, "used_memory") < empty + (8 << 20)
        });
        Turns::judge(
            &mut client,
            &format!("DEL of a {} of {length}", subject.name),
        );
        server.stop();
    }
}
