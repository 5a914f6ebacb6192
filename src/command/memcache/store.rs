//! Storing, deleting, touching and counting as memcached does, for the text, the meta and the binary commands alike.
//!
//! Each function finds its key and value among the request's arguments and gives an outcome; none writes a reply. They count for `stats`.
//! Their events are those of the nearest commands of Redis: `set` for every store but an append, `incrby`, `del`, `expire`, `persist`.
//! The decision worth knowing: an expiry that has passed leaves no item, and the store succeeds, as memcached's clients see it too.

use super::super::set::store_expired;
use super::super::{Context, key_at};
use super::value::visible;
use crate::engine::{Attributes, Engine, EventClass, Expiry, Key, NewValue, Touch};
use crate::protocol::memcache::number::unsigned64;
use crate::protocol::memcache::text::{CLIENT_FLAGS_BYTES, ITEM_BYTES_BESIDE};
use crate::protocol::number::{INTEGER_BYTES_MAX, unsigned_at_end};

/// Expiry times beyond this many seconds (30 days) are Unix times, as in memcached.
const RELATIVE_SECONDS_MAX: i64 = 60 * 60 * 24 * 30;
/// The widest number that is padded by its width; a wider one is stored with its blanks.
const WIDTH_MAX: usize = 63;

/// What a store does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Whether or not the key is there.
    Set,
    /// Only when it is not.
    Add,
    /// Only when it is.
    Replace,
    /// Behind the value that is there; client flags and expiry stay.
    Append,
    /// Before it.
    Prepend,
}

/// A store.
#[derive(Debug, Clone, Copy)]
pub struct Store {
    /// What it does.
    pub mode: Mode,
    /// The client's flags.
    pub client_flags: u32,
    /// The expiry as Unix milliseconds; see [`expiry_at`].
    pub expiry: Option<i64>,
    /// Only when this is the key's token. With [`Mode::Set`] and [`Mode::Replace`] any token is compared, zero too.
    pub token: Option<u64>,
    /// The token afterwards, when the client chose one.
    pub new_token: Option<u64>,
    /// With a token lower than the key's: the value is stored and marked stale (meta flag I).
    pub accepts_stale: bool,
    /// [`Mode::Append`] and [`Mode::Prepend`] store a key that is not there (meta flag N).
    pub creates: bool,
}

impl Store {
    /// A plain store.
    pub fn new(mode: Mode, client_flags: u32, expiry: Option<i64>) -> Store {
        Store {
            mode,
            client_flags,
            expiry,
            token: None,
            new_token: None,
            accepts_stale: false,
            creates: false,
        }
    }
}

/// What became of a store or a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Stored,
    /// The condition of the mode does not hold, or the item would be too large.
    NotStored,
    /// The token is another.
    Exists,
    /// There is no such key.
    NotFound,
    /// There is no memory.
    OutOfMemory,
    /// The key holds a value that is no string.
    WrongType,
}

/// The expiry that an expiry time of `seconds` means, in Unix milliseconds: none for 0, at once for a negative one, from now up to 30 days, beyond
/// that a Unix time.
#[inline]
pub fn expiry_at(seconds: i64, now_ms: i64) -> Option<i64> {
    match seconds {
        0 => None,
        ..0 => Some(now_ms),
        1..=RELATIVE_SECONDS_MAX => Some(now_ms + seconds * 1000),
        _ => Some(seconds.saturating_mul(1000)),
    }
}

/// Whether an item of this size is within the limit, counted as memcached does.
pub fn fits(
    key_bytes: usize,
    value_bytes: usize,
    client_flags: u32,
    item_bytes_max: usize,
) -> bool {
    let flags = if client_flags == 0 {
        0
    } else {
        CLIENT_FLAGS_BYTES
    };
    key_bytes + value_bytes + flags + ITEM_BYTES_BESIDE <= item_bytes_max
}

