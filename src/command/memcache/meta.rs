//! The meta commands: `mg`, `ms`, `md`, `ma`, `me`, `mn`.
//!
//! What a flag asks for comes into the reply in the order of the flags, and `T` and `N` take effect in that order too; `W`, `X` and `Z` come last.
//! The decision worth knowing: the reply is written from the item as it was found, and what the request changes is changed after that, because
//! a change may move the item.

use super::super::{CommandError, Context, key_at};
use super::flags::Flags;
use super::reply::{NO_MEMORY, NO_MEMORY_TO_STORE, NON_NUMERIC, WRONG_TYPE, put_number, put_value};
use super::store::{
    Mode, NotCounted, Outcome, Store, count, count_miss, delete as delete_key, expiry_at,
    notify_set, remove, set_expiry, store,
};
use super::value::visible;
use crate::engine::{Attributes, Engine, Expiry, Item, Key, NewValue, OutOfMemory, Touch, Value};
use crate::protocol::args::Args;
use crate::protocol::memcache::base64;
use crate::protocol::memcache::text::{CLIENT_FLAGS_BYTES, ITEM_BYTES_BESIDE};

/// What memcached says of any wrong flag of `md` and `ma`.
const WRONG_FLAG: &[u8] = b"CLIENT_ERROR invalid or duplicate flag\r\n";
const OPAQUE_TOO_LONG: &[u8] = b"CLIENT_ERROR opaque token too long\r\n";

fn refuse(context: &mut Context<'_>, line: &[u8]) -> Result<(), CommandError> {
    context.reply.bytes.extend_from_slice(line);
    Ok(())
}

/// Whole seconds from now to a Unix time in milliseconds, a begun one counted; 0 when it has passed.
fn seconds_until(at: i64, now_ms: i64) -> i64 {
    (at - now_ms).max(0).div_euclid(1000) + i64::from((at - now_ms).max(0) % 1000 > 0)
}

/// Appends ` t` and the seconds until `expiry`, -1 without.
fn put_seconds_left(bytes: &mut Vec<u8>, expiry: Option<i64>, now_ms: i64) {
    match expiry {
        None => bytes.extend_from_slice(b" t-1"),
        Some(at) => {
            bytes.extend_from_slice(b" t");
            put_number(bytes, seconds_until(at, now_ms) as u64);
        }
    }
}

fn put_key(bytes: &mut Vec<u8>, key: &[u8], encoded: bool) {
    if encoded {
        base64::encode(key, bytes);
    } else {
        bytes.extend_from_slice(key);
    }
}

/// Appends what `word` asks for when it is the key or an opaque.
#[inline]
fn put_echo(bytes: &mut Vec<u8>, word: &[u8], key: &[u8], encoded: bool) {
    match word[0] {
        b'O' => {
            bytes.push(b' ');
            bytes.extend_from_slice(word);
        }
        b'k' => {
            bytes.extend_from_slice(b" k");
            put_key(bytes, key, encoded);
            if encoded {
                bytes.extend_from_slice(b" b");
            }
        }
        _ => {}
    }
}

/// Appends the echoes of all flags from `start` to before `end`, and the line's end.
fn put_echoes(bytes: &mut Vec<u8>, args: &Args<'_>, start: usize, end: usize, encoded: bool) {
    for index in start..end {
        put_echo(bytes, args.get(index), args.get(1), encoded);
    }
    bytes.extend_from_slice(b"\r\n");
}

/// Writes the item again with other attributes and, where given, another value and expiry, so that its token is a new one. It keeps its tags.
pub(in crate::command) fn renew(
    engine: &mut Engine,
    key: &Key<'_>,
    item: Item,
    value: Option<&[u8]>,
    expiry: Expiry,
    attributes: Attributes,
) -> Result<(), OutOfMemory> {
    let was_read = engine.was_read(item);
    let copy;
    #[allow(unreachable_patterns)]
    let value = match (value, engine.value(item)) {
        (Some(bytes), _) => NewValue::Bytes(bytes),
        (None, Value::Bytes(bytes)) => {
            copy = bytes.to_vec();
            NewValue::Text(&copy)
        }
        (None, Value::Integer(integer)) => NewValue::Integer(integer),
        (None, Value::Large(large)) => NewValue::Shared(large.clone()),
        _ => unreachable!("the caller has seen a string"),
    };
    engine.revise(key, value, expiry, attributes)?;
    if was_read && let Some(item) = engine.find(key, Touch::No) {
        engine.mark_read(item);
    }
    Ok(())
}

