//! S3-FIFO: three queues instead of an order by use (Yang et al., SOSP 2023; the variant with a threshold of two hits).
//!
//! A new item enters the small queue, meant for a tenth of the items. One that was hit twice before it reaches the end goes on to the main queue,
//! the others are evicted and remembered in the [`Ghost`]; one that comes back while it is remembered enters the main queue at once.
//! The main queue gives every item that was hit since one more round per hit, three at most.
//! A hit only sets bits in the item: no queue moves on a read.
//!
//! Sizes: queues count items, not bytes. With mixed sizes a large item has the same claim to its place as a small one, as with LRU; the share of
//! the queues in bytes then differs from that in items.
//! The work of one eviction is bounded by [`STEPS_MAX`]; then the item last looked at goes, whatever its hits.
//!
//! The access field: hits 2 bits, queue 2, tag of the queue entry 10 (see [`Queue`]), time of the last use 10 (in 64 s).

use super::Candidates;
use super::ghost::Ghost;
use super::queue::{Queue, TAGS};
use super::sample::Scope;
use crate::engine::Item;
use crate::engine::frozen::{In, Out};
use std::io;

const HITS_MAX: u32 = 3;
/// Hits in the small queue that lead to the main one.
const HITS_PROMOTE_MIN: u32 = 2;
const QUEUE_SHIFT: u32 = 2;
const QUEUE_MASK: u32 = 0b11 << QUEUE_SHIFT;
const NOWHERE: u32 = 0;
const SMALL: u32 = 1 << QUEUE_SHIFT;
const MAIN: u32 = 2 << QUEUE_SHIFT;
const TAG_SHIFT: u32 = 4;
const TAG_MASK: u32 = (TAGS - 1) << TAG_SHIFT;
const TIME_SHIFT: u32 = 14;
const TIME_MASK: u32 = 0x3ff;
const TIME_UNIT_MS: i64 = 64 * 1024;
/// Queue entries looked at for one eviction.
const STEPS_MAX: usize = 64;
/// One in so many evictions also looks at a random item, to find those that are in no queue (an eviction the store could not carry out).
const STRAY_SEARCH_EVERY: u32 = 16;
/// Entries compacted at each eviction and insertion, more than one can add.
const COMPACT_ENTRIES: usize = 4;

fn time(now_ms: i64) -> u32 {
    (now_ms / TIME_UNIT_MS) as u32 & TIME_MASK
}

/// The access field of an item in no queue that was used so long ago.
pub fn field(now_ms: i64, idle_ms: u64) -> u32 {
    let units = u32::try_from(idle_ms / TIME_UNIT_MS as u64)
        .unwrap_or(TIME_MASK)
        .min(TIME_MASK);
    (time(now_ms).wrapping_sub(units) & TIME_MASK) << TIME_SHIFT
}

/// Milliseconds since the item was last used, in units of about a minute; up to 18 hours.
pub fn idle_ms(now_ms: i64, access: u32) -> u64 {
    u64::from(time(now_ms).wrapping_sub(access >> TIME_SHIFT) & TIME_MASK) * TIME_UNIT_MS as u64
}

/// See the module.
#[derive(Debug)]
pub struct S3Fifo {
    scope: Scope,
    small: Queue,
    main: Queue,
    ghost: Ghost,
    /// Modulo the bits of the field.
    time: u32,
    evictions: u32,
}

impl S3Fifo {
    /// Empty queues.
    pub fn new(scope: Scope) -> S3Fifo {
        S3Fifo {
            scope,
            small: Queue::default(),
            main: Queue::default(),
            ghost: Ghost::default(),
            time: 0,
            evictions: 0,
        }
    }

    /// Sets the time.
    pub fn set_now(&mut self, now_ms: i64) {
        self.time = time(now_ms);
    }

    /// Which items the policy may evict.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Items in the queues.
    fn len(&self) -> usize {
        self.small.live() + self.main.live()
    }

