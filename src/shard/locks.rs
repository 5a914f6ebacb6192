//! Locks on this shard's keys: who holds which, and who waits for them in the order in which they came.
//!
//! Pure: it is told of claims and releases and says who may go on. It knows hashes, not keys; two keys of one hash exclude each other, which costs time and
//! nothing else. While nobody holds anything, which is nearly always, a command pays one comparison.
//! The decision worth knowing: a claim takes its place in the queues of all its keys at once and does not overtake one that came before it and excludes it, so claims of one
//! shard wait for earlier ones only. Only who must not wait, because others may be waiting for him, goes ahead of those who do ([`Locks::claim_ahead`]). Transactions over several shards claim at one shard after the other, in ascending order. Hence nobody waits for himself
//! in a circle, and nobody waits for ever.

use foldhash::quality::FixedState;
use foldhash::{HashMap, HashSet};
use std::collections::BTreeMap;
use std::hash::BuildHasher;

/// All shards hash the keys they lock alike. Who made keys collide would only make his own commands wait.
const SEED: u64 = 0x746f_7263;

/// What is claimed: a key, whatever its database, or something that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place(u64, u64);

const KEYS: u64 = 0;
/// The shard as a whole.
const WHOLE: Place = Place(u64::MAX, 0);
/// One client's order of writes; the shard it is connected to is subtracted.
const CLIENTS: u64 = u64::MAX - 1;

impl Place {
    /// A key.
    pub fn key(bytes: &[u8]) -> Place {
        Place(KEYS, FixedState::with_seed(SEED).hash_one(bytes))
    }

    /// The requests of one client, which are executed in their order even when one of them has to wait.
    pub fn client(shard: usize, token: u64) -> Place {
        Place(CLIENTS - shard as u64, token)
    }

    fn is_key(self) -> bool {
        self.0 == KEYS
    }
}

/// How much a claim excludes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Mode {
    /// Others may read too.
    Read,
    /// Nobody else may do anything.
    Write,
}

/// What somebody needs of a shard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Claims {
    /// All of it.
    pub whole: Option<Mode>,
    /// Keys.
    pub places: Vec<(Place, Mode)>,
}

impl Claims {
    /// Nothing.
    pub fn is_empty(&self) -> bool {
        self.whole.is_none() && self.places.is_empty()
    }

    /// Whether they are no more than these places.
    pub fn are_all_in(&self, held: &HashSet<Place>) -> bool {
        self.whole.is_none() && self.places.iter().all(|(place, _)| held.contains(place))
    }

    /// Whether some of it is claimed for writing.
    pub fn write(&self) -> bool {
        self.whole == Some(Mode::Write) || self.writes_keys()
    }

    /// A client's place is no data: who only claims that beside what it reads does not write.
    fn writes_keys(&self) -> bool {
        let mut places = self.places.iter();
        places.any(|(place, mode)| *mode == Mode::Write && place.is_key())
    }

    /// Adds a key.
    pub fn add(&mut self, place: Place, mode: Mode) {
        self.places.push((place, mode));
    }

    /// Adds the whole shard.
    pub fn add_whole(&mut self, mode: Mode) {
        self.whole = self.whole.max(Some(mode));
    }

    /// Each place once, with the strongest of what is claimed of it.
    fn entries(&self) -> Vec<(Place, Strength)> {
        let whole = match self.whole {
            Some(Mode::Write) => Strength::Write,
            Some(Mode::Read) if self.writes_keys() => Strength::Write,
            Some(Mode::Read) => Strength::Read,
            None if self.writes_keys() => Strength::IntendsToWrite,
            None => Strength::IntendsToRead,
        };
        let mut entries: Vec<(Place, Strength)> = Vec::with_capacity(self.places.len() + 1);
        entries.push((WHOLE, whole));
        if self.whole.is_some() {
            return entries;
        }
        for &(place, mode) in &self.places {
            let strength = match mode {
                Mode::Read => Strength::Read,
                Mode::Write => Strength::Write,
            };
            entries.push((place, strength));
        }
        entries.sort_by_key(|&(place, strength)| (place.0, place.1, std::cmp::Reverse(strength)));
        entries.dedup_by_key(|&mut (place, _)| place);
        entries
    }
}

