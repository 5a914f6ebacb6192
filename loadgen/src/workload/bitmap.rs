//! Bitmaps: strings of a fixed number of bits.

use super::{Pen, command};
use crate::protocol::Command;

pub(super) const COMMANDS: &[&str] = &["GETBIT", "SETBIT", "BITCOUNT"];
/// What fits a string of 512 MB.
pub(super) const BITS_MAX: u64 = 1 << 32;

/// Makes the string as long as it will ever be.
pub(super) fn prefill(key: u64, bits: u64, pen: &mut Pen<'_>) {
    pen.head(b"*4\r\n$6\r\nSETBIT\r\n");
    pen.key(key);
    pen.number(bits - 1);
    pen.number(1);
}

/// Writes the next request.
#[inline]
pub(super) fn write(bits: u64, pen: &mut Pen<'_>) -> Command {
    let key = pen.pick();
    let (kind, offset) = (pen.below(10), pen.below(bits));
    match kind {
        0..5 => {
            pen.head(b"*3\r\n$6\r\nGETBIT\r\n");
            pen.key(key);
            pen.number(offset);
            command(0)
        }
        5..9 => {
            pen.head(b"*4\r\n$6\r\nSETBIT\r\n");
            pen.key(key);
            pen.number(offset);
            let bit = pen.below(2);
            pen.number(bit);
            command(1)
        }
        _ => {
            pen.head(b"*2\r\n$8\r\nBITCOUNT\r\n");
            pen.key(key);
            command(2)
        }
    }
}
