//! The arguments of the commands on streams as COMMAND DOCS tells them.

use super::super::docs::{Argument, ArgumentKind};

const KEY: Argument = Argument::new("key", ArgumentKind::Key).key_spec(0);
const GROUP: Argument = Argument::new("group", ArgumentKind::String);
const GROUP_NAME: Argument = Argument::new("groupname", ArgumentKind::String);
const CONSUMER_NAME: Argument = Argument::new("consumername", ArgumentKind::String);
const CONSUMER: Argument = Argument::new("consumer", ArgumentKind::String);
const START: Argument = Argument::new("start", ArgumentKind::String);
const END: Argument = Argument::new("end", ArgumentKind::String);
const ID: Argument = Argument::new("id", ArgumentKind::String);
const MIN_IDLE_TIME: Argument = Argument::new("min-idle-time", ArgumentKind::String);
const COUNT: Argument = Argument::new("count", ArgumentKind::Integer)
    .token("COUNT")
    .optional();
const TRIM: Argument = Argument::new("trim", ArgumentKind::Block).arguments(&[
    Argument::new("strategy", ArgumentKind::OneOf).arguments(&[
        Argument::new("maxlen", ArgumentKind::PureToken).token("MAXLEN"),
        Argument::new("minid", ArgumentKind::PureToken)
            .token("MINID")
            .since("6.2.0"),
    ]),
    Argument::new("operator", ArgumentKind::OneOf)
        .optional()
        .arguments(&[
            Argument::new("equal", ArgumentKind::PureToken).token("="),
            Argument::new("approximately", ArgumentKind::PureToken).token("~"),
        ]),
    Argument::new("threshold", ArgumentKind::String),
    Argument::new("count", ArgumentKind::Integer)
        .token("LIMIT")
        .since("6.2.0")
        .optional(),
]);
const STREAMS: Argument = Argument::new("streams", ArgumentKind::Block)
    .token("STREAMS")
    .arguments(&[KEY.multiple(), ID.multiple()]);
const BLOCK: Argument = Argument::new("milliseconds", ArgumentKind::Integer)
    .token("BLOCK")
    .optional();
const FROM: Argument = Argument::new("id", ArgumentKind::OneOf).arguments(&[
    ID,
    Argument::new("new_id", ArgumentKind::PureToken).token("$"),
]);
const ENTRIES_READ: Argument = Argument::new("entries_read", ArgumentKind::Integer)
    .token("ENTRIESREAD")
    .optional();
const REFERENCES: Argument = Argument::new("condition", ArgumentKind::OneOf)
    .optional()
    .arguments(&[
        Argument::new("keepref", ArgumentKind::PureToken).token("KEEPREF"),
        Argument::new("delref", ArgumentKind::PureToken).token("DELREF"),
        Argument::new("acked", ArgumentKind::PureToken).token("ACKED"),
    ]);
const IDS: Argument = Argument::new("ids", ArgumentKind::Block)
    .token("IDS")
    .arguments(&[
        Argument::new("numids", ArgumentKind::Integer),
        ID.multiple(),
    ]);

