//! SORT and SORT_RO: the elements of a list, a set or a sorted set in the order of numbers or texts, their own or those of other keys.
//! Never: another shard. Where there are several, the values of the keys that patterns name are brought to where the command runs; see `further_keys`.
//! The decision worth knowing: elements of one weight go by their text, as in Redis, so that the order of the source shows only where texts are
//! compared that are equal.

mod options;
mod pattern;
pub mod rows;
#[cfg(test)]
mod tests;

use super::sorted_set::score::parse_score;
use super::{CommandError, Context};
use crate::engine::value::list::{Direction, List};
use crate::engine::value::set::Set;
use crate::engine::value::sorted_set::SortedSet;
use crate::engine::{Engine, EventClass, Expiry, Item, Type};
use options::Options;
use std::cmp::Ordering;
use std::ops::Range;

/// `SORT key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA] [STORE destination]`.
pub fn sort(context: &mut Context<'_>) -> Result<(), CommandError> {
    let options = Options::parse(&context.args, true)?;
    carry_out(context, options)
}

/// `SORT_RO key [BY pattern] [LIMIT offset count] [GET pattern [GET pattern ...]] [ASC | DESC] [ALPHA]`.
pub fn sort_ro(context: &mut Context<'_>) -> Result<(), CommandError> {
    let options = Options::parse(&context.args, false)?;
    carry_out(context, options)
}

/// The keys that patterns name: in the first round those of BY, in the second those of GET, for the elements within the limit only.
fn further_keys(context: &mut Context<'_>, round: usize) -> Option<Vec<Vec<u8>>> {
    let mut options = Options::parse(&context.args, true).ok()?;
    let elements = collected(context, &mut options).ok()?;
    let by: Vec<usize> = options
        .by
        .filter(|_| !options.unsorted)
        .into_iter()
        .collect();
    match round {
        0 => Some(pattern::names(&context.args, &by, &elements)),
        1 => {
            let elements = in_order(context, elements, &options).ok()?;
            Some(pattern::names(&context.args, &options.get, &elements))
        }
        _ => None,
    }
}

fn carry_out(context: &mut Context<'_>, mut options: Options) -> Result<(), CommandError> {
    let elements = collected(context, &mut options)?;
    let elements = in_order(context, elements, &options)?;
    match options.store {
        Some(destination) => store(context, destination, &elements, &options),
        None => {
            reply(context, &elements, &options);
            Ok(())
        }
    }
}

/// The elements of the source, which may change what the options say.
fn collected(
    context: &mut Context<'_>,
    options: &mut Options,
) -> Result<Vec<Vec<u8>>, CommandError> {
    let Some(item) = context.find_read(1) else {
        return Ok(Vec::new());
    };
    let kind = context.engine.type_of(item);
    if !matches!(kind, Type::List | Type::Set | Type::SortedSet) {
        return Err(CommandError::WrongType);
    }
    // What is stored of a set must not depend on how the set is held.
    if options.unsorted && kind == Type::Set && options.store.is_some() {
        options.unsorted = false;
        options.by = None;
        options.alpha = true;
    }
    collect(context.engine, item, options)
}

/// The elements within the limit, in the order that is asked for.
fn in_order(
    context: &mut Context<'_>,
    elements: Vec<Vec<u8>>,
    options: &Options,
) -> Result<Vec<Vec<u8>>, CommandError> {
    match options.unsorted {
        true => Ok(elements),
        false => sorted(context, elements, options),
    }
}

/// The elements of the source: all that are to be sorted, or only those within the limit when nothing is.
fn collect(engine: &Engine, item: Item, options: &Options) -> Result<Vec<Vec<u8>>, CommandError> {
    let direction = if options.unsorted && options.descending {
        Direction::Backward
    } else {
        Direction::Forward
    };
    // The range among `len` elements, which are counted from the end when they go backward.
    let range = |len: usize| -> Range<usize> {
        let range = match options.unsorted {
            true => options.range(len),
            false => 0..len,
        };
        match direction {
            Direction::Forward => range,
            Direction::Backward => len - range.end..len - range.start,
        }
    };
    Ok(match engine.type_of(item) {
        Type::List => {
            let list = engine.view::<List>(item)?;
            let elements = list.range(range(list.len()), direction);
            elements.map(|element| element.to_vec()).collect()
        }
        Type::SortedSet => {
            let set = engine.view::<SortedSet>(item)?;
            let members = set.range(range(set.len()), direction);
            members.map(|(member, _)| member.to_vec()).collect()
        }
        _ => {
            let set = engine.view::<Set>(item)?;
            let wanted = match options.unsorted {
                true => options.range(set.len()),
                false => 0..set.len(),
            };
            let members = set.iter().skip(wanted.start).take(wanted.len());
            members.map(|member| member.to_vec()).collect()
        }
    })
}

