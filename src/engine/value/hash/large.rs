//! The large form of a hash: a table of fields, and an index of those that expire, ordered by time.
//!
//! The one decision worth knowing: the index holds times and hashes of names, not names, so that it takes the same room for every field and
//! a due field is found with one look-up. Two fields may share time and hash; the index has them once, for as long as one of them is there.

mod frozen;

use super::field::{Field, is_live};
use super::{Encoding, Expiry};
use crate::engine::random::Random;
use crate::engine::value::table::{self, Table};
use crate::engine::value::{ElementHasher, allocated_bytes};
use std::collections::BTreeSet;

/// Bytes of the index per field that expires: its nodes have room for eleven keys of 16 bytes and are about two thirds full.
const INDEX_BYTES_EACH: usize = 32;

/// See the module.
#[derive(Debug)]
pub struct LargeHash {
    table: Table<Box<[u8]>>,
    hasher: ElementHasher,
    pub(super) encoding: Encoding,
    /// Bytes allocated by fields.
    field_bytes: usize,
    /// Time and hash of the name of each field that expires.
    expiries: BTreeSet<(i64, u64)>,
}

/// A field: its name, its value, and when it expires, in Unix milliseconds.
pub type FieldParts<'a> = (&'a [u8], &'a [u8], Option<i64>);

impl Clone for LargeHash {
    /// A copy that has allocated no more than it needs.
    fn clone(&self) -> LargeHash {
        let mut copy = LargeHash::new(self.encoding, self.hasher.clone());
        let hash_of = |bytes: &[u8]| self.hasher.hash(Field::name_in(bytes));
        for bytes in self.table.iter() {
            let copied = bytes.clone();
            copy.table
                .insert(hash_of(bytes), copied, |other| hash_of(other));
        }
        copy.field_bytes = self.field_bytes;
        copy.expiries = self.expiries.clone();
        copy
    }
}

impl LargeHash {
    pub(super) fn new(encoding: Encoding, hasher: ElementHasher) -> LargeHash {
        LargeHash {
            table: Table::new(),
            hasher,
            encoding,
            field_bytes: 0,
            expiries: BTreeSet::new(),
        }
    }

