//! What a shard tells its log: each change to its data, in the order in which they happened and in words that do the same when they are run again.
//!
//! Never: does I/O, or decides when anything is durable; the log's writer does (`persist::log`), and the worker carries out what it asks for.
//! The decisions worth knowing. A command is written down as it came, with its time, if that is enough: it nearly always is, because the engine takes time and
//! chance from outside. What depends on more (tokens, leases, chance, the order of a table) is written as what it did: other words, or an image of the key. What belongs to a
//! transaction is gathered until that ends, and is one record, so that it is there as a whole or not at all. While the log is rewritten
//! a command about several keys is written as their images, because some of them may be replayed before their own images have come.

use super::Shard;
use crate::command::dump::image;
use crate::command::table::{Command, flags};
use crate::command::{self, Context};
use crate::engine::value::stream::Stream;
use crate::engine::{Client, Engine, Key, Lost, Touch};
use crate::persist::entry::{self, Participants, Value};
use crate::persist::log::Log;
use crate::protocol::args::{Args, IN_LARGE};
use foldhash::HashMap;

/// One shard's side of the end of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// The client whose transaction it is.
    pub client: Client,
    /// Its number; 0 for one that concerns a single shard.
    pub number: u64,
    /// The shards that have a part of it.
    pub participants: Participants,
}

/// See the module.
#[derive(Default)]
pub struct Journal {
    /// The log; None: nothing is kept.
    pub log: Option<Box<Log>>,
    /// Whether the log is being rewritten.
    pub is_rewriting: bool,
    /// Whose transaction the changes belong to that happen now.
    gathers_for: Option<Client>,
    /// What transactions have changed that have not ended.
    gathered: HashMap<Client, Vec<u8>>,
    /// Encoded entries, before they go where they belong.
    scratch: Vec<u8>,
    image: Vec<u8>,
}

/// How a command is written down.
enum Form {
    /// As it came.
    Words,
    /// As an XADD or XTRIM whose option at this place says how many entries it has left.
    Trimmed(usize),
    /// As images of its keys.
    Images,
}

impl Journal {
    /// Whether anything is written down.
    #[inline]
    pub fn is_on(&self) -> bool {
        self.log.is_some()
    }

    /// Changes belong to a client's transaction from now on; what was before is given back.
    #[inline]
    pub fn gather_for(&mut self, client: Option<Client>) -> Option<Client> {
        std::mem::replace(&mut self.gathers_for, client)
    }

    /// Ends a transaction: what it has changed here becomes a record. One of several shards has its record on each, changes or not.
    pub fn commit(&mut self, commit: Commit) {
        let Some(log) = &mut self.log else {
            return;
        };
        let gathered = self.gathered.remove(&commit.client);
        if gathered.is_none() && commit.number == 0 {
            return;
        }
        self.scratch.clear();
        entry::part_head(&mut self.scratch, commit.number, commit.participants);
        log.append(&[&self.scratch, &gathered.unwrap_or_default()]);
    }

    /// Writes the entry in `scratch` down, or gathers it.
    fn settle(&mut self) {
        match self.gathers_for {
            Some(client) => {
                let gathered = self.gathered.entry(client).or_default();
                entry::part_entry(gathered, &self.scratch);
            }
            None => {
                let log = self.log.as_mut().expect("it is on");
                log.append(&[&self.scratch]);
            }
        }
    }

    /// Writes a command down.
    pub fn words<'a>(
        &mut self,
        db: usize,
        time_ms: i64,
        count: usize,
        words: impl Iterator<Item = &'a [u8]>,
    ) {
        let scratch = &mut self.scratch;
        scratch.clear();
        entry::command_head(scratch, db as u32, time_ms as u64, 0, count);
        for word in words {
            entry::word_length(scratch, word.len());
            scratch.extend_from_slice(word);
        }
        self.settle();
    }

    /// Writes down what a key is now: its image, or that it is not there.
    pub fn image(&mut self, engine: &mut Engine, db: usize, bytes: &[u8]) {
        let key = engine.key(db, bytes);
        self.image.clear();
        let Some(head) = image::write(engine, &key, &mut self.image) else {
            let words: [&[u8]; 2] = [b"DEL", bytes];
            return self.words(db, engine.now_ms(), 2, words.into_iter());
        };
        self.scratch.clear();
        let value = Value {
            db: db as u32,
            key: bytes,
            expires_at_ms: head.expires_at_ms.map(|at_ms| at_ms as u64),
            kind: head.kind,
            first: true,
            last: true,
            payload: &[],
        };
        entry::value_head(&mut self.scratch, &value);
        if self.gathers_for.is_none() {
            let log = self.log.as_mut().expect("it is on");
            log.append(&[&self.scratch, &self.image]);
        } else {
            self.scratch.extend_from_slice(&self.image);
            self.settle();
        }
        // One long value does not keep its memory.
        self.image.shrink_to(1 << 20);
    }
}

