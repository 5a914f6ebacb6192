//! The raw numbers of a run, as JSON: whoever doubts a median can take another one.

use crate::args::CompareOptions;
use crate::case::{Budget, MEMORY_BUDGET};
use crate::report::{self, CollectionResult, LoadResult, MemoryResult, SystemCallsResult};
use crate::server::Plan;
use crate::slice::Sample;
use crate::{clock, machine};
use serde_json::{Map, Value, json};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// A budget and how it came out; the ratio is null when one of the servers was not measured.
fn judged(budget: &Budget, medians: &[(&str, f64)]) -> Value {
    let ratio = report::budget_ratio(budget, medians);
    json!({ "server": budget.name, "against": budget.against, "at_most": budget.at_most, "ratio": ratio })
}

/// What is kept of a run.
pub struct Record {
    started: String,
    document: Map<String, Value>,
}

impl Record {
    /// The conditions of a run.
    pub fn new(options: &CompareOptions, server_core: usize, client_core: usize) -> Record {
        let started = clock::utc_now();
        let mut document = Map::new();
        document.insert("started".into(), json!(started));
        document.insert("machine".into(), machine::describe());
        document.insert(
            "conditions".into(),
            json!({
                "server_core": server_core,
                "client_core": client_core,
                "rounds": options.rounds,
                "seconds": options.seconds,
                "memory_rounds": options.memory_rounds,
                "keys": options.keys,
                "collections": options.collections,
                "key_bytes": 16,
                "connections": options.connections,
                "seed": options.seed,
            }),
        );
        for part in ["servers", "loads", "memory", "collections", "system_calls"] {
            document.insert(part.into(), json!([]));
        }
        Record { started, document }
    }

    fn push(&mut self, part: &str, value: Value) {
        let list = self.document.get_mut(part).and_then(Value::as_array_mut);
        list.expect("every part was made as a list").push(value);
    }

    /// Adds a server.
    pub fn server(&mut self, plan: &Plan, version: &str) {
        let value = json!({ "name": plan.name, "version": version, "options": plan.options(), "cores": plan.cores });
        self.push("servers", value);
    }

    /// Adds a load.
    pub fn load(&mut self, result: &LoadResult) {
        let slices = |samples: &[Sample]| samples.iter().map(Sample::to_json).collect::<Vec<_>>();
        let servers: Map<String, Value> = result
            .servers
            .iter()
            .map(|(name, samples)| (name.clone(), json!(slices(samples))))
            .collect();
        let load = result.load;
        let value = json!({
            "case": load.name, "workload": load.workload.map(|workload| workload.name), "set_to_get": load.ratio,
            "pipeline": load.pipeline, "keys_per_read": load.multi_get, "value_bytes": load.value_bytes(),
            "budget": judged(&load.budget, &report::medians(result)), "slices": servers,
        });
        self.push("loads", value);
    }

    /// Adds overheads in memory.
    pub fn memory(&mut self, result: &MemoryResult) {
        let servers: Map<String, Value> = result
            .servers
            .iter()
            .map(|(name, bytes)| (name.clone(), json!(bytes)))
            .collect();
        self.push(
            "memory",
            json!({
                "value_bytes": result.value_bytes,
                "budget": judged(&MEMORY_BUDGET, &report::memory_medians(result)),
                "overhead_bytes_per_key": servers,
            }),
        );
    }

    /// Adds memory of collections.
    pub fn collections(&mut self, result: &CollectionResult) {
        let servers: Map<String, Value> = result
            .servers
            .iter()
            .map(|(name, bytes)| {
                let resident: Vec<f64> = bytes.iter().map(|bytes| bytes.resident).collect();
                let counted: Vec<Option<f64>> = bytes.iter().map(|bytes| bytes.counted).collect();
                (
                    name.clone(),
                    json!({ "resident": resident, "used_memory": counted }),
                )
            })
            .collect();
        let (kind, medians) = (result.kind, report::collection_medians(result));
        self.push(
            "collections",
            json!({
                "case": kind.name, "workload": kind.workload.name, "members": kind.workload.members, "value_bytes": kind.workload.value_bytes,
                "budget": judged(&kind.budget, &medians), "bytes_per_collection": servers,
            }),
        );
    }

    /// Adds system calls.
    pub fn system_calls(&mut self, result: &SystemCallsResult) {
        for (name, count) in &result.servers {
            let (calls, counter) = count.unzip();
            self.push(
                "system_calls",
                json!({ "server": name, "per_request": calls, "counted_by": counter }),
            );
        }
    }

    /// Writes it into a directory, which is made if need be.
    pub fn save(&self, directory: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(directory)?;
        let path = directory.join(format!("{}-{}.json", self.started, machine::kernel()));
        let mut text = serde_json::to_string_pretty(&self.document).map_err(io::Error::other)?;
        text.push('\n');
        fs::write(&path, text)?;
        Ok(path)
    }
}
