//! One Lua state made ready for scripts: the standard libraries that are harmless, ours, the read-only globals, the limit of memory; and what it has compiled.
//! Never: runs a script. The decision worth knowing: a state that has misbehaved or has become stale is not repaired but dropped; a new one takes a
//! fraction of a millisecond.

use super::api::{self, Left, Registered};
use super::raw::{Runner, Stop};
use super::store::{Library, Script};
use super::{bits, cjson, cmsgpack, structs};
use crate::protocol::resp::Protocol;
use foldhash::HashMap;
use mlua::{Function, Lua, LuaOptions, StdLib, Table};
use std::ffi::c_int;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// What a state does before the first script.
const PRELUDE: &str = include_str!("prelude.lua");
/// How long the code of a library may run when it is loaded.
const LOAD_MS_MAX: u64 = 500;
/// Scripts that a state keeps compiled; with more it is replaced by a new one.
const COMPILED_MAX: usize = 4096;

/// See the module.
pub struct State {
    /// The state with its coroutine.
    pub runner: Runner,
    left: Rc<Left>,
    /// Compiled scripts by hash: registry references.
    scripts: HashMap<[u8; 20], c_int>,
    /// Functions by library (its number in the store), then by name.
    libraries: HashMap<u64, HashMap<Vec<u8>, c_int>>,
    set_loading: Function,
    /// The generations of the store that the compiled scripts and functions belong to.
    pub scripts_generation: u64,
    /// See [`State::scripts_generation`].
    pub functions_generation: u64,
    /// Scripts run since the last step of the collector.
    pub runs: u32,
}

impl State {
    /// Makes one that may take so many bytes. Nothing when the system has no memory for it.
    pub fn new(
        memory_bytes_max: usize,
        scripts_generation: u64,
        functions_generation: u64,
    ) -> Option<State> {
        State::build(memory_bytes_max, scripts_generation, functions_generation)
            .ok()
            .flatten()
    }

    fn build(
        memory_bytes_max: usize,
        scripts_generation: u64,
        functions_generation: u64,
    ) -> mlua::Result<Option<State>> {
        let libraries = StdLib::TABLE | StdLib::STRING | StdLib::MATH | StdLib::OS;
        let lua = Lua::new_with(libraries, LuaOptions::new().catch_rust_panics(false))?;
        let left = Rc::new(Left::default());
        let Some(mut runner) = Runner::new(lua.clone(), left.clone()) else {
            return Ok(None);
        };
        let own = lua.create_table()?;
        own.raw_set("protected", lua.create_table()?)?;
        runner.install(&own)?;
        api::add_all(&lua, &own, &left)?;
        own.raw_set("cjson", cjson::library(&lua)?)?;
        own.raw_set("cmsgpack", cmsgpack::library(&lua)?)?;
        own.raw_set("struct", structs::library(&lua)?)?;
        own.raw_set("bit", bits::library(&lua)?)?;
        lua.load(PRELUDE)
            .set_name("=prelude")
            .call::<()>(own.clone())?;
        let table = |name: &str| own.raw_get::<Table>(name);
        runner.set_globals(
            &table("script_globals")?,
            &table("script_inner")?,
            &table("function_globals")?,
        )?;
        let set_loading = own.raw_get("set_loading")?;
        lua.gc_collect()?;
        lua.set_memory_limit(memory_bytes_max)?;
        Ok(Some(State {
            runner,
            left,
            scripts: HashMap::default(),
            libraries: HashMap::default(),
            set_loading,
            scripts_generation,
            functions_generation,
            runs: 0,
        }))
    }

    /// True when it has collected so much that a new one is better.
    pub fn is_worn(&self) -> bool {
        self.scripts.len() >= COMPILED_MAX
    }

    /// What the functions of scripts leave for the host.
    pub fn left(&self) -> &Left {
        &self.left
    }

    /// The function of a script, compiled at its first use. The error is the reply's text.
    pub fn script(&mut self, script: &Script) -> Result<c_int, Vec<u8>> {
        if let Some(reference) = self.scripts.get(&script.hash) {
            return Ok(*reference);
        }
        let reference = self
            .runner
            .compile(script.text(), c"@user_script", true)
            .map_err(|text| [b"ERR Error compiling script (new function): ", &text[..]].concat())?;
        self.scripts.insert(script.hash, reference);
        Ok(reference)
    }

