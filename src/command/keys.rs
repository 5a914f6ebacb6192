//! Commands on keys whatever their values: DEL, UNLINK, EXISTS, TOUCH, TYPE, RANDOMKEY, MOVE.

use super::databases::database_index;
use super::transfer::Portable;
use super::{CommandError, Context, key_at};
use crate::engine::{EventClass, Touch};

/// DEL key [key ...], and UNLINK: memory that takes long to free is never freed within a command.
pub fn del(context: &mut Context<'_>) -> Result<(), CommandError> {
    let mut removed = 0;
    for index in 1..context.args.len() {
        let key = key_at!(context, index);
        if context.engine.remove(&key) {
            removed += 1;
            context.engine.notify(EventClass::Generic, "del", &key);
        }
    }
    context.stats.changes += removed;
    context.reply.integer(removed as i64);
    Ok(())
}

/// EXISTS key [key ...].
pub fn exists(context: &mut Context<'_>) -> Result<(), CommandError> {
    let mut found = 0;
    for index in 1..context.args.len() {
        found += i64::from(context.find_untouched(index).is_some());
    }
    context.reply.integer(found);
    Ok(())
}

/// TOUCH key [key ...].
pub fn touch(context: &mut Context<'_>) -> Result<(), CommandError> {
    let mut found = 0;
    for index in 1..context.args.len() {
        found += i64::from(context.find_read(index).is_some());
    }
    context.reply.integer(found);
    Ok(())
}

/// TYPE key.
pub fn type_of(context: &mut Context<'_>) -> Result<(), CommandError> {
    let found = context.find_untouched(1);
    let name = found.map_or("none", |item| context.engine.type_of(item).name());
    context.reply.simple(name);
    Ok(())
}

/// RANDOMKEY.
pub fn randomkey(context: &mut Context<'_>) -> Result<(), CommandError> {
    match context.engine.random_key(context.db) {
        Some(item) => context.reply.bulk(context.engine.key_bytes(item)),
        None => context.reply.null(),
    }
    Ok(())
}

/// MOVE key db.
pub fn move_key(context: &mut Context<'_>) -> Result<(), CommandError> {
    let db = database_index(context.args.get(2), context.engine.databases())?;
    if db == context.db {
        return Err(CommandError::fixed(
            "ERR source and destination objects are the same",
        ));
    }
    let source = key_at!(context, 1);
    let destination = crate::engine::Key { db, ..source };
    if context.engine.find(&source, Touch::No).is_none()
        || context.engine.find(&destination, Touch::No).is_some()
    {
        context.reply.integer(0);
        return Ok(());
    }
    if !context.engine.rename_collection(&source, &destination)? {
        Portable::read(context.engine, &source)
            .expect("it was there a moment ago")
            .write(context.engine, &destination)?;
        context.engine.remove(&source);
    }
    let generic = EventClass::Generic;
    context.engine.notify(generic, "move_from", &source);
    context.engine.notify(generic, "move_to", &destination);
    context.stats.changes += 1;
    context.reply.integer(1);
    Ok(())
}
