//! The commands of memcached's binary protocol. The parser has seen to it that each request has the shape of its operation, which its header names.
//!
//! Never: keeps anything beyond its reply. What concerns a connection or all shards (quit, flush, statistics, SASL) is only named in `binary_rows`.
//! The decision worth knowing: a quiet form is the same command and leaves its reply out where memcached does. It asks for no CAS token then, since
//! tokens cost memory.

use super::super::set::store_expired;
use super::super::string_value::StringValue;
use super::super::{CommandError, Context, key_at};
use super::store::{self, Mode, NotCounted, Outcome, Store, expiry_at};
use super::value::visible;
use crate::engine::{Attributes, Expiry, Item, NewValue};
use crate::protocol::args::Args;
use crate::protocol::memcache::binary::opcode;
use crate::protocol::memcache::binary_reply::{write_error_text, write_head};
use crate::protocol::number::{INTEGER_BYTES_MAX, unsigned_at_end};

pub use super::binary_rows::{ROWS, refusal, row};
pub use crate::protocol::memcache::binary_reply::{error_text, status, write_error, write_reply};

/// Places of the arguments.
const HEADER: usize = 0;
const EXTRAS: usize = 1;
pub(super) const KEY: usize = 2;
const VALUE: usize = 3;
/// The expiry time of an increment that must not create the number.
const CREATE_NOTHING: u32 = u32::MAX;

type Done = Result<(), CommandError>;

/// The operation as the client named it.
fn code(context: &Context<'_>) -> u8 {
    context.args.get(HEADER)[1]
}

/// Whether the client wants no reply to what is usual: a hit of its write, a miss of its read.
fn is_quiet(code: u8) -> bool {
    use opcode::*;
    matches!(
        code,
        GETQ | GETKQ
            | SETQ
            | ADDQ
            | REPLACEQ
            | DELETEQ
            | INCREMENTQ
            | DECREMENTQ
            | APPENDQ
            | PREPENDQ
            | GATQ
            | GATKQ
    )
}

/// Eight bytes of an argument as a number.
fn number64(args: &Args<'_>, index: usize, at: usize) -> u64 {
    let bytes = args.get(index)[at..at + 8].try_into();
    u64::from_be_bytes(bytes.expect("eight bytes"))
}

/// Four bytes of an argument as a number.
fn number32(args: &Args<'_>, index: usize, at: usize) -> u32 {
    let bytes = args.get(index)[at..at + 4].try_into();
    u32::from_be_bytes(bytes.expect("four bytes"))
}

/// The token that the client compares, if any.
fn token(context: &Context<'_>) -> Option<u64> {
    Some(number64(&context.args, HEADER, 16)).filter(|&token| token != 0)
}

/// The expiry that the four bytes of the extras mean. They have no sign, so none is in the past but by its date.
fn expiry(context: &Context<'_>, at: usize) -> Option<i64> {
    let seconds = i64::from(number32(&context.args, EXTRAS, at));
    expiry_at(seconds, context.engine.now_ms())
}

fn reply_error(context: &mut Context<'_>, status: u16) -> Done {
    reply_error_text(context, status, error_text(status))
}

fn reply_error_text(context: &mut Context<'_>, status: u16, text: &str) -> Done {
    let header = context.args.get(HEADER);
    write_error_text(&mut context.reply.bytes, header, status, text);
    Ok(())
}

/// Says that a write is done, with the token it made; a quiet one says nothing. A key whose `expiry` has passed already gets a token too: no reply
/// is without one, and it matches nothing.
fn reply_written(context: &mut Context<'_>, expiry: Option<i64>, value: &[u8]) -> Done {
    if !is_quiet(code(context)) {
        let token = if expiry.is_some_and(|at| at <= context.engine.now_ms()) {
            context.engine.token_of_none()
        } else {
            context.engine.token(&key_at!(context, KEY))
        };
        let header = context.args.get(HEADER);
        write_reply(
            &mut context.reply.bytes,
            header,
            status::OK,
            b"",
            b"",
            value,
            token,
        );
    }
    Ok(())
}

