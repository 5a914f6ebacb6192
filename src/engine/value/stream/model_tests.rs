//! Random operations on a stream and on a naive model of one, compared after each.

use super::*;
use crate::engine::random::Random;
use std::collections::{BTreeSet, HashMap};

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

#[derive(Default, Clone)]
struct ModelGroup {
    last_id: StreamId,
    pending: BTreeMap<StreamId, (Vec<u8>, i64, u64)>,
    consumers: BTreeMap<Vec<u8>, (i64, Option<i64>)>,
}

#[derive(Default)]
struct Model {
    entries: BTreeMap<StreamId, Fields>,
    last_id: StreamId,
    max_deleted: StreamId,
    added: u64,
    groups: BTreeMap<Vec<u8>, ModelGroup>,
}

fn collect(entry: &Entry<'_>) -> (StreamId, Fields) {
    (
        entry.id,
        entry
            .fields()
            .map(|(field, value)| (field.to_vec(), value.to_vec()))
            .collect(),
    )
}

fn owned(id: &StreamId, fields: &Fields) -> (StreamId, Fields) {
    (*id, fields.clone())
}

/// What [`Stored::heap_bytes`] says without the maps, counted anew.
fn recount(stream: &Stream) -> usize {
    let log = stream.view().log();
    let nodes: usize = log.nodes().map(|(_, node)| node.heap_bytes()).sum();
    let groups: usize = stream
        .view()
        .groups()
        .map(|(name, group)| GROUP_BYTES + allocated_bytes(name.len()) + group.heap_bytes())
        .sum();
    let map = map_bytes(
        size_of::<(StreamId, node::Node)>(),
        log.nodes_len().saturating_sub(1),
    );
    allocated_bytes(size_of::<LargeStream>()) + nodes + groups + map
}

fn compare(stream: &Stream, model: &Model) {
    let log = stream.view().log();
    assert_eq!(log.len(), model.entries.len() as u64);
    assert_eq!(log.last_id(), model.last_id);
    assert_eq!(log.max_deleted_id(), model.max_deleted);
    assert_eq!(log.entries_added(), model.added);
    let first = model
        .entries
        .keys()
        .next()
        .copied()
        .unwrap_or(StreamId::MIN);
    assert_eq!(log.first_id(), first);
    assert_eq!(log.first().map_or(StreamId::MIN, |entry| entry.id), first);
    assert_eq!(
        log.last().map(|entry| entry.id),
        model.entries.keys().next_back().copied()
    );
    let live: u64 = log.nodes().map(|(_, node)| node.live()).sum();
    assert_eq!(live, log.len());
    assert!(log.nodes().all(|(_, node)| node.live() > 0));
    assert_eq!(stream.heap_bytes(), recount(stream));
    assert_eq!(stream.view().groups().count(), model.groups.len());
    for ((name, group), (model_name, expected)) in stream.view().groups().zip(&model.groups) {
        assert_eq!(name, model_name);
        assert_eq!(group.last_id(), expected.last_id);
        let pending: Vec<_> = group
            .pending(StreamId::MIN, StreamId::MAX)
            .map(|(id, pending)| {
                let owner = group.owner(pending).name().to_vec();
                (
                    id,
                    (owner, pending.delivery_time_ms, pending.delivery_count),
                )
            })
            .collect();
        assert_eq!(
            pending,
            expected.pending.clone().into_iter().collect::<Vec<_>>()
        );
        let consumers: Vec<_> = group
            .consumers()
            .map(|one| (one.name().to_vec(), (one.seen_time_ms, one.active_time_ms)))
            .collect();
        assert_eq!(
            consumers,
            expected.consumers.clone().into_iter().collect::<Vec<_>>()
        );
        for consumer in group.consumers() {
            let own: Vec<_> = consumer.pending_from(StreamId::MIN).collect();
            let expected: Vec<_> = expected
                .pending
                .iter()
                .filter(|(_, (owner, ..))| owner == consumer.name())
                .map(|(id, _)| *id)
                .collect();
            assert_eq!(own, expected);
            assert_eq!(consumer.pending_len(), own.len());
        }
    }
}

