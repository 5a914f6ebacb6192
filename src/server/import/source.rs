//! What there is to import, and where: file names, nothing of what is in the files.

use crate::config::Config;
use crate::persist::disk::FileName;
use crate::server::start::StartError;
use std::fs;
use std::path::{Path, PathBuf};

/// Files of Redis. Paths are absolute, so that an import can be begun again from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A snapshot and nothing else.
    Snapshot(PathBuf),
    /// A snapshot, or an append-only file, which may begin with one.
    File(PathBuf),
    /// A manifest, which names the files beside it.
    Manifest(PathBuf),
}

const MANIFEST: &str = ".manifest";

impl Source {
    /// Where it is.
    pub fn path(&self) -> &Path {
        match self {
            Source::Snapshot(path) | Source::File(path) | Source::Manifest(path) => path,
        }
    }

    /// What a path means: a file, a manifest, a directory with a manifest in it. An error is a sentence.
    pub fn of_path(path: &Path) -> Result<Source, String> {
        let path = std::path::absolute(path)
            .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        let about = fs::metadata(&path)
            .map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        if about.is_dir() {
            let mut found = manifests(&path)?;
            return match found.len() {
                1 => Ok(Source::Manifest(found.remove(0))),
                0 => Err(format!("{}: there is no manifest in it", path.display())),
                _ => Err(format!(
                    "{}: there are several manifests in it; name one",
                    path.display()
                )),
            };
        }
        let is_manifest = path.to_string_lossy().ends_with(MANIFEST);
        Ok(match is_manifest {
            true => Source::Manifest(path),
            false => Source::File(path),
        })
    }
}

/// The manifests of Redis in a directory.
fn manifests(directory: &Path) -> Result<Vec<PathBuf>, String> {
    let unreadable =
        |error: std::io::Error| format!("{} cannot be read: {error}", directory.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        if name.ends_with(MANIFEST) && FileName::parse(name).is_none() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf())
}

/// What an interrupted import was about.
pub(super) fn interrupted(path: &Path) -> Result<Source, StartError> {
    Source::of_path(path).map_err(|error| {
        StartError(format!(
            "an import was interrupted and has to be done again, but {error}; put it back, or remove the file `importing` from appenddirname to begin with nothing"
        ))
    })
}

/// Redis' append-only files, as redis-server with this configuration would find them.
pub(super) fn of_log(config: &Config) -> Result<Option<Source>, StartError> {
    let directory = Path::new(&config.appenddirname);
    let named = directory.join(format!("{}{MANIFEST}", config.appendfilename));
    if named.is_file() {
        return Ok(Some(Source::Manifest(absolute(&named))));
    }
    let mut found = manifests(directory).map_err(StartError)?;
    match found.len() {
        0 => {}
        1 => return Ok(Some(Source::Manifest(absolute(&found.remove(0))))),
        _ => {
            return Err(StartError(format!(
                "appenddirname {}: there are several manifests of Redis in it, and none is of appendfilename {}; correct that",
                directory.display(),
                config.appendfilename
            )));
        }
    }
    let single = Path::new(&config.appendfilename);
    Ok(single.is_file().then(|| Source::File(absolute(single))))
}

/// The snapshot, if there is one.
pub(super) fn snapshot(config: &Config) -> Option<Source> {
    let path = Path::new(&config.dbfilename);
    path.is_file().then(|| Source::Snapshot(absolute(path)))
}