    /// A function of a library, whose code is run at the first use of any of its functions.
    pub fn function(&mut self, library: &Library, name: &[u8]) -> Result<c_int, Vec<u8>> {
        if !self.libraries.contains_key(&library.number) {
            let registered = self.load(&library.code)?;
            let mut functions = HashMap::default();
            for function in registered {
                let reference = self
                    .runner
                    .reference(function.callback)
                    .map_err(|_| b"ERR not enough memory".to_vec())?;
                functions.insert(function.name, reference);
            }
            self.libraries.insert(library.number, functions);
        }
        self.libraries
            .get(&library.number)
            .and_then(|functions| functions.get(name))
            .copied()
            .ok_or_else(|| b"ERR Function not found".to_vec())
    }

    /// Forgets the functions of libraries that are gone.
    pub fn keep_libraries(&mut self, is_kept: impl Fn(u64) -> bool) {
        let gone: Vec<u64> = self
            .libraries
            .keys()
            .copied()
            .filter(|number| !is_kept(*number))
            .collect();
        for number in gone {
            for reference in self
                .libraries
                .remove(&number)
                .into_iter()
                .flatten()
                .map(|(_, reference)| reference)
            {
                self.runner.release(reference);
            }
        }
    }

    /// Runs the code of a library and returns what it registered. The error is the reply's text.
    pub fn load(&mut self, code: &[u8]) -> Result<Vec<Registered>, Vec<u8>> {
        // The first line stays as an empty one, so that lines keep their numbers.
        let text = match code.iter().position(|byte| *byte == b'\n') {
            Some(end) if code.starts_with(b"#!") => &code[end..],
            _ => code,
        };
        let reference = self
            .runner
            .compile(text, c"@user_function", false)
            .map_err(|text| [b"ERR Error compiling function: ", &text[..]].concat())?;
        self.left.registered.borrow_mut().clear();
        let outcome = self.run_loading(reference);
        self.runner.release(reference);
        let registered = std::mem::take(&mut *self.left.registered.borrow_mut());
        outcome.map(|()| registered)
    }

    fn run_loading(&mut self, reference: c_int) -> Result<(), Vec<u8>> {
        let out_of_memory = |_| b"ERR not enough memory".to_vec();
        self.set_loading.call::<()>(true).map_err(out_of_memory)?;
        self.prepare(
            reference,
            b"",
            false,
            Protocol::Resp2,
            std::iter::empty::<&[u8]>(),
            0,
        );
        let exchange = self.runner.exchange();
        exchange.loading = true;
        exchange.deadline = Some(Instant::now() + Duration::from_millis(LOAD_MS_MAX));
        let stop = self.runner.go(None);
        assert_eq!(
            stop,
            Stop::Done,
            "a library that is being loaded asks for nothing"
        );
        let exchange = self.runner.exchange();
        exchange.loading = false;
        exchange.kill = None;
        let failed = exchange.failed;
        // An error reply is `-text\r\n`.
        let bytes = &exchange.reply.bytes;
        let text = bytes
            .get(1..bytes.len().saturating_sub(2))
            .unwrap_or_default();
        let text = [b"ERR Error registering functions: ", text].concat();
        self.set_loading.call::<()>(false).map_err(out_of_memory)?;
        if failed { Err(text) } else { Ok(()) }
    }

    /// Gets a run ready: what to call, what errors call it, and its keys and arguments.
    pub fn prepare<'a>(
        &mut self,
        function: c_int,
        name: &[u8],
        by_globals: bool,
        protocol: Protocol,
        arguments: impl Iterator<Item = &'a [u8]>,
        keys: usize,
    ) {
        self.left.protocol.set(Protocol::Resp2);
        let exchange = self.runner.exchange();
        exchange.function = function;
        exchange.name.clear();
        exchange.name.extend_from_slice(name);
        exchange.by_globals = by_globals;
        exchange.reply.clear();
        exchange.reply.protocol = protocol;
        exchange.set_arguments(arguments, keys);
        exchange.kill = None;
        exchange.deadline = None;
        exchange.failed = false;
        exchange.out_of_memory = false;
    }

    /// Bytes that the state takes.
    pub fn memory_bytes(&self) -> usize {
        self.runner.lua.used_memory()
    }
}