/// Stores the argument `value_index` under the key at `key_index`.
#[inline]
pub fn store(
    context: &mut Context<'_>,
    key_index: usize,
    value_index: usize,
    request: &Store,
) -> Outcome {
    context.stats.memcache.cmd_set += 1;
    let outcome = if context.engine.make_room().is_err() {
        Outcome::OutOfMemory
    } else if request.mode == Mode::Set && request.token.is_none() {
        put(context, key_index, value_index, request, None)
    } else {
        store_if(context, key_index, value_index, request)
    };
    match outcome {
        Outcome::Stored => {
            context.stats.changes += 1;
            context.stats.memcache.total_items += 1;
        }
        Outcome::OutOfMemory => {
            context.stats.memcache.store_no_memory += 1;
            if request.mode == Mode::Set {
                // No stale value is served.
                let key = key_at!(context, key_index);
                remove(context.engine, &key);
            }
        }
        _ => {}
    }
    outcome
}

/// Stores under a condition.
fn store_if(
    context: &mut Context<'_>,
    key_index: usize,
    value_index: usize,
    request: &Store,
) -> Outcome {
    let whole = matches!(request.mode, Mode::Set | Mode::Replace);
    let key = key_at!(context, key_index);
    let found = context.engine.find(&key, Touch::No);
    let Some(item) = found else {
        context.stats.memcache.cas_misses += u64::from(whole && request.token.is_some());
        return match request.mode {
            Mode::Set | Mode::Replace if request.token.is_some() => Outcome::NotFound,
            Mode::Set | Mode::Add => put(context, key_index, value_index, request, None),
            Mode::Append | Mode::Prepend if request.creates => {
                put(context, key_index, value_index, request, None)
            }
            Mode::Replace | Mode::Append | Mode::Prepend => Outcome::NotStored,
        };
    };
    if request.mode == Mode::Add {
        return Outcome::NotStored;
    }
    let token = request.token.filter(|&token| whole || token != 0);
    let mut stale = None;
    if let Some(token) = token {
        if token != 0 && context.engine.token_matches(&key, token) {
            context.stats.memcache.cas_hits += u64::from(whole);
        } else if whole && request.accepts_stale && token != 0 && token < context.engine.token(&key)
        {
            context.stats.memcache.cas_hits += 1;
            stale = Some(context.engine.attributes(item).won);
        } else {
            context.stats.memcache.cas_badval += u64::from(whole);
            return Outcome::Exists;
        }
    }
    if whole {
        put(context, key_index, value_index, request, stale)
    } else {
        extend(context, key_index, value_index, request)
    }
}

/// Writes the whole item. `stale`: it is marked so, and whether somebody has won already; then the expiry stays.
#[inline]
fn put(
    context: &mut Context<'_>,
    key_index: usize,
    value_index: usize,
    request: &Store,
    stale: Option<bool>,
) -> Outcome {
    let large = context.args.take_large(value_index);
    let key = key_at!(context, key_index);
    if stale.is_none()
        && let Some(at) = request.expiry
        && at <= context.engine.now_ms()
    {
        store_expired(context.engine, &key);
        return Outcome::Stored;
    }
    let value = match large {
        None => NewValue::Bytes(context.args.get(value_index)),
        Some(buffer) => NewValue::Large(buffer),
    };
    let expiry = match (stale, request.expiry) {
        (Some(_), _) => Expiry::Keep,
        (None, None) => Expiry::None,
        (None, Some(at)) => Expiry::At(at),
    };
    let attributes = Attributes {
        client_flags: request.client_flags,
        stale: stale.is_some(),
        won: stale.unwrap_or(false),
        width: 0,
    };
    if context
        .engine
        .set_with(&key, value, expiry, attributes)
        .is_err()
    {
        return Outcome::OutOfMemory;
    }
    notify_set(context.engine, &key, expiry);
    if let Some(token) = request.new_token {
        context.engine.set_token(&key, token);
    }
    Outcome::Stored
}

