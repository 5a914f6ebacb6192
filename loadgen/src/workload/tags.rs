//! Tags: sets that hold about half of twice as many possible members, since as many are removed as added.

use super::{Pen, command};
use crate::protocol::Command;
use std::ops::Range;

pub(super) const COMMANDS: &[&str] = &["SISMEMBER", "SADD", "SREM", "SINTER"];
const TAG: &str = "tag:";

/// Makes some of the members: of each two possible ones, one.
pub(super) fn prefill(key: u64, members: Range<u64>, pen: &mut Pen<'_>) {
    pen.begin(2 + (members.end - members.start), "SADD");
    pen.key(key);
    for member in members {
        let tag = 2 * member + pen.below(2);
        pen.member(TAG, tag);
    }
}

/// Writes the next request.
#[inline]
pub(super) fn write(members: u64, pen: &mut Pen<'_>) -> Command {
    let key = pen.pick();
    let (kind, tag) = (pen.below(10), pen.below(2 * members));
    let index = match kind {
        0..5 => {
            pen.head(b"*3\r\n$9\r\nSISMEMBER\r\n");
            0
        }
        5..7 => {
            pen.head(b"*3\r\n$4\r\nSADD\r\n");
            1
        }
        7..9 => {
            pen.head(b"*3\r\n$4\r\nSREM\r\n");
            2
        }
        _ => {
            pen.head(b"*3\r\n$6\r\nSINTER\r\n");
            3
        }
    };
    pen.key(key);
    if index == 3 {
        // Another draw of the same distribution: two popular sets meet as often as they would.
        let other = pen.pick();
        pen.key(other);
    } else {
        pen.member(TAG, tag);
    }
    command(index)
}
