//! The log: a line at the start and at the stop, and what needs attention. On standard error, or appended to `logfile`.
//!
//! Never on the way of a request: a shard does not write to files. What scripts say with `redis.log` goes to a thread of its own, as far as that keeps up. The `ready` line on standard
//! output is not part of it.

use super::shared::Shared;
use super::start::StartError;
use crate::config::{Config, LogLevel};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

/// Lines that may wait for the thread that writes what scripts say; more are dropped.
const LINES_MAX: usize = 1024;

/// Where lines go.
#[derive(Clone)]
pub struct Log {
    file: Option<Arc<File>>,
}

/// Where shards leave lines.
pub type Lines = SyncSender<(LogLevel, String)>;

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
        Ok(Log {
            file: Some(Arc::new(file)),
        })
    }

    /// Starts a thread that writes lines of shards, until nobody can send any more.
    pub fn begin_lines(&self, shared: &Arc<Shared>) -> io::Result<()> {
        let (sender, lines) = mpsc::sync_channel::<(LogLevel, String)>(LINES_MAX);
        // Not the shared state, which has the other end of the channel.
        let (log, weak) = (self.clone(), Arc::downgrade(shared));
        let write = move || {
            for (level, text) in lines {
                let Some(shared) = weak.upgrade() else {
                    return;
                };
                log.line(&shared.config(), level, &text);
            }
        };
        thread::Builder::new()
            .name("torc-log".into())
            .spawn(write)?;
        // The first to come is the only one.
        let _ = shared.log_lines.set(sender);
        Ok(())
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
            Some(file) => (&mut &**file).write_all(line.as_bytes()),
            None => io::stderr().write_all(line.as_bytes()),
        };
    }
}
