//! Scripts and functions in Lua 5.1: compiling, running, and the answers between a script and who runs it.
//!
//! A script runs on a coroutine of its own. It is started, asks for something (a command to be called, a pause), is suspended, and goes on with the answer; so a
//! command may concern another shard, and a script that runs long lets the shard do other things. Nothing here does I/O or knows shards, connections or keys,
//! and nothing decides whether a command may be called: who runs the script answers with an error reply, which becomes an error in the script.
//!
//! The decision worth knowing: there is one Lua state per *running* script, from a pool. A suspended script keeps its state; normally one is enough. States
//! compile what they have not compiled yet from the texts that all shards share (`store`).
//!
//! ```text
//! mod (pool, runs) > state (one Lua state) > raw (coroutine, redis.call) | api, cjson, cmsgpack, bits, structs (functions for scripts)
//! store (texts of all shards) > functions (libraries), payload (DUMP), flags, sha1
//! ```

mod api;
mod bits;
mod cjson;
mod cjson_decode;
mod cmsgpack;
pub mod flags;
mod format;
pub mod functions;
mod library;
pub mod payload;
mod random;
mod raw;
mod reply_words;
pub mod sha1;
mod state;
pub mod store;
mod structs;
#[cfg(test)]
mod tests;

use crate::protocol::args::Range;
use crate::protocol::resp::{Protocol, Reply};
use flags::ScriptFlags;
use foldhash::HashMap;
use functions::Functions;
use raw::Stop;
use state::State;
use std::sync::Arc;
use std::time::Instant;
use store::{Library, LibraryFunction, Script, ScriptStore};

/// Scripts that may run at the same time on one shard: each suspended one keeps a Lua state and a stack.
pub const RUNNING_MAX: usize = 128;
/// Idle states that are kept: as many as scripts of usual clients wait for other shards at a time, since making one costs more than most scripts do. Each
/// takes some tens of kilobytes.
const IDLE_MAX: usize = 64;
/// Bytes of the idle states that are kept.
const IDLE_BYTES_MAX: usize = 16 << 20;
/// Runs of a state between two steps of its garbage collector, and the size of a step, as in Redis.
const RUNS_PER_STEP: u32 = 50;
const STEP_SIZE: i32 = 1;
/// Scripts a shard remembers without the store.
const REMEMBERED_MAX: usize = 4096;
/// The memory of a Lua state by default, in bytes.
pub const STATE_MEMORY_BYTES_MAX: usize = 256 << 20;

/// What is run.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    /// The script of this hash: forty hexadecimal digits.
    Script(&'a [u8]),
    /// The function of this name.
    Function(&'a [u8]),
}

/// A run, from its start until it is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunId(usize);

/// What a run is resumed with.
#[derive(Debug, Clone, Copy)]
pub enum Answer<'a> {
    /// The first time.
    Begin,
    /// The reply to [`Ask::Call`] in the protocol that it named, or to [`Ask::AclCheck`]: 1, 0 or an error.
    Reply(&'a Reply),
    /// After [`Ask::Pause`].
    GoOn,
    /// The run must end, with this text as its error reply; nothing in the script can catch it.
    Kill(&'a [u8]),
}

/// What a run wants.
#[derive(Debug)]
pub enum Ask<'a> {
    /// A command is to be called.
    Call {
        /// The words, one behind the other.
        words: &'a [u8],
        /// Where each word is. There is at least one.
        ranges: &'a [Range],
        /// The protocol of the reply.
        protocol: Protocol,
    },
    /// Whether the user may call this command is to be answered.
    AclCheck {
        /// As in [`Ask::Call`].
        words: &'a [u8],
        /// As in [`Ask::Call`].
        ranges: &'a [Range],
    },
    /// The slice of time is over.
    Pause,
    /// The run has ended; its id means nothing any more.
    Done {
        /// The reply, in the protocol of the client. What is not taken is lost with the next start.
        reply: &'a mut Reply,
        /// Whether it is the reply to an error that the script did not catch.
        failed: bool,
    },
}

/// Figures for INFO.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScriptFigures {
    /// Bytes of the Lua states of this shard. One state runs both scripts and functions.
    pub states_bytes: usize,
    /// Bytes of the scripts' texts, of all shards.
    pub scripts_bytes: usize,
    /// Number of scripts.
    pub scripts: usize,
    /// Bytes of the libraries.
    pub functions_bytes: usize,
    /// Number of functions.
    pub functions: usize,
    /// Number of libraries.
    pub libraries: usize,
}

