//! The arguments of the commands on sorted sets, as COMMAND DOCS tells them.

use crate::command::docs::{Argument, ArgumentKind};

pub(super) const BZMPOP: &[Argument] = &[
    Argument::new("timeout", ArgumentKind::Double),
    Argument::new("numkeys", ArgumentKind::Integer),
    Argument::new("key", ArgumentKind::Key)
        .key_spec(0)
        .multiple(),
    Argument::new("where", ArgumentKind::OneOf).arguments(&[
        Argument::new("min", ArgumentKind::PureToken).token("MIN"),
        Argument::new("max", ArgumentKind::PureToken).token("MAX"),
    ]),
    Argument::new("count", ArgumentKind::Integer)
        .token("COUNT")
        .optional(),
];

pub(super) const BZPOPMAX: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key)
        .key_spec(0)
        .multiple(),
    Argument::new("timeout", ArgumentKind::Double),
];

pub(super) const ZADD: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("condition", ArgumentKind::OneOf)
        .since("3.0.2")
        .optional()
        .arguments(&[
            Argument::new("nx", ArgumentKind::PureToken).token("NX"),
            Argument::new("xx", ArgumentKind::PureToken).token("XX"),
        ]),
    Argument::new("comparison", ArgumentKind::OneOf)
        .since("6.2.0")
        .optional()
        .arguments(&[
            Argument::new("gt", ArgumentKind::PureToken).token("GT"),
            Argument::new("lt", ArgumentKind::PureToken).token("LT"),
        ]),
    Argument::new("change", ArgumentKind::PureToken)
        .token("CH")
        .since("3.0.2")
        .optional(),
    Argument::new("increment", ArgumentKind::PureToken)
        .token("INCR")
        .since("3.0.2")
        .optional(),
    Argument::new("score_member", ArgumentKind::Block)
        .multiple()
        .arguments(&[
            Argument::new("score", ArgumentKind::Double),
            Argument::new("member", ArgumentKind::String),
        ]),
];

pub(super) const ZCARD: &[Argument] = &[Argument::new("key", ArgumentKind::Key).key_spec(0)];

pub(super) const ZCOUNT: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("min", ArgumentKind::Double),
    Argument::new("max", ArgumentKind::Double),
];

pub(super) const ZDIFF: &[Argument] = &[
    Argument::new("numkeys", ArgumentKind::Integer),
    Argument::new("key", ArgumentKind::Key)
        .key_spec(0)
        .multiple(),
    Argument::new("withscores", ArgumentKind::PureToken)
        .token("WITHSCORES")
        .optional(),
];

pub(super) const ZDIFFSTORE: &[Argument] = &[
    Argument::new("destination", ArgumentKind::Key).key_spec(0),
    Argument::new("numkeys", ArgumentKind::Integer),
    Argument::new("key", ArgumentKind::Key)
        .key_spec(1)
        .multiple(),
];

pub(super) const ZINCRBY: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("increment", ArgumentKind::Integer),
    Argument::new("member", ArgumentKind::String),
];

pub(super) const ZINTER: &[Argument] = &[
    Argument::new("numkeys", ArgumentKind::Integer),
    Argument::new("key", ArgumentKind::Key)
        .key_spec(0)
        .multiple(),
    Argument::new("weight", ArgumentKind::Integer)
        .token("WEIGHTS")
        .optional()
        .multiple(),
    Argument::new("aggregate", ArgumentKind::OneOf)
        .token("AGGREGATE")
        .optional()
        .arguments(&[
            Argument::new("sum", ArgumentKind::PureToken).token("SUM"),
            Argument::new("min", ArgumentKind::PureToken).token("MIN"),
            Argument::new("max", ArgumentKind::PureToken).token("MAX"),
        ]),
    Argument::new("withscores", ArgumentKind::PureToken)
        .token("WITHSCORES")
        .optional(),
];

pub(super) const ZINTERCARD: &[Argument] = &[
    Argument::new("numkeys", ArgumentKind::Integer),
    Argument::new("key", ArgumentKind::Key)
        .key_spec(0)
        .multiple(),
    Argument::new("limit", ArgumentKind::Integer)
        .token("LIMIT")
        .optional(),
];

pub(super) const ZINTERSTORE: &[Argument] = &[
    Argument::new("destination", ArgumentKind::Key).key_spec(0),
    Argument::new("numkeys", ArgumentKind::Integer),
    Argument::new("key", ArgumentKind::Key)
        .key_spec(1)
        .multiple(),
    Argument::new("weight", ArgumentKind::Integer)
        .token("WEIGHTS")
        .optional()
        .multiple(),
    Argument::new("aggregate", ArgumentKind::OneOf)
        .token("AGGREGATE")
        .optional()
        .arguments(&[
            Argument::new("sum", ArgumentKind::PureToken).token("SUM"),
            Argument::new("min", ArgumentKind::PureToken).token("MIN"),
            Argument::new("max", ArgumentKind::PureToken).token("MAX"),
        ]),
];

pub(super) const ZLEXCOUNT: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("min", ArgumentKind::String),
    Argument::new("max", ArgumentKind::String),
];

pub(super) const ZMPOP: &[Argument] = &[
    Argument::new("numkeys", ArgumentKind::Integer),
    Argument::new("key", ArgumentKind::Key)
        .key_spec(0)
        .multiple(),
    Argument::new("where", ArgumentKind::OneOf).arguments(&[
        Argument::new("min", ArgumentKind::PureToken).token("MIN"),
        Argument::new("max", ArgumentKind::PureToken).token("MAX"),
    ]),
    Argument::new("count", ArgumentKind::Integer)
        .token("COUNT")
        .optional(),
];

