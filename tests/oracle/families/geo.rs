//! Random operations on positions: few places, so that searches find some, and the edges of the map. Which of two at the same distance comes first is
//! open, and COUNT makes it matter. So no two members of a positions' key are ever at one place, and only such keys are searched with COUNT or stored
//! as positions; distances, which are often equal, are stored to keys of their own.

use crate::generate::{Builder, Compare};

const PLACES: [(&str, &str); 10] = [
    ("13.361389", "38.115556"),
    ("15.087269", "37.502669"),
    ("13.4", "38.1"),
    ("-122.4194", "37.7749"),
    ("0", "0"),
    ("180", "85.05112878"),
    ("-180", "-80"),
    ("179.999", "10"),
    ("-179.999", "10.001"),
    ("15.1", "37.5"),
];
const BAD_PLACES: [(&str, &str); 5] = [
    ("181", "0"),
    ("0", "86"),
    ("x", "0"),
    ("nan", "1"),
    ("", "1"),
];
const UNITS: [&str; 7] = ["m", "km", "KM", "ft", "mi", "km", "parsec"];

/// A few keys, and now and then one of another type.
fn key(builder: &mut Builder<'_>) {
    if builder.random.chance(4) {
        builder.key();
        return;
    }
    let number = builder.random.below(3);
    let key = format!("{}geo:{number}", builder.territory.prefix);
    builder.word(key);
}

/// What a search reads: of those whose outcome a tie could change, positions only, and now and then a string.
fn searched_key(builder: &mut Builder<'_>, ties_matter: bool) {
    let (number, prefix) = (builder.random.below(3), &builder.territory.prefix);
    if !ties_matter && builder.random.chance(20) {
        let key = format!("{prefix}distances:{number}");
        builder.word(key);
    } else if !ties_matter {
        key(builder);
    } else {
        let name = if builder.random.chance(4) {
            "short"
        } else {
            "geo"
        };
        let key = format!("{prefix}{name}:{number}");
        builder.word(key);
    }
}

/// Where a search stores what it found.
fn destination(builder: &mut Builder<'_>, distances: bool) {
    if distances {
        let number = builder.random.below(3);
        let key = format!("{}distances:{number}", builder.territory.prefix);
        builder.word(key);
    } else {
        key(builder);
    }
}

fn place(builder: &mut Builder<'_>) {
    let (longitude, latitude) = if builder.random.chance(3) {
        *builder.random.pick(&BAD_PLACES)
    } else {
        *builder.random.pick(&PLACES)
    };
    builder.word(longitude).word(latitude);
}

const MEMBERS: u64 = 14;

fn member(builder: &mut Builder<'_>) {
    let member = format!("p{}", builder.random.below(MEMBERS));
    builder.word(member);
}

/// A member at one of the two places that are its own.
fn placed_member(builder: &mut Builder<'_>) {
    let number = builder.random.below(MEMBERS);
    let (longitude, latitude) = PLACES[number as usize % PLACES.len()];
    if builder.random.chance(3) {
        let (longitude, latitude) = *builder.random.pick(&BAD_PLACES);
        builder.word(longitude).word(latitude);
    } else {
        let step = number / PLACES.len() as u64 * 10 + builder.random.below(2);
        let longitude: f64 = longitude.parse().expect("a number");
        // Away from the edges.
        let longitude = longitude - longitude.signum() * step as f64 / 1000.0;
        builder.word(longitude.to_string()).word(latitude);
    }
    builder.word(format!("p{number}"));
}

fn unit(builder: &mut Builder<'_>) {
    // The last is none.
    let known = builder.random.chance(97);
    let count = UNITS.len() - usize::from(known);
    let unit = *builder.random.pick(&UNITS[..count]);
    builder.word(unit);
}

