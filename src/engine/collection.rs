//! Collections in items: lists, hashes, sets, sorted sets, streams.
//!
//! A packed one is bytes in the item, behind one byte that names its type; a large one is owned by the item. To change one the engine takes it out of
//! its item, gives it to a closure, and puts back what comes of it; so a type's code knows nothing of items, and the engine nothing of elements.
//! The decision worth knowing: freeing a large one takes as long as it has elements, so a deleted one waits in a queue and is released by upkeep in
//! slices. The memory limit counts it as gone at once.

mod frozen;

use super::arena::prefetch_line;
use super::item::{self, KIND_COLLECTION, KIND_PACKED, Layout};
use super::random::Random;
use super::store::{Payload, Record};
use super::value::hash::{Hash, HashLimits, HashView, LargeHash};
use super::value::list::{LargeList, List, ListLimits, ListView};
use super::value::set::{LargeSet, Set, SetLimits, SetView};
use super::value::sorted_set::{LargeSortedSet, SortedSet, SortedSetLimits, SortedSetView};
use super::value::stream::{LargeStream, Stream, StreamLimits, StreamView};
use super::value::{ElementHasher, Stored};
use super::{
    Attributes, Encoding, Engine, EventClass, Expiry, Item, Key, OutOfMemory, Touch, Value,
};
pub use crate::config::Thresholds;
use crate::limits::BATCH_REQUESTS_MAX;

/// The type of a value, as TYPE tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Type {
    /// A string.
    String,
    /// A list.
    List,
    /// A set.
    Set,
    /// A sorted set.
    SortedSet,
    /// A hash.
    Hash,
    /// A stream.
    Stream,
}

impl Type {
    const ALL: [Type; 6] = [
        Type::String,
        Type::List,
        Type::Set,
        Type::SortedSet,
        Type::Hash,
        Type::Stream,
    ];

    /// The name that TYPE replies with.
    pub fn name(self) -> &'static str {
        match self {
            Type::String => "string",
            Type::List => "list",
            Type::Set => "set",
            Type::SortedSet => "zset",
            Type::Hash => "hash",
            Type::Stream => "stream",
        }
    }

    /// The type that a byte of a packed collection names.
    pub(super) fn of_byte(byte: u8) -> Type {
        Type::ALL[usize::from(byte)]
    }
}

/// A large collection, as an item owns it.
#[derive(Debug, Default, Clone)]
pub enum Collection {
    /// Nothing: it has been taken out.
    #[default]
    Taken,
    /// A hash.
    Hash(Box<LargeHash>),
    /// A list.
    List(Box<LargeList>),
    /// A set.
    Set(Box<LargeSet>),
    /// A sorted set.
    SortedSet(Box<LargeSortedSet>),
    /// A stream.
    Stream(Box<LargeStream>),
}

/// The key holds a value of another type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongType;

/// Why a collection was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EditError {
    /// The key holds a value of another type.
    WrongType,
    /// There is no memory; nothing has changed.
    OutOfMemory,
}

impl From<OutOfMemory> for EditError {
    fn from(_: OutOfMemory) -> EditError {
        EditError::OutOfMemory
    }
}

/// A type of collection, between its own form and the item's.
pub trait Kind: Stored {
    /// Which it is.
    const TYPE: Type;
    /// Whether an empty one is no longer there: all but streams.
    const VANISHES: bool = true;
    /// To read one without taking it out.
    type View<'a>: Copy;
    /// The item's form; the packed bytes when it is packed.
    fn into_large(self) -> Result<Collection, Vec<u8>>;
    /// From the item's form; None when that is of another type.
    fn from_large(collection: Collection) -> Option<Self>;
    /// To read packed bytes.
    fn view_packed(bytes: &[u8]) -> Self::View<'_>;
    /// To read a large one; None when it is of another type.
    fn view_large(collection: &Collection) -> Option<Self::View<'_>>;
}

