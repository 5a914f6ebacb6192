//! Counters of memcached's `stats`, per shard.

/// What the commands count, named as `stats` names it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct MemcacheStats {
    pub cmd_get: u64,
    pub cmd_set: u64,
    pub cmd_touch: u64,
    pub cmd_meta: u64,
    pub get_hits: u64,
    pub get_misses: u64,
    pub delete_hits: u64,
    pub delete_misses: u64,
    pub incr_hits: u64,
    pub incr_misses: u64,
    pub decr_hits: u64,
    pub decr_misses: u64,
    pub cas_hits: u64,
    pub cas_misses: u64,
    pub cas_badval: u64,
    pub touch_hits: u64,
    pub touch_misses: u64,
    pub store_too_large: u64,
    pub store_no_memory: u64,
    /// Items stored, whether new or in another's place.
    pub total_items: u64,
}

impl MemcacheStats {
    /// The counters by name, in the order of `stats`.
    pub fn named(&self) -> [(&'static str, u64); 20] {
        [
            ("cmd_get", self.cmd_get),
            ("cmd_set", self.cmd_set),
            ("cmd_touch", self.cmd_touch),
            ("cmd_meta", self.cmd_meta),
            ("get_hits", self.get_hits),
            ("get_misses", self.get_misses),
            ("delete_misses", self.delete_misses),
            ("delete_hits", self.delete_hits),
            ("incr_misses", self.incr_misses),
            ("incr_hits", self.incr_hits),
            ("decr_misses", self.decr_misses),
            ("decr_hits", self.decr_hits),
            ("cas_misses", self.cas_misses),
            ("cas_hits", self.cas_hits),
            ("cas_badval", self.cas_badval),
            ("touch_hits", self.touch_hits),
            ("touch_misses", self.touch_misses),
            ("store_too_large", self.store_too_large),
            ("store_no_memory", self.store_no_memory),
            ("total_items", self.total_items),
        ]
    }

    /// Adds another shard's.
    pub fn add(&mut self, other: &MemcacheStats) {
        self.cmd_get += other.cmd_get;
        self.cmd_set += other.cmd_set;
        self.cmd_touch += other.cmd_touch;
        self.cmd_meta += other.cmd_meta;
        self.get_hits += other.get_hits;
        self.get_misses += other.get_misses;
        self.delete_hits += other.delete_hits;
        self.delete_misses += other.delete_misses;
        self.incr_hits += other.incr_hits;
        self.incr_misses += other.incr_misses;
        self.decr_hits += other.decr_hits;
        self.decr_misses += other.decr_misses;
        self.cas_hits += other.cas_hits;
        self.cas_misses += other.cas_misses;
        self.cas_badval += other.cas_badval;
        self.touch_hits += other.touch_hits;
        self.touch_misses += other.touch_misses;
        self.store_too_large += other.store_too_large;
        self.store_no_memory += other.store_no_memory;
        self.total_items += other.total_items;
    }

    /// Counts a look-up of `get` and its like.
    #[inline]
    pub fn count_get(&mut self, found: bool) {
        self.cmd_get += 1;
        self.get_hits += u64::from(found);
        self.get_misses += u64::from(!found);
    }

    /// Counts a change of an expiry.
    #[inline]
    pub fn count_touch(&mut self, found: bool) {
        self.cmd_touch += 1;
        self.touch_hits += u64::from(found);
        self.touch_misses += u64::from(!found);
    }
}
