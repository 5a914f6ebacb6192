//! The one place where scripts meet Lua's C interface: the coroutine a script runs on, what `redis.call` does between the script and the host, and
//! the guards in front of functions of Lua that could exhaust the stack, run for ever or change what is read-only.
//!
//! Never: decides what a command may do, or knows the keyspace. All `unsafe` code of scripts is here.
//! The decision worth knowing: Lua's errors leave C functions by `longjmp`, which runs no destructors. So every function here that Lua calls, and every one
//! below it, keeps nothing that needs dropping on its own stack: buffers belong to the [`Exchange`], which outlives the Lua state and is reached through a pointer.
//!
//! A coroutine lives as long as its Lua state and runs one script after the other. It is never dropped while it is suspended in a script, because
//! unwinding cannot pass through C's frames: [`Runner`] ends the script with an error first.

// Every unsafe function here has one contract, which stands for a comment at each block: it is called by Lua, or below a call of Lua's, with the state that is
// running on this thread, and it pushes no more than it has made room for (each C function has 20 places).
#![expect(clippy::undocumented_unsafe_blocks)]

use super::api::Left;
use super::reply_words::{Kind, Words};
use crate::large::LargeBytes;
use crate::limits::{KEPT_BUFFER_BYTES_MAX, STRING_BYTES_MAX};
use crate::protocol::args::Range;
use crate::protocol::resp::{Protocol, Reply};
use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};
use mlua::Lua;
use mlua::ffi::{self, lua_State};
use std::ffi::{CStr, c_int, c_void};
use std::rc::Rc;
use std::time::Instant;

/// Bytes of a script's stack: 200 nested calls through C (Lua's own bound), each with a buffer of 8 KiB as `string.gsub` has, take a quarter of it.
/// Only what was used takes memory.
const STACK_BYTES: usize = 8 << 20;
/// Lua counts nested calls anew in every coroutine, so that one inside another may start only while less than this is in use.
const STACK_BYTES_BEFORE_COROUTINE_MAX: usize = STACK_BYTES / 2;
/// Instructions between two looks at the clock, about 50 microseconds.
const INSTRUCTIONS_PER_LOOK: c_int = 10_000;
/// The longest pattern with anything special in it: matching recurses once per item of a pattern, and Lua 5.1 has no bound of its own.
const PATTERN_BYTES_MAX: usize = 8192;
/// The least position that `table.insert` takes: below it, it would fill the places up to 1 one by one.
const INSERT_POSITION_MIN: f64 = -10_000.0;

/// What errors call the prelude.
const PRELUDE_SOURCE: &CStr = c"=prelude";
const READ_ONLY: &CStr = c"Attempt to modify a readonly table";

/// What the host resumes a script with.
enum Input {
    /// Run what the exchange says, or go on.
    Go,
    /// End the coroutine.
    End,
}

/// Why a script stopped for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It called a command: words and ranges are in the exchange.
    Call,
    /// It asks whether it may call a command.
    AclCheck,
    /// Its slice of time is over.
    Pause,
    /// It has ended; its reply is in the exchange.
    Done,
}

/// What host and script have in common. The host touches it only while the script is suspended.
pub struct Exchange {
    /// The words of a command, one behind the other.
    pub words: Vec<u8>,
    /// Where each word is.
    pub ranges: Vec<Range>,
    /// Keys and arguments of the script, and how many of them are keys.
    pub arguments: Vec<u8>,
    /// Where each is.
    pub argument_ranges: Vec<Range>,
    /// How many of them are keys.
    pub keys: usize,
    /// What the script came to.
    pub reply: Reply,
    /// The reply to the last command; only while a script is being resumed with it.
    answer: *const Reply,
    /// What functions written with mlua leave behind.
    pub left: Rc<Left>,
    /// When the script is to let others do something.
    pub deadline: Option<Instant>,
    /// The reason why the script must end.
    pub kill: Option<Vec<u8>>,
    /// Registry reference of the function to run.
    pub function: c_int,
    /// What errors call the function: a script's hash or a function's name.
    pub name: Vec<u8>,
    /// Whether keys and arguments are given as globals (scripts) rather than as arguments (functions).
    pub by_globals: bool,
    /// Milliseconds matter to nobody but those who load libraries: such a run may not take longer than its deadline.
    pub loading: bool,
    /// Set when the script ran out of memory.
    pub out_of_memory: bool,
    /// Whether the script ended with an error.
    pub failed: bool,
    scratch: Vec<u8>,
    yielder: *const Yielder<Input, Stop>,
    /// The address where the coroutine's stack begins, about.
    stack_start: usize,
    state: *mut lua_State,
    references: References,
}

impl Exchange {
    /// Copies keys and arguments.
    pub fn set_arguments<'a>(&mut self, arguments: impl Iterator<Item = &'a [u8]>, keys: usize) {
        self.arguments.clear();
        self.argument_ranges.clear();
        for argument in arguments {
            self.argument_ranges.push(Range {
                offset: self.arguments.len() as u32,
                length: argument.len() as u32,
            });
            self.arguments.extend_from_slice(argument);
        }
        assert!(
            self.arguments.len() < u32::MAX as usize,
            "a request is not so long"
        );
        self.keys = keys.min(self.argument_ranges.len());
    }

    /// Gives back what an unusual run needed.
    pub fn trim(&mut self) {
        for buffer in [
            &mut self.words,
            &mut self.arguments,
            &mut self.scratch,
            &mut self.reply.bytes,
        ] {
            if buffer.capacity() > KEPT_BUFFER_BYTES_MAX {
                *buffer = Vec::new();
            }
        }
        for ranges in [&mut self.ranges, &mut self.argument_ranges] {
            if ranges.capacity() > KEPT_BUFFER_BYTES_MAX / size_of::<Range>() {
                *ranges = Vec::new();
            }
        }
    }
}

/// Registry references made once.
#[derive(Clone, Copy, Default)]
struct References {
    entry: c_int,
    handler: c_int,
    script_globals: c_int,
    script_globals_inner: c_int,
    function_globals: c_int,
}

/// A Lua state with its coroutine. Field order is the order of dropping: nothing refers to the state when it goes.
pub struct Runner {
    coroutine: Coroutine<Input, Stop, (), DefaultStack>,
    /// The state, for what needs no coroutine. Never used while a script is suspended, but to ask for its memory.
    pub lua: Lua,
    exchange: Box<Exchange>,
    running: bool,
}

