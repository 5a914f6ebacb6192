//! What a shard's service looks after between requests: idle clients, output limits, pauses, the memory of buffers, changed settings.

use super::connection::{Hold, Peer, State};
use super::service::Service;
use crate::codec::element;
use crate::config::{Config, LogLevel, PipelineOrder};
use crate::protocol::{Dialect, Limits};
use std::net::IpAddr;
use std::sync::Arc;

/// Connections looked at in one go of housekeeping; the rest have their turn next time.
const CONNECTIONS_PER_ROUND: u32 = 2000;

const PROTECTED: &[u8] = b"-DENIED torc is running in protected mode because protected mode is enabled and no password is set for the default user. \
In this mode connections are only accepted from the loopback interface. To connect from other hosts, set a password with requirepass, bind to the interfaces that are meant, or turn protected-mode off.\r\n";

const PROTECTED_MEMCACHED: &[u8] = b"SERVER_ERROR torc is in protected mode and takes connections from this machine only. \
To connect from other hosts, set memcached-auth-file or requirepass, bind to the interfaces that are meant, or turn protected-mode off.\r\n";

impl Service {
    /// Done every 100 ms or so; `bytes_ring` is what the ring keeps for receiving.
    pub fn housekeeping(&mut self, bytes_ring: usize) {
        if self
            .pause
            .is_some_and(|pause| pause.until_ms <= self.now_ms)
        {
            self.pause = None;
            self.end_pauses();
        }
        self.tell_emptied_in_part();
        self.metrics.sample_rates(self.now_ms);
        self.save_housekeeping();
        self.begin_logs_again();
        if self.shard.id == 0 {
            self.tell_progress();
        }
        let timeout_ms = i64::from(self.config.timeout) * 1000;
        let now_ms = self.now_ms;
        let count = self.places_count();
        let from = self.next_round;
        let mut bytes = 0;
        for index in from..(from + CONNECTIONS_PER_ROUND).min(count) {
            let Some(connection) = self.connection_at(index) else {
                continue;
            };
            bytes += connection.bytes_held();
            if let Some(Hold::Sleep { until_ms, place }) = connection.hold {
                if until_ms <= now_ms {
                    connection.replies.fill(place, b"+OK\r\n", &[]);
                    connection.hold = None;
                    connection.stalled = true;
                    self.list(index);
                }
                continue;
            }
            let idle_ms = now_ms - connection.session.last_command_ms;
            if timeout_ms > 0
                && idle_ms > timeout_ms
                && connection.hold.is_none()
                && !connection.session.subscriptions.any()
            {
                self.close(index);
                continue;
            }
            if connection.soft_limit_since_ms.is_some() {
                self.list(index);
            }
        }
        self.round_bytes += bytes;
        self.next_round = from + CONNECTIONS_PER_ROUND;
        if self.next_round >= count {
            self.next_round = 0;
            self.metrics.bytes_buffers = (self.round_bytes + bytes_ring) as u64;
            self.round_bytes = 0;
            // Buffers count as memory of the process, but must never make the cache evict: what clients may hold is bounded for each of them.
            self.evict_clients();
        }
    }

    /// A line of the log now and then about what takes long.
    fn tell_progress(&self) {
        let shared = &self.shared;
        for progress in [&shared.saves.progress, &shared.rewriting] {
            if let Some(text) = progress.line() {
                shared.say(LogLevel::Notice, text);
            }
        }
    }

    /// `maxmemory-clients`: closes the connections that hold most until the rest fit.
    fn evict_clients(&mut self) {
        let limit = self.config.maxmemory_clients_bytes() / self.shards() as u64;
        if limit == 0 {
            return;
        }
        let mut held: Vec<(usize, u32)> = Vec::new();
        let mut total = 0;
        for connection in self.connections() {
            let bytes = connection.bytes_held();
            total += bytes as u64;
            if bytes > 0 && !connection.session.no_evict {
                held.push((bytes, connection.token.index));
            }
        }
        held.sort_unstable();
        while total > limit {
            let Some((bytes, index)) = held.pop() else {
                return;
            };
            total -= bytes as u64;
            self.metrics.evicted_clients += 1;
            self.close(index);
        }
    }

