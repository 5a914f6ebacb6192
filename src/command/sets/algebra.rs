//! Intersections, unions and differences: SINTER, SUNION, SDIFF, the forms that store, and SINTERCARD.
//! Never: a destination edited in place; it may be one of the sources, so what is stored is a set made anew.
//!
//! The decision worth knowing: intersections and most differences are written as they are found, without a set of their own; a union, and a difference
//! from many small sets, is made as a set first.

use crate::command::number::{integer, parse_i64};
use crate::command::{CommandError, Context, key_at, numbered_keys};
use crate::engine::value::Stored;
use crate::engine::value::packed::Entry;
use crate::engine::value::set::{Set, SetLimits, SetView};
use crate::engine::{Engine, EventClass, Expiry, Item, Touch, Type};
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;
use std::ops::{ControlFlow, Range};

/// What is made of the sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operation {
    Intersection,
    Union,
    Difference,
}

/// Where the keys of SINTERCARD are.
pub(super) fn one_counts(args: &Args<'_>) -> Vec<usize> {
    numbered_keys(args, 1)
}

/// SINTER key [key ...].
pub fn sinter(context: &mut Context<'_>) -> Result<(), CommandError> {
    show(context, Operation::Intersection)
}

/// SUNION key [key ...].
pub fn sunion(context: &mut Context<'_>) -> Result<(), CommandError> {
    show(context, Operation::Union)
}

/// SDIFF key [key ...].
pub fn sdiff(context: &mut Context<'_>) -> Result<(), CommandError> {
    show(context, Operation::Difference)
}

/// SINTERSTORE destination key [key ...].
pub fn sinterstore(context: &mut Context<'_>) -> Result<(), CommandError> {
    store(context, Operation::Intersection)
}

/// SUNIONSTORE destination key [key ...].
pub fn sunionstore(context: &mut Context<'_>) -> Result<(), CommandError> {
    store(context, Operation::Union)
}

/// SDIFFSTORE destination key [key ...].
pub fn sdiffstore(context: &mut Context<'_>) -> Result<(), CommandError> {
    store(context, Operation::Difference)
}

/// SINTERCARD numkeys key [key ...] [LIMIT limit].
pub fn sintercard(context: &mut Context<'_>) -> Result<(), CommandError> {
    let count = parse_i64(context.args.get(1))
        .filter(|count| *count > 0)
        .ok_or(CommandError::fixed("ERR numkeys should be greater than 0"))?;
    let keys = usize::try_from(count)
        .ok()
        .filter(|count| *count <= context.args.len() - 2)
        .ok_or(CommandError::fixed(
            "ERR Number of keys can't be greater than number of args",
        ))?;
    let mut limit = 0;
    for index in (2 + keys..context.args.len()).step_by(2) {
        let is_limit = context.args.get(index).eq_ignore_ascii_case(b"LIMIT");
        if !is_limit || index + 1 == context.args.len() {
            return Err(CommandError::Syntax);
        }
        limit = integer(context.args.get(index + 1))
            .ok()
            .and_then(|limit| u64::try_from(limit).ok())
            .ok_or(CommandError::fixed("ERR LIMIT can't be negative"))?;
    }
    let items = find_sources(context, 2..2 + keys)?;
    let mut found = 0;
    intersect(&views(context.engine, &items)?, |_| {
        found += 1;
        if found == limit {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    });
    context.reply.integer(found as i64);
    Ok(())
}

/// Looks the sources up; all of them, since one of another type is an error even where the result is known to be empty.
fn find_sources(
    context: &mut Context<'_>,
    keys: Range<usize>,
) -> Result<Vec<Option<Item>>, CommandError> {
    let mut items = Vec::with_capacity(keys.len());
    for index in keys {
        let found = context.find_read(index);
        if found.is_some_and(|item| context.engine.type_of(item) != Type::Set) {
            return Err(CommandError::WrongType);
        }
        items.push(found);
    }
    Ok(items)
}

/// The sources to read; None is a set without members.
fn views<'a>(
    engine: &'a Engine,
    items: &[Option<Item>],
) -> Result<Vec<Option<SetView<'a>>>, CommandError> {
    items
        .iter()
        .map(|item| Ok(item.map(|item| engine.view::<Set>(item)).transpose()?))
        .collect()
}

/// Replies with the result.
fn show(context: &mut Context<'_>, operation: Operation) -> Result<(), CommandError> {
    let items = find_sources(context, 1..context.args.len())?;
    let sources = views(context.engine, &items)?;
    // How many there are is known at the end only.
    let mut members = Reply::new(context.reply.protocol);
    let mut found = 0;
    combine(operation, &sources, &context.engine.limits().set, |entry| {
        reply_member(&mut members, entry);
        found += 1;
    });
    context.reply.set(found);
    context.reply.bytes.extend_from_slice(&members.bytes);
    Ok(())
}

