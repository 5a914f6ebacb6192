//! Lists against a model of standard collections, packed, becoming large, large and becoming packed again.

use super::*;
use crate::engine::random::Random;

const LIMITS: ListLimits = ListLimits { listpack_size: -2 };

fn seed() -> u64 {
    let seed = match std::env::var("TORC_TEST_SEED") {
        Ok(seed) => seed.parse().expect("TORC_TEST_SEED is a number"),
        Err(_) => std::time::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64,
    };
    println!("TORC_TEST_SEED={seed}");
    seed
}

fn all(list: &List) -> Vec<Vec<u8>> {
    let view = list.view();
    view.range(0..usize::MAX, Direction::Forward)
        .map(|entry| entry.to_vec())
        .collect()
}

fn check(list: &List) {
    match list {
        List::Packed(bytes) => {
            assert!(bytes.len() <= RUN_BYTES_MAX);
            assert_eq!(list.heap_bytes(), 0);
            let run = Run::new(bytes);
            assert!(
                run.iter()
                    .all(|entry| limits::excess_bytes(entry) <= run.tag())
            );
        }
        List::Large(large) => assert_eq!(large.check(), list.heap_bytes()),
    }
}

fn random_element(random: &mut Random) -> Vec<u8> {
    match random.below(200) {
        0 => vec![b'l'; random.below(20_000)],
        1..=5 => vec![b'x'; random.below(300)],
        6..=60 => random.below(10).to_string().into_bytes(),
        61..=80 => (random.draw() as i64 >> random.below(64))
            .to_string()
            .into_bytes(),
        81..=100 => Vec::new(),
        _ => format!("element {}", random.below(30)).into_bytes(),
    }
}

fn random_direction(random: &mut Random) -> Direction {
    [Direction::Forward, Direction::Backward][random.below(2)]
}

