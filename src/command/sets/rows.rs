//! The rows of the commands on sets, by name.

use super::{algebra, docs, members, move_member, random, scan};
use crate::command::table::categories as acl;
use crate::command::table::flags::*;
use crate::command::table::key_flags as key;
use crate::command::table::{Command, KeySpec};
use crate::command::{Null, Route, Split};

/// One row per command.
pub const ROWS: &[Command] = &[
    Command::data("sadd", -3, Route::Keys(Split::Never), members::sadd)
        .flags(WRITE | DENYOOM | FAST, acl::SET)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::INSERT, 1, 0, 1, "")])
        .docs(
            "1.0.0",
            "set",
            "O(1) per member added",
            "Adds members to a set, making the key if it is not there",
            docs::KEY_MEMBERS,
        ),
    Command::data("scard", 2, Route::Keys(Split::Never), members::scard)
        .flags(READONLY | FAST, acl::SET)
        .keys(1, 1, 1, &[KeySpec::new(key::RO, 1, 0, 1, "")])
        .docs(
            "1.0.0",
            "set",
            "O(1)",
            "Counts the members of a set",
            docs::KEY_ONLY,
        ),
    Command::data("sdiff", -2, Route::Keys(Split::Whole), algebra::sdiff)
        .flags(READONLY, acl::SET)
        .keys(
            1,
            -1,
            1,
            &[KeySpec::new(key::RO | key::ACCESS, 1, -1, 1, "")],
        )
        .docs(
            "1.0.0",
            "set",
            "O(N) in the members of all sets",
            "Replies with the members of the first set that no other has",
            docs::KEYS,
        )
        .tips(&["nondeterministic_output_order"]),
    Command::data(
        "sdiffstore",
        -3,
        Route::Keys(Split::Whole),
        algebra::sdiffstore,
    )
    .flags(WRITE | DENYOOM, acl::SET)
    .keys(
        1,
        -1,
        1,
        &[
            KeySpec::new(key::OW | key::UPDATE, 1, 0, 1, ""),
            KeySpec::new(key::RO | key::ACCESS, 2, -1, 1, ""),
        ],
    )
    .docs(
        "1.0.0",
        "set",
        "O(N) in the members of all sets",
        "Stores the members of the first set that no other has",
        docs::DESTINATION_KEYS,
    ),
    Command::data("sinter", -2, Route::Keys(Split::Whole), algebra::sinter)
        .flags(READONLY, acl::SET)
        .keys(
            1,
            -1,
            1,
            &[KeySpec::new(key::RO | key::ACCESS, 1, -1, 1, "")],
        )
        .docs(
            "1.0.0",
            "set",
            "O(N*K) for N members of the smallest of K sets",
            "Replies with the members that all of several sets have",
            docs::KEYS,
        )
        .tips(&["nondeterministic_output_order"]),
    Command::data(
        "sintercard",
        -3,
        Route::Keys(Split::Whole),
        algebra::sintercard,
    )
    .flags(READONLY | MOVABLEKEYS, acl::SET)
    .keys(0, 0, 0, &[KeySpec::numbered(key::RO | key::ACCESS, 1)])
    .find_keys(algebra::one_counts)
    .docs(
        "7.0.0",
        "set",
        "O(N*K) for N members of the smallest of K sets",
        "Counts the members that all of several sets have",
        docs::SINTERCARD,
    ),
    Command::data(
        "sinterstore",
        -3,
        Route::Keys(Split::Whole),
        algebra::sinterstore,
    )
    .flags(WRITE | DENYOOM, acl::SET)
    .keys(
        1,
        -1,
        1,
        &[
            KeySpec::new(key::RW | key::UPDATE, 1, 0, 1, ""),
            KeySpec::new(key::RO | key::ACCESS, 2, -1, 1, ""),
        ],
    )
    .docs(
        "1.0.0",
        "set",
        "O(N*K) for N members of the smallest of K sets",
        "Stores the members that all of several sets have",
        docs::DESTINATION_KEYS,
    ),
    Command::data(
        "sismember",
        3,
        Route::Keys(Split::Never),
        members::sismember,
    )
    .flags(READONLY | FAST, acl::SET)
    .keys(1, 1, 1, &[KeySpec::new(key::RO, 1, 0, 1, "")])
    .docs(
        "1.0.0",
        "set",
        "O(1)",
        "Tells whether something is a member of a set",
        docs::KEY_MEMBER,
    ),
    Command::data("smembers", 2, Route::Keys(Split::Never), members::smembers)
        .flags(READONLY, acl::SET)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "1.0.0",
            "set",
            "O(N) in the members",
            "Replies with all members of a set",
            docs::KEY_ONLY,
        )
        .tips(&["nondeterministic_output_order"]),
    Command::data(
        "smismember",
        -3,
        Route::Keys(Split::Never),
        members::smismember,
    )
    .flags(READONLY | FAST, acl::SET)
    .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
    .docs(
        "6.2.0",
        "set",
        "O(N) in the members asked for",
        "Tells which of several things are members of a set",
        docs::KEY_MEMBERS,
    ),
    Command::data(
        "smove",
        4,
        Route::Keys(Split::Steps(Null::Bulk)),
        move_member::smove,
    )
    .flags(WRITE | FAST, acl::SET)
    .keys(
        1,
        2,
        1,
        &[
            KeySpec::new(key::RW | key::ACCESS | key::DELETE, 1, 0, 1, ""),
            KeySpec::new(key::RW | key::INSERT, 2, 0, 1, ""),
        ],
    )
    .docs(
        "1.0.0",
        "set",
        "O(1)",
        "Moves a member from one set to another",
        docs::SMOVE,
    ),
    Command::data("spop", -2, Route::Keys(Split::Never), random::spop)
        .flags(WRITE | FAST, acl::SET)
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
            "1.0.0",
            "set",
            "O(N) in the members popped",
            "Removes members chosen at random and replies with them",
            docs::SPOP,
        )
        .tips(&["nondeterministic_output"]),
    Command::data(
        "srandmember",
        -2,
        Route::Keys(Split::Never),
        random::srandmember,
    )
    .flags(READONLY, acl::SET)
    .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
    .docs(
        "1.0.0",
        "set",
        "O(N) in the members replied",
        "Replies with members chosen at random",
        docs::SRANDMEMBER,
    )
    .tips(&["nondeterministic_output"]),
    Command::data("srem", -3, Route::Keys(Split::Never), members::srem)
        .flags(WRITE | FAST, acl::SET)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::DELETE, 1, 0, 1, "")])
        .docs(
            "1.0.0",
            "set",
            "O(N) in the members removed",
            "Removes members from a set",
            docs::KEY_MEMBERS,
        ),
    Command::data("sscan", -3, Route::Keys(Split::Never), scan::sscan)
        .flags(READONLY, acl::SET)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "2.8.0",
            "set",
            "O(1) a call, O(N) for all members",
            "Lists some members of a set and the cursor to go on with",
            docs::SSCAN,
        )
        .tips(&["nondeterministic_output"]),
    Command::data("sunion", -2, Route::Keys(Split::Whole), algebra::sunion)
        .flags(READONLY, acl::SET)
        .keys(
            1,
            -1,
            1,
            &[KeySpec::new(key::RO | key::ACCESS, 1, -1, 1, "")],
        )
        .docs(
            "1.0.0",
            "set",
            "O(N) in the members of all sets",
            "Replies with the members that any of several sets has",
            docs::KEYS,
        )
        .tips(&["nondeterministic_output_order"]),
    Command::data(
        "sunionstore",
        -3,
        Route::Keys(Split::Whole),
        algebra::sunionstore,
    )
    .flags(WRITE | DENYOOM, acl::SET)
    .keys(
        1,
        -1,
        1,
        &[
            KeySpec::new(key::OW | key::UPDATE, 1, 0, 1, ""),
            KeySpec::new(key::RO | key::ACCESS, 2, -1, 1, ""),
        ],
    )
    .docs(
        "1.0.0",
        "set",
        "O(N) in the members of all sets",
        "Stores the members that any of several sets has",
        docs::DESTINATION_KEYS,
    ),
];
