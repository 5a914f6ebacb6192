//! The command table: a row for each command. Those on strings, keys, the connection and the server are here, by name; a family of commands on
//! another type has its rows in a file of its own. Adding a command is one row, one function and its tests.

use super::table::categories as acl;
use super::table::flags::*;
use super::table::key_flags as key;
use super::table::{Command, KeySpec};
use super::{Merge, Route, ServerCommand, Split};
use super::{
    bitfield, bits, compare, connection, counters, databases, docs, expiry, gather, get,
    introspect, keys, multi_key,
};
use super::{object, scan, set, substrings, transfer};

/// The rows of each family.
const FAMILIES: &[&[Command]] = &[
    ROWS,
    super::cache::rows::ROWS,
    super::dump::rows::ROWS,
    super::geo::rows::ROWS,
    super::hash::ROWS,
    super::hyperloglog::rows::ROWS,
    super::list::rows::ROWS,
    super::pubsub::ROWS,
    super::sets::ROWS,
    super::sort::rows::ROWS,
    super::sorted_set::rows::ROWS,
    super::transaction::ROWS,
    super::scripting::ROWS,
    super::stream::rows::ROWS,
];

const COUNT: usize = {
    let mut count = 0;
    let mut family = 0;
    while family < FAMILIES.len() {
        count += FAMILIES[family].len();
        family += 1;
    }
    count
};

/// All rows.
pub static COMMANDS: &[Command] = &{
    let mut rows = [ROWS[0]; COUNT];
    let (mut family, mut at, mut row) = (0, 0, 0);
    while row < COUNT {
        rows[row] = FAMILIES[family][at];
        row += 1;
        at += 1;
        if at == FAMILIES[family].len() {
            family += 1;
            at = 0;
        }
    }
    rows
};