/// What a shard has of scripts. See the module.
pub struct Scripts {
    store: Arc<ScriptStore>,
    memory_bytes_max: usize,
    /// States by the number of their run; idle ones are in `idle`.
    running: Vec<Option<Box<State>>>,
    vacant: Vec<usize>,
    #[expect(clippy::vec_box, reason = "states go from list to list, by pointer")]
    idle: Vec<Box<State>>,
    /// What they take together.
    idle_bytes: usize,
    /// The state of the run that was done last, whose reply may be read until something else happens.
    done: Option<Box<State>>,
    /// Scripts of the store's generation that this shard has met.
    scripts: HashMap<[u8; 20], Arc<Script>>,
    scripts_generation: u64,
    functions: Arc<Functions>,
    functions_generation: u64,
    slice: Option<Instant>,
    log: Vec<(u8, Vec<u8>)>,
}

impl Scripts {
    /// Nothing loaded yet; each Lua state may take so many bytes.
    pub fn new(store: Arc<ScriptStore>, memory_bytes_max: usize) -> Scripts {
        let (scripts_generation, functions_generation) =
            (store.scripts_generation(), store.functions_generation());
        let functions = store.functions();
        Scripts {
            store,
            memory_bytes_max,
            running: Vec::new(),
            vacant: Vec::new(),
            idle: Vec::new(),
            idle_bytes: 0,
            done: None,
            scripts: HashMap::default(),
            scripts_generation,
            functions,
            functions_generation,
            slice: None,
            log: Vec::new(),
        }
    }

    /// Until when a script may run without a pause. Looked at every ten thousand instructions.
    pub fn set_slice(&mut self, until: Option<Instant>) {
        self.slice = until;
    }

    /// Number of runs that have been started and are not done.
    pub fn running(&self) -> usize {
        self.running.len() - self.vacant.len()
    }

    /// Takes the lines that scripts wrote with `redis.log`: level (0 debug to 3 warning) and text.
    pub fn take_log(&mut self) -> Vec<(u8, Vec<u8>)> {
        std::mem::take(&mut self.log)
    }

    /// Forgets what the store has changed since.
    fn refresh(&mut self) {
        let generation = self.store.scripts_generation();
        if generation != self.scripts_generation {
            self.scripts_generation = generation;
            self.scripts.clear();
        }
        let generation = self.store.functions_generation();
        if generation != self.functions_generation {
            self.functions_generation = generation;
            self.functions = self.store.functions();
        }
    }

    /// A state that is up to date.
    fn take_state(&mut self) -> Result<Box<State>, Vec<u8>> {
        self.refresh();
        self.settle();
        while let Some(mut state) = self.idle.pop() {
            self.idle_bytes -= state.memory_bytes();
            if state.scripts_generation != self.scripts_generation || state.is_worn() {
                continue;
            }
            if state.functions_generation != self.functions_generation {
                state.keep_libraries(|number| self.functions.has_number(number));
                state.functions_generation = self.functions_generation;
            }
            return Ok(state);
        }
        let state = State::new(
            self.memory_bytes_max,
            self.scripts_generation,
            self.functions_generation,
        );
        state
            .map(Box::new)
            .ok_or_else(|| b"ERR not enough memory for a script".to_vec())
    }

    /// Puts the state of the run that was done last back.
    fn settle(&mut self) {
        if let Some(state) = self.done.take() {
            self.give_back(state);
        }
    }

    fn rest(&mut self, state: Box<State>) {
        self.idle_bytes += state.memory_bytes();
        self.idle.push(state);
    }

    fn give_back(&mut self, mut state: Box<State>) {
        state.runner.exchange().trim();
        state.runs += 1;
        if state.runs >= RUNS_PER_STEP {
            state.runs = 0;
            state.runner.collect_step(STEP_SIZE);
        }
        let is_full = state.runner.exchange().out_of_memory
            || state.memory_bytes() > self.memory_bytes_max / 2;
        let idle_bytes = self.idle_bytes + state.memory_bytes();
        if !is_full && self.idle.len() < IDLE_MAX && idle_bytes <= IDLE_BYTES_MAX {
            self.rest(state);
        }
    }

