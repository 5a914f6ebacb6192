//! Who on one shard has subscribed to what: a table of names with their subscribers, and of subscribers with their names.
//!
//! It knows tokens and names; it never touches a connection or another shard. Patterns are found by the literal bytes they begin with: publishing to
//! a channel
//! takes one look-up for each length of such beginnings (33 at most), and only patterns that begin as the channel does are matched, each in a time of
//! pattern length times channel length at most. A name remembers since when it has had subscribers here, because a message from another shard may
//! have been sent for the sake of earlier ones: without that a subscriber would receive it, and miss the next.

use crate::command::Subscription;
use crate::glob;
use crate::net::Token;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Patterns are told apart by so many literal bytes at most.
const PREFIX_BYTES_MAX: usize = 32;
/// What a subscription is taken to cost beside its name: its places in two tables.
const BYTES_PER_SUBSCRIPTION: usize = 128;

/// A channel's name or a pattern, shared by all tables that it is in.
pub type Name = Arc<[u8]>;

/// What one connection has subscribed to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Channels.
    pub channels: u32,
    /// Patterns.
    pub patterns: u32,
    /// Shard channels.
    pub shard_channels: u32,
    /// What all of it takes in memory, about.
    pub bytes: usize,
}

impl Counts {
    /// Whether it has subscribed to anything.
    pub fn any(&self) -> bool {
        self.channels != 0 || self.patterns != 0 || self.shard_channels != 0
    }

    /// The number in the confirmations of a kind: shard channels count apart.
    pub fn shown(&self, kind: Subscription) -> u32 {
        match kind {
            Subscription::Channel | Subscription::Pattern => self.channels + self.patterns,
            Subscription::ShardChannel => self.shard_channels,
        }
    }

    fn of(&mut self, kind: Subscription) -> &mut u32 {
        match kind {
            Subscription::Channel => &mut self.channels,
            Subscription::Pattern => &mut self.patterns,
            Subscription::ShardChannel => &mut self.shard_channels,
        }
    }
}

/// One subscriber. Its names are in order, so that it leaves them in a stable one.
#[derive(Default)]
struct Subscriber {
    names: [BTreeSet<Name>; 3],
    counts: Counts,
}

/// The subscribers of one name.
#[derive(Default)]
struct Named {
    tokens: HashSet<Token>,
    /// The moment of the first of them, see `Interest::begin`.
    since: u64,
}

/// The subscriptions of one shard.
#[derive(Default)]
pub struct Subscriptions {
    names: [HashMap<Name, Named>; 3],
    subscribers: HashMap<Token, Subscriber>,
    patterns: Patterns,
}

/// Patterns by their first literal bytes.
#[derive(Default)]
struct Patterns {
    by_prefix: HashMap<Name, HashSet<Name>>,
    /// How many prefixes there are of each length.
    lengths: BTreeMap<usize, usize>,
}

fn prefix(pattern: &[u8]) -> &[u8] {
    let is_special = |byte: &u8| matches!(byte, b'*' | b'?' | b'[' | b'\\');
    let end = pattern.iter().position(is_special);
    let end = end.unwrap_or(pattern.len()).min(PREFIX_BYTES_MAX);
    &pattern[..end]
}

impl Patterns {
    fn insert(&mut self, pattern: &Name) {
        let prefix = prefix(pattern);
        if let Some(patterns) = self.by_prefix.get_mut(prefix) {
            patterns.insert(pattern.clone());
            return;
        }
        *self.lengths.entry(prefix.len()).or_default() += 1;
        self.by_prefix
            .insert(prefix.into(), HashSet::from([pattern.clone()]));
    }

    fn remove(&mut self, pattern: &[u8]) {
        let prefix = prefix(pattern);
        let patterns = self
            .by_prefix
            .get_mut(prefix)
            .expect("a pattern is found by its prefix");
        patterns.remove(pattern);
        if patterns.is_empty() {
            self.by_prefix.remove(prefix);
            let count = self.lengths.get_mut(&prefix.len());
            let count = count.expect("the lengths of prefixes are counted");
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&prefix.len());
            }
        }
    }

    /// Those that begin as the channel does, by the length of what is the same.
    fn candidates<'a>(&'a self, channel: &'a [u8]) -> impl Iterator<Item = &'a HashSet<Name>> {
        let lengths = self.lengths.range(..=channel.len());
        lengths.filter_map(|(&len, _)| self.by_prefix.get(&channel[..len]))
    }
}

