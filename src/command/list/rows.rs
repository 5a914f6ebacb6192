//! The rows of the commands on lists.

use super::{blocking, docs, moving, pop, push, read, remove};
use crate::command::table::categories as acl;
use crate::command::table::flags::*;
use crate::command::table::key_flags as key;
use crate::command::table::{Command, KeySpec};
use crate::command::{Null, Route, Split, numbered_keys, timeout};
use crate::protocol::args::Args;

/// Where the keys are when argument 1 says how many there are.
fn one_counts(args: &Args<'_>) -> Vec<usize> {
    numbered_keys(args, 1)
}

/// Where the keys are when argument 2 says how many there are.
fn two_counts(args: &Args<'_>) -> Vec<usize> {
    numbered_keys(args, 2)
}

/// The rows, by name.
pub const ROWS: &[Command] = &[
    Command::data(
        "blmove",
        6,
        Route::Keys(Split::Steps(Null::Bulk)),
        blocking::blmove,
    )
    .flags(WRITE | DENYOOM | NOSCRIPT | BLOCKING, acl::LIST)
    .keys(
        1,
        2,
        1,
        &[
            KeySpec::new(key::RW | key::ACCESS | key::DELETE, 1, 0, 1, ""),
            KeySpec::new(key::RW | key::INSERT, 2, 0, 1, ""),
        ],
    )
    .blocking(timeout::last_argument)
    .docs(
        "6.2.0",
        "list",
        "O(1)",
        "Moves an element from one list to another, waiting for one",
        docs::BLMOVE,
    ),
    Command::data(
        "blmpop",
        -5,
        Route::Keys(Split::Steps(Null::Array)),
        blocking::blmpop,
    )
    .flags(WRITE | BLOCKING | MOVABLEKEYS, acl::LIST)
    .keys(
        0,
        0,
        0,
        &[KeySpec::numbered(key::RW | key::ACCESS | key::DELETE, 2)],
    )
    .find_keys(two_counts)
    .blocking(timeout::first_argument)
    .docs(
        "7.0.0",
        "list",
        "O(N+M) in the keys and the elements replied",
        "Takes elements from the first list that has some, waiting for one",
        docs::BLMPOP,
    ),
    Command::data(
        "blpop",
        -3,
        Route::Keys(Split::Steps(Null::Array)),
        blocking::blpop,
    )
    .flags(WRITE | NOSCRIPT | BLOCKING, acl::LIST)
    .keys(
        1,
        -2,
        1,
        &[KeySpec::new(
            key::RW | key::ACCESS | key::DELETE,
            1,
            -2,
            1,
            "",
        )],
    )
    .blocking(timeout::last_argument)
    .docs(
        "2.0.0",
        "list",
        "O(N) in the keys",
        "Takes the first element of the first list that has one, waiting for it",
        docs::BLPOP,
    ),
    Command::data(
        "brpop",
        -3,
        Route::Keys(Split::Steps(Null::Array)),
        blocking::brpop,
    )
    .flags(WRITE | NOSCRIPT | BLOCKING, acl::LIST)
    .keys(
        1,
        -2,
        1,
        &[KeySpec::new(
            key::RW | key::ACCESS | key::DELETE,
            1,
            -2,
            1,
            "",
        )],
    )
    .blocking(timeout::last_argument)
    .docs(
        "2.0.0",
        "list",
        "O(N) in the keys",
        "Takes the last element of the first list that has one, waiting for it",
        docs::BLPOP,
    ),
    Command::data(
        "brpoplpush",
        4,
        Route::Keys(Split::Steps(Null::Bulk)),
        blocking::brpoplpush,
    )
    .flags(WRITE | DENYOOM | NOSCRIPT | BLOCKING, acl::LIST)
    .keys(
        1,
        2,
        1,
        &[
            KeySpec::new(key::RW | key::ACCESS | key::DELETE, 1, 0, 1, ""),
            KeySpec::new(key::RW | key::INSERT, 2, 0, 1, ""),
        ],
    )
    .blocking(timeout::last_argument)
    .docs(
        "2.2.0",
        "list",
        "O(1)",
        "Moves the last element of a list before the first of another, waiting for one",
        docs::BRPOPLPUSH,
    )
    .deprecated("6.2.0", "BLMOVE with RIGHT and LEFT"),
    Command::data("lindex", 3, Route::Keys(Split::Never), read::lindex)
        .flags(READONLY, acl::LIST)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "1.0.0",
            "list",
            "O(N) in the elements passed",
            "Replies with the element at a position",
            docs::LINDEX,
        ),
    Command::data("linsert", 5, Route::Keys(Split::Never), push::linsert)
        .flags(WRITE | DENYOOM, acl::LIST)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::INSERT, 1, 0, 1, "")])
        .docs(
            "2.2.0",
            "list",
            "O(N) in the elements before the pivot",
            "Inserts an element before or after another",
            docs::LINSERT,
        ),
    Command::data("llen", 2, Route::Keys(Split::Never), read::llen)
        .flags(READONLY | FAST, acl::LIST)
        .keys(1, 1, 1, &[KeySpec::new(key::RO, 1, 0, 1, "")])
        .docs(
            "1.0.0",
            "list",
            "O(1)",
            "Replies with the length of a list",
            docs::LLEN,
        ),
    Command::data(
        "lmove",
        5,
        Route::Keys(Split::Steps(Null::Bulk)),
        moving::lmove,
    )
    .flags(WRITE | DENYOOM, acl::LIST)
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
        "6.2.0",
        "list",
        "O(1)",
        "Moves an element from one list to another",
        docs::LMOVE,
    ),
    Command::data(
        "lmpop",
        -4,
        Route::Keys(Split::Steps(Null::Array)),
        pop::lmpop,
    )
    .flags(WRITE | MOVABLEKEYS, acl::LIST)
    .keys(
        0,
        0,
        0,
        &[KeySpec::numbered(key::RW | key::ACCESS | key::DELETE, 1)],
    )
    .find_keys(one_counts)
    .docs(
        "7.0.0",
        "list",
        "O(N+M) in the keys and the elements replied",
        "Takes elements from the first list that has some",
        docs::LMPOP,
    ),
    Command::data("lpop", -2, Route::Keys(Split::Never), pop::lpop)
        .flags(WRITE | FAST, acl::LIST)
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
            "list",
            "O(N) in the elements replied",
            "Takes the first elements of a list",
            docs::LPOP,
        ),
    Command::data("lpos", -3, Route::Keys(Split::Never), read::lpos)
        .flags(READONLY, acl::LIST)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "6.0.6",
            "list",
            "O(N) in the elements compared",
            "Replies with the positions of elements equal to one",
            docs::LPOS,
        ),
    Command::data("lpush", -3, Route::Keys(Split::Never), push::lpush)
        .flags(WRITE | DENYOOM | FAST, acl::LIST)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::INSERT, 1, 0, 1, "")])
        .docs(
            "1.0.0",
            "list",
            "O(1) per element",
            "Puts elements before the first of a list",
            docs::LPUSH,
        ),
    Command::data("lpushx", -3, Route::Keys(Split::Never), push::lpushx)
        .flags(WRITE | DENYOOM | FAST, acl::LIST)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::INSERT, 1, 0, 1, "")])
        .docs(
            "2.2.0",
            "list",
            "O(1) per element",
            "Puts elements before the first of a list that is there",
            docs::LPUSH,
        ),
    Command::data("lrange", 4, Route::Keys(Split::Never), read::lrange)
        .flags(READONLY, acl::LIST)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "1.0.0",
            "list",
            "O(S+N) in the elements passed and those replied",
            "Replies with a range of elements",
            docs::LRANGE,
        ),
    Command::data("lrem", 4, Route::Keys(Split::Never), remove::lrem)
        .flags(WRITE, acl::LIST)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::DELETE, 1, 0, 1, "")])
        .docs(
            "1.0.0",
            "list",
            "O(N+M) in the elements compared and those removed",
            "Removes elements equal to one",
            docs::LREM,
        ),
    Command::data("lset", 4, Route::Keys(Split::Never), push::lset)
        .flags(WRITE | DENYOOM, acl::LIST)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::UPDATE, 1, 0, 1, "")])
        .docs(
            "1.0.0",
            "list",
            "O(N) in the elements passed",
            "Replaces the element at a position",
            docs::LSET,
        ),
    Command::data("ltrim", 4, Route::Keys(Split::Never), remove::ltrim)
        .flags(WRITE, acl::LIST)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::DELETE, 1, 0, 1, "")])
        .docs(
            "1.0.0",
            "list",
            "O(N) in the elements removed",
            "Removes all elements but a range",
            docs::LRANGE,
        ),
    Command::data("rpop", -2, Route::Keys(Split::Never), pop::rpop)
        .flags(WRITE | FAST, acl::LIST)
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
            "list",
            "O(N) in the elements replied",
            "Takes the last elements of a list",
            docs::LPOP,
        ),
    Command::data(
        "rpoplpush",
        3,
        Route::Keys(Split::Steps(Null::Bulk)),
        moving::rpoplpush,
    )
    .flags(WRITE | DENYOOM, acl::LIST)
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
        "1.2.0",
        "list",
        "O(1)",
        "Moves the last element of a list before the first of another",
        docs::RPOPLPUSH,
    )
    .deprecated("6.2.0", "LMOVE with RIGHT and LEFT"),
    Command::data("rpush", -3, Route::Keys(Split::Never), push::rpush)
        .flags(WRITE | DENYOOM | FAST, acl::LIST)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::INSERT, 1, 0, 1, "")])
        .docs(
            "1.0.0",
            "list",
            "O(1) per element",
            "Puts elements after the last of a list",
            docs::LPUSH,
        ),
    Command::data("rpushx", -3, Route::Keys(Split::Never), push::rpushx)
        .flags(WRITE | DENYOOM | FAST, acl::LIST)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::INSERT, 1, 0, 1, "")])
        .docs(
            "2.2.0",
            "list",
            "O(1) per element",
            "Puts elements after the last of a list that is there",
            docs::LPUSH,
        ),
];
