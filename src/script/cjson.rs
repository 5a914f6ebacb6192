//! The library `cjson`: JSON to values and back, with the settings, number formats and error texts of lua-cjson 2.1, which Redis has.
//! Never: follows nesting further than [`DEPTH_MAX`], whatever a script sets. The parser is in `cjson_decode`.

use super::cjson_decode::Parser;
use super::format::append_general;
use super::library::{Fault, add, fault, integer, one, string};
use mlua::{Lua, MultiValue, Table, Value};
use std::cell::RefCell;
use std::rc::Rc;

/// The deepest nesting that the stack has room for.
pub const DEPTH_MAX: usize = 2000;
/// The longest text that is made.
const TEXT_BYTES_MAX: usize = 256 << 20;

/// What to do with numbers that JSON has not.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum InvalidNumbers {
    /// They are errors.
    Off,
    /// They are written and read.
    On,
    /// They are written as null.
    Null,
}

/// The settings of one copy of the library.
pub struct Settings {
    sparse_convert: bool,
    sparse_ratio: i64,
    sparse_safe: i64,
    encode_depth_max: usize,
    /// The deepest nesting read.
    pub decode_depth_max: usize,
    precision: usize,
    keep_buffer: bool,
    encode_invalid: InvalidNumbers,
    /// What to do with numbers like `nan` and `0x10`.
    pub decode_invalid: InvalidNumbers,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            sparse_convert: false,
            sparse_ratio: 2,
            sparse_safe: 10,
            encode_depth_max: 1000,
            decode_depth_max: 1000,
            precision: 14,
            keep_buffer: true,
            encode_invalid: InvalidNumbers::Off,
            decode_invalid: InvalidNumbers::On,
        }
    }
}

/// The table of functions, with settings of its own.
pub fn library(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    library.raw_set("null", Value::NULL)?;
    library.raw_set("_NAME", "cjson")?;
    library.raw_set("_VERSION", "2.1.0")?;
    let settings = Rc::new(RefCell::new(Settings::default()));
    let shared = settings.clone();
    add(lua, &library, "encode", move |lua, arguments| {
        let [value] = arguments else {
            return Err(Fault::Argument(1, "expected 1 argument".into()));
        };
        let mut text = Vec::new();
        encode(lua, value, &shared.borrow(), 0, &mut text)?;
        one(lua, lua.create_string(&text)?)
    })?;
    let shared = settings.clone();
    add(lua, &library, "decode", move |lua, arguments| {
        if arguments.len() != 1 {
            return Err(Fault::Argument(1, "expected 1 argument".into()));
        }
        let text = string(lua, arguments, 0)?;
        let text = text.as_bytes();
        let value = Parser::new(lua, &text, &shared.borrow()).document()?;
        one(lua, value)
    })?;
    add(lua, &library, "new", |lua, _| one(lua, self::library(lua)?))?;
    add_settings(lua, &library, &settings)?;
    Ok(library)
}

