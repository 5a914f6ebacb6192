//! A shard's part of a snapshot in slices of its turns: what its picture gives out goes to the writing thread.
//!
//! Never: waits for the writing thread in a turn, unless so much waits for it that memory would have no bound, or goes on for long: a slice ends by the clock, also within a large value,
//! which goes in pieces. Their keys are set aside, and taken up as soon as they can be held; who holds them is the caller's business.

use super::Save;
use super::channel::{self, Receiver, Sender};
use super::write::{Chunk, Piece};
use crate::command::dump::Payload;
use crate::command::dump::pieces::{Form, Pieces, Progress, is_large};
use crate::engine::{Engine, Item, Touch};
use crate::shard::Shard;
use crate::shard::locks::Ticket;
use crate::shard::picture::{Batch, Picture};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::TrySendError;
use std::time::{Duration, Instant};

/// How long a slice lasts while nobody waits for the key that is held.
pub const SLICE: Duration = Duration::from_micros(60);
/// Bytes of a large value between two looks at the clock.
const STEP_BYTES: usize = 4 << 10;
/// A piece of a large value goes when it has so many bytes.
const PIECE_BYTES: usize = 128 << 10;
/// Pieces that may wait for the writing thread.
const PIECES_MAX: usize = 32;
/// So often a walk lets go of a value that it has begun because somebody waits for the whole shard; then it goes on to its end.
const LETS_GO_MAX: u32 = 10;
/// Bytes of keys that were given out before they changed, and that the writing thread has no room for: from then on the shard waits for it. So many, or this part of
/// the shard's memory if that is more.
const READY_BYTES_MAX: usize = 32 << 20;
/// See [`READY_BYTES_MAX`].
const READY_DIVISOR: usize = 32;
/// From this part of them on the writing thread is short of time.
const BACKLOG_DIVISOR: usize = 8;

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
    sender: Sender<Piece>,
    bytes: Vec<u8>,
    is_over: bool,
}

/// See the module.
pub struct Walk {
    sender: Sender<Chunk>,
    save: Arc<Save>,
    /// What the writing thread had no room for.
    left: Option<Chunk>,
    open: Option<Open>,
    /// What the caller holds for the value that is open.
    pub hold: Option<Ticket>,
    lets_go: u32,
    ready_bytes_max: usize,
    /// A key could not be held in this slice.
    is_refused: bool,
    /// Nothing can be done until the writing thread has room, or others let go of a key.
    pub is_blocked: bool,
    is_at_end: bool,
}

fn chunk(batch: Batch) -> Chunk {
    Chunk::Keys {
        db: batch.db as u32,
        keys: batch.keys,
    }
}

/// The picture that a walk is of.
fn picture(shard: &mut Shard) -> (&mut Picture, &mut Engine) {
    let picture = shard.picture.as_mut();
    let picture = picture.expect("it is there for as long as the walk");
    (picture, &mut shard.engine)
}

impl Walk {
    /// To this thread, of so many bytes of memory.
    pub fn new(sender: Sender<Chunk>, save: Arc<Save>, bytes: u64) -> Walk {
        Walk {
            ready_bytes_max: READY_BYTES_MAX.max(bytes as usize / READY_DIVISOR),
            sender,
            save,
            left: None,
            open: None,
            hold: None,
            lets_go: 0,
            is_refused: false,
            is_blocked: false,
            is_at_end: false,
        }
    }

    /// Says what the shard's picture takes.
    pub fn note_picture(&self, shard: usize, picture: &Picture) {
        let is_behind = picture.ready_bytes() > self.ready_bytes_max / BACKLOG_DIVISOR;
        self.save.note_picture(shard, picture.bytes(), is_behind);
    }

    /// Goes on until the turn has had enough of it, or the caller has to do something.
    pub fn slice(&mut self, shard: &mut Shard, began: Instant, lasts: Duration) -> Step {
        self.is_blocked = false;
        self.is_refused = false;
        let (picture, engine) = picture(shard);
        if picture.is_void() {
            self.void();
        }
        if self.save.is_void.load(Ordering::Relaxed) {
            return self.end(picture);
        }
        if picture.ready_bytes() > self.ready_bytes_max && !self.relieve(picture, engine) {
            return self.end(picture);
        }
        loop {
            if let Some(chunk) = self.left.take() {
                match self.sender.try_send(chunk) {
                    Ok(()) => {}
                    Err(TrySendError::Full(chunk)) => {
                        self.left = Some(chunk);
                        self.is_blocked = true;
                        return Step::More;
                    }
                    Err(TrySendError::Disconnected(_)) => return self.end(picture),
                }
            }
            if self.is_at_end {
                return self.end(picture);
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
                // Nothing else can go before its end: the writing thread waits for that.
                if let Some(step) = self.go_on(picture, engine, &|| began.elapsed() < lasts) {
                    return step;
                }
            } else if let Some(batch) = picture.take(false) {
                self.left = Some(chunk(batch));
            } else if let Some(next) = picture.next_large()
                && !self.is_refused
                && self.take_turn()
            {
                match next.hold {
                    None => return Step::Wants(next.key.clone()),
                    Some(_) => self.open(picture, engine, None),
                }
            } else if !picture.is_walked() {
                picture.walk(engine);
            } else if let Some(batch) = picture.take(true) {
                self.left = Some(chunk(batch));
            } else if picture.next_large().is_none() {
                self.is_at_end = true;
                self.left = Some(Chunk::End);
            } else {
                self.is_blocked = true;
                return Step::More;
            }
        }
    }

