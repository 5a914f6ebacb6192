//! Operations whose result is a server's own choice, on collections of any family: elements at random, and those of a scan.

use crate::generate::{Builder, Compare};

fn key(builder: &mut Builder<'_>, family: &str) {
    let family = if builder.random.chance(4) {
        *builder
            .random
            .pick(&["list", "any", "key", "set", "hash", "zset"])
    } else if builder.random.chance(20) {
        "any"
    } else {
        family
    };
    let number = builder.random.below(5);
    let key = format!("{}{family}:{number}", builder.territory.prefix);
    builder.word(key);
}

/// An operation that leaves the server a choice.
pub fn choose(builder: &mut Builder<'_>) {
    if builder.random.chance(50) {
        let (verb, family, with) = *builder.random.pick(&[
            ("SRANDMEMBER", "set", ""),
            ("HRANDFIELD", "hash", "WITHVALUES"),
            ("ZRANDMEMBER", "zset", "WITHSCORES"),
        ]);
        builder.compare = Compare::Sample;
        builder.word(verb);
        key(builder, family);
        if builder.random.chance(80) {
            builder.integer(-10, 30);
            if !with.is_empty() && builder.random.chance(50) {
                builder.word(with);
            }
        }
        return;
    }
    let (verb, family) =
        *builder
            .random
            .pick(&[("SSCAN", "set"), ("HSCAN", "hash"), ("ZSCAN", "zset")]);
    builder.compare = Compare::Scan;
    builder.word(verb);
    key(builder, family);
    builder.word("0");
    if builder.random.chance(40) {
        let pattern = *builder
            .random
            .pick(&["*", "f*", "1*", "[a-c]", "?", "nosuch"]);
        builder.word("MATCH").word(pattern);
    }
    if builder.random.chance(60) {
        let counts = [
            "1",
            "3",
            "10",
            "1000",
            "0",
            "-1",
            "x",
            "9223372036854775807",
        ];
        let count = *builder.random.pick(&counts);
        builder.word("COUNT").word(count);
    }
}
