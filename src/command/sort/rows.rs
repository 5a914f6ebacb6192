//! The rows of SORT and SORT_RO.

use super::options::keys;
use super::pattern;
use crate::command::docs::{Argument, ArgumentKind};
use crate::command::table::categories as acl;
use crate::command::table::flags::*;
use crate::command::table::key_flags as key;
use crate::command::table::{Command, KeySpec};
use crate::command::{FurtherKeys, Route, Split};

/// See the module.
pub const ROWS: &[Command] = &[
    Command::data("sort", -2, Route::Keys(Split::Whole), super::sort)
        .flags(WRITE | DENYOOM | MOVABLEKEYS, CATEGORIES)
        .keys(
            1,
            1,
            1,
            &[
                SOURCE,
                PATTERNS,
                KeySpec::unknown(
                    key::OW | key::UPDATE,
                    2,
                    "The destination, which STORE may name at any place",
                ),
            ],
        )
        .find_keys(keys)
        .further_keys(FURTHER)
        .docs(
            "1.0.0",
            "generic",
            COMPLEXITY,
            "Sorts a list, a set or a sorted set",
            SORT,
        ),
    // Whole for the sake of the keys that patterns name; beside them it has one.
    Command::data("sort_ro", -2, Route::Keys(Split::Whole), super::sort_ro)
        .flags(READONLY | MOVABLEKEYS, CATEGORIES)
        .keys(1, 1, 1, &[SOURCE, PATTERNS])
        .further_keys(FURTHER)
        .docs(
            "7.0.0",
            "generic",
            COMPLEXITY,
            "Sorts a list, a set or a sorted set and stores nothing",
            SORT_RO,
        ),
];

const FURTHER: FurtherKeys = FurtherKeys {
    asked: pattern::are_asked,
    find: super::further_keys,
};
const CATEGORIES: u32 = acl::SET | acl::SORTEDSET | acl::LIST | acl::DANGEROUS;
const COMPLEXITY: &str = "O(N*log(N)) in the elements, O(N) when they are not sorted";
const SOURCE: KeySpec = KeySpec::new(key::RO | key::ACCESS, 1, 0, 1, "");
const PATTERNS: KeySpec = KeySpec::unknown(
    key::RO | key::ACCESS,
    i8::MAX,
    "The keys of BY and GET, whose names depend on the elements",
);

const PATTERN: Argument = Argument::new("pattern", ArgumentKind::Pattern).key_spec(1);
const SORT_RO: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    BY,
    LIMIT,
    GET,
    ORDER,
    ALPHA,
];
const SORT: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    BY,
    LIMIT,
    GET,
    ORDER,
    ALPHA,
    Argument::new("destination", ArgumentKind::Key)
        .key_spec(2)
        .token("STORE")
        .optional(),
];
const BY: Argument = PATTERN.token("BY").optional();
const LIMIT: Argument = Argument::new("offset_count", ArgumentKind::Block)
    .token("LIMIT")
    .optional()
    .arguments(&[
        Argument::new("offset", ArgumentKind::Integer),
        Argument::new("count", ArgumentKind::Integer),
    ]);
const GET: Argument = PATTERN.token("GET").optional().multiple().multiple_token();
const ORDER: Argument = Argument::new("order", ArgumentKind::OneOf)
    .optional()
    .arguments(&[
        Argument::new("asc", ArgumentKind::PureToken).token("ASC"),
        Argument::new("desc", ArgumentKind::PureToken).token("DESC"),
    ]);
const ALPHA: Argument = Argument::new("sorting", ArgumentKind::PureToken)
    .token("ALPHA")
    .optional();
