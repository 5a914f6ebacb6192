//! What a shard's log has to know beside the commands that ran: keys that were lost on the way, and what a command with a choice has chosen.
//!
//! Never: writes a log, or knows what one looks like. Memory may be short at any moment, so that the loss of a key is part of no command; and who replays
//! commands has to lose the same keys. The decision worth knowing: expiry needs no record, since a log tells the time of each command and keys know theirs.
//! Only while the log is being rewritten it does, because a key may then be replayed before its image comes, and live without the expiry it had.

use super::{Engine, EventClass};
use crate::config::EventClasses;
use std::mem;

/// How much is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Journaling {
    /// Nothing.
    Off,
    /// Evictions and effects.
    On,
    /// Also what has expired.
    Rewriting,
}

/// A key that is gone, or has lost fields, though no command was about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// The database.
    pub db: usize,
    /// The key.
    pub key: Box<[u8]>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Journaled {
    is_on: bool,
    /// Events that are losses.
    wanted: EventClasses,
    lost: Vec<Lost>,
    effect: Option<Vec<Box<[u8]>>>,
}

impl Journaled {
    /// Whether an event of a class may be a loss.
    #[inline]
    pub(super) fn wants(&self, class: EventClass) -> bool {
        self.wanted.has(class)
    }

    /// An event of a class that is wanted.
    #[cold]
    pub(super) fn note(&mut self, class: EventClass, name: &str, db: usize, key: &[u8]) {
        if class != EventClass::Hash || name == "hexpired" {
            let key = key.into();
            self.lost.push(Lost { db, key });
        }
    }
}

impl Engine {
    /// Records from now on.
    pub fn set_journaling(&mut self, journaling: Journaling) {
        let none = EventClasses::default();
        let evictions = none.with(EventClass::Evicted);
        self.journaled.is_on = journaling != Journaling::Off;
        self.journaled.wanted = match journaling {
            Journaling::Off => none,
            Journaling::On => evictions,
            Journaling::Rewriting => evictions.with(EventClass::Expired).with(EventClass::Hash),
        };
    }

    /// Whether effects are asked for.
    #[inline]
    pub fn is_journaled(&self) -> bool {
        self.journaled.is_on
    }

    /// Says what the command that runs has done, in words that do the same when they are run again: for one with a choice that is not in its arguments.
    pub fn note_effect(&mut self, words: Vec<Box<[u8]>>) {
        self.journaled.effect = Some(words);
    }

    /// What the last command has said that it has done.
    #[inline]
    pub fn take_effect(&mut self) -> Option<Vec<Box<[u8]>>> {
        self.journaled.effect.take()
    }

    /// Whether keys were lost.
    #[inline]
    pub fn has_lost(&self) -> bool {
        !self.journaled.lost.is_empty()
    }

    /// A key is not any more what is written down of it.
    pub(super) fn note_lost(&mut self, db: usize, key: Box<[u8]>) {
        self.journaled.lost.push(Lost { db, key });
    }

    /// The keys that were lost, in order. They may be there again.
    pub fn take_lost(&mut self) -> Vec<Lost> {
        mem::take(&mut self.journaled.lost)
    }
}