impl Subscriptions {
    /// Whether nobody has subscribed to anything.
    pub fn is_empty(&self) -> bool {
        self.subscribers.is_empty()
    }

    /// Subscribes; nothing happens if it has before. The name when it has its first subscriber now.
    pub fn subscribe(&mut self, token: Token, kind: Subscription, name: &[u8]) -> Option<Name> {
        let names = &mut self.names[kind as usize];
        let known = names.get_key_value(name).map(|(name, _)| name.clone());
        let is_first = known.is_none();
        let name: Name = known.unwrap_or_else(|| name.into());
        let subscriber = self.subscribers.entry(token).or_default();
        if !subscriber.names[kind as usize].insert(name.clone()) {
            return None;
        }
        *subscriber.counts.of(kind) += 1;
        subscriber.counts.bytes += name.len() + BYTES_PER_SUBSCRIPTION;
        let named = names.entry(name.clone()).or_default();
        named.tokens.insert(token);
        if !is_first {
            return None;
        }
        if kind == Subscription::Pattern {
            self.patterns.insert(&name);
        }
        Some(name)
    }

    /// Ends a subscription, if there is one. Whether the name has lost its last subscriber.
    pub fn unsubscribe(&mut self, token: Token, kind: Subscription, name: &[u8]) -> bool {
        let Some(subscriber) = self.subscribers.get_mut(&token) else {
            return false;
        };
        if !subscriber.names[kind as usize].remove(name) {
            return false;
        }
        *subscriber.counts.of(kind) -= 1;
        subscriber.counts.bytes -= name.len() + BYTES_PER_SUBSCRIPTION;
        if !subscriber.counts.any() {
            self.subscribers.remove(&token);
        }
        let names = &mut self.names[kind as usize];
        let named = names.get_mut(name).expect("a name knows its subscribers");
        let tokens = &mut named.tokens;
        tokens.remove(&token);
        if !tokens.is_empty() {
            return false;
        }
        names.remove(name);
        if kind == Subscription::Pattern {
            self.patterns.remove(name);
        }
        true
    }

    /// What a subscriber has subscribed to, in order; `count_max` names at most.
    pub fn names_of(&self, token: Token, kind: Subscription, count_max: usize) -> Vec<Name> {
        let subscriber = self.subscribers.get(&token);
        let names = subscriber.map(|subscriber| subscriber.names[kind as usize].iter());
        names
            .into_iter()
            .flatten()
            .take(count_max)
            .cloned()
            .collect()
    }

    /// How much a connection has subscribed to.
    pub fn counts(&self, token: Token) -> Counts {
        let subscriber = self.subscribers.get(&token);
        subscriber.map_or(Counts::default(), |subscriber| subscriber.counts)
    }

    /// Says since when a name has had subscribers.
    pub fn begun(&mut self, kind: Subscription, name: &[u8], moment: u64) {
        let named = self.names[kind as usize].get_mut(name);
        named.expect("it has just got its first").since = moment;
    }

    /// The subscribers of one name for a message of some moment.
    pub fn of_name(&self, kind: Subscription, name: &[u8], moment: u64) -> Option<&HashSet<Token>> {
        let named = self.names[kind as usize].get(name)?;
        (named.since <= moment).then_some(&named.tokens)
    }

    /// The patterns that a channel matches, with their subscribers for a message of some moment.
    pub fn matching<'a>(
        &'a self,
        channel: &'a [u8],
        moment: u64,
    ) -> impl Iterator<Item = (&'a Name, &'a HashSet<Token>)> {
        let subscribers = &self.names[Subscription::Pattern as usize];
        let candidates = self.patterns.candidates(channel).flatten();
        candidates
            .filter(|pattern| glob::matches(pattern, channel))
            .map(move |pattern| (pattern, &subscribers[pattern]))
            .filter(move |(_, named)| named.since <= moment)
            .map(|(pattern, named)| (pattern, &named.tokens))
    }

    /// How many patterns must be tried for a channel.
    pub fn patterns_tried(&self, channel: &[u8]) -> usize {
        self.patterns.candidates(channel).map(HashSet::len).sum()
    }

    /// The names of a kind that match a pattern, or all, in no order.
    pub fn names(&self, kind: Subscription, pattern: Option<&[u8]>) -> Vec<Name> {
        let names = self.names[kind as usize].keys();
        names
            .filter(|name| pattern.is_none_or(|pattern| glob::matches(pattern, name)))
            .cloned()
            .collect()
    }
}

#[cfg(test)]
#[path = "subscriptions_tests.rs"]
mod tests;
