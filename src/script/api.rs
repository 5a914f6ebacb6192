//! The functions of the table `redis` that need nothing from the host, and `math.random`. What calls commands is in `raw`.

use super::library::{Fault, Outcome, add, fault, integer, number, one, string};
use super::random::Random;
use super::sha1;
use crate::protocol::resp::Protocol;
use mlua::{Lua, MultiValue, Table, Value};
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// The version that scripts are told. Commands and scripts behave as this version's.
const VERSION: &str = "7.0.15";
/// The same as a number.
const VERSION_NUMBER: u32 = 0x0007_000f;
/// Bytes of lines for the log that a script may leave before the host takes them; what is beyond is lost.
const LOG_BYTES_MAX: usize = 64 * 1024;
/// Functions of one library.
const FUNCTIONS_MAX: usize = 1000;

/// What these functions leave behind for the host.
#[derive(Default)]
pub struct Left {
    /// The generator of random numbers.
    random: Cell<Random>,
    /// Levels (0 debug to 3 warning) and lines for the log.
    pub log: RefCell<Vec<(u8, Vec<u8>)>>,
    log_bytes: Cell<usize>,
    /// The protocol that the script chose, if it did.
    pub protocol: Cell<Protocol>,
    /// Functions that the library being loaded registered.
    pub registered: RefCell<Vec<Registered>>,
}

impl Left {
    /// Takes the lines for the log.
    pub fn take_log(&self) -> Vec<(u8, Vec<u8>)> {
        self.log_bytes.set(0);
        std::mem::take(&mut self.log.borrow_mut())
    }
}

/// A function of a library.
pub struct Registered {
    /// Its name.
    pub name: Vec<u8>,
    /// What is said about it.
    pub description: Option<Vec<u8>>,
    /// The names of its flags.
    pub flags: super::flags::ScriptFlags,
    /// What it does.
    pub callback: mlua::Function,
}

/// An error in the form of those of `redis.call`.
fn error<T>(text: &str) -> Result<T, Fault> {
    Err(Fault::Table(format!("ERR {text}")))
}

/// Fills the table of what the prelude takes.
pub fn add_all(lua: &Lua, own: &Table, left: &Rc<Left>) -> mlua::Result<()> {
    own.raw_set("version", VERSION)?;
    own.raw_set("version_number", VERSION_NUMBER)?;
    let random = left.clone();
    add(lua, own, "random", move |lua, arguments| {
        draw(lua, arguments, &random)
    })?;
    let random = left.clone();
    add(lua, own, "randomseed", move |lua, arguments| {
        let seed = integer(lua, arguments, 0)?;
        random.random.set(Random::new(seed as i32));
        Ok(MultiValue::new())
    })?;
    add(lua, own, "sha1hex", |lua, arguments| {
        if arguments.len() != 1 {
            return error("wrong number of arguments");
        }
        let text = lua.coerce_string(arguments[0].clone())?;
        let hash = match text {
            Some(text) => sha1::sha1(&text.as_bytes()),
            None => sha1::sha1(b""),
        };
        one(lua, lua.create_string(sha1::hex(&hash))?)
    })?;
    add(lua, own, "error_reply", |lua, arguments| {
        single(lua, arguments, "err")
    })?;
    add(lua, own, "status_reply", |lua, arguments| {
        single(lua, arguments, "ok")
    })?;
    add(lua, own, "set_repl", |lua, arguments| {
        if arguments.len() != 1 {
            return error("redis.set_repl() requires two arguments.");
        }
        if !(0.0..4.0).contains(&number(lua, arguments, 0).unwrap_or(0.0)) {
            return error(
                "Invalid replication flags. Use REPL_AOF, REPL_REPLICA, REPL_ALL or REPL_NONE.",
            );
        }
        Ok(MultiValue::new())
    })?;
    let protocol = left.clone();
    add(lua, own, "setresp", move |lua, arguments| {
        if arguments.len() != 1 {
            return error("redis.setresp() requires one argument.");
        }
        // A fraction is cut off.
        protocol.protocol.set(match integer(lua, arguments, 0) {
            Ok(2) => Protocol::Resp2,
            Ok(3) => Protocol::Resp3,
            _ => return error("RESP version must be 2 or 3."),
        });
        Ok(MultiValue::new())
    })?;
    let lines = left.clone();
    add(lua, own, "log", move |lua, arguments| {
        log(lua, arguments, &lines)
    })?;
    let functions = left.clone();
    add(lua, own, "register_function", move |lua, arguments| {
        register(lua, arguments, &functions)?;
        Ok(MultiValue::new())
    })
}

fn draw(lua: &Lua, arguments: &[Value], left: &Left) -> Outcome {
    let mut random = left.random.get();
    let fraction = random.fraction();
    left.random.set(random);
    match arguments.len() {
        0 => one(lua, fraction),
        1 => {
            let most = integer(lua, arguments, 0)? as i32;
            if most < 1 {
                return Err(Fault::Argument(1, "interval is empty".into()));
            }
            one(lua, (fraction * f64::from(most)).floor() + 1.0)
        }
        2 => {
            let (least, most) = (
                integer(lua, arguments, 0)? as i32,
                integer(lua, arguments, 1)? as i32,
            );
            if least > most {
                return Err(Fault::Argument(2, "interval is empty".into()));
            }
            one(
                lua,
                (fraction * f64::from(most.wrapping_sub(least).wrapping_add(1))).floor()
                    + f64::from(least),
            )
        }
        _ => fault("wrong number of arguments"),
    }
}

