//! The figures of one shard at one moment, for INFO and MEMORY.

use super::service::Service;
use crate::engine::EngineStats;
use crate::metrics::ShardMetrics;

/// The figures of one shard.
#[derive(Debug, Clone)]
pub struct ShardSnapshot {
    /// Its number.
    pub shard: usize,
    /// What its engine says.
    pub engine: EngineStats,
    /// What it counts.
    pub metrics: ShardMetrics,
}

impl Service {
    /// This shard's figures now.
    pub(super) fn snapshot(&self) -> ShardSnapshot {
        ShardSnapshot { shard: self.shard.id, engine: self.shard.engine.stats(), metrics: self.metrics.clone() }
    }
    pub(super) fn info_text(&self, _: &[ShardSnapshot], _: &[String]) -> String { String::new() }
}
