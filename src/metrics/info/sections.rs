//! The sections of INFO, one function each.

use super::super::{ShardMetrics, TURN_BOUNDS_US};
use super::{Info, LogInfo, ShardInfo};
use std::fmt::Display;

/// A section's heading.
fn heading(text: &mut String, name: &str) {
    text.push_str(&format!("# {name}\r\n"));
}

/// One line.
fn field(text: &mut String, name: &str, value: impl Display) {
    text.push_str(&format!("{name}:{value}\r\n"));
}

/// Bytes for people, as Redis writes them: `967.25K`.
fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = 'B';
    for larger in ['K', 'M', 'G', 'T', 'P'] {
        if value < 1024.0 {
            break;
        }
        value /= 1024.0;
        unit = larger;
    }
    if unit == 'B' {
        format!("{bytes}B")
    } else {
        format!("{value:.2}{unit}")
    }
}

/// A share in percent; 0 of nothing.
fn percent(part: u64, whole: u64) -> String {
    format!(
        "{:.2}%",
        if whole == 0 {
            0.0
        } else {
            part as f64 * 100.0 / whole as f64
        }
    )
}

/// A ratio; 0 to nothing.
fn ratio(a: u64, b: u64) -> String {
    format!("{:.2}", if b == 0 { 0.0 } else { a as f64 / b as f64 })
}

/// A sum over the shards.
fn sum(info: &Info, figure: fn(&ShardInfo) -> u64) -> u64 {
    info.shards.iter().map(figure).sum()
}

pub fn server(info: &Info, _: &ShardMetrics, text: &mut String) {
    let uptime_seconds = (info.now_us / 1000).saturating_sub(info.started_ms) / 1000;
    heading(text, "Server");
    field(text, "redis_version", &info.redis_version);
    field(text, "redis_git_sha1", "00000000");
    field(text, "redis_git_dirty", 0);
    field(text, "redis_build_id", 0);
    field(text, "redis_mode", "standalone");
    field(text, "server_name", "torc");
    field(text, "torc_version", &info.version);
    field(text, "os", &info.os);
    field(text, "arch_bits", usize::BITS);
    field(text, "monotonic_clock", "POSIX clock_gettime");
    field(text, "multiplexing_api", "io_uring");
    field(text, "process_id", info.process_id);
    field(text, "process_supervised", "no");
    field(text, "run_id", &info.run_id);
    field(text, "tcp_port", info.tcp_port);
    field(text, "server_time_usec", info.now_us);
    field(text, "uptime_in_seconds", uptime_seconds);
    field(text, "uptime_in_days", uptime_seconds / 86400);
    field(text, "executable", &info.executable);
    field(text, "config_file", &info.config_file);
    field(text, "shards", info.shards.len());
    field(text, "io_threads_active", u8::from(info.shards.len() > 1));
}

pub fn clients(info: &Info, _: &ShardMetrics, text: &mut String) {
    heading(text, "Clients");
    field(text, "connected_clients", info.connected_clients);
    field(text, "cluster_connections", 0);
    field(text, "maxclients", info.maxclients);
    field(text, "client_recent_max_input_buffer", info.bytes_input_max);
    field(
        text,
        "client_recent_max_output_buffer",
        info.bytes_output_max,
    );
    field(text, "blocked_clients", info.blocked_clients);
    field(text, "tracking_clients", info.tracking_clients);
    field(text, "clients_in_timeout_table", 0);
}

