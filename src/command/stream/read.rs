//! XREAD and XREADGROUP.
//! Never: waits; a request that finds nothing says so with [`Context::wait_or`] and is run again later.
//! The decision worth knowing: a request that is run again must not take `$` for an id that has come since, so whoever lets one wait first replaces such ids
//! by what they meant when it came, with [`pin`], where they [move](moves).

use super::super::number::{integer, parse_i64};
use super::super::{Blocking, CommandError, Context, Null, key_at};
use super::{NEW_CONSUMER, append, c_text, id, is, no_key_or_group, write_entry, write_id};
use crate::engine::value::stream::{LargeStream, Stream, StreamId, StreamView};
use crate::engine::{Editing, Engine, EventClass, Item, Touch, WrongType};
use crate::protocol::args::Args;
use crate::protocol::resp::{Protocol, Reply};

/// The words of the two commands before the keys.
#[derive(Debug, Default)]
struct Options {
    count: Option<usize>,
    blocks: bool,
    /// The arguments with the group's and the consumer's name.
    group: Option<(usize, usize)>,
    no_ack: bool,
    /// The argument of the first key; as many ids follow the keys.
    keys_at: usize,
    /// The number of keys.
    keys: usize,
}

/// The time of BLOCK in milliseconds.
fn timeout_ms(text: &[u8]) -> Result<u64, CommandError> {
    let timeout = parse_i64(text).ok_or(CommandError::fixed(
        "ERR timeout is not an integer or out of range",
    ))?;
    u64::try_from(timeout).map_err(|_| CommandError::fixed("ERR timeout is negative"))
}

impl Options {
    fn parse(args: &Args<'_>, for_group: bool) -> Result<Options, CommandError> {
        let mut options = Options::default();
        let mut index = 1;
        while index < args.len() {
            let word = args.get(index);
            let more = args.len() - 1 - index;
            if is(word, "BLOCK") && more > 0 {
                index += 1;
                timeout_ms(args.get(index))?;
                options.blocks = true;
            } else if is(word, "COUNT") && more > 0 {
                index += 1;
                let count = usize::try_from(integer(args.get(index))?).unwrap_or(0);
                options.count = (count > 0).then_some(count);
            } else if is(word, "STREAMS") && more > 0 {
                if !more.is_multiple_of(2) {
                    return Err(UNBALANCED);
                }
                options.keys_at = index + 1;
                options.keys = more / 2;
                break;
            } else if is(word, "GROUP") && more >= 2 {
                if !for_group {
                    return Err(CommandError::fixed(
                        "ERR The GROUP option is only supported by XREADGROUP. You called XREAD instead.",
                    ));
                }
                options.group = Some((index + 1, index + 2));
                index += 2;
            } else if is(word, "NOACK") {
                if !for_group {
                    return Err(CommandError::fixed(
                        "ERR The NOACK option is only supported by XREADGROUP. You called XREAD instead.",
                    ));
                }
                options.no_ack = true;
            } else {
                return Err(CommandError::Syntax);
            }
            index += 1;
        }
        if options.keys == 0 {
            return Err(CommandError::Syntax);
        }
        if for_group && options.group.is_none() {
            return Err(CommandError::fixed(
                "ERR Missing GROUP option for XREADGROUP",
            ));
        }
        Ok(options)
    }

    fn id_at(&self, index: usize) -> usize {
        self.keys_at + self.keys + index
    }
}

/// Not as many ids as keys. The text is the same for both commands, as in redis-server 7.0.
const UNBALANCED: CommandError = CommandError::fixed(
    "ERR Unbalanced XREAD list of streams: for each stream key an ID or '$' must be specified.",
);

/// The positions of the keys: the first half of what follows STREAMS.
pub fn find_keys(args: &Args<'_>) -> Vec<usize> {
    let mut index = 1;
    while index < args.len() {
        let word = args.get(index);
        if is(word, "STREAMS") {
            let more = args.len() - 1 - index;
            if !more.is_multiple_of(2) {
                return Vec::new();
            }
            return (index + 1..index + 1 + more / 2).collect();
        }
        index += if is(word, "BLOCK") || is(word, "COUNT") {
            2
        } else if is(word, "GROUP") {
            3
        } else {
            1
        };
    }
    Vec::new()
}

