//! What a warm restart keeps of a dictionary: its tables in the order of positions, each as references with those bits of their hashes that decide where in the table they are.
//!
//! ```text
//! has segments u8 | for each of 256: depth u8, tables: depth u8, length u16, references u32 each, bits u16 each
//! ```
//! A table's depth says how many handles of the directory select it, so the directory need not be kept.

use super::{DEPTH_MAX, Dictionary, ENTRIES_MAX, SEGMENT_BITS, Segment, Table};
use crate::engine::frozen::{BUCKETS_MAX, In, Out, bits_of, hash_of_bits};
use crate::engine::size_class::{GRANULE_BYTES, PAGE_BYTES};
use hashbrown::HashTable;
use std::io;

const _: () = assert!(BUCKETS_MAX / 8 * 7 == ENTRIES_MAX);

impl Dictionary {
    /// Writes the entries. Their items are read once, those of a table side by side.
    pub fn freeze(
        &self,
        out: &mut Out<'_>,
        prefetch: impl Fn(u32),
        hash_of: impl Fn(u32) -> u64,
    ) -> io::Result<()> {
        out.bytes(&[u8::from(!self.segments.is_empty())])?;
        let mut bytes = Vec::new();
        for segment in &self.segments {
            out.bytes(&[segment.depth])?;
            let mut handle = 0;
            while handle < segment.directory.len() {
                let Table { entries, depth } = &segment.tables[segment.directory[handle] as usize];
                handle += 1 << (segment.depth - depth);
                if entries.len() > ENTRIES_MAX || entries.num_buckets() > BUCKETS_MAX {
                    return Err(io::Error::other(
                        "a table of keys is longer than it should be",
                    ));
                }
                entries.iter().for_each(|&reference| prefetch(reference));
                bytes.clear();
                bytes.push(*depth);
                bytes.extend_from_slice(&(entries.len() as u16).to_le_bytes());
                entries
                    .iter()
                    .for_each(|reference| bytes.extend_from_slice(&reference.to_le_bytes()));
                for &reference in entries {
                    bytes.extend_from_slice(&bits_of(hash_of(reference)).to_le_bytes());
                }
                out.bytes(&bytes)?;
            }
        }
        Ok(())
    }

    /// Reads entries that refer to an arena of so many pages.
    pub fn thaw(input: &mut In<'_>, pages: u32) -> Result<Dictionary, String> {
        let mut dictionary = Dictionary::default();
        if input.byte()? == 0 {
            return Ok(dictionary);
        }
        let reference_end = u64::from(pages) * (PAGE_BYTES / GRANULE_BYTES) as u64;
        let mut bytes = vec![0; ENTRIES_MAX * 6];
        for _ in 0..1 << SEGMENT_BITS {
            let depth = input.byte()?;
            if depth > DEPTH_MAX {
                return Err("a directory of keys is deeper than any".into());
            }
            let mut segment = Segment {
                directory: Vec::with_capacity(1 << depth),
                depth,
                tables: Vec::new(),
                spare: Vec::new(),
                bucket_bytes: 0,
            };
            while segment.directory.len() < 1 << depth {
                let table = thaw_table(input, &mut bytes, depth, reference_end)?;
                let handles = 1usize << (depth - table.depth);
                let start = segment.directory.len();
                if !start.is_multiple_of(handles) {
                    return Err("a directory of keys contradicts itself".into());
                }
                let place = segment.tables.len() as u32;
                segment.directory.resize(start + handles, place);
                segment.bucket_bytes += table.entries.allocation_size();
                dictionary.len += table.entries.len();
                segment.tables.push(table);
            }
            segment.tables.shrink_to_fit();
            dictionary.segments.push(segment);
        }
        dictionary.bytes = dictionary.segments.capacity() * size_of::<Segment>()
            + dictionary
                .segments
                .iter()
                .map(Segment::bytes)
                .sum::<usize>();
        Ok(dictionary)
    }
}

fn thaw_table(
    input: &mut In<'_>,
    bytes: &mut [u8],
    depth_of_segment: u8,
    reference_end: u64,
) -> Result<Table, String> {
    let [depth, low, high] = input.array()?;
    let len = usize::from(u16::from_le_bytes([low, high]));
    if depth > depth_of_segment || len > ENTRIES_MAX {
        return Err("a table of keys is none".into());
    }
    let bytes = &mut bytes[..len * 6];
    input.fill(bytes)?;
    let (references, bits) = bytes.split_at(len * 4);
    let mut entries = HashTable::with_capacity(len);
    for (reference, bits) in references.chunks_exact(4).zip(bits.chunks_exact(2)) {
        let reference = u32::from_le_bytes(reference.try_into().expect("four bytes"));
        let bits = u16::from_le_bytes(bits.try_into().expect("two bytes"));
        if u64::from(reference) >= reference_end {
            return Err("a key refers to a page that is not there".into());
        }
        entries.insert_unique(hash_of_bits(bits), reference, |_| {
            unreachable!("the capacity was counted")
        });
    }
    Ok(Table { entries, depth })
}
