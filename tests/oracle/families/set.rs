//! Random operations on sets. What a server chooses itself, or in which order, is compared as sets.

use crate::generate::{Builder, Compare};

/// A few sets, and now and then a key of another type.
fn key(builder: &mut Builder<'_>) {
    if builder.random.chance(4) {
        builder.key();
        return;
    }
    let number = builder.random.below(5);
    let key = format!("{}set:{number}", builder.territory.prefix);
    builder.word(key);
}

fn keys(builder: &mut Builder<'_>, most: u64) {
    for _ in 0..=builder.random.below(most) {
        key(builder);
    }
}

fn member(builder: &mut Builder<'_>) {
    match builder.random.below(60) {
        0 => builder.word(""),
        1 => builder.word("long".repeat(20)),
        2 => builder.word(b"\x00\xff\r\n".to_vec()),
        3 => builder.integer(-100_000, 100_000),
        4 => builder.word("-2147483649"),
        5..=12 => {
            let letter = b'a' + builder.random.below(6) as u8;
            builder.word([letter])
        }
        number => builder.word((number % 16).to_string()),
    };
}

fn members(builder: &mut Builder<'_>) {
    member(builder);
    while builder.random.chance(60) {
        member(builder);
    }
}

/// An operation on sets.
pub fn choose(builder: &mut Builder<'_>) {
    match builder.random.below(100) {
        0..=24 => {
            builder.word("SADD");
            key(builder);
            members(builder);
        }
        25..=32 => {
            builder.word("SREM");
            key(builder);
            members(builder);
        }
        33..=37 => {
            builder.word("SPOP");
            builder.compare = Compare::Pop;
            key(builder);
            if builder.random.chance(60) {
                builder.integer(-1, 8);
            }
        }
        38..=44 => {
            builder.word("SMOVE");
            key(builder);
            key(builder);
            member(builder);
        }
        45..=56 => {
            let name = *builder.random.pick(&["SINTER", "SUNION", "SDIFF"]);
            builder.compare = Compare::Unordered;
            builder.word(name);
            keys(builder, 4);
        }
        57..=70 => {
            let names = ["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE"];
            let name = *builder.random.pick(&names);
            builder.word(name);
            key(builder);
            keys(builder, 4);
        }
        71..=76 => intersection_card(builder),
        77..=84 => {
            let name = *builder.random.pick(&["SISMEMBER", "SMISMEMBER"]);
            builder.word(name);
            key(builder);
            if name == "SISMEMBER" {
                member(builder);
            } else {
                members(builder);
            }
        }
        85..=89 => {
            builder.word("SCARD");
            key(builder);
        }
        90..=95 => {
            builder.compare = Compare::Unordered;
            builder.word("SMEMBERS");
            key(builder);
        }
        _ => {
            builder.words("OBJECT ENCODING");
            key(builder);
        }
    }
}

fn intersection_card(builder: &mut Builder<'_>) {
    let count = 1 + builder.random.below(3);
    let said = match builder.random.below(20) {
        0 => count + 1,
        1 => 0,
        _ => count,
    };
    builder.word("SINTERCARD").word(said.to_string());
    for _ in 0..count {
        key(builder);
    }
    if builder.random.chance(50) {
        builder.word("LIMIT").integer(-1, 5);
    }
}