/// What a claim does to others at one place. Intentions are claims of the whole shard by those who claim some of its keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Strength {
    IntendsToRead,
    IntendsToWrite,
    Read,
    Write,
}

impl Strength {
    fn excludes(self, other: Strength) -> bool {
        use Strength::{IntendsToRead, IntendsToWrite, Read, Write};
        match (self, other) {
            (Write, _) | (_, Write) => true,
            (Read, IntendsToWrite) | (IntendsToWrite, Read) => true,
            (Read, Read) => false,
            (IntendsToRead | IntendsToWrite, IntendsToRead | IntendsToWrite) => false,
            (Read, IntendsToRead) | (IntendsToRead, Read) => false,
        }
    }
}

/// A claim's number; later ones are greater, and those that go ahead of all that wait are negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(i64);

#[derive(Debug, Clone, Copy)]
struct Entry {
    strength: Strength,
    is_granted: bool,
}

/// Those who have claimed one place, in the order in which they came.
#[derive(Debug, Default)]
struct Queue {
    entries: BTreeMap<Ticket, Entry>,
    waiting: usize,
    /// Claims that are more than intentions.
    strong: usize,
}

impl Queue {
    /// Whether a newcomer has to wait.
    fn excludes(&self, strength: Strength) -> bool {
        let is_weak = strength <= Strength::IntendsToWrite;
        if is_weak && self.strong == 0 {
            return false;
        }
        let mut entries = self.entries.values();
        entries.any(|entry| entry.strength.excludes(strength))
    }

    /// The tickets that may have this place now that one has left.
    fn grant(&mut self) -> Vec<Ticket> {
        let mut granted = Vec::new();
        if self.waiting == 0 {
            return granted;
        }
        let mut before: Vec<Strength> = Vec::new();
        for (&ticket, entry) in &mut self.entries {
            if before
                .iter()
                .any(|earlier| earlier.excludes(entry.strength))
            {
                if entry.strength == Strength::Write {
                    break;
                }
            } else if !entry.is_granted {
                entry.is_granted = true;
                self.waiting -= 1;
                granted.push(ticket);
            }
            if !before.contains(&entry.strength) {
                before.push(entry.strength);
            }
            if before.contains(&Strength::Write) {
                break;
            }
        }
        granted
    }
}

#[derive(Debug)]
struct Claimed<W> {
    places: Vec<(Place, Strength)>,
    /// Places that it does not have yet.
    missing: usize,
    /// Who waits.
    waiter: Option<W>,
}

/// What came of a claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is held until it is released.
    Held(Ticket),
    /// It waits in the queues; [`Locks::release`] will give back who waits.
    Waits(Ticket),
}

/// See the module. `W` is whoever waits.
#[derive(Debug)]
pub struct Locks<W> {
    claims: HashMap<Ticket, Claimed<W>>,
    queues: HashMap<Place, Queue>,
    last: i64,
    /// The last that went ahead.
    ahead: i64,
}

impl<W> Default for Locks<W> {
    fn default() -> Locks<W> {
        Locks {
            claims: HashMap::default(),
            queues: HashMap::default(),
            last: 0,
            ahead: 0,
        }
    }
}

