//! Random requests of the classic text protocol. Each leaves the connection at the start of a line whatever the server makes of it, because the end of a
//! reply is found by the answer to a marker that follows. Left out: what memcached 1.6.18 cuts to 32 bits, and lines so long that whether they
//! are answered depends on how they arrive.

use crate::operation::{Operation, Part, Territory, expiry, flags, value};
use crate::support::random::Random;

/// The next request.
pub fn operation(random: &mut Random, territory: &Territory) -> Operation {
    let key = territory.key(random);
    match random.below(100) {
        0..=27 => store(random, key),
        28..=35 => compare_and_store(random, key),
        36..=49 => retrieve(random, territory),
        50..=56 => touch_and_retrieve(random, territory),
        57..=72 => arithmetic(random, key),
        73..=78 => {
            let seconds = expiry(random);
            plain(random, b"touch", key, &[seconds])
        }
        79..=84 => plain(random, b"delete", key, &[]),
        85..=92 => malformed(random, territory),
        93..=95 => bad_chunk(random, key),
        96 if territory.alone => whole(random),
        97 => long_key(random, territory),
        98 if random.chance(10) => too_large(random, key),
        98 if random.chance(10) => goodbye(),
        _ => plain(random, b"get", key, &[]),
    }
}

fn reply_or_not(random: &mut Random) -> &'static str {
    if random.chance(12) { " noreply" } else { "" }
}

fn plain(random: &mut Random, name: &[u8], key: Vec<u8>, arguments: &[&str]) -> Operation {
    let mut bytes = [name, b" ", &key].concat();
    for argument in arguments {
        bytes.extend_from_slice(format!(" {argument}").as_bytes());
    }
    if name != b"get" {
        bytes.extend_from_slice(reply_or_not(random).as_bytes());
    }
    // A line may end without a carriage return.
    bytes.extend_from_slice(if random.chance(3) { b"\n" } else { b"\r\n" });
    Operation::text(&key, bytes)
}

fn store(random: &mut Random, key: Vec<u8>) -> Operation {
    let name = *random.pick(&[
        "set", "set", "set", "add", "replace", "append", "append", "prepend",
    ]);
    let mut value = value(random);
    let flags = flags(random);
    if flags.parse::<u64>().is_err() || flags.len() > 15 {
        // The line is refused and the value read as a line, which must be a short one.
        value = b"nonsense".to_vec();
    }
    let mut bytes = format!("{name} ").into_bytes();
    bytes.extend_from_slice(&key);
    let line = format!(
        " {flags} {} {}{}\r\n",
        expiry(random),
        value.len(),
        reply_or_not(random)
    );
    bytes.extend_from_slice(line.as_bytes());
    bytes.extend_from_slice(&value);
    bytes.extend_from_slice(b"\r\n");
    Operation::text(&key, bytes)
}

fn compare_and_store(random: &mut Random, key: Vec<u8>) -> Operation {
    let value = value(random);
    let mut head = b"cas ".to_vec();
    head.extend_from_slice(&key);
    head.extend_from_slice(format!(" 7 {} {} ", expiry(random), value.len()).as_bytes());
    let token = match random.below(10) {
        0 => Part::Bytes(b"18446744073709551615".to_vec()),
        1 => Part::Bytes(b"0".to_vec()),
        2 => Part::Token {
            key: key.clone(),
            back: 1,
            binary: false,
        },
        _ => Part::Token {
            key: key.clone(),
            back: 0,
            binary: false,
        },
    };
    let mut tail = format!("{}\r\n", reply_or_not(random)).into_bytes();
    tail.extend_from_slice(&value);
    tail.extend_from_slice(b"\r\n");
    Operation {
        parts: vec![Part::Bytes(head), token, Part::Bytes(tail)],
        ..Operation::text(&key, "")
    }
}

