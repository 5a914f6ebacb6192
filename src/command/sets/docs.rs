//! The arguments of the commands on sets, for COMMAND DOCS.

use crate::command::docs::{Argument, ArgumentKind};

const KEY: Argument = Argument::new("key", ArgumentKind::Key).key_spec(0);
const MEMBER: Argument = Argument::new("member", ArgumentKind::String);

pub(super) const KEY_ONLY: &[Argument] = &[KEY];
pub(super) const KEY_MEMBER: &[Argument] = &[KEY, MEMBER];
pub(super) const KEY_MEMBERS: &[Argument] = &[KEY, MEMBER.multiple()];
pub(super) const KEYS: &[Argument] = &[KEY.multiple()];
pub(super) const DESTINATION_KEYS: &[Argument] = &[
    Argument::new("destination", ArgumentKind::Key).key_spec(0),
    Argument::new("key", ArgumentKind::Key)
        .key_spec(1)
        .multiple(),
];
pub(super) const SINTERCARD: &[Argument] = &[
    Argument::new("numkeys", ArgumentKind::Integer),
    KEY.multiple(),
    Argument::new("limit", ArgumentKind::Integer)
        .token("LIMIT")
        .optional(),
];
pub(super) const SMOVE: &[Argument] = &[
    Argument::new("source", ArgumentKind::Key).key_spec(0),
    Argument::new("destination", ArgumentKind::Key).key_spec(1),
    MEMBER,
];
pub(super) const SPOP: &[Argument] = &[
    KEY,
    Argument::new("count", ArgumentKind::Integer)
        .since("3.2.0")
        .optional(),
];
pub(super) const SRANDMEMBER: &[Argument] = &[
    KEY,
    Argument::new("count", ArgumentKind::Integer)
        .since("2.6.0")
        .optional(),
];
pub(super) const SSCAN: &[Argument] = &[
    KEY,
    Argument::new("cursor", ArgumentKind::Integer),
    Argument::new("pattern", ArgumentKind::Pattern)
        .token("MATCH")
        .optional(),
    Argument::new("count", ArgumentKind::Integer)
        .token("COUNT")
        .optional(),
];
