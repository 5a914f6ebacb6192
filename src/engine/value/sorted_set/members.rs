//! Where the large form of a sorted set keeps its members: each once, as a record of score and bytes that 32 bits refer to.
//!
//! ```text
//! record: score (8) | length (1, or 255 and 4 more) | bytes        reference: chunk (23 bits) | slot (9 bits)
//! ```
//!
//! It knows neither their order nor how they are found. The one decision worth knowing: a chunk has slots of one size only, so that it can
//! be emptied into others of its size once half of its slots are free. What a set gives up by shrinking is given back, whatever is left of it.

mod frozen;

use crate::engine::value::allocated_bytes;

/// Bytes of a chunk with all its slots.
const CHUNK_BYTES_MAX: usize = 8 * 1024;
const SLOT_BITS: u32 = 9;
const SLOTS_MAX: usize = 1 << SLOT_BITS;
/// A record longer than this has a chunk of its own, which goes with it.
const SHARED_BYTES_MAX: usize = CHUNK_BYTES_MAX / 4;
/// A new chunk begins with at least this many slots and then grows by a quarter.
const SLOTS_FIRST: usize = 4;
/// Slots are of steps of four bytes up to this, then an eighth apart.
const FINE_BYTES_MAX: usize = 128;
const SCORE_BYTES: usize = 8;
/// A length byte that says that four more follow.
const LONG: u8 = 255;
/// No chunk.
const NO_CHUNK: u32 = u32::MAX;
/// No slot.
const NO_SLOT: u16 = u16::MAX;

/// A member of a sorted set.
pub type Reference = u32;

#[derive(Debug)]
struct Chunk {
    /// Grown to the slots that were ever in use.
    bytes: Vec<u8>,
    slot_bytes: u32,
    used: u16,
    /// The first of the freed slots, each of which begins with the number of the next.
    free: u16,
    /// Neighbours among the chunks of this size that have room, if it has.
    previous: u32,
    next: u32,
}

/// Chunks of one size of slots.
#[derive(Debug, Clone, Copy)]
struct Class {
    /// The first chunk with room.
    open: u32,
    /// Freed slots of all its chunks.
    free: usize,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Members {
    chunks: Vec<Chunk>,
    classes: Vec<Class>,
    /// Numbers of chunks that are gone.
    vacant: Vec<u32>,
    bytes: usize,
}

impl Chunk {
    fn slots(&self) -> usize {
        self.bytes.len() / self.slot_bytes as usize
    }

    fn slots_max(&self) -> usize {
        slots_max(self.slot_bytes as usize)
    }

    fn has_room(&self) -> bool {
        self.free != NO_SLOT || self.slots() < self.slots_max()
    }

    fn slot(&self, slot: usize) -> &[u8] {
        &self.bytes[slot * self.slot_bytes as usize..][..self.slot_bytes as usize]
    }

    fn slot_mut(&mut self, slot: usize) -> &mut [u8] {
        &mut self.bytes[slot * self.slot_bytes as usize..][..self.slot_bytes as usize]
    }
}

fn slots_max(slot_bytes: usize) -> usize {
    (CHUNK_BYTES_MAX / slot_bytes).clamp(1, SLOTS_MAX)
}

/// The class of records of this length, and the bytes of its slots.
fn class_of(bytes: usize) -> (usize, usize) {
    if bytes <= FINE_BYTES_MAX {
        let class = bytes.div_ceil(4);
        return (class, 4 * class);
    }
    // Between two powers of two, the larger one included, there are eight classes.
    let octave = (bytes - 1).ilog2();
    let step = 1 << (octave - 3);
    let eighth = (bytes - 1 - (1 << octave)) / step;
    let class = FINE_BYTES_MAX / 4 + 1 + 8 * (octave as usize - 7) + eighth;
    (class, (1 << octave) + (eighth + 1) * step)
}

fn record_bytes(member: &[u8]) -> usize {
    SCORE_BYTES + member.len() + if member.len() < LONG as usize { 1 } else { 5 }
}

fn split(reference: Reference) -> (usize, usize) {
    (
        (reference >> SLOT_BITS) as usize,
        reference as usize & (SLOTS_MAX - 1),
    )
}

impl Members {
    /// Bytes allocated.
    #[inline]
    pub fn heap_bytes(&self) -> usize {
        self.bytes
            + allocated_bytes(self.chunks.capacity() * size_of::<Chunk>())
            + allocated_bytes(self.classes.capacity() * size_of::<Class>())
            + allocated_bytes(self.vacant.capacity() * size_of::<u32>())
    }

