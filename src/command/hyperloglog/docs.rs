//! The arguments of the commands on HyperLogLogs, as COMMAND DOCS tells them.

use crate::command::docs::{Argument, ArgumentKind};

pub(super) const PFADD: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("element", ArgumentKind::String)
        .optional()
        .multiple(),
];
pub(super) const PFCOUNT: &[Argument] = &[Argument::new("key", ArgumentKind::Key)
    .key_spec(0)
    .multiple()];
pub(super) const PFMERGE: &[Argument] = &[
    Argument::new("destkey", ArgumentKind::Key).key_spec(0),
    Argument::new("sourcekey", ArgumentKind::Key)
        .key_spec(1)
        .multiple(),
];
