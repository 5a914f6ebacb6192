//! Engines with everything in them, frozen into memory and thawed again.

use super::{FrozenFigures, In, Sink, Source, Thawing};
use crate::engine::random::Random;
use crate::engine::tests::{check, options};
use crate::engine::value::hash::Hash;
use crate::engine::value::list::{Direction, List};
use crate::engine::value::set::Set;
use crate::engine::value::sorted_set::SortedSet;
use crate::engine::value::stream::{NewId, Stream, StreamId};
use crate::engine::{
    Attributes, Engine, EngineOptions, Expiry, Item, NewValue, Policy, Touch, Type, Value,
};
use std::io;

/// The time at which everything happens.
const NOW_MS: i64 = 1_700_000_000_000;

/// A frozen engine in memory.
#[derive(Default)]
struct Frozen {
    blocks: std::collections::VecDeque<Vec<u8>>,
    extents: Vec<Vec<u8>>,
    announced: (usize, u64),
}

impl Sink for Frozen {
    fn begin(&mut self, extents: usize, bytes: u64) -> io::Result<()> {
        self.announced = (extents, bytes);
        Ok(())
    }
    fn block(&mut self, bytes: &[u8]) -> io::Result<()> {
        assert!(bytes.len() <= super::BLOCK_BYTES_MAX && self.extents.is_empty());
        self.blocks.push_back(bytes.to_vec());
        Ok(())
    }
    fn extent(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.extents.push(bytes.to_vec());
        Ok(())
    }
}

impl Source for Frozen {
    fn block(&mut self, buffer: &mut Vec<u8>) -> Result<(), String> {
        *buffer = self.blocks.pop_front().ok_or("there is no more")?;
        Ok(())
    }
}

fn freeze(engine: Engine) -> (Frozen, FrozenFigures) {
    let mut frozen = Frozen::default();
    let figures = engine.freeze(&mut frozen).expect("memory takes everything");
    let bytes: usize = frozen.extents.iter().map(Vec::len).sum();
    assert_eq!(frozen.announced, (frozen.extents.len(), bytes as u64));
    assert_eq!(figures.page_bytes, bytes as u64);
    (frozen, figures)
}

fn thaw(mut frozen: Frozen, options: EngineOptions) -> Result<Engine, String> {
    let extents = std::mem::take(&mut frozen.extents);
    let mut input = In::new(&mut frozen);
    let (mut thawing, rest) = Thawing::begin(options, &mut input)?;
    let memory = thawing.extents();
    assert_eq!(memory.len(), extents.len());
    for (memory, extent) in memory.into_iter().zip(&extents) {
        memory.copy_from_slice(extent);
    }
    let thawed = rest.read(&mut input)?;
    thawing.finish(thawed)
}

fn key_of(random: &mut Random) -> (usize, Vec<u8>) {
    let number = random.below(1500);
    let db = usize::from(number.is_multiple_of(7));
    let key = match number % 97 {
        0 => vec![b'k'; 8193 + number],
        1 => vec![b'k'; 300 + number],
        _ => format!("key:{number}").into_bytes(),
    };
    (db, key)
}

fn expiry_of(random: &mut Random) -> Expiry {
    match random.below(4) {
        0 => Expiry::At(NOW_MS + random.below(100_000) as i64 - 20_000),
        1 => Expiry::Keep,
        _ => Expiry::None,
    }
}