fn add_settings(lua: &Lua, library: &Table, settings: &Rc<RefCell<Settings>>) -> mlua::Result<()> {
    let shared = settings.clone();
    add(
        lua,
        library,
        "encode_sparse_array",
        move |lua, arguments| {
            at_most(arguments, 3)?;
            let mut settings = shared.borrow_mut();
            if let Some(value) = choice(arguments, 0, &["off", "on"])? {
                settings.sparse_convert = value == 1;
            }
            if let Some(value) = whole(lua, arguments, 1, 0, i32::MAX)? {
                settings.sparse_ratio = value;
            }
            if let Some(value) = whole(lua, arguments, 2, 0, i32::MAX)? {
                settings.sparse_safe = value;
            }
            let values = [
                Value::Boolean(settings.sparse_convert),
                Value::Integer(settings.sparse_ratio),
                Value::Integer(settings.sparse_safe),
            ];
            Ok(MultiValue::from_iter(values))
        },
    )?;
    type Place = fn(&mut Settings) -> &mut usize;
    let numbers: [(&str, i32, Place); 3] = [
        ("encode_max_depth", i32::MAX, |settings| {
            &mut settings.encode_depth_max
        }),
        ("decode_max_depth", i32::MAX, |settings| {
            &mut settings.decode_depth_max
        }),
        ("encode_number_precision", 14, |settings| {
            &mut settings.precision
        }),
    ];
    for (name, most, place) in numbers {
        let shared = settings.clone();
        add(lua, library, name, move |lua, arguments| {
            at_most(arguments, 1)?;
            let mut settings = shared.borrow_mut();
            if let Some(value) = whole(lua, arguments, 0, 1, most)? {
                *place(&mut settings) = value as usize;
            }
            one(lua, *place(&mut settings))
        })?;
    }
    let shared = settings.clone();
    add(lua, library, "encode_keep_buffer", move |lua, arguments| {
        at_most(arguments, 1)?;
        let mut settings = shared.borrow_mut();
        if let Some(value) = choice(arguments, 0, &["off", "on"])? {
            settings.keep_buffer = value == 1;
        }
        one(lua, settings.keep_buffer)
    })?;
    type Invalid = fn(&mut Settings) -> &mut InvalidNumbers;
    let invalid: [(&str, &'static [&'static str], Invalid); 2] = [
        (
            "encode_invalid_numbers",
            &["off", "on", "null"],
            |settings| &mut settings.encode_invalid,
        ),
        ("decode_invalid_numbers", &["off", "on"], |settings| {
            &mut settings.decode_invalid
        }),
    ];
    for (name, choices, place) in invalid {
        let shared = settings.clone();
        add(lua, library, name, move |lua, arguments| {
            at_most(arguments, 1)?;
            let mut settings = shared.borrow_mut();
            let place = place(&mut settings);
            match choice(arguments, 0, choices)? {
                Some(0) => *place = InvalidNumbers::Off,
                Some(1) => *place = InvalidNumbers::On,
                Some(_) => *place = InvalidNumbers::Null,
                None => {}
            }
            match *place {
                InvalidNumbers::Null => one(lua, "null"),
                other => one(lua, other == InvalidNumbers::On),
            }
        })?;
    }
    Ok(())
}

fn at_most(arguments: &[Value], count: usize) -> Result<(), Fault> {
    if arguments.len() > count {
        return Err(Fault::Argument(
            count + 1,
            "found too many arguments".into(),
        ));
    }
    Ok(())
}

/// An argument within bounds, if it is there.
fn whole(
    lua: &Lua,
    arguments: &[Value],
    index: usize,
    least: i32,
    most: i32,
) -> Result<Option<i64>, Fault> {
    if matches!(arguments.get(index), None | Some(Value::Nil)) {
        return Ok(None);
    }
    let value = integer(lua, arguments, index)?;
    if !(i64::from(least)..=i64::from(most)).contains(&value) {
        return Err(Fault::Argument(
            index + 1,
            format!("expected integer between {least} and {most}"),
        ));
    }
    Ok(Some(value))
}

/// An argument that is one of these names, or a boolean for the first two, if it is there.
fn choice(arguments: &[Value], index: usize, names: &[&str]) -> Result<Option<usize>, Fault> {
    match arguments.get(index) {
        None | Some(Value::Nil) => Ok(None),
        Some(Value::Boolean(value)) => Ok(Some(usize::from(*value))),
        Some(Value::String(text)) => match names
            .iter()
            .position(|name| name.as_bytes() == &*text.as_bytes())
        {
            Some(place) => Ok(Some(place)),
            None => Err(Fault::Argument(
                index + 1,
                format!("invalid option '{}'", text.to_string_lossy()),
            )),
        },
        Some(_) => super::library::boolean(arguments, index).map(|value| Some(usize::from(value))),
    }
}

fn refused<T>(value: &Value, reason: &str) -> Result<T, Fault> {
    let kind = super::library::type_name(std::slice::from_ref(value), 0);
    fault(format!("Cannot serialise {kind}: {reason}"))
}

