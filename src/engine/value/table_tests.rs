//! Tests of the hash table of large forms: a model through growth and shrinking, scans while it changes, and what it costs.

use super::table::{ENTRIES_MAX, Table};
use crate::engine::random::Random;
use std::collections::BTreeSet;

/// The hash of a number in these tests.
fn hash(number: &u64) -> u64 {
    Random::new(*number).draw()
}

fn find(table: &Table<u64>, number: u64) -> bool {
    table
        .find(hash(&number), |&other| other == number)
        .is_some()
}

fn insert(table: &mut Table<u64>, number: u64) {
    table.insert(hash(&number), number, hash);
}

fn remove(table: &mut Table<u64>, number: u64) -> bool {
    table
        .remove(hash(&number), |&other| other == number, hash)
        .is_some()
}

fn filled(numbers: u64) -> Table<u64> {
    let mut table = Table::new();
    (0..numbers).for_each(|number| insert(&mut table, number));
    table
}

#[test]
fn it_is_a_set_through_growth_and_shrinking() {
    let seed = 3;
    println!("seed {seed}");
    let mut table = Table::new();
    let mut model = BTreeSet::new();
    let mut random = Random::new(seed);
    for phase in 0..6 {
        let growing = phase % 2 == 0;
        let steps = [150_000, 400_000, 3_000, 10_000, 60_000, 600_000][phase];
        for _ in 0..steps {
            let number = random.below(200_000) as u64;
            let there = model.contains(&number);
            assert_eq!(find(&table, number), there);
            if growing && !there {
                insert(&mut table, number);
                model.insert(number);
            } else if !growing {
                assert_eq!(remove(&mut table, number), there);
                model.remove(&number);
            }
        }
        table.check(hash);
        assert_eq!(table.len(), model.len());
        let all: BTreeSet<u64> = table.iter().copied().collect();
        assert_eq!(all, model);
        assert_eq!(table.iter().count(), model.len());
        let mut scanned = Vec::new();
        let mut cursor = 0;
        loop {
            cursor = table.scan(cursor, 100, hash, |&number| scanned.push(number));
            if cursor == 0 {
                break;
            }
        }
        scanned.sort_unstable();
        assert!(scanned.iter().eq(model.iter()));
    }
    for &number in &model {
        assert!(remove(&mut table, number));
    }
    assert_eq!((table.len(), table.heap_bytes()), (0, 0));
    table.check(hash);
}

#[test]
fn a_found_entry_can_be_changed() {
    let mut table = Table::new();
    let hash_of = |entry: &(u64, u64)| hash(&entry.0);
    for number in 0..5000 {
        table.insert(hash(&number), (number, 0), hash_of);
    }
    for number in 0..5000 {
        let entry = table.find_mut(hash(&number), |entry| entry.0 == number);
        entry.unwrap().1 = number * 2;
    }
    assert!(
        table
            .find_mut(hash(&5000), |entry| entry.0 == 5000)
            .is_none()
    );
    assert!(table.iter().all(|entry| entry.1 == entry.0 * 2));
}

#[test]
fn a_scan_shows_what_stays_while_the_table_grows_and_shrinks() {
    for (first, changes_per_call) in [(50_000u64, -2_000i64), (200, 500), (3_000, -100), (20, 3)] {
        let mut table = filled(first);
        let mut kept = first;
        let mut next = first;
        let mut shown = BTreeSet::new();
        let mut cursor = 0;
        loop {
            cursor = table.scan(cursor, 10, hash, |&number| {
                shown.insert(number);
            });
            if cursor == 0 {
                break;
            }
            for _ in 0..changes_per_call.unsigned_abs() {
                if changes_per_call > 0 && next < first + 300_000 {
                    insert(&mut table, next);
                    next += 1;
                } else if changes_per_call < 0 && kept > 100 {
                    kept -= 1;
                    assert!(remove(&mut table, kept));
                }
            }
        }
        table.check(hash);
        assert!((0..kept).all(|number| shown.contains(&number)));
    }
}