impl<W> Locks<W> {
    /// Whether nobody claims anything.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.claims.is_empty()
    }

    /// Claims, held and waiting.
    pub fn len(&self) -> usize {
        self.claims.len()
    }

    /// Whether somebody has claimed what excludes these.
    pub fn exclude(&self, claims: &Claims) -> bool {
        let mut entries = claims.entries().into_iter();
        entries.any(|(place, strength)| {
            let queue = self.queues.get(&place);
            queue.is_some_and(|queue| queue.excludes(strength))
        })
    }

    /// Claims something for somebody, who waits behind all who came before and exclude it.
    pub fn claim(&mut self, claims: &Claims, waiter: W) -> Outcome {
        self.last += 1;
        let ticket = Ticket(self.last);
        let places = claims.entries();
        let mut missing = 0;
        for &(place, strength) in &places {
            let queue = self.queues.entry(place).or_default();
            let is_granted = !queue.excludes(strength);
            missing += usize::from(!is_granted);
            queue.waiting += usize::from(!is_granted);
            queue.strong += usize::from(strength > Strength::IntendsToWrite);
            let entry = Entry {
                strength,
                is_granted,
            };
            queue.entries.insert(ticket, entry);
        }
        let claimed = Claimed {
            places,
            missing,
            waiter: (missing > 0).then_some(waiter),
        };
        self.claims.insert(ticket, claimed);
        if missing > 0 {
            Outcome::Waits(ticket)
        } else {
            Outcome::Held(ticket)
        }
    }

    /// Whether somebody waits for the whole shard, and for a key, of those that are claimed with this ticket, which is held.
    pub fn awaited(&self, ticket: Ticket) -> (bool, bool) {
        let places = self.claims.get(&ticket).map(|claimed| &claimed.places);
        let mut awaited = (false, false);
        for (place, _) in places.into_iter().flatten() {
            let waits = self
                .queues
                .get(place)
                .is_some_and(|queue| queue.waiting > 0);
            awaited.0 |= waits && *place == WHOLE;
            awaited.1 |= waits && *place != WHOLE;
        }
        awaited
    }

    /// The claims that are held and exclude these.
    pub fn excluders(&self, claims: &Claims) -> HashSet<Ticket> {
        let mut tickets = HashSet::default();
        for (place, strength) in claims.entries() {
            let queue = self.queues.get(&place);
            let entries = queue.into_iter().flat_map(|queue| &queue.entries);
            let excluding = entries.filter(|(ticket, entry)| {
                entry.strength.excludes(strength) && self.claims[ticket].missing == 0
            });
            tickets.extend(excluding.map(|(ticket, _)| *ticket));
        }
        tickets
    }

    /// Claims something for somebody who must not wait, ahead of all who do: they may be waiting for him. None: others hold it.
    pub fn claim_ahead(&mut self, claims: &Claims) -> Option<Ticket> {
        if !self.excluders(claims).is_empty() {
            return None;
        }
        self.ahead -= 1;
        let ticket = Ticket(self.ahead);
        let places = claims.entries();
        for &(place, strength) in &places {
            let queue = self.queues.entry(place).or_default();
            for (other, entry) in &mut queue.entries {
                if entry.is_granted && entry.strength.excludes(strength) {
                    // It waits at another place, and now at this one too.
                    entry.is_granted = false;
                    queue.waiting += 1;
                    let waiting = self.claims.get_mut(other).expect("it is in a queue");
                    waiting.missing += 1;
                }
            }
            queue.strong += usize::from(strength > Strength::IntendsToWrite);
            let entry = Entry {
                strength,
                is_granted: true,
            };
            queue.entries.insert(ticket, entry);
        }
        let claimed = Claimed {
            places,
            missing: 0,
            waiter: None,
        };
        self.claims.insert(ticket, claimed);
        Some(ticket)
    }

    /// Those who wait. Their claims remain until they are released.
    pub fn take_waiters(&mut self) -> Vec<(Ticket, W)> {
        let waiters = self.claims.iter_mut();
        let mut waiters: Vec<(Ticket, W)> = waiters
            .filter_map(|(ticket, claimed)| Some((*ticket, claimed.waiter.take()?)))
            .collect();
        waiters.sort_by_key(|(ticket, _)| *ticket);
        waiters
    }

    /// Ends a claim, held or not: those who hold theirs from now on, in the order in which they came.
    pub fn release(&mut self, ticket: Ticket) -> Vec<(Ticket, W)> {
        let claimed = self.claims.remove(&ticket).expect("a claim ends once");
        let mut freed = Vec::new();
        for (place, strength) in claimed.places {
            let queue = self.queues.get_mut(&place).expect("it was claimed");
            let entry = queue.entries.remove(&ticket).expect("it was claimed");
            queue.waiting -= usize::from(!entry.is_granted);
            queue.strong -= usize::from(strength > Strength::IntendsToWrite);
            if queue.entries.is_empty() {
                self.queues.remove(&place);
                continue;
            }
            for granted in queue.grant() {
                let claimed = self.claims.get_mut(&granted).expect("it is in a queue");
                claimed.missing -= 1;
                // One whose waiter was taken is about to be released.
                if claimed.missing == 0
                    && let Some(waiter) = claimed.waiter.take()
                {
                    freed.push((granted, waiter));
                }
            }
        }
        freed.sort_by_key(|(ticket, _)| *ticket);
        freed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::random::Random;

    fn place(number: u64) -> Place {
        Place(KEYS, number)
    }

    fn claims(whole: Option<Mode>, places: &[(u64, Mode)]) -> Claims {
        Claims {
            whole,
            places: places.iter().map(|&(at, mode)| (place(at), mode)).collect(),
        }
    }

    fn names(freed: Vec<(Ticket, &'static str)>) -> Vec<&'static str> {
        freed.into_iter().map(|(_, name)| name).collect()
    }

    #[test]
    fn nobody_overtakes_who_excludes_him() {
        use Mode::{Read, Write};
        let mut locks = Locks::default();
        let Outcome::Held(first) = locks.claim(&claims(None, &[(1, Write), (2, Read)]), "first")
        else {
            panic!("nobody holds anything");
        };
        assert!(matches!(
            locks.claim(&claims(None, &[(2, Read)]), "reads with it"),
            Outcome::Held(_)
        ));
        assert!(locks.exclude(&claims(None, &[(1, Read)])));
        assert!(!locks.exclude(&claims(None, &[(3, Write)])));
        let Outcome::Waits(second) = locks.claim(&claims(None, &[(1, Read), (3, Write)]), "second")
        else {
            panic!("1 is being written");
        };
        let Outcome::Waits(third) = locks.claim(&claims(None, &[(3, Read)]), "third") else {
            panic!("the second was first at 3");
        };
        let Outcome::Waits(all) = locks.claim(&claims(Some(Write), &[]), "all") else {
            panic!("others hold keys");
        };
        assert!(
            locks.exclude(&claims(None, &[(9, Read)])),
            "who claims all was here first"
        );
        assert_eq!(names(locks.release(first)), ["second"]);
        assert_eq!(names(locks.release(second)), ["third"]);
        assert!(locks.release(third).is_empty());
        assert!(locks.release(Ticket(2)).len() == 1);
        assert!(locks.release(all).is_empty());
        assert!(locks.is_empty() && locks.queues.is_empty());
    }

    #[test]
    fn who_leaves_the_queue_frees_those_behind() {
        use Mode::{Read, Write};
        let mut locks = Locks::default();
        let Outcome::Held(reader) = locks.claim(&claims(None, &[(1, Read)]), "reader") else {
            panic!("nobody holds anything");
        };
        let Outcome::Waits(writer) = locks.claim(&claims(None, &[(1, Write)]), "writer") else {
            panic!("it is being read");
        };
        assert!(matches!(
            locks.claim(&claims(None, &[(1, Read)]), "late reader"),
            Outcome::Waits(_)
        ));
        assert_eq!(names(locks.release(writer)), ["late reader"]);
        locks.release(reader);
        let mut locks = Locks::default();
        let whole = locks.claim(&claims(Some(Read), &[]), "dump");
        assert!(!locks.exclude(&claims(None, &[(1, Read)])));
        assert!(locks.exclude(&claims(None, &[(1, Read), (2, Write)])));
        assert!(locks.exclude(&claims(Some(Read), &[(2, Write)])));
        let Outcome::Held(whole) = whole else {
            panic!("nobody holds anything");
        };
        locks.claim(&claims(None, &[(1, Write)]), "write");
        assert_eq!(names(locks.release(whole)), ["write"]);
    }

    /// Random claims and releases: those who hold never exclude each other, nobody who could hold waits, and all come to their turn.
    #[test]
    fn random_claims_exclude_and_end() {
        for seed in 0..300 {
            let mut random = Random::new(seed);
            let mut locks: Locks<u64> = Locks::default();
            // In order of arrival: the claims, and whether held.
            let mut model: Vec<(Ticket, Claims, bool)> = Vec::new();
            for step in 0..120 {
                if step < 80 && random.below(8) == 0 {
                    let mut wanted = Claims::default();
                    for _ in 0..1 + random.below(2) {
                        wanted.add(place(random.below(5) as u64), Mode::Write);
                    }
                    let own = wanted.entries();
                    let is_held = model.iter().any(|(_, claims, is_held)| {
                        *is_held
                            && claims.entries().iter().any(|(place, strength)| {
                                own.iter()
                                    .any(|(own, wanted)| own == place && wanted.excludes(*strength))
                            })
                    });
                    let ticket = locks.claim_ahead(&wanted);
                    assert_eq!(ticket.is_none(), is_held, "seed {seed} step {step}");
                    if let Some(ticket) = ticket {
                        model.insert(0, (ticket, wanted, true));
                    }
                } else if step < 80 && random.below(2) == 0 {
                    let mode = |random: &mut Random| match random.below(2) {
                        0 => Mode::Read,
                        _ => Mode::Write,
                    };
                    let mut wanted = Claims::default();
                    if random.below(12) == 0 {
                        wanted.add_whole(mode(&mut random));
                    }
                    for _ in 0..random.below(4) {
                        wanted.add(place(random.below(5) as u64), mode(&mut random));
                    }
                    let excluded = locks.exclude(&wanted);
                    match locks.claim(&wanted, step) {
                        Outcome::Held(ticket) => {
                            assert!(!excluded, "seed {seed}");
                            model.push((ticket, wanted, true));
                        }
                        Outcome::Waits(ticket) => {
                            assert!(excluded, "seed {seed}");
                            model.push((ticket, wanted, false));
                        }
                    }
                } else if !model.is_empty() {
                    let held: Vec<usize> = (0..model.len()).filter(|&at| model[at].2).collect();
                    let at = held[random.below(held.len())];
                    let (ticket, _, _) = model.remove(at);
                    for (freed, _) in locks.release(ticket) {
                        let entry = model.iter_mut().find(|entry| entry.0 == freed);
                        entry.expect("it waited").2 = true;
                    }
                }
                for at in 0..model.len() {
                    let own = model[at].1.entries();
                    let clashes = |other: &(Ticket, Claims, bool)| {
                        other.1.entries().iter().any(|(place, strength)| {
                            own.iter()
                                .any(|(own, wanted)| own == place && wanted.excludes(*strength))
                        })
                    };
                    let may_hold = !model[..at].iter().any(clashes);
                    assert_eq!(model[at].2, may_hold, "seed {seed} step {step} claim {at}");
                }
            }
            while let Some(at) = model.iter().position(|entry| entry.2) {
                let (ticket, _, _) = model.remove(at);
                for (freed, _) in locks.release(ticket) {
                    let entry = model.iter_mut().find(|entry| entry.0 == freed);
                    entry.expect("it waited").2 = true;
                }
            }
            assert!(model.is_empty() && locks.is_empty(), "seed {seed}");
        }
    }
}
