//! Holds the imports of `src` against the picture of the layers, so that the picture stays true. It reads text, not types: a
//! path that begins with `crate::` names a layer wherever it stands, in a `use` or in the middle of an expression.
//!
//! ```text
//! main > server > shard > command > {engine, protocol}      shard > persist, net      server > net      server > script > command
//! config, codec, glob, limits, large, metrics: usable by all, and use nothing above them
//! ```

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What each layer may use besides itself and the commons.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["server"]),
    (
        "server",
        &[
            "shard", "script", "command", "engine", "protocol", "persist", "net",
        ],
    ),
    (
        "shard",
        &["command", "engine", "protocol", "persist", "net"],
    ),
    ("script", &["command", "protocol"]),
    ("command", &["engine", "protocol"]),
    ("engine", &[]),
    ("protocol", &[]),
    ("persist", &[]),
    ("net", &[]),
    // The commons know each other only downwards.
    ("metrics", &[]),
    ("config", &[]),
    ("codec", &[]),
    ("glob", &[]),
    ("large", &[]),
    ("limits", &[]),
];

/// Usable by all; each may use those after it.
const COMMONS: &[&str] = &["metrics", "config", "codec", "glob", "large", "limits"];

/// Outside crates that belong to the edges, and the layers that may name them.
const EDGES: &[(&str, &[&str])] = &[
    ("glommio", &["main", "server", "shard", "net"]),
    ("io_uring", &["net"]),
];