/// `mg key flags*`.
pub fn get(context: &mut Context<'_>) -> Result<(), CommandError> {
    let end = context.args.len();
    let flags = match Flags::parse(&context.args, 2, end, false) {
        Ok(flags) => flags,
        Err(line) => return refuse(context, line),
    };
    if flags.long_opaque {
        return refuse(context, OPAQUE_TOO_LONG);
    }
    let key = key_at!(context, 1);
    let mut found = context.engine.find(&key, Touch::No);
    context
        .stats
        .count_read(context.engine, &key, found.is_some());
    let mut created = false;
    if found.is_none() && flags.vivify.is_some() {
        let attributes = Attributes {
            won: true,
            ..Attributes::default()
        };
        let stored = context.engine.make_room().and_then(|()| {
            let value = NewValue::Bytes(b"");
            context
                .engine
                .set_with(&key, value, Expiry::None, attributes)
        });
        if stored.is_ok() {
            if let Some(token) = flags.new_token {
                context.engine.set_token(&key, token);
            }
            notify_set(context.engine, &key, Expiry::None);
            found = context.engine.find(&key, Touch::No);
            created = true;
            context.stats.changes += 1;
            context.stats.memcache.total_items += 1;
        }
    }
    let Some(item) = found else {
        context.stats.memcache.count_get(false);
        if !flags.quiet {
            context.reply.bytes.extend_from_slice(b"EN");
            let bytes = &mut context.reply.bytes;
            put_echoes(bytes, &context.args, 2, end, flags.encoded_key);
        }
        return Ok(());
    };
    let token = (2..end)
        .any(|index| context.args.get(index)[0] == b'c')
        .then(|| context.engine.token(&key));
    let Some(value) = visible(context.engine, item) else {
        return refuse(context, WRONG_TYPE);
    };
    let now_ms = context.engine.now_ms();
    let mut attributes = context.engine.attributes(item);
    let before = attributes;
    let mut expiry = context.engine.expiry(item);
    let had_expiry = expiry;
    let mut won = false;
    let bytes_written = context.reply.bytes.len();
    let large_written = context.reply.large.len();
    let bytes = &mut context.reply.bytes;
    if flags.value {
        bytes.extend_from_slice(b"VA ");
        put_number(bytes, value.len() as u64);
    } else {
        bytes.extend_from_slice(b"HD");
    }
    for index in 2..end {
        let word = context.args.get(index);
        match word[0] {
            b'T' => expiry = expiry_at(flags.expiry.unwrap_or(0).into(), now_ms),
            b'N' if created => {
                expiry = expiry_at(flags.vivify.unwrap_or(0).into(), now_ms);
                won = true;
            }
            b'R' if !before.won && !created => {
                let recache = expiry_at(flags.recache.unwrap_or(0).into(), now_ms);
                if let (Some(expiry), Some(recache)) = (expiry, recache) {
                    won |= seconds_until(expiry, now_ms) < seconds_until(recache, now_ms);
                }
            }
            b's' => {
                bytes.extend_from_slice(b" s");
                put_number(bytes, value.len() as u64);
            }
            b't' => put_seconds_left(bytes, expiry, now_ms),
            b'c' => {
                bytes.extend_from_slice(b" c");
                put_number(bytes, token.unwrap_or(0));
            }
            b'f' => {
                bytes.extend_from_slice(b" f");
                put_number(bytes, attributes.client_flags.into());
            }
            b'l' => {
                bytes.extend_from_slice(b" l");
                put_number(bytes, context.engine.idle_ms(item) / 1000);
            }
            b'h' => bytes.extend_from_slice(if !created && context.engine.was_read(item) {
                b" h1"
            } else {
                b" h0"
            }),
            _ => put_echo(bytes, word, key.bytes, flags.encoded_key),
        }
    }
    if before.won && !created {
        bytes.extend_from_slice(b" Z");
    }
    if before.stale {
        bytes.extend_from_slice(b" X");
        won |= !before.won;
    }
    if won {
        bytes.extend_from_slice(b" W");
        attributes.won = true;
    }
    bytes.extend_from_slice(b"\r\n");
    if flags.value {
        put_value(context.reply, &value);
    }
    if flags.expiry.is_some() {
        context.stats.memcache.count_touch(true);
    } else {
        context.stats.memcache.count_get(true);
    }
    if !flags.no_use {
        context.engine.mark_read(item);
    }
    let changed = attributes != before || expiry != had_expiry;
    let attributes = (attributes != before).then_some(attributes);
    let expiry = (expiry != had_expiry).then_some(expiry);
    if changed && change(context.engine, &key, attributes, expiry).is_err() {
        // Nobody may believe to have won what is not marked.
        context.reply.bytes.truncate(bytes_written);
        context.reply.large.truncate(large_written);
        return refuse(context, NO_MEMORY);
    }
    context.stats.changes += u64::from(changed && !created);
    Ok(())
}