    /// Number of fields, expired ones that were not removed yet included.
    #[expect(clippy::len_without_is_empty)]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    pub(in crate::engine) fn heap_bytes(&self) -> usize {
        allocated_bytes(size_of::<LargeHash>())
            + self.table.heap_bytes()
            + self.field_bytes
            + self.expiries.len() * INDEX_BYTES_EACH
    }

    /// Fields that have expired and are still there. O(their number).
    fn due(&self, now_ms: i64) -> usize {
        if self.expiries.is_empty() {
            return 0;
        }
        self.expiries.range(..=(now_ms, u64::MAX)).count()
    }

    /// Number of fields that have not expired. O(expired ones).
    pub fn len_live(&self, now_ms: i64) -> usize {
        self.table.len() - self.due(now_ms)
    }

    /// When the last field expires, if all do. O(1).
    pub(super) fn last_expiry(&self) -> Option<i64> {
        let all_expire = self.expiries.len() == self.table.len();
        let (time, _) = self.expiries.last().filter(|_| all_expire)?;
        Some(*time)
    }

    #[inline]
    fn hash(&self, name: &[u8]) -> u64 {
        self.hasher.hash(name)
    }

    #[inline]
    pub(super) fn get(&self, name: &[u8], now_ms: i64) -> Option<Field<'_>> {
        let bytes = self
            .table
            .find(self.hash(name), |bytes| Field::name_in(bytes) == name)?;
        Some(Field::read(bytes)).filter(|field| field.is_live(now_ms))
    }

    /// Puts a field in, or in the place of the one of that name; true when there was none that had not expired.
    pub(super) fn set(&mut self, name: &[u8], value: &[u8], expiry: Expiry, now_ms: i64) -> bool {
        let hash = self.hash(name);
        let found = self
            .table
            .find_mut(hash, |bytes| Field::name_in(bytes) == name);
        let before = found.as_ref().and_then(|bytes| Field::read(bytes).expiry);
        let created = found.is_none() || !is_live(before, now_ms);
        let after = match expiry {
            Expiry::None => None,
            Expiry::Keep => before.filter(|_| !created),
            Expiry::At(time) => Some(time),
        };
        let field = Field {
            name,
            value,
            expiry: after,
        };
        match found {
            Some(bytes) => {
                self.field_bytes -= allocated_bytes(bytes.len());
                field.write(bytes);
                self.field_bytes += allocated_bytes(bytes.len());
            }
            None => {
                let mut bytes = Box::default();
                field.write(&mut bytes);
                self.field_bytes += allocated_bytes(bytes.len());
                let hasher = &self.hasher;
                self.table
                    .insert(hash, bytes, |bytes| hasher.hash(Field::name_in(bytes)));
            }
        }
        self.move_expiry(hash, before, after);
        created
    }

    /// Keeps the index true to a field whose expiry has changed in the table.
    fn move_expiry(&mut self, hash: u64, before: Option<i64>, after: Option<i64>) {
        if before == after {
            return;
        }
        if let Some(time) = before {
            self.forget_expiry(hash, time);
        }
        if let Some(time) = after {
            self.expiries.insert((time, hash));
        }
    }

    /// Takes a time out of the index unless another field of the same hash has it too.
    fn forget_expiry(&mut self, hash: u64, time: i64) {
        let hasher = &self.hasher;
        let shared = self.table.find(hash, |bytes| {
            let field = Field::read(bytes);
            field.expiry == Some(time) && hasher.hash(field.name) == hash
        });
        if shared.is_none() {
            self.expiries.remove(&(time, hash));
        }
    }

    /// Removes a field; true when it was there and had not expired.
    pub(super) fn remove(&mut self, name: &[u8], now_ms: i64) -> bool {
        let hash = self.hash(name);
        let Some(bytes) = self.take(hash, |bytes| Field::name_in(bytes) == name) else {
            return false;
        };
        Field::read(&bytes).is_live(now_ms)
    }

    fn take(&mut self, hash: u64, is_it: impl FnMut(&Box<[u8]>) -> bool) -> Option<Box<[u8]>> {
        let hasher = &self.hasher;
        let bytes = self
            .table
            .remove(hash, is_it, |bytes| hasher.hash(Field::name_in(bytes)))?;
        self.field_bytes -= allocated_bytes(bytes.len());
        if let Some(time) = Field::read(&bytes).expiry {
            self.forget_expiry(hash, time);
        }
        Some(bytes)
    }

    /// Sets or takes away the expiry of a field; false when it is not there or has expired.
    pub(super) fn set_expiry(&mut self, name: &[u8], expiry: Option<i64>, now_ms: i64) -> bool {
        let hash = self.hash(name);
        let Some(bytes) = self
            .table
            .find_mut(hash, |bytes| Field::name_in(bytes) == name)
        else {
            return false;
        };
        if !Field::read(bytes).is_live(now_ms) {
            return false;
        }
        self.field_bytes -= allocated_bytes(bytes.len());
        let before = Field::change_expiry(bytes, expiry);
        self.field_bytes += allocated_bytes(bytes.len());
        self.move_expiry(hash, before, expiry);
        true
    }

    pub(super) fn next_expiry(&self) -> Option<i64> {
        self.expiries.first().map(|&(time, _)| time)
    }

    /// Removes at most `max` fields that have expired, the earliest first.
    pub(super) fn expire_due(
        &mut self,
        now_ms: i64,
        max: usize,
        mut expired: impl FnMut(&[u8]),
    ) -> usize {
        let hasher = self.hasher.clone();
        let mut count = 0;
        while count < max
            && let Some(&(time, hash)) = self.expiries.first()
            && time <= now_ms
        {
            let bytes = self
                .take(hash, |bytes| {
                    let field = Field::read(bytes);
                    field.expiry == Some(time) && hasher.hash(field.name) == hash
                })
                .expect("the index is true to the table");
            expired(Field::name_in(&bytes));
            count += 1;
        }
        count
    }

    /// A part of the fields with their values and expiries, expired ones included; see [`Table::part`].
    pub fn part(&self, position: u32) -> (impl Iterator<Item = FieldParts<'_>>, Option<u32>) {
        let (fields, next) = self.table.part(position);
        let fields = fields.map(|bytes| {
            let field = Field::read(bytes);
            (field.name, field.value, field.expiry)
        });
        (fields, next)
    }

    /// The earliest expiry of a field that has not expired.
    pub fn earliest_expiry(&self, now_ms: i64) -> Option<i64> {
        let mut live = self.expiries.range((now_ms, u64::MAX)..);
        let (time, _) = live.find(|(time, _)| *time > now_ms)?;
        Some(*time)
    }

    /// All fields, expired ones included.
    pub(super) fn iter(&self) -> table::Iter<'_, Box<[u8]>> {
        self.table.iter()
    }

    pub(super) fn scan<'a>(
        &'a self,
        cursor: u64,
        count: usize,
        now_ms: i64,
        mut visit: impl FnMut(Field<'a>),
    ) -> u64 {
        self.table.scan(
            cursor,
            count,
            |bytes| self.hash(Field::name_in(bytes)),
            |bytes| {
                let field = Field::read(bytes);
                if field.is_live(now_ms) {
                    visit(field);
                }
            },
        )
    }

    /// Shows different fields; see `Table::sample`.
    pub(super) fn random_distinct<'a>(
        &'a self,
        count: usize,
        now_ms: i64,
        random: &mut Random,
        mut visit: impl FnMut(Field<'a>),
    ) {
        self.table.sample(
            count,
            self.len_live(now_ms),
            |bytes| Field::read(bytes).is_live(now_ms),
            random,
            |bytes| visit(Field::read(bytes)),
        );
    }

    /// Shows `count` fields, the same one perhaps more than once.
    pub(super) fn random_repeated<'a>(
        &'a self,
        count: usize,
        now_ms: i64,
        random: &mut Random,
        mut visit: impl FnMut(Field<'a>),
    ) {
        let live = self.len_live(now_ms);
        if live == 0 {
            return;
        }
        // Drawing until a field has not expired costs little unless most have.
        let collected: Vec<Field<'a>> = if live * 4 < self.len() {
            let fields = self.iter().map(|bytes| Field::read(bytes));
            fields.filter(|field| field.is_live(now_ms)).collect()
        } else {
            Vec::new()
        };
        for _ in 0..count {
            visit(if collected.is_empty() {
                loop {
                    let bytes = self.table.random(random).expect("there are fields");
                    let field = Field::read(bytes);
                    if field.is_live(now_ms) {
                        break field;
                    }
                }
            } else {
                collected[random.below(collected.len())]
            });
        }
    }

    pub(super) fn release(&mut self, units: usize) -> usize {
        let field_bytes = &mut self.field_bytes;
        let mut left = self.table.drain_some(units, |bytes| {
            *field_bytes -= allocated_bytes(bytes.len());
        });
        while left > 0 && self.expiries.pop_first().is_some() {
            left -= 1;
        }
        left
    }

    #[cfg(test)]
    pub(super) fn check(&self) {
        self.table
            .check(|bytes| self.hasher.hash(Field::name_in(bytes)));
        let mut field_bytes = 0;
        let mut expiries = BTreeSet::new();
        for bytes in self.table.iter() {
            let field = Field::read(bytes);
            field_bytes += allocated_bytes(bytes.len());
            expiries.extend(field.expiry.map(|time| (time, self.hash(field.name))));
        }
        assert_eq!(field_bytes, self.field_bytes);
        assert_eq!(expiries, self.expiries);
    }
}
