//! The arguments of commands as COMMAND DOCS tells them.
//!
//! Names, tokens and order are those of Redis 7, because clients and editors complete from them. Commands with the same arguments share one list.

/// One argument, or a group of them.
#[derive(Debug, Clone, Copy)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub kind: ArgumentKind,
    /// Which of the command's key specifications it belongs to.
    pub key_spec: Option<u8>,
    /// The word in front of it; `""` for an empty one; none when empty.
    pub token: &'static str,
    /// The version of Redis that first had it, when that is later than the command's.
    pub since: &'static str,
    /// It may be left out.
    pub optional: bool,
    /// It may be repeated.
    pub multiple: bool,
    /// It is repeated with its token.
    pub multiple_token: bool,
    /// The members of a group.
    pub arguments: &'static [Argument],
}

/// What an argument is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum ArgumentKind {
    String,
    Integer,
    Double,
    Key,
    Pattern,
    UnixTime,
    /// Only its token.
    PureToken,
    /// One of its members.
    OneOf,
    /// All of its members.
    Block,
}

impl ArgumentKind {
    /// The name in COMMAND DOCS.
    pub fn name(self) -> &'static str {
        match self {
            ArgumentKind::String => "string",
            ArgumentKind::Integer => "integer",
            ArgumentKind::Double => "double",
            ArgumentKind::Key => "key",
            ArgumentKind::Pattern => "pattern",
            ArgumentKind::UnixTime => "unix-time",
            ArgumentKind::PureToken => "pure-token",
            ArgumentKind::OneOf => "oneof",
            ArgumentKind::Block => "block",
        }
    }
}

impl Argument {
    pub(super) const fn new(name: &'static str, kind: ArgumentKind) -> Argument {
        Argument {
            name,
            kind,
            key_spec: None,
            token: "",
            since: "",
            optional: false,
            multiple: false,
            multiple_token: false,
            arguments: &[],
        }
    }
    pub(super) const fn key_spec(self, index: u8) -> Argument {
        Argument {
            key_spec: Some(index),
            ..self
        }
    }
    pub(super) const fn token(self, token: &'static str) -> Argument {
        Argument { token, ..self }
    }
    pub(super) const fn since(self, since: &'static str) -> Argument {
        Argument { since, ..self }
    }
    pub(super) const fn optional(self) -> Argument {
        Argument {
            optional: true,
            ..self
        }
    }
    pub(super) const fn multiple(self) -> Argument {
        Argument {
            multiple: true,
            ..self
        }
    }
    pub(super) const fn multiple_token(self) -> Argument {
        Argument {
            multiple_token: true,
            ..self
        }
    }
    pub(super) const fn arguments(self, arguments: &'static [Argument]) -> Argument {
        Argument { arguments, ..self }
    }
}

pub(super) const APPEND: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("value", ArgumentKind::String),
];

pub(super) const AUTH: &[Argument] = &[
    Argument::new("username", ArgumentKind::String)
        .since("6.0.0")
        .optional(),
    Argument::new("password", ArgumentKind::String),
];

pub(super) const BITCOUNT: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("index", ArgumentKind::Block)
        .optional()
        .arguments(&[
            Argument::new("start", ArgumentKind::Integer),
            Argument::new("end", ArgumentKind::Integer),
            Argument::new("index_unit", ArgumentKind::OneOf)
                .since("7.0.0")
                .optional()
                .arguments(&[
                    Argument::new("byte", ArgumentKind::PureToken).token("BYTE"),
                    Argument::new("bit", ArgumentKind::PureToken).token("BIT"),
                ]),
        ]),
];

