//! What all shards share of scripts: their texts by hash, and the libraries of functions. A mutex that is taken when a shard does not know a script yet,
//! and two counters that say whether what a shard remembers still holds.
//! Never: runs or compiles anything. The decision worth knowing: libraries are a snapshot behind an `Arc`, replaced as a whole, so that a shard that
//! has the current one looks functions up without the lock.

use super::flags::{ScriptFlags, flags_of};
use super::functions::Functions;
use super::sha1::sha1;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// Bytes of scripts' texts kept altogether.
const SCRIPTS_BYTES_MAX: usize = 64 << 20;
/// Scripts kept that came by EVAL; the oldest go first. Those of SCRIPT LOAD stay.
const SCRIPTS_EVALUATED_MAX: usize = 500;
/// What a script is charged besides its text.
const SCRIPT_BYTES: usize = 200;

/// A script.
#[derive(Debug)]
pub struct Script {
    /// The hash of its text, its name.
    pub hash: [u8; 20],
    /// What its first line says.
    pub flags: ScriptFlags,
    source: Arc<[u8]>,
    start: usize,
}

impl Script {
    /// Reads the first line of a script. The error is the reply's text.
    pub fn new(source: &[u8]) -> Result<Script, Vec<u8>> {
        let (flags, start) = flags_of(source)?;
        Ok(Script {
            hash: sha1(source),
            flags,
            source: source.into(),
            start,
        })
    }

    /// What is compiled: all but the first line's flags.
    pub fn text(&self) -> &[u8] {
        &self.source[self.start..]
    }

    fn bytes(&self) -> usize {
        self.source.len() + SCRIPT_BYTES
    }
}

/// A library of functions.
#[derive(Debug)]
pub struct Library {
    /// Its own number: two libraries of one name after each other have two.
    pub number: u64,
    /// Its name.
    pub name: Vec<u8>,
    /// Its code, with the first line.
    pub code: Vec<u8>,
    /// Its functions.
    pub functions: Vec<LibraryFunction>,
}

/// A function of a library.
#[derive(Debug, Clone)]
pub struct LibraryFunction {
    /// Its name.
    pub name: Vec<u8>,
    /// What is said about it.
    pub description: Option<Vec<u8>>,
    /// Its flags.
    pub flags: ScriptFlags,
}

#[derive(Default)]
struct Stored {
    scripts: HashMap<[u8; 20], (Arc<Script>, bool)>,
    /// Hashes of scripts that came by EVAL, the oldest first; those that were loaded since may be among them.
    evaluated: VecDeque<[u8; 20]>,
    bytes: usize,
    functions: Arc<Functions>,
}

/// See the module.
#[derive(Default)]
pub struct ScriptStore {
    stored: Mutex<Stored>,
    scripts_generation: AtomicU64,
    functions_generation: AtomicU64,
    libraries_made: AtomicU64,
}

impl ScriptStore {
    /// An empty one.
    pub fn new() -> ScriptStore {
        ScriptStore::default()
    }

    fn lock(&self) -> MutexGuard<'_, Stored> {
        self.stored.lock().expect("nobody panics with the lock")
    }

    /// Changes when scripts were flushed.
    pub fn scripts_generation(&self) -> u64 {
        self.scripts_generation.load(Ordering::Acquire)
    }

    /// Changes when the libraries changed.
    pub fn functions_generation(&self) -> u64 {
        self.functions_generation.load(Ordering::Acquire)
    }

    /// The script of that hash.
    pub fn script(&self, hash: &[u8; 20]) -> Option<Arc<Script>> {
        self.lock()
            .scripts
            .get(hash)
            .map(|(script, _)| script.clone())
    }

    /// Keeps a script; one that was loaded stays until the next flush. The error is the reply's text.
    pub fn keep(&self, script: Script, loaded: bool) -> Result<Arc<Script>, Vec<u8>> {
        let mut stored = self.lock();
        if let Some((known, kept)) = stored.scripts.get_mut(&script.hash) {
            *kept |= loaded;
            return Ok(known.clone());
        }
        let bytes = script.bytes();
        if !loaded {
            stored.evaluated.push_back(script.hash);
        }
        while stored.evaluated.len() > SCRIPTS_EVALUATED_MAX
            || stored.bytes + bytes > SCRIPTS_BYTES_MAX
        {
            let Some(oldest) = stored.evaluated.pop_front() else {
                return Err(b"ERR the scripts take too much memory, use SCRIPT FLUSH".to_vec());
            };
            if stored.scripts.get(&oldest).is_some_and(|(_, kept)| !kept)
                && let Some((gone, _)) = stored.scripts.remove(&oldest)
            {
                stored.bytes -= gone.bytes();
            }
        }
        let script = Arc::new(script);
        stored.bytes += bytes;
        stored.scripts.insert(script.hash, (script.clone(), loaded));
        Ok(script)
    }

    /// Forgets all scripts.
    pub fn flush_scripts(&self) {
        let mut stored = self.lock();
        stored.scripts.clear();
        stored.evaluated.clear();
        stored.bytes = 0;
        self.scripts_generation.fetch_add(1, Ordering::AcqRel);
    }

    /// Number of scripts, and bytes they take.
    pub fn scripts_size(&self) -> (usize, usize) {
        let stored = self.lock();
        (stored.scripts.len(), stored.bytes)
    }

    /// The libraries as they are now.
    pub fn functions(&self) -> Arc<Functions> {
        self.lock().functions.clone()
    }

    /// Replaces the libraries by what the closure makes of them, unless it fails. Nobody else changes them meanwhile.
    pub fn change_functions<E>(
        &self,
        change: impl FnOnce(&Functions) -> Result<Functions, E>,
    ) -> Result<(), E> {
        let mut stored = self.lock();
        let changed = change(&stored.functions)?;
        stored.functions = Arc::new(changed);
        self.functions_generation.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    /// A number for a new library.
    pub fn library_number(&self) -> u64 {
        self.libraries_made.fetch_add(1, Ordering::Relaxed)
    }
}
