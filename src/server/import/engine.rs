//! Commands of an append-only file, run again on an engine without shards, and its keys handed over at the end.
//!
//! Never: serves, or expires a key. The decision worth knowing: as in redis-server nothing expires while a log is read, since later commands
//! may still be about a key whose time is over by now, and the log itself says when one went. Hence it is always shortly after 1970, but for commands on streams, which
//! compare times: for those it is now, or just before the key's end.

use super::TYPES;
use super::read::{Piece, Reader, place_of};
use super::take::{Place, put};
use crate::command::dump::image;
use crate::command::table::{self, Command};
use crate::command::{self, Run, Settings};
use crate::engine::{Engine, EngineOptions, Touch};
use crate::limits::STRING_BYTES_MAX;
use crate::persist::rdb::KeyEntry;
use crate::persist::redis_log::{CommandReader, LogError};
use crate::protocol::args::{Args, Range, locate};
use crate::protocol::resp::Reply;
use crate::shard::Shard;
use crate::shard::journal::Journal;

/// The time at which nothing has expired, Unix milliseconds.
const EARLY_MS: i64 = 1;
/// Keys handed over at a time.
const KEYS_AT_A_TIME: usize = 256;

/// See the module.
pub struct Replay {
    shard: Shard,
    db: usize,
    ranges: Vec<Range>,
    reply: Reply,
}

/// A command of a transaction: where it is, and its words.
type Gathered<'a> = (usize, Vec<&'a [u8]>);

/// What a file's end is like, inside what may be wrong with the whole.
type Ended = Result<(), LogError>;

impl Replay {
    /// Without anything in it.
    pub fn new(reader: &Reader<'_>) -> Result<Replay, String> {
        let config = reader.config;
        let mut engine = Engine::new(EngineOptions {
            databases: config.databases,
            memory_bytes_max: 0,
            policy: config.maxmemory_policy,
            samples: config.maxmemory_samples,
            lfu_log_factor: config.lfu_log_factor,
            lfu_decay_minutes: config.lfu_decay_time,
            reservation_bytes: crate::server::start::reservation_bytes(),
            thresholds: config.thresholds,
            seed: 0,
        })?;
        engine.set_now(EARLY_MS);
        Ok(Replay {
            shard: Shard {
                id: 0,
                count: 1,
                engine,
                journal: Journal::default(),
                picture: None,
                stats: Default::default(),
                may_block: false,
                settings: Settings {
                    string_bytes_max: STRING_BYTES_MAX,
                    item_bytes_max: config.item_size_max,
                    hll_sparse_bytes_max: config.hll_sparse_max_bytes,
                },
            },
            db: 0,
            ranges: Vec::new(),
            reply: Reply::default(),
        })
    }

    /// A key of a snapshot.
    pub fn key(&mut self, file: &str, entry: &KeyEntry<'_>) -> Result<(), String> {
        put(
            &mut self.shard.engine,
            &place_of(entry),
            entry.kind,
            entry.value,
        )
        .map_err(|what| {
            format!(
                "{file} at byte {}: the value of a key in database {} cannot be stored: {what}",
                entry.value_offset, entry.database
            )
        })
    }