/// How a request waits, if it asks to.
pub fn find_blocking(args: &Args<'_>) -> Option<Blocking> {
    let mut index = 1;
    let mut blocking = None;
    while index + 1 < args.len() {
        let word = args.get(index);
        if is(word, "STREAMS") {
            break;
        }
        if is(word, "BLOCK") {
            blocking = timeout_ms(args.get(index + 1))
                .ok()
                .map(|timeout_ms| Blocking {
                    timeout_ms,
                    null: Null::Array,
                });
        }
        index += if is(word, "BLOCK") || is(word, "COUNT") {
            2
        } else if is(word, "GROUP") {
            3
        } else {
            1
        };
    }
    blocking
}

/// The name of the group of an XREADGROUP, which may come before or behind other options.
pub fn group_name<'a>(args: &'a Args<'_>) -> Option<&'a [u8]> {
    let options = Options::parse(args, true).ok()?;
    options.group.map(|(group_at, _)| args.get(group_at))
}

/// Whether an id of XREAD means another one whenever it is asked for.
pub fn moves(id: &[u8]) -> bool {
    matches!(c_text(id), b"$" | b"+")
}

/// What the id of one key of a request means now, for a request that is to wait and will be run again: for XREAD the id after which it reads. The request is
/// checked as far as this key goes: for XREADGROUP that the group is there. `key_index` is the key's place among the keys.
pub fn pin(
    args: &Args<'_>,
    key_index: usize,
    engine: &mut Engine,
    db: usize,
) -> Result<Box<[u8]>, CommandError> {
    let for_group = is(args.get(0), "XREADGROUP");
    let options = Options::parse(args, for_group)?;
    let name = args.get(options.keys_at + key_index);
    let text = args.get(options.id_at(key_index));
    let item = engine.find(&engine.key(db, name), Touch::No);
    let stream = view(engine, item)?;
    let Some((group_at, _)) = options.group else {
        return Ok(read_after(stream, text)?.to_string().into_bytes().into());
    };
    if stream.is_none_or(|stream| stream.group(args.get(group_at)).is_none()) {
        return Err(no_group_to_read(name, args.get(group_at)));
    }
    read_group_after(text)?;
    Ok(text.into())
}

fn no_group_to_read(key: &[u8], group: &[u8]) -> CommandError {
    no_key_or_group(key, group, " in XREADGROUP with GROUP option")
}

/// `XREAD [COUNT count] [BLOCK milliseconds] STREAMS key [key ...] id [id ...]`.
pub fn xread(context: &mut Context<'_>) -> Result<(), CommandError> {
    let options = Options::parse(&context.args, false)?;
    let mut elements = Reply::new(context.reply.protocol);
    let mut streams = 0;
    // All is checked before anything is read: an error comes first wherever it is.
    for index in 0..options.keys {
        let item = item_at(context, options.keys_at + index, true);
        let stream = view(context.engine, item)?;
        read_after(stream, context.args.get(options.id_at(index)))?;
    }
    for index in 0..options.keys {
        let item = item_at(context, options.keys_at + index, false);
        let Some(stream) = view(context.engine, item)? else {
            continue;
        };
        let after = read_after(Some(stream), context.args.get(options.id_at(index)))?;
        let Some(from) = after.next() else {
            continue;
        };
        let mut entries = stream
            .log()
            .range(from, StreamId::MAX)
            .take(options.count.unwrap_or(usize::MAX))
            .peekable();
        if entries.peek().is_some() {
            streams += 1;
            write_stream_head(&mut elements, context.args.get(options.keys_at + index));
            super::write_entries(&mut elements, entries);
        }
    }
    finish(context, &options, streams, &elements)
}

/// The item at an argument; `counts`: as a use, with a hit or a miss.
fn item_at(context: &mut Context<'_>, index: usize, counts: bool) -> Option<Item> {
    if counts {
        return context.find_read(index);
    }
    let key = key_at!(context, index);
    context.engine.find(&key, Touch::No)
}

/// The stream of an item.
fn view(engine: &Engine, item: Option<Item>) -> Result<Option<StreamView<'_>>, WrongType> {
    item.map(|item| engine.view::<Stream>(item)).transpose()
}

/// The id after which XREAD reads.
fn read_after(stream: Option<StreamView<'_>>, text: &[u8]) -> Result<StreamId, CommandError> {
    let log = stream.map(LargeStream::log);
    match c_text(text) {
        b"$" => Ok(log.map_or(StreamId::MIN, |log| log.last_id())),
        b"+" => Ok(log.map_or(StreamId::MIN, |log| match log.last() {
            Some(last) => last.id.previous().unwrap_or(StreamId::MIN),
            None => log.last_id(),
        })),
        b">" => Err(CommandError::fixed(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> <consumer> option.",
        )),
        _ => id::parse_strict(text, 0),
    }
}