    /// The score of a member.
    #[inline]
    pub fn score(&self, reference: Reference) -> f64 {
        let (chunk, slot) = split(reference);
        let record = self.chunks[chunk].slot(slot);
        f64::from_le_bytes(record[..SCORE_BYTES].try_into().expect("eight bytes"))
    }

    /// Gives a member another score.
    #[inline]
    pub fn set_score(&mut self, reference: Reference, score: f64) {
        let (chunk, slot) = split(reference);
        self.chunks[chunk].slot_mut(slot)[..SCORE_BYTES].copy_from_slice(&score.to_le_bytes());
    }

    /// The bytes of a member.
    #[inline]
    pub fn bytes(&self, reference: Reference) -> &[u8] {
        let (chunk, slot) = split(reference);
        let rest = &self.chunks[chunk].slot(slot)[SCORE_BYTES..];
        match rest[0] {
            LONG => {
                let len = u32::from_le_bytes([rest[1], rest[2], rest[3], rest[4]]);
                &rest[5..5 + len as usize]
            }
            len => &rest[1..1 + usize::from(len)],
        }
    }

    /// Stores a member.
    pub fn insert(&mut self, score: f64, member: &[u8]) -> Reference {
        let bytes = record_bytes(member);
        let (chunk, slot) = if bytes > SHARED_BYTES_MAX {
            (self.add_chunk(bytes), 0)
        } else {
            let (class, slot_bytes) = class_of(bytes);
            self.take_slot(class, slot_bytes)
        };
        let record = self.chunks[chunk].slot_mut(slot);
        record[..SCORE_BYTES].copy_from_slice(&score.to_le_bytes());
        let rest = &mut record[SCORE_BYTES..];
        if member.len() < LONG as usize {
            rest[0] = member.len() as u8;
            rest[1..1 + member.len()].copy_from_slice(member);
        } else {
            let len = u32::try_from(member.len()).expect("an element is at most 512 MB");
            rest[0] = LONG;
            rest[1..5].copy_from_slice(&len.to_le_bytes());
            rest[5..5 + member.len()].copy_from_slice(member);
        }
        (chunk as u32) << SLOT_BITS | slot as u32
    }

    /// Forgets a member. Returns the chunk it was in if that is now so empty that [`Members::evacuate`] is worth its while.
    pub fn remove(&mut self, reference: Reference) -> Option<usize> {
        let (number, slot) = split(reference);
        let chunk = &mut self.chunks[number];
        chunk.used -= 1;
        if chunk.slot_bytes as usize > SHARED_BYTES_MAX {
            self.drop_chunk(number);
            return None;
        }
        let had_room = chunk.has_room();
        let next = chunk.free;
        chunk.slot_mut(slot)[..2].copy_from_slice(&next.to_le_bytes());
        chunk.free = slot as u16;
        let (used, slots, slots_max) = (usize::from(chunk.used), chunk.slots(), chunk.slots_max());
        let (class, _) = class_of(chunk.slot_bytes as usize);
        self.classes[class].free += 1;
        if !had_room {
            self.open(class, number);
        }
        if used == 0 {
            self.close(class, number);
            self.classes[class].free -= slots;
            self.drop_chunk(number);
            return None;
        }
        (2 * used <= slots_max && self.is_sparse(number)).then_some(number)
    }

    /// Whether a chunk of shared slots is at least half free and its members fit into the freed slots of others.
    pub fn is_sparse(&self, number: usize) -> bool {
        let chunk = &self.chunks[number];
        let used = usize::from(chunk.used);
        if chunk.bytes.is_empty() || used * 2 > chunk.slots_max() {
            return false;
        }
        let (class, _) = class_of(chunk.slot_bytes as usize);
        self.classes[class].free - (chunk.slots() - used) >= used
    }

