use super::*;

fn sample() -> Info {
    let mut metrics = ShardMetrics::new(3);
    metrics.commands = 7;
    metrics.bytes_buffers = 1024;
    metrics.count_call(0);
    metrics.count_call(2);
    metrics.count_call(2);
    metrics.count_call_time(2, 1500);
    metrics.count_call_time(2, 2500);
    metrics.count_rejected(1);
    metrics.count_error_reply(2, b"WRONGTYPE Operation\r\n");
    metrics.count_error("ERR");
    metrics.count_turn(7);
    metrics.count_turn(1500);
    let shard = ShardInfo {
        metrics,
        keys: 5,
        bytes_used: 3072,
        bytes_used_max: 5000,
        bytes_items: 2048,
        evicted_keys: 2,
        ..ShardInfo::default()
    };
    Info {
        version: "0.1.0".into(),
        redis_version: "7.0.15".into(),
        run_id: "a".repeat(40),
        now_us: 90_061_000_000,
        started_ms: 1000,
        maxmemory_policy: "noeviction".into(),
        cpu_user_us: 1_000_002,
        commands: vec!["set", "auth", "get"],
        shards: vec![shard.clone(), shard],
        databases: vec![
            DatabaseInfo {
                number: 0,
                keys: 10,
                expires: 3,
                ttl_ms_mean: 99,
            },
            DatabaseInfo {
                number: 1,
                ..DatabaseInfo::default()
            },
        ],
        ..Info::default()
    }
}

fn headings(text: &str) -> Vec<&str> {
    text.split("\r\n")
        .filter_map(|line| line.strip_prefix("# "))
        .collect()
}

fn rendered(arguments: &[&str]) -> String {
    let arguments: Vec<String> = arguments
        .iter()
        .map(|argument| argument.to_string())
        .collect();
    render(&sample(), &arguments)
}

const DEFAULT: [&str; 10] = [
    "Server",
    "Clients",
    "Memory",
    "Persistence",
    "Stats",
    "Replication",
    "CPU",
    "Errorstats",
    "Cluster",
    "Keyspace",
];

#[test]
fn arguments_choose_sections() {
    assert_eq!(headings(&rendered(&[])), DEFAULT);
    assert_eq!(headings(&rendered(&["default"])), DEFAULT);
    assert_eq!(headings(&rendered(&["ALL"])).len(), SECTIONS.len());
    assert_eq!(headings(&rendered(&["everything"])).len(), SECTIONS.len());
    assert_eq!(
        headings(&rendered(&["keyspace", "Server", "nothing", "server"])),
        ["Server", "Keyspace"]
    );
    assert_eq!(
        headings(&rendered(&["default", "commandstats"])).len(),
        DEFAULT.len() + 1
    );
    assert_eq!(rendered(&["nothing"]), "");
}

#[test]
fn every_line_is_a_heading_or_a_field() {
    let text = rendered(&["everything"]);
    assert!(text.ends_with("\r\n") && !text.contains("\r\n\r\n\r\n"));
    let mut names = std::collections::HashSet::new();
    for line in text.split_terminator("\r\n") {
        assert!(!line.contains(['\r', '\n']));
        if line.is_empty() || line.starts_with("# ") {
            continue;
        }
        let (name, _) = line.split_once(':').unwrap_or_else(|| panic!("{line}"));
        assert!(names.insert(name.to_string()), "{name} stands there twice");
    }
}

#[test]
fn figures_are_added_up_and_formatted_as_in_redis() {
    let text = rendered(&["everything"]);
    for line in [
        "uptime_in_seconds:90060",
        "uptime_in_days:1",
        "used_memory:8192",
        "used_memory_human:8.00K",
        "used_memory_peak:10000",
        "used_memory_peak_perc:81.92%",
        "used_memory_dataset_perc:50.00%",
        "total_commands_processed:14",
        "evicted_keys:4",
        "total_error_replies:4",
        "role:master",
        "used_cpu_user:1.000002",
        "cmdstat_get:calls=4,usec=8,usec_per_call=2.00,rejected_calls=0,failed_calls=2",
        "cmdstat_auth:calls=0,usec=0,usec_per_call=0.00,rejected_calls=2,failed_calls=0",
        "errorstat_ERR:count=2",
        "errorstat_WRONGTYPE:count=2",
        "latency_percentiles_usec_get:p50=1.503,p99=2.500,p99.9=2.500",
        "cluster_enabled:0",
        "db0:keys=10,expires=3,avg_ttl=99",
        "shard1_turn_cpu_us:le_1=0,le_2=0,le_5=0,le_10=1,le_20=0,le_50=0,le_100=0,le_200=0,le_500=0,le_1000=0,le_2000=1,le_5000=0,le_10000=0,le_20000=0,le_50000=0,le_100000=0,le_inf=0",
    ] {
        assert!(
            text.contains(&format!("\r\n{line}\r\n")),
            "{line} is missing in\n{text}"
        );
    }
    assert!(!text.contains("db1:") && !text.contains("latency_percentiles_usec_set"));
    assert!(
        text.contains(",turns=2,turns_too_long=1,turn_cpu_us_total=1507,turn_cpu_us_max=1500\r\n"),
        "{text}"
    );
}
