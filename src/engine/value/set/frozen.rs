//! What a warm restart keeps of a large set: an integer is a zero and eight bytes, other bytes come behind their length and one.

use super::{Encoding, LargeSet, Member, hash_entry};
use crate::engine::frozen::{In, Out};
use crate::engine::value::ElementHasher;
use crate::engine::value::table::Table;
use std::io;

const ENCODINGS: [Encoding; 3] = [Encoding::Intset, Encoding::Listpack, Encoding::Hashtable];

impl LargeSet {
    /// Writes it.
    pub(in crate::engine) fn freeze(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.bytes(&[self.encoding as u8])?;
        self.table.freeze(out, |out, member, _| match member {
            Member::Integer(integer) => {
                out.count(0)?;
                out.i64(*integer)
            }
            Member::Bytes(bytes) => {
                out.count(bytes.len() as u64 + 1)?;
                out.bytes(bytes)
            }
        })
    }

    /// See [`LargeSet::freeze`].
    pub(in crate::engine) fn thaw(
        input: &mut In<'_>,
        hasher: &ElementHasher,
    ) -> Result<LargeSet, String> {
        let encoding = ENCODINGS.get(usize::from(input.byte()?));
        let encoding = *encoding.ok_or("a set is in no form")?;
        let mut member_bytes = 0;
        let table = Table::thaw(input, |input| {
            let member = match input.count()? {
                0 => Member::Integer(input.i64()?),
                more => Member::Bytes(input.bytes(more as usize - 1)?.into()),
            };
            member_bytes += member.heap_bytes();
            let hash = hash_entry(hasher, member.entry());
            Ok((member, hash))
        })?;
        Ok(LargeSet {
            table,
            hasher: hasher.clone(),
            encoding,
            member_bytes,
        })
    }
}
