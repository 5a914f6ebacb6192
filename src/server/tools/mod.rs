//! Programs beside the server, on the same files: the word right behind `torc` chooses one.
//!
//! Never: serves anybody. The decision worth knowing: each takes the lock of the directory that it works on, so that none runs beside a server there.

mod check_log;
mod import;

use std::ffi::{OsStr, OsString};

/// What a program of this module ends with.
pub mod exit {
    /// All is well.
    pub const GOOD: u8 = 0;
    /// Something is wrong with the files, or could not be done.
    pub const BAD: u8 = 1;
    /// The arguments cannot be used, or what they name cannot be read.
    pub const UNUSABLE: u8 = 2;
}

/// A program beside the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    /// `torc check-log [--repair] DIRECTORY`.
    CheckLog,
    /// `torc import FILE [--replace] ...`.
    Import,
}

impl Tool {
    /// The one of that name. A configuration file of that name is given as `./NAME`.
    pub fn named(word: &OsStr) -> Option<Tool> {
        match word.to_str()? {
            "check-log" => Some(Tool::CheckLog),
            "import" => Some(Tool::Import),
            _ => None,
        }
    }

    /// Runs it with the words behind its name. Returns the exit code, see [`exit`].
    pub fn run(self, args: impl Iterator<Item = OsString>) -> u8 {
        let args: Vec<OsString> = args.collect();
        match self {
            Tool::CheckLog => check_log::run(&args),
            Tool::Import => import::run(args),
        }
    }
}
