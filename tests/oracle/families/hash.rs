//! Random operations on hashes. Whole hashes are compared without regard to order, which a hash table leaves open.

use crate::generate::{Builder, Compare};

/// A few hashes, and now and then a key of another type.
fn key(builder: &mut Builder<'_>) {
    if builder.random.chance(4) {
        builder.key();
        return;
    }
    let number = builder.random.below(4);
    let key = format!("{}hash:{number}", builder.territory.prefix);
    builder.word(key);
}

fn field(builder: &mut Builder<'_>) {
    match builder.random.below(30) {
        0 => builder.word(""),
        1 => builder.word("long".repeat(30)),
        2 => builder.word(b"\x00\xff\r\n".to_vec()),
        number => builder.word(format!("f{}", number % 12)),
    };
}

fn fields(builder: &mut Builder<'_>) {
    field(builder);
    while builder.random.chance(60) {
        field(builder);
    }
}

/// An operation on hashes.
pub fn choose(builder: &mut Builder<'_>) {
    match builder.random.below(100) {
        0..=24 => {
            let name = *builder.random.pick(&["HSET", "HSET", "HMSET"]);
            builder.word(name);
            key(builder);
            field(builder);
            builder.value();
            while builder.random.chance(60) {
                field(builder);
                builder.value();
            }
        }
        25..=28 => {
            builder.word("HSETNX");
            key(builder);
            field(builder);
            builder.value();
        }
        29..=38 => {
            let name = *builder.random.pick(&["HGET", "HEXISTS", "HSTRLEN"]);
            builder.word(name);
            key(builder);
            field(builder);
        }
        39..=46 => {
            builder.word("HMGET");
            key(builder);
            fields(builder);
        }
        47..=54 => {
            builder.word("HDEL");
            key(builder);
            fields(builder);
        }
        55..=64 => {
            builder.word("HINCRBY");
            key(builder);
            field(builder);
            builder.integer(-100, 100);
        }
        65..=72 => {
            builder.word("HINCRBYFLOAT");
            key(builder);
            field(builder);
            let text = *builder
                .random
                .pick(&["1.5", "-0.25", "3", "1e3", "abc", "inf", "nan", "0.1", ""]);
            builder.word(text);
        }
        73..=86 => {
            let name = *builder.random.pick(&["HKEYS", "HVALS", "HGETALL"]);
            builder.compare = match name {
                "HGETALL" => Compare::Pairs,
                _ => Compare::Unordered,
            };
            builder.word(name);
            key(builder);
        }
        87..=92 => {
            builder.word("HLEN");
            key(builder);
        }
        93..=96 => {
            builder.words("OBJECT ENCODING");
            key(builder);
        }
        _ => {
            builder.word("TYPE");
            key(builder);
        }
    }
}
