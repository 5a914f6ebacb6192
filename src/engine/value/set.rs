//! Sets: sorted integers while all members are integers and few, a packed run of members while they are few and short, a hash table otherwise.
//!
//! It knows nothing of other sets: intersections, unions and moves are the commands'. Members come and go as [`Entry`], always an integer when their
//! bytes are a canonical one, so that a member of one set is looked up in another without formatting it.
//!
//! The one decision worth knowing: in the hash table too an integer is kept as an integer, in the table's slot itself, and hashed by its
//! eight bytes; such a member costs no allocation.

mod frozen;
mod intset;
#[cfg(test)]
mod tests;

use super::packed::{Editor, Entry, Query, Run};
use super::table::{self, Table};
use super::{ElementHasher, PACKED_BYTES_MAX, Stored, allocated_bytes};
use crate::engine::random::Random;
use intset::Intset;

/// When a set changes its form; the names are Redis' options.
#[derive(Debug, Clone)]
pub struct SetLimits {
    /// `set-max-intset-entries`.
    pub intset_entries_max: usize,
    /// `set-max-listpack-entries`.
    pub packed_entries_max: usize,
    /// `set-max-listpack-value`, in bytes.
    pub packed_value_bytes_max: usize,
    /// The hash function of large sets.
    pub hasher: ElementHasher,
}

/// What Redis would call a set's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Intset,
    Listpack,
    Hashtable,
}

/// A member in the hash table.
#[derive(Debug, Clone)]
enum Member {
    Integer(i64),
    /// No canonical integer.
    Bytes(Box<[u8]>),
}

const _: () = assert!(
    size_of::<Member>() == 16,
    "an integer hides in the slot of a pointer and a length"
);

impl Member {
    fn of(entry: Entry<'_>) -> Member {
        match entry {
            Entry::Integer(integer) => Member::Integer(integer),
            Entry::Bytes(bytes) => Member::Bytes(bytes.into()),
        }
    }

    #[inline]
    fn entry(&self) -> Entry<'_> {
        match self {
            Member::Integer(integer) => Entry::Integer(*integer),
            Member::Bytes(bytes) => Entry::Bytes(bytes),
        }
    }

    /// Bytes allocated for it beside its slot.
    fn heap_bytes(&self) -> usize {
        match self {
            Member::Integer(_) => 0,
            Member::Bytes(bytes) => allocated_bytes(bytes.len()),
        }
    }
}

#[inline]
fn hash_entry(hasher: &ElementHasher, entry: Entry<'_>) -> u64 {
    match entry {
        Entry::Integer(integer) => hasher.hash(&integer.to_le_bytes()),
        Entry::Bytes(bytes) => hasher.hash(bytes),
    }
}

/// The large form.
#[derive(Debug)]
pub struct LargeSet {
    table: Table<Member>,
    hasher: ElementHasher,
    encoding: Encoding,
    /// Bytes allocated by members.
    member_bytes: usize,
}

impl Clone for LargeSet {
    /// A copy that has allocated no more than it needs.
    fn clone(&self) -> LargeSet {
        let mut table = Table::new();
        let hash_of = |member: &Member| hash_entry(&self.hasher, member.entry());
        for member in self.table.iter() {
            table.insert(hash_of(member), member.clone(), hash_of);
        }
        LargeSet {
            table,
            hasher: self.hasher.clone(),
            encoding: self.encoding,
            member_bytes: self.member_bytes,
        }
    }
}

impl LargeSet {
    pub(in crate::engine) fn heap_bytes(&self) -> usize {
        allocated_bytes(size_of::<LargeSet>()) + self.table.heap_bytes() + self.member_bytes
    }

    /// Number of members.
    #[expect(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// A part of the members; see [`Table::part`].
    pub fn part(&self, position: u32) -> (impl Iterator<Item = Entry<'_>>, Option<u32>) {
        let (members, next) = self.table.part(position);
        (members.map(Member::entry), next)
    }

    #[inline]
    fn find(&self, entry: Entry<'_>) -> Option<&Member> {
        self.table.find(hash_entry(&self.hasher, entry), |member| {
            member.entry() == entry
        })
    }

    fn add(&mut self, entry: Entry<'_>) -> bool {
        let hash = hash_entry(&self.hasher, entry);
        if self
            .table
            .find(hash, |member| member.entry() == entry)
            .is_some()
        {
            return false;
        }
        let member = Member::of(entry);
        self.member_bytes += member.heap_bytes();
        let hasher = &self.hasher;
        self.table
            .insert(hash, member, |member| hash_entry(hasher, member.entry()));
        true
    }

    fn remove(&mut self, entry: Entry<'_>) -> bool {
        let hasher = &self.hasher;
        let removed = self.table.remove(
            hash_entry(hasher, entry),
            |member| member.entry() == entry,
            |member| hash_entry(hasher, member.entry()),
        );
        let Some(member) = removed else {
            return false;
        };
        self.member_bytes -= member.heap_bytes();
        true
    }