pub(super) const ZMSCORE: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("member", ArgumentKind::String).multiple(),
];

pub(super) const ZPOPMAX: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("count", ArgumentKind::Integer).optional(),
];

pub(super) const ZRANDMEMBER: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("options", ArgumentKind::Block)
        .optional()
        .arguments(&[
            Argument::new("count", ArgumentKind::Integer),
            Argument::new("withscores", ArgumentKind::PureToken)
                .token("WITHSCORES")
                .optional(),
        ]),
];

pub(super) const ZRANGE: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("start", ArgumentKind::String),
    Argument::new("stop", ArgumentKind::String),
    Argument::new("sortby", ArgumentKind::OneOf)
        .since("6.2.0")
        .optional()
        .arguments(&[
            Argument::new("byscore", ArgumentKind::PureToken).token("BYSCORE"),
            Argument::new("bylex", ArgumentKind::PureToken).token("BYLEX"),
        ]),
    Argument::new("rev", ArgumentKind::PureToken)
        .token("REV")
        .since("6.2.0")
        .optional(),
    Argument::new("offset_count", ArgumentKind::Block)
        .token("LIMIT")
        .since("6.2.0")
        .optional()
        .arguments(&[
            Argument::new("offset", ArgumentKind::Integer),
            Argument::new("count", ArgumentKind::Integer),
        ]),
    Argument::new("withscores", ArgumentKind::PureToken)
        .token("WITHSCORES")
        .optional(),
];

pub(super) const ZRANGEBYLEX: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("min", ArgumentKind::String),
    Argument::new("max", ArgumentKind::String),
    Argument::new("offset_count", ArgumentKind::Block)
        .token("LIMIT")
        .optional()
        .arguments(&[
            Argument::new("offset", ArgumentKind::Integer),
            Argument::new("count", ArgumentKind::Integer),
        ]),
];

pub(super) const ZRANGEBYSCORE: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("min", ArgumentKind::Double),
    Argument::new("max", ArgumentKind::Double),
    Argument::new("withscores", ArgumentKind::PureToken)
        .token("WITHSCORES")
        .since("2.0.0")
        .optional(),
    Argument::new("offset_count", ArgumentKind::Block)
        .token("LIMIT")
        .optional()
        .arguments(&[
            Argument::new("offset", ArgumentKind::Integer),
            Argument::new("count", ArgumentKind::Integer),
        ]),
];

pub(super) const ZRANGESTORE: &[Argument] = &[
    Argument::new("dst", ArgumentKind::Key).key_spec(0),
    Argument::new("src", ArgumentKind::Key).key_spec(1),
    Argument::new("min", ArgumentKind::String),
    Argument::new("max", ArgumentKind::String),
    Argument::new("sortby", ArgumentKind::OneOf)
        .optional()
        .arguments(&[
            Argument::new("byscore", ArgumentKind::PureToken).token("BYSCORE"),
            Argument::new("bylex", ArgumentKind::PureToken).token("BYLEX"),
        ]),
    Argument::new("rev", ArgumentKind::PureToken)
        .token("REV")
        .optional(),
    Argument::new("offset_count", ArgumentKind::Block)
        .token("LIMIT")
        .optional()
        .arguments(&[
            Argument::new("offset", ArgumentKind::Integer),
            Argument::new("count", ArgumentKind::Integer),
        ]),
];

pub(super) const ZRANK: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("member", ArgumentKind::String),
    Argument::new("withscore", ArgumentKind::PureToken)
        .token("WITHSCORE")
        .since("7.2.0")
        .optional(),
];

pub(super) const ZREMRANGEBYRANK: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("start", ArgumentKind::Integer),
    Argument::new("stop", ArgumentKind::Integer),
];

pub(super) const ZREVRANGE: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("start", ArgumentKind::Integer),
    Argument::new("stop", ArgumentKind::Integer),
    Argument::new("withscores", ArgumentKind::PureToken)
        .token("WITHSCORES")
        .optional(),
];

pub(super) const ZREVRANGEBYLEX: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("max", ArgumentKind::String),
    Argument::new("min", ArgumentKind::String),
    Argument::new("offset_count", ArgumentKind::Block)
        .token("LIMIT")
        .optional()
        .arguments(&[
            Argument::new("offset", ArgumentKind::Integer),
            Argument::new("count", ArgumentKind::Integer),
        ]),
];

pub(super) const ZREVRANGEBYSCORE: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("max", ArgumentKind::Double),
    Argument::new("min", ArgumentKind::Double),
    Argument::new("withscores", ArgumentKind::PureToken)
        .token("WITHSCORES")
        .optional(),
    Argument::new("offset_count", ArgumentKind::Block)
        .token("LIMIT")
        .optional()
        .arguments(&[
            Argument::new("offset", ArgumentKind::Integer),
            Argument::new("count", ArgumentKind::Integer),
        ]),
];

pub(super) const ZSCAN: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("cursor", ArgumentKind::Integer),
    Argument::new("pattern", ArgumentKind::Pattern)
        .token("MATCH")
        .optional(),
    Argument::new("count", ArgumentKind::Integer)
        .token("COUNT")
        .optional(),
];

pub(super) const ZSCORE: &[Argument] = &[
    Argument::new("key", ArgumentKind::Key).key_spec(0),
    Argument::new("member", ArgumentKind::String),
];
