//! The image of a key for a shard's log: its value, expiry, attributes and tags as bytes, and back.
//!
//! Never: a form for others. Strings stand there as they are, since most keys are strings and a log is read as fast as they can be stored; all else is as in
//! an RDB file. The decision worth knowing: an image replaces whatever is there, so that it may be read twice.

use super::DumpError;
use super::VERSION_7_4;
use super::commands::{rdb_value, store};
use crate::command::CommandError;
use crate::engine::{Attributes, Encoding, Engine, Expiry, Item, Key, NewValue, Touch, Value};

/// What follows is a string as it is.
const TEXT: u8 = 0;
/// A string that was modified in place, and is shown as such.
const RAW: u8 = 1;
/// Eight bytes of an integer, the lowest first.
const INTEGER: u8 = 2;
/// A value as in an RDB file: its type and its body.
const DUMPED: u8 = 3;
/// Attributes and tags stand before all that.
const ADORNED: u8 = 0x80;

const STALE: u8 = 1;
const WON: u8 = 2;

/// What of an image stands beside its payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageHead {
    /// How the payload is to be read.
    pub kind: u8,
    /// When the key expires, Unix milliseconds.
    pub expires_at_ms: Option<i64>,
}

/// Appends the payload of a key's image to `out`; None, and nothing appended, when it is not there.
pub fn write(engine: &mut Engine, key: &Key<'_>, out: &mut Vec<u8>) -> Option<ImageHead> {
    let item = engine.find(key, Touch::No)?;
    Some(write_item(engine, key, item, out))
}

/// The same for a key that is there.
pub fn write_item(engine: &Engine, key: &Key<'_>, item: Item, out: &mut Vec<u8>) -> ImageHead {
    let head = write_head(engine, key, item, out);
    write_value(engine, item, out);
    head
}

/// Appends what of a payload is before the value itself.
pub(super) fn write_head(
    engine: &Engine,
    key: &Key<'_>,
    item: Item,
    out: &mut Vec<u8>,
) -> ImageHead {
    let mut kind = 0;
    let attributes = engine.attributes(item);
    let tags = engine.tags_copied(key);
    if attributes != Attributes::default() || !tags.is_empty() {
        kind = ADORNED;
        out.extend_from_slice(&attributes.client_flags.to_le_bytes());
        out.push((u8::from(attributes.stale) * STALE) | (u8::from(attributes.won) * WON));
        out.push(attributes.width);
        out.push(tags.len() as u8);
        for tag in &tags {
            out.extend_from_slice(&(tag.len() as u32).to_le_bytes());
            out.extend_from_slice(tag);
        }
    }
    kind |= form_of(engine, item);
    let expires_at_ms = engine.expiry(item);
    ImageHead {
        kind,
        expires_at_ms,
    }
}

/// How a value is to be read.
fn form_of(engine: &Engine, item: Item) -> u8 {
    match engine.value(item) {
        Value::Packed(..) | Value::Collection(_) => DUMPED,
        Value::Integer(_) => INTEGER,
        Value::Bytes(_) | Value::Large(_) => match engine.encoding(item) {
            Encoding::Raw => RAW,
            _ => TEXT,
        },
    }
}

fn write_value(engine: &Engine, item: Item, out: &mut Vec<u8>) {
    match engine.value(item) {
        Value::Integer(integer) => out.extend_from_slice(&integer.to_le_bytes()),
        Value::Bytes(bytes) => out.extend_from_slice(bytes),
        Value::Large(large) => out.extend_from_slice(large.as_slice()),
        Value::Packed(..) | Value::Collection(_) => {
            let dumped = rdb_value(engine, item, VERSION_7_4);
            let dumped = dumped.expect("the type is the one that it was asked for");
            out.extend_from_slice(dumped.plain());
        }
    }
}

fn take<'a>(bytes: &mut &'a [u8], len: usize) -> Result<&'a [u8], DumpError> {
    let (taken, rest) = bytes.split_at_checked(len).ok_or(DumpError::Format)?;
    *bytes = rest;
    Ok(taken)
}

fn take_byte(bytes: &mut &[u8]) -> Result<u8, DumpError> {
    Ok(take(bytes, 1)?[0])
}

fn take_u32(bytes: &mut &[u8]) -> Result<u32, DumpError> {
    let taken = take(bytes, 4)?;
    Ok(u32::from_le_bytes(taken.try_into().expect("four bytes")))
}

/// Whether a payload of this kind is that of a key which was promised to a client.
pub fn is_won(kind: u8, payload: &[u8]) -> bool {
    kind & ADORNED != 0 && payload.get(4).is_some_and(|bits| bits & WON != 0)
}

/// Puts the key that an image is of where it was, replacing what is there. An error when the payload is none, or there is no memory.
pub fn read(
    engine: &mut Engine,
    key: &Key<'_>,
    head: ImageHead,
    mut payload: &[u8],
) -> Result<(), CommandError> {
    let expiry = head.expires_at_ms.map_or(Expiry::None, Expiry::At);
    let mut attributes = Attributes::default();
    let mut tags: Vec<Box<[u8]>> = Vec::new();
    if head.kind & ADORNED != 0 {
        attributes.client_flags = take_u32(&mut payload)?;
        let bits = take_byte(&mut payload)?;
        (attributes.stale, attributes.won) = (bits & STALE != 0, bits & WON != 0);
        attributes.width = take_byte(&mut payload)?;
        for _ in 0..take_byte(&mut payload)? {
            let len = take_u32(&mut payload)?;
            tags.push(take(&mut payload, len as usize)?.into());
        }
    }
    match head.kind & !ADORNED {
        TEXT => engine.set(key, NewValue::Text(payload), expiry)?,
        RAW => engine.set(key, NewValue::RawBytes(payload), expiry)?,
        INTEGER => {
            let integer = payload.try_into().map_err(|_| DumpError::Format)?;
            let integer = i64::from_le_bytes(integer);
            engine.set(key, NewValue::Integer(integer), expiry)?;
        }
        DUMPED => {
            let kind = take_byte(&mut payload)?;
            let value = super::decode_value(kind, payload, usize::MAX)?;
            store(engine, key, value, expiry)?;
        }
        _ => return Err(DumpError::Format.into()),
    }
    if attributes != Attributes::default() {
        engine.set_attributes(key, attributes)?;
    }
    engine.add_tags(key, &tags);
    Ok(())
}
