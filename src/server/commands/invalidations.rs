//! Invalidations: clients that track are told of keys that have changed.
//!
//! Never: knows which keys somebody has read; the owners of the keys do, and say so in lists of changes. Nobody answers: a message is delivered or lost with its client.
//! The decisions worth knowing: what changed is told after each command, so that it is known who did it, and leaves the shard before anything else does: who has a reply and goes on
//! has told everybody before. Messages go behind all that their client is owed, so that a value never comes after the news that it is old.

use super::super::connection::State;
use super::super::service::Service;
use crate::engine::{Change, Client};
use crate::net::Token;
use crate::protocol::resp::{Protocol, Reply};
use crate::shard::operation::Envelope;
use std::collections::BTreeMap;
use std::mem;

/// Nobody: no connection has this token.
const NOBODY: Client = Client { shard: 0, token: 0 };
/// Who tracks is told that all keys have changed when so many milliseconds have passed since the first shard emptied a database, should another not have done so.
const ALL_MS_MAX: i64 = 100;

/// Something for the clients of another shard.
enum Invalidation {
    /// A key has changed that these have read.
    Read {
        key: Box<[u8]>,
        tokens: Vec<u64>,
        writer: Client,
    },
    /// A key has changed whose name begins as some have asked for.
    Named { key: Box<[u8]>, writer: Client },
    /// The sender has emptied a database.
    All,
    /// A client of the sender wants another to be told: of these keys, or of all.
    Redirected {
        from: u64,
        to: u64,
        keys: Option<Vec<Box<[u8]>>>,
    },
    /// The client is gone to which this one has redirected.
    Broken { from: u64 },
}

/// Those of one moment, in order.
pub(in crate::server) struct Invalidations {
    from: usize,
    list: Vec<Invalidation>,
}

/// Keys, with who has changed each.
type Written = BTreeMap<Box<[u8]>, Client>;

/// What is to be told, on its way out of a shard.
#[derive(Default)]
pub struct Untold {
    by_shard: BTreeMap<usize, Vec<Invalidation>>,
    /// Keys that have changed, with who changed them, by the beginnings of their names: told once a turn.
    named: BTreeMap<Box<[u8]>, Written>,
    /// Shards, as bits, that have emptied a database of late, and since when.
    emptied: u128,
    emptied_since_ms: i64,
}

impl Untold {
    fn add(&mut self, shard: usize, invalidation: Invalidation) {
        self.by_shard.entry(shard).or_default().push(invalidation);
    }
}

fn write_keys(reply: &mut Reply, keys: Option<&[&[u8]]>) {
    match keys {
        None => reply.null(),
        Some(keys) => {
            reply.array(keys.len());
            keys.iter().for_each(|key| reply.bulk(key));
        }
    }
}

fn borrowed(keys: &[Box<[u8]>]) -> Vec<&[u8]> {
    keys.iter().map(|key| &**key).collect()
}

impl Service {
    /// Tells of what a command has changed, if anything.
    #[inline]
    pub(in crate::server) fn tell_changes_by(&mut self, writer: Client) {
        if self.shard.engine.has_changes() {
            self.tell_changes(writer);
        }
    }

    /// Tells all that is still to be told, those on other shards by the messages that are posted next.
    #[inline]
    pub(in crate::server) fn send_invalidations(&mut self) {
        self.tell_changes_by(NOBODY);
        if !self.untold.named.is_empty() {
            self.tell_named();
        }
        if !self.untold.by_shard.is_empty() {
            let from = self.shard.id;
            for (shard, list) in mem::take(&mut self.untold.by_shard) {
                let matter = Box::new(Invalidations { from, list });
                let envelopes = &mut self.message_to(shard).envelopes;
                envelopes.push(Envelope::Server(matter));
                self.pubsub.notified = true;
            }
        }
    }

