//! The library `cmsgpack`: MessagePack (its version without binary and extension types) to values and back, as lua-cmsgpack does it.

use super::cjson::DEPTH_MAX;
use super::library::{Fault, Outcome, add, fault, integer, one, string};
use mlua::{IntoLua, Lua, MultiValue, Table, Value};

/// Tables nested deeper than this are written as nil.
const ENCODE_DEPTH_MAX: usize = 16;
/// The longest text that is made.
const PACKED_BYTES_MAX: usize = 256 << 20;
/// Values that one call may return.
const RESULTS_MAX: usize = 7000;

/// The table of functions.
pub fn library(lua: &Lua) -> mlua::Result<Table> {
    let library = lua.create_table()?;
    library.raw_set("_NAME", "cmsgpack")?;
    library.raw_set("_VERSION", "lua-cmsgpack 0.4.0")?;
    library.raw_set("_COPYRIGHT", "")?;
    library.raw_set("_DESCRIPTION", "MessagePack C implementation for Lua")?;
    add(lua, &library, "pack", |lua, arguments| {
        if arguments.is_empty() {
            return Err(Fault::Argument(0, "MessagePack pack needs input.".into()));
        }
        let mut bytes = Vec::new();
        for value in arguments {
            pack(value, 0, &mut bytes)?;
        }
        one(lua, lua.create_string(&bytes)?)
    })?;
    add(lua, &library, "unpack", |lua, arguments| {
        unpack(lua, arguments, 0, 0)
    })?;
    add(lua, &library, "unpack_one", |lua, arguments| {
        let offset = optional(lua, arguments, 1, 0)?;
        unpack(lua, arguments, 1, offset)
    })?;
    add(lua, &library, "unpack_limit", |lua, arguments| {
        let limit = integer(lua, arguments, 1)?;
        let offset = optional(lua, arguments, 2, 0)?;
        unpack(lua, arguments, limit, offset)
    })?;
    Ok(library)
}

fn optional(lua: &Lua, arguments: &[Value], index: usize, default: i64) -> Result<i64, Fault> {
    match arguments.get(index) {
        None | Some(Value::Nil) => Ok(default),
        Some(_) => integer(lua, arguments, index),
    }
}

fn pack(value: &Value, depth: usize, bytes: &mut Vec<u8>) -> Result<(), Fault> {
    if bytes.len() > PACKED_BYTES_MAX {
        return fault("the result is too long");
    }
    match value {
        Value::String(text) => {
            let text = text.as_bytes();
            match text.len() {
                len @ 0..32 => bytes.push(0xa0 | len as u8),
                len @ 32..0x100 => bytes.extend_from_slice(&[0xd9, len as u8]),
                len => head(bytes, 0xda, len),
            }
            bytes.extend_from_slice(&text);
        }
        Value::Boolean(value) => bytes.push(if *value { 0xc3 } else { 0xc2 }),
        Value::Integer(value) => pack_integer(*value, bytes),
        Value::Number(value)
            if value.fract() == 0.0 && value.abs() < 9_223_372_036_854_775_808.0 =>
        {
            pack_integer(*value as i64, bytes)
        }
        Value::Number(value) => {
            let short = *value as f32;
            if f64::from(short) == *value {
                bytes.push(0xca);
                bytes.extend_from_slice(&short.to_be_bytes());
            } else {
                bytes.push(0xcb);
                bytes.extend_from_slice(&value.to_be_bytes());
            }
        }
        Value::Table(table) if depth < ENCODE_DEPTH_MAX => pack_table(table, depth, bytes)?,
        _ => bytes.push(0xc0),
    }
    Ok(())
}

/// A marker for lengths of 16 bits, or the one after it for 32 bits, and the length.
fn head(bytes: &mut Vec<u8>, marker: u8, len: usize) {
    match u16::try_from(len) {
        Ok(len) => {
            bytes.push(marker);
            bytes.extend_from_slice(&len.to_be_bytes());
        }
        Err(_) => {
            bytes.push(marker + 1);
            bytes.extend_from_slice(&(len as u32).to_be_bytes());
        }
    }
}

fn pack_integer(value: i64, bytes: &mut Vec<u8>) {
    match value {
        0..0x80 => bytes.push(value as u8),
        0x80..0x100 => bytes.extend_from_slice(&[0xcc, value as u8]),
        0x100..0x1_0000 => {
            bytes.push(0xcd);
            bytes.extend_from_slice(&(value as u16).to_be_bytes());
        }
        0x1_0000..0x1_0000_0000 => {
            bytes.push(0xce);
            bytes.extend_from_slice(&(value as u32).to_be_bytes());
        }
        0x1_0000_0000.. => {
            bytes.push(0xcf);
            bytes.extend_from_slice(&value.to_be_bytes());
        }
        -32..0 => bytes.push(value as u8),
        -0x80..-32 => bytes.extend_from_slice(&[0xd0, value as u8]),
        -0x8000..-0x80 => {
            bytes.push(0xd1);
            bytes.extend_from_slice(&(value as i16).to_be_bytes());
        }
        -0x8000_0000..-0x8000 => {
            bytes.push(0xd2);
            bytes.extend_from_slice(&(value as i32).to_be_bytes());
        }
        _ => {
            bytes.push(0xd3);
            bytes.extend_from_slice(&value.to_be_bytes());
        }
    }
}

