//! Commands that search: GEOSEARCH, GEOSEARCHSTORE and the older GEORADIUS family, all one question with its middle and shape given differently.
//! Never: looks at more members than the cells around the shape hold.
//! The one decision worth knowing: options are read with the source in hand, because FROMMEMBER reports a missing member in its place among them.

use super::geohash;
use super::position::{position, reply_distance, reply_position, unit_metres};
use super::search::{Search, Shape};
use crate::command::number::integer;
use crate::command::sorted_set::range::store_under;
use crate::command::sorted_set::score::parse_score;
use crate::command::{CommandError, Context, key_at};
use crate::engine::value::Stored;
use crate::engine::value::packed::Entry;
use crate::engine::value::sorted_set::bounds::{ScoreBound, ScoreRange};
use crate::engine::value::sorted_set::{Direction, SortedSet, SortedSetView};
use crate::protocol::args::Args;
use crate::protocol::resp::Reply;

/// What a command's name says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// GEOSEARCH.
    Search,
    /// GEOSEARCHSTORE.
    SearchStore,
    /// GEORADIUS; true may store.
    Radius(bool),
    /// GEORADIUSBYMEMBER; true may store.
    RadiusByMember(bool),
}

impl Form {
    fn is_search(self) -> bool {
        matches!(self, Form::Search | Form::SearchStore)
    }
    fn may_store(self) -> bool {
        matches!(self, Form::Radius(true) | Form::RadiusByMember(true))
    }
    /// The event of a result that is stored.
    fn stored(self) -> &'static str {
        match self.is_search() {
            true => "geosearchstore",
            false => "georadiusstore",
        }
    }
    fn source(self) -> usize {
        if self == Form::SearchStore { 2 } else { 1 }
    }
}

/// A request that has been read.
#[derive(Debug, Default)]
struct Question {
    /// None only where the source is not there.
    middle: Option<geohash::Position>,
    shape: Option<Shape>,
    /// Metres of the unit that distances are told in.
    unit: f64,
    order: Option<Direction>,
    /// 0 for all.
    count: usize,
    any: bool,
    with_position: bool,
    with_distance: bool,
    with_hash: bool,
    /// The index of the key to store under.
    store: Option<usize>,
    store_distances: bool,
}

/// A distance or a length that is not a number is refused with a text of its own.
fn length(text: &[u8], error: &'static str) -> Result<f64, CommandError> {
    parse_score(text).ok_or(CommandError::fixed(error))
}

impl Question {
    fn circle(&mut self, args: &Args<'_>, index: usize) -> Result<(), CommandError> {
        let radius = length(args.get(index), "ERR need numeric radius")?;
        if radius < 0.0 {
            return Err(CommandError::fixed("ERR radius cannot be negative"));
        }
        self.unit = unit_metres(args.get(index + 1))?;
        self.shape = Some(Shape::Circle {
            radius: radius * self.unit,
        });
        Ok(())
    }

    fn rectangle(&mut self, args: &Args<'_>, index: usize) -> Result<(), CommandError> {
        let width = length(args.get(index), "ERR need numeric width")?;
        let height = length(args.get(index + 1), "ERR need numeric height")?;
        if width < 0.0 || height < 0.0 {
            return Err(CommandError::fixed(
                "ERR height or width cannot be negative",
            ));
        }
        self.unit = unit_metres(args.get(index + 2))?;
        self.shape = Some(Shape::Box {
            width: width * self.unit,
            height: height * self.unit,
        });
        Ok(())
    }

    fn member(&mut self, view: SortedSetView<'_>, member: &[u8]) -> Result<(), CommandError> {
        let score = view.score(member).ok_or(CommandError::fixed(
            "ERR could not decode requested zset member",
        ))?;
        self.middle = Some(geohash::position(score));
        Ok(())
    }

