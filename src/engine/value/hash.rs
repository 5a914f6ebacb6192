//! Hashes: fields with values, each field with an expiry if it has one. A packed run of fields and values while they are few and
//! short, a hash table otherwise.
//!
//! A field that has expired at `now_ms` is not there for any operation that is told the time, whether or not [`Hash::expire_due`] has removed it.
//! Conditions of the HEXPIRE family, increments and replies are the commands'.
//!
//! The one decision worth knowing: hashes without expiries pay nothing for them. A packed run of pairs becomes one of triples with
//! its first expiry and stays so, which the run's tag says; a large hash keeps the time in the field's own allocation.

mod field;
mod large;
#[cfg(test)]
mod tests;

use super::packed::{Editor, Entry, Query, Run};
use super::{ElementHasher, PACKED_BYTES_MAX, Stored, table};
use crate::engine::Expiry;
use crate::engine::random::Random;
use field::{Field, is_live};
pub use large::LargeHash;

/// Tag of a run of triples: field, value, expiry, where 0 is none. Pairs have tag 0.
const TAG_EXPIRES: u8 = 1;

/// When a hash changes its form; the names are Redis' options.
#[derive(Debug, Clone)]
pub struct HashLimits {
    /// `hash-max-listpack-entries`.
    pub packed_entries_max: usize,
    /// `hash-max-listpack-value`, in bytes, for fields and for values.
    pub packed_value_bytes_max: usize,
    /// The hash function of large hashes.
    pub hasher: ElementHasher,
}

/// What Redis would call a hash's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Listpack,
    /// With expiries of fields, now or before.
    ListpackExpires,
    Hashtable,
}

/// A hash to edit.
#[derive(Debug)]
pub enum Hash {
    /// A run: the fields in the order in which they came.
    Packed(Vec<u8>),
    /// A hash table.
    Large(Box<LargeHash>),
}

/// A hash to read.
#[derive(Debug, Clone, Copy)]
pub enum HashView<'a> {
    /// The bytes of a run.
    Packed(&'a [u8]),
    /// A hash table.
    Large(&'a LargeHash),
}

/// A field of a packed hash.
#[derive(Clone, Copy)]
struct PackedField<'a> {
    /// Position of the field's name, and the one after the field.
    positions: (usize, usize),
    name: Entry<'a>,
    value: Entry<'a>,
    expiry: Option<i64>,
}

/// Entries of a run that belong to one field.
#[inline]
fn stride(run: Run<'_>) -> usize {
    if run.tag() == TAG_EXPIRES { 3 } else { 2 }
}

/// The field whose name is at a position; `None` at the end.
#[inline]
fn field_at(run: Run<'_>, position: usize) -> Option<PackedField<'_>> {
    let (name, value_at) = run.at(position)?;
    let (value, mut end) = run.at(value_at).expect("a name is followed by a value");
    let mut expiry = None;
    if run.tag() == TAG_EXPIRES {
        let (time, after) = run.at(end).expect("a value is followed by an expiry");
        expiry = time.integer().filter(|&time| time != 0);
        end = after;
    }
    Some(PackedField {
        positions: (position, end),
        name,
        value,
        expiry,
    })
}

/// The field of this name, expired or not.
#[inline]
fn find<'a>(run: Run<'a>, name: Entry<'_>) -> Option<PackedField<'a>> {
    let position = run.find(run.start(), &Query::entry(name), stride(run))?;
    field_at(run, position)
}

fn expiry_entry(expiry: Option<i64>) -> Entry<'static> {
    Entry::Integer(expiry.unwrap_or(0))
}

/// Makes triples of the pairs of a run.
fn make_triples(bytes: &mut Vec<u8>) {
    let mut triples = Vec::with_capacity(bytes.len() + Run::new(bytes).len() / 2);
    let mut editor = Editor::new(&mut triples);
    editor.set_tag(TAG_EXPIRES);
    for (nth, entry) in Run::new(bytes).iter().enumerate() {
        editor.push(entry);
        if nth % 2 == 1 {
            editor.push(expiry_entry(None));
        }
    }
    *bytes = triples;
}

impl Default for Hash {
    fn default() -> Self {
        Hash::new()
    }
}

