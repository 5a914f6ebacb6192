use super::*;
use crate::engine::random::Random;

const CHANNEL: Subscription = Subscription::Channel;
const PATTERN: Subscription = Subscription::Pattern;
const SHARD: Subscription = Subscription::ShardChannel;

fn token(index: u32) -> Token {
    Token {
        index,
        generation: 1,
    }
}

fn patterns_of(table: &Subscriptions, channel: &str) -> Vec<String> {
    let matching = table.matching(channel.as_bytes(), 0);
    let mut names: Vec<String> = matching
        .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_name_begins_with_its_first_subscriber_and_ends_with_its_last() {
    let mut table = Subscriptions::default();
    assert!(table.is_empty());
    assert!(table.subscribe(token(1), CHANNEL, b"a").is_some());
    assert!(table.subscribe(token(1), CHANNEL, b"a").is_none(), "twice");
    assert!(table.subscribe(token(2), CHANNEL, b"a").is_none());
    assert!(table.subscribe(token(2), SHARD, b"a").is_some(), "apart");
    assert_eq!(table.of_name(CHANNEL, b"a", 0).unwrap().len(), 2);
    assert!(!table.unsubscribe(token(1), CHANNEL, b"a"));
    assert!(!table.unsubscribe(token(1), CHANNEL, b"a"), "it has left");
    assert!(table.unsubscribe(token(2), CHANNEL, b"a"));
    assert!(table.of_name(CHANNEL, b"a", 0).is_none());
    assert!(table.unsubscribe(token(2), SHARD, b"a"));
    assert!(table.is_empty());
}

#[test]
fn counts_are_those_of_the_confirmations() {
    let mut table = Subscriptions::default();
    for (kind, name) in [(CHANNEL, "a"), (CHANNEL, "b"), (PATTERN, "a"), (SHARD, "a")] {
        table.subscribe(token(7), kind, name.as_bytes());
    }
    let counts = table.counts(token(7));
    assert_eq!((counts.shown(CHANNEL), counts.shown(PATTERN)), (3, 3));
    assert_eq!(counts.shown(SHARD), 1);
    assert_eq!(counts.bytes, 4 * (1 + BYTES_PER_SUBSCRIPTION));
    assert_eq!(table.counts(token(8)), Counts::default());
    let names = table.names_of(token(7), CHANNEL, 10);
    assert_eq!(names, [Name::from(*b"a"), Name::from(*b"b")]);
    assert_eq!(table.names_of(token(7), CHANNEL, 1).len(), 1);
}

#[test]
fn patterns_are_found_whatever_they_begin_with() {
    let mut table = Subscriptions::default();
    let long = "x".repeat(PREFIX_BYTES_MAX + 8);
    let longer = format!("{long}*");
    for pattern in [
        "*", "news.*", "news.?", "n[e]ws.a", "news.a", "\\*", "", "news.b*", &longer,
    ] {
        table.subscribe(token(1), PATTERN, pattern.as_bytes());
    }
    assert_eq!(
        patterns_of(&table, "news.a"),
        ["*", "n[e]ws.a", "news.*", "news.?", "news.a"]
    );
    // The one that begins otherwise, and the one with more before its star, are not even tried.
    assert_eq!(table.patterns_tried(b"news.a"), 7);
    assert_eq!(table.patterns_tried(b"other"), 3);
    assert_eq!(patterns_of(&table, "news."), ["*", "news.*"]);
    assert_eq!(patterns_of(&table, "*"), ["*", "\\*"]);
    assert_eq!(patterns_of(&table, ""), ["", "*"]);
    assert_eq!(patterns_of(&table, &format!("{long}yz")), ["*", &longer]);
    for name in table.names_of(token(1), PATTERN, usize::MAX) {
        assert!(table.unsubscribe(token(1), PATTERN, &name));
    }
    assert!(patterns_of(&table, "news.a").is_empty());
    assert!(table.patterns.by_prefix.is_empty());
    assert!(table.patterns.lengths.is_empty());
}

#[test]
fn random_changes_agree_with_a_plain_list() {
    let seed = 0x5eed_0b5e;
    println!("seed {seed:#x}");
    let mut random = Random::new(seed);
    let mut below = |limit: usize| random.below(limit);
    let words = ["a", "ab", "a*", "*", "a?", "[ab]*", "b", "abc"];
    let mut table = Subscriptions::default();
    let mut list: BTreeSet<(u32, usize, &str)> = BTreeSet::new();
    for _ in 0..5000 {
        let kind = Subscription::ALL[below(3)];
        let (client, word) = (below(5) as u32, words[below(words.len())]);
        let place = (client, kind as usize, word);
        let others = |list: &BTreeSet<(u32, usize, &str)>| {
            list.iter()
                .filter(|key| key.1 == kind as usize && key.2 == word)
                .count()
        };
        if below(2) == 0 {
            let was_first = others(&list) == 0;
            let first = table.subscribe(token(client), kind, word.as_bytes());
            assert_eq!(first.is_some(), was_first);
            list.insert(place);
        } else {
            let had = list.remove(&place);
            let last = table.unsubscribe(token(client), kind, word.as_bytes());
            assert_eq!(last, had && others(&list) == 0);
        }
        let channel = ["a", "ab", "b", "abc", "zz"][below(5)];
        let expected: HashSet<(&str, u32)> = list
            .iter()
            .filter(|key| key.1 == PATTERN as usize)
            .filter(|key| glob::matches(key.2.as_bytes(), channel.as_bytes()))
            .map(|key| (key.2, key.0))
            .collect();
        let found: Vec<(String, u32)> = table
            .matching(channel.as_bytes(), 0)
            .flat_map(|(name, tokens)| {
                let name = String::from_utf8_lossy(name).into_owned();
                tokens.iter().map(move |token| (name.clone(), token.index))
            })
            .collect();
        assert_eq!(found.len(), expected.len(), "each once");
        for (name, client) in &found {
            assert!(expected.contains(&(name.as_str(), *client)));
        }
        for client in 0..5 {
            let of = |kind: Subscription| {
                let keys = list.iter();
                keys.filter(|key| key.0 == client && key.1 == kind as usize)
                    .count() as u32
            };
            let counts = table.counts(token(client));
            assert_eq!(
                [counts.channels, counts.patterns, counts.shard_channels],
                Subscription::ALL.map(of)
            );
        }
    }
}

#[test]
fn messages_from_before_a_name_had_subscribers_are_not_for_them() {
    let mut table = Subscriptions::default();
    for (kind, name) in [(CHANNEL, "news"), (PATTERN, "n*")] {
        assert!(table.subscribe(token(1), kind, name.as_bytes()).is_some());
        table.begun(kind, name.as_bytes(), 5);
        table.subscribe(token(2), kind, name.as_bytes());
    }
    for (moment, count) in [(4, 0), (5, 2), (6, 2)] {
        let named = table.of_name(CHANNEL, b"news", moment);
        assert_eq!(named.map_or(0, HashSet::len), count);
        let matching = table.matching(b"news", moment);
        assert_eq!(
            matching.map(|(_, tokens)| tokens.len()).sum::<usize>(),
            count
        );
    }
}