fn range(stream: &Stream, model: &Model, random: &mut Random) {
    let mut pick = || match random.below(4) {
        0 => StreamId::MIN,
        1 => StreamId::MAX,
        _ => StreamId::new(random.draw() % (model.last_id.ms + 2), random.draw() % 4),
    };
    let (from, to) = (pick(), pick());
    let expected: Vec<_> = if from <= to {
        model
            .entries
            .range(from..=to)
            .map(|(id, fields)| owned(id, fields))
            .collect()
    } else {
        Vec::new()
    };
    let log = stream.view().log();
    let forwards: Vec<_> = log.range(from, to).map(|entry| collect(&entry)).collect();
    assert_eq!(forwards, expected);
    let mut backwards: Vec<_> = log
        .range(from, to)
        .rev()
        .map(|entry| collect(&entry))
        .collect();
    backwards.reverse();
    assert_eq!(backwards, expected);
    // From both ends at once.
    let (mut entries, mut front, mut back) = (log.range(from, to), Vec::new(), Vec::new());
    loop {
        let entry = if random.below(2) == 0 {
            entries.next().map(|entry| front.push(collect(&entry)))
        } else {
            entries.next_back().map(|entry| back.push(collect(&entry)))
        };
        if entry.is_none() {
            break;
        }
    }
    front.extend(back.into_iter().rev());
    assert_eq!(front, expected);
}

fn fields(random: &mut Random) -> Vec<Vec<u8>> {
    let count = if random.below(3) == 0 {
        1 + random.below(4)
    } else {
        2
    };
    (0..count)
        .flat_map(|place| {
            let other = random.below(5) == 0;
            let field = if other {
                random.below(1000).to_string()
            } else {
                format!("field-{place}")
            };
            let value = match random.below(3) {
                0 => random.draw().to_string().into_bytes(),
                1 => vec![b'v'; random.below(80)],
                _ => (random.below(300) as i64 - 150).to_string().into_bytes(),
            };
            [field.into_bytes(), value]
        })
        .collect()
}

fn pick_id(model: &Model, random: &mut Random) -> StreamId {
    if model.entries.is_empty() || random.below(5) == 0 {
        return StreamId::new(random.draw() % (model.last_id.ms + 2), 0);
    }
    let at = random.below(model.entries.len());
    *model.entries.keys().nth(at).expect("below the length")
}

fn trim(stream: &mut Stream, model: &mut Model, random: &mut Random) {
    let to = if random.below(2) == 0 {
        TrimTo::Length(random.below(model.entries.len() + 10) as u64)
    } else {
        TrimTo::Id(pick_id(model, random))
    };
    let trim = Trim {
        to,
        approximate: random.below(2) == 0,
        limit: 0,
    };
    let excess = match to {
        TrimTo::Length(length) => model.entries.len().saturating_sub(length as usize),
        TrimTo::Id(id) => model.entries.range(..id).count(),
    };
    let references = [
        References::Keep,
        References::Delete,
        References::Acknowledged,
    ][random.below(3)];
    let mut goes: Vec<StreamId> = model.entries.keys().copied().collect();
    if references == References::Acknowledged {
        goes.retain(|id| !stream.view().is_referenced(*id));
    }
    if let TrimTo::Id(min) = to {
        goes.retain(|id| *id < min);
    }
    goes.truncate(excess);
    let deleted = stream.trim_with_references(&trim, references) as usize;
    if trim.approximate {
        assert!(deleted <= goes.len());
    } else {
        assert_eq!(deleted, goes.len());
    }
    for id in &goes[..deleted] {
        model.entries.remove(id);
        if references == References::Delete {
            for group in model.groups.values_mut() {
                group.pending.remove(id);
            }
        }
    }
}