/// Tells of a value that was stored with an expiry, or without one.
pub fn notify_set(engine: &mut Engine, key: &Key<'_>, expiry: Expiry) {
    engine.notify(EventClass::String, "set", key);
    if let Expiry::At(_) = expiry {
        engine.notify(EventClass::Generic, "expire", key);
    }
}

/// Removes a key, and tells of it; false when it is not there.
pub fn remove(engine: &mut Engine, key: &Key<'_>) -> bool {
    let removed = engine.remove(key);
    if removed {
        engine.notify(EventClass::Generic, "del", key);
    }
    removed
}

/// Puts bytes behind or before the value that is there.
fn extend(
    context: &mut Context<'_>,
    key_index: usize,
    value_index: usize,
    request: &Store,
) -> Outcome {
    let key = key_at!(context, key_index);
    let more = context.args.get(value_index);
    let Some(item) = context.engine.find(&key, Touch::No) else {
        return Outcome::NotStored;
    };
    let Some(old) = visible(context.engine, item) else {
        return Outcome::WrongType;
    };
    let (old_bytes, blanks) = (old.bytes.len(), old.blanks);
    let before = old_bytes + blanks;
    let attributes = context.engine.attributes(item);
    let len = before + more.len();
    if !fits(
        key.bytes.len(),
        len,
        attributes.client_flags,
        context.settings.item_bytes_max,
    ) {
        return Outcome::NotStored;
    }
    if attributes.stale || attributes.won {
        // The value is a new one. Nothing moves for it: an item that has attributes keeps the room for them.
        let fresh = Attributes {
            client_flags: attributes.client_flags,
            ..Attributes::default()
        };
        if context.engine.set_attributes(&key, fresh).is_err() {
            return Outcome::OutOfMemory;
        }
    }
    let Ok(bytes) = context.engine.edit(&key, len) else {
        return Outcome::OutOfMemory;
    };
    bytes[old_bytes..before].fill(b' ');
    if request.mode == Mode::Append {
        bytes[before..].copy_from_slice(more);
    } else {
        bytes.copy_within(..before, more.len());
        bytes[..more.len()].copy_from_slice(more);
    }
    let is_append = request.mode == Mode::Append;
    let name = if is_append { "append" } else { "set" };
    context.engine.notify(EventClass::String, name, &key);
    if let Some(token) = request.new_token {
        context.engine.set_token(&key, token);
    }
    Outcome::Stored
}

/// Deletes the key, if `token` is its token where one is given. [`Outcome::Stored`] says that it is gone.
#[inline]
pub fn delete(context: &mut Context<'_>, key_index: usize, token: Option<u64>) -> Outcome {
    let key = key_at!(context, key_index);
    let found = context.engine.find(&key, Touch::No).is_some();
    let outcome = match token {
        _ if !found => Outcome::NotFound,
        Some(token) if !context.engine.token_matches(&key, token) => Outcome::Exists,
        _ => {
            remove(context.engine, &key);
            context.stats.changes += 1;
            Outcome::Stored
        }
    };
    context.stats.memcache.delete_hits += u64::from(outcome == Outcome::Stored);
    context.stats.memcache.delete_misses += u64::from(outcome != Outcome::Stored);
    outcome
}

/// Gives the key another expiry, or deletes it when that has passed; false when it is not there. Adds to `changes`, and counts nothing else.
#[inline]
pub fn set_expiry(
    engine: &mut Engine,
    key: &Key<'_>,
    expiry: Option<i64>,
    changes: &mut u64,
) -> Result<bool, Outcome> {
    let found = match expiry {
        Some(at) if at <= engine.now_ms() => remove(engine, key),
        _ => {
            // Asked only by who will be told.
            let had_expiry = engine.wants_event(EventClass::Generic)
                && engine
                    .find(key, Touch::No)
                    .is_some_and(|item| engine.expiry(item).is_some());
            let found = engine
                .set_expiry(key, expiry)
                .map_err(|_| Outcome::OutOfMemory)?;
            let generic = EventClass::Generic;
            match expiry {
                Some(_) if found => engine.notify(generic, "expire", key),
                None if had_expiry => engine.notify(generic, "persist", key),
                _ => {}
            }
            found
        }
    };
    *changes += u64::from(found);
    Ok(found)
}