impl Hash {
    /// An empty hash.
    pub fn new() -> Hash {
        Hash::Packed(Vec::new())
    }

    /// To read it.
    pub fn view(&self) -> HashView<'_> {
        match self {
            Hash::Packed(bytes) => HashView::Packed(bytes),
            Hash::Large(large) => HashView::Large(large),
        }
    }

    /// To be called before `count` fields are set by one command: when so many would not be kept packed, Redis 7.2 converts at once.
    pub fn expect(&mut self, count: usize, limits: &HashLimits) {
        if count > limits.packed_entries_max {
            self.become_large(Encoding::Hashtable, limits);
        }
    }

    /// The hash table that it has from now on.
    fn become_large(&mut self, encoding: Encoding, limits: &HashLimits) -> &mut LargeHash {
        if let Hash::Packed(bytes) = self {
            let mut large = LargeHash::new(encoding, limits.hasher.clone());
            let run = Run::new(bytes);
            let mut position = run.start();
            while let Some(field) = field_at(run, position) {
                let expiry = field.expiry.map_or(Expiry::None, Expiry::At);
                large.set(
                    field.name.as_bytes(&mut [0; 20]),
                    field.value.as_bytes(&mut [0; 20]),
                    expiry,
                    i64::MIN,
                );
                position = field.positions.1;
            }
            *self = Hash::Large(Box::new(large));
        }
        match self {
            Hash::Large(large) => {
                large.encoding = encoding;
                large
            }
            Hash::Packed(_) => unreachable!("it is large now"),
        }
    }

    /// Sets a field's value and expiry; true when the field was not there. An expiry that is kept is none for a field that was not there.
    pub fn set(
        &mut self,
        name: &[u8],
        value: &[u8],
        expiry: Expiry,
        now_ms: i64,
        limits: &HashLimits,
    ) -> bool {
        let long = name.len().max(value.len()) > limits.packed_value_bytes_max;
        if long && self.view().encoding_of() != Encoding::Hashtable {
            self.become_large(Encoding::Hashtable, limits);
        }
        if let (Hash::Packed(_), Expiry::At(_)) = (&self, expiry) {
            self.expect_expiry(limits);
        }
        let created = match self {
            Hash::Large(large) => large.set(name, value, expiry, now_ms),
            Hash::Packed(bytes) => match set_packed(bytes, name, value, expiry, now_ms) {
                Some(created) => created,
                None => {
                    let encoding = self.view().encoding_of();
                    self.become_large(encoding, limits)
                        .set(name, value, expiry, now_ms)
                }
            },
        };
        if created
            && self.len() > limits.packed_entries_max
            && self.view().encoding_of() != Encoding::Hashtable
        {
            self.become_large(Encoding::Hashtable, limits);
        }
        created
    }

    /// Sets a field that is not there; false, and nothing changes, when it is.
    pub fn set_if_absent(
        &mut self,
        name: &[u8],
        value: &[u8],
        now_ms: i64,
        limits: &HashLimits,
    ) -> bool {
        !self.view().contains(name, now_ms) && self.set(name, value, Expiry::None, now_ms, limits)
    }

    /// Removes a field; true when it was there.
    pub fn remove(&mut self, name: &[u8], now_ms: i64) -> bool {
        match self {
            Hash::Large(large) => large.remove(name, now_ms),
            Hash::Packed(bytes) => {
                let run = Run::new(bytes);
                let Some(field) = find(run, Entry::of(name)) else {
                    return false;
                };
                let live = is_live(field.expiry, now_ms);
                let (position, stride) = (field.positions.0, stride(run));
                Editor::new(bytes).remove(position, stride);
                live
            }
        }
    }

    /// Prepares the hash for its first expiry of a field.
    fn expect_expiry(&mut self, limits: &HashLimits) {
        match self {
            Hash::Large(large) if large.encoding == Encoding::Listpack => {
                large.encoding = Encoding::ListpackExpires;
            }
            Hash::Packed(bytes) if Run::new(bytes).tag() != TAG_EXPIRES => {
                // A byte more for each field.
                if bytes.len() + Run::new(bytes).len() / 2 <= PACKED_BYTES_MAX {
                    make_triples(bytes);
                } else {
                    self.become_large(Encoding::ListpackExpires, limits);
                }
            }
            _ => {}
        }
    }

    /// Sets the expiry of a field, in Unix milliseconds and not 0, or takes it away; false when the field is not there.
    pub fn set_expiry(
        &mut self,
        name: &[u8],
        expiry: Option<i64>,
        now_ms: i64,
        limits: &HashLimits,
    ) -> bool {
        assert_ne!(
            expiry,
            Some(0),
            "the command removes what expires in the past"
        );
        if !self.view().contains(name, now_ms) {
            return false;
        }
        if expiry.is_some() {
            self.expect_expiry(limits);
        }
        if let Hash::Packed(bytes) = self {
            if Run::new(bytes).tag() != TAG_EXPIRES {
                return true;
            }
            let field = find(Run::new(bytes), Entry::of(name)).expect("it was there");
            let before = expiry_entry(field.expiry).encoded_len();
            let after = expiry_entry(expiry);
            let end = field.positions.1;
            if bytes.len() - before + after.encoded_len() <= PACKED_BYTES_MAX {
                Editor::new(bytes).replace(end - before, after);
                return true;
            }
            self.become_large(Encoding::ListpackExpires, limits);
        }
        match self {
            Hash::Large(large) => large.set_expiry(name, expiry, now_ms),
            Hash::Packed(_) => unreachable!("it is large now"),
        }
    }

    /// Removes at most `max` fields that have expired and shows their names; returns their number. O(that) when the hash is large.
    pub fn expire_due(
        &mut self,
        now_ms: i64,
        max: usize,
        mut expired: impl FnMut(Entry<'_>),
    ) -> usize {
        match self {
            Hash::Large(large) => large.expire_due(now_ms, max, |name| expired(Entry::Bytes(name))),
            Hash::Packed(bytes) => {
                let mut position = Run::new(bytes).start();
                let mut count = 0;
                while count < max
                    && let Some(field) = field_at(Run::new(bytes), position)
                {
                    if is_live(field.expiry, now_ms) {
                        position = field.positions.1;
                        continue;
                    }
                    expired(field.name);
                    Editor::new(bytes).remove(position, 3);
                    count += 1;
                }
                count
            }
        }
    }
}

