//! Random operations on HyperLogLogs. Their strings are compared byte for byte. What a PFADD that fails leaves of an unsound one is open: Redis keeps
//! what it added before it met the damage. So damage is done to keys of their own, which get one element at a time.

use crate::generate::Builder;

/// A few of them, and now and then a key of another type.
fn key(builder: &mut Builder<'_>) {
    if builder.random.chance(4) {
        builder.key();
        return;
    }
    let number = builder.random.below(5);
    let key = format!("{}hll:{number}", builder.territory.prefix);
    builder.word(key);
}

/// A key that others never damage.
fn sound_key(builder: &mut Builder<'_>) {
    let number = builder.random.below(5);
    let key = format!("{}hll:{number}", builder.territory.prefix);
    builder.word(key);
}

/// A key whose value may be no HyperLogLog, or no longer a sound one.
fn unsound_key(builder: &mut Builder<'_>) {
    let number = builder.random.below(2);
    let key = format!("{}unsound:{number}", builder.territory.prefix);
    builder.word(key);
}

fn keys(builder: &mut Builder<'_>, most: u64) {
    for _ in 0..=builder.random.below(most) {
        match builder.random.chance(6) {
            true => unsound_key(builder),
            false => key(builder),
        }
    }
}

/// An operation on them.
pub fn choose(builder: &mut Builder<'_>) {
    match builder.random.below(100) {
        0..=39 => {
            builder.word("PFADD");
            if builder.random.chance(8) {
                match builder.random.chance(50) {
                    true => unsound_key(builder),
                    false => key(builder),
                }
                let element = builder.random.below(300);
                builder.word(element.to_string());
                // A word that is put in would be a second element.
                builder.spoils = false;
                return;
            }
            sound_key(builder);
            // Many now and then, so that some become dense.
            let many = builder.random.chance(5);
            let count = builder.random.below(if many { 600 } else { 6 });
            for _ in 0..count {
                let element = builder.random.below(if many { 1_000_000 } else { 300 });
                builder.word(element.to_string());
            }
        }
        40..=59 => {
            builder.word("PFCOUNT");
            keys(builder, 3);
        }
        60..=74 => {
            builder.word("PFMERGE");
            keys(builder, 4);
        }
        75..=92 => {
            let name = *builder.random.pick(&["GET", "GET", "STRLEN"]);
            builder.word(name);
            key(builder);
        }
        93 | 94 => {
            builder.word("SETRANGE");
            unsound_key(builder);
            builder.integer(0, 30).word("x");
        }
        95 => {
            builder.word("COPY");
            sound_key(builder);
            unsound_key(builder);
            builder.word("REPLACE");
        }
        96 => {
            builder.word("DEL");
            key(builder);
        }
        97 => {
            builder.word("SET");
            unsound_key(builder);
            builder.word("HYLL\0");
        }
        _ => {
            builder.words("OBJECT ENCODING");
            key(builder);
        }
    }
}
