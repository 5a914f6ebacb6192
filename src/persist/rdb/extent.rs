//! Where a value ends. Its parts are passed over without being looked into; whether they make a value is found out by who decodes it.
//! Never: takes memory. Every turn of a loop passes at least one byte, so that the length of the file bounds all of them.

use super::cursor::Cursor;
use super::error::{RdbError, RdbErrorKind};
use crate::codec::kind;

type Passed = Result<(), RdbError>;

/// Passes the value of this kind that begins here. Kinds nobody knows, and those of modules, are an error that names them.
pub fn skip_value(cursor: &mut Cursor<'_>, kind: u8) -> Passed {
    match kind {
        kind::STRING
        | kind::HASH_ZIPMAP
        | kind::LIST_ZIPLIST
        | kind::SET_INTSET
        | kind::SORTED_SET_ZIPLIST
        | kind::HASH_ZIPLIST
        | kind::HASH_LISTPACK
        | kind::SORTED_SET_LISTPACK
        | kind::SET_LISTPACK
        | kind::HASH_LISTPACK_EXPIRING_EARLY => cursor.skip_string(kind::name(kind)),
        kind::HASH_LISTPACK_EXPIRING => {
            cursor.array::<8>("the earliest expiry of a hash's fields")?;
            cursor.skip_string(kind::name(kind))
        }
        kind::LIST => each(cursor, "the elements of a list", |cursor| {
            cursor.skip_string("an element of a list")
        }),
        kind::SET => each(cursor, "the members of a set", |cursor| {
            cursor.skip_string("a member of a set")
        }),
        kind::SORTED_SET_TEXT => each(cursor, "the members of a sorted set", |cursor| {
            cursor.skip_string("a member of a sorted set")?;
            skip_text_score(cursor)
        }),
        kind::SORTED_SET => each(cursor, "the members of a sorted set", |cursor| {
            cursor.skip_string("a member of a sorted set")?;
            cursor.array::<8>("a score").map(|_| ())
        }),
        kind::HASH => each(cursor, FIELDS, skip_field),
        kind::HASH_EXPIRING_EARLY => each(cursor, FIELDS, skip_expiring_field),
        kind::HASH_EXPIRING => {
            cursor.array::<8>("the earliest expiry of a hash's fields")?;
            each(cursor, FIELDS, skip_expiring_field)
        }
        kind::HASH_EXPIRING_VALKEY => each(cursor, FIELDS, |cursor| {
            skip_field(cursor)?;
            cursor.array::<8>("the expiry of a field").map(|_| ())
        }),
        kind::LIST_QUICKLIST => each(cursor, "the nodes of a list", |cursor| {
            cursor.skip_string("a node of a list")
        }),
        kind::LIST_QUICKLIST_2 => each(cursor, "the nodes of a list", |cursor| {
            cursor.number("the form of a list's node")?;
            cursor.skip_string("a node of a list")
        }),
        kind::STREAM_1 | kind::STREAM_2 | kind::STREAM_3 | kind::STREAM_4 | kind::STREAM_5 => {
            skip_stream(cursor, kind)
        }
        kind::MODULE => {
            let module = module_name(cursor.number("the module of a value")?);
            let message = format!(
                "the value belongs to the module type {module}, which only that module understands"
            );
            Err(cursor.error(RdbErrorKind::Unsupported, message))
        }
        _ => {
            let message = format!("kind {kind} cannot be read: {}", kind::name(kind));
            Err(cursor.error(RdbErrorKind::Unsupported, message))
        }
    }
}

const FIELDS: &str = "the fields of a hash";

