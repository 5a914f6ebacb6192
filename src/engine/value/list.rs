//! Lists: elements in the order they were put in.
//!
//! Packed while Redis would keep one listpack, otherwise chunks in a counted tree (`large`), whose chunks are such runs (`chunk`). The only
//! collection that becomes packed again, where Redis' list becomes a listpack again (`limits`). Elements are taken and shown by position from the
//! head; whoever counts from the tail subtracts from the length.

mod chunk;
mod large;
mod limits;
#[cfg(test)]
mod tests;

pub use super::counted_tree::Direction;
pub use large::LargeList;
pub use limits::ListLimits;

use super::Stored;
use super::packed::{ENTRIES_MAX, Editor, Entry, Run};
use large::LargeListRange;
use std::ops::Range;

/// A packed list longer than this becomes large, by its name in Redis still a listpack. A queue changes at its ends all the time, and a packed value is
/// copied whole with each change: at 5 KB that took half of the time of LPUSH and RPOP.
const RUN_BYTES_MAX: usize = 2048;

/// A list to edit.
pub enum List {
    /// A run of the elements; its tag is what `limits` needs to measure it.
    Packed(Vec<u8>),
    /// See `large`.
    Large(Box<LargeList>),
}

/// A list to read.
#[derive(Clone, Copy)]
pub enum ListView<'a> {
    /// The bytes of the packed form.
    Packed(&'a [u8]),
    /// The large form.
    Large(&'a LargeList),
}

impl Default for List {
    fn default() -> Self {
        List::new()
    }
}

impl Stored for List {
    fn packed(&self) -> Option<&[u8]> {
        match self {
            List::Packed(bytes) => Some(bytes),
            List::Large(_) => None,
        }
    }

    fn from_packed(bytes: Vec<u8>) -> Self {
        List::Packed(bytes)
    }

    fn heap_bytes(&self) -> usize {
        match self {
            List::Packed(_) => 0,
            List::Large(large) => large.heap_bytes(),
        }
    }

    fn len(&self) -> usize {
        self.view().len()
    }

    fn release(&mut self, units: usize) -> usize {
        match self {
            List::Packed(_) => units,
            List::Large(large) => large.release(units),
        }
    }
}

impl List {
    /// An empty list, packed.
    pub fn new() -> List {
        List::Packed(Vec::new())
    }

    /// The list to read.
    #[inline]
    pub fn view(&self) -> ListView<'_> {
        match self {
            List::Packed(bytes) => ListView::Packed(bytes),
            List::Large(large) => ListView::Large(large),
        }
    }

    /// The large form, made of the packed one if need be.
    fn enlarge(&mut self) -> &mut LargeList {
        if let List::Packed(bytes) = self {
            *self = List::Large(Box::new(LargeList::new(std::mem::take(bytes))));
        }
        match self {
            List::Large(large) => large,
            List::Packed(_) => unreachable!("it was made large"),
        }
    }

    /// Takes the form for `more` further elements of together `bytes` bytes. Every growing operation does so by itself; Redis does so also for an
    /// element that then finds no pivot to be inserted at.
    pub fn anticipate(&mut self, bytes: usize, more: usize, limits: ListLimits) {
        let exceeds = match self {
            List::Packed(run) => limits::run_would_exceed(limits, Run::new(run), bytes, more),
            List::Large(large) => {
                !large.is_quicklist
                    && limits.exceeded_by(large.listpack_bytes() + bytes, large.len() + more)
            }
        };
        if exceeds {
            self.enlarge().is_quicklist = true;
        }
    }

    /// After elements have gone: Redis' listpack again, at half the limit.
    fn after_shrinking(&mut self, limits: ListLimits) {
        let List::Large(large) = self else {
            return;
        };
        let Some((bytes, listpack_bytes)) = large.only_chunk_bytes() else {
            return;
        };
        if large.is_quicklist && !limits.met_by_half(listpack_bytes, large.len()) {
            return;
        }
        // A listpack that was too long for the packed form comes back only well below its limit.
        if bytes <= RUN_BYTES_MAX && (large.is_quicklist || bytes <= RUN_BYTES_MAX / 2) {
            let mut run = large.take_only_chunk();
            Editor::new(&mut run).set_tag(limits::EXCESS_BYTES_MAX);
            *self = List::Packed(run);
        } else {
            large.is_quicklist = false;
        }
    }

    /// The run of a packed list if it can take this element, and the large form otherwise.
    fn with_room(&mut self, entry: Entry<'_>) -> Result<&mut Vec<u8>, &mut LargeList> {
        let fits = matches!(self, List::Packed(bytes)
            if bytes.len().max(2) + entry.encoded_len() <= RUN_BYTES_MAX && Run::new(bytes).len() < ENTRIES_MAX);
        if !fits {
            self.enlarge();
        }
        match self {
            List::Packed(bytes) => {
                let mut editor = Editor::new(bytes);
                let excess = limits::excess_bytes(entry);
                if excess > editor.run().tag() {
                    editor.set_tag(excess);
                }
                Ok(bytes)
            }
            List::Large(large) => Err(large),
        }
    }

    /// Puts elements before the first (forward: the last one put is then the first) or after the last.
    pub fn push_all<'e>(
        &mut self,
        at: Direction,
        elements: impl Iterator<Item = &'e [u8]> + Clone,
        limits: ListLimits,
    ) {
        let (bytes, count) = elements.clone().fold((0, 0), |(bytes, count), element| {
            (bytes + element.len(), count + 1)
        });
        self.anticipate(bytes, count, limits);
        for element in elements {
            let entry = Entry::of(element);
            match self.with_room(entry) {
                Err(large) => large.push(at, element, limits),
                Ok(run) if at == Direction::Backward => Editor::new(run).push(entry),
                Ok(run) => {
                    let mut editor = Editor::new(run);
                    let start = editor.run().start();
                    editor.insert(start, &[entry]);
                }
            }
        }
    }

    /// Puts one element before the first (forward) or after the last.
    pub fn push(&mut self, at: Direction, element: &[u8], limits: ListLimits) {
        self.push_all(at, std::iter::once(element), limits);
    }

    /// Shows the first element (forward) or the last, then removes it; false when there is none.
    pub fn pop(
        &mut self,
        from: Direction,
        limits: ListLimits,
        show: impl FnOnce(Entry<'_>),
    ) -> bool {
        let Some(last) = self.len().checked_sub(1) else {
            return false;
        };
        match self {
            List::Packed(bytes) => {
                let run = Run::new(bytes);
                let position = match from {
                    Direction::Forward => run.start(),
                    Direction::Backward => run.seek(last),
                };
                if let Some((entry, _)) = run.at(position) {
                    show(entry);
                }
                Editor::new(bytes).remove(position, 1);
            }
            List::Large(large) => large.pop(from, show),
        }
        self.after_shrinking(limits);
        true
    }

    /// Puts another element at a position; false when there is none.
    pub fn set(&mut self, position: usize, element: &[u8], limits: ListLimits) -> bool {
        if position >= self.len() {
            return false;
        }
        self.anticipate(element.len(), 1, limits);
        let entry = Entry::of(element);
        match self.with_room(entry) {
            Ok(run) => {
                let mut editor = Editor::new(run);
                let at = editor.run().seek(position);
                editor.replace(at, entry);
            }
            Err(large) => large.set(position, element, limits),
        }
        self.after_shrinking(limits);
        true
    }

    /// Inserts an element before the one at a position, or at the end; false when the position is beyond.
    pub fn insert(&mut self, position: usize, element: &[u8], limits: ListLimits) -> bool {
        if position > self.len() {
            return false;
        }
        self.anticipate(element.len(), 1, limits);
        let entry = Entry::of(element);
        match self.with_room(entry) {
            Ok(run) => {
                let mut editor = Editor::new(run);
                let at = editor.run().seek(position);
                editor.insert(at, &[entry]);
            }
            Err(large) => large.insert(position, element, limits),
        }
        true
    }

    /// Removes up to `max` elements equal to one, from the head (forward) or the tail on; returns how many.
    pub fn remove_equal(
        &mut self,
        element: &[u8],
        max: usize,
        from: Direction,
        limits: ListLimits,
    ) -> usize {
        if max == 0 {
            return 0;
        }
        let entry = Entry::of(element);
        let removed = match self {
            List::Packed(bytes) => chunk::remove_equal(bytes, entry, max, from),
            List::Large(large) => large.remove_equal(entry, max, from),
        };
        if removed > 0 {
            self.after_shrinking(limits);
        }
        removed
    }

    /// Removes the elements at these positions, as far as there are any; returns how many. Costs about 0.1 µs per chunk: of a huge range remove
    /// a slice at a time, always from the same start.
    pub fn remove_range(&mut self, range: Range<usize>, limits: ListLimits) -> usize {
        let range = self.view().clamped(range);
        let count = range.len();
        if count == 0 {
            return 0;
        }
        match self {
            List::Packed(bytes) => {
                let position = Run::new(bytes).seek(range.start);
                Editor::new(bytes).remove(position, count);
            }
            List::Large(large) => large.remove_range(range),
        }
        self.after_shrinking(limits);
        count
    }

    /// Removes all elements except those at these positions; returns how many.
    pub fn trim(&mut self, kept: Range<usize>, limits: ListLimits) -> usize {
        let kept = self.view().clamped(kept);
        self.remove_range(kept.end..usize::MAX, limits) + self.remove_range(0..kept.start, limits)
    }
}

