//! The tokens that memcached's clients compare before they write (CAS): a side table of those that were handed out.
//!
//! An item knows nothing of its token, so it costs no memory until somebody asks; whoever changes a key forgets its token, which is one
//! comparison while none is out. It never looks at keys: a key is its hash and database, and two keys with the same 64 bits of hash
//! only forget each other's tokens.
//! The decision worth knowing: the table is bounded and forgets the oldest of a bucket. A forgotten token makes a write fail that could have
//! succeeded, as if the key had changed; it never lets one through.

use super::frozen::{In, Out};
use std::io;

const BUCKETS: usize = 1 << 14;
/// Tokens in a bucket; with all buckets full a million, in 16 MiB.
const BUCKET_TOKENS_MAX: usize = 64;
/// The first token has so many bits, made of the time, so that one of an earlier run of the server hardly ever fits. They are no more, because there
/// are clients that read tokens as 32 bits, or as a float of 53.
const FIRST_BITS: u32 = 31;
/// Spreads small differences (of databases' numbers, of times) over 64 bits; any odd number without a pattern would do.
const SPREADING_FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

#[derive(Debug, Clone, Copy)]
struct Entry {
    key: u64,
    token: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Tokens {
    /// Empty until the first token is asked for. In each bucket the oldest comes first.
    buckets: Vec<Vec<Entry>>,
    len: usize,
    bytes: usize,
    last: u64,
}

fn key_of(db: usize, hash: u64) -> u64 {
    hash ^ (db as u64).wrapping_mul(SPREADING_FACTOR)
}

fn bucket_of(key: u64) -> usize {
    (key >> (u64::BITS - BUCKETS.ilog2())) as usize
}

impl Tokens {
    /// The token of a key, if one was handed out since it changed.
    pub fn get(&self, db: usize, hash: u64) -> Option<u64> {
        if self.len == 0 {
            return None;
        }
        let key = key_of(db, hash);
        let bucket = &self.buckets[bucket_of(key)];
        let entry = bucket.iter().find(|entry| entry.key == key)?;
        Some(entry.token)
    }

    /// The token of a key, made now if there is none.
    pub fn get_or_make(&mut self, db: usize, hash: u64, now_ms: i64) -> u64 {
        if let Some(token) = self.get(db, hash) {
            return token;
        }
        let token = self.make(now_ms);
        self.set(db, hash, token);
        token
    }

    /// A token that was never out, and is no key's.
    pub fn make(&mut self, now_ms: i64) -> u64 {
        if self.last == 0 {
            self.last = (now_ms as u64).wrapping_mul(SPREADING_FACTOR) >> (u64::BITS - FIRST_BITS);
        }
        self.last += 1;
        self.last
    }

    /// Gives a key a token.
    pub fn set(&mut self, db: usize, hash: u64, token: u64) {
        if self.buckets.is_empty() {
            self.buckets = vec![Vec::new(); BUCKETS];
            self.bytes = self.buckets.capacity() * size_of::<Vec<Entry>>();
        }
        self.forget(db, hash);
        let key = key_of(db, hash);
        let bucket = &mut self.buckets[bucket_of(key)];
        if bucket.len() == BUCKET_TOKENS_MAX {
            bucket.remove(0);
            self.len -= 1;
        }
        let before = bucket.capacity();
        bucket.push(Entry { key, token });
        self.len += 1;
        self.bytes += (bucket.capacity() - before) * size_of::<Entry>();
    }

    /// The key has changed.
    #[inline]
    pub fn forget(&mut self, db: usize, hash: u64) {
        if self.len > 0 {
            self.forget_one(key_of(db, hash));
        }
    }

    fn forget_one(&mut self, key: u64) {
        let bucket = &mut self.buckets[bucket_of(key)];
        if let Some(place) = bucket.iter().position(|entry| entry.key == key) {
            bucket.remove(place);
            self.len -= 1;
        }
    }

    /// All keys have changed. Gives the memory back.
    pub fn clear(&mut self) {
        self.buckets = Vec::new();
        self.len = 0;
        self.bytes = 0;
    }

    /// Bytes allocated, for the memory limit.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes the tokens that are out, and which was the last.
    pub fn freeze(&self, out: &mut Out<'_>) -> io::Result<()> {
        out.u64(self.last)?;
        out.count(self.len as u64)?;
        for entry in self.buckets.iter().flatten() {
            out.u64(entry.key)?;
            out.u64(entry.token)?;
        }
        Ok(())
    }

    /// See [`Tokens::freeze`].
    pub fn thaw(input: &mut In<'_>) -> Result<Tokens, String> {
        let mut tokens = Tokens {
            last: input.u64()?,
            ..Tokens::default()
        };
        for _ in 0..input.count()? {
            let (key, token) = (input.u64()?, input.u64()?);
            // The first database leaves a hash as it is.
            tokens.set(0, key, token);
        }
        Ok(tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::random::Random;

    #[test]
    fn a_token_lasts_until_the_key_changes() {
        let mut tokens = Tokens::default();
        tokens.forget(0, 5);
        assert_eq!(tokens.get(0, 5), None);
        assert_eq!(tokens.bytes(), 0);
        let token = tokens.get_or_make(0, 5, 1_700_000_000_000);
        assert_eq!(tokens.get_or_make(0, 5, 1_700_000_000_900), token);
        let other = tokens.get_or_make(1, 5, 1_700_000_000_900);
        assert_ne!(other, token, "the same key of another database");
        tokens.forget(0, 5);
        assert_eq!(tokens.get(0, 5), None);
        assert_eq!(tokens.get(1, 5), Some(other));
        let next = tokens.get_or_make(0, 5, 1_700_000_000_000);
        assert!(next > other);
        tokens.set(0, 5, 7);
        assert_eq!(tokens.get(0, 5), Some(7));
        tokens.clear();
        assert_eq!((tokens.get(0, 5), tokens.bytes()), (None, 0));
        assert!(
            tokens.get_or_make(0, 5, 0) > next,
            "never one that was out before"
        );
    }

    #[test]
    fn two_runs_begin_far_from_each_other_and_within_32_bits() {
        let first = |now_ms| Tokens::default().make(now_ms);
        for now_ms in [
            0,
            1,
            1_700_000_000_000,
            1_700_000_000_001,
            4_000_000_000_000,
        ] {
            assert!((1..=1 << FIRST_BITS).contains(&first(now_ms)));
            assert!(first(now_ms).abs_diff(first(now_ms + 1)) > 1 << 20);
        }
    }

    #[test]
    fn it_is_bounded_and_forgets_the_oldest() {
        let mut tokens = Tokens::default();
        let mut random = Random::new(1);
        let hashes: Vec<u64> = (0..3_000_000).map(|_| random.draw()).collect();
        let made: Vec<u64> = hashes
            .iter()
            .map(|&hash| tokens.get_or_make(0, hash, 1))
            .collect();
        assert!(tokens.len <= BUCKETS * BUCKET_TOKENS_MAX);
        let counted: usize = tokens.buckets.iter().map(Vec::capacity).sum();
        let buckets = tokens.buckets.capacity() * size_of::<Vec<Entry>>();
        assert_eq!(tokens.bytes(), counted * size_of::<Entry>() + buckets);
        assert!(tokens.bytes() < 20 << 20);
        for (hash, token) in hashes.iter().zip(&made).rev().take(1000) {
            assert_eq!(tokens.get(0, *hash), Some(*token));
        }
        assert_eq!(tokens.get(0, hashes[0]), None);
    }
}
