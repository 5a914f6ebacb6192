//! CACHE.GET, CACHE.FILL, CACHE.RELEASE, CACHE.STALE: of all clients that miss a value, one makes it.
//!
//! A miss leaves an item without a value, marked as won, that expires with the lease; a stale value, or one that expires soon, is marked as won
//! and served on. A lease is the key's token, which fits until anything changes the key: then what was made from older data is not stored.
//! Never: tells a reader to wait for ever. Every lease ends, and the next reader gets one of its own.

use super::options::{Form, Options, seconds};
use super::tags::{add, store_tagged};
use crate::command::memcache::meta::renew;
use crate::command::memcache::store::{notify_set, remove};
use crate::command::number::integer;
use crate::command::string_value::{find_string_write, reply_value, string_value};
use crate::command::{CommandError, Context, key_at};
use crate::engine::{Attributes, Engine, Expiry, Item, Key, NewValue, Touch};

/// What CACHE.GET tells beside the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The value is good.
    Hit,
    /// There is none, and no lease: none was asked for, or there is no memory to keep one.
    Miss,
    /// The client has the lease with this token: it is to make the value.
    Won(u64),
    /// There is none yet: another client makes it.
    Wait,
    /// The value is an old one, and another client makes a new one if any has a lease.
    Stale,
}

impl State {
    fn name(self) -> &'static [u8] {
        match self {
            State::Hit => b"hit",
            State::Miss => b"miss",
            State::Won(_) => b"won",
            State::Wait => b"wait",
            State::Stale => b"stale",
        }
    }
}

/// Whether an item has no value yet: it only says that a client makes one.
fn is_promise(engine: &Engine, key: &Key<'_>, item: Item) -> bool {
    let attributes = engine.attributes(item);
    attributes.won
        && !attributes.stale
        && string_value(engine, item).is_empty()
        && engine.leased_until(key).is_none()
}

/// Whether an item has something to show. An empty one that is stale was a promise most likely, which memcached's clients have marked so.
fn has_value(engine: &Engine, key: &Key<'_>, item: Item) -> bool {
    let is_stale = engine.attributes(item).stale && string_value(engine, item).is_empty();
    !is_stale && !is_promise(engine, key, item)
}

/// `CACHE.GET key [LEASE seconds [REFRESH seconds] [TAGS n tag ...]]`: the value, the state, the token, and the milliseconds that the item has left.
pub fn get(context: &mut Context<'_>) -> Result<(), CommandError> {
    let now_ms = context.engine.now_ms();
    let options = Options::parse("cache.get", &context.args, 2, Form::Read, now_ms)?;
    let found = find_string_write(context, 1)?;
    let state = match (found, options.lease_ms) {
        (None, None) => State::Miss,
        (None, Some(lease_ms)) => promise(context, now_ms + lease_ms, &options),
        (Some(item), _) => read(context, item, &options),
    };
    let key = key_at!(context, 1);
    // What was marked may lie elsewhere now.
    let found = context.engine.find(&key, Touch::No);
    let shown = found.filter(|&item| has_value(context.engine, &key, item));
    let stats = &mut *context.stats;
    stats.count_read(context.engine, &key, shown.is_some());
    let reply = &mut *context.reply;
    reply.array(4);
    match shown {
        Some(item) => reply_value(reply, context.engine, item),
        None => reply.null(),
    }
    reply.bulk(state.name());
    match state {
        State::Won(token) => reply.integer(token as i64),
        _ => reply.null(),
    }
    let left_ms = match found.map(|item| context.engine.expiry(item)) {
        None => -2,
        Some(None) => -1,
        Some(Some(at)) => at - now_ms,
    };
    reply.integer(left_ms);
    Ok(())
}

/// Promises a key that is not there to this client.
fn promise(context: &mut Context<'_>, until_ms: i64, options: &Options) -> State {
    let key = key_at!(context, 1);
    let attributes = Attributes {
        won: true,
        ..Attributes::default()
    };
    let (value, expiry) = (NewValue::Bytes(b""), Expiry::At(until_ms));
    let engine = &mut *context.engine;
    let stored = engine
        .make_room()
        .and_then(|()| engine.set_with(&key, value, expiry, attributes));
    if stored.is_err() {
        // Who cannot have a lease makes the value for himself.
        return State::Miss;
    }
    // Its expiry is the lease's end, so that it needs no other.
    let token = engine.token_of_none();
    engine.set_token(&key, token);
    notify_set(engine, &key, expiry);
    context.stats.changes += 1;
    add(context, options.tags.clone());
    State::Won(token)
}

