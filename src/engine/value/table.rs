//! A hash table of any size in which no operation costs more than handling one small table of [`ENTRIES_MAX`] entries.
//!
//! A tree of small `hashbrown` tables: eight bits of an entry's position select one of a node's up to 256 children, the next eight one of that
//! child's when it is a node itself. A table that is full splits by its next bit; two halves that have become small are joined. It neither
//! hashes nor compares: the caller brings the hash and closures. Up to [`ENTRIES_MAX`] entries it is one `hashbrown` table and nothing else.
//!
//! The one decision worth knowing: positions are not uniform. Tables whose loads rose together would all be half empty at the same time;
//! [`position`] makes the density vary by a factor of two, so that the bytes per entry stay the same at every size. The entries' order
//! of positions is that of [`Table::scan`], and belongs to entries and not to tables.

mod frozen;

use super::allocated_bytes;
use crate::engine::random::Random;
use hashbrown::HashTable;

/// A small table splits rather than hold more.
pub const ENTRIES_MAX: usize = 224;
/// Two halves that hold at most this many together become one small table again.
const ENTRIES_JOIN_MAX: usize = 112;
/// Bits of a position that a node's directory takes.
const NODE_BITS: u32 = 8;
/// Nodes above one another at most: together they take all bits of a position.
const LEVELS_MAX: u32 = u32::BITS / NODE_BITS;
/// Small tables that one call of [`Table::scan`] looks into at most.
const SCAN_TABLES_MAX: usize = 1024;

/// A hash's place in the order of [`Table::scan`]: monotone in bits 16 to 48 of the hash, which the small tables do not use, and twice as dense at
/// one end as at the other.
#[inline]
fn position(hash: u64) -> u32 {
    let uniform = u64::from((hash >> 16) as u32);
    let bend = (uniform * (u64::from(u32::MAX) - uniform)) >> 32;
    (uniform + bend / 3) as u32
}

/// The handle of a position in the directory of a node at this level.
#[inline]
fn handle(position: u32, level: u32) -> usize {
    (position >> (u32::BITS - NODE_BITS * (level + 1))) as usize & 0xff
}

#[derive(Debug)]
enum Child<T> {
    Leaf {
        entries: HashTable<T>,
        /// Leading bits of the parent's handles that all its entries share; all of them when there is no parent.
        depth: u8,
    },
    /// Has one handle of its parent for itself.
    Node {
        node: Box<Node<T>>,
        /// Entries below.
        len: usize,
    },
}

#[derive(Debug)]
struct Node<T> {
    /// Which child a handle selects.
    directory: [u8; 1 << NODE_BITS],
    children: Vec<Child<T>>,
}

/// See the module.
#[derive(Debug)]
pub struct Table<T> {
    root: Child<T>,
    bytes: usize,
}

/// Entries that a small table of `buckets` buckets has room for when deleted ones are cleared away.
fn capacity_of(buckets: usize) -> usize {
    if buckets < 8 {
        buckets.saturating_sub(1)
    } else {
        buckets / 8 * 7
    }
}

/// A small table with exactly the room for `len` entries, made of these.
fn filled<T>(
    len: usize,
    entries: impl Iterator<Item = T>,
    hash_of: &impl Fn(&T) -> u64,
) -> HashTable<T> {
    let mut table = HashTable::with_capacity(len);
    for entry in entries {
        table.insert_unique(hash_of(&entry), entry, |_| {
            unreachable!("the entries were counted")
        });
    }
    table
}

fn entries_bytes<T>(entries: &HashTable<T>) -> usize {
    allocated_bytes(entries.allocation_size())
}

impl<T> Child<T> {
    fn len(&self) -> usize {
        match self {
            Child::Leaf { entries, .. } => entries.len(),
            Child::Node { len, .. } => *len,
        }
    }

