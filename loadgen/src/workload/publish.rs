//! Messages to channels with subscribers, which connections beside the load's are (see `crate::subscribers`).

use super::{Pen, command};
use crate::protocol::Command;

pub(super) const COMMANDS: &[&str] = &["PUBLISH"];

/// Writes the next request.
#[inline]
pub(super) fn write(pen: &mut Pen<'_>) -> Command {
    let channel = pen.pick();
    pen.head(b"*3\r\n$7\r\nPUBLISH\r\n");
    pen.key(channel);
    pen.value();
    command(0)
}
