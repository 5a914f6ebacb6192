//! All that a server has, as values that can be compared whatever order and form they are kept in.

use crate::call;
use crate::support::client::Client;
use crate::support::reply::Reply;
use std::collections::BTreeMap;
use torc::codec::kind;
use torc::command::dump::{self, DumpedValue};

/// What a value may become when it is decoded.
pub const BYTES_MAX: usize = 64 << 20;

/// A key, its database, its value in one order, and when it expires.
pub type Keyspace = BTreeMap<(u32, Vec<u8>), (DumpedValue, i64)>;

/// The version of the server's payloads and files: 10 for Redis 7.0, 11 for 7.2, 12 for 7.4 to 8.2, 80 for Valkey 9.
pub fn rdb_version(client: &mut Client) -> u16 {
    call!(client, "SET", "probe", "x");
    let payload = call!(client, "DUMP", "probe").bytes().to_vec();
    call!(client, "DEL", "probe");
    let footer = &payload[payload.len() - 10..];
    u16::from_le_bytes([footer[0], footer[1]])
}

/// The version of Valkey's files, which use a number for another form than Redis does.
pub const VALKEY: u16 = 80;

/// The value in a payload of a server of any version.
pub fn value_of(payload: &[u8], rdb_version: u16) -> DumpedValue {
    let (kind, body) = payload[..payload.len() - 10].split_first().expect("a kind");
    let kind = match *kind {
        kind::HASH_EXPIRING_VALKEY_IN_FILES if rdb_version == VALKEY => kind::HASH_EXPIRING_VALKEY,
        kind => kind,
    };
    in_order(dump::decode_value(kind, body, BYTES_MAX).expect("redis-server's payload"))
}

/// Everything that a redis-server has.
pub fn keyspace(client: &mut Client) -> Keyspace {
    let version = rdb_version(client);
    let mut found = Keyspace::new();
    for database in 0..16u32 {
        call!(client, "SELECT", database.to_string());
        for key in call!(client, "KEYS", "*").elements() {
            let key = key.bytes();
            let payload = call!(client, "DUMP", key);
            let value = value_of(payload.bytes(), version);
            let expires_at_ms = call!(client, "PEXPIRETIME", key).integer();
            found.insert((database, key.to_vec()), (value, expires_at_ms));
        }
    }
    call!(client, "SELECT", "0");
    found
}

/// The same value with what has no order in one.
pub fn in_order(mut value: DumpedValue) -> DumpedValue {
    match &mut value {
        DumpedValue::Set(members) => members.sort(),
        DumpedValue::SortedSet(members) => members.sort_by(|left, right| left.0.cmp(&right.0)),
        DumpedValue::Hash(fields) => fields.sort_by(|left, right| left.name.cmp(&right.name)),
        DumpedValue::String(_) | DumpedValue::List(_) | DumpedValue::Stream(_) => {}
    }
    value
}

/// Two keyspaces must be the same; what is not is named without printing everything.
pub fn assert_same(found: &Keyspace, expected: &Keyspace) {
    let name = |(database, key): &(u32, Vec<u8>)| format!("{database}: {}", key.escape_ascii());
    for (key, value) in expected {
        let found = found.get(key);
        if found != Some(value) {
            let [found, expected] = [format!("{found:?}"), format!("Some({value:?})")];
            let pairs = found.bytes().zip(expected.bytes());
            let at = pairs.take_while(|(left, right)| left == right).count();
            let around = |text: &str| {
                text.chars()
                    .skip(at.saturating_sub(200))
                    .take(400)
                    .collect::<String>()
            };
            panic!(
                "{}: found ...{}..., expected ...{}...",
                name(key),
                around(&found),
                around(&expected)
            );
        }
    }
    for key in found.keys() {
        assert!(expected.contains_key(key), "too much: {}", name(key));
    }
}

/// The codes of all libraries, in one order.
pub fn functions(client: &mut Client) -> Vec<Vec<u8>> {
    let reply = call!(client, "FUNCTION", "LIST", "WITHCODE");
    let mut codes: Vec<Vec<u8>> = reply
        .elements()
        .iter()
        .map(|library| {
            let fields = library.elements();
            let at = fields
                .iter()
                .position(|field| *field == Reply::Bulk(b"library_code".to_vec()))
                .expect("the code was asked for");
            fields[at + 1].bytes().to_vec()
        })
        .collect();
    codes.sort();
    codes
}