fn group_operation(stream: &mut Stream, model: &mut Model, random: &mut Random, now_ms: i64) {
    let name = [b'g', b'0' + random.below(2) as u8];
    let consumer = [b'c', b'0' + random.below(3) as u8];
    let id = pick_id(model, random);
    if !model.groups.contains_key(name.as_slice()) {
        assert!(stream.group_mut(&name).is_none());
        let last_id = if random.below(2) == 0 {
            StreamId::MIN
        } else {
            model.last_id
        };
        assert!(stream.create_group(&name, last_id, None));
        assert!(!stream.create_group(&name, last_id, None));
        let group = ModelGroup {
            last_id,
            ..ModelGroup::default()
        };
        model.groups.insert(name.to_vec(), group);
        return;
    }
    let group = model.groups.get_mut(name.as_slice()).expect("just seen");
    let mut edit = stream.group_mut(&name).expect("the model has it");
    let seen = |group: &mut ModelGroup, active: bool| {
        let times = group
            .consumers
            .entry(consumer.to_vec())
            .or_insert((now_ms, None));
        times.0 = now_ms;
        if active {
            times.1 = Some(now_ms);
        }
    };
    match random.below(12) {
        0..=3 => {
            let count = (random.below(4) > 0).then(|| random.below(30));
            let no_ack = random.below(5) == 0;
            let mut got = Vec::new();
            edit.read_new(&consumer, count, no_ack, now_ms, |entry| got.push(entry.id));
            let after = model
                .entries
                .keys()
                .copied()
                .filter(|id| *id > group.last_id);
            let expected: Vec<_> = after.take(count.unwrap_or(usize::MAX)).collect();
            assert_eq!(got, expected);
            seen(group, !expected.is_empty() && !no_ack);
            for id in expected {
                group.last_id = id;
                if !no_ack {
                    group.pending.insert(id, (consumer.to_vec(), now_ms, 1));
                }
            }
        }
        4 => {
            let mut got = Vec::new();
            edit.read_history(&consumer, id, Some(10), now_ms, |id, entry| {
                got.push((id, entry.is_some()))
            });
            seen(group, false);
            let own = group
                .pending
                .iter_mut()
                .filter(|(other, (owner, ..))| **other > id && *owner == consumer);
            let mut expected = Vec::new();
            for (id, (_, time, count)) in own.take(10) {
                let there = model.entries.contains_key(id);
                if there {
                    *time = now_ms;
                    *count += 1;
                }
                expected.push((*id, there));
            }
            assert_eq!(got, expected);
        }
        5..=6 => assert_eq!(edit.acknowledge(id), group.pending.remove(&id).is_some()),
        7 => {
            let options = ClaimOptions {
                idle_ms_min: random.below(20) as i64,
                force: random.below(2) == 0,
                just_id: random.below(2) == 0,
                ..ClaimOptions::default()
            };
            let claim = edit.claim(&consumer, id, &options, now_ms);
            let mut claimed = false;
            if !model.entries.contains_key(&id) {
                let was_pending = group.pending.remove(&id).is_some();
                assert_eq!(matches!(claim, Claim::Deleted), was_pending);
            } else {
                let before = group.pending.get(&id);
                let idle = before.is_none_or(|(_, time, _)| now_ms - time >= options.idle_ms_min);
                claimed = idle && (before.is_some() || options.force);
                if claimed {
                    let count =
                        before.map_or(1, |(.., count)| *count) + u64::from(!options.just_id);
                    group.pending.insert(id, (consumer.to_vec(), now_ms, count));
                }
            }
            assert_eq!(matches!(claim, Claim::Claimed(_)), claimed);
            seen(group, claimed);
        }
        8 => {
            let (count, idle) = (1 + random.below(20), random.below(20) as i64);
            let mut got = Vec::new();
            let how = AutoClaimOptions {
                idle_ms_min: idle,
                start: id,
                count,
                just_id: false,
            };
            let result = edit.auto_claim(&consumer, &how, now_ms, |entry| got.push(entry.id));
            let (mut expected, mut deleted, mut next) = (Vec::new(), Vec::new(), StreamId::MIN);
            let ids: Vec<_> = group.pending.range(id..).map(|(id, _)| *id).collect();
            for (attempt, id) in ids.into_iter().enumerate() {
                if attempt == count * 10 || expected.len() + deleted.len() == count {
                    next = id;
                    break;
                }
                if !model.entries.contains_key(&id) {
                    group.pending.remove(&id);
                    deleted.push(id);
                    continue;
                }
                let pending = group.pending.get_mut(&id).expect("listed");
                if now_ms - pending.1 >= idle {
                    *pending = (consumer.to_vec(), now_ms, pending.2 + 1);
                    expected.push(id);
                }
            }
            seen(group, !expected.is_empty());
            assert_eq!(got, expected);
            assert_eq!(result, AutoClaim { next, deleted });
        }
        9 => {
            let there = group.consumers.remove(consumer.as_slice()).is_some();
            let before = group.pending.len();
            group.pending.retain(|_, (owner, ..)| *owner != consumer);
            let gone = before - group.pending.len();
            assert_eq!(edit.delete_consumer(&consumer), there.then_some(gone));
        }
        10 => {
            edit.set_id(id, None);
            group.last_id = id;
        }
        _ => {
            drop(edit);
            if random.below(4) == 0 {
                let mut group = stream.destroy_group(&name).expect("the model has it");
                while group.release(3) == 0 {}
                assert_eq!(group.pending_len(), 0);
                model.groups.remove(name.as_slice());
                return;
            }
            let references = [
                References::Keep,
                References::Delete,
                References::Acknowledged,
            ][random.below(3)];
            let with_group = random.below(2) == 0;
            let done = if with_group {
                stream.acknowledge_and_delete(&name, id, references)
            } else {
                stream.delete_with_references(id, references)
            };
            if with_group && group.pending.remove(&id).is_none() {
                assert_eq!(done, Deleted::Missing);
                return;
            }
            let referenced = model
                .groups
                .values()
                .any(|group| group.last_id < id || group.pending.contains_key(&id));
            if references == References::Delete {
                model.groups.values_mut().for_each(|group| {
                    group.pending.remove(&id);
                });
            }
            let there = model.entries.contains_key(&id);
            if references == References::Acknowledged && referenced && (there || with_group) {
                assert_eq!(done, Deleted::StillReferenced);
                return;
            }
            if model.entries.remove(&id).is_some() {
                model.max_deleted = model.max_deleted.max(id);
            }
            assert_eq!(
                done,
                if there || with_group {
                    Deleted::Yes
                } else {
                    Deleted::Missing
                }
            );
        }
    }
}

