//! Limits of a rate: counters that expire. Without a pipeline a counter gets its expiry when the reply said that it is new; in a pipeline nobody waits for
//! that reply, and each INCR is followed by an EXPIRE that leaves an expiry alone.

use super::{Notes, Pen, Shape, command};
use crate::protocol::{Command, Kept};

pub(super) const COMMANDS: &[&str] = &["INCR", "EXPIRE"];

/// Writes the next request.
#[inline]
pub(super) fn write(shape: &Shape, notes: &mut Notes, pen: &mut Pen<'_>) -> Command {
    if shape.is_pipelined
        && let Some(key) = notes.half.take()
    {
        pen.head(b"*4\r\n$6\r\nEXPIRE\r\n");
        pen.key(key);
        pen.number(shape.ttl_seconds);
        pen.head(b"$2\r\nNX\r\n");
        return command(1);
    }
    while let Some(counter) = notes.take() {
        if counter.number[0] == 1 {
            pen.head(b"*3\r\n$6\r\nEXPIRE\r\n");
            pen.key(counter.key);
            pen.number(shape.ttl_seconds);
            return command(1);
        }
    }
    let key = pen.pick();
    pen.head(b"*2\r\n$4\r\nINCR\r\n");
    pen.key(key);
    if shape.is_pipelined {
        notes.half = Some(key);
        return command(0);
    }
    notes.ask(key);
    Command {
        kept: Kept::Integer,
        ..command(0)
    }
}
