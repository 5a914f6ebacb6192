//! DUMP and RESTORE: values out of the keyspace as payloads and back.
//! Never: the format, which is the codec's beside it.
//! The decision worth knowing: payloads are those of Redis 7.0, which every later version reads; only hashes whose fields expire need a newer one.

use super::{DumpError, DumpedField, DumpedValue, Payload, VERSION_7_0, VERSION_7_4, decode};
use crate::command::number::integer;
use crate::command::string_value::string_value;
use crate::command::transfer::renews;
use crate::command::{CommandError, Context, key_at};
use crate::engine::value::hash::Hash;
use crate::engine::value::list::{Direction, List};
use crate::engine::value::set::Set;
use crate::engine::value::sorted_set::SortedSet;
use crate::engine::value::stream::Stream;
use crate::engine::{Engine, EventClass, Expiry, Item, Key, NewValue, Touch, Type};

/// DUMP key.
pub fn dump(context: &mut Context<'_>) -> Result<(), CommandError> {
    match context.find_read(1) {
        Some(item) => context.reply.bulk(&payload(context.engine, item)?),
        None => context.reply.null(),
    }
    Ok(())
}

/// What DUMP writes: what Redis 7.0 reads, unless that would lose the expiries of fields.
const DUMPED: Forms = Forms {
    fields_expire: true,
    stream_version: VERSION_7_0,
};

/// Which of the newer forms a payload may have.
#[derive(Clone, Copy)]
struct Forms {
    /// A hash says when its fields expire, if any do; otherwise this is left out.
    fields_expire: bool,
    /// The version that a stream is for.
    stream_version: u16,
}

/// A value as in an RDB file of this version, [`VERSION_7_0`] or later: its kind, then its body. A file has no other place for what its version does not
/// know, so expiries of fields are left out before [`VERSION_7_4`], and the times at which consumers were active before [`super::VERSION_7_2`].
pub fn rdb_value(engine: &Engine, item: Item, version: u16) -> Result<Payload, CommandError> {
    let forms = Forms {
        fields_expire: version >= VERSION_7_4,
        stream_version: version,
    };
    payload_of(engine, item, forms)
}

/// What DUMP writes of a value.
pub(super) fn payload(engine: &Engine, item: Item) -> Result<Vec<u8>, CommandError> {
    Ok(payload_of(engine, item, DUMPED)?.finish())
}

/// The payload of a value.
fn payload_of(engine: &Engine, item: Item, forms: Forms) -> Result<Payload, CommandError> {
    Ok(match engine.type_of(item) {
        Type::String => super::string(&string_value(engine, item)),
        Type::List => {
            let list = engine.view::<List>(item)?;
            let elements = list.range(0..list.len(), Direction::Forward);
            super::list(elements.map(|element| element.to_vec()))
        }
        Type::Set => {
            let set = engine.view::<Set>(item)?;
            if set.encoding() == "intset" {
                let mut integers: Vec<i64> =
                    set.iter().filter_map(|member| member.integer()).collect();
                assert_eq!(integers.len(), set.len(), "an intset has integers only");
                integers.sort_unstable();
                super::intset(integers.into_iter())
            } else {
                super::set(set.len(), set.iter().map(|member| member.to_vec()))
            }
        }
        Type::SortedSet => {
            let set = engine.view::<SortedSet>(item)?;
            let members = |direction| {
                let members = set.range(0..set.len(), direction);
                members.map(|(member, score)| (member.to_vec(), score))
            };
            if set.encoding() == "listpack" {
                super::packed_sorted_set(members(Direction::Forward))
            } else {
                super::sorted_set(set.len(), members(Direction::Backward))
            }
        }
        Type::Hash => {
            // Copied, because the form of a payload depends on all of its fields.
            let fields: Vec<_> = engine
                .view::<Hash>(item)?
                .iter_with_expiry(engine.now_ms())
                .map(|(name, value, expiry)| {
                    let expiry = expiry.filter(|_| forms.fields_expire);
                    (name.to_vec(), value.to_vec(), expiry)
                })
                .collect();
            super::hash(
                fields.len(),
                fields
                    .iter()
                    .map(|(name, value, expiry)| (name, value, *expiry)),
            )
        }
        Type::Stream => super::stream(engine.view::<Stream>(item)?, forms.stream_version),
    })
}

/// The options of RESTORE.
#[derive(Default)]
struct Options {
    replace: bool,
    absolute: bool,
    idle_seconds: Option<u64>,
    frequency: Option<u8>,
}

impl Options {
    fn parse(context: &Context<'_>) -> Result<Options, CommandError> {
        let mut options = Options::default();
        let mut index = 4;
        while index < context.args.len() {
            let word = context.args.get(index);
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let more = index + 1 < context.args.len();
            if is("REPLACE") {
                options.replace = true;
            } else if is("ABSTTL") {
                options.absolute = true;
            } else if is("IDLETIME") && more && options.frequency.is_none() {
                index += 1;
                let seconds = integer(context.args.get(index))?;
                options.idle_seconds = Some(u64::try_from(seconds).map_err(|_| {
                    CommandError::fixed("ERR Invalid IDLETIME value, must be >= 0")
                })?);
            } else if is("FREQ") && more && options.idle_seconds.is_none() {
                index += 1;
                let frequency = integer(context.args.get(index))?;
                options.frequency = Some(u8::try_from(frequency).map_err(|_| {
                    CommandError::fixed("ERR Invalid FREQ value, must be >= 0 and <= 255")
                })?);
            } else {
                return Err(CommandError::Syntax);
            }
            index += 1;
        }
        Ok(options)
    }
}