    fn pop_random(&mut self, random: &mut Random) -> Option<Member> {
        let chosen = self.table.random(random)?;
        let hasher = &self.hasher;
        let hash = hash_entry(hasher, chosen.entry());
        let address = std::ptr::from_ref(chosen);
        let member = self.table.remove(
            hash,
            |member| std::ptr::eq(member, address),
            |member| hash_entry(hasher, member.entry()),
        )?;
        self.member_bytes -= member.heap_bytes();
        Some(member)
    }
}

/// A set to edit.
#[derive(Debug)]
pub enum Set {
    /// A run: an intset, or the members in the order in which they came.
    Packed(Vec<u8>),
    /// A hash table.
    Large(Box<LargeSet>),
}

/// A set to read.
#[derive(Debug, Clone, Copy)]
pub enum SetView<'a> {
    /// The bytes of a run.
    Packed(&'a [u8]),
    /// A hash table.
    Large(&'a LargeSet),
}

impl Default for Set {
    fn default() -> Self {
        Set::new()
    }
}

impl Set {
    /// An empty set; its first member decides whether it begins as an intset.
    pub fn new() -> Set {
        Set::Packed(Vec::new())
    }

    /// An empty set for about `count` members, the first of which is this; they choose its form at once, as in Redis' SADD.
    pub fn for_members(first: &[u8], count: usize, limits: &SetLimits) -> Set {
        let integer = matches!(Entry::of(first), Entry::Integer(_));
        if integer && count <= limits.intset_entries_max {
            return Set::new();
        }
        let mut bytes = Vec::new();
        // A header without a member: an integer does not turn this into an intset.
        Editor::new(&mut bytes);
        let mut set = Set::Packed(bytes);
        if count > limits.packed_entries_max {
            set.become_large(Encoding::Hashtable, limits);
        }
        set
    }

    /// To be called before `count` members are added by one command: when so many would not be kept packed, Redis converts before it looks
    /// whether they are there already.
    pub fn expect(&mut self, count: usize, limits: &SetLimits) {
        if self.is_undecided() {
            return;
        }
        let entries_max = match self.view().encoding_of() {
            Encoding::Intset => limits.intset_entries_max,
            Encoding::Listpack => limits.packed_entries_max,
            Encoding::Hashtable => return,
        };
        if count > entries_max {
            self.become_large(Encoding::Hashtable, limits);
        }
    }

    /// To read it.
    pub fn view(&self) -> SetView<'_> {
        match self {
            Set::Packed(bytes) => SetView::Packed(bytes),
            Set::Large(large) => SetView::Large(large),
        }
    }

    fn is_undecided(&self) -> bool {
        matches!(self, Set::Packed(bytes) if bytes.is_empty())
    }

    /// The hash table that it has from now on.
    fn become_large(&mut self, encoding: Encoding, limits: &SetLimits) {
        if let Set::Large(large) = self {
            large.encoding = encoding;
            return;
        }
        let mut large = Box::new(LargeSet {
            table: Table::new(),
            hasher: limits.hasher.clone(),
            encoding,
            member_bytes: 0,
        });
        for entry in self.view().iter() {
            large.add(entry);
        }
        *self = Set::Large(large);
    }

    /// Adds a member; false when it is there already.
    pub fn add(&mut self, member: &[u8], limits: &SetLimits) -> bool {
        self.add_entry(Entry::of(member), limits)
    }

    /// Adds a member that comes from a set or from [`Entry::of`]; false when it is there already.
    pub fn add_entry(&mut self, entry: Entry<'_>, limits: &SetLimits) -> bool {
        if let Set::Large(large) = self
            && large.encoding == Encoding::Hashtable
        {
            return large.add(entry);
        }
        if self.is_undecided()
            && let Set::Packed(bytes) = self
        {
            if let Entry::Integer(_) = entry {
                intset::clear(bytes);
            } else {
                Editor::new(bytes);
            }
        }
        if self.view().contains_entry(entry) {
            return false;
        }
        let encoding = self.encoding_with(entry, limits);
        let Set::Packed(bytes) = self else {
            self.become_large(encoding, limits);
            return self.add_entry_large(entry);
        };
        let run = Run::new(bytes);
        match (Intset::of(run), entry, encoding) {
            (Some(intset), Entry::Integer(integer), Encoding::Intset)
                if intset.bytes_with(integer) <= PACKED_BYTES_MAX =>
            {
                let index = intset.search(integer).expect_err("it is not there");
                intset::insert(bytes, index, integer);
                true
            }
            (intset, _, Encoding::Listpack) => {
                if let Some(intset) = intset {
                    *bytes = run_of(intset);
                }
                if bytes.len() + entry.encoded_len() <= PACKED_BYTES_MAX {
                    Editor::new(bytes).push(entry);
                    return true;
                }
                self.become_large(encoding, limits);
                self.add_entry_large(entry)
            }
            _ => {
                self.become_large(encoding, limits);
                self.add_entry_large(entry)
            }
        }
    }

    fn add_entry_large(&mut self, entry: Entry<'_>) -> bool {
        match self {
            Set::Large(large) => large.add(entry),
            Set::Packed(_) => unreachable!("it became large"),
        }
    }

    /// What Redis 7.2 would make of the set with one more member, which is not there.
    fn encoding_with(&self, entry: Entry<'_>, limits: &SetLimits) -> Encoding {
        let len = self.len();
        let short = |bytes_len: usize| bytes_len <= limits.packed_value_bytes_max;
        let packs = len < limits.packed_entries_max && short(entry.bytes_len());
        match (self.view().encoding_of(), entry) {
            (Encoding::Intset, Entry::Integer(_)) if len < limits.intset_entries_max => {
                Encoding::Intset
            }
            (Encoding::Intset, Entry::Bytes(_)) if packs => {
                // Those of a hash table are not sorted; twenty digits are the most.
                let longest = match self {
                    Set::Packed(bytes) => Intset::of(Run::new(bytes)).map_or(0, Intset::digits_max),
                    Set::Large(_) => 20,
                };
                if short(longest) {
                    Encoding::Listpack
                } else {
                    Encoding::Hashtable
                }
            }
            (Encoding::Listpack, _) if packs => Encoding::Listpack,
            _ => Encoding::Hashtable,
        }
    }

    /// Removes a member; false when it is not there.
    pub fn remove(&mut self, member: &[u8]) -> bool {
        self.remove_entry(Entry::of(member))
    }

    /// Removes a member that comes from a set or from [`Entry::of`]; false when it is not there.
    pub fn remove_entry(&mut self, entry: Entry<'_>) -> bool {
        let bytes = match self {
            Set::Large(large) => return large.remove(entry),
            Set::Packed(bytes) => bytes,
        };
        let run = Run::new(bytes);
        if let Some(intset) = Intset::of(run) {
            let Entry::Integer(integer) = entry else {
                return false;
            };
            let Ok(index) = intset.search(integer) else {
                return false;
            };
            intset::remove(bytes, index);
            return true;
        }
        let Some(position) = run.find(run.start(), &Query::entry(entry), 1) else {
            return false;
        };
        Editor::new(bytes).remove(position, 1);
        true
    }

    /// Removes a member chosen at random and hands it over; false when there is none.
    pub fn pop_random(&mut self, random: &mut Random, popped: impl FnOnce(Entry<'_>)) -> bool {
        let bytes = match self {
            Set::Large(large) => {
                let member = large.pop_random(random);
                if let Some(member) = &member {
                    popped(member.entry());
                }
                return member.is_some();
            }
            Set::Packed(bytes) => bytes,
        };
        let run = Run::new(bytes);
        if run.is_empty() {
            return false;
        }
        let index = random.below(run.len());
        if let Some(intset) = Intset::of(run) {
            popped(Entry::Integer(intset.at(index)));
            intset::remove(bytes, index);
            return true;
        }
        let position = run.seek(index);
        let (entry, _) = run.at(position).expect("the index is below the length");
        popped(entry);
        Editor::new(bytes).remove(position, 1);
        true
    }
}

/// The members of an intset as a run, in their order.
fn run_of(intset: Intset<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut editor = Editor::new(&mut bytes);
    for index in 0..intset.len() {
        editor.push(Entry::Integer(intset.at(index)));
    }
    bytes
}

impl Stored for Set {
    fn packed(&self) -> Option<&[u8]> {
        match self {
            Set::Packed(bytes) => Some(bytes),
            Set::Large(_) => None,
        }
    }

    fn from_packed(bytes: Vec<u8>) -> Self {
        Set::Packed(bytes)
    }

    fn heap_bytes(&self) -> usize {
        match self {
            Set::Packed(_) => 0,
            Set::Large(large) => large.heap_bytes(),
        }
    }

    fn len(&self) -> usize {
        self.view().len()
    }

    fn release(&mut self, units: usize) -> usize {
        match self {
            Set::Packed(_) => units,
            Set::Large(large) => {
                let member_bytes = &mut large.member_bytes;
                large
                    .table
                    .drain_some(units, |member| *member_bytes -= member.heap_bytes())
            }
        }
    }
}

impl<'a> SetView<'a> {
    /// Number of members.
    pub fn len(self) -> usize {
        match self {
            SetView::Packed(bytes) => Run::new(bytes).len(),
            SetView::Large(large) => large.table.len(),
        }
    }

    /// Whether there is no member.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    fn encoding_of(self) -> Encoding {
        match self {
            SetView::Packed(bytes) => match Intset::of(Run::new(bytes)) {
                Some(_) => Encoding::Intset,
                None => Encoding::Listpack,
            },
            SetView::Large(large) => large.encoding,
        }
    }

    /// OBJECT ENCODING.
    pub fn encoding(self) -> &'static str {
        match self.encoding_of() {
            Encoding::Intset => "intset",
            Encoding::Listpack => "listpack",
            Encoding::Hashtable => "hashtable",
        }
    }

    /// Whether it is a member.
    pub fn contains(self, member: &[u8]) -> bool {
        self.contains_entry(Entry::of(member))
    }

    /// Whether something that comes from a set or from [`Entry::of`] is a member.
    pub fn contains_entry(self, entry: Entry<'_>) -> bool {
        match self {
            SetView::Packed(bytes) => {
                let run = Run::new(bytes);
                match Intset::of(run) {
                    Some(intset) => match entry {
                        Entry::Integer(integer) => intset.search(integer).is_ok(),
                        Entry::Bytes(_) => false,
                    },
                    None => run.find(run.start(), &Query::entry(entry), 1).is_some(),
                }
            }
            SetView::Large(large) => large.find(entry).is_some(),
        }
    }

    /// All members; those of an intset in their order.
    pub fn iter(self) -> Iter<'a> {
        Iter(match self {
            SetView::Packed(bytes) => {
                let run = Run::new(bytes);
                match Intset::of(run) {
                    Some(intset) => Members::Intset(intset, 0),
                    None => Members::Packed(run.iter()),
                }
            }
            SetView::Large(large) => Members::Large(large.table.iter()),
        })
    }

    /// A member chosen at random, each with the same probability; `None` when there is none.
    pub fn random(self, random: &mut Random) -> Option<Entry<'a>> {
        match self {
            SetView::Large(large) => large.table.random(random).map(Member::entry),
            SetView::Packed(_) if self.is_empty() => None,
            SetView::Packed(bytes) => {
                let run = Run::new(bytes);
                let index = random.below(run.len());
                match Intset::of(run) {
                    Some(intset) => Some(Entry::Integer(intset.at(index))),
                    None => run.at(run.seek(index)).map(|(entry, _)| entry),
                }
            }
        }
    }

    /// Shows `count` members chosen at random, the same one perhaps more than once; none when there is none.
    pub fn random_repeated(
        self,
        count: usize,
        random: &mut Random,
        mut visit: impl FnMut(Entry<'a>),
    ) {
        if self.is_empty() {
            return;
        }
        if let SetView::Large(large) = self {
            for _ in 0..count {
                visit(
                    large
                        .table
                        .random(random)
                        .expect("there are members")
                        .entry(),
                );
            }
            return;
        }
        let members: Vec<Entry<'a>> = self.iter().collect();
        for _ in 0..count {
            visit(members[random.below(members.len())]);
        }
    }

    /// Shows `count` different members chosen at random, or all when there are no more.
    pub fn random_distinct(
        self,
        count: usize,
        random: &mut Random,
        mut visit: impl FnMut(Entry<'a>),
    ) {
        match self {
            SetView::Large(large) => {
                let members = large.table.len();
                large.table.sample(
                    count,
                    members,
                    |_| true,
                    random,
                    |member| {
                        visit(member.entry());
                    },
                );
            }
            SetView::Packed(_) => {
                table::sample_in_order(self.iter(), self.len(), count, random, visit)
            }
        }
    }

    /// SSCAN: shows about `count` members from `cursor` on, 0 at first; returns the next cursor, 0 at the end. A packed set is shown whole.
    pub fn scan(self, cursor: u64, count: usize, mut visit: impl FnMut(Entry<'a>)) -> u64 {
        match self {
            SetView::Packed(_) => {
                self.iter().for_each(visit);
                0
            }
            SetView::Large(large) => large.table.scan(
                cursor,
                count,
                |member| hash_entry(&large.hasher, member.entry()),
                |member| visit(member.entry()),
            ),
        }
    }
}

/// The members of a set.
#[derive(Debug)]
pub struct Iter<'a>(Members<'a>);

#[derive(Debug)]
enum Members<'a> {
    /// With the next index.
    Intset(Intset<'a>, usize),
    Packed(super::packed::Iter<'a>),
    Large(table::Iter<'a, Member>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        match &mut self.0 {
            Members::Intset(intset, next) => {
                if *next == intset.len() {
                    return None;
                }
                *next += 1;
                Some(Entry::Integer(intset.at(*next - 1)))
            }
            Members::Packed(iter) => iter.next(),
            Members::Large(iter) => iter.next().map(Member::entry),
        }
    }
}
