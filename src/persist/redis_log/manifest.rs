//! The manifest of an append-only directory: a line for each file, words in pairs of a name and a value.
//!
//! ```text
//! file appendonly.aof.2.base.rdb seq 2 type b
//! file appendonly.aof.4.incr.aof seq 4 type i
//! ```
//!
//! Never: guesses. A line that is not understood is an error with its number; only pairs of names yet unknown are passed over, as by Redis.

use crate::config::words;
use std::fmt;

/// The longest line, as in Redis.
const LINE_BYTES_MAX: usize = 1024;

/// A file that the manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// Its name in the manifest's directory; never a path.
    pub name: String,
    /// Its place among files of its type.
    pub sequence: u64,
}

/// A file and what loading it may find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileToLoad<'a> {
    /// The file.
    pub file: &'a LogFile,
    /// True for the file that holds the whole of the data at some time, on which the others build.
    pub is_base: bool,
    /// True for the last file, the only one that a crash may have left without its end.
    pub may_be_cut_short: bool,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Manifest {
    /// The data at the time of the last rewrite (type b); none before the first.
    pub base: Option<LogFile>,
    /// What came after it, in ascending order (type i).
    pub increments: Vec<LogFile>,
    /// Files that are of no use any more (type h).
    pub history: Vec<LogFile>,
}

/// Why a manifest could not be read, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError {
    /// The line, counted from 1; 0 when it is about the whole.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for ManifestError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => formatter.write_str(&self.message),
            line => write!(formatter, "line {line}: {}", self.message),
        }
    }
}

impl std::error::Error for ManifestError {}

enum FileType {
    Base,
    Increment,
    History,
}

impl Manifest {
    /// Reads the text of a manifest.
    pub fn parse(text: &[u8]) -> Result<Manifest, ManifestError> {
        let mut manifest = Manifest::default();
        if text.is_empty() {
            return Err(ManifestError {
                line: 0,
                message: "the manifest is empty".into(),
            });
        }
        for (index, line) in text.split_inclusive(|byte| *byte == b'\n').enumerate() {
            manifest.line(line).map_err(|message| ManifestError {
                line: index + 1,
                message,
            })?;
        }
        Ok(manifest)
    }

    fn line(&mut self, line: &[u8]) -> Result<(), String> {
        if line.starts_with(b"#") {
            return Ok(());
        }
        if line.len() > LINE_BYTES_MAX {
            return Err(format!("longer than {LINE_BYTES_MAX} bytes"));
        }
        if !line.ends_with(b"\n") {
            return Err("the line has no end, the manifest was cut short".into());
        }
        let (file, file_type) = file_of(line)?;
        match file_type {
            FileType::Base => match &self.base {
                Some(other) => return Err(format!("a second base file beside {}", other.name)),
                None => self.base = Some(file),
            },
            FileType::Increment => {
                if let Some(before) = self.increments.last()
                    && before.sequence >= file.sequence
                {
                    return Err(format!(
                        "seq {} after seq {}; they must ascend",
                        file.sequence, before.sequence
                    ));
                }
                self.increments.push(file);
            }
            FileType::History => self.history.push(file),
        }
        Ok(())
    }

    /// The files to load, one after the other.
    pub fn files_to_load(&self) -> Vec<FileToLoad<'_>> {
        let bases = self.base.iter().map(|file| (file, true));
        let increments = self.increments.iter().map(|file| (file, false));
        let mut files: Vec<_> = bases
            .chain(increments)
            .map(|(file, is_base)| FileToLoad {
                file,
                is_base,
                may_be_cut_short: false,
            })
            .collect();
        if let Some(last) = files.last_mut() {
            last.may_be_cut_short = true;
        }
        files
    }
}