    fn ghost_capacity(&self) -> usize {
        self.len() - self.len() / 10
    }

    /// Hits since the item entered its queue.
    pub fn hits(access: u32) -> u32 {
        access & HITS_MAX
    }

    /// The access field of a new item.
    pub fn on_insert(&mut self, item: Item, hash: u64, expires: bool) -> u32 {
        let fresh = self.time << TIME_SHIFT;
        if !self.scope.holds(expires) {
            return fresh;
        }
        let queue = if self.ghost.take(hash, self.ghost_capacity()) {
            MAIN
        } else {
            SMALL
        };
        self.enter(queue, item, fresh)
    }

    /// Takes an item in that came from another policy. Into the small queue, which decides quickly: strangers in the main one would be
    /// kept until others replace them, and nothing might.
    pub fn adopt(&mut self, item: Item, field: u32, expires: bool) -> u32 {
        if self.scope.holds(expires) {
            self.enter(SMALL, item, field)
        } else {
            field
        }
    }

    fn enter(&mut self, queue: u32, item: Item, access: u32) -> u32 {
        let tag = if queue == MAIN {
            self.main.push(item.0)
        } else {
            self.small.push(item.0)
        };
        access & !(QUEUE_MASK | TAG_MASK) | queue | tag << TAG_SHIFT
    }

    /// The access field after one more use.
    #[inline]
    pub fn on_access(&mut self, access: u32) -> u32 {
        let hit = u32::from(access & HITS_MAX < HITS_MAX);
        ((access & (HITS_MAX | QUEUE_MASK | TAG_MASK)) + hit) | (self.time << TIME_SHIFT)
    }

    /// The item is gone, or no longer the policy's business.
    pub fn on_remove(&mut self, access: u32) {
        match access & QUEUE_MASK {
            SMALL => self.small.forget(),
            MAIN => self.main.forget(),
            _ => {}
        }
    }

    /// The item has another reference: it goes to the young end of its queue.
    pub fn on_move(&mut self, to: Item, access: u32) -> u32 {
        self.on_remove(access);
        match access & QUEUE_MASK {
            NOWHERE => access,
            queue => self.enter(queue, to, access),
        }
    }

    /// The item got or lost its expiry.
    pub fn on_expiry(&mut self, item: Item, access: u32, hash: u64, expires: bool) -> u32 {
        match (access & QUEUE_MASK == NOWHERE, self.scope.holds(expires)) {
            (true, true) => self.on_insert(item, hash, expires) | Self::hits(access),
            (false, false) => {
                self.on_remove(access);
                access & !(QUEUE_MASK | TAG_MASK)
            }
            _ => access,
        }
    }

    /// The item to evict; it is in no queue any more. Items from `walk` on are not the policy's yet.
    pub fn victim<C: Candidates>(&mut self, candidates: &mut C, walk: u32) -> Option<Item> {
        self.evictions = self.evictions.wrapping_add(1);
        if self.evictions.is_multiple_of(STRAY_SEARCH_EVERY) {
            let item = self.scope.random(candidates)?;
            if item.0 < walk {
                self.adopt_stray(candidates, item);
            }
        }
        self.compact(candidates, COMPACT_ENTRIES);
        let total = self.len();
        let mut from_main = self.main.live() > total - total / 10;
        let mut last = None;
        for _ in 0..STEPS_MAX {
            if from_main && self.main.live() == 0 || !from_main && self.small.live() == 0 {
                from_main = !from_main;
            }
            let (name, queue) = if from_main {
                (MAIN, &mut self.main)
            } else {
                (SMALL, &mut self.small)
            };
            let Some((reference, tag)) = queue.pop() else {
                break;
            };
            let item = Item(reference);
            if !is_current(candidates, item, name, tag) {
                continue;
            }
            queue.forget();
            let access = candidates.access(item);
            let hits = Self::hits(access);
            candidates.set_access(item, access & !(QUEUE_MASK | TAG_MASK));
            // The one looked at before stays after all.
            if let Some((item, access)) = last.replace((item, access)) {
                self.stay(candidates, item, access);
            }
            if hits < if from_main { 1 } else { HITS_PROMOTE_MIN } {
                break;
            }
        }
        // Nothing but stale entries within the bound, or all items are strangers.
        let Some((item, access)) = last else {
            return self.scope.random(candidates);
        };
        self.note_victim(access, candidates.hash(item));
        Some(item)
    }