    /// Takes a sparse chunk out of use, and returns its members. They stay readable where they are until each has been copied by
    /// [`Members::relocate`] and [`Members::vacate`] ends it.
    pub fn evacuate(&mut self, number: usize) -> Vec<Reference> {
        let chunk = &self.chunks[number];
        let slots = chunk.slots();
        let mut is_free = vec![false; slots];
        let mut free = chunk.free;
        while free != NO_SLOT {
            is_free[usize::from(free)] = true;
            let slot = chunk.slot(usize::from(free));
            free = u16::from_le_bytes([slot[0], slot[1]]);
        }
        let (class, _) = class_of(chunk.slot_bytes as usize);
        self.classes[class].free -= slots - usize::from(chunk.used);
        self.close(class, number);
        (0..slots)
            .filter(|slot| !is_free[*slot])
            .map(|slot| (number << SLOT_BITS | slot) as Reference)
            .collect()
    }

    /// Copies a member out of a chunk that is being emptied; returns where it is now.
    pub fn relocate(&mut self, reference: Reference) -> Reference {
        let (number, slot) = split(reference);
        let slot_bytes = self.chunks[number].slot_bytes as usize;
        let (class, _) = class_of(slot_bytes);
        let (to_number, to_slot) = self.take_slot(class, slot_bytes);
        let [from, to] = self
            .chunks
            .get_disjoint_mut([number, to_number])
            .expect("two chunks");
        to.slot_mut(to_slot).copy_from_slice(from.slot(slot));
        (to_number as u32) << SLOT_BITS | to_slot as u32
    }

    /// Frees a chunk that has been emptied.
    pub fn vacate(&mut self, number: usize) {
        self.drop_chunk(number);
    }

    /// Drops up to `count` chunks with all that is in them, without a look at the members; returns how many it did not need.
    pub fn release(&mut self, mut count: usize) -> usize {
        while count > 0 {
            let Some(chunk) = self.chunks.pop() else {
                *self = Members::default();
                break;
            };
            self.bytes -= allocated_bytes(chunk.bytes.capacity());
            count -= 1;
        }
        count
    }

    /// A free slot of a class, as its chunk and number.
    fn take_slot(&mut self, class: usize, slot_bytes: usize) -> (usize, usize) {
        if self.classes.len() <= class {
            let empty = Class {
                open: NO_CHUNK,
                free: 0,
            };
            self.classes.reserve_exact(class + 1 - self.classes.len());
            self.classes.resize(class + 1, empty);
        }
        if self.classes[class].open == NO_CHUNK {
            let number = self.add_chunk(slot_bytes);
            self.chunks[number].bytes.clear();
            self.chunks[number].used = 0;
            self.open(class, number);
        }
        let number = self.classes[class].open as usize;
        let chunk = &mut self.chunks[number];
        chunk.used += 1;
        let slot = if chunk.free != NO_SLOT {
            let slot = usize::from(chunk.free);
            let next = &chunk.slot(slot)[..2];
            chunk.free = u16::from_le_bytes([next[0], next[1]]);
            self.classes[class].free -= 1;
            slot
        } else {
            let slot = chunk.slots();
            let before = chunk.bytes.capacity();
            if chunk.bytes.len() + slot_bytes > before {
                let more = (slot / 4).max(SLOTS_FIRST).min(chunk.slots_max() - slot);
                chunk.bytes.reserve_exact(more * slot_bytes);
                self.bytes += allocated_bytes(chunk.bytes.capacity()) - allocated_bytes(before);
            }
            chunk.bytes.resize(chunk.bytes.len() + slot_bytes, 0);
            slot
        };
        if !self.chunks[number].has_room() {
            self.close(class, number);
        }
        (number, slot)
    }

    /// A chunk with one slot in use.
    fn add_chunk(&mut self, slot_bytes: usize) -> usize {
        let slots = slots_max(slot_bytes).min(SLOTS_FIRST);
        let mut bytes = Vec::with_capacity(slots * slot_bytes);
        bytes.resize(slot_bytes, 0);
        self.bytes += allocated_bytes(bytes.capacity());
        let chunk = Chunk {
            bytes,
            slot_bytes: u32::try_from(slot_bytes).expect("an element is at most 512 MB"),
            used: 1,
            free: NO_SLOT,
            previous: NO_CHUNK,
            next: NO_CHUNK,
        };
        match self.vacant.pop() {
            Some(number) => {
                self.chunks[number as usize] = chunk;
                number as usize
            }
            None => {
                assert!(
                    self.chunks.len() < 1 << (32 - SLOT_BITS),
                    "64 GiB of members in one sorted set"
                );
                self.chunks.push(chunk);
                self.chunks.len() - 1
            }
        }
    }

