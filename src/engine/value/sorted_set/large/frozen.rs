//! What a warm restart keeps of a large sorted set: the chunks of its records, its table as references with bits of their hashes, and the leaves of its order.
//! So no member is hashed or compared.

use super::{At, Grow, LargeSortedSet, Members, OrderLeaf};
use crate::engine::frozen::{BUCKETS_MAX, In, Out, bits_of, hash_of_bits};
use crate::engine::value::ElementHasher;
use crate::engine::value::counted_tree::Tree;
use crate::engine::value::table::Table;
use std::io;

impl LargeSortedSet {
    /// Writes it.
    pub(in crate::engine) fn freeze(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.bytes(&[u8::from(self.is_skiplist)])?;
        self.members.freeze(out)?;
        self.table.freeze(out, |out, reference, buckets| {
            if buckets > BUCKETS_MAX {
                let text = "a table of members is longer than it should be";
                return Err(io::Error::other(text));
            }
            let hash = self.hasher.hash(self.members.bytes(*reference));
            out.u32(*reference)?;
            out.bytes(&bits_of(hash).to_le_bytes())
        })?;
        let mut at = 0;
        while let Some((leaf, _)) = self.order.leaf_at(at) {
            leaf.freeze(out)?;
            at += leaf.members().len();
        }
        out.count(0)
    }

    /// See [`LargeSortedSet::freeze`].
    pub(in crate::engine) fn thaw(
        input: &mut In<'_>,
        hasher: &ElementHasher,
    ) -> Result<LargeSortedSet, String> {
        let is_skiplist = input.byte()? != 0;
        let members = Members::thaw(input)?;
        let table = Table::thaw(input, |input| {
            let reference = input.u32()?;
            if !members.has(reference) {
                return Err("a member of a sorted set is nowhere".into());
            }
            let bits = u16::from_le_bytes(input.array()?);
            Ok((reference, hash_of_bits(bits)))
        })?;
        let mut order: Tree<OrderLeaf> = Tree::new();
        while let Some(leaf) = OrderLeaf::thaw(input, &members)? {
            match order.len().checked_sub(1) {
                None => order.push_first(leaf),
                Some(last) => order.change(At(last), |_, _| ((), Grow::After(leaf))),
            }
        }
        match table.len() == order.len() {
            true => Ok(LargeSortedSet {
                members,
                table,
                order,
                hasher: hasher.clone(),
                is_skiplist,
            }),
            false => Err("the order of a sorted set is not that of its members".into()),
        }
    }
}