/// Sets the attributes and the expiry of an item, or one of them.
fn change(
    engine: &mut Engine,
    key: &Key<'_>,
    attributes: Option<Attributes>,
    expiry: Option<Option<i64>>,
) -> Result<(), OutOfMemory> {
    if let Some(attributes) = attributes {
        engine.set_attributes(key, attributes)?;
    }
    if let Some(expiry) = expiry {
        set_expiry(engine, key, expiry, &mut 0).map_err(|_| OutOfMemory)?;
    }
    Ok(())
}

/// `ms key bytes flags*`, and the data.
pub fn set(context: &mut Context<'_>) -> Result<(), CommandError> {
    let data = context.args.len() - 1;
    let flags = match Flags::parse(&context.args, 3, data, false) {
        Ok(flags) => flags,
        Err(line) => return refuse(context, line),
    };
    let mode = match flags.mode {
        0 | b'S' => Mode::Set,
        b'E' => Mode::Add,
        b'A' => Mode::Append,
        b'P' => Mode::Prepend,
        b'R' => Mode::Replace,
        _ => return refuse(context, b"CLIENT_ERROR invalid mode for ms M token\r\n"),
    };
    if flags.long_opaque {
        return refuse(context, OPAQUE_TOO_LONG);
    }
    // What is appended to has an expiry already, unless it is created.
    let creates = matches!(mode, Mode::Append | Mode::Prepend) && flags.vivify.is_some();
    let seconds = if creates { flags.vivify } else { flags.expiry };
    let expiry = expiry_at(seconds.unwrap_or(0).into(), context.engine.now_ms());
    let data_bytes = context.args.get(data).len();
    let request = Store {
        token: flags.token,
        new_token: flags.new_token,
        accepts_stale: flags.invalidate,
        creates,
        ..Store::new(mode, flags.client_flags, expiry)
    };
    let outcome = store(context, 1, data, &request);
    let code: &[u8] = match outcome {
        Outcome::Stored if flags.quiet => return Ok(()),
        Outcome::Stored => b"HD",
        Outcome::NotStored => b"NS",
        Outcome::Exists => b"EX",
        Outcome::NotFound => b"NF",
        Outcome::OutOfMemory => return refuse(context, NO_MEMORY_TO_STORE),
        Outcome::WrongType => return refuse(context, WRONG_TYPE),
    };
    context.reply.bytes.extend_from_slice(code);
    for index in 3..data {
        let word = context.args.get(index);
        if !matches!(word[0], b'c' | b's') {
            let bytes = &mut context.reply.bytes;
            put_echo(bytes, word, context.args.get(1), flags.encoded_key);
            continue;
        }
        let key = key_at!(context, 1);
        let item = match outcome {
            Outcome::Stored => context.engine.find(&key, Touch::No),
            _ => None,
        };
        let number = match (word[0], item) {
            (b'c', Some(_)) => context.engine.token(&key),
            // It expired at once.
            (b'c', None) if outcome == Outcome::Stored => {
                let chosen = flags.new_token;
                chosen.unwrap_or_else(|| context.engine.token_of_none())
            }
            (b'c', None) => 0,
            (_, Some(item)) => {
                let value = visible(context.engine, item);
                value.map_or(0, |value| value.len()) as u64
            }
            (_, None) => data_bytes as u64,
        };
        context.reply.bytes.extend_from_slice(&[b' ', word[0]]);
        put_number(&mut context.reply.bytes, number);
    }
    context.reply.bytes.extend_from_slice(b"\r\n");
    Ok(())
}