    /// Closes a connection whose unread replies are above `client-output-buffer-limit`.
    pub fn enforce_output_limit(&mut self, index: u32) {
        let (normal, pubsub) = (
            self.config.output_limit_normal,
            self.config.output_limit_pubsub,
        );
        let now_ms = self.now_ms;
        let Some(connection) = self.connection_at(index) else {
            return;
        };
        // Who is sent what he has not asked for one by one is not trusted to read it.
        let session = &connection.session;
        let limit = if session.subscriptions.any() || session.is_monitor {
            pubsub
        } else {
            normal
        };
        if limit.hard_bytes == 0 && limit.soft_bytes == 0 {
            return;
        }
        let bytes = connection.output_bytes() as u64;
        let above_soft = limit.soft_bytes > 0 && bytes > limit.soft_bytes;
        let too_long = match (above_soft, connection.soft_limit_since_ms) {
            (false, _) => {
                connection.soft_limit_since_ms = None;
                false
            }
            (true, None) => {
                connection.soft_limit_since_ms = Some(now_ms);
                false
            }
            (true, Some(since_ms)) => now_ms - since_ms > limit.soft_seconds as i64 * 1000,
        };
        if connection.state != State::Closed
            && (too_long || (limit.hard_bytes > 0 && bytes > limit.hard_bytes))
        {
            connection.state = State::Closed;
            self.metrics.output_buffer_limit_disconnections += 1;
            self.list(index);
        }
    }

    /// Acts on changed settings.
    pub(super) fn configure(&mut self, config: Arc<Config>) {
        element::set_compression(config.rdbcompression);
        let engine = &mut self.shard.engine;
        engine.set_memory_bytes_max(config.maxmemory / self.shared.shards() as u64);
        engine.set_tracked_keys_max(config.tracked_keys_max(self.shared.shards()));
        engine.set_policy(
            config.maxmemory_policy,
            config.maxmemory_samples,
            config.lfu_log_factor,
            config.lfu_decay_time,
        );
        self.is_order_strict = config.pipeline_order == PipelineOrder::Strict;
        self.shard.settings.string_bytes_max = config.proto_max_bulk_len;
        self.shard.settings.item_bytes_max = config.item_size_max;
        self.shard.settings.hll_sparse_bytes_max = config.hll_sparse_max_bytes;
        self.shard.engine.set_thresholds(&config.thresholds);
        let events = config.notify_keyspace_events;
        self.shard.engine.set_events_wanted(events);
        for index in self.indexes() {
            if let Some(connection) = self.connection_at(index) {
                let limits = Limits {
                    bulk_bytes_max: config.proto_max_bulk_len,
                    item_bytes_max: config.item_size_max,
                    authenticated: connection.session.authenticated,
                };
                connection.parser.set_limits(limits);
            }
        }
        // One that is to begin does so together with those of the other shards.
        if !config.appendonly && self.shard.journal.is_on() {
            self.end_log();
        }
        self.config = config;
        self.set_sync_rule();
    }

    /// What a client from elsewhere is told while there is no password and no explicit bind.
    pub fn protected_mode_refusal(&self, peer: &Peer, dialect: Dialect) -> Option<&'static [u8]> {
        let (Peer::Tcp { remote, .. } | Peer::Udp { remote, .. }) = peer else {
            return None;
        };
        let loopback = match remote.ip() {
            IpAddr::V4(ip) => ip.is_loopback(),
            IpAddr::V6(ip) => {
                ip.is_loopback() || ip.to_ipv4_mapped().is_some_and(|ip| ip.is_loopback())
            }
        };
        let open = match dialect {
            Dialect::Redis => self.config.requirepass.is_empty(),
            Dialect::Memcached => !self.memcached_users_needed(),
        };
        let refusal = match dialect {
            Dialect::Redis => PROTECTED,
            Dialect::Memcached => PROTECTED_MEMCACHED,
        };
        (self.config.protected_mode && open && !loopback).then_some(refusal)
    }

    /// Whether clients are still owed something.
    pub fn has_unfinished(&self) -> bool {
        !self.operations.is_empty()
            || !self.transactions.is_empty()
            || !self.script_runs.is_empty()
            || self.durability.is_awaited()
            || self.connections().any(|connection| {
                connection.state != State::Closed
                    && (connection.sending_bytes > 0
                        || connection.replies.waiting() > 0
                        || connection.replies.is_ready()
                        || !connection.deferred.is_empty())
            })
    }
}
