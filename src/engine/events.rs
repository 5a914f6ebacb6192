//! What happens to keys, recorded for clients that want to be told (`notify-keyspace-events`).
//!
//! Never: says what an event is called when a command changes a key; the command does. The engine adds what only it sees: keys that are new,
//! that expired, that were evicted, and fields that expired.
//! The decision worth knowing: there is one list for all, so that events stand in the order in which things happened. While nobody wants a class, an
//! event of it costs one comparison and no copy of the key. The list is taken after every command and every slice of upkeep, which bound its length.

use super::{Engine, Item, Key};
pub use crate::config::{EventClass, EventClasses};

/// Something that happened to a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its name, as clients see it.
    pub name: &'static str,
    /// The database.
    pub db: usize,
    /// The key.
    pub key: Box<[u8]>,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// Which classes are recorded.
    wanted: EventClasses,
    list: Vec<Event>,
}

impl Engine {
    /// Records events of these classes from now on; none when they are to be published nowhere.
    pub fn set_events_wanted(&mut self, classes: EventClasses) {
        let is_published = classes.has(EventClass::Keyspace) || classes.has(EventClass::Keyevent);
        self.events.wanted = match is_published {
            true => classes,
            false => EventClasses::default(),
        };
    }

    /// What is recorded.
    pub fn events_wanted(&self) -> EventClasses {
        self.events.wanted
    }

    /// Whether any events are recorded.
    #[inline]
    pub fn wants_events(&self) -> bool {
        self.events.wanted != EventClasses::default()
    }

    /// Whether events of a class are recorded.
    #[inline]
    pub fn wants_event(&self, class: EventClass) -> bool {
        self.events.wanted.has(class)
    }

    /// Something has happened to a key.
    #[inline]
    pub fn notify(&mut self, class: EventClass, name: &'static str, key: &Key<'_>) {
        if self.wants_event(class) {
            self.events.push(name, key.db, key.bytes);
        }
        if self.journaled.wants(class) {
            self.journaled.note(class, name, key.db, key.bytes);
        }
    }

    /// Something was taken out of a collection, which may be gone with it.
    #[inline]
    pub fn notify_removal(&mut self, class: EventClass, name: &'static str, key: &Key<'_>) {
        self.notify(class, name, key);
        self.notify_if_gone(key);
    }

    /// A key that was there a moment ago may not be any more.
    #[inline]
    pub fn notify_if_gone(&mut self, key: &Key<'_>) {
        if self.wants_event(EventClass::Generic) && !self.has(key) {
            self.events.push("del", key.db, key.bytes);
        }
    }

    /// [`Engine::notify`] for an item that will be deleted.
    #[inline]
    pub(super) fn notify_item(
        &mut self,
        class: EventClass,
        name: &'static str,
        db: usize,
        of: u32,
    ) {
        if self.wants_event(class) {
            let key = self.key_bytes(Item(of)).into();
            self.events.list.push(Event { name, db, key });
        }
        if self.journaled.wants(class) {
            let key: Box<[u8]> = self.key_bytes(Item(of)).into();
            self.journaled.note(class, name, db, &key);
        }
    }

    /// Does something of which one class of events is not recorded, because it is no news.
    pub fn without_event<R>(&mut self, class: EventClass, act: impl FnOnce(&mut Engine) -> R) -> R {
        let wanted = self.events.wanted;
        self.events.wanted = wanted.without(class);
        let result = act(self);
        self.events.wanted = wanted;
        result
    }

    /// Whether anything was recorded.
    #[inline]
    pub fn has_events(&self) -> bool {
        !self.events.list.is_empty()
    }

    /// What was recorded, in its order.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events.list)
    }

    /// Adds what was recorded elsewhere.
    pub fn add_events(&mut self, events: Vec<Event>) {
        self.events.list.extend(events);
    }
}

impl Events {
    #[cold]
    fn push(&mut self, name: &'static str, db: usize, key: &[u8]) {
        let key = key.into();
        self.list.push(Event { name, db, key });
    }
}