    /// Makes room in a leaf for one more entry, if there is none: more buckets, fewer deleted entries, or a node in the leaf's place when it has
    /// its handle for itself. Changes nothing where the parent must split it, and says so.
    fn make_room(
        &mut self,
        level: u32,
        hash_of: &impl Fn(&T) -> u64,
        bytes: &mut usize,
    ) -> MakeRoom {
        let Child::Leaf { entries, depth } = self else {
            return MakeRoom::Done;
        };
        let (len, capacity) = (entries.len(), capacity_of(entries.num_buckets()));
        if len < entries.capacity() {
            return MakeRoom::Done;
        }
        let keeps_size = len + len / 8 < capacity;
        let full = capacity >= ENTRIES_MAX && !keeps_size;
        if full && u32::from(*depth) < NODE_BITS {
            return MakeRoom::Split;
        }
        if full && level < LEVELS_MAX {
            let mut leaf = std::mem::replace(
                self,
                Child::Leaf {
                    entries: HashTable::new(),
                    depth: 0,
                },
            );
            if let Child::Leaf { depth, .. } = &mut leaf {
                *depth = 0;
            }
            let mut node = Box::new(Node {
                directory: [0; 1 << NODE_BITS],
                children: vec![leaf],
            });
            *bytes += allocated_bytes(size_of::<Node<T>>()) + node.children_bytes();
            node.split(0, level, hash_of, bytes);
            *self = Child::Node { node, len };
            return MakeRoom::Done;
        }
        let room = if keeps_size { capacity } else { capacity + 1 };
        let before = entries_bytes(entries);
        let old = std::mem::take(entries);
        *entries = filled(room, old.into_iter(), hash_of);
        *bytes = *bytes + entries_bytes(entries) - before;
        MakeRoom::Done
    }
}

enum MakeRoom {
    Done,
    Split,
}

impl<T> Node<T> {
    fn children_bytes(&self) -> usize {
        allocated_bytes(self.children.capacity() * size_of::<Child<T>>())
    }

    #[inline]
    fn child(&self, handle: usize) -> &Child<T> {
        &self.children[usize::from(self.directory[handle])]
    }

    /// The handles that select the same child as this one.
    fn handles(&self, handle: usize) -> std::ops::Range<usize> {
        let span = match self.child(handle) {
            Child::Leaf { depth, .. } => 1 << (NODE_BITS - u32::from(*depth)),
            Child::Node { .. } => 1,
        };
        let first = handle & !(span - 1);
        first..first + span
    }

    /// Splits the leaf of a handle, which shares its handles, by their next bit. The node's children are at `level` + 1.
    fn split(
        &mut self,
        handle: usize,
        level: u32,
        hash_of: &impl Fn(&T) -> u64,
        bytes: &mut usize,
    ) {
        let handles = self.handles(handle);
        let middle = handles.start + handles.len() / 2;
        let place = usize::from(self.directory[handle]);
        let Child::Leaf { entries, depth } = &mut self.children[place] else {
            unreachable!("nodes have one handle");
        };
        let hashed: Vec<(u64, T)> = {
            *bytes -= entries_bytes(entries);
            let old = std::mem::take(entries);
            old.into_iter()
                .map(|entry| (hash_of(&entry), entry))
                .collect()
        };
        let goes_up = |hash: u64| self::handle(position(hash), level) >= middle;
        let up = hashed.iter().filter(|(hash, _)| goes_up(*hash)).count();
        let mut halves = [
            HashTable::with_capacity(hashed.len() - up),
            HashTable::with_capacity(up),
        ];
        for (hash, entry) in hashed {
            halves[usize::from(goes_up(hash))]
                .insert_unique(hash, entry, |_| unreachable!("the entries were counted"));
        }
        *bytes += halves.iter().map(entries_bytes).sum::<usize>();
        let [lower, upper] = halves;
        *entries = lower;
        *depth += 1;
        let depth = *depth;
        let before = self.children_bytes();
        if self.children.len() == self.children.capacity() {
            self.children.reserve_exact(self.children.len() / 4 + 1);
        }
        self.children.push(Child::Leaf {
            entries: upper,
            depth,
        });
        *bytes = *bytes + self.children_bytes() - before;
        self.directory[middle..handles.end].fill((self.children.len() - 1) as u8);
    }

