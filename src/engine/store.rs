//! Looking up, writing and deleting single keys.
//!
//! Every write of a record goes through [`Engine::place`], which decides between the slot it has and another one, so that there is one
//! place where memory is asked for, and it is asked for before anything changes.

use super::arena::Arena;
use super::awaited::Awaited;
use super::collection::{Collection, CollectionLimits, Type};
use super::dict::Dictionary;
use super::events::{EventClass, Events};
use super::evict::{Eviction, EvictionOptions};
use super::expiry::Sweep;
use super::field_expiry::FieldExpiries;
use super::hash::KeyHasher;
use super::item::{
    self, KEY_BYTES_MAX, KIND_BYTES, KIND_COLLECTION, KIND_INTEGER, KIND_LARGE, KIND_PACKED,
    KIND_RAW, Layout,
};
use super::journaled::Journaled;
use super::leases::Leases;
use super::random::Random;
use super::size_class::{
    CLASSES, PAGE_BYTES, SLOT_BYTES_MAX, class_of, slot_bytes, slots_per_page,
};
use super::tags::Tags;
use super::tokens::Tokens;
use super::tracked::Tracked;
use super::value::ElementHasher;
use super::watched::Watched;
use super::{
    Attributes, ClassStats, Database, Encoding, Engine, EngineOptions, EngineStats, Expiry, Item,
    Key, NewValue, OutOfMemory, Policy, Touch, Value,
};
use crate::large::{LargeBuffer, LargeBytes, bytes_resident_for};

/// The longest string with the encoding embstr.
const EMBSTR_BYTES_MAX: usize = 44;

/// A value ready to be put into a record.
pub(super) enum Payload<'a> {
    Bytes(&'a [u8]),
    /// Bytes modified in place.
    Raw(&'a [u8]),
    Integer(i64),
    Large(LargeBytes),
    /// A packed collection.
    Packed(Type, &'a [u8]),
    /// A large collection.
    Collection(Collection),
}

impl Payload<'_> {
    fn kind(&self) -> u8 {
        match self {
            Payload::Bytes(_) => KIND_BYTES,
            Payload::Raw(_) => KIND_RAW,
            Payload::Integer(_) => KIND_INTEGER,
            Payload::Large(_) => KIND_LARGE,
            Payload::Packed(..) => KIND_PACKED,
            Payload::Collection(_) => KIND_COLLECTION,
        }
    }

    fn len(&self) -> usize {
        match self {
            Payload::Bytes(bytes) | Payload::Raw(bytes) => bytes.len(),
            Payload::Integer(integer) => item::integer_len(*integer),
            Payload::Packed(_, bytes) => 1 + bytes.len(),
            Payload::Large(_) | Payload::Collection(_) => 0,
        }
    }
}

/// A record to be written.
pub(super) struct Record<'a> {
    pub payload: Payload<'a>,
    pub expiry: Option<i64>,
    pub attributes: Attributes,
    /// Whether that counts as a use of the item.
    pub used: bool,
}

impl Engine {
    /// An empty engine; an error says in one sentence what the system refused and the remedy.
    pub fn new(options: EngineOptions) -> Result<Engine, String> {
        let arena = Arena::new(options.reservation_bytes.max(PAGE_BYTES)).map_err(|error| {
            format!(
                "cannot reserve {} bytes of address space for a shard's items ({error}): raise the limit of address space (ulimit -v) or allow overcommitting (sysctl vm.overcommit_memory=1)",
                options.reservation_bytes
            )
        })?;
        Ok(Engine {
            arena,
            hasher: KeyHasher::new(options.seed),
            databases: (0..options.databases.max(1))
                .map(|_| Database::default())
                .collect(),
            draining: Vec::new(),
            eviction: Eviction::new(
                &EvictionOptions {
                    policy: options.policy,
                    samples: options.samples,
                    lfu_log_factor: options.lfu_log_factor,
                    lfu_decay_minutes: options.lfu_decay_minutes,
                },
                options.seed,
                0,
            ),
            random: Random::new(options.seed),
            now_ms: 0,
            memory_bytes_max: options.memory_bytes_max,
            bytes_outside: 0,
            bytes_large: 0,
            bytes_collections: 0,
            retired: Vec::new(),
            limits: CollectionLimits::new(&options.thresholds, ElementHasher::new(!options.seed)),
            bytes_dictionaries: 0,
            pinned: None,
            evacuation: None,
            sweep: Sweep::default(),
            field_expiries: FieldExpiries::default(),
            expired_keys: 0,
            expired_fields: 0,
            evicted_keys: 0,
            pages_moved: 0,
            bytes_used_max: 0,
            scratch: Vec::new(),
            found: Vec::new(),
            tokens: Tokens::default(),
            tags: Tags::default(),
            leases: Leases::default(),
            awaited: Awaited::default(),
            watched: Watched::default(),
            is_sweeping: true,
            keeps_fields: false,
            tracked: Tracked::default(),
            events: Events::default(),
            journaled: Journaled::default(),
        })
    }

    /// Sets the time of this turn, Unix milliseconds. Items whose expiry is at or before it are gone for every look-up.
    pub fn set_now(&mut self, now_ms: i64) {
        self.now_ms = now_ms;
        if self.field_expiries.may_be_due(now_ms) {
            self.field_expiries.look();
        }
        self.eviction.set_now(now_ms);
        self.bytes_used_max = self.bytes_used_max.max(self.bytes_used());
    }