/// One change of something.
fn change(engine: &mut Engine, random: &mut Random) {
    let (db, bytes) = key_of(random);
    let key = engine.key(db, &bytes);
    let many = if random.below(20) == 0 { 1200 } else { 30 };
    let elements: Vec<Vec<u8>> = (0..1 + random.below(many))
        .map(|_| match random.below(5) {
            0 => vec![b'e'; random.below(200)],
            1 => format!("{}", random.below(5000) as i64 - 2000).into_bytes(),
            _ => format!("element:{}", random.below(3000)).into_bytes(),
        })
        .collect();
    let removes = random.below(4) == 0;
    let draws: Vec<u64> = (0..8).map(|_| random.draw()).collect();
    match random.below(14) {
        0 | 1 => {
            let value = vec![draws[0] as u8; random.below(400)];
            let attributes = match random.below(3) {
                0 => Attributes {
                    client_flags: draws[1] as u32,
                    stale: draws[2] & 1 == 0,
                    won: draws[2] & 2 == 0,
                    width: draws[2] as u8 % 64,
                },
                _ => Attributes::default(),
            };
            let expiry = expiry_of(random);
            let _ = engine.set_with(&key, NewValue::Bytes(&value), expiry, attributes);
        }
        2 => {
            let value = vec![draws[0] as u8; 15_000 + random.below(90_000)];
            let _ = engine.set(&key, NewValue::Bytes(&value), expiry_of(random));
        }
        3 => {
            let integer = NewValue::Integer(draws[0] as i64 >> random.below(60));
            let _ = engine.set(&key, integer, expiry_of(random));
        }
        4 => {
            let _ = engine.edit_collection::<Hash, _>(&key, true, |hash, editing| {
                for (number, element) in elements.iter().enumerate() {
                    let limits = &editing.limits.hash;
                    let expiry = match number % 5 {
                        0 if draws[0].is_multiple_of(2) => Expiry::At(NOW_MS + 1 + number as i64),
                        _ => Expiry::None,
                    };
                    match removes {
                        true => drop(hash.remove(element, editing.now_ms)),
                        false => {
                            hash.set(element, element, expiry, editing.now_ms, limits);
                        }
                    }
                }
            });
        }
        5 => {
            let _ = engine.edit_collection::<List, _>(&key, true, |list, editing| {
                for element in &elements {
                    match removes {
                        true => drop(list.pop(Direction::Forward, editing.limits.list, |_| {})),
                        false => list.push(Direction::Backward, element, editing.limits.list),
                    }
                }
            });
        }
        6 => {
            let _ = engine.edit_collection::<Set, _>(&key, true, |set, editing| {
                for element in &elements {
                    match removes {
                        true => drop(set.remove(element)),
                        false => drop(set.add(element, &editing.limits.set)),
                    }
                }
            });
        }
        7 => {
            let _ = engine.edit_collection::<SortedSet, _>(&key, true, |set, editing| {
                for (number, element) in elements.iter().enumerate() {
                    match removes {
                        true => drop(set.remove(element)),
                        false => {
                            let score = (number % 17) as f64 / 3.0;
                            set.add(element, score, &editing.limits.sorted_set);
                        }
                    }
                }
            });
        }
        8 => {
            let _ = engine.edit_collection::<Stream, _>(&key, true, |stream, editing| {
                let now_ms = editing.now_ms as u64;
                for element in &elements {
                    let id = NewId::Auto { now_ms };
                    let fields: [&[u8]; 2] = [b"field", element];
                    let _ = stream.append(id, &fields, &editing.limits.stream);
                }
                stream.create_group(b"group", StreamId::MIN, Some(0));
                let mut group = stream.group_mut(b"group").expect("just made");
                for consumer in [&b"one"[..], b"two"] {
                    group.read_new(consumer, Some(3), false, editing.now_ms, |_| {});
                }
            });
        }
        9 => {
            if engine.find(&key, Touch::Yes).is_some() {
                let tag = format!("tag:{}", random.below(40));
                let _ = engine.add_tag(&key, tag.as_bytes());
            }
        }
        10 => {
            if engine.find(&key, Touch::Yes).is_some() {
                match random.below(3) {
                    0 => drop(engine.grant_lease(&key, NOW_MS + random.below(5000) as i64)),
                    _ => drop(engine.token(&key)),
                }
            }
        }
        11 => drop(engine.remove(&key)),
        12 => match random.below(60) {
            0 => engine.flush(db, true),
            1 => engine.swap(0, 1),
            2 => drop(engine.drop_tag(db, b"tag:3")),
            _ => drop(engine.upkeep(random.below(300))),
        },
        _ => drop(engine.find(&key, Touch::Yes)),
    }
}

