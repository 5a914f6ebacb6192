//! The form of the command table's rows, and what follows from a row alone. The rows are in [`super::rows`], the look-up in [`mod@super::lookup`].

use super::docs::Argument;
use super::{FindBlocking, FurtherKeys, Handler, Route, Run, ServerCommand};
use crate::protocol::args::Args;

pub use super::lookup::{command_index, lookup, resolve, resolved_row, row_at, rows_len};
pub use super::rows::COMMANDS;

/// One row.
#[derive(Clone, Copy)]
pub struct Command {
    /// Lower case, as COMMAND shows it; a subcommand's is `container|name`.
    pub name: &'static str,
    /// As in Redis: the exact number of arguments with the name, or minus the least number.
    pub arity: i8,
    /// First key's argument index (0: none), last (negative: from the end), step.
    pub first_key: i8,
    /// See `first_key`.
    pub last_key: i8,
    /// See `first_key`.
    pub key_step: i8,
    /// Where its keys are when that depends on its arguments (a number of keys, a word before them): their positions, none when the request is
    /// malformed. Comes before `first_key` and the others, which then show what COMMAND says.
    pub find_keys: Option<FindKeys>,
    /// For commands whose keys depend on values: how the others are found.
    pub further_keys: Option<FurtherKeys>,
    /// For commands that may wait: how they do.
    pub blocking: Option<FindBlocking>,
    /// Bits of [`flags`].
    pub flags: u32,
    /// Bits of [`categories`] beside those that follow from the flags; see [`Command::categories`].
    pub own_categories: u32,
    /// Where it goes.
    pub route: Route,
    /// Who carries it out.
    pub run: Run,
    /// Its keys, and what is done with each.
    pub key_specs: &'static [KeySpec],
    /// Hints to clients.
    pub tips: &'static [&'static str],
    /// The version of Redis that first had it.
    pub since: &'static str,
    /// The group of the documentation.
    pub group: &'static str,
    /// The cost.
    pub complexity: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// Since when it is deprecated, and what to use.
    pub deprecated: Option<(&'static str, &'static str)>,
    /// Its arguments.
    pub arguments: &'static [Argument],
    /// Its subcommands. A row that has some is never carried out itself.
    pub subcommands: &'static [Command],
}

