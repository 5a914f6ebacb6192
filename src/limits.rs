//! Every bound in one place, each with its reason; relations between them are asserted at compile time.

/// A value or an argument of this many bytes or more lives in a [`crate::large::LargeBuffer`]: it is received into its
/// final place, stored and sent without a copy. Below it a copy costs less than the bookkeeping.
pub const LARGE_BYTES_MIN: usize = 64 * 1024;
/// The longest string value and the default of `proto-max-bulk-len`, as in Redis.
pub const STRING_BYTES_MAX: usize = 512 * 1024 * 1024;
/// The most arguments of one request: the bound that Redis had until version 7 (before authentication 10).
pub const ARGUMENTS_MAX: usize = 1024 * 1024;
/// The longest inline request and the longest line of a multibulk header, as in Redis.
pub const INLINE_BYTES_MAX: usize = 64 * 1024;
/// The longest key in memcached's protocols, as in memcached.
pub const MEMCACHE_KEY_BYTES_MAX: usize = 250;
/// The longest line of memcached's text protocol, its LF excluded, as in memcached. Lines that fetch many keys may have
/// [`MEMCACHE_FETCH_LINE_BYTES_MAX`].
pub const MEMCACHE_LINE_BYTES_MAX: usize = 2048;
/// The longest line of `get` and its like: some thousand keys of the greatest length.
pub const MEMCACHE_FETCH_LINE_BYTES_MAX: usize = 1024 * 1024;
/// The longest user name with its password in memcached's text protocol.
pub const MEMCACHE_AUTHENTICATION_BYTES_MAX: usize = 512;
/// Slots of the keyspace, as in Redis Cluster.
pub const SLOTS: usize = 16384;
/// The most shards of one server: a shard number fits a byte with room for markers.
pub const SHARDS_MAX: usize = 128;
/// One turn's CPU time, in microseconds: nothing may hold a shard longer.
pub const TURN_US_MAX: u64 = 1000;

const _: () = assert!(
    INLINE_BYTES_MAX <= LARGE_BYTES_MIN,
    "an inline request has no large argument"
);

/// Bytes of replies waiting to be sent at which a connection's further requests wait, so that a pipeline whose replies are not read costs bounded memory.
pub const OUTPUT_STALL_BYTES: usize = 1024 * 1024;
/// Bytes received and not yet executed at which a stalled connection is no longer read from.
pub const INPUT_STALL_BYTES: usize = 64 * 1024;
/// Replies a connection may have outstanding at other shards before its further requests wait: each may bring a value just below [`LARGE_BYTES_MIN`].
pub const HOPS_WAITING_MAX: usize = 1024;
/// Requests executed as one batch: keys are hashed and prefetched for all of them first. The prefetched lines must fit the first-level cache.
pub const BATCH_REQUESTS_MAX: usize = 128;
/// A batch takes no more requests once they have so many arguments: between batches a shard looks whether its turn has lasted long enough.
pub const BATCH_ARGUMENTS_MAX: usize = 3 * BATCH_REQUESTS_MAX;
/// Receive buffers of a shard, and bytes of each: 4 MiB in all; a connection holds one only while its bytes are being executed.
pub const RECEIVE_BUFFERS: u16 = 256;
/// See [`RECEIVE_BUFFERS`].
pub const RECEIVE_BUFFER_BYTES: usize = 16 * 1024;
/// Submission and completion entries of a shard's ring. The completion queue is what one turn can see; the kernel keeps what overflows.
pub const RING_ENTRIES: u32 = 1024;
/// See [`RING_ENTRIES`].
pub const RING_COMPLETIONS: u32 = 4096;
/// The longest datagram.
pub const DATAGRAM_BYTES_MAX: usize = 64 * 1024;
/// Datagrams taken from one listener in one go.
pub const DATAGRAMS_MAX: usize = 64;
/// Bytes of one datagram of a reply, its header included, as in memcached: below what an Ethernet frame takes.
pub const DATAGRAM_REPLY_BYTES_MAX: usize = 1400;
/// Capacity of buffers kept for reuse; what has grown beyond is given back.
pub const KEPT_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Buffers kept for reuse by a shard.
pub const KEPT_BUFFERS_MAX: usize = 256;
/// Encoded bytes to one shard at which a message is posted in the middle of a turn, so that a turn's messages stay bounded.
pub const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// The longest name of a channel: below what takes a large buffer.
pub const CHANNEL_BYTES_MAX: usize = LARGE_BYTES_MIN - 1;
/// The longest pattern of PSUBSCRIBE. With the bound on channels this bounds what one pattern costs who publishes.
pub const PATTERN_BYTES_MAX: usize = 4096;
/// Subscriptions of connections that are gone that are ended in one go.
pub const SUBSCRIPTIONS_RELEASED_MAX: usize = 512;
/// How long a stop waits for clients to take their last replies.
pub const STOP_SECONDS_MAX: u64 = 5;

const _: () = assert!(KEPT_BUFFER_BYTES_MAX < OUTPUT_STALL_BYTES);
const _: () = assert!(RECEIVE_BUFFER_BYTES <= INPUT_STALL_BYTES);
const _: () = assert!(
    RECEIVE_BUFFER_BYTES < LARGE_BYTES_MIN,
    "a large argument never lies whole in a receive buffer"
);
