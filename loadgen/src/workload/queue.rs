//! Queues: lists pushed to at one end and popped from at the other, each list as often, so that it keeps its length.

use super::{Notes, Pen, command, finding};
use crate::protocol::Command;
use std::ops::Range;

pub(super) const COMMANDS: &[&str] = &["LPUSH", "RPOP"];
pub(super) const BLOCKING_COMMANDS: &[&str] = &["LPUSH", "BRPOP"];

/// Makes some of the elements.
pub(super) fn prefill(key: u64, elements: Range<u64>, pen: &mut Pen<'_>) {
    pen.begin(2 + (elements.end - elements.start), "LPUSH");
    pen.key(key);
    elements.for_each(|_| pen.value());
}

/// Writes the next request: a push, then a pop from the same list.
#[inline]
pub(super) fn write(notes: &mut Notes, pen: &mut Pen<'_>) -> Command {
    let Some(key) = notes.half.take() else {
        let key = pen.pick();
        notes.half = Some(key);
        return write_push(key, pen);
    };
    pen.head(b"*2\r\n$4\r\nRPOP\r\n");
    pen.key(key);
    finding(1)
}

/// Writes a push.
#[inline]
pub(super) fn write_push(key: u64, pen: &mut Pen<'_>) -> Command {
    pen.head(b"*3\r\n$5\r\nLPUSH\r\n");
    pen.key(key);
    pen.value();
    command(0)
}

/// Writes a pop that waits.
#[inline]
pub(super) fn write_wait(key: u64, seconds: u64, pen: &mut Pen<'_>) -> Command {
    pen.head(b"*3\r\n$5\r\nBRPOP\r\n");
    pen.key(key);
    pen.number(seconds);
    finding(1)
}
