//! What a warm restart keeps of tags: for each database the names, and the keys with the numbers of theirs.
//!
//! Indexes and lists are made again, for there is one record a link and nothing in it is of the arena.

use super::{Index, NONE, TAG_BYTES_MAX, Tags};
use crate::engine::frozen::{In, Out};
use crate::engine::hash::KeyHasher;
use std::collections::HashMap;
use std::io;

/// Entries that one call of a scan asks for.
const AT_ONCE: usize = 4096;

impl Tags {
    /// Writes all of them; none may be about to be dropped.
    pub(in crate::engine) fn freeze(&self, out: &mut Out<'_>) -> io::Result<()> {
        assert!(!self.has_work(), "what was dropped has been deleted");
        let databases = if self.is_empty() {
            0
        } else {
            self.databases.len()
        };
        out.count(databases as u64)?;
        for index in &self.databases[..databases] {
            let mut numbers: HashMap<u32, u64> = HashMap::new();
            out.count(index.names.len() as u64)?;
            let (mut found, mut cursor) = (Vec::new(), 0);
            loop {
                let hash_of = |tag| self.tags.get(tag).hash;
                cursor = index.names.scan(cursor, AT_ONCE, hash_of, &mut found);
                for tag in found.drain(..) {
                    numbers.insert(tag, numbers.len() as u64);
                    out.text(&self.tags.get(tag).name)?;
                }
                if cursor == 0 {
                    break;
                }
            }
            out.count(index.keys.len() as u64)?;
            loop {
                let hash_of = |link| self.links.get(link).hash;
                cursor = index.keys.scan(cursor, AT_ONCE, hash_of, &mut found);
                for first in found.drain(..) {
                    self.freeze_key(first, &numbers, out)?;
                }
                if cursor == 0 {
                    break;
                }
            }
        }
        Ok(())
    }

    fn freeze_key(
        &self,
        first: u32,
        numbers: &HashMap<u32, u64>,
        out: &mut Out<'_>,
    ) -> io::Result<()> {
        out.u64(self.links.get(first).hash)?;
        let (mut tags, mut next) = (Vec::new(), first);
        while next != NONE {
            let link = self.links.get(next);
            tags.push(numbers[&link.tag]);
            next = link.next_of_key;
        }
        out.count(tags.len() as u64)?;
        tags.into_iter().try_for_each(|number| out.count(number))
    }

    /// Reads those of so many databases; names are hashed by `hasher`.
    pub(in crate::engine) fn thaw(
        input: &mut In<'_>,
        databases: usize,
        hasher: &KeyHasher,
    ) -> Result<Tags, String> {
        let mut tags = Tags::default();
        let count = input.count()? as usize;
        if count == 0 {
            return Ok(tags);
        }
        if count != databases {
            return Err("its tags are of another number of databases".into());
        }
        tags.databases.resize_with(databases, Index::default);
        for db in 0..databases {
            let mut names = Vec::new();
            for _ in 0..input.count()? {
                let name = input.text()?;
                if name.len() > TAG_BYTES_MAX {
                    return Err("the name of a tag is too long".into());
                }
                names.push((hasher.hash(&name), name));
            }
            for _ in 0..input.count()? {
                let hash = input.u64()?;
                for _ in 0..input.count()? {
                    let number = input.count()? as usize;
                    let (name_hash, name) = names.get(number).ok_or("a key has an unknown tag")?;
                    let added = tags.add(db, hash, name, *name_hash);
                    added.map_err(|_| "a key has too many tags")?;
                }
            }
        }
        Ok(tags)
    }
}
