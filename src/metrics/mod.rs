//! (temporary)
use std::time::Instant;
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct ShardMetrics { pub connections_received: u64, pub commands: u64, pub bytes_received: u64, pub bytes_sent: u64, pub bytes_buffers: u64,
    pub rejected_connections: u64, pub query_buffer_limit_disconnections: u64, pub output_buffer_limit_disconnections: u64, pub evicted_clients: u64,
    pub connections_handed_over: u64, pub hops_sent: u64, pub hops_received: u64, pub messages_sent: u64, pub enters: u64, pub calls: Vec<u64>, pub turns: u64 }
impl ShardMetrics {
    pub fn new(n: usize) -> Self { ShardMetrics { calls: vec![0; n], ..Default::default() } }
    pub fn count_call(&mut self, i: usize) { self.calls[i] += 1; }
    pub fn count_error(&mut self, _c: &str) {}
    pub fn count_error_reply(&mut self, _i: usize, _b: &[u8]) {}
    pub fn count_turn(&mut self, _us: u64) { self.turns += 1; }
    pub fn reset(&mut self) {}
}
pub struct TurnClock(Instant);
impl TurnClock { pub fn new() -> Self { TurnClock(Instant::now()) } pub fn begin(&mut self) { self.0 = Instant::now(); } pub fn end(&mut self) -> Option<u64> { Some(self.0.elapsed().as_micros() as u64) } }