pub fn memory(info: &Info, total: &ShardMetrics, text: &mut String) {
    let data = sum(info, |shard| shard.bytes_used);
    let items = sum(info, |shard| shard.bytes_items);
    let used = data + total.bytes_buffers;
    // The shards' peaks need not have been at the same moment, so this is an upper bound, and never below what is used now.
    let peak = used.max(sum(info, |shard| shard.bytes_used_max));
    let overhead = used.saturating_sub(items);
    heading(text, "Memory");
    for (name, bytes) in [
        ("used_memory", used),
        ("used_memory_rss", info.bytes_resident),
        ("used_memory_peak", peak),
    ] {
        field(text, name, bytes);
        field(text, &format!("{name}_human"), human(bytes));
    }
    field(text, "used_memory_peak_perc", percent(used, peak));
    field(text, "used_memory_overhead", overhead);
    field(text, "used_memory_startup", info.bytes_at_start);
    field(text, "used_memory_dataset", items);
    field(text, "used_memory_dataset_perc", percent(items, used));
    field(text, "allocator_allocated", items);
    field(text, "allocator_active", data);
    field(text, "allocator_resident", data);
    field(text, "total_system_memory", info.bytes_system);
    field(text, "total_system_memory_human", human(info.bytes_system));
    field(text, "used_memory_lua", 0);
    field(text, "used_memory_lua_human", human(0));
    field(text, "used_memory_scripts", 0);
    field(text, "used_memory_scripts_human", human(0));
    field(text, "number_of_cached_scripts", 0);
    field(text, "maxmemory", info.maxmemory);
    field(text, "maxmemory_human", human(info.maxmemory));
    field(text, "maxmemory_policy", &info.maxmemory_policy);
    field(text, "allocator_frag_ratio", ratio(data, items));
    field(text, "allocator_frag_bytes", data.saturating_sub(items));
    field(
        text,
        "mem_fragmentation_ratio",
        ratio(info.bytes_resident, used),
    );
    field(
        text,
        "mem_fragmentation_bytes",
        info.bytes_resident as i64 - used as i64,
    );
    field(text, "mem_not_counted_for_evict", total.bytes_buffers);
    field(text, "mem_replication_backlog", 0);
    field(text, "mem_clients_slaves", 0);
    field(text, "mem_clients_normal", total.bytes_buffers);
    field(text, "mem_aof_buffer", 0);
    field(text, "mem_allocator", "torc-arena");
    field(text, "mem_arena", sum(info, |shard| shard.bytes_arena));
    field(
        text,
        "mem_dictionaries",
        sum(info, |shard| shard.bytes_dictionaries),
    );
    field(
        text,
        "mem_large_values",
        sum(info, |shard| shard.bytes_large),
    );
    field(
        text,
        "mem_collections",
        sum(info, |shard| shard.bytes_collections),
    );
    field(text, "active_defrag_running", 0);
    field(
        text,
        "lazyfree_pending_objects",
        sum(info, |shard| shard.release_waiting),
    );
}

