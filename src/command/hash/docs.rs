//! The arguments of commands on hashes, as COMMAND DOCS tells them.
//!
//! Names, tokens and order are those of Redis, because clients and editors complete from them.

use crate::command::docs::{Argument, ArgumentKind};

const fn plain(name: &'static str, kind: ArgumentKind) -> Argument {
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

const fn many(name: &'static str) -> Argument {
    Argument {
        multiple: true,
        ..plain(name, ArgumentKind::String)
    }
}

const KEY: Argument = Argument {
    key_spec: Some(0),
    ..plain("key", ArgumentKind::Key)
};
const FIELD: Argument = plain("field", ArgumentKind::String);
const VALUE: Argument = plain("value", ArgumentKind::String);
const PAIRS: Argument = Argument {
    multiple: true,
    arguments: &[FIELD, VALUE],
    ..plain("field_value", ArgumentKind::Block)
};

pub(super) const HSET: &[Argument] = &[KEY, PAIRS];
pub(super) const HSETNX: &[Argument] = &[KEY, FIELD, VALUE];
pub(super) const FIELD_OF: &[Argument] = &[KEY, FIELD];
pub(super) const FIELDS_OF: &[Argument] = &[KEY, many("field")];
pub(super) const ALL: &[Argument] = &[KEY];
pub(super) const HINCRBY: &[Argument] = &[KEY, FIELD, plain("increment", ArgumentKind::Integer)];
pub(super) const HINCRBYFLOAT: &[Argument] =
    &[KEY, FIELD, plain("increment", ArgumentKind::Double)];
pub(super) const HRANDFIELD: &[Argument] = &[
    KEY,
    Argument {
        optional: true,
        arguments: &[
            plain("count", ArgumentKind::Integer),
            Argument {
                token: "WITHVALUES",
                optional: true,
                ..plain("withvalues", ArgumentKind::PureToken)
            },
        ],
        ..plain("options", ArgumentKind::Block)
    },
];
pub(super) const HSCAN: &[Argument] = &[
    KEY,
    plain("cursor", ArgumentKind::Integer),
    Argument {
        token: "MATCH",
        optional: true,
        ..plain("pattern", ArgumentKind::Pattern)
    },
    Argument {
        token: "COUNT",
        optional: true,
        ..plain("count", ArgumentKind::Integer)
    },
    Argument {
        token: "NOVALUES",
        since: "7.4.0",
        optional: true,
        ..plain("novalues", ArgumentKind::PureToken)
    },
];
