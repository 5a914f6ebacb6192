//! What a warm restart keeps of a hash table: its tree, small table by small table, so that none is split or filled twice.
//!
//! ```text
//! small table: 0 u8, depth u8, number of entries, entries | node: 1 u8, number of children - 1 u8, directory 256 bytes, children
//! ```

use super::{
    Child, ENTRIES_MAX, LEVELS_MAX, NODE_BITS, Node, Table, allocated_bytes, entries_bytes,
};
use crate::engine::frozen::{In, Out};
use hashbrown::HashTable;
use std::io;

const LEAF: u8 = 0;
const NODE: u8 = 1;

impl<T> Table<T> {
    /// Writes the table; `put` writes an entry, and is told how many buckets its small table has.
    pub fn freeze(
        &self,
        out: &mut Out<'_>,
        mut put: impl FnMut(&mut Out<'_>, &T, usize) -> io::Result<()>,
    ) -> io::Result<()> {
        freeze_child(&self.root, out, &mut put)
    }

    /// See [`Table::freeze`]; `take` reads an entry and tells its hash, or what a small table takes for it.
    pub fn thaw(
        input: &mut In<'_>,
        mut take: impl FnMut(&mut In<'_>) -> Result<(T, u64), String>,
    ) -> Result<Table<T>, String> {
        let mut bytes = 0;
        let root = thaw_child(input, 0, &mut take, &mut bytes)?;
        Ok(Table { root, bytes })
    }
}

fn freeze_child<T>(
    child: &Child<T>,
    out: &mut Out<'_>,
    put: &mut impl FnMut(&mut Out<'_>, &T, usize) -> io::Result<()>,
) -> io::Result<()> {
    match child {
        Child::Leaf { entries, depth } => {
            out.bytes(&[LEAF, *depth])?;
            out.count(entries.len() as u64)?;
            let buckets = entries.num_buckets();
            entries
                .iter()
                .try_for_each(|entry| put(out, entry, buckets))
        }
        Child::Node { node, .. } => {
            out.bytes(&[NODE, (node.children.len() - 1) as u8])?;
            out.bytes(&node.directory)?;
            let mut children = node.children.iter();
            children.try_for_each(|child| freeze_child(child, out, put))
        }
    }
}

fn thaw_child<T>(
    input: &mut In<'_>,
    level: u32,
    take: &mut impl FnMut(&mut In<'_>) -> Result<(T, u64), String>,
    bytes: &mut usize,
) -> Result<Child<T>, String> {
    let [form, detail] = input.array()?;
    if form == LEAF {
        let len = input.count()? as usize;
        // Only at the deepest level is a table longer.
        let room = len.min(ENTRIES_MAX);
        let mut entries = HashTable::with_capacity(room);
        for number in 0..len {
            let (entry, hash) = take(input)?;
            if number >= room || u32::from(detail) > NODE_BITS {
                return Err("a table of elements is none".into());
            }
            entries.insert_unique(hash, entry, |_| unreachable!("the capacity was counted"));
        }
        *bytes += entries_bytes(&entries);
        return Ok(Child::Leaf {
            entries,
            depth: detail,
        });
    }
    if form != NODE || level >= LEVELS_MAX {
        return Err("a table of elements is none".into());
    }
    let count = usize::from(detail) + 1;
    let directory: [u8; 1 << NODE_BITS] = input.array()?;
    if directory.iter().any(|&place| usize::from(place) >= count) {
        return Err("a directory of elements contradicts itself".into());
    }
    let mut children = Vec::with_capacity(count);
    for _ in 0..count {
        children.push(thaw_child(input, level + 1, take, bytes)?);
    }
    let len = children.iter().map(Child::len).sum();
    let node = Box::new(Node {
        directory,
        children,
    });
    *bytes += allocated_bytes(size_of::<Node<T>>()) + node.children_bytes();
    Ok(Child::Node { node, len })
}
