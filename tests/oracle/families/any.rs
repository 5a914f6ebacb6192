//! Random operations that every type of value knows: DUMP and RESTORE, RENAME and COPY, expiry, encodings; and large values of every type.

use crate::generate::{Builder, Compare};

/// A key of any family.
fn key(builder: &mut Builder<'_>) -> Vec<u8> {
    let families = [
        "list", "hash", "set", "zset", "stream", "hll", "geo", "key", "any",
    ];
    let family = *builder.random.pick(&families);
    let number = builder.random.below(5);
    format!("{}{family}:{number}", builder.territory.prefix).into_bytes()
}

/// A key that belongs to no family: values of all types come here. Keys of positions get only positions, which are never equal, and those of
/// HyperLogLogs only sound ones.
fn own_key(builder: &mut Builder<'_>) -> Vec<u8> {
    if builder.random.chance(10) {
        let key = key(builder);
        if !key
            .windows(4)
            .any(|part| [b"geo:", b"hll:"].iter().any(|own| part == *own))
        {
            return key;
        }
    }
    let number = builder.random.below(5);
    format!("{}any:{number}", builder.territory.prefix).into_bytes()
}

/// An operation on values of any type.
pub fn choose(builder: &mut Builder<'_>) {
    let source = key(builder);
    let destination = own_key(builder);
    match builder.random.below(100) {
        0..=27 => restore(builder, source, destination),
        28..=39 => {
            builder.word("COPY").word(source).word(destination);
            if builder.random.chance(50) {
                builder.word("REPLACE");
            }
        }
        40..=45 => {
            let verb = *builder.random.pick(&["RENAME", "RENAMENX"]);
            builder.word(verb).word(destination);
            let other = own_key(builder);
            builder.word(other);
        }
        46..=53 => {
            builder.word("EXPIRE").word(source);
            let seconds = builder.random.between(100_000, 1_000_000_000);
            builder.word(seconds.to_string());
        }
        54..=56 => {
            builder.word("EXPIRE").word(destination).word("-1");
        }
        // Not OBJECT IDLETIME: which command is a use is the server's own.
        57..=65 => {
            builder.compare = Compare::Near(5);
            builder.word("TTL").word(source);
        }
        66..=79 => {
            builder.words("OBJECT ENCODING").word(source);
        }
        80..=86 => {
            builder.word("TYPE").word(source);
        }
        87..=90 => {
            builder.word("DUMP").word(source);
            builder.compare = Compare::Dump;
        }
        91..=93 => {
            let verb = *builder.random.pick(&["DEL", "UNLINK"]);
            builder.word(verb).word(source).word(destination);
        }
        _ => large(builder, destination),
    }
}

/// The value of one key restored to another; the comparison puts the payload in the place of the source's name.
fn restore(builder: &mut Builder<'_>, source: Vec<u8>, destination: Vec<u8>) {
    builder.compare = Compare::Restore;
    builder.word("RESTORE").word(destination);
    let absolute = builder.random.chance(20);
    match builder.random.below(20) {
        // 7.0 adds the time to the greatest number of all, and the key is gone.
        0 => builder.word("-1"),
        1 => builder.word("x"),
        2..=10 => builder.word("0"),
        _ if absolute => builder.word("4102444800000"),
        _ => builder.word("100000000000"),
    };
    builder.word(source);
    if absolute {
        builder.word("ABSTTL");
    }
    if builder.random.chance(70) {
        builder.word("REPLACE");
    }
    if builder.random.chance(20) {
        builder.word("IDLETIME").integer(-1, 1000);
    }
    if builder.random.chance(15) {
        builder.word("FREQ").integer(-1, 256);
    }
    if builder.random.chance(2) {
        builder.word("NOSUCH");
    }
}

/// Many elements at once, so that encodings change.
fn large(builder: &mut Builder<'_>, key: Vec<u8>) {
    let count = 100 + builder.random.below(100) * builder.random.below(7);
    let integers = builder.random.chance(50);
    let verbs = ["RPUSH", "HSET", "SADD", "ZADD"];
    let verb = *builder.random.pick(&verbs);
    builder.word(verb).word(key);
    // All different: newer servers choose the encoding by the number that is announced.
    let first = builder.random.below(300);
    for number in 0..count {
        let element = match integers {
            true => (first + number).to_string(),
            false => format!("element {}", first + number),
        };
        match verb {
            "HSET" => builder.word(element).word(number.to_string()),
            "ZADD" => builder.word((number % 50).to_string()).word(element),
            _ => builder.word(element),
        };
    }
}