    /// Runs the commands of a file, which each begin in the selected database 0. The end of a transaction is waited for before any of it is run.
    pub fn commands<'b>(
        &mut self,
        reader: &mut Reader<'_>,
        file: &'b [u8],
        mut commands: CommandReader<'b>,
    ) -> Result<Ended, String> {
        let mut words: Vec<&'b [u8]> = Vec::new();
        let mut transaction: Option<Vec<Gathered<'b>>> = None;
        self.db = 0;
        loop {
            let offset = match commands.next(&mut words) {
                Ok(Some(command)) => command.offset,
                Ok(None) => return Ok(Ok(())),
                Err(error) => return Ok(Err(error)),
            };
            let is = |name: &str| words[0].eq_ignore_ascii_case(name.as_bytes());
            if is("multi") {
                transaction.get_or_insert_default();
            } else if is("discard") {
                transaction = None;
            } else if is("exec") {
                for (offset, words) in transaction.take().unwrap_or_default() {
                    self.command(reader, file, &words, offset)?;
                }
            } else if let Some(gathered) = &mut transaction {
                gathered.push((offset, words.clone()));
            } else {
                self.command(reader, file, &words, offset)?;
            }
        }
    }

    fn command(
        &mut self,
        reader: &mut Reader<'_>,
        file: &[u8],
        words: &[&[u8]],
        offset: usize,
    ) -> Result<(), String> {
        self.run(reader, file, words).map_err(|what| {
            let name = words[0][..words[0].len().min(40)].escape_ascii();
            format!("the command {name} at byte {offset} cannot be run: {what}")
        })
    }

    fn run(&mut self, reader: &mut Reader<'_>, file: &[u8], words: &[&[u8]]) -> Result<(), String> {
        let is = |name: &str| words[0].eq_ignore_ascii_case(name.as_bytes());
        if is("select") {
            let db = words.get(1).and_then(|word| std::str::from_utf8(word).ok());
            let db = db.and_then(|word| word.parse::<usize>().ok());
            let db = db.filter(|db| *db < self.shard.engine.databases());
            self.db = db.ok_or("its database is none, or beyond --databases")?;
            return Ok(());
        }
        if is("function") && words.len() > 1 {
            return reader.function(words);
        }
        if is("ping") || is("publish") {
            return Ok(());
        }
        let start = words[0].as_ptr() as usize - file.as_ptr() as usize;
        let buffer = &file[start..];
        locate(buffer, words.iter().copied(), &mut self.ranges).ok_or("it is longer than 4 GiB")?;
        let args = Args {
            buffer,
            ranges: &self.ranges,
            large: &mut [],
        };
        let row = table::resolve(&args).map_err(|error| error.to_string())?;
        if !matches!(row.run, Run::Data(_)) {
            return Err("it is no command on data".into());
        }
        set_now_for(&mut self.shard.engine, self.db, reader.now_ms, row, &args);
        self.reply.clear();
        self.shard
            .execute(row, args, self.db, Touch::Yes, None, &mut self.reply);
        // What else a command may answer was the same when the log was written.
        match self.reply.bytes.starts_with(b"-OOM") {
            true => Err("there is no memory for it".into()),
            false => Ok(()),
        }
    }

    /// Hands all keys over, and lets go of each.
    pub fn hand_over(mut self, reader: &mut Reader<'_>) -> Result<(), String> {
        let engine = &mut self.shard.engine;
        engine.set_now(EARLY_MS);
        for db in 0..engine.databases() {
            let mut cursor = 0;
            loop {
                let mut keys: Vec<Box<[u8]>> = Vec::new();
                let next = engine.scan(db, cursor, KEYS_AT_A_TIME, &mut |engine, item| {
                    keys.push(engine.key_bytes(item).into());
                });
                for name in &keys {
                    let key = engine.key(db, name);
                    let Some(item) = engine.find(&key, Touch::No) else {
                        continue;
                    };
                    debug_assert!(TYPES.contains(&engine.type_of(item)));
                    // Fields of hashes expire in the shards.
                    let mut bytes = Vec::new();
                    let frequency = engine.frequency(item);
                    let head = image::write(engine, &key, &mut bytes).expect("it was just found");
                    let place = Place {
                        db: db as u32,
                        key: name,
                        expires_at_ms: head.expires_at_ms,
                        idle_ms: None,
                        frequency,
                    };
                    reader.send(Piece::of_image(&place, head.kind, bytes))?;
                    engine.remove(&key);
                }
                // What is freed in slices is freed here.
                engine.upkeep(KEYS_AT_A_TIME);
                cursor = next;
                if cursor == 0 {
                    break;
                }
            }
        }
        Ok(())
    }
}

/// Makes it the time that a command needs; `now_ms` is that of the import.
fn set_now_for(
    engine: &mut Engine,
    db: usize,
    now_ms: i64,
    row: &'static Command,
    args: &Args<'_>,
) {
    engine.set_now(EARLY_MS);
    if !row.name.starts_with('x') {
        return;
    }
    let Some(at) = command::key_positions(row, args).next() else {
        return;
    };
    let key = engine.key(db, args.get(at));
    let item = engine.find(&key, Touch::No);
    let expiry = item.and_then(|item| engine.expiry(item));
    engine.set_now(expiry.map_or(now_ms, |at_ms| now_ms.min(at_ms - 1)));
}