pub(super) const BITFIELD: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("operation", ArgumentKind::OneOf)
        .optional()
        .multiple()
        .arguments(&[
            Argument::new("encoding_offset", ArgumentKind::Block)
                .token("GET")
                .arguments(&[
                    Argument::new("encoding", ArgumentKind::String),
                    Argument::new("offset", ArgumentKind::Integer),
                ]),
            Argument::new("write", ArgumentKind::Block).arguments(&[
                Argument::new("wrap_sat_fail", ArgumentKind::OneOf)
                    .token("OVERFLOW")
                    .optional()
                    .arguments(&[
                        Argument::new("wrap", ArgumentKind::PureToken).token("WRAP"),
                        Argument::new("sat", ArgumentKind::PureToken).token("SAT"),
                        Argument::new("fail", ArgumentKind::PureToken).token("FAIL"),
                    ]),
                Argument::new("write_operation", ArgumentKind::OneOf).arguments(&[
                    Argument::new("encoding_offset_value", ArgumentKind::Block)
                        .token("SET")
                        .arguments(&[
                            Argument::new("encoding", ArgumentKind::String),
                            Argument::new("offset", ArgumentKind::Integer),
                            Argument::new("value", ArgumentKind::Integer),
                        ]),
                    Argument::new("encoding_offset_increment", ArgumentKind::Block)
                        .token("INCRBY")
                        .arguments(&[
                            Argument::new("encoding", ArgumentKind::String),
                            Argument::new("offset", ArgumentKind::Integer),
                            Argument::new("increment", ArgumentKind::Integer),
                        ]),
                ]),
            ]),
        ]),
];

pub(super) const BITFIELD_RO: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("encoding_offset", ArgumentKind::Block)
        .token("GET")
        .optional()
        .multiple()
        .multiple_token()
        .arguments(&[
            Argument::new("encoding", ArgumentKind::String),
            Argument::new("offset", ArgumentKind::Integer),
        ]),
];

pub(super) const BITOP: &[Argument] = &[
    Argument::new("operation", ArgumentKind::String),
    Argument::new("destkey", ArgumentKind::Key).key_spec(0),
    Argument::new("key", ArgumentKind::Key)
        .key_spec(1)
        .multiple(),
];

pub(super) const BITPOS: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("bit", ArgumentKind::Integer),
    Argument::new("index", ArgumentKind::Block)
        .optional()
        .arguments(&[
            Argument::new("start", ArgumentKind::Integer),
            Argument::new("end_index", ArgumentKind::Block)
                .optional()
                .arguments(&[
                    Argument::new("end", ArgumentKind::Integer),
                    Argument::new("index_unit", ArgumentKind::OneOf)
                        .since("7.0.0")
                        .optional()
                        .arguments(&[
                            Argument::new("byte", ArgumentKind::PureToken).token("BYTE"),
                            Argument::new("bit", ArgumentKind::PureToken).token("BIT"),
                        ]),
                ]),
        ]),
];

pub(super) const CLIENT_CACHING: &[Argument] = &[Argument::new("mode", ArgumentKind::OneOf)
    .arguments(&[
        Argument::new("yes", ArgumentKind::PureToken).token("YES"),
        Argument::new("no", ArgumentKind::PureToken).token("NO"),
    ])];

pub(super) const CLIENT_KILL: &[Argument] = &[Argument::new("filter", ArgumentKind::OneOf)
    .arguments(&[
        Argument::new("ip:port", ArgumentKind::String),
        Argument::new("new-format", ArgumentKind::OneOf)
            .multiple()
            .arguments(&[
                Argument::new("client-id", ArgumentKind::Integer)
                    .token("ID")
                    .since("2.8.12")
                    .optional(),
                Argument::new("normal_master_slave_pubsub", ArgumentKind::OneOf)
                    .token("TYPE")
                    .since("2.8.12")
                    .optional()
                    .arguments(&[
                        Argument::new("normal", ArgumentKind::PureToken).token("NORMAL"),
                        Argument::new("master", ArgumentKind::PureToken)
                            .token("MASTER")
                            .since("3.2.0"),
                        Argument::new("slave", ArgumentKind::PureToken).token("SLAVE"),
                        Argument::new("replica", ArgumentKind::PureToken)
                            .token("REPLICA")
                            .since("5.0.0"),
                        Argument::new("pubsub", ArgumentKind::PureToken).token("PUBSUB"),
                    ]),
                Argument::new("username", ArgumentKind::String)
                    .token("USER")
                    .optional(),
                Argument::new("ip:port", ArgumentKind::String)
                    .token("ADDR")
                    .optional(),
                Argument::new("ip:port", ArgumentKind::String)
                    .token("LADDR")
                    .since("6.2.0")
                    .optional(),
                Argument::new("yes/no", ArgumentKind::String)
                    .token("SKIPME")
                    .optional(),
            ]),
    ])];

