//! Values that a pattern of SORT names: its asterisk stands for an element, and what follows `->` is a field of a hash.

use crate::command::Context;
use crate::command::string_value::string_value;
use crate::engine::Type;
use crate::engine::value::hash::Hash;
use crate::protocol::args::Args;

/// The value for an element of the pattern at argument `index`; `#` is the element itself. None: there is no such value, or it is of another type.
pub fn look_up(context: &mut Context<'_>, index: usize, element: &[u8]) -> Option<Vec<u8>> {
    let pattern = context.args.get(index);
    if pattern == b"#" {
        return Some(element.to_vec());
    }
    let (name, field) = key_and_field(pattern, element)?;
    let key = context.engine.key(context.db, &name);
    let found = context.engine.find(&key, context.touch);
    context
        .stats
        .count_read(context.engine, &key, found.is_some());
    let item = found?;
    match field {
        Some(field) => {
            let hash = context.engine.view::<Hash>(item).ok()?;
            let value = hash.get(field, context.engine.now_ms())?;
            Some(value.to_vec())
        }
        None if context.engine.type_of(item) == Type::String => {
            Some(string_value(context.engine, item).to_vec())
        }
        None => None,
    }
}

/// The key that a pattern with an asterisk names for an element, and the field if it names one.
fn key_and_field<'p>(pattern: &'p [u8], element: &[u8]) -> Option<(Vec<u8>, Option<&'p [u8]>)> {
    let asterisk = pattern.iter().position(|&byte| byte == b'*')?;
    let (before, after) = (&pattern[..asterisk], &pattern[asterisk + 1..]);
    // An arrow with nothing behind it belongs to the key.
    let arrow = after
        .windows(2)
        .position(|pair| pair == b"->")
        .filter(|arrow| arrow + 2 < after.len());
    let (after, field) = match arrow {
        Some(arrow) => (&after[..arrow], Some(&after[arrow + 2..])),
        None => (after, None),
    };
    Some(([before, element, after].concat(), field))
}

/// The keys that the patterns at some arguments name for the elements; a key may be there more than once.
pub fn names(args: &Args<'_>, indexes: &[usize], elements: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let patterns = || indexes.iter().map(|&index| args.get(index));
    let names = elements.iter().flat_map(|element| {
        patterns().filter_map(|pattern| Some(key_and_field(pattern, element)?.0))
    });
    names.collect()
}

/// Whether a request has patterns that name keys.
pub fn are_asked(args: &Args<'_>) -> bool {
    (2..args.len().saturating_sub(1)).any(|index| {
        let word = args.get(index);
        let precedes = word.eq_ignore_ascii_case(b"by") || word.eq_ignore_ascii_case(b"get");
        precedes && args.get(index + 1).contains(&b'*')
    })
}
