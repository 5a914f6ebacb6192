//! A first-in-first-out queue of item references, four bytes each, that survives deletions without looking for them.
//!
//! References lie in chunks, so that growing copies no entry and shrinking gives memory back. A deleted or moved item leaves its
//! entry behind, stale. An entry is current when its item says so: the item keeps a tag, made of the entry's position, and an entry whose position
//! gives another tag is stale. Tags are short and can agree by chance (one in [`TAGS`]); the item then leaves the queue a
//! little early and its true entry becomes the stale one. So nothing depends on the tags being exact, and the count of current entries is exact.
//!
//! When more than half of the entries are stale the queue is compacted, a few entries at every operation: current entries go over to a second
//! ring, which is older than all that is still in the first.

use crate::engine::frozen::{In, Out};
use std::collections::VecDeque;
use std::io;

/// Entries of a chunk: 4 KiB.
const CHUNK: usize = 1024;
/// Neighbours that share a tag: an item deleted and re-inserted within so many insertions may be taken for its older entry.
const TAG_SHIFT: u32 = 6;
/// Different tags.
pub const TAGS: u32 = 1 << 10;
/// Entries below which compaction is not worth it.
const COMPACT_ENTRIES_MIN: usize = 256;

#[derive(Debug, Default)]
struct Ring {
    chunks: VecDeque<Box<[u32; CHUNK]>>,
    /// An emptied chunk, kept so that a queue at a chunk's edge does not allocate and free all the time.
    spare: Option<Box<[u32; CHUNK]>>,
    /// Position of the first entry.
    head: u64,
    /// Position of the next entry.
    tail: u64,
}

impl Ring {
    fn len(&self) -> usize {
        (self.tail - self.head) as usize
    }

    fn push(&mut self, reference: u32) -> u64 {
        let position = self.tail;
        let offset = position as usize % CHUNK;
        if offset == 0 || self.chunks.is_empty() {
            let chunk = self.spare.take().unwrap_or_else(|| Box::new([0; CHUNK]));
            self.chunks.push_back(chunk);
        }
        let last = self.chunks.len() - 1;
        self.chunks[last][offset] = reference;
        self.tail += 1;
        position
    }

    fn pop(&mut self) -> Option<(u32, u64)> {
        if self.head == self.tail {
            return None;
        }
        let position = self.head;
        let reference = self.chunks[0][position as usize % CHUNK];
        self.head += 1;
        if (self.head as usize).is_multiple_of(CHUNK) || self.head == self.tail {
            // An empty ring begins its next chunk at its first entry, so the position moves on to a chunk's edge.
            self.spare = self.chunks.pop_front();
            if self.head == self.tail {
                self.head = self.head.next_multiple_of(CHUNK as u64);
                self.tail = self.head;
            }
        }
        Some((reference, position))
    }

    fn bytes(&self) -> usize {
        let chunks = self.chunks.len() + usize::from(self.spare.is_some());
        chunks * size_of::<[u32; CHUNK]>() + self.chunks.capacity() * size_of::<Box<[u32; CHUNK]>>()
    }

    /// Drops one chunk; false when there is none left.
    fn free_chunk(&mut self) -> bool {
        self.spare.take().is_some() || self.chunks.pop_back().is_some()
    }
}

fn tag(position: u64) -> u32 {
    (position >> TAG_SHIFT) as u32 % TAGS
}

/// See the module.
#[derive(Debug, Default)]
pub struct Queue {
    /// The older entries, while compacting.
    old: Ring,
    ring: Ring,
    compacting: bool,
    /// Current entries.
    live: usize,
}

impl Queue {
    /// Appends an item; the tag is for it to keep.
    pub fn push(&mut self, reference: u32) -> u32 {
        self.live += 1;
        tag(self.ring.push(reference))
    }

    /// Takes the oldest entry out, with its tag. The caller says with [`Queue::forget`] when it was current.
    pub fn pop(&mut self) -> Option<(u32, u32)> {
        let (reference, position) = self.old.pop().or_else(|| self.ring.pop())?;
        Some((reference, tag(position)))
    }

    /// An item that was current is no longer: it was popped, deleted or moved.
    pub fn forget(&mut self) {
        self.live = self
            .live
            .checked_sub(1)
            .expect("every current item was pushed once");
    }

    /// Current entries.
    pub fn live(&self) -> usize {
        self.live
    }

    /// All entries, stale ones included.
    pub fn entries(&self) -> usize {
        self.old.len() + self.ring.len()
    }

    /// Whether [`Queue::compact`] has something to do: it is under way, or most entries are stale.
    pub fn wants_compaction(&self) -> bool {
        self.compacting || self.entries() > 2 * self.live && self.entries() >= COMPACT_ENTRIES_MIN
    }