/// A light value that no script can make; a function of ours that returns it raises the error behind it.
static RAISE: u8 = 0;
/// The key of the exchange in the registry, for the hook, which has no upvalues.
static EXCHANGE_KEY: u8 = 0;

/// The mark by which functions written with mlua say that what follows is an error: `(mark, text)` or `(mark, argument, text)`.
pub fn raise_mark() -> mlua::LightUserData {
    mlua::LightUserData((&raw const RAISE).cast_mut().cast())
}

impl Runner {
    /// Makes a coroutine for a state, and has `redis.call` and its like in `functions` of the registry's table of that name (see `sandbox`).
    /// Nothing when the system has no memory for a stack.
    pub fn new(lua: Lua, left: Rc<Left>) -> Option<Runner> {
        let stack = DefaultStack::new(STACK_BYTES).ok()?;
        let mut exchange = Box::new(Exchange {
            words: Vec::new(),
            ranges: Vec::new(),
            arguments: Vec::new(),
            argument_ranges: Vec::new(),
            keys: 0,
            reply: Reply::default(),
            answer: std::ptr::null(),
            left,
            deadline: None,
            kill: None,
            function: 0,
            name: Vec::new(),
            by_globals: true,
            loading: false,
            out_of_memory: false,
            failed: false,
            scratch: Vec::new(),
            yielder: std::ptr::null(),
            stack_start: 0,
            state: std::ptr::null_mut(),
            references: References::default(),
        });
        let pointer: *mut Exchange = &raw mut *exchange;
        // A pointer that crosses into the closure as a number would lose its origin; the wrapper keeps it.
        let coroutine = Coroutine::with_stack(
            stack,
            move |yielder: &Yielder<Input, Stop>, _first: Input| {
                // SAFETY: the exchange is boxed and outlives the coroutine, and the host does not touch it while this side runs.
                unsafe {
                    (*pointer).yielder = yielder;
                    (*pointer).stack_start = stack_address();
                }
                loop {
                    // The first resume only brings the coroutine here.
                    if let Input::End = yielder.suspend(Stop::Done) {
                        return;
                    }
                    // SAFETY: the state lives as long as the runner, which ends this loop before it drops the state.
                    unsafe { run(pointer) };
                }
            },
        );
        let mut runner = Runner {
            coroutine,
            lua,
            exchange,
            running: false,
        };
        let first = runner.resume(Input::Go);
        debug_assert_eq!(first, Stop::Done);
        Some(runner)
    }

    /// What host and script have in common.
    pub fn exchange(&mut self) -> &mut Exchange {
        &mut self.exchange
    }

    fn resume(&mut self, input: Input) -> Stop {
        match self.coroutine.resume(input) {
            CoroutineResult::Yield(stop) => stop,
            CoroutineResult::Return(()) => Stop::Done,
        }
    }

    /// Starts or goes on, with the reply to a command if it was asked for one.
    pub fn go(&mut self, answer: Option<&Reply>) -> Stop {
        self.running = true;
        self.exchange.answer = answer.map_or(std::ptr::null(), |reply| reply);
        let stop = self.resume(Input::Go);
        self.exchange.answer = std::ptr::null();
        self.running = stop != Stop::Done;
        if !self.running {
            // What Lua does from now on it does on the host's stack, from which the hook must not switch away.
            self.exchange.deadline = None;
        }
        stop
    }

    /// Compiles a chunk (text only) and returns its registry reference; `name` is what errors call it, beginning with `@`.
    pub fn compile(
        &mut self,
        source: &[u8],
        name: &CStr,
        by_globals: bool,
    ) -> Result<c_int, Vec<u8>> {
        assert!(!self.running, "a suspended state compiles nothing");
        let state = self.exchange.state;
        let references = self.exchange.references;
        let environment = if by_globals {
            references.script_globals
        } else {
            references.function_globals
        };
        // SAFETY: the state is idle. Nothing between the loading, which catches its own errors, and the reference can fail but for want of
        // memory, which the protected call reports.
        unsafe {
            let top = ffi::lua_gettop(state);
            let mut request = Compilation {
                source,
                name,
                environment,
                reference: 0,
            };
            let outcome = ffi::lua_cpcall(state, compile, (&raw mut request).cast());
            let result = if outcome == ffi::LUA_OK {
                Ok(request.reference)
            } else {
                let mut text = Vec::new();
                append_text(state, -1, &mut text);
                Err(text)
            };
            ffi::lua_settop(state, top);
            result
        }
    }

    /// Gives a registry reference back.
    pub fn release(&mut self, reference: c_int) {
        // SAFETY: freeing a reference assigns to an existing place of a table, which cannot fail.
        unsafe { ffi::luaL_unref(self.exchange.state, ffi::LUA_REGISTRYINDEX, reference) }
    }

    /// A step of garbage collection.
    pub fn collect_step(&mut self, size: c_int) {
        assert!(!self.running, "a suspended state is left alone");
        // SAFETY: the state is idle; there are no finalizers that could fail (`newproxy` is not there).
        unsafe {
            ffi::lua_gc(self.exchange.state, ffi::LUA_GCSTEP, size);
        }
    }