fn reply_member(reply: &mut Reply, entry: Entry<'_>) {
    match entry {
        Entry::Integer(integer) => reply.bulk_integer(integer),
        Entry::Bytes(bytes) => reply.bulk(bytes),
    }
}

/// Stores the result at argument 1, whatever is there, and replies with its length.
fn store(context: &mut Context<'_>, operation: Operation) -> Result<(), CommandError> {
    let items = find_sources(context, 2..context.args.len())?;
    let sources = views(context.engine, &items)?;
    let limits = &context.engine.limits().set;
    let result = match operation {
        Operation::Union => union(&sources, limits),
        Operation::Difference if subtracts_one_by_one(&sources) => subtract(&sources, limits),
        _ => {
            let mut result = Set::new();
            combine(operation, &sources, limits, |entry| {
                result.add_entry(entry, limits);
            });
            result
        }
    };
    let len = result.len();
    let key = key_at!(context, 1);
    let changes = len > 0 || context.engine.find(&key, Touch::No).is_some();
    context.engine.set_collection(&key, result, Expiry::None)?;
    if len > 0 {
        let name = match operation {
            Operation::Intersection => "sinterstore",
            Operation::Union => "sunionstore",
            Operation::Difference => "sdiffstore",
        };
        context.engine.notify(EventClass::Set, name, &key);
    } else if changes {
        context.engine.notify(EventClass::Generic, "del", &key);
    }
    context.stats.changes += u64::from(changes);
    context.reply.integer(len as i64);
    Ok(())
}

/// Shows the members of the result.
fn combine(
    operation: Operation,
    sources: &[Option<SetView<'_>>],
    limits: &SetLimits,
    mut visit: impl FnMut(Entry<'_>),
) {
    match operation {
        Operation::Intersection => intersect(sources, |entry| {
            visit(entry);
            ControlFlow::Continue(())
        }),
        Operation::Union => union(sources, limits).view().iter().for_each(visit),
        Operation::Difference if subtracts_one_by_one(sources) => {
            subtract(sources, limits).view().iter().for_each(visit);
        }
        Operation::Difference => differ(sources, visit),
    }
}

/// Shows the members that all sources have, until the visitor has enough: those of the smallest are looked for in the others.
fn intersect<'a>(sources: &[Option<SetView<'a>>], visit: impl FnMut(Entry<'a>) -> ControlFlow<()>) {
    let all: Option<Vec<SetView<'_>>> = sources.iter().copied().collect();
    let Some(mut sources) = all else {
        return;
    };
    sources.sort_by_key(|source| source.len());
    if let Some((smallest, others)) = sources.split_first() {
        let _ = smallest
            .iter()
            .filter(|entry| others.iter().all(|other| other.contains_entry(*entry)))
            .try_for_each(visit);
    }
}

/// The members that any source has.
fn union(sources: &[Option<SetView<'_>>], limits: &SetLimits) -> Set {
    let mut result = Set::new();
    for entry in sources.iter().flatten().flat_map(|source| source.iter()) {
        result.add_entry(entry, limits);
    }
    result
}

/// Whether it is less work to take the members of all other sources out of a copy of the first than to look for its members in the others; as Redis
/// estimates it, a look-up where it ends early being half the work.
fn subtracts_one_by_one(sources: &[Option<SetView<'_>>]) -> bool {
    let Some(Some(first)) = sources.first() else {
        return false;
    };
    let all = || sources.iter().flatten();
    let looked_up = all().count() * first.len() / 2;
    looked_up > all().map(|source| source.len()).sum()
}

/// The members of the first source without those of the others, which are taken out of a copy of it.
fn subtract(sources: &[Option<SetView<'_>>], limits: &SetLimits) -> Set {
    let (first, others) = sources.split_at(1);
    let mut result = union(first, limits);
    for entry in others.iter().flatten().flat_map(|source| source.iter()) {
        if result.is_empty() {
            break;
        }
        result.remove_entry(entry);
    }
    result
}

/// Shows the members of the first source that no other has; the largest is asked first, since it is the likeliest to have one.
fn differ(sources: &[Option<SetView<'_>>], visit: impl FnMut(Entry<'_>)) {
    let Some((Some(first), others)) = sources.split_first() else {
        return;
    };
    let mut others: Vec<SetView<'_>> = others.iter().flatten().copied().collect();
    others.sort_by_key(|other| std::cmp::Reverse(other.len()));
    first
        .iter()
        .filter(|entry| !others.iter().any(|other| other.contains_entry(*entry)))
        .for_each(visit);
}