/// All that can be seen of an item.
fn describe(engine: &Engine, db: usize, item: Item) -> String {
    let key = engine.key(db, engine.key_bytes(item));
    let mut elements: Vec<String> = Vec::new();
    match engine.type_of(item) {
        Type::String => elements.push(match engine.value(item) {
            Value::Large(large) => format!("{:x}", crc32fast::hash(large.as_slice())),
            value => format!("{value:?}"),
        }),
        Type::Hash => {
            let view = engine.view::<Hash>(item).expect("a hash");
            elements.extend(
                view.iter_with_expiry(0)
                    .map(|(name, value, expiry)| format!("{name:?}{value:?}{expiry:?}")),
            );
            elements.push(format!("{:?}", view.next_expiry()));
        }
        Type::List => {
            let view = engine.view::<List>(item).expect("a list");
            let all = view.range(0..view.len(), Direction::Forward);
            elements.extend(all.map(|entry| format!("{entry:?}")));
        }
        Type::Set => {
            let view = engine.view::<Set>(item).expect("a set");
            elements.extend(view.iter().map(|entry| format!("{entry:?}")));
        }
        Type::SortedSet => {
            let view = engine.view::<SortedSet>(item).expect("a sorted set");
            let all = view.range(0..view.len(), Direction::Forward);
            for (rank, (entry, score)) in all.enumerate() {
                let member = entry.to_vec();
                assert_eq!(view.rank(&member), Some((rank, score)));
                elements.push(format!("{entry:?}{score}"));
            }
        }
        Type::Stream => {
            let stream = engine.view::<Stream>(item).expect("a stream");
            elements.push(format!("{:?}", stream.to_parts()));
        }
    }
    if matches!(engine.type_of(item), Type::Hash | Type::Set) {
        elements.sort();
    }
    format!(
        "{db} {:?} {:?} {} {:?} {:?} {} {:?} {:?} {:?} {} {:x}",
        engine.type_of(item),
        engine.expiry(item),
        engine.encoding_name(item),
        engine.attributes(item),
        engine.tags(&key),
        engine.was_read(item),
        engine.frequency(item),
        engine.tokens.get(db, key.hash),
        engine.leased_until(&key),
        engine.idle_ms(item),
        crc32fast::hash(elements.join(" ").as_bytes()),
    )
}

/// Everything in the order in which SCAN shows it.
fn contents(engine: &mut Engine) -> Vec<String> {
    let mut found = Vec::new();
    for db in 0..engine.databases() {
        let mut cursor = 0;
        loop {
            cursor = engine.scan(db, cursor, 100, &mut |engine, item| {
                let key = crc32fast::hash(engine.key_bytes(item));
                found.push(format!("{key:x} {}", describe(engine, db, item)));
            });
            if cursor == 0 {
                break;
            }
        }
    }
    found
}

fn filled(policy: Policy, seed: u64, steps: usize) -> (Engine, Random) {
    let mut engine = Engine::new(EngineOptions {
        policy,
        seed,
        ..options()
    })
    .expect("room");
    engine.set_now(NOW_MS);
    let mut random = Random::new(seed);
    for step in 0..steps {
        change(&mut engine, &mut random);
        if step % 100 == 99 {
            engine.set_now(NOW_MS + step as i64 / 100);
        }
    }
    (engine, random)
}

#[test]
fn an_engine_of_any_policy_comes_back_as_it_was() {
    for (number, &policy) in Policy::ALL.iter().enumerate() {
        let seed = 100 + number as u64;
        println!("{policy:?}, seed {seed}");
        let (mut engine, mut random) = filled(policy, seed, 3000);
        let now_ms = engine.now_ms();
        let before = contents(&mut engine);
        assert!(before.len() > 100, "{}", before.len());
        engine.settle().expect("it ends");
        let stats = engine.stats();
        assert!(stats.bytes_large > 0 && stats.bytes_collections > 0);
        let (frozen, figures) = freeze(engine);
        assert!(figures.keys >= before.len() as u64);

        let options = EngineOptions {
            policy,
            seed: 1,
            ..options()
        };
        let mut engine = thaw(frozen, options).expect("sound");
        engine.set_now(now_ms);
        check(&mut engine);
        assert_eq!(contents(&mut engine), before);
        let after = engine.stats();
        assert_eq!(after.items, stats.items);
        assert_eq!(after.items_with_expiry, stats.items_with_expiry);
        assert_eq!(after.bytes_large, stats.bytes_large);
        assert!(after.bytes_collections.abs_diff(stats.bytes_collections) < 1 << 20);
        assert!(after.bytes_dictionaries <= stats.bytes_dictionaries + (1 << 16));
        // It is an engine like any other: changed, at its limit, and expiring what was due meanwhile.
        for step in 0..1500 {
            change(&mut engine, &mut random);
            if step == 700 {
                engine.set_memory_bytes_max(engine.stats().bytes_used / 2);
                engine.set_now(now_ms + 30_000);
            }
        }
        while engine.upkeep(1000) {}
        check(&mut engine);
    }
}