pub fn persistence(info: &Info, _: &ShardMetrics, text: &mut String) {
    heading(text, "Persistence");
    field(text, "loading", 0);
    field(text, "async_loading", 0);
    // Nobody forks: what it takes to give out keys as they were before they changed.
    field(text, "current_cow_peak", info.save_bytes.1);
    field(text, "current_cow_size", info.save_bytes.0);
    field(text, "current_cow_size_age", 0);
    field(text, "current_fork_perc", "0.00");
    field(text, "current_save_keys_processed", info.saving_keys.0);
    field(text, "current_save_keys_total", info.saving_keys.1);
    field(
        text,
        "rdb_changes_since_last_save",
        sum(info, |shard| shard.changes),
    );
    let seconds = |seconds: Option<u64>| seconds.map_or(-1, |seconds| seconds as i64);
    let is_saving = u8::from(info.save_takes_s.is_some());
    field(text, "rdb_bgsave_in_progress", is_saving);
    field(text, "rdb_last_save_time", info.save_last_s);
    let status = if info.save_is_good { "ok" } else { "err" };
    field(text, "rdb_last_bgsave_status", status);
    let took = seconds(info.save_last_took_s);
    field(text, "rdb_last_bgsave_time_sec", took);
    let takes = seconds(info.save_takes_s);
    field(text, "rdb_current_bgsave_time_sec", takes);
    field(text, "rdb_saves", info.saves);
    field(text, "rdb_last_cow_size", info.save_last_bytes_max);
    field(text, "rdb_last_load_keys_expired", info.imported_keys.1);
    field(text, "rdb_last_load_keys_loaded", info.imported_keys.0);
    let (outcome, bytes, keys, milliseconds) = &info.warm;
    field(text, "warm_restart_last_load", outcome);
    field(text, "warm_restart_last_load_bytes", bytes);
    field(text, "warm_restart_last_load_keys", keys);
    field(text, "warm_restart_last_load_ms", milliseconds);
    let logs: Vec<LogInfo> = info.shards.iter().filter_map(|shard| shard.log).collect();
    let any = |is: fn(&LogInfo) -> bool| u8::from(logs.iter().any(is));
    let status = |has_failed: fn(&LogInfo) -> bool| match logs.iter().any(has_failed) {
        true => "err",
        false => "ok",
    };
    let seconds = |of: fn(&LogInfo) -> Option<u64>| {
        let longest = logs.iter().filter_map(of).max();
        longest.map_or(-1, |seconds| seconds as i64)
    };
    field(text, "aof_enabled", u8::from(!logs.is_empty()));
    field(text, "aof_rewrite_in_progress", any(|log| log.is_rewriting));
    field(text, "aof_rewrite_scheduled", any(|log| log.is_scheduled));
    let last = seconds(|log| log.last_rewriting_s);
    field(text, "aof_last_rewrite_time_sec", last);
    let current = seconds(|log| log.rewriting_s);
    field(text, "aof_current_rewrite_time_sec", current);
    field(
        text,
        "aof_last_bgrewrite_status",
        status(|log| log.rewrite_failed),
    );
    let rewrites = logs.iter().map(|log| log.rewrites).sum::<u64>();
    field(text, "aof_rewrites", rewrites);
    let failures = logs.iter().map(|log| log.failures).max().unwrap_or(0);
    field(text, "aof_rewrites_consecutive_failures", failures);
    field(
        text,
        "aof_last_write_status",
        status(|log| log.write_failed),
    );
    field(text, "aof_last_cow_size", 0);
    field(text, "module_fork_in_progress", 0);
    field(text, "module_fork_last_cow_size", 0);
    if !logs.is_empty() {
        let total = |of: fn(&LogInfo) -> u64| logs.iter().map(of).sum::<u64>();
        field(text, "aof_current_size", total(|log| log.bytes));
        field(text, "aof_base_size", total(|log| log.bytes_base));
        field(text, "aof_pending_rewrite", any(|log| log.is_scheduled));
        field(text, "aof_buffer_length", total(|log| log.records_waiting));
        field(text, "aof_pending_bio_fsync", any(|log| log.is_late));
        field(text, "aof_delayed_fsync", any(|log| log.is_late));
    }
}

