use super::{Hash, HashLimits, HashView, LargeHash};
use crate::engine::Expiry;
use crate::engine::random::Random;
use crate::engine::value::packed::Entry;
use crate::engine::value::{ElementHasher, PACKED_BYTES_MAX, Stored, allocated_bytes};
use std::collections::{BTreeMap, BTreeSet};

/// Redis' defaults.
fn limits() -> HashLimits {
    HashLimits {
        packed_entries_max: 128,
        packed_value_bytes_max: 64,
        hasher: ElementHasher::new(5),
    }
}

fn hash_of(fields: usize) -> Hash {
    let mut hash = Hash::new();
    for i in 0..fields {
        assert!(set(&mut hash, &format!("field{i}"), &format!("{i}")));
    }
    hash
}

fn set(hash: &mut Hash, name: &str, value: &str) -> bool {
    hash.set(
        name.as_bytes(),
        value.as_bytes(),
        Expiry::None,
        0,
        &limits(),
    )
}

fn get(view: HashView<'_>, name: &str, now_ms: i64) -> Option<String> {
    let value = view.get(name.as_bytes(), now_ms)?;
    Some(String::from_utf8(value.to_vec()).unwrap())
}

type Fields = BTreeMap<Vec<u8>, (Vec<u8>, Option<i64>)>;

fn fields(view: HashView<'_>, now_ms: i64) -> Fields {
    let mut all = Fields::new();
    for (name, value, expiry) in view.iter_with_expiry(now_ms) {
        let before = all.insert(name.to_vec(), (value.to_vec(), expiry));
        assert_eq!(before, None, "each field once");
    }
    all
}

fn check(hash: &Hash) {
    match hash {
        Hash::Packed(bytes) => {
            assert!(bytes.len() <= PACKED_BYTES_MAX);
            assert_eq!(hash.heap_bytes(), 0);
        }
        Hash::Large(large) => large.check(),
    }
}

#[test]
fn fields_are_set_replaced_and_removed_in_both_forms() {
    for count in [5, 500] {
        let mut hash = hash_of(count);
        assert_eq!(hash.packed().is_some(), count == 5);
        assert!(!set(&mut hash, "field1", "other"));
        assert!(!set(&mut hash, "field2", "3"));
        assert!(set(&mut hash, "", ""));
        assert_eq!(get(hash.view(), "field1", 0).unwrap(), "other");
        assert_eq!(get(hash.view(), "field2", 0).unwrap(), "3");
        assert_eq!(get(hash.view(), "", 0).unwrap(), "");
        assert_eq!(get(hash.view(), "field", 0), None);
        assert_eq!(hash.view().value_len(b"field1", 0), 5);
        assert_eq!(hash.view().value_len(b"nothing", 0), 0);
        assert!(!hash.set_if_absent(b"field1", b"x", 0, &limits()));
        assert!(hash.set_if_absent(b"17", b"x", 0, &limits()));
        assert_eq!(hash.len(), count + 2);
        assert!(hash.remove(b"17", 0) && !hash.remove(b"17", 0));
        assert_eq!(hash.view().names(0).count(), count + 1);
        let values: BTreeSet<_> = hash.view().values(0).map(|value| value.to_vec()).collect();
        assert!(values.contains(b"other".as_slice()) && values.contains(b"4".as_slice()));
        check(&hash);
    }
}