/// `touch`: another expiry, which counts as a use.
pub fn touch(
    context: &mut Context<'_>,
    key_index: usize,
    expiry: Option<i64>,
) -> Result<bool, Outcome> {
    let key = key_at!(context, key_index);
    let found = context.engine.find(&key, Touch::Yes).is_some();
    context.stats.memcache.count_touch(found);
    set_expiry(context.engine, &key, expiry, &mut context.stats.changes)
}

/// Why a number was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotCounted {
    /// There is no such key.
    NotFound,
    /// The token is another.
    Exists,
    /// The value is no number.
    NonNumeric,
    /// There is no memory.
    OutOfMemory,
    /// The key holds a value that is no string.
    WrongType,
}

/// Counts an `incr` or `decr` of a key that is not there.
pub fn count_miss(context: &mut Context<'_>, increment: bool) {
    let stats = &mut context.stats.memcache;
    if increment {
        stats.incr_misses += 1;
    } else {
        stats.decr_misses += 1;
    }
}

/// Adds `delta` to the number under the key, or subtracts it; sums wrap at 64 bits, differences stop at 0. Gives the new number. A number that became
/// shorter is padded with blanks to the old length. A `token` other than 0 is compared. A key that is not there is the caller's to count ([`count_miss`]).
pub fn count(
    context: &mut Context<'_>,
    key_index: usize,
    increment: bool,
    delta: u64,
    token: u64,
) -> Result<u64, NotCounted> {
    let key = key_at!(context, key_index);
    let Some(item) = context.engine.find(&key, Touch::No) else {
        return Err(NotCounted::NotFound);
    };
    let Some(old) = visible(context.engine, item) else {
        return Err(NotCounted::WrongType);
    };
    if old.is_empty() {
        return Err(NotCounted::NonNumeric);
    }
    if token != 0 && !context.engine.token_matches(&key, token) {
        return Err(NotCounted::Exists);
    }
    let before = unsigned64(&old.bytes).ok_or(NotCounted::NonNumeric)?;
    let len = old.len();
    let after = if increment {
        context.stats.memcache.incr_hits += 1;
        before.wrapping_add(delta)
    } else {
        context.stats.memcache.decr_hits += 1;
        before.saturating_sub(delta)
    };
    if context.engine.make_room().is_err() {
        return Err(NotCounted::OutOfMemory);
    }
    // Making room may have evicted the item.
    let Some(item) = context.engine.find(&key, Touch::No) else {
        return Err(NotCounted::NotFound);
    };
    let mut attributes = context.engine.attributes(item);
    let mut digits = [0; INTEGER_BYTES_MAX];
    let start = unsigned_at_end(&mut digits, after);
    let digits = &digits[start..];
    let in_place = digits.len() <= len;
    let was_read = in_place && context.engine.was_read(item);
    if !in_place {
        // Memcached makes a new item then, without the marks.
        attributes.stale = false;
        attributes.won = false;
    }
    attributes.width = 0;
    let mut padded = Vec::new();
    let value = match i64::try_from(after) {
        Ok(integer) if len <= WIDTH_MAX => {
            if digits.len() < len {
                attributes.width = len as u8;
            }
            NewValue::Integer(integer)
        }
        _ if digits.len() < len => {
            padded.extend_from_slice(digits);
            padded.resize(len, b' ');
            NewValue::Bytes(&padded)
        }
        _ => NewValue::Bytes(digits),
    };
    context
        .engine
        .set_with(&key, value, Expiry::Keep, attributes)
        .map_err(|_| NotCounted::OutOfMemory)?;
    context.engine.notify(EventClass::String, "incrby", &key);
    if was_read && let Some(item) = context.engine.find(&key, Touch::No) {
        context.engine.mark_read(item);
    }
    context.stats.changes += 1;
    Ok(after)
}