pub fn stats(info: &Info, total: &ShardMetrics, text: &mut String) {
    let rate = |figure: fn(&ShardMetrics) -> u64| {
        info.shards
            .iter()
            .map(|shard| figure(&shard.metrics))
            .sum::<u64>()
    };
    let kilobytes = |bytes: u64| format!("{:.2}", bytes as f64 / 1024.0);
    heading(text, "Stats");
    field(
        text,
        "total_connections_received",
        total.connections_received,
    );
    field(text, "total_commands_processed", total.commands);
    field(
        text,
        "instantaneous_ops_per_sec",
        rate(|shard| shard.rate_commands.per_second()),
    );
    field(text, "total_net_input_bytes", total.bytes_received);
    field(text, "total_net_output_bytes", total.bytes_sent);
    field(text, "total_net_repl_input_bytes", 0);
    field(text, "total_net_repl_output_bytes", 0);
    field(
        text,
        "instantaneous_input_kbps",
        kilobytes(rate(|shard| shard.rate_received.per_second())),
    );
    field(
        text,
        "instantaneous_output_kbps",
        kilobytes(rate(|shard| shard.rate_sent.per_second())),
    );
    field(text, "rejected_connections", total.rejected_connections);
    field(text, "sync_full", 0);
    field(text, "sync_partial_ok", 0);
    field(text, "sync_partial_err", 0);
    field(
        text,
        "expired_subkeys",
        sum(info, |shard| shard.expired_fields),
    );
    field(text, "expired_keys", sum(info, |shard| shard.expired_keys));
    field(text, "evicted_keys", sum(info, |shard| shard.evicted_keys));
    field(text, "evicted_clients", total.evicted_clients);
    field(
        text,
        "keyspace_hits",
        sum(info, |shard| shard.keyspace_hits),
    );
    field(
        text,
        "keyspace_misses",
        sum(info, |shard| shard.keyspace_misses),
    );
    field(text, "pubsub_channels", info.pubsub_channels);
    field(text, "pubsub_patterns", info.pubsub_patterns);
    field(text, "pubsubshard_channels", info.pubsub_shard_channels);
    field(text, "latest_fork_usec", 0);
    field(text, "total_forks", 0);
    field(text, "migrate_cached_sockets", 0);
    field(text, "slave_expires_tracked_keys", 0);
    field(text, "tracking_total_keys", info.tracking_keys);
    field(text, "tracking_total_items", info.tracking_items);
    field(text, "tracking_total_prefixes", info.tracking_prefixes);
    field(text, "unexpected_error_replies", 0);
    field(text, "total_error_replies", total.errors);
    field(
        text,
        "client_query_buffer_limit_disconnections",
        total.query_buffer_limit_disconnections,
    );
    field(
        text,
        "client_output_buffer_limit_disconnections",
        total.output_buffer_limit_disconnections,
    );
    field(
        text,
        "total_connections_handed_over",
        total.connections_handed_over,
    );
    field(text, "total_hops", total.hops_sent);
    field(text, "total_hop_messages", total.messages_sent);
    field(text, "total_ring_enters", total.enters);
}

pub fn replication(info: &Info, _: &ShardMetrics, text: &mut String) {
    heading(text, "Replication");
    field(text, "role", "master");
    field(text, "connected_slaves", 0);
    field(text, "master_failover_state", "no-failover");
    field(text, "master_replid", &info.run_id);
    field(text, "master_replid2", "0".repeat(40));
    field(text, "master_repl_offset", 0);
    field(text, "second_repl_offset", -1);
    field(text, "repl_backlog_active", 0);
    field(text, "repl_backlog_size", 0);
    field(text, "repl_backlog_first_byte_offset", 0);
    field(text, "repl_backlog_histlen", 0);
}

pub fn cpu(info: &Info, _: &ShardMetrics, text: &mut String) {
    let seconds = |us: u64| format!("{}.{:06}", us / 1_000_000, us % 1_000_000);
    heading(text, "CPU");
    field(text, "used_cpu_sys", seconds(info.cpu_system_us));
    field(text, "used_cpu_user", seconds(info.cpu_user_us));
    field(text, "used_cpu_sys_children", seconds(0));
    field(text, "used_cpu_user_children", seconds(0));
}

/// The commands that were called or refused, with their names, in alphabetical order.
fn called<'a>(
    info: &Info,
    total: &'a ShardMetrics,
) -> Vec<(&'static str, &'a super::super::CallStats)> {
    let with_names = info.commands.iter().copied().zip(&total.calls);
    let mut called: Vec<_> = with_names
        .filter(|(_, stats)| stats.calls > 0 || stats.rejected > 0)
        .collect();
    called.sort_by_key(|(name, _)| *name);
    called
}

pub fn command_stats(info: &Info, total: &ShardMetrics, text: &mut String) {
    heading(text, "Commandstats");
    for (name, stats) in called(info, total) {
        let value = format!(
            "calls={},usec={},usec_per_call={:.2},rejected_calls={},failed_calls={}",
            stats.calls,
            stats.us_total(),
            stats.us_mean(),
            stats.rejected,
            stats.failed
        );
        field(text, &format!("cmdstat_{name}"), value);
    }
}

