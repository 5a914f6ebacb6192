//! What a server must answer: per connection, what was last written to each of the keys it alone uses.
//!
//! A miss is legal under eviction and expiry and counted; with `strict` it is an error unless the TTL may have passed.
//! After a miss or a deletion the key must stay away, and a value must not be served once its TTL and a margin passed.
//!
//! Where connections are opened again after a loss, what is written is kept as steps: a key holds what the last step that must have survived made of it, or any later one,
//! answered or not. The first read afterwards tells which, and from then on it must be that.

use crate::values;

/// How hard to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum VerifyMode {
    /// Misses are legal.
    Evicting,
    /// A miss of a key that was written is an error, unless its TTL may have passed.
    Strict,
}

/// What a key should hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// Unknown: not written by this run yet, or a write was refused.
    Anything,
    /// Nothing.
    Nothing,
    /// The value of this version and size.
    Value(u32, u32),
    /// One of several states, since a connection was lost: the ledger knows which.
    OneOf,
}

/// A change of a key that was sent.
#[derive(Debug, Clone)]
struct Step {
    /// What the key holds afterwards: one state, or after a loss several that are possible.
    states: Vec<Expectation>,
    /// When it was answered; `u64::MAX` before.
    done_ns: u64,
}

#[derive(Debug, Clone)]
struct Entry {
    expected: Expectation,
    versions: u32,
    write_sent_ns: u64,
    write_done_ns: u64,
}

/// How long values live.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ttl {
    /// Time to live in milliseconds, 0 for none.
    pub ttl_ms: u64,
    /// Milliseconds before that from which on a miss is right.
    pub early_ms: u64,
    /// Milliseconds after it from which on a hit is wrong.
    pub margin_ms: u64,
}

/// The memory of one connection.
#[derive(Debug, Clone)]
pub struct Ledger {
    entries: Vec<Entry>,
    first: u64,
    step: u64,
    seed: u64,
    strict: bool,
    ttl_ns: u64,
    early_ns: u64,
    margin_ns: u64,
    scratch: Vec<u8>,
    /// The changes of each key from the last one that survives a loss on; None: a loss ends the run.
    steps: Option<Vec<Vec<Step>>>,
    /// How long before a loss what was answered may be lost as well.
    lost_max_ns: u64,
}

impl Ledger {
    /// A ledger for the keys `first`, `first + step`, ... below `keyspace`.
    pub fn new(first: u64, step: u64, keyspace: u64, seed: u64, strict: bool, ttl: Ttl) -> Self {
        assert!(first < step && step <= keyspace);
        let entry = Entry {
            expected: Expectation::Anything,
            versions: 0,
            write_sent_ns: 0,
            write_done_ns: u64::MAX,
        };
        Self {
            entries: vec![entry; (keyspace - first).div_ceil(step) as usize],
            first,
            step,
            seed,
            strict,
            ttl_ns: ttl.ttl_ms * 1_000_000,
            early_ns: ttl.early_ms * 1_000_000,
            margin_ns: ttl.margin_ms * 1_000_000,
            scratch: Vec::new(),
            steps: None,
            lost_max_ns: 0,
        }
    }

    /// Prepares for losses of the connection; what was answered less than so many milliseconds before one may be lost with it.
    pub fn survive(&mut self, lost_max_ms: u64) {
        self.steps = Some(vec![Vec::new(); self.entries.len()]);
        self.lost_max_ns = lost_max_ms * 1_000_000;
    }

    fn steps(&mut self, key: u64) -> Option<&mut Vec<Step>> {
        let index = (key / self.step) as usize;
        self.steps.as_mut().map(|steps| &mut steps[index])
    }

    fn note_step(&mut self, key: u64, state: Expectation) {
        if let Some(steps) = self.steps(key) {
            steps.push(Step {
                states: vec![state],
                done_ns: u64::MAX,
            });
        }
    }

    /// A write or a deletion was answered; those of one key are in the order in which they were sent.
    pub fn acknowledged(&mut self, key: u64, now_ns: u64) {
        let lost_max_ns = self.lost_max_ns;
        let Some(steps) = self.steps(key) else {
            return;
        };
        if let Some(step) = steps.iter_mut().find(|step| step.done_ns == u64::MAX) {
            step.done_ns = now_ns;
        }
        // What is before one that survives is never seen again.
        let survives = |step: &Step| step.done_ns.saturating_add(lost_max_ns) <= now_ns;
        if let Some(last) = steps.iter().rposition(survives) {
            steps.drain(..last);
        }
    }