fn file_of(line: &[u8]) -> Result<(LogFile, FileType), String> {
    let words = std::str::from_utf8(line).ok().and_then(words::split);
    let words = words.ok_or("no words: quotes without a partner, or no UTF-8")?;
    if words.is_empty() || !words.len().is_multiple_of(2) {
        return Err("expected pairs of a name and a value".into());
    }
    let value_of = |name: &str| {
        words
            .chunks_exact(2)
            .find(|pair| pair[0].eq_ignore_ascii_case(name))
            .map(|pair| pair[1].as_str())
            .ok_or_else(|| format!("expected a value of \"{name}\""))
    };
    let name = value_of("file")?;
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\\', '\0']) {
        return Err(format!(
            "\"{name}\" is not the name of a file without a path"
        ));
    }
    let sequence = value_of("seq")?;
    let sequence = match sequence.parse::<u64>() {
        Ok(number) if number > 0 => number,
        _ => return Err(format!("seq \"{sequence}\" is not a number from 1 on")),
    };
    let file_type = match value_of("type")? {
        "b" => FileType::Base,
        "i" => FileType::Increment,
        "h" => FileType::History,
        other => return Err(format!("type \"{other}\" is none of b, i and h")),
    };
    let name = name.to_string();
    Ok((LogFile { name, sequence }, file_type))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn file(name: &str, sequence: u64) -> LogFile {
        LogFile {
            name: name.into(),
            sequence,
        }
    }

    #[test]
    fn files_come_in_their_order() {
        let text = b"# made by hand\nfile a.2.base.rdb seq 2 type b\nfile a.1.incr.aof seq 1 type h\n\
            file \"a 4.incr.aof\" seq 4 type i startoffset 17 endoffset 99\nfile a.5.incr.aof seq 5 type i\n";
        let manifest = Manifest::parse(text).unwrap();
        assert_eq!(manifest.history, [file("a.1.incr.aof", 1)]);
        let files: Vec<_> = manifest
            .files_to_load()
            .into_iter()
            .map(|found| (found.file.clone(), found.is_base, found.may_be_cut_short))
            .collect();
        assert_eq!(
            files,
            [
                (file("a.2.base.rdb", 2), true, false),
                (file("a 4.incr.aof", 4), false, false),
                (file("a.5.incr.aof", 5), false, true),
            ]
        );
        let base_only = Manifest::parse(b"file a seq 1 type b\n").unwrap();
        assert!(base_only.files_to_load()[0].may_be_cut_short);
        assert_eq!(Manifest::default().files_to_load(), []);
    }

    #[test]
    fn errors_name_the_line() {
        let good = "file a seq 1 type b\n";
        for (bad, message) in [
            ("\n", "expected pairs of a name and a value"),
            ("file b seq 1\n", "expected a value of \"type\""),
            (
                "file b seq 1 type\n",
                "expected pairs of a name and a value",
            ),
            (
                "file b type i seq 1",
                "the line has no end, the manifest was cut short",
            ),
            (
                "file ../b seq 1 type i\n",
                "\"../b\" is not the name of a file without a path",
            ),
            (
                "file .. seq 1 type i\n",
                "\"..\" is not the name of a file without a path",
            ),
            (
                "file b seq 0 type i\n",
                "seq \"0\" is not a number from 1 on",
            ),
            (
                "file b seq one type i\n",
                "seq \"one\" is not a number from 1 on",
            ),
            ("file b seq 1 type x\n", "type \"x\" is none of b, i and h"),
            ("file b seq 1 type b\n", "a second base file beside a"),
            (
                "file \"b seq 1 type i\n",
                "no words: quotes without a partner, or no UTF-8",
            ),
        ] {
            let error = Manifest::parse(format!("{good}{bad}").as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), format!("line 2: {message}"), "{bad:?}");
        }
        let twice = b"file a seq 2 type i\nfile b seq 2 type i\n";
        assert_eq!(
            Manifest::parse(twice).unwrap_err().to_string(),
            "line 2: seq 2 after seq 2; they must ascend"
        );
        let long = [b"file ".as_slice(), &[b'a'; 1024], b" seq 1 type i\n"].concat();
        assert_eq!(
            Manifest::parse(&long).unwrap_err().to_string(),
            "line 1: longer than 1024 bytes"
        );
        assert_eq!(
            Manifest::parse(b"").unwrap_err().to_string(),
            "the manifest is empty"
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_safe(text: Vec<u8>) {
            let _ = Manifest::parse(&text);
        }
    }
}