    fn parse(
        args: &Args<'_>,
        form: Form,
        source: Option<SortedSetView<'_>>,
    ) -> Result<Question, CommandError> {
        let mut question = Question::default();
        let mut index = match form {
            Form::Search => 2,
            Form::SearchStore => {
                question.store = Some(1);
                3
            }
            Form::Radius(_) => {
                question.middle = Some(position(args, 2)?);
                question.circle(args, 4)?;
                6
            }
            Form::RadiusByMember(_) => {
                // Without a source neither is looked at.
                if let Some(view) = source {
                    question.member(view, args.get(2))?;
                    question.circle(args, 3)?;
                }
                5
            }
        };
        let (mut from_member, mut from_position) = (false, false);
        let (mut by_radius, mut by_box) = (false, false);
        while index < args.len() {
            let word = args.get(index);
            let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
            let follow = args.len() - index - 1;
            if is("WITHDIST") {
                question.with_distance = true;
            } else if is("WITHHASH") {
                question.with_hash = true;
            } else if is("WITHCOORD") {
                question.with_position = true;
            } else if is("ANY") {
                question.any = true;
            } else if is("ASC") {
                question.order = Some(Direction::Forward);
            } else if is("DESC") {
                question.order = Some(Direction::Backward);
            } else if is("COUNT") && follow >= 1 {
                let count = integer(args.get(index + 1))?;
                question.count = usize::try_from(count)
                    .ok()
                    .filter(|count| *count > 0)
                    .ok_or(CommandError::fixed("ERR COUNT must be > 0"))?;
                index += 1;
            } else if form.may_store() && follow >= 1 && (is("STORE") || is("STOREDIST")) {
                question.store = Some(index + 1);
                question.store_distances = is("STOREDIST");
                index += 1;
            } else if form.is_search() && follow >= 1 && is("FROMMEMBER") && !from_position {
                if let Some(view) = source {
                    question.member(view, args.get(index + 1))?;
                }
                from_member = true;
                index += 1;
            } else if form.is_search() && follow >= 2 && is("FROMLONLAT") && !from_member {
                question.middle = Some(position(args, index + 1)?);
                from_position = true;
                index += 2;
            } else if form.is_search() && follow >= 2 && is("BYRADIUS") && !by_box {
                question.circle(args, index + 1)?;
                by_radius = true;
                index += 2;
            } else if form.is_search() && follow >= 3 && is("BYBOX") && !by_radius {
                question.rectangle(args, index + 1)?;
                by_box = true;
                index += 3;
            } else if form == Form::SearchStore && is("STOREDIST") {
                question.store_distances = true;
            } else {
                return Err(CommandError::Syntax);
            }
            index += 1;
        }
        let with = question.with_distance || question.with_hash || question.with_position;
        if question.store.is_some() && with {
            let what = match form {
                Form::SearchStore => "GEOSEARCHSTORE",
                _ => "STORE option in GEORADIUS",
            };
            return Err(CommandError::made(format!(
                "ERR {what} is not compatible with WITHDIST, WITHHASH and WITHCOORD options"
            )));
        }
        let needs_one = |text: &str| {
            let mut text = text.as_bytes().to_vec();
            text.extend_from_slice(args.get(0));
            CommandError::repeating(text)
        };
        if form.is_search() && !from_member && !from_position {
            return Err(needs_one(
                "ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for ",
            ));
        }
        if form.is_search() && !by_radius && !by_box {
            return Err(needs_one(
                "ERR exactly one of BYRADIUS and BYBOX can be specified for ",
            ));
        }
        if question.any && question.count == 0 {
            return Err(CommandError::fixed(
                "ERR the ANY argument requires COUNT argument",
            ));
        }
        if question.count > 0 && !question.any && question.order.is_none() {
            // The nearest ones are meant.
            question.order = Some(Direction::Forward);
        }
        Ok(question)
    }