/// Sets a field of a packed hash; true when it was not there, `None`, and nothing changes, when there is no room. An expiry needs triples.
fn set_packed(
    bytes: &mut Vec<u8>,
    name: &[u8],
    value: &[u8],
    expiry: Expiry,
    now_ms: i64,
) -> Option<bool> {
    let (name, value) = (Entry::of(name), Entry::of(value));
    let run = Run::new(bytes);
    let found = find(run, name);
    let triples = run.tag() == TAG_EXPIRES;
    let before = found.and_then(|field| field.expiry);
    let created = found.is_none() || !is_live(before, now_ms);
    let after = match expiry {
        Expiry::None => None,
        Expiry::Keep => before.filter(|_| !created),
        Expiry::At(time) => Some(time),
    };
    let all = [name, value, expiry_entry(after)];
    let put = &all[..stride(run)];
    let (start, end) = found.map_or((run.end(), run.end()), |field| field.positions);
    let put_bytes: usize = put.iter().map(Entry::encoded_len).sum();
    if run.end() - (end - start) + put_bytes > PACKED_BYTES_MAX {
        return None;
    }
    debug_assert!(triples || after.is_none());
    let removed = if found.is_some() { put.len() } else { 0 };
    Editor::new(bytes).splice(start, removed, put);
    Some(created)
}

impl Stored for Hash {
    fn packed(&self) -> Option<&[u8]> {
        match self {
            Hash::Packed(bytes) => Some(bytes),
            Hash::Large(_) => None,
        }
    }

    fn from_packed(bytes: Vec<u8>) -> Self {
        Hash::Packed(bytes)
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Hash::Packed(_) => 0,
            Hash::Large(large) => large.heap_bytes(),
        }
    }

    fn len(&self) -> usize {
        self.view().len()
    }

    fn release(&mut self, units: usize) -> usize {
        match self {
            Hash::Packed(_) => units,
            Hash::Large(large) => large.release(units),
        }
    }
}

