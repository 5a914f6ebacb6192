//! Counters and histograms and their rendering as INFO.
//!
//! Never: decides anything, and never locks: each shard counts in plain integers of its own, copies of which are merged when somebody asks.
//! The decision worth knowing: what grows with use (commands, error codes) has a fixed number of places.

mod histogram;
pub mod info;
mod rate;
mod turns;

pub use histogram::Histogram;
pub use rate::Rate;
pub use turns::{TURN_BOUNDS_US, TurnClock, TurnHistogram};

/// The most different error codes that are counted by name, as in Redis; further ones count as `OTHER`.
pub const ERROR_CODES_MAX: usize = 128;
/// The longest error code; a longer one is no code but a text without one.
const ERROR_CODE_BYTES_MAX: usize = 32;

/// What is counted for one command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallStats {
    /// Times it was carried out.
    pub calls: u64,
    /// Times it was refused before (arity, rights, memory).
    pub rejected: u64,
    /// Times it gave an error.
    pub failed: u64,
    /// How long it took, of the calls that were timed, in nanoseconds.
    pub time_ns: Option<Histogram>,
}

impl CallStats {
    /// Microseconds of all calls: those that were timed, extended to all.
    pub fn us_total(&self) -> u64 {
        (self.us_mean() * self.calls as f64) as u64
    }

    /// Microseconds of a call on average.
    pub fn us_mean(&self) -> f64 {
        match &self.time_ns {
            Some(times) if times.count() > 0 => times.sum() as f64 / times.count() as f64 / 1000.0,
            _ => 0.0,
        }
    }
}

/// What one shard counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShardMetrics {
    /// Connections accepted here.
    pub connections_received: u64,
    /// Connections turned away (`maxclients`, protected mode).
    pub rejected_connections: u64,
    /// Connections passed on to another shard.
    pub connections_handed_over: u64,
    /// Requests carried out or refused.
    pub commands: u64,
    /// Bytes received from clients.
    pub bytes_received: u64,
    /// Bytes sent to clients.
    pub bytes_sent: u64,
    /// Bytes of memory in clients' buffers now.
    pub bytes_buffers: u64,
    /// Connections closed because of `client-query-buffer-limit`.
    pub query_buffer_limit_disconnections: u64,
    /// Connections closed because of `client-output-buffer-limit`.
    pub output_buffer_limit_disconnections: u64,
    /// Connections closed because of `maxmemory-clients`.
    pub evicted_clients: u64,
    /// Requests carried to another shard.
    pub hops_sent: u64,
    /// Requests carried out for another shard.
    pub hops_received: u64,
    /// Messages that took them, many in one.
    pub messages_sent: u64,
    /// System calls to the ring.
    pub enters: u64,
    /// Turns by length.
    pub turns: TurnHistogram,
    /// By the command's place in the table.
    pub calls: Vec<CallStats>,
    /// Error replies in all.
    pub errors: u64,
    /// Error replies by code, in the order in which the codes first came.
    pub errors_by_code: Vec<(String, u64)>,
    /// Commands per second.
    pub rate_commands: Rate,
    /// Bytes per second received.
    pub rate_received: Rate,
    /// Bytes per second sent.
    pub rate_sent: Rate,
}

impl ShardMetrics {
    /// Zeros, for a table of this many commands.
    pub fn new(commands: usize) -> ShardMetrics {
        ShardMetrics {
            calls: vec![CallStats::default(); commands],
            ..ShardMetrics::default()
        }
    }

    /// A command is carried out.
    #[inline]
    pub fn count_call(&mut self, command: usize) {
        self.calls[command].calls += 1;
    }

    /// A call took this long. Not every call need be timed: what was timed stands for all.
    #[inline]
    pub fn count_call_time(&mut self, command: usize, ns: u64) {
        self.calls[command]
            .time_ns
            .get_or_insert_default()
            .record(ns);
    }

    /// A command was refused before it was carried out.
    pub fn count_rejected(&mut self, command: usize) {
        self.calls[command].rejected += 1;
    }

    /// An error reply with this code (`ERR`, `WRONGTYPE`) was given.
    pub fn count_error(&mut self, code: &str) {
        self.errors += 1;
        let code = if code.is_empty() || code.len() > ERROR_CODE_BYTES_MAX {
            "ERR"
        } else {
            code
        };
        self.add_errors(code, 1);
    }

    fn add_errors(&mut self, code: &str, count: u64) {
        if let Some((_, counted)) = self
            .errors_by_code
            .iter_mut()
            .find(|(known, _)| known == code)
        {
            *counted += count;
        } else if self.errors_by_code.len() < ERROR_CODES_MAX - 1 || code == "OTHER" {
            self.errors_by_code.push((code.to_string(), count));
        } else {
            self.add_errors("OTHER", count);
        }
    }

    /// A command gave this error reply; `text` is what stands behind its `-`.
    pub fn count_error_reply(&mut self, command: usize, text: &[u8]) {
        self.calls[command].failed += 1;
        let end = text
            .iter()
            .take(ERROR_CODE_BYTES_MAX + 1)
            .position(|byte| matches!(byte, b' ' | b'\r'));
        self.count_error(
            end.and_then(|end| std::str::from_utf8(&text[..end]).ok())
                .unwrap_or("ERR"),
        );
    }