fn is_identifier(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Source without comments and string literals, which may mention anything.
fn code_only(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut code = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at..];
        if rest.starts_with(b"//") {
            at += rest
                .iter()
                .position(|byte| *byte == b'\n')
                .unwrap_or(rest.len());
        } else if rest.starts_with(b"/*") {
            at += source[at..].find("*/").map_or(rest.len(), |end| end + 2);
        } else if rest[0] == b'\'' && rest.len() > 2 && (rest[1] == b'\\' || rest[2] == b'\'') {
            // A character literal, which may be a quote; a lifetime has no closing apostrophe so near.
            let start = if rest[1] == b'\\' { 3 } else { 2 };
            at += start
                + rest[start..]
                    .iter()
                    .position(|byte| *byte == b'\'')
                    .unwrap_or(0)
                + 1;
        } else if rest[0] == b'r'
            && (at == 0 || !is_identifier(bytes[at - 1]))
            && raw_string(rest).is_some()
        {
            at += raw_string(rest).expect("just seen");
        } else if rest[0] == b'"' {
            let mut end = 1;
            while end < rest.len() && rest[end] != b'"' {
                end += if rest[end] == b'\\' { 2 } else { 1 };
            }
            at += end + 1;
        } else {
            code.push(rest[0]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&code).into_owned()
}

/// The length of a raw string literal at the start of `rest`.
fn raw_string(rest: &[u8]) -> Option<usize> {
    let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
    if rest.get(1 + hashes) != Some(&b'"') {
        return None;
    }
    let end = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
    let start = hashes + 2;
    let length = rest[start..]
        .windows(end.len())
        .position(|window| window == end)?;
    Some(start + length + end.len())
}

/// The names that follow `root::`, also within braces: `crate::{engine::Engine, limits}` names two.
fn names_after(code: &str, root: &str) -> BTreeSet<String> {
    let compact: String = code
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace(" ::", "::")
        .replace(":: ", "::");
    let needle = format!("{root}::");
    let mut names = BTreeSet::new();
    for (at, _) in compact.match_indices(&needle) {
        if at > 0 && (is_identifier(compact.as_bytes()[at - 1]) || compact[..at].ends_with("::")) {
            continue;
        }
        let rest = &compact[at + needle.len()..];
        if let Some(group) = rest.strip_prefix('{') {
            let mut depth = 0;
            let mut name = String::new();
            for character in group.chars() {
                match character {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => names.extend(first_name(&std::mem::take(&mut name))),
                    _ => {}
                }
                if depth == 0 && character != ',' {
                    name.push(character);
                }
            }
            names.extend(first_name(&name));
        } else {
            names.extend(first_name(rest));
        }
    }
    names
}

fn first_name(path: &str) -> Option<String> {
    let name: String = path
        .trim_start()
        .chars()
        .take_while(|character| character.is_ascii_alphanumeric() || *character == '_')
        .collect();
    (!name.is_empty()).then_some(name)
}

/// The layer a file belongs to: `src/engine/item.rs` and `src/engine.rs` are both of `engine`.
fn layer_of(path: &Path) -> String {
    let first = path
        .iter()
        .next()
        .expect("a file has a name")
        .to_string_lossy();
    first.trim_end_matches(".rs").to_string()
}

/// What is wrong with one file, in words.
fn violations(path: &Path, source: &str) -> Vec<String> {
    let layer = layer_of(path);
    if layer == "lib" {
        return Vec::new();
    }
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == layer) else {
        return vec![format!(
            "{}: the layer {layer} is not in the picture",
            path.display()
        )];
    };
    let code = code_only(source);
    // The program sees the library by its name.
    let root = if layer == "main" { "torc" } else { "crate" };
    let mut wrong = Vec::new();
    for used in names_after(&code, root) {
        let common = COMMONS
            .iter()
            .position(|name| *name == used)
            .is_some_and(|place| {
                COMMONS
                    .iter()
                    .position(|name| *name == layer)
                    .is_none_or(|own| own < place)
            });
        let known = ARROWS.iter().any(|(name, _)| *name == used);
        if known && used != layer && !common && !allowed.contains(&used.as_str()) {
            wrong.push(format!("{}: {layer} may not use {used}", path.display()));
        }
    }
    for (outside, layers) in EDGES {
        let named = !names_after(&code, outside).is_empty();
        if named && !layers.contains(&layer.as_str()) {
            wrong.push(format!(
                "{}: {layer} may not use the crate {outside}",
                path.display()
            ));
        }
    }
    wrong
}

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).expect("a readable directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn imports_go_downwards_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    assert!(files.len() > 10, "the sources were found: {files:?}");
    let wrong: Vec<String> = files
        .iter()
        .flat_map(|file| {
            let source = std::fs::read_to_string(file).expect("a source file");
            violations(file.strip_prefix(&root).expect("below src"), &source)
        })
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn planted_violations_are_found() {
    let wrong = |path: &str, source: &str| violations(Path::new(path), source).len();
    assert_eq!(
        wrong("engine/item.rs", "use crate::protocol::args::Args;"),
        1
    );
    assert_eq!(
        wrong(
            "engine/item.rs",
            "use crate::{limits, command::{Session, table}};"
        ),
        1
    );
    assert_eq!(
        wrong("engine/item.rs", "fn f() { crate :: protocol :: resp(); }"),
        1
    );
    assert_eq!(
        wrong("protocol/args.rs", "use crate::\n    engine::Engine;"),
        1
    );
    assert_eq!(wrong("command/mod.rs", "use glommio::executor;"), 1);
    assert_eq!(wrong("shard/mod.rs", "use io_uring::IoUring;"), 1);
    assert_eq!(wrong("limits.rs", "use crate::large::LargeBuffer;"), 1);
    assert_eq!(wrong("net/ring.rs", "use crate::shard::Shard;"), 1);
    assert_eq!(
        wrong(
            "command/mod.rs",
            "const Q: char = '\"'; use crate::shard::Shard; // \""
        ),
        1
    );
    assert_eq!(wrong("novelty/mod.rs", ""), 1);
}

#[test]
fn what_is_allowed_is_not_reported() {
    let wrong = |path: &str, source: &str| violations(Path::new(path), source);
    let none: Vec<String> = Vec::new();
    assert_eq!(
        wrong(
            "command/mod.rs",
            "use crate::{engine::Engine, protocol::args::Args, limits};"
        ),
        none
    );
    assert_eq!(
        wrong(
            "engine/item.rs",
            "//! see crate::protocol::resp\nuse crate::large::LargeBuffer;"
        ),
        none
    );
    assert_eq!(
        wrong(
            "engine/item.rs",
            "const S: &str = \"crate::protocol\"; use crate::engine::arena;"
        ),
        none
    );
    assert_eq!(
        wrong(
            "net/ring.rs",
            "use io_uring::IoUring; use crate::limits::TURN_US_MAX;"
        ),
        none
    );
    assert_eq!(
        wrong(
            "engine/item.rs",
            "const S: &str = r#\"use \"crate::protocol\"\"#;"
        ),
        none
    );
    assert_eq!(
        wrong("main.rs", "use torc::{config::Config, server};"),
        none
    );
}
