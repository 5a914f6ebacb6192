//! The classic text commands: their words read, their replies written.
//!
//! The parser has checked what does not depend on data: the number of words, the length of keys, and the numbers of the storage commands.
//! The decision worth knowing: `get` with many keys hashes and prefetches them in groups before it looks them up, so that the misses of
//! the processor's caches overlap.

use super::super::{CommandError, Context, key_at};
use super::reply::{NO_MEMORY, NO_MEMORY_TO_STORE, NON_NUMERIC, WRONG_TYPE, put_number, put_value};
use super::store::{
    Mode, NotCounted, Outcome, Store, count, count_miss, delete as delete_key, expiry_at, remove,
    set_expiry, store, touch as touch_key,
};
use super::value::visible;
use crate::engine::{Key, Touch};
use crate::protocol::memcache::number::{signed32, unsigned32, unsigned64};

/// Keys hashed and prefetched before they are looked up.
const GROUP: usize = 16;
/// What a line of a value takes beside its key and the value: words, blanks, three numbers, line ends.
const LINE_BYTES_MAX: usize = 6 + 1 + 10 + 1 + 20 + 1 + 20 + 2 + 2;

/// What a fetch does with each key.
#[derive(Clone, Copy)]
struct Fetch {
    /// The index of the first key.
    first: usize,
    /// The reply shows tokens.
    tokens: bool,
    /// The expiry is set.
    touch: bool,
    /// It is the whole request, and the reply ends with `END`.
    whole: bool,
}

/// Fetches all keys.
#[inline]
fn fetch(context: &mut Context<'_>, fetch: Fetch) -> Result<(), CommandError> {
    let expiry = if fetch.touch {
        let seconds = signed32(context.args.get(1)).unwrap_or(0);
        expiry_at(seconds.into(), context.engine.now_ms())
    } else {
        None
    };
    let len = context.args.len();
    if len == fetch.first + 1 {
        let hash = key_at!(context, fetch.first).hash;
        if !fetch_one(context, fetch, fetch.first, hash, expiry) && fetch.whole {
            context.reply.bytes.extend_from_slice(WRONG_TYPE);
            return Ok(());
        }
    } else {
        let mut at = fetch.first;
        while at < len {
            let group = (len - at).min(GROUP);
            let mut hashes = [0; GROUP];
            for (index, hash) in hashes[..group].iter_mut().enumerate() {
                *hash = context
                    .engine
                    .key(context.db, context.args.get(at + index))
                    .hash;
            }
            context.engine.prefetch(hashes[..group].iter().copied());
            for (index, hash) in hashes[..group].iter().enumerate() {
                // Among others a value of another type is left out, like one that is not there.
                fetch_one(context, fetch, at + index, *hash, expiry);
            }
            at += group;
        }
    }
    if fetch.whole {
        context.reply.bytes.extend_from_slice(b"END\r\n");
    }
    Ok(())
}

/// Writes the value of one key if it is there; false when it is not a string.
#[inline]
fn fetch_one(
    context: &mut Context<'_>,
    fetch: Fetch,
    index: usize,
    hash: u64,
    expiry: Option<i64>,
) -> bool {
    let key = Key {
        db: context.db,
        bytes: context.args.get(index),
        hash,
    };
    let mut found = context.engine.find(&key, Touch::Yes);
    context
        .stats
        .count_read(context.engine, &key, found.is_some());
    let gone = expiry.is_some_and(|at| at <= context.engine.now_ms());
    if fetch.touch {
        context.stats.memcache.count_touch(found.is_some());
        if found.is_some() && !gone {
            let changes = &mut context.stats.changes;
            found = match set_expiry(context.engine, &key, expiry, changes) {
                // The item may lie elsewhere now.
                Ok(_) => context.engine.find(&key, Touch::No),
                Err(_) => None,
            };
        }
    } else {
        context.stats.memcache.count_get(found.is_some());
    }
    let Some(item) = found else {
        return true;
    };
    let token = if fetch.tokens {
        Some(context.engine.token(&key))
    } else {
        None
    };
    let Some(value) = visible(context.engine, item) else {
        return false;
    };
    let len = value.len();
    let bytes = &mut context.reply.bytes;
    bytes.reserve(key.bytes.len() + value.bytes_in_reply() + LINE_BYTES_MAX);
    bytes.extend_from_slice(b"VALUE ");
    bytes.extend_from_slice(key.bytes);
    bytes.push(b' ');
    put_number(bytes, context.engine.attributes(item).client_flags.into());
    bytes.push(b' ');
    put_number(bytes, len as u64);
    if let Some(token) = token {
        bytes.push(b' ');
        put_number(bytes, token);
    }
    bytes.extend_from_slice(b"\r\n");
    put_value(context.reply, &value);
    if gone {
        remove(context.engine, &key);
        context.stats.changes += 1;
    }
    true
}

