//! Random data of all types and encodings, put into a redis-server in random pieces.

use crate::support::client::{Client, request};
use crate::support::random::Random;
use crate::support::reply::Reply;
use crate::{call, rdb_version};

/// An element of a collection, or a string: integers of all widths, compressible and incompressible text, short and long.
fn element(random: &mut Random) -> Vec<u8> {
    match random.below(8) {
        0 => (random.next() as i64 >> random.below(64))
            .to_string()
            .into_bytes(),
        1 => random.between(-300, 300).to_string().into_bytes(),
        2 => b"compressible ".repeat(random.below(40) as usize),
        3 => vec![b'x'; random.below(300) as usize],
        _ => {
            let bound = if random.chance(4) { 20_000 } else { 40 };
            let length = random.below(bound) as usize;
            random.bytes(length)
        }
    }
}

/// Elements of which none, some or all make a collection large.
fn elements(random: &mut Random) -> Vec<Vec<u8>> {
    let bound = if random.chance(25) { 800 } else { 30 };
    let count = 1 + random.below(bound);
    let form = random.below(4);
    (0..count)
        .map(|_| match form {
            0 => (random.next() as i64 >> (64 - [8, 16, 32, 64][random.below(4) as usize]))
                .to_string()
                .into_bytes(),
            1 => {
                let length = random.below(20) as usize;
                random.bytes(length)
            }
            _ => element(random),
        })
        .collect()
}

/// No negative zero, whose sign Redis loses when a sorted set becomes a listpack.
fn score(random: &mut Random) -> String {
    match random.below(5) {
        0 => random.pick(&["inf", "-inf", "0"]).to_string(),
        1 => random.between(-1000, 1000).to_string(),
        2 => (random.between(-1_000_000, 1_000_000) as f64 / 1000.0).to_string(),
        _ => {
            let score = f64::from_bits(random.next());
            if score.is_nan() {
                "1.5".into()
            } else {
                format!("{score:e}")
            }
        }
    }
}

/// Requests that are sent together.
#[derive(Default)]
struct Pipeline {
    bytes: Vec<u8>,
    requests: usize,
}

impl Pipeline {
    fn add(&mut self, words: &[&[u8]]) {
        self.bytes.extend_from_slice(&request(words));
        self.requests += 1;
    }

    fn add_line(&mut self, line: &str) {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.add(&words);
    }

    /// Sends them; none may fail.
    fn send(self, client: &mut Client) {
        client.send(&self.bytes).expect("the server receives");
        for _ in 0..self.requests {
            let reply = client.read().expect("the server answers");
            assert!(!matches!(reply, Reply::Error(_)), "{reply:?}");
        }
    }
}

/// Puts some random data into the keys of a prefix, in three databases. Fields of hashes expire where the server knows that.
pub fn fill(client: &mut Client, random: &mut Random, prefix: &str, keys: usize) {
    // Elements from this length on are nodes of lists of their own; the threshold of a real server is a gigabyte.
    call!(client, "DEBUG", "QUICKLIST-PACKED-THRESHOLD", "5000B");
    let fields_expire = rdb_version(client) >= 12;
    for database in [0, 3, 9] {
        let mut pipeline = Pipeline::default();
        pipeline.add_line(&format!("SELECT {database}"));
        for number in 0..keys {
            let key = match random.below(3) {
                0 => format!("{prefix}:{number}").into_bytes(),
                1 => [prefix.as_bytes(), &[b'k'; 100], &number.to_le_bytes()].concat(),
                _ => format!("{}{number}", prefix.len()).into_bytes(),
            };
            // A key may have been another type's.
            pipeline.add(&[b"DEL", &key]);
            match number % 6 {
                0 => pipeline.add(&[b"SET", &key, &element(random)]),
                1 => add_collection(&mut pipeline, b"RPUSH", &key, &elements(random)),
                2 => add_collection(&mut pipeline, b"SADD", &key, &elements(random)),
                3 => {
                    let members = elements(random);
                    let members: Vec<Vec<u8>> = members
                        .into_iter()
                        .flat_map(|member| [score(random).into_bytes(), member])
                        .collect();
                    add_collection(&mut pipeline, b"ZADD", &key, &members);
                }
                4 => {
                    // Half of the hashes have short values only, and so may be listpacks.
                    let value = match random.chance(50) {
                        true => |random: &mut Random| random.bytes(8),
                        false => element,
                    };
                    let fields: Vec<Vec<u8>> = elements(random)
                        .into_iter()
                        .flat_map(|name| [name, value(random)])
                        .collect();
                    add_collection(&mut pipeline, b"HSET", &key, &fields);
                    if fields_expire && random.chance(50) {
                        for _ in 0..3 {
                            let name = &fields[2 * random.below(fields.len() as u64 / 2) as usize];
                            let at = far_future(random);
                            pipeline.add(&[b"HPEXPIREAT", &key, &at, b"FIELDS", b"1", name]);
                        }
                    }
                }
                _ => add_stream(&mut pipeline, random, &key),
            }
            if random.chance(30) {
                pipeline.add(&[b"PEXPIREAT", &key, &far_future(random)]);
            }
        }
        pipeline.add_line("SELECT 0");
        pipeline.send(client);
    }
}

