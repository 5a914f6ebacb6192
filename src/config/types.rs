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