impl From<DumpError> for CommandError {
    fn from(error: DumpError) -> CommandError {
        CommandError::fixed(match error {
            DumpError::Footer => "ERR DUMP payload version or checksum are wrong",
            DumpError::Format | DumpError::Empty | DumpError::TooLarge => BAD_FORMAT,
        })
    }
}

const BAD_FORMAT: &str = "ERR Bad data format";

/// `RESTORE key ttl payload [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]`.
pub fn restore(context: &mut Context<'_>) -> Result<(), CommandError> {
    let options = Options::parse(context)?;
    if !options.replace && context.find_write(1).is_some() {
        return Err(CommandError::fixed(
            "BUSYKEY Target key name already exists.",
        ));
    }
    let ttl = integer(context.args.get(2))?;
    if ttl < 0 {
        return Err(CommandError::fixed("ERR Invalid TTL value, must be >= 0"));
    }
    let value = decode(context.args.get(3), context.settings.string_bytes_max)?;
    let now_ms = context.engine.now_ms();
    let expiry = match ttl {
        0 => Expiry::None,
        _ if options.absolute => Expiry::At(ttl),
        _ => Expiry::At(ttl.saturating_add(now_ms)),
    };
    let key = key_at!(context, 1);
    let passed = matches!(expiry, Expiry::At(at) if at <= now_ms);
    if passed {
        let existed = context.engine.find(&key, Touch::No).is_some();
        // Stored first, because what a stream is made of is checked only then.
        context.engine.without_event(EventClass::New, |engine| {
            store(engine, &key, value, Expiry::None)
        })?;
        context.engine.remove(&key);
        if existed {
            context.engine.notify(EventClass::Generic, "del", &key);
        }
        context.stats.changes += u64::from(existed);
        context.reply.ok();
        return Ok(());
    }
    let renews = renews(context.engine, &key);
    store(context.engine, &key, value, expiry)?;
    if renews {
        context.engine.notify(EventClass::New, "new", &key);
    }
    if let Some(item) = context.engine.find(&key, Touch::No) {
        if let Some(seconds) = options.idle_seconds {
            context
                .engine
                .set_idle_ms(item, seconds.saturating_mul(1000));
        }
        if let Some(frequency) = options.frequency {
            context.engine.set_frequency(item, frequency);
        }
    }
    context.engine.notify(EventClass::Generic, "restore", &key);
    context.stats.changes += 1;
    context.reply.ok();
    Ok(())
}

/// Puts a value under a key, replacing what was there.
pub fn store(
    engine: &mut Engine,
    key: &Key<'_>,
    value: DumpedValue,
    expiry: Expiry,
) -> Result<(), CommandError> {
    let now_ms = engine.now_ms();
    match value {
        DumpedValue::String(text) => engine.set(key, NewValue::Bytes(&text), expiry)?,
        DumpedValue::List(elements) => {
            let mut list = List::new();
            let elements = elements.iter().map(Vec::as_slice);
            list.push_all(Direction::Backward, elements, engine.limits().list);
            engine.set_collection(key, list, expiry)?;
        }
        DumpedValue::Set(members) => {
            let limits = &engine.limits().set;
            let first = members.first().map_or(&[][..], Vec::as_slice);
            let mut set = Set::for_members(first, members.len(), limits);
            for member in &members {
                set.add(member, limits);
            }
            engine.set_collection(key, set, expiry)?;
        }
        DumpedValue::SortedSet(members) => {
            let limits = &engine.limits().sorted_set;
            let longest = members.iter().map(|(member, _)| member.len()).max();
            let mut set = SortedSet::for_members(members.len(), longest.unwrap_or(0), limits);
            for (member, score) in &members {
                set.add(member, *score, limits);
            }
            engine.set_collection(key, set, expiry)?;
        }
        DumpedValue::Hash(fields) => {
            let hash = hash(&fields, now_ms, engine);
            engine.set_collection(key, hash, expiry)?;
        }
        DumpedValue::Stream(parts) => {
            let stream = Stream::from_parts(parts).ok_or(CommandError::fixed(BAD_FORMAT))?;
            engine.set_collection(key, stream, expiry)?;
        }
    }
    Ok(())
}

/// A hash of the fields that have not expired yet.
fn hash(fields: &[DumpedField], now_ms: i64, engine: &Engine) -> Hash {
    let limits = &engine.limits().hash;
    let mut hash = Hash::new();
    hash.expect(fields.len(), limits);
    let is_live = |field: &&DumpedField| field.expires_at_ms.is_none_or(|at| at > now_ms);
    for field in fields.iter().filter(is_live) {
        let expiry = field.expires_at_ms.map_or(Expiry::None, Expiry::At);
        hash.set(&field.name, &field.value, expiry, now_ms, limits);
    }
    hash
}