    /// Whether upkeep removes what has expired; otherwise only who looks a key up does.
    pub fn set_sweeping(&mut self, is_sweeping: bool) {
        self.is_sweeping = is_sweeping;
    }

    /// Whether upkeep leaves fields that have expired where they are, which nobody sees.
    pub fn keep_fields(&mut self, keeps_fields: bool) {
        self.keeps_fields = keeps_fields;
    }

    /// The time of this turn.
    pub fn now_ms(&self) -> i64 {
        self.now_ms
    }

    /// Hashes a key.
    #[inline]
    pub fn key<'a>(&self, db: usize, bytes: &'a [u8]) -> Key<'a> {
        Key {
            db,
            bytes,
            hash: self.hasher.hash(bytes),
        }
    }

    /// Takes the first memory from the system before the first request needs it.
    pub fn warm_up(&self) {
        self.arena.warm_up();
    }

    /// Brings the cache lines of these keys' dictionary entries and items near, for a batch that will be executed soon. The keys are looked for in the
    /// first database, which is nearly always the one; the work is wasted, not wrong, when it is another.
    #[inline]
    pub fn prefetch(&self, hashes: impl Iterator<Item = u64> + Clone) {
        let dictionary = &self.databases[0].dictionary;
        for hash in hashes.clone() {
            dictionary.find(hash, |reference| {
                self.arena.prefetch(reference);
                false
            });
        }
        if self.bytes_collections > 0 {
            self.prefetch_collections(hashes);
        }
    }

    /// Looks a key up; one that has expired, itself or all its fields, is deleted and not found.
    #[inline]
    pub fn find(&mut self, key: &Key<'_>, touch: Touch) -> Option<Item> {
        let arena = &self.arena;
        let reference = self.databases[key.db]
            .dictionary
            .find(key.hash, |reference| {
                item::has_key(arena.bytes(reference), key.bytes)
            })?;
        if let Some(expiry) = item::expiry(self.arena.bytes(reference))
            && expiry <= self.now_ms
        {
            self.expired_keys += 1;
            self.delete(key.db, key.hash, reference);
            self.notify(EventClass::Expired, "expired", key);
            return None;
        }
        if self.tags.has_dropped() && self.tags.is_doomed(key.db, key.hash) {
            self.delete_doomed(key.db, key.hash, reference);
            return None;
        }
        if self.is_spent(Item(reference)) {
            self.delete_spent(key.db, key.hash, Item(reference));
            return None;
        }
        if touch == Touch::Yes {
            self.touch(Item(reference));
        }
        Some(Item(reference))
    }

    /// Counts a use of the item.
    #[inline]
    pub(super) fn touch(&mut self, item: Item) {
        let bytes = self.arena.bytes(item.0);
        let (before, read) = (item::access(bytes), item::was_read(bytes));
        let after = self.eviction.on_access(item, before);
        if after != before || !read {
            let head = self.arena.head_mut(item.0);
            item::set_access(head, after);
            item::set_read(head);
        }
    }

    pub(super) fn layout(&self, item: Item) -> (Layout, &[u8]) {
        let bytes = self.arena.bytes(item.0);
        (Layout::of(bytes), bytes)
    }

    /// The item's key.
    #[inline]
    pub fn key_bytes(&self, item: Item) -> &[u8] {
        let (layout, bytes) = self.layout(item);
        layout.key(bytes)
    }

    /// The item's value.
    #[inline]
    pub fn value(&self, item: Item) -> Value<'_> {
        Engine::value_in(&self.arena, item)
    }

    #[inline]
    pub(super) fn value_in(arena: &Arena, item: Item) -> Value<'_> {
        let bytes = arena.bytes(item.0);
        if let Some(value) = item::short_bytes(bytes) {
            return Value::Bytes(value);
        }
        Engine::long_value_in(bytes)
    }

    fn long_value_in(bytes: &[u8]) -> Value<'_> {
        let layout = Layout::of(bytes);
        match layout.kind() {
            KIND_BYTES | KIND_RAW => Value::Bytes(&bytes[layout.value()]),
            KIND_INTEGER => Value::Integer(layout.integer(bytes)),
            KIND_LARGE => Value::Large(layout.large_value(bytes)),
            KIND_PACKED => {
                let value = &bytes[layout.value()];
                Value::Packed(Type::of_byte(value[0]), &value[1..])
            }
            KIND_COLLECTION => Value::Collection(layout.collection(bytes)),
            kind => unreachable!("no value has kind {kind}"),
        }
    }

    /// The item's string encoding as Redis names it.
    pub fn encoding(&self, item: Item) -> Encoding {
        let (layout, _) = self.layout(item);
        match layout.kind() {
            KIND_INTEGER => Encoding::Int,
            KIND_BYTES if layout.value().len() <= EMBSTR_BYTES_MAX => Encoding::Embstr,
            _ => Encoding::Raw,
        }
    }

    /// When the item expires, Unix milliseconds.
    #[inline]
    pub fn expiry(&self, item: Item) -> Option<i64> {
        item::expiry(self.arena.bytes(item.0))
    }

    /// Milliseconds since the item was last used (OBJECT IDLETIME).
    pub fn idle_ms(&self, item: Item) -> u64 {
        self.eviction
            .idle_ms(item, item::access(self.arena.bytes(item.0)))
    }

    /// The logarithmic access counter (OBJECT FREQ); None unless an LFU policy is active.
    pub fn frequency(&self, item: Item) -> Option<u8> {
        self.eviction
            .frequency(item, item::access(self.arena.bytes(item.0)))
    }

    /// Makes the item look as if it had not been used for so long (RESTORE IDLETIME); nothing under a policy that orders items otherwise.
    pub fn set_idle_ms(&mut self, item: Item, idle_ms: u64) {
        if let Some(access) = self.eviction.access_of_idle(item, idle_ms) {
            item::set_access(self.arena.head_mut(item.0), access);
        }
    }

    /// Sets the logarithmic access counter (RESTORE FREQ); nothing unless an LFU policy is active.
    pub fn set_frequency(&mut self, item: Item, frequency: u8) {
        if let Some(access) = self.eviction.access_of_frequency(item, frequency) {
            item::set_access(self.arena.head_mut(item.0), access);
        }
    }

    /// Bytes of memory the item takes (MEMORY USAGE).
    pub fn bytes(&self, item: Item) -> usize {
        let (layout, bytes) = self.layout(item);
        slot_bytes(self.arena.class_of(item.0))
            + size_of::<u32>()
            + 1
            + large_bytes(&layout, bytes)
            + match self.value(item) {
                Value::Collection(collection) => collection.heap_bytes(),
                _ => 0,
            }
    }

    /// What memcached's protocols know of the item.
    #[inline]
    pub fn attributes(&self, item: Item) -> Attributes {
        let (layout, bytes) = self.layout(item);
        layout.attributes(bytes)
    }

    /// Whether the value has been read since it was stored.
    pub fn was_read(&self, item: Item) -> bool {
        item::was_read(self.arena.bytes(item.0))
    }

    /// Counts a use of the item, as [`Engine::find`] does with [`Touch::Yes`].
    pub fn mark_read(&mut self, item: Item) {
        self.touch(item);
    }

    /// Stores a value under a key, whether it was there or not. Evicts when it must. On an error nothing has changed.
    #[inline]
    pub fn set(
        &mut self,
        key: &Key<'_>,
        value: NewValue<'_>,
        expiry: Expiry,
    ) -> Result<(), OutOfMemory> {
        self.set_with(key, value, expiry, Attributes::default())
    }

    /// [`Engine::set`] with attributes. Forgets the key's token, and its tags unless it keeps its expiry.
    pub fn set_with(
        &mut self,
        key: &Key<'_>,
        value: NewValue<'_>,
        expiry: Expiry,
        attributes: Attributes,
    ) -> Result<(), OutOfMemory> {
        self.revise(key, value, expiry, attributes)?;
        if expiry != Expiry::Keep {
            self.forget_tags(key.db, key.hash);
        }
        Ok(())
    }

    /// [`Engine::set_with`] for what is the same item to its users: it keeps its tags, whatever becomes of its expiry.
    pub fn revise(
        &mut self,
        key: &Key<'_>,
        value: NewValue<'_>,
        expiry: Expiry,
        attributes: Attributes,
    ) -> Result<(), OutOfMemory> {
        let old = self.find(key, Touch::No);
        let expiry = match expiry {
            Expiry::None => None,
            Expiry::Keep => old.and_then(|item| self.expiry(item)),
            Expiry::At(at) => Some(at),
        };
        let payload = match value {
            NewValue::Bytes(bytes) => match item::canonical_integer(bytes) {
                Some(integer) => Payload::Integer(integer),
                None => Payload::Bytes(bytes),
            },
            NewValue::Text(bytes) => Payload::Bytes(bytes),
            NewValue::RawBytes(bytes) => Payload::Raw(bytes),
            NewValue::Integer(integer) => Payload::Integer(integer),
            NewValue::Large(buffer) => Payload::Large(buffer.freeze()),
            NewValue::Shared(shared) => Payload::Large(shared),
            NewValue::Packed(kind, run) => Payload::Packed(kind, run),
        };
        let record = Record {
            payload,
            expiry,
            attributes,
            used: true,
        };
        self.place(key, old, record)?;
        self.changed(key);
        Ok(())
    }

    /// Writes the record of a key, in the slot of the old one if that is of the right class.
    pub(super) fn place(
        &mut self,
        key: &Key<'_>,
        old: Option<Item>,
        record: Record<'_>,
    ) -> Result<Item, OutOfMemory> {
        if let Some(item) = old
            && self.overwrite(item, key, &record)
        {
            return Ok(item);
        }
        self.pinned = old.map(|item| item.0);
        let result = self.place_pinned(key, record);
        self.pinned = None;
        result
    }

    /// The common case of [`Engine::place`]: bytes take the place of bytes, in the same slot and without anything beside them. Whether it was that.
    #[inline]
    fn overwrite(&mut self, item: Item, key: &Key<'_>, record: &Record<'_>) -> bool {
        let (Payload::Bytes(value) | Payload::Raw(value)) = record.payload else {
            return false;
        };
        if record.expiry.is_some()
            || record.attributes != Attributes::default()
            || self.is_over_limit()
        {
            return false;
        }
        let (old, bytes) = self.layout(item);
        let kind = record.payload.kind();
        let layout = Layout::new(key.bytes.len(), kind, value.len(), false, false);
        if !layout.same_places(&old)
            || layout.bytes() > SLOT_BYTES_MAX
            || class_of(layout.bytes()) != self.arena.class_of(item.0)
        {
            return false;
        }
        let mut access = item::access(bytes);
        if record.used {
            access = self.eviction.on_access(item, access);
        }
        let bytes = self.arena.slot_mut(item.0);
        layout.write_head(bytes, access);
        bytes[layout.value()].copy_from_slice(value);
        true
    }

    /// [`Engine::place`] with the old item pinned: what is evicted and moved to make room cannot be it, and its reference is always `pinned`.
    fn place_pinned(&mut self, key: &Key<'_>, record: Record<'_>) -> Result<Item, OutOfMemory> {
        let Record {
            mut payload,
            expiry,
            attributes,
            used,
        } = record;
        let attributed = attributes != Attributes::default();
        let mut layout = Layout::new(
            key.bytes.len(),
            payload.kind(),
            payload.len(),
            expiry.is_some(),
            attributed,
        );
        let mut large_new = 0;
        if layout.bytes() > SLOT_BYTES_MAX {
            let (Payload::Bytes(bytes) | Payload::Raw(bytes)) = payload else {
                unreachable!("only bytes in the slot are long")
            };
            self.make_room_for_large(bytes_resident_for(bytes.len()) as u64)?;
            payload = Payload::Large(
                LargeBuffer::copy_of(bytes)
                    .map_err(|_| OutOfMemory)?
                    .freeze(),
            );
            layout = Layout::new(key.bytes.len(), KIND_LARGE, 0, expiry.is_some(), attributed);
        }
        if let Payload::Large(value) = &payload {
            large_new += bytes_resident_for(value.len()) as u64;
        }
        let old_parts = self.pinned.map(|reference| {
            let (layout, bytes) = self.layout(Item(reference));
            (
                self.arena.class_of(reference),
                item::expiry(bytes),
                large_bytes(&layout, bytes) as u64,
                layout.bytes(),
            )
        });
        // A large key is the same buffer before and after.
        let large_key = if !layout.has_large_key() {
            None
        } else if let Some(reference) = self.pinned {
            let (old_layout, bytes) = self.layout(Item(reference));
            Some(old_layout.large_key(bytes).clone())
        } else {
            self.make_room_for_large(bytes_resident_for(key.bytes.len()) as u64)?;
            Some(
                LargeBuffer::copy_of(key.bytes)
                    .map_err(|_| OutOfMemory)?
                    .freeze(),
            )
        };
        if let Some(owner) = &large_key {
            large_new += bytes_resident_for(owner.len()) as u64;
        }
        let class = class_of(layout.bytes());
        let large_old = old_parts.map_or(0, |(_, _, bytes, _)| bytes);
        let same_slot = old_parts.is_some_and(|(old_class, ..)| old_class == class);
        let may_have_fields = matches!(
            payload,
            Payload::Packed(Type::Hash, _) | Payload::Collection(Collection::Hash(_))
        );

        // A collection that gets shorter has room where it is, so that taking something away never fails.
        let shorter = matches!(payload, Payload::Packed(..))
            && large_new <= large_old
            && old_parts.is_some_and(|(.., old_bytes)| layout.bytes() < old_bytes);

        // All that can fail comes first.
        let room = self.make_room_for_large(large_new.saturating_sub(large_old));
        if !shorter {
            room?;
        }
        let slot = if same_slot {
            None
        } else {
            match self.allocate_slot(class) {
                Ok(slot) => Some(slot),
                Err(_) if shorter => None,
                Err(error) => return Err(error),
            }
        };
        let old = self.pinned.map(Item);

        let reference = slot.unwrap_or_else(|| old.expect("a slot or an old item").0);
        let old_expiry = old_parts.and_then(|(_, expiry, ..)| expiry);
        self.databases[key.db].note_expiry(old_expiry, expiry);
        let access = match old {
            Some(item) => {
                // What made room may have changed the field.
                let mut access = item::access(self.arena.bytes(item.0));
                self.drop_owned(item.0);
                self.bytes_large -= large_old;
                self.arena.note_expiry(item.0, old_expiry, None);
                let to = Item(reference);
                if slot.is_some() {
                    access = self
                        .eviction
                        .on_move(item, to, access, old_expiry.is_some());
                }
                if old_expiry.is_some() != expiry.is_some() {
                    access = self
                        .eviction
                        .on_expiry(to, access, key.hash, expiry.is_some());
                }
                match used {
                    true => self.eviction.on_access(to, access),
                    false => access,
                }
            }
            None => self
                .eviction
                .on_insert(Item(reference), key.hash, expiry.is_some()),
        };

        let bytes = self.arena.slot_mut(reference);
        layout.write_head(bytes, access);
        if let Some(expiry) = expiry {
            layout.write_expiry(bytes, expiry);
        }
        if attributed {
            layout.write_attributes(bytes, attributes);
        }
        match large_key {
            Some(owner) => layout.write_large_key(bytes, owner),
            None => layout.write_key(bytes, key.bytes),
        }
        match payload {
            Payload::Bytes(value) | Payload::Raw(value) => {
                bytes[layout.value()].copy_from_slice(value)
            }
            Payload::Integer(integer) => layout.write_integer(bytes, integer),
            Payload::Large(value) => layout.write_large_value(bytes, value),
            Payload::Packed(kind, run) => {
                let value = &mut bytes[layout.value()];
                value[0] = kind as u8;
                value[1..].copy_from_slice(run);
            }
            Payload::Collection(collection) => layout.write_collection(bytes, collection),
        }
        self.bytes_large += large_new;
        self.arena.note_expiry(reference, None, expiry);
        if let Some(expiry) = expiry {
            self.sweep.note(expiry);
        }
        if may_have_fields {
            self.note_fields(Item(reference));
        }

        match (old, slot) {
            (Some(item), Some(to)) => {
                assert!(
                    self.databases[key.db]
                        .dictionary
                        .replace(key.hash, item.0, to),
                    "an item has an entry"
                );
                self.arena.give_back(item.0);
            }
            (None, _) => {
                let (arena, hasher) = (&self.arena, &self.hasher);
                let dictionary = &mut self.databases[key.db].dictionary;
                let before = dictionary.bytes();
                dictionary.insert(
                    key.hash,
                    reference,
                    |other| arena.prefetch(other),
                    |other| hash_of(arena, hasher, other),
                );
                self.bytes_dictionaries =
                    self.bytes_dictionaries + dictionary.bytes() as u64 - before as u64;
                self.notify(EventClass::New, "new", key);
            }
            (Some(_), None) => {}
        }
        Ok(Item(reference))
    }

    /// The value of an existing key as bytes to be changed in place, made `len` bytes long (zero-filled at the end, cut when shorter);
    /// integers become their digits, a shared large value is copied first. The encoding becomes raw. Keeps the expiry and the attributes but for
    /// the width, which a memcached client padded the old value to; forgets the key's token.
    pub fn edit(&mut self, key: &Key<'_>, len: usize) -> Result<&mut [u8], OutOfMemory> {
        self.changed(key);
        self.edit_unchanged(key, len)
    }

    /// The same where nothing is going to be another, so that nobody is to be told: the value only becomes one that can be edited.
    pub fn edit_unchanged(&mut self, key: &Key<'_>, len: usize) -> Result<&mut [u8], OutOfMemory> {
        // A record that is written anew counts as used in `place`, the others here.
        let old = self
            .find(key, Touch::No)
            .expect("a key that is edited exists");
        let (old_layout, bytes) = self.layout(old);
        if old_layout.kind() == KIND_LARGE {
            return self.edit_large(key, old, len);
        }
        let (expiry, attributes) = kept(&old_layout, bytes);
        let layout = Layout::new(
            key.bytes.len(),
            KIND_RAW,
            len,
            expiry.is_some(),
            attributes != Attributes::default(),
        );
        let class = self.arena.class_of(old.0);
        if layout.same_places(&old_layout)
            && layout.bytes() <= SLOT_BYTES_MAX
            && class_of(layout.bytes()) == class
        {
            // The common case: the same slot, and nothing in it moves.
            let old_len = old_layout.value().len();
            self.touch(old);
            let bytes = self.arena.slot_mut(old.0);
            let access = item::access(bytes);
            layout.write_head(bytes, access);
            let value = &mut bytes[layout.value()];
            if len > old_len {
                value[old_len..].fill(0);
            }
            return Ok(value);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        self.copy_value(old, SLOT_BYTES_MAX, &mut scratch);
        let result = if layout.bytes() > SLOT_BYTES_MAX {
            self.grow_into_large(key, old, &scratch, len)
        } else {
            scratch.resize(len, 0);
            let record = Record {
                payload: Payload::Raw(&scratch),
                expiry,
                attributes,
                used: true,
            };
            self.place(key, Some(old), record)
        };
        self.scratch = scratch;
        let item = result?;
        Ok(self.value_mut(item))
    }

    /// Stores bytes that become too long for a slot.
    fn grow_into_large(
        &mut self,
        key: &Key<'_>,
        old: Item,
        value: &[u8],
        len: usize,
    ) -> Result<Item, OutOfMemory> {
        let (layout, bytes) = self.layout(old);
        let (expiry, attributes) = kept(&layout, bytes);
        self.pinned = Some(old.0);
        let room = self.make_room_for_large(bytes_resident_for(len) as u64);
        let old = Item(self.pinned.take().expect("a pinned item stays"));
        room?;
        let mut buffer = LargeBuffer::zeroed(len).map_err(|_| OutOfMemory)?;
        let kept = value.len().min(len);
        buffer.as_mut_slice()[..kept].copy_from_slice(&value[..kept]);
        let record = Record {
            payload: Payload::Large(buffer.freeze()),
            expiry,
            attributes,
            used: true,
        };
        self.place(key, Some(old), record)
    }

    /// Changes a large value's length in its buffer; copies it when somebody else still holds it.
    fn edit_large(
        &mut self,
        key: &Key<'_>,
        old: Item,
        len: usize,
    ) -> Result<&mut [u8], OutOfMemory> {
        let (layout, bytes) = self.layout(old);
        let old_len = layout.large_value(bytes).len();
        if len <= SLOT_BYTES_MAX / 2 {
            // Short enough for a slot again.
            let (expiry, attributes) = kept(&layout, bytes);
            let mut scratch = std::mem::take(&mut self.scratch);
            self.copy_value(old, len, &mut scratch);
            scratch.resize(len, 0);
            let record = Record {
                payload: Payload::Raw(&scratch),
                expiry,
                attributes,
                used: true,
            };
            let result = self.place(key, Some(old), record);
            self.scratch = scratch;
            let item = result?;
            return Ok(self.value_mut(item));
        }
        let (before, after) = (
            bytes_resident_for(old_len) as u64,
            bytes_resident_for(len) as u64,
        );
        self.pinned = Some(old.0);
        let room = self.make_room_for_large(after.saturating_sub(before));
        let item = Item(self.pinned.take().expect("a pinned item stays"));
        room?;
        let slot = self.arena.slot_mut(item.0);
        if layout.is_attributed() {
            let (_, attributes) = kept(&layout, slot);
            layout.write_attributes(slot, attributes);
        }
        let owner = layout.large_value_mut(slot);
        match owner.get_mut() {
            Some(buffer) => buffer.resize(len).map_err(|_| OutOfMemory)?,
            None => {
                let mut copy = LargeBuffer::zeroed(len).map_err(|_| OutOfMemory)?;
                let kept = old_len.min(len);
                copy.as_mut_slice()[..kept].copy_from_slice(&owner.as_slice()[..kept]);
                *owner = copy.freeze();
            }
        }
        self.bytes_large = self.bytes_large + after - before;
        self.touch(item);
        // It is another value now, like any that is edited.
        item::clear_read(self.arena.head_mut(item.0));
        Ok(self.value_mut(item))
    }

    fn copy_value(&self, item: Item, len_max: usize, into: &mut Vec<u8>) {
        into.clear();
        match self.value(item) {
            Value::Bytes(bytes) => into.extend_from_slice(bytes),
            Value::Integer(integer) => {
                into.extend_from_slice(item::format_integer(integer, &mut [0; 20]))
            }
            Value::Large(large) => {
                into.extend_from_slice(&large.as_slice()[..large.len().min(len_max)])
            }
            Value::Packed(..) | Value::Collection(_) => {
                unreachable!("only strings are edited as bytes")
            }
        }
    }

    fn value_mut(&mut self, item: Item) -> &mut [u8] {
        let (layout, _) = self.layout(item);
        let bytes = self.arena.slot_mut(item.0);
        if layout.kind() == KIND_LARGE {
            layout
                .large_value_mut(bytes)
                .get_mut()
                .expect("an edited buffer has one owner")
                .as_mut_slice()
        } else {
            &mut bytes[layout.value()]
        }
    }

    /// Sets or clears (None) the expiry of a key; false when the key is not there. A time in the past is stored as it is: deleting is the command's business.
    pub fn set_expiry(&mut self, key: &Key<'_>, expiry: Option<i64>) -> Result<bool, OutOfMemory> {
        let Some(old) = self.find(key, Touch::No) else {
            return Ok(false);
        };
        let before = self.expiry(old);
        if before != expiry {
            self.tracked_key_changed(key);
            if !self.watched.is_empty() {
                self.watched.touch((key.db, key.hash));
            }
        }
        let (layout, bytes) = self.layout(old);
        if let (Some(_), Some(after)) = (before, expiry) {
            layout.write_expiry(self.arena.slot_mut(old.0), after);
            self.arena.note_expiry(old.0, before, expiry);
            self.databases[key.db].note_expiry(before, expiry);
            self.sweep.note(after);
            return Ok(true);
        }
        if before == expiry {
            return Ok(true);
        }
        let attributes = layout.attributes(bytes);
        self.place_again(key, old, expiry, attributes)?;
        Ok(true)
    }

    /// Sets the attributes of a key; false when the key is not there. The value is the same, and so is its token.
    pub fn set_attributes(
        &mut self,
        key: &Key<'_>,
        attributes: Attributes,
    ) -> Result<bool, OutOfMemory> {
        let Some(old) = self.find(key, Touch::No) else {
            return Ok(false);
        };
        let (layout, bytes) = self.layout(old);
        if layout.is_attributed() {
            layout.write_attributes(self.arena.slot_mut(old.0), attributes);
        } else if attributes != Attributes::default() {
            let expiry = item::expiry(bytes);
            self.place_again(key, old, expiry, attributes)?;
        }
        Ok(true)
    }

    /// Writes a record anew with the same value and other parts beside it.
    fn place_again(
        &mut self,
        key: &Key<'_>,
        old: Item,
        expiry: Option<i64>,
        attributes: Attributes,
    ) -> Result<(), OutOfMemory> {
        let mut scratch = std::mem::take(&mut self.scratch);
        let (layout, bytes) = self.layout(old);
        let read = item::was_read(bytes);
        let payload = match layout.kind() {
            KIND_INTEGER => Payload::Integer(layout.integer(bytes)),
            KIND_LARGE => Payload::Large(layout.large_value(bytes).clone()),
            KIND_COLLECTION => {
                self.scratch = scratch;
                return self.place_collection_again(key, old, expiry, attributes);
            }
            kind => {
                scratch.clear();
                scratch.extend_from_slice(&bytes[layout.value()]);
                match kind {
                    KIND_RAW => Payload::Raw(&scratch),
                    KIND_PACKED => Payload::Packed(Type::of_byte(scratch[0]), &scratch[1..]),
                    _ => Payload::Bytes(&scratch),
                }
            }
        };
        let record = Record {
            payload,
            expiry,
            attributes,
            used: true,
        };
        let result = self.place(key, Some(old), record);
        self.scratch = scratch;
        let item = result?;
        if read {
            item::set_read(self.arena.head_mut(item.0));
        }
        Ok(())
    }

    /// The token of a key that is present, as memcached's `gets` shows it: another after every change of the value. Made on the first asking;
    /// one that nobody asks for again may be forgotten, and the next is another.
    pub fn token(&mut self, key: &Key<'_>) -> u64 {
        self.tokens.get_or_make(key.db, key.hash, self.now_ms)
    }

    /// A token that fits no key: that of a value which expired as it was stored.
    pub fn token_of_none(&mut self) -> u64 {
        self.tokens.make(self.now_ms)
    }

    /// Whether a token was handed out for the key's value as it is now.
    pub fn token_matches(&self, key: &Key<'_>, token: u64) -> bool {
        self.tokens.get(key.db, key.hash) == Some(token)
    }

    /// Gives a key that is present a token of the client's choice.
    pub fn set_token(&mut self, key: &Key<'_>, token: u64) {
        self.tokens.set(key.db, key.hash, token);
    }

    /// Deletes a key; false when it is not there (or has expired).
    pub fn remove(&mut self, key: &Key<'_>) -> bool {
        match self.find(key, Touch::No) {
            Some(item) => {
                self.delete(key.db, key.hash, item.0);
                true
            }
            None => false,
        }
    }

    /// Whether a key is there; no use of it is counted.
    pub fn has(&mut self, key: &Key<'_>) -> bool {
        self.find(key, Touch::No).is_some()
    }

    /// Deletes an item of a known database.
    pub(super) fn delete(&mut self, db: usize, hash: u64, reference: u32) {
        self.item_changed(db, hash, reference);
        self.forget_tags(db, hash);
        let (arena, hasher) = (&self.arena, &self.hasher);
        let database = &mut self.databases[db];
        let before = database.dictionary.bytes();
        assert!(
            database
                .dictionary
                .remove(hash, reference, |other| hash_of(arena, hasher, other)),
            "an item has an entry"
        );
        self.bytes_dictionaries =
            self.bytes_dictionaries + database.dictionary.bytes() as u64 - before as u64;
        database.note_expiry(item::expiry(arena.bytes(reference)), None);
        self.free(reference);
    }

    /// Frees an item that has no entry any more.
    pub(super) fn free(&mut self, reference: u32) {
        let (layout, bytes) = self.layout(Item(reference));
        let (access, expiry, large) = (
            item::access(bytes),
            item::expiry(bytes),
            large_bytes(&layout, bytes),
        );
        self.eviction.on_remove(Item(reference), access);
        self.arena.note_expiry(reference, expiry, None);
        self.drop_owned(reference);
        self.bytes_large -= large as u64;
        self.arena.give_back(reference);
    }

    /// Deletes an item found through the arena, in whichever database or flushed dictionary it is.
    pub(super) fn delete_found(&mut self, reference: u32, evicted: bool) {
        let hash = self.hash(reference);
        let found = self
            .databases
            .iter()
            .position(|database| database.dictionary.contains(hash, reference));
        if let Some(db) = found {
            if self.tags.has_dropped() && self.tags.is_doomed(db, hash) {
                self.delete_doomed(db, hash, reference);
                return;
            }
            if evicted {
                self.evicted_keys += 1;
                self.notify_item(EventClass::Evicted, "evicted", db, reference);
            } else {
                self.expired_keys += 1;
                self.notify_item(EventClass::Expired, "expired", db, reference);
            }
            self.delete(db, hash, reference);
            return;
        }
        let (arena, hasher) = (&self.arena, &self.hasher);
        for dictionary in &mut self.draining {
            let before = dictionary.bytes();
            if dictionary.remove(hash, reference, |other| hash_of(arena, hasher, other)) {
                self.bytes_dictionaries =
                    self.bytes_dictionaries + dictionary.bytes() as u64 - before as u64;
                self.free(reference);
                return;
            }
        }
        unreachable!("an item in the arena has an entry in some dictionary");
    }

    /// The hash of an item's key.
    pub(super) fn hash(&self, reference: u32) -> u64 {
        hash_of(&self.arena, &self.hasher, reference)
    }

    /// Lets go of what an item owns beside its slot; the record is dead from here on.
    fn drop_owned(&mut self, reference: u32) {
        self.forget_fields(Item(reference));
        let layout = Layout::of(self.arena.bytes(reference));
        if layout.kind() == KIND_COLLECTION {
            let collection = std::mem::take(self.collection_mut(Item(reference)));
            self.retire(collection);
        }
        if layout.has_large_key() {
            drop(layout.take_large_key(self.arena.slot_mut(reference)));
        }
        if layout.kind() == KIND_LARGE {
            drop(layout.take_large_value(self.arena.slot_mut(reference)));
        }
    }

    /// Number of keys in a database, expired ones that were not yet collected included.
    pub fn len(&self, db: usize) -> usize {
        let doomed = self.tags.doomed(db);
        self.databases[db].dictionary.len().saturating_sub(doomed)
    }

    /// Number of keys with an expiry in a database, and the mean of their remaining time in ms (an estimate) as INFO keyspace shows it. Nobody knows how many of
    /// those being dropped with a tag have an expiry, so the number includes them, as far as there are so many keys.
    pub fn expires(&self, db: usize) -> (usize, u64) {
        let database = &self.databases[db];
        if database.expiring == 0 {
            return (0, 0);
        }
        let mean = database.expiry_sum / database.expiring as i128 - i128::from(self.now_ms);
        (
            database.expiring.min(self.len(db)),
            u64::try_from(mean.max(0)).unwrap_or(u64::MAX),
        )
    }

    /// Number of databases.
    pub fn databases(&self) -> usize {
        self.databases.len()
    }

    /// Empties a database at once for every look-up; the memory comes back in [`Engine::upkeep`] (`lazy`) or before this returns.
    pub fn flush(&mut self, db: usize, lazy: bool) {
        self.watched_keys_change(&[db]);
        self.all_changed();
        self.tags.flush(db);
        let database = std::mem::take(&mut self.databases[db]);
        if database.dictionary.len() > 0 || database.dictionary.bytes() > 0 {
            self.draining.push(database.dictionary);
        }
        if !lazy {
            while self.drain_step().is_some() {}
            while self.tags.release_step().is_some() {}
        }
    }

    /// Exchanges two databases.
    pub fn swap(&mut self, a: usize, b: usize) {
        if a != b {
            self.watched_keys_change(&[a, b]);
        }
        self.databases.swap(a, b);
        self.tags.swap(a, b);
        self.all_changed();
    }

    /// Bytes of buffers outside the engine that count against this shard's limit.
    pub fn set_bytes_outside(&mut self, bytes: u64) {
        self.bytes_outside = bytes;
    }

    /// Changes the limit; eviction down to it happens in [`Engine::upkeep`] and on writes.
    pub fn set_memory_bytes_max(&mut self, bytes: u64) {
        self.memory_bytes_max = bytes;
    }

    /// Changes the policy; what is known of the items' use is carried over as far as it means anything.
    pub fn set_policy(
        &mut self,
        policy: Policy,
        samples: usize,
        lfu_log_factor: u32,
        lfu_decay_minutes: u32,
    ) {
        self.eviction.set_options(&EvictionOptions {
            policy,
            samples,
            lfu_log_factor,
            lfu_decay_minutes,
        });
    }

    /// Figures.
    pub fn stats(&self) -> EngineStats {
        let bytes_used = self.bytes_used();
        EngineStats {
            expired_keys: self.expired_keys,
            expired_fields: self.expired_fields,
            evicted_keys: self.evicted_keys,
            bytes_used,
            bytes_used_max: self.bytes_used_max.max(bytes_used),
            bytes_arena: self.arena.bytes_committed(),
            bytes_dictionaries: self.bytes_dictionaries + self.tags.bytes(),
            bytes_large: self.bytes_large,
            bytes_collections: self.bytes_collections + self.field_expiries.bytes(),
            bytes_eviction: self.eviction.bytes(),
            bytes_items: self.arena.bytes_live() as u64,
            pages: self.arena.pages_committed() as u64,
            pages_free: self.arena.pages_free() as u64,
            pages_moved: self.pages_moved,
            items: (0..self.databases.len())
                .map(|db| self.len(db) as u64)
                .sum(),
            items_with_expiry: self
                .databases
                .iter()
                .map(|database| database.expiring as u64)
                .sum(),
            release_waiting: self.release_waiting(),
        }
    }

    /// Figures of each size class that has pages.
    pub fn classes(&self) -> Vec<ClassStats> {
        (0..CLASSES as u8)
            .map(|class| {
                let pages = self.arena.pages_of_class(class).len() as u64;
                let slots_free = self.arena.slots_free(class) as u64;
                ClassStats {
                    class,
                    slot_bytes: slot_bytes(class) as u64,
                    page_bytes: PAGE_BYTES as u64,
                    pages,
                    slots_used: pages * slots_per_page(class) as u64 - slots_free,
                    slots_free,
                }
            })
            .filter(|stats| stats.pages > 0)
            .collect()
    }

    /// Sets the counters of events (expired, evicted, moved) and the peak to zero (CONFIG RESETSTAT).
    pub fn reset_stats(&mut self) {
        self.expired_keys = 0;
        self.expired_fields = 0;
        self.evicted_keys = 0;
        self.pages_moved = 0;
        self.bytes_used_max = 0;
    }
}

