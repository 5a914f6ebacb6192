//! Random operations on streams. What depends on the clock is left out (`*`, idle times between none and for ever), and so are XREAD's waiting and what
//! redis-server 7.0 does not know or counts otherwise (the lag of groups).

use crate::generate::{Builder, Compare};

/// A few streams, so that operations meet, and now and then a key of another type.
fn key(builder: &mut Builder<'_>) {
    if builder.random.chance(4) {
        builder.key();
        return;
    }
    let number = builder.random.below(3);
    let key = format!("{}stream:{number}", builder.territory.prefix);
    builder.word(key);
}

fn id_text(builder: &mut Builder<'_>) -> String {
    let random = &mut *builder.random;
    let (ms, seq) = (random.below(40), random.below(4));
    match random.below(60) {
        0 => "-".to_string(),
        1 => "+".to_string(),
        2 => "$".to_string(),
        3 => ">".to_string(),
        4 => "18446744073709551615-18446744073709551615".to_string(),
        5 => "18446744073709551616-1".to_string(),
        6 => "18446744073709551614-18446744073709551615".to_string(),
        7 => format!("{ms}-"),
        8 => format!("-{seq}"),
        9 => format!("0{ms}-+{seq}"),
        10 => format!(" {ms}- {seq}"),
        11 => "0-0".to_string(),
        12 => "0".to_string(),
        13 => "x-1".to_string(),
        14..=19 => format!("{ms}"),
        _ => format!("{ms}-{seq}"),
    }
}

fn id(builder: &mut Builder<'_>) {
    let id = id_text(builder);
    builder.word(id);
}

fn ids(builder: &mut Builder<'_>, most: u64) {
    for _ in 0..=builder.random.below(most) {
        id(builder);
    }
}

/// A growing id: what is added must be greater than what is there.
fn new_id(builder: &mut Builder<'_>) {
    let random = &mut *builder.random;
    let ms = random.below(40);
    let text = match random.below(10) {
        0 => {
            id(builder);
            return;
        }
        1..=5 => format!("{ms}-*"),
        6 => format!("{ms}"),
        _ => format!("{ms}-{}", random.below(4)),
    };
    builder.word(text);
}

fn bound(builder: &mut Builder<'_>) {
    let text = match builder.random.below(10) {
        0..=2 => "-".to_string(),
        3..=5 => "+".to_string(),
        6 => format!("({}", id_text(builder)),
        _ => id_text(builder),
    };
    builder.word(text);
}

fn group(builder: &mut Builder<'_>) {
    let name = *builder.random.pick(&["g", "h", "", "g\0x"]);
    let name = if builder.random.chance(90) { "g" } else { name };
    builder.word(name);
}

fn consumer(builder: &mut Builder<'_>) {
    let name = *builder.random.pick(&["alice", "bob", "bob", "alice", ""]);
    builder.word(name);
}

fn trim(builder: &mut Builder<'_>) {
    let by_length = builder.random.chance(50);
    builder.word(if by_length { "MAXLEN" } else { "minid" });
    match builder.random.below(4) {
        0 => builder.word("~"),
        1 => builder.word("="),
        _ => builder,
    };
    if by_length {
        builder.integer(-1, 12);
    } else {
        id(builder);
    }
    if builder.random.chance(15) {
        builder.word("LIMIT").integer(-1, 30);
    }
}

fn field(builder: &mut Builder<'_>) {
    let field = *builder.random.pick(&["f", "f", "g", "12", ""]);
    builder.word(field);
}

fn fields(builder: &mut Builder<'_>) {
    for _ in 0..=builder.random.below(3) {
        field(builder);
        if builder.random.chance(70) {
            builder.integer(-5, 70_000);
        } else {
            builder.short_value();
        }
    }
    if builder.random.chance(2) {
        field(builder);
    }
}

/// So long ago that no entry is idle for it, or not at all.
fn idle(builder: &mut Builder<'_>) {
    let idle = *builder
        .random
        .pick(&["0", "0", "0", "-5", "100000000000", "x"]);
    builder.word(idle);
}

fn count(builder: &mut Builder<'_>) {
    if builder.random.chance(40) {
        builder.word("COUNT").integer(-1, 6);
    }
}

/// The next operation.
pub fn choose(builder: &mut Builder<'_>) {
    match builder.random.below(100) {
        0..=27 => add(builder),
        28..=33 => {
            builder.word("XTRIM");
            key(builder);
            trim(builder);
        }
        34..=39 => {
            builder.word("XDEL");
            key(builder);
            ids(builder, 4);
        }
        40..=45 => {
            let name = *builder.random.pick(&["XRANGE", "XREVRANGE"]);
            builder.word(name);
            key(builder);
            bound(builder);
            bound(builder);
            count(builder);
        }
        46..=47 => {
            builder.word("XLEN");
            key(builder);
        }
        48..=49 => set_id(builder),
        50..=53 => read(builder),
        54..=65 => read_group(builder),
        66..=71 => {
            builder.word("XACK");
            key(builder);
            group(builder);
            ids(builder, 4);
        }
        72..=77 => claim(builder),
        78..=80 => auto_claim(builder),
        81..=84 => pending(builder),
        85..=93 => choose_group(builder),
        94..=96 => info(builder),
        _ => {
            let name = *builder.random.pick(&[
                "DEL",
                "TYPE",
                "OBJECT ENCODING",
                "EXISTS",
                "COPY",
                "RENAME",
            ]);
            builder.words(name);
            key(builder);
            if matches!(name, "COPY" | "RENAME") {
                key(builder);
            }
        }
    }
}