    /// Puts the raw functions where the prelude finds them and guards in front of those of the standard libraries; see `sandbox`.
    /// `own` is the table of internals, whose field `protected` maps read-only tables to what they show.
    pub fn install(&mut self, own: &mlua::Table) -> mlua::Result<()> {
        let pointer: *mut Exchange = &raw mut *self.exchange;
        // SAFETY: the closure runs in a protected call, so that want of memory becomes an error; it owns nothing that needs dropping.
        unsafe {
            self.lua.exec_raw::<()>(own.clone(), move |state| {
                let own = ffi::lua_gettop(state);
                (*pointer).state = state;
                ffi::lua_pushlightuserdata(state, (&raw const EXCHANGE_KEY).cast_mut().cast());
                ffi::lua_pushlightuserdata(state, pointer.cast());
                ffi::lua_rawset(state, ffi::LUA_REGISTRYINDEX);
                let functions: [(&CStr, ffi::lua_CFunction); 3] = [
                    (c"call", call),
                    (c"pcall", protected_call),
                    (c"acl_check_cmd", acl_check),
                ];
                for (name, function) in functions {
                    ffi::lua_pushlightuserdata(state, pointer.cast());
                    ffi::lua_pushcclosure(state, function, 1);
                    ffi::lua_setfield(state, own, name.as_ptr());
                }
                ffi::lua_pushlightuserdata(state, pointer.cast());
                ffi::lua_pushcclosure(state, entry, 1);
                (*pointer).references.entry = ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX);
                ffi::lua_pushcclosure(state, handler, 0);
                (*pointer).references.handler = ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX);
                for (library, name, guard) in GUARDS {
                    ffi::lua_getfield(state, ffi::LUA_GLOBALSINDEX, library.as_ptr());
                    let table = ffi::lua_gettop(state);
                    ffi::lua_getfield(state, table, name.as_ptr());
                    if ffi::lua_iscfunction(state, -1) != 0 {
                        ffi::lua_getfield(state, own, c"protected".as_ptr());
                        ffi::lua_pushcclosure(state, *guard, 2);
                        ffi::lua_setfield(state, table, name.as_ptr());
                    }
                    ffi::lua_settop(state, own);
                }
                ffi::lua_getfield(state, ffi::LUA_GLOBALSINDEX, c"next".as_ptr());
                ffi::lua_pushcclosure(state, pairs, 1);
                ffi::lua_setfield(state, ffi::LUA_GLOBALSINDEX, c"pairs".as_ptr());
                ffi::lua_pushcclosure(state, lua_protected, 0);
                ffi::lua_setfield(state, ffi::LUA_GLOBALSINDEX, c"pcall".as_ptr());
                ffi::lua_settop(state, 0);
            })
        }
    }

    /// Says which tables scripts and functions see as their globals. From here on the state's own globals are those of scripts, for coroutines and loaded chunks.
    pub fn set_globals(
        &mut self,
        scripts: &mlua::Table,
        scripts_inner: &mlua::Table,
        functions: &mlua::Table,
    ) -> mlua::Result<()> {
        let pointer: *mut Exchange = &raw mut *self.exchange;
        // SAFETY: as in `install`.
        unsafe {
            self.lua.exec_raw::<()>(
                (scripts.clone(), scripts_inner.clone(), functions.clone()),
                move |state| {
                    let references = &mut (*pointer).references;
                    references.function_globals = ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX);
                    references.script_globals_inner = ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX);
                    references.script_globals = ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX);
                    ffi::lua_sethook(state, Some(hook), ffi::LUA_MASKCOUNT, INSTRUCTIONS_PER_LOOK);
                },
            )
        }
    }

    /// Wraps a function written with mlua so that its errors are plain strings with a position, as those of C functions are.
    pub fn raising(lua: &Lua, function: mlua::Function) -> mlua::Result<mlua::Function> {
        // SAFETY: as in `install`; the closure leaves one value.
        unsafe {
            lua.exec_raw(function, |state| {
                ffi::lua_pushcclosure(state, raising, 1);
            })
        }
    }

    /// Puts a function of Lua into the registry.
    pub fn reference(&mut self, function: mlua::Function) -> mlua::Result<c_int> {
        let mut reference = 0;
        let place: *mut c_int = &raw mut reference;
        // SAFETY: as in `install`.
        unsafe {
            self.lua.exec_raw::<()>(function, move |state| {
                *place = ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX);
            })?;
        }
        Ok(reference)
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if self.running {
            self.exchange.kill = Some(b"ERR the script was ended".to_vec());
            // Every instruction raises an error from here on, so that each resume ends at least one call.
            while self.go(None) != Stop::Done {}
        }
        self.resume(Input::End);
        debug_assert!(self.coroutine.done());
    }
}

struct Compilation<'a> {
    source: &'a [u8],
    name: &'a CStr,
    environment: c_int,
    reference: c_int,
}

unsafe extern "C-unwind" fn compile(state: *mut lua_State) -> c_int {
    unsafe {
        let request = ffi::lua_touserdata(state, 1).cast::<Compilation>();
        let (source, name) = ((*request).source, (*request).name);
        // What begins so would be taken for precompiled code, which nobody checks.
        if source.first() == Some(&b'\x1b') {
            ffi::lua_pushstring(state, c"unexpected symbol near '<\\27>'".as_ptr());
            ffi::lua_error(state);
        }
        if ffi::luaL_loadbuffer(state, source.as_ptr().cast(), source.len(), name.as_ptr())
            != ffi::LUA_OK
        {
            ffi::lua_error(state);
        }
        ffi::lua_rawgeti(state, ffi::LUA_REGISTRYINDEX, (*request).environment.into());
        ffi::lua_setfenv(state, -2);
        (*request).reference = ffi::luaL_ref(state, ffi::LUA_REGISTRYINDEX);
    }
    0
}

/// Runs what the exchange says, from its first to its last instruction.
unsafe fn run(exchange: *mut Exchange) {
    unsafe {
        let state = (*exchange).state;
        let top = ffi::lua_gettop(state);
        ffi::lua_rawgeti(
            state,
            ffi::LUA_REGISTRYINDEX,
            (*exchange).references.entry.into(),
        );
        if ffi::lua_pcall(state, 0, 0, 0) != ffi::LUA_OK {
            // Nothing can fail there but for want of memory.
            fail(exchange, b"ERR not enough memory");
            (*exchange).out_of_memory = true;
        }
        ffi::lua_settop(state, top);
        let killed = (*exchange).kill.is_some();
        if killed {
            ffi::lua_sethook(state, Some(hook), ffi::LUA_MASKCOUNT, INSTRUCTIONS_PER_LOOK);
            if !(*exchange).failed {
                let kill = (*exchange).kill.take().unwrap_or_default();
                fail(exchange, &kill);
            }
        }
    }
}

unsafe fn fail(exchange: *mut Exchange, text: &[u8]) {
    unsafe {
        let reply = &mut (*exchange).reply;
        reply.clear();
        reply.error(text);
        (*exchange).failed = true;
    }
}

unsafe fn exchange_of(state: *mut lua_State) -> *mut Exchange {
    unsafe { ffi::lua_touserdata(state, ffi::lua_upvalueindex(1)).cast() }
}

