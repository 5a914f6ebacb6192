//! Looks at a directory of logs while no server uses it: what is in each file, what is wrong, and, if asked, an end put before the damage.
//!
//! Never: runs beside a server, throws bytes away (what is cut off is copied to a file beside first).
//! It judges with the same code as a start does, so what it calls sound is what a server loads.

use super::disk::FileName;
use super::frame::written_end;
use super::recovery::{CutReason, RecoveryError, ShardFiles, ShardLog, read_shard};
use super::settle::settle;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The bytes of files by their names.
pub type FileBytes = BTreeMap<FileName, Vec<u8>>;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Healthy {
    /// Everything is sound.
    Yes,
    /// A server would load it and drop bytes at the end that were never durable, or a transaction that is not whole.
    Cut,
    /// Something was damaged and is cut off now; a server would load the rest.
    Repaired,
    /// A server would refuse it.
    No,
}

/// Why a directory could not be looked at, or changed.
#[derive(Debug)]
pub struct CheckError {
    /// The file or the directory.
    pub path: PathBuf,
    /// What the system says.
    pub error: io::Error,
}

impl fmt::Display for CheckError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.path.display(), self.error)
    }
}

impl std::error::Error for CheckError {}

fn at<T>(path: &Path, result: io::Result<T>) -> Result<T, CheckError> {
    result.map_err(|error| CheckError {
        path: path.to_path_buf(),
        error,
    })
}

/// The bytes of all files of a directory that are ours, and the names of others.
fn load(directory: &Path) -> Result<(FileBytes, Vec<String>), CheckError> {
    let mut files = BTreeMap::new();
    let mut foreign = Vec::new();
    for entry in at(directory, fs::read_dir(directory))? {
        let path = at(directory, entry)?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        match FileName::parse(&name) {
            Some(file) => {
                files.insert(file, at(&path, fs::read(&path))?);
            }
            None => foreign.push(name),
        }
    }
    foreign.sort();
    Ok((files, foreign))
}

/// The files of each shard, one element for every shard from 0 to the last that has one.
pub fn by_shard(files: &FileBytes) -> Vec<ShardFiles<'_>> {
    let count = files
        .keys()
        .map(|file| file.shard().saturating_add(1))
        .max()
        .unwrap_or(0);
    let mut shards: Vec<ShardFiles<'_>> = (0..count.min(crate::limits::SHARDS_MAX as u32))
        .map(|shard| ShardFiles {
            shard,
            ..ShardFiles::default()
        })
        .collect();
    for (file, bytes) in files {
        let Some(shard) = shards.get_mut(file.shard() as usize) else {
            continue;
        };
        match file {
            FileName::Manifest { .. } => shard.manifest = Some(bytes),
            FileName::ManifestNew { .. } => shard.manifest_new = true,
            FileName::Segment { number, .. } => shard.segments.push((*number, bytes)),
        }
    }
    shards
}

/// Where a log has to end so that what is left can be loaded: the file, and how much of it stays. `None` if nothing helps.
fn cut_for(error: &RecoveryError) -> Option<(FileName, u64)> {
    match error {
        RecoveryError::Corrupt { file, offset, .. } => Some((*file, *offset)),
        RecoveryError::Header(file, _) | RecoveryError::Missing(file) => Some((*file, 0)),
        _ => None,
    }
}

/// Ends a log: what is behind goes to files beside, `NAME.cut-OFFSET`, first.
fn cut(
    directory: &Path,
    files: &FileBytes,
    (file, offset): (FileName, u64),
    output: &mut dyn Write,
) -> Result<(), CheckError> {
    for (of, bytes) in files.range(file..) {
        if !matches!(of, FileName::Segment { .. }) || of.shard() != file.shard() {
            break;
        }
        let path = directory.join(of.to_string());
        let from = if *of == file { offset } else { 0 };
        let end = written_end(bytes, from);
        let beside = directory.join(format!("{of}.cut-{from}"));
        let mut copy = at(
            &beside,
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&beside),
        )?;
        at(&beside, copy.write_all(&bytes[from as usize..end as usize]))?;
        at(&beside, copy.sync_all())?;
        at(
            directory,
            File::open(directory).and_then(|directory| directory.sync_all()),
        )?;
        if from == 0 {
            at(&path, fs::remove_file(&path))?;
        } else {
            // Shortened and made as long as it was: zeros, as where nothing was written.
            let changed = OpenOptions::new().write(true).open(&path).and_then(|file| {
                file.set_len(from)?;
                file.set_len(bytes.len() as u64)?;
                file.sync_all()
            });
            at(&path, changed)?;
        }
        say(
            output,
            format_args!(
                "{of}: cut at offset {from}, {} bytes copied to {}",
                end - from,
                beside.display()
            ),
        )?;
    }
    at(
        directory,
        File::open(directory).and_then(|directory| directory.sync_all()),
    )
}

