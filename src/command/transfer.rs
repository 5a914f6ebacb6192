//! Values on the move: RENAME, RENAMENX, COPY, MOVE, within a shard and between two.
//!
//! Between two shards a copy is fetched on the source's ([`Transfer::fetch`]) and put on the destination's ([`Transfer::put`]); RENAME takes the value away
//! from the source first ([`Portable::take`]), so that no change to it is lost in between, and puts it back where it was if it cannot stay.

use super::databases::database_index;
use super::{CommandError, CommandStats, Context, key_at};
use crate::engine::{
    Attributes, Collection, Encoding, Engine, EventClass, Expiry, Item, Key, NewValue, OutOfMemory,
    Touch, Type, Value,
};
use crate::large::LargeBytes;
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;

/// The event of a key whose value is under another from now on.
pub const RENAME_FROM: &str = "rename_from";

/// A value that can leave one engine and enter another, with its encoding, its expiry, its attributes and the tags of its key. A large one is shared, not copied.
#[derive(Debug, Clone)]
pub struct Portable {
    value: PortableValue,
    expiry: Option<i64>,
    encoding: Encoding,
    attributes: Attributes,
    tags: Vec<Box<[u8]>>,
}

#[derive(Debug, Clone)]
enum PortableValue {
    Bytes(Box<[u8]>),
    Integer(i64),
    Large(LargeBytes),
    Packed(Type, Box<[u8]>),
    Collection(Collection),
}

impl Portable {
    /// The value of a key; no use of it is counted.
    pub fn read(engine: &mut Engine, key: &Key<'_>) -> Option<Portable> {
        let item = engine.find(key, Touch::No)?;
        let tags = engine.tags_copied(key);
        let portable = Portable::from_item(engine, item);
        Some(Portable { tags, ..portable })
    }

    /// The value of an item, without tags.
    pub fn from_item(engine: &Engine, item: Item) -> Portable {
        let value = match engine.value(item) {
            Value::Bytes(bytes) => PortableValue::Bytes(bytes.into()),
            Value::Integer(value) => PortableValue::Integer(value),
            Value::Large(large) => PortableValue::Large(large.clone()),
            Value::Packed(kind, run) => PortableValue::Packed(kind, run.into()),
            Value::Collection(collection) => PortableValue::Collection(collection.clone()),
        };
        Portable {
            value,
            expiry: engine.expiry(item),
            encoding: engine.encoding(item),
            attributes: engine.attributes(item),
            tags: Vec::new(),
        }
    }

    /// The value of a key, which is removed. A large collection is not copied.
    pub fn take(engine: &mut Engine, key: &Key<'_>) -> Option<Portable> {
        let item = engine.find(key, Touch::No)?;
        let tags = engine.tags_copied(key);
        if engine.is_large_collection(item) {
            let (expiry, encoding) = (engine.expiry(item), engine.encoding(item));
            let attributes = engine.attributes(item);
            let collection = engine.take_collection(key)?;
            return Some(Portable {
                value: PortableValue::Collection(collection),
                expiry,
                encoding,
                attributes,
                tags,
            });
        }
        let portable = Portable::from_item(engine, item);
        engine.remove(key);
        Some(Portable { tags, ..portable })
    }

    /// Stores it under a key, replacing what was there.
    pub fn write(self, engine: &mut Engine, key: &Key<'_>) -> Result<(), OutOfMemory> {
        self.place(engine, key).map_err(|_| OutOfMemory)
    }

    /// [`Portable::write`]; gives the value back when there is no memory.
    pub fn place(mut self, engine: &mut Engine, key: &Key<'_>) -> Result<(), Portable> {
        let tags = std::mem::take(&mut self.tags);
        match self.place_value(engine, key) {
            Ok(()) => engine.add_tags(key, &tags),
            Err(portable) => return Err(Portable { tags, ..portable }),
        }
        Ok(())
    }