/// `md key flags*`.
pub fn delete(context: &mut Context<'_>) -> Result<(), CommandError> {
    let end = context.args.len();
    let flags = match Flags::parse(&context.args, 2, end, true) {
        Ok(flags) => flags,
        Err(_) => return refuse(context, WRONG_FLAG),
    };
    if flags.long_opaque {
        return refuse(context, OPAQUE_TOO_LONG);
    }
    let outcome = if flags.invalidate || flags.remove_value {
        weaken(context, &flags)
    } else {
        delete_key(context, 1, flags.token)
    };
    let code: &[u8] = match outcome {
        Outcome::Stored if flags.quiet => return Ok(()),
        Outcome::Stored => b"HD",
        Outcome::Exists => b"EX",
        Outcome::OutOfMemory => return refuse(context, NO_MEMORY),
        Outcome::WrongType => return refuse(context, WRONG_TYPE),
        Outcome::NotFound | Outcome::NotStored => b"NF",
    };
    context.reply.bytes.extend_from_slice(code);
    let bytes = &mut context.reply.bytes;
    put_echoes(bytes, &context.args, 2, end, flags.encoded_key);
    Ok(())
}

/// Marks the item stale (`I`), or takes its value and its client flags away (`x`), instead of deleting it.
fn weaken(context: &mut Context<'_>, flags: &Flags) -> Outcome {
    let key = key_at!(context, 1);
    let Some(item) = context.engine.find(&key, Touch::No) else {
        context.stats.memcache.delete_misses += 1;
        return Outcome::NotFound;
    };
    if flags
        .token
        .is_some_and(|token| !context.engine.token_matches(&key, token))
    {
        context.stats.memcache.delete_misses += 1;
        return Outcome::Exists;
    }
    if visible(context.engine, item).is_none() {
        return Outcome::WrongType;
    }
    let now_ms = context.engine.now_ms();
    let expiry = match flags.expiry {
        None => Expiry::Keep,
        Some(seconds) => match expiry_at(seconds.into(), now_ms) {
            None => Expiry::None,
            Some(at) if at <= now_ms => {
                remove(context.engine, &key);
                context.stats.changes += 1;
                return Outcome::Stored;
            }
            Some(at) => Expiry::At(at),
        },
    };
    let mut attributes = context.engine.attributes(item);
    let mut value: Option<&[u8]> = None;
    if flags.remove_value {
        attributes = Attributes::default();
        value = Some(b"");
    }
    if flags.invalidate {
        attributes.stale = true;
        attributes.won = false;
    }
    if renew(context.engine, &key, item, value, expiry, attributes).is_err() {
        return Outcome::OutOfMemory;
    }
    notify_set(context.engine, &key, expiry);
    if let Some(token) = flags.new_token {
        context.engine.set_token(&key, token);
    }
    context.stats.changes += 1;
    Outcome::Stored
}

