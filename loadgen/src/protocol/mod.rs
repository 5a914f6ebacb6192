//! The protocols a load can be made in: one file each, behind a trait of two halves.
//!
//! [`KeyValue`] writes requests, [`ReplyReader`] skims replies. Both are generic parameters of the worker, so a request
//! costs no virtual call. A new protocol is a new file here, a variant of [`crate::args::ProtocolName`] and one line
//! in [`crate::run`]. Loads on Redis' data types are another matter: they are written by [`crate::workload`], and only their replies are read here.

pub mod memcache;
pub mod memcache_binary;
pub mod memcache_meta;
pub mod memcache_text;
mod pieces;
pub mod resp;
pub mod resp_reply;
#[cfg(test)]
mod stream_test;

use crate::keys::KeyFormat;

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Read a key.
    Get,
    /// Write a key.
    Set,
    /// Delete a key.
    Delete,
    /// A command of a workload.
    Command(Command),
    /// A command that makes what a workload needs; never measured.
    Prefill,
    /// Open a connection; never measured.
    Login,
}

impl Operation {
    /// The names of those that read, write and delete keys, by [`Operation::index`].
    pub const NAMES: [&str; 3] = ["GET", "SET", "DELETE"];

    /// Where it is counted. What is not measured counts as the first, and is forgotten before the measurement.
    #[inline]
    pub fn index(self) -> usize {
        match self {
            Self::Get | Self::Prefill | Self::Login => 0,
            Self::Set => 1,
            Self::Delete => 2,
            Self::Command(command) => usize::from(command.index),
        }
    }

    /// What it is called, `names` being those of all operations of the load.
    pub fn name(self, names: &[&'static str]) -> &'static str {
        match self {
            Self::Prefill => "the prefill",
            Self::Login => "the login",
            operation => names.get(operation.index()).copied().unwrap_or("a command"),
        }
    }
}

/// A command of a workload, and what its reply is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command {
    /// Its place among the workload's commands.
    pub index: u8,
    /// Whether it looks for something, so that its reply is a hit, or when it is null, a miss.
    pub finds: bool,
    /// The part of the reply that decides what is sent next.
    pub kept: Kept,
}

/// The part of a reply that is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// None.
    Nothing,
    /// The integer that it is.
    Integer,
    /// The second bulk string in it: the identifier of the entry when one entry of one stream was read.
    EntryId,
}

/// What a reply answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// What the request does.
    pub operation: Operation,
    /// How many keys it names: more than one only in a read by [`KeyValue::write_get_many`].
    pub keys: u32,
}

/// A whole reply, or of a read the part that tells of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    /// A read found a key; its value was skimmed. The key is the one the reader names ([`ReplyReader::key`]), and then more comes until `End`; or,
    /// where the reader names none, the next one asked for.
    Hit,
    /// A read did not find the next key asked for.
    Miss,
    /// A read is over: it did not find the keys it has not told of.
    End,
    /// A write was done.
    Stored,
    /// A deletion was done: whether the key was there.
    Deleted(bool),
    /// The server refused, and the request is over; the reader's `error_text` says how.
    Refused,
}

/// What a connection says before its first request.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// User name, where the server has users.
    pub user: Option<String>,
    /// Password.
    pub password: Option<String>,
    /// Database number.
    pub database: u32,
}

/// Opens connections.
pub trait Protocol: Clone + Send + 'static {
    /// The matching reader of replies.
    type Reader: ReplyReader;

    /// Appends what opens a connection; returns how many replies come, each `Stored` unless refused.
    fn write_login(&self, login: &Login, out: &mut Vec<u8>) -> usize;
}

/// Writes requests for keys and their values.
pub trait KeyValue: Protocol {
    /// Appends a read.
    fn write_get(&self, key: impl FnOnce(&mut Vec<u8>), key_size: usize, out: &mut Vec<u8>);

    /// Appends one request that reads all of `keys`, two or more.
    fn write_get_many(&self, keys: &[u64], format: &KeyFormat, out: &mut Vec<u8>);

    /// Appends a write; `value` must append exactly `value_size` bytes. `ttl_ms` 0 is none.
    fn write_set(
        &self,
        key: impl FnOnce(&mut Vec<u8>),
        key_size: usize,
        value: impl FnOnce(&mut Vec<u8>),
        value_size: usize,
        ttl_ms: u64,
        out: &mut Vec<u8>,
    );

    /// Appends a deletion.
    fn write_delete(&self, key: impl FnOnce(&mut Vec<u8>), key_size: usize, out: &mut Vec<u8>);
}

/// Skims replies from pieces of a stream, cut anywhere.
pub trait ReplyReader: Default {
    /// Takes the rest of the current reply from `input`, the reply to `asked`.
    ///
    /// `None`: the input is used up and the reply is not whole yet. A value's bytes are appended to `body` if given,
    /// else skipped. An error says what the server did against the protocol.
    fn next(
        &mut self,
        input: &mut &[u8],
        asked: Asked,
        body: Option<&mut Vec<u8>>,
    ) -> Result<Option<Reply>, String>;

    /// The key of the last hit, where replies name keys.
    fn key(&self) -> Option<&[u8]> {
        None
    }

    /// The text of the last refusal.
    fn error_text(&self) -> &str;
}

/// Appends a decimal number.
#[inline]
pub fn write_decimal(number: u64, out: &mut Vec<u8>) {
    let mut digits = [0u8; 20];
    let mut start = digits.len();
    let mut rest = number;
    loop {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}
