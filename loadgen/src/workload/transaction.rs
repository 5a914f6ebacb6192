//! Transactions of five commands: MULTI, two SET, an INCR, two GET, EXEC. A connection sends them by turns, so that a pipeline of seven is one transaction,
//! as client libraries send it.

use super::{Notes, Pen, command};
use crate::protocol::Command;

pub(super) const COMMANDS: &[&str] = &["MULTI", "SET", "INCR", "GET", "EXEC"];

/// Writes the next request. The three keys of a transaction belong together, that is to one shard, or do not.
#[inline]
pub(super) fn write(together: bool, notes: &mut Notes, pen: &mut Pen<'_>) -> Command {
    let step = notes.step;
    notes.step = (step + 1) % 7;
    if step == 0 {
        notes.half = Some(pen.pick());
        pen.head(b"*1\r\n$5\r\nMULTI\r\n");
        return command(0);
    }
    let key = notes.half.expect("a transaction has its key");
    match step {
        1 | 2 => {
            pen.head(b"*3\r\n$3\r\nSET\r\n");
            pen.sibling(key, if step == 1 { b'a' } else { b'b' }, together);
            pen.value();
            command(1)
        }
        3 => {
            pen.head(b"*2\r\n$4\r\nINCR\r\n");
            pen.sibling(key, b'c', together);
            command(2)
        }
        4 | 5 => {
            pen.head(b"*2\r\n$3\r\nGET\r\n");
            pen.sibling(key, if step == 4 { b'a' } else { b'b' }, together);
            command(3)
        }
        _ => {
            pen.head(b"*1\r\n$4\r\nEXEC\r\n");
            command(4)
        }
    }
}