/// Positions of the keys among a request's arguments.
pub type FindKeys = fn(&Args<'_>) -> Vec<usize>;

/// Some of a command's keys.
#[derive(Debug, Clone, Copy)]
pub struct KeySpec {
    /// Bits of [`key_flags`].
    pub flags: u32,
    /// The first one's argument index.
    pub first: i8,
    /// The last one's, relative to the first; negative: from the end.
    pub last: i8,
    /// From one to the next; 0: they follow the argument at `first`, which says how many there are; negative: their places are not told.
    pub step: i8,
    /// What is special about them.
    pub notes: &'static str,
    /// The word they follow, which is looked for from argument `first` on; empty: they are where `first` says. Half of what follows are keys, and the rest
    /// belongs to them one by one.
    pub keyword: &'static str,
}

/// Flags of [`Command`], named as COMMAND names them, in its order.
#[allow(missing_docs)]
pub mod flags {
    pub const WRITE: u32 = 1;
    pub const READONLY: u32 = 1 << 1;
    pub const DENYOOM: u32 = 1 << 2;
    pub const MODULE: u32 = 1 << 3;
    pub const ADMIN: u32 = 1 << 4;
    pub const PUBSUB: u32 = 1 << 5;
    pub const NOSCRIPT: u32 = 1 << 6;
    pub const BLOCKING: u32 = 1 << 7;
    pub const LOADING: u32 = 1 << 8;
    pub const STALE: u32 = 1 << 9;
    pub const SKIP_MONITOR: u32 = 1 << 10;
    pub const SKIP_SLOWLOG: u32 = 1 << 11;
    pub const ASKING: u32 = 1 << 12;
    pub const FAST: u32 = 1 << 13;
    pub const NO_AUTH: u32 = 1 << 14;
    pub const MAY_REPLICATE: u32 = 1 << 15;
    pub const NO_MANDATORY_KEYS: u32 = 1 << 16;
    pub const NO_ASYNC_LOADING: u32 = 1 << 17;
    pub const NO_MULTI: u32 = 1 << 18;
    pub const MOVABLEKEYS: u32 = 1 << 19;
    pub const ALLOW_BUSY: u32 = 1 << 20;
    /// The names, by bit.
    pub const NAMES: &[&str] = &[
        "write",
        "readonly",
        "denyoom",
        "module",
        "admin",
        "pubsub",
        "noscript",
        "blocking",
        "loading",
        "stale",
        "skip_monitor",
        "skip_slowlog",
        "asking",
        "fast",
        "no_auth",
        "may_replicate",
        "no_mandatory_keys",
        "no_async_loading",
        "no_multi",
        "movablekeys",
        "allow_busy",
    ];
}

/// ACL categories, in the order of COMMAND INFO.
#[allow(missing_docs)]
pub mod categories {
    pub const KEYSPACE: u32 = 1;
    pub const READ: u32 = 1 << 1;
    pub const WRITE: u32 = 1 << 2;
    pub const SET: u32 = 1 << 3;
    pub const SORTEDSET: u32 = 1 << 4;
    pub const LIST: u32 = 1 << 5;
    pub const HASH: u32 = 1 << 6;
    pub const STRING: u32 = 1 << 7;
    pub const BITMAP: u32 = 1 << 8;
    pub const HYPERLOGLOG: u32 = 1 << 9;
    pub const GEO: u32 = 1 << 10;
    pub const STREAM: u32 = 1 << 11;
    pub const PUBSUB: u32 = 1 << 12;
    pub const ADMIN: u32 = 1 << 13;
    pub const FAST: u32 = 1 << 14;
    pub const SLOW: u32 = 1 << 15;
    pub const BLOCKING: u32 = 1 << 16;
    pub const DANGEROUS: u32 = 1 << 17;
    pub const CONNECTION: u32 = 1 << 18;
    pub const TRANSACTION: u32 = 1 << 19;
    pub const SCRIPTING: u32 = 1 << 20;
    /// The names, by bit.
    pub const NAMES: &[&str] = &[
        "keyspace",
        "read",
        "write",
        "set",
        "sortedset",
        "list",
        "hash",
        "string",
        "bitmap",
        "hyperloglog",
        "geo",
        "stream",
        "pubsub",
        "admin",
        "fast",
        "slow",
        "blocking",
        "dangerous",
        "connection",
        "transaction",
        "scripting",
    ];
}

/// What a command does with keys.
#[allow(missing_docs)]
pub mod key_flags {
    pub const RO: u32 = 1;
    pub const RW: u32 = 1 << 1;
    pub const OW: u32 = 1 << 2;
    pub const RM: u32 = 1 << 3;
    pub const ACCESS: u32 = 1 << 4;
    pub const UPDATE: u32 = 1 << 5;
    pub const INSERT: u32 = 1 << 6;
    pub const DELETE: u32 = 1 << 7;
    pub const NOT_KEY: u32 = 1 << 8;
    pub const INCOMPLETE: u32 = 1 << 9;
    pub const VARIABLE_FLAGS: u32 = 1 << 10;
    /// The names, by bit.
    pub const NAMES: &[&str] = &[
        "RO",
        "RW",
        "OW",
        "RM",
        "access",
        "update",
        "insert",
        "delete",
        "not_key",
        "incomplete",
        "variable_flags",
    ];
}

impl KeySpec {
    pub(super) const fn new(
        flags: u32,
        first: i8,
        last: i8,
        step: i8,
        notes: &'static str,
    ) -> KeySpec {
        KeySpec {
            flags,
            first,
            last,
            step,
            notes,
            keyword: "",
        }
    }

    /// Keys in the first half of what follows a word, which comes at argument `from` or later.
    pub(super) const fn after_keyword(flags: u32, keyword: &'static str, from: i8) -> KeySpec {
        KeySpec {
            keyword,
            ..KeySpec::new(flags, from, -1, 1, "")
        }
    }
}

impl KeySpec {
    /// Keys whose places no rule tells, at argument `from` at the earliest.
    pub(super) const fn unknown(flags: u32, from: i8, notes: &'static str) -> KeySpec {
        KeySpec::new(flags, from, 0, -1, notes)
    }

    /// Keys behind the argument that says how many there are.
    pub(super) const fn numbered(flags: u32, count_at: i8) -> KeySpec {
        KeySpec::new(flags, count_at, 0, 0, "")
    }
}

impl Command {
    /// Whether a request has keys whose names depend on values.
    pub fn asks_further_keys(&self, args: &Args<'_>) -> bool {
        self.further_keys.is_some_and(|keys| (keys.asked)(args))
    }

    const EMPTY: Command = Command {
        name: "",
        arity: 0,
        first_key: 0,
        last_key: 0,
        key_step: 0,
        find_keys: None,
        further_keys: None,
        blocking: None,
        flags: 0,
        own_categories: 0,
        route: Route::Anywhere,
        run: Run::Server(ServerCommand::Client),
        key_specs: &[],
        tips: &[],
        since: "",
        group: "",
        complexity: "",
        summary: "",
        deprecated: None,
        arguments: &[],
        subcommands: &[],
    };
    /// A row of a data command.
    pub(super) const fn data(
        name: &'static str,
        arity: i8,
        route: Route,
        handler: Handler,
    ) -> Command {
        Command {
            name,
            arity,
            route,
            run: Run::Data(handler),
            ..Command::EMPTY
        }
    }
    /// A row of a command that the server layer carries out.
    pub(super) const fn server(name: &'static str, arity: i8, command: ServerCommand) -> Command {
        Command {
            name,
            arity,
            run: Run::Server(command),
            ..Command::EMPTY
        }
    }
    pub(super) const fn flags(self, flags: u32, own_categories: u32) -> Command {
        Command {
            flags,
            own_categories,
            ..self
        }
    }
    pub(super) const fn keys(
        self,
        first_key: i8,
        last_key: i8,
        key_step: i8,
        key_specs: &'static [KeySpec],
    ) -> Command {
        Command {
            first_key,
            last_key,
            key_step,
            key_specs,
            ..self
        }
    }
    /// Its keys are where `find_keys` says.
    pub(super) const fn find_keys(self, find_keys: FindKeys) -> Command {
        Command {
            find_keys: Some(find_keys),
            ..self
        }
    }
    /// Some of its keys depend on values.
    pub(super) const fn further_keys(self, further_keys: FurtherKeys) -> Command {
        Command {
            further_keys: Some(further_keys),
            ..self
        }
    }
    /// It may wait, as `blocking` says.
    pub(super) const fn blocking(self, blocking: FindBlocking) -> Command {
        Command {
            blocking: Some(blocking),
            ..self
        }
    }
    pub(super) const fn docs(
        self,
        since: &'static str,
        group: &'static str,
        complexity: &'static str,
        summary: &'static str,
        arguments: &'static [Argument],
    ) -> Command {
        Command {
            since,
            group,
            complexity,
            summary,
            arguments,
            ..self
        }
    }
    pub(super) const fn tips(self, tips: &'static [&'static str]) -> Command {
        Command { tips, ..self }
    }
    pub(super) const fn deprecated(
        self,
        since: &'static str,
        replacement: &'static str,
    ) -> Command {
        Command {
            deprecated: Some((since, replacement)),
            ..self
        }
    }
    pub(super) const fn subcommands(self, subcommands: &'static [Command]) -> Command {
        Command {
            subcommands,
            ..self
        }
    }

    /// All ACL categories as bits of [`categories`].
    pub fn categories(&self) -> u32 {
        let mut bits = self.own_categories;
        for (flag, category) in [
            (flags::WRITE, categories::WRITE),
            (flags::READONLY, categories::READ),
            (flags::ADMIN, categories::ADMIN | categories::DANGEROUS),
            (flags::PUBSUB, categories::PUBSUB),
            (flags::BLOCKING, categories::BLOCKING),
        ] {
            if self.flags & flag != 0 {
                bits |= category;
            }
        }
        bits | if self.flags & flags::FAST != 0 {
            categories::FAST
        } else {
            categories::SLOW
        }
    }

    /// Whether it names keys. Shard channels stand where keys would, and are none.
    pub fn names_keys(&self) -> bool {
        let mut specs = self.key_specs.iter();
        specs.any(|spec| spec.flags & key_flags::NOT_KEY == 0)
    }

    /// Whether a request with `len` arguments, the name included, has the right number of them.
    #[inline]
    pub fn accepts(&self, len: usize) -> bool {
        if self.arity >= 0 {
            len == self.arity as usize
        } else {
            len >= -(self.arity as isize) as usize
        }
    }

    /// The row of a subcommand, in any case.
    pub fn subcommand(&self, name: &[u8]) -> Option<&'static Command> {
        let prefix = self.name.len() + 1;
        self.subcommands
            .iter()
            .find(|row| row.name.as_bytes()[prefix..].eq_ignore_ascii_case(name))
    }
}