    /// The connection was lost, at `lost_ns` or later. The keys that are to be read now.
    pub fn lost(&mut self, lost_ns: u64) -> Vec<u64> {
        let Some(all) = &mut self.steps else {
            return Vec::new();
        };
        let mut to_read = Vec::new();
        for (index, (steps, entry)) in all.iter_mut().zip(&mut self.entries).enumerate() {
            let survives = |step: &Step| step.done_ns.saturating_add(self.lost_max_ns) <= lost_ns;
            let Some(last) = steps.iter().rposition(survives) else {
                // It may still hold what it held before this run.
                steps.clear();
                entry.expected = Expectation::Anything;
                continue;
            };
            let mut states: Vec<Expectation> = Vec::new();
            for state in steps.drain(last..).flat_map(|step| step.states) {
                if !states.contains(&state) {
                    states.push(state);
                }
            }
            entry.expected = match states[..] {
                [state] => state,
                _ => Expectation::OneOf,
            };
            *steps = vec![Step { states, done_ns: 0 }];
            to_read.push(index as u64 * self.step + self.first);
        }
        to_read
    }

    /// A key has been seen in one of the states that were possible.
    fn settle(&mut self, key: u64, state: Expectation) {
        if let Some(first) = self.steps(key).and_then(|steps| steps.first_mut()) {
            first.states = vec![state];
        }
        let entry = self.entry(key);
        if entry.expected == Expectation::OneOf {
            entry.expected = state;
        }
    }

    /// The states that are possible after a loss.
    fn possible(&mut self, key: u64) -> Vec<Expectation> {
        let first = self.steps(key).and_then(|steps| steps.first());
        first.map_or(Vec::new(), |first| first.states.clone())
    }

    /// The key of this connection that lies nearest below `key`.
    pub fn own(&self, key: u64) -> u64 {
        let index = (key / self.step).min(self.entries.len() as u64 - 1);
        index * self.step + self.first
    }

    fn entry(&mut self, key: u64) -> &mut Entry {
        &mut self.entries[(key / self.step) as usize]
    }

    /// What a request sent now will find, when all before it are done.
    pub fn expected(&self, key: u64) -> Expectation {
        self.entries[(key / self.step) as usize].expected
    }

    /// A write goes out: appends the value and returns what the key holds afterwards.
    pub fn write(&mut self, key: u64, size: usize, now_ns: u64, out: &mut Vec<u8>) {
        let seed = self.seed;
        let entry = self.entry(key);
        entry.versions = entry.versions.wrapping_add(1);
        entry.expected = Expectation::Value(entry.versions, size as u32);
        entry.write_sent_ns = now_ns;
        entry.write_done_ns = u64::MAX;
        let version = entry.versions;
        values::write_checked(key, version, size, seed, out);
        self.note_step(key, Expectation::Value(version, size as u32));
    }

    /// The write of `wrote` was answered.
    pub fn written(&mut self, key: u64, wrote: Expectation, now_ns: u64) {
        let entry = self.entry(key);
        if entry.expected == wrote {
            entry.write_done_ns = now_ns;
        }
    }

    /// A deletion goes out.
    pub fn delete(&mut self, key: u64) {
        self.entry(key).expected = Expectation::Nothing;
        self.note_step(key, Expectation::Nothing);
    }

    /// A write or a deletion was refused: nothing is known of the key any more.
    pub fn refused(&mut self, key: u64) {
        self.entry(key).expected = Expectation::Anything;
        if let Some(steps) = self.steps(key) {
            steps.clear();
        }
    }

    /// Checks a miss. `Err` says what is wrong.
    pub fn missed(&mut self, key: u64, expected: Expectation, now_ns: u64) -> Result<(), String> {
        let (strict, ttl_ns, early_ns) = (self.strict, self.ttl_ns, self.early_ns);
        let possible = match expected {
            Expectation::OneOf => self.possible(key),
            _ => Vec::new(),
        };
        let entry = self.entry(key);
        if expected == Expectation::OneOf {
            let expired = ttl_ns > 0 && now_ns + early_ns >= entry.write_sent_ns + ttl_ns;
            self.settle(key, Expectation::Nothing);
            if strict && !expired && !possible.contains(&Expectation::Nothing) {
                return Err(format!(
                    "expected one of {possible:?} after a loss, got a miss"
                ));
            }
            return Ok(());
        }
        if entry.expected != expected {
            return Ok(());
        }
        let expired = ttl_ns > 0 && now_ns + early_ns >= entry.write_sent_ns + ttl_ns;
        if let Expectation::Value(version, size) = expected {
            // Nobody writes the key but this connection: once gone it must not come back.
            entry.expected = Expectation::Nothing;
            self.settle(key, Expectation::Nothing);
            if strict && !expired {
                return Err(format!(
                    "expected version {version} ({size} bytes), got a miss"
                ));
            }
        }
        Ok(())
    }

