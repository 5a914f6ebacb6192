//! Where the logs of all shards are: the directory, its lock, and a log that begins while the server runs (`CONFIG SET appendonly yes`).
//!
//! Never: writes a log. The decision worth knowing: a log that begins is written into a directory of its own, and takes its place when every shard has written
//! all its keys; a crash before that finds what was there before.

use super::load::{Renewal, lock};
use crate::config::Config;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// A log that begins.
struct Beginning {
    renewal: Renewal,
    identity: [u8; 16],
    directory: PathBuf,
    /// Shards that have not written all their keys.
    left: usize,
}

/// See the module.
#[derive(Default)]
pub struct LogHome(Mutex<State>);

#[derive(Default)]
struct State {
    /// Keeps others from the directory.
    lock: Option<File>,
    beginning: Option<Beginning>,
}

impl LogHome {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().expect("nobody panics while holding it")
    }

    /// Keeps the lock of a directory that a start has loaded.
    pub fn keep(&self, lock: File) {
        self.state().lock = Some(lock);
    }

    /// Prepares a log of so many shards that begins. An error says what is in the way.
    pub fn begin(&self, config: &Config, shards: usize, identity: [u8; 16]) -> Result<(), String> {
        let mut state = self.state();
        if state.beginning.is_some() {
            return Err("the log is only just being made; try again when INFO says aof_rewrite_in_progress:0".into());
        }
        let directory = PathBuf::from(&config.appenddirname);
        state.lock = None;
        state.lock = Some(lock(&directory).map_err(|error| error.to_string())?);
        let renewal = Renewal::begin(&directory).map_err(|error| error.to_string())?;
        state.beginning = Some(Beginning {
            renewal,
            identity,
            directory,
            left: shards,
        });
        Ok(())
    }

    /// The data set and the directory of the log that begins.
    pub fn beginning(&self) -> Option<([u8; 16], PathBuf)> {
        let state = self.state();
        let beginning = state.beginning.as_ref()?;
        let directory: &Path = &beginning.renewal.directory;
        Some((beginning.identity, directory.to_path_buf()))
    }

    /// A shard has written all its keys. With the last one the log takes its place; an error says why it cannot.
    pub fn shard_begun(&self) -> Result<(), String> {
        let mut state = self.state();
        let Some(beginning) = &mut state.beginning else {
            return Ok(());
        };
        beginning.left -= 1;
        if beginning.left > 0 {
            return Ok(());
        }
        let Beginning {
            renewal, directory, ..
        } = state.beginning.take().expect("it was there a moment ago");
        let lock = renewal
            .finish(&directory)
            .map_err(|error| error.to_string())?;
        state.lock = Some(lock);
        Ok(())
    }

    /// Gives a log up that begins.
    pub fn give_up(&self) {
        self.state().beginning = None;
    }
}
