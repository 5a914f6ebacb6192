//! The workload of all other commands: strings, sets and lists on keys of different shards, changed and read by commands on one and on several keys,
//! alone, in MULTI and EXEC, behind WATCH and in scripts. It runs in segments, each short enough for the search of `search.rs`, each with keys of its
//! own.

use crate::history::{Clock, How, NEVER, Outcome, Transaction};
use crate::search::{Verdict, judge};
use crate::session::{Cheat, Death, Party, Plan, Session};
use crate::step::{End, Key, Step};
use crate::subject::Abilities;
use crate::support::random::Random;
use crate::support::slots::name_in;
use std::net::SocketAddr;
use std::sync::atomic::AtomicU32;
use std::sync::{Barrier, Mutex};

const CLIENTS: usize = 6;
/// Transactions of a client in a segment.
const SHARE: usize = 12;
/// Keys of each type.
const STRINGS: u32 = 4;
const LISTS: u32 = 2;
const SETS: u32 = 3;
const KEYS: u32 = STRINGS + LISTS + SETS;
/// Sets have few members, so that moves meet each other.
const MEMBERS: u64 = 3;
/// One in so many segments may stay undecided.
const UNDECIDED: u64 = 50;

/// What is different from run to run.
#[derive(Clone, Copy)]
pub struct Variant {
    pub abilities: Abilities,
    /// Some strings expire within milliseconds.
    pub expiry: bool,
    pub cheat: Option<Cheat>,
}

/// Values never repeat: each writer counts its own, in steps that INCRBY never bridges.
struct Writer {
    random: Random,
    next_value: i64,
    variant: Variant,
    /// Which type the segment is mostly about, in percent for strings, then lists.
    strings: u64,
    lists: u64,
}

impl Writer {
    fn value(&mut self) -> i64 {
        self.next_value += 1000;
        self.next_value
    }

    fn string(&mut self) -> Key {
        self.random.below(u64::from(STRINGS)) as Key
    }

    fn list(&mut self) -> Key {
        STRINGS + self.random.below(u64::from(LISTS)) as Key
    }

    fn set(&mut self) -> Key {
        STRINGS + LISTS + self.random.below(u64::from(SETS)) as Key
    }

    fn member(&mut self) -> i64 {
        self.random.below(MEMBERS) as i64
    }

    fn end(&mut self) -> End {
        *self.random.pick(&[End::Left, End::Right])
    }

    fn some(&mut self, key: impl Fn(&mut Writer) -> Key) -> Vec<Key> {
        let count = 2 + self.random.below(2);
        (0..count).map(|_| key(self)).collect()
    }

    /// Strings with values for them, no string twice: which of two values stays is not what is tested.
    fn pairs(&mut self) -> Vec<(Key, i64)> {
        let mut keys = self.some(Writer::string);
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().map(|key| (key, self.value())).collect()
    }

    fn step(&mut self) -> Step {
        match self.random.below(100) {
            of if of < self.strings => self.step_of_strings(),
            of if of < self.strings + self.lists => self.step_of_lists(),
            _ => self.step_of_sets(),
        }
    }

    fn step_of_strings(&mut self) -> Step {
        let key = self.string();
        if self.variant.expiry && self.random.chance(20) {
            let lifetime_ms = *self.random.pick(&[1, 2, 3, 100_000]);
            return Step::SetFor(key, self.value(), lifetime_ms);
        }
        match self.random.below(100) {
            0..=11 => Step::Get(key),
            12..=36 => Step::GetMany(self.some(Writer::string)),
            37..=46 => Step::Set(key, self.value()),
            47..=66 => Step::SetMany(self.pairs()),
            67..=71 => Step::SetManyIfNone(self.pairs()),
            72..=75 => Step::GetSet(key, self.value()),
            76..=78 => Step::GetDelete(key),
            79..=81 => Step::SetIf(key, self.value(), self.random.chance(50)),
            82..=85 => Step::Increase(key, 1 + self.member()),
            86..=88 => Step::Delete(self.some(Writer::string)),
            89..=91 => Step::Exists(self.some(Writer::string)),
            92..=95 => Step::Rename(key, self.string()),
            96 | 97 => Step::RenameIfNone(key, self.string()),
            _ => {
                // To itself COPY refuses to copy.
                Step::Copy(key, (key + 1) % STRINGS)
            }
        }
    }

    fn step_of_lists(&mut self) -> Step {
        let key = self.list();
        match self.random.below(100) {
            0..=24 => Step::Push(key, self.end(), self.value()),
            25..=34 => Step::Pop(key, self.end()),
            35..=64 => Step::Range(key),
            65..=89 => Step::MoveElement(key, self.list(), self.end(), self.end()),
            90..=94 => Step::Rename(key, self.list()),
            _ => Step::Delete(self.some(Writer::list)),
        }
    }