    /// Checks a value that came back; `sent_ns` is when the read was sent. `Ok(false)`: nothing to compare with.
    pub fn found(
        &mut self,
        key: u64,
        expected: Expectation,
        value: &[u8],
        sent_ns: u64,
    ) -> Result<bool, String> {
        let (ttl_ns, margin_ns, seed) = (self.ttl_ns, self.margin_ns, self.seed);
        if expected == Expectation::OneOf {
            return self.found_one_of(key, value);
        }
        let entry = self.entry(key);
        let (version, size) = match expected {
            Expectation::Anything => return Ok(false),
            // A refused write or deletion between sending and answering makes the expectation void.
            _ if entry.expected == Expectation::Anything => return Ok(false),
            Expectation::Nothing => {
                return Err(format!("expected a miss, got {}", values::describe(value)));
            }
            Expectation::Value(version, size) => (version, size),
            Expectation::OneOf => unreachable!("looked at before"),
        };
        let current = entry.expected == expected;
        let done_ns = entry.write_done_ns;
        self.scratch.clear();
        values::write_checked(key, version, size as usize, seed, &mut self.scratch);
        if self.scratch != value {
            return Err(format!(
                "expected version {version}, {}, got {}",
                values::describe(&self.scratch),
                values::describe(value)
            ));
        }
        if current && ttl_ns > 0 && sent_ns > done_ns.saturating_add(ttl_ns + margin_ns) {
            let late_ms = (sent_ns - done_ns - ttl_ns) / 1_000_000;
            return Err(format!(
                "expected a miss, got version {version} {late_ms} ms after its TTL"
            ));
        }
        Ok(true)
    }

