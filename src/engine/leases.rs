//! Leases on items that are there: until when a client has been promised that it alone makes a new value.
//!
//! Only leases on items whose old value may still be served; one on a key that was not there is an item without a value, whose expiry is the lease's.
//! A lease is its token: whatever changes the key makes another token fit, and the lease is void without a word here.
//! The decision worth knowing: the table is bounded and forgets the oldest. Who finds an item that was promised to somebody, and no lease, lets the lease begin
//! again, so that a value that nobody makes is promised to another in the end.

use super::frozen::{In, Out};
use super::{Attributes, Engine, Key, Touch, Type, Value};
use std::collections::{HashMap, VecDeque};
use std::io;

/// Leases of a shard.
const LEASES_MAX: usize = 16 * 1024;

#[derive(Debug, Clone, Copy)]
struct Lease {
    token: u64,
    /// Unix milliseconds.
    until_ms: i64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Leases {
    keys: HashMap<(usize, u64), Lease>,
    /// All that were ever granted, the oldest first, but for those at the front that are void.
    order: VecDeque<((usize, u64), u64)>,
}

impl Leases {
    /// Bytes allocated, about, for the memory limit.
    #[inline]
    pub(super) fn bytes(&self) -> u64 {
        let entry = size_of::<(usize, u64)>() + size_of::<Lease>() + 1;
        let granted = size_of::<((usize, u64), u64)>();
        (self.keys.capacity() * entry + self.order.capacity() * granted) as u64
    }

    fn grant(&mut self, place: (usize, u64), lease: Lease, now_ms: i64) {
        self.keys.insert(place, lease);
        self.order.push_back((place, lease.token));
        while let Some(&(place, token)) = self.order.front() {
            let is_its = |lease: &&Lease| lease.token == token;
            let lease = self.keys.get(&place).filter(is_its);
            let lasts = lease.is_some_and(|lease| lease.until_ms > now_ms);
            if lasts && self.order.len() <= LEASES_MAX {
                break;
            }
            if lease.is_some() {
                self.keys.remove(&place);
            }
            self.order.pop_front();
        }
    }
}

impl Leases {
    /// Writes all that may still hold, the oldest first.
    pub(super) fn freeze(&self, out: &mut Out<'_>) -> io::Result<()> {
        let valid = self.order.iter().filter_map(|&(place, token)| {
            let lease = self.keys.get(&place)?;
            (lease.token == token).then_some((place, lease))
        });
        out.count(valid.clone().count() as u64)?;
        for ((db, hash), lease) in valid {
            out.u32(db as u32)?;
            out.u64(hash)?;
            out.u64(lease.token)?;
            out.i64(lease.until_ms)?;
        }
        Ok(())
    }

    /// See [`Leases::freeze`].
    pub(super) fn thaw(input: &mut In<'_>) -> Result<Leases, String> {
        let mut leases = Leases::default();
        for _ in 0..input.count()? {
            let place = (input.u32()? as usize, input.u64()?);
            let (token, until_ms) = (input.u64()?, input.i64()?);
            leases.grant(place, Lease { token, until_ms }, i64::MIN);
        }
        Ok(leases)
    }
}

impl Engine {
    /// Promises a key that is there to one client until `until_ms`: its token, which no other has.
    pub fn grant_lease(&mut self, key: &Key<'_>, until_ms: i64) -> u64 {
        let token = self.token_of_none();
        self.set_token(key, token);
        self.begin_lease(key, until_ms);
        token
    }

    /// A key that is there is promised until `until_ms` to whoever has its token.
    pub fn begin_lease(&mut self, key: &Key<'_>, until_ms: i64) {
        let token = self.token(key);
        let lease = Lease { token, until_ms };
        self.leases.grant((key.db, key.hash), lease, self.now_ms);
    }

    /// Until when a key is promised to a client; None when it is not, or its value has changed since. It may be over.
    pub fn leased_until(&self, key: &Key<'_>) -> Option<i64> {
        let lease = self.leases.keys.get(&(key.db, key.hash))?;
        let is_valid = self.token_matches(key, lease.token);
        is_valid.then_some(lease.until_ms)
    }

