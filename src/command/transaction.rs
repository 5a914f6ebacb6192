//! Rows of the commands of transactions. What they do is about connections: the server layer carries them out (`server/commands/multi.rs`).

use super::ServerCommand::{Discard, Exec, Multi, Unwatch, Watch};
use super::docs;
use super::table::categories as acl;
use super::table::flags::*;
use super::table::key_flags as key;
use super::table::{Command, KeySpec};

const FLAGS: u32 = NOSCRIPT | LOADING | STALE;

/// The rows.
pub const ROWS: &[Command] = &[
    Command::server("discard", 1, Discard)
        .flags(FLAGS | FAST | ALLOW_BUSY, acl::TRANSACTION)
        .docs(
            "2.0.0",
            "transactions",
            "O(N) in the commands queued",
            "Gives a transaction up",
            &[],
        ),
    Command::server("exec", 1, Exec)
        .flags(FLAGS | SKIP_SLOWLOG, acl::TRANSACTION)
        .docs(
            "1.2.0",
            "transactions",
            "Depends on the commands queued",
            "Carries out what was queued, as one",
            &[],
        ),
    Command::server("multi", 1, Multi)
        .flags(FLAGS | FAST | ALLOW_BUSY, acl::TRANSACTION)
        .docs(
            "1.2.0",
            "transactions",
            "O(1)",
            "Begins a transaction: commands are queued from now on",
            &[],
        ),
    Command::server("unwatch", 1, Unwatch)
        .flags(FLAGS | FAST | ALLOW_BUSY, acl::TRANSACTION)
        .docs(
            "2.2.0",
            "transactions",
            "O(1)",
            "Forgets all keys that the connection watches",
            &[],
        ),
    Command::server("watch", -2, Watch)
        .flags(FLAGS | FAST | NO_MULTI | ALLOW_BUSY, acl::TRANSACTION)
        .keys(1, -1, 1, &[KeySpec::new(key::RO, 1, -1, 1, "")])
        .docs(
            "2.2.0",
            "transactions",
            "O(1) for each key",
            "Makes the next transaction fail if one of these keys changes before",
            docs::DEL,
        ),
];
