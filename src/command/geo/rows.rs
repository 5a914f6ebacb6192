//! The rows of the commands on positions.

use super::{docs, find, position};
use crate::command::table::categories as acl;
use crate::command::table::flags::*;
use crate::command::table::key_flags as key;
use crate::command::table::{Command, KeySpec};
use crate::command::{Route, Split};
use crate::protocol::args::Args;

/// The source, and what the last STORE or STOREDIST names.
fn source_and_store(args: &Args<'_>) -> Vec<usize> {
    let mut keys = vec![1];
    let mut index = 5;
    let mut store = None;
    while index + 1 < args.len() {
        let word = args.get(index);
        if word.eq_ignore_ascii_case(b"STORE") || word.eq_ignore_ascii_case(b"STOREDIST") {
            store = Some(index + 1);
            index += 1;
        }
        index += 1;
    }
    keys.extend(store);
    keys
}

/// What GEORADIUS and GEORADIUSBYMEMBER do with their keys; the words that store come at argument `from` or later.
const fn radius_keys(from: i8) -> [KeySpec; 3] {
    [
        KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, ""),
        KeySpec {
            last: 0,
            ..KeySpec::after_keyword(key::OW | key::UPDATE, "STORE", from)
        },
        KeySpec {
            last: 0,
            ..KeySpec::after_keyword(key::OW | key::UPDATE, "STOREDIST", from)
        },
    ]
}

/// The rows, by name.
pub const ROWS: &[Command] = &[
    Command::data("geoadd", -5, Route::Keys(Split::Never), position::geoadd)
        .flags(WRITE | DENYOOM, acl::GEO)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::UPDATE, 1, 0, 1, "")])
        .docs(
            "3.2.0",
            "geo",
            "O(log(N)) per member",
            "Adds positions to a sorted set or changes them",
            docs::GEOADD,
        ),
    Command::data("geodist", -4, Route::Keys(Split::Never), position::geodist)
        .flags(READONLY, acl::GEO)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "3.2.0",
            "geo",
            "O(1)",
            "Tells the distance between two members",
            docs::GEODIST,
        ),
    Command::data("geohash", -2, Route::Keys(Split::Never), position::geohash)
        .flags(READONLY, acl::GEO)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "3.2.0",
            "geo",
            "O(1) per member",
            "Tells positions as geohash strings",
            docs::GEOHASH,
        ),
    Command::data("geopos", -2, Route::Keys(Split::Never), position::geopos)
        .flags(READONLY, acl::GEO)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "3.2.0",
            "geo",
            "O(1) per member",
            "Tells longitudes and latitudes of members",
            docs::GEOPOS,
        ),
    Command::data("georadius", -6, Route::Keys(Split::Whole), find::georadius)
        .flags(WRITE | DENYOOM | MOVABLEKEYS, acl::GEO)
        .keys(1, 1, 1, &radius_keys(6))
        .find_keys(source_and_store)
        .deprecated("6.2.0", "GEOSEARCH or GEOSEARCHSTORE with BYRADIUS")
        .docs(
            "3.2.0",
            "geo",
            "O(N+log(M)) in the members of the cells around the shape and those of the set",
            "Finds the members within a distance of a position",
            docs::GEORADIUS,
        ),
    Command::data(
        "georadius_ro",
        -6,
        Route::Keys(Split::Never),
        find::georadius_ro,
    )
    .flags(READONLY, acl::GEO)
    .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
    .deprecated("6.2.0", "GEOSEARCH with BYRADIUS")
    .docs(
        "3.2.10",
        "geo",
        "O(N+log(M)) in the members of the cells around the shape and those of the set",
        "Finds the members within a distance of a position and never stores them",
        docs::GEORADIUS_RO,
    ),
    Command::data(
        "georadiusbymember",
        -5,
        Route::Keys(Split::Whole),
        find::georadiusbymember,
    )
    .flags(WRITE | DENYOOM | MOVABLEKEYS, acl::GEO)
    .keys(1, 1, 1, &radius_keys(5))
    .find_keys(source_and_store)
    .deprecated(
        "6.2.0",
        "GEOSEARCH or GEOSEARCHSTORE with BYRADIUS and FROMMEMBER",
    )
    .docs(
        "3.2.0",
        "geo",
        "O(N+log(M)) in the members of the cells around the shape and those of the set",
        "Finds the members within a distance of a member",
        docs::GEORADIUSBYMEMBER,
    ),
    Command::data(
        "georadiusbymember_ro",
        -5,
        Route::Keys(Split::Never),
        find::georadiusbymember_ro,
    )
    .flags(READONLY, acl::GEO)
    .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
    .deprecated("6.2.0", "GEOSEARCH with BYRADIUS and FROMMEMBER")
    .docs(
        "3.2.10",
        "geo",
        "O(N+log(M)) in the members of the cells around the shape and those of the set",
        "Finds the members within a distance of a member and never stores them",
        docs::GEORADIUSBYMEMBER_RO,
    ),
    Command::data("geosearch", -7, Route::Keys(Split::Never), find::geosearch)
        .flags(READONLY, acl::GEO)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "6.2.0",
            "geo",
            "O(N+log(M)) in the members of the cells around the shape and those of the set",
            "Finds the members within a circle or a box",
            docs::GEOSEARCH,
        ),
    Command::data(
        "geosearchstore",
        -8,
        Route::Keys(Split::Whole),
        find::geosearchstore,
    )
    .flags(WRITE | DENYOOM, acl::GEO)
    .keys(
        1,
        2,
        1,
        &[
            KeySpec::new(key::OW | key::UPDATE, 1, 0, 1, ""),
            KeySpec::new(key::RO | key::ACCESS, 2, 0, 1, ""),
        ],
    )
    .docs(
        "6.2.0",
        "geo",
        "O(N+log(M)) in the members of the cells around the shape and those of the set",
        "Stores the members within a circle or a box",
        docs::GEOSEARCHSTORE,
    ),
];
