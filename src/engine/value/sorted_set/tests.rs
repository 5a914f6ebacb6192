//! Sorted sets against a model of standard collections, packed, becoming large, large and shrinking.

use super::bounds::{LexBound, ScoreBound};
use super::*;
use std::collections::{BTreeSet, HashMap};

fn limits(entries_max: usize, member_bytes_max: usize) -> SortedSetLimits {
    SortedSetLimits {
        packed_entries_max: entries_max,
        packed_member_bytes_max: member_bytes_max,
        hasher: ElementHasher::new(7),
    }
}

fn seed() -> u64 {
    let seed = match std::env::var("TORC_TEST_SEED") {
        Ok(seed) => seed.parse().expect("TORC_TEST_SEED is a number"),
        Err(_) => std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64,
    };
    println!("TORC_TEST_SEED={seed}");
    seed
}

/// All members in order.
fn all(set: &SortedSet) -> Vec<(Vec<u8>, f64)> {
    let view = set.view();
    view.range(0..view.len(), Direction::Forward)
        .map(|(member, score)| (member.to_vec(), score))
        .collect()
}

fn check(set: &SortedSet) {
    match set {
        SortedSet::Packed(bytes) => {
            assert!(bytes.len() <= PACKED_BYTES_MAX);
            assert_eq!(set.heap_bytes(), 0);
        }
        SortedSet::Large(large) => assert_eq!(large.check(), set.heap_bytes()),
    }
}

/// Scores are kept as a number that orders like they do.
#[derive(Default)]
struct Model {
    scores: HashMap<Vec<u8>, f64>,
}

impl Model {
    fn sorted(&self) -> Vec<(Vec<u8>, f64)> {
        let mut all: Vec<_> = self
            .scores
            .iter()
            .map(|(member, score)| (member.clone(), *score))
            .collect();
        all.sort_by(|a, b| a.1.total_cmp(&b.1).then(a.0.cmp(&b.0)));
        all
    }
}

fn random_member(random: &mut Random, variety: usize) -> Vec<u8> {
    let number = random.below(variety);
    match number % 5 {
        0 => number.to_string().into_bytes(),
        1 => format!("member:{number:08}").into_bytes(),
        2 => format!("-{number}").into_bytes(),
        3 => [number.to_le_bytes().as_slice(), &vec![b'x'; number % 60]].concat(),
        _ => format!("m{number}").into_bytes(),
    }
}

fn random_score(random: &mut Random) -> f64 {
    match random.below(8) {
        0 => f64::INFINITY,
        1 => f64::NEG_INFINITY,
        2 => -0.0,
        3 => random.below(1000) as f64 / 8.0,
        4 => f64::from_bits(random.draw() >> 2),
        5 => -(random.below(1 << 50) as f64) * 1.1,
        _ => random.below(40) as f64 - 20.0,
    }
}

/// Random operations; `variety` members at most exist at a time, growing and shrinking in turn.
fn run_model(seed: u64, operations: usize, variety: usize, limits: &SortedSetLimits) {
    let mut random = Random::new(seed);
    let (mut set, mut model) = (SortedSet::new(), Model::default());
    let mut was_skiplist = false;
    for step in 0..operations {
        let shrinks = (step / (2 * variety)) % 2 == 1;
        let member = random_member(&mut random, variety);
        let old = model.scores.get(&member).copied();
        match random.below(12) {
            0..=4 if !shrinks => {
                let score = random_score(&mut random);
                let expected = match old {
                    None => Added::Added,
                    Some(old) if old == score => Added::Same,
                    Some(_) => Added::Updated,
                };
                was_skiplist |= old.is_none()
                    && (model.scores.len() + 1 > limits.packed_entries_max
                        || member.len() > limits.packed_member_bytes_max);
                assert_eq!(set.add(&member, score, limits), expected);
                model.scores.insert(member, score + 0.0);
            }
            5 => {
                let increment = random_score(&mut random);
                let sum = old.unwrap_or(0.0) + increment;
                let got = set.increment(&member, increment, limits);
                if sum.is_nan() {
                    assert_eq!(got, Err(NotANumber));
                } else {
                    was_skiplist |= old.is_none()
                        && (model.scores.len() + 1 > limits.packed_entries_max
                            || member.len() > limits.packed_member_bytes_max);
                    assert_eq!(got, Ok(sum));
                    model.scores.insert(member, sum + 0.0);
                }
            }
            0..=7 => {
                assert_eq!(set.remove(&member), old);
                model.scores.remove(&member);
            }
            8 => assert_eq!(set.view().score(&member), old),
            9 if random.below(4) == 0 => {
                let direction = [Direction::Forward, Direction::Backward][random.below(2)];
                let sorted = model.sorted();
                let expected = match direction {
                    Direction::Forward => sorted.first(),
                    Direction::Backward => sorted.last(),
                };
                let mut popped = None;
                set.pop(direction, |member, score| {
                    popped = Some((member.to_vec(), score));
                });
                assert_eq!(popped.as_ref(), expected);
                if let Some((member, _)) = popped {
                    model.scores.remove(&member);
                }
            }
            10 if random.below(8) == 0 => {
                let sorted = model.sorted();
                let start = random.below(sorted.len() + 1);
                let count = random.below(1 + sorted.len() / if shrinks { 2 } else { 16 });
                let end = (start + count).min(sorted.len());
                assert_eq!(set.remove_ranks(start..start + count), end - start);
                for (member, _) in &sorted[start..end] {
                    model.scores.remove(member);
                }
            }
            11 if random.below(8) == 0 => compare(&set, &model, &mut random, &member),
            _ => {}
        }
        assert_eq!(set.len(), model.scores.len());
        assert_eq!(
            set.view().encoding(),
            if was_skiplist { "skiplist" } else { "listpack" }
        );
        if step % 1000 == 0 {
            check(&set);
        }
    }
    check(&set);
    assert_eq!(all(&set), model.sorted());
    let len = set.len();
    let mut slices = 0;
    while set.release(100) == 0 {
        slices += 1;
        assert!(slices <= 2 * len, "a release ends");
    }
    assert!(set.heap_bytes() <= allocated_for_an_empty_one(limits));
}