#[test]
fn another_policy_than_the_one_before_takes_the_items_over() {
    let policies = [
        (Policy::AllKeysS3Fifo, Policy::AllKeysLru),
        (Policy::AllKeysLru, Policy::VolatileS3Fifo),
        (Policy::AllKeysLfu, Policy::AllKeysS3Fifo),
        (Policy::NoEviction, Policy::AllKeysLfu),
    ];
    for (before, after) in policies {
        let (mut engine, mut random) = filled(before, 7, 1500);
        let now_ms = engine.now_ms();
        let items = contents(&mut engine).len();
        let (frozen, _) = freeze(engine);
        let options = EngineOptions {
            policy: after,
            ..options()
        };
        let mut engine = thaw(frozen, options).expect("sound");
        engine.set_now(now_ms);
        assert_eq!(contents(&mut engine).len(), items);
        engine.set_memory_bytes_max(engine.stats().bytes_used * 3 / 4);
        for _ in 0..500 {
            change(&mut engine, &mut random);
        }
        while engine.upkeep(1000) {}
        check(&mut engine);
    }
}

#[test]
fn what_expires_meanwhile_is_gone_and_a_token_is_never_made_twice() {
    let (mut engine, _) = filled(Policy::NoEviction, 9, 200);
    let key = engine.key(0, b"short");
    let write = |engine: &mut Engine, name: &[u8], expiry| {
        let key = engine.key(0, name);
        engine
            .set(&key, NewValue::Bytes(b"value"), expiry)
            .expect("room");
    };
    write(&mut engine, b"short", Expiry::At(NOW_MS + 1000));
    write(&mut engine, b"long", Expiry::At(NOW_MS + 1_000_000));
    let token = engine.token(&key);
    let last = engine.token_of_none();
    let (frozen, _) = freeze(engine);
    let mut engine = thaw(frozen, options()).expect("sound");
    engine.set_now(NOW_MS + 500);
    let (short, long) = (engine.key(0, b"short"), engine.key(0, b"long"));
    assert!(engine.token_matches(&short, token));
    assert!(engine.token_of_none() > last);
    engine.set_now(NOW_MS + 1000);
    assert!(engine.find(&short, Touch::No).is_none());
    assert!(engine.find(&long, Touch::No).is_some());
    // Without anybody looking, too.
    engine.set_now(NOW_MS + 2_000_000);
    engine.set_now(NOW_MS + 2_000_200);
    while engine.upkeep(1000) {}
    assert_eq!(engine.stats().items_with_expiry, 0);
    check(&mut engine);
}

#[test]
fn nothing_half_is_thawed() {
    let seed = 11;
    println!("seed {seed}");
    let (engine, mut random) = filled(Policy::AllKeysS3Fifo, seed, 600);
    let (frozen, _) = freeze(engine);
    let blocks: Vec<u8> = frozen.blocks.iter().flatten().copied().collect();
    for _ in 0..40 {
        let cut = Frozen {
            blocks: [blocks[..random.below(blocks.len())].to_vec()].into(),
            extents: frozen.extents.clone(),
            announced: (0, 0),
        };
        // The beginning may end within the pages' descriptions.
        let mut cut = cut;
        let extents = std::mem::take(&mut cut.extents);
        let mut input = In::new(&mut cut);
        let outcome = Thawing::begin(options(), &mut input).and_then(|(mut thawing, rest)| {
            for (memory, extent) in thawing.extents().into_iter().zip(&extents) {
                memory.copy_from_slice(extent);
            }
            rest.read(&mut input).map(drop)
        });
        assert!(outcome.is_err());
    }
    let with = |change: fn(&mut EngineOptions)| {
        let mut options = options();
        change(&mut options);
        let copy = Frozen {
            blocks: frozen.blocks.clone(),
            extents: frozen.extents.clone(),
            announced: frozen.announced,
        };
        thaw(copy, options).map(drop)
    };
    assert_eq!(with(|_| {}), Ok(()));
    let outcome = with(|options| options.databases = 4);
    assert_eq!(outcome, Err("it has 3 databases".into()));
    assert!(with(|options| options.reservation_bytes = 1 << 16).is_err());
}

#[test]
fn an_empty_engine_is_one_afterwards() {
    let engine = Engine::new(options()).expect("room");
    let (frozen, figures) = freeze(engine);
    assert_eq!(figures, FrozenFigures::default());
    let mut engine = thaw(frozen, options()).expect("sound");
    assert!(contents(&mut engine).is_empty());
    check(&mut engine);
    crate::engine::tests::write(&mut engine, b"key", b"value");
    assert_eq!(contents(&mut engine).len(), 1);
}
