//! A whole comparison: servers up, loads in turns, memory of fresh servers, tables, record.

use crate::affinity;
use crate::args::CompareOptions;
use crate::case::{
    COLLECTIONS, CONSTANT, CollectionMemory, LOADS, Load, MEMCACHED, MEMORY, Protocol,
    SYSTEM_CALLS, TORC, Workload,
};
use crate::endpoint::{Endpoint, endpoints, takes_part};
use crate::memory;
use crate::record::Record;
use crate::report::{self, CollectionResult, LoadResult, MemoryResult, SystemCallsResult};
use crate::server::{self, Plan, Server};
use crate::slice::{self, Request, Sample, Until};
use crate::system_calls;
use loadgen::random::Random;
use loadgen::run::catch_interrupts;
use std::env;
use std::path::PathBuf;

/// Requests sent at once while servers are filled.
const FILL_PIPELINE: usize = 64;
/// Seconds of a load that shows whether a server has the commands of a workload.
const TRIAL_SECONDS: f64 = 0.1;

struct Comparison<'a> {
    options: &'a CompareOptions,
    server_core: usize,
    client_core: usize,
    plans: Vec<Plan>,
    record: Record,
}

/// Runs the comparison that the options describe.
///
/// # Errors
/// One sentence about what went wrong; all servers have been stopped then.
pub fn run(options: &CompareOptions) -> Result<(), String> {
    catch_interrupts();
    let mut comparison = Comparison::new(options)?;
    comparison.run_loads()?;
    comparison.run_memory()?;
    comparison.run_collections()?;
    let path = comparison.record.save(&options.output);
    let path = path.map_err(|error| {
        format!(
            "the record cannot be written to {}: {error}",
            options.output.display()
        )
    })?;
    println!("\n{}", report::LEGEND);
    println!("Raw numbers: {}", path.display());
    Ok(())
}

