//! A shard's walk over its keys for a snapshot, in slices of its turns.
//!
//! Never: waits for the writing thread in a turn, or goes on for long: a slice ends by the clock, also within a large value, which goes in pieces. Their keys are set aside, and taken
//! up as soon as they can be held; who holds them is the caller's business.

use super::Save;
use super::write::{Chunk, Piece, Written};
use crate::command::dump::pieces::{Form, Pieces, Progress, is_large};
use crate::command::dump::{VERSION_7_0, VERSION_7_4, rdb_value};
use crate::engine::{Engine, Item, Policy, Touch, Type};
use crate::shard::locks::Ticket;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::time::{Duration, Instant};

/// How long a slice lasts while nobody waits for the key that is held.
pub const SLICE: Duration = Duration::from_micros(60);
/// Keys looked for at a time: between two looks at the clock.
const KEYS_AT_A_TIME: usize = 2;
/// A chunk goes when it has so many keys, or so many bytes.
const CHUNK_KEYS: usize = 128;
/// See [`CHUNK_KEYS`].
const CHUNK_BYTES: usize = 256 << 10;
/// Bytes of a large value between two looks at the clock.
const STEP_BYTES: usize = 4 << 10;
/// A piece of a large value goes when it has so many bytes.
const PIECE_BYTES: usize = 128 << 10;
/// Pieces that may wait for the writing thread.
const PIECES_MAX: usize = 32;
/// So often a walk lets go of a value that it has begun because somebody waits for the whole shard; then it goes on to its end.
const LETS_GO_MAX: u32 = 10;

/// What the caller is to do.
pub enum Step {
    /// Come back in another turn.
    More,
    /// Hold this key for reading, or not if that cannot be, and say so with [`Walk::open`].
    Wants(Box<[u8]>),
    /// Let go of what was held.
    LetsGo(Ticket),
    /// Drop the walk.
    End,
}

/// A large value that is being handed over.
struct Open {
    pieces: Pieces,
    sender: SyncSender<Piece>,
    bytes: Vec<u8>,
    is_over: bool,
}

/// See the module.
pub struct Walk {
    sender: SyncSender<Chunk>,
    save: Arc<Save>,
    /// Keys are evicted by how long they have not been used.
    is_by_age: bool,
    db: usize,
    cursor: u64,
    keys: Vec<Written>,
    bytes: usize,
    /// What the writing thread had no room for.
    left: Option<Chunk>,
    /// Keys of large values that are still to come, with their databases.
    large: VecDeque<(usize, Box<[u8]>)>,
    open: Option<Open>,
    /// What the caller holds for the value that is open.
    pub hold: Option<Ticket>,
    lets_go: u32,
    /// A key could not be held in this slice.
    is_refused: bool,
    /// Nothing can be done until the writing thread has room, or others let go of a key.
    pub is_blocked: bool,
    is_at_end: bool,
}

/// A key as it goes into the file, without its value.
fn head(engine: &Engine, item: Item, is_by_age: bool) -> Written {
    Written {
        key: engine.key_bytes(item).into(),
        expires_at_ms: engine.expiry(item),
        idle_s: is_by_age.then(|| engine.idle_ms(item) / 1000),
        frequency: engine.frequency(item),
        value: Vec::new(),
    }
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
    Written {
        value,
        ..head(engine, item, is_by_age)
    }
}

impl Walk {
    /// From the first key on, to this thread; what is said of how keys were used goes by the policy.
    pub fn new(sender: SyncSender<Chunk>, policy: Policy, save: Arc<Save>) -> Walk {
        Walk {
            sender,
            save,
            is_by_age: matches!(policy, Policy::AllKeysLru | Policy::VolatileLru),
            db: 0,
            cursor: 0,
            keys: Vec::new(),
            bytes: 0,
            left: None,
            large: VecDeque::new(),
            open: None,
            hold: None,
            lets_go: 0,
            is_refused: false,
            is_blocked: false,
            is_at_end: false,
        }
    }

    /// Goes on until the turn has had enough of it, or the caller has to do something.
    pub fn slice(&mut self, engine: &mut Engine, began: Instant, lasts: Duration) -> Step {
        self.is_blocked = false;
        self.is_refused = false;
        loop {
            if let Some(chunk) = self.left.take() {
                match self.sender.try_send(chunk) {
                    Ok(()) => {}
                    Err(TrySendError::Full(chunk)) => {
                        self.left = Some(chunk);
                        self.is_blocked = true;
                        return Step::More;
                    }
                    Err(TrySendError::Disconnected(_)) => return self.end(),
                }
            }
            if self.is_at_end {
                return self.end();
            }
            if self.open.is_none()
                && let Some(hold) = self.hold.take()
            {
                return Step::LetsGo(hold);
            }
            if began.elapsed() >= lasts {
                return Step::More;
            }
            if self.open.is_some() {
                if let Some(step) = self.go_on(engine, &|| began.elapsed() < lasts) {
                    return step;
                }
            } else if let Some((_, key)) = self.large.front()
                && !self.is_refused
                && self.take_turn()
            {
                return Step::Wants(key.clone());
            } else if self.db < engine.databases() {
                self.advance(engine);
            } else if self.large.is_empty() {
                self.is_at_end = true;
                self.left = Some(Chunk::End);
            } else {
                self.is_blocked = true;
                return Step::More;
            }
        }
    }