    /// A turn took this much CPU time.
    #[inline]
    pub fn count_turn(&mut self, us: u64) {
        self.turns.record(us);
    }

    /// Brings the rates up to date; to be called about every 100 ms.
    pub fn sample_rates(&mut self, now_ms: i64) {
        self.rate_commands.sample(now_ms, self.commands);
        self.rate_received.sample(now_ms, self.bytes_received);
        self.rate_sent.sample(now_ms, self.bytes_sent);
    }

    /// Sets what CONFIG RESETSTAT sets to zero: all but what is a state (memory in buffers, rates).
    pub fn reset(&mut self) {
        let fresh = ShardMetrics::new(self.calls.len());
        let old = std::mem::replace(self, fresh);
        self.bytes_buffers = old.bytes_buffers;
        self.rate_commands = old.rate_commands;
        self.rate_received = old.rate_received;
        self.rate_sent = old.rate_sent;
    }

    /// Adds what another shard has counted. Rates are not counters and stay as they are.
    pub fn merge(&mut self, other: &ShardMetrics) {
        // Taken apart by name, so that a new counter cannot be forgotten here.
        let ShardMetrics {
            connections_received,
            rejected_connections,
            connections_handed_over,
            commands,
            bytes_received,
            bytes_sent,
            bytes_buffers,
            query_buffer_limit_disconnections,
            output_buffer_limit_disconnections,
            evicted_clients,
            hops_sent,
            hops_received,
            messages_sent,
            enters,
            turns,
            calls,
            errors,
            errors_by_code,
            rate_commands: _,
            rate_received: _,
            rate_sent: _,
        } = other;
        self.connections_received += connections_received;
        self.rejected_connections += rejected_connections;
        self.connections_handed_over += connections_handed_over;
        self.commands += commands;
        self.bytes_received += bytes_received;
        self.bytes_sent += bytes_sent;
        self.bytes_buffers += bytes_buffers;
        self.query_buffer_limit_disconnections += query_buffer_limit_disconnections;
        self.output_buffer_limit_disconnections += output_buffer_limit_disconnections;
        self.evicted_clients += evicted_clients;
        self.hops_sent += hops_sent;
        self.hops_received += hops_received;
        self.messages_sent += messages_sent;
        self.enters += enters;
        self.turns.merge(turns);
        self.errors += errors;
        if self.calls.len() < calls.len() {
            self.calls.resize(calls.len(), CallStats::default());
        }
        for (own, more) in self.calls.iter_mut().zip(calls) {
            own.calls += more.calls;
            own.rejected += more.rejected;
            own.failed += more.failed;
            if let Some(times) = &more.time_ns {
                own.time_ns.get_or_insert_default().merge(times);
            }
        }
        for (code, count) in errors_by_code {
            self.add_errors(code, *count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_counted_by_code() {
        let mut metrics = ShardMetrics::new(2);
        metrics.count_error_reply(1, b"WRONGTYPE Operation against\r\n");
        metrics.count_error_reply(1, b"ERR no\r\n");
        metrics.count_error_reply(0, b"OOM\r\n");
        metrics.count_error_reply(0, b"\xff\xff x\r\n");
        metrics.count_error("ERR");
        metrics.count_error("");
        let expected: Vec<(String, u64)> = vec![
            ("WRONGTYPE".into(), 1),
            ("ERR".into(), 4),
            ("OOM".into(), 1),
        ];
        assert_eq!((metrics.errors, &metrics.errors_by_code), (6, &expected));
        assert_eq!((metrics.calls[0].failed, metrics.calls[1].failed), (2, 2));
    }

    #[test]
    fn error_codes_have_a_limit() {
        let mut metrics = ShardMetrics::new(0);
        for code in 0..1000 {
            metrics.count_error(&format!("E{code}"));
        }
        assert_eq!(metrics.errors_by_code.len(), ERROR_CODES_MAX);
        assert_eq!(
            metrics.errors_by_code.last(),
            Some(&("OTHER".to_string(), 1000 - (ERROR_CODES_MAX as u64 - 1)))
        );
        let mut both = metrics.clone();
        both.merge(&metrics);
        assert_eq!(
            both.errors_by_code
                .iter()
                .map(|(_, count)| count)
                .sum::<u64>(),
            2000
        );
    }

    #[test]
    fn merge_adds_up_and_reset_keeps_states() {
        let mut one = ShardMetrics::new(1);
        one.commands = 3;
        one.bytes_buffers = 100;
        one.count_turn(5);
        one.count_call(0);
        one.count_call(0);
        one.count_call_time(0, 2000);
        let mut all = ShardMetrics::default();
        all.merge(&one);
        all.merge(&one);
        assert_eq!(
            (
                all.commands,
                all.bytes_buffers,
                all.turns.count(),
                all.calls[0].calls
            ),
            (6, 200, 2, 4)
        );
        assert_eq!((all.calls[0].us_total(), all.calls[0].us_mean()), (8, 2.0));
        one.reset();
        assert_eq!(
            (one.commands, one.bytes_buffers, one.calls.len()),
            (0, 100, 1)
        );
        assert_eq!(one.calls[0], CallStats::default());
    }
}
