//! Background expiry.

use super::{check, engine};
use crate::engine::{Expiry, NewValue};

#[test]
fn keys_that_expire_together_are_collected_in_bounded_pieces() {
    let mut engine = engine();
    for number in 0..100_000u32 {
        let key = format!("key:{number}").into_bytes();
        let key = engine.key(0, &key);
        let expiry = match number % 4 {
            0 => Expiry::None,
            1 => Expiry::At(9_000_000),
            _ => Expiry::At(2_000_000),
        };
        engine
            .set(&key, NewValue::RawBytes(b"value"), expiry)
            .unwrap();
    }
    assert_eq!(engine.expires(0).0, 75_000);
    assert!(!engine.upkeep(100_000), "nothing to do before the time");
    engine.set_now(2_000_000);
    let mut calls = 0;
    while {
        let before = engine.stats().expired_keys;
        let more = engine.upkeep(300);
        assert!(
            engine.stats().expired_keys - before <= 110,
            "a call deletes what its units pay for"
        );
        more
    } {
        calls += 1;
        if calls % 100 == 0 {
            check(&mut engine);
        }
        assert!(calls < 100_000);
    }
    assert_eq!(engine.stats().expired_keys, 50_000);
    assert_eq!(engine.len(0), 50_000);
    assert_eq!(engine.expires(0), (25_000, 7_000_000));
    check(&mut engine);
}

#[test]
fn turned_off_it_leaves_expired_keys_alone() {
    let mut engine = engine();
    let key = engine.key(0, b"key");
    engine
        .set(&key, NewValue::Bytes(b"value"), Expiry::At(1_000_001))
        .unwrap();
    engine.set_active_expiry(false);
    engine.set_now(1_000_002);
    engine.upkeep(1000);
    assert_eq!(engine.len(0), 1);
    engine.set_active_expiry(true);
    engine.upkeep(1000);
    assert_eq!(engine.len(0), 0);
}
