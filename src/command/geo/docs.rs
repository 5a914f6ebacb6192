//! The arguments of the commands on positions, as COMMAND DOCS tells them.

use crate::command::docs::{Argument, ArgumentKind};

const KEY: Argument = Argument::new("key", ArgumentKind::Key).key_spec(0);
const MEMBER: Argument = Argument::new("member", ArgumentKind::String);
const LONGITUDE: Argument = Argument::new("longitude", ArgumentKind::Double);
const LATITUDE: Argument = Argument::new("latitude", ArgumentKind::Double);
const RADIUS: Argument = Argument::new("radius", ArgumentKind::Double);
const UNIT: Argument = Argument::new("unit", ArgumentKind::OneOf).arguments(&[
    Argument::new("m", ArgumentKind::PureToken).token("M"),
    Argument::new("km", ArgumentKind::PureToken).token("KM"),
    Argument::new("ft", ArgumentKind::PureToken).token("FT"),
    Argument::new("mi", ArgumentKind::PureToken).token("MI"),
]);
const FROM: Argument = Argument::new("from", ArgumentKind::OneOf).arguments(&[
    MEMBER.token("FROMMEMBER"),
    Argument::new("longitude_latitude", ArgumentKind::Block)
        .token("FROMLONLAT")
        .arguments(&[LONGITUDE, LATITUDE]),
]);
const BY: Argument = Argument::new("by", ArgumentKind::OneOf).arguments(&[
    Argument::new("circle", ArgumentKind::Block).arguments(&[RADIUS.token("BYRADIUS"), UNIT]),
    Argument::new("box", ArgumentKind::Block).arguments(&[
        Argument::new("width", ArgumentKind::Double).token("BYBOX"),
        Argument::new("height", ArgumentKind::Double),
        UNIT,
    ]),
]);
const ORDER: Argument = Argument::new("order", ArgumentKind::OneOf)
    .optional()
    .arguments(&[
        Argument::new("asc", ArgumentKind::PureToken).token("ASC"),
        Argument::new("desc", ArgumentKind::PureToken).token("DESC"),
    ]);
const NUMBER: Argument = Argument::new("count", ArgumentKind::Integer).token("COUNT");
const ANY: Argument = Argument::new("any", ArgumentKind::PureToken)
    .token("ANY")
    .optional();
const COUNT: Argument = Argument::new("count", ArgumentKind::Block)
    .optional()
    .arguments(&[NUMBER, ANY]);
const COUNT_RADIUS: Argument = Argument::new("count", ArgumentKind::Block)
    .optional()
    .arguments(&[NUMBER, ANY.since("6.2.0")]);
const WITH_POSITION: Argument = Argument::new("withcoord", ArgumentKind::PureToken)
    .token("WITHCOORD")
    .optional();
const WITH_DISTANCE: Argument = Argument::new("withdist", ArgumentKind::PureToken)
    .token("WITHDIST")
    .optional();
const WITH_HASH: Argument = Argument::new("withhash", ArgumentKind::PureToken)
    .token("WITHHASH")
    .optional();
const STORE: Argument = Argument::new("key", ArgumentKind::Key)
    .key_spec(1)
    .token("STORE")
    .optional();
const STORE_DISTANCE: Argument = Argument::new("key", ArgumentKind::Key)
    .key_spec(2)
    .token("STOREDIST")
    .optional();

pub(super) const GEOADD: &[Argument] = &[
    KEY,
    Argument::new("condition", ArgumentKind::OneOf)
        .since("6.2.0")
        .optional()
        .arguments(&[
            Argument::new("nx", ArgumentKind::PureToken).token("NX"),
            Argument::new("xx", ArgumentKind::PureToken).token("XX"),
        ]),
    Argument::new("change", ArgumentKind::PureToken)
        .token("CH")
        .since("6.2.0")
        .optional(),
    Argument::new("longitude_latitude_member", ArgumentKind::Block)
        .multiple()
        .arguments(&[LONGITUDE, LATITUDE, MEMBER]),
];
pub(super) const GEODIST: &[Argument] = &[
    KEY,
    Argument::new("member1", ArgumentKind::String),
    Argument::new("member2", ArgumentKind::String),
    UNIT.optional(),
];
pub(super) const GEOHASH: &[Argument] = &[KEY, MEMBER.multiple()];
pub(super) const GEOPOS: &[Argument] = GEOHASH;
pub(super) const GEOSEARCH: &[Argument] = &[
    KEY,
    FROM,
    BY,
    ORDER,
    COUNT,
    WITH_POSITION,
    WITH_DISTANCE,
    WITH_HASH,
];
pub(super) const GEOSEARCHSTORE: &[Argument] = &[
    Argument::new("destination", ArgumentKind::Key).key_spec(0),
    Argument::new("source", ArgumentKind::Key).key_spec(1),
    FROM,
    BY,
    ORDER,
    COUNT,
    Argument::new("storedist", ArgumentKind::PureToken)
        .token("STOREDIST")
        .optional(),
];
pub(super) const GEORADIUS: &[Argument] = &[
    KEY,
    LONGITUDE,
    LATITUDE,
    RADIUS,
    UNIT,
    WITH_POSITION,
    WITH_DISTANCE,
    WITH_HASH,
    COUNT_RADIUS,
    ORDER,
    STORE,
    STORE_DISTANCE,
];
pub(super) const GEORADIUS_RO: &[Argument] = GEORADIUS.split_at(10).0;
pub(super) const GEORADIUSBYMEMBER: &[Argument] = &[
    KEY,
    MEMBER,
    RADIUS,
    UNIT,
    WITH_POSITION,
    WITH_DISTANCE,
    WITH_HASH,
    COUNT,
    ORDER,
    STORE,
    STORE_DISTANCE,
];
pub(super) const GEORADIUSBYMEMBER_RO: &[Argument] = GEORADIUSBYMEMBER.split_at(9).0;
