//! What a request of memcached's text protocol asks for.

/// The command of a request, its framing having been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Verb {
    Get,
    Gets,
    Gat,
    Gats,
    Set,
    Add,
    Replace,
    Append,
    Prepend,
    Cas,
    Incr,
    Decr,
    Delete,
    Touch,
    MetaGet,
    MetaSet,
    MetaDelete,
    MetaArithmetic,
    MetaDebug,
    MetaNoop,
    FlushAll,
    Stats,
    Version,
    Verbosity,
    CacheMemlimit,
    Shutdown,
    Quit,
    Watch,
    Lru,
    LruCrawler,
    Slabs,
    RefreshCerts,
    /// `set` with `user password` as its data, before authentication.
    Authenticate,
    /// A request that is wrong in form; what it is answered does not depend on data.
    Invalid(Invalid),
}

/// The answer to a request that is wrong in form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Invalid {
    /// No such command, or the wrong number of words.
    Error,
    /// A key that is too long, or a number that is none.
    BadFormat,
    /// The data block is not followed by CRLF.
    BadChunk,
    /// The data block of an authentication is not followed by CRLF.
    BadTermination,
    /// `delete` with words that it does not have.
    DeleteUsage,
    /// `gat` and `gats`: the time is no number.
    Exptime,
    /// `gat` and `gats` without keys.
    NoKeys,
    /// A key that is not base64 (`mg`, `ms`).
    BadKey,
    /// A key that is not base64, where memcached does not tell it from other errors of flags (`md`, `ma`).
    BadFlag,
    /// `mg` with too many flags.
    FlagsAreTooLong,
    /// Other meta commands with too many flags.
    FlagsTooLong,
    /// The item is larger than the server's limit.
    TooLarge,
    /// The same, and the key (argument 1) is to be removed so that no stale value is served.
    TooLargeRemove,
    /// There is no memory to receive the data.
    OutOfMemory,
    /// Anything but an authentication before it.
    Unauthenticated,
    /// Wrong, but `noreply` asked for silence.
    Silent,
}

impl Invalid {
    /// All of them, in the order of their declaration.
    pub const ALL: [Invalid; 16] = [
        Invalid::Error,
        Invalid::BadFormat,
        Invalid::BadChunk,
        Invalid::BadTermination,
        Invalid::DeleteUsage,
        Invalid::Exptime,
        Invalid::NoKeys,
        Invalid::BadKey,
        Invalid::BadFlag,
        Invalid::FlagsAreTooLong,
        Invalid::FlagsTooLong,
        Invalid::TooLarge,
        Invalid::TooLargeRemove,
        Invalid::OutOfMemory,
        Invalid::Unauthenticated,
        Invalid::Silent,
    ];

    /// memcached's reply, with its line end; empty for [`Invalid::Silent`].
    pub const fn line(self) -> &'static str {
        match self {
            Invalid::Error => "ERROR\r\n",
            Invalid::BadFormat => "CLIENT_ERROR bad command line format\r\n",
            Invalid::BadChunk => "CLIENT_ERROR bad data chunk\r\n",
            Invalid::BadTermination => "CLIENT_ERROR bad command line termination\r\n",
            Invalid::DeleteUsage => {
                "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"
            }
            Invalid::Exptime => "CLIENT_ERROR invalid exptime argument\r\n",
            Invalid::NoKeys => "END\r\n",
            Invalid::BadKey => "CLIENT_ERROR error decoding key\r\n",
            Invalid::BadFlag => "CLIENT_ERROR invalid or duplicate flag\r\n",
            Invalid::FlagsAreTooLong => "CLIENT_ERROR options flags are too long\r\n",
            Invalid::FlagsTooLong => "CLIENT_ERROR options flags too long\r\n",
            Invalid::TooLarge | Invalid::TooLargeRemove => {
                "SERVER_ERROR object too large for cache\r\n"
            }
            Invalid::OutOfMemory => "SERVER_ERROR out of memory storing object\r\n",
            Invalid::Unauthenticated => "CLIENT_ERROR unauthenticated\r\n",
            Invalid::Silent => "",
        }
    }
}
