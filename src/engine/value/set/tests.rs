use super::{LargeSet, Member, Set, SetLimits, SetView};
use crate::engine::random::Random;
use crate::engine::value::packed::Entry;
use crate::engine::value::{ElementHasher, PACKED_BYTES_MAX, Stored, allocated_bytes};
use std::collections::{BTreeMap, BTreeSet};

/// Redis' defaults.
fn limits() -> SetLimits {
    SetLimits {
        intset_entries_max: 512,
        packed_entries_max: 128,
        packed_value_bytes_max: 64,
        hasher: ElementHasher::new(5),
    }
}

fn set_of(members: impl IntoIterator<Item = String>, limits: &SetLimits) -> Set {
    let mut set = Set::new();
    for member in members {
        assert!(set.add(member.as_bytes(), limits));
    }
    set
}

fn members(view: SetView<'_>) -> BTreeSet<Vec<u8>> {
    let all: Vec<Vec<u8>> = view.iter().map(|entry| entry.to_vec()).collect();
    let set: BTreeSet<Vec<u8>> = all.iter().cloned().collect();
    assert_eq!(all.len(), set.len(), "each member once");
    set
}

fn check(set: &Set) {
    match set {
        Set::Packed(bytes) => {
            assert!(bytes.len() <= PACKED_BYTES_MAX);
            assert_eq!(set.heap_bytes(), 0);
            assert_eq!(set.packed(), Some(bytes.as_slice()));
        }
        Set::Large(large) => {
            large
                .table
                .check(|member| super::hash_entry(&large.hasher, member.entry()));
            let member_bytes: usize = large.table.iter().map(Member::heap_bytes).sum();
            assert_eq!(
                set.heap_bytes(),
                allocated_bytes(size_of::<LargeSet>()) + large.table.heap_bytes() + member_bytes
            );
            for member in large.table.iter() {
                if let Member::Bytes(bytes) = member {
                    assert_eq!(
                        Entry::of(bytes),
                        Entry::Bytes(bytes),
                        "integers are integers"
                    );
                }
            }
        }
    }
}

#[test]
fn integers_are_sorted_and_widen() {
    let limits = limits();
    let mut set = Set::new();
    let mut model = BTreeSet::new();
    for (integer, bytes) in [
        (5, 2 + 2),
        (-32768, 2 + 4),
        (32767, 2 + 6),
        (32768, 2 + 16),
        (-1, 2 + 20),
        (i64::from(i32::MIN), 2 + 24),
        (i64::from(i32::MAX) + 1, 2 + 56),
        (i64::MIN, 2 + 64),
        (i64::MAX, 2 + 72),
        (0, 2 + 80),
    ] {
        assert!(set.add(integer.to_string().as_bytes(), &limits));
        assert!(!set.add(integer.to_string().as_bytes(), &limits));
        model.insert(integer);
        assert_eq!(set.packed().unwrap().len(), bytes);
        assert!(
            set.view()
                .iter()
                .eq(model.iter().map(|&i| Entry::Integer(i)))
        );
        assert_eq!((set.len(), set.view().encoding()), (model.len(), "intset"));
    }
    assert!(!set.view().contains(b"6") && !set.view().contains(b"x"));
    assert!(!set.remove(b"6") && !set.remove(b"x"));
    for integer in model {
        assert!(set.remove(integer.to_string().as_bytes()));
        assert!(!set.view().contains(integer.to_string().as_bytes()));
    }
    assert!(set.is_empty());
    assert!(set.add(b"x", &limits), "an emptied intset takes anything");
    assert_eq!(set.view().encoding(), "listpack");
}

#[test]
fn encodings_are_those_of_redis() {
    let limits = limits();
    let integers = |range: std::ops::Range<i64>| set_of(range.map(|i| i.to_string()), &limits);
    let words = |count: i64| set_of((0..count).map(|i| format!("w{i}")), &limits);
    let encoding = |set: &Set| set.view().encoding();

    assert_eq!(encoding(&integers(0..512)), "intset");
    assert_eq!(encoding(&integers(0..513)), "hashtable");
    assert_eq!(encoding(&words(128)), "listpack");
    assert_eq!(encoding(&words(129)), "hashtable");
    for (count, expected) in [(127, "listpack"), (128, "hashtable")] {
        let mut set = integers(0..count);
        assert!(set.add(b"x", &limits));
        assert_eq!(encoding(&set), expected);
    }
    let mut set = words(1);
    assert!(set.add(&[b'x'; 64], &limits));
    assert_eq!(encoding(&set), "listpack");
    assert!(set.add(&[b'x'; 65], &limits));
    assert_eq!(encoding(&set), "hashtable");
    assert!(set.remove(&[b'x'; 65]));
    assert_eq!(encoding(&set), "hashtable", "and never back");

    // Digits count as bytes, in a run and when an intset becomes one.
    let short = SetLimits {
        packed_value_bytes_max: 3,
        ..limits.clone()
    };
    for (first, expected) in [("-99", "listpack"), ("-999", "hashtable")] {
        let mut set = set_of([first.to_string(), "1".to_string()], &short);
        assert_eq!(encoding(&set), "intset");
        assert!(set.add(b"x", &short));
        assert_eq!(encoding(&set), expected);
    }
    let mut set = set_of(["x".to_string()], &short);
    assert!(set.add(b"100", &short));
    assert_eq!(encoding(&set), "listpack");
    assert!(set.add(b"1000", &short));
    assert_eq!(encoding(&set), "hashtable");
}