    /// Joins the leaf of a handle with its other half as long as both are small.
    fn join(&mut self, handle: usize, hash_of: &impl Fn(&T) -> u64, bytes: &mut usize) {
        loop {
            let &Child::Leaf { ref entries, depth } = self.child(handle) else {
                return;
            };
            if depth == 0 || entries.len() > ENTRIES_JOIN_MAX {
                return;
            }
            let handles = self.handles(handle);
            let other = handles.start ^ handles.len();
            let len = match self.child(other) {
                Child::Leaf {
                    entries: others,
                    depth: other_depth,
                } if *other_depth == depth => entries.len() + others.len(),
                _ => return,
            };
            if len > ENTRIES_JOIN_MAX {
                return;
            }
            let start = handles.start.min(other);
            let end = start + 2 * handles.len();
            let kept = usize::from(self.directory[handle]);
            let gone = usize::from(self.directory[other]);
            self.directory[start..end].fill(kept as u8);
            let last = self.children.len() - 1;
            let Child::Leaf {
                entries: others, ..
            } = self.children.swap_remove(gone)
            else {
                unreachable!("both halves are leaves");
            };
            // The last child has taken the place of the one that is gone.
            for place in &mut self.directory {
                if usize::from(*place) == last {
                    *place = gone as u8;
                }
            }
            let kept = if kept == last { gone } else { kept };
            let before = self.children_bytes();
            if self.children.len() * 2 <= self.children.capacity() {
                self.children.shrink_to_fit();
            }
            *bytes = *bytes + self.children_bytes() - before;
            let Child::Leaf { entries, depth } = &mut self.children[kept] else {
                unreachable!("both halves are leaves");
            };
            *bytes -= entries_bytes(entries) + entries_bytes(&others);
            let old = std::mem::take(entries);
            *entries = filled(len, old.into_iter().chain(others), hash_of);
            *bytes += entries_bytes(entries);
            *depth -= 1;
        }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table::new()
    }
}