/// Calls the function and turns what it returns, or its error, into the reply.
unsafe extern "C-unwind" fn entry(state: *mut lua_State) -> c_int {
    unsafe {
        let exchange = exchange_of(state);
        let references = (*exchange).references;
        let registry = ffi::LUA_REGISTRYINDEX;
        let by_globals = (*exchange).by_globals;
        let globals = if by_globals {
            references.script_globals
        } else {
            references.function_globals
        };
        ffi::lua_rawgeti(state, registry, globals.into());
        ffi::lua_replace(state, ffi::LUA_GLOBALSINDEX);
        ffi::lua_rawgeti(state, registry, references.handler.into());
        let handler = ffi::lua_gettop(state);
        if by_globals {
            ffi::lua_rawgeti(state, registry, references.script_globals_inner.into());
            ffi::lua_pushstring_(state, c"KEYS".as_ptr());
            push_arguments(state, exchange, 0, (*exchange).keys);
            ffi::lua_rawset(state, -3);
            ffi::lua_pushstring_(state, c"ARGV".as_ptr());
            push_arguments(
                state,
                exchange,
                (*exchange).keys,
                (*exchange).argument_ranges.len(),
            );
            ffi::lua_rawset(state, -3);
            ffi::lua_settop(state, handler);
        }
        ffi::lua_rawgeti(state, registry, (*exchange).function.into());
        let mut count = 0;
        if !by_globals && !(*exchange).loading {
            push_arguments(state, exchange, 0, (*exchange).keys);
            push_arguments(
                state,
                exchange,
                (*exchange).keys,
                (*exchange).argument_ranges.len(),
            );
            count = 2;
        }
        let outcome = ffi::lua_pcall(state, count, 1, handler);
        (*exchange).reply.clear();
        (*exchange).failed = outcome != ffi::LUA_OK;
        if outcome == ffi::LUA_OK {
            write_reply(state, exchange);
            if (*exchange).reply.bytes.len() > STRING_BYTES_MAX {
                fail(exchange, b"ERR the reply of the script is too long");
            }
        } else {
            (*exchange).out_of_memory |= outcome == ffi::LUA_ERRMEM;
            error_text(state, exchange);
        }
        // What the script was given is not kept longer than the script.
        if by_globals {
            ffi::lua_settop(state, 0);
        }
    }
    0
}

/// The text of the error on top of the stack becomes the reply.
unsafe fn error_text(state: *mut lua_State, exchange: *mut Exchange) {
    unsafe {
        let error = ffi::lua_gettop(state);
        let text = &mut (*exchange).scratch;
        text.clear();
        let mut position = false;
        if ffi::lua_type(state, error) == ffi::LUA_TTABLE {
            field(state, error, c"err");
            if ffi::lua_type(state, -1) == ffi::LUA_TSTRING {
                append_text(state, -1, text);
            } else {
                text.extend_from_slice(b"ERR unknown error");
            }
            field(state, error, c"source");
            field(state, error, c"line");
            position = ffi::lua_isstring(state, -1) != 0 && ffi::lua_isstring(state, -2) != 0;
        } else {
            text.extend_from_slice(b"ERR ");
            append_text(state, error, text);
        }
        if (*exchange).loading {
            position = false;
        } else if position {
            text.extend_from_slice(b" script: ");
            text.extend_from_slice(&(*exchange).name);
            text.extend_from_slice(b", on ");
            append_text(state, -2, text);
            text.push(b':');
            append_text(state, -1, text);
            text.push(b'.');
        }
        let _ = position;
        ffi::lua_settop(state, error);
        let scratch: *const Vec<u8> = &raw const (*exchange).scratch;
        fail(exchange, &*scratch);
    }
}

/// Pushes a field of the table at `index`, without metamethods.
unsafe fn field(state: *mut lua_State, index: c_int, name: &CStr) {
    unsafe {
        ffi::lua_pushstring_(state, name.as_ptr());
        ffi::lua_rawget(state, if index < 0 { index - 1 } else { index });
    }
}

/// Appends a string or a number; of others nothing.
unsafe fn append_text(state: *mut lua_State, index: c_int, text: &mut Vec<u8>) {
    unsafe {
        let mut len = 0;
        let bytes = ffi::lua_tolstring(state, index, &raw mut len);
        if !bytes.is_null() {
            text.extend_from_slice(std::slice::from_raw_parts(bytes.cast(), len));
        }
    }
}

unsafe fn push_bytes(state: *mut lua_State, bytes: &[u8]) {
    unsafe { ffi::lua_pushlstring_(state, bytes.as_ptr().cast(), bytes.len()) }
}

unsafe fn push_arguments(state: *mut lua_State, exchange: *mut Exchange, from: usize, to: usize) {
    unsafe {
        ffi::lua_createtable(state, (to - from) as c_int, 0);
        for index in from..to {
            let range = (&(*exchange).argument_ranges)[index];
            push_bytes(
                state,
                &(&(*exchange).arguments)
                    [range.offset as usize..(range.offset + range.length) as usize],
            );
            ffi::lua_rawseti_(state, -2, (index - from + 1) as c_int);
        }
    }
}

/// The handler of errors: makes a table of what was raised, and adds where.
unsafe extern "C-unwind" fn handler(state: *mut lua_State) -> c_int {
    unsafe {
        ffi::lua_settop(state, 1);
        if ffi::lua_type(state, 1) != ffi::LUA_TTABLE {
            ffi::lua_createtable(state, 0, 4);
            ffi::lua_pushstring_(state, c"err".as_ptr());
            ffi::lua_pushstring_(state, c"ERR ".as_ptr());
            match ffi::lua_type(state, 1) {
                ffi::LUA_TSTRING | ffi::LUA_TNUMBER => ffi::lua_pushvalue(state, 1),
                ffi::LUA_TNIL => ffi::lua_pushstring_(state, c"nil".as_ptr()),
                ffi::LUA_TBOOLEAN if ffi::lua_toboolean(state, 1) != 0 => {
                    ffi::lua_pushstring_(state, c"true".as_ptr())
                }
                ffi::LUA_TBOOLEAN => ffi::lua_pushstring_(state, c"false".as_ptr()),
                kind => ffi::lua_pushstring_(state, ffi::lua_typename(state, kind)),
            }
            ffi::lua_concat(state, 2);
            ffi::lua_rawset(state, 2);
            ffi::lua_replace(state, 1);
        }
        let mut place: ffi::lua_Debug = std::mem::zeroed();
        let mut level = 1;
        let mut passed_c = false;
        while ffi::lua_getstack(state, level, &raw mut place) != 0 {
            ffi::lua_getinfo(state, c"Sl".as_ptr(), &raw mut place);
            level += 1;
            // Ours are as good as functions in C, which raise errors for those who called them.
            if CStr::from_ptr(place.source) == PRELUDE_SOURCE {
                continue;
            }
            if *place.what.cast::<u8>() == b'C' && !passed_c {
                passed_c = true;
                continue;
            }
            ffi::lua_pushstring_(state, c"source".as_ptr());
            ffi::lua_pushstring_(state, place.source);
            ffi::lua_rawset(state, 1);
            ffi::lua_pushstring_(state, c"line".as_ptr());
            ffi::lua_pushinteger(state, place.currentline.into());
            ffi::lua_rawset(state, 1);
            break;
        }
    }
    1
}

