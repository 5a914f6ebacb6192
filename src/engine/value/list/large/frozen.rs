//! What a warm restart keeps of a large list: the runs of its chunks, from the head.

use super::{At, Chunk, Grow, LargeList};
use crate::engine::frozen::{In, Out};
use std::io;

impl LargeList {
    /// Writes it.
    pub(in crate::engine) fn freeze(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.bytes(&[u8::from(self.is_quicklist)])?;
        let mut at = 0;
        while let Some((chunk, _)) = self.chunks.leaf_at(at) {
            out.text(chunk.run_bytes())?;
            at += chunk.run().len();
        }
        out.count(0)
    }

    /// See [`LargeList::freeze`].
    pub(in crate::engine) fn thaw(input: &mut In<'_>) -> Result<LargeList, String> {
        let mut list = LargeList::new(Vec::new());
        list.is_quicklist = input.byte()? != 0;
        loop {
            let run = input.text()?;
            if run.is_empty() {
                return Ok(list);
            }
            let chunk = Chunk::from_run(run);
            if chunk.run().is_empty() {
                return Err("a piece of a list is empty".into());
            }
            match list.len().checked_sub(1) {
                None => list.chunks.push_first(chunk),
                Some(last) => list
                    .chunks
                    .change(At(last), |_, _| ((), Grow::After(chunk))),
            }
        }
    }
}