/// What a read says: the item, or a miss, which quiet forms leave out. False for an item that is no string, as if it were not there.
fn reply_item(context: &mut Context<'_>, item: Option<Item>) -> bool {
    use opcode::*;
    let code = code(context);
    let has_key = matches!(code, GETK | GETKQ | GATK | GATKQ);
    let key = key_at!(context, KEY);
    let token = match item {
        Some(_) => context.engine.token(&key),
        None => 0,
    };
    let header = context.args.get(HEADER);
    let bytes = &mut context.reply.bytes;
    let Some((item, value)) = item.and_then(|item| Some((item, visible(context.engine, item)?)))
    else {
        if !is_quiet(code) {
            // The key takes the place of the text.
            if has_key {
                write_reply(bytes, header, status::NOT_FOUND, b"", key.bytes, b"", 0);
            } else {
                write_error(bytes, header, status::NOT_FOUND);
            }
        }
        return false;
    };
    let extras = context.engine.attributes(item).client_flags.to_be_bytes();
    let returned_key = if has_key { key.bytes } else { b"" };
    let len = if code == TOUCH { 0 } else { value.len() };
    write_head(bytes, header, status::OK, &extras, returned_key, len, token);
    if code == TOUCH {
        return true;
    }
    match &value.bytes {
        StringValue::Large(large) => context.reply.large.push((bytes.len(), (*large).clone())),
        value => bytes.extend_from_slice(value),
    }
    bytes.resize(bytes.len() + value.blanks, b' ');
    true
}

/// Get, GetK: the value with its client flags. The quiet forms leave a miss out.
#[inline]
pub fn get(context: &mut Context<'_>) -> Done {
    let item = context.find_read(KEY);
    context.stats.memcache.count_get(item.is_some());
    reply_item(context, item);
    Ok(())
}

/// Touch, GAT, GATK: another expiry, and the value as Get gives it, or with Touch the client flags alone.
pub fn touch(context: &mut Context<'_>) -> Done {
    let expiry = expiry(context, 0);
    let item = if code(context) == opcode::TOUCH {
        context.find_write(KEY)
    } else {
        context.find_read(KEY)
    };
    context.stats.memcache.count_touch(item.is_some());
    let before = (context.reply.bytes.len(), context.reply.large.len());
    if !reply_item(context, item) {
        return Ok(());
    }
    // Another expiry may move the item, or end it, so the reply comes first.
    let key = key_at!(context, KEY);
    let changes = &mut context.stats.changes;
    if store::set_expiry(context.engine, &key, expiry, changes).is_err() {
        context.reply.bytes.truncate(before.0);
        context.reply.large.truncate(before.1);
        return reply_error(context, status::OUT_OF_MEMORY);
    }
    Ok(())
}

/// Set. A CAS in the header is compared, and then the key has to be there.
#[inline]
pub fn set(context: &mut Context<'_>) -> Done {
    store_whole(context, Mode::Set, status::NOT_STORED)
}

/// Add. With a CAS, which makes no sense, it is like Replace.
pub fn add(context: &mut Context<'_>) -> Done {
    store_whole(context, Mode::Add, status::EXISTS)
}

/// Replace.
pub fn replace(context: &mut Context<'_>) -> Done {
    store_whole(context, Mode::Replace, status::NOT_FOUND)
}

/// `refused` is what is said when the key is, or is not, there.
#[inline]
fn store_whole(context: &mut Context<'_>, mode: Mode, refused: u16) -> Done {
    let client_flags = number32(&context.args, EXTRAS, 0);
    let token = token(context);
    let mode = match mode {
        Mode::Add if token.is_some() => Mode::Replace,
        mode => mode,
    };
    let request = Store {
        token,
        ..Store::new(mode, client_flags, expiry(context, 4))
    };
    let outcome = store::store(context, KEY, VALUE, &request);
    reply_stored(context, outcome, request.expiry, refused)
}

fn reply_stored(
    context: &mut Context<'_>,
    outcome: Outcome,
    expiry: Option<i64>,
    refused: u16,
) -> Done {
    match outcome {
        Outcome::Stored => reply_written(context, expiry, b""),
        Outcome::NotStored | Outcome::WrongType => reply_error(context, refused),
        Outcome::Exists => reply_error(context, status::EXISTS),
        Outcome::NotFound => reply_error(context, status::NOT_FOUND),
        Outcome::OutOfMemory => reply_error_text(
            context,
            status::OUT_OF_MEMORY,
            "Out of memory allocating item",
        ),
    }
}

/// Append.
pub fn append(context: &mut Context<'_>) -> Done {
    extend(context, Mode::Append)
}