    #[cold]
    fn tell_changes(&mut self, writer: Client) {
        let own = self.shard.id;
        for change in self.shard.engine.take_changes() {
            match change {
                Change::Read(key, readers) => {
                    let readers: Vec<Client> = readers.into_iter().collect();
                    for readers in readers.chunk_by(|a, b| a.shard == b.shard) {
                        let shard = readers[0].shard as usize;
                        let tokens = readers.iter().map(|reader| reader.token).collect();
                        if shard == own {
                            self.tell_readers(&key, tokens, writer);
                        } else {
                            let key = key.clone();
                            let read = Invalidation::Read {
                                key,
                                tokens,
                                writer,
                            };
                            self.untold.add(shard, read);
                        }
                    }
                }
                Change::Named(key) => {
                    let prefixes = self.shard.engine.tracked_prefixes().of(&key);
                    let clients = prefixes.flat_map(|(_, clients)| clients);
                    let shards = clients.fold(0u128, |bits, client| bits | 1 << client.shard);
                    for shard in (0..self.shards()).filter(|shard| shards >> shard & 1 != 0) {
                        let key = key.clone();
                        if shard == own {
                            self.note_named(key, writer);
                        } else {
                            let named = Invalidation::Named { key, writer };
                            self.untold.add(shard, named);
                        }
                    }
                }
                Change::All => {
                    if self.shared.anybody_tracks() {
                        let others = (0..self.shards()).filter(|shard| *shard != own);
                        others.for_each(|shard| self.untold.add(shard, Invalidation::All));
                        self.note_emptied(own);
                    }
                }
            }
        }
    }

    /// Takes what another shard has sent.
    pub(in crate::server) fn take_invalidations(&mut self, invalidations: Invalidations) {
        for invalidation in invalidations.list {
            match invalidation {
                Invalidation::Read {
                    key,
                    tokens,
                    writer,
                } => self.tell_readers(&key, tokens, writer),
                Invalidation::Named { key, writer } => self.note_named(key, writer),
                Invalidation::All => self.note_emptied(invalidations.from),
                Invalidation::Redirected { from, to, keys } => {
                    let keys = keys.as_deref().map(borrowed);
                    if !self.push_redirected(Token::from_bits(to), keys.as_deref()) {
                        let broken = Invalidation::Broken { from };
                        self.untold.add(invalidations.from, broken);
                    }
                }
                Invalidation::Broken { from } => self.note_broken(Token::from_bits(from)),
            }
        }
    }

    /// A key has changed that these clients of this shard have read.
    fn tell_readers(&mut self, key: &[u8], tokens: Vec<u64>, writer: Client) {
        for token in tokens.into_iter().map(Token::from_bits) {
            let Some(connection) = self.connection(token) else {
                continue;
            };
            let is_own = connection.session.origin.client == writer;
            if let Some(tracker) = &connection.session.tracking
                && !tracker.is_broadcast
                && !(tracker.no_loop && is_own)
            {
                self.invalidate(token, Some(&[key]), is_own);
            }
        }
    }

    /// A key has changed whose name begins as some client of this shard has asked for.
    fn note_named(&mut self, key: Box<[u8]>, writer: Client) {
        let own = self.shard.id as u32;
        for (prefix, clients) in self.shard.engine.tracked_prefixes().of(&key) {
            if clients.iter().any(|client| client.shard == own) {
                let keys = self.untold.named.entry(prefix.into()).or_default();
                let known = keys.entry(key.clone()).or_insert(writer);
                if *known != writer {
                    *known = NOBODY;
                }
            }
        }
    }

    #[cold]
    fn tell_named(&mut self) {
        let own = self.shard.id as u32;
        for (prefix, keys) in mem::take(&mut self.untold.named) {
            let clients = self.shard.engine.tracked_prefixes().clients(&prefix);
            let clients = clients.into_iter().flatten();
            let clients: Vec<Client> = clients
                .filter(|client| client.shard == own)
                .copied()
                .collect();
            for client in clients {
                let token = Token::from_bits(client.token);
                let Some(connection) = self.connection(token) else {
                    continue;
                };
                let tracker = connection.session.tracking.as_ref();
                let Some(no_loop) = tracker.map(|tracker| tracker.no_loop) else {
                    continue;
                };
                let is_own = keys.values().any(|writer| *writer == client);
                let meant = keys
                    .iter()
                    .filter(|(_, writer)| !(no_loop && **writer == client));
                let meant: Vec<&[u8]> = meant.map(|(key, _)| &**key).collect();
                if !meant.is_empty() {
                    self.invalidate(token, Some(&meant), is_own);
                }
            }
        }
    }