/// Every so many instructions: looks whether the slice is over or the script must end.
unsafe extern "C-unwind" fn hook(state: *mut lua_State, _place: *mut ffi::lua_Debug) {
    unsafe {
        let exchange = exchange_registered(state);
        if (*exchange).kill.is_none()
            && (*exchange)
                .deadline
                .is_some_and(|deadline| Instant::now() >= deadline)
        {
            if (*exchange).loading {
                (*exchange).kill = Some(b"ERR FUNCTION LOAD timeout".to_vec());
            } else {
                (*(*exchange).yielder).suspend(Stop::Pause);
            }
        }
        end_if_killed(state, exchange);
    }
}

/// Raises an error if the script must end, and sees to it that whatever catches this error gets no further than one instruction.
unsafe fn end_if_killed(state: *mut lua_State, exchange: *mut Exchange) {
    unsafe {
        if let Some(text) = &(*exchange).kill {
            ffi::lua_sethook(state, Some(hook), ffi::LUA_MASKCOUNT, 1);
            ffi::lua_sethook((*exchange).state, Some(hook), ffi::LUA_MASKCOUNT, 1);
            ffi::lua_createtable(state, 0, 4);
            ffi::lua_pushstring_(state, c"err".as_ptr());
            push_bytes(state, text);
            ffi::lua_rawset(state, -3);
            ffi::lua_error(state);
        }
    }
}

unsafe extern "C-unwind" fn call(state: *mut lua_State) -> c_int {
    unsafe { command(state, Stop::Call, true) }
}

unsafe extern "C-unwind" fn protected_call(state: *mut lua_State) -> c_int {
    unsafe { command(state, Stop::Call, false) }
}

unsafe extern "C-unwind" fn acl_check(state: *mut lua_State) -> c_int {
    unsafe { command(state, Stop::AclCheck, true) }
}

/// Hands the words on the stack to the host and gives its reply to the script.
#[inline(always)]
unsafe fn command(state: *mut lua_State, stop: Stop, raises: bool) -> c_int {
    unsafe {
        let exchange = exchange_of(state);
        let refusal = gather(state, exchange);
        if let Some(text) = refusal {
            push_error_table(state, text.to_bytes(), false);
            if raises {
                ffi::lua_error(state);
            }
            return 1;
        }
        if !(*exchange).loading {
            (*(*exchange).yielder).suspend(stop);
        }
        end_if_killed(state, exchange);
        let answer = (*exchange).answer;
        if answer.is_null() {
            push_error_table(state, b"ERR no command can be called here", false);
            ffi::lua_error(state);
        }
        let mut words = Words::new(&(*answer).bytes);
        let mut large: &[(usize, LargeBytes)] = &(*answer).large;
        let is_error = (*answer).bytes.first() == Some(&b'-');
        ffi::lua_settop(state, 0);
        if !push_reply(state, &mut words, &mut large) {
            push_error_table(
                state,
                b"ERR the reply is malformed or nested too deeply",
                false,
            );
            ffi::lua_error(state);
        }
        if is_error && raises {
            ffi::lua_error(state);
        }
        if stop == Stop::AclCheck {
            let allowed = ffi::lua_tonumber(state, -1) != 0.0;
            ffi::lua_pushboolean(state, allowed.into());
        }
        1
    }
}

/// Collects the arguments as words; a text if they are none.
unsafe fn gather(state: *mut lua_State, exchange: *mut Exchange) -> Option<&'static CStr> {
    unsafe {
        let count = ffi::lua_gettop(state);
        if count == 0 {
            return Some(c"ERR Please specify at least one argument for this redis lib call");
        }
        let words = &mut (*exchange).words;
        let ranges = &mut (*exchange).ranges;
        words.clear();
        ranges.clear();
        for index in 1..=count {
            let offset = words.len();
            match ffi::lua_type(state, index) {
                ffi::LUA_TNUMBER => {
                    super::format::append_number(words, ffi::lua_tonumber(state, index))
                }
                ffi::LUA_TSTRING => append_text(state, index, words),
                _ => {
                    return Some(
                        c"ERR Lua redis lib command arguments must be strings or integers",
                    );
                }
            }
            if words.len() >= u32::MAX as usize {
                words.clear();
                return Some(c"ERR the command is too long");
            }
            ranges.push(Range {
                offset: offset as u32,
                length: (words.len() - offset) as u32,
            });
        }
        None
    }
}

/// Pushes `{err = text}`.
unsafe fn push_error_table(state: *mut lua_State, text: &[u8], counted: bool) {
    unsafe {
        ffi::lua_createtable(state, 0, 4);
        ffi::lua_pushstring_(state, c"err".as_ptr());
        push_bytes(state, text);
        ffi::lua_rawset(state, -3);
        if counted {
            ffi::lua_pushstring_(state, c"ignore_error_stats_update".as_ptr());
            ffi::lua_pushboolean(state, 1);
            ffi::lua_rawset(state, -3);
        }
    }
}

/// Pushes `{name = value}` for the value on top of the stack.
unsafe fn wrap(state: *mut lua_State, name: &CStr) {
    unsafe {
        ffi::lua_createtable(state, 0, 1);
        ffi::lua_insert(state, -2);
        ffi::lua_pushstring_(state, name.as_ptr());
        ffi::lua_insert(state, -2);
        ffi::lua_rawset(state, -3);
    }
}

/// Pushes a string that stands in the reply's bytes or beside them; false if it is not there.
unsafe fn push_string(
    state: *mut lua_State,
    words: &mut Words,
    large: &mut &[(usize, LargeBytes)],
    len: usize,
) -> bool {
    unsafe {
        if let Some(((position, value), rest)) = large.split_first()
            && *position == words.position()
        {
            push_bytes(state, value.as_slice());
            *large = rest;
            return words.skip_line_end();
        }
        match words.string(len) {
            Some(bytes) => {
                push_bytes(state, bytes);
                true
            }
            None => false,
        }
    }
}