#[test]
fn the_number_of_members_to_come_chooses_the_form() {
    let limits = limits();
    for (first, count, expected) in [
        ("1", 512, "intset"),
        ("1", 513, "hashtable"),
        ("x", 128, "listpack"),
        ("x", 129, "hashtable"),
    ] {
        let mut set = Set::for_members(first.as_bytes(), count, &limits);
        assert!(set.add(first.as_bytes(), &limits));
        assert_eq!(set.view().encoding(), expected, "{first} {count}");
        let mut set = set_of([first.to_string()], &limits);
        set.expect(count, &limits);
        assert_eq!(set.view().encoding(), expected, "{first} {count}");
        assert_eq!(set.len(), 1);
    }
    let few_integers = SetLimits {
        intset_entries_max: 2,
        ..limits
    };
    let mut set = Set::for_members(b"1", 3, &few_integers);
    assert!(set.add(b"1", &few_integers));
    assert_eq!(set.view().encoding(), "listpack");
    let mut set = Set::new();
    set.expect(1000, &few_integers);
    assert!(
        set.packed().is_some(),
        "an empty one has nothing to convert"
    );
}

#[test]
fn what_redis_keeps_packed_and_we_do_not_is_named_as_redis_names_it() {
    let wide = SetLimits {
        intset_entries_max: 5_000,
        packed_entries_max: 3_000,
        packed_value_bytes_max: 64,
        hasher: ElementHasher::new(1),
    };
    let mut set = set_of((0..1024).map(|i| (i64::MAX - i).to_string()), &wide);
    assert_eq!(set.view().encoding(), "intset");
    assert_eq!((set.packed(), set.len()), (None, 1024));
    check(&set);
    assert!(set.add(b"x", &wide));
    assert_eq!(set.view().encoding(), "listpack");
    for i in 0..1975 {
        assert!(set.add(format!("y{i}").as_bytes(), &wide));
    }
    assert_eq!((set.view().encoding(), set.len()), ("listpack", 3_000));
    assert!(set.add(b"z", &wide));
    assert_eq!(set.view().encoding(), "hashtable");
    check(&set);

    let mut set = set_of((0..1024).map(|i| (i64::MAX - i).to_string()), &wide);
    assert!(set.add(&[b'x'; 65], &wide));
    assert_eq!(set.view().encoding(), "hashtable");
    let mut set = set_of((0..124).map(|i| format!("{i:064}")), &limits());
    assert!(set.packed().is_some());
    for i in 124..128 {
        assert!(set.add(format!("{i:064}").as_bytes(), &limits()));
    }
    assert_eq!((set.packed(), set.view().encoding()), (None, "listpack"));
}

/// Members of several kinds, some of them the same.
fn draw(random: &mut Random, of: usize) -> Vec<u8> {
    let number = random.below(of) as i64;
    match number % 4 {
        0 => (number * 77_777_777 - 5).to_string().into_bytes(),
        1 => format!("0{number}").into_bytes(),
        2 => format!("member:{number}").into_bytes(),
        _ => vec![b'x'; number as usize % 90],
    }
}

#[test]
fn it_is_a_set() {
    let seed = 17;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    for of in [8, 60, 400, 20_000] {
        for integers_only in [false, true] {
            let limits = limits();
            let mut set = Set::new();
            let mut model = BTreeSet::new();
            for step in 0..8 * of {
                let member = match integers_only {
                    true => (random.draw() as i64 >> random.below(64))
                        .to_string()
                        .into_bytes(),
                    false => draw(&mut random, of),
                };
                assert_eq!(set.view().contains(&member), model.contains(&member));
                // Growing at first, shrinking afterwards.
                if (random.below(10) < 7) == (step < 4 * of) {
                    assert_eq!(set.add(&member, &limits), model.insert(member));
                } else if random.below(2) == 0 {
                    assert_eq!(set.remove(&member), model.remove(&member));
                } else {
                    let popped = set.pop_random(&mut random, |entry| {
                        assert!(model.remove(&entry.to_vec()));
                    });
                    assert!(popped || model.is_empty());
                }
                assert_eq!(set.len(), model.len());
                if step % (of / 4) == 0 {
                    check(&set);
                    assert_eq!(members(set.view()), model);
                    if let Some(bytes) = set.packed() {
                        set = Set::from_packed(bytes.to_vec());
                    }
                }
            }
            while set.pop_random(&mut random, |entry| {
                assert!(model.remove(&entry.to_vec()));
            }) {}
            assert!(model.is_empty() && set.is_empty());
            check(&set);
        }
    }
}

