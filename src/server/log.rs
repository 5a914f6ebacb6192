//! The log: a line at the start and at the stop, and what needs attention. On standard error, or appended to `logfile`.
//!
//! Never on the way of a request: a shard does not write to files. The `ready` line on standard output is not part of it.

use super::start::StartError;
use crate::config::{Config, LogLevel};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where lines go.
pub struct Log {
    file: Option<File>,
}

impl Log {
    /// Changes to `dir`, and opens `logfile` there.
    pub fn open(config: &Config) -> Result<Log, StartError> {
        if config.dir != "." {
            std::env::set_current_dir(&config.dir).map_err(|error| {
                StartError(format!(
                    "dir {} cannot be changed to ({error}); create it or correct --dir",
                    config.dir
                ))
            })?;
        }
        if config.logfile.is_empty() {
            return Ok(Log { file: None });
        }
        let open = OpenOptions::new()
            .create(true)
            .append(true)
            .open(Path::new(&config.logfile));
        let file = open.map_err(|error| {
            StartError(format!(
                "logfile {} cannot be written to ({error}); correct --logfile or its permissions",
                config.logfile
            ))
        })?;
        Ok(Log { file: Some(file) })
    }

    /// Writes a line of some level if `loglevel` lets it through. A log that cannot be written to stops nothing.
    pub fn line(&self, config: &Config, level: LogLevel, text: &str) {
        // The levels are declared from the most talkative to the least.
        if (level as u8) < (config.loglevel as u8) {
            return;
        }
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let line = format!(
            "{}.{:03} {} torc[{}]: {text}\n",
            since.as_secs(),
            since.subsec_millis(),
            level.name(),
            std::process::id()
        );
        let _ = match &self.file {
            Some(file) => (&mut &*file).write_all(line.as_bytes()),
            None => io::stderr().write_all(line.as_bytes()),
        };
    }
}