fn keys(random: &mut Random, territory: &Territory, bytes: &mut Vec<u8>) {
    let count = match random.below(10) {
        0 => 1 + random.below(100),
        1..=4 => 1 + random.below(8),
        _ => 1,
    };
    for _ in 0..count {
        bytes.push(b' ');
        if count > 40 {
            // Short ones, so that the line stays below 2 KiB.
            bytes
                .extend_from_slice(format!("{}k{}", territory.prefix, random.below(12)).as_bytes());
        } else if count > 5 {
            bytes.extend_from_slice(
                format!(
                    "{}k{}{}",
                    territory.prefix,
                    random.below(8),
                    ["", "x"][random.below(2) as usize]
                )
                .as_bytes(),
            );
        } else {
            bytes.extend_from_slice(&territory.key(random));
        }
        if random.chance(2) {
            bytes.push(b' ');
        }
    }
    bytes.extend_from_slice(b"\r\n");
}

fn retrieve(random: &mut Random, territory: &Territory) -> Operation {
    let mut bytes = random
        .pick(&[b"get".to_vec(), b"gets".to_vec(), b"gets".to_vec()])
        .clone();
    if random.chance(2) {
        // Only these two may be longer than 2 KiB.
        for number in 0..60 {
            bytes.extend_from_slice(
                format!(" {}{}{}", territory.prefix, "long".repeat(12), number % 10).as_bytes(),
            );
        }
    }
    keys(random, territory, &mut bytes);
    Operation::text(b"", bytes)
}

fn touch_and_retrieve(random: &mut Random, territory: &Territory) -> Operation {
    let name = *random.pick(&["gat", "gats"]);
    let mut bytes = format!("{name} {}", expiry(random)).into_bytes();
    keys(random, territory, &mut bytes);
    Operation::text(b"", bytes)
}

fn arithmetic(random: &mut Random, key: Vec<u8>) -> Operation {
    let name = *random.pick(&["incr", "incr", "decr"]);
    let delta = *random.pick(&[
        "1",
        "1",
        "1",
        "2",
        "5",
        "10",
        "100",
        "1000",
        "0",
        "18446744073709551615",
        "18446744073709551614",
        "9223372036854775808",
        "18446744073709551616",
        "-1",
        "abc",
        "1x",
        "01",
        "+1",
        "1.5",
    ]);
    plain(random, name.as_bytes(), key, &[delta]).alone()
}

