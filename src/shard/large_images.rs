//! Large values whose images a rewriting of the log still owes, and the one that is being written piece by piece.
//!
//! Never: knows locks, or what a log is. Who writes pieces sees to it that nobody changes the key meanwhile. The decision worth knowing: only keys of large values are ever kept here,
//! so that what it takes is nothing beside what they take; small values are written at once.

use crate::command::dump::image::ImageHead;
use crate::command::dump::pieces::{Form, Pieces, Progress};
use crate::engine::{Engine, Item};
use foldhash::HashSet;
use std::collections::VecDeque;

/// A database and a key of it.
pub type DbKey = (usize, Box<[u8]>);

/// Bytes of a step, between two looks at the clock.
const STEP_BYTES: usize = 4 << 10;
/// Bytes at which a piece is long enough.
const PIECE_BYTES: usize = 64 << 10;

/// The value that is being written.
#[derive(Debug)]
struct Open {
    pieces: Pieces,
    head: ImageHead,
    /// No piece of it has been taken.
    is_first: bool,
}

/// A piece of an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Piece {
    /// What of the image stands beside its payload.
    pub head: ImageHead,
    /// The payload begins here.
    pub first: bool,
    /// The payload ends here.
    pub last: bool,
}

/// See the module.
#[derive(Debug, Default)]
pub struct LargeImages {
    /// Those that the walk over all keys has found.
    found: VecDeque<DbKey>,
    /// Those that have to be written when the walk is over, again perhaps.
    again: VecDeque<DbKey>,
    /// All of these, and the one that is being written.
    owed: HashSet<DbKey>,
    open: Option<Open>,
    /// What of it has been read and not been written down.
    payload: Vec<u8>,
}

impl LargeImages {
    /// Whether nothing is owed, and nothing is being written.
    pub fn is_empty(&self) -> bool {
        self.owed.is_empty()
    }

    /// How many are owed, with the one that is being written.
    pub fn len(&self) -> usize {
        self.owed.len()
    }

    /// Whether a key's image is owed.
    pub fn has(&self, db: usize, key: &[u8]) -> bool {
        !self.owed.is_empty() && self.owed.contains(&(db, key.into()))
    }

    /// The walk over all keys has come to one.
    pub fn found(&mut self, db: usize, key: &[u8]) {
        if self.owed.insert((db, key.into())) {
            self.found.push_back((db, key.into()));
        }
    }

    /// A key's image is to be written when the walk is over, whether it was written before or not.
    pub fn again(&mut self, db: usize, key: &[u8]) {
        if self.owed.insert((db, key.into())) {
            self.again.push_back((db, key.into()));
        }
    }

    /// The next that is owed. It stays so until [`LargeImages::done`], or comes back with [`LargeImages::put_back`].
    pub fn next(&mut self, is_walk_over: bool) -> Option<DbKey> {
        let next = self.found.pop_front();
        match next {
            None if is_walk_over => self.again.pop_front(),
            next => next,
        }
    }

    /// All that are owed and not being written, as with [`LargeImages::next`].
    pub fn take_all(&mut self) -> VecDeque<DbKey> {
        let mut all = std::mem::take(&mut self.found);
        all.append(&mut self.again);
        all
    }

    /// A key that could not be written comes last.
    pub fn put_back(&mut self, key: DbKey) {
        self.found.push_back(key);
    }

    /// A key's image is not owed any more.
    pub fn done(&mut self, key: &DbKey) {
        self.owed.remove(key);
    }

    /// All that are owed and not being written.
    pub fn keys(&self) -> impl Iterator<Item = &DbKey> {
        self.found.iter().chain(&self.again)
    }

    /// Two databases have changed their names: what was owed of one may be owed of another.
    pub fn swapped(&mut self, databases: usize) {
        let keys: Vec<DbKey> = self.keys().cloned().collect();
        for (_, key) in keys {
            (0..databases).for_each(|db| self.again(db, &key));
        }
    }

    /// Whether one is being written.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Begins to write one.
    pub fn open(&mut self, engine: &Engine, db: usize, item: Item) {
        self.payload.clear();
        let (pieces, head) = Pieces::begin(engine, db, item, Form::Image, &mut self.payload);
        self.open = Some(Open {
            pieces,
            head,
            is_first: true,
        });
    }

    /// Reads the next piece, for as long as `goes_on` says; [`LargeImages::payload`] has its payload. None: the value is not what it was; the pieces so far mean nothing, and
    /// the image is still owed.
    pub fn piece(
        &mut self,
        engine: &mut Engine,
        mut goes_on: impl FnMut() -> bool,
    ) -> Option<Piece> {
        let open = self.open.as_mut().expect("one is being written");
        let out = &mut self.payload;
        let progress = loop {
            let progress = open.pieces.step(engine, out, STEP_BYTES);
            if progress != Progress::More || out.len() >= PIECE_BYTES || !goes_on() {
                break progress;
            }
        };
        let first = std::mem::take(&mut open.is_first);
        let head = open.head;
        match progress {
            Progress::More | Progress::End => Some(Piece {
                head,
                first,
                last: progress == Progress::End,
            }),
            Progress::Gone => {
                self.give_up();
                None
            }
        }
    }

    /// The payload of the piece that has been read.
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// It has been written down.
    pub fn written(&mut self, piece: Piece) {
        self.payload.clear();
        // A long element does not keep its memory.
        self.payload.shrink_to(4 * PIECE_BYTES);
        if piece.last {
            self.close();
        }
    }

    /// The one that is being written.
    pub fn open_key(&self) -> Option<(usize, &[u8])> {
        let open = self.open.as_ref()?;
        Some((open.pieces.db(), open.pieces.key()))
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.done(&(open.pieces.db(), open.pieces.key().into()));
        }
    }

    /// It is not written to its end now. It is owed.
    pub fn give_up(&mut self) {
        if let Some(open) = self.open.take() {
            self.put_back((open.pieces.db(), open.pieces.key().into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(images: &mut LargeImages, is_walk_over: bool) -> Option<String> {
        let (db, key) = images.next(is_walk_over)?;
        Some(format!("{db}{}", String::from_utf8_lossy(&key)))
    }

    #[test]
    fn what_is_owed_comes_once_and_stays_owed_until_it_is_done() {
        let mut images = LargeImages::default();
        images.found(0, b"a");
        images.again(1, b"b");
        images.again(0, b"a");
        images.found(1, b"b");
        assert_eq!(images.len(), 2);
        assert_eq!(key(&mut images, false).as_deref(), Some("0a"));
        assert_eq!(
            key(&mut images, false),
            None,
            "what comes again waits for the end of the walk"
        );
        assert!(images.has(0, b"a"), "it is taken and not written");
        images.put_back((0, (*b"a").into()));
        assert_eq!(key(&mut images, true).as_deref(), Some("0a"));
        images.done(&(0, (*b"a").into()));
        assert!(!images.has(0, b"a"));
        assert_eq!(key(&mut images, true).as_deref(), Some("1b"));
        assert_eq!(key(&mut images, true), None);
        assert!(!images.is_empty());
        images.done(&(1, (*b"b").into()));
        assert!(images.is_empty());
    }

    #[test]
    fn after_databases_have_changed_their_names_all_of_them_owe() {
        let mut images = LargeImages::default();
        images.found(2, b"k");
        images.swapped(4);
        assert_eq!(images.len(), 4);
        assert!((0..4).all(|db| images.has(db, b"k")));
    }
}