impl<'a> ListView<'a> {
    /// Number of elements.
    #[inline]
    pub fn len(self) -> usize {
        match self {
            ListView::Packed(bytes) => Run::new(bytes).len(),
            ListView::Large(large) => large.len(),
        }
    }

    /// Whether there is no element.
    pub fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// The name that OBJECT ENCODING gives.
    pub fn encoding(self) -> &'static str {
        match self {
            ListView::Large(large) if large.is_quicklist => "quicklist",
            _ => "listpack",
        }
    }

    /// The element at a position.
    pub fn get(self, position: usize) -> Option<Entry<'a>> {
        match self {
            ListView::Packed(bytes) => {
                let run = Run::new(bytes);
                run.at(run.seek(position)).map(|(entry, _)| entry)
            }
            ListView::Large(large) => large.get(position),
        }
    }

    /// What there is of a range of positions.
    fn clamped(self, range: Range<usize>) -> Range<usize> {
        let end = range.end.min(self.len());
        range.start.min(end)..end
    }

    /// The elements at these positions, as far as there are any.
    pub fn range(self, range: Range<usize>, direction: Direction) -> ListRange<'a> {
        let range = self.clamped(range);
        match self {
            ListView::Packed(bytes) => {
                let run = Run::new(bytes);
                let mut position = run.seek(range.start);
                if direction == Direction::Forward {
                    return ListRange::Packed(run.iter_from(position), range.len());
                }
                // A run can be walked forward only.
                let mut positions = Vec::with_capacity(range.len());
                for _ in range {
                    positions.push(position as u16);
                    position = run.skip(position, 1);
                }
                ListRange::PackedBackward(run, positions)
            }
            ListView::Large(large) => ListRange::Large(large.range(range, direction)),
        }
    }

    /// Shows the positions of the elements equal to one, from the head (forward) or the tail on, until `visit` says false or `compared_max` elements
    /// have been compared.
    pub fn find(
        self,
        element: &[u8],
        from: Direction,
        compared_max: usize,
        mut visit: impl FnMut(usize) -> bool,
    ) {
        let (len, wanted) = (self.len(), Entry::of(element));
        let range = match from {
            Direction::Forward => 0..compared_max.min(len),
            Direction::Backward => len.saturating_sub(compared_max)..len,
        };
        for (passed, entry) in self.range(range, from).enumerate() {
            let position = match from {
                Direction::Forward => passed,
                Direction::Backward => len - 1 - passed,
            };
            if entry == wanted && !visit(position) {
                return;
            }
        }
    }
}

/// Elements of a range of positions.
pub enum ListRange<'a> {
    #[doc(hidden)]
    Packed(super::packed::Iter<'a>, usize),
    #[doc(hidden)]
    PackedBackward(Run<'a>, Vec<u16>),
    #[doc(hidden)]
    Large(LargeListRange<'a>),
}

impl<'a> Iterator for ListRange<'a> {
    type Item = Entry<'a>;

    #[inline]
    fn next(&mut self) -> Option<Entry<'a>> {
        match self {
            ListRange::Packed(entries, left) => {
                *left = left.checked_sub(1)?;
                entries.next()
            }
            ListRange::PackedBackward(run, positions) => {
                let position = positions.pop()?;
                run.at(usize::from(position)).map(|(entry, _)| entry)
            }
            ListRange::Large(range) => range.next(),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = match self {
            ListRange::Packed(_, left) => *left,
            ListRange::PackedBackward(_, positions) => positions.len(),
            ListRange::Large(range) => return range.size_hint(),
        };
        (left, Some(left))
    }
}
