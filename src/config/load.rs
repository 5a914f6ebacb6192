//! The command line and configuration files: what is in them, in order, later lines winning.
//!
//! The decision worth knowing: whatever is not understood stops the start, with the place and the nearest known name; only directives of redis.conf
//! that are harmless to leave out give a warning.

use super::options::{self, ROWS, Row};
use super::{CommandLine, Config, ConfigError, document, ignored, words};
use crate::glob;
use std::ffi::OsString;
use std::fmt::Display;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The deepest chain of files that include each other.
const INCLUDE_DEPTH_MAX: usize = 16;
/// The longest configuration file: far beyond any that a person wrote, and short enough that a wrong path (a device, a log) ends soon.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Reads a command line without the program's name.
pub fn command_line(
    args: impl Iterator<Item = OsString>,
    standard_input: &mut dyn Read,
) -> Result<CommandLine, ConfigError> {
    let mut args = args
        .map(|arg| {
            arg.into_string()
                .map_err(|arg| ConfigError(format!("command line: {arg:?} is not UTF-8 text")))
        })
        .collect::<Result<Vec<String>, ConfigError>>()?;
    match args.first().map(String::as_str) {
        Some("-h" | "--help") => return Ok(CommandLine::Print(document::help())),
        Some("-v" | "-V" | "--version") => return Ok(CommandLine::Print(document::version())),
        _ => {}
    }
    let mut config = Config::default();
    // A lone `-` at the end, or in the file's place, is standard input; it is read after the file and before the directives.
    let from_standard_input = args.last().is_some_and(|arg| arg == "-");
    if from_standard_input {
        args.pop();
    }
    let mut args = args.into_iter().peekable();
    if let Some(path) = args.next_if(|arg| !arg.starts_with('-')) {
        let path = std::path::absolute(&path).unwrap_or(PathBuf::from(path));
        file(&mut config, &path, 0)?;
        config.file = Some(path);
    }
    if from_standard_input {
        let mut text = Vec::new();
        let read = standard_input
            .take(FILE_BYTES_MAX + 1)
            .read_to_end(&mut text);
        read.map_err(|error| ConfigError(format!("standard input: {error}")))?;
        lines(&mut config, "standard input", &text, 0)?;
    }
    while let Some(arg) = args.next() {
        let Some(name) = arg.strip_prefix("--").filter(|name| !name.is_empty()) else {
            return Err(ConfigError(format!(
                "command line: '{arg}' is no directive; directives look like --port 6379"
            )));
        };
        let mut values = Vec::new();
        while let Some(value) = args.next_if(|arg| !arg.starts_with("--")) {
            values.push(value);
        }
        // As in Redis, a `--save` alone asks for no snapshots.
        if values.is_empty() && name.eq_ignore_ascii_case("save") {
            values.push(String::new());
        }
        directive(&mut config, &"command line", name, &values, 0)?;
    }
    check(&config)?;
    Ok(CommandLine::Serve(Box::new(config)))
}

/// What no single option can say of itself.
fn check(config: &Config) -> Result<(), ConfigError> {
    let problem = if !config.cpu_list.is_empty() && config.shards > config.cpu_list.len() {
        format!(
            "shards {} is more than the {} cores of cpu-list",
            config.shards,
            config.cpu_list.len()
        )
    } else if !config.listens() {
        "there is nothing to listen on: give a port and bind, or unixsocket".to_string()
    } else {
        return Ok(());
    };
    Err(ConfigError(problem))
}

fn file(config: &mut Config, path: &Path, depth: usize) -> Result<(), ConfigError> {
    let problem = |error: &dyn Display| {
        ConfigError(format!(
            "cannot read the configuration file {}: {error}",
            path.display()
        ))
    };
    let mut text = Vec::new();
    let opened = std::fs::File::open(path).map_err(|error| problem(&error))?;
    opened
        .take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut text)
        .map_err(|error| problem(&error))?;
    lines(config, &path.display().to_string(), &text, depth)
}