#[test]
fn encodings_are_those_of_redis() {
    assert_eq!(hash_of(128).view().encoding(), "listpack");
    assert_eq!(hash_of(129).view().encoding(), "hashtable");
    for (name, value, expected) in [
        (64, 64, "listpack"),
        (65, 1, "hashtable"),
        (1, 65, "hashtable"),
    ] {
        let mut hash = hash_of(1);
        hash.set(
            &vec![b'n'; name],
            &vec![b'v'; value],
            Expiry::None,
            0,
            &limits(),
        );
        assert_eq!(hash.view().encoding(), expected);
        assert!(hash.remove(&vec![b'n'; name], 0));
        assert_eq!(hash.view().encoding(), expected, "and never back");
    }
    // Too long for our run, and not for a listpack.
    let mut hash = Hash::new();
    for i in 0..128 {
        set(&mut hash, &format!("{i:064}"), &format!("{i:064}"));
    }
    assert_eq!((hash.packed(), hash.view().encoding()), (None, "listpack"));
    assert!(!set(&mut hash, &format!("{:064}", 1), "x"));
    assert_eq!(hash.view().encoding(), "listpack");
    assert!(set(&mut hash, "one more", "x"));
    assert_eq!(hash.view().encoding(), "hashtable");
    check(&hash);

    let mut hash = hash_of(3);
    hash.expect(128, &limits());
    assert_eq!(hash.view().encoding(), "listpack");
    hash.expect(129, &limits());
    assert_eq!((hash.view().encoding(), hash.len()), ("hashtable", 3));
}

#[test]
fn a_hash_without_expiries_has_no_room_for_them() {
    let mut hash = hash_of(10);
    // Ten names of six letters with their length, ten digits, and the run's header.
    assert_eq!(hash.packed().unwrap().len(), 2 + 10 * 7 + 10);
    assert_eq!(hash.view().next_expiry(), None);
    assert!(!hash.set_expiry(b"nothing", Some(5), 0, &limits()));
    assert!(hash.set_expiry(b"field1", None, 0, &limits()));
    assert_eq!(hash.packed().unwrap().len(), 2 + 10 * 7 + 10);
    assert!(hash.set_expiry(b"field1", Some(1_000), 0, &limits()));
    assert_eq!(hash.view().encoding(), "listpackex");
    assert_eq!(hash.packed().unwrap().len(), 2 + 10 * 7 + 10 + 10 + 1);
}

#[test]
fn fields_expire_in_both_forms() {
    let limits = limits();
    for count in [5, 500] {
        let mut hash = hash_of(count);
        assert!(hash.set_expiry(b"field1", Some(100), 0, &limits));
        assert!(hash.set_expiry(b"field2", Some(200), 0, &limits));
        assert!(hash.set_expiry(b"field3", Some(300), 0, &limits));
        assert!(hash.set_expiry(b"field3", None, 0, &limits));
        assert_eq!(hash.view().next_expiry(), Some(100));
        let with_expiry = |hash: &Hash, name: &str, now_ms| {
            let found = hash.view().get_with_expiry(name.as_bytes(), now_ms);
            found.map(|(_, expiry)| expiry)
        };
        assert_eq!(with_expiry(&hash, "field1", 99), Some(Some(100)));
        assert_eq!(with_expiry(&hash, "field1", 100), None);
        assert_eq!(with_expiry(&hash, "field3", 100), Some(None));
        let view = hash.view();
        assert_eq!(
            (view.len(), view.len_live(99), view.len_live(200)),
            (count, count, count - 2)
        );
        assert_eq!(view.iter(100).count(), count - 1);
        assert!(!hash.set_expiry(b"field1", Some(500), 100, &limits));
        assert!(
            hash.set_if_absent(b"field1", b"new", 100, &limits),
            "it had expired"
        );
        assert_eq!(with_expiry(&hash, "field1", 100), Some(None));

        // A value that is set has no expiry unless it keeps it.
        assert!(!hash.set(b"field2", b"kept", Expiry::Keep, 100, &limits));
        assert_eq!(with_expiry(&hash, "field2", 100), Some(Some(200)));
        assert!(!hash.set(b"field2", b"lost", Expiry::None, 100, &limits));
        assert_eq!(with_expiry(&hash, "field2", 100), Some(None));
        assert!(!hash.set(b"field2", b"given", Expiry::At(400), 100, &limits));
        assert!(hash.set(b"field2", b"expired", Expiry::Keep, 400, &limits));
        assert_eq!(with_expiry(&hash, "field2", 400), Some(None));
        assert_eq!(hash.view().next_expiry(), None);

        assert!(hash.set_expiry(b"field4", Some(500), 400, &limits));
        assert!(!hash.remove(b"field4", 500), "it had expired");
        assert_eq!(hash.len(), count - 1);
        check(&hash);

        for (name, time) in [("field1", 700), ("field2", 600), ("field3", 700)] {
            assert!(hash.set_expiry(name.as_bytes(), Some(time), 500, &limits));
        }
        let mut expired = Vec::new();
        let mut expire = |hash: &mut Hash, now_ms, max| {
            hash.expire_due(now_ms, max, |name| expired.push(name.to_vec()))
        };
        assert_eq!(expire(&mut hash, 599, 10), 0);
        assert_eq!(expire(&mut hash, 600, 10), 1);
        assert_eq!(expire(&mut hash, 700, 1), 1);
        assert_eq!(expire(&mut hash, 700, 10), 1);
        assert_eq!(expire(&mut hash, i64::MAX, 10), 0);
        expired.sort();
        assert_eq!(expired, [b"field1", b"field2", b"field3"]);
        assert_eq!((hash.len(), hash.view().next_expiry()), (count - 4, None));
        check(&hash);
    }
}

