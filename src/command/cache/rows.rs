//! The rows of the family. Redis has none of them; `since` is the version of Redis whose commands torc had when they came.

use super::{docs, leases, tags};
use crate::command::table::categories as acl;
use crate::command::table::flags::*;
use crate::command::table::key_flags as key;
use crate::command::table::{Command, KeySpec};
use crate::command::{Merge, Route, Split};

const SINCE: &str = "8.4.0";
const GROUP: &str = "cache";

/// The rows, by name.
pub const ROWS: &[Command] = &[
    Command::data("cache.count", -2, Route::AllShards(Merge::Sum), tags::count)
        .flags(READONLY, acl::KEYSPACE)
        .docs(
            SINCE,
            GROUP,
            "O(N) in the tags",
            "Tells how many items have each of some tags, added up",
            docs::TAGS_ONLY,
        ),
    Command::data("cache.drop", -2, Route::AllShards(Merge::Sum), tags::drop)
        .flags(WRITE, acl::KEYSPACE)
        .docs(
            SINCE,
            GROUP,
            "O(N) in the tags, however many items have them",
            "Deletes all items that have any of some tags, at once for every reader",
            docs::TAGS_ONLY,
        ),
    Command::data("cache.fill", -4, Route::Keys(Split::Never), leases::fill)
        .flags(WRITE | DENYOOM, acl::STRING)
        .keys(1, 1, 1, &[KeySpec::new(key::OW | key::UPDATE, 1, 0, 1, "")])
        .docs(
            SINCE,
            GROUP,
            "O(1)",
            "Stores the value that a lease was given for, unless the lease is over",
            docs::FILL,
        ),
    Command::data("cache.get", -2, Route::Keys(Split::Never), leases::get)
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
                "RW because a lease is kept with the key",
            )],
        )
        .docs(
            SINCE,
            GROUP,
            "O(1)",
            "Returns a string, and gives one of all readers a lease to make it when it is missing or old",
            docs::GET,
        ),
    Command::data("cache.release", 3, Route::Keys(Split::Never), leases::release)
        .flags(WRITE | FAST, acl::STRING)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::DELETE, 1, 0, 1, "")])
        .docs(
            SINCE,
            GROUP,
            "O(1)",
            "Gives a lease back, so that the next reader gets one",
            docs::RELEASE,
        ),
    Command::data("cache.set", -3, Route::Keys(Split::Never), tags::set)
        .flags(WRITE | DENYOOM, acl::STRING)
        .keys(1, 1, 1, &[KeySpec::new(key::OW | key::UPDATE, 1, 0, 1, "")])
        .docs(
            SINCE,
            GROUP,
            "O(N) in the tags",
            "Stores a string with an expiry and tags",
            docs::SET,
        ),
    Command::data("cache.stale", -2, Route::Keys(Split::Never), leases::stale)
        .flags(WRITE | DENYOOM | FAST, acl::STRING)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::UPDATE, 1, 0, 1, "")])
        .docs(
            SINCE,
            GROUP,
            "O(1)",
            "Marks a string as old: it is served on until one reader has made a new one",
            docs::STALE,
        ),
    Command::data("cache.tag", -3, Route::Keys(Split::Never), tags::tag)
        .flags(WRITE | DENYOOM, acl::KEYSPACE)
        .keys(1, 1, 1, &[KeySpec::new(key::RW | key::INSERT, 1, 0, 1, "")])
        .docs(
            SINCE,
            GROUP,
            "O(N) in the key's tags",
            "Gives a key tags, whatever it holds",
            docs::TAG_KEY,
        ),
    Command::data("cache.tags", 2, Route::Keys(Split::Never), tags::tags)
        .flags(READONLY | FAST, acl::KEYSPACE)
        .keys(1, 1, 1, &[KeySpec::new(key::RO, 1, 0, 1, "")])
        .docs(
            SINCE,
            GROUP,
            "O(N) in the key's tags",
            "Returns the tags of a key",
            docs::KEY_ONLY,
        ),
];