impl<'a> HashView<'a> {
    /// Number of fields, expired ones that were not removed yet included.
    pub fn len(self) -> usize {
        match self {
            HashView::Packed(bytes) => {
                let run = Run::new(bytes);
                run.len() / stride(run)
            }
            HashView::Large(large) => large.len(),
        }
    }

    /// Whether there is no field, not even an expired one.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// Number of fields that have not expired. O(expired ones) when the hash is large.
    pub fn len_live(self, now_ms: i64) -> usize {
        match self {
            HashView::Packed(bytes) if Run::new(bytes).tag() == TAG_EXPIRES => {
                self.iter(now_ms).count()
            }
            HashView::Packed(_) => self.len(),
            HashView::Large(large) => large.len_live(now_ms),
        }
    }

    /// When the last field expires, in Unix milliseconds, if all do. O(1) when the hash is large.
    pub fn last_expiry(self) -> Option<i64> {
        match self {
            HashView::Packed(bytes) if Run::new(bytes).tag() == TAG_EXPIRES => {
                let expiries = self.fields().map(|(_, _, expiry)| expiry);
                expiries.collect::<Option<Vec<i64>>>()?.into_iter().max()
            }
            HashView::Packed(_) => None,
            HashView::Large(large) => large.last_expiry(),
        }
    }

    fn encoding_of(self) -> Encoding {
        match self {
            HashView::Packed(bytes) if Run::new(bytes).tag() == TAG_EXPIRES => {
                Encoding::ListpackExpires
            }
            HashView::Packed(_) => Encoding::Listpack,
            HashView::Large(large) => large.encoding,
        }
    }

