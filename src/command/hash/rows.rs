//! The rows of commands on hashes.

use super::{docs, expiry, get_and_set, numbers, read, sample, write};
use crate::command::table::categories as acl;
use crate::command::table::flags::*;
use crate::command::table::key_flags as key;
use crate::command::table::{Command, KeySpec};
use crate::command::{Route, Split};

/// The rows of commands on hashes.
pub const ROWS: &[Command] = &[
    Command::data("hdel", -3, Route::Keys(Split::Never), write::hdel)
        .flags(WRITE | FAST, acl::HASH)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::DELETE, 1, 0, 1, "")])
        .docs(
            "2.0.0",
            "hash",
            "O(N) in the fields given",
            "Removes fields, and the hash with its last one",
            docs::FIELDS_OF,
        ),
    Command::data("hexists", 3, Route::Keys(Split::Never), read::hexists)
        .flags(READONLY | FAST, acl::HASH)
        .keys(1, 1, 1, &[KeySpec::new(key::RO, 1, 0, 1, "")])
        .docs(
            "2.0.0",
            "hash",
            "O(1)",
            "Says whether there is such a field",
            docs::FIELD_OF,
        ),
    Command::data("hexpire", -6, Route::Keys(Split::Never), expiry::hexpire)
        .flags(WRITE | DENYOOM | FAST, acl::HASH)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::UPDATE, 1, 0, 1, "")])
        .docs(
            "7.4.0",
            "hash",
            "O(N) in the fields given",
            "Lets fields expire after some seconds",
            docs::HEXPIRE,
        ),
    Command::data(
        "hexpireat",
        -6,
        Route::Keys(Split::Never),
        expiry::hexpireat,
    )
    .flags(WRITE | DENYOOM | FAST, acl::HASH)
    .keys(1, 1, 1, &[KeySpec::new(key::RW | key::UPDATE, 1, 0, 1, "")])
    .docs(
        "7.4.0",
        "hash",
        "O(N) in the fields given",
        "Lets fields expire at a Unix time in seconds",
        docs::HEXPIREAT,
    ),
    Command::data(
        "hexpiretime",
        -5,
        Route::Keys(Split::Never),
        expiry::hexpiretime,
    )
    .flags(READONLY | FAST, acl::HASH)
    .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
    .docs(
        "7.4.0",
        "hash",
        "O(N) in the fields given",
        "Replies with the Unix times in seconds at which fields expire",
        docs::FIELDS_LISTED,
    ),
    Command::data("hget", 3, Route::Keys(Split::Never), read::hget)
        .flags(READONLY | FAST, acl::HASH)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "2.0.0",
            "hash",
            "O(1)",
            "Replies with the value of a field",
            docs::FIELD_OF,
        ),
    Command::data("hgetall", 2, Route::Keys(Split::Never), read::hgetall)
        .flags(READONLY, acl::HASH)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "2.0.0",
            "hash",
            "O(N) in the fields of the hash",
            "Replies with all fields and their values",
            docs::ALL,
        )
        .tips(&["nondeterministic_output_order"]),
    Command::data(
        "hgetdel",
        -5,
        Route::Keys(Split::Never),
        get_and_set::hgetdel,
    )
    .flags(WRITE | FAST, acl::HASH)
    .keys(
        1,
        1,
        1,
        &[KeySpec::new(
            key::RW | key::ACCESS | key::DELETE,
            1,
            0,
            1,
            "",
        )],
    )
    .docs(
        "8.0.0",
        "hash",
        "O(N) in the fields given",
        "Replies with the values of fields and removes them",
        docs::FIELDS_LISTED,
    ),
    Command::data("hgetex", -5, Route::Keys(Split::Never), get_and_set::hgetex)
        .flags(WRITE | FAST, acl::HASH)
        .keys(
            1,
            1,
            1,
            &[KeySpec::new(
                key::RW | key::ACCESS | key::UPDATE,
                1,
                0,
                1,
                "RW and UPDATE because it changes the TTL",
            )],
        )
        .docs(
            "8.0.0",
            "hash",
            "O(N) in the fields given",
            "Replies with the values of fields and changes when they expire",
            docs::HGETEX,
        ),
    Command::data("hincrby", 4, Route::Keys(Split::Never), numbers::hincrby)
        .flags(WRITE | DENYOOM | FAST, acl::HASH)
        .keys(
            1,
            1,
            1,
            &[KeySpec::new(
                key::RW | key::ACCESS | key::UPDATE,
                1,
                0,
                1,
                "",
            )],
        )
        .docs(
            "2.0.0",
            "hash",
            "O(1)",
            "Adds an integer to a field, which counts as 0 when it is not there",
            docs::HINCRBY,
        ),
    Command::data(
        "hincrbyfloat",
        4,
        Route::Keys(Split::Never),
        numbers::hincrbyfloat,
    )
    .flags(WRITE | DENYOOM | FAST, acl::HASH)
    .keys(
        1,
        1,
        1,
        &[KeySpec::new(
            key::RW | key::ACCESS | key::UPDATE,
            1,
            0,
            1,
            "",
        )],
    )
    .docs(
        "2.6.0",
        "hash",
        "O(1)",
        "Adds a floating-point number to a field, which counts as 0 when it is not there",
        docs::HINCRBYFLOAT,
    ),
    Command::data("hkeys", 2, Route::Keys(Split::Never), read::hkeys)
        .flags(READONLY, acl::HASH)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "2.0.0",
            "hash",
            "O(N) in the fields of the hash",
            "Replies with the names of all fields",
            docs::ALL,
        )
        .tips(&["nondeterministic_output_order"]),
    Command::data("hlen", 2, Route::Keys(Split::Never), read::hlen)
        .flags(READONLY | FAST, acl::HASH)
        .keys(1, 1, 1, &[KeySpec::new(key::RO, 1, 0, 1, "")])
        .docs("2.0.0", "hash", "O(1)", "Counts the fields", docs::ALL),
    Command::data("hmget", -3, Route::Keys(Split::Never), read::hmget)
        .flags(READONLY | FAST, acl::HASH)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "2.0.0",
            "hash",
            "O(N) in the fields given",
            "Replies with the values of fields",
            docs::FIELDS_OF,
        ),
    Command::data("hmset", -4, Route::Keys(Split::Never), write::hmset)
        .flags(WRITE | DENYOOM | FAST, acl::HASH)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::UPDATE, 1, 0, 1, "")])
        .docs(
            "2.0.0",
            "hash",
            "O(N) in the fields given",
            "Sets fields",
            docs::HSET,
        )
        .deprecated("4.0.0", "HSET with several fields"),
    Command::data("hpersist", -5, Route::Keys(Split::Never), expiry::hpersist)
        .flags(WRITE | FAST, acl::HASH)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::UPDATE, 1, 0, 1, "")])
        .docs(
            "7.4.0",
            "hash",
            "O(N) in the fields given",
            "Lets fields no longer expire",
            docs::FIELDS_LISTED,
        ),
    Command::data("hpexpire", -6, Route::Keys(Split::Never), expiry::hpexpire)
        .flags(WRITE | DENYOOM | FAST, acl::HASH)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::UPDATE, 1, 0, 1, "")])
        .docs(
            "7.4.0",
            "hash",
            "O(N) in the fields given",
            "Lets fields expire after some milliseconds",
            docs::HPEXPIRE,
        ),
    Command::data(
        "hpexpireat",
        -6,
        Route::Keys(Split::Never),
        expiry::hpexpireat,
    )
    .flags(WRITE | DENYOOM | FAST, acl::HASH)
    .keys(1, 1, 1, &[KeySpec::new(key::RW | key::UPDATE, 1, 0, 1, "")])
    .docs(
        "7.4.0",
        "hash",
        "O(N) in the fields given",
        "Lets fields expire at a Unix time in milliseconds",
        docs::HPEXPIREAT,
    ),
    Command::data(
        "hpexpiretime",
        -5,
        Route::Keys(Split::Never),
        expiry::hpexpiretime,
    )
    .flags(READONLY | FAST, acl::HASH)
    .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
    .docs(
        "7.4.0",
        "hash",
        "O(N) in the fields given",
        "Replies with the Unix times in milliseconds at which fields expire",
        docs::FIELDS_LISTED,
    ),
    Command::data("hpttl", -5, Route::Keys(Split::Never), expiry::hpttl)
        .flags(READONLY | FAST, acl::HASH)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "7.4.0",
            "hash",
            "O(N) in the fields given",
            "Replies with the milliseconds until fields expire",
            docs::FIELDS_LISTED,
        )
        .tips(&["nondeterministic_output"]),
    Command::data(
        "hrandfield",
        -2,
        Route::Keys(Split::Never),
        sample::hrandfield,
    )
    .flags(READONLY, acl::HASH)
    .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
    .docs(
        "6.2.0",
        "hash",
        "O(N) in the fields replied",
        "Replies with fields chosen at random",
        docs::HRANDFIELD,
    )
    .tips(&["nondeterministic_output"]),
    Command::data("hscan", -3, Route::Keys(Split::Never), sample::hscan)
        .flags(READONLY, acl::HASH)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "2.8.0",
            "hash",
            "O(1) per call, O(N) for all calls of an iteration",
            "Goes through the fields and their values in parts",
            docs::HSCAN,
        )
        .tips(&["nondeterministic_output"]),
    Command::data("hset", -4, Route::Keys(Split::Never), write::hset)
        .flags(WRITE | DENYOOM | FAST, acl::HASH)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::UPDATE, 1, 0, 1, "")])
        .docs(
            "2.0.0",
            "hash",
            "O(N) in the fields given",
            "Sets fields and counts those that were not there",
            docs::HSET,
        ),
    Command::data("hsetex", -6, Route::Keys(Split::Never), get_and_set::hsetex)
        .flags(WRITE | DENYOOM | FAST, acl::HASH)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::UPDATE, 1, 0, 1, "")])
        .docs(
            "8.0.0",
            "hash",
            "O(N) in the fields given",
            "Sets fields and when they expire",
            docs::HSETEX,
        ),
    Command::data("hsetnx", 4, Route::Keys(Split::Never), write::hsetnx)
        .flags(WRITE | DENYOOM | FAST, acl::HASH)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::INSERT, 1, 0, 1, "")])
        .docs(
            "2.0.0",
            "hash",
            "O(1)",
            "Sets a field unless it is there",
            docs::HSETNX,
        ),
    Command::data("hstrlen", 3, Route::Keys(Split::Never), read::hstrlen)
        .flags(READONLY | FAST, acl::HASH)
        .keys(1, 1, 1, &[KeySpec::new(key::RO, 1, 0, 1, "")])
        .docs(
            "3.2.0",
            "hash",
            "O(1)",
            "Replies with the length of a field's value",
            docs::FIELD_OF,
        ),
    Command::data("httl", -5, Route::Keys(Split::Never), expiry::httl)
        .flags(READONLY | FAST, acl::HASH)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "7.4.0",
            "hash",
            "O(N) in the fields given",
            "Replies with the seconds until fields expire",
            docs::FIELDS_LISTED,
        )
        .tips(&["nondeterministic_output"]),
    Command::data("hvals", 2, Route::Keys(Split::Never), read::hvals)
        .flags(READONLY, acl::HASH)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "2.0.0",
            "hash",
            "O(N) in the fields of the hash",
            "Replies with the values of all fields",
            docs::ALL,
        )
        .tips(&["nondeterministic_output_order"]),
];
