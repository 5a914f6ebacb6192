//! The shard's side of an import: what came for it is decoded and stored.
//!
//! Never: looks at a key twice, or keeps what came longer than it takes to store it.

use super::read::{Batch, Payload, Piece};
use super::{Import, TYPES};
use crate::command::dump::image::{self, ImageHead};
use crate::command::dump::{DumpError, decode_value, store};
use crate::engine::{Engine, Expiry, Touch};
use crate::shard::Shard;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

/// What a value in a file is put under.
pub struct Place<'a> {
    /// The database.
    pub db: u32,
    /// The key.
    pub key: &'a [u8],
    /// When it expires, Unix milliseconds.
    pub expires_at_ms: Option<i64>,
    /// How long it has not been used.
    pub idle_ms: Option<u64>,
    /// How often it was used, on Redis' scale.
    pub frequency: Option<u8>,
}

/// Stores everything that comes until nothing more does.
pub fn all(import: &Import, shard: &mut Shard, receiver: &Receiver<Batch>) -> Result<(), String> {
    let mut counts = [0; TYPES.len()];
    while let Ok(batch) = receiver.recv() {
        for piece in batch {
            take(shard, &piece, &mut counts)?;
        }
        for (total, count) in import.figures.keys.iter().zip(&mut counts) {
            total.fetch_add(std::mem::take(count), Ordering::Relaxed);
        }
    }
    Ok(())
}

fn take(shard: &mut Shard, piece: &Piece, counts: &mut [u64]) -> Result<(), String> {
    let engine = &mut shard.engine;
    let place = piece.place();
    match &piece.payload {
        Payload::InFile { file, kind, bytes } => {
            put(engine, &place, *kind, &file.bytes[bytes.clone()]).map_err(|what| {
                format!(
                    "{} at byte {}: the value of key \"{}\" in database {} cannot be stored: {what}",
                    file.name,
                    bytes.start,
                    shown(place.key),
                    place.db
                )
            })?;
        }
        Payload::Image { kind, bytes } => {
            let head = ImageHead {
                kind: *kind,
                expires_at_ms: place.expires_at_ms,
            };
            let key = engine.key(place.db as usize, place.key);
            image::read(engine, &key, head, bytes).map_err(|error| {
                format!("key \"{}\" cannot be stored: {error}", shown(place.key))
            })?;
            adorn(engine, &place);
        }
    }
    let key = engine.key(place.db as usize, place.key);
    // A collection without elements is no key.
    if let Some(item) = engine.find(&key, Touch::No) {
        let found = engine.type_of(item);
        let at = TYPES.iter().position(|known| *known == found);
        counts[at.expect("every type is among them")] += 1;
    }
    Ok(())
}

/// A key's name for a message.
fn shown(key: &[u8]) -> String {
    key[..key.len().min(100)].escape_ascii().to_string()
}

/// Stores a value as it stands in a file. A collection without elements is left out, as Redis does.
pub fn put(engine: &mut Engine, place: &Place<'_>, kind: u8, value: &[u8]) -> Result<(), String> {
    let db = place.db as usize;
    if db >= engine.databases() {
        return Err("its database is beyond --databases".into());
    }
    // What the value announces is bounded by the bytes that it has.
    let value = match decode_value(kind, value, usize::MAX) {
        Ok(value) => value,
        Err(DumpError::Empty) => return Ok(()),
        Err(_) => return Err("the bytes make no value".into()),
    };
    let expiry = place.expires_at_ms.map_or(Expiry::None, Expiry::At);
    let key = engine.key(db, place.key);
    store(engine, &key, value, expiry).map_err(|error| error.to_string())?;
    adorn(engine, place);
    Ok(())
}

/// How long it was not used, or how often it was, if the policy wants to know.
fn adorn(engine: &mut Engine, place: &Place<'_>) {
    if place.idle_ms.is_none() && place.frequency.is_none() {
        return;
    }
    let key = engine.key(place.db as usize, place.key);
    let Some(item) = engine.find(&key, Touch::No) else {
        return;
    };
    if let Some(idle_ms) = place.idle_ms {
        engine.set_idle_ms(item, idle_ms);
    }
    if let Some(frequency) = place.frequency {
        engine.set_frequency(item, frequency);
    }
}