/// Pushes the next value of a reply; false if there is none.
unsafe fn push_reply(
    state: *mut lua_State,
    words: &mut Words,
    large: &mut &[(usize, LargeBytes)],
) -> bool {
    unsafe {
        if ffi::lua_checkstack(state, 8) == 0 {
            return false;
        }
        let Some(kind) = words.next() else {
            return false;
        };
        match kind {
            Kind::Integer(value) => ffi::lua_pushnumber(state, value as f64),
            Kind::String(len) => return push_string(state, words, large, len),
            Kind::Status(text) => {
                push_bytes(state, text);
                wrap(state, c"ok");
            }
            Kind::Error(text) => push_error_table(state, text, true),
            Kind::NullOfVersion2 => ffi::lua_pushboolean(state, 0),
            Kind::Null => ffi::lua_pushnil(state),
            Kind::Boolean(value) => ffi::lua_pushboolean(state, value.into()),
            Kind::Double(value) => {
                ffi::lua_pushnumber(state, value);
                wrap(state, c"double");
            }
            Kind::BigNumber(digits) => {
                push_bytes(state, digits);
                wrap(state, c"big_number");
            }
            Kind::Verbatim(len) => {
                let Some(text) = words.string(len) else {
                    return false;
                };
                let (format, text) = text.split_at(text.len().min(4));
                ffi::lua_createtable(state, 0, 2);
                ffi::lua_pushstring_(state, c"string".as_ptr());
                push_bytes(state, text);
                ffi::lua_rawset(state, -3);
                ffi::lua_pushstring_(state, c"format".as_ptr());
                push_bytes(state, &format[..format.len().min(3)]);
                ffi::lua_rawset(state, -3);
                wrap(state, c"verbatim_string");
            }
            Kind::Array(len) => {
                ffi::lua_createtable(state, len.min(words.left()) as c_int, 0);
                for index in 1..=len {
                    if !push_reply(state, words, large) {
                        return false;
                    }
                    ffi::lua_rawseti_(state, -2, index as c_int);
                }
            }
            Kind::Map(len) => {
                ffi::lua_createtable(state, 0, len.min(words.left()) as c_int);
                for _ in 0..len {
                    if !push_reply(state, words, large) || !push_reply(state, words, large) {
                        return false;
                    }
                    if ffi::lua_type(state, -2) == ffi::LUA_TNIL {
                        return false;
                    }
                    ffi::lua_rawset(state, -3);
                }
                wrap(state, c"map");
            }
            Kind::Set(len) => {
                ffi::lua_createtable(state, 0, len.min(words.left()) as c_int);
                for _ in 0..len {
                    if !push_reply(state, words, large) || ffi::lua_type(state, -1) == ffi::LUA_TNIL
                    {
                        return false;
                    }
                    ffi::lua_pushboolean(state, 1);
                    ffi::lua_rawset(state, -3);
                }
                wrap(state, c"set");
            }
        }
        true
    }
}

/// Writes the value on top of the stack as a reply and takes it from the stack.
unsafe fn write_reply(state: *mut lua_State, exchange: *mut Exchange) {
    unsafe {
        let reply: *mut Reply = &raw mut (*exchange).reply;
        if ffi::lua_checkstack(state, 4) == 0 {
            (*reply).error("ERR reached lua stack limit");
            ffi::lua_settop(state, -2);
            return;
        }
        // A few shared tables can stand for more elements than there is memory: beyond the bound, which the caller looks at, nothing is written any more.
        if (*reply).bytes.len() > STRING_BYTES_MAX {
            ffi::lua_settop(state, -2);
            return;
        }
        match ffi::lua_type(state, -1) {
            ffi::LUA_TSTRING => (*reply).bulk(bytes_at(state, -1)),
            ffi::LUA_TNUMBER => {
                (*reply).integer(super::format::truncated(ffi::lua_tonumber(state, -1)))
            }
            ffi::LUA_TBOOLEAN => {
                let value = ffi::lua_toboolean(state, -1) != 0;
                let left = &(*exchange).left;
                match (left.protocol.get(), value) {
                    (Protocol::Resp3, _) => (*reply).boolean(value),
                    (Protocol::Resp2, true) => (*reply).integer(1),
                    (Protocol::Resp2, false) => (*reply).null(),
                }
            }
            ffi::LUA_TTABLE => write_table(state, exchange, reply),
            _ => (*reply).null(),
        }
        ffi::lua_settop(state, -2);
    }
}

unsafe fn bytes_at<'a>(state: *mut lua_State, index: c_int) -> &'a [u8] {
    unsafe {
        let mut len = 0;
        let bytes = ffi::lua_tolstring(state, index, &raw mut len);
        std::slice::from_raw_parts(bytes.cast(), len)
    }
}

/// Writes the table on top of the stack, which stays there.
unsafe fn write_table(state: *mut lua_State, exchange: *mut Exchange, reply: *mut Reply) {
    unsafe {
        let table = ffi::lua_gettop(state);
        // What is none of the special forms is an array; most tables have no part for names at all, but only looking tells.
        for (name, kind, write) in FORMS {
            field(state, table, name);
            if ffi::lua_type(state, -1) == *kind && write(state, exchange, reply) {
                ffi::lua_settop(state, table);
                return;
            }
            ffi::lua_settop(state, table);
        }
        let mut len = 0;
        loop {
            ffi::lua_rawgeti_(state, table, len + 1);
            let end = ffi::lua_type(state, -1) == ffi::LUA_TNIL;
            ffi::lua_settop(state, table);
            if end {
                break;
            }
            len += 1;
        }
        (*reply).array(len as usize);
        for index in 1..=len {
            ffi::lua_rawgeti_(state, table, index);
            write_reply(state, exchange);
        }
    }
}

type Form = unsafe fn(*mut lua_State, *mut Exchange, *mut Reply) -> bool;

/// The tables that stand for more than arrays: a name, the type its value must have, and how it is written.
const FORMS: &[(&CStr, c_int, Form)] = &[
    (c"err", ffi::LUA_TSTRING, write_error),
    (c"ok", ffi::LUA_TSTRING, write_status),
    (c"double", ffi::LUA_TNUMBER, write_double),
    (c"map", ffi::LUA_TTABLE, write_map),
    (c"set", ffi::LUA_TTABLE, write_set),
    (c"big_number", ffi::LUA_TSTRING, write_big_number),
    (c"verbatim_string", ffi::LUA_TTABLE, write_verbatim),
];