pub(super) const CLIENT_LIST: &[Argument] = &[
    Argument::new("normal_master_replica_pubsub", ArgumentKind::OneOf)
        .token("TYPE")
        .since("5.0.0")
        .optional()
        .arguments(&[
            Argument::new("normal", ArgumentKind::PureToken).token("NORMAL"),
            Argument::new("master", ArgumentKind::PureToken).token("MASTER"),
            Argument::new("replica", ArgumentKind::PureToken).token("REPLICA"),
            Argument::new("pubsub", ArgumentKind::PureToken).token("PUBSUB"),
        ]),
    Argument::new("id", ArgumentKind::Block)
        .token("ID")
        .since("6.2.0")
        .optional()
        .arguments(&[Argument::new("client-id", ArgumentKind::Integer).multiple()]),
];

pub(super) const CLIENT_NO_EVICT: &[Argument] = &[Argument::new("enabled", ArgumentKind::OneOf)
    .arguments(&[
        Argument::new("on", ArgumentKind::PureToken).token("ON"),
        Argument::new("off", ArgumentKind::PureToken).token("OFF"),
    ])];

pub(super) const CLIENT_DURABILITY: &[Argument] = &[Argument::new("rule", ArgumentKind::OneOf)
    .arguments(&[
        Argument::new("always", ArgumentKind::PureToken).token("ALWAYS"),
        Argument::new("everysec", ArgumentKind::PureToken).token("EVERYSEC"),
        Argument::new("no", ArgumentKind::PureToken).token("NO"),
    ])];

pub(super) const CLIENT_PAUSE: &[Argument] = &[
    Argument::new("timeout", ArgumentKind::Integer),
    Argument::new("mode", ArgumentKind::OneOf)
        .since("6.2.0")
        .optional()
        .arguments(&[
            Argument::new("write", ArgumentKind::PureToken).token("WRITE"),
            Argument::new("all", ArgumentKind::PureToken).token("ALL"),
        ]),
];

pub(super) const CLIENT_REPLY: &[Argument] = &[Argument::new("on_off_skip", ArgumentKind::OneOf)
    .arguments(&[
        Argument::new("on", ArgumentKind::PureToken).token("ON"),
        Argument::new("off", ArgumentKind::PureToken).token("OFF"),
        Argument::new("skip", ArgumentKind::PureToken).token("SKIP"),
    ])];

pub(super) const CLIENT_SETINFO: &[Argument] = &[Argument::new("attr", ArgumentKind::OneOf)
    .arguments(&[
        Argument::new("libname", ArgumentKind::String).token("LIB-NAME"),
        Argument::new("libver", ArgumentKind::String).token("LIB-VER"),
    ])];

pub(super) const CLIENT_SETNAME: &[Argument] =
    &[Argument::new("connection-name", ArgumentKind::String)];

pub(super) const CLIENT_TRACKING: &[Argument] = &[
    Argument::new("status", ArgumentKind::OneOf).arguments(&[
        Argument::new("on", ArgumentKind::PureToken).token("ON"),
        Argument::new("off", ArgumentKind::PureToken).token("OFF"),
    ]),
    Argument::new("client-id", ArgumentKind::Integer)
        .token("REDIRECT")
        .optional(),
    Argument::new("prefix", ArgumentKind::String)
        .token("PREFIX")
        .optional()
        .multiple()
        .multiple_token(),
    Argument::new("bcast", ArgumentKind::PureToken)
        .token("BCAST")
        .optional(),
    Argument::new("optin", ArgumentKind::PureToken)
        .token("OPTIN")
        .optional(),
    Argument::new("optout", ArgumentKind::PureToken)
        .token("OPTOUT")
        .optional(),
    Argument::new("noloop", ArgumentKind::PureToken)
        .token("NOLOOP")
        .optional(),
];

pub(super) const CLIENT_UNBLOCK: &[Argument] = &[
    Argument::new("client-id", ArgumentKind::Integer),
    Argument::new("timeout_error", ArgumentKind::OneOf)
        .optional()
        .arguments(&[
            Argument::new("timeout", ArgumentKind::PureToken).token("TIMEOUT"),
            Argument::new("error", ArgumentKind::PureToken).token("ERROR"),
        ]),
];