impl<T> Table<T> {
    /// An empty table, without an allocation.
    pub const fn new() -> Table<T> {
        Table {
            root: Child::Leaf {
                entries: HashTable::new(),
                depth: NODE_BITS as u8,
            },
            bytes: 0,
        }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.root.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of its allocations, as [`allocated_bytes`] counts them; without the struct itself and without what the entries own.
    pub fn heap_bytes(&self) -> usize {
        self.bytes
    }

    /// The small table of a position.
    #[inline]
    fn leaf(&self, position: u32) -> &HashTable<T> {
        let mut child = &self.root;
        let mut level = 0;
        loop {
            match child {
                Child::Leaf { entries, .. } => return entries,
                Child::Node { node, .. } => child = node.child(handle(position, level)),
            }
            level += 1;
        }
    }

    /// The entry with this hash that `is_it` accepts.
    #[inline]
    pub fn find(&self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<&T> {
        self.leaf(position(hash)).find(hash, is_it)
    }

    /// Like [`Table::find`], to change what its hash does not depend on.
    #[inline]
    pub fn find_mut(&mut self, hash: u64, is_it: impl FnMut(&T) -> bool) -> Option<&mut T> {
        let position = position(hash);
        let mut child = &mut self.root;
        let mut level = 0;
        loop {
            match child {
                Child::Leaf { entries, .. } => return entries.find_mut(hash, is_it),
                Child::Node { node, .. } => {
                    let place = usize::from(node.directory[handle(position, level)]);
                    child = &mut node.children[place];
                }
            }
            level += 1;
        }
    }

    /// Adds an entry that is not there yet.
    pub fn insert(&mut self, hash: u64, entry: T, hash_of: impl Fn(&T) -> u64) {
        let position = position(hash);
        let bytes = &mut self.bytes;
        self.root.make_room(0, &hash_of, bytes);
        let mut child = &mut self.root;
        let mut level = 0;
        loop {
            match child {
                Child::Leaf { entries, .. } => {
                    entries.insert_unique(hash, entry, |_| unreachable!("there is room"));
                    return;
                }
                Child::Node { node, len } => {
                    *len += 1;
                    let handle = handle(position, level);
                    // All entries of a leaf may go to one half when it splits, and it stays full.
                    loop {
                        let place = usize::from(node.directory[handle]);
                        match node.children[place].make_room(level + 1, &hash_of, bytes) {
                            MakeRoom::Done => break,
                            MakeRoom::Split => node.split(handle, level, &hash_of, bytes),
                        }
                    }
                    let place = usize::from(node.directory[handle]);
                    child = &mut node.children[place];
                    level += 1;
                }
            }
        }
    }

    /// Removes the entry with this hash that `is_it` accepts.
    pub fn remove(
        &mut self,
        hash: u64,
        is_it: impl FnMut(&T) -> bool,
        hash_of: impl Fn(&T) -> u64,
    ) -> Option<T> {
        remove_below(&mut self.root, 0, hash, is_it, &hash_of, &mut self.bytes)
    }

    /// Shows about `count` entries in the order of their positions from `cursor` on, 0 at first; returns the next cursor, 0 at the end. What
    /// is there from the first call to the last is shown exactly once, however the table grows and shrinks between.
    pub fn scan<'a>(
        &'a self,
        cursor: u64,
        count: usize,
        hash_of: impl Fn(&T) -> u64,
        mut visit: impl FnMut(&'a T),
    ) -> u64 {
        let Ok(mut at) = u32::try_from(cursor) else {
            return 0;
        };
        let mut room = count.max(1);
        let mut placed: Vec<(u32, &T)> = Vec::new();
        for _ in 0..SCAN_TABLES_MAX {
            let (entries, end) = self.leaf_and_end(at);
            placed.clear();
            placed.extend(
                entries
                    .iter()
                    .map(|entry| (position(hash_of(entry)), entry))
                    .filter(|&(place, _)| place >= at),
            );
            placed.sort_unstable_by_key(|&(place, _)| place);
            // Entries of equal position cannot be told apart by a cursor and stay together.
            let cut = match placed.get(room) {
                Some(&(next, _)) => {
                    let start = placed.partition_point(|&(place, _)| place < next);
                    if start > 0 {
                        start
                    } else {
                        placed.partition_point(|&(place, _)| place <= next)
                    }
                }
                None => placed.len(),
            };
            placed[..cut].iter().for_each(|&(_, entry)| visit(entry));
            if let Some(&(next, _)) = placed.get(cut) {
                return u64::from(next);
            }
            room = room.saturating_sub(cut);
            let Ok(next) = u32::try_from(end) else {
                return 0;
            };
            at = next;
            if room == 0 {
                break;
            }
        }
        u64::from(at)
    }

    /// The entries of the small table at a position, 0 at first, and the position of the next one, `None` at the end. While the table does not change they come in the same order
    /// whenever they are asked for, and all parts together are all entries, each once.
    pub fn part(&self, position: u32) -> (impl Iterator<Item = &T>, Option<u32>) {
        let (entries, end) = self.leaf_and_end(position);
        (entries.iter(), u32::try_from(end).ok())
    }

    /// The small table of a position and the position after its last.
    fn leaf_and_end(&self, position: u32) -> (&HashTable<T>, u64) {
        let mut child = &self.root;
        let mut level = 0;
        // A root that is a leaf covers all.
        let mut width = 1u64 << u32::BITS;
        loop {
            match child {
                Child::Leaf { entries, .. } => {
                    return (entries, (u64::from(position) & !(width - 1)) + width);
                }
                Child::Node { node, .. } => {
                    let handle = handle(position, level);
                    let span = node.handles(handle).len() as u64;
                    width = span << (u32::BITS - NODE_BITS * (level + 1));
                    child = node.child(handle);
                    level += 1;
                }
            }
        }
    }

    /// An entry chosen at random, each with the same probability; `None` when there is none.
    pub fn random(&self, random: &mut Random) -> Option<&T> {
        if self.is_empty() {
            return None;
        }
        let mut nth = random.below(self.len());
        let mut child = &self.root;
        loop {
            match child {
                Child::Leaf { entries, .. } => loop {
                    // A small table is rarely less than half full, and never less than an eighth full.
                    if let Some(entry) = entries.get_bucket(random.below(entries.num_buckets())) {
                        return Some(entry);
                    }
                },
                Child::Node { node, .. } => {
                    child = node
                        .children
                        .iter()
                        .find(|below| match nth.checked_sub(below.len()) {
                            Some(rest) => {
                                nth = rest;
                                false
                            }
                            None => true,
                        })
                        .expect("the children's entries are the node's");
                }
            }
        }
    }

    /// Shows `count` different entries chosen at random among the `acceptable` ones that `accept` takes, or all of them when there are no more.
    /// O(count) as long as not most entries are refused.
    pub fn sample<'a>(
        &'a self,
        count: usize,
        acceptable: usize,
        accept: impl Fn(&T) -> bool,
        random: &mut Random,
        mut visit: impl FnMut(&'a T),
    ) {
        if count.saturating_mul(3) > acceptable {
            let entries = self.iter().filter(|entry| accept(entry));
            sample_in_order(entries, acceptable, count, random, visit);
            return;
        }
        // Two draws in three are new ones even at the end, so that drawing again costs less than looking at all.
        let mut seen: HashTable<usize> = HashTable::with_capacity(count);
        let hash_of = |address: &usize| Random::new(*address as u64).draw();
        while seen.len() < count {
            let entry = self.random(random).expect("some are acceptable");
            let address = std::ptr::from_ref(entry).addr();
            let hash = hash_of(&address);
            if accept(entry) && seen.find(hash, |&other| other == address).is_none() {
                seen.insert_unique(hash, address, hash_of);
                visit(entry);
            }
        }
    }

    /// All entries, in no order that means anything.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter {
            above: Vec::new(),
            children: std::slice::from_ref(&self.root).iter(),
            entries: None,
        }
    }