fn malformed(random: &mut Random, territory: &Territory) -> Operation {
    let key = territory.key(random);
    let form = *random.pick(&[
        "get",
        "gets",
        "gat",
        "gat 0",
        "gats 0",
        "gat x KEY",
        "gats KEY",
        "touch",
        "touch KEY",
        "touch KEY x",
        "touch KEY 0 foo",
        "touch KEY 0 foo bar",
        "delete",
        "delete KEY 0",
        "delete KEY 0 noreply",
        "delete KEY 1",
        "delete KEY foo",
        "delete KEY 0 foo",
        "delete KEY noreply x",
        "delete KEY 0 noreply x",
        "incr",
        "incr KEY",
        "incr KEY 1 2",
        "incr KEY 1 2 3",
        "decr KEY noreply",
        "set",
        "set KEY",
        "set KEY 0",
        "set KEY 0 0",
        "set KEY 0 0 1 noreply x\r\nv",
        "set KEY 0 0 1 x\r\nv",
        "set KEY 0 x 1\r\nv",
        "set KEY 0 0 x\r\nv",
        "set KEY 0 0 -1\r\nv",
        "set KEY 0 0 +1\r\nv",
        "set KEY 0 0 01\r\nv",
        "set KEY 0 0 1x\r\nv",
        "set KEY 0 1.5 1\r\nv",
        "add KEY 0 0",
        "append KEY 0 0",
        "cas KEY 0 0 1\r\nv",
        "cas KEY 0 0 1 x\r\nv",
        "cas KEY 0 0 1 -1\r\nv",
        "cas KEY 0 0 1 18446744073709551616\r\nv",
        "cas KEY 0 0 1 1 noreply x\r\nv",
        "verbosity",
        "verbosity 0",
        "verbosity 0 noreply",
        "verbosity x",
        "verbosity 0 foo",
        "verbosity 0 1 2",
        "version",
        "version foo",
        "versionx",
        "foo",
        "",
        "   ",
        "GET KEY",
        "Set KEY 0 0 1\r\nv",
        " get KEY",
        "get  KEY  ",
        "get\tKEY",
        "flush_all x",
        "flush_all 1 2 3",
        "flush_all 0 noreply x",
        "stats foo",
        "stats detail",
        "stats cachedump",
        "bget KEY",
        "cache_memlimit",
        "lru",
        "misbehave",
        "shutdown",
        "noreply",
        "VALUE KEY 0 1",
        "END",
        "get KEY\n\nget KEY",
        "\r",
    ]);
    let mut bytes = Vec::new();
    let mut rest = form;
    while let Some(at) = rest.find("KEY") {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        bytes.extend_from_slice(&key);
        rest = &rest[at + 3..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes.extend_from_slice(b"\r\n");
    Operation {
        alone: form.starts_with("incr"),
        ..Operation::text(&key, bytes)
    }
}

/// A data block that is longer or shorter than announced; what is left over is lines.
fn bad_chunk(random: &mut Random, key: Vec<u8>) -> Operation {
    let announced = 1 + random.below(20) as usize;
    let mut bytes = random
        .pick(&[b"set ".to_vec(), b"append ".to_vec(), b"add ".to_vec()])
        .clone();
    bytes.extend_from_slice(&key);
    bytes.extend_from_slice(format!(" 0 0 {announced}{}\r\n", reply_or_not(random)).as_bytes());
    if random.chance(50) {
        let longer = announced + 1 + random.below(20) as usize;
        bytes.extend_from_slice(&vec![b'd'; longer]);
        bytes.extend_from_slice(b"\r\n");
    } else {
        let shorter = random.below(announced as u64) as usize;
        bytes.extend_from_slice(&vec![b'd'; shorter]);
        bytes.extend_from_slice(b"\r\n");
        // More than was announced follows, so that the marker behind is not taken for data.
        bytes.extend_from_slice(&vec![b'e'; announced + 2]);
        bytes.extend_from_slice(b"\r\n");
    }
    Operation::text(&key, bytes)
}

fn whole(random: &mut Random) -> Operation {
    let line = *random.pick(&[
        "flush_all\r\n",
        "flush_all 0\r\n",
        "flush_all noreply\r\n",
        "flush_all 0 noreply\r\n",
    ]);
    Operation::text(b"", line)
}

fn long_key(random: &mut Random, territory: &Territory) -> Operation {
    let mut key = territory.prefix.clone().into_bytes();
    key.resize(251, b'k');
    let other = territory.key(random);
    let form = random.below(7);
    let bytes = match form {
        // The other way round the first key counts as read before the line is refused.
        0 => [b"get ", key.as_slice(), b" ", &other].concat(),
        1 => [b"gets ", key.as_slice()].concat(),
        2 => [b"gat 0 ", key.as_slice()].concat(),
        3 => [b"touch ", key.as_slice(), b" 0"].concat(),
        4 => [b"incr ", key.as_slice(), b" 1"].concat(),
        5 => [b"delete ", key.as_slice()].concat(),
        _ => [b"set ", key.as_slice(), b" 0 0 1\r\nv"].concat(),
    };
    Operation {
        // A retrieval of such a key makes memcached 1.6.18 forget the replies before it that are not sent yet.
        alone: true,
        ..Operation::text(b"", [bytes.as_slice(), b"\r\n"].concat())
    }
}

fn too_large(random: &mut Random, key: Vec<u8>) -> Operation {
    const LENGTH: usize = 1_200_000;
    let name = *random.pick(&["set", "add", "append"]);
    let mut bytes = format!("{name} ").into_bytes();
    bytes.extend_from_slice(&key);
    bytes.extend_from_slice(format!(" 0 0 {LENGTH}{}\r\n", reply_or_not(random)).as_bytes());
    bytes.resize(bytes.len() + LENGTH, b'L');
    bytes.extend_from_slice(b"\r\n");
    Operation::text(&key, bytes)
}

/// The server closes the connection.
fn goodbye() -> Operation {
    Operation {
        closes: true,
        alone: true,
        ..Operation::text(b"", "quit\r\n")
    }
}
