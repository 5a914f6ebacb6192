//! Which arguments of a request are keys.

use super::table::Command;

/// The indexes of the key arguments of a request with `len` arguments, the name included. A request too short for its command has the keys that are there.
pub fn key_positions(command: &Command, len: usize) -> impl Iterator<Item = usize> + use<> {
    let first = command.first_key as usize;
    let last = if command.last_key >= 0 {
        command.last_key as isize
    } else {
        len as isize + command.last_key as isize
    };
    let last = last.min(len as isize - 1);
    // A command without keys has step 0 in the table.
    let step = if first == 0 {
        1
    } else {
        command.key_step as usize
    };
    let end = if first == 0 {
        first
    } else {
        usize::try_from(last + 1).unwrap_or(0)
    };
    (first..end.max(first)).step_by(step)
}