#[test]
fn a_run_that_has_no_room_for_expiries_becomes_large() {
    let limits = limits();
    let mut hash = Hash::new();
    let mut count = 0;
    while hash
        .packed()
        .is_some_and(|bytes| bytes.len() < PACKED_BYTES_MAX - 70)
    {
        let name = format!("{count:062}");
        assert!(hash.set(name.as_bytes(), b"", Expiry::None, 0, &limits));
        count += 1;
    }
    let name = format!("{:062}", 7);
    assert!(hash.set_expiry(name.as_bytes(), Some(1), 0, &limits));
    assert_eq!(
        (hash.packed(), hash.view().encoding()),
        (None, "listpackex")
    );
    assert_eq!((hash.len(), hash.view().len_live(1)), (count, count - 1));
    check(&hash);

    // With room for triples, but not for all the times.
    let mut hash = Hash::new();
    for i in 0..118 {
        let name = format!("{i:060}");
        assert!(hash.set(name.as_bytes(), b"value", Expiry::None, 0, &limits));
    }
    for i in 0..118 {
        let name = format!("{i:060}");
        assert!(hash.set_expiry(name.as_bytes(), Some(1 << 41), 0, &limits));
    }
    assert_eq!(
        (hash.packed(), hash.view().encoding()),
        (None, "listpackex")
    );
    assert_eq!(hash.expire_due(1 << 41, 200, |_| ()), 118);
    assert!(hash.is_empty());
    check(&hash);
}

