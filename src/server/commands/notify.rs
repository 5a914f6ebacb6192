//! Keyspace notifications: what happened to this shard's keys, published to those who have subscribed to the channels of keys or of events.
//!
//! Never: decides what an event is; the engine and the commands have recorded it. Nobody answers: a notification is delivered or lost.
//! The decision worth knowing: each shard publishes what happened to its own keys, to all subscribers wherever they are, so that the events of one key keep
//! their order, and before anything else that leaves the shard: who has a reply and does something next is told of later. When nobody has subscribed to anything the events are dropped before a channel's name is made.

use super::super::service::Service;
use crate::command::Subscription;
use crate::engine::{Event, EventClass};
use crate::shard::operation::Envelope;

/// A message on its way to another shard.
struct Notification {
    channel: Box<[u8]>,
    message: Box<[u8]>,
    /// That of its publication, see `Interest::moment`.
    moment: u64,
}

/// Those of one moment, in order.
pub(in crate::server) struct Notifications(Vec<Notification>);

impl Service {
    /// Publishes what was recorded since the last time.
    #[cold]
    pub(in crate::server) fn publish_events(&mut self) {
        let events = self.shard.engine.take_events();
        let others = (0..self.shards()).filter(|shard| *shard != self.shard.id);
        let others: Vec<usize> = others
            .filter(|shard| self.shared.interest.has_any(*shard))
            .collect();
        if others.is_empty() && self.pubsub.table.is_empty() {
            return;
        }
        let classes = self.config.notify_keyspace_events;
        let mut outgoing: Vec<_> = others
            .into_iter()
            .map(|shard| (shard, Vec::new()))
            .collect();
        for Event { name, db, key } in events {
            if classes.has(EventClass::Keyspace) {
                let channel = [format!("__keyspace@{db}__:").as_bytes(), &key].concat();
                self.publish_event(&channel, name.as_bytes(), &mut outgoing);
            }
            if classes.has(EventClass::Keyevent) {
                let channel = format!("__keyevent@{db}__:{name}");
                self.publish_event(channel.as_bytes(), &key, &mut outgoing);
            }
        }
        for (shard, messages) in outgoing {
            if !messages.is_empty() {
                let matter = Box::new(Notifications(messages));
                let envelopes = &mut self.message_to(shard).envelopes;
                envelopes.push(Envelope::Server(matter));
                self.pubsub.notified = true;
            }
        }
    }

    /// Publishes what is still to be, and posts the messages that have notifications.
    #[inline]
    pub(in crate::server) fn post_notifications(&mut self) {
        if self.shard.engine.has_events() {
            self.publish_events();
        }
        self.send_invalidations();
        self.send_monitor_lines();
        let notified = std::mem::take(&mut self.pubsub.notified);
        if notified {
            self.post_outgoing();
        }
    }

    /// Delivers a message here, and adds it to what those other shards are sent that may have subscribers.
    fn publish_event(
        &mut self,
        channel: &[u8],
        message: &[u8],
        outgoing: &mut [(usize, Vec<Notification>)],
    ) {
        self.publish_here(Subscription::Channel, channel, message, None, u64::MAX);
        let moment = self.shared.interest.moment();
        for (shard, messages) in outgoing {
            let interest = &self.shared.interest;
            if interest.has(*shard, Subscription::Channel, channel) {
                messages.push(Notification {
                    channel: channel.into(),
                    message: message.into(),
                    moment,
                });
            }
        }
    }

    /// Delivers what another shard has published.
    pub(in crate::server) fn take_notifications(&mut self, notifications: Notifications) {
        for Notification {
            channel,
            message,
            moment,
        } in notifications.0
        {
            self.publish_here(Subscription::Channel, &channel, &message, None, moment);
        }
    }
}