impl Database {
    /// Counts a change of one key's expiry.
    fn note_expiry(&mut self, before: Option<i64>, after: Option<i64>) {
        if let Some(before) = before {
            self.expiring -= 1;
            self.expiry_sum -= i128::from(before);
        }
        if let Some(after) = after {
            self.expiring += 1;
            self.expiry_sum += i128::from(after);
        }
    }
}

impl Drop for Engine {
    /// Large keys and values have owners in the items.
    fn drop(&mut self) {
        if self.bytes_large == 0 && self.bytes_collections == 0 {
            return;
        }
        let mut drained = Vec::new();
        let databases = self
            .databases
            .iter_mut()
            .map(|database| std::mem::take(&mut database.dictionary));
        let mut dictionaries: Vec<Dictionary> = databases.chain(self.draining.drain(..)).collect();
        for dictionary in &mut dictionaries {
            while dictionary.drain_table(&mut drained) {}
        }
        for reference in drained {
            self.drop_owned(reference);
        }
    }
}

/// The hash of an item's key.
pub(super) fn hash_of(arena: &Arena, hasher: &KeyHasher, reference: u32) -> u64 {
    let bytes = arena.bytes(reference);
    hasher.hash(Layout::of(bytes).key(bytes))
}

/// What an edit of the value keeps: the expiry, and the attributes but for the width.
fn kept(layout: &Layout, bytes: &[u8]) -> (Option<i64>, Attributes) {
    let attributes = Attributes {
        width: 0,
        ..layout.attributes(bytes)
    };
    (item::expiry(bytes), attributes)
}

/// Bytes of large buffers a record owns.
fn large_bytes(layout: &Layout, bytes: &[u8]) -> usize {
    let mut large = 0;
    if layout.has_large_key() {
        large += bytes_resident_for(layout.large_key(bytes).len());
    }
    if layout.kind() == KIND_LARGE {
        large += bytes_resident_for(layout.large_value(bytes).len());
    }
    large
}

const _: () = assert!(
    KEY_BYTES_MAX + 64 < SLOT_BYTES_MAX,
    "a record with the longest key in the slot and a large value fits a slot"
);