fn lines(config: &mut Config, source: &str, text: &[u8], depth: usize) -> Result<(), ConfigError> {
    if text.len() as u64 > FILE_BYTES_MAX {
        return Err(ConfigError(format!(
            "{source} is longer than {} MiB; that is no configuration file",
            FILE_BYTES_MAX >> 20
        )));
    }
    for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        // Comments may be in any encoding.
        if line.is_empty() || line[0] == b'#' {
            continue;
        }
        let place = format!("{source}:{}", index + 1);
        let Ok(line) = std::str::from_utf8(line) else {
            return Err(ConfigError(format!("{place}: this line is not UTF-8 text")));
        };
        let Some(found) = words::split(line) else {
            return Err(ConfigError(format!("{place}: unbalanced quotes")));
        };
        if let Some((name, values)) = found.split_first() {
            directive(config, &place, name, values, depth)?;
        }
    }
    Ok(())
}

fn directive(
    config: &mut Config,
    place: &dyn Display,
    name: &str,
    values: &[String],
    depth: usize,
) -> Result<(), ConfigError> {
    if name.eq_ignore_ascii_case("include") {
        return include(config, place, values, depth);
    }
    if let Some(row) = options::find(name) {
        return row.set(config, values).map_err(|problem| {
            ConfigError(format!("{place}: {}", wrong_value(row, values, &problem)))
        });
    }
    if let Some(ignored) = ignored::find(name) {
        if !ignored.allows(values) {
            return Err(ConfigError(format!(
                "{place}: '{name} {}' cannot be had: {}",
                values.join(" "),
                ignored.reason
            )));
        }
        config
            .warnings
            .push(format!("{place}: '{name}' is ignored: {}", ignored.reason));
        return Ok(());
    }
    let advice = match nearest(name) {
        Some(near) => format!("; did you mean '{near}'?"),
        None => "; torc --help lists all options".to_string(),
    };
    Err(ConfigError(format!(
        "{place}: unknown option '{name}'{advice}"
    )))
}

fn wrong_value(row: &Row, values: &[String], problem: &str) -> String {
    if problem == options::WRONG_NUMBER {
        let comment = if values.iter().any(|value| value.starts_with('#')) {
            " (a comment needs a line of its own)"
        } else {
            ""
        };
        return format!(
            "'{}' takes one value ({}) and was given {}{comment}",
            row.name,
            row.values(),
            values.len()
        );
    }
    // A password in the wrong place should not end in a log.
    let shown = if row.name == "requirepass" {
        "..."
    } else {
        &values.join(" ")
    };
    format!("'{} {shown}': {problem}", row.name)
}

fn include(
    config: &mut Config,
    place: &dyn Display,
    values: &[String],
    depth: usize,
) -> Result<(), ConfigError> {
    let [path] = values else {
        return Err(ConfigError(format!(
            "{place}: 'include' takes one path and was given {}",
            values.len()
        )));
    };
    if depth == INCLUDE_DEPTH_MAX {
        return Err(ConfigError(format!(
            "{place}: files include each other more than {INCLUDE_DEPTH_MAX} deep"
        )));
    }
    let path = Path::new(path);
    let name = path
        .file_name()
        .map(|name| name.as_encoded_bytes().to_vec())
        .unwrap_or_default();
    if !glob::is_pattern(&name) {
        return file(config, path, depth + 1)
            .map_err(|error| ConfigError(format!("{place}: {error}")));
    }
    let directory = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    // No file that matches is fine, as in Redis; a directory that is not there is not.
    let entries = std::fs::read_dir(directory).map_err(|error| {
        ConfigError(format!(
            "{place}: cannot read the directory {}: {error}",
            directory.display()
        ))
    })?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            path.file_name()
                .is_some_and(|file| glob::matches(&name, file.as_encoded_bytes()))
        })
        .collect();
    paths.sort();
    paths
        .iter()
        .try_for_each(|path| file(config, path, depth + 1))
}

/// The known name that is nearest, if any is near.
fn nearest(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let (distance, near) = ROWS
        .iter()
        .map(|row| (distance(&name, row.name), row.name))
        .min()?;
    (distance <= 1 + name.len() / 4).then_some(near)
}

/// How many characters must be changed, added or taken away (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    // One row of the table of distances between beginnings of `a` and beginnings of `b`. What is much longer than any option is just far.
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(64).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