#[test]
fn a_scan_shows_about_as_many_as_asked_and_ends_with_any_cursor() {
    let table = filled(10_000);
    for count in [1, 10, 100, 5_000] {
        let mut shown = 0;
        table.scan(0, count, hash, |_| shown += 1);
        assert!((count..count + 3).contains(&shown), "{shown} for {count}");
    }
    for cursor in [u64::MAX, 1 << 32, u64::from(u32::MAX)] {
        assert_eq!(table.scan(cursor, 10, hash, |_| ()), 0);
    }
    assert_eq!(Table::<u64>::new().scan(0, 10, hash, |_| ()), 0);
}

#[test]
fn random_entries_are_uniform() {
    for entries in [1u64, 5, 1000] {
        let table = filled(entries);
        let mut random = Random::new(1);
        let mut counts = vec![0u32; entries as usize];
        let draws = 400 * entries;
        for _ in 0..draws {
            counts[*table.random(&mut random).unwrap() as usize] += 1;
        }
        // Standard deviation 20 around 400: six of them are not exceeded by chance.
        assert!(counts.iter().all(|count| (280..520).contains(count)));
    }
    assert!(Table::<u64>::new().random(&mut Random::new(1)).is_none());
}

#[test]
fn replacing_for_long_keeps_it_small() {
    let mut table = filled(50_000);
    let bytes = table.heap_bytes();
    for number in 50_000..500_000 {
        assert!(remove(&mut table, number - 50_000));
        insert(&mut table, number);
    }
    table.check(hash);
    assert!(
        table.heap_bytes() < bytes + bytes / 4,
        "{bytes} became {}",
        table.heap_bytes()
    );
}

#[test]
fn bytes_per_entry_stay_the_same_at_every_size() {
    let mut table: Table<(u64, u64)> = Table::new();
    let hash_of = |entry: &(u64, u64)| hash(&entry.0);
    for number in 0..300_000u64 {
        table.insert(hash(&number), (number, 0), hash_of);
        let (len, bytes) = (table.len(), table.heap_bytes());
        // A doubling of one small table is the most that can be empty.
        assert!(len < 64 || bytes < 46 * len + 700, "{bytes} for {len}");
        assert!(len < 5_000 || bytes < 35 * len, "{bytes} for {len}");
    }
}

#[test]
fn entries_of_one_hash_are_kept_and_shown() {
    let mut table = Table::new();
    let same = |_: &u64| 77;
    for number in 0..3 * ENTRIES_MAX as u64 {
        table.insert(77, number, same);
    }
    table.check(same);
    assert!(table.find(77, |&other| other == 500).is_some());
    let mut shown = Vec::new();
    let mut cursor = 0;
    loop {
        cursor = table.scan(cursor, 10, same, |&number| shown.push(number));
        if cursor == 0 {
            break;
        }
    }
    assert_eq!(shown.len(), 3 * ENTRIES_MAX);
    for number in 0..3 * ENTRIES_MAX as u64 {
        assert!(table.remove(77, |&other| other == number, same).is_some());
    }
    assert_eq!(table.heap_bytes(), 0);
}

#[test]
fn draining_hands_everything_over_in_slices() {
    for entries in [0, 10, 1_000, 100_000] {
        let mut table = filled(entries);
        let mut drained = Vec::new();
        let mut slices = 0;
        loop {
            let before = drained.len();
            let left = table.drain_some(500, |number| drained.push(number));
            table.check_bytes();
            assert!(drained.len() - before <= 500 + ENTRIES_MAX);
            slices += 1;
            if left > 0 {
                break;
            }
        }
        assert!(slices as u64 <= entries / 500 + 1);
        drained.sort_unstable();
        assert!(drained.into_iter().eq(0..entries));
        assert_eq!((table.len(), table.heap_bytes()), (0, 0));
    }
}