macro_rules! fetches {
    ($($(#[$text:meta])* $name:ident: $first:expr, $tokens:expr, $touch:expr, $whole:expr;)*) => {
        $($(#[$text])* pub fn $name(context: &mut Context<'_>) -> Result<(), CommandError> {
            fetch(context, Fetch { first: $first, tokens: $tokens, touch: $touch, whole: $whole })
        })*
    };
}

fetches! {
    /// `get key*`.
    get: 1, false, false, true;
    /// `gets key*`.
    gets: 1, true, false, true;
    /// `gat exptime key*`.
    gat: 2, false, true, true;
    /// `gats exptime key*`.
    gats: 2, true, true, true;
    /// One key of a `get` whose keys lie on several shards: its value without `END`.
    get_part: 1, false, false, false;
    /// One key of a `gets`.
    gets_part: 1, true, false, false;
    /// One key of a `gat`.
    gat_part: 2, false, true, false;
    /// One key of a `gats`.
    gats_part: 2, true, true, false;
}

/// Whether the word at `index` asks for silence.
#[inline]
fn is_noreply(context: &Context<'_>, index: usize) -> bool {
    context.args.get(index) == b"noreply"
}

/// Writes a line unless silence is asked for.
#[inline]
fn say(context: &mut Context<'_>, noreply: bool, line: &[u8]) -> Result<(), CommandError> {
    if !noreply {
        context.reply.bytes.extend_from_slice(line);
    }
    Ok(())
}

/// A storage command, which has `words` words without `noreply` and the data.
#[inline]
fn storage(context: &mut Context<'_>, mode: Mode, words: usize) -> Result<(), CommandError> {
    let value = context.args.len() - 1;
    let noreply = value > words && is_noreply(context, value - 1);
    let client_flags = unsigned32(context.args.get(2)).unwrap_or(0);
    let seconds = signed32(context.args.get(3)).unwrap_or(0);
    let mut request = Store::new(
        mode,
        client_flags,
        expiry_at(seconds.into(), context.engine.now_ms()),
    );
    if words == 6 {
        request.token = unsigned64(context.args.get(5));
    }
    match store(context, 1, value, &request) {
        Outcome::Stored => say(context, noreply, b"STORED\r\n"),
        Outcome::NotStored => say(context, noreply, b"NOT_STORED\r\n"),
        Outcome::Exists => say(context, noreply, b"EXISTS\r\n"),
        Outcome::NotFound => say(context, noreply, b"NOT_FOUND\r\n"),
        Outcome::OutOfMemory => say(context, false, NO_MEMORY_TO_STORE),
        Outcome::WrongType => say(context, noreply, WRONG_TYPE),
    }
}

/// `set key flags exptime bytes [noreply]`, and the data.
pub fn set(context: &mut Context<'_>) -> Result<(), CommandError> {
    storage(context, Mode::Set, 5)
}

/// `add`.
pub fn add(context: &mut Context<'_>) -> Result<(), CommandError> {
    storage(context, Mode::Add, 5)
}

/// `replace`.
pub fn replace(context: &mut Context<'_>) -> Result<(), CommandError> {
    storage(context, Mode::Replace, 5)
}

/// `append`.
pub fn append(context: &mut Context<'_>) -> Result<(), CommandError> {
    storage(context, Mode::Append, 5)
}

/// `prepend`.
pub fn prepend(context: &mut Context<'_>) -> Result<(), CommandError> {
    storage(context, Mode::Prepend, 5)
}

/// `cas key flags exptime bytes token [noreply]`, and the data.
pub fn cas(context: &mut Context<'_>) -> Result<(), CommandError> {
    storage(context, Mode::Set, 6)
}

/// `incr key delta [noreply]`.
pub fn incr(context: &mut Context<'_>) -> Result<(), CommandError> {
    add_delta(context, true)
}

/// `decr key delta [noreply]`.
pub fn decr(context: &mut Context<'_>) -> Result<(), CommandError> {
    add_delta(context, false)
}

fn add_delta(context: &mut Context<'_>, increment: bool) -> Result<(), CommandError> {
    let noreply = is_noreply(context, context.args.len() - 1);
    let Some(delta) = unsigned64(context.args.get(2)) else {
        let line = b"CLIENT_ERROR invalid numeric delta argument\r\n";
        return say(context, noreply, line);
    };
    match count(context, 1, increment, delta, 0) {
        Ok(number) => {
            if !noreply {
                put_number(&mut context.reply.bytes, number);
            }
            say(context, noreply, b"\r\n")
        }
        Err(NotCounted::NotFound) => {
            count_miss(context, increment);
            say(context, noreply, b"NOT_FOUND\r\n")
        }
        Err(NotCounted::NonNumeric) => say(context, noreply, NON_NUMERIC),
        Err(NotCounted::OutOfMemory) => say(context, false, NO_MEMORY),
        Err(NotCounted::WrongType) => say(context, noreply, WRONG_TYPE),
        Err(NotCounted::Exists) => unreachable!("no token was given"),
    }
}

/// `delete key [0] [noreply]`.
pub fn delete(context: &mut Context<'_>) -> Result<(), CommandError> {
    let last = context.args.len() - 1;
    let noreply = last > 1 && is_noreply(context, last);
    let line: &[u8] = match delete_key(context, 1, None) {
        Outcome::Stored => b"DELETED\r\n",
        _ => b"NOT_FOUND\r\n",
    };
    say(context, noreply, line)
}

/// `touch key exptime [noreply]`.
pub fn touch(context: &mut Context<'_>) -> Result<(), CommandError> {
    let noreply = is_noreply(context, context.args.len() - 1);
    let Some(seconds) = signed32(context.args.get(2)) else {
        let line = b"CLIENT_ERROR invalid exptime argument\r\n";
        return say(context, noreply, line);
    };
    let expiry = expiry_at(seconds.into(), context.engine.now_ms());
    match touch_key(context, 1, expiry) {
        Ok(true) => say(context, noreply, b"TOUCHED\r\n"),
        Ok(false) => say(context, noreply, b"NOT_FOUND\r\n"),
        Err(_) => say(context, false, NO_MEMORY),
    }
}

/// An item beyond the limit; the line's words are there without the data.
pub fn too_large(context: &mut Context<'_>) -> Result<(), CommandError> {
    context.stats.memcache.store_too_large += 1;
    let noreply = is_noreply(context, context.args.len() - 1);
    say(
        context,
        noreply,
        b"SERVER_ERROR object too large for cache\r\n",
    )
}

/// The same, and no stale value is served: the key goes.
pub fn too_large_remove(context: &mut Context<'_>) -> Result<(), CommandError> {
    let key = key_at!(context, 1);
    context.stats.changes += u64::from(remove(context.engine, &key));
    too_large(context)
}