    /// A shard has emptied a database. All do when one does, and clients are told once, when the last has.
    fn note_emptied(&mut self, shard: usize) {
        let bit = 1 << shard;
        if self.untold.emptied & bit != 0 {
            self.tell_emptied();
        }
        if self.untold.emptied == 0 {
            self.untold.emptied_since_ms = self.now_ms;
        }
        self.untold.emptied |= bit;
        if self.untold.emptied.count_ones() as usize == self.shards() {
            self.tell_emptied();
        }
    }

    /// Tells clients that some shards have emptied a database, when the others take too long.
    pub(in crate::server) fn tell_emptied_in_part(&mut self) {
        if self.untold.emptied != 0 && self.now_ms - self.untold.emptied_since_ms >= ALL_MS_MAX {
            self.tell_emptied();
        }
    }

    fn tell_emptied(&mut self) {
        self.untold.emptied = 0;
        let tracking = self
            .connections()
            .filter(|connection| connection.session.tracking.is_some());
        let tokens: Vec<Token> = tracking.map(|connection| connection.token).collect();
        for token in tokens {
            self.invalidate(token, None, false);
        }
    }

    /// Tells a client that tracks, or the one that it has redirected to, of keys that have changed; None for all keys. `is_own`: it has changed some of them itself.
    fn invalidate(&mut self, token: Token, keys: Option<&[&[u8]]>, is_own: bool) {
        let own = self.shard.id;
        let Some(connection) = self.connection(token) else {
            return;
        };
        let protocol = connection.replies.protocol();
        let tracker = connection.session.tracking.as_ref();
        match tracker.and_then(|tracker| tracker.redirect) {
            None if protocol == Protocol::Resp3 => {
                self.push_invalidation(token, keys, is_own);
            }
            // It has no way to tell such a message from a reply.
            None => {}
            Some((_, target)) if target.shard as usize == own => {
                let is_there = self.push_redirected(Token::from_bits(target.token), keys);
                if !is_there {
                    self.note_broken(token);
                }
            }
            Some((_, target)) => {
                let owned = |keys: &[&[u8]]| keys.iter().map(|key| Box::from(*key)).collect();
                let redirected = Invalidation::Redirected {
                    from: token.to_bits(),
                    to: target.token,
                    keys: keys.map(owned),
                };
                self.untold.add(target.shard as usize, redirected);
            }
        }
    }

    /// Tells a client in another's place. `false`: it is gone.
    fn push_redirected(&mut self, token: Token, keys: Option<&[&[u8]]>) -> bool {
        let Some(connection) = self.connection(token) else {
            return false;
        };
        let is_told = connection.replies.protocol() == Protocol::Resp3
            || connection.session.subscriptions.any();
        let is_there = connection.state != State::Closed;
        if is_told && is_there {
            self.push_invalidation(token, keys, false);
        }
        is_there
    }

    fn push_invalidation(&mut self, token: Token, keys: Option<&[&[u8]]>, is_own: bool) {
        self.publishing += 1;
        let Some(reply) = self.pushed_to(token, is_own) else {
            return;
        };
        if reply.protocol == Protocol::Resp3 {
            reply.push(2);
            reply.bulk(b"invalidate");
        } else {
            reply.array(3);
            reply.bulk(b"message");
            reply.bulk(b"__redis__:invalidate");
        }
        write_keys(reply, keys);
    }

    /// The client is gone to which this one has redirected.
    fn note_broken(&mut self, token: Token) {
        let Some(connection) = self.connection(token) else {
            return;
        };
        let protocol = connection.replies.protocol();
        let Some(tracker) = &mut connection.session.tracking else {
            return;
        };
        tracker.is_broken = true;
        let id = tracker.redirect.map_or(0, |(id, _)| id);
        if protocol == Protocol::Resp3
            && let Some(reply) = self.pushed_to(token, false)
        {
            reply.push(2);
            reply.bulk(b"tracking-redir-broken");
            reply.integer(id as i64);
        }
    }
}