/// Passes as many of something as the number here says.
fn each(
    cursor: &mut Cursor<'_>,
    what: &str,
    mut skip: impl FnMut(&mut Cursor<'_>) -> Passed,
) -> Passed {
    for _ in 0..cursor.number(what)? {
        skip(cursor)?;
    }
    Ok(())
}

fn skip_text_score(cursor: &mut Cursor<'_>) -> Passed {
    // The three greatest lengths stand for what is no finite number.
    let len = cursor.byte("the length of a score")?;
    if len < 253 {
        cursor.bytes(usize::from(len), "a score")?;
    }
    Ok(())
}

fn skip_field(cursor: &mut Cursor<'_>) -> Passed {
    cursor.skip_string("the name of a field")?;
    cursor.skip_string("the value of a field")
}

fn skip_expiring_field(cursor: &mut Cursor<'_>) -> Passed {
    cursor.number("the expiry of a field")?;
    skip_field(cursor)
}

fn skip_numbers(cursor: &mut Cursor<'_>, count: usize, what: &str) -> Passed {
    (0..count).try_for_each(|_| cursor.number(what).map(|_| ()))
}

fn skip_stream(cursor: &mut Cursor<'_>, kind: u8) -> Passed {
    each(cursor, "the nodes of a stream", |cursor| {
        cursor.skip_string("the first id of a stream's node")?;
        cursor.skip_string("a node of a stream")
    })?;
    let counters = if kind >= kind::STREAM_2 { 8 } else { 3 };
    skip_numbers(cursor, counters, "a counter of a stream")?;
    each(cursor, "the groups of a stream", |cursor| {
        skip_group(cursor, kind)
    })?;
    if kind >= kind::STREAM_4 {
        skip_numbers(cursor, 2, "a limit of a stream's producers")?;
        each(cursor, "the producers of a stream", |cursor| {
            cursor.skip_string("the name of a producer")?;
            each(cursor, "the ids of a producer", |cursor| {
                cursor.skip_string("an id of a producer")?;
                skip_numbers(cursor, 2, "the id of a stream's entry")
            })
        })?;
        skip_numbers(cursor, 2, "a counter of a stream's producers")?;
    }
    Ok(())
}

fn skip_group(cursor: &mut Cursor<'_>, kind: u8) -> Passed {
    cursor.skip_string("the name of a group")?;
    let counters = if kind >= kind::STREAM_2 { 3 } else { 2 };
    skip_numbers(cursor, counters, "a counter of a group")?;
    each(cursor, "the pending entries of a group", |cursor| {
        cursor.array::<24>("a pending entry")?;
        cursor
            .number("the deliveries of a pending entry")
            .map(|_| ())
    })?;
    each(cursor, "the consumers of a group", |cursor| {
        cursor.skip_string("the name of a consumer")?;
        cursor.array::<8>("the time a consumer was seen")?;
        if kind >= kind::STREAM_3 {
            cursor.array::<8>("the time a consumer was active")?;
        }
        skip_ids(cursor)
    })?;
    if kind >= kind::STREAM_5 {
        skip_ids(cursor)?;
    }
    Ok(())
}

fn skip_ids(cursor: &mut Cursor<'_>) -> Passed {
    each(cursor, "the ids of pending entries", |cursor| {
        cursor.array::<16>("the id of a pending entry").map(|_| ())
    })
}

/// Passes what a module wrote in elements that say what they are, up to and with the one that says that it was the last.
pub fn skip_module_elements(cursor: &mut Cursor<'_>) -> Passed {
    loop {
        match cursor.number("an element of a module")? {
            0 => return Ok(()),
            1 | 2 => skip_numbers(cursor, 1, "an integer of a module")?,
            3 => cursor.array::<4>("a number of a module").map(|_| ())?,
            4 => cursor.array::<8>("a number of a module").map(|_| ())?,
            5 => cursor.skip_string("a string of a module")?,
            form => {
                let message =
                    format!("expected an element of a module and found unknown form {form}");
                return Err(cursor.error(RdbErrorKind::Malformed, message));
            }
        }
    }
}

/// The name of a module's type: nine characters of six bits each above ten bits of version.
pub fn module_name(id: u64) -> String {
    const CHARACTERS: &[u8; 64] =
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..9)
        .map(|place| char::from(CHARACTERS[(id >> (58 - 6 * place)) as usize & 63]))
        .collect()
}