unsafe fn write_error(state: *mut lua_State, _exchange: *mut Exchange, reply: *mut Reply) -> bool {
    unsafe { (*reply).error(bytes_at(state, -1)) };
    true
}

unsafe fn write_line(state: *mut lua_State, reply: *mut Reply, marker: u8) {
    unsafe {
        let bytes = &mut (*reply).bytes;
        bytes.push(marker);
        let start = bytes.len();
        bytes.extend_from_slice(bytes_at(state, -1));
        for byte in &mut bytes[start..] {
            if matches!(byte, b'\r' | b'\n') {
                *byte = b' ';
            }
        }
        bytes.extend_from_slice(b"\r\n");
    }
}

unsafe fn write_status(state: *mut lua_State, _exchange: *mut Exchange, reply: *mut Reply) -> bool {
    unsafe { write_line(state, reply, b'+') };
    true
}

unsafe fn write_double(state: *mut lua_State, _exchange: *mut Exchange, reply: *mut Reply) -> bool {
    unsafe { (*reply).double(ffi::lua_tonumber(state, -1)) };
    true
}

/// Number of entries of the table on top of the stack.
unsafe fn entries(state: *mut lua_State) -> usize {
    unsafe {
        let mut count = 0;
        ffi::lua_pushnil(state);
        while ffi::lua_next(state, -2) != 0 {
            ffi::lua_settop(state, -2);
            count += 1;
        }
        count
    }
}

unsafe fn write_map(state: *mut lua_State, exchange: *mut Exchange, reply: *mut Reply) -> bool {
    unsafe {
        (*reply).map(entries(state));
        ffi::lua_pushnil(state);
        while ffi::lua_next(state, -2) != 0 {
            // A copy of the key, because writing it takes it away.
            ffi::lua_pushvalue(state, -2);
            write_reply(state, exchange);
            write_reply(state, exchange);
        }
    }
    true
}

unsafe fn write_set(state: *mut lua_State, exchange: *mut Exchange, reply: *mut Reply) -> bool {
    unsafe {
        (*reply).set(entries(state));
        ffi::lua_pushnil(state);
        while ffi::lua_next(state, -2) != 0 {
            ffi::lua_settop(state, -2);
            ffi::lua_pushvalue(state, -1);
            write_reply(state, exchange);
        }
    }
    true
}

unsafe fn write_big_number(
    state: *mut lua_State,
    _exchange: *mut Exchange,
    reply: *mut Reply,
) -> bool {
    unsafe {
        match (*reply).protocol {
            Protocol::Resp2 => (*reply).bulk(bytes_at(state, -1)),
            Protocol::Resp3 => write_line(state, reply, b'('),
        }
    }
    true
}

unsafe fn write_verbatim(
    state: *mut lua_State,
    _exchange: *mut Exchange,
    reply: *mut Reply,
) -> bool {
    unsafe {
        let table = ffi::lua_gettop(state);
        field(state, table, c"format");
        field(state, table, c"string");
        if ffi::lua_type(state, -2) != ffi::LUA_TSTRING
            || ffi::lua_type(state, -1) != ffi::LUA_TSTRING
        {
            return false;
        }
        // Three letters, filled up with blanks as the protocol wants it.
        let mut format = [b' '; 3];
        for (place, byte) in format.iter_mut().zip(bytes_at(state, -2)) {
            if byte.is_ascii_graphic() {
                *place = *byte;
            }
        }
        let format = std::str::from_utf8(&format).unwrap_or("txt");
        (*reply).verbatim(format, bytes_at(state, -1));
    }
    true
}

/// Calls what was written with mlua and raises what it says to raise.
unsafe extern "C-unwind" fn raising(state: *mut lua_State) -> c_int {
    unsafe {
        let count = ffi::lua_gettop(state);
        ffi::luaL_checkstack(state, 4, c"too many arguments".as_ptr());
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(1));
        ffi::lua_insert(state, 1);
        ffi::lua_call(state, count, ffi::LUA_MULTRET);
        let results = ffi::lua_gettop(state);
        let mark: *const c_void = (&raw const RAISE).cast();
        if results >= 2 && std::ptr::eq(ffi::lua_touserdata(state, 1), mark) {
            if results >= 3 {
                let argument = ffi::lua_tonumber(state, 2) as c_int;
                return ffi::luaL_argerror(state, argument, ffi::lua_tostring(state, 3));
            }
            if ffi::lua_type(state, 2) == ffi::LUA_TSTRING {
                ffi::luaL_where(state, 1);
                ffi::lua_insert(state, 2);
                ffi::lua_concat(state, 2);
            }
            ffi::lua_error(state);
        }
        results
    }
}

/// Which functions of Lua have a guard: the library (`_G` for the basic one), the function, the guard.
const GUARDS: &[(&CStr, &CStr, ffi::lua_CFunction)] = &[
    (c"string", c"find", guard_pattern),
    (c"string", c"match", guard_pattern),
    (c"string", c"gmatch", guard_pattern),
    (c"string", c"gfind", guard_pattern),
    (c"string", c"gsub", guard_pattern),
    (c"string", c"rep", guard_repetition),
    (c"_G", c"rawset", guard_write),
    (c"_G", c"setmetatable", guard_write),
    (c"table", c"insert", guard_insert),
    (c"table", c"remove", guard_write),
    (c"table", c"sort", guard_write),
    (c"table", c"setn", guard_write),
    (c"_G", c"next", guard_read),
    (c"_G", c"rawget", guard_read),
    (c"_G", c"loadstring", guard_load),
    (c"coroutine", c"create", guard_coroutine),
    (c"coroutine", c"wrap", guard_wrap),
    (c"coroutine", c"resume", guard_coroutine),
];

/// Goes on with the guarded function, which runs as if it had been called itself.
unsafe fn guarded(state: *mut lua_State) -> c_int {
    unsafe {
        match ffi::lua_tocfunction(state, ffi::lua_upvalueindex(1)) {
            Some(function) => function(state),
            None => 0,
        }
    }
}

/// If the first argument is a read-only table, pushes what it shows.
unsafe fn shown(state: *mut lua_State) -> bool {
    unsafe {
        if ffi::lua_type(state, 1) != ffi::LUA_TTABLE || ffi::lua_getmetatable(state, 1) == 0 {
            return false;
        }
        ffi::lua_settop(state, -2);
        ffi::lua_pushvalue(state, 1);
        ffi::lua_rawget(state, ffi::lua_upvalueindex(2));
        if ffi::lua_type(state, -1) == ffi::LUA_TNIL {
            ffi::lua_settop(state, -2);
            return false;
        }
        true
    }
}