    /// Compiles and keeps a script: SCRIPT LOAD (`loaded`, it stays until a flush) and EVAL. Returns its hash. The error is the reply's text.
    pub fn load(&mut self, source: &[u8], loaded: bool) -> Result<[u8; 40], Vec<u8>> {
        self.refresh();
        let hash = sha1::sha1(source);
        if loaded || !self.scripts.contains_key(&hash) {
            let script = Script::new(source)?;
            let mut state = self.take_state()?;
            let compiled = state.script(&script);
            self.rest(state);
            compiled?;
            let script = self.store.keep(script, loaded)?;
            self.remember(script);
        }
        Ok(sha1::hex(&hash))
    }

    fn remember(&mut self, script: Arc<Script>) {
        if self.scripts.len() >= REMEMBERED_MAX {
            self.scripts.clear();
        }
        self.scripts.insert(script.hash, script);
    }

    /// Whether there is a script of this hash, for SCRIPT EXISTS.
    pub fn exists(&mut self, hash: &[u8]) -> bool {
        self.script(hash).is_some()
    }

    fn script(&mut self, hash: &[u8]) -> Option<Arc<Script>> {
        self.refresh();
        let hash = sha1::from_hex(hash)?;
        if let Some(script) = self.scripts.get(&hash) {
            return Some(script.clone());
        }
        let script = self.store.script(&hash)?;
        self.remember(script.clone());
        Some(script)
    }

    /// The flags of a script or function; nothing if there is none.
    pub fn flags(&mut self, what: What) -> Option<ScriptFlags> {
        match what {
            What::Script(hash) => self.script(hash).map(|script| script.flags),
            What::Function(name) => {
                self.refresh();
                self.functions.get(name).map(|(_, function)| function.flags)
            }
        }
    }