#[test]
fn random_operations_equal_the_model() {
    for seed in 0..30u64 {
        println!("seed {seed}");
        let mut random = Random::new(seed);
        let limits = StreamLimits {
            node_bytes_max: [0, 200, 4096][random.below(3)],
            node_entries_max: [0, 3, 100][random.below(3)],
        };
        let mut stream = Stream::new();
        let mut model = Model::default();
        for step in 0..1500i64 {
            match random.below(20) {
                0..=9 => {
                    let fields = fields(&mut random);
                    let refs: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
                    let now_ms = step as u64 / 3;
                    let id = match random.below(4) {
                        0 => NewId::At { ms: now_ms },
                        1 => NewId::Given(StreamId::new(now_ms, random.draw() % 9)),
                        _ => NewId::Auto { now_ms },
                    };
                    if let Ok(id) = stream.append(id, &refs, &limits) {
                        assert!(id > model.last_id);
                        model.last_id = id;
                        model.added += 1;
                        let pairs = fields
                            .chunks(2)
                            .map(|pair| (pair[0].clone(), pair[1].clone()));
                        model.entries.insert(id, pairs.collect());
                    } else {
                        assert!(!matches!(id, NewId::Auto { .. }));
                    }
                }
                10..=12 => {
                    let id = pick_id(&model, &mut random);
                    let there = model.entries.remove(&id).is_some();
                    assert_eq!(stream.delete(id), there);
                    if there {
                        model.max_deleted = model.max_deleted.max(id);
                    }
                }
                13 if random.below(8) == 0 => trim(&mut stream, &mut model, &mut random),
                14..=18 => group_operation(&mut stream, &mut model, &mut random, step),
                _ => range(&stream, &model, &mut random),
            }
            if step % 7 == 0 {
                compare(&stream, &model);
            }
            if step % 500 == 499 {
                let parts = stream.view().to_parts();
                let again = Stream::from_parts(parts.clone()).expect("our own parts");
                compare(&again, &model);
                assert_eq!(again.view().to_parts(), parts);
            }
        }
        release_to_the_end(stream);
    }
}

fn release_to_the_end(mut stream: Stream) {
    let mut slices = 0;
    while stream.release(10) == 0 {
        slices += 1;
        assert!(slices < 10_000, "releasing ends");
    }
    assert_eq!(stream.heap_bytes(), Stream::new().heap_bytes());
    assert!(stream.is_empty());
}

fn stream_of(count: u64) -> Stream {
    let mut stream = Stream::new();
    for number in 1..=count {
        let fields: [&[u8]; 2] = [b"field", b"value"];
        let id = NewId::Given(StreamId::new(number, 0));
        stream
            .append(id, &fields, &StreamLimits::default())
            .expect("ids grow");
    }
    stream
}

#[test]
fn a_small_stream_is_small() {
    assert!(
        Stream::new().heap_bytes() < 300,
        "{}",
        Stream::new().heap_bytes()
    );
    let one = stream_of(1);
    assert!(one.heap_bytes() < 300, "{}", one.heap_bytes());
}

#[test]
fn nodes_hold_a_hundred_entries() {
    let stream = stream_of(1001);
    let entries: Vec<_> = stream
        .view()
        .log()
        .nodes()
        .map(|(_, node)| node.entries())
        .collect();
    assert_eq!(
        entries,
        [100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 1]
    );
}

