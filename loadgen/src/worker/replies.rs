//! The way of replies: from received bytes to counts, checks, and the keys of a trace that are to be written next. Reads of several keys are told of
//! key by key, in any order, and end as their protocol ends them.

use super::{Connection, Load, Slot, State};
use crate::args::Plan;
use crate::protocol::{Operation, Reply, ReplyReader};
use crate::trace::Key;
use std::sync::atomic::Ordering;

impl<R: ReplyReader> Connection<R> {
    /// Which of a request's slots, of which `head` is the first, holds the key that the reader names: the first of them that was not told of yet.
    #[inline]
    fn place_of_key(&self, head: Slot, key: &[u8], plan: &Plan) -> Option<usize> {
        let keys = head.asked.keys as usize;
        let number = plan.key_format.number(key);
        let is_key = |slot: &Slot| match &plan.trace {
            None => number == Some(slot.key),
            Some(trace) => match trace.request(slot.key as usize).key {
                Key::Number(expected) => number == Some(expected),
                Key::Bytes(expected) => key == expected,
            },
        };
        let slots = &self.slots[self.answered..self.answered + keys];
        let from = self.place.min(keys);
        (from..keys)
            .chain(0..from)
            .find(|place| !slots[*place].answered && is_key(&slots[*place]))
    }
}

impl<P: Load> State<P> {
    #[inline]
    pub(super) fn on_bytes(
        &mut self,
        number: usize,
        bytes: &[u8],
        now_ns: u64,
    ) -> Result<(), String> {
        let mut input = bytes;
        let mut replies = 0;
        self.stats.bytes_in += bytes.len() as u64;
        self.last_reply_ns = now_ns;
        while !input.is_empty() {
            let connection = &mut self.connections[number];
            let Some(head) = connection.slots.get(connection.answered).copied() else {
                return Err("a reply nobody asked for".into());
            };
            let body = connection.ledger.is_some().then_some(&mut connection.body);
            let Some(reply) = connection.reader.next(&mut input, head.asked, body)? else {
                break;
            };
            if !self.on_reply(number, head, reply, now_ns)? {
                continue;
            }
            let keys = head.asked.keys;
            let connection = &mut self.connections[number];
            connection.answered += keys as usize;
            connection.place = 0;
            replies += 1;
            let begin_ns = if head.due_ns == 0 {
                connection.sent_ns
            } else {
                head.due_ns
            };
            let latency_ns = now_ns.saturating_sub(begin_ns);
            self.stats.keys += u64::from(keys);
            self.stats.latency[head.asked.operation.index()].record(latency_ns);
            self.interval.record(latency_ns);
        }
        let connection = &self.connections[number];
        if replies > 0 {
            self.shared.replies.fetch_add(replies, Ordering::Relaxed);
            if connection.answered == connection.slots.len() {
                self.settle(number);
            }
        }
        Ok(())
    }

    /// Takes a reply, or a part of one, to the request whose first slot is `head`. Whether the request is over.
    #[inline]
    fn on_reply(
        &mut self,
        number: usize,
        head: Slot,
        reply: Reply,
        now_ns: u64,
    ) -> Result<bool, String> {
        let connection = &mut self.connections[number];
        let (first, keys) = (connection.answered, head.asked.keys as usize);
        match reply {
            Reply::End | Reply::Refused => {
                if reply == Reply::Refused {
                    let name = head.asked.operation.name(self.plan.operations());
                    self.stats.refuse(name, connection.reader.error_text());
                }
                let rest = if reply == Reply::End {
                    Reply::Miss
                } else {
                    Reply::Refused
                };
                for slot in first..first + keys {
                    if !self.connections[number].slots[slot].answered {
                        self.on_key(number, slot, rest, now_ns);
                    }
                }
                Ok(true)
            }
            Reply::Hit if connection.reader.key().is_some() => {
                let key = connection.reader.key().unwrap_or_default();
                let Some(place) = connection.place_of_key(head, key, &self.plan) else {
                    let key = String::from_utf8_lossy(key);
                    return Err(format!("a value of {key}, which was not asked for"));
                };
                connection.place = place + 1;
                self.on_key(number, first + place, reply, now_ns);
                Ok(false)
            }
            Reply::Hit | Reply::Miss | Reply::Stored | Reply::Deleted(_) => {
                let place = connection.place;
                connection.place += 1;
                self.on_key(number, first + place, reply, now_ns);
                Ok(place + 1 == keys)
            }
        }
    }

    /// Takes what a reply says of one key.
    #[inline]
    fn on_key(&mut self, number: usize, slot: usize, reply: Reply, now_ns: u64) {
        let connection = &mut self.connections[number];
        connection.slots[slot].answered = true;
        let slot = connection.slots[slot];
        match reply {
            Reply::Hit => self.stats.hits += 1,
            Reply::Miss => {
                self.stats.misses += 1;
                if self.plan.trace.is_some() {
                    connection.fills.push(slot.key);
                }
            }
            Reply::Deleted(there) => self.stats.deleted += u64::from(there),
            Reply::Stored | Reply::End | Reply::Refused => {}
        }
        let Some(ledger) = &mut connection.ledger else {
            return;
        };
        let outcome = match reply {
            Reply::Hit => ledger.found(
                slot.key,
                slot.expected,
                &connection.body,
                connection.sent_ns,
            ),
            Reply::Miss => ledger
                .missed(slot.key, slot.expected, now_ns)
                .map(|()| false),
            Reply::Refused if slot.asked.operation != Operation::Get => {
                ledger.refused(slot.key);
                Ok(false)
            }
            Reply::Stored => {
                ledger.written(slot.key, slot.expected, now_ns);
                ledger.acknowledged(slot.key, now_ns);
                Ok(false)
            }
            Reply::Deleted(_) => {
                ledger.acknowledged(slot.key, now_ns);
                Ok(false)
            }
            Reply::End | Reply::Refused => Ok(false),
        };
        match outcome {
            Ok(true) => self.stats.verified += 1,
            Ok(false) => self.stats.unverified += u64::from(reply == Reply::Hit),
            Err(what) => {
                let format = &self.plan.key_format;
                self.stats.wrong(|| {
                    let mut key = Vec::new();
                    format.write(slot.key, &mut key);
                    format!("{}: {what}", String::from_utf8_lossy(&key))
                });
            }
        }
        connection.body.clear();
    }
}
