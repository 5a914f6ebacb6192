//! Payloads into plain data, of every version up to 12.

use super::decode_stream::stream;
use super::reader::Reader;
use super::{
    DumpError, DumpedField, DumpedValue, FOOTER_BYTES, NODE_PACKED, NODE_PLAIN, VERSION_7_4, kind,
    packed,
};
use crate::codec::crc64::crc64;
use crate::engine::value::stream::listpack::{self, Element};
use std::collections::HashSet;

pub(super) type Decoded<T> = Result<T, DumpError>;

/// Decodes a payload; about `bytes_max` bound what it may become, elements counted with what they take as values of their own.
/// Empty collections and duplicate members are refused, as by Redis.
pub fn decode(payload: &[u8], bytes_max: usize) -> Decoded<DumpedValue> {
    let body_len = payload
        .len()
        .checked_sub(FOOTER_BYTES)
        .ok_or(DumpError::Footer)?;
    let (body, footer) = payload.split_at(body_len);
    let version = u16::from_le_bytes([footer[0], footer[1]]);
    let checksum = crc64(&payload[..body_len + 2]);
    if version == 0 || version > VERSION_7_4 || footer[2..] != checksum.to_le_bytes() {
        return Err(DumpError::Footer);
    }
    let (kind, body) = body.split_first().ok_or(DumpError::Format)?;
    if *kind == kind::HASH_EXPIRING_VALKEY {
        // A number of ours, which no payload has.
        return Err(DumpError::Format);
    }
    decode_value(*kind, body, bytes_max)
}

/// Decodes the body of a value of this kind (see [`kind`]), as it stands in an RDB file and in a payload between its kind and its footer. The rest
/// is as with [`decode`].
pub fn decode_value(kind: u8, body: &[u8], bytes_max: usize) -> Decoded<DumpedValue> {
    let mut reader = Reader::new(body, bytes_max);
    let value = value(&mut reader, kind)?;
    if !reader.is_at_end() || has_duplicates(&value) {
        return Err(DumpError::Format);
    }
    let empty = match &value {
        DumpedValue::List(elements) | DumpedValue::Set(elements) => elements.is_empty(),
        DumpedValue::SortedSet(members) => members.is_empty(),
        DumpedValue::Hash(fields) => fields.is_empty(),
        DumpedValue::String(_) | DumpedValue::Stream(_) => false,
    };
    if empty {
        return Err(DumpError::Empty);
    }
    Ok(value)
}

fn has_duplicates(value: &DumpedValue) -> bool {
    fn any<'a>(names: impl ExactSizeIterator<Item = &'a Vec<u8>>) -> bool {
        let mut seen = HashSet::with_capacity(names.len());
        names.into_iter().any(|name| !seen.insert(name))
    }
    match value {
        DumpedValue::Set(members) => any(members.iter()),
        DumpedValue::SortedSet(members) => any(members.iter().map(|(member, _)| member)),
        DumpedValue::Hash(fields) => any(fields.iter().map(|field| &field.name)),
        _ => false,
    }
}

fn value(reader: &mut Reader<'_>, kind: u8) -> Decoded<DumpedValue> {
    Ok(match kind {
        kind::STRING => DumpedValue::String(reader.string()?),
        kind::LIST => DumpedValue::List(strings(reader)?),
        kind::LIST_ZIPLIST => DumpedValue::List(ziplist(reader)?),
        kind::LIST_QUICKLIST | kind::LIST_QUICKLIST_2 => {
            DumpedValue::List(quicklist(reader, kind)?)
        }
        kind::SET => DumpedValue::Set(strings(reader)?),
        kind::SET_INTSET => DumpedValue::Set(intset(reader)?),
        kind::SET_LISTPACK => DumpedValue::Set(listpack(reader)?),
        kind::SORTED_SET | kind::SORTED_SET_TEXT => {
            DumpedValue::SortedSet(sorted_set(reader, kind)?)
        }
        kind::SORTED_SET_ZIPLIST => DumpedValue::SortedSet(scored(ziplist(reader)?)?),
        kind::SORTED_SET_LISTPACK => DumpedValue::SortedSet(scored(listpack(reader)?)?),
        kind::HASH => DumpedValue::Hash(hash(reader)?),
        kind::HASH_ZIPMAP => DumpedValue::Hash(zipmap(reader)?),
        kind::HASH_ZIPLIST => DumpedValue::Hash(fields(ziplist(reader)?)?),
        kind::HASH_LISTPACK => DumpedValue::Hash(fields(listpack(reader)?)?),
        kind::HASH_EXPIRING | kind::HASH_EXPIRING_EARLY => {
            DumpedValue::Hash(expiring_hash(reader, kind)?)
        }
        kind::HASH_LISTPACK_EXPIRING | kind::HASH_LISTPACK_EXPIRING_EARLY => {
            DumpedValue::Hash(expiring_fields(reader, kind)?)
        }
        kind::HASH_EXPIRING_VALKEY => DumpedValue::Hash(valkey_hash(reader)?),
        kind::STREAM_1 | kind::STREAM_2 | kind::STREAM_3 | kind::STREAM_4 | kind::STREAM_5 => {
            DumpedValue::Stream(stream(reader, kind)?)
        }
        // Values of modules among them: only the module knows what they mean.
        _ => return Err(DumpError::Format),
    })
}