    /// The moment is gone, for all shards.
    pub fn void(&self) {
        self.save.is_void.store(true, Ordering::Relaxed);
    }

    /// Lets go of what is held before it ends.
    fn end(&mut self, picture: &mut Picture) -> Step {
        self.open = None;
        match self.hold.take().or_else(|| picture.take_hold()) {
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
    pub fn answer(&mut self, shard: &mut Shard, hold: Option<Ticket>) {
        let (picture, engine) = picture(shard);
        if hold.is_some() {
            self.open(picture, engine, hold);
        } else {
            picture.put_off_large();
            self.is_refused = true;
            self.end_turn();
        }
    }

    /// Begins with the next large value, unless it has been given out, whose key is held: by `hold`, or already.
    fn open(&mut self, picture: &mut Picture, engine: &mut Engine, hold: Option<Ticket>) {
        let (large, is_owed) = picture.take_large(engine).expect("it was looked at");
        self.hold = large.hold.or(hold);
        let key = engine.key(large.db, &large.key);
        let item = engine.find(&key, Touch::No).filter(|_| is_owed);
        match item {
            Some(item) if is_large(engine, item) => self.begin(picture, engine, large.db, item),
            Some(item) => {
                // Fields of it have expired.
                picture.give(engine, large.db, item);
                self.end_turn();
            }
            None => self.end_turn(),
        }
    }

    fn begin(&mut self, picture: &Picture, engine: &Engine, db: usize, item: Item) {
        let mut key = picture.head(engine, item);
        let mut value = Vec::new();
        let (pieces, _) = Pieces::begin(engine, db, item, Form::Rdb, &mut value);
        key.value = Payload::of(value);
        let (sender, receiver): (_, Receiver<Piece>) = channel::bounded(PIECES_MAX);
        self.open = Some(Open {
            pieces,
            sender,
            bytes: Vec::new(),
            is_over: false,
        });
        self.left = Some(Chunk::Large {
            db: db as u32,
            key,
            pieces: receiver,
        });
    }

    /// Hands over more of a large value. A step: that is all for now.
    fn go_on(
        &mut self,
        picture: &mut Picture,
        engine: &mut Engine,
        goes_on: &dyn Fn() -> bool,
    ) -> Option<Step> {
        let open = self.open.as_mut().expect("it is open");
        while !open.is_over && open.bytes.len() < PIECE_BYTES {
            match open.pieces.step(engine, &mut open.bytes, STEP_BYTES) {
                Progress::More => {}
                Progress::End => open.is_over = true,
                Progress::Gone => {
                    self.give_up(picture, engine);
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
            Err(TrySendError::Disconnected(_)) => Some(self.end(picture)),
        }
    }

    /// The value is not handed over to its end now, and comes later if it is there then.
    fn give_up(&mut self, picture: &mut Picture, engine: &Engine) {
        if let Some(open) = self.open.take() {
            picture.put_back_large(engine, open.pieces.db(), open.pieces.key());
            self.end_turn();
        }
    }

    /// Somebody waits for the whole shard. Whether it gives up what it has begun, so that the caller lets go of what it holds.
    pub fn lets_go(&mut self, shard: &mut Shard) -> bool {
        // What the writing thread has not been given cannot be taken back.
        let may = self.lets_go < LETS_GO_MAX && self.open.is_some() && self.left.is_none();
        if may {
            self.lets_go += 1;
            self.hold = None;
            let (picture, engine) = picture(shard);
            self.give_up(picture, engine);
        }
        may
    }

    /// Hands over what has been begun, and waits for the writing thread. False: nobody takes it.
    fn hand_over(&mut self, picture: &mut Picture, engine: &mut Engine) -> bool {
        if let Some(chunk) = self.left.take()
            && self.sender.send(chunk).is_err()
        {
            return false;
        }
        while let Some(open) = &mut self.open {
            let progress = match open.is_over {
                true => Progress::End,
                false => open.pieces.step(engine, &mut open.bytes, PIECE_BYTES),
            };
            let bytes = std::mem::take(&mut open.bytes);
            let is_taken = match progress {
                Progress::Gone => {
                    self.give_up(picture, engine);
                    continue;
                }
                _ if bytes.is_empty() => true,
                _ => open.sender.send(Piece::Bytes(bytes)).is_ok(),
            };
            if !is_taken || progress == Progress::End && open.sender.send(Piece::End).is_err() {
                return false;
            }
            if progress == Progress::End {
                self.open = None;
                self.end_turn();
            }
        }
        true
    }

    /// Waits until no more is ready than may be. False: nobody takes it.
    #[cold]
    fn relieve(&mut self, picture: &mut Picture, engine: &mut Engine) -> bool {
        let mut is_taken = self.hand_over(picture, engine);
        while is_taken
            && picture.ready_bytes() > self.ready_bytes_max
            && let Some(batch) = picture.take(true)
        {
            is_taken = self.sender.send(chunk(batch)).is_ok();
        }
        is_taken
    }

    /// All the rest at once; waits for the writing thread. Nobody changes anything any more.
    pub fn finish(mut self, shard: &mut Shard) {
        let (picture, engine) = picture(shard);
        while !self.is_at_end {
            if let Some(batch) = picture.take(picture.is_walked()) {
                self.left = Some(chunk(batch));
            } else if picture.next_large().is_some() {
                self.open(picture, engine, None);
            } else if !picture.is_walked() {
                picture.walk(engine);
            } else {
                self.is_at_end = true;
                self.left = Some(Chunk::End);
            }
            if !self.hand_over(picture, engine) {
                return;
            }
        }
    }
}