/// Random operations around the length `size`, growing and shrinking in turn.
fn run_model(seed: u64, operations: usize, size: usize, limits: ListLimits) {
    let mut random = Random::new(seed);
    let (mut list, mut model) = (List::new(), Vec::<Vec<u8>>::new());
    let (mut times_packed, mut times_large) = (0, 0);
    for step in 0..operations {
        let grows = (step / size) % 3 < 2;
        let at = random_direction(&mut random);
        match random.below(16) {
            0..=5 if grows => {
                let elements: Vec<_> = (0..1 + random.below(3))
                    .map(|_| random_element(&mut random))
                    .collect();
                list.push_all(at, elements.iter().map(Vec::as_slice), limits);
                for element in elements {
                    match at {
                        Direction::Forward => model.insert(0, element),
                        Direction::Backward => model.push(element),
                    }
                }
            }
            0..=5 => {
                let mut popped = None;
                let expected = match at {
                    _ if model.is_empty() => None,
                    Direction::Forward => Some(model.remove(0)),
                    Direction::Backward => model.pop(),
                };
                let was = list.pop(at, limits, |entry| popped = Some(entry.to_vec()));
                assert_eq!(was, expected.is_some());
                assert_eq!(popped, expected);
            }
            6 | 7 => {
                let (element, position) =
                    (random_element(&mut random), random.below(model.len() + 2));
                assert_eq!(
                    list.insert(position, &element, limits),
                    position <= model.len()
                );
                if position <= model.len() {
                    model.insert(position, element);
                }
            }
            8 => {
                let (element, position) =
                    (random_element(&mut random), random.below(model.len() + 1));
                assert_eq!(list.set(position, &element, limits), position < model.len());
                if position < model.len() {
                    model[position] = element;
                }
            }
            9 => {
                let position = random.below(model.len() + 1);
                let got = list.view().get(position).map(|entry| entry.to_vec());
                assert_eq!(got.as_ref(), model.get(position));
            }
            10 if !grows || random.below(10) == 0 => {
                let (element, max) = (random_element(&mut random), random.below(4));
                let removed = list.remove_equal(&element, max, at, limits);
                let mut found: Vec<_> = (0..model.len())
                    .filter(|index| model[*index] == element)
                    .collect();
                if at == Direction::Backward {
                    found.reverse();
                }
                found.truncate(max);
                assert_eq!(removed, found.len());
                found.sort_unstable();
                for index in found.into_iter().rev() {
                    model.remove(index);
                }
            }
            11 if !grows => {
                let start = random.below(model.len() + 2);
                let end = start + random.below(5);
                let (from, to) = (start.min(model.len()), end.min(model.len()));
                assert_eq!(list.remove_range(start..end, limits), to - from);
                model.drain(from..to);
            }
            12 if !grows && random.below(20) == 0 => {
                let start = random.below(model.len() + 2) / 8;
                let end = start + random.below(model.len() + 2);
                let (from, to) = (start.min(model.len()), end.min(model.len()));
                assert_eq!(list.trim(start..end, limits), model.len() - (to - from));
                model = model[from..to].to_vec();
            }
            13 if random.below(20) == 0 => {
                let start = random.below(model.len() + 2);
                let end = start + random.below(model.len() + 2);
                let expected = model.get(start..end.min(model.len())).unwrap_or(&[]);
                let mut expected = expected.to_vec();
                if at == Direction::Backward {
                    expected.reverse();
                }
                let range = list.view().range(start..end, at);
                assert_eq!(range.size_hint(), (expected.len(), Some(expected.len())));
                let got: Vec<_> = range.map(|entry| entry.to_vec()).collect();
                assert_eq!(got, expected);
            }
            14 if random.below(20) == 0 => {
                let (element, max) = (random_element(&mut random), random.below(model.len() + 2));
                let mut wanted = random.below(5);
                let mut expected: Vec<_> = (0..model.len())
                    .filter(|index| match at {
                        Direction::Forward => *index < max,
                        Direction::Backward => model.len() - index <= max,
                    })
                    .filter(|index| model[*index] == element)
                    .collect();
                if at == Direction::Backward {
                    expected.reverse();
                }
                expected.truncate(wanted + 1);
                let mut got = Vec::new();
                list.view().find(&element, at, max, |position| {
                    got.push(position);
                    wanted = wanted.wrapping_sub(1);
                    wanted != usize::MAX
                });
                assert_eq!(got, expected);
            }
            _ => {}
        }
        assert_eq!(list.len(), model.len());
        match list.packed() {
            Some(_) => times_packed += 1,
            None => times_large += 1,
        }
        if step % 500 == 0 {
            check(&list);
            assert_eq!(all(&list), model);
        }
    }
    println!("packed after {times_packed} operations, large after {times_large}");
    check(&list);
    assert_eq!(all(&list), model);
    let mut slices = 0;
    while list.release(3) == 0 {
        slices += 1;
        assert!(slices <= 100 * model.len(), "a release ends");
    }
    assert!(list.heap_bytes() <= 64 && (list.packed().is_some() || list.is_empty()));
}

#[test]
fn a_list_does_what_the_model_does() {
    let seed = seed();
    run_model(seed, 20_000, 300, LIMITS);
    run_model(seed, 20_000, 2000, LIMITS);
}

#[test]
fn a_list_does_what_the_model_does_with_other_chunks() {
    let seed = seed();
    for listpack_size in [-5, -3, -1, 0, 1, 3, 128, 100_000] {
        println!("list-max-listpack-size {listpack_size}");
        run_model(seed, 8000, 500, ListLimits { listpack_size });
    }
}

#[test]
fn the_encoding_changes_where_that_of_redis_does() {
    // A listpack takes 7 bytes beside the entries and 12 for each of these.
    let mut list = List::new();
    let mut count = 0;
    while list.view().encoding() == "listpack" {
        list.push(Direction::Backward, b"0123456789", LIMITS);
        count += 1;
    }
    // Redis compares before it pushes, with the element's bytes alone: 7 + 12 n + 10 > 8192.
    assert_eq!(count, 683);
    assert!(list.packed().is_none());
    // Half: 7 + 12 n <= 4096. The second chunk has only the last element.
    while list.view().encoding() == "quicklist" {
        assert!(list.pop(Direction::Backward, LIMITS, |_| ()));
        count -= 1;
        check(&list);
    }
    assert_eq!(count, 340);
    assert!(list.packed().is_none());
    list.trim(0..90, LIMITS);
    assert!(list.packed().is_some());
    // Two chunks are never a listpack, however short.
    let limits = ListLimits { listpack_size: 4 };
    let mut list = List::new();
    for _ in 0..5 {
        list.push(Direction::Backward, b"x", limits);
    }
    assert_eq!(list.view().encoding(), "quicklist");
    list.pop(Direction::Forward, limits, |_| ());
    list.pop(Direction::Forward, limits, |_| ());
    list.pop(Direction::Forward, limits, |_| ());
    assert_eq!((list.len(), list.view().encoding()), (2, "quicklist"));
    list.pop(Direction::Backward, limits, |_| ());
    assert_eq!(list.view().encoding(), "listpack");
    // What was to be inserted counts even if it is not.
    let mut list = List::new();
    list.push(Direction::Backward, b"x", LIMITS);
    list.anticipate(9000, 1, LIMITS);
    assert_eq!((list.len(), list.view().encoding()), (1, "quicklist"));
    list.set(0, b"y", LIMITS);
    assert_eq!(list.view().encoding(), "listpack");
}