fn say(output: &mut dyn Write, text: fmt::Arguments<'_>) -> Result<(), CheckError> {
    at(Path::new("the report"), writeln!(output, "{text}"))
}

fn describe(log: &ShardLog<'_>, output: &mut dyn Write) -> Result<(), CheckError> {
    let shard = log.shard;
    if log.manifest.is_none() {
        return say(output, format_args!("shard {shard}: no file"));
    }
    for range in &log.ranges {
        let file = FileName::Segment {
            shard,
            number: range.number,
        };
        say(
            output,
            format_args!(
                "{file}: {} records, {} bytes, sound",
                range.records, range.end
            ),
        )?;
    }
    for file in &log.remove {
        say(
            output,
            format_args!("{file}: not part of the log, a start removes it"),
        )?;
    }
    if log.clean && log.cut.is_none() {
        say(output, format_args!("shard {shard}: stopped in good order"))?;
    }
    Ok(())
}

/// Looks at all logs in a directory and says what is there, one line a file. With `repair`, a log that a server would refuse for damage in a segment ends before it.
pub fn check(
    directory: &Path,
    repair: bool,
    output: &mut dyn Write,
) -> Result<Healthy, CheckError> {
    let mut healthy = Healthy::Yes;
    let mut first = true;
    // Each repair takes at least a file's rest away, so this ends; the bound says so.
    for _ in 0..10_000 {
        let (files, foreign) = load(directory)?;
        if std::mem::take(&mut first) {
            for name in foreign {
                say(output, format_args!("{name}: not a file of a log, ignored"))?;
            }
        }
        let shards = by_shard(&files);
        let mut logs = Vec::new();
        let mut repairs = Vec::new();
        let mut refused = false;
        for shard in &shards {
            match read_shard(shard) {
                Ok(log) => logs.push(log),
                Err(error) => {
                    say(output, format_args!("{error}"))?;
                    refused = true;
                    repairs.extend(cut_for(&error));
                }
            }
        }
        if repair && !repairs.is_empty() {
            for place in repairs {
                cut(directory, &files, place, output)?;
            }
            healthy = Healthy::Repaired;
            continue;
        }
        for log in &logs {
            describe(log, output)?;
        }
        if refused {
            say(output, format_args!("a server would refuse this"))?;
            return Ok(Healthy::No);
        }
        let count = shards.len() as u32;
        let recovered = match settle(logs, count) {
            Ok(recovered) => recovered,
            Err(error) => {
                say(output, format_args!("{error}"))?;
                return Ok(Healthy::No);
            }
        };
        for found in recovered.logs.iter().filter_map(|log| log.cut) {
            say(output, format_args!("{found}"))?;
            if repair && matches!(found.why, CutReason::Torn(_)) {
                cut(directory, &files, (found.file, found.offset), output)?;
                healthy = Healthy::Repaired;
            } else if healthy == Healthy::Yes {
                healthy = Healthy::Cut;
            }
        }
        return Ok(healthy);
    }
    unreachable!("a directory has fewer files than this")
}

#[cfg(test)]
mod tests {
    use super::super::damage_tests::written;
    use super::*;