impl Kind for Stream {
    const TYPE: Type = Type::Stream;
    const VANISHES: bool = false;
    type View<'a> = StreamView<'a>;
    fn into_large(self) -> Result<Collection, Vec<u8>> {
        Ok(Collection::Stream(self.into_body()))
    }
    fn from_large(collection: Collection) -> Option<Self> {
        match collection {
            Collection::Stream(body) => Some(Stream::from_body(body)),
            _ => None,
        }
    }
    fn view_packed(_: &[u8]) -> StreamView<'_> {
        unreachable!("a stream has no packed form")
    }
    fn view_large(collection: &Collection) -> Option<StreamView<'_>> {
        match collection {
            Collection::Stream(body) => Some(body),
            _ => None,
        }
    }
}

/// What the [`Kind`] of a type with a packed form is made of.
macro_rules! kinds {
    ($($type:ident $owned:ident $view:ident;)*) => {
        $(impl Kind for $owned {
            const TYPE: Type = Type::$type;
            type View<'a> = $view<'a>;
            fn into_large(self) -> Result<Collection, Vec<u8>> {
                match self {
                    $owned::Packed(bytes) => Err(bytes),
                    $owned::Large(large) => Ok(Collection::$type(large)),
                }
            }
            fn from_large(collection: Collection) -> Option<Self> {
                match collection {
                    Collection::$type(large) => Some($owned::Large(large)),
                    _ => None,
                }
            }
            fn view_packed(bytes: &[u8]) -> $view<'_> {
                $view::Packed(bytes)
            }
            fn view_large(collection: &Collection) -> Option<$view<'_>> {
                match collection {
                    Collection::$type(large) => Some($view::Large(large)),
                    _ => None,
                }
            }
        })*
        impl Collection {
            /// Its type; that of a string when it has been taken out.
            pub fn kind(&self) -> Type {
                match self {
                    Collection::Taken => Type::String,
                    $(Collection::$type(_) => Type::$type,)*
                    Collection::Stream(_) => Type::Stream,
                }
            }
            /// Bytes allocated.
            pub fn heap_bytes(&self) -> usize {
                match self {
                    Collection::Taken => 0,
                    $(Collection::$type(large) => large.heap_bytes(),)*
                    Collection::Stream(body) => body.heap_bytes(),
                }
            }
            /// Where it begins; what is not to be read is as good as any address.
            fn address(&self) -> *const u8 {
                match self {
                    Collection::Taken => std::ptr::null(),
                    $(Collection::$type(large) => (&raw const **large).cast(),)*
                    Collection::Stream(body) => (&raw const **body).cast(),
                }
            }
            /// The name of its encoding in Redis.
            pub fn encoding(&self) -> &'static str {
                match self {
                    Collection::Taken => "raw",
                    $(Collection::$type(large) => $view::Large(large).encoding(),)*
                    Collection::Stream(body) => body.encoding(),
                }
            }
            /// Frees at most about `units` elements; the units left over, more than 0 when nothing remains.
            pub(super) fn release(&mut self, units: usize) -> usize {
                match std::mem::take(self) {
                    Collection::Taken => units.max(1),
                    $(Collection::$type(large) => {
                        let mut owned = $owned::Large(large);
                        let left = owned.release(units);
                        if left == 0 && let Ok(rest) = owned.into_large() {
                            *self = rest;
                        }
                        left
                    })*
                    Collection::Stream(body) => {
                        let mut stream = Stream::from_body(body);
                        let left = stream.release(units);
                        if left == 0 {
                            *self = Collection::Stream(stream.into_body());
                        }
                        left
                    }
                }
            }
        }
        /// The name of a packed collection's encoding in Redis.
        fn encoding_of_packed(kind: Type, run: &[u8]) -> &'static str {
            match kind {
                $(Type::$type => $view::Packed(run).encoding(),)*
                _ => unreachable!("{kind:?} is never packed"),
            }
        }
    };
}

kinds! {
    Hash Hash HashView;
    List List ListView;
    Set Set SetView;
    SortedSet SortedSet SortedSetView;
}

