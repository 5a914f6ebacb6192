//! Which arguments of a request are keys.

use super::table::Command;
use crate::protocol::args::Args;

/// The indexes of the key arguments of a request, in order. A request too short for its command has the keys that are there.
pub fn key_positions(command: &Command, args: &Args<'_>) -> impl Iterator<Item = usize> + use<> {
    let found = command.find_keys.map(|find| find(args));
    let fixed = match found {
        Some(_) => 0..0,
        None => fixed_range(command, args.len()),
    };
    // A command without keys has step 0 in the table.
    let step = usize::try_from(command.key_step).unwrap_or(0).max(1);
    found
        .unwrap_or_default()
        .into_iter()
        .chain(fixed.step_by(step))
}

/// The index of the first key, if there is one: what a request is routed by.
#[inline]
pub fn first_key(command: &Command, args: &Args<'_>) -> Option<usize> {
    if let Some(find) = command.find_keys {
        return find(args).first().copied();
    }
    let first = usize::try_from(command.first_key).unwrap_or(0);
    (first > 0 && first < args.len()).then_some(first)
}

/// The keys of a command whose row tells where they are, in a request with `len` arguments.
fn fixed_range(command: &Command, len: usize) -> std::ops::Range<usize> {
    let first = command.first_key as usize;
    let last = if command.last_key >= 0 {
        command.last_key as isize
    } else {
        len as isize + command.last_key as isize
    };
    let last = last.min(len as isize - 1);
    if first == 0 {
        return 0..0;
    }
    first..usize::try_from(last + 1).unwrap_or(0).max(first)
}

/// Positions of keys behind the argument that says how many there are: `COMMAND ... numkeys key [key ...]`. None when that is no fitting number.
pub fn numbered_keys(args: &Args<'_>, count_at: usize) -> Vec<usize> {
    if count_at >= args.len() {
        return Vec::new();
    }
    let count =
        super::number::parse_i64(args.get(count_at)).and_then(|count| usize::try_from(count).ok());
    match count {
        Some(count) if count > 0 && count < args.len() - count_at => {
            (count_at + 1..count_at + 1 + count).collect()
        }
        _ => Vec::new(),
    }
}
