//! Records of one form under small numbers, in chunks that are allocated and given back one by one.
//!
//! It never moves a record, so that growing costs one chunk at any size, and an empty one takes no memory.
//! The decision worth knowing: free places hold the default record and are listed apart, so that a record takes its own bytes and no more.

/// Records of a chunk: as many as a byte tells apart.
const CHUNK_RECORDS: usize = 1 << u8::BITS;

#[derive(Debug)]
struct Chunk<T> {
    records: Box<[T]>,
    /// Places without a record.
    free: Vec<u8>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Slab<T> {
    /// None: the chunk was given back, and its number is in `vacant`.
    chunks: Vec<Option<Chunk<T>>>,
    vacant: Vec<u32>,
    /// Chunks with room; some may have none any more, or be gone.
    roomy: Vec<u32>,
    len: usize,
    allocated: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Slab<T> {
        Slab {
            chunks: Vec::new(),
            vacant: Vec::new(),
            roomy: Vec::new(),
            len: 0,
            allocated: 0,
        }
    }
}

/// The chunk and the place in it of a number.
fn place(number: u32) -> (usize, usize) {
    let number = number as usize;
    (number / CHUNK_RECORDS, number % CHUNK_RECORDS)
}

impl<T: Default> Slab<T> {
    /// How many records there are.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Bytes allocated.
    #[inline]
    pub(super) fn bytes(&self) -> usize {
        let lists = self.vacant.capacity() + self.roomy.capacity();
        self.allocated * CHUNK_RECORDS * (size_of::<T>() + 1)
            + self.chunks.capacity() * size_of::<Option<Chunk<T>>>()
            + lists * size_of::<u32>()
    }

    /// The record of a number that is in use.
    #[inline]
    pub(super) fn get(&self, number: u32) -> &T {
        let (chunk, at) = place(number);
        &self.chunks[chunk]
            .as_ref()
            .expect("a record in use")
            .records[at]
    }

    /// See [`Slab::get`].
    #[inline]
    pub(super) fn get_mut(&mut self, number: u32) -> &mut T {
        let (chunk, at) = place(number);
        &mut self.chunks[chunk]
            .as_mut()
            .expect("a record in use")
            .records[at]
    }

    /// Stores a record; its number from now on.
    pub(super) fn insert(&mut self, record: T) -> u32 {
        let number = self.chunk_with_room();
        let chunk = self.chunks[number as usize].as_mut();
        let chunk = chunk.expect("a chunk with room is there");
        let at = chunk.free.pop().expect("it has room");
        chunk.records[usize::from(at)] = record;
        self.len += 1;
        number * CHUNK_RECORDS as u32 + u32::from(at)
    }

    /// A chunk with room, which stays in the list of those that have.
    fn chunk_with_room(&mut self) -> u32 {
        while let Some(&number) = self.roomy.last() {
            let chunk = self.chunks[number as usize].as_ref();
            if chunk.is_some_and(|chunk| !chunk.free.is_empty()) {
                return number;
            }
            self.roomy.pop();
        }
        let chunk = Chunk {
            records: (0..CHUNK_RECORDS).map(|_| T::default()).collect(),
            free: (0..=u8::MAX).rev().collect(),
        };
        let number = self.vacant.pop().unwrap_or(self.chunks.len() as u32);
        if number as usize == self.chunks.len() {
            self.chunks.push(None);
        }
        self.chunks[number as usize] = Some(chunk);
        self.allocated += 1;
        self.roomy.push(number);
        number
    }

    /// Takes a record out; its number is free.
    pub(super) fn remove(&mut self, number: u32) -> T {
        let (place_of_chunk, at) = place(number);
        let slot = &mut self.chunks[place_of_chunk];
        let chunk = slot.as_mut().expect("a record in use");
        let record = std::mem::take(&mut chunk.records[at]);
        chunk.free.push(at as u8);
        self.len -= 1;
        if chunk.free.len() == CHUNK_RECORDS {
            *slot = None;
            self.allocated -= 1;
            self.vacant.push(place_of_chunk as u32);
        } else if chunk.free.len() == 1 {
            self.roomy.push(place_of_chunk as u32);
        }
        if self.len == 0 {
            *self = Slab::default();
        }
        record
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::random::Random;
    use std::collections::BTreeMap;

    #[test]
    fn records_keep_their_numbers_and_the_memory_comes_back() {
        for seed in 0..20 {
            println!("seed {seed}");
            let mut random = Random::new(seed);
            let (mut slab, mut model) = (Slab::<u64>::default(), BTreeMap::new());
            for step in 0..30_000u64 {
                // It grows for some time and shrinks for some time.
                let grows = step / 5000 % 2 == 0;
                if random.below(10) < if grows { 7 } else { 3 } {
                    let number = slab.insert(step);
                    assert_eq!(model.insert(number, step), None, "it was free");
                } else if let Some((&number, &record)) =
                    model.range(random.below(4000) as u32..).next()
                {
                    assert_eq!(slab.remove(number), record);
                    model.remove(&number);
                }
                assert_eq!(slab.len(), model.len());
            }
            for (&number, record) in &model {
                assert_eq!(slab.get(number), record);
                *slab.get_mut(number) += 1;
            }
            assert!(slab.roomy.len() <= slab.chunks.len() * 2, "{slab:?}");
            for (number, record) in model {
                assert_eq!(slab.remove(number), record + 1);
            }
            assert_eq!((slab.len(), slab.bytes()), (0, 0));
        }
    }
}
