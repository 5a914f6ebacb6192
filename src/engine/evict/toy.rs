//! A toy store for the tests of all policies: a map from keys to slots that are reused at once, every item weighing one.

use super::{Candidates, Eviction, EvictionOptions};
use crate::engine::{Item, Policy};
use std::collections::HashMap;

#[derive(Debug, Clone, Copy)]
struct Slot {
    key: u32,
    access: u32,
    expiry: Option<i64>,
}

/// What the policies see.
#[derive(Debug, Default)]
pub struct Slots {
    slots: Vec<Option<Slot>>,
    free: Vec<u32>,
    expiring: usize,
    random: u64,
}

impl Slots {
    fn slot(&self, item: Item) -> &Slot {
        self.slots[item.0 as usize]
            .as_ref()
            .expect("an item that is there")
    }

    fn next_random(&mut self) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.random >> 33
    }
}

impl Candidates for Slots {
    fn random(&mut self) -> Option<Item> {
        if self.free.len() == self.slots.len() {
            return None;
        }
        loop {
            let place = self.next_random() as usize % self.slots.len();
            if self.slots[place].is_some() {
                return Some(Item(place as u32));
            }
        }
    }

    fn random_volatile(&mut self) -> Option<Item> {
        if self.expiring == 0 {
            return None;
        }
        loop {
            let item = self.random()?;
            if self.slot(item).expiry.is_some() {
                return Some(item);
            }
        }
    }

    fn is_present(&self, item: Item) -> bool {
        self.slots.get(item.0 as usize).is_some_and(Option::is_some)
    }

    fn access(&self, item: Item) -> u32 {
        self.slot(item).access
    }

    fn set_access(&mut self, item: Item, access: u32) {
        assert!(access < 1 << 24, "the field has 24 bits");
        self.slots[item.0 as usize]
            .as_mut()
            .expect("an item that is there")
            .access = access;
    }

    fn expiry(&self, item: Item) -> Option<i64> {
        self.slot(item).expiry
    }

    fn hash(&self, item: Item) -> u64 {
        hash(self.slot(item).key)
    }

    fn at_or_after(&self, reference: u32) -> Result<Item, u32> {
        (reference as usize..self.slots.len())
            .map(|place| Item(place as u32))
            .find(|&item| self.is_present(item))
            .ok_or(u32::MAX)
    }
}

fn hash(key: u32) -> u64 {
    (u64::from(key) + 1)
        .wrapping_mul(0xff51_afd7_ed55_8ccd)
        .rotate_left(31)
        .wrapping_mul(0xc4ce_b9fe_1a85_ec53)
}

/// The store.
pub struct Toy {
    /// The policy under test.
    pub eviction: Eviction,
    /// The items.
    pub slots: Slots,
    keys: HashMap<u32, Item, foldhash::fast::FixedState>,
    items_max: usize,
}

/// The usual options with a policy.
pub fn options(policy: Policy) -> EvictionOptions {
    EvictionOptions {
        policy,
        samples: 5,
        lfu_log_factor: 10,
        lfu_decay_minutes: 1,
    }
}

impl Toy {
    /// An empty store of so many items at most.
    pub fn new(policy: Policy, items_max: usize) -> Toy {
        Toy {
            eviction: Eviction::new(&options(policy), 42, 0),
            slots: Slots {
                random: 42,
                ..Slots::default()
            },
            keys: HashMap::default(),
            items_max,
        }
    }

    /// Does all background work.
    pub fn upkeep(&mut self) {
        while self.eviction.has_work() {
            self.eviction.upkeep(&mut self.slots, 64);
        }
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Where a key is.
    pub fn find(&self, key: u32) -> Option<Item> {
        self.keys.get(&key).copied()
    }

    /// Reads a key, which is a use; whether it is there.
    pub fn get(&mut self, key: u32) -> bool {
        let Some(item) = self.find(key) else {
            return false;
        };
        let access = self.eviction.on_access(item, self.slots.access(item));
        self.slots.set_access(item, access);
        true
    }

    /// Evicts one item; false when the policy names none.
    pub fn evict(&mut self) -> bool {
        let Some(victim) = self.eviction.victim(&mut self.slots) else {
            return false;
        };
        let key = self.slots.slot(victim).key;
        assert_eq!(
            self.find(key),
            Some(victim),
            "a victim is an item of the store"
        );
        assert!(self.remove(key));
        true
    }

    /// Inserts a key that is not there; false when there is no room and the policy makes none.
    pub fn insert(&mut self, key: u32, expiry: Option<i64>) -> bool {
        assert!(self.find(key).is_none());
        while self.len() >= self.items_max {
            if !self.evict() {
                return false;
            }
        }
        let place = self.slots.free.pop().unwrap_or_else(|| {
            self.slots.slots.push(None);
            self.slots.slots.len() as u32 - 1
        });
        let item = Item(place);
        let access = self.eviction.on_insert(item, hash(key), expiry.is_some());
        self.slots.slots[place as usize] = Some(Slot {
            key,
            access,
            expiry,
        });
        self.slots.expiring += usize::from(expiry.is_some());
        self.keys.insert(key, item);
        true
    }

    /// Reads a key and inserts it when it is not there; whether it was.
    pub fn request(&mut self, key: u32) -> bool {
        self.get(key) || !self.insert(key, None)
    }

    /// Deletes a key; whether it was there.
    pub fn remove(&mut self, key: u32) -> bool {
        let Some(item) = self.keys.remove(&key) else {
            return false;
        };
        self.eviction.on_remove(item, self.slots.access(item));
        self.slots.expiring -= usize::from(self.slots.expiry(item).is_some());
        self.slots.slots[item.0 as usize] = None;
        self.slots.free.push(item.0);
        true
    }

    /// Sets or clears a key's expiry.
    pub fn set_expiry(&mut self, key: u32, expiry: Option<i64>) {
        let item = self.find(key).expect("a key that is there");
        let (had, has) = (self.slots.expiry(item).is_some(), expiry.is_some());
        if had != has {
            let access = self
                .eviction
                .on_expiry(item, self.slots.access(item), hash(key), has);
            self.slots.set_access(item, access);
        }
        self.slots.slots[item.0 as usize]
            .as_mut()
            .expect("an item that is there")
            .expiry = expiry;
        self.slots.expiring = self.slots.expiring + usize::from(has) - usize::from(had);
    }

    /// Moves a key to another slot.
    pub fn relocate(&mut self, key: u32) {
        let from = self.find(key).expect("a key that is there");
        let to = Item(self.slots.slots.len() as u32);
        let mut slot = *self.slots.slot(from);
        slot.access = self
            .eviction
            .on_move(from, to, slot.access, slot.expiry.is_some());
        self.slots.slots.push(Some(slot));
        self.slots.slots[from.0 as usize] = None;
        self.slots.free.push(from.0);
        self.keys.insert(key, to);
    }
}