/// What each type's operations want to know.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct CollectionLimits {
    pub hash: HashLimits,
    pub list: ListLimits,
    pub set: SetLimits,
    pub sorted_set: SortedSetLimits,
    pub stream: StreamLimits,
}

impl CollectionLimits {
    pub(super) fn new(thresholds: &Thresholds, hasher: ElementHasher) -> CollectionLimits {
        CollectionLimits {
            hash: HashLimits {
                packed_entries_max: thresholds.hash_entries_max,
                packed_value_bytes_max: thresholds.hash_value_bytes_max,
                hasher: hasher.clone(),
            },
            list: ListLimits {
                listpack_size: thresholds.list_size,
            },
            set: SetLimits {
                intset_entries_max: thresholds.set_integers_max,
                packed_entries_max: thresholds.set_entries_max,
                packed_value_bytes_max: thresholds.set_value_bytes_max,
                hasher: hasher.clone(),
            },
            sorted_set: SortedSetLimits {
                packed_entries_max: thresholds.sorted_set_entries_max,
                packed_member_bytes_max: thresholds.sorted_set_member_bytes_max,
                hasher,
            },
            stream: StreamLimits {
                node_bytes_max: thresholds.stream_node_bytes_max,
                node_entries_max: thresholds.stream_node_entries_max as u64,
            },
        }
    }
}

/// What a closure that changes a collection may use.
pub struct Editing<'a> {
    /// When it becomes large, and how large ones hash.
    pub limits: &'a CollectionLimits,
    /// To be set by who has changed nothing: then the key keeps its token, and nobody who waits for it is told.
    pub is_unchanged: &'a mut bool,
    /// Randomness.
    pub random: &'a mut Random,
    /// The time of this turn, Unix milliseconds.
    pub now_ms: i64,
    /// Counts fields that were removed because they had expired.
    pub expired_fields: &'a mut u64,
    /// To be set by who has removed some that had expired before.
    pub found_expired: &'a mut bool,
}

/// A deleted collection up to this many bytes is freed at once.
const FREED_AT_ONCE_BYTES_MAX: usize = 4096;
/// Elements released in one step of upkeep.
const RELEASE_ELEMENTS: usize = 64;
/// What such a step costs in upkeep's units: three to eight misses of the cache for each element.
const RELEASE_UNITS: usize = 4 * RELEASE_ELEMENTS;

impl Engine {
    /// The type of an item's value.
    #[inline]
    pub fn type_of(&self, item: Item) -> Type {
        if !item::is_collection(self.arena.bytes(item.0)) {
            return Type::String;
        }
        match self.value(item) {
            Value::Packed(kind, _) => kind,
            Value::Collection(collection) => collection.kind(),
            _ => Type::String,
        }
    }

    /// Whether an item owns a large collection.
    pub fn is_large_collection(&self, item: Item) -> bool {
        self.layout(item).0.kind() == KIND_COLLECTION
    }

    /// The second part of [`Engine::prefetch`]: what large collections begin with, level by level, so that the misses of a whole batch overlap at each.
    pub(super) fn prefetch_collections(&self, hashes: impl Iterator<Item = u64>) {
        let mut found = [None; BATCH_REQUESTS_MAX];
        let mut count = 0;
        for hash in hashes {
            self.databases[0].dictionary.find(hash, |reference| {
                if count < found.len()
                    && let Value::Collection(collection) = self.value(Item(reference))
                {
                    prefetch_line(collection.address());
                    found[count] = Some(collection);
                    count += 1;
                }
                false
            });
        }
        for level in 0..2 {
            for collection in found[..count].iter().flatten() {
                if let Collection::List(list) = collection {
                    for address in list.ends(level) {
                        prefetch_line(address);
                    }
                }
            }
        }
    }

