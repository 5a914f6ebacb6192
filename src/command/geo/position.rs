//! Commands on single positions: GEOADD, GEODIST, GEOHASH, GEOPOS; and how requests and replies write positions, lengths and distances.

use super::geohash::{self, Position};
use crate::command::sorted_set::score::parse_score;
use crate::command::{CommandError, Context, key_at};
use crate::engine::EventClass;
use crate::engine::value::sorted_set::SortedSet;
use crate::protocol::args::Args;
use crate::protocol::resp::{Protocol, Reply};

/// Reads the longitude at argument `index` and the latitude behind it.
pub(super) fn position(args: &Args<'_>, index: usize) -> Result<Position, CommandError> {
    let coordinate = |index| parse_score(args.get(index)).ok_or(CommandError::NotFloat);
    let position = Position {
        longitude: coordinate(index)?,
        latitude: coordinate(index + 1)?,
    };
    if position.is_valid() {
        return Ok(position);
    }
    Err(CommandError::made(format!(
        "ERR invalid longitude,latitude pair {:.6},{:.6}",
        position.longitude, position.latitude
    )))
}

/// Reads a unit: how many metres it has.
pub(super) fn unit_metres(text: &[u8]) -> Result<f64, CommandError> {
    [("m", 1.0), ("km", 1000.0), ("ft", 0.3048), ("mi", 1609.34)]
        .into_iter()
        .find(|(name, _)| text.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, metres)| metres)
        .ok_or(CommandError::fixed(
            "ERR unsupported unit provided. please use M, KM, FT, MI",
        ))
}

/// Writes a distance: a string with four decimal places, whatever the protocol.
pub(super) fn reply_distance(reply: &mut Reply, distance: f64) {
    reply.bulk(format!("{distance:.4}").as_bytes());
}

/// Writes a longitude and a latitude with up to 17 decimal places, more than a double's shortest form has.
pub(super) fn reply_position(reply: &mut Reply, position: Position) {
    reply.array(2);
    for coordinate in [position.longitude, position.latitude] {
        let text = format!("{coordinate:.17}");
        let text = text.trim_end_matches('0').trim_end_matches('.');
        let text = if text == "-0" { "0" } else { text };
        match reply.protocol {
            Protocol::Resp2 => reply.bulk(text.as_bytes()),
            Protocol::Resp3 => {
                reply.bytes.extend_from_slice(b",");
                reply.bytes.extend_from_slice(text.as_bytes());
                reply.bytes.extend_from_slice(b"\r\n");
            }
        }
    }
}

/// `GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]`.
pub fn geoadd(context: &mut Context<'_>) -> Result<(), CommandError> {
    let args = &context.args;
    let (mut only_if_absent, mut only_if_present, mut count_changes) = (false, false, false);
    let mut first = 2;
    while first < args.len() {
        let word = args.get(first);
        let option = if word.eq_ignore_ascii_case(b"NX") {
            &mut only_if_absent
        } else if word.eq_ignore_ascii_case(b"XX") {
            &mut only_if_present
        } else if word.eq_ignore_ascii_case(b"CH") {
            &mut count_changes
        } else {
            break;
        };
        *option = true;
        first += 1;
    }
    let words = args.len() - first;
    if words == 0 || !words.is_multiple_of(3) || (only_if_absent && only_if_present) {
        return Err(CommandError::Syntax);
    }
    // All are read before anything is changed.
    let mut scores = Vec::with_capacity(words / 3);
    for index in (first..args.len()).step_by(3) {
        scores.push(geohash::score(position(args, index)?));
    }
    let key = key_at!(context, 1);
    let (mut added, mut updated) = (0, 0);
    context
        .engine
        .edit_collection::<SortedSet, _>(&key, !only_if_present, |set, editing| {
            for (number, score) in scores.iter().enumerate() {
                let member = args.get(first + 3 * number + 2);
                let (old, new) = set.update(member, &editing.limits.sorted_set, |old| {
                    let refused = match old {
                        Some(_) => only_if_absent,
                        None => only_if_present,
                    };
                    (!refused).then_some(*score)
                });
                match (old, new) {
                    (None, Some(_)) => added += 1,
                    (Some(old), Some(new)) if old != new => updated += 1,
                    _ => {}
                }
            }
            *editing.is_unchanged = added + updated == 0;
        })?;
    if added + updated > 0 {
        context.engine.notify(EventClass::SortedSet, "zadd", &key);
    }
    context.stats.changes += added + updated;
    let counted = if count_changes {
        added + updated
    } else {
        added
    };
    context.reply.integer(counted as i64);
    Ok(())
}

/// `GEODIST key member member [M | KM | FT | MI]`.
pub fn geodist(context: &mut Context<'_>) -> Result<(), CommandError> {
    let unit = match context.args.len() {
        4 => 1.0,
        5 => unit_metres(context.args.get(4))?,
        _ => return Err(CommandError::Syntax),
    };
    let distance = match context.find_read(1) {
        None => None,
        Some(item) => {
            let view = context.engine.view::<SortedSet>(item)?;
            let place = |index| view.score(context.args.get(index)).map(geohash::position);
            place(2)
                .zip(place(3))
                .map(|(one, other)| geohash::distance_metres(one, other) / unit)
        }
    };
    match distance {
        Some(distance) => reply_distance(context.reply, distance),
        None => context.reply.null(),
    }
    Ok(())
}

/// GEOHASH key [member ...].
pub fn geohash(context: &mut Context<'_>) -> Result<(), CommandError> {
    for_each_member(context, |reply, score| match score {
        Some(score) => reply.bulk(&geohash::text(score)),
        None => reply.null(),
    })
}

/// GEOPOS key [member ...].
pub fn geopos(context: &mut Context<'_>) -> Result<(), CommandError> {
    for_each_member(context, |reply, score| match score {
        Some(score) => reply_position(reply, geohash::position(score)),
        None => reply.null_array(),
    })
}

fn for_each_member(
    context: &mut Context<'_>,
    mut write: impl FnMut(&mut Reply, Option<f64>),
) -> Result<(), CommandError> {
    let view = match context.find_read(1) {
        None => None,
        Some(item) => Some(context.engine.view::<SortedSet>(item)?),
    };
    context.reply.array(context.args.len() - 2);
    for index in 2..context.args.len() {
        let score = view.and_then(|view| view.score(context.args.get(index)));
        write(context.reply, score);
    }
    Ok(())
}
