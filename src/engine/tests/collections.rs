//! Collections in items against std collections, under random operations: changed, overwritten, copied, moved by others, expired, evicted, released.

use super::{check, engine, options};
use crate::engine::random::Random;
use crate::engine::value::Stored;
use crate::engine::value::hash::Hash;
use crate::engine::value::list::{Direction, List};
use crate::engine::value::set::Set;
use crate::engine::{
    Attributes, EditError, Engine, Expiry, NewValue, Policy, Touch, Type, Value, WrongType,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

#[derive(Debug, Clone, PartialEq)]
enum Model {
    String(Vec<u8>),
    Hash(BTreeMap<Vec<u8>, Vec<u8>>),
    List(VecDeque<Vec<u8>>),
    Set(BTreeSet<Vec<u8>>),
}

fn element(random: &mut Random) -> Vec<u8> {
    let number = random.below(600);
    match random.below(8) {
        0 => vec![b'x'; number],
        _ => number.to_string().into_bytes(),
    }
}

fn read(engine: &Engine, item: crate::engine::Item) -> Model {
    let text = |entry: crate::engine::value::packed::Entry<'_>| entry.to_vec();
    match engine.type_of(item) {
        Type::Hash => {
            let view = engine.view::<Hash>(item).unwrap();
            Model::Hash(
                view.iter(0)
                    .map(|(name, value)| (text(name), text(value)))
                    .collect(),
            )
        }
        Type::List => {
            let view = engine.view::<List>(item).unwrap();
            let all = view.range(0..view.len(), Direction::Forward);
            Model::List(all.map(text).collect())
        }
        Type::Set => Model::Set(engine.view::<Set>(item).unwrap().iter().map(text).collect()),
        _ => match engine.value(item) {
            Value::Bytes(bytes) => Model::String(bytes.to_vec()),
            other => unreachable!("{other:?} was never stored"),
        },
    }
}

/// One change of a random type; true when the type was right.
fn change(engine: &mut Engine, random: &mut Random, key: &[u8], model: &mut Option<Model>) {
    let handle = engine.key(0, key);
    let (create, count) = (random.below(4) > 0, 1 + random.below(40));
    let elements: Vec<Vec<u8>> = (0..count).map(|_| element(random)).collect();
    let remove = random.below(3) == 0;
    let kind = random.below(3);
    let outcome = match kind {
        0 => engine.edit_collection::<Hash, _>(&handle, create, |hash, editing| {
            for element in &elements {
                if remove {
                    hash.remove(element, 0);
                } else {
                    hash.set(element, element, Expiry::None, 0, &editing.limits.hash);
                }
            }
        }),
        1 => engine.edit_collection::<List, _>(&handle, create, |list, editing| {
            for element in &elements {
                if remove {
                    list.pop(Direction::Forward, editing.limits.list, |_| {});
                } else {
                    list.push(Direction::Backward, element, editing.limits.list);
                }
            }
        }),
        _ => engine.edit_collection::<Set, _>(&handle, create, |set, editing| {
            for element in &elements {
                if remove {
                    set.remove(element);
                } else {
                    set.add(element, &editing.limits.set);
                }
            }
        }),
    };
    if model.is_none() {
        if !create {
            assert_eq!(outcome, Ok(None));
            return;
        }
        *model = Some(match kind {
            0 => Model::Hash(BTreeMap::new()),
            1 => Model::List(VecDeque::new()),
            _ => Model::Set(BTreeSet::new()),
        });
    }
    let is_empty = match (model.as_mut().expect("it is there now"), kind) {
        (Model::Hash(fields), 0) => {
            for element in elements {
                if remove {
                    fields.remove(&element);
                } else {
                    fields.insert(element.clone(), element);
                }
            }
            fields.is_empty()
        }
        (Model::List(list), 1) => {
            for element in elements {
                if remove {
                    list.pop_front();
                } else {
                    list.push_back(element);
                }
            }
            list.is_empty()
        }
        (Model::Set(set), 2) => {
            for element in elements {
                if remove {
                    set.remove(&element);
                } else {
                    set.insert(element);
                }
            }
            set.is_empty()
        }
        _ => {
            assert_eq!(outcome, Err(EditError::WrongType));
            return;
        }
    };
    assert_eq!(outcome, Ok(Some(())));
    if is_empty {
        *model = None;
    }
}

fn heap_bytes(engine: &Engine) -> u64 {
    let mut bytes = 0;
    for page in 0..engine.arena.pages_len() {
        for slot in 0..engine.arena.slots_used(page) {
            if let Some(reference) = engine.arena.item_at(page, slot)
                && let Value::Collection(collection) = engine.value(crate::engine::Item(reference))
            {
                bytes += collection.heap_bytes() as u64;
            }
        }
    }
    bytes
}

#[test]
fn collections_are_what_they_were_made() {
    for seed in 0..12 {
        let mut random = Random::new(seed);
        let mut engine = engine();
        let mut models: BTreeMap<Vec<u8>, Model> = BTreeMap::new();
        for _ in 0..1500 {
            let key = format!("key:{}", random.below(12)).into_bytes();
            let mut model = models.remove(&key);
            let handle = engine.key(0, &key);
            match random.below(20) {
                0 => {
                    let value = vec![b's'; random.below(300)];
                    engine
                        .set(&handle, NewValue::RawBytes(&value), Expiry::None)
                        .unwrap();
                    model = Some(Model::String(value));
                }
                1 => assert_eq!(engine.remove(&handle), model.take().is_some()),
                2 => {
                    // The record is written anew beside its value.
                    let there = engine.set_expiry(&handle, Some(5_000_000)).unwrap();
                    assert_eq!(there, model.is_some());
                    engine.set_expiry(&handle, None).unwrap();
                }
                3 => {
                    // A copy takes another key's place.
                    let other = format!("key:{}", random.below(12)).into_bytes();
                    if other != key
                        && let Some(item) = engine.find(&handle, Touch::No)
                    {
                        let copy = match engine.value(item) {
                            Value::Packed(kind, run) => Some((kind, run.to_vec(), None)),
                            Value::Collection(whole) => {
                                Some((whole.kind(), Vec::new(), Some(whole.clone())))
                            }
                            _ => None,
                        };
                        if let Some((kind, run, whole)) = copy {
                            let to = engine.key(0, &other);
                            match whole {
                                Some(whole) => engine
                                    .put_collection(&to, whole, None, Attributes::default())
                                    .unwrap(),
                                None => {
                                    let value = NewValue::Packed(kind, &run);
                                    engine.set(&to, value, Expiry::None).unwrap();
                                }
                            }
                            models.insert(other, model.clone().expect("it was found"));
                        }
                    }
                }
                4 => {
                    engine.upkeep(1 + random.below(2000));
                }
                5 => {
                    let other = format!("key:{}", random.below(12)).into_bytes();
                    let to = engine.key(0, &other);
                    if other != key && engine.rename_collection(&handle, &to).unwrap() {
                        models.insert(other, model.take().expect("it was found"));
                    }
                }
                _ => change(&mut engine, &mut random, &key, &mut model),
            }
            if let Some(model) = model {
                models.insert(key, model);
            }
        }
        assert_eq!(engine.len(0), models.len(), "seed {seed}");
        for (key, model) in &models {
            let handle = engine.key(0, key);
            let item = engine.find(&handle, Touch::No).expect("it is there");
            assert_eq!(read(&engine, item), *model, "seed {seed}");
        }
        check(&mut engine);
        assert_eq!(
            engine.stats().bytes_collections,
            heap_bytes(&engine),
            "seed {seed}"
        );
        engine.flush(0, true);
        while engine.upkeep(1000) {}
        assert_eq!(engine.stats().bytes_collections, 0);
        assert!(engine.retired.is_empty());
    }
}

#[test]
fn under_a_limit_collections_are_evicted_and_none_is_torn() {
    let mut options = options();
    options.memory_bytes_max = 6 << 20;
    options.policy = Policy::AllKeysLru;
    let mut engine = Engine::new(options).unwrap();
    engine.set_now(1_000_000);
    let mut random = Random::new(7);
    let mut renamed = 0;
    for round in 0..6000u64 {
        let key = format!("key:{}", random.below(400)).into_bytes();
        let handle = engine.key(0, &key);
        engine.make_room().unwrap();
        let value = vec![b'v'; random.below(400)];
        let edited = engine.edit_collection::<Hash, _>(&handle, true, |hash, editing| {
            for field in 0..20 {
                let name = format!("{}", (round + field) % 97);
                hash.set(
                    name.as_bytes(),
                    &value,
                    Expiry::None,
                    0,
                    &editing.limits.hash,
                );
            }
            hash.len()
        });
        let len = edited.unwrap().expect("it is made when it is not there");
        let item = engine.find(&handle, Touch::Yes).expect("just written");
        assert_eq!(engine.view::<Hash>(item).unwrap().iter(0).count(), len);
        assert_eq!(engine.view::<List>(item).err(), Some(WrongType));
        let other = format!("key:{}", random.below(400)).into_bytes();
        let to = engine.key(0, &other);
        if round % 8 == 0 && other != key && engine.rename_collection(&handle, &to) == Ok(true) {
            let item = engine.find(&to, Touch::No).expect("it was moved");
            assert_eq!(engine.view::<Hash>(item).unwrap().iter(0).count(), len);
            renamed += 1;
        }
        engine.upkeep(300);
    }
    assert!(renamed > 100);
    assert!(engine.stats().evicted_keys > 0);
    assert_eq!(engine.stats().bytes_collections, heap_bytes(&engine));
    assert!(engine.stats().bytes_used <= (6 << 20) + (1 << 20));
    check(&mut engine);
}

#[test]
fn a_huge_one_is_released_in_slices() {
    let mut engine = engine();
    let handle = engine.key(0, b"huge");
    engine
        .edit_collection::<Set, _>(&handle, true, |set, editing| {
            for number in 0..200_000 {
                set.add(format!("member:{number}").as_bytes(), &editing.limits.set);
            }
        })
        .unwrap();
    assert!(engine.stats().bytes_collections > 5_000_000);
    assert!(engine.remove(&handle));
    assert_eq!(
        engine.stats().bytes_collections,
        0,
        "it counts as gone at once"
    );
    let mut slices = 0;
    while engine.upkeep(500) {
        slices += 1;
        assert!(slices < 10_000);
    }
    assert!(slices > 100, "{slices} slices: each is short");
}
