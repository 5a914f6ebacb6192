//! What is measured: the cases by name.

/// A load whose requests are measured in slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its title in the report.
    pub title: &'static str,
    /// Parts of SET and GET, as loadgen takes them.
    pub ratio: &'static str,
    /// Requests a connection sends at once.
    pub pipeline: usize,
}

/// The loads.
pub const LOADS: [Load; 4] = [
    Load {
        name: "pipeline-1",
        title: "1:10 SET:GET, pipeline 1",
        ratio: "1:10",
        pipeline: 1,
    },
    Load {
        name: "pipeline-16",
        title: "1:10 SET:GET, pipeline 16",
        ratio: "1:10",
        pipeline: 16,
    },
    Load {
        name: "pipeline-64",
        title: "1:10 SET:GET, pipeline 64",
        ratio: "1:10",
        pipeline: 64,
    },
    Load {
        name: "set-pipeline-16",
        title: "SET only, pipeline 16",
        ratio: "1:0",
        pipeline: 16,
    },
];

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