fn add(builder: &mut Builder<'_>) {
    builder.word("XADD");
    key(builder);
    if builder.random.chance(10) {
        builder.word("NOMKSTREAM");
    }
    if builder.random.chance(25) {
        trim(builder);
    }
    if builder.random.chance(3) {
        builder.word("LIMIT").integer(0, 3);
    }
    new_id(builder);
    fields(builder);
}

fn set_id(builder: &mut Builder<'_>) {
    builder.word("XSETID");
    key(builder);
    // Later versions of Redis refuse an id below one that was deleted, which all are that stand here otherwise.
    // The greatest there is may have been deleted too, so it is the only one that both always take.
    builder.word("18446744073709551615-18446744073709551615");
    if builder.random.chance(40) {
        builder.word("ENTRIESADDED").integer(-1, 50);
    }
    if builder.random.chance(40) {
        builder.word("MAXDELETEDID");
        id(builder);
    }
}

fn streams(builder: &mut Builder<'_>, new: bool) {
    builder.word("STREAMS");
    let keys = 1 + builder.random.below(3);
    for _ in 0..keys {
        key(builder);
    }
    for _ in 0..keys {
        if new && builder.random.chance(75) {
            builder.word(">");
        } else {
            // Later versions of Redis know `+` as well.
            let text = id_text(builder);
            builder.word(if text == "+" { "-".to_string() } else { text });
        }
    }
}

fn read(builder: &mut Builder<'_>) {
    builder.word("XREAD");
    count(builder);
    if builder.random.chance(2) {
        let word = *builder.random.pick(&["NOACK", "GROUP", "BLOCK"]);
        builder.word(word).word("-1");
    }
    streams(builder, false);
}

fn read_group(builder: &mut Builder<'_>) {
    builder.word("XREADGROUP");
    if builder.random.chance(98) {
        builder.word("GROUP");
        group(builder);
        consumer(builder);
    }
    count(builder);
    if builder.random.chance(20) {
        builder.word("NOACK");
    }
    streams(builder, true);
}

fn claim(builder: &mut Builder<'_>) {
    builder.word("XCLAIM");
    key(builder);
    group(builder);
    consumer(builder);
    idle(builder);
    ids(builder, 4);
    for _ in 0..builder.random.below(3) {
        match builder.random.below(8) {
            0 => builder.word("IDLE").integer(-5, 100_000),
            1 => builder.word("TIME").integer(-5, 100_000),
            2 | 3 => builder.word("RETRYCOUNT").integer(-5, 100),
            4 => builder.word("JUSTID"),
            5 => {
                let last = id_text(builder);
                builder.word("LASTID").word(last)
            }
            _ => builder.word("FORCE"),
        };
    }
}

fn auto_claim(builder: &mut Builder<'_>) {
    builder.word("XAUTOCLAIM");
    key(builder);
    group(builder);
    consumer(builder);
    idle(builder);
    bound(builder);
    if builder.random.chance(60) {
        // A number beyond all memory is refused by redis-server alone.
        let count = builder.random.between(-1, 4).to_string();
        builder.word("COUNT").word(count);
    }
    if builder.random.chance(20) {
        builder.word("JUSTID");
    }
}

fn pending(builder: &mut Builder<'_>) {
    builder.word("XPENDING");
    key(builder);
    group(builder);
    if builder.random.chance(30) {
        return;
    }
    builder.compare = Compare::Stream;
    if builder.random.chance(20) {
        builder.word("IDLE");
        idle(builder);
    }
    bound(builder);
    bound(builder);
    builder.integer(-1, 8);
    if builder.random.chance(40) {
        consumer(builder);
    }
}

fn choose_group(builder: &mut Builder<'_>) {
    builder.word("XGROUP");
    let subcommand = *builder.random.pick(&[
        "CREATE",
        "CREATE",
        "CREATE",
        "CREATE",
        "SETID",
        "SETID",
        "DESTROY",
        "DELCONSUMER",
    ]);
    builder.word(subcommand);
    key(builder);
    group(builder);
    match subcommand {
        "CREATE" | "SETID" => {
            let text = match builder.random.below(3) {
                0 => "$".to_string(),
                1 => "0".to_string(),
                _ => id_text(builder),
            };
            builder.word(text);
            if builder.random.chance(50) {
                builder.word("MKSTREAM");
            }
            if builder.random.chance(20) {
                builder.word("ENTRIESREAD").integer(-2, 20);
            }
        }
        "DESTROY" => {}
        _ => consumer(builder),
    }
}

/// What XINFO tells of groups and consumers is left out: from 7.2 on, and here, a consumer is made by whoever names it, before only by whoever gets
/// something.
fn info(builder: &mut Builder<'_>) {
    builder.compare = Compare::Stream;
    builder.word("XINFO").word("STREAM");
    key(builder);
}