pub(super) const COMMAND_DOCS: &[Argument] = &[Argument::new("command-name", ArgumentKind::String)
    .optional()
    .multiple()];

pub(super) const COMMAND_LIST: &[Argument] = &[Argument::new("filterby", ArgumentKind::OneOf)
    .token("FILTERBY")
    .optional()
    .arguments(&[
        Argument::new("module-name", ArgumentKind::String).token("MODULE"),
        Argument::new("category", ArgumentKind::String).token("ACLCAT"),
        Argument::new("pattern", ArgumentKind::Pattern).token("PATTERN"),
    ])];

pub(super) const CONFIG_GET: &[Argument] = &[Argument::new("parameter", ArgumentKind::Block)
    .multiple()
    .arguments(&[Argument::new("parameter", ArgumentKind::String)])];

pub(super) const CONFIG_SET: &[Argument] = &[Argument::new("parameter_value", ArgumentKind::Block)
    .multiple()
    .arguments(&[
        Argument::new("parameter", ArgumentKind::String),
        Argument::new("value", ArgumentKind::String),
    ])];

pub(super) const COPY: &[Argument] = &[
    Argument::new("source", ArgumentKind::Key).key_spec(0),
    Argument::new("destination", ArgumentKind::Key).key_spec(1),
    Argument::new("destination-db", ArgumentKind::Integer)
        .token("DB")
        .optional(),
    Argument::new("replace", ArgumentKind::PureToken)
        .token("REPLACE")
        .optional(),
];

pub(super) const DECR: &[Argument] = &[Argument::new("key", ArgumentKind::Key).key_spec(0)];

pub(super) const DECRBY: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("decrement", ArgumentKind::Integer),
];

pub(super) const DEL: &[Argument] = &[Argument::new("key", ArgumentKind::Key)
    .key_spec(0)
    .multiple()];

const IFEQ: Argument = Argument::new("ifeq-value", ArgumentKind::String).token("IFEQ");
const IFNE: Argument = Argument::new("ifne-value", ArgumentKind::String).token("IFNE");
const IFDEQ: Argument = Argument::new("ifdeq-digest", ArgumentKind::String).token("IFDEQ");
const IFDNE: Argument = Argument::new("ifdne-digest", ArgumentKind::String).token("IFDNE");

pub(super) const DELEX: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("condition", ArgumentKind::OneOf)
        .optional()
        .arguments(&[IFEQ, IFNE, IFDEQ, IFDNE]),
];

pub(super) const DELIFEQ: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("value", ArgumentKind::String),
];

pub(super) const DIGEST: &[Argument] = &[Argument::new("key", ArgumentKind::Key).key_spec(0)];

pub(super) const ECHO: &[Argument] = &[Argument::new("message", ArgumentKind::String)];

pub(super) const EXPIRE: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("seconds", ArgumentKind::Integer),
    Argument::new("condition", ArgumentKind::OneOf)
        .since("7.0.0")
        .optional()
        .arguments(&[
            Argument::new("nx", ArgumentKind::PureToken).token("NX"),
            Argument::new("xx", ArgumentKind::PureToken).token("XX"),
            Argument::new("gt", ArgumentKind::PureToken).token("GT"),
            Argument::new("lt", ArgumentKind::PureToken).token("LT"),
        ]),
];

pub(super) const EXPIREAT: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("unix-time-seconds", ArgumentKind::UnixTime),
    Argument::new("condition", ArgumentKind::OneOf)
        .since("7.0.0")
        .optional()
        .arguments(&[
            Argument::new("nx", ArgumentKind::PureToken).token("NX"),
            Argument::new("xx", ArgumentKind::PureToken).token("XX"),
            Argument::new("gt", ArgumentKind::PureToken).token("GT"),
            Argument::new("lt", ArgumentKind::PureToken).token("LT"),
        ]),
];

pub(super) const FLUSHALL: &[Argument] = &[Argument::new("async", ArgumentKind::OneOf)
    .optional()
    .arguments(&[
        Argument::new("async", ArgumentKind::PureToken)
            .token("ASYNC")
            .since("4.0.0"),
        Argument::new("sync", ArgumentKind::PureToken)
            .token("SYNC")
            .since("6.2.0"),
    ])];