    /// [`Engine::view`], and randomness to choose with.
    pub fn view_with_random<T: Kind>(
        &mut self,
        item: Item,
    ) -> Result<(T::View<'_>, &mut Random), WrongType> {
        let view = match Engine::value_in(&self.arena, item) {
            Value::Packed(kind, bytes) if kind == T::TYPE => T::view_packed(bytes),
            Value::Collection(collection) => T::view_large(collection).ok_or(WrongType)?,
            _ => return Err(WrongType),
        };
        Ok((view, &mut self.random))
    }

    /// When collections become large, and how large ones hash: for building one that is then stored with [`Engine::set_collection`].
    pub fn limits(&self) -> &CollectionLimits {
        &self.limits
    }

    /// Changes when collections become large; those that are there follow when they are changed.
    pub fn set_thresholds(&mut self, thresholds: &Thresholds) {
        let hasher = self.limits.hash.hasher.clone();
        self.limits = CollectionLimits::new(thresholds, hasher);
    }

    /// The name of the encoding of an item's value, as OBJECT ENCODING replies it.
    pub fn encoding_name(&self, item: Item) -> &'static str {
        match self.value(item) {
            Value::Packed(kind, run) => encoding_of_packed(kind, run),
            Value::Collection(collection) => collection.encoding(),
            _ => match self.encoding(item) {
                Encoding::Int => "int",
                Encoding::Embstr => "embstr",
                Encoding::Raw => "raw",
            },
        }
    }

    /// An item's value as a collection of a type, to read it.
    #[inline]
    pub fn view<T: Kind>(&self, item: Item) -> Result<T::View<'_>, WrongType> {
        match self.value(item) {
            Value::Packed(kind, bytes) if kind == T::TYPE => Ok(T::view_packed(bytes)),
            Value::Collection(collection) => T::view_large(collection).ok_or(WrongType),
            _ => Err(WrongType),
        }
    }

    /// Changes the collection of a key in a closure, which is given an empty one for a key that is not there if `create`, and is not called otherwise
    /// (None). One that is empty afterwards is deleted. Forgets the key's token, unless nothing is said to have changed. On an error the value is as it was.
    pub fn edit_collection<T: Kind, R>(
        &mut self,
        key: &Key<'_>,
        create: bool,
        change: impl FnOnce(&mut T, Editing<'_>) -> R,
    ) -> Result<Option<R>, EditError> {
        let old = self.find(key, Touch::No);
        if old.is_none() && !create {
            return Ok(None);
        }
        let mut value = match old {
            None => T::from_packed(self.empty_scratch()),
            Some(item) => self.take_out::<T>(item)?,
        };
        // A new one is not counted yet, and an empty stream has allocated something already.
        let before = match old {
            Some(_) => value.heap_bytes() as u64,
            None => 0,
        };
        let (mut is_unchanged, mut found_expired) = (false, false);
        let editing = Editing {
            limits: &self.limits,
            is_unchanged: &mut is_unchanged,
            random: &mut self.random,
            now_ms: self.now_ms,
            expired_fields: &mut self.expired_fields,
            found_expired: &mut found_expired,
        };
        let result = change(&mut value, editing);
        if found_expired {
            self.notify(EventClass::Hash, "hexpired", key);
        }
        let after = value.heap_bytes() as u64;
        self.bytes_collections = self.bytes_collections + after - before;
        if T::VANISHES && value.is_empty() {
            self.bytes_collections -= after;
            if let Err(bytes) = value.into_large() {
                self.scratch = bytes;
            }
            if let Some(item) = old {
                self.delete(key.db, key.hash, item.0);
            }
            return Ok(Some(result));
        }
        if !is_unchanged {
            self.changed(key);
        }
        self.put_back(key, old, value, after)?;
        Ok(Some(result))
    }

    /// Stores a collection under a key, whatever was there. An empty one deletes the key. On an error nothing has changed.
    pub fn set_collection<T: Kind>(
        &mut self,
        key: &Key<'_>,
        value: T,
        expiry: Expiry,
    ) -> Result<(), OutOfMemory> {
        let keeps_tags = expiry == Expiry::Keep;
        let old = self.find(key, Touch::No);
        if T::VANISHES && value.is_empty() {
            if let Some(item) = old {
                self.delete(key.db, key.hash, item.0);
            }
            return Ok(());
        }
        let expiry = match expiry {
            Expiry::None => None,
            Expiry::Keep => old.and_then(|item| self.expiry(item)),
            Expiry::At(at) => Some(at),
        };
        self.place_collection(key, old, value, expiry, Attributes::default())?;
        self.changed(key);
        if !keeps_tags {
            self.forget_tags(key.db, key.hash);
        }
        Ok(())
    }

    fn empty_scratch(&mut self) -> Vec<u8> {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        scratch
    }

    /// The collection of an item, to be put back: packed bytes as a copy, a large one itself.
    pub(super) fn take_out<T: Kind>(&mut self, item: Item) -> Result<T, EditError> {
        match self.value(item) {
            Value::Packed(kind, _) if kind == T::TYPE => {
                let mut scratch = self.empty_scratch();
                if let Value::Packed(_, bytes) = self.value(item) {
                    scratch.extend_from_slice(bytes);
                }
                Ok(T::from_packed(scratch))
            }
            Value::Collection(collection) if collection.kind() == T::TYPE => {
                self.forget_fields(item);
                let taken = std::mem::take(self.collection_mut(item));
                Ok(T::from_large(taken).expect("its type was compared"))
            }
            _ => Err(EditError::WrongType),
        }
    }

    pub(super) fn collection_mut(&mut self, item: Item) -> &mut Collection {
        let bytes = self.arena.slot_mut(item.0);
        Layout::of(bytes).collection_mut(bytes)
    }

    /// Puts a changed collection under its key; `heap_bytes` is what it has allocated, which is counted already.
    fn put_back<T: Kind>(
        &mut self,
        key: &Key<'_>,
        old: Option<Item>,
        value: T,
        heap_bytes: u64,
    ) -> Result<(), OutOfMemory> {
        if let Some(item) = old {
            let (layout, bytes) = self.layout(item);
            match value.packed() {
                None if layout.kind() == KIND_COLLECTION => {
                    let large = value.into_large();
                    *self.collection_mut(item) = large.expect("it has no packed form");
                    self.note_fields(item);
                    self.touch(item);
                    return Ok(());
                }
                Some(packed) if layout.kind() == KIND_PACKED => {
                    let range = layout.value();
                    if bytes[range.start + 1..range.end] == *packed {
                        self.scratch = value.into_large().expect_err("it has a packed form");
                        self.touch(item);
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
        // What is counted must be what `place_collection` counts again.
        self.bytes_collections -= heap_bytes;
        let (expiry, attributes) = match old {
            None => (None, Attributes::default()),
            Some(item) => {
                let (layout, bytes) = self.layout(item);
                (item::expiry(bytes), layout.attributes(bytes))
            }
        };
        self.place_collection(key, old, value, expiry, attributes)
    }

    fn place_collection<T: Kind>(
        &mut self,
        key: &Key<'_>,
        old: Option<Item>,
        value: T,
        expiry: Option<i64>,
        attributes: Attributes,
    ) -> Result<(), OutOfMemory> {
        let heap_bytes = value.heap_bytes() as u64;
        match value.into_large() {
            Ok(collection) => {
                let payload = Payload::Collection(collection);
                self.place(
                    key,
                    old,
                    Record {
                        payload,
                        expiry,
                        attributes,
                        used: true,
                    },
                )?;
                self.bytes_collections += heap_bytes;
            }
            Err(bytes) => {
                let payload = Payload::Packed(T::TYPE, &bytes);
                let result = self.place(
                    key,
                    old,
                    Record {
                        payload,
                        expiry,
                        attributes,
                        used: true,
                    },
                );
                self.scratch = bytes;
                result?;
            }
        }
        Ok(())
    }

    /// Writes the record of a large collection anew with other parts beside it.
    pub(super) fn place_collection_again(
        &mut self,
        key: &Key<'_>,
        old: Item,
        expiry: Option<i64>,
        attributes: Attributes,
    ) -> Result<(), OutOfMemory> {
        self.forget_fields(old);
        let collection = std::mem::take(self.collection_mut(old));
        let record = Record {
            payload: Payload::Collection(Collection::Taken),
            expiry,
            attributes,
            used: true,
        };
        let result = self.place(key, Some(old), record);
        let item = match result {
            Ok(item) => item,
            // The old record may have been moved.
            Err(_) => self.find(key, Touch::No).expect("it was pinned"),
        };
        *self.collection_mut(item) = collection;
        self.note_fields(item);
        result.map(drop)
    }

    /// Moves a large collection from one key to another, replacing what was there, without a copy. False, with nothing done, when the source
    /// holds anything else.
    pub fn rename_collection(
        &mut self,
        source: &Key<'_>,
        destination: &Key<'_>,
    ) -> Result<bool, OutOfMemory> {
        let Some(item) = self.find(source, Touch::No) else {
            return Ok(false);
        };
        let (layout, bytes) = self.layout(item);
        if layout.kind() != KIND_COLLECTION {
            return Ok(false);
        }
        let record = Record {
            payload: Payload::Collection(Collection::Taken),
            expiry: item::expiry(bytes),
            attributes: layout.attributes(bytes),
            used: true,
        };
        let old = self.find(destination, Touch::No);
        let placed = self.place(destination, old, record)?;
        let Some(item) = self.find(source, Touch::No) else {
            // Making room has evicted it.
            self.delete(destination.db, destination.hash, placed.0);
            return Err(OutOfMemory);
        };
        self.forget_fields(item);
        let collection = std::mem::take(self.collection_mut(item));
        *self.collection_mut(placed) = collection;
        self.note_fields(placed);
        self.changed(destination);
        let tags = self.tags_copied(source);
        self.delete(source.db, source.hash, item.0);
        self.forget_tags(destination.db, destination.hash);
        self.add_tags(destination, &tags);
        Ok(true)
    }

    /// Removes a key that has a large collection, and gives that; None, with nothing done, for any other.
    pub fn take_collection(&mut self, key: &Key<'_>) -> Option<Collection> {
        let item = self.find(key, Touch::No)?;
        if self.layout(item).0.kind() != KIND_COLLECTION {
            return None;
        }
        self.forget_fields(item);
        let collection = std::mem::take(self.collection_mut(item));
        self.bytes_collections -= collection.heap_bytes() as u64;
        self.delete(key.db, key.hash, item.0);
        Some(collection)
    }

    /// Stores a large collection, replacing what was there; gives it back when there is no memory.
    pub fn put_collection(
        &mut self,
        key: &Key<'_>,
        collection: Collection,
        expiry: Option<i64>,
        attributes: Attributes,
    ) -> Result<(), Collection> {
        let old = self.find(key, Touch::No);
        let record = Record {
            payload: Payload::Collection(Collection::Taken),
            expiry,
            attributes,
            used: true,
        };
        let Ok(item) = self.place(key, old, record) else {
            return Err(collection);
        };
        self.bytes_collections += collection.heap_bytes() as u64;
        *self.collection_mut(item) = collection;
        self.note_fields(item);
        self.changed(key);
        self.forget_tags(key.db, key.hash);
        Ok(())
    }

    /// Lets go of the collection that an item owns.
    pub(super) fn retire(&mut self, collection: Collection) {
        let heap_bytes = collection.heap_bytes();
        self.bytes_collections -= heap_bytes as u64;
        if heap_bytes > FREED_AT_ONCE_BYTES_MAX {
            self.retired.push(collection);
        }
    }

    /// Releases elements of a deleted collection; the steps it took, None when nothing is left.
    pub(super) fn release_step(&mut self) -> Option<usize> {
        let collection = self.retired.last_mut()?;
        if collection.release(RELEASE_ELEMENTS) > 0 {
            self.retired.pop();
        }
        Some(RELEASE_UNITS)
    }
}