    fn place_value(self, engine: &mut Engine, key: &Key<'_>) -> Result<(), Portable> {
        let expiry = self.expiry.map_or(Expiry::None, Expiry::At);
        let value = match self.value {
            PortableValue::Collection(collection) => {
                return engine
                    .put_collection(key, collection, self.expiry, self.attributes)
                    .map_err(|collection| Portable {
                        value: PortableValue::Collection(collection),
                        ..self
                    });
            }
            PortableValue::Bytes(ref bytes) if self.encoding == Encoding::Raw => {
                NewValue::RawBytes(bytes)
            }
            PortableValue::Bytes(ref bytes) => NewValue::Text(bytes),
            PortableValue::Integer(value) => NewValue::Integer(value),
            PortableValue::Large(ref large) => NewValue::Shared(large.clone()),
            PortableValue::Packed(kind, ref run) => NewValue::Packed(kind, run),
        };
        let placed = engine.set_with(key, value, expiry, self.attributes);
        placed.map_err(|_| self)
    }

    /// The value as a string: what [`super::gather`] combines.
    pub fn string(&self) -> super::string_value::StringValue<'_> {
        use super::string_value::StringValue;
        match &self.value {
            PortableValue::Bytes(bytes) => StringValue::Bytes(bytes),
            PortableValue::Integer(value) => {
                StringValue::Digits(super::number::Digits::new(*value))
            }
            PortableValue::Large(large) => StringValue::Large(large),
            PortableValue::Packed(..) | PortableValue::Collection(_) => {
                unreachable!("its type was compared")
            }
        }
    }
}

/// Why a value was not put under its destination.
#[derive(Debug)]
pub enum Unplaced {
    /// There is a key in the way.
    IsInTheWay(Portable),
    /// There is no memory.
    OutOfMemory(Portable),
}

/// Which command it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferKind {
    /// RENAME.
    Rename,
    /// RENAMENX.
    RenameNx,
    /// COPY.
    Copy,
}

/// A RENAME, RENAMENX or COPY whose arguments have been read. The source key is argument 1 in the selected database, the destination argument 2
/// in [`Transfer::destination_db`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transfer {
    /// Which command it is.
    pub kind: TransferKind,
    /// The destination's database.
    pub destination_db: usize,
    /// A key that is there already gives way.
    pub replace: bool,
}

impl Transfer {
    /// Reads the arguments of any command of [`super::Route::Keys`] with [`super::Split::Transfer`].
    pub fn parse(
        name: &str,
        args: &Args<'_>,
        db: usize,
        databases: usize,
    ) -> Result<Transfer, CommandError> {
        match name {
            "rename" => Ok(Transfer {
                kind: TransferKind::Rename,
                destination_db: db,
                replace: true,
            }),
            "renamenx" => Ok(Transfer {
                kind: TransferKind::RenameNx,
                destination_db: db,
                replace: false,
            }),
            "copy" => Transfer::parse_copy(args, db, databases),
            _ => panic!("{name} transfers nothing"),
        }
    }

    fn parse_copy(args: &Args<'_>, db: usize, databases: usize) -> Result<Transfer, CommandError> {
        let mut transfer = Transfer {
            kind: TransferKind::Copy,
            destination_db: db,
            replace: false,
        };
        let mut index = 3;
        while index < args.len() {
            let word = args.get(index);
            if word.eq_ignore_ascii_case(b"REPLACE") {
                transfer.replace = true;
            } else if word.eq_ignore_ascii_case(b"DB") && index + 1 < args.len() {
                index += 1;
                transfer.destination_db = database_index(args.get(index), databases)?;
            } else {
                return Err(CommandError::Syntax);
            }
            index += 1;
        }
        if transfer.destination_db == db && args.get(1) == args.get(2) {
            return Err(CommandError::fixed(
                "ERR source and destination objects are the same",
            ));
        }
        Ok(transfer)
    }

    /// Phase 1, on the source's shard: a copy. None: the source is not there and the reply is 0.
    pub fn fetch(
        &self,
        engine: &mut Engine,
        stats: &mut CommandStats,
        source: &Key<'_>,
    ) -> Result<Option<Portable>, CommandError> {
        let portable = Portable::read(engine, source);
        match self.kind {
            TransferKind::Copy => stats.count_read(engine, source, portable.is_some()),
            TransferKind::Rename | TransferKind::RenameNx if portable.is_none() => {
                return Err(CommandError::NoSuchKey);
            }
            TransferKind::Rename | TransferKind::RenameNx => {}
        }
        Ok(portable)
    }