pub(super) const XACK: &[Argument] = &[KEY, GROUP, ID.multiple()];
pub(super) const XACKDEL: &[Argument] = &[KEY, GROUP, REFERENCES, IDS];
pub(super) const XADD: &[Argument] = &[
    KEY,
    Argument::new("nomkstream", ArgumentKind::PureToken)
        .token("NOMKSTREAM")
        .since("6.2.0")
        .optional(),
    REFERENCES.since("8.2.0"),
    TRIM.optional(),
    Argument::new("id_or_auto", ArgumentKind::OneOf).arguments(&[
        Argument::new("auto_id", ArgumentKind::PureToken).token("*"),
        ID,
    ]),
    Argument::new("field_value", ArgumentKind::Block)
        .multiple()
        .arguments(&[
            Argument::new("field", ArgumentKind::String),
            Argument::new("value", ArgumentKind::String),
        ]),
];
pub(super) const XAUTOCLAIM: &[Argument] = &[
    KEY,
    GROUP,
    CONSUMER,
    MIN_IDLE_TIME,
    START,
    COUNT,
    Argument::new("justid", ArgumentKind::PureToken)
        .token("JUSTID")
        .optional(),
];
pub(super) const XCLAIM: &[Argument] = &[
    KEY,
    GROUP,
    CONSUMER,
    MIN_IDLE_TIME,
    ID.multiple(),
    Argument::new("ms", ArgumentKind::Integer)
        .token("IDLE")
        .optional(),
    Argument::new("unix-time-milliseconds", ArgumentKind::UnixTime)
        .token("TIME")
        .optional(),
    Argument::new("count", ArgumentKind::Integer)
        .token("RETRYCOUNT")
        .optional(),
    Argument::new("force", ArgumentKind::PureToken)
        .token("FORCE")
        .optional(),
    Argument::new("justid", ArgumentKind::PureToken)
        .token("JUSTID")
        .optional(),
    ID.token("LASTID").optional(),
];
pub(super) const XDEL: &[Argument] = &[KEY, ID.multiple()];
pub(super) const XDELEX: &[Argument] = &[KEY, REFERENCES, IDS];
pub(super) const XGROUP_CREATE: &[Argument] = &[
    KEY,
    GROUP_NAME,
    FROM,
    Argument::new("mkstream", ArgumentKind::PureToken)
        .token("MKSTREAM")
        .optional(),
    ENTRIES_READ,
];
pub(super) const XGROUP_CONSUMER: &[Argument] = &[KEY, GROUP_NAME, CONSUMER_NAME];
pub(super) const GROUP_OF_KEY: &[Argument] = &[KEY, GROUP_NAME];
pub(super) const XGROUP_SETID: &[Argument] = &[KEY, GROUP_NAME, FROM, ENTRIES_READ];
pub(super) const KEY_ALONE: &[Argument] = &[KEY];
pub(super) const XINFO_STREAM: &[Argument] = &[
    KEY,
    Argument::new("full", ArgumentKind::Block)
        .token("FULL")
        .optional()
        .arguments(&[COUNT]),
];
pub(super) const XPENDING: &[Argument] = &[
    KEY,
    GROUP,
    Argument::new("filters", ArgumentKind::Block)
        .optional()
        .arguments(&[
            Argument::new("min-idle-time", ArgumentKind::Integer)
                .token("IDLE")
                .since("6.2.0")
                .optional(),
            START,
            END,
            Argument::new("count", ArgumentKind::Integer),
            CONSUMER.optional(),
        ]),
];
pub(super) const XRANGE: &[Argument] = &[KEY, START, END, COUNT];
pub(super) const XREVRANGE: &[Argument] = &[KEY, END, START, COUNT];
pub(super) const XREAD: &[Argument] = &[COUNT, BLOCK, STREAMS];
pub(super) const XREADGROUP: &[Argument] = &[
    Argument::new("group_consumer", ArgumentKind::Block)
        .token("GROUP")
        .arguments(&[GROUP, CONSUMER]),
    COUNT,
    BLOCK,
    Argument::new("noack", ArgumentKind::PureToken)
        .token("NOACK")
        .optional(),
    STREAMS,
];
pub(super) const XSETID: &[Argument] = &[
    KEY,
    Argument::new("last-id", ArgumentKind::String),
    Argument::new("entries_added", ArgumentKind::Integer)
        .token("ENTRIESADDED")
        .since("7.0.0")
        .optional(),
    Argument::new("max_deleted_entry_id", ArgumentKind::String)
        .token("MAXDELETEDID")
        .since("7.0.0")
        .optional(),
];
pub(super) const XTRIM: &[Argument] = &[KEY, TRIM, REFERENCES.since("8.2.0")];
