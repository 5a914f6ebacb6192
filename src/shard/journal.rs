//! What a shard tells its log: each change to its data, in the order in which they happened and in words that do the same when they are run again.
//!
//! Never: does I/O, or decides when anything is durable; the log's writer does (`persist::log`), and the worker carries out what it asks for.
//! The decisions worth knowing. A command is written down as it came, with its time, if that is enough: it nearly always is, because the engine takes time and
//! chance from outside. What depends on more (tokens, leases, chance, the order of a table) is written as what it did: other words, or an image of the key. What belongs to a
//! transaction is gathered until that ends, and is one record, so that it is there as a whole or not at all. While the log is rewritten
//! a command about several keys is written as their images, because some of them may be replayed before their own images have come.

use super::{Shard, slots};
use crate::command::dump::image::{self, ImageHead};
use crate::command::table::{self, Command, flags};
use crate::command::{self, Context};
use crate::engine::value::stream::Stream;
use crate::engine::{Client, Engine, Item, Key, Lost, Touch};
use crate::persist::entry::{self, Entry, Participants, Value};
use crate::persist::log::Log;
use crate::protocol::args::{Args, IN_LARGE, joined};
use foldhash::{HashMap, HashSet};

/// One shard's side of the end of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    /// The client whose transaction it is.
    pub client: Client,
    /// Its number; 0 for one that concerns a single shard.
    pub number: u64,
    /// The shards that have a part of it.
    pub participants: Participants,
    /// Whether its client waits until it is durable on all of them.
    pub is_awaited: bool,
}

/// What a transaction has changed so far.
#[derive(Default)]
struct Gathered {
    /// Entries of its record.
    entries: Vec<u8>,
    /// Keys whose images belong to it as they are when it ends: while the log is rewritten.
    keys: Vec<(usize, Box<[u8]>)>,
}

/// See the module.
#[derive(Default)]
pub struct Journal {
    /// The log; None: nothing is kept.
    pub log: Option<Box<Log>>,
    /// Whether the log is being rewritten.
    pub is_rewriting: bool,
    /// A database has become another one: the walk over all keys begins again.
    pub walks_again: bool,
    /// Whose transaction the changes belong to that happen now.
    gathers_for: Option<Client>,
    /// What transactions have changed that have not ended.
    gathered: HashMap<Client, Gathered>,
    /// Those of them that have changed keys which the walk over all keys has passed over, and have not ended.
    passed_over: HashSet<Client>,
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

    /// The number of the last record; 0 when nothing is written down.
    #[inline]
    pub fn sequence(&self) -> u64 {
        self.log.as_ref().map_or(0, |log| log.sequence())
    }

    /// Changes belong to a client's transaction from now on; what was before is given back.
    #[inline]
    pub fn gather_for(&mut self, client: Option<Client>) -> Option<Client> {
        std::mem::replace(&mut self.gathers_for, client)
    }

    /// Ends a transaction: what it has changed here becomes a record. One of several shards has its record on each, changes or not.
    pub fn commit(&mut self, engine: &mut Engine, commit: Commit) {
        if self.log.is_none() {
            return;
        }
        let gathered = self.gathered.remove(&commit.client);
        self.passed_over.remove(&commit.client);
        if gathered.is_none() && commit.number == 0 {
            return;
        }
        let Gathered { mut entries, keys } = gathered.unwrap_or_default();
        for (db, bytes) in keys {
            self.encode_image(engine, db, &bytes);
            entry::part_entry(&mut entries, &self.scratch);
        }
        self.scratch.clear();
        entry::part_head(&mut self.scratch, commit.number, commit.participants);
        let log = self.log.as_mut().expect("it was there a moment ago");
        log.append(&[&self.scratch, &entries]);
    }

    /// Whether the walk over all keys may go on: half of the log's buffers are for those who write.
    pub fn has_room(&self) -> bool {
        self.log.as_ref().is_some_and(|log| log.has_room())
    }

    /// Begins to write down what makes a key in an order in which its image may come late: see the module.
    pub fn begin_rewriting(&mut self) {
        self.is_rewriting = true;
        self.passed_over.clear();
        for gathered in self.gathered.values_mut() {
            gathered.become_keys();
        }
    }

    /// Passes a key over if a transaction has changed it that has not ended.
    fn pass_over(&mut self, db: usize, bytes: &[u8]) -> bool {
        let mut is_passed_over = false;
        for (client, gathered) in &self.gathered {
            let mut keys = gathered.keys.iter();
            if keys.any(|(other, key)| *other == db && **key == *bytes) {
                self.passed_over.insert(*client);
                is_passed_over = true;
            }
        }
        is_passed_over
    }

    /// Whether the images of some keys are still to come with the ends of transactions.
    pub fn awaits_images(&self) -> bool {
        !self.passed_over.is_empty()
    }

    /// Writes the image of a key down that the walk over all keys has come to. Of one that a transaction has changed the image comes with the end of that.
    pub fn walked(&mut self, engine: &Engine, db: usize, item: Item) {
        let key = engine.key(db, engine.key_bytes(item));
        if !self.gathered.is_empty() && self.pass_over(db, key.bytes) {
            return;
        }
        self.image.clear();
        let head = image::write_item(engine, &key, item, &mut self.image);
        self.head(db, key.bytes, head);
        let log = self.log.as_mut().expect("it is on");
        log.append(&[&self.scratch, &self.image]);
        self.image.shrink_to(1 << 20);
    }