pub(super) const GETBIT: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("offset", ArgumentKind::Integer),
];

pub(super) const GETEX: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("expiration", ArgumentKind::OneOf)
        .optional()
        .arguments(&[
            Argument::new("seconds", ArgumentKind::Integer).token("EX"),
            Argument::new("milliseconds", ArgumentKind::Integer).token("PX"),
            Argument::new("unix-time-seconds", ArgumentKind::UnixTime).token("EXAT"),
            Argument::new("unix-time-milliseconds", ArgumentKind::UnixTime).token("PXAT"),
            Argument::new("persist", ArgumentKind::PureToken).token("PERSIST"),
        ]),
];

pub(super) const GETRANGE: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("start", ArgumentKind::Integer),
    Argument::new("end", ArgumentKind::Integer),
];

pub(super) const HELLO: &[Argument] = &[Argument::new("arguments", ArgumentKind::Block)
    .optional()
    .arguments(&[
        Argument::new("protover", ArgumentKind::Integer),
        Argument::new("username_password", ArgumentKind::Block)
            .token("AUTH")
            .optional()
            .arguments(&[
                Argument::new("username", ArgumentKind::String),
                Argument::new("password", ArgumentKind::String),
            ]),
        Argument::new("clientname", ArgumentKind::String)
            .token("SETNAME")
            .optional(),
    ])];

pub(super) const INCRBY: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("increment", ArgumentKind::Integer),
];

pub(super) const INCRBYFLOAT: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("increment", ArgumentKind::Double),
];

pub(super) const INFO: &[Argument] = &[Argument::new("section", ArgumentKind::String)
    .optional()
    .multiple()];

pub(super) const KEYS: &[Argument] = &[Argument::new("pattern", ArgumentKind::Pattern)];

pub(super) const LCS: &[Argument] = &[
    Argument::new("key1", ArgumentKind::Key).key_spec(0),
    Argument::new("key2", ArgumentKind::Key).key_spec(0),
    Argument::new("len", ArgumentKind::PureToken)
        .token("LEN")
        .optional(),
    Argument::new("idx", ArgumentKind::PureToken)
        .token("IDX")
        .optional(),
    Argument::new("len", ArgumentKind::Integer)
        .token("MINMATCHLEN")
        .optional(),
    Argument::new("withmatchlen", ArgumentKind::PureToken)
        .token("WITHMATCHLEN")
        .optional(),
];

pub(super) const MEMORY_USAGE: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("count", ArgumentKind::Integer)
        .token("SAMPLES")
        .optional(),
];

pub(super) const MOVE: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("db", ArgumentKind::Integer),
];

pub(super) const MSET: &[Argument] = &[Argument::new("key_value", ArgumentKind::Block)
    .multiple()
    .arguments(&[
        Argument::new("key", ArgumentKind::Key).key_spec(0),
        Argument::new("value", ArgumentKind::String),
    ])];

pub(super) const PEXPIRE: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("milliseconds", ArgumentKind::Integer),
    Argument::new("condition", ArgumentKind::OneOf)
        .since("7.0.0")
        .optional()
        .arguments(&[
            Argument::new("nx", ArgumentKind::PureToken).token("NX"),
            Argument::new("xx", ArgumentKind::PureToken).token("XX"),
            Argument::new("gt", ArgumentKind::PureToken).token("GT"),
            Argument::new("lt", ArgumentKind::PureToken).token("LT"),
        ]),
];

pub(super) const PEXPIREAT: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("unix-time-milliseconds", ArgumentKind::UnixTime),
    Argument::new("condition", ArgumentKind::OneOf)
        .since("7.0.0")
        .optional()
        .arguments(&[
            Argument::new("nx", ArgumentKind::PureToken).token("NX"),
            Argument::new("xx", ArgumentKind::PureToken).token("XX"),
            Argument::new("gt", ArgumentKind::PureToken).token("GT"),
            Argument::new("lt", ArgumentKind::PureToken).token("LT"),
        ]),
];