fn strings(reader: &mut Reader<'_>) -> Decoded<Vec<Vec<u8>>> {
    // Collected without a capacity: it grows with what is really there.
    (0..reader.count()?).map(|_| reader.string()).collect()
}

fn copied<'a>(
    reader: &mut Reader<'_>,
    elements: impl IntoIterator<Item = Element<'a>>,
) -> Decoded<Vec<Vec<u8>>> {
    let mut copies = Vec::new();
    for element in elements {
        let copy = element.to_vec();
        reader.charge(copy.len())?;
        copies.push(copy);
    }
    Ok(copies)
}

fn listpack(reader: &mut Reader<'_>) -> Decoded<Vec<Vec<u8>>> {
    let bytes = reader.string()?;
    listpack::check(&bytes).ok_or(DumpError::Format)?;
    copied(reader, listpack::elements(&bytes))
}

fn ziplist(reader: &mut Reader<'_>) -> Decoded<Vec<Vec<u8>>> {
    let bytes = reader.string()?;
    copied(reader, packed::ziplist(&bytes).ok_or(DumpError::Format)?)
}

fn intset(reader: &mut Reader<'_>) -> Decoded<Vec<Vec<u8>>> {
    let bytes = reader.string()?;
    let integers = packed::intset(&bytes).ok_or(DumpError::Format)?;
    copied(reader, integers.map(Element::Integer))
}

fn quicklist(reader: &mut Reader<'_>, kind: u8) -> Decoded<Vec<Vec<u8>>> {
    let mut elements = Vec::new();
    for _ in 0..reader.count()? {
        if kind == kind::LIST_QUICKLIST {
            elements.append(&mut ziplist(reader)?);
            continue;
        }
        match reader.number()? {
            NODE_PLAIN => elements.push(reader.string()?),
            NODE_PACKED => elements.append(&mut listpack(reader)?),
            _ => return Err(DumpError::Format),
        }
    }
    Ok(elements)
}

fn score_text(text: &[u8]) -> Decoded<f64> {
    let text = std::str::from_utf8(text).map_err(|_| DumpError::Format)?;
    text.parse()
        .ok()
        .filter(|score: &f64| !score.is_nan())
        .ok_or(DumpError::Format)
}

fn sorted_set(reader: &mut Reader<'_>, kind: u8) -> Decoded<Vec<(Vec<u8>, f64)>> {
    let mut members = Vec::new();
    for _ in 0..reader.count()? {
        let member = reader.string()?;
        let score = if kind == kind::SORTED_SET {
            f64::from_le_bytes(reader.array()?)
        } else {
            match reader.byte()? {
                255 => f64::NEG_INFINITY,
                254 => f64::INFINITY,
                253 => f64::NAN,
                len => score_text(reader.bytes(usize::from(len))?)?,
            }
        };
        if score.is_nan() {
            return Err(DumpError::Format);
        }
        members.push((member, score));
    }
    Ok(members)
}

/// Members and scores in turn.
fn scored(elements: Vec<Vec<u8>>) -> Decoded<Vec<(Vec<u8>, f64)>> {
    pairs(elements)?
        .map(|(member, score)| Ok((member, score_text(&score)?)))
        .collect()
}

