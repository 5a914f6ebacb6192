//! Which shards have subscribers, as all shards see it: who publishes asks here where to send, and sends nothing to the others.
//!
//! Channels share counters by slot, so that the answer "yes" may be wrong and costs a message then; "no" is never wrong. The names themselves are
//! kept
//! behind a lock, for counting each once; it is taken only when a shard gets its first subscriber of a name or loses its last.

use crate::command::Subscription;
use crate::limits::SLOTS;
use crate::shard::slots;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// Counters for channels, per shard: one for this many slots together.
const SLOTS_PER_COUNTER: usize = 16;
const COUNTERS: usize = SLOTS / SLOTS_PER_COUNTER;

/// What one shard has subscribers for: the number of names, by counter.
struct OfShard {
    channels: Box<[AtomicU32]>,
    shard_channels: Box<[AtomicU32]>,
    patterns: AtomicU32,
    /// All of `channels`.
    channels_total: AtomicU32,
}

/// Names with the number of shards that have subscribers for each; a tree, so that no insertion ever moves all of them.
type Names = BTreeMap<Arc<[u8]>, u32>;

/// What all shards have subscribers for.
pub struct Interest {
    shards: Vec<OfShard>,
    /// How often a shard has got its first subscriber of a name: the time by which messages and subscriptions are put in order.
    moment: AtomicU64,
    names: Mutex<[Names; 3]>,
}

fn counters() -> Box<[AtomicU32]> {
    (0..COUNTERS).map(|_| AtomicU32::new(0)).collect()
}

impl OfShard {
    fn counter(&self, kind: Subscription, name: &[u8]) -> &AtomicU32 {
        let at = usize::from(slots::slot(name)) / SLOTS_PER_COUNTER;
        match kind {
            Subscription::Channel => &self.channels[at],
            Subscription::ShardChannel => &self.shard_channels[at],
            Subscription::Pattern => &self.patterns,
        }
    }
}

impl Interest {
    /// None, in a server of so many shards.
    pub fn new(shards: usize) -> Interest {
        let of_shard = |_| OfShard {
            channels: counters(),
            shard_channels: counters(),
            patterns: AtomicU32::new(0),
            channels_total: AtomicU32::new(0),
        };
        Interest {
            shards: (0..shards).map(of_shard).collect(),
            moment: AtomicU64::new(0),
            names: Mutex::default(),
        }
    }

    /// A shard has its first subscriber of a name. From the return on everybody who publishes asks that shard: the subscription may be confirmed.
    /// The moment of it: messages of earlier ones are not for these subscribers.
    pub fn begin(&self, shard: usize, kind: Subscription, name: &Arc<[u8]>) -> u64 {
        let of_shard = &self.shards[shard];
        of_shard.counter(kind, name).fetch_add(1, Ordering::SeqCst);
        if kind == Subscription::Channel {
            of_shard.channels_total.fetch_add(1, Ordering::SeqCst);
        }
        let mut names = self.names();
        *names[kind as usize].entry(name.clone()).or_default() += 1;
        drop(names);
        self.moment.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// The moment of a message that is published now. To be asked for before [`Interest::has`], so that who may receive the first of two messages is asked
    /// about the second as well.
    pub fn moment(&self) -> u64 {
        self.moment.load(Ordering::SeqCst)
    }

    /// A shard has lost its last subscriber of a name.
    pub fn end(&self, shard: usize, kind: Subscription, name: &[u8]) {
        let of_shard = &self.shards[shard];
        let before = of_shard.counter(kind, name).fetch_sub(1, Ordering::SeqCst);
        assert!(before > 0, "what ends has begun");
        if kind == Subscription::Channel {
            of_shard.channels_total.fetch_sub(1, Ordering::SeqCst);
        }
        let mut names = self.names();
        let names = &mut names[kind as usize];
        let count = names.get_mut(name).expect("what ends has begun");
        *count -= 1;
        if *count == 0 {
            names.remove(name);
        }
    }

    /// Whether a shard may have subscribers for what is published to a channel.
    pub fn has(&self, shard: usize, kind: Subscription, channel: &[u8]) -> bool {
        let shard = &self.shards[shard];
        shard.counter(kind, channel).load(Ordering::SeqCst) > 0
            || kind == Subscription::Channel && shard.patterns.load(Ordering::SeqCst) > 0
    }

    /// Whether a shard has subscribers of any channel or pattern; those of shard channels do not count.
    pub fn has_any(&self, shard: usize) -> bool {
        let shard = &self.shards[shard];
        shard.patterns.load(Ordering::SeqCst) > 0 || shard.channels_total.load(Ordering::SeqCst) > 0
    }

    /// Names with subscribers on any shard, each counted once.
    pub fn count(&self, kind: Subscription) -> usize {
        self.names()[kind as usize].len()
    }

    fn names(&self) -> std::sync::MutexGuard<'_, [Names; 3]> {
        self.names
            .lock()
            .expect("no shard panicked while it held the names")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_found_by_channel_and_names_counted_once() {
        let interest = Interest::new(3);
        let name: Arc<[u8]> = (*b"news").into();
        for shard in [0, 2] {
            interest.begin(shard, Subscription::Channel, &name);
        }
        let has = |kind, channel: &[u8]| [0, 1, 2].map(|shard| interest.has(shard, kind, channel));
        assert_eq!(has(Subscription::Channel, b"news"), [true, false, true]);
        assert_eq!(has(Subscription::ShardChannel, b"news"), [false; 3]);
        assert_eq!(interest.count(Subscription::Channel), 1);
        assert_eq!(
            [0, 1, 2].map(|shard| interest.has_any(shard)),
            [true, false, true]
        );
        interest.begin(1, Subscription::ShardChannel, &name);
        assert!(!interest.has_any(1));
        interest.end(1, Subscription::ShardChannel, &name);
        interest.begin(1, Subscription::Pattern, &name);
        assert!(interest.has_any(1));
        assert_eq!(has(Subscription::Channel, b"other"), [false, true, false]);
        assert_eq!(has(Subscription::ShardChannel, b"other"), [false; 3]);
        interest.end(0, Subscription::Channel, b"news");
        assert_eq!(interest.count(Subscription::Channel), 1);
        interest.end(2, Subscription::Channel, b"news");
        interest.end(1, Subscription::Pattern, b"news");
        assert_eq!(Subscription::ALL.map(|kind| interest.count(kind)), [0; 3]);
        assert_eq!(has(Subscription::Channel, b"news"), [false; 3]);
        assert_eq!([0, 1, 2].map(|shard| interest.has_any(shard)), [false; 3]);
    }
}
