//! What a shard tells its log: each change to its data, in the order in which they happened and in words that do the same when they are run again.
//!
//! Never: does I/O, or decides when anything is durable; the log's writer does (`persist::log`), and the worker carries out what it asks for.
//! The decisions worth knowing. A command is written down as it came, with its time, if that is enough: it nearly always is, because the engine takes time and
//! chance from outside. What depends on more (tokens, leases, chance, the order of a table) is written as what it did: other words, or an image of the key. What belongs to a
//! transaction is gathered until that ends, and is one record, so that it is there as a whole or not at all. While the log is rewritten
//! a command about several keys makes images of them necessary, because it may be replayed before the images of some have come: those of small values follow it at once, those
//! of large ones when the walk over all keys is over ([`LargeImages`]). It is written in its own words all the same, for as long as the rewriting has not ended a start begins
//! with what was before it.

use super::large_images::{LargeImages, Piece};
use super::{Shard, slots};
use crate::command::dump::image::{self, ImageHead};
use crate::command::dump::pieces;
use crate::command::table::{self, Command, flags};
use crate::command::{self, Context};
use crate::engine::value::stream::Stream;
use crate::engine::{Client, Engine, Item, Key, Lost, Touch};
use crate::persist::entry::{self, Entry, Participants, Value};
use crate::persist::log::Log;
use crate::protocol::args::{Args, IN_LARGE, Range, joined};
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
    /// Keys that it has changed while the log is rewritten. Images of small ones, as they are when it ends, belong to it.
    keys: Vec<Changed>,
}

/// A key that a transaction has changed.
struct Changed {
    db: usize,
    key: Box<[u8]>,
    /// The walk over all keys has passed it over; or a command has changed it that may be replayed before the images have come of what it depends on.
    needs_image: bool,
}

/// See the module.
#[derive(Default)]
pub struct Journal {
    /// The log; None: nothing is kept.
    pub log: Option<Box<Log>>,
    /// Whether the log is being rewritten: images of some keys are still to come.
    pub is_rewriting: bool,
    /// The walk over all keys is over: only what is in `large` is still to come.
    pub is_walk_over: bool,
    /// Large values whose images are still to come.
    pub large: LargeImages,
    /// A database has become another one: the walk over all keys begins again.
    pub walks_again: bool,
    /// Whose transaction the changes belong to that happen now.
    gathers_for: Option<Client>,
    /// What transactions have changed that have not ended.
    gathered: HashMap<Client, Gathered>,
    /// Those of them that have not ended, and that the rewriting waits for: the walk over all keys has passed over keys that they have changed, or might have.
    passed_over: HashSet<Client>,
    /// Encoded entries, before they go where they belong.
    scratch: Vec<u8>,
    image: Vec<u8>,
}

