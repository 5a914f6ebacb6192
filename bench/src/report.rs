//! The tables a person reads: for every case a row a server, medians with their spread, and ratios.

use crate::case::{Budget, CONSTANT, CollectionMemory, Load, MEMORY_BUDGET, TORC};
use crate::memory::CollectionBytes;
use crate::slice::Sample;
use crate::statistics::Summary;
use crate::table::{Table, number};

/// All slices of one load, by server.
pub struct LoadResult {
    /// The load.
    pub load: Load,
    /// Servers by name, peers first, and their samples.
    pub servers: Vec<(String, Vec<Sample>)>,
}

/// Overheads in memory for one size of values, by server.
pub struct MemoryResult {
    /// Size of the values.
    pub value_bytes: usize,
    /// Servers by name, and one overhead in bytes for each round.
    pub servers: Vec<(String, Vec<f64>)>,
}

/// Memory of one kind of collections, by server.
pub struct CollectionResult {
    /// The kind.
    pub kind: CollectionMemory,
    /// How many there were.
    pub count: u64,
    /// Servers by name, peers first, and a reading for each round.
    pub servers: Vec<(String, Vec<CollectionBytes>)>,
}

/// System calls a request, by server, and how they were counted.
pub struct SystemCallsResult {
    /// Servers by name.
    pub servers: Vec<(String, Option<(f64, &'static str)>)>,
}

/// What it says below the first table.
pub const LEGEND: &str = "\
In parentheses the distance between the quartiles, in per cent of the median. Ratios are of median CPU a request or key: below 1 is better.
busy: the part of the time in which the server was running; below 100 % its requests/s tell of the client.
budget: the part of another server's cost that torc may take at most.
";

fn is_peer(name: &str) -> bool {
    !name.starts_with(TORC) && name != CONSTANT
}

fn with_spread(summary: Summary) -> String {
    format!(
        "{} ({:.0} %)",
        number(summary.median),
        summary.spread_percent()
    )
}

/// What a row is compared with: the first peer, the best peer, the server that only answers.
struct Yardsticks {
    names: Vec<String>,
    values: Vec<f64>,
}

impl Yardsticks {
    fn new(medians: &[(&str, f64)]) -> Yardsticks {
        let mut yardsticks = Yardsticks {
            names: Vec::new(),
            values: Vec::new(),
        };
        let mut add = |name: String, value: f64| {
            yardsticks.names.push(format!("/ {name}"));
            yardsticks.values.push(value);
        };
        let peers = || medians.iter().filter(|(name, _)| is_peer(name));
        if let Some((name, value)) = peers().next() {
            add((*name).into(), *value);
        }
        if peers().count() > 1 {
            let best = peers()
                .map(|(_, value)| *value)
                .fold(f64::INFINITY, f64::min);
            add("best peer".into(), best);
        }
        if let Some((name, value)) = medians.iter().find(|(name, _)| *name == CONSTANT) {
            add((*name).into(), *value);
        }
        yardsticks
    }

    fn ratios(&self, value: f64) -> impl Iterator<Item = String> {
        self.values
            .iter()
            .map(move |yardstick| number(value / yardstick))
    }
}

/// The ratio that a budget is about, if both servers were measured.
pub fn budget_ratio(budget: &Budget, medians: &[(&str, f64)]) -> Option<f64> {
    let of = |wanted: &str| medians.iter().find(|(name, _)| *name == wanted);
    Some(of(budget.name)?.1 / of(budget.against)?.1)
}

/// What the report says of a budget.
fn judged(budget: &Budget, ratio: f64) -> String {
    let verdict = if ratio <= budget.at_most {
        "met"
    } else {
        "missed"
    };
    format!(
        "{} of {} at most {}: {verdict}",
        number(ratio),
        budget.against,
        budget.at_most
    )
}

/// Median CPU time of every server.
pub fn medians(result: &LoadResult) -> Vec<(&str, f64)> {
    let servers = result.servers.iter();
    servers
        .map(|(name, samples)| (&name[..], summary(samples, Sample::cpu_us).median))
        .collect()
}

fn summary(samples: &[Sample], of: fn(&Sample) -> f64) -> Summary {
    Summary::of(samples.iter().map(of)).expect("every server has a sample in every round")
}

/// The table of a load.
pub fn load(result: &LoadResult) -> String {
    let medians = medians(result);
    let yardsticks = Yardsticks::new(&medians);
    let (budget, unit) = (&result.load.budget, result.load.unit());
    let plain = [
        "server",
        &format!("{unit}s/s"),
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        &format!("CPU µs/{unit}"),
        "kernel",
        "busy",
    ];
    let heading = plain
        .into_iter()
        .map(String::from)
        .chain(yardsticks.names.iter().cloned())
        .chain(["budget".to_string()]);
    let mut table = Table::new(heading);
    for ((name, samples), (_, cpu_us)) in result.servers.iter().zip(&medians) {
        let mut row = vec![name.clone()];
        row.push(with_spread(summary(samples, Sample::rate)));
        row.push(with_spread(summary(samples, |sample| {
            sample.p50_ns as f64 / 1e3
        })));
        row.push(with_spread(summary(samples, |sample| {
            sample.p99_ns as f64 / 1e3
        })));
        row.push(with_spread(summary(samples, |sample| {
            sample.p999_ns as f64 / 1e3
        })));
        row.push(with_spread(summary(samples, Sample::cpu_us)));
        row.push(format!(
            "{:.0} %",
            summary(samples, |sample| sample.kernel_part).median * 100.0
        ));
        row.push(format!(
            "{:.0} %",
            summary(samples, Sample::busy_percent).median
        ));
        row.extend(yardsticks.ratios(*cpu_us));
        let ratio = budget_ratio(budget, &medians).filter(|_| name == budget.name);
        row.push(ratio.map_or_else(String::new, |ratio| judged(budget, ratio)));
        table.row(row);
    }
    let mut text = format!("\n{}\n\n{}", result.load.title, table.render());
    let torc = medians.iter().find(|(name, _)| *name == TORC);
    // With shards it is called torc-N-shards, over memcached's protocol something with a blank.
    let sharded = medians
        .iter()
        .find(|(name, _)| name.starts_with("torc-") && !name.contains(' '));
    if let (Some((_, one)), Some((name, many))) = (torc, sharded) {
        text += &format!(
            "\n{name} / {TORC}: {} times the CPU a {unit}\n",
            number(many / one)
        );
    }
    text
}

/// Median overhead of every server.
pub fn memory_medians(result: &MemoryResult) -> Vec<(&str, f64)> {
    let servers = result.servers.iter();
    servers
        .filter_map(|(name, bytes)| Some((&name[..], Summary::of(bytes.iter().copied())?.median)))
        .collect()
}

/// The table of all sizes of values.
pub fn memory(results: &[MemoryResult]) -> String {
    let Some(first) = results.first() else {
        return String::new();
    };
    let sizes = results
        .iter()
        .map(|result| format!("{}-byte values", result.value_bytes));
    let heading = ["server".to_string()].into_iter().chain(sizes);
    let mut table = Table::new(heading.chain(["budget".to_string()]));
    // A budget is met when it is for all sizes.
    let ratios: Option<Vec<f64>> = results
        .iter()
        .map(|result| budget_ratio(&MEMORY_BUDGET, &memory_medians(result)))
        .collect();
    let worst = ratios.map(|ratios| ratios.into_iter().fold(f64::MIN, f64::max));
    for (place, (name, _)) in first.servers.iter().enumerate() {
        let mut row = vec![name.clone()];
        for result in results {
            let summary = Summary::of(result.servers[place].1.iter().copied());
            row.push(with_spread(
                summary.expect("every server has a sample in every round"),
            ));
        }
        let worst = worst.filter(|_| name == MEMORY_BUDGET.name);
        row.push(worst.map_or_else(String::new, |ratio| judged(&MEMORY_BUDGET, ratio)));
        table.row(row);
    }
    format!(
        "\nResident bytes a key beyond key and value\n\n{}",
        table.render()
    )
}

/// Median resident bytes of a collection for every server.
pub fn collection_medians(result: &CollectionResult) -> Vec<(&str, f64)> {
    let servers = result.servers.iter();
    servers
        .filter_map(|(name, bytes)| {
            let resident = bytes.iter().map(|bytes| bytes.resident);
            Some((&name[..], Summary::of(resident)?.median))
        })
        .collect()
}

/// The table of a kind of collections.
pub fn collections(result: &CollectionResult) -> String {
    let medians = collection_medians(result);
    let yardsticks = Yardsticks::new(&medians);
    let plain = ["server", "resident bytes each", "used_memory each"].map(String::from);
    let heading = plain.into_iter().chain(yardsticks.names.iter().cloned());
    let mut table = Table::new(heading.chain(["budget".to_string()]));
    for ((name, bytes), (_, median)) in result.servers.iter().zip(&medians) {
        let resident = Summary::of(bytes.iter().map(|bytes| bytes.resident));
        let counted = Summary::of(bytes.iter().filter_map(|bytes| bytes.counted));
        let mut row = vec![name.clone()];
        row.extend([resident, counted].map(|summary| summary.map_or(String::new(), with_spread)));
        row.extend(yardsticks.ratios(*median));
        let budget = &result.kind.budget;
        let ratio = budget_ratio(budget, &medians).filter(|_| name == budget.name);
        row.push(ratio.map_or_else(String::new, |ratio| judged(budget, ratio)));
        table.row(row);
    }
    format!(
        "\n{} {}, bytes of memory with everything in them\n\n{}",
        result.count,
        result.kind.title,
        table.render()
    )
}

/// The table of system calls.
pub fn system_calls(result: &SystemCallsResult) -> String {
    let mut table = Table::new(["server", "system calls/request", "counted by"]);
    for (name, count) in &result.servers {
        let (calls, counter) = count.map_or(("not measured".into(), ""), |(calls, counter)| {
            (number(calls), counter)
        });
        table.row(vec![name.clone(), calls, counter.into()]);
    }
    format!("\n1:10 SET:GET, pipeline 1\n\n{}", table.render())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::{COLLECTIONS, LOADS};

    fn sample(cpu_us: f64) -> Sample {
        Sample {
            round: 0,
            requests: 1_000_000,
            keys: 1_000_000,
            seconds: 2.0,
            cpu_ns: (cpu_us * 1e9) as u64,
            kernel_part: 0.5,
            client_cpu_ns: 1,
            p50_ns: 50_000,
            p99_ns: 99_000,
            p999_ns: 120_000,
        }
    }

    fn cells(text: &str, server: &str) -> Vec<String> {
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("| {server} ")))
            .unwrap();
        line.trim_matches('|')
            .split('|')
            .map(|cell| cell.trim().to_string())
            .collect()
    }