/// `XREADGROUP GROUP group consumer [COUNT count] [BLOCK milliseconds] [NOACK] STREAMS key [key ...] id [id ...]`.
pub fn xreadgroup(context: &mut Context<'_>) -> Result<(), CommandError> {
    let options = Options::parse(&context.args, true)?;
    let (group_at, consumer_at) = options.group.expect("it was checked");
    for index in 0..options.keys {
        let item = item_at(context, options.keys_at + index, true);
        let args = &context.args;
        let found = view(context.engine, item)?
            .is_some_and(|stream| stream.group(args.get(group_at)).is_some());
        if !found {
            return Err(no_group_to_read(
                args.get(options.keys_at + index),
                args.get(group_at),
            ));
        }
        read_group_after(args.get(options.id_at(index)))?;
    }
    let mut elements = Reply::new(context.reply.protocol);
    let mut streams = 0;
    for index in 0..options.keys {
        let args = &context.args;
        let after = read_group_after(args.get(options.id_at(index)))?;
        let key = key_at!(context, options.keys_at + index);
        let (group, consumer) = (args.get(group_at), args.get(consumer_at));
        let (mut changes, mut is_new) = (0, false);
        let read = |stream: &mut Stream, editing: Editing<'_>| {
            let Some(mut group) = stream.group_mut(group) else {
                return;
            };
            let now_ms = editing.now_ms;
            is_new = group.see_consumer(consumer, now_ms);
            changes += u64::from(is_new);
            let mut entries = Reply::new(elements.protocol);
            let read = match after {
                None => group.read_new(consumer, options.count, options.no_ack, now_ms, |entry| {
                    write_entry(&mut entries, entry);
                }),
                Some(after) => {
                    group.read_history(consumer, after, options.count, now_ms, |id, entry| {
                        match entry {
                            Some(entry) => write_entry(&mut entries, entry),
                            None => {
                                entries.array(2);
                                write_id(&mut entries, id);
                                entries.null_array();
                            }
                        }
                    })
                }
            };
            // A history is replied even when it is empty.
            if read > 0 || after.is_some() {
                streams += 1;
                changes += 1;
                write_stream_head(&mut elements, key.bytes);
                elements.array(read);
                append(&mut elements, &entries);
            }
        };
        // What is read for a group is nothing that somebody waits for.
        context
            .engine
            .without_waking(|engine| engine.edit_collection(&key, false, read))?;
        if is_new {
            context
                .engine
                .notify(EventClass::Stream, NEW_CONSUMER, &key);
        }
        context.stats.changes += changes;
    }
    finish(context, &options, streams, &elements)
}

/// The id after which XREADGROUP reads a consumer's history, None for new entries.
fn read_group_after(text: &[u8]) -> Result<Option<StreamId>, CommandError> {
    match c_text(text) {
        b">" => return Ok(None),
        b"$" => {
            return Err(CommandError::fixed(
                "ERR The $ ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The $ ID would just return an empty result set.",
            ));
        }
        b"+" => {
            return Err(CommandError::fixed(
                "ERR The + ID is meaningless in the context of XREADGROUP: you want to read the history of this consumer by specifying a proper ID, or use the > ID to get new messages. The + ID would just return an empty result set.",
            ));
        }
        _ => {}
    }
    // The greatest id is what `>` is in redis-server.
    Ok(Some(id::parse_strict(text, 0)?).filter(|id| *id != StreamId::MAX))
}

/// What stands before a stream's entries: in RESP3 they are a map.
fn write_stream_head(reply: &mut Reply, key: &[u8]) {
    if reply.protocol == Protocol::Resp2 {
        reply.array(2);
    }
    reply.bulk(key);
}

fn finish(
    context: &mut Context<'_>,
    options: &Options,
    streams: usize,
    elements: &Reply,
) -> Result<(), CommandError> {
    if streams == 0 {
        if options.blocks {
            return context.wait_or(Null::Array);
        }
        context.reply.null_array();
        return Ok(());
    }
    if context.reply.protocol == Protocol::Resp2 {
        context.reply.array(streams);
    } else {
        context.reply.map(streams);
    }
    append(context.reply, elements);
    Ok(())
}