/// Prepend.
pub fn prepend(context: &mut Context<'_>) -> Done {
    extend(context, Mode::Prepend)
}

fn extend(context: &mut Context<'_>, mode: Mode) -> Done {
    let request = Store {
        token: token(context),
        ..Store::new(mode, 0, None)
    };
    let outcome = store::store(context, KEY, VALUE, &request);
    reply_stored(context, outcome, None, status::NOT_STORED)
}

/// Delete. Its reply has no CAS.
pub fn delete(context: &mut Context<'_>) -> Done {
    let token = token(context);
    match store::delete(context, KEY, token) {
        Outcome::Stored => {
            if !is_quiet(code(context)) {
                let header = context.args.get(HEADER);
                let bytes = &mut context.reply.bytes;
                write_reply(bytes, header, status::OK, b"", b"", b"", 0);
            }
            Ok(())
        }
        Outcome::Exists => reply_error(context, status::EXISTS),
        _ => reply_error(context, status::NOT_FOUND),
    }
}

/// Increment, Decrement: the reply has the new number in eight bytes. A number that is not there is made with the initial value of the extras,
/// unless their expiry says not to.
pub fn count(context: &mut Context<'_>) -> Done {
    use opcode::*;
    let increment = matches!(code(context), INCREMENT | INCREMENTQ);
    let delta = number64(&context.args, EXTRAS, 0);
    let token = token(context).unwrap_or(0);
    match store::count(context, KEY, increment, delta, token) {
        Ok(number) => reply_written(context, None, &number.to_be_bytes()),
        Err(NotCounted::NotFound) if number32(&context.args, EXTRAS, 16) != CREATE_NOTHING => {
            create_number(context)
        }
        Err(NotCounted::NotFound) => {
            store::count_miss(context, increment);
            reply_error(context, status::NOT_FOUND)
        }
        Err(NotCounted::Exists) => reply_error(context, status::EXISTS),
        Err(NotCounted::NonNumeric | NotCounted::WrongType) => {
            reply_error(context, status::NOT_NUMERIC)
        }
        Err(NotCounted::OutOfMemory) => reply_error_text(
            context,
            status::OUT_OF_MEMORY,
            "Out of memory incrementing value",
        ),
    }
}

fn create_number(context: &mut Context<'_>) -> Done {
    let initial = number64(&context.args, EXTRAS, 8);
    let expiry = expiry(context, 16);
    let key = key_at!(context, KEY);
    if expiry.is_none_or(|at| at > context.engine.now_ms()) {
        let mut digits = [0; INTEGER_BYTES_MAX];
        let start = unsigned_at_end(&mut digits, initial);
        let value = NewValue::Bytes(&digits[start..]);
        let expires = expiry.map_or(Expiry::None, Expiry::At);
        let stored = context.engine.make_room().and_then(|()| {
            context
                .engine
                .set_with(&key, value, expires, Attributes::default())
        });
        if stored.is_err() {
            context.stats.memcache.store_no_memory += 1;
            return reply_error_text(
                context,
                status::OUT_OF_MEMORY,
                "Out of memory allocating new item",
            );
        }
        store::notify_set(context.engine, &key, expires);
    } else {
        store_expired(context.engine, &key);
    }
    context.stats.changes += 1;
    context.stats.memcache.total_items += 1;
    reply_written(context, expiry, &initial.to_be_bytes())
}

/// A store whose item is too large. What Set would have replaced is deleted, so that no stale value is served.
pub fn too_large(context: &mut Context<'_>) -> Done {
    context.stats.memcache.store_too_large += 1;
    if matches!(code(context), opcode::SET | opcode::SETQ) {
        let key = key_at!(context, KEY);
        context.stats.changes += u64::from(store::remove(context.engine, &key));
    }
    reply_error(context, status::TOO_LARGE)
}

/// Noop: a reply behind all others, by which clients know that quiet forms before it are done.
pub fn noop(context: &mut Context<'_>) -> Done {
    let header = context.args.get(HEADER);
    let bytes = &mut context.reply.bytes;
    write_reply(bytes, header, status::OK, b"", b"", b"", 0);
    Ok(())
}

/// An operation that memcached does not have.
pub fn unknown(context: &mut Context<'_>) -> Done {
    reply_error(context, status::UNKNOWN_COMMAND)
}

#[cfg(test)]
#[path = "binary_tests.rs"]
mod tests;
