//! `stats` and its groups: no name that memcached does not have, the names that monitoring reads, and figures that fit what was done, over all shards.

use crate::support::memcache::{Connection, Memcached, Subject, skip_unless_subject_is_torc};
use std::collections::{BTreeMap, BTreeSet};

const GROUPS: [&str; 6] = [
    "stats",
    "stats settings",
    "stats items",
    "stats slabs",
    "stats sizes",
    "stats conns",
];

/// What dashboards and exporters read of `stats`.
const READ_BY_ALL: &str = "pid uptime time version pointer_size rusage_user rusage_system max_connections curr_connections total_connections \
    rejected_connections connection_structures cmd_get cmd_set cmd_flush cmd_touch cmd_meta get_hits get_misses delete_misses delete_hits incr_misses \
    incr_hits decr_misses decr_hits cas_misses cas_hits cas_badval touch_hits touch_misses store_too_large store_no_memory auth_cmds auth_errors bytes_read \
    bytes_written limit_maxbytes accepting_conns listen_disabled_num threads hash_bytes slab_reassign_running slabs_moved slab_global_page_pool bytes \
    curr_items total_items evictions reclaimed";

fn statistics(connection: &mut Connection, request: &str) -> BTreeMap<String, String> {
    let reply = connection.lines_until(request, "END");
    let lines: Vec<&str> = reply.lines().collect();
    let rows = lines[..lines.len() - 1].iter().map(|line| {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        assert_eq!((words.len(), words[0]), (3, "STAT"), "{request}: {line}");
        (words[1].to_string(), words[2].to_string())
    });
    rows.collect()
}

fn number(statistics: &BTreeMap<String, String>, name: &str) -> u64 {
    let value = statistics
        .get(name)
        .unwrap_or_else(|| panic!("{name} in {statistics:?}"));
    value
        .parse()
        .unwrap_or_else(|_| panic!("{name} is {value}"))
}

/// The sum over all classes.
fn sum(statistics: &BTreeMap<String, String>, end: &str) -> u64 {
    let names = statistics.keys().filter(|name| name.ends_with(end));
    names.map(|name| number(statistics, name)).sum()
}

/// Names without the numbers of classes and connections in them.
fn names(statistics: &BTreeMap<String, String>) -> BTreeSet<String> {
    let is_word = |part: &&str| part.parse::<u64>().is_err();
    let parts = statistics
        .keys()
        .map(|name| name.split(':').filter(is_word).collect::<Vec<_>>());
    parts.map(|parts| parts.join(":")).collect()
}

#[test]
fn names_are_memcacheds() {
    if skip_unless_subject_is_torc("a memcached has memcached's names") {
        return;
    }
    let (Some(peer), Some(subject)) = (Memcached::start(), Subject::start(3)) else {
        return;
    };
    let mut theirs = Connection::open(peer.address()).expect("it accepts");
    let mut ours = subject.connect();
    for connection in [&mut theirs, &mut ours] {
        assert_eq!(connection.line("set a 0 0 1\r\nx"), "STORED");
    }
    for group in GROUPS {
        let theirs = names(&statistics(&mut theirs, group));
        let ours = names(&statistics(&mut ours, group));
        let added: Vec<&String> = ours.difference(&theirs).collect();
        match group {
            // The peer has not the options that would make it count refusals and move pages.
            "stats" => assert_eq!(
                added,
                [
                    "rejected_connections",
                    "slab_reassign_running",
                    "slabs_moved",
                    "torc_version"
                ]
            ),
            // With memcached they are off, and said to be.
            "stats sizes" => assert_eq!(ours, BTreeSet::from([String::new()])),
            _ => assert_eq!(added, [""; 0], "{group}"),
        }
    }
    let ours = statistics(&mut ours, "stats");
    for name in READ_BY_ALL.split_whitespace() {
        assert!(ours.contains_key(name), "{name}");
    }
    subject.stop();
}

