//! A chunk of a large list: a run of neighbouring elements, as a leaf of the counted tree.
//!
//! It knows what it would take as a listpack and nothing of limits. The one decision worth knowing: a run can be walked forward only, so
//! a chunk remembers one place near its end, which makes taking elements off the end cheap without a byte more per element. Before the run there may be a gap,
//! so that the first elements come and go without the others being moved.

use super::limits::{LISTPACK_BYTES, listpack_bytes, listpack_entry_bytes};
use crate::engine::value::allocated_bytes;
use crate::engine::value::counted_tree::{Direction, Leaf};
use crate::engine::value::packed::{self, Editor, Entry, Run};
use std::ops::Range;

/// A walk to an element further than this from the mark moves the mark.
const MARK_WALK_MAX: usize = 32;
/// How far before the element it is moved.
const MARK_DISTANCE: usize = 16;
/// Allocations up to this are not made smaller.
const SHRINK_BYTES_MIN: usize = 256;

/// See the module.
pub struct Chunk {
    /// The gap, and the run.
    bytes: Vec<u8>,
    /// Bytes of the gap.
    gap: u32,
    /// What Redis' listpack of these elements would take.
    listpack_bytes: usize,
    /// An element's index and position.
    mark: (u32, u32),
}

impl Chunk {
    /// A chunk of a run.
    pub fn from_run(bytes: Vec<u8>) -> Box<Chunk> {
        let run = Run::new(&bytes);
        Box::new(Chunk {
            listpack_bytes: listpack_bytes(run),
            mark: (0, run.start() as u32),
            gap: 0,
            bytes,
        })
    }

    /// A chunk of one element.
    pub fn from_element(element: &[u8]) -> Box<Chunk> {
        let entry = Entry::of(element);
        // Short elements are followed by others, an element as long as a chunk stays alone.
        let mut bytes = Vec::with_capacity(2 + entry.encoded_len());
        Editor::new(&mut bytes).push(entry);
        Chunk::from_run(bytes)
    }

    /// Another one with the same elements.
    pub fn copy(&self) -> Box<Chunk> {
        Chunk::from_run(self.bytes[self.gap as usize..].to_vec())
    }

    /// Where the run and the walk to its end begin.
    pub fn ends(&self) -> [*const u8; 2] {
        let run = &self.bytes[self.gap as usize..];
        let mark = self.mark.1 as usize;
        [run.as_ptr(), run.as_ptr().wrapping_add(mark)]
    }