pub fn error_stats(_: &Info, total: &ShardMetrics, text: &mut String) {
    heading(text, "Errorstats");
    let mut errors: Vec<_> = total.errors_by_code.iter().collect();
    errors.sort();
    for (code, count) in errors {
        // A colon would end the name, as in Redis.
        field(
            text,
            &format!("errorstat_{}", code.replace(':', "_")),
            format_args!("count={count}"),
        );
    }
}

pub fn latency_stats(info: &Info, total: &ShardMetrics, text: &mut String) {
    heading(text, "Latencystats");
    for (name, stats) in called(info, total) {
        let Some(times) = &stats.time_ns else {
            continue;
        };
        let us = |percent: f64| times.percentile(percent) as f64 / 1000.0;
        let value = format!(
            "p50={:.3},p99={:.3},p99.9={:.3}",
            us(50.0),
            us(99.0),
            us(99.9)
        );
        field(text, &format!("latency_percentiles_usec_{name}"), value);
    }
}

pub fn cluster(_: &Info, _: &ShardMetrics, text: &mut String) {
    heading(text, "Cluster");
    field(text, "cluster_enabled", 0);
}

pub fn keyspace(info: &Info, _: &ShardMetrics, text: &mut String) {
    heading(text, "Keyspace");
    for database in info.databases.iter().filter(|database| database.keys > 0) {
        let value = format_args!(
            "keys={},expires={},avg_ttl={}",
            database.keys, database.expires, database.ttl_ms_mean
        )
        .to_string();
        field(text, &format!("db{}", database.number), value);
    }
}

/// One line for a shard's figures, and one for the lengths of its turns: `le_10=5` is five turns of at most 10 microseconds and more than the bound before.
pub fn shards(info: &Info, _: &ShardMetrics, text: &mut String) {
    heading(text, "Shards");
    for (number, shard) in info.shards.iter().enumerate() {
        let metrics = &shard.metrics;
        let figures = [
            ("connected_clients", shard.connected_clients),
            ("keys", shard.keys),
            ("expires", shard.keys_with_expiry),
            ("used_memory", shard.bytes_used),
            ("used_memory_peak", shard.bytes_used_max),
            ("buffer_memory", metrics.bytes_buffers),
            ("commands", metrics.commands),
            ("ops_per_sec", metrics.rate_commands.per_second()),
            ("hops_sent", metrics.hops_sent),
            ("hops_received", metrics.hops_received),
            ("messages_sent", metrics.messages_sent),
            ("ring_enters", metrics.enters),
            ("expired_keys", shard.expired_keys),
            ("evicted_keys", shard.evicted_keys),
            ("turns", metrics.turns.count()),
            ("turns_too_long", metrics.turns.count_too_long()),
            ("turn_cpu_us_total", metrics.turns.us_total),
            ("turn_cpu_us_max", metrics.turns.us_max),
        ];
        let mut line = figures
            .map(|(name, value)| format!("{name}={value}"))
            .join(",");
        if let Some(cpu) = shard.cpu {
            line.push_str(&format!(",cpu={cpu}"));
        }
        field(text, &format!("shard{number}"), line);
        let bounds = TURN_BOUNDS_US
            .iter()
            .map(u64::to_string)
            .chain(["inf".to_string()]);
        let counts = bounds
            .zip(metrics.turns.counts)
            .map(|(bound, count)| format!("le_{bound}={count}"));
        field(
            text,
            &format!("shard{number}_turn_cpu_us"),
            counts.collect::<Vec<_>>().join(","),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_for_people() {
        for (bytes, expected) in [
            (0, "0B"),
            (1023, "1023B"),
            (1024, "1.00K"),
            (990_464, "967.25K"),
            (25_276_510_208, "23.54G"),
            (u64::MAX, "16384.00P"),
        ] {
            assert_eq!(human(bytes), expected);
        }
        assert_eq!(
            (percent(1, 0), percent(1, 4), ratio(3, 2)),
            ("0.00%".into(), "25.00%".into(), "1.50".into())
        );
    }
}