/// `ma key flags*`.
pub fn arithmetic(context: &mut Context<'_>) -> Result<(), CommandError> {
    let end = context.args.len();
    let flags = match Flags::parse(&context.args, 2, end, false) {
        Ok(flags) => flags,
        Err(_) => return refuse(context, WRONG_FLAG),
    };
    let increment = match flags.mode {
        0 | b'I' | b'+' => true,
        b'D' | b'-' => false,
        _ => return refuse(context, b"CLIENT_ERROR invalid mode for ma M token\r\n"),
    };
    if flags.long_opaque {
        return refuse(context, OPAQUE_TOO_LONG);
    }
    let delta = flags.delta.unwrap_or(1);
    let token = flags.token.unwrap_or(0);
    let mut created = false;
    let number = match count(context, 1, increment, delta, token) {
        Ok(_) if flags.quiet && flags.expiry.is_none() && flags.new_token.is_none() => {
            return Ok(());
        }
        Ok(number) => number,
        Err(NotCounted::NotFound) if flags.vivify.is_some() => {
            if create_number(context, &flags).is_err() {
                let line = b"SERVER_ERROR Out of memory allocating new item\r\n";
                return refuse(context, line);
            }
            created = true;
            flags.initial
        }
        Err(NotCounted::NonNumeric) => return refuse(context, NON_NUMERIC),
        Err(NotCounted::OutOfMemory) => return refuse(context, NO_MEMORY),
        Err(NotCounted::WrongType) => return refuse(context, WRONG_TYPE),
        Err(reason) => {
            if reason == NotCounted::NotFound {
                count_miss(context, increment);
                context.reply.bytes.extend_from_slice(b"NF");
            } else {
                context.reply.bytes.extend_from_slice(b"EX");
            }
            let bytes = &mut context.reply.bytes;
            put_echoes(bytes, &context.args, 2, end, flags.encoded_key);
            return Ok(());
        }
    };
    let key = key_at!(context, 1);
    if let Some(token) = flags.new_token {
        context.engine.set_token(&key, token);
    }
    let now_ms = context.engine.now_ms();
    let mut expiry = context
        .engine
        .find(&key, Touch::No)
        .and_then(|item| context.engine.expiry(item));
    let had_expiry = expiry;
    let start = context.reply.bytes.len();
    let bytes = &mut context.reply.bytes;
    if flags.value {
        bytes.extend_from_slice(b"VA ");
        put_number(bytes, u64::from(number.checked_ilog10().unwrap_or(0)) + 1);
    } else {
        bytes.extend_from_slice(b"HD");
    }
    for index in 2..end {
        let word = context.args.get(index);
        match word[0] {
            b'c' => {
                bytes.extend_from_slice(b" c");
                put_number(bytes, context.engine.token(&key));
            }
            b't' => put_seconds_left(bytes, expiry, now_ms),
            b'T' => expiry = expiry_at(flags.expiry.unwrap_or(0).into(), now_ms),
            b'N' if created => expiry = expiry_at(flags.vivify.unwrap_or(0).into(), now_ms),
            _ => put_echo(bytes, word, key.bytes, flags.encoded_key),
        }
    }
    bytes.extend_from_slice(b"\r\n");
    if flags.value {
        put_number(bytes, number);
        bytes.extend_from_slice(b"\r\n");
    }
    if flags.quiet && !created {
        context.reply.bytes.truncate(start);
    }
    if expiry != had_expiry {
        let mut changes = 0;
        if set_expiry(context.engine, &key, expiry, &mut changes).is_err() {
            context.reply.bytes.truncate(start);
            return refuse(context, NO_MEMORY);
        }
    }
    Ok(())
}

/// Stores the initial value of a number that was not there; its expiry follows with the flags.
fn create_number(context: &mut Context<'_>, flags: &Flags) -> Result<(), OutOfMemory> {
    context.engine.make_room()?;
    let mut digits = Vec::new();
    put_number(&mut digits, flags.initial);
    let key = key_at!(context, 1);
    context
        .engine
        .set(&key, NewValue::Bytes(&digits), Expiry::None)?;
    notify_set(context.engine, &key, Expiry::None);
    context.stats.changes += 1;
    context.stats.memcache.total_items += 1;
    Ok(())
}

/// `me key [b]`: what there is to know of an item.
pub fn debug(context: &mut Context<'_>) -> Result<(), CommandError> {
    context.stats.memcache.cmd_meta += 1;
    let encoded = context.args.len() > 2 && context.args.get(2) == b"b";
    let key = key_at!(context, 1);
    let Some(item) = context.engine.find(&key, Touch::No) else {
        return refuse(context, b"EN\r\n");
    };
    let token = context.engine.token(&key);
    let Some(value) = visible(context.engine, item) else {
        return refuse(context, WRONG_TYPE);
    };
    let engine = &context.engine;
    let flags_bytes = match engine.attributes(item).client_flags {
        0 => 0,
        _ => CLIENT_FLAGS_BYTES,
    };
    // The size is memcached's, which the limit of an item's size is compared with.
    let size = key.bytes.len() + value.len() + ITEM_BYTES_BESIDE + flags_bytes;
    let expiry = match engine.expiry(item) {
        None => -1,
        Some(at) => -seconds_until(at, engine.now_ms()),
    };
    let bytes = &mut context.reply.bytes;
    bytes.extend_from_slice(b"ME ");
    put_key(bytes, key.bytes, encoded);
    bytes.extend_from_slice(
        format!(
            " exp={expiry} la={} cas={token} fetch={} cls=1 size={size}\r\n",
            engine.idle_ms(item) / 1000,
            if engine.was_read(item) { "yes" } else { "no" },
        )
        .as_bytes(),
    );
    Ok(())
}

/// `mn`: only an answer, which shows that everything before it has been answered.
pub fn noop(context: &mut Context<'_>) -> Result<(), CommandError> {
    refuse(context, b"MN\r\n")
}