    fn step_of_sets(&mut self) -> Step {
        let key = self.set();
        match self.random.below(100) {
            0..=14 => Step::AddMember(key, self.member()),
            15..=21 => Step::RemoveMember(key, self.member()),
            22..=36 => Step::Members(key),
            37..=61 => Step::MoveMember(key, self.set(), self.member()),
            62..=81 => Step::Union(self.some(Writer::set)),
            82..=88 => Step::StoreUnion(key, self.some(Writer::set)),
            89..=93 => Step::StoreIntersection(key, self.some(Writer::set)),
            94..=96 => Step::Rename(key, self.set()),
            _ => Step::Copy(key, STRINGS + LISTS + (key - STRINGS - LISTS + 1) % SETS),
        }
    }

    fn plan(&mut self) -> Plan {
        let abilities = self.variant.abilities;
        let how = match self.random.below(10) {
            0 | 1 if abilities.exec => How::Exec,
            2 if abilities.eval => How::Script,
            3 if abilities.eval => How::ScriptUndeclared,
            _ => How::Plain,
        };
        let count = if how == How::Plain {
            1
        } else {
            1 + self.random.below(3)
        };
        let steps = (0..count).map(|_| self.step()).collect();
        Plan { how, steps }
    }

    /// What one client does in a segment.
    fn run(&mut self, session: &mut Session, party: &Party<'_>) -> Vec<Transaction> {
        let mut history = Vec::new();
        while history.len() < SHARE {
            if self.variant.abilities.exec && self.random.chance(10) {
                let reads = vec![Step::Get(self.string()), Step::Get(self.string())];
                let writes = match self.random.chance(50) {
                    true => vec![Step::SetMany(self.pairs())],
                    false => vec![
                        Step::Set(self.string(), self.value()),
                        Step::Increase(self.string(), 1),
                    ],
                };
                history.extend(session.run_watched(party, reads, |_| writes));
                continue;
            }
            let count = if self.random.chance(60) {
                1
            } else {
                1 + self.random.below(4)
            };
            let plans: Vec<Plan> = (0..count).map(|_| self.plan()).collect();
            let death = match self.random.below(200) {
                0 => Some(Death::Cut),
                1 => Some(Death::Unread(self.random.below(count) as usize)),
                _ => None,
            };
            history.extend(session.run(party, plans, death));
        }
        history
    }
}

/// Runs so many transactions and judges them: what is wrong with them, or None.
pub fn run(address: SocketAddr, variant: Variant, seed: u64, transactions: u64) -> Option<String> {
    let connections = AtomicU32::new(0);
    let segments = transactions.div_ceil((CLIENTS * SHARE) as u64);
    let mut undecided = 0;
    let mut sessions: Vec<Session> = Vec::new();
    for segment in 0..segments {
        let part = |key: u32| name_in(&format!("register.{segment}.{key}"), key, KEYS);
        let names: Vec<String> = (0..KEYS).map(part).collect();
        let party = Party {
            address,
            clock: Clock::start(),
            names: &names,
            cheat: variant.cheat,
            connections: &connections,
        };
        while sessions.len() < CLIENTS {
            sessions.push(Session::connect(&party, sessions.len() % 2 == 1));
        }
        let (strings, lists) = *[(100, 0), (0, 0), (0, 100), (50, 20)]
            .get(segment as usize % 6)
            .unwrap_or(&(100, 0));
        let history = Mutex::new(Vec::new());
        let together = Barrier::new(CLIENTS);
        std::thread::scope(|scope| {
            for (client, session) in sessions.iter_mut().enumerate() {
                let random = Random::new(
                    (seed ^ (client as u64 + 1).wrapping_mul(0x5851_f42d_4c95_7f2d))
                        .wrapping_add(segment),
                );
                let mut writer = Writer {
                    random,
                    next_value: (client as i64 + 1) * 1_000_000,
                    variant,
                    strings,
                    lists,
                };
                let (party, history, together) = (&party, &history, &together);
                scope.spawn(move || {
                    together.wait();
                    let of_client = writer.run(session, party);
                    history
                        .lock()
                        .expect("no client panicked")
                        .extend(of_client);
                });
            }
        });
        let history = history.into_inner().expect("no client panicked");
        match judge(&history, &names, variant.abilities.order) {
            Verdict::Serializable => {}
            Verdict::Undecided => undecided += 1,
            Verdict::Violated(report) => return Some(report),
        }
        let delete = Plan {
            how: How::Plain,
            steps: vec![Step::Delete((0..KEYS).collect())],
        };
        let cleared = sessions[0].run(&party, vec![delete], None);
        assert!(
            matches!(cleared[0].outcome, Outcome::Happened(_)) && cleared[0].return_ns != NEVER
        );
    }
    println!(
        "registers: {segments} segments of {} transactions, {undecided} of them undecided; no violation",
        CLIENTS * SHARE
    );
    assert!(
        undecided * UNDECIDED <= segments,
        "the search gives up too often: {undecided} of {segments} segments"
    );
    None
}