#[test]
fn approximate_trimming_leaves_parts_of_nodes() {
    let mut stream = stream_of(1001);
    let approximately = |to, limit| Trim {
        to,
        approximate: true,
        limit,
    };
    assert_eq!(stream.trim(&approximately(TrimTo::Length(950), 0)), 0);
    assert_eq!(stream.trim(&approximately(TrimTo::Length(850), 0)), 100);
    assert_eq!(stream.trim(&approximately(TrimTo::Length(10), 250)), 200);
    assert_eq!(
        stream.trim(&approximately(TrimTo::Id(StreamId::new(450, 0)), 0)),
        100
    );
    assert_eq!(stream.view().log().first_id(), StreamId::new(401, 0));
}

#[test]
fn ids_as_they_are_asked_for() {
    let mut stream = stream_of(5);
    let log = stream.view().log();
    assert_eq!(
        log.next_id(NewId::Given(StreamId::MIN)),
        Err(AppendError::Zero)
    );
    assert_eq!(
        log.next_id(NewId::Given(StreamId::new(5, 0))),
        Err(AppendError::NotGreater)
    );
    assert_eq!(log.next_id(NewId::At { ms: 5 }), Ok(StreamId::new(5, 1)));
    assert_eq!(
        log.next_id(NewId::At { ms: 4 }),
        Err(AppendError::NotGreater)
    );
    assert_eq!(
        log.next_id(NewId::Auto { now_ms: 3 }),
        Ok(StreamId::new(5, 1))
    );
    assert_eq!(
        log.next_id(NewId::Auto { now_ms: 6 }),
        Ok(StreamId::new(6, 0))
    );
    assert_eq!(
        Stream::new().view().log().next_id(NewId::At { ms: 0 }),
        Ok(StreamId::new(0, 1))
    );
    assert_eq!(
        stream.set_id(StreamId::new(4, 0), None, None),
        Err(SetIdError::BelowTop)
    );
    assert_eq!(
        stream.set_id(StreamId::new(9, 0), Some(4), None),
        Err(SetIdError::FewerThanEntries)
    );
    let above = Some(StreamId::new(10, 0));
    assert_eq!(
        stream.set_id(StreamId::new(9, 0), None, above),
        Err(SetIdError::BelowGivenDeleted)
    );
    assert_eq!(
        stream.set_id(StreamId::new(5, u64::MAX), Some(50), None),
        Ok(())
    );
    assert_eq!(
        stream.view().log().next_id(NewId::At { ms: 5 }),
        Err(AppendError::NotGreater)
    );
    assert_eq!(stream.set_id(StreamId::MAX, None, None), Ok(()));
    let auto = NewId::Auto { now_ms: 1 };
    assert_eq!(
        stream.view().log().next_id(auto),
        Err(AppendError::Exhausted)
    );
    assert!(stream.delete(StreamId::new(2, 0)));
    assert_eq!(stream.view().log().entries_added(), 50);
}

#[test]
fn lag_and_when_it_is_unknown() {
    let mut stream = stream_of(10);
    assert!(stream.create_group(b"g", StreamId::MIN, None));
    let lag = |stream: &Stream| {
        let group = stream.view().group(b"g").expect("it was made");
        (group.entries_read(), stream.view().lag(group))
    };
    let read = |stream: &mut Stream, count| {
        let mut group = stream.group_mut(b"g").expect("it was made");
        group.read_new(b"c", Some(count), false, 1, |_| ());
    };
    assert_eq!(lag(&stream), (None, Some(10)));
    read(&mut stream, 3);
    assert_eq!(lag(&stream), (Some(3), Some(7)));
    // A hole ahead of the group makes the number of entries before it unknown.
    stream.delete(StreamId::new(7, 0));
    assert_eq!(lag(&stream), (Some(3), None));
    read(&mut stream, 2);
    assert_eq!(lag(&stream), (None, None));
    // At the end it is known again.
    read(&mut stream, 100);
    assert_eq!(lag(&stream), (Some(10), Some(0)));
    stream
        .group_mut(b"g")
        .expect("it was made")
        .set_id(StreamId::new(8, 0), None);
    assert_eq!(lag(&stream), (None, None));
}