/// Reads an item that is there, and promises it to this client if it needs a new value and nobody makes one.
fn read(context: &mut Context<'_>, item: Item, options: &Options) -> State {
    let key = key_at!(context, 1);
    let engine = &mut *context.engine;
    let now_ms = engine.now_ms();
    let attributes = engine.attributes(item);
    let expiry = engine.expiry(item);
    if is_promise(engine, &key, item) {
        if let (None, Some(lease_ms)) = (expiry, options.lease_ms) {
            // One that memcached's clients made to last for ever, or that lost its expiry, lasts as long as a lease. If there is no memory for that now, the
            // next reader tries again.
            let _ = engine.set_expiry(&key, Some(now_ms + lease_ms));
        }
        return State::Wait;
    }
    let ends_soon = |at: i64| options.refresh_ms.is_some_and(|ms| at - now_ms < ms);
    let meanwhile = match attributes.stale {
        true if !has_value(engine, &key, item) => State::Wait,
        true => State::Stale,
        false if expiry.is_some_and(ends_soon) => State::Hit,
        false => return State::Hit,
    };
    let Some(lease_ms) = options.lease_ms else {
        return meanwhile;
    };
    if attributes.won {
        match engine.leased_until(&key) {
            Some(until_ms) if until_ms > now_ms => return meanwhile,
            Some(_) => {}
            None => {
                // Promised to a client of memcached's protocols, or the lease was forgotten: it begins now, under the token that its holder may have.
                engine.begin_lease(&key, now_ms + lease_ms);
                return meanwhile;
            }
        }
    } else {
        let won = Attributes {
            won: true,
            ..attributes
        };
        if engine.set_attributes(&key, won).is_err() {
            // Nobody may believe to have won what is not marked.
            return meanwhile;
        }
    }
    context.stats.changes += 1;
    State::Won(engine.grant_lease(&key, now_ms + lease_ms))
}

/// Whether the key at argument 1 is promised to who has the token at argument 2.
fn has_lease(context: &mut Context<'_>) -> Result<bool, CommandError> {
    let token = integer(context.args.get(2))? as u64;
    let key = key_at!(context, 1);
    let found = context.engine.find(&key, Touch::No);
    Ok(found.is_some() && context.engine.token_matches(&key, token))
}

/// `CACHE.FILL key token value [EX seconds | PX milliseconds | EXAT time | PXAT time] [TAGS n tag ...]`: 1; 0 when the lease is over and nothing was stored.
pub fn fill(context: &mut Context<'_>) -> Result<(), CommandError> {
    let is_valid = has_lease(context)?;
    if is_valid {
        store_tagged(context, "cache.fill", 3)?;
    }
    context.reply.integer(i64::from(is_valid));
    Ok(())
}

/// `CACHE.RELEASE key token`: 1; 0 when the lease is over anyway. The next reader gets one.
pub fn release(context: &mut Context<'_>) -> Result<(), CommandError> {
    let is_valid = has_lease(context)?;
    let item = find_string_write(context, 1)?;
    if let (true, Some(item)) = (is_valid, item) {
        let key = key_at!(context, 1);
        if is_promise(context.engine, &key, item) {
            remove(context.engine, &key);
        } else {
            let attributes = Attributes {
                won: false,
                ..context.engine.attributes(item)
            };
            context.engine.set_attributes(&key, attributes)?;
            context.engine.end_lease(&key);
        }
        context.stats.changes += 1;
    }
    context.reply.integer(i64::from(is_valid));
    Ok(())
}

/// `CACHE.STALE key [seconds]`: 1; 0 when it is not there. The value is served on, for so long at most, and who asks with a lease makes a new one.
/// Leases that clients have are void, for what they make may be old.
pub fn stale(context: &mut Context<'_>) -> Result<(), CommandError> {
    let now_ms = context.engine.now_ms();
    if context.args.len() > 3 {
        return Err(CommandError::Syntax);
    }
    let last_ms = match context.args.len() {
        2 => None,
        _ => Some(now_ms + seconds("cache.stale", context.args.get(2), now_ms)?),
    };
    let Some(item) = find_string_write(context, 1)? else {
        context.reply.integer(0);
        return Ok(());
    };
    let key = key_at!(context, 1);
    if is_promise(context.engine, &key, item) {
        remove(context.engine, &key);
    } else {
        let attributes = Attributes {
            stale: true,
            won: false,
            ..context.engine.attributes(item)
        };
        let sooner = |&last_ms: &i64| context.engine.expiry(item).is_none_or(|at| at > last_ms);
        let expiry = last_ms.filter(sooner).map_or(Expiry::Keep, Expiry::At);
        renew(context.engine, &key, item, None, expiry, attributes)?;
        notify_set(context.engine, &key, expiry);
    }
    context.stats.changes += 1;
    context.reply.integer(1);
    Ok(())
}