    /// The elements.
    #[inline]
    pub fn run(&self) -> Run<'_> {
        Run::new(&self.bytes[self.gap as usize..])
    }

    /// The run's bytes.
    pub fn into_bytes(mut self) -> Vec<u8> {
        self.close_gap();
        self.bytes
    }

    /// The run as bytes.
    pub fn run_bytes(&self) -> &[u8] {
        &self.bytes[self.gap as usize..]
    }

    /// Bytes of the run.
    pub fn bytes_len(&self) -> usize {
        self.bytes.len() - self.gap as usize
    }

    /// The run without a gap, to be edited.
    fn close_gap(&mut self) -> &mut Vec<u8> {
        self.bytes.drain(..self.gap as usize);
        self.gap = 0;
        &mut self.bytes
    }

    /// Has the run begin at another place, with so many elements.
    fn set_header(&mut self, gap: usize, len: usize) {
        let header = packed::header(self.run().tag(), len);
        self.bytes[gap..gap + header.len()].copy_from_slice(&header);
        self.gap = gap as u32;
    }

    fn push_first(&mut self, entry: Entry<'_>) {
        let (more, len) = (entry.encoded_len(), self.run().len());
        if (self.gap as usize) < more {
            // By a quarter, as at the end.
            let gap = more.max(self.bytes_len() / 4);
            let mut bytes = Vec::with_capacity(gap + self.bytes_len());
            bytes.resize(gap, 0);
            bytes.extend_from_slice(&self.bytes[self.gap as usize..]);
            (self.bytes, self.gap) = (bytes, gap as u32);
        }
        let gap = self.gap as usize - more;
        let start = gap + self.run().start();
        // The header comes first, since the element takes the place of the old one.
        self.set_header(gap, len + 1);
        entry.write(&mut self.bytes[start..start + more]);
    }

    fn push_last(&mut self, entry: Entry<'_>) {
        let (more, len) = (entry.encoded_len(), self.run().len());
        if self.bytes.capacity() - self.bytes.len() < more {
            // By a quarter: doubling would leave a chunk half empty.
            self.bytes.reserve_exact(more.max(self.bytes.len() / 4));
        }
        let start = self.bytes.len();
        self.bytes.resize(start + more, 0);
        entry.write(&mut self.bytes[start..]);
        self.set_header(self.gap as usize, len + 1);
    }

    /// What Redis' listpack of these elements would take.
    pub fn listpack_bytes(&self) -> usize {
        self.listpack_bytes
    }

    /// Where an element begins; the end for the number of elements.
    #[inline]
    pub fn position(&self, index: usize) -> usize {
        let (marked, position) = (self.mark.0 as usize, self.mark.1 as usize);
        match index.checked_sub(marked) {
            Some(further) => self.run().skip(position, further),
            None => self.run().seek(index),
        }
    }

    fn reset_mark(&mut self) {
        self.mark = (0, self.run().start() as u32);
    }

    /// Like [`Chunk::position`], and leaves the mark near it.
    fn approach(&mut self, index: usize) -> usize {
        if index < self.mark.0 as usize {
            self.reset_mark();
        }
        let marked = self.mark.0 as usize;
        if index - marked > MARK_WALK_MAX {
            let skipped = index - marked - MARK_DISTANCE;
            let position = self.run().skip(self.mark.1 as usize, skipped);
            self.mark = ((marked + skipped) as u32, position as u32);
        }
        self.position(index)
    }

    /// Puts an element before the one at an index, or at the end.
    pub fn insert(&mut self, index: usize, element: &[u8]) {
        let entry = Entry::of(element);
        self.listpack_bytes += listpack_entry_bytes(entry);
        if self.bytes_len() > 0 && index == self.run().len() {
            return self.push_last(entry);
        }
        if self.bytes_len() > 0 && index == 0 {
            self.push_first(entry);
            if self.mark.0 > 0 {
                self.mark.0 += 1;
                self.mark.1 += entry.encoded_len() as u32;
            }
            return;
        }
        let position = self.position(index);
        Editor::new(self.close_gap()).insert(position, &[entry]);
        if index < self.mark.0 as usize {
            self.reset_mark();
        }
    }

    /// Puts another element in the place of one.
    pub fn replace(&mut self, index: usize, element: &[u8]) {
        let position = self.position(index);
        let (old, _) = self.run().at(position).expect("an element below the count");
        let new = Entry::of(element);
        self.listpack_bytes =
            self.listpack_bytes - listpack_entry_bytes(old) + listpack_entry_bytes(new);
        Editor::new(self.close_gap()).replace(position, new);
        if index < self.mark.0 as usize {
            self.reset_mark();
        }
        self.give_back();
    }

    /// Shows the first or the last element and removes it.
    pub fn pop(&mut self, from: Direction, show: impl FnOnce(Entry<'_>)) {
        let index = match from {
            Direction::Forward => 0,
            Direction::Backward => self.run().len() - 1,
        };
        let position = self.approach_end(from, index);
        let (entry, next) = self.run().at(position).expect("a chunk is never empty");
        let gone = listpack_entry_bytes(entry);
        show(entry);
        self.listpack_bytes -= gone;
        let (gap, len) = (self.gap as usize, self.run().len() - 1);
        match from {
            Direction::Forward => {
                self.set_header(gap + (next - position), len);
                if self.gap as usize > self.bytes.len() / 2 {
                    self.close_gap();
                }
                match self.mark.0.checked_sub(1) {
                    Some(index) => self.mark = (index, self.mark.1 - (next - position) as u32),
                    None => self.reset_mark(),
                }
            }
            Direction::Backward => {
                self.bytes.truncate(gap + position);
                self.set_header(gap, len);
            }
        }
        self.give_back();
    }

    fn approach_end(&mut self, from: Direction, index: usize) -> usize {
        match from {
            Direction::Forward => self.run().start(),
            Direction::Backward => self.approach(index),
        }
    }

    /// Removes these elements.
    pub fn remove(&mut self, range: Range<usize>) {
        if range.len() == self.run().len() {
            (self.bytes, self.gap) = (Vec::new(), 0);
            self.listpack_bytes = LISTPACK_BYTES;
            self.reset_mark();
            return;
        }
        let position = self.position(range.start);
        let gone = self.run().iter_from(position).take(range.len());
        self.listpack_bytes -= gone.map(listpack_entry_bytes).sum::<usize>();
        Editor::new(self.close_gap()).remove(position, range.len());
        if range.start < self.mark.0 as usize {
            self.reset_mark();
        }
        self.give_back();
    }

    /// Takes the elements from an index on into a chunk of their own.
    pub fn split_off(&mut self, index: usize) -> Box<Chunk> {
        let mut bytes = Vec::new();
        let count = self.run().len() - index;
        let position = self.position(index);
        Editor::new(&mut bytes).set_len(count);
        bytes.extend_from_slice(&self.close_gap()[position..]);
        self.remove(index..index + count);
        Chunk::from_run(bytes)
    }

    /// Removes up to `max` elements equal to one, the first or the last; returns how many.
    pub fn remove_equal(&mut self, element: Entry<'_>, max: usize, from: Direction) -> usize {
        let count = remove_equal(self.close_gap(), element, max, from);
        if count > 0 {
            self.listpack_bytes -= count * listpack_entry_bytes(element);
            self.reset_mark();
            self.give_back();
        }
        count
    }

    /// Gives unused room at the end back: all when nothing more is expected there.
    pub fn close(&mut self) {
        self.close_gap().shrink_to_fit();
    }

    fn give_back(&mut self) {
        if self.bytes.capacity() > SHRINK_BYTES_MIN && self.bytes.len() < self.bytes.capacity() / 4
        {
            self.bytes.shrink_to(self.bytes.len() * 2);
        }
    }

    /// Counts again; returns the number of elements.
    #[cfg(test)]
    pub fn check(&self) -> usize {
        assert_eq!(self.listpack_bytes, listpack_bytes(self.run()));
        let (index, position) = (self.mark.0 as usize, self.mark.1 as usize);
        assert!(index <= self.run().len());
        assert_eq!(self.run().seek(index), position);
        assert_eq!(self.run().iter().count(), self.run().len());
        self.run().len()
    }
}