#[test]
fn it_is_a_map() {
    let seed = 23;
    println!("seed {seed}");
    let mut random = Random::new(seed);
    for (of, expires) in [
        (8, true),
        (60, false),
        (60, true),
        (2_000, true),
        (20_000, false),
    ] {
        let limits = limits();
        let mut hash = Hash::new();
        let mut model = Fields::new();
        let mut now_ms = 1_000;
        for step in 0..10 * of {
            let number = random.below(of);
            let name = match number % 3 {
                0 => number.to_string(),
                1 => format!("field:{number}"),
                _ => format!("{}{number}", "f".repeat(number % 200)),
            }
            .into_bytes();
            let value = match random.below(3) {
                0 => (random.draw() as i64 >> random.below(64))
                    .to_string()
                    .into_bytes(),
                1 => vec![b'v'; random.below(60)],
                _ => vec![b'v'; random.below(10)],
            };
            if expires {
                now_ms += random.below(3) as i64;
                model.retain(|_, (_, expiry)| expiry.is_none_or(|expiry| expiry > now_ms));
            }
            let known = hash.view().get_with_expiry(&name, now_ms);
            assert_eq!(
                known.map(|(value, expiry)| (value.to_vec(), expiry)),
                model.get(&name).cloned()
            );
            let later = now_ms + 1 + random.below(of) as i64;
            // Growing at first, shrinking afterwards.
            match random.below(if step < 6 * of { 12 } else { 30 }) {
                0..6 => {
                    let expiry = match random.below(4) {
                        0 if expires => Expiry::At(later),
                        1 => Expiry::Keep,
                        _ => Expiry::None,
                    };
                    let created = hash.set(&name, &value, expiry, now_ms, &limits);
                    let after = match expiry {
                        Expiry::Keep => model.get(&name).and_then(|(_, expiry)| *expiry),
                        Expiry::At(time) => Some(time),
                        Expiry::None => None,
                    };
                    assert_eq!(created, model.insert(name, (value, after)).is_none());
                }
                6 => {
                    let created = hash.set_if_absent(&name, &value, now_ms, &limits);
                    assert_eq!(created, !model.contains_key(&name));
                    model.entry(name).or_insert((value, None));
                }
                7 | 8 if expires => {
                    let expiry = Some(later).filter(|_| random.below(3) > 0);
                    let found = hash.set_expiry(&name, expiry, now_ms, &limits);
                    assert_eq!(found, model.contains_key(&name));
                    if let Some(field) = model.get_mut(&name) {
                        field.1 = expiry;
                    }
                }
                9 if expires => {
                    hash.expire_due(now_ms, random.below(5), |name| {
                        assert!(!model.contains_key(&name.to_vec()));
                    });
                }
                _ => assert_eq!(hash.remove(&name, now_ms), model.remove(&name).is_some()),
            }
            assert_eq!(hash.view().len_live(now_ms), model.len());
            if step % (of / 2) == 0 {
                check(&hash);
                assert_eq!(fields(hash.view(), now_ms), model);
                let next = model.values().filter_map(|(_, expiry)| *expiry).min();
                hash.expire_due(now_ms, usize::MAX, |_| ());
                assert_eq!(hash.view().next_expiry(), next);
                assert_eq!(hash.len(), model.len());
                let mut scanned = Fields::new();
                let mut cursor = 0;
                loop {
                    cursor = hash.view().scan(cursor, 50, now_ms, |name, value| {
                        let expiry = hash
                            .view()
                            .get_with_expiry(&name.to_vec(), now_ms)
                            .unwrap()
                            .1;
                        assert_eq!(
                            scanned.insert(name.to_vec(), (value.to_vec(), expiry)),
                            None
                        );
                    });
                    if cursor == 0 {
                        break;
                    }
                }
                assert_eq!(scanned, model);
                if let Some(bytes) = hash.packed() {
                    hash = Hash::from_packed(bytes.to_vec());
                }
            }
        }
        let names: Vec<_> = model.keys().cloned().collect();
        for name in names {
            assert!(hash.remove(&name, now_ms));
        }
        hash.expire_due(now_ms, usize::MAX, |_| ());
        assert!(hash.is_empty());
        check(&hash);
    }
}

