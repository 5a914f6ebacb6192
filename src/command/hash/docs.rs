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
