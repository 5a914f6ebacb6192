//! What is measured: the cases by name, the names of servers that cases speak of, and the budgets of torc.

/// torc, in reports.
pub const TORC: &str = "torc";
/// The server that only answers.
pub const CONSTANT: &str = "constant";
/// A peer over RESP.
pub const REDIS: &str = "redis-server";
/// The peer over memcached's text protocol.
pub const MEMCACHED: &str = "memcached";
/// torc over memcached's text protocol.
pub const TORC_TEXT: &str = "torc text";

/// Size of the values of all loads of SET and GET.
pub const VALUE_BYTES: usize = 100;

/// A protocol that servers are measured over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Redis' protocol.
    Resp,
    /// memcached's text protocol.
    Text,
}

impl Protocol {
    /// loadgen's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Protocol::Resp => "resp",
            Protocol::Text => "memcache-text",
        }
    }
}

/// What torc may cost at most.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// torc, over the protocol in question.
    pub name: &'static str,
    /// The server it is compared with.
    pub against: &'static str,
    /// The part of that server's cost.
    pub at_most: f64,
}

/// Memory of a key that came in over memcached's text protocol, for every size of values.
pub const MEMORY_BUDGET: Budget = budget(TORC_TEXT, MEMCACHED, 1.0);

const fn budget(name: &'static str, against: &'static str, at_most: f64) -> Budget {
    Budget {
        name,
        against,
        at_most,
    }
}

/// Collections that a load is about instead of plain keys, as loadgen makes them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Workload {
    /// loadgen's name for it.
    pub name: &'static str,
    /// Size of the values in them.
    pub value_bytes: usize,
    /// Number of collections; loadgen's own unless given.
    pub keys: Option<u64>,
    /// Members of each; loadgen's own unless given.
    pub members: Option<u64>,
}

const fn workload(name: &'static str, value_bytes: usize) -> Workload {
    Workload {
        name,
        value_bytes,
        keys: None,
        members: None,
    }
}

/// A load whose requests are measured in slices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its title in the report.
    pub title: &'static str,
    /// Collections, or none where the requests are SET and GET.
    pub workload: Option<Workload>,
    /// Parts of SET and GET, as loadgen takes them.
    pub ratio: &'static str,
    /// Requests a connection sends at once.
    pub pipeline: usize,
    /// Keys that each read asks for. With several, everything is counted by the key.
    pub multi_get: u32,
    /// The protocols over which servers take part, each server once for each that it speaks.
    pub protocols: &'static [Protocol],
    /// CPU time that torc may take at most.
    pub budget: Budget,
}

const fn resp(
    name: &'static str,
    title: &'static str,
    ratio: &'static str,
    pipeline: usize,
    at_most: f64,
) -> Load {
    Load {
        name,
        title,
        workload: None,
        ratio,
        pipeline,
        multi_get: 1,
        protocols: &[Protocol::Resp],
        budget: budget(TORC, REDIS, at_most),
    }
}

const fn collections(
    name: &'static str,
    title: &'static str,
    workload: Workload,
    pipeline: usize,
) -> Load {
    let at_most = if pipeline == 1 { 0.95 } else { 0.6 };
    Load {
        workload: Some(workload),
        ..resp(name, title, "", pipeline, at_most)
    }
}

/// Several commands, or several receivers, of one request.
const fn together(
    name: &'static str,
    title: &'static str,
    workload: Workload,
    pipeline: usize,
) -> Load {
    Load {
        workload: Some(workload),
        ..resp(name, title, "", pipeline, 0.9)
    }
}

// Hashes whose values are short, as fields are: also where Redis packs them closest.
const HASH: Workload = workload("cart", 20);
const SORTED_SET: Workload = workload("leaderboard", 0);
const LIST: Workload = workload("queue", 100);
const LIST_BLOCKING: Workload = workload("queue-blocking", 100);
const SET: Workload = workload("tags", 0);
const STREAM: Workload = workload("stream", 100);
const BITMAP: Workload = workload("bitmap", 0);
const TRANSACTION: Workload = workload("transaction", VALUE_BYTES);
const TRANSACTION_SPREAD: Workload = workload("transaction-spread", VALUE_BYTES);
const SCRIPT: Workload = workload("script", VALUE_BYTES);
const SCRIPT_SPREAD: Workload = workload("script-spread", VALUE_BYTES);
const PUBLISH: Workload = workload("publish", VALUE_BYTES);
const COUNTER: Workload = workload("rate-limit", 0);

