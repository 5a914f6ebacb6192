//! Reading whole strings: GET and the commands that reply with a value and then change it.

use super::set::{ExpiryOption, Options};
use super::string_value::{find_string_read, reply_value};
use super::{CommandError, Context, key_at};
use crate::engine::{EventClass, Expiry, NewValue};

/// GET key.
#[inline]
pub fn get(context: &mut Context<'_>) -> Result<(), CommandError> {
    match find_string_read(context, 1)? {
        Some(item) => reply_value(context.reply, context.engine, item),
        None => context.reply.null(),
    }
    Ok(())
}

/// GETSET key value.
pub fn getset(context: &mut Context<'_>) -> Result<(), CommandError> {
    let bytes_written = context.reply.bytes.len();
    let large_written = context.reply.large.len();
    get(context)?;
    let large = context.args.take_large(2);
    let key = key_at!(context, 1);
    let value = large.map_or_else(|| NewValue::Bytes(context.args.get(2)), NewValue::Large);
    if let Err(error) = context.engine.set(&key, value, Expiry::None) {
        context.reply.bytes.truncate(bytes_written);
        context.reply.large.truncate(large_written);
        return Err(error.into());
    }
    context.engine.notify(EventClass::String, "set", &key);
    context.stats.changes += 1;
    Ok(())
}

/// GETDEL key.
pub fn getdel(context: &mut Context<'_>) -> Result<(), CommandError> {
    match find_string_read(context, 1)? {
        None => context.reply.null(),
        Some(item) => {
            reply_value(context.reply, context.engine, item);
            let key = key_at!(context, 1);
            context.engine.remove(&key);
            context.engine.notify(EventClass::Generic, "del", &key);
            context.stats.changes += 1;
        }
    }
    Ok(())
}

/// GETEX key [EX seconds | PX milliseconds | EXAT time | PXAT time | PERSIST].
pub fn getex(context: &mut Context<'_>) -> Result<(), CommandError> {
    let options = Options::parse(&context.args, 2, true)?;
    let Some(item) = find_string_read(context, 1)? else {
        context.reply.null();
        return Ok(());
    };
    let now_ms = context.engine.now_ms();
    let expiry = match options.expiry {
        ExpiryOption::None | ExpiryOption::Keep => {
            reply_value(context.reply, context.engine, item);
            return Ok(());
        }
        ExpiryOption::Persist => None,
        ExpiryOption::Time { .. } => Some(options.expiry.at("getex", &context.args, now_ms)?),
    };
    let had_expiry = context.engine.expiry(item).is_some();
    let bytes_written = context.reply.bytes.len();
    let large_written = context.reply.large.len();
    reply_value(context.reply, context.engine, item);
    let key = key_at!(context, 1);
    match expiry {
        Some(time) if time <= now_ms => {
            context.engine.remove(&key);
            context.engine.notify(EventClass::Generic, "del", &key);
            context.stats.changes += 1;
        }
        None if !had_expiry => {}
        _ => {
            if let Err(error) = context.engine.set_expiry(&key, expiry) {
                context.reply.bytes.truncate(bytes_written);
                context.reply.large.truncate(large_written);
                return Err(error.into());
            }
            let name = if expiry.is_some() {
                "expire"
            } else {
                "persist"
            };
            context.engine.notify(EventClass::Generic, name, &key);
            context.stats.changes += 1;
        }
    }
    Ok(())
}

/// MGET key [key ...].
pub fn mget(context: &mut Context<'_>) -> Result<(), CommandError> {
    context.reply.array(context.args.len() - 1);
    for index in 1..context.args.len() {
        // A value of another type is a null here and no error.
        match find_string_read(context, index) {
            Ok(Some(item)) => reply_value(context.reply, context.engine, item),
            Ok(None) | Err(_) => context.reply.null(),
        }
    }
    Ok(())
}