    /// Compacts a few entries if there are too many stale ones. `is_current` tells whether the entry with this tag is its item's,
    /// `retag` gives the item its new tag. Returns whether there is more to do.
    pub fn compact(
        &mut self,
        entries_max: usize,
        mut keep: impl FnMut(u32, u32, &mut dyn FnMut() -> u32),
    ) -> bool {
        if !self.compacting {
            if !self.wants_compaction() {
                return false;
            }
            self.compacting = true;
            // Tags half a circle away from those in use, so that an item's two entries are not taken for each other.
            self.old.head =
                self.ring.tail.next_multiple_of(CHUNK as u64) + (u64::from(TAGS) << TAG_SHIFT) / 2;
            self.old.tail = self.old.head;
        }
        for _ in 0..entries_max {
            let Some((reference, position)) = self.ring.pop() else {
                std::mem::swap(&mut self.old, &mut self.ring);
                self.compacting = false;
                return false;
            };
            let old = &mut self.old;
            keep(reference, tag(position), &mut || tag(old.push(reference)));
        }
        true
    }

    /// Writes the entries from the oldest on, with the position of the first, which tags are made of. It must not be compacting.
    pub fn freeze(&self, out: &mut Out<'_>) -> io::Result<()> {
        assert!(!self.compacting && self.old.len() == 0);
        out.count(self.live as u64)?;
        out.u64(self.ring.head)?;
        out.count(self.ring.len() as u64)?;
        let first = self.ring.head as usize % CHUNK;
        let entries = self.ring.chunks.iter().flat_map(|chunk| chunk.iter());
        for entry in entries.skip(first).take(self.ring.len()) {
            out.u32(*entry)?;
        }
        Ok(())
    }

    /// Reads that of at most so many items.
    pub fn thaw(input: &mut In<'_>, items: usize) -> Result<Queue, String> {
        let mut queue = Queue {
            live: input.count()? as usize,
            ..Queue::default()
        };
        let ring = &mut queue.ring;
        ring.head = input.u64()?;
        let len = input.count()? as usize;
        if queue.live > items || len < queue.live || ring.head > u64::MAX / 2 {
            return Err("a queue of the eviction policy contradicts itself".into());
        }
        ring.tail = ring.head;
        for _ in 0..len {
            ring.push(input.u32()?);
        }
        Ok(queue)
    }

    /// Bytes on the heap.
    pub fn bytes(&self) -> usize {
        self.old.bytes() + self.ring.bytes()
    }

    /// Drops one chunk of a queue that is no longer used; false when there is none left.
    pub fn free_chunk(&mut self) -> bool {
        self.old.free_chunk() || self.ring.free_chunk()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_come_back_in_order_across_chunks_and_memory_follows_the_length() {
        let mut queue = Queue::default();
        for round in 0..3 {
            for number in 0..10_000u32 {
                queue.push(number);
            }
            assert!(queue.bytes() < 10_000 * 4 + 4 * 4096);
            for number in 0..10_000 {
                assert_eq!(
                    queue.pop().map(|(reference, _)| reference),
                    Some(number),
                    "round {round}"
                );
                queue.forget();
            }
            assert!(queue.pop().is_none());
            assert!(queue.bytes() <= 4096 + 1024);
        }
    }

    #[test]
    fn compaction_keeps_order_and_drops_stale_entries_while_pushes_go_on() {
        let mut queue = Queue::default();
        let mut tags = vec![0; 30_000];
        for number in 0..20_000u32 {
            tags[number as usize] = queue.push(number);
        }
        // All but every tenth are deleted.
        let deleted = |number: u32| number < 20_000 && !number.is_multiple_of(10);
        for _ in (0..20_000).filter(|&number| deleted(number)) {
            queue.forget();
        }
        let mut next = 20_000u32;
        loop {
            tags[next as usize] = queue.push(next);
            next += 1;
            let more = queue.compact(4, |reference, tag, push| {
                if !deleted(reference) && tags[reference as usize] == tag {
                    tags[reference as usize] = push();
                }
            });
            if !more {
                break;
            }
        }
        assert_eq!(queue.entries(), queue.live());
        let mut expected = (0..20_000)
            .filter(|number| number % 10 == 0)
            .chain(20_000..next);
        while let Some((reference, tag)) = queue.pop() {
            assert_eq!(Some(reference), expected.next());
            assert_eq!(tags[reference as usize], tag);
            queue.forget();
        }
        assert_eq!((expected.next(), queue.live()), (None, 0));
    }
}
