//! The rows of the commands on streams.

use super::super::table::categories::STREAM;
use super::super::table::flags::*;
use super::super::table::key_flags as key;
use super::super::table::{Command, KeySpec};
use super::super::{Handler, Null, Route, Split};
use super::{delete, docs, entries, groups, info, pending, read};

const READ: u32 = key::RO | key::ACCESS;
const UPDATE: u32 = key::RW | key::UPDATE;
const INSERT: u32 = key::RW | key::INSERT;
const DELETE: u32 = key::RW | key::DELETE;

/// A command whose only key is argument 1.
const fn first(
    name: &'static str,
    arity: i8,
    handler: Handler,
    flags: u32,
    spec: &'static [KeySpec],
) -> Command {
    Command::data(name, arity, Route::Keys(Split::Never), handler)
        .flags(flags, STREAM)
        .keys(1, 1, 1, spec)
}

/// A subcommand whose only key is argument 2.
const fn second(
    name: &'static str,
    arity: i8,
    handler: Handler,
    flags: u32,
    spec: &'static [KeySpec],
) -> Command {
    Command::data(name, arity, Route::Keys(Split::Never), handler)
        .flags(flags, STREAM)
        .keys(2, 2, 1, spec)
}

/// The rows.
pub const ROWS: &[Command] = &[
    first(
        "xack",
        -4,
        pending::xack,
        WRITE | FAST,
        &[KeySpec::new(UPDATE, 1, 0, 1, "")],
    )
    .docs(
        "5.0.0",
        "stream",
        "O(1) for each id",
        "Acknowledges entries that a group has delivered",
        docs::XACK,
    ),
    first(
        "xackdel",
        -6,
        delete::xackdel,
        WRITE | FAST,
        &[KeySpec::new(DELETE, 1, 0, 1, "")],
    )
    .docs(
        "8.2.0",
        "stream",
        "O(1) for each id, times the groups with DELREF and ACKED",
        "Acknowledges entries in a group and deletes them",
        docs::XACKDEL,
    ),
    first(
        "xadd",
        -5,
        entries::xadd,
        WRITE | DENYOOM | FAST,
        &[KeySpec::new(
            UPDATE,
            1,
            0,
            1,
            "It may be trimmed as well as added to",
        )],
    )
    .docs(
        "5.0.0",
        "stream",
        "O(1), and O(N) in the entries trimmed",
        "Adds an entry to a stream, making the stream if it is not there",
        docs::XADD,
    )
    .tips(&["nondeterministic_output"]),
    first(
        "xautoclaim",
        -6,
        pending::xautoclaim,
        WRITE | FAST,
        &[KeySpec::new(DELETE, 1, 0, 1, "")],
    )
    .docs(
        "6.2.0",
        "stream",
        "O(N) in COUNT",
        "Hands entries that have been pending for long over to a consumer, in the order of their ids",
        docs::XAUTOCLAIM,
    )
    .tips(&["nondeterministic_output"]),
    first(
        "xclaim",
        -6,
        pending::xclaim,
        WRITE | FAST,
        &[KeySpec::new(UPDATE, 1, 0, 1, "")],
    )
    .docs(
        "5.0.0",
        "stream",
        "O(log N) for each id, N being the entries pending in the group",
        "Hands pending entries over to a consumer",
        docs::XCLAIM,
    )
    .tips(&["nondeterministic_output"]),
    first(
        "xdel",
        -3,
        entries::xdel,
        WRITE | FAST,
        &[KeySpec::new(DELETE, 1, 0, 1, "")],
    )
    .docs(
        "5.0.0",
        "stream",
        "O(1) for each id",
        "Deletes entries from a stream",
        docs::XDEL,
    ),
    first(
        "xdelex",
        -5,
        delete::xdelex,
        WRITE | FAST,
        &[KeySpec::new(DELETE, 1, 0, 1, "")],
    )
    .docs(
        "8.2.0",
        "stream",
        "O(1) for each id, times the groups with DELREF and ACKED",
        "Deletes entries with regard to the groups that refer to them",
        docs::XDELEX,
    ),
    Command::data("xgroup", -2, Route::Anywhere, groups::help)
        .docs(
            "5.0.0",
            "stream",
            "Depends on the subcommand",
            "Makes, moves and deletes groups of consumers",
            &[],
        )
        .subcommands(&[
            second(
                "xgroup|create",
                -5,
                groups::create,
                WRITE | DENYOOM,
                &[KeySpec::new(INSERT, 2, 0, 1, "")],
            )
            .docs(
                "5.0.0",
                "stream",
                "O(1)",
                "Makes a group",
                docs::XGROUP_CREATE,
            ),
            second(
                "xgroup|createconsumer",
                5,
                groups::createconsumer,
                WRITE | DENYOOM,
                &[KeySpec::new(INSERT, 2, 0, 1, "")],
            )
            .docs(
                "6.2.0",
                "stream",
                "O(1)",
                "Makes a consumer of a group",
                docs::XGROUP_CONSUMER,
            ),
            second(
                "xgroup|delconsumer",
                5,
                groups::delconsumer,
                WRITE,
                &[KeySpec::new(DELETE, 2, 0, 1, "")],
            )
            .docs(
                "5.0.0",
                "stream",
                "O(N) in the entries pending with it",
                "Deletes a consumer of a group",
                docs::XGROUP_CONSUMER,
            ),
            second(
                "xgroup|destroy",
                4,
                groups::destroy,
                WRITE,
                &[KeySpec::new(DELETE, 2, 0, 1, "")],
            )
            .docs(
                "5.0.0",
                "stream",
                "O(N) in the entries pending in it",
                "Deletes a group",
                docs::GROUP_OF_KEY,
            ),
            Command::data("xgroup|help", 2, Route::Anywhere, groups::help)
                .flags(LOADING | STALE, STREAM)
                .docs("5.0.0", "stream", "O(1)", "Lists the subcommands", &[]),
            second(
                "xgroup|setid",
                -5,
                groups::setid,
                WRITE,
                &[KeySpec::new(UPDATE, 2, 0, 1, "")],
            )
            .docs(
                "5.0.0",
                "stream",
                "O(1)",
                "Sets the last id that a group has delivered",
                docs::XGROUP_SETID,
            ),
        ]),
    Command::data("xinfo", -2, Route::Anywhere, info::help)
        .docs(
            "5.0.0",
            "stream",
            "Depends on the subcommand",
            "Tells about streams",
            &[],
        )
        .subcommands(&[
            second(
                "xinfo|consumers",
                4,
                info::consumers,
                READONLY,
                &[KeySpec::new(READ, 2, 0, 1, "")],
            )
            .docs(
                "5.0.0",
                "stream",
                "O(N) in the consumers",
                "Lists the consumers of a group",
                docs::GROUP_OF_KEY,
            )
            .tips(&["nondeterministic_output"]),
            second(
                "xinfo|groups",
                3,
                info::groups,
                READONLY,
                &[KeySpec::new(READ, 2, 0, 1, "")],
            )
            .docs(
                "5.0.0",
                "stream",
                "O(N) in the groups",
                "Lists the groups of a stream",
                docs::KEY_ALONE,
            ),
            Command::data("xinfo|help", 2, Route::Anywhere, info::help)
                .flags(LOADING | STALE, STREAM)
                .docs("5.0.0", "stream", "O(1)", "Lists the subcommands", &[]),
            second(
                "xinfo|stream",
                -3,
                info::stream,
                READONLY,
                &[KeySpec::new(READ, 2, 0, 1, "")],
            )
            .docs(
                "5.0.0",
                "stream",
                "O(1), and O(N) in COUNT with FULL",
                "Tells about a stream",
                docs::XINFO_STREAM,
            ),
        ]),
    first(
        "xlen",
        2,
        entries::xlen,
        READONLY | FAST,
        &[KeySpec::new(key::RO, 1, 0, 1, "")],
    )
    .docs(
        "5.0.0",
        "stream",
        "O(1)",
        "Counts the entries of a stream",
        docs::KEY_ALONE,
    ),
    first(
        "xpending",
        -3,
        pending::xpending,
        READONLY,
        &[KeySpec::new(READ, 1, 0, 1, "")],
    )
    .docs(
        "5.0.0",
        "stream",
        "O(N) in the entries looked at, in the consumers without a range",
        "Tells which entries are pending in a group",
        docs::XPENDING,
    )
    .tips(&["nondeterministic_output"]),
    first(
        "xrange",
        -4,
        entries::xrange,
        READONLY,
        &[KeySpec::new(READ, 1, 0, 1, "")],
    )
    .docs(
        "5.0.0",
        "stream",
        "O(log N), and O(M) in the entries replied",
        "Replies with the entries between two ids",
        docs::XRANGE,
    ),
    Command::data("xread", -4, Route::Keys(Split::Steps(Null::Array)), read::xread)
        .flags(READONLY | BLOCKING | MOVABLEKEYS, STREAM)
        .keys(0, 0, 0, &[KeySpec::after_keyword(READ, "STREAMS", 1)])
        .find_keys(read::find_keys)
        .blocking(read::find_blocking)
        .docs(
            "5.0.0",
            "stream",
            "O(N) in the entries replied, for each stream",
            "Replies with the entries of several streams after given ids, waiting for some if asked to",
            docs::XREAD,
        ),
    Command::data("xreadgroup", -7, Route::Keys(Split::Steps(Null::Array)), read::xreadgroup)
        .flags(WRITE | BLOCKING | MOVABLEKEYS, STREAM)
        .keys(0, 0, 0, &[KeySpec::after_keyword(READ, "STREAMS", 4)])
        .find_keys(read::find_keys)
        .blocking(read::find_blocking)
        .docs(
            "5.0.0",
            "stream",
            "O(N) in the entries replied, for each stream",
            "Delivers entries to a consumer of a group, waiting for some if asked to",
            docs::XREADGROUP,
        ),
    first(
        "xrevrange",
        -4,
        entries::xrevrange,
        READONLY,
        &[KeySpec::new(READ, 1, 0, 1, "")],
    )
    .docs(
        "5.0.0",
        "stream",
        "O(log N), and O(M) in the entries replied",
        "Replies with the entries between two ids, the last first",
        docs::XREVRANGE,
    ),
    first(
        "xsetid",
        -3,
        entries::xsetid,
        WRITE | DENYOOM | FAST,
        &[KeySpec::new(UPDATE, 1, 0, 1, "")],
    )
    .docs(
        "5.0.0",
        "stream",
        "O(1)",
        "Sets the last id of a stream",
        docs::XSETID,
    ),
    first(
        "xtrim",
        -4,
        entries::xtrim,
        WRITE,
        &[KeySpec::new(DELETE, 1, 0, 1, "")],
    )
    .docs(
        "5.0.0",
        "stream",
        "O(N) in the entries deleted",
        "Deletes the oldest entries of a stream",
        docs::XTRIM,
    )
    .tips(&["nondeterministic_output"]),
];