/// What a command that changes something while the log is rewritten needs beside being written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meanwhile {
    /// The log is not being rewritten.
    Nothing,
    /// Its words are enough wherever the walk over all keys is.
    Words,
    /// It may be replayed before the images have come of what it depends on: its keys need new ones.
    WordsAndImages,
    /// The same, and all its keys are small: their images follow at once, and its words are not needed.
    Images,
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
        for Changed {
            db,
            key,
            needs_image,
        } in keys
        {
            if !needs_image || !self.is_rewriting {
                continue;
            }
            if is_large(engine, db, &key) {
                self.large.again(db, &key);
                continue;
            }
            self.encode_image(engine, db, &key);
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
        self.is_walk_over = false;
        self.large = LargeImages::default();
        self.passed_over.clear();
        for gathered in self.gathered.values_mut() {
            gathered.find_keys();
        }
    }

    /// Passes a key over if a transaction has changed it that has not ended.
    fn pass_over(&mut self, db: usize, bytes: &[u8]) -> bool {
        let mut is_passed_over = false;
        for (client, gathered) in &mut self.gathered {
            if gathered.has(db, bytes) {
                gathered.add(db, bytes, true);
                self.passed_over.insert(*client);
                is_passed_over = true;
            }
        }
        is_passed_over
    }

    /// The walk over all keys is over. A key that a transaction has deleted before the walk came to it is nowhere but in what is to be removed when the rewriting ends, so that has to wait
    /// for the end of every transaction that has changed something.
    pub fn end_walk(&mut self) {
        self.is_walk_over = true;
        self.passed_over.extend(self.gathered.keys());
    }

    /// Whether the images of some keys are still to come with the ends of transactions.
    pub fn awaits_images(&self) -> bool {
        !self.passed_over.is_empty()
    }

    /// Whether a transaction has changed a key that has not ended: what its record will say is in no image yet.
    pub fn is_changing(&self, db: usize, bytes: &[u8]) -> bool {
        let mut gathered = self.gathered.values();
        gathered.any(|gathered| gathered.has(db, bytes))
    }

    /// The images of all keys have come.
    pub fn end_rewriting(&mut self) {
        self.is_rewriting = false;
        self.large = LargeImages::default();
    }

    /// Begins to write the image of a large value; of one that is not large any more, or not there, all that is to be said is written at once.
    pub fn open_large(&mut self, engine: &mut Engine, db: usize, bytes: &[u8]) {
        let key = engine.key(db, bytes);
        let item = engine.find(&key, Touch::No);
        match item.filter(|item| pieces::is_large(engine, *item)) {
            Some(item) => self.large.open(engine, db, item),
            None => {
                self.large.done(&(db, bytes.into()));
                self.image_now(engine, db, bytes);
            }
        }
    }

    /// Writes the next piece of the value that was opened, for as long as `goes_on` says.
    pub fn write_piece(&mut self, engine: &mut Engine, goes_on: impl FnMut() -> bool) {
        let Some(piece) = self.large.piece(engine, goes_on) else {
            return;
        };
        let (db, key) = self.large.open_key().expect("it is being written");
        let (db, key): (usize, Box<[u8]>) = (db, key.into());
        self.piece_head(db, &key, piece);
        let log = self.log.as_mut().expect("it is on");
        log.append(&[&self.scratch, self.large.payload()]);
        self.large.written(piece);
    }

    /// Writes the image of a key down that the walk over all keys has come to. Of one that a transaction has changed the image comes with the end of that, and a large one when
    /// its turn comes.
    pub fn walked(&mut self, engine: &Engine, db: usize, item: Item) {
        let key = engine.key(db, engine.key_bytes(item));
        if pieces::is_large(engine, item) {
            return self.large.found(db, key.bytes);
        }
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
            gathered.add(db, bytes, false);
        }
        self.encode_image(engine, db, bytes);
        self.settle();
    }

    /// The same of a key that belongs to nobody's transaction.
    fn image_now(&mut self, engine: &mut Engine, db: usize, bytes: &[u8]) {
        let client = self.gather_for(None);
        self.image(engine, db, bytes);
        self.gathers_for = client;
    }

    /// A key has been changed while the log is rewritten.
    fn changed_meanwhile(
        &mut self,
        engine: &mut Engine,
        db: usize,
        bytes: &[u8],
        needs_image: bool,
    ) {
        if let Some(client) = self.gathers_for {
            let gathered = self.gathered.entry(client).or_default();
            gathered.add(db, bytes, needs_image);
        } else if !needs_image {
            // Its image may have come, or will.
        } else if is_large(engine, db, bytes) {
            self.large.again(db, bytes);
        } else {
            self.image(engine, db, bytes);
        }
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
        let (first, last) = (true, true);
        self.piece_head(db, bytes, Piece { head, first, last });
    }

    fn piece_head(&mut self, db: usize, bytes: &[u8], piece: Piece) {
        let head = piece.head;
        self.scratch.clear();
        self.scratch.shrink_to(1 << 20);
        let value = Value {
            db: db as u32,
            key: bytes,
            expires_at_ms: head.expires_at_ms.map(|at_ms| at_ms as u64),
            kind: head.kind,
            first: piece.first,
            last: piece.last,
            payload: &[],
        };
        entry::value_head(&mut self.scratch, &value);
    }
}

impl Gathered {
    fn has(&self, db: usize, bytes: &[u8]) -> bool {
        let mut keys = self.keys.iter();
        keys.any(|changed| changed.db == db && *changed.key == *bytes)
    }

    fn add(&mut self, db: usize, bytes: &[u8], needs_image: bool) {
        let mut keys = self.keys.iter_mut();
        match keys.find(|changed| changed.db == db && *changed.key == *bytes) {
            Some(changed) => changed.needs_image |= needs_image,
            None => self.keys.push(Changed {
                db,
                key: bytes.into(),
                needs_image,
            }),
        }
    }

    /// Finds the keys that its entries are about.
    fn find_keys(&mut self) {
        let entries = std::mem::take(&mut self.entries);
        for entry in entry::entries(&entries) {
            match entry.expect("it was written by this shard") {
                Entry::Value(value) => self.add(value.db as usize, value.key, true),
                Entry::Command(command) => {
                    let words: Vec<&[u8]> = command.words.collect();
                    let (buffer, ranges) = joined(&words);
                    let args = Args {
                        buffer: &buffer,
                        ranges: &ranges,
                        large: &mut [],
                    };
                    let row = table::resolve(&args).expect("it has run");
                    for at in command::key_positions(row, &args) {
                        self.add(command.db as usize, args.get(at), true);
                    }
                }
                Entry::Part(_) | Entry::Library(_) => {}
            }
        }
        self.entries = entries;
    }
}

/// Whether a key has a value whose image is written in pieces.
fn is_large(engine: &mut Engine, db: usize, bytes: &[u8]) -> bool {
    let key = engine.key(db, bytes);
    let item = engine.find(&key, Touch::No);
    item.is_some_and(|item| pieces::is_large(engine, item))
}

