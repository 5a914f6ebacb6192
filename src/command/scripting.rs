//! Rows of the commands of scripts and functions. The server layer carries them out (`server/scripts.rs`, `server/commands/script.rs`).

use super::ServerCommand::{Eval, Function, Script};
use super::docs::{Argument, ArgumentKind};
use super::key_positions::numbered_keys;
use super::table::categories as acl;
use super::table::flags::*;
use super::table::key_flags as key;
use super::table::{Command, KeySpec};
use crate::protocol::args::Args;

fn keys(args: &Args<'_>) -> Vec<usize> {
    numbered_keys(args, 2)
}

const NUMBER_OF_KEYS: Argument = Argument::new("numkeys", ArgumentKind::Integer);
const KEYS: Argument = Argument::new("key", ArgumentKind::Key)
    .optional()
    .multiple();
const ARGUMENTS: Argument = Argument::new("arg", ArgumentKind::String)
    .optional()
    .multiple();
const SCRIPT: Argument = Argument::new("script", ArgumentKind::String);
const HASH: Argument = Argument::new("sha1", ArgumentKind::String);
const FUNCTION: Argument = Argument::new("function", ArgumentKind::String);
const LIBRARY: Argument = Argument::new("library-name", ArgumentKind::String);

const RUNS: u32 = NOSCRIPT | SKIP_MONITOR | MAY_REPLICATE | NO_MANDATORY_KEYS | STALE | MOVABLEKEYS;
const READS: u32 = NOSCRIPT | SKIP_MONITOR | READONLY | NO_MANDATORY_KEYS | STALE | MOVABLEKEYS;
const KEPT: u32 = NOSCRIPT | MAY_REPLICATE;
const ASKED: u32 = NOSCRIPT | ALLOW_BUSY;

const WRITTEN: &[KeySpec] = &[KeySpec {
    notes: "We cannot tell how the keys will be used so we assume the worst, RW and UPDATE",
    ..KeySpec::numbered(key::RW | key::ACCESS | key::UPDATE, 2)
}];
const READ: &[KeySpec] = &[KeySpec {
    notes: "We cannot tell how the keys will be used so we assume the worst, RO and ACCESS",
    ..KeySpec::numbered(key::RO | key::ACCESS, 2)
}];

const OF_SCRIPT: &[Argument] = &[SCRIPT, NUMBER_OF_KEYS, KEYS, ARGUMENTS];
const OF_HASH: &[Argument] = &[HASH, NUMBER_OF_KEYS, KEYS, ARGUMENTS];
const OF_FUNCTION: &[Argument] = &[FUNCTION, NUMBER_OF_KEYS, KEYS, ARGUMENTS];
const FLUSH: &[Argument] = &[Argument::new("flush-type", ArgumentKind::OneOf)
    .optional()
    .arguments(&[
        Argument::new("async", ArgumentKind::PureToken).token("ASYNC"),
        Argument::new("sync", ArgumentKind::PureToken).token("SYNC"),
    ])];

const DEPENDS: &str = "Depends on the script that is executed";

const fn invocation(
    name: &'static str,
    since: &'static str,
    summary: &'static str,
    arguments: &'static [Argument],
) -> Command {
    Command::server(name, -3, Eval)
        .flags(RUNS, acl::SCRIPTING)
        .keys(0, 0, 0, WRITTEN)
        .find_keys(keys)
        .docs(since, "scripting", DEPENDS, summary, arguments)
}

const fn reading(
    name: &'static str,
    summary: &'static str,
    arguments: &'static [Argument],
) -> Command {
    Command::server(name, -3, Eval)
        .flags(READS, acl::SCRIPTING)
        .keys(0, 0, 0, READ)
        .find_keys(keys)
        .docs("7.0.0", "scripting", DEPENDS, summary, arguments)
}

const fn function(
    name: &'static str,
    arity: i8,
    flags: u32,
    complexity: &'static str,
    summary: &'static str,
    arguments: &'static [Argument],
) -> Command {
    Command::server(name, arity, Function)
        .flags(flags, acl::SCRIPTING)
        .docs("7.0.0", "scripting", complexity, summary, arguments)
}

const fn script(
    name: &'static str,
    arity: i8,
    since: &'static str,
    complexity: &'static str,
    summary: &'static str,
    arguments: &'static [Argument],
) -> Command {
    Command::server(name, arity, Script)
        .flags(NOSCRIPT, acl::SCRIPTING)
        .docs(since, "scripting", complexity, summary, arguments)
}