    /// Phase 2, on the destination's shard. On an error nothing has changed.
    pub fn put(
        &self,
        engine: &mut Engine,
        stats: &mut CommandStats,
        destination: &Key<'_>,
        portable: Portable,
    ) -> Result<(), Unplaced> {
        if !self.replace && engine.find(destination, Touch::No).is_some() {
            return Err(Unplaced::IsInTheWay(portable));
        }
        let renews = renews(engine, destination);
        portable
            .place(engine, destination)
            .map_err(Unplaced::OutOfMemory)?;
        if renews {
            engine.notify(EventClass::New, "new", destination);
        }
        stats.changes += 1;
        Ok(())
    }

    /// Whether all phases in one shard may be done by moving a value that is not copied, if it is a large one.
    fn moves(&self, engine: &mut Engine, source: &Key<'_>, destination: &Key<'_>) -> bool {
        let differ = source.db != destination.db || source.bytes != destination.bytes;
        differ
            && self.removes_source()
            && (self.replace || engine.find(destination, Touch::No).is_none())
    }

    /// Whether the source is no more afterwards.
    pub fn removes_source(&self) -> bool {
        self.kind != TransferKind::Copy
    }

    /// The event of the destination.
    pub fn arrival(&self) -> &'static str {
        match self.kind {
            TransferKind::Rename | TransferKind::RenameNx => "rename_to",
            TransferKind::Copy => "copy_to",
        }
    }

    /// The reply: `stored` is what [`Transfer::put`] returned, or false when [`Transfer::fetch`] found nothing.
    pub fn reply(&self, reply: &mut Reply, stored: bool) {
        match self.kind {
            TransferKind::Rename => reply.ok(),
            TransferKind::RenameNx | TransferKind::Copy => reply.integer(i64::from(stored)),
        }
    }
}

/// Whether a key that is there will be replaced by one that counts as new all the same: Redis deletes the old one first. Asked only by who will be told.
pub fn renews(engine: &mut Engine, key: &Key<'_>) -> bool {
    engine.wants_event(EventClass::New) && engine.has(key)
}

fn transfer(context: &mut Context<'_>, name: &str) -> Result<(), CommandError> {
    let transfer = Transfer::parse(name, &context.args, context.db, context.engine.databases())?;
    let source = key_at!(context, 1);
    let destination = Key {
        db: transfer.destination_db,
        ..key_at!(context, 2)
    };
    let mut stored = false;
    let renews = renews(context.engine, &destination);
    let is_same = source.db == destination.db && source.bytes == destination.bytes;
    if transfer.moves(context.engine, &source, &destination)
        && context.engine.rename_collection(&source, &destination)?
    {
        if renews {
            context.engine.notify(EventClass::New, "new", &destination);
        }
        context.stats.changes += 1;
        stored = true;
    } else if let Some(portable) = transfer.fetch(context.engine, context.stats, &source)? {
        // Only a RENAME comes here with one key for both, and it leaves the key as it is.
        if !is_same {
            match transfer.put(context.engine, context.stats, &destination, portable) {
                Ok(()) => stored = true,
                Err(Unplaced::IsInTheWay(_)) => {}
                Err(Unplaced::OutOfMemory(_)) => return Err(OutOfMemory.into()),
            }
            if stored && transfer.removes_source() {
                context.engine.remove(&source);
            }
        }
    }
    if stored {
        let generic = EventClass::Generic;
        if transfer.removes_source() {
            context.engine.notify(generic, RENAME_FROM, &source);
        }
        context
            .engine
            .notify(generic, transfer.arrival(), &destination);
    }
    transfer.reply(context.reply, stored);
    Ok(())
}

/// RENAME key newkey.
pub fn rename(context: &mut Context<'_>) -> Result<(), CommandError> {
    transfer(context, "rename")
}

/// RENAMENX key newkey.
pub fn renamenx(context: &mut Context<'_>) -> Result<(), CommandError> {
    transfer(context, "renamenx")
}

/// `COPY source destination [DB index] [REPLACE]`.
pub fn copy(context: &mut Context<'_>) -> Result<(), CommandError> {
    transfer(context, "copy")
}
