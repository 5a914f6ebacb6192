//! The main workload: clients append unique elements to a few lists and read them whole, alone, in MULTI and EXEC, behind WATCH and in scripts, while
//! connections die. `lists.rs` judges what they saw. A key is given up for a new one when its list is long, so that reads stay short.

use crate::history::{Clock, How, Outcome, Transaction};
use crate::lists;
use crate::session::{Cheat, Death, Party, Plan, Session};
use crate::step::{End, Key, Step};
use crate::subject::Abilities;
use crate::support::random::Random;
use crate::support::slots::name_in;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};

const CLIENTS: u64 = 8;
/// Lists in use at a time, spread over all slots.
const LISTS: u32 = 8;
/// Elements of a list before a new one takes its place.
const ELEMENTS: u32 = 40;
/// Transactions judged at a time, which bounds memory.
const ROUND: u64 = 6000;

/// What clients of a round share.
struct Round<'a> {
    party: Party<'a>,
    abilities: Abilities,
    generations: u32,
    /// Appends so far, by list.
    appends: Vec<AtomicU32>,
    elements: AtomicI64,
    transactions: AtomicU64,
    transactions_max: u64,
}

impl Round<'_> {
    fn key(&self, list: u32, appends: u32) -> Key {
        list * self.generations + (appends / ELEMENTS).min(self.generations - 1)
    }

    fn append(&self, random: &mut Random) -> Step {
        let list = random.below(u64::from(LISTS)) as u32;
        let appends = self.appends[list as usize].fetch_add(1, Ordering::Relaxed);
        let element = self.elements.fetch_add(1, Ordering::Relaxed);
        Step::Push(self.key(list, appends), End::Right, element)
    }

    fn read(&self, random: &mut Random) -> Step {
        let list = random.below(u64::from(LISTS)) as u32;
        Step::Range(self.key(list, self.appends[list as usize].load(Ordering::Relaxed)))
    }

    fn step(&self, random: &mut Random) -> Step {
        if random.chance(50) {
            self.append(random)
        } else {
            self.read(random)
        }
    }

    fn plan(&self, random: &mut Random) -> Plan {
        let how = match random.below(10) {
            0..=2 if self.abilities.exec => How::Exec,
            3 | 4 if self.abilities.eval => How::Script,
            5 | 6 if self.abilities.eval => How::ScriptUndeclared,
            _ => How::Plain,
        };
        let count = if how == How::Plain {
            1
        } else {
            1 + random.below(4)
        };
        let steps = (0..count).map(|_| self.step(random)).collect();
        Plan { how, steps }
    }

    fn next(&self, session: &mut Session, random: &mut Random) -> Vec<Transaction> {
        if self.abilities.exec && random.chance(15) {
            let reads = (0..=random.below(2)).map(|_| self.read(random)).collect();
            let writes = (0..=random.below(2)).map(|_| self.append(random)).collect();
            return session.run_watched(&self.party, reads, |_| writes);
        }
        // Without isolation a connection's requests on several shards take effect in any order, unless each waits for the one before.
        let count = match self.abilities.isolates && random.chance(50) {
            true => 1 + random.below(8),
            false => 1,
        };
        let plans: Vec<Plan> = (0..count).map(|_| self.plan(random)).collect();
        let death = match random.below(200) {
            0 => Some(Death::Cut),
            1 => Some(Death::Unread(random.below(count) as usize)),
            _ => None,
        };
        session.run(&self.party, plans, death)
    }
}

/// Runs so many transactions and judges them: what is wrong with them, or None.
pub fn run(
    address: SocketAddr,
    abilities: Abilities,
    seed: u64,
    transactions: u64,
    cheat: Option<Cheat>,
) -> Option<String> {
    let connections = AtomicU32::new(0);
    let (mut done, mut refused, mut unknown) = (0, 0, 0);
    for number in 0..transactions.div_ceil(ROUND) {
        let count = ROUND.min(transactions - done);
        let (history, names) = round(
            address,
            abilities,
            seed.wrapping_add(number),
            number,
            count,
            cheat,
            &connections,
        );
        let outcomes = |wanted: Outcome| {
            history
                .iter()
                .filter(|transaction| transaction.outcome == wanted)
                .count()
        };
        (refused, unknown) = (
            refused + outcomes(Outcome::Refused),
            unknown + outcomes(Outcome::Unknown),
        );
        if let Some(violation) = lists::violation(&history, &names, abilities.order) {
            return Some(violation);
        }
        done += count;
    }
    println!(
        "lists: {done} transactions, {refused} of them refused, {unknown} of unknown outcome; no violation"
    );
    None
}

fn round(
    address: SocketAddr,
    abilities: Abilities,
    seed: u64,
    number: u64,
    transactions_max: u64,
    cheat: Option<Cheat>,
    connections: &AtomicU32,
) -> (Vec<Transaction>, Vec<String>) {
    // At most two appends a transaction, in the mean.
    let generations = (transactions_max * 2) as u32 / LISTS / ELEMENTS + 2;
    let name = |key: u32| name_in(&format!("list.{number}.{key}"), key / generations, LISTS);
    let names: Vec<String> = (0..LISTS * generations).map(name).collect();
    let round = Round {
        party: Party {
            address,
            clock: Clock::start(),
            names: &names,
            cheat,
            connections,
        },
        abilities,
        generations,
        appends: (0..LISTS).map(|_| AtomicU32::new(0)).collect(),
        elements: AtomicI64::new(1),
        transactions: AtomicU64::new(0),
        transactions_max,
    };
    let mut history = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                scope.spawn({
                    let round = &round;
                    move || client_of(round, seed, client)
                })
            })
            .collect();
        let histories = clients
            .into_iter()
            .map(|client| client.join().expect("no client panicked"));
        histories.flatten().collect::<Vec<_>>()
    });
    let mut session = Session::connect(&round.party, false);
    let reads = (0..names.len() as Key).map(|key| Plan {
        how: How::Plain,
        steps: vec![Step::Range(key)],
    });
    let honest = Party {
        cheat: None,
        ..round.party
    };
    history.extend(session.run(&honest, reads.collect(), None));
    let delete = Plan {
        how: How::Plain,
        steps: vec![Step::Delete((0..names.len() as Key).collect())],
    };
    session.run(&honest, vec![delete], None);
    (history, names)
}

fn client_of(round: &Round<'_>, seed: u64, client: u64) -> Vec<Transaction> {
    let mut random = Random::new(seed ^ (client + 1).wrapping_mul(0x5851_f42d_4c95_7f2d));
    let mut session = Session::connect(&round.party, client % 2 == 1);
    let mut history = Vec::new();
    while round.transactions.load(Ordering::Relaxed) < round.transactions_max {
        let transactions = round.next(&mut session, &mut random);
        round
            .transactions
            .fetch_add(transactions.len() as u64, Ordering::Relaxed);
        history.extend(transactions);
    }
    history
}
