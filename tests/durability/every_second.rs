//! `kill -9` while clients write with `appendfsync everysec`: only what was acknowledged within the last moments may be missing, and what is there is on each shard the
//! beginning of what each client did. Operations on several shards are on all of them or on none.

use crate::client::{Writer, addresses};
use crate::model::{Expiry, State, Value, agrees, difference};
use crate::running::Place;
use crate::snapshot;
use crate::support::random::{Random, seed};
use crate::support::slots::shard_of;
use crate::{is_skipped, rounds};
use std::time::{Duration, Instant};

/// What was acknowledged longer than this before the end must be there.
const LOST_MAX: Duration = Duration::from_millis(1500);

/// What a client's operations made of one shard.
#[derive(Default)]
struct Past {
    /// Which operations changed it.
    changed_by: Vec<usize>,
    /// How many of them had to be there.
    required: usize,
    /// How many of them may be what is there.
    candidates: Vec<usize>,
}

impl Past {
    fn includes(&self, operation: usize, count: usize) -> bool {
        let before = self.changed_by[..count].binary_search(&operation);
        before.is_ok()
    }
}

/// A client's operations as each shard saw them, while they are gone through again.
struct Story<'a> {
    observed: &'a State,
    state: State,
    operations: usize,
    pasts: Vec<Past>,
}

impl Story<'_> {
    /// Whether a shard's keys in the present state are what was observed.
    fn is_observed(&self, shard: usize) -> bool {
        let shards = self.pasts.len();
        let is_here = |entry: &(&String, &(Value, Expiry))| shard_of(entry.0, shards) == shard;
        let here = self.state.iter().filter(is_here);
        let agree = here.clone().all(|(name, wanted)| {
            let found = self.observed.get(name);
            found.is_some_and(|found| agrees(wanted, found))
        });
        agree && here.count() == self.observed.iter().filter(is_here).count()
    }

    fn begin(&mut self) {
        for shard in 0..self.pasts.len() {
            if self.is_observed(shard) {
                self.pasts[shard].candidates.push(0);
            }
        }
    }

    /// The next operation led to this state.
    fn step(&mut self, state: State, is_required: bool) {
        let shards = self.pasts.len();
        let before = std::mem::replace(&mut self.state, state);
        let names = before.keys().chain(self.state.keys());
        let mut changed = vec![false; shards];
        for name in names.filter(|name| before.get(*name) != self.state.get(*name)) {
            changed[shard_of(name, shards)] = true;
        }
        for shard in (0..shards).filter(|shard| changed[*shard]) {
            let is_observed = self.is_observed(shard);
            let past = &mut self.pasts[shard];
            past.changed_by.push(self.operations);
            let count = past.changed_by.len();
            if is_required {
                past.required = count;
            }
            if is_observed {
                past.candidates.push(count);
            }
        }
        self.operations += 1;
    }
}

/// Whether some choice of the shards' candidates has each operation on all its shards or on none.
fn fits(pasts: &[Past], chosen: &mut Vec<usize>) -> bool {
    let shard = chosen.len();
    if shard == pasts.len() {
        return true;
    }
    pasts[shard].candidates.iter().any(|count| {
        let agrees = (0..shard).all(|other| {
            pasts[other].changed_by.iter().all(|operation| {
                let is_shared = pasts[shard].changed_by.binary_search(operation).is_ok();
                !is_shared
                    || pasts[other].includes(*operation, chosen[other])
                        == pasts[shard].includes(*operation, *count)
            })
        });
        chosen.push(*count);
        let fits = agrees && fits(pasts, chosen);
        chosen.pop();
        fits
    })
}

fn check(writer: &Writer, observed: &State, killed: Instant, shards: usize) -> Result<(), String> {
    let mut endings = vec![None];
    if let Some(operation) = &writer.in_flight {
        let outcomes = operation.outcomes(&writer.state);
        endings.extend(outcomes.into_iter().map(Some));
    }
    let mut report = String::new();
    for ending in endings {
        let mut story = Story {
            observed,
            state: writer.at_start.clone(),
            operations: 0,
            pasts: (0..shards).map(|_| Past::default()).collect(),
        };
        story.begin();
        for answered in &writer.answered {
            let mut state = story.state.clone();
            for change in &answered.changes {
                change.apply(&mut state);
            }
            story.step(state, answered.at + LOST_MAX < killed);
        }
        let with = ending.is_some();
        if let Some(ending) = ending {
            story.step(ending, false);
        }
        for past in &mut story.pasts {
            let required = past.required;
            past.candidates.retain(|count| *count >= required);
        }
        if fits(&story.pasts, &mut Vec::new()) {
            return Ok(());
        }
        for (shard, past) in story.pasts.iter().enumerate() {
            report.push_str(&format!(
                "with what was in flight: {with}; on shard {shard} {} of {} operations had to be there, and these would fit: {:?}\n",
                past.required,
                past.changed_by.len(),
                past.candidates
            ));
        }
        let wrong = difference(&story.state, observed);
        report.push_str(&format!("against the last state: {wrong:?}\n"));
    }
    Err(format!("{report}{}", writer.told()))
}

fn survive(shards: usize) {
    if is_skipped() {
        return;
    }
    let seed = seed(&format!("crash of {shards} shards, every second"));
    let mut random = Random::new(seed);
    let place = Place::new(shards, &[("appendfsync", "everysec")]);
    let mut writers: Vec<Writer> = (0..4)
        .map(|number| Writer::new(&format!("c{number}:"), random.next()))
        .collect();
    let mut killed = Instant::now();
    let rounds = rounds() / 3;
    let mut answered = 0;
    for round in 0..=rounds {
        let running = place.start();
        let found = snapshot::state(&mut running.server.client());
        let mut known = 0;
        for writer in &mut writers {
            let own = writer.own(&found);
            answered += writer.answered.len();
            if let Err(wrong) = check(writer, &own, killed, shards) {
                panic!(
                    "TORC_TEST_SEED={seed}, round {round}, client {}:\n{wrong}",
                    writer.generator.prefix
                );
            }
            known += own.len();
            writer.go_on(own);
        }
        let names: Vec<&String> = found.keys().collect();
        assert_eq!(known, found.len(), "nobody wrote some of {names:?}");
        if round == rounds {
            break;
        }
        std::thread::scope(|scope| {
            for writer in &mut writers {
                let addresses = addresses(&running);
                scope.spawn(move || writer.write(addresses));
            }
            // This is the moment that is random, and not a wait for something to happen.
            std::thread::sleep(LOST_MAX + Duration::from_millis(random.below(600)));
            killed = Instant::now();
            running.kill();
        });
    }
    println!("{answered} operations were answered");
    assert!(answered > 100, "hardly anything ran");
}

#[test]
fn one_shard_loses_moments_at_most() {
    survive(1);
}

#[test]
fn three_shards_lose_moments_at_most() {
    survive(3);
}