/// Removes up to `max` entries of a run equal to one, the first or the last; returns how many. All in one pass.
pub fn remove_equal(bytes: &mut Vec<u8>, element: Entry<'_>, max: usize, from: Direction) -> usize {
    let run = Run::new(bytes);
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut position = run.start();
    while let Some((entry, next)) = run.at(position) {
        if entry == element {
            found.push(position..next);
            if from == Direction::Forward && found.len() == max {
                break;
            }
        }
        position = next;
    }
    let gone = match from {
        Direction::Forward => &found[..],
        Direction::Backward => &found[found.len().saturating_sub(max)..],
    };
    let Some(first) = gone.first() else {
        return 0;
    };
    let (mut to, end) = (first.start, bytes.len());
    for (index, range) in gone.iter().enumerate() {
        let kept_end = gone.get(index + 1).map_or(end, |next| next.start);
        bytes.copy_within(range.end..kept_end, to);
        to += kept_end - range.end;
    }
    bytes.truncate(to);
    let len = Run::new(bytes).len() - gone.len();
    Editor::new(bytes).set_len(len);
    gone.len()
}

impl Leaf for Chunk {
    type Key = ();

    #[inline]
    fn count(&self) -> usize {
        self.run().len()
    }

    fn key(&self) {}

    #[inline]
    fn heap_bytes(&self) -> usize {
        allocated_bytes(self.bytes.capacity())
    }

    /// Chunks are never joined, as Redis does not: whether a list is one chunk decides its encoding.
    fn is_small(&self) -> bool {
        false
    }

    fn absorb(&mut self, _: &mut Chunk) -> bool {
        false
    }
}
