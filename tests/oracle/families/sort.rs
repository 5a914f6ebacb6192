//! Random SORTs. What Redis leaves open is left out or compared without order: elements whose texts are equal weights, sets that are not sorted.

use crate::generate::{Builder, Compare};

fn name(builder: &Builder<'_>, name: &str) -> String {
    format!("{}{name}", builder.territory.prefix)
}

/// What can be sorted is of three types.
#[derive(Clone, Copy, PartialEq)]
enum Source {
    List,
    Set,
    SortedSet,
    Other,
}

fn source(builder: &mut Builder<'_>) -> (Source, String) {
    let number = builder.random.below(2);
    let (source, key) = match builder.random.below(20) {
        0 => (Source::Other, "sort:string".to_string()),
        1..=7 => (Source::Set, format!("sort:set:{number}")),
        8..=12 => (Source::SortedSet, format!("sort:zset:{number}")),
        _ => (Source::List, format!("sort:list:{number}")),
    };
    (source, name(builder, &key))
}

fn element(builder: &mut Builder<'_>) -> String {
    if builder.random.chance(3) {
        let odd = ["x", "", " 5", "inf", "-inf", "1e2", "0x1", "5 "];
        return builder.random.pick(&odd).to_string();
    }
    builder.random.below(12).to_string()
}

/// An operation on what is sorted or on what patterns name, or a SORT.
pub fn choose(builder: &mut Builder<'_>) {
    match builder.random.below(100) {
        0..=24 => {
            let (source, key) = source(builder);
            let verb = match source {
                Source::List => "RPUSH",
                Source::Set => "SADD",
                Source::SortedSet => "ZADD",
                Source::Other => "APPEND",
            };
            builder.word(verb).word(key);
            loop {
                if source == Source::SortedSet {
                    // Of large scores 7.0 writes other digits, wherever a spoiled request takes them.
                    let score = builder.random.below(10).to_string();
                    builder.word(score);
                }
                let element = element(builder);
                builder.word(element);
                if source == Source::Other || builder.random.chance(40) {
                    break;
                }
            }
        }
        25..=29 => {
            let (_, key) = source(builder);
            builder.word("DEL").word(key);
        }
        30..=44 => {
            let element = element(builder);
            let key = name(builder, &format!("weight:{element}"));
            let weights = ["3", "1", "-2.5", "10", "x", "", "7", "1e1"];
            let weight = *builder.random.pick(&weights);
            match builder.random.below(6) {
                0 => builder.word("DEL").word(key),
                1 => builder.word("LPUSH").word(key).word(weight),
                _ => builder.word("SET").word(key).word(weight),
            };
        }
        45..=57 => {
            let element = element(builder);
            let key = name(builder, &format!("{{{element}}}:record"));
            let value = builder.random.below(9).to_string();
            let field = *builder.random.pick(&["rank", "name", "with->arrow"]);
            builder.word("HSET").word(key).word(field).word(value);
        }
        _ => sort(builder),
    }
}

fn pattern(builder: &mut Builder<'_>) -> String {
    let patterns = [
        "weight:*",
        "weight:*",
        "{*}:record->rank",
        "{*}:record->rank",
        "{*}:record->name",
        "{*}:record->with->arrow",
        "{*}:record->nosuch",
        "{*}:record",
        "weight:*->",
        "nosuch:*",
    ];
    let pattern = *builder.random.pick(&patterns);
    name(builder, pattern)
}

fn sort(builder: &mut Builder<'_>) {
    // Spoiled requests are made here, since a pattern that turns into a word is another order.
    builder.spoils = false;
    let (source, key) = source(builder);
    let stores = builder.random.chance(30);
    let verb = if !stores && builder.random.chance(30) {
        "SORT_RO"
    } else {
        "SORT"
    };
    builder.word(verb).word(key);
    let alpha = builder.random.chance(40);
    let by = match builder.random.below(10) {
        0..=4 => None,
        5 | 6 => Some("nosort".to_string()),
        _ => Some(pattern(builder)),
    };
    let is_sorted = by.as_deref() != Some("nosort");
    let has_order = match source {
        Source::Set if !is_sorted => stores,
        _ => !is_sorted || by.is_none() || !alpha,
    };
    if !has_order {
        builder.compare = Compare::Unordered;
    }
    if let Some(by) = by {
        builder.word("BY").word(by);
    }
    if has_order && builder.random.chance(40) {
        builder.word("LIMIT").integer(-2, 6).integer(-2, 6);
    }
    while builder.random.chance(35) {
        let pattern = if builder.random.chance(30) {
            "#".to_string()
        } else {
            pattern(builder)
        };
        builder.word("GET").word(pattern);
    }
    if alpha {
        builder.word("ALPHA");
    }
    let order = *builder.random.pick(&["", "ASC", "DESC", "desc"]);
    if !order.is_empty() {
        builder.word(order);
    }
    if stores && has_order {
        let number = builder.random.below(2);
        let destination = name(builder, &format!("sort:list:{number}"));
        builder.word("STORE").word(destination);
    }
    if builder.random.chance(3) {
        let word = *builder
            .random
            .pick(&["BY", "GET", "STORE", "LIMIT", "NOSUCH"]);
        builder.word(word);
    }
}