unsafe extern "C-unwind" fn guard_write(state: *mut lua_State) -> c_int {
    unsafe {
        if shown(state) {
            ffi::lua_pushstring_(state, READ_ONLY.as_ptr());
            ffi::lua_error(state);
        }
        guarded(state)
    }
}

unsafe extern "C-unwind" fn guard_insert(state: *mut lua_State) -> c_int {
    unsafe {
        if ffi::lua_gettop(state) == 3 && ffi::lua_tonumber(state, 2) < INSERT_POSITION_MIN {
            return ffi::luaL_argerror(state, 2, c"position out of bounds".as_ptr());
        }
        guard_write(state)
    }
}

unsafe extern "C-unwind" fn guard_read(state: *mut lua_State) -> c_int {
    unsafe {
        if shown(state) {
            ffi::lua_replace(state, 1);
        }
        guarded(state)
    }
}

unsafe extern "C-unwind" fn guard_pattern(state: *mut lua_State) -> c_int {
    unsafe {
        if ffi::lua_type(state, 2) == ffi::LUA_TSTRING {
            let pattern = bytes_at(state, 2);
            if pattern.len() > PATTERN_BYTES_MAX
                && pattern.iter().any(|byte| b"^$*+?.([%-".contains(byte))
            {
                return ffi::luaL_error(state, c"pattern too complex".as_ptr());
            }
        }
        guarded(state)
    }
}

unsafe extern "C-unwind" fn guard_repetition(state: *mut lua_State) -> c_int {
    unsafe {
        if ffi::lua_type(state, 1) == ffi::LUA_TSTRING
            && ffi::lua_objlen(state, 1) == 0
            && ffi::lua_isnumber(state, 2) != 0
        {
            ffi::lua_settop(state, 1);
            return 1;
        }
        guarded(state)
    }
}

/// Text only: with a blank in front, precompiled code is a syntax error.
unsafe extern "C-unwind" fn guard_load(state: *mut lua_State) -> c_int {
    unsafe {
        if ffi::lua_type(state, 1) == ffi::LUA_TSTRING
            && bytes_at(state, 1).first() == Some(&b'\x1b')
        {
            if ffi::lua_type(state, 2) <= ffi::LUA_TNIL {
                ffi::lua_settop(state, 1);
                ffi::lua_pushvalue(state, 1);
            }
            ffi::lua_pushstring_(state, c" ".as_ptr());
            ffi::lua_pushvalue(state, 1);
            ffi::lua_concat(state, 2);
            ffi::lua_replace(state, 1);
        }
        guarded(state)
    }
}

/// A killed script makes no coroutines, each of which would have some instructions to live.
unsafe extern "C-unwind" fn guard_coroutine(state: *mut lua_State) -> c_int {
    unsafe {
        let exchange = exchange_registered(state);
        end_if_killed(state, exchange);
        if (*exchange).stack_start.abs_diff(stack_address()) > STACK_BYTES_BEFORE_COROUTINE_MAX {
            return ffi::luaL_error(state, c"C stack overflow".as_ptr());
        }
        guarded(state)
    }
}

/// `coroutine.wrap`, whose result resumes too: it becomes a guarded function whose first upvalue is the coroutine, where it looks for it.
unsafe extern "C-unwind" fn guard_wrap(state: *mut lua_State) -> c_int {
    unsafe {
        let results = guard_coroutine(state);
        let wrapped = ffi::lua_gettop(state);
        if results != 1 || ffi::lua_getupvalue(state, wrapped, 1).is_null() {
            return results;
        }
        ffi::lua_pushvalue(state, wrapped);
        ffi::lua_pushcclosure(state, resume_wrapped, 2);
        1
    }
}

unsafe extern "C-unwind" fn resume_wrapped(state: *mut lua_State) -> c_int {
    unsafe {
        let exchange = exchange_registered(state);
        end_if_killed(state, exchange);
        if (*exchange).stack_start.abs_diff(stack_address()) > STACK_BYTES_BEFORE_COROUTINE_MAX {
            return ffi::luaL_error(state, c"C stack overflow".as_ptr());
        }
        match ffi::lua_tocfunction(state, ffi::lua_upvalueindex(2)) {
            Some(function) => function(state),
            None => 0,
        }
    }
}

/// `pairs` without its own copy of `next`, which knows nothing of read-only tables.
unsafe extern "C-unwind" fn pairs(state: *mut lua_State) -> c_int {
    unsafe {
        ffi::luaL_checktype(state, 1, ffi::LUA_TTABLE);
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(1));
        ffi::lua_pushvalue(state, 1);
        ffi::lua_pushnil(state);
    }
    3
}

/// `pcall` as Redis has it: of an error table the script gets the text.
unsafe extern "C-unwind" fn lua_protected(state: *mut lua_State) -> c_int {
    unsafe {
        ffi::luaL_checkany(state, 1);
        let count = ffi::lua_gettop(state);
        // The result's place, so that there is room for it whatever the function returns.
        ffi::lua_pushboolean(state, 1);
        ffi::lua_insert(state, 1);
        if ffi::lua_pcall(state, count - 1, ffi::LUA_MULTRET, 0) != ffi::LUA_OK {
            ffi::lua_remove(state, 1);
            if ffi::lua_type(state, -1) == ffi::LUA_TTABLE {
                field(state, -1, c"err");
                if ffi::lua_isstring(state, -1) != 0 {
                    ffi::lua_replace(state, -2);
                }
            }
            ffi::lua_pushboolean(state, 0);
            ffi::lua_insert(state, 1);
        }
        ffi::lua_gettop(state)
    }
}

/// Where the stack is now, about.
#[inline(never)]
fn stack_address() -> usize {
    let here = 0_u8;
    (&raw const here).addr()
}

/// The exchange for functions that have other upvalues, or none.
unsafe fn exchange_registered(state: *mut lua_State) -> *mut Exchange {
    unsafe {
        ffi::lua_pushlightuserdata(state, (&raw const EXCHANGE_KEY).cast_mut().cast());
        ffi::lua_rawget(state, ffi::LUA_REGISTRYINDEX);
        let exchange: *mut Exchange = ffi::lua_touserdata(state, -1).cast();
        ffi::lua_settop(state, -2);
        exchange
    }
}
