//! What a warm restart keeps of a sorted set's records: the chunks as they are, freed slots included.
//!
//! ```text
//! chunks: slot bytes (0: the chunk is gone), used u16, free u16, previous u32, next u32, bytes | classes: open u32, free | vacant: u32 each
//! ```

use super::{Chunk, Class, Members, Reference, allocated_bytes, split};
use crate::engine::frozen::{In, Out};
use std::io;

impl Members {
    /// Writes them.
    pub fn freeze(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.count(self.chunks.len() as u64)?;
        for chunk in &self.chunks {
            out.count(u64::from(chunk.slot_bytes))?;
            out.bytes(&chunk.used.to_le_bytes())?;
            out.bytes(&chunk.free.to_le_bytes())?;
            out.u32(chunk.previous)?;
            out.u32(chunk.next)?;
            out.text(&chunk.bytes)?;
        }
        out.count(self.classes.len() as u64)?;
        for class in &self.classes {
            out.u32(class.open)?;
            out.count(class.free as u64)?;
        }
        out.count(self.vacant.len() as u64)?;
        self.vacant.iter().try_for_each(|number| out.u32(*number))
    }

    /// See [`Members::freeze`].
    pub fn thaw(input: &mut In<'_>) -> Result<Members, String> {
        let mut members = Members::default();
        for _ in 0..input.count()? {
            let chunk = Chunk {
                slot_bytes: input.count()? as u32,
                used: u16::from_le_bytes(input.array()?),
                free: u16::from_le_bytes(input.array()?),
                previous: input.u32()?,
                next: input.u32()?,
                bytes: input.text()?,
            };
            members.bytes += allocated_bytes(chunk.bytes.capacity());
            members.chunks.push(chunk);
        }
        for _ in 0..input.count()? {
            let (open, free) = (input.u32()?, input.count()? as usize);
            members.classes.push(Class { open, free });
        }
        for _ in 0..input.count()? {
            members.vacant.push(input.u32()?);
        }
        Ok(members)
    }

    /// Whether a reference is that of some record.
    pub fn has(&self, reference: Reference) -> bool {
        let (chunk, slot) = split(reference);
        let chunk = self.chunks.get(chunk);
        chunk.is_some_and(|chunk| {
            chunk.slot_bytes > 0 && (slot + 1) * chunk.slot_bytes as usize <= chunk.bytes.len()
        })
    }
}
