//! MEMORY STATS, DOCTOR and PURGE; USAGE is a command on one key.

use super::super::server_operation::{Call, Finish};
use super::super::service::Service;
use super::super::snapshot::ShardSnapshot;
use super::{Answered, Outcome, lower};
use crate::command::introspect::write_help;
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;

impl Service {
    pub(super) fn memory(&mut self, args: &Args<'_>, reply: &mut Reply) -> Outcome {
        match &lower(args.get(1))[..] {
            "stats" => Ok(Answered::AskAll(Call::Snapshot, Finish::MemoryStats)),
            "doctor" => Ok(Answered::AskAll(Call::Snapshot, Finish::MemoryDoctor)),
            "purge" => Ok(Answered::AskAll(Call::Purge, Finish::Ok)),
            "malloc-stats" => {
                reply.verbatim(
                    "txt",
                    b"Items live in an arena of torc's own; see MEMORY STATS.",
                );
                Ok(Answered::Now)
            }
            "help" => {
                write_help(reply, "MEMORY");
                Ok(Answered::Now)
            }
            other => unreachable!("MEMORY {other} is not in the command table"),
        }
    }

    /// MEMORY STATS: Redis' names where they mean the same, then torc's own.
    pub(in crate::server) fn write_memory_stats(
        &self,
        shards: &[ShardSnapshot],
        reply: &mut Reply,
    ) {
        let sum = |figure: fn(&ShardSnapshot) -> u64| shards.iter().map(figure).sum::<u64>() as i64;
        let used = sum(|shard| shard.engine.bytes_used + shard.metrics.bytes_buffers);
        let items = sum(|shard| shard.engine.items);
        let dataset = sum(|shard| shard.engine.bytes_items);
        let rows = [
            ("peak.allocated", sum(|shard| shard.engine.bytes_used_max)),
            ("total.allocated", used),
            ("startup.allocated", 0),
            ("replication.backlog", 0),
            ("clients.slaves", 0),
            ("clients.normal", sum(|shard| shard.metrics.bytes_buffers)),
            ("cluster.links", 0),
            ("aof.buffer", 0),
            ("lua.caches", 0),
            ("functions.caches", 0),
            ("overhead.total", used - dataset),
            ("keys.count", items),
            (
                "keys.bytes-per-key",
                if items > 0 { used / items } else { 0 },
            ),
            ("dataset.bytes", dataset),
            ("arena.bytes", sum(|shard| shard.engine.bytes_arena)),
            ("arena.pages", sum(|shard| shard.engine.pages)),
            ("arena.pages-free", sum(|shard| shard.engine.pages_free)),
            ("arena.pages-moved", sum(|shard| shard.engine.pages_moved)),
            (
                "dictionary.bytes",
                sum(|shard| shard.engine.bytes_dictionaries),
            ),
            ("large-values.bytes", sum(|shard| shard.engine.bytes_large)),
            ("eviction.bytes", sum(|shard| shard.engine.bytes_eviction)),
        ];
        reply.map(rows.len());
        for (name, value) in rows {
            reply.bulk(name.as_bytes());
            reply.integer(value);
        }
    }

    /// MEMORY DOCTOR.
    pub(in crate::server) fn memory_advice(&self, shards: &[ShardSnapshot]) -> String {
        let sum = |figure: fn(&ShardSnapshot) -> u64| shards.iter().map(figure).sum::<u64>();
        let items = sum(|shard| shard.engine.bytes_items);
        let arena = sum(|shard| shard.engine.bytes_arena);
        let used = sum(|shard| shard.engine.bytes_used);
        let buffers = sum(|shard| shard.metrics.bytes_buffers);
        let mut advice = Vec::new();
        if self.config.maxmemory == 0 {
            advice.push("maxmemory is not set: nothing bounds the memory of this process. Set it, and choose a maxmemory-policy.".to_string());
        }
        if arena > 64 << 20 && items * 4 < arena * 3 {
            advice.push(format!(
                "Items fill {} % of the arena's pages: value sizes have changed. Pages move to the sizes in demand by themselves; MEMORY PURGE gives free ones back now.",
                items * 100 / arena
            ));
        }
        if buffers > used / 4 && buffers > 64 << 20 {
            advice.push("Clients' buffers hold much memory: look for readers that do not read with CLIENT LIST (omem), and set client-output-buffer-limit or maxmemory-clients.".to_string());
        }
        if advice.is_empty() {
            return "No memory problem was found.\n".to_string();
        }
        advice.join("\n") + "\n"
    }
}
