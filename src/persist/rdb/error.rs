//! Why a file could not be read: where, and what stood there instead of what.

use std::fmt;

/// What kind of trouble it is; the message says the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RdbErrorKind {
    /// The file ends too early. All before may be right.
    CutShort,
    /// Bytes that cannot stand there.
    Malformed,
    /// Something that only a newer version, another program or a module understands.
    Unsupported,
    /// The checksum at the end says that some byte before is not as it was written.
    Checksum,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RdbError {
    /// The byte of the file, counted from 0, at which it was noticed.
    pub offset: usize,
    /// What kind of trouble it is.
    pub kind: RdbErrorKind,
    /// What was expected and what was found.
    pub message: String,
}

impl fmt::Display for RdbError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "at byte {}: {}", self.offset, self.message)
    }
}

impl std::error::Error for RdbError {}