#[test]
fn random_fields_are_uniform_and_live() {
    let mut random = Random::new(9);
    // The last: most fields have expired.
    for (count, expired) in [(40, 0), (40, 15), (900, 0), (900, 300), (900, 860)] {
        let mut hash = hash_of(count);
        for i in 0..expired {
            assert!(hash.set_expiry(format!("field{i}").as_bytes(), Some(1), 0, &limits()));
        }
        let view = hash.view();
        let live = count - expired;
        let mut counts: BTreeMap<Vec<u8>, [u32; 2]> = BTreeMap::new();
        let mut one = |name: Entry<'_>, value: Entry<'_>, which: usize| {
            assert_eq!(
                view.get(&name.to_vec(), 1).unwrap().to_vec(),
                value.to_vec()
            );
            counts.entry(name.to_vec()).or_default()[which] += 1;
        };
        for _ in 0..10 {
            let (name, value) = view.random(1, &mut random).unwrap();
            one(name, value, 0);
        }
        view.random_repeated(400 * live - 10, 1, &mut random, |name, value| {
            one(name, value, 0)
        });
        for count in [1, live / 5, live / 2, live - 1] {
            for _ in 0..200 * live / count {
                view.random_distinct(count, 1, &mut random, |name, value| one(name, value, 1));
            }
        }
        assert_eq!(counts.len(), live);
        for [repeated, distinct] in counts.into_values() {
            // Six standard deviations around 400 and around about 800.
            assert!((280..520).contains(&repeated), "{repeated}");
            assert!((600..970).contains(&distinct), "{distinct}");
        }
        for wanted in [0, 1, live / 2, live, live + 5] {
            let mut chosen = BTreeSet::new();
            view.random_distinct(wanted, 1, &mut random, |name, _| {
                assert!(chosen.insert(name.to_vec()));
            });
            assert_eq!(chosen.len(), wanted.min(live));
        }
    }
    for count in [3, 300] {
        let mut hash = hash_of(count);
        for i in 0..count {
            assert!(hash.set_expiry(format!("field{i}").as_bytes(), Some(1), 0, &limits()));
        }
        assert_eq!(hash.view().random(1, &mut random), None);
        hash.view()
            .random_distinct(2, 1, &mut random, |_, _| panic!("there is none"));
    }
}

#[test]
fn long_names_and_values_are_kept() {
    let limits = limits();
    let mut hash = Hash::new();
    for len in [0, 1, 126, 127, 128, 70_000] {
        let name = vec![b'n'; len];
        assert!(hash.set(
            &name,
            &vec![b'v'; 200_000 - len],
            Expiry::At(10),
            0,
            &limits
        ));
        assert!(!hash.set(
            &name,
            &vec![b'w'; 200_000 - len],
            Expiry::At(11),
            0,
            &limits
        ));
        let (value, expiry) = hash.view().get_with_expiry(&name, 0).unwrap();
        assert_eq!(
            (value.to_vec(), expiry),
            (vec![b'w'; 200_000 - len], Some(11))
        );
        assert!(hash.set_expiry(&name, None, 0, &limits));
        assert!(hash.set_expiry(&name, Some(20), 0, &limits));
        assert!(hash.set_expiry(&name, Some(21), 0, &limits));
        assert_eq!(hash.view().get_with_expiry(&name, 0).unwrap().1, Some(21));
        assert_eq!(hash.view().value_len(&name, 0), 200_000 - len);
        check(&hash);
    }
}

#[test]
fn a_large_hash_is_released_in_slices() {
    let mut hash = hash_of(10_000);
    for i in 0..3_000 {
        assert!(hash.set_expiry(format!("field{i}").as_bytes(), Some(1), 0, &limits()));
    }
    let mut slices = 1;
    let mut before = hash.heap_bytes();
    while hash.release(1_000) == 0 {
        slices += 1;
        assert!(hash.heap_bytes() < before);
        before = hash.heap_bytes();
    }
    assert!((9..=14).contains(&slices), "{slices} slices");
    assert_eq!(hash.heap_bytes(), allocated_bytes(size_of::<LargeHash>()));
    assert_eq!(Hash::new().release(5), 5);
}

#[test]
fn a_field_of_a_large_hash_takes_less_than_in_redis() {
    // redis-server 7.0.15 with jemalloc: 32 bytes of dictEntry, 8 to 16 of table, twice 32 of 16-byte strings, so 104 at the least.
    let mut hash = Hash::new();
    for i in 0..100_000 {
        set(
            &mut hash,
            &format!("field:{i:010}"),
            &format!("value:{i:010}"),
        );
    }
    assert!(hash.heap_bytes() < 82 * hash.len(), "{}", hash.heap_bytes());
}
