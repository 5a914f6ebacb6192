//! Where a shard's log ended, and whether it still ends there: memory that was left with a log is only as good as that log has nothing more.
//!
//! Never reads a log as a whole, which would take as long as loading it. The decision worth knowing: nothing is ever appended to a file of an earlier start, so whoever wrote
//! to the log since has made another file or manifest. That the files are the same ones is told by their names and lengths, the manifest's bytes, and the last bytes of the log.

use super::manifest::LogEnd;
use crate::persist::disk::FileName;
use crate::persist::log::{Log, Start};
use crate::persist::manifest::Manifest;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes before the log's end that are compared.
const TAIL_BYTES: u64 = 4096;

/// What of a shard's files is compared.
struct Seen {
    files: Vec<(String, u64)>,
    names: Vec<FileName>,
    manifest: Vec<u8>,
}

fn look(directory: &Path, shard: u32) -> io::Result<Seen> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(file) = name.to_str().and_then(FileName::parse) else {
            continue;
        };
        if file.shard() == shard {
            found.push((file.to_string(), entry.metadata()?.len(), file));
        }
    }
    found.sort();
    let (files, names) = found
        .into_iter()
        .map(|(name, len, file)| ((name, len), file))
        .unzip();
    let manifest = fs::read(directory.join(FileName::Manifest { shard }.to_string()))?;
    Ok(Seen {
        files,
        names,
        manifest,
    })
}

impl LogEnd {
    fn tail(&self, directory: &Path, shard: u32) -> io::Result<u32> {
        let number = self.end.segment;
        let name = FileName::Segment { shard, number }.to_string();
        let mut bytes = vec![0; self.end.offset.min(TAIL_BYTES) as usize];
        let at = self.end.offset - bytes.len() as u64;
        File::open(directory.join(name))?.read_exact_at(&mut bytes, at)?;
        Ok(crc32fast::hash(&bytes))
    }

    /// That of a log that has ended.
    pub fn of(log: &Log, directory: &Path, shard: u32) -> Result<LogEnd, String> {
        let start = log.continuation();
        let start = start.ok_or("its log has not ended in good order")?;
        let unreadable = |error: io::Error| format!("its log cannot be read: {error}");
        let seen = look(directory, shard).map_err(unreadable)?;
        let mut end = LogEnd {
            identity: start.identity,
            end: start.predecessor,
            sequence: start.sequence,
            segments: start.segments,
            files: seen.files,
            manifest_checksum: crc32fast::hash(&seen.manifest),
            tail_checksum: 0,
        };
        end.tail_checksum = end.tail(directory, shard).map_err(unreadable)?;
        Ok(end)
    }

    /// How the log goes on, if it is as it was left; otherwise what is different.
    pub fn check(&self, directory: &Path, shard: u32, shards: u32) -> Result<Start, String> {
        let unreadable = |error: io::Error| format!("the log of shard {shard}: {error}");
        let seen = look(directory, shard).map_err(unreadable)?;
        let manifest = Manifest::decode(&seen.manifest)
            .map_err(|error| format!("the manifest of the log of shard {shard}: {error}"))?;
        let is_same = seen.files == self.files
            && crc32fast::hash(&seen.manifest) == self.manifest_checksum
            && manifest.identity == self.identity
            && manifest.shards == shards
            && self.tail(directory, shard).map_err(unreadable)? == self.tail_checksum;
        if !is_same {
            return Err(format!("the log of shard {shard} is not as it was then"));
        }
        let mut numbers = vec![self.end.segment];
        let mut remove = Vec::new();
        // The room of the last one counts as used, too: how much of the others is was not kept.
        let mut bytes = 0;
        for (name, (_, len)) in seen.names.into_iter().zip(&seen.files) {
            let is_part = match name {
                FileName::Manifest { .. } => true,
                FileName::ManifestNew { .. } => false,
                FileName::Segment { number, .. } => {
                    numbers.push(number);
                    let is_part = self.segments.contains(&number);
                    bytes += if is_part { *len } else { 0 };
                    is_part
                }
            };
            if !is_part {
                remove.push(name);
            }
        }
        Ok(Start {
            identity: self.identity,
            shard,
            shards,
            manifest: Some(manifest),
            number: numbers.into_iter().max().unwrap_or(0) + 1,
            predecessor: self.end,
            sequence: self.sequence,
            segments: self.segments.clone(),
            bytes,
            sync: Vec::new(),
            remove,
        })
    }
}