    /// The members within the shape, in the order and number asked for.
    fn answer<'a>(&self, view: SortedSetView<'a>) -> Vec<Found<'a>> {
        let search = Search {
            middle: self.middle.expect("a source that is there has a middle"),
            shape: self.shape.expect("a source that is there has a shape"),
        };
        let found_max = if self.any { self.count } else { usize::MAX };
        let mut found = Vec::new();
        'ranges: for (from, to) in search.ranges() {
            let ranks = view.ranks_by_score(&ScoreRange {
                min: ScoreBound::Inclusive(from as f64),
                max: ScoreBound::Exclusive(to as f64),
            });
            for (member, score) in view.range(ranks, Direction::Forward) {
                if found.len() == found_max {
                    break 'ranges;
                }
                let position = geohash::position(score);
                if let Some(distance) = search.distance_within(position) {
                    found.push(Found {
                        member,
                        score,
                        position,
                        distance: distance / self.unit,
                    });
                }
            }
        }
        match self.order {
            None => {}
            Some(Direction::Forward) => {
                found.sort_by(|one, other| one.distance.total_cmp(&other.distance));
            }
            Some(Direction::Backward) => {
                found.sort_by(|one, other| other.distance.total_cmp(&one.distance));
            }
        }
        if self.count > 0 {
            found.truncate(self.count);
        }
        found
    }
}

/// A member within the shape.
struct Found<'a> {
    member: Entry<'a>,
    score: f64,
    position: geohash::Position,
    /// In the request's unit.
    distance: f64,
}

fn write(reply: &mut Reply, question: &Question, found: &[Found<'_>]) {
    let with = [
        question.with_distance,
        question.with_hash,
        question.with_position,
    ];
    let parts = 1 + with.into_iter().filter(|with| *with).count();
    reply.array(found.len());
    for one in found {
        if parts > 1 {
            reply.array(parts);
        }
        reply.bulk(one.member.as_bytes(&mut [0; 20]));
        if question.with_distance {
            reply_distance(reply, one.distance);
        }
        if question.with_hash {
            reply.integer(one.score as i64);
        }
        if question.with_position {
            reply_position(reply, one.position);
        }
    }
}

fn search(context: &mut Context<'_>, form: Form) -> Result<(), CommandError> {
    let key = key_at!(context, form.source());
    let source = context.engine.find(&key, context.touch);
    context
        .stats
        .count_read(context.engine, &key, source.is_some());
    let view = match source {
        None => None,
        Some(item) => Some(context.engine.view::<SortedSet>(item)?),
    };
    let question = Question::parse(&context.args, form, view)?;
    let found = view.map_or(Vec::new(), |view| question.answer(view));
    let Some(index) = question.store else {
        write(context.reply, &question, &found);
        return Ok(());
    };
    let limits = &context.engine.limits().sorted_set;
    let mut result = SortedSet::for_members(found.len(), 0, limits);
    for one in &found {
        let score = if question.store_distances {
            one.distance
        } else {
            one.score
        };
        result.add(one.member.as_bytes(&mut [0; 20]), score, limits);
    }
    let changes = result.len().max(1) as u64;
    if store_under(context, index, result, form.stored())? {
        context.stats.changes += changes;
    }
    Ok(())
}

/// `GEOSEARCH key FROMMEMBER member | FROMLONLAT longitude latitude BYRADIUS radius unit | BYBOX width height unit [ASC | DESC]
/// [COUNT count [ANY]] [WITHCOORD] [WITHDIST] [WITHHASH]`.
pub fn geosearch(context: &mut Context<'_>) -> Result<(), CommandError> {
    search(context, Form::Search)
}

/// GEOSEARCHSTORE destination source, then as GEOSEARCH, with STOREDIST in place of what is replied.
pub fn geosearchstore(context: &mut Context<'_>) -> Result<(), CommandError> {
    search(context, Form::SearchStore)
}

/// `GEORADIUS key longitude latitude radius unit [options] [STORE key | STOREDIST key]`.
pub fn georadius(context: &mut Context<'_>) -> Result<(), CommandError> {
    search(context, Form::Radius(true))
}

/// `GEORADIUS_RO key longitude latitude radius unit [options]`.
pub fn georadius_ro(context: &mut Context<'_>) -> Result<(), CommandError> {
    search(context, Form::Radius(false))
}

/// `GEORADIUSBYMEMBER key member radius unit [options] [STORE key | STOREDIST key]`.
pub fn georadiusbymember(context: &mut Context<'_>) -> Result<(), CommandError> {
    search(context, Form::RadiusByMember(true))
}

/// `GEORADIUSBYMEMBER_RO key member radius unit [options]`.
pub fn georadiusbymember_ro(context: &mut Context<'_>) -> Result<(), CommandError> {
    search(context, Form::RadiusByMember(false))
}