/// The loads.
pub const LOADS: [Load; 29] = [
    resp("pipeline-1", "1:10 SET:GET, pipeline 1", "1:10", 1, 0.83),
    resp("pipeline-16", "1:10 SET:GET, pipeline 16", "1:10", 16, 0.33),
    resp("pipeline-64", "1:10 SET:GET, pipeline 64", "1:10", 64, 0.20),
    resp("set-pipeline-16", "SET only, pipeline 16", "1:0", 16, 0.35),
    Load {
        name: "memcache-1",
        title: "memcached's text protocol beside RESP, 1:10 SET:GET, pipeline 1",
        workload: None,
        ratio: "1:10",
        pipeline: 1,
        multi_get: 1,
        protocols: &[Protocol::Resp, Protocol::Text],
        budget: budget(TORC_TEXT, REDIS, 0.83),
    },
    Load {
        name: "memcache-16",
        title: "memcached's text protocol beside RESP, 1:10 SET:GET, pipeline 16",
        workload: None,
        ratio: "1:10",
        pipeline: 16,
        multi_get: 1,
        protocols: &[Protocol::Resp, Protocol::Text],
        budget: budget(TORC_TEXT, REDIS, 0.35),
    },
    Load {
        name: "memcache-multiget-32",
        title: "memcached's text protocol, reads of 32 keys, pipeline 1",
        workload: None,
        ratio: "0:1",
        pipeline: 1,
        multi_get: 32,
        protocols: &[Protocol::Text],
        budget: budget(TORC_TEXT, MEMCACHED, 0.35),
    },
    collections("hash-1", "hashes of 10 fields, pipeline 1", HASH, 1),
    collections("hash-16", "hashes of 10 fields, pipeline 16", HASH, 16),
    collections(
        "sorted-set-1",
        "sorted sets of 100 members, pipeline 1",
        SORTED_SET,
        1,
    ),
    collections(
        "sorted-set-16",
        "sorted sets of 100 members, pipeline 16",
        SORTED_SET,
        16,
    ),
    collections(
        "list-1",
        "lists of 50 elements, LPUSH and RPOP, pipeline 1",
        LIST,
        1,
    ),
    collections(
        "list-16",
        "lists of 50 elements, LPUSH and RPOP, pipeline 16",
        LIST,
        16,
    ),
    collections(
        "list-blocking-1",
        "LPUSH to connections that wait with BRPOP, pipeline 1",
        LIST_BLOCKING,
        1,
    ),
    collections(
        "list-blocking-16",
        "LPUSH to connections that wait with BRPOP, pipeline 16",
        LIST_BLOCKING,
        16,
    ),
    collections("set-1", "sets of 20 members, pipeline 1", SET, 1),
    collections("set-16", "sets of 20 members, pipeline 16", SET, 16),
    collections(
        "stream-1",
        "XADD, XREADGROUP, XACK on streams of 200 entries, pipeline 1",
        STREAM,
        1,
    ),
    collections(
        "stream-16",
        "XADD, XREADGROUP, XACK on streams of 200 entries, pipeline 16",
        STREAM,
        16,
    ),
    collections("bitmap-1", "bitmaps of 10000 bits, pipeline 1", BITMAP, 1),
    collections(
        "bitmap-16",
        "bitmaps of 10000 bits, pipeline 16",
        BITMAP,
        16,
    ),
    collections(
        "counter-1",
        "INCR, EXPIRE of new counters, pipeline 1",
        COUNTER,
        1,
    ),
    collections("counter-16", "INCR and EXPIRE NX, pipeline 16", COUNTER, 16),
    together(
        "transaction",
        "MULTI of 5 commands on keys of one slot, sent at once",
        TRANSACTION,
        7,
    ),
    together(
        "transaction-spread",
        "MULTI of 5 commands on keys of several slots, sent at once",
        TRANSACTION_SPREAD,
        7,
    ),
    together(
        "script",
        "EVALSHA of a script of 3 calls, keys of one slot, pipeline 1",
        SCRIPT,
        1,
    ),
    together(
        "script-spread",
        "EVALSHA of a script of 3 calls, keys of several slots, pipeline 1",
        SCRIPT_SPREAD,
        1,
    ),
    together(
        "script-16",
        "EVALSHA of a script of 3 calls, keys of one slot, pipeline 16",
        SCRIPT,
        16,
    ),
    together(
        "publish",
        "PUBLISH to a channel of 100 subscribers, pipeline 1",
        PUBLISH,
        1,
    ),
];