fn pairs(elements: Vec<Vec<u8>>) -> Decoded<impl Iterator<Item = (Vec<u8>, Vec<u8>)>> {
    if !elements.len().is_multiple_of(2) {
        return Err(DumpError::Format);
    }
    let mut elements = elements.into_iter();
    Ok(std::iter::from_fn(move || {
        Some((elements.next()?, elements.next()?))
    }))
}

fn field(name: Vec<u8>, value: Vec<u8>) -> DumpedField {
    DumpedField {
        name,
        value,
        expires_at_ms: None,
    }
}

/// Names and values in turn.
fn fields(elements: Vec<Vec<u8>>) -> Decoded<Vec<DumpedField>> {
    Ok(pairs(elements)?
        .map(|(name, value)| field(name, value))
        .collect())
}

fn hash(reader: &mut Reader<'_>) -> Decoded<Vec<DumpedField>> {
    (0..reader.count()?)
        .map(|_| Ok(field(reader.string()?, reader.string()?)))
        .collect()
}

fn zipmap(reader: &mut Reader<'_>) -> Decoded<Vec<DumpedField>> {
    let bytes = reader.string()?;
    let mut fields = Vec::new();
    for (name, value) in packed::zipmap(&bytes).ok_or(DumpError::Format)? {
        reader.charge(name.len() + value.len())?;
        fields.push(field(name.to_vec(), value.to_vec()));
    }
    Ok(fields)
}

/// Redis' bound for the expiry of a field: 46 bits of milliseconds.
const EXPIRY_MS_MAX: u64 = (1 << 46) - 1;

fn expiry(ms: u64) -> Decoded<i64> {
    if ms > EXPIRY_MS_MAX {
        return Err(DumpError::Format);
    }
    Ok(ms as i64)
}

/// The earliest expiry, then each field with its own as a distance from that plus one, or 0 for none. The early form, of Redis 7.4's release
/// candidates, has no earliest expiry, and the fields have theirs as they are.
fn expiring_hash(reader: &mut Reader<'_>, kind: u8) -> Decoded<Vec<DumpedField>> {
    let earliest = match kind {
        kind::HASH_EXPIRING => u64::from_le_bytes(reader.array()?),
        _ => 1,
    };
    let mut fields = Vec::new();
    for _ in 0..reader.count()? {
        let distance = reader.number()?;
        let mut field = field(reader.string()?, reader.string()?);
        if distance > 0 {
            let at = earliest
                .checked_add(distance - 1)
                .ok_or(DumpError::Format)?;
            field.expires_at_ms = Some(expiry(at)?);
        }
        fields.push(field);
    }
    Ok(fields)
}

/// The earliest expiry, which the fields repeat and the early form leaves out, then names, values and expiries in turn, 0 for none.
fn expiring_fields(reader: &mut Reader<'_>, kind: u8) -> Decoded<Vec<DumpedField>> {
    if kind == kind::HASH_LISTPACK_EXPIRING {
        reader.array::<8>()?;
    }
    let elements = listpack(reader)?;
    if !elements.len().is_multiple_of(3) {
        return Err(DumpError::Format);
    }
    let mut elements = elements.into_iter();
    let mut fields = Vec::new();
    while let (Some(name), Some(value), Some(at)) =
        (elements.next(), elements.next(), elements.next())
    {
        let at = listpack::canonical_integer(&at).and_then(|at| u64::try_from(at).ok());
        let at = expiry(at.ok_or(DumpError::Format)?)?;
        let mut field = field(name, value);
        field.expires_at_ms = (at > 0).then_some(at);
        fields.push(field);
    }
    Ok(fields)
}

/// Names, values and expiries in turn, -1 for none. Valkey knows no bound for them, so those beyond ours become the nearest.
fn valkey_hash(reader: &mut Reader<'_>) -> Decoded<Vec<DumpedField>> {
    let mut fields = Vec::new();
    for _ in 0..reader.count()? {
        let mut field = field(reader.string()?, reader.string()?);
        let at = i64::from_le_bytes(reader.array()?);
        field.expires_at_ms = (at != -1).then_some(at.clamp(0, EXPIRY_MS_MAX as i64));
        fields.push(field);
    }
    Ok(fields)
}
