//! SCAN while keys come and go.

use super::{check, engine, write};
use std::collections::HashMap;

#[test]
fn what_is_there_throughout_is_visited_once() {
    for seed in 0..4u64 {
        let mut engine = engine();
        let mut random = crate::engine::random::Random::new(seed);
        for number in 0..3000 {
            write(&mut engine, format!("stays:{number}").as_bytes(), b"value");
        }
        let mut seen: HashMap<Vec<u8>, usize> = HashMap::new();
        let (mut cursor, mut calls) = (0, 0);
        loop {
            let mut visited = 0;
            cursor = engine.scan(0, cursor, 7, &mut |engine, item| {
                visited += 1;
                *seen.entry(engine.key_bytes(item).to_vec()).or_default() += 1;
            });
            assert!(visited <= 8, "about as many as asked for");
            calls += 1;
            if cursor == 0 {
                break;
            }
            assert!(cursor < 1 << 32);
            // Phases of growth split the tables, phases of deleting merge them.
            for _ in 0..200 {
                let key = format!("goes:{}", random.below(40_000)).into_bytes();
                if calls % 160 < 80 {
                    write(&mut engine, &key, b"value");
                } else {
                    let key = engine.key(0, &key);
                    engine.remove(&key);
                }
            }
        }
        for number in 0..3000 {
            assert_eq!(seen.get(format!("stays:{number}").as_bytes()), Some(&1));
        }
        check(&mut engine);
    }
}