    /// A directory that is gone when the test is.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str, files: &FileBytes) -> Scratch {
            let path =
                std::env::temp_dir().join(format!("torc-check-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).expect("a directory");
            for (file, bytes) in files {
                fs::write(path.join(file.to_string()), bytes).expect("a file");
            }
            Scratch(path)
        }

        fn check(&self, repair: bool) -> (Healthy, String) {
            let mut output = Vec::new();
            let healthy = check(&self.0, repair, &mut output).expect("it can be read");
            (healthy, String::from_utf8(output).expect("text"))
        }

        fn flip(&self, name: &str, offset: usize) -> Vec<u8> {
            let path = self.0.join(name);
            let mut bytes = fs::read(&path).expect("a file");
            bytes[offset] ^= 1;
            fs::write(&path, &bytes).expect("a file");
            bytes
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    const FIRST: &str = "shard-0.segment-0000000001";
    const SECOND: &str = "shard-0.segment-0000000002";

    #[test]
    fn what_is_sound_is_called_sound() {
        let scratch = Scratch::new("sound", &written(16 << 10, 30_000, true, 1).0);
        fs::write(scratch.0.join("notes.txt"), "hello").expect("a file");
        let (healthy, text) = scratch.check(false);
        assert_eq!(healthy, Healthy::Yes, "{text}");
        assert!(
            text.contains("notes.txt: not a file of a log, ignored\n"),
            "{text}"
        );
        assert!(
            text.contains(&format!("{FIRST}: ")) && text.contains("stopped in good order"),
            "{text}"
        );
        assert_eq!(
            scratch.check(true).0,
            Healthy::Yes,
            "there is nothing to repair"
        );
    }

    #[test]
    fn damage_is_named_and_repaired_once() {
        let scratch = Scratch::new("damage", &written(16 << 10, 40_000, true, 2).0);
        let damaged = scratch.flip(FIRST, 9000);
        let (healthy, text) = scratch.check(false);
        assert_eq!(healthy, Healthy::No);
        assert!(
            text.contains(&format!("{FIRST} offset ")) && text.contains("its checksum is wrong"),
            "{text}"
        );
        assert_eq!(
            fs::read(scratch.0.join(FIRST)).expect("a file"),
            damaged,
            "looking changes nothing"
        );

        let (healthy, text) = scratch.check(true);
        assert_eq!(healthy, Healthy::Repaired, "{text}");
        let offset: usize = text
            .split_once(&format!("{FIRST}: cut at offset "))
            .and_then(|(_, rest)| rest.split_once(','))
            .and_then(|(offset, _)| offset.parse().ok())
            .expect("the place is said");
        assert!((4096..=9000).contains(&offset));
        let copy = fs::read(scratch.0.join(format!("{FIRST}.cut-{offset}"))).expect("a copy");
        assert_eq!(copy, damaged[offset..offset + copy.len()]);
        assert!(damaged[offset + copy.len()..].iter().all(|byte| *byte == 0));
        assert!(
            !scratch.0.join(SECOND).exists() && scratch.0.join(format!("{SECOND}.cut-0")).exists()
        );
        let (healthy, text) = scratch.check(false);
        assert_eq!(healthy, Healthy::Yes, "{text}");
    }

    #[test]
    fn a_missing_segment_ends_the_log_before_it() {
        let scratch = Scratch::new("missing", &written(16 << 10, 40_000, true, 3).0);
        fs::remove_file(scratch.0.join(SECOND)).expect("a file");
        let (healthy, text) = scratch.check(false);
        assert_eq!(healthy, Healthy::No);
        assert!(
            text.contains(&format!("{SECOND} is missing, and the log needs it")),
            "{text}"
        );
        assert_eq!(scratch.check(true).0, Healthy::Repaired);
        assert_eq!(scratch.check(false).0, Healthy::Yes);
    }

    #[test]
    fn a_torn_end_is_loaded_and_may_be_cut() {
        let scratch = Scratch::new("torn", &written(1 << 20, 30_000, false, 4).0);
        let (_, text) = scratch.check(false);
        let bytes: usize = text
            .split_once("records, ")
            .and_then(|(_, rest)| rest.split_once(" bytes"))
            .and_then(|(bytes, _)| bytes.parse().ok())
            .expect("the length is said");
        scratch.flip(FIRST, bytes - 1);
        let (healthy, text) = scratch.check(false);
        assert_eq!(healthy, Healthy::Cut, "{text}");
        assert_eq!(scratch.check(true).0, Healthy::Repaired);
        assert_eq!(scratch.check(false).0, Healthy::Yes);
    }

    #[test]
    fn a_directory_that_is_not_there_is_an_error() {
        let nowhere =
            std::env::temp_dir().join(format!("torc-check-{}-nowhere", std::process::id()));
        let error = check(&nowhere, false, &mut Vec::new()).expect_err("nothing is there");
        assert_eq!(error.path, nowhere);
    }
}
