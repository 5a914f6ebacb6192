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

/// A load whose requests are measured in slices.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Load {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its title in the report.
    pub title: &'static str,
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
        ratio,
        pipeline,
        multi_get: 1,
        protocols: &[Protocol::Resp],
        budget: budget(TORC, REDIS, at_most),
    }
}

/// The loads.
pub const LOADS: [Load; 7] = [
    resp("pipeline-1", "1:10 SET:GET, pipeline 1", "1:10", 1, 0.83),
    resp("pipeline-16", "1:10 SET:GET, pipeline 16", "1:10", 16, 0.33),
    resp("pipeline-64", "1:10 SET:GET, pipeline 64", "1:10", 64, 0.20),
    resp("set-pipeline-16", "SET only, pipeline 16", "1:0", 16, 0.35),
    Load {
        name: "memcache-1",
        title: "memcached's text protocol beside RESP, 1:10 SET:GET, pipeline 1",
        ratio: "1:10",
        pipeline: 1,
        multi_get: 1,
        protocols: &[Protocol::Resp, Protocol::Text],
        budget: budget(TORC_TEXT, REDIS, 0.83),
    },
    Load {
        name: "memcache-16",
        title: "memcached's text protocol beside RESP, 1:10 SET:GET, pipeline 16",
        ratio: "1:10",
        pipeline: 16,
        multi_get: 1,
        protocols: &[Protocol::Resp, Protocol::Text],
        budget: budget(TORC_TEXT, REDIS, 0.35),
    },
    Load {
        name: "memcache-multiget-32",
        title: "memcached's text protocol, reads of 32 keys, pipeline 1",
        ratio: "0:1",
        pipeline: 1,
        multi_get: 32,
        protocols: &[Protocol::Text],
        budget: budget(TORC_TEXT, MEMCACHED, 0.35),
    },
];

impl Load {
    /// What is counted.
    pub fn unit(&self) -> &'static str {
        if self.multi_get > 1 { "key" } else { "request" }
    }

    /// Whether it is about memcached's protocol.
    pub fn is_memcache(&self) -> bool {
        self.protocols.contains(&Protocol::Text)
    }
}

/// Sizes of the values whose overhead is measured, by name.
pub const MEMORY: [(&str, usize); 2] = [("memory-100", 100), ("memory-10", 10)];

/// The name of the case that counts system calls at pipeline 1.
pub const SYSTEM_CALLS: &str = "system-calls";

/// All names.
pub fn names() -> Vec<&'static str> {
    let loads = LOADS.iter().map(|load| load.name);
    loads
        .chain(MEMORY.iter().map(|(name, _)| *name))
        .chain([SYSTEM_CALLS])
        .collect()
}