/// A set in each form, with its members.
fn forms() -> Vec<Set> {
    let limits = limits();
    vec![
        set_of((0..40).map(|i| (i * 3).to_string()), &limits),
        set_of((0..40).map(|i| format!("m{i}")), &limits),
        set_of((0..900).map(|i| format!("m{i}")), &limits),
        set_of((0..900).map(|i| i.to_string()), &limits),
    ]
}

#[test]
fn random_members_are_uniform() {
    let mut random = Random::new(9);
    for set in forms() {
        let view = set.view();
        let len = set.len();
        let mut counts: BTreeMap<Vec<u8>, [u32; 3]> = BTreeMap::new();
        for _ in 0..400 * len {
            let member = view.random(&mut random).unwrap().to_vec();
            counts.entry(member).or_default()[0] += 1;
        }
        view.random_repeated(400 * len, &mut random, |entry| {
            counts.entry(entry.to_vec()).or_default()[1] += 1;
        });
        for count in [1, len / 5, len / 2, len - 1] {
            for _ in 0..200 * len / count {
                view.random_distinct(count, &mut random, |entry| {
                    counts.entry(entry.to_vec()).or_default()[2] += 1;
                });
            }
        }
        assert_eq!(counts.len(), len);
        for [one, repeated, distinct] in counts.into_values() {
            // Six standard deviations around 400 and around about 800.
            assert!((280..520).contains(&one) && (280..520).contains(&repeated));
            assert!((600..970).contains(&distinct), "{distinct}");
        }
    }
    let empty = Set::new();
    assert_eq!(empty.view().random(&mut random), None);
    empty
        .view()
        .random_repeated(3, &mut random, |_| panic!("there is none"));
    empty
        .view()
        .random_distinct(3, &mut random, |_| panic!("there is none"));
}

#[test]
fn different_random_members_are_different_and_as_many_as_asked() {
    let mut random = Random::new(2);
    for set in forms() {
        for count in [0, 1, 7, set.len() / 2, set.len(), set.len() + 10] {
            let mut chosen = BTreeSet::new();
            set.view().random_distinct(count, &mut random, |entry| {
                assert!(set.view().contains_entry(entry));
                assert!(chosen.insert(entry.to_vec()));
            });
            assert_eq!(chosen.len(), count.min(set.len()));
        }
    }
}

#[test]
fn a_scan_shows_every_member_while_the_set_grows_and_becomes_large() {
    let limits = limits();
    for set in forms() {
        let mut scanned = Vec::new();
        let mut cursor = 0;
        loop {
            cursor = set
                .view()
                .scan(cursor, 10, |entry| scanned.push(entry.to_vec()));
            if cursor == 0 {
                break;
            }
            assert!(set.packed().is_none(), "a packed one is shown at once");
        }
        assert_eq!(scanned.len(), set.len());
        assert_eq!(
            scanned.into_iter().collect::<BTreeSet<_>>(),
            members(set.view())
        );
    }
    let mut set = set_of((0..300).map(|i| format!("m{i}")), &limits);
    let mut scanned = BTreeSet::new();
    let mut cursor = 0;
    let mut next = 300;
    loop {
        cursor = set.view().scan(cursor, 10, |entry| {
            scanned.insert(entry.to_vec());
        });
        if cursor == 0 {
            break;
        }
        for _ in 0..30 {
            assert!(set.add(format!("m{next}").as_bytes(), &limits));
            next += 1;
        }
    }
    assert!((0..300).all(|i| scanned.contains(format!("m{i}").as_bytes())));
}

#[test]
fn a_large_set_is_released_in_slices() {
    let mut set = set_of((0..10_000).map(|i| format!("m{i}")), &limits());
    let mut slices = 1;
    while set.release(1_000) == 0 {
        slices += 1;
        check_bytes_fall(&set);
    }
    assert!((6..=11).contains(&slices), "{slices} slices");
    assert_eq!(set.heap_bytes(), allocated_bytes(size_of::<LargeSet>()));
    assert_eq!(Set::new().release(5), 5);
}

fn check_bytes_fall(set: &Set) {
    assert!(set.heap_bytes() < 100 * set.len().max(100));
}

#[test]
fn a_member_of_a_large_set_takes_less_than_in_redis() {
    // redis-server 7.0.15 with jemalloc: 32 bytes of dictEntry, 8 to 16 of table, 32 of a 16-byte string, so 72 at the least.
    let set = set_of((0..100_000).map(|i| format!("member:{i:09}")), &limits());
    assert!(set.heap_bytes() < 62 * set.len(), "{}", set.heap_bytes());
    let set = set_of((0..100_000).map(|i| i.to_string()), &limits());
    assert!(set.heap_bytes() < 34 * set.len(), "{}", set.heap_bytes());
}
