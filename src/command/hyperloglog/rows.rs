//! The rows of the commands on HyperLogLogs.

use super::{commands, docs};
use crate::command::table::categories as acl;
use crate::command::table::flags::*;
use crate::command::table::key_flags as key;
use crate::command::table::{Command, KeySpec};
use crate::command::{Route, Split};

/// The rows, by name.
pub const ROWS: &[Command] = &[
    Command::data("pfadd", -2, Route::Keys(Split::Never), commands::pfadd)
        .flags(WRITE | DENYOOM | FAST, acl::HYPERLOGLOG)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::INSERT, 1, 0, 1, "")])
        .docs(
            "2.8.9",
            "hyperloglog",
            "O(1) per element",
            "Adds elements to a HyperLogLog",
            docs::PFADD,
        ),
    Command::data("pfcount", -2, Route::Keys(Split::Whole), commands::pfcount)
        .flags(READONLY | MAY_REPLICATE, acl::HYPERLOGLOG)
        .keys(
            1,
            -1,
            1,
            &[KeySpec::new(
                key::RW | key::ACCESS,
                1,
                -1,
                1,
                "RW because it may change the internal representation of the key, and propagate to replicas",
            )],
        )
        .docs(
            "2.8.9",
            "hyperloglog",
            "O(1) for one key whose count is known; O(N) in the keys otherwise",
            "Estimates how many different elements were added to HyperLogLogs",
            docs::PFCOUNT,
        ),
    Command::data("pfmerge", -2, Route::Keys(Split::Whole), commands::pfmerge)
        .flags(WRITE | DENYOOM, acl::HYPERLOGLOG)
        .keys(
            1,
            -1,
            1,
            &[
                KeySpec::new(key::RW | key::ACCESS | key::INSERT, 1, 0, 1, ""),
                KeySpec::new(key::RO | key::ACCESS, 2, -1, 1, ""),
            ],
        )
        .docs(
            "2.8.9",
            "hyperloglog",
            "O(N) in the keys",
            "Merges HyperLogLogs into one",
            docs::PFMERGE,
        ),
];
