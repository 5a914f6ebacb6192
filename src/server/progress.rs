//! How far work over all keys has come that goes on beside the serving: a snapshot, the rewriting of the logs. For INFO, and for lines of the log.
//!
//! Never: does any of that work. Shards take part one after the other or at the same time; the first that begins and the last that ends say so, and in between it is said once a second
//! how far they all are. Keys that come or go meanwhile make the figures wrong by so many.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often it is said.
const SAID_EVERY: Duration = Duration::from_secs(1);

struct State {
    /// Shards that take part now.
    under_way: usize,
    keys_all: u64,
    began: Instant,
    said: Instant,
    has_failed: bool,
}

/// See the module.
pub struct Progress {
    /// What is done, and what has been done then: `saving`, `saved`.
    names: (&'static str, &'static str),
    state: Mutex<State>,
    keys_done: AtomicU64,
}

impl Progress {
    /// Nothing is under way.
    pub fn new(doing: &'static str, done: &'static str) -> Progress {
        let now = Instant::now();
        Progress {
            names: (doing, done),
            state: Mutex::new(State {
                under_way: 0,
                keys_all: 0,
                began: now,
                said: now,
                has_failed: false,
            }),
            keys_done: AtomicU64::new(0),
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().expect("nobody panics with it")
    }

    /// Somebody begins; what is to be said if nobody else was at it.
    pub fn begin(&self) -> Option<String> {
        let mut state = self.state();
        state.under_way += 1;
        if state.under_way > 1 {
            return None;
        }
        let now = Instant::now();
        (state.keys_all, state.has_failed) = (0, false);
        (state.began, state.said) = (now, now);
        self.keys_done.store(0, Ordering::Relaxed);
        Some(format!("{} began", self.names.0))
    }

    /// So many keys belong to it.
    pub fn expect(&self, keys: u64) {
        self.state().keys_all += keys;
    }

    /// So many more keys are done.
    pub fn add(&self, keys: u64) {
        self.keys_done.fetch_add(keys, Ordering::Relaxed);
    }

    /// Who began has come to an end, well or not; what is to be said if nobody else is at it: well or not.
    pub fn end(&self, is_good: bool) -> Option<(bool, String)> {
        let mut state = self.state();
        state.under_way -= 1;
        state.has_failed |= !is_good;
        if state.under_way > 0 {
            return None;
        }
        let seconds = state.began.elapsed().as_secs_f64();
        let keys = self.keys_done.load(Ordering::Relaxed);
        let (doing, done) = self.names;
        Some(match state.has_failed {
            true => (false, format!("{doing} was given up after {seconds:.1} s")),
            false => (true, format!("{done} {keys} keys in {seconds:.1} s")),
        })
    }

    /// Keys that are done, and all; zeros if nothing is under way.
    pub fn keys(&self) -> (u64, u64) {
        let state = self.state();
        match state.under_way {
            0 => (0, 0),
            _ => (self.keys_done.load(Ordering::Relaxed), state.keys_all),
        }
    }

    /// What is to be said now, if that was not a moment ago.
    pub fn line(&self) -> Option<String> {
        let mut state = self.state();
        if state.under_way == 0 || state.said.elapsed() < SAID_EVERY {
            return None;
        }
        state.said = Instant::now();
        let (done, all) = (self.keys_done.load(Ordering::Relaxed), state.keys_all);
        let percent = done * 100 / all.max(1);
        let doing = self.names.0;
        Some(format!("{doing}: {done} of {all} keys, {percent} %"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_and_the_last_say_so() {
        let progress = Progress::new("saving", "saved");
        assert_eq!((progress.keys(), progress.line()), ((0, 0), None));
        for is_good in [true, false] {
            assert_eq!(progress.begin().as_deref(), Some("saving began"));
            assert_eq!(progress.begin(), None);
            progress.expect(30);
            progress.add(10);
            progress.expect(10);
            assert_eq!(progress.keys(), (10, 40));
            assert_eq!(progress.line(), None, "it has only begun");
            progress.state().said -= SAID_EVERY;
            let line = progress.line();
            assert_eq!(line.as_deref(), Some("saving: 10 of 40 keys, 25 %"));
            assert_eq!(progress.line(), None, "it was said");
            assert_eq!(progress.end(is_good), None);
            let (was_good, text) = progress.end(true).expect("it was the last");
            assert_eq!(was_good, is_good);
            assert!(text.starts_with(match is_good {
                true => "saved 10 keys in 0.",
                false => "saving was given up after 0.",
            }));
            assert_eq!(progress.keys(), (0, 0));
        }
    }
}