impl<'a> Comparison<'a> {
    fn new(options: &'a CompareOptions) -> Result<Comparison<'a>, String> {
        if !(options.seconds >= 0.01 && options.seconds <= 3600.0) {
            return Err(format!(
                "--seconds must be from 0.01 to 3600, not {}",
                options.seconds
            ));
        }
        let allowed = affinity::allowed()
            .map_err(|error| format!("the allowed cores cannot be read: {error}"))?;
        let core = |option: Option<usize>, default: usize| match option {
            Some(core) if !allowed.contains(&core) => Err(format!(
                "core {core} is not among the allowed ones, {allowed:?}"
            )),
            option => Ok(option.unwrap_or(default)),
        };
        let server_core = core(options.server_core, allowed[0])?;
        let client_core = core(options.client_core, allowed[allowed.len() - 1])?;
        if server_core == client_core {
            eprintln!(
                "bench: server and client share core {server_core}; processor time a request still compares, the rest does not"
            );
        }
        let plans = plans(options, &allowed, server_core, client_core)?;
        affinity::confine(&[client_core])
            .map_err(|error| format!("cannot use core {client_core}: {error}"))?;
        let record = Record::new(options, server_core, client_core);
        Ok(Comparison {
            options,
            server_core,
            client_core,
            plans,
            record,
        })
    }

    fn wants(&self, case: &str) -> bool {
        self.options.case.is_empty() || self.options.case.iter().any(|name| name == case)
    }

    fn request(&self, load: &'a Load, seed: u64) -> Request<'a> {
        Request {
            connections: self.options.connections,
            protocol: load.protocols[0],
            pipeline: load.pipeline,
            workload: load.workload,
            multi_get: load.multi_get,
            keys: self.options.keys,
            value_bytes: load.value_bytes(),
            ratio: load.ratio,
            core: self.client_core,
            seed,
        }
    }

    /// The cases for which all servers stay up.
    fn run_loads(&mut self) -> Result<(), String> {
        let servers: Vec<Server> = self
            .plans
            .iter()
            .map(Plan::start)
            .collect::<Result<_, _>>()?;
        let names: Vec<String> = servers
            .iter()
            .map(|server| format!("{} {}", server.name, server.version()))
            .collect();
        println!(
            "Server on core {}, client on core {}: {}",
            self.server_core,
            self.client_core,
            names.join(", ")
        );
        for (plan, server) in self.plans.iter().zip(&servers) {
            self.record.server(plan, &server.version());
        }
        let endpoints = endpoints(&self.plans);
        let wanted = LOADS.iter().filter(|load| self.wants(load.name));
        let loads: Vec<&Load> = wanted
            .filter(|load| !self.is_skipped(load, &endpoints))
            .collect();
        let count_calls = self.wants(SYSTEM_CALLS);
        let has_keys = count_calls || loads.iter().any(|load| load.workload.is_none());
        let filled = servers.iter().filter(|server| server.name != CONSTANT);
        for server in filled.filter(|_| has_keys) {
            eprintln!("filling {} with {} keys", server.name, self.options.keys);
            let request = Request {
                protocol: server.first_protocol(),
                pipeline: FILL_PIPELINE,
                ..self.request(&LOADS[0], self.options.seed)
            };
            slice::load(server, &request, Until::Filled)?;
        }
        let mut collections = Filled::default();
        for load in loads {
            let taking = self.ready(load, &servers, &endpoints, &mut collections)?;
            if taking.is_empty() {
                continue;
            }
            let result = self.run_load(load, &servers, &taking)?;
            print!("{}", report::load(&result));
            self.record.load(&result);
        }
        if count_calls {
            let result = self.run_system_calls(&servers)?;
            print!("{}", report::system_calls(&result));
            self.record.system_calls(&result);
        }
        Ok(())
    }

    /// Whether a case cannot be measured with these servers, which is then said.
    fn is_skipped(&self, load: &Load, endpoints: &[Endpoint]) -> bool {
        if !load.is_memcache() {
            return false;
        }
        let has = |name: &str| self.plans.iter().any(|plan| plan.name == name);
        let spoken = |place: usize| self.plans[place].protocols.contains(&Protocol::Text);
        let mut torcs = (0..self.plans.len()).filter(|place| self.plans[*place].name == TORC);
        let why = if torcs.any(|place| !spoken(place)) {
            "this torc does not speak memcached's protocols"
        } else if takes_part(load, endpoints).next().is_none() {
            "no server here speaks memcached's protocols"
        } else {
            if !has(MEMCACHED) {
                eprintln!("{}: without memcached, which is not measured", load.name);
            }
            return false;
        };
        eprintln!("{}: skipped: {why}", load.name);
        true
    }

    /// The endpoints that can be measured with a load, filled with the collections that it is about.
    fn ready<'b>(
        &self,
        load: &'static Load,
        servers: &[Server],
        endpoints: &'b [Endpoint],
        filled: &mut Filled,
    ) -> Result<Vec<&'b Endpoint>, String> {
        let taking = takes_part(load, endpoints);
        let Some(workload) = load.workload else {
            return Ok(taking.collect());
        };
        if filled.workload != Some(workload) {
            *filled = Filled {
                workload: Some(workload),
                refused: Vec::new(),
            };
            for server in servers.iter().filter(|server| has_commands(server)) {
                eprintln!("filling {} for {}", server.name, load.name);
                let is_refused = !self.does(load, FILL_PIPELINE, server, Until::Filled)?;
                if is_refused {
                    filled.refused.push(server.name.clone());
                }
            }
        }
        let mut can = Vec::new();
        for endpoint in taking {
            let server = &servers[endpoint.place];
            let until = Until::Seconds(TRIAL_SECONDS);
            if !filled.refused.contains(&server.name)
                && (!has_commands(server) || self.does(load, load.pipeline, server, until)?)
            {
                can.push(endpoint);
            }
        }
        Ok(can)
    }

    /// Whether a server does what a load asks for. What it refuses is said.
    fn does(
        &self,
        load: &'static Load,
        pipeline: usize,
        server: &Server,
        until: Until,
    ) -> Result<bool, String> {
        let request = Request {
            pipeline,
            ..self.request(load, self.options.seed)
        };
        let outcome = slice::send(server, &request, until)?;
        if let Some(refusal) = &outcome.stats.first_error {
            eprintln!("{}: without {}: {refusal}", load.name, server.name);
        }
        Ok(outcome.stats.first_error.is_none())
    }

