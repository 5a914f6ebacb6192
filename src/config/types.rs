//! The types of options that are more than a number or a text.

use std::net::IpAddr;

/// An enumeration whose members have a name in the configuration.
macro_rules! named {
    ($(#[$about:meta])* $name:ident { $($(#[$about_member:meta])* $member:ident = $text:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name {
            $($(#[$about_member])* $member,)*
        }
        impl $name {
            /// All members, in the order of [`Self::NAMES`].
            pub const ALL: &'static [$name] = &[$($name::$member,)*];
            /// Their names, in the order in which error messages give them.
            pub const NAMES: &'static [&'static str] = &[$($text,)*];
            /// The name in the configuration.
            pub fn name(self) -> &'static str {
                Self::NAMES[self as usize]
            }
        }
    };
}

named! {
    /// `maxmemory-policy`: which keys are evicted when memory is short.
    Policy {
        /// Of those with an expiry, the least recently used.
        VolatileLru = "volatile-lru",
        /// Of those with an expiry, the least frequently used.
        VolatileLfu = "volatile-lfu",
        /// Any of those with an expiry.
        VolatileRandom = "volatile-random",
        /// The one that expires first.
        VolatileTtl = "volatile-ttl",
        /// Of those with an expiry, as S3-FIFO chooses.
        VolatileS3Fifo = "volatile-s3fifo",
        /// The least recently used.
        AllKeysLru = "allkeys-lru",
        /// The least frequently used.
        AllKeysLfu = "allkeys-lfu",
        /// Any.
        AllKeysRandom = "allkeys-random",
        /// As S3-FIFO chooses.
        AllKeysS3Fifo = "allkeys-s3fifo",
        /// None: writes are refused.
        NoEviction = "noeviction",
    }
}

named! {
    /// `pipeline-order`: what the writes of one connection wait for when their keys lie on different shards.
    PipelineOrder {
        /// The earlier ones: nobody sees a later write without them.
        Strict = "strict",
        /// Nothing: writes on different shards may be seen in another order.
        Relaxed = "relaxed",
    }
}

named! {
    /// `appendfsync`: when a write is durable.
    AppendFsync {
        /// Before it is answered.
        Always = "always",
        /// A second later at most.
        EverySecond = "everysec",
        /// When the system thinks so.
        No = "no",
    }
}

named! {
    /// `loglevel`.
    LogLevel {
        /// Everything.
        Debug = "debug",
        /// Much.
        Verbose = "verbose",
        /// What matters in production.
        Notice = "notice",
        /// Only what needs attention.
        Warning = "warning",
    }
}

named! {
    /// `enable-debug-command`: who may use DEBUG.
    DebugCommand {
        /// Nobody.
        No = "no",
        /// Everybody.
        Yes = "yes",
        /// Connections from this machine.
        Local = "local",
    }
}

/// One address of `bind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bind {
    /// The address; the unspecified one for `*` and `::*`.
    pub address: IpAddr,
    /// Written with a `-` in front: not an error when this machine does not have it.
    pub optional: bool,
}

/// One class of `client-output-buffer-limit`; 0 is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputLimit {
    /// A client whose unread replies take more is closed at once.
    pub hard_bytes: u64,
    /// A client whose unread replies take more for longer than `soft_seconds` is closed.
    pub soft_bytes: u64,
    /// See `soft_bytes`.
    pub soft_seconds: u64,
}

/// `maxmemory-clients`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientsLimit {
    /// Bytes; 0 for no limit.
    Bytes(u64),
    /// A percentage of `maxmemory`.
    Percent(u8),
}

/// When collections become large, by Redis' options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Thresholds {
    pub hash_entries_max: usize,
    pub hash_value_bytes_max: usize,
    pub set_integers_max: usize,
    pub set_entries_max: usize,
    pub set_value_bytes_max: usize,
    pub sorted_set_entries_max: usize,
    pub sorted_set_member_bytes_max: usize,
    /// `list-max-listpack-size`: a number of elements, or -1 to -5 for 4 to 64 KB.
    pub list_size: i32,
    pub stream_node_bytes_max: usize,
    pub stream_node_entries_max: usize,
}

impl Default for Thresholds {
    /// Redis' defaults.
    fn default() -> Thresholds {
        Thresholds {
            hash_entries_max: 512,
            hash_value_bytes_max: 64,
            set_integers_max: 512,
            set_entries_max: 128,
            set_value_bytes_max: 64,
            sorted_set_entries_max: 128,
            sorted_set_member_bytes_max: 64,
            list_size: -2,
            stream_node_bytes_max: 4096,
            stream_node_entries_max: 100,
        }
    }
}