/// How a command that has run is to be written down.
fn form(row: &Command, args: &Args<'_>) -> Form {
    let depends_on_more = row.name.starts_with("memcache|")
        || matches!(
            row.name,
            "cache.get" | "cache.fill" | "cache.release" | "sort"
        );
    // What was stored as it is cannot be read from the arguments any more.
    let was_taken =
        |range: &Range| range.offset == IN_LARGE && args.large[range.length as usize].is_none();
    if depends_on_more || args.ranges.iter().any(was_taken) {
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
        if let Some(picture) = &mut self.picture {
            picture.void();
        }
        self.engine.flush(db, true);
        if self.journal.is_on() {
            let words: [&[u8]; 1] = [b"FLUSHDB"];
            let time_ms = self.engine.now_ms();
            self.journal.words(db, time_ms, 1, words.into_iter());
        }
    }
}

/// Shows the keys of a command that are this shard's, or the last key if it is.
pub(super) fn for_keys_here(
    row: &Command,
    args: &Args<'_>,
    only_last: bool,
    (own, shards): (usize, usize),
    show: &mut dyn FnMut(&[u8]),
) {
    let positions = command::key_positions(row, args);
    let skipped = match only_last {
        true => command::key_positions(row, args).count() - 1,
        false => 0,
    };
    for at in positions.skip(skipped) {
        let bytes = args.get(at);
        if slots::owner(bytes, shards) == own {
            show(bytes);
        }
    }
}

/// Shows the databases in which a command may have changed a key: a value may have gone from one to another.
fn for_databases(
    row: &Command,
    engine: &mut Engine,
    db: usize,
    bytes: &[u8],
    show: &mut dyn FnMut(&mut Engine, usize),
) {
    show(engine, db);
    if matches!(row.name, "move" | "copy") {
        for other in (0..engine.databases()).filter(|other| *other != db) {
            if engine.has(&engine.key(other, bytes)) {
                show(engine, other);
            }
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
            let meanwhile = match self.is_rewriting {
                true => self.meanwhile(row, args, db, context.shard, context.engine),
                false => Meanwhile::Nothing,
            };
            match (effect, form(row, args)) {
                _ if meanwhile == Meanwhile::Images => {}
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
                    let only_last = row.name == "sort";
                    for_keys_here(row, args, only_last, context.shard, &mut |bytes| {
                        for_databases(row, context.engine, db, bytes, &mut |engine, db| {
                            self.image(engine, db, bytes);
                        });
                    });
                }
            }
            if meanwhile != Meanwhile::Nothing {
                let needs_image = meanwhile != Meanwhile::Words;
                for_keys_here(row, args, false, context.shard, &mut |bytes| {
                    for_databases(row, context.engine, db, bytes, &mut |engine, db| {
                        self.changed_meanwhile(engine, db, bytes, needs_image);
                    });
                });
            }
        }
        if context.engine.has_lost() {
            self.lost(context.engine);
        }
    }

    /// What a command needs that has changed something while the log is rewritten.
    #[cold]
    fn meanwhile(
        &mut self,
        row: &Command,
        args: &Args<'_>,
        db: usize,
        shard: (usize, usize),
        engine: &mut Engine,
    ) -> Meanwhile {
        if row.name == "swapdb" {
            self.walks_again |= !self.is_walk_over;
            self.large.swapped(engine.databases());
        }
        let is_about_several =
            command::key_positions(row, args).nth(1).is_some() || row.name == "move";
        let mut keys = command::key_positions(row, args);
        if !is_about_several || self.is_walk_over && !keys.any(|at| self.is_owed(db, args.get(at)))
        {
            return Meanwhile::Words;
        }
        let mut are_small = self.gathers_for.is_none();
        for_keys_here(row, args, false, shard, &mut |bytes| {
            for_databases(row, engine, db, bytes, &mut |engine, db| {
                are_small &= !is_large(engine, db, bytes);
            });
        });
        match are_small {
            true => Meanwhile::Images,
            false => Meanwhile::WordsAndImages,
        }
    }

    /// Whether the image of a key is still to come, when the walk over all keys is over: on its own, or with the end of a transaction.
    fn is_owed(&self, db: usize, bytes: &[u8]) -> bool {
        let is_passed_over = |client: &Client| {
            let gathered = self.gathered.get(client);
            gathered.is_some_and(|gathered| gathered.has(db, bytes))
        };
        self.large.has(db, bytes) || self.passed_over.iter().any(is_passed_over)
    }

    /// Keys are gone, or have lost fields, though no command was about them. That belongs to no transaction, whoever happens to run.
    #[cold]
    fn lost(&mut self, engine: &mut Engine) {
        let client = self.gather_for(None);
        while engine.has_lost() {
            for Lost { db, key } in engine.take_lost() {
                if client.is_none() && is_large(engine, db, &key) {
                    // Fields of a hash have expired, as they do when it is read again; or it is about to be written.
                } else if client.is_none() {
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