#[test]
fn figures_fit_what_was_done() {
    if skip_unless_subject_is_torc("memcached's classes are others") {
        return;
    }
    for shards in [1, 3] {
        let Some(subject) = Subject::start(shards) else {
            return;
        };
        let mut connection = subject.connect();
        let mut other = subject.connect();
        assert_eq!(other.line("mn"), "MN");
        for number in 0..60 {
            let value = "v".repeat(number * 10);
            let request = format!("set k{number} 0 0 {}\r\n{value}", value.len());
            assert_eq!(connection.line(&request), "STORED");
        }
        let keys: String = (0..80).map(|number| format!(" k{number}")).collect();
        let reply = connection.lines_until(&format!("get{keys}"), "END");
        assert_eq!(reply.matches("VALUE ").count(), 60);
        for (request, reply) in [
            ("set n 0 0 1\r\n5", "STORED"),
            ("incr n 1", "6"),
            ("decr nosuch 1", "NOT_FOUND"),
            ("touch k0 0", "TOUCHED"),
            ("touch nosuch 0", "NOT_FOUND"),
            ("delete k1", "DELETED"),
            ("delete nosuch", "NOT_FOUND"),
            ("cas k0 0 0 1 1\r\nx", "EXISTS"),
            ("cas nosuch 0 0 1 1\r\nx", "NOT_FOUND"),
        ] {
            assert_eq!(connection.line(request), reply, "{request}");
        }
        let general = statistics(&mut connection, "stats");
        for (name, value) in [
            ("threads", shards as u64),
            ("curr_items", 60),
            ("total_items", 61),
            ("curr_connections", 2),
            ("total_connections", 2),
            ("cmd_get", 80),
            ("get_hits", 60),
            ("get_misses", 20),
            ("cmd_set", 63),
            ("cmd_touch", 2),
            ("touch_hits", 1),
            ("touch_misses", 1),
            ("delete_hits", 1),
            ("delete_misses", 1),
            ("incr_hits", 1),
            ("decr_misses", 1),
            ("cas_badval", 1),
            ("cas_misses", 1),
            ("cas_hits", 0),
            ("pid", u64::from(subject.pid())),
            ("pointer_size", 64),
            ("evictions", 0),
        ] {
            assert_eq!(number(&general, name), value, "{name}, {shards} shards");
        }
        assert!(number(&general, "uptime") < 600);
        assert!(number(&general, "bytes") > 60 * 59 * 5);
        assert!(number(&general, "bytes_read") > 60 * 59 * 5);
        assert!(number(&general, "bytes_written") > 60 * 59 * 5);
        assert!(general["version"].starts_with("1.6."));

        let settings = statistics(&mut connection, "stats settings");
        for (name, value) in [
            ("tcpport", subject.address().port().to_string()),
            ("udpport", "0".to_string()),
            ("num_threads", shards.to_string()),
            ("item_size_max", (1 << 20).to_string()),
            ("cas_enabled", "yes".to_string()),
            ("shutdown_command", "no".to_string()),
            ("auth_enabled_ascii", "no".to_string()),
            ("domain_socket", "NULL".to_string()),
        ] {
            assert_eq!(settings[name], value, "{name}");
        }

        let items = statistics(&mut connection, "stats items");
        assert_eq!(sum(&items, ":number"), 60);
        let slabs = statistics(&mut connection, "stats slabs");
        assert_eq!(sum(&slabs, ":used_chunks"), 60);
        assert_eq!(
            sum(&slabs, ":total_chunks"),
            sum(&slabs, ":used_chunks") + sum(&slabs, ":free_chunks")
        );
        let classes = slabs.keys().filter(|name| name.ends_with(":chunk_size"));
        assert_eq!(number(&slabs, "active_slabs"), classes.count() as u64);
        assert!(number(&slabs, "total_malloced") >= 60 * 59 * 5);
        let sizes = statistics(&mut connection, "stats sizes");
        assert_eq!(sum(&sizes, ""), 60);
        assert!(sizes.keys().all(|size| number(&sizes, size) > 0));
        let conns = statistics(&mut connection, "stats conns");
        let local = format!("tcp:{}", subject.address());
        let listening =
            |(name, value): &(&String, &String)| name.ends_with(":listen_addr") && **value == local;
        assert_eq!(conns.iter().filter(listening).count(), 2, "{conns:?}");

        assert_eq!(connection.line("stats reset"), "RESET");
        let general = statistics(&mut connection, "stats");
        for name in ["cmd_get", "get_hits", "cmd_set", "total_items", "incr_hits"] {
            assert_eq!(number(&general, name), 0, "{name} after reset");
        }
        assert_eq!(number(&general, "curr_items"), 60);
        assert_eq!(number(&general, "curr_connections"), 2);
        subject.stop();
    }
}