/// How a command that has run is to be written down.
fn form(row: &Command, args: &Args<'_>, is_rewriting: bool) -> Form {
    let depends_on_more = row.name.starts_with("memcache|")
        || matches!(
            row.name,
            "cache.get" | "cache.fill" | "cache.release" | "sort"
        );
    // What was stored as it is cannot be read from the arguments any more.
    let is_large = args.ranges.iter().any(|range| range.offset == IN_LARGE);
    if depends_on_more
        || is_large
        || is_rewriting && command::key_positions(row, args).nth(1).is_some()
    {
        Form::Images
    } else if matches!(row.name, "xadd" | "xtrim")
        && let Some(at) = approximate_trim(args)
    {
        Form::Trimmed(at)
    } else {
        Form::Words
    }
}

/// Where the option of XADD or XTRIM stands that trims a stream about as far as it says: how far depends on how its nodes came to be.
fn approximate_trim(args: &Args<'_>) -> Option<usize> {
    let is = |at: usize, word: &str| args.get(at).eq_ignore_ascii_case(word.as_bytes());
    let mut at = 2;
    while at < args.len() {
        if is(at, "MAXLEN") || is(at, "MINID") {
            return (at + 2 < args.len() && args.get(at + 1) == b"~").then_some(at);
        }
        let is_option = ["NOMKSTREAM", "KEEPREF", "DELREF", "ACKED"]
            .iter()
            .any(|word| is(at, word));
        if !is_option {
            return None;
        }
        at += 1;
    }
    None
}

impl Shard {
    /// Writes down what the engine has lost beside commands.
    pub fn journal_lost(&mut self) {
        if self.engine.has_lost() {
            self.journal.lost(&mut self.engine);
        }
    }

    /// Empties a database for memcached's flush_all.
    pub fn flush(&mut self, db: usize) {
        self.engine.flush(db, true);
        if self.journal.is_on() {
            let words: [&[u8]; 1] = [b"FLUSHDB"];
            let time_ms = self.engine.now_ms();
            self.journal.words(db, time_ms, 1, words.into_iter());
        }
    }
}

/// Entries of a stream that is there.
fn stream_len(engine: &mut Engine, key: &Key<'_>) -> u64 {
    let item = engine.find(key, Touch::No);
    let stream = item.and_then(|item| engine.view::<Stream>(item).ok());
    stream.map_or(0, |stream| stream.log().len())
}

impl Journal {
    /// Runs a data command, and writes down what it changes.
    pub(super) fn execute(&mut self, row: &'static Command, context: &mut Context<'_>) {
        let before = context.stats.changes;
        command::execute(row, context);
        let effect = context.engine.take_effect();
        if context.stats.changes != before && row.flags & flags::WRITE != 0 {
            let (db, time_ms) = (context.db, context.engine.now_ms());
            let args = &context.args;
            match (effect, form(row, args, self.is_rewriting)) {
                (Some(effect), _) => {
                    let words = effect.iter().map(|word| &word[..]);
                    self.words(db, time_ms, effect.len(), words);
                }
                (None, Form::Words) => {
                    let words = (0..args.len()).map(|at| args.get(at));
                    self.words(db, time_ms, args.len(), words);
                }
                (None, Form::Trimmed(option)) => {
                    let key = context.engine.key(db, args.get(1));
                    let left = stream_len(context.engine, &key).to_string();
                    let behind = option + 3;
                    let limit =
                        behind + 1 < args.len() && args.get(behind).eq_ignore_ascii_case(b"LIMIT");
                    let behind = behind + if limit { 2 } else { 0 };
                    let before = (0..option).map(|at| args.get(at));
                    let exact = [&b"MAXLEN"[..], b"=", left.as_bytes()].into_iter();
                    let rest = (behind..args.len()).map(|at| args.get(at));
                    let count = option + 3 + args.len() - behind;
                    self.words(db, time_ms, count, before.chain(exact).chain(rest));
                }
                (None, Form::Images) => {
                    for at in command::key_positions(row, args) {
                        if super::slots::owner(args.get(at), context.shard.1) == context.shard.0 {
                            self.image(context.engine, db, args.get(at));
                        }
                    }
                }
            }
        }
        if context.engine.has_lost() {
            self.lost(context.engine);
        }
    }

    /// Keys are gone, or have lost fields, though no command was about them. That belongs to no transaction, whoever happens to run.
    #[cold]
    fn lost(&mut self, engine: &mut Engine) {
        let client = self.gather_for(None);
        while engine.has_lost() {
            for Lost { db, key } in engine.take_lost() {
                if client.is_none() {
                    self.image(engine, db, &key);
                } else {
                    // What a transaction has made of the key meanwhile comes with its end.
                    let words: [&[u8]; 2] = [b"DEL", &key];
                    self.words(db, engine.now_ms(), 2, words.into_iter());
                }
            }
        }
        self.gathers_for = client;
    }
}