/// The rows.
pub const ROWS: &[Command] = &[
    invocation("eval", "2.6.0", "Runs a script", OF_SCRIPT),
    reading("eval_ro", "Runs a script that does not write", OF_SCRIPT),
    invocation("evalsha", "2.6.0", "Runs a script by its hash", OF_HASH),
    reading(
        "evalsha_ro",
        "Runs a script by its hash that does not write",
        OF_HASH,
    ),
    invocation("fcall", "7.0.0", "Runs a function", OF_FUNCTION),
    reading(
        "fcall_ro",
        "Runs a function that does not write",
        OF_FUNCTION,
    ),
    Command::server("function", -2, Function)
        .docs(
            "7.0.0",
            "scripting",
            "Depends on the subcommand",
            "Commands about functions",
            &[],
        )
        .subcommands(&[
            function(
                "function|delete",
                3,
                KEPT | WRITE,
                "O(1)",
                "Deletes a library and its functions",
                &[LIBRARY],
            ),
            function(
                "function|dump",
                2,
                NOSCRIPT,
                "O(N) in the functions",
                "Replies with all libraries in a form that FUNCTION RESTORE takes",
                &[],
            ),
            function(
                "function|flush",
                -2,
                KEPT | WRITE,
                "O(N) in the functions",
                "Deletes all libraries and functions",
                FLUSH,
            ),
            function(
                "function|help",
                2,
                LOADING | STALE,
                "O(1)",
                "Says what subcommands there are",
                &[],
            ),
            function(
                "function|kill",
                2,
                ASKED,
                "O(1)",
                "Ends a function that runs long and has not written",
                &[],
            ),
            function(
                "function|list",
                -2,
                NOSCRIPT,
                "O(N) in the functions",
                "Describes the libraries",
                &[
                    Argument::new("library-name-pattern", ArgumentKind::String)
                        .token("LIBRARYNAME")
                        .optional(),
                    Argument::new("withcode", ArgumentKind::PureToken)
                        .token("WITHCODE")
                        .optional(),
                ],
            ),
            function(
                "function|load",
                -3,
                KEPT | WRITE | DENYOOM,
                "O(1) and the compiling",
                "Adds a library of functions",
                &[
                    Argument::new("replace", ArgumentKind::PureToken)
                        .token("REPLACE")
                        .optional(),
                    Argument::new("function-code", ArgumentKind::String),
                ],
            ),
            function(
                "function|restore",
                -3,
                KEPT | WRITE | DENYOOM,
                "O(N) in the functions",
                "Adds all libraries of what FUNCTION DUMP has replied",
                &[
                    Argument::new("serialized-value", ArgumentKind::String),
                    Argument::new("policy", ArgumentKind::OneOf)
                        .optional()
                        .arguments(&[
                            Argument::new("flush", ArgumentKind::PureToken).token("FLUSH"),
                            Argument::new("append", ArgumentKind::PureToken).token("APPEND"),
                            Argument::new("replace", ArgumentKind::PureToken).token("REPLACE"),
                        ]),
                ],
            ),
            function(
                "function|stats",
                2,
                ASKED,
                "O(1)",
                "Tells what function runs and how many there are",
                &[],
            ),
        ]),
    Command::server("script", -2, Script)
        .docs(
            "2.6.0",
            "scripting",
            "Depends on the subcommand",
            "Commands about scripts",
            &[],
        )
        .subcommands(&[
            script(
                "script|debug",
                3,
                "3.2.0",
                "O(1)",
                "Chooses how scripts are debugged, which is not offered",
                &[Argument::new("mode", ArgumentKind::OneOf).arguments(&[
                    Argument::new("yes", ArgumentKind::PureToken).token("YES"),
                    Argument::new("sync", ArgumentKind::PureToken).token("SYNC"),
                    Argument::new("no", ArgumentKind::PureToken).token("NO"),
                ])],
            ),
            script(
                "script|exists",
                -3,
                "2.6.0",
                "O(N) in the hashes",
                "Tells which scripts are known",
                &[HASH.multiple()],
            ),
            script(
                "script|flush",
                -2,
                "2.6.0",
                "O(N) in the scripts",
                "Forgets all scripts",
                FLUSH,
            ),
            Command::server("script|help", 2, Script)
                .flags(LOADING | STALE, acl::SCRIPTING)
                .docs(
                    "5.0.0",
                    "scripting",
                    "O(1)",
                    "Says what subcommands there are",
                    &[],
                ),
            Command::server("script|kill", 2, Script)
                .flags(ASKED, acl::SCRIPTING)
                .docs(
                    "2.6.0",
                    "scripting",
                    "O(1)",
                    "Ends a script that runs long and has not written",
                    &[],
                ),
            script(
                "script|load",
                3,
                "2.6.0",
                "O(N) in the script's bytes",
                "Compiles a script and keeps it",
                &[SCRIPT],
            ),
        ]),
];