pub(super) const PING: &[Argument] = &[Argument::new("message", ArgumentKind::String).optional()];

pub(super) const PSETEX: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("milliseconds", ArgumentKind::Integer),
    Argument::new("value", ArgumentKind::String),
];

pub(super) const RENAME: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("newkey", ArgumentKind::Key).key_spec(1),
];

pub(super) const SCAN: &[Argument] = &[
    Argument::new("cursor", ArgumentKind::Integer),
    Argument::new("pattern", ArgumentKind::Pattern)
        .token("MATCH")
        .optional(),
    Argument::new("count", ArgumentKind::Integer)
        .token("COUNT")
        .optional(),
    Argument::new("type", ArgumentKind::String)
        .token("TYPE")
        .since("6.0.0")
        .optional(),
];

pub(super) const SELECT: &[Argument] = &[Argument::new("index", ArgumentKind::Integer)];

pub(super) const SET: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("value", ArgumentKind::String),
    Argument::new("condition", ArgumentKind::OneOf)
        .since("2.6.12")
        .optional()
        .arguments(&[
            Argument::new("nx", ArgumentKind::PureToken).token("NX"),
            Argument::new("xx", ArgumentKind::PureToken).token("XX"),
            IFEQ.since("8.4.0"),
            IFNE.since("8.4.0"),
            IFDEQ.since("8.4.0"),
            IFDNE.since("8.4.0"),
        ]),
    Argument::new("get", ArgumentKind::PureToken)
        .token("GET")
        .since("6.2.0")
        .optional(),
    Argument::new("expiration", ArgumentKind::OneOf)
        .optional()
        .arguments(&[
            Argument::new("seconds", ArgumentKind::Integer)
                .token("EX")
                .since("2.6.12"),
            Argument::new("milliseconds", ArgumentKind::Integer)
                .token("PX")
                .since("2.6.12"),
            Argument::new("unix-time-seconds", ArgumentKind::UnixTime)
                .token("EXAT")
                .since("6.2.0"),
            Argument::new("unix-time-milliseconds", ArgumentKind::UnixTime)
                .token("PXAT")
                .since("6.2.0"),
            Argument::new("keepttl", ArgumentKind::PureToken)
                .token("KEEPTTL")
                .since("6.0.0"),
        ]),
];

pub(super) const SETBIT: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("offset", ArgumentKind::Integer),
    Argument::new("value", ArgumentKind::Integer),
];

pub(super) const SETEX: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("seconds", ArgumentKind::Integer),
    Argument::new("value", ArgumentKind::String),
];

pub(super) const SETRANGE: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("offset", ArgumentKind::Integer),
    Argument::new("value", ArgumentKind::String),
];

pub(super) const BGSAVE: &[Argument] = &[Argument::new("schedule", ArgumentKind::PureToken)
    .token("SCHEDULE")
    .since("3.2.2")
    .optional()];

pub(super) const SHUTDOWN: &[Argument] = &[
    Argument::new("nosave_save", ArgumentKind::OneOf)
        .optional()
        .arguments(&[
            Argument::new("nosave", ArgumentKind::PureToken).token("NOSAVE"),
            Argument::new("save", ArgumentKind::PureToken).token("SAVE"),
        ]),
    Argument::new("now", ArgumentKind::PureToken)
        .token("NOW")
        .since("7.0.0")
        .optional(),
    Argument::new("force", ArgumentKind::PureToken)
        .token("FORCE")
        .since("7.0.0")
        .optional(),
    Argument::new("abort", ArgumentKind::PureToken)
        .token("ABORT")
        .since("7.0.0")
        .optional(),
];

pub(super) const SWAPDB: &[Argument] = &[
    Argument::new("index1", ArgumentKind::Integer),
    Argument::new("index2", ArgumentKind::Integer),
];

pub(super) const WAIT: &[Argument] = &[
    Argument::new("numreplicas", ArgumentKind::Integer),
    Argument::new("timeout", ArgumentKind::Integer),
];

pub(super) const WAITAOF: &[Argument] = &[
    Argument::new("numlocal", ArgumentKind::Integer),
    Argument::new("numreplicas", ArgumentKind::Integer),
    Argument::new("timeout", ArgumentKind::Integer),
];
