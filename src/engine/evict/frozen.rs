//! What a warm restart keeps of the eviction policy: the clock of uses, and the queues of S3-FIFO.
//!
//! Not kept: pools of candidates, which are samples, and randomness. The access fields are in the items.

use super::{Eviction, EvictionOptions, Kind, Lfu, Meaning, WALK_DONE};
use crate::engine::Policy;
use crate::engine::evict::clock::AccessClock;
use crate::engine::evict::s3fifo::S3Fifo;
use crate::engine::frozen::{In, Out};
use std::io;

impl Eviction {
    /// Writes it; no walk and no compaction may be under way.
    pub fn freeze(&self, out: &mut Out<'_>) -> io::Result<()> {
        assert!(!self.has_work(), "the policy has finished its work");
        out.bytes(&[self.policy() as u8])?;
        self.clock.freeze(out)?;
        match &self.kind {
            Kind::S3Fifo(queues) => queues.freeze(out),
            _ => Ok(()),
        }
    }

    /// Any policy that treats items as this one does.
    fn policy(&self) -> Policy {
        let is_it = |policy: &&Policy| {
            let (kind, meaning) = Self::kind(**policy);
            let scopes_agree = match (&kind, &self.kind) {
                (Kind::S3Fifo(one), Kind::S3Fifo(other)) => one.scope() == other.scope(),
                _ => true,
            };
            meaning == self.meaning && scopes_agree
        };
        let mut policies = Policy::ALL.iter();
        *policies
            .find(is_it)
            .expect("every meaning is some policy's")
    }

    /// Reads that of a store of so many items. The options may be of another policy, which the items then follow as after any change.
    pub fn thaw(
        input: &mut In<'_>,
        options: &EvictionOptions,
        seed: u64,
        items: usize,
    ) -> Result<Eviction, String> {
        let policy = Policy::ALL.get(usize::from(input.byte()?));
        let (mut kind, meaning) = Self::kind(*policy.ok_or("its eviction policy is unknown")?);
        let clock = AccessClock::thaw(input)?;
        if let Kind::S3Fifo(queues) = &mut kind {
            *queues = S3Fifo::thaw(queues.scope(), items, input)?;
        }
        let now_ms = clock.now_ms();
        let mut eviction = Eviction {
            kind,
            meaning,
            clock,
            lfu: Lfu::new(options.lfu_log_factor, options.lfu_decay_minutes, seed),
            samples: options.samples.max(1),
            items,
            walk: WALK_DONE,
            previous: Meaning::Nothing,
            retired: Vec::new(),
        };
        eviction.set_now(now_ms);
        eviction.set_options(options);
        Ok(eviction)
    }
}
