//! Why a command failed; the texts are redis-server's.

use crate::engine::{EditError, WrongType};
use std::borrow::Cow;
use std::fmt;

/// The error of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandError {
    /// The value is of another type.
    WrongType,
    /// Unknown or misplaced option.
    Syntax,
    /// Not a canonical signed 64-bit integer.
    NotInteger,
    /// Not a floating-point number.
    NotFloat,
    /// The memory limit is reached.
    OutOfMemory,
    /// No such key.
    NoSuchKey,
    /// Anything else, code included: `ERR offset is out of range`. Bytes, because some repeat what the client sent.
    Other(Cow<'static, [u8]>),
}

impl CommandError {
    /// An error with a fixed text, code included.
    pub const fn fixed(text: &'static str) -> CommandError {
        CommandError::Other(Cow::Borrowed(text.as_bytes()))
    }
    /// An error with a text made for it, code included.
    pub fn made(text: String) -> CommandError {
        CommandError::Other(Cow::Owned(text.into_bytes()))
    }
    /// An error that repeats bytes of the request, code included.
    pub fn repeating(text: Vec<u8>) -> CommandError {
        CommandError::Other(Cow::Owned(text))
    }
    /// A wrong number of arguments for a command (`client|id` for subcommands).
    pub fn arity(name: &str) -> CommandError {
        CommandError::made(format!(
            "ERR wrong number of arguments for '{name}' command"
        ))
    }
    /// An expiry that is zero, negative or beyond what can be told.
    pub fn expire_time(name: &str) -> CommandError {
        CommandError::made(format!("ERR invalid expire time in '{name}' command"))
    }
    /// A string would become longer than `proto-max-bulk-len`.
    pub const fn too_long() -> CommandError {
        CommandError::fixed("ERR string exceeds maximum allowed size (proto-max-bulk-len)")
    }
    /// The text of the error reply without the leading `-`.
    pub fn text(&self) -> &[u8] {
        let text = match self {
            CommandError::WrongType => {
                "WRONGTYPE Operation against a key holding the wrong kind of value"
            }
            CommandError::Syntax => "ERR syntax error",
            CommandError::NotInteger => "ERR value is not an integer or out of range",
            CommandError::NotFloat => "ERR value is not a valid float",
            CommandError::OutOfMemory => "OOM command not allowed when used memory > 'maxmemory'.",
            CommandError::NoSuchKey => "ERR no such key",
            CommandError::Other(text) => return text,
        };
        text.as_bytes()
    }
}

impl fmt::Display for CommandError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&String::from_utf8_lossy(self.text()))
    }
}

impl std::error::Error for CommandError {}

impl From<WrongType> for CommandError {
    fn from(_: WrongType) -> CommandError {
        CommandError::WrongType
    }
}

impl From<EditError> for CommandError {
    fn from(error: EditError) -> CommandError {
        match error {
            EditError::WrongType => CommandError::WrongType,
            EditError::OutOfMemory => CommandError::OutOfMemory,
        }
    }
}