/// Milliseconds since 1970, as text.
fn far_future(random: &mut Random) -> Vec<u8> {
    let at_ms = 4_000_000_000_000 + random.below(1_000_000_000);
    at_ms.to_string().into_bytes()
}

fn add_collection(pipeline: &mut Pipeline, command: &[u8], key: &[u8], arguments: &[Vec<u8>]) {
    let mut words = vec![command, key];
    words.extend(arguments.iter().map(Vec::as_slice));
    pipeline.add(&words);
}

fn add_stream(pipeline: &mut Pipeline, random: &mut Random, key: &[u8]) {
    let bound = if random.chance(30) { 500 } else { 20 };
    let entries = random.below(bound);
    for number in 1..=entries {
        let id = format!("{}-{}", number * 10, random.below(5));
        let value = element(random);
        match random.below(4) {
            0 => pipeline.add(&[b"XADD", key, id.as_bytes(), b"other", &value, b"and", b"7"]),
            _ => pipeline.add(&[b"XADD", key, id.as_bytes(), b"field", &value]),
        }
        if random.chance(5) {
            pipeline.add(&[b"XDEL", key, id.as_bytes()]);
        }
    }
    for group in 0..random.below(3) {
        let group = format!("group {group}");
        let start = (random.below(entries + 1) * 10).to_string();
        pipeline.add(&[
            b"XGROUP",
            b"CREATE",
            key,
            group.as_bytes(),
            start.as_bytes(),
            b"MKSTREAM",
        ]);
        for consumer in 0..random.below(3) {
            let consumer = format!("consumer {consumer}");
            let count = (1 + random.below(20)).to_string();
            pipeline.add(&[
                b"XREADGROUP",
                b"GROUP",
                group.as_bytes(),
                consumer.as_bytes(),
                b"COUNT",
                count.as_bytes(),
                b"STREAMS",
                key,
                b">",
            ]);
        }
        pipeline.add(&[b"XGROUP", b"CREATECONSUMER", key, group.as_bytes(), b"idle"]);
        pipeline.add(&[
            b"XAUTOCLAIM",
            key,
            group.as_bytes(),
            b"consumer 0",
            b"0",
            b"0",
            b"COUNT",
            b"3",
        ]);
        pipeline.add(&[b"XACK", key, group.as_bytes(), b"10-1", b"20-1", b"30-1"]);
    }
    if entries > 0 && random.chance(20) {
        pipeline.add(&[
            b"XTRIM",
            key,
            b"MAXLEN",
            (entries / 2).to_string().as_bytes(),
        ]);
    }
}

/// Loads a few libraries, one of them compressible.
pub fn load_functions(client: &mut Client, names: &[&str]) {
    for (number, name) in names.iter().enumerate() {
        let comment = "-- much the same\n".repeat(number * 30);
        let code = format!(
            "#!lua name={name}\n{comment}redis.register_function('{name}', function() return {number} end)"
        );
        assert_eq!(call!(client, "FUNCTION", "LOAD", code).text(), *name);
    }
}
