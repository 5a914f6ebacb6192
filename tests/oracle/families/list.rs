//! Random operations on lists. Those that wait are only sent where there is surely something, or with a key of another type: time must not matter.

use crate::generate::Builder;

/// A few lists, and now and then a key of another type.
fn key(builder: &mut Builder<'_>) {
    if builder.random.chance(4) {
        builder.key();
        return;
    }
    let number = builder.random.below(4);
    let key = format!("{}list:{number}", builder.territory.prefix);
    builder.word(key);
}

fn element(builder: &mut Builder<'_>) {
    match builder.random.below(12) {
        0 => builder.value(),
        1 => builder.word("long".repeat(40)),
        _ => {
            let element = builder.random.below(6).to_string();
            builder.word(element)
        }
    };
}

fn elements(builder: &mut Builder<'_>) {
    element(builder);
    while builder.random.chance(60) {
        element(builder);
    }
}

fn index(builder: &mut Builder<'_>) {
    builder.integer(-12, 12);
}

fn side(builder: &mut Builder<'_>) {
    let sides = ["LEFT", "RIGHT", "left", "MIDDLE"];
    let chosen = if builder.random.chance(97) {
        builder.random.below(3)
    } else {
        3
    };
    builder.word(sides[chosen as usize]);
}

/// An operation on lists.
pub fn choose(builder: &mut Builder<'_>) {
    match builder.random.below(100) {
        0..=24 => {
            let name = *builder
                .random
                .pick(&["LPUSH", "RPUSH", "RPUSH", "LPUSHX", "RPUSHX"]);
            builder.word(name);
            key(builder);
            elements(builder);
        }
        25..=34 => {
            let name = *builder.random.pick(&["LPOP", "RPOP"]);
            builder.word(name);
            key(builder);
            if builder.random.chance(40) {
                builder.integer(-1, 6);
            }
        }
        35..=46 => {
            builder.word("LRANGE");
            key(builder);
            index(builder);
            index(builder);
        }
        47..=49 => {
            builder.word("LLEN");
            key(builder);
        }
        50..=54 => {
            builder.word("LINDEX");
            key(builder);
            index(builder);
        }
        55..=59 => {
            builder.word("LSET");
            key(builder);
            index(builder);
            element(builder);
        }
        60..=65 => {
            builder.word("LINSERT");
            key(builder);
            let place = *builder.random.pick(&["BEFORE", "AFTER", "after", "BEHIND"]);
            builder.word(place);
            element(builder);
            element(builder);
        }
        66..=70 => {
            builder.word("LREM");
            key(builder);
            builder.integer(-4, 4);
            element(builder);
        }
        71..=74 => {
            builder.word("LTRIM");
            key(builder);
            index(builder);
            index(builder);
        }
        75..=81 => positions(builder),
        82..=88 => {
            builder.word("LMOVE");
            key(builder);
            key(builder);
            side(builder);
            side(builder);
        }
        89..=92 => {
            builder.word("RPOPLPUSH");
            key(builder);
            key(builder);
        }
        93..=96 => {
            builder.word("LMPOP");
            let keys = 1 + builder.random.below(3);
            builder.word(keys.to_string());
            for _ in 0..keys {
                key(builder);
            }
            side(builder);
            if builder.random.chance(50) {
                builder.word("COUNT").integer(-1, 5);
            }
        }
        _ => {
            builder.words("OBJECT ENCODING");
            key(builder);
        }
    }
}

fn positions(builder: &mut Builder<'_>) {
    builder.word("LPOS");
    key(builder);
    element(builder);
    if builder.random.chance(50) {
        // 7.0 reads the least integer of all as a rank by mistake.
        let rank = builder.random.between(-3, 3).to_string();
        builder.word("RANK").word(rank);
    }
    if builder.random.chance(50) {
        builder.word("COUNT").integer(-1, 3);
    }
    if builder.random.chance(30) {
        builder.word("MAXLEN").integer(-1, 8);
    }
}
