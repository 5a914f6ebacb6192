//! Why a command failed; the texts are redis-server's.

use std::borrow::Cow;

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
    /// Anything else, code included: `ERR offset is out of range`.
    Other(Cow<'static, str>),
}

impl CommandError {
    /// The text of the error reply without the leading `-`.
    pub fn text(&self) -> &str {
        match self {
            CommandError::WrongType => {
                "WRONGTYPE Operation against a key holding the wrong kind of value"
            }
            CommandError::Syntax => "ERR syntax error",
            CommandError::NotInteger => "ERR value is not an integer or out of range",
            CommandError::NotFloat => "ERR value is not a valid float",
            CommandError::OutOfMemory => "OOM command not allowed when used memory > 'maxmemory'.",
            CommandError::Other(text) => text,
        }
    }
}