fn allocated_for_an_empty_one(limits: &SortedSetLimits) -> usize {
    SortedSet::for_members(usize::MAX, 0, limits).heap_bytes()
}

/// Everything that reads, against the model.
fn compare(set: &SortedSet, model: &Model, random: &mut Random, member: &[u8]) {
    let (view, sorted) = (set.view(), model.sorted());
    assert_eq!(all(set), sorted);
    let mut backward: Vec<_> = view
        .range(0..usize::MAX, Direction::Backward)
        .map(|(member, score)| (member.to_vec(), score))
        .collect();
    backward.reverse();
    assert_eq!(backward, sorted);
    let rank = sorted.iter().position(|(other, _)| other == member);
    assert_eq!(view.rank(member), rank.map(|rank| (rank, sorted[rank].1)));
    let start = random.below(sorted.len() + 2);
    let end = start + random.below(sorted.len() + 2);
    for direction in [Direction::Forward, Direction::Backward] {
        let mut expected = sorted
            .get(start..end.min(sorted.len()))
            .unwrap_or(&[])
            .to_vec();
        if direction == Direction::Backward {
            expected.reverse();
        }
        let range = view.range(start..end, direction);
        assert_eq!(range.size_hint(), (expected.len(), Some(expected.len())));
        let got: Vec<_> = range
            .map(|(member, score)| (member.to_vec(), score))
            .collect();
        assert_eq!(got, expected);
    }
    let bound = |random: &mut Random| match random.below(2) {
        0 => ScoreBound::Inclusive(random_score(random)),
        _ => ScoreBound::Exclusive(random_score(random)),
    };
    let range = ScoreRange {
        min: bound(random),
        max: bound(random),
    };
    let inside = sorted.iter().filter(|(_, score)| {
        let above = match range.min {
            ScoreBound::Inclusive(min) => *score >= min,
            ScoreBound::Exclusive(min) => *score > min,
        };
        above
            && match range.max {
                ScoreBound::Inclusive(max) => *score <= max,
                ScoreBound::Exclusive(max) => *score < max,
            }
    });
    let ranks = view.ranks_by_score(&range);
    let got: Vec<_> = view
        .range(ranks.clone(), Direction::Forward)
        .map(|(member, score)| (member.to_vec(), score))
        .collect();
    assert_eq!(ranks.len(), got.len());
    assert_eq!(got, inside.cloned().collect::<Vec<_>>());

    let count = random.below(2 * sorted.len() + 2);
    let mut shown = Vec::new();
    view.random_distinct(count, random, |member, score| {
        assert_eq!(model.scores[&member.to_vec()], score);
        shown.push(member.to_vec());
    });
    assert_eq!(shown.len(), count.min(sorted.len()));
    assert_eq!(shown.iter().collect::<BTreeSet<_>>().len(), shown.len());
    let mut count = 0;
    view.random_with_repetition(10, random, |member, score| {
        assert_eq!(model.scores[&member.to_vec()], score);
        count += 1;
    });
    assert_eq!(count, if sorted.is_empty() { 0 } else { 10 });
    let (mut cursor, mut seen) = (0, BTreeSet::new());
    loop {
        cursor = view.scan(cursor, 10, |member, score| {
            assert_eq!(model.scores[&member.to_vec()], score);
            seen.insert(member.to_vec());
        });
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(seen.len(), sorted.len());
}

#[test]
fn a_packed_set_does_what_the_model_does() {
    run_model(seed(), 20_000, 60, &limits(128, 64));
}

#[test]
fn a_set_becomes_large_and_does_what_the_model_does() {
    run_model(seed(), 20_000, 400, &limits(128, 64));
    run_model(seed(), 10_000, 100, &limits(10, 64));
    run_model(seed(), 10_000, 100, &limits(128, 50));
    run_model(seed(), 2_000, 50, &limits(0, 0));
}

#[test]
fn a_large_set_grows_and_shrinks_as_the_model_does() {
    run_model(seed(), 100_000, 10_000, &limits(128, 64));
}

#[test]
fn a_set_too_long_for_the_packed_form_is_a_listpack_by_name_all_the_same() {
    let limits = limits(10_000, 10_000);
    let mut set = SortedSet::new();
    for number in 0..1000 {
        let member = format!("a member of some length {number}");
        set.add(member.as_bytes(), f64::from(number), &limits);
    }
    assert!(set.packed().is_none());
    assert_eq!(set.view().encoding(), "listpack");
    set.add(&[b'x'; 20_000], 0.0, &limits);
    assert_eq!(set.view().encoding(), "skiplist");
    check(&set);
}

#[test]
fn scores_come_back_from_the_packed_form_as_they_went_in() {
    let limits = limits(1000, 64);
    let mut set = SortedSet::new();
    let mut random = Random::new(seed());
    let mut scores = vec![
        0.0,
        0.5,
        -0.5,
        1e300,
        5e-324,
        -1e-7,
        9_007_199_254_740_992.0,
        9_007_199_254_740_994.0,
        -9_223_372_036_854_775_808.0,
        1.8e19,
        f64::INFINITY,
        f64::NEG_INFINITY,
        // Bytes that read like integers.
        f64::from_be_bytes(*b"12345678"),
        f64::from_be_bytes(*b"-1234567"),
        f64::from_be_bytes(*b"7\0\0\0\0\0\0\0"),
        f64::from_be_bytes(*b"123\0\0\0\0\0"),
    ];
    scores.extend((0..200).map(|_| random_score(&mut random)));
    for (index, score) in scores.iter().enumerate() {
        set.add(index.to_string().as_bytes(), *score, &limits);
    }
    assert!(set.packed().is_some());
    let mut set = SortedSet::from_packed(set.packed().unwrap().to_vec());
    for (index, score) in scores.iter().enumerate() {
        let got = set.view().score(index.to_string().as_bytes()).unwrap();
        assert_eq!(got.to_bits(), (score + 0.0).to_bits());
    }
    assert_eq!(set.add(b"2", 7.0, &limits), Added::Updated);
    assert_eq!(set.view().score(b"2"), Some(7.0));
}

#[test]
fn ranges_of_bytes_know_all_their_ends() {
    for limits in [limits(128, 64), limits(0, 0)] {
        let mut set = SortedSet::new();
        for member in ["b", "a", "", "12", "aa", "ab", "9"] {
            set.add(member.as_bytes(), 0.0, &limits);
        }
        let of = |min, max| {
            let ranks = set.view().ranks_by_lex(&LexRange { min, max });
            set.view()
                .range(ranks, Direction::Forward)
                .map(|(member, _)| String::from_utf8(member.to_vec()).unwrap())
                .collect::<Vec<_>>()
                .join(",")
        };
        use LexBound::{Exclusive, Inclusive, Max, Min};
        assert_eq!(of(Min, Max), ",12,9,a,aa,ab,b");
        assert_eq!(of(Max, Min), "");
        assert_eq!(of(Max, Max), "");
        assert_eq!(of(Min, Min), "");
        assert_eq!(of(Inclusive(b"a"), Max), "a,aa,ab,b");
        assert_eq!(of(Exclusive(b"a"), Exclusive(b"b")), "aa,ab");
        assert_eq!(of(Inclusive(b"a"), Inclusive(b"b")), "a,aa,ab,b");
        assert_eq!(of(Min, Exclusive(b"")), "");
        assert_eq!(of(Min, Inclusive(b"")), "");
        assert_eq!(of(Exclusive(b""), Inclusive(b"2")), "12");
        assert_eq!(of(Inclusive(b"b"), Inclusive(b"a")), "");
    }
}

#[test]
fn a_member_of_a_large_set_may_be_long() {
    let limits = limits(128, 64);
    let mut set = SortedSet::new();
    for length in [100, 300, 5_000, 100_000] {
        for number in 0..30u8 {
            let mut member = vec![number; length];
            member[0] = b'm';
            assert_eq!(set.add(&member, f64::from(number), &limits), Added::Added);
            assert_eq!(set.view().score(&member), Some(f64::from(number)));
        }
    }
    check(&set);
    let full = set.heap_bytes();
    assert!(full < 30 * 105_400 * 5 / 4);
    assert_eq!(set.remove_ranks(0..116), 116);
    check(&set);
    assert!(set.heap_bytes() < 5 * 105_400);
}

#[test]
fn room_comes_back_when_a_set_shrinks_and_when_lengths_change() {
    let limits = limits(128, 64);
    let mut random = Random::new(seed());
    let mut set = SortedSet::new();
    for number in 0..30_000 {
        set.add(
            format!("{number:016}").as_bytes(),
            random.below(1000) as f64,
            &limits,
        );
    }
    let full = set.heap_bytes();
    assert!(full < 30_000 * 62, "{} bytes a member", full / 30_000);
    // Members of other lengths take the place of those that go.
    for number in 0..30_000 {
        set.add(
            format!("{number:032}").as_bytes(),
            random.below(1000) as f64,
            &limits,
        );
        assert!(set.remove(format!("{number:016}").as_bytes()).is_some());
    }
    check(&set);
    // Sixteen bytes more each, and what chunks have free by chance.
    assert!(
        set.heap_bytes() < full + 30_000 * 32,
        "{} bytes a member",
        set.heap_bytes() / 30_000
    );
    // Of every hundred one is left, wherever it was.
    for number in 0..30_000 {
        if number % 100 != 0 {
            set.remove(format!("{number:032}").as_bytes());
        }
    }
    check(&set);
    assert_eq!(set.len(), 300);
    assert!(set.heap_bytes() < 300 * 150, "{}", set.heap_bytes());
}

#[test]
fn a_scan_shows_what_is_there_throughout_while_the_set_changes() {
    let limits = limits(128, 64);
    let mut random = Random::new(seed());
    let mut set = SortedSet::new();
    let steady = |number: usize| format!("steady {number}").into_bytes();
    for number in 0..2000 {
        set.add(&steady(number), 1.0, &limits);
    }
    let (mut cursor, mut seen, mut step) = (0, BTreeSet::new(), 0);
    loop {
        cursor = set.view().scan(cursor, 20, |member, _| {
            seen.insert(member.to_vec());
        });
        if cursor == 0 {
            break;
        }
        for _ in 0..200 {
            let passing = format!("passing {}", random.below(10_000));
            if step % 40 < 20 {
                set.add(passing.as_bytes(), random_score(&mut random), &limits);
            } else {
                set.remove(passing.as_bytes());
            }
            set.add(
                &steady(random.below(2000)),
                random_score(&mut random),
                &limits,
            );
        }
        step += 1;
    }
    assert!((0..2000).all(|number| seen.contains(&steady(number))));
}

#[test]
fn random_members_are_all_as_likely() {
    let seed = seed();
    for limits in [limits(128, 64), limits(0, 0)] {
        let mut random = Random::new(seed);
        let mut set = SortedSet::new();
        for number in 0..100 {
            set.add(format!("{number}").as_bytes(), f64::from(number), &limits);
        }
        for distinct in [3, 40] {
            let mut counts = [0; 100];
            for _ in 0..2000 {
                set.view()
                    .random_distinct(distinct, &mut random, |_, score| {
                        counts[score as usize] += 1;
                    });
            }
            let expected = 20 * distinct as i32;
            assert!(
                counts
                    .iter()
                    .all(|count| (count - expected).abs() < expected / 2 + 20),
                "{counts:?}"
            );
        }
    }
}

#[test]
fn a_set_for_many_members_is_large_at_once() {
    let limits = limits(128, 64);
    let encoding = |len, bytes| {
        SortedSet::for_members(len, bytes, &limits)
            .view()
            .encoding()
    };
    assert_eq!(encoding(128, 64), "listpack");
    assert_eq!(encoding(129, 1), "skiplist");
    assert_eq!(encoding(1, 65), "skiplist");
}