    #[test]
    fn ratios_are_of_medians() {
        let servers = vec![
            (
                "redis-server".to_string(),
                vec![sample(1.0), sample(2.0), sample(9.0)],
            ),
            ("valkey-server".to_string(), vec![sample(1.0); 3]),
            ("torc".to_string(), vec![sample(0.5); 3]),
            ("torc-2-shards".to_string(), vec![sample(0.75); 3]),
            ("constant".to_string(), vec![sample(0.4); 3]),
        ];
        let text = load(&LoadResult {
            load: LOADS[0],
            servers,
        });
        let torc = cells(&text, "torc");
        assert_eq!(
            torc[5..],
            [
                "0.500 (0 %)",
                "50 %",
                "25 %",
                "0.250",
                "0.500",
                "1.25",
                "0.250 of redis-server at most 0.83: met"
            ]
        );
        assert_eq!(torc[1], "500 000 (0 %)");
        assert_eq!(
            cells(&text, "redis-server")[8..],
            ["1.00", "2.00", "5.00", ""]
        );
        assert!(
            text.contains("torc-2-shards / torc: 1.50 times the CPU"),
            "{text}"
        );
    }

    #[test]
    fn reads_of_several_keys_are_counted_by_the_key() {
        let load_32 = LOADS.into_iter().find(|load| load.multi_get == 32).unwrap();
        let sample = |cpu_us: f64| Sample {
            requests: 31_250,
            ..sample(cpu_us)
        };
        let servers = vec![
            ("memcached".to_string(), vec![sample(1.0); 3]),
            ("torc text".to_string(), vec![sample(0.4); 3]),
        ];
        let text = load(&LoadResult {
            load: load_32,
            servers,
        });
        assert!(
            text.contains("keys/s") && text.contains("CPU µs/key"),
            "{text}"
        );
        let torc = cells(&text, "torc text");
        assert_eq!(torc[1], "500 000 (0 %)");
        assert_eq!(
            torc[8..],
            ["0.400", "0.400 of memcached at most 0.35: missed"]
        );
    }

