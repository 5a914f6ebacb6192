//! Streams read by a group of consumers: an entry is added, one is read from the same stream, and what was read is acknowledged when its reply has come.
//!
//! Each read follows an addition to its stream on the same connection, so there is always something to read, and nothing piles up. Streams are as long from
//! the start as they are kept.

use super::{Notes, Pen, command};
use crate::protocol::{Command, Kept};

pub(super) const COMMANDS: &[&str] = &["XADD", "XREADGROUP", "XACK"];

/// Makes one of the entries, and when there are all of them the group, which reads what comes thereafter.
pub(super) fn prefill(key: u64, entry: u64, length: u64, pen: &mut Pen<'_>) {
    if entry < length {
        pen.head(b"*5\r\n$4\r\nXADD\r\n");
        pen.key(key);
        pen.head(b"$1\r\n*\r\n$4\r\ndata\r\n");
        return pen.value();
    }
    pen.head(b"*5\r\n$6\r\nXGROUP\r\n$6\r\nCREATE\r\n");
    pen.key(key);
    pen.head(b"$7\r\nworkers\r\n$1\r\n$\r\n");
}

/// Writes the next request.
#[inline]
pub(super) fn write(length: u64, notes: &mut Notes, pen: &mut Pen<'_>) -> Command {
    if let Some(entry) = notes.take() {
        pen.head(b"*4\r\n$4\r\nXACK\r\n");
        pen.key(entry.key);
        pen.head(b"$7\r\nworkers\r\n");
        pen.entry_id(entry.number);
        return command(2);
    }
    if let Some(key) = notes.half.take() {
        notes.ask(key);
        pen.head(b"*9\r\n$10\r\nXREADGROUP\r\n$5\r\nGROUP\r\n$7\r\nworkers\r\n");
        // Ten consumers of every group.
        let consumer = pen.below(10);
        pen.number(consumer);
        pen.head(b"$5\r\nCOUNT\r\n$1\r\n1\r\n$7\r\nSTREAMS\r\n");
        pen.key(key);
        pen.head(b"$1\r\n>\r\n");
        return Command {
            index: 1,
            finds: true,
            kept: Kept::EntryId,
        };
    }
    let key = pen.pick();
    notes.half = Some(key);
    pen.head(b"*8\r\n$4\r\nXADD\r\n");
    pen.key(key);
    pen.head(b"$6\r\nMAXLEN\r\n$1\r\n~\r\n");
    pen.number(length);
    pen.head(b"$1\r\n*\r\n$4\r\ndata\r\n");
    pen.value();
    command(0)
}