#[test]
fn a_listpack_longer_than_the_packed_form_is_one_by_name() {
    let limits = ListLimits { listpack_size: -5 };
    let mut list = List::new();
    for _ in 0..1000 {
        list.push(Direction::Forward, b"0123456789", limits);
    }
    assert!(list.packed().is_none());
    assert_eq!(list.view().encoding(), "listpack");
    check(&list);
    for _ in 0..5000 {
        list.push(Direction::Forward, b"0123456789", limits);
    }
    assert_eq!(list.view().encoding(), "quicklist");
    assert_eq!(list.trim(5000..6000, limits), 5000);
    assert_eq!((list.len(), list.view().encoding()), (1000, "listpack"));
    assert!(list.packed().is_none());
    list.trim(0..90, limits);
    assert!(list.packed().is_some());
}

#[test]
fn inserting_again_and_again_at_one_place_leaves_full_chunks() {
    for offset in [0, 1] {
        let mut list = List::new();
        for _ in 0..2000 {
            list.push(Direction::Backward, b"0123456789", LIMITS);
        }
        for number in 0..20_000 {
            // Before or after what was inserted last.
            let position = 1000 + offset * number;
            assert!(list.insert(position, b"abcdefghij", LIMITS));
        }
        check(&list);
        assert!(
            list.heap_bytes() < 22_000 * 18,
            "{}",
            list.heap_bytes() / 22_000
        );
    }
}

#[test]
fn a_queue_gives_its_room_back() {
    for (at, from) in [
        (Direction::Forward, Direction::Backward),
        (Direction::Backward, Direction::Forward),
        (Direction::Backward, Direction::Backward),
        (Direction::Forward, Direction::Forward),
    ] {
        let mut list = List::new();
        for number in 0..50_000 {
            list.push(at, format!("job {number}").as_bytes(), LIMITS);
        }
        check(&list);
        assert!(list.heap_bytes() < 50_000 * 12);
        for number in 0..50_000 {
            let expected = if at == from { 49_999 - number } else { number };
            let mut popped = Vec::new();
            assert!(list.pop(from, LIMITS, |entry| popped = entry.to_vec()));
            assert_eq!(popped, format!("job {expected}").into_bytes());
        }
        check(&list);
        assert!(list.is_empty() && list.packed().is_some());
    }
}

#[test]
fn a_copy_has_the_same_elements_and_its_own_room() {
    let limits = ListLimits { listpack_size: 3 };
    for len in [1, 3, 4, 10, 1000, 20_000] {
        let mut list = List::new();
        for number in 0..len {
            list.push(
                Direction::Backward,
                format!("element:{number}").as_bytes(),
                limits,
            );
        }
        let List::Large(large) = &list else {
            continue;
        };
        let mut copy = List::Large(Box::new(LargeList::clone(large)));
        let all = |list: &List| -> Vec<Vec<u8>> {
            let view = list.view();
            view.range(0..view.len(), Direction::Forward)
                .map(|entry| entry.to_vec())
                .collect()
        };
        assert_eq!(all(&copy), all(&list));
        assert_eq!(copy.view().encoding(), list.view().encoding());
        if let List::Large(copied) = &copy {
            assert_eq!(copied.check(), copied.heap_bytes());
        }
        copy.push(Direction::Forward, b"another", limits);
        assert_eq!(copy.view().len(), list.view().len() + 1);
    }
}