    /// Takes at least `units` entries out, by whole small tables, as long as there are any, and hands them over; returns the units left
    /// over (more than 0: the table is empty). Only for a table that is given up: what is left can be drained, iterated and dropped.
    pub fn drain_some(&mut self, units: usize, mut drained: impl FnMut(T)) -> usize {
        let mut left = units;
        while left > 0 && !self.is_empty() {
            left = left.saturating_sub(drain_last(&mut self.root, &mut self.bytes, &mut drained));
        }
        if self.is_empty() {
            *self = Table::new();
        }
        left
    }
}

/// Shows `count` of `len` entries chosen at random, or all when there are no more, in the order in which they come.
pub fn sample_in_order<E>(
    entries: impl Iterator<Item = E>,
    len: usize,
    count: usize,
    random: &mut Random,
    mut visit: impl FnMut(E),
) {
    let mut left = len;
    let mut wanted = count.min(len);
    for entry in entries {
        if wanted == 0 {
            return;
        }
        // Each is taken with the probability that leaves every choice of the rest equally likely.
        if random.below(left) < wanted {
            visit(entry);
            wanted -= 1;
        }
        left -= 1;
    }
}

/// Removes an entry below `child`, whose handles are those of this level, and tidies up on the way back.
fn remove_below<T>(
    child: &mut Child<T>,
    level: u32,
    hash: u64,
    is_it: impl FnMut(&T) -> bool,
    hash_of: &impl Fn(&T) -> u64,
    bytes: &mut usize,
) -> Option<T> {
    match child {
        Child::Leaf { entries, .. } => {
            let (removed, _) = entries.find_entry(hash, is_it).ok()?.remove();
            let (len, buckets) = (entries.len(), entries.num_buckets());
            // Half the buckets hold them with room to spare, so that growing again takes a while.
            if len * 3 < buckets && (buckets > 8 || len == 0) {
                *bytes -= entries_bytes(entries);
                let old = std::mem::take(entries);
                *entries = filled(len + len / 4, old.into_iter(), hash_of);
                *bytes += entries_bytes(entries);
            }
            Some(removed)
        }
        Child::Node { node, len } => {
            let handle = handle(position(hash), level);
            let place = usize::from(node.directory[handle]);
            let below = &mut node.children[place];
            let removed = remove_below(below, level + 1, hash, is_it, hash_of, bytes)?;
            *len -= 1;
            if below.len() <= ENTRIES_JOIN_MAX / 2 {
                node.join(handle, hash_of, bytes);
            }
            if let [Child::Leaf { entries, .. }] = node.children.as_mut_slice() {
                // The node has become one leaf, which takes its place.
                let entries = std::mem::take(entries);
                *bytes -= allocated_bytes(size_of::<Node<T>>()) + node.children_bytes();
                *child = Child::Leaf {
                    entries,
                    depth: NODE_BITS as u8,
                };
            }
            Some(removed)
        }
    }
}