    /// Writes the entry in `scratch` down, or gathers it.
    fn settle(&mut self) {
        match self.gathers_for {
            Some(client) => {
                let gathered = self.gathered.entry(client).or_default();
                entry::part_entry(&mut gathered.entries, &self.scratch);
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
        if let Some(client) = self.gathers_for
            && self.is_rewriting
        {
            let gathered = self.gathered.entry(client).or_default();
            return gathered.add(db, bytes);
        }
        self.encode_image(engine, db, bytes);
        self.settle();
    }

    /// Makes `scratch` the entry of what a key is now.
    fn encode_image(&mut self, engine: &mut Engine, db: usize, bytes: &[u8]) {
        let key = engine.key(db, bytes);
        self.image.clear();
        match image::write(engine, &key, &mut self.image) {
            Some(head) => {
                self.head(db, bytes, head);
                self.scratch.extend_from_slice(&self.image);
                // One long value does not keep its memory.
                self.image.shrink_to(1 << 20);
            }
            None => {
                self.scratch.clear();
                let words: [&[u8]; 2] = [b"DEL", bytes];
                entry::command(
                    &mut self.scratch,
                    db as u32,
                    engine.now_ms() as u64,
                    0,
                    &words,
                );
            }
        }
    }

    /// Makes `scratch` what is before the payload of an image.
    fn head(&mut self, db: usize, bytes: &[u8], head: ImageHead) {
        self.scratch.clear();
        self.scratch.shrink_to(1 << 20);
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
    }
}

impl Gathered {
    fn add(&mut self, db: usize, bytes: &[u8]) {
        let is_there = |(other, key): &(usize, Box<[u8]>)| *other == db && **key == *bytes;
        if !self.keys.iter().any(is_there) {
            self.keys.push((db, bytes.into()));
        }
    }

    /// Turns entries about keys into the keys themselves: their images may be read twice, and before or after others.
    fn become_keys(&mut self) {
        let entries = std::mem::take(&mut self.entries);
        for entry in entry::entries(&entries) {
            match entry.expect("it was written by this shard") {
                Entry::Value(value) => self.add(value.db as usize, value.key),
                Entry::Command(command) => {
                    let words: Vec<&[u8]> = command.words.collect();
                    let (buffer, ranges) = joined(&words);
                    let args = Args {
                        buffer: &buffer,
                        ranges: &ranges,
                        large: &mut [],
                    };
                    let row = table::resolve(&args).expect("it has run");
                    let mut about_keys = false;
                    for at in command::key_positions(row, &args) {
                        about_keys = true;
                        self.add(command.db as usize, args.get(at));
                    }
                    if !about_keys {
                        let mut again = Vec::new();
                        let (db, time_ms) = (command.db, command.time_ms);
                        entry::command(&mut again, db, time_ms, command.flags, &words);
                        entry::part_entry(&mut self.entries, &again);
                    }
                }
                Entry::Part(_) | Entry::Library(_) => {}
            }
        }
    }
}

/// How a command that has run is to be written down.
fn form(row: &Command, args: &Args<'_>, is_rewriting: bool, gathers: bool) -> Form {
    let depends_on_more = row.name.starts_with("memcache|")
        || matches!(
            row.name,
            "cache.get" | "cache.fill" | "cache.release" | "sort"
        );
    // What was stored as it is cannot be read from the arguments any more.
    let is_large = args.ranges.iter().any(|range| range.offset == IN_LARGE);
    if depends_on_more || is_large || is_rewriting && may_come_late(row, args, gathers) {
        Form::Images
    } else if matches!(row.name, "xadd" | "xtrim")
        && let Some(at) = approximate_trim(args)
    {
        Form::Trimmed(at)
    } else {
        Form::Words
    }
}

/// Whether a command cannot be run again while images of its keys are still to come: it is about several, or its image comes with the end of a transaction.
fn may_come_late(row: &Command, args: &Args<'_>, gathers: bool) -> bool {
    let keys = command::key_positions(row, args).take(2).count();
    keys > 1 || keys == 1 && (gathers || row.name == "move")
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
    /// Ends a transaction: what it has changed here becomes a record.
    pub fn commit(&mut self, commit: Commit) {
        self.journal.commit(&mut self.engine, commit);
    }

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
    // Apart from the way of those who keep no log, which is to stay short.
    #[inline(never)]
    pub(super) fn execute(&mut self, row: &'static Command, context: &mut Context<'_>) {
        let before = context.stats.changes;
        command::execute(row, context);
        let effect = context.engine.take_effect();
        if context.stats.changes != before && row.flags & flags::WRITE != 0 {
            let (db, time_ms) = (context.db, context.engine.now_ms());
            let args = &context.args;
            self.walks_again |= self.is_rewriting && row.name == "swapdb";
            let belongs_later = self.is_rewriting && self.gathers_for.is_some();
            match (
                effect,
                form(row, args, self.is_rewriting, self.gathers_for.is_some()),
            ) {
                (Some(_), _) if belongs_later => {
                    self.images(row, args, db, context.shard, context.engine);
                }
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
                    self.images(row, args, db, context.shard, context.engine);
                }
            }
        }
        if context.engine.has_lost() {
            self.lost(context.engine);
        }
    }

    /// Writes the images of a command's keys down.
    fn images(
        &mut self,
        row: &Command,
        args: &Args<'_>,
        db: usize,
        (own, shards): (usize, usize),
        engine: &mut Engine,
    ) {
        // A value may have gone from one database to another.
        let is_between = matches!(row.name, "move" | "copy");
        for at in command::key_positions(row, args) {
            let bytes = args.get(at);
            if slots::owner(bytes, shards) != own {
                continue;
            }
            self.image(engine, db, bytes);
            let others = if is_between { engine.databases() } else { 0 };
            for other in (0..others).filter(|other| *other != db) {
                if engine.has(&engine.key(other, bytes)) {
                    self.image(engine, other, bytes);
                }
            }
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
