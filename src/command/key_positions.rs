//! Which arguments of a request are keys.

use super::table::Command;
use crate::protocol::args::Args;
use std::ops::Range;

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

/// The words of a request as it would be for some of its keys only: `keys` are the positions of all, `kept` says which of them.
pub fn with_keys(
    command: &Command,
    words: &[Box<[u8]>],
    keys: &[usize],
    kept: Range<usize>,
) -> Vec<Box<[u8]>> {
    let is_dropped = |at: &usize| {
        // Behind the keys of a stream's request are as many ids.
        let place = match keys.first() {
            Some(first) if at >= first => at - first,
            _ => return false,
        };
        let place = match command.group {
            "stream" if place < 2 * keys.len() => place % keys.len(),
            _ => place,
        };
        place < keys.len() && !kept.contains(&place)
    };
    let counts_keys = command.group != "stream" && command.find_keys.is_some();
    let count_at = keys.first().map(|first| first - 1).filter(|_| counts_keys);
    (0..words.len())
        .filter(|at| !is_dropped(at))
        .map(|at| match count_at {
            Some(count_at) if at == count_at => kept.len().to_string().into_bytes().into(),
            _ => words[at].clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::table::lookup;

    #[test]
    fn a_request_for_some_of_its_keys_keeps_what_belongs_to_them() {
        for (request, keys, kept, expected) in [
            ("BLPOP a b c 0", vec![1, 2, 3], 1..3, "BLPOP b c 0"),
            (
                "BLMPOP 0 3 a b c LEFT COUNT 2",
                vec![3, 4, 5],
                2..3,
                "BLMPOP 0 1 c LEFT COUNT 2",
            ),
            ("BZMPOP 0 2 a b MAX", vec![3, 4], 0..2, "BZMPOP 0 2 a b MAX"),
            (
                "XREAD BLOCK 0 STREAMS a b c 1 2 3",
                vec![4, 5, 6],
                1..2,
                "XREAD BLOCK 0 STREAMS b 2",
            ),
        ] {
            let words: Vec<Box<[u8]>> = request
                .split(' ')
                .map(|word| word.as_bytes().into())
                .collect();
            let row = lookup(&words[0]).expect("a command");
            let narrow = with_keys(row, &words, &keys, kept);
            let text: Vec<_> = narrow
                .iter()
                .map(|word| String::from_utf8_lossy(word))
                .collect();
            assert_eq!(text.join(" "), expected);
        }
    }
}
