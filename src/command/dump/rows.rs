//! The rows of DUMP and RESTORE.

use super::commands;
use crate::command::docs::{Argument, ArgumentKind};
use crate::command::table::categories as acl;
use crate::command::table::flags::*;
use crate::command::table::key_flags as key;
use crate::command::table::{Command, KeySpec};
use crate::command::{Route, Split};

/// See the module.
pub const ROWS: &[Command] = &[
    Command::data("dump", 2, Route::Keys(Split::Never), commands::dump)
        .flags(READONLY, acl::KEYSPACE)
        .keys(1, 1, 1, &[KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "")])
        .docs(
            "2.6.0",
            "generic",
            "O(N) in the bytes of the value",
            "Tells a value in the form that RESTORE takes",
            DUMP,
        )
        .tips(&["nondeterministic_output"]),
    Command::data("restore", -4, Route::Keys(Split::Never), commands::restore)
        .flags(WRITE | DENYOOM, acl::KEYSPACE | acl::DANGEROUS)
        .keys(1, 1, 1, &[KeySpec::new(key::OW | key::UPDATE, 1, 0, 1, "")])
        .docs(
            "2.6.0",
            "generic",
            "O(N) in the bytes of the value, O(N*log(N)) in the members of a sorted set",
            "Makes a key of what DUMP told",
            RESTORE,
        ),
];

const KEY: Argument = Argument::new("key", ArgumentKind::Key).key_spec(0);
const DUMP: &[Argument] = &[KEY];
const RESTORE: &[Argument] = &[
    KEY,
    Argument::new("ttl", ArgumentKind::Integer),
    Argument::new("serialized-value", ArgumentKind::String),
    Argument::new("replace", ArgumentKind::PureToken)
        .token("REPLACE")
        .since("3.0.0")
        .optional(),
    Argument::new("absttl", ArgumentKind::PureToken)
        .token("ABSTTL")
        .since("5.0.0")
        .optional(),
    Argument::new("seconds", ArgumentKind::Integer)
        .token("IDLETIME")
        .since("5.0.0")
        .optional(),
    Argument::new("frequency", ArgumentKind::Integer)
        .token("FREQ")
        .since("5.0.0")
        .optional(),
];
