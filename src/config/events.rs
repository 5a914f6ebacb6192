//! `notify-keyspace-events`: the classes of events that clients may be told of, and the letters by which they are chosen.
//!
//! Never: events themselves, which the engine records and the server publishes.
//! The decision worth knowing: K and E say where an event is published, the other letters which events are; without K and without E there is none.

/// A class of events, or a place where they are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum EventClass {
    /// `g`: commands on keys of any type.
    Generic,
    /// `$`: commands on strings.
    String,
    /// `l`: commands on lists.
    List,
    /// `s`: commands on sets.
    Set,
    /// `h`: commands on hashes.
    Hash,
    /// `z`: commands on sorted sets.
    SortedSet,
    /// `x`: keys that have expired.
    Expired,
    /// `e`: keys that were evicted.
    Evicted,
    /// `t`: commands on streams.
    Stream,
    /// `d`: types of modules, of which there are none.
    Module,
    /// `n`: keys that were not there before.
    New,
    /// `K`: published to the channel of the key.
    Keyspace,
    /// `E`: published to the channel of the event.
    Keyevent,
    /// `m`: look-ups for reading that found no key.
    KeyMiss,
}

use EventClass::*;

/// The letters, in the order in which Redis shows them.
const LETTERS: [(char, EventClass); 14] = [
    ('g', Generic),
    ('$', String),
    ('l', List),
    ('s', Set),
    ('h', Hash),
    ('z', SortedSet),
    ('x', Expired),
    ('e', Evicted),
    ('t', Stream),
    ('d', Module),
    ('n', New),
    ('K', Keyspace),
    ('E', Keyevent),
    ('m', KeyMiss),
];
/// How many of them `A` stands for.
const ALL: usize = 10;

/// A set of classes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventClasses(u16);

impl EventClasses {
    /// Whether a class is among them.
    #[inline]
    pub fn has(self, class: EventClass) -> bool {
        self.0 & 1 << class as u8 != 0
    }

    /// With a class.
    pub fn with(self, class: EventClass) -> EventClasses {
        EventClasses(self.0 | 1 << class as u8)
    }

    /// Without a class.
    pub fn without(self, class: EventClass) -> EventClasses {
        EventClasses(self.0 & !(1 << class as u8))
    }

    /// Reads letters, of which each may stand any number of times.
    pub fn parse(text: &str) -> Result<EventClasses, std::string::String> {
        let mut classes = EventClasses::default();
        for letter in text.chars() {
            if letter == 'A' {
                classes = LETTERS[..ALL]
                    .iter()
                    .fold(classes, |classes, (_, class)| classes.with(*class));
                continue;
            }
            let found = LETTERS.iter().find(|(one, _)| *one == letter);
            let (_, class) =
                found.ok_or("Invalid event class character. Use 'Ag$lshzxeKEtmdn'.")?;
            classes = classes.with(*class);
        }
        Ok(classes)
    }

    /// The letters as CONFIG GET shows them.
    pub fn text(self) -> std::string::String {
        let (all, others) = LETTERS.split_at(ALL);
        let is_set = |(_, class): &&(char, EventClass)| self.has(*class);
        let letter = |(letter, _): &(char, EventClass)| *letter;
        let others = others.iter().filter(is_set).map(letter);
        if all.iter().all(|one| is_set(&one)) {
            ['A'].into_iter().chain(others).collect()
        } else {
            let some = all.iter().filter(is_set).map(letter);
            some.chain(others).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_read_and_shown_in_their_order() {
        for (text, shown) in [
            ("", ""),
            ("KEA", "AKE"),
            ("AKE", "AKE"),
            ("EK", "KE"),
            ("Ex", "xE"),
            ("Kmxn$g", "g$xnKm"),
            ("g$lshzxetdK", "AK"),
            ("g$lshzxetK", "g$lshzxetK"),
            ("KK", "K"),
            ("Am", "Am"),
            ("KEAmn", "AnKEm"),
        ] {
            let classes = EventClasses::parse(text).expect(text);
            assert_eq!(classes.text(), shown, "{text}");
            assert_eq!(EventClasses::parse(shown), Ok(classes));
        }
        for text in ["a", "KEA ", "Ke!", "ä", "o"] {
            assert!(EventClasses::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_leaves_out_what_would_be_too_much() {
        let all = EventClasses::parse("A").expect("a letter");
        for class in [New, KeyMiss, Keyspace, Keyevent] {
            assert!(!all.has(class), "{class:?}");
            assert!(all.with(class).has(class));
            assert_eq!(all.with(class).without(class), all);
        }
    }
}