/// `{err = text}` and `{ok = text}`.
fn single(lua: &Lua, arguments: &[Value], field: &str) -> Outcome {
    let table = lua.create_table_with_capacity(0, 1)?;
    match arguments {
        [Value::String(text)] if field == "ok" => table.raw_set(field, text)?,
        [Value::String(text)] => {
            table.raw_set(field, lua.create_string(with_code(&text.as_bytes()))?)?
        }
        _ => table.raw_set("err", "ERR wrong number or type of arguments")?,
    }
    one(lua, table)
}

/// An error text with its code: the first word, or `ERR` if there is only one. A leading `-` does not belong to it.
fn with_code(text: &[u8]) -> Vec<u8> {
    let text = text.strip_prefix(b"-").unwrap_or(text);
    let (code, message) = match text.iter().position(|byte| *byte == b' ') {
        Some(space) => (&text[..space], &text[space + 1..]),
        None => (&b"ERR"[..], text),
    };
    let start = message
        .iter()
        .position(|byte| !matches!(byte, b'\r' | b'\n'))
        .unwrap_or(message.len());
    let end = message
        .iter()
        .rposition(|byte| !matches!(byte, b'\r' | b'\n'))
        .map_or(start, |last| last + 1);
    [code, b" ", &message[start..end]].concat()
}

fn log(lua: &Lua, arguments: &[Value], left: &Left) -> Outcome {
    if arguments.len() < 2 {
        return error("redis.log() requires two arguments or more.");
    }
    let Ok(level) = number(lua, arguments, 0) else {
        return error("First argument must be a number (log level).");
    };
    if !(0.0..4.0).contains(&level) {
        return error("Invalid debug level.");
    }
    let mut line = Vec::new();
    for value in &arguments[1..] {
        if let Value::String(_) | Value::Integer(_) | Value::Number(_) = value
            && let Some(text) = lua.coerce_string(value.clone())?
        {
            if !line.is_empty() {
                line.push(b' ');
            }
            line.extend_from_slice(&text.as_bytes()[..text.as_bytes().len().min(LOG_BYTES_MAX)]);
        }
    }
    let total = left.log_bytes.get() + line.len() + 1;
    if total <= LOG_BYTES_MAX {
        left.log_bytes.set(total);
        left.log.borrow_mut().push((level as u8, line));
    }
    Ok(MultiValue::new())
}

/// A string, or a number, which is one too wherever Lua wants a string.
fn is_text(value: &Value) -> bool {
    matches!(
        value,
        Value::String(_) | Value::Integer(_) | Value::Number(_)
    )
}

/// `redis.register_function(name, callback)` and `redis.register_function{...}`.
fn register(lua: &Lua, arguments: &[Value], left: &Left) -> Result<(), Fault> {
    let (mut name, mut description, mut flags, mut callback) =
        (None, None, super::flags::ScriptFlags::default(), None);
    match arguments {
        [Value::Table(table)] => {
            for pair in table.pairs::<Value, Value>() {
                let (key, value) = pair?;
                if !is_text(&key) {
                    return error(
                        "named argument key given to redis.register_function is not a string",
                    );
                }
                match (&*string(lua, &[key], 0)?.as_bytes(), value) {
                    (b"function_name", value) if is_text(&value) => {
                        name = Some(string(lua, &[value], 0)?.as_bytes().to_vec())
                    }
                    (b"function_name", _) => {
                        return error(
                            "function_name argument given to redis.register_function must be a string",
                        );
                    }
                    (b"description", value) if is_text(&value) => {
                        description = Some(string(lua, &[value], 0)?.as_bytes().to_vec())
                    }
                    (b"description", _) => {
                        return error(
                            "description argument given to redis.register_function must be a string",
                        );
                    }
                    (b"callback", Value::Function(function)) => callback = Some(function),
                    (b"callback", _) => {
                        return error(
                            "callback argument given to redis.register_function must be a function",
                        );
                    }
                    (b"flags", Value::Table(names)) => {
                        for index in 1.. {
                            let flag = match names.raw_get(index)? {
                                Value::Nil => break,
                                Value::String(text) => {
                                    super::flags::ScriptFlags::named(&text.as_bytes())
                                }
                                _ => None,
                            };
                            match flag {
                                Some(flag) => flags = flags.with(flag),
                                None => return error("unknown flag given"),
                            }
                        }
                    }
                    (b"flags", _) => {
                        return error(
                            "flags argument to redis.register_function must be a table representing function flags",
                        );
                    }
                    _ => return error("unknown argument given to redis.register_function"),
                }
            }
            if name.is_none() {
                return error("redis.register_function must get a function name argument");
            }
            if callback.is_none() {
                return error("redis.register_function must get a callback argument");
            }
        }
        [_] => {
            return error(
                "calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).",
            );
        }
        [first, second] => {
            if !is_text(first) {
                return error("first argument to redis.register_function must be a string");
            }
            let Value::Function(function) = second else {
                return error("second argument to redis.register_function must be a function");
            };
            name = Some(string(lua, arguments, 0)?.as_bytes().to_vec());
            callback = Some(function.clone());
        }
        _ => return error("wrong number of arguments to redis.register_function"),
    }
    let (Some(name), Some(callback)) = (name, callback) else {
        return error("redis.register_function must get a callback argument");
    };
    if !super::functions::is_name(&name) {
        return error(super::functions::NAME_RULE);
    }
    let mut registered = left.registered.borrow_mut();
    if registered.iter().any(|function| function.name == name) {
        return error("Function already exists in the library");
    }
    if registered.len() >= FUNCTIONS_MAX {
        return error("too many functions in the library");
    }
    registered.push(Registered {
        name,
        description,
        flags,
        callback,
    });
    Ok(())
}