/// Takes the entries of the last small table out; returns their number. A node without children left is one without entries.
fn drain_last<T>(child: &mut Child<T>, bytes: &mut usize, drained: &mut impl FnMut(T)) -> usize {
    match child {
        Child::Leaf { entries, .. } => {
            let taken = std::mem::take(entries);
            *bytes -= entries_bytes(&taken);
            let len = taken.len();
            taken.into_iter().for_each(drained);
            len
        }
        Child::Node { node, len } => {
            let Some(last) = node.children.last_mut() else {
                return 0;
            };
            let count = drain_last(last, bytes, drained);
            *len -= count;
            if last.len() == 0 {
                // An emptied node gives its own allocations back here.
                if let Child::Node { node: emptied, .. } = last {
                    *bytes -= allocated_bytes(size_of::<Node<T>>()) + emptied.children_bytes();
                }
                node.children.pop();
            }
            count
        }
    }
}

/// The entries of a table.
#[derive(Debug)]
pub struct Iter<'a, T> {
    above: Vec<std::slice::Iter<'a, Child<T>>>,
    children: std::slice::Iter<'a, Child<T>>,
    entries: Option<hashbrown::hash_table::Iter<'a, T>>,
}

impl<'a, T> Iterator for Iter<'a, T> {
    type Item = &'a T;

    #[inline]
    fn next(&mut self) -> Option<&'a T> {
        loop {
            if let Some(entry) = self.entries.as_mut().and_then(Iterator::next) {
                return Some(entry);
            }
            match self.children.next() {
                Some(Child::Leaf { entries, .. }) => self.entries = Some(entries.iter()),
                Some(Child::Node { node, .. }) => {
                    let siblings = std::mem::replace(&mut self.children, node.children.iter());
                    self.above.push(siblings);
                }
                None => {
                    self.children = self.above.pop()?;
                }
            }
        }
    }
}

#[cfg(test)]
impl<T> Table<T> {
    /// Every entry is where its hash says, every small table within its limits, and the figures are exact.
    pub fn check(&self, hash_of: impl Fn(&T) -> u64) {
        fn visit<T>(child: &Child<T>, level: u32, start: u64, hash_of: &impl Fn(&T) -> u64) {
            match child {
                Child::Leaf { entries, depth } => {
                    let bits = match level {
                        0 => 0,
                        _ => (level - 1) * NODE_BITS + u32::from(*depth),
                    };
                    let width = 1u64 << (u32::BITS - bits);
                    for entry in entries {
                        let place = u64::from(position(hash_of(entry)));
                        assert!((start..start + width).contains(&place));
                    }
                    assert!(entries.len() <= ENTRIES_MAX || bits == u32::BITS);
                }
                Child::Node { node, len } => {
                    assert_eq!(
                        *len,
                        node.children.iter().map(Child::len).sum::<usize>(),
                        "a node's length"
                    );
                    let mut handle = 0;
                    let mut seen = 0;
                    while handle < node.directory.len() {
                        let handles = node.handles(handle);
                        assert_eq!(handles.start, handle);
                        let place = node.directory[handle];
                        assert!(node.directory[handles.clone()].iter().all(|&p| p == place));
                        let shift = u32::BITS - NODE_BITS * (level + 1);
                        visit(
                            node.child(handle),
                            level + 1,
                            start + ((handle as u64) << shift),
                            hash_of,
                        );
                        seen += 1;
                        handle = handles.end;
                    }
                    assert_eq!(seen, node.children.len(), "each child is reached once");
                }
            }
        }
        visit(&self.root, 0, 0, &hash_of);
        self.check_bytes();
    }

    /// The bytes are those of a recount.
    pub fn check_bytes(&self) {
        fn count<T>(child: &Child<T>) -> usize {
            match child {
                Child::Leaf { entries, .. } => entries_bytes(entries),
                Child::Node { node, .. } => {
                    allocated_bytes(size_of::<Node<T>>())
                        + node.children_bytes()
                        + node.children.iter().map(count).sum::<usize>()
                }
            }
        }
        assert_eq!(count(&self.root), self.bytes);
    }
}
