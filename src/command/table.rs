//! The command table: its form, look-up by name, and the checks that come before a command runs. The rows are in [`super::rows`].
//!
//! Look-up folds the name into one number, which an index made at compile time leads from to the row: no loop over bytes.

use super::docs::Argument;
use super::{CommandError, Handler, Route, Run, ServerCommand};
use crate::protocol::args::Args;

pub use super::rows::COMMANDS;

/// One row.
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

/// Some of a command's keys.
#[derive(Debug, Clone, Copy)]
pub struct KeySpec {
    /// Bits of [`key_flags`].
    pub flags: u32,
    /// The first one's argument index.
    pub first: i8,
    /// The last one's, relative to the first; negative: from the end.
    pub last: i8,
    /// From one to the next.
    pub step: i8,
    /// What is special about them.
    pub notes: &'static str,
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
        }
    }
}

impl Command {
    const EMPTY: Command = Command {
        name: "",
        arity: 0,
        first_key: 0,
        last_key: 0,
        key_step: 0,
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

/// Places of the index: a power of two several times the number of rows, so that most names are found at once.
const INDEX_SIZE: usize = 256;
/// The row number of a free place.
const FREE: u8 = u8::MAX;

/// A place of the index.
#[derive(Clone, Copy)]
struct Place {
    /// The name, or its first bytes; see [`fold`].
    folded: u64,
    /// The name's length.
    len: usize,
    /// The row's number.
    row: u8,
}

/// The rows by hash; the next place is tried when one is taken.
static INDEX: [Place; INDEX_SIZE] = build_index();

/// The bit that tells lower case from upper case, in each byte.
const LOWER_CASE: u64 = 0x2020_2020_2020_2020;

/// A name of at most 8 bytes as a whole, or the first 8 of a longer one, as a number that is the same for upper and lower case. Two names of one length
/// up to 8, one of them a row's and therefore nothing but letters, have the same number only if they are the same in some case.
#[inline]
const fn fold(name: &[u8]) -> u64 {
    let number = if let Some(first) = name.first_chunk::<8>() {
        u64::from_le_bytes(*first)
    } else if let (Some(first), Some(last)) = (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        // The two may overlap: no byte is left out, and no loop is needed.
        u32::from_le_bytes(*first) as u64 | (u32::from_le_bytes(*last) as u64) << 32
    } else if let (Some(first), Some(last)) = (name.first(), name.last()) {
        *first as u64 | (name[name.len() / 2] as u64) << 8 | (*last as u64) << 16
    } else {
        0
    };
    number | LOWER_CASE
}

/// Where to begin to look for a name.
#[inline]
const fn place_of(folded: u64, len: usize) -> usize {
    (folded
        .wrapping_add(len as u64)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        >> (64 - INDEX_SIZE.trailing_zeros())) as usize
}

const fn build_index() -> [Place; INDEX_SIZE] {
    assert!(COMMANDS.len() < FREE as usize && COMMANDS.len() * 3 < INDEX_SIZE);
    let mut index = [Place {
        folded: 0,
        len: 0,
        row: FREE,
    }; INDEX_SIZE];
    let mut row = 0;
    while row < COMMANDS.len() {
        let name = COMMANDS[row].name.as_bytes();
        let mut letter = 0;
        while letter < name.len() {
            assert!(
                name[letter].is_ascii_lowercase() || name.len() > 8,
                "see fold"
            );
            letter += 1;
        }
        let folded = fold(name);
        let mut place = place_of(folded, name.len());
        while index[place].row != FREE {
            assert!(
                index[place].folded != folded || index[place].len != name.len(),
                "two names look the same"
            );
            place = (place + 1) % INDEX_SIZE;
        }
        index[place] = Place {
            folded,
            len: name.len(),
            row: row as u8,
        };
        row += 1;
    }
    index
}

/// Finds a row by name, in any case.
#[inline]
pub fn lookup(name: &[u8]) -> Option<&'static Command> {
    let folded = fold(name);
    let mut number = place_of(folded, name.len());
    loop {
        let place = &INDEX[number];
        if place.row == FREE {
            return None;
        }
        if place.folded == folded && place.len == name.len() {
            let command = &COMMANDS[place.row as usize];
            let same = name.len() <= 8 || command.name.as_bytes().eq_ignore_ascii_case(name);
            return same.then_some(command);
        }
        number = (number + 1) % INDEX_SIZE;
    }
}

/// Finds the row that a request is for, a subcommand's where there are some, and checks the number of arguments.
#[inline]
pub fn resolve(args: &Args<'_>) -> Result<&'static Command, CommandError> {
    let Some(command) = lookup(args.get(0)) else {
        return Err(unknown_command(args));
    };
    if !command.subcommands.is_empty() && args.len() > 1 {
        return resolve_subcommand(command, args);
    }
    if !command.accepts(args.len()) {
        return Err(CommandError::arity(command.name));
    }
    Ok(command)
}

fn resolve_subcommand(
    container: &'static Command,
    args: &Args<'_>,
) -> Result<&'static Command, CommandError> {
    match container.subcommand(args.get(1)) {
        None => Err(unknown_subcommand(container, args.get(1))),
        Some(row) if !row.accepts(args.len()) => Err(CommandError::arity(row.name)),
        Some(row) => Ok(row),
    }
}

/// Bytes of a client's words that an error repeats, as in Redis.
const ECHO_BYTES_MAX: usize = 128;

fn clipped(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(ECHO_BYTES_MAX)]).into_owned()
}

/// The error for a name without a row.
#[cold]
fn unknown_command(args: &Args<'_>) -> CommandError {
    let mut words = String::new();
    for index in 1..args.len() {
        if words.len() >= ECHO_BYTES_MAX {
            break;
        }
        let word = args.get(index);
        words.push('\'');
        words.push_str(&clipped(
            &word[..word
                .len()
                .min(ECHO_BYTES_MAX - (words.len() - 1).min(ECHO_BYTES_MAX))],
        ));
        words.push_str("' ");
    }
    CommandError::made(format!(
        "ERR unknown command '{}', with args beginning with: {words}",
        clipped(args.get(0))
    ))
}

/// The error for a subcommand without a row.
#[cold]
fn unknown_subcommand(container: &Command, name: &[u8]) -> CommandError {
    CommandError::made(format!(
        "ERR unknown subcommand '{}'. Try {} HELP.",
        clipped(name),
        container.name.to_ascii_uppercase()
    ))
}