#[test]
fn parts_that_contradict_each_other_make_no_stream() {
    let mut stream = stream_of(150);
    stream.create_group(b"g", StreamId::MIN, None);
    let mut group = stream.group_mut(b"g").expect("it was made");
    group.read_new(b"c", Some(5), false, 1, |_| ());
    drop(group);
    let parts = stream.view().to_parts();
    let with = |change: &dyn Fn(&mut parts::StreamParts)| {
        let mut parts = parts.clone();
        change(&mut parts);
        Stream::from_parts(parts).is_some()
    };
    assert!(with(&|_| ()));
    assert!(!with(&|parts| parts.length += 1));
    assert!(!with(&|parts| parts.nodes.swap(0, 1)));
    assert!(!with(
        &|parts| parts.counters.last_id = StreamId::new(100, 0)
    ));
    assert!(!with(&|parts| parts.groups.push(parts.groups[0].clone())));
    assert!(!with(&|parts| parts.groups[0].consumers[0]
        .pending
        .truncate(2)));
    assert!(!with(&|parts| parts.groups[0].consumers[0]
        .pending
        .push(StreamId::new(99, 0))));
    assert!(!with(&|parts| parts.groups[0].pending.truncate(1)));
    assert!(!with(&|parts| {
        let consumer = parts.groups[0].consumers[0].clone();
        parts.groups[0].consumers.push(consumer);
    }));
}

#[test]
fn counters_at_their_ends() {
    let mut parts = stream_of(5).view().to_parts();
    parts.counters.entries_added = u64::MAX;
    let mut stream = Stream::from_parts(parts).expect("any counter");
    stream.create_group(b"g", StreamId::MIN, Some(i64::MAX));
    let mut group = stream.group_mut(b"g").expect("it was made");
    assert_eq!(group.read_new(b"c", None, false, i64::MIN, |_| ()), 5);
    let claim = ClaimOptions {
        delivery_count: Some(u64::MAX),
        ..ClaimOptions::default()
    };
    let first = StreamId::new(1, 0);
    assert!(matches!(
        group.claim(b"c", first, &claim, i64::MAX),
        Claim::Claimed(_)
    ));
    assert_eq!(
        group.read_history(b"c", StreamId::MIN, None, 0, |_, _| ()),
        5
    );
    let idle = ClaimOptions {
        idle_ms_min: 1,
        ..ClaimOptions::default()
    };
    assert!(matches!(
        group.claim(b"c", first, &idle, i64::MAX),
        Claim::Claimed(_)
    ));
    drop(group);
    let fields: [&[u8]; 2] = [b"a", b"b"];
    assert!(
        stream
            .append(NewId::Auto { now_ms: 9 }, &fields, &StreamLimits::default())
            .is_ok()
    );
    let view = stream.view();
    assert!(view.lag(view.group(b"g").expect("it was made")).is_some());
}

#[test]
fn integers_in_longer_forms_are_no_nodes_of_ours() {
    let mut parts = stream_of(1).view().to_parts();
    assert!(Stream::from_parts(parts.clone()).is_some());
    let node = &mut parts.nodes[0].1;
    // The flags of the only entry, written as a string of one digit.
    let flags = node.len() - 1 - (2 + 2 + 2 + 7 + 2);
    assert_eq!(node[flags..flags + 2], [2, 1]);
    node.splice(flags..flags + 2, *b"\x812\x02");
    let total = node.len() as u32;
    node[..4].copy_from_slice(&total.to_le_bytes());
    assert!(listpack::check(node).is_some());
    assert!(Stream::from_parts(parts).is_none());
}

#[test]
fn mutated_nodes_are_safe() {
    let stream = stream_of(20);
    let parts = stream.view().to_parts();
    let seed = 77;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    let mut taken: HashMap<bool, u64> = HashMap::new();
    for _ in 0..20_000 {
        let mut parts = parts.clone();
        let bytes = &mut parts.nodes[0].1;
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len());
            bytes[at] = random.draw() as u8;
        }
        let stream = Stream::from_parts(parts);
        *taken.entry(stream.is_some()).or_default() += 1;
        if let Some(mut stream) = stream {
            let ids: BTreeSet<_> = stream
                .view()
                .log()
                .range(StreamId::MIN, StreamId::MAX)
                .map(|entry| collect(&entry).0)
                .collect();
            assert_eq!(ids.len(), stream.len());
            // The older half by trimming, which marks many entries of a node at once.
            let trim = Trim {
                to: TrimTo::Length(ids.len() as u64 / 2),
                approximate: false,
                limit: 0,
            };
            let trimmed = stream.trim(&trim) as usize;
            for id in ids.into_iter().skip(trimmed) {
                assert!(stream.delete(id));
            }
            assert!(stream.is_empty());
        }
    }
    assert!(taken[&true] > 100 && taken[&false] > 100, "{taken:?}");
}