    /// Remembers an evicted item's key if it deserves that.
    pub fn note_victim(&mut self, access: u32, hash: u64) {
        if access & QUEUE_MASK == SMALL {
            let capacity = self.ghost_capacity();
            self.ghost.insert(hash, capacity);
        }
    }

    /// Puts an item that is in no queue into the small one.
    pub fn adopt_stray<C: Candidates>(&mut self, candidates: &mut C, item: Item) {
        let access = candidates.access(item);
        if access & QUEUE_MASK == NOWHERE {
            let access = self.enter(SMALL, item, access);
            candidates.set_access(item, access);
        }
    }

    /// How much an item of a sample deserves to go: by its hits, then by its idle time.
    pub fn score(&self, access: u32) -> u64 {
        let idle = self.time.wrapping_sub(access >> TIME_SHIFT) & TIME_MASK;
        u64::from((HITS_MAX - Self::hits(access)) << TIME_SHIFT | idle)
    }

    /// Whether [`S3Fifo::compact`] has something to do.
    pub fn wants_compaction(&self) -> bool {
        self.small.wants_compaction() || self.main.wants_compaction()
    }

    /// An item that was popped with hits gets its next round.
    fn stay<C: Candidates>(&mut self, candidates: &mut C, item: Item, access: u32) {
        let hits = if access & QUEUE_MASK == SMALL {
            0
        } else {
            Self::hits(access) - 1
        };
        let access = self.enter(MAIN, item, access & !HITS_MAX | hits);
        candidates.set_access(item, access);
    }

    /// Drops stale entries when they are more than half.
    pub fn compact<C: Candidates>(&mut self, candidates: &mut C, entries_max: usize) {
        for (name, queue) in [(SMALL, &mut self.small), (MAIN, &mut self.main)] {
            queue.compact(entries_max, |reference, tag, push| {
                let item = Item(reference);
                if is_current(candidates, item, name, tag) {
                    let access = candidates.access(item) & !TAG_MASK | push() << TAG_SHIFT;
                    candidates.set_access(item, access);
                }
            });
        }
    }

    /// Writes the queues.
    pub fn freeze(&self, out: &mut Out<'_>) -> io::Result<()> {
        self.small.freeze(out)?;
        self.main.freeze(out)?;
        self.ghost.freeze(out)
    }

    /// Reads queues of this scope, of at most so many items.
    pub fn thaw(scope: Scope, items: usize, input: &mut In<'_>) -> Result<S3Fifo, String> {
        Ok(S3Fifo {
            small: Queue::thaw(input, items)?,
            main: Queue::thaw(input, items)?,
            ghost: Ghost::thaw(input)?,
            ..S3Fifo::new(scope)
        })
    }

    /// Bytes on the heap.
    pub fn bytes(&self) -> usize {
        self.small.bytes() + self.main.bytes() + self.ghost.bytes()
    }

    /// Drops one chunk of a policy that is no longer used; false when there is none left.
    pub fn free_chunk(&mut self) -> bool {
        self.small.free_chunk() || self.main.free_chunk() || self.ghost.free_chunk()
    }
}

fn is_current<C: Candidates>(candidates: &C, item: Item, queue: u32, tag: u32) -> bool {
    candidates.is_present(item)
        && candidates.access(item) & (QUEUE_MASK | TAG_MASK) == queue | tag << TAG_SHIFT
}
