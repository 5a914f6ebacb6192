//! CONFIG GET and CONFIG SET, with redis-server's wording.

use super::Config;
use super::options::{self, ROWS};
use crate::glob;

/// See [`Config::get`].
pub fn get(config: &Config, patterns: &[&[u8]]) -> Vec<(&'static str, String)> {
    let patterns: Vec<Vec<u8>> = patterns
        .iter()
        .map(|pattern| pattern.to_ascii_lowercase())
        .collect();
    ROWS.iter()
        .filter(|row| {
            patterns
                .iter()
                .any(|pattern| glob::matches(pattern, row.name.as_bytes()))
        })
        .map(|row| (row.name, row.text(config)))
        .collect()
}

/// See [`Config::with`].
pub fn with(config: &Config, pairs: &[(&[u8], &[u8])]) -> Result<Config, String> {
    let failed = |name: &str, problem: &str| {
        Err(format!(
            "ERR CONFIG SET failed (possibly related to argument '{name}') - {problem}"
        ))
    };
    let mut rows: Vec<&options::Row> = Vec::with_capacity(pairs.len());
    // First what can be said without looking at any value, then the values, as redis-server does.
    for (name, _) in pairs {
        let name = String::from_utf8_lossy(name);
        let Some(row) = options::find(&name) else {
            return Err(format!(
                "ERR Unknown option or number of arguments for CONFIG SET - '{name}'"
            ));
        };
        if !row.at_run_time {
            return failed(&name, "can't set immutable config");
        }
        if rows.iter().any(|earlier| std::ptr::eq(*earlier, row)) {
            return failed(&name, "duplicate parameter");
        }
        rows.push(row);
    }
    let mut changed = config.clone();
    for (row, (name, value)) in rows.into_iter().zip(pairs) {
        let name = String::from_utf8_lossy(name);
        let Ok(value) = std::str::from_utf8(value) else {
            return failed(&name, "argument must be UTF-8 text");
        };
        if let Err(problem) = row.set(&mut changed, &[value.to_string()]) {
            return failed(&name, &problem);
        }
    }
    Ok(changed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(pairs: &[(&str, &str)]) -> Result<Config, String> {
        let pairs: Vec<(&[u8], &[u8])> = pairs
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        Config::default().with(&pairs)
    }

    #[test]
    fn set_changes_all() {
        let config = set(&[
            ("maxmemory", "2GB"),
            ("MAXMEMORY-POLICY", "AllKeys-LRU"),
            ("timeout", "5"),
            ("save", ""),
            ("appendonly", "no"),
        ])
        .expect("all are valid");
        assert_eq!(
            (
                config.maxmemory,
                config.maxmemory_policy.name(),
                config.timeout
            ),
            (2 << 30, "allkeys-lru", 5)
        );
        let config = set(&[
            (
                "client-output-buffer-limit",
                "normal 1mb 0 0 replica 2 1 60",
            ),
            ("requirepass", "a b"),
        ])
        .expect("valid");
        assert_eq!(config.output_limit_normal.hard_bytes, 1 << 20);
        assert_eq!(config.output_limit_replica.hard_bytes, 2);
        assert_eq!(
            config.output_limit_pubsub,
            Config::default().output_limit_pubsub
        );
        assert_eq!(config.requirepass, "a b");
    }

    #[test]
    fn set_refuses_with_redis_servers_words() {
        let about = |name: &str, problem: &str| {
            format!("ERR CONFIG SET failed (possibly related to argument '{name}') - {problem}")
        };
        let table: &[(&[(&str, &str)], String)] = &[
            (
                &[("foo", "1")],
                "ERR Unknown option or number of arguments for CONFIG SET - 'foo'".into(),
            ),
            (
                &[("maxmemory", "100mb"), ("foo", "1")],
                "ERR Unknown option or number of arguments for CONFIG SET - 'foo'".into(),
            ),
            (
                &[("maxmemory", "1x")],
                about("maxmemory", "argument must be a memory value"),
            ),
            (
                &[("timeout", "5"), ("maxmemory", "-1")],
                about("maxmemory", "argument must be a memory value"),
            ),
            (
                &[("databases", "3")],
                about("databases", "can't set immutable config"),
            ),
            (
                &[("maxmemory", "1"), ("MaxMemory", "2")],
                about("MaxMemory", "duplicate parameter"),
            ),
            (
                &[("timeout", "-1")],
                about(
                    "timeout",
                    "argument must be between 0 and 2147483647 inclusive",
                ),
            ),
            (
                &[("maxclients", "abc")],
                about("maxclients", "argument couldn't be parsed into an integer"),
            ),
            (
                &[("loglevel", "x")],
                about(
                    "loglevel",
                    "argument(s) must be one of the following: debug, verbose, notice, warning",
                ),
            ),
            (
                &[("protected-mode", "maybe")],
                about("protected-mode", "argument must be 'yes' or 'no'"),
            ),
            (
                &[("client-output-buffer-limit", "normal 0 0")],
                about(
                    "client-output-buffer-limit",
                    "Wrong number of arguments in buffer limit configuration.",
                ),
            ),
            (
                &[("client-output-buffer-limit", "foo 0 0 0")],
                about(
                    "client-output-buffer-limit",
                    "Invalid client class specified in buffer limit configuration.",
                ),
            ),
            (
                &[("client-output-buffer-limit", "normal 0 -1 x")],
                about(
                    "client-output-buffer-limit",
                    "Error in hard, soft or soft_seconds setting in buffer limit configuration.",
                ),
            ),
            (
                &[("maxmemory-clients", "101%")],
                about(
                    "maxmemory-clients",
                    "percentage argument must be less or equal to 100",
                ),
            ),
        ];
        for (pairs, expected) in table {
            assert_eq!(set(pairs).as_ref(), Err(expected), "{pairs:?}");
        }
    }

    #[test]
    fn get_matches_names_in_any_case_once() {
        let config = Config::default();
        let names = |patterns: &[&str]| {
            let patterns: Vec<&[u8]> = patterns.iter().map(|pattern| pattern.as_bytes()).collect();
            config
                .get(&patterns)
                .into_iter()
                .map(|(name, _)| name)
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&["PORT", "port", "p?rt"]), ["port"]);
        assert_eq!(names(&["save", "max*-s*"]), ["maxmemory-samples", "save"]);
        assert_eq!(names(&["nothing", ""]), [""; 0]);
        assert_eq!(names(&["*"]).len(), ROWS.len());
        let values = config.get(&[
            b"client-output-buffer-limit",
            b"maxmemory-policy",
            b"client-query-buffer-limit",
            b"unixsocketperm",
            b"bind",
        ]);
        assert_eq!(
            values
                .iter()
                .map(|(_, value)| value.as_str())
                .collect::<Vec<_>>(),
            [
                "127.0.0.1",
                "0",
                "noeviction",
                "1073741824",
                "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"
            ]
        );
    }
}