    /// OBJECT ENCODING; `listpackex` is Redis' name since fields can expire.
    pub fn encoding(self) -> &'static str {
        match self.encoding_of() {
            Encoding::Listpack => "listpack",
            Encoding::ListpackExpires => "listpackex",
            Encoding::Hashtable => "hashtable",
        }
    }

    /// A field's value.
    #[inline]
    pub fn get(self, name: &[u8], now_ms: i64) -> Option<Entry<'a>> {
        self.get_with_expiry(name, now_ms).map(|(value, _)| value)
    }

    /// A field's value, and its expiry in Unix milliseconds when it has one.
    #[inline]
    pub fn get_with_expiry(self, name: &[u8], now_ms: i64) -> Option<(Entry<'a>, Option<i64>)> {
        match self {
            HashView::Packed(bytes) => find(Run::new(bytes), Entry::of(name))
                .filter(|field| is_live(field.expiry, now_ms))
                .map(|field| (field.value, field.expiry)),
            HashView::Large(large) => large
                .get(name, now_ms)
                .map(|field| (Entry::Bytes(field.value), field.expiry)),
        }
    }

    /// Whether there is such a field.
    pub fn contains(self, name: &[u8], now_ms: i64) -> bool {
        self.get(name, now_ms).is_some()
    }

    /// The number of bytes of a field's value; 0 when there is no such field.
    pub fn value_len(self, name: &[u8], now_ms: i64) -> usize {
        self.get(name, now_ms).map_or(0, |value| value.bytes_len())
    }

    /// Whether there may be fields that expire. O(1).
    #[inline]
    pub fn may_expire(self) -> bool {
        match self {
            HashView::Packed(bytes) => Run::new(bytes).tag() == TAG_EXPIRES,
            HashView::Large(large) => large.next_expiry().is_some(),
        }
    }

    /// The earliest expiry of a field, in Unix milliseconds, past ones included. O(1) when the hash is large.
    pub fn next_expiry(self) -> Option<i64> {
        match self {
            HashView::Packed(bytes) if Run::new(bytes).tag() == TAG_EXPIRES => {
                self.fields().filter_map(|(_, _, expiry)| expiry).min()
            }
            HashView::Packed(_) => None,
            HashView::Large(large) => large.next_expiry(),
        }
    }

    /// All fields, expired or not.
    fn fields(self) -> Fields<'a> {
        match self {
            HashView::Packed(bytes) => {
                let run = Run::new(bytes);
                Fields::Packed(run, run.start())
            }
            HashView::Large(large) => Fields::Large(large.iter()),
        }
    }

    /// Names and values.
    pub fn iter(self, now_ms: i64) -> impl Iterator<Item = (Entry<'a>, Entry<'a>)> + use<'a> {
        self.fields()
            .filter(move |&(_, _, expiry)| is_live(expiry, now_ms))
            .map(|(name, value, _)| (name, value))
    }

    /// Names.
    pub fn names(self, now_ms: i64) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        self.iter(now_ms).map(|(name, _)| name)
    }

    /// Values.
    pub fn values(self, now_ms: i64) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        self.iter(now_ms).map(|(_, value)| value)
    }

    /// Names, values and expiries, for copies.
    pub fn iter_with_expiry(
        self,
        now_ms: i64,
    ) -> impl Iterator<Item = (Entry<'a>, Entry<'a>, Option<i64>)> + use<'a> {
        self.fields()
            .filter(move |&(_, _, expiry)| is_live(expiry, now_ms))
    }

    /// A field chosen at random with its value, each with the same probability; `None` when there is none.
    pub fn random(self, now_ms: i64, random: &mut Random) -> Option<(Entry<'a>, Entry<'a>)> {
        let mut chosen = None;
        self.random_repeated(1, now_ms, random, |name, value| {
            chosen = Some((name, value));
        });
        chosen
    }

    /// Shows `count` fields chosen at random with their values, the same one perhaps more than once; none when there is none.
    pub fn random_repeated(
        self,
        count: usize,
        now_ms: i64,
        random: &mut Random,
        mut visit: impl FnMut(Entry<'a>, Entry<'a>),
    ) {
        match self {
            HashView::Large(large) => large.random_repeated(count, now_ms, random, |field| {
                visit(Entry::Bytes(field.name), Entry::Bytes(field.value));
            }),
            HashView::Packed(_) => {
                let fields: Vec<_> = self.iter(now_ms).collect();
                if fields.is_empty() {
                    return;
                }
                for _ in 0..count {
                    let (name, value) = fields[random.below(fields.len())];
                    visit(name, value);
                }
            }
        }
    }

    /// Shows `count` different fields chosen at random with their values, or all when there are no more. O(count) when the hash is large and
    /// not most of its fields have expired.
    pub fn random_distinct(
        self,
        count: usize,
        now_ms: i64,
        random: &mut Random,
        mut visit: impl FnMut(Entry<'a>, Entry<'a>),
    ) {
        match self {
            HashView::Large(large) => large.random_distinct(count, now_ms, random, |field| {
                visit(Entry::Bytes(field.name), Entry::Bytes(field.value));
            }),
            HashView::Packed(_) => {
                let live = self.len_live(now_ms);
                table::sample_in_order(self.iter(now_ms), live, count, random, |(name, value)| {
                    visit(name, value);
                });
            }
        }
    }

    /// HSCAN: shows about `count` fields and values from `cursor` on, 0 at first; returns the next cursor, 0 at the end. A packed hash is
    /// shown whole.
    pub fn scan(
        self,
        cursor: u64,
        count: usize,
        now_ms: i64,
        mut visit: impl FnMut(Entry<'a>, Entry<'a>),
    ) -> u64 {
        match self {
            HashView::Packed(_) => {
                self.iter(now_ms)
                    .for_each(|(name, value)| visit(name, value));
                0
            }
            HashView::Large(large) => large.scan(cursor, count, now_ms, |field| {
                visit(Entry::Bytes(field.name), Entry::Bytes(field.value));
            }),
        }
    }
}

/// The fields of a hash, expired or not.
enum Fields<'a> {
    /// With the position of the next.
    Packed(Run<'a>, usize),
    Large(table::Iter<'a, Box<[u8]>>),
}

impl<'a> Iterator for Fields<'a> {
    type Item = (Entry<'a>, Entry<'a>, Option<i64>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Fields::Packed(run, position) => {
                let field = field_at(*run, *position)?;
                *position = field.positions.1;
                Some((field.name, field.value, field.expiry))
            }
            Fields::Large(iter) => {
                let field = Field::read(iter.next()?);
                let (name, value) = (Entry::Bytes(field.name), Entry::Bytes(field.value));
                Some((name, value, field.expiry))
            }
        }
    }
}
