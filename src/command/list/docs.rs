//! The arguments of the commands on lists, as COMMAND DOCS tells them.

use crate::command::docs::{Argument, ArgumentKind};

const KEY: Argument = Argument::new("key", ArgumentKind::Key).key_spec(0);
const KEYS: Argument = KEY.multiple();
const ELEMENT: Argument = Argument::new("element", ArgumentKind::String);
const INDEX: Argument = Argument::new("index", ArgumentKind::Integer);
const NUMBER_OF_KEYS: Argument = Argument::new("numkeys", ArgumentKind::Integer);
const SOURCE: Argument = Argument::new("source", ArgumentKind::Key).key_spec(0);
const DESTINATION: Argument = Argument::new("destination", ArgumentKind::Key).key_spec(1);
const TIMEOUT: Argument = Argument::new("timeout", ArgumentKind::Double);
const COUNT: Argument = Argument::new("count", ArgumentKind::Integer);
const ENDS: &[Argument] = &[
    Argument::new("left", ArgumentKind::PureToken).token("LEFT"),
    Argument::new("right", ArgumentKind::PureToken).token("RIGHT"),
];
const WHERE: Argument = Argument::new("where", ArgumentKind::OneOf).arguments(ENDS);
const WHERE_FROM: Argument = Argument::new("wherefrom", ArgumentKind::OneOf).arguments(ENDS);
const WHERE_TO: Argument = Argument::new("whereto", ArgumentKind::OneOf).arguments(ENDS);

pub(super) const BLMOVE: &[Argument] = &[SOURCE, DESTINATION, WHERE_FROM, WHERE_TO, TIMEOUT];
pub(super) const BLMPOP: &[Argument] = &[
    TIMEOUT,
    NUMBER_OF_KEYS,
    KEYS,
    WHERE,
    COUNT.token("COUNT").optional(),
];
pub(super) const BLPOP: &[Argument] = &[KEYS, TIMEOUT];
pub(super) const BRPOPLPUSH: &[Argument] = &[SOURCE, DESTINATION, TIMEOUT];
pub(super) const LINDEX: &[Argument] = &[KEY, INDEX];
pub(super) const LINSERT: &[Argument] = &[
    KEY,
    Argument::new("where", ArgumentKind::OneOf).arguments(&[
        Argument::new("before", ArgumentKind::PureToken).token("BEFORE"),
        Argument::new("after", ArgumentKind::PureToken).token("AFTER"),
    ]),
    Argument::new("pivot", ArgumentKind::String),
    ELEMENT,
];
pub(super) const LLEN: &[Argument] = &[KEY];
pub(super) const LMOVE: &[Argument] = &[SOURCE, DESTINATION, WHERE_FROM, WHERE_TO];
pub(super) const LMPOP: &[Argument] =
    &[NUMBER_OF_KEYS, KEYS, WHERE, COUNT.token("COUNT").optional()];
pub(super) const LPOP: &[Argument] = &[KEY, COUNT.since("6.2.0").optional()];
pub(super) const LPOS: &[Argument] = &[
    KEY,
    ELEMENT,
    Argument::new("rank", ArgumentKind::Integer)
        .token("RANK")
        .optional(),
    Argument::new("num-matches", ArgumentKind::Integer)
        .token("COUNT")
        .optional(),
    Argument::new("len", ArgumentKind::Integer)
        .token("MAXLEN")
        .optional(),
];
pub(super) const LPUSH: &[Argument] = &[KEY, ELEMENT.multiple()];
pub(super) const LRANGE: &[Argument] = &[
    KEY,
    Argument::new("start", ArgumentKind::Integer),
    Argument::new("stop", ArgumentKind::Integer),
];
pub(super) const LREM: &[Argument] = &[KEY, COUNT, ELEMENT];
pub(super) const LSET: &[Argument] = &[KEY, INDEX, ELEMENT];
pub(super) const RPOPLPUSH: &[Argument] = &[SOURCE, DESTINATION];