fn length(builder: &mut Builder<'_>) {
    let lengths = ["0", "1", "100", "200.5", "5000", "20000", "1e3", "100000"];
    let bad = ["-1", "x", "", "inf", "nan"];
    let length = if builder.random.chance(4) {
        *builder.random.pick(&bad)
    } else {
        *builder.random.pick(&lengths)
    };
    builder.word(length);
}

fn count(builder: &mut Builder<'_>) {
    // ANY chooses what it meets first, which is the same where the cells are visited in one order.
    builder.word("COUNT").integer(-1, 6);
    if builder.random.chance(20) {
        builder.word("ANY");
    }
}

fn order(builder: &mut Builder<'_>) {
    let order = *builder.random.pick(&["", "ASC", "DESC", "asc"]);
    if !order.is_empty() {
        builder.word(order);
    }
}

fn with(builder: &mut Builder<'_>) {
    for word in ["WITHCOORD", "WITHDIST", "WITHHASH"] {
        if builder.random.chance(30) {
            builder.word(word);
        }
    }
}

/// An operation on positions.
pub fn choose(builder: &mut Builder<'_>) {
    match builder.random.below(100) {
        0..=29 => {
            builder.word("GEOADD");
            key(builder);
            for option in ["NX", "XX", "CH"] {
                if builder.random.chance(12) {
                    builder.word(option);
                }
            }
            placed_member(builder);
            while builder.random.chance(50) {
                placed_member(builder);
            }
        }
        30..=37 => {
            builder.word("GEODIST");
            key(builder);
            member(builder);
            member(builder);
            if builder.random.chance(60) {
                unit(builder);
            }
        }
        38..=47 => {
            let name = *builder.random.pick(&["GEOPOS", "GEOHASH"]);
            builder.word(name);
            key(builder);
            for _ in 0..builder.random.below(4) {
                member(builder);
            }
        }
        48..=77 => search(builder),
        78..=93 => radius(builder),
        94..=96 => {
            builder.words("OBJECT ENCODING");
            key(builder);
        }
        _ => {
            builder.compare = Compare::Numbers;
            builder.word("ZRANGE");
            key(builder);
            builder.words("0 -1 WITHSCORES");
        }
    }
}

fn search(builder: &mut Builder<'_>) {
    let stores = builder.random.chance(30);
    let distances = stores && builder.random.chance(40);
    let counts = builder.random.chance(40);
    if stores {
        builder.word("GEOSEARCHSTORE");
        destination(builder, distances);
    } else {
        builder.word("GEOSEARCH");
    }
    searched_key(builder, counts || stores && !distances);
    if builder.random.chance(50) {
        builder.word("FROMMEMBER");
        member(builder);
    } else {
        builder.word("FROMLONLAT");
        place(builder);
    }
    if builder.random.chance(50) {
        builder.word("BYRADIUS");
        length(builder);
    } else {
        builder.word("BYBOX");
        length(builder);
        length(builder);
    }
    unit(builder);
    order(builder);
    if counts {
        count(builder);
    }
    if distances {
        builder.word("STOREDIST");
    }
    if !stores || builder.random.chance(5) {
        with(builder);
    }
}

fn radius(builder: &mut Builder<'_>) {
    let names = [
        "GEORADIUS",
        "GEORADIUS_RO",
        "GEORADIUSBYMEMBER",
        "GEORADIUSBYMEMBER_RO",
    ];
    let name = *builder.random.pick(&names);
    let stores = builder.random.chance(30);
    let distances = stores && builder.random.chance(50);
    let counts = builder.random.chance(40);
    builder.word(name);
    searched_key(builder, counts || stores && !distances);
    if name.contains("MEMBER") {
        member(builder);
    } else {
        place(builder);
    }
    length(builder);
    unit(builder);
    order(builder);
    if counts {
        count(builder);
    }
    if stores {
        builder.word(if distances { "STOREDIST" } else { "STORE" });
        destination(builder, distances);
    }
    if !stores || builder.random.chance(5) {
        with(builder);
    }
}