    fn run_load(
        &self,
        load: &'static Load,
        servers: &[Server],
        endpoints: &[&Endpoint],
    ) -> Result<LoadResult, String> {
        let mut samples: Vec<Vec<Sample>> = endpoints.iter().map(|_| Vec::new()).collect();
        let mut random = Random::new(self.options.seed);
        for round in 0..self.options.rounds {
            eprintln!(
                "{}: round {} of {}",
                load.name,
                round + 1,
                self.options.rounds
            );
            // The same keys and values for every server of a round, others in every round.
            let request = self.request(load, random.bits() >> 1);
            for turn in shuffled(endpoints.len(), &mut random) {
                let Endpoint {
                    place, protocol, ..
                } = *endpoints[turn];
                samples[turn].push(slice::measure(
                    &servers[place],
                    &Request {
                        protocol,
                        ..request
                    },
                    self.options.seconds,
                    round,
                )?);
            }
        }
        let names = endpoints.iter().map(|endpoint| endpoint.name.clone());
        Ok(LoadResult {
            load: *load,
            servers: names.zip(samples).collect(),
        })
    }

    fn run_system_calls(&self, servers: &[Server]) -> Result<SystemCallsResult, String> {
        let mut counts = Vec::new();
        for server in servers
            .iter()
            .filter(|server| server.port(Protocol::Resp).is_some())
        {
            eprintln!("{SYSTEM_CALLS}: {}", server.name);
            let request = self.request(&LOADS[0], self.options.seed);
            counts.push((
                server.name.clone(),
                system_calls::count(server, &request, self.options.seconds)?,
            ));
        }
        Ok(SystemCallsResult { servers: counts })
    }

    /// The cases that need a fresh server for every reading.
    fn run_memory(&mut self) -> Result<(), String> {
        let mut results = Vec::new();
        for (case, value_bytes) in MEMORY {
            if !self.wants(case) {
                continue;
            }
            let endpoints: Vec<Endpoint> = endpoints(&self.plans)
                .into_iter()
                .filter(|endpoint| endpoint.name != CONSTANT)
                .collect();
            let mut servers: Vec<(String, Vec<f64>)> = endpoints
                .iter()
                .map(|endpoint| (endpoint.name.clone(), Vec::new()))
                .collect();
            for round in 0..self.options.memory_rounds {
                eprintln!(
                    "{case}: round {} of {}",
                    round + 1,
                    self.options.memory_rounds
                );
                let request = Request {
                    pipeline: FILL_PIPELINE,
                    value_bytes,
                    ..self.request(&LOADS[0], self.options.seed + u64::from(round))
                };
                for (endpoint, (_, overheads)) in endpoints.iter().zip(&mut servers) {
                    let request = Request {
                        protocol: endpoint.protocol,
                        ..request
                    };
                    let plan = &self.plans[endpoint.place];
                    overheads.push(memory::overhead_bytes(plan, &request)?);
                }
            }
            let result = MemoryResult {
                value_bytes,
                servers,
            };
            self.record.memory(&result);
            results.push(result);
        }
        print!("{}", report::memory(&results));
        Ok(())
    }

    /// Memory of collections: fresh servers too.
    fn run_collections(&mut self) -> Result<(), String> {
        let kinds = COLLECTIONS.iter().filter(|kind| self.wants(kind.name));
        for kind in kinds.collect::<Vec<_>>() {
            let result = self.run_collection(kind)?;
            print!("{}", report::collections(&result));
            self.record.collections(&result);
        }
        Ok(())
    }

