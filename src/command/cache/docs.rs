//! The arguments of the family, as COMMAND DOCS tells them.

use crate::command::docs::{Argument, ArgumentKind};

const KEY: Argument = Argument::new("key", ArgumentKind::Key).key_spec(0);
const VALUE: Argument = Argument::new("value", ArgumentKind::String);
const TOKEN: Argument = Argument::new("lease-token", ArgumentKind::Integer);
const TAG: Argument = Argument::new("tag", ArgumentKind::String).multiple();
const EXPIRY: Argument = Argument::new("expiration", ArgumentKind::OneOf)
    .optional()
    .arguments(&[
        Argument::new("seconds", ArgumentKind::Integer).token("EX"),
        Argument::new("milliseconds", ArgumentKind::Integer).token("PX"),
        Argument::new("unix-time-seconds", ArgumentKind::UnixTime).token("EXAT"),
        Argument::new("unix-time-milliseconds", ArgumentKind::UnixTime).token("PXAT"),
    ]);
const NUMBERED_TAGS: Argument = Argument::new("tags", ArgumentKind::Block)
    .token("TAGS")
    .optional()
    .arguments(&[Argument::new("numtags", ArgumentKind::Integer), TAG]);

pub(super) const SET: &[Argument] = &[KEY, VALUE, EXPIRY, NUMBERED_TAGS];
pub(super) const TAG_KEY: &[Argument] = &[KEY, TAG];
pub(super) const KEY_ONLY: &[Argument] = &[KEY];
pub(super) const TAGS_ONLY: &[Argument] = &[TAG];
pub(super) const GET: &[Argument] = &[
    KEY,
    Argument::new("lease", ArgumentKind::Block)
        .optional()
        .arguments(&[
            Argument::new("lease-seconds", ArgumentKind::Integer).token("LEASE"),
            Argument::new("refresh-seconds", ArgumentKind::Integer)
                .token("REFRESH")
                .optional(),
            NUMBERED_TAGS,
        ]),
];
pub(super) const FILL: &[Argument] = &[KEY, TOKEN, VALUE, EXPIRY, NUMBERED_TAGS];
pub(super) const RELEASE: &[Argument] = &[KEY, TOKEN];
pub(super) const STALE: &[Argument] = &[
    KEY,
    Argument::new("seconds", ArgumentKind::Integer).optional(),
];