    /// Lets go of what is held before it ends.
    fn end(&mut self) -> Step {
        self.open = None;
        match self.hold.take() {
            Some(hold) => Step::LetsGo(hold),
            None => Step::End,
        }
    }

    /// Whether it is this shard's turn to hand a large value over.
    fn take_turn(&self) -> bool {
        let is_open = &self.save.is_large_open;
        let taken = is_open.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire);
        taken.is_ok()
    }

    fn end_turn(&self) {
        self.save.is_large_open.store(false, Ordering::Release);
    }

    /// The key that was wanted is held, or cannot be at present.
    pub fn open(&mut self, engine: &mut Engine, hold: Option<Ticket>) {
        let (db, key) = self.large.pop_front().expect("it was wanted");
        self.hold = hold;
        if hold.is_none() {
            self.large.push_back((db, key));
            self.is_refused = true;
            self.end_turn();
            return;
        }
        let item = engine.find(&engine.key(db, &key), Touch::No);
        match item {
            Some(item) if is_large(engine, item) => {
                let pieces = self.begin(engine, db, item);
                self.left = Some(pieces);
            }
            Some(item) => {
                let keys = vec![written(engine, item, self.is_by_age)];
                let db = db as u32;
                self.left = Some(Chunk::Keys { db, keys });
                self.end_turn();
            }
            None => self.end_turn(),
        }
    }

    fn begin(&mut self, engine: &Engine, db: usize, item: Item) -> Chunk {
        let mut key = head(engine, item, self.is_by_age);
        let (pieces, _) = Pieces::begin(engine, db, item, Form::Rdb, &mut key.value);
        let (sender, receiver): (_, Receiver<Piece>) = mpsc::sync_channel(PIECES_MAX);
        self.open = Some(Open {
            pieces,
            sender,
            bytes: Vec::new(),
            is_over: false,
        });
        Chunk::Large {
            db: db as u32,
            key,
            pieces: receiver,
        }
    }

    /// Hands over more of a large value. A step: that is all for now.
    fn go_on(&mut self, engine: &mut Engine, goes_on: &dyn Fn() -> bool) -> Option<Step> {
        let open = self.open.as_mut().expect("it is open");
        while !open.is_over && open.bytes.len() < PIECE_BYTES {
            match open.pieces.step(engine, &mut open.bytes, STEP_BYTES) {
                Progress::More => {}
                Progress::End => open.is_over = true,
                Progress::Gone => {
                    self.give_up();
                    return None;
                }
            }
            if !goes_on() {
                break;
            }
        }
        if !open.is_over && open.bytes.len() < PIECE_BYTES {
            return None;
        }
        let piece = match open.bytes.is_empty() {
            true => Piece::End,
            false => Piece::Bytes(std::mem::take(&mut open.bytes)),
        };
        let is_end = matches!(piece, Piece::End);
        match open.sender.try_send(piece) {
            Ok(()) if is_end => {
                self.open = None;
                self.end_turn();
                None
            }
            Ok(()) => None,
            Err(TrySendError::Full(piece)) => {
                if let Piece::Bytes(bytes) = piece {
                    open.bytes = bytes;
                }
                self.is_blocked = true;
                Some(Step::More)
            }
            Err(TrySendError::Disconnected(_)) => Some(self.end()),
        }
    }

    /// The value is not handed over to its end now, and comes later if it is there then.
    fn give_up(&mut self) {
        if let Some(open) = self.open.take() {
            let key = (open.pieces.db(), open.pieces.key().into());
            self.large.push_back(key);
            self.end_turn();
        }
    }

    /// Somebody waits for the whole shard. Whether it gives up what it has begun, so that the caller lets go of what it holds.
    pub fn lets_go(&mut self) -> bool {
        // What the writing thread has not been given cannot be taken back.
        let may = self.lets_go < LETS_GO_MAX && self.open.is_some() && self.left.is_none();
        if may {
            self.lets_go += 1;
            self.hold = None;
            self.give_up();
        }
        may
    }

    /// All the rest at once; waits for the writing thread. Nobody changes anything any more.
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
            if let Some(mut open) = self.open.take() {
                let mut progress = Progress::More;
                while progress == Progress::More {
                    progress = open.pieces.step(engine, &mut open.bytes, PIECE_BYTES);
                    let bytes = std::mem::take(&mut open.bytes);
                    if progress != Progress::Gone && open.sender.send(Piece::Bytes(bytes)).is_err()
                    {
                        return;
                    }
                }
                if progress == Progress::End && open.sender.send(Piece::End).is_err() {
                    return;
                }
            } else if let Some((db, key)) = self.large.pop_front() {
                let item = engine.find(&engine.key(db, &key), Touch::No);
                self.left = item.map(|item| self.begin(engine, db, item));
            } else if self.db < engine.databases() {
                self.advance(engine);
            } else {
                self.is_at_end = true;
                self.left = Some(Chunk::End);
            }
        }
    }

    /// Gathers a few keys; what is to be sent then is in `left`.
    fn advance(&mut self, engine: &mut Engine) {
        let (keys, bytes, is_by_age) = (&mut self.keys, &mut self.bytes, self.is_by_age);
        let (large, db) = (&mut self.large, self.db);
        self.cursor = engine.scan(db, self.cursor, KEYS_AT_A_TIME, &mut |engine, item| {
            if is_large(engine, item) {
                large.push_back((db, engine.key_bytes(item).into()));
                return;
            }
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