/// What an element is sorted by.
enum Weight {
    Number(f64),
    /// None: the key that the pattern names is not there; it goes first.
    Text(Option<Vec<u8>>),
}

/// The elements within the limit, in order.
fn sorted(
    context: &mut Context<'_>,
    elements: Vec<Vec<u8>>,
    options: &Options,
) -> Result<Vec<Vec<u8>>, CommandError> {
    let mut weighed = Vec::with_capacity(elements.len());
    for element in elements {
        let weight = match options.by {
            Some(at) => pattern::look_up(context, at, &element),
            None if options.alpha => None,
            None => Some(element.clone()),
        };
        let weight = match options.alpha {
            true => Weight::Text(weight),
            false => Weight::Number(weight.map_or(Some(0.0), |text| number(&text)).ok_or(
                CommandError::fixed("ERR One or more scores can't be converted into double"),
            )?),
        };
        weighed.push((weight, element));
    }
    let by_own_text = options.by.is_none();
    weighed.sort_by(|(weight, element), (other_weight, other)| {
        let order = match (weight, other_weight) {
            (Weight::Number(number), Weight::Number(other_number)) => number
                .partial_cmp(other_number)
                .expect("they are numbers")
                .then_with(|| element.cmp(other)),
            (Weight::Text(_), _) if by_own_text => element.cmp(other),
            (Weight::Text(text), Weight::Text(other_text)) => text.cmp(other_text),
            _ => Ordering::Equal,
        };
        match options.descending {
            true => order.reverse(),
            false => order,
        }
    });
    let range = options.range(weighed.len());
    let wanted = weighed.into_iter().skip(range.start).take(range.len());
    Ok(wanted.map(|(_, element)| element).collect())
}

/// A number as `strtod` reads it: behind blanks, up to a zero byte; an empty text is zero.
fn number(text: &[u8]) -> Option<f64> {
    let end = text.iter().position(|&byte| byte == 0);
    let text = &text[..end.unwrap_or(text.len())];
    if text.is_empty() {
        return Some(0.0);
    }
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t'..=b'\r');
    let start = text.iter().position(|byte| !is_blank(byte))?;
    parse_score(&text[start..])
}

fn reply(context: &mut Context<'_>, elements: &[Vec<u8>], options: &Options) {
    context
        .reply
        .array(elements.len() * options.get.len().max(1));
    for element in elements {
        if options.get.is_empty() {
            context.reply.bulk(element);
        }
        for &at in &options.get {
            match pattern::look_up(context, at, element) {
                Some(value) => context.reply.bulk(&value),
                None => context.reply.null(),
            }
        }
    }
}

/// Stores the result as a list; what is not there is empty.
fn store(
    context: &mut Context<'_>,
    destination: usize,
    elements: &[Vec<u8>],
    options: &Options,
) -> Result<(), CommandError> {
    let limits = context.engine.limits().list;
    let mut list = List::new();
    let mut len = 0;
    let mut push = |value: &[u8]| {
        list.push(Direction::Backward, value, limits);
        len += 1;
    };
    for element in elements {
        if options.get.is_empty() {
            push(element);
        }
        for &at in &options.get {
            push(&pattern::look_up(context, at, element).unwrap_or_default());
        }
    }
    let key = context
        .engine
        .key(context.db, context.args.get(destination));
    if len > 0 {
        context.engine.set_collection(&key, list, Expiry::None)?;
        context.engine.notify(EventClass::List, "sortstore", &key);
        context.stats.changes += len;
    } else if context.engine.remove(&key) {
        context.engine.notify(EventClass::Generic, "del", &key);
        context.stats.changes += 1;
    }
    context.reply.integer(len as i64);
    Ok(())
}