fn pack_table(table: &Table, depth: usize, bytes: &mut Vec<u8>) -> Result<(), Fault> {
    let (mut count, mut greatest, mut is_array) = (0_usize, 0_i64, true);
    for pair in table.pairs::<Value, Value>() {
        match pair?.0 {
            Value::Integer(place) if place > 0 => greatest = greatest.max(place),
            _ => is_array = false,
        }
        count += 1;
    }
    if is_array && greatest == count as i64 {
        match count {
            0..16 => bytes.push(0x90 | count as u8),
            _ => head(bytes, 0xdc, count),
        }
        for index in 1..=count {
            pack(&table.raw_get::<Value>(index)?, depth + 1, bytes)?;
        }
        return Ok(());
    }
    match count {
        0..16 => bytes.push(0x80 | count as u8),
        _ => head(bytes, 0xde, count),
    }
    for pair in table.pairs::<Value, Value>() {
        let (key, value) = pair?;
        pack(&key, depth + 1, bytes)?;
        pack(&value, depth + 1, bytes)?;
    }
    Ok(())
}

fn unpack(lua: &Lua, arguments: &[Value], limit: i64, offset: i64) -> Outcome {
    let text = string(lua, arguments, 0)?;
    let text = text.as_bytes();
    if offset < 0 || limit < 0 {
        return fault(format!(
            "Invalid request to unpack with offset of {offset} and limit of {}.",
            text.len()
        ));
    }
    if offset as u64 > text.len() as u64 {
        return fault(format!(
            "Start offset {offset} greater than input length {}.",
            text.len()
        ));
    }
    let takes_all = limit == 0 && offset == 0;
    let mut reader = Reader {
        lua,
        rest: &text[offset as usize..],
    };
    let mut values: Vec<Value> = Vec::new();
    while !reader.rest.is_empty() && (takes_all || (values.len() as i64) < limit) {
        if values.len() >= RESULTS_MAX {
            return fault("too many results to unpack");
        }
        values.push(reader.value(0)?);
    }
    if !takes_all {
        let place = if reader.rest.is_empty() {
            -1
        } else {
            (text.len() - reader.rest.len()) as i64
        };
        values.insert(0, place.into_lua(lua)?);
    }
    Ok(MultiValue::from_iter(values))
}

struct Reader<'a> {
    lua: &'a Lua,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], Fault> {
        match self.rest.split_at_checked(len) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => fault("Missing bytes in input."),
        }
    }

    /// An unsigned number of so many bytes.
    fn unsigned(&mut self, len: usize) -> Result<u64, Fault> {
        Ok(self
            .take(len)?
            .iter()
            .fold(0, |value, byte| value << 8 | u64::from(*byte)))
    }

    fn text(&mut self, len: usize) -> Result<Value, Fault> {
        let bytes = self.take(len)?;
        Ok(Value::String(self.lua.create_string(bytes)?))
    }

    fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        if depth > DEPTH_MAX {
            return fault("too many nested values");
        }
        let marker = self.take(1)?[0];
        Ok(match marker {
            0x00..=0x7f => Value::Integer(i64::from(marker)),
            0xe0..=0xff => Value::Integer(i64::from(marker as i8)),
            0x80..=0x8f => self.map(usize::from(marker & 15), depth)?,
            0x90..=0x9f => self.array(usize::from(marker & 15), depth)?,
            0xa0..=0xbf => self.text(usize::from(marker & 31))?,
            0xc0 => Value::Nil,
            0xc2 => Value::Boolean(false),
            0xc3 => Value::Boolean(true),
            0xca => Value::Number(f64::from(f32::from_bits(self.unsigned(4)? as u32))),
            0xcb => Value::Number(f64::from_bits(self.unsigned(8)?)),
            0xcc..=0xce => Value::Number(self.unsigned(1 << (marker - 0xcc))? as f64),
            // The original takes these for signed ones.
            0xcf => Value::Number(self.unsigned(8)? as i64 as f64),
            0xd0 => Value::Integer(i64::from(self.unsigned(1)? as i8)),
            0xd1 => Value::Integer(i64::from(self.unsigned(2)? as i16)),
            0xd2 => Value::Integer(i64::from(self.unsigned(4)? as i32)),
            0xd3 => Value::Number(self.unsigned(8)? as i64 as f64),
            0xd9..=0xdb => {
                let len = self.unsigned(1 << (marker - 0xd9))?;
                self.text(len as usize)?
            }
            0xdc | 0xdd => {
                let len = self.unsigned(2 << (marker - 0xdc))?;
                self.array(len as usize, depth)?
            }
            0xde | 0xdf => {
                let len = self.unsigned(2 << (marker - 0xde))?;
                self.map(len as usize, depth)?
            }
            _ => return fault("Bad data format in input."),
        })
    }

    fn array(&mut self, len: usize, depth: usize) -> Result<Value, Fault> {
        let table = self.lua.create_table()?;
        for index in 1..=len {
            let value = self.value(depth + 1)?;
            table.raw_set(index, value)?;
        }
        Ok(Value::Table(table))
    }

    fn map(&mut self, len: usize, depth: usize) -> Result<Value, Fault> {
        let table = self.lua.create_table()?;
        for _ in 0..len {
            let key = self.value(depth + 1)?;
            let value = self.value(depth + 1)?;
            match key {
                Value::Nil => return fault("table index is nil"),
                Value::Number(number) if number.is_nan() => return fault("table index is NaN"),
                key => table.raw_set(key, value)?,
            }
        }
        Ok(Value::Table(table))
    }
}
