//! A shard's walk over its keys for a snapshot, in slices of its turns.
//!
//! Never: waits for the writing thread in a turn, or goes on for long: a slice ends by the clock. One key is encoded at once, however large it is.

use super::write::{Chunk, Written};
use crate::command::dump::{VERSION_7_0, VERSION_7_4, rdb_value};
use crate::engine::{Engine, Item, Policy, Type};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::time::{Duration, Instant};

/// How long a slice lasts.
const SLICE: Duration = Duration::from_micros(250);
/// Keys looked for at a time.
const KEYS_AT_A_TIME: usize = 8;
/// A chunk goes when it has so many keys, or so many bytes.
const CHUNK_KEYS: usize = 128;
/// See [`CHUNK_KEYS`].
const CHUNK_BYTES: usize = 256 << 10;

/// See the module.
pub struct Walk {
    sender: SyncSender<Chunk>,
    /// Keys are evicted by how long they have not been used.
    is_by_age: bool,
    db: usize,
    cursor: u64,
    keys: Vec<Written>,
    bytes: usize,
    /// What the writing thread had no room for.
    left: Option<Chunk>,
    /// Nothing can be done until that thread has room.
    pub is_blocked: bool,
    is_at_end: bool,
}

/// A key as it goes into the file.
fn written(engine: &Engine, item: Item, is_by_age: bool) -> Written {
    // A stream says to Redis 7.0 what it knows; a hash says when its fields expire, if any do.
    let version = match engine.type_of(item) {
        Type::Hash => VERSION_7_4,
        _ => VERSION_7_0,
    };
    let value =
        rdb_value(engine, item, version).expect("the type is the one that it was asked for");
    let frequency = engine.frequency(item);
    Written {
        key: engine.key_bytes(item).into(),
        expires_at_ms: engine.expiry(item),
        idle_s: is_by_age.then(|| engine.idle_ms(item) / 1000),
        frequency,
        value,
    }
}

impl Walk {
    /// From the first key on, to this thread; what is said of how keys were used goes by the policy.
    pub fn new(sender: SyncSender<Chunk>, policy: Policy) -> Walk {
        Walk {
            sender,
            is_by_age: matches!(policy, Policy::AllKeysLru | Policy::VolatileLru),
            db: 0,
            cursor: 0,
            keys: Vec::new(),
            bytes: 0,
            left: None,
            is_blocked: false,
            is_at_end: false,
        }
    }

    /// Goes on for a while. True: it has come to the end, or nobody wants it any more.
    pub fn slice(&mut self, engine: &mut Engine) -> bool {
        self.is_blocked = false;
        let began = Instant::now();
        loop {
            if let Some(chunk) = self.left.take() {
                match self.sender.try_send(chunk) {
                    Ok(()) => {}
                    Err(TrySendError::Full(chunk)) => {
                        self.left = Some(chunk);
                        self.is_blocked = true;
                        return false;
                    }
                    Err(TrySendError::Disconnected(_)) => return true,
                }
            }
            if self.is_at_end {
                return true;
            }
            if began.elapsed() >= SLICE {
                return false;
            }
            self.advance(engine);
        }
    }

    /// All the rest at once; waits for the writing thread.
    pub fn finish(mut self, engine: &mut Engine) {
        loop {
            if let Some(chunk) = self.left.take()
                && self.sender.send(chunk).is_err()
            {
                return;
            }
            if self.is_at_end {
                return;
            }
            self.advance(engine);
        }
    }

    /// Gathers a few keys; what is to be sent then is in `left`.
    fn advance(&mut self, engine: &mut Engine) {
        if self.db == engine.databases() {
            self.is_at_end = true;
            self.left = Some(Chunk::End);
            return;
        }
        let (keys, bytes, is_by_age) = (&mut self.keys, &mut self.bytes, self.is_by_age);
        self.cursor = engine.scan(self.db, self.cursor, KEYS_AT_A_TIME, &mut |engine, item| {
            let key = written(engine, item, is_by_age);
            *bytes += key.key.len() + key.value.len();
            keys.push(key);
        });
        let is_full = self.keys.len() >= CHUNK_KEYS || self.bytes >= CHUNK_BYTES;
        if (is_full || self.cursor == 0) && !self.keys.is_empty() {
            self.bytes = 0;
            self.left = Some(Chunk::Keys {
                db: self.db as u32,
                keys: std::mem::take(&mut self.keys),
            });
        }
        if self.cursor == 0 {
            self.db += 1;
        }
    }
}