    fn drop_chunk(&mut self, number: usize) {
        let bytes = std::mem::take(&mut self.chunks[number].bytes);
        self.bytes -= allocated_bytes(bytes.capacity());
        self.vacant.push(number as u32);
    }

    /// Lists a chunk among those of its class that have room.
    fn open(&mut self, class: usize, number: usize) {
        let next = self.classes[class].open;
        if next != NO_CHUNK {
            self.chunks[next as usize].previous = number as u32;
        }
        self.chunks[number].previous = NO_CHUNK;
        self.chunks[number].next = next;
        self.classes[class].open = number as u32;
    }

    /// The opposite.
    fn close(&mut self, class: usize, number: usize) {
        let Chunk { previous, next, .. } = self.chunks[number];
        match previous {
            NO_CHUNK => self.classes[class].open = next,
            previous => self.chunks[previous as usize].next = next,
        }
        if next != NO_CHUNK {
            self.chunks[next as usize].previous = previous;
        }
    }

    /// Counts what is allocated again; returns the bytes.
    #[cfg(test)]
    pub fn check(&self, members: usize) -> usize {
        let bytes: usize = self
            .chunks
            .iter()
            .map(|chunk| allocated_bytes(chunk.bytes.capacity()))
            .sum();
        assert_eq!(bytes, self.bytes);
        let live = |chunk: &&Chunk| !chunk.bytes.is_empty();
        let used: usize = self
            .chunks
            .iter()
            .filter(live)
            .map(|chunk| usize::from(chunk.used))
            .sum();
        assert_eq!(used, members);
        assert_eq!(
            self.chunks.len() - self.chunks.iter().filter(live).count(),
            self.vacant.len()
        );
        for (class, state) in self.classes.iter().enumerate() {
            let mut free = 0;
            for chunk in self.chunks.iter().filter(live) {
                if class_of(chunk.slot_bytes as usize).0 == class
                    && chunk.slot_bytes as usize <= SHARED_BYTES_MAX
                {
                    free += chunk.slots() - usize::from(chunk.used);
                }
            }
            assert_eq!(free, state.free);
            let (mut number, mut open) = (state.open, 0);
            while number != NO_CHUNK {
                assert!(self.chunks[number as usize].has_room());
                number = self.chunks[number as usize].next;
                open += 1;
            }
            let with_room = self.chunks.iter().filter(live).filter(|chunk| {
                class_of(chunk.slot_bytes as usize).0 == class
                    && chunk.slot_bytes as usize <= SHARED_BYTES_MAX
                    && chunk.has_room()
            });
            assert_eq!(open, with_room.count());
        }
        self.heap_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_little_larger_than_what_is_in_them() {
        let mut last = (0, 0);
        for bytes in 9..=SHARED_BYTES_MAX {
            let (class, slot_bytes) = class_of(bytes);
            assert!(slot_bytes >= bytes && slot_bytes <= bytes + 3 + bytes / 8);
            assert_eq!(class_of(slot_bytes), (class, slot_bytes));
            assert!(
                (class, slot_bytes) == last || (class == last.0 + 1 || last.0 == 0),
                "{bytes}"
            );
            last = (class, slot_bytes);
        }
    }

    #[test]
    fn members_of_all_lengths_come_back_and_their_room_is_given_back() {
        let mut members = Members::default();
        let lengths = [0, 1, 15, 16, 253, 254, 255, 256, 4000, 4096, 70_000];
        let bytes: Vec<u8> = (0..70_000).map(|index| index as u8).collect();
        let mut references = Vec::new();
        for round in 0..300 {
            for length in lengths {
                let score = f64::from(round) + 0.5;
                references.push((members.insert(score, &bytes[..length]), score, length));
            }
        }
        members.check(references.len());
        for (reference, score, length) in &references {
            assert_eq!(members.bytes(*reference), &bytes[..*length]);
            assert_eq!(members.score(*reference), *score);
        }
        members.set_score(references[5].0, f64::NEG_INFINITY);
        assert_eq!(members.score(references[5].0), f64::NEG_INFINITY);
        let full = members.heap_bytes();
        let mut left = references.len();
        for (reference, _, _) in references {
            members.remove(reference);
            left -= 1;
            members.check(left);
        }
        assert!(members.heap_bytes() < full / 100);
    }
}
