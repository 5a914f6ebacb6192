//! Shopping carts: hashes whose fields are values, but for the last, which is a number.

use super::{Pen, command, finding};
use crate::protocol::Command;
use std::ops::Range;

pub(super) const COMMANDS: &[&str] = &["HGET", "HSET", "HINCRBY", "HGETALL"];
const FIELD: &str = "field:";

/// Makes some of the fields.
pub(super) fn prefill(key: u64, fields: Range<u64>, members: u64, pen: &mut Pen<'_>) {
    pen.begin(2 + 2 * (fields.end - fields.start), "HSET");
    pen.key(key);
    for field in fields {
        pen.member(FIELD, field);
        if field == members - 1 {
            pen.number(1);
        } else {
            pen.value();
        }
    }
}

/// Writes the next request.
#[inline]
pub(super) fn write(members: u64, pen: &mut Pen<'_>) -> Command {
    let key = pen.pick();
    match pen.below(10) {
        0..4 => {
            pen.head(b"*3\r\n$4\r\nHGET\r\n");
            pen.key(key);
            let field = pen.below(members);
            pen.member(FIELD, field);
            finding(0)
        }
        4..6 => {
            pen.head(b"*4\r\n$4\r\nHSET\r\n");
            pen.key(key);
            let field = pen.below(members - 1);
            pen.member(FIELD, field);
            pen.value();
            command(1)
        }
        6..8 => {
            pen.head(b"*4\r\n$7\r\nHINCRBY\r\n");
            pen.key(key);
            pen.member(FIELD, members - 1);
            pen.head(b"$1\r\n1\r\n");
            command(2)
        }
        _ => {
            pen.head(b"*2\r\n$7\r\nHGETALL\r\n");
            pen.key(key);
            command(3)
        }
    }
}