fn encode(
    lua: &Lua,
    value: &Value,
    settings: &Settings,
    depth: usize,
    text: &mut Vec<u8>,
) -> Result<(), Fault> {
    if text.len() > TEXT_BYTES_MAX {
        return fault("Cannot serialise, the text is too long");
    }
    match value {
        Value::String(string) => append_string(&string.as_bytes(), text),
        Value::Integer(number) => append_number(value, *number as f64, settings, text)?,
        Value::Number(number) => append_number(value, *number, settings, text)?,
        Value::Boolean(true) => text.extend_from_slice(b"true"),
        Value::Boolean(false) => text.extend_from_slice(b"false"),
        Value::Nil => text.extend_from_slice(b"null"),
        Value::LightUserData(pointer) if pointer.0.is_null() => text.extend_from_slice(b"null"),
        Value::Table(table) => {
            let depth = depth + 1;
            if depth > settings.encode_depth_max || depth > DEPTH_MAX {
                return fault(format!("Cannot serialise, excessive nesting ({depth})"));
            }
            match array_len(value, table, settings)? {
                Some(len) if len > 0 => {
                    text.push(b'[');
                    for index in 1..=len {
                        if index > 1 {
                            text.push(b',');
                        }
                        encode(lua, &table.raw_get::<Value>(index)?, settings, depth, text)?;
                    }
                    text.push(b']');
                }
                _ => append_object(lua, table, settings, depth, text)?,
            }
        }
        other => return refused(other, "type not supported"),
    }
    Ok(())
}

fn append_object(
    lua: &Lua,
    table: &Table,
    settings: &Settings,
    depth: usize,
    text: &mut Vec<u8>,
) -> Result<(), Fault> {
    text.push(b'{');
    let mut is_first = true;
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        if !is_first {
            text.push(b',');
        }
        is_first = false;
        match &key {
            Value::String(name) => append_string(&name.as_bytes(), text),
            Value::Integer(_) | Value::Number(_) => {
                let number = match key {
                    Value::Integer(number) => number as f64,
                    _ => key.as_f64().unwrap_or_default(),
                };
                text.push(b'"');
                append_number(&key, number, settings, text)?;
                text.push(b'"');
            }
            other => return refused(other, "table key must be a number or string"),
        }
        text.push(b':');
        encode(lua, &value, settings, depth, text)?;
    }
    text.push(b'}');
    Ok(())
}

/// The length of a table that is an array; nothing if it is an object.
fn array_len(value: &Value, table: &Table, settings: &Settings) -> Result<Option<i64>, Fault> {
    let (mut greatest, mut count) = (0_i64, 0_i64);
    for pair in table.pairs::<Value, Value>() {
        let (key, _) = pair?;
        let place = match key {
            Value::Integer(place) => place,
            Value::Number(place) if place.fract() == 0.0 && place.abs() < 9e15 => place as i64,
            _ => return Ok(None),
        };
        if place < 1 {
            return Ok(None);
        }
        greatest = greatest.max(place);
        count += 1;
    }
    let is_sparse = settings.sparse_ratio > 0
        && greatest > count.saturating_mul(settings.sparse_ratio)
        && greatest > settings.sparse_safe;
    if is_sparse {
        if !settings.sparse_convert {
            return refused(value, "excessively sparse array");
        }
        return Ok(None);
    }
    Ok(Some(greatest))
}

fn append_number(
    value: &Value,
    number: f64,
    settings: &Settings,
    text: &mut Vec<u8>,
) -> Result<(), Fault> {
    if !number.is_finite() {
        match settings.encode_invalid {
            InvalidNumbers::Off => return refused(value, "must not be NaN or Inf"),
            InvalidNumbers::Null => text.extend_from_slice(b"null"),
            InvalidNumbers::On if number.is_nan() => text.extend_from_slice(b"nan"),
            InvalidNumbers::On => append_general(text, number, settings.precision),
        }
        return Ok(());
    }
    append_general(text, number, settings.precision);
    Ok(())
}

fn append_string(bytes: &[u8], text: &mut Vec<u8>) {
    text.push(b'"');
    for byte in bytes {
        match byte {
            b'"' => text.extend_from_slice(b"\\\""),
            b'\\' => text.extend_from_slice(b"\\\\"),
            b'/' => text.extend_from_slice(b"\\/"),
            8 => text.extend_from_slice(b"\\b"),
            b'\t' => text.extend_from_slice(b"\\t"),
            b'\n' => text.extend_from_slice(b"\\n"),
            12 => text.extend_from_slice(b"\\f"),
            b'\r' => text.extend_from_slice(b"\\r"),
            0..32 | 127 => text.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            other => text.push(*other),
        }
    }
    text.push(b'"');
}
