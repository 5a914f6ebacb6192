//! Every bound in one place, each with its reason; relations between them are asserted at compile time.

/// A value or an argument of this many bytes or more lives in a [`crate::large::LargeBuffer`]: it is received into its
/// final place, stored and sent without a copy. Below it a copy costs less than the bookkeeping.
pub const LARGE_BYTES_MIN: usize = 64 * 1024;
/// The longest string value and the default of `proto-max-bulk-len`, as in Redis.
pub const STRING_BYTES_MAX: usize = 512 * 1024 * 1024;
/// The most arguments of one request, as in Redis (1024 * 1024, before HELLO's authentication 10).
pub const ARGUMENTS_MAX: usize = 1024 * 1024;
/// The longest inline request and the longest line of a multibulk header, as in Redis.
pub const INLINE_BYTES_MAX: usize = 64 * 1024;
/// Slots of the keyspace, as in Redis Cluster.
pub const SLOTS: usize = 16384;
/// The most shards of one server: a shard number fits a byte with room for markers.
pub const SHARDS_MAX: usize = 128;
/// One turn's CPU time, in microseconds: nothing may hold a shard longer.
pub const TURN_US_MAX: u64 = 1000;

const _: () = assert!(INLINE_BYTES_MAX <= LARGE_BYTES_MAX_CHECK);
const LARGE_BYTES_MAX_CHECK: usize = LARGE_BYTES_MIN;