    #[test]
    fn memory_is_judged_by_its_worst_size() {
        let result = |value_bytes, torc: f64| MemoryResult {
            value_bytes,
            servers: vec![
                ("memcached".to_string(), vec![80.0]),
                ("torc text".to_string(), vec![torc]),
            ],
        };
        for (torc, verdict) in [
            (40.0, "0.500 of memcached at most 1: met"),
            (88.0, "1.10 of memcached at most 1: missed"),
        ] {
            let text = memory(&[result(100, 20.0), result(10, torc)]);
            assert_eq!(cells(&text, "torc text")[3], verdict);
            assert_eq!(cells(&text, "memcached")[3], "");
        }
    }

    #[test]
    fn a_single_peer_is_not_its_own_best() {
        let yardsticks = Yardsticks::new(&[("redis-server", 2.0), ("torc", 1.0)]);
        assert_eq!(yardsticks.names, ["/ redis-server"]);
        let none = Yardsticks::new(&[("torc", 1.0), ("constant", 0.5)]);
        assert_eq!(none.names, ["/ constant"]);
    }

    #[test]
    fn collections_are_judged_by_resident_memory() {
        let bytes = |resident: f64, counted| vec![CollectionBytes { resident, counted }; 3];
        let text = collections(&CollectionResult {
            kind: COLLECTIONS[1],
            count: 1_000,
            servers: vec![
                ("redis-server".to_string(), bytes(2_000.0, Some(1_900.0))),
                ("torc".to_string(), bytes(2_200.0, None)),
            ],
        });
        assert!(text.contains("1000 sorted sets of 100 members"), "{text}");
        assert_eq!(
            cells(&text, "torc"),
            [
                "torc",
                "2 200 (0 %)",
                "",
                "1.10",
                "1.10 of redis-server at most 1: missed"
            ]
        );
        assert_eq!(
            cells(&text, "redis-server"),
            ["redis-server", "2 000 (0 %)", "1 900 (0 %)", "1.00", ""]
        );
    }

    #[test]
    fn memory_has_a_column_for_each_size() {
        let result = |value_bytes, bytes: f64| MemoryResult {
            value_bytes,
            servers: vec![("torc".to_string(), vec![bytes, bytes + 1.0, bytes - 1.0])],
        };
        let text = memory(&[result(100, 20.0), result(10, 16.0)]);
        assert_eq!(
            cells(&text, "torc"),
            ["torc", "20.0 (5 %)", "16.0 (6 %)", ""]
        );
        assert_eq!(memory(&[]), "");
    }

    #[test]
    fn what_was_not_measured_says_so() {
        let servers = vec![
            ("torc".to_string(), Some((0.05, "perf"))),
            ("other".to_string(), None),
        ];
        let text = system_calls(&SystemCallsResult { servers });
        assert_eq!(cells(&text, "torc"), ["torc", "0.050", "perf"]);
        assert_eq!(cells(&text, "other"), ["other", "not measured", ""]);
    }
}