    /// Gets a run ready, with arguments of which the first `keys` are keys; its reply will be in the client's protocol. The error is the reply's text.
    pub fn start<'a>(
        &mut self,
        what: What,
        arguments: impl Iterator<Item = &'a [u8]>,
        keys: usize,
        protocol: Protocol,
    ) -> Result<RunId, Vec<u8>> {
        self.refresh();
        if self.running() >= RUNNING_MAX {
            return Err(b"BUSY too many scripts are running".to_vec());
        }
        let mut state = match what {
            What::Script(hash) => {
                let Some(script) = self.script(hash) else {
                    return Err(b"NOSCRIPT No matching script. Please use EVAL.".to_vec());
                };
                let mut state = self.take_state()?;
                match state.script(&script) {
                    Ok(function) => state.prepare(
                        function,
                        &sha1::hex(&script.hash),
                        true,
                        protocol,
                        arguments,
                        keys,
                    ),
                    Err(text) => {
                        self.rest(state);
                        return Err(text);
                    }
                }
                state
            }
            What::Function(name) => {
                let Some((library, function)) = self.functions.get(name) else {
                    return Err(b"ERR Function not found".to_vec());
                };
                let (library, name) = (library.clone(), function.name.clone());
                let mut state = self.take_state()?;
                match state.function(&library, &name) {
                    Ok(function) => {
                        state.prepare(function, &name, false, protocol, arguments, keys)
                    }
                    Err(text) => {
                        self.rest(state);
                        return Err(text);
                    }
                }
                state
            }
        };
        state.runner.exchange().loading = false;
        let place = match self.vacant.pop() {
            Some(place) => {
                self.running[place] = Some(state);
                place
            }
            None => {
                self.running.push(Some(state));
                self.running.len() - 1
            }
        };
        Ok(RunId(place))
    }

    /// Goes on with a run; panics if it is done or the answer is not the one asked for.
    pub fn resume(&mut self, run: RunId, answer: Answer) -> Ask<'_> {
        self.settle();
        let state = self.running[run.0]
            .as_deref_mut()
            .expect("the run is not done");
        let exchange = state.runner.exchange();
        exchange.deadline = self.slice;
        let reply = match answer {
            Answer::Reply(reply) => Some(reply),
            Answer::Kill(text) => {
                exchange.kill = Some(text.to_vec());
                None
            }
            Answer::Begin | Answer::GoOn => None,
        };
        let stop = state.runner.go(reply);
        let lines = state.left().take_log();
        if !lines.is_empty() {
            self.log.extend(lines);
        }
        if stop == Stop::Done {
            self.done = self.running[run.0].take();
            self.vacant.push(run.0);
            let state = self.done.as_deref_mut().expect("just put there");
            let exchange = state.runner.exchange();
            exchange.kill = None;
            return Ask::Done {
                failed: exchange.failed,
                reply: &mut exchange.reply,
            };
        }
        let state = self.running[run.0].as_deref_mut().expect("it is suspended");
        let protocol = state.left().protocol.get();
        let exchange = state.runner.exchange();
        let (words, ranges) = (&exchange.words[..], &exchange.ranges[..]);
        match stop {
            Stop::Call => Ask::Call {
                words,
                ranges,
                protocol,
            },
            Stop::AclCheck => Ask::AclCheck { words, ranges },
            Stop::Pause | Stop::Done => Ask::Pause,
        }
    }

    /// FUNCTION LOAD: runs the code of a library and keeps what it registers. Returns its name. The error is the reply's text.
    pub fn load_library(&mut self, code: &[u8], replace: bool) -> Result<Vec<u8>, Vec<u8>> {
        let name = functions::name_of(code)?;
        self.refresh();
        if !replace && self.functions.has_library(name) {
            return Err([b"ERR Library '", name, b"' already exists"].concat());
        }
        let library = self.register(name, code)?;
        self.store.change_functions(|functions| {
            let mut functions = functions.clone();
            functions.add(library, replace)?;
            Ok::<_, Vec<u8>>(functions)
        })?;
        Ok(name.to_vec())
    }

    /// Runs a library's code for its functions' names and flags.
    fn register(&mut self, name: &[u8], code: &[u8]) -> Result<Library, Vec<u8>> {
        let mut state = self.take_state()?;
        let outcome = state.load(code);
        self.log.extend(state.left().take_log());
        let registered = outcome?;
        let functions = registered
            .into_iter()
            .map(|function| LibraryFunction {
                name: function.name,
                description: function.description,
                flags: function.flags,
            })
            .collect();
        self.give_back(state);
        Ok(Library {
            number: self.store.library_number(),
            name: name.to_vec(),
            code: code.to_vec(),
            functions,
        })
    }

    /// FUNCTION DELETE. The error is the reply's text.
    pub fn delete_library(&mut self, name: &[u8]) -> Result<(), Vec<u8>> {
        self.store.change_functions(|functions| {
            let mut functions = functions.clone();
            if functions.remove(name) {
                Ok(functions)
            } else {
                Err(b"ERR Library not found".to_vec())
            }
        })
    }

    /// FUNCTION FLUSH.
    pub fn flush_libraries(&mut self) {
        let outcome: Result<(), std::convert::Infallible> =
            self.store.change_functions(|_| Ok(Functions::default()));
        let Ok(()) = outcome;
    }

    /// The libraries as they are now, for LIST, STATS and DUMP.
    pub fn libraries(&mut self) -> &Functions {
        self.refresh();
        &self.functions
    }

    /// FUNCTION DUMP.
    pub fn dump_libraries(&mut self) -> Vec<u8> {
        payload::dump(self.libraries().codes())
    }

    /// FUNCTION RESTORE: all libraries of the payload or none. The error is the reply's text.
    pub fn restore_libraries(
        &mut self,
        bytes: &[u8],
        policy: RestorePolicy,
    ) -> Result<(), Vec<u8>> {
        let mut libraries = Vec::new();
        for code in payload::restore(bytes)? {
            let name = functions::name_of(&code)?;
            libraries.push(self.register(name, &code)?);
        }
        self.store.change_functions(|functions| {
            let mut functions = match policy {
                RestorePolicy::Flush => Functions::default(),
                RestorePolicy::Append | RestorePolicy::Replace => functions.clone(),
            };
            for library in libraries {
                functions.add(library, policy == RestorePolicy::Replace)?;
            }
            Ok::<_, Vec<u8>>(functions)
        })
    }

    /// Figures for INFO.
    pub fn figures(&mut self) -> ScriptFigures {
        self.refresh();
        let states = self
            .running
            .iter()
            .flatten()
            .chain(&self.idle)
            .chain(&self.done);
        let (scripts, scripts_bytes) = self.store.scripts_size();
        ScriptFigures {
            states_bytes: states.map(|state| state.memory_bytes()).sum(),
            scripts_bytes,
            scripts,
            functions_bytes: self.functions.bytes(),
            functions: self.functions.functions_len(),
            libraries: self.functions.libraries_len(),
        }
    }
}

/// What FUNCTION RESTORE does with libraries that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestorePolicy {
    /// They go first.
    Flush,
    /// They stay; one of the same name is an error.
    Append,
    /// They stay, but those of the same name go.
    Replace,
}
