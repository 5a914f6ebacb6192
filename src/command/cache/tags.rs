//! CACHE.SET, CACHE.TAG, CACHE.TAGS, CACHE.COUNT, CACHE.DROP.

use super::options::{Form, Options, check_tags, too_many_tags};
use crate::command::set::store;
use crate::command::{CommandError, Context, key_at};
use crate::engine::{TAGS_PER_KEY_MAX, Touch};
use std::ops::Range;

/// Gives the key at argument 1 tags, if it is there; there is room for them.
pub(super) fn add(context: &mut Context<'_>, tags: Range<usize>) {
    let key = key_at!(context, 1);
    if !tags.is_empty() && context.engine.has(&key) {
        for index in tags {
            let added = context.engine.add_tag(&key, context.args.get(index));
            added.expect("the number of tags was looked at");
        }
    }
}

/// Stores argument `value` under the key at argument 1 with what follows it, replacing whatever was there.
pub(super) fn store_tagged(
    context: &mut Context<'_>,
    command: &str,
    value: usize,
) -> Result<(), CommandError> {
    let now_ms = context.engine.now_ms();
    let options = Options::parse(command, &context.args, value + 1, Form::Store, now_ms)?;
    let expiry = options.expiry(command, &context.args, now_ms)?;
    store(context, value, expiry)?;
    add(context, options.tags);
    Ok(())
}

/// `CACHE.SET key value [EX seconds | PX milliseconds | EXAT time | PXAT time] [TAGS n tag ...]`.
pub fn set(context: &mut Context<'_>) -> Result<(), CommandError> {
    store_tagged(context, "cache.set", 2)?;
    context.reply.ok();
    Ok(())
}

/// `CACHE.TAG key tag [tag ...]`: how many of them the key did not have; null when it is not there.
pub fn tag(context: &mut Context<'_>) -> Result<(), CommandError> {
    let tags = 2..context.args.len();
    check_tags(&context.args, tags.clone())?;
    let key = key_at!(context, 1);
    if context.engine.find(&key, Touch::No).is_none() {
        context.reply.null();
        return Ok(());
    }
    let mut all = context.engine.tags(&key);
    let before = all.len();
    for index in tags.clone() {
        let name = context.args.get(index);
        if !all.contains(&name) {
            if all.len() == TAGS_PER_KEY_MAX {
                return Err(too_many_tags());
            }
            all.push(name);
        }
    }
    let added = all.len() - before;
    add(context, tags);
    context.stats.changes += u64::from(added > 0);
    context.reply.integer(added as i64);
    Ok(())
}

/// `CACHE.TAGS key`: its tags, in the order in which it was given them.
pub fn tags(context: &mut Context<'_>) -> Result<(), CommandError> {
    let found = context.find_untouched(1);
    let key = key_at!(context, 1);
    let tags = match found {
        Some(_) => context.engine.tags(&key),
        None => Vec::new(),
    };
    context.reply.array(tags.len());
    tags.into_iter().for_each(|tag| context.reply.bulk(tag));
    Ok(())
}

/// `CACHE.COUNT tag [tag ...]`: how many items have each, added up.
pub fn count(context: &mut Context<'_>) -> Result<(), CommandError> {
    let names = (1..context.args.len()).map(|index| context.args.get(index));
    let count: usize = names
        .map(|name| context.engine.tagged(context.db, name))
        .sum();
    context.reply.integer(count as i64);
    Ok(())
}

/// `CACHE.DROP tag [tag ...]`: deletes all items that have any of the tags; how many there were.
pub fn drop(context: &mut Context<'_>) -> Result<(), CommandError> {
    let names = (1..context.args.len()).map(|index| context.args.get(index));
    let count: usize = names
        .map(|name| context.engine.drop_tag(context.db, name))
        .sum();
    context.stats.changes += count as u64;
    context.reply.integer(count as i64);
    Ok(())
}
