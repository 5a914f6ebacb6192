//! The arguments of commands on hashes, as COMMAND DOCS tells them.
//!
//! Names, tokens and order are those of Redis, because clients and editors complete from them.

use crate::command::docs::{Argument, ArgumentKind};

const KEY: Argument = Argument::new("key", ArgumentKind::Key).key_spec(0);
const FIELD: Argument = Argument::new("field", ArgumentKind::String);
const VALUE: Argument = Argument::new("value", ArgumentKind::String);
const PAIRS: Argument = Argument::new("field_value", ArgumentKind::Block)
    .multiple()
    .arguments(&[FIELD, VALUE]);

pub(super) const HSET: &[Argument] = &[KEY, PAIRS];
pub(super) const HSETNX: &[Argument] = &[KEY, FIELD, VALUE];
pub(super) const FIELD_OF: &[Argument] = &[KEY, FIELD];
pub(super) const FIELDS_OF: &[Argument] = &[KEY, FIELD.multiple()];
pub(super) const ALL: &[Argument] = &[KEY];
pub(super) const HINCRBY: &[Argument] = &[
    KEY,
    FIELD,
    Argument::new("increment", ArgumentKind::Integer),
];
pub(super) const HINCRBYFLOAT: &[Argument] =
    &[KEY, FIELD, Argument::new("increment", ArgumentKind::Double)];
pub(super) const HRANDFIELD: &[Argument] = &[
    KEY,
    Argument::new("options", ArgumentKind::Block)
        .optional()
        .arguments(&[
            Argument::new("count", ArgumentKind::Integer),
            Argument::new("withvalues", ArgumentKind::PureToken)
                .token("WITHVALUES")
                .optional(),
        ]),
];
pub(super) const HSCAN: &[Argument] = &[
    KEY,
    Argument::new("cursor", ArgumentKind::Integer),
    Argument::new("pattern", ArgumentKind::Pattern)
        .token("MATCH")
        .optional(),
    Argument::new("count", ArgumentKind::Integer)
        .token("COUNT")
        .optional(),
    Argument::new("novalues", ArgumentKind::PureToken)
        .token("NOVALUES")
        .since("7.4.0")
        .optional(),
];

/// `FIELDS numfields field [field ...]`.
const FIELDS: Argument = Argument::new("fields", ArgumentKind::Block)
    .token("FIELDS")
    .arguments(&[
        Argument::new("numfields", ArgumentKind::Integer),
        FIELD.multiple(),
    ]);
const EXPIRY_CONDITION: Argument = Argument::new("condition", ArgumentKind::OneOf)
    .optional()
    .arguments(&[
        Argument::new("nx", ArgumentKind::PureToken).token("NX"),
        Argument::new("xx", ArgumentKind::PureToken).token("XX"),
        Argument::new("gt", ArgumentKind::PureToken).token("GT"),
        Argument::new("lt", ArgumentKind::PureToken).token("LT"),
    ]);
const SECONDS: Argument = Argument::new("seconds", ArgumentKind::Integer);
const MILLISECONDS: Argument = Argument::new("milliseconds", ArgumentKind::Integer);
const TIME_SECONDS: Argument = Argument::new("unix-time-seconds", ArgumentKind::UnixTime);
const TIME_MILLISECONDS: Argument = Argument::new("unix-time-milliseconds", ArgumentKind::UnixTime);

pub(super) const FIELDS_LISTED: &[Argument] = &[KEY, FIELDS];
pub(super) const HEXPIRE: &[Argument] = &[KEY, SECONDS, EXPIRY_CONDITION, FIELDS];
pub(super) const HPEXPIRE: &[Argument] = &[KEY, MILLISECONDS, EXPIRY_CONDITION, FIELDS];
pub(super) const HEXPIREAT: &[Argument] = &[KEY, TIME_SECONDS, EXPIRY_CONDITION, FIELDS];
pub(super) const HPEXPIREAT: &[Argument] = &[KEY, TIME_MILLISECONDS, EXPIRY_CONDITION, FIELDS];
pub(super) const HGETEX: &[Argument] = &[
    KEY,
    Argument::new("expiration", ArgumentKind::OneOf)
        .optional()
        .arguments(&[
            SECONDS.token("EX"),
            MILLISECONDS.token("PX"),
            TIME_SECONDS.token("EXAT"),
            TIME_MILLISECONDS.token("PXAT"),
            Argument::new("persist", ArgumentKind::PureToken).token("PERSIST"),
        ]),
    FIELDS,
];
pub(super) const HSETEX: &[Argument] = &[
    KEY,
    Argument::new("condition", ArgumentKind::OneOf)
        .optional()
        .arguments(&[
            Argument::new("fnx", ArgumentKind::PureToken).token("FNX"),
            Argument::new("fxx", ArgumentKind::PureToken).token("FXX"),
        ]),
    Argument::new("expiration", ArgumentKind::OneOf)
        .optional()
        .arguments(&[
            SECONDS.token("EX"),
            MILLISECONDS.token("PX"),
            TIME_SECONDS.token("EXAT"),
            TIME_MILLISECONDS.token("PXAT"),
            Argument::new("keepttl", ArgumentKind::PureToken).token("KEEPTTL"),
        ]),
    Argument::new("fields", ArgumentKind::Block)
        .token("FIELDS")
        .arguments(&[
            Argument::new("numfields", ArgumentKind::Integer),
            Argument::new("data", ArgumentKind::Block)
                .multiple()
                .arguments(&[FIELD, VALUE]),
        ]),
];