impl Load {
    /// What is counted.
    pub fn unit(&self) -> &'static str {
        if self.multi_get > 1 { "key" } else { "request" }
    }

    /// Size of the values it writes.
    pub fn value_bytes(&self) -> usize {
        self.workload
            .map_or(VALUE_BYTES, |workload| workload.value_bytes)
    }

    /// Whether it is about memcached's protocol.
    pub fn is_memcache(&self) -> bool {
        self.protocols.contains(&Protocol::Text)
    }
}

/// Sizes of the values whose overhead is measured, by name.
pub const MEMORY: [(&str, usize); 2] = [("memory-100", 100), ("memory-10", 10)];

/// A kind of collections whose memory is measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CollectionMemory {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its title in the report.
    pub title: &'static str,
    /// What is filled with it; how many, an option says.
    pub workload: Workload,
    /// Memory that torc may take at most.
    pub budget: Budget,
}

const fn filled(
    name: &'static str,
    title: &'static str,
    workload: Workload,
    members: u64,
) -> CollectionMemory {
    CollectionMemory {
        name,
        title,
        workload: Workload {
            members: Some(members),
            ..workload
        },
        budget: budget(TORC, REDIS, 1.0),
    }
}

/// Collections whose memory is measured.
pub const COLLECTIONS: [CollectionMemory; 3] = [
    filled(
        "memory-hash",
        "hashes of 10 fields with 20-byte values",
        HASH,
        10,
    ),
    filled(
        "memory-sorted-set",
        "sorted sets of 100 members",
        SORTED_SET,
        100,
    ),
    filled(
        "memory-list",
        "lists of 50 elements of 20 bytes",
        workload("queue", 20),
        50,
    ),
];

/// The name of the case that counts system calls at pipeline 1.
pub const SYSTEM_CALLS: &str = "system-calls";

/// All names.
pub fn names() -> Vec<&'static str> {
    let loads = LOADS.iter().map(|load| load.name);
    loads
        .chain(MEMORY.iter().map(|(name, _)| *name))
        .chain(COLLECTIONS.iter().map(|kind| kind.name))
        .chain([SYSTEM_CALLS])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum;
    use loadgen::workload::WorkloadName;
    use std::collections::HashSet;

    #[test]
    fn names_are_different() {
        let names = names();
        let different: HashSet<&str> = names.iter().copied().collect();
        assert_eq!(different.len(), names.len());
    }

    #[test]
    fn titles_say_what_loadgen_makes() {
        let workloads = LOADS
            .iter()
            .filter_map(|load| Some((load.title, load.workload?)));
        let kinds = COLLECTIONS.iter().map(|kind| (kind.title, kind.workload));
        for (title, workload) in workloads.chain(kinds) {
            let name = WorkloadName::from_str(workload.name, false).unwrap();
            let [default, low, high] = name.defaults().members;
            let members = workload.members.unwrap_or(default);
            assert!((low..=high).contains(&members), "{title}");
            if members > 0 {
                assert!(title.contains(&format!(" of {members} ")), "{title}");
            }
            let bytes = workload.value_bytes.to_string();
            assert!(
                !title.contains("-byte ") || title.contains(&bytes),
                "{title}"
            );
        }
    }

    #[test]
    fn data_types_have_a_case_for_each_pipeline() {
        let of = |pipeline: usize, at_most: f64| {
            let loads = LOADS.iter().filter(|load| load.workload.is_some());
            let loads =
                loads.filter(|load| load.pipeline == pipeline && load.budget.at_most != 0.9);
            let loads: Vec<_> = loads
                .map(|load| (load.name.rsplit_once('-').unwrap(), load))
                .collect();
            for ((_, suffix), load) in &loads {
                assert_eq!(*suffix, pipeline.to_string());
                assert_eq!(load.budget, budget(TORC, REDIS, at_most));
            }
            loads
                .iter()
                .map(|((family, _), load)| (*family, load.workload))
                .collect::<Vec<_>>()
        };
        assert_eq!(of(1, 0.95), of(16, 0.6));
        assert_eq!(of(1, 0.95).len(), 8);
    }
}