const ROWS: &[Command] = &[
    Command::data("append", 3, Route::Keys(Split::Never), substrings::append)
        .flags(WRITE | DENYOOM | FAST, acl::STRING)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::INSERT, 1, 0, 1, "")])
        .docs(
            "2.0.0",
            "string",
            "O(1) per byte added, amortized",
            "Adds bytes to the end of a string, making the key if it is not there",
            docs::APPEND,
        ),
    Command::server("auth", -2, ServerCommand::Auth)
        .flags(
            NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY,
            acl::CONNECTION,
        )
        .docs(
            "1.0.0",
            "connection",
            "O(N) in the passwords of the user",
            "Authenticates the connection",
            docs::AUTH,
        ),
    Command::server("bgsave", -1, ServerCommand::BgSave)
        .flags(ADMIN | NOSCRIPT | NO_ASYNC_LOADING, 0)
        .docs(
            "1.0.0",
            "server",
            "O(1)",
            "Begins to write a snapshot in the background",
            docs::BGSAVE,
        ),
    Command::data("bitcount", -2, Route::Keys(Split::Never), bits::bitcount)
        .flags(READONLY, acl::BITMAP)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "2.6.0",
            "bitmap",
            "O(N) in the bytes looked at",
            "Counts the bits that are set in a string",
            docs::BITCOUNT,
        ),
    Command::data(
        "bitfield",
        -2,
        Route::Keys(Split::Never),
        bitfield::bitfield,
    )
    .flags(WRITE | DENYOOM, acl::BITMAP)
    .keys(
        1,
        1,
        1,
        &[KeySpec::new(
            key::RW | key::ACCESS | key::UPDATE | key::VARIABLE_FLAGS,
            1,
            0,
            1,
            "What is done depends on the operations",
        )],
    )
    .docs(
        "3.2.0",
        "bitmap",
        "O(1) per operation",
        "Reads, writes and adds to integers at any bit of a string",
        docs::BITFIELD,
    ),
    Command::data(
        "bitfield_ro",
        -2,
        Route::Keys(Split::Never),
        bitfield::bitfield_ro,
    )
    .flags(READONLY | FAST, acl::BITMAP)
    .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
    .docs(
        "6.0.0",
        "bitmap",
        "O(1) per operation",
        "Reads integers at any bit of a string",
        docs::BITFIELD_RO,
    ),
    Command::data(
        "bitop",
        -4,
        Route::Keys(Split::Gather),
        gather::bitop_command,
    )
    .flags(WRITE | DENYOOM, acl::BITMAP)
    .keys(
        2,
        -1,
        1,
        &[
            KeySpec::new(key::OW | key::UPDATE, 2, 0, 1, ""),
            KeySpec::new(key::RO | key::ACCESS, 3, -1, 1, ""),
        ],
    )
    .docs(
        "2.6.0",
        "bitmap",
        "O(N) in the bytes of all sources",
        "Combines strings bit by bit and stores the result",
        docs::BITOP,
    ),
    Command::data("bitpos", -3, Route::Keys(Split::Never), bits::bitpos)
        .flags(READONLY, acl::BITMAP)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "2.8.7",
            "bitmap",
            "O(N) in the bytes looked at",
            "Finds the first bit of a string that is set or clear",
            docs::BITPOS,
        ),
    Command::server("client", -2, ServerCommand::Client)
        .flags(0, 0)
        .docs(
            "2.4.0",
            "connection",
            "Depends on the subcommand",
            "Commands on connections",
            &[],
        )
        .subcommands(&[
            Command::server("client|caching", 3, ServerCommand::Client)
                .flags(NOSCRIPT | LOADING | STALE, acl::CONNECTION)
                .docs(
                    "6.0.0",
                    "connection",
                    "O(1)",
                    "Says whether the keys are tracked that the next command reads",
                    docs::CLIENT_CACHING,
                ),
            Command::server("client|getname", 2, ServerCommand::Client)
                .flags(NOSCRIPT | LOADING | STALE, acl::CONNECTION)
                .docs(
                    "2.6.9",
                    "connection",
                    "O(1)",
                    "Replies with the name of this connection",
                    &[],
                ),
            Command::server("client|getredir", 2, ServerCommand::Client)
                .flags(NOSCRIPT | LOADING | STALE, acl::CONNECTION)
                .docs(
                    "6.0.0",
                    "connection",
                    "O(1)",
                    "Replies with the connection that invalidations go to",
                    &[],
                ),
            Command::server("client|help", 2, ServerCommand::Client)
                .flags(LOADING | STALE, acl::CONNECTION)
                .docs("5.0.0", "connection", "O(1)", "Lists the subcommands", &[]),
            Command::server("client|id", 2, ServerCommand::Client)
                .flags(NOSCRIPT | LOADING | STALE, acl::CONNECTION)
                .docs(
                    "5.0.0",
                    "connection",
                    "O(1)",
                    "Replies with the number of this connection",
                    &[],
                ),
            Command::server("client|info", 2, ServerCommand::Client)
                .flags(NOSCRIPT | LOADING | STALE, acl::CONNECTION)
                .docs(
                    "6.2.0",
                    "connection",
                    "O(1)",
                    "Describes this connection",
                    &[],
                )
                .tips(&["nondeterministic_output"]),
            Command::server("client|kill", -3, ServerCommand::Client)
                .flags(ADMIN | NOSCRIPT | LOADING | STALE, acl::CONNECTION)
                .docs(
                    "2.4.0",
                    "connection",
                    "O(N) in the connections",
                    "Closes connections",
                    docs::CLIENT_KILL,
                ),
            Command::server("client|list", -2, ServerCommand::Client)
                .flags(ADMIN | NOSCRIPT | LOADING | STALE, acl::CONNECTION)
                .docs(
                    "2.4.0",
                    "connection",
                    "O(N) in the connections",
                    "Describes the connections",
                    docs::CLIENT_LIST,
                )
                .tips(&["nondeterministic_output"]),
            Command::server("client|durability", 3, ServerCommand::Client)
                .flags(NOSCRIPT | LOADING | STALE, acl::CONNECTION)
                .docs(
                    "7.2.0",
                    "connection",
                    "O(1)",
                    "Chooses what this connection's replies to writes wait for, whatever appendfsync says",
                    docs::CLIENT_DURABILITY,
                ),
            Command::server("client|no-evict", 3, ServerCommand::Client)
                .flags(ADMIN | NOSCRIPT | LOADING | STALE, acl::CONNECTION)
                .docs(
                    "7.0.0",
                    "connection",
                    "O(1)",
                    "Exempts this connection from being closed to save memory",
                    docs::CLIENT_NO_EVICT,
                ),
            Command::server("client|no-touch", 3, ServerCommand::Client)
                .flags(NOSCRIPT | LOADING | STALE, acl::CONNECTION)
                .docs(
                    "7.2.0",
                    "connection",
                    "O(1)",
                    "Keeps this connection's commands from counting as uses of keys",
                    docs::CLIENT_NO_EVICT,
                ),
            Command::server("client|pause", -3, ServerCommand::Client)
                .flags(ADMIN | NOSCRIPT | LOADING | STALE, acl::CONNECTION)
                .docs(
                    "2.9.50",
                    "connection",
                    "O(1)",
                    "Holds the commands of clients back for a time",
                    docs::CLIENT_PAUSE,
                ),
            Command::server("client|reply", 3, ServerCommand::Client)
                .flags(NOSCRIPT | LOADING | STALE, acl::CONNECTION)
                .docs(
                    "3.2.0",
                    "connection",
                    "O(1)",
                    "Turns replies to this connection on and off",
                    docs::CLIENT_REPLY,
                ),
            Command::server("client|setinfo", 4, ServerCommand::Client)
                .flags(NOSCRIPT | LOADING | STALE, acl::CONNECTION)
                .docs(
                    "7.2.0",
                    "connection",
                    "O(1)",
                    "Tells name and version of the client library",
                    docs::CLIENT_SETINFO,
                ),
            Command::server("client|setname", 3, ServerCommand::Client)
                .flags(NOSCRIPT | LOADING | STALE, acl::CONNECTION)
                .docs(
                    "2.6.9",
                    "connection",
                    "O(1)",
                    "Names this connection",
                    docs::CLIENT_SETNAME,
                ),
            Command::server("client|tracking", -3, ServerCommand::Client)
                .flags(NOSCRIPT | LOADING | STALE, acl::CONNECTION)
                .docs(
                    "6.0.0",
                    "connection",
                    "O(1), and O(N) in the prefixes",
                    "Has this connection told when keys change that it has read",
                    docs::CLIENT_TRACKING,
                ),
            Command::server("client|trackinginfo", 2, ServerCommand::Client)
                .flags(NOSCRIPT | LOADING | STALE, acl::CONNECTION)
                .docs(
                    "6.2.0",
                    "connection",
                    "O(1)",
                    "Describes the tracking of keys for this connection",
                    &[],
                ),
            Command::server("client|unblock", -3, ServerCommand::Client)
                .flags(ADMIN | NOSCRIPT | LOADING | STALE, acl::CONNECTION)
                .docs(
                    "5.0.0",
                    "connection",
                    "O(log N) in the connections",
                    "Ends the waiting of another connection",
                    docs::CLIENT_UNBLOCK,
                ),
            Command::server("client|unpause", 2, ServerCommand::Client)
                .flags(ADMIN | NOSCRIPT | LOADING | STALE, acl::CONNECTION)
                .docs(
                    "6.2.0",
                    "connection",
                    "O(N) in the paused connections",
                    "Ends a pause",
                    &[],
                ),
        ]),
    Command::data("command", -1, Route::Anywhere, introspect::command)
        .flags(LOADING | STALE, 0)
        .docs(
            "2.8.13",
            "server",
            "O(N) in the commands",
            "Describes all commands",
            &[],
        )
        .tips(&["nondeterministic_output_order"])
        .subcommands(&[
            Command::data("command|count", 2, Route::Anywhere, introspect::count)
                .flags(LOADING | STALE, acl::CONNECTION)
                .docs("2.8.13", "server", "O(1)", "Counts the commands", &[]),
            Command::data("command|docs", -2, Route::Anywhere, introspect::docs)
                .flags(LOADING | STALE, acl::CONNECTION)
                .docs(
                    "7.0.0",
                    "server",
                    "O(N) in the commands asked for",
                    "Documents commands",
                    docs::COMMAND_DOCS,
                )
                .tips(&["nondeterministic_output_order"]),
            Command::data("command|getkeys", -4, Route::Anywhere, introspect::getkeys)
                .flags(LOADING | STALE, acl::CONNECTION)
                .docs(
                    "2.8.13",
                    "server",
                    "O(N) in its arguments",
                    "Finds the keys of a request",
                    &[],
                ),
            Command::data(
                "command|getkeysandflags",
                -4,
                Route::Anywhere,
                introspect::getkeysandflags,
            )
            .flags(LOADING | STALE, acl::CONNECTION)
            .docs(
                "7.0.0",
                "server",
                "O(N) in its arguments",
                "Finds the keys of a request and what it does with them",
                &[],
            ),
            Command::data("command|help", 2, Route::Anywhere, introspect::help)
                .flags(LOADING | STALE, acl::CONNECTION)
                .docs("5.0.0", "server", "O(1)", "Lists the subcommands", &[]),
            Command::data("command|info", -2, Route::Anywhere, introspect::info)
                .flags(LOADING | STALE, acl::CONNECTION)
                .docs(
                    "2.8.13",
                    "server",
                    "O(N) in the commands asked for",
                    "Describes commands",
                    docs::COMMAND_DOCS,
                )
                .tips(&["nondeterministic_output_order"]),
            Command::data("command|list", -2, Route::Anywhere, introspect::list)
                .flags(LOADING | STALE, acl::CONNECTION)
                .docs(
                    "7.0.0",
                    "server",
                    "O(N) in the commands",
                    "Lists the names of commands",
                    docs::COMMAND_LIST,
                )
                .tips(&["nondeterministic_output_order"]),
        ]),
    Command::server("config", -2, ServerCommand::Config)
        .flags(0, 0)
        .docs(
            "2.0.0",
            "server",
            "Depends on the subcommand",
            "Commands on the configuration",
            &[],
        )
        .subcommands(&[
            Command::server("config|get", -3, ServerCommand::Config)
                .flags(ADMIN | NOSCRIPT | LOADING | STALE, 0)
                .docs(
                    "2.0.0",
                    "server",
                    "O(N) in the options asked for",
                    "Replies with the values of options",
                    docs::CONFIG_GET,
                ),
            Command::server("config|help", 2, ServerCommand::Config)
                .flags(LOADING | STALE, 0)
                .docs("5.0.0", "server", "O(1)", "Lists the subcommands", &[]),
            Command::server("config|resetstat", 2, ServerCommand::Config)
                .flags(ADMIN | NOSCRIPT | LOADING | STALE, 0)
                .docs("2.0.0", "server", "O(1)", "Sets counters back to zero", &[]),
            Command::server("config|rewrite", 2, ServerCommand::Config)
                .flags(ADMIN | NOSCRIPT | LOADING | STALE, 0)
                .docs(
                    "2.8.0",
                    "server",
                    "O(N) in the options",
                    "Writes the options as they are to the configuration file",
                    &[],
                ),
            Command::server("config|set", -4, ServerCommand::Config)
                .flags(ADMIN | NOSCRIPT | LOADING | STALE, 0)
                .docs(
                    "2.0.0",
                    "server",
                    "O(N) in the options given",
                    "Changes options of the running server",
                    docs::CONFIG_SET,
                )
                .tips(&["request_policy:all_nodes", "response_policy:all_succeeded"]),
        ]),
    Command::data("copy", -3, Route::Keys(Split::Transfer), transfer::copy)
        .flags(WRITE | DENYOOM, acl::KEYSPACE)
        .keys(
            1,
            2,
            1,
            &[
                KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, ""),
                KeySpec::new(key::OW | key::UPDATE, 2, 0, 1, ""),
            ],
        )
        .docs(
            "6.2.0",
            "generic",
            "O(N) in the bytes copied; large values are shared",
            "Copies a value to another key",
            docs::COPY,
        ),
    Command::data("dbsize", 1, Route::AllShards(Merge::Sum), databases::dbsize)
        .flags(READONLY | FAST, acl::KEYSPACE)
        .docs(
            "1.0.0",
            "server",
            "O(1)",
            "Counts the keys of the database",
            &[],
        )
        .tips(&["request_policy:all_shards", "response_policy:agg_sum"]),
    Command::server("debug", -2, ServerCommand::Debug)
        .flags(ADMIN | NOSCRIPT | LOADING | STALE, 0)
        .docs(
            "1.0.0",
            "server",
            "Depends on the subcommand",
            "Commands for tests of the server",
            &[],
        ),
    Command::data("decr", 2, Route::Keys(Split::Never), counters::decr)
        .flags(WRITE | DENYOOM | FAST, acl::STRING)
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
            "1.0.0",
            "string",
            "O(1)",
            "Subtracts one from an integer",
            docs::DECR,
        ),
    Command::data("decrby", 3, Route::Keys(Split::Never), counters::decrby)
        .flags(WRITE | DENYOOM | FAST, acl::STRING)
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
            "1.0.0",
            "string",
            "O(1)",
            "Subtracts a number from an integer",
            docs::DECRBY,
        ),
    Command::data("del", -2, Route::Keys(Split::Sum), keys::del)
        .flags(WRITE, acl::KEYSPACE)
        .keys(
            1,
            -1,
            1,
            &[KeySpec::new(key::RM | key::DELETE, 1, -1, 1, "")],
        )
        .docs(
            "1.0.0",
            "generic",
            "O(N) in the keys",
            "Deletes keys",
            docs::DEL,
        )
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    Command::data("delex", -2, Route::Keys(Split::Never), compare::delex)
        .flags(WRITE | FAST, acl::STRING)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::DELETE, 1, 0, 1, "")])
        .docs(
            "8.4.0",
            "string",
            "O(1), O(N) in the length of the value with a condition",
            "Deletes a key if its value is or is not what is given",
            docs::DELEX,
        ),
    Command::data("delifeq", 3, Route::Keys(Split::Never), compare::delifeq)
        .flags(WRITE, acl::STRING)
        .keys(
            1,
            1,
            1,
            &[KeySpec::new(
                key::RM | key::ACCESS | key::DELETE,
                1,
                0,
                1,
                "",
            )],
        )
        .docs(
            "9.0.0",
            "string",
            "O(N) in the length of the value",
            "Deletes a key if it has this value",
            docs::DELIFEQ,
        ),
    Command::data("digest", 2, Route::Keys(Split::Never), compare::digest)
        .flags(READONLY | FAST, acl::STRING)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "8.4.0",
            "string",
            "O(N) in the length of the value",
            "Replies with the XXH3 hash of a string",
            docs::DIGEST,
        ),
    Command::data("echo", 2, Route::Anywhere, connection::echo)
        .flags(LOADING | STALE | FAST, acl::CONNECTION)
        .docs(
            "1.0.0",
            "connection",
            "O(1)",
            "Replies with the message it is given",
            docs::ECHO,
        ),
    Command::data("exists", -2, Route::Keys(Split::Sum), keys::exists)
        .flags(READONLY | FAST, acl::KEYSPACE)
        .keys(1, -1, 1, &[KeySpec::new(key::RO, 1, -1, 1, "")])
        .docs(
            "1.0.0",
            "generic",
            "O(N) in the keys",
            "Counts how many of the keys are there",
            docs::DEL,
        )
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    Command::data("expire", -3, Route::Keys(Split::Never), expiry::expire)
        .flags(WRITE | FAST, acl::KEYSPACE)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::UPDATE, 1, 0, 1, "")])
        .docs(
            "1.0.0",
            "generic",
            "O(1)",
            "Gives a key seconds to live",
            docs::EXPIRE,
        ),
    Command::data("expireat", -3, Route::Keys(Split::Never), expiry::expireat)
        .flags(WRITE | FAST, acl::KEYSPACE)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::UPDATE, 1, 0, 1, "")])
        .docs(
            "1.2.0",
            "generic",
            "O(1)",
            "Lets a key expire at a Unix time in seconds",
            docs::EXPIREAT,
        ),
    Command::data(
        "expiretime",
        2,
        Route::Keys(Split::Never),
        expiry::expiretime,
    )
    .flags(READONLY | FAST, acl::KEYSPACE)
    .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
    .docs(
        "7.0.0",
        "generic",
        "O(1)",
        "Tells when a key expires, as a Unix time in seconds",
        docs::DECR,
    ),
    Command::data(
        "flushall",
        -1,
        Route::AllShards(Merge::Ok),
        databases::flushall,
    )
    .flags(WRITE, acl::KEYSPACE | acl::DANGEROUS)
    .docs(
        "1.0.0",
        "server",
        "O(1); memory is freed in the background",
        "Deletes all keys of all databases",
        docs::FLUSHALL,
    )
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    Command::data(
        "flushdb",
        -1,
        Route::AllShards(Merge::Ok),
        databases::flushdb,
    )
    .flags(WRITE, acl::KEYSPACE | acl::DANGEROUS)
    .docs(
        "1.0.0",
        "server",
        "O(1); memory is freed in the background",
        "Deletes all keys of the database",
        docs::FLUSHALL,
    )
    .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    Command::data("get", 2, Route::Keys(Split::Never), get::get)
        .flags(READONLY | FAST, acl::STRING)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "1.0.0",
            "string",
            "O(1)",
            "Replies with a string",
            docs::DECR,
        ),
    Command::data("getbit", 3, Route::Keys(Split::Never), bits::getbit)
        .flags(READONLY | FAST, acl::BITMAP)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "2.2.0",
            "bitmap",
            "O(1)",
            "Replies with one bit of a string",
            docs::GETBIT,
        ),
    Command::data("getdel", 2, Route::Keys(Split::Never), get::getdel)
        .flags(WRITE | FAST, acl::STRING)
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
            "6.2.0",
            "string",
            "O(1)",
            "Replies with a string and deletes it",
            docs::DECR,
        ),
    Command::data("getex", -2, Route::Keys(Split::Never), get::getex)
        .flags(WRITE | FAST, acl::STRING)
        .keys(
            1,
            1,
            1,
            &[KeySpec::new(
                key::RW | key::ACCESS | key::UPDATE,
                1,
                0,
                1,
                "Its expiry may change",
            )],
        )
        .docs(
            "6.2.0",
            "string",
            "O(1)",
            "Replies with a string and changes when it expires",
            docs::GETEX,
        ),
    Command::data(
        "getrange",
        4,
        Route::Keys(Split::Never),
        substrings::getrange,
    )
    .flags(READONLY, acl::STRING)
    .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
    .docs(
        "2.4.0",
        "string",
        "O(N) in the bytes replied",
        "Replies with a part of a string",
        docs::GETRANGE,
    ),
    Command::data("getset", 3, Route::Keys(Split::Never), get::getset)
        .flags(WRITE | DENYOOM | FAST, acl::STRING)
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
            "1.0.0",
            "string",
            "O(1)",
            "Replies with a string and stores another",
            docs::APPEND,
        )
        .deprecated("6.2.0", "SET with GET"),
    Command::server("hello", -1, ServerCommand::Hello)
        .flags(
            NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY,
            acl::CONNECTION,
        )
        .docs(
            "6.0.0",
            "connection",
            "O(1)",
            "Agrees on the protocol version and may authenticate",
            docs::HELLO,
        ),
    Command::data("incr", 2, Route::Keys(Split::Never), counters::incr)
        .flags(WRITE | DENYOOM | FAST, acl::STRING)
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
            "1.0.0",
            "string",
            "O(1)",
            "Adds one to an integer",
            docs::DECR,
        ),
    Command::data("incrby", 3, Route::Keys(Split::Never), counters::incrby)
        .flags(WRITE | DENYOOM | FAST, acl::STRING)
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
            "1.0.0",
            "string",
            "O(1)",
            "Adds a number to an integer",
            docs::INCRBY,
        ),
    Command::data(
        "incrbyfloat",
        3,
        Route::Keys(Split::Never),
        counters::incrbyfloat,
    )
    .flags(WRITE | DENYOOM | FAST, acl::STRING)
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
        "string",
        "O(1)",
        "Adds a number to a floating-point number",
        docs::INCRBYFLOAT,
    ),
    Command::server("info", -1, ServerCommand::Info)
        .flags(LOADING | STALE, acl::DANGEROUS)
        .docs(
            "1.0.0",
            "server",
            "O(1)",
            "Describes the server and its work so far",
            docs::INFO,
        )
        .tips(&[
            "nondeterministic_output",
            "request_policy:all_shards",
            "response_policy:special",
        ]),
    Command::data("keys", 2, Route::AllShards(Merge::Concatenate), scan::keys)
        .flags(READONLY, acl::KEYSPACE | acl::DANGEROUS)
        .docs(
            "1.0.0",
            "generic",
            "O(N) in the keys of the database",
            "Lists the keys that match a pattern",
            docs::KEYS,
        )
        .tips(&["request_policy:all_shards", "nondeterministic_output_order"]),
    Command::server("lastsave", 1, ServerCommand::LastSave)
        .flags(LOADING | STALE | FAST, acl::ADMIN | acl::DANGEROUS)
        .docs(
            "1.0.0",
            "server",
            "O(1)",
            "Replies with the time of the last good snapshot",
            &[],
        )
        .tips(&["nondeterministic_output"]),
    Command::data("lcs", -3, Route::Keys(Split::Gather), gather::lcs_command)
        .flags(READONLY, acl::STRING)
        .keys(1, 2, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 1, 1, "")])
        .docs(
            "7.0.0",
            "string",
            "O(N*M) in the lengths of the strings",
            "Finds the longest common subsequence of two strings",
            docs::LCS,
        ),
    Command::data("lolwut", -1, Route::Anywhere, connection::lolwut)
        .flags(READONLY | FAST, 0)
        .docs(
            "5.0.0",
            "server",
            "O(1)",
            "Displays the version of torc",
            &[],
        ),
    Command::server("memory", -2, ServerCommand::Memory)
        .flags(0, 0)
        .docs(
            "4.0.0",
            "server",
            "Depends on the subcommand",
            "Commands on memory",
            &[],
        )
        .subcommands(&[
            Command::server("memory|doctor", 2, ServerCommand::Memory)
                .flags(0, 0)
                .docs(
                    "4.0.0",
                    "server",
                    "O(1)",
                    "Tells what is wrong with the use of memory",
                    &[],
                )
                .tips(&[
                    "nondeterministic_output",
                    "request_policy:all_shards",
                    "response_policy:special",
                ]),
            Command::server("memory|help", 2, ServerCommand::Memory)
                .flags(LOADING | STALE, 0)
                .docs("4.0.0", "server", "O(1)", "Lists the subcommands", &[]),
            Command::server("memory|malloc-stats", 2, ServerCommand::Memory)
                .flags(0, 0)
                .docs(
                    "4.0.0",
                    "server",
                    "O(1)",
                    "Replies with the allocator's figures",
                    &[],
                )
                .tips(&[
                    "nondeterministic_output",
                    "request_policy:all_shards",
                    "response_policy:special",
                ]),
            Command::server("memory|purge", 2, ServerCommand::Memory)
                .flags(0, 0)
                .docs(
                    "4.0.0",
                    "server",
                    "O(1)",
                    "Gives free memory back to the system",
                    &[],
                )
                .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
            Command::server("memory|stats", 2, ServerCommand::Memory)
                .flags(0, 0)
                .docs(
                    "4.0.0",
                    "server",
                    "O(1)",
                    "Replies with figures on the use of memory",
                    &[],
                )
                .tips(&[
                    "nondeterministic_output",
                    "request_policy:all_shards",
                    "response_policy:special",
                ]),
            Command::data(
                "memory|usage",
                -3,
                Route::Keys(Split::Never),
                object::memory_usage,
            )
            .flags(READONLY, 0)
            .keys(2, 2, 1, &[KeySpec::new(key::RO, 2, 0, 1, "")])
            .docs(
                "4.0.0",
                "server",
                "O(1)",
                "Tells how much memory a key takes",
                docs::MEMORY_USAGE,
            ),
        ]),
    Command::server("bgrewriteaof", 1, ServerCommand::RewriteLog)
        .flags(ADMIN | NOSCRIPT | NO_ASYNC_LOADING, 0)
        .docs(
            "1.0.0",
            "server",
            "O(1)",
            "Rewrites the log, so that it has each key once",
            &[],
        ),
    Command::server("monitor", 1, ServerCommand::Monitor)
        .flags(ADMIN | NOSCRIPT | LOADING | STALE, 0)
        .docs(
            "1.0.0",
            "server",
            "",
            "Shows what all clients do, as they do it",
            &[],
        ),
    Command::data("mget", -2, Route::Keys(Split::Elements), get::mget)
        .flags(READONLY | FAST, acl::STRING)
        .keys(
            1,
            -1,
            1,
            &[KeySpec::new(key::RO | key::ACCESS, 1, -1, 1, "")],
        )
        .docs(
            "1.0.0",
            "string",
            "O(N) in the keys",
            "Replies with several strings",
            docs::DEL,
        )
        .tips(&["request_policy:multi_shard"]),
    Command::data("move", 3, Route::Keys(Split::Never), keys::move_key)
        .flags(WRITE | FAST, acl::KEYSPACE)
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
            "1.0.0",
            "generic",
            "O(1)",
            "Moves a key to another database",
            docs::MOVE,
        ),
    Command::data("mset", -3, Route::Keys(Split::AllOk), multi_key::mset)
        .flags(WRITE | DENYOOM, acl::STRING)
        .keys(
            1,
            -1,
            2,
            &[KeySpec::new(key::OW | key::UPDATE, 1, -1, 2, "")],
        )
        .docs(
            "1.0.1",
            "string",
            "O(N) in the keys",
            "Stores several strings",
            docs::MSET,
        )
        .tips(&[
            "request_policy:multi_shard",
            "response_policy:all_succeeded",
        ]),
    Command::data(
        "msetnx",
        -3,
        Route::Keys(Split::AllOrNothing),
        multi_key::msetnx,
    )
    .flags(WRITE | DENYOOM, acl::STRING)
    .keys(
        1,
        -1,
        2,
        &[KeySpec::new(key::OW | key::INSERT, 1, -1, 2, "")],
    )
    .docs(
        "1.0.1",
        "string",
        "O(N) in the keys",
        "Stores several strings unless one of the keys is there",
        docs::MSET,
    )
    .tips(&["request_policy:multi_shard", "response_policy:agg_min"]),
    Command::data("object", -2, Route::Keys(Split::Never), object::help)
        .flags(0, 0)
        .docs(
            "2.2.3",
            "generic",
            "Depends on the subcommand",
            "Commands on what is known about a key",
            &[],
        )
        .subcommands(&[
            Command::data(
                "object|encoding",
                3,
                Route::Keys(Split::Never),
                object::encoding,
            )
            .flags(READONLY, acl::KEYSPACE)
            .keys(2, 2, 1, &[KeySpec::new(key::RO, 2, 0, 1, "")])
            .docs(
                "2.2.3",
                "generic",
                "O(1)",
                "Tells how a value is stored",
                docs::DECR,
            )
            .tips(&["nondeterministic_output"]),
            Command::data("object|freq", 3, Route::Keys(Split::Never), object::freq)
                .flags(READONLY, acl::KEYSPACE)
                .keys(2, 2, 1, &[KeySpec::new(key::RO, 2, 0, 1, "")])
                .docs(
                    "4.0.0",
                    "generic",
                    "O(1)",
                    "Replies with the counter of a key's use, under an LFU policy",
                    docs::DECR,
                )
                .tips(&["nondeterministic_output"]),
            Command::data("object|help", 2, Route::Anywhere, object::help)
                .flags(LOADING | STALE, acl::KEYSPACE)
                .docs("6.2.0", "generic", "O(1)", "Lists the subcommands", &[]),
            Command::data(
                "object|idletime",
                3,
                Route::Keys(Split::Never),
                object::idletime,
            )
            .flags(READONLY, acl::KEYSPACE)
            .keys(2, 2, 1, &[KeySpec::new(key::RO, 2, 0, 1, "")])
            .docs(
                "2.2.3",
                "generic",
                "O(1)",
                "Tells the seconds since a key was last used",
                docs::DECR,
            )
            .tips(&["nondeterministic_output"]),
            Command::data(
                "object|refcount",
                3,
                Route::Keys(Split::Never),
                object::refcount,
            )
            .flags(READONLY, acl::KEYSPACE)
            .keys(2, 2, 1, &[KeySpec::new(key::RO, 2, 0, 1, "")])
            .docs(
                "2.2.3",
                "generic",
                "O(1)",
                "Tells how many hold a value",
                docs::DECR,
            )
            .tips(&["nondeterministic_output"]),
        ]),
    Command::data("persist", 2, Route::Keys(Split::Never), expiry::persist)
        .flags(WRITE | FAST, acl::KEYSPACE)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::UPDATE, 1, 0, 1, "")])
        .docs(
            "2.2.0",
            "generic",
            "O(1)",
            "Lets a key live for ever",
            docs::DECR,
        ),
    Command::data("pexpire", -3, Route::Keys(Split::Never), expiry::pexpire)
        .flags(WRITE | FAST, acl::KEYSPACE)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::UPDATE, 1, 0, 1, "")])
        .docs(
            "2.6.0",
            "generic",
            "O(1)",
            "Gives a key milliseconds to live",
            docs::PEXPIRE,
        ),
    Command::data(
        "pexpireat",
        -3,
        Route::Keys(Split::Never),
        expiry::pexpireat,
    )
    .flags(WRITE | FAST, acl::KEYSPACE)
    .keys(1, 1, 1, &[KeySpec::new(key::RW | key::UPDATE, 1, 0, 1, "")])
    .docs(
        "2.6.0",
        "generic",
        "O(1)",
        "Lets a key expire at a Unix time in milliseconds",
        docs::PEXPIREAT,
    ),
    Command::data(
        "pexpiretime",
        2,
        Route::Keys(Split::Never),
        expiry::pexpiretime,
    )
    .flags(READONLY | FAST, acl::KEYSPACE)
    .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
    .docs(
        "7.0.0",
        "generic",
        "O(1)",
        "Tells when a key expires, as a Unix time in milliseconds",
        docs::DECR,
    ),
    Command::data("ping", -1, Route::Anywhere, connection::ping)
        .flags(FAST, acl::CONNECTION)
        .docs(
            "1.0.0",
            "connection",
            "O(1)",
            "Shows that the server is there",
            docs::PING,
        )
        .tips(&["request_policy:all_shards", "response_policy:all_succeeded"]),
    Command::data("psetex", 4, Route::Keys(Split::Never), set::psetex)
        .flags(WRITE | DENYOOM, acl::STRING)
        .keys(1, 1, 1, &[KeySpec::new(key::OW | key::UPDATE, 1, 0, 1, "")])
        .docs(
            "2.6.0",
            "string",
            "O(1)",
            "Stores a string that lives for some milliseconds",
            docs::PSETEX,
        )
        .deprecated("2.6.12", "SET with PX"),
    Command::data("pttl", 2, Route::Keys(Split::Never), expiry::pttl)
        .flags(READONLY | FAST, acl::KEYSPACE)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "2.6.0",
            "generic",
            "O(1)",
            "Tells how many milliseconds a key will live",
            docs::DECR,
        )
        .tips(&["nondeterministic_output"]),
    Command::server("quit", -1, ServerCommand::Quit)
        .flags(
            NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY,
            acl::CONNECTION,
        )
        .docs("1.0.0", "connection", "O(1)", "Closes the connection", &[])
        .deprecated("7.2.0", "closing the connection"),
    Command::data("randomkey", 1, Route::RandomShard, keys::randomkey)
        .flags(READONLY, acl::KEYSPACE)
        .docs(
            "1.0.0",
            "generic",
            "O(1)",
            "Replies with a key chosen at random",
            &[],
        )
        .tips(&["request_policy:all_shards", "nondeterministic_output"]),
    Command::data("rename", 3, Route::Keys(Split::Transfer), transfer::rename)
        .flags(WRITE, acl::KEYSPACE)
        .keys(
            1,
            2,
            1,
            &[
                KeySpec::new(key::RW | key::ACCESS | key::DELETE, 1, 0, 1, ""),
                KeySpec::new(key::OW | key::UPDATE, 2, 0, 1, ""),
            ],
        )
        .docs(
            "1.0.0",
            "generic",
            "O(1)",
            "Moves a value to another key",
            docs::RENAME,
        ),
    Command::data(
        "renamenx",
        3,
        Route::Keys(Split::Transfer),
        transfer::renamenx,
    )
    .flags(WRITE | FAST, acl::KEYSPACE)
    .keys(
        1,
        2,
        1,
        &[
            KeySpec::new(key::RW | key::ACCESS | key::DELETE, 1, 0, 1, ""),
            KeySpec::new(key::OW | key::INSERT, 2, 0, 1, ""),
        ],
    )
    .docs(
        "1.0.0",
        "generic",
        "O(1)",
        "Moves a value to another key unless that is there",
        docs::RENAME,
    ),
    Command::server("reset", 1, ServerCommand::Reset)
        .flags(
            NOSCRIPT | LOADING | STALE | FAST | NO_AUTH | ALLOW_BUSY,
            acl::CONNECTION,
        )
        .docs(
            "6.2.0",
            "connection",
            "O(1)",
            "Makes the connection as good as new",
            &[],
        ),
    Command::server("save", 1, ServerCommand::Save)
        .flags(ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI, 0)
        .docs(
            "1.0.0",
            "server",
            "O(N) in the keys",
            "Writes a snapshot, and holds all writers back meanwhile",
            &[],
        ),
    Command::data("scan", -2, Route::Cursor, scan::scan)
        .flags(READONLY, acl::KEYSPACE)
        .docs(
            "2.8.0",
            "generic",
            "O(1) a call, O(N) for all keys",
            "Lists some keys and the cursor to go on with",
            docs::SCAN,
        )
        .tips(&["nondeterministic_output", "request_policy:special"]),
    Command::server("select", 2, ServerCommand::Select)
        .flags(LOADING | STALE | FAST, acl::CONNECTION)
        .docs(
            "1.0.0",
            "connection",
            "O(1)",
            "Changes the connection's database",
            docs::SELECT,
        ),
    Command::data("set", -3, Route::Keys(Split::Never), set::set)
        .flags(WRITE | DENYOOM, acl::STRING)
        .keys(
            1,
            1,
            1,
            &[KeySpec::new(
                key::RW | key::ACCESS | key::UPDATE | key::VARIABLE_FLAGS,
                1,
                0,
                1,
                "Read as well with GET",
            )],
        )
        .docs("1.0.0", "string", "O(1)", "Stores a string", docs::SET),
    Command::data("setbit", 4, Route::Keys(Split::Never), bits::setbit)
        .flags(WRITE | DENYOOM, acl::BITMAP)
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
            "2.2.0",
            "bitmap",
            "O(1)",
            "Sets or clears one bit of a string",
            docs::SETBIT,
        ),
    Command::data("setex", 4, Route::Keys(Split::Never), set::setex)
        .flags(WRITE | DENYOOM, acl::STRING)
        .keys(1, 1, 1, &[KeySpec::new(key::OW | key::UPDATE, 1, 0, 1, "")])
        .docs(
            "2.0.0",
            "string",
            "O(1)",
            "Stores a string that lives for some seconds",
            docs::SETEX,
        )
        .deprecated("2.6.12", "SET with EX"),
    Command::data("setnx", 3, Route::Keys(Split::Never), set::setnx)
        .flags(WRITE | DENYOOM | FAST, acl::STRING)
        .keys(1, 1, 1, &[KeySpec::new(key::OW | key::INSERT, 1, 0, 1, "")])
        .docs(
            "1.0.0",
            "string",
            "O(1)",
            "Stores a string unless the key is there",
            docs::APPEND,
        )
        .deprecated("2.6.12", "SET with NX"),
    Command::data(
        "setrange",
        4,
        Route::Keys(Split::Never),
        substrings::setrange,
    )
    .flags(WRITE | DENYOOM, acl::STRING)
    .keys(1, 1, 1, &[KeySpec::new(key::RW | key::UPDATE, 1, 0, 1, "")])
    .docs(
        "2.2.0",
        "string",
        "O(N) in the bytes written",
        "Overwrites a part of a string",
        docs::SETRANGE,
    ),
    Command::server("shutdown", -1, ServerCommand::Shutdown)
        .flags(
            ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | ALLOW_BUSY,
            0,
        )
        .docs(
            "1.0.0",
            "server",
            "O(1)",
            "Stops the server",
            docs::SHUTDOWN,
        ),
    Command::data("strlen", 2, Route::Keys(Split::Never), substrings::strlen)
        .flags(READONLY | FAST, acl::STRING)
        .keys(1, 1, 1, &[KeySpec::new(key::RO, 1, 0, 1, "")])
        .docs(
            "2.2.0",
            "string",
            "O(1)",
            "Replies with the length of a string",
            docs::DECR,
        ),
    Command::data("substr", 4, Route::Keys(Split::Never), substrings::getrange)
        .flags(READONLY, acl::STRING)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "1.0.0",
            "string",
            "O(N) in the bytes replied",
            "Replies with a part of a string",
            docs::GETRANGE,
        )
        .deprecated("2.0.0", "GETRANGE"),
    Command::data("swapdb", 3, Route::AllShards(Merge::Ok), databases::swapdb)
        .flags(WRITE | FAST, acl::KEYSPACE | acl::DANGEROUS)
        .docs(
            "4.0.0",
            "server",
            "O(1)",
            "Exchanges two databases",
            docs::SWAPDB,
        ),
    Command::data("time", 1, Route::Anywhere, connection::time)
        .flags(LOADING | STALE | FAST, 0)
        .docs(
            "2.6.0",
            "server",
            "O(1)",
            "Replies with the server's time",
            &[],
        )
        .tips(&["nondeterministic_output"]),
    Command::data("touch", -2, Route::Keys(Split::Sum), keys::touch)
        .flags(READONLY | FAST, acl::KEYSPACE)
        .keys(1, -1, 1, &[KeySpec::new(key::RO, 1, -1, 1, "")])
        .docs(
            "3.2.1",
            "generic",
            "O(N) in the keys",
            "Counts how many of the keys are there, as uses of them",
            docs::DEL,
        )
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    Command::data("ttl", 2, Route::Keys(Split::Never), expiry::ttl)
        .flags(READONLY | FAST, acl::KEYSPACE)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "1.0.0",
            "generic",
            "O(1)",
            "Tells how many seconds a key will live",
            docs::DECR,
        )
        .tips(&["nondeterministic_output"]),
    Command::data("type", 2, Route::Keys(Split::Never), keys::type_of)
        .flags(READONLY | FAST, acl::KEYSPACE)
        .keys(1, 1, 1, &[KeySpec::new(key::RO, 1, 0, 1, "")])
        .docs(
            "1.0.0",
            "generic",
            "O(1)",
            "Tells the type of a value",
            docs::DECR,
        ),
    Command::data("unlink", -2, Route::Keys(Split::Sum), keys::del)
        .flags(WRITE | FAST, acl::KEYSPACE)
        .keys(
            1,
            -1,
            1,
            &[KeySpec::new(key::RM | key::DELETE, 1, -1, 1, "")],
        )
        .docs(
            "4.0.0",
            "generic",
            "O(N) in the keys",
            "Deletes keys",
            docs::DEL,
        )
        .tips(&["request_policy:multi_shard", "response_policy:agg_sum"]),
    Command::data("wait", 3, Route::Anywhere, connection::wait)
        .flags(BLOCKING, acl::CONNECTION)
        .docs(
            "3.0.0",
            "generic",
            "O(1)",
            "Tells how many replicas have what was written; there are none",
            docs::WAIT,
        )
        .tips(&["request_policy:all_shards", "response_policy:agg_min"]),
    Command::server("waitaof", 4, ServerCommand::WaitForLog)
        .flags(BLOCKING, acl::CONNECTION)
        .docs(
            "7.2.0",
            "generic",
            "O(1)",
            "Waits until the append log has what was written",
            docs::WAITAOF,
        )
        .tips(&["request_policy:all_shards", "response_policy:agg_min"]),
];
