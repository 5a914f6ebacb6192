//! Directives of redis.conf that have no meaning here, so that an existing file can be used as it is.
//!
//! Only what is harmless to leave out is here: something a user relies on for safety or for his data is an error instead, if need be for all
//! values but the one that asks for nothing.

/// One directive.
pub struct Ignored {
    /// Its name.
    pub name: &'static str,
    /// The values that ask for nothing; empty: any value does.
    pub only: &'static [&'static str],
    /// Why it has no meaning here.
    pub reason: &'static str,
}

const DISK: &str = "files are read and written in one way only";
const REPLICATION: &str = "this version has no replication";
const CLUSTER: &str = "this version is no cluster";
const TLS: &str = "this version has no TLS";
const ENCODING: &str = "the middle of a list is not compressed";
const TITLE: &str = "the process keeps its name";
const TIMER: &str = "work in the background goes by load, not by a timer";
const DEFRAG: &str = "memory is compacted all the time";
const SYSTEM: &str = "this is left to the service manager";
const OBSERVE: &str = "this version has no such log";
const THREADS: &str = "threads are set with shards";
const SCRIPTS: &str = "this version has no scripts";
const ACL: &str = "this version has one user, whose password is requirepass";

macro_rules! ignored {
    ($($reason:ident: $($name:literal $(only $only:expr)?),* ;)*) => {
        const ALL: &[Ignored] = &[
            $($(Ignored { name: $name, only: ignored!(@ $($only)?), reason: $reason },)*)*
        ];
    };
    (@) => { &[] };
    (@ $only:expr) => { &$only };
}

ignored! {
    DISK: "aof-use-rdb-preamble", "aof-timestamp-enabled",
        "aof-rewrite-incremental-fsync", "aof-rewrite-cpulist", "bgsave-cpulist", "bio-cpulist",
        "rdb-del-sync-files", "rdb-save-incremental-fsync", "sanitize-dump-payload", "shutdown-timeout", "shutdown-on-sigint", "shutdown-on-sigterm";
    REPLICATION: "replica-serve-stale-data", "replica-read-only", "replica-priority", "replica-lazy-flush", "replica-announced",
        "replica-ignore-maxmemory", "repl-diskless-sync", "repl-diskless-sync-delay", "repl-diskless-sync-max-replicas",
        "repl-diskless-load", "repl-disable-tcp-nodelay", "repl-ping-replica-period", "repl-timeout", "repl-backlog-size",
        "repl-backlog-ttl", "slave-serve-stale-data", "slave-read-only", "slave-priority", "slave-lazy-flush",
        "min-replicas-max-lag", "min-slaves-max-lag", "min-replicas-to-write" only ["0"], "min-slaves-to-write" only ["0"],
        "replicaof" only [""], "slaveof" only [""], "masterauth", "masteruser";
    CLUSTER: "cluster-enabled" only ["no"], "cluster-config-file", "cluster-node-timeout", "cluster-port", "cluster-require-full-coverage",
        "cluster-migration-barrier", "cluster-replica-validity-factor", "cluster-allow-reads-when-down";
    TLS: "tls-port" only ["0"], "tls-cluster" only ["no"], "tls-replication" only ["no"];
    ENCODING: "list-compress-depth";
    TITLE: "always-show-logo", "set-proc-title", "proc-title-template";
    TIMER: "hz", "dynamic-hz", "activerehashing", "active-expire-effort", "maxmemory-eviction-tenacity";
    DEFRAG: "activedefrag", "active-defrag-ignore-bytes", "active-defrag-threshold-lower", "active-defrag-threshold-upper",
        "active-defrag-cycle-min", "active-defrag-cycle-max", "active-defrag-max-scan-fields", "jemalloc-bg-thread";
    SYSTEM: "pidfile", "supervised" only ["no", "auto"], "oom-score-adj", "oom-score-adj-values", "disable-thp", "syslog-enabled" only ["no"],
        "syslog-ident", "syslog-facility", "crash-log-enabled", "crash-memcheck-enabled", "ignore-warnings";
    OBSERVE: "slowlog-log-slower-than", "slowlog-max-len", "latency-monitor-threshold", "latency-tracking", "latency-tracking-info-percentiles",
        "acllog-max-len";
    THREADS: "io-threads", "io-threads-do-reads", "server-cpulist";
    SCRIPTS: "lua-time-limit", "enable-module-command" only ["no"], "enable-protected-configs" only ["no"];
    ACL: "aclfile" only [""], "acl-pubsub-default";
}

/// Finds a directive by name, in any case.
pub fn find(name: &str) -> Option<&'static Ignored> {
    ALL.iter()
        .find(|ignored| ignored.name.eq_ignore_ascii_case(name))
}

impl Ignored {
    /// Whether it may be ignored with these values.
    pub fn allows(&self, words: &[String]) -> bool {
        let values = words.join(" ");
        self.only.is_empty()
            || self
                .only
                .iter()
                .any(|allowed| values.eq_ignore_ascii_case(allowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_stands_twice() {
        for (index, ignored) in ALL.iter().enumerate() {
            assert!(
                ALL[..index].iter().all(|other| other.name != ignored.name),
                "{}",
                ignored.name
            );
        }
    }

    #[test]
    fn what_someone_relies_on_is_not_ignored() {
        for name in [
            "rename-command",
            "user",
            "loadmodule",
            "tls-cert-file",
            "include",
        ] {
            assert!(find(name).is_none(), "{name}");
        }
        let allows = |name: &str, value: &str| {
            find(name)
                .expect("it is in the table")
                .allows(&[value.to_string()])
        };
        assert!(allows("hz", "10") && allows("cluster-enabled", "no"));
        assert!(!allows("cluster-enabled", "yes") && !allows("replicaof", "1.2.3.4 6379"));
    }
}
