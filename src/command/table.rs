//! The command table: one row per command.

use super::{Route, Run};

/// One row.
pub struct Command {
    /// Lower case, as COMMAND shows it.
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
    /// Where it goes.
    pub route: Route,
    /// Who carries it out.
    pub run: Run,
}

/// Flags of [`Command`], named as COMMAND names them.
pub mod flags {
    /// Changes data.
    pub const WRITE: u32 = 1;
    /// Reads data.
    pub const READONLY: u32 = 1 << 1;
    /// Refused when memory is short.
    pub const DENYOOM: u32 = 1 << 2;
    /// Administrative.
    pub const ADMIN: u32 = 1 << 3;
    /// Allowed before AUTH.
    pub const NO_AUTH: u32 = 1 << 4;
    /// Constant or logarithmic time.
    pub const FAST: u32 = 1 << 5;
}

/// The rows.
pub static COMMANDS: &[Command] = &[];

/// Finds a row by name, in any case.
pub fn lookup(_name: &[u8]) -> Option<&'static Command> {
    todo!()
}