    fn run_collection(&self, kind: &CollectionMemory) -> Result<CollectionResult, String> {
        let (count, rounds) = (self.options.collections, self.options.memory_rounds);
        let mut servers = Vec::new();
        for plan in &self.plans {
            if plan.name != CONSTANT && plan.protocols.contains(&Protocol::Resp) {
                servers.push((plan, Vec::new()));
            }
        }
        for round in 0..rounds {
            eprintln!("{}: round {} of {rounds}", kind.name, round + 1);
            let request = Request {
                workload: Some(Workload {
                    keys: Some(count),
                    ..kind.workload
                }),
                value_bytes: kind.workload.value_bytes,
                ..self.request(&LOADS[0], self.options.seed + u64::from(round))
            };
            let mut refused = Vec::new();
            for (plan, readings) in &mut servers {
                match memory::collection_bytes(plan, &request, count)? {
                    Ok(bytes) => readings.push(bytes),
                    Err(refusal) => {
                        eprintln!("{}: without {}: {refusal}", kind.name, plan.name);
                        refused.push(plan.name.clone());
                    }
                }
            }
            servers.retain(|(plan, _)| !refused.contains(&plan.name));
        }
        let servers = servers.into_iter();
        Ok(CollectionResult {
            kind: *kind,
            count,
            servers: servers
                .map(|(plan, bytes)| (plan.name.clone(), bytes))
                .collect(),
        })
    }
}

/// Whether a server has commands that it could refuse: the one that only answers takes everything and keeps nothing.
fn has_commands(server: &Server) -> bool {
    server.name != CONSTANT && server.port(Protocol::Resp).is_some()
}

/// What the servers were filled with last: the same collections do for loads of several pipelines.
#[derive(Default)]
struct Filled {
    workload: Option<Workload>,
    /// Servers that refused.
    refused: Vec<String>,
}

/// The servers to be measured, peers first.
fn plans(
    options: &CompareOptions,
    allowed: &[usize],
    server_core: usize,
    client_core: usize,
) -> Result<Vec<Plan>, String> {
    let one = || vec![server_core];
    let mut plans = Vec::new();
    for (name, program) in server::peers_found() {
        plans.push(Plan::redis_like(name.into(), program, Vec::new(), one()));
    }
    for text in &options.peer {
        plans.push(Plan::of_option(text, one())?);
    }
    match server::found(MEMCACHED) {
        Some(program) => plans.push(Plan::memcached(
            program,
            options.keys,
            options.connections,
            one(),
        )),
        None => eprintln!("there is no memcached on the PATH to compare with"),
    }
    let torc = match &options.torc {
        Some(path) => path.clone(),
        None => torc_beside_this_program()?,
    };
    let memcached = server::speaks_memcached(&torc);
    plans.push(Plan::torc(TORC.into(), torc.clone(), memcached, one()));
    if let Some(count) = options.shards {
        let cores = affinity::spread(allowed, server_core, client_core, count as usize);
        if cores.len() < count as usize {
            return Err(format!(
                "--shards {count} needs {count} cores, and {} are allowed",
                cores.len()
            ));
        }
        let name = format!("{TORC}-{count}-shards");
        plans.push(Plan::torc(name, torc, memcached, cores));
    }
    plans.push(
        Plan::constant(one()).map_err(|error| format!("this program cannot be found: {error}"))?,
    );
    if let Some(unknown) = options
        .server
        .iter()
        .find(|name| plans.iter().all(|plan| plan.name != **name))
    {
        let names: Vec<&str> = plans.iter().map(|plan| &plan.name[..]).collect();
        return Err(format!(
            "--server {unknown}: there are {}",
            names.join(", ")
        ));
    }
    if !options.server.is_empty() {
        plans.retain(|plan| options.server.contains(&plan.name));
    }
    let mut names: Vec<&str> = plans.iter().map(|plan| &plan.name[..]).collect();
    names.sort_unstable();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(format!(
            "two servers are called {}; give the --peer another name",
            pair[0]
        ));
    }
    Ok(plans)
}

fn torc_beside_this_program() -> Result<PathBuf, String> {
    let path = env::current_exe()
        .map_err(|error| format!("this program cannot be found: {error}"))?
        .with_file_name("torc");
    if path.is_file() {
        return Ok(path);
    }
    Err("there is no torc beside this program; build it with cargo build --release, or name one with --torc".into())
}

/// The numbers below `count` in random order.
fn shuffled(count: usize, random: &mut Random) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        order.swap(last, random.below(last as u64 + 1) as usize);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_server_has_its_turn() {
        let mut random = Random::new(7);
        let orders: Vec<Vec<usize>> = (0..20).map(|_| shuffled(5, &mut random)).collect();
        for order in &orders {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3, 4]);
        }
        assert!(
            orders.iter().any(|order| order != &orders[0]),
            "orders differ"
        );
    }
}
