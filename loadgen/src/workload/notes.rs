//! What a connection remembers from replies to what it sends next, and the reader that notes it.
//!
//! Replies come in the order of requests, so that the keys of those that are noted stand in a queue, and a reply needs to name nothing.

use crate::protocol::resp_reply::ReplySkimmer;
use crate::protocol::{Asked, Command, Kept, Operation, Reply, ReplyReader};
use std::collections::VecDeque;

/// Something a reply was about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noted {
    /// The key.
    pub key: u64,
    /// The two numbers of an entry's identifier, or an integer and 0.
    pub number: [u64; 2],
}

/// What a connection remembers. Bounded by the requests it has under way.
#[derive(Debug, Default)]
pub struct Notes {
    /// Keys of requests under way of whose replies something is kept.
    asked: VecDeque<u64>,
    /// What was kept and not used yet.
    noted: VecDeque<Noted>,
    /// The key of the first half of two requests that belong together, until the second is written.
    pub half: Option<u64>,
    /// Which part of a transaction comes next.
    pub step: u8,
}

impl Notes {
    /// A request for `key` is written of whose reply something is kept.
    pub fn ask(&mut self, key: u64) {
        self.asked.push_back(key);
    }

    /// The oldest of what was kept.
    pub fn take(&mut self) -> Option<Noted> {
        self.noted.pop_front()
    }

    /// As if the oldest reply that something is kept of had come.
    #[cfg(test)]
    pub fn keep_for_test(&mut self, number: [u64; 2]) {
        let key = self.asked.pop_front().expect("something was asked");
        self.noted.push_back(Noted { key, number });
    }
}

/// Skims the replies of a connection, and notes what its next requests depend on.
#[derive(Debug, Default)]
pub struct WorkloadReader {
    skimmer: ReplySkimmer,
    /// What the connection remembers.
    pub notes: Notes,
}

impl ReplyReader for WorkloadReader {
    #[inline]
    fn next(
        &mut self,
        input: &mut &[u8],
        asked: Asked,
        _body: Option<&mut Vec<u8>>,
    ) -> Result<Option<Reply>, String> {
        let Operation::Command(command) = asked.operation else {
            let reply = self.skimmer.next(input, Kept::Nothing)?;
            return Ok(reply.map(stored));
        };
        let Some(reply) = self.skimmer.next(input, command.kept)? else {
            return Ok(None);
        };
        if command.kept != Kept::Nothing {
            self.note(command)?;
        }
        Ok(Some(if command.finds { reply } else { stored(reply) }))
    }

    fn error_text(&self) -> &str {
        self.skimmer.error_text()
    }
}

impl WorkloadReader {
    fn note(&mut self, command: Command) -> Result<(), String> {
        let key = self.notes.asked.pop_front();
        let key = key.expect("every request of whose reply something is kept was noted");
        let kept = self.skimmer.kept();
        if kept.is_empty() {
            return Ok(());
        }
        let number = parse(command.kept, kept);
        let number = number.ok_or_else(|| format!("\"{}\" in a reply", kept.escape_ascii()))?;
        self.notes.noted.push_back(Noted { key, number });
        Ok(())
    }
}

/// The reply to a command that looks for nothing.
fn stored(reply: Reply) -> Reply {
    match reply {
        Reply::Refused => Reply::Refused,
        _ => Reply::Stored,
    }
}

fn parse(kept: Kept, text: &[u8]) -> Option<[u64; 2]> {
    let text = std::str::from_utf8(text).ok()?;
    match kept {
        Kept::Nothing => None,
        Kept::Integer => Some([text.parse().ok()?, 0]),
        Kept::EntryId => {
            let (time, sequence) = text.split_once('-')?;
            Some([time.parse().ok()?, sequence.parse().ok()?])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(finds: bool, kept: Kept) -> Asked {
        let command = Command {
            index: 0,
            finds,
            kept,
        };
        Asked {
            operation: Operation::Command(command),
            keys: 1,
        }
    }

    fn read(reader: &mut WorkloadReader, asked: Asked, reply: &[u8]) -> Result<Reply, String> {
        let mut last = None;
        for byte in reply.chunks(1) {
            last = reader.next(&mut &byte[..], asked, None)?;
        }
        Ok(last.expect("the reply is whole"))
    }

    #[test]
    fn only_commands_that_look_for_something_hit_or_miss() {
        let mut reader = WorkloadReader::default();
        for (finds, reply, expected) in [
            (true, &b"$1\r\na\r\n"[..], Reply::Hit),
            (true, b"$-1\r\n", Reply::Miss),
            (true, b"-ERR\r\n", Reply::Refused),
            (false, b":1\r\n", Reply::Stored),
            (false, b"$-1\r\n", Reply::Stored),
            (false, b"-ERR\r\n", Reply::Refused),
        ] {
            let got = read(&mut reader, asked(finds, Kept::Nothing), reply);
            assert_eq!(got, Ok(expected), "{}", reply.escape_ascii());
        }
        let login = Asked {
            operation: Operation::Login,
            keys: 1,
        };
        assert_eq!(read(&mut reader, login, b"+PONG\r\n"), Ok(Reply::Stored));
    }

    #[test]
    fn what_is_kept_is_noted_with_its_key() {
        let mut reader = WorkloadReader::default();
        let entry =
            b"*1\r\n*2\r\n$1\r\ns\r\n*1\r\n*2\r\n$4\r\n12-3\r\n*2\r\n$1\r\nf\r\n$1\r\nv\r\n";
        let entries = asked(true, Kept::EntryId);
        (5..8).for_each(|key| reader.notes.ask(key));
        assert_eq!(read(&mut reader, entries, entry), Ok(Reply::Hit));
        assert_eq!(read(&mut reader, entries, b"*-1\r\n"), Ok(Reply::Miss));
        assert_eq!(read(&mut reader, entries, entry), Ok(Reply::Hit));
        let expected = [5, 7].map(|key| Noted {
            key,
            number: [12, 3],
        });
        assert_eq!([(); 2].map(|()| reader.notes.take().unwrap()), expected);
        assert_eq!(reader.notes.take(), None);
        reader.notes.ask(9);
        let counter = asked(false, Kept::Integer);
        assert_eq!(read(&mut reader, counter, b":1\r\n"), Ok(Reply::Stored));
        let noted = reader.notes.take().unwrap();
        assert_eq!((noted.key, noted.number), (9, [1, 0]));
        reader.notes.ask(9);
        assert!(read(&mut reader, counter, b":x\r\n").is_err());
    }
}
