//! How functions for scripts are written in Rust: they take values and return values or a [`Fault`], which the script sees as an error of Lua, worded and
//! placed as the errors of C functions are.

use super::raw::{Runner, raise_mark};
use mlua::{IntoLua, Lua, MultiValue, Table, Value, Variadic};

/// Why a function did not do what it was asked for.
#[derive(Debug)]
pub enum Fault {
    /// An error text; the script's name and line are put in front of it.
    Text(String),
    /// What is wrong with an argument, counted from 1.
    Argument(usize, String),
    /// An error table as `redis.call` raises them; the text begins with its code.
    Table(String),
    /// Lua itself failed; what else than want of memory?
    Lua(mlua::Error),
}

impl From<mlua::Error> for Fault {
    fn from(error: mlua::Error) -> Fault {
        Fault::Lua(error)
    }
}

/// What a function of a library returns.
pub type Outcome = Result<MultiValue, Fault>;

/// A text as a fault.
pub fn fault<T>(text: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::Text(text.into()))
}

/// One value as what a function returns.
pub fn one(lua: &Lua, value: impl IntoLua) -> Outcome {
    let mut values = MultiValue::with_capacity(1);
    values.push_back(value.into_lua(lua)?);
    Ok(values)
}

/// Puts a function into a table.
pub fn add(
    lua: &Lua,
    table: &Table,
    name: &str,
    function: impl Fn(&Lua, &[Value]) -> Outcome + 'static,
) -> mlua::Result<()> {
    let inner = lua.create_function(move |lua, arguments: Variadic<Value>| {
        match function(lua, &arguments) {
            Ok(values) => Ok(values),
            Err(error) => raised(lua, error),
        }
    })?;
    table.raw_set(name, Runner::raising(lua, inner)?)
}

/// The values by which the wrapper around every function knows an error.
fn raised(lua: &Lua, error: Fault) -> mlua::Result<MultiValue> {
    let mut values = MultiValue::with_capacity(3);
    values.push_back(Value::LightUserData(raise_mark()));
    match error {
        Fault::Text(text) => values.push_back(text.into_lua(lua)?),
        Fault::Argument(number, text) => {
            values.push_back(number.into_lua(lua)?);
            values.push_back(text.into_lua(lua)?);
        }
        Fault::Table(text) => {
            let table = lua.create_table_with_capacity(0, 4)?;
            table.raw_set("err", text)?;
            values.push_back(Value::Table(table));
        }
        Fault::Lua(mlua::Error::MemoryError(_)) => {
            values.push_back("not enough memory".into_lua(lua)?)
        }
        Fault::Lua(error) => values.push_back(error.to_string().into_lua(lua)?),
    }
    Ok(values)
}

/// What Lua calls the type of an argument that may not be there.
pub fn type_name(arguments: &[Value], index: usize) -> &'static str {
    match arguments.get(index) {
        None => "no value",
        Some(Value::Integer(_) | Value::Number(_)) => "number",
        Some(Value::LightUserData(_) | Value::UserData(_) | Value::Error(_)) => "userdata",
        Some(value) => value.type_name(),
    }
}

fn wrong_type<T>(arguments: &[Value], index: usize, expected: &str) -> Result<T, Fault> {
    Err(Fault::Argument(
        index + 1,
        format!("{expected} expected, got {}", type_name(arguments, index)),
    ))
}

/// Argument `index` (from 0) as a number, of which strings of digits are some.
pub fn number(lua: &Lua, arguments: &[Value], index: usize) -> Result<f64, Fault> {
    match arguments.get(index) {
        Some(Value::Number(value)) => Ok(*value),
        Some(Value::Integer(value)) => Ok(*value as f64),
        Some(value @ Value::String(_)) => match lua.coerce_number(value.clone())? {
            Some(value) => Ok(value),
            None => wrong_type(arguments, index, "number"),
        },
        _ => wrong_type(arguments, index, "number"),
    }
}

/// Argument `index` as an integer, as C converts it.
pub fn integer(lua: &Lua, arguments: &[Value], index: usize) -> Result<i64, Fault> {
    Ok(super::format::truncated(number(lua, arguments, index)?))
}

/// Argument `index` as a string, of which numbers are some.
pub fn string(lua: &Lua, arguments: &[Value], index: usize) -> Result<mlua::LuaString, Fault> {
    match arguments.get(index) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(value @ (Value::Integer(_) | Value::Number(_))) => {
            match lua.coerce_string(value.clone())? {
                Some(text) => Ok(text),
                None => wrong_type(arguments, index, "string"),
            }
        }
        _ => wrong_type(arguments, index, "string"),
    }
}

/// Argument `index` as a boolean, anything else being an error.
pub fn boolean(arguments: &[Value], index: usize) -> Result<bool, Fault> {
    match arguments.get(index) {
        Some(Value::Boolean(value)) => Ok(*value),
        _ => wrong_type(arguments, index, "boolean"),
    }
}