    /// Checks the first value of a key after a loss.
    fn found_one_of(&mut self, key: u64, value: &[u8]) -> Result<bool, String> {
        let possible = self.possible(key);
        if self.entry(key).expected == Expectation::Anything {
            return Ok(false);
        }
        for state in &possible {
            if let Expectation::Value(version, size) = state {
                self.scratch.clear();
                values::write_checked(key, *version, *size as usize, self.seed, &mut self.scratch);
                if self.scratch == value {
                    self.settle(key, *state);
                    return Ok(true);
                }
            }
        }
        Err(format!(
            "expected one of {possible:?} after a loss, got {}",
            values::describe(value)
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn ledger(strict: bool) -> Ledger {
        let ttl = Ttl {
            ttl_ms: 1_000,
            early_ms: 1,
            margin_ms: 100,
        };
        Ledger::new(1, 3, 10, 7, strict, ttl)
    }

    #[test]
    fn own_keys_are_disjoint_and_in_the_keyspace() {
        for first in 0..3 {
            let ledger = Ledger::new(first, 3, 10, 7, false, Ttl::default());
            for key in 0..10 {
                let own = ledger.own(key);
                assert!(own < 10 && own % 3 == first, "{key} gave {own}");
            }
        }
    }

    #[test]
    fn only_the_last_write_may_come_back() {
        let mut ledger = ledger(false);
        let (mut old, mut new) = (Vec::new(), Vec::new());
        ledger.write(4, 100, 0, &mut old);
        ledger.write(4, 90, 0, &mut new);
        let expected = ledger.expected(4);
        assert_eq!(ledger.found(4, expected, &new, 0), Ok(true));
        assert!(
            ledger
                .found(4, expected, &old, 0)
                .unwrap_err()
                .contains("version 2")
        );
        new[80] ^= 1;
        assert!(ledger.found(4, expected, &new, 0).is_err());
    }

    #[test]
    fn what_was_deleted_or_missed_must_not_return() {
        let mut ledger = ledger(false);
        let mut value = Vec::new();
        assert_eq!(
            ledger.found(7, ledger.expected(7), b"from an earlier run", 0),
            Ok(false)
        );
        ledger.write(7, 60, 0, &mut value);
        assert_eq!(ledger.missed(7, ledger.expected(7), 5 * MS), Ok(()));
        assert!(ledger.found(7, ledger.expected(7), &value, 0).is_err());
        ledger.write(7, 60, 0, &mut value);
        ledger.delete(7);
        assert!(ledger.found(7, ledger.expected(7), &value, 0).is_err());
        ledger.refused(7);
        assert_eq!(ledger.found(7, ledger.expected(7), &value, 0), Ok(false));
    }

    #[test]
    fn strict_allows_a_miss_only_when_the_ttl_may_have_passed() {
        let mut ledger = ledger(true);
        ledger.write(1, 60, 0, &mut Vec::new());
        assert!(ledger.missed(1, ledger.expected(1), 900 * MS).is_err());
        ledger.write(1, 60, 0, &mut Vec::new());
        assert_eq!(ledger.missed(1, ledger.expected(1), 999 * MS), Ok(()));
    }

    #[test]
    fn after_a_loss_a_key_holds_what_was_answered_or_what_came_later() {
        let mut ledger = Ledger::new(0, 1, 4, 7, true, Ttl::default());
        ledger.survive(0);
        let mut values = vec![Vec::new(); 4];
        for (version, value) in values.iter_mut().enumerate() {
            ledger.write(2, 60, version as u64, value);
        }
        // The first two were answered; key 3 has only what was not.
        ledger.acknowledged(2, 10);
        ledger.acknowledged(2, 11);
        ledger.write(3, 60, 12, &mut Vec::new());
        assert_eq!(ledger.lost(12), [2]);
        assert_eq!(ledger.expected(2), Expectation::OneOf);
        assert_eq!(ledger.expected(3), Expectation::Anything);
        let wrong = ledger.found(2, Expectation::OneOf, &values[0], 13);
        assert!(wrong.unwrap_err().contains("after a loss"));
        assert!(ledger.clone().missed(2, Expectation::OneOf, 13).is_err());
        // Once seen it stays.
        assert_eq!(
            ledger.found(2, Expectation::OneOf, &values[2], 13),
            Ok(true)
        );
        assert!(ledger.found(2, ledger.expected(2), &values[3], 14).is_err());
        assert_eq!(
            ledger.found(2, ledger.expected(2), &values[2], 14),
            Ok(true)
        );
        // A deletion that was not answered may have been carried out.
        ledger.delete(2);
        ledger.lost(15);
        assert_eq!(ledger.expected(2), Expectation::OneOf);
        assert_eq!(
            ledger.clone().found(2, Expectation::OneOf, &values[2], 16),
            Ok(true)
        );
        assert_eq!(ledger.missed(2, Expectation::OneOf, 16), Ok(()));
        assert!(ledger.found(2, ledger.expected(2), &values[2], 17).is_err());
    }

    #[test]
    fn what_was_answered_late_enough_before_a_loss_survives_it() {
        let mut ledger = Ledger::new(0, 1, 1, 7, true, Ttl::default());
        ledger.survive(1_000);
        let mut values = vec![Vec::new(); 3];
        for (version, value) in values.iter_mut().enumerate() {
            ledger.write(0, 60, 0, value);
            ledger.acknowledged(0, version as u64 * 500 * MS);
        }
        // The first was answered 1.2 s before, the second 0.7 s.
        ledger.lost(1_200 * MS);
        for value in &values {
            let mut other = ledger.clone();
            assert_eq!(other.found(0, Expectation::OneOf, value, 0), Ok(true));
        }
        // Lost a second time before it was looked at.
        ledger.write(0, 60, 0, &mut Vec::new());
        ledger.lost(1_300 * MS);
        assert_eq!(ledger.found(0, Expectation::OneOf, &values[1], 0), Ok(true));
        assert!(ledger.missed(0, ledger.expected(0), 2_000 * MS).is_err());
    }

    #[test]
    fn nothing_is_served_after_its_ttl_and_the_margin() {
        let mut ledger = ledger(false);
        let mut value = Vec::new();
        ledger.write(1, 60, 0, &mut value);
        let expected = ledger.expected(1);
        ledger.written(1, expected, 10 * MS);
        assert_eq!(ledger.found(1, expected, &value, 1_110 * MS), Ok(true));
        assert!(
            ledger
                .found(1, expected, &value, 1_111 * MS)
                .unwrap_err()
                .contains("TTL")
        );
    }
}