    /// After a start: of these keys no client has a lease any more, whatever was promised before. Those that are only promises go, of others the first reader wins anew. What becomes of
    /// them is written down as other losses are.
    pub fn void_leases(&mut self, keys: impl IntoIterator<Item = (usize, Box<[u8]>)>) {
        for (db, bytes) in keys {
            let key = self.key(db, &bytes);
            let Some(item) = self.find(&key, Touch::No) else {
                continue;
            };
            let attributes = self.attributes(item);
            if !attributes.won {
                continue;
            }
            let is_empty = self.type_of(item) == Type::String
                && matches!(self.value(item), Value::Bytes(bytes) if bytes.is_empty());
            let won = Attributes {
                won: false,
                ..attributes
            };
            if is_empty && !attributes.stale || self.set_attributes(&key, won).is_err() {
                self.remove(&key);
            }
            self.note_lost(db, bytes);
        }
    }

    /// A client gives its promise back: its token fits no more.
    pub fn end_lease(&mut self, key: &Key<'_>) {
        self.leases.keys.remove(&(key.db, key.hash));
        self.tokens.forget(key.db, key.hash);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::tests::{engine, write};

    #[test]
    fn a_lease_lasts_until_the_value_changes_or_it_is_given_back() {
        let mut engine = engine();
        let key = engine.key(0, b"key");
        assert_eq!(engine.leased_until(&key), None);
        write(&mut engine, b"key", b"value");
        let first = engine.grant_lease(&key, 1_000_500);
        assert!(engine.token_matches(&key, first));
        assert_eq!(engine.leased_until(&key), Some(1_000_500));
        engine.set_now(1_000_500);
        assert_eq!(engine.leased_until(&key), Some(1_000_500), "it is over");
        let second = engine.grant_lease(&key, 1_000_900);
        assert!(engine.token_matches(&key, second) && !engine.token_matches(&key, first));
        engine.end_lease(&key);
        assert_eq!(engine.leased_until(&key), None);
        assert!(!engine.token_matches(&key, second));
        engine.grant_lease(&key, 1_000_900);
        write(&mut engine, b"key", b"other");
        assert_eq!(engine.leased_until(&key), None);
    }

    #[test]
    fn after_a_start_nobody_has_a_lease() {
        let mut engine = engine();
        let names: [&[u8]; 4] = [b"promise", b"old", b"good", b"none"];
        let won = Attributes {
            won: true,
            ..Attributes::default()
        };
        let stale = Attributes { stale: true, ..won };
        for (name, value, attributes) in [
            (names[0], &b""[..], won),
            (names[1], b"value", stale),
            (names[2], b"", Attributes::default()),
        ] {
            write(&mut engine, name, value);
            let key = engine.key(0, name);
            engine.set_attributes(&key, attributes).expect("room");
        }
        engine.void_leases(names.map(|name| (0, name.into())));
        let found = names.map(|name| {
            let item = engine.find(&engine.key(0, name), Touch::No);
            item.map(|item| engine.attributes(item))
        });
        let old = Attributes {
            won: false,
            ..stale
        };
        assert_eq!(found, [None, Some(old), Some(Attributes::default()), None]);
        let lost = engine.take_lost().into_iter().map(|lost| lost.key);
        let lost: Vec<Box<[u8]>> = lost.collect();
        assert_eq!(lost, [names[0].into(), names[1].into()]);
    }

    #[test]
    fn leases_are_bounded_and_the_oldest_is_forgotten() {
        let mut engine = engine();
        for number in 0..LEASES_MAX as u64 * 3 {
            let bytes = number.to_le_bytes();
            let key = engine.key(0, &bytes);
            engine.grant_lease(&key, 2_000_000);
        }
        let leases = &engine.leases;
        assert_eq!(
            (leases.keys.len(), leases.order.len()),
            (LEASES_MAX, LEASES_MAX)
        );
        let bytes = engine.leases.bytes();
        assert!(bytes < 4 << 20 && engine.bytes_used() > bytes);
        let forgotten = engine.key(0, &[0; 8]);
        assert_eq!(engine.leased_until(&forgotten), None);
        // Those that are over go with the next.
        engine.set_now(2_000_000);
        let key = engine.key(0, b"key");
        engine.grant_lease(&key, 2_000_001);
        assert_eq!(engine.leases.order.len(), 1);
    }
}
